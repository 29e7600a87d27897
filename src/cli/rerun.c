/* rerun.c - a recorded session run again, run after run, and the verdict on each. */
#include "cli/rerun.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sessions/mask.h"
#include "ui/text.h"

static const char *outcome_name(enum rerun_outcome o)
{
    static const char *const names[RERUN_OUTCOMES] = { "identical", "masked", "differs",
                                                       "could-not-run" };
    return names[o];
}

/* ---- verdicts ---- */

static int judge(const struct rerun *r, struct store *now, const struct state_run *is,
                 struct rerun_verdict *v, struct err *e)
{
    static const enum run_part parts[] = { PART_END, PART_STDOUT, PART_STDERR, PART_RESULT };
    struct run_ref a = { r->old.store, r->was }, b = { now, is };
    const struct compare_how how = { .masks = r->masks };
    *v = (struct rerun_verdict){ .outcome = RERUN_IDENTICAL };
    for (size_t i = 0; i < ARRAY_LEN(parts) && v->outcome != RERUN_DIFFERS; i++) {
        struct compare c;
        int rc = run_compare(&c, parts[i], &a, &b, &how, e);
        if (rc == 0 && c.verdict == COMPARE_DIFFERS)
            *v = (struct rerun_verdict){
                .outcome = RERUN_DIFFERS, .part = parts[i], .line = c.line, .cut = c.cut
            };
        else if (rc == 0 && c.verdict == COMPARE_MASKED) {
            v->outcome = RERUN_MASKED;
            v->masks |= c.masks;
        }
        compare_release(&c);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* It did not come to a run of the same kind: why. */
static bool could_not_run(struct rerun *r, const struct state_run *is, struct rerun_verdict *v)
{
    const char *why = NULL;
    *v = (struct rerun_verdict){ .outcome = RERUN_NOT_RUN };
    if (is == NULL || is->status != RUN_FINISHED) {
        bool denied = is != NULL && (is->status == RUN_DENIED || is->status == RUN_STOPPED);
        why =
            denied ? (is->reason[0] != '\0' ? is->reason : "denied at the gate") : "it never began";
        r->denied |= denied;
        r->missing |= !denied;
    } else if (is->end == END_SANDBOX || is->end == END_PROVIDER || is->end == END_LOST) {
        why = is->message[0] != '\0' ? is->message : run_end_name(is->end);
        r->missing = true;
    } else if (is->end == END_INTEGRITY) {
        why = "its capsule did not match";
        r->integrity = true;
    }
    if (why != NULL)
        snprintf(v->why, sizeof v->why, "%s", why);
    return why != NULL;
}

static void tell(struct rerun *r, const struct state_run *is, const struct rerun_verdict *v)
{
    const struct state_run *was = r->was;
    r->counts[v->outcome]++;
    r->was = NULL;
    if (r->told != NULL)
        r->told(r->told_arg, r, was, is, v);
}

static int judge_last(struct rerun *r, struct session *s, struct err *e)
{
    struct rerun_verdict v;
    const struct state_run *is = state_run_at(session_state(s), r->is);
    if (!could_not_run(r, is, &v) && judge(r, session_store(s), is, &v, e) < 0)
        return -1;
    tell(r, is, &v);
    return 0;
}

/* ---- running ---- */

static bool is_chosen(const struct rerun *r, const struct state_run *sr)
{
    return sr->twin_of == 0 && sr->status == RUN_FINISHED && strcmp(sr->decision, "approve") == 0 &&
           sr->number >= r->first && sr->number <= r->last;
}

static int propose(struct rerun *r, struct session *s, struct err *e)
{
    struct rerun_given g;
    const struct state_run *was = r->was;
    int rc = rerun_collect(&g, r->old.store, was, r->from, e);
    if (rc == 0) {
        struct round_own own = {
            .language = was->language,
            .code = was->code,
            .code_len = was->code_len,
            .expect = was->expect,
            .purpose = was->purpose,
            .argv = (const char *const *)g.argv,
            .argv_count = g.argv_count,
            .input = buf_str(&g.input),
            .input_len = g.input.len,
            .files = g.files,
            .file_count = g.file_count,
        };
        r->is = (uint32_t)session_state(s)->run_count + 1;
        rc = round_own_code(session_round(s), &own, e);
    }
    rerun_given_release(&g);
    return rc;
}

int rerun_step(struct rerun *r, struct session *s, struct err *e)
{
    if (r->was != NULL && judge_last(r, s, e) < 0)
        return -1;
    while (r->at < r->old.state.run_count) {
        const struct state_run *next = r->old.state.runs[r->at++];
        struct rerun_verdict v = { .outcome = RERUN_NOT_RUN };
        if (!is_chosen(r, next))
            continue;
        r->was = next;
        int rc = propose(r, s, e);
        r->from = next->decided_seq + 1;
        if (rc == 0)
            return 1;
        r->missing = true; /* this one can't run; the others may */
        snprintf(v.why, sizeof v.why, "%s", e->msg);
        err_clear(e);
        tell(r, NULL, &v);
    }
    return 0;
}

/* ---- opening ---- */

/* The sandbox and contract of the record, unless the person wishes otherwise. */
static int take_contract(struct rerun *r, const struct rerun_wish *wish, struct err *e)
{
    const struct state *st = &r->old.state;
    const char *word = wish->sandbox != NULL ? wish->sandbox : st->sandbox;
    const char *image = app_split_name(word, r->sandbox, sizeof r->sandbox);
    struct json *o = NULL;
    r->image = image != NULL ? xstrdup(image) : NULL;
    if (json_parse(&o, st->contract_json, strlen(st->contract_json), e) < 0)
        return err_wrap(e, "the contract of session %s", r->old.id);
    contract_release(&r->contract);
    int rc = contract_from_json(&r->contract, o, e);
    json_free(o);
    for (size_t i = 0; rc == 0 && i < wish->set_count; i++)
        rc = contract_set(&r->contract, wish->set[i], e);
    return rc;
}

static int check_some(struct rerun *r, struct err *e)
{
    for (size_t i = 0; i < r->old.state.run_count; i++)
        r->chosen += is_chosen(r, r->old.state.runs[i]);
    if (r->chosen > 0)
        return 0;
    return err_set(e, ERR_USAGE, "session %s has no approved run there", r->old.id);
}

int rerun_open(struct rerun *r, struct app *app, const char *word, const struct rerun_wish *wish,
               struct err *e)
{
    *r = (struct rerun){ .masks = wish->masks, .from = 1 };
    contract_init(&r->contract);
    if (options_parse_runs(wish->runs, &r->first, &r->last, e) < 0 ||
        saved_open(&r->old, app, word, e) < 0)
        return -1;
    if (r->old.broken.code != ERR_NONE) {
        *e = r->old.broken;
        return err_wrap(e, "session %s is not whole: nothing is run", r->old.id);
    }
    if (session_check_own(&r->old.state, e) < 0)
        return -1;
    return check_some(r, e) < 0 ? -1 : take_contract(r, wish, e);
}

void rerun_close(struct rerun *r)
{
    saved_close(&r->old);
    contract_release(&r->contract);
    free(r->image);
    r->image = NULL;
}

struct session_spec rerun_spec(const struct rerun *r)
{
    return (struct session_spec){
        .planner = "human",
        .sandbox = r->sandbox,
        .image = r->image,
        .contract = &r->contract,
        .parent = r->old.id,
    };
}

int rerun_begin(const struct rerun *r, struct session *s, struct err *e)
{
    char *title = xasprintf("rerun %s", r->old.id);
    int rc = round_task(session_round(s), title, "program", e);
    free(title);
    return rc;
}

/* ---- words ---- */

void rerun_put_verdict(const struct rerun_verdict *v, struct buf *out)
{
    if (v->outcome == RERUN_IDENTICAL)
        (void)buf_add_str(out, "identical");
    else if (v->outcome == RERUN_MASKED) {
        (void)buf_add_str(out, "identical after masks (");
        mask_print(v->masks, out);
        (void)buf_add_char(out, ')');
    } else if (v->outcome == RERUN_DIFFERS) {
        (void)buf_addf(out, "differs at line %zu of %s", v->line, run_part_name(v->part));
    } else {
        (void)buf_add_str(out, "could not run: ");
        (void)text_clean(out, v->why, strcspn(v->why, "\n"), TEXT_PROSE, false, false);
    }
    if (v->cut)
        (void)buf_addf(out, " (beyond %zu MiB not compared)", COMPARE_MAX >> 20);
}

void rerun_put_json(const struct rerun_verdict *v, struct json_w *w)
{
    json_w_str(w, "verdict", outcome_name(v->outcome));
    json_w_array(w, "masked");
    for (unsigned k = 0; k < mask_count(); k++) {
        if (v->masks & (1u << k))
            json_w_str(w, NULL, mask_name(k));
    }
    json_w_close_array(w);
    if (v->outcome == RERUN_DIFFERS) {
        json_w_str(w, "what", run_part_name(v->part));
        json_w_int(w, "line", (int64_t)v->line);
        json_w_bool(w, "cut", v->cut);
    }
    if (v->outcome == RERUN_NOT_RUN)
        json_w_strn(w, "reason", v->why, strlen(v->why));
}
