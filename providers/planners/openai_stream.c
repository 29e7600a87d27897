/* openai_stream.c - chunks in, blocks out. */
#include "providers/planners/openai_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_MAX   256
#define NAME_MAX 128

/* ---- prose and thoughts: one block each ---- */

static struct answer_block *block_of(struct answer *a, enum block_kind kind, struct err *e)
{
    for (size_t i = 0; i < a->count; i++) {
        if (a->blocks[i]->kind == kind)
            return a->blocks[i];
    }
    return answer_add_block(a, kind, -1, e);
}

static int add_prose(struct answer *a, const char *text, struct err *e)
{
    if (text[0] == '\0')
        return 0;
    struct answer_block *b = block_of(a, BLOCK_TEXT, e);
    return b == NULL ? -1 : answer_add_text(a, b, text, strlen(text), e);
}

/* They go back under the key they came in; a server that sends them under two says them twice. */
static int add_thought(struct answer *a, const char *key, const char *text, struct err *e)
{
    if (text[0] == '\0')
        return 0;
    struct answer_block *b = block_of(a, BLOCK_THINKING, e);
    if (b == NULL)
        return -1;
    if (b->name == NULL)
        b->name = xstrdup(key);
    return strcmp(b->name, key) != 0 ? 0 : answer_add_text(a, b, text, strlen(text), e);
}

/* Content in parts: prose, and thoughts with parts of their own. */
static int add_parts(struct answer *a, const struct json *parts, struct err *e)
{
    for (const struct json *p = json_first(parts); p != NULL; p = json_next(p)) {
        if (add_prose(a, json_get_str(p, "text", ""), e) < 0)
            return -1;
        const struct json *thoughts = json_get(p, "thinking");
        for (const struct json *t = json_first(thoughts); t != NULL; t = json_next(t)) {
            if (add_thought(a, "thinking", json_get_str(t, "text", ""), e) < 0)
                return -1;
        }
    }
    return 0;
}

/* ---- calls ---- */

/* Is the JSON of its arguments complete? */
static bool is_whole(const struct answer_block *b)
{
    return b->text.len > 0 && b->preview.depth == 0 && !b->preview.in_string;
}

/* A fragment with the index of `b`, or with none: does it begin another call? */
static bool begins_another(const struct answer_block *b, const char *id, const char *name,
                           bool has_arguments)
{
    bool other_id = id[0] != '\0' && b->id[0] != '\0' && strcmp(id, b->id) != 0;
    if (name[0] == '\0')
        return false; /* some change the id with every fragment */
    if (b->text.len == 0)
        return other_id && b->name[0] != '\0';
    return is_whole(b) && (has_arguments || other_id);
}

static struct answer_block *newest_call(const struct answer *a, int64_t index)
{
    for (size_t i = a->count; i-- > 0;) {
        struct answer_block *b = a->blocks[i];
        if (b->kind == BLOCK_CALL && (index < 0 || b->index == index))
            return b;
    }
    return NULL;
}

static struct answer_block *begin_call(struct answer *a, int64_t index, const char *id,
                                       const char *name, struct err *e)
{
    if (id[0] == '\0' && name[0] == '\0') {
        err_set(e, ERR_FORMAT, "a fragment of a call that never began");
        return NULL;
    }
    struct answer_block *b = answer_add_block(a, BLOCK_CALL, index, e);
    if (b == NULL)
        return NULL;
    b->id = xstrdup(id);
    b->name = xstrdup("");
    return b;
}

/* A name comes whole, in pieces, or again with every fragment. */
static int add_name(struct answer_block *b, const char *name, struct err *e)
{
    if (name[0] == '\0' || strcmp(b->name, name) == 0)
        return 0;
    if (strlen(b->name) + strlen(name) > NAME_MAX)
        return err_set(e, ERR_FORMAT, "the name of a call is too long");
    char *longer = xasprintf("%s%s", b->name, name);
    free(b->name);
    b->name = longer;
    return 0;
}

