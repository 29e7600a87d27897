/* view_gate.c - the approval gate: what would run, where, what speaks against it, and the keys.
 * Nothing a model wrote stands here but its code's findings and the checks it promised. [APR-14] */
#include "ui/view_int.h"

#include <stdio.h>
#include <string.h>

#define LABEL      10 /* columns of the labels at the left */
#define RANK_FILES 2
#define RANKS      9 /* of contract fields */

/* Items one after the other, whole, over as many rows as are given. */
struct flow {
    const struct view *v;
    int left, right, x, y, bottom;
    bool started, full;
    bool dry; /* only measure */
    bool cut; /* items may end in the middle */
};

/* rows < 0: measure only, with as many as it takes. */
static void flow_begin(struct flow *f, const struct view *v, struct rect r, int y, int rows,
                       const char *label)
{
    int label_w = r.w >= 70 ? LABEL : 0;
    *f = (struct flow){
        .v = v, .left = r.x + 1 + label_w, .right = r.x + r.w, .y = y, .bottom = y + rows
    };
    f->x = f->left;
    f->dry = rows < 0;
    if (f->dry)
        f->bottom = y + 1000;
    if (label_w && !f->dry)
        grid_put_text(v->g, r.x + 1, y, f->left, label, STYLE(ROLE_DIM));
}

/* Out of room: say that there is more. Words may be cut, numbers and names of walls never. */
static void flow_stop(struct flow *f, enum style_role role, const char *text)
{
    f->full = true;
    if (f->dry)
        return;
    if (f->cut && f->right - f->x >= 15)
        grid_put_fit(f->v->g, f->x + 3, f->y, f->right, text, STYLE(role));
    else
        grid_put_text(f->v->g, f->x + 1 < f->right ? f->x + 1 : f->right - 1, f->y, f->right,
                      SYM(f->v, SYM_MORE), STYLE(ROLE_WAIT));
}

static void flow_item(struct flow *f, enum style_role role, const char *text)
{
    int w = (int)text_width(text, strlen(text), TEXT_PROSE);
    if (f->full)
        return;
    if (f->started && f->x + 3 + w > f->right) {
        if (f->y + 1 >= f->bottom) {
            flow_stop(f, role, text);
            return;
        }
        f->y++;
        f->x = f->left;
        f->started = false;
    }
    if (f->started)
        f->x += 3;
    if (f->dry)
        f->x += w;
    else
        f->x = grid_put_fit(f->v->g, f->x, f->y, f->right, text, STYLE(role));
    f->started = true;
}

/* ---- the rows ---- */

/* Returns the rows used. */
static int draw_findings(const struct view *v, struct rect r, int y, int rows,
                         const struct state_run *run)
{
    struct flow f;
    char text[320];
    flow_begin(&f, v, r, y, rows, "findings");
    f.cut = true;
    if (run->finding_count == 0)
        flow_item(&f, ROLE_DIM, "none by the rules (that is no proof)");
    for (int s = SEVERITY_HIGH; s >= SEVERITY_INFO; s--)
        for (size_t i = 0; i < run->finding_count; i++) {
            const struct state_finding *k = &run->findings[i];
            if ((int)k->severity != s)
                continue;
            if (k->line)
                snprintf(text, sizeof text, "%s line %u %s", severity_name(k->severity), k->line,
                         k->text);
            else
                snprintf(text, sizeof text, "%s %s", severity_name(k->severity), k->text);
            flow_item(&f, view_severity_role(k->severity), text);
        }
    return f.y - y + 1;
}

/* "timeout_s", "30" -> "timeout 30 s". */
static void contract_words(const struct view_contract_line *c, char *out, size_t size)
{
    const char *value = c->value && c->value[0] ? c->value : "none", *unit = "";
    size_t n = strlen(c->field);
    if (strcmp(c->field, "network") == 0 && strcmp(value, "deny") == 0)
        value = "OFF";
    if (n > 2 && strcmp(c->field + n - 2, "_s") == 0) {
        n -= 2;
        unit = " s";
    } else if (n > 4 && strcmp(c->field + n - 4, "_mib") == 0) {
        n -= 4;
        unit = " MiB";
    }
    snprintf(out, size, "%.*s %s%s", (int)n, c->field, value, unit);
}

