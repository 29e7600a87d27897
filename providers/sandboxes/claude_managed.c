/* claude_managed.c - the sandbox `claude-managed`: a container of Anthropic's in which a model
 * calls for the approved command and the server waits until Airlock has confirmed that it is that
 * one. [claude.md §8, §9] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/registry.h"
#include "providers/sandboxes/claude_managed_int.h"

#define SEEK_MS     1000
#define IDLE_MS     60000
#define PATIENCE_MS 180000
#define CLOSE_MS    5000

void managed_ready(struct managed *s)
{
    struct sandbox_event ev = { .kind = SANDBOX_READY,
                                .id = s->made.environment,
                                .cold_start_us = clock_boot_us() - s->created_us };
    if (s->core.ending) {
        managed_sweep_all(s);
        return;
    }
    s->phase = MANAGED_READY;
    s->was_ready = true;
    loop_arm_us(s->core.loop, s->ttl, s->contract.ttl_s * MANAGED_SECOND_US);
    core_tell(&s->core, &ev);
    managed_run_next(s);
}

void managed_failed(struct managed *s, const struct err *why)
{
    if (s->core.ending)
        managed_sweep_all(s);
    else
        managed_end_with(s, why->code == ERR_INTEGRITY ? END_INTEGRITY : END_SANDBOX, "", why);
}

/* ---- the end: what runs, then FAILED if nothing ran, then CLOSED */

static void gone(struct managed *s, bool confirmed)
{
    bool ran = s->run != NULL || s->queued != NULL, told = s->run != NULL && s->run->told;
    if (s->phase == MANAGED_GONE)
        return;
    s->phase = MANAGED_GONE;
    core_enter(&s->core);
    loop_arm_us(s->core.loop, s->ttl, -1);
    core_tell_refusal(&s->core);
    managed_run_lost(s, s->core.end_as, s->core.end_what != NULL ? s->core.end_what : "",
                     s->core.why.code != ERR_NONE ? s->core.why.msg : "");
    core_tell_over(&s->core, NULL, s->core.end_what != NULL && (!ran || !s->was_ready || told),
                   confirmed);
    core_leave(&s->core);
}

static void on_swept(void *arg, bool is_gone, const struct err *why)
{
    struct managed *s = arg;
    if (!is_gone) {
        log_msg(LOG_ERROR, "claude-managed", "%s", why->msg);
        if (s->core.why.code == ERR_NONE) {
            err_set(&s->core.why, ERR_NET, "%.300s; it may still be there: airlock sandboxes",
                    why->msg);
            s->core.end_what = s->core.end_what != NULL ? s->core.end_what : "";
        }
    }
    gone(s, is_gone && !s->orphan_possible);
}

void managed_sweep_all(struct managed *s)
{
    struct claude_remains left = s->made;
    left.running = s->running_since_us != 0 || s->run != NULL;
    if (s->running_since_us != 0)
        s->running_us += clock_boot_us() - s->running_since_us;
    s->running_since_us = 0;
    memset(&s->made, 0, sizeof s->made);
    s->phase = MANAGED_KILLING;
    claude_sweep_start(&s->sweep, &left, on_swept, s);
}

void managed_end_with(struct managed *s, enum run_end as, const char *what, const struct err *why)
{
    if (s->phase == MANAGED_GONE || !core_end(&s->core, as, what, why))
        return;
    claude_call_drop(&s->stream);
    claude_call_drop(&s->look);
    claude_call_drop(&s->send);
    loop_arm_us(s->core.loop, s->deadline, -1);
    loop_arm_us(s->core.loop, s->again, -1);
    if (s->link == LINK_SWEEPING)
        return; /* the rest follows it */
    if (s->link == LINK_SEEKING && !s->life.call.busy)
        loop_arm_us(s->core.loop, s->again, 0);
    if ((s->phase == MANAGED_MAKING && s->life.call.busy) || s->link == LINK_CREATING ||
        s->link == LINK_SEEKING)
        return; /* what was asked for must first be known: its answer comes here */
    claude_call_drop(&s->life);
    managed_sweep_all(s);
}

static void on_ttl(void *arg)
{
    struct managed *s = arg;
    struct err why = ERR_INIT;
    err_set(&why, ERR_LIMIT, "the sandbox reached its ttl_s and was deleted");
    if (!s->core.closed)
        managed_end_with(s, END_LIMIT, "ttl", &why);
}

/* ---- making and freeing */

static void free_it(struct managed *s)
{
    struct claude_call *calls[] = { &s->life, &s->stream, &s->look, &s->send };
    struct loop_source *sources[] = { s->deadline, s->again, s->ttl, s->core.later };
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        claude_call_release(calls[i]);
    claude_sweep_release(&s->sweep);
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        loop_remove(s->core.loop, sources[i]);
    managed_run_free(s->run);
    managed_run_free(s->queued);
    claude_feed_release(&s->feed);
    managed_drop_outbox(s);
    claude_http_release(&s->http);
    free(s->model);
    free(s->label);
    free(s);
}

