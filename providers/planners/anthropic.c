/* anthropic.c - Claude plans: the conversation's turns, from the person's words to proposals and
 * back. [claude.md §1–5]
 *
 * One call at a time. Nothing of an answer acts before all of it is there and its stop reason is
 * `tool_use`; then its calls are answered one after the other, proposals by their observations, and
 * all results go back together. */
#include "providers/planners/anthropic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/redact.h"
#include "providers/registry.h"

#define DEFAULT_MODEL   "claude-opus-5-5"
#define DEFAULT_VERSION "2026-10-21"
#define DEFAULT_URL     "https://api.anthropic.com"
#define MAX_TOKENS      32000
#define TALK_MAX        ((size_t)600 << 10) /* about 200 000 tokens */
#define TALK_MIN        ((size_t)4 << 10)
#define BARREN_MAX      8 /* answers in a row that lead to no proposal */
#define PAUSES_MAX      5
#define CUTS_MAX        2

/* ---- saying ---- */

void anthropic_say(struct anthropic *a, enum planner_event_kind kind, const char *text, size_t len)
{
    struct planner_event ev = { .kind = kind, .text = text, .text_len = len };
    a->cfg.sink(a->cfg.arg, &a->base, &ev);
}

void anthropic_fail(struct anthropic *a, struct err *err, int64_t retry_after_ms)
{
    struct buf clean = BUF_INIT(4096);
    if (a->cfg.redact != NULL && redact_text(a->cfg.redact, err->msg, strlen(err->msg), &clean) > 0)
        snprintf(err->msg, sizeof err->msg, "%s", buf_str(&clean));
    buf_release(&clean);
    if (retry_after_ms == 0)
        a->wanted = false;
    struct planner_event ev = { .kind = PLANNER_ERROR,
                                .err = err,
                                .retry_after_ms = retry_after_ms };
    a->cfg.sink(a->cfg.arg, &a->base, &ev);
}

void anthropic_wake(struct anthropic *a)
{
    loop_wake_idle(a->cfg.loop, a->pump);
}

/* ---- acting: the calls of a whole answer ---- */

static void add_result(struct anthropic *a, const char *call_id, const char *text, bool is_error)
{
    llm_talk_add_result(&a->talk, call_id, text, text, is_error);
}

/* Every call needs a result, the skipped ones too. */
static void skip_rest(struct anthropic *a, const char *why)
{
    for (; a->act_at < a->answer.count; a->act_at++) {
        const struct answer_block *b = a->answer.blocks[a->act_at];
        if (b->kind == BLOCK_CALL)
            add_result(a, b->id, why, true);
    }
    a->phase = PHASE_IDLE;
}

static void propose(struct anthropic *a, struct llm_action *act, const char *id)
{
    struct planner_event ev = { .kind = PLANNER_PROPOSAL, .proposal = &act->proposal };
    act->proposal.call_id = id;
    a->open_call = xstrdup(id); /* first: the answer may come at once */
    a->barren = 0;
    a->cfg.sink(a->cfg.arg, &a->base, &ev);
}

static void take_plan(struct anthropic *a, const struct llm_action *act, const char *id)
{
    struct buf text = BUF_INIT((size_t)256 << 10);
    struct planner_event ev = { .kind = PLANNER_PLAN,
                                .steps = act->steps,
                                .step_count = act->step_count };
    llm_plan_write(act->steps, act->step_count, &text);
    llm_talk_set_plan(&a->talk, buf_str(&text));
    buf_release(&text);
    add_result(a, id, "The person sees the plan.", false);
    a->cfg.sink(a->cfg.arg, &a->base, &ev);
}

static void take_finish(struct anthropic *a, struct llm_action *act, const char *id)
{
    a->finished = true;
    a->wanted = false;
    add_result(a, id, "Told.", false);
    skip_rest(a, "Not executed: the work is finished.");
    anthropic_say(a, PLANNER_FINISH, buf_str(&act->answer), act->answer.len);
}

