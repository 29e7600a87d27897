/* capsule_encode.c - the record's bytes, and what is refused before there can be any. */
#include "tool/capsule_parts.h"

#include <stdlib.h>
#include <string.h>
#include "base/path.h"
#include "base/utf8.h"

static const char magic[16] = "AIRLOCK-CAPSULE"; /* its NUL belongs to it */
#define VERSION 1

/* ---- writing integers and lists ---- */

void capsule_put(struct sheet *s, const void *ptr, size_t len)
{
    s->full = s->full || buf_add(&s->bytes, ptr, len) < 0;
}

void capsule_put_be(struct sheet *s, uint64_t v, unsigned bytes)
{
    char raw[8];
    for (unsigned i = 0; i < bytes; i++)
        raw[i] = (char)(v >> (8 * (bytes - 1 - i)));
    capsule_put(s, raw, bytes);
}

static void put_sized(struct sheet *s, const void *ptr, size_t len)
{
    capsule_put_be(s, len, 8);
    capsule_put(s, ptr, len);
}

uint64_t capsule_read_be(const char *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

void capsule_put_argv(struct sheet *s, const struct sandbox_run *rq)
{
    capsule_put_be(s, rq->argv_count, 4);
    for (size_t i = 0; i < rq->argv_count; i++)
        put_sized(s, text_of(rq->argv[i]), strlen(text_of(rq->argv[i])));
}

static int by_file_name(const void *a, const void *b)
{
    const struct sandbox_file *const *x = a, *const *y = b;
    return strcmp(text_of((*x)->name), text_of((*y)->name));
}

/* The files in byte order of their names. Caller frees. */
const struct sandbox_file **capsule_sort_files(const struct sandbox_run *rq)
{
    const struct sandbox_file **list = xcalloc(rq->file_count, sizeof(void *));
    for (size_t i = 0; i < rq->file_count; i++)
        list[i] = &rq->files[i];
    qsort(list, rq->file_count, sizeof(void *), by_file_name);
    return list;
}

void capsule_put_files(struct sheet *s, const struct sandbox_file *const *list, size_t count)
{
    uint8_t hash[SHA256_LEN];
    capsule_put_be(s, count, 4);
    for (size_t i = 0; i < count; i++) {
        const struct sandbox_file *f = list[i];
        size_t name_len = strlen(text_of(f->name));
        sha256_once(f->ptr, f->len, hash);
        capsule_put_be(s, 8 + name_len + 4 + 8 + sizeof hash, 8);
        put_sized(s, text_of(f->name), name_len);
        capsule_put_be(s, f->mode, 4);
        capsule_put_be(s, f->len, 8);
        capsule_put(s, hash, sizeof hash);
    }
}

/* Values go in only as a hash salted with the nonce; an unset one is 32 zeros. */
void capsule_put_env(struct sheet *s, const struct capsule_env *env, size_t count,
                     const uint8_t nonce[32])
{
    struct sha256 *h = sha256_new();
    capsule_put_be(s, count, 4);
    for (size_t i = 0; i < count; i++) {
        uint8_t hash[SHA256_LEN] = { 0 };
        size_t name_len = strlen(env[i].name);
        if (env[i].value != NULL) {
            sha256_begin(h);
            sha256_add(h, nonce, 32);
            sha256_add(h, env[i].value, strlen(env[i].value));
            sha256_end(h, hash);
        }
        capsule_put_be(s, 8 + name_len + sizeof hash, 8);
        put_sized(s, env[i].name, name_len);
        capsule_put(s, hash, sizeof hash);
    }
    sha256_free(h);
}

static struct part part_of(const char *ptr, size_t len)
{
    return ptr != NULL ? (struct part){ ptr, len } : (struct part){ "", 0 };
}

/* Fields 7–11, 13 and 15 straight from the request; 10 and 14 are lists the caller has encoded. */
void capsule_take_request(struct part part[F_END], const struct sandbox_run *rq,
                          const struct sheet *argv, const struct sheet *files)
{
    part[F_LANGUAGE] = part_of(rq->language, strlen(text_of(rq->language)));
    part[F_INTERPRETER] = part_of(rq->interpreter, strlen(text_of(rq->interpreter)));
    part[F_CODE] = part_of(rq->code, rq->code_len);
    part[F_ARGV] = part_of(argv->bytes.ptr, argv->bytes.len);
    part[F_CWD] = part_of(rq->cwd, strlen(text_of(rq->cwd)));
    part[F_STDIN] = part_of(rq->input, rq->input_len);
    part[F_FILES] = part_of(files->bytes.ptr, files->bytes.len);
    part[F_CHECK] = part_of(rq->check_code, rq->check_code_len);
}

void capsule_put_record(struct sheet *s, const struct part part[F_END])
{
    capsule_put(s, magic, sizeof magic);
    capsule_put_be(s, VERSION, 4);
    for (int f = F_SESSION; f < F_END; f++) {
        capsule_put_be(s, (uint64_t)f, 2);
        put_sized(s, part[f].ptr, part[f].len);
    }
}

/* ---- what a transport can't carry is refused before there is a gate [APR-4] ---- */

static int refuse_at(const char *what, const char *ptr, size_t at, const char *why, struct err *e)
{
    size_t line = 1, start = 0;
    for (size_t i = 0; i < at; i++) {
        if (ptr[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    return err_set(e, ERR_FORMAT,
                   "%s: %s at byte %zu (line %zu, byte %zu of it): it can't be carried exactly, so "
                   "it will not run",
                   what, why, at, line, at - start + 1);
}

static int check_text(const char *what, const char *ptr, size_t len, struct err *e)
{
    if (len == 0)
        return 0;
    const char *nul = memchr(ptr, '\0', len);
    size_t valid = utf8_valid_prefix(ptr, len);
    if (nul != NULL && (size_t)(nul - ptr) < valid)
        return refuse_at(what, ptr, (size_t)(nul - ptr), "NUL", e);
    if (valid < len)
        return refuse_at(what, ptr, valid, "invalid UTF-8", e);
    return 0;
}

static int check_string(const char *what, const char *s, bool may_be_empty, struct err *e)
{
    if (!may_be_empty && text_of(s)[0] == '\0')
        return err_set(e, ERR_FORMAT, "%s: is empty", what);
    return check_text(what, text_of(s), strlen(text_of(s)), e);
}

static int check_files(const struct sandbox_file *const *list, size_t count, struct err *e)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        const struct sandbox_file *f = list[i];
        if (check_string("file name", f->name, false, e) < 0)
            return -1;
        if (strlen(f->name) > 4096 || !path_stays_below(f->name))
            return err_set(e, ERR_FORMAT, "file %.80s: not a path inside the workspace", f->name);
        if (f->mode > 07777)
            return err_set(e, ERR_FORMAT, "file %.80s: mode %o", f->name, f->mode);
        if (i > 0 && strcmp(list[i - 1]->name, f->name) == 0)
            return err_set(e, ERR_FORMAT, "file %.80s: given twice", f->name);
        if (f->len > CAPSULE_FILES_MAX - total)
            return err_set(e, ERR_LIMIT, "files: more than %zu MiB together",
                           CAPSULE_FILES_MAX >> 20);
        total += f->len;
    }
    return 0;
}

static int check_env(const struct capsule_env *env, size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        if (check_string("environment name", env[i].name, false, e) < 0)
            return -1;
        if (strchr(env[i].name, '=') != NULL)
            return err_set(e, ERR_FORMAT, "environment name %.80s: has a =", env[i].name);
        if (i > 0 && strcmp(env[i - 1].name, env[i].name) == 0)
            return err_set(e, ERR_FORMAT, "environment name %.80s: given twice", env[i].name);
    }
    return 0;
}

static int check_request(const struct sandbox_run *rq, struct err *e)
{
    if (rq->code_len > CODE_MAX)
        return err_set(e, ERR_LIMIT, "code: %zu bytes, at most %zu: put data in a file",
                       rq->code_len, CODE_MAX);
    if (rq->code == NULL || rq->code_len == 0)
        return err_set(e, ERR_FORMAT, "code: is empty");
    if (rq->check_code_len > CODE_MAX || rq->input_len > CODE_MAX * 8)
        return err_set(e, ERR_LIMIT, "check code or stdin: too long: put data in a file");
    if (rq->argv_count > CAPSULE_ITEMS_MAX || rq->exists_count > CAPSULE_ITEMS_MAX)
        return err_set(e, ERR_LIMIT, "argv or checks: more than %d items", CAPSULE_ITEMS_MAX);
    if (check_text("code", rq->code, rq->code_len, e) < 0 ||
        check_text("check code", rq->check_code, rq->check_code_len, e) < 0 ||
        check_string("language", rq->language, false, e) < 0 ||
        check_string("interpreter", rq->interpreter, false, e) < 0 ||
        check_string("cwd", rq->cwd, false, e) < 0)
        return -1;
    for (size_t i = 0; i < rq->argv_count; i++) {
        if (check_string("argv", rq->argv[i], true, e) < 0)
            return -1;
    }
    for (size_t i = 0; i < rq->exists_count; i++) {
        if (check_string("path of a check", rq->exists[i], false, e) < 0)
            return -1;
    }
    return 0;
}

int capsule_check_spec(const struct capsule_spec *s, const struct capsule_env *env,
                       const struct sandbox_file *const *files, struct err *e)
{
    if (check_string("session", s->session, false, e) < 0 ||
        check_string("sandbox", s->sandbox, false, e) < 0 ||
        check_string("endpoint", s->origin, true, e) < 0 || check_request(s->rq, e) < 0 ||
        check_files(files, s->rq->file_count, e) < 0)
        return -1;
    return check_env(env, s->env_count, e);
}
