/* round_gate.c - from a proposal to a decision: reviewed, sealed in a capsule, gated; leases. */
#include "tool/round_int.h"

#include <stdlib.h>
#include <string.h>

#include "tool/gate_rows.h"

/* ---- review ---- */

static void write_finding(struct json_w *w, const struct review_finding *f)
{
    json_w_object(w, NULL);
    json_w_int(w, "line", f->line);
    json_w_str(w, "severity", severity_name(f->severity));
    json_w_str(w, "rule", f->rule);
    json_w_strn(w, "text", f->text, strlen(f->text));
    json_w_close_object(w);
}

/* Both lists are sorted by line. */
static void write_findings(struct json_w *w, const struct review *rv, const struct round_notes *n)
{
    size_t i = 0, k = 0;
    while (i < rv->count || k < n->count) {
        bool note = k < n->count && (i == rv->count || n->list[k].line <= rv->findings[i].line);
        write_finding(w, note ? &n->list[k++] : &rv->findings[i++]);
    }
}

void round_do_review(struct round *r, uint32_t run)
{
    struct state_run *sr = state_run_at(r->cfg.state, run);
    struct review review = { 0 };
    struct round_notes notes = { 0 };
    struct review_context ctx = { .network_open = r->contract.network != NETWORK_DENY };
    const char *rw[CONTRACT_MOUNTS_MAX];
    for (size_t i = 0; i < r->contract.mount_count; i++) {
        if (r->contract.mounts[i].writable)
            rw[ctx.rw_count++] = r->contract.mounts[i].path;
    }
    ctx.rw_mounts = rw;
    review_run(r->cfg.rules, sr->language, sr->code, sr->code_len, &ctx, &review);
    round_watch_notes(r, run, &notes);
    struct event_builder b;
    event_begin(&b, EVENT_RUN_REVIEWED, run);
    json_w_array(&b.w, "findings");
    write_findings(&b.w, &review, &notes);
    json_w_close_array(&b.w);
    review_release(&review);
    round_notes_release(&notes);
    round_record(r, &b);
}

/* ---- capsule and gate ---- */

static int build_capsule(struct round *r, uint32_t run, struct capsule **out, struct err *e)
{
    const struct state_run *sr = state_run_at(r->cfg.state, run);
    const struct proposal *p = proposal_of(r, run);
    struct expectation x = { 0 };
    INVARIANT(p != NULL); /* without it files and arguments would be left out in silence */
    if (expectation_parse(&x, sr->expect, strlen(sr->expect), e) < 0)
        return -1;
    char *check = expectation_check_code(&x);
    struct sandbox_run rq = {
        .run = run,
        .language = sr->language,
        .interpreter = r->cfg.sandbox->interpreter(&r->contract, sr->language),
        .code = sr->code,
        .code_len = sr->code_len,
        .argv = (const char *const *)p->argv,
        .argv_count = p->argv_count,
        .cwd = "/workspace",
        .input = p->input,
        .input_len = p->input_len,
        .files = p->files,
        .file_count = p->file_count,
        .check_code = check,
        .check_code_len = strlen(check),
    };
    char origin[512] = "";
    const struct sandbox_host host = { .launcher = r->cfg.launcher,
                                       .setting = r->cfg.setting,
                                       .setting_arg = r->cfg.setting_arg };
    if (r->cfg.sandbox->origin != NULL &&
        r->cfg.sandbox->origin(&host, origin, sizeof origin, e) < 0) {
        free(check);
        expectation_release(&x);
        return -1;
    }
    struct capsule_spec spec = {
        .session = r->cfg.state->session,
        .run = run,
        .rev = sr->rev,
        .sandbox = r->cfg.sandbox->name,
        .origin = origin,
        .rq = &rq,
    };
    struct capsule_env env[CONTRACT_ENV_MAX];
    for (size_t i = 0; i < r->contract.env_count; i++)
        env[i] =
            (struct capsule_env){ .name = r->contract.env[i], .value = getenv(r->contract.env[i]) };
    spec.env = env;
    spec.env_count = r->contract.env_count;
    random_bytes(spec.nonce, sizeof spec.nonce);
    memcpy(spec.contract_digest, r->contract_digest, sizeof spec.contract_digest);
    memcpy(spec.parent_state, r->parent_state, sizeof spec.parent_state);
    int rc = capsule_new(out, &spec, e);
    free(check);
    expectation_release(&x);
    return rc;
}

/* A decision is going to follow at once, most likely; else the group is on disk within 50 ms. */
static bool may_go_unasked(struct round *r, uint32_t run)
{
    return r->cfg.state->lease.active || (proposal_of(r, run)->typed && r->cfg.typed_runs);
}

