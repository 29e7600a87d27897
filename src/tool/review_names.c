/* review_names.c - the walk over Python and JavaScript: every chain of names against the rules. */
#include "tool/review_chain.h"

#include <string.h>

/* ---- conditions on arguments ---- */

struct call {
    struct names *n;
    const struct chain *c;
    bool is_call;
    struct args args;
};

static bool has_taint(const struct names *n, size_t from, size_t to, unsigned which)
{
    const uint32_t *before = n->taint_before[which];
    return from < to && to <= n->count && before[to] > before[from];
}

static bool contains_word(const struct call *k, size_t from, size_t to, const struct rule_cond *c)
{
    for (size_t i = from; i < to && i < from + 256; i++) {
        const struct tok *t = &k->n->toks[i];
        for (size_t w = 0; w < c->word_count; w++) {
            if (tok_is_word(k->n, i, c->words[w]) ||
                (t->kind == LEX_STRING &&
                 memmem(tok_text(k->n, i), t->len, c->words[w], strlen(c->words[w])) != NULL))
                return true;
        }
    }
    return false;
}

static bool is_word_literal(const struct literal *l, const struct rule_cond *c)
{
    for (size_t w = 0; w < c->word_count; w++) {
        if (l->text.len == strlen(c->words[w]) &&
            memcmp(l->text.ptr, c->words[w], l->text.len) == 0)
            return true;
    }
    return false;
}

static bool writes(const struct literal *l)
{
    for (size_t i = 0; i < l->text.len; i++) {
        if (strchr("wax+", l->text.ptr[i]) != NULL && l->text.ptr[i] != '\0')
            return true;
    }
    return !l->known;
}

static bool cond_literal(const struct call *k, const struct rule_cond *c, size_t from, size_t to)
{
    static const char hole[] = { REVIEW_HOLE, '\0' };
    struct literal l;
    bool holds = false;
    literal_fold(k->n, from, to, &l);
    if (c->what == COND_WRITES)
        holds = writes(&l);
    else if (c->what == COND_LITERAL)
        holds = l.known;
    else if (c->what == COND_TEXT)
        holds = l.known || strspn(buf_str(&l.text), hole) < l.text.len;
    else if (c->what == COND_DYNAMIC)
        holds = !l.known;
    else if (c->what == COND_BUILT)
        holds = l.known && l.built;
    else if (c->what == COND_IS)
        holds = (l.known && is_word_literal(&l, c)) ||
                (to == from + 1 && contains_word(k, from, to, c));
    literal_release(&l);
    return holds;
}

static bool cond_holds(const struct call *k, const struct rule_cond *c)
{
    size_t from = 0, to = 0;
    bool there = k->is_call;
    if (there && c->arg == -1) {
        from = k->args.open + 1;
        to = k->args.close;
    } else if (there) {
        there = args_find(k->n, &k->args, c->arg, c->kw, &from, &to);
    }
    if (!there)
        return false;
    switch (c->what) {
    case COND_PRESENT:
        return to > from;
    case COND_TRUE:
        return to > from && (tok_is_word(k->n, from, "True") || tok_is_word(k->n, from, "true") ||
                             literal_number(k->n, from, to) > 0);
    case COND_DECODED:
        return has_taint(k->n, from, to, 0);
    case COND_FETCHED:
        return has_taint(k->n, from, to, 1);
    case COND_HUGE:
        return literal_number(k->n, from, to) >= 1e8;
    case COND_HAS:
        return contains_word(k, from, to, c);
    default:
        return cond_literal(k, c, from, to);
    }
}

/* ---- paths and code among the arguments ---- */

