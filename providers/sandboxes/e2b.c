/* e2b.c - the sandbox `e2b`: made, kept alive, ended with proof; one machine of E2B's for one
 * session. [e2b.md] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "providers/registry.h"
#include "providers/sandboxes/e2b_image.h"
#include "providers/sandboxes/e2b_int.h"

#define SEEK_MS  1000
#define IDLE_MS  30000 /* a keepalive comes every 5 s */
#define CLOSE_MS 5000
#define QUEUE_MS 600000

/* ---- the end */

void e2b_gone(struct e2b *s, bool confirmed)
{
    bool was_running = s->run != NULL || s->queued != NULL;
    bool was_ready = s->cold_start_us != 0;
    bool by_owner = s->core.end_what == NULL;
    struct loop_source *timers[] = { s->deadline, s->step_timer, s->ttl, s->renew };
    for (size_t i = 0; i < ARRAY_LEN(timers); i++)
        loop_arm_us(s->core.loop, timers[i], -1);
    s->phase = E2B_GONE;
    core_tell_refusal(&s->core);
    const char *message = s->core.why.code != ERR_NONE ? s->core.why.msg : "";
    bool told = s->run != NULL && s->run->told;
    e2b_run_lost(s, s->core.end_as, by_owner ? "" : s->core.end_what, message);
    bool failed = !by_owner && s->core.why.code != ERR_NONE && (!was_running || !was_ready || told);
    core_tell_over(&s->core, s->id, failed, confirmed);
}

static void on_killed(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    bool confirmed = remote_succeeded(r) || (r->end == NET_ANSWERED && r->status == 404);
    if (!confirmed) {
        (void)e2b_why(&s->life, r, "ending the sandbox", NULL, &e);
        log_msg(LOG_ERROR, "e2b", "%s: %s", s->id, e.msg);
        if (s->core.why.code == ERR_NONE) {
            err_set(&s->core.why, ERR_NET, "%.300s; it may still cost money: airlock sandboxes",
                    e.msg);
            s->core.end_what = s->core.end_what != NULL ? s->core.end_what : "";
        }
    }
    e2b_gone(s, confirmed);
}

void e2b_kill_now(struct e2b *s)
{
    struct buf target = BUF_INIT(256);
    s->phase = E2B_KILLING;
    e2b_target(&target, s->id, "");
    struct e2b_request rq = { .plane = E2B_API,
                              .method = "DELETE",
                              .target = buf_str(&target),
                              .again = E2B_AGAIN,
                              .deadlines = { .total_ms = E2B_CONTROL_MS },
                              .done = on_killed };
    e2b_send(&s->life, &rq);
    buf_release(&target);
}

void e2b_end_with(struct e2b *s, enum run_end as, const char *what, const struct err *why)
{
    if (s->phase == E2B_GONE || !core_end(&s->core, as, what, why))
        return;
    e2b_call_drop(&s->work);
    e2b_call_drop(&s->side);
    e2b_errand_drop(s);
    s->then = NULL;
    struct loop_source *timers[] = { s->deadline, s->step_timer, s->ttl };
    for (size_t i = 0; i < ARRAY_LEN(timers); i++)
        loop_arm_us(s->core.loop, timers[i], -1);
    if (s->phase == E2B_PREPARING)
        e2b_call_drop(&s->life); /* a look at it, its network: nothing that makes one */
    if (s->phase == E2B_READY || s->phase == E2B_PREPARING || s->phase == E2B_PAUSED) {
        if (s->place.debug)
            loop_wake_idle(s->core.loop, s->core.later);
        else if (s->freezing == 0) /* else once that is known */
            e2b_kill_now(s);
    } else if (s->phase == E2B_QUEUED) {
        loop_arm_us(s->core.loop, s->renew, -1);
        loop_wake_idle(s->core.loop, s->core.later);
    } else if (s->phase == E2B_PAUSING && !s->life.call.busy) { /* between two looks */
        e2b_kill_now(s);
    } else if (s->phase == E2B_CREATING && s->life.call.sent == NULL) { /* between two tries */
        e2b_call_drop(&s->life);
        loop_wake_idle(s->core.loop, s->core.later);
    } /* else: what was asked for must first be known */
}

