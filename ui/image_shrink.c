/* image_shrink.c - in the decoding child: a picture is read, and its rows become the small one that
 * is sent back. */
#include "ui/image_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ui/image.h"

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

void shrink_row(struct shrink *s, const uint8_t *src, uint32_t y)
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

void shrink_begin(struct shrink *s)
{
    choose_size(s);
    s->sum = calloc((size_t)s->dst_w * 5, sizeof *s->sum);
    s->row = calloc(s->dst_w, 4);
    if (!s->sum || !s->row)
        _exit(IMAGE_NO_ROOM);
    const uint32_t head[2] = { s->dst_w, s->dst_h };
    if (!write_all(head, sizeof head))
        _exit(IMAGE_BROKEN);
}

void shrink_end(struct shrink *s)
{
    flush_row(s);
    free(s->row);
    free(s->sum);
}

int image_main(void)
{
    static const uint8_t jpeg[] = { 0xff, 0xd8, 0xff };
    size_t len = 0;
    uint8_t *p = malloc(IMAGE_BYTES_MAX);
    for (ssize_t n; p != NULL && len < IMAGE_BYTES_MAX; len += (size_t)n) {
        do
            n = read(0, p + len, IMAGE_BYTES_MAX - len);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
            break;
    }
    if (p == NULL)
        return IMAGE_NO_ROOM;
    return len > sizeof jpeg && memcmp(p, jpeg, sizeof jpeg) == 0 ? image_jpeg_decode(p, len)
                                                                  : image_png_decode(p, len);
}
