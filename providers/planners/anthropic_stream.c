/* anthropic_stream.c - events in, blocks out. */
#include "providers/planners/anthropic_stream.h"

#include <string.h>

/* ---- parts of an event ---- */

static void take_usage(struct answer *a, const struct json *usage)
{
    answer_take_count(a, usage, "input_tokens", &a->usage.input);
    answer_take_count(a, usage, "output_tokens", &a->usage.output);
    answer_take_count(a, usage, "cache_read_input_tokens", &a->usage.cache_read);
    answer_take_count(a, usage, "cache_creation_input_tokens", &a->usage.cache_write);
}

static struct answer_block *find(struct answer *a, int64_t index)
{
    for (size_t i = 0; i < a->count; i++) {
        if (a->blocks[i]->index == index)
            return a->blocks[i];
    }
    return NULL;
}

static int take_call(struct answer *a, struct answer_block *b, struct err *e)
{
    b->id = xstrdup(json_get_str(b->start, "id", ""));
    b->name = xstrdup(json_get_str(b->start, "name", ""));
    if (b->id[0] == '\0' || b->name[0] == '\0' || strlen(b->id) > 256)
        return err_set(e, ERR_FORMAT, "a tool call without id or name");
    for (size_t i = 0; i < a->count; i++) {
        if (a->blocks[i] != b && a->blocks[i]->kind == BLOCK_CALL &&
            strcmp(a->blocks[i]->id, b->id) == 0)
            return err_set(e, ERR_FORMAT, "two tool calls with one id");
    }
    answer_begin_call(a, b);
    return 0;
}

/* What a block already holds when it begins: mostly nothing. */
static int take_beginning(struct answer *a, struct answer_block *b, struct err *e)
{
    const char *key = b->kind == BLOCK_TEXT ? "text" : "thinking";
    if (b->kind == BLOCK_CALL)
        return take_call(a, b, e);
    if (b->kind == BLOCK_OTHER)
        return 0;
    const char *text = json_get_str(b->start, key, "");
    const char *signature = json_get_str(b->start, "signature", "");
    if (answer_add_text(a, b, text, strlen(text), e) < 0)
        return -1;
    if (signature[0] == '\0')
        return 0;
    b->has_signature = true;
    return answer_keep(a, &b->signature, signature, strlen(signature), e);
}

static enum block_kind kind_of(const struct answer *a, const char *type)
{
    if (a->takes_server_calls && strcmp(type, "server_tool_use") == 0)
        return BLOCK_CALL;
    if (strcmp(type, "text") == 0)
        return BLOCK_TEXT;
    if (strcmp(type, "thinking") == 0)
        return BLOCK_THINKING;
    return strcmp(type, "tool_use") == 0 ? BLOCK_CALL : BLOCK_OTHER;
}

/* Takes `*root`. */
static int block_start(struct answer *a, struct json **root, struct err *e)
{
    const struct json *start = json_get(*root, "content_block");
    int64_t index = json_get_int(*root, "index", -1);
    if (start == NULL || json_kind(start) != JSON_OBJECT || index < 0)
        return err_set(e, ERR_FORMAT, "content_block_start without index or block");
    if (find(a, index) != NULL)
        return err_set(e, ERR_FORMAT, "block %d begins twice", (int)index);
    struct answer_block *b =
        answer_add_block(a, kind_of(a, json_get_str(start, "type", "")), index, e);
    if (b == NULL)
        return -1;
    b->event = *root;
    b->start = start;
    *root = NULL;
    return take_beginning(a, b, e);
}

static int take_delta(struct answer *a, struct answer_block *b, const struct json *delta,
                      struct err *e)
{
    static const struct {
        const char *type, *key;
        enum block_kind kind;
    } deltas[] = { { "text_delta", "text", BLOCK_TEXT },
                   { "thinking_delta", "thinking", BLOCK_THINKING },
                   { "signature_delta", "signature", BLOCK_THINKING },
                   { "input_json_delta", "partial_json", BLOCK_CALL } };
    const char *type = json_get_str(delta, "type", "");
    for (size_t i = 0; i < ARRAY_LEN(deltas); i++) {
        if (strcmp(deltas[i].type, type) != 0)
            continue;
        const char *p = json_get_str(delta, deltas[i].key, NULL);
        if (b->kind == BLOCK_OTHER)
            return 0; /* input of a call that is not ours: never a call of ours */
        if (p == NULL || deltas[i].kind != b->kind)
            return err_set(e, ERR_FORMAT, "a %s where it can't be", type);
        size_t len = strlen(p);
        if (i == 2) {
            buf_reset(&b->signature); /* whole: it replaces */
            b->has_signature = true;
            return answer_keep(a, &b->signature, p, len, e);
        }
        return answer_add_text(a, b, p, len, e);
    }
    return 0; /* a kind of delta we don't know */
}

