/* review_loops.c - loops without an end, in Python by indentation and in JavaScript by brackets. */
#include "tool/review_names.h"

#include <string.h>

#define FRAMES_MAX 256u

/* A loop, or something a `break` or `return` does not cross. */
struct frame {
    enum { FRAME_LOOP, FRAME_SWITCH, FRAME_FUNCTION } kind;
    bool endless, left; /* has a way out */
    size_t head;        /* token of the keyword */
    size_t column;      /* Python: of its line */
    size_t end;         /* JavaScript: last token of the body */
    bool one_line;      /* JavaScript: a body without braces */
    bool forks;
};

struct walk {
    struct names *n;
    struct frame frames[FRAMES_MAX];
    size_t count;
};

static void pop_frame(struct walk *w)
{
    struct names *n = w->n;
    struct frame f = w->frames[--w->count];
    const struct tok *t = &n->toks[f.head];
    if (!f.endless || f.left)
        return;
    job_check(n->j, f.forks ? "fork-loop" : "endless-loop", t->start, t->len);
}

static void push_frame(struct walk *w, struct frame f)
{
    if (w->count < FRAMES_MAX)
        w->frames[w->count++] = f;
}

/* `break` leaves the innermost loop or switch; all else leaves every loop of the function. */
static void leave(struct walk *w, bool only_innermost)
{
    for (size_t i = w->count; i > 0 && w->frames[i - 1].kind != FRAME_FUNCTION; i--) {
        w->frames[i - 1].left = true;
        if (only_innermost)
            return;
    }
}

static bool is_exit_word(const struct names *n, size_t i)
{
    return tok_is_word(n, i, "return") || tok_is_word(n, i, "raise") ||
           tok_is_word(n, i, "throw") || tok_is_word(n, i, "yield") || tok_is_word(n, i, "await");
}

static bool is_exit_call(const struct names *n, size_t i)
{
    return tok_is_word(n, i, "exit") || tok_is_word(n, i, "_exit") || tok_is_word(n, i, "quit") ||
           tok_is_word(n, i, "abort");
}

static bool starts_process(const struct names *n, size_t i)
{
    return tok_is_word(n, i, "fork") || tok_is_word(n, i, "spawn") || tok_is_word(n, i, "Popen");
}

static void look_inside(struct walk *w, size_t i)
{
    const struct names *n = w->n;
    if (w->count == 0)
        return;
    if (n->toks[i].kind == LEX_KEYWORD) {
        /* a label may name any loop around */
        bool label = n->j->lang == LEX_LANG_JAVASCRIPT && tok_is_name(n, i + 1);
        if (tok_is_word(n, i, "break"))
            leave(w, !label);
        else if (is_exit_word(n, i))
            leave(w, false);
    } else if (tok_is_name(n, i) && tok_is_op(n, i + 1, '(')) {
        if (is_exit_call(n, i))
            leave(w, false);
        for (size_t k = 0; starts_process(n, i) && k < w->count; k++)
            w->frames[k].forks = true;
    }
}

/* ---- Python ---- */

/* Nothing in [i, end) can change: numbers, texts, True, and signs between them. */
static bool is_constant(const struct names *n, size_t i, size_t end)
{
    static const char *const words[] = { "True", "true", "not", "and", "or" };
    bool any = false;
    for (; i < end; i++) {
        bool word = false;
        for (size_t k = 0; k < ARRAY_LEN(words); k++)
            word |= tok_is_word(n, i, words[k]);
        if (!word && n->toks[i].kind != LEX_NUMBER && n->toks[i].kind != LEX_STRING &&
            n->toks[i].kind != LEX_OPERATOR)
            return false;
        any |= word || literal_number(n, i, i + 1) != 0 || end == i + 1;
    }
    return any;
}

static bool is_true(const struct names *n, size_t i, size_t end)
{
    if (i >= end)
        return false;
    if (tok_is_op(n, i, '(') && n->toks[i].aux == end - 1)
        return is_true(n, i + 1, end - 1);
    if (tok_is_word(n, i, "True") && tok_is_word(n, i + 1, "or"))
        return true;
    if (tok_is_word(n, i, "true") && tok_is_word(n, i + 1, "||"))
        return true;
    if (tok_is_op(n, i + 1, OP_WALRUS))
        return is_true(n, i + 2, end);
    if (end == i + 2 && (tok_is_word(n, i, "not") || tok_is_op(n, i, '!')))
        return tok_is_word(n, i + 1, "False") || tok_is_word(n, i + 1, "None") ||
               tok_is_word(n, i + 1, "false") || literal_number(n, i + 1, end) == 0;
    if (end == i + 1 && n->toks[i].kind != LEX_OPERATOR)
        return tok_is_word(n, i, "True") || tok_is_word(n, i, "true") ||
               literal_number(n, i, end) > 0 ||
               (n->toks[i].kind == LEX_STRING && n->toks[i].len > 2);
    bool empty = end == i + 2 && n->j->lang == LEX_LANG_PYTHON; /* [] is no reason to go on */
    return !empty && is_constant(n, i, end);
}

static size_t column_of(const struct names *n, size_t i)
{
    const char *code = n->j->code;
    size_t start = n->toks[i].start, at = start, column = 0;
    while (at > 0 && (code[at - 1] == ' ' || code[at - 1] == '\t'))
        at--;
    for (; at < start; at++)
        column = code[at] == '\t' ? (column / 8 + 1) * 8 : column + 1;
    return column;
}