static void on_later(void *arg)
{
    struct managed *s = arg;
    if (s->core.closed) {
        free_it(s);
        return;
    }
    core_enter(&s->core);
    core_tell_refusal(&s->core);
    if (!s->core.closed && !s->core.ending)
        managed_run_next(s);
    if (!s->core.closed && !s->core.ending && s->run != NULL && s->run->interrupted)
        managed_run_stop(s, END_INTERRUPTED);
    core_leave(&s->core);
}

static int check_config(const struct sandbox_config *cfg, struct err *e)
{
    const struct contract *c = cfg->contract;
    if (cfg->net == NULL)
        return err_set(e, ERR_MISSING, "claude-managed: no network here");
    if (c->network != NETWORK_DENY)
        return err_set(e, ERR_USAGE, "claude-managed has no network to give: -c network=deny");
    if (c->mount_count > 0)
        return err_set(e, ERR_USAGE,
                       "claude-managed: no directory of this machine can be mounted there");
    if (c->env_count > 0)
        return err_set(e, ERR_USAGE,
                       "claude-managed gives no environment variables: a model would read their "
                       "values; put what is no secret into the code");
    return 0;
}

static void make_parts(struct managed *s)
{
    struct claude_call *calls[] = { &s->life, &s->stream, &s->look, &s->send };
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        claude_call_init(calls[i], &s->http);
    claude_sweep_init(&s->sweep, s->http.net, &s->http.server, s->core.loop);
    claude_feed_init(&s->feed);
    s->deadline = loop_add_timer(s->core.loop, managed_on_deadline, s);
    s->again = loop_add_timer(s->core.loop, managed_on_again, s);
    s->ttl = loop_add_timer(s->core.loop, on_ttl, s);
}

static int managed_open(struct sandbox **out, const struct sandbox_config *cfg, struct err *e)
{
    struct claude_http http;
    if (check_config(cfg, e) < 0 || claude_http_open(&http, cfg->loop, cfg->net, cfg->setting,
                                                     cfg->setting_arg, MANAGED_BETA, e) < 0)
        return -1;
    struct managed *s = xcalloc(1, sizeof *s);
    core_init(&s->core, &sandbox_claude_managed, cfg->loop, on_later);
    core_listen(&s->core, cfg);
    s->http = http;
    s->contract = *cfg->contract;
    s->contract.python = NULL;
    s->contract.host_count = s->contract.env_count = 0;
    s->model = xstrdup(cfg->image != NULL ? cfg->image : MANAGED_MODEL);
    s->label = xstrdup(cfg->label != NULL ? cfg->label : "airlock");
    s->seek_ms = core_number_setting(cfg, "CLAUDE_SEEK_MS", SEEK_MS);
    s->idle_ms = core_number_setting(cfg, "CLAUDE_IDLE_MS", IDLE_MS);
    s->patience_ms = core_number_setting(cfg, "CLAUDE_PATIENCE_MS", PATIENCE_MS);
    s->created_us = clock_boot_us();
    make_parts(s);
    managed_create(s);
    *out = &s->core.base;
    return 0;
}

/* ---- the rest of the table */

static int managed_exec(struct sandbox *base, const struct sandbox_run *rq, struct err *e)
{
    struct managed *s = (struct managed *)base;
    if (s->core.ending || s->phase == MANAGED_GONE)
        return err_set(e, ERR_CANCELLED, "the sandbox is gone");
    if ((s->run != NULL && !s->run->told) || s->queued != NULL || s->core.refused.run != 0)
        return err_set(e, ERR_BUSY, "a run is still on in this sandbox");
    if (managed_interpreter(NULL, rq->language) == NULL)
        return err_set(e, ERR_USAGE, "sandbox claude-managed has no language '%.40s'",
                       rq->language);
    if (rq->code_len > MANAGED_CODE_MAX || rq->check_code_len > MANAGED_CODE_MAX)
        return err_set(e, ERR_LIMIT, "code is at most 1 MiB: put data in a file");
    s->queued = managed_run_new(rq, s->contract.timeout_s, e);
    if (s->queued == NULL)
        return -1;
    loop_wake_idle(s->core.loop, s->core.later);
    return 0;
}

static void managed_interrupt(struct sandbox *base)
{
    struct managed *s = (struct managed *)base;
    if (s->run != NULL)
        s->run->interrupted = true;
    else if (s->queued != NULL)
        s->queued->interrupted = true;
    loop_wake_idle(s->core.loop, s->core.later);
}

