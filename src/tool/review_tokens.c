/* review_tokens.c - the tokens that matter to the review, bracket partners, interned names. */
#include "tool/review_names.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK ((size_t)64 << 10)
#define OPEN_MAX    4096u /* brackets open at once that get a partner */

/* ---- memory ---- */

char *names_copy(struct names *n, const char *p, size_t len)
{
    size_t need = len + 1;
    if (n->arena_count == 0 || n->arena_used + need > ARENA_BLOCK) {
        if (n->arena_count == n->arena_cap) {
            n->arena_cap = n->arena_cap > 0 ? n->arena_cap * 2 : 16;
            n->arena = xreallocarray(n->arena, n->arena_cap, sizeof(*n->arena));
        }
        n->arena[n->arena_count++] = xmalloc(need > ARENA_BLOCK ? need : ARENA_BLOCK);
        n->arena_used = 0;
    }
    char *out = n->arena[n->arena_count - 1] + n->arena_used;
    memcpy(out, p, len);
    out[len] = '\0';
    n->arena_used += need > ARENA_BLOCK ? ARENA_BLOCK : need;
    return out;
}

void names_release(struct names *n)
{
    for (size_t i = 0; i < n->arena_count; i++)
        free(n->arena[i]);
    free(n->arena);
    free(n->toks);
    free(n->ids);
    free(n->id_table);
    free(n->taint_before[0]);
    free(n->taint_before[1]);
}

/* ---- names ---- */

static uint32_t hash_text(const char *p, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * 16777619u;
    return h;
}

static size_t find_slot(const struct names *n, const char *p, size_t len, uint32_t h)
{
    size_t at = h & (n->id_slots - 1);
    while (n->id_table[at] != 0) {
        const struct ident *id = &n->ids[n->id_table[at] - 1];
        if (id->hash == h && id->len == len && memcmp(id->p, p, len) == 0)
            break;
        at = (at + 1) & (n->id_slots - 1);
    }
    return at;
}

static void grow_table(struct names *n)
{
    size_t old = n->id_slots;
    uint32_t *table = n->id_table;
    n->id_slots = old > 0 ? old * 2 : 1024;
    n->id_table = xcalloc(n->id_slots, sizeof(*n->id_table));
    for (size_t i = 0; i < old; i++) {
        if (table[i] == 0)
            continue;
        const struct ident *id = &n->ids[table[i] - 1];
        n->id_table[find_slot(n, id->p, id->len, id->hash)] = table[i];
    }
    free(table);
}

int64_t names_find(const struct names *n, const char *p, size_t len)
{
    if (n->id_slots == 0)
        return -1;
    size_t at = find_slot(n, p, len, hash_text(p, len));
    return (int64_t)n->id_table[at] - 1;
}

static uint32_t intern(struct names *n, const char *p, size_t len)
{
    if (n->id_count * 2 >= n->id_slots)
        grow_table(n);
    uint32_t h = hash_text(p, len);
    size_t at = find_slot(n, p, len, h);
    if (n->id_table[at] != 0)
        return n->id_table[at] - 1;
    if (n->id_count == n->id_cap) {
        n->id_cap = n->id_cap > 0 ? n->id_cap * 2 : 512;
        n->ids = xreallocarray(n->ids, n->id_cap, sizeof(*n->ids));
    }
    uint32_t rules = rules_hash(n->j->lang);
    for (size_t i = 0; i < len; i++)
        rules = rules_hash_add(rules, p[i]);
    unsigned kinds = rules_kinds(n->j->rules, n->j->lang, p, len, rules);
    n->ids[n->id_count++] = (struct ident){
        .p = p,
        .len = (uint32_t)len,
        .hash = h,
        .is_root = (kinds & (1u << MATCH_ROOT | 1u << MATCH_IMPORTED)) == 1u << MATCH_ROOT,
        .has_method = (kinds & 1u << MATCH_METHOD) != 0,
        .has_attr = (kinds & 1u << MATCH_ATTR) != 0,
    };
    n->id_table[at] = (uint32_t)n->id_count;
    return (uint32_t)n->id_count - 1;
}

/* `a.b` over tokens [from, to] into `text`; 0 when it is too long. */
static size_t dotted_text(const struct names *n, size_t from, size_t to, char text[NAME_TEXT_MAX])
{
    size_t len = 0;
    for (size_t i = from; i <= to; i++) {
        size_t part = n->toks[i].len;
        if (len + part >= NAME_TEXT_MAX)
            return 0;
        memcpy(text + len, tok_text(n, i), part);
        len += part;
    }
    return len;
}

uint32_t names_intern_dotted(struct names *n, size_t from, size_t to)
{
    char text[NAME_TEXT_MAX];
    size_t len = dotted_text(n, from, to, text);
    if (len == 0)
        return n->toks[to].aux;
    int64_t known = names_find(n, text, len);
    return known >= 0 ? (uint32_t)known : intern(n, names_copy(n, text, len), len);
}

int64_t names_find_dotted(const struct names *n, size_t from, size_t to)
{
    char text[NAME_TEXT_MAX];
    size_t len = dotted_text(n, from, to, text);
    return len > 0 ? names_find(n, text, len) : -1;
}

struct ident *names_first_part(struct names *n, uint32_t id)
{
    const char *p = n->ids[id].p;
    const char *dot = memchr(p, '.', n->ids[id].len);
    if (dot == NULL)
        return NULL;
    uint32_t first = intern(n, p, (size_t)(dot - p)); /* n->ids may move */
    return &n->ids[first];
}

