/* proxy_head.c - reads and rewrites the head of one proxy request. */
#include "providers/proxy_head.h"

#include <string.h>
#include <strings.h>

struct span {
    const char *p;
    size_t len;
};

size_t proxy_head_len(const char *p, size_t len)
{
    const char *end = len >= 4 ? memmem(p, len, "\r\n\r\n", 4) : NULL;
    return end != NULL ? (size_t)(end - p) + 4 : 0;
}

static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return s.len > 0;
}

/* Printable bytes and, in a value, blanks: nothing that ends a line somewhere else. */
static bool is_plain(struct span s, bool blanks)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < 0x21 || c == 0x7f) && !(blanks && (c == ' ' || c == '\t')))
            return false;
    }
    return true;
}

static bool span_is(struct span s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.p, word, s.len) == 0;
}

static struct span next_line(struct span *rest)
{
    const char *end = memmem(rest->p, rest->len, "\r\n", 2);
    struct span line = { rest->p, end != NULL ? (size_t)(end - rest->p) : rest->len };
    size_t step = end != NULL ? line.len + 2 : line.len;
    rest->p += step;
    rest->len -= step;
    return line;
}

/* What stands before the next blank; the blank is dropped too. */
static struct span next_word(struct span *rest)
{
    const char *end = memchr(rest->p, ' ', rest->len);
    struct span word = { rest->p, end != NULL ? (size_t)(end - rest->p) : rest->len };
    size_t step = end != NULL ? word.len + 1 : word.len;
    rest->p += step;
    rest->len -= step;
    return word;
}

/* ---- the request line ---- */

static int read_connect(struct proxy_head *out, struct span target, struct err *e)
{
    out->connect = true;
    if (!allow_target_read(&out->host, &out->port, target.p, target.len) || out->port == 0)
        return err_set(e, ERR_FORMAT, "CONNECT takes HOST:PORT");
    return 0;
}

/* http://AUTHORITY[/PATH]. */
static int read_absolute(struct proxy_head *out, struct span target, struct span *authority,
                         struct span *path, struct err *e)
{
    static const char scheme[] = "http://";
    size_t skip = sizeof scheme - 1;
    if (target.len <= skip || strncasecmp(target.p, scheme, skip) != 0)
        return err_set(e, ERR_FORMAT, "a proxy takes CONNECT HOST:PORT or http://HOST/PATH");
    *authority = (struct span){ target.p + skip, target.len - skip };
    size_t at = 0;
    while (at < authority->len && strchr("/?#", authority->p[at]) == NULL)
        at++;
    *path = (struct span){ authority->p + at, authority->len - at };
    authority->len = at;
    out->port = 80;
    if (!allow_target_read(&out->host, &out->port, authority->p, authority->len))
        return err_set(e, ERR_FORMAT, "the host in the request is none");
    return 0;
}

/* ---- the other lines ---- */

/* Between the client and a proxy only, or said by us. */
static bool is_dropped(struct span name)
{
    static const char *const names[] = {
        "connection", "proxy-connection", "keep-alive", "proxy-authorization", "proxy-authenticate",
        "te",         "upgrade",          "host"
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (span_is(name, names[i]))
            return true;
    return false;
}

static int add_field(struct buf *onward, struct span line, struct err *e)
{
    const char *colon = memchr(line.p, ':', line.len);
    struct span name = { line.p, colon != NULL ? (size_t)(colon - line.p) : 0 };
    struct span value = { line.p + name.len, line.len - name.len };
    if (!is_token(name) || !is_plain(value, true))
        return err_set(e, ERR_FORMAT, "a header line is malformed");
    if (is_dropped(name))
        return 0;
    (void)buf_add(onward, line.p, line.len);
    (void)buf_add_str(onward, "\r\n");
    return 0;
}

int proxy_head_read(struct proxy_head *out, struct buf *onward, const char *p, size_t len,
                    struct err *e)
{
    struct span rest = { p, len >= 2 ? len - 2 : 0 }; /* without the empty line */
    struct span line = next_line(&rest), method = next_word(&line), target = next_word(&line);
    struct span authority = { NULL, 0 }, path = { NULL, 0 };
    *out = (struct proxy_head){ .port = 0 };
    if (!is_token(method) || !is_plain(target, false) ||
        !(span_is(line, "HTTP/1.1") || span_is(line, "HTTP/1.0")))
        return err_set(e, ERR_FORMAT, "not an HTTP request");
    if (span_is(method, "CONNECT") ? read_connect(out, target, e) < 0
                                   : read_absolute(out, target, &authority, &path, e) < 0)
        return -1;
    (void)buf_add(onward, method.p, method.len);
    (void)buf_add_str(onward, path.len > 0 && path.p[0] == '/' ? " " : " /");
    (void)buf_add(onward, path.p, path.len);
    (void)buf_add_str(onward, " HTTP/1.1\r\nHost: ");
    (void)buf_add(onward, authority.p, authority.len);
    (void)buf_add_str(onward, "\r\nConnection: close\r\n");
    while (rest.len > 0) {
        if (add_field(onward, next_line(&rest), e) < 0)
            return -1;
    }
    if (out->connect)
        buf_reset(onward);
    else if (buf_add_str(onward, "\r\n") < 0 || onward->len > PROXY_HEAD_MAX)
        return err_set(e, ERR_FORMAT, "the head is too long");
    return 0;
}
