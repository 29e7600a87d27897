/* review_literal.c - the value of an expression as far as it is written down: joined strings,
 * escapes, character codes, names set to a literal. What is computed becomes a hole. */
#include "tool/review_names.h"

#include <string.h>
#include "base/utf8.h"

#define FOLD_MAX   ((size_t)1 << 20)
#define FOLD_DEPTH 8u

struct fold {
    struct names *n;
    struct literal *out;
    bool holes, escapes;
    unsigned depth;
};

static void add_bytes(struct fold *f, const char *p, size_t len)
{
    if (buf_add(&f->out->text, p, len) < 0)
        f->holes = true;
}

static void add_hole(struct fold *f)
{
    static const char hole = REVIEW_HOLE;
    f->holes = true;
    add_bytes(f, &hole, 1);
}

static void add_code_point(struct fold *f, uint32_t cp)
{
    char out[4];
    unsigned len = cp < 0x80 ? 1 : utf8_encode(cp, out);
    if (cp < 0x80)
        out[0] = (char)cp;
    add_bytes(f, out, len);
    f->escapes |= cp > ' ' && cp < 0x7f;
}

/* ---- strings ---- */

/* What stands between prefix and quotes of a string token. */
static void string_inside(const struct names *n, size_t i, size_t *start, size_t *len)
{
    const struct tok *t = &n->toks[i];
    const char *p = n->j->code;
    size_t a = t->start, b = t->start + t->len;
    size_t quotes = (t->flags & LEX_TRIPLE) != 0 ? 3 : 1;
    if ((t->flags & LEX_OPEN) != 0) {
        while (a < b && p[a] != '"' && p[a] != '\'' && p[a] != '`')
            a++;
        a = b - a > quotes ? a + quotes : b;
    }
    if ((t->flags & LEX_CLOSE) != 0 && b - a >= quotes)
        b -= quotes;
    *start = a;
    *len = b - a;
}

static size_t hex_run(const char *p, size_t len, size_t max, uint32_t *value)
{
    size_t i = 0;
    *value = 0;
    for (; i < len && i < max; i++) {
        char c = p[i];
        unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                            : 16;
        if (d == 16)
            break;
        *value = *value * 16 + d;
    }
    return i;
}

/* Octal and the one-letter escapes; returns the bytes behind the backslash that were used. */
static size_t simple_escape(struct fold *f, const char *p, size_t len)
{
    static const char from[] = "ntrabfv0", to[] = "\n\t\r\a\b\f\v";
    if (p[0] >= '0' && p[0] <= '7') {
        uint32_t v = 0;
        size_t i = 0;
        for (; i < 3 && i < len && p[i] >= '0' && p[i] <= '7'; i++)
            v = v * 8 + (uint32_t)(p[i] - '0');
        add_code_point(f, v);
        return i;
    }
    if (p[0] == 'N' && len > 1 && p[1] == '{' && f->n->j->lang == LEX_LANG_PYTHON) {
        add_hole(f); /* a letter by its Unicode name */
        const char *end = memchr(p, '}', len);
        return end != NULL ? (size_t)(end - p) + 1 : len;
    }
    const char *at = strchr(from, p[0]);
    if (p[0] == '\n')
        return 1; /* joined lines */
    if (at != NULL && p[0] != '\0' && p[0] != '0') {
        add_bytes(f, &to[at - from], 1);
        return 1;
    }
    if (strchr("\\'\"`$/{}", p[0]) == NULL && f->n->j->lang == LEX_LANG_PYTHON)
        add_bytes(f, "\\", 1); /* Python keeps what it does not know */
    add_bytes(f, p, 1);
    return 1;
}

static size_t take_escape(struct fold *f, const char *p, size_t len)
{
    uint32_t v = 0;
    size_t digits = p[0] == 'x' ? 2 : p[0] == 'u' ? 4 : p[0] == 'U' ? 8 : 0;
    if (digits == 0)
        return simple_escape(f, p, len);
    bool braces = len > 1 && p[1] == '{';
    size_t used = hex_run(p + 1 + braces, len - 1 - braces, braces ? 8 : digits, &v);
    if (used == 0)
        return simple_escape(f, p, len);
    add_code_point(f, v);
    used += 1u + braces;
    return used < len && braces && p[used] == '}' ? used + 1 : used;
}