static void contract_item(struct flow *f, const struct view_contract_line *c)
{
    char words[128], text[256];
    const char *why = c->why && f->right - f->left >= 90 ? c->why : "";
    contract_words(c, words, sizeof words);
    if (c->how == ENFORCED)
        snprintf(text, sizeof text, "%s", words);
    else
        snprintf(text, sizeof text, "%s %s%s%s%s", words,
                 c->how == APPROXIMATED ? "approximated" : "NOT ENFORCED", why[0] ? " (" : "", why,
                 why[0] ? ")" : "");
    flow_item(f,
              c->how == NOT_ENFORCEABLE ? ROLE_BAD
              : c->how == APPROXIMATED  ? ROLE_WAIT
                                        : ROLE_TEXT,
              text);
}

/* What matters most first, since the row may end: what is not enforced, the network and the files,
 * what is only approximated, then the sizes. */
static int contract_rank(const struct view_contract_line *c)
{
    static const char *const order[] = { "env", "timeout_s", "memory_mib", "output_mib" };
    if (c->how == NOT_ENFORCEABLE)
        return 0;
    if (strcmp(c->field, "network") == 0)
        return 1;
    if (strcmp(c->field, "files") == 0)
        return RANK_FILES;
    if (c->how == APPROXIMATED)
        return 3;
    for (int i = 0; i < (int)ARRAY_LEN(order); i++)
        if (strcmp(c->field, order[i]) == 0)
            return 4 + i;
    return RANKS - 1;
}

static void sandbox_item(struct flow *f)
{
    const struct view *v = f->v;
    const char *title = v->vm->gate.sandbox_title ? v->vm->gate.sandbox_title
                        : v->st->gate.sandbox     ? v->st->gate.sandbox
                                                  : "sandbox";
    char text[128];
    const char *dot = strstr(title, " \xc2\xb7 ");
    bool narrow = dot && (f->right - f->left < 90 || v->g->ascii);
    snprintf(text, sizeof text, "%.*s", narrow ? (int)(dot - title) : 120, title);
    flow_item(f, ROLE_TEXT, text);
}

static int draw_walls(const struct view *v, struct rect r, int y, int rows)
{
    const struct view_gate *g = &v->vm->gate;
    struct flow f;
    flow_begin(&f, v, r, y, rows, "runs in");
    bool lower_border = v->l->framed;
    if (g->checked_only)
        flow_item(&f, ROLE_BAD, "CHECKED, NOT GATED");
    sandbox_item(&f);
    if (g->held_by && g->held_by[0] && !lower_border)
        flow_item(&f, g->checked_only ? ROLE_BAD : ROLE_TEXT, g->held_by);
    for (int rank = 0; rank < RANKS; rank++) {
        for (size_t i = 0; i < g->contract_count; i++)
            if (contract_rank(&g->contract[i]) == rank)
                contract_item(&f, &g->contract[i]);
        if (rank == RANK_FILES && g->attachment_count) {
            char text[64];
            snprintf(text, sizeof text, "+ %zu more below the code", g->attachment_count);
            flow_item(&f, ROLE_WAIT, text);
        }
    }
    return f.y - y + 1;
}

static void draw_expectation(const struct view *v, struct rect r, int y, int rows,
                             const struct state_run *run)
{
    struct flow f;
    flow_begin(&f, v, r, y, rows, "expects");
    f.cut = true;
    const char *p = run->expect;
    if (!p || !p[0]) {
        flow_item(&f, ROLE_WAIT, "nothing: exit 0 will stay unverified (E adds a check)");
        return;
    }
    while (*p) {
        char text[256];
        size_t n = strcspn(p, "\n");
        snprintf(text, sizeof text, "%.*s", n < 250 ? (int)n : 250, p);
        if (n)
            flow_item(&f, ROLE_TEXT, text);
        p += n + (p[n] == '\n');
    }
}

