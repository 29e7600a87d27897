/* state_snapshot.c - earlier moments of a state, sharing with it what did not change since. A run
 * is copied when it is about to change while a snapshot holds it; the list of what was said only
 * grows.
 */
#include "tool/state_int.h"

#include <stdlib.h>
#include <string.h>

/* ---- what was said ---- */

struct state_words {
    uint32_t sharers; /* beside the first holder */
    size_t used, cap;
    struct state_message *items;
};

static void drop_message(struct state_message *m)
{
    free(m->author);
    free(m->text);
}

void state_words_free(struct state_words *w)
{
    if (w == NULL)
        return;
    if (w->sharers > 0) {
        w->sharers--;
        return;
    }
    for (size_t i = 0; i < w->used; i++)
        drop_message(&w->items[i]);
    free(w->items);
    free(w);
}

static void words_reserve(struct state_words *w, size_t count)
{
    if (count <= w->cap)
        return;
    w->cap = w->cap * 2 > count ? w->cap * 2 : count > 16 ? count : 16;
    w->items = xreallocarray(w->items, w->cap, sizeof *w->items);
}

/* Another continuation than the one that is written there: the part before it becomes ours alone.
 */
static void words_part(struct state *st)
{
    struct state_words *w = st->words, *mine;
    if (w->sharers == 0) {
        while (w->used > st->message_count)
            drop_message(&w->items[--w->used]);
        return;
    }
    mine = xcalloc(1, sizeof *mine);
    words_reserve(mine, st->message_count);
    for (; mine->used < st->message_count; mine->used++) {
        mine->items[mine->used] = w->items[mine->used];
        mine->items[mine->used].author = xstrdup(w->items[mine->used].author);
        mine->items[mine->used].text = xstrdup(w->items[mine->used].text);
    }
    w->sharers--;
    st->words = mine;
}

static bool is_same(const struct state_message *m, const struct event *ev, const char *author,
                    const char *text)
{
    return m->seq == ev->seq && m->at_us == ev->at_us && m->run == ev->run &&
           strcmp(m->author, author) == 0 && strncmp(m->text, text, STATE_MESSAGE_MAX) == 0;
}

void state_words_add(struct state *st, const struct event *ev, const char *author, const char *text)
{
    if (st->words == NULL)
        st->words = xcalloc(1, sizeof *st->words);
    bool written = st->message_count < st->words->used;
    /* Going over the same record again, after a restore, finds it there. */
    if (!written || !is_same(&st->words->items[st->message_count], ev, author, text)) {
        if (written)
            words_part(st);
        words_reserve(st->words, st->words->used + 1);
        st->words->items[st->words->used++] =
            (struct state_message){ .author = xstrdup(author),
                                    .text = xstrndup(text, STATE_MESSAGE_MAX),
                                    .seq = ev->seq,
                                    .at_us = ev->at_us,
                                    .run = ev->run };
    }
    st->messages = st->words->items;
    st->message_count++;
}

/* ---- copies of lists ---- */

/* Nothing for an empty list: the reducer fills those that are NULL. */
static void *room_for(size_t count, size_t size)
{
    return count > 0 ? xcalloc(count, size) : NULL;
}

static struct state_finding *copy_findings(const struct state_run *r)
{
    struct state_finding *to = room_for(r->finding_count, sizeof *to);
    for (size_t i = 0; i < r->finding_count; i++) {
        to[i] = r->findings[i];
        to[i].rule = xstrdup(r->findings[i].rule);
        to[i].text = xstrdup(r->findings[i].text);
    }
    return to;
}

static char *copy_string(const char *s)
{
    return s != NULL ? xstrdup(s) : NULL;
}

static struct state_result *copy_results(const struct state_run *r)
{
    struct state_result *to = room_for(r->result_count, sizeof *to);
    for (size_t i = 0; i < r->result_count; i++) {
        to[i] = r->results[i];
        to[i].mime = copy_string(r->results[i].mime);
        to[i].text = copy_string(r->results[i].text);
        to[i].artifact = copy_string(r->results[i].artifact);
    }
    return to;
}

static struct state_check *copy_checks(const struct state_run *r)
{
    struct state_check *to = room_for(r->check_count, sizeof *to);
    for (size_t i = 0; i < r->check_count; i++) {
        to[i] = r->checks[i];
        to[i].kind = xstrdup(r->checks[i].kind);
        to[i].text = xstrdup(r->checks[i].text);
        to[i].got = xstrdup(r->checks[i].got);
    }
    return to;
}

static struct state_var *copy_vars(const struct state_var *from, size_t count)
{
    struct state_var *to = room_for(count, sizeof *to);
    for (size_t i = 0; i < count; i++)
        to[i] = state_var_copy(&from[i]);
    return to;
}

