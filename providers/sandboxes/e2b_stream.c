/* e2b_stream.c - the lines of the code interpreter's answer. */
#include "providers/sandboxes/e2b_stream.h"

#include <string.h>

#include "base/json.h"
#include "base/json_flat.h"

#define ERROR_TEXT_MAX ((size_t)1 << 20)
#define MIME_MAX       100

/* ---- members of a line */

struct line {
    struct e2b_stream *s;
    struct json_member type, text, name, value, traceback, main;
};

static void keep_member(void *arg, const struct json_member *m)
{
    struct line *l = arg;
    static const struct {
        const char *key;
        size_t at;
    } known[] = {
        { "type", offsetof(struct line, type) },
        { "text", offsetof(struct line, text) },
        { "name", offsetof(struct line, name) },
        { "value", offsetof(struct line, value) },
        { "traceback", offsetof(struct line, traceback) },
        { "is_main_result", offsetof(struct line, main) },
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        struct json_member *to = (struct json_member *)((char *)l + known[i].at);
        if (!json_member_is(m, known[i].key))
            continue;
        if (to->raw != NULL)
            err_set(&l->s->first_bad, ERR_FORMAT, "a line has '%s' twice", known[i].key);
        *to = *m;
    }
}

static bool raw_is(const struct json_member *m, const char *raw)
{
    return m->raw != NULL && m->raw_len == strlen(raw) && memcmp(m->raw, raw, m->raw_len) == 0;
}

static bool type_is(const struct line *l, const char *type)
{
    return l->type.raw_len == strlen(type) + 2 &&
           memcmp(l->type.raw + 1, type, l->type.raw_len - 2) == 0;
}

/* ---- output */

static int tell_output(struct line *l, enum sandbox_stream stream, struct err *e)
{
    struct e2b_stream *s = l->s;
    if (l->text.raw == NULL)
        return err_set(e, ERR_FORMAT, "an output line has no text");
    buf_reset(&s->a);
    if (json_member_bytes(&l->text, &s->a, e) < 0)
        return -1;
    if (s->a.len > 0)
        s->told.output(s->told.arg, stream, s->a.ptr, s->a.len);
    return 0;
}

/* ---- results */

static const struct {
    const char *key, *mime;
    enum { AS_TEXT, AS_BASE64, AS_JSON } as;
} parts[] = {
    { "text", "text/plain", AS_TEXT },
    { "html", "text/html", AS_TEXT },
    { "markdown", "text/markdown", AS_TEXT },
    { "svg", "image/svg+xml", AS_TEXT },
    { "png", "image/png", AS_BASE64 },
    { "jpeg", "image/jpeg", AS_BASE64 },
    { "pdf", "application/pdf", AS_BASE64 },
    { "latex", "text/latex", AS_TEXT },
    { "json", "application/json", AS_JSON },
    { "javascript", "application/javascript", AS_TEXT },
    { "data", "application/vnd.e2b.data+json", AS_JSON },
    { "chart", "application/vnd.e2b.chart+json", AS_JSON },
};

struct result {
    struct e2b_stream *s;
    bool main, failed;
    struct err err;
};

/* Base64 as notebooks carry it: with line ends. */
static int decode_image(struct e2b_stream *s, struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < s->a.len; i++) {
        char c = s->a.ptr[i];
        if (c != '\n' && c != '\r')
            s->a.ptr[n++] = c;
    }
    buf_truncate(&s->a, n);
    buf_reset(&s->b);
    return base64_decode(&s->b, buf_str(&s->a), s->a.len, e);
}

static void tell_part(struct result *r, const char *mime, const struct json_member *m, int as)
{
    struct e2b_stream *s = r->s;
    buf_reset(&s->a);
    if (json_member_is_null(m) || r->failed)
        return;
    if (as != AS_JSON && json_member_bytes(m, &s->a, &r->err) < 0) {
        r->failed = true;
        return;
    }
    if (as == AS_JSON)
        s->told.result(s->told.arg, mime, m->raw, m->raw_len, r->main);
    else if (as == AS_BASE64 && decode_image(s, &r->err) == 0)
        s->told.result(s->told.arg, mime, buf_str(&s->b), s->b.len, r->main);
    else if (as == AS_TEXT)
        s->told.result(s->told.arg, mime, buf_str(&s->a), s->a.len, r->main);
    else
        r->failed = true;
}

/* A MIME type of its own: what notebooks know as text comes as text, the rest as its JSON. */
static void tell_extra(void *arg, const struct json_member *m)
{
    struct result *r = arg;
    char mime[MIME_MAX];
    if (m->key_len == 0 || m->key_len >= sizeof mime || memchr(m->key, '\\', m->key_len) != NULL)
        return;
    memcpy(mime, m->key, m->key_len);
    mime[m->key_len] = '\0';
    tell_part(r, mime, m, json_member_is_string(m) ? AS_TEXT : AS_JSON);
}

