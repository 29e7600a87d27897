/* plain.c - a session as lines of text. */
#include "ui/plain.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/diff.h"
#include "tool/contract.h"

/* ---- small writers ---- */

/* In one line, whatever it holds: no text of others begins a line here. */
static void put_clean(struct buf *out, const char *s)
{
    (void)text_clean(out, s, strlen(s), TEXT_PROSE, false, false);
}

/* Each line of `s` behind `prefix`. */
static void put_lines(struct buf *out, const char *prefix, const char *s, size_t len,
                      enum text_mode mode)
{
    size_t at = 0;
    while (at < len) {
        const char *nl = memchr(s + at, '\n', len - at);
        size_t n = nl != NULL ? (size_t)(nl - s) - at : len - at;
        (void)buf_add_str(out, prefix);
        (void)text_clean(out, s + at, n, mode, nl != NULL, false);
        (void)buf_add_char(out, '\n');
        at += n + (nl != NULL);
    }
}

void plain_run_end(const struct state_run *sr, struct buf *out)
{
    char took[32];
    clock_duration(sr->wall_ms * 1000, took, sizeof took);
    (void)buf_addf(out, "run %u: %s", sr->number, run_end_name(sr->end));
    if (sr->has_exit_code)
        (void)buf_addf(out, " %d", sr->exit_code);
    if (sr->end_what[0] != '\0') {
        (void)buf_add_str(out, " (");
        put_clean(out, sr->end_what);
        (void)buf_add_char(out, ')');
    }
    if (sr->verdict != VERDICT_NONE)
        (void)buf_addf(out, ", %s", run_verdict_name(sr->verdict));
    (void)buf_addf(out, " (%s)\n", took);
    if (sr->message[0] != '\0') {
        (void)buf_add_str(out, "  ");
        put_clean(out, sr->message);
        (void)buf_add_char(out, '\n');
    }
}

void plain_flag(const struct state_flag *f, uint32_t run, struct buf *out)
{
    char where[120];
    state_flag_where(f, run, where, sizeof where);
    (void)buf_addf(out, "  %-6s ", severity_name(f->severity));
    put_clean(out, where);
    (void)buf_add_str(out, " ");
    put_clean(out, f->text);
    (void)buf_add_str(out, ": ");
    put_clean(out, f->excerpt);
    (void)buf_add_str(out, " (");
    put_clean(out, f->rule);
    (void)buf_add_str(out, ")\n");
}

void plain_net(const struct state_net *n, struct buf *out)
{
    struct buf line = BUF_INIT(4096);
    state_net_say(n, &line);
    (void)buf_add_str(out, "  net    ");
    put_clean(out, buf_str(&line));
    (void)buf_add_char(out, '\n');
    buf_release(&line);
}

static void put_net(const struct state_run *sr, const struct event *ev, struct buf *out)
{
    const struct state_net *n = sr != NULL ? state_net_of(sr, ev) : NULL;
    if (n != NULL)
        plain_net(n, out);
}

static void put_checks(const struct state_run *sr, struct buf *out)
{
    for (size_t i = 0; i < sr->check_count; i++) {
        const struct state_check *c = &sr->checks[i];
        (void)buf_addf(out, "  %s ", c->ok ? "ok    " : "FAILED");
        put_clean(out, c->text);
        if (!c->ok && c->got[0] != '\0') {
            (void)buf_add_str(out, ", got ");
            put_clean(out, c->got);
        }
        (void)buf_add_char(out, '\n');
    }
}

static const char *const change_words[] = { "new", "changed", "same", "gone", "unknown" };

static void put_state(const struct state_run *sr, struct buf *out)
{
    for (size_t i = 0; i < sr->var_count; i++) {
        const struct state_var *v = &sr->vars[i];
        if (v->change == CHANGE_SAME)
            continue;
        (void)buf_addf(out, "  var  %-8s ", change_words[v->change]);
        put_clean(out, v->name);
        (void)buf_add_str(out, " ");
        put_clean(out, v->type);
        (void)buf_add_str(out, " ");
        put_clean(out, v->preview);
        (void)buf_add_char(out, '\n');
    }
    for (size_t i = 0; i < sr->file_count; i++) {
        (void)buf_addf(out, "  file %-8s ", change_words[sr->files[i].change]);
        put_clean(out, sr->files[i].path);
        if (sr->files[i].bytes >= 0)
            (void)buf_addf(out, " (%lld bytes)", (long long)sr->files[i].bytes);
        (void)buf_add_char(out, '\n');
    }
}

