/* test_round_resume.c - variables across sandboxes and processes: what comes back, from where, and
 * that everything which does not is named. */
#include "round_past.h"

static void tell_restored(size_t box, const char *kept, const char *lost)
{
    tell(box, (struct sandbox_event){ .kind = SANDBOX_RESTORED,
                                      .kept = &kept,
                                      .kept_count = kept != NULL,
                                      .lost = &lost,
                                      .lost_count = lost != NULL });
}

static void tell_failed(size_t box, enum err_code code, const char *words)
{
    tell(box, (struct sandbox_event){ .kind = SANDBOX_FAILED, .err = because(code, words) });
}

/* ---- a new sandbox gets what was saved ---- */

static void test_the_saved_namespace_comes_back(void **state)
{
    (void)state;
    past_sandbox("");
    past_run(1, VAR("x", "a") "," VAR("y", "b"));
    past_saved(1, "'y (an open file)'");
    past_run(2, VAR("x", "c") "," VAR("y", "b") "," VAR("z", "d"));
    desk_begin();
    GOOD(round_resume_state(d.r, e));
    LOGGED("> open 01jd0000000000000000000000-8"); /* numbers are never given twice */
    tell_ready(0);
    LOGGED("> load 0 namespace");
    assert_false(round_is_quiet(d.r));
    tell_restored(0, "x", NULL);
    LOGGED("state.restored 0 {\"from_run\":1,\"how\":\"saved\",\"kept\":[\"x\"],\"lost\":["
           "\"x (its value after run 2)\",\"y (an open file)\",\"z\"]}");
    assert_true(round_is_quiet(d.r));
}

static void test_a_namespace_that_does_not_come_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *refuse;
        int64_t size; /* as recorded; 9 is right */
        bool no_load, fails_late;
        const char *says;
    } cases[] = {
        { "read", 9, false, false, "no blob" },
        { "load", 9, false, false, "no load today" },
        { NULL, 10, false, false, "the saved variables are not whole" },
        { NULL, 9, true, false, "sandbox box can't take variables in" },
        { NULL, 9, false, true, "bad pickle" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            assert_int_equal(desk_setup(NULL), 0);
        past_sandbox("");
        past_run(1, VAR("x", "a"));
        past_saved(1, "");
        d.st.runs[0]->saved.bytes = cases[i].size;
        d.refuse = cases[i].refuse;
        if (cases[i].no_load)
            d.sandbox.load = NULL;
        desk_begin();
        GOOD(own_code("print(x)", e));
        GOOD(decide(DECIDE_APPROVE, e));
        tell_ready(0);
        if (cases[i].fails_late)
            tell(0, (struct sandbox_event){ .kind = SANDBOX_RESTORED,
                                            .err = because(ERR_FORMAT, "bad pickle") });
        LOGGED(cases[i].says);
        LOGGED(cases[i].fails_late ? "the interpreter is fresh" : "the variables are not back");
        BEFORE("\"how\":\"none\",\"kept\":[],\"lost\":[\"x\"]", "run.started 2");
        assert_int_equal(d.st.var_count, 0); /* the screen does not show what is not there */
        assert_int_equal(d.st.runs[1]->parent_run, 0);
        if (i + 1 < ARRAY_LEN(cases))
            assert_int_equal(desk_teardown(NULL), 0);
    }
}

/* Files alone are state too: they are told as lost. */
static void test_lost_files_are_named(void **state)
{
    (void)state;
    past_sandbox("");
    past_run(1, "");
    fact("state.changed", 1,
         "{'vars':[],'files':[{'path':'a.csv','change':'new','bytes':1},"
         "{'path':'in.csv','change':'changed','bytes':1}]}");
    desk_begin();
    GOOD(round_resume_state(d.r, e));
    tell_ready(0);
    LOGGED("\"lost\":[\"file a.csv\"]");
}

static void test_nothing_to_bring_back(void **state)
{
    (void)state;
    past_sandbox("");
    past_run(1, "{'name':'x','type':'int','preview':'1','change':'gone'}");
    desk_begin();
    GOOD(round_resume_state(d.r, e));
    SILENT("> open");
    d.refuse = "open";
    GOOD(own_code("1", e)); /* and the next run starts as ever */
    assert_true(d.st.gate.open);
}

static void test_a_sandbox_that_can_not_be_made_is_said(void **state)
{
    (void)state;
    past_sandbox("");
    past_run(1, VAR("x", "a"));
    d.refuse = "open";
    desk_begin();
    BAD(round_resume_state(d.r, e), ERR_NET, "the REPL state can't be restored now: no open today");
    assert_true(round_is_quiet(d.r));
}