static void add_string(struct fold *f, size_t i)
{
    size_t start, len;
    const struct tok *t = &f->n->toks[i];
    string_inside(f->n, i, &start, &len);
    const char *p = f->n->j->code + start;
    bool raw = (t->flags & LEX_RAW) != 0, format = (t->flags & LEX_FORMAT) != 0;
    bool braces = format && f->n->j->lang == LEX_LANG_PYTHON;
    size_t at = 0;
    f->out->at = start;
    f->out->len = len;
    f->out->exact = true;
    while (at < len) {
        size_t run = at;
        while (run < len && (raw || p[run] != '\\') &&
               !(braces && (p[run] == '{' || p[run] == '}')))
            run++;
        add_bytes(f, p + at, run - at);
        at = run;
        if (at >= len)
            break;
        f->out->exact = false;
        if (p[at] == '\\' && at + 1 < len) {
            at += 1 + take_escape(f, p + at + 1, len - at - 1);
        } else {
            add_bytes(f, p + at, 1); /* {{ of an f-string, or a last backslash */
            at += at + 1 < len && p[at + 1] == p[at] && braces ? 2 : 1;
        }
    }
}

/* What a name was set to; it may hold holes itself. */
static void add_value(struct fold *f, const struct ident *id)
{
    add_bytes(f, id->value, id->value_len);
    f->holes |= memchr(id->value, REVIEW_HOLE, id->value_len) != NULL;
}

static bool fold_constant(struct fold *f, size_t name, size_t first);

/* Pieces and fields of an f-string or template that starts at token i; returns the token behind. */
static size_t add_format(struct fold *f, size_t i, size_t end)
{
    struct names *n = f->n;
    add_string(f, i);
    while ((n->toks[i].flags & LEX_CLOSE) == 0 && i + 1 < end) {
        i++;
        if (tok_is_op(n, i, '{')) {
            size_t close = n->toks[i].aux;
            const struct ident *id =
                close == i + 2 && tok_is_name(n, i + 1) ? &n->ids[n->toks[i + 1].aux] : NULL;
            bool dotted = close == i + 4 && tok_is_op(n, i + 2, '.') && tok_is_name(n, i + 1) &&
                          tok_is_name(n, i + 3);
            if (id != NULL && id->values == 1 && !id->dynamic)
                add_value(f, id);
            else if (!dotted || !fold_constant(f, i + 3, i + 1))
                add_hole(f);
            if (close <= i)
                break;
            i = close;
        } else if (n->toks[i].kind == LEX_STRING && (n->toks[i].flags & LEX_OPEN) == 0) {
            add_string(f, i);
        } else {
            break;
        }
    }
    f->out->exact = false;
    return i + 1;
}

/* ---- operands ---- */

static void fold_range(struct fold *f, size_t i, size_t end);

/* Arguments of the call at token `open`, put together with `glue`. */
static void fold_args(struct fold *f, size_t open, const char *glue, unsigned max)
{
    struct args a = { 0 };
    if (f->depth < FOLD_DEPTH)
        args_split(f->n, open, &a);
    f->depth++;
    for (size_t k = 0; k < a.count && k < max; k++) {
        if (k > 0)
            add_bytes(f, glue, strlen(glue));
        fold_range(f, a.from[k], a.to[k]);
    }
    f->depth--;
    if (a.count == 0)
        add_hole(f);
    f->out->exact = false;
}

static void fold_char_codes(struct fold *f, size_t open)
{
    struct args a;
    args_split(f->n, open, &a);
    for (size_t k = 0; k < a.count; k++) {
        double v = literal_number(f->n, a.from[k], a.to[k]);
        if (v < 0 || v > 0x10ffff)
            add_hole(f);
        else
            add_code_point(f, (uint32_t)v);
    }
    if (a.count == 0 || a.count == ARGS_MAX)
        add_hole(f);
    f->escapes = true;
    f->out->exact = false;
}

/* What the call is, by its last two names; an alias counts for the whole. */
static const char *const path_calls[] = { "Path",      "PurePath",     "PosixPath",
                                          "path.join", "path.resolve", "path.normalize" };
static const char *const same_calls[] = {
    "str", "String", "bytes", "path.expanduser", "path.abspath", "path.realpath", "shlex.split"
};
static const char *const code_calls[] = { "chr", "String.fromCharCode", "String.fromCodePoint" };
static const char *const home_calls[] = { "Path.home", "os.homedir" };

