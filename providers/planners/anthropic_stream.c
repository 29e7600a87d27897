/* anthropic_stream.c - events in, blocks out. */
#include "providers/planners/anthropic_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "providers/planners/llm_tool.h"

void answer_init(struct answer *a, answer_tell_fn tell, void *arg)
{
    *a = (struct answer){ .tell = tell, .arg = arg };
}

static void block_free(struct answer_block *b)
{
    json_free(b->event);
    buf_release(&b->text);
    buf_release(&b->signature);
    free(b);
}

void answer_release(struct answer *a)
{
    for (size_t i = 0; i < a->count; i++)
        block_free(a->blocks[i]);
    a->count = 0;
}

void answer_copy_words(char *dst, size_t size, const char *src)
{
    snprintf(dst, size, "%s", src);
    size_t n = strlen(dst);
    while (n > 0 && strlen(src) > n && ((unsigned char)dst[n - 1] & 0x80) != 0)
        dst[--n] = '\0'; /* not in the middle of a character */
    for (char *p = dst; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = ' ';
    }
}

static void tell(struct answer *a, enum planner_event_kind kind, const char *language,
                 const char *p, size_t len)
{
    if (a->tell != NULL)
        a->tell(a->arg, kind, language, p, len);
}

/* ---- parts of an event ---- */

static void take_count(const struct json *usage, const char *key, int64_t *out, bool *has)
{
    int64_t n = json_get_int(usage, key, -1);
    if (n >= 0) {
        *out = n; /* cumulative: never added */
        *has = true;
    }
}

static void take_usage(struct answer *a, const struct json *usage)
{
    take_count(usage, "input_tokens", &a->usage.input, &a->has_usage);
    take_count(usage, "output_tokens", &a->usage.output, &a->has_usage);
    take_count(usage, "cache_read_input_tokens", &a->usage.cache_read, &a->has_usage);
    take_count(usage, "cache_creation_input_tokens", &a->usage.cache_write, &a->has_usage);
}

static int keep(struct answer *a, struct buf *b, const char *p, size_t len, struct err *e)
{
    a->bytes += len;
    if (a->bytes > ANSWER_BYTES_MAX || buf_add(b, p, len) < 0)
        return err_set(e, ERR_LIMIT, "the answer is longer than %zu MiB", ANSWER_BYTES_MAX >> 20);
    return 0;
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
    size_t count;
    const struct llm_tool *tools = llm_tools(&count);
    b->id = json_get_str(b->start, "id", "");
    b->name = json_get_str(b->start, "name", "");
    if (b->id[0] == '\0' || b->name[0] == '\0' || strlen(b->id) > 256)
        return err_set(e, ERR_FORMAT, "a tool call without id or name");
    for (size_t i = 0; i < a->count; i++) {
        if (a->blocks[i] != b && a->blocks[i]->kind == BLOCK_CALL &&
            strcmp(a->blocks[i]->id, b->id) == 0)
            return err_set(e, ERR_FORMAT, "two tool calls with one id");
    }
    for (size_t i = 0; i < count; i++)
        b->shows_code |= tools[i].streams && strcmp(tools[i].name, b->name) == 0;
    if (b->shows_code)
        tell(a, PLANNER_CODE_DELTA, "", "", 0);
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
    if (keep(a, &b->text, text, strlen(text), e) < 0)
        return -1;
    if (text[0] != '\0')
        tell(a, b->kind == BLOCK_TEXT ? PLANNER_DELTA : PLANNER_THINKING, "", text, strlen(text));
    if (signature[0] == '\0')
        return 0;
    b->has_signature = true;
    return keep(a, &b->signature, signature, strlen(signature), e);
}

static enum block_kind kind_of(const char *type)
{
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
    if (a->count == ANSWER_BLOCKS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d blocks in an answer", ANSWER_BLOCKS_MAX);
    struct answer_block *b = xcalloc(1, sizeof *b);
    b->kind = kind_of(json_get_str(start, "type", ""));
    b->index = index;
    b->event = *root;
    b->start = start;
    *root = NULL;
    buf_init(&b->text, ANSWER_BYTES_MAX);
    buf_init(&b->signature, ANSWER_BYTES_MAX);
    llm_preview_init(&b->preview);
    a->blocks[a->count++] = b;
    return take_beginning(a, b, e);
}

static void show_code(struct answer *a, struct answer_block *b, const char *p, size_t len)
{
    struct buf out = BUF_INIT(SSE_EVENT_MAX * 2);
    (void)llm_preview_feed(&b->preview, p, len, &out);
    if (out.len > 0)
        tell(a, PLANNER_CODE_DELTA, b->preview.language, out.ptr, out.len);
    buf_release(&out);
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
            return keep(a, &b->signature, p, len, e);
        }
        if (keep(a, &b->text, p, len, e) < 0)
            return -1;
        if (b->kind == BLOCK_CALL && b->shows_code)
            show_code(a, b, p, len);
        else if (b->kind != BLOCK_CALL && len > 0)
            tell(a, b->kind == BLOCK_TEXT ? PLANNER_DELTA : PLANNER_THINKING, "", p, len);
        return 0;
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

static int message_delta(struct answer *a, const struct json *root, struct err *e)
{
    const struct json *delta = json_get(root, "delta");
    const char *stop = json_get_str(delta, "stop_reason", NULL);
    take_usage(a, json_get(root, "usage"));
    if (stop == NULL)
        return 0;
    if (a->stop[0] != '\0' && strcmp(a->stop, stop) != 0)
        return err_set(e, ERR_FORMAT, "two different stop reasons");
    answer_copy_words(a->stop, sizeof a->stop, stop);
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
        if (!a->blocks[i]->whole && strcmp(a->stop, "tool_use") == 0)
            return err_set(e, ERR_FORMAT, "the answer ended inside a block");
    }
    a->ended = true;
    return 0;
}

static void take_error(struct answer *a, const struct json *root)
{
    const struct json *o = json_get(root, "error");
    a->refused = true;
    answer_copy_words(a->error_type, sizeof a->error_type, json_get_str(o, "type", "error"));
    answer_copy_words(a->error_message, sizeof a->error_message, json_get_str(o, "message", ""));
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

int answer_event(struct answer *a, const struct sse_event *ev, struct err *e)
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

int answer_echo(const struct answer *a, struct buf *wire, struct buf *plain)
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
