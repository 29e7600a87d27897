/* cmd_diff.c - `airlock diff A B`: two recorded runs, or two sessions run by run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/difftext.h"
#include "cli/diffview.h"
#include "cli/runparts.h"
#include "cli/saved.h"
#include "sessions/mask.h"
#include "ui/term.h"

struct differ {
    struct app *app;
    struct saved a, b;
    unsigned masks, parts; /* parts: bits of enum run_part */
    struct difftext text;
    struct buf out;
    bool differs, out_failed, screen;
};

static int flush_out(struct buf *out)
{
    int rc = app_print(buf_str(out), out->len);
    buf_reset(out);
    return rc;
}

static int parse_parts(const char *word, unsigned *parts, struct err *e)
{
    *parts = PARTS_USUAL;
    if (word == NULL || strcmp(word, "all") == 0)
        return 0;
    *parts = 0;
    for (const char *s = word; *s != '\0';) {
        size_t n = strcspn(s, ",");
        unsigned k = 0;
        while (k < PART_COUNT && (strlen(run_part_name((enum run_part)k)) != n ||
                                  memcmp(run_part_name((enum run_part)k), s, n) != 0))
            k++;
        if (k == PART_COUNT)
            return err_set(e, ERR_USAGE,
                           "--what '%.40s': it is code, stdout, stderr, result, vars, end, files, "
                           "merged (both streams) or all",
                           word);
        *parts |= 1u << k;
        s += n + (s[n] != '\0');
    }
    return 0;
}

static size_t columns(void)
{
    struct winsize ws;
    const char *word = getenv("COLUMNS");
    long n = word != NULL ? strtol(word, NULL, 10) : 0;
    if (n <= 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0)
        n = ws.ws_col;
    return n >= 20 && n <= 1000 ? (size_t)n : 130;
}

/* ---- one part of one pair ---- */

static const char binary_note[] = "not text: bytes that can't be shown stand as escapes";

static void add_label(struct buf *out, const struct saved *s, uint32_t run)
{
    (void)buf_addf(out, "%s:%u", s->id, run);
}

static void put_text(struct differ *d, enum run_part part, const struct compare *c, uint32_t ra,
                     uint32_t rb)
{
    struct buf *out = &d->out;
    if (c->verdict != COMPARE_DIFFERS) {
        (void)buf_addf(out, "%s: identical%s", run_part_name(part),
                       c->verdict == COMPARE_MASKED ? " after masks (" : "\n");
        if (c->verdict == COMPARE_MASKED) {
            mask_print(c->masks, out);
            (void)buf_add_str(out, ")\n");
        }
        return;
    }
    (void)buf_addf(out, "%s: differs at line %zu\n--- ", run_part_name(part), c->line);
    add_label(out, &d->a, ra);
    (void)buf_addf(out, " %s\n+++ ", run_part_name(part));
    add_label(out, &d->b, rb);
    (void)buf_addf(out, " %s\n", run_part_name(part));
    if (c->binary)
        (void)buf_addf(out, "(%s)\n", binary_note);
    difftext_print(&d->text, c, out);
    if (c->diff.capped)
        (void)buf_add_str(out,
                          "(too different to align exactly: some equal lines may be missed)\n");
    if (c->cut)
        (void)buf_addf(out, "(only the first %zu MiB of each side were compared)\n",
                       COMPARE_MAX >> 20);
}

static void json_masks(struct json_w *w, const char *key, unsigned set)
{
    json_w_array(w, key);
    for (unsigned k = 0; k < mask_count(); k++) {
        if (set & (1u << k))
            json_w_str(w, NULL, mask_name(k));
    }
    json_w_close_array(w);
}

static void json_side(struct json_w *w, const char *key, const struct saved *s, uint32_t run)
{
    struct buf label = BUF_INIT(256);
    add_label(&label, s, run);
    json_w_str(w, key, buf_str(&label));
    buf_release(&label);
}

static void put_json(struct differ *d, enum run_part part, const struct compare *c, uint32_t ra,
                     uint32_t rb)
{
    struct json_w w;
    json_w_init(&w, &d->out);
    json_w_object(&w, NULL);
    json_side(&w, "a", &d->a, ra);
    json_side(&w, "b", &d->b, rb);
    json_w_str(&w, "what", run_part_name(part));
    json_w_str(&w, "verdict", compare_verdict_name(c->verdict));
    json_masks(&w, "masks", part == PART_CODE ? MASK_NONE : d->masks);
    json_masks(&w, "masked", c->masks);
    if (c->verdict == COMPARE_DIFFERS) {
        json_w_int(&w, "line", (int64_t)c->line);
        json_w_int(&w, "deleted", (int64_t)c->diff.deleted);
        json_w_int(&w, "added", (int64_t)c->diff.added);
        json_w_bool(&w, "capped", c->diff.capped);
        json_w_bool(&w, "cut", c->cut);
        json_w_bool(&w, "binary", c->binary);
        json_w_array(&w, "changes");
        difftext_json(c, &w);
        json_w_close_array(&w);
    }
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    (void)buf_add_char(&d->out, '\n');
}

