/* review_learn.c - what assignments teach: which name stands for what, which holds decoded or
 * fetched data, which literal it was set to. */
#include "tool/review_chain.h"

#include <stdlib.h>
#include <string.h>

#define TARGETS_MAX 8
#define CHAINED_MAX 8u
#define SCAN_MAX    96u /* tokens of an expression that are looked at, brackets counted once */

/* ---- values ---- */

static void set_value(struct names *n, uint32_t id, const struct literal *l)
{
    struct ident *it = &n->ids[id];
    const char *p = l->text.ptr != NULL ? l->text.ptr : "";
    size_t len = l->text.len;
    bool something = l->known || (len > 1 && !l->many);
    if (!something || len > VALUE_MAX) {
        n->again |= it->looked && !it->dynamic;
        it->dynamic = true;
        return;
    }
    if (it->values > VALUES_MAX || (it->values > 0 && len == 0) ||
        (it->values > 0 && memmem(it->value, it->value_len, p, len) != NULL))
        return;
    it->values++;
    struct ident *first = names_first_part(n, id);
    if (first != NULL)
        first->has_dotted_value = true;
    it = &n->ids[id];
    n->again |= it->looked;
    if (it->values > VALUES_MAX)
        return;
    size_t before = it->values > 1 ? it->value_len + 1 : 0;
    char *all = names_copy(n, p, len);
    if (before > 0) {
        all = xmalloc(before + len);
        memcpy(all, it->value, it->value_len);
        all[it->value_len] = '\n';
        memcpy(all + before, p, len);
        char *kept = names_copy(n, all, before + len);
        free(all);
        all = kept;
    }
    it->value = all;
    it->value_len = before + len;
}

/* ---- taint ---- */

static bool rules_list(const struct names *n, enum match_kind kind, const struct chain *c)
{
    const struct review_rules *r = n->j->rules;
    if (((c->kinds | c->parent_kinds) & 1u << kind) == 0)
        return false;
    const struct rule_entry *en = NULL;
    while ((en = rules_find(r, n->j->lang, kind, c->name, c->len, en)) != NULL) {
        if (en->glob == NULL)
            return true;
    }
    const char *dot = memrchr(c->name, '.', c->len);
    if (dot == NULL)
        return false;
    size_t parent = (size_t)(dot - c->name);
    while ((en = rules_find(r, n->j->lang, kind, c->name, parent, en)) != NULL) {
        if (en->glob != NULL && glob_name(en->glob, dot + 1, c->len - parent - 1))
            return true;
    }
    return false;
}

/* Buffer.from(x, "base64") */
static bool decodes_buffer(struct names *n, const struct chain *c)
{
    if (strcmp(c->name, "Buffer.from") != 0 || !tok_is_op(n, c->at, '('))
        return false;
    struct args a;
    args_split(n, c->at, &a);
    if (a.count < 2)
        return false;
    const struct tok *t = &n->toks[a.from[1]];
    const char *p = tok_text(n, a.from[1]);
    return t->kind == LEX_STRING &&
           (memmem(p, t->len, "base64", 6) != NULL || memmem(p, t->len, "hex", 3) != NULL);
}

/* The parameters of functions given to what carries taint carry it too: .then(x => …). */
static void taint_parameters(struct names *n, size_t open, uint8_t bits)
{
    size_t close = n->toks[open].aux, end = open + 1 + SCAN_MAX;
    for (size_t i = open + 1; i < close && i < end; i++) {
        if (!tok_is_name(n, i))
            continue;
        bool bare = tok_is_op(n, i + 1, OP_ARROW);
        bool listed = (tok_is_op(n, i - 1, '(') || tok_is_op(n, i - 1, ',')) &&
                      (tok_is_op(n, i + 1, ')') || tok_is_op(n, i + 1, ','));
        if (bare || (listed && (tok_is_op(n, i + 2, OP_ARROW) || tok_is_op(n, i + 2, '{'))))
            n->ids[n->toks[i].aux].taint |= bits;
    }
}

