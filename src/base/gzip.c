/* gzip.c - whole files, packed and unpacked piece by piece. */
#include "base/gzip.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "base/gunzip.h"
#include "base/path.h"

#define LIBRARY   "libz.so.1"
#define GZIP_WRAP (15 + 16) /* window bits, and a gzip header */
#define LEVEL     6
#define MEM_LEVEL 8
#define PIECE     ((size_t)256 << 10)

static struct {
    bool loaded;
    __typeof__(deflateInit2_) *init;
    __typeof__(deflate) *deflate;
    __typeof__(deflateEnd) *end;
} lib;

static int load_library(struct err *e)
{
    if (lib.loaded)
        return 0;
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (handle != NULL) {
        lib.init = (__typeof__(lib.init))dlsym(handle, "deflateInit2_");
        lib.deflate = (__typeof__(lib.deflate))dlsym(handle, "deflate");
        lib.end = (__typeof__(lib.end))dlsym(handle, "deflateEnd");
        lib.loaded = lib.init && lib.deflate && lib.end;
    }
    return lib.loaded ? 0 : err_set(e, ERR_MISSING, "writing gzip needs zlib (%s)", LIBRARY);
}

static ssize_t read_some(int fd, char *room, struct err *e)
{
    ssize_t n;
    do
        n = read(fd, room, PIECE);
    while (n < 0 && errno == EINTR);
    return n < 0 ? err_sys(e, ERR_IO, "read") : n;
}

static int write_out(int fd, const char *p, size_t len, struct err *e)
{
    return write_all_fd(fd, p, len) < 0 ? err_sys(e, ERR_IO, "write") : 0;
}

/* All that the compressor gives for what it has; with `flush` Z_FINISH to its end. */
static int drain(z_stream *z, int flush, char *room, int to, struct err *e)
{
    do {
        z->next_out = (Bytef *)room;
        z->avail_out = PIECE;
        int rc = lib.deflate(z, flush);
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
            return err_set(e, ERR_IO, "zlib stopped (%d)", rc);
        if (write_out(to, room, PIECE - z->avail_out, e) < 0)
            return -1;
    } while (z->avail_out == 0);
    return 0;
}

int gzip_file(int from, int to, uint64_t *bytes, struct err *e)
{
    z_stream z = { 0 };
    ssize_t n = 0;
    int rc = 0;
    if (load_library(e) < 0)
        return -1;
    if (lib.init(&z, LEVEL, Z_DEFLATED, GZIP_WRAP, MEM_LEVEL, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                 (int)sizeof z) != Z_OK)
        return err_set(e, ERR_MISSING, "zlib does not start");
    char *in = xmalloc(2 * PIECE);
    *bytes = 0;
    do {
        n = read_some(from, in, e);
        z.next_in = (Bytef *)in;
        z.avail_in = n > 0 ? (uInt)n : 0;
        *bytes += n > 0 ? (uint64_t)n : 0;
        rc = n < 0 ? -1 : drain(&z, n == 0 ? Z_FINISH : Z_NO_FLUSH, in + PIECE, to, e);
    } while (rc == 0 && n > 0);
    lib.end(&z);
    free(in);
    return rc;
}

/* One piece of the input, all of what it gives. */
static int inflate_piece(struct gunzip *g, const char *in, size_t len, char *room, int to,
                         uint64_t max, uint64_t *bytes, struct err *e)
{
    size_t used, made;
    for (size_t at = 0;; at += used) {
        if (gunzip_step(g, in + at, len - at, &used, room, PIECE, &made) < 0)
            return err_set(e, ERR_FORMAT, "damaged, or no gzip file");
        *bytes += made;
        if (*bytes > max)
            return err_set(e, ERR_LIMIT, "over %llu bytes", (unsigned long long)max);
        if (write_out(to, room, made, e) < 0)
            return -1;
        if (at + used == len && made < PIECE)
            return 0;
    }
}

int gunzip_file(int from, int to, uint64_t max, uint64_t *bytes, struct err *e)
{
    struct gunzip *g = NULL;
    ssize_t n = 0;
    int rc = 0;
    if (gunzip_new(&g, e) < 0)
        return -1;
    char *in = xmalloc(2 * PIECE);
    *bytes = 0;
    do {
        n = read_some(from, in, e);
        rc = n < 0    ? -1
             : n == 0 ? 0
                      : inflate_piece(g, in, (size_t)n, in + PIECE, to, max, bytes, e);
    } while (rc == 0 && n > 0);
    if (rc == 0 && !gunzip_is_whole(g))
        rc = err_set(e, ERR_FORMAT, "cut short");
    gunzip_free(g);
    free(in);
    return rc;
}
