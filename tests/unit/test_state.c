/* test_state.c - the reducer: effects, counting, contradictions, bounds; and random logs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tool/state.h"

#define CAP_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define CAP_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define CAP_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static uint64_t next_seq;
static struct effects effects;
static struct err last_err;

static void begin(struct state *st, const char *planner);

/* Fold one event given as JSON; the code of the error, or ERR_NONE. */
static enum err_code feed(struct state *st, const char *type, uint32_t run, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static enum err_code feed_event(struct state *st, struct event *ev)
{
    struct json *body = NULL;
    err_clear(&last_err);
    ev->seq = ++next_seq;
    ev->at_us = 1000000 + (int64_t)next_seq;
    ev->boot_us = (int64_t)next_seq;
    ev->type_name = event_type_name(ev->type);
    if (event_parse(ev, &body, &last_err) < 0)
        fail_msg("the test's own event: %s", last_err.msg);
    int rc = state_apply(st, ev, &effects, &last_err);
    json_free(body);
    return rc == 0 ? ERR_NONE : last_err.code;
}

static enum err_code feed(struct state *st, const char *type, uint32_t run, const char *fmt, ...)
{
    char json[4096];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(json, sizeof json, fmt, ap);
    va_end(ap);
    assert_true(n > 0 && (size_t)n < sizeof json);
    for (char *p = json; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    struct event ev = {
        .run = run, .type = event_type_find(type), .json = json, .json_len = strlen(json)
    };
    assert_int_not_equal(ev.type, EVENT_UNKNOWN);
    return feed_event(st, &ev);
}

static enum err_code feed_output(struct state *st, uint32_t run, unsigned stream, uint64_t offset,
                                 const char *bytes, size_t len)
{
    struct event ev = { .run = run,
                        .type = EVENT_RUN_OUTPUT,
                        .stream = stream,
                        .offset = offset,
                        .bytes = bytes,
                        .len = len };
    return feed_event(st, &ev);
}

#define OK(call)     assert_int_equal((call), ERR_NONE)
#define NOT_OK(call) assert_int_equal((call), ERR_INTEGRITY)

static void begin(struct state *st, const char *planner)
{
    next_seq = 0;
    state_init(st);
    OK(feed(st, "session.created", 0,
            "{'planner':'%s','model':'m','sandbox':'local','contract':{'cpu':1},"
            "'contract_digest':'d','version':'1'}",
            planner));
}

static enum err_code propose(struct state *st, uint32_t run, int rev, const char *step, int attempt,
                             const char *code, const char *author)
{
    return feed(st, "run.proposed", run,
                "{'rev':%d,'step':'%s','attempt':%d,'language':'python','code':'%s','purpose':'p',"
                "'author':'%s'}",
                rev, step, attempt, code, author);
}

static enum err_code review(struct state *st, uint32_t run, const char *severity)
{
    return feed(st, "run.reviewed", run,
                "{'findings':[{'line':3,'severity':'%s','rule':'r','text':'t'}]}", severity);
}

static enum err_code open_gate(struct state *st, uint32_t run, int rev, const char *capsule)
{
    return feed(st, "gate.opened", run,
                "{'rev':%d,'capsule':'%s','contract_digest':'d','sandbox':'local'}", rev, capsule);
}

static enum err_code decide(struct state *st, uint32_t run, const char *decision, const char *by,
                            const char *capsule)
{
    return feed(st, "gate.decided", run,
                "{'decision':'%s','by':'%s','capsule':'%s','reason':'no, \\u00fc','seen_lines':5,"
                "'waited_ms':70}",
                decision, by, capsule);
}

static enum err_code start(struct state *st, uint32_t run, const char *capsule)
{
    return feed(st, "run.started", run, "{'sandbox_id':'x','capsule':'%s'}", capsule);
}

static enum err_code finish(struct state *st, uint32_t run, const char *end, int code)
{
    return feed(st, "run.finished", run,
                "{'end':'%s','code':%d,'wall_ms':9,'stdout_bytes':0,'stderr_bytes':0}", end, code);
}

static enum err_code judge(struct state *st, uint32_t run, const char *verdict)
{
    return feed(st, "run.verdict", run,
                "{'verdict':'%s','checks':[{'kind':'exit','text':'exit 0','ok':true,'got':'0'}]}",
                verdict);
}

static void expect_effect(enum effect_kind kind, uint32_t run)
{
    assert_int_equal(effects.count, 1);
    assert_int_equal(effects.list[0].kind, kind);
    assert_int_equal(effects.list[0].run, run);
}

/* Bring a new run up to an open gate. */
static void to_gate(struct state *st, uint32_t run, const char *step, int attempt,
                    const char *author, const char *capsule)
{
    OK(propose(st, run, 1, step, attempt, "print(1)", author));
    OK(review(st, run, "LOW"));
    OK(open_gate(st, run, 1, capsule));
}

static void run_through(struct state *st, uint32_t run, const char *step, int attempt,
                        const char *end, int code, const char *verdict)
{
    char capsule[65];
    snprintf(capsule, sizeof capsule, "%064u", run);
    to_gate(st, run, step, attempt, "planner", capsule);
    OK(decide(st, run, "approve", "person", capsule));
    OK(start(st, run, capsule));
    OK(finish(st, run, end, code));
    OK(judge(st, run, verdict));
}

/* ---- the way through the house ---- */

static void one_run_from_task_to_observation(void **state)
{
    (void)state;
    struct state st;
    begin(&st, "runbook");
    OK(feed(&st, "task.given", 0, "{'text':'do it','author':'person'}"));
    expect_effect(EFFECT_PLAN_TASK, 0);
    assert_string_equal(st.task, "do it");
    assert_int_equal(st.phase, PHASE_PLANNING);
    OK(feed(&st, "plan.updated", 0,
            "{'steps':[{'id':'1','title':'one','status':'active','expect':'exit 0'},"
            "{'id':'2','title':'two','status':'pending'}]}"));
    assert_int_equal(st.step_count, 2);
    assert_int_equal(st.steps[0].status, STEP_ACTIVE);
    assert_string_equal(st.steps[0].expect, "exit 0");
    OK(feed(&st, "run.proposed", 1,
            "{'rev':1,'step':'1','attempt':1,'language':'python','code':'print(42)',"
            "'purpose':'see','expect':['exit 0','stdout contains 42'],'author':'planner'}"));
    expect_effect(EFFECT_REVIEW, 1);
    OK(review(&st, 1, "MEDIUM"));
    expect_effect(EFFECT_GATE, 1);
    OK(open_gate(&st, 1, 1, CAP_A));
    expect_effect(EFFECT_ASK, 1);
    assert_int_equal(st.phase, PHASE_GATE);
    assert_true(st.gate.open && st.gate.run == 1 && st.gate.rev == 1);
    OK(decide(&st, 1, "approve", "person", CAP_A));
    expect_effect(EFFECT_START, 1);
    assert_false(st.gate.open);
    OK(start(&st, 1, CAP_A));
    assert_int_equal(effects.count, 0);
    assert_int_equal(st.running, 1);
    OK(feed_output(&st, 1, STREAM_STDOUT, 0, "42\n", 3));
    OK(feed_output(&st, 1, STREAM_STDERR, 0, "war", 3));
    OK(feed_output(&st, 1, STREAM_STDERR, 3, "ning", 4));
    OK(feed(&st, "run.result", 1, "{'mime':'text/plain','text':'42','main':true}"));
    OK(feed(&st, "run.result", 1, "{'mime':'image/png','base64':'AAECAw==','main':false}"));
    OK(feed(&st, "run.finished", 1,
            "{'end':'exit','code':0,'wall_ms':12,'limits_hit':['pids','disk'],'stdout_bytes':103,"
            "'stderr_bytes':7,'stdout_dropped':100,'error':{'name':'E','value':'v','traceback':'tb'"
            "}}"));
    expect_effect(EFFECT_VERDICT, 1);
    assert_int_equal(st.running, 0);
    OK(judge(&st, 1, "verified"));
    expect_effect(EFFECT_OBSERVE, 1);

    const struct state_run *r = state_run_at(&st, 1);
    assert_int_equal(r->status, RUN_FINISHED);
    assert_int_equal(r->verdict, VERDICT_VERIFIED);
    assert_false(r->spent);
    assert_int_equal(r->worst, SEVERITY_MEDIUM);
    assert_int_equal(r->findings[0].line, 3);
    assert_string_equal(r->expect, "exit 0\nstdout contains 42");
    assert_string_equal(r->reason, "no, \303\274");
    assert_string_equal(r->limits_hit, "pids,disk");
    assert_string_equal(r->error_traceback, "tb");
    assert_int_equal(r->seen_lines, 5);
    assert_int_equal(r->waited_ms, 70);
    assert_int_equal(r->out[STREAM_STDOUT].dropped, 100);
    assert_int_equal(r->out[STREAM_STDOUT].newlines, 1);
    assert_true(r->out[STREAM_STDOUT].ends_in_newline);
    assert_int_equal(r->check_count, 1);
    assert_string_equal(r->checks[0].text, "exit 0");
    assert_true(r->checks[0].ok);
    assert_string_equal(r->out[STREAM_STDERR].tail.ptr, "warning");
    assert_int_equal(r->result_count, 2);
    assert_int_equal(r->results[1].bytes, 4);
    assert_null(r->results[1].text);
    assert_int_equal(st.verified, 1);
    assert_int_equal(st.steps[0].attempts, 1);
    assert_int_equal(st.steps[0].last_run, 1);
    OK(feed(&st, "session.finished", 0,
            "{'outcome':'done','answer':'42','runs':1,'denied':0,'cost_nanousd':0}"));
    assert_true(st.finished);
    assert_int_equal(st.phase, PHASE_FINISHED);
    state_release(&st);
}

static void words_of_the_person_reach_the_planner(void **state)
{
    (void)state;
    struct state st;
    begin(&st, "anthropic");
    OK(feed(&st, "note", 0, "{'text':'early','author':'person'}"));
    expect_effect(EFFECT_PLAN_MESSAGE, 0);
    OK(feed(&st, "task.given", 0, "{'text':'one','author':'person'}"));
    expect_effect(EFFECT_PLAN_TASK, 0);
    OK(feed(&st, "task.given", 0, "{'text':'two','author':'person'}"));
    expect_effect(EFFECT_PLAN_MESSAGE, 0);
    OK(feed(&st, "note", 0, "{'text':'by us','author':'program'}"));
    assert_int_equal(effects.count, 0);
    OK(feed(&st, "planner.message", 0, "{'text':'hello','author':'planner'}"));
    assert_int_equal(effects.count, 0);
    OK(feed(&st, "error", 0, "{'code':'net','message':'gone','hint':'wait'}"));
    assert_int_equal(st.message_count, 6);
    assert_string_equal(st.messages[5].text, "gone\nwait");
    assert_string_equal(st.task, "one");
    assert_int_equal(st.phase, PHASE_IDLE); /* after an error it is the person's turn */
    OK(feed(&st, "note", 0, "{'text':'again','author':'person'}"));
    OK(feed(&st, "error", 0,
            "{'code':'net','message':'busy','hint':'it will be tried again','retry_ms':1500}"));
    assert_int_equal(st.phase, PHASE_PLANNING); /* unless the planner goes on by itself */
    assert_int_equal(st.retry_at_us, st.last_at_us + 1500000);
    OK(feed(&st, "planner.waiting", 0, "{}"));
    assert_int_equal(st.phase, PHASE_IDLE);
    state_release(&st);
}

static void own_code_is_not_observed(void **state)
{
    (void)state;
    struct state st;
    begin(&st, "human");
    to_gate(&st, 1, "", 0, "person", CAP_A);
    OK(decide(&st, 1, "approve", "typed", CAP_A));
    OK(start(&st, 1, CAP_A));
    OK(finish(&st, 1, "exit", 0));
    OK(judge(&st, 1, "unverified"));
    assert_int_equal(effects.count, 0);
    assert_int_equal(st.phase, PHASE_IDLE);
    to_gate(&st, 2, "", 0, "person", CAP_B);
    OK(decide(&st, 2, "deny", "person", CAP_B));
    assert_int_equal(effects.count, 0);
    state_release(&st);
}

static void an_edited_proposal_is_still_the_planners(void **state)
{
    (void)state;
    struct state st;
    begin(&st, "runbook");
    to_gate(&st, 1, "1", 1, "planner", CAP_A);
    OK(decide(&st, 1, "edit", "person", CAP_A));
    assert_int_equal(effects.count, 0);
    NOT_OK(propose(&st, 1, 3, "1", 1, "x", "person"));
    NOT_OK(propose(&st, 1, 1, "1", 1, "x", "person"));
    OK(propose(&st, 1, 2, "1", 1, "print(2)", "person"));
    expect_effect(EFFECT_REVIEW, 1);
    NOT_OK(open_gate(&st, 1, 2, CAP_B)); /* not reviewed yet */
    OK(review(&st, 1, "LOW"));
    NOT_OK(open_gate(&st, 1, 1, CAP_B)); /* the rev before */
    OK(open_gate(&st, 1, 2, CAP_B));
    NOT_OK(decide(&st, 1, "approve", "person", CAP_A)); /* the capsule before */
    OK(decide(&st, 1, "approve", "person", CAP_B));
    OK(start(&st, 1, CAP_B));
    OK(finish(&st, 1, "exit", 0));
    OK(judge(&st, 1, "unverified"));
    expect_effect(EFFECT_OBSERVE, 1);
    assert_string_equal(state_run_at(&st, 1)->code, "print(2)");
    assert_int_equal(st.run_count, 1);
    assert_int_equal(state_attempts_spent(&st, "1"), 0);
    state_release(&st);
}

static void stop_and_deny_have_their_effects(void **state)
{
    (void)state;
    struct state st;
    begin(&st, "runbook");
    to_gate(&st, 1, "1", 1, "planner", CAP_A);
    OK(decide(&st, 1, "deny", "person", CAP_A));
    expect_effect(EFFECT_OBSERVE, 1);
    assert_int_equal(st.denied, 1);
    to_gate(&st, 2, "1", 1, "planner", CAP_B);
    OK(decide(&st, 2, "stop", "person", CAP_B));
    expect_effect(EFFECT_STOP, 2);
    assert_int_equal(state_run_at(&st, 2)->status, RUN_STOPPED);
    NOT_OK(start(&st, 2, CAP_B));
    NOT_OK(start(&st, 1, CAP_A));
    state_release(&st);
}

/* ---- dry run ---- */

static void a_dry_run_uses_the_capsule_up_and_the_gate_opens_again(void **state)
{
    (void)state;
    struct state st;
    begin(&st, "runbook");
    to_gate(&st, 1, "1", 1, "planner", CAP_A);
    NOT_OK(decide(&st, 1, "dry-run", "lease", CAP_A));
    OK(decide(&st, 1, "dry-run", "person", CAP_A));
    expect_effect(EFFECT_DRY_RUN, 1);
    NOT_OK(start(&st, 1, CAP_A)); /* that was no approval */
    NOT_OK(feed(&st, "run.proposed", 2,
                "{'rev':1,'twin_of':1,'step':'1','attempt':0,'language':'python','code':'other()',"
                "'purpose':'','author':'planner'}"));
    NOT_OK(feed(&st, "run.proposed", 2,
                "{'rev':1,'twin_of':1,'step':'1','attempt':0,'language':'bash','code':'print(1)',"
                "'purpose':'','author':'planner'}"));
    OK(feed(&st, "run.proposed", 2,
            "{'rev':0,'twin_of':1,'step':'1','attempt':0,'language':'python','code':'print(1)',"
            "'purpose':'','author':'planner'}"));
    expect_effect(EFFECT_START, 2);
    NOT_OK(feed(&st, "run.proposed", 3,
                "{'rev':0,'twin_of':1,'step':'1','attempt':0,'language':'python',"
                "'code':'print(1)','purpose':'','author':'planner'}"));
    OK(feed(&st, "sandbox.creating", 2, "{'kind':'local','label':'t'}"));
    OK(feed(&st, "sandbox.closed", 2, "{'kind':'local','label':'t'}"));
    assert_int_equal(st.sbx, SBX_NONE);
    NOT_OK(start(&st, 2, CAP_C)); /* nobody saw that one */
    NOT_OK(start(&st, 2, "short"));
    OK(start(&st, 2, CAP_A));
    OK(feed_output(&st, 2, STREAM_STDOUT, 0, "1\n", 2));
    OK(finish(&st, 2, "exit", 1));
    expect_effect(EFFECT_VERDICT, 2);
    OK(feed(&st, "state.changed", 2,
            "{'vars':[{'name':'x','type':'int','preview':'1','digest':'','change':'new'}],"
            "'files':[]}"));
    assert_int_equal(st.var_count, 0);
    OK(judge(&st, 2, "refuted"));
    expect_effect(EFFECT_GATE, 1);
    assert_int_equal(state_attempts_spent(&st, "1"), 0);
    assert_int_equal(st.failed, 0);
    NOT_OK(open_gate(&st, 1, 1, CAP_A)); /* used up */
    OK(open_gate(&st, 1, 1, CAP_B));
    NOT_OK(open_gate(&st, 1, 1, CAP_A)); /* and stays so */
    assert_string_equal(st.gate.capsule, CAP_B);
    OK(decide(&st, 1, "approve", "person", CAP_B));
    OK(start(&st, 1, CAP_B));
    OK(finish(&st, 1, "exit", 0));
    OK(judge(&st, 1, "verified"));
    expect_effect(EFFECT_OBSERVE, 1);
    assert_ptr_equal(state_last_run(&st), state_run_at(&st, 1));
    state_release(&st);
}

static void a_decision_uses_a_capsule_up_even_if_no_twin_came_of_it(void **state)
{
    (void)state;
    struct state st;
    begin(&st, "runbook");
    to_gate(&st, 1, "1", 1, "planner", CAP_A);
    OK(decide(&st, 1, "dry-run", "person", CAP_A));
    NOT_OK(open_gate(&st, 1, 1, CAP_A));
    OK(feed(&st, "run.proposed", 2,
            "{'rev':0,'twin_of':1,'step':'1','attempt':0,'language':'python','code':'print(1)',"
            "'purpose':'','author':'planner'}"));
    OK(finish(&st, 2, "sandbox", 0)); /* the twin's sandbox could not be made */
    OK(judge(&st, 2, "refuted"));
    NOT_OK(open_gate(&st, 1, 1, CAP_A));
    NOT_OK(propose(&st, 2, 1, "1", 1, "print(1)", "person"));
    OK(open_gate(&st, 1, 1, CAP_B));
    OK(decide(&st, 1, "dry-run", "person", CAP_B)); /* again: another twin */
    OK(feed(&st, "run.proposed", 3,
            "{'rev':0,'twin_of':1,'step':'1','attempt':0,'language':'python','code':'print(1)',"
            "'purpose':'','author':'planner'}"));
    NOT_OK(propose(&st, 3, 1, "1", 1, "print(1)", "person")); /* a twin can't be edited */
    state_release(&st);
}

/* ---- attempts ---- */

static void attempts_are_spent_by_failing_only(void **state)
{
    (void)state;
    static const struct {
        const char *end;
        int code;
        const char *verdict;
        bool spent;
    } rows[] = {
        { "exit", 0, "verified", false },   { "exit", 0, "unverified", false },
        { "exit", 0, "refuted", true },     { "exit", 1, "refuted", true },
        { "exit", 1, "unverified", true },  { "exit", 3, "verified", false },
        { "timeout", 0, "refuted", true },  { "oom", 0, "unverified", true },
        { "signal", 9, "verified", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct state st;
        begin(&st, "runbook");
        run_through(&st, 1, "s", 1, rows[i].end, rows[i].code, rows[i].verdict);
        assert_int_equal(state_run_at(&st, 1)->spent, rows[i].spent);
        assert_int_equal(state_attempts_spent(&st, "s"), rows[i].spent);
        assert_int_equal(state_attempts_spent(&st, "t"), 0);
        assert_int_equal(st.failed, rows[i].spent);
        state_release(&st);
    }
}

static void denials_in_a_row_are_counted_per_step(void **state)
{
    (void)state;
    struct state st;
    char capsule[65];
    begin(&st, "runbook");
    for (uint32_t run = 1; run <= 3; run++) {
        snprintf(capsule, sizeof capsule, "%064u", run);
        to_gate(&st, run, "1", 1, "planner", capsule);
        OK(decide(&st, run, "deny", "person", capsule));
        assert_int_equal(st.denials_in_step, run);
    }
    to_gate(&st, 4, "2", 1, "planner", CAP_A);
    OK(decide(&st, 4, "deny", "person", CAP_A));
    assert_int_equal(st.denials_in_step, 1);
    run_through(&st, 5, "2", 1, "exit", 0, "unverified");
    assert_int_equal(st.denials_in_step, 0);
    to_gate(&st, 6, "2", 1, "planner", CAP_B);
    OK(decide(&st, 6, "deny", "person", CAP_B));
    assert_int_equal(st.denials_in_step, 1);
    assert_int_equal(st.denied, 5);
    assert_int_equal(state_attempts_spent(&st, "1"), 0);
    state_release(&st);
}

static void the_previous_attempt_is_found(void **state)
{
    (void)state;
    struct state st;
    begin(&st, "runbook");
    run_through(&st, 1, "1", 1, "exit", 1, "refuted");
    run_through(&st, 2, "2", 1, "exit", 0, "verified");
    OK(propose(&st, 3, 1, "", 0, "x", "person"));
    OK(propose(&st, 4, 1, "1", 2, "x", "planner"));
    OK(propose(&st, 5, 1, "", 0, "x", "person"));
    assert_null(state_previous_attempt(&st, state_run_at(&st, 1)));
    assert_null(state_previous_attempt(&st, state_run_at(&st, 2)));
    assert_null(state_previous_attempt(&st, state_run_at(&st, 3)));
    assert_int_equal(state_previous_attempt(&st, state_run_at(&st, 4))->number, 1);
    assert_int_equal(state_previous_attempt(&st, state_run_at(&st, 5))->number, 3);
    assert_int_equal(state_last_run(&st)->number, 5);
    state_release(&st);
}

/* ---- contradictions change nothing ---- */

static bool no_tails; /* snapshots keep none */

static void dump_output(struct buf *b, const struct state_output *o)
{
    buf_addf(b, "[%llu %llu %llu %zu %zu]", (unsigned long long)o->bytes,
             (unsigned long long)o->newlines, (unsigned long long)o->dropped,
             no_tails ? 0 : o->tail.len, o->mark_count);
}

/* Everything a view could show, as text. */
static void dump(struct buf *b, const struct state *st)
{
    buf_reset(b);
    buf_addf(b, "%s|%s|%s|%d|%d|%u|%u|%llu|%zu|%zu|", st->planner, st->task, st->tags, st->phase,
             st->finished, st->running, st->denials_in_step, (unsigned long long)st->last_seq,
             st->message_count, st->var_count);
    buf_addf(b, "gate %d %u %u %s|lease %d %lld|%d|%u %u %u|", st->gate.open, st->gate.run,
             st->gate.rev, st->gate.capsule, st->lease.active, (long long)st->lease.runs_left,
             st->sbx, st->denied, st->failed, st->verified);
    for (size_t i = 0; i < st->step_count; i++)
        buf_addf(b, "step %s %d %u|", st->steps[i].id, st->steps[i].status, st->steps[i].attempts);
    for (size_t i = 0; i < st->run_count; i++) {
        const struct state_run *r = st->runs[i];
        buf_addf(b, "run %u %u %u %d %s %s %s %s %d %d %d %zu %zu %zu %zu", r->number, r->rev,
                 r->twin_of, r->status, r->code, r->capsule, r->decision, r->by, r->end, r->verdict,
                 r->spent, r->finding_count, r->result_count, r->check_count, r->var_count);
        dump_output(b, &r->out[1]);
        dump_output(b, &r->out[2]);
    }
}

static void contradictions_change_nothing(void **state)
{
    (void)state;
    struct state st;
    struct buf before = BUF_INIT(1 << 20), after = BUF_INIT(1 << 20);
    begin(&st, "runbook");
    run_through(&st, 1, "1", 1, "exit", 0, "verified");
    to_gate(&st, 2, "1", 1, "planner", CAP_A);
    OK(propose(&st, 3, 1, "1", 1, "x", "planner"));
    OK(review(&st, 3, "HIGH"));
    OK(propose(&st, 4, 1, "1", 1, "x", "planner"));
    dump(&before, &st);
#define REFUSED(call)                                                                              \
    do {                                                                                           \
        NOT_OK(call);                                                                              \
        next_seq--;                                                                                \
        dump(&after, &st);                                                                         \
        assert_string_equal(buf_str(&before), buf_str(&after));                                    \
        assert_true(last_err.msg[0] != '\0');                                                      \
    } while (0)
    REFUSED(feed(&st, "session.created", 0,
                 "{'planner':'x','model':'m','sandbox':'l','contract':{},'contract_digest':'d',"
                 "'version':'1'}"));
    REFUSED(propose(&st, 6, 1, "1", 1, "x", "planner")); /* a gap */
    REFUSED(propose(&st, 5, 2, "1", 1, "x", "planner")); /* begins with rev 2 */
    REFUSED(propose(&st, 1, 2, "1", 1, "x", "planner")); /* is over */
    REFUSED(propose(&st, 2, 2, "1", 1, "x", "planner")); /* stands at the gate */
    REFUSED(feed(&st, "run.proposed", 5,
                 "{'rev':1,'twin_of':1,'step':'','attempt':0,'language':'python','code':'print(1)',"
                 "'purpose':'','author':'planner'}"));
    REFUSED(feed(&st, "run.proposed", 5,
                 "{'rev':1,'twin_of':9,'step':'','attempt':0,'language':'python','code':'x',"
                 "'purpose':'','author':'planner'}"));
    REFUSED(review(&st, 9, "LOW"));
    REFUSED(review(&st, 3, "LOW"));       /* twice */
    REFUSED(open_gate(&st, 3, 1, CAP_B)); /* another one is open */
    REFUSED(open_gate(&st, 2, 2, CAP_B));
    REFUSED(open_gate(&st, 2, 1, "short"));
    REFUSED(decide(&st, 1, "approve", "person", CAP_A));
    REFUSED(decide(&st, 2, "approve", "person", CAP_B)); /* another capsule */
    REFUSED(decide(&st, 3, "approve", "person", CAP_A)); /* another run */
    REFUSED(decide(&st, 2, "approve", "lease", CAP_A));  /* no lease */
    REFUSED(decide(&st, 2, "approve", "typed", CAP_A));  /* not the person's */
    REFUSED(decide(&st, 2, "dry-run", "policy", CAP_A));
    REFUSED(decide(&st, 2, "perhaps", "person", CAP_A));
    REFUSED(decide(&st, 2, "", "person", CAP_A));
    REFUSED(decide(&st, 2, "approve", "nobody", CAP_A));
    REFUSED(start(&st, 2, CAP_A));
    REFUSED(start(&st, 3, CAP_A));
    REFUSED(start(&st, 77, CAP_A));
    REFUSED(feed_output(&st, 1, STREAM_STDOUT, 0, "x", 1)); /* is over */
    REFUSED(feed_output(&st, 2, STREAM_STDOUT, 0, "x", 1)); /* has not begun */
    REFUSED(feed_output(&st, 0, 3, 0, "x", 1));
    REFUSED(feed_output(&st, 0, STREAM_STDOUT, 1, "x", 1)); /* a gap */
    REFUSED(feed(&st, "run.result", 1, "{'mime':'a/b','main':true}"));
    REFUSED(finish(&st, 1, "exit", 0)); /* twice */
    REFUSED(finish(&st, 2, "exit", 0));
    REFUSED(finish(&st, 4, "sandbox", 0));
    REFUSED(judge(&st, 1, "verified")); /* twice */
    REFUSED(judge(&st, 2, "verified"));
    REFUSED(feed(&st, "state.changed", 2, "{'vars':[],'files':[]}"));
    REFUSED(feed(&st, "state.restored", 0, "{'from_run':9,'kept':[],'lost':[]}"));
    REFUSED(feed(&st, "checkpoint.made", 9, "{'kind':'fork'}"));
    REFUSED(feed(&st, "lease.granted", 0, "{'runs':0,'approximated':[]}"));
    REFUSED(feed(&st, "lease.granted", 0, "{'minutes':-1,'approximated':[]}"));
    uint64_t seq = next_seq;
    next_seq = 3; /* an event from before */
    NOT_OK(feed(&st, "note", 0, "{'text':'x','author':'person'}"));
    next_seq = seq;
    OK(decide(&st, 2, "approve", "person", CAP_A));
    OK(start(&st, 2, CAP_A));
    OK(open_gate(&st, 3, 1, CAP_B));
    OK(decide(&st, 3, "approve", "person", CAP_B));
    dump(&before, &st);
    REFUSED(start(&st, 3, CAP_B));      /* run 2 is still on */
    REFUSED(start(&st, 2, CAP_A));      /* once */
    REFUSED(finish(&st, 3, "exit", 0)); /* never started */
    static const char *const ran[] = { "signal", "timeout", "oom", "limit", "unknown" };
    for (size_t i = 0; i < ARRAY_LEN(ran); i++)
        REFUSED(finish(&st, 3, ran[i], 0)); /* these say that code ran */
    REFUSED(finish(&st, 2, "well", 0));
    OK(finish(&st, 3, "sandbox", 0)); /* it could not even begin */
    assert_int_equal(st.running, 2);
    dump(&before, &st);
    REFUSED(judge(&st, 3, "splendid"));
#undef REFUSED
    buf_release(&before);
    buf_release(&after);
    state_release(&st);
}

/* ---- lease, resume ---- */

static void a_lease_counts_and_never_covers_high(void **state)
{
    (void)state;
    struct state st;
    begin(&st, "runbook");
    OK(feed(&st, "lease.granted", 0, "{'runs':1,'minutes':2,'approximated':['cpu','pids']}"));
    assert_string_equal(st.lease.approximated, "cpu pids");
    assert_int_equal(st.lease.until_boot_us, 120000000 + (int64_t)next_seq);
    OK(propose(&st, 1, 1, "1", 1, "x", "planner"));
    OK(review(&st, 1, "HIGH"));
    OK(open_gate(&st, 1, 1, CAP_A));
    NOT_OK(decide(&st, 1, "approve", "lease", CAP_A));
    OK(decide(&st, 1, "deny", "lease", CAP_A));
    to_gate(&st, 2, "2", 1, "planner", CAP_B);
    OK(decide(&st, 2, "approve", "lease", CAP_B));
    assert_int_equal(st.lease.runs_left, 1); /* counted when started */
    OK(start(&st, 2, CAP_B));
    assert_int_equal(st.lease.runs_left, 0);
    OK(finish(&st, 2, "exit", 0));
    OK(judge(&st, 2, "unverified"));
    to_gate(&st, 3, "2", 1, "planner", CAP_C);
    NOT_OK(decide(&st, 3, "approve", "lease", CAP_C));
    OK(decide(&st, 3, "approve", "person", CAP_C));
    OK(feed(&st, "lease.ended", 0, "{'why':'used up'}"));
    assert_false(st.lease.active);
    OK(feed(&st, "lease.granted", 0, "{'runs':4,'approximated':[]}"));
    OK(start(&st, 3, CAP_C));
    assert_int_equal(st.lease.runs_left, 4); /* that run was the person's decision */
    state_release(&st);
}

static void a_severity_nobody_knows_is_high(void **state)
{
    (void)state;
    struct state st;
    begin(&st, "runbook");
    OK(propose(&st, 1, 1, "1", 1, "x", "planner"));
    OK(review(&st, 1, "CATASTROPHIC"));
    assert_int_equal(state_run_at(&st, 1)->worst, SEVERITY_HIGH);
    state_release(&st);
}

static void resuming_closes_gate_and_lease(void **state)
{
    (void)state;
    struct state st;
    begin(&st, "runbook");
    OK(feed(&st, "lease.granted", 0, "{'runs':5,'approximated':[]}"));
    to_gate(&st, 1, "1", 1, "planner", CAP_A);
    OK(feed(&st, "session.resumed", 0, "{'version':'2','sandbox':'docker'}"));
    assert_false(st.gate.open || st.lease.active);
    assert_string_equal(st.sandbox, "docker");
    NOT_OK(decide(&st, 1, "approve", "person", CAP_A));
    OK(open_gate(&st, 1, 1, CAP_B));
    OK(open_gate(&st, 1, 1, CAP_C)); /* again: the one before is dead */
    NOT_OK(decide(&st, 1, "approve", "person", CAP_B));
    OK(decide(&st, 1, "approve", "person", CAP_C));
    state_release(&st);
}

/* ---- the REPL ---- */

static void the_last_word_of_a_record_ends_what_is_under_way(void **state)
{
    (void)state;
    struct state st;
    begin(&st, "human");
    run_through(&st, 1, "", 0, "exit", 0, "verified");
    to_gate(&st, 2, "", 0, "person", CAP_A);
    OK(decide(&st, 2, "approve", "person", CAP_A));
    OK(start(&st, 2, CAP_A));
    OK(feed(&st, "error", 0,
            "{'code':'io','message':'stopped: disk full','hint':'make room','stopped':true}"));
    assert_true(st.stopped);
    assert_int_equal(st.running, 0);
    assert_int_equal(st.phase, PHASE_FINISHED);
    assert_string_equal(st.outcome, "stopped: disk full");
    assert_true(state_run_at(&st, 2)->cut_off);
    assert_false(state_run_at(&st, 1)->cut_off);
    /* the run still has no end: going on gives it one */
    assert_int_equal(state_run_at(&st, 2)->status, RUN_RUNNING);
    OK(feed(&st, "session.resumed", 0, "{'version':'2'}"));
    assert_false(st.stopped);
    assert_int_equal(st.phase, PHASE_IDLE);
    OK(finish(&st, 2, "lost", -1));
    assert_int_equal(state_run_at(&st, 2)->status, RUN_FINISHED);
    state_release(&st);
}

static void variables_know_since_when(void **state)
{
    (void)state;
    struct state st;
    begin(&st, "runbook");
    run_through(&st, 1, "1", 1, "exit", 0, "unverified");
    OK(feed(&st, "state.changed", 1,
            "{'vars':[{'name':'a','type':'int','shape':'','bytes':28,'preview':'1','digest':'d1',"
            "'change':'new'},{'name':'b','type':'list','preview':'[]','digest':'d2','change':"
            "'new'}],'files':[{'path':'x.csv','change':'new','bytes':7}]}"));
    run_through(&st, 2, "1", 1, "exit", 0, "unverified");
    OK(feed(&st, "state.changed", 2,
            "{'vars':[{'name':'a','type':'int','preview':'1','digest':'d1','change':'same'},"
            "{'name':'b','type':'list','preview':'[1]','digest':'d3','change':'changed'},"
            "{'name':'c','type':'int','preview':'','digest':'','change':'unknown'}],'files':[]}"));
    run_through(&st, 3, "1", 1, "exit", 0, "unverified");
    OK(feed(&st, "state.changed", 3,
            "{'vars':[{'name':'a','type':'int','preview':'','digest':'','change':'gone'},"
            "{'name':'b','type':'list','preview':'[1]','digest':'d3','change':'same'}],"
            "'files':[]}"));
    assert_int_equal(st.var_count, 1);
    assert_string_equal(st.vars[0].name, "b");
    assert_int_equal(st.vars[0].since_run, 2);
    assert_int_equal(st.vars_run, 3);
    assert_int_equal(state_run_at(&st, 2)->vars[0].since_run, 1);
    assert_int_equal(state_run_at(&st, 2)->vars[2].since_run, 2);
    assert_int_equal(state_run_at(&st, 1)->files[0].bytes, 7);

    OK(feed(&st, "checkpoint.made", 2, "{'kind':'fork'}"));
    assert_true(state_run_at(&st, 2)->has_checkpoint);
    OK(feed(&st, "state.restored", 0, "{'from_run':2,'kept':['a','b'],'lost':['c']}"));
    assert_int_equal(st.var_count, 2);
    assert_string_equal(st.vars[0].name, "a");
    assert_int_equal(st.vars_run, 2);
    OK(feed(&st, "checkpoint.lost", 2, "{'kind':'fork'}"));
    assert_false(state_run_at(&st, 2)->has_checkpoint);
    OK(feed(&st, "sandbox.creating", 0, "{'kind':'local','label':'x'}"));
    assert_int_equal(st.sbx, SBX_CREATING);
    OK(feed(&st, "sandbox.ready", 0,
            "{'kind':'local','label':'x','id':'i9','cold_start_ms':23,'warm':true}"));
    assert_string_equal(st.sandbox_id, "i9");
    assert_int_equal(st.cold_start_ms, 23);
    assert_int_equal(st.sbx, SBX_READY);
    OK(feed(&st, "sandbox.orphaned", 0, "{'kind':'local','label':'x'}"));
    assert_int_equal(st.sbx, SBX_LOST);
    OK(feed(&st, "sandbox.closed", 0, "{'kind':'local','label':'x'}"));
    assert_int_equal(st.sbx, SBX_CLOSED);
    assert_true(st.vars_lost && st.var_count == 2); /* known by name until something is restored */
    OK(feed(&st, "state.restored", 0, "{'from_run':0,'kept':[],'lost':['a','b']}"));
    assert_true(!st.vars_lost && st.var_count == 0);
    state_release(&st);
}

#define PROBED(list)    "{'kind':'local','label':'x','probes':[" list "]}"
#define BY_DOCTOR(list) "{'kind':'local','label':'','by':'doctor','probes':[" list "]}"

static void what_a_sandbox_proved_is_five_lights_and_their_evidence(void **state)
{
    (void)state;
    struct state st;
    begin(&st, "runbook");
    assert_string_equal(st.lights, "");
    OK(feed(&st, "sandbox.probed", 0,
            PROBED("{'name':'filesystem','result':'PASS','why':'','rows':[{'what':'read','inside':"
                   "'EN\\u001fOE\\u001eNT','host':'','result':'PASS'}]},"
                   "{'name':'network','result':'FAIL','why':'got out'},{'name':'process'},"
                   "{'name':'timeout','result':'UNPROVED'},{'name':'state','result':'odd'}")));
    assert_string_equal(st.lights, "+-???");
    /* What separates can't come from inside. */
    assert_non_null(strstr(st.evidence, "probe\x1f"
                                        "filesystem\x1fPASS\x1f\x1erow\x1fread\x1f"
                                        "ENOENT\x1f\x1fPASS\x1e"));
    /* The doctor settles what is open, or takes trust away; it gives none back. */
    OK(feed(&st, "sandbox.probed", 0,
            BY_DOCTOR("{'name':'network','result':'PASS'},{'name':'timeout','result':'PASS'},"
                      "{'name':'limits','result':'FAIL'}")));
    assert_string_equal(st.lights, "+-?+?");
    OK(feed(&st, "sandbox.probed", 0, BY_DOCTOR("{'name':'filesystem','result':'FAIL'}")));
    assert_string_equal(st.lights, "--?+?");
    assert_non_null(strstr(st.evidence, "got out"));
    OK(feed(&st, "sandbox.closed", 0, "{'kind':'local','label':'x'}"));
    assert_string_equal(st.lights, "--?+?"); /* why it was destroyed can still be looked at */
    OK(feed(&st, "sandbox.creating", 0, "{'kind':'local','label':'x'}"));
    assert_string_equal(st.lights, "");
    assert_string_equal(st.evidence, "");
    state_release(&st);
}

static void too_many_probes_contradict(void **state)
{
    (void)state;
    struct state st;
    char text[4096] = "{'kind':'local','label':'x','probes':[{}";
    size_t at = strlen(text);
    for (int i = 0; i < 16; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, ",{}");
    snprintf(text + at, sizeof text - at, "]}");
    begin(&st, "runbook");
    NOT_OK(feed(&st, "sandbox.probed", 0, "%s", text));
    assert_string_equal(st.lights, "");
    state_release(&st);
}

static void each_language_has_variables_of_its_own(void **state)
{
    (void)state;
    static const char *const languages[] = { "python", "bash", "python" };
    struct state st;
    char capsule[65];
    begin(&st, "runbook");
    for (uint32_t run = 1; run <= 3; run++) {
        snprintf(capsule, sizeof capsule, "%064u", run);
        OK(feed(&st, "run.proposed", run,
                "{'rev':0,'step':'','attempt':1,'language':'%s','code':'x','purpose':'',"
                "'author':'planner'}",
                languages[run - 1]));
        OK(review(&st, run, "LOW"));
        OK(open_gate(&st, run, 0, capsule));
        OK(decide(&st, run, "approve", "person", capsule));
        OK(start(&st, run, capsule));
        OK(finish(&st, run, "exit", 0));
        OK(judge(&st, run, "unverified"));
        OK(feed(&st, "state.changed", run,
                "{'vars':[{'name':'n','type':'int','preview':'%u','digest':'','change':'%s'}],"
                "'files':[]}",
                run, run == 3 ? "same" : "new"));
        assert_int_equal(st.var_count, run == 1 ? 1 : 2);
        assert_string_equal(st.vars[0].language, languages[run - 1]);
    }
    assert_int_equal(st.vars[0].since_run, 1); /* python's, in spite of bash's */
    assert_int_equal(st.vars[1].since_run, 2);
    OK(feed(&st, "state.restored", 0, "{'from_run':1,'kept':[],'lost':['n']}"));
    assert_int_equal(st.var_count, 0);
    state_release(&st);
}

static void a_crash_falls_back_to_a_checkpoint_or_loses_the_state(void **state)
{
    (void)state;
    for (int resumed = 0; resumed < 2; resumed++) {
        struct state st;
        begin(&st, "runbook");
        for (uint32_t run = 1; run <= 2; run++) {
            run_through(&st, run, "1", 1, "exit", 0, "unverified");
            OK(feed(&st, "state.changed", run,
                    "{'vars':[{'name':'v%u','type':'int','preview':'1','digest':'','change':'new'}]"
                    ",'files':[]}",
                    run));
        }
        to_gate(&st, 3, "1", 1, "planner", CAP_A);
        OK(decide(&st, 3, "approve", "person", CAP_A));
        OK(start(&st, 3, CAP_A));
        OK(feed(&st, "run.finished", 3,
                "{'end':'oom','wall_ms':1,'stdout_bytes':0,'stderr_bytes':0,'state_lost':true,"
                "'resumed_from':%d,'message':'too much'}",
                resumed));
        assert_string_equal(st.vars[0].name, resumed ? "v1" : "v2");
        assert_int_equal(st.vars_lost, !resumed);
        assert_string_equal(state_run_at(&st, 3)->message, "too much");
        state_release(&st);
    }
}

static void names_tags_trash_and_money(void **state)
{
    (void)state;
    struct state st;
    begin(&st, "runbook");
    OK(feed(&st, "session.renamed", 0, "{'name':'mine'}"));
    OK(feed(&st, "session.tagged", 0, "{'tags':['a','b']}"));
    OK(feed(&st, "session.trashed", 0, "{}"));
    assert_true(st.trashed);
    OK(feed(&st, "session.trashed", 0, "{'restored':true}"));
    assert_false(st.trashed);
    assert_string_equal(st.name, "mine");
    assert_string_equal(st.tags, "a b");
    OK(feed(&st, "usage", 0, "{'source':'x','input_tokens':10,'cost_nanousd':5}"));
    OK(feed(&st, "usage", 0, "{'source':'x','output_tokens':3,'cost_nanousd':-9,'sandbox_ms':4}"));
    OK(feed(&st, "usage", 0, "{'source':'x','cost_nanousd':2}"));
    assert_int_equal(st.cost_nanousd, 7);
    assert_int_equal(st.input_tokens + st.output_tokens + st.sandbox_ms, 17);
    struct event unknown = {
        .seq = ++next_seq, .type = EVENT_UNKNOWN, .json = "{}", .json_len = 2
    };
    assert_int_equal(state_apply(&st, &unknown, NULL, NULL), 0);
    assert_int_equal(st.unknown_events, 1);
    assert_int_equal(st.last_seq, next_seq);
    state_release(&st);
}

static void erased_bodies_do_not_stop_the_fold(void **state)
{
    (void)state;
    struct state st;
    begin(&st, "runbook");
    struct event gone = { .seq = ++next_seq, .run = 1, .type = EVENT_RUN_PROPOSED };
    assert_int_equal(state_apply(&st, &gone, NULL, NULL), 0);
    assert_true(state_run_at(&st, 1)->erased);
    OK(start(&st, 1, CAP_A));
    OK(feed_output(&st, 1, STREAM_STDOUT, 0, "abc", 3));
    gone = (struct event){ .seq = ++next_seq, .run = 1, .type = EVENT_RUN_OUTPUT, .stream = 1 };
    assert_int_equal(state_apply(&st, &gone, NULL, NULL), 0);
    OK(feed_output(&st, 1, STREAM_STDOUT, 100, "def", 3));
    NOT_OK(feed_output(&st, 1, STREAM_STDOUT, 200, "ghi", 3));
    next_seq--;
    assert_int_equal(state_run_at(&st, 1)->out[1].bytes, 103);
    assert_int_equal(state_run_at(&st, 1)->out[1].tail_offset, 100);
    OK(finish(&st, 1, "exit", 0));
    OK(propose(&st, 2, 1, "1", 1, "x", "planner"));
    state_release(&st);
}

/* ---- output ---- */

static uint64_t seed = 7;
static size_t pick(size_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(seed >> 33) % below;
}

static void output_is_counted_exactly_in_any_chunks(void **state)
{
    (void)state;
    const size_t total = 3000000;
    char *all = xmalloc(total);
    for (size_t i = 0; i < total; i++)
        all[i] = pick(7) == 0 ? '\n' : (char)(pick(4) == 0 ? pick(256) : 11);
    struct state st;
    begin(&st, "runbook");
    to_gate(&st, 1, "", 0, "planner", CAP_A);
    OK(decide(&st, 1, "approve", "person", CAP_A));
    OK(start(&st, 1, CAP_A));
    const struct state_output *o = &state_run_at(&st, 1)->out[STREAM_STDOUT];
    for (size_t at = 0; at < total;) {
        size_t n = pick(4) == 0 ? pick(400000) : pick(3000);
        n = n < total - at ? n : total - at;
        OK(feed_output(&st, 1, STREAM_STDOUT, at, all + at, n));
        at += n;
        assert_int_equal(o->bytes, at);
        assert_true(o->tail.len <= STATE_TAIL_MAX);
        assert_true(o->tail.len == at || o->tail.len >= STATE_TAIL_MAX / 2);
        assert_int_equal(o->tail_offset + o->tail.len, at);
        assert_memory_equal(o->tail.ptr, all + o->tail_offset, o->tail.len);
    }
    uint64_t lines = 0;
    size_t mark = 0;
    for (size_t i = 0; i < total; i++) {
        if (mark < o->mark_count && o->marks[mark].offset == i) {
            assert_int_equal(o->marks[mark].line, lines);
            assert_int_equal(i % STATE_INDEX_STEP, 0);
            mark++;
        }
        lines += all[i] == '\n';
    }
    assert_int_equal(mark, o->mark_count);
    assert_int_equal(o->mark_count, total / STATE_INDEX_STEP);
    assert_int_equal(o->newlines, lines);
    free(all);
    state_release(&st);
}

static void newlines_next_to_anything_count_once(void **state)
{
    (void)state;
    char piece[64];
    struct state st;
    uint64_t at = 0, lines = 0;
    begin(&st, "runbook");
    for (int round = 0; round < 20000; round++) {
        size_t n = pick(sizeof piece);
        for (size_t i = 0; i < n; i++) {
            static const char near[] = { '\n', 0x0b, 0x09, 0, (char)0x8a, (char)0xff, 0x0a, 1 };
            piece[i] = near[pick(sizeof near)];
            lines += piece[i] == '\n';
        }
        OK(feed_output(&st, 0, STREAM_STDERR, at, piece, n));
        at += n;
    }
    assert_int_equal(st.background[STREAM_STDERR].newlines, lines);
    state_release(&st);
}

static void tails_of_runs_long_ago_shrink(void **state)
{
    (void)state;
    char *big = xmalloc(200000);
    struct state st;
    char capsule[65];
    memset(big, 'y', 200000);
    begin(&st, "runbook");
    for (uint32_t run = 1; run <= 20; run++) {
        snprintf(capsule, sizeof capsule, "%064u", run);
        to_gate(&st, run, "", 0, "planner", capsule);
        OK(decide(&st, run, "approve", "person", capsule));
        OK(start(&st, run, capsule));
        OK(feed_output(&st, run, STREAM_STDOUT, 0, big, 200000));
        OK(finish(&st, run, "exit", 0));
    }
    for (uint32_t run = 1; run <= 20; run++) {
        const struct state_output *o = &state_run_at(&st, run)->out[STREAM_STDOUT];
        assert_int_equal(o->tail.len, run <= 20 - STATE_TAILS_MAX ? STATE_TAIL_OLD : 200000);
        assert_int_equal(o->tail_offset + o->tail.len, 200000);
        assert_int_equal(o->bytes, 200000);
    }
    free(big);
    state_release(&st);
}

/* ---- random logs: what is refused changes nothing, nothing runs that was not approved ---- */

static enum err_code random_event(struct state *st)
{
    static const char *const caps[] = { CAP_A, CAP_B, CAP_C };
    static const char *const decisions[] = {
        "approve", "approve", "deny", "edit", "dry-run", "stop"
    };
    static const char *const by[] = { "person", "person", "lease", "policy", "typed" };
    static const char *const ends[] = { "exit", "timeout", "lost", "sandbox" };
    static const char *const severities[] = { "LOW", "HIGH" };
    uint32_t run = (uint32_t)(st->run_count > 2 ? st->run_count - pick(3) : 1);
    if (pick(4) != 0 && (st->gate.open || st->running != 0))
        run = st->gate.open ? st->gate.run : st->running;
    const struct state_run *r = state_run_at(st, run);
    const char *capsule = r != NULL && pick(8) != 0 ? r->capsule : caps[pick(3)];
    int rev = r != NULL ? (int)r->rev : 1;
    switch (pick(14)) {
    case 0:
        return propose(st, (uint32_t)st->run_count + 1 + (st->gate.open && pick(4) != 0), 1, "1", 1,
                       "print(1)", pick(2) ? "person" : "planner");
    case 1:
        return feed(st, "run.proposed", (uint32_t)st->run_count + 1,
                    "{'rev':1,'twin_of':%u,'step':'1','attempt':0,'language':'python',"
                    "'code':'print(1)','purpose':'','author':'planner'}",
                    run);
    case 2:
        return propose(st, run, rev + 1, "1", 1, "print(1)", "person");
    case 3:
    case 4:
        return review(st, run, severities[pick(4) == 0]);
    case 5:
    case 6:
        return open_gate(st, run, rev, caps[pick(3)]);
    case 7:
    case 8:
        return decide(st, run, decisions[pick(6)], by[pick(5)], capsule);
    case 9:
    case 10:
        return start(st, run, capsule);
    case 11:
        return finish(st, st->running != 0 ? st->running : run, ends[pick(4)], 0);
    case 12:
        return judge(st, run, pick(2) ? "verified" : "refuted");
    default:
        return pick(2) ? feed(st, "lease.granted", 0, "{'runs':2,'approximated':[]}")
                       : feed_output(st, run, 1, 0, "x", 1);
    }
}

static void random_logs_keep_the_rules(void **state)
{
    (void)state;
    struct buf before = BUF_INIT(1 << 20), after = BUF_INIT(1 << 20);
    size_t accepted = 0, starts = 0;
    for (int round = 0; round < 300; round++) {
        struct state st;
        begin(&st, "runbook");
        for (int i = 0; i < 300; i++) {
            uint32_t was_running = st.running;
            dump(&before, &st);
            if (random_event(&st) != ERR_NONE) {
                dump(&after, &st);
                assert_string_equal(buf_str(&before), buf_str(&after));
                next_seq--;
                continue;
            }
            accepted++;
            if (st.running == 0 || st.running == was_running)
                continue;
            const struct state_run *r = state_run_at(&st, st.running);
            bool twin = r->twin_of != 0;
            assert_string_equal(r->decision, twin ? "dry-run" : "approve");
            assert_true(strlen(r->capsule) == 64);
            if (strcmp(r->by, "lease") == 0 || strcmp(r->by, "typed") == 0)
                assert_true(r->worst != SEVERITY_HIGH);
            for (size_t k = 0; k < st.run_count; k++) { /* one capsule, one start */
                const struct state_run *o = st.runs[k];
                if (o != r && o->started_at_us != 0 &&
                    (o->twin_of == r->number || r->twin_of == o->number))
                    assert_string_not_equal(o->capsule, r->capsule);
            }
            starts++;
        }
        state_release(&st);
    }
    if (accepted < 10000 || starts < 200)
        fail_msg("only %zu events were accepted, %zu starts", accepted, starts);
    buf_release(&before);
    buf_release(&after);
}

/* ---- snapshots: what follows, or another future, leaves them as they were ---- */

static void snapshots_stay_what_they_were(void **state)
{
    (void)state;
    enum { KEPT = 6 };
    struct buf now = BUF_INIT(1 << 20);
    no_tails = true;
    for (int round = 0; round < 60; round++) {
        struct state st;
        struct {
            struct state_snapshot *s;
            uint64_t seq;
            struct buf as;
            char last_word[32];
        } kept[KEPT] = { 0 };
        begin(&st, "runbook");
        for (int i = 0; i < 400; i++) {
            size_t k = pick(KEPT);
            if (random_event(&st) != ERR_NONE)
                next_seq--;
            if (pick(8) == 0)
                OK(feed(&st, "planner.message", 0, "{'author':'planner','text':'word %d'}", i));
            if (kept[k].s == NULL && pick(20) == 0) {
                kept[k].s = state_snapshot_take(&st);
                kept[k].seq = next_seq;
                buf_init(&kept[k].as, 1 << 20);
                dump(&kept[k].as, &st);
                snprintf(kept[k].last_word, sizeof kept[k].last_word, "%s",
                         st.message_count > 0 ? st.messages[st.message_count - 1].text : "");
            } else if (kept[k].s != NULL && pick(10) == 0) {
                state_snapshot_restore(&st, kept[k].s);
                next_seq = kept[k].seq;
                dump(&now, &st);
                assert_string_equal(buf_str(&now), buf_str(&kept[k].as));
                assert_string_equal(st.message_count > 0 ? st.messages[st.message_count - 1].text
                                                         : "",
                                    kept[k].last_word);
                assert_int_equal(state_snapshot_seq(kept[k].s), st.last_seq);
            } else if (kept[k].s != NULL && pick(40) == 0) {
                state_snapshot_free(kept[k].s);
                buf_release(&kept[k].as);
                kept[k].s = NULL;
            }
        }
        for (size_t k = 0; k < KEPT; k++) {
            state_snapshot_free(kept[k].s);
            buf_release(&kept[k].as);
        }
        state_release(&st);
    }
    no_tails = false;
    buf_release(&now);
}

static void what_a_run_reached_for_is_kept(void **state)
{
    struct state st;
    struct buf line = BUF_INIT(1024);
    (void)state;
    begin(&st, "human");
    OK(feed(&st, "run.proposed", 1,
            "{'rev':1,'step':'','attempt':1,'language':'python','code':'x','purpose':'',"
            "'author':'person'}"));
    OK(feed(&st, "network.asked", 1,
            "{'attempt':1,'verdict':'allowed','method':'CONNECT','host':'a.example','port':443}"));
    OK(feed(&st, "network.asked", 1,
            "{'attempt':2,'verdict':'refused','method':'HTTP','host':'::1','port':80,"
            "'why':'not on the allow list','background':true}"));
    OK(feed(&st, "network.asked", 1, /* a word of a newer program is no permission */
            "{'attempt':3,'verdict':'pondered','method':'','host':''}"));
    const struct state_run *r = state_run_at(&st, 1);
    assert_int_equal(r->net_count, 3);
    assert_true(r->nets[0].open);
    OK(feed(&st, "network.closed", 1,
            "{'attempt':1,'host':'a.example','port':443,'address':'1.2.3.4','sent_bytes':5,"
            "'received_bytes':70,'wall_ms':3}"));
    assert_false(r->nets[0].open);
    assert_int_equal(r->net_asked, 3);
    assert_int_equal(r->net_refused, 2);
    assert_int_equal(r->net_sent, 5);
    assert_int_equal(r->net_received, 70);
    for (size_t i = 0; i < r->net_count; i++) {
        state_net_say(&r->nets[i], &line);
        (void)buf_add_char(&line, '\n');
    }
    assert_string_equal(buf_str(&line),
                        "allowed CONNECT a.example:443 (1.2.3.4), 5 bytes out, 70 in\n"
                        "refused HTTP [::1]:80, in the background: not on the allow list\n"
                        "refused \n");
    /* Bounded, but counted; of no run, or of one that is not there. */
    for (int i = 4; i < 200; i++)
        OK(feed(&st, "network.asked", 1,
                "{'attempt':%d,'verdict':'allowed','method':'HTTP','host':'a','port':80}", i));
    assert_int_equal(r->net_count, STATE_NETS_MAX);
    assert_int_equal(r->net_asked, 199);
    OK(feed(&st, "network.closed", 1,
            "{'attempt':199,'host':'a','sent_bytes':1,'received_bytes':-1,'wall_ms':1}"));
    OK(feed(&st, "network.asked", 0, "{'attempt':1,'verdict':'allowed','method':'','host':''}"));
    assert_int_equal(
        feed(&st, "network.asked", 9, "{'attempt':1,'verdict':'allowed','method':'','host':''}"),
        ERR_INTEGRITY);
    buf_release(&line);
    state_release(&st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_run_reached_for_is_kept),
        cmocka_unit_test(one_run_from_task_to_observation),
        cmocka_unit_test(words_of_the_person_reach_the_planner),
        cmocka_unit_test(own_code_is_not_observed),
        cmocka_unit_test(an_edited_proposal_is_still_the_planners),
        cmocka_unit_test(stop_and_deny_have_their_effects),
        cmocka_unit_test(a_dry_run_uses_the_capsule_up_and_the_gate_opens_again),
        cmocka_unit_test(a_decision_uses_a_capsule_up_even_if_no_twin_came_of_it),
        cmocka_unit_test(attempts_are_spent_by_failing_only),
        cmocka_unit_test(denials_in_a_row_are_counted_per_step),
        cmocka_unit_test(the_previous_attempt_is_found),
        cmocka_unit_test(contradictions_change_nothing),
        cmocka_unit_test(a_lease_counts_and_never_covers_high),
        cmocka_unit_test(a_severity_nobody_knows_is_high),
        cmocka_unit_test(resuming_closes_gate_and_lease),
        cmocka_unit_test(the_last_word_of_a_record_ends_what_is_under_way),
        cmocka_unit_test(variables_know_since_when),
        cmocka_unit_test(each_language_has_variables_of_its_own),
        cmocka_unit_test(what_a_sandbox_proved_is_five_lights_and_their_evidence),
        cmocka_unit_test(too_many_probes_contradict),
        cmocka_unit_test(a_crash_falls_back_to_a_checkpoint_or_loses_the_state),
        cmocka_unit_test(names_tags_trash_and_money),
        cmocka_unit_test(erased_bodies_do_not_stop_the_fold),
        cmocka_unit_test(output_is_counted_exactly_in_any_chunks),
        cmocka_unit_test(newlines_next_to_anything_count_once),
        cmocka_unit_test(tails_of_runs_long_ago_shrink),
        cmocka_unit_test(random_logs_keep_the_rules),
        cmocka_unit_test(snapshots_stay_what_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
