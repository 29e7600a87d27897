/* json.c - strict JSON: our own check of every byte first, then cJSON builds the tree. */
#include "base/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define ONES           UINT64_C(0x0101010101010101)
#define NUMBER_LEN_MAX 63 /* cJSON copies a number into 64 bytes and ignores the rest */
#define EXACT_DIGITS   15 /* any decimal of so many digits survives a double */
#define EXACT_INT_MAX  (INT64_C(1) << 53)

/* A number that a double can't hold for certain: its text is kept in the node's `valuestring`,
 * which cJSON leaves NULL for numbers and frees with any node. */
struct long_number {
    size_t index; /* among all numbers of the document */
    size_t start, len;
};

struct check {
    const unsigned char *start, *at, *end;
    uint64_t objects; /* bit n: what is open at depth n is an object */
    unsigned depth;
    size_t nodes, numbers;
    struct long_number *longs;
    size_t longs_len, longs_cap;
    struct err *e;
};

/* ---- the check: the grammar of RFC 8259, nothing more ---- */

static int check_bad_at(struct check *c, const unsigned char *at, const char *what)
{
    return err_set(c->e, ERR_FORMAT, "JSON: byte %zu: %s", (size_t)(at - c->start), what);
}

static int check_bad(struct check *c, const char *what)
{
    return check_bad_at(c, c->at, c->at == c->end ? "the text ends too early" : what);
}

static void skip_blanks(struct check *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
        c->at++;
}

static bool next_is(struct check *c, unsigned char byte)
{
    if (c->at == c->end || *c->at != byte)
        return false;
    c->at++;
    return true;
}

/* Four hex digits at the cursor, or -1. */
static int32_t hex4(struct check *c)
{
    int32_t v = 0;
    for (int i = 0; i < 4; i++, c->at++) {
        unsigned char d = c->at < c->end ? *c->at : 0;
        if (d >= '0' && d <= '9')
            v = v << 4 | (d - '0');
        else if ((d | 0x20) >= 'a' && (d | 0x20) <= 'f')
            v = v << 4 | ((d | 0x20) - 'a' + 10);
        else
            return -1;
    }
    return v;
}

/* Behind a backslash. */
static int check_escape(struct check *c)
{
    const unsigned char *from = c->at - 1;
    if (!next_is(c, 'u')) {
        if (c->at == c->end || *c->at == 0 || strchr("\"\\/bfnrt", *c->at) == NULL)
            return check_bad(c, "no such escape");
        c->at++;
        return 0;
    }
    int32_t v = hex4(c);
    if (v < 0)
        return check_bad(c, "\\u needs four hex digits");
    if (v == 0)
        return check_bad_at(c, from, "\\u0000 is refused");
    if (v < 0xD800 || v > 0xDFFF)
        return 0;
    if (v < 0xDC00 && next_is(c, '\\') && next_is(c, 'u')) {
        v = hex4(c);
        if (v >= 0xDC00 && v <= 0xDFFF)
            return 0;
    }
    return check_bad_at(c, from, "half of a surrogate pair");
}

/* Behind the opening quote. Plain ASCII goes by eights, see plain_run in json_w.c. */
static int check_string(struct check *c)
{
    for (;;) {
        for (; c->end - c->at >= 8; c->at += 8) {
            uint64_t w;
            memcpy(&w, c->at, sizeof w);
            uint64_t odd =
                w | (w - ONES * 0x20) | ((w ^ ONES * '"') - ONES) | ((w ^ ONES * '\\') - ONES);
            if ((odd & ONES * 0x80) != 0)
                break;
        }
        while (c->at < c->end && *c->at >= 0x20 && *c->at < 0x80 && *c->at != '"' && *c->at != '\\')
            c->at++;
        if (c->at == c->end)
            return check_bad(c, "");
        if (next_is(c, '"'))
            return 0;
        if (next_is(c, '\\')) {
            if (check_escape(c) < 0)
                return -1;
            continue;
        }
        uint32_t cp;
        unsigned n =
            *c->at < 0x20 ? 0 : utf8_decode((const char *)c->at, (size_t)(c->end - c->at), &cp);
        if (n == 0)
            return check_bad(c, *c->at < 0x20 ? "raw control byte in a string" : "invalid UTF-8");
        c->at += n;
    }
}

