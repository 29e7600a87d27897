/* view_code.c - the code pane: every byte of what will run, with findings and the diff. */
#include "ui/view_int.h"

#include <stdio.h>
#include <string.h>

static void code_title(const struct view *v, const struct doc_view *d, const struct doc_seen *seen)
{
    const struct view_model *vm = v->vm;
    const struct state_run *r = view_run(v->st, vm);
    struct title t = { 0 };
    bool streaming = vm->stream.code && !vm->run && !v->st->gate.open;
    if (streaming) {
        title_add(&t, ROLE_TEXT, "%s", vm->stream.language ? vm->stream.language : "code");
        title_add(&t, ROLE_INFO, "being written");
    } else if (r) {
        title_add(&t, ROLE_TEXT, "%s", r->language);
        if (r->twin_of)
            title_add(&t, ROLE_INFO, "dry run of %u", r->twin_of);
        else if (r->attempt > 1)
            title_add(&t, ROLE_TEXT, "run %u, attempt %u", r->number, r->attempt);
        else
            title_add(&t, ROLE_TEXT, "run %u", r->number);
        if (v->st->gate.open && !view_code_is_gates(v->st, vm))
            title_add(&t, ROLE_WAIT, "the gate waits for run %u", v->st->gate.run);
        if (d && d->doc.compared) {
            const struct state_run *b = view_base(v->st, vm);
            bool edited = vm->gate.edited_from && view_code_is_gates(v->st, vm);
            char what[48];
            snprintf(what, sizeof what, edited ? "as proposed" : "run %u", b ? b->number : 0);
            title_add(&t, ROLE_TEXT, "%s %s: +%zu %s%zu%s", SYM(v, SYM_DELTA), what, d->doc.added,
                      SYM(v, SYM_MINUS), d->doc.deleted, d->doc.capped ? ", roughly" : "");
        }
        if (r->purpose[0] && !view_code_is_gates(v->st, vm))
            title_add(&t, ROLE_DIM, "%s", r->purpose);
    }
    if (d && seen && seen->any) {
        size_t total = 0;
        for (size_t i = d->doc.count; i > 0; i--)
            if (d->doc.entries[i - 1].kind != DOC_EXTRA && d->doc.entries[i - 1].kind != DOC_DEL) {
                total = d->doc.entries[i - 1].line + d->doc.entries[i - 1].count - 1;
                break;
            }
        title_right(&t, "%u-%u/%zu", seen->first_line, seen->last_line, total);
        v->info->rows[PANE_CODE] = total;
    }
    view_title(v, PANE_CODE, &t);
}

static void draw_nothing(const struct view *v)
{
    struct rect r = layout_inner(v->l, PANE_CODE);
    code_title(v, NULL, NULL);
    if (r.h > 0)
        grid_put_fit(v->g, r.x + 1, r.y, r.x + r.w,
                     v->st->phase == PHASE_PLANNING ? "the planner is thinking"
                                                    : "no code yet: type a task, or !CODE",
                     STYLE(ROLE_DIM));
}

void view_draw_code(const struct view *v)
{
    const struct state_run *run = view_run(v->st, v->vm);
    struct doc_view *d = view_get_code(v->st, v->vm);
    struct doc_seen seen;
    if (!d) {
        draw_nothing(v);
        return;
    }
    bool streaming = v->vm->stream.code && !v->vm->run && !v->st->gate.open;
    struct doc_box box = view_doc_box(v->l, PANE_CODE, &d->doc, true);
    view_draw_doc(v, d, &box, PANE_CODE, streaming ? NULL : run, &seen);
    if (d->doc.count == 0 && box.r.h > 0)
        grid_put_fit(v->g, box.r.x + box.gutter, box.r.y, box.r.x + box.r.w, "(empty)",
                     STYLE(ROLE_DIM));
    code_title(v, d, &seen);
    v->info->at_end[PANE_CODE] = seen.at_end;
    if (seen.any && view_code_is_gates(v->st, v->vm)) {
        v->info->seen_first = seen.from;
        v->info->seen_count = seen.to - seen.from;
    }
    view_put_doc(v->vm, d);
}
