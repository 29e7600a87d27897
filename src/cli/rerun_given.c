/* rerun_given.c - what the record says was given to a run beside its code: words, input, files. */
#include <stdlib.h>
#include <string.h>

#include "cli/rerun.h"
#include "tool/given.h"

#define FILES_MAX      1000
#define FILES_BYTE_MAX ((size_t)256 << 20) /* of one run */

void rerun_given_release(struct rerun_given *g)
{
    for (size_t i = 0; i < g->argv_count; i++)
        free(g->argv[i]);
    for (size_t i = 0; i < g->file_count; i++) {
        free(g->files[i].name);
        free(g->files[i].ptr);
    }
    free(g->argv);
    free(g->files);
    buf_release(&g->input);
}

/* The file as it was put: of a name that was put twice the store has the newest only. */
static bool is_as_put(const struct buf *data, const char *sha256)
{
    uint8_t hash[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    sha256_once(data->ptr, data->len, hash);
    hex_encode(hash, sizeof hash, hex);
    return strcmp(hex, sha256) == 0;
}

static int take_file(struct rerun_given *g, uint32_t run, const struct json *body)
{
    const char *path = json_get_str(body, "path", "");
    struct buf data = BUF_INIT(STORE_BLOB_MAX);
    size_t at = 0;
    if (store_read_artifact(g->store, run, path, &data, g->e) < 0) {
        buf_release(&data);
        return err_wrap(g->e, "file %.100s", path);
    }
    (void)buf_str(&data);
    if (!is_as_put(&data, json_get_str(body, "sha256", ""))) {
        buf_release(&data);
        return err_set(g->e, ERR_MISSING, "file %.100s was put again later: its old bytes are gone",
                       path);
    }
    while (at < g->file_count && strcmp(g->files[at].name, path) != 0)
        at++;
    g->file_bytes += data.len;
    if (at == FILES_MAX || g->file_bytes > FILES_BYTE_MAX) {
        buf_release(&data);
        return err_set(g->e, ERR_LIMIT, "more than %d files or %zu bytes of them", FILES_MAX,
                       FILES_BYTE_MAX);
    }
    if (at == g->file_count) {
        g->files = xreallocarray(g->files, ++g->file_count, sizeof *g->files);
        g->files[at] = (struct sandbox_file){ .name = xstrdup(path), .mode = 0644 };
    }
    free(g->files[at].ptr);
    g->files[at].len = data.len;
    g->files[at].ptr = buf_detach(&data);
    return 0;
}

static int take_event(void *arg, const struct event *ev)
{
    struct rerun_given *g = arg;
    int rc = 0;
    if (ev->body == NULL) {
        g->failed |= ev->run == g->run;
        if (ev->run == g->run)
            err_set(g->e, ERR_MISSING, "its record was erased");
        return g->failed;
    }
    if (ev->type == EVENT_RUN_PROPOSED && ev->run == g->run)
        rc = given_read(ev->body, &g->argv, &g->argv_count, &g->input, g->e);
    else if (ev->type == EVENT_FILE_PUT && (ev->run == g->run || ev->run == 0))
        rc = take_file(g, ev->run, ev->body);
    g->failed = rc < 0;
    return g->failed;
}

int rerun_collect(struct rerun_given *g, struct store *store, const struct state_run *sr,
                  uint64_t from, struct err *e)
{
    const uint64_t types = 1ull << EVENT_RUN_PROPOSED | 1ull << EVENT_FILE_PUT;
    *g = (struct rerun_given){ .store = store, .run = sr->number, .e = e };
    buf_init(&g->input, EVENT_BODY_MAX);
    uint64_t to = sr->decided_seq != 0 ? sr->decided_seq : sr->last_seq;
    int rc = store_each_of(store, types, from, to, take_event, g, e);
    return rc < 0 || g->failed ? -1 : 0;
}