static int block_delta(struct answer *a, const struct json *root, struct err *e)
{
    struct answer_block *b = find(a, json_get_int(root, "index", -1));
    if (b == NULL || b->whole)
        return err_set(e, ERR_FORMAT, "a delta for a block that is not open");
    return take_delta(a, b, json_get(root, "delta"), e);
}

static int block_stop(struct answer *a, const struct json *root, struct err *e)
{
    struct answer_block *b = find(a, json_get_int(root, "index", -1));
    if (b == NULL || b->whole)
        return err_set(e, ERR_FORMAT, "the end of a block that is not open");
    b->whole = true;
    return 0;
}

static enum answer_why why_of(const char *stop)
{
    static const struct {
        const char *stop;
        enum answer_why why;
    } words[] = { { "end_turn", WHY_END },    { "tool_use", WHY_CALLS },
                  { "max_tokens", WHY_CUT },  { "pause_turn", WHY_PAUSE },
                  { "refusal", WHY_REFUSAL }, { "model_context_window_exceeded", WHY_FULL } };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i].stop, stop) == 0)
            return words[i].why;
    }
    return WHY_OTHER;
}

/* The last one told counts; none is no news. [claude.md §12] */
static void take_container(struct answer *a, const struct json *container)
{
    const char *id = json_get_str(container, "id", "");
    if (id[0] == '\0' || strlen(id) >= sizeof a->container ||
        strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") !=
            strlen(id))
        return;
    memcpy(a->container, id, strlen(id) + 1);
    answer_copy_words(a->container_expires, sizeof a->container_expires,
                      json_get_str(container, "expires_at", ""));
}

static int message_delta(struct answer *a, const struct json *root, struct err *e)
{
    const struct json *delta = json_get(root, "delta");
    const char *stop = json_get_str(delta, "stop_reason", NULL);
    take_usage(a, json_get(root, "usage"));
    take_container(a, json_get(delta, "container"));
    if (stop == NULL)
        return 0;
    if (a->stop[0] != '\0' && strcmp(a->stop, stop) != 0)
        return err_set(e, ERR_FORMAT, "two different stop reasons");
    answer_copy_words(a->stop, sizeof a->stop, stop);
    a->why = why_of(stop);
    const struct json *details = json_get(delta, "stop_details");
    const char *why = json_get_str(details, "explanation", json_get_str(details, "category", ""));
    answer_copy_words(a->stop_detail, sizeof a->stop_detail, why);
    return 0;
}

static int message_stop(struct answer *a, struct err *e)
{
    if (a->stop[0] == '\0')
        return err_set(e, ERR_FORMAT, "the answer ended without a stop reason");
    for (size_t i = 0; i < a->count; i++) {
        if (!a->blocks[i]->whole && a->why == WHY_CALLS)
            return err_set(e, ERR_FORMAT, "the answer ended inside a block");
    }
    a->ended = true;
    return 0;
}

static void take_error(struct answer *a, const struct json *root)
{
    static const char *const passing[] = { "overloaded_error", "api_error", "timeout_error",
                                           "rate_limit_error" };
    const struct json *o = json_get(root, "error");
    a->refused = true;
    answer_copy_words(a->error_type, sizeof a->error_type, json_get_str(o, "type", "error"));
    answer_copy_words(a->error_message, sizeof a->error_message, json_get_str(o, "message", ""));
    for (size_t i = 0; i < ARRAY_LEN(passing); i++)
        a->passing |= strcmp(a->error_type, passing[i]) == 0;
}

