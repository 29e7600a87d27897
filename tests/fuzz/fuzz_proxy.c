/* fuzz_proxy.c - the head of a proxy request and the hosts of an allow list: what is taken has one
 * meaning, for us and for whoever gets it next.
 *
 * Input: the first line is an item of an allow list, the rest what the code said to the proxy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "providers/proxy_head.h"

#define CHECK(cond) ((cond) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Read again, it is the same; and whoever is less strict reads no other. */
static void check_host(const struct allow_host *h)
{
    struct allow_host again;
    CHECK(allow_host_read(&again, h->name, strlen(h->name)));
    CHECK(strcmp(again.name, h->name) == 0 && again.is_address == h->is_address);
    CHECK(strpbrk(h->name, " \t\r\n/@?#%\\[]") == NULL);
}

static void check_item(const char *text)
{
    char item[600], again[600];
    struct allow_rule r;
    snprintf(item, sizeof item, "%s", text);
    if (!allow_item_normalise(item)) {
        CHECK(strcmp(item, text) == 0 || strlen(text) >= sizeof item);
        return;
    }
    snprintf(again, sizeof again, "%s", item);
    CHECK(allow_item_normalise(again) && strcmp(again, item) == 0);
    CHECK(allow_rule_read(&r, item));
    check_host(&r.host);
    CHECK(allow_find(&r, 1, &r.host, r.port != 0 ? r.port : 443) ==
          (r.kind == ALLOW_EXACT ? &r : NULL));
}

static size_t count(const char *in, const char *word)
{
    size_t n = 0;
    for (const char *at = in; (at = strcasestr(at, word)) != NULL; at++)
        n++;
    return n;
}

/* One head, with one Host, which is the one that was judged. */
static void check_onward(const struct proxy_head *h, struct buf *onward)
{
    const char *text = buf_str(onward), *host = strstr(text, "\r\nHost: ");
    CHECK(onward->len == strlen(text) && onward->len <= PROXY_HEAD_MAX);
    CHECK(proxy_head_len(text, onward->len) == onward->len);
    CHECK(host != NULL && count(text, "\nhost:") == 1 && count(text, "\nconnection:") == 1);
    CHECK(count(text, "\nproxy-authorization:") == 0);
    for (const char *at = text; (at = strpbrk(at, "\r\n")) != NULL; at += 2)
        CHECK(at[0] == '\r' && at[1] == '\n');
    struct allow_host again;
    uint16_t port = 80;
    host += 8;
    CHECK(allow_target_read(&again, &port, host, strcspn(host, "\r")));
    CHECK(strcmp(again.name, h->host.name) == 0 && port == h->port);
}

static void check_head(const char *p, size_t len)
{
    struct proxy_head h;
    struct buf onward = BUF_INIT(4 * PROXY_HEAD_MAX);
    struct err e = ERR_INIT;
    size_t head = proxy_head_len(p, len);
    CHECK(head <= len);
    if (head != 0 && proxy_head_read(&h, &onward, p, head, &e) == 0) {
        CHECK(h.port != 0);
        check_host(&h.host);
        if (h.connect)
            CHECK(onward.len == 0);
        else
            check_onward(&h, &onward);
    }
    buf_release(&onward);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *nl = size > 0 ? memchr(text, '\n', size) : NULL;
    if (nl == NULL || size > 2 * PROXY_HEAD_MAX)
        return 0;
    char *item = xmemdup(text, (size_t)(nl - text));
    char *head = xmemdup(nl + 1, size - (size_t)(nl + 1 - text));
    check_item(item);
    check_head(head, size - (size_t)(nl + 1 - text));
    free(item);
    free(head);
    return 0;
}
