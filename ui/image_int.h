/* image_int.h - private to image*.c: what the decoding child's two readers share. Only ever called
 * in that child, which has two descriptors and no other way out than its exit status. */
#ifndef AIRLOCK_UI_IMAGE_INT_H
#define AIRLOCK_UI_IMAGE_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum image_failure { IMAGE_OK, IMAGE_BROKEN, IMAGE_TOO_BIG, IMAGE_NO_ROOM };

/* A picture from descriptor 0, read to its end, shrunk, to descriptor 1. The exit status: enum
 * image_failure. */
int image_main(void);

/* By kind. */
int image_png_decode(const uint8_t *p, size_t len);
int image_jpeg_decode(const uint8_t *p, size_t len);

/* Averages areas of source pixels; colour is weighted with opacity. */
struct shrink {
    uint32_t src_w, src_h, dst_w, dst_h, dst_y;
    uint64_t *sum; /* dst_w times r, g, b, a, count */
    uint8_t *row;
};

/* src_w and src_h are set: choose the size and write the header. Ends the process without room. */
void shrink_begin(struct shrink *s);
void shrink_row(struct shrink *s, const uint8_t *rgba, uint32_t y); /* y: 0, 1, 2 … */
void shrink_end(struct shrink *s);

#endif
