/* round_sandbox.c - the sandbox of a round: opened, what the record says of its life and its cost,
 * and what the person asks of it beside a run. */
#include "tool/round_int.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- opening ---- */

static void record_sandbox(struct round *r, struct event_builder *b, enum event_type type,
                           const char *id, uint32_t twin)
{
    event_begin(b, type, twin);
    json_w_str(&b->w, "kind", r->cfg.sandbox->name);
    json_w_str(&b->w, "id", id != NULL ? id : "");
    json_w_str(&b->w, "label", twin != 0 ? r->twin.label : r->label);
}

/* Which sandbox: the one there was, one from a snapshot, or a new one. */
static void choose_beginning(struct round *r, struct sandbox_config *sc)
{
    const struct state *st = r->cfg.state;
    const struct state_run *from = NULL;
    r->from_snapshot = r->snapshot_missing = false;
    if (r->attaching) {
        snprintf(r->label, LABEL_SIZE, "%s", st->sandbox_label);
        sc->attach = st->sandbox_id;
        return;
    }
    if (r->travel.on || round_had_state(r))
        from = round_choose_snapshot(r);
    if (from != NULL) {
        r->from_snapshot = true;
        r->load_from = from->number;
        sc->snapshot = from->snapshot;
    }
}

int round_open_sandbox(struct round *r, struct sandbox **out, sandbox_sink sink, uint32_t twin,
                       struct err *e)
{
    struct event_builder b;
    char *label = twin != 0 ? r->twin.label : r->label;
    const char *values[CONTRACT_ENV_MAX];
    if (r->sandbox_seq < r->cfg.state->sandbox_seq)
        r->sandbox_seq = r->cfg.state->sandbox_seq;
    if (twin != 0 || !r->attaching)
        snprintf(label, LABEL_SIZE, "%s-%u", r->cfg.state->session, ++r->sandbox_seq);
    for (size_t i = 0; i < r->contract.env_count; i++)
        values[i] = getenv(r->contract.env[i]);
    struct sandbox_config sc = {
        .loop = r->cfg.loop,
        .launcher = r->cfg.launcher,
        .net = r->cfg.net,
        .setting = r->cfg.setting,
        .setting_arg = r->cfg.setting_arg,
        .contract = &r->contract,
        .image = r->sandbox_image,
        .label = label,
        .env_values = values,
        .allow_warm = r->cfg.allow_warm,
        .sink = sink,
        .check_body = round_check_body,
        .allowance = round_allowance,
        .arg = r,
    };
    if (twin == 0)
        choose_beginning(r, &sc);
    char *id = sc.attach != NULL ? xstrdup(sc.attach) : NULL; /* the record moves on */
    char *snapshot = sc.snapshot != NULL ? xstrdup(sc.snapshot) : NULL;
    int rc = -1;
    sc.attach = id;
    sc.snapshot = snapshot;
    /* Intent first, then the act. [SBX-9] */
    record_sandbox(r, &b, EVENT_SANDBOX_CREATING, id, twin);
    round_record(r, &b);
    if (r->broken)
        err_set(e, ERR_IO, "the sandbox's creation could not be recorded");
    else
        rc = r->cfg.sandbox->open(out, &sc, e);
    free(id);
    free(snapshot);
    return rc;
}

/* ---- its life, as events ---- */

void round_record_ready(struct round *r, const struct sandbox_event *ev, uint32_t twin)
{
    struct event_builder b;
    record_sandbox(r, &b, EVENT_SANDBOX_READY, ev->id, twin);
    json_w_int(&b.w, "cold_start_ms", (ev->cold_start_us + 500) / 1000);
    json_w_bool(&b.w, "warm", ev->warm);
    if (ev->again)
        json_w_bool(&b.w, "again", true);
    if (ev->ms > 0)
        json_w_int(&b.w, "ends_ms", ev->ms);
    round_record(r, &b);
}

/* What the sandbox cost, at the provider's published rate. */
void round_record_cost(struct round *r, int64_t ms)
{
    const struct sandbox_ops *ops = r->cfg.sandbox;
    int64_t cost = ops->cost != NULL && r->sandbox != NULL ? ops->cost(r->sandbox, ms) : -1;
    struct event_builder b;
    if (ops->cost == NULL)
        return;
    event_begin(&b, EVENT_USAGE, 0);
    json_w_str(&b.w, "source", ops->name);
    json_w_int(&b.w, "sandbox_ms", ms);
    if (cost >= 0)
        json_w_int(&b.w, "cost_nanousd", cost);
    round_record(r, &b);
}

