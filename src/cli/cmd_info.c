/* cmd_info.c - help and configuration. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/app.h"
#include "cli/commands.h"

static int print(struct buf *out)
{
    int rc = app_print(buf_str(out), out->len);
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
    if (app->opt.arg_count > 1) {
        struct err e = ERR_INIT;
        err_set(&e, ERR_USAGE, "help takes one COMMAND, or man, bash, zsh, fish");
        return app_fail(&e);
    }
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

/* ---- config ---- */

static void put_json_key(struct buf *out, const char *key, const char *value,
                         const struct config_key *k)
{
    struct json_w w;
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_str(&w, "key", key);
    json_w_strn(&w, "value", value, strlen(value));
    if (k != NULL) {
        json_w_str(&w, "default", k->dflt);
        json_w_str(&w, "takes", k->takes);
        json_w_str(&w, "help", k->help);
    }
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    (void)buf_add_char(out, '\n');
}

/* "cpu=2" of [contract], "job=job \d+" of [masks]: what the file adds to the keys that there are.
 */
static void put_named(struct app *app, const char *section, const char *pair, struct buf *out)
{
    size_t n = strcspn(pair, "=");
    char *key = xasprintf("%s.%.*s", section, (int)n, pair);
    const char *value = pair + n + (pair[n] == '=');
    if (app->opt.json)
        put_json_key(out, key, value, NULL);
    else
        (void)buf_addf(out, "%-21s = %s\n", key, value);
    free(key);
}

static int config_list(struct app *app)
{
    struct buf out = BUF_INIT(256 << 10);
    size_t count;
    const struct config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        struct buf value = BUF_INIT(4096);
        struct err e = ERR_INIT;
        (void)!config_get(&app->config, keys[i].key, &value, &e);
        if (app->opt.json)
            put_json_key(&out, keys[i].key, buf_str(&value), &keys[i]);
        else
            (void)buf_addf(&out, "%-21s = %-12s # %s (%s)\n", keys[i].key, buf_str(&value),
                           keys[i].help, keys[i].takes);
        buf_release(&value);
    }
    for (size_t i = 0; i < app->config.contract_count; i++)
        put_named(app, "contract", app->config.contract[i], &out);
    for (size_t i = 0; i < app->config.mask_count; i++)
        put_named(app, "masks", app->config.masks[i], &out);
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
        if (app->opt.json)
            put_json_key(&out, "path", app->paths.config_file, NULL);
        else
            (void)buf_addf(&out, "%s\n", app->paths.config_file);
        return print(&out);
    }
    if (strcmp(verb, "get") == 0 && app->opt.arg_count == 2) {
        if (config_get(&app->config, app->opt.args[1], &out, &e) < 0) {
            buf_release(&out);
            return app_fail(&e);
        }
        if (app->opt.json) {
            char *value = buf_detach(&out);
            put_json_key(&out, app->opt.args[1], value, NULL);
            free(value);
        } else {
            (void)buf_add_char(&out, '\n');
        }
        return print(&out);
    }
    if (strcmp(verb, "set") == 0 && app->opt.arg_count == 3)
        return config_set(app->paths.config_file, app->opt.args[1], app->opt.args[2], &e) < 0
                   ? app_fail(&e)
                   : EXIT_OK;
    err_set(&e, ERR_USAGE, "config takes: list, get KEY, set KEY VALUE, path");
    return app_fail(&e);
}
