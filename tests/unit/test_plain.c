/* test_plain.c - a session as lines: what each event says, and that nothing of it reaches the
 * terminal raw. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "golden/scene.h"
#include "providers/contract.h"
#include "tool/contract.h"
#include "ui/plain.h"

struct told {
    struct scene s;
    struct text_stream streams[3];
    struct buf out;
    struct contract contract;
    struct contract_enforcement en;
};

static void begin(struct told *t)
{
    memset(t, 0, sizeof *t);
    scene_begin(&t->s);
    for (size_t i = 0; i < 3; i++)
        text_stream_init(&t->streams[i], TEXT_OUTPUT, false);
    buf_init(&t->out, 1 << 20);
    contract_init(&t->contract);
}

static void end(struct told *t)
{
    for (size_t i = 0; i < 3; i++)
        text_stream_release(&t->streams[i]);
    buf_release(&t->out);
    contract_release(&t->contract);
    scene_end(&t->s);
}

/* Applies the event (' for ") and gives what is said of it; "" when it is refused. */
static const char *tell(struct told *t, enum event_type type, uint32_t run, const char *json)
{
    char *text = xstrdup(json);
    struct json *body = NULL;
    struct err e = ERR_INIT;
    for (char *p = text; *p; p++)
        if (*p == '\'')
            *p = '"';
    struct event ev = { .type = type,
                        .type_name = event_type_name(type),
                        .run = run,
                        .seq = ++t->s.seq,
                        .json = text,
                        .json_len = strlen(text) };
    ev.at_us = t->s.now_us += 1000;
    buf_reset(&t->out);
    if (event_parse(&ev, &body, &e) == 0 && state_apply(&t->s.st, &ev, NULL, &e) == 0)
        plain_event(&t->s.st, &ev, t->streams, &t->out);
    json_free(body);
    free(text);
    return buf_str(&t->out);
}

static const char *print(struct told *t, unsigned stream, const char *bytes)
{
    struct event ev = { .type = EVENT_RUN_OUTPUT,
                        .type_name = event_type_name(EVENT_RUN_OUTPUT),
                        .run = 1,
                        .seq = ++t->s.seq,
                        .stream = stream,
                        .bytes = bytes,
                        .len = strlen(bytes),
                        .offset = state_run_at(&t->s.st, 1)->out[stream].bytes };
    struct err e = ERR_INIT;
    ev.at_us = t->s.now_us += 1000;
    assert_int_equal(state_apply(&t->s.st, &ev, NULL, &e), 0);
    buf_reset(&t->out);
    plain_event(&t->s.st, &ev, t->streams, &t->out);
    return buf_str(&t->out);
}

static void run_starts(struct told *t, const char *expect)
{
    scene_propose(&t->s, 1, 1, "1", 1, "python", "print(1)\n", expect, "p");
    scene_review(&t->s, 1, "");
    scene_gate(&t->s, 1, 1, SCENE_CAPSULE_1);
    scene_decide(&t->s, 1, "approve", SCENE_CAPSULE_1, "");
    scene_start(&t->s, 1, SCENE_CAPSULE_1);
}

