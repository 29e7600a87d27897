/* keycommand.c - asking a program of the person's for a key, once. */
#include "cli/keycommand.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/secrets.h"

#define PRINTED_MAX ((size_t)4096)
#define ASK_MS      60000 /* somebody may have to type a passphrase */

static const struct source {
    const char *user, *setting, *key;
} sources[] = { { "anthropic", "anthropic.key_command", "ANTHROPIC_API_KEY" },
                { "claude-managed", "anthropic.key_command", "ANTHROPIC_API_KEY" },
                { "claude-messages", "anthropic.key_command", "ANTHROPIC_API_KEY" },
                { "openai", "openai.key_command", "OPENAI_API_KEY" },
                { "e2b", "e2b.key_command", "E2B_API_KEY" } };

static const struct source *find_source(const char *user)
{
    size_t n = strcspn(user, ":");
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        if (strlen(sources[i].user) == n && memcmp(sources[i].user, user, n) == 0)
            return &sources[i];
    }
    return NULL;
}

/* ---- the program ---- */

static int start(const struct app *app, const char *command, int out, struct proc **p,
                 struct err *e)
{
    char **words = NULL, *path = NULL, **env = proc_helper_env();
    int rc = proc_split_words(command, &words, e);
    if (rc == 0 && words[0] == NULL)
        rc = err_set(e, ERR_MISSING, "it is empty");
    if (rc == 0)
        rc = proc_resolve(words[0], &path, e);
    if (rc == 0) {
        bool before_all = app->loop == NULL; /* later the terminal is being drawn on, or read */
        struct proc_spec spec = { .path = path,
                                  .argv = (const char *const *)words,
                                  .envp = (const char *const *)env,
                                  .fds = { { .ours = out, .child = 1 },
                                           { .ours = STDERR_FILENO, .child = 2 },
                                           { .ours = STDIN_FILENO, .child = 0 } },
                                  .fd_count = before_all ? 3 : 1,
                                  .foreground_tty = before_all,
                                  .kill_on_death = true };
        rc = proc_spawn(app->launcher, &spec, p, e);
    }
    free(path);
    proc_free_words(words);
    proc_free_words(env);
    return rc;
}

/* All it prints, until it closes its output. */
static int take_output(int fd, int64_t until_us, struct buf *out, struct err *e)
{
    for (;;) {
        int64_t left_us = until_us - clock_boot_us();
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (left_us <= 0 || poll(&p, 1, (int)(left_us / 1000) + 1) == 0)
            return err_set(e, ERR_MISSING, "it printed no key within %d s", ASK_MS / 1000);
        char *at = buf_reserve(out, 256);
        if (at == NULL)
            return err_set(e, ERR_MISSING, "it printed more than a key");
        ssize_t n = read(fd, at, 256);
        if (n <= 0)
            return 0;
        buf_grew(out, (size_t)n);
    }
}

static int run(const struct app *app, const char *command, struct buf *out, struct err *e)
{
    int pipe_fds[2], status = 0;
    struct proc *p = NULL;
    int64_t until_us = clock_boot_us() + INT64_C(1000) * ASK_MS;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return err_sys(e, ERR_IO, "a pipe");
    int rc = start(app, command, pipe_fds[1], &p, e);
    close(pipe_fds[1]);
    if (rc == 0)
        rc = take_output(pipe_fds[0], until_us, out, e);
    close(pipe_fds[0]);
    if (rc < 0 && p != NULL)
        (void)!proc_kill(p, SIGKILL);
    struct err late = ERR_INIT;
    if (p != NULL && proc_wait(p, ASK_MS, &status, rc == 0 ? e : &late) < 0)
        rc = -1;
    proc_free(p);
    if (rc == 0 && status != 0)
        rc = err_set(e, ERR_MISSING, "it ended with %s %d", WIFEXITED(status) ? "status" : "signal",
                     WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return rc;
}

/* ---- what it printed ---- */

static int take_key(struct app *app, const struct source *s, struct buf *out, struct err *e)
{
    size_t len = out->len;
    if (len > 0 && out->ptr[len - 1] == '\n')
        len--;
    /* The redactor takes nothing else than what can be a key. */
    if (redact_add(app->redact, s->key, buf_str(out), len, e) < 0)
        return err_set(e, ERR_MISSING,
                       "what it printed is no key: 8 to 512 printable characters in one line");
    secrets_put(s->key, buf_str(out), len);
    return 0;
}

int key_command_ask(struct app *app, const char *user, struct err *e)
{
    static bool asked[ARRAY_LEN(sources)];
    const struct source *s = find_source(user);
    const char *command = s != NULL ? config_setting(&app->config, s->setting) : NULL;
    if (command == NULL || command[0] == '\0' || asked[s - sources])
        return 0;
    struct buf out = BUF_INIT(PRINTED_MAX);
    (void)buf_reserve(&out, PRINTED_MAX - 1); /* it never moves, so that nothing is left behind */
    int rc = run(app, command, &out, e);
    if (rc == 0)
        rc = take_key(app, s, &out, e);
    if (out.ptr != NULL)
        explicit_bzero(out.ptr, out.len);
    buf_release(&out);
    if (rc < 0) {
        e->code = ERR_MISSING;
        return err_wrap(e, "%s", s->setting);
    }
    asked[s - sources] = true;
    return 0;
}

int key_command_ask_first(struct app *app, const struct command *cmd, struct err *e)
{
    const char *planner = app->opt.planner != NULL ? app->opt.planner : app->config.planner;
    const char *sandbox = app->opt.sandbox != NULL ? app->opt.sandbox : app->config.sandbox;
    bool plans = cmd->run == cmd_screen || cmd->run == cmd_run || cmd->run == cmd_providers;
    bool runs = plans || cmd->run == cmd_exec || cmd->run == cmd_doctor;
    if (plans && key_command_ask(app, planner, e) < 0)
        return -1;
    if (runs && key_command_ask(app, sandbox, e) < 0)
        return -1;
    if (cmd->run != cmd_sandboxes)
        return 0;
    return key_command_ask(app, "e2b", e) < 0 ? -1 : key_command_ask(app, "claude-managed", e);
}
