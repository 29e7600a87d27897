/* claude_result.c - the line that the runner (share/cells/claude/) prints about a run. It comes
 * from the container and is trusted no further: exact in form, capped in size. */
#include <string.h>

#include "base/utf8.h"
#include "providers/sandboxes/claude_program.h"

#define LINE     "AIRLOCK-RESULT "
#define BEGIN    "AIRLOCK-BEGIN "
#define TEXT_MAX ((size_t)64 << 10)
#define VARS_MAX ((size_t)128 << 10)

void claude_result_init(struct claude_result *r)
{
    *r = (struct claude_result){ .code = 0 };
    buf_init(&r->out, CLAUDE_OUT_MAX);
    buf_init(&r->err, TEXT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(r->error); i++)
        buf_init(&r->error[i], TEXT_MAX);
    buf_init(&r->value, TEXT_MAX);
    buf_init(&r->check_text, TEXT_MAX);
    buf_init(&r->root, TEXT_MAX);
    buf_init(&r->paths, TEXT_MAX);
    buf_init(&r->var_text, VARS_MAX);
}

void claude_result_release(struct claude_result *r)
{
    struct buf *all[] = { &r->out,   &r->err,  &r->error[0], &r->error[1], &r->error[2],
                          &r->value, &r->root, &r->paths,    &r->var_text, &r->check_text };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_release(all[i]);
}

static int not_whole(struct err *e, const char *what)
{
    return err_set(e, ERR_FORMAT, "the result did not come back whole: %s", what);
}

/* The last line that begins so. */
static const char *find_line(const char *text, size_t len, const char *word, size_t *line_len)
{
    const char *found = NULL;
    size_t word_len = strlen(word);
    for (size_t at = 0; at < len;) {
        const char *nl = memchr(text + at, '\n', len - at);
        size_t n = nl != NULL ? (size_t)(nl - text) - at : len - at;
        if (n > word_len && memcmp(text + at, word, word_len) == 0) {
            found = text + at + word_len;
            *line_len = n - word_len;
        }
        at += n + 1;
    }
    return found;
}

static int take(const struct json *v, struct buf *to, struct err *e)
{
    const char *s = json_str(v, NULL);
    if (s == NULL || base64_decode(to, s, strlen(s), NULL) < 0)
        return not_whole(e, "a part is no base64");
    return 0;
}

static int take_error(struct claude_result *r, const struct json *list, struct err *e)
{
    size_t n = json_len(list);
    if (n != 0 && n != ARRAY_LEN(r->error))
        return not_whole(e, "error");
    for (size_t i = 0; i < n; i++)
        if (take(json_at(list, i), &r->error[i], e) < 0)
            return -1;
    return 0;
}

static enum var_change change_of(const char *word)
{
    return strcmp(word, "new") == 0       ? CHANGE_NEW
           : strcmp(word, "changed") == 0 ? CHANGE_CHANGED
           : strcmp(word, "gone") == 0    ? CHANGE_GONE
           : strcmp(word, "same") == 0    ? CHANGE_SAME
                                          : CHANGE_UNKNOWN;
}

static int take_files(struct claude_result *r, const struct json *list, struct err *e)
{
    for (const struct json *f = json_first(list); f != NULL; f = json_next(f)) {
        if (r->file_count == ARRAY_LEN(r->files))
            return not_whole(e, "files");
        size_t at = r->paths.len;
        if (take(json_at(f, 0), &r->paths, e) < 0 || buf_add_char(&r->paths, '\0') < 0)
            return not_whole(e, "files");
        r->files[r->file_count].path_at = at;
        r->files[r->file_count].change = change_of(json_str(json_at(f, 1), ""));
        r->files[r->file_count].bytes = json_int(json_at(f, 2), -1);
        r->file_count++;
    }
    return 0;
}

/* Cut there by bytes: what is left of a character goes. */
static int take_text(struct claude_result *r, const struct json *v, size_t *at, struct err *e)
{
    *at = r->var_text.len;
    if (take(v, &r->var_text, e) < 0)
        return -1;
    const char *p = buf_str(&r->var_text) + *at;
    size_t len = r->var_text.len - *at;
    buf_truncate(&r->var_text, *at + (len > 0 ? utf8_valid_prefix(p, len) : 0));
    return buf_add_char(&r->var_text, '\0') < 0 ? not_whole(e, "variables") : 0;
}

