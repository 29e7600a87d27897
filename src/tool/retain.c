/* retain.c - which saved namespaces a session keeps. */
#include "tool/retain.h"

#include <string.h>

static bool shares_bytes(const struct state *st, size_t i)
{
    for (size_t k = i + 1; k < st->run_count; k++) {
        if (st->runs[k]->saved.there &&
            strcmp(st->runs[k]->saved.digest, st->runs[i]->saved.digest) == 0)
            return true;
    }
    return false;
}

/* From the newest on: the first that has no place any more, and by that the oldest of all such is
 * found last. */
uint32_t retain_choose(const struct state *st)
{
    const struct state_run *now = state_saved_near(st, st->vars_run);
    unsigned newest = 0, tips = 0;
    int64_t bytes = 0;
    uint32_t drop = 0;
    for (size_t i = st->run_count; i-- > 0;) {
        const struct state_run *r = st->runs[i];
        if (!r->saved.there)
            continue;
        int64_t more = shares_bytes(st, i) ? 0 : r->saved.bytes;
        bool place = newest < RETAIN_NEWEST || (tips < RETAIN_TIPS && state_is_tip(st, r));
        if (r != now && (!place || bytes + more > RETAIN_BYTES)) {
            drop = r->number;
            continue;
        }
        bytes += more;
        tips += newest >= RETAIN_NEWEST;
        newest++;
    }
    return drop;
}
