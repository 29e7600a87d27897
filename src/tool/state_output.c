/* state_output.c - streams of a run: a bounded tail and a sparse line index. This is the path a
 * flood of output takes: one memcpy and one count of newlines per chunk. */
#include "tool/state_int.h"

#include <stdlib.h>
#include <string.h>

/* Newlines in a piece, eight bytes at a time. A byte of `t` is 0x80 where the byte of `w` is LF;
 * exact, also next to borrows. */
static uint64_t count_newlines(const char *p, size_t len)
{
    const uint64_t low = 0x7f7f7f7f7f7f7f7f;
    uint64_t total = 0;
    while (len >= 8) {
        /* 255 additions of 0 or 1 fit the byte lanes. */
        size_t words = len / 8 < 255 ? len / 8 : 255;
        uint64_t lanes = 0;
        for (size_t i = 0; i < words; i++, p += 8) {
            uint64_t w;
            memcpy(&w, p, sizeof w);
            w ^= 0x0a0a0a0a0a0a0a0a;
            uint64_t t = ~(((w & low) + low) | w | low);
            lanes += t >> 7;
        }
        len -= words * 8;
        lanes = (lanes & 0x00ff00ff00ff00ff) + (lanes >> 8 & 0x00ff00ff00ff00ff);
        total += (lanes * 0x0001000100010001) >> 48;
    }
    for (; len > 0; len--, p++)
        total += *p == '\n';
    return total;
}

static void add_mark(struct state_output *o)
{
    if (o->mark_count == o->mark_cap) {
        o->mark_cap = o->mark_cap != 0 ? o->mark_cap * 2 : 8;
        o->marks = xreallocarray(o->marks, o->mark_cap, sizeof *o->marks);
    }
    o->marks[o->mark_count++] = (struct output_mark){ o->bytes, o->newlines };
}

static void count_piece(struct state_output *o, const char *p, size_t len)
{
    while (len > 0) {
        uint64_t room = STATE_INDEX_STEP - o->bytes % STATE_INDEX_STEP;
        size_t n = len < room ? len : (size_t)room;
        o->newlines += count_newlines(p, n);
        o->bytes += n;
        if (o->bytes % STATE_INDEX_STEP == 0)
            add_mark(o);
        p += n;
        len -= n;
    }
}

/* When the tail is full it is cut to half, so that a byte is moved at most once more. */
static void keep_tail(struct state_output *o, const char *p, size_t len)
{
    const size_t half = STATE_TAIL_MAX / 2;
    if (o->tail.max == 0)
        buf_init(&o->tail, STATE_TAIL_MAX - 1); /* the NUL makes it a round allocation */
    if (len > o->tail.max - o->tail.len) {
        size_t keep = len < half ? half - len : 0;
        if (keep < o->tail.len)
            buf_drop_front(&o->tail, o->tail.len - keep);
    }
    if (len > o->tail.max) {
        p += len - half;
        len = half;
    }
    int rc = buf_add(&o->tail, p, len);
    INVARIANT(rc == 0);
    o->tail_offset = o->bytes - o->tail.len;
}

void state_output_add(struct state_output *o, const char *p, size_t len)
{
    if (len == 0)
        return;
    count_piece(o, p, len);
    keep_tail(o, p, len);
    o->ends_in_newline = p[len - 1] == '\n';
}

/* Free most of what is held; the rest is in the session file. */
void state_output_trim(struct state_output *o, size_t keep)
{
    if (o->tail.len <= keep)
        return;
    char *copy = xmemdup(o->tail.ptr + (o->tail.len - keep), keep);
    size_t max = o->tail.max;
    free(o->tail.ptr);
    o->tail = (struct buf){ copy, keep, keep + 1, max };
    o->tail_offset = o->bytes - keep;
}

void state_output_release(struct state_output *o)
{
    buf_release(&o->tail);
    free(o->marks);
    *o = (struct state_output){ 0 };
}

/* Bytes whose bodies were erased: nobody knows how many until the next chunk says where it is. */
static void skip_gap(struct state_output *o, uint64_t offset)
{
    o->bytes = offset;
    o->has_gaps = false;
    buf_release(&o->tail);
    o->tail_offset = offset;
}

static struct state_output *find_stream(struct state *st, const struct event *ev, struct err *e)
{
    if (ev->stream != STREAM_STDOUT && ev->stream != STREAM_STDERR) {
        contradiction(ev, e, "stream %u", ev->stream);
        return NULL;
    }
    if (ev->run == 0)
        return &st->background[ev->stream];
    struct state_run *r = state_need_run(st, ev, e);
    if (r == NULL)
        return NULL;
    if (r->status != RUN_RUNNING && !r->erased) {
        contradiction(ev, e, "output of a run that is not running");
        return NULL;
    }
    return &r->out[ev->stream];
}

/* With the body went the word which stream it was of: then either may have the gap. */
static int note_gap(struct state *st, const struct event *ev, struct err *e)
{
    struct state_run *r = ev->run != 0 ? state_need_run(st, ev, e) : NULL;
    if (r == NULL && ev->run != 0)
        return -1;
    struct state_output *out = r != NULL ? r->out : st->background;
    for (unsigned stream = STREAM_STDOUT; stream <= STREAM_STDERR; stream++) {
        if (ev->stream == 0 || ev->stream == stream)
            out[stream].has_gaps = true;
    }
    return 0;
}

int state_on_output(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    if (ev->bytes == NULL)
        return note_gap(st, ev, e);
    struct state_output *o = find_stream(st, ev, e);
    if (o == NULL)
        return -1;
    if (ev->offset != o->bytes && !(o->has_gaps && ev->offset > o->bytes))
        return contradiction(ev, e, "output at offset %llu, expected %llu",
                             (unsigned long long)ev->offset, (unsigned long long)o->bytes);
    if (ev->offset != o->bytes)
        skip_gap(o, ev->offset);
    state_output_add(o, ev->bytes, ev->len);
    return 0;
}
