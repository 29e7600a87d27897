/* llm_act.c - a whole answer, by what its end means; then its calls, one after the other. */
#include "providers/planners/llm_planner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/redact.h"

#define BARREN_MAX 8 /* answers in a row that lead to no proposal */
#define PAUSES_MAX 5
#define CUTS_MAX   2

/* ---- saying ---- */

void llm_say(struct llm_planner *m, enum planner_event_kind kind, const char *text, size_t len)
{
    struct planner_event ev = { .kind = kind, .text = text, .text_len = len };
    m->cfg.sink(m->cfg.arg, &m->base, &ev);
}

void llm_fail(struct llm_planner *m, struct err *err, int64_t retry_after_ms)
{
    struct buf clean = BUF_INIT(4096);
    if (m->cfg.redact != NULL && redact_text(m->cfg.redact, err->msg, strlen(err->msg), &clean) > 0)
        snprintf(err->msg, sizeof err->msg, "%s", buf_str(&clean));
    buf_release(&clean);
    if (retry_after_ms == 0)
        m->wanted = false;
    struct planner_event ev = { .kind = PLANNER_ERROR,
                                .err = err,
                                .retry_after_ms = retry_after_ms };
    m->cfg.sink(m->cfg.arg, &m->base, &ev);
}

/* ---- acting: the calls of a whole answer ---- */

static void add_result(struct llm_planner *m, const char *call_id, const char *text, bool is_error)
{
    llm_talk_add_result(&m->talk, call_id, text, text, is_error);
}

void llm_skip_rest(struct llm_planner *m, const char *why)
{
    for (; m->act_at < m->answer.count; m->act_at++) {
        const struct answer_block *b = m->answer.blocks[m->act_at];
        if (b->kind == BLOCK_CALL)
            add_result(m, b->id, why, true);
    }
    m->phase = PHASE_IDLE;
}

static void propose(struct llm_planner *m, struct llm_action *act, const char *id)
{
    struct planner_event ev = { .kind = PLANNER_PROPOSAL, .proposal = &act->proposal };
    act->proposal.call_id = id;
    m->open_call = xstrdup(id); /* first: the answer may come at once */
    m->barren = 0;
    m->cfg.sink(m->cfg.arg, &m->base, &ev);
}

static void take_plan(struct llm_planner *m, const struct llm_action *act, const char *id)
{
    struct buf text = BUF_INIT((size_t)256 << 10);
    struct planner_event ev = { .kind = PLANNER_PLAN,
                                .steps = act->steps,
                                .step_count = act->step_count };
    llm_plan_write(act->steps, act->step_count, &text);
    llm_talk_set_plan(&m->talk, buf_str(&text));
    buf_release(&text);
    add_result(m, id, "The person sees the plan.", false);
    m->cfg.sink(m->cfg.arg, &m->base, &ev);
}

static void take_finish(struct llm_planner *m, struct llm_action *act, const char *id)
{
    m->finished = true;
    m->wanted = false;
    add_result(m, id, "Told.", false);
    llm_skip_rest(m, "Not executed: the work is finished.");
    llm_say(m, PLANNER_FINISH, buf_str(&act->answer), act->answer.len);
}

static void act_on(struct llm_planner *m, const struct answer_block *b)
{
    struct llm_action act;
    struct err e = ERR_INIT;
    if (llm_action_read(&act, b->name, b->text.ptr, b->text.len, &e) < 0) {
        char *text = xasprintf("Not executed: %s", e.msg);
        add_result(m, b->id, text, true);
        free(text);
    } else if (act.kind == LLM_EXECUTE) {
        propose(m, &act, b->id);
    } else if (act.kind == LLM_PLAN) {
        take_plan(m, &act, b->id);
    } else {
        take_finish(m, &act, b->id);
    }
    llm_action_release(&act);
}

void llm_act(struct llm_planner *m)
{
    while (m->phase == PHASE_ACTING && m->open_call == NULL) {
        if (m->stopped) {
            llm_skip_rest(m, "Not executed: the person stopped the work.");
        } else if (m->act_at == m->answer.count) {
            m->phase = PHASE_IDLE;
            m->wanted = true;
        } else {
            const struct answer_block *b = m->answer.blocks[m->act_at++];
            if (b->kind == BLOCK_CALL)
                act_on(m, b);
        }
    }
}

/* ---- a whole answer ---- */

static void tell_prose(struct llm_planner *m)
{
    for (size_t i = 0; i < m->answer.count; i++) {
        const struct answer_block *b = m->answer.blocks[i];
        if (b->kind == BLOCK_TEXT && b->text.len > 0)
            llm_say(m, PLANNER_MESSAGE, b->text.ptr, b->text.len);
    }
}

