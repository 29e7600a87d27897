/* markdown.c - Markdown to styled lines, through md4c's callbacks. */
#include "ui/markdown_int.h"

#include <stdio.h>
#include <string.h>
#include <md4c.h>

#define LISTS_MAX 8

struct render {
    struct wrap w;
    enum style_role roles[16]; /* of open spans */
    size_t depth;
    struct {
        bool ordered;
        unsigned number;
    } lists[LISTS_MAX];
    size_t list_depth, first_line;
    bool in_code, in_cell, first_in_item, head;
    unsigned quote;
};

static enum style_role role_now(const struct render *r)
{
    if (r->depth > 0)
        return r->roles[(r->depth < 16 ? r->depth : 16) - 1];
    return r->in_code ? ROLE_CODE : r->head ? ROLE_HEADING : r->quote ? ROLE_DIM : ROLE_TEXT;
}

/* An empty line between blocks, but not at the start and not in an item's first one. */
static void gap(struct render *r)
{
    struct prose *p = r->w.prose;
    if (p->line_count > r->first_line && p->lines[p->line_count - 1].count > 0 &&
        r->list_depth == 0)
        prose_add_empty(p);
}

static size_t indent_of(const struct render *r)
{
    return r->quote * 2 + r->list_depth * 3;
}

static void begin_item(struct render *r, const MD_BLOCK_LI_DETAIL *d)
{
    char mark[16];
    size_t depth = (r->list_depth < LISTS_MAX ? r->list_depth : LISTS_MAX) - 1;
    if (d->is_task)
        snprintf(mark, sizeof mark, "[%c]", d->task_mark == ' ' ? ' ' : 'x');
    else if (r->lists[depth].ordered)
        snprintf(mark, sizeof mark, "%u.", r->lists[depth].number++ % 1000);
    else
        snprintf(mark, sizeof mark, " -");
    r->w.indent = r->quote * 2 + (r->list_depth - 1) * 3;
    wrap_line(&r->w);
    wrap_raw(&r->w, mark, strlen(mark), ROLE_STRONG);
    size_t pad = strlen(mark) < 3 ? 3 - strlen(mark) : 1;
    wrap_raw(&r->w, "   ", pad, ROLE_TEXT);
    r->w.start = r->w.column;
    r->w.indent = indent_of(r);
    r->first_in_item = true;
}

static void begin_list(struct render *r, bool ordered, unsigned start)
{
    if (r->list_depth == 0)
        gap(r);
    if (r->list_depth < LISTS_MAX) {
        r->lists[r->list_depth].ordered = ordered;
        r->lists[r->list_depth].number = start;
    }
    r->list_depth++;
}

static int enter_block(MD_BLOCKTYPE type, void *detail, void *arg)
{
    struct render *r = arg;
    switch (type) {
    case MD_BLOCK_H:
        gap(r);
        r->head = true;
        break;
    case MD_BLOCK_P:
        if (!r->first_in_item)
            gap(r);
        r->first_in_item = false;
        break;
    case MD_BLOCK_CODE:
        gap(r);
        wrap_end(&r->w);
        r->in_code = true;
        r->w.indent = indent_of(r) + 2;
        break;
    case MD_BLOCK_QUOTE:
        gap(r);
        r->quote++;
        break;
    case MD_BLOCK_UL:
        begin_list(r, false, 0);
        break;
    case MD_BLOCK_OL:
        begin_list(r, true, ((MD_BLOCK_OL_DETAIL *)detail)->start);
        break;
    case MD_BLOCK_LI:
        begin_item(r, detail);
        break;
    case MD_BLOCK_HR:
        gap(r);
        wrap_raw(&r->w, "----", 4, ROLE_DIM);
        wrap_end(&r->w);
        break;
    case MD_BLOCK_TABLE:
        gap(r);
        break;
    case MD_BLOCK_TR:
        wrap_end(&r->w);
        r->in_cell = false;
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        if (r->in_cell)
            wrap_raw(&r->w, " | ", 3, ROLE_DIM);
        r->in_cell = true;
        r->head = type == MD_BLOCK_TH;
        break;
    case MD_BLOCK_DOC:
    case MD_BLOCK_HTML:
    case MD_BLOCK_THEAD:
    case MD_BLOCK_TBODY:
        break;
    }
    if (type != MD_BLOCK_CODE)
        r->w.indent = indent_of(r);
    return 0;
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *arg)
{
    struct render *r = arg;
    (void)detail;
    switch (type) {
    case MD_BLOCK_H:
    case MD_BLOCK_P:
    case MD_BLOCK_TR:
    case MD_BLOCK_LI:
        wrap_end(&r->w);
        r->head = false;
        r->first_in_item = false;
        break;
    case MD_BLOCK_TH:
        r->head = false;
        break;
    case MD_BLOCK_CODE:
        wrap_end(&r->w);
        r->in_code = false;
        break;
    case MD_BLOCK_QUOTE:
        r->quote -= r->quote > 0;
        break;
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        r->list_depth -= r->list_depth > 0;
        break;
    default:
        break;
    }
    r->w.indent = indent_of(r);
    return 0;
}

