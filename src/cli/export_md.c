/* export_md.c - a session as Markdown. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/path.h"
#include "cli/export_doc.h"
#include "cli/export_mdtext.h"

#define TEXT_MAX ((size_t)64 << 20)

struct md {
    struct export *x;
    struct buf text; /* of the part at hand */
    bool made_dir;
};

static void flush(struct md *m)
{
    outfile_add(m->x->out, buf_str(&m->text), m->text.len);
    buf_reset(&m->text);
}

/* ---- streams ---- */

struct md_stream {
    struct md *m;
    struct md_ticks ticks;
    bool counting;
};

static int stream_line(void *arg, const char *line, size_t len, bool had_lf)
{
    struct md_stream *s = arg;
    struct md *m = s->m;
    export_clean_line(m->x, &m->text, line, len, TEXT_OUTPUT, had_lf);
    if (s->counting) {
        s->ticks.now = 0;
        md_count_ticks(&s->ticks, buf_str(&m->text), m->text.len);
        buf_reset(&m->text);
    } else {
        (void)buf_add_char(&m->text, '\n');
        flush(m);
    }
    return outfile_failed(m->x->out);
}

static int stream_gap(void *arg, uint64_t bytes)
{
    struct md_stream *s = arg;
    if (!s->counting)
        outfile_addf(s->m->x->out, "[… %" PRIu64 " bytes are not shown here]\n", bytes);
    return 0;
}

/* Twice: the fence has to be longer than what will stand in it. */
static void put_stream(struct md *m, uint32_t run, const struct state_output *o, unsigned stream)
{
    struct md_stream s = { .m = m, .counting = true };
    struct export_lines lines = { stream_line, stream_gap, &s };
    if (o->bytes == 0)
        return;
    outfile_addf(m->x->out, "**%s** (%" PRIu64 " bytes)\n\n",
                 stream == STREAM_STDERR ? "stderr" : "stdout", o->bytes);
    export_stream(m->x, run, stream, &lines);
    s.counting = false;
    md_fence(&m->text, &s.ticks, "text");
    flush(m);
    export_stream(m->x, run, stream, &lines);
    md_fence(&m->text, &s.ticks, "");
    if (o->dropped > 0)
        (void)buf_addf(&m->text, "\n[truncated +%" PRIu64 " bytes]\n", o->dropped);
    if (o->has_gaps)
        (void)buf_add_str(&m->text, "\n[some of it was erased]\n");
    (void)buf_add_char(&m->text, '\n');
    flush(m);
}

/* ---- results ---- */

/* Beside the document, under a name of ours. [SBX-6] */
static int save_result(struct md *m, const struct state_run *r, size_t index,
                       const struct buf *bytes, char **name, struct err *e)
{
    const char *dir = m->x->artifacts_dir;
    if (!m->made_dir && path_make_private_dir(dir, e) < 0)
        return -1;
    m->made_dir = true;
    *name =
        xasprintf("run-%u-%zu.%s", r->number, index + 1, export_ending_of(r->results[index].mime));
    char *path = path_join(dir, *name);
    int rc = path_write_file(path, bytes->ptr, bytes->len, e);
    free(path);
    return rc;
}

static void put_saved(struct md *m, const struct state_result *res, const char *name)
{
    const char *slash = strrchr(m->x->artifacts_dir, '/');
    const char *dir = slash != NULL ? slash + 1 : m->x->artifacts_dir; /* the person's own word */
    bool picture = strncmp(res->mime, "image/", 6) == 0 && strcmp(res->mime, "image/svg+xml") != 0;
    (void)buf_addf(&m->text, "%s[result](<%s/%s>)\n\n", picture ? "!" : "", dir, name);
}

static void put_result(struct md *m, const struct state_run *r, size_t index)
{
    const struct state_result *res = &r->results[index];
    struct buf bytes = BUF_INIT(TEXT_MAX);
    struct err why = ERR_INIT;
    char *name = NULL;
    bool text = res->artifact == NULL || res->artifact[0] == '\0';
    bool save = m->x->artifacts_dir != NULL && !text;
    (void)buf_add_str(&m->text, "**result** ");
    md_inline(m->x, &m->text, res->mime);
    (void)buf_addf(&m->text, " (%" PRIu64 " bytes)\n\n", res->bytes);
    int rc = export_result(m->x, r, res, &bytes, &why);
    if (rc == 0 && save)
        rc = save_result(m, r, index, &bytes, &name, &why);
    if (rc < 0) {
        (void)buf_add_str(&m->text, "[not shown: ");
        md_inline(m->x, &m->text, why.msg);
        (void)buf_add_str(&m->text, "]\n\n");
    } else if (save) {
        put_saved(m, res, name);
    } else if (text) {
        md_block(m->x, &m->text, "text", buf_str(&bytes), bytes.len, TEXT_OUTPUT);
    } else {
        (void)buf_add_str(&m->text, "[kept in the session; --artifacts writes it beside]\n\n");
    }
    flush(m);
    free(name);
    buf_release(&bytes);
}

/* ---- what happened ---- */

static void on_words(void *arg, const struct event *ev, const char *author, const char *text)
{
    struct md *m = arg;
    (void)buf_add_str(&m->text, "**");
    md_inline(m->x, &m->text, ev->type == EVENT_TASK_GIVEN ? "task" : author);
    (void)buf_add_str(&m->text, "**\n\n");
    md_block(m->x, &m->text, "text", text, strlen(text), TEXT_PROSE);
    flush(m);
}