/* What a dry run did: deletions first, never fewer than the row can hold. */
static void draw_dry_run(struct flow *f, const struct state_run *twin)
{
    char text[192];
    snprintf(text, sizeof text, "dry run %u: %s%s", twin->number, run_end_name(twin->end),
             twin->has_exit_code && twin->exit_code != 0 ? " (failed)" : "");
    flow_item(f, ROLE_INFO, text);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < twin->file_count; i++) {
            const struct state_file *k = &twin->files[i];
            if ((k->change == CHANGE_GONE) != (pass == 0) || k->change == CHANGE_SAME)
                continue;
            snprintf(text, sizeof text, "%s %s",
                     k->change == CHANGE_GONE ? "deletes" : var_change_name(k->change), k->path);
            flow_item(f, k->change == CHANGE_GONE ? ROLE_BAD : ROLE_TEXT, text);
        }
    }
    for (size_t i = 0; i < twin->var_count; i++) {
        const struct state_var *k = &twin->vars[i];
        if (k->change == CHANGE_SAME)
            continue;
        snprintf(text, sizeof text, "%s %s", k->name, var_change_name(k->change));
        flow_item(f, ROLE_DIM, text);
    }
}

static void draw_changes(const struct view *v, struct rect r, int y, const struct state_run *run)
{
    static const char *const stream_names[] = { "stdout", "stderr" };
    struct flow f;
    char text[128];
    flow_begin(&f, v, r, y, 1, "changes");
    if (view_twin(v->st, run))
        draw_dry_run(&f, view_twin(v->st, run));
    struct doc_view *d = view_get_code(v->st, v->vm);
    if (d && d->doc.compared) {
        snprintf(text, sizeof text, "code +%zu %s%zu", d->doc.added, SYM(v, SYM_MINUS),
                 d->doc.deleted);
        flow_item(&f, ROLE_TEXT, text);
    } else {
        flow_item(&f, ROLE_DIM, run->attempt > 1 ? "the comparison is off (D)" : "first attempt");
    }
    view_put_doc(v->vm, d);
    for (int i = 0; i < 2; i++) {
        const struct state_run *a = view_output_run(v->st, v->vm),
                               *b = view_output_base(v->st, v->vm);
        d = view_get_output_diff(v->st, v->vm, i ? PANE_ERR : PANE_OUT);
        if (d && a && b) {
            if (d->doc.added + d->doc.deleted)
                snprintf(text, sizeof text, "%s of %u against %u: +%zu %s%zu", stream_names[i],
                         a->number, b->number, d->doc.added, SYM(v, SYM_MINUS), d->doc.deleted);
            else
                snprintf(text, sizeof text, "%s of %u and %u: the same", stream_names[i], a->number,
                         b->number);
            flow_item(&f, ROLE_TEXT, text);
        }
        view_put_doc(v->vm, d);
    }
}

static void draw_origin(const struct view *v, struct rect r, int y, const struct state_run *run)
{
    const struct view_gate *g = &v->vm->gate;
    struct flow f;
    char text[160], left[24];
    flow_begin(&f, v, r, y, 1, "from");
    snprintf(text, sizeof text, "%s", run->author[0] ? run->author : "planner");
    if (strcmp(text, "planner") == 0)
        snprintf(text, sizeof text, "planner %s%s%s", v->st->planner, v->st->model[0] ? " " : "",
                 v->st->model);
    flow_item(&f, ROLE_TEXT, text);
    if (run->step[0]) {
        snprintf(text, sizeof text, "step %s, attempt %u of %d", run->step, run->attempt,
                 STATE_ATTEMPTS_MAX);
        flow_item(&f, ROLE_TEXT, text);
    }
    if (run->rev > 1) {
        snprintf(text, sizeof text, "edited, revision %u", run->rev);
        flow_item(&f, ROLE_WAIT, text);
    }
    if (g->state_line)
        flow_item(&f, ROLE_TEXT, g->state_line);
    if (g->gate && !v->vm->replay.on) {
        view_clock(g->gate->opened_boot_us + g->gate->expire_us - g->boot_us, left, sizeof left);
        snprintf(text, sizeof text, "expires in %s", left);
        flow_item(&f, ROLE_DIM, text);
    }
}

static void draw_why(const struct view *v, struct rect r, int rows)
{
    const char *p = v->vm->gate.why;
    for (int i = 0; i < rows && *p; i++) {
        size_t n = strcspn(p, "\n");
        grid_put_textn(v->g, r.x + 1, r.y + i, r.x + r.w, p, n, STYLE(ROLE_TEXT));
        p += n + (p[n] == '\n');
    }
}

/* ---- the last row: keys, or what is asked ---- */

static bool gate_ready(const struct view *v)
{
    const struct view_gate *g = &v->vm->gate;
    return g->gate && gate_is_armed(g->gate, g->boot_us);
}

