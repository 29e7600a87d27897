/* script.c - see script.h. */
#include "gate/script.h"

#include <stdio.h>
#include <string.h>

#define MS INT64_C(1000)

static uint64_t state;

void script_seed(uint64_t seed)
{
    state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (int i = 0; i < 4; i++)
        (void)draw(2);
}

uint32_t draw(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return below != 0 ? (uint32_t)(state >> 32) % below : 0;
}

/* ---- times ---- */

/* Fingers, pauses, and the borders of the rules. */
static int64_t some_gap(void)
{
    static const int64_t borders[] = { 29, 30, 31, 249, 250, 499, 500, 501, 1999, 2000, 2001 };
    switch (draw(8)) {
    case 0:
        return borders[draw(ARRAY_LEN(borders))] * MS;
    case 1:
        return (400 + draw(300)) * MS;
    case 2:
        return (100 + draw(400)) * MS;
    case 3:
        return draw(2000) * MS + 12 * MS;
    default:
        return (12 + draw(80)) * MS;
    }
}

static struct step *add(struct script *s, enum step_kind kind, int64_t gap_us)
{
    static struct step spare;
    struct step *k = s->count < STEPS_MAX ? &s->steps[s->count++] : &spare;
    *k = (struct step){ .kind = kind, .gap_us = gap_us };
    return k;
}

static void add_bytes(struct script *s, enum step_kind kind, int64_t gap_us, const char *p,
                      size_t len)
{
    struct step *k = add(s, kind, gap_us);
    k->len = len < sizeof k->bytes ? len : sizeof k->bytes;
    memcpy(k->bytes, p, k->len);
}

static void add_key(struct script *s, int64_t gap_us, const char *key)
{
    add_bytes(s, STEP_KEY, gap_us, key, strlen(key));
}

static void add_letters(struct script *s, const char *word, size_t len)
{
    char key[2] = "";
    for (size_t i = 0; i < len; i++) {
        key[0] = word[i];
        add_key(s, (12 + draw(60)) * MS, key);
    }
}

/* ---- input that is no key press ---- */

/* In pieces. A sequence that stops for longer than an Escape is kept waiting (30 ms) is by then no
 * sequence for anybody; a paste that has begun may take its time. */
static void add_split(struct script *s, const char *p, size_t len, int64_t gap_us)
{
    static const int64_t gaps[] = { 0, 1, 4, 10, 29, 31, 60, 300, 520, 700 };
    bool paste = len > 6 && memcmp(p, "\033[200~", 6) == 0;
    size_t at = 0;
    while (at < len) {
        size_t n = 1 + draw((uint32_t)(len - at));
        add_bytes(s, STEP_NOISE, gap_us, p + at, n);
        at += n;
        gap_us = gaps[draw(paste && at >= 6 ? ARRAY_LEN(gaps) : 5)] * MS;
    }
}

static void add_noise(struct script *s, const struct oracle_gate *g)
{
    static const char *const reports[] = { "\033[3;17R",
                                           "\033[?62;22c",
                                           "\033]11;rgb:aaaa/aaaa/aaaa\a",
                                           "\033P1$r0m\033\\",
                                           "\033[I",
                                           "\033[O",
                                           "\033[200~",
                                           "\033[201~",
                                           "\033[97;1u",
                                           "\033[1;5A",
                                           "\033_Ga\033\\",
                                           "\033aa",
                                           "\033[27;5;9~",
                                           "\x1b[a",
                                           "\xc3\xa4\xff\xc3",
                                           "\033]a" };
    char text[64];
    int64_t gap = some_gap();
    switch (draw(6)) {
    case 0: /* a paste, whole or in pieces */
        snprintf(text, sizeof text, "\033[200~a%sunread%.2sa\033[201~", draw(2) ? "\n" : "",
                 g->hex);
        if (draw(3) == 0)
            add_bytes(s, STEP_NOISE, gap, text, strlen(text));
        else
            add_split(s, text, strlen(text), gap);
        break;
    case 1: /* faster than fingers */
        snprintf(text, sizeof text, "a%.2sa%.2sraunread", g->hex, g->hex);
        add_bytes(s, STEP_NOISE, gap, text, 2 + draw((uint32_t)strlen(text) - 1));
        break;
    case 2: /* the same, byte by byte */
        snprintf(text, sizeof text, "a%.2s", g->hex);
        for (size_t i = 0, n = 2 + draw(2); i < n; i++)
            add_bytes(s, STEP_NOISE, i == 0 ? gap : draw(5) * MS, text + i, 1);
        break;
    case 3:
        snprintf(text, sizeof text, "\033[<%u;%u;%u%c", draw(4) == 0 ? 64 + draw(2) : draw(3),
                 1 + draw(80), 1 + draw(24), draw(3) ? 'M' : 'm');
        if (draw(3))
            add_bytes(s, STEP_NOISE, gap, text, strlen(text));
        else
            add_split(s, text, strlen(text), gap);
        break;
    default: {
        const char *p = reports[draw(ARRAY_LEN(reports))];
        if (draw(2))
            add_bytes(s, STEP_NOISE, gap, p, strlen(p));
        else
            add_split(s, p, strlen(p), gap);
    }
    }
}

