/* capsule_parts.h - the capsule's fields as parts, shared by capsule.c (sealing, comparing) and
 * capsule_encode.c (bytes, refusals). Nobody else includes it. */
#ifndef AIRLOCK_TOOL_CAPSULE_PARTS_H
#define AIRLOCK_TOOL_CAPSULE_PARTS_H

#include "tool/capsule.h"

/* The fields, in their order; the value is the tag. */
enum field {
    F_SESSION = 1,
    F_RUN,
    F_NONCE,
    F_SANDBOX,
    F_ORIGIN,
    F_CONTRACT,
    F_LANGUAGE,
    F_INTERPRETER,
    F_CODE,
    F_ARGV,
    F_CWD,
    F_ENV,
    F_STDIN,
    F_FILES,
    F_CHECK,
    F_PARENT,
    F_END
};

#define CAPSULE_PREFIX    20 /* magic, u32be version */
#define CAPSULE_HEAD      10 /* u16be tag, u64be len */
#define CAPSULE_ITEMS_MAX 1024
#define CAPSULE_BYTES_MAX ((size_t)24 << 20)
#define CAPSULE_FILES_MAX ((size_t)64 << 20) /* contents, all together */

struct part {
    const char *ptr;
    size_t len;
};

static inline const char *text_of(const char *s)
{
    return s != NULL ? s : "";
}

/* Bytes in the making. What does not fit is told at the end: from then on `full`, it takes nothing.
 */
struct sheet {
    struct buf bytes;
    bool full;
};
#define SHEET_INIT(ceiling)                                                                        \
    {                                                                                              \
        BUF_INIT(ceiling), false                                                                   \
    }

uint64_t capsule_read_be(const char *p, unsigned bytes);
void capsule_put(struct sheet *s, const void *ptr, size_t len);
void capsule_put_be(struct sheet *s, uint64_t v, unsigned bytes);

/* The files in byte order of their names; caller frees the array. */
const struct sandbox_file **capsule_sort_files(const struct sandbox_run *rq);

/* Lists, as they stand in fields 10, 12 and 14. */
void capsule_put_argv(struct sheet *s, const struct sandbox_run *rq);
void capsule_put_files(struct sheet *s, const struct sandbox_file *const *list, size_t count);
void capsule_put_env(struct sheet *s, const struct capsule_env *env, size_t count,
                     const uint8_t nonce[32]);

/* Fields 7–11, 13–15 of `rq` into `part`, borrowed; 10 and 14 are the lists already encoded. */
void capsule_take_request(struct part part[F_END], const struct sandbox_run *rq,
                          const struct sheet *argv, const struct sheet *files);
void capsule_put_record(struct sheet *s, const struct part part[F_END]);

/* Refuse what a transport can't carry exactly. `env` and `files` are sorted. [APR-4] */
int capsule_check_spec(const struct capsule_spec *s, const struct capsule_env *env,
                       const struct sandbox_file *const *files, struct err *e) MUST_CHECK;

#endif
