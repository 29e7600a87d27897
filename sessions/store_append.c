/* store_append.c - adding events and what hangs on them, and taking bodies away again. */
#include "sessions/store_int.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"

#define MEMBERS_MAX ((size_t)64 << 10) /* mime, name, kind … of a blob, as JSON */

/* A row beside the event. */
struct blob {
    enum { BLOB_ARTIFACT, BLOB_CHECKPOINT } kind;
    const char *mime, *name;       /* artifact */
    const char *what, *ref, *meta; /* checkpoint */
    const void *p;
    size_t len;
};

/* ---- before anything is written: is this an event? ---- */

static int check_output(struct store *s, struct event *ev, struct err *e)
{
    if (ev->stream < 1 || ev->stream > 2)
        return err_set(e, ERR_FORMAT, "run.output: %u is no stream", ev->stream);
    if (ev->len == 0 || ev->bytes == NULL)
        return err_set(e, ERR_FORMAT, "run.output: no bytes");
    if (ev->len > STORE_CHUNK_MAX)
        return err_set(e, ERR_LIMIT, "run.output: %zu bytes in one chunk (%zu at most)", ev->len,
                       STORE_CHUNK_MAX);
    uint64_t end = store_output_bytes(s, ev->run, ev->stream);
    if (ev->offset == STORE_OFFSET_NEXT)
        ev->offset = end;
    /* In an import the chunks between may have been erased: the reducer knows. */
    if (ev->offset != end && !(s->bulk && ev->offset > end))
        return err_set(e, ERR_FORMAT,
                       "run.output: offset %" PRIu64 " of run %" PRIu32 ", but %" PRIu64
                       " bytes are recorded",
                       ev->offset, ev->run, end);
    return 0;
}

static int check_event(struct store *s, struct event *ev, struct err *e)
{
    if (ev->type_name == NULL || ev->type != EVENT_UNKNOWN)
        ev->type_name = event_type_name(ev->type);
    size_t len = strlen(ev->type_name);
    if (len == 0 || len > EVENT_NAME_MAX ||
        (ev->type == EVENT_UNKNOWN && event_type_find(ev->type_name) != EVENT_UNKNOWN))
        return err_set(e, ERR_FORMAT, "\"%.80s\" can't be the type of an event", ev->type_name);
    if (ev->type == EVENT_RUN_OUTPUT)
        return check_output(s, ev, e);
    if (ev->json == NULL || ev->json_len > EVENT_BODY_MAX)
        return err_set(e, ERR_LIMIT, "%s: no body, or one of more than %zu bytes", ev->type_name,
                       EVENT_BODY_MAX);
    if (ev->body != NULL)
        return 0;
    json_free(s->body);
    s->body = NULL;
    return event_parse(ev, &s->body, e);
}

/* ---- the body names the blob, so that the chain covers it ---- */

static int add_member(struct json_w *w, const struct event *ev, const char *key, const char *value,
                      struct err *e)
{
    const struct json *v = json_get(ev->body, key);
    if (v == NULL)
        json_w_str(w, key, value);
    else if (strcmp(json_str(v, ""), value) != 0)
        return err_set(e, ERR_FORMAT, "%s: \"%s\" is not that of the blob", ev->type_name, key);
    return 0;
}

static int add_size(struct json_w *w, const struct event *ev, size_t len, struct err *e)
{
    const struct json *v = json_get(ev->body, "bytes");
    if (v == NULL)
        json_w_int(w, "bytes", (int64_t)len);
    else if (json_int(v, -1) != (int64_t)len)
        return err_set(e, ERR_FORMAT, "%s: \"bytes\" is not that of the blob", ev->type_name);
    return 0;
}