/* ---- making and freeing */

static void free_it(struct e2b *s)
{
    struct e2b_call *calls[] = { &s->life, &s->work, &s->side, &s->file, &s->trash };
    struct loop_source *sources[] = { s->deadline, s->step_timer, s->ttl, s->renew, s->core.later };
    e2b_errand_drop(s);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        e2b_call_release(calls[i]);
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        loop_remove(s->core.loop, sources[i]);
    e2b_run_free(s->run);
    e2b_run_free(s->queued);
    e2b_stream_release(&s->stream);
    connect_release(&s->frames);
    buf_release(&s->report);
    net_origin_free(s->api);
    net_origin_free(s->code);
    net_origin_free(s->envd);
    e2b_place_release(&s->place);
    for (size_t i = 0; i < s->contract.host_count; i++)
        free(s->contract.hosts[i]);
    for (size_t i = 0; i < s->contract.env_count; i++) {
        free(s->contract.env[i]);
        free(s->env_values[i]);
    }
    explicit_bzero(s->envd_token, sizeof s->envd_token);
    explicit_bzero(s->traffic_token, sizeof s->traffic_token);
    free(s->template);
    free(s->label);
    free(s->cwd);
    free(s);
}

static void on_later(void *arg)
{
    struct e2b *s = arg;
    if (s->core.closed) {
        free_it(s);
        return;
    }
    core_enter(&s->core);
    if (s->core.ending && s->phase == E2B_QUEUED && s->id[0] != '\0')
        e2b_kill_now(s); /* it is paused and was to be woken */
    else if (s->core.ending && s->phase <= E2B_READY && s->phase != E2B_SEEKING &&
             !s->life.call.busy)
        e2b_gone(s, true);
    core_tell_refusal(&s->core);
    if (!s->core.closed)
        e2b_run_next(s);
    core_leave(&s->core);
}

/* The interpreter pastes values into source text, unescaped. [e2b.md §5.4] */
static int check_env(const struct sandbox_config *cfg, struct err *e)
{
    for (size_t i = 0; i < cfg->contract->env_count; i++) {
        const char *v = cfg->env_values != NULL ? cfg->env_values[i] : NULL;
        if (v != NULL && (strpbrk(v, "'\"\\\n\r") != NULL || !utf8_is_valid(v, strlen(v))))
            return err_set(
                e, ERR_USAGE,
                "e2b: the value of %s has a quote, a backslash or a line end, which E2B's "
                "interpreter would take for code; put it in a file with :put",
                cfg->contract->env[i]);
    }
    return 0;
}

/* Ids come from a record; they end up in paths. */
static int check_beginning(const struct sandbox_config *cfg, struct err *e)
{
    if (cfg->attach != NULL && cfg->attach[0] != '\0' && !e2b_is_id(cfg->attach))
        return err_set(e, ERR_FORMAT, "'%.60s' is no sandbox of E2B's", cfg->attach);
    if (cfg->snapshot != NULL && !e2b_is_snapshot(cfg->snapshot))
        return err_set(e, ERR_FORMAT, "'%.60s' is no snapshot of E2B's", cfg->snapshot);
    return check_env(cfg, e);
}

static int check_config(const struct sandbox_config *cfg, struct err *e)
{
    if (cfg->net == NULL)
        return err_set(e, ERR_MISSING, "e2b: no network here");
    if (cfg->contract->mount_count > 0)
        return err_set(e, ERR_USAGE,
                       "e2b: no directory of this machine can be mounted there; use :put and :get");
    for (size_t i = 0; i < cfg->contract->host_count; i++)
        if (strchr(cfg->contract->hosts[i], ':') != NULL)
            return err_set(e, ERR_USAGE,
                           "e2b: network=allow:%s: an allow list there knows no ports; write the "
                           "host alone",
                           cfg->contract->hosts[i]);
    return check_beginning(cfg, e);
}

