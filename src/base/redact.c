/* redact.c - finding secrets in all their forms, in whole texts and in streams. */
#include "base/redact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/redact_shape.h"

#define VALUE_MIN 8
#define VALUE_MAX 512
/* Longest form: every byte as \u00XX. Forms are at most FORMS_MAX before doubles are dropped. */
#define FORM_LEN_MAX (6 * VALUE_MAX)
#define FORMS_MAX    32
#define HELD_MAX     (2 * REDACT_SHAPE_MAX) /* twice the longest of either */

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
    size_t arena_len, arena_cap;
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
        munmap(r->secrets[i].arena, r->secrets[i].arena_cap);
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

/* ---- the forms of a value ---- */

/* Forms are written straight to the end of the arena, so no copy of them is left anywhere else. */
struct forms {
    struct secret *s;
    size_t start[FORMS_MAX], len[FORMS_MAX], count;
    bool wraps[FORMS_MAX], wrap; /* the form being written may be broken into lines */
    size_t at;                   /* where the form being written begins */
};

static void form_add(struct forms *f, char c)
{
    INVARIANT(f->s->arena_len < f->s->arena_cap);
    f->s->arena[f->s->arena_len++] = c;
}

static void form_end(struct forms *f)
{
    struct secret *s = f->s;
    size_t len = s->arena_len - f->at;
    bool keep = len >= VALUE_MIN;
    for (size_t i = 0; i < f->count && keep; i++)
        keep = f->len[i] != len || memcmp(s->arena + f->start[i], s->arena + f->at, len) != 0;
    if (keep) {
        INVARIANT(f->count < FORMS_MAX);
        f->start[f->count] = f->at;
        f->wraps[f->count] = f->wrap;
        f->len[f->count++] = len;
    } else {
        s->arena_len = f->at;
    }
    f->at = s->arena_len;
}

static void add_exact(struct forms *f, const char *v, size_t len)
{
    for (size_t i = 0; i < len; i++)
        form_add(f, v[i]);
    form_end(f);
}

/* The characters that `v` alone decides when it begins `shift` bytes behind a group of three. */
static void add_base64(struct forms *f, const char *v, size_t len, size_t shift, bool url)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t first = (8 * shift + 5) / 6, end = 8 * (shift + len) / 6;
    for (size_t i = first; i < end; i++) {
        unsigned bits = 0;
        for (size_t k = 0; k < 6; k++) {
            size_t bit = 6 * i + k - 8 * shift;
            bits = bits << 1 | ((unsigned char)v[bit / 8] >> (7 - bit % 8) & 1);
        }
        form_add(f, bits < 62 ? digits[bits] : bits == 62 ? (url ? '-' : '+') : (url ? '_' : '/'));
    }
    form_end(f);
}

static void add_hex_byte(struct forms *f, char c, bool upper)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    form_add(f, digits[(unsigned char)c >> 4]);
    form_add(f, digits[(unsigned char)c & 15]);
}

static void add_hex(struct forms *f, const char *v, size_t len, bool upper)
{
    for (size_t i = 0; i < len; i++)
        add_hex_byte(f, v[i], upper);
    form_end(f);
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Encoders differ in what they leave alone besides letters and digits. */
static void add_url(struct forms *f, const char *v, size_t len, const char *plain, bool upper)
{
    bool plus = plain[0] == '+'; /* a form's way to write a blank */
    plain += plus;
    for (size_t i = 0; i < len; i++) {
        if (is_alnum(v[i]) || strchr(plain, v[i]) != NULL) {
            form_add(f, v[i]);
        } else if (v[i] == ' ' && plus) {
            form_add(f, '+');
        } else {
            form_add(f, '%');
            add_hex_byte(f, v[i], upper);
        }
    }
    form_end(f);
}

/* `u_too`: characters written as \u00XX by this encoder. */
static void add_json(struct forms *f, const char *v, size_t len, const char *u_too, bool slash)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr(u_too, v[i]) != NULL) {
            for (const char *u = "\\u00"; *u != '\0'; u++)
                form_add(f, *u);
            add_hex_byte(f, v[i], false);
            continue;
        }
        if (v[i] == '"' || v[i] == '\\' || (slash && v[i] == '/'))
            form_add(f, '\\');
        form_add(f, v[i]);
    }
    form_end(f);
}

static void add_all_forms(struct forms *f, const char *v, size_t len)
{
    /* RFC 3986; encodeURIComponent; Python's quote; HTML forms and quote_plus */
    static const char *const url_plain[] = { "-._~", "-._~!*'()", "-._~/", "+-._*", "+-._~" };
    add_exact(f, v, len);
    for (size_t shift = 0; shift < 3; shift++) {
        f->wrap = true;
        add_base64(f, v, len, shift, false);
        add_base64(f, v, len, shift, true);
        f->wrap = false;
    }
    for (int upper = 0; upper < 2; upper++) {
        add_hex(f, v, len, upper);
        for (size_t i = 0; i < ARRAY_LEN(url_plain); i++)
            add_url(f, v, len, url_plain[i], upper);
    }
    for (int slash = 0; slash < 2; slash++) {
        add_json(f, v, len, "", slash);
        add_json(f, v, len, "<>&", slash);
        add_json(f, v, len, "<>&'\"+`", slash);
    }
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
    if (len < VALUE_MIN || len > VALUE_MAX)
        return err_set(e, ERR_FORMAT, "secret %s: %zu bytes long; it must have %d to %d", name, len,
                       VALUE_MIN, VALUE_MAX);
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
    struct secret s = { .arena_cap = FORMS_MAX * (size_t)FORM_LEN_MAX };
    s.arena = mmap(NULL, s.arena_cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s.arena == MAP_FAILED)
        return err_sys(e, ERR_IO, "secret %s: memory", name);
    madvise(s.arena, s.arena_cap, MADV_DONTDUMP);
    madvise(s.arena, s.arena_cap, MADV_DONTFORK); /* parser children see no keys [base/jail] */
    s.name = xstrdup(name);
    struct forms f = { .s = &s };
    add_all_forms(&f, value, len);

    for (size_t i = 0; i < f.count; i++) {
        struct pattern q = { s.arena + f.start[i], f.len[i], r->secret_count, f.wraps[i], 0 };
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
