/* view_talk.c - notes (what was said) and the record of one run in words. */
#include "ui/view_int.h"

#include <stdio.h>
#include <string.h>
#include "ui/markdown.h"

static size_t width_of(struct rect r)
{
    return r.w > 2 ? (size_t)r.w - 2 : 1;
}

static void draw_prose(const struct view *v, struct rect r, const struct prose *p, size_t first)
{
    for (int i = 0; i < r.h && first + (size_t)i < p->line_count; i++)
        grid_put_prose(v->g, r.x + 1, r.y + i, r.x + r.w, p, first + (size_t)i);
}

/* ---- notes ---- */

static void add_message(struct prose *p, const char *author, uint32_t run, bool queued,
                        const char *text, size_t len, size_t width)
{
    char head[96];
    bool planner = strcmp(author, "planner") == 0, error = strcmp(author, "error") == 0;
    if (run)
        snprintf(head, sizeof head, "%s, run %u", author, run);
    else
        snprintf(head, sizeof head, "%s%s", author,
                 queued ? ", queued: goes with the model's next call; ^C makes it now" : "");
    prose_add_span(p, head, strlen(head), error ? ROLE_BAD : ROLE_DIM, false);
    if (planner)
        prose_add_markdown(p, text, len, width);
    else
        prose_add_plain(p, text, len, width, error ? ROLE_BAD : ROLE_TEXT);
    prose_add_empty(p);
}

/* The last so many messages of the person wait. */
static bool is_queued(const struct view *v, size_t at)
{
    const struct state *st = v->st;
    unsigned later = 0;
    if (v->vm->queued == 0 || strcmp(st->messages[at].author, "person") != 0)
        return false;
    for (size_t i = at + 1; i < st->message_count; i++)
        later += strcmp(st->messages[i].author, "person") == 0;
    return later < v->vm->queued;
}

/* Messages from `from` on, and what is still being written. */
static void build_notes(const struct view *v, struct prose *p, size_t from, size_t width)
{
    const struct state *st = v->st;
    prose_reset(p);
    for (size_t i = from; i < st->message_count; i++)
        add_message(p, st->messages[i].author, st->messages[i].run, is_queued(v, i),
                    st->messages[i].text, strlen(st->messages[i].text), width);
    if (v->vm->stream.prose && v->vm->stream.prose_len)
        add_message(p, "planner", 0, false, v->vm->stream.prose, v->vm->stream.prose_len, width);
    if (p->line_count)
        p->line_count--; /* the empty line behind the last */
}

/* scroll.top = rows between the end and the bottom of the pane. */
void view_draw_notes(const struct view *v)
{
    const struct state *st = v->st;
    struct rect r = layout_inner(v->l, PANE_NOTES);
    size_t hidden = v->vm->scroll[PANE_NOTES].follow ? 0 : (size_t)v->vm->scroll[PANE_NOTES].top;
    size_t need = hidden + (size_t)(r.h > 0 ? r.h : 0), from = st->message_count;
    struct title t = { 0 };
    struct prose p;
    prose_init(&p);
    for (size_t step = 4;; step *= 2) { /* only as much as is looked at */
        from = from > step ? from - step : 0;
        build_notes(v, &p, from, width_of(r));
        if (p.line_count >= need || from == 0)
            break;
    }
    if (p.line_count == 0 && r.h > 0)
        grid_put_fit(v->g, r.x + 1, r.y, r.x + r.w, "nothing was said yet", STYLE(ROLE_DIM));
    size_t last = p.line_count > hidden ? p.line_count - hidden : 0,
           rows = (size_t)(r.h > 0 ? r.h : 0);
    draw_prose(v, r, &p, last > rows ? last - rows : 0);
    v->info->rows[PANE_NOTES] = p.line_count;
    v->info->at_end[PANE_NOTES] = hidden == 0;
    if (st->message_count)
        title_right(&t, "%zu", st->message_count);
    view_title(v, PANE_NOTES, &t);
    prose_release(&p);
}

/* ---- the record ---- */

#define FIELD 10 /* columns of the names */

static void field(struct prose *p, const char *name, const char *text, enum style_role role,
                  size_t width)
{
    struct prose_field f = { name, FIELD, ROLE_DIM, role };
    if (text && text[0])
        prose_add_field(p, &f, text, strlen(text), width);
}

static void decision_field(const struct view *v, struct prose *p, const struct state_run *r,
                           size_t width)
{
    char text[160], span[32] = "";
    if (!r->decision[0])
        return;
    if (r->waited_ms > 0)
        view_span(r->waited_ms, span, sizeof span);
    snprintf(text, sizeof text, "%s by %s%s%s, %u lines seen", r->decision, r->by,
             span[0] ? " after " : "", span, r->seen_lines);
    bool refused = r->status == RUN_DENIED || r->status == RUN_STOPPED;
    field(p, "decided", text, refused ? ROLE_BAD : ROLE_TEXT, width);
    field(p, "because", r->reason, ROLE_TEXT, width);
    (void)v;
}