static void arg_literal(const struct call *k, const struct rule_arg *a, struct literal *out)
{
    struct names *n = k->n;
    const struct chain *c = k->c;
    size_t from = 0, to = 0;
    if (a->kw != NULL && strcmp(a->kw, "self") == 0) {
        if (c->path_to > c->path_from) {
            from = c->path_from;
            to = c->path_to;
        } else if (c->receiver > 0 && n->ids[c->receiver - 1].value != NULL) {
            from = c->first;
            to = c->first + 1;
        }
    } else if (k->is_call) {
        args_find(n, &k->args, a->arg, a->kw, &from, &to);
    }
    literal_fold(n, from, to, out);
}

/* One argument as a quoted word. */
static void word_to_shell(struct names *n, size_t from, size_t to, struct buf *out)
{
    struct literal l;
    literal_fold(n, from, to, &l);
    if (out->len > 0)
        buf_add_char(out, ' ');
    bool quoted = !(l.text.len == 1 && l.text.ptr[0] == REVIEW_HOLE);
    if (quoted)
        buf_add_char(out, '\'');
    for (size_t b = 0; b < l.text.len; b++) {
        if (l.text.ptr[b] == REVIEW_HOLE)
            buf_add_str(out, quoted ? "'\"${X}\"'" : "\"${X}\"");
        else if (l.text.ptr[b] == '\'')
            buf_add_str(out, "'\\''");
        else
            buf_add_char(out, l.text.ptr[b]);
    }
    if (quoted)
        buf_add_char(out, '\'');
    literal_release(&l);
}

/* ["rm", "-rf", x] as the shell would have to be told. */
static void list_to_shell(struct names *n, size_t open, struct buf *out)
{
    struct args a;
    args_split(n, open, &a);
    for (size_t i = 0; i < a.count; i++)
        word_to_shell(n, a.from[i], a.to[i], out);
}

static void fill_holes(const struct literal *l, enum lex_lang lang, struct buf *out)
{
    for (size_t i = 0; i < l->text.len; i++) {
        if (l->text.ptr[i] == REVIEW_HOLE)
            buf_add_str(out, lang == LEX_LANG_SHELL ? "${X}" : "X");
        else
            buf_add_char(out, l->text.ptr[i]);
    }
}

static void review_code_arg(const struct call *k, const struct rule_arg *a)
{
    struct names *n = k->n;
    size_t from, to;
    if (!k->is_call || !args_find(n, &k->args, a->arg, a->kw, &from, &to))
        return;
    size_t start = n->toks[from].start;
    size_t len = n->toks[to - 1].start + n->toks[to - 1].len - start;
    struct buf code = BUF_INIT((size_t)2 << 20);
    struct literal l;
    literal_fold(n, from, to, &l);
    uint32_t list = tok_is_op(n, from, '[') ? (uint32_t)from + 1 : 0;
    if (list == 0 && to == from + 1 && tok_is_name(n, from))
        list = n->ids[n->toks[from].aux].list;
    if (list > 0 && a->lang == LEX_LANG_SHELL) {
        list_to_shell(n, list - 1, &code);
        job_nested(n->j, a->lang, buf_str(&code), code.len, start, len, false);
    } else if (a->lang == LEX_LANG_SHELL && tok_is_op(n, to, ',') && tok_is_op(n, to + 1, '[')) {
        word_to_shell(n, from, to, &code); /* spawn("rm", ["-rf", x]) */
        list_to_shell(n, to + 1, &code);
        job_nested(n->j, a->lang, buf_str(&code), code.len, start, len, false);
    } else if (l.exact) {
        job_nested(n->j, a->lang, n->j->code + l.at, l.len, l.at, l.len, true);
    } else if (l.text.len > 1 || l.known) {
        fill_holes(&l, a->lang, &code);
        job_nested(n->j, a->lang, buf_str(&code), code.len, start, len, false);
    }
    literal_release(&l);
    buf_release(&code);
}

/* ---- rules ---- */

