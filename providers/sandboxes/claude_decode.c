/* claude_decode.c - from a bash command or a cell back to the run it carries, for whoever approved
 * it. Shares no code with claude_program.c but the strict readers of the ground floor. [APR-3] */
#include <stdlib.h>
#include <string.h>

#include "base/share.h"
#include "providers/sandboxes/claude_program.h"

static int no_payload(const char *what, struct err *e)
{
    return err_set(e, ERR_INTEGRITY, "the command carries no program of Airlock's: %s", what);
}

/* ---- the payload */

/* Bytes first (the buf may move), then pointers into it: `at` is where they begin. */
static int take(struct claude_decoded *d, const struct json *v, size_t *at, size_t *len,
                struct err *e)
{
    const char *s = json_str(v, NULL);
    *at = d->bytes.len;
    if (s == NULL || base64_decode(&d->bytes, s, strlen(s), e) < 0)
        return no_payload("base64", e);
    *len = d->bytes.len - *at;
    return buf_add_char(&d->bytes, '\0') < 0 ? no_payload("its size", e) : 0;
}

struct spot {
    size_t at, len;
};

static bool is_word(const struct claude_decoded *d, struct spot s)
{
    return memchr(d->bytes.ptr + s.at, '\0', s.len) == NULL;
}

static int take_list(struct claude_decoded *d, const char *key, struct spot **out, size_t *count,
                     struct err *e)
{
    const struct json *list = json_get(d->root, key);
    if (list == NULL || json_kind(list) != JSON_ARRAY)
        return no_payload(key, e);
    *out = xcalloc(json_len(list) + 1, sizeof **out);
    for (const struct json *v = json_first(list); v != NULL; v = json_next(v)) {
        struct spot *s = &(*out)[*count];
        if (take(d, v, &s->at, &s->len, e) < 0)
            return -1;
        if (!is_word(d, *s))
            return no_payload(key, e);
        (*count)++;
    }
    return 0;
}

struct file_spot {
    struct spot name, data;
    uint32_t mode;
};

static int take_files(struct claude_decoded *d, struct file_spot **out, size_t *count,
                      struct err *e)
{
    const struct json *list = json_get(d->root, "files");
    if (list == NULL || json_kind(list) != JSON_ARRAY)
        return no_payload("files", e);
    *out = xcalloc(json_len(list) + 1, sizeof **out);
    for (const struct json *v = json_first(list); v != NULL; v = json_next(v)) {
        struct file_spot *f = &(*out)[*count];
        int64_t mode = json_int(json_at(v, 1), -1);
        if (json_len(v) != 3 || mode < 0 || mode > UINT32_MAX ||
            take(d, json_at(v, 0), &f->name.at, &f->name.len, e) < 0 ||
            take(d, json_at(v, 2), &f->data.at, &f->data.len, e) < 0 || !is_word(d, f->name))
            return no_payload("files", e);
        f->mode = (uint32_t)mode;
        (*count)++;
    }
    return 0;
}

enum { CODE, CWD, INPUT, CHECK, TEXTS };

struct spots {
    struct spot text[TEXTS];
    struct spot *argv, *exists;
    struct file_spot *files;
    size_t argv_count, exists_count, file_count;
};

static int take_all(struct claude_decoded *d, struct spots *s, struct err *e)
{
    static const char *const keys[TEXTS] = { "code", "cwd", "input", "check" };
    for (size_t i = 0; i < TEXTS; i++)
        if (take(d, json_get(d->root, keys[i]), &s->text[i].at, &s->text[i].len, e) < 0)
            return -1;
    if (!is_word(d, s->text[CWD]))
        return no_payload("cwd", e);
    if (take_list(d, "argv", &s->argv, &s->argv_count, e) < 0 ||
        take_list(d, "exists", &s->exists, &s->exists_count, e) < 0)
        return -1;
    return take_files(d, &s->files, &s->file_count, e);
}

