/* linegate.c - deciding in words, line by line. */
#include "cli/linegate.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/editor.h"
#include "cli/headless.h"
#include "providers/expectation.h"
#include "tool/gate.h"
#include "tool/gate_rows.h"
#include "ui/plain.h"

struct line_gate {
    struct headless *h;
    struct loop_source *in, *timer;
    struct gate gate;
    struct buf line;
    int64_t slept_us; /* clock_slept_us when it was shown */
};

static void say(const char *text)
{
    (void)!write_all_fd(STDOUT_FILENO, text, strlen(text));
}

/* A HIGH finding, or the person wants it so (gate.confirm). */
static bool asks_for_digits(const struct line_gate *g)
{
    return g->gate.high || g->gate.confirm_hex_always;
}

static void prompt(struct line_gate *g)
{
    say(g->gate.high         ? "gate (HIGH: a XX approves)> "
        : asks_for_digits(g) ? "gate (a XX approves)> "
                             : "gate> ");
}

static void decide(struct line_gate *g, enum round_decision decision, const char *reason)
{
    struct err e = ERR_INIT;
    struct round_decide d = {
        .decision = decision,
        .by = "person",
        .capsule = g->gate.capsule_hex,
        .reason = reason,
        .seen_lines = (uint32_t)g->gate.line_count,
    };
    g->gate.open = false;
    if (round_decide(session_round(g->h->session), &d, &e) == 0)
        return;
    say(e.msg);
    say("\n");
    if (round_gate_capsule(session_round(g->h->session)) != NULL) { /* nothing was decided */
        g->gate.open = true;
        prompt(g);
    }
}

void line_gate_deny(struct line_gate *g, const char *reason)
{
    if (g->gate.open)
        decide(g, DECIDE_DENY, reason);
}

static void say_no(struct line_gate *g, const char *what, const char *why)
{
    char *text = xasprintf("no %s here: %s. Nothing was decided.\n", what, why);
    say(text);
    free(text);
    prompt(g);
}

/* To run the bytes, for good or in a twin: both ask the same. */
static void run(struct line_gate *g, enum round_decision decision, const char *rest)
{
    const char *why = round_no_dry_run(session_round(g->h->session));
    if (decision == DECIDE_DRY_RUN && why != NULL) {
        say_no(g, "dry run", why);
        return;
    }
    size_t len = strcspn(rest, " \t");
    bool named = len == 2 && rest[2 + strspn(rest + 2, " \t")] == '\0' &&
                 memcmp(rest, g->gate.capsule_hex, 2) == 0;
    if (named || (rest[0] == '\0' && !asks_for_digits(g))) {
        decide(g, decision, "");
        return;
    }
    if (rest[0] != '\0')
        say("Those are not the capsule's first digits. Nothing was decided.\n");
    else
        say(g->gate.high ? "A HIGH finding: `a` or `r` and the first two hex digits of the "
                           "capsule. Nothing was decided.\n"
                         : "`a` or `r` and the first two hex digits of the capsule "
                           "(gate.confirm = hex). Nothing was decided.\n");
    prompt(g);
}

/* Until it arms, then until it denies by itself. */
static void set_timer(struct line_gate *g)
{
    int64_t now = clock_boot_us(), at = gate_arms_at_us(&g->gate);
    if (g->gate.armed || at < 0)
        at = g->gate.opened_boot_us + g->gate.expire_us;
    loop_arm_us(g->h->app->loop, g->timer, !g->gate.open ? -1 : at > now ? at - now : 0);
}

static void expire(struct line_gate *g)
{
    char why[96];
    snprintf(why, sizeof why, "the gate was open for %lld min without a decision",
             (long long)(g->gate.expire_us / 60000000));
    say("\n");
    line_gate_deny(g, why);
}

static void on_time(void *arg)
{
    struct line_gate *g = arg;
    struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
    if (!g->gate.open)
        return;
    if (gate_has_expired(&g->gate, clock_boot_us())) {
        expire(g);
        return;
    }
    if (poll(&p, 1, 0) == 0) /* else it comes first, and the wait begins anew */
        gate_tick(&g->gate, clock_boot_us());
    set_timer(g);
}

static void lease(struct line_gate *g, const char *words)
{
    struct err e = ERR_INIT;
    struct round_lease l = { 0 };
    if (options_parse_lease(words[0] != '\0' ? words : "runs=5", &l.runs, &l.minutes, &e) < 0 ||
        round_grant_lease(session_round(g->h->session), &l, &e) < 0) {
        say(e.msg);
        say("\n");
        prompt(g);
        return;
    }
    g->gate.open = false; /* asked again at once: what the lease does not cover opens it again */
}

