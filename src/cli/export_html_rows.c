/* export_html_rows.c - the events as rows of numbers, for the page's script. */
#include <inttypes.h>

#include "cli/export_html.h"

#define ROWS_MAX ((size_t)64 << 10)
#define MERGE_MS 40 /* outputs of one stream this close are one row */

/* The same numbers as in page.js. */
enum row_kind {
    ROW_OTHER,
    ROW_WORDS,
    ROW_PLAN,
    ROW_PROPOSED,
    ROW_REVIEWED,
    ROW_GATE,
    ROW_DECIDED,
    ROW_STARTED,
    ROW_OUTPUT,
    ROW_FINISHED,
    ROW_VERDICT
};
static enum row_kind kind_of(const struct event *ev)
{
    if (ev->json == NULL && ev->bytes == NULL)
        return ROW_OTHER;
    switch (ev->type) {
    case EVENT_TASK_GIVEN:
    case EVENT_PLANNER_MESSAGE:
    case EVENT_NOTE:
    case EVENT_ERROR:
        return ROW_WORDS;
    case EVENT_PLAN_UPDATED:
        return ROW_PLAN;
    case EVENT_RUN_PROPOSED:
        return ROW_PROPOSED;
    case EVENT_RUN_REVIEWED:
        return ROW_REVIEWED;
    case EVENT_GATE_OPENED:
        return ROW_GATE;
    case EVENT_GATE_DECIDED:
        return ROW_DECIDED;
    case EVENT_RUN_STARTED:
        return ROW_STARTED;
    case EVENT_RUN_OUTPUT:
        return ROW_OUTPUT;
    case EVENT_RUN_FINISHED:
        return ROW_FINISHED;
    case EVENT_RUN_VERDICT:
        return ROW_VERDICT;
    default:
        return ROW_OTHER;
    }
}

static void put_rows(struct html_rows *p)
{
    if (p->text.len == 0)
        return;
    outfile_add_str(p->x->out, "<script type=\"application/json\" class=\"rows\">[");
    outfile_add(p->x->out, p->text.ptr, p->text.len);
    outfile_add_str(p->x->out, "]</script>\n");
    buf_reset(&p->text);
}

static void end_row(struct html_rows *p)
{
    const struct html_row *r = &p->last;
    if (r->seq == 0)
        return;
    (void)buf_addf(&p->text, "%s[%" PRIu64 ",%" PRId64 ",%d,%u", p->text.len > 0 ? ",\n" : "",
                   r->seq, r->ms, r->kind, r->run);
    if (r->kind == ROW_OUTPUT)
        (void)buf_addf(&p->text, ",%u,%" PRIu64, r->stream, r->lines);
    (void)buf_add_char(&p->text, ']');
    if (p->text.len > ROWS_MAX - 256)
        put_rows(p);
}

void html_rows_add(struct html_rows *p, const struct state *st, const struct event *ev)
{
    const struct state_run *r = state_run_at(st, ev->run);
    if (p->first_us == 0)
        p->first_us = ev->at_us;
    struct html_row row = { .seq = ev->seq,
                            .ms = (ev->at_us - p->first_us) / 1000,
                            .kind = kind_of(ev),
                            .run = ev->run,
                            .stream = ev->stream };
    if (row.kind == ROW_OUTPUT && r != NULL)
        row.lines = r->out[ev->stream].newlines;
    bool joins = row.kind == ROW_OUTPUT && p->last.kind == ROW_OUTPUT && p->last.seq != 0 &&
                 p->last.run == row.run && p->last.stream == row.stream &&
                 row.ms - p->last.ms < MERGE_MS;
    if (joins)
        row.ms = p->last.ms;
    else
        end_row(p);
    p->last = row;
}

void html_rows_init(struct html_rows *p, struct export *x)
{
    *p = (struct html_rows){ .x = x, .text = BUF_INIT(ROWS_MAX) };
}

void html_rows_end(struct html_rows *p)
{
    end_row(p);
    put_rows(p);
    buf_release(&p->text);
}
