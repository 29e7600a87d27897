/* e2b_check.c - the run as it stands in the bodies that are about to be sent: read back from them
 * and handed to whoever approved it. Nothing leaves before. [APR-3] */
#include <stdlib.h>
#include <string.h>

#include "providers/sandboxes/e2b_int.h"

#define ARGS_MAX 4096

/* What was read back; the trees own the strings. */
struct decoded {
    struct sandbox_run rq;
    struct json *code, *check, *begin, *args;
    const char *argv[ARGS_MAX];
    struct sandbox_file *files;
    char **names;
    size_t named;
    const char *input;
};

static int no_body(const char *what, struct err *e)
{
    return err_set(e, ERR_INTEGRITY, "e2b: the request's %s is not what was to be sent", what);
}

static int read_cell(const struct e2b_part *p, const struct e2b_context *c, struct json **tree,
                     const char **code, const char *what, struct err *e)
{
    if (json_parse(tree, p->body, p->len, e) < 0)
        return err_wrap(e, "e2b: reading back the %s", what);
    *code = json_get_str(*tree, "code", NULL);
    if (*code == NULL || json_len(*tree) != 2 ||
        strcmp(json_get_str(*tree, "context_id", ""), c->id) != 0)
        return no_body(what, e);
    return 0;
}

/* ---- bash */

static int read_words(struct decoded *d, const struct json *args, size_t from, struct err *e)
{
    size_t n = 0, at = 0;
    for (const struct json *a = json_first(args); a != NULL; a = json_next(a), at++) {
        if (at < from)
            continue;
        if (n == ARGS_MAX || json_kind(a) != JSON_STRING)
            return no_body("arguments", e);
        d->argv[n++] = json_str(a, "");
    }
    d->rq.argv = d->argv;
    d->rq.argv_count = n;
    return 0;
}

static bool is_word(const struct json *v, const char *word)
{
    return strcmp(json_str(v, ""), word) == 0;
}

/* Where the code stands among the arguments: behind those that bring its input, if it has one. 0:
 * nothing of ours. */
static size_t code_at(const struct json *process, const struct json *args)
{
    static const char with_input[] = "exec <\"$1\"; rm -f \"$1\"; shift; exec /bin/bash -c \"$@\"";
    const struct json *cmd = json_get(process, "cmd");
    if (json_len(process) != 3 || !is_word(json_at(args, 0), "-c"))
        return 0;
    if (is_word(cmd, "/bin/bash"))
        return 1;
    return is_word(cmd, "/bin/sh") && is_word(json_at(args, 1), with_input) &&
                   is_word(json_at(args, 2), "sh")
               ? 4
               : 0;
}

static int read_process(struct decoded *d, const struct e2b_run *r, struct err *e)
{
    if (json_parse(&d->code, r->code.body, r->code.len, e) < 0)
        return err_wrap(e, "e2b: reading back the process");
    const struct json *p = json_get(d->code, "process"), *args = json_get(p, "args");
    size_t at = code_at(p, args);
    const char *code = json_str(json_at(args, at), NULL);
    if (at == 0 || code == NULL || json_len(d->code) != 2 || json_get_bool(d->code, "stdin", true))
        return no_body("process", e);
    if (at == 4)
        d->input = json_str(json_at(args, 3), "");
    d->rq.language = "bash";
    d->rq.interpreter = e2b_interpreter(NULL, "bash");
    d->rq.code = code;
    d->rq.code_len = strlen(code);
    d->rq.cwd = json_get_str(p, "cwd", "");
    return read_words(d, args, at + 1, e);
}

/* ---- the cell before the code: begin(argv, cwd, input, [[file, mode] …]) */

static int read_begin(struct decoded *d, const struct e2b *s, const struct e2b_run *r,
                      struct err *e)
{
    static const char call[] =
        "__import__('sys').modules['_airlock_cells'].begin(*__import__('json').loads(";
    const char *code = NULL;
    struct json *literal = NULL;
    if (read_cell(&r->begin, &s->contexts[0], &d->begin, &code, "cell before the code", e) < 0)
        return -1;
    INVARIANT(code != NULL);
    size_t len = strlen(code), front = sizeof call - 1;
    if (len < front + 2 || memcmp(code, call, front) != 0 || strcmp(code + len - 2, "))") != 0 ||
        json_parse(&literal, code + front, len - front - 2, e) < 0)
        return no_body("cell before the code", e);
    const char *text = json_str(literal, "");
    int rc = json_parse(&d->args, text, strlen(text), e);
    json_free(literal);
    return rc == 0 && json_len(d->args) == 4 ? 0 : no_body("cell before the code", e);
}

/* Of another language than python it sets the permissions of files, and nothing else. */
static int check_begin(const struct decoded *d, const struct e2b *s, struct err *e)
{
    const struct json *words = json_at(d->args, 0);
    if (json_kind(words) == JSON_ARRAY && json_len(words) == 0 &&
        is_word(json_at(d->args, 1), s->cwd) && is_word(json_at(d->args, 2), ""))
        return 0;
    return no_body("cell before the code", e);
}

