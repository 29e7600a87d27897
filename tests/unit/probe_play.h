/* probe_play.h - a sandbox for the isolation probes that is played by the test: it answers a run by
 * what its code is about, at once. */
#ifndef AIRLOCK_TESTS_PROBE_PLAY_H
#define AIRLOCK_TESTS_PROBE_PLAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tool/contract.h"
#include "tool/probe_int.h"

/* ---- the sandbox: it answers a run by what the code is about ---- */

struct answer {
    const char *about; /* stands in the code */
    const char *out;   /* %N: the nonce, %n: the network namespace of this process */
    enum run_end end;
    bool lost, closes, hangs;
    const char *error;
};

static struct {
    struct loop *loop;
    struct loop_source *later;
    struct contract contract;
    struct contract_enforcement enforcement;
    struct sandbox_ops ops;
    struct sandbox s;
    sandbox_sink sink;
    void *arg;
    const struct answer *answers; /* ended by one about nothing */
    const struct answer *doing;
    uint32_t run, restored;
    char question[4096], nonce[PROBE_NONCE];
    bool open_fails, born_dead, exec_fails, no_python, no_restore, unconfirmed;
    bool open, ready, closed, closing, finish;
    void (*inside)(void); /* what else happens while a run is on */
    struct buf rows;      /* "name outcome what|inside|host" */
    enum probe_outcome outcome;
    int reports;
} w;

static inline void emit(struct sandbox_event ev)
{
    w.sink(w.arg, &w.s, &ev);
}

static inline void add_words(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        struct stat st;
        if (*text != '%')
            (void)buf_add_char(out, *text);
        else if (*++text == 'N')
            (void)buf_add_str(out, w.nonce);
        else if (*text == 'n' && stat("/proc/self/ns/net", &st) == 0)
            (void)buf_addf(out, "%llu", (unsigned long long)st.st_ino);
    }
}

static inline void end_run(void)
{
    w.finish = false;
    if (w.inside != NULL)
        w.inside();
    const struct answer *a = w.doing;
    struct sandbox_finished f = sandbox_finished_bare(a->end, "");
    struct buf out = BUF_INIT(1 << 16);
    add_words(&out, a->out);
    emit((struct sandbox_event){
        .kind = SANDBOX_OUTPUT, .run = w.run, .stream = STREAM_STDERR, .ptr = "noise", .len = 5 });
    emit((struct sandbox_event){ .kind = SANDBOX_OUTPUT,
                                 .run = w.run + 7,
                                 .ptr = "{}",
                                 .len = 2,
                                 .stream = STREAM_STDOUT }); /* of another run */
    emit((struct sandbox_event){ .kind = SANDBOX_OUTPUT,
                                 .run = w.run,
                                 .stream = STREAM_STDOUT,
                                 .ptr = buf_str(&out),
                                 .len = out.len });
    buf_release(&out);
    if (a->hangs)
        return;
    f.state_lost = a->lost;
    f.error_name = a->error != NULL ? a->error : "";
    emit((struct sandbox_event){ .kind = SANDBOX_FINISHED, .run = w.run, .finished = &f });
    emit((struct sandbox_event){ .kind = SANDBOX_CHECKPOINT, .run = w.run });
    w.closing = a->closes;
    loop_wake_idle(w.loop, w.later);
}

static inline void on_later(void *arg)
{
    (void)arg;
    struct err why = ERR_INIT;
    if (w.open && w.born_dead) {
        err_set(&why, ERR_MISSING, "no image today");
        emit((struct sandbox_event){ .kind = SANDBOX_FAILED, .err = &why });
        w.closing = true;
    } else if (w.open && !w.ready) {
        w.ready = true;
        emit((struct sandbox_event){ .kind = SANDBOX_READY });
    }
    if (w.finish)
        end_run();
    if (w.restored != 0) {
        err_set(&why, ERR_MISSING, "no such copy");
        emit((struct sandbox_event){
            .kind = SANDBOX_RESTORED, .run = w.restored, .err = w.no_restore ? &why : NULL });
        w.restored = 0;
    }
    if (w.closing && !w.closed) {
        w.closed = true;
        emit((struct sandbox_event){ .kind = SANDBOX_CLOSED, .confirmed = !w.unconfirmed });
    }
}