static void copy_contract(struct e2b *s, const struct sandbox_config *cfg)
{
    s->contract = *cfg->contract;
    s->contract.python = NULL;
    for (size_t i = 0; i < s->contract.host_count; i++)
        s->contract.hosts[i] = xstrdup(cfg->contract->hosts[i]);
    for (size_t i = 0; i < s->contract.env_count; i++) {
        const char *v = cfg->env_values != NULL ? cfg->env_values[i] : NULL;
        s->contract.env[i] = xstrdup(cfg->contract->env[i]);
        s->env_values[i] = v != NULL ? xstrdup(v) : NULL;
    }
}

static void make_parts(struct e2b *s)
{
    struct e2b_call *calls[] = { &s->life, &s->work, &s->side, &s->file, &s->trash };
    struct e2b_stream_told told;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        e2b_call_init(calls[i], s);
    e2b_stream_told(s, &told);
    e2b_stream_init(&s->stream, &told);
    connect_init(&s->frames, e2b_on_frame, s);
    buf_init(&s->report, (size_t)16 << 20);
    s->deadline = loop_add_timer(s->core.loop, e2b_on_deadline, s);
    s->step_timer = loop_add_timer(s->core.loop, e2b_on_step_timer, s);
    s->ttl = loop_add_timer(s->core.loop, e2b_on_ttl, s);
    s->renew = loop_add_timer(s->core.loop, e2b_on_renew, s);
}

static void begin_life(struct e2b *s, const struct sandbox_config *cfg)
{
    if (cfg->snapshot != NULL)
        snprintf(s->snapshot, sizeof s->snapshot, "%s", cfg->snapshot);
    if (cfg->attach != NULL)
        snprintf(s->id, sizeof s->id, "%s", cfg->attach);
    if (s->place.debug) {
        memcpy(s->id, E2B_DEBUG_ID, sizeof E2B_DEBUG_ID);
        s->since_us = s->created_us;
        if (s->made != NULL)
            s->made(s);
        else
            e2b_prepare(s);
    } else if (cfg->attach != NULL) {
        e2b_attach(s);
    } else {
        e2b_create(s);
    }
}

int e2b_open_machine(struct e2b **out, const struct sandbox_config *cfg,
                     void (*made)(struct e2b *s), void *owner, struct err *e)
{
    struct e2b_place place;
    struct e2b_image image;
    struct net_origin *api;
    if (check_config(cfg, e) < 0 || e2b_image_read(&image, cfg->image, e) < 0 ||
        e2b_place_read(&place, cfg->setting, cfg->setting_arg, e) < 0)
        return -1;
    if (e2b_place_api(&place, cfg->setting, cfg->setting_arg, &api, e) < 0) {
        e2b_place_release(&place);
        return -1;
    }
    struct e2b *s = xcalloc(1, sizeof *s);
    core_init(&s->core, &sandbox_e2b, cfg->loop, on_later);
    core_listen(&s->core, cfg);
    s->net = cfg->net;
    s->place = place;
    s->api = api;
    s->made = made;
    s->owner = owner;
    s->template = xstrdup(image.template);
    s->snapshots = image.snapshots;
    s->allowance = cfg->allowance;
    s->cpus = s->memory_mib = -1;
    s->label = xstrdup(cfg->label != NULL ? cfg->label : "airlock");
    s->cwd = xstrdup(E2B_WORKSPACE);
    s->idle_ms = core_number_setting(cfg, "E2B_IDLE_MS", IDLE_MS);
    s->seek_ms = core_number_setting(cfg, "E2B_SEEK_MS", SEEK_MS);
    s->queue_ms = core_number_setting(cfg, "E2B_QUEUE_MS", QUEUE_MS);
    s->created_us = clock_boot_us();
    copy_contract(s, cfg);
    make_parts(s);
    begin_life(s, cfg);
    *out = s;
    return 0;
}

