/* export_html_text.c - from bytes to the text of a page. */
#include "cli/export_html.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

void html_escape(struct outfile *out, const char *p, size_t len)
{
    size_t from = 0;
    for (size_t i = 0; i < len; i++) {
        const char *as = NULL;
        switch (p[i]) {
        case '&':
            as = "&amp;";
            break;
        case '<':
            as = "&lt;";
            break;
        case '>':
            as = "&gt;";
            break;
        case '"':
            as = "&quot;";
            break;
        case '\'':
            as = "&#39;";
            break;
        default:
            continue;
        }
        outfile_add(out, p + from, i - from);
        outfile_add_str(out, as);
        from = i + 1;
    }
    outfile_add(out, p + from, len - from);
}

static const char *mark_class(enum text_mark m)
{
    switch (m) {
    case MARK_CONTROL:
        return "mc";
    case MARK_HIDDEN:
        return "mh";
    case MARK_INVALID:
        return "mi";
    case MARK_CONFUSABLE:
        return "mf";
    case MARK_COUNT:
        return "mn";
    default:
        return "";
    }
}

static const char *role_class(enum style_role r)
{
    switch (r) {
    case ROLE_KEYWORD:
        return "kw";
    case ROLE_STRING:
        return "st";
    case ROLE_COMMENT:
        return "co";
    case ROLE_NUMBER:
        return "nu";
    default:
        return "";
    }
}

/* The class a glyph is drawn with: its mark before the code's colours before the program's own. */
static void class_of(const struct text_glyph *g, struct highlight_walk *walk, size_t at, char *out,
                     size_t size)
{
    const char *cls = mark_class(g->mark);
    if (cls[0] == '\0' && walk != NULL)
        cls = role_class(highlight_role(walk, at + g->start));
    int n = snprintf(out, size, "%s", cls);
    if (g->sgr.fg != 0)
        n += snprintf(out + n, size - (size_t)n, "%sf%u", n > 0 ? " " : "", g->sgr.fg);
    if (g->sgr.bg != 0)
        n += snprintf(out + n, size - (size_t)n, "%sg%u", n > 0 ? " " : "", g->sgr.bg);
    if (g->sgr.bold)
        n += snprintf(out + n, size - (size_t)n, "%ssb", n > 0 ? " " : "");
    if (g->sgr.underline)
        (void)snprintf(out + n, size - (size_t)n, "%ssu", n > 0 ? " " : "");
}

static void change_class(struct outfile *out, char *now, size_t size, const char *next)
{
    if (strcmp(now, next) == 0)
        return;
    if (now[0] != '\0')
        outfile_add_str(out, "</span>");
    if (next[0] != '\0')
        outfile_addf(out, "<span class=\"%s\">", next);
    snprintf(now, size, "%s", next);
}

static void put_glyph(struct export *x, const char *line, const struct text_glyph *g)
{
    char utf8[4];
    if (g->mark == MARK_BLANK) { /* a tab, many blanks, the CR of an old line end */
        if (g->end > g->start && line[g->start] != '\r')
            outfile_add(x->out, line + g->start, g->end - g->start);
        return;
    }
    for (uint8_t i = 0; i < g->count; i++)
        html_escape(x->out, utf8, utf8_encode(g->cp[i], utf8));
}

static bool is_plain(const char *line, size_t len)
{
    size_t i = 0;
    while (i < len && (unsigned char)(line[i] - 0x20) < 0x5f)
        i++;
    return i == len;
}

void html_line(struct export *x, const char *line, size_t len, enum text_mode mode, bool had_lf,
               struct highlight_walk *walk, size_t at)
{
    struct text_iter it;
    struct text_glyph g;
    char now[32] = "", next[32];
    if (x->raw || (walk == NULL && is_plain(line, len))) {
        html_escape(x->out, line, len);
        return;
    }
    text_begin(&it, line, len, mode, had_lf);
    while (text_next(&it, &g)) {
        class_of(&g, walk, at, next, sizeof next);
        change_class(x->out, now, sizeof now, next);
        put_glyph(x, line, &g);
    }
    change_class(x->out, now, sizeof now, "");
}

void html_text(struct export *x, const char *p, size_t len, enum text_mode mode)
{
    while (len > 0) {
        const char *nl = memchr(p, '\n', len);
        size_t n = nl != NULL ? (size_t)(nl - p) : len;
        html_line(x, p, n, mode, nl != NULL, NULL, 0);
        if (nl != NULL)
            outfile_add_str(x->out, "\n");
        n += nl != NULL;
        p += n;
        len -= n;
    }
}

void html_str(struct export *x, const char *s)
{
    while (*s != '\0') {
        size_t n = strcspn(s, "\n");
        html_line(x, s, n, TEXT_PROSE, false, NULL, 0);
        s += n;
        if (*s == '\n') {
            outfile_add_str(x->out, " ");
            s++;
        }
    }
}

void html_code(struct export *x, const char *language, const char *code, size_t len)
{
    struct highlight h;
    struct highlight_walk walk;
    size_t at = 0;
    highlight_init(&h, language);
    highlight_extend(&h, code, len);
    highlight_seek(&walk, &h, code, len, 0);
    /* A line break right behind <pre> is not part of it: this one is thrown away, not the code's.
     */
    outfile_add_str(x->out, "<pre class=\"code\">\n");
    while (at < len) {
        const char *nl = memchr(code + at, '\n', len - at);
        size_t n = nl != NULL ? (size_t)(nl - code) - at : len - at;
        outfile_add_str(x->out, "<span class=\"l\">");
        html_line(x, code + at, n, TEXT_CODE, nl != NULL, &walk, at);
        outfile_add_str(x->out, "</span>\n");
        at += n + (nl != NULL);
    }
    outfile_add_str(x->out, "</pre>\n");
    highlight_release(&h);
}
