/* claude_managed_judge.c - what a session does is held against what was approved: one call, equal
 * byte for byte, is allowed, once; every other is denied and shown. What the server runs unasked
 * ends the sandbox. [claude.md §8.3, APR-3, APR-5] */
#include <stdio.h>
#include <string.h>

#include "providers/sandboxes/claude_managed_int.h"

#define DENY_AGAIN                                                                                 \
    "Refused: it is not the approved command. Call bash once with exactly the command of the "     \
    "last "                                                                                        \
    "message, byte for byte, and nothing else."
#define DENY_MORE "Refused: the one approved call has been made. Make no further call; answer done."

/* ---- the whole input, not only what we know of it */

static bool is_approved(const struct managed_run *r, const struct json *input)
{
    const char *command = json_get_str(input, "command", NULL);
    size_t members = r->timeout_ms > 0 ? 2 : 1;
    if (json_kind(input) != JSON_OBJECT || json_len(input) != members || command == NULL ||
        strlen(command) != r->command.len || memcmp(command, r->command.ptr, r->command.len) != 0)
        return false;
    return r->timeout_ms == 0 || json_get_int(input, "timeout_ms", -1) == r->timeout_ms;
}

/* Where a command leaves the approved one, and how both go on there. */
static void show_difference(struct managed_run *r, const char *command)
{
    size_t at = 0;
    while (at < r->command.len && command[at] == r->command.ptr[at])
        at++;
    size_t from = at > 20 ? at - 20 : 0;
    (void)buf_addf(&r->refused, "bash, other from byte %zu on: '%.60s' instead of '%.60s'", at,
                   command + from, r->command.ptr + from);
}

/* The words of a model: `ui/text` cleans them like everything. */
static void show(struct managed_run *r, const char *name, const struct json *input)
{
    struct buf text = BUF_INIT((size_t)1 << 20);
    const char *command = json_get_str(input, "command", NULL);
    bool bash = command != NULL && strcmp(name, "bash") == 0;
    if (r == NULL)
        return;
    r->extra = r->extra || r->step >= MANAGED_STEP_RUNNING;
    buf_reset(&r->refused);
    buf_reset(&r->refused_whole);
    (void)buf_addf(&r->refused_whole, "refused, not run: %.40s\n", name);
    if (input != NULL && json_print(input, &text) == 0)
        (void)buf_addf(&r->refused_whole, "%s\n",
                       bash && json_len(input) == 1 ? command : buf_str(&text));
    buf_reset(&text);
    (void)buf_addf(&r->refused, "refused %u of its calls, the last: ", ++r->refused_count);
    if (bash && strcmp(command, buf_str(&r->command)) != 0) {
        show_difference(r, command);
    } else if (bash) {
        (void)buf_add_str(&r->refused, "bash with the approved command, out of turn");
        for (const struct json *m = json_first(input); m != NULL; m = json_next(m)) {
            buf_reset(&text);
            if (strcmp(json_key(m), "command") != 0 && json_print(m, &text) == 0)
                (void)buf_addf(&r->refused, " %.40s=%.60s", json_key(m), buf_str(&text));
        }
    } else if (input != NULL && json_print(input, &text) == 0) {
        (void)buf_addf(&r->refused, "%.40s %.*s", name, MANAGED_SHOWN, buf_str(&text));
    }
    buf_release(&text);
}

/* ---- decisions */

static void decide(struct managed *s, struct managed_call *c, const char *deny_message)
{
    struct buf body = BUF_INIT((size_t)16 << 10);
    int rc = managed_write_decision(c->id, deny_message, &body);
    INVARIANT(rc == 0);
    INVARIANT(deny_message != NULL || c->matches); /* nothing else is ever allowed */
    c->decision = deny_message != NULL ? MANAGED_DENIED : MANAGED_ALLOWED;
    managed_post(s, &body, deny_message != NULL ? CLAUDE_AGAIN : CLAUDE_ONCE, deny_message == NULL);
    buf_release(&body);
}

static struct managed_call *find_call(struct managed *s, const char *id)
{
    for (size_t i = 0; i < s->call_count; i++)
        if (strcmp(s->calls[i].id, id) == 0)
            return &s->calls[i];
    return NULL;
}

