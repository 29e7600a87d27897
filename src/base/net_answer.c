/* net_answer.c - what came back: the head of an answer, and whether asking again is harmless. */
#include "base/net_private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/clock.h"
#include "base/sha256.h"

#define HEAD_MAX         (64 * 1024) /* NET-4 */
#define MS_MAX           (24 * 3600 * 1000)
#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS   8000

const char *net_end_name(enum net_end end)
{
    switch (end) {
    case NET_ANSWERED:
        return "answered";
    case NET_UNREACHABLE:
        return "unreachable";
    case NET_TIMEOUT:
        return "timeout";
    case NET_CUT:
        return "cut";
    case NET_PROTOCOL:
        return "protocol";
    case NET_TOO_LARGE:
        return "too large";
    case NET_REDIRECT:
        return "redirect";
    case NET_UPLOAD:
        return "upload";
    case NET_CANCELLED:
        return "cancelled";
    }
    return "unknown";
}

/* ---- the head */

void net_response_init(struct net_response *r)
{
    *r = (struct net_response){ .lines = BUF_INIT(HEAD_MAX) };
}

void net_response_release(struct net_response *r)
{
    buf_release(&r->lines);
}

int net_status(const struct net_response *r)
{
    return r->status;
}

/* The value when this line is the header `name`. */
static const char *value_of(const char *line, const char *name)
{
    size_t len = strlen(name);
    if (strncasecmp(line, name, len) != 0 || line[len] != ':')
        return NULL;
    return line + len + 1 + strspn(line + len + 1, " \t");
}

/* The value of the first such header behind `after` (NULL: of all). */
static const char *next_header(const struct net_response *r, const char *after, const char *name)
{
    if (r->lines.len == 0)
        return NULL;
    const char *end = r->lines.ptr + r->lines.len;
    const char *line = after != NULL ? after + strlen(after) + 1 : r->lines.ptr;
    for (; line < end; line += strlen(line) + 1) {
        const char *value = value_of(line, name);
        if (value != NULL)
            return value;
    }
    return NULL;
}

const char *net_header(const struct net_response *r, const char *name)
{
    return next_header(r, NULL, name);
}

/* "HTTP/1.1 200 OK", "HTTP/2 200". */
static int status_of(const char *line, size_t len)
{
    const char *at = len > 5 && memcmp(line, "HTTP/", 5) == 0 ? memchr(line, ' ', len) : NULL;
    if (at == NULL || line + len - at < 4)
        return -1;
    int status = 0;
    for (int i = 1; i <= 3; i++) {
        if (at[i] < '0' || at[i] > '9')
            return -1;
        status = status * 10 + (at[i] - '0');
    }
    return status >= 100 && (line + len - at == 4 || at[4] == ' ') ? status : -1;
}

static enum net_line begin_head(struct net_response *r, const char *line, size_t len)
{
    r->status = status_of(line, len);
    r->in_head = true;
    r->http1 = len > 6 && memcmp(line, "HTTP/1", 6) == 0;
    buf_reset(&r->lines);
    /* 101 answers an upgrade, and we never ask for one. */
    return r->status < 0 || r->status == 101 ? NET_LINE_BAD : NET_LINE_MORE;
}

static enum net_line end_head(struct net_response *r)
{
    r->in_head = false;
    if (r->status < 200)
        return NET_LINE_MORE; /* an interim answer; the real one follows */
    r->complete = true;
    return NET_LINE_COMPLETE;
}

static bool is_header_line(const char *line, size_t len)
{
    char name[65];
    const char *colon = memchr(line, ':', len);
    if (colon == NULL || colon - line >= (ptrdiff_t)sizeof name ||
        memchr(line, '\0', len) != NULL || memchr(line, '\r', len) != NULL)
        return false;
    memcpy(name, line, (size_t)(colon - line));
    name[colon - line] = '\0';
    return http_is_token(name);
}

