/* gate_rows.c - the rows of a capsule that are not its code. */
#include "tool/gate_rows.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX ((size_t)1500) /* bytes of one text */

struct rows {
    gate_row_fn fn;
    void *arg;
};

static void row(const struct rows *to, const char *kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void row(const struct rows *to, const char *kind, const char *fmt, ...)
{
    char text[2048];
    int n = snprintf(text, sizeof text, "%s ", kind);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text + n, sizeof text - (size_t)n, fmt, ap);
    va_end(ap);
    to->fn(to->arg, text);
}

/* Text of any length: what does not stand in its row is named by its hash. */
static void text_row(const struct rows *to, const char *kind, const char *p, size_t len)
{
    uint8_t hash[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    size_t n = len < SHOWN_MAX ? len : SHOWN_MAX;
    const char *nul = memchr(p, '\0', n);
    if (nul != NULL)
        n = (size_t)(nul - p);
    if (n == len) {
        row(to, kind, "%.*s", (int)n, p);
        return;
    }
    sha256_once(p, len, hash);
    hex_encode(hash, sizeof hash, hex);
    row(to, kind, "%.*s … %zu of %zu bytes are not shown, sha256 of all %s", (int)n, p, len - n,
        len, hex);
}

static void file_row(const struct rows *to, const struct sandbox_file *f)
{
    uint8_t hash[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    sha256_once(f->ptr, f->len, hash);
    hex_encode(hash, sizeof hash, hex);
    row(to, "file", "%s %04o %zu bytes sha256 %.16s…", f->name, f->mode, f->len, hex);
}

void gate_each_row(const struct capsule *capsule, const struct contract *c, gate_row_fn fn,
                   void *arg)
{
    const struct rows to = { fn, arg };
    const struct sandbox_run *rq = capsule_request(capsule);
    for (size_t i = 0; i < rq->file_count; i++)
        file_row(&to, &rq->files[i]);
    for (size_t i = 0; i < rq->argv_count; i++)
        text_row(&to, "argv", rq->argv[i], strlen(rq->argv[i]));
    if (rq->input_len > 0)
        text_row(&to, "stdin", rq->input, rq->input_len);
    for (size_t i = 0; i < c->env_count; i++)
        row(&to, "env", "%s%s", c->env[i], getenv(c->env[i]) == NULL ? " (not set)" : "");
    for (size_t i = 0; i < c->mount_count; i++)
        row(&to, "mount", "%s %s", c->mounts[i].path,
            c->mounts[i].writable ? "read-write" : "read-only");
    if (c->introspection[0] != '\0')
        row(&to, "reads",
            "after each run a cell of Airlock's own reads the variables and the files it changed "
            "(sha256 %.8s…; :cell shows it whole)",
            c->introspection);
    if (rq->check_code_len > 0)
        text_row(&to, "check", rq->check_code, rq->check_code_len);
}
