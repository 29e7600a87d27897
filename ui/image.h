/* image.h - pictures in cells: PNG and JPEG decoded and shrunk in a child of its own, drawn as half
 * blocks.
 *
 * A picture from a sandbox is hostile input for a C library, so libpng and libjpeg never run in
 * this process: a forked child with two descriptors (the bytes in, the small picture out), seccomp,
 * rlimits and one second reads it and is gone. A failure is a line of text. [threats 2,
 * libraries.md]
 */
#ifndef AIRLOCK_UI_IMAGE_H
#define AIRLOCK_UI_IMAGE_H

#include "ui/cell.h"
#include "ui/view.h" /* struct image */

#define IMAGE_SIDE_MAX   4096 /* of the picture */
#define IMAGE_BYTES_MAX  ((size_t)32 << 20)
#define IMAGE_SHRUNK_MAX 512 /* of the picture we get back */
#define IMAGE_TIMEOUT_MS 1000

struct image_job; /* one child */

/* Begin. The bytes are copied. ERR_LIMIT (too many bytes), ERR_FORMAT (neither PNG nor JPEG by its
 * first bytes), ERR_IO. */
int image_job_start(struct image_job **out, const void *ptr, size_t len, struct err *e) MUST_CHECK;
/* Readable when there is something for image_job_step(); lent. */
int image_job_fd(const struct image_job *j);
/* Take what has come, without blocking. 1: *out holds the picture; 0: call again when readable; -1:
 * failed (ERR_FORMAT with a reason, ERR_LIMIT when over time or size). */
int image_job_step(struct image_job *j, struct image *out, struct err *e) MUST_CHECK;
void image_job_free(struct image_job *j); /* kills a child that still runs; NULL is fine */

/* The same, waiting at most IMAGE_TIMEOUT_MS. */
int image_decode(struct image *out, const void *ptr, size_t len, struct err *e) MUST_CHECK;
void image_release(struct image *img);

#define IMAGE_POOL_MAX 32
/* For a process that is about to give up making processes: `count` children (at most
 * IMAGE_POOL_MAX) wait behind their walls, one for each picture to come; image_job_start() uses
 * these from now on, and fails with ERR_LIMIT behind the last. Once; they die with us. */
int image_pool_make(size_t count, struct err *e) MUST_CHECK;
void image_pool_drop(void);

/* Is it a kind that is decoded here? */
bool image_is_shown(const char *mime);

/* Rows the picture takes at `columns` (its shape is kept), at most `max_rows`. */
int image_rows(const struct image *img, int columns, int max_rows);
/* Draw it into r, as large as it fits. `colors` as the terminal has: above 256 by its parts; below
 * 8 (or in an ASCII grid) as shades of characters. */
void image_draw(struct grid *g, struct rect r, const struct image *img, int colors);

#endif
