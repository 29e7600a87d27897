/* cmd_show.c - a saved session or one of its runs, as text or as its events. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/saved.h"
#include "cli/show_vars.h"
#include "tool/contract.h"
#include "ui/plain.h"

static int print(struct buf *out)
{
    int rc = app_print(buf_str(out), out->len);
    buf_reset(out);
    return rc;
}

/* ---- --json: the events themselves ---- */

struct json_print {
    struct saved *s;
    struct buf out;
};

static int json_event(void *arg, const struct event *ev)
{
    struct json_print *p = arg;
    if (p->s->run != 0 && ev->run != p->s->run)
        return 0;
    (void)event_print_jsonl(ev, p->s->id, &p->out);
    return p->out.len > ((size_t)1 << 20) ? print(&p->out) : 0;
}

static int show_json(struct saved *s, struct err *e)
{
    struct json_print p = { .s = s, .out = BUF_INIT((size_t)128 << 20) };
    int rc = store_each(s->store, 1, 0, json_event, &p, e);
    if (print(&p.out) < 0)
        rc = app_print_failed(e);
    buf_release(&p.out);
    return rc;
}

/* ---- text ---- */

/* In one line, whatever it holds. */
static void put_clean(struct buf *out, const char *s)
{
    (void)text_clean(out, s, strlen(s), TEXT_PROSE, false, false);
}

static void put(struct buf *out, const char *label, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    (void)buf_addf(out, "%-10s ", label);
    (void)text_clean(out, value, strcspn(value, "\n"), TEXT_PROSE, false, false);
    (void)buf_add_char(out, '\n');
}

static void put_code(struct buf *out, const struct state_run *sr)
{
    size_t at = 0, line = 1;
    while (at < sr->code_len) {
        const char *nl = memchr(sr->code + at, '\n', sr->code_len - at);
        size_t n = nl != NULL ? (size_t)(nl - sr->code) - at : sr->code_len - at;
        (void)buf_addf(out, "%5zu | ", line++);
        (void)text_clean(out, sr->code + at, n, TEXT_CODE, nl != NULL, false);
        (void)buf_add_char(out, '\n');
        at += n + (nl != NULL);
    }
}

static void put_stream(struct saved *s, const struct state_run *sr, unsigned stream,
                       struct buf *out)
{
    struct output_source src = store_output_source(s->store);
    struct text_stream clean;
    char chunk[16384];
    uint64_t at = 0;
    ssize_t n;
    if (sr->out[stream].bytes == 0)
        return;
    (void)buf_addf(out, "--- %s (%llu bytes)\n", stream == STREAM_STDERR ? "stderr" : "stdout",
                   (unsigned long long)sr->out[stream].bytes);
    text_stream_init(&clean, TEXT_OUTPUT, false);
    while ((n = src.read(src.arg, sr->number, stream, at, chunk, sizeof chunk)) > 0) {
        (void)text_stream_feed(&clean, chunk, (size_t)n, out);
        at += (uint64_t)n;
        if (out->len > ((size_t)1 << 20) && print(out) < 0)
            break;
    }
    (void)text_stream_end(&clean, out);
    text_stream_release(&clean);
    if (sr->out[stream].dropped > 0)
        (void)buf_addf(out, "[truncated +%llu bytes]\n",
                       (unsigned long long)sr->out[stream].dropped);
}

static void put_run_head(const struct state_run *sr, struct buf *out)
{
    (void)buf_addf(out, "run %u  ", sr->number);
    put_clean(out, sr->language);
    if (sr->step[0] != '\0') {
        (void)buf_add_str(out, "  step ");
        put_clean(out, sr->step);
        (void)buf_addf(out, " attempt %u", sr->attempt);
    }
    if (sr->twin_of != 0)
        (void)buf_addf(out, "  dry run of %u", sr->twin_of);
    if (sr->rev > 1)
        (void)buf_addf(out, "  edited %u times", sr->rev - 1);
    (void)buf_add_char(out, '\n');
}

struct policy_line {
    uint32_t run;
    struct buf *out;
};

/* The line of a policy file that would let this code run unasked, under this contract. */
static int put_policy_line(void *arg, const struct event *ev)
{
    const char *key = json_get_str(ev->body, "code_key", "");
    const struct policy_line *p = arg;
    if (ev->body == NULL || key[0] == '\0' || ev->run != p->run)
        return 0;
    buf_reset(p->out);
    (void)buf_addf(p->out, "allow %s %s", json_get_str(ev->body, "contract_digest", ""), key);
    return 0;
}

static void put_policy(struct saved *s, const struct state_run *sr, struct buf *out)
{
    struct buf line = BUF_INIT(1024);
    struct err e = ERR_INIT;
    struct policy_line p = { .run = sr->number, .out = &line };
    if (store_each_of(s->store, 1ull << EVENT_GATE_OPENED, sr->first_seq, sr->last_seq,
                      put_policy_line, &p, &e) == 0)
        put(out, "policy", buf_str(&line));
    buf_release(&line);
}