static void managed_kill(struct sandbox *base, enum run_end as)
{
    managed_end_with((struct managed *)base, as, NULL, NULL);
}

/* All of it comes at once, when the run is over. */
static void managed_pause_output(struct sandbox *base, bool on)
{
    (void)base;
    (void)on;
}

static int no_files(struct err *e)
{
    return err_set(e, ERR_USAGE,
                   "sandbox claude-managed moves no files beside a run: print them, or attach them "
                   "to one");
}

static int no_put(struct sandbox *base, const struct sandbox_file *f, struct err *e)
{
    (void)base;
    (void)f;
    return no_files(e);
}

static int no_get(struct sandbox *base, const char *path, size_t max, struct err *e)
{
    (void)base;
    (void)path;
    (void)max;
    return no_files(e);
}

/* What a sweep under way has not done yet is still there. */
static void take_back(struct managed *s)
{
    const struct claude_remains *left = &s->sweep.left;
    if (!s->sweep.busy)
        return;
    memcpy(s->made.session, left->session, sizeof left->session);
    memcpy(s->made.files, left->files, sizeof left->files);
    if (s->phase == MANAGED_KILLING)
        s->made = *left;
}

/* Nothing is under way from here on. */
static bool managed_say_farewell(struct sandbox *base)
{
    struct managed *s = (struct managed *)base;
    struct claude_call *calls[] = { &s->life, &s->stream, &s->look, &s->send };
    struct loop_source *timers[] = { s->deadline, s->again, s->ttl };
    if (s->phase == MANAGED_GONE)
        return true;
    bool seek = s->link == LINK_CREATING || s->link == LINK_SEEKING;
    take_back(s);
    s->made.running = s->made.running || s->running_since_us != 0 || s->run != NULL;
    core_silence(&s->core);
    s->phase = MANAGED_GONE;
    for (size_t i = 0; i < ARRAY_LEN(timers); i++)
        loop_arm_us(s->core.loop, timers[i], -1);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        claude_call_drop(calls[i]);
    claude_sweep_release(&s->sweep);
    claude_sweep_init(&s->sweep, s->http.net, &s->http.server, s->core.loop);
    return managed_farewell(s, seek, CLOSE_MS);
}

/* Only running time costs; what tokens cost is told with the runs. */
static int64_t managed_cost(const struct sandbox *base, int64_t ms)
{
    const struct managed *s = (const struct managed *)base;
    int64_t us = s->running_us;
    (void)ms;
    if (s->running_since_us != 0)
        us += clock_boot_us() - s->running_since_us;
    return managed_nanousd(us / 1000);
}

static void managed_close(struct sandbox *base)
{
    struct managed *s = (struct managed *)base;
    if (s == NULL || s->core.closed)
        return;
    (void)managed_say_farewell(base);
    if (core_close(&s->core))
        free_it(s);
}

static int managed_available(const struct sandbox_host *h, struct err *e)
{
    struct claude_http http;
    if (claude_http_open(&http, NULL, NULL, h->setting, h->setting_arg, MANAGED_BETA, e) < 0)
        return -1;
    claude_http_release(&http);
    return 0;
}

static int managed_origin(const struct sandbox_host *h, char *room, size_t size, struct err *e)
{
    struct claude_http http;
    if (claude_http_open(&http, NULL, NULL, h->setting, h->setting_arg, MANAGED_BETA, e) < 0)
        return -1;
    snprintf(room, size, "%s", net_origin_text(http.server.origin));
    claude_http_release(&http);
    return 0;
}

const struct sandbox_ops sandbox_claude_managed = {
    .name = "claude-managed",
    .title = "Claude Managed Agents: Anthropic's container; its server waits for our approval",
    .isolation = "container of Anthropic's, without a network, worked by a model",
    .held_by = "Anthropic's server waits; Airlock allows only this command, once",
    .caps = SANDBOX_CAN_NET_DENY | SANDBOX_HAS_NATIVE_GATE | SANDBOX_IS_REMOTE |
            SANDBOX_SHELL_FORGETS | SANDBOX_NO_PROBES | SANDBOX_TELLS_AT_END,
    .languages = "python,bash",
    .available = managed_available,
    .origin = managed_origin,
    .enforcement = managed_enforcement,
    .interpreter = managed_interpreter,
    .open = managed_open,
    .exec = managed_exec,
    .interrupt = managed_interrupt,
    .kill = managed_kill,
    .pause_output = managed_pause_output,
    .restore = core_no_restore,
    .starts_over = managed_starts_over,
    .save = core_no_save,
    .load = core_no_load,
    .put = no_put,
    .get = no_get,
    .complete = core_no_complete,
    .farewell = managed_say_farewell,
    .cost = managed_cost,
    .fleet = &managed_fleet,
    .close = managed_close,
};