static void draw_keys(const struct view *v, struct rect r, int y)
{
    static const struct {
        const char *key, *wide, *narrow;
    } keys[] = {
        { "a", " approve once", "pprove once" },
        { "d", " deny and say why", "eny" },
        { "e", " edit code", "dit" },
        { "r", " dry run in a twin", " dry run" },
        { "l", " lease", "ease" },
        { "x", " stop", " stop" },
        { "E", " expectation", "xpect" },
        { "w", " why", "hy" },
    };
    const struct gate *g = v->vm->gate.gate;
    bool ready = gate_ready(v), wide = r.w >= 112;
    int x = r.x + 1, end = r.x + r.w;
    if (v->vm->focus != PANE_GATE) {
        grid_put_fit(v->g, x, y, end, "^G to decide; what you type goes to the prompt",
                     STYLE(ROLE_WAIT));
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *word = wide ? keys[i].wide : keys[i].narrow;
        if ((keys[i].key[0] == 'r' && v->vm->gate.no_dry_run) ||
            (keys[i].key[0] == 'l' && v->vm->gate.no_lease))
            continue;
        bool on = ready && (i > 0 || (g && gate_all_seen(g)));
        if (x + 3 + (int)strlen(word) > end)
            break;
        x = grid_put_format(v->g, x, y, end, STYLE(on ? ROLE_KEY : ROLE_DIM), "[%s]", keys[i].key);
        x = grid_put_text(v->g, x, y, end, word, STYLE(on ? ROLE_TEXT : ROLE_DIM));
        x += wide ? 2 : 1;
    }
}

/* A field: words before it, what was typed, the cursor. A long text is shown from its end. */
static void draw_field(const struct view *v, struct rect r, int y, const char *label,
                       const char *text, size_t cursor)
{
    int end = r.x + r.w, x = grid_put_fit(v->g, r.x + 1, y, end - 4, label, STYLE(ROLE_WAIT));
    size_t used, len = strlen(text), skip = 0;
    x++;
    while (text_width(text + skip, cursor - skip, TEXT_PROSE) + 1 >
               (size_t)(end > x ? end - x : 0) &&
           skip < cursor)
        skip += text_grapheme(text + skip, cursor - skip);
    grid_put_textn(v->g, x, y, end, text + skip, len - skip, STYLE(ROLE_PROMPT));
    used = text_width(text + skip, cursor - skip, TEXT_PROSE);
    v->info->cursor_x = x + (int)used < end ? x + (int)used : end - 1;
    v->info->cursor_y = y;
}

/* In a replay: what was decided here, unless the reviewer wants to judge first. */
static void draw_decided(const struct view *v, struct rect r, int y)
{
    const struct view_replay *p = &v->vm->replay;
    int x = r.x + 1, end = r.x + r.w;
    if (p->decision) {
        x = grid_put_text(v->g, x, y, end, "decided: ", STYLE(ROLE_DIM));
        grid_put_fit(v->g, x, y, end, p->decision, STYLE(ROLE_WAIT));
    } else {
        grid_put_fit(v->g, x, y, end,
                     p->hides ? "what was decided is kept back: Enter shows it"
                              : "the record ends before a decision",
                     STYLE(p->hides ? ROLE_WAIT : ROLE_DIM));
    }
}

static void draw_bottom(const struct view *v, struct rect r, int y, const struct state_run *run)
{
    const struct view_gate *g = &v->vm->gate;
    char label[160];
    size_t seen, total;
    if (v->vm->replay.on) {
        draw_decided(v, r, y);
    } else if (g->deny_text && v->vm->focus == PANE_PROMPT) { /* typed at the prompt: not twice */
        grid_put_fit(v->g, r.x + 1, y, r.x + r.w, "your words go to the planner as they are",
                     STYLE(ROLE_WAIT));
    } else if (g->deny_text) {
        size_t len = strlen(g->deny_text);
        draw_field(v, r, y, "deny because:", g->deny_text,
                   g->deny_cursor < len ? g->deny_cursor : len);
    } else if (g->gate && g->gate->prompt == GATE_PROMPT_HEX) {
        draw_field(v, r, y,
                   v->g->w < 60 ? "HIGH: two hex digits:"
                                : "HIGH: type the first two hex digits of the capsule:",
                   g->gate->typed, g->gate->typed_len);
    } else if (g->gate && g->gate->prompt == GATE_PROMPT_UNREAD) {
        view_gate_lines(g->gate, run, g->attachment_count, &seen, &total);
        if (v->g->w < 80)
            snprintf(label, sizeof label, "%zu of %zu unseen, type unread:", total - seen, total);
        else
            snprintf(label, sizeof label,
                     "%zu of %zu lines were never on screen: type unread to go on anyway:",
                     total - seen, total);
        draw_field(v, r, y, label, g->gate->typed, g->gate->typed_len);
    } else {
        draw_keys(v, r, y);
    }
}