/* A replay shows the gate as it stood, on a machine that may have other walls. */
static void write_walls(const struct round *r, struct json_w *w)
{
    json_w_array(w, "walls");
    for (int i = 0; i < FIELD_COUNT; i++) {
        const struct field_enforcement *f = &r->enforcement.field[i];
        if (f->how == ENFORCED)
            continue;
        json_w_object(w, NULL);
        json_w_str(w, "field", contract_field_name((enum contract_field)i));
        json_w_str(w, "how", enforcement_name(f->how));
        json_w_str(w, "why", f->why);
        json_w_close_object(w);
    }
    json_w_close_array(w);
}

/* What the run would not find there. */
static void write_loss(const struct round *r, struct json_w *w)
{
    const char *line = NULL;
    if (r->sandbox != NULL && r->sandbox->ops->starts_over != NULL)
        line = r->sandbox->ops->starts_over(r->sandbox, capsule_request(r->gate_capsule));
    if (line == NULL)
        return;
    json_w_bool(w, "state_lost", true);
    json_w_str(w, "lost_line", line);
}

static void write_row(void *arg, const char *text)
{
    json_w_str(arg, NULL, text);
}

void round_do_gate(struct round *r, uint32_t run)
{
    struct err e = ERR_INIT;
    capsule_free(r->gate_capsule);
    r->gate_capsule = NULL;
    if (build_capsule(r, run, &r->gate_capsule, &e) < 0) {
        /* Everything that can be wrong with it was checked before it was recorded. */
        err_wrap(&e, "run %u", run);
        round_break(r, &e);
        return;
    }
    round_compare_given(r, proposal_of(r, run), capsule_code_key(r->gate_capsule));
    const struct state_run *sr = state_run_at(r->cfg.state, run);
    char digest[SHA256_HEX_LEN + 1];
    hex_encode(r->contract_digest, SHA256_LEN, digest);
    struct event_builder b;
    event_begin(&b, EVENT_GATE_OPENED, run);
    json_w_int(&b.w, "rev", sr->rev);
    json_w_str(&b.w, "capsule", capsule_hex(r->gate_capsule));
    json_w_str(&b.w, "contract_digest", digest);
    json_w_str(&b.w, "sandbox", r->cfg.sandbox->name);
    json_w_str(&b.w, "isolation", r->cfg.sandbox->isolation);
    if (r->cfg.sandbox->held_by != NULL)
        json_w_str(&b.w, "held_by", r->cfg.sandbox->held_by);
    if (r->cfg.sandbox->caps & SANDBOX_IS_CHECKED_ONLY)
        json_w_bool(&b.w, "checked_only", true);
    write_loss(r, &b.w);
    hex_encode(capsule_code_key(r->gate_capsule), SHA256_LEN, digest);
    json_w_str(&b.w, "code_key", digest);
    b.ev.more = may_go_unasked(r, run);
    write_walls(r, &b.w);
    json_w_array(&b.w, "attached");
    gate_each_row(r->gate_capsule, &r->contract, write_row, &b.w);
    json_w_close_array(&b.w);
    round_record(r, &b);
}

static struct lease_question lease_facts(const struct round *r, const struct state_run *sr)
{
    static const enum contract_field needed[] = { FIELD_NETWORK, FIELD_FILES, FIELD_TIMEOUT,
                                                  FIELD_TTL, FIELD_OUTPUT };
    const struct state *st = r->cfg.state;
    struct lease_question q = {
        /* Nothing automatic approves where something else may run first. */
        .fields_enforced = (r->cfg.sandbox->caps & SANDBOX_IS_CHECKED_ONLY) == 0,
        .network_denied = r->contract.network == NETWORK_DENY,
        .high_finding = sr->finding_count > 0 && sr->worst == SEVERITY_HIGH,
        .budget_ok =
            r->contract.budget_nanousd == 0 || st->cost_nanousd < r->contract.budget_nanousd,
        .active = st->lease.active,
        .in_step = st->lease.step[0] == '\0' || strcmp(st->lease.step, sr->step) == 0,
        .runs_left = st->lease.runs_left,
        .until_boot_us = st->lease.until_boot_us,
        .now_boot_us = clock_boot_us(),
    };
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        q.fields_enforced = q.fields_enforced && r->enforcement.field[needed[i]].how == ENFORCED;
    for (size_t i = 0; i < r->contract.mount_count; i++)
        q.mounts_rw = q.mounts_rw || r->contract.mounts[i].writable;
    for (size_t i = sr->finding_count; i-- > 0;) {
        if (sr->findings[i].severity == SEVERITY_HIGH)
            q.high_line = sr->findings[i].line;
    }
    return q;
}

static void approve_unasked(struct round *r, const char *by)
{
    struct err e = ERR_INIT;
    struct round_decide d = {
        .decision = DECIDE_APPROVE, .by = by, .capsule = capsule_hex(r->gate_capsule), .reason = ""
    };
    (void)!round_decide(r, &d, &e); /* a failure is the record's, and was told */
}

