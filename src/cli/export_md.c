/* export_md.c - a session as Markdown. Foreign text is either escaped or stands in a fence longer
 * than any run of backquotes in it: nothing of it is markup, link or picture. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/path.h"
#include "cli/export_doc.h"

#define TEXT_MAX   ((size_t)64 << 20)
#define INLINE_MAX 2000 /* bytes of foreign text in a line of ours */

struct md {
    struct export *x;
    struct buf room;
    bool made_dir;
};

/* ---- escaping ---- */

static void put_escaped(struct md *m, const char *s, size_t len)
{
    size_t n = len < INLINE_MAX ? len : INLINE_MAX;
    while (n < len && n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
        n--;
    buf_reset(&m->room);
    export_clean(m->x, &m->room, s, n, TEXT_PROSE);
    if (n < len)
        (void)buf_add_str(&m->room, "…");
    for (size_t i = 0; i < m->room.len; i++) {
        char c = m->room.ptr[i];
        if (strchr("\\`*_[]<>#!|~$&@", c) != NULL && c != '\0')
            outfile_add(m->x->out, "\\", 1);
        if (c == ':' && m->room.ptr[i + 1] == '/') /* no address becomes a link by itself */
            outfile_add(m->x->out, "\\", 1);
        outfile_add(m->x->out, c == '\n' ? " " : &c, 1);
    }
}

static void put_inline(struct md *m, const char *s)
{
    put_escaped(m, s, strlen(s));
}

static void row(struct md *m, const char *label, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    outfile_addf(m->x->out, "| %s | ", label);
    put_inline(m, value);
    outfile_add_str(m->x->out, " |\n");
}

/* Longest run of backquotes so far. */
struct ticks {
    size_t now, longest;
};

static void count_ticks(struct ticks *t, const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        t->now = p[i] == '`' ? t->now + 1 : 0;
        t->longest = t->now > t->longest ? t->now : t->longest;
    }
}

static void put_fence(struct md *m, const struct ticks *t, const char *language)
{
    size_t n = t->longest < 3 ? 3 : t->longest + 1;
    while (n-- > 0)
        outfile_add(m->x->out, "`", 1);
    outfile_addf(m->x->out, "%.32s\n", language);
}

static void put_block(struct md *m, const char *language, const char *text, size_t len,
                      enum text_mode mode)
{
    struct ticks t = { 0 };
    buf_reset(&m->room);
    export_clean(m->x, &m->room, text, len, mode);
    count_ticks(&t, buf_str(&m->room), m->room.len);
    put_fence(m, &t, language);
    outfile_add(m->x->out, buf_str(&m->room), m->room.len);
    if (m->room.len > 0 && m->room.ptr[m->room.len - 1] != '\n')
        outfile_add_str(m->x->out, "\n");
    put_fence(m, &t, "");
    outfile_add_str(m->x->out, "\n");
}

/* ---- streams ---- */

struct md_stream {
    struct md *m;
    struct ticks ticks;
    bool counting;
};