static int add_arguments(struct answer *a, struct answer_block *b, const struct json *v,
                         struct err *e)
{
    if (v == NULL)
        return 0;
    if (json_kind(v) == JSON_STRING) {
        const char *p = json_str(v, "");
        if (p[0] != '\0' && b->text.len == 0)
            answer_begin_call(a, b);
        return answer_add_text(a, b, p, strlen(p), e);
    }
    if (json_kind(v) != JSON_OBJECT || b->text.len > 0)
        return err_set(e, ERR_FORMAT, "the arguments of a call are neither text nor an object");
    struct buf text = BUF_INIT(ANSWER_BYTES_MAX);
    answer_begin_call(a, b);
    int rc = json_print(v, &text) < 0 ? err_set(e, ERR_LIMIT, "the arguments are too long")
                                      : answer_add_text(a, b, text.ptr, text.len, e);
    buf_release(&text);
    return rc;
}

static bool is_empty(const struct json *v)
{
    return v == NULL || (json_kind(v) == JSON_STRING && json_str(v, "")[0] == '\0');
}

/* `whole`: of a message, not of a delta; then each is a call of its own. */
static int add_call(struct answer *a, const struct json *call, bool whole, struct err *e)
{
    const struct json *function = json_get(call, "function");
    const char *id = json_get_str(call, "id", ""), *name = json_get_str(function, "name", "");
    const struct json *arguments = json_get(function, "arguments");
    int64_t index = json_get_int(call, "index", -1);
    if (strlen(id) > ID_MAX || (json_get(call, "index") != NULL && index < 0))
        return err_set(e, ERR_FORMAT, "a call with an id or an index that is none");
    struct answer_block *b = whole ? NULL : newest_call(a, index);
    if (b == NULL || begins_another(b, id, name, !is_empty(arguments)))
        b = begin_call(a, index, id, name, e);
    if (b == NULL || add_name(b, name, e) < 0)
        return -1;
    if (b->id[0] == '\0' && id[0] != '\0') {
        free(b->id);
        b->id = xstrdup(id);
    }
    return add_arguments(a, b, arguments, e);
}

static int add_calls(struct answer *a, const struct json *calls, bool whole, struct err *e)
{
    if (calls == NULL)
        return 0;
    if (json_kind(calls) != JSON_ARRAY)
        return err_set(e, ERR_FORMAT, "tool_calls that are no array");
    for (const struct json *c = json_first(calls); c != NULL; c = json_next(c)) {
        if (add_call(a, c, whole, e) < 0)
            return -1;
    }
    return 0;
}

/* ---- the end ---- */

static bool has_calls(const struct answer *a)
{
    return newest_call(a, -1) != NULL;
}

static bool id_is_free(const struct answer *a, size_t before, const char *id)
{
    for (size_t i = 0; i < before; i++) {
        if (a->blocks[i]->kind == BLOCK_CALL && strcmp(a->blocks[i]->id, id) == 0)
            return false;
    }
    return id[0] != '\0';
}

/* Results name the call they belong to: each needs an id, and one of its own. Nine letters and
 * digits, since there are servers that take nothing else. */
static int name_calls(struct answer *a, struct err *e)
{
    for (size_t i = 0; i < a->count; i++) {
        struct answer_block *b = a->blocks[i];
        if (b->kind != BLOCK_CALL)
            continue;
        if (b->name[0] == '\0')
            return err_set(e, ERR_FORMAT, "a call without a name");
        b->whole = true;
        if (id_is_free(a, i, b->id))
            continue;
        free(b->id);
        b->id = xasprintf("a%05u%03u", a->serial % 100000, (unsigned)i);
    }
    return 0;
}

/* `stop` with calls is what servers say that were told which tool to take, and many others. */
static enum answer_why why_of(const struct answer *a, const char *reason)
{
    static const struct {
        const char *reason;
        enum answer_why why;
    } words[] = { { "stop", WHY_END },         { "tool_calls", WHY_CALLS },
                  { "length", WHY_CUT },       { "max_tokens", WHY_CUT },
                  { "model_length", WHY_CUT }, { "content_filter", WHY_REFUSAL } };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i].reason, reason) != 0)
            continue;
        if (words[i].why == WHY_END || words[i].why == WHY_CALLS)
            return has_calls(a) ? WHY_CALLS : WHY_END;
        return words[i].why;
    }
    return WHY_OTHER;
}

