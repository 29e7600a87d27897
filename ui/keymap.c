/* keymap.c - looking things up in the table, and the documents made from it. */
#include "ui/keymap.h"

#include <stdio.h>
#include <string.h>
#include "base/utf8.h"

const struct keymap_entry *keymap_find_key(unsigned context, uint32_t key)
{
    size_t n;
    const struct keymap_entry *t = keymap_table(&n);
    if (key == KEYMAP_NONE)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (!(t[i].where & (context | KEYMAP_EVERYWHERE)) || (t[i].where & KEYMAP_ONLY_SHOWN))
            continue;
        if (t[i].id == CMD_PANE && key >= '1' && key <= '8')
            return &t[i];
        for (size_t k = 0; k < KEYMAP_KEYS_MAX && t[i].keys[k]; k++)
            if (t[i].keys[k] == key)
                return &t[i];
    }
    return NULL;
}

const struct keymap_entry *keymap_find_word(const char *word, size_t len)
{
    size_t n;
    const struct keymap_entry *t = keymap_table(&n), *prefix = NULL;
    bool several = false;
    if (len == 0)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (!(t[i].where & KEYMAP_AS_COMMAND) || strncmp(t[i].name, word, len) != 0)
            continue;
        if (t[i].name[len] == '\0')
            return &t[i];
        several = several || prefix != NULL; /* go on: an exact one may follow */
        prefix = &t[i];
    }
    return several ? NULL : prefix;
}

const struct keymap_entry *keymap_entry(enum keymap_command id)
{
    size_t n;
    const struct keymap_entry *t = keymap_table(&n);
    for (size_t i = 0; i < n; i++)
        if (t[i].id == id)
            return &t[i];
    return NULL;
}

const char *keymap_key_name(uint32_t key)
{
    static const struct {
        uint32_t key;
        const char *name;
    } names[] = {
        { KEYMAP_UP, "Up" },          { KEYMAP_DOWN, "Down" },     { KEYMAP_LEFT, "Left" },
        { KEYMAP_RIGHT, "Right" },    { KEYMAP_PGUP, "PgUp" },     { KEYMAP_PGDN, "PgDn" },
        { KEYMAP_HOME, "Home" },      { KEYMAP_END, "End" },       { KEYMAP_INSERT, "Ins" },
        { KEYMAP_DELETE, "Del" },     { KEYMAP_BACKTAB, "S-Tab" }, { KEYMAP_TAB, "Tab" },
        { KEYMAP_ENTER, "Enter" },    { KEYMAP_ESC, "Esc" },       { KEYMAP_SPACE, "Space" },
        { KEYMAP_BACKSPACE, "Back" },
    };
    static char room[4][16];
    static unsigned turn;
    char *out = room[turn++ % 4];
    const char *alt = key & KEYMAP_ALT ? "M-" : "";
    key &= ~KEYMAP_ALT;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].key == key) {
            snprintf(out, sizeof room[0], "%s%s", alt, names[i].name);
            return out;
        }
    if (key >= KEYMAP_F1 && key <= KEYMAP_F12) {
        snprintf(out, sizeof room[0], "%sF%u", alt, (unsigned)(key - KEYMAP_F1 + 1));
    } else if (key < 0x20) {
        snprintf(out, sizeof room[0], "%s^%c", alt, (char)(key + 0x40));
    } else {
        char cp[5] = { 0 };
        utf8_encode(key, cp);
        snprintf(out, sizeof room[0], "%s%s", alt, cp);
    }
    return out;
}

void keymap_key_names(const struct keymap_entry *e, char *out, size_t size)
{
    size_t at = 0;
    if (size)
        out[0] = '\0';
    if (e->id == CMD_PANE) {
        snprintf(out, size, "1-8");
        return;
    }
    for (size_t k = 0; k < KEYMAP_KEYS_MAX && e->keys[k] && at < size; k++) {
        int n = snprintf(out + at, size - at, "%s%s", k ? " " : "", keymap_key_name(e->keys[k]));
        at += n > 0 ? (size_t)n : 0;
    }
}

size_t keymap_complete(const char *prefix, const char **out, size_t max)
{
    size_t n, found = 0, len = strlen(prefix);
    const struct keymap_entry *t = keymap_table(&n);
    for (size_t i = 0; i < n && found < max; i++)
        if ((t[i].where & KEYMAP_AS_COMMAND) && strncmp(t[i].name, prefix, len) == 0)
            out[found++] = t[i].name;
    return found;
}

/* Edits (insert, drop, change, swap of neighbours) from a to b, for words of our table's length. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), d[24][24];
    if (n >= 24 || m >= 24)
        return 99;
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

const char *keymap_suggest(const char *word)
{
    size_t n, best = 3;
    const struct keymap_entry *t = keymap_table(&n);
    const char *name = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!(t[i].where & KEYMAP_AS_COMMAND))
            continue;
        size_t d = distance(word, t[i].name);
        if (d < best && d < strlen(t[i].name)) {
            best = d;
            name = t[i].name;
        }
    }
    return name;
}

size_t keymap_hints(unsigned context, struct keymap_hint *out, size_t max)
{
    size_t n, found = 0;
    const struct keymap_entry *t = keymap_table(&n);
    for (size_t i = 0; i < n && found < max; i++) {
        if (!(t[i].where & (context | KEYMAP_EVERYWHERE)) || !t[i].hint[0])
            continue;
        if (t[i].id == CMD_HELP && found && strcmp(out[found - 1].word, "keys") == 0)
            continue; /* one way to the help is enough */
        snprintf(out[found].key, sizeof out[found].key, "%s", keymap_key_name(t[i].keys[0]));
        out[found].id = t[i].id;
        out[found++].word = t[i].hint;
    }
    return found;
}