static void act_on(struct anthropic *a, const struct answer_block *b)
{
    struct llm_action act;
    struct err e = ERR_INIT;
    if (llm_action_read(&act, b->name, b->text.ptr, b->text.len, &e) < 0) {
        char *text = xasprintf("Not executed: %s", e.msg);
        add_result(a, b->id, text, true);
        free(text);
    } else if (act.kind == LLM_EXECUTE) {
        propose(a, &act, b->id);
    } else if (act.kind == LLM_PLAN) {
        take_plan(a, &act, b->id);
    } else {
        take_finish(a, &act, b->id);
    }
    llm_action_release(&act);
}

static void act(struct anthropic *a)
{
    while (a->phase == PHASE_ACTING && a->open_call == NULL) {
        if (a->stopped) {
            skip_rest(a, "Not executed: the person stopped the work.");
        } else if (a->act_at == a->answer.count) {
            a->phase = PHASE_IDLE;
            a->wanted = true;
        } else {
            const struct answer_block *b = a->answer.blocks[a->act_at++];
            if (b->kind == BLOCK_CALL)
                act_on(a, b);
        }
    }
}

/* ---- a whole answer ---- */

static void tell_prose(struct anthropic *a)
{
    for (size_t i = 0; i < a->answer.count; i++) {
        const struct answer_block *b = a->answer.blocks[i];
        if (b->kind == BLOCK_TEXT && b->text.len > 0)
            anthropic_say(a, PLANNER_MESSAGE, b->text.ptr, b->text.len);
    }
}

static int keep_answer(struct anthropic *a)
{
    struct buf wire = BUF_INIT(LLM_ITEM_MAX), plain = BUF_INIT(LLM_ITEM_MAX);
    struct err e = ERR_INIT;
    int rc = answer_echo(&a->answer, &wire, &plain);
    if (rc == 0 && wire.len > 0)
        llm_talk_add_answer(&a->talk, &wire, &plain);
    buf_release(&wire);
    buf_release(&plain);
    if (rc < 0) {
        a->phase = PHASE_IDLE;
        err_set(&e, ERR_LIMIT, "%s: the answer is too long to go on with", a->source);
        anthropic_fail(a, &e, 0);
    }
    return rc;
}

/* Dropped whole; the model is told and asked again, but not for ever. */
static void take_cut(struct anthropic *a)
{
    struct err e = ERR_INIT;
    bool again = ++a->cuts <= CUTS_MAX;
    err_set(&e, ERR_LIMIT, "%s: the answer was cut at %lld tokens (%s) and was dropped", a->source,
            (long long)a->max_tokens, a->answer.stop);
    a->phase = PHASE_IDLE;
    anthropic_fail(a, &e, again ? 1 : 0);
    if (!again)
        return;
    llm_talk_add_words(&a->talk, "Your last answer was longer than allowed; all of it was dropped "
                                 "and nothing ran. Take a smaller step.");
    a->wanted = true;
    anthropic_wake(a);
}

static void take_full(struct anthropic *a)
{
    struct err e = ERR_INIT;
    bool again = ++a->squeezes <= CUTS_MAX && llm_talk_fit(&a->talk, llm_talk_bytes(&a->talk) / 2);
    err_set(&e, ERR_LIMIT, "%s: the conversation is longer than the model can read%s", a->source,
            again ? "; the oldest is left out" : "; start a new session");
    a->phase = PHASE_IDLE;
    anthropic_fail(a, &e, again ? 1 : 0);
    a->wanted = again;
    anthropic_wake(a);
}

static void take_refusal(struct anthropic *a)
{
    struct err e = ERR_INIT;
    const char *why = a->answer.stop_detail;
    a->phase = PHASE_IDLE;
    err_set(&e, ERR_DENIED, "%s refused to go on%s%s; say it differently, or take another model",
            a->source, why[0] != '\0' ? ": " : "", why);
    anthropic_fail(a, &e, 0);
}