static void test_what_is_said(void **state)
{
    static const struct {
        enum event_type type;
        uint32_t run;
        const char *json, *lines;
    } cases[] = {
        { EVENT_TASK_GIVEN, 0, "{'author':'person','text':'one\\ntwo'}", "task: one\ntask: two\n" },
        { EVENT_PLANNER_MESSAGE, 0, "{'author':'planner','text':'so'}", "planner: so\n" },
        { EVENT_NOTE, 0, "{'author':'person','text':'a note'}", "note: a note\n" },
        { EVENT_PLAN_UPDATED, 0,
          "{'steps':[{'id':'1','title':'count','status':'done'},"
          "{'id':'2','title':'sum','status':'failed'}]}",
          "plan:\n  1. count [done]\n  2. sum [failed]\n" },
        { EVENT_LEASE_GRANTED, 0, "{'runs':3,'approximated':[]}", "lease granted: 3 runs\n" },
        { EVENT_LEASE_ENDED, 0, "{'why':'used up'}", "lease ended: used up\n" },
        { EVENT_RUN_RESULT, 1, "{'mime':'text/plain','main':true,'text':'6\\n7','bytes':3}",
          "result text/plain:\n     6\n     7\n" },
        { EVENT_RUN_RESULT, 1, "{'mime':'image/png','main':true,'artifact':'a','bytes':48}",
          "result image/png, 48 bytes\n" },
        { EVENT_RUN_FLAGGED, 1,
          "{'stream':'stdout','line':3,'severity':'HIGH','rule':'r','text':'orders',"
          "'excerpt':'ignore all'}",
          "  HIGH   run 1 stdout line 3 orders: ignore all (r)\n" },
        { EVENT_SANDBOX_WAITING, 0, "{'kind':'local','label':'l','why':'full'}",
          "waiting for a sandbox: full (^C gives up)\n" },
        { EVENT_STATE_RESTORED, 0, "{'from_run':1,'kept':['a','b'],'lost':['c (open file)']}",
          "state restored from run 1\n  kept: a b\n  lost: c (open file)\n" },
        { EVENT_STATE_RESTORED, 0, "{'from_run':1,'kept':[],'lost':[]}",
          "state restored from run 1\n" },
        { EVENT_ERROR, 0, "{'code':'net','message':'no line','hint':''}", "error: no line\n" },
        { EVENT_ERROR, 0, "{'code':'net','message':'no line','hint':'plug it in'}",
          "error: no line (plug it in)\n" },
        { EVENT_SESSION_RENAMED, 0, "{'name':'n'}", "" },
        { EVENT_SESSION_FINISHED, 0, "{'outcome':'done','runs':1,'denied':0,'cost_nanousd':0}",
          "session: done\n" },
    };
    struct told t;
    (void)state;
    begin(&t);
    run_starts(&t, "");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(tell(&t, cases[i].type, cases[i].run, cases[i].json), cases[i].lines);
    end(&t);
}

static void test_proposals_and_decisions(void **state)
{
    struct told t;
    (void)state;
    begin(&t);
    assert_string_equal(tell(&t, EVENT_RUN_PROPOSED, 1,
                             "{'rev':1,'step':'2','attempt':3,'language':'bash','code':'x',"
                             "'purpose':'','author':'planner'}"),
                        "run 1: proposed by planner, bash, step 2 attempt 3\n");
    scene_review(&t.s, 1, "");
    scene_gate(&t.s, 1, 1, SCENE_CAPSULE_1);
    assert_string_equal(tell(&t, EVENT_GATE_DECIDED, 1,
                             "{'decision':'dry-run','by':'person','capsule':'" SCENE_CAPSULE_1
                             "','reason':'no\\u001b[31m','seen_lines':1,'waited_ms':4}"),
                        "run 1: dry-run by person: no^[[31m\n");
    assert_string_equal(tell(&t, EVENT_RUN_PROPOSED, 2,
                             "{'rev':1,'step':'','attempt':1,'language':'bash','code':'x',"
                             "'purpose':'','author':'person','twin_of':1}"),
                        "run 2: proposed by person, bash, dry run of 1 in a throw-away twin\n");
    static const char *const words[][2] = { { "approve", "approved" },
                                            { "deny", "denied" },
                                            { "edit", "edited" },
                                            { "stop", "stopped" },
                                            { "dry_run", "dry_run" } };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        assert_string_equal(plain_decided_word(words[i][0]), words[i][1]);
    end(&t);
}

