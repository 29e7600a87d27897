/* review_steps.c - what an index or a call makes of a dotted name: members by a key, modules by
 * their name, getattr and its kin, paths. */
#include "tool/review_chain.h"

#include <string.h>

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
        return c->known && strpbrk(c->name, ".([") == NULL;
    return chain_is(c, "globals()") || chain_is(c, "locals()") || chain_is(c, "vars()") ||
           chain_is(c, "__builtins__") || (c->known && chain_ends(c, ".__dict__")) ||
           chain_is(c, "sys.modules");
}

static void add_member(struct names *n, struct chain *c, const char *p, size_t len)
{
    bool bare = chain_is(c, "globals()") || chain_is(c, "locals()") || chain_is(c, "vars()") ||
                chain_is(c, "sys.modules") || chain_is(c, "__builtins__");
    if (bare) {
        chain_set(c, p, len);
        chain_check_root(n, c);
        return;
    }
    if (chain_ends(c, ".__dict__"))
        chain_cut(c, strlen(".__dict__"));
    chain_append(c, ".", 1);
    chain_append(c, p, len);
    chain_normalise(n, c);
}

/* sys.modules[__name__], Buffer[Symbol.species]: computed, and no trick. */
static bool is_plain_key(const struct names *n, size_t from, size_t to)
{
    return n->toks[from].kind == LEX_NUMBER || tok_is_word(n, from, "Symbol") ||
           tok_is_word(n, to - 1, "__name__") || tok_is_word(n, to - 1, "__module__") ||
           tok_is_word(n, to - 1, "__package__");
}

/* The member of `c` that the expression [from, to) names. False when that is not known. */
static bool take_key(struct names *n, struct chain *c, size_t from, size_t to, bool names)
{
    struct literal l;
    literal_fold(n, from, to, &l);
    remember_key(c, &l);
    bool member = l.known && l.text.len > 0 && l.text.len < NAME_TEXT_MAX &&
                  (names || n->j->lang == LEX_LANG_JAVASCRIPT);
    c->built_key = member && names && l.built;
    c->dynamic_key = !l.known && names && from < to && !is_plain_key(n, from, to);
    if (member)
        add_member(n, c, l.text.ptr, l.text.len);
    literal_release(&l);
    return member;
}

void chain_take_index(struct names *n, struct chain *c)
{
    size_t open = c->at, close = n->toks[open].aux;
    bool names = is_namespace(n, c);
    bool set = names && tok_is_op(n, close + 1, '=') && n->j->lang == LEX_LANG_PYTHON;
    if (!take_key(n, c, open + 1, close, names && !set))
        chain_append(c, "[]", 2);
    c->step = STEP_INDEX;
    c->at = close + 1;
}

/* vars(os).get("system"), os.__getattribute__("system"): as if with an index. */
static bool step_getter(struct names *n, struct chain *c, const struct args *a)
{
    static const char *const getters[] = { ".get", ".pop", ".setdefault", ".__getitem__",
                                           ".__getattribute__" };
    const char *last = memrchr(c->name, '.', c->len);
    size_t count = ARRAY_LEN(getters), i = 0;
    if (last == NULL || n->j->lang != LEX_LANG_PYTHON)
        return false;
    while (i < count && strcmp(last, getters[i]) != 0)
        i++;
    /* vars(os).items(): any of them */
    c->dynamic_key |= chain_ends(c, ".__dict__.items") || chain_ends(c, ".__dict__.values");
    if (i == count || a->count == 0)
        return false;
    struct chain of = *c;
    chain_cut(&of, strlen(getters[i]));
    bool attribute = i == count - 1 && memchr(of.name, '(', of.len) == NULL;
    if (!attribute && !is_namespace(n, &of))
        return false;
    chain_cut(c, strlen(getters[i]));
    return take_key(n, c, a->from[0], a->to[0], true);
}

/* Calls that name a module: the result is that module. */
static bool is_import_call(const struct chain *c)
{
    return chain_is(c, "__import__") || chain_is(c, "importlib.import_module") ||
           chain_is(c, "importlib.__import__") || chain_is(c, "require") || chain_is(c, "import") ||
           chain_is(c, "module.require") || chain_is(c, "process.mainModule.require") ||
           chain_is(c, "process.binding") || chain_is(c, "process.getBuiltinModule") ||
           chain_is(c, "module.createRequire()") || chain_is(c, "import.meta.require");
}

