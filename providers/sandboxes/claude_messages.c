/* claude_messages.c - the sandbox `claude-messages`: Anthropic's code execution tool, worked by a
 * model that is told to run the approved command and checked afterwards. Checked, not gated: it
 * says so at the gate, and is never taken unless it is named. [claude.md §6, §9.1 option E] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/registry.h"
#include "providers/sandboxes/claude_messages_int.h"

#define STATE_WORD    "kernel=repl"
#define DEFAULT_MODEL "claude-haiku-5-5"
#define BOOK          "anthropic"

/* ---- the end */

/* A container can't be ended, but nothing runs in it when no request is on its way; and it is
 * frozen a few minutes later. */
static void gone(struct claude_messages *s)
{
    bool was_running = s->run != NULL, was_ready = s->phase == MESSAGES_READY;
    bool by_owner = s->core.end_what == NULL;
    loop_arm_us(s->core.loop, s->deadline, -1);
    loop_arm_us(s->core.loop, s->ttl, -1);
    s->phase = MESSAGES_GONE;
    core_tell_refusal(&s->core);
    messages_run_lost(s, s->core.end_as, by_owner ? "" : s->core.end_what,
                      s->core.why.code != ERR_NONE ? s->core.why.msg : "");
    bool failed = !by_owner && s->core.why.code != ERR_NONE && (!was_running || !was_ready);
    core_tell_over(&s->core, s->label, failed, !s->was_sent);
}

void messages_end_with(struct claude_messages *s, enum run_end as, const char *what,
                       const struct err *why)
{
    if (s->phase == MESSAGES_GONE || !core_end(&s->core, as, what, why))
        return;
    s->was_sent = s->run != NULL && s->begun && s->call.call.busy && !s->run->has_result;
    claude_call_drop(&s->call);
    loop_wake_idle(s->core.loop, s->core.later);
}

static void on_ttl(void *arg)
{
    struct claude_messages *s = arg;
    struct err why = ERR_INIT;
    err_set(&why, ERR_LIMIT, "the sandbox reached its ttl_s: its container is forgotten");
    if (!s->core.closed)
        messages_end_with(s, END_LIMIT, "ttl", &why);
}

/* ---- the model: is it there, and can it? */

static void take_model(struct claude_messages *s, const struct net_result *r, struct err *e)
{
    struct json *o = NULL;
    if (!remote_succeeded(r)) {
        (void)claude_why(&s->call, r, MESSAGES_NAME, e);
        if (r->status == 404)
            err_wrap(e, "the model %.60s (claude.model in the configuration)", s->model);
        return;
    }
    if (json_parse(&o, r->body, r->body_len, e) < 0) {
        err_wrap(e, MESSAGES_NAME ": what the server says of the model");
        return;
    }
    const struct json *caps = json_get(o, "capabilities");
    const struct json *run = json_get(json_get(caps, "server_tools"), "code_execution");
    if (!json_get_bool(run, "supported", true))
        err_set(e, ERR_MISSING,
                MESSAGES_NAME ": the model %.60s can't run code; set claude.model to one "
                              "that can",
                s->model);
    s->low_effort = json_get_bool(json_get(json_get(caps, "effort"), "low"), "supported", false);
    /* Their name for tools that the code may call; the interpreter that stays comes with them. */
    if (!json_get_bool(json_get(caps, "code_execution"), "supported", false))
        messages_take_last_rung(s);
    json_free(o);
}

static void on_model(void *arg, const struct net_result *r)
{
    struct claude_messages *s = arg;
    struct err e = ERR_INIT;
    core_enter(&s->core);
    take_model(s, r, &e);
    if (e.code != ERR_NONE) {
        messages_end_with(s, END_SANDBOX, "", &e);
    } else {
        s->phase = MESSAGES_READY;
        loop_arm_us(s->core.loop, s->ttl, s->contract.ttl_s * MESSAGES_SECOND_US);
        struct sandbox_event ev = { .kind = SANDBOX_READY,
                                    .id = s->label,
                                    .cold_start_us = clock_boot_us() - s->opened_us };
        core_tell(&s->core, &ev);
        if (!s->core.closed)
            messages_run_begin(s);
    }
    core_leave(&s->core);
}

static void ask_model(struct claude_messages *s)
{
    struct buf target = BUF_INIT(1024);
    (void)buf_add_str(&target, "/v1/models");
    (void)http_add_segment(&target, s->model);
    const struct claude_request rq = { .method = "GET",
                                       .target = buf_str(&target),
                                       .again = CLAUDE_AGAIN,
                                       .deadlines = { .total_ms = 30000 },
                                       .body_max = 1 << 20,
                                       .done = on_model,
                                       .arg = s };
    claude_send(&s->call, &rq);
    buf_release(&target);
}

/* ---- making and freeing */

