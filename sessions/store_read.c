/* store_read.c - folding over a session, and reading outputs, blobs and derived rows. */
#include "sessions/store_int.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

/* A reader folds in pieces, so that it never keeps the writer from recycling its WAL for long. */
#define FOLD_PIECE 1024

/* ---- bodies beside events: three walks in step instead of a join ---- */

static int damaged(uint64_t seq, const char *what, struct err *e)
{
    return err_set(e, ERR_INTEGRITY, "event %" PRIu64 ": %s", seq, what);
}

int bodies_start(struct bodies *b, struct store *s, uint64_t from, uint64_t to, struct err *e)
{
    struct sql_stmt *const walks[] = { store_stmt(s, STMT_EACH_EVENT, e),
                                       store_stmt(s, STMT_EACH_PAYLOAD, e),
                                       store_stmt(s, STMT_EACH_OUTPUT, e) };
    for (size_t i = 0; i < ARRAY_LEN(walks); i++) {
        if (walks[i] == NULL)
            return -1;
        sql_bind_int(walks[i], 1, (int64_t)from);
        sql_bind_int(walks[i], 2, (int64_t)to);
    }
    *b = (struct bodies){ .event = walks[0], .payload = walks[1], .output = walks[2] };
    return 0;
}

void bodies_stop(struct bodies *b)
{
    sql_reset(b->event);
    sql_reset(b->payload);
    sql_reset(b->output);
}

/* Move a walk to the first row at or behind `seq`. */
static int step_to(struct sql_stmt *st, uint64_t seq, uint64_t *at, struct err *e)
{
    while (*at < seq) {
        int got = sql_step(st, e);
        if (got < 0)
            return -1;
        *at = got == 1 ? (uint64_t)sql_int(st, 0) : UINT64_MAX;
    }
    return 0;
}

static int attach_output(struct bodies *b, struct event *ev, struct err *e)
{
    if (step_to(b->output, ev->seq, &b->output_seq, e) < 0)
        return -1;
    if (b->output_seq != ev->seq)
        return 0;
    int64_t run = sql_int(b->output, 1), stream = sql_int(b->output, 2);
    if (run != ev->run || stream < 1 || stream > 2) /* the hash covers one byte of the stream */
        return damaged(ev->seq, "its output belongs elsewhere", e);
    ev->stream = (unsigned)stream;
    ev->offset = (uint64_t)sql_int(b->output, 3);
    ev->bytes = sql_blob(b->output, 4, &ev->len);
    return 0;
}

int bodies_attach(struct bodies *b, struct event *ev, struct err *e)
{
    if (ev->type == EVENT_RUN_OUTPUT)
        return attach_output(b, ev, e);
    if (step_to(b->payload, ev->seq, &b->payload_seq, e) < 0)
        return -1;
    if (b->payload_seq == ev->seq)
        ev->json = sql_text(b->payload, 1, &ev->json_len);
    return 0;
}

int bodies_check_other(struct bodies *b, const struct event *ev, struct err *e)
{
    bool output = ev->type == EVENT_RUN_OUTPUT;
    uint64_t *at = output ? &b->payload_seq : &b->output_seq;
    if (step_to(output ? b->payload : b->output, ev->seq, at, e) < 0)
        return -1;
    return *at == ev->seq ? damaged(ev->seq, "a body in the wrong table", e) : 0;
}

bool store_body_matches(struct store *s, const struct event_row *row)
{
    uint8_t hash[SHA256_LEN];
    chain_hash_body(s->sha, row->salt, &row->ev, hash);
    return memcmp(hash, row->payload_hash, SHA256_LEN) == 0;
}

/* A page that is torn is damage like any other. */
static int is_damage(struct err *e)
{
    if (e->code == ERR_FORMAT)
        e->code = ERR_INTEGRITY;
    return -1;
}

/* ---- fold ---- */

struct fold {
    struct store *s;
    struct bodies bodies;
    store_event_fn fn;
    void *arg;
    uint64_t types; /* bit per event_type that is wanted */
    uint64_t next;  /* seq that must come now */
    bool stopped;
};

