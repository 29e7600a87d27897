/* store_verify.c - recomputing the chain and comparing everything in the file with it. */
#include "sessions/store_int.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sessions/sidecar.h"

/* Rows of a table that hangs on events, walked in step with them. */
struct side_walk {
    struct sql_stmt *st;
    uint64_t at; /* seq of the row it stands on; UINT64_MAX at the end */
};

struct verify {
    struct store *s;
    struct verify_report *out;
    struct anchors anchors;
    size_t next_anchor;
    struct bodies bodies;
    struct side_walk artifact, checkpoint, var;
    struct sql *model; /* scratch: derived rows are derived again and compared */
    struct derive derive;
    struct sql_stmt *model_vars, *model_clear;
    bool sandbox_erased;
    struct err *e;
};

/* Steps return 0 to go on, 1 when the report is final, -1 when the check could not be made. */

static int broken(struct verify *v, uint64_t seq, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int broken(struct verify *v, uint64_t seq, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(v->out->reason, sizeof v->out->reason, fmt, ap);
    va_end(ap);
    v->out->result = VERIFY_BROKEN;
    v->out->first_bad = seq;
    return 1;
}

/* A failed read: damage is an answer, anything else is not. */
static int unreadable(struct verify *v, uint64_t seq)
{
    if (v->e->code != ERR_FORMAT && v->e->code != ERR_INTEGRITY)
        return -1;
    struct err why = *v->e;
    return broken(v, seq, "%.150s", why.msg);
}

/* ---- the tables beside ---- */

static int walk_open(struct verify *v, struct side_walk *w, const char *text)
{
    w->at = 0;
    return sql_prepare(v->s->db, &w->st, text, v->e);
}

static int walk_next(struct verify *v, struct side_walk *w)
{
    int got = sql_step(w->st, v->e);
    if (got < 0)
        return -1;
    w->at = got == 1 ? (uint64_t)sql_int(w->st, 0) : UINT64_MAX;
    return 0;
}

static bool has_hash(struct verify *v, const struct json *body, const char *key, const void *p,
                     size_t len)
{
    uint8_t hash[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    sha256_begin(v->s->sha);
    sha256_add(v->s->sha, p, len);
    sha256_end(v->s->sha, hash);
    hex_encode(hash, SHA256_LEN, hex);
    return strcmp(json_get_str(body, key, ""), hex) == 0;
}

static bool has_text(const struct json *body, const char *key, struct sql_stmt *st, int col)
{
    size_t len;
    const char *text = sql_text(st, col, &len);
    const char *want = json_get_str(body, key, NULL);
    return want != NULL && strlen(want) == len && memcmp(want, text, len) == 0;
}

static bool artifact_matches(struct verify *v, const struct event *ev)
{
    struct sql_stmt *st = v->artifact.st;
    size_t len;
    const void *p = sql_blob(st, 4, &len);
    return sql_int(st, 1) == ev->run && has_text(ev->body, "mime", st, 2) &&
           has_text(ev->body, "artifact", st, 3) && has_hash(v, ev->body, "sha256", p, len);
}

static bool checkpoint_matches(struct verify *v, const struct event *ev)
{
    struct sql_stmt *st = v->checkpoint.st;
    size_t len, meta_len;
    const char *meta = sql_text(st, 4, &meta_len);
    const void *p = sql_blob(st, 5, &len);
    return sql_int(st, 1) == ev->run && has_text(ev->body, "kind", st, 2) &&
           has_text(ev->body, "ref", st, 3) &&
           has_hash(v, ev->body, "meta_sha256", meta, meta_len) &&
           has_hash(v, ev->body, "sha256", p, len);
}

/* A blob may be gone (erased, or an old checkpoint that was dropped), but not be another one. */
static int check_blob(struct verify *v, struct side_walk *w, const struct event *ev,
                      bool (*matches)(struct verify *, const struct event *), const char *what)
{
    if (w->at < ev->seq && walk_next(v, w) < 0)
        return unreadable(v, ev->seq);
    if (w->at < ev->seq)
        return broken(v, w->at, "%s row %" PRIu64 " belongs to no event", what, w->at);
    if (w->at == ev->seq && !matches(v, ev))
        return broken(v, ev->seq, "its %s does not match what the event says", what);
    return 0;
}

static int check_vars(struct verify *v, const struct event *ev)
{
    int rc = 0, got = 0;
    if (v->var.at < ev->seq && walk_next(v, &v->var) < 0)
        return unreadable(v, ev->seq);
    if (ev->type == EVENT_STATE_CHANGED && ev->body != NULL) {
        if (derive_rows(&v->derive, ev, v->e) < 0)
            return -1;
        while (rc == 0 && (got = sql_step(v->model_vars, v->e)) == 1) {
            if (v->var.at != ev->seq || !sql_same_row(v->model_vars, v->var.st))
                rc = broken(v, ev->seq, "its variables do not match what the event says");
            else if (walk_next(v, &v->var) < 0)
                rc = unreadable(v, ev->seq);
        }
        sql_reset(v->model_vars);
        if (got < 0 || sql_run(v->model_clear, v->e) < 0)
            return -1;
    }
    if (rc == 0 && v->var.at <= ev->seq)
        return broken(v, ev->seq, "a variable that the event does not name");
    return rc;
}

static int check_sandbox(struct verify *v, const struct event *ev)
{
    if (ev->type == EVENT_STATE_CHANGED || !event_has_rows(ev->type))
        return 0;
    if (ev->body == NULL)
        v->sandbox_erased = true;
    else if (derive_rows(&v->derive, ev, v->e) < 0)
        return -1;
    return 0;
}

static int check_beside(struct verify *v, const struct event *ev)
{
    int rc = check_blob(v, &v->artifact, ev, artifact_matches, "artifact");
    if (rc == 0)
        rc = check_blob(v, &v->checkpoint, ev, checkpoint_matches, "checkpoint");
    if (rc == 0)
        rc = check_vars(v, ev);
    return rc == 0 ? check_sandbox(v, ev) : rc;
}

/* ---- one event ---- */

static int check_anchor(struct verify *v, const struct event_row *row)
{
    for (; v->next_anchor < v->anchors.count; v->next_anchor++) {
        const struct anchor *a = &v->anchors.list[v->next_anchor];
        if (a->seq > row->ev.seq)
            break;
        INVARIANT(a->seq == row->ev.seq); /* sorted, and no event is skipped */
        if (memcmp(a->head, row->chain, SHA256_LEN) != 0)
            return broken(v, a->seq, "whole in itself, but not the event that was anchored here");
    }
    return 0;
}

static int check_body(struct verify *v, struct event_row *row, struct json **body)
{
    if (bodies_attach(&v->bodies, &row->ev, v->e) < 0 ||
        bodies_check_other(&v->bodies, &row->ev, v->e) < 0)
        return unreadable(v, row->ev.seq);
    if (row->ev.json == NULL && row->ev.bytes == NULL) {
        v->out->erased++;
        return 0;
    }
    if (!store_body_matches(v->s, row))
        return broken(v, row->ev.seq, "the body does not match its hash");
    return event_parse(&row->ev, body, v->e) < 0 ? unreadable(v, row->ev.seq) : 0;
}

static int check_event(struct verify *v, struct event_row *row)
{
    uint8_t want[SHA256_LEN];
    struct json *body = NULL;
    chain_next(v->s->sha, v->out->head, &row->ev, row->payload_hash, want);
    if (memcmp(want, row->chain, SHA256_LEN) != 0)
        return broken(v, row->ev.seq, "the chain breaks here");
    int rc = check_body(v, row, &body);
    if (rc == 0)
        rc = check_beside(v, &row->ev);
    if (rc == 0)
        rc = check_anchor(v, row);
    json_free(body);
    memcpy(v->out->head, row->chain, SHA256_LEN);
    v->out->events = row->ev.seq;
    return rc;
}

static int check_events(struct verify *v)
{
    struct event_row row;
    for (;;) {
        int got = sql_step(v->bodies.event, v->e);
        uint64_t expected = v->out->events + 1;
        if (got < 0)
            return unreadable(v, expected);
        if (got == 0)
            return 0;
        if (store_read_row(v->bodies.event, &row) < 0)
            return broken(v, expected, "the record is damaged");
        if (row.ev.seq != expected)
            return broken(v, expected, "missing");
        int rc = check_event(v, &row);
        if (rc != 0)
            return rc;
    }
}

/* ---- the file ---- */

static int check_leftovers(struct verify *v)
{
    const struct side_walk *walks[] = { &v->artifact, &v->checkpoint, &v->var };
    for (size_t i = 0; i < ARRAY_LEN(walks); i++) {
        struct side_walk w = *walks[i];
        if (w.at <= v->out->events && walk_next(v, &w) < 0)
            return unreadable(v, v->out->events);
        if (w.at != UINT64_MAX)
            return broken(v, w.at, "a row that belongs to no event");
    }
    return 0;
}

#define LIST_SANDBOX "SELECT label, id, kind, state, created_us, seq FROM sandbox ORDER BY label"

static int check_sandbox_table(struct verify *v)
{
    struct sql_stmt *ours = NULL, *theirs = NULL;
    int a = 1, b = 1, rc = 0;
    if (v->sandbox_erased)
        return 0;
    if (sql_prepare(v->model, &ours, LIST_SANDBOX, v->e) < 0 ||
        sql_prepare(v->s->db, &theirs, LIST_SANDBOX, v->e) < 0)
        rc = -1;
    while (rc == 0 && a == 1) {
        a = sql_step(ours, v->e);
        b = sql_step(theirs, v->e);
        if (a < 0 || b < 0)
            rc = unreadable(v, 0);
        else if (a != b || (a == 1 && !sql_same_row(ours, theirs)))
            rc = broken(v, b == 1 ? (uint64_t)sql_int(theirs, 5) : 0,
                        "the table of sandboxes does not match the events");
    }
    sql_finalize(ours);
    sql_finalize(theirs);
    return rc;
}

/* Damage that no row showed: indices, pages, foreign keys. */
static int check_pages(struct verify *v)
{
    char *said = NULL;
    int64_t rows = 0;
    if (sql_get_text(v->s->db, "PRAGMA integrity_check(1)", &said, v->e) < 0)
        return unreadable(v, 0);
    int rc = strcmp(said, "ok") == 0 ? 0 : broken(v, 0, "damaged: %.120s", said);
    free(said);
    if (rc != 0)
        return rc;
    if (sql_get_int(v->s->db, "SELECT count(*) FROM pragma_foreign_key_check", &rows, v->e) < 0)
        return unreadable(v, 0);
    if (rows != 0)
        return broken(v, 0, "%" PRId64 " rows belong to no event", rows);
    if (sql_get_int(v->s->db, "SELECT count(*) FROM session", &rows, v->e) < 0)
        return unreadable(v, 0);
    return rows == 1 ? 0 : broken(v, 0, "%" PRId64 " session ids in one file", rows);
}

static int check_truncation(struct verify *v)
{
    if (v->out->anchored <= v->out->events)
        return 0;
    v->out->result = VERIFY_TRUNCATED;
    v->out->first_bad = v->out->events + 1;
    snprintf(v->out->reason, sizeof v->out->reason,
             "ends at event %" PRIu64 ", but event %" PRIu64 " is anchored", v->out->events,
             v->out->anchored);
    return 1;
}

static int check_all(struct verify *v)
{
    int rc = check_events(v);
    if (rc == 0)
        rc = check_leftovers(v);
    if (rc == 0)
        rc = check_sandbox_table(v);
    if (rc == 0)
        rc = check_pages(v);
    return rc == 0 ? check_truncation(v) : rc;
}

/* ---- setting up ---- */

static int compare_anchors(const void *a, const void *b)
{
    const struct anchor *x = a, *y = b;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int load_anchors(struct verify *v)
{
    if (anchors_read(&v->anchors, v->s->head_path, v->e) < 0)
        return -1;
    if (v->anchors.count != 0) {
        qsort(v->anchors.list, v->anchors.count, sizeof *v->anchors.list, compare_anchors);
        v->out->anchored = v->anchors.list[v->anchors.count - 1].seq;
    }
    return 0;
}

#define VAR_COLUMNS "seq, run, pos, name, type, shape, bytes, preview, digest, change"

static int open_model(struct verify *v)
{
    if (sql_open(&v->model, NULL, SQL_MEMORY, 0, v->e) < 0 ||
        sql_exec(v->model, "PRAGMA foreign_keys=OFF", v->e) < 0 ||
        schema_create(v->model, v->s->id, v->e) < 0 ||
        derive_open(&v->derive, v->model, v->e) < 0 ||
        sql_prepare(v->model, &v->model_clear, "DELETE FROM repl_var", v->e) < 0)
        return -1;
    return sql_prepare(v->model, &v->model_vars,
                       "SELECT " VAR_COLUMNS " FROM repl_var ORDER BY seq, pos", v->e);
}

static int open_walks(struct verify *v)
{
    if (walk_open(v, &v->artifact,
                  "SELECT seq, run, mime, name, bytes FROM artifact ORDER BY seq") < 0 ||
        walk_open(v, &v->checkpoint,
                  "SELECT seq, run, kind, ref, meta, bytes FROM checkpoint ORDER BY seq") < 0 ||
        walk_open(v, &v->var, "SELECT " VAR_COLUMNS " FROM repl_var ORDER BY seq, pos") < 0)
        return -1;
    return bodies_start(&v->bodies, v->s, 1, INT64_MAX, v->e);
}

static void release(struct verify *v)
{
    bodies_stop(&v->bodies);
    sql_finalize(v->artifact.st);
    sql_finalize(v->checkpoint.st);
    sql_finalize(v->var.st);
    sql_finalize(v->model_vars);
    sql_finalize(v->model_clear);
    derive_close(&v->derive);
    sql_close(v->model);
    anchors_release(&v->anchors);
}

/* Anchors are read before the snapshot is taken: of a live session it then has at least what they
 * name. */
int store_verify(struct store *s, struct verify_report *out, struct err *e)
{
    struct err why = ERR_INIT;
    struct verify v = { .s = s, .out = out, .e = &why };
    bool began = false;
    memset(out, 0, sizeof *out);
    chain_start(s->sha, s->id, out->head);
    int rc = load_anchors(&v);
    if (rc == 0 && !sql_in_transaction(s->db)) {
        rc = sql_exec(s->db, "BEGIN", &why);
        began = rc == 0;
    }
    if (rc == 0)
        rc = open_model(&v);
    if (rc == 0)
        rc = open_walks(&v);
    if (rc == 0)
        rc = check_all(&v);
    release(&v);
    if (began)
        sql_roll_back(s->db);
    if (rc < 0)
        return err_set(e, why.code, "verify session %s: %s", s->id, why.msg);
    return 0;
}
