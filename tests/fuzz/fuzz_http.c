/* fuzz_http.c - what a server or a config may say in HTTP: heads, dates, targets, origins.
 *
 * Input: byte 0 chooses, the rest is the text. Oracles: a head is kept as proper lines only and
 * within its ceiling; what is accepted as a target or an origin holds nothing that could end a
 * request line; what is built from parts is always accepted. */
#include <stdlib.h>
#include <string.h>
#include "base/net_private.h"

#define CHECK(cond) ((cond) ? (void)0 : abort())

static void fuzz_head(const char *p, size_t len)
{
    struct net_response r;
    net_response_init(&r);
    for (const char *end = p + len; p < end;) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        size_t line = lf != NULL ? (size_t)(lf - p) + 1 : (size_t)(end - p);
        enum net_line got = net_response_add_line(&r, p, line);
        p += line;
        if (got == NET_LINE_BAD || got == NET_LINE_TOO_LARGE)
            break;
        CHECK(r.bytes <= 65536 && r.lines.len <= 65536);
        CHECK((got == NET_LINE_COMPLETE) <= (r.complete && r.status >= 200 && r.status != 101));
    }
    for (size_t i = 0; i < r.lines.len; i++)
        CHECK(r.lines.ptr[i] != '\n' && r.lines.ptr[i] != '\r');
    struct net_result result = { .status = 0 };
    net_response_describe(&r, &result);
    CHECK(result.retry_after_ms >= -1 && result.retry_after_ms <= 86400000);
    for (const char *s = result.request_id; *s != '\0'; s++)
        CHECK(*s >= 0x20 && *s <= 0x7e);
    (void)net_response_encoding(&r);
    (void)net_response_is_framed(&r, false);
    net_response_release(&r);
}

static void fuzz_texts(const char *s)
{
    struct buf b = BUF_INIT(100000);
    CHECK(http_retry_after_ms(s, 0) >= -1);
    const char *dots = strstr(s, "/../"), *query = strchr(s, '?');
    if (http_is_target(s))
        CHECK(strpbrk(s, " \r\n\t#\\") == NULL &&
              (dots == NULL || (query != NULL && query < dots)));
    if (http_add_segment(&b, s) == 0)
        CHECK(http_add_query(&b, s, s) == 0 && http_is_target(buf_str(&b)));
    buf_release(&b);
    struct net_origin *o;
    if (net_origin_new(&o, s, NULL) == 0) {
        const char *text = net_origin_text(o);
        CHECK(strpbrk(text, " \r\n\t@?#\\%") == NULL);
        CHECK(strncmp(text, "https://", 8) == 0 || strncmp(text, "http://localhost", 16) == 0 ||
              strncmp(text, "http://127.", 11) == 0 || strncmp(text, "http://[::1]", 12) == 0);
        struct net_origin *again; /* its own spelling is one it accepts, and keeps */
        CHECK(net_origin_new(&again, text, NULL) == 0);
        CHECK(strcmp(net_origin_text(again), text) == 0);
        net_origin_free(again);
        net_origin_free(o);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    if (len < 1)
        return 0;
    char *text = xmemdup(p + 1, len - 1);
    if (p[0] & 1)
        fuzz_head(text, len - 1);
    else
        fuzz_texts(text);
    free(text);
    return 0;
}
