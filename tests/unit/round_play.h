/* round_play.h - a round whose planner, sandbox and record are played by the test. What the
 * round writes down and asks for is one log, a line each, in order: "run.started 1 {…}" for an
 * event,
 * "> exec 1 print(1)" for a call, "? 1 WHY" for a gate that a person is asked at, "! WHY" when the
 * record failed. What a planner and a sandbox say is the test's. */
#ifndef AIRLOCK_TESTS_ROUND_PLAY_H
#define AIRLOCK_TESTS_ROUND_PLAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/loop.h"
#include "providers/proxy.h"
#include "tool/contract.h"
#include "tool/round.h"

#define DESK_BOXES 8
#define DESK_BLOBS 16

struct box {
    struct sandbox base;
    sandbox_sink sink;
    sandbox_check_body check;
    int64_t (*allowance)(void *arg);
    void *arg;
};

struct desk {
    struct loop *loop;
    struct state st;
    struct contract contract;
    struct contract_enforcement enforcement;
    struct redact *redact;
    struct sandbox_ops sandbox;
    struct planner_ops planner;
    struct round_config cfg;
    struct round *r;
    struct box *box[DESK_BOXES]; /* NULL: closed */
    size_t box_count;
    struct planner played;
    planner_sink say;
    void *say_to;
    struct {
        char *ref;
        struct buf bytes;
    } blobs[DESK_BLOBS];
    size_t blob_count;
    struct buf log;
    const char *refuse;       /* the call that fails, by its name in the log; NULL none */
    const char *refuse_event; /* the append that fails, by type */
    enum err_code refuse_as;
    size_t appends, fail_append; /* the k-th fails, and all after it; 0 none */
    char *facts[64];             /* bodies of the facts before there was a round */
    struct event past[64];
    size_t past_count;
    bool erased;      /* these bodies are gone */
    const char *file; /* a file that was recorded before a run's code; NULL none */
    unsigned waiting_words, snapshots_kept;
    bool starts_over, tampers, proved_gone;
};

static struct desk d;
static struct review_rules *desk_rules; /* of all tests of a program */

/* ---- the log ---- */

