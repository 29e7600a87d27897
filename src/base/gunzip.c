/* gunzip.c - decoding gzip as it arrives. */
#include "base/gunzip.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>
#include "base/buf.h"

#define LIBRARY   "libz.so.1"
#define GZIP_ONLY (15 + 16) /* window bits, and no other container */

static struct {
    bool loaded;
    __typeof__(inflateInit2_) *init;
    __typeof__(inflate) *inflate;
    __typeof__(inflateReset) *reset;
    __typeof__(inflateEnd) *end;
} lib;

struct gunzip {
    z_stream z;
    bool at_end; /* of a member */
};

static int load_library(struct err *e)
{
    if (lib.loaded)
        return 0;
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (handle != NULL) {
        lib.init = (__typeof__(lib.init))dlsym(handle, "inflateInit2_");
        lib.inflate = (__typeof__(lib.inflate))dlsym(handle, "inflate");
        lib.reset = (__typeof__(lib.reset))dlsym(handle, "inflateReset");
        lib.end = (__typeof__(lib.end))dlsym(handle, "inflateEnd");
        lib.loaded = lib.init && lib.inflate && lib.reset && lib.end;
    }
    return lib.loaded ? 0 : err_set(e, ERR_MISSING, "reading gzip needs zlib (%s)", LIBRARY);
}

int gunzip_new(struct gunzip **out, struct err *e)
{
    if (load_library(e) < 0)
        return -1;
    struct gunzip *g = xcalloc(1, sizeof *g);
    if (lib.init(&g->z, GZIP_ONLY, ZLIB_VERSION, (int)sizeof g->z) != Z_OK) {
        free(g);
        return err_set(e, ERR_MISSING, "zlib does not start");
    }
    *out = g;
    return 0;
}

void gunzip_free(struct gunzip *g)
{
    if (g == NULL)
        return;
    lib.end(&g->z);
    free(g);
}

int gunzip_step(struct gunzip *g, const char *in, size_t in_len, size_t *used, char *out,
                size_t size, size_t *made)
{
    uInt in_max = in_len < UINT_MAX ? (uInt)in_len : UINT_MAX;
    uInt out_max = size < UINT_MAX ? (uInt)size : UINT_MAX;
    *used = *made = 0;
    if (g->at_end) {
        if (in_len == 0)
            return 0;
        lib.reset(&g->z);
        g->at_end = false;
    }
    g->z.next_in = (Bytef *)(uintptr_t)in;
    g->z.avail_in = in_max;
    g->z.next_out = (Bytef *)out;
    g->z.avail_out = out_max;
    int rc = lib.inflate(&g->z, Z_NO_FLUSH);
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return -1; /* BUF_ERROR only says that nothing could be done this time */
    g->at_end = rc == Z_STREAM_END;
    *used = in_max - g->z.avail_in;
    *made = out_max - g->z.avail_out;
    return 0;
}

bool gunzip_is_whole(const struct gunzip *g)
{
    return g->at_end;
}
