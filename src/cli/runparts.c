/* runparts.c - each part of a run as a text that can be compared line by line. */
#include "cli/runparts.h"

#include <stdlib.h>
#include <string.h>

#include "sessions/mask.h"

const char *run_part_name(enum run_part part)
{
    static const char *const names[] = { "code", "stdout", "stderr", "result",
                                         "vars", "files",  "end" };
    return names[part];
}

static void put_line(struct buf *out, const char *s)
{
    if (out->len > 0 && out->ptr[out->len - 1] != '\n')
        (void)buf_add_char(out, '\n');
    (void)buf_add_str(out, s);
}

static int put_artifact(const struct run_ref *r, const struct state_result *res, struct buf *out,
                        struct err *e)
{
    struct buf blob = BUF_INIT(STORE_BLOB_MAX);
    uint8_t hash[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    int rc = store_read_artifact(r->store, r->run->number, res->artifact, &blob, e);
    if (rc == 0) {
        sha256_once(buf_str(&blob), blob.len, hash);
        hex_encode(hash, sizeof hash, hex);
        (void)buf_addf(out, "%zu bytes, SHA-256 %s\n", blob.len, hex);
    }
    buf_release(&blob);
    return rc;
}

static int put_results(const struct run_ref *r, struct buf *out, struct err *e)
{
    for (size_t i = 0; i < r->run->result_count; i++) {
        const struct state_result *res = &r->run->results[i];
        put_line(out, res->mime);
        (void)buf_add_char(out, '\n');
        if (res->text != NULL)
            put_line(out, res->text);
        else if (res->artifact != NULL && put_artifact(r, res, out, e) < 0)
            return -1;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct state_var *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static void put_vars(const struct state_run *sr, struct buf *out)
{
    const struct state_var **list = xcalloc(sr->var_count, sizeof(void *));
    for (size_t i = 0; i < sr->var_count; i++)
        list[i] = &sr->vars[i];
    qsort(list, sr->var_count, sizeof(void *), by_name);
    for (size_t i = 0; i < sr->var_count; i++) {
        const struct state_var *v = list[i];
        if (v->change == CHANGE_GONE)
            continue;
        (void)buf_addf(out, "%s %s%s%s = ", v->name, v->type, v->shape[0] != '\0' ? " " : "",
                       v->shape);
        for (const char *p = v->preview; *p != '\0'; p++)
            (void)buf_add_char(out, *p == '\n' ? ' ' : *p);
        (void)buf_addf(out, "%s%s\n", v->digest[0] != '\0' ? "  " : "", v->digest);
    }
    free(list);
}

static int by_path(const void *a, const void *b)
{
    const struct state_file *const *x = a, *const *y = b;
    return strcmp((*x)->path, (*y)->path);
}

static void put_files(const struct state_run *sr, struct buf *out)
{
    const struct state_file **list = xcalloc(sr->file_count, sizeof(void *));
    for (size_t i = 0; i < sr->file_count; i++)
        list[i] = &sr->files[i];
    if (sr->file_count > 0)
        qsort(list, sr->file_count, sizeof(void *), by_path);
    for (size_t i = 0; i < sr->file_count; i++)
        (void)buf_addf(out, "%s %s %lld\n", list[i]->path, var_change_name(list[i]->change),
                       (long long)list[i]->bytes);
    free(list);
}

static void put_end(const struct state_run *sr, struct buf *out)
{
    if (sr->status != RUN_FINISHED)
        (void)buf_addf(out, "did not run: %s\n", sr->decision[0] != '\0' ? sr->decision : "open");
    else if (sr->has_exit_code)
        (void)buf_addf(out, "%s %d\n", run_end_name(sr->end), sr->exit_code);
    else
        (void)buf_addf(out, "%s\n", run_end_name(sr->end));
    if (sr->error_name[0] != '\0')
        (void)buf_addf(out, "%s: %s\n", sr->error_name, sr->error_value);
}

static int put_part(enum run_part part, const struct run_ref *r, struct buf *out, struct err *e)
{
    int rc = 0;
    if (part == PART_RESULT)
        rc = put_results(r, out, e);
    else if (part == PART_VARS)
        put_vars(r->run, out);
    else if (part == PART_FILES)
        put_files(r->run, out);
    else
        put_end(r->run, out);
    return rc;
}

int run_compare(struct compare *out, enum run_part part, const struct run_ref *a,
                const struct run_ref *b, unsigned masks, struct err *e)
{
    struct buf x = BUF_INIT(COMPARE_MAX), y = BUF_INIT(COMPARE_MAX);
    *out = (struct compare){ .verdict = COMPARE_IDENTICAL };
    if (part == PART_CODE)
        return compare_texts(out, a->run->code, a->run->code_len, b->run->code, b->run->code_len,
                             MASK_NONE, e);
    if (part == PART_STDOUT || part == PART_STDERR) {
        unsigned stream = part == PART_STDOUT ? STREAM_STDOUT : STREAM_STDERR;
        struct compare_stream sa = { a->store, a->run->number, stream },
                              sb = { b->store, b->run->number, stream };
        struct compare_source ca = compare_stream_source(&sa), cb = compare_stream_source(&sb);
        return compare_sources(out, &ca, &cb, masks, e);
    }
    int rc = put_part(part, a, &x, e);
    if (rc == 0)
        rc = put_part(part, b, &y, e);
    if (rc == 0)
        rc = compare_texts(out, buf_str(&x), x.len, buf_str(&y), y.len, masks, e);
    buf_release(&x);
    buf_release(&y);
    return rc;
}