/* 1: the callback wants no more */
static int give(struct fold *f, struct event_row *row, struct err *e)
{
    struct json *body = NULL;
    struct err why = ERR_INIT;
    if (bodies_attach(&f->bodies, &row->ev, e) < 0)
        return -1;
    bool erased = row->ev.json == NULL && row->ev.bytes == NULL;
    if (!erased && !store_body_matches(f->s, row))
        return damaged(row->ev.seq, "the body does not match its hash", e);
    if (!erased && event_parse(&row->ev, &body, &why) < 0)
        return damaged(row->ev.seq, why.msg, e);
    int stop = f->fn(f->arg, &row->ev);
    json_free(body);
    return stop != 0;
}

static int fold_rows(struct fold *f, struct err *e)
{
    struct sql_stmt *events = f->bodies.event;
    struct event_row row;
    for (;;) {
        int got = sql_step(events, e);
        if (got <= 0)
            return got;
        if (store_read_row(events, &row) < 0)
            return damaged((uint64_t)sql_int(events, 0), "the record is damaged", e);
        if (row.ev.seq != f->next)
            return damaged(f->next, "missing", e);
        f->next++;
        if ((f->types >> row.ev.type & 1) == 0)
            continue;
        got = give(f, &row, e);
        f->stopped = got == 1;
        if (got != 0)
            return got < 0 ? -1 : 0;
    }
}

static int fold_piece(struct fold *f, uint64_t to, struct err *e)
{
    if (bodies_start(&f->bodies, f->s, f->next, to, e) < 0)
        return -1;
    int rc = fold_rows(f, e);
    bodies_stop(&f->bodies);
    if (rc == 0 && !f->stopped && f->next <= to)
        return damaged(f->next, "missing", e);
    return rc;
}

_Static_assert(EVENT_TYPE_COUNT <= 64, "a bit for each type");

int store_each_of(struct store *s, uint64_t types, uint64_t from, uint64_t to, store_event_fn fn,
                  void *arg, struct err *e)
{
    struct fold f = { .s = s, .fn = fn, .arg = arg, .types = types, .next = from != 0 ? from : 1 };
    uint64_t last = store_last_seq(s);
    if (to == 0 || to > last)
        to = last;
    while (f.next <= to && !f.stopped) {
        uint64_t end = to - f.next < FOLD_PIECE ? to : f.next + FOLD_PIECE - 1;
        if (fold_piece(&f, end, e) < 0) {
            is_damage(e);
            return err_wrap(e, "session %s", s->id);
        }
    }
    return 0;
}

int store_each(struct store *s, uint64_t from, uint64_t to, store_event_fn fn, void *arg,
               struct err *e)
{
    return store_each_of(s, UINT64_MAX, from, to, fn, arg, e);
}

int store_chain_at(struct store *s, uint64_t seq, uint8_t out[SHA256_LEN], struct err *e)
{
    struct event_row row;
    if (seq == 0) {
        chain_start(s->sha, s->id, out);
        return 0;
    }
    struct sql_stmt *st = store_stmt(s, STMT_EACH_EVENT, e);
    if (st == NULL)
        return -1;
    sql_bind_int(st, 1, (int64_t)seq);
    sql_bind_int(st, 2, (int64_t)seq);
    int got = sql_step(st, e);
    if (got == 1 && store_read_row(st, &row) < 0)
        got = damaged(seq, "the record is damaged", e);
    sql_reset(st);
    if (got == 0)
        return err_set(e, ERR_MISSING, "no event %" PRIu64, seq);
    if (got == 1)
        memcpy(out, row.chain, SHA256_LEN);
    return got == 1 ? 0 : -1;
}

/* ---- output ---- */

/* Copy what of this row lies at `offset`; 0 when it lies elsewhere. */
static size_t copy_chunk(struct sql_stmt *st, uint64_t offset, char *dst, size_t len)
{
    size_t n;
    uint64_t start = (uint64_t)sql_int(st, 0);
    const char *bytes = sql_blob(st, 1, &n);
    if (offset < start || offset - start >= n)
        return 0;
    size_t skip = (size_t)(offset - start);
    size_t take = n - skip < len ? n - skip : len;
    memcpy(dst, bytes + skip, take);
    return take;
}

