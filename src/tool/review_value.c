/* review_value.c - where a name stands as a value that goes on to somewhere else: not compared, not
 * bound, not only looked at. */
#include "tool/review_names.h"

#include <string.h>

#define BACK_MAX      64u /* tokens that are looked back at for the bracket around */
#define PATTERN_DEPTH 4u

static bool is_one_of(const struct names *n, size_t i, const char *const *words, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        if (tok_is_word(n, i, words[k]))
            return true;
    }
    return false;
}

/* The bracket that token i stands in; i itself when there is none near. */
static size_t bracket_around(const struct names *n, size_t i)
{
    size_t at = i, steps = 0;
    while (at > 0 && steps++ < BACK_MAX) {
        const struct tok *t = &n->toks[--at];
        if (t->kind != LEX_OPERATOR || strchr("([{)]}", t->op) == NULL || t->op == 0)
            continue;
        if (t->aux > i)
            return at;
        if (t->aux < at)
            at = t->aux;
    }
    return i;
}

/* Is `open` the bracket of parameters or of a pattern: what stands in it is bound, not used? */
static bool binds(const struct names *n, size_t open)
{
    static const char *const heads[] = { "if", "while", "for", "switch", "catch", "with" };
    bool js = n->j->lang == LEX_LANG_JAVASCRIPT;
    for (unsigned depth = 0; depth < PATTERN_DEPTH && !tok_is_op(n, open, '['); depth++) {
        size_t close = n->toks[open].aux, around = bracket_around(n, open);
        if (tok_is_op(n, open, '(')) {
            bool head = open > 0 && is_one_of(n, open - 1, heads, ARRAY_LEN(heads));
            bool body = tok_is_op(n, close + 1, OP_ARROW) || tok_is_op(n, close + 1, '{');
            return (open > 0 && (n->toks[open - 1].flags & LEX_DEF) != 0) || (js && !head && body);
        }
        if (tok_is_op(n, close + 1, '=') || tok_is_word(n, close + 1, "of"))
            return js;
        if (!js || around == open)
            return false;
        open = around;
    }
    return false;
}

/* `hasattr(os, "fork")`, `Reflect.get(fs, …)`: followed, or nothing comes of it. Not by a function
 * of the code's own that is called so. */
static bool is_looked_at(const struct names *n, size_t first)
{
    if (first < 2 || !tok_is_op(n, first - 1, '(') || !tok_is_name(n, first - 2))
        return false;
    const struct tok *last = &n->toks[first - 2];
    bool dotted = first >= 4 && tok_is_op(n, first - 3, '.') && tok_is_name(n, first - 4);
    size_t start = n->toks[first - 4 * (size_t)dotted].start;
    if (dotted && rules_find(n->j->rules, n->j->lang, MATCH_LOOKS, n->j->code + start,
                             last->start + last->len - start, NULL) != NULL)
        return true;
    return !n->ids[last->aux].defined &&
           rules_find(n->j->rules, n->j->lang, MATCH_LOOKS, tok_text(n, first - 2), last->len,
                      NULL) != NULL;
}

static bool is_loop_of(const struct names *n, size_t in)
{
    static const char *const words[] = { "for", "const", "let", "var", "of" };
    return in >= 2 && (is_one_of(n, in - 2, words, ARRAY_LEN(words)) || tok_is_op(n, in - 2, ','));
}

bool names_is_value(const struct names *n, size_t first, size_t next)
{
    static const char *const before[] = { "del",    "global", "nonlocal", "not",        "typeof",
                                          "delete", "as",     "for",      "instanceof", "void",
                                          "is",     "!",      "class",    "assert",     "let",
                                          "const",  "var" };
    static const char *const behind[] = { "is", "==",  "===", "!=", "!==",
                                          "&&", "and", "?",   "in", "instanceof" };
    bool starts =
        first == 0 || n->toks[first - 1].kind == LEX_NEWLINE || tok_is_op(n, first - 1, ';');
    bool ends = next >= n->count || n->toks[next].kind == LEX_NEWLINE || tok_is_op(n, next, ';');
    if ((starts && ends) || tok_is_op(n, next, '=') || tok_is_op(n, next, OP_ARROW) ||
        is_one_of(n, next, behind, ARRAY_LEN(behind)))
        return false;
    if (first == 0)
        return true;
    if (is_one_of(n, first - 1, before, ARRAY_LEN(before)) || is_looked_at(n, first))
        return false;
    if (tok_is_word(n, first - 1, "in") && !is_loop_of(n, first - 1))
        return false; /* "HOME" in os.environ */
    bool in_list = tok_is_op(n, first - 1, '(') || tok_is_op(n, first - 1, ',') ||
                   tok_is_op(n, first - 1, '{') || tok_is_op(n, first - 1, '*') ||
                   tok_is_op(n, first - 1, ':') || tok_is_op(n, first - 1, OP_POWER) ||
                   tok_is_op(n, first - 1, OP_SPREAD);
    size_t around = in_list ? bracket_around(n, first) : first;
    return around == first || !binds(n, around);
}
