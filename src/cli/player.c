/* player.c - reading a session once, and going to any moment of it. */
#include "cli/player.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ui/plain.h"

enum {
    PIECE = 1024,        /* events given to one fold */
    SNAPSHOT_COST = 2048 /* events between two snapshots, to begin with */
};
#define COST_BYTES 4096 /* that much output costs as much as one event */

struct player {
    char *id;
    struct store *store;
    struct store *peek; /* a second handle: the first may be in the middle of a fold */
    struct state state;
    struct replay clock;
    struct err broken;
    uint64_t last; /* of the file; the last whole one once all is read */
    bool read;
    /* snapshots by seq; [0] is the empty beginning */
    struct state_snapshot *snapshots[PLAYER_SNAPSHOTS];
    size_t snapshot_count;
    uint64_t cost, snapshot_cost;
    /* the fold under way */
    player_fn fn;
    void *fn_arg;
    int64_t until_us;
    unsigned turns;
    struct err refused; /* what state_apply said */
};

/* ---- marks ---- */

static bool has_high(const struct json *findings)
{
    for (const struct json *m = json_first(findings); m != NULL; m = json_next(m)) {
        if (strcasecmp(json_get_str(m, "severity", ""), severity_name(SEVERITY_HIGH)) == 0)
            return true;
    }
    return false;
}

static bool ended_badly(const struct state_run *r)
{
    return r->end != END_EXIT || (r->has_exit_code && r->exit_code != 0);
}

/* The attempt whose output this one's can be compared with: of the same step, or the same code. */
static const struct state_run *compared_with(const struct state *st, const struct state_run *r)
{
    const struct state_run *b = r->twin_of == 0 ? state_previous_attempt(st, r) : NULL;
    while (b != NULL && b->status != RUN_FINISHED)
        b = state_previous_attempt(st, b);
    return b != NULL && (r->step[0] != '\0' || strcmp(b->code, r->code) == 0) ? b : NULL;
}

static void mark_end(struct player *p, const struct state_run *r)
{
    const struct state_run *b = compared_with(&p->state, r);
    if (ended_badly(r))
        replay_mark(&p->clock, REPLAY_FAILURE, r->number, 0);
    if (b != NULL)
        replay_mark(&p->clock, REPLAY_DIFFERENCE, r->number, b->number);
}

static void add_marks(struct player *p, const struct event *ev)
{
    const struct state_run *r = state_run_at(&p->state, ev->run);
    switch (ev->type) {
    case EVENT_RUN_PROPOSED:
        if (r != NULL && r->first_seq == ev->seq)
            replay_mark(&p->clock, REPLAY_RUN, ev->run, 0);
        break;
    case EVENT_RUN_REVIEWED:
        if (has_high(json_get(ev->body, "findings")))
            replay_mark(&p->clock, REPLAY_HIGH, ev->run, 0);
        break;
    case EVENT_GATE_OPENED:
        replay_mark(&p->clock, REPLAY_GATE, ev->run, 0);
        break;
    case EVENT_GATE_DECIDED:
        replay_mark(&p->clock, REPLAY_DECIDED, ev->run, 0);
        break;
    case EVENT_RUN_FINISHED:
        if (r != NULL)
            mark_end(p, r);
        break;
    case EVENT_RUN_VERDICT:
        if (r != NULL && r->verdict == VERDICT_REFUTED && !ended_badly(r))
            replay_mark(&p->clock, REPLAY_FAILURE, ev->run, 0);
        break;
    case EVENT_ERROR:
        replay_mark(&p->clock, REPLAY_FAILURE, ev->run, 0);
        break;
    default:
        break;
    }
}

/* ---- snapshots ---- */

/* Full: every other one goes, and from now on they lie twice as far apart. */
static void thin_out(struct player *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->snapshot_count; i++) {
        if (i % 2 == 0)
            p->snapshots[kept++] = p->snapshots[i];
        else
            state_snapshot_free(p->snapshots[i]);
    }
    p->snapshot_count = kept;
    p->snapshot_cost *= 2;
}

static void maybe_keep(struct player *p, const struct event *ev)
{
    p->cost += 1 + ev->len / COST_BYTES + ev->json_len / COST_BYTES;
    if (p->cost < p->snapshot_cost)
        return;
    p->cost = 0;
    if (p->snapshot_count == PLAYER_SNAPSHOTS)
        thin_out(p);
    p->snapshots[p->snapshot_count++] = state_snapshot_take(&p->state);
}

static struct state_snapshot *nearest(const struct player *p, uint64_t seq)
{
    size_t low = 0, high = p->snapshot_count;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (state_snapshot_seq(p->snapshots[mid]) <= seq)
            low = mid;
        else
            high = mid;
    }
    return p->snapshots[low];
}

/* ---- the fold ---- */

/* Asking the clock costs as much as a small event. */
static bool time_is_over(struct player *p, const struct event *ev)
{
    if (p->until_us == 0 || (++p->turns % 32 != 0 && ev->len < COST_BYTES))
        return false;
    return clock_mono_us() >= p->until_us;
}

static int on_event(void *arg, const struct event *ev)
{
    struct player *p = arg;
    if (state_apply(&p->state, ev, NULL, &p->refused) < 0)
        return 1;
    if (!p->read) {
        replay_add(&p->clock, ev->at_us, ev->boot_us);
        add_marks(p, ev);
        maybe_keep(p, ev);
    }
    if (p->fn != NULL)
        p->fn(p->fn_arg, ev);
    return time_is_over(p, ev);
}

