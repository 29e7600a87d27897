/* state_gate.c - findings, the open gate, and what was decided at it by whom. */
#include "tool/state_int.h"

#include <stdlib.h>
#include <string.h>

#define FINDINGS_MAX 10000
#define ROWS_MAX     ((size_t)64 << 10)

/* ---- run.reviewed ---- */

enum finding_severity state_read_severity(const char *word)
{
    for (int s = SEVERITY_INFO; s <= SEVERITY_HIGH; s++) {
        if (strcasecmp(word, severity_name((enum finding_severity)s)) == 0)
            return (enum finding_severity)s;
    }
    return SEVERITY_HIGH; /* a word we don't know must not make it look harmless */
}

int state_on_reviewed(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    struct state_run *r = state_need_run(st, ev, e);
    const struct json *list = json_get(ev->body, "findings");
    size_t count = json_len(list), n = 0;
    if (r == NULL)
        return -1;
    if (r->status != RUN_PROPOSED && !r->erased)
        return contradiction(ev, e, "it was reviewed before");
    if (count > FINDINGS_MAX)
        return contradiction(ev, e, "%zu findings, at most %d", count, FINDINGS_MAX);
    state_findings_free(r);
    r->findings = xcalloc(count, sizeof *r->findings);
    for (const struct json *m = json_first(list); m != NULL && n < count; m = json_next(m)) {
        struct state_finding *f = &r->findings[n++];
        int64_t line = json_get_int(m, "line", 0);
        f->line = line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0;
        f->severity = state_read_severity(body_str(m, "severity"));
        f->rule = xstrdup(body_str(m, "rule"));
        f->text = xstrdup(body_str(m, "text"));
        r->worst = f->severity > r->worst ? f->severity : r->worst;
    }
    r->finding_count = n;
    r->status = RUN_REVIEWED;
    effects_add(out, EFFECT_GATE, r->number);
    return 0;
}

/* ---- gate ---- */

/* A capsule is good for one decision and one start. (Those of other runs hold another run number.)
 * [APR-5] */
static bool capsule_is_spent(const struct state *st, const struct state_run *of,
                             const char *capsule)
{
    if (of->decision[0] != '\0' && strcmp(of->capsule, capsule) == 0)
        return true;
    for (size_t i = of->number; i < st->run_count; i++) {
        const struct state_run *r = st->runs[i];
        if (r->twin_of == of->number && strcmp(r->capsule, capsule) == 0)
            return true;
    }
    return false;
}

static void take_rows(struct state *st, const struct json *body)
{
    struct buf out = BUF_INIT(ROWS_MAX);
    const struct json *walls = json_get(body, "walls");
    for (const struct json *m = json_first(walls); m != NULL; m = json_next(m)) {
        if (buf_addf(&out, "%s%c%s%c%s%c", body_str(m, "field"), STATE_CELL_END, body_str(m, "how"),
                     STATE_CELL_END, body_str(m, "why"), STATE_ROW_END) < 0)
            break;
    }
    st->gate.has_walls = walls != NULL;
    string_set(&st->gate.walls, buf_str(&out));
    buf_release(&out);
    free(st->gate.attached);
    st->gate.attached = strings_join(json_get(body, "attached"), STATE_ROW_END);
}

int state_on_gate_opened(struct state *st, const struct event *ev, struct effects *out,
                         struct err *e)
{
    struct state_run *r = state_need_run(st, ev, e);
    const char *capsule = body_str(ev->body, "capsule");
    if (r == NULL)
        return -1;
    if (st->gate.open && st->gate.run != ev->run)
        return contradiction(ev, e, "the gate of run %u is open", st->gate.run);
    if (!r->erased && (r->twin_of != 0 || (r->status != RUN_REVIEWED && r->status != RUN_AT_GATE)))
        return contradiction(ev, e, "a gate for a run that is not waiting for one");
    if (!r->erased && json_get_int(ev->body, "rev", 0) != (int64_t)r->rev)
        return contradiction(ev, e, "a gate for another rev than %u", r->rev);
    if (strlen(capsule) != 64 || capsule_is_spent(st, r, capsule))
        return contradiction(ev, e, "a gate for a capsule that is spent or none");
    st->gate.open = true;
    st->gate.run = r->number;
    st->gate.rev = r->rev;
    st->gate.opened_at_us = ev->boot_us;
    string_set(&st->gate.capsule, capsule);
    string_set(&st->gate.contract_digest, body_str(ev->body, "contract_digest"));
    string_set(&st->gate.sandbox, body_str(ev->body, "sandbox"));
    string_set(&st->gate.isolation, body_str(ev->body, "isolation"));
    string_set(&st->gate.held_by, body_str(ev->body, "held_by"));
    st->gate.checked_only = json_get_bool(ev->body, "checked_only", false);
    st->gate.state_lost = json_get_bool(ev->body, "state_lost", false);
    string_set(&st->gate.lost_line,
               st->gate.state_lost ? json_get_str(ev->body, "lost_line", STATE_LOST_LINE) : "");
    take_rows(st, ev->body);
    string_set(&r->capsule, capsule);
    r->gate_at_us = ev->at_us;
    r->status = RUN_AT_GATE;
    st->phase = PHASE_GATE;
    effects_add(out, EFFECT_ASK, r->number);
    return 0;
}

