/* review_chain.c - what a dotted name with calls and subscripts in it stands for. */
#include "tool/review_chain.h"

#include <string.h>

#define GROUPS_MAX 8u /* parentheses around a value */
#define GROUP_SCAN 32u

/* ---- the name so far ---- */

void chain_set(struct chain *c, const char *p, size_t len)
{
    if (len >= NAME_TEXT_MAX)
        len = NAME_TEXT_MAX - 1;
    memmove(c->name, p, len);
    c->name[len] = '\0';
    c->len = len;
    c->hashed = 0;
}

/* Past the limit the front is given up: rules on the last name still match. */
void chain_append(struct chain *c, const char *p, size_t len)
{
    if (c->len + len >= NAME_TEXT_MAX) {
        c->known = false;
        chain_set(c, "?", 1);
        if (len >= NAME_TEXT_MAX - 2)
            len = NAME_TEXT_MAX - 2;
    }
    memcpy(c->name + c->len, p, len);
    c->len += len;
    c->name[c->len] = '\0';
}

void chain_cut(struct chain *c, size_t n)
{
    c->len -= n;
    c->name[c->len] = '\0';
    c->hashed = 0;
}

static bool is_root(const struct names *n, const char *p, size_t len)
{
    return rules_find(n->j->rules, n->j->lang, MATCH_ROOT, p, len, NULL) != NULL;
}

/* The name has changed at its root: is it one that the rules know? */
void chain_check_root(const struct names *n, struct chain *c)
{
    c->known = is_root(n, c->name, strcspn(c->name, ".(["));
}

/* `self.run` may have been set to something. */
static void follow_dotted(struct names *n, struct chain *c)
{
    if (c->receiver == 0 || !n->ids[c->receiver - 1].has_dotted)
        return;
    int64_t id = names_find(n, c->name, c->len);
    if (id < 0 || n->ids[id].alias_count == 0)
        return;
    const char *to = n->ids[id].alias[0];
    chain_set(c, to, strlen(to));
    c->known = true;
}

/* One name for what has several. */
static void normalise_python(struct chain *c)
{
    /* modules are also found in modules: os.path.os */
    static const char *const modules[] = { "os",     "sys",       "subprocess",
                                           "shutil", "importlib", "builtins" };
    const char *dot = memrchr(c->name, '.', c->len);
    const char *last = dot != NULL ? dot + 1 + (dot[1] == '_' && dot[2] != '_') : "";
    for (size_t i = 0; *last != '\0' && i < ARRAY_LEN(modules); i++) {
        if (*last == *modules[i] && strcmp(last, modules[i]) == 0) {
            chain_set(c, modules[i], strlen(modules[i]));
            break;
        }
    }
    static const char *const fronts[] = { "builtins.", "__builtins__.", "__builtin__." };
    bool front = c->name[0] == 'b' || c->name[0] == '_';
    for (size_t i = 0; front && i < ARRAY_LEN(fronts); i++) {
        size_t n = strlen(fronts[i]);
        if (strncmp(c->name, fronts[i], n) == 0 && strcmp(c->name + n, "__dict__") != 0)
            chain_set(c, c->name + n, c->len - n);
    }
    if (chain_is(c, "pathlib.Path().parent"))
        chain_cut(c, strlen(".parent"));
    else if (c->known && chain_ends(c, ".__call__"))
        chain_cut(c, strlen(".__call__"));
}

static void normalise_javascript(struct chain *c)
{
    static const char *const fronts[] = { "globalThis.", "global.", "window." };
    for (size_t i = 0; i < ARRAY_LEN(fronts); i++) {
        size_t n = strlen(fronts[i]);
        if (strncmp(c->name, fronts[i], n) == 0)
            chain_set(c, c->name + n, c->len - n);
    }
    /* the global object by its other names: only where no method is called so */
    static const char *const others[] = { "this.", "self.", "top." };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        size_t n = strlen(others[i]);
        if (strncmp(c->name, others[i], n) == 0 &&
            (strcmp(c->name + n, "eval") == 0 || strcmp(c->name + n, "Function") == 0))
            chain_set(c, c->name + n, c->len - n);
    }
    if (strncmp(c->name, "node:", 5) == 0)
        chain_set(c, c->name + 5, c->len - 5);
    if (strncmp(c->name, "fs/promises", 11) == 0) {
        c->name[2] = '.';
        c->hashed = 0;
    }
    if (chain_ends(c, ".constructor.constructor"))
        chain_set(c, "Function", 8);
    else if (c->known && (chain_ends(c, ".default") || chain_ends(c, ".__esModule")))
        chain_cut(c, strlen(strrchr(c->name, '.')));
    else if (c->known &&
             (chain_ends(c, ".call") || chain_ends(c, ".apply") || chain_ends(c, ".bind"))) {
        c->by_call |= chain_ends(c, ".call");
        chain_cut(c, strlen(strrchr(c->name, '.')));
    }
}