ssize_t store_read_output(struct store *s, uint32_t run, unsigned stream, uint64_t offset,
                          char *dst, size_t len, struct err *e)
{
    size_t done = 0;
    int got = 0;
    if (offset > INT64_MAX || len > SSIZE_MAX)
        return 0;
    struct sql_stmt *st = store_stmt(s, STMT_READ_OUTPUT, e);
    if (st == NULL)
        return -1;
    sql_bind_int(st, 1, run);
    sql_bind_int(st, 2, stream);
    sql_bind_int(st, 3, (int64_t)offset);
    while (done < len && (got = sql_step(st, e)) == 1) {
        size_t n = copy_chunk(st, offset + done, dst + done, len - done);
        if (n == 0)
            break;
        done += n;
    }
    sql_reset(st);
    return got < 0 ? -1 : (ssize_t)done;
}

bool store_find_output(struct store *s, uint32_t run, unsigned stream, uint64_t offset,
                       uint64_t *found)
{
    struct sql_stmt *st = NULL;
    struct err ignored = ERR_INIT;
    if (offset > INT64_MAX ||
        sql_prepare(s->db, &st,
                    "SELECT max(offset, ?3) FROM output WHERE run = ?1 AND stream = ?2 AND"
                    " offset + length(bytes) > ?3 ORDER BY offset LIMIT 1",
                    &ignored) < 0)
        return false;
    sql_bind_int(st, 1, run);
    sql_bind_int(st, 2, stream);
    sql_bind_int(st, 3, (int64_t)offset);
    bool is_there = sql_step(st, &ignored) == 1;
    if (is_there)
        *found = (uint64_t)sql_int(st, 0);
    sql_finalize(st);
    return is_there;
}

static uint64_t find_output_end(struct store *s, uint32_t run, unsigned stream)
{
    struct err ignored = ERR_INIT;
    struct sql_stmt *st = store_stmt(s, STMT_OUTPUT_END, &ignored);
    uint64_t end = 0;
    if (st == NULL)
        return 0;
    sql_bind_int(st, 1, run);
    sql_bind_int(st, 2, stream);
    if (sql_step(st, &ignored) == 1)
        end = (uint64_t)sql_int(st, 0);
    sql_reset(st);
    return end;
}

uint64_t store_output_bytes(struct store *s, uint32_t run, unsigned stream)
{
    for (unsigned i = 0; i < STREAM_ENDS; i++) {
        if (s->ends[i].stream == stream && s->ends[i].run == run && stream != 0)
            return s->ends[i].bytes;
    }
    return find_output_end(s, run, stream);
}

/* ---- blobs ---- */

static int add_blob(struct sql_stmt *st, int col, struct buf *out, struct err *e)
{
    size_t len;
    const void *p = sql_blob(st, col, &len);
    if (buf_add(out, p, len) < 0)
        return err_set(e, ERR_LIMIT, "%zu bytes are more than the %zu that were asked for", len,
                       out->max);
    return 0;
}

int store_read_artifact(struct store *s, uint32_t run, const char *name, struct buf *out,
                        struct err *e)
{
    struct sql_stmt *st = NULL;
    if (sql_prepare(s->db, &st,
                    "SELECT bytes FROM artifact WHERE run = ?1 AND name = ?2"
                    " ORDER BY seq DESC LIMIT 1",
                    e) < 0)
        return -1;
    sql_bind_int(st, 1, run);
    sql_bind_text(st, 2, name, strlen(name));
    int got = sql_step(st, e);
    int rc = got == 1 ? add_blob(st, 0, out, e) : -1;
    if (got == 0)
        err_set(e, ERR_MISSING, "run %" PRIu32 " has no artifact \"%.80s\"", run, name);
    sql_finalize(st);
    return rc;
}

int store_read_checkpoint(struct store *s, const char *ref, struct buf *out, struct err *e)
{
    struct sql_stmt *st = NULL;
    bool ended = false;
    int got, rc = 0;
    if (sql_prepare(s->db, &st,
                    "SELECT kind NOT LIKE '%.part', bytes FROM checkpoint WHERE ref = ?1"
                    " ORDER BY seq",
                    e) < 0)
        return -1;
    sql_bind_text(st, 1, ref, strlen(ref));
    while ((got = sql_step(st, e)) == 1 && !ended && rc == 0) {
        ended = sql_int(st, 0) != 0;
        rc = add_blob(st, 1, out, e);
    }
    sql_finalize(st);
    if (got < 0 || rc < 0)
        return -1;
    return ended ? 0 : err_set(e, ERR_MISSING, "no checkpoint %.40s is in the file", ref);
}

