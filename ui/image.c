/* image.c - the decoding child from our side, and pictures as half blocks. */
#include "ui/image.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/jail.h"
#include "ui/image_int.h"
#include "ui/theme.h"

#define CHILD_MEMORY ((size_t)224 << 20) /* an interlaced 4096x4096 takes 64 MiB of it */

struct image_job {
    pid_t pid;
    int fd;
    int64_t deadline_us;
    uint32_t head[2];
    size_t head_len, got, size;
    uint8_t *pixels;
};

static int child_main(void *arg)
{
    (void)arg;
    return image_main();
}

/* A child behind its walls; `in` stays the caller's. */
static int start_child(struct image_job *j, int in, unsigned wall_s, struct err *e)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_sys(e, ERR_IO, "pipe for a picture");
    struct jail jail = { .in = in,
                         .out = fds[1],
                         .memory_bytes = CHILD_MEMORY,
                         .cpu_s = 2,
                         .wall_s = wall_s,
                         .main = child_main };
    int rc = jail_start(&j->pid, &jail, e);
    close(fds[1]);
    if (rc < 0) {
        close(fds[0]);
        return -1;
    }
    (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
    j->fd = fds[0];
    return 0;
}

static int write_bytes(int fd, const char *p, size_t len, struct err *e)
{
    while (len) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_sys(e, ERR_IO, "room for a picture");
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int fill_memfd(const void *ptr, size_t len, struct err *e)
{
    int fd = memfd_create("picture", MFD_CLOEXEC);
    if (fd < 0)
        return err_sys(e, ERR_IO, "room for a picture");
    if (write_bytes(fd, ptr, len, e) < 0) {
        close(fd);
        return -1;
    }
    if (lseek(fd, 0, SEEK_SET) < 0) {
        err_sys(e, ERR_IO, "room for a picture");
        close(fd);
        return -1;
    }
    return fd;
}

/* ---- children made ahead */

static struct {
    struct image_job *waiting[IMAGE_POOL_MAX];
    int in[IMAGE_POOL_MAX]; /* what each reads from, our end */
    size_t count, next;
    bool made;
} pool;

int image_pool_make(size_t count, struct err *e)
{
    INVARIANT(!pool.made);
    pool.made = true;
    for (size_t i = 0; i < count && i < IMAGE_POOL_MAX; i++) {
        int fds[2];
        struct image_job *j = xcalloc(1, sizeof *j);
        if (pipe2(fds, O_CLOEXEC) < 0) {
            free(j);
            return err_sys(e, ERR_IO, "pipe for a picture");
        }
        int rc = start_child(j, fds[0], 0, e);
        close(fds[0]);
        if (rc < 0) {
            close(fds[1]);
            free(j);
            return -1;
        }
        pool.waiting[pool.count] = j;
        pool.in[pool.count++] = fds[1];
    }
    return 0;
}

void image_pool_drop(void)
{
    for (; pool.next < pool.count; pool.next++) {
        close(pool.in[pool.next]);
        image_job_free(pool.waiting[pool.next]);
    }
    pool.count = pool.next = 0;
    pool.made = false;
}

/* The child reads all before it says anything, so writing can't wait for ourselves. */
static int take_from_pool(struct image_job **out, const void *ptr, size_t len, struct err *e)
{
    if (pool.next == pool.count) {
        err_set(e, ERR_LIMIT, "a replay decodes %zu pictures; o saves this one", pool.count);
        return -1;
    }
    struct image_job *j = pool.waiting[pool.next];
    int in = pool.in[pool.next++];
    int rc = write_bytes(in, ptr, len, e);
    close(in);
    if (rc < 0) {
        image_job_free(j);
        return -1;
    }
    *out = j;
    return 0;
}

/* ---- jobs */

bool image_is_shown(const char *mime)
{
    return strcmp(mime, "image/png") == 0 || strcmp(mime, "image/jpeg") == 0;
}

static bool is_known(const uint8_t *p, size_t len)
{
    static const uint8_t png[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
    static const uint8_t jpeg[] = { 0xff, 0xd8, 0xff };
    return (len >= sizeof png && memcmp(p, png, sizeof png) == 0) ||
           (len > sizeof jpeg && memcmp(p, jpeg, sizeof jpeg) == 0);
}

int image_job_start(struct image_job **out, const void *ptr, size_t len, struct err *e)
{
    int in, rc;
    *out = NULL;
    if (len > IMAGE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "the picture has %zu bytes, at most %zu are decoded", len,
                       IMAGE_BYTES_MAX);
    if (!is_known(ptr, len))
        return err_set(e, ERR_FORMAT, "the picture is neither PNG nor JPEG");
    if (pool.made) {
        rc = take_from_pool(out, ptr, len, e);
    } else {
        if ((in = fill_memfd(ptr, len, e)) < 0)
            return -1;
        struct image_job *j = xcalloc(1, sizeof *j);
        rc = start_child(j, in, IMAGE_TIMEOUT_MS / 1000, e);
        close(in);
        if (rc == 0)
            *out = j;
        else
            free(j);
    }
    if (rc == 0)
        (*out)->deadline_us = clock_mono_us() + (int64_t)IMAGE_TIMEOUT_MS * 1000;
    return rc;
}

int image_job_fd(const struct image_job *j)
{
    return j->fd;
}

/* The child has ended, or is made to. */
static int reap(struct image_job *j)
{
    int status = 0;
    if (j->pid <= 0)
        return -1;
    while (waitpid(j->pid, &status, 0) < 0 && errno == EINTR)
        ;
    j->pid = 0;
    return status;
}

static int explain(int status, struct err *e)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        return err_set(e, ERR_LIMIT, "the picture took longer than %d ms", IMAGE_TIMEOUT_MS);
    if (WIFSIGNALED(status))
        return err_set(e, ERR_FORMAT, "the picture's decoder was stopped (signal %d)",
                       WTERMSIG(status));
    switch (WEXITSTATUS(status)) {
    case IMAGE_NO_ROOM:
        return err_set(e, ERR_LIMIT, "the picture needs too much memory");
    case JAIL_NO_WALL:
        return err_set(e, ERR_IO, "the picture's decoder could not be walled in");
    default:
        return err_set(e, ERR_FORMAT, "the picture is broken, or larger than %dx%d", IMAGE_SIDE_MAX,
                       IMAGE_SIDE_MAX);
    }
}

/* Bytes of the header, then of the pixels. */
static int take(struct image_job *j, const uint8_t *p, size_t n, struct err *e)
{
    while (n && j->head_len < sizeof j->head) {
        ((uint8_t *)j->head)[j->head_len++] = *p++;
        n--;
    }
    if (j->head_len < sizeof j->head)
        return 0;
    if (!j->pixels) {
        if (j->head[0] == 0 || j->head[1] == 0 || j->head[0] > IMAGE_SHRUNK_MAX ||
            j->head[1] > IMAGE_SHRUNK_MAX)
            return err_set(e, ERR_FORMAT, "the picture's decoder lied about its size");
        j->size = (size_t)j->head[0] * j->head[1] * 4;
        j->pixels = xmalloc(j->size);
    }
    if (n > j->size - j->got)
        return err_set(e, ERR_FORMAT, "the picture's decoder sent too much");
    memcpy(j->pixels + j->got, p, n);
    j->got += n;
    return 0;
}

int image_job_step(struct image_job *j, struct image *out, struct err *e)
{
    uint8_t room[16384];
    for (;;) {
        ssize_t n = read(j->fd, room, sizeof room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            if (clock_mono_us() <= j->deadline_us)
                return 0;
            return err_set(e, ERR_LIMIT, "the picture took longer than %d ms", IMAGE_TIMEOUT_MS);
        }
        if (n < 0)
            return err_sys(e, ERR_IO, "reading a picture");
        if (n == 0)
            break;
        if (take(j, room, (size_t)n, e) < 0)
            return -1;
    }
    int status = reap(j);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || j->got != j->size || j->size == 0)
        return explain(status, e);
    *out = (struct image){ (int)j->head[0], (int)j->head[1], j->pixels };
    j->pixels = NULL;
    return 1;
}