void chain_normalise(struct names *n, struct chain *c)
{
    size_t before = c->len;
    if (n->j->lang == LEX_LANG_PYTHON)
        normalise_python(c);
    else
        normalise_javascript(c);
    if (c->len != before)
        chain_check_root(n, c); /* a front was taken off */
    follow_dotted(n, c);
}

/* ---- beginning ---- */

/* The chain of an argument; false when they are nested too deep to follow. */
bool chain_resolve_inner(struct names *n, size_t i, struct chain *out)
{
    if (n->depth >= 8)
        return false;
    n->depth++;
    chain_resolve(n, i, 0, out);
    n->depth--;
    return true;
}

/* What the rules have under the name as it stands now. */
static void look_up(const struct names *n, struct chain *c)
{
    const struct review_rules *r = n->j->rules;
    c->kinds = c->parent_kinds = 0;
    if (!c->known)
        return;
    if (c->hashed == 0) {
        c->hash = rules_hash(n->j->lang);
        c->dot = 0;
    }
    for (; c->hashed < c->len; c->hashed++) {
        if (c->name[c->hashed] == '.') {
            c->dot = c->hashed;
            c->dot_hash = c->hash;
        }
        c->hash = rules_hash_add(c->hash, c->name[c->hashed]);
    }
    c->kinds = rules_kinds(r, n->j->lang, c->name, c->len, c->hash);
    if (c->dot > 0)
        c->parent_kinds = rules_kinds(r, n->j->lang, c->name, c->dot, c->dot_hash);
}

static bool begin(struct names *n, size_t i, unsigned k, struct chain *c)
{
    c->first = c->last = c->open = i;
    c->taint = 0;
    c->key_len = 0;
    c->receiver = 0;
    c->path_from = c->path_to = 0;
    c->step = STEP_NAME;
    c->dynamic_key = c->built_key = c->known = c->by_call = false;
    if (!tok_is_name(n, i)) {
        c->at = i; /* behind something without a name */
        chain_set(c, "?", 1);
        return k == 0;
    }
    struct ident *id = &n->ids[n->toks[i].aux];
    id->looked = true;
    /* `eval = x`, somewhere, does not make every eval an x */
    bool itself = id->alias_count == 0 || n->toks[i].kind == LEX_BUILTIN;
    unsigned own = id->alias_count + (itself ? 1u : 0u);
    c->at = i + 1;
    c->receiver = n->toks[i].aux + 1;
    c->taint = id->taint;
    chain_set(c, id->p, id->len);
    c->known = id->is_root;
    if (k < id->alias_count) {
        chain_set(c, id->alias[k], strlen(id->alias[k]));
        c->known = true;
        if (n->j->lang == LEX_LANG_JAVASCRIPT)
            normalise_javascript(c); /* {eval: e} = globalThis */
        else
            normalise_python(c); /* from builtins import exec as e */
    } else if (k >= own && k - own < n->star_count) {
        const char *star = n->stars[k - own]; /* from star import * */
        chain_set(c, star, strlen(star));
        chain_append(c, ".", 1);
        chain_append(c, id->p, id->len);
        c->known = true;
    } else if (k >= own) {
        return false;
    }
    return true;
}

/* ---- going on ---- */

/* May the chain that begins at token i be the value of parentheses that opened at `open`: alone,
 * the last of a choice, or behind the commas of JavaScript? */
static bool ends_group(const struct names *n, size_t open, size_t i)
{
    static const char *const before[] = { "||", "&&",  "??",   "=",     ":=",
                                          "or", "and", "else", "await", "new" };
    bool js = n->j->lang == LEX_LANG_JAVASCRIPT;
    bool callee = open > 0 && (tok_is_name(n, open - 1) || tok_is_op(n, open - 1, ')') ||
                               tok_is_op(n, open - 1, ']') || n->toks[open - 1].kind == LEX_STRING);
    static const char *const heads[] = {
        "if", "while", "for", "switch", "catch", "with", "function"
    };
    for (size_t k = 0; open > 0 && k < ARRAY_LEN(heads); k++)
        callee |= js && tok_is_word(n, open - 1, heads[k]);
    if (callee)
        return false;
    bool last = i == open + 1 || (js && (tok_is_op(n, i - 1, ',') || tok_is_op(n, i - 1, ':')));
    for (size_t k = 0; !last && k < ARRAY_LEN(before); k++)
        last = tok_is_word(n, i - 1, before[k]);
    return last;
}

static bool goes_on(const struct names *n, size_t i)
{
    return tok_is_op(n, i, '.') || tok_is_op(n, i, '(') || tok_is_op(n, i, '[');
}

