/* cmd_doctor.c - what is installed, what is missing, and the exact fix. */
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/app.h"
#include "cli/commands.h"
#include "cli/doctor.h"
#include "providers/sandbox.h"
#include "tool/tripwire.h"
#include "ui/text.h"

struct finding {
    const char *what;
    bool ok, needed; /* not needed: a convenience */
    char detail[512];
};

static void print_finding(const struct app *app, const struct finding *f)
{
    struct buf out = BUF_INIT(8 << 10);
    if (app->opt.json) {
        struct json_w w;
        json_w_init(&w, &out);
        json_w_object(&w, NULL);
        json_w_str(&w, "check", f->what);
        json_w_str(&w, "result", f->ok ? "PASS" : f->needed ? "FAIL" : "MISSING");
        json_w_strn(&w, "detail", f->detail, strlen(f->detail));
        json_w_close_object(&w);
        (void)!json_w_end(&w);
    } else {
        (void)buf_addf(&out, "%-7s %-14s ", f->ok ? "ok" : f->needed ? "FAIL" : "missing", f->what);
        (void)text_clean(&out, f->detail, strlen(f->detail), TEXT_PROSE, false, false);
    }
    printf("%s\n", buf_str(&out));
    buf_release(&out);
}

static bool check(const struct app *app, const char *what, bool needed, bool ok, const char *detail)
{
    struct finding f = { .what = what, .needed = needed, .ok = ok };
    snprintf(f.detail, sizeof f.detail, "%s", detail);
    print_finding(app, &f);
    return ok || !needed;
}

static bool check_program(const struct app *app, const char *name, bool needed, const char *fix)
{
    struct err e = ERR_INIT;
    char *path = NULL;
    bool ok = proc_resolve(name, &path, &e) == 0;
    bool rc = check(app, name, needed, ok, ok ? path : fix);
    free(path);
    return rc;
}

static bool check_file(const struct app *app, const char *what, const char *path, const char *fix)
{
    struct stat st;
    bool ok = stat(path, &st) == 0;
    return check(app, what, false, ok, ok ? path : fix);
}

static bool check_dir(const struct app *app, const char *what, const char *dir)
{
    struct err e = ERR_INIT;
    bool ok = path_make_private_dir(dir, &e) == 0;
    return check(app, what, true, ok, ok ? dir : e.msg);
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
        ok = check(app, list[i]->name, strcmp(list[i]->name, app->config.sandbox) == 0, there,
                   there ? list[i]->isolation : e.msg) &&
             ok;
        if (!there)
            continue;
        list[i]->enforcement(&app->contract, &en);
        for (int f = 0; f < FIELD_COUNT; f++) {
            char what[64], detail[256];
            snprintf(what, sizeof what, "  %s", contract_field_name((enum contract_field)f));
            snprintf(detail, sizeof detail, "%s%s%s", enforcement_name(en.field[f].how),
                     en.field[f].why[0] != '\0' ? ": " : "", en.field[f].why);
            check(app, what, false, en.field[f].how != NOT_ENFORCEABLE, detail);
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
    return check(app, "review rules", true, ok, ok ? detail : e.msg);
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
    return check(app, "tripwire", true, ok, ok ? detail : e.msg);
}

static bool check_terminal(const struct app *app)
{
    const char *term = getenv("TERM"), *set = nl_langinfo(CODESET);
    char detail[128];
    snprintf(detail, sizeof detail, "TERM=%.60s",
             term != NULL ? term : "(unset): lines instead of a screen");
    check(app, "terminal", false, term != NULL && strcmp(term, "dumb") != 0, detail);
    bool utf8 = strcmp(set, "UTF-8") == 0;
    return check(
        app, "locale", false, utf8,
        utf8 ? set
             : "not UTF-8: other characters are shown as <U+XXXX>; fix: export LC_ALL=C.UTF-8");
}

static bool check_machine(struct app *app)
{
    struct utsname u;
    char kernel[160];
    bool ok = check(app, "airlock", true, true, AIRLOCK_VERSION);
    uname(&u);
    snprintf(kernel, sizeof kernel, "%.60s %.60s", u.sysname, u.release);
    ok = check(app, "kernel", true, strcmp(u.sysname, "Linux") == 0, kernel) && ok;
    ok = check_program(app, "bwrap", true, "not found; fix: apt-get install bubblewrap") && ok;
    ok = check_program(app, "python3", true, "not found; fix: apt-get install python3") && ok;
    check_program(app, "node", false,
                  "no JavaScript in the local sandbox; fix: apt-get install nodejs");
    check_file(app, "cloudpickle", "/usr/lib/python3/dist-packages/cloudpickle/__init__.py",
               "functions are not kept across restarts; fix: apt-get install python3-cloudpickle");
    check_file(app, "matplotlib", "/usr/lib/python3/dist-packages/matplotlib/__init__.py",
               "no matplotlib figures; fix: apt-get install python3-matplotlib");
    ok = check_sandboxes(app) && ok;
    ok = check_rules(app) && ok;
    ok = check_tripwire(app) && ok;
    check_terminal(app);
    ok = check_dir(app, "data", app->paths.sessions_dir) && ok;
    return check_dir(app, "state", app->paths.state_dir) && ok;
}

int cmd_doctor(struct app *app)
{
    struct err e = ERR_INIT;
    char name[64];
    const char *word = app->opt.sandbox != NULL ? app->opt.sandbox : app->config.sandbox;
    const char *image = app_split_name(word, name, sizeof name);
    const struct sandbox_ops *sandbox = sandbox_choose(name, image, &e);
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
