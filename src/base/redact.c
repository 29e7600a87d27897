/* redact.c - finding secrets in all their forms, in whole texts and in streams. */
#include "base/redact.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/redact_forms.h"
#include "base/redact_shape.h"

#define HELD_MAX (2 * REDACT_SHAPE_MAX) /* twice the longest of either */

struct pattern {
    const char *text; /* in the arena of its secret */
    size_t len;
    size_t secret;
    bool wraps;    /* base64: line ends may stand between its characters */
    uint32_t next; /* 1 + index of the next one with the same two first bytes; 0: none */
};

struct secret {
    char *name;
    char *arena; /* mmap'ed: never in a core file, wiped at the end */
    size_t arena_len;
};

struct redact {
    struct secret *secrets;
    struct pattern *patterns;
    size_t secret_count, pattern_count, longest;
    bool shapes;
    bool starts_byte[256];
    uint64_t starts[65536 / 64]; /* one bit for each pair of first bytes; small enough for L1 */
    uint32_t first[65536];       /* 1 + index of a pattern; longest first */
};

static const struct redact *global_set;

struct redact *redact_new(void)
{
    return xcalloc(1, sizeof(struct redact));
}

void redact_free(struct redact *r)
{
    if (r == NULL)
        return;
    if (global_set == r)
        global_set = NULL;
    for (size_t i = 0; i < r->secret_count; i++) {
        explicit_bzero(r->secrets[i].arena, r->secrets[i].arena_len);
        munmap(r->secrets[i].arena, REDACT_FORMS_BYTES);
        free(r->secrets[i].name);
    }
    free(r->secrets);
    free(r->patterns);
    explicit_bzero(r, sizeof *r);
    free(r);
}

bool redact_is_empty(const struct redact *r)
{
    return r == NULL || r->pattern_count == 0;
}

bool redact_is_idle(const struct redact *r)
{
    return redact_is_empty(r) && (r == NULL || !r->shapes);
}

void redact_set_global(const struct redact *r)
{
    global_set = r;
}

const struct redact *redact_global(void)
{
    return global_set;
}

/* ---- the set ---- */

/* A chain keeps its longest pattern in front: that one names the hit. */
static void index_pattern(struct redact *r, uint32_t index, char second)
{
    struct pattern *p = &r->patterns[index];
    unsigned key = (unsigned)(unsigned char)p->text[0] << 8 | (unsigned char)second;
    uint32_t *link = &r->first[key];
    while (*link != 0 && r->patterns[*link - 1].len >= p->len)
        link = &r->patterns[*link - 1].next;
    p->next = *link;
    *link = index + 1;
    r->starts[key / 64] |= UINT64_C(1) << key % 64;
    r->starts_byte[key >> 8] = true;
    size_t reach = p->wraps ? 3 * p->len : p->len; /* CR LF behind each */
    if (reach > r->longest)
        r->longest = reach;
}

static void add_pattern(struct redact *r, struct pattern p, char second)
{
    r->patterns = xreallocarray(r->patterns, r->pattern_count + 1, sizeof *r->patterns);
    r->patterns[r->pattern_count] = p;
    index_pattern(r, (uint32_t)r->pattern_count++, second);
}

static void note_start(void *arg, char a, char b)
{
    struct redact *r = arg;
    unsigned key = (unsigned)(unsigned char)a << 8 | (unsigned char)b;
    r->starts[key / 64] |= UINT64_C(1) << key % 64;
    r->starts_byte[key >> 8] = true;
}

void redact_add_shapes(struct redact *r)
{
    r->shapes = true;
    redact_shape_starts(note_start, r);
    if (r->longest < REDACT_SHAPE_MAX)
        r->longest = REDACT_SHAPE_MAX;
}

static int check_value(const char *name, const char *value, size_t len, struct err *e)
{
    if (len < REDACT_VALUE_MIN || len > REDACT_VALUE_MAX)
        return err_set(e, ERR_FORMAT, "secret %s: %zu bytes long; it must have %d to %d", name, len,
                       REDACT_VALUE_MIN, REDACT_VALUE_MAX);
    for (size_t i = 0; i < len; i++) {
        if (value[i] < 0x20 || value[i] > 0x7e)
            return err_set(e, ERR_FORMAT, "secret %s: byte %zu is not printable ASCII", name, i);
    }
    return 0;
}