static void help(struct line_gate *g)
{
    const struct round *r = session_round(g->h->session);
    char room[160];
    say("a approve once · d WORDS deny and say why · e edit the code · E CHECK[ ; CHECK] expect");
    if (round_no_dry_run(r) == NULL)
        say(" · r dry run in a twin");
    if (round_no_lease(r, room, sizeof room) == NULL)
        say(" · l runs=N[,minutes=M] lease");
    say(" · x stop · w show again\n");
    prompt(g);
}

/* It is the same gate: its time goes on. */
static void show_again(struct line_gate *g)
{
    int64_t opened_us = g->gate.opened_boot_us;
    line_gate_open(g, "");
    g->gate.opened_boot_us = opened_us;
    set_timer(g);
}

/* ---- changing what stands at the gate: a new gate follows ---- */

static void on_input(void *arg, int fd, unsigned events);

static int watch_input(struct line_gate *g, struct err *e)
{
    return loop_add_fd(g->h->app->loop, STDIN_FILENO, LOOP_READ, LOOP_FIRST, on_input, g, &g->in,
                       e);
}

/* The terminal is the program's until it ends. */
static int run_program(void *arg, const char *const *argv, int *status, struct err *e)
{
    struct line_gate *g = arg;
    char **env = proc_helper_env();
    struct proc *p = NULL;
    struct proc_spec spec = {
        .path = argv[0], .argv = argv, .envp = (const char *const *)env, .foreground_tty = true
    };
    loop_remove(g->h->app->loop, g->in);
    g->in = NULL;
    int rc = proc_spawn(g->h->app->launcher, &spec, &p, e);
    while (rc == 0 && !proc_wait_nohang(p, status))
        rc = loop_turn(g->h->app->loop, 50, e);
    proc_free(p);
    proc_free_words(env);
    tcflush(STDIN_FILENO, TCIFLUSH); /* what was typed there was not for us */
    return watch_input(g, e) < 0 ? -1 : rc;
}

/* Nothing was changed: it is the same gate, and arms anew. */
static void stay(struct line_gate *g, const struct err *e)
{
    say(e->msg);
    say("\n");
    if (!g->gate.open) /* it was denied meanwhile, or its time ran out */
        return;
    gate_disturb(&g->gate, clock_boot_us());
    set_timer(g);
    prompt(g);
}

static void edit(struct line_gate *g)
{
    struct err e = ERR_INIT;
    const struct state *st = session_state(g->h->session);
    const struct state_run *sr = state_run_at(st, st->gate.run);
    struct buf text = BUF_INIT(CODE_MAX + 1);
    char name[64];
    editor_name_code(name, sizeof name, sr->number, sr->language);
    if (editor_edit(g->h->app->paths.state_dir, name, sr->code, sr->code_len, run_program, g, &text,
                    &e) < 0 ||
        round_edit(session_round(g->h->session), buf_str(&text), text.len, NULL, &e) < 0)
        stay(g, &e);
    else
        g->gate.open = false;
    buf_release(&text);
}

static void expect(struct line_gate *g, const char *words)
{
    struct err e = ERR_INIT;
    struct buf lines = BUF_INIT(EXPECT_MAX);
    int rc = expectation_from_line(&lines, words) < 0
                 ? err_set(&e, ERR_LIMIT, "that is too long for checks")
                 : round_edit(session_round(g->h->session), NULL, 0, buf_str(&lines), &e);
    if (rc < 0)
        stay(g, &e);
    else
        g->gate.open = false;
    buf_release(&lines);
}

static void take_line(struct line_gate *g, char *line)
{
    char *rest = line + (line[0] != '\0');
    rest += strspn(rest, " \t");
    bool one_letter = line[0] != '\0' && (line[1] == '\0' || line[1] == ' ' || line[1] == '\t');
    switch (one_letter ? line[0] : '\0') {
    case 'a':
        run(g, DECIDE_APPROVE, rest);
        break;
    case 'd':
        decide(g, DECIDE_DENY, rest);
        break;
    case 'e':
        edit(g);
        break;
    case 'E':
        expect(g, rest);
        break;
    case 'r':
        run(g, DECIDE_DRY_RUN, rest);
        break;
    case 'l':
        lease(g, rest);
        break;
    case 'x':
        decide(g, DECIDE_STOP, rest);
        break;
    case 'w':
        show_again(g);
        break;
    default:
        help(g);
    }
}

