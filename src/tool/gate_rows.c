/* gate_rows.c - the rows of a capsule that are not its code. */
#include "tool/gate_rows.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

static void file_row(const struct rows *to, const struct sandbox_file *f)
{
    uint8_t hash[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    sha256_once(f->ptr, f->len, hash);
    hex_encode(hash, sizeof hash, hex);
    row(to, "file", "%s %04o %zu bytes %.8s…", f->name, f->mode, f->len, hex);
}

void gate_each_row(const struct capsule *capsule, const struct contract *c, gate_row_fn fn,
                   void *arg)
{
    const struct rows to = { fn, arg };
    const struct sandbox_run *rq = capsule_request(capsule);
    for (size_t i = 0; i < rq->file_count; i++)
        file_row(&to, &rq->files[i]);
    for (size_t i = 0; i < rq->argv_count; i++)
        row(&to, "argv", "%s", rq->argv[i]);
    if (rq->input_len > 0)
        row(&to, "stdin", "%zu bytes: %.200s", rq->input_len, rq->input);
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
        row(&to, "check", "%.1500s", rq->check_code);
}
