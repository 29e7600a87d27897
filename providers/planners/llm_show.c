/* llm_show.c - unfolding JSON. */
#include "providers/planners/llm_show.h"

#include <string.h>
#include "base/json.h"

#define OPAQUE_MIN 120 /* bytes without a blank: not for reading */

static void put_indent(unsigned depth, struct buf *out)
{
    for (unsigned i = 0; i < depth; i++)
        (void)buf_add_str(out, "  ");
}

static void put_block(const char *s, unsigned depth, struct buf *out)
{
    while (*s != '\0') {
        size_t n = strcspn(s, "\n");
        put_indent(depth, out);
        (void)buf_add(out, s, n);
        (void)buf_add_char(out, '\n');
        s += n + (s[n] == '\n');
    }
}

static void show_string(const char *key, const char *s, unsigned depth, struct buf *out)
{
    size_t len = strlen(s);
    bool many = strchr(s, '\n') != NULL;
    bool opaque = !many && len >= OPAQUE_MIN && strchr(s, ' ') == NULL;
    put_indent(depth, out);
    if (key != NULL)
        (void)buf_addf(out, "%s:%s", key, many ? "\n" : " ");
    else
        (void)buf_add_str(out, many ? "-\n" : "- ");
    if (opaque)
        (void)buf_addf(out, "(%zu bytes)\n", len);
    else if (many)
        put_block(s, depth + 1, out);
    else
        (void)buf_addf(out, "%s\n", s);
}

static void show_members(const struct json *v, unsigned depth, struct buf *out);

/* JSON inside a string, as some servers carry a call's arguments. */
static bool show_inner(const char *key, const char *s, unsigned depth, struct buf *out)
{
    struct json *o = NULL;
    if (s[0] != '{' || depth > JSON_DEPTH_MAX || json_parse(&o, s, strlen(s), NULL) < 0)
        return false;
    put_indent(depth, out);
    (void)buf_addf(out, "%s:\n", key != NULL ? key : "-");
    show_members(o, depth + 1, out);
    json_free(o);
    return true;
}

static void show_value(const char *key, const struct json *v, unsigned depth, struct buf *out)
{
    enum json_kind kind = json_kind(v);
    if (kind == JSON_STRING) {
        if (!show_inner(key, json_str(v, ""), depth, out))
            show_string(key, json_str(v, ""), depth, out);
        return;
    }
    put_indent(depth, out);
    (void)buf_addf(out, "%s%s", key != NULL ? key : "-", key != NULL ? ":" : "");
    if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
        (void)buf_add_char(out, '\n');
        show_members(v, depth + 1, out);
        return;
    }
    (void)buf_add_char(out, ' ');
    (void)json_print(v, out);
    (void)buf_add_char(out, '\n');
}

static void show_members(const struct json *v, unsigned depth, struct buf *out)
{
    bool named = json_kind(v) == JSON_OBJECT;
    for (const struct json *m = json_first(v); m != NULL; m = json_next(m))
        show_value(named ? json_key(m) : NULL, m, depth, out);
}

void llm_show(const char *p, size_t len, struct buf *out)
{
    struct buf list = BUF_INIT(len + 2);
    struct json *root = NULL;
    (void)buf_add_char(&list, '[');
    (void)buf_add(&list, p, len);
    (void)buf_add_char(&list, ']');
    if (len == 0 || p == NULL || (p[0] != '{' && p[0] != '[') ||
        json_parse(&root, list.ptr, list.len, NULL) < 0)
        (void)buf_add(out, p, len);
    for (const struct json *m = json_first(root); m != NULL; m = json_next(m)) {
        if (m != json_first(root))
            (void)buf_add_char(out, '\n');
        show_members(m, 0, out);
    }
    json_free(root);
    buf_release(&list);
}
