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

/* ---- events */

void managed_tell(struct managed *s, const struct sandbox_event *ev)
{
    if (s->sink != NULL)
        s->sink(s->arg, &s->base, ev);
}

/* Callers of ours are on the stack while depth > 0, so freeing waits. */
void managed_enter(struct managed *s)
{
    s->depth++;
}

void managed_leave(struct managed *s)
{
    if (--s->depth == 0 && s->closed)
        loop_wake_idle(s->loop, s->later);
}

void managed_ready(struct managed *s)
{
    struct sandbox_event ev = { .kind = SANDBOX_READY,
                                .id = s->made.environment,
                                .cold_start_us = clock_boot_us() - s->created_us };
    if (s->ending) {
        managed_sweep_all(s);
        return;
    }
    s->phase = MANAGED_READY;
    s->was_ready = true;
    loop_arm_us(s->loop, s->ttl, s->contract.ttl_s * MANAGED_SECOND_US);
    managed_tell(s, &ev);
    managed_run_next(s);
}

void managed_failed(struct managed *s, const struct err *why)
{
    if (s->ending)
        managed_sweep_all(s);
    else
        managed_end_with(s, why->code == ERR_INTEGRITY ? END_INTEGRITY : END_SANDBOX, "", why);
}

/* ---- the end: what runs, then FAILED if nothing ran, then CLOSED */

static void gone(struct managed *s, bool confirmed)
{
    bool ran = s->run != NULL || s->queued != NULL, told = s->run != NULL && s->run->told;
    struct sandbox_event failed = { .kind = SANDBOX_FAILED, .err = &s->why };
    struct sandbox_event closed = { .kind = SANDBOX_CLOSED, .confirmed = confirmed };
    if (s->phase == MANAGED_GONE)
        return;
    s->phase = MANAGED_GONE;
    managed_enter(s);
    loop_arm_us(s->loop, s->ttl, -1);
    sandbox_tell_refusal(&s->refused, &s->base, s->sink, s->arg);
    managed_run_lost(s, s->end_as, s->end_what != NULL ? s->end_what : "",
                     s->why.code != ERR_NONE ? s->why.msg : "");
    if (s->end_what != NULL && (!ran || !s->was_ready || told) && !s->closed)
        managed_tell(s, &failed);
    if (!s->closed)
        managed_tell(s, &closed);
    managed_leave(s);
}