static void gate_title(const struct view *v, const struct state_run *run)
{
    const struct view_gate *g = &v->vm->gate;
    struct title t = { 0 };
    char text[64];
    if (run && run->finding_count)
        title_add(&t, view_severity_role(run->worst), "%s", severity_name(run->worst));
    const char *hex = v->st->gate.capsule;
    bool narrow = v->g->w < 60;
    if (g->deny_text)
        title_add(&t, ROLE_WAIT, "denying");
    else if (v->vm->focus != PANE_GATE && !v->vm->replay.on)
        title_add(&t, ROLE_WAIT, "^G to decide");
    if (hex && strlen(hex) >= 8)
        title_add(&t, ROLE_TITLE, "%s%.4s-%.4s", narrow ? "" : "capsule ", hex, hex + 4);
    if (g->gate && run && !v->vm->replay.on) {
        size_t seen, total;
        view_gate_lines(g->gate, run, g->attachment_count, &seen, &total);
        title_add(&t, seen == total ? ROLE_TEXT : ROLE_WAIT, "seen %zu/%zu%s", seen, total,
                  narrow ? "" : " lines");
        view_clock(g->boot_us - g->gate->opened_boot_us, text, sizeof text);
        title_add(&t, ROLE_DIM, "%s", text);
        if (v->vm->focus == PANE_GATE && !gate_ready(v))
            title_add(&t, ROLE_DIM, "not armed yet");
    }
    view_title(v, PANE_GATE, &t);
}

/* In the lower border, where it costs no row: who sees to it that only this runs. */
static void gate_foot(const struct view *v)
{
    const struct view_gate *g = &v->vm->gate;
    struct rect r = v->l->pane[PANE_GATE];
    int y = r.y + r.h - 1, end = r.x + r.w - 2;
    if (!g->held_by || !g->held_by[0] || !v->l->framed || r.h < 3 || r.w < 12)
        return;
    int x = grid_put_text(v->g, r.x + 2, y, end, " ", STYLE(ROLE_FRAME));
    x = grid_put_fit(v->g, x, y, end - 1, g->held_by,
                     STYLE(g->checked_only ? ROLE_BAD : ROLE_TITLE));
    grid_put_text(v->g, x, y, end, " ", STYLE(ROLE_FRAME));
}

void view_draw_gate(const struct view *v)
{
    const struct state_run *run = state_run_at(v->st, v->st->gate.run);
    struct rect r = layout_inner(v->l, PANE_GATE);
    gate_title(v, run);
    gate_foot(v);
    if (!run || r.h < 1)
        return;
    int y = r.y, rows = r.h - 1, last = r.y + r.h - 1;
    if (v->vm->gate.why) {
        draw_why(v, r, rows);
    } else {
        /* always: findings, walls; then what there is room for, most telling first; rows that are
         * left go to those two, as they need them */
        int spare = rows - 2;
        bool expects = spare > 0, origin = spare > 1, changes = spare > 2;
        spare -= expects + origin + changes;
        int findings = draw_findings(v, r, y, -1, run), walls = draw_walls(v, r, y, -1);
        walls = 1 + (spare > 0 ? (walls - 1 < spare ? walls - 1 : spare) : 0);
        spare -= walls - 1;
        findings = 1 + (spare > 0 ? (findings - 1 < spare ? findings - 1 : spare) : 0);
        draw_findings(v, r, y, findings, run);
        y += findings;
        draw_walls(v, r, y, walls);
        y += walls;
        if (expects)
            draw_expectation(v, r, y++, 1, run);
        if (changes)
            draw_changes(v, r, y++, run);
        if (origin)
            draw_origin(v, r, y++, run);
    }
    draw_bottom(v, r, last, run);
}
