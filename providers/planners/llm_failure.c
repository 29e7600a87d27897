/* llm_failure.c - why there is no whole answer, and whether asking again may help. */
#include "providers/planners/llm_planner.h"

#include <string.h>

static enum llm_failure judge_refusal(struct llm_planner *m, const struct net_result *r,
                                      struct err *e)
{
    struct llm_refusal f;
    llm_read_refusal(&f, r->status, &m->body);
    err_set(e, r->status == 401 || r->status == 403 ? ERR_DENIED : ERR_NET,
            "%s: the server answered %d%s%s%s%s%s%s%s%s", m->source, r->status,
            f.type[0] != '\0' ? " " : "", f.type, f.message[0] != '\0' ? ": " : "", f.message,
            m->dialect->hint(r->status), r->request_id[0] != '\0' ? " (request " : "",
            r->request_id, r->request_id[0] != '\0' ? ")" : "");
    if (m->dialect->is_too_long != NULL && m->dialect->is_too_long(&f))
        return FAILURE_FULL;
    const char *without = m->dialect->adapt != NULL ? m->dialect->adapt(m, &f) : NULL;
    if (without != NULL) {
        err_set(e, ERR_NET, "%s: the server does not take %s: asking again without", m->source,
                without);
        return FAILURE_ADAPTED;
    }
    const char *should = r->response != NULL ? net_header(r->response, "x-should-retry") : NULL;
    if (f.spent || (should != NULL && strcmp(should, "false") == 0))
        return FAILURE_FINAL;
    return f.status == 408 || f.status == 409 || f.status == 429 || f.status >= 500
               ? FAILURE_PASSING
               : FAILURE_FINAL;
}

enum llm_failure llm_read_failure(struct llm_planner *m, const struct net_result *r, struct err *e)
{
    static const char dropped[] = "what came of the answer is incomplete and was dropped";
    const struct answer *an = &m->answer;
    if (m->bad.code != ERR_NONE) {
        *e = m->bad;
        err_wrap(e, "%s", m->source);
        return FAILURE_FINAL;
    }
    if (an->refused) {
        err_set(e, ERR_NET, "%s: the server gave up: %s: %s; %s", m->source, an->error_type,
                an->error_message, dropped);
        return an->passing ? FAILURE_PASSING : FAILURE_FINAL;
    }
    if (r->status != 0 && r->status != 200 && r->end == NET_ANSWERED)
        return judge_refusal(m, r, e);
    if (r->end == NET_ANSWERED || r->end == NET_CUT) {
        err_set(e, ERR_NET, "%s: the connection ended before the answer did: %s", m->source,
                an->begun ? dropped : "nothing came of it");
        return FAILURE_PASSING;
    }
    *e = r->err;
    err_wrap(e, "%s", m->source);
    return r->end == NET_UNREACHABLE || r->end == NET_TIMEOUT ? FAILURE_PASSING : FAILURE_FINAL;
}
