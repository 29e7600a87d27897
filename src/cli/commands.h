/* commands.h - the entry of each command; each returns the exit code of interface.md. */
#ifndef AIRLOCK_CLI_COMMANDS_H
#define AIRLOCK_CLI_COMMANDS_H

struct app;

enum exit_code {
    EXIT_OK = 0,
    EXIT_WORK_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_MISSING = 3,
    EXIT_WAS_DENIED = 4,
    EXIT_INTEGRITY = 5,
    EXIT_LIMIT = 6,
    EXIT_TIMED_OUT = 124,
    EXIT_AIRLOCK_FAILED = 125,
    EXIT_EXEC_DENIED = 126,
    EXIT_SIGNALLED = 128,
    EXIT_INTERRUPTED = 130
};

int cmd_screen(struct app *app);
int cmd_resume(struct app *app);
int cmd_fork(struct app *app);
int cmd_tree(struct app *app);
int cmd_run(struct app *app);
int cmd_exec(struct app *app);
int cmd_sessions(struct app *app);
int cmd_show(struct app *app);
int cmd_diff(struct app *app);
int cmd_replay(struct app *app);
int cmd_rerun(struct app *app);
int cmd_export(struct app *app);
int cmd_import(struct app *app);
int cmd_search(struct app *app);
int cmd_stats(struct app *app);
int cmd_cost(struct app *app);
int cmd_verify(struct app *app);
int cmd_providers(struct app *app);
int cmd_contract(struct app *app);
int cmd_doctor(struct app *app);
int cmd_sandboxes(struct app *app);
int cmd_config(struct app *app);
int cmd_help(struct app *app);

#endif