/* import("fs").then(f => …), .then(({rm}) => …): the parameter is the module. */
static void learn_then(struct names *n, const struct chain *c)
{
    static const char then[] = ".then";
    struct chain of = *c;
    size_t i = c->at + 1;
    bool listed = false;
    chain_cut(&of, sizeof(then) - 1);
    for (; i < c->at + 5 &&
           (tok_is_op(n, i, '(') || tok_is_word(n, i, "async") || tok_is_word(n, i, "function"));
         i++)
        listed |= tok_is_op(n, i, '(');
    if (strpbrk(of.name, "([") == NULL && (listed || tok_is_op(n, i + 1, OP_ARROW)))
        javascript_bind(n, i, &of);
}

static uint8_t chain_taint(struct names *n, size_t i)
{
    struct chain c;
    struct ident *id = &n->ids[n->toks[i].aux];
    uint8_t bits = id->taint;
    id->looked |= !tok_is_op(n, i + 1, '=');
    n->toks[i].mark |= bits;
    if (!id->is_root && id->alias_count == 0 && !id->has_dotted && n->star_count == 0 && bits == 0)
        return 0; /* nothing the rules could know */
    for (unsigned k = 0; chain_begin(n, i, k, &c); k++) {
        bits |= c.taint;
        do {
            if (c.known && rules_list(n, MATCH_DECODED, &c))
                bits |= TOK_DECODED;
            if (c.known && rules_list(n, MATCH_FETCHED, &c))
                bits |= TOK_FETCHED;
            if (c.known && decodes_buffer(n, &c))
                bits |= TOK_DECODED;
            if (bits != 0 && n->j->lang == LEX_LANG_JAVASCRIPT && tok_is_op(n, c.at, '('))
                taint_parameters(n, c.at, bits);
            if (c.known && n->j->lang == LEX_LANG_JAVASCRIPT && chain_ends(&c, ".then") &&
                tok_is_op(n, c.at, '('))
                learn_then(n, &c);
        } while (chain_step(n, &c));
    }
    n->toks[i].mark |= bits;
    return bits;
}

/* ---- targets ---- */

struct targets {
    uint32_t ids[TARGETS_MAX];
    size_t count;
};

/* One target that ends at token `last`; *first is where it begins. */
static bool find_target(struct names *n, size_t last, size_t *first, uint32_t *id)
{
    if (!tok_is_name(n, last))
        return false;
    *first = last;
    while (*first >= 2 && tok_is_op(n, *first - 1, '.') && tok_is_name(n, *first - 2))
        *first -= 2;
    *id = *first == last ? n->toks[last].aux : names_intern_dotted(n, *first, last);
    return true;
}

/* The names before the `=` at token i, the last one first. Behind a comma there are more of them
 * only in a statement of Python (`a, b = x`), not among parameters or declarations. */
static void find_targets(struct names *n, size_t i, bool tuple, struct targets *out)
{
    size_t last = i;
    out->count = 0;
    /* x: int = … */
    for (size_t k = i; n->j->lang == LEX_LANG_PYTHON && k >= 2 && k + 8 > i; k--) {
        bool starts = k < 3 || n->toks[k - 3].kind == LEX_NEWLINE ||
                      (!tuple && (tok_is_op(n, k - 3, ',') || tok_is_op(n, k - 3, '(')));
        if (tok_is_op(n, k - 1, ':') && tok_is_name(n, k - 2) && starts)
            last = k - 1;
    }
    while (last >= 1 && out->count < TARGETS_MAX) {
        size_t first;
        if (!find_target(n, last - 1, &first, &out->ids[out->count]))
            return;
        n->ids[out->ids[out->count]].defined = true;
        out->count++;
        if (tuple && first >= 2 && tok_is_op(n, first - 1, '*'))
            first--; /* a, *b = … */
        if (!tuple || first < 2 || !tok_is_op(n, first - 1, ','))
            return;
        last = first - 1;
    }
}

/* ---- the right side ---- */

/* The token behind the expression that starts at i: a line end, `;`, `,` or a closing bracket. */
static size_t expression_end(const struct names *n, size_t i, bool *cut)
{
    size_t steps = 0;
    *cut = false;
    while (i < n->count) {
        const struct tok *t = &n->toks[i];
        if (t->kind == LEX_NEWLINE || tok_is_op(n, i, ';') || tok_is_op(n, i, ',') ||
            tok_is_op(n, i, ')') || tok_is_op(n, i, ']') || tok_is_op(n, i, '}'))
            return i;
        if (++steps > SCAN_MAX) {
            *cut = true;
            return i;
        }
        i = t->kind == LEX_OPERATOR && t->aux > i ? (size_t)t->aux + 1 : i + 1;
    }
    return i;
}

