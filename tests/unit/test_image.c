/* test_image.c - the walled-in decoders of PNG and JPEG, and pictures in cells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <unistd.h>
#include <cmocka.h>
#include <jpeglib.h>
#include <png.h>
#include "base/buf.h"
#include "ui/image.h"
#include "ui/theme.h"

static void on_write(png_structp png, png_bytep p, size_t n)
{
    assert_int_equal(buf_add(png_get_io_ptr(png), p, n), 0);
}

static void on_flush(png_structp png)
{
    (void)png;
}

/* Left half red, right half blue, lower half transparent when RGBA. */
static void make_png(struct buf *out, uint32_t w, uint32_t h, int type, int interlace)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    size_t channels = type == PNG_COLOR_TYPE_RGBA ? 4 : type == PNG_COLOR_TYPE_RGB ? 3 : 1;
    uint8_t *data = calloc(h, w * channels);
    uint8_t **rows = calloc(h, sizeof *rows);
    assert_non_null(data);
    assert_non_null(rows);
    for (uint32_t y = 0; y < h; y++) {
        rows[y] = data + (size_t)y * w * channels;
        for (uint32_t x = 0; x < w; x++) {
            uint8_t *p = rows[y] + x * channels;
            bool left = x < w / 2;
            p[0] = left ? 255 : 0;
            if (channels >= 3)
                p[2] = left ? 0 : 255;
            if (channels == 4)
                p[3] = y < h / 2 ? 255 : 0;
        }
    }
    png_set_write_fn(png, out, on_write, on_flush);
    png_set_IHDR(png, info, w, h, 8, type, interlace, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_set_rows(png, info, rows);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
    free(rows);
    free(data);
}

/* The same without transparency. */
static void make_jpeg(struct buf *out, uint32_t w, uint32_t h, bool gray, bool progressive)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *room = NULL;
    unsigned long len = 0;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &room, &len);
    c.image_width = w;
    c.image_height = h;
    c.input_components = gray ? 1 : 3;
    c.in_color_space = gray ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&c);
    if (progressive)
        jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    uint8_t *row = calloc(w, 3);
    assert_non_null(row);
    for (uint32_t x = 0; x < w; x++) {
        row[gray ? x : x * 3] = x < w / 2 ? 255 : 0;
        if (!gray)
            row[x * 3 + 2] = x < w / 2 ? 0 : 255;
    }
    for (uint32_t y = 0; y < h; y++)
        (void)jpeg_write_scanlines(&c, &row, 1);
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    assert_int_equal(buf_add(out, room, len), 0);
    free(room);
    free(row);
}

static const uint8_t *pixel(const struct image *img, int x, int y)
{
    return img->rgba + ((size_t)y * (size_t)img->w + (size_t)x) * 4;
}

static size_t open_files(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void test_decodes(void **state)
{
    static const struct {
        uint32_t w, h;
        int type, interlace, want_w, want_h;
    } cases[] = {
        { 8, 4, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, 8, 4 },
        { 8, 4, PNG_COLOR_TYPE_RGBA, PNG_INTERLACE_NONE, 8, 4 },
        { 9, 5, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_ADAM7, 9, 5 },
        { 1024, 512, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, 512, 256 },
        { 1000, 2000, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_ADAM7, 256, 512 },
        { 4000, 1, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, 512, 1 },
        { 16, 16, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, 16, 16 },
    };
    size_t files = open_files();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf png = BUF_INIT(IMAGE_BYTES_MAX);
        struct image img;
        struct err e = ERR_INIT;
        make_png(&png, cases[i].w, cases[i].h, cases[i].type, cases[i].interlace);
        if (image_decode(&img, png.ptr, png.len, &e) < 0)
            fail_msg("%zu: %s", i, e.msg);
        assert_int_equal(img.w, cases[i].want_w);
        assert_int_equal(img.h, cases[i].want_h);
        const uint8_t *p = pixel(&img, 0, 0), *q = pixel(&img, img.w - 1, 0);
        assert_int_equal(p[0], 255);
        assert_int_equal(p[3], 255);
        if (cases[i].type != PNG_COLOR_TYPE_GRAY)
            assert_int_equal(q[2], 255);
        if (cases[i].type == PNG_COLOR_TYPE_RGBA)
            assert_int_equal(pixel(&img, 0, img.h - 1)[3], 0);
        image_release(&img);
        buf_release(&png);
    }
    assert_int_equal(open_files(), files);
}