static int stream_line(void *arg, const char *line, size_t len, bool had_lf)
{
    struct md_stream *s = arg;
    struct md *m = s->m;
    buf_reset(&m->room);
    export_clean_line(m->x, &m->room, line, len, TEXT_OUTPUT, had_lf);
    if (s->counting) {
        s->ticks.now = 0;
        count_ticks(&s->ticks, buf_str(&m->room), m->room.len);
    } else {
        outfile_add(m->x->out, buf_str(&m->room), m->room.len);
        outfile_add_str(m->x->out, "\n");
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

static void put_stream(struct md *m, const struct state_run *r, unsigned stream)
{
    const struct state_output *o = &r->out[stream];
    struct md_stream s = { .m = m, .counting = true };
    struct export_lines lines = { stream_line, stream_gap, &s };
    if (o->bytes == 0)
        return;
    outfile_addf(m->x->out, "**%s** (%" PRIu64 " bytes)\n\n",
                 stream == STREAM_STDERR ? "stderr" : "stdout", o->bytes);
    export_stream(m->x, r->number, stream, &lines);
    s.counting = false;
    put_fence(m, &s.ticks, "text");
    export_stream(m->x, r->number, stream, &lines);
    put_fence(m, &s.ticks, "");
    if (o->dropped > 0)
        outfile_addf(m->x->out, "\n[truncated +%" PRIu64 " bytes]\n", o->dropped);
    if (o->has_gaps)
        outfile_add_str(m->x->out, "\n[some of it was erased]\n");
    outfile_add_str(m->x->out, "\n");
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
    const char *dir = slash != NULL ? slash + 1 : m->x->artifacts_dir;
    bool picture = strncmp(res->mime, "image/", 6) == 0 && strcmp(res->mime, "image/svg+xml") != 0;
    outfile_add_str(m->x->out, picture ? "![result](<" : "[result](<");
    outfile_add_str(m->x->out, dir); /* the person chose it */
    outfile_add_str(m->x->out, "/");
    outfile_add_str(m->x->out, name);
    outfile_add_str(m->x->out, ">)\n\n");
}

static void put_result(struct md *m, const struct state_run *r, size_t index)
{
    const struct state_result *res = &r->results[index];
    struct buf bytes = BUF_INIT(TEXT_MAX);
    struct err why = ERR_INIT;
    char *name = NULL;
    bool text = res->artifact == NULL || res->artifact[0] == '\0';
    outfile_add_str(m->x->out, "**result** ");
    put_inline(m, res->mime);
    outfile_addf(m->x->out, " (%" PRIu64 " bytes)\n\n", res->bytes);
    if (export_result(m->x, r, res, &bytes, &why) < 0 ||
        (m->x->artifacts_dir != NULL && !text &&
         save_result(m, r, index, &bytes, &name, &why) < 0)) {
        outfile_add_str(m->x->out, "[not shown: ");
        put_inline(m, why.msg);
        outfile_add_str(m->x->out, "]\n\n");
    } else if (name != NULL) {
        put_saved(m, res, name);
    } else if (text) {
        put_block(m, "text", buf_str(&bytes), bytes.len, TEXT_OUTPUT);
    } else {
        outfile_add_str(m->x->out, "[kept in the session; --artifacts writes it beside]\n\n");
    }
    free(name);
    buf_release(&bytes);
}

/* ---- what happened ---- */

static void on_words(void *arg, const struct event *ev, const char *author, const char *text)
{
    struct md *m = arg;
    outfile_add_str(m->x->out, "**");
    put_inline(m, ev->type == EVENT_TASK_GIVEN ? "task" : author);
    outfile_add_str(m->x->out, "**\n\n");
    put_block(m, "text", text, strlen(text), TEXT_PROSE);
}

static void put_findings(struct md *m, const struct state_run *r)
{
    for (size_t i = 0; i < r->finding_count; i++) {
        const struct state_finding *f = &r->findings[i];
        outfile_addf(m->x->out, "- **%s** line %u, ", severity_name(f->severity), f->line);
        put_inline(m, f->rule);
        outfile_add_str(m->x->out, ": ");
        put_inline(m, f->text);
        outfile_add_str(m->x->out, "\n");
    }
    if (r->finding_count > 0)
        outfile_add_str(m->x->out, "\n");
}

static void on_proposed(void *arg, const struct state_run *r, const struct event *ev)
{
    struct md *m = arg;
    struct buf title = BUF_INIT(4096);
    (void)ev;
    doc_run_title(r, &title);
    outfile_add_str(m->x->out, "## ");
    put_inline(m, buf_str(&title));
    outfile_add_str(m->x->out, "\n\nProposed by ");
    put_inline(m, r->author);
    if (r->purpose[0] != '\0') {
        outfile_add_str(m->x->out, ": ");
        put_inline(m, r->purpose);
    }
    outfile_add_str(m->x->out, "\n\n");
    put_block(m,
              strspn(r->language, "abcdefghijklmnopqrstuvwxyz") == strlen(r->language) ? r->language
                                                                                       : "text",
              r->code, r->code_len, TEXT_CODE);
    if (r->expect[0] != '\0') {
        outfile_add_str(m->x->out, "Expected:\n\n");
        put_block(m, "text", r->expect, strlen(r->expect), TEXT_PROSE);
    }
    buf_release(&title);
}

static void on_reviewed(void *arg, const struct state_run *r, const struct event *ev)
{
    (void)ev;
    put_findings(arg, r);
}

static void on_decided(void *arg, const struct state_run *r, const struct event *ev)
{
    struct md *m = arg;
    struct buf words = BUF_INIT(4096);
    (void)ev;
    doc_decision(r, &words);
    outfile_addf(m->x->out, "**Run %u: ", r->number);
    put_inline(m, buf_str(&words));
    outfile_add_str(m->x->out, "** · capsule `");
    outfile_add(m->x->out, r->capsule, strspn(r->capsule, "0123456789abcdef"));
    outfile_add_str(m->x->out, "`");
    if (r->reason[0] != '\0') {
        outfile_add_str(m->x->out, " · ");
        put_inline(m, r->reason);
    }
    outfile_add_str(m->x->out, "\n\n");
    buf_release(&words);
}

static void put_end(struct md *m, const struct state_run *r)
{
    char took[32];
    clock_duration(r->wall_ms * 1000, took, sizeof took);
    outfile_addf(m->x->out, "**Run %u: ", r->number);
    put_inline(m, export_outcome_word(r));
    if (r->end_what != NULL && r->end_what[0] != '\0') {
        outfile_add_str(m->x->out, ", ");
        put_inline(m, r->end_what);
    }
    outfile_addf(m->x->out, "** (%s)\n\n", took);
    if (r->message != NULL && r->message[0] != '\0')
        put_block(m, "text", r->message, strlen(r->message), TEXT_PROSE);
}

static void on_ran(void *arg, const struct state_run *r, const struct event *ev)
{
    struct md *m = arg;
    for (unsigned stream = STREAM_STDOUT; stream <= STREAM_STDERR; stream++)
        put_stream(m, r, stream);
    for (size_t i = 0; i < r->result_count; i++)
        put_result(m, r, i);
    if (r->error_traceback != NULL && r->error_traceback[0] != '\0') {
        outfile_add_str(m->x->out, "**error**\n\n");
        put_block(m, "text", r->error_traceback, strlen(r->error_traceback), TEXT_OUTPUT);
    }
    if (ev != NULL)
        put_end(m, r);
    else
        outfile_addf(m->x->out, "**Run %u: the record ends before it did**\n\n", r->number);
}

static void on_verdict(void *arg, const struct state_run *r, const struct event *ev)
{
    struct md *m = arg;
    (void)ev;
    outfile_addf(m->x->out, "Verdict of run %u: **%s**\n\n", r->number,
                 run_verdict_name(r->verdict));
    for (size_t i = 0; i < r->check_count; i++) {
        outfile_add_str(m->x->out, r->checks[i].ok ? "- ok: " : "- FAILED: ");
        put_inline(m, r->checks[i].text);
        if (!r->checks[i].ok && r->checks[i].got != NULL && r->checks[i].got[0] != '\0') {
            outfile_add_str(m->x->out, ", got ");
            put_inline(m, r->checks[i].got);
        }
        outfile_add_str(m->x->out, "\n");
    }
    if (r->check_count > 0)
        outfile_add_str(m->x->out, "\n");
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
        outfile_addf(m->x->out, "State after run %u:\n\n", r->number);
        put_block(m, "text", lines.ptr, lines.len, TEXT_PROSE);
    }
    buf_release(&lines);
}

static void on_other(void *arg, const struct event *ev, const char *text)
{
    struct md *m = arg;
    (void)ev;
    outfile_add_str(m->x->out, "*");
    put_inline(m, text);
    outfile_add_str(m->x->out, "*\n\n");
}

/* ---- head ---- */

static void put_title(struct md *m)
{
    const struct state *st = &m->x->final;
    const char *title = st->name[0] != '\0' ? st->name : st->task;
    size_t len = strcspn(title, "\n");
    outfile_add_str(m->x->out, "# ");
    if (len == 0)
        outfile_add_str(m->x->out, "Airlock session");
    else
        put_escaped(m, title, len);
    outfile_add_str(m->x->out, "\n\n");
}

static void put_head(struct md *m)
{
    const struct state *st = &m->x->final;
    char at[CLOCK_ISO_LEN], cost[64];
    clock_iso(st->created_at_us, at);
    export_money(st->cost_nanousd, cost, sizeof cost);
    put_title(m);
    outfile_add_str(m->x->out, "| | |\n| --- | --- |\n");
    row(m, "session", store_id(m->x->store));
    row(m, "foreign, made as", st->foreign ? st->foreign_from : "");
    row(m, "created", at);
    row(m, "planner", st->planner);
    row(m, "model", st->model);
    row(m, "sandbox", st->sandbox);
    row(m, "contract", st->contract_digest);
    row(m, "outcome", st->outcome);
    row(m, "answer", st->answer);
    row(m, "cost", cost);
    outfile_add_str(m->x->out, "\n");
    for (size_t i = 0; i < st->step_count; i++) {
        if (i == 0)
            outfile_add_str(m->x->out, "## Plan\n\n");
        outfile_addf(m->x->out, "%zu. (%s) ", i + 1, step_status_name(st->steps[i].status));
        put_inline(m, st->steps[i].title);
        outfile_add_str(m->x->out, "\n");
    }
    outfile_add_str(m->x->out, st->step_count > 0 ? "\n" : "");
}

static void put_background(struct md *m)
{
    struct state_run none = { .number = 0 };
    memcpy(none.out, m->x->final.background, sizeof none.out);
    if (none.out[STREAM_STDOUT].bytes + none.out[STREAM_STDERR].bytes == 0)
        return;
    outfile_add_str(m->x->out, "## Background output\n\n");
    put_stream(m, &none, STREAM_STDOUT);
    put_stream(m, &none, STREAM_STDERR);
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
    struct md m = { .x = x, .room = BUF_INIT(TEXT_MAX) };
    put_head(&m);
    int rc = doc_walk(x, &ops, &m, e);
    put_background(&m);
    if (x->broken.code != ERR_NONE) {
        outfile_addf(x->out, "*The record is whole only up to event %" PRIu64 ": ",
                     x->final.last_seq);
        put_inline(&m, x->broken.msg);
        outfile_add_str(x->out, "*\n");
    }
    buf_release(&m.room);
    return rc;
}
