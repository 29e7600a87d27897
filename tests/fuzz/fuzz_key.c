/* fuzz_key.c - the key decoder: any cut of the same bytes gives the same keys; nothing of a paste
 * comes out as a key; what comes at once is a burst; a flush forgets all of it.
 *
 * Input: one byte for the cut, then what the terminal sends.
 */
#include <string.h>

#include "ui/key.h"
#include "ui/keymap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
    const struct key_decoder *d;
    struct buf trace; /* of what came: without the burst mark, which is about time */
    size_t presses, unmarked;
    bool was_in_paste;
};

static void on_event(void *arg, const struct key_event *ev)
{
    struct heard *h = arg;
    uint32_t key = ev->key & ~KEYMAP_ALT;
    INVARIANT(!h->d->in_paste);
    if (ev->kind == KEY_PASTE) {
        INVARIANT(ev->burst && ev->len <= KEY_PASTE_MAX);
        INVARIANT(memmem(ev->bytes, ev->len, "\033[201~", 6) == NULL);
    } else {
        INVARIANT(ev->len >= 1 && ev->len <= 256);
    }
    if (ev->kind == KEY_PRESS) {
        h->presses++;
        h->unmarked += !ev->burst;
        INVARIANT(key <= 0x10ffff || (key > KEYMAP_SPECIAL && key <= KEYMAP_F12));
        INVARIANT(key < 0xd800 || key > 0xdfff);
        /* A plain letter stands for itself: nothing longer may look like one. */
        INVARIANT(key >= KEYMAP_SPECIAL || key < 0x20 || key >= 0x7f ||
                  ev->len == ((ev->key & KEYMAP_ALT) ? 2u : 1u));
    }
    if (ev->kind == KEY_MOUSE)
        INVARIANT(ev->x >= -1 && ev->y >= -1 && ev->x < 100000 && ev->y < 100000);
    (void)buf_addf(&h->trace, "%d %x %zu %d,%d;", (int)ev->kind,
                   ev->kind == KEY_PRESS ? ev->key : 0, ev->len, ev->kind == KEY_MOUSE ? ev->x : 0,
                   ev->kind == KEY_MOUSE ? ev->y : 0);
    if (ev->kind != KEY_PRESS)
        (void)buf_add(&h->trace, ev->bytes, ev->len);
}

static void begin(struct heard *h, struct key_decoder *d)
{
    *h = (struct heard){ .d = d };
    buf_init(&h->trace, (size_t)8 << 20);
    key_init(d);
}

static void end(struct heard *h, struct key_decoder *d)
{
    key_flush(d);
    INVARIANT(key_due_us(d) < 0 && !d->in_paste);
    buf_reset(&h->trace);
    key_feed(d, "x", 1, 99000000, on_event, h);
    INVARIANT(strcmp(buf_str(&h->trace), "0 78 1 0,0;") == 0);
    buf_release(&h->trace);
    key_release(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key_decoder whole, cut;
    struct heard a, b;
    if (size < 1)
        return 0;
    const char *p = (const char *)data + 1;
    size_t len = size - 1, piece = 1 + data[0] % 16;
    int64_t now = 1000000;
    begin(&a, &whole);
    begin(&b, &cut);
    key_feed(&whole, p, len, now, on_event, &a);
    if (len > KEY_BURST_LEN && p[0] != '\033')
        INVARIANT(a.unmarked == 0);
    for (size_t at = 0; at < len; at += piece)
        key_feed(&cut, p + at, len - at < piece ? len - at : piece, now, on_event, &b);
    INVARIANT(b.presses < KEY_BURST_LEN || b.unmarked <= KEY_BURST_LEN || p[0] == '\033' ||
              memchr(p, '\033', len) != NULL);
    key_timeout(&whole, now + KEY_ESC_US, on_event, &a);
    key_timeout(&cut, now + KEY_ESC_US, on_event, &b);
    INVARIANT(a.trace.len == b.trace.len &&
              memcmp(buf_str(&a.trace), buf_str(&b.trace), a.trace.len) == 0);
    end(&a, &whole);
    end(&b, &cut);
    return 0;
}
