/* app.c - directories, configuration, contract and policy of one process; the rest on first use. */
#include "cli/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/net.h"
#include "cli/frame.h"
#include "cli/secrets.h"
#include "providers/planner.h"
#include "providers/sandboxes/local_start.h"
#include "sessions/mask.h"

#include "base/log.h"

#define CONTRACT_FILE_MAX ((size_t)64 << 10)

const char *app_split_name(const char *word, char *room, size_t size)
{
    size_t n = strcspn(word, ":");
    snprintf(room, size, "%.*s", (int)n, word);
    return word[n] == ':' ? word + n + 1 : NULL;
}

const struct sandbox_ops *app_sandbox(const struct app *app, const char **image, struct err *e)
{
    char name[64];
    const char *word = app->opt.sandbox != NULL ? app->opt.sandbox : app->config.sandbox;
    const char *its = app_split_name(word, name, sizeof name);
    if (image != NULL)
        *image = its;
    return sandbox_choose(name, its, e);
}

bool app_planner_asks_model(const char *planner)
{
    const struct planner_ops *ops = planner_find(planner);
    return ops != NULL && (ops->caps & PLANNER_NETWORK) != 0;
}

const char *app_setting(void *app, const char *name)
{
    const char *v = secrets_setting(NULL, name);
    return v != NULL ? v : config_setting(&((const struct app *)app)->config, name);
}

static int define_masks(const struct app *app, struct err *e)
{
    for (size_t i = 0; i < app->config.mask_count; i++) {
        const char *is = strchr(app->config.masks[i], '=');
        char *name = xstrndup(app->config.masks[i], (size_t)(is - app->config.masks[i]));
        int rc = mask_define(name, is + 1, e);
        free(name);
        if (rc < 0)
            return err_wrap(e, "%s", app->paths.config_file);
    }
    return 0;
}

int app_add_contract(struct app *app, const char *word, struct err *e)
{
    struct buf text = BUF_INIT(CONTRACT_FILE_MAX);
    bool is_path = word[0] == '/' || word[0] == '.' || strchr(word, '=') == NULL;
    if (strchr(word, '\n') != NULL)
        return contract_set_text(&app->contract, word, strlen(word), e);
    if (!is_path || contract_is_key(word))
        return contract_set(&app->contract, word, e);
    if (strchr(word, '/') == NULL && access(word, F_OK) < 0) /* a key misspelt, most likely */
        return contract_set(&app->contract, word, e);
    int rc = path_read_file(word, &text, e);
    if (rc == 0)
        rc = contract_set_text(&app->contract, buf_str(&text), text.len, e);
    buf_release(&text);
    return rc < 0 ? err_wrap(e, "contract %.200s", word) : 0;
}

static int build_contract(struct app *app, struct err *e)
{
    char budget[64];
    contract_init(&app->contract);
    for (size_t i = 0; i < app->config.contract_count; i++) {
        if (contract_set(&app->contract, app->config.contract[i], e) < 0)
            return err_wrap(e, "%s", app->paths.config_file);
    }
    for (size_t i = 0; i < app->opt.contract_count; i++) {
        if (app_add_contract(app, app->opt.contract[i], e) < 0)
            return -1;
    }
    if (app->opt.budget != NULL) {
        snprintf(budget, sizeof budget, "budget_usd=%s", app->opt.budget);
        return contract_set(&app->contract, budget, e);
    }
    return 0;
}

int app_init(struct app *app, struct err *e)
{
    if (paths_init(&app->paths, app->opt.data, app->opt.config, e) < 0)
        return -1;
    if (config_load(&app->config, app->paths.config_file, e) < 0)
        return -1;
    if (app->opt.policy != NULL && policy_load(&app->policy, app->opt.policy, e) < 0)
        return -1;
    app->redact = redact_new();
    secrets_add_to(app->redact);
    redact_add_shapes(app->redact);
    redact_set_global(app->redact);
    return define_masks(app, e) < 0 ? -1 : build_contract(app, e);
}