static size_t skip_to_value(const struct names *n, size_t i)
{
    while (i < n->count && (n->toks[i].kind == LEX_NEWLINE || tok_is_word(n, i, "await") ||
                            tok_is_word(n, i, "new") || tok_is_op(n, i, '(')))
        i++;
    return i;
}

/* Does another value of the same expression start behind token i: `a or b`, `c ? d : e`? */
static bool is_choice(const struct names *n, size_t i)
{
    if (i >= n->count)
        return false;
    if (n->toks[i].kind == LEX_KEYWORD)
        return tok_is_word(n, i, "or") || tok_is_word(n, i, "and") || tok_is_word(n, i, "else");
    if (n->toks[i].kind != LEX_OPERATOR)
        return false;
    return tok_is_op(n, i, '?') || tok_is_op(n, i, ':') || tok_is_op(n, i, '=') ||
           tok_is_word(n, i, "||") || tok_is_word(n, i, "&&") || tok_is_word(n, i, "??");
}

/* The chain at `start` is what the name may stand for, when nothing is done with it. */
static void learn_chain(struct names *n, uint32_t id, size_t start, size_t end)
{
    struct chain c;
    for (unsigned k = 0; tok_is_name(n, start) && start < n->count; k++) {
        size_t next = chain_resolve(n, start, k, &c);
        if (c.len == 0)
            break;
        bool path = strcmp(c.name, "pathlib.Path()") == 0;
        bool whole = next >= end || n->toks[next].kind != LEX_OPERATOR || tok_is_op(n, next, ')') ||
                     is_choice(n, next) || (path && tok_is_op(n, next, '/'));
        if (!c.known || !whole || !names_add_alias(n, id, c.name, c.len))
            continue;
        if (memchr(n->ids[id].p, '.', n->ids[id].len) == NULL)
            n->toks[start].mark |= TOK_LEARNT; /* an attribute may be reached by other names */
    }
}

static void learn_value(struct names *n, uint32_t id, size_t from)
{
    bool cut;
    size_t end = expression_end(n, from, &cut);
    learn_chain(n, id, skip_to_value(n, from), end);
    for (size_t i = from; i < end; i++) {
        if (n->toks[i].kind == LEX_OPERATOR && n->toks[i].aux > i)
            i = n->toks[i].aux;
        else if (is_choice(n, i))
            learn_chain(n, id, skip_to_value(n, i + 1), end);
    }
    if (cut || end <= from) {
        n->ids[id].dynamic = true;
        return;
    }
    if (tok_is_op(n, from, '['))
        n->ids[id].list = (uint32_t)from + 1;
    struct literal l;
    literal_fold(n, from, end, &l);
    set_value(n, id, &l);
    literal_release(&l);
}

static void learn_assignment(struct names *n, size_t i, bool tuple, struct targets *t)
{
    size_t from = i + 1;
    if (i > 0 && tok_is_op(n, i - 1, '}') && n->j->lang == LEX_LANG_JAVASCRIPT) {
        javascript_destructure(n, i, skip_to_value(n, from));
        t->count = 0;
        return;
    }
    find_targets(n, i, tuple, t);
    for (size_t k = t->count; k-- > 0;) {
        bool cut;
        learn_value(n, t->ids[k], from);
        size_t end = expression_end(n, from, &cut);
        if (t->count > 1 && tok_is_op(n, end, ','))
            from = end + 1; /* a, b = x, y */
    }
}

/* for m in (os, subprocess): */
static void learn_loop(struct names *n, size_t i, struct targets *t)
{
    t->count = 0;
    if (i == 0 || !tok_is_name(n, i - 1))
        return;
    t->ids[t->count++] = n->toks[i - 1].aux;
    n->ids[n->toks[i - 1].aux].dynamic = true;
    if (!tok_is_op(n, i + 1, '(') && !tok_is_op(n, i + 1, '['))
        return;
    struct args a;
    args_split(n, i + 1, &a);
    for (size_t k = 0; k < a.count; k++)
        learn_value(n, n->toks[i - 1].aux, a.from[k]);
}

