/* linemode.c - reading tasks, own code and commands line by line. */
#include "cli/linemode.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/headless.h"
#include "cli/lineinput.h"
#include "cli/screen_int.h"
#include "ui/keymap.h"

struct linemode {
    struct headless h;
    struct app *app;
    struct buf block;
    char block_language[16];
    bool leaving, prompted, ended; /* ended: by a signal */
    uint8_t signals;               /* so many had come when the next line was waited for */
};

static void say(const char *text)
{
    (void)!write_all_fd(STDOUT_FILENO, text, strlen(text));
}

static void tell(const struct err *e)
{
    app_fail(e);
}

static void prompt(struct linemode *m)
{
    if (m->h.person && !m->leaving && !m->prompted)
        say(m->block.len > 0 ? "… " : "> ");
    m->prompted = true;
}

static int ensure_session(struct linemode *m, struct err *e)
{
    char planner[64];
    if (m->h.session != NULL && !session_state(m->h.session)->finished)
        return 0;
    const char *word = m->app->opt.planner != NULL ? m->app->opt.planner : m->app->config.planner;
    const char *model = app_split_name(word, planner, sizeof planner);
    bool again = m->h.session != NULL && !app_planner_asks_model(planner);
    if (headless_new_session(&m->h, again ? "human" : planner, again ? NULL : model,
                             m->app->config.gate_own_typed, e) < 0)
        return -1;
    return headless_lease(&m->h, e);
}

static void run_code(struct linemode *m, const char *language, const char *code, size_t len)
{
    struct err e = ERR_INIT;
    /* A line of a terminal may have been pasted: nobody can tell, so it is asked about. */
    struct round_own own = { .language = language, .code = code, .code_len = len };
    if (ensure_session(m, &e) < 0 || round_own_code(session_round(m->h.session), &own, &e) < 0)
        tell(&e);
}

static void speak(struct linemode *m, const char *text)
{
    struct err e = ERR_INIT;
    if (ensure_session(m, &e) < 0) {
        tell(&e);
        return;
    }
    const struct state *st = session_state(m->h.session);
    struct round *r = session_round(m->h.session);
    int rc = st->task == NULL || st->task[0] == '\0' ? round_task(r, text, "person", &e)
                                                     : round_note(r, text, "person", &e);
    if (rc < 0)
        tell(&e);
}

static void start_runbook(struct linemode *m, const char *model)
{
    struct err e = ERR_INIT;
    if (headless_new_session(&m->h, "runbook", model, m->app->config.gate_own_typed, &e) < 0 ||
        headless_lease(&m->h, &e) < 0 ||
        round_task(session_round(m->h.session), model, "person", &e) < 0)
        tell(&e);
}

static void grant_lease(struct linemode *m, const char *words)
{
    struct err e = ERR_INIT;
    struct round_lease l = { 0 };
    if (m->h.session == NULL)
        err_set(&e, ERR_USAGE,
                "there is no session yet that could have a lease: give a task first");
    if (m->h.session == NULL || options_parse_lease(words, &l.runs, &l.minutes, &e) < 0 ||
        round_grant_lease(session_round(m->h.session), &l, &e) < 0)
        tell(&e);
}

static void command(struct linemode *m, const char *line)
{
    size_t n = strcspn(line, " ");
    const char *args = line + n + strspn(line + n, " ");
    const struct keymap_entry *k = keymap_find_word(line, n);
    switch (k != NULL ? k->id : CMD_NONE) {
    case CMD_QUIT:
        m->leaving = true;
        break;
    case CMD_TOUR:
        start_runbook(m, "@tour");
        break;
    case CMD_RUNBOOK:
        start_runbook(m, args);
        break;
    case CMD_NEW:
        headless_leave_session(&m->h);
        if (args[0] != '\0')
            speak(m, args);
        break;
    case CMD_LEASE:
        grant_lease(m, args);
        break;
    case CMD_LEASE_END:
        if (m->h.session != NULL)
            round_end_lease(session_round(m->h.session), "ended by the person");
        break;
    default:
        say("a task, !code (!py !js !sh) of your own, :tour, :runbook FILE, :new [TASK], :lease "
            "runs=N, :end-lease, :quit\n");
    }
}