void app_open_log(struct app *app)
{
    struct err e = ERR_INIT;
    char *path = path_join(app->paths.state_dir, "log");
    /* A log that can't be written is no reason not to work. */
    if (path_make_private_dir(app->paths.state_dir, &e) == 0)
        (void)!log_open(path, app->opt.verbose ? LOG_DEBUG : LOG_WARN, &e);
    free(path);
}

void app_confine(void)
{
    struct err e = ERR_INIT;
    if (confine_to_supervising(&e) < 0)
        log_msg(LOG_WARN, "app", "%s", e.msg);
}

/* Where groups are made; the user's systemd makes those of others' sessions anywhere below. */
static size_t add_groups(const char **writable)
{
    const struct cgroup_place *place = local_cgroup_place();
    size_t n = 0;
    if (geteuid() != 0)
        writable[n++] = CGROUP_ROOT;
    for (int i = 0; i < CGROUP_PARTS; i++)
        writable[n++] = place->dir[i];
    writable[n++] = place->unified;
    return n;
}

/* A directory that can't be made is a matter of the command, which says it better than a refusal of
 * our own walls would. */
void app_confine_session(const struct app *app)
{
    struct err e = ERR_INIT;
    const char *writable[5 + 2 + CGROUP_PARTS] = { app->paths.data_dir, app->paths.sessions_dir,
                                                   app->paths.state_dir, app->paths.runtime_dir,
                                                   "/dev" };
    if (path_make_private_dir(app->paths.data_dir, &e) < 0 ||
        path_make_private_dir(app->paths.state_dir, &e) < 0) {
        log_msg(LOG_WARN, "app", "%s", e.msg);
        return;
    }
    confine_writes(writable, 5 + add_groups(writable + 5),
                   " (this process writes below its own directories only)");
}

void app_confine_replay(const struct app *app)
{
    char *cwd = getcwd(NULL, 0);
    const char *temporary = getenv("TMPDIR");
    const char *const writable[] = { app->paths.data_dir, app->paths.state_dir, cwd,
                                     temporary != NULL && temporary[0] == '/' ? temporary : "/tmp",
                                     "/dev" };
    confine_writes(writable, ARRAY_LEN(writable),
                   " (a replay writes below the current and the temporary directory only; "
                   "`airlock export` writes anywhere)");
    free(cwd);
}

void app_release(struct app *app)
{
    log_close();
    redact_set_global(NULL);
    index_close(app->index);
    review_rules_free(app->rules);
    policy_free(app->policy);
    redact_free(app->redact);
    contract_release(&app->contract);
    mask_forget_own();
    config_release(&app->config);
    paths_release(&app->paths);
    if (app->frames != NULL)
        frames_close(app->frames);
    free(app->frames);
    net_free(app->net);
    loop_free(app->loop);
    free(app->opt.args);
}

int app_need_rules(struct app *app, struct err *e)
{
    return app->rules != NULL ? 0 : review_load(&app->rules, e);
}

int app_need_index(struct app *app, struct err *e)
{
    return app->index != NULL ? 0 : index_open(&app->index, app->paths.data_dir, e);
}

int app_need_loop(struct app *app, struct err *e)
{
    if (app->loop != NULL)
        return 0;
    proc_take_short_turns();
    return loop_new(&app->loop, e);
}

int app_need_frames(struct app *app, struct err *e)
{
    int w = 80, h = 24;
    if (app->frames != NULL || app->opt.frames == NULL)
        return 0;
    if (strcmp(app->opt.frames, "-") == 0)
        return err_set(e, ERR_USAGE, "--frames - is for replay: a live session writes to a file");
    if (app->opt.size != NULL && frames_parse_size(app->opt.size, &w, &h, e) < 0)
        return -1;
    struct frames *f = xcalloc(1, sizeof *f);
    if (frames_open(f, app->opt.frames, w, h, e) < 0) {
        free(f);
        return -1;
    }
    app->frames = f;
    return 0;
}

int app_need_net(struct app *app, struct err *e)
{
    if (app_need_loop(app, e) < 0)
        return -1;
    if (app->net == NULL)
        app->net = net_new(app->loop);
    return 0;
}