static int diff_runs(struct differ *d, const struct state_run *ra, const struct state_run *rb,
                     struct err *e)
{
    struct run_ref a = { d->a.store, ra }, b = { d->b.store, rb };
    const struct compare_how how = { .masks = d->masks };
    for (unsigned part = 0; part < PART_COUNT && !d->out_failed; part++) {
        struct compare c;
        if ((d->parts & (1u << part)) == 0)
            continue;
        int rc = run_compare(&c, (enum run_part)part, &a, &b, &how, e);
        if (rc == 0 && d->app->opt.json)
            put_json(d, (enum run_part)part, &c, ra->number, rb->number);
        else if (rc == 0)
            put_text(d, (enum run_part)part, &c, ra->number, rb->number);
        d->differs |= rc == 0 && c.verdict == COMPARE_DIFFERS;
        compare_release(&c);
        if (rc < 0)
            return err_wrap(e, "%s of run %u", run_part_name((enum run_part)part), ra->number);
        d->out_failed |= flush_out(&d->out) < 0;
    }
    return 0;
}

/* ---- sessions ---- */

/* The next run from *at on that is no dry run; NULL at the end. */
static const struct state_run *next_run(const struct state *st, size_t *at)
{
    while (*at < st->run_count) {
        const struct state_run *sr = st->runs[(*at)++];
        if (sr->twin_of == 0)
            return sr;
    }
    return NULL;
}

static void put_lonely(struct differ *d, const struct saved *s, const struct state_run *sr,
                       const char *side)
{
    d->differs = true;
    if (!d->app->opt.json) {
        (void)buf_addf(&d->out, "\n=== only in %s: ", side);
        add_label(&d->out, s, sr->number);
        (void)buf_add_char(&d->out, '\n');
        return;
    }
    struct json_w w;
    json_w_init(&w, &d->out);
    json_w_object(&w, NULL);
    json_side(&w, side, s, sr->number);
    json_w_str(&w, "what", "run");
    json_w_str(&w, "verdict", "missing");
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    (void)buf_add_char(&d->out, '\n');
}

static int diff_sessions(struct differ *d, struct err *e)
{
    size_t ia = 0, ib = 0;
    for (;;) {
        const struct state_run *ra = next_run(&d->a.state, &ia), *rb = next_run(&d->b.state, &ib);
        if ((ra == NULL && rb == NULL) || d->out_failed)
            return 0;
        if (ra == NULL || rb == NULL) {
            put_lonely(d, ra != NULL ? &d->a : &d->b, ra != NULL ? ra : rb, ra != NULL ? "a" : "b");
            continue;
        }
        if (!d->app->opt.json)
            (void)buf_addf(&d->out, "\n=== run %u and run %u\n", ra->number, rb->number);
        if (diff_runs(d, ra, rb, e) < 0)
            return -1;
    }
}

/* ---- the command ---- */

/* All of them, on or off: what is ignored is never a secret. */
static void put_masks(struct differ *d)
{
    unsigned all = (1u << mask_count()) - 1;
    (void)buf_add_str(&d->out, "masks: ");
    mask_print(d->masks & all, &d->out);
    if ((d->masks & all) != all) {
        (void)buf_add_str(&d->out, "  (off: ");
        mask_print(all & ~d->masks, &d->out);
        (void)buf_add_char(&d->out, ')');
    } else {
        (void)buf_add_str(&d->out, "  (--mask -NAME switches one off, --mask none all)");
    }
    (void)buf_add_char(&d->out, '\n');
}

/* ---- on a terminal ---- */

static int add_parts(struct differ *d, struct diffview *v, const struct state_run *ra,
                     const struct state_run *rb, struct err *e)
{
    struct run_ref a = { d->a.store, ra }, b = { d->b.store, rb };
    const struct compare_how how = { .masks = d->masks, .tick = diffview_tick, .arg = v };
    struct buf title = BUF_INIT(1024), note = BUF_INIT(1024);
    int rc = 0;
    for (unsigned part = 0; rc == 0 && part < PART_COUNT; part++) {
        struct compare c;
        if ((d->parts & (1u << part)) == 0)
            continue;
        diffview_working(v, ra->number, rb->number, run_part_name((enum run_part)part));
        rc = run_compare(&c, (enum run_part)part, &a, &b, &how, e);
        buf_reset(&title);
        buf_reset(&note);
        (void)buf_addf(&title, "== run %u and run %u, %s: %s", ra->number, rb->number,
                       run_part_name((enum run_part)part),
                       c.verdict == COMPARE_DIFFERS ? "differs" : "identical");
        if (c.verdict == COMPARE_MASKED) {
            (void)buf_add_str(&title, " after masks: ");
            mask_print(c.masks, &title);
        }
        if (c.verdict == COMPARE_DIFFERS && c.binary)
            (void)buf_addf(&note, "%s  ", binary_note);
        if (c.diff.capped)
            (void)buf_add_str(&note, "too different to align exactly: equal lines may be missed  ");
        if (c.cut)
            (void)buf_addf(&note, "only the first %zu MiB of each side were compared",
                           COMPARE_MAX >> 20);
        d->differs |= rc == 0 && c.verdict == COMPARE_DIFFERS;
        if (rc == 0)
            diffview_add(v, buf_str(&title), buf_str(&note), &c);
        compare_release(&c);
    }
    buf_release(&title);
    buf_release(&note);
    return rc;
}

