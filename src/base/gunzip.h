/* gunzip.h - decoding gzip as it arrives (zlib behind it, loaded when first used).
 *
 * Ours instead of libcurl's own: that one calls a stream that was cut short whole, and decodes
 * without asking how much. */
#ifndef AIRLOCK_BASE_GUNZIP_H
#define AIRLOCK_BASE_GUNZIP_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

struct gunzip;

/* ERR_MISSING when there is no zlib. */
int gunzip_new(struct gunzip **out, struct err *e) MUST_CHECK;
void gunzip_free(struct gunzip *g);

/* Decode some of in[0..in_len) into out[0..size): *used bytes of the input are done with, *made
 * were written. Some output may still be inside: go on until the input is used up and *made < size.
 * -1: this is no gzip. Members may follow one another. */
int gunzip_step(struct gunzip *g, const char *in, size_t in_len, size_t *used, char *out,
                size_t size, size_t *made) MUST_CHECK;

/* Did the input so far end where a member ends? (Not before the first one.) */
bool gunzip_is_whole(const struct gunzip *g);

#endif
