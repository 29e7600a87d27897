/* export_jsonl.c - the record itself, as a bundle that `airlock import` reads. */
#include "cli/export.h"

#include "sessions/bundle.h"

struct jsonl {
    struct export *x;
    struct buf line, blob;
    struct sha256 *sha;
    uint64_t events;
    struct err *e;
    bool failed;
};

static void put_line(struct jsonl *j)
{
    sha256_add(j->sha, j->line.ptr, j->line.len);
    outfile_add(j->x->out, j->line.ptr, j->line.len);
    buf_reset(&j->line);
}

/* The artifact of a result; NULL when there is none, or when it is kept back: the event then says
 * what it was, and its hash. */
static const char *blob_of(struct jsonl *j, const struct event *ev)
{
    struct err why = ERR_INIT;
    const char *name = json_get_str(ev->body, "artifact", "");
    buf_reset(&j->blob);
    if (ev->type != EVENT_RUN_RESULT || name[0] == '\0')
        return NULL;
    if (store_read_artifact(j->x->store, ev->run, name, &j->blob, &why) < 0 ||
        redact_find(j->x->redact, buf_str(&j->blob), j->blob.len, NULL) != NULL)
        return NULL;
    return buf_str(&j->blob);
}

static int on_event(void *arg, const struct event *ev)
{
    struct jsonl *j = arg;
    const char *blob = blob_of(j, ev);
    if (bundle_print_event(&j->line, ev, store_id(j->x->store), blob, j->blob.len) < 0) {
        err_set(j->e, ERR_LIMIT, "event %llu does not fit into a line",
                (unsigned long long)ev->seq);
        j->failed = true;
        return 1;
    }
    put_line(j);
    j->events++;
    return outfile_failed(j->x->out);
}

int export_jsonl(struct export *x, struct err *e)
{
    struct jsonl j = { .x = x,
                       .line = BUF_INIT(NDJSON_LINE_MAX),
                       .blob = BUF_INIT(STORE_BLOB_MAX),
                       .sha = sha256_new(),
                       .e = e };
    uint8_t sha[SHA256_LEN];
    sha256_begin(j.sha);
    (void)bundle_print_begin(&j.line, store_id(x->store), !x->raw);
    put_line(&j);
    int rc = export_each(x, on_event, &j, e);
    if (j.failed)
        rc = -1;
    sha256_end(j.sha, sha);
    (void)bundle_print_end(&j.line, j.events, sha);
    outfile_add(x->out, j.line.ptr, j.line.len);
    sha256_free(j.sha);
    buf_release(&j.line);
    buf_release(&j.blob);
    return rc;
}