/* What nobody but a person may do, and what a lease or typing can't cover. [APR-13] */
static int check_authority(const struct state *st, const struct event *ev,
                           const struct state_run *r, struct err *e)
{
    const char *decision = body_str(ev->body, "decision"), *by = body_str(ev->body, "by");
    bool high = r->finding_count > 0 && r->worst == SEVERITY_HIGH;
    if (strcmp(decision, "dry-run") == 0 && strcmp(by, "person") != 0)
        return contradiction(ev, e, "a dry run decided by %s", by);
    if (strcmp(decision, "approve") != 0 || strcmp(by, "person") == 0 || strcmp(by, "policy") == 0)
        return 0;
    if (high)
        return contradiction(ev, e, "HIGH findings approved by %s", by);
    if (strcmp(by, "typed") == 0)
        return r->own ? 0 : contradiction(ev, e, "approved by typing what the person did not type");
    if (strcmp(by, "lease") != 0)
        return contradiction(ev, e, "approved by %s", by);
    if (!st->lease.active || st->lease.runs_left == 0)
        return contradiction(ev, e, "approved by a lease that is not there");
    return 0;
}

/* Denials in a row, newest first, in the step of `r` (or of the same author outside any step). */
static uint32_t denials_in_a_row(const struct state *st, const struct state_run *r)
{
    uint32_t n = 1;
    for (const struct state_run *p = state_previous_attempt(st, r); p != NULL;
         p = state_previous_attempt(st, p)) {
        if (p->status != RUN_DENIED)
            break;
        n++;
    }
    return n;
}

static void carry_out_decision(struct state *st, struct state_run *r, struct effects *out)
{
    if (strcmp(r->decision, "deny") == 0) {
        r->status = RUN_DENIED;
        st->denied++;
        st->denials_in_step = denials_in_a_row(st, r);
        st->phase = state_phase_after(st, r);
        if (state_planner_hears_of(r))
            effects_add(out, EFFECT_OBSERVE, r->number);
        return;
    }
    if (strcmp(r->decision, "edit") == 0) {
        r->status = RUN_PROPOSED;
    } else if (strcmp(r->decision, "stop") == 0) {
        r->status = RUN_STOPPED;
        st->phase = PHASE_IDLE;
        effects_add(out, EFFECT_STOP, r->number);
    } else if (strcmp(r->decision, "dry-run") == 0) {
        r->status = RUN_REVIEWED;
        st->phase = PHASE_RUNNING;
        effects_add(out, EFFECT_DRY_RUN, r->number);
    } else {
        r->status = RUN_APPROVED;
        st->denials_in_step = 0;
        st->phase = PHASE_RUNNING;
        effects_add(out, EFFECT_START, r->number);
    }
}

static bool is_decision(const char *word)
{
    static const char *const words[] = { "approve", "deny", "edit", "dry-run", "stop" };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(word, words[i]) == 0)
            return true;
    }
    return false;
}

int state_on_decided(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    struct state_run *r = state_need_run(st, ev, e);
    if (r == NULL)
        return -1;
    bool open = st->gate.open && st->gate.run == ev->run && r->status == RUN_AT_GATE;
    if (!open && !r->erased)
        return contradiction(ev, e, "no gate of it is open");
    if (open && strcmp(body_str(ev->body, "capsule"), st->gate.capsule) != 0)
        return contradiction(ev, e, "decided on capsule %.16s, but the gate shows %.16s",
                             body_str(ev->body, "capsule"), st->gate.capsule);
    if (!is_decision(body_str(ev->body, "decision")))
        return contradiction(ev, e, "decision %.20s", body_str(ev->body, "decision"));
    if (check_authority(st, ev, r, e) < 0)
        return -1;
    int64_t seen = json_get_int(ev->body, "seen_lines", 0);
    if (open)
        st->gate.open = false;
    if (ev->run > st->flagged_run)
        st->flagged_run = 0;
    string_set(&r->capsule, body_str(ev->body, "capsule"));
    string_set(&r->decision, body_str(ev->body, "decision"));
    string_set(&r->by, body_str(ev->body, "by"));
    string_set(&r->reason, body_str(ev->body, "reason"));
    r->decided_at_us = ev->at_us;
    r->decided_seq = ev->seq;
    r->waited_ms = json_get_int(ev->body, "waited_ms", 0);
    r->seen_lines = seen > 0 && seen <= UINT32_MAX ? (uint32_t)seen : 0;
    carry_out_decision(st, r, out);
    return 0;
}
