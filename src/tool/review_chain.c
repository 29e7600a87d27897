/* review_chain.c - what a dotted name with calls and subscripts in it stands for. */
#include "tool/review_names.h"

#include <string.h>

/* ---- the name so far ---- */

static void set_name(struct chain *c, const char *p, size_t len)
{
    if (len >= NAME_TEXT_MAX)
        len = NAME_TEXT_MAX - 1;
    memmove(c->name, p, len);
    c->name[len] = '\0';
    c->len = len;
    c->hashed = 0;
}

/* Past the limit the front is given up: rules on the last name still match. */
static void append(struct chain *c, const char *p, size_t len)
{
    if (c->len + len >= NAME_TEXT_MAX) {
        c->known = false;
        set_name(c, "?", 1);
        if (len >= NAME_TEXT_MAX - 2)
            len = NAME_TEXT_MAX - 2;
    }
    memcpy(c->name + c->len, p, len);
    c->len += len;
    c->name[c->len] = '\0';
}

static bool name_is(const struct chain *c, const char *name)
{
    return strcmp(c->name, name) == 0;
}

static bool ends_with(const struct chain *c, const char *tail)
{
    size_t n = strlen(tail);
    return c->len >= n && memcmp(c->name + c->len - n, tail, n) == 0;
}

static void cut(struct chain *c, size_t n)
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
static void check_root(const struct names *n, struct chain *c)
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
    set_name(c, to, strlen(to));
    c->known = true;
}

/* One name for what has several. */
static void normalise_python(struct chain *c)
{
    /* modules are also found in modules: os.path.os */
    static const char *const modules[] = { "os",     "sys",       "subprocess",
                                           "shutil", "importlib", "builtins" };
    const char *dot = memrchr(c->name, '.', c->len);
    for (size_t i = 0; dot != NULL && i < ARRAY_LEN(modules); i++) {
        if (strcmp(dot + 1, modules[i]) == 0) {
            set_name(c, modules[i], strlen(modules[i]));
            break;
        }
    }
    static const char *const fronts[] = { "builtins.", "__builtins__.", "__builtin__." };
    for (size_t i = 0; i < ARRAY_LEN(fronts); i++) {
        size_t n = strlen(fronts[i]);
        if (strncmp(c->name, fronts[i], n) == 0 && strcmp(c->name + n, "__dict__") != 0)
            set_name(c, c->name + n, c->len - n);
    }
}

static void normalise_javascript(struct chain *c)
{
    static const char *const fronts[] = { "globalThis.", "global.", "window." };
    for (size_t i = 0; i < ARRAY_LEN(fronts); i++) {
        size_t n = strlen(fronts[i]);
        if (strncmp(c->name, fronts[i], n) == 0)
            set_name(c, c->name + n, c->len - n);
    }
    if (strncmp(c->name, "node:", 5) == 0)
        set_name(c, c->name + 5, c->len - 5);
    if (strncmp(c->name, "fs/promises", 11) == 0) {
        c->name[2] = '.';
        c->hashed = 0;
    }
    if (ends_with(c, ".constructor.constructor"))
        set_name(c, "Function", 8);
    else if (c->known && (ends_with(c, ".default") || ends_with(c, ".__esModule")))
        cut(c, strlen(strrchr(c->name, '.')));
    else if (c->known && (ends_with(c, ".call") || ends_with(c, ".apply") || ends_with(c, ".bind")))
        cut(c, strlen(strrchr(c->name, '.')));
}

static void normalise(struct names *n, struct chain *c)
{
    size_t before = c->len;
    if (n->j->lang == LEX_LANG_PYTHON)
        normalise_python(c);
    else
        normalise_javascript(c);
    if (c->len != before)
        check_root(n, c); /* a front was taken off */
    follow_dotted(n, c);
}

/* ---- beginning ---- */

/* The chain of an argument; false when they are nested too deep to follow. */
static bool resolve_inner(struct names *n, size_t i, struct chain *out)
{
    if (n->depth >= 8)
        return false;
    n->depth++;
    chain_resolve(n, i, 0, out);
    n->depth--;
    return true;
}