static size_t skip_digits(struct check *c)
{
    const unsigned char *from = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    return (size_t)(c->at - from);
}

static int keep_long_number(struct check *c, const unsigned char *from)
{
    char text[NUMBER_LEN_MAX + 1];
    size_t len = (size_t)(c->at - from);
    if (len > NUMBER_LEN_MAX)
        return err_set(c->e, ERR_LIMIT, "JSON: byte %zu: a number of more than %d characters",
                       (size_t)(from - c->start), NUMBER_LEN_MAX);
    memcpy(text, from, len);
    text[len] = '\0';
    if (!isfinite(strtod(text, NULL)))
        return check_bad_at(c, from, "a number too large for a double");
    if (c->longs_len == c->longs_cap) {
        c->longs_cap = c->longs_cap != 0 ? c->longs_cap * 2 : 16;
        c->longs = xreallocarray(c->longs, c->longs_cap, sizeof *c->longs);
    }
    c->longs[c->longs_len++] = (struct long_number){ c->numbers, (size_t)(from - c->start), len };
    return 0;
}

static int check_number(struct check *c)
{
    const unsigned char *from = c->at;
    bool exponent = false;
    next_is(c, '-');
    if (!next_is(c, '0') && skip_digits(c) == 0)
        return check_bad(c, "a number needs a digit here");
    if (next_is(c, '.') && skip_digits(c) == 0)
        return check_bad(c, "a number needs a digit here");
    if (c->at < c->end && (*c->at | 0x20) == 'e') {
        exponent = true;
        c->at++;
        if (!next_is(c, '+'))
            next_is(c, '-');
        if (skip_digits(c) == 0)
            return check_bad(c, "a number needs a digit here");
    }
    if (((size_t)(c->at - from) > EXACT_DIGITS || exponent) && keep_long_number(c, from) < 0)
        return -1;
    c->numbers++;
    return 0;
}

static int check_word(struct check *c, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
        return check_bad(c, "no JSON value begins like this");
    c->at += len;
    return 0;
}

static int check_key(struct check *c)
{
    skip_blanks(c);
    if (!next_is(c, '"'))
        return check_bad(c, "a key in quotes must stand here");
    if (check_string(c) < 0)
        return -1;
    skip_blanks(c);
    return next_is(c, ':') ? 0 : check_bad(c, "':' must stand here");
}

static int check_open(struct check *c, bool object)
{
    if (c->depth == JSON_DEPTH_MAX)
        return err_set(c->e, ERR_LIMIT, "JSON: byte %zu: nested deeper than %d",
                       (size_t)(c->at - c->start) - 1, JSON_DEPTH_MAX);
    uint64_t bit = UINT64_C(1) << c->depth++;
    c->objects = object ? c->objects | bit : c->objects & ~bit;
    return 0;
}

static bool in_object(const struct check *c)
{
    return (c->objects >> (c->depth - 1) & 1) != 0;
}

/* One value, or the opening of a container: then *opened is set when an item must follow. */
static int check_value(struct check *c, bool *opened)
{
    *opened = false;
    skip_blanks(c);
    if (++c->nodes > JSON_NODES_MAX)
        return err_set(c->e, ERR_LIMIT, "JSON: more than %d values", JSON_NODES_MAX);
    if (c->at == c->end)
        return check_bad(c, "");
    switch (*c->at) {
    case '"':
        c->at++;
        return check_string(c);
    case '{':
    case '[':
        break;
    case 't':
        return check_word(c, "true");
    case 'f':
        return check_word(c, "false");
    case 'n':
        return check_word(c, "null");
    default:
        if (*c->at != '-' && (*c->at < '0' || *c->at > '9'))
            return check_bad(c, "no JSON value begins like this");
        return check_number(c);
    }
    bool object = *c->at++ == '{';
    if (check_open(c, object) < 0)
        return -1;
    skip_blanks(c);
    if (next_is(c, object ? '}' : ']'))
        c->depth--;
    else
        *opened = true;
    return *opened && object ? check_key(c) : 0;
}