static void step_import(struct names *n, struct chain *c, size_t from, size_t to)
{
    struct literal l;
    literal_fold(n, from, to, &l);
    remember_key(c, &l);
    c->built_key = l.known && l.built;
    c->dynamic_key = !l.known;
    if (l.known && l.text.len > 0) {
        bool top = chain_is(c, "__import__");
        size_t len = l.text.len;
        const char *dot = top ? memchr(l.text.ptr, '.', len) : NULL;
        chain_set(c, l.text.ptr, dot != NULL ? (size_t)(dot - l.text.ptr) : len);
        chain_normalise(n, c);
        chain_check_root(n, c);
        if (n->reporting)
            names_import(n, buf_str(&l.text), l.text.len, c->first);
    } else {
        chain_append(c, "()", 2);
    }
    literal_release(&l);
}

/* getattr(X, "name"), Reflect.get(X, "name") */
static bool step_getattr(struct names *n, struct chain *c, const struct args *a)
{
    if (!(chain_is(c, "getattr") || chain_is(c, "Reflect.get")) || a->count < 2 ||
        !tok_is_name(n, a->from[0]))
        return false;
    struct chain object;
    struct literal l;
    if (!chain_resolve_inner(n, a->from[0], &object))
        return false;
    literal_fold(n, a->from[1], a->to[1], &l);
    remember_key(c, &l);
    bool ok = l.known && l.text.len > 0 && l.text.len < NAME_TEXT_MAX;
    c->built_key = ok && l.built;
    c->dynamic_key = !l.known && object.known && strpbrk(object.name, "([") == NULL &&
                     (strchr(object.name, '.') == NULL || chain_ends(&object, ".__dict__"));
    if (ok) {
        chain_set(c, object.name, object.len);
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
    static const char *const wrappers[] = { "functools.partial", "util.promisify",
                                            "__importDefault", "__importStar",
                                            "_interopRequireDefault" };
    bool wraps = false;
    for (size_t i = 0; i < ARRAY_LEN(wrappers); i++)
        wraps |= chain_is(c, wrappers[i]);
    if (!wraps || a->count == 0 || !tok_is_name(n, a->from[0]) ||
        !chain_resolve_inner(n, a->from[0], &inner))
        return false;
    chain_set(c, inner.name, inner.len);
    c->known = inner.known;
    return true;
}

/* Calls that give a Path: what it was made of stays in path_from … path_to. */
static bool step_path(struct names *n, struct chain *c, size_t open)
{
    static const char *const made[] = { "pathlib.Path", "pathlib.PosixPath", "pathlib.PurePath" };
    static const char *const kept[] = { "joinpath",  "absolute",    "resolve",
                                        "with_name", "with_suffix", "expanduser" };
    static const char of[] = "pathlib.Path().";
    bool is_made = false, is_kept = false;
    if (strncmp(c->name, of, sizeof("pathlib.") - 1) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(made); i++)
        is_made |= chain_is(c, made[i]);
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        is_kept |= strncmp(c->name, of, sizeof(of) - 1) == 0 &&
                   strcmp(c->name + sizeof(of) - 1, kept[i]) == 0;
    bool home = chain_is(c, "pathlib.Path.home");
    if (!is_made && !is_kept && !home)
        return false;
    chain_set(c, "pathlib.Path()", 14);
    if (!is_kept) {
        c->path_from = home ? c->first : open + 1;
        c->path_to = home ? c->at : n->toks[open].aux;
    }
    return true;
}

void chain_take_call(struct names *n, struct chain *c)
{
    struct args a;
    size_t open = c->at;
    c->step = STEP_CALL;
    if (!c->known) {
        c->at = (size_t)n->toks[open].aux + 1;
        chain_append(c, "()", 2);
        return;
    }
    args_split(n, open, &a);
    c->at = a.close + 1;
    size_t from, to;
    if (is_import_call(c) && args_find(n, &a, 0, "name", &from, &to)) {
        step_import(n, c, from, to);
        return;
    }
    if (step_getattr(n, c, &a) || step_getter(n, c, &a) || step_wrapper(n, c, &a) ||
        step_path(n, c, open))
        return;
    struct chain object;
    if (chain_is(c, "vars") && a.count == 1 && tok_is_name(n, a.from[0]) &&
        chain_resolve_inner(n, a.from[0], &object)) {
        chain_set(c, object.name, object.len);
        c->known = object.known;
        chain_append(c, ".__dict__", 9);
        return;
    }
    if (a.count > 0 && strstr(c->name, "env") != NULL) {
        struct literal l;
        literal_fold(n, a.from[0], a.to[0], &l);
        remember_key(c, &l);
        literal_release(&l);
    }
    chain_append(c, "()", 2);
}