/* ---- key presses ---- */

static void add_some_key(struct script *s)
{
    static const char *const keys[] = {
        "a",      "a",      "a",       "a",  "r",      "r",    "d",    "e", "E",    "l",
        "x",      "w",      "\033",    "\t", "\x07",   "\x07", "\x07", " ", "g",    "G",
        "\033[A", "\033[B", "\033[6~", "y",  "n",      "q",    "\r",   "1", "7",    "\x04",
        "\x0c",   "\x1a",   "?",       "?",  "\033OP", "i",    "u",    "f", "\x7f", "\x03",
        "j",      "k",      "/",       ":",  "\033[Z", "h",    "D",    "v", "z",    "Q"
    };
    add_key(s, some_gap(), keys[draw(ARRAY_LEN(keys))]);
}

static void add_repeat(struct script *s)
{
    static const char *const keys[] = { "a", "a", "r", " ", "\r", "y", "u" };
    const char *key = keys[draw(ARRAY_LEN(keys))];
    int64_t gap = some_gap(), every = (20 + draw(40)) * MS;
    for (size_t i = 0, n = 2 + draw(12); i < n; i++)
        add_key(s, i == 0 ? gap : every, key);
}

/* As a person does who means it: go there, read all of it, wait, press. With a slip now and then.
 */
static void add_approval(struct script *s, const struct oracle_gate *g)
{
    bool reads = draw(4) != 0, asks_hex = g->high || g->confirm_hex;
    if (draw(2))
        add_key(s, some_gap(), "\x07");
    if (reads) {
        /* Not armed yet, so the first keys would only be thrown away. */
        add_key(s, (510 + draw(300)) * MS, "g");
        for (size_t i = 0, n = 1 + draw(16); i < n; i++)
            add_key(s, (14 + draw(60)) * MS, " ");
    }
    add_key(s, (draw(3) ? 505 + draw(500) : 30 + draw(480)) * MS, draw(6) ? "a" : "r");
    if (!reads || draw(4) == 0)
        add_letters(s, "unread", draw(8) ? 6 : draw(6));
    if (asks_hex || draw(10) == 0)
        add_letters(s, draw(10) ? g->hex : "00", draw(10) ? 2 : 1);
}

static void add_event(struct script *s)
{
    static const int sizes[][2] = { { 80, 24 }, { 40, 10 }, { 39, 9 }, { 60, 16 }, { 100, 30 },
                                    { 20, 5 },  { 41, 30 }, { 1, 1 },  { 120, 12 } };
    struct step *k;
    size_t size;
    switch (draw(8)) {
    case 0:
    case 1:
    case 2:
        size = draw(ARRAY_LEN(sizes));
        k = add(s, STEP_RESIZE, some_gap());
        k->w = sizes[size][0];
        k->h = sizes[size][1];
        break;
    case 3:
    case 4:
        (void)add(s, STEP_CONT, some_gap());
        break;
    case 5:
    case 6:
        k = add(s, STEP_STALL, some_gap());
        k->wait_us = draw(1500) * MS;
        break;
    default:
        (void)add(s, draw(6) ? STEP_CLOSE : (enum step_kind)(STEP_EOF + draw(3)), some_gap());
    }
}

static void add_anything(struct script *s, const struct oracle_gate *g)
{
    switch (draw(10)) {
    case 0:
    case 1:
        add_noise(s, g);
        break;
    case 2:
        add_repeat(s);
        break;
    case 3:
        add_event(s);
        break;
    case 4:
        add_approval(s, g);
        break;
    default:
        add_some_key(s);
    }
}

/* Something in the middle of what a person meant. */
static void interrupt(struct script *s, const struct oracle_gate *g)
{
    static struct step rest[STEPS_MAX];
    size_t from = draw((uint32_t)s->count), n;
    while (from > 0 && s->steps[from].kind == STEP_NOISE)
        from--; /* not into a sequence: what follows would be none */
    n = s->count - from;
    memcpy(rest, &s->steps[from], n * sizeof *rest);
    s->count = from;
    draw(2) ? add_event(s) : add_noise(s, g);
    n = n < STEPS_MAX - s->count ? n : STEPS_MAX - s->count;
    memcpy(&s->steps[s->count], rest, n * sizeof *rest);
    s->count += n;
}

void script_make(struct script *s, const struct oracle_gate *g)
{
    s->count = 0;
    s->fresh = draw(4) != 0;
    for (size_t n = draw(4) ? 0 : 1 + draw(3); n > 0; n--) /* type-ahead */
        add_anything(s, g);
    (void)add(s, STEP_OPEN, draw(2000) * MS);
    for (size_t n = draw(4); n > 0; n--)
        add_anything(s, g);
    if (draw(2))
        add_approval(s, g);
    for (size_t n = draw(5); n > 0; n--)
        add_anything(s, g);
    if (draw(3) == 0 && s->count < STEPS_MAX)
        interrupt(s, g);
}
