/* anthropic_wire.c - the body of POST /v1/messages. No tool that the server would run is ever
 * declared. [claude.md §3, §5] */
#include "providers/planners/anthropic.h"

#include <string.h>

static void write_tools(struct json_w *w)
{
    size_t count;
    const struct llm_tool *tools = llm_tools(&count);
    json_w_array(w, "tools");
    for (size_t i = 0; i < count; i++) {
        json_w_object(w, NULL);
        json_w_str(w, "name", tools[i].name);
        json_w_str(w, "description", tools[i].description);
        if (tools[i].streams)
            json_w_bool(w, "eager_input_streaming", true);
        json_w_raw(w, "input_schema", tools[i].schema, strlen(tools[i].schema));
        json_w_close_object(w);
    }
    json_w_close_array(w);
    json_w_object(w, "tool_choice");
    json_w_str(w, "type", "auto");
    json_w_bool(w, "disable_parallel_tool_use", true);
    json_w_close_object(w);
}

static void write_system(const struct llm_planner *m, struct json_w *w)
{
    struct buf text = BUF_INIT((size_t)64 << 10);
    llm_system_text(m, &text);
    json_w_str(w, "system", buf_str(&text));
    buf_release(&text);
}

static void write_item(const struct llm_item *it, struct json_w *w)
{
    const struct buf *text = llm_item_sent(it);
    json_w_object(w, NULL);
    if (it->kind == LLM_RESULT) {
        json_w_str(w, "type", "tool_result");
        json_w_str(w, "tool_use_id", it->call_id);
        json_w_strn(w, "content", text->ptr, text->len);
        if (it->is_error)
            json_w_bool(w, "is_error", true);
    } else {
        json_w_str(w, "type", "text");
        json_w_strn(w, "text", text->ptr, text->len);
    }
    json_w_close_object(w);
}

/* What one side says in a row is one message; results follow their answer directly, so they come
 * first in theirs. */
static void write_messages(const struct llm_planner *m, struct json_w *w)
{
    const char *speaker = NULL;
    json_w_array(w, "messages");
    for (size_t i = 0; i < m->talk.count; i++) {
        const struct llm_item *it = &m->talk.items[i];
        const struct buf *sent = llm_item_sent(it);
        const char *role = it->kind == LLM_ANSWER ? "assistant" : "user";
        if (sent->len == 0)
            continue;
        if (speaker != NULL && strcmp(speaker, role) != 0) {
            json_w_close_array(w);
            json_w_close_object(w);
        }
        if (speaker == NULL || strcmp(speaker, role) != 0) {
            json_w_object(w, NULL);
            json_w_str(w, "role", role);
            json_w_array(w, "content");
        }
        speaker = role;
        if (it->kind == LLM_ANSWER)
            json_w_raw(w, NULL, sent->ptr, sent->len);
        else
            write_item(it, w);
    }
    if (speaker != NULL) {
        json_w_close_array(w);
        json_w_close_object(w);
    }
    json_w_close_array(w);
}

int anthropic_write(const struct llm_planner *m, struct buf *body)
{
    struct json_w w;
    json_w_init(&w, body);
    json_w_object(&w, NULL);
    json_w_str(&w, "model", m->model);
    json_w_int(&w, "max_tokens", m->max_tokens);
    json_w_bool(&w, "stream", true);
    write_system(m, &w);
    write_tools(&w);
    if (strcmp(m->facts.thinking, "adaptive") == 0)
        json_w_raw(&w, "thinking", "{\"type\":\"adaptive\",\"display\":\"summarized\"}", 42);
    if (m->effort[0] != '\0') {
        json_w_object(&w, "output_config");
        json_w_str(&w, "effort", m->effort);
        json_w_close_object(&w);
    }
    json_w_raw(&w, "cache_control", "{\"type\":\"ephemeral\"}", 20);
    write_messages(m, &w);
    json_w_close_object(&w);
    return json_w_end(&w);
}

int anthropic_recall(const char *text, const struct planner_proposal *p, struct buf *wire)
{
    struct json_w w;
    int rc = 0;
    if (text != NULL) {
        json_w_init(&w, wire);
        json_w_object(&w, NULL);
        json_w_str(&w, "type", "text");
        json_w_strn(&w, "text", text, strlen(text));
        json_w_close_object(&w);
        rc = json_w_end(&w);
    }
    if (p == NULL || rc < 0)
        return rc;
    if (text != NULL && buf_add_char(wire, ',') < 0)
        return -1;
    json_w_init(&w, wire);
    json_w_object(&w, NULL);
    json_w_str(&w, "type", "tool_use");
    json_w_str(&w, "id", p->call_id);
    json_w_str(&w, "name", "execute_code");
    llm_execute_write(p, &w, "input");
    json_w_close_object(&w);
    return json_w_end(&w);
}
