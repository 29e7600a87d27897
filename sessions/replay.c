/* replay.c - playing time of events, and the marks among them. */
#include "sessions/replay.h"

#include <stdlib.h>

enum { REPLAY_BLOCK = 1024 };

const char *replay_kind_name(enum replay_kind k)
{
    static const char *const names[] = {
        "run", "gate", "decision", "failure", "high", "difference"
    };
    return (size_t)k < ARRAY_LEN(names) ? names[k] : "unknown";
}

void replay_init(struct replay *r, int64_t idle_us)
{
    *r = (struct replay){ .idle_us = idle_us };
}

void replay_release(struct replay *r)
{
    free(r->gap_us);
    free(r->block);
    free(r->marks);
    *r = (struct replay){ .idle_us = r->idle_us };
}

static int64_t played(const struct replay *r, size_t i)
{
    int64_t gap = r->gap_us[i];
    return r->idle_us > 0 && gap > r->idle_us ? r->idle_us : gap;
}

/* Two clocks were recorded. The one since boot is even, but starts anew with each boot; the wall
 * clock can be set. What both say is taken. */
static uint32_t gap_between(int64_t wall_us, int64_t boot_us)
{
    int64_t gap = wall_us < 0 ? boot_us : boot_us < 0 || wall_us < boot_us ? wall_us : boot_us;
    if (gap < 0)
        return 0;
    return gap < UINT32_MAX ? (uint32_t)gap : UINT32_MAX;
}

/* Where a block begins is known once the one before it is full. */
static void note_block(struct replay *r)
{
    if (r->count % REPLAY_BLOCK != 0)
        return;
    r->block = xreallocarray(r->block, r->block_count + 1, sizeof *r->block);
    r->block[r->block_count++] = r->total_us;
}

void replay_add(struct replay *r, int64_t at_us, int64_t boot_us)
{
    if (r->count == r->cap) {
        r->cap = r->cap != 0 ? r->cap * 2 : 256;
        r->gap_us = xreallocarray(r->gap_us, r->cap, sizeof *r->gap_us);
    }
    int64_t wall, boot;
    if (r->count == 0 || __builtin_sub_overflow(at_us, r->at_us, &wall) ||
        __builtin_sub_overflow(boot_us, r->boot_us, &boot))
        wall = boot = 0;
    note_block(r);
    r->gap_us[r->count] = gap_between(wall, boot);
    r->total_us += played(r, r->count++);
    r->at_us = at_us;
    r->boot_us = boot_us;
}

void replay_mark(struct replay *r, enum replay_kind kind, uint32_t run, uint32_t base)
{
    if (r->mark_count == REPLAY_MARKS_MAX)
        return;
    if (r->mark_count == r->mark_cap) {
        r->mark_cap = r->mark_cap != 0 ? r->mark_cap * 2 : 64;
        r->marks = xreallocarray(r->marks, r->mark_cap, sizeof *r->marks);
    }
    r->marks[r->mark_count++] =
        (struct replay_mark){ .seq = r->count, .run = run, .base = base, .kind = kind };
}

void replay_set_idle(struct replay *r, int64_t idle_us)
{
    r->idle_us = idle_us;
    r->total_us = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (i % REPLAY_BLOCK == 0)
            r->block[i / REPLAY_BLOCK] = r->total_us;
        r->total_us += played(r, i);
    }
}

int64_t replay_time_of(const struct replay *r, uint64_t seq)
{
    if (seq == 0 || r->count == 0)
        return 0;
    if (seq >= r->count)
        return r->total_us;
    size_t at = (size_t)(seq - 1) / REPLAY_BLOCK;
    int64_t us = r->block[at];
    for (size_t i = at * REPLAY_BLOCK; i < seq; i++)
        us += played(r, i);
    return us;
}

uint64_t replay_seq_at(const struct replay *r, int64_t us)
{
    size_t low = 0, high = r->block_count;
    if (r->count == 0)
        return 0;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (r->block[mid] <= us)
            low = mid;
        else
            high = mid;
    }
    size_t i = low * REPLAY_BLOCK;
    int64_t at = r->block[low];
    while (i < r->count && at + played(r, i) <= us)
        at += played(r, i++);
    return i > 0 ? i : 1;
}

/* Index of the first mark with a seq ≥ `seq`. */
static size_t first_mark(const struct replay *r, uint64_t seq)
{
    size_t low = 0, high = r->mark_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (r->marks[mid].seq < seq)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct replay_mark *replay_find(const struct replay *r, unsigned kinds, uint64_t seq, int dir)
{
    if (dir > 0) {
        for (size_t i = first_mark(r, seq + 1); i < r->mark_count; i++)
            if (kinds >> r->marks[i].kind & 1)
                return &r->marks[i];
        return NULL;
    }
    for (size_t i = first_mark(r, seq); i-- > 0;)
        if (kinds >> r->marks[i].kind & 1)
            return &r->marks[i];
    return NULL;
}