/* Nothing is added to `bytes` any more. */
static void point(struct claude_decoded *d, const struct spots *s)
{
    char *base = d->bytes.ptr;
    struct sandbox_run *rq = &d->rq;
    d->argv = xcalloc(s->argv_count + 1, sizeof *d->argv);
    d->exists = xcalloc(s->exists_count + 1, sizeof *d->exists);
    d->files = xcalloc(s->file_count + 1, sizeof *d->files);
    for (size_t i = 0; i < s->argv_count; i++)
        d->argv[i] = base + s->argv[i].at;
    for (size_t i = 0; i < s->exists_count; i++)
        d->exists[i] = base + s->exists[i].at;
    for (size_t i = 0; i < s->file_count; i++)
        d->files[i] = (struct sandbox_file){ .name = base + s->files[i].name.at,
                                             .mode = s->files[i].mode,
                                             .ptr = base + s->files[i].data.at,
                                             .len = s->files[i].data.len };
    rq->code = base + s->text[CODE].at;
    rq->code_len = s->text[CODE].len;
    rq->cwd = base + s->text[CWD].at;
    rq->input = base + s->text[INPUT].at;
    rq->input_len = s->text[INPUT].len;
    rq->check_code = base + s->text[CHECK].at;
    rq->check_code_len = s->text[CHECK].len;
    rq->argv = d->argv;
    rq->argv_count = s->argv_count;
    rq->exists = d->exists;
    rq->exists_count = s->exists_count;
    rq->files = d->files;
    rq->file_count = s->file_count;
}

static int read_words(struct claude_decoded *d, struct err *e)
{
    const char *token = json_get_str(d->root, "token", "");
    const char *life = json_get_str(d->root, "life", NULL);
    size_t life_len = life != NULL ? strlen(life) : 0;
    d->rq.language = json_get_str(d->root, "language", "");
    d->rq.interpreter = json_get_str(d->root, "interpreter", "");
    d->terms.timeout_s = json_get_int(d->root, "timeout", -1);
    d->terms.form = life != NULL ? CLAUDE_CELL : CLAUDE_SHELL;
    if (json_kind(d->root) != JSON_OBJECT || json_len(d->root) != (life != NULL ? 14 : 13) ||
        (life_len != 0 && life_len != CLAUDE_TOKEN_LEN) || strlen(token) != CLAUDE_TOKEN_LEN ||
        d->terms.timeout_s < 1 || json_get_int(d->root, "out", 0) != CLAUDE_OUT_MAX ||
        json_get_int(d->root, "err", 0) != CLAUDE_ERR_MAX)
        return no_payload("its members", e);
    memcpy(d->terms.token, token, CLAUDE_TOKEN_LEN + 1);
    if (life != NULL)
        memcpy(d->terms.life, life, life_len + 1);
    return 0;
}

int claude_program_read(struct claude_decoded *out, const char *payload, size_t len, struct err *e)
{
    struct spots s = { .argv = NULL };
    *out = (struct claude_decoded){ .bytes = BUF_INIT(CLAUDE_MOUNTED_MAX * 2) };
    if (json_parse(&out->root, payload, len, NULL) < 0)
        return no_payload("no JSON", e);
    int rc = read_words(out, e);
    if (rc == 0)
        rc = take_all(out, &s, e);
    if (rc == 0)
        point(out, &s);
    free(s.argv);
    free(s.exists);
    free(s.files);
    return rc;
}

void claude_decoded_release(struct claude_decoded *d)
{
    json_free(d->root);
    buf_release(&d->bytes);
    free(d->argv);
    free(d->exists);
    free(d->files);
    *d = (struct claude_decoded){ .root = NULL };
}

/* ---- the command */

struct text {
    const char *p, *end;
};

static bool eat(struct text *t, const char *s, size_t n)
{
    if ((size_t)(t->end - t->p) < n || memcmp(t->p, s, n) != 0)
        return false;
    t->p += n;
    return true;
}

