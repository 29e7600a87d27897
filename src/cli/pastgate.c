/* pastgate.c - a gate from its record. */
#include "cli/pastgate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/contract.h"

#define TEXT_MAX ((size_t)2 << 20)

void past_gate_init(struct past_gate *g)
{
    *g = (struct past_gate){ .attachments = NULL };
    buf_init(&g->text, TEXT_MAX);
}

void past_gate_release(struct past_gate *g)
{
    gate_close(&g->gate);
    free(g->attachments);
    buf_release(&g->text);
}

/* ---- texts: written first, pointed to once they no longer move ---- */

static size_t keep(struct past_gate *g, const char *p, size_t len)
{
    size_t at = g->text.len;
    if (buf_add(&g->text, p, len) < 0 || buf_add_char(&g->text, '\0') < 0)
        g->text.len = at;
    return at;
}

static const char *lent(const struct past_gate *g, size_t at)
{
    return at < g->text.len ? g->text.ptr + at : "";
}

/* The row of `field` in the record's walls: what stands in its cells, or NULL. */
static const char *find_wall(const struct state_gate *sg, const char *field)
{
    size_t n = strlen(field);
    for (const char *p = sg->walls; *p != '\0';) {
        if (strncmp(p, field, n) == 0 && p[n] == STATE_CELL_END)
            return p + n + 1;
        const char *end = strchr(p, STATE_ROW_END);
        p = end != NULL ? end + 1 : "";
    }
    return NULL;
}

static enum enforcement read_how(const char *p, size_t n)
{
    for (int how = ENFORCED; how <= NOT_ENFORCEABLE; how++) {
        const char *name = enforcement_name((enum enforcement)how);
        if (strlen(name) == n && memcmp(name, p, n) == 0)
            return (enum enforcement)how;
    }
    return NOT_ENFORCEABLE; /* a word we don't know must not look like a wall */
}

static void read_wall(const struct state_gate *sg, int field, struct field_enforcement *f)
{
    const char *cells = find_wall(sg, contract_field_name((enum contract_field)field));
    *f = (struct field_enforcement){ .how = ENFORCED };
    if (!sg->has_walls) {
        f->how = APPROXIMATED;
        snprintf(f->why, sizeof f->why, "how it was enforced was not recorded");
    } else if (cells != NULL) {
        size_t n = strcspn(cells, "\x1f\x1e");
        const char *why = cells[n] == STATE_CELL_END ? cells + n + 1 : "";
        f->how = read_how(cells, n);
        snprintf(f->why, sizeof f->why, "%.*s", (int)strcspn(why, "\x1e"), why);
    }
}

int past_gate_contract(const struct state *st, struct contract *c, struct contract_enforcement *en,
                       struct err *e)
{
    struct contract recorded;
    struct json *o = NULL;
    contract_init(c);
    for (int i = 0; i < FIELD_COUNT; i++)
        read_wall(&st->gate, i, &en->field[i]);
    if (json_parse(&o, st->contract_json, strlen(st->contract_json), e) < 0)
        return err_wrap(e, "the recorded contract");
    int rc = contract_from_json(&recorded, o, e);
    json_free(o);
    if (rc == 0) {
        contract_release(c);
        *c = recorded;
    }
    return rc;
}

static size_t fill_contract(struct past_gate *g, const struct state *st)
{
    struct err ignored = ERR_INIT;
    struct contract c;
    struct contract_enforcement en;
    struct buf value = BUF_INIT(8 << 10);
    size_t at[FIELD_COUNT][2];
    int rc = past_gate_contract(st, &c, &en, &ignored);
    for (int i = 0; rc == 0 && i < FIELD_COUNT; i++) {
        buf_reset(&value);
        contract_field_value(&c, (enum contract_field)i, &value);
        at[i][0] = keep(g, buf_str(&value), value.len);
        at[i][1] = keep(g, en.field[i].why, strlen(en.field[i].why));
    }
    for (int i = 0; rc == 0 && i < FIELD_COUNT; i++)
        g->lines[i] = (struct view_contract_line){
            .field = contract_field_name((enum contract_field)i),
            .value = lent(g, at[i][0]),
            .how = en.field[i].how,
            .why = lent(g, at[i][1]),
        };
    buf_release(&value);
    contract_release(&c);
    return rc == 0 ? FIELD_COUNT : 0;
}