static void on_proposed(void *arg, const struct state_run *r, const struct event *ev)
{
    struct md *m = arg;
    struct buf title = BUF_INIT(4096);
    (void)ev;
    doc_run_title(r, &title);
    (void)buf_add_str(&m->text, "## ");
    md_inline(m->x, &m->text, buf_str(&title));
    (void)buf_add_str(&m->text, "\n\nProposed by ");
    md_inline(m->x, &m->text, r->author);
    if (r->purpose[0] != '\0') {
        (void)buf_add_str(&m->text, ": ");
        md_inline(m->x, &m->text, r->purpose);
    }
    (void)buf_add_str(&m->text, "\n\n");
    md_block(m->x, &m->text, md_language(r->language), r->code, r->code_len, TEXT_CODE);
    if (r->expect[0] != '\0') {
        (void)buf_add_str(&m->text, "Expected:\n\n");
        md_block(m->x, &m->text, "text", r->expect, strlen(r->expect), TEXT_PROSE);
    }
    flush(m);
    buf_release(&title);
}

static void on_reviewed(void *arg, const struct state_run *r, const struct event *ev)
{
    struct md *m = arg;
    (void)ev;
    md_findings(m->x, &m->text, r);
    flush(m);
}

static void on_decided(void *arg, const struct state_run *r, const struct event *ev)
{
    struct md *m = arg;
    (void)ev;
    md_decision(m->x, &m->text, r);
    flush(m);
}

static void put_end(struct md *m, const struct state_run *r)
{
    char took[32];
    clock_duration(r->wall_ms * 1000, took, sizeof took);
    (void)buf_addf(&m->text, "**Run %u: ", r->number);
    md_inline(m->x, &m->text, export_outcome_word(r));
    if (r->end_what != NULL && r->end_what[0] != '\0') {
        (void)buf_add_str(&m->text, ", ");
        md_inline(m->x, &m->text, r->end_what);
    }
    (void)buf_addf(&m->text, "** (%s)\n\n", took);
    if (r->message != NULL && r->message[0] != '\0')
        md_block(m->x, &m->text, "text", r->message, strlen(r->message), TEXT_PROSE);
}

static void on_ran(void *arg, const struct state_run *r, const struct event *ev)
{
    struct md *m = arg;
    for (unsigned stream = STREAM_STDOUT; stream <= STREAM_STDERR; stream++)
        put_stream(m, r->number, &r->out[stream], stream);
    for (size_t i = 0; i < r->result_count; i++)
        put_result(m, r, i);
    if (r->error_traceback != NULL && r->error_traceback[0] != '\0') {
        (void)buf_add_str(&m->text, "**error**\n\n");
        md_block(m->x, &m->text, "text", r->error_traceback, strlen(r->error_traceback),
                 TEXT_OUTPUT);
    }
    if (ev != NULL)
        put_end(m, r);
    else
        (void)buf_addf(&m->text, "**Run %u: the record ends before it did**\n\n", r->number);
    flush(m);
}

static void on_verdict(void *arg, const struct state_run *r, const struct event *ev)
{
    struct md *m = arg;
    (void)ev;
    md_checks(m->x, &m->text, r);
    flush(m);
}

static void on_changed(void *arg, const struct state_run *r, const struct event *ev)
{
    struct md *m = arg;
    struct buf lines = BUF_INIT(TEXT_MAX);
    (void)ev;
    for (size_t i = 0; i < r->var_count; i++) {
        if (doc_var(&r->vars[i], &lines))
            (void)buf_add_char(&lines, '\n');
    }
    for (size_t i = 0; i < r->file_count; i++) {
        if (doc_file(&r->files[i], &lines))
            (void)buf_add_char(&lines, '\n');
    }
    if (lines.len > 0) {
        (void)buf_addf(&m->text, "State after run %u:\n\n", r->number);
        md_block(m->x, &m->text, "text", lines.ptr, lines.len, TEXT_PROSE);
        flush(m);
    }
    buf_release(&lines);
}

static void on_other(void *arg, const struct event *ev, const char *text)
{
    struct md *m = arg;
    (void)ev;
    (void)buf_add_char(&m->text, '*');
    md_inline(m->x, &m->text, text);
    (void)buf_add_str(&m->text, "*\n\n");
    flush(m);
}

static void put_background(struct md *m)
{
    const struct state_output *o = m->x->final.background;
    if (o[STREAM_STDOUT].bytes + o[STREAM_STDERR].bytes == 0)
        return;
    outfile_add_str(m->x->out, "## Background output\n\n");
    put_stream(m, 0, &o[STREAM_STDOUT], STREAM_STDOUT);
    put_stream(m, 0, &o[STREAM_STDERR], STREAM_STDERR);
}

int export_md(struct export *x, struct err *e)
{
    static const struct doc_ops ops = { .words = on_words,
                                        .proposed = on_proposed,
                                        .reviewed = on_reviewed,
                                        .decided = on_decided,
                                        .ran = on_ran,
                                        .verdict = on_verdict,
                                        .changed = on_changed,
                                        .other = on_other };
    struct md m = { .x = x, .text = BUF_INIT(TEXT_MAX) };
    md_head(x, &m.text);
    md_plan(x, &m.text);
    flush(&m);
    int rc = doc_walk(x, &ops, &m, e);
    put_background(&m);
    if (x->broken.code != ERR_NONE) {
        (void)buf_addf(&m.text, "*The record is whole only up to event %" PRIu64 ": ",
                       x->final.last_seq);
        md_inline(x, &m.text, x->broken.msg);
        (void)buf_add_str(&m.text, "*\n");
        flush(&m);
    }
    buf_release(&m.text);
    return rc;
}