int redact_add(struct redact *r, const char *name, const char *value, size_t len, struct err *e)
{
    if (check_value(name, value, len, e) < 0)
        return -1;
    struct secret s = { 0 };
    s.arena =
        mmap(NULL, REDACT_FORMS_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s.arena == MAP_FAILED)
        return err_sys(e, ERR_IO, "secret %s: memory", name);
    madvise(s.arena, REDACT_FORMS_BYTES, MADV_DONTDUMP);
    /* Parser children see no keys [base/jail]. */
    madvise(s.arena, REDACT_FORMS_BYTES, MADV_DONTFORK);
    s.name = xstrdup(name);
    struct redact_forms f = { .arena = s.arena };
    redact_forms_write(&f, value, len);
    s.arena_len = f.arena_len;

    for (size_t i = 0; i < f.count; i++) {
        const struct redact_form *form = &f.form[i];
        struct pattern q = { s.arena + form->at, form->len, r->secret_count, form->wraps, 0 };
        add_pattern(r, q, q.text[1]);
        if (q.wraps) { /* the line end may come right behind its first character */
            add_pattern(r, q, '\n');
            add_pattern(r, q, '\r');
        }
    }
    r->secrets = xreallocarray(r->secrets, r->secret_count + 1, sizeof *r->secrets);
    r->secrets[r->secret_count++] = s;
    return 0;
}

/* ---- the scan ---- */

/* First place at or behind `i` where two bytes begin a pattern, or the last byte when there is
 * none. */
static size_t next_start(const struct redact *r, const unsigned char *p, size_t i, size_t len)
{
    for (; i + 1 < len; i++) {
        unsigned key = (unsigned)p[i] << 8 | p[i + 1];
        if ((r->starts[key / 64] >> key % 64 & 1) != 0)
            return i;
    }
    return i;
}

/* How many bytes of p the pattern takes; 0: it is not there. *more: it agrees with all of p, which
 * is shorter. */
static size_t match_pattern(const struct pattern *q, const char *p, size_t len, bool *more)
{
    size_t n = 0;
    *more = false;
    if (!q->wraps || (len >= q->len && memcmp(q->text, p, q->len) == 0)) {
        if (memcmp(q->text, p, q->len < len ? q->len : len) != 0)
            return 0;
        *more = q->len > len;
        return *more ? 0 : q->len;
    }
    for (size_t i = 0; i < q->len; i++) {
        n += i > 0 && n < len && p[n] == '\r';
        n += i > 0 && n < len && p[n] == '\n';
        if (n == len) {
            *more = true;
            return 0;
        }
        if (p[n++] != q->text[i])
            return 0;
    }
    return n;
}

struct hit {
    const char *name;
    size_t len; /* 0: none */
};

/* The longest pattern that begins at p. Unless the text ends here (`final`), *wait says that a
 * pattern agrees with all that is there but is longer: then nothing can be told yet. */
static struct hit look_at(const struct redact *r, const char *p, size_t len, bool final, bool *wait)
{
    struct hit none = { 0 };
    *wait = false;
    if (len < 2) {
        *wait = !final && r->starts_byte[(unsigned char)p[0]];
        return none;
    }
    unsigned key = (unsigned)(unsigned char)p[0] << 8 | (unsigned char)p[1];
    for (uint32_t at = r->first[key]; at != 0; at = r->patterns[at - 1].next) {
        const struct pattern *q = &r->patterns[at - 1]; /* the longest comes first */
        bool more;
        size_t n = match_pattern(q, p, len, &more);
        if (n > 0)
            return (struct hit){ r->secrets[q->secret].name, n };
        if (more && !final) {
            *wait = true;
            return none;
        }
    }
    return none;
}

struct scan {
    const struct redact *r;
    struct buf *out;
    size_t hidden; /* bytes at the cursor that belong to a hit */
    char before;   /* the byte before the next scan_bytes; 0 at the start */
    int hits;
    bool full;
};

static void emit(struct scan *s, const char *p, size_t len)
{
    if (!s->full && buf_add(s->out, p, len) < 0)
        s->full = true;
}

/* Bytes without a pattern's beginning: the hidden ones go, the others are let through. */
static void pass(struct scan *s, const char *p, size_t len)
{
    size_t gone = s->hidden < len ? s->hidden : len;
    s->hidden -= gone;
    if (len > gone)
        emit(s, p + gone, len - gone);
}

static void take_hit(struct scan *s, const struct hit *hit)
{
    if (s->hidden == 0) {
        if (!s->full && buf_addf(s->out, "[secret:%s]", hit->name) < 0)
            s->full = true;
        s->hits++;
    }
    if (s->hidden < hit->len)
        s->hidden = hit->len;
}

/* A secret that is loaded, else what looks like one. */
static struct hit find_hit(const struct scan *s, const char *p, size_t len, char before, bool final,
                           bool *wait)
{
    struct hit hit = look_at(s->r, p, len, final, wait);
    if (hit.len == 0 && !*wait && s->r->shapes)
        hit.len = redact_shape_at(p, len, before, final, &hit.name, wait);
    return hit;
}

/* Returns how many bytes are settled; with `final` all of them. What happens at a byte depends on
 * `hidden` and on at most `longest` bytes from there on, so it is the same for every split. */