static void check_fields(struct prose *p, const struct state_run *r, size_t width)
{
    char text[320];
    for (size_t i = 0; i < r->check_count; i++) {
        const struct state_check *c = &r->checks[i];
        bool got = !c->ok && c->got[0] != '\0';
        snprintf(text, sizeof text, "%s %s%s%s%s", c->ok ? "ok" : "FAILED", c->text,
                 got ? " (got " : "", got ? c->got : "", got ? ")" : "");
        field(p, i ? "" : "checks", text, c->ok ? ROLE_GOOD : ROLE_BAD, width);
    }
    if (r->check_count == 0 && r->expect[0])
        field(p, "expects", r->expect, ROLE_TEXT, width);
}

static void build_record(const struct view *v, struct prose *p, const struct state_run *r,
                         size_t width)
{
    struct run_words w;
    char text[256], span[32], out[32], err[32];
    view_run_words(r, &w);
    snprintf(text, sizeof text, "%s %s", SYM(v, w.glyph), w.text);
    field(p, "run", text, w.role, width);
    field(p, "purpose", r->purpose, ROLE_TEXT, width);
    if (r->step[0]) {
        const struct state_step *s = state_step_find(v->st, r->step);
        snprintf(text, sizeof text, "%s %s, attempt %u", r->step, s ? s->title : "", r->attempt);
        field(p, "step", text, ROLE_TEXT, width);
    }
    field(p, "author", r->author, ROLE_TEXT, width);
    if (strlen(r->capsule) >= 8) {
        snprintf(text, sizeof text, "%.4s-%.4s, revision %u", r->capsule, r->capsule + 4, r->rev);
        field(p, "capsule", text, ROLE_TEXT, width);
    }
    decision_field(v, p, r, width);
    if (r->status == RUN_FINISHED) {
        view_span(r->wall_ms, span, sizeof span);
        view_bytes(r->out[STREAM_STDOUT].bytes, out, sizeof out);
        view_bytes(r->out[STREAM_STDERR].bytes, err, sizeof err);
        snprintf(text, sizeof text, "%s, stdout %s, stderr %s", span, out, err);
        field(p, "took", text, ROLE_TEXT, width);
    }
    check_fields(p, r, width);
    field(p, "limits", r->limits_hit, ROLE_WAIT, width);
    if (r->error_name[0]) {
        snprintf(text, sizeof text, "%s: %s", r->error_name, r->error_value);
        field(p, "error", text, ROLE_BAD, width);
    }
    field(p, "message", r->message, ROLE_WAIT, width);
    if (r->state_lost)
        field(p, "state", "the interpreter was lost with its variables", ROLE_BAD, width);
    else if (r->has_checkpoint)
        field(p, "state", "kept: t goes back to it", ROLE_TEXT, width);
    else if (r->snapshot[0])
        field(p, "state", "a snapshot of memory and files: t goes back to it", ROLE_TEXT, width);
    for (size_t i = 0; i < r->finding_count; i++) {
        const struct state_finding *k = &r->findings[i];
        char line[24] = "";
        if (k->line) /* else it is about all of it */
            snprintf(line, sizeof line, "line %u ", k->line);
        snprintf(text, sizeof text, "%s %s%s [%s]", severity_name(k->severity), line, k->text,
                 k->rule);
        field(p, i ? "" : "findings", text, view_severity_role(k->severity), width);
    }
    for (size_t i = 0; i < r->flag_count; i++) {
        const struct state_flag *f = &r->flags[i];
        char where[120];
        state_flag_where(f, 0, where, sizeof where);
        snprintf(text, sizeof text, "%s %s %s: %s [%s]", severity_name(f->severity), where, f->text,
                 f->excerpt, f->rule);
        field(p, i ? "" : "flags", text, view_severity_role(f->severity), width);
    }
    for (size_t i = 0; i < r->net_count; i++) {
        struct buf line = BUF_INIT(4096);
        state_net_say(&r->nets[i], &line);
        field(p, i ? "" : "network", buf_str(&line),
              r->nets[i].verdict == NET_ALLOWED ? ROLE_TEXT : ROLE_WAIT, width);
        buf_release(&line);
    }
}

void view_draw_record(const struct view *v)
{
    const struct state_run *r = view_run(v->st, v->vm);
    struct rect in = layout_inner(v->l, PANE_RECORD);
    struct title t = { 0 };
    struct prose p;
    prose_init(&p);
    if (r) {
        title_add(&t, ROLE_TEXT, "run %u", r->number);
        build_record(v, &p, r, width_of(in));
    } else if (in.h > 0) {
        grid_put_fit(v->g, in.x + 1, in.y, in.x + in.w, "no run yet", STYLE(ROLE_DIM));
    }
    size_t rows = (size_t)(in.h > 0 ? in.h : 0), top = (size_t)v->vm->scroll[PANE_RECORD].top;
    size_t max = p.line_count > rows ? p.line_count - rows : 0;
    draw_prose(v, in, &p, top < max ? top : max);
    v->info->rows[PANE_RECORD] = p.line_count;
    v->info->at_end[PANE_RECORD] = top >= max;
    view_title(v, PANE_RECORD, &t);
    prose_release(&p);
}