static void put_plan(const struct state *st, struct buf *out)
{
    (void)buf_add_str(out, "plan:\n");
    for (size_t i = 0; i < st->step_count; i++) {
        (void)buf_add_str(out, "  ");
        put_clean(out, st->steps[i].id);
        (void)buf_add_str(out, ". ");
        put_clean(out, st->steps[i].title);
        (void)buf_addf(out, " [%s]\n", step_status_name(st->steps[i].status));
    }
}

static void put_text_event(const char *who, const struct event *ev, struct buf *out)
{
    const char *text = json_get_str(ev->body, "text", "");
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s: ", who);
    put_lines(out, prefix, text, strlen(text), TEXT_PROSE);
}

static void put_names(const struct event *ev, const char *key, const char *label, struct buf *out)
{
    const struct json *list = json_get(ev->body, key);
    if (json_len(list) == 0)
        return;
    (void)buf_addf(out, "  %s:", label);
    for (const struct json *m = json_first(list); m != NULL; m = json_next(m)) {
        (void)buf_add_char(out, ' ');
        put_clean(out, json_str(m, ""));
    }
    (void)buf_add_char(out, '\n');
}

static void put_output(const struct event *ev, struct text_stream *streams, struct buf *out)
{
    struct buf clean = BUF_INIT((size_t)16 << 20);
    if (ev->run == 0)
        return;
    (void)text_stream_feed(&streams[ev->stream], ev->bytes, ev->len, &clean);
    put_lines(out, ev->stream == STREAM_STDERR ? "err| " : "out| ", buf_str(&clean), clean.len,
              TEXT_OUTPUT);
    buf_release(&clean);
}

static void end_streams(struct text_stream *streams, struct buf *out)
{
    for (unsigned stream = STREAM_STDOUT; stream <= STREAM_STDERR; stream++) {
        struct buf clean = BUF_INIT((size_t)1 << 20);
        (void)text_stream_end(&streams[stream], &clean);
        put_lines(out, stream == STREAM_STDERR ? "err| " : "out| ", buf_str(&clean), clean.len,
                  TEXT_OUTPUT);
        buf_release(&clean);
    }
}

const char *plain_decided_word(const char *decision)
{
    static const char *const words[][2] = {
        { "approve", "approved" },
        { "deny", "denied" },
        { "edit", "edited" },
        { "stop", "stopped" },
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i][0], decision) == 0)
            return words[i][1];
    }
    return decision;
}

static void put_decided(const struct event *ev, struct buf *out)
{
    (void)buf_addf(out, "run %u: ", ev->run);
    put_clean(out, plain_decided_word(json_get_str(ev->body, "decision", "?")));
    (void)buf_add_str(out, " by ");
    put_clean(out, json_get_str(ev->body, "by", "?"));
    const char *reason = json_get_str(ev->body, "reason", "");
    if (reason[0] != '\0') {
        (void)buf_add_str(out, ": ");
        put_clean(out, reason);
    }
    (void)buf_add_char(out, '\n');
}