static void free_it(struct claude_messages *s)
{
    struct loop_source *sources[] = { s->deadline, s->ttl, s->core.later };
    claude_call_release(&s->call);
    claude_http_release(&s->http);
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        loop_remove(s->core.loop, sources[i]);
    messages_run_free(s->run);
    buf_release(&s->vars.text);
    free(s->model);
    free(s->label);
    free(s->usage_source);
    free(s);
}

/* Closed by us, in the middle of an answer: nothing of it is taken. */
static void stop_run(struct claude_messages *s)
{
    struct messages_run *r = s->run;
    bool timeout = r->stopping == END_TIMEOUT;
    claude_call_drop(&s->call);
    messages_run_lost(s, r->stopping, "",
                      timeout ? "no answer in time: the connection was closed"
                              : "the connection was closed to end it");
}

static void on_later(void *arg)
{
    struct claude_messages *s = arg;
    if (s->core.closed) {
        free_it(s);
        return;
    }
    core_enter(&s->core);
    if (s->core.ending && s->phase != MESSAGES_GONE)
        gone(s);
    else if (s->run != NULL && s->run->stop_asked)
        stop_run(s);
    core_tell_refusal(&s->core);
    if (!s->core.closed)
        messages_run_begin(s);
    core_leave(&s->core);
}

static const char *setting_of(const struct sandbox_config *cfg, const char *name)
{
    const char *v = cfg->setting != NULL ? cfg->setting(cfg->setting_arg, name) : NULL;
    return v != NULL && v[0] != '\0' ? v : NULL;
}

/* Of the person, who pays: the first word of the image, or the configuration, or a small one. The
 * caller frees it. */
static char *model_of(const struct sandbox_config *cfg)
{
    const char *set = setting_of(cfg, "claude.model"), *image = cfg->image;
    size_t n = image != NULL ? strcspn(image, ",") : 0;
    if (n > 0 && memchr(image, '=', n) == NULL)
        return xstrndup(image, n);
    return xstrdup(set != NULL ? set : DEFAULT_MODEL);
}

/* A container for one run has nothing that could stay. */
static bool wants_state(const struct sandbox_config *cfg)
{
    return cfg->contract->lifecycle == LIFECYCLE_SESSION &&
           sandbox_choose(MESSAGES_NAME, cfg->image, NULL) == &sandbox_claude_messages_state;
}

static int check_config(const struct sandbox_config *cfg, struct err *e)
{
    if (cfg->net == NULL)
        return err_set(e, ERR_MISSING, MESSAGES_NAME ": no network here");
    if (cfg->contract->network != NETWORK_DENY)
        return err_set(e, ERR_USAGE,
                       MESSAGES_NAME ": its container has no network at all; take another sandbox");
    if (cfg->contract->mount_count > 0 || cfg->contract->env_count > 0)
        return err_set(e, ERR_USAGE,
                       MESSAGES_NAME ": nothing but the program goes into this container: no "
                                     "mounts, no environment");
    return 0;
}

static int messages_open(struct sandbox **out, const struct sandbox_config *cfg, struct err *e)
{
    struct claude_http http;
    struct llm_facts facts;
    char *model = model_of(cfg);
    if (check_config(cfg, e) < 0 ||
        llm_facts_load(&facts, BOOK, setting_of(cfg, "anthropic.prices"), model, e) < 0 ||
        claude_http_open(&http, cfg->loop, cfg->net, cfg->setting, cfg->setting_arg, NULL, e) < 0) {
        free(model);
        return -1;
    }
    struct claude_messages *s = xcalloc(1, sizeof *s);
    core_init(&s->core, sandbox_choose(MESSAGES_NAME, cfg->image, NULL), cfg->loop, on_later);
    core_listen(&s->core, cfg);
    s->wants_state = wants_state(cfg);
    buf_init(&s->vars.text, (size_t)128 << 10);
    s->http = http;
    s->facts = facts;
    s->contract.lifecycle = cfg->contract->lifecycle;
    s->contract.ttl_s = cfg->contract->ttl_s;
    s->contract.timeout_s = cfg->contract->timeout_s;
    s->model = model;
    s->label = xstrdup(cfg->label != NULL ? cfg->label : "airlock");
    s->usage_source = xasprintf(MESSAGES_NAME " %s", model);
    s->patience_us =
        INT64_C(1000) * core_number_setting(cfg, "claude.patience_ms", MESSAGES_PATIENCE_S * 1000);
    s->opened_us = clock_boot_us();
    s->deadline = loop_add_timer(s->core.loop, messages_on_deadline, s);
    s->ttl = loop_add_timer(s->core.loop, on_ttl, s);
    claude_call_init(&s->call, &s->http);
    ask_model(s);
    *out = &s->core.base;
    return 0;
}

/* ---- the rest of the table */

static int messages_exec(struct sandbox *base, const struct sandbox_run *rq, struct err *e)
{
    struct claude_messages *s = (struct claude_messages *)base;
    if (s->core.ending || s->phase == MESSAGES_GONE)
        return err_set(e, ERR_CANCELLED, "the sandbox is gone");
    if (s->run != NULL || s->core.refused.run != 0)
        return err_set(e, ERR_BUSY, "a run is still on in this sandbox");
    if (messages_run_new(&s->run, s, rq, e) < 0)
        return -1;
    messages_run_begin(s);
    return 0;
}