/* ---- documents ---- */

static const struct {
    unsigned where;
    const char *title;
} groups[] = {
    { KEYMAP_IN_GATE, "In the gate" },       { KEYMAP_EVERYWHERE, "Everywhere, also while typing" },
    { KEYMAP_IN_PROMPT, "At the prompt" },   { KEYMAP_IN_PANE | KEYMAP_IN_LIST, "In the panes" },
    { KEYMAP_IN_PLAN, "In the plan" },       { KEYMAP_IN_START, "In the list of sessions" },
    { KEYMAP_IN_REPLAY, "In a replay" },     { KEYMAP_IN_DIFF, "In a comparison" },
    { KEYMAP_IN_HITS, "In what was found" }, { KEYMAP_IN_PAGE, "On a page" },
};

/* The group an entry is printed in: the first that it belongs to. */
static bool in_group(const struct keymap_entry *e, size_t g)
{
    if (!e->keys[0] || !(e->where & groups[g].where))
        return false;
    bool moves = (e->id >= CMD_UP && e->id <= CMD_BOTTOM) || e->id == CMD_NEXT_PANE ||
                 e->id == CMD_PREV_PANE || (e->id == CMD_HELP && e->keys[0] == '?');
    if (groups[g].where == KEYMAP_IN_GATE && moves)
        return false;
    if (groups[g].where == KEYMAP_IN_START || groups[g].where == KEYMAP_IN_PLAN ||
        groups[g].where == KEYMAP_IN_DIFF || groups[g].where == KEYMAP_IN_HITS ||
        groups[g].where == KEYMAP_IN_PAGE)
        return e->where == groups[g].where;
    return groups[g].where != (KEYMAP_IN_PANE | KEYMAP_IN_LIST) || !(e->where & KEYMAP_EVERYWHERE);
}

static int print_group(size_t g, struct buf *out)
{
    size_t n;
    const struct keymap_entry *t = keymap_table(&n);
    char keys[64];
    int rc = buf_addf(out, "%s\n", groups[g].title);
    for (size_t i = 0; i < n; i++) {
        if (!in_group(&t[i], g))
            continue;
        keymap_key_names(&t[i], keys, sizeof keys);
        rc |= buf_addf(out, "  %-14s %s\n", keys, t[i].help);
    }
    return rc | buf_add_char(out, '\n');
}

int keymap_print_help(unsigned first, struct buf *out)
{
    size_t n;
    const struct keymap_entry *t = keymap_table(&n);
    int rc = 0;
    for (int others = 0; others < 2; others++) {
        for (size_t g = 0; g < ARRAY_LEN(groups); g++)
            rc |= (groups[g].where == first) != others ? print_group(g, out) : 0;
    }
    rc |= buf_add_str(out, "Commands, behind a colon\n");
    for (size_t i = 0; i < n; i++) {
        char word[64];
        if (!(t[i].where & KEYMAP_AS_COMMAND))
            continue;
        snprintf(word, sizeof word, ":%s %s", t[i].name, t[i].args);
        rc |= buf_addf(out, "  %-28s %s\n", word, t[i].help);
    }
    return rc < 0 ? -1 : 0;
}

/* mdoc: a backslash and a leading dot or quote need care; ours hold no backslash. */
static int man_text(struct buf *out, const char *s)
{
    if (*s == '.' || *s == '\'')
        return buf_addf(out, "\\&%s\n", s);
    return buf_addf(out, "%s\n", s);
}

static int man_item(struct buf *out, const char *tag, const struct keymap_entry *e)
{
    int rc = buf_addf(out, ".It %s\n", tag);
    rc |= man_text(out, e->help);
    if (e->man[0]) {
        rc |= buf_add_str(out, ".Pp\n");
        rc |= man_text(out, e->man);
    }
    return rc;
}

int keymap_print_man(struct buf *out)
{
    size_t n;
    const struct keymap_entry *t = keymap_table(&n);
    char keys[64];
    int rc = buf_add_str(out, ".Sh KEYS\n");
    for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
        rc |= buf_addf(out, ".Ss %s\n.Bl -tag -width Ds\n", groups[g].title);
        for (size_t i = 0; i < n; i++) {
            if (!in_group(&t[i], g))
                continue;
            keymap_key_names(&t[i], keys, sizeof keys);
            char tag[80];
            snprintf(tag, sizeof tag, "\\&%s", keys);
            rc |= man_item(out, tag, &t[i]);
        }
        rc |= buf_add_str(out, ".El\n");
    }
    rc |= buf_add_str(out, ".Sh COMMANDS OF THE PROMPT\n.Bl -tag -width Ds\n");
    for (size_t i = 0; i < n; i++) {
        char tag[80];
        if (!(t[i].where & KEYMAP_AS_COMMAND))
            continue;
        snprintf(tag, sizeof tag, "Ic \\&:%s %s%s", t[i].name, t[i].args[0] ? "Ar " : "",
                 t[i].args);
        rc |= man_item(out, tag, &t[i]);
    }
    rc |= buf_add_str(out, ".El\n");
    return rc < 0 ? -1 : 0;
}
