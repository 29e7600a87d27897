/* test_state_bounds.c - the reducer at its edges: numbers out of range, lists that are too long,
 * words it does not know, runs that are not there, and runs that a snapshot shares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tool/state.h"

static struct state st;
static struct err last_err;

/* Fold one event given as JSON with ' for ". */
static enum err_code feed_bytes(const char *type, uint32_t run, struct buf *json)
{
    struct json *body = NULL;
    err_clear(&last_err);
    for (size_t i = 0; i < json->len; i++)
        json->ptr[i] = json->ptr[i] == '\'' ? '"' : json->ptr[i];
    struct event ev = { .seq = st.last_seq + 1,
                        .at_us = 1000 * (int64_t)(st.last_seq + 1),
                        .boot_us = 7000000,
                        .run = run,
                        .type = event_type_find(type),
                        .json = buf_str(json),
                        .json_len = json->len };
    if (event_parse(&ev, &body, &last_err) < 0)
        fail_msg("the test's own event: %s", last_err.msg);
    int rc = state_apply(&st, &ev, NULL, &last_err);
    json_free(body);
    buf_release(json);
    return rc == 0 ? ERR_NONE : last_err.code;
}

static enum err_code feed(const char *type, uint32_t run, const char *fmt, ...) PRINTF_LIKE(3, 4);
static enum err_code feed(const char *type, uint32_t run, const char *fmt, ...)
{
    struct buf json = BUF_INIT(1 << 20);
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    assert_int_equal(buf_add_str(&json, text), 0);
    return feed_bytes(type, run, &json);
}

/* {'KEY':[item, item, …] REST} */
static enum err_code feed_list(const char *type, uint32_t run, const char *key, size_t count,
                               const char *item, const char *rest)
{
    struct buf json = BUF_INIT(16 << 20);
    assert_int_equal(buf_addf(&json, "{'%s':[", key), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(buf_addf(&json, "%s%s", i > 0 ? "," : "", item), 0);
    assert_int_equal(buf_addf(&json, "]%s}", rest), 0);
    return feed_bytes(type, run, &json);
}

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE)                                                                    \
            fail_msg("%s: %s", #call, last_err.msg);                                               \
    } while (0)
