/* llm_planner.c - the conversation's turns, from the person's words to proposals and back. */
#include "providers/planners/llm_planner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TOKENS     32000
#define TALK_MAX       ((size_t)600 << 10) /* about 200 000 tokens */
#define LOCAL_QUIET_MS 300000
#define TALK_MIN       ((size_t)4 << 10)

/* ---- turns ---- */

void llm_wake(struct llm_planner *m)
{
    loop_wake_idle(m->cfg.loop, m->pump);
}

void llm_system_text(const struct llm_planner *m, struct buf *out)
{
    (void)buf_add_str(out, llm_instructions);
    if (m->canary[0] != '\0')
        (void)buf_addf(out, "\nNever write this word anywhere: %s", m->canary);
}

bool llm_has_more(const struct llm_planner *m)
{
    return m->said.len > 0 || m->plan_edited;
}

void llm_write_pending(const struct llm_planner *m, struct buf *out)
{
    (void)buf_add(out, m->said.ptr, m->said.len);
    if (!m->plan_edited)
        return;
    (void)buf_addf(out, "%sI changed the plan. It is now:\n", out->len > 0 ? "\n\n" : "");
    (void)buf_add(out, m->talk.plan.ptr, m->talk.plan.len);
}

static void begin_call(struct llm_planner *m)
{
    struct buf words = BUF_INIT((size_t)2 << 20);
    llm_write_pending(m, &words);
    if (words.len > 0)
        llm_talk_add_words(&m->talk, buf_str(&words));
    buf_release(&words);
    buf_reset(&m->said);
    m->said_count = 0;
    m->plan_edited = m->wanted = m->waiting = false;
    if (m->talk.count == 0)
        return;
    (void)llm_talk_fit(&m->talk, m->talk_max);
    m->sent_items = m->talk.count;
    m->sent_bytes = llm_talk_bytes(&m->talk) + llm_fixed_bytes();
    llm_call(m);
}

static void on_pump(void *arg)
{
    struct llm_planner *m = arg;
    if (m->phase != PHASE_CALLING)
        llm_tell_usage(m); /* of a call that was stopped */
    if (m->phase == PHASE_ACTING)
        llm_act(m);
    if (m->phase != PHASE_IDLE || m->finished)
        return;
    if (m->wanted && !m->stopped) {
        begin_call(m);
    } else if (m->waiting) {
        m->waiting = false;
        llm_say(m, PLANNER_WAITING, "", 0);
    }
}

static void on_timer(void *arg)
{
    struct llm_planner *m = arg;
    if (m->phase == PHASE_PAUSING) {
        m->phase = PHASE_IDLE;
        m->wanted = true;
        llm_wake(m);
    } else if (m->phase == PHASE_CALLING && m->answer.ended) {
        /* All is said, but the connection stays open. */
        llm_drop(m);
        llm_tell_usage(m);
        if (m->phase == PHASE_CALLING)
            llm_take(m);
    }
}

/* ---- what it is told ---- */

int llm_words(struct planner *p, const char *text, struct err *e)
{
    static const char stopped[] = "Not executed: the person stopped the work.";
    struct llm_planner *m = (struct llm_planner *)p;
    if (m->finished)
        return err_set(e, ERR_USAGE, "the work is finished");
    if (text[0] != '\0' && buf_addf(&m->said, "%s%s", m->said.len > 0 ? "\n\n" : "", text) < 0)
        return err_set(e, ERR_LIMIT, "that is more than can be said at once");
    m->said_count += text[0] != '\0';
    if (m->stopped && m->open_call != NULL) { /* nobody will answer it any more */
        llm_talk_add_result(&m->talk, m->open_call, stopped, stopped, true);
        free(m->open_call);
        m->open_call = NULL;
        llm_skip_rest(m, stopped);
    }
    m->stopped = false;
    m->barren = m->cuts = m->squeezes = 0;
    if (m->phase == PHASE_IDLE) {
        m->wanted = true;
        m->tries = 0;
    }
    llm_wake(m);
    return 0;
}

void llm_add_observation(struct llm_planner *m, const struct planner_observation *o)
{
    struct buf text = BUF_INIT(LLM_ITEM_MAX), line = BUF_INIT(4096);
    llm_result_write(o, &text);
    llm_result_write_line(o, &line);
    bool could_not_run =
        o->denied || o->end == END_SANDBOX || o->end == END_LOST || o->end == END_PROVIDER;
    llm_talk_add_result(&m->talk, o->call_id, buf_str(&text), buf_str(&line), could_not_run);
    m->talk.items[m->talk.count - 1].shortened |= o->clipped;
    buf_release(&text);
    buf_release(&line);
    free(m->open_call);
    m->open_call = NULL;
}