/* Takes *root when it wants to keep it. */
static int dispatch(struct answer *a, const char *type, struct json **root, struct err *e)
{
    if (strcmp(type, "ping") == 0)
        return 0;
    if (strcmp(type, "error") == 0) {
        take_error(a, *root);
        return 0;
    }
    if (a->ended)
        return err_set(e, ERR_FORMAT, "something follows the end of the answer");
    if (strcmp(type, "message_start") == 0) {
        if (a->begun)
            return err_set(e, ERR_FORMAT, "the answer begins twice");
        a->begun = true;
        take_usage(a, json_get(json_get(*root, "message"), "usage"));
        take_container(a, json_get(json_get(*root, "message"), "container"));
        return 0;
    }
    static const char *const inside[] = { "content_block_start", "content_block_delta",
                                          "content_block_stop", "message_delta", "message_stop" };
    size_t i = 0;
    while (i < ARRAY_LEN(inside) && strcmp(inside[i], type) != 0)
        i++;
    if (i == ARRAY_LEN(inside))
        return 0; /* an event we don't know */
    if (!a->begun)
        return err_set(e, ERR_FORMAT, "%s before message_start", type);
    switch (i) {
    case 0:
        return block_start(a, root, e);
    case 1:
        return block_delta(a, *root, e);
    case 2:
        return block_stop(a, *root, e);
    case 3:
        return message_delta(a, *root, e);
    default:
        return message_stop(a, e);
    }
}

int anthropic_event(struct answer *a, const struct sse_event *ev, struct err *e)
{
    struct json *root = NULL;
    if (a->refused)
        return 0;
    if (json_parse(&root, ev->data, ev->data_len, e) < 0)
        return err_wrap(e, "an event that is no JSON");
    int rc = dispatch(a, json_get_str(root, "type", ""), &root, e);
    json_free(root);
    return rc;
}

/* ---- the echo ---- */

/* The input as it came, when it is an object; the API takes nothing else. */
static void write_input(struct json_w *w, const struct answer_block *b)
{
    struct json *o = NULL;
    if (b->text.len > 0 && json_parse(&o, b->text.ptr, b->text.len, NULL) == 0 &&
        json_kind(o) == JSON_OBJECT)
        json_w_raw(w, "input", b->text.ptr, b->text.len);
    else
        json_w_raw(w, "input", "{}", 2);
    json_free(o);
}

/* As the API's keys are; the writer takes no others. */
static bool is_plain_key(const char *key)
{
    return key[0] != '\0' && key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static int write_block(const struct answer_block *b, struct buf *out)
{
    static const char *const text_key[] = { "text", "thinking", "input", "" };
    struct json_w w;
    if (b->kind == BLOCK_OTHER)
        return json_print(b->start, out);
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    for (const struct json *m = json_first(b->start); m != NULL; m = json_next(m)) {
        const char *key = json_key(m);
        if (is_plain_key(key) && strcmp(key, text_key[b->kind]) != 0 &&
            strcmp(key, "signature") != 0)
            json_w_value(&w, key, m);
    }
    if (b->kind == BLOCK_CALL)
        write_input(&w, b);
    else
        json_w_strn(&w, text_key[b->kind], b->text.ptr, b->text.len);
    if (b->kind == BLOCK_THINKING)
        json_w_strn(&w, "signature", b->signature.ptr, b->signature.len);
    json_w_close_object(&w);
    return json_w_end(&w);
}

static bool is_thinking(const struct answer_block *b)
{
    return b->kind == BLOCK_THINKING ||
           strcmp(json_get_str(b->start, "type", ""), "redacted_thinking") == 0;
}

static int add(struct buf *out, const struct buf *one)
{
    if (out->len > 0 && buf_add_char(out, ',') < 0)
        return -1;
    return buf_add(out, one->ptr, one->len);
}

int anthropic_echo(const struct answer *a, struct buf *wire, struct buf *plain)
{
    int rc = 0;
    for (size_t i = 0; i < a->count && rc == 0; i++) {
        const struct answer_block *b = a->blocks[i];
        struct buf one = BUF_INIT(ANSWER_BYTES_MAX * 2);
        if (b->kind == BLOCK_TEXT && b->text.len == 0)
            continue; /* the API refuses an empty one */
        rc = write_block(b, &one);
        if (rc == 0)
            rc = add(wire, &one);
        if (rc == 0 && !is_thinking(b))
            rc = add(plain, &one);
        buf_release(&one);
    }
    return rc;
}