static inline void note(const char *fmt, ...) PRINTF_LIKE(1, 2);
static inline void note(const char *fmt, ...)
{
    char line[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    (void)buf_addf(&d.log, "%s\n", line);
}

static inline size_t times(const char *words)
{
    size_t n = 0;
    for (const char *p = buf_str(&d.log); (p = strstr(p, words)) != NULL; p++)
        n++;
    return n;
}

/* As much as a message of the test library holds. */
static inline const char *tail_of_log(void)
{
    const char *p = buf_str(&d.log);
    return d.log.len > 900 ? p + (d.log.len - 900) : p;
}

static inline void clear(void)
{
    buf_reset(&d.log);
}

#define TIMES(n, words)                                                                            \
    do {                                                                                           \
        if (times(words) != (n))                                                                   \
            fail_msg("%zu times, not %zu: %s\n%s", times(words), (size_t)(n), words,               \
                     tail_of_log());                                                               \
    } while (0)
#define LOGGED(words)                                                                              \
    do {                                                                                           \
        if (times(words) == 0) {                                                                   \
            print_error("%s", tail_of_log());                                                      \
            fail_msg("not there: %s", words);                                                      \
        }                                                                                          \
    } while (0)
#define SILENT(words) TIMES(0, words)
#define BEFORE(first, second)                                                                      \
    do {                                                                                           \
        LOGGED(first);                                                                             \
        LOGGED(second);                                                                            \
        assert_true(strstr(buf_str(&d.log), first) < strstr(buf_str(&d.log), second));             \
    } while (0)
#define GOOD(call)                                                                                 \
    do {                                                                                           \
        struct err e_ = ERR_INIT, *e = &e_;                                                        \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s", #call, e_.msg);                                                     \
    } while (0)
/* It fails with this code, and says so. */
#define BAD(call, want, words)                                                                     \
    do {                                                                                           \
        struct err e_ = ERR_INIT, *e = &e_;                                                        \
        assert_int_equal((call), -1);                                                              \
        if (e_.code != (want) || strstr(e_.msg, words) == NULL)                                    \
            fail_msg("%s: %s: %s", #call, err_code_name(e_.code), e_.msg);                         \
    } while (0)

static inline int answer(const char *call, struct err *e)
{
    if (d.refuse == NULL || strcmp(d.refuse, call) != 0)
        return 0;
    return err_set(e, d.refuse_as != ERR_NONE ? d.refuse_as : ERR_NET, "no %s today", call);
}

/* ---- the sandbox ---- */

static inline const struct box *box_of(const struct sandbox *s)
{
    return (const struct box *)(const void *)s;
}

static inline unsigned box_number(const struct sandbox *s)
{
    for (unsigned i = 0; i < d.box_count; i++) {
        if (d.box[i] == box_of(s))
            return i;
    }
    fail_msg("no such sandbox");
    return 0;
}

static inline int box_open(struct sandbox **out, const struct sandbox_config *cfg, struct err *e)
{
    note("> open %s attach=%s snapshot=%s", cfg->label, cfg->attach != NULL ? cfg->attach : "-",
         cfg->snapshot != NULL ? cfg->snapshot : "-");
    if (answer("open", e) < 0)
        return -1;
    assert_true(d.box_count < DESK_BOXES);
    struct box *b = xcalloc(1, sizeof *b);
    *b = (struct box){ { &d.sandbox }, cfg->sink, cfg->check_body, cfg->allowance, cfg->arg };
    d.box[d.box_count++] = b;
    *out = &b->base;
    return 0;
}

static inline int box_exec(struct sandbox *s, const struct sandbox_run *rq, struct err *e)
{
    struct sandbox_run sent = *rq;
    note("> exec %u on %u %.*s", rq->run, box_number(s), (int)rq->code_len, rq->code);
    for (size_t i = 0; i < rq->exists_count; i++)
        note(">   asks for %s", rq->exists[i]);
    if (d.tampers)
        sent.code_len--;
    if (box_of(s)->check(box_of(s)->arg, &sent, e) < 0)
        return -1;
    return answer("exec", e);
}

static inline void box_interrupt(struct sandbox *s)
{
    note("> interrupt %u", box_number(s));
}

static inline void box_kill(struct sandbox *s, enum run_end as)
{
    note("> kill %u %s", box_number(s), run_end_name(as));
}

static inline int box_restore(struct sandbox *s, uint32_t run, struct err *e)
{
    note("> restore %u on %u", run, box_number(s));
    return answer("restore", e);
}

static inline const char *box_starts_over(struct sandbox *s, const struct sandbox_run *rq)
{
    (void)s;
    (void)rq;
    return d.starts_over ? "what was there is gone" : NULL;
}

static inline int box_save(struct sandbox *s, struct err *e)
{
    note("> save %u", box_number(s));
    return answer("save", e);
}

static inline int box_load(struct sandbox *s, const char *ptr, size_t len, struct err *e)
{
    note("> load %u %.*s", box_number(s), (int)(len < 40 ? len : 40), ptr);
    return answer("load", e);
}

static inline int box_put(struct sandbox *s, const struct sandbox_file *f, struct err *e)
{
    note("> put %u %s %.*s", box_number(s), f->name, (int)f->len, f->ptr);
    return answer("put", e);
}

static inline int box_get(struct sandbox *s, const char *path, size_t max, struct err *e)
{
    note("> get %u %s %zu", box_number(s), path, max);
    return answer("get", e);
}

static inline int box_complete(struct sandbox *s, const char *language, const char *text,
                               size_t cursor, uint64_t token, struct err *e)
{
    note("> complete %u %s %s %zu %llu", box_number(s), language, text, cursor,
         (unsigned long long)token);
    return answer("complete", e);
}

static inline int box_pause(struct sandbox *s, struct err *e)
{
    note("> pause %u", box_number(s));
    return answer("pause", e);
}

static inline int box_wake(struct sandbox *s, struct err *e)
{
    note("> wake %u", box_number(s));
    return answer("wake", e);
}

static inline int box_snapshot(struct sandbox *s, uint32_t run, unsigned *keep, struct err *e)
{
    note("> snapshot %u on %u", run, box_number(s));
    *keep = d.snapshots_kept;
    return answer("snapshot", e);
}

static inline int box_drop_snapshot(struct sandbox *s, uint32_t run, const char *id, struct err *e)
{
    note("> drop-snapshot %u %s on %u", run, id, box_number(s));
    return answer("drop-snapshot", e);
}

static inline bool box_farewell(struct sandbox *s)
{
    note("> farewell %u", box_number(s));
    return d.proved_gone;
}

static inline int64_t box_cost(const struct sandbox *s, int64_t ms)
{
    (void)s;
    return ms * 10;
}

static inline void box_close(struct sandbox *s)
{
    unsigned n = box_number(s);
    note("> close %u", n);
    free(d.box[n]);
    d.box[n] = NULL;
}

static inline void box_enforcement(const struct contract *c, struct contract_enforcement *out)
{
    (void)c;
    *out = d.enforcement;
}

static inline const char *box_interpreter(const struct contract *c, const char *language)
{
    return strcmp(language, "python") == 0 ? c->python : NULL;
}

static inline int box_origin(const struct sandbox_host *h, char *room, size_t size, struct err *e)
{
    (void)h;
    snprintf(room, size, "https://box.example");
    return answer("origin", e);
}

/* ---- the planner ---- */

static inline int plan_open(struct planner **out, const struct planner_config *cfg, struct err *e)
{
    struct planner_allowance left = { .nanousd = -1 };
    if (cfg->allowance != NULL)
        cfg->allowance(cfg->allowance_arg, &left);
    note("> planner %s %s %lld", cfg->model != NULL ? cfg->model : "-", cfg->language,
         (long long)left.nanousd);
    if (answer("planner", e) < 0)
        return -1;
    d.played = (struct planner){ &d.planner };
    d.say = cfg->sink;
    d.say_to = cfg->arg;
    *out = &d.played;
    return 0;
}

static inline int plan_task(struct planner *p, const char *text, struct err *e)
{
    (void)p;
    note("> task %s", text);
    return answer("task", e);
}

static inline int plan_message(struct planner *p, const char *text, struct err *e)
{
    (void)p;
    note("> message '%s'", text);
    return answer("message", e);
}

static inline int plan_observe(struct planner *p, const struct planner_observation *o,
                               struct err *e)
{
    (void)p;
    note("> observe %u %s denied=%d reason=%s end=%s verdict=%s spent=%d left=%u over=%d "
         "clipped=%d flags=%s edited=%s",
         o->run, o->call_id, o->denied, o->reason, run_end_name(o->end), o->verdict, o->spent,
         o->attempts_left, o->step_over, o->clipped, o->flags, o->edited != NULL ? o->edited : "-");
    note(">   checks %s results %s out %zu %.40s", o->checks, o->results, o->out_len, o->out);
    return answer("observe", e);
}

static inline int plan_edited(struct planner *p, const struct planner_step *steps, size_t count,
                              struct err *e)
{
    (void)p;
    note("> plan %zu %s", count, count > 0 ? steps[0].title : "");
    return answer("plan", e);
}

static inline void plan_cancel(struct planner *p)
{
    (void)p;
    note("> cancel");
}

static inline void plan_close(struct planner *p)
{
    (void)p;
}

static inline unsigned plan_queued(const struct planner *p)
{
    (void)p;
    return d.waiting_words;
}

static inline int plan_set_model(struct planner *p, const char *model, struct err *e)
{
    (void)p;
    note("> model %s", model);
    return answer("model", e);
}

/* ---- the record ---- */

static inline int record_fails(const char *type, struct err *e)
{
    d.appends++;
    if ((d.fail_append != 0 && d.appends >= d.fail_append) ||
        (d.refuse_event != NULL && strcmp(d.refuse_event, type) == 0))
        return err_set(e, ERR_IO, "the disk is full");
    return 0;
}

static inline int desk_append(void *arg, struct event *ev, struct err *e)
{
    (void)arg;
    const char *type = event_type_name(ev->type);
    if (record_fails(type, e) < 0)
        return -1;
    ev->seq = d.st.last_seq + 1;
    ev->at_us = 1000000 * (int64_t)ev->seq;
    ev->boot_us = clock_boot_us();
    if (ev->type == EVENT_RUN_OUTPUT)
        note("%s %u %u %.*s", type, ev->run, ev->stream, (int)(ev->len < 80 ? ev->len : 80),
             ev->bytes);
    else
        note("%s %u %.*s", type, ev->run, (int)ev->json_len, ev->json);
    return 0;
}

static inline int desk_artifact(void *arg, struct event *ev, const char *mime, const char *name,
                                const void *p, size_t len, struct err *e)
{
    (void)p;
    if (desk_append(arg, ev, e) < 0)
        return -1;
    note("  artifact %s %s %zu", mime, name, len);
    return 0;
}

static inline struct buf *blob_find(const char *ref)
{
    for (size_t i = 0; i < d.blob_count; i++) {
        if (strcmp(d.blobs[i].ref, ref) == 0)
            return &d.blobs[i].bytes;
    }
    return NULL;
}

static inline int desk_checkpoint(void *arg, struct event *ev, const char *kind, const char *ref,
                                  const void *p, size_t len, struct err *e)
{
    if (desk_append(arg, ev, e) < 0)
        return -1;
    note("  blob %s %.8s %zu", kind, ref, len);
    if (blob_find(ref) == NULL) {
        assert_true(d.blob_count < DESK_BLOBS);
        d.blobs[d.blob_count].ref = xstrdup(ref);
        buf_init(&d.blobs[d.blob_count++].bytes, (size_t)8 << 20);
    }
    return buf_add(blob_find(ref), p, len);
}

static inline int desk_read(void *arg, const char *ref, struct buf *out, struct err *e)
{
    (void)arg;
    const struct buf *b = blob_find(ref);
    note("> read %.8s", ref);
    if (b == NULL || answer("read", e) < 0)
        return err_set(e, ERR_MISSING, "no blob %.8s", ref);
    return buf_add(out, b->ptr, b->len);
}

/* Half of it at first, so that the round has to come back. */
static inline int desk_drop(void *arg, const char *ref, bool *more, struct err *e)
{
    (void)arg;
    struct buf *b = blob_find(ref);
    note("> drop %.8s", ref);
    if (answer("drop", e) < 0)
        return -1;
    *more = b != NULL && b->len > 1;
    if (b != NULL)
        buf_truncate(b, b->len > 1 ? 1 : 0);
    return 0;
}

static inline int desk_each(void *arg, uint32_t run,
                            void (*fn)(void *fn_arg, const char *name, const void *p, size_t len),
                            void *fn_arg, struct err *e)
{
    (void)arg;
    note("> artifacts %u", run);
    if (answer("artifacts", e) < 0)
        return -1;
    if (d.file != NULL)
        fn(fn_arg, d.file, "bytes", 5);
    return 0;
}

static inline int desk_each_event(void *arg, uint64_t types, uint64_t from, uint64_t to,
                                  int (*fn)(void *fn_arg, const struct event *ev), void *fn_arg,
                                  struct err *e)
{
    (void)arg;
    if (answer("events", e) < 0)
        return -1;
    for (size_t i = 0; i < d.past_count; i++) {
        struct event ev = d.past[i];
        struct json *body = NULL;
        if ((types >> ev.type & 1) == 0 || ev.seq < from || ev.seq > to)
            continue;
        if (!d.erased)
            assert_int_equal(event_parse(&ev, &body, e), 0);
        int stop = fn(fn_arg, &ev);
        json_free(body);
        if (stop != 0)
            return 0;
    }
    return 0;
}

static inline ssize_t desk_output(void *arg, uint32_t run, unsigned stream, uint64_t offset,
                                  char *dst, size_t len)
{
    (void)arg;
    const struct state_output *o = &state_run_at(&d.st, run)->out[stream];
    if (d.refuse != NULL && strcmp(d.refuse, "output") == 0)
        return -1;
    if (offset < o->tail_offset) /* not held any more; the record has it */
        memset(dst, '.', len);
    else
        memcpy(dst, o->tail.ptr + (offset - o->tail_offset), len);
    return (ssize_t)len;
}

static inline void desk_applied(void *arg, const struct event *ev)
{
    (void)arg;
    (void)ev;
}

static inline void desk_ask(void *arg, uint32_t run, const char *why)
{
    (void)arg;
    note("? %u %s", run, why);
}

static inline void desk_streaming(void *arg, const struct planner_event *ev)
{
    (void)arg;
    note("~ %d %.*s", (int)ev->kind, (int)ev->text_len, ev->text != NULL ? ev->text : "");
}

static inline void desk_completion(void *arg, uint64_t token, const char *const *names, size_t n)
{
    (void)arg;
    note("= %llu %s", (unsigned long long)token, n > 0 ? names[0] : "");
}

static inline void desk_failed(void *arg, const struct err *e)
{
    (void)arg;
    note("! %s", e->msg);
}

#endif