/* The server, or somebody else with this key, lets run what was not approved. */
static void violated(struct managed *s, const char *what)
{
    struct err e = ERR_INIT;
    err_set(&e, ERR_INTEGRITY,
            "%.300s; the session was stopped and deleted: what may have run there was not approved",
            what);
    log_msg(LOG_ERROR, "claude-managed", "%s: %s", s->made.session, e.msg);
    managed_end_with(s, END_INTEGRITY, "", &e);
}

/* ---- its calls */

static void on_tool_use(struct managed *s, const struct json *ev)
{
    struct managed_run *r = s->run;
    const char *id = json_get_str(ev, "id", ""), *name = json_get_str(ev, "name", "");
    const struct json *input = json_get(ev, "input");
    if (strcmp(json_get_str(ev, "evaluated_permission", ""), "ask") != 0) {
        show(r, name, input);
        violated(s, "the server does not wait for an approval of this call");
        return;
    }
    if (!claude_is_id(id) || s->call_count == MANAGED_CALLS_MAX) {
        violated(s, "a call of the session can't be named, or there are too many");
        return;
    }
    struct managed_call *c = &s->calls[s->call_count++];
    *c = (struct managed_call){ .decision = MANAGED_OPEN };
    memcpy(c->id, id, strlen(id) + 1);
    c->matches = r != NULL && r->step == MANAGED_STEP_ASKING && !r->stop_asked &&
                 strcmp(name, "bash") == 0 && input != NULL && is_approved(r, input);
    if (!c->matches)
        show(r, name, input);
}

static void allow(struct managed *s, struct managed_call *c)
{
    struct managed_run *r = s->run;
    memcpy(r->allowed, c->id, sizeof r->allowed);
    r->step = MANAGED_STEP_RUNNING;
    r->began_us = clock_boot_us();
    loop_arm_us(s->core.loop, s->deadline,
                (s->contract.timeout_s + MANAGED_SLACK_S) * MANAGED_SECOND_US);
    decide(s, c, NULL);
}

static void deny_open(struct managed *s, const char *why)
{
    for (size_t i = 0; i < s->call_count; i++)
        if (s->calls[i].decision == MANAGED_OPEN)
            decide(s, &s->calls[i], why);
}

static void ask_again(struct managed *s, bool new_turn)
{
    struct managed_run *r = s->run;
    if (r->asks >= MANAGED_ASKS_MAX) {
        managed_run_end(s, r->refused_count > 0 ? END_INTEGRITY : END_PROVIDER, "", true,
                        "the model did not call for the approved command; nothing was run");
        return;
    }
    if (new_turn) {
        managed_ask(s);
        return;
    }
    r->asks++; /* the refusal asks */
    loop_arm_us(s->core.loop, s->deadline, s->patience_ms * 1000);
}

/* The session waits. Allowed is the one approved call when it is the only one that is open. */
static void on_requires_action(struct managed *s, const struct json *reason)
{
    struct managed_run *r = s->run;
    const struct json *ids = json_get(reason, "event_ids");
    struct managed_call *only = NULL;
    size_t open = 0;
    for (size_t i = 0; i < s->call_count; i++) {
        if (s->calls[i].decision != MANAGED_OPEN)
            continue;
        only = &s->calls[i];
        open++;
    }
    for (const struct json *v = json_first(ids); v != NULL; v = json_next(v)) {
        if (find_call(s, json_str(v, "")) == NULL) {
            violated(s, "the session waits for an answer to a call that it did not tell");
            return;
        }
    }
    if (open == 0)
        return; /* our answers are under way */
    bool asking = r != NULL && r->step == MANAGED_STEP_ASKING && !r->stop_asked;
    if (asking && open == 1 && only->matches && json_len(ids) == 1) {
        allow(s, only);
        return;
    }
    if (r != NULL && open > 1 && r->refused.len == 0)
        (void)buf_addf(&r->refused, "refused %u calls at once", r->refused_count = (unsigned)open);
    deny_open(s, asking ? DENY_AGAIN : DENY_MORE);
    if (asking)
        ask_again(s, false);
}

/* ---- its results */

static void gather(const struct json *content, struct buf *out)
{
    for (const struct json *b = json_first(content); b != NULL; b = json_next(b))
        if (strcmp(json_get_str(b, "type", ""), "text") == 0)
            (void)buf_add_str(out, json_get_str(b, "text", ""));
}

