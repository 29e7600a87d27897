/* runbook_parse.c - reading a runbook, line by line.
 *
 * By hand and not with md4c: every mistake is to be told as FILE:LINE, and md4c gives no positions.
 * The few constructs that mean something are exact; everything else is prose. */
#include "providers/planners/runbook_parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/utf8.h"
#include "providers/expectation.h"

#define DATA_COUNT_MAX 32

struct line {
    const char *ptr; /* without its line end */
    size_t len;
    size_t indent;    /* blanks in front; a tab counts to the next multiple of four */
    const char *text; /* behind them */
    size_t text_len;
};

struct fence {
    char mark;
    size_t width, indent, line;
    struct runbook_block *block;
    struct buf code;
};

struct parser {
    const char *name, *at, *end;
    size_t line_no;
    struct runbook *rb;
    struct runbook_step *step; /* NULL before the first heading */
    struct buf prose, expect;
    struct fence fence; /* block != NULL: inside one */
    bool in_comment, after_item, paragraph;
    struct err *e;
};

static int wrong(struct parser *p, size_t line, const char *fmt, ...) PRINTF_LIKE(3, 4);

static int wrong(struct parser *p, size_t line, const char *fmt, ...)
{
    char why[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return err_set(p->e, ERR_FORMAT, "%s:%zu: %s", p->name, line, why);
}

/* ---- lines ---- */

static bool next_line(struct parser *p, struct line *l)
{
    if (p->at == p->end)
        return false;
    const char *nl = memchr(p->at, '\n', (size_t)(p->end - p->at));
    const char *stop = nl != NULL ? nl : p->end;
    l->ptr = p->at;
    l->len = (size_t)(stop - p->at);
    if (l->len > 0 && l->ptr[l->len - 1] == '\r')
        l->len--;
    p->at = nl != NULL ? nl + 1 : p->end;
    p->line_no++;
    size_t i = 0;
    for (l->indent = 0; i < l->len && (l->ptr[i] == ' ' || l->ptr[i] == '\t'); i++)
        l->indent += l->ptr[i] == '\t' ? 4 - l->indent % 4 : 1;
    l->text = l->ptr + i;
    l->text_len = l->len - i;
    while (l->text_len > 0 && strchr(" \t", l->text[l->text_len - 1]) != NULL)
        l->text_len--;
    return true;
}

static int check_bytes(struct parser *p, const struct line *l)
{
    size_t valid = utf8_valid_prefix(l->ptr, l->len);
    if (valid < l->len)
        return wrong(p, p->line_no, "invalid UTF-8 at byte %zu of the line", valid + 1);
    const char *nul = l->len > 0 ? memchr(l->ptr, '\0', l->len) : NULL;
    return nul == NULL ? 0 : wrong(p, p->line_no, "a NUL byte");
}

static bool starts_with(const struct line *l, const char *word)
{
    size_t n = strlen(word);
    return l->text_len >= n && strncasecmp(l->text, word, n) == 0;
}

/* ---- prose ---- */

static void add_prose(struct parser *p, const struct line *l)
{
    if (l->text_len == 0) {
        p->paragraph = false;
        return;
    }
    bool item = l->text_len > 1 && strchr("-*+#>|", l->text[0]) != NULL;
    if (p->prose.len > 0)
        buf_add_str(&p->prose, !p->paragraph ? "\n\n" : item ? "\n" : " ");
    buf_add(&p->prose, l->text, l->text_len);
    p->paragraph = true;
}

static char *take_prose(struct parser *p, const char *otherwise)
{
    char *s = xstrdup(p->prose.len > 0 ? p->prose.ptr : otherwise);
    buf_reset(&p->prose);
    p->paragraph = false;
    return s;
}

/* ---- headings ---- */

static int end_step(struct parser *p)
{
    struct runbook_step *s = p->step;
    if (s == NULL) {
        p->rb->task = take_prose(p, "");
        return 0;
    }
    if (s->block_count == 0)
        return wrong(p, s->line, "step `%.60s` has no code block", s->title);
    s->expect = xstrdup(buf_str(&p->expect));
    buf_reset(&p->expect);
    buf_reset(&p->prose);
    p->paragraph = false;
    return 0;
}

static int begin_step(struct parser *p, const char *title, size_t len)
{
    struct runbook *rb = p->rb;
    if (end_step(p) < 0)
        return -1;
    if (rb->step_count == RUNBOOK_STEPS_MAX)
        return wrong(p, p->line_no, "more than %d steps", RUNBOOK_STEPS_MAX);
    rb->steps = xreallocarray(rb->steps, rb->step_count + 1, sizeof *rb->steps);
    p->step = &rb->steps[rb->step_count++];
    *p->step = (struct runbook_step){ .line = p->line_no };
    p->step->id = xasprintf("%zu", rb->step_count);
    p->step->title = xstrndup(title, len);
    return 0;
}

/* Level of an ATX heading, 0 when it is none; its words in *title. */
static size_t heading_level(const struct line *l, const char **title, size_t *len)
{
    size_t level = 0;
    if (l->indent > 3)
        return 0;
    while (level < l->text_len && l->text[level] == '#')
        level++;
    if (level == 0 || level > 6 || (level < l->text_len && strchr(" \t", l->text[level]) == NULL))
        return 0;
    const char *t = l->text + level;
    size_t n = l->text_len - level;
    for (; n > 0 && strchr(" \t", *t) != NULL; n--)
        t++;
    size_t bare = n;
    while (bare > 0 && t[bare - 1] == '#')
        bare--;
    if (bare == 0 || strchr(" \t", t[bare - 1]) != NULL)
        n = bare;
    while (n > 0 && strchr(" \t", t[n - 1]) != NULL)
        n--;
    *title = t;
    *len = n;
    return level;
}

static int take_heading(struct parser *p, size_t level, const char *title, size_t len)
{
    if (len == 0)
        return wrong(p, p->line_no, "a heading without words");
    if (level == 2)
        return begin_step(p, title, len);
    if (p->rb->title != NULL)
        return wrong(p, p->line_no, "a second title: steps begin with ##");
    if (p->step != NULL)
        return wrong(p, p->line_no, "the title stands after the first step");
    p->rb->title = xstrndup(title, len);
    return 0;
}

/* ---- list items that mean something ---- */

static int take_expect(struct parser *p, const char *s, size_t len)
{
    struct expectation x;
    struct err why = ERR_INIT;
    if (p->step == NULL)
        return wrong(p, p->line_no, "a check before the first step");
    if (len >= 2 && s[0] == '`' && s[len - 1] == '`') {
        s++;
        len -= 2;
    }
    if (expectation_parse(&x, s, len, &why) < 0) {
        const char *what = strncmp(why.msg, "line 1: ", 8) == 0 ? why.msg + 8 : why.msg;
        return wrong(p, p->line_no, "%.280s", what);
    }
    size_t count = x.count;
    expectation_release(&x);
    if (count == 0)
        return wrong(p, p->line_no, "an expectation without a check");
    expectation_add(&p->expect, s, len);
    return 0;
}

static int take_data(struct parser *p, const char *s, size_t len)
{
    struct runbook *rb = p->rb;
    if (p->step != NULL)
        return wrong(p, p->line_no, "data is named before the first step");
    if (len >= 2 && s[0] == '`' && s[len - 1] == '`') {
        s++;
        len -= 2;
    }
    if (len == 0)
        return wrong(p, p->line_no, "data without a path");
    if (rb->data_count == DATA_COUNT_MAX)
        return wrong(p, p->line_no, "more than %d data files", DATA_COUNT_MAX);
    rb->data = xreallocarray(rb->data, rb->data_count + 1, sizeof *rb->data);
    rb->data[rb->data_count++] = (struct runbook_data){ xstrndup(s, len), p->line_no };
    return 0;
}

/* 1 when the line was an item of ours, 0 when it is prose. */
static int take_item(struct parser *p, const struct line *l)
{
    if (l->indent > 3 || l->text_len < 2 || strchr("-*+", l->text[0]) == NULL ||
        strchr(" \t", l->text[1]) == NULL)
        return 0;
    struct line item = *l;
    item.text++;
    item.text_len--;
    while (item.text_len > 0 && strchr(" \t", *item.text) != NULL) {
        item.text++;
        item.text_len--;
    }
    bool expect = starts_with(&item, "expect:");
    if (!expect && !starts_with(&item, "data:"))
        return 0;
    size_t skip = expect ? strlen("expect:") : strlen("data:");
    while (skip < item.text_len && strchr(" \t", item.text[skip]) != NULL)
        skip++;
    const char *s = item.text + skip;
    size_t len = item.text_len - skip;
    p->after_item = true;
    return (expect ? take_expect(p, s, len) : take_data(p, s, len)) < 0 ? -1 : 1;
}

/* ---- code ---- */

static const char *find_language(const char *word, size_t len)
{
    static const char *const rows[][2] = {
        { "python", "python" },  { "py", "python" },
        { "python3", "python" }, { "javascript", "javascript" },
        { "js", "javascript" },  { "node", "javascript" },
        { "bash", "bash" },      { "sh", "bash" },
        { "shell", "bash" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strlen(rows[i][0]) == len && strncasecmp(rows[i][0], word, len) == 0)
            return rows[i][1];
    }
    return NULL;
}

/* Width of the fence a line is made of; 0 when it is none. */
static size_t fence_width(const struct line *l)
{
    size_t n = 0;
    if (l->indent > 3 || l->text_len < 3 || (l->text[0] != '`' && l->text[0] != '~'))
        return 0;
    while (n < l->text_len && l->text[n] == l->text[0])
        n++;
    if (n < 3 || (l->text[0] == '`' && memchr(l->text + n, '`', l->text_len - n) != NULL))
        return 0;
    return n;
}

static int open_fence(struct parser *p, const struct line *l, size_t width)
{
    const char *word = l->text + width;
    size_t len = l->text_len - width, n = 0;
    for (; len > 0 && strchr(" \t", *word) != NULL; len--)
        word++;
    while (n < len && strchr(" \t{", word[n]) == NULL)
        n++;
    if (p->step == NULL)
        return wrong(p, p->line_no, "code before the first step (## heading)");
    if (n == 0)
        return wrong(p, p->line_no,
                     "a code block without a language; to show code that is not to "
                     "run, indent it by four spaces");
    const char *language = find_language(word, n);
    if (language == NULL)
        return wrong(
            p, p->line_no,
            "language `%.*s` is not known (python, javascript, bash); to show code that is "
            "not to run, indent it by four spaces",
            n < 30 ? (int)n : 30, word);
    if (p->step->block_count == RUNBOOK_BLOCKS_MAX)
        return wrong(p, p->line_no, "more than %d code blocks in a step", RUNBOOK_BLOCKS_MAX);
    struct runbook_block *b = &p->step->blocks[p->step->block_count++];
    *b = (struct runbook_block){ .language = language, .line = p->line_no };
    b->purpose = take_prose(p, p->step->title);
    p->fence.mark = l->text[0];
    p->fence.width = width;
    p->fence.indent = l->indent;
    p->fence.line = p->line_no;
    p->fence.block = b;
    buf_reset(&p->fence.code);
    return 0;
}

static int close_fence(struct parser *p)
{
    struct fence *f = &p->fence;
    if (strspn(buf_str(&f->code), " \t\n") == f->code.len)
        return wrong(p, f->line, "the code block is empty");
    f->block->code_len = f->code.len;
    f->block->code = buf_detach(&f->code);
    f->block = NULL;
    return 0;
}

static int take_code(struct parser *p, const struct line *l)
{
    struct fence *f = &p->fence;
    if (fence_width(l) >= f->width && l->text[0] == f->mark && fence_width(l) == l->text_len)
        return close_fence(p);
    /* What the fence was indented by, the code may be; not more. */
    size_t skip = 0;
    while (skip < f->indent && skip < l->len && l->ptr[skip] == ' ')
        skip++;
    buf_add(&f->code, l->ptr + skip, l->len - skip);
    buf_add_char(&f->code, '\n');
    return 0;
}

/* ---- all of it ---- */

/* 1 when the line belongs to a comment. */
static int take_comment(struct parser *p, const struct line *l)
{
    if (!p->in_comment && !starts_with(l, "<!--"))
        return 0;
    p->in_comment = memmem(l->text, l->text_len, "-->", 3) == NULL;
    return 1;
}

static int take_line(struct parser *p, const struct line *l)
{
    const char *title;
    size_t len, level, width;
    if (p->fence.block != NULL)
        return take_code(p, l);
    if (take_comment(p, l))
        return 0;
    bool after_item = p->after_item;
    p->after_item = false;
    if ((level = heading_level(l, &title, &len)) == 1 || level == 2)
        return take_heading(p, level, title, len);
    if ((width = fence_width(l)) > 0)
        return open_fence(p, l, width);
    int item = take_item(p, l);
    if (item != 0)
        return item < 0 ? -1 : 0;
    if (after_item && l->text_len > 0 && l->indent > 0)
        return wrong(p, p->line_no, "an expectation or data item stands on one line");
    add_prose(p, l);
    return 0;
}

static int parse_lines(struct parser *p)
{
    struct line l;
    while (next_line(p, &l)) {
        if (check_bytes(p, &l) < 0 || take_line(p, &l) < 0)
            return -1;
    }
    if (p->fence.block != NULL)
        return wrong(p, p->fence.line, "the code block is not closed");
    if (p->step == NULL)
        return err_set(p->e, ERR_FORMAT,
                       "%s:%zu: no steps: a step is a ## heading with a code block under it",
                       p->name, p->line_no);
    return end_step(p);
}

int runbook_parse(struct runbook *out, const char *name, const char *text, size_t len,
                  struct err *e)
{
    struct runbook rb = { .title = NULL };
    struct parser p = { .name = name, .at = text, .end = text + len, .rb = &rb, .e = e };
    if (len > RUNBOOK_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "%s: a runbook has at most %zu bytes: put data in files", name,
                       RUNBOOK_BYTES_MAX);
    buf_init(&p.prose, RUNBOOK_BYTES_MAX * 2);
    buf_init(&p.expect, RUNBOOK_BYTES_MAX * 2);
    buf_init(&p.fence.code, RUNBOOK_BYTES_MAX * 2);
    if (len >= 3 && memcmp(text, "\357\273\277", 3) == 0)
        p.at += 3; /* a byte order mark */
    int rc = parse_lines(&p);
    buf_release(&p.prose);
    buf_release(&p.expect);
    buf_release(&p.fence.code);
    if (rc < 0) {
        runbook_release(&rb);
        return -1;
    }
    if (rb.title == NULL)
        rb.title = xstrdup(name);
    *out = rb;
    return 0;
}

void runbook_release(struct runbook *rb)
{
    if (rb == NULL)
        return;
    for (size_t i = 0; i < rb->step_count; i++) {
        struct runbook_step *s = &rb->steps[i];
        free(s->id);
        free(s->title);
        free(s->expect);
        for (size_t k = 0; k < s->block_count; k++) {
            free(s->blocks[k].code);
            free(s->blocks[k].purpose);
        }
    }
    for (size_t i = 0; i < rb->data_count; i++)
        free(rb->data[i].path);
    for (size_t i = 0; i < rb->file_count; i++) {
        free(rb->files[i].name);
        free(rb->files[i].ptr);
    }
    free(rb->steps);
    free(rb->data);
    free(rb->files);
    free(rb->title);
    free(rb->task);
    *rb = (struct runbook){ .title = NULL };
}
