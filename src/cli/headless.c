/* headless.c - a session without a screen. */
#include "cli/headless.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/linegate.h"
#include "ui/plain.h"

#define SAVE_WAIT_US    2000000 /* for the last saved namespace */
#define SANDBOX_WAIT_US 2000000 /* for the proof that the sandbox is dead */
#define SIGNALS_END     3       /* so many SIGINT end it */

/* ---- printing ---- */

static void put(struct headless *h, int fd, const char *p, size_t len)
{
    if (h->out_failed || write_all_fd(fd, p, len) == 0)
        return;
    h->out_failed = true; /* that ends the printing, not the record */
    h->out_error = errno != EPIPE ? errno : 0;
}

static void print_json(struct headless *h, const struct event *ev)
{
    if (event_print_jsonl(ev, session_state(h->session)->session, &h->json) < 0) {
        put(h, STDOUT_FILENO, buf_str(&h->json), h->json.len);
        buf_reset(&h->json);
        (void)event_print_jsonl(ev, session_state(h->session)->session, &h->json);
    }
    h->json_seq = ev->seq;
}

static void print_output(struct headless *h, unsigned stream, const char *p, size_t len)
{
    int fd = stream == STREAM_STDERR ? STDERR_FILENO : STDOUT_FILENO;
    if (!h->tty[stream]) {
        put(h, fd, p, len);
        return;
    }
    struct buf out = BUF_INIT((size_t)16 << 20);
    (void)text_stream_feed(&h->clean[stream], p, len, &out);
    put(h, fd, buf_str(&out), out.len);
    buf_release(&out);
}

static void end_output(struct headless *h)
{
    for (unsigned stream = STREAM_STDOUT; stream <= STREAM_STDERR; stream++) {
        struct buf out = BUF_INIT((size_t)1 << 20);
        (void)text_stream_end(&h->clean[stream], &out);
        put(h, stream == STREAM_STDERR ? STDERR_FILENO : STDOUT_FILENO, buf_str(&out), out.len);
        buf_release(&out);
    }
}

static void print_lines(struct headless *h, const struct event *ev)
{
    struct buf out = BUF_INIT((size_t)16 << 20);
    if (h->session == NULL)
        return;
    plain_event(session_state(h->session), ev, h->clean, &out);
    put(h, STDOUT_FILENO, buf_str(&out), out.len);
    buf_release(&out);
}

/* The record stopped: lines of events that never reached the disk are taken back. */
static void drop_unrecorded(struct headless *h, uint64_t last)
{
    static const char key[] = "{\"seq\":";
    size_t keep = 0;
    while (keep < h->json.len) {
        const char *line = h->json.ptr + keep, *lf = memchr(line, '\n', h->json.len - keep);
        if (lf == NULL || strncmp(line, key, sizeof key - 1) != 0 ||
            strtoull(line + sizeof key - 1, NULL, 10) >= last)
            break;
        keep += (size_t)(lf - line) + 1;
    }
    h->json.len = keep;
}

/* A planner that gave up has not done its work, however quiet it is afterwards. */
static void note_planner(struct headless *h, const struct event *ev)
{
    if (ev->type == EVENT_RUN_PROPOSED || ev->type == EVENT_PLAN_UPDATED ||
        ev->type == EVENT_PLANNER_MESSAGE)
        h->gave_up[0] = '\0';
    else if (ev->type == EVENT_ERROR && ev->run == 0 && json_get(ev->body, "retry_ms") == NULL)
        snprintf(h->gave_up, sizeof h->gave_up, "%s", json_get_str(ev->body, "code", ""));
}

static void on_applied(void *arg, const struct event *ev)
{
    struct headless *h = arg;
    note_planner(h, ev);
    if (ev->type == EVENT_ERROR && json_get_bool(ev->body, "stopped", false))
        drop_unrecorded(h, ev->seq);
    if (h->print == PRINT_JSON && h->session == NULL)
        return; /* session.created: printed by headless_start, when there is a session */
    if (h->print == PRINT_JSON)
        print_json(h, ev);
    else if (h->print == PRINT_LINES)
        print_lines(h, ev);
    else if (h->print == PRINT_NOTHING)
        return;
    else if (ev->type == EVENT_RUN_OUTPUT && ev->run != 0)
        print_output(h, ev->stream, ev->bytes, ev->len);
    else if (ev->type == EVENT_RUN_FINISHED)
        end_output(h);
}

