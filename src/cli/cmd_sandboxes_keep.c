/* cmd_sandboxes_keep.c - `airlock sandboxes adopt`, `ignore` and `show`: a sandbox that a killed
 * Airlock left is paused for its session, or left to itself; what one uses and what was logged. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/sandboxes.h"
#include "ui/text.h"

/* What is left over of a session here. */
static const struct item *find_left(const struct fleet *fl, const char *id)
{
    struct err e = ERR_INIT;
    const struct item *it = sandboxes_find(fl, id, true);
    if (it == NULL || it->whose == WHOSE_LEFT)
        return it;
    err_set(&e, ERR_USAGE, "%.60s is %s: there is no session here that it could be kept for", id,
            it->whose == WHOSE_KEPT ? "kept already" : "not of a session here");
    app_fail(&e);
    return NULL;
}

static int adopt_one(struct fleet *fl, const struct item *it)
{
    struct err e = ERR_INIT;
    struct fleet_config cfg = sandboxes_config(fl->app);
    struct fleet_call *call;
    const struct sandbox_fact fact = { .type = EVENT_SANDBOX_PAUSED,
                                       .session = it->session,
                                       .kind = it->ops->name,
                                       .id = it->id,
                                       .label = it->label,
                                       .by = "adopted" };
    if (it->ops->fleet->pause == NULL) {
        err_set(&e, ERR_USAGE, "sandbox %s can't be paused", it->ops->name);
        app_fail(&e);
        return -1;
    }
    sandboxes_begin(fl, it->ops);
    if (it->ops->fleet->pause(&call, &cfg, it->id, sandboxes_on_done, fl, &e) < 0 ||
        sandboxes_wait(fl, call, &e) < 0) {
        app_fail(&e);
        return -1;
    }
    if (sandboxes_record(fl->app, &fact, &e) < 0) {
        err_wrap(&e, "%s is paused, but session %s could not be told", it->id, it->session);
        app_fail(&e);
        return -1;
    }
    printf("paused %s %s: it costs nothing; airlock resume %s goes on with it\n", it->ops->name,
           it->id, it->session);
    return 0;
}

static int ignore_one(struct fleet *fl, const struct item *it)
{
    struct err e = ERR_INIT;
    const struct sandbox_fact fact = { .type = EVENT_SANDBOX_CLOSED,
                                       .session = it->session,
                                       .kind = it->ops->name,
                                       .id = it->id,
                                       .label = it->label,
                                       .by = "ignored" };
    if (sandboxes_record(fl->app, &fact, &e) < 0) {
        app_fail(&e);
        return -1;
    }
    printf("left to itself: %s %s%s%s\n", it->ops->name, it->id,
           it->ends[0] != '\0' ? ", ends " : "", it->ends);
    return 0;
}

int sandboxes_adopt(struct fleet *fl, char *const *ids, int count)
{
    int failed = 0;
    for (int i = 0; i < count; i++) {
        const struct item *it = find_left(fl, ids[i]);
        failed += it == NULL || adopt_one(fl, it) < 0;
    }
    return failed;
}

int sandboxes_ignore(struct fleet *fl, char *const *ids, int count)
{
    int failed = 0;
    for (int i = 0; i < count; i++) {
        const struct item *it = find_left(fl, ids[i]);
        failed += it == NULL || ignore_one(fl, it) < 0;
    }
    return failed;
}

/* ---- looked at */

static void print_line(void *arg, const char *text, size_t len)
{
    struct buf out = BUF_INIT((size_t)256 << 10);
    (void)arg;
    (void)text_clean(&out, text, len, TEXT_PROSE, false, false);
    printf("%s\n", buf_str(&out));
    buf_release(&out);
}

static int look_at(struct fleet *fl, const struct item *it)
{
    struct err e = ERR_INIT;
    struct fleet_config cfg = sandboxes_config(fl->app);
    struct fleet_call *call;
    if (it->ops->fleet->look == NULL) {
        err_set(&e, ERR_USAGE, "sandbox %s tells nothing of itself", it->ops->name);
        app_fail(&e);
        return -1;
    }
    sandboxes_begin(fl, it->ops);
    if (it->ops->fleet->look(&call, &cfg, it->id, print_line, sandboxes_on_done, fl, &e) == 0 &&
        sandboxes_wait(fl, call, &e) == 0)
        return 0;
    app_fail(&e);
    return -1;
}

int sandboxes_look(struct fleet *fl, char *const *ids, int count)
{
    int failed = 0;
    for (int i = 0; i < count; i++) {
        const struct item *it = sandboxes_find(fl, ids[i], false);
        failed += it == NULL || look_at(fl, it) < 0;
    }
    return failed;
}
