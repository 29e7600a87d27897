/* fuzz_expect.c - expectations and the line matcher: what parses parses the same when joined anew,
 * and a match ends in time whatever the pattern and the text, and is that of one of the lines.
 *
 * Input: expectations, a byte 255, a text.
 */
#include <stdlib.h>
#include <string.h>

#include "base/line_regex.h"
#include "providers/expectation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_regex(const char *pattern, const char *text, size_t len)
{
    struct line_regex *re = NULL;
    INVARIANT(line_regex_new(&re, pattern, NULL) == 0);
    enum line_regex_result whole = line_regex_find(re, text, len, 20000);
    bool any = false, slow = whole == LINE_REGEX_TOO_SLOW;
    for (size_t at = 0; at < len || at == 0;) {
        const char *nl = at < len ? memchr(text + at, '\n', len - at) : NULL;
        size_t n = nl != NULL ? (size_t)(nl - text) - at : len - at;
        enum line_regex_result r = line_regex_find(re, text + at, n, 20000);
        any |= r == LINE_REGEX_YES;
        slow |= r == LINE_REGEX_TOO_SLOW;
        at += n + 1;
    }
    INVARIANT(slow || any == (whole == LINE_REGEX_YES));
    line_regex_free(re);
}

static void check_joined(const struct expectation *x)
{
    struct buf joined = BUF_INIT(4 * EXPECT_MAX);
    struct expectation again;
    for (size_t i = 0; i < x->count; i++)
        expectation_add(&joined, x->checks[i].text, strlen(x->checks[i].text));
    INVARIANT(expectation_parse(&again, buf_str(&joined), joined.len, NULL) == 0);
    INVARIANT(again.count == x->count);
    for (size_t i = 0; i < x->count; i++)
        INVARIANT(strcmp(x->checks[i].text, again.checks[i].text) == 0);
    expectation_release(&again);
    buf_release(&joined);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *cut = size > 0 ? memchr(data, 255, size) : NULL;
    size_t len = cut != NULL ? (size_t)(cut - data) : size;
    struct expectation x;
    if (expectation_parse(&x, (const char *)data, len, NULL) < 0)
        return 0;
    size_t text_len = cut != NULL ? size - len - 1 : 0;
    char *text = xmemdup(data + (size - text_len), text_len);
    for (size_t i = 0; i < x.count; i++) {
        if (x.checks[i].kind == CHECK_STDOUT_MATCHES)
            check_regex(x.checks[i].arg, text, text_len);
    }
    check_joined(&x);
    expectation_release(&x);
    free(text);
    return 0;
}