static void add_lonely(struct differ *d, struct diffview *v, const struct state_run *sr,
                       const char *where)
{
    struct compare none = { .verdict = COMPARE_IDENTICAL };
    char title[200];
    d->differs = true;
    snprintf(title, sizeof title, "== run %u: only in the %s", sr->number, where);
    diffview_add(v, title, "", &none);
}

static int build_view(void *arg, unsigned masks, struct diffview *v, struct err *e)
{
    struct differ *d = arg;
    size_t ia = 0, ib = 0;
    d->masks = masks;
    d->differs = false;
    if (d->a.run != 0)
        return add_parts(d, v, state_run_at(&d->a.state, d->a.run),
                         state_run_at(&d->b.state, d->b.run), e);
    for (;;) {
        const struct state_run *ra = next_run(&d->a.state, &ia), *rb = next_run(&d->b.state, &ib);
        if (ra == NULL && rb == NULL)
            return 0;
        if (ra == NULL || rb == NULL)
            add_lonely(d, v, ra != NULL ? ra : rb, ra != NULL ? "first" : "second");
        else if (add_parts(d, v, ra, rb, e) < 0)
            return -1;
    }
}

/* The first whose record is damaged; NULL none. */
static const struct saved *broken_one(const struct differ *d)
{
    if (d->a.broken.code != ERR_NONE)
        return &d->a;
    return d->b.broken.code != ERR_NONE ? &d->b : NULL;
}

static int view(struct differ *d, struct err *e)
{
    struct diffview_spec spec = {
        .masks = d->masks, .beside = d->app->opt.side_by_side, .build = build_view, .arg = d
    };
    char *header = xasprintf("%s%s  and  %s", broken_one(d) != NULL ? "NOT WHOLE: " : "",
                             d->app->opt.args[0], d->app->opt.args[1]);
    spec.header = header;
    int rc = diffview_run(d->app, &spec, e);
    free(header);
    return rc;
}

static int diff(struct differ *d, struct err *e)
{
    int rc;
    if ((d->a.run == 0) != (d->b.run == 0))
        return err_set(e, ERR_USAGE, "diff takes two runs (ID:RUN) or two sessions (ID), not both");
    if (!d->app->opt.json && !d->screen)
        put_masks(d);
    if (d->screen)
        rc = view(d, e);
    else if (d->a.run != 0)
        rc = diff_runs(d, state_run_at(&d->a.state, d->a.run), state_run_at(&d->b.state, d->b.run),
                       e);
    else
        rc = diff_sessions(d, e);
    d->out_failed |= flush_out(&d->out) < 0;
    const struct saved *broken = broken_one(d);
    if (rc == 0 && broken != NULL) {
        *e = broken->broken;
        return err_wrap(e, "session %s is whole only up to event %llu", broken->id,
                        (unsigned long long)broken->state.last_seq);
    }
    if (rc == 0 && d->out_failed)
        return app_print_failed(e);
    return rc;
}

int cmd_diff(struct app *app)
{
    struct err e = ERR_INIT;
    struct differ d = { .app = app, .out = BUF_INIT((size_t)64 << 20), .masks = MASK_ALL };
    bool tty = isatty(STDOUT_FILENO);
    d.text = (struct difftext){ .words = app->opt.word,
                                .side_by_side = app->opt.side_by_side,
                                .color = tty && !app->opt.no_color && getenv("NO_COLOR") == NULL,
                                .width = columns(),
                                .flush = flush_out };
    const char *why = NULL;
    int rc = 0;
    d.screen = tty && isatty(STDIN_FILENO) && !app->opt.plain && !app->opt.json && !app->opt.word &&
               !term_is_hopeless(&why);
    if (app->opt.arg_count != 2)
        rc = err_set(&e, ERR_USAGE, "diff takes two runs or sessions, such as last:1 last:2");
    if (rc == 0)
        rc = parse_parts(app->opt.what, &d.parts, &e);
    if (rc == 0 && app->opt.mask != NULL)
        rc = mask_parse(app->opt.mask, &d.masks, &e);
    if (rc == 0)
        rc = saved_open(&d.a, app, app->opt.args[0], &e);
    if (rc == 0) {
        rc = saved_open(&d.b, app, app->opt.args[1], &e);
        if (rc == 0) {
            rc = diff(&d, &e);
            saved_close(&d.b);
        }
        saved_close(&d.a);
    }
    buf_release(&d.out);
    if (rc < 0)
        return app_fail(&e);
    return d.differs ? EXIT_WORK_FAILED : EXIT_OK;
}
