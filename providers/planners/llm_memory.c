/* llm_memory.c - what a model sees of the session: rebuilt from the record when a saved session
 * goes on, and shown to the person. */
#include "providers/planners/llm_planner.h"

#include <stdlib.h>
#include <string.h>
#include "providers/planners/llm_show.h"

#define SHOWN_MAX ((size_t)16 << 20)

/* ---- a saved session goes on. What the model thought was never recorded, so its answers come back
 * without; their words and calls are written anew. [claude.md §3, echo rule] ---- */

/* An answer is complete: its words, and its call if it had one. */
static void add_answer(struct llm_planner *m, const struct planner_proposal *p)
{
    struct buf wire = BUF_INIT(LLM_ITEM_MAX);
    if ((m->recalled != NULL || p != NULL) && m->dialect->recall(m->recalled, p, &wire) == 0)
        llm_talk_add_answer(&m->talk, &wire, &wire);
    buf_release(&wire);
    free(m->recalled);
    m->recalled = NULL;
}

static void recall_words(struct llm_planner *m, const char *text)
{
    if (m->open_call == NULL) {
        llm_talk_add_words(&m->talk, text);
    } else if (buf_addf(&m->said, "%s%s", m->said.len > 0 ? "\n\n" : "", text) == 0) {
        m->said_count++; /* a call is answered before anything else is said */
    }
}

static void recall_result(struct llm_planner *m, const struct planner_observation *o)
{
    if (m->open_call == NULL || strcmp(m->open_call, o->call_id) != 0)
        return;
    llm_add_observation(m, o);
    (void)llm_talk_fit(&m->talk, m->talk_max);
}

static void recall_end(struct llm_planner *m)
{
    if (m->talk.count == 0)
        return;
    (void)buf_add_str(&m->said,
                      "(This session was closed and has been opened again. Variables were "
                      "brought back where that was possible; look before you rely on "
                      "them.)");
    m->plan_edited = m->talk.plan.len > 0; /* as it is now, with the person's changes */
    m->waiting = m->open_call == NULL;
    m->phase = m->open_call != NULL ? PHASE_ACTING : PHASE_IDLE;
    llm_wake(m);
}

int llm_resume(struct planner *p, const struct planner_past *past, struct err *e)
{
    struct llm_planner *m = (struct llm_planner *)p;
    struct buf plan = BUF_INIT((size_t)256 << 10);
    if (m->dialect->recall == NULL)
        return err_set(e, ERR_USAGE, "it can't read the record");
    if (past->kind != PAST_PROPOSAL)
        add_answer(m, NULL);
    switch (past->kind) {
    case PAST_WORDS:
        recall_words(m, past->text);
        break;
    case PAST_SAID:
        m->recalled = past->text[0] != '\0' ? xstrdup(past->text) : NULL;
        break;
    case PAST_PROPOSAL:
        add_answer(m, past->proposal);
        free(m->open_call);
        m->open_call = xstrdup(past->proposal->call_id);
        break;
    case PAST_OBSERVATION:
        recall_result(m, past->observation);
        break;
    case PAST_PLAN:
        llm_plan_write(past->steps, past->step_count, &plan);
        llm_talk_set_plan(&m->talk, buf_str(&plan));
        break;
    case PAST_END:
        recall_end(m);
        break;
    }
    buf_release(&plan);
    return 0;
}

unsigned llm_queued(const struct planner *p)
{
    return ((const struct llm_planner *)p)->said_count;
}

/* ---- what the model sees ---- */

size_t llm_fixed_bytes(void)
{
    size_t count, bytes = strlen(llm_instructions); /* the canary is short */
    const struct llm_tool *tools = llm_tools(&count);
    for (size_t i = 0; i < count; i++)
        bytes += strlen(tools[i].name) + strlen(tools[i].description) + strlen(tools[i].schema);
    return bytes;
}

/* The server's count of the last request says how many bytes a token has in this conversation. */
static int64_t estimate(const struct llm_planner *m, size_t bytes)
{
    if (m->last_input > 0 && m->sent_bytes > 0)
        return (int64_t)((double)bytes * (double)m->last_input / (double)m->sent_bytes + 0.5);
    return (int64_t)(bytes * 2 / 7);
}

struct telling {
    struct llm_planner *m;
    planner_context_fn fn;
    void *arg;
};

static void tell(const struct telling *t, struct planner_context_item item, size_t bytes)
{
    item.text = item.text_len > 0 ? item.text : "";
    if (!item.counted)
        item.tokens = estimate(t->m, bytes);
    t->fn(t->arg, &item);
}

static void tell_tools(const struct telling *t)
{
    struct buf text = BUF_INIT(SHOWN_MAX);
    size_t count, bytes = 0;
    const struct llm_tool *tools = llm_tools(&count);
    for (size_t i = 0; i < count; i++) {
        (void)buf_addf(&text, "%s%s: %s\n", i > 0 ? "\n" : "", tools[i].name, tools[i].description);
        llm_show(tools[i].schema, strlen(tools[i].schema), &text);
        bytes += strlen(tools[i].name) + strlen(tools[i].description) + strlen(tools[i].schema);
    }
    tell(t,
         (struct planner_context_item){ .role = "tools", .text = text.ptr, .text_len = text.len },
         bytes);
    buf_release(&text);
}

static void tell_item(const struct telling *t, size_t at)
{
    static const char *const roles[] = { "user", "user", "assistant", "result" };
    const struct llm_item *it = &t->m->talk.items[at];
    const struct buf *sent = llm_item_sent(it);
    struct buf text = BUF_INIT(SHOWN_MAX);
    if (it->kind == LLM_ANSWER || it->kind == LLM_RESULT)
        llm_show(sent->ptr, sent->len, &text);
    else
        (void)buf_add(&text, sent->ptr, sent->len);
    struct planner_context_item item = {
        .role = roles[it->kind],
        .text = text.ptr,
        .text_len = text.len,
        .tokens = it->tokens,
        .counted = it->tokens > 0 && !it->stale,
        .shortened = it->shortened || (it->stale && it->plain.len < it->text.len),
        .unsent = at >= t->m->sent_items && it->kind != LLM_ANSWER,
    };
    tell(t, item, sent->len);
    buf_release(&text);
}

/* What waits for the next call. */
static void tell_pending(const struct telling *t)
{
    struct buf text = BUF_INIT(SHOWN_MAX);
    llm_write_pending(t->m, &text);
    if (text.len > 0)
        tell(t,
             (struct planner_context_item){
                 .role = "user", .text = text.ptr, .text_len = text.len, .unsent = true },
             text.len);
    buf_release(&text);
}

void llm_context(struct planner *p, struct planner_context_sum *sum, planner_context_fn fn,
                 void *arg)
{
    struct llm_planner *m = (struct llm_planner *)p;
    struct telling t = { .m = m, .fn = fn, .arg = arg };
    *sum = (struct planner_context_sum){ .model = m->model,
                                         .effort = m->effort,
                                         .window_tokens = m->facts.context_tokens,
                                         .last_input = m->last_input,
                                         .last_output = m->last_output };
    if (fn == NULL)
        return;
    struct buf text = BUF_INIT(SHOWN_MAX);
    llm_system_text(m, &text);
    tell(&t,
         (struct planner_context_item){
             .role = "instructions", .text = text.ptr, .text_len = text.len },
         text.len);
    buf_release(&text);
    tell_tools(&t);
    for (size_t i = 0; i < m->talk.count; i++)
        tell_item(&t, i);
    tell_pending(&t);
}
