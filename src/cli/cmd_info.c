/* cmd_info.c - help, configuration, and what planners and sandboxes there are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/app.h"
#include "cli/commands.h"
#include "cli/secrets.h"
#include "providers/planner.h"
#include "ui/text.h"

static int print(struct buf *out)
{
    int rc = write_all_fd(STDOUT_FILENO, buf_str(out), out->len);
    buf_release(out);
    return rc < 0 ? EXIT_WORK_FAILED : EXIT_OK;
}

int cmd_help(struct app *app)
{
    struct buf out = BUF_INIT((size_t)1 << 20);
    const char *word = app->opt.arg_count > 0 ? app->opt.args[0] : "";
    size_t count;
    const struct command *c = command_table(&count);
    if (strcmp(word, "man") == 0) {
        options_print_man(&out);
        return print(&out);
    }
    if (strcmp(word, "bash") == 0 || strcmp(word, "zsh") == 0 || strcmp(word, "fish") == 0) {
        options_print_completion(word, &out);
        return print(&out);
    }
    const struct command *found = NULL;
    for (size_t i = 1; i < count; i++)
        found = strcmp(c[i].name, word) == 0 ? &c[i] : found;
    if (word[0] != '\0' && found == NULL) {
        struct err e = ERR_INIT;
        err_set(&e, ERR_USAGE, "no command '%.40s' to help with; see airlock --help", word);
        return app_fail(&e);
    }
    options_print_help(found, &out);
    return print(&out);
}

/* ---- providers ---- */

static void print_provider(const struct app *app, const char *sort, const char *name,
                           const char *title, const char *extra, int rc, const struct err *e,
                           struct buf *out)
{
    if (app->opt.json) {
        struct json_w w;
        json_w_init(&w, out);
        json_w_object(&w, NULL);
        json_w_str(&w, "kind", sort);
        json_w_str(&w, "name", name);
        json_w_str(&w, "title", title);
        json_w_bool(&w, "ready", rc == 0);
        if (rc < 0)
            json_w_strn(&w, "missing", e->msg, strlen(e->msg));
        json_w_str(&w, "detail", extra);
        json_w_close_object(&w);
        (void)!json_w_end(&w);
        (void)buf_add_char(out, '\n');
        return;
    }
    (void)buf_addf(out, "%-8s %-10s %-7s %s%s%s\n", sort, name, rc == 0 ? "ready" : "MISSING",
                   title, extra[0] != '\0' ? "; " : "", extra);
    if (rc < 0) {
        (void)buf_add_str(out, "                            ");
        (void)text_clean_lines(out, e->msg, strlen(e->msg), TEXT_PROSE, false);
        (void)buf_add_char(out, '\n');
    }
}

static void capability_words(unsigned caps, struct buf *out)
{
    static const struct {
        unsigned cap;
        const char *word;
    } words[] = {
        { SANDBOX_IS_STATEFUL, "stateful" },
        { SANDBOX_CAN_CHECKPOINT, "checkpoints" },
        { SANDBOX_CAN_SAVE, "saved namespace" },
        { SANDBOX_CAN_FILES, "files" },
        { SANDBOX_CAN_NET_DENY, "network deny" },
        { SANDBOX_CAN_NET_ALLOWLIST, "network allow list" },
        { SANDBOX_CAN_TWIN, "dry run" },
        { SANDBOX_HAS_NATIVE_GATE, "gated by the server" },
        { SANDBOX_IS_CHECKED_ONLY, "checked, not gated" },
        { SANDBOX_IS_REMOTE, "remote" },
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (caps & words[i].cap)
            (void)buf_addf(out, "%s%s", out->len > 0 ? ", " : "", words[i].word);
    }
}

int cmd_providers(struct app *app)
{
    struct buf out = BUF_INIT((size_t)1 << 20);
    size_t count;
    const struct planner_ops *const *planners = planner_list(&count);
    for (size_t i = 0; i < count; i++) {
        struct err e = ERR_INIT;
        struct planner_config cfg = { .net = app->net, .setting = secrets_setting };
        int rc = planners[i]->available(&cfg, &e);
        print_provider(app, "planner", planners[i]->name, planners[i]->title, "", rc, &e, &out);
    }
    const struct sandbox_ops *const *sandboxes = sandbox_list(&count);
    for (size_t i = 0; i < count; i++) {
        struct err e = ERR_INIT;
        struct buf extra = BUF_INIT(1024);
        int rc = sandboxes[i]->available(app->launcher, &e);
        (void)buf_addf(&extra, "%s; ", sandboxes[i]->languages);
        struct buf caps = BUF_INIT(1024);
        capability_words(sandboxes[i]->caps, &caps);
        (void)buf_add_str(&extra, buf_str(&caps));
        (void)buf_addf(&extra, "; %s; $0", sandboxes[i]->isolation);
        print_provider(app, "sandbox", sandboxes[i]->name, sandboxes[i]->title, buf_str(&extra), rc,
                       &e, &out);
        buf_release(&caps);
        buf_release(&extra);
    }
    return print(&out);
}

/* ---- config ---- */

static int config_list(struct app *app)
{
    struct buf out = BUF_INIT(64 << 10);
    size_t count;
    const struct config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        struct buf value = BUF_INIT(4096);
        struct err e = ERR_INIT;
        (void)!config_get(&app->config, keys[i].key, &value, &e);
        (void)buf_addf(&out, "%-18s = %-12s # %s (%s)\n", keys[i].key, buf_str(&value),
                       keys[i].help, keys[i].takes);
        buf_release(&value);
    }
    for (size_t i = 0; i < app->config.contract_count; i++)
        (void)buf_addf(&out, "contract.%s\n", app->config.contract[i]);
    return print(&out);
}

int cmd_config(struct app *app)
{
    struct err e = ERR_INIT;
    const char *verb = app->opt.arg_count > 0 ? app->opt.args[0] : "list";
    struct buf out = BUF_INIT(8 << 10);
    if (strcmp(verb, "list") == 0 && app->opt.arg_count <= 1)
        return config_list(app);
    if (strcmp(verb, "path") == 0 && app->opt.arg_count == 1) {
        (void)buf_addf(&out, "%s\n", app->paths.config_file);
        return print(&out);
    }
    if (strcmp(verb, "get") == 0 && app->opt.arg_count == 2) {
        if (config_get(&app->config, app->opt.args[1], &out, &e) < 0) {
            buf_release(&out);
            return app_fail(&e);
        }
        (void)buf_add_char(&out, '\n');
        return print(&out);
    }
    if (strcmp(verb, "set") == 0 && app->opt.arg_count == 3)
        return config_set(app->paths.config_file, app->opt.args[1], app->opt.args[2], &e) < 0
                   ? app_fail(&e)
                   : EXIT_OK;
    err_set(&e, ERR_USAGE, "config takes: list, get KEY, set KEY VALUE, path");
    return app_fail(&e);
}