static void python_statement(struct walk *w, size_t i)
{
    struct names *n = w->n;
    size_t column = column_of(n, i);
    while (w->count > 0 && w->frames[w->count - 1].column >= column)
        pop_frame(w);
    struct frame f = { .kind = FRAME_LOOP, .head = i, .column = column };
    if (tok_is_word(n, i, "async"))
        i++;
    if (tok_is_word(n, i, "def") || tok_is_word(n, i, "class"))
        f.kind = FRAME_FUNCTION;
    else if (tok_is_word(n, i, "while")) {
        size_t end = i + 1;
        while (end < n->count && end < i + 8 && !tok_is_op(n, end, ':'))
            end++;
        f.endless = tok_is_op(n, end, ':') && is_true(n, i + 1, end);
    } else if (!tok_is_word(n, i, "for")) {
        return;
    }
    push_frame(w, f);
}

static void python_loops(struct walk *w)
{
    struct names *n = w->n;
    bool starts = true;
    for (size_t i = 0; i < n->count; i++) {
        bool newline = n->toks[i].kind == LEX_NEWLINE;
        if (starts && !newline)
            python_statement(w, i);
        starts = newline;
        look_inside(w, i);
    }
}

/* ---- JavaScript ---- */

static bool is_endless_for(const struct names *n, size_t open)
{
    size_t close = n->toks[open].aux, parts = 0, from = open + 1;
    for (size_t i = open + 1; i < close; i++) {
        if (n->toks[i].kind == LEX_OPERATOR && n->toks[i].aux > i) {
            i = n->toks[i].aux;
        } else if (tok_is_op(n, i, ';')) {
            if (++parts == 2)
                return i == from || is_true(n, from, i);
            from = i + 1;
        }
    }
    return false;
}

/* Where the statement that starts at token i ends. */
static size_t body_end(const struct names *n, size_t i, bool *one_line)
{
    while (i < n->count && n->toks[i].kind == LEX_NEWLINE)
        i++;
    *one_line = !tok_is_op(n, i, '{');
    if (!*one_line)
        return n->toks[i].aux > i ? n->toks[i].aux : n->count;
    size_t end = i + 64;
    while (i < n->count && i < end && !tok_is_op(n, i, ';') && n->toks[i].kind != LEX_NEWLINE)
        i = n->toks[i].kind == LEX_OPERATOR && n->toks[i].aux > i ? n->toks[i].aux : i + 1;
    return i;
}

static void javascript_head(struct walk *w, size_t i)
{
    struct names *n = w->n;
    struct frame f = { .kind = FRAME_LOOP, .head = i };
    if (i > 0 && tok_is_op(n, i - 1, '.'))
        return;
    size_t open = i + 1 + (tok_is_word(n, i, "for") && tok_is_word(n, i + 1, "await"));
    bool head = tok_is_op(n, open, '(') && n->toks[open].aux > open;
    size_t close = head ? n->toks[open].aux : i;
    if (tok_is_word(n, i, "while") && head) {
        f.endless = is_true(n, open + 1, close);
    } else if (tok_is_word(n, i, "for") && head) {
        f.endless = is_endless_for(n, open);
    } else if (tok_is_word(n, i, "do")) {
        bool one_line;
        size_t end = body_end(n, i + 1, &one_line);
        size_t tail = end + 1;
        f.endless = tok_is_word(n, tail, "while") && tok_is_op(n, tail + 1, '(') &&
                    is_true(n, tail + 2, n->toks[tail + 1].aux);
        close = i;
    } else if (tok_is_word(n, i, "switch") && head) {
        f.kind = FRAME_SWITCH;
    } else {
        return;
    }
    f.end = body_end(n, close + 1, &f.one_line);
    push_frame(w, f);
}

/* `{` of a function: behind `)` that is no head of a statement, or behind `=>`. */
static bool opens_function(const struct names *n, size_t i)
{
    if (!tok_is_op(n, i, '{') || i == 0)
        return false;
    if (tok_is_op(n, i - 1, OP_ARROW))
        return true;
    if (!tok_is_op(n, i - 1, ')') || n->toks[i - 1].aux == 0 || n->toks[i - 1].aux >= i)
        return false;
    size_t before = n->toks[i - 1].aux - 1;
    static const char *const heads[] = { "if", "while", "for", "switch", "catch", "with", "await" };
    for (size_t k = 0; k < ARRAY_LEN(heads); k++) {
        if (tok_is_word(n, before, heads[k]))
            return false;
    }
    return true;
}

static void javascript_loops(struct walk *w)
{
    struct names *n = w->n;
    for (size_t i = 0; i < n->count; i++) {
        while (w->count > 0 && i > w->frames[w->count - 1].end)
            pop_frame(w);
        if (n->toks[i].kind == LEX_KEYWORD)
            javascript_head(w, i);
        else if (opens_function(n, i) && n->toks[i].aux > i)
            push_frame(w,
                       (struct frame){ .kind = FRAME_FUNCTION, .head = i, .end = n->toks[i].aux });
        look_inside(w, i);
    }
}

void review_loops(struct names *n)
{
    struct walk w = { .n = n };
    if (n->j->lang == LEX_LANG_PYTHON)
        python_loops(&w);
    else
        javascript_loops(&w);
    while (w.count > 0)
        pop_frame(&w);
}
