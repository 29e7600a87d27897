/* session_port.c - how a round writes into its session: appended, told, committed in time; and the
 * end of a record that can't be written. */
#include "cli/session_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/app.h"
#include "cli/frame.h"

#define DROP_ROWS 2 /* rows of a checkpoint that one turn takes out: at most 1 MiB each */

/* ---- committing ---- */

static void tell_durable(struct session *s)
{
    uint64_t seq = store_durable_seq(s->store);
    if (seq > s->told_seq && s->listener.durable != NULL)
        s->listener.durable(s->listener.arg, seq);
    s->told_seq = seq;
}

int session_flush(struct session *s, struct err *e)
{
    if (store_flush(s->store, e) < 0)
        return -1;
    tell_durable(s);
    return 0;
}

void session_on_flush(void *arg)
{
    struct session *s = arg;
    struct err e = ERR_INIT;
    if (session_flush(s, &e) < 0)
        round_stop_record(s->round, &e);
}

/* The open group is committed when it is due, or at once when the loop has nothing else to do with
 * it. */
static void after_append(struct session *s)
{
    int64_t due = store_flush_due_us(s->store);
    if (due == 0) {
        loop_arm_us(s->app->loop, s->flush, -1);
        return;
    }
    int64_t left = due - clock_boot_us();
    loop_arm_us(s->app->loop, s->flush, left > 0 ? left : 0);
}

/* ---- the port ---- */

static int port_append(void *arg, struct event *ev, struct err *e)
{
    struct session *s = arg;
    if (store_append(s->store, ev, e) < 0)
        return -1;
    after_append(s);
    return 0;
}

static int port_append_artifact(void *arg, struct event *ev, const char *mime, const char *name,
                                const void *p, size_t len, struct err *e)
{
    struct session *s = arg;
    if (store_append_artifact(s->store, ev, mime, name, p, len, e) < 0)
        return -1;
    after_append(s);
    return 0;
}

static int port_append_checkpoint(void *arg, struct event *ev, const char *kind, const char *ref,
                                  const void *p, size_t len, struct err *e)
{
    struct session *s = arg;
    if (store_append_checkpoint(s->store, ev, kind, ref, p, len, "{}", e) < 0)
        return -1;
    after_append(s);
    return 0;
}

static int port_read_checkpoint(void *arg, const char *ref, struct buf *out, struct err *e)
{
    struct session *s = arg;
    return store_read_checkpoint(s->store, ref, out, e);
}

struct names {
    char **names;
    size_t count;
};

static int take_name(void *arg, const struct store_artifact *a)
{
    struct names *n = arg;
    n->names = xreallocarray(n->names, n->count + 1, sizeof *n->names);
    n->names[n->count++] = xstrdup(a->name);
    return 0;
}

static int port_each_artifact(void *arg, uint32_t run,
                              void (*fn)(void *fn_arg, const char *name, const void *p, size_t len),
                              void *fn_arg, struct err *e)
{
    struct session *s = arg;
    struct names n = { .count = 0 };
    int rc = store_each_artifact(s->store, run, take_name, &n, e);
    for (size_t i = 0; i < n.count; i++) {
        struct buf bytes = BUF_INIT(STORE_BLOB_MAX);
        if (rc == 0)
            rc = store_read_artifact(s->store, run, n.names[i], &bytes, e);
        if (rc == 0)
            fn(fn_arg, n.names[i], buf_str(&bytes), bytes.len);
        buf_release(&bytes);
        free(n.names[i]);
    }
    free(n.names);
    return rc;
}

static int port_each_event(void *arg, uint64_t types, uint64_t from, uint64_t to,
                           int (*fn)(void *fn_arg, const struct event *ev), void *fn_arg,
                           struct err *e)
{
    struct session *s = arg;
    return store_each_of(s->store, types, from, to, fn, fn_arg, e);
}

static int port_drop_checkpoint(void *arg, const char *ref, bool *more, struct err *e)
{
    struct session *s = arg;
    if (store_drop_checkpoint(s->store, ref, DROP_ROWS, more, e) < 0)
        return -1;
    after_append(s);
    return 0;
}

