/* gzip.h - one open file into another, compressed or back, in bounded memory (zlib behind it,
 * loaded when first used). */
#ifndef AIRLOCK_BASE_GZIP_H
#define AIRLOCK_BASE_GZIP_H

#include <stdint.h>

#include "base/err.h"

/* From where `from` stands to its end, appended to `to`; both are left open. *bytes is how many of
 * the plain side. ERR_MISSING (no zlib), ERR_IO. */
int gzip_file(int from, int to, uint64_t *bytes, struct err *e) MUST_CHECK;
/* ERR_FORMAT when it is no whole gzip file, ERR_LIMIT above `max` plain bytes. */
int gunzip_file(int from, int to, uint64_t max, uint64_t *bytes, struct err *e) MUST_CHECK;

#endif
