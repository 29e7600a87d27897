/* export_html_output.c - what a run gave, on the page: its streams and its results. */
#include <inttypes.h>
#include <string.h>

#include "cli/export_html.h"

#define TEXT_MAX    ((size_t)64 << 20)
#define PICTURE_MAX ((size_t)16 << 20)
#define OPEN_LINES  200 /* a longer output is folded */

/* ---- streams ---- */

struct stream {
    struct export *x;
    uint64_t lines;
};

static int stream_line(void *arg, const char *line, size_t len, bool had_lf)
{
    struct stream *s = arg;
    html_line(s->x, line, len, TEXT_OUTPUT, had_lf, NULL, 0);
    outfile_add_str(s->x->out, "\n");
    s->lines++;
    return outfile_failed(s->x->out);
}

static int stream_gap(void *arg, uint64_t bytes)
{
    struct stream *s = arg;
    outfile_addf(s->x->out,
                 "<span class=\"mn\" data-head=\"%" PRIu64 "\">[… %" PRIu64
                 " bytes are not shown here]</span>\n",
                 s->lines, bytes);
    return 0;
}

void html_stream(struct export *x, uint32_t run, const struct state_output *o, unsigned stream)
{
    struct stream s = { .x = x };
    struct export_lines lines = { stream_line, stream_gap, &s };
    bool err = stream == STREAM_STDERR;
    if (o->bytes == 0)
        return;
    outfile_addf(x->out, "<details%s><summary>%s, %" PRIu64 " bytes</summary>\n",
                 o->newlines <= OPEN_LINES ? " open" : "", err ? "stderr" : "stdout", o->bytes);
    outfile_addf(x->out, "<pre class=\"%s\" id=\"o%u-%u\" data-lines=\"%" PRIu64 "\">\n",
                 err ? "err" : "out", run, stream, o->newlines);
    export_stream(x, run, stream, &lines);
    outfile_add_str(x->out, "</pre>\n</details>\n");
    if (o->dropped > 0)
        outfile_addf(x->out, "<p class=\"wait\">[truncated +%" PRIu64 " bytes]</p>\n", o->dropped);
    if (o->has_gaps)
        outfile_add_str(x->out, "<p class=\"wait\">[some of it was erased]</p>\n");
}

/* ---- results ---- */

/* Only what a browser shows as a picture and nothing else, whatever the record calls it. */
static const char *picture_type(const struct buf *b)
{
    static const struct {
        const char *type, *magic;
        size_t len, at;
    } known[] = {
        { "image/png", "\x89PNG\r\n\x1a\n", 8, 0 },
        { "image/jpeg", "\xff\xd8\xff", 3, 0 },
        { "image/gif", "GIF8", 4, 0 },
        { "image/webp", "WEBP", 4, 8 },
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (b->len > known[i].at + known[i].len &&
            memcmp(b->ptr + known[i].at, known[i].magic, known[i].len) == 0)
            return known[i].type;
    }
    return NULL;
}

static void put_picture(struct export *x, const struct state_run *r, size_t index, const char *type,
                        const struct buf *bytes)
{
    struct buf piece = BUF_INIT(TEXT_MAX);
    outfile_addf(x->out, "<p><img alt=\"result %zu of run %u\" src=\"data:%s;base64,", index + 1,
                 r->number, type);
    if (base64_encode(&piece, bytes->ptr, bytes->len) == 0)
        outfile_add(x->out, piece.ptr, piece.len);
    outfile_add_str(x->out, "\"></p>\n");
    buf_release(&piece);
}

void html_result(struct export *x, const struct state_run *r, size_t index)
{
    const struct state_result *res = &r->results[index];
    struct buf bytes = BUF_INIT(PICTURE_MAX);
    struct err why = ERR_INIT;
    bool text = res->artifact == NULL || res->artifact[0] == '\0';
    outfile_add_str(x->out, "<h3>result ");
    html_str(x, res->mime);
    outfile_addf(x->out, ", %" PRIu64 " bytes</h3>\n", res->bytes);
    int rc = export_result(x, r, res, &bytes, &why);
    const char *type =
        rc == 0 && strncmp(res->mime, "image/", 6) == 0 ? picture_type(&bytes) : NULL;
    if (rc < 0) {
        outfile_add_str(x->out, "<p class=\"wait\">[not shown: ");
        html_str(x, why.msg);
        outfile_add_str(x->out, "]</p>\n");
    } else if (type != NULL) {
        put_picture(x, r, index, type, &bytes);
    } else if (text || strcmp(res->mime, "image/svg+xml") == 0 ||
               strncmp(res->mime, "text/", 5) == 0) {
        outfile_add_str(x->out, "<pre class=\"out\">\n");
        html_text(x, buf_str(&bytes), bytes.len, TEXT_OUTPUT);
        outfile_add_str(x->out, "</pre>\n");
    } else {
        outfile_add_str(
            x->out,
            "<p class=\"soft\">[no picture that a page can show: it is kept in the session]</p>\n");
    }
    buf_release(&bytes);
}