static void on_input(void *arg, int fd, unsigned events)
{
    struct line_gate *g = arg;
    char chunk[4096];
    ssize_t n = read(fd, chunk, sizeof chunk);
    (void)events;
    if (n <= 0) {
        /* End of input is no person. [APR-11] */
        loop_remove(g->h->app->loop, g->in);
        g->in = NULL;
        g->h->person = false;
        line_gate_deny(g, "the terminal's input ended");
        if (g->h->line != NULL)
            g->h->line(g->h->line_arg, NULL);
        return;
    }
    if (g->gate.open && clock_slept_us() - g->slept_us > GATE_SLEPT_US_MAX) { /* [APR-6] */
        say("(the machine was asleep: here it is again; what was typed is discarded)\n");
        show_again(g);
        return;
    }
    if (g->gate.open && !gate_is_armed(&g->gate, clock_boot_us())) {
        gate_disturb(&g->gate, clock_boot_us());
        set_timer(g);
        buf_reset(&g->line);
        say("(typed before the gate was ready: discarded)\n");
        prompt(g);
        return;
    }
    if (buf_add(&g->line, chunk, (size_t)n) < 0) {
        buf_reset(&g->line);
        return;
    }
    char *nl = memchr(g->line.ptr, '\n', g->line.len);
    if (nl == NULL)
        return;
    *nl = '\0';
    char *line = xstrdup(g->line.ptr);
    buf_reset(&g->line);
    if (g->gate.open)
        take_line(g, line);
    else if (g->h->line != NULL)
        g->h->line(g->h->line_arg, line);
    free(line);
}

int line_gate_new(struct line_gate **out, struct headless *h, struct err *e)
{
    struct line_gate *g = xcalloc(1, sizeof *g);
    g->h = h;
    g->gate.arm_us = h->app->config.gate_arm_ms * 1000;
    g->gate.expire_us = h->app->config.gate_expire_min * 60000000;
    g->gate.confirm_hex_always = h->app->config.gate_confirm_hex;
    g->timer = loop_add_timer(h->app->loop, on_time, g);
    buf_init(&g->line, 64 << 10);
    if (watch_input(g, e) < 0) {
        line_gate_free(g);
        return -1;
    }
    *out = g;
    return 0;
}

void line_gate_free(struct line_gate *g)
{
    if (g == NULL)
        return;
    loop_remove(g->h->app->loop, g->in);
    loop_remove(g->h->app->loop, g->timer);
    gate_close(&g->gate);
    buf_release(&g->line);
    free(g);
}

static void add_row(void *arg, const char *text)
{
    plain_gate_row(arg, text);
}

static void show(const struct line_gate *g, const char *why)
{
    const struct state *st = session_state(g->h->session);
    const struct round *r = session_round(g->h->session);
    struct buf out = BUF_INIT((size_t)32 << 20), rows = BUF_INIT((size_t)8 << 20);
    gate_each_row(round_gate_capsule(r), round_contract(r), add_row, &rows);
    plain_gate(st, state_run_at(st, st->gate.run), round_contract(r), round_enforcement(r), &rows,
               why, &out);
    (void)!write_all_fd(STDOUT_FILENO, buf_str(&out), out.len);
    buf_release(&rows);
    buf_release(&out);
}

void line_gate_open(struct line_gate *g, const char *why)
{
    const struct state *st = session_state(g->h->session);
    const struct state_run *sr = state_run_at(st, st->gate.run);
    bool high = sr->finding_count > 0 && sr->worst == SEVERITY_HIGH;
    size_t lines = 1;
    for (size_t i = 0; i < sr->code_len; i++)
        lines += sr->code[i] == '\n';
    gate_close(&g->gate);
    g->slept_us = clock_slept_us();
    gate_open(&g->gate, sr->number, sr->rev, st->gate.capsule, high, lines, clock_boot_us());
    show(g, why);
    help(g);
    tcflush(STDIN_FILENO, TCIFLUSH);
    buf_reset(&g->line);
    int64_t now = clock_boot_us();
    gate_focus(&g->gate, true, now);
    gate_painted(&g->gate, 0, lines, now);
    set_timer(g);
}

bool line_gate_is_open(const struct line_gate *g)
{
    return g->gate.open;
}