static void take_result(struct managed *s, const struct json *ev)
{
    struct managed_run *r = s->run;
    struct buf text = BUF_INIT((size_t)2 << 20);
    struct err e = ERR_INIT;
    gather(json_get(ev, "content"), &text);
    int rc =
        claude_result_read(&r->result, buf_str(&text), text.len, &r->d.rq, r->d.terms.token, &e);
    if (rc == 0) {
        r->has_result = true;
        r->step = MANAGED_STEP_ENDING;
        r->began_us = clock_boot_us();
        loop_arm_us(s->core.loop, s->deadline, s->patience_ms * 1000);
    } else if (r->stop_asked) {
        r->step = MANAGED_STEP_RUNNING; /* it was interrupted: its end follows */
    } else if (e.code == ERR_INTEGRITY) {
        violated(s, e.msg);
    } else {
        char why[400];
        snprintf(why, sizeof why, "%.200s; it printed: %.150s", e.msg, buf_str(&text));
        managed_run_end(s, END_UNKNOWN, "", true, why);
    }
    buf_release(&text);
}

static void on_tool_result(struct managed *s, const struct json *ev)
{
    struct managed_run *r = s->run;
    struct managed_call *c = find_call(s, json_get_str(ev, "tool_use_id", ""));
    if (c == NULL || c->decision == MANAGED_OPEN) {
        violated(s, "the session has the result of a call that was not allowed");
        return;
    }
    if (c->decision == MANAGED_DENIED) {
        if (!json_get_bool(ev, "is_error", false))
            violated(s, "a call that was denied has a result");
        return;
    }
    if (c->decision == MANAGED_ANSWERED) {
        violated(s, "one call has two results");
        return;
    }
    c->decision = MANAGED_ANSWERED;
    if (r != NULL && strcmp(r->allowed, c->id) == 0)
        take_result(s, ev);
}

/* ---- the session itself */

static void clock_running(struct managed *s, bool running)
{
    int64_t now = clock_boot_us();
    if (running && s->running_since_us == 0)
        s->running_since_us = now;
    if (!running && s->running_since_us != 0) {
        s->running_us += now - s->running_since_us;
        s->running_since_us = 0;
    }
}

static void wanted_more(struct managed *s)
{
    managed_run_end(s, END_INTEGRITY, "", true,
                    "after the approved command the model wanted more, which was refused");
}

static void on_end_turn(struct managed *s)
{
    struct managed_run *r = s->run;
    if (r == NULL)
        return;
    if (r->extra && r->step == MANAGED_STEP_ENDING)
        wanted_more(s);
    else if (r->step == MANAGED_STEP_ENDING)
        managed_run_done(s);
    else if (r->stop_asked)
        managed_run_end(s, r->stopping, "", r->step == MANAGED_STEP_RUNNING, "");
    else if (r->step == MANAGED_STEP_ASKING)
        ask_again(s, true);
    else
        managed_run_end(s, END_UNKNOWN, "", true, "the turn ended without the command's result");
}

/* The session can't go on. A run whose result was there before that is whole all the same. */
static void over(struct managed *s, enum run_end end, const char *message)
{
    struct managed_run *r = s->run;
    if (r == NULL) {
        managed_lose_session(s);
    } else if (r->step == MANAGED_STEP_ENDING && r->extra) {
        wanted_more(s);
    } else if (r->step == MANAGED_STEP_ENDING) {
        r->drop = true;
        managed_run_done(s);
    } else {
        managed_run_end(s, r->step == MANAGED_STEP_RUNNING ? END_UNKNOWN : end, "", true, message);
    }
}

static void out_of_money(struct managed *s, const char *why)
{
    struct err e = ERR_INIT;
    err_set(&e, ERR_LIMIT, "%.300s: -c budget_usd=…", why);
    managed_end_with(s, END_LIMIT, "budget", &e);
}