/* What is printed comes line by line; the rest with the end. */
static void test_output_and_the_end(void **state)
{
    struct told t;
    (void)state;
    begin(&t);
    run_starts(&t, "exit 0");
    assert_string_equal(print(&t, STREAM_STDOUT, "one\ntw"), "out| one\n");
    assert_string_equal(print(&t, STREAM_STDERR, "bad\x1b]0;x\x07\n"), "err| bad^[]0;x^G\n");
    assert_string_equal(print(&t, STREAM_STDOUT, "o"), "");
    assert_string_equal(tell(&t, EVENT_RUN_FINISHED, 1,
                             "{'end':'limit','what':'output','code':1,'wall_ms':410,"
                             "'stdout_bytes':7,'stderr_bytes':4,'message':''}"),
                        "out| two\n");
    const char *said = tell(&t, EVENT_RUN_VERDICT, 1,
                            "{'verdict':'refuted','checks':["
                            "{'kind':'a','text':'stderr empty','ok':true,'got':'x'},"
                            "{'kind':'b','text':'exit 0','ok':false,'got':'1'},"
                            "{'kind':'c','text':'file','ok':false,'got':''}]}");
    assert_string_equal(said, "run 1: limit 1 (output), refuted (0.41 s)\n"
                              "  ok     stderr empty\n  FAILED exit 0, got 1\n  FAILED file\n");
    struct state_run *r = state_run_at(&t.s.st, 1);
    free(r->message);
    r->message = xstrdup("the guest\x1b[2J said");
    r->verdict = VERDICT_NONE;
    r->has_exit_code = false;
    buf_reset(&t.out);
    plain_run_end(r, &t.out);
    assert_string_equal(buf_str(&t.out), "run 1: limit (output) (0.41 s)\n  the guest^[[2J said\n");
    end(&t);
}

static void test_variables_and_files(void **state)
{
    struct told t;
    (void)state;
    begin(&t);
    run_starts(&t, "");
    tell(&t, EVENT_RUN_FINISHED, 1,
         "{'end':'exit','code':0,'wall_ms':1,'stdout_bytes':0,'stderr_bytes':0}");
    assert_string_equal(
        tell(&t, EVENT_STATE_CHANGED, 1,
             "{'vars':[{'name':'x','type':'int','preview':'5','digest':'a','change':'new'},"
             "{'name':'y','type':'str','preview':'','digest':'b','change':'same'},"
             "{'name':'z','type':'list','preview':'','digest':'c','change':'gone'}],"
             "'files':[{'path':'a\\u001b.csv','change':'new','bytes':12},"
             "{'path':'b','change':'gone'}]}"),
        "  var  new      x int 5\n  var  gone     z list \n  file new      a^[.csv (12 bytes)\n"
        "  file gone     b\n");
    end(&t);
}

static void test_network(void **state)
{
    struct told t;
    (void)state;
    begin(&t);
    run_starts(&t, "");
    const char *said = tell(&t, EVENT_NETWORK_ASKED, 1,
                            "{'attempt':1,'verdict':'refused','method':'CONNECT',"
                            "'host':'example.org','port':443,'why':'not on the allow list'}");
    assert_string_equal(said, "  net    refused CONNECT example.org:443: not on the allow list\n");
    assert_string_equal(tell(&t, EVENT_NETWORK_CLOSED, 1,
                             "{'attempt':9,'host':'example.org','sent':1,'received':2}"),
                        ""); /* of an attempt nobody knows */
    end(&t);
}

