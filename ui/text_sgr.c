/* text_sgr.c - SGR, the one escape sequence that is let through: parsed into colours of ours. */
#include "ui/text_int.h"

static uint8_t nearest_ansi(unsigned r, unsigned g, unsigned b)
{
    unsigned max = r > g ? (r > b ? r : b) : (g > b ? g : b);
    unsigned min = r < g ? (r < b ? r : b) : (g < b ? g : b);
    if (max - min < 32) /* grey */
        return max < 48 ? 1 : max < 144 ? 9 : max < 216 ? 8 : 16;
    unsigned half = min + (max - min) / 2;
    unsigned hue = (r > half) | (unsigned)(g > half) << 1 | (unsigned)(b > half) << 2;
    return (uint8_t)(1 + hue + (max > 200 ? 8 : 0));
}

static uint8_t ansi_of_256(unsigned n)
{
    static const uint8_t level[6] = { 0, 95, 135, 175, 215, 255 };
    if (n < 16)
        return (uint8_t)(n + 1);
    if (n < 232)
        return nearest_ansi(level[(n - 16) / 36], level[(n - 16) / 6 % 6], level[(n - 16) % 6]);
    unsigned grey = 8 + (n - 232) * 10;
    return nearest_ansi(grey, grey, grey);
}

/* 38/48: colour from the parameters behind; returns how many of them were used. */
static size_t extended_color(const unsigned *v, size_t n, uint8_t *out)
{
    if (n >= 2 && v[0] == 5) {
        *out = v[1] < 256 ? ansi_of_256(v[1]) : 0;
        return 2;
    }
    if (n >= 4 && v[0] == 2) {
        *out = nearest_ansi(v[1] & 255, v[2] & 255, v[3] & 255);
        return 4;
    }
    return n;
}

static void apply_sgr(struct text_sgr *s, const unsigned *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned p = v[i];
        if (p == 0)
            *s = (struct text_sgr){ 0 };
        else if (p == 1)
            s->bold = true;
        else if (p == 22)
            s->bold = false;
        else if (p == 4 || p == 21)
            s->underline = true;
        else if (p == 24)
            s->underline = false;
        else if (p >= 30 && p <= 37)
            s->fg = (uint8_t)(p - 29);
        else if (p >= 90 && p <= 97)
            s->fg = (uint8_t)(p - 81);
        else if (p >= 40 && p <= 47)
            s->bg = (uint8_t)(p - 39);
        else if (p >= 100 && p <= 107)
            s->bg = (uint8_t)(p - 91);
        else if (p == 39)
            s->fg = 0;
        else if (p == 49)
            s->bg = 0;
        else if (p == 38 || p == 48)
            i += extended_color(v + i + 1, n - i - 1, p == 38 ? &s->fg : &s->bg);
    }
}

size_t text_parse_sgr(const char *p, size_t len, struct text_sgr *s)
{
    unsigned v[24] = { 0 };
    size_t n = 0, i = 2;
    if (len < 3 || p[1] != '[')
        return 0;
    for (; i < len && i < 64; i++) {
        char c = p[i];
        if (c >= '0' && c <= '9') {
            if (v[n] < 10000)
                v[n] = v[n] * 10 + (unsigned)(c - '0');
        } else if (c == ';' || c == ':') {
            /* 38:2::r:g:b has an empty colour space; 4:3 is a style of underline */
            bool space = c == ':' && p[i - 1] == ':' && v[n - 1] == 2;
            if (!space && ++n == ARRAY_LEN(v))
                return 0;
        } else {
            break;
        }
    }
    if (i >= len || p[i] != 'm')
        return 0;
    apply_sgr(s, v, n + 1);
    return i + 1;
}

/* Equal colours hide text, black on the terminal's own background may. */
struct text_sgr text_visible_sgr(struct text_sgr s)
{
    if (s.bg && s.fg == s.bg)
        s.fg = s.bg = 0;
    if (s.fg == 1 && s.bg == 0)
        s.fg = 9;
    return s;
}
