/* drive.c - runs a fuzz target without a fuzzer: every seed as it is, then mutations of the seeds
 * from a fixed beginning, so that a failure comes again. A finding aborts, as under a fuzzer.
 *
 * Usage: fuzz_NAME SEEDS [COUNT [FILE]]. SEEDS holds one seed after the other between lines of
 * "%%"; \xHH stands for a byte. Each input is written to FILE first, if named: slow, for after a
 * crash. `fuzz_NAME -split SEEDS DIR` writes the seeds as files, for a coverage-guided fuzzer;
 * `fuzz_NAME -one FILE` runs one input. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/path.h"

#define SEEDS_MAX  64
#define INPUT_MAX  8192
#define PATIENCE_S 2 /* a slow target is tried less often, and says so */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf seeds[SEEDS_MAX];
static size_t seed_count;
static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static uint32_t pick(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return below != 0 ? (uint32_t)(state >> 32) % below : 0;
}

/* ---- seeds ---- */

static int hex_of(char c)
{
    const char *digits = "0123456789abcdef", *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

static void add_seed(const char *p, size_t len)
{
    struct buf *b = &seeds[seed_count];
    INVARIANT(seed_count < SEEDS_MAX);
    buf_init(b, INPUT_MAX);
    for (size_t i = 0; i < len; i++) {
        bool escaped = p[i] == '\\' && i + 3 < len && p[i + 1] == 'x' && hex_of(p[i + 2]) >= 0 &&
                       hex_of(p[i + 3]) >= 0;
        char c = escaped ? (char)(hex_of(p[i + 2]) * 16 + hex_of(p[i + 3])) : p[i];
        INVARIANT(buf_add_char(b, c) == 0);
        i += escaped ? 3 : 0;
    }
    seed_count++;
}

static void read_seeds(const char *path)
{
    struct buf all = BUF_INIT(1 << 20);
    struct err e = ERR_INIT;
    if (path_read_file(path, &all, &e) < 0) {
        fprintf(stderr, "%s\n", e.msg);
        exit(2);
    }
    for (const char *at = buf_str(&all), *end; *at != '\0'; at = end) {
        const char *cut = strncmp(at, "%%\n", 3) == 0 ? at : strstr(at, "\n%%\n");
        size_t len = cut != NULL ? (size_t)(cut - at) + (cut != at) : strlen(at);
        end = at + len + (cut != NULL ? 3 : 0);
        if (len > 0)
            add_seed(at, len);
    }
    buf_release(&all);
}

/* ---- mutations ---- */

static uint8_t odd_byte(void)
{
    static const uint8_t odd[] = { 0,    1,    '\t', '\n', '\r', 0x1b, ' ',  '"',  '\'',
                                   '\\', '{',  '}',  '[',  ']',  '0',  '9',  ':',  ',',
                                   0x7f, 0x80, 0xbf, 0xc2, 0xe2, 0xed, 0xf0, 0xf4, 0xff };
    return pick(2) != 0 ? odd[pick(sizeof odd)] : (uint8_t)pick(256);
}

static size_t mutate(uint8_t *p, size_t len)
{
    size_t at = pick((uint32_t)len + 1), n = 1 + pick(pick(4) != 0 ? 4 : 64);
    const struct buf *other = &seeds[pick((uint32_t)seed_count)];
    switch (pick(6)) {
    case 0: /* a bit */
        if (at < len)
            p[at] ^= (uint8_t)(1u << pick(8));
        return len;
    case 1: /* a byte */
        if (at < len)
            p[at] = odd_byte();
        return len;
    case 2: /* bytes go */
        n = n < len - at ? n : len - at;
        memmove(p + at, p + at + n, len - at - n);
        return len - n;
    case 3: /* bytes come */
        n = n < INPUT_MAX - len ? n : INPUT_MAX - len;
        memmove(p + at + n, p + at, len - at);
        for (size_t i = 0; i < n; i++)
            p[at + i] = odd_byte();
        return len + n;
    case 4: /* a piece stands twice */
        n = n < len - at ? n : len - at;
        n = n < INPUT_MAX - len ? n : INPUT_MAX - len;
        memmove(p + at + n, p + at, len - at);
        return len + n;
    default: /* goes on as another seed does */
        if (other->len > at)
            memcpy(p + at, other->ptr + at, other->len - at);
        return other->len > at ? other->len : len;
    }
}

static void run(const char *keep, const uint8_t *p, size_t len)
{
    FILE *f = keep != NULL ? fopen(keep, "wb") : NULL;
    if (f != NULL) {
        (void)!fwrite(p, 1, len, f);
        fclose(f);
    }
    uint8_t *copy = xmemdup(p, len); /* its end is the end: reading on is seen */
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static unsigned long run_mutations(unsigned long count, const char *keep)
{
    static uint8_t input[INPUT_MAX];
    time_t end = time(NULL) + PATIENCE_S;
    for (unsigned long i = 0; i < count; i++) {
        const struct buf *seed = &seeds[pick((uint32_t)seed_count)];
        size_t len = seed->len;
        memcpy(input, seed->ptr, len);
        for (uint32_t n = 1 + pick(8); n > 0; n--)
            len = mutate(input, len);
        run(keep, input, len);
        if (i % 16 == 0 && time(NULL) > end)
            return i + 1;
    }
    return count;
}

static int split(const char *dir)
{
    struct err e = ERR_INIT;
    for (size_t i = 0; i < seed_count; i++) {
        char *path = xasprintf("%s/seed-%zu", dir, i);
        int rc = path_write_file(path, seeds[i].ptr, seeds[i].len, &e);
        free(path);
        if (rc < 0) {
            fprintf(stderr, "%s\n", e.msg);
            return 1;
        }
    }
    return 0;
}

static int run_file(const char *path)
{
    struct buf b = BUF_INIT(16 << 20);
    struct err e = ERR_INIT;
    if (path_read_file(path, &b, &e) < 0) {
        fprintf(stderr, "%s\n", e.msg);
        return 2;
    }
    run(NULL, (const uint8_t *)buf_str(&b), b.len);
    buf_release(&b);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "-one") == 0)
        return run_file(argv[2]);
    bool splits = argc == 4 && strcmp(argv[1], "-split") == 0;
    if (argc < 2)
        return 2;
    read_seeds(argv[splits ? 2 : 1]);
    if (seed_count == 0)
        return 2;
    if (splits)
        return split(argv[3]);
    const char *keep = argc > 3 ? argv[3] : NULL;
    for (size_t i = 0; i < seed_count; i++)
        run(keep, (const uint8_t *)seeds[i].ptr, seeds[i].len);
    unsigned long done = run_mutations(argc > 2 ? strtoul(argv[2], NULL, 10) : 2000, keep);
    printf("%zu seeds, %lu mutations\n", seed_count, done);
    for (size_t i = 0; i < seed_count; i++)
        buf_release(&seeds[i]);
    return 0;
}