/* A reader of --json may act on a line, so a line is only printed when its event is on disk.
 * [AUD-3] */
static void on_durable(void *arg, uint64_t seq)
{
    struct headless *h = arg;
    if (h->print != PRINT_JSON || h->json_seq > seq)
        return;
    put(h, STDOUT_FILENO, buf_str(&h->json), h->json.len);
    buf_reset(&h->json);
}

static void on_failed(void *arg, const struct err *e)
{
    struct headless *h = arg;
    if (h->broken.code == ERR_NONE)
        h->broken = *e;
    loop_stop(h->app->loop);
}

/* ---- the gate ---- */

static void deny_unasked(struct headless *h, const char *why)
{
    struct err e = ERR_INIT;
    struct round *r = session_round(h->session);
    const char *reason =
        why[0] != '\0' ? why
                       : "no person is there to ask (stdin is no terminal), and there is no lease";
    snprintf(h->deny_reason, sizeof h->deny_reason, "%s", reason);
    struct round_decide d = {
        .decision = DECIDE_DENY,
        .by = why[0] != '\0' ? "lease" : "policy",
        .capsule = session_state(h->session)->gate.capsule,
        .reason = reason,
    };
    if (round_decide(r, &d, &e) < 0)
        on_failed(h, &e);
}

static void on_ask(void *arg, uint32_t run, const char *why)
{
    struct headless *h = arg;
    (void)run;
    if (h->person)
        line_gate_open(h->gate, why);
    else
        deny_unasked(h, why);
}

/* ---- signals ---- */

void headless_signal(void *arg, int signo)
{
    struct headless *h = arg;
    h->interrupted = true;
    if (signo != SIGINT)
        h->signals = SIGNALS_END;
    if (h->session == NULL || signo != SIGINT || ++h->signals >= SIGNALS_END) {
        loop_stop(h->app->loop);
        return;
    }
    if (h->gate != NULL && line_gate_is_open(h->gate))
        line_gate_deny(h->gate, "");
    else
        round_interrupt(session_round(h->session));
}

/* ---- life ---- */

int headless_watch_signals(struct app *app, loop_signal_fn fn, void *arg, struct err *e)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    return loop_watch_signals(app->loop, &set, fn, arg, e);
}

void headless_init(struct headless *h, struct app *app)
{
    h->app = app;
    buf_init(&h->json, (size_t)64 << 20);
    for (int i = 0; i < 3; i++)
        text_stream_init(&h->clean[i], TEXT_OUTPUT, false);
    h->tty[STREAM_STDOUT] = isatty(STDOUT_FILENO);
    h->tty[STREAM_STDERR] = isatty(STDERR_FILENO);
}

int headless_open(struct headless *h, struct app *app, struct err *e)
{
    headless_init(h, app);
    if (app_need_loop(app, e) < 0 || headless_watch_signals(app, headless_signal, h, e) < 0)
        return -1;
    return h->person ? line_gate_new(&h->gate, h, e) : 0;
}

static struct session_listener listener(struct headless *h)
{
    return (struct session_listener){
        .applied = on_applied,
        .durable = on_durable,
        .ask = on_ask,
        .failed = on_failed,
        .arg = h,
        .unattended = true,
    };
}

int headless_create(struct headless *h, const struct session_spec *spec, struct err *e)
{
    struct session_listener l = listener(h);
    headless_leave_session(h);
    return session_create(&h->session, h->app, spec, &l, e);
}

static int print_first(void *arg, const struct event *ev)
{
    print_json(arg, ev);
    return 0;
}

/* What was appended before there was a session to listen to. */
static void print_beginning(struct headless *h)
{
    if (h->print == PRINT_JSON) {
        struct err none = ERR_INIT;
        struct state *st = session_state(h->session);
        (void)!store_each(session_store(h->session), 1, st->last_seq, print_first, h, &none);
        on_durable(h, st->last_seq);
    }
}