static size_t scan_bytes(struct scan *s, const char *p, size_t len, bool final)
{
    size_t i = 0;
    while (i < len && !s->full) {
        size_t start = next_start(s->r, (const unsigned char *)p, i, len);
        pass(s, p + i, start - i);
        i = start;
        bool wait;
        char before = i > 0 ? p[i - 1] : s->before;
        struct hit hit = find_hit(s, p + i, len - i, before, final, &wait);
        if (wait)
            break;
        if (hit.len > 0)
            take_hit(s, &hit);
        pass(s, p + i, 1);
        i++;
    }
    if (i > 0)
        s->before = p[i - 1];
    return i;
}

static int scan_result(const struct scan *s)
{
    return s->full ? -1 : s->hits;
}

int redact_text(const struct redact *r, const char *p, size_t len, struct buf *out)
{
    if (redact_is_idle(r))
        return buf_add(out, p, len);
    struct scan s = { .r = r, .out = out };
    scan_bytes(&s, p, len, true);
    return scan_result(&s);
}

const char *redact_find(const struct redact *r, const char *p, size_t len, size_t *offset)
{
    if (redact_is_empty(r))
        return NULL;
    for (size_t i = 0; i < len; i++) {
        bool wait;
        i = next_start(r, (const unsigned char *)p, i, len);
        struct hit hit = look_at(r, p + i, len - i, true, &wait);
        if (hit.len == 0)
            continue;
        if (offset != NULL)
            *offset = i;
        return hit.name;
    }
    return NULL;
}

size_t redact_reach(const struct redact *r)
{
    return redact_is_idle(r) ? 0 : r->longest - 1;
}

bool redact_touches(const struct redact *r, const char *p, size_t len)
{
    struct scan s = { .r = r };
    for (size_t i = 0; i < len && !redact_is_idle(r); i++) {
        bool wait;
        i = next_start(r, (const unsigned char *)p, i, len);
        if (find_hit(&s, p + i, len - i, i > 0 ? p[i - 1] : '\0', true, &wait).len > 0)
            return true;
    }
    return false;
}

int redact_blot(const struct redact *r, char *p, size_t len, char with)
{
    struct scan s = { .r = r };
    int hits = 0;
    size_t clear = 0; /* up to here nothing more is to be blotted */
    if (redact_is_idle(r))
        return 0;
    char *copy = xmemdup(p, len); /* overlapping hits are found in what was there */
    for (size_t i = 0; i < len; i++) {
        bool wait;
        i = next_start(r, (const unsigned char *)copy, i, len);
        struct hit hit = find_hit(&s, copy + i, len - i, i > 0 ? copy[i - 1] : '\0', true, &wait);
        if (hit.len == 0)
            continue;
        size_t from = i > clear ? i : clear, end = i + hit.len;
        if (end > from)
            memset(p + from, with, end - from);
        clear = end > clear ? end : clear;
        hits++;
    }
    explicit_bzero(copy, len);
    free(copy);
    return hits;
}

/* ---- streams ---- */

void redact_stream_init(struct redact_stream *s)
{
    *s = (struct redact_stream){ .held = BUF_INIT(HELD_MAX) };
}

void redact_stream_release(struct redact_stream *s)
{
    if (s == NULL)
        return;
    if (s->held.ptr != NULL)
        explicit_bzero(s->held.ptr, s->held.cap);
    buf_release(&s->held);
}

/* Settle what is held with the help of the first bytes of p. Returns how many bytes of p were
 * used up; afterwards either nothing is held or all of p is. */
static size_t settle_held(struct scan *s, struct buf *held, const char *p, size_t len)
{
    size_t old = held->len, more = len < s->r->longest ? len : s->r->longest;
    if (old == 0)
        return 0;
    INVARIANT(buf_add(held, p, more) == 0);
    size_t done = scan_bytes(s, held->ptr, held->len, false);
    if (done >= old) {
        buf_reset(held);
        return done - old;
    }
    buf_drop_front(held, done); /* still undecided: then p was too short to decide it */
    return more;
}

int redact_stream_feed(const struct redact *r, struct redact_stream *st, const char *p, size_t len,
                       struct buf *out)
{
    if (redact_is_idle(r))
        return buf_add(out, p, len);
    struct scan s = { .r = r, .out = out, .hidden = st->hidden, .before = st->before };
    size_t used = settle_held(&s, &st->held, p, len);
    if (st->held.len == 0) {
        used += scan_bytes(&s, p + used, len - used, false);
        if (!s.full)
            INVARIANT(buf_add(&st->held, p + used, len - used) == 0);
    }
    if (s.full)
        buf_reset(&st->held);
    st->hidden = s.hidden;
    st->before = s.before;
    return scan_result(&s);
}

int redact_stream_end(const struct redact *r, struct redact_stream *st, struct buf *out)
{
    struct scan s = { .r = r, .out = out, .hidden = st->hidden, .before = st->before };
    if (st->held.len != 0)
        scan_bytes(&s, st->held.ptr, st->held.len, true);
    buf_reset(&st->held);
    st->hidden = 0;
    st->before = '\0';
    return scan_result(&s);
}
