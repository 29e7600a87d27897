/* branch.c - a session of its own that begins with the variables another one had after a run. */
#include "cli/branch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tool/travel.h"

#define PART_BYTES ((size_t)1 << 20)

/* After what the parent is called, or was asked to do. */
static void set_name(struct branch *b, const struct state *st, uint32_t run)
{
    const char *words = st->name[0] != '\0' ? st->name : st->task[0] != '\0' ? st->task : "fork";
    size_t n = strcspn(words, "\n"), max = 60;
    if (n > max)
        n = utf8_valid_prefix(words, max);
    snprintf(b->name, sizeof b->name, "%.*s:%u", (int)n, words, run);
}

int branch_describe(struct branch *b, struct store *store, const struct state *st, uint32_t run,
                    struct err *e)
{
    struct travel t;
    uint8_t chain[SHA256_LEN];
    *b = (struct branch){ .store = store, .state = st };
    if (st->foreign)
        return err_set(e, ERR_DENIED,
                       "session %s was imported: it can be looked at, not gone on "
                       "with",
                       st->session);
    travel_plan_fork(&t, st, run);
    if (t.how != TRAVEL_SAVED && t.how != TRAVEL_SNAPSHOT)
        return err_set(e, ERR_MISSING, "run %u: %s", run, t.why);
    b->snapshot = t.how == TRAVEL_SNAPSHOT;
    b->run = state_run_at(st, run);
    b->from = t.from == 0 ? st->origin : state_run_at(st, t.from);
    b->seq = b->run->last_seq;
    if (store_chain_at(store, b->seq, chain, e) < 0)
        return -1;
    hex_encode(chain, sizeof chain, b->chain);
    snprintf(b->parent, sizeof b->parent, "%s:%u", st->session, run);
    set_name(b, st, run);
    return 0;
}

/* What the namespace holds: not what was lost when it was saved. */
static void write_vars(struct json_w *w, const struct state_run *from)
{
    json_w_array(w, "vars");
    for (size_t i = 0; i < from->var_count; i++) {
        const struct state_var *v = &from->vars[i];
        if (v->change == CHANGE_GONE)
            continue;
        json_w_object(w, NULL);
        json_w_strn(w, "name", v->name, strlen(v->name));
        json_w_strn(w, "type", v->type, strlen(v->type));
        if (v->shape[0] != '\0')
            json_w_strn(w, "shape", v->shape, strlen(v->shape));
        if (v->bytes >= 0)
            json_w_int(w, "bytes", v->bytes);
        json_w_strn(w, "preview", v->preview, strlen(v->preview));
        json_w_str(w, "digest", v->digest);
        json_w_str(w, "change", var_change_name(CHANGE_SAME));
        json_w_close_object(w);
    }
    json_w_close_array(w);
}

/* … and what the run had beyond it, where the namespace is that of an earlier one. */
static void write_lost(struct json_w *w, const struct branch *b)
{
    json_w_array(w, "lost");
    for (size_t i = 0; i < b->from->saved.lost_count; i++)
        json_w_strn(w, NULL, b->from->saved.lost[i], strlen(b->from->saved.lost[i]));
    for (size_t i = 0; b->from != b->run && i < b->run->var_count; i++) {
        const struct state_var *v = &b->run->vars[i];
        if (v->change == CHANGE_GONE || v->since_run <= b->from->number)
            continue;
        char *words = xasprintf("%s (its value after run %u)", v->name, v->since_run);
        json_w_strn(w, NULL, words, strlen(words));
        free(words);
    }
    json_w_close_array(w);
}

static int append_part(struct store *to, const char *ref, int part, const char *p, struct err *e)
{
    struct event_builder b;
    event_begin(&b, EVENT_CHECKPOINT_PART, 0);
    json_w_str(&b.w, "kind", "saved.part");
    json_w_int(&b.w, "part", part);
    int rc = event_end(&b, e);
    if (rc == 0)
        rc = store_append_checkpoint(to, &b.ev, "saved.part", ref, p, PART_BYTES, "{}", e);
    event_release(&b);
    return rc;
}

static int append_made(const struct branch *br, struct store *to, struct state *st, const char *p,
                       size_t len, size_t total, struct err *e)
{
    struct event_builder b;
    event_begin(&b, EVENT_CHECKPOINT_MADE, 0);
    json_w_str(&b.w, "kind", "saved");
    json_w_str(&b.w, "digest", br->from->saved.digest);
    json_w_int(&b.w, "size", (int64_t)total);
    json_w_str(&b.w, "language", "python");
    write_lost(&b.w, br);
    write_vars(&b.w, br->from);
    int rc = event_end(&b, e);
    if (rc == 0)
        rc = store_append_checkpoint(to, &b.ev, "saved", br->from->saved.digest, p, len, "{}", e);
    if (rc == 0)
        rc = state_apply(st, &b.ev, NULL, e);
    event_release(&b);
    return rc;
}

/* The snapshot itself stays where it is: the branch begins in a sandbox made of it. */
static int bring_snapshot(const struct branch *br, struct store *to, struct state *st,
                          struct err *e)
{
    struct event_builder b;
    event_begin(&b, EVENT_CHECKPOINT_MADE, 0);
    json_w_str(&b.w, "kind", "snapshot");
    json_w_str(&b.w, "snapshot", br->from->snapshot);
    json_w_str(&b.w, "language", "python");
    write_lost(&b.w, br);
    write_vars(&b.w, br->from);
    int rc = event_end(&b, e);
    if (rc == 0)
        rc = store_append(to, &b.ev, e);
    if (rc == 0)
        rc = state_apply(st, &b.ev, NULL, e);
    event_release(&b);
    return rc;
}

int branch_bring(const struct branch *b, struct store *to, struct state *st, struct err *e)
{
    if (b->snapshot)
        return bring_snapshot(b, to, st, e);
    struct buf blob = BUF_INIT((size_t)96 << 20);
    int rc = store_read_checkpoint(b->store, b->from->saved.digest, &blob, e), part = 0;
    if (rc == 0 && (int64_t)blob.len != b->from->saved.bytes)
        rc = err_set(e, ERR_INTEGRITY, "the saved variables are not whole");
    size_t at = 0;
    for (; rc == 0 && blob.len - at > PART_BYTES; at += PART_BYTES)
        rc = append_part(to, b->from->saved.digest, ++part, blob.ptr + at, e);
    if (rc == 0)
        rc = append_made(b, to, st, buf_str(&blob) + at, blob.len - at, blob.len, e);
    buf_release(&blob);
    return rc;
}
