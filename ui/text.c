/* text.c - foreign bytes to glyphs: classification, escapes, SGR, graphemes. */
#include "ui/text_int.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>
#include "base/utf8.h"

#define BLANKS_MAX  32  /* longer runs are counted [APR-7] */
#define PAYLOAD_MAX 256 /* of an OSC, DCS … in output */
#define CLUSTER_MAX 16  /* code points of a joined cluster; the rest starts another */
#define TAB_STOP    8

enum cp_class { CP_PLAIN, CP_MARK, CP_CONTROL, CP_HIDDEN, CP_BROKEN };

static bool is_regional(uint32_t cp)
{
    return cp >= 0x1F1E6 && cp <= 0x1F1FF;
}

static bool is_skin_tone(uint32_t cp)
{
    return cp >= 0x1F3FB && cp <= 0x1F3FF;
}

static bool is_pictograph(uint32_t cp)
{
    return utf8proc_get_property((utf8proc_int32_t)cp)->boundclass ==
           UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC;
}

static enum cp_class classify(uint32_t cp)
{
    if (cp < 0x80)
        return cp < 0x20 || cp == 0x7f ? CP_CONTROL : CP_PLAIN;
    if ((cp & 0xfffe) == 0xfffe || (cp >= 0xfdd0 && cp <= 0xfdef) || cp > 0x10ffff)
        return CP_BROKEN; /* noncharacters */
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)cp);
    if (p->ignorable || cp == 0x2800)
        return CP_HIDDEN;
    switch (p->category) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return CP_HIDDEN;
    default:
        return p->charwidth == 0 ? CP_MARK : CP_PLAIN;
    }
}

bool text_cp_is_safe(uint32_t cp)
{
    enum cp_class c = classify(cp);
    return c == CP_PLAIN || c == CP_MARK;
}

unsigned text_cp_width(uint32_t cp)
{
    if (cp < 0x7f)
        return 1;
    return (unsigned)utf8proc_charwidth((utf8proc_int32_t)cp); /* 0, 1 or 2 */
}

size_t text_grapheme(const char *s, size_t len)
{
    uint32_t cp;
    unsigned n = len ? utf8_decode(s, len, &cp) : 0;
    if (n == 0)
        return len ? 1 : 0;
    size_t at = n;
    utf8proc_int32_t state = 0;
    while (at < len) {
        uint32_t next;
        n = utf8_decode(s + at, len - at, &next);
        if (n == 0 ||
            utf8proc_grapheme_break_stateful((utf8proc_int32_t)cp, (utf8proc_int32_t)next, &state))
            break;
        at += n;
        cp = next;
    }
    return at;
}

/* ---- expansions: text of ours in place of bytes, one cell at a time ---- */

static void expand(struct text_iter *it, enum text_mark mark, size_t start, size_t end,
                   const char *text)
{
    size_t n = strlen(text);
    INVARIANT(n < sizeof it->pending);
    memcpy(it->pending, text, n);
    it->pending_len = (uint8_t)n;
    it->pending_pos = 0;
    it->pending_mark = mark;
    it->pending_start = start;
    it->pending_end = end;
}

static void expand_cp(struct text_iter *it, enum text_mark mark, size_t start, size_t end,
                      uint32_t cp)
{
    char text[16];
    snprintf(text, sizeof text, "<U+%04X>", (unsigned)cp);
    expand(it, mark, start, end, text);
}

static void expand_byte(struct text_iter *it, size_t at)
{
    char text[8];
    snprintf(text, sizeof text, "<0x%02X>", (unsigned char)it->line[at]);
    expand(it, MARK_INVALID, at, at + 1, text);
}

static void expand_caret(struct text_iter *it, size_t at, unsigned char c)
{
    char text[3] = { '^', (char)(c ^ 0x40), 0 };
    expand(it, MARK_CONTROL, at, at + 1, text);
}

static void expand_tab(struct text_iter *it, size_t at)
{
    size_t fill = TAB_STOP - it->column % TAB_STOP;
    char text[16];
    const char *arrow = it->mode != TEXT_CODE ? " " : it->ascii ? ">" : "\xe2\x86\x92";
    snprintf(text, sizeof text, "%s%*s", arrow, (int)fill - 1, "");
    expand(it, it->mode == TEXT_CODE ? MARK_BLANK : MARK_NONE, at, at + 1, text);
}