static void take_pause(struct anthropic *a)
{
    struct err e = ERR_INIT;
    a->phase = PHASE_IDLE;
    if (++a->pauses > PAUSES_MAX || a->answer.count == 0) {
        err_set(&e, ERR_LIMIT, "%s: the server pauses again and again", a->source);
        anthropic_fail(a, &e, 0);
    } else if (keep_answer(a) == 0) {
        a->wanted = true;
        anthropic_wake(a);
    }
}

/* It has said what it had to say: the person's turn, unless they have spoken already. */
static void take_end(struct anthropic *a)
{
    bool known = strcmp(a->answer.stop, "end_turn") == 0;
    char note[128];
    tell_prose(a);
    if (keep_answer(a) < 0)
        return;
    a->act_at = 0;
    skip_rest(a, "Not executed: the answer ended for another reason.");
    if (!known) {
        snprintf(note, sizeof note, "(the model stopped: %s)", a->answer.stop);
        anthropic_say(a, PLANNER_MESSAGE, note, strlen(note));
    }
    a->waiting = a->said.len == 0;
    a->wanted = a->said.len > 0;
    anthropic_wake(a);
}

static void take_calls(struct anthropic *a)
{
    struct err e = ERR_INIT;
    tell_prose(a);
    if (a->stopped || keep_answer(a) < 0) {
        a->phase = PHASE_IDLE;
        return;
    }
    a->phase = PHASE_ACTING;
    a->act_at = 0;
    if (++a->barren > BARREN_MAX) {
        skip_rest(a, "Not executed: too many answers without code to run.");
        err_set(&e, ERR_LIMIT, "%s: %d answers in a row led to nothing that could run", a->source,
                BARREN_MAX);
        a->barren = 0;
        anthropic_fail(a, &e, 0);
        return;
    }
    anthropic_wake(a);
}

void anthropic_take(struct anthropic *a)
{
    static const struct {
        const char *stop;
        void (*take)(struct anthropic *);
    } stops[] = { { "tool_use", take_calls },   { "max_tokens", take_cut },
                  { "pause_turn", take_pause }, { "refusal", take_refusal },
                  { "end_turn", take_end },     { "model_context_window_exceeded", take_full } };
    a->tries = 0;
    const char *stop = a->answer.stop;
    if (strcmp(stop, "max_tokens") != 0)
        a->cuts = 0;
    if (strcmp(stop, "pause_turn") != 0)
        a->pauses = 0;
    for (size_t i = 0; i < ARRAY_LEN(stops); i++) {
        if (strcmp(stops[i].stop, stop) == 0) {
            stops[i].take(a);
            return;
        }
    }
    take_end(a);
}

/* ---- turns ---- */

static void begin_call(struct anthropic *a)
{
    if (a->said.len > 0) {
        llm_talk_add_words(&a->talk, buf_str(&a->said));
        buf_reset(&a->said);
    }
    a->wanted = false;
    a->waiting = false;
    if (a->talk.count == 0)
        return;
    (void)llm_talk_fit(&a->talk, a->talk_max);
    anthropic_call(a);
}

static void on_pump(void *arg)
{
    struct anthropic *a = arg;
    if (a->phase != PHASE_CALLING)
        anthropic_tell_usage(a); /* of a call that was stopped */
    if (a->phase == PHASE_ACTING)
        act(a);
    if (a->phase != PHASE_IDLE || a->finished)
        return;
    if (a->wanted && !a->stopped) {
        begin_call(a);
    } else if (a->waiting) {
        a->waiting = false;
        anthropic_say(a, PLANNER_WAITING, "", 0);
    }
}

static void on_timer(void *arg)
{
    struct anthropic *a = arg;
    if (a->phase == PHASE_PAUSING) {
        a->phase = PHASE_IDLE;
        a->wanted = true;
        anthropic_wake(a);
    } else if (a->phase == PHASE_CALLING && a->answer.ended) {
        /* All is said, but the connection stays open. */
        anthropic_drop(a);
        anthropic_tell_usage(a);
        if (a->phase == PHASE_CALLING)
            anthropic_take(a);
    }
}

