/* mask.c - applying the masks to lines, and their sets. */
#include "sessions/mask_int.h"

#define BUILT_IN ((1u << MASK_COUNT) - 1)

/* A word begins at i; behind a date the T of 2026-11-22T10:00 counts as a blank. */
static bool is_start(const struct text *t, size_t i)
{
    char c = before(t, i, 1);
    if (!is_word(t->s[i]))
        return t->s[i] == '/' || t->s[i] == '[' || t->s[i] == '|';
    return !is_word(c) || ((c == 'T' || c == '_') && is_digit(before(t, i, 2)));
}

static size_t match_any(unsigned set, const struct text *t, size_t i, enum mask_kind *kind)
{
    for (unsigned k = 0; k < MASK_COUNT; k++) {
        size_t n =
            (set & (1u << k)) != 0 && mask_rules[k].match != NULL ? mask_rules[k].match(t, i) : 0;
        if (n > 0) {
            *kind = (enum mask_kind)k;
            return n;
        }
    }
    return 0;
}

static int put_name(enum mask_kind kind, struct buf *out)
{
    return buf_addf(out, "<%s>", mask_rules[kind].name);
}

/* What stands before the last CR was overwritten; a CR at the very end belongs to the line end. */
static size_t overwritten(const char *line, size_t len)
{
    while (len > 0 && line[len - 1] == '\r')
        len--;
    const char *cr = len > 0 ? memrchr(line, '\r', len) : NULL;
    return cr != NULL ? (size_t)(cr - line) + 1 : 0;
}

static int mask_plain(unsigned set, const char *line, size_t len, struct buf *out)
{
    struct text t = { line, len };
    unsigned found = 0;
    size_t done = 0;
    if ((set & (1u << MASK_PROGRESS)) != 0 && (done = overwritten(line, len)) > 0) {
        found |= 1u << MASK_PROGRESS;
        if (put_name(MASK_PROGRESS, out) < 0)
            return -1;
    }
    for (size_t i = done; (set & BUILT_IN) != 0 && i < len;) {
        enum mask_kind kind = MASK_COUNT;
        size_t n = is_start(&t, i) ? match_any(set, &t, i, &kind) : 0;
        if (n == 0) {
            i++;
            continue;
        }
        if (buf_add(out, line + done, i - done) < 0 || put_name(kind, out) < 0)
            return -1;
        found |= 1u << kind;
        done = i += n;
    }
    return buf_add(out, line + done, len - done) < 0 ? -1 : (int)found;
}

/* Colours and the like: ESC (at p) [ … a letter. Returns how many bytes, 0: none. */
static size_t match_sequence(const char *p, size_t len)
{
    size_t n = 2;
    if (len < 3 || p[1] != '[')
        return 0;
    while (n < len && n < 64 && (unsigned char)p[n] >= 0x20 && (unsigned char)p[n] < 0x40)
        n++;
    return n < len && (unsigned char)p[n] >= 0x40 && (unsigned char)p[n] < 0x7f ? n + 1 : 0;
}

/* Without them: what is equal but for its colours is equal. */
static bool strip(const char *line, size_t len, struct buf *out)
{
    bool found = false;
    for (size_t i = 0; i < len;) {
        const char *esc = memchr(line + i, '\033', len - i);
        size_t plain = esc != NULL ? (size_t)(esc - line) - i : len - i;
        size_t n = esc != NULL ? match_sequence(esc, len - i - plain) : 0;
        (void)buf_add(out, line + i, plain + (esc != NULL && n == 0)); /* never longer */
        found |= n > 0;
        i += plain + (n > 0 ? n : esc != NULL);
    }
    return found;
}

/* The person's own rules, one after the other, on what the one before left. */
static int mask_own(unsigned set, struct buf *line)
{
    int found = 0;
    for (size_t k = 0; k < mask_own_count(); k++) {
        struct buf next = BUF_INIT(line->max);
        int hit = 0;
        if ((set & (1u << (MASK_COUNT + k))) != 0)
            hit = mask_own_line(k, buf_str(line), line->len, &next);
        if (hit > 0) {
            found |= 1 << (MASK_COUNT + k);
            buf_release(line);
            *line = next;
        } else {
            buf_release(&next);
        }
        if (hit < 0)
            return -1;
    }
    return found;
}