static void on_swept(void *arg, bool is_gone, const struct err *why)
{
    struct managed *s = arg;
    if (!is_gone) {
        log_msg(LOG_ERROR, "claude-managed", "%s", why->msg);
        if (s->why.code == ERR_NONE) {
            err_set(&s->why, ERR_NET, "%.300s; it may still be there: airlock sandboxes", why->msg);
            s->end_what = s->end_what != NULL ? s->end_what : "";
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
    if (s->ending || s->phase == MANAGED_GONE)
        return;
    s->ending = true;
    s->end_as = as;
    s->end_what = what;
    if (why != NULL)
        s->why = *why;
    claude_call_drop(&s->stream);
    claude_call_drop(&s->look);
    claude_call_drop(&s->send);
    loop_arm_us(s->loop, s->deadline, -1);
    loop_arm_us(s->loop, s->again, -1);
    if (s->link == LINK_SWEEPING)
        return; /* the rest follows it */
    if (s->link == LINK_SEEKING && !s->life.call.busy)
        loop_arm_us(s->loop, s->again, 0);
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
    if (!s->closed)
        managed_end_with(s, END_LIMIT, "ttl", &why);
}

/* ---- making and freeing */

static void free_it(struct managed *s)
{
    struct claude_call *calls[] = { &s->life, &s->stream, &s->look, &s->send };
    struct loop_source *sources[] = { s->deadline, s->again, s->ttl, s->later };
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        claude_call_release(calls[i]);
    claude_sweep_release(&s->sweep);
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        loop_remove(s->loop, sources[i]);
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
    if (s->closed) {
        free_it(s);
        return;
    }
    managed_enter(s);
    sandbox_tell_refusal(&s->refused, &s->base, s->sink, s->arg);
    if (!s->closed && !s->ending)
        managed_run_next(s);
    if (!s->closed && !s->ending && s->run != NULL && s->run->interrupted)
        managed_run_stop(s, END_INTERRUPTED);
    managed_leave(s);
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

static int number_setting(const struct sandbox_config *cfg, const char *name, int dflt)
{
    const char *v = cfg->setting != NULL ? cfg->setting(cfg->setting_arg, name) : NULL;
    int64_t n = v != NULL ? http_number(v, 3600000) : -1;
    return n > 0 ? (int)n : dflt;
}

static void make_parts(struct managed *s)
{
    struct claude_call *calls[] = { &s->life, &s->stream, &s->look, &s->send };
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        claude_call_init(calls[i], &s->http);
    claude_sweep_init(&s->sweep, s->http.net, &s->http.server, s->loop);
    claude_feed_init(&s->feed);
    s->deadline = loop_add_timer(s->loop, managed_on_deadline, s);
    s->again = loop_add_timer(s->loop, managed_on_again, s);
    s->ttl = loop_add_timer(s->loop, on_ttl, s);
    s->later = loop_add_idle(s->loop, on_later, s);
}

static int managed_open(struct sandbox **out, const struct sandbox_config *cfg, struct err *e)
{
    struct claude_http http;
    if (check_config(cfg, e) < 0 || claude_http_open(&http, cfg->loop, cfg->net, cfg->setting,
                                                     cfg->setting_arg, MANAGED_BETA, e) < 0)
        return -1;
    struct managed *s = xcalloc(1, sizeof *s);
    s->base.ops = &sandbox_claude_managed;
    s->loop = cfg->loop;
    s->sink = cfg->sink;
    s->check_body = cfg->check_body;
    s->arg = cfg->arg;
    s->http = http;
    s->contract = *cfg->contract;
    s->contract.python = NULL;
    s->contract.host_count = s->contract.env_count = 0;
    s->model = xstrdup(cfg->image != NULL ? cfg->image : MANAGED_MODEL);
    s->label = xstrdup(cfg->label != NULL ? cfg->label : "airlock");
    s->seek_ms = number_setting(cfg, "CLAUDE_SEEK_MS", SEEK_MS);
    s->idle_ms = number_setting(cfg, "CLAUDE_IDLE_MS", IDLE_MS);
    s->patience_ms = number_setting(cfg, "CLAUDE_PATIENCE_MS", PATIENCE_MS);
    s->created_us = clock_boot_us();
    make_parts(s);
    managed_create(s);
    *out = &s->base;
    return 0;
}

/* ---- the rest of the table */

static int managed_exec(struct sandbox *base, const struct sandbox_run *rq, struct err *e)
{
    struct managed *s = (struct managed *)base;
    if (s->ending || s->phase == MANAGED_GONE)
        return err_set(e, ERR_CANCELLED, "the sandbox is gone");
    if ((s->run != NULL && !s->run->told) || s->queued != NULL || s->refused.run != 0)
        return err_set(e, ERR_BUSY, "a run is still on in this sandbox");
    if (managed_interpreter(NULL, rq->language) == NULL)
        return err_set(e, ERR_USAGE, "sandbox claude-managed has no language '%.40s'",
                       rq->language);
    if (rq->code_len > MANAGED_CODE_MAX || rq->check_code_len > MANAGED_CODE_MAX)
        return err_set(e, ERR_LIMIT, "code is at most 1 MiB: put data in a file");
    s->queued = managed_run_new(rq, s->contract.timeout_s, e);
    if (s->queued == NULL)
        return -1;
    loop_wake_idle(s->loop, s->later);
    return 0;
}

static void managed_interrupt(struct sandbox *base)
{
    struct managed *s = (struct managed *)base;
    if (s->run != NULL)
        s->run->interrupted = true;
    else if (s->queued != NULL)
        s->queued->interrupted = true;
    loop_wake_idle(s->loop, s->later);
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

static int no_restore(struct sandbox *base, uint32_t run, struct err *e)
{
    (void)base;
    return err_set(e, ERR_USAGE, "sandbox claude-managed can't go back to run %u", run);
}

static int no_save(struct sandbox *base, struct err *e)
{
    (void)base;
    return err_set(e, ERR_USAGE, "sandbox claude-managed keeps no variables: nothing to save");
}

static int no_load(struct sandbox *base, const char *ptr, size_t len, struct err *e)
{
    (void)ptr;
    (void)len;
    return no_save(base, e);
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

static int no_complete(struct sandbox *base, const char *language, const char *text, size_t cursor,
                       uint64_t token, struct err *e)
{
    (void)base;
    (void)language;
    (void)text;
    (void)cursor;
    (void)token;
    return err_set(e, ERR_USAGE, "sandbox claude-managed keeps no names to complete");
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
    s->sink = NULL;
    s->phase = MANAGED_GONE;
    s->ending = true;
    for (size_t i = 0; i < ARRAY_LEN(timers); i++)
        loop_arm_us(s->loop, timers[i], -1);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        claude_call_drop(calls[i]);
    claude_sweep_release(&s->sweep);
    claude_sweep_init(&s->sweep, s->http.net, &s->http.server, s->loop);
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
    if (s == NULL || s->closed)
        return;
    (void)managed_say_farewell(base);
    s->sink = NULL;
    s->closed = true;
    if (s->depth == 0)
        free_it(s);
    else
        loop_wake_idle(s->loop, s->later);
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
    .restore = no_restore,
    .starts_over = managed_starts_over,
    .save = no_save,
    .load = no_load,
    .put = no_put,
    .get = no_get,
    .complete = no_complete,
    .farewell = managed_say_farewell,
    .cost = managed_cost,
    .fleet = &managed_fleet,
    .close = managed_close,
};
