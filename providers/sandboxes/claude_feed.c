/* claude_feed.c - events out of a stream and a history, each one once. */
#include "providers/sandboxes/claude_feed.h"

#include <stdlib.h>
#include <string.h>

/* ---- queues */

static int push(struct claude_queue *q, struct json *v, struct err *e)
{
    if (q->count == CLAUDE_QUEUE_MAX) {
        json_free(v);
        return err_set(e, ERR_LIMIT, "more than %d events wait", CLAUDE_QUEUE_MAX);
    }
    if (q->first + q->count == q->cap) {
        if (q->first > 0)
            memmove(q->items, q->items + q->first, q->count * sizeof(void *));
        q->first = 0;
        if (q->count == q->cap) {
            q->cap = q->cap > 0 ? 2 * q->cap : 16;
            q->items = xreallocarray(q->items, q->cap, sizeof(void *));
        }
    }
    q->items[q->first + q->count++] = v;
    return 0;
}

static struct json *pop(struct claude_queue *q)
{
    if (q->count == 0)
        return NULL;
    q->count--;
    return q->items[q->first++];
}

static void drain(struct claude_queue *q)
{
    for (struct json *v; (v = pop(q)) != NULL;)
        json_free(v);
    free(q->items);
    *q = (struct claude_queue){ .items = NULL };
}

/* ---- what was seen */

static uint64_t hash_of(const char *s)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *s != '\0'; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    return h != 0 ? h : 1;
}

static bool put(uint64_t *table, size_t cap, uint64_t h)
{
    size_t at = (size_t)h & (cap - 1);
    while (table[at] != 0 && table[at] != h)
        at = (at + 1) & (cap - 1);
    if (table[at] == h)
        return false;
    table[at] = h;
    return true;
}

static void grow(struct claude_feed *f)
{
    size_t cap = f->seen_cap > 0 ? 2 * f->seen_cap : 256;
    uint64_t *table = xcalloc(cap, sizeof *table);
    for (size_t i = 0; i < f->seen_cap; i++)
        if (f->seen[i] != 0)
            (void)put(table, cap, f->seen[i]);
    free(f->seen);
    f->seen = table;
    f->seen_cap = cap;
}

static bool is_new(struct claude_feed *f, const struct json *event)
{
    const char *id = json_get_str(event, "id", "");
    if (id[0] == '\0')
        return true;
    if (2 * f->seen_count >= f->seen_cap)
        grow(f);
    bool fresh = put(f->seen, f->seen_cap, hash_of(id));
    f->seen_count += fresh;
    return fresh;
}

/* ---- the stream */

static void on_event(void *arg, const struct sse_event *ev)
{
    struct claude_feed *f = arg;
    struct json *v = NULL;
    struct err e = ERR_INIT;
    if (f->bad.code != ERR_NONE)
        return;
    if (json_parse(&v, ev->data, ev->data_len, &e) < 0) {
        f->bad = e;
        err_wrap(&f->bad, "an event is no JSON");
    } else if (json_kind(v) != JSON_OBJECT || json_get_str(v, "type", NULL) == NULL) {
        json_free(v);
        err_set(&f->bad, ERR_FORMAT, "an event has no type");
    } else if (push(&f->live, v, &e) < 0) {
        f->bad = e;
    }
}

void claude_feed_init(struct claude_feed *f)
{
    *f = (struct claude_feed){ .holding = false };
    sse_init(&f->sse, SSE_EVENT_MAX, on_event, f);
}

void claude_feed_release(struct claude_feed *f)
{
    sse_release(&f->sse);
    drain(&f->live);
    drain(&f->past);
    free(f->seen);
    f->seen = NULL;
    f->seen_count = f->seen_cap = 0;
}

void claude_feed_reset(struct claude_feed *f)
{
    claude_feed_release(f);
    claude_feed_init(f);
}

void claude_feed_open(struct claude_feed *f, bool after_cut)
{
    sse_release(&f->sse); /* half an event is in the history */
    sse_init(&f->sse, SSE_EVENT_MAX, on_event, f);
    f->holding = after_cut;
}

int claude_feed_bytes(struct claude_feed *f, const char *p, size_t len, struct err *e)
{
    struct err why = ERR_INIT;
    if (f->bad.code == ERR_NONE && sse_feed(&f->sse, p, len, &why) < 0)
        f->bad = why;
    if (f->bad.code == ERR_NONE && f->seen_count > CLAUDE_EVENTS_MAX)
        err_set(&f->bad, ERR_LIMIT, "the session has more than %d events", CLAUDE_EVENTS_MAX);
    if (f->bad.code == ERR_NONE)
        return 0;
    if (e != NULL)
        *e = f->bad;
    return -1;
}

/* ---- the history */

int claude_feed_page(struct claude_feed *f, const char *body, size_t len, struct buf *next,
                     struct err *e)
{
    struct json *page = NULL;
    if (json_parse(&page, body, len, e) < 0)
        return err_wrap(e, "the history");
    const struct json *list = json_get(page, "data");
    int rc = 0;
    if (list == NULL || json_kind(list) != JSON_ARRAY)
        rc = err_set(e, ERR_FORMAT, "the history is no list");
    for (const struct json *v = json_first(list); rc == 0 && v != NULL; v = json_next(v)) {
        struct buf text = BUF_INIT(SSE_EVENT_MAX);
        struct json *copy = NULL;
        if (json_print(v, &text) < 0)
            rc = err_set(e, ERR_LIMIT, "an event of the history is too long");
        else if (json_parse(&copy, text.ptr, text.len, e) == 0)
            rc = push(&f->past, copy, e);
        else
            rc = -1;
        buf_release(&text);
    }
    buf_reset(next);
    if (rc == 0)
        (void)buf_add_str(next, json_get_str(page, "next_page", ""));
    json_free(page);
    return rc;
}

void claude_feed_caught_up(struct claude_feed *f)
{
    f->holding = false;
}

struct json *claude_feed_next(struct claude_feed *f)
{
    for (;;) {
        struct json *v = pop(&f->past);
        if (v == NULL && !f->holding)
            v = pop(&f->live);
        if (v == NULL || is_new(f, v))
            return v;
        json_free(v);
    }
}
