/* cmd_doctor.c - what is installed, what is missing, and the exact fix. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/app.h"
#include "cli/commands.h"
#include "cli/doctor.h"
#include "providers/sandbox.h"
#include "tool/tripwire.h"
#include "ui/text.h"

static bool check_program(const struct app *app, const char *name, bool needed, const char *why,
                          const char *fix)
{
    struct err e = ERR_INIT;
    char *path = NULL;
    bool ok = proc_resolve(name, &path, &e) == 0;
    bool rc = doctor_check(app, name, needed, ok, ok ? path : why, fix);
    free(path);
    return rc;
}

static bool check_file(const struct app *app, const char *what, const char *path, const char *why,
                       const char *fix)
{
    struct stat st;
    bool ok = stat(path, &st) == 0;
    return doctor_check(app, what, false, ok, ok ? path : why, fix);
}

/* "local", or "local:" and an image. */
static bool names(const char *word, const char *name)
{
    size_t n = strlen(name);
    return strncmp(word, name, n) == 0 && (word[n] == '\0' || word[n] == ':');
}

static bool check_sandboxes(struct app *app)
{
    size_t count;
    bool ok = true;
    const struct sandbox_ops *const *list = sandbox_list(&count);
    for (size_t i = 0; i < count; i++) {
        struct err e = ERR_INIT;
        struct contract_enforcement en;
        if (app->opt.sandbox != NULL && !names(app->opt.sandbox, list[i]->name))
            continue;
        const struct sandbox_host host = { .launcher = app->launcher,
                                           .setting = app_setting,
                                           .setting_arg = app };
        bool there = list[i]->available(&host, &e) == 0;
        ok = doctor_check(app, list[i]->name, strcmp(list[i]->name, app->config.sandbox) == 0,
                          there, there ? list[i]->isolation : e.msg, "") &&
             ok;
        if (!there)
            continue;
        list[i]->enforcement(&app->contract, &en);
        for (int f = 0; f < FIELD_COUNT; f++) {
            char what[64], detail[256];
            snprintf(what, sizeof what, "  %s", contract_field_name((enum contract_field)f));
            snprintf(detail, sizeof detail, "%s%s%s", enforcement_name(en.field[f].how),
                     en.field[f].why[0] != '\0' ? ": " : "", en.field[f].why);
            doctor_check(app, what, false, en.field[f].how != NOT_ENFORCEABLE, detail, "");
        }
    }
    return ok;
}

static bool check_rules(struct app *app)
{
    struct err e = ERR_INIT;
    size_t examples = 0;
    char detail[128];
    bool ok = app_need_rules(app, &e) == 0 && review_self_test(app->rules, &examples, &e) == 0;
    snprintf(detail, sizeof detail, "%zu rules, %zu examples hold",
             ok ? review_rule_count(app->rules) : 0, examples);
    return doctor_check(app, "review rules", true, ok, ok ? detail : e.msg, "");
}

/* Its examples are checked whenever it is loaded. */
static bool check_tripwire(struct app *app)
{
    struct err e = ERR_INIT;
    struct tripwire *t = NULL;
    char detail[64] = "";
    bool ok = tripwire_new(&t, NULL, &e) == 0;
    if (ok)
        snprintf(detail, sizeof detail, "%zu rules, %zu examples hold", tripwire_rule_count(t),
                 tripwire_example_count(t));
    tripwire_free(t);
    return doctor_check(app, "tripwire", true, ok, ok ? detail : e.msg, "");
}

static bool check_programs(struct app *app)
{
    bool ok = check_program(app, "bwrap", true, "not found", "apt-get install bubblewrap");
    const char *python = app->contract.python;
    ok = doctor_check(app, "python3", true, access(python, X_OK) == 0, python,
                      "apt-get install python3") &&
         ok;
    check_program(app, "node", false, "no JavaScript in the local sandbox",
                  "apt-get install nodejs");
    check_file(app, "cloudpickle", "/usr/lib/python3/dist-packages/cloudpickle/__init__.py",
               "functions are not kept across restarts", "apt-get install python3-cloudpickle");
    check_file(app, "matplotlib", "/usr/lib/python3/dist-packages/matplotlib/__init__.py",
               "no matplotlib figures", "apt-get install python3-matplotlib");
    return ok;
}

static bool check_machine(struct app *app)
{
    bool ok = doctor_check(app, "airlock", true, true, AIRLOCK_VERSION, "");
    ok = doctor_check_kernel(app) && ok;
    ok = doctor_check_libraries(app) && ok;
    ok = check_programs(app) && ok;
    ok = check_sandboxes(app) && ok;
    ok = check_rules(app) && ok;
    ok = check_tripwire(app) && ok;
    ok = doctor_check_place(app) && ok;
    return doctor_check_self(app) && ok;
}

int cmd_doctor(struct app *app)
{
    struct err e = ERR_INIT;
    const char *image = NULL;
    const struct sandbox_ops *sandbox = app_sandbox(app, &image, &e);
    if (sandbox == NULL)
        return app_fail(&e);
    bool ok = app->opt.arg_count > 0 || check_machine(app);
    /* One that costs money is probed when it is asked for by name. */
    bool probe = app->opt.sandbox != NULL || (sandbox->caps & SANDBOX_IS_REMOTE) == 0;
    const struct sandbox_host host = { .launcher = app->launcher,
                                       .setting = app_setting,
                                       .setting_arg = app };
    if (probe && sandbox->available(&host, &e) == 0) {
        int rc = doctor_run_probes(app, sandbox, image);
        if (rc != EXIT_OK)
            return rc;
    } else if (probe && app->opt.arg_count > 0) {
        return app_fail(&e);
    }
    return ok ? EXIT_OK : EXIT_MISSING;
}