void round_do_ask(struct round *r, uint32_t run)
{
    const struct state *st = r->cfg.state;
    const struct state_run *sr = state_run_at(st, run);
    char room[160] = "";
    if (!st->gate.open || st->gate.run != run || r->gate_capsule == NULL)
        return;
    struct lease_question q = lease_facts(r, sr);
    /* A gate that the person edited, or came back to after a dry run, is theirs to decide. */
    bool fresh = sr->rev == 1 && sr->decision[0] == '\0';
    const char *why = "";
    if (fresh && proposal_of(r, run)->typed && r->cfg.typed_runs) {
        struct lease_question own = q;
        own.active = own.in_step = true;
        own.runs_left = -1;
        own.until_boot_us = 0;
        why = lease_refusal(&own, room, sizeof room);
        if (why == NULL) {
            approve_unasked(r, "typed");
            return;
        }
    } else if (fresh && st->lease.active) {
        why = lease_refusal(&q, room, sizeof room);
        if (why == NULL) {
            approve_unasked(r, "lease");
            return;
        }
    }
    if (fresh && r->cfg.policy != NULL &&
        policy_allows(r->cfg.policy, r->contract_digest, capsule_code_key(r->gate_capsule))) {
        approve_unasked(r, "policy");
        return;
    }
    r->cfg.port.ask(r->cfg.port.arg, run, why);
}

const char *round_no_dry_run(const struct round *r)
{
    if ((r->cfg.sandbox->caps & SANDBOX_IS_CHECKED_ONLY) == 0)
        return NULL;
    return "what runs there is only checked afterwards: a twin can't be given a copy of the state, "
           "nor thrown away for certain";
}

static const char *const decision_names[] = { [DECIDE_APPROVE] = "approve",
                                              [DECIDE_DENY] = "deny",
                                              [DECIDE_DRY_RUN] = "dry-run",
                                              [DECIDE_STOP] = "stop" };

int round_decide(struct round *r, const struct round_decide *d, struct err *e)
{
    const struct state *st = r->cfg.state;
    if (r->broken)
        return err_set(e, ERR_IO,
                       "the session's record can't be written any more: nothing can be approved");
    if (!st->gate.open || r->gate_capsule == NULL)
        return err_set(e, ERR_USAGE, "no gate is open");
    if (strcmp(d->capsule, st->gate.capsule) != 0 ||
        strcmp(d->capsule, capsule_hex(r->gate_capsule)) != 0)
        return err_set(e, ERR_INTEGRITY,
                       "the capsule on the screen is not the one at the gate: nothing was decided");
    if (d->decision == DECIDE_DRY_RUN && r->twin.of != 0)
        return err_set(e, ERR_BUSY,
                       "the twin of the last dry run is still being removed: try again");
    if (d->decision == DECIDE_DRY_RUN && round_no_dry_run(r) != NULL)
        return err_set(e, ERR_DENIED, "no dry run in %s: %s", r->cfg.sandbox->name,
                       round_no_dry_run(r));
    uint32_t run = st->gate.run;
    struct event_builder b;
    event_begin(&b, EVENT_GATE_DECIDED, run);
    json_w_str(&b.w, "decision", decision_names[d->decision]);
    json_w_str(&b.w, "by", d->by);
    json_w_str(&b.w, "capsule", d->capsule);
    if (d->reason != NULL && d->reason[0] != '\0')
        json_w_strn(&b.w, "reason", d->reason, strlen(d->reason));
    json_w_int(&b.w, "seen_lines", d->seen_lines);
    if (d->unseen_lines > 0) {
        json_w_str(&b.w, "reviewed", "partial");
        json_w_int(&b.w, "unseen_lines", d->unseen_lines);
    }
    if (strcmp(d->by, "policy") == 0 && r->cfg.policy != NULL)
        json_w_str(&b.w, "policy", policy_digest_hex(r->cfg.policy));
    json_w_int(&b.w, "waited_ms", (clock_boot_us() - st->gate.opened_at_us) / 1000);
    /* An approval moves the sealed record from the gate to the run: it is used up there, once. */
    struct capsule *c = r->gate_capsule;
    if (d->decision == DECIDE_APPROVE) {
        capsule_free(r->run_capsule);
        r->run_capsule = c;
        r->gate_capsule = NULL;
        b.ev.more = round_can_start(r); /* run.started is next, and nothing acts before it */
    } else if (d->decision == DECIDE_DRY_RUN) {
        capsule_free(r->twin.capsule);
        r->twin.capsule = c;
        r->gate_capsule = NULL;
    }
    if (round_record(r, &b) < 0)
        return err_set(e, ERR_IO, "the decision could not be recorded, so nothing runs");
    /* The denial of own code has no effect, and still lets in what waits behind it. */
    loop_wake_idle(r->cfg.loop, r->idle);
    return 0;
}