/* Behind a value: closings, then a comma (*more) or the end of the document. */
static int check_after(struct check *c, bool *more)
{
    *more = false;
    while (c->depth > 0) {
        skip_blanks(c);
        bool object = in_object(c);
        if (next_is(c, ',')) {
            *more = true;
            return object ? check_key(c) : 0;
        }
        if (!next_is(c, object ? '}' : ']'))
            return check_bad(c,
                             object ? "',' or '}' must stand here" : "',' or ']' must stand here");
        c->depth--;
    }
    skip_blanks(c);
    return c->at == c->end ? 0 : check_bad(c, "bytes behind the document");
}

static int check_document(struct check *c)
{
    if (c->end - c->at >= 3 && memcmp(c->at, "\xEF\xBB\xBF", 3) == 0)
        return check_bad(c, "a byte order mark is refused");
    for (bool more = true; more;) {
        bool opened;
        do {
            if (check_value(c, &opened) < 0)
                return -1;
        } while (opened);
        if (check_after(c, &more) < 0)
            return -1;
    }
    return 0;
}

/* ---- the tree: keys that could be taken for each other, and the text of long numbers ---- */

#define FEW_KEYS 32

static unsigned char fold(char ch)
{
    return (unsigned char)(ch >= 'A' && ch <= 'Z' ? ch + ('a' - 'A') : ch);
}

static int compare_folded(const char *a, const char *b)
{
    while (*a != '\0' && fold(*a) == fold(*b)) {
        a++;
        b++;
    }
    return fold(*a) - fold(*b);
}

static int compare_keys(const void *a, const void *b)
{
    return compare_folded(*(const char *const *)a, *(const char *const *)b);
}

static uint32_t hash_folded(const char *s)
{
    uint32_t h = 2166136261u;
    for (; *s != '\0'; s++)
        h = (h ^ fold(*s)) * 16777619u;
    return h;
}

static int same_key(const char *key, struct err *e)
{
    return err_set(e, ERR_FORMAT,
                   "JSON: the key \"%.64s\" stands twice in one object (upper and "
                   "lower case count as the same)",
                   key);
}

static int check_many_keys(const cJSON *object, size_t count, struct err *e)
{
    const char **keys = xreallocarray(NULL, count, sizeof *keys);
    size_t n = 0;
    for (const cJSON *m = object->child; m != NULL; m = m->next)
        keys[n++] = m->string;
    qsort(keys, n, sizeof *keys, compare_keys);
    int rc = 0;
    for (size_t i = 1; i < n && rc == 0; i++) {
        if (compare_folded(keys[i - 1], keys[i]) == 0)
            rc = same_key(keys[i], e);
    }
    free(keys);
    return rc;
}

static int check_keys(const cJSON *object, struct err *e)
{
    const char *keys[FEW_KEYS];
    uint32_t hashes[FEW_KEYS];
    size_t n = 0;
    for (const cJSON *m = object->child; m != NULL; m = m->next, n++) {
        if (n >= FEW_KEYS)
            continue;
        keys[n] = m->string;
        hashes[n] = hash_folded(m->string);
        for (size_t i = 0; i < n; i++) {
            if (hashes[i] == hashes[n] && compare_folded(keys[i], keys[n]) == 0)
                return same_key(keys[n], e);
        }
    }
    return n > FEW_KEYS ? check_many_keys(object, n, e) : 0;
}