/* `(os).x`, `(0, fs.rm)(…)`, `(Path("/etc") / "a").unlink()`: the chain goes on behind. */
static bool leave_group(const struct names *n, struct chain *c)
{
    size_t close = c->at;
    bool path = tok_is_op(n, close, '/') && chain_is(c, "pathlib.Path()");
    while (path && close < c->at + GROUP_SCAN && close < n->count && !tok_is_op(n, close, ')'))
        close = n->toks[close].kind == LEX_OPERATOR && n->toks[close].aux > close
                    ? (size_t)n->toks[close].aux + 1
                    : close + 1;
    if (!tok_is_op(n, close, ')') || n->toks[close].aux >= c->open)
        return false;
    size_t open = n->toks[close].aux, next = close + 1;
    if (!(goes_on(n, next) || tok_is_op(n, next, ')')) || !ends_group(n, open, c->open))
        return false;
    if (path) {
        c->path_from = open + 1;
        c->path_to = close;
    }
    c->open = open;
    c->at = next;
    return true;
}

static void leave_groups(const struct names *n, struct chain *c)
{
    for (unsigned k = 0; k < GROUPS_MAX && leave_group(n, c); k++)
        ;
}

bool chain_begin(struct names *n, size_t i, unsigned k, struct chain *c)
{
    bool ok = begin(n, i, k, c);
    leave_groups(n, c);
    look_up(n, c);
    return ok;
}

/* A line end in the middle of a JavaScript chain does not end it. */
static size_t skip_newlines(const struct names *n, size_t i)
{
    size_t k = i;
    if (n->j->lang != LEX_LANG_JAVASCRIPT)
        return i;
    while (k < n->count && n->toks[k].kind == LEX_NEWLINE && k < i + 16)
        k++;
    return goes_on(n, k) ? k : i;
}

bool chain_calls(const struct names *n, const struct chain *c)
{
    size_t i = skip_newlines(n, c->at);
    if (tok_is_op(n, i, '.') && tok_is_op(n, i + 1, '('))
        return true; /* f?.( */
    return tok_is_op(n, i, '(') ||
           (n->j->lang == LEX_LANG_JAVASCRIPT && i < n->count && n->toks[i].kind == LEX_STRING &&
            (n->toks[i].flags & (LEX_OPEN | LEX_FORMAT)) == (LEX_OPEN | LEX_FORMAT) && i > 0 &&
            n->toks[i - 1].kind != LEX_KEYWORD);
}

static bool step(struct names *n, struct chain *c)
{
    size_t i = skip_newlines(n, c->at);
    c->dynamic_key = c->built_key = false;
    if (tok_is_op(n, i, '.') && (tok_is_op(n, i + 1, '(') || tok_is_op(n, i + 1, '['))) {
        n->toks[i].mark |= TOK_DONE;
        i++;
    }
    c->at = i;
    if (tok_is_op(n, i, '.') && i + 1 < n->count &&
        (tok_is_name(n, i + 1) || n->toks[i + 1].kind == LEX_KEYWORD)) {
        n->toks[i].mark |= TOK_DONE;
        n->toks[i + 1].mark |= TOK_DONE;
        c->last = i + 1;
        c->step = STEP_NAME;
        c->at = i + 2;
        bool dotted = c->receiver > 0 && n->ids[c->receiver - 1].has_dotted;
        if (c->known || dotted || c->len < 24) {
            chain_append(c, ".", 1);
            chain_append(c, tok_text(n, i + 1), n->toks[i + 1].len);
            chain_normalise(n, c);
        }
        return true;
    }
    if (!(tok_is_op(n, i, '(') || tok_is_op(n, i, '[')) || n->toks[i].aux <= i)
        return false;
    n->toks[i].mark |= TOK_DONE;
    if (tok_is_op(n, i, '('))
        chain_take_call(n, c);
    else
        chain_take_index(n, c);
    return true;
}

bool chain_step(struct names *n, struct chain *c)
{
    bool ok = step(n, c);
    if (ok) {
        leave_groups(n, c);
        look_up(n, c);
    }
    return ok;
}

size_t chain_resolve(struct names *n, size_t i, unsigned k, struct chain *c)
{
    if (!chain_begin(n, i, k, c)) {
        chain_set(c, "", 0);
        return i;
    }
    while (chain_step(n, c))
        ;
    return c->at;
}

bool names_add_alias(struct names *n, uint32_t id, const char *target, size_t len)
{
    struct ident *it = &n->ids[id];
    /* what the rules do not know need not be followed */
    if (len == 0 || len >= NAME_TEXT_MAX || !is_root(n, target, strcspn(target, ".([")))
        return false;
    if (it->is_root && it->len == len && memcmp(it->p, target, len) == 0)
        return true;
    for (size_t i = 0; i < it->alias_count; i++) {
        if (strlen(it->alias[i]) == len && memcmp(it->alias[i], target, len) == 0)
            return true;
    }
    if (it->alias_count == ALIASES_MAX)
        return false;
    const char *copy = names_copy(n, target, len);
    n->again |= it->looked;
    it->alias[it->alias_count++] = copy;
    struct ident *first = names_first_part(n, id);
    if (first != NULL)
        first->has_dotted = true;
    return true;
}
