/* mask_time.c - dates, times and durations in a line. */
#include "sessions/mask_int.h"

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

size_t mask_match_date(const struct text *t, size_t from)
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

size_t mask_match_time(const struct text *t, size_t from)
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

size_t mask_match_duration(const struct text *t, size_t from)
{
    size_t i = from, n, unit;
    char c = before(t, from, 1);
    bool part = false;
    if ((c == '.' && is_word(before(t, from, 2))) || !is_digit(at(t, from)))
        return 0;
    for (int parts = 0; parts < 5; parts++) {
        n = digits(t, i);
        if (i + n >= t->len)
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