struct walk {
    const char *text;
    const struct long_number *next, *end;
    size_t numbers;
    struct err *e;
};

static void keep_number_text(struct walk *w, cJSON *v)
{
    if (w->next == w->end || w->next->index != w->numbers++)
        return;
    v->valuestring = xmemdup(w->text + w->next->start, w->next->len);
    w->next++;
}

/* Recursion goes as deep as the document, 64 at most. */
static int walk_tree(struct walk *w, cJSON *v)
{
    if (cJSON_IsNumber(v))
        keep_number_text(w, v);
    else if (cJSON_IsObject(v) && check_keys(v, w->e) < 0)
        return -1;
    if (cJSON_IsString(v))
        return 0;
    for (cJSON *m = v->child; m != NULL; m = m->next) {
        if (walk_tree(w, m) < 0)
            return -1;
    }
    return 0;
}

static int build(cJSON **out, const struct check *c, struct err *e)
{
    const char *text = (const char *)c->start, *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, (size_t)(c->end - c->start), &end, 0);
    if (root == NULL)
        return err_set(e, ERR_LIMIT, "JSON: no memory for %zu values", c->nodes);
    struct walk w = { text, c->longs, c->longs + c->longs_len, 0, e };
    if (walk_tree(&w, root) < 0) {
        cJSON_Delete(root);
        return -1;
    }
    INVARIANT(w.next == w.end);
    *out = root;
    return 0;
}

int json_parse(struct json **out, const char *ptr, size_t len, struct err *e)
{
    const unsigned char *u = (const unsigned char *)(ptr != NULL ? ptr : "");
    struct check c = { .start = u, .at = u, .end = u + len, .e = e };
    cJSON *root = NULL;
    int rc = check_document(&c);
    if (rc == 0)
        rc = build(&root, &c, e);
    if (rc == 0)
        *out = (struct json *)root;
    free(c.longs);
    return rc;
}

void json_free(struct json *root)
{
    cJSON_Delete((cJSON *)root);
}

/* ---- looking things up ---- */

static const cJSON *node(const struct json *v)
{
    return (const cJSON *)v;
}

static const struct json *lend(const cJSON *v)
{
    return (const struct json *)v;
}

enum json_kind json_kind(const struct json *v)
{
    switch (v != NULL ? node(v)->type & 0xFF : cJSON_NULL) {
    case cJSON_True:
    case cJSON_False:
        return JSON_BOOL;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Object:
        return JSON_OBJECT;
    default:
        return JSON_NULL;
    }
}

const struct json *json_get(const struct json *o, const char *key)
{
    if (json_kind(o) != JSON_OBJECT)
        return NULL;
    for (const cJSON *m = node(o)->child; m != NULL; m = m->next) {
        if (strcmp(m->string, key) == 0)
            return cJSON_IsNull(m) ? NULL : lend(m);
    }
    return NULL;
}

const struct json *json_first(const struct json *v)
{
    enum json_kind kind = json_kind(v);
    return kind == JSON_ARRAY || kind == JSON_OBJECT ? lend(node(v)->child) : NULL;
}

const struct json *json_next(const struct json *m)
{
    return m != NULL ? lend(node(m)->next) : NULL;
}

size_t json_len(const struct json *v)
{
    size_t n = 0;
    for (const struct json *m = json_first(v); m != NULL; m = json_next(m))
        n++;
    return n;
}

const struct json *json_at(const struct json *a, size_t index)
{
    const struct json *m = json_first(a);
    while (m != NULL && index-- > 0)
        m = json_next(m);
    return m;
}

const char *json_key(const struct json *member)
{
    return member != NULL ? node(member)->string : NULL;
}

const char *json_str(const struct json *v, const char *dflt)
{
    return json_kind(v) == JSON_STRING ? node(v)->valuestring : dflt;
}

