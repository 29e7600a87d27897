/* json_check.h - is this text JSON, to the letter? What json.c asks before cJSON may see it.
 *
 * RFC 8259 and the refusals of json.h [threats RES-3], except for repeated keys: those are compared
 * when they are decoded, in json.c.
 */
#ifndef AIRLOCK_BASE_JSON_CHECK_H
#define AIRLOCK_BASE_JSON_CHECK_H

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

/* Length of the run that is ASCII and may stand in a JSON string as it is. */
size_t json_plain_run(const char *s, size_t len);

#endif