static int e2b_open(struct sandbox **out, const struct sandbox_config *cfg, struct err *e)
{
    struct e2b *s;
    if (check_env(cfg, e) < 0 || e2b_open_machine(&s, cfg, NULL, NULL, e) < 0)
        return -1;
    *out = &s->core.base;
    return 0;
}

/* ---- the rest of the table */

static int check_text(const char *p, size_t len, const char *what, struct err *e)
{
    if (utf8_is_valid(p, len) && memchr(p, '\0', len) == NULL)
        return 0;
    return err_set(e, ERR_FORMAT, "e2b: the %s is no text that JSON can carry exactly", what);
}

static int check_run(const struct sandbox_run *rq, struct err *e)
{
    bool python = strcmp(rq->language, "python") == 0, bash = strcmp(rq->language, "bash") == 0;
    if (e2b_interpreter(NULL, rq->language) == NULL)
        return err_set(e, ERR_USAGE, "sandbox e2b has no language '%.40s'", rq->language);
    if (rq->code_len > E2B_CODE_MAX || rq->check_code_len > E2B_CODE_MAX)
        return err_set(e, ERR_LIMIT, "code is at most 1 MiB: put data in a file");
    if (rq->input_len > E2B_INPUT_MAX)
        return err_set(e, ERR_LIMIT, "input is at most 64 MiB: put data in a file");
    if (!python && !bash && (rq->argv_count > 0 || rq->input_len > 0))
        return err_set(e, ERR_USAGE,
                       "sandbox e2b gives arguments and input to python and bash only");
    for (size_t i = 0; i < rq->argv_count; i++)
        if (check_text(rq->argv[i], strlen(rq->argv[i]), "argument", e) < 0)
            return -1;
    for (size_t i = 0; i < rq->file_count; i++)
        if (!e2b_is_inside(rq->files[i].name))
            return err_set(e, ERR_USAGE, "a file leads out of the workspace");
    return check_text(rq->code, rq->code_len, "code", e) < 0 ||
                   check_text(rq->check_code, rq->check_code_len, "check", e) < 0
               ? -1
               : 0;
}

static int e2b_exec(struct sandbox *base, const struct sandbox_run *rq, struct err *e)
{
    struct e2b *s = (struct e2b *)base;
    if (s->core.ending || s->phase == E2B_GONE)
        return err_set(e, ERR_CANCELLED, "the sandbox is gone");
    if ((s->run != NULL && !s->run->told) || s->queued != NULL || s->core.refused.run != 0)
        return err_set(e, ERR_BUSY, "a run is still on in this sandbox");
    if (check_run(rq, e) < 0)
        return -1;
    s->queued = e2b_run_copy(rq);
    e2b_run_next(s);
    return 0;
}

static void e2b_interrupt(struct sandbox *base)
{
    struct e2b *s = (struct e2b *)base;
    struct sandbox_event paused = { .kind = SANDBOX_PAUSED, .id = s->id };
    if (s->phase == E2B_QUEUED && s->id[0] != '\0' && !s->core.ending) { /* it stays paused */
        s->phase = E2B_PAUSED;
        loop_arm_us(s->core.loop, s->renew, -1);
        core_tell(&s->core, &paused);
    } else if (s->phase < E2B_CONNECTING && !s->attaching) {
        e2b_end_with(s, END_INTERRUPTED, NULL, NULL);
    } else {
        e2b_run_stop(s, END_INTERRUPTED);
    }
}

static void e2b_kill(struct sandbox *base, enum run_end as)
{
    e2b_end_with((struct e2b *)base, as, NULL, NULL);
}

static void e2b_pause_output(struct sandbox *base, bool on)
{
    struct e2b *s = (struct e2b *)base;
    s->paused = on;
    if (s->run != NULL && s->run->step == STEP_CODE)
        remote_call_pause(&s->work.call, on);
}

