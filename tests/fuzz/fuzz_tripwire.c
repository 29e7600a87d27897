/* fuzz_tripwire.c - any split gives the hits of the whole; excerpts are printable; hits are few.
 *
 * Input: u8 seed of the splits, then the text. In the text 0xE0..0xFF stand for pieces of patterns,
 * so that hits and near hits are common.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/tripwire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const pieces[32] = {
    "ignore ",        "all ",      "previous ",        "instructions",
    "disregard ",     "the above", " you are now ",    "DAN",
    "\nSystem: you ", "are",       "<|im_start|>",     "system",
    "\n\nAssistant:", "tool_use",  "\"type\": \"",     "\"",
    "execute_code",   "call ",     "\"name\"",         "do not ",
    "tell ",          "user ",     "\033[1m",          "\xf3\xa0\x81\x81",
    "\xf3\xa0\x80",   "your ",     "system prompt",    "print ",
    " is ",           ". ",        "canarycanary1234", "if you are an ai",
};

static struct tripwire *wire;

static void note(void *arg, const struct tripwire_hit *hit)
{
    for (const char *c = hit->excerpt; *c != '\0'; c++)
        INVARIANT(*c >= ' ' && *c < 0x7f);
    INVARIANT(strlen(hit->excerpt) <= TRIPWIRE_EXCERPT_MAX);
    INVARIANT(buf_addf(arg, "%s@%llu:%s\n", hit->rule, (unsigned long long)hit->offset,
                       hit->excerpt) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text = BUF_INIT(SIZE_MAX / 4), whole = BUF_INIT(1 << 20), parts = BUF_INIT(1 << 20);
    struct tripwire_stream s;
    if (wire == NULL)
        INVARIANT(tripwire_new(&wire, "canarycanary1234", NULL) == 0);
    if (size == 0)
        return 0;
    unsigned seed = data[0];
    for (size_t i = 1; i < size; i++) {
        if (data[i] >= 0xE0)
            (void)buf_add_str(&text, pieces[data[i] - 0xE0]);
        else
            (void)buf_add_char(&text, (char)data[i]);
    }
    tripwire_scan(wire, buf_str(&text), text.len, note, &whole);
    tripwire_stream_init(&s);
    size_t most = seed % 5 == 0 ? 1 : 1 + seed * 9;
    for (size_t at = 0; at < text.len;) {
        size_t n = 1 + (size_t)rand_r(&seed) % most;
        n = n < text.len - at ? n : text.len - at;
        char *piece = xmemdup(text.ptr + at, n);
        tripwire_feed(wire, &s, piece, n, note, &parts);
        free(piece);
        at += n;
    }
    tripwire_end(wire, &s, note, &parts);
    INVARIANT(strcmp(buf_str(&whole), buf_str(&parts)) == 0);
    size_t hits = 0;
    for (const char *c = buf_str(&whole); *c != '\0'; c++)
        hits += *c == '\n';
    INVARIANT(hits <= TRIPWIRE_HITS_MAX + 1);
    buf_release(&text);
    buf_release(&whole);
    buf_release(&parts);
    return 0;
}