static bool eat_str(struct text *t, const char *s)
{
    return eat(t, s, strlen(s));
}

/* A run of characters out of `set`, 1 … size - 1 of them. */
static bool eat_span(struct text *t, const char *set, char *to, size_t size)
{
    size_t n = 0;
    while (t->p + n < t->end && t->p[n] != '\0' && strchr(set, t->p[n]) != NULL)
        n++;
    if (n == 0 || n >= size)
        return false;
    memcpy(to, t->p, n);
    to[n] = '\0';
    t->p += n;
    return true;
}

#define PATH_SET "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-"

static bool eat_proof(struct text *t, char *hash, char *path, size_t path_size)
{
    return eat_str(t, "echo '") && eat_span(t, "0123456789abcdef", hash, SHA256_HEX_LEN + 1) &&
           strlen(hash) == SHA256_HEX_LEN && eat_str(t, "  ") &&
           eat_span(t, PATH_SET, path, path_size) && eat_str(t, "' | sha256sum -c --status && ");
}

/* Up to the end of its line. */
static bool eat_payload(struct text *t, struct claude_command *out)
{
    const char *nl = memchr(t->p, '\n', (size_t)(t->end - t->p));
    if (nl == NULL)
        return false;
    out->payload = t->p;
    out->payload_len = (size_t)(nl - t->p);
    t->p = nl + 1;
    return true;
}

static bool eat_part(struct text *t, const char *name)
{
    const struct share_file *f = share_find(name);
    return f != NULL && eat(t, f->ptr, f->len);
}

static bool read_inline(struct text t, struct claude_command *out)
{
    return eat_str(&t, "python3 - <<'AIRLOCK'\nP = ") && eat_payload(&t, out) &&
           eat_str(&t, "RUN = r'''\n") && eat_part(&t, "cells/claude/run.py") &&
           eat_str(&t, "'''\n\n") && eat_part(&t, "cells/claude/common.py") &&
           eat_str(&t, "\n\n") && eat_part(&t, "cells/claude/shell.py") && eat_str(&t, "AIRLOCK") &&
           t.p == t.end;
}

static bool read_cell(struct text t, struct claude_command *out)
{
    out->form = CLAUDE_CELL;
    return eat_str(&t, "P = ") && eat_payload(&t, out) && eat_part(&t, "cells/claude/run.py") &&
           eat_str(&t, "\n\n") && eat_part(&t, "cells/claude/common.py") && eat_str(&t, "\n\n") &&
           eat_part(&t, "cells/claude/repl.py") && t.p == t.end;
}

static bool read_mounted(struct text t, struct claude_command *out)
{
    char again[sizeof out->runner];
    if (!eat_proof(&t, out->runner_hash, out->runner, sizeof out->runner))
        return false;
    bool both = eat_proof(&t, out->payload_hash, out->path, sizeof out->path);
    if (!eat_str(&t, "python3 ") || !eat_span(&t, PATH_SET, again, sizeof again) ||
        strcmp(again, out->runner) != 0)
        return false;
    if (both)
        return eat_str(&t, " ") && eat_str(&t, out->path) && t.p == t.end;
    out->path[0] = out->payload_hash[0] = '\0';
    return eat_str(&t, " <<'AIRLOCK'\n") && eat_payload(&t, out) && eat_str(&t, "AIRLOCK") &&
           t.p == t.end;
}

int claude_command_read(struct claude_command *out, const char *command, size_t len, struct err *e)
{
    struct text t = { command, command + len };
    *out = (struct claude_command){ .payload = NULL };
    if (read_inline(t, out))
        return 0;
    *out = (struct claude_command){ .payload = NULL };
    if (read_mounted(t, out))
        return 0;
    *out = (struct claude_command){ .payload = NULL };
    if (read_cell(t, out))
        return 0;
    return no_payload("its form", e);
}