/* Nothing is under way from here on. */
static bool e2b_say_farewell(struct sandbox *base)
{
    struct e2b *s = (struct e2b *)base;
    struct e2b_call *calls[] = { &s->life, &s->work, &s->side, &s->file, &s->trash };
    struct loop_source *timers[] = { s->deadline, s->step_timer, s->ttl, s->renew };
    if (s->phase == E2B_GONE)
        return true;
    core_silence(&s->core);
    s->phase = E2B_GONE;
    for (size_t i = 0; i < ARRAY_LEN(timers); i++)
        loop_arm_us(s->core.loop, timers[i], -1);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        e2b_call_drop(calls[i]);
    return s->place.debug || e2b_farewell(s->api, s->id, s->label, CLOSE_MS);
}

/* The size is the template's: as E2B told it, else the default one. */
static int64_t e2b_cost(const struct sandbox *base, int64_t ms)
{
    const struct e2b *s = (const struct e2b *)base;
    return e2b_nanousd(s->cpus, s->memory_mib, (ms + 999) / 1000);
}

static void e2b_close(struct sandbox *base)
{
    struct e2b *s = (struct e2b *)base;
    if (s == NULL || s->core.closed)
        return;
    if (s->phase == E2B_PAUSED && !s->core.ending)
        s->phase = E2B_GONE; /* left as it is */
    (void)e2b_say_farewell(base);
    if (core_close(&s->core))
        free_it(s);
}

static int e2b_available(const struct sandbox_host *h, struct err *e)
{
    struct e2b_place place;
    struct net_origin *api;
    if (e2b_place_read(&place, h->setting, h->setting_arg, e) < 0)
        return -1;
    int rc = e2b_place_api(&place, h->setting, h->setting_arg, &api, e);
    if (rc == 0)
        net_origin_free(api);
    e2b_place_release(&place);
    return rc;
}

static int e2b_origin(const struct sandbox_host *h, char *room, size_t size, struct err *e)
{
    struct e2b_place place;
    if (e2b_place_read(&place, h->setting, h->setting_arg, e) < 0)
        return -1;
    snprintf(room, size, "%s", place.api_url);
    e2b_place_release(&place);
    return 0;
}

static const struct sandbox_variant variants[] = { { "kernel=ours", &sandbox_e2b_ours },
                                                   { "snapshots=", NULL },
                                                   { "kernel=e2b", &sandbox_e2b },
                                                   { NULL, NULL } };

const struct sandbox_ops sandbox_e2b = {
    .name = "e2b",
    .title = "E2B: a small machine of its own in the cloud, with E2B's code interpreter",
    .isolation = "virtual machine (Firecracker), in E2B's cloud",
    .held_by = "E2B's machine and firewall hold it; only these bytes are sent",
    .caps = SANDBOX_IS_STATEFUL | SANDBOX_CAN_FILES | SANDBOX_CAN_NET_DENY |
            SANDBOX_CAN_NET_ALLOWLIST | SANDBOX_CAN_COMPLETE | SANDBOX_IS_REMOTE |
            SANDBOX_IS_TEXT_ONLY | SANDBOX_SHELL_FORGETS | SANDBOX_CAN_PAUSE | SANDBOX_CAN_SNAPSHOT,
    .languages = "python,javascript,typescript,r,java,bash",
    .available = e2b_available,
    .origin = e2b_origin,
    .enforcement = e2b_enforcement,
    .interpreter = e2b_interpreter,
    .introspection = e2b_introspection,
    .open = e2b_open,
    .exec = e2b_exec,
    .interrupt = e2b_interrupt,
    .kill = e2b_kill,
    .pause_output = e2b_pause_output,
    .restore = core_no_restore,
    .save = core_no_save,
    .load = core_no_load,
    .put = e2b_put,
    .get = e2b_get,
    .complete = e2b_complete,
    .pause = e2b_pause,
    .wake = e2b_wake,
    .snapshot = e2b_snapshot,
    .drop_snapshot = e2b_drop_snapshot,
    .farewell = e2b_say_farewell,
    .cost = e2b_cost,
    .fleet = &e2b_fleet,
    .variants = variants,
    .close = e2b_close,
};
