/* frame.c - frames drawn beside whatever is on the screen, hashed. */
#include "cli/frame.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"

int frames_open(struct frames *f, const char *path, int w, int h, struct err *e)
{
    *f = (struct frames){ .fd = -1 };
    f->fd = strcmp(path, "-") == 0
                ? STDOUT_FILENO
                : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
    if (f->fd < 0)
        return err_sys(e, ERR_IO, "%s", path);
    grid_init(&f->grid, w, h);
    past_gate_init(&f->gate);
    view_model_init(&f->vm);
    return 0;
}

void frames_close(struct frames *f)
{
    if (f->grid.cells == NULL)
        return;
    if (f->fd > STDERR_FILENO)
        close(f->fd);
    grid_release(&f->grid);
    past_gate_release(&f->gate);
    f->fd = -1;
}

/* ---- hashing ---- */

static void hash_grid(const struct grid *g, char hex[SHA256_HEX_LEN + 1])
{
    struct sha256 *sha = sha256_new();
    uint8_t digest[SHA256_LEN];
    sha256_begin(sha);
    sha256_add_u32be(sha, (uint32_t)g->w);
    sha256_add_u32be(sha, (uint32_t)g->h);
    for (size_t i = 0; i < (size_t)g->w * (size_t)g->h; i++) {
        const struct cell *c = &g->cells[i];
        uint32_t cp[1 + TEXT_MARKS_MAX];
        size_t n = grid_cell_text(g, c, cp);
        sha256_add_u32be(sha, (uint32_t)n);
        for (size_t k = 0; k < n; k++)
            sha256_add_u32be(sha, cp[k]);
        sha256_add_u32be(sha,
                         (uint32_t)c->style.role << 16 | (uint32_t)c->style.attrs << 8 | c->width);
        sha256_add_u32be(sha, (uint32_t)c->style.fg << 16 | c->style.bg);
    }
    sha256_end(sha, digest);
    sha256_free(sha);
    hex_encode(digest, sizeof digest, hex);
}

void frames_hash(struct frames *f, const struct state *st, const struct output_source *source,
                 char hex[SHA256_HEX_LEN + 1])
{
    f->vm.source = *source;
    f->vm.now_us = st->last_at_us;
    past_gate_fill(&f->gate, st, &f->vm.gate);
    view_draw(st, &f->vm, &f->grid, NULL);
    hash_grid(&f->grid, hex);
}

void frames_add(struct frames *f, const struct state *st, const struct output_source *source)
{
    char hex[SHA256_HEX_LEN + 1], line[SHA256_HEX_LEN + 32];
    if (f->fd < 0 || f->failed.code != ERR_NONE)
        return;
    frames_hash(f, st, source, hex);
    int n = snprintf(line, sizeof line, "%llu %s\n", (unsigned long long)st->last_seq, hex);
    if (write_all_fd(f->fd, line, (size_t)n) < 0)
        err_sys(&f->failed, ERR_IO, "the frames can't be written");
}

int frames_parse_size(const char *text, int *w, int *h, struct err *e)
{
    char *end = NULL;
    long cols = isdigit((unsigned char)text[0]) ? strtol(text, &end, 10) : 0;
    bool both = end != NULL && end[0] == 'x' && isdigit((unsigned char)end[1]);
    long rows = both ? strtol(end + 1, &end, 10) : 0;
    if (!both || *end != '\0' || cols < 1 || rows < 1 || cols > GRID_SIDE_MAX ||
        rows > GRID_SIDE_MAX)
        return err_set(e, ERR_USAGE, "--size %.20s: it is COLSxROWS, such as 100x30", text);
    *w = (int)cols;
    *h = (int)rows;
    return 0;
}