/* ---- rows ---- */

int store_each_artifact(struct store *s, uint32_t run, store_artifact_fn fn, void *arg,
                        struct err *e)
{
    struct sql_stmt *st = NULL;
    int got;
    if (sql_prepare(s->db, &st,
                    "SELECT seq, run, mime, name, length(bytes) FROM artifact"
                    " WHERE ?1 = 0 OR run = ?1 ORDER BY seq",
                    e) < 0)
        return -1;
    sql_bind_int(st, 1, run);
    while ((got = sql_step(st, e)) == 1) {
        struct store_artifact a = { .seq = (uint64_t)sql_int(st, 0),
                                    .run = (uint32_t)sql_int(st, 1),
                                    .mime = sql_text(st, 2, NULL),
                                    .name = sql_text(st, 3, NULL),
                                    .bytes = (uint64_t)sql_int(st, 4) };
        if (fn(arg, &a) != 0)
            break;
    }
    sql_finalize(st);
    return got < 0 ? -1 : 0;
}

int store_each_var(struct store *s, uint32_t run, store_var_fn fn, void *arg, struct err *e)
{
    struct sql_stmt *st = NULL;
    int got;
    if (sql_prepare(s->db, &st,
                    "SELECT name, type, shape, preview, digest, change, coalesce(bytes, -1)"
                    " FROM repl_var WHERE run = ?1 AND"
                    " seq = (SELECT max(seq) FROM repl_var WHERE run = ?1) ORDER BY pos",
                    e) < 0)
        return -1;
    sql_bind_int(st, 1, run);
    while ((got = sql_step(st, e)) == 1) {
        struct store_var v = { .name = sql_text(st, 0, NULL),
                               .type = sql_text(st, 1, NULL),
                               .shape = sql_text(st, 2, NULL),
                               .preview = sql_text(st, 3, NULL),
                               .digest = sql_text(st, 4, NULL),
                               .change = sql_text(st, 5, NULL),
                               .bytes = sql_int(st, 6) };
        if (fn(arg, &v) != 0)
            break;
    }
    sql_finalize(st);
    return got < 0 ? -1 : 0;
}

int store_each_sandbox(struct store *s, store_sandbox_fn fn, void *arg, struct err *e)
{
    struct sql_stmt *st = NULL;
    int got;
    if (sql_prepare(s->db, &st,
                    "SELECT label, id, kind, state, created_us, seq FROM sandbox ORDER BY seq",
                    e) < 0)
        return -1;
    while ((got = sql_step(st, e)) == 1) {
        struct store_sandbox row = { .label = sql_text(st, 0, NULL),
                                     .id = sql_text(st, 1, NULL),
                                     .kind = sql_text(st, 2, NULL),
                                     .state = sql_text(st, 3, NULL),
                                     .created_us = sql_int(st, 4),
                                     .seq = (uint64_t)sql_int(st, 5) };
        if (fn(arg, &row) != 0)
            break;
    }
    sql_finalize(st);
    return got < 0 ? -1 : 0;
}

/* ---- output as it lies there ---- */

int store_walk_output(struct store *s, bool *walking, struct store_chunk *out, struct err *e)
{
    struct sql_stmt *st = store_stmt(s, STMT_WALK_OUTPUT, e);
    if (st == NULL)
        return -1;
    if (!*walking) {
        sql_reset(st);
        sql_bind_int(st, 1, 0);
        *walking = true;
    }
    int got = sql_step(st, e);
    if (got != 1) {
        sql_reset(st);
        *walking = false;
        return got < 0 ? is_damage(e) : 0;
    }
    out->run = (uint32_t)sql_int(st, 0);
    out->stream = (unsigned)sql_int(st, 1);
    out->offset = (uint64_t)sql_int(st, 2);
    out->bytes = sql_blob(st, 3, &out->len);
    return 1;
}

bool store_has_output(struct store *s)
{
    struct err ignored = ERR_INIT;
    struct sql_stmt *st = store_stmt(s, STMT_HAS_OUTPUT, &ignored);
    bool has = st == NULL || sql_step(st, &ignored) != 1 || sql_int(st, 0) != 0;
    sql_reset(st);
    return has;
}