static int enter_span(MD_SPANTYPE type, void *detail, void *arg)
{
    struct render *r = arg;
    enum style_role role = type == MD_SPAN_STRONG ? ROLE_STRONG
                           : type == MD_SPAN_CODE ? ROLE_CODE
                           : type == MD_SPAN_DEL  ? ROLE_DIM
                                                  : ROLE_EMPHASIS;
    (void)detail;
    if (r->depth < 16)
        r->roles[r->depth] = role;
    r->depth++;
    return 0;
}

/* Where a link leads is said: the words alone may lie. */
static void put_target(struct render *r, const MD_ATTRIBUTE *a)
{
    if (a->size == 0)
        return;
    wrap_text(&r->w, " (", 2, ROLE_DIM);
    wrap_raw(&r->w, a->text, a->size, ROLE_DIM);
    wrap_raw(&r->w, ")", 1, ROLE_DIM);
}

static int leave_span(MD_SPANTYPE type, void *detail, void *arg)
{
    struct render *r = arg;
    r->depth -= r->depth > 0;
    if (type == MD_SPAN_A)
        put_target(r, &((MD_SPAN_A_DETAIL *)detail)->href);
    else if (type == MD_SPAN_IMG)
        put_target(r, &((MD_SPAN_IMG_DETAIL *)detail)->src);
    return 0;
}

static void put_code(struct render *r, const char *s, size_t len)
{
    while (len) {
        const char *lf = memchr(s, '\n', len);
        size_t n = lf ? (size_t)(lf - s) : len;
        wrap_raw(&r->w, s, n, ROLE_CODE);
        if (lf)
            wrap_end(&r->w);
        n += lf != NULL;
        s += n;
        len -= n;
    }
}

static void put_entity(struct render *r, const char *s, size_t len)
{
    static const struct {
        const char *name, *text;
    } known[] = { { "&lt;", "<" }, { "&gt;", ">" }, { "&amp;", "&" }, { "&quot;", "\"" } };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (len == strlen(known[i].name) && memcmp(s, known[i].name, len) == 0) {
            wrap_raw(&r->w, known[i].text, 1, role_now(r));
            return;
        }
    wrap_raw(&r->w, s, len, role_now(r));
}

static int put_text(MD_TEXTTYPE type, const MD_CHAR *s, MD_SIZE len, void *arg)
{
    struct render *r = arg;
    switch (type) {
    case MD_TEXT_BR:
        wrap_line(&r->w);
        break;
    case MD_TEXT_SOFTBR:
        r->w.blank = true;
        break;
    case MD_TEXT_NULLCHAR:
        wrap_raw(&r->w, "", 1, role_now(r)); /* one NUL: drawn as ^@ */
        break;
    case MD_TEXT_ENTITY:
        put_entity(r, s, len);
        break;
    case MD_TEXT_CODE:
        if (r->in_code) {
            put_code(r, s, len);
            break;
        }
        wrap_text(&r->w, s, len, ROLE_CODE);
        break;
    case MD_TEXT_NORMAL:
    case MD_TEXT_HTML:
    case MD_TEXT_LATEXMATH:
        wrap_text(&r->w, s, len, role_now(r));
        break;
    }
    return 0;
}

void prose_add_markdown(struct prose *p, const char *md, size_t len, size_t width)
{
    struct render r = { 0 };
    MD_PARSER parser = { .flags = MD_FLAG_NOHTML | MD_FLAG_TABLES | MD_FLAG_TASKLISTS |
                                  MD_FLAG_STRIKETHROUGH | MD_FLAG_PERMISSIVEATXHEADERS,
                         .enter_block = enter_block,
                         .leave_block = leave_block,
                         .enter_span = enter_span,
                         .leave_span = leave_span,
                         .text = put_text };
    bool cut = len > PROSE_BYTES_MAX;
    wrap_begin(&r.w, p, width);
    r.first_line = p->line_count;
    if (md_parse(md, (MD_SIZE)(cut ? PROSE_BYTES_MAX : len), &parser, &r) != 0)
        prose_add_plain(p, md, len, width, ROLE_TEXT);
    else if (cut)
        prose_add_span(p, "(cut here)", 10, ROLE_DIM, false);
}
