/* json_check.h - is this text JSON, to the letter? What json.c asks before cJSON may see it.
 *
 * RFC 8259 and the refusals of json.h [threats RES-3], except for repeated keys: those are compared
 * when they are decoded, in json.c.
 */
#ifndef AIRLOCK_BASE_JSON_CHECK_H
#define AIRLOCK_BASE_JSON_CHECK_H

#include <string.h>

#include "base/json.h"

/* A number that a double may not hold exactly. */
struct json_long {
    size_t index; /* among all numbers of the document */
    size_t start, len;
};

struct json_facts {
    size_t values, numbers;
    struct json_long *longs;
    size_t long_count, long_cap;
};

/* ERR_FORMAT (with byte offset) or ERR_LIMIT. Release *out also after a failure. */
int json_check(struct json_facts *out, const char *ptr, size_t len, struct err *e) MUST_CHECK;
void json_facts_release(struct json_facts *f);

/* Length of the run that is ASCII and may stand in a JSON string as it is. Eight bytes at a time:
 * the subtractions borrow into the top bit of a byte that is < 0x20, a quote or a backslash; what
 * they wrongly flag behind such a byte is looked at again one by one. */
static inline size_t json_plain_run(const char *s, size_t len)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    size_t i = 0;
    for (; len - i >= 8; i += 8) {
        uint64_t w;
        memcpy(&w, s + i, sizeof w);
        uint64_t odd =
            w | (w - ones * 0x20) | ((w ^ ones * '"') - ones) | ((w ^ ones * '\\') - ones);
        if ((odd & ones * 0x80) != 0)
            break;
    }
    for (; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            break;
    }
    return i;
}

#endif