static void try_rule(const struct call *k, const struct review_rule *rule)
{
    struct names *n = k->n;
    for (size_t i = 0; i < rule->cond_count; i++) {
        if (cond_holds(k, &rule->conds[i]) == rule->conds[i].negate)
            return;
    }
    size_t start = n->toks[k->c->first].start;
    size_t len = n->toks[k->c->last].start + n->toks[k->c->last].len - start;
    const char *detail = k->c->name;
    size_t detail_len = k->c->len;
    if (detail_len > 0 && detail[0] == '?') {
        detail = tok_text(n, k->c->last);
        detail_len = n->toks[k->c->last].len;
    }
    if (rule->path.used) {
        struct literal l;
        arg_literal(k, &rule->path, &l);
        enum path_class cls = PATH_UNKNOWN;
        if (l.text.len > 0 && !l.many)
            cls = path_classify(n->j->ctx, n->j->cwd, l.text.ptr, l.text.len);
        if (cls != PATH_UNKNOWN) {
            detail = l.text.ptr;
            detail_len = l.text.len;
        }
        job_add(n->j, rule, cls, start, len, detail, detail_len);
        if (strcmp(rule->category, "write") == 0)
            job_persist(n->j, buf_str(&l.text), l.text.len, start, len);
        literal_release(&l);
    } else {
        job_add(n->j, rule, PATH_UNKNOWN, start, len, detail, detail_len);
    }
    if (rule->code.used)
        review_code_arg(k, &rule->code);
}

/* All rules under a key; with `glob`, those whose pattern takes the last part. */
static bool try_key(const struct call *k, enum match_kind kind, const char *key, size_t len,
                    const char *last, size_t last_len)
{
    const struct rule_entry *en = NULL;
    const struct review_rules *r = k->n->j->rules;
    bool any = false;
    while ((en = rules_find(r, k->n->j->lang, kind, key, len, en)) != NULL) {
        if (last == NULL ? en->glob != NULL
                         : en->glob == NULL || !glob_name(en->glob, last, last_len))
            continue;
        try_rule(k, &r->rules[en->rule]);
        any = true;
    }
    return any;
}

static bool try_kind(const struct call *k, enum match_kind kind)
{
    const struct chain *c = k->c;
    bool any = false;
    if ((c->kinds & 1u << kind) != 0)
        any = try_key(k, kind, c->name, c->len, NULL, 0);
    const char *dot = memrchr(c->name, '.', c->len);
    if (dot != NULL && (c->parent_kinds & 1u << kind) != 0) {
        size_t parent = (size_t)(dot - c->name);
        any |= try_key(k, kind, c->name, parent, dot + 1, c->len - parent - 1);
    }
    return any;
}

static void look_for_env(struct names *n, const struct chain *c)
{
    static const char js[] = "process.env.";
    static const char *const readers[] = {
        "os.environ[]",   "os.environ.get()",         "os.environ.pop()", "os.environ.setdefault()",
        "os.environb[]",  "os.environ.__getitem__()", "os.getenv()",      "os.getenvb()",
        "Deno.env.get()",
    };
    size_t start = n->toks[c->first].start;
    size_t len = n->toks[c->last].start + n->toks[c->last].len - start;
    size_t at = sizeof(js) - 1;
    if (strstr(c->name, "env") == NULL)
        return;
    if (strncmp(c->name, js, at) == 0 && strpbrk(c->name + at, ".([") == NULL)
        job_env(n->j, c->name + at, c->len - at, start, len);
    for (size_t i = 0; c->key_len > 0 && i < ARRAY_LEN(readers); i++) {
        if (chain_is(c, readers[i]))
            job_env(n->j, c->key, c->key_len, start, len);
    }
}

static void follow_chdir(struct names *n, const struct call *k)
{
    const struct chain *c = k->c;
    size_t from, to;
    if (!k->is_call ||
        (strcmp(c->name, "os.chdir") != 0 && strcmp(c->name, "process.chdir") != 0) ||
        !args_find(n, &k->args, 0, NULL, &from, &to))
        return;
    struct literal l;
    literal_fold(n, from, to, &l);
    path_change(n->j->cwd, l.text.ptr, l.text.len);
    literal_release(&l);
}