static void fill_rows(struct past_gate *g, const char *attached)
{
    size_t count = 0, base = g->text.len;
    for (const char *p = attached; *p != '\0'; count++) {
        size_t n = strcspn(p, "\x1e");
        (void)keep(g, p, n);
        p += n + (p[n] == STATE_ROW_END);
    }
    g->attachments = xreallocarray(g->attachments, count + 1, sizeof *g->attachments);
    for (g->attachment_count = 0; g->attachment_count < count && base < g->text.len;) {
        g->attachments[g->attachment_count++].text = g->text.ptr + base;
        base += strlen(g->text.ptr + base) + 1;
    }
}

void past_gate_from(const struct state *st, char *out, size_t size)
{
    const struct sandbox_ops *ops =
        st->sandbox != NULL ? sandbox_choose(st->sandbox, st->image, NULL) : NULL;
    unsigned caps = ops != NULL ? ops->caps : SANDBOX_IS_STATEFUL | SANDBOX_CAN_SAVE;
    uint32_t run = st->vars_run;
    if (st->gate.state_lost)
        snprintf(out, size, "%s", st->gate.lost_line);
    else if (run == 0 || (!(caps & SANDBOX_IS_STATEFUL) && st->sbx != SBX_READY))
        snprintf(out, size, "fresh interpreter");
    else if (!(caps & SANDBOX_IS_STATEFUL))
        snprintf(out, size, "fresh interpreter; files as run %u left them", run);
    else if (st->sbx == SBX_READY || st->sbx == SBX_PAUSED)
        snprintf(out, size, "continues run %u", run);
    else if (state_snapshot_near(st, run) == state_run_at(st, run))
        snprintf(out, size, "new sandbox, from the snapshot after run %u", run);
    else if (caps & SANDBOX_CAN_SAVE)
        snprintf(out, size, "new sandbox; the variables of run %u are loaded into it", run);
    else
        snprintf(out, size, "new sandbox; the variables of run %u are lost", run);
}

/* As the live gate words it. */
static void fill_words(struct past_gate *g, const struct state *st)
{
    const char *isolation = st->gate.isolation;
    snprintf(g->sandbox, sizeof g->sandbox, "%s%s%s", st->gate.sandbox,
             isolation[0] != '\0' ? " · " : "", isolation);
    past_gate_from(st, g->from, sizeof g->from);
}

void past_gate_fill(struct past_gate *g, const struct state *st, struct view_gate *out)
{
    const struct state_run *sr = st->gate.open ? state_run_at(st, st->gate.run) : NULL;
    *out = (struct view_gate){ .boot_us = st->last_boot_us };
    if (sr == NULL) {
        gate_close(&g->gate);
        g->capsule[0] = '\0';
        return;
    }
    if (strcmp(g->capsule, st->gate.capsule) != 0) {
        buf_reset(&g->text);
        (void)buf_reserve(&g->text, TEXT_MAX); /* so that nothing moves */
        g->line_count = fill_contract(g, st);
        fill_rows(g, st->gate.attached);
        snprintf(g->capsule, sizeof g->capsule, "%.64s", st->gate.capsule);
        gate_open(&g->gate, sr->number, sr->rev, g->capsule,
                  sr->finding_count > 0 && sr->worst == SEVERITY_HIGH,
                  view_gate_units(sr, g->attachment_count), st->gate.opened_at_us);
    }
    fill_words(g, st);
    out->gate = &g->gate;
    out->contract = g->lines;
    out->contract_count = g->line_count;
    out->attachments = g->attachments;
    out->attachment_count = g->attachment_count;
    out->sandbox_title = g->sandbox;
    out->state_line = g->from;
    out->held_by = st->gate.held_by;
    out->checked_only = st->gate.checked_only;
}