/* The name at token i: `id` is it, or what it stands for when it is the first of its chain. */
static const char *called(const struct names *n, size_t i, size_t first, size_t *len)
{
    const struct ident *id = &n->ids[n->toks[i].aux];
    const char *p = i == first && id->alias_count > 0 ? id->alias[0] : id->p;
    *len = p == id->p ? id->len : strlen(p);
    return p;
}

static void call_name(const struct names *n, size_t name, size_t first, char out[NAME_TEXT_MAX])
{
    size_t front_len = 0, len, at = 0;
    const char *p = called(n, name, first, &len);
    const char *front = name >= first + 2 ? called(n, name - 2, first, &front_len) : NULL;
    if (front != NULL && front_len + len + 2 <= NAME_TEXT_MAX) {
        memcpy(out, front, front_len);
        out[front_len] = '.';
        at = front_len + 1;
    }
    if (at + len + 1 > NAME_TEXT_MAX)
        len = 0;
    memcpy(out + at, p, len);
    out[at + len] = '\0';
}

/* Is `name` one of the words, or does it end in one behind a dot? */
static bool is_call_of(const char *name, const char *const *words, size_t count)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < count; i++) {
        size_t w = strlen(words[i]);
        if (n >= w && strcmp(name + n - w, words[i]) == 0 && (n == w || name[n - w - 1] == '.'))
            return true;
    }
    return false;
}

/* A call whose last name is token `name`, `(` behind it: true when its value is known to us. */
static bool fold_call(struct fold *f, size_t name, size_t first)
{
    char text[NAME_TEXT_MAX];
    call_name(f->n, name, first, text);
    if (is_call_of(text, code_calls, ARRAY_LEN(code_calls)))
        fold_char_codes(f, name + 1);
    else if (is_call_of(text, path_calls, ARRAY_LEN(path_calls)))
        fold_args(f, name + 1, "/", ARGS_MAX);
    else if (is_call_of(text, same_calls, ARRAY_LEN(same_calls)))
        fold_args(f, name + 1, "", 1);
    else if (is_call_of(text, home_calls, ARRAY_LEN(home_calls)))
        add_bytes(f, "~", 1);
    else
        return false;
    return true;
}

/* Names whose value is known without their being set. */
static bool fold_constant(struct fold *f, size_t name, size_t first)
{
    static const char *const known[][2] = {
        { "sys.executable", "python3" },
        { "process.execPath", "node" },
        { "os.sep", "/" },
        { "path.sep", "/" },
    };
    char text[NAME_TEXT_MAX];
    call_name(f->n, name, first, text);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (is_call_of(text, &known[i][0], 1)) {
            add_bytes(f, known[i][1], strlen(known[i][1]));
            return true;
        }
    }
    return false;
}

/* `a.b.c` or `a.b.c(…)` at i; returns the token behind. */
static size_t fold_name(struct fold *f, size_t i, size_t end)
{
    struct names *n = f->n;
    size_t name = i;
    while (name + 2 < end && tok_is_op(n, name + 1, '.') && tok_is_name(n, name + 2))
        name += 2;
    f->out->exact = false;
    if (tok_is_op(n, name + 1, '(') && name + 1 < end) {
        size_t close = n->toks[name + 1].aux;
        if (!fold_call(f, name, i))
            add_hole(f);
        return close > name ? close + 1 : end;
    }
    struct ident *id = &n->ids[n->toks[i].aux];
    id->looked = true;
    if (name > i) {
        int64_t dotted = id->has_dotted_value ? names_find_dotted(n, i, name) : -1;
        id = dotted >= 0 ? &n->ids[dotted] : NULL;
    }
    if (id != NULL && id->value != NULL) {
        add_value(f, id);
        f->out->many |= id->values > 1 || id->dynamic;
        if (id->values > VALUES_MAX || id->dynamic) {
            add_bytes(f, "\n", 1);
            add_hole(f);
        }
    } else if (!fold_constant(f, name, i)) {
        add_hole(f);
    }
    return name + 1;
}