static void on_idle(struct managed *s, const struct json *ev)
{
    const struct json *reason = json_get(ev, "stop_reason");
    const char *type = json_get_str(reason, "type", "");
    clock_running(s, false);
    if (strcmp(type, "requires_action") == 0)
        on_requires_action(s, reason);
    else if (strcmp(type, "budget_reached") == 0)
        out_of_money(s, "the session's budget (its list cost) is used up");
    else if (strcmp(type, "retries_exhausted") == 0)
        over(s, END_PROVIDER, "the model could not be reached: retries exhausted");
    else if (strcmp(type, "refusal") == 0)
        over(s, END_PROVIDER, "the model refused to go on");
    else if (strcmp(type, "end_turn") == 0)
        on_end_turn(s);
    else
        over(s, END_PROVIDER, "the session stopped for a reason that is not known here");
}

static void on_error(struct managed *s, const struct json *ev)
{
    const struct json *error = json_get(ev, "error");
    const char *retry = json_get_str(json_get(error, "retry_status"), "type", "");
    const char *type = json_get_str(error, "type", "");
    char why[400];
    snprintf(why, sizeof why, "the session failed: %.60s: %.250s", type,
             json_get_str(error, "message", ""));
    log_msg(LOG_WARN, "claude-managed", "%s: %s", s->made.session, why);
    if (strcmp(retry, "retrying") == 0)
        return;
    if (strcmp(type, "billing_error") == 0)
        out_of_money(s, why);
    else
        over(s, END_PROVIDER, why);
}

static void count_tokens(struct managed *s, const struct json *ev)
{
    const struct json *u = json_get(ev, "model_usage");
    int64_t *const to[] = { &s->input_tokens, &s->output_tokens, &s->cache_tokens,
                            &s->write_tokens };
    static const char *const keys[] = { "input_tokens", "output_tokens", "cache_read_input_tokens",
                                        "cache_creation_input_tokens" };
    for (size_t i = 0; i < ARRAY_LEN(to); i++) {
        int64_t n = json_get_int(u, keys[i], 0);
        if (n > 0 && n < INT64_C(1) << 40)
            *to[i] += n;
    }
}

static void on_confirmation(struct managed *s, const struct json *ev)
{
    const struct managed_call *c = find_call(s, json_get_str(ev, "tool_use_id", ""));
    bool allows = strcmp(json_get_str(ev, "result", ""), "deny") != 0;
    if (allows &&
        (c == NULL || (c->decision != MANAGED_ALLOWED && c->decision != MANAGED_ANSWERED)))
        violated(s, "somebody else allowed a call of this session");
    else if (allows && s->run != NULL)
        s->run->confirmed = true;
}

static bool begins(const char *type, const char *with)
{
    return strncmp(type, with, strlen(with)) == 0;
}

static void judge(struct managed *s, const struct json *ev)
{
    const char *type = json_get_str(ev, "type", "");
    if (strcmp(type, "agent.tool_use") == 0) {
        on_tool_use(s, ev);
    } else if (strcmp(type, "agent.tool_result") == 0) {
        on_tool_result(s, ev);
    } else if (strcmp(type, "session.status_idle") == 0) {
        on_idle(s, ev);
    } else if (strcmp(type, "session.status_running") == 0) {
        clock_running(s, true);
        if (s->run != NULL && s->run->step == MANAGED_STEP_RUNNING)
            s->run->confirmed = true;
    } else if (strcmp(type, "user.tool_confirmation") == 0) {
        on_confirmation(s, ev);
    } else if (strcmp(type, "span.model_request_end") == 0) {
        count_tokens(s, ev);
    } else if (strcmp(type, "session.error") == 0) {
        on_error(s, ev);
    } else if (strcmp(type, "session.status_terminated") == 0 ||
               strcmp(type, "session.deleted") == 0) {
        clock_running(s, false);
        over(s, END_LOST, "the session was ended by the server");
    } else if (strcmp(type, "session.updated") == 0) {
        violated(s, "somebody else changed this session");
    } else if (begins(type, "agent.custom_tool_") || begins(type, "agent.mcp_tool_") ||
               begins(type, "agent.thread_message_") || begins(type, "workflow_run.") ||
               strcmp(type, "session.thread_created") == 0) {
        violated(s, "the session does what its one tool can't");
    } /* else: words, thoughts, what is not known: nothing that acts */
}

void managed_judge_all(struct managed *s)
{
    struct json *ev;
    while (!s->core.closed && !s->core.ending && s->link == LINK_LIVE &&
           (ev = claude_feed_next(&s->feed)) != NULL) {
        judge(s, ev);
        json_free(ev);
    }
}