/* ---- what it is told ---- */

static int words(struct planner *p, const char *text, struct err *e)
{
    struct anthropic *a = (struct anthropic *)p;
    if (a->finished)
        return err_set(e, ERR_USAGE, "the work is finished");
    if (buf_addf(&a->said, "%s%s", a->said.len > 0 ? "\n\n" : "", text) < 0)
        return err_set(e, ERR_LIMIT, "that is more than can be said at once");
    if (a->stopped && a->open_call != NULL) { /* nobody will answer it any more */
        add_result(a, a->open_call, "Not executed: the person stopped the work.", true);
        free(a->open_call);
        a->open_call = NULL;
        skip_rest(a, "Not executed: the person stopped the work.");
    }
    a->stopped = false;
    a->barren = a->cuts = a->squeezes = 0;
    if (a->phase == PHASE_IDLE) {
        a->wanted = true;
        a->tries = 0;
    }
    anthropic_wake(a);
    return 0;
}

static int observe(struct planner *p, const struct planner_observation *o, struct err *e)
{
    struct anthropic *a = (struct anthropic *)p;
    struct buf text = BUF_INIT(LLM_ITEM_MAX), line = BUF_INIT(4096);
    if (a->open_call == NULL || strcmp(a->open_call, o->call_id) != 0)
        return err_set(e, ERR_USAGE, "the model is not waiting for `%.40s`", o->call_id);
    llm_result_write(o, &text);
    llm_result_write_line(o, &line);
    bool could_not_run =
        o->denied || o->end == END_SANDBOX || o->end == END_LOST || o->end == END_PROVIDER;
    llm_talk_add_result(&a->talk, o->call_id, buf_str(&text), buf_str(&line), could_not_run);
    buf_release(&text);
    buf_release(&line);
    free(a->open_call);
    a->open_call = NULL;
    a->waiting = a->stopped; /* then no call follows: the person's turn */
    anthropic_wake(a);
    return 0;
}

static int plan_edited(struct planner *p, const struct planner_step *steps, size_t count,
                       struct err *e)
{
    struct anthropic *a = (struct anthropic *)p;
    struct buf text = BUF_INIT((size_t)256 << 10);
    llm_plan_write(steps, count, &text);
    llm_talk_set_plan(&a->talk, buf_str(&text));
    int rc = buf_addf(&a->said, "%sI changed the plan. It is now:\n%s",
                      a->said.len > 0 ? "\n\n" : "", buf_str(&text));
    buf_release(&text);
    return rc < 0 ? err_set(e, ERR_LIMIT, "the plan is too long") : 0;
}

static void cancel(struct planner *p)
{
    struct anthropic *a = (struct anthropic *)p;
    anthropic_drop(a);
    a->stopped = true;
    a->wanted = false;
    a->tries = 0;
    if (a->phase == PHASE_CALLING || a->phase == PHASE_PAUSING)
        a->phase = PHASE_IDLE;
    anthropic_wake(a);
}

static int set_model(struct planner *p, const char *model, struct err *e)
{
    struct anthropic *a = (struct anthropic *)p;
    size_t n = strcspn(model, "@");
    if (a->phase == PHASE_CALLING || a->phase == PHASE_PAUSING)
        return err_set(e, ERR_BUSY, "a call is under way: the model can be changed after it");
    if (n == 0 || n > 128)
        return err_set(e, ERR_USAGE, "no model's name: '%.40s'", model);
    free(a->model);
    free(a->effort);
    free(a->source);
    a->model = xstrndup(model, n);
    a->effort = xstrdup(model[n] == '@' ? model + n + 1 : "");
    a->source = xasprintf("anthropic:%s", a->model);
    llm_facts_find(&a->facts, "anthropic", a->model);
    a->max_tokens = MAX_TOKENS;
    if (a->facts.output_tokens > 0 && a->facts.output_tokens < a->max_tokens)
        a->max_tokens = a->facts.output_tokens;
    llm_talk_make_stale(&a->talk); /* thinking belongs to the model that thought it */
    return 0;
}