/* A hole for each `{…}` or `%s` from `from` on: they were filled in. */
static void punch_holes(struct fold *f, size_t from, bool percent)
{
    struct buf *b = &f->out->text;
    size_t to = from;
    f->holes = true;
    for (size_t i = from; i < b->len; i++) {
        bool field = percent ? b->ptr[i] == '%' && i + 1 < b->len : b->ptr[i] == '{';
        if (!field) {
            b->ptr[to++] = b->ptr[i];
            continue;
        }
        b->ptr[to++] = REVIEW_HOLE;
        if (percent)
            i++;
        else
            while (i < b->len && b->ptr[i] != '}')
                i++;
    }
    buf_truncate(b, to);
}

/* Methods behind an operand: the harmless ones keep its text, others make it unknown. */
static size_t fold_postfix(struct fold *f, size_t i, size_t end, size_t from)
{
    struct names *n = f->n;
    static const char *const same[] = {
        "split",    "strip",   "encode",   "decode",     "trim",
        "toString", "resolve", "absolute", "expanduser", "as_posix"
    };
    while (i < end && (tok_is_op(n, i, '.') || tok_is_op(n, i, '[') || tok_is_op(n, i, '('))) {
        size_t open = tok_is_op(n, i, '.') ? i + 2 : i;
        bool call = open < end && (tok_is_op(n, open, '(') || tok_is_op(n, open, '['));
        bool keeps = false;
        for (size_t k = 0; k < ARRAY_LEN(same); k++)
            keeps |= tok_is_op(n, i, '.') && tok_is_word(n, i + 1, same[k]);
        f->out->exact = false;
        if (tok_is_op(n, i, '.') && tok_is_word(n, i + 1, "format")) {
            punch_holes(f, from, false);
        } else if (!keeps) {
            buf_truncate(&f->out->text, from);
            add_hole(f);
        }
        size_t next = call ? (size_t)n->toks[open].aux + 1 : open;
        if (next <= i)
            return end;
        i = next;
    }
    return i;
}

static size_t fold_operand(struct fold *f, size_t i, size_t end)
{
    struct names *n = f->n;
    size_t from = f->out->text.len;
    f->out->pieces++;
    if (n->toks[i].kind == LEX_STRING && (n->toks[i].flags & LEX_OPEN) != 0) {
        if ((n->toks[i].flags & LEX_CLOSE) != 0) {
            add_string(f, i);
            i++;
        } else {
            i = add_format(f, i, end);
        }
    } else if (tok_is_op(n, i, '(') && n->toks[i].aux > i && f->depth < FOLD_DEPTH) {
        size_t close = n->toks[i].aux;
        f->depth++;
        fold_range(f, i + 1, close < end ? close : end);
        f->depth--;
        f->out->exact = false;
        i = close + 1;
    } else if (tok_is_name(n, i)) {
        i = fold_name(f, i, end);
    } else {
        add_hole(f);
        size_t next = n->toks[i].op != 0 && n->toks[i].aux > i ? (size_t)n->toks[i].aux + 1 : i + 1;
        i = next;
    }
    return fold_postfix(f, i, end, from);
}

static void fold_range(struct fold *f, size_t i, size_t end)
{
    struct names *n = f->n;
    while (i < end) {
        size_t from = f->out->text.len;
        i = fold_operand(f, i, end);
        if (i >= end)
            return;
        if (n->toks[i].kind == LEX_STRING)
            continue; /* "a" "b" */
        f->out->exact = false;
        if (tok_is_op(n, i, '+') || n->toks[i].kind == LEX_NEWLINE) {
            i++;
        } else if (tok_is_op(n, i, '/')) {
            add_bytes(f, "/", 1); /* pathlib */
            i++;
        } else if (tok_is_op(n, i, '%')) {
            punch_holes(f, from, true);
            return;
        } else {
            add_hole(f);
            return;
        }
    }
}

void literal_fold(struct names *n, size_t i, size_t end, struct literal *out)
{
    *out = (struct literal){ .text = BUF_INIT(FOLD_MAX) };
    (void)buf_add(&out->text, "", 0); /* ptr is never NULL from here on */
    struct fold f = { .n = n, .out = out };
    if (i < end)
        fold_range(&f, i, end < n->count ? end : n->count);
    out->known = i < end && !f.holes;
    out->built = out->pieces > 1 || f.escapes;
    out->exact = out->exact && out->pieces == 1 && !f.holes && !f.escapes;
}

void literal_release(struct literal *l)
{
    buf_release(&l->text);
}