struct member {
    const char *p;
    size_t len;
    bool is_method, is_attr; /* the rules know it as … */
};

/* The `x` of `….x`, in JavaScript also of `…["x"]`. */
static struct member last_member(const struct names *n, const struct chain *c)
{
    if (c->step == STEP_INDEX && n->j->lang == LEX_LANG_JAVASCRIPT && c->key_len > 0) {
        uint32_t hash = rules_key_hash(n->j->lang, c->key, c->key_len);
        unsigned kinds = rules_kinds(n->j->rules, n->j->lang, c->key, c->key_len, hash);
        return (struct member){ c->key, c->key_len, (kinds & 1u << MATCH_METHOD) != 0,
                                (kinds & 1u << MATCH_ATTR) != 0 };
    }
    if (c->step != STEP_NAME || !tok_is_name(n, c->last))
        return (struct member){ 0 };
    const struct ident *id = &n->ids[n->toks[c->last].aux];
    return (struct member){ id->p, id->len, id->has_method, id->has_attr };
}

/* What the rules say of the chain as far as it was read. */
static void check_step(struct names *n, const struct chain *c)
{
    struct call k = { .n = n, .c = c, .is_call = chain_calls(n, c) };
    struct member last = last_member(n, c);
    size_t start = n->toks[c->first].start;
    size_t len = n->toks[c->at - 1].start + n->toks[c->at - 1].len - start;
    if (c->built_key && c->known)
        job_check(n->j, "built-name", start, len);
    if (c->dynamic_key)
        job_check(n->j, "dynamic-name", start, len);
    bool method = c->step != STEP_CALL && (last.is_method || last.is_attr);
    if (!c->known && !method)
        return;
    if (k.is_call) {
        size_t open = c->at;
        while (open < n->count && !tok_is_op(n, open, '(') && open < c->at + 16)
            open++;
        if (tok_is_op(n, open, '('))
            args_split(n, open, &k.args);
        else
            k.args.open = k.args.close = c->at - 1;
        if (c->by_call && k.args.count > 0)
            args_drop_first(&k.args);
    }
    bool named = false;
    if (c->known) {
        follow_chdir(n, &k);
        look_for_env(n, c);
        named = try_kind(&k, MATCH_USE);
        if (k.is_call)
            named |= try_kind(&k, MATCH_CALL);
    }
    if (!method || named || (c->last == c->first && c->step == STEP_NAME))
        return;
    if (k.is_call && last.is_method)
        try_key(&k, MATCH_METHOD, last.p, last.len, NULL, 0);
    if (last.is_attr)
        try_key(&k, MATCH_ATTR, last.p, last.len, NULL, 0);
}

/* Names that only name something: definitions, keyword arguments, keys of objects. */
static bool is_only_label(const struct names *n, size_t i)
{
    if ((n->toks[i].flags & LEX_DEF) != 0 || tok_is_op(n, i + 1, '='))
        return true;
    if (n->j->lang != LEX_LANG_JAVASCRIPT || i == 0)
        return false;
    bool in_object =
        tok_is_op(n, i - 1, '{') || tok_is_op(n, i - 1, ',') || n->toks[i - 1].kind == LEX_NEWLINE;
    if (in_object && tok_is_op(n, i + 1, ':'))
        return true;
    /* name(…) { of a class or object */
    if (!tok_is_op(n, i + 1, '(') || n->toks[i + 1].aux <= i + 1)
        return false;
    return tok_is_op(n, (size_t)n->toks[i + 1].aux + 1, '{');
}