static inline int box_open(struct sandbox **out, const struct sandbox_config *cfg, struct err *e)
{
    if (w.open_fails)
        return err_set(e, ERR_NET, "no open today");
    assert_false(w.open); /* one at a time */
    assert_int_equal(strncmp(cfg->label, "probe-", 6), 0);
    snprintf(w.nonce, sizeof w.nonce, "%s", cfg->label + 6);
    w.sink = cfg->sink;
    w.arg = cfg->arg;
    w.open = true;
    w.ready = w.closed = w.closing = false;
    *out = &w.s;
    assert_int_equal(cfg->check_body(cfg->arg, NULL, e), 0);
    loop_wake_idle(w.loop, w.later);
    return 0;
}

static inline int box_exec(struct sandbox *s, const struct sandbox_run *rq, struct err *e)
{
    (void)s;
    if (w.exec_fails)
        return err_set(e, ERR_NET, "no exec today");
    w.run = rq->run;
    snprintf(w.question, sizeof w.question, "%.*s", (int)rq->input_len, rq->input);
    static const struct answer silent = { "", "", END_EXIT, false, false, false, NULL };
    w.doing = &silent;
    for (const struct answer *a = w.answers; a != NULL && a->about != NULL; a++) {
        if (strstr(rq->code, a->about) != NULL) {
            w.doing = a;
            break;
        }
    }
    w.finish = true;
    loop_wake_idle(w.loop, w.later);
    return 0;
}

static inline void box_kill(struct sandbox *s, enum run_end as)
{
    (void)s;
    (void)as;
    w.closing = true;
    loop_wake_idle(w.loop, w.later);
}

static inline void box_close(struct sandbox *s)
{
    (void)s;
    assert_true(w.closed);
    w.open = false;
}

static inline int box_restore(struct sandbox *s, uint32_t run, struct err *e)
{
    (void)s;
    (void)e;
    w.restored = run;
    loop_wake_idle(w.loop, w.later);
    return 0;
}

static inline const char *box_python(const struct contract *c, const char *language)
{
    (void)language;
    return w.no_python ? NULL : c->python;
}

static inline void box_enforcement(const struct contract *c, struct contract_enforcement *out)
{
    (void)c;
    *out = w.enforcement;
}

/* ---- a probe ---- */

static inline int setup(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    memset(&w, 0, sizeof w);
    contract_init(&w.contract);
    buf_init(&w.rows, 1 << 16);
    w.ops = (struct sandbox_ops){ .name = "played",
                                  .caps = SANDBOX_IS_STATEFUL | SANDBOX_CAN_CHECKPOINT,
                                  .open = box_open,
                                  .exec = box_exec,
                                  .kill = box_kill,
                                  .close = box_close,
                                  .restore = box_restore,
                                  .interpreter = box_python,
                                  .enforcement = box_enforcement };
    w.s = (struct sandbox){ &w.ops };
    if (loop_new(&w.loop, &e) < 0)
        return -1;
    w.later = loop_add_idle(w.loop, on_later, NULL);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    assert_false(w.open);
    loop_remove(w.loop, w.later);
    loop_free(w.loop);
    buf_release(&w.rows);
    contract_release(&w.contract);
    return 0;
}

static inline void again(void)
{
    assert_int_equal(teardown(NULL), 0);
    assert_int_equal(setup(NULL), 0);
}

static inline void on_report(void *arg, const struct probe_report *r)
{
    (void)arg;
    w.reports++;
    w.outcome = r->outcome;
    assert_true(r->row_count > 0);
    for (size_t i = 0; i < r->row_count; i++)
        (void)buf_addf(&w.rows, "%s %s|%s|%s\n", probe_outcome_name(r->rows[i].outcome),
                       r->rows[i].what, r->rows[i].inside, r->rows[i].host);
}

static inline void probe(const char *name, const struct answer *answers)
{
    struct err e = ERR_INIT;
    struct probe_config cfg = { .loop = w.loop,
                                .sandbox = &w.ops,
                                .contract = &w.contract,
                                .only = name,
                                .report = on_report };
    w.answers = answers;
    w.reports = 0;
    buf_reset(&w.rows);
    if (probe_run(&cfg, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(w.reports, 1);
}

static inline void expect(enum probe_outcome outcome, const char *row)
{
    if (w.outcome != outcome || strstr(buf_str(&w.rows), row) == NULL)
        fail_msg("%s, and no row %s\n%s", probe_outcome_name(w.outcome), row, buf_str(&w.rows));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