int mask_line(unsigned set, const char *line, size_t len, struct buf *out)
{
    bool own = (set >> MASK_COUNT) != 0 && mask_own_count() > 0;
    if (!own && ((set & (1u << MASK_ANSI)) == 0 || memchr(line, '\033', len) == NULL))
        return mask_plain(set, line, len, out);
    struct buf work = BUF_INIT(len * 32 + 256); /* a name is longer than what it stands for */
    int found = 0, rc = 0;
    if ((set & (1u << MASK_ANSI)) != 0)
        found |= strip(line, len, &work) ? 1 << MASK_ANSI : 0;
    else
        (void)buf_add(&work, line, len); /* it has room */
    if (own) { /* before the others: they see the line as it was printed */
        rc = mask_own(set, &work);
        found |= rc > 0 ? rc : 0;
    }
    if (rc >= 0) {
        rc = mask_plain(set, buf_str(&work), work.len, out);
        found |= rc > 0 ? rc : 0;
    }
    buf_release(&work);
    return rc < 0 ? -1 : found;
}

int mask_lines(unsigned set, const char *p, size_t len, struct buf *out)
{
    int found = 0;
    for (size_t i = 0; i < len;) {
        const char *lf = memchr(p + i, '\n', len - i);
        size_t n = lf != NULL ? (size_t)(lf - p) - i : len - i;
        int one = mask_line(set, p + i, n, out);
        if (one < 0 || (lf != NULL && buf_add_char(out, '\n') < 0))
            return -1;
        found |= one;
        i += n + (lf != NULL);
    }
    return found;
}

/* ---- sets ---- */

unsigned mask_count(void)
{
    return MASK_COUNT + (unsigned)mask_own_count();
}

const char *mask_name(unsigned kind)
{
    return kind < MASK_COUNT ? mask_rules[kind].name : mask_own_name(kind - MASK_COUNT);
}

static int usage(const char *word, size_t len, struct err *e)
{
    struct buf all = BUF_INIT(1024);
    mask_print(MASK_ALL, &all);
    err_set(e, ERR_USAGE, "no mask '%.*s': it is all, none, or some of %s",
            (int)(len < 40 ? len : 40), word, buf_str(&all));
    buf_release(&all);
    return -1;
}

/* "time" → its bit, "all", "none" → sets; 0 and false when there is no such mask. */
static bool find_word(const char *word, size_t len, unsigned *bits)
{
    *bits = MASK_NONE;
    if (len == 3 && memcmp(word, "all", 3) == 0)
        *bits = MASK_ALL;
    else if (!(len == 4 && memcmp(word, "none", 4) == 0)) {
        for (unsigned k = 0; k < mask_count() && *bits == 0; k++) {
            if (strlen(mask_name(k)) == len && memcmp(mask_name(k), word, len) == 0)
                *bits = 1u << k;
        }
        return *bits != 0;
    }
    return true;
}

int mask_parse(const char *list, unsigned *set, struct err *e)
{
    const char *first = list + strspn(list, ", ");
    unsigned got = *first == '-' || *first == '+' ? *set : MASK_NONE, bits;
    for (const char *s = list; *s != '\0';) {
        size_t n = strcspn(s, ", ");
        bool off = s[0] == '-', sign = off || s[0] == '+';
        if (n > 0 && !find_word(s + sign, n - sign, &bits))
            return usage(s + sign, n - sign, e);
        if (n > 0)
            got = off ? got & ~bits : got | bits;
        s += n + (s[n] != '\0');
    }
    *set = got;
    return 0;
}

void mask_print(unsigned set, struct buf *out)
{
    bool some = false;
    for (unsigned k = 0; k < mask_count(); k++) {
        if ((set & (1u << k)) != 0) {
            (void)buf_addf(out, "%s%s", some ? ", " : "", mask_name(k));
            some = true;
        }
    }
    if (!some)
        (void)buf_add_str(out, "none");
}