/* `(os).x`, `(await import("fs")).x`: what stands in the parentheses before token i. */
static void begin_in_parentheses(struct names *n, size_t i, struct chain *c)
{
    struct chain inner;
    if (i < 3 || !tok_is_op(n, i - 1, ')') || n->toks[i - 1].aux + 1 >= i)
        return;
    size_t at = (size_t)n->toks[i - 1].aux + 1;
    for (unsigned k = 0; k < 8 && (tok_is_op(n, at, '(') || tok_is_word(n, at, "await")); k++)
        at++;
    if (!tok_is_name(n, at) || !resolve_inner(n, at, &inner) || !tok_is_op(n, inner.at, ')'))
        return;
    set_name(c, inner.name, inner.len);
    c->known = inner.known;
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
    c->first = c->last = i;
    c->taint = 0;
    c->key_len = 0;
    c->receiver = 0;
    c->path_from = c->path_to = 0;
    c->step = STEP_NAME;
    c->dynamic_key = c->built_key = c->known = false;
    if (!tok_is_name(n, i)) {
        c->at = i; /* behind something without a name */
        set_name(c, "?", 1);
        begin_in_parentheses(n, i, c);
        return k == 0;
    }
    struct ident *id = &n->ids[n->toks[i].aux];
    id->looked = true;
    unsigned own = id->alias_count > 0 ? id->alias_count : 1;
    c->at = i + 1;
    c->receiver = n->toks[i].aux + 1;
    c->taint = id->taint;
    set_name(c, id->p, id->len);
    c->known = id->is_root;
    if (k < id->alias_count) {
        set_name(c, id->alias[k], strlen(id->alias[k]));
        c->known = true;
    } else if (k >= own && k - own < n->star_count) {
        const char *star = n->stars[k - own]; /* from star import * */
        set_name(c, star, strlen(star));
        append(c, ".", 1);
        append(c, id->p, id->len);
        c->known = true;
    } else if (k >= own) {
        return false;
    }
    return true;
}

bool chain_begin(struct names *n, size_t i, unsigned k, struct chain *c)
{
    bool ok = begin(n, i, k, c);
    look_up(n, c);
    return ok;
}

/* ---- steps ---- */

/* Remember a literal key or first argument. */
static void remember_key(struct chain *c, const struct literal *l)
{
    c->key_len = 0;
    if (!l->known || l->text.len >= sizeof(c->key))
        return;
    memcpy(c->key, l->text.ptr, l->text.len);
    c->key_len = l->text.len;
}

/* Things whose items are the names they hold: globals()["eval"]. */
static bool is_namespace(const struct names *n, const struct chain *c)
{
    if (n->j->lang == LEX_LANG_JAVASCRIPT)
        return (c->known && memchr(c->name, '.', c->len) == NULL) || name_is(c, "globalThis") ||
               name_is(c, "global") || name_is(c, "window");
    return name_is(c, "globals()") || name_is(c, "locals()") || name_is(c, "vars()") ||
           name_is(c, "__builtins__") || (c->known && ends_with(c, ".__dict__")) ||
           name_is(c, "sys.modules");
}

static void add_member(struct names *n, struct chain *c, const char *p, size_t len)
{
    bool bare = name_is(c, "globals()") || name_is(c, "locals()") || name_is(c, "vars()") ||
                name_is(c, "sys.modules") || name_is(c, "__builtins__");
    if (bare) {
        set_name(c, p, len);
        check_root(n, c);
        return;
    }
    if (ends_with(c, ".__dict__"))
        cut(c, strlen(".__dict__"));
    append(c, ".", 1);
    append(c, p, len);
    normalise(n, c);
}

static void step_index(struct names *n, struct chain *c)
{
    size_t close = n->toks[c->at].aux;
    struct literal l;
    bool names = is_namespace(n, c);
    literal_fold(n, c->at + 1, close, &l);
    remember_key(c, &l);
    bool member = l.known && l.text.len > 0 && l.text.len < NAME_TEXT_MAX &&
                  (names || n->j->lang == LEX_LANG_JAVASCRIPT);
    c->built_key = member && names && l.built;
    c->dynamic_key = !l.known && names && n->toks[c->at + 1].kind != LEX_NUMBER;
    if (member)
        add_member(n, c, l.text.ptr, l.text.len);
    else
        append(c, "[]", 2);
    literal_release(&l);
    c->step = STEP_INDEX;
    c->at = close + 1;
}

/* Calls that name a module: the result is that module. */
static bool is_import_call(const struct chain *c)
{
    return name_is(c, "__import__") || name_is(c, "importlib.import_module") ||
           name_is(c, "importlib.__import__") || name_is(c, "require") || name_is(c, "import") ||
           name_is(c, "module.require") || name_is(c, "process.mainModule.require") ||
           name_is(c, "process.binding") || name_is(c, "process.getBuiltinModule") ||
           name_is(c, "module.createRequire()") || name_is(c, "import.meta.require");
}

static void step_import(struct names *n, struct chain *c, const struct args *a)
{
    struct literal l;
    literal_fold(n, a->from[0], a->to[0], &l);
    remember_key(c, &l);
    c->built_key = l.known && l.built;
    c->dynamic_key = !l.known;
    if (l.known && l.text.len > 0) {
        bool top = name_is(c, "__import__");
        size_t len = l.text.len;
        const char *dot = top ? memchr(l.text.ptr, '.', len) : NULL;
        set_name(c, l.text.ptr, dot != NULL ? (size_t)(dot - l.text.ptr) : len);
        normalise(n, c);
        check_root(n, c);
        if (n->reporting)
            names_import(n, buf_str(&l.text), l.text.len, c->first);
    } else {
        append(c, "()", 2);
    }
    literal_release(&l);
}