static void expand_count(struct text_iter *it, enum text_mark mark, size_t start, size_t end,
                         const char *fmt, size_t n)
{
    char text[sizeof it->pending];
    /* fmt is one of our literals below; checked there by the caller's choice alone */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, fmt, n);
#pragma GCC diagnostic pop
    expand(it, mark, start, end, text);
}

static bool take_pending(struct text_iter *it, struct text_glyph *g)
{
    uint32_t cp;
    unsigned n = utf8_decode(it->pending + it->pending_pos, it->pending_len - it->pending_pos, &cp);
    INVARIANT(n > 0);
    it->pending_pos = (uint8_t)(it->pending_pos + n);
    bool last = it->pending_pos == it->pending_len;
    *g = (struct text_glyph){ .cp = { cp },
                              .count = 1,
                              .width = 1,
                              .mark = it->pending_mark,
                              .start = it->pending_start,
                              .end = last ? it->pending_end : it->pending_start };
    if (last)
        it->pending_len = 0;
    it->column++;
    return true;
}

/* Would this `<` be read as a mark of ours? Then it is escaped itself. [SAN-3] */
static bool looks_like_mark(const char *p, size_t len)
{
    static const char *const counts[] = { " spaces>", " tabs>", " blank lines>" };
    size_t i = 1, digits = 0;
    if (len > 3 && p[1] == 'U' && p[2] == '+') {
        for (i = 3; i < len && i < 10 && strchr("0123456789ABCDEF", p[i]) && p[i]; i++)
            digits++;
        return digits >= 4 && digits <= 6 && i < len && p[i] == '>';
    }
    if (len > 3 && p[1] == '0' && p[2] == 'x') {
        for (i = 3; i < len && i < 6 && strchr("0123456789ABCDEF", p[i]) && p[i]; i++)
            digits++;
        return digits == 2 && i < len && p[i] == '>';
    }
    while (i < len && i < 21 && p[i] >= '0' && p[i] <= '9')
        i++;
    for (size_t k = 0; i > 1 && k < ARRAY_LEN(counts); k++) {
        size_t n = strlen(counts[k]);
        if (len - i >= n && memcmp(p + i, counts[k], n) == 0)
            return true;
    }
    return false;
}

/* Length of the run of this blank when it is to be counted instead of shown, else 0. */
static size_t counted_blanks(const char *p, size_t len)
{
    if (len <= BLANKS_MAX || p[BLANKS_MAX] != p[0])
        return 0;
    size_t n = 1;
    while (n < len && p[n] == p[0])
        n++;
    return n > BLANKS_MAX ? n : 0;
}

/* ---- the walk ---- */

static void skip_overdrawn(struct text_iter *it)
{
    const char *last = memrchr(it->line, '\r', it->len);
    if (!last)
        return;
    const char *p = it->line, *stop = last + 1;
    do {
        p = (const char *)memchr(p, '\r', (size_t)(stop - p)) + 1; /* `last` at the latest */
        it->overdrawn++;
    } while (p < stop);
    for (p = it->line; (p = memchr(p, 0x1b, (size_t)(stop - p)));) {
        size_t n = text_parse_sgr(p, (size_t)(stop - p), &it->sgr);
        p += n ? n : 1;
    }
    it->pos = (size_t)(stop - it->line);
}

void text_begin(struct text_iter *it, const char *line, size_t len, enum text_mode mode,
                bool had_lf)
{
    *it = (struct text_iter){ .line = line, .len = len, .mode = mode };
    if (len == 0)
        return;
    if (mode == TEXT_CODE) {
        it->cr_tail = had_lf && line[len - 1] == '\r';
    } else if (mode == TEXT_OUTPUT) {
        while (it->len && line[it->len - 1] == '\r')
            it->len--; /* before LF: dropped; at the end so far: what it will erase still shows */
        if (it->len)
            skip_overdrawn(it);
    } else if (had_lf && line[len - 1] == '\r') {
        it->len--;
    }
}