void session_tell_applied(struct session *s, const struct event *ev)
{
    log_msg(LOG_DEBUG, "session", "%s: event %llu %s, run %u", s->id, (unsigned long long)ev->seq,
            event_type_name(ev->type), ev->run);
    if (s->app->frames != NULL) {
        struct output_source source = store_output_source(s->store);
        frames_add(s->app->frames, &s->state, &source);
    }
    if (s->listener.applied != NULL)
        s->listener.applied(s->listener.arg, ev);
    if (event_is_durable(ev->type))
        tell_durable(s);
}

static void port_applied(void *arg, const struct event *ev)
{
    session_tell_applied(arg, ev);
}

static void port_ask(void *arg, uint32_t run, const char *why)
{
    struct session *s = arg;
    s->listener.ask(s->listener.arg, run, why);
}

static void port_streaming(void *arg, const struct planner_event *ev)
{
    struct session *s = arg;
    if (s->listener.streaming != NULL)
        s->listener.streaming(s->listener.arg, ev);
}

static void port_completion(void *arg, uint64_t token, const char *const *names, size_t count)
{
    struct session *s = arg;
    if (s->listener.completion != NULL)
        s->listener.completion(s->listener.arg, token, names, count);
}

/* ---- the end of a record that can't be written ---- */

static int write_last_word(struct session *s, const struct err *why, struct event_builder *b,
                           struct err *e)
{
    const char *reason = why->sys == ENOSPC || why->sys == EDQUOT ? "disk full"
                         : why->sys == EROFS                      ? "read-only file system"
                         : why->sys == EFBIG                      ? "file too large"
                                                                  : why->msg;
    char *text = xasprintf("stopped: %s", reason);
    event_begin(b, EVENT_ERROR, 0);
    json_w_str(&b->w, "code", err_code_name(why->code));
    json_w_strn(&b->w, "message", text, strlen(text));
    json_w_str(&b->w, "hint",
               "nothing more runs in this session; what was recorded is safe: make room, then "
               "airlock resume");
    json_w_bool(&b->w, "stopped", true);
    free(text);
    if (event_end(b, e) < 0)
        return -1;
    return store_failed(s->store, NULL) ? store_append_last(s->store, &b->ev, e)
                                        : store_append(s->store, &b->ev, e);
}

/* One last event says why, in the reserve of disk space; on the screen it stands even if that
 * failed too. What runs was stopped by the round before. [AUD-4] */
static void port_failed(void *arg, const struct err *e)
{
    struct session *s = arg;
    struct err why = *e, none = ERR_INIT;
    struct event_builder b;
    (void)store_failed(s->store, &why);
    log_msg(LOG_ERROR, "session", "%s: %s", s->id, why.msg);
    if (write_last_word(s, &why, &b, &none) < 0)
        log_msg(LOG_ERROR, "session", "%s: the last word is not recorded: %s", s->id, none.msg);
    uint64_t seq = b.ev.seq;
    b.ev.seq = 0; /* what was shown but not yet on disk had higher numbers */
    if (b.ev.body != NULL && state_apply(&s->state, &b.ev, NULL, &none) == 0) {
        b.ev.seq = seq != 0 ? seq : s->state.last_seq;
        session_tell_applied(s, &b.ev);
        if (s->listener.durable != NULL && seq != 0)
            s->listener.durable(s->listener.arg, seq);
    }
    event_release(&b);
    s->listener.failed(s->listener.arg, &why);
}

struct round_port session_port(struct session *s)
{
    return (struct round_port){
        .append = port_append,
        .append_artifact = port_append_artifact,
        .append_checkpoint = port_append_checkpoint,
        .read_checkpoint = port_read_checkpoint,
        .each_artifact = port_each_artifact,
        .each_event = port_each_event,
        .drop_checkpoint = port_drop_checkpoint,
        .output = store_output_source(s->store),
        .applied = port_applied,
        .ask = port_ask,
        .streaming = port_streaming,
        .completion = port_completion,
        .failed = port_failed,
        .arg = s,
    };
}
