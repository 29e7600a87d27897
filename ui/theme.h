/* theme.h - what a role looks like: colours and attributes, read from share/themes/. One meaning
 * per colour, always with a glyph or word, so every theme may drop colour altogether. [peers §3] */
#ifndef AIRLOCK_UI_THEME_H
#define AIRLOCK_UI_THEME_H

#include "ui/cell.h"

struct theme_look {
    int16_t fg, bg; /* -1 the terminal's own; else 0–255 */
    uint8_t attrs;  /* enum style_attr */
};
struct theme {
    char name[32];
    struct theme_look role[ROLE_MAX];
    bool color; /* false: also SGR and pictures are drawn without colour */
};

/* One of share/themes ("default", "light", "mono", "high-contrast"). ERR_MISSING lists them;
 * ERR_FORMAT names the line. `colors` is what the terminal has (0, 8, 16, 256 …) and NO_COLOR makes
 * it 0: below 8 the theme `mono` is used whatever was asked for. */
int theme_load(struct theme *t, const char *name, int colors, struct err *e) MUST_CHECK;
/* The text of a theme file. */
int theme_parse(struct theme *t, const char *name, const char *text, size_t len,
                struct err *e) MUST_CHECK;
/* Final look of a cell on a terminal with `colors` colours (256-colour values are brought down). */
struct theme_look theme_resolve(const struct theme *t, struct style st, int colors);
/* Names there are, NULL-terminated. */
const char *const *theme_names(void);
/* Nearest of the first `colors` (8, 16) for one of 256; nearest of 256 for an RGB. */
int theme_reduce_color(int index, int colors);
int theme_nearest_rgb(uint8_t r, uint8_t g, uint8_t b, int colors);
/* fg or bg of a style, as above: is it a colour by its parts? They go to rgb. */
bool theme_is_rgb(uint16_t of_style, uint8_t rgb[3]);

#endif