void round_record_sandbox_usage(struct round *r, const struct sandbox_usage *u)
{
    struct event_builder b;
    event_begin(&b, EVENT_USAGE, 0);
    json_w_str(&b.w, "source", u->source);
    json_w_int(&b.w, "input_tokens", u->input_tokens);
    json_w_int(&b.w, "output_tokens", u->output_tokens);
    json_w_int(&b.w, "cache_read_tokens", u->cache_read_tokens);
    if (u->cost_nanousd >= 0)
        json_w_int(&b.w, "cost_nanousd", u->cost_nanousd);
    round_record(r, &b);
}

void round_record_closed(struct round *r, bool confirmed, uint32_t twin)
{
    struct event_builder b;
    bool timed = twin == 0 && r->sandbox_since_us != 0;
    int64_t ms = timed ? (clock_boot_us() - r->sandbox_since_us) / 1000 : 0;
    /* What may still run stays in the list of what to look after. */
    bool orphan = !confirmed && r->cfg.sandbox->fleet != NULL;
    record_sandbox(r, &b, orphan ? EVENT_SANDBOX_ORPHANED : EVENT_SANDBOX_CLOSED,
                   twin != 0 ? NULL : r->cfg.state->sandbox_id, twin);
    json_w_bool(&b.w, "confirmed", confirmed);
    if (timed)
        json_w_int(&b.w, "sandbox_ms", ms);
    round_record(r, &b);
    if (timed)
        round_record_cost(r, ms);
}

void round_end_remote(struct round *r, bool ended)
{
    if (r->sandbox == NULL || r->broken || r->sandbox->ops->farewell == NULL)
        return;
    birth_free(r->birth);
    r->birth = NULL;
    if (r->sandbox_paused && !ended) {
        r->sandbox->ops->close(r->sandbox);
        r->sandbox = NULL;
        return;
    }
    round_record_closed(r, r->sandbox->ops->farewell(r->sandbox), 0);
    r->sandbox->ops->close(r->sandbox);
    r->sandbox = NULL;
    r->sandbox_ready = false;
    r->sandbox_since_us = 0;
}

bool round_dismiss_sandbox(struct round *r)
{
    if (r->sandbox == NULL || r->broken || r->sandbox->ops->farewell != NULL)
        return false;
    r->sandbox->ops->kill(r->sandbox, END_KILLED);
    return r->sandbox != NULL;
}

/* ---- files and names ---- */

static int need_sandbox(struct round *r, struct err *e)
{
    if (r->broken)
        return err_set(e, ERR_IO, "the session's record can't be written any more");
    if (r->sandbox_paused)
        return err_set(e, ERR_USAGE, "the sandbox is paused: :wake it first");
    if (r->sandbox == NULL || !r->sandbox_ready)
        return err_set(e, ERR_USAGE, "no sandbox is running yet: run some code first");
    if (r->cfg.state->running != 0)
        return err_set(e, ERR_BUSY, "run %u is still on: wait for it or interrupt it",
                       r->cfg.state->running);
    return 0;
}

int round_put(struct round *r, const struct sandbox_file *f, struct err *e)
{
    if (need_sandbox(r, e) < 0)
        return -1;
    uint8_t hash[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    struct event_builder b;
    sha256_once(f->ptr, f->len, hash);
    hex_encode(hash, sizeof hash, hex);
    event_begin(&b, EVENT_FILE_PUT, 0);
    json_w_str(&b.w, "path", f->name);
    json_w_int(&b.w, "bytes", (int64_t)f->len);
    json_w_str(&b.w, "sha256", hex);
    if (round_record_artifact(r, &b, "application/octet-stream", f->name, f->ptr, f->len) < 0)
        return err_set(e, ERR_IO, "putting %s could not be recorded, so it was not done", f->name);
    return r->sandbox->ops->put(r->sandbox, f, e);
}

int round_get(struct round *r, const char *path, size_t max, struct err *e)
{
    if (need_sandbox(r, e) < 0)
        return -1;
    return r->sandbox->ops->get(r->sandbox, path, max, e);
}

int round_complete(struct round *r, const char *language, const char *text, size_t cursor,
                   uint64_t token, struct err *e)
{
    if (need_sandbox(r, e) < 0)
        return -1;
    if (!(r->cfg.sandbox->caps & SANDBOX_CAN_COMPLETE))
        return err_set(e, ERR_USAGE, "sandbox %s can't complete names", r->cfg.sandbox->name);
    return r->sandbox->ops->complete(r->sandbox, language, text, cursor, token, e);
}