static int keep_answer(struct llm_planner *m)
{
    struct buf wire = BUF_INIT(LLM_ITEM_MAX), plain = BUF_INIT(LLM_ITEM_MAX);
    struct err e = ERR_INIT;
    int rc = m->dialect->echo(&m->answer, &wire, &plain);
    if (rc == 0 && wire.len > 0)
        llm_talk_add_answer(&m->talk, &wire, &plain)->tokens = m->answer.usage.output;
    buf_release(&wire);
    buf_release(&plain);
    if (rc < 0) {
        m->phase = PHASE_IDLE;
        err_set(&e, ERR_LIMIT, "%s: the answer is too long to go on with", m->source);
        llm_fail(m, &e, 0);
    }
    return rc;
}

/* Dropped whole; the model is told and asked again, but not for ever. */
static void take_cut(struct llm_planner *m)
{
    struct err e = ERR_INIT;
    bool again = ++m->cuts <= CUTS_MAX;
    err_set(&e, ERR_LIMIT, "%s: the answer was cut at %lld tokens (%s) and was dropped", m->source,
            (long long)m->max_tokens, m->answer.stop);
    m->phase = PHASE_IDLE;
    llm_fail(m, &e, again ? 1 : 0);
    if (!again)
        return;
    llm_talk_add_words(&m->talk, "Your last answer was longer than allowed; all of it was dropped "
                                 "and nothing ran. Take a smaller step.");
    m->wanted = true;
    llm_wake(m);
}

static void take_full(struct llm_planner *m)
{
    struct err e = ERR_INIT;
    bool again = ++m->squeezes <= CUTS_MAX && llm_talk_fit(&m->talk, llm_talk_bytes(&m->talk) / 2);
    err_set(&e, ERR_LIMIT, "%s: the conversation is longer than the model can read%s", m->source,
            again ? "; the oldest is left out" : "; start a new session");
    m->phase = PHASE_IDLE;
    llm_fail(m, &e, again ? 1 : 0);
    m->wanted = again;
    llm_wake(m);
}

static void take_refusal(struct llm_planner *m)
{
    struct err e = ERR_INIT;
    const char *why = m->answer.stop_detail;
    m->phase = PHASE_IDLE;
    err_set(&e, ERR_DENIED, "%s refused to go on%s%s; say it differently, or take another model",
            m->source, why[0] != '\0' ? ": " : "", why);
    llm_fail(m, &e, 0);
}

static void take_pause(struct llm_planner *m)
{
    struct err e = ERR_INIT;
    m->phase = PHASE_IDLE;
    if (++m->pauses > PAUSES_MAX || m->answer.count == 0) {
        err_set(&e, ERR_LIMIT, "%s: the server pauses again and again", m->source);
        llm_fail(m, &e, 0);
    } else if (keep_answer(m) == 0) {
        m->wanted = true;
        llm_wake(m);
    }
}

/* It has said what it had to say: the person's turn, unless they have spoken already. */
static void take_end(struct llm_planner *m)
{
    char note[128];
    tell_prose(m);
    if (keep_answer(m) < 0)
        return;
    m->act_at = 0;
    llm_skip_rest(m, "Not executed: the answer ended for another reason.");
    if (m->answer.why == WHY_OTHER) {
        snprintf(note, sizeof note, "(the model stopped: %s)", m->answer.stop);
        llm_say(m, PLANNER_MESSAGE, note, strlen(note));
    }
    m->wanted = llm_has_more(m);
    m->waiting = !m->wanted;
    llm_wake(m);
}

static void take_calls(struct llm_planner *m)
{
    struct err e = ERR_INIT;
    tell_prose(m);
    if (m->stopped || keep_answer(m) < 0) {
        m->phase = PHASE_IDLE;
        return;
    }
    m->phase = PHASE_ACTING;
    m->act_at = 0;
    if (++m->barren > BARREN_MAX) {
        llm_skip_rest(m, "Not executed: too many answers without code to run.");
        err_set(&e, ERR_LIMIT, "%s: %d answers in a row led to nothing that could run", m->source,
                BARREN_MAX);
        m->barren = 0;
        llm_fail(m, &e, 0);
        return;
    }
    llm_wake(m);
}

void llm_take(struct llm_planner *m)
{
    static void (*const takes[])(struct llm_planner *) = {
        [WHY_OTHER] = take_end, [WHY_END] = take_end,     [WHY_CALLS] = take_calls,
        [WHY_CUT] = take_cut,   [WHY_PAUSE] = take_pause, [WHY_REFUSAL] = take_refusal,
        [WHY_FULL] = take_full,
    };
    m->tries = 0;
    if (m->answer.why != WHY_CUT)
        m->cuts = 0;
    if (m->answer.why != WHY_PAUSE)
        m->pauses = 0;
    if (m->answer.why != WHY_FULL)
        m->squeezes = 0;
    takes[m->answer.why](m);
}
