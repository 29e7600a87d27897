/* mask.c - the masks as one table of matchers, tried where a word begins. */
#include "sessions/mask.h"

#include <string.h>
#include <strings.h>

/* Matchers look at `s` from `at` on and at a bounded stretch before it, and return how many bytes
 * they take (0: none). They read past what they take only by a bounded stretch or a run of one
 * class of bytes that no other start lies in: so a line costs linear time. */
struct text {
    const char *s;
    size_t len;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(char c)
{
    return is_digit(c) || is_alpha(c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static char at(const struct text *t, size_t i)
{
    return i < t->len ? t->s[i] : '\0';
}

static char before(const struct text *t, size_t i, size_t back)
{
    return i >= back ? t->s[i - back] : '\0';
}

static size_t run_of(const struct text *t, size_t i, bool (*is)(char), size_t max)
{
    size_t n = 0;
    while (n < max && i + n < t->len && is(t->s[i + n]))
        n++;
    return n;
}

static size_t digits(const struct text *t, size_t i)
{
    return run_of(t, i, is_digit, SIZE_MAX);
}

/* Exactly `n` digits with a value from lo to hi. */
static bool number(const struct text *t, size_t i, size_t n, unsigned lo, unsigned hi)
{
    unsigned v = 0;
    if (run_of(t, i, is_digit, n) != n)
        return false;
    for (size_t k = 0; k < n; k++)
        v = v * 10 + (unsigned)(t->s[i + k] - '0');
    return v >= lo && v <= hi;
}

static bool starts(const struct text *t, size_t i, const char *word)
{
    size_t n = strlen(word);
    return i <= t->len && t->len - i >= n && strncasecmp(t->s + i, word, n) == 0;
}

static bool ends_here(const struct text *t, size_t i)
{
    return i >= t->len || !is_word(t->s[i]);
}

/* ---- progress ---- */

/* One cell of a bar: its bytes; *solid when it can't be mere text. */
static size_t bar_cell(const struct text *t, size_t i, bool *solid)
{
    char c = at(t, i);
    if (c != '\0' && strchr("=#>", c) != NULL)
        *solid = true;
    else if ((unsigned char)c == 0xe2 && (unsigned char)at(t, i + 1) == 0x96 &&
             (unsigned char)at(t, i + 2) >= 0x80 && (unsigned char)at(t, i + 2) <= 0x9f)
        return *solid = true, 3;
    else if (c == '\0' || strchr("-. ", c) == NULL)
        return 0;
    return 1;
}

/* "[===>   ]" or "|███   |", with " 45%" behind it. */
static size_t match_bar(const struct text *t, size_t from)
{
    char open = at(t, from);
    size_t i = from + 1, cells = 0, n;
    bool solid = false;
    if (open != '[' && open != '|')
        return 0;
    for (; (n = bar_cell(t, i, &solid)) > 0; cells++)
        i += n;
    if (!solid || cells < 3 || at(t, i) != (open == '[' ? ']' : '|'))
        return 0;
    i++;
    size_t blanks = 0;
    while (blanks < 4 && at(t, i + blanks) == ' ')
        blanks++;
    n = run_of(t, i + blanks, is_digit, 3);
    if (n > 0 && at(t, i + blanks + n) == '%')
        i += blanks + n + 1;
    return i - from;
}

static size_t match_progress(const struct text *t, size_t from)
{
    if (!is_digit(at(t, from)))
        return match_bar(t, from);
    size_t i = from + run_of(t, from, is_digit, 3);
    if (at(t, i) != '%')
        return 0;
    for (size_t blanks = 0; at(t, ++i) == ' ' && blanks < 4; blanks++)
        ;
    return match_bar(t, i) > 0 ? t->len - from : 0;
}

/* ---- things with digits ---- */

static size_t match_uuid(const struct text *t, size_t from)
{
    static const uint8_t groups[] = { 8, 4, 4, 4, 12 };
    size_t i = from;
    for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
        if (g > 0 && at(t, i++) != '-')
            return 0;
        if (run_of(t, i, is_hex, groups[g]) != groups[g])
            return 0;
        i += groups[g];
    }
    return ends_here(t, i) ? i - from : 0;
}

static size_t match_address(const struct text *t, size_t from)
{
    if (!starts(t, from, "0x"))
        return 0;
    size_t n = run_of(t, from + 2, is_hex, 17);
    return n >= 6 && n <= 16 && ends_here(t, from + 2 + n) ? 2 + n : 0;
}

static bool is_name(char c)
{
    return is_word(c) || (c != '\0' && strchr(".-+@%~", c) != NULL);
}

static size_t match_tmp(const struct text *t, size_t from)
{
    static const char *const dirs[] = { "/tmp/", "/var/tmp/", "/dev/shm/", "/private/tmp/",
                                        "/var/folders/" };
    char c = before(t, from, 1);
    if (at(t, from) != '/' || c == '/' || is_name(c))
        return 0;
    for (size_t d = 0; d < ARRAY_LEN(dirs); d++) {
        size_t n = strlen(dirs[d]);
        if (t->len - from <= n || memcmp(t->s + from, dirs[d], n) != 0)
            continue;
        size_t name = run_of(t, from + n, is_name, SIZE_MAX);
        while (name > 0 && at(t, from + n + name - 1) == '.')
            name--; /* the end of a sentence */
        return name > 0 ? n + name : 0;
    }
    return 0;
}

/* ---- dates ---- */

static size_t match_name(const struct text *t, size_t i, const char *names)
{
    for (; *names != '\0'; names += 3) {
        if (t->len - i >= 3 && memcmp(t->s + i, names, 3) == 0) {
            size_t n = run_of(t, i, is_alpha, 10);
            return n <= 9 ? n : 0;
        }
    }
    return 0;
}

static size_t match_month(const struct text *t, size_t i)
{
    size_t n = i < t->len ? match_name(t, i, "JanFebMarAprMayJunJulAugSepOctNovDec") : 0;
    return n;
}

static size_t day_digits(const struct text *t, size_t i)
{
    size_t n = run_of(t, i, is_digit, 3);
    return n >= 1 && n <= 2 && number(t, i, n, 1, 31) ? n : 0;
}

/* " 2026" or ", 2026", where it stands. */
static size_t year_behind(const struct text *t, size_t i)
{
    size_t n = at(t, i) == ',' ? 1 : 0;
    if (at(t, i + n) != ' ' && at(t, i + n) != '-')
        return 0;
    n++;
    return number(t, i + n, 4, 1970, 2199) && ends_here(t, i + n + 4) && at(t, i + n + 4) != ':'
               ? n + 4
               : 0;
}

static size_t match_numeric_date(const struct text *t, size_t from)
{
    char sep = at(t, from + 4);
    if ((sep != '-' && sep != '/') || at(t, from + 7) != sep || !number(t, from, 4, 1970, 2199) ||
        !number(t, from + 5, 2, 1, 12) || !number(t, from + 8, 2, 1, 31))
        return 0;
    char next = at(t, from + 10);
    bool time = (next == 'T' || next == '_') && is_digit(at(t, from + 11));
    return ends_here(t, from + 10) || time ? 10 : 0;
}

static size_t match_worded_date(const struct text *t, size_t from)
{
    size_t i = from, n = match_month(t, i);
    if (n > 0) { /* Nov 22, 2026 */
        i += n;
        for (n = 0; n < 2 && at(t, i) == ' '; n++)
            i++;
        n = n > 0 ? day_digits(t, i) : 0;
        i += n;
        return n > 0 && ends_here(t, i) ? i - from + year_behind(t, i) : 0;
    }
    n = day_digits(t, i); /* 22 Nov 2026, 22-Nov-2026 */
    i += n;
    if (n == 0 || (at(t, i) != ' ' && at(t, i) != '-'))
        return 0;
    n = match_month(t, ++i);
    size_t year = n > 0 ? year_behind(t, i + n) : 0;
    return year > 0 ? i + n + year - from : 0;
}

static size_t match_date(const struct text *t, size_t from)
{
    size_t n = match_name(t, from, "MonTueWedThuFriSatSun"), i = from + n;
    if (n > 0) {
        i += at(t, i) == ',';
        if (at(t, i) != ' ')
            return 0;
        i++;
    }
    size_t date = match_numeric_date(t, i);
    if (date == 0)
        date = match_worded_date(t, i);
    return date > 0 ? i + date - from : 0;
}

/* ---- times ---- */

static size_t match_zone(const struct text *t, size_t i)
{
    if (at(t, i) == 'Z')
        return 1;
    if ((at(t, i) != '+' && at(t, i) != '-') || !number(t, i + 1, 2, 0, 14))
        return 0;
    size_t n = at(t, i + 3) == ':' ? 4 : 3;
    return number(t, i + n, 2, 0, 59) ? n + 2 : 0;
}

static size_t match_epoch(const struct text *t, size_t from)
{
    if (!number(t, from, 2, 15, 19) || run_of(t, from, is_digit, 11) != 10 ||
        at(t, from + 10) != '.')
        return 0;
    size_t n = digits(t, from + 11);
    return n > 0 && ends_here(t, from + 11 + n) ? 11 + n : 0;
}

static size_t match_time(const struct text *t, size_t from)
{
    char c = before(t, from, 1);
    size_t i = from + run_of(t, from, is_digit, 2);
    if (i == from || c == ':' || c == '.')
        return 0;
    if (at(t, i) != ':')
        return match_epoch(t, from);
    if (!number(t, from, i - from, 0, 23) || !number(t, i + 1, 2, 0, 59))
        return 0;
    bool one = i - from == 1;
    i += 3;
    bool seconds = at(t, i) == ':' && number(t, i + 1, 2, 0, 60);
    if (seconds) {
        i += 3;
        size_t n = at(t, i) == '.' || at(t, i) == ',' ? run_of(t, i + 1, is_digit, 9) : 0;
        i += n > 0 ? n + 1 : 0;
    }
    size_t blank = at(t, i) == ' ';
    bool half =
        (starts(t, i + blank, "am") || starts(t, i + blank, "pm")) && ends_here(t, i + blank + 2);
    i += half ? blank + 2 : match_zone(t, i);
    if ((one && !seconds && !half) || !ends_here(t, i) ||
        (at(t, i) == ':' && is_digit(at(t, i + 1))))
        return 0;
    return i - from;
}

/* ---- numbers that a word before them explains ---- */

/* The word that ends `back` bytes before `i`, after 1–8 of the separators. */
static bool word_before(const struct text *t, size_t i, const char *separators,
                        const char *const *words, size_t count)
{
    size_t n = 0;
    while (n < 8 && before(t, i, n + 1) != '\0' && strchr(separators, before(t, i, n + 1)) != NULL)
        n++;
    if (n == 0)
        return false;
    for (size_t w = 0; w < count; w++) {
        size_t len = strlen(words[w]);
        if (i >= n + len && strncasecmp(t->s + i - n - len, words[w], len) == 0 &&
            !is_alpha(before(t, i, n + len + 1)))
            return true;
    }
    return false;
}

static size_t match_pid(const struct text *t, size_t from)
{
    static const char *const words[] = { "pid", "ppid", "tid", "process", "thread" };
    size_t n = run_of(t, from, is_digit, 21);
    if (n == 0 || n > 20 || !ends_here(t, from + n))
        return 0;
    if (word_before(t, from, " =:#(", words, ARRAY_LEN(words)))
        return n;
    bool syslog = before(t, from, 1) == '[' && is_word(before(t, from, 2)) &&
                  at(t, from + n) == ']' && at(t, from + n + 1) == ':';
    return syslog ? n : 0;
}

static bool is_host(char c)
{
    return is_digit(c) || is_alpha(c) || c == '.' || c == '-';
}

static size_t match_port(const struct text *t, size_t from)
{
    static const char *const words[] = { "port" };
    size_t n = run_of(t, from, is_digit, 6), host = 0, dots = 0, numeric = 0;
    if (n == 0 || n > 5 || !ends_here(t, from + n))
        return 0;
    if (word_before(t, from, " =:#", words, ARRAY_LEN(words)))
        return n;
    if (before(t, from, 1) != ':')
        return 0;
    if (before(t, from, 2) == ']')
        return n; /* [::1]:8080 */
    for (; host < 64 && is_host(before(t, from, host + 2)); host++) {
        char c = before(t, from, host + 2);
        dots += c == '.';
        numeric += is_digit(c);
    }
    bool local = host == 9 && strncasecmp(t->s + from - 10, "localhost", 9) == 0;
    bool address = dots == 3 && host == dots + numeric;
    bool url = host > 0 && before(t, from, host + 2) == '/' && before(t, from, host + 3) == '/';
    return local || address || url ? n : 0;
}

/* ---- durations ---- */

/* Bytes of a unit at i; *part: it may only stand in front of another (1m3s). */
static size_t match_unit(const struct text *t, size_t i, bool *part)
{
    static const char *const units[] = { "nanoseconds",
                                         "microseconds",
                                         "milliseconds",
                                         "seconds",
                                         "minutes",
                                         "hours",
                                         "second",
                                         "minute",
                                         "hour",
                                         "secs",
                                         "mins",
                                         "sec",
                                         "min",
                                         "hrs",
                                         "hr",
                                         "ns",
                                         "us",
                                         "\xc2\xb5s",
                                         "\xce\xbcs",
                                         "ms",
                                         "s",
                                         "h",
                                         "m" };
    for (size_t u = 0; u < ARRAY_LEN(units); u++) {
        size_t n = strlen(units[u]);
        if (t->len - i >= n && memcmp(t->s + i, units[u], n) == 0 &&
            (ends_here(t, i + n) || is_digit(at(t, i + n)))) {
            *part = n == 1 && units[u][0] != 's';
            return n;
        }
    }
    return 0;
}

static size_t match_duration(const struct text *t, size_t from)
{
    size_t i = from, n, unit;
    char c = before(t, from, 1);
    bool part = false;
    if ((c == '.' && is_word(before(t, from, 2))) || !is_digit(at(t, from)))
        return 0;
    for (int parts = 0; parts < 5; parts++) {
        n = digits(t, i);
        if (n == 0 || i + n >= t->len)
            return 0;
        i += n;
        if (at(t, i) == '.' && (n = digits(t, i + 1)) > 0)
            i += n + 1;
        if (parts == 0 && at(t, i) == ' ')
            i++;
        if (i >= t->len || (unit = match_unit(t, i, &part)) == 0)
            return 0;
        i += unit;
        if (ends_here(t, i))
            return part && parts == 0 ? 0 : i - from;
    }
    return 0;
}

/* ---- the table ---- */

static const struct {
    const char *name;
    size_t (*match)(const struct text *t, size_t from);
} masks[MASK_COUNT] = {
    [MASK_PROGRESS] = { "progress", match_progress },
    [MASK_UUID] = { "uuid", match_uuid },
    [MASK_ADDRESS] = { "address", match_address },
    [MASK_TMP] = { "tmp", match_tmp },
    [MASK_DATE] = { "date", match_date },
    [MASK_TIME] = { "time", match_time },
    [MASK_PID] = { "pid", match_pid },
    [MASK_PORT] = { "port", match_port },
    [MASK_DURATION] = { "duration", match_duration },
};

const char *mask_name(enum mask_kind kind)
{
    return masks[kind].name;
}

/* A word begins at i; behind a date the T of 2026-11-22T10:00 counts as a blank. */
static bool is_start(const struct text *t, size_t i)
{
    char c = before(t, i, 1);
    if (!is_word(t->s[i]))
        return t->s[i] == '/' || t->s[i] == '[' || t->s[i] == '|';
    return !is_word(c) || ((c == 'T' || c == '_') && is_digit(before(t, i, 2)));
}

static size_t match_any(unsigned set, const struct text *t, size_t i, enum mask_kind *kind)
{
    for (unsigned k = 0; k < MASK_COUNT; k++) {
        size_t n = (set & (1u << k)) != 0 ? masks[k].match(t, i) : 0;
        if (n > 0) {
            *kind = (enum mask_kind)k;
            return n;
        }
    }
    return 0;
}

static int put_name(enum mask_kind kind, struct buf *out)
{
    return buf_addf(out, "<%s>", masks[kind].name);
}

/* What stands before the last CR was overwritten; a CR at the very end belongs to the line end. */
static size_t overwritten(const char *line, size_t len)
{
    while (len > 0 && line[len - 1] == '\r')
        len--;
    const char *cr = len > 0 ? memrchr(line, '\r', len) : NULL;
    return cr != NULL ? (size_t)(cr - line) + 1 : 0;
}

int mask_line(unsigned set, const char *line, size_t len, struct buf *out)
{
    struct text t = { line, len };
    unsigned found = 0;
    size_t done = 0;
    if ((set & (1u << MASK_PROGRESS)) != 0 && (done = overwritten(line, len)) > 0) {
        found |= 1u << MASK_PROGRESS;
        if (put_name(MASK_PROGRESS, out) < 0)
            return -1;
    }
    for (size_t i = done; set != 0 && i < len;) {
        enum mask_kind kind = MASK_COUNT;
        size_t n = is_start(&t, i) ? match_any(set, &t, i, &kind) : 0;
        if (n == 0) {
            i++;
            continue;
        }
        if (buf_add(out, line + done, i - done) < 0 || put_name(kind, out) < 0)
            return -1;
        found |= 1u << kind;
        done = i += n;
    }
    return buf_add(out, line + done, len - done) < 0 ? -1 : (int)found;
}

int mask_lines(unsigned set, const char *p, size_t len, struct buf *out)
{
    int found = 0;
    for (size_t i = 0; i < len;) {
        const char *lf = memchr(p + i, '\n', len - i);
        size_t n = lf != NULL ? (size_t)(lf - p) - i : len - i;
        int one = mask_line(set, p + i, n, out);
        if (one < 0 || (lf != NULL && buf_add_char(out, '\n') < 0))
            return -1;
        found |= one;
        i += n + (lf != NULL);
    }
    return found;
}

/* ---- sets ---- */

static int usage(const char *word, size_t len, struct err *e)
{
    struct buf all = BUF_INIT(256);
    mask_print(MASK_ALL, &all);
    err_set(e, ERR_USAGE, "no mask '%.*s': it is all, none, or some of %s",
            (int)(len < 40 ? len : 40), word, buf_str(&all));
    buf_release(&all);
    return -1;
}

int mask_parse(const char *list, unsigned *set, struct err *e)
{
    unsigned got = 0;
    for (const char *s = list; *s != '\0';) {
        size_t n = strcspn(s, ", "), k = 0;
        if (n == 3 && memcmp(s, "all", 3) == 0)
            got = MASK_ALL;
        else if (n > 0 && !(n == 4 && memcmp(s, "none", 4) == 0)) {
            while (k < MASK_COUNT &&
                   (strlen(masks[k].name) != n || memcmp(masks[k].name, s, n) != 0))
                k++;
            if (k == MASK_COUNT)
                return usage(s, n, e);
            got |= 1u << k;
        }
        s += n + (s[n] != '\0');
    }
    *set = got;
    return 0;
}

void mask_print(unsigned set, struct buf *out)
{
    bool some = false;
    for (unsigned k = 0; k < MASK_COUNT; k++) {
        if ((set & (1u << k)) != 0) {
            (void)buf_addf(out, "%s%s", some ? ", " : "", masks[k].name);
            some = true;
        }
    }
    if (!some)
        (void)buf_add_str(out, "none");
}