static struct state_file *copy_files(const struct state_run *r)
{
    struct state_file *to = room_for(r->file_count, sizeof *to);
    for (size_t i = 0; i < r->file_count; i++) {
        to[i] = r->files[i];
        to[i].path = xstrdup(r->files[i].path);
    }
    return to;
}

static struct state_saved copy_saved(const struct state_saved *from)
{
    struct state_saved to = *from;
    to.digest = copy_string(from->digest);
    to.lost = xcalloc(from->lost_count, sizeof *to.lost);
    for (size_t i = 0; i < from->lost_count; i++)
        to.lost[i] = xstrdup(from->lost[i]);
    return to;
}

static struct state_step *copy_steps(const struct state_step *from, size_t count)
{
    struct state_step *to = room_for(count, sizeof *to);
    for (size_t i = 0; i < count; i++) {
        to[i] = from[i];
        to[i].id = xstrdup(from[i].id);
        to[i].title = xstrdup(from[i].title);
        to[i].expect = xstrdup(from[i].expect);
    }
    return to;
}

/* Counts and line marks, without the tail. */
static struct state_output copy_output(const struct state_output *from)
{
    struct state_output to = *from;
    buf_init(&to.tail, from->tail.max);
    to.tail_offset = from->bytes;
    to.mark_cap = from->mark_count;
    to.marks = room_for(from->mark_count, sizeof *to.marks);
    if (from->mark_count > 0)
        memcpy(to.marks, from->marks, from->mark_count * sizeof *to.marks);
    return to;
}

/* ---- runs ---- */

static struct state_run *copy_run(struct state_run *from)
{
    struct state_run *to = xcalloc(1, sizeof *to);
    *to = *from;
    to->sharers = 0;
    for (size_t i = 0; state_run_strings(to, i) != NULL; i++)
        *state_run_strings(to, i) = xstrdup(*state_run_strings(from, i));
    to->findings = copy_findings(from);
    to->flags = state_flags_copy(from);
    to->nets = state_nets_copy(from);
    to->results = copy_results(from);
    to->checks = copy_checks(from);
    to->vars = copy_vars(from->vars, from->var_count);
    to->files = copy_files(from);
    to->saved = copy_saved(&from->saved);
    for (size_t i = 0; i < ARRAY_LEN(to->out); i++) {
        to->out[i] = copy_output(&from->out[i]);
        /* The newest holder keeps the tail. */
        to->out[i].tail = from->out[i].tail;
        to->out[i].tail_offset = from->out[i].tail_offset;
        buf_init(&from->out[i].tail, to->out[i].tail.max);
        from->out[i].tail_offset = from->out[i].bytes;
    }
    return to;
}

void state_run_own(struct state *st, uint32_t number)
{
    struct state_run *r = state_run_at(st, number);
    if (r == NULL || r->sharers == 0)
        return;
    st->runs[number - 1] = copy_run(r);
    r->sharers--;
}

void state_origin_own(struct state *st)
{
    struct state_run *r = st->origin;
    if (r == NULL || r->sharers == 0)
        return;
    st->origin = copy_run(r);
    r->sharers--;
}

/* ---- snapshots ---- */

struct state_snapshot {
    struct state st;
};

/* `to` is overwritten. */
static void share(struct state *to, struct state *from)
{
    *to = *from;
    for (size_t i = 0; state_strings(to, i) != NULL; i++)
        *state_strings(to, i) = xstrdup(*state_strings(from, i));
    if (to->words != NULL) {
        to->words->sharers++;
        to->messages = to->words->items;
    }
    to->steps = copy_steps(from->steps, from->step_count);
    to->vars = copy_vars(from->vars, from->var_count);
    for (size_t i = 0; i < ARRAY_LEN(to->background); i++)
        to->background[i] = copy_output(&from->background[i]);
    if (to->origin != NULL)
        to->origin->sharers++;
    to->run_cap = from->run_count;
    to->runs = xcalloc(from->run_count, sizeof(void *));
    for (size_t i = 0; i < from->run_count; i++) {
        to->runs[i] = from->runs[i];
        to->runs[i]->sharers++;
    }
}

struct state_snapshot *state_snapshot_take(struct state *st)
{
    struct state_snapshot *s = xcalloc(1, sizeof *s);
    share(&s->st, st);
    return s;
}

void state_snapshot_restore(struct state *st, struct state_snapshot *s)
{
    struct state old = *st;
    share(st, &s->st);
    state_release(&old);
}

uint64_t state_snapshot_seq(const struct state_snapshot *s)
{
    return s->st.last_seq;
}

void state_snapshot_free(struct state_snapshot *s)
{
    if (s == NULL)
        return;
    state_release(&s->st);
    free(s);
}
