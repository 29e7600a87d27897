/* bar_ticks.c - many marks, few columns. */
#include "cli/bar_ticks.h"

static int tick_kind(enum replay_kind k)
{
    switch (k) {
    case REPLAY_RUN:
        return TICK_RUN;
    case REPLAY_GATE:
        return TICK_GATE;
    case REPLAY_HIGH:
        return TICK_HIGH;
    case REPLAY_FAILURE:
        return TICK_FAILURE;
    default:
        return -1;
    }
}

/* The first event that is not before part `n` of the bar. */
static uint64_t bar_seq(const struct replay *clock, int n)
{
    int64_t total = clock->total_us;
    if (total == 0)
        return 1 + clock->count * (uint64_t)n / VIEW_BAR_PARTS;
    int64_t us = total / VIEW_BAR_PARTS * n + total % VIEW_BAR_PARTS * n / VIEW_BAR_PARTS;
    return us > 0 ? replay_seq_at(clock, us - 1) + 1 : 1;
}

static void make(struct bar_ticks *t, const struct replay *clock)
{
    int part = 0, last[TICK_FAILURE + 1] = { -1, -1, -1, -1 };
    uint64_t next = bar_seq(clock, 1);
    t->count = 0;
    t->made = true;
    for (size_t i = 0; i < clock->mark_count; i++) {
        const struct replay_mark *m = &clock->marks[i];
        int kind = tick_kind(m->kind);
        while (part < VIEW_BAR_PARTS && m->seq >= next)
            next = bar_seq(clock, ++part + 1);
        if (kind < 0 || part == last[kind])
            continue;
        last[kind] = part;
        t->seq[t->count] = m->seq;
        t->tick[t->count++] = (struct view_tick){ (uint16_t)part, (uint8_t)kind };
    }
}

size_t bar_ticks_show(struct bar_ticks *t, const struct replay *clock, uint64_t until,
                      struct view_tick out[BAR_TICKS_MAX])
{
    size_t n = 0;
    if (!t->made)
        make(t, clock);
    for (size_t i = 0; i < t->count; i++)
        if (t->tick[i].kind != TICK_FAILURE || t->seq[i] <= until)
            out[n++] = t->tick[i];
    return n;
}
