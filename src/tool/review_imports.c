/* review_imports.c - import statements of Python and JavaScript, require() with destructuring. */
#include "tool/review_names.h"

#include <string.h>

/* The statement's own tokens are no uses of names. */
static void mark(struct names *n, size_t from, size_t to)
{
    for (size_t i = from; i < to && i < n->count; i++)
        n->toks[i].mark |= TOK_IMPORT;
}

/* ---- Python ---- */

/* `a.b.c` at token i into `out`; returns the token behind. */
static size_t read_dotted(const struct names *n, size_t i, char out[NAME_TEXT_MAX], size_t *len)
{
    *len = 0;
    while (i < n->count) {
        size_t part = n->toks[i].len;
        bool name = tok_is_name(n, i) || n->toks[i].kind == LEX_KEYWORD;
        if (!name || *len + part + 1 >= NAME_TEXT_MAX)
            break;
        memcpy(out + *len, tok_text(n, i), part);
        *len += part;
        i++;
        if (!tok_is_op(n, i, '.'))
            break;
        out[(*len)++] = '.';
        i++;
    }
    out[*len] = '\0';
    return i;
}

/* What os is made of has its functions, too; and modules are found in others: shutil.os. */
static void name_as_os(char *module, size_t *len)
{
    const char *dot = memrchr(module, '.', *len);
    const char *last = dot != NULL ? dot + 1 + (dot[1] == '_') : module;
    bool is_os = strcmp(last, "os") == 0 && dot != NULL;
    if (!is_os && strcmp(module, "posix") != 0 && strcmp(module, "nt") != 0)
        return;
    memcpy(module, "os", 3);
    *len = 2;
}

/* `import a.b as c, d` from the token behind `import`. */
static size_t python_import(struct names *n, size_t i)
{
    char module[NAME_TEXT_MAX];
    size_t len;
    for (;;) {
        size_t first = i;
        i = read_dotted(n, i, module, &len);
        if (len == 0)
            return i;
        name_as_os(module, &len);
        names_import(n, module, len, first);
        if (tok_is_word(n, i, "as") && tok_is_name(n, i + 1)) {
            names_add_alias(n, n->toks[i + 1].aux, module, len);
            i += 2;
        } else if (tok_is_name(n, first)) {
            names_add_alias(n, n->toks[first].aux, module, strcspn(module, "."));
        }
        if (!tok_is_op(n, i, ','))
            return i;
        i++;
    }
}

static void add_star(struct names *n, const char *module, size_t len)
{
    for (size_t i = 0; i < n->star_count; i++) {
        if (strcmp(n->stars[i], module) == 0)
            return;
    }
    if (n->star_count < STARS_MAX)
        n->stars[n->star_count++] = names_copy(n, module, len);
}

/* `a.b import (c as d, e)` from the token behind `from`. */
static size_t python_from(struct names *n, size_t i)
{
    char module[NAME_TEXT_MAX];
    size_t len, first = i;
    i = read_dotted(n, i, module, &len);
    if (!tok_is_word(n, i, "import") || len == 0)
        return i;
    name_as_os(module, &len);
    names_import(n, module, len, first);
    i++;
    if (tok_is_op(n, i, '*')) {
        add_star(n, module, len);
        return i + 1;
    }
    if (tok_is_op(n, i, '('))
        i++;
    while (tok_is_name(n, i) && len + 1 + n->toks[i].len < NAME_TEXT_MAX) {
        size_t bound = i, whole = len;
        module[whole++] = '.';
        memcpy(module + whole, tok_text(n, i), n->toks[i].len);
        whole += n->toks[i].len;
        module[whole] = '\0';
        if (tok_is_word(n, i + 1, "as") && tok_is_name(n, i + 2))
            bound = i + 2;
        char found[NAME_TEXT_MAX];
        size_t found_len = whole;
        memcpy(found, module, whole + 1);
        name_as_os(found, &found_len);
        names_add_alias(n, n->toks[bound].aux, found, found_len);
        names_import(n, module, whole, i);
        i = bound + 1;
        if (!tok_is_op(n, i, ','))
            break;
        i++;
    }
    return tok_is_op(n, i, ')') ? i + 1 : i;
}

