/* http.c - the words of HTTP: what may stand in a request line or a header, and what a date means.
 */
#include "base/http.h"

#include <string.h>
#include <time.h>

#define TOKEN_MAX       64
#define RETRY_AFTER_MAX (24 * 3600 * INT64_C(1000))

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_unreserved(char c)
{
    return is_alpha(c) || is_digit(c) || (c != '\0' && strchr("-._~", c) != NULL);
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool http_is_token(const char *s)
{
    size_t len = 0;
    for (; s[len] != '\0'; len++)
        if (len == TOKEN_MAX ||
            !(is_alpha(s[len]) || is_digit(s[len]) || strchr("!#$%&'*+-.^_`|~", s[len]) != NULL))
            return false;
    return len > 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool http_is_field_value(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return len == 0 || !(is_blank(s[0]) || is_blank(s[len - 1]));
}

/* ---- targets */

static int add_encoded(struct buf *b, const char *s)
{
    int rc = 0;
    for (; rc == 0 && *s != '\0'; s++)
        rc = is_unreserved(*s) ? buf_add_char(b, *s) : buf_addf(b, "%%%02X", (unsigned char)*s);
    return rc;
}

int http_add_segment(struct buf *target, const char *segment)
{
    if (segment[0] == '\0' || strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0)
        return -1;
    return buf_add_char(target, '/') < 0 ? -1 : add_encoded(target, segment);
}

int http_add_query(struct buf *target, const char *name, const char *value)
{
    char mark = strchr(buf_str(target), '?') != NULL ? '&' : '?';
    if (buf_add_char(target, mark) < 0 || add_encoded(target, name) < 0 ||
        buf_add_char(target, '=') < 0)
        return -1;
    return add_encoded(target, value);
}

/* The character at *s, decoded, which must be one a target may hold; *s moves on. -1: it is not. */
static int next_of_target(const char **s)
{
    char c = **s;
    if (c == '%') {
        int high = hex_value((*s)[1]);
        int low = high >= 0 ? hex_value((*s)[2]) : -1;
        *s += 3;
        return low >= 0 && high * 16 + low != 0 ? high * 16 + low : -1;
    }
    ++*s;
    return is_unreserved(c) || strchr("!$&'()*+,;=:@/?", c) != NULL ? c : -1;
}

bool http_is_target(const char *s)
{
    if (s[0] != '/')
        return false;
    bool in_query = false, only_dots = false;
    unsigned dots = 0;
    while (*s != '\0') {
        const char *at = s;
        int c = next_of_target(&s);
        if (c < 0)
            return false;
        bool ends = *at == '/' || *at == '?';
        if (ends && !in_query && only_dots && (dots == 1 || dots == 2))
            return false;
        in_query = in_query || *at == '?';
        only_dots = ends || (only_dots && c == '.');
        dots = ends ? 0 : dots + (c == '.');
    }
    return in_query || !(only_dots && (dots == 1 || dots == 2));
}

/* ---- dates */

/* What a date is made of: each takes its text from *s or fails. */
static bool take_text(const char **s, const char *text)
{
    size_t len = strlen(text);
    if (strncmp(*s, text, len) != 0)
        return false;
    *s += len;
    return true;
}

static bool take_digits(const char **s, int count, int *value)
{
    *value = 0;
    for (int i = 0; i < count; i++, ++*s) {
        if (!is_digit(**s))
            return false;
        *value = *value * 10 + (**s - '0');
    }
    return true;
}

static bool take_month(const char **s, int *month)
{
    static const char *const names[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    for (*month = 0; *month < 12; ++*month)
        if (take_text(s, names[*month]))
            return true;
    return false;
}

static bool take_time(const char **s, struct tm *tm)
{
    return take_digits(s, 2, &tm->tm_hour) && take_text(s, ":") && take_digits(s, 2, &tm->tm_min) &&
           take_text(s, ":") && take_digits(s, 2, &tm->tm_sec);
}

/* "06 Nov 1994 08:49:37 GMT", or with '-' and two digits of the year */
static bool take_day_first(const char *s, struct tm *tm)
{
    bool dashes = s[0] != '\0' && s[1] != '\0' && s[2] == '-';
    const char *gap = dashes ? "-" : " ";
    if (!take_digits(&s, 2, &tm->tm_mday) || !take_text(&s, gap) || !take_month(&s, &tm->tm_mon) ||
        !take_text(&s, gap) || !take_digits(&s, dashes ? 2 : 4, &tm->tm_year))
        return false;
    if (dashes)
        tm->tm_year += tm->tm_year < 70 ? 2000 : 1900;
    return take_text(&s, " ") && take_time(&s, tm) && take_text(&s, " GMT") && *s == '\0';
}

/* "Nov  6 08:49:37 1994" */
static bool take_month_first(const char *s, struct tm *tm)
{
    if (!take_month(&s, &tm->tm_mon) || !take_text(&s, " "))
        return false;
    bool padded = take_text(&s, " ");
    return take_digits(&s, padded ? 1 : 2, &tm->tm_mday) && take_text(&s, " ") &&
           take_time(&s, tm) && take_text(&s, " ") && take_digits(&s, 4, &tm->tm_year) &&
           *s == '\0';
}

int64_t http_date_us(const char *s)
{
    struct tm tm = { 0 };
    while (is_alpha(*s)) /* the day of the week says nothing new */
        s++;
    if (!(take_text(&s, ", ") ? take_day_first(s, &tm)
                              : take_text(&s, " ") && take_month_first(s, &tm)))
        return -1;
    if (tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_year < 1970 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60)
        return -1;
    tm.tm_year -= 1900;
    return (int64_t)timegm(&tm) * 1000000;
}

int64_t http_number(const char *s, int64_t max)
{
    int64_t n = 0;
    if (*s == '\0' || s[strspn(s, "0123456789")] != '\0')
        return -1;
    for (; *s != '\0' && n <= max; s++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *s - '0', &n))
            return max;
    return n < max ? n : max;
}

int64_t http_retry_after_ms(const char *value, int64_t now_wall_us)
{
    int64_t seconds = http_number(value, RETRY_AFTER_MAX / 1000);
    if (seconds >= 0)
        return seconds * 1000;
    int64_t at = http_date_us(value);
    if (at < 0)
        return -1;
    int64_t ms = at > now_wall_us ? (at - now_wall_us + 999) / 1000 : 0;
    return ms < RETRY_AFTER_MAX ? ms : RETRY_AFTER_MAX;
}

/* ---- lines of headers ---- */

bool http_is_secret_name(const char *s)
{
    static const char *const words[] = { "auth", "key", "token", "secret", "password", "cookie" };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcasestr(s, words[i]) != NULL)
            return true;
    }
    return false;
}

static void trim(const char **p, size_t *len)
{
    while (*len > 0 && ((*p)[0] == ' ' || (*p)[0] == '\t')) {
        (*p)++;
        (*len)--;
    }
    while (*len > 0 && strchr(" \t\r", (*p)[*len - 1]) != NULL)
        (*len)--;
}

bool http_next_line(const char **lines, struct http_line *out)
{
    while (**lines != '\0') {
        const char *line = *lines;
        size_t len = strcspn(line, "\n");
        *lines += len + (line[len] == '\n');
        trim(&line, &len);
        if (len == 0)
            continue;
        const char *colon = memchr(line, ':', len);
        *out = (struct http_line){ .name = line };
        if (colon != NULL) {
            out->name_len = (size_t)(colon - line);
            out->value = colon + 1;
            out->value_len = len - out->name_len - 1;
            trim(&out->name, &out->name_len);
            trim(&out->value, &out->value_len);
        }
        return true;
    }
    return false;
}