enum net_line net_response_add_line(struct net_response *r, const char *line, size_t len)
{
    r->bytes += len;
    if (r->bytes > HEAD_MAX)
        return NET_LINE_TOO_LARGE;
    if (r->complete)
        return NET_LINE_MORE; /* a trailer: nothing in it can matter any more */
    while (len > 0 && strchr("\r\n \t", line[len - 1]) != NULL && line[len - 1] != '\0')
        len--;
    if (!r->in_head)
        return begin_head(r, line, len);
    if (len == 0)
        return end_head(r);
    if (!is_header_line(line, len))
        return NET_LINE_BAD;
    if (buf_add(&r->lines, line, len) < 0 || buf_add_char(&r->lines, '\0') < 0)
        return NET_LINE_TOO_LARGE;
    return NET_LINE_MORE;
}

enum net_encoding net_response_encoding(const struct net_response *r)
{
    enum net_encoding coding = NET_ENCODING_IDENTITY;
    for (const char *v = NULL; (v = next_header(r, v, "transfer-encoding")) != NULL;)
        if (strcasecmp(v, "chunked") != 0 && strcasecmp(v, "identity") != 0)
            return NET_ENCODING_OTHER;
    for (const char *v = NULL; (v = next_header(r, v, "content-encoding")) != NULL;) {
        bool gzip = strcasecmp(v, "gzip") == 0 || strcasecmp(v, "x-gzip") == 0;
        if (v[0] == '\0' || strcasecmp(v, "identity") == 0)
            continue;
        if (!gzip || coding == NET_ENCODING_GZIP)
            return NET_ENCODING_OTHER;
        coding = NET_ENCODING_GZIP;
    }
    return coding;
}

bool net_response_is_framed(const struct net_response *r, bool to_head)
{
    const char *transfer = net_header(r, "transfer-encoding");
    return to_head || !r->http1 || r->status == 204 || net_header(r, "content-length") != NULL ||
           (transfer != NULL && strcasecmp(transfer, "chunked") == 0);
}

void net_response_describe(const struct net_response *r, struct net_result *out)
{
    static const char *const names[] = { "request-id", "x-request-id", "x-e2b-trace-id" };
    const char *id = NULL, *ms = net_header(r, "retry-after-ms"), *after;
    out->status = r->status;
    for (size_t i = 0; id == NULL && i < ARRAY_LEN(names); i++)
        id = net_header(r, names[i]);
    for (size_t i = 0; id != NULL && id[i] != '\0' && i + 1 < sizeof out->request_id; i++)
        out->request_id[i] = id[i] >= 0x20 && id[i] <= 0x7e ? id[i] : '?';
    out->retry_after_ms = -1;
    if (ms != NULL)
        out->retry_after_ms = http_number(ms, MS_MAX);
    if (out->retry_after_ms < 0 && (after = net_header(r, "retry-after")) != NULL)
        out->retry_after_ms = http_retry_after_ms(after, clock_wall_us());
}

/* ---- again? */

bool net_may_retry(const struct net_result *r)
{
    if (r->end == NET_ANSWERED)
        return r->status == 429 || r->status == 503 || r->status == 529;
    return !r->left && (r->end == NET_UNREACHABLE || r->end == NET_TIMEOUT || r->end == NET_CUT);
}

int64_t net_backoff_ms(const struct net_result *r, unsigned tries)
{
    if (tries >= NET_TRIES_MAX || r->retry_after_ms > NET_RETRY_AFTER_MAX_MS)
        return -1;
    if (r->retry_after_ms > 0)
        return r->retry_after_ms;
    int64_t top = BACKOFF_FIRST_MS;
    for (unsigned i = 1; i < tries && top < BACKOFF_MAX_MS; i++)
        top *= 2;
    if (top > BACKOFF_MAX_MS)
        top = BACKOFF_MAX_MS;
    uint32_t random;
    random_bytes(&random, sizeof random);
    return (int64_t)((uint64_t)random * (uint64_t)(top + 1) >> 32);
}