static int fold(struct player *p, uint64_t to, int64_t budget_us, struct err *e)
{
    err_clear(&p->refused);
    p->until_us = budget_us > 0 ? clock_mono_us() + budget_us : 0;
    while (p->state.last_seq < to) {
        uint64_t from = p->state.last_seq + 1, end = to - from < PIECE ? to : from + PIECE - 1;
        if (store_each(p->store, from, end, on_event, p, e) < 0)
            return -1;
        if (p->refused.code != ERR_NONE) {
            *e = p->refused;
            return err_wrap(e, "session %s", p->id);
        }
        if (p->until_us != 0 && clock_mono_us() >= p->until_us)
            break;
    }
    return 0;
}

/* ---- life ---- */

int player_open(struct player **out, const char *id, const char *path, int64_t idle_us,
                struct err *e)
{
    struct player *p = xcalloc(1, sizeof *p);
    *out = NULL;
    p->id = xstrdup(id);
    p->snapshot_cost = SNAPSHOT_COST;
    replay_init(&p->clock, idle_us);
    state_init(&p->state);
    state_set_session(&p->state, id);
    if (store_open_read(&p->store, path, e) < 0) {
        player_free(p);
        return -1;
    }
    p->last = store_last_seq(p->store);
    p->snapshots[p->snapshot_count++] = state_snapshot_take(&p->state);
    *out = p;
    return 0;
}

void player_free(struct player *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->snapshot_count; i++)
        state_snapshot_free(p->snapshots[i]);
    state_release(&p->state);
    replay_release(&p->clock);
    store_close(p->peek);
    store_close(p->store);
    free(p->id);
    free(p);
}

bool player_read(struct player *p, int64_t budget_us)
{
    if (p->read)
        return true;
    p->fn = NULL;
    int rc = fold(p, p->last, budget_us, &p->broken);
    if (rc == 0 && p->state.last_seq < p->last)
        return false;
    p->last = p->state.last_seq;
    p->read = true;
    return true;
}

int player_percent(const struct player *p)
{
    return p->last > 0 ? (int)(p->state.last_seq * 100 / p->last) : 100;
}

const struct err *player_broken(const struct player *p)
{
    return &p->broken;
}

/* ---- going about ---- */

int player_go(struct player *p, uint64_t seq, struct err *e)
{
    seq = seq < p->last ? seq : p->last;
    struct state_snapshot *s = nearest(p, seq);
    if (seq < p->state.last_seq || state_snapshot_seq(s) > p->state.last_seq)
        state_snapshot_restore(&p->state, s);
    p->fn = NULL;
    return fold(p, seq, 0, e);
}

int player_play(struct player *p, uint64_t seq, int64_t budget_us, player_fn fn, void *arg,
                struct err *e)
{
    p->fn = fn;
    p->fn_arg = arg;
    int rc = fold(p, seq < p->last ? seq : p->last, budget_us, e);
    p->fn = NULL;
    return rc;
}

const char *player_id(const struct player *p)
{
    return p->id;
}

uint64_t player_seq(const struct player *p)
{
    return p->state.last_seq;
}

uint64_t player_last(const struct player *p)
{
    return p->last;
}

const struct state *player_state(const struct player *p)
{
    return &p->state;
}

struct store *player_store(const struct player *p)
{
    return p->store;
}

struct replay *player_clock(const struct player *p)
{
    return (struct replay *)(uintptr_t)&p->clock;
}

uint64_t player_run_seq(const struct player *p, uint32_t number)
{
    const struct replay_mark *m = NULL;
    uint64_t seq = 0;
    while ((m = replay_find(&p->clock, 1u << REPLAY_RUN, seq, 1)) != NULL) {
        if (m->run == number)
            return m->seq;
        seq = m->seq;
    }
    return 0;
}

/* ---- what is going to be decided ---- */

static int on_decision(void *arg, const struct event *ev)
{
    struct past_decision *d = arg;
    const char *reason = json_get_str(ev->body, "reason", "");
    char waited[32];
    clock_duration(json_get_int(ev->body, "waited_ms", 0) * 1000, waited, sizeof waited);
    d->seq = ev->seq;
    snprintf(d->decision, sizeof d->decision, "%s", json_get_str(ev->body, "decision", "erased"));
    snprintf(d->by, sizeof d->by, "%s", json_get_str(ev->body, "by", "?"));
    snprintf(d->text, sizeof d->text, "%s by %s after %s, %lld lines seen%s%s",
             plain_decided_word(d->decision), d->by, waited,
             (long long)json_get_int(ev->body, "seen_lines", 0), reason[0] != '\0' ? ": " : "",
             reason);
    return 0;
}

bool player_decision(struct player *p, struct past_decision *out)
{
    const struct state_gate *g = &p->state.gate;
    struct err ignored = ERR_INIT;
    unsigned kinds = 1u << REPLAY_DECIDED | 1u << REPLAY_GATE;
    if (!g->open)
        return false;
    const struct replay_mark *m = replay_find(&p->clock, kinds, p->state.last_seq, 1);
    if (m == NULL || m->kind != REPLAY_DECIDED || m->run != g->run)
        return false;
    if (p->peek == NULL && store_open_read(&p->peek, store_path(p->store), &ignored) < 0)
        return false;
    *out = (struct past_decision){ .seq = 0 };
    return store_each(p->peek, m->seq, m->seq, on_decision, out, &ignored) == 0 && out->seq != 0;
}