static void begin_payload(struct text_iter *it, size_t from)
{
    size_t end = from;
    while (end < it->len && it->line[end] != 0x07 && it->line[end] != 0x1b)
        end++;
    if (end - from > PAYLOAD_MAX) {
        it->payload_left = from + PAYLOAD_MAX;
        it->payload_end = end;
    }
}

/* ESC at pos. True: a glyph is pending. False: it was SGR and left nothing to show. */
static bool take_escape(struct text_iter *it)
{
    size_t at = it->pos, left = it->len - at;
    if (it->mode == TEXT_OUTPUT) {
        size_t n = text_parse_sgr(it->line + at, left, &it->sgr);
        if (n) {
            it->pos += n;
            return false;
        }
    }
    if (it->mode != TEXT_CODE && left > 1 && it->line[at + 1] && strchr("]P_^X", it->line[at + 1]))
        begin_payload(it, at + 2);
    expand_caret(it, at, 0x1b);
    it->pos++;
    return true;
}

/* Join what belongs to the base at g->end: marks, and in output selectors and joined pictures. */
static void join_cluster(struct text_iter *it, struct text_glyph *g, size_t *extra_marks)
{
    uint32_t base = g->cp[0];
    bool code = it->mode == TEXT_CODE, picture = !code && base >= 0x80 && is_pictograph(base);
    for (unsigned taken = 0; g->end < it->len && taken < CLUSTER_MAX; taken++) {
        const char *p = it->line + g->end;
        size_t left = it->len - g->end;
        uint32_t cp, after;
        unsigned n = (unsigned char)*p < 0x80 ? 0 : utf8_decode(p, left, &cp);
        if (n == 0)
            break;
        bool more = left > n;
        unsigned m = more ? utf8_decode(p + n, left - n, &after) : 0;
        if (classify(cp) == CP_MARK && g->count <= TEXT_MARKS_MAX) {
            g->cp[g->count++] = cp;
        } else if (code) {
            break; /* further marks stand for themselves there: nothing may be lost */
        } else if (classify(cp) == CP_MARK) {
            ++*extra_marks;
            taken--; /* however many: they are counted, not drawn */
        } else if (picture && (cp == 0xfe0f || cp == 0xfe0e)) {
            picture = cp == 0xfe0f; /* its width is the base's own */
        } else if (cp == 0xfe0f && m && after == 0x20e3) {
            ; /* keycap */
        } else if (picture && is_skin_tone(cp)) {
            g->mark = MARK_JOINED;
        } else if (picture && cp == 0x200d && m && is_pictograph(after)) {
            g->mark = MARK_JOINED;
            n += m;
        } else {
            break;
        }
        g->end += n;
    }
}

/* A printable character at pos. */
static void take_plain(struct text_iter *it, struct text_glyph *g, uint32_t cp, unsigned n)
{
    size_t extra = 0;
    *g = (struct text_glyph){ .cp = { cp },
                              .count = 1,
                              .width = (uint8_t)text_cp_width(cp),
                              .sgr = text_visible_sgr(it->sgr),
                              .start = it->pos,
                              .end = it->pos + n };
    if (is_regional(cp)) { /* flags: terminals dispute their width, so letters stand for them */
        g->cp[0] = 'A' + (cp - 0x1F1E6);
        g->width = 1;
        g->mark = MARK_JOINED;
    } else if (!it->ascii && g->end < it->len && (unsigned char)it->line[g->end] >= 0x80) {
        join_cluster(it, g, &extra);
    }
    if (it->mode == TEXT_CODE && (cp >= 0x80 || g->count > 1) && text_is_confusable(it, g))
        g->mark = MARK_CONFUSABLE;
    it->pos = g->end;
    it->column += g->width;
    if (extra)
        expand_count(it, MARK_COUNT, g->end, g->end, "<+%zu marks>", extra);
}