/* Without that cell all is as the last run left it: nothing set. */
static int read_arguments(struct decoded *d, const struct e2b *s, struct err *e)
{
    d->rq.cwd = s->cwd;
    if (d->args == NULL)
        return 0;
    d->rq.cwd = json_str(json_at(d->args, 1), "");
    d->input = json_str(json_at(d->args, 2), "");
    return read_words(d, json_at(d->args, 0), 0, e);
}

/* ---- files: the path from the target, the permissions from the cell, the rest is the body */

static int digit(char c)
{
    return c >= 'A' ? (c | 0x20) - 'a' + 10 : c - '0';
}

static int read_path(const char *target, char **out, struct err *e)
{
    const char *p = strstr(target, "?path=");
    struct buf b = BUF_INIT((size_t)16 << 10);
    if (p == NULL)
        return no_body("file", e);
    for (p += 6; *p != '\0'; p++) {
        bool coded = *p == '%' && p[1] != '\0' && p[2] != '\0';
        (void)buf_add_char(&b, coded ? (char)(digit(p[1]) << 4 | digit(p[2])) : *p);
        p += coded ? 2 : 0;
    }
    *out = xstrdup(buf_str(&b));
    buf_release(&b);
    return 0;
}

static uint32_t mode_of(const struct decoded *d, const char *name)
{
    const struct json *list = json_at(d->args, 3);
    for (const struct json *m = json_first(list); m != NULL; m = json_next(m))
        if (strcmp(json_str(json_at(m, 0), ""), name) == 0)
            return (uint32_t)json_int(json_at(m, 1), 0);
    return UINT32_MAX;
}

static int read_files(struct decoded *d, const struct e2b_run *r, struct err *e)
{
    size_t n = 0, root = strlen(E2B_WORKSPACE "/");
    d->files = xcalloc(r->part_count + 1, sizeof *d->files);
    d->names = xcalloc(r->part_count + 1, sizeof *d->names);
    for (size_t i = 0; i < r->part_count; i++) {
        char *path = NULL;
        if (read_path(r->files[i].target, &path, e) < 0)
            return -1;
        INVARIANT(path != NULL);
        d->names[d->named++] = path;
        if (d->input != NULL && strcmp(path, d->input) == 0) {
            d->rq.input = r->files[i].body;
            d->rq.input_len = r->files[i].len;
            continue;
        }
        if (strncmp(path, E2B_WORKSPACE "/", root) != 0)
            return no_body("file", e);
        d->files[n] = (struct sandbox_file){ .name = path + root,
                                             .mode = mode_of(d, path + root),
                                             .ptr = r->files[i].body,
                                             .len = r->files[i].len };
        n++;
    }
    d->rq.files = d->files;
    d->rq.file_count = n;
    return 0;
}

/* ---- all of it */

static int decode(struct decoded *d, struct e2b *s, struct e2b_run *r, struct err *e)
{
    int rc = 0;
    d->rq.run = r->rq.run;
    d->rq.input = d->rq.check_code = "";
    d->rq.exists = r->rq.exists;
    d->rq.exists_count = r->rq.exists_count;
    if (r->begin.body != NULL)
        rc = read_begin(d, s, r, e);
    if (rc == 0 && d->args != NULL && r->context != &s->contexts[0])
        rc = check_begin(d, s, e);
    if (rc == 0 && r->context == NULL) {
        rc = read_process(d, r, e);
    } else if (rc == 0) {
        rc = read_cell(&r->code, r->context, &d->code, &d->rq.code, "code", e);
        d->rq.code_len = rc == 0 ? strlen(d->rq.code) : 0;
        d->rq.language = r->context->language;
        d->rq.interpreter = e2b_interpreter(NULL, r->context->language);
        if (rc == 0 && r->context == &s->contexts[0])
            rc = read_arguments(d, s, e);
        else
            d->rq.cwd = E2B_WORKSPACE;
    }
    if (rc == 0 && r->check.body != NULL) {
        rc = read_cell(&r->check, &s->contexts[0], &d->check, &d->rq.check_code, "check", e);
        d->rq.check_code_len = rc == 0 ? strlen(d->rq.check_code) : 0;
    }
    return rc == 0 ? read_files(d, r, e) : rc;
}

int e2b_check_parts(struct e2b *s, struct e2b_run *r, struct err *e)
{
    struct decoded *d = xcalloc(1, sizeof *d);
    int rc = decode(d, s, r, e);
    if (rc == 0 && s->core.check_body != NULL)
        rc = s->core.check_body(s->core.arg, &d->rq, e);
    json_free(d->code);
    json_free(d->check);
    json_free(d->begin);
    json_free(d->args);
    for (size_t i = 0; i < d->named; i++)
        free(d->names[i]);
    free(d->names);
    free(d->files);
    free(d);
    return rc;
}
