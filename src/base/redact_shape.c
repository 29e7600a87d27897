/* redact_shape.c - the table of shapes. Each is strict about its alphabet, length and edges, since
 * what is hidden is gone for good: a word that only begins like a key stays. */
#include "base/redact_shape.h"

#include <string.h>

#include "base/buf.h"

#define BLOCK_HEAD "-----BEGIN "
#define BLOCK_KIND "PRIVATE KEY-----"
#define BLOCK_NAME 64 /* bytes between the two */

enum need { NEED_DIGIT = 1, NEED_UPPER = 2 };

struct shape {
    const char *name, *prefix;
    const char *also; /* of its alphabet besides letters and digits */
    size_t min, max;  /* characters behind the prefix */
    unsigned need;
    bool upper_only, hex_only;
};

static const struct shape shapes[] = {
    { "anthropic-key", "sk-ant-", "-_", 24, 512, NEED_DIGIT, false, false },
    { "openai-key", "sk-", "-_", 32, 512, NEED_DIGIT | NEED_UPPER, false, false },
    { "github-token", "ghp_", "", 36, 255, 0, false, false },
    { "github-token", "gho_", "", 36, 255, 0, false, false },
    { "github-token", "ghu_", "", 36, 255, 0, false, false },
    { "github-token", "ghs_", "", 36, 255, 0, false, false },
    { "github-token", "ghr_", "", 36, 255, 0, false, false },
    { "github-token", "github_pat_", "_", 36, 255, NEED_DIGIT, false, false },
    { "aws-key-id", "AKIA", "", 16, 16, 0, true, false },
    { "aws-key-id", "ASIA", "", 16, 16, 0, true, false },
    { "e2b-key", "e2b_", "", 32, 128, NEED_DIGIT, false, true },
    { "google-key", "AIza", "-_", 35, 35, 0, false, false },
    { "slack-token", "xoxa-", "-", 20, 255, NEED_DIGIT, false, false },
    { "slack-token", "xoxb-", "-", 20, 255, NEED_DIGIT, false, false },
    { "slack-token", "xoxp-", "-", 20, 255, NEED_DIGIT, false, false },
    { "slack-token", "xoxr-", "-", 20, 255, NEED_DIGIT, false, false },
    { "slack-token", "xoxs-", "-", 20, 255, NEED_DIGIT, false, false },
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_member(const struct shape *s, char c)
{
    if (c >= '0' && c <= '9')
        return true;
    if (s->hex_only)
        return c >= 'a' && c <= 'f';
    if (c >= 'A' && c <= 'Z')
        return true;
    return (c >= 'a' && c <= 'z' && !s->upper_only) || (c != '\0' && strchr(s->also, c) != NULL);
}

/* 1: it is there, 0: it is not, -1: the text ends in it. */
static int has_prefix(const char *p, size_t len, const char *prefix)
{
    size_t n = strlen(prefix), have = len < n ? len : n;
    if (memcmp(p, prefix, have) != 0)
        return 0;
    return have == n ? 1 : -1;
}

static bool has_needed(const struct shape *s, const char *p, size_t len)
{
    unsigned have = 0;
    for (size_t i = 0; i < len; i++) {
        if (p[i] >= '0' && p[i] <= '9')
            have |= NEED_DIGIT;
        if (p[i] >= 'A' && p[i] <= 'Z')
            have |= NEED_UPPER;
    }
    return (s->need & ~have) == 0;
}

static size_t look_at_shape(const struct shape *s, const char *p, size_t len, bool final,
                            bool *wait)
{
    int there = has_prefix(p, len, s->prefix);
    if (there <= 0) {
        *wait |= there < 0 && !final;
        return 0;
    }
    size_t from = strlen(s->prefix), n = 0;
    while (from + n < len && n <= s->max && is_member(s, p[from + n]))
        n++;
    if (n <= s->max && from + n == len && !final) {
        *wait = true;
        return 0;
    }
    return n >= s->min && n <= s->max && has_needed(s, p + from, n) ? from + n : 0;
}

/* ---- three parts of base64, the first of which is a JSON object ---- */

static bool is_base64url(char c)
{
    return is_letter(c) || c == '-' || c == '_';
}

static size_t look_at_jwt(const char *p, size_t len, bool final, bool *wait)
{
    enum { PART_MIN = 10, SIGNATURE_MIN = 20 };
    int there = has_prefix(p, len, "eyJ");
    size_t i = 0;
    if (there <= 0) {
        *wait |= there < 0 && !final;
        return 0;
    }
    for (int part = 0; part < 3; part++) {
        size_t from = i;
        while (i < len && i < REDACT_SHAPE_MAX && is_base64url(p[i]))
            i++;
        if (i == len && i < REDACT_SHAPE_MAX && !final) {
            *wait = true;
            return 0;
        }
        if (i - from < (part == 2 ? SIGNATURE_MIN : PART_MIN) && i < REDACT_SHAPE_MAX)
            return 0;
        if (part == 2 || i >= REDACT_SHAPE_MAX)
            return i;
        if (i == len || p[i] != '.')
            return 0;
        i++;
    }
    return 0;
}

/* ---- a private key's block, whole or as much of it as there is ---- */

/* Also as it stands in JSON, where line ends are two characters. A quote ends it. */
static bool is_block(char c)
{
    return is_letter(c) || (c != '\0' && strchr("+/=-:,. \t\r\n\\", c) != NULL);
}

/* A key is in it, not only words about keys. */
static bool holds_base64(const char *p, size_t len)
{
    enum { LINE_MIN = 40 };
    size_t run = 0;
    for (size_t i = 0; i < len && run < LINE_MIN; i++)
        run = is_letter(p[i]) || p[i] == '+' || p[i] == '/' ? run + 1 : 0;
    return run == LINE_MIN;
}

static size_t look_at_block(const char *p, size_t len, bool final, bool *wait)
{
    int there = has_prefix(p, len, BLOCK_HEAD);
    size_t i = strlen(BLOCK_HEAD), kind = strlen(BLOCK_KIND);
    if (there <= 0) {
        *wait |= there < 0 && !final;
        return 0;
    }
    for (;; i++) { /* "RSA ", "EC ", "ENCRYPTED ", nothing */
        int found = has_prefix(p + i, len - i, BLOCK_KIND);
        if (found > 0)
            break;
        if (found < 0 && !final) {
            *wait = true;
            return 0;
        }
        if (i == len || i > strlen(BLOCK_HEAD) + BLOCK_NAME ||
            !(p[i] == ' ' || (p[i] >= 'A' && p[i] <= 'Z')))
            return 0;
    }
    size_t room = len < REDACT_SHAPE_MAX ? len : REDACT_SHAPE_MAX, from = i + kind, n = from;
    while (n < room && is_block(p[n]))
        n++;
    const char *end = memmem(p + from, n - from, BLOCK_KIND, kind);
    if (end == NULL && n == len && n < REDACT_SHAPE_MAX && !final) {
        *wait = true;
        return 0;
    }
    if (end != NULL)
        n = (size_t)(end - p) + kind;
    return holds_base64(p + from, n - from) ? n : 0;
}

size_t redact_shape_at(const char *p, size_t len, char before, bool final, const char **name,
                       bool *wait)
{
    size_t n;
    *wait = false;
    if (len == 0 || is_letter(before) || before == '_')
        return 0;
    if (p[0] == '-' && before != '-') {
        *name = "private-key";
        return look_at_block(p, len, final, wait);
    }
    if (p[0] == 'e' && (n = look_at_jwt(p, len, final, wait)) > 0) {
        *name = "jwt";
        return n;
    }
    for (size_t i = 0; i < ARRAY_LEN(shapes) && !*wait; i++) {
        if (shapes[i].prefix[0] == p[0] &&
            (n = look_at_shape(&shapes[i], p, len, final, wait)) > 0) {
            *name = shapes[i].name;
            return n;
        }
    }
    return 0;
}

void redact_shape_starts(void (*fn)(void *arg, char a, char b), void *arg)
{
    fn(arg, '-', '-');
    fn(arg, 'e', 'y');
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        fn(arg, shapes[i].prefix[0], shapes[i].prefix[1]);
}
