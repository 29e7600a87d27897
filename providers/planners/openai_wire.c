/* openai_wire.c - the body of POST /chat/completions. Servers differ in what they take: what one of
 * them refuses by name is left out, and the rest sent again. */
#include "providers/planners/openai.h"

#include <string.h>

/* Bits of llm_planner.left_out. */
enum {
    NO_USAGE = 1u << 0,
    NO_PARALLEL = 1u << 1,
    NO_EFFORT = 1u << 2,
    OTHER_LIMIT = 1u << 3, /* the limit by its other name */
    NO_LIMIT = 1u << 4,
    NO_THOUGHTS = 1u << 5,
};

/* The new name is OpenAI's own; most others know the old one. */
static const char *limit_name(const struct llm_planner *m)
{
    bool new = m->server.is_default != ((m->left_out & OTHER_LIMIT) != 0);
    return new ? "max_completion_tokens" : "max_tokens";
}

/* Without a budget and a word of the user, an unknown model writes as much as its server lets it:
 * a number of ours may be more than it can. */
static bool sends_limit(const struct llm_planner *m)
{
    return (m->left_out & NO_LIMIT) == 0 && (m->limited || m->max_tokens_set > 0 || m->facts.known);
}

static bool sends_effort(const struct llm_planner *m)
{
    return m->effort[0] != '\0' && (m->left_out & NO_EFFORT) == 0;
}

const char *openai_adapt(struct llm_planner *m, const struct llm_refusal *f)
{
    static const struct {
        unsigned bit;
        const char *word, *name; /* the word that gives it away */
    } parts[] = { { NO_USAGE, "stream_options", "`stream_options`" },
                  { NO_PARALLEL, "parallel_tool_calls", "`parallel_tool_calls`" },
                  { NO_THOUGHTS, "reasoning_content", "the model's earlier thoughts" },
                  { NO_EFFORT, "reasoning_effort", "`reasoning_effort`" },
                  { NO_EFFORT, "does not support thinking", "`reasoning_effort`" } };
    if (f->status != 400 && f->status != 404 && f->status != 422)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        bool sent = (m->left_out & parts[i].bit) == 0 &&
                    (parts[i].bit != NO_EFFORT || m->effort[0] != '\0');
        if (sent && strstr(f->body, parts[i].word) != NULL) {
            m->left_out |= parts[i].bit;
            return parts[i].name;
        }
    }
    if (!sends_limit(m) || strstr(f->body, limit_name(m)) == NULL)
        return NULL;
    if ((m->left_out & OTHER_LIMIT) == 0) {
        m->left_out |= OTHER_LIMIT;
        return "the limit to its answer by that name";
    }
    if (m->limited)
        return NULL; /* a budget needs it */
    m->left_out |= NO_LIMIT;
    return "a limit to its answer";
}

static void write_tools(const struct llm_planner *m, struct json_w *w)
{
    size_t count;
    const struct llm_tool *tools = llm_tools(&count);
    json_w_array(w, "tools");
    for (size_t i = 0; i < count; i++) {
        json_w_object(w, NULL);
        json_w_str(w, "type", "function");
        json_w_object(w, "function");
        json_w_str(w, "name", tools[i].name);
        json_w_str(w, "description", tools[i].description);
        json_w_raw(w, "parameters", tools[i].schema, strlen(tools[i].schema));
        json_w_close_object(w);
        json_w_close_object(w);
    }
    json_w_close_array(w);
    if ((m->left_out & NO_PARALLEL) == 0)
        json_w_bool(w, "parallel_tool_calls", false);
}

static void write_system(const struct llm_planner *m, struct json_w *w)
{
    struct buf text = BUF_INIT((size_t)64 << 10);
    llm_system_text(m, &text);
    json_w_object(w, NULL);
    json_w_str(w, "role", "system");
    json_w_str(w, "content", buf_str(&text));
    json_w_close_object(w);
    buf_release(&text);
}

static void write_result(const struct llm_item *it, struct json_w *w)
{
    json_w_object(w, NULL);
    json_w_str(w, "role", "tool");
    json_w_str(w, "tool_call_id", it->call_id);
    json_w_strn(w, "content", it->text.ptr, it->text.len);
    json_w_close_object(w);
}

/* What the person says in a row is one message: some models refuse two. Returns where it ends. */
static size_t write_words(const struct llm_planner *m, size_t from, struct json_w *w)
{
    const struct llm_talk *t = &m->talk;
    struct buf text = BUF_INIT(LLM_ITEM_MAX * 2);
    size_t i = from;
    for (; i < t->count && (t->items[i].kind == LLM_WORDS || t->items[i].kind == LLM_DIGEST); i++) {
        const struct buf *sent = llm_item_sent(&t->items[i]);
        if (text.len > 0)
            (void)buf_add_str(&text, "\n\n");
        w->failed |= buf_add(&text, sent->ptr, sent->len) < 0;
    }
    json_w_object(w, NULL);
    json_w_str(w, "role", "user");
    json_w_strn(w, "content", buf_str(&text), text.len);
    json_w_close_object(w);
    buf_release(&text);
    return i;
}

static void write_messages(const struct llm_planner *m, struct json_w *w)
{
    json_w_array(w, "messages");
    write_system(m, w);
    for (size_t i = 0; i < m->talk.count;) {
        const struct llm_item *it = &m->talk.items[i];
        const struct buf *sent = (m->left_out & NO_THOUGHTS) != 0 && it->kind == LLM_ANSWER
                                     ? &it->plain
                                     : llm_item_sent(it);
        if (it->kind == LLM_WORDS || it->kind == LLM_DIGEST) {
            i = write_words(m, i, w);
            continue;
        }
        if (it->kind == LLM_RESULT)
            write_result(it, w);
        else if (sent->len > 0)
            json_w_raw(w, NULL, sent->ptr, sent->len);
        i++;
    }
    json_w_close_array(w);
}

int openai_write(const struct llm_planner *m, struct buf *body)
{
    struct json_w w;
    json_w_init(&w, body);
    json_w_object(&w, NULL);
    json_w_str(&w, "model", m->model);
    json_w_bool(&w, "stream", true);
    if ((m->left_out & NO_USAGE) == 0)
        json_w_raw(&w, "stream_options", "{\"include_usage\":true}", 22);
    if (sends_limit(m))
        json_w_int(&w, limit_name(m), m->max_tokens);
    if (sends_effort(m))
        json_w_str(&w, "reasoning_effort", m->effort);
    write_messages(m, &w);
    write_tools(m, &w);
    json_w_close_object(&w);
    return json_w_end(&w);
}

int openai_recall(const char *text, const struct planner_proposal *p, struct buf *wire)
{
    struct buf input = BUF_INIT(LLM_ITEM_MAX);
    struct json_w w;
    json_w_init(&w, wire);
    json_w_object(&w, NULL);
    json_w_str(&w, "role", "assistant");
    json_w_str(&w, "content", text);
    if (p != NULL) {
        struct json_w arguments;
        json_w_init(&arguments, &input);
        llm_execute_write(p, &arguments, NULL);
        w.failed |= json_w_end(&arguments) < 0;
        json_w_array(&w, "tool_calls");
        json_w_object(&w, NULL);
        json_w_str(&w, "id", p->call_id);
        json_w_str(&w, "type", "function");
        json_w_object(&w, "function");
        json_w_str(&w, "name", "execute_code");
        json_w_strn(&w, "arguments", buf_str(&input), input.len);
        json_w_close_object(&w);
        json_w_close_object(&w);
        json_w_close_array(&w);
    }
    json_w_close_object(&w);
    buf_release(&input);
    return json_w_end(&w);
}