static void context(struct planner *p, struct planner_context_sum *sum, planner_context_fn fn,
                    void *arg)
{
    static const char *const roles[] = { "user", "user", "assistant", "result" };
    struct anthropic *a = (struct anthropic *)p;
    struct planner_context_item item = { .role = "instructions",
                                         .text = llm_instructions,
                                         .text_len = strlen(llm_instructions) };
    *sum = (struct planner_context_sum){ .model = a->model,
                                         .effort = a->effort,
                                         .window_tokens = a->facts.context_tokens,
                                         .last_input = -1,
                                         .last_output = -1 };
    item.tokens = (int64_t)item.text_len / 4;
    fn(arg, &item);
    for (size_t i = 0; i < a->talk.count; i++) {
        const struct llm_item *it = &a->talk.items[i];
        const struct buf *b = llm_item_sent(it);
        item = (struct planner_context_item){ .role = roles[it->kind],
                                              .text = b->len > 0 ? b->ptr : "",
                                              .text_len = b->len,
                                              .tokens = (int64_t)b->len / 4,
                                              .shortened = it->shortened || it->stale };
        fn(arg, &item);
    }
}

/* ---- life ---- */

static const char *setting(const struct planner_config *cfg, const char *name)
{
    const char *v = cfg->setting != NULL ? cfg->setting(cfg->setting_arg, name) : NULL;
    return v != NULL && v[0] != '\0' ? v : NULL;
}

static int setting_int(const struct planner_config *cfg, const char *name, int64_t min, int64_t max,
                       int64_t *inout, struct err *e)
{
    const char *v = setting(cfg, name);
    if (v == NULL)
        return 0;
    int64_t n = http_number(v, max + 1);
    if (n < min || n > max)
        return err_set(e, ERR_USAGE, "%s: a whole number from %lld to %lld, not '%.20s'", name,
                       (long long)min, (long long)max, v);
    *inout = n;
    return 0;
}

/* The key wins over the token, as in the vendor's own clients. [claude.md §1] */
static int add_credential(struct net_origin *o, const struct planner_config *cfg, struct err *e)
{
    const char *v = setting(cfg, "ANTHROPIC_API_KEY");
    if (v != NULL)
        return net_origin_add_secret(o, "x-api-key", "", v, strlen(v), e) < 0
                   ? err_wrap(e, "ANTHROPIC_API_KEY")
                   : 0;
    v = setting(cfg, "ANTHROPIC_AUTH_TOKEN");
    if (v != NULL)
        return net_origin_add_secret(o, "authorization", "Bearer ", v, strlen(v), e) < 0
                   ? err_wrap(e, "ANTHROPIC_AUTH_TOKEN")
                   : 0;
    return err_set(e, ERR_MISSING,
                   "no key: put one from https://platform.claude.com into the environment "
                   "(export ANTHROPIC_API_KEY=sk-ant-…; or ANTHROPIC_AUTH_TOKEN) and start airlock "
                   "again; without one, -p human and -p runbook:FILE.md work");
}

static int make_origin(struct net_origin **out, const struct planner_config *cfg, struct err *e)
{
    const char *url = setting(cfg, "ANTHROPIC_BASE_URL");
    char *base = xstrdup(url != NULL ? url : DEFAULT_URL);
    size_t n = strlen(base);
    while (n > 0 && base[n - 1] == '/')
        base[--n] = '\0';
    int rc = net_origin_new(out, base, e);
    free(base);
    if (rc < 0)
        return err_wrap(e, "ANTHROPIC_BASE_URL");
    if (add_credential(*out, cfg, e) == 0)
        return 0;
    net_origin_free(*out);
    *out = NULL;
    return -1;
}