void image_job_free(struct image_job *j)
{
    if (!j)
        return;
    if (j->pid > 0) {
        (void)kill(j->pid, SIGKILL);
        (void)reap(j);
    }
    close(j->fd);
    free(j->pixels);
    free(j);
}

int image_decode(struct image *out, const void *ptr, size_t len, struct err *e)
{
    struct image_job *j;
    int rc = image_job_start(&j, ptr, len, e);
    if (rc < 0 || !j)
        return -1;
    while ((rc = image_job_step(j, out, e)) == 0) {
        struct pollfd p = { .fd = j->fd, .events = POLLIN };
        (void)poll(&p, 1, 100);
    }
    image_job_free(j);
    return rc < 0 ? -1 : 0;
}

void image_release(struct image *img)
{
    free(img->rgba);
    memset(img, 0, sizeof *img);
}

/* ---- drawing ---- */

/* Columns and rows of cells; a cell is two pixels high. */
static void fit(const struct image *img, int columns, int max_rows, int *w, int *h)
{
    *w = columns < img->w ? columns : img->w;
    *h = (int)((int64_t)*w * img->h / img->w + 1) / 2;
    if (*h > max_rows) {
        *h = max_rows;
        *w = (int)((int64_t)max_rows * 2 * img->w / img->h);
    }
    *w = *w < 1 ? 1 : *w > columns ? columns : *w;
    *h = *h < 1 ? 1 : *h;
}

