/* main.c - the first lines of the process, then one command. */
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/app.h"
#include "cli/commands.h"
#include "cli/keycommand.h"
#include "cli/secrets.h"
#include "ui/text.h"

/* Descriptors 0-2 must be something before anything else is opened. [SEC-8] */
static void fill_standard_fds(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        int got = open("/dev/null", O_RDWR);
        if (got != fd)
            abort();
    }
}

static void harden(void)
{
    struct rlimit no_core = { 0, 0 };
    umask(077);
    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGPIPE, SIG_IGN);
    fill_standard_fds();
}

/* Bytes of UTF-8 may be controls where the terminal has another character set: then whatever is not
 * ASCII is named. What goes to a file or a program stays as it is. [TTY-5] */
static void speak_the_terminals_language(void)
{
    bool other = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
    bool on_terminal = isatty(STDOUT_FILENO) || isatty(STDERR_FILENO);
    text_set_ascii_only(other && on_terminal);
    json_write_ascii_only(other && on_terminal);
}

static int print_and_leave(struct buf *text)
{
    int rc = app_print(buf_str(text), text->len);
    buf_release(text);
    return rc < 0 ? EXIT_WORK_FAILED : EXIT_OK;
}

/* The doctor looks into other processes and for files anywhere; it tries these walls in a child. */
static int prepare_to_supervise(struct app *app, const struct command *cmd, struct err *e)
{
    app_open_log(app);
    if (app_need_frames(app, e) < 0) /* it lies wherever the person said */
        return -1;
    app_confine();
    if (cmd->run != cmd_doctor)
        app_confine_session(app);
    return key_command_ask_first(app, cmd, e);
}

/* What was named and is not there must not turn into the defaults; `config set` makes it. */
static int check_config(const struct parsed *p, struct err *e)
{
    if (p->opt.config == NULL || p->cmd->run == cmd_config || access(p->opt.config, F_OK) == 0)
        return 0;
    return err_sys(e, ERR_MISSING, "--config %.200s", p->opt.config);
}

static int run_command(struct parsed *p, struct launcher *launcher)
{
    struct err e = ERR_INIT;
    struct app app = { .opt = p->opt, .launcher = launcher };
    int rc = check_config(p, &e);
    if (rc == 0)
        rc = app_init(&app, &e);
    if (rc == 0 && p->cmd->needs_launcher)
        rc = prepare_to_supervise(&app, p->cmd, &e);
    if (rc == 0)
        rc = p->cmd->run(&app);
    else
        rc = app_fail(&e);
    app_release(&app);
    return rc;
}

int main(int argc, char **argv)
{
    struct err e = ERR_INIT;
    struct parsed p;
    struct launcher *launcher = NULL;
    struct buf text = BUF_INIT(1 << 20);

    harden();
    secrets_take();
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C");
    speak_the_terminals_language();
    if (options_parse(&p, argc, argv, &e) < 0) {
        free(p.opt.args);
        return app_fail(&e);
    }
    if (p.want_version) {
        free(p.opt.args);
        (void)buf_add_str(&text, "airlock " AIRLOCK_VERSION "\n");
        return print_and_leave(&text);
    }
    if (p.want_help) {
        options_print_help(p.cmd->name[0] != '\0' ? p.cmd : NULL, &text);
        free(p.opt.args);
        return print_and_leave(&text);
    }
    /* The launcher is forked before threads, SQLite, curl and the reading of any key. [architecture
     * §8] */
    if (p.cmd->needs_launcher && launcher_start(&launcher, &e) < 0) {
        free(p.opt.args);
        return app_fail(&e);
    }
    int rc = run_command(&p, launcher);
    launcher_stop(launcher);
    return app_print_end() < 0 && rc == EXIT_OK ? EXIT_WORK_FAILED : rc;
}
