/* capsule.c - sealing the record of what will run, and comparing a request with it. */
#include "tool/capsule_parts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/path.h"

static const char *const field_names[F_END] = {
    "",         "session",  "run",         "nonce",      "sandbox",     "endpoint",
    "contract", "language", "interpreter", "code",       "argv",        "cwd",
    "env",      "stdin",    "files",       "check code", "parent state"
};

/* The sealed pages hold the record and behind it an annex: what the request needs but the record
 * names only by its hash (file contents) or not at all (`exists`, which asks and does nothing). */
struct capsule {
    char *pages;
    size_t pages_len, record_len;
    struct part field[F_END]; /* into the record */
    uint8_t hash[SHA256_LEN], code_key[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1], brief[10];
    struct sandbox_run rq;
    const char **argv, **exists;
    struct sandbox_file *files;
};

/* ---- making one ---- */

static int by_env_name(const void *a, const void *b)
{
    const struct capsule_env *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static void put_annex(struct sheet *s, const struct sandbox_run *rq,
                      const struct sandbox_file *const *files)
{
    for (size_t i = 0; i < rq->exists_count; i++)
        capsule_put(s, rq->exists[i], strlen(rq->exists[i]) + 1);
    for (size_t i = 0; i < rq->file_count; i++) {
        capsule_put(s, files[i]->ptr, files[i]->len);
        capsule_put(s, "", 1);
    }
}

/* Copy the bytes into a memfd nobody can write, grow or unseal any more, and map it read-only. A
 * private mapping, since kernels before 6.7 refuse a shared one of a write-sealed file. */
static int seal_pages(struct capsule *c, const struct buf *b, struct err *e)
{
    int fd = memfd_create("airlock-capsule", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_sys(e, ERR_IO, "capsule: memfd_create");
    int rc = 0;
    if (write_all_fd(fd, b->ptr, b->len) < 0)
        rc = err_sys(e, ERR_IO, "capsule: writing %zu bytes", b->len);
    else if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        rc = err_sys(e, ERR_IO, "capsule: sealing");
    if (rc == 0) {
        void *p = mmap(NULL, b->len, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            rc = err_sys(e, ERR_IO, "capsule: mapping");
        } else {
            c->pages = p;
            c->pages_len = b->len;
        }
    }
    close(fd);
    return rc;
}

/* Find the fields in the sealed record. Each is followed by a zero byte (the high byte of the next
 * tag, of an item's length or of a mode), so strings in it are terminated without a copy. */
static void locate_fields(struct capsule *c)
{
    size_t at = CAPSULE_PREFIX;
    for (int f = F_SESSION; f < F_END; f++) {
        INVARIANT(capsule_read_be(c->pages + at, 2) == (uint64_t)f);
        size_t len = (size_t)capsule_read_be(c->pages + at + 2, 8);
        c->field[f] = (struct part){ c->pages + at + CAPSULE_HEAD, len };
        at += CAPSULE_HEAD + len;
    }
    INVARIANT(at == c->record_len);
}

static void locate_lists(struct capsule *c, const struct sandbox_run *rq,
                         const struct sandbox_file *const *files)
{
    char *at = c->pages + (c->field[F_ARGV].ptr - c->pages) + 4;
    c->argv = xcalloc(rq->argv_count + 1, sizeof *c->argv);
    for (size_t i = 0; i < rq->argv_count; i++) {
        c->argv[i] = at + 8;
        at += 8 + capsule_read_be(at, 8);
    }
    at = c->pages + c->record_len;
    c->exists = xcalloc(rq->exists_count + 1, sizeof *c->exists);
    for (size_t i = 0; i < rq->exists_count; i++) {
        c->exists[i] = at;
        at += strlen(at) + 1;
    }
    char *item = c->pages + (c->field[F_FILES].ptr - c->pages) + 4;
    c->files = xcalloc(rq->file_count + 1, sizeof *c->files);
    for (size_t i = 0; i < rq->file_count; i++) {
        c->files[i] = (struct sandbox_file){ item + 16, files[i]->mode, at, files[i]->len };
        item += 8 + capsule_read_be(item, 8);
        at += files[i]->len + 1;
    }
}

static void build_request(struct capsule *c, const struct sandbox_run *rq)
{
    c->rq = (struct sandbox_run){
        .run = rq->run,
        .language = c->field[F_LANGUAGE].ptr,
        .interpreter = c->field[F_INTERPRETER].ptr,
        .code = c->field[F_CODE].ptr,
        .code_len = c->field[F_CODE].len,
        .argv = c->argv,
        .argv_count = rq->argv_count,
        .cwd = c->field[F_CWD].ptr,
        .input = c->field[F_STDIN].ptr,
        .input_len = c->field[F_STDIN].len,
        .files = c->files,
        .file_count = rq->file_count,
        .check_code = c->field[F_CHECK].ptr,
        .check_code_len = c->field[F_CHECK].len,
        .exists = c->exists,
        .exists_count = rq->exists_count,
    };
}

static void hash_fields(struct capsule *c)
{
    struct sha256 *h = sha256_new();
    sha256_once(c->pages, c->record_len, c->hash);
    hex_encode(c->hash, SHA256_LEN, c->hex);
    memcpy(c->brief, c->hex, 4);
    c->brief[4] = '-';
    memcpy(c->brief + 5, c->hex + 4, 4);
    sha256_begin(h);
    for (int f = F_LANGUAGE; f <= F_CHECK; f++) {
        if (f != F_ENV)
            sha256_add(h, c->field[f].ptr - CAPSULE_HEAD, c->field[f].len + CAPSULE_HEAD);
    }
    sha256_end(h, c->code_key);
    sha256_free(h);
}

/* Fields 1–6, 12 and 16. `numbers` is field 2. */
static void take_spec(struct part part[F_END], const struct capsule_spec *s,
                      const struct sheet *numbers, const struct sheet *env)
{
    part[F_SESSION] = (struct part){ s->session, strlen(s->session) };
    part[F_RUN] = (struct part){ numbers->bytes.ptr, numbers->bytes.len };
    part[F_NONCE] = (struct part){ (const char *)s->nonce, sizeof s->nonce };
    part[F_SANDBOX] = (struct part){ s->sandbox, strlen(s->sandbox) };
    part[F_ORIGIN] = (struct part){ text_of(s->origin), strlen(text_of(s->origin)) };
    part[F_CONTRACT] = (struct part){ (const char *)s->contract_digest, SHA256_LEN };
    part[F_ENV] = (struct part){ env->bytes.ptr, env->bytes.len };
    part[F_PARENT] = (struct part){ (const char *)s->parent_state, SHA256_LEN };
}

static void release(struct sheet *s)
{
    buf_release(&s->bytes);
}

/* Everything after the checks: encode, seal, look at what was sealed. */
static int fill(struct capsule *c, const struct capsule_spec *s, const struct capsule_env *env,
                const struct sandbox_file *const *files, struct err *e)
{
    struct sheet numbers = SHEET_INIT(8), argv = SHEET_INIT(CAPSULE_BYTES_MAX),
                 list = SHEET_INIT(CAPSULE_BYTES_MAX), vars = SHEET_INIT(CAPSULE_BYTES_MAX),
                 all = SHEET_INIT(CAPSULE_BYTES_MAX + CAPSULE_FILES_MAX);
    struct part part[F_END] = { { NULL, 0 } };
    capsule_put_be(&numbers, s->run, 4);
    capsule_put_be(&numbers, s->rev, 4);
    capsule_put_argv(&argv, s->rq);
    capsule_put_files(&list, files, s->rq->file_count);
    capsule_put_env(&vars, env, s->env_count, s->nonce);
    take_spec(part, s, &numbers, &vars);
    capsule_take_request(part, s->rq, &argv, &list);
    capsule_put_record(&all, part);
    c->record_len = all.bytes.len;
    put_annex(&all, s->rq, files);
    bool full = argv.full | list.full | vars.full | all.full;
    int rc = full || c->record_len > CAPSULE_BYTES_MAX
                 ? err_set(e, ERR_LIMIT, "what is to run is too large: put data in a file")
                 : seal_pages(c, &all.bytes, e);
    release(&numbers);
    release(&argv);
    release(&list);
    release(&vars);
    release(&all);
    return rc;
}

int capsule_new(struct capsule **out, const struct capsule_spec *s, struct err *e)
{
    if (s->env_count > CAPSULE_ITEMS_MAX || s->rq->file_count > CAPSULE_ITEMS_MAX)
        return err_set(e, ERR_LIMIT, "environment or files: more than %d items", CAPSULE_ITEMS_MAX);
    struct capsule_env *env = xcalloc(s->env_count, sizeof *env);
    for (size_t i = 0; i < s->env_count; i++)
        env[i] = (struct capsule_env){ text_of(s->env[i].name), s->env[i].value };
    qsort(env, s->env_count, sizeof *env, by_env_name);
    const struct sandbox_file **files = capsule_sort_files(s->rq);
    struct capsule *c = xcalloc(1, sizeof *c);
    int rc = capsule_check_spec(s, env, files, e);
    if (rc == 0)
        rc = fill(c, s, env, files, e);
    if (rc == 0) {
        locate_fields(c);
        locate_lists(c, s->rq, files);
        build_request(c, s->rq);
        c->rq.run = s->run;
        hash_fields(c);
        *out = c;
    } else {
        capsule_free(c);
    }
    free(files);
    free(env);
    return rc;
}

void capsule_free(struct capsule *c)
{
    if (c == NULL)
        return;
    if (c->pages != NULL)
        munmap(c->pages, c->pages_len);
    free(c->argv);
    free(c->exists);
    free(c->files);
    free(c);
}

/* ---- reading one ---- */

const uint8_t *capsule_hash(const struct capsule *c)
{
    return c->hash;
}

const char *capsule_hex(const struct capsule *c)
{
    return c->hex;
}

const char *capsule_short(const struct capsule *c)
{
    return c->brief;
}

const uint8_t *capsule_code_key(const struct capsule *c)
{
    return c->code_key;
}

const uint8_t *capsule_record(const struct capsule *c, size_t *len)
{
    *len = c->record_len;
    return (const uint8_t *)c->pages;
}

const char *capsule_code(const struct capsule *c, size_t *len)
{
    *len = c->field[F_CODE].len;
    return c->field[F_CODE].ptr;
}

const struct sandbox_run *capsule_request(const struct capsule *c)
{
    return &c->rq;
}

/* ---- APR-3 ---- */

static int differs(const struct capsule *c, const char *what, struct err *e)
{
    return err_set(e, ERR_INTEGRITY,
                   "the request about to be sent is not capsule %s: %s differs; nothing was sent",
                   c->brief, what);
}

static int check_exists(const struct capsule *c, const struct sandbox_run *d, struct err *e)
{
    if (c->rq.exists_count == 0)
        return 0;
    if (d->exists_count != c->rq.exists_count)
        return differs(c, "the list of paths to look for", e);
    for (size_t i = 0; i < d->exists_count; i++) {
        if (strcmp(text_of(d->exists[i]), c->exists[i]) != 0)
            return differs(c, "a path to look for", e);
    }
    return 0;
}

/* The record again, from the decoded request and from what only we know. */
static void put_again(struct sheet *out, struct sheet *numbers, struct part part[F_END],
                      const struct capsule *c, const struct sandbox_run *d)
{
    capsule_put_be(numbers, d->run, 4);
    capsule_put(numbers, c->field[F_RUN].ptr + 4, 4);
    part[F_RUN] = (struct part){ numbers->bytes.ptr, numbers->bytes.len };
    capsule_put_record(out, part);
}

static int compare_record(const struct capsule *c, const struct sandbox_run *d,
                          const struct sheet *argv, const struct sheet *files, struct err *e)
{
    struct part part[F_END];
    struct sheet again = SHEET_INIT(CAPSULE_BYTES_MAX), numbers = SHEET_INIT(8);
    uint8_t hash[SHA256_LEN];
    memcpy(part, c->field, sizeof part);
    capsule_take_request(part, d, argv, files);
    put_again(&again, &numbers, part, c, d);
    const char *what = again.full ? "the size" : NULL;
    for (int f = F_SESSION; what == NULL && f < F_END; f++) {
        if (part[f].len != c->field[f].len ||
            memcmp(part[f].ptr, c->field[f].ptr, part[f].len) != 0)
            what = field_names[f];
    }
    sha256_once(again.bytes.ptr, again.bytes.len, hash);
    INVARIANT(what != NULL || memcmp(hash, c->hash, sizeof hash) == 0);
    release(&again);
    release(&numbers);
    return what != NULL ? differs(c, what, e) : 0;
}

int capsule_check_request(const struct capsule *c, const struct sandbox_run *d, struct err *e)
{
    struct sheet argv = SHEET_INIT(CAPSULE_BYTES_MAX), list = SHEET_INIT(CAPSULE_BYTES_MAX);
    if (d->argv_count > CAPSULE_ITEMS_MAX || d->file_count > CAPSULE_ITEMS_MAX)
        return differs(c, "a list", e);
    const struct sandbox_file **files = capsule_sort_files(d);
    capsule_put_argv(&argv, d);
    capsule_put_files(&list, files, d->file_count);
    bool full = argv.full | list.full;
    int rc = check_exists(c, d, e);
    if (rc == 0)
        rc = full ? differs(c, "the size", e) : compare_record(c, d, &argv, &list, e);
    free(files);
    release(&argv);
    release(&list);
    return rc;
}