static int end_choice(struct answer *a, const char *reason, struct err *e)
{
    if (reason[0] == '\0')
        return 0;
    if (a->may_end)
        return strcmp(a->stop, reason) == 0 ? 0
                                            : err_set(e, ERR_FORMAT,
                                                      "two different reasons "
                                                      "for its end");
    answer_copy_words(a->stop, sizeof a->stop, reason);
    if (strcmp(reason, "error") == 0 || strcmp(reason, "insufficient_system_resource") == 0) {
        a->refused = a->passing = true;
        answer_copy_words(a->error_type, sizeof a->error_type, reason);
        return 0;
    }
    a->may_end = true;
    a->why = a->stop_detail[0] != '\0' ? WHY_REFUSAL : why_of(a, reason);
    return name_calls(a, e);
}

/* ---- chunks ---- */

static void take_usage(struct answer *a, const struct json *usage)
{
    int64_t cached = json_get_int(json_get(usage, "prompt_tokens_details"), "cached_tokens", 0);
    if (usage == NULL || json_kind(usage) != JSON_OBJECT)
        return;
    answer_take_count(a, usage, "prompt_tokens", &a->usage.input);
    answer_take_count(a, usage, "completion_tokens", &a->usage.output);
    a->usage.cache_read = 0;
    if (cached > 0 && cached <= json_get_int(usage, "prompt_tokens", 0)) {
        a->usage.input -= cached;
        a->usage.cache_read = cached;
    }
}

/* The words of an error are in an object, a string, or the event itself. */
static void take_error(struct answer *a, const struct json *error)
{
    static const char *const passing[] = { "overloaded", "rate_limit", "server_error",
                                           "api_error",  "timeout",    "unavailable" };
    int64_t status = json_get_int(error, "code", 0);
    const char *type = json_get_str(error, "type", json_get_str(error, "code", "error"));
    a->refused = true;
    a->passing = status == 429 || (status >= 500 && status <= 599);
    for (size_t i = 0; i < ARRAY_LEN(passing); i++)
        a->passing |= strstr(type, passing[i]) != NULL;
    answer_copy_words(a->error_type, sizeof a->error_type, type);
    answer_copy_words(a->error_message, sizeof a->error_message,
                      json_get_str(error, "message", json_str(error, "")));
}

static bool says_nothing(const struct json *delta)
{
    const struct json *calls = json_get(delta, "tool_calls");
    return is_empty(json_get(delta, "content")) && is_empty(json_get(delta, "reasoning_content")) &&
           is_empty(json_get(delta, "reasoning")) && (calls == NULL || json_len(calls) == 0);
}

static int add_delta(struct answer *a, const struct json *delta, bool whole, struct err *e)
{
    const struct json *content = json_get(delta, "content");
    if (a->may_end && !says_nothing(delta))
        return err_set(e, ERR_FORMAT, "something follows the end of the answer");
    const char *no = json_get_str(delta, "refusal", "");
    if (no[0] != '\0')
        answer_copy_words(a->stop_detail, sizeof a->stop_detail, no);
    if (add_thought(a, "reasoning_content", json_get_str(delta, "reasoning_content", ""), e) < 0 ||
        add_thought(a, "reasoning", json_get_str(delta, "reasoning", ""), e) < 0)
        return -1;
    if (content != NULL && json_kind(content) == JSON_ARRAY
            ? add_parts(a, content, e) < 0
            : add_prose(a, json_str(content, ""), e) < 0)
        return -1;
    return add_calls(a, json_get(delta, "tool_calls"), whole, e);
}

static int add_choice(struct answer *a, const struct json *choice, struct err *e)
{
    const struct json *delta = json_get(choice, "delta"), *message = json_get(choice, "message");
    if (json_get_int(choice, "index", 0) != 0)
        return 0; /* we asked for one */
    if (add_delta(a, delta != NULL ? delta : message, delta == NULL, e) < 0)
        return -1;
    return end_choice(a, json_get_str(choice, "finish_reason", ""), e);
}

