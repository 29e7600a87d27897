/* fuzz_json.c - whatever is accepted prints, parses and prints as the same again; all bytes as a
 * string come back. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_document(const char *p, size_t len)
{
    struct json *v = NULL, *again = NULL;
    struct err e = ERR_INIT;
    if (json_parse(&v, p, len, &e) < 0) {
        INVARIANT(e.code == ERR_FORMAT || e.code == ERR_LIMIT);
        INVARIANT(v == NULL);
        return;
    }
    INVARIANT(utf8_is_valid(p, len) && memchr(p, 0, len) == NULL);
    struct buf once = BUF_INIT(SIZE_MAX / 4), twice = BUF_INIT(SIZE_MAX / 4);
    INVARIANT(json_print(v, &once) == 0);
    INVARIANT(json_parse(&again, once.ptr, once.len, &e) == 0);
    INVARIANT(json_print(again, &twice) == 0);
    INVARIANT(once.len == twice.len && memcmp(once.ptr, twice.ptr, once.len) == 0);
    if (json_kind(v) == JSON_NUMBER) {
        int64_t n = json_int(v, INT64_MIN);
        INVARIANT(n == INT64_MIN || (n <= INT64_C(1) << 53 && n >= -(INT64_C(1) << 53)));
    }
    json_free(v);
    json_free(again);
    buf_release(&once);
    buf_release(&twice);
}

static void check_string(const char *p, size_t len)
{
    struct buf b = BUF_INIT(SIZE_MAX / 4);
    struct json_w w;
    struct json *v = NULL;
    struct err e = ERR_INIT;
    json_w_init(&w, &b);
    json_w_object(&w, NULL);
    json_w_strn(&w, "s", p, len);
    json_w_text_or_base64(&w, "text", "base64", p, len);
    json_w_close_object(&w);
    INVARIANT(json_w_end(&w) == 0);
    INVARIANT(json_parse(&v, b.ptr, b.len, &e) == 0);
    const char *text = json_get_str(v, "text", NULL), *coded = json_get_str(v, "base64", NULL);
    INVARIANT((text == NULL) != (coded == NULL));
    if (text != NULL) {
        INVARIANT(strlen(text) == len && memcmp(text, p, len) == 0);
        INVARIANT(strcmp(text, json_get_str(v, "s", "")) == 0 || len == 0);
    } else {
        struct buf back = BUF_INIT(len);
        INVARIANT(base64_decode(&back, coded, strlen(coded), &e) == 0);
        INVARIANT(back.len == len && memcmp(back.ptr, p, len) == 0);
        buf_release(&back);
    }
    json_free(v);
    buf_release(&b);
}

/* What decodes is the only text of its bytes. */
static void check_base64(const char *p, size_t len)
{
    struct buf raw = BUF_INIT(len), text = BUF_INIT(len);
    struct err e = ERR_INIT;
    if (base64_decode(&raw, p, len, &e) == 0) {
        INVARIANT(base64_encode(&text, raw.ptr, raw.len) == 0);
        INVARIANT(text.len == len && (len == 0 || memcmp(text.ptr, p, len) == 0));
    }
    buf_release(&raw);
    buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    check_document(p, size);
    check_string(p, size);
    check_base64(p, size);
    return 0;
}
