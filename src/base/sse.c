/* sse.c - server-sent events: lines found by memchr, fields collected, events handed on. */
#include "base/sse.h"

#include <string.h>
#include "base/http.h"

#define BOM      "\xef\xbb\xbf"
#define BOM_DONE 4u

void sse_init(struct sse *s, size_t event_max, sse_fn fn, void *arg)
{
    *s = (struct sse){ .fn = fn, .arg = arg, .event_max = event_max, .retry_ms = -1 };
    INVARIANT(event_max >= sizeof BOM);
    buf_init(&s->line, event_max);
    buf_init(&s->data, event_max + 1); /* and the LF that is taken off again */
    buf_init(&s->type, event_max);
    buf_init(&s->id, event_max);
}

void sse_release(struct sse *s)
{
    buf_release(&s->line);
    buf_release(&s->data);
    buf_release(&s->type);
    buf_release(&s->id);
}

bool sse_pending(const struct sse *s)
{
    return s->line.len > 0 || s->event_bytes > 0;
}

static int too_long(struct sse *s, struct err *e)
{
    s->failed = true;
    return err_set(e, ERR_LIMIT, "an event of the stream passes %zu bytes", s->event_max);
}

static void set(struct buf *b, const char *value, size_t len)
{
    buf_reset(b);
    int rc = buf_add(b, value, len);
    INVARIANT(rc == 0); /* no longer than its line, which was measured */
}

static void dispatch(struct sse *s)
{
    s->event_bytes = 0;
    if (s->data.len > 0) {
        buf_truncate(&s->data, s->data.len - 1);
        struct sse_event ev = {
            .type = s->type.len > 0 ? s->type.ptr : "message",
            .data = buf_str(&s->data),
            .data_len = s->data.len,
            .id = buf_str(&s->id),
        };
        s->fn(s->arg, &ev);
    }
    buf_reset(&s->data);
    buf_reset(&s->type);
}

static bool field_is(const char *name, size_t len, const char *what)
{
    return len == strlen(what) && memcmp(name, what, len) == 0;
}

static void take_field(struct sse *s, const char *name, size_t name_len, const char *value,
                       size_t len)
{
    if (field_is(name, name_len, "data")) {
        int rc = buf_add(&s->data, value, len);
        if (rc == 0)
            rc = buf_add_char(&s->data, '\n');
        INVARIANT(rc == 0);
    } else if (field_is(name, name_len, "event")) {
        set(&s->type, value, len);
    } else if (field_is(name, name_len, "id")) {
        if (memchr(value, '\0', len) == NULL)
            set(&s->id, value, len);
    } else if (field_is(name, name_len, "retry")) {
        char digits[20] = "";
        if (len < sizeof digits && memchr(value, '\0', len) == NULL) {
            memcpy(digits, value, len);
            int64_t ms = http_number(digits, INT64_MAX);
            s->retry_ms = ms >= 0 ? ms : s->retry_ms;
        }
    }
}

/* A whole line without its end. */
static int take_line(struct sse *s, const char *p, size_t len, struct err *e)
{
    if (len == 0) {
        dispatch(s);
        return 0;
    }
    if (len > s->event_max)
        return too_long(s, e);
    const char *colon = memchr(p, ':', len);
    if (colon == p)
        return 0;
    s->event_bytes += len + 1;
    if (s->event_bytes > s->event_max)
        return too_long(s, e);
    size_t name_len = colon != NULL ? (size_t)(colon - p) : len;
    const char *value = colon != NULL ? colon + 1 : p + len;
    if (value < p + len && *value == ' ')
        value++;
    take_field(s, p, name_len, value, (size_t)(p + len - value));
    return 0;
}

/* The line's last part, the parts before it being in s->line. */
static int end_line(struct sse *s, const char *p, size_t len, struct err *e)
{
    if (s->line.len == 0)
        return take_line(s, p, len, e);
    if (buf_add(&s->line, p, len) < 0)
        return too_long(s, e);
    int rc = take_line(s, s->line.ptr, s->line.len, e);
    buf_reset(&s->line);
    return rc;
}

/* How many bytes of p to skip, or to hold, since they are (or may yet be) the BOM. */
static size_t skip_bom(struct sse *s, const char *p, size_t len)
{
    size_t n = 0;
    while (n < len && s->bom_len < 3 && p[n] == BOM[s->bom_len]) {
        s->bom_len++;
        n++;
    }
    if (s->bom_len == 3) {
        s->bom_len = BOM_DONE;
    } else if (n < len) {
        /* It was none: what was held belongs to the first line. */
        int rc = buf_add(&s->line, BOM, s->bom_len);
        INVARIANT(rc == 0);
        s->bom_len = BOM_DONE;
    }
    return n;
}

static const char *find(const char *p, const char *end, char c)
{
    const char *at = p < end ? memchr(p, c, (size_t)(end - p)) : NULL;
    return at != NULL ? at : end;
}

int sse_feed(struct sse *s, const char *p, size_t len, struct err *e)
{
    const char *end = p + len;
    if (s->failed)
        return too_long(s, e);
    if (s->bom_len < 3)
        p += skip_bom(s, p, len);
    if (s->bom_len < 3)
        return 0;
    /* Each is looked for only once it is passed, so that a stream of CRs stays linear. */
    const char *lf = find(p, end, '\n'), *cr = find(p, end, '\r');
    while (p < end) {
        if (s->after_cr && *p == '\n') {
            s->after_cr = false;
            lf = find(++p, end, '\n');
            continue;
        }
        s->after_cr = false;
        const char *at = lf < cr ? lf : cr;
        if (at == end)
            break;
        if (end_line(s, p, (size_t)(at - p), e) < 0)
            return -1;
        s->after_cr = *at == '\r';
        p = at + 1;
        if (lf < p)
            lf = find(p, end, '\n');
        if (cr < p)
            cr = find(p, end, '\r');
    }
    return p < end && buf_add(&s->line, p, (size_t)(end - p)) < 0 ? too_long(s, e) : 0;
}