static void messages_interrupt(struct sandbox *base)
{
    messages_run_stop((struct claude_messages *)base, END_INTERRUPTED);
}

static void messages_kill(struct sandbox *base, enum run_end as)
{
    messages_end_with((struct claude_messages *)base, as, NULL, NULL);
}

/* What came is told in one piece, when all of it was compared. */
static void messages_pause_output(struct sandbox *base, bool on)
{
    (void)base;
    (void)on;
}

static int no_put(struct sandbox *base, const struct sandbox_file *f, struct err *e)
{
    (void)base;
    (void)f;
    return err_set(e, ERR_USAGE,
                   "sandbox " MESSAGES_NAME " takes no files: nothing but the approved program "
                   "goes into its container");
}

static int no_get(struct sandbox *base, const char *path, size_t max, struct err *e)
{
    (void)base;
    (void)path;
    (void)max;
    return err_set(e, ERR_USAGE,
                   "sandbox " MESSAGES_NAME " has no :get: what code writes to $OUTPUT_DIR comes "
                   "back as results");
}

/* Nothing is under way from here on. Only what was on its way may go on without us. */
static bool messages_farewell(struct sandbox *base)
{
    struct claude_messages *s = (struct claude_messages *)base;
    if (s->phase == MESSAGES_GONE)
        return true;
    bool sent = s->run != NULL && s->begun && s->call.call.busy && !s->run->has_result;
    core_silence(&s->core);
    s->phase = MESSAGES_GONE;
    claude_call_drop(&s->call);
    loop_arm_us(s->core.loop, s->deadline, -1);
    loop_arm_us(s->core.loop, s->ttl, -1);
    return !sent;
}

/* By execution, not by the time we kept it: an idle container costs nothing. */
static int64_t messages_cost(const struct sandbox *base, int64_t ms)
{
    (void)ms;
    return messages_nanousd(((const struct claude_messages *)base)->billed_s);
}

static void messages_close(struct sandbox *base)
{
    struct claude_messages *s = (struct claude_messages *)base;
    if (s == NULL || s->core.closed)
        return;
    (void)messages_farewell(base);
    if (core_close(&s->core))
        free_it(s);
}

static int messages_available(const struct sandbox_host *h, struct err *e)
{
    struct claude_http http;
    if (claude_http_open(&http, NULL, NULL, h->setting, h->setting_arg, NULL, e) < 0)
        return -1;
    claude_http_release(&http);
    return 0;
}

static int messages_origin(const struct sandbox_host *h, char *room, size_t size, struct err *e)
{
    struct claude_http http;
    if (claude_http_open(&http, NULL, NULL, h->setting, h->setting_arg, NULL, e) < 0)
        return -1;
    snprintf(room, size, "%s", net_origin_text(http.server.origin));
    claude_http_release(&http);
    return 0;
}

#define CAPS                                                                                       \
    (SANDBOX_IS_CHECKED_ONLY | SANDBOX_CAN_NET_DENY | SANDBOX_IS_REMOTE | SANDBOX_SHELL_FORGETS |  \
     SANDBOX_TELLS_AT_END | SANDBOX_TAKES_LITTLE | SANDBOX_NO_PROBES)
/* What both tables have in common. */
#define OPS                                                                                        \
    .name = MESSAGES_NAME, .isolation = "container in Anthropic's cloud, no network",              \
    .held_by = "Anthropic's model starts it: we compare afterwards what it ran",                   \
    .languages = "python,bash", .available = messages_available, .origin = messages_origin,        \
    .interpreter = messages_interpreter, .open = messages_open, .exec = messages_exec,             \
    .interrupt = messages_interrupt, .kill = messages_kill, .pause_output = messages_pause_output, \
    .restore = core_no_restore, .starts_over = messages_starts_over, .save = core_no_save,         \
    .load = core_no_load, .put = no_put, .get = no_get, .complete = core_no_complete,              \
    .farewell = messages_farewell, .cost = messages_cost, .close = messages_close

const struct sandbox_ops sandbox_claude_messages_state = {
    OPS,
    .title = "the same tool; Python runs in its interpreter, whose variables stay",
    .caps = CAPS | SANDBOX_IS_STATEFUL,
    .enforcement = messages_state_enforcement,
    .introspection = messages_introspection,
};

static const struct sandbox_variant variants[] = {
    { STATE_WORD, &sandbox_claude_messages_state },
    { NULL, NULL },
};

const struct sandbox_ops sandbox_claude_messages = {
    OPS,
    .title = "Claude's code execution tool, worked by a model that is checked afterwards",
    .caps = CAPS,
    .enforcement = messages_enforcement,
    .variants = variants,
};