int round_edit(struct round *r, const char *code, size_t code_len, const char *expect,
               struct err *e)
{
    struct state *st = r->cfg.state;
    if (r->broken || !st->gate.open)
        return err_set(e, ERR_USAGE, "no gate is open");
    uint32_t run = st->gate.run;
    const struct state_run *sr = state_run_at(st, run);
    struct proposal p = *proposal_of(r, run);
    bool same_code =
        code == NULL || (code_len == sr->code_len && memcmp(code, sr->code, code_len) == 0);
    p.language = sr->language;
    p.step = sr->step;
    p.purpose = sr->purpose;
    p.code = same_code ? sr->code : (char *)(uintptr_t)code;
    p.code_len = same_code ? sr->code_len : code_len;
    p.expect = expect != NULL ? (char *)(uintptr_t)expect : sr->expect;
    p.author = (char *)(uintptr_t) "person";
    if (same_code && (expect == NULL || strcmp(expect, sr->expect) == 0))
        return err_set(e, ERR_CANCELLED, "nothing was changed: the gate stays as it is");
    if (round_check_proposal(r, &p, e) < 0)
        return -1;
    struct event_builder b;
    event_begin(&b, EVENT_GATE_DECIDED, run);
    json_w_str(&b.w, "decision", "edit");
    json_w_str(&b.w, "by", "person");
    json_w_str(&b.w, "capsule", st->gate.capsule);
    json_w_int(&b.w, "seen_lines", 0);
    json_w_int(&b.w, "waited_ms", (clock_boot_us() - st->gate.opened_at_us) / 1000);
    /* The new bytes are copied into the event before the state lets go of the old ones. */
    struct event_builder n;
    event_begin(&n, EVENT_RUN_PROPOSED, run);
    round_write_proposed(&n.w, &p, sr->rev + 1, sr->attempt);
    if (round_record(r, &b) < 0) {
        event_release(&n);
        return err_set(e, ERR_IO, "the edit could not be recorded");
    }
    return round_record(r, &n) < 0 ? err_set(e, ERR_IO, "the edit could not be recorded") : 0;
}

/* ---- lease ---- */

const char *round_no_lease(const struct round *r, char *room, size_t size)
{
    const struct state_run any = { .step = (char *)(uintptr_t) "" };
    struct lease_question q = lease_facts(r, &any);
    q.active = q.in_step = true;
    q.runs_left = -1;
    q.until_boot_us = 0;
    return lease_refusal(&q, room, size);
}

int round_grant_lease(struct round *r, const struct round_lease *l, struct err *e)
{
    static const enum contract_field loose[] = { FIELD_CPU, FIELD_MEMORY, FIELD_PIDS, FIELD_DISK };
    char room[160];
    const char *why = round_no_lease(r, room, sizeof room);
    if (why != NULL)
        return err_set(e, ERR_DENIED, "no lease under this contract: %s", why);
    if (l->runs < 0 || l->runs > 10000 || l->minutes < 0 || l->minutes > 24 * 60 ||
        (l->runs == 0 && l->minutes == 0 && l->step == NULL))
        return err_set(e, ERR_USAGE, "a lease is runs=1…10000 and/or minutes=1…1440");
    struct event_builder b;
    event_begin(&b, EVENT_LEASE_GRANTED, 0);
    if (l->runs > 0)
        json_w_int(&b.w, "runs", l->runs);
    if (l->minutes > 0)
        json_w_int(&b.w, "minutes", l->minutes);
    if (l->step != NULL)
        json_w_str(&b.w, "step", l->step);
    json_w_array(&b.w, "approximated");
    for (size_t i = 0; i < ARRAY_LEN(loose); i++) {
        if (r->enforcement.field[loose[i]].how != ENFORCED)
            json_w_str(&b.w, NULL, contract_field_name(loose[i]));
    }
    json_w_close_array(&b.w);
    if (round_record(r, &b) < 0)
        return err_set(e, ERR_IO, "the lease could not be recorded");
    loop_arm_us(r->cfg.loop, r->lease_timer, l->minutes > 0 ? l->minutes * 60000000 : -1);
    if (r->cfg.state->gate.open)
        round_queue(r, EFFECT_ASK, r->cfg.state->gate.run);
    return 0;
}

void round_end_lease(struct round *r, const char *why)
{
    if (!r->cfg.state->lease.active || r->broken)
        return;
    struct event_builder b;
    event_begin(&b, EVENT_LEASE_ENDED, 0);
    json_w_str(&b.w, "why", why);
    round_record(r, &b);
    loop_arm_us(r->cfg.loop, r->lease_timer, -1);
}