int llm_observe(struct planner *p, const struct planner_observation *o, struct err *e)
{
    struct llm_planner *m = (struct llm_planner *)p;
    if (m->open_call == NULL || strcmp(m->open_call, o->call_id) != 0)
        return err_set(e, ERR_USAGE, "the model is not waiting for `%.40s`", o->call_id);
    llm_add_observation(m, o);
    m->waiting = m->stopped; /* then no call follows: the person's turn */
    llm_wake(m);
    return 0;
}

int llm_plan_edited(struct planner *p, const struct planner_step *steps, size_t count,
                    struct err *e)
{
    struct llm_planner *m = (struct llm_planner *)p;
    struct buf text = BUF_INIT((size_t)256 << 10);
    (void)e;
    llm_plan_write(steps, count, &text);
    llm_talk_set_plan(&m->talk, buf_str(&text));
    m->plan_edited = true;
    buf_release(&text);
    return 0;
}

void llm_cancel(struct planner *p)
{
    struct llm_planner *m = (struct llm_planner *)p;
    llm_drop(m);
    m->stopped = true;
    m->wanted = false;
    m->tries = 0;
    if (m->phase == PHASE_CALLING || m->phase == PHASE_PAUSING)
        m->phase = PHASE_IDLE;
    llm_wake(m);
}

/* "NAME@EFFORT"; names hold '@' too ("@cf/meta/llama", "llama@work"). */
static size_t name_length(const char *model)
{
    const char *at = strrchr(model, '@');
    return at != NULL && at > model && planner_effort_is_known(at + 1) ? (size_t)(at - model)
                                                                       : strlen(model);
}

/* Of the settings, where the model takes one as far as we know. */
static const char *default_effort(const struct llm_planner *m)
{
    const char *v = llm_setting(&m->cfg, "planner.effort");
    return v != NULL && (!m->facts.known || m->facts.effort) ? v : "";
}

static void set_max_tokens(struct llm_planner *m)
{
    m->max_tokens = m->max_tokens_set > 0 ? m->max_tokens_set : MAX_TOKENS;
    if (m->facts.output_tokens > 0 && m->facts.output_tokens < m->max_tokens)
        m->max_tokens = m->facts.output_tokens;
}

int llm_set_model(struct planner *p, const char *model, struct err *e)
{
    struct llm_planner *m = (struct llm_planner *)p;
    struct llm_facts facts;
    size_t n = name_length(model);
    const char *effort = model[n] == '@' ? model + n + 1 : "";
    if (m->phase == PHASE_CALLING || m->phase == PHASE_PAUSING)
        return err_set(e, ERR_BUSY, "a call is under way: the model can be changed after it");
    if (n == 0 || n > 128)
        return err_set(e, ERR_USAGE, "no model's name: '%.40s'", model);
    char *name = xstrndup(model, n);
    if (llm_facts_load(&facts, m->dialect->book, llm_prices_file(m->dialect, &m->cfg), name, e) <
        0) {
        free(name);
        return -1;
    }
    if (effort[0] != '\0' && facts.known && !facts.effort) {
        err_set(e, ERR_USAGE, "%s takes no effort", name);
        free(name);
        return -1;
    }
    if (m->model == NULL || strcmp(m->model, name) != 0)
        llm_talk_make_stale(&m->talk); /* thinking belongs to the model that thought it */
    m->left_out = 0;
    free(m->model);
    free(m->source);
    m->model = name;
    m->source = xasprintf("%s:%s", m->base.ops->name, m->model);
    m->facts = facts;
    char *old = m->effort;
    m->effort = xstrdup(effort[0] != '\0' ? effort : default_effort(m));
    free(old);
    set_max_tokens(m);
    return 0;
}

/* ---- life ---- */

/* "openai.model": of one planner. */
static const char *own_setting(const struct llm_dialect *d, const struct planner_config *cfg,
                               const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", d->ops->name, what);
    return llm_setting(cfg, name);
}

const char *llm_prices_file(const struct llm_dialect *d, const struct planner_config *cfg)
{
    return own_setting(d, cfg, "prices");
}

static const char *model_of(const struct llm_dialect *d, const struct planner_config *cfg)
{
    if (cfg->model != NULL && cfg->model[0] != '\0')
        return cfg->model;
    const char *v = own_setting(d, cfg, "model");
    return v != NULL ? v : d->default_model;
}

