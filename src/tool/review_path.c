/* review_path.c - where a path that stands in code leads, without looking at any disk. */
#include "tool/review_impl.h"

#include <string.h>

/* Gone with the sandbox, or nothing at all. */
static const char *const inside[] = {
    "/workspace",  "/tmp",        "/var/tmp", "/dev/shm", "/dev/null",
    "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/fd",  "/proc/self/fd",
};

/* Resolve `path` against cwd: "." and ".." taken away, no final slash. False when it is too long or
 * starts nowhere. */
static bool resolve(char out[REVIEW_PATH_MAX], const char *cwd, const char *path, size_t len)
{
    size_t n = 0;
    if (len == 0 || path[0] != '/') {
        n = strlen(cwd);
        if (n == 0)
            return false;
        memcpy(out, cwd, n);
        if (n == 1)
            n = 0; /* "/" */
    }
    for (size_t i = 0; i < len;) {
        size_t end = i;
        while (end < len && path[end] != '/')
            end++;
        size_t part = end - i;
        if (part == 2 && path[i] == '.' && path[i + 1] == '.') {
            while (n > 0 && out[--n] != '/')
                ;
        } else if (part > 0 && !(part == 1 && path[i] == '.')) {
            if (n + 1 + part + 1 > REVIEW_PATH_MAX)
                return false;
            out[n++] = '/';
            memcpy(out + n, path + i, part);
            n += part;
        }
        i = end + 1;
    }
    if (n == 0)
        out[n++] = '/';
    out[n] = '\0';
    return true;
}

/* Is `path` equal to `dir` or below it? */
static bool is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    if (n == 1)
        return true;
    return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static bool has_prefix(const char *p, size_t len, const char *s)
{
    size_t n = strlen(s);
    return len >= n && memcmp(p, s, n) == 0;
}

/* The part before the first computed or glob character, cut back to whole names. */
static size_t known_part(const char *path, size_t len, bool *partly)
{
    size_t n = 0;
    while (n < len && path[n] != REVIEW_HOLE && strchr("*?[{", path[n]) == NULL)
        n++;
    *partly = n < len;
    while (*partly && n > 0 && path[n - 1] != '/')
        n--;
    return n;
}

static enum path_class classify_whole(const struct review_context *ctx, const char *path)
{
    bool above_mount = false, is_inside = false;
    for (size_t i = 0; ctx != NULL && i < ctx->rw_count; i++) {
        if (is_below(path, ctx->rw_mounts[i]))
            return PATH_MOUNT;
        above_mount |= is_below(ctx->rw_mounts[i], path);
    }
    for (size_t i = 0; i < ARRAY_LEN(inside); i++)
        is_inside |= is_below(path, inside[i]);
    if (is_inside)
        return above_mount ? PATH_MOUNT : PATH_INSIDE;
    return PATH_OUTSIDE;
}

enum path_class path_classify(const struct review_context *ctx, const char *cwd, const char *path,
                              size_t len)
{
    char whole[REVIEW_PATH_MAX];
    bool partly = false;
    if (has_prefix(path, len, "file://")) {
        path += 7;
        len -= 7;
    }
    if (len == 0)
        return PATH_UNKNOWN;
    if (path[0] == '~')
        return PATH_OUTSIDE;
    size_t n = known_part(path, len, &partly);
    if (partly && n == 0 && path[0] == REVIEW_HOLE)
        return PATH_UNKNOWN;
    if (!resolve(whole, cwd, path, n))
        return n > 0 && path[0] == '/' ? PATH_OUTSIDE : PATH_UNKNOWN;
    /* what is computed may climb out again */
    if (partly && memmem(path + n, len - n, "..", 2) != NULL)
        return PATH_OUTSIDE;
    return classify_whole(ctx, whole);
}

void path_change(char cwd[REVIEW_PATH_MAX], const char *path, size_t len)
{
    char whole[REVIEW_PATH_MAX];
    if (len > 0 && path[0] == '~')
        memcpy(whole, "/~", 3); /* some home: outside, whatever its name */
    else if (len == 0 || memchr(path, REVIEW_HOLE, len) != NULL || !resolve(whole, cwd, path, len))
        whole[0] = '\0';
    memcpy(cwd, whole, strlen(whole) + 1);
}