/* Refused as a contradiction, in these words. */
#define NO(call, words)                                                                            \
    do {                                                                                           \
        assert_int_equal((call), ERR_INTEGRITY);                                                   \
        if (strstr(last_err.msg, words) == NULL)                                                   \
            fail_msg("%s: %s", #call, last_err.msg);                                               \
    } while (0)

static int setup(void **state)
{
    (void)state;
    state_init(&st);
    OK(feed("session.created", 0,
            "{'planner':'runbook','model':'m','sandbox':'local','contract':{},"
            "'contract_digest':'d','version':'1'}"));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    state_release(&st);
    return 0;
}

static const struct state_run *run_at(uint32_t run)
{
    return state_run_at(&st, run);
}

static void propose(uint32_t run)
{
    OK(feed("run.proposed", run,
            "{'rev':1,'step':'','attempt':1,'language':'python','code':'x','purpose':'','author':"
            "'planner'}"));
}

static void to_gate(uint32_t run)
{
    propose(run);
    OK(feed("run.reviewed", run, "{'findings':[]}"));
    OK(feed("gate.opened", run,
            "{'rev':1,'capsule':'%064u','contract_digest':'d','sandbox':'local'}", run));
}

static void start(uint32_t run)
{
    to_gate(run);
    OK(feed("gate.decided", run,
            "{'decision':'approve','by':'person','capsule':'%064u','seen_lines':1,'waited_ms':1}",
            run));
    OK(feed("run.started", run, "{'sandbox_id':'x','capsule':'%064u'}", run));
}

static void finish(uint32_t run)
{
    OK(feed("run.finished", run,
            "{'end':'exit','code':0,'wall_ms':1,'stdout_bytes':0,'stderr_bytes':0}"));
}

static enum err_code output(uint32_t run, unsigned stream, uint64_t offset, const char *bytes)
{
    struct event ev = { .seq = st.last_seq + 1,
                        .run = run,
                        .type = EVENT_RUN_OUTPUT,
                        .stream = stream,
                        .offset = offset,
                        .bytes = bytes,
                        .len = bytes != NULL ? strlen(bytes) : 0 };
    err_clear(&last_err);
    return state_apply(&st, &ev, NULL, &last_err) == 0 ? ERR_NONE : last_err.code;
}

/* ---- runs that are not there ---- */

static void facts_about_no_run(void **state)
{
    (void)state;
    static const struct {
        const char *type, *json;
    } cases[] = {
        { "run.reviewed", "{'findings':[]}" },
        { "gate.opened", "{'rev':1,'capsule':'','contract_digest':'','sandbox':''}" },
        { "gate.decided",
          "{'decision':'deny','by':'person','capsule':'','seen_lines':0,'waited_ms':0}" },
        { "run.started", "{'sandbox_id':'x','capsule':''}" },
        { "run.result", "{'mime':'text/plain','main':true}" },
        { "run.finished", "{'end':'exit','wall_ms':0,'stdout_bytes':0,'stderr_bytes':0}" },
        { "run.verdict", "{'verdict':'verified','checks':[]}" },
        { "state.changed", "{'vars':[],'files':[]}" },
        { "checkpoint.made", "{'kind':'fork'}" },
        { "checkpoint.lost", "{'kind':'saved'}" },
        { "run.flagged",
          "{'stream':'stdout','severity':'HIGH','rule':'r','text':'t','excerpt':'e'}" },
        { "network.asked", "{'attempt':1,'verdict':'allowed','method':'CONNECT','host':'h'}" },
        { "network.closed",
          "{'attempt':1,'host':'h','sent_bytes':1,'received_bytes':1,'wall_ms':1}" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        NO(feed(cases[i].type, 9, "%s", cases[i].json), "there is no such run");
        assert_int_equal(st.run_count, 0);
    }
    NO(output(9, STREAM_STDOUT, 0, "x"), "there is no such run");
    NO(output(9, STREAM_STDOUT, 0, NULL), "there is no such run"); /* a body that was erased */
    /* Of no run at all: nothing that is kept, and no contradiction. */
    OK(feed("run.flagged", 0,
            "{'stream':'message','severity':'HIGH','rule':'r','text':'t','excerpt':'e'}"));
    OK(feed("network.asked", 0, "{'attempt':1,'verdict':'refused','method':'HTTP','host':'h'}"));
    OK(feed("network.closed", 0,
            "{'attempt':1,'host':'h','sent_bytes':1,'received_bytes':1,'wall_ms':1}"));
    assert_int_equal(st.flagged_run, 0);
}

static void facts_at_the_wrong_time(void **state)
{
    (void)state;
    propose(1);
    NO(feed("run.result", 1, "{'mime':'text/plain','main':true}"), "not running");
    NO(feed("state.changed", 1, "{'vars':[],'files':[]}"), "never started");
    NO(output(1, STREAM_STDOUT, 0, "x"), "not running");
    NO(output(1, 3, 0, "x"), "stream 3");
    NO(feed("run.proposed", 2,
            "{'rev':1,'twin_of':7,'step':'','attempt':1,'language':'python','code':'x',"
            "'purpose':'','author':'planner'}"),
       "a twin of no run");
    NO(feed("run.proposed", 2,
            "{'rev':1,'twin_of':-1,'step':'','attempt':1,'language':'python','code':'x',"
            "'purpose':'','author':'planner'}"),
       "a twin of no run");
    NO(feed("run.proposed", 1,
            "{'rev':2,'twin_of':1,'step':'','attempt':1,'language':'python','code':'x',"
            "'purpose':'','author':'planner'}"),
       "rev 2 after rev 1");
    OK(feed("run.reviewed", 1, "{'findings':[]}"));
    NO(feed("gate.opened", 1,
            "{'rev':1,'capsule':'short','contract_digest':'d','sandbox':'local'}"),
       "spent or none");
    NO(feed("gate.opened", 1, "{'rev':7,'capsule':'%064u','contract_digest':'d','sandbox':'local'}",
            1),
       "another rev");
    NO(feed("state.restored", 0, "{'from_run':2,'kept':[],'lost':[],'how':'fork'}"), "is none");
    NO(feed("state.restored", 0, "{'from_run':-1,'kept':[],'lost':[],'how':'fork'}"), "is none");
    NO(feed("lease.granted", 0, "{'runs':0,'approximated':[]}"), "a lease of 0 runs");
    NO(feed("lease.granted", 0, "{'runs':-2,'approximated':[]}"), "a lease of -2 runs");
    NO(feed("lease.granted", 0, "{'minutes':-1,'approximated':[]}"), "and -1 minutes");
    NO(feed("lease.granted", 0, "{'minutes':99999999,'approximated':[]}"), "99999999 minutes");
    assert_int_equal(run_at(1)->status, RUN_REVIEWED);
    assert_false(st.lease.active);
}

/* ---- numbers and words ---- */

static void numbers_out_of_range_are_nothing(void **state)
{
    (void)state;
    start(1);
    OK(feed("run.flagged", 1,
            "{'stream':'stdout','line':-3,'offset':-9,'severity':'odd','rule':'r','text':'t',"
            "'excerpt':'e'}"));
    OK(feed("run.flagged", 1,
            "{'stream':'stdout','line':4294967296,'severity':'low','rule':'r','text':'t',"
            "'excerpt':'e'}"));
    assert_int_equal(run_at(1)->flags[0].line, 0);
    assert_int_equal(run_at(1)->flags[0].offset, 0);
    assert_int_equal(run_at(1)->flags[0].severity, SEVERITY_HIGH);
    assert_int_equal(run_at(1)->flags[1].line, 0);
    assert_int_equal(run_at(1)->flags[1].severity, SEVERITY_LOW);
    OK(feed("usage", 0, "{'source':'m','input_tokens':-5,'cost_nanousd':1}"));
    OK(feed("usage", 0, "{'source':'m','output_tokens':3,'cost_nanousd':9}"));
    assert_int_equal(st.input_tokens, 0);
    assert_int_equal(st.output_tokens, 3);
    for (int i = 0; i < 1100; i++)
        OK(feed("usage", 0, "{'source':'m','cost_nanousd':9007199254740991}"));
    assert_true(st.cost_nanousd == INT64_MAX); /* not a small number again */
    OK(feed("error", 0, "{'code':'net','message':'m','hint':'','retry_ms':999999999999}"));
    assert_int_equal(st.retry_at_us, 0);
    OK(feed("sandbox.creating", 0, "{'kind':'k','label':'s-4294967295'}"));
    assert_int_equal(st.sandbox_seq, 0);
    OK(feed("sandbox.ready", 0, "{'kind':'k','label':'s-12','id':'i','ends_ms':5000}"));
    assert_int_equal(st.sandbox_seq, 12);
    assert_int_equal(st.sandbox_ends_boot_us, 7000000 + 5000000);
    OK(feed("sandbox.lease", 0, "{'kind':'k','label':'s-3','ends_ms':9999999999999}"));
    assert_int_equal(st.sandbox_seq, 12);
    assert_int_equal(st.sandbox_ends_boot_us, 0);
    finish(1);
    OK(feed("state.changed", 1,
            "{'vars':[{'name':'x','change':'improved'}],"
            "'files':[{'path':'a','change':''}]}"));
    assert_int_equal(run_at(1)->vars[0].change, CHANGE_UNKNOWN);
    assert_int_equal(run_at(1)->vars[0].bytes, -1);
    assert_int_equal(run_at(1)->files[0].change, CHANGE_UNKNOWN);
}

static void results_have_their_size(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        uint64_t bytes;
    } cases[] = {
        { "{'mime':'a','main':true,'base64':''}", 0 },
        { "{'mime':'a','main':true,'base64':'A'}", 0 },
        { "{'mime':'a','main':true,'base64':'AAA='}", 2 },
        { "{'mime':'a','main':true,'base64':'AA=='}", 1 },
        { "{'mime':'a','main':true,'base64':'AAAA'}", 3 },
        { "{'mime':'a','main':true,'text':'four'}", 4 },
        { "{'mime':'a','main':true,'artifact':'x','bytes':99}", 99 },
    };
    start(1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        OK(feed("run.result", 1, "%s", cases[i].json));
        assert_int_equal(run_at(1)->results[i].bytes, cases[i].bytes);
    }
}

/* ---- lists that are too long ---- */

static void long_lists_are_cut_or_refused(void **state)
{
    (void)state;
    propose(1);
    NO(feed_list("run.reviewed", 1, "findings", 10001, "{}", ""), "10001 findings, at most 10000");
    assert_int_equal(run_at(1)->status, RUN_PROPOSED);
    NO(feed_list("plan.updated", 0, "steps", 1001, "{}", ""), "1001 steps, at most 1000");
    OK(feed_list("plan.updated", 0, "steps", 1, "{'id':'1','title':'t','expect':'exit 0'}", ""));
    assert_string_equal(st.steps[0].expect, "exit 0");
    OK(feed_list("plan.updated", 0, "steps", 1,
                 "{'id':'1','title':'t','expect':['exit 0','stderr empty'],'status':'odd'}", ""));
    assert_string_equal(st.steps[0].expect, "exit 0\nstderr empty");
    assert_int_equal(st.steps[0].status, STEP_PENDING);
    OK(feed("run.reviewed", 1, "{'findings':[]}"));
    /* Rows of walls beyond 64 KiB are left out; those before stay whole. */
    struct buf rest = BUF_INIT(1000);
    assert_int_equal(buf_addf(&rest,
                              ",'rev':1,'capsule':'%064u','contract_digest':'d','sandbox':"
                              "'l'",
                              1),
                     0);
    OK(feed_list("gate.opened", 1, "walls", 5000,
                 "{'field':'memory','how':'approximated','why':'rlimits'}", buf_str(&rest)));
    buf_release(&rest);
    size_t len = strlen(st.gate.walls);
    assert_true(len > 60000 && len <= 65536 && st.gate.walls[len - 1] == STATE_ROW_END);
    OK(feed("gate.decided", 1,
            "{'decision':'approve','by':'person','capsule':'%064u','seen_lines':-1,'waited_ms':1}",
            1));
    assert_int_equal(run_at(1)->seen_lines, 0);
    OK(feed("run.started", 1, "{'sandbox_id':'x','capsule':'%064u'}", 1));
    for (int i = 0; i < STATE_RESULTS_MAX + 5; i++)
        OK(feed("run.result", 1, "{'mime':'a','main':false,'text':'%d'}", i));
    assert_int_equal(run_at(1)->result_count, STATE_RESULTS_MAX);
    for (int i = 0; i < STATE_FLAGS_MAX + 5; i++)
        OK(feed("run.flagged", 1,
                "{'stream':'stdout','severity':'HIGH','rule':'r','text':'t','excerpt':'e'}"));
    assert_int_equal(run_at(1)->flag_count, STATE_FLAGS_MAX);
    for (int i = 0; i < STATE_NETS_MAX + 5; i++)
        OK(feed("network.asked", 1, "{'attempt':%d,'verdict':'refused','method':'HTTP','host':'h'}",
                i + 1));
    assert_int_equal(run_at(1)->net_count, STATE_NETS_MAX);
    assert_int_equal(run_at(1)->net_refused, STATE_NETS_MAX + 5);
    finish(1);
    OK(feed_list("run.verdict", 1, "checks", 1200, "{'kind':'exit','ok':true}",
                 ",'verdict':'verified'"));
    assert_int_equal(run_at(1)->check_count, 1000);
    OK(feed_list("state.changed", 1, "vars", 1200, "{'name':'x'}", ",'files':[]"));
    assert_int_equal(run_at(1)->var_count, STATE_VARS_MAX);
    OK(feed_list("state.changed", 1, "files", 1200, "{'path':'x'}", ",'vars':[]"));
    assert_int_equal(run_at(1)->file_count, STATE_VARS_MAX);
    OK(feed_list("checkpoint.made", 1, "lost", 1200, "'x'", ",'kind':'saved','digest':'d'"));
    assert_int_equal(run_at(1)->saved.lost_count, STATE_VARS_MAX);
}

/* Lists of runs long ago are forgotten, the newest never. */
static void old_lists_make_room(void **state)
{
    (void)state;
    enum { RUNS = STATE_LISTS_MAX / STATE_VARS_MAX + 3 };
    for (uint32_t run = 1; run <= RUNS; run++) {
        start(run);
        finish(run);
        OK(feed_list("state.changed", run, "vars", STATE_VARS_MAX, "{'name':'x'}", ",'files':[]"));
        assert_true(st.lists_held <= STATE_LISTS_MAX);
    }
    assert_int_equal(run_at(1)->var_count, 0);
    assert_int_equal(run_at(3)->var_count, 0);
    assert_int_equal(run_at(4)->var_count, STATE_VARS_MAX);
    assert_int_equal(run_at(RUNS)->var_count, STATE_VARS_MAX);
    assert_int_equal(st.var_count, STATE_VARS_MAX);
}

/* ---- erased bodies ---- */

static void gaps_where_bodies_were(void **state)
{
    (void)state;
    start(1);
    OK(output(1, STREAM_STDOUT, 0, "abc"));
    NO(output(1, STREAM_STDOUT, 9, "x"), "offset 9, expected 3");
    OK(output(1, 0, 0, NULL)); /* of which stream is not known any more */
    OK(output(1, STREAM_STDOUT, 9, "x"));
    assert_int_equal(run_at(1)->out[STREAM_STDOUT].bytes, 10);
    NO(output(1, STREAM_STDOUT, 4, "x"), "offset 4, expected 10"); /* never backwards */
    OK(output(1, STREAM_STDERR, 5, "y"));
    OK(output(0, STREAM_STDERR, 0, NULL));
    NO(output(0, STREAM_STDOUT, 5, "z"), "offset 5, expected 0");
    OK(output(0, STREAM_STDERR, 5, "z"));
    assert_int_equal(st.background[STREAM_STDERR].bytes, 6);
    /* Of a run that lost a body the rest is taken as it comes. */
    struct event gone = { .seq = st.last_seq + 1, .run = 2, .type = EVENT_RUN_PROPOSED };
    assert_int_equal(state_apply(&st, &gone, NULL, &last_err), 0);
    assert_true(run_at(2)->erased);
    OK(feed("run.proposed", 2,
            "{'rev':5,'step':'','attempt':5000,'language':'python','code':'x','purpose':'',"
            "'author':'planner'}"));
    assert_int_equal(run_at(2)->attempt, 0);
    OK(feed("gate.decided", 2,
            "{'decision':'approve','by':'person','capsule':'','seen_lines':1,'waited_ms':1}"));
    OK(feed("run.verdict", 2, "{'verdict':'verified','checks':[]}"));
}

/* ---- what a snapshot shares ---- */

static void a_shared_run_is_copied_whole(void **state)
{
    (void)state;
    start(1);
    OK(output(1, STREAM_STDOUT, 0, "abc\n"));
    OK(feed("run.result", 1, "{'mime':'text/plain','main':true,'text':'one'}"));
    OK(feed("run.result", 1, "{'mime':'image/png','main':false,'artifact':'r-1','bytes':9}"));
    OK(feed("run.flagged", 1,
            "{'stream':'result','name':'n','line':2,'severity':'HIGH','rule':'r','text':'t',"
            "'excerpt':'e'}"));
    OK(feed("network.asked", 1,
            "{'attempt':1,'verdict':'allowed','method':'CONNECT','host':'::1','port':443}"));
    finish(1);
    OK(feed("state.changed", 1,
            "{'vars':[{'name':'x'}],'files':[{'path':'a.txt','change':'new','bytes':3}]}"));
    OK(feed("checkpoint.made", 1, "{'kind':'saved','digest':'d','size':3,'lost':['f (open)']}"));
    struct state_snapshot *s = state_snapshot_take(&st);
    const struct state_run *before = run_at(1);
    OK(feed("checkpoint.lost", 1, "{'kind':'saved'}"));
    OK(feed("network.closed", 1,
            "{'attempt':1,'host':'::1','address':'10.0.0.1','sent_bytes':5,'received_bytes':6,"
            "'wall_ms':1,'why':'reset'}"));
    const struct state_run *now = run_at(1);
    assert_ptr_not_equal(before, now);
    assert_false(now->saved.there);
    assert_string_equal(now->saved.lost[0], "f (open)");
    assert_string_equal(now->results[0].text, "one");
    assert_null(now->results[1].text);
    assert_string_equal(now->results[1].artifact, "r-1");
    assert_string_equal(now->flags[0].name, "n");
    assert_string_equal(now->files[0].path, "a.txt");
    assert_string_equal(now->nets[0].why, "reset");
    assert_string_equal(now->nets[0].address, "10.0.0.1");
    assert_false(now->nets[0].open);
    state_snapshot_restore(&st, s);
    now = run_at(1);
    assert_true(now->saved.there);
    assert_string_equal(now->nets[0].why, "");
    assert_true(now->nets[0].open);
    assert_int_equal(now->net_sent, 0);
    state_snapshot_free(s);
}

/* What a branch began with is a run without a number. */
static void a_shared_beginning_is_copied(void **state)
{
    (void)state;
    NO(feed("checkpoint.lost", 0, "{'kind':'saved'}"), "there is no such run");
    NO(feed("checkpoint.lost", 0, "{'kind':'fork'}"), "there is no such run");
    OK(feed("checkpoint.made", 0,
            "{'kind':'saved','digest':'d','size':3,'language':'python','vars':[{'name':'x'}]}"));
    NO(feed("checkpoint.made", 0, "{'kind':'saved','digest':'d'}"), "after the beginning");
    assert_true(st.vars_lost);
    assert_int_equal(state_saved_near(&st, 0)->number, 0);
    struct state_snapshot *s = state_snapshot_take(&st);
    OK(feed("checkpoint.lost", 0, "{'kind':'saved'}"));
    assert_null(state_saved_near(&st, 0));
    OK(feed("checkpoint.lost", 0, "{'kind':'snapshot'}"));
    state_snapshot_restore(&st, s);
    assert_non_null(state_saved_near(&st, 0));
    state_snapshot_free(s);
    OK(feed("state.restored", 0, "{'from_run':0,'kept':['x'],'lost':[],'how':'saved'}"));
    assert_int_equal(st.var_count, 1);
    OK(feed("state.restored", 0, "{'from_run':0,'kept':[],'lost':['x'],'how':'none'}"));
    assert_int_equal(st.var_count, 0);
    propose(1);
    NO(feed("checkpoint.made", 0, "{'kind':'snapshot','snapshot':'s'}"), "after the beginning");
}

/* ---- in words ---- */

static void where_a_flag_is(void **state)
{
    (void)state;
    static const struct {
        const char *stream, *name;
        uint32_t line, run;
        const char *words;
    } cases[] = {
        { "stdout", "", 17, 3, "run 3 stdout line 17" },
        { "stdout", "", 17, 0, "stdout line 17" },
        { "variable", "x", 1, 3, "run 3 variable x" },
        { "error", "", 0, 0, "error" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[64];
        const struct state_flag f = { .stream = (char *)(uintptr_t)cases[i].stream,
                                      .name = (char *)(uintptr_t)cases[i].name,
                                      .line = cases[i].line };
        state_flag_where(&f, cases[i].run, out, sizeof out);
        assert_string_equal(out, cases[i].words);
    }
}

static void what_a_loss_names(void **state)
{
    (void)state;
    static const struct {
        const char *entry;
        bool is;
    } cases[] = { { "x", true },        { "x (an open file)", true },
                  { "python:x", true }, { "python:x (y)", true },
                  { "xy", false },      { "x y", false },
                  { "bash:x", false },  { "python", false },
                  { "", false },        { "y", false } };
    const struct state_var v = { .name = (char *)(uintptr_t) "x",
                                 .language = (char *)(uintptr_t) "python" };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(state_lost_is(cases[i].entry, &v), cases[i].is);
}

static void what_was_reached_for(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    start(1);
    OK(feed("network.asked", 1,
            "{'attempt':1,'verdict':'allowed','method':'','host':'::1','port':443,"
            "'background':true}"));
    state_net_say(&run_at(1)->nets[0], &out);
    assert_string_equal(buf_str(&out), "allowed [::1]:443, in the background");
    struct event ev = { .run = 1, .body = NULL };
    assert_null(state_net_of(run_at(1), &ev)); /* attempt 0 is none of these */
    assert_string_equal(net_verdict_name((enum net_verdict)99), "unknown");
    OK(feed("network.closed", 1, /* of an attempt that was not kept */
            "{'attempt':9,'host':'h','sent_bytes':5,'received_bytes':6,'wall_ms':1}"));
    assert_true(run_at(1)->nets[0].open);
    assert_int_equal(run_at(1)->net_sent, 5);
    buf_release(&out);
}

/* The record stopped: what waited at the gate is not decided, and is not running either. */
static void a_stop_at_the_gate(void **state)
{
    (void)state;
    to_gate(1);
    OK(feed("error", 0, "{'code':'io','message':'disk full','hint':'','stopped':true}"));
    assert_false(st.gate.open);
    assert_int_equal(run_at(1)->status, RUN_REVIEWED);
    assert_true(st.stopped);
    assert_string_equal(st.outcome, "disk full");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(facts_about_no_run),
        CASE(facts_at_the_wrong_time),
        CASE(numbers_out_of_range_are_nothing),
        CASE(results_have_their_size),
        CASE(long_lists_are_cut_or_refused),
        CASE(old_lists_make_room),
        CASE(gaps_where_bodies_were),
        CASE(a_shared_run_is_copied_whole),
        CASE(a_shared_beginning_is_copied),
        CASE(where_a_flag_is),
        CASE(what_a_loss_names),
        CASE(what_was_reached_for),
        CASE(a_stop_at_the_gate),
    };
    return cmocka_run_group_tests_name("state_bounds", tests, NULL, NULL);
}