void plain_event(const struct state *st, const struct event *ev, struct text_stream *streams,
                 struct buf *out)
{
    const struct state_run *sr = state_run_at(st, ev->run);
    switch (ev->type) {
    case EVENT_TASK_GIVEN:
        put_text_event("task", ev, out);
        break;
    case EVENT_PLANNER_MESSAGE:
        put_text_event("planner", ev, out);
        break;
    case EVENT_NOTE:
        put_text_event("note", ev, out);
        break;
    case EVENT_PLAN_UPDATED:
        put_plan(st, out);
        break;
    case EVENT_RUN_PROPOSED:
        if (sr != NULL && sr->rev == 1) {
            (void)buf_addf(out, "run %u: proposed by ", ev->run);
            put_clean(out, sr->author);
            (void)buf_add_str(out, ", ");
            put_clean(out, sr->language);
            if (sr->step[0] != '\0') {
                (void)buf_add_str(out, ", step ");
                put_clean(out, sr->step);
                (void)buf_addf(out, " attempt %u", sr->attempt);
            }
            if (sr->twin_of != 0)
                (void)buf_addf(out, ", dry run of %u in a throw-away twin", sr->twin_of);
            (void)buf_add_char(out, '\n');
        }
        break;
    case EVENT_GATE_DECIDED:
        put_decided(ev, out);
        break;
    case EVENT_LEASE_GRANTED:
        (void)buf_addf(out, "lease granted: %lld runs\n",
                       (long long)json_get_int(ev->body, "runs", 0));
        break;
    case EVENT_LEASE_ENDED:
        (void)buf_add_str(out, "lease ended: ");
        put_clean(out, json_get_str(ev->body, "why", ""));
        (void)buf_add_char(out, '\n');
        break;
    case EVENT_RUN_OUTPUT:
        put_output(ev, streams, out);
        break;
    case EVENT_RUN_RESULT: {
        const char *text = json_get_str(ev->body, "text", NULL);
        (void)buf_add_str(out, "result ");
        put_clean(out, json_get_str(ev->body, "mime", ""));
        if (text == NULL)
            (void)buf_addf(out, ", %lld bytes\n", (long long)json_get_int(ev->body, "bytes", 0));
        else {
            (void)buf_add_str(out, ":\n");
            put_lines(out, "     ", text, strlen(text), TEXT_OUTPUT);
        }
        break;
    }
    case EVENT_RUN_FINISHED:
        end_streams(streams, out);
        break;
    case EVENT_RUN_FLAGGED:
        if (sr != NULL && sr->flag_count > 0)
            plain_flag(&sr->flags[sr->flag_count - 1], ev->run, out);
        break;
    case EVENT_NETWORK_ASKED:
    case EVENT_NETWORK_CLOSED:
        put_net(sr, ev, out);
        break;
    case EVENT_RUN_VERDICT:
        if (sr != NULL) {
            plain_run_end(sr, out);
            put_checks(sr, out);
        }
        break;
    case EVENT_STATE_CHANGED:
        if (sr != NULL)
            put_state(sr, out);
        break;
    case EVENT_SANDBOX_WAITING:
        (void)buf_add_str(out, "waiting for a sandbox: ");
        put_clean(out, json_get_str(ev->body, "why", ""));
        (void)buf_add_str(out, " (^C gives up)\n");
        break;
    case EVENT_SANDBOX_PAUSED:
        (void)buf_add_str(out, "sandbox paused: ");
        put_clean(out, json_get_str(ev->body, "id", ""));
        (void)buf_add_char(out, '\n');
        break;
    case EVENT_STATE_RESTORED:
        (void)buf_addf(out, "state restored from run %lld\n",
                       (long long)json_get_int(ev->body, "from_run", 0));
        put_names(ev, "kept", "kept", out);
        put_names(ev, "lost", "lost", out);
        break;
    case EVENT_ERROR:
        (void)buf_add_str(out, "error: ");
        put_clean(out, json_get_str(ev->body, "message", ""));
        if (json_get_str(ev->body, "hint", "")[0] != '\0') {
            (void)buf_add_str(out, " (");
            put_clean(out, json_get_str(ev->body, "hint", ""));
            (void)buf_add_char(out, ')');
        }
        (void)buf_add_char(out, '\n');
        break;
    case EVENT_SESSION_FINISHED:
        (void)buf_add_str(out, "session: ");
        put_clean(out, json_get_str(ev->body, "outcome", ""));
        (void)buf_add_char(out, '\n');
        break;
    default:
        break;
    }
}

/* ---- the gate ---- */

static void put_code(const char *code, size_t len, struct buf *out)
{
    size_t at = 0, line = 1;
    while (at < len) {
        const char *nl = memchr(code + at, '\n', len - at);
        size_t n = nl != NULL ? (size_t)(nl - code) - at : len - at;
        (void)buf_addf(out, "%5zu | ", line++);
        (void)text_clean(out, code + at, n, TEXT_CODE, nl != NULL, false);
        (void)buf_add_char(out, '\n');
        at += n + (nl != NULL);
    }
}

static void put_diff_lines(const char *mark, const char *p, size_t len, size_t first, size_t count,
                           struct buf *out)
{
    size_t line = 0, at = 0;
    while (at < len && line < first + count) {
        const char *nl = memchr(p + at, '\n', len - at);
        size_t n = nl != NULL ? (size_t)(nl - p) - at : len - at;
        if (line >= first) {
            (void)buf_add_str(out, mark);
            (void)text_clean(out, p + at, n, TEXT_CODE, nl != NULL, false);
            (void)buf_add_char(out, '\n');
        }
        line++;
        at += n + (nl != NULL);
    }
}