static int available(const struct planner_config *cfg, struct err *e)
{
    struct net_origin *o = NULL;
    if (make_origin(&o, cfg, e) < 0)
        return -1;
    net_origin_free(o);
    return 0;
}

static void close_planner(struct planner *p)
{
    struct anthropic *a = (struct anthropic *)p;
    if (a == NULL)
        return;
    net_drop(a->call);
    loop_remove(a->cfg.loop, a->pump);
    loop_remove(a->cfg.loop, a->timer);
    net_origin_free(a->origin);
    llm_talk_release(&a->talk);
    answer_release(&a->answer);
    sse_release(&a->sse);
    buf_release(&a->said);
    buf_release(&a->refusal);
    free(a->open_call);
    free(a->model);
    free(a->effort);
    free(a->version);
    free(a->canary);
    free(a->source);
    free(a);
}

static int read_settings(struct anthropic *a, const struct planner_config *cfg, struct err *e)
{
    int64_t talk = TALK_MAX;
    const char *version = setting(cfg, "ANTHROPIC_VERSION");
    a->version = xstrdup(version != NULL ? version : DEFAULT_VERSION);
    a->canary = xstrdup(cfg->canary != NULL ? cfg->canary : "");
    a->tries_max = NET_TRIES_MAX;
    a->total_ms = 30 * 60 * 1000;
    if (setting_int(cfg, "planner.tries", 1, NET_TRIES_MAX, &a->tries_max, e) < 0 ||
        setting_int(cfg, "planner.first_ms", 50, 600000, &a->first_ms, e) < 0 ||
        setting_int(cfg, "planner.idle_ms", 50, 600000, &a->idle_ms, e) < 0 ||
        setting_int(cfg, "planner.total_ms", 50, 7200000, &a->total_ms, e) < 0 ||
        setting_int(cfg, "planner.context_bytes", TALK_MIN, 16 << 20, &talk, e) < 0)
        return -1;
    /* Half of what the model can hold, at 3 bytes a token, leaves room for answers. */
    if (a->facts.context_tokens > 0 && talk > a->facts.context_tokens * 3 / 2)
        talk = a->facts.context_tokens * 3 / 2;
    a->talk_max = (size_t)talk;
    return make_origin(&a->origin, cfg, e);
}

static int open_planner(struct planner **out, const struct planner_config *cfg, struct err *e)
{
    struct anthropic *a = xcalloc(1, sizeof *a);
    const char *model = cfg->model != NULL && cfg->model[0] != '\0' ? cfg->model : DEFAULT_MODEL;
    a->base.ops = &planner_anthropic;
    a->cfg = *cfg;
    llm_talk_init(&a->talk);
    answer_init(&a->answer, NULL, NULL);
    sse_init(&a->sse, SSE_EVENT_MAX, NULL, NULL);
    buf_init(&a->said, (size_t)1 << 20);
    buf_init(&a->refusal, (size_t)64 << 10);
    a->pump = loop_add_idle(cfg->loop, on_pump, a);
    a->timer = loop_add_timer(cfg->loop, on_timer, a);
    int rc = cfg->net != NULL ? 0 : err_set(e, ERR_MISSING, "the network is not there");
    if (rc == 0)
        rc = set_model(&a->base, model, e);
    if (rc == 0)
        rc = read_settings(a, cfg, e);
    if (rc < 0) {
        close_planner(&a->base);
        return -1;
    }
    *out = &a->base;
    return 0;
}

const struct planner_ops planner_anthropic = {
    .name = "anthropic",
    .title = "Claude plans: -p anthropic:MODEL[@EFFORT]; needs ANTHROPIC_API_KEY",
    .caps = PLANNER_NEEDS_KEY | PLANNER_STREAMS | PLANNER_NETWORK,
    .available = available,
    .open = open_planner,
    .task = words,
    .message = words,
    .observe = observe,
    .plan_edited = plan_edited,
    .cancel = cancel,
    .close = close_planner,
    .set_model = set_model,
    .context = context,
};
