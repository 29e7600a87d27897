/* image_png.c - the child that decodes one PNG: libpng behind seccomp, rows shrunk as they come. */
#include "ui/image.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <png.h>

/* Averages areas of source pixels; colour is weighted with opacity. */
struct shrink {
    uint32_t src_w, src_h, dst_w, dst_h, dst_y;
    uint64_t *sum; /* dst_w times r, g, b, a, count */
    uint8_t *row;
};

static bool write_all(const void *p, size_t n)
{
    const char *at = p;
    while (n) {
        ssize_t done = write(1, at, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        at += done;
        n -= (size_t)done;
    }
    return true;
}

static void flush_row(struct shrink *s)
{
    for (uint32_t x = 0; x < s->dst_w; x++) {
        const uint64_t *k = s->sum + (size_t)x * 5;
        uint8_t *o = s->row + (size_t)x * 4;
        uint64_t a = k[3] ? k[3] : 1, n = k[4] ? k[4] : 1;
        o[0] = (uint8_t)(k[0] / a);
        o[1] = (uint8_t)(k[1] / a);
        o[2] = (uint8_t)(k[2] / a);
        o[3] = (uint8_t)(k[3] / n);
    }
    if (!write_all(s->row, (size_t)s->dst_w * 4))
        _exit(IMAGE_BROKEN);
    memset(s->sum, 0, (size_t)s->dst_w * 5 * sizeof *s->sum);
}

static void take_row(struct shrink *s, const uint8_t *src, uint32_t y)
{
    uint32_t dst_y = (uint32_t)((uint64_t)y * s->dst_h / s->src_h);
    if (dst_y != s->dst_y) {
        flush_row(s);
        s->dst_y = dst_y;
    }
    for (uint32_t x = 0; x < s->src_w; x++) {
        uint64_t *k = s->sum + (size_t)((uint64_t)x * s->dst_w / s->src_w) * 5;
        const uint8_t *p = src + (size_t)x * 4;
        k[0] += (uint64_t)p[0] * p[3];
        k[1] += (uint64_t)p[1] * p[3];
        k[2] += (uint64_t)p[2] * p[3];
        k[3] += p[3];
        k[4]++;
    }
}

static void choose_size(struct shrink *s)
{
    uint32_t side = s->src_w > s->src_h ? s->src_w : s->src_h;
    s->dst_w = s->src_w;
    s->dst_h = s->src_h;
    if (side > IMAGE_SHRUNK_MAX) {
        s->dst_w = s->src_w * IMAGE_SHRUNK_MAX / side;
        s->dst_h = s->src_h * IMAGE_SHRUNK_MAX / side;
    }
    s->dst_w += s->dst_w == 0;
    s->dst_h += s->dst_h == 0;
}

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

static void on_read(png_structp png, png_bytep out, size_t len)
{
    while (len) {
        ssize_t n = read(0, out, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            png_error(png, "short");
        out += n;
        len -= (size_t)n;
    }
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
    choose_size(&s);
    s.sum = calloc((size_t)s.dst_w * 5, sizeof *s.sum);
    s.row = calloc(s.dst_w, 4);
    uint8_t *rows = calloc(interlaced ? s.src_h : 1, stride);
    if (!s.sum || !s.row || !rows)
        _exit(IMAGE_NO_ROOM);
    uint32_t head[2] = { s.dst_w, s.dst_h };
    if (!write_all(head, sizeof head))
        _exit(IMAGE_BROKEN);
    if (interlaced)
        for (int pass = 0; pass < 7; pass++)
            for (uint32_t y = 0; y < s.src_h; y++)
                png_read_row(png, rows + y * stride, NULL);
    for (uint32_t y = 0; y < s.src_h; y++) {
        if (!interlaced)
            png_read_row(png, rows, NULL);
        take_row(&s, interlaced ? rows + y * stride : rows, y);
    }
    flush_row(&s);
    free(rows);
    free(s.row);
    free(s.sum);
    return IMAGE_OK;
}

int image_png_main(void)
{
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info)
        return IMAGE_NO_ROOM;
    if (setjmp(png_jmpbuf(png)))
        return IMAGE_BROKEN;
    png_set_read_fn(png, NULL, on_read);
    png_set_user_limits(png, IMAGE_SIDE_MAX, IMAGE_SIDE_MAX);
    png_set_chunk_cache_max(png, 64);
    png_set_chunk_malloc_max(png, 1 << 20);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    return decode(png, info);
}