/* A byte ≥ 0x80 at pos. True: *g was made; false: an expansion is pending. */
static bool take_wide(struct text_iter *it, struct text_glyph *g)
{
    uint32_t cp;
    size_t at = it->pos;
    unsigned n = utf8_decode(it->line + at, it->len - at, &cp);
    enum cp_class c = n ? classify(cp) : CP_BROKEN;
    bool c1_string = n && (cp == 0x90 || cp == 0x98 || (cp >= 0x9d && cp <= 0x9f));
    if (c == CP_BROKEN) {
        expand_byte(it, at);
        it->pos++;
        return false;
    }
    if (c == CP_PLAIN && !it->ascii && !(it->mode == TEXT_CODE && is_regional(cp))) {
        take_plain(it, g, cp, n);
        return true;
    }
    if (c1_string && it->mode != TEXT_CODE)
        begin_payload(it, at + n);
    /* Without UTF-8 a good letter is no suspect: it only can't be drawn. */
    expand_cp(it, c == CP_PLAIN && it->ascii ? MARK_COUNT : MARK_HIDDEN, at, at + n, cp);
    it->pos += n;
    return false;
}

/* A control at pos. False: nothing to show for it. */
static bool take_control(struct text_iter *it, unsigned char c)
{
    size_t at = it->pos;
    if (c == 0x1b)
        return take_escape(it);
    it->pos++;
    if (c == '\t') {
        size_t run = it->mode == TEXT_CODE && (at == 0 || it->line[at - 1] != '\t')
                         ? counted_blanks(it->line + at, it->len - at)
                         : 0;
        if (run) {
            it->pos = at + run;
            expand_count(it, MARK_BLANK, at, at + run, "<%zu tabs>", run);
        } else {
            expand_tab(it, at);
        }
    } else if (c == '\r' && it->cr_tail && at == it->len - 1) {
        expand(it, MARK_BLANK, at, at + 1, it->ascii ? "$" : "\xe2\x90\x8d");
    } else {
        expand_caret(it, at, c);
    }
    return true;
}

/* Code: blanks by the dozen, and text that looks like a mark of ours. */
static bool take_code_special(struct text_iter *it, unsigned char c)
{
    size_t at = it->pos, left = it->len - at;
    if (c == ' ' && (at == 0 || it->line[at - 1] != ' ')) {
        size_t run = counted_blanks(it->line + at, left);
        if (run) {
            it->pos += run;
            expand_count(it, MARK_BLANK, at, at + run, "<%zu spaces>", run);
            return true;
        }
    } else if (c == '<' && looks_like_mark(it->line + at, left)) {
        it->pos++;
        expand_cp(it, MARK_COUNT, at, at + 1, '<');
        return true;
    }
    return false;
}

bool text_next(struct text_iter *it, struct text_glyph *g)
{
    for (;;) {
        if (it->pending_len)
            return take_pending(it, g);
        if (it->payload_end && it->pos >= it->payload_left) {
            size_t end = it->payload_end, from = it->pos < end ? it->pos : end;
            it->payload_end = 0;
            it->pos = end > it->pos ? end : it->pos;
            if (end > from)
                expand_count(it, MARK_COUNT, from, end,
                             it->ascii ? "...(+%zu bytes)" : "\xe2\x80\xa6(+%zu bytes)",
                             end - from);
            continue;
        }
        if (it->pos >= it->len) {
            if (it->overdrawn == 0)
                return false;
            expand_count(it, MARK_COUNT, it->len, it->len,
                         it->ascii ? " (CR %zu)" : " \xe2\x9f\xb2%zu", it->overdrawn);
            it->overdrawn = 0;
            continue;
        }
        unsigned char c = (unsigned char)it->line[it->pos];
        if (c >= 0x80) {
            if (take_wide(it, g))
                return true;
        } else if (c < 0x20 || c == 0x7f) {
            take_control(it, c);
        } else if (it->mode != TEXT_CODE || !take_code_special(it, c)) {
            take_plain(it, g, c, 1);
            return true;
        }
    }
}

bool text_line_is_flagged(const char *line, size_t len)
{
    size_t i = 0;
    while (i < len && ((unsigned char)(line[i] - 0x20) < 0x5f || line[i] == '\t'))
        i++;
    if (i == len || (i == len - 1 && line[i] == '\r'))
        return false;
    struct text_iter it;
    struct text_glyph g;
    text_begin(&it, line, len, TEXT_CODE, false);
    while (text_next(&it, &g))
        if (g.mark == MARK_HIDDEN || g.mark == MARK_CONFUSABLE || g.mark == MARK_INVALID ||
            g.mark == MARK_CONTROL)
            return true;
    return false;
}