/* ---- the walk ---- */

struct learner {
    struct targets open; /* set by the statement being read */
    uint32_t function;   /* + 1: the one whose body is being read */
    bool returns;
    uint8_t taint;
    unsigned chained; /* `=` of one a = b = c */
    size_t depth;     /* open brackets */
    size_t def_until; /* the parameters of a definition end here */
};

static void add_taint(struct names *n, uint32_t id, uint8_t bits)
{
    struct ident *it = &n->ids[id];
    n->again |= it->looked && (it->taint | bits) != it->taint;
    it->taint |= bits;
}

static void end_statement(struct names *n, struct learner *l)
{
    for (size_t i = 0; i < l->open.count; i++)
        add_taint(n, l->open.ids[i], l->taint);
    if (l->returns && l->function > 0)
        add_taint(n, l->function - 1, l->taint);
    l->open.count = 0;
    l->chained = 0;
    l->returns = false;
    l->taint = 0;
}

/* Is the `=` at token i an argument's name rather than an assignment? */
static bool is_keyword_argument(const struct names *n, const struct learner *l, size_t i)
{
    return n->j->lang == LEX_LANG_PYTHON && l->depth > 0 && i > l->def_until;
}

/* `x += …` makes x something we don't know. */
static void learn_update(struct names *n, size_t i)
{
    const char *p = tok_text(n, i);
    size_t len = n->toks[i].len;
    if (n->toks[i].op == OP_OTHER && len >= 2 && p[len - 1] == '=' &&
        strchr("=!<>", p[0]) == NULL && i > 0 && tok_is_name(n, i - 1))
        n->ids[n->toks[i - 1].aux].dynamic = true;
}

static void learn_brackets(struct names *n, struct learner *l, size_t i)
{
    const struct tok *t = &n->toks[i];
    if (t->kind != LEX_OPERATOR)
        return;
    if (t->op == ',' || t->op == '(' || t->op == '{')
        l->chained = 0;
    if (t->op == '(' || t->op == '[' || t->op == '{')
        l->depth++;
    else if ((t->op == ')' || t->op == ']' || t->op == '}') && l->depth > 0)
        l->depth--;
    if (t->op != '(' || i == 0 || (n->toks[i - 1].flags & LEX_DEF) == 0 || t->aux <= i)
        return;
    l->def_until = t->aux;
    for (size_t k = i + 1; k < t->aux && k < i + SCAN_MAX; k++) {
        if (tok_is_name(n, k))
            n->ids[n->toks[k].aux].dynamic = true;
    }
}

static void learn_token(struct names *n, struct learner *l, size_t i)
{
    const struct tok *t = &n->toks[i];
    learn_brackets(n, l, i);
    learn_update(n, i);
    if (t->kind == LEX_NEWLINE || tok_is_op(n, i, ';')) {
        if (!tok_is_op(n, i + 1, '.'))
            end_statement(n, l);
    } else if ((tok_is_op(n, i, '=') && !is_keyword_argument(n, l, i)) ||
               tok_is_op(n, i, OP_WALRUS)) {
        l->taint = 0;
        if (l->chained++ < CHAINED_MAX)
            learn_assignment(n, i, l->depth == 0 && n->j->lang == LEX_LANG_PYTHON, &l->open);
    } else if (t->kind == LEX_KEYWORD && (tok_is_word(n, i, "in") || tok_is_word(n, i, "of"))) {
        learn_loop(n, i, &l->open);
    } else if (t->kind == LEX_KEYWORD && tok_is_word(n, i, "return")) {
        l->returns = true;
    } else if (tok_is_op(n, i, OP_ARROW) && l->open.count > 0) {
        l->function = l->open.ids[0] + 1;
    }
    if (!tok_is_name(n, i) || (t->mark & TOK_IMPORT) != 0)
        return;
    if ((t->flags & LEX_DEF) != 0) {
        l->function = t->aux + 1;
        n->ids[t->aux].defined = true;
    }
    if (i == 0 || !tok_is_op(n, i - 1, '.'))
        l->taint |= chain_taint(n, i);
}

void names_learn(struct names *n)
{
    struct learner l = { 0 };
    for (size_t i = 0; i < n->count; i++)
        learn_token(n, &l, i);
    end_statement(n, &l);
}