void python_imports(struct names *n)
{
    for (size_t i = 0; i < n->count; i++) {
        size_t end = i;
        if (n->toks[i].kind != LEX_KEYWORD || (i > 0 && tok_is_op(n, i - 1, '.')))
            continue;
        if (tok_is_word(n, i, "import"))
            end = python_import(n, i + 1);
        else if (tok_is_word(n, i, "from") && tok_is_name(n, i + 1))
            end = python_from(n, i + 1);
        if (end > i + 1 && (tok_is_word(n, i, "import") || end > i + 2)) {
            mark(n, i, end);
            i = end - 1;
        }
    }
}

/* ---- JavaScript ---- */

/* The text of a plain string token, without a `node:` in front. */
static bool module_name(const struct names *n, size_t i, char out[NAME_TEXT_MAX], size_t *len)
{
    if (i >= n->count || n->toks[i].kind != LEX_STRING || n->toks[i].len < 3)
        return false;
    const char *p = tok_text(n, i) + 1;
    *len = n->toks[i].len - 2;
    if (*len > 5 && memcmp(p, "node:", 5) == 0) {
        p += 5;
        *len -= 5;
    }
    if (*len >= NAME_TEXT_MAX)
        return false;
    memcpy(out, p, *len);
    out[*len] = '\0';
    if (strncmp(out, "fs/promises", 11) == 0)
        out[2] = '.';
    return true;
}

/* The key at token i, and the token behind it: `a`, `'a'`, `['a']`. Length 0: it is none. */
static size_t bound_key(const struct names *n, size_t i, const char **p, size_t *len)
{
    bool computed = tok_is_op(n, i, '[') && tok_is_op(n, i + 2, ']');
    size_t at = computed ? i + 1 : i;
    bool quoted = at < n->count && n->toks[at].kind == LEX_STRING && n->toks[at].len > 2 &&
                  (computed || tok_is_op(n, at + 1, ':') || tok_is_word(n, at + 1, "as"));
    *p = tok_text(n, at) + quoted;
    bool word = tok_is_name(n, i) || (i < n->count && n->toks[i].kind == LEX_KEYWORD &&
                                      (tok_is_op(n, i + 1, ':') || tok_is_word(n, i + 1, "as")));
    *len = quoted ? n->toks[at].len - 2 : !computed && word ? n->toks[i].len : 0;
    return computed ? i + 3 : i + 1;
}

/* `{a, b as c}` or `{a, b: c = 1, ...d}` of `module`, between tokens i and close. */
static void bind_names(struct names *n, size_t i, size_t close, const char *module, size_t len,
                       unsigned depth)
{
    char whole[NAME_TEXT_MAX];
    while (i < close) {
        const char *key;
        size_t name_len, next = bound_key(n, i, &key, &name_len);
        bool fits = len + 1 + name_len < sizeof(whole);
        if (tok_is_op(n, i, OP_SPREAD) && tok_is_name(n, i + 1)) {
            names_add_alias(n, n->toks[i + 1].aux, module, len);
            next = i + 2;
        } else if (name_len == 0 && tok_is_op(n, i, '[')) {
            /* {[name]: x} = fs */
            job_check(n->j, "dynamic-name", n->toks[i].start, n->toks[i].len);
            next = (size_t)n->toks[i].aux + 1;
        } else if (name_len > 0 && fits) {
            size_t bound = i;
            memcpy(whole, module, len);
            whole[len] = '.';
            memcpy(whole + len + 1, key, name_len);
            whole[len + 1 + name_len] = '\0';
            if (tok_is_op(n, next, ':') || tok_is_word(n, next, "as"))
                bound = next + 1;
            if (tok_is_op(n, bound, '{') && n->toks[bound].aux > bound && depth < 4)
                bind_names(n, bound + 1, n->toks[bound].aux, whole, len + 1 + name_len, depth + 1);
            else if (tok_is_name(n, bound))
                names_add_alias(n, n->toks[bound].aux, whole, len + 1 + name_len);
            if (n->reporting && strcmp(module, "process.env") == 0)
                job_env(n->j, key, name_len, n->toks[i].start, name_len);
            next = tok_is_op(n, bound, '{') ? (size_t)n->toks[bound].aux + 1 : bound + 1;
        }
        /* a default value, then the comma */
        while (next < close && !tok_is_op(n, next, ',') && next > i)
            next = n->toks[next].kind == LEX_OPERATOR && n->toks[next].aux > next
                       ? (size_t)n->toks[next].aux + 1
                       : next + 1;
        i = next + 1;
    }
}

