/* theme.c - themes: parsing, loading, and what a style looks like on this terminal. */
#include "ui/theme.h"

#include <stdio.h>
#include <string.h>
#include "base/share.h"

static const char *const names[] = { "default", "light", "mono", "high-contrast", NULL };

const char *const *theme_names(void)
{
    return names;
}

static const char *const color_names[16] = {
    "black",        "red",           "green",       "yellow",         "blue",
    "magenta",      "cyan",          "white",       "bright-black",   "bright-red",
    "bright-green", "bright-yellow", "bright-blue", "bright-magenta", "bright-cyan",
    "bright-white",
};

static int parse_color(const char *word)
{
    for (int i = 0; i < 16; i++)
        if (strcmp(word, color_names[i]) == 0)
            return i;
    int n = 0;
    for (const char *p = word; *p; p++) {
        if (*p < '0' || *p > '9' || n > 255)
            return -1;
        n = n * 10 + (*p - '0');
    }
    return *word && n <= 255 ? n : -1;
}

static int parse_attr(const char *word)
{
    static const char *const attrs[] = { "bold", "underline", "reverse", "dim" };
    for (unsigned i = 0; i < ARRAY_LEN(attrs); i++)
        if (strcmp(word, attrs[i]) == 0)
            return 1 << i;
    return 0;
}

static int parse_look(struct theme_look *look, char *words, const char *name, int line,
                      struct err *e)
{
    bool on = false;
    char *save = NULL;
    *look = (struct theme_look){ -1, -1, 0 };
    for (char *w = strtok_r(words, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
        int attr = parse_attr(w), color = parse_color(w);
        if (strcmp(w, "on") == 0) {
            on = true;
        } else if (attr) {
            look->attrs |= (uint8_t)attr;
        } else if (color >= 0 && on) {
            look->bg = (int16_t)color;
        } else if (color >= 0) {
            look->fg = (int16_t)color;
        } else {
            return err_set(e, ERR_FORMAT, "theme %s:%d: \"%s\" is no colour and no attribute", name,
                           line, w);
        }
    }
    return 0;
}

static char *trim(char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    size_t n = strlen(s);
    while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '\r'))
        s[--n] = '\0';
    return s;
}

static int parse_line(struct theme *t, char *text, const char *name, int line, struct err *e)
{
    char *s = trim(text);
    if (*s == '\0' || *s == '#')
        return 0;
    char *eq = strchr(s, '=');
    if (!eq)
        return err_set(e, ERR_FORMAT, "theme %s:%d: expected role = look", name, line);
    *eq = '\0';
    char *key = trim(s), *value = trim(eq + 1);
    if (strcmp(key, "color") == 0) {
        t->color = strcmp(value, "yes") == 0;
        return 0;
    }
    for (int r = 0; r < ROLE_MAX; r++)
        if (strcmp(key, style_role_name((enum style_role)r)) == 0)
            return parse_look(&t->role[r], value, name, line, e);
    return err_set(e, ERR_FORMAT, "theme %s:%d: no role \"%s\"", name, line, key);
}

int theme_parse(struct theme *t, const char *name, const char *text, size_t len, struct err *e)
{
    struct theme made = { .color = true };
    int line = 0;
    snprintf(made.name, sizeof made.name, "%s", name);
    for (int r = 0; r < ROLE_MAX; r++)
        made.role[r] = (struct theme_look){ -1, -1, 0 };
    while (len) {
        const char *lf = memchr(text, '\n', len);
        size_t n = lf ? (size_t)(lf - text) : len;
        char room[256];
        line++;
        if (n >= sizeof room)
            return err_set(e, ERR_FORMAT, "theme %s:%d: line too long", name, line);
        memcpy(room, text, n);
        room[n] = '\0';
        if (parse_line(&made, room, name, line, e) < 0)
            return -1;
        n += lf != NULL;
        text += n;
        len -= n;
    }
    *t = made;
    return 0;
}

int theme_load(struct theme *t, const char *name, int colors, struct err *e)
{
    char path[64];
    bool known = false;
    for (size_t i = 0; names[i]; i++)
        known = known || strcmp(names[i], name) == 0;
    if (!known)
        return err_set(e, ERR_USAGE,
                       "no theme \"%s\"; there are default, light, mono, high-contrast", name);
    if (colors < 8)
        name = "mono";
    snprintf(path, sizeof path, "themes/%s.theme", name);
    const struct share_file *f = share_find(path);
    if (!f)
        return err_set(e, ERR_MISSING, "theme \"%s\" was not built in", name);
    return theme_parse(t, name, f->ptr, f->len, e);
}