/* Does the chain hold, as a value, what the rules want to know of: `f(os)`, `[os]`, `return os`? */
static void check_value(struct names *n, const struct chain *c)
{
    static const char dict[] = ".__dict__"; /* vars(os) */
    size_t len = chain_ends(c, dict) ? c->len - (sizeof(dict) - 1) : c->len;
    const struct call k = { .n = n, .c = c };
    if (!c->known || (n->toks[c->first].mark & TOK_LEARNT) != 0 ||
        (len == c->len && (c->kinds & 1u << MATCH_VALUE) == 0))
        return;
    if (rules_find(n->j->rules, n->j->lang, MATCH_VALUE, c->name, len, NULL) != NULL &&
        names_is_value(n, c->open, c->at))
        try_key(&k, MATCH_VALUE, c->name, len, NULL, 0);
}

static void report_chain(struct names *n, size_t i)
{
    struct chain c;
    for (unsigned k = 0; chain_begin(n, i, k, &c); k++) {
        if (tok_is_name(n, i))
            check_step(n, &c);
        while (chain_step(n, &c))
            check_step(n, &c);
        check_value(n, &c);
    }
}

/* `.x` or, in JavaScript, `["x"]` behind something that has no name: (a || b).x, []["x"] */
static bool continues_unnamed(const struct names *n, size_t i)
{
    if (tok_is_op(n, i, '.'))
        return true;
    return n->j->lang == LEX_LANG_JAVASCRIPT && i > 0 && tok_is_op(n, i, '[') &&
           (tok_is_op(n, i - 1, ']') || tok_is_op(n, i - 1, ')') ||
            n->toks[i - 1].kind == LEX_STRING);
}

static void report(struct names *n)
{
    n->reporting = true;
    for (size_t i = 0; i < n->count; i++) {
        if ((n->toks[i].mark & TOK_IMPORT) != 0)
            continue;
        bool after_dot = i > 0 && tok_is_op(n, i - 1, '.');
        if (tok_is_name(n, i) && !after_dot) {
            if (!is_only_label(n, i))
                report_chain(n, i);
        } else if ((n->toks[i].mark & TOK_DONE) == 0 && continues_unnamed(n, i)) {
            report_chain(n, i);
        }
    }
}

void names_import(struct names *n, const char *module, size_t len, size_t tok)
{
    const struct review_rules *r = n->j->rules;
    bool url =
        memmem(module, len, "://", 3) != NULL || (len > 5 && memcmp(module, "data:", 5) == 0);
    if (n->reporting && url && strncmp(module, "file:", 5) != 0)
        job_check(n->j, "url-module", n->toks[tok].start, n->toks[tok].len);
    for (size_t end = 1; n->reporting && end <= len; end++) {
        const struct rule_entry *en = NULL;
        if (end < len && module[end] != '.' && module[end] != '/')
            continue;
        while ((en = rules_find(r, n->j->lang, MATCH_IMPORT, module, end, en)) != NULL)
            job_add(n->j, &r->rules[en->rule], PATH_UNKNOWN, n->toks[tok].start, n->toks[tok].len,
                    module, len);
    }
}

static void count_taint(struct names *n)
{
    for (unsigned which = 0; which < 2; which++) {
        uint32_t *before = xcalloc(n->count + 1, sizeof(uint32_t));
        uint8_t bit = which == 0 ? TOK_DECODED : TOK_FETCHED;
        for (size_t i = 0; i < n->count; i++)
            before[i + 1] = before[i] + ((n->toks[i].mark & bit) != 0);
        n->taint_before[which] = before;
    }
}

void review_names(struct review_job *j)
{
    struct names n = { .j = j };
    bool python = j->lang == LEX_LANG_PYTHON;
    names_tokenize(&n);
    for (unsigned pass = 0; pass == 0 || (pass == 1 && n.again); pass++) {
        if (python)
            python_imports(&n);
        else
            javascript_imports(&n);
        names_learn(&n);
    }
    count_taint(&n);
    n.reporting = true;
    if (python)
        python_imports(&n);
    else
        javascript_imports(&n);
    report(&n);
    review_loops(&n);
    review_oddities(&n);
    names_release(&n);
}