static void put_code_diff(const struct state_run *before, const struct state_run *sr,
                          struct buf *out)
{
    struct diff d;
    struct err e = ERR_INIT;
    if (diff_lines(&d, before->code, before->code_len, sr->code, sr->code_len, &e) < 0)
        return;
    (void)buf_addf(out, "changed since run %u: +%zu -%zu lines\n", before->number, d.added,
                   d.deleted);
    for (size_t i = 0; i < d.count; i++) {
        const struct diff_run *r = &d.runs[i];
        if (r->op == DIFF_DEL)
            put_diff_lines("    - ", before->code, before->code_len, r->a, r->count, out);
        else if (r->op == DIFF_ADD)
            put_diff_lines("    + ", sr->code, sr->code_len, r->b, r->count, out);
    }
    diff_release(&d);
}

static void put_contract(const struct contract *c, const struct contract_enforcement *en,
                         struct buf *out)
{
    struct buf value = BUF_INIT(8 << 10);
    for (int i = 0; i < FIELD_COUNT; i++) {
        const struct field_enforcement *f = &en->field[i];
        buf_reset(&value);
        contract_field_value(c, (enum contract_field)i, &value);
        (void)buf_addf(out, "  %-10s ", contract_field_name((enum contract_field)i));
        put_clean(out, buf_str(&value));
        if (f->how != ENFORCED) {
            (void)buf_addf(out, "  (%s%s", enforcement_name(f->how), f->why[0] != '\0' ? ": " : "");
            put_clean(out, f->why);
            (void)buf_add_char(out, ')');
        }
        (void)buf_add_char(out, '\n');
    }
    buf_release(&value);
}

void plain_gate_row(struct buf *rows, const char *text)
{
    put_lines(rows, "      + ", text, strlen(text), TEXT_CODE);
}

void plain_gate(const struct state *st, const struct state_run *sr, const struct contract *c,
                const struct contract_enforcement *en, const struct buf *rows, const char *why,
                struct buf *out)
{
    const struct state_run *before = state_previous_attempt(st, sr);
    (void)buf_addf(out, "\n=== gate: run %u, ", sr->number);
    put_clean(out, sr->language);
    (void)buf_add_str(out, ", proposed by ");
    put_clean(out, sr->author);
    (void)buf_addf(out, ", capsule %.4s-%.4s ===\n", st->gate.capsule, st->gate.capsule + 4);
    if (why[0] != '\0') {
        (void)buf_add_str(out, "asked because: ");
        put_clean(out, why);
        (void)buf_add_char(out, '\n');
    }
    put_code(sr->code, sr->code_len, out);
    (void)buf_add(out, rows->ptr, rows->len);
    if (before != NULL && before->code_len > 0)
        put_code_diff(before, sr, out);
    for (size_t i = 0; i < sr->finding_count; i++) {
        (void)buf_addf(out, "  %-6s ", severity_name(sr->findings[i].severity));
        if (sr->findings[i].line != 0)
            (void)buf_addf(out, "line %u  ", sr->findings[i].line);
        put_clean(out, sr->findings[i].text);
        (void)buf_add_char(out, '\n');
    }
    if (sr->finding_count == 0)
        (void)buf_add_str(out,
                          "  no findings (that is no proof: trust the walls, not the reading)\n");
    (void)buf_add_str(out, "runs in ");
    put_clean(out, st->gate.sandbox);
    (void)buf_addf(out, "%s%s", st->gate.checked_only ? ", CHECKED, NOT GATED" : "",
                   st->gate.held_by[0] != '\0' ? ": " : "");
    put_clean(out, st->gate.held_by);
    (void)buf_add_str(out, "; under:\n");
    put_contract(c, en, out);
    if (st->gate.state_lost)
        put_lines(out, "", st->gate.lost_line, strlen(st->gate.lost_line), TEXT_PROSE);
    (void)buf_add_str(out, "expects:");
    if (sr->expect[0] == '\0')
        (void)buf_add_str(out, " nothing stated: exit 0 will be unverified");
    (void)buf_add_char(out, '\n');
    put_lines(out, "  ", sr->expect, strlen(sr->expect), TEXT_PROSE);
}