/* ---- colours ---- */

/* The usual values of the 16; terminals differ, but the order of nearness hardly does. */
static const uint8_t ansi_rgb[16][3] = {
    { 0, 0, 0 },       { 205, 0, 0 },   { 0, 205, 0 },   { 205, 205, 0 },
    { 0, 0, 238 },     { 205, 0, 205 }, { 0, 205, 205 }, { 229, 229, 229 },
    { 127, 127, 127 }, { 255, 0, 0 },   { 0, 255, 0 },   { 255, 255, 0 },
    { 92, 92, 255 },   { 255, 0, 255 }, { 0, 255, 255 }, { 255, 255, 255 },
};
static const uint8_t cube[6] = { 0, 95, 135, 175, 215, 255 };

static int nearest_ansi(int r, int g, int b, int count)
{
    int best = 0;
    long least = 1L << 30;
    for (int i = 0; i < count; i++) {
        long dr = r - ansi_rgb[i][0], dg = g - ansi_rgb[i][1], db = b - ansi_rgb[i][2];
        long d = 2 * dr * dr + 4 * dg * dg + 3 * db * db;
        if (d < least) {
            least = d;
            best = i;
        }
    }
    return best;
}

static int cube_step(int v)
{
    return v < 48 ? 0 : v < 115 ? 1 : (v - 35) / 40;
}

int theme_nearest_rgb(uint8_t r, uint8_t g, uint8_t b, int colors)
{
    if (colors < 8)
        return -1;
    if (colors < 256)
        return nearest_ansi(r, g, b, colors < 16 ? 8 : 16);
    int cr = cube_step(r), cg = cube_step(g), cb = cube_step(b), mean = (r + g + b) / 3;
    int grey = mean < 3 ? 0 : mean > 238 ? 23 : (mean - 3) / 10;
    int gv = 8 + grey * 10;
    int dc = (r - cube[cr]) * (r - cube[cr]) + (g - cube[cg]) * (g - cube[cg]) +
             (b - cube[cb]) * (b - cube[cb]);
    int dg = (r - gv) * (r - gv) + (g - gv) * (g - gv) + (b - gv) * (b - gv);
    return dg < dc ? 232 + grey : 16 + 36 * cr + 6 * cg + cb;
}

int theme_reduce_color(int index, int colors)
{
    if (colors < 8 || index < 0)
        return -1;
    if (index < colors)
        return index;
    if (index < 16)
        return index - 8; /* 8 colours: the bright ones lose their brightness */
    int r, g, b;
    if (index >= 232) {
        r = g = b = 8 + (index - 232) * 10;
    } else {
        r = cube[(index - 16) / 36];
        g = cube[(index - 16) / 6 % 6];
        b = cube[(index - 16) % 6];
    }
    return nearest_ansi(r, g, b, colors < 16 ? 8 : 16);
}

bool theme_is_rgb(uint16_t of_style, uint8_t rgb[3])
{
    if (of_style <= 256)
        return false;
    for (int k = 0; k < 3; k++) {
        int five = (of_style - 257) >> (10 - 5 * k) & 31;
        rgb[k] = (uint8_t)(five << 3 | five >> 2);
    }
    return true;
}

static int index_of(uint16_t of_style)
{
    uint8_t rgb[3];
    return theme_is_rgb(of_style, rgb) ? theme_nearest_rgb(rgb[0], rgb[1], rgb[2], 256)
                                       : of_style - 1;
}

struct theme_look theme_resolve(const struct theme *t, struct style st, int colors)
{
    struct theme_look look = t->role[st.role < ROLE_MAX ? st.role : ROLE_TEXT];
    look.attrs |= st.attrs;
    if (t->color && colors >= 8) {
        if (st.fg)
            look.fg = (int16_t)index_of(st.fg);
        if (st.bg)
            look.bg = (int16_t)index_of(st.bg);
    } else {
        look.fg = look.bg = -1;
    }
    bool dim_grey = look.fg == 8 && colors < 16 && colors >= 8;
    look.fg = (int16_t)theme_reduce_color(look.fg, colors);
    look.bg = (int16_t)theme_reduce_color(look.bg, colors);
    if (dim_grey) { /* grey does not exist there, and black would not be seen */
        look.fg = -1;
        look.attrs |= STYLE_DIM;
    }
    if (look.fg >= 0 && look.fg == look.bg)
        look.fg = look.bg = -1;
    return look;
}