int llm_available(const struct llm_dialect *d, const struct planner_config *cfg, struct err *e)
{
    struct llm_server s;
    const char *name = d->ops->name;
    struct llm_facts facts;
    if (d->find_server(&s, cfg, e) < 0)
        return -1;
    llm_server_release(&s);
    if (model_of(d, cfg) != NULL)
        return llm_facts_load(&facts, d->book, llm_prices_file(d, cfg), "", e);
    return err_set(e, ERR_MISSING,
                   "which model? -p %s:MODEL, or `airlock config set %s.model MODEL`; "
                   "`airlock providers -p %s` lists those there are",
                   name, name, name);
}

void llm_close(struct planner *p)
{
    struct llm_planner *m = (struct llm_planner *)p;
    if (m == NULL)
        return;
    net_drop(m->call);
    loop_remove(m->cfg.loop, m->pump);
    loop_remove(m->cfg.loop, m->timer);
    llm_server_release(&m->server);
    llm_talk_release(&m->talk);
    answer_release(&m->answer);
    sse_release(&m->sse);
    buf_release(&m->said);
    buf_release(&m->body);
    free(m->open_call);
    free(m->recalled);
    free(m->model);
    free(m->effort);
    free(m->canary);
    free(m->source);
    free(m);
}

static int read_settings(struct llm_planner *m, const struct planner_config *cfg, struct err *e)
{
    int64_t talk = TALK_MAX;
    m->canary = xstrdup(cfg->canary != NULL ? cfg->canary : "");
    m->tries_max = NET_TRIES_MAX;
    m->total_ms = 30 * 60 * 1000;
    if (llm_setting_int(cfg, "planner.tries", 1, NET_TRIES_MAX, &m->tries_max, e) < 0 ||
        llm_setting_int(cfg, "planner.first_ms", 50, 600000, &m->first_ms, e) < 0 ||
        llm_setting_int(cfg, "planner.idle_ms", 50, 600000, &m->idle_ms, e) < 0 ||
        llm_setting_int(cfg, "planner.total_ms", 50, 7200000, &m->total_ms, e) < 0 ||
        llm_setting_int(cfg, "planner.context_bytes", TALK_MIN, 16 << 20, &talk, e) < 0 ||
        llm_setting_int(cfg, "planner.max_tokens", 256, 1000000, &m->max_tokens_set, e) < 0)
        return -1;
    set_max_tokens(m);
    /* Half of what the model can hold, at 3 bytes a token, leaves room for answers. */
    if (m->facts.context_tokens > 0 && talk > m->facts.context_tokens * 3 / 2)
        talk = m->facts.context_tokens * 3 / 2;
    m->talk_max = (size_t)talk;
    if (m->dialect->find_server(&m->server, cfg, e) < 0)
        return -1;
    /* This machine reads a long conversation for minutes before its first word. */
    if (net_origin_is_local(m->server.origin)) {
        m->first_ms = m->first_ms > 0 ? m->first_ms : LOCAL_QUIET_MS;
        m->idle_ms = m->idle_ms > 0 ? m->idle_ms : LOCAL_QUIET_MS;
    }
    return 0;
}

int llm_open(struct planner **out, const struct llm_dialect *d, const struct planner_config *cfg,
             struct err *e)
{
    struct llm_planner *m = xcalloc(1, sizeof *m);
    m->base.ops = d->ops;
    m->dialect = d;
    m->cfg = *cfg;
    m->last_input = m->last_output = -1;
    llm_talk_init(&m->talk);
    answer_init(&m->answer, NULL, NULL);
    sse_init(&m->sse, SSE_EVENT_MAX, NULL, NULL);
    buf_init(&m->said, (size_t)1 << 20);
    buf_init(&m->body, ANSWER_BYTES_MAX * 2);
    m->pump = loop_add_idle(cfg->loop, on_pump, m);
    m->timer = loop_add_timer(cfg->loop, on_timer, m);
    int rc = cfg->net != NULL ? 0 : err_set(e, ERR_MISSING, "the network is not there");
    if (rc == 0)
        rc = llm_available(d, cfg, e);
    if (rc == 0)
        rc = llm_set_model(&m->base, model_of(d, cfg), e);
    if (rc == 0)
        rc = read_settings(m, cfg, e);
    if (rc < 0) {
        llm_close(&m->base);
        return -1;
    }
    *out = &m->base;
    return 0;
}
