/* cmd_exec.c - `airlock exec FILE|-`: the person's own code through the same gate and sandbox. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/headless.h"
#include "tool/capsule.h"
#include "tool/lex.h"
#include "tool/verdict.h"

/* From -l, the file's ending, or its first line; else the configured language. */
static const char *guess_language(const struct app *app, const char *name, const struct buf *code)
{
    static const struct {
        const char *ending, *language;
    } endings[] = { { ".py", "python" },
                    { ".js", "javascript" },
                    { ".mjs", "javascript" },
                    { ".sh", "bash" },
                    { ".bash", "bash" } };
    size_t len = strlen(name);
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        size_t n = strlen(endings[i].ending);
        if (len > n && strcmp(name + len - n, endings[i].ending) == 0)
            return endings[i].language;
    }
    if (code->len > 2 && memcmp(code->ptr, "#!", 2) == 0) {
        size_t line = strcspn(code->ptr, "\n");
        if (memmem(code->ptr, line, "python", 6) != NULL)
            return "python";
        if (memmem(code->ptr, line, "node", 4) != NULL)
            return "javascript";
        if (memmem(code->ptr, line, "sh", 2) != NULL)
            return "bash";
    }
    return app->config.language;
}

static int read_code(const char *name, struct buf *code, struct err *e)
{
    int rc = strcmp(name, "-") == 0 ? path_read_fd(STDIN_FILENO, code, e)
                                    : path_read_file(name, code, e);
    if (rc < 0 && e->code == ERR_LIMIT)
        return err_set(
            e, ERR_LIMIT,
            "%.200s: code is at most 1 MiB: put data in a file and mount it (-c files.mount=PATH)",
            strcmp(name, "-") == 0 ? "standard input" : name);
    return rc;
}

static int status_of(const struct headless *h, const struct state *st)
{
    const struct state_run *sr = state_run_at(st, 1);
    if (h->broken.code != ERR_NONE)
        return EXIT_AIRLOCK_FAILED;
    if (sr == NULL || sr->status == RUN_DENIED || sr->status == RUN_STOPPED)
        return EXIT_EXEC_DENIED;
    switch (sr->end) {
    case END_EXIT:
        return sr->exit_code & 0xff;
    case END_SIGNAL:
        return EXIT_SIGNALLED + sr->exit_code;
    case END_TIMEOUT:
        return EXIT_TIMED_OUT;
    case END_INTERRUPTED:
        return EXIT_INTERRUPTED;
    case END_OOM:
    case END_KILLED:
        return EXIT_SIGNALLED + 9;
    default:
        return EXIT_AIRLOCK_FAILED;
    }
}

/* Whatever is not the code's own business is said on stderr, in one line. */
static void say_why(const struct headless *h, const struct state *st, int status)
{
    const struct state_run *sr = state_run_at(st, 1);
    struct buf out = BUF_INIT(8 << 10);
    if (h->print == PRINT_JSON && h->broken.code == ERR_NONE)
        return; /* it is in the events, unless these came to an end */
    if (h->broken.code != ERR_NONE)
        (void)text_clean(&out, h->broken.msg, strlen(h->broken.msg), TEXT_PROSE, false, false);
    else if (status == EXIT_EXEC_DENIED && sr != NULL)
        (void)buf_addf(&out, "denied: %s (approve at a terminal, or give --lease runs=1)",
                       sr->reason != NULL && sr->reason[0] != '\0' ? sr->reason : "at the gate");
    else if (sr != NULL && sr->message != NULL && sr->message[0] != '\0')
        (void)text_clean(&out, sr->message, strlen(sr->message), TEXT_PROSE, false, false);
    else if (status == EXIT_TIMED_OUT)
        (void)buf_addf(&out, "timed out after %lld s", (long long)h->app->contract.timeout_s);
    else if (sr != NULL && sr->end == END_OOM)
        (void)buf_addf(&out, "killed: it used more than %lld MiB of memory",
                       (long long)h->app->contract.memory_mib);
    if (sr != NULL && sr->verdict == VERDICT_REFUTED && sr->check_count > 0 && out.len == 0)
        (void)buf_add_str(&out, "refuted: the expectation did not hold (airlock show last:1)");
    if (out.len > 0 && !h->app->opt.quiet)
        fprintf(stderr, "airlock: %s\n", buf_str(&out));
    buf_release(&out);
}

static int run_code(struct headless *h, const char *name, const struct buf *code, struct err *e)
{
    struct app *app = h->app;
    char *title = xasprintf("exec %s", name);
    const char *language =
        app->opt.language != NULL ? app->opt.language : guess_language(app, name, code);
    struct round_own own = {
        .language = language,
        .code = code->ptr,
        .code_len = code->len,
        .expect = app->opt.expect,
        .argv = (const char *const *)app->opt.args,
        .argv_count = (size_t)app->opt.arg_count,
    };
    int rc = round_task(session_round(h->session), title, "program", e);
    if (rc == 0)
        rc = headless_lease(h, e);
    if (rc == 0)
        rc = round_own_code(session_round(h->session), &own, e);
    if (rc == 0)
        rc = headless_run(h, e);
    free(title);
    return rc;
}

/* Before there is a session: a slip in it is a matter of usage. */
static int check_expectation(const char *text, struct err *e)
{
    struct expectation x = { 0 };
    struct err why = ERR_INIT;
    if (text == NULL)
        return 0;
    int rc = expectation_parse(&x, text, strlen(text), &why);
    expectation_release(&x);
    return rc < 0 ? err_set(e, ERR_USAGE, "--expect: %s", why.msg) : 0;
}

int cmd_exec(struct app *app)
{
    struct err e = ERR_INIT;
    struct buf code = BUF_INIT(CODE_MAX);
    const char *name = app->opt.arg_count > 0 ? app->opt.args[0] : NULL;
    struct headless h = { .print = app->opt.json ? PRINT_JSON : PRINT_OUTPUT };
    int status = EXIT_AIRLOCK_FAILED;
    err_set_no_memory_status(EXIT_AIRLOCK_FAILED);
    if (name == NULL) {
        err_set(&e, ERR_USAGE, "exec needs a FILE, or - for standard input");
        return app_fail(&e);
    }
    if (check_expectation(app->opt.expect, &e) < 0)
        return app_fail(&e);
    if (read_code(name, &code, &e) < 0) {
        buf_release(&code);
        app_fail(&e);
        return EXIT_AIRLOCK_FAILED;
    }
    /* The code came through stdin: then stdin is no person. */
    h.person =
        strcmp(name, "-") != 0 && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !app->opt.json;
    if (headless_start(&h, app, "human", NULL, &e) == 0 && run_code(&h, name, &code, &e) == 0) {
        status = status_of(&h, session_state(h.session));
        say_why(&h, session_state(h.session), status);
        headless_end(&h, status == 0 ? "done" : status == EXIT_EXEC_DENIED ? "denied" : "failed");
    } else {
        headless_end(&h, "failed");
        status = app_fail(&e) == EXIT_USAGE ? EXIT_USAGE : EXIT_AIRLOCK_FAILED;
    }
    buf_release(&code);
    return headless_status(&h, status, EXIT_AIRLOCK_FAILED);
}