int image_rows(const struct image *img, int columns, int max_rows)
{
    int w, h;
    if (columns < 1 || max_rows < 1 || img->w < 1 || img->h < 1)
        return 0;
    fit(img, columns, max_rows, &w, &h);
    return h;
}

/* Mean of the source area of pixel (x, y) of a w x h picture. */
static void mean(const struct image *img, int x, int y, int w, int h, uint8_t out[4])
{
    int x0 = x * img->w / w, x1 = (x + 1) * img->w / w, y0 = y * img->h / h,
        y1 = (y + 1) * img->h / h;
    uint64_t sum[4] = { 0 }, n = 0;
    x1 += x1 == x0;
    y1 += y1 == y0;
    for (int j = y0; j < y1; j++)
        for (int i = x0; i < x1; i++) {
            const uint8_t *p = img->rgba + ((size_t)j * (size_t)img->w + (size_t)i) * 4;
            for (int k = 0; k < 3; k++)
                sum[k] += (uint64_t)p[k] * p[3];
            sum[3] += p[3];
            n++;
        }
    for (int k = 0; k < 3; k++)
        out[k] = (uint8_t)(sum[3] ? sum[k] / sum[3] : 0);
    out[3] = (uint8_t)(n ? sum[3] / n : 0);
}

static void put_cp(struct grid *g, int x, int y, uint32_t cp, struct style st)
{
    struct text_glyph gl = { .cp = { cp }, .count = 1, .width = 1 };
    grid_put_glyph(g, x, y, g->w, &gl, st);
}

static uint16_t color_of(const uint8_t p[4], int colors)
{
    if (colors > 256)
        return STYLE_RGB(p[0], p[1], p[2]);
    return (uint16_t)(theme_nearest_rgb(p[0], p[1], p[2], colors) + 1);
}

static void put_half_block(struct grid *g, int x, int y, const uint8_t top[4], const uint8_t low[4],
                           int colors)
{
    struct style st = STYLE(ROLE_TEXT);
    bool has_top = top[3] >= 128, has_low = low[3] >= 128;
    if (!has_top && !has_low)
        return;
    st.fg = color_of(has_top ? top : low, colors);
    if (has_top && has_low)
        st.bg = color_of(low, colors);
    if (st.fg == st.bg) { /* equal colours are never drawn: a full block says the same */
        st.bg = 0;
        put_cp(g, x, y, 0x2588, st);
    } else {
        put_cp(g, x, y, has_top ? 0x2580 : 0x2584, st);
    }
}

static void put_shade(struct grid *g, int x, int y, const uint8_t top[4], const uint8_t low[4])
{
    static const char ramp[] = "@%#*+=-:. "; /* dark to light; paper is the background */
    int sum = 0;
    const uint8_t *both[2] = { top, low };
    for (int i = 0; i < 2; i++) {
        const uint8_t *p = both[i];
        int light = (299 * p[0] + 587 * p[1] + 114 * p[2]) / 1000;
        sum += (light * p[3] + 255 * (255 - p[3])) / 255;
    }
    put_cp(g, x, y, (uint32_t)ramp[sum / 2 * 9 / 255], STYLE(ROLE_TEXT));
}

void image_draw(struct grid *g, struct rect r, const struct image *img, int colors)
{
    int w, h;
    if (r.w < 1 || r.h < 1 || img->w < 1 || img->h < 1)
        return;
    fit(img, r.w, r.h, &w, &h);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            uint8_t top[4] = { 0 }, low[4] = { 0 };
            mean(img, x, 2 * y, w, 2 * h, top);
            mean(img, x, 2 * y + 1, w, 2 * h, low);
            if (colors < 8 || g->ascii)
                put_shade(g, r.x + x, r.y + y, top, low);
            else
                put_half_block(g, r.x + x, r.y + y, top, low, colors);
        }
}
