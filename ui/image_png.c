/* image_png.c - the child that decodes one PNG: libpng behind seccomp, rows shrunk as they come. */
#include "ui/image_int.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <png.h>

#include "ui/image.h"

static void on_error(png_structp png, png_const_charp msg)
{
    (void)msg;
    longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp msg)
{
    (void)png;
    (void)msg;
}

struct source {
    const uint8_t *p;
    size_t left;
};

static void on_read(png_structp png, png_bytep out, size_t len)
{
    struct source *s = png_get_io_ptr(png);
    if (len > s->left)
        png_error(png, "short");
    memcpy(out, s->p, len);
    s->p += len;
    s->left -= len;
}

/* All forms become 8-bit RGBA. */
static void ask_rgba(png_structp png, png_infop info)
{
    png_set_expand(png);
    png_set_strip_16(png);
    png_set_gray_to_rgb(png);
    png_set_filler(png, 0xff, PNG_FILLER_AFTER);
    (void)png_set_interlace_handling(png);
    png_read_update_info(png, info);
}

static int decode(png_structp png, png_infop info)
{
    struct shrink s = { 0 };
    png_read_info(png, info);
    s.src_w = png_get_image_width(png, info);
    s.src_h = png_get_image_height(png, info);
    bool interlaced = png_get_interlace_type(png, info) != PNG_INTERLACE_NONE;
    ask_rgba(png, info);
    size_t stride = png_get_rowbytes(png, info);
    if (stride != (size_t)s.src_w * 4)
        return IMAGE_BROKEN;
    uint8_t *rows = calloc(interlaced ? s.src_h : 1, stride);
    if (!rows)
        _exit(IMAGE_NO_ROOM);
    shrink_begin(&s);
    if (interlaced)
        for (int pass = 0; pass < 7; pass++)
            for (uint32_t y = 0; y < s.src_h; y++)
                png_read_row(png, rows + y * stride, NULL);
    for (uint32_t y = 0; y < s.src_h; y++) {
        if (!interlaced)
            png_read_row(png, rows, NULL);
        shrink_row(&s, interlaced ? rows + y * stride : rows, y);
    }
    shrink_end(&s);
    free(rows);
    return IMAGE_OK;
}

int image_png_decode(const uint8_t *p, size_t len)
{
    struct source source = { p, len };
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info)
        return IMAGE_NO_ROOM;
    if (setjmp(png_jmpbuf(png)))
        return IMAGE_BROKEN;
    png_set_read_fn(png, &source, on_read);
    png_set_user_limits(png, IMAGE_SIDE_MAX, IMAGE_SIDE_MAX);
    png_set_chunk_cache_max(png, 64);
    png_set_chunk_malloc_max(png, 1 << 20);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    return decode(png, info);
}