/* ---- tokens ---- */

/* Keywords of JavaScript that can also be names, or be called. */
static bool is_soft_name(const struct names *n, size_t i)
{
    static const char *const words[] = { "import", "super", "async", "of", "let", "static" };
    bool soft = false;
    for (size_t k = 0; k < ARRAY_LEN(words); k++)
        soft |= tok_is_word(n, i, words[k]);
    return soft && n->j->lang == LEX_LANG_JAVASCRIPT;
}

static bool is_name(const struct names *n, size_t i)
{
    switch (n->toks[i].kind) {
    case LEX_NAME:
    case LEX_BUILTIN:
    case LEX_VARIABLE:
        return true;
    case LEX_DECORATOR:
        return tok_text(n, i)[0] != '@';
    case LEX_KEYWORD:
        return is_soft_name(n, i);
    default:
        return false;
    }
}

static uint8_t operator_code(const char *p, size_t len)
{
    if (len == 1)
        return (uint8_t)p[0];
    if (len == 2 && memcmp(p, "?.", 2) == 0)
        return '.';
    if (len == 2 && memcmp(p, "${", 2) == 0)
        return '{';
    if (len == 2 && memcmp(p, "=>", 2) == 0)
        return OP_ARROW;
    if (len == 2 && memcmp(p, ":=", 2) == 0)
        return OP_WALRUS;
    if (len == 2 && memcmp(p, "**", 2) == 0)
        return OP_POWER;
    if (len == 2 && memcmp(p, "<<", 2) == 0)
        return OP_SHIFT;
    if (len == 3 && memcmp(p, "...", 3) == 0)
        return OP_SPREAD;
    return OP_OTHER;
}

static struct tok *add_tok(struct names *n, const struct lex_token *t)
{
    if (n->count == n->cap) {
        n->cap = n->cap > 0 ? n->cap * 2 : 1024;
        n->toks = xreallocarray(n->toks, n->cap, sizeof(*n->toks));
    }
    struct tok *k = &n->toks[n->count++];
    *k = (struct tok){
        .start = t->start,
        .len = t->len,
        .aux = (uint32_t)n->count - 1,
        .kind = t->kind,
        .flags = t->flags,
    };
    return k;
}

/* Does this token matter at all? Unsure ones are reported on the way. */
static bool matters(struct names *n, const struct lex_token *t)
{
    if ((t->flags & LEX_UNSURE) != 0)
        job_check(n->j, "unsure", t->start, t->len);
    if (t->kind == LEX_NEWLINE)
        return (t->flags & LEX_INSIDE) == 0;
    if (t->kind == LEX_OPERATOR && t->len == 1 && n->j->code[t->start] == '\\')
        return false; /* joins lines */
    return t->kind != LEX_COMMENT && (t->kind != LEX_ERROR || (t->flags & LEX_UNSURE) != 0);
}

/* Pieces of one literal without expressions become one token. */
static bool joins_string(const struct names *n, const struct lex_token *t)
{
    if (t->kind != LEX_STRING || (t->flags & LEX_OPEN) != 0 || n->count == 0)
        return false;
    const struct tok *last = &n->toks[n->count - 1];
    return last->kind == LEX_STRING && (last->flags & LEX_CLOSE) == 0;
}

struct open_brackets {
    uint32_t at[OPEN_MAX];
    size_t count, over;
};

static void pair_bracket(struct names *n, struct open_brackets *open, uint8_t op)
{
    uint32_t here = (uint32_t)n->count - 1;
    if (op == '(' || op == '[' || op == '{') {
        if (open->count < OPEN_MAX)
            open->at[open->count++] = here;
        else
            open->over++;
        return;
    }
    if (open->over > 0) {
        open->over--;
        return;
    }
    uint8_t want = op == ')' ? '(' : op == ']' ? '[' : '{';
    if (open->count == 0 || n->toks[open->at[open->count - 1]].op != want)
        return;
    uint32_t other = open->at[--open->count];
    n->toks[other].aux = here;
    n->toks[here].aux = other;
}

void names_tokenize(struct names *n)
{
    struct lex lx;
    struct lex_token t;
    struct open_brackets *open = xcalloc(1, sizeof(*open));
    n->cap = n->j->len / 6 + 64; /* about what code has */
    n->toks = xreallocarray(NULL, n->cap, sizeof(*n->toks));
    lex_init(&lx, n->j->lang, n->j->code, n->j->len);
    while (lex_next(&lx, &t)) {
        if (joins_string(n, &t)) {
            struct tok *last = &n->toks[n->count - 1];
            last->len = t.start + t.len - last->start;
            last->flags |= t.flags & LEX_CLOSE;
            continue;
        }
        if (!matters(n, &t))
            continue;
        struct tok *k = add_tok(n, &t);
        if (t.kind == LEX_OPERATOR) {
            k->op = operator_code(n->j->code + t.start, t.len);
            if (k->op != 0 && strchr("()[]{}", k->op) != NULL)
                pair_bracket(n, open, k->op);
        } else if (is_name(n, n->count - 1)) {
            k->mark = TOK_NAME;
            k->aux = intern(n, n->j->code + t.start, t.len);
        }
    }
    if (lx.state.lost != 0)
        job_check(n->j, "nesting", 0, 1);
    free(open);
}