/* ---- what was under way ---- */

static void test_what_was_cut_off_has_an_end(void **state)
{
    (void)state;
    past_started(1);
    past_proposed(2, "x", "planner", "");
    past_decided(2, "approve");
    desk_begin();
    GOOD(round_resume_state(d.r, e));
    LOGGED("run.finished 1 {\"end\":\"lost\"");
    LOGGED("how far it came is unknown");
    LOGGED("run.finished 2 {\"end\":\"lost\"");
    LOGGED("nothing of it ran");
    assert_int_equal(d.st.running, 0);
    SILENT("> exec");
}

/* It waits at a gate again, with the files that belong to it; a new capsule is decided on. */
static void test_what_waited_waits_again(void **state)
{
    (void)state;
    static const struct {
        const char *file, *refuse, *says;
        bool reviewed, each;
    } cases[] = {
        { "in.csv", NULL, "? 1", true, true },
        { "in.csv", NULL, "? 1", false, true },
        { NULL, "artifacts", "files that belong to this code are missing: deny it", true, true },
        { NULL, NULL, "? 1", true, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            assert_int_equal(desk_setup(NULL), 0);
        if (cases[i].reviewed)
            past_proposed(1, "x", "person", "");
        else
            fact("run.proposed", 1,
                 "{'rev':1,'step':'','attempt':1,'language':'python','code':'x','purpose':'p',"
                 "'author':'person'}");
        d.file = cases[i].file;
        d.refuse = cases[i].refuse;
        d.cfg.port.each_artifact = cases[i].each ? desk_each : NULL;
        d.cfg.typed_runs = true; /* nobody types it again: it is asked for */
        desk_begin();
        GOOD(round_resume_state(d.r, e));
        turns();
        LOGGED(cases[i].says);
        assert_true(d.st.gate.open);
        TIMES(!cases[i].reviewed, "run.reviewed");
        assert_int_equal(strstr(d.st.gate.attached, "in.csv") != NULL, cases[i].file != NULL);
        if (i + 1 < ARRAY_LEN(cases))
            assert_int_equal(desk_teardown(NULL), 0);
    }
}

/* Arguments and input are fields of the capsule: what waits again is what waited, or it is said. */
static void test_what_was_given_comes_back(void **state)
{
    (void)state;
    static const struct {
        const char *given, *key; /* of the record; key NULL: no gate had opened */
        const char *refuse, *says, *shows;
        bool erased;
    } cases[] = {
        { "'argv':['f.py','a b']", "", NULL, "? 1", "a b", false },
        { "'argv':['f.py'],'stdin':'typed'", NULL, NULL, "? 1", "f.py", false },
        { "'stdin_base64':'AGI='", NULL, NULL, "? 1", "stdin", false },
        { "'stdin_base64':'?'", NULL, NULL, "that belong to this code are missing: deny it", "",
          false },
        { "'argv':['f.py']", "00", NULL, "this is not what waited at the gate before", "f.py",
          false },
        { "'argv':['f.py']", NULL, "events", "that belong to this code are missing: deny it", "",
          false },
        { "'argv':['f.py']", NULL, NULL, "was erased", "", true },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char json[512];
        if (i > 0)
            assert_int_equal(desk_setup(NULL), 0);
        snprintf(json, sizeof json,
                 "{'rev':1,'step':'','attempt':1,'language':'python','code':'x','purpose':'p',"
                 "'author':'person',%s}",
                 cases[i].given);
        fact("run.proposed", 1, json);
        fact("run.reviewed", 1, "{'findings':[]}");
        if (cases[i].key != NULL) {
            snprintf(json, sizeof json,
                     "{'rev':1,'capsule':'%064u','contract_digest':'d','sandbox':'b',"
                     "'code_key':'%s'}",
                     1, cases[i].key);
            fact("gate.opened", 1, json);
            fact("gate.decided", 1,
                 "{'decision':'dry-run','by':'person','capsule':"
                 "'0000000000000000000000000000000000000000000000000000000000000001',"
                 "'seen_lines':1,'waited_ms':1}");
        }
        d.refuse = cases[i].refuse;
        d.erased = cases[i].erased;
        desk_begin();
        GOOD(round_resume_state(d.r, e));
        turns();
        LOGGED(cases[i].says);
        assert_true(d.st.gate.open);
        if (strstr(d.st.gate.attached, cases[i].shows) == NULL)
            fail_msg("case %zu: %s", i, d.st.gate.attached);
        if (i + 1 < ARRAY_LEN(cases))
            assert_int_equal(desk_teardown(NULL), 0);
    }
}

/* A record that a person edited: what can't be sealed is not brought to a gate. */
static void test_what_can_not_be_sealed_is_not_asked(void **state)
{
    (void)state;
    past_proposed(1, "x", "person", "stdout sings");
    desk_begin();
    GOOD(round_resume_state(d.r, e));
    turns();
    LOGGED("! run 1: ");
    assert_false(d.st.gate.open);
}

/* ---- the sandbox that lives on ---- */

#define LIVES (SANDBOX_IS_REMOTE | SANDBOX_CAN_PAUSE)

static void begin_attached(const char *last)
{
    past_sandbox("");
    past_run(1, VAR("x", "a") "," VAR("y", "b") "," VAR("z", "c"));
    if (last[0] != '\0')
        fact(last, 0, "{'kind':'box','label':'01jd0000000000000000000000-7','id':'old-id'}");
    d.sandbox.caps |= LIVES;
    desk_begin();
    GOOD(round_resume_state(d.r, e));
}

static void test_it_is_found_again(void **state)
{
    (void)state;
    static const char *const kept[] = { "x", "y", "z" };
    const struct sandbox_var now[] = {
        { .name = "x", .type = "int", .preview = "1", .digest = "a" },
        { .name = "y", .type = "int", .preview = "2", .digest = "other" },
        { .name = "z", .type = "int", .preview = "2", .digest = "" },
        { .name = "w", .type = "int", .preview = "2", .digest = "new" },
    };
    begin_attached("sandbox.paused");
    LOGGED("> open 01jd0000000000000000000000-7 attach=old-id");
    tell(0, (struct sandbox_event){ .kind = SANDBOX_READY, .id = "old-id", .again = true });
    tell(0, (struct sandbox_event){ .kind = SANDBOX_RESTORED,
                                    .kept = kept,
                                    .kept_count = 3,
                                    .vars = now,
                                    .var_count = ARRAY_LEN(now) });
    LOGGED("\"how\":\"attached\",\"kept\":[\"x\",\"y\",\"z\"],\"lost\":["
           "\"y (changed since by code that was cut off)\"]");
    SILENT("> load");
    assert_false(d.st.went_back);
    GOOD(own_code("print(x)", e));
    GOOD(decide(DECIDE_APPROVE, e));
    LOGGED("> exec 2 on 0");
}

/* It is known to be gone: what was saved goes into a new one. Else nothing replaces it unasked. */
static void test_it_is_not_there_any_more(void **state)
{
    (void)state;
    for (unsigned gone = 0; gone < 2; gone++) {
        if (gone > 0)
            assert_int_equal(desk_setup(NULL), 0);
        begin_attached("sandbox.paused");
        tell_failed(0, ERR_MISSING, "no such sandbox");
        LOGGED("what is not saved elsewhere is lost");
        tell(0, (struct sandbox_event){ .kind = SANDBOX_CLOSED, .confirmed = gone });
        TIMES(gone, "> open 01jd0000000000000000000000-8 attach=-");
        if (gone) {
            tell_ready(1);
            LOGGED("\"how\":\"none\",\"kept\":[],\"lost\":[\"x\",\"y\",\"z\"]");
        }
        assert_true(round_is_quiet(d.r));
        if (!gone)
            assert_int_equal(desk_teardown(NULL), 0);
    }
}

static void test_it_is_gone_and_no_other_can_be_had(void **state)
{
    (void)state;
    begin_attached("sandbox.paused");
    tell_failed(0, ERR_MISSING, "no such sandbox");
    d.refuse = "open";
    tell_closed(0);
    LOGGED("\"message\":\"no open today\",\"hint\":\"the next run starts a new sandbox\"");
    assert_true(round_is_quiet(d.r));
}

static void test_a_run_was_approved_meanwhile(void **state)
{
    (void)state;
    begin_attached("sandbox.paused");
    GOOD(own_code("2", e));
    GOOD(decide(DECIDE_APPROVE, e));
    tell_failed(0, ERR_MISSING, "no such sandbox");
    LOGGED("run.finished 2 {\"end\":\"sandbox\"");
    tell_closed(0);
    TIMES(2, "> open");
}

static void test_where_it_may_be(void **state)
{
    (void)state;
    static const struct {
        const char *last;
        unsigned caps;
        bool asked;
    } cases[] = {
        { "", LIVES, true },
        { "sandbox.paused", LIVES, true },
        { "sandbox.orphaned", LIVES, true },
        { "sandbox.closed", LIVES, false },
        { "sandbox.paused", SANDBOX_IS_REMOTE, false },
        { "sandbox.paused", SANDBOX_CAN_PAUSE, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            assert_int_equal(desk_setup(NULL), 0);
        past_sandbox(cases[i].last);
        d.sandbox.caps |= cases[i].caps;
        d.refuse = "open";
        desk_begin();
        struct err e = ERR_INIT;
        assert_int_equal(round_resume_state(d.r, &e), cases[i].asked ? -1 : 0);
        TIMES(cases[i].asked, "attach=old-id");
        assert_true(round_is_quiet(d.r));
        if (i + 1 < ARRAY_LEN(cases))
            assert_int_equal(desk_teardown(NULL), 0);
    }
}

/* ---- snapshots ---- */

static void test_a_snapshot_comes_before_a_namespace(void **state)
{
    (void)state;
    d.sandbox.caps |= SANDBOX_CAN_SNAPSHOT;
    past_sandbox("sandbox.closed");
    past_run(1, VAR("x", "a"));
    past_saved(1, "");
    fact("checkpoint.made", 1, "{'kind':'snapshot','snapshot':'snap-1'}");
    desk_begin();
    GOOD(round_resume_state(d.r, e));
    LOGGED("snapshot=snap-1");
    tell(0, (struct sandbox_event){ .kind = SANDBOX_READY, .id = "new", .again = true });
    tell_restored(0, "x", NULL);
    LOGGED("\"how\":\"snapshot\",\"kept\":[\"x\"],\"lost\":[]");
    SILENT("> load");
    SILENT("checkpoint.lost");
}

static void test_a_snapshot_that_is_gone(void **state)
{
    (void)state;
    d.sandbox.caps |= SANDBOX_CAN_SNAPSHOT;
    past_sandbox("sandbox.closed");
    past_run(1, VAR("x", "a"));
    past_saved(1, "");
    fact("checkpoint.made", 1, "{'kind':'snapshot','snapshot':'snap-1'}");
    desk_begin();
    GOOD(round_resume_state(d.r, e));
    tell_failed(0, ERR_MISSING, "no such template");
    LOGGED("checkpoint.lost 1 {\"kind\":\"snapshot\",\"why\":\"no such template\"}");
    LOGGED("the next best is taken");
    tell_closed(0);
    LOGGED("> open 01jd0000000000000000000000-9 attach=- snapshot=-");
    tell_ready(1);
    LOGGED("> load 1 namespace");
    tell_restored(1, "x", NULL);
    LOGGED("\"how\":\"saved\"");

    /* Any other failure is no reason to forget it. */
    assert_int_equal(desk_teardown(NULL), 0);
    assert_int_equal(desk_setup(NULL), 0);
    d.sandbox.caps |= SANDBOX_CAN_SNAPSHOT;
    past_sandbox("sandbox.closed");
    past_run(1, VAR("x", "a"));
    fact("checkpoint.made", 1, "{'kind':'snapshot','snapshot':'snap-1'}");
    desk_begin();
    GOOD(round_resume_state(d.r, e));
    tell_failed(0, ERR_NET, "no answer");
    SILENT("checkpoint.lost");
    tell_closed(0);
    TIMES(1, "> open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_the_saved_namespace_comes_back),
        CASE(test_a_namespace_that_does_not_come_is_said),
        CASE(test_lost_files_are_named),
        CASE(test_nothing_to_bring_back),
        CASE(test_a_sandbox_that_can_not_be_made_is_said),
        CASE(test_what_was_cut_off_has_an_end),
        CASE(test_what_waited_waits_again),
        CASE(test_what_was_given_comes_back),
        CASE(test_what_can_not_be_sealed_is_not_asked),
        CASE(test_it_is_found_again),
        CASE(test_it_is_not_there_any_more),
        CASE(test_it_is_gone_and_no_other_can_be_had),
        CASE(test_a_run_was_approved_meanwhile),
        CASE(test_where_it_may_be),
        CASE(test_a_snapshot_comes_before_a_namespace),
        CASE(test_a_snapshot_that_is_gone),
    };
    return cmocka_run_group_tests_name("round_resume", tests, NULL, desk_end);
}