static int read_chunk(struct answer *a, const struct json *root, struct err *e)
{
    const struct json *error = json_get(root, "error");
    if (error != NULL || strcmp(json_get_str(root, "object", ""), "error") == 0) {
        take_error(a, error != NULL ? error : root);
        return 0;
    }
    const struct json *choices = json_get(root, "choices");
    if (choices != NULL && json_kind(choices) != JSON_ARRAY)
        return err_set(e, ERR_FORMAT, "choices that are no array");
    for (const struct json *c = json_first(choices); c != NULL && !a->refused; c = json_next(c)) {
        a->begun = true;
        if (add_choice(a, c, e) < 0)
            return -1;
    }
    take_usage(a, json_get(root, "usage"));
    return 0;
}

static bool is_done(const struct sse_event *ev)
{
    return ev->data_len == 6 && memcmp(ev->data, "[DONE]", 6) == 0;
}

int openai_event(struct answer *a, const struct sse_event *ev, struct err *e)
{
    struct json *root = NULL;
    if (a->refused)
        return 0;
    if (a->ended)
        return err_set(e, ERR_FORMAT, "something follows the end of the answer");
    if (is_done(ev)) {
        a->ended = true;
        return a->may_end ? 0 : err_set(e, ERR_FORMAT, "the answer ended without a reason");
    }
    if (json_parse(&root, ev->data, ev->data_len, e) < 0)
        return err_wrap(e, "a chunk that is no JSON");
    int rc = read_chunk(a, root, e);
    json_free(root);
    return rc;
}

/* ---- the echo ---- */

/* What servers take as the name of a function; one that is none of ours may be anything. */
static void write_name(struct json_w *w, const char *name)
{
    char plain[65];
    size_t n = 0;
    for (; name[n] != '\0' && n + 1 < sizeof plain; n++)
        plain[n] = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-",
                          name[n]) != NULL
                       ? name[n]
                       : '_';
    plain[n] = '\0';
    json_w_str(w, "name", plain);
}

/* As they came, when they are an object: there are servers that read them again. */
static void write_arguments(struct json_w *w, const struct answer_block *b)
{
    struct json *o = NULL;
    bool fine = b->text.len > 0 && json_parse(&o, b->text.ptr, b->text.len, NULL) == 0 &&
                json_kind(o) == JSON_OBJECT;
    json_w_strn(w, "arguments", fine ? b->text.ptr : "{}", fine ? b->text.len : 2);
    json_free(o);
}

static void write_call(struct json_w *w, const struct answer_block *b)
{
    json_w_object(w, NULL);
    json_w_str(w, "id", b->id);
    json_w_str(w, "type", "function");
    json_w_object(w, "function");
    write_name(w, b->name);
    write_arguments(w, b);
    json_w_close_object(w);
    json_w_close_object(w);
}

static const struct answer_block *first_of(const struct answer *a, enum block_kind kind)
{
    for (size_t i = 0; i < a->count; i++) {
        if (a->blocks[i]->kind == kind)
            return a->blocks[i];
    }
    return NULL;
}

static int write_message(const struct answer *a, bool thoughts, struct buf *out)
{
    const struct answer_block *text = first_of(a, BLOCK_TEXT);
    const struct answer_block *thought = first_of(a, BLOCK_THINKING);
    struct json_w w;
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_str(&w, "role", "assistant");
    if (text != NULL)
        json_w_strn(&w, "content", text->text.ptr, text->text.len);
    else
        json_w_null(&w, "content");
    if (thoughts && thought != NULL && strncmp(thought->name, "reasoning", 9) == 0)
        json_w_strn(&w, thought->name, thought->text.ptr, thought->text.len);
    if (has_calls(a)) {
        json_w_array(&w, "tool_calls");
        for (size_t i = 0; i < a->count; i++) {
            if (a->blocks[i]->kind == BLOCK_CALL)
                write_call(&w, a->blocks[i]);
        }
        json_w_close_array(&w);
    }
    json_w_close_object(&w);
    return json_w_end(&w);
}

int openai_echo(const struct answer *a, struct buf *wire, struct buf *plain)
{
    if (first_of(a, BLOCK_TEXT) == NULL && !has_calls(a))
        return 0;
    return write_message(a, true, wire) < 0 || write_message(a, false, plain) < 0 ? -1 : 0;
}
