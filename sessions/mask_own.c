/* mask_own.c - the person's own masks: regular expressions from the configuration. */
#include <stdlib.h>

#include "base/line_regex.h"
#include "sessions/mask_int.h"

#define NAME_MAX_OWN  24
#define STEPS_OF_LINE ((size_t)1 << 20) /* then the rest of the line stays as it is */

/* The configuration is the process's, and so are these. */
static struct own {
    char *name;
    struct line_regex *re;
    struct line_regex_scan *scan;
} own[MASK_OWN_MAX];
static size_t own_count;

static bool is_name(const char *s)
{
    size_t n = strlen(s);
    return n >= 1 && n <= NAME_MAX_OWN && s[0] >= 'a' && s[0] <= 'z' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == n && strcmp(s, "all") != 0 &&
           strcmp(s, "none") != 0;
}

int mask_define(const char *name, const char *pattern, struct err *e)
{
    if (!is_name(name))
        return err_set(e, ERR_USAGE, "mask '%.40s': a name is a-z, digits and _, at most %d bytes",
                       name, NAME_MAX_OWN);
    for (unsigned k = 0; k < mask_count(); k++) {
        if (strcmp(mask_name(k), name) == 0)
            return err_set(e, ERR_USAGE, "mask '%.40s' exists already", name);
    }
    if (own_count == MASK_OWN_MAX)
        return err_set(e, ERR_USAGE, "more than %d masks of your own", MASK_OWN_MAX);
    struct own *o = &own[own_count];
    if (line_regex_new(&o->re, pattern, e) < 0)
        return err_wrap(e, "mask '%.40s'", name);
    o->scan = line_regex_scan_new(o->re);
    o->name = xstrdup(name);
    own_count++;
    return 0;
}

void mask_forget_own(void)
{
    while (own_count > 0) {
        struct own *o = &own[--own_count];
        line_regex_scan_free(o->scan);
        line_regex_free(o->re);
        free(o->name);
        *o = (struct own){ .name = NULL };
    }
}

size_t mask_own_count(void)
{
    return own_count;
}

const char *mask_own_name(size_t nth)
{
    return own[nth].name;
}

int mask_own_line(size_t nth, const char *line, size_t len, struct buf *out)
{
    const struct own *o = &own[nth];
    size_t steps = STEPS_OF_LINE, at = 0, start, n;
    int found = 0;
    while (line_regex_span(o->scan, line, len, at, &steps, &start, &n)) {
        if (buf_add(out, line + at, start - at) < 0 || buf_addf(out, "<%s>", o->name) < 0)
            return -1;
        at = start + n;
        found = 1;
    }
    return buf_add(out, line + at, len - at) < 0 ? -1 : found;
}