void javascript_bind(struct names *n, size_t open, const struct chain *c)
{
    if (tok_is_op(n, open, '{') && n->toks[open].aux > open)
        bind_names(n, open + 1, n->toks[open].aux, c->name, c->len, 0);
    else if (tok_is_name(n, open))
        names_add_alias(n, n->toks[open].aux, c->name, c->len);
}

void javascript_destructure(struct names *n, size_t i, size_t right)
{
    size_t close = i - 1, open = n->toks[close].aux;
    struct chain c;
    if (open >= close || !tok_is_name(n, right))
        return;
    for (unsigned k = 0; chain_begin(n, right, k, &c); k++) {
        while (chain_step(n, &c))
            ;
        if (!c.known)
            continue;
        bind_names(n, open + 1, close, c.name, c.len, 0);
        n->toks[right].mark |= TOK_LEARNT;
    }
}

/* The string of `… from "m"` that ends the statement starting at i, or 0. */
static size_t find_from(const struct names *n, size_t i)
{
    size_t end = i + 64;
    for (; i < n->count && i < end; i++) {
        if (tok_is_word(n, i, "from") && i + 1 < n->count && n->toks[i + 1].kind == LEX_STRING)
            return i + 1;
        if (tok_is_op(n, i, ';') || n->toks[i].kind == LEX_STRING)
            return 0;
        if (tok_is_op(n, i, '{') && n->toks[i].aux > i)
            i = n->toks[i].aux;
    }
    return 0;
}

/* `import d, {a as b} from "m"`, `import * as ns from "m"`, `import "m"` at token i. */
static size_t javascript_import(struct names *n, size_t i)
{
    char module[NAME_TEXT_MAX];
    size_t len;
    size_t at = n->toks[i + 1].kind == LEX_STRING ? i + 1 : find_from(n, i + 1);
    if (at == 0 || !module_name(n, at, module, &len))
        return i;
    names_import(n, module, len, at);
    for (size_t k = i + 1; k < at; k++) {
        if (tok_is_op(n, k, '{') && n->toks[k].aux > k) {
            bind_names(n, k + 1, n->toks[k].aux, module, len, 0);
            k = n->toks[k].aux;
        } else if (tok_is_name(n, k) && !tok_is_word(n, k, "from") && !tok_is_word(n, k, "as")) {
            names_add_alias(n, n->toks[k].aux, module, len);
        }
    }
    return at;
}

void javascript_imports(struct names *n)
{
    for (size_t i = 0; i + 1 < n->count; i++) {
        if (n->toks[i].kind != LEX_KEYWORD || (i > 0 && tok_is_op(n, i - 1, '.')))
            continue;
        bool import = tok_is_word(n, i, "import");
        if ((!import && !tok_is_word(n, i, "export")) || tok_is_op(n, i + 1, '(') ||
            tok_is_op(n, i + 1, '.'))
            continue;
        if (!import && !tok_is_op(n, i + 1, '{') && !tok_is_op(n, i + 1, '*'))
            continue;
        size_t end = javascript_import(n, i);
        if (end > i) {
            mark(n, i, end + 1);
            i = end;
        }
    }
}