static int add_hash(struct store *s, struct json_w *w, const struct event *ev, const char *key,
                    const void *p, size_t len, struct err *e)
{
    uint8_t hash[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    sha256_begin(s->sha);
    sha256_add(s->sha, p, len);
    sha256_end(s->sha, hash);
    hex_encode(hash, SHA256_LEN, hex);
    return add_member(w, ev, key, hex, e);
}

static int write_members(struct store *s, struct json_w *w, const struct event *ev,
                         const struct blob *b, struct err *e)
{
    if (b->kind == BLOB_ARTIFACT) {
        if (add_member(w, ev, "mime", b->mime, e) < 0 ||
            add_member(w, ev, "artifact", b->name, e) < 0)
            return -1;
    } else if (add_member(w, ev, "kind", b->what, e) < 0 ||
               add_member(w, ev, "ref", b->ref, e) < 0 ||
               add_hash(s, w, ev, "meta_sha256", b->meta, strlen(b->meta), e) < 0) {
        return -1;
    }
    if (add_size(w, ev, b->len, e) < 0)
        return -1;
    return add_hash(s, w, ev, "sha256", b->p, b->len, e);
}

/* `{a}` becomes `{a,b}`; the members are written as an object of their own first. */
static int join_bodies(struct store *s, const struct event *ev, const struct buf *more)
{
    struct buf *t = &s->body_text;
    const char *brace = memrchr(ev->json, '}', ev->json_len);
    INVARIANT(brace != NULL); /* it was parsed */
    buf_reset(t);
    if (more->len == 2) /* nothing to add */
        return buf_add(t, ev->json, ev->json_len);
    if (buf_add(t, ev->json, (size_t)(brace - ev->json)) < 0 ||
        (json_len(ev->body) != 0 && buf_add_char(t, ',') < 0))
        return -1;
    return buf_add(t, more->ptr + 1, more->len - 1);
}

static int complete_body(struct store *s, struct event *ev, const struct blob *b, struct err *e)
{
    struct buf more = BUF_INIT(MEMBERS_MAX);
    struct json_w w;
    struct json *body = NULL;
    json_w_init(&w, &more);
    json_w_object(&w, NULL);
    int rc = write_members(s, &w, ev, b, e);
    json_w_close_object(&w);
    if (rc == 0 && json_w_end(&w) < 0)
        rc = err_set(e, ERR_LIMIT, "%s: the names of the blob have more than %zu bytes",
                     ev->type_name, MEMBERS_MAX);
    if (rc == 0 && join_bodies(s, ev, &more) < 0)
        rc = err_set(e, ERR_LIMIT, "%s: the body has more than %zu bytes", ev->type_name,
                     EVENT_BODY_MAX);
    buf_release(&more);
    if (rc < 0)
        return -1;
    ev->json = buf_str(&s->body_text);
    ev->json_len = s->body_text.len;
    if (event_parse(ev, &body, e) < 0)
        return -1;
    json_free(s->body); /* ev->body may have been in it until now */
    s->body = body;
    return 0;
}

/* ---- writing ---- */

static void remember_end(struct store *s, uint32_t run, unsigned stream, uint64_t bytes)
{
    for (unsigned i = 0; i < STREAM_ENDS; i++) {
        if (s->ends[i].stream == stream && s->ends[i].run == run) {
            s->ends[i].bytes = bytes;
            return;
        }
    }
    s->ends[s->next_end++ % STREAM_ENDS] = (struct stream_end){ run, stream, bytes };
}

static int insert_event(struct store *s, const struct event *ev, const uint8_t *salt,
                        const uint8_t *hash, const uint8_t *chain, struct err *e)
{
    struct sql_stmt *st = store_stmt(s, STMT_ADD_EVENT, e);
    if (st == NULL)
        return -1;
    sql_bind_int(st, 1, (int64_t)ev->seq);
    sql_bind_int(st, 2, ev->at_us);
    sql_bind_int(st, 3, ev->boot_us);
    sql_bind_text(st, 4, ev->type_name, strlen(ev->type_name));
    sql_bind_int(st, 5, ev->run);
    sql_bind_blob(st, 6, salt, CHAIN_SALT_LEN);
    sql_bind_blob(st, 7, hash, SHA256_LEN);
    sql_bind_blob(st, 8, chain, SHA256_LEN);
    return sql_run(st, e);
}

static int insert_body(struct store *s, const struct event *ev, struct err *e)
{
    bool output = ev->type == EVENT_RUN_OUTPUT;
    struct sql_stmt *st = store_stmt(s, output ? STMT_ADD_OUTPUT : STMT_ADD_PAYLOAD, e);
    if (st == NULL)
        return -1;
    sql_bind_int(st, 1, (int64_t)ev->seq);
    if (output) {
        sql_bind_int(st, 2, ev->run);
        sql_bind_int(st, 3, ev->stream);
        sql_bind_int(st, 4, (int64_t)ev->offset);
        sql_bind_blob(st, 5, ev->bytes, ev->len);
    } else {
        sql_bind_text(st, 2, ev->json, ev->json_len);
    }
    return sql_run(st, e);
}

static int insert_blob(struct store *s, const struct event *ev, const struct blob *b, struct err *e)
{
    bool artifact = b->kind == BLOB_ARTIFACT;
    struct sql_stmt *st = store_stmt(s, artifact ? STMT_ADD_ARTIFACT : STMT_ADD_CHECKPOINT, e);
    if (st == NULL)
        return -1;
    sql_bind_int(st, 1, (int64_t)ev->seq);
    sql_bind_int(st, 2, ev->run);
    if (artifact) {
        sql_bind_text(st, 3, b->mime, strlen(b->mime));
        sql_bind_text(st, 4, b->name, strlen(b->name));
    } else {
        sql_bind_text(st, 3, b->what, strlen(b->what));
        sql_bind_text(st, 4, b->ref, strlen(b->ref));
        sql_bind_text(st, 5, b->meta, strlen(b->meta));
    }
    sql_bind_blob(st, artifact ? 5 : 6, b->p, b->len);
    return sql_run(st, e);
}

static int insert_derived(struct store *s, const struct event *ev, struct err *e)
{
    if (!event_has_rows(ev->type))
        return 0;
    if (s->derive.add_var == NULL && derive_open(&s->derive, s->db, e) < 0)
        return -1;
    return derive_rows(&s->derive, ev, e);
}

static int insert_rows(struct store *s, const struct event *ev, const struct blob *b, struct err *e)
{
    uint8_t salt[CHAIN_SALT_LEN], hash[SHA256_LEN], chain[SHA256_LEN];
    random_bytes(salt, sizeof salt);
    chain_hash_body(s->sha, salt, ev, hash);
    chain_next(s->sha, s->head, ev, hash, chain);
    if (insert_event(s, ev, salt, hash, chain, e) < 0 || insert_body(s, ev, e) < 0 ||
        (b != NULL && insert_blob(s, ev, b, e) < 0) || insert_derived(s, ev, e) < 0)
        return -1;
    memcpy(s->head, chain, sizeof chain);
    s->last_seq = ev->seq;
    return 0;
}

static int write_event(struct store *s, struct event *ev, const struct blob *b, struct err *e)
{
    struct err why = ERR_INIT;
    ev->seq = s->last_seq + 1;
    if (ev->at_us == 0)
        ev->at_us = clock_wall_us();
    if (ev->boot_us == 0)
        ev->boot_us = clock_boot_us();
    if (store_begin(s, &why) < 0 || insert_rows(s, ev, b, &why) < 0) {
        ev->seq = 0;
        store_fail(s, &why);
        return err_set(e, why.code, "%s", why.msg);
    }
    if (ev->type == EVENT_RUN_OUTPUT)
        remember_end(s, ev->run, ev->stream, ev->offset + ev->len);
    s->group_events++;
    s->group_bytes += ev->type == EVENT_RUN_OUTPUT ? ev->len : ev->json_len;
    s->group_bytes += b != NULL ? b->len : 0;
    return 0;
}

#define BULK_EVENTS 4096

static bool group_is_due(const struct store *s)
{
    if (s->bulk)
        return s->group_events >= BULK_EVENTS || s->group_bytes >= STORE_GROUP_BYTES;
    return s->group_events >= STORE_GROUP_EVENTS || s->group_bytes >= STORE_GROUP_BYTES ||
           clock_boot_us() >= s->group_due_us;
}

static int append(struct store *s, struct event *ev, const struct blob *b, struct err *e)
{
    INVARIANT(s->writable);
    if (s->failed)
        return err_set(e, s->failure.code, "%s", s->failure.msg);
    if (check_event(s, ev, e) < 0 || (b != NULL && complete_body(s, ev, b, e) < 0) ||
        write_event(s, ev, b, e) < 0)
        return -1;
    bool durable = event_is_durable(ev->type) && !ev->more && !s->bulk;
    return durable || group_is_due(s) ? store_commit(s, durable, e) : 0;
}

int store_append(struct store *s, struct event *ev, struct err *e)
{
    return append(s, ev, NULL, e);
}

void store_set_bulk(struct store *s)
{
    s->bulk = true;
}

/* Its hash is that of no body: `verify` finds none and says "erased". */
static int insert_erased(struct store *s, struct event *ev, struct err *e)
{
    uint8_t salt[CHAIN_SALT_LEN], hash[SHA256_LEN], chain[SHA256_LEN];
    random_bytes(salt, sizeof salt);
    random_bytes(hash, sizeof hash);
    ev->seq = s->last_seq + 1;
    chain_next(s->sha, s->head, ev, hash, chain);
    if (insert_event(s, ev, salt, hash, chain, e) < 0)
        return -1;
    memcpy(s->head, chain, sizeof chain);
    s->last_seq = ev->seq;
    s->group_events++;
    return 0;
}

int store_append_erased(struct store *s, struct event *ev, struct err *e)
{
    struct err why = ERR_INIT;
    INVARIANT(s->writable && ev->type_name != NULL && strlen(ev->type_name) <= EVENT_NAME_MAX);
    if (s->failed)
        return err_set(e, s->failure.code, "%s", s->failure.msg);
    if (ev->at_us == 0)
        ev->at_us = clock_wall_us();
    if (ev->boot_us == 0)
        ev->boot_us = clock_boot_us();
    if (store_begin(s, &why) < 0 || insert_erased(s, ev, &why) < 0) {
        store_fail(s, &why);
        return err_set(e, why.code, "%s", why.msg);
    }
    return group_is_due(s) ? store_commit(s, false, e) : 0;
}

static int check_blob(const struct event *ev, size_t len, struct err *e)
{
    INVARIANT(ev->type != EVENT_RUN_OUTPUT);
    if (len > STORE_BLOB_MAX)
        return err_set(e, ERR_LIMIT, "a blob of %zu bytes (%zu at most)", len, STORE_BLOB_MAX);
    return 0;
}

int store_append_artifact(struct store *s, struct event *ev, const char *mime, const char *name,
                          const void *p, size_t len, struct err *e)
{
    struct blob b = { .kind = BLOB_ARTIFACT, .mime = mime, .name = name, .p = p, .len = len };
    return check_blob(ev, len, e) < 0 ? -1 : append(s, ev, &b, e);
}

int store_append_checkpoint(struct store *s, struct event *ev, const char *kind, const char *ref,
                            const void *p, size_t len, const char *meta_json, struct err *e)
{
    struct blob b = { .kind = BLOB_CHECKPOINT,
                      .what = kind,
                      .ref = ref != NULL ? ref : "",
                      .meta = meta_json != NULL ? meta_json : "",
                      .p = p,
                      .len = len };
    return check_blob(ev, len, e) < 0 ? -1 : append(s, ev, &b, e);
}

/* ---- the last word ---- */

/* A new connection and so a new descriptor: the old one's errors are not to be trusted. Its WAL
 * stays; copying it back would need the space that is wanted here. */
int store_append_last(struct store *s, struct event *ev, struct err *e)
{
    INVARIANT(s->writable && s->failed);
    if (s->said_last)
        return err_set(e, s->failure.code, "%s", s->failure.msg);
    s->said_last = true;
    store_give_reserve(s);
    if (store_reopen(s, e) < 0 || check_event(s, ev, e) < 0)
        return -1;
    s->failed = false;
    int rc = write_event(s, ev, NULL, e);
    if (rc == 0)
        rc = store_commit(s, true, e);
    s->failed = true;
    return rc;
}

/* ---- taking away ---- */

static int run_with(struct store *s, const char *text, uint64_t seq, int64_t *changes,
                    struct err *e)
{
    struct sql_stmt *st = NULL;
    if (sql_prepare(s->db, &st, text, e) < 0)
        return -1;
    sql_bind_int(st, 1, (int64_t)seq);
    int rc = sql_run(st, e);
    *changes += rc == 0 ? sql_changes(s->db) : 0;
    sql_finalize(st);
    return rc;
}

static int erase_rows(struct store *s, uint64_t seq, int64_t *changes, struct err *e)
{
    static const char *const deletes[] = {
        "DELETE FROM payload WHERE seq = ?1",    "DELETE FROM output WHERE seq = ?1",
        "DELETE FROM artifact WHERE seq = ?1",   "DELETE FROM repl_var WHERE seq = ?1",
        "DELETE FROM checkpoint WHERE seq = ?1",
    };
    for (size_t i = 0; i < ARRAY_LEN(deletes); i++) {
        if (run_with(s, deletes[i], seq, changes, e) < 0)
            return -1;
    }
    return 0;
}

/* Overwrite in the file, then empty the WAL, which holds the old pages until then. */
int store_erase(struct store *s, uint64_t seq, struct err *e)
{
    struct err why = ERR_INIT;
    int64_t changes = 0;
    INVARIANT(s->writable);
    if (store_flush(s, e) < 0)
        return -1;
    if (sql_exec(s->db, "PRAGMA secure_delete=ON", &why) < 0 || store_begin(s, &why) < 0 ||
        erase_rows(s, seq, &changes, &why) < 0) {
        store_fail(s, &why);
        return err_set(e, why.code, "%s", why.msg);
    }
    memset(s->ends, 0, sizeof s->ends);
    if (store_commit(s, false, e) < 0)
        return -1;
    if (sql_exec(s->db, "PRAGMA secure_delete=OFF; PRAGMA wal_checkpoint(TRUNCATE)", e) < 0)
        return -1;
    return changes > 0 ? 0 : err_set(e, ERR_MISSING, "event %" PRIu64 " has no body", seq);
}

static int drop(struct sql_stmt *st, const char *ref, unsigned rows, struct err *e)
{
    if (ref != NULL) {
        sql_bind_text(st, 1, ref, strlen(ref));
        sql_bind_int(st, 2, rows);
    }
    int rc = sql_run(st, e);
    sql_finalize(st);
    return rc;
}

/* Deleting reads every page of a blob, so a long one goes a few rows at a time. */
static int drop_where(struct store *s, const char *text, const char *ref, unsigned rows,
                      struct err *e)
{
    struct sql_stmt *st = NULL;
    struct err why = ERR_INIT;
    INVARIANT(s->writable);
    if (s->failed)
        return err_set(e, s->failure.code, "%s", s->failure.msg);
    if (store_begin(s, &why) < 0 || sql_prepare(s->db, &st, text, &why) < 0 ||
        drop(st, ref, rows, &why) < 0) {
        store_fail(s, &why);
        return err_set(e, why.code, "%s", why.msg);
    }
    return 0;
}

int store_drop_checkpoint(struct store *s, const char *ref, unsigned rows, bool *more,
                          struct err *e)
{
    if (drop_where(s,
                   "DELETE FROM checkpoint WHERE seq IN (SELECT seq FROM checkpoint"
                   " WHERE ref = ?1 ORDER BY seq DESC LIMIT ?2)",
                   ref, rows, e) < 0)
        return -1;
    *more = sql_changes(s->db) == (int64_t)rows;
    return 0;
}

int store_drop_loose_parts(struct store *s, struct err *e)
{
    return drop_where(s,
                      "DELETE FROM checkpoint WHERE kind LIKE '%.part' AND ref NOT IN"
                      " (SELECT ref FROM checkpoint WHERE kind NOT LIKE '%.part')",
                      NULL, 0, e);
}
