/* round_prove.c - no code of a session runs in a sandbox that was not asked what it can reach; what
 * came of it is in the record. [SBX-3] */
#include "tool/round_int.h"

#include <string.h>

#define ROWS_MAX 64 /* of one probe, in the record */

static void write_row(struct json_w *w, const struct probe_row *row)
{
    json_w_object(w, NULL);
    json_w_strn(w, "what", row->what, strlen(row->what));
    json_w_strn(w, "inside", row->inside, strlen(row->inside));
    json_w_strn(w, "host", row->host, strlen(row->host));
    json_w_str(w, "result", probe_outcome_name(row->outcome));
    json_w_close_object(w);
}

static void write_report(struct json_w *w, const struct probe_report *p)
{
    json_w_object(w, NULL);
    json_w_str(w, "name", p->name);
    json_w_str(w, "result", probe_outcome_name(p->outcome));
    json_w_strn(w, "why", p->why, strlen(p->why));
    json_w_array(w, "rows");
    for (size_t i = 0; i < p->row_count && i < ROWS_MAX; i++)
        write_row(w, &p->rows[i]);
    json_w_close_array(w);
    json_w_close_object(w);
}

bool round_record_proved(struct round *r, uint32_t twin,
                         const struct probe_report reports[LIGHT_COUNT], struct err *why)
{
    struct event_builder b;
    const struct probe_report *failed = NULL;
    event_begin(&b, EVENT_SANDBOX_PROBED, twin);
    json_w_str(&b.w, "kind", r->cfg.sandbox->name);
    json_w_str(&b.w, "label", twin != 0 ? r->twin.label : r->label);
    json_w_str(&b.w, "by", "birth");
    json_w_int(&b.w, "took_ms", (reports[0].took_us + 500) / 1000);
    json_w_array(&b.w, "probes");
    for (int i = 0; i < LIGHT_COUNT; i++) {
        write_report(&b.w, &reports[i]);
        if (failed == NULL && reports[i].outcome == PROBE_FAIL)
            failed = &reports[i];
    }
    json_w_close_array(&b.w);
    b.ev.more = twin == 0 && r->start_run != 0; /* its start, or its end, follows at once */
    (void)!round_record(r, &b);
    if (failed == NULL)
        return true;
    err_set(why, ERR_DENIED, "the sandbox failed its %s probe and was destroyed: %.160s",
            failed->name, failed->why);
    return false;
}

void round_prove(struct round *r, struct sandbox *s, struct birth **slot, birth_done_fn done)
{
    struct err e = ERR_INIT;
    const struct birth_config cfg = { .loop = r->cfg.loop,
                                      .contract = &r->contract,
                                      .private_dir = r->cfg.private_dir,
                                      .timeout_proved = r->cfg.timeout_proved,
                                      .done = done,
                                      .arg = r };
    if ((s->ops->caps & SANDBOX_NO_PROBES) == 0 && birth_begin(slot, s, &cfg, &e) == 0)
        return;
    *slot = NULL;
    if (e.code != ERR_NONE)
        round_record_error(r, 0, &e, "the new sandbox could not be probed: it stays unproved");
    done(r, NULL);
}