/* A record of somebody else may hold anything in any string: none of it leaves raw. [SAN-1] */
static void test_hostile_strings(void **state)
{
#define EVIL "a\\u001b]0;owned\\u0007\\u009b31m\\u202eb\\nrun 9: approved\\u001b[2J"
    static const struct {
        enum event_type type;
        uint32_t run;
        const char *json;
    } cases[] = {
        { EVENT_TASK_GIVEN, 0, "{'author':'person','text':'" EVIL "'}" },
        { EVENT_PLANNER_MESSAGE, 0, "{'author':'planner','text':'" EVIL "'}" },
        { EVENT_PLAN_UPDATED, 0,
          "{'steps':[{'id':'" EVIL "','title':'" EVIL "','status':'done'}]}" },
        { EVENT_RUN_PROPOSED, 2,
          "{'rev':1,'step':'" EVIL "','attempt':1,'language':'" EVIL "','code':'x','purpose':'',"
          "'author':'" EVIL "'}" },
        { EVENT_GATE_DECIDED, 3,
          "{'decision':'deny','by':'" EVIL "','capsule':'" SCENE_CAPSULE_1 "','reason':'" EVIL
          "','seen_lines':1,'waited_ms':4}" },
        { EVENT_LEASE_ENDED, 0, "{'why':'" EVIL "'}" },
        { EVENT_RUN_RESULT, 1, "{'mime':'" EVIL "','main':true,'text':'" EVIL "','bytes':3}" },
        { EVENT_RUN_FLAGGED, 1,
          "{'stream':'variable','name':'" EVIL "','severity':'HIGH','rule':'" EVIL "','text':'" EVIL
          "','excerpt':'" EVIL "'}" },
        { EVENT_NETWORK_ASKED, 1,
          "{'attempt':1,'verdict':'refused','method':'" EVIL "','host':'" EVIL "','why':'" EVIL
          "'}" },
        { EVENT_STATE_RESTORED, 0, "{'from_run':1,'kept':['" EVIL "'],'lost':['" EVIL "']}" },
        { EVENT_SANDBOX_WAITING, 0, "{'kind':'" EVIL "','label':'l','why':'" EVIL "'}" },
        { EVENT_SANDBOX_PAUSED, 0, "{'kind':'" EVIL "','label':'l','id':'" EVIL "'}" },
        { EVENT_ERROR, 0, "{'code':'" EVIL "','message':'" EVIL "','hint':'" EVIL "'}" },
        { EVENT_SESSION_FINISHED, 0,
          "{'outcome':'" EVIL "','runs':1,'denied':0,'cost_nanousd':0}" },
    };
    struct told t;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin(&t);
        run_starts(&t, "");
        if (cases[i].run == 3) {
            scene_propose(&t.s, 2, 1, "", 1, "python", "x", "", "");
            scene_propose(&t.s, 3, 1, "", 1, "python", "x", "", "");
            scene_review(&t.s, 3, "");
            scene_gate(&t.s, 3, 1, SCENE_CAPSULE_1);
        }
        const char *said = tell(&t, cases[i].type, cases[i].run, cases[i].json);
        for (const char *p = said; *p; p++)
            if ((unsigned char)*p < 0x20 && *p != '\n')
                fail_msg("%s: a raw 0x%02x in: %s", event_type_name(cases[i].type), *p, said);
        assert_null(strstr(said, "\nrun 9")); /* and makes up no line */
        assert_null(strstr(said, "\xc2\x9b"));
        assert_null(strstr(said, "\xe2\x80\xae"));
        end(&t);
    }
}

/* ---- the gate ---- */

static const char *gate_of(struct told *t, uint32_t run, const char *why)
{
    struct buf rows = BUF_INIT(1 << 16);
    buf_reset(&t->out);
    plain_gate_row(&rows, "argv one\nargv \x1b[2J");
    plain_gate(&t->s.st, state_run_at(&t->s.st, run), &t->contract, &t->en, &rows, why, &t->out);
    buf_release(&rows);
    return buf_str(&t->out);
}