/* getattr(X, "name"), Reflect.get(X, "name") */
static bool step_getattr(struct names *n, struct chain *c, const struct args *a)
{
    if (!(name_is(c, "getattr") || name_is(c, "Reflect.get")) || a->count < 2 ||
        !tok_is_name(n, a->from[0]))
        return false;
    struct chain object;
    struct literal l;
    if (!resolve_inner(n, a->from[0], &object))
        return false;
    literal_fold(n, a->from[1], a->to[1], &l);
    remember_key(c, &l);
    bool ok = l.known && l.text.len > 0 && l.text.len < NAME_TEXT_MAX;
    c->built_key = ok && l.built;
    c->dynamic_key = !l.known && object.known;
    if (ok) {
        set_name(c, object.name, object.len);
        c->known = object.known;
        add_member(n, c, l.text.ptr, l.text.len);
    }
    literal_release(&l);
    return ok;
}

/* partial(f, …), promisify(f): still f. */
static bool step_wrapper(struct names *n, struct chain *c, const struct args *a)
{
    struct chain inner;
    if (!(name_is(c, "functools.partial") || name_is(c, "util.promisify")) || a->count == 0 ||
        !tok_is_name(n, a->from[0]) || !resolve_inner(n, a->from[0], &inner))
        return false;
    set_name(c, inner.name, inner.len);
    c->known = inner.known;
    return true;
}

static bool is_path_class(const struct chain *c)
{
    return name_is(c, "pathlib.Path") || name_is(c, "pathlib.PosixPath") ||
           name_is(c, "pathlib.PurePath");
}

static void step_call(struct names *n, struct chain *c)
{
    struct args a;
    size_t open = c->at;
    c->step = STEP_CALL;
    if (!c->known) {
        c->at = (size_t)n->toks[open].aux + 1;
        append(c, "()", 2);
        return;
    }
    args_split(n, open, &a);
    c->at = a.close + 1;
    if (is_import_call(c) && a.count > 0) {
        step_import(n, c, &a);
        return;
    }
    if (step_getattr(n, c, &a) || step_wrapper(n, c, &a))
        return;
    struct chain object;
    if (name_is(c, "vars") && a.count == 1 && tok_is_name(n, a.from[0]) &&
        resolve_inner(n, a.from[0], &object)) {
        set_name(c, object.name, object.len);
        c->known = object.known;
        append(c, ".__dict__", 9);
        return;
    }
    if (is_path_class(c)) {
        set_name(c, "pathlib.Path", 12);
        c->path_from = open + 1;
        c->path_to = a.close;
    }
    if (a.count > 0 && strstr(c->name, "env") != NULL) {
        struct literal l;
        literal_fold(n, a.from[0], a.to[0], &l);
        remember_key(c, &l);
        literal_release(&l);
    }
    append(c, "()", 2);
}

/* A line end in the middle of a JavaScript chain does not end it. */
static size_t skip_newlines(const struct names *n, size_t i)
{
    size_t k = i;
    if (n->j->lang != LEX_LANG_JAVASCRIPT)
        return i;
    while (k < n->count && n->toks[k].kind == LEX_NEWLINE && k < i + 16)
        k++;
    return tok_is_op(n, k, '.') || tok_is_op(n, k, '(') || tok_is_op(n, k, '[') ? k : i;
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
            append(c, ".", 1);
            append(c, tok_text(n, i + 1), n->toks[i + 1].len);
            normalise(n, c);
        }
        return true;
    }
    if (!(tok_is_op(n, i, '(') || tok_is_op(n, i, '[')) || n->toks[i].aux <= i)
        return false;
    n->toks[i].mark |= TOK_DONE;
    if (tok_is_op(n, i, '('))
        step_call(n, c);
    else
        step_index(n, c);
    return true;
}

bool chain_step(struct names *n, struct chain *c)
{
    bool ok = step(n, c);
    if (ok)
        look_up(n, c);
    return ok;
}

size_t chain_resolve(struct names *n, size_t i, unsigned k, struct chain *c)
{
    if (!chain_begin(n, i, k, c)) {
        set_name(c, "", 0);
        return i;
    }
    while (chain_step(n, c))
        ;
    return c->at;
}

void names_add_alias(struct names *n, uint32_t id, const char *target, size_t len)
{
    struct ident *it = &n->ids[id];
    /* what the rules do not know need not be followed */
    if (!is_root(n, target, strcspn(target, ".([")))
        return;
    if (len == 0 || len >= NAME_TEXT_MAX || (it->len == len && memcmp(it->p, target, len) == 0))
        return;
    for (size_t i = 0; i < it->alias_count; i++) {
        if (strlen(it->alias[i]) == len && memcmp(it->alias[i], target, len) == 0)
            return;
    }
    if (it->alias_count == ALIASES_MAX)
        return;
    const char *copy = names_copy(n, target, len);
    n->again |= it->looked;
    it->alias[it->alias_count++] = copy;
    struct ident *first = names_first_part(n, id);
    if (first != NULL)
        first->has_dotted = true;
}