static void take_line(void *arg, const char *line)
{
    struct linemode *m = arg;
    const char *language, *code;
    if (line == NULL) {
        m->leaving = true;
        return;
    }
    m->prompted = false;
    if (!headless_must_end(&m->h)) { /* what was interrupted is over */
        m->h.interrupted = false;
        m->h.signals = 0;
    }
    if (m->block.len > 0) {
        if (line[strspn(line, " \t")] != '\0') {
            (void)buf_add_str(&m->block, line);
            (void)buf_add_char(&m->block, '\n');
        } else {
            struct buf whole = m->block;
            buf_init(&m->block, whole.max);
            run_code(m, m->block_language, whole.ptr, whole.len);
            buf_release(&whole);
        }
    } else if (line[0] == ':') {
        command(m, line + 1);
    } else if (own_code_parse(line, m->app->config.language, &language, &code)) {
        if (code[0] == '\0') {
            say("the code stands on the same line, behind the !\n");
        } else if (own_code_is_unfinished(language, code, strlen(code))) {
            snprintf(m->block_language, sizeof m->block_language, "%s", language);
            (void)buf_addf(&m->block, "%s\n", code);
        } else {
            run_code(m, language, code, strlen(code));
        }
    } else if (line[strspn(line, " \t")] != '\0') {
        speak(m, line);
    }
}

/* A signal came while the next line was waited for: there is nothing else it could mean. */
static bool is_over(void *arg)
{
    const struct linemode *m = arg;
    return headless_must_end(&m->h) || m->h.signals > m->signals;
}

/* Input that is no terminal: a line, then everything it sets off, then the next line. */
static int feed_input(struct linemode *m, struct err *e)
{
    struct line_input in;
    char *line;
    int got, rc = line_input_open(&in, m->app->loop, STDIN_FILENO, e);
    while (rc == 0 && !m->leaving && !m->ended) {
        m->signals = m->h.signals;
        got = line_input_next(&in, is_over, m, &line, e);
        m->ended = is_over(m);
        if (got <= 0) {
            rc = got;
            break;
        }
        take_line(m, line);
        if (m->h.session != NULL)
            rc = headless_run(&m->h, e);
        m->ended = headless_must_end(&m->h);
    }
    line_input_close(&in);
    if (rc == 0 && m->block.len > 0 && !m->ended) {
        take_line(m, "");
        rc = m->h.session != NULL ? headless_run(&m->h, e) : 0;
    }
    return rc;
}

/* ^C where nothing is under way: what was being typed is dropped. */
static void drop_line(struct linemode *m)
{
    buf_reset(&m->block);
    say("\n");
    m->prompted = false;
}

/* A person types: the loop turns until they leave and nothing is under way. */
static int talk(struct linemode *m, struct err *e)
{
    for (;;) {
        bool idle = m->h.session == NULL || headless_is_over(&m->h);
        uint8_t signals = m->h.signals;
        if (headless_must_end(&m->h) || (m->leaving && (idle || m->h.interrupted)))
            return 0;
        if (idle)
            prompt(m);
        else
            m->prompted = false;
        if (loop_turn(m->app->loop, m->h.give_up_us != 0 || m->leaving ? 100 : -1, e) < 0)
            return -1;
        if (idle && m->h.signals > signals)
            drop_line(m);
    }
}

static int begin(struct linemode *m, const char *task, const char *resume, struct err *e)
{
    m->h.line = take_line;
    m->h.line_arg = m;
    if (headless_open(&m->h, m->app, e) < 0)
        return -1;
    if (resume != NULL)
        return headless_resume(&m->h, resume, e);
    if (task != NULL)
        speak(m, task);
    else if (m->app->opt.planner != NULL)
        return ensure_session(m, e);
    return 0;
}

int linemode_run(struct app *app, const char *task, const char *resume, const char *why)
{
    struct err e = ERR_INIT;
    struct linemode m = { .app = app, .h = { .print = PRINT_LINES } };
    buf_init(&m.block, (size_t)2 << 20);
    m.h.person = isatty(STDIN_FILENO);
    if (m.h.person && !app->opt.quiet)
        printf("airlock " AIRLOCK_VERSION ", line by line (%s). A task, !code, :tour, :quit.\n",
               why);
    fflush(stdout);
    int rc = begin(&m, task, resume, &e);
    if (rc == 0)
        rc = m.h.person ? talk(&m, &e) : feed_input(&m, &e);
    if (m.h.session != NULL && rc == 0)
        rc = headless_run(&m.h, &e);
    struct err broken = m.h.broken;
    bool ended = m.ended || headless_must_end(&m.h);
    headless_leave_session(&m.h);
    headless_end(&m.h, "");
    buf_release(&m.block);
    if (rc < 0)
        return app_fail(&e);
    if (broken.code != ERR_NONE)
        return app_fail(&broken);
    return ended ? EXIT_INTERRUPTED : EXIT_OK;
}