static void test_refuses(void **state)
{
    struct buf png = BUF_INIT(IMAGE_BYTES_MAX);
    struct image img;
    struct err e = ERR_INIT;
    size_t files = open_files();
    (void)state;
    make_png(&png, 64, 64, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE);
    assert_int_equal(image_decode(&img, "GIF89a..", 8, &e), -1);
    assert_int_equal(e.code, ERR_FORMAT);
    assert_int_equal(image_decode(&img, "", 0, &e), -1);
    for (size_t cut = 8; cut < png.len; cut += 7) { /* a cut file is broken, never half a picture */
        assert_int_equal(image_decode(&img, png.ptr, cut, &e), cut >= png.len - 12 ? 0 : -1);
        if (cut >= png.len - 12)
            image_release(&img);
    }
    for (size_t i = 8; i < png.len; i += 5) { /* nothing that is flipped harms us */
        png.ptr[i] ^= 0x55;
        if (image_decode(&img, png.ptr, png.len, NULL) == 0)
            image_release(&img);
        png.ptr[i] ^= 0x55;
    }
    buf_reset(&png);
    make_png(&png, IMAGE_SIDE_MAX + 1, 1, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE);
    assert_int_equal(image_decode(&img, png.ptr, png.len, &e), -1);
    assert_non_null(strstr(e.msg, "4096"));
    char *big = calloc(1, IMAGE_BYTES_MAX + 1);
    assert_int_equal(image_decode(&img, big, IMAGE_BYTES_MAX + 1, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    free(big);
    buf_release(&png);
    assert_int_equal(open_files(), files);
}

static void test_decodes_jpeg(void **state)
{
    static const struct {
        uint32_t w, h;
        bool gray, progressive;
        int want_w, want_h;
    } cases[] = { { 64, 32, false, false, 64, 32 },
                  { 64, 32, false, true, 64, 32 },
                  { 64, 32, true, false, 64, 32 },
                  { 1024, 512, false, false, 512, 256 },
                  { 4096, 4096, false, false, 512, 512 },
                  { 4000, 16, false, false, 512, 2 },
                  { 1, 1, false, false, 1, 1 } };
    size_t files = open_files();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf jpeg = BUF_INIT(IMAGE_BYTES_MAX);
        struct image img;
        struct err e = ERR_INIT;
        make_jpeg(&jpeg, cases[i].w, cases[i].h, cases[i].gray, cases[i].progressive);
        if (image_decode(&img, jpeg.ptr, jpeg.len, &e) < 0)
            fail_msg("%zu: %s", i, e.msg);
        assert_int_equal(img.w, cases[i].want_w);
        assert_int_equal(img.h, cases[i].want_h);
        const uint8_t *p = pixel(&img, 0, 0), *q = pixel(&img, img.w - 1, 0);
        assert_int_equal(p[3], 255);
        if (cases[i].w > 1) {
            assert_true(p[0] > 200 && (cases[i].gray || p[2] < 60));
            assert_true(q[0] < 60 && (cases[i].gray || q[2] > 200));
        }
        image_release(&img);
        buf_release(&jpeg);
    }
    assert_int_equal(open_files(), files);
}

static void test_refuses_jpeg(void **state)
{
    struct buf jpeg = BUF_INIT(IMAGE_BYTES_MAX);
    struct image img;
    struct err e = ERR_INIT;
    size_t files = open_files();
    (void)state;
    make_jpeg(&jpeg, 64, 64, false, false);
    for (size_t cut = 4; cut + 8 < jpeg.len; cut += 23)
        assert_int_equal(image_decode(&img, jpeg.ptr, cut, &e), -1);
    for (size_t i = 3; i < jpeg.len; i += 11) { /* nothing that is flipped harms us */
        jpeg.ptr[i] ^= 0x55;
        if (image_decode(&img, jpeg.ptr, jpeg.len, NULL) == 0)
            image_release(&img);
        jpeg.ptr[i] ^= 0x55;
    }
    buf_reset(&jpeg);
    make_jpeg(&jpeg, IMAGE_SIDE_MAX + 1, 8, false, false);
    assert_int_equal(image_decode(&img, jpeg.ptr, jpeg.len, &e), -1);
    assert_non_null(strstr(e.msg, "4096"));
    buf_release(&jpeg);
    assert_int_equal(open_files(), files);
}

/* Children that were made ahead, as a replay has them: each decodes one picture. */
static void test_pool(void **state)
{
    struct buf png = BUF_INIT(IMAGE_BYTES_MAX), jpeg = BUF_INIT(IMAGE_BYTES_MAX);
    struct image img;
    struct err e = ERR_INIT;
    size_t files = open_files();
    (void)state;
    make_png(&png, 600, 400, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE);
    make_jpeg(&jpeg, 4096, 2048, false, false);
    assert_int_equal(image_pool_make(4, &e), 0);
    assert_int_equal(image_decode(&img, png.ptr, png.len, &e), 0);
    assert_int_equal(img.w, 512);
    image_release(&img);
    assert_int_equal(image_decode(&img, png.ptr, 100, &e), -1);
    assert_int_equal(image_decode(&img, "GIF89a..", 8, &e), -1); /* takes none of them */
    if (image_decode(&img, jpeg.ptr, jpeg.len, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(img.h, 256);
    image_release(&img);
    image_pool_drop();
    assert_int_equal(image_pool_make(1, &e), 0);
    assert_int_equal(image_decode(&img, png.ptr, png.len, &e), 0);
    image_release(&img);
    assert_int_equal(image_decode(&img, png.ptr, png.len, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    image_pool_drop();
    buf_release(&png);
    buf_release(&jpeg);
    assert_int_equal(open_files(), files);
}

/* The word behind `name` in /proc/PID/status of our only child; "" when there is none. */
static void child_status(const char *name, char *out, size_t size)
{
    char path[64], line[256];
    int pid = 0;
    out[0] = '\0';
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "r");
    if (!f || fscanf(f, "%d", &pid) != 1)
        pid = 0;
    if (f)
        fclose(f);
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    f = pid ? fopen(path, "r") : NULL;
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            snprintf(out, size, "%.*s", (int)strcspn(line + strlen(name), "\n"),
                     line + strlen(name));
    if (f)
        fclose(f);
}

/* While it decodes, the child is behind seccomp and can gain no privileges. */
static void test_wall_stands(void **state)
{
    struct buf png = BUF_INIT(IMAGE_BYTES_MAX);
    struct image_job *j;
    struct image img;
    struct err e = ERR_INIT;
    char mode[32], last[32] = "";
    int rc;
    (void)state;
    make_png(&png, 2400, 2400, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE);
    assert_int_equal(image_job_start(&j, png.ptr, png.len, &e), 0);
    while ((rc = image_job_step(j, &img, &e)) == 0) {
        child_status("Seccomp:\t", mode, sizeof mode);
        if (mode[0] == '2')
            snprintf(last, sizeof last, "%s", mode);
    }
    if (rc < 0)
        fail_msg("%s", e.msg);
    assert_string_equal(last, "2");
    image_job_free(j);
    image_release(&img);
    buf_release(&png);
}

/* A job that nobody waits for leaves no process and no descriptor. */
static void test_abandoned(void **state)
{
    struct buf png = BUF_INIT(IMAGE_BYTES_MAX);
    struct image_job *j;
    size_t files = open_files();
    (void)state;
    make_png(&png, 2000, 2000, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(image_job_start(&j, png.ptr, png.len, NULL), 0);
        assert_true(image_job_fd(j) >= 0);
        image_job_free(j);
    }
    image_job_free(NULL);
    buf_release(&png);
    assert_int_equal(open_files(), files);
}

static void test_draws(void **state)
{
    uint8_t px[] = { 255, 0, 0, 255, 0, 0, 255, 255, 255, 0, 0, 255, 0, 255, 0, 0 };
    struct image img = { 2, 2, px };
    struct grid g;
    (void)state;
    grid_init(&g, 4, 2);
    image_draw(&g, (struct rect){ 0, 0, 4, 2 }, &img, 256);
    assert_int_equal(grid_at(&g, 0, 0)->cp, 0x2588); /* red over red */
    assert_int_equal(grid_at(&g, 0, 0)->style.fg, 196 + 1);
    assert_int_equal(grid_at(&g, 1, 0)->cp, 0x2580); /* blue over nothing */
    assert_int_equal(grid_at(&g, 1, 0)->style.fg, 21 + 1);
    assert_int_equal(grid_at(&g, 1, 0)->style.bg, 0);
    assert_int_equal(grid_at(&g, 2, 0)->cp, ' ');
    grid_clear(&g);
    image_draw(&g, (struct rect){ 0, 0, 4, 2 }, &img, 0); /* no colours: shades */
    assert_in_range(grid_at(&g, 0, 0)->cp, 0x20, 0x7e);
    assert_int_equal(grid_at(&g, 0, 0)->style.fg, 0);
    grid_clear(&g);
    image_draw(&g, (struct rect){ 0, 0, 4, 2 }, &img, 1 << 24); /* by their parts */
    uint8_t rgb[3];
    assert_int_equal(grid_at(&g, 0, 0)->style.fg, STYLE_RGB(255, 0, 0));
    assert_true(theme_is_rgb(grid_at(&g, 0, 0)->style.fg, rgb));
    assert_memory_equal(rgb, "\xff\0\0", 3);
    assert_false(theme_is_rgb(256, rgb));
    assert_true(theme_is_rgb(STYLE_RGB(255, 255, 255), rgb));
    assert_memory_equal(rgb, "\xff\xff\xff", 3);
    image_draw(&g, (struct rect){ 3, 1, 9, 9 }, &img, 256); /* clipped */
    image_draw(&g, (struct rect){ 0, 0, 0, 0 }, &img, 256);
    grid_release(&g);
    struct image wide = { 100, 10, NULL }, tall = { 10, 100, NULL };
    assert_int_equal(image_rows(&wide, 50, 100), 3);
    assert_int_equal(image_rows(&tall, 50, 20), 20);
    assert_int_equal(image_rows(&tall, 0, 20), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decodes),      cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_wall_stands),  cmocka_unit_test(test_abandoned),
        cmocka_unit_test(test_draws),        cmocka_unit_test(test_decodes_jpeg),
        cmocka_unit_test(test_refuses_jpeg), cmocka_unit_test(test_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
