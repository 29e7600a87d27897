/* runparts.c - each part of a run as a text that can be compared line by line. */
#include "cli/runparts.h"

#include <stdlib.h>
#include <string.h>

#include "sessions/mask.h"

const char *run_part_name(enum run_part part)
{
    static const char *const names[] = { "code", "stdout", "stderr", "result",
                                         "vars", "files",  "end",    "merged" };
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

/* ---- both streams as one ---- */

struct merge {
    uint32_t run;
    struct buf *out, open[3]; /* a line of a stream that has not ended yet */
    bool full;
};

static void put_merged(struct merge *m, unsigned stream, const char *p, size_t len)
{
    m->full |= buf_addf(m->out, "%s | ", stream == STREAM_STDERR ? "err" : "out") < 0 ||
               buf_add(m->out, p, len) < 0;
}

static int merge_chunk(void *arg, const struct event *ev)
{
    struct merge *m = arg;
    if (ev->run != m->run || ev->bytes == NULL || ev->stream < STREAM_STDOUT ||
        ev->stream > STREAM_STDERR)
        return 0;
    struct buf *open = &m->open[ev->stream];
    for (size_t at = 0; at < ev->len && !m->full;) {
        const char *lf = memchr(ev->bytes + at, '\n', ev->len - at);
        size_t n = lf != NULL ? (size_t)(lf - ev->bytes) + 1 - at : ev->len - at;
        m->full |= buf_add(open, ev->bytes + at, n) < 0;
        if (lf != NULL) {
            put_merged(m, ev->stream, open->ptr, open->len);
            buf_reset(open);
        }
        at += n;
    }
    return m->full;
}

/* Whole lines, where they ended; between the streams the order is the one in which they were read.
 */
static int put_streams(const struct run_ref *r, struct buf *out, struct err *e)
{
    struct merge m = { .run = r->run->number, .out = out };
    for (unsigned i = STREAM_STDOUT; i <= STREAM_STDERR; i++)
        buf_init(&m.open[i], out->max);
    int rc = store_each_of(r->store, UINT64_C(1) << EVENT_RUN_OUTPUT, r->run->first_seq,
                           r->run->last_seq, merge_chunk, &m, e);
    for (unsigned i = STREAM_STDOUT; i <= STREAM_STDERR; i++) {
        if (m.open[i].len > 0 && !m.full)
            put_merged(&m, i, m.open[i].ptr, m.open[i].len);
        buf_release(&m.open[i]);
    }
    if (rc == 0 && m.full)
        rc = err_set(e, ERR_LIMIT, "both streams together are over %zu MiB", COMPARE_MAX >> 20);
    return rc;
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
    else if (part == PART_MERGED)
        rc = put_streams(r, out, e);
    else
        put_end(r->run, out);
    return rc;
}

int run_compare(struct compare *out, enum run_part part, const struct run_ref *a,
                const struct run_ref *b, const struct compare_how *how, struct err *e)
{
    struct buf x = BUF_INIT(COMPARE_MAX), y = BUF_INIT(COMPARE_MAX);
    *out = (struct compare){ .verdict = COMPARE_IDENTICAL };
    if (part == PART_CODE) {
        struct compare_how plain = *how;
        plain.masks = MASK_NONE;
        return compare_texts(out, a->run->code, a->run->code_len, b->run->code, b->run->code_len,
                             &plain, e);
    }
    if (part == PART_STDOUT || part == PART_STDERR) {
        unsigned stream = part == PART_STDOUT ? STREAM_STDOUT : STREAM_STDERR;
        struct compare_stream sa = { a->store, a->run->number, stream },
                              sb = { b->store, b->run->number, stream };
        struct compare_source ca = compare_stream_source(&sa), cb = compare_stream_source(&sb);
        return compare_sources(out, &ca, &cb, how, e);
    }
    int rc = put_part(part, a, &x, e);
    if (rc == 0)
        rc = put_part(part, b, &y, e);
    if (rc == 0)
        rc = compare_texts(out, buf_str(&x), x.len, buf_str(&y), y.len, how, e);
    buf_release(&x);
    buf_release(&y);
    return rc;
}
