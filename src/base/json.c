/* json.c - strict JSON: json_check.c looks at every byte first, then cJSON builds the tree. */
#include "base/json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_check.h"

#define EXACT_INT_MAX (INT64_C(1) << 53)

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

/* Enough to tell most keys of one object apart. */
static uint16_t tag_of(const char *key)
{
    return key[0] == '\0' ? 0 : (uint16_t)(fold(key[0]) << 8 | fold(key[1]));
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
    uint16_t tags[FEW_KEYS];
    size_t n = 0;
    for (const cJSON *m = object->child; m != NULL; m = m->next, n++) {
        if (n >= FEW_KEYS)
            continue; /* only counting */
        keys[n] = m->string;
        tags[n] = tag_of(m->string);
        for (size_t i = 0; i < n; i++) {
            if (tags[i] == tags[n] && compare_folded(keys[i], keys[n]) == 0)
                return same_key(keys[n], e);
        }
    }
    return n > FEW_KEYS ? check_many_keys(object, n, e) : 0;
}

struct walk {
    const char *text;
    const struct json_long *next, *end;
    size_t numbers;
    struct err *e;
};

/* cJSON leaves `valuestring` NULL for numbers and frees it with any node: there the text of a
 * number stays that its double may not hold. */
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

static int build(cJSON **out, const char *text, size_t len, const struct json_facts *f,
                 struct err *e)
{
    errno = 0;
    cJSON *root = cJSON_ParseWithLengthOpts(text, len, NULL, 0);
    if (root == NULL && errno == ENOMEM)
        err_no_memory();
    if (root == NULL)
        return err_set(e, ERR_LIMIT, "JSON: no memory for %zu values", f->values);
    struct walk w = { text, f->longs, f->longs != NULL ? f->longs + f->long_count : NULL, 0, e };
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
    struct json_facts f;
    cJSON *root = NULL;
    int rc = json_check(&f, ptr, len, e);
    if (rc == 0)
        rc = build(&root, ptr, len, &f, e);
    if (rc == 0)
        *out = (struct json *)root;
    json_facts_release(&f);
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

const char *json_library_version(void)
{
    return cJSON_Version();
}