int headless_new_session(struct headless *h, const char *planner, const char *model,
                         bool typed_runs, struct err *e)
{
    struct app *app = h->app;
    char sandbox[64];
    const char *word = app->opt.sandbox != NULL ? app->opt.sandbox : app->config.sandbox;
    struct session_spec spec = {
        .planner = planner,
        .model = model,
        .image = app_split_name(word, sandbox, sizeof sandbox),
        .contract = &app->contract,
        .typed_runs = typed_runs,
    };
    spec.sandbox = sandbox;
    if (headless_create(h, &spec, e) < 0)
        return -1;
    print_beginning(h);
    return 0;
}

int headless_start(struct headless *h, struct app *app, const char *planner, const char *model,
                   struct err *e)
{
    if (headless_open(h, app, e) < 0)
        return -1;
    return headless_new_session(h, planner, model, false, e);
}

int headless_fork(struct headless *h, const struct branch *b, struct err *e)
{
    struct session_listener l = listener(h);
    headless_leave_session(h);
    if (session_fork(&h->session, h->app, b, &l, e) < 0)
        return -1;
    print_beginning(h);
    return 0;
}

int headless_resume(struct headless *h, const char *path, struct err *e)
{
    struct session_listener l = listener(h);
    headless_leave_session(h);
    return session_resume(&h->session, h->app, path, &l, e);
}

/* The sandbox dies with us anyway: so its end is in the record, and proved. */
static void end_sandbox(struct headless *h)
{
    struct err e = ERR_INIT;
    int64_t until = clock_boot_us() + SANDBOX_WAIT_US;
    while (h->broken.code == ERR_NONE && round_dismiss_sandbox(session_round(h->session)) &&
           clock_boot_us() < until) {
        if (loop_turn(h->app->loop, 50, &e) < 0)
            break;
    }
}

void headless_leave_session(struct headless *h)
{
    if (h->session != NULL)
        end_sandbox(h);
    session_close(h->session); /* its last events are told, too */
    h->session = NULL;
}

int headless_lease(struct headless *h, struct err *e)
{
    struct round_lease l = { 0 };
    if (h->app->opt.lease == NULL)
        return 0;
    if (options_parse_lease(h->app->opt.lease, &l.runs, &l.minutes, e) < 0)
        return -1;
    return round_grant_lease(session_round(h->session), &l, e);
}

bool headless_must_end(const struct headless *h)
{
    return h->interrupted && (h->signals >= SIGNALS_END || h->signals == 0);
}

bool headless_is_over(struct headless *h)
{
    struct round *r = session_round(h->session);
    const struct state *st = session_state(h->session);
    if (h->broken.code != ERR_NONE || headless_must_end(h))
        return true;
    bool idle = st->running == 0 && !st->gate.open && round_planner_done(r);
    if (!idle || round_is_quiet(r)) {
        h->give_up_us = 0;
        return idle;
    }
    /* Only the last variables or the saved namespace are still awaited: not for ever. */
    if (!round_only_saving(r))
        return false;
    round_save_now(r);
    if (h->give_up_us == 0)
        h->give_up_us = clock_boot_us() + SAVE_WAIT_US;
    return clock_boot_us() >= h->give_up_us;
}

int headless_run(struct headless *h, struct err *e)
{
    while (!headless_is_over(h)) {
        if (loop_turn(h->app->loop, h->give_up_us != 0 ? 100 : -1, e) < 0)
            return -1;
    }
    return 0;
}

void headless_end(struct headless *h, const char *outcome)
{
    struct err e = ERR_INIT;
    if (h->session != NULL)
        end_sandbox(h);
    if (outcome != NULL && h->session != NULL && h->broken.code == ERR_NONE &&
        !session_state(h->session)->finished && session_state(h->session)->last_seq > 0)
        (void)!round_finish(session_round(h->session), outcome, NULL, &e);
    if (h->session != NULL)
        end_output(h);
    headless_leave_session(h);
    line_gate_free(h->gate);
    h->gate = NULL;
    buf_release(&h->json);
    for (int i = 0; i < 3; i++)
        text_stream_release(&h->clean[i]);
}

int headless_status(const struct headless *h, int status, int failed)
{
    struct err e = ERR_INIT;
    if (h->out_error == 0)
        return status;
    err_set(&e, ERR_IO,
            "what was to be printed is cut short: %s; the record is whole: airlock show last",
            strerror(h->out_error));
    app_fail(&e);
    return status == EXIT_OK ? failed : status;
}