/* The number as an integer, when the text says exactly that one and it is within +-2^53. */
static bool exact_int(const struct json *v, int64_t *out)
{
    if (json_kind(v) != JSON_NUMBER)
        return false;
    double d = node(v)->valuedouble;
    if (!(d >= (double)-EXACT_INT_MAX && d <= (double)EXACT_INT_MAX) || d != trunc(d))
        return false;
    *out = (int64_t)d;
    const char *text = node(v)->valuestring;
    if (text == NULL)
        return true;
    char *end;
    long long whole = strtoll(text, &end, 10); /* saturates, which then differs from d */
    return *end == '\0' && whole == *out;
}

int64_t json_int(const struct json *v, int64_t dflt)
{
    int64_t n;
    return exact_int(v, &n) ? n : dflt;
}

double json_num(const struct json *v, double dflt)
{
    return json_kind(v) == JSON_NUMBER ? node(v)->valuedouble : dflt;
}

bool json_bool(const struct json *v, bool dflt)
{
    return json_kind(v) == JSON_BOOL ? cJSON_IsTrue(node(v)) : dflt;
}

const char *json_get_str(const struct json *o, const char *key, const char *dflt)
{
    return json_str(json_get(o, key), dflt);
}

int64_t json_get_int(const struct json *o, const char *key, int64_t dflt)
{
    return json_int(json_get(o, key), dflt);
}

bool json_get_bool(const struct json *o, const char *key, bool dflt)
{
    return json_bool(json_get(o, key), dflt);
}

int json_need_str(const struct json *o, const char *where, const char *key, const char **out,
                  struct err *e)
{
    const struct json *v = json_get(o, key);
    if (v == NULL)
        return err_set(e, ERR_FORMAT, "%s.%s: missing", where, key);
    if (json_kind(v) != JSON_STRING)
        return err_set(e, ERR_FORMAT, "%s.%s: not a string", where, key);
    *out = node(v)->valuestring;
    return 0;
}

int json_need_int(const struct json *o, const char *where, const char *key, int64_t min,
                  int64_t max, int64_t *out, struct err *e)
{
    const struct json *v = json_get(o, key);
    int64_t n;
    if (v == NULL)
        return err_set(e, ERR_FORMAT, "%s.%s: missing", where, key);
    if (!exact_int(v, &n))
        return err_set(e, ERR_FORMAT, "%s.%s: not an integer within 2^53", where, key);
    if (n < min || n > max)
        return err_set(e, ERR_FORMAT, "%s.%s: not within %lld and %lld", where, key, (long long)min,
                       (long long)max);
    *out = n;
    return 0;
}

/* ---- printing a value again ---- */

static void print_number(struct json_w *w, const char *key, const cJSON *v)
{
    if (v->valuestring != NULL)
        json_w_raw(w, key, v->valuestring, strlen(v->valuestring));
    else
        json_w_double(w, key, v->valuedouble);
}

void json_w_value(struct json_w *w, const char *key, const struct json *v)
{
    enum json_kind kind = json_kind(v);
    switch (kind) {
    case JSON_NULL:
        json_w_null(w, key);
        return;
    case JSON_BOOL:
        json_w_bool(w, key, json_bool(v, false));
        return;
    case JSON_NUMBER:
        print_number(w, key, node(v));
        return;
    case JSON_STRING:
        json_w_str(w, key, node(v)->valuestring);
        return;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    if (kind == JSON_ARRAY)
        json_w_array(w, key);
    else
        json_w_object(w, key);
    for (const struct json *m = json_first(v); m != NULL; m = json_next(m))
        json_w_value(w, kind == JSON_OBJECT ? json_key(m) : NULL, m);
    if (kind == JSON_ARRAY)
        json_w_close_array(w);
    else
        json_w_close_object(w);
}

int json_print(const struct json *v, struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out);
    json_w_value(&w, NULL, v);
    return json_w_end(&w);
}