static void tell_member(void *arg, const struct json_member *m)
{
    struct result *r = arg;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (json_member_is(m, parts[i].key)) {
            tell_part(r, parts[i].mime, m, parts[i].as);
            return;
        }
    }
    if (json_member_is(m, "extra") && !json_member_is_null(m) &&
        json_flat_read(m->raw, m->raw_len, tell_extra, r, &r->err) < 0)
        r->failed = true;
}

static int tell_result(struct line *l, const char *ptr, size_t len, struct err *e)
{
    struct result r = { .s = l->s, .main = raw_is(&l->main, "true") };
    if (json_flat_read(ptr, len, tell_member, &r, e) < 0)
        return -1;
    if (r.failed)
        *e = r.err;
    return r.failed ? -1 : 0;
}

/* ---- errors */

static int need(const struct json_member *m, struct buf *out, struct err *e)
{
    buf_reset(out);
    if (m->raw == NULL || json_member_is_null(m))
        return 0;
    return json_member_bytes(m, out, e);
}

static enum e2b_trouble trouble_of(const char *name)
{
    static const struct {
        const char *name;
        enum e2b_trouble trouble;
    } known[] = {
        { "ContextRestarting", E2B_KERNEL_DIED },
        { "WebSocketError", E2B_LINK_LOST },
        { "UnexpectedEndOfExecution", E2B_LINK_LOST },
        { "ExecutionAborted", E2B_ABORTED },
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].trouble;
    return E2B_NO_TROUBLE;
}

/* Code can raise a class of any name, but then there is a traceback. */
static int take_error(struct line *l, struct err *e)
{
    struct e2b_stream *s = l->s;
    if (need(&l->name, &s->a, e) < 0 || need(&l->value, &s->b, e) < 0 ||
        need(&l->traceback, &s->c, e) < 0)
        return -1;
    enum e2b_trouble trouble = s->c.len == 0 ? trouble_of(buf_str(&s->a)) : E2B_NO_TROUBLE;
    if (trouble != E2B_NO_TROUBLE) {
        if (s->trouble == E2B_NO_TROUBLE)
            s->trouble = trouble;
        return 0;
    }
    if (s->has_error)
        return 0;
    s->has_error = true;
    (void)buf_add(&s->name, buf_str(&s->a), s->a.len);
    (void)buf_add(&s->value, buf_str(&s->b), s->b.len);
    size_t keep = s->c.len < ERROR_TEXT_MAX ? s->c.len : ERROR_TEXT_MAX;
    (void)buf_add(&s->traceback, buf_str(&s->c), keep);
    return 0;
}

/* ---- lines */

static int read_line(struct e2b_stream *s, const char *ptr, size_t len, struct err *e)
{
    struct line l = { .s = s };
    err_clear(&s->first_bad);
    if (json_flat_read(ptr, len, keep_member, &l, e) < 0)
        return -1;
    if (s->first_bad.code != ERR_NONE)
        *e = s->first_bad;
    if (s->first_bad.code != ERR_NONE)
        return -1;
    if (l.type.raw == NULL || !json_member_is_string(&l.type))
        return err_set(e, ERR_FORMAT, "a line has no type");
    if (type_is(&l, "stdout"))
        return tell_output(&l, STREAM_STDOUT, e);
    if (type_is(&l, "stderr"))
        return tell_output(&l, STREAM_STDERR, e);
    if (type_is(&l, "result"))
        return tell_result(&l, ptr, len, e);
    if (type_is(&l, "error"))
        return take_error(&l, e);
    if (type_is(&l, "number_of_executions"))
        s->begun = true;
    if (type_is(&l, "unexpected_end_of_execution"))
        s->trouble = E2B_LINK_LOST;
    s->ended |= type_is(&l, "end_of_execution") || type_is(&l, "unexpected_end_of_execution");
    return 0; /* others, keepalives among them, mean nothing to us */
}

static void on_line(void *arg, const char *line, size_t len)
{
    struct e2b_stream *s = arg;
    struct err e = ERR_INIT, first = s->first_bad;
    if (s->ended)
        return;
    s->any = true;
    int rc = read_line(s, line, len, &e);
    s->first_bad = rc < 0 && s->bad_lines == 0 ? e : first;
    if (rc < 0)
        s->bad_lines++;
}

void e2b_stream_init(struct e2b_stream *s, const struct e2b_stream_told *told)
{
    *s = (struct e2b_stream){ .told = *told };
    ndjson_init(&s->lines, NDJSON_LINE_MAX, on_line, s);
    struct buf *all[] = { &s->a, &s->b, &s->c, &s->name, &s->value, &s->traceback };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_init(all[i], NDJSON_LINE_MAX);
}

void e2b_stream_release(struct e2b_stream *s)
{
    struct buf *all[] = { &s->a, &s->b, &s->c, &s->name, &s->value, &s->traceback };
    ndjson_release(&s->lines);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_release(all[i]);
}

void e2b_stream_reset(struct e2b_stream *s)
{
    struct e2b_stream_told told = s->told;
    e2b_stream_release(s);
    e2b_stream_init(s, &told);
}

int e2b_stream_feed(struct e2b_stream *s, const char *p, size_t len, struct err *e)
{
    return ndjson_feed(&s->lines, p, len, e);
}
