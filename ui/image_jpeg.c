/* image_jpeg.c - the child that decodes one JPEG: libjpeg behind seccomp, rows shrunk as they come.
 */
#include "ui/image_int.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <jpeglib.h>

#include "base/err.h"
#include "ui/image.h"

#define DECODER_MEMORY (128L << 20) /* a progressive 4096x4096 keeps 96 MiB of coefficients */

struct reader {
    struct jpeg_error_mgr errors; /* first: libjpeg hands it back */
    jmp_buf out;
};

static NORETURN void on_error(j_common_ptr c)
{
    longjmp(((struct reader *)(void *)c->err)->out, 1);
}

static void on_message(j_common_ptr c)
{
    (void)c;
}

/* Eighths that still leave enough for the small picture are decoded at that size. */
static void choose_scale(struct jpeg_decompress_struct *d)
{
    JDIMENSION side = d->image_width > d->image_height ? d->image_width : d->image_height;
    d->scale_denom = 8;
    while (d->scale_denom > 1 && side / d->scale_denom < IMAGE_SHRUNK_MAX)
        d->scale_denom /= 2;
    d->scale_num = 1;
    d->out_color_space = JCS_RGB;
}

static int decode_rows(struct jpeg_decompress_struct *d, uint8_t *rgb, uint8_t *rgba)
{
    struct shrink s = { .src_w = d->output_width, .src_h = d->output_height };
    shrink_begin(&s);
    for (uint32_t y = 0; y < s.src_h; y++) {
        if (jpeg_read_scanlines(d, &rgb, 1) != 1 || d->err->num_warnings > 0)
            return IMAGE_BROKEN; /* a cut file is broken, never half a picture */
        for (size_t x = 0; x < s.src_w; x++) {
            for (size_t k = 0; k < 3; k++)
                rgba[x * 4 + k] = rgb[x * 3 + k];
            rgba[x * 4 + 3] = 255;
        }
        shrink_row(&s, rgba, y);
    }
    shrink_end(&s);
    return IMAGE_OK;
}

static int decode(struct jpeg_decompress_struct *d)
{
    (void)jpeg_read_header(d, TRUE);
    if (d->image_width > IMAGE_SIDE_MAX || d->image_height > IMAGE_SIDE_MAX)
        return IMAGE_TOO_BIG;
    choose_scale(d);
    (void)jpeg_start_decompress(d);
    uint8_t *rgb = calloc(d->output_width, 3), *rgba = calloc(d->output_width, 4);
    if (!rgb || !rgba)
        _exit(IMAGE_NO_ROOM);
    int rc = decode_rows(d, rgb, rgba);
    free(rgb);
    free(rgba);
    return rc;
}

int image_jpeg_decode(const uint8_t *p, size_t len)
{
    static struct jpeg_decompress_struct d;
    static struct reader r;
    d.err = jpeg_std_error(&r.errors);
    r.errors.error_exit = on_error;
    r.errors.output_message = on_message;
    if (setjmp(r.out))
        return IMAGE_BROKEN;
    jpeg_create_decompress(&d);
    d.mem->max_memory_to_use = DECODER_MEMORY;
    jpeg_mem_src(&d, p, len);
    return decode(&d);
}