static void show_run(struct saved *s, const struct state_run *sr, struct buf *out)
{
    put_run_head(sr, out);
    put(out, "author", sr->author);
    put(out, "purpose", sr->purpose);
    put(out, "capsule", sr->capsule);
    put_policy(s, sr, out);
    put(out, "decision", sr->decision);
    put(out, "by", sr->by);
    put(out, "reason", sr->reason);
    put_code(out, sr);
    for (size_t i = 0; i < sr->finding_count; i++) {
        (void)buf_addf(out, "  %-6s ", severity_name(sr->findings[i].severity));
        if (sr->findings[i].line != 0)
            (void)buf_addf(out, "line %u  ", sr->findings[i].line);
        (void)text_clean(out, sr->findings[i].text, strlen(sr->findings[i].text), TEXT_PROSE, false,
                         false);
        (void)buf_add_char(out, '\n');
    }
    for (size_t i = 0; i < sr->flag_count; i++) {
        (void)buf_add_str(out, i == 0 ? "--- speaks to the model\n" : "");
        plain_flag(&sr->flags[i], 0, out);
    }
    for (size_t i = 0; i < sr->net_count; i++) {
        (void)buf_add_str(out, i == 0 ? "--- network\n" : "");
        plain_net(&sr->nets[i], out);
    }
    if (sr->net_asked > sr->net_count)
        (void)buf_addf(out, "  and %llu attempts more\n",
                       (unsigned long long)(sr->net_asked - sr->net_count));
    put_stream(s, sr, STREAM_STDOUT, out);
    put_stream(s, sr, STREAM_STDERR, out);
    for (size_t i = 0; i < sr->result_count; i++) {
        (void)buf_add_str(out, "--- result ");
        put_clean(out, sr->results[i].mime);
        (void)buf_addf(out, " (%llu bytes)\n", (unsigned long long)sr->results[i].bytes);
        if (sr->results[i].text != NULL)
            (void)text_clean_lines(out, sr->results[i].text, strlen(sr->results[i].text),
                                   TEXT_OUTPUT, false);
        (void)buf_add_char(out, '\n');
    }
    if (sr->status == RUN_FINISHED)
        plain_run_end(sr, out);
    for (size_t i = 0; i < sr->check_count; i++) {
        (void)buf_addf(out, "  %s ", sr->checks[i].ok ? "ok    " : "FAILED");
        (void)text_clean(out, sr->checks[i].text, strlen(sr->checks[i].text), TEXT_PROSE, false,
                         false);
        (void)buf_add_char(out, '\n');
    }
    show_vars(&s->state, sr, out);
}

static void show_session(struct saved *s, struct buf *out)
{
    const struct state *st = &s->state;
    char at[CLOCK_ISO_LEN], cost[64];
    clock_iso(st->created_at_us, at);
    (void)buf_addf(out, "session    %s%s%s\n", s->id, store_is_live(s->store) ? "  (live)" : "",
                   st->foreign ? "  (foreign: imported, to be looked at only)" : "");
    if (store_is_live(s->store))
        (void)buf_addf(out, "as of      seq %llu\n", (unsigned long long)st->last_seq);
    put(out, "made as", st->foreign_from);
    put(out, "name", st->name);
    put(out, "task", st->task);
    put(out, "created", at);
    put(out, "planner", st->planner);
    put(out, "sandbox", st->sandbox);
    put(out, "contract", st->contract_digest);
    put(out, "tags", st->tags);
    put(out, "outcome", st->outcome);
    put(out, "answer", st->answer);
    snprintf(cost, sizeof cost, "$%lld.%06lld", (long long)(st->cost_nanousd / 1000000000),
             (long long)(st->cost_nanousd / 1000 % 1000000));
    put(out, "cost", cost);
    if (st->unknown_events > 0)
        (void)buf_addf(out, "not shown  %llu events that a newer Airlock wrote\n",
                       (unsigned long long)st->unknown_events);
    for (size_t i = 0; i < st->step_count; i++) {
        size_t from = out->len;
        (void)buf_add_str(out, "step ");
        put_clean(out, st->steps[i].id);
        (void)buf_addf(out, "%*s %-8s ", from + 10 > out->len ? (int)(from + 10 - out->len) : 0, "",
                       step_status_name(st->steps[i].status));
        put_clean(out, st->steps[i].title);
        (void)buf_add_char(out, '\n');
    }
    for (size_t i = 0; i < st->run_count; i++) {
        const struct state_run *sr = st->runs[i];
        (void)buf_add_char(out, '\n');
        put_run_head(sr, out);
        if (sr->status == RUN_FINISHED)
            plain_run_end(sr, out);
        else
            put(out, "decision", sr->decision[0] != '\0' ? sr->decision : "none yet");
        put(out, "reason", sr->reason);
    }
}

int cmd_show(struct app *app)
{
    struct err e = ERR_INIT;
    struct saved s;
    int rc = 0;
    if (app->opt.arg_count != 1) {
        err_set(&e, ERR_USAGE, "show takes ID or ID:RUN, such as last:1");
        return app_fail(&e);
    }
    if (saved_open(&s, app, app->opt.args[0], &e) < 0)
        return app_fail(&e);
    if (app->opt.var != NULL) {
        struct buf out = BUF_INIT((size_t)64 << 20);
        rc = show_var_history(s.store, &s.state, app->opt.var, app->opt.json, &out, &e);
        if (rc == 0 && print(&out) < 0)
            rc = app_print_failed(&e);
        buf_release(&out);
    } else if (app->opt.json) {
        rc = show_json(&s, &e);
    } else {
        struct buf out = BUF_INIT((size_t)64 << 20);
        if (s.run != 0)
            show_run(&s, state_run_at(&s.state, s.run), &out);
        else
            show_session(&s, &out);
        if (print(&out) < 0)
            rc = app_print_failed(&e);
        buf_release(&out);
    }
    if (rc == 0 && s.broken.code != ERR_NONE) {
        e = s.broken;
        rc = err_wrap(&e, "the record is whole only up to event %llu",
                      (unsigned long long)s.state.last_seq);
    }
    saved_close(&s);
    return rc < 0 ? app_fail(&e) : EXIT_OK;
}
