/* mask_match.c - the table of built-in masks, and those that look for no time. */
#include "sessions/mask_int.h"

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

/* ---- the table ---- */

const struct mask_rule mask_rules[MASK_COUNT] = {
    [MASK_PROGRESS] = { "progress", match_progress },
    [MASK_UUID] = { "uuid", match_uuid },
    [MASK_ADDRESS] = { "address", match_address },
    [MASK_TMP] = { "tmp", match_tmp },
    [MASK_DATE] = { "date", mask_match_date },
    [MASK_TIME] = { "time", mask_match_time },
    [MASK_PID] = { "pid", match_pid },
    [MASK_PORT] = { "port", match_port },
    [MASK_DURATION] = { "duration", mask_match_duration },
    [MASK_ANSI] = { "ansi", NULL }, /* taken away before the others look */
};