static int take_vars(struct claude_result *r, const struct json *o, struct err *e)
{
    const struct json *list = json_get(o, "vars");
    for (const struct json *v = json_first(list); v != NULL; v = json_next(v)) {
        struct claude_var *to = &r->vars[r->var_count];
        const char *digest = json_str(json_at(v, 5), "");
        if (r->var_count == CLAUDE_VARS_MAX || strlen(digest) >= sizeof to->digest)
            return not_whole(e, "variables");
        if (take_text(r, json_at(v, 0), &to->name_at, e) < 0 ||
            take_text(r, json_at(v, 1), &to->type_at, e) < 0 ||
            take_text(r, json_at(v, 2), &to->shape_at, e) < 0 ||
            take_text(r, json_at(v, 4), &to->preview_at, e) < 0)
            return -1;
        memcpy(to->digest, digest, strlen(digest) + 1);
        to->bytes = json_int(json_at(v, 3), -1);
        to->change = change_of(json_str(json_at(v, 6), ""));
        r->var_count++;
    }
    r->vars_more = json_get_int(o, "vars_more", 0);
    return 0;
}

static int take_numbers(struct claude_result *r, const struct json *o, struct err *e)
{
    int64_t code, us, out, err;
    if (json_need_int(o, "result", "code", -128, 255, &code, e) < 0 ||
        json_need_int(o, "result", "us", 0, INT64_C(1) << 50, &us, e) < 0 ||
        json_need_int(o, "result", "out_bytes", 0, INT64_C(1) << 52, &out, e) < 0 ||
        json_need_int(o, "result", "err_bytes", 0, INT64_C(1) << 52, &err, e) < 0)
        return err_wrap(e, "the result did not come back whole");
    r->code = (int)code;
    r->wall_us = us;
    r->out_bytes = (uint64_t)out;
    r->err_bytes = (uint64_t)err;
    r->late = json_get_bool(o, "late", false);
    r->died = json_get_bool(o, "died", false);
    return 0;
}

static int check_hash(const struct json *o, const struct sandbox_run *rq, struct err *e)
{
    uint8_t hash[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    sha256_once(rq->code, rq->code_len, hash);
    hex_encode(hash, sizeof hash, hex);
    if (strcmp(json_get_str(o, "sha256", ""), hex) != 0)
        return err_set(e, ERR_INTEGRITY,
                       "the container says that it ran other code (SHA-256 %.16s…) than was "
                       "approved (%.16s…)",
                       json_get_str(o, "sha256", "none"), hex);
    return 0;
}

static int take_all(struct claude_result *r, const struct json *o, const struct sandbox_run *rq,
                    struct err *e)
{
    const struct json *exists = json_get(o, "exists");
    if (check_hash(o, rq, e) < 0 || take_numbers(r, o, e) < 0 ||
        take(json_get(o, "out"), &r->out, e) < 0 || take(json_get(o, "err"), &r->err, e) < 0 ||
        take(json_get(o, "value"), &r->value, e) < 0 ||
        take(json_get(o, "root"), &r->root, e) < 0 || take_error(r, json_get(o, "error"), e) < 0 ||
        take_files(r, json_get(o, "files"), e) < 0 || take_vars(r, o, e) < 0)
        return -1;
    if (r->out.len > r->out_bytes || r->err.len > r->err_bytes ||
        json_len(exists) != rq->exists_count)
        return not_whole(e, "its counts");
    for (size_t i = 0; i < rq->exists_count && i < CLAUDE_EXISTS_MAX; i++)
        r->exists[i] = json_bool(json_at(exists, i), false);
    r->check_ran = json_get(o, "check") != NULL;
    return r->check_ran ? take(json_get(o, "check"), &r->check_text, e) : 0;
}

int claude_result_read(struct claude_result *r, const char *text, size_t len,
                       const struct sandbox_run *rq, const char *token, struct err *e)
{
    size_t n = 0;
    struct json *o = NULL;
    const char *line = find_line(text, len, LINE, &n);
    int rc = 0;
    if (line == NULL || json_parse(&o, line, n, NULL) < 0)
        return not_whole(e, line == NULL ? "the command printed none" : "its line is cut");
    if (strcmp(json_get_str(o, "token", ""), token) != 0) {
        rc = err_set(e, ERR_INTEGRITY, "the result is not of this run");
    } else if (json_get(o, "failed") != NULL) {
        r->failed = true;
        rc = take(json_get(o, "failed"), &r->err, e);
    } else if (json_get_bool(o, "lost", false)) {
        rc = check_hash(o, rq, e);
        r->lost = true;
    } else {
        rc = take_all(r, o, rq, e);
    }
    json_free(o);
    return rc;
}

bool claude_result_began(const char *text, size_t len, const struct sandbox_run *rq,
                         const char *token)
{
    size_t n = 0;
    struct json *o = NULL;
    struct err no = ERR_INIT;
    const char *line = find_line(text, len, BEGIN, &n);
    bool began = line != NULL && json_parse(&o, line, n, NULL) == 0 &&
                 strcmp(json_get_str(o, "token", ""), token) == 0 && check_hash(o, rq, &no) == 0;
    json_free(o);
    return began;
}