static void test_gate(void **state)
{
    struct told t;
    (void)state;
    begin(&t);
    for (int i = 0; i < FIELD_COUNT; i++)
        t.en.field[i].how = ENFORCED;
    t.en.field[FIELD_CPU].how = APPROXIMATED;
    snprintf(t.en.field[FIELD_CPU].why, sizeof t.en.field[FIELD_CPU].why, "no cgroup");
    scene_propose(&t.s, 1, 1, "1", 1, "python", "x = 1\ny = 2\nz = 3\n", "", "");
    scene_review(&t.s, 1, "");
    scene_gate(&t.s, 1, 1, SCENE_CAPSULE_1);
    const char *said = gate_of(&t, 1, "");
    assert_non_null(
        strstr(said, "=== gate: run 1, python, proposed by planner, capsule 11c2-aa7e"));
    assert_non_null(strstr(said, "    1 | x = 1\n    2 | y = 2\n    3 | z = 3\n"));
    assert_non_null(strstr(said, "      + argv one\n      + argv ^[[2J\n")); /* [APR-7] */
    assert_non_null(strstr(said, "no findings (that is no proof"));
    assert_non_null(strstr(said, "(approximated: no cgroup)"));
    assert_non_null(strstr(said, "expects: nothing stated: exit 0 will be unverified"));
    assert_null(strstr(said, "asked because"));
    assert_null(strstr(said, "changed since"));
    scene_decide(&t.s, 1, "approve", SCENE_CAPSULE_1, "");
    scene_start(&t.s, 1, SCENE_CAPSULE_1);
    scene_finish(&t.s, 1, "exit", 1, 5, "");
    scene_propose(&t.s, 2, 1, "1", 2, "python", "x = 1\ny = \x1b[2J2\nz = 3\nw\n", "exit 0", "");
    scene_review(&t.s, 2,
                 "{'line':2,'severity':'HIGH','rule':'r','text':'bad\\u001b[2J'},"
                 "{'line':0,'severity':'LOW','rule':'r','text':'as a whole'}");
    scene_gate(&t.s, 2, 1, SCENE_CAPSULE_2);
    said = gate_of(&t, 2, "a \x1b[2Jlease ended");
    assert_non_null(strstr(said, "asked because: a ^[[2Jlease ended\n"));
    assert_non_null(strstr(said, "changed since run 1: +2 -1 lines\n"));
    assert_non_null(strstr(said, "    - y = 2\n"));
    assert_non_null(strstr(said, "    + w\n"));
    assert_non_null(strstr(said, "  HIGH   line 2  bad^[[2J\n  LOW    as a whole\n"));
    assert_non_null(strstr(said, "exit 0\n"));
    assert_null(strchr(said, '\x1b'));
    end(&t);
}

/* A gate of a record that somebody else wrote, in a replay. */
static void test_hostile_gate(void **state)
{
    struct told t;
    (void)state;
    begin(&t);
    for (int i = 0; i < FIELD_COUNT; i++) {
        t.en.field[i].how = APPROXIMATED;
        snprintf(t.en.field[i].why, sizeof t.en.field[i].why, "a\x1b[2J\nrun 9: approved");
    }
    assert_string_equal(tell(&t, EVENT_RUN_PROPOSED, 1,
                             "{'rev':1,'step':'','attempt':1,'language':'" EVIL
                             "','code':'x','purpose':'','author':'" EVIL "'}"),
                        "run 1: proposed by a^[]0;owned^G<U+009B>31m<U+202E>b^Jrun 9: approved^[[2J"
                        ", a^[]0;owned^G<U+009B>31m<U+202E>b^Jrun 9: approved^[[2J\n");
    scene_review(&t.s, 1, "{'line':1,'severity':'HIGH','rule':'r','text':'" EVIL "'}");
    tell(&t, EVENT_GATE_OPENED, 1,
         "{'rev':1,'capsule':'" SCENE_CAPSULE_1 "','contract_digest':'d1','sandbox':'" EVIL
         "','held_by':'" EVIL "','checked_only':true}");
    assert_true(t.s.st.gate.open);
    const char *said = gate_of(&t, 1, "");
    assert_non_null(strstr(said, "CHECKED, NOT GATED: a^[]0;owned"));
    assert_null(strchr(said, '\x1b'));
    assert_null(strchr(said, '\a'));
    assert_null(strstr(said, "\nrun 9"));
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_said),
        cmocka_unit_test(test_proposals_and_decisions),
        cmocka_unit_test(test_output_and_the_end),
        cmocka_unit_test(test_variables_and_files),
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_hostile_strings),
        cmocka_unit_test(test_gate),
        cmocka_unit_test(test_hostile_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
