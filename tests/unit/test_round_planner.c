/* test_round_planner.c - the planner's side: what it says becomes events, what it is told of its
 * proposals, when it is told that enough is enough, and how the session ends. */
#include "round_fixture.h"

#include "tool/round_int.h"

#define SECRET "sk-secret-0123456789abcdef"

static void say_text(enum planner_event_kind kind, const char *text)
{
    say((struct planner_event){ .kind = kind, .text = text, .text_len = strlen(text) });
}

/* The planner's code at the gate runs and ends so. */
static void run_proposed(uint32_t run, int code)
{
    bool first = d.box_count == 0;
    GOOD(decide(DECIDE_APPROVE, e));
    if (first)
        tell_ready(0);
    tell_exit(0, run, code);
    tell_state(0, run, "", "");
}

/* ---- words ---- */

static void test_words_reach_it_once(void **state)
{
    (void)state;
    desk_begin();
    assert_true(round_planner_done(d.r));
    GOOD(round_task(d.r, "count the words", "person", e));
    turns();
    LOGGED("> task count the words");
    assert_false(round_planner_done(d.r));
    assert_false(round_is_quiet(d.r));
    say_text(PLANNER_MESSAGE, "I will");
    GOOD(round_note(d.r, "only the long ones", "person", e));
    turns();
    LOGGED("> message 'only the long ones'");
    say((struct planner_event){ .kind = PLANNER_WAITING });
    TIMES(1, "planner.waiting");
    say((struct planner_event){ .kind = PLANNER_WAITING });
    TIMES(1, "planner.waiting"); /* nothing was under way */
    assert_true(round_is_quiet(d.r));
    d.refuse = "message";
    GOOD(round_note(d.r, "and now?", "person", e));
    turns();
    LOGGED("\"message\":\"no message today\"");
    assert_true(round_planner_done(d.r));
}

static void test_what_streams_is_for_the_eye_only(void **state)
{
    (void)state;
    desk_begin();
    clear();
    say_text(PLANNER_DELTA, "some");
    say_text(PLANNER_THINKING, "hm");
    say_text(PLANNER_CODE_DELTA, "pri");
    assert_string_equal(buf_str(&d.log), "~ 1 some\n~ 2 hm\n~ 3 pri\n");
    assert_int_equal(d.st.message_count, 0);
}

static void test_a_secret_is_hidden_in_words(void **state)
{
    (void)state;
    struct planner_step plan[] = { { "1", "count", STEP_ACTIVE, NULL },
                                   { "2", "use " SECRET, STEP_PENDING, "" } };
    GOOD(redact_add(d.redact, "KEY", SECRET, sizeof SECRET - 1, e));
    desk_begin();
    say_text(PLANNER_MESSAGE, "the key is " SECRET);
    LOGGED("planner.message");
    say((struct planner_event){ .kind = PLANNER_PLAN, .steps = plan, .step_count = 2 });
    LOGGED("plan.updated");
    SILENT(SECRET);
    BAD(round_edit_plan(d.r, plan, 2, e), ERR_DENIED, "step 2 holds the secret KEY");
    SILENT("> plan 2");
    GOOD(round_edit_plan(d.r, plan, 1, e));
    BEFORE("> plan 1 count", "\"author\":\"person\"");
    d.refuse = "plan";
    BAD(round_edit_plan(d.r, plan, 1, e), ERR_NET, "no plan today");
    TIMES(1, "\"author\":\"person\"");
}

static void test_its_errors_are_told(void **state)
{
    (void)state;
    desk_begin();
    GOOD(round_task(d.r, "x", "person", e));
    turns();
    say((struct planner_event){
        .kind = PLANNER_ERROR, .err = because(ERR_NET, "no answer"), .retry_after_ms = 1500 });
    LOGGED("\"hint\":\"it will be tried again\",\"retry_ms\":1500");
    assert_false(round_planner_done(d.r));
    say((struct planner_event){ .kind = PLANNER_ERROR, .err = because(ERR_NET, "no key") });
    LOGGED("\"message\":\"no key\",\"hint\":\"\"}");
    assert_true(round_planner_done(d.r));
    assert_int_equal(d.st.phase, PHASE_IDLE);
}

/* What was said meanwhile is what it was interrupted for. */
static void test_an_interrupt_lets_in_what_waits(void **state)
{
    (void)state;
    for (unsigned queued = 0; queued < 2; queued++) {
        if (queued > 0)
            assert_int_equal(desk_setup(NULL), 0);
        d.planner.queued = plan_queued;
        desk_begin();
        assert_int_equal(round_queued(d.r), 0);
        GOOD(round_task(d.r, "x", "person", e));
        turns();
        d.waiting_words = queued;
        assert_int_equal(round_queued(d.r), queued);
        round_interrupt(d.r);
        LOGGED("> cancel");
        TIMES(queued, "> message ''");
        TIMES(!queued, "planner.waiting");
        assert_int_equal(round_planner_done(d.r), !queued);
        if (queued == 0)
            assert_int_equal(desk_teardown(NULL), 0);
    }
}

/* ---- models ---- */

static void give_sum(struct planner *p, struct planner_context_sum *sum, planner_context_fn fn,
                     void *arg)
{
    (void)p;
    (void)fn;
    (void)arg;
    *sum = (struct planner_context_sum){ .model = "m-1" };
}

static int give_models(const struct planner_config *cfg, planner_models_fn fn, void *arg,
                       struct err *e)
{
    assert_ptr_equal(cfg->loop, d.loop);
    fn(arg, NULL, 7, NULL);
    (void)e;
    return 0;
}

static void count_models(void *arg, const struct planner_model *models, size_t n,
                         const struct err *err)
{
    (void)models;
    (void)err;
    *(size_t *)arg = n;
}

static void test_its_model(void **state)
{
    (void)state;
    struct planner_context_sum sum;
    size_t models = 0;
    desk_begin();
    BAD(round_set_model(d.r, "m-2", e), ERR_USAGE, "planner played asks no model");
    BAD(round_context(d.r, &sum, NULL, NULL, e), ERR_USAGE, "planner played asks no model");
    BAD(round_list_models(d.r, count_models, &models, e), ERR_USAGE, "planner played asks no");
    assert_false(round_model(d.r, &sum));
    assert_int_equal(round_queued(d.r), 0);
    d.planner.set_model = plan_set_model;
    d.planner.context = give_sum;
    d.planner.list_models = give_models;
    assert_true(round_model(d.r, &sum));
    assert_string_equal(sum.model, "m-1");
    GOOD(round_context(d.r, &sum, NULL, NULL, e));
    GOOD(round_list_models(d.r, count_models, &models, e));
    assert_int_equal(models, 7);
    GOOD(round_set_model(d.r, "m-2@high", e));
    BEFORE("> model m-2@high", "model.changed 0 {\"model\":\"m-2@high\"}");
    d.refuse = "model";
    BAD(round_set_model(d.r, "m-3", e), ERR_NET, "no model today");
    TIMES(1, "model.changed");
    assert_string_equal(d.st.model, "m-2@high");
}

/* ---- what it is told ---- */

static void test_a_denial_is_told_in_the_persons_words(void **state)
{
    (void)state;
    desk_begin();
    for (uint32_t run = 1; run <= 3; run++) {
        propose("print(1)", "1", "");
        struct round_decide x = { .decision = DECIDE_DENY,
                                  .by = "person",
                                  .capsule = d.st.gate.capsule,
                                  .reason = "not this way" };
        clear();
        GOOD(round_decide(d.r, &x, e));
        turns();
        LOGGED("call-1 denied=1 reason=not this way end=denied verdict=none spent=0 left=3");
        TIMES(run == 3, "over=1"); /* three in a row */
    }
}

static void test_three_attempts_and_no_more(void **state)
{
    (void)state;
    desk_begin();
    for (uint32_t run = 1; run <= 3; run++) {
        char left[32];
        propose("1/0", "1", "exit 0");
        clear();
        run_proposed(run, 1);
        snprintf(left, sizeof left, "spent=1 left=%u over=%d", 3 - run, run == 3);
        LOGGED(left);
        LOGGED("checks FAILED exit 0 (got exit 1)");
        assert_int_equal(d.st.runs[run - 1]->attempt, run);
    }
    propose("1/0", "1", "");
    LOGGED("> observe 0 call-1 denied=1 reason=three attempts at this step have failed");
    assert_int_equal(d.st.run_count, 3);
    propose("print(1)", "2", ""); /* another step is another matter */
    assert_int_equal(d.st.run_count, 4);
}

static void test_long_output_is_clipped(void **state)
{
    (void)state;
    char *big = xcalloc(1, 3 * STATE_OBSERVE_CLIP);
    memset(big, 'o', 3 * STATE_OBSERVE_CLIP);
    desk_begin();
    for (uint32_t run = 1; run <= 3; run++) {
        propose("print(1)", "", "stdout contains 42");
        GOOD(decide(DECIDE_APPROVE, e));
        if (run == 1)
            tell_ready(0);
        tell(0, (struct sandbox_event){ .kind = SANDBOX_OUTPUT,
                                        .run = run,
                                        .stream = run == 1 ? STREAM_STDOUT : STREAM_STDERR,
                                        .ptr = big,
                                        .len = 3 * STATE_OBSERVE_CLIP });
        tell(0, (struct sandbox_event){ .kind = SANDBOX_RESULT,
                                        .run = run,
                                        .mime = "image/png",
                                        .ptr = "\x89PNG",
                                        .len = 4 });
        tell(0,
             (struct sandbox_event){
                 .kind = SANDBOX_RESULT, .run = run, .mime = "text/html", .ptr = "<b>", .len = 3 });
        clear();
        d.refuse = run == 3 ? "output" : NULL; /* the record can't be read */
        tell_exit(0, run, 0);
        tell_state(0, run, "", "");
        LOGGED("clipped=1");
        LOGGED("image/png: 4 bytes, shown to the person\ntext/html: <b>\n");
        /* The head, a mark, the tail; of what can't be read, nothing. */
        char out[64];
        snprintf(out, sizeof out, "out %zu oooo",
                 (size_t)2 * STATE_OBSERVE_CLIP + strlen("\n[… 12345 bytes clipped …]\n"));
        LOGGED(run == 1 ? out : "out 0 ");
    }
    free(big);
}

/* Of a record that did not keep the planner's handle yet. */
static void test_a_proposal_without_a_handle(void **state)
{
    (void)state;
    struct planner_proposal p = { .language = "python",
                                  .code = "1",
                                  .code_len = 1,
                                  .purpose = "",
                                  .step = "",
                                  .expect = "",
                                  .call_id = "" };
    desk_begin();
    say((struct planner_event){ .kind = PLANNER_PROPOSAL, .proposal = &p });
    GOOD(decide(DECIDE_DENY, e));
    LOGGED("> observe 1 run-1 denied=1");
}

/* ---- the end ---- */

static void test_how_it_ends(void **state)
{
    (void)state;
    static const struct {
        enum step_status step;
        bool deny;
        const char *text, *says;
    } cases[] = {
        { STEP_DONE, false, "42", "\"outcome\":\"done\",\"answer\":\"42\"" },
        { STEP_DONE, false, "", "\"outcome\":\"done\",\"runs\"" },
        { STEP_FAILED, true, "no", "\"outcome\":\"failed\"" },
        { STEP_DONE, true, "no", "\"outcome\":\"denied\"" },
        { STEP_DONE, false, NULL, "\"outcome\":\"done\",\"runs\"" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            assert_int_equal(desk_setup(NULL), 0);
        struct planner_step step = { "1", "count", cases[i].step, "exit 0" };
        desk_begin();
        say((struct planner_event){ .kind = PLANNER_PLAN, .steps = &step, .step_count = 1 });
        propose("1", "1", "");
        GOOD(decide(cases[i].deny ? DECIDE_DENY : DECIDE_STOP, e));
        const char *text = cases[i].text;
        say((struct planner_event){
            .kind = PLANNER_FINISH, .text = text, .text_len = text != NULL ? strlen(text) : 0 });
        LOGGED(cases[i].says);
        TIMES(text != NULL && text[0] != '\0', "planner.message");
        assert_true(d.st.finished);
        BAD(round_finish(d.r, "done", "", e), ERR_USAGE, "the session has ended already");
        BAD(round_task(d.r, "x", "person", e), ERR_USAGE, "the session has ended: start a new one");
        BAD(round_edit_plan(d.r, &step, 1, e), ERR_USAGE, "the session has ended");
        BAD(own_code("1", e), ERR_USAGE, "the session has ended: start a new one or fork");
        d.planner.set_model = plan_set_model;
        BAD(round_set_model(d.r, "m", e), ERR_USAGE, "the session has ended");
        propose("2", "", ""); /* what comes now is refused, and nobody is told any more */
        assert_int_equal(d.st.run_count, 1);
        if (i + 1 < ARRAY_LEN(cases))
            assert_int_equal(desk_teardown(NULL), 0);
    }
}

/* A sandbox that ends with the session first says what it has to say. */
static void test_a_remote_one_says_its_last_word(void **state)
{
    (void)state;
    d.sandbox.caps |= SANDBOX_CAN_SAVE | SANDBOX_IS_REMOTE;
    d.sandbox.farewell = box_farewell;
    desk_begin();
    propose("1", "", "");
    GOOD(decide(DECIDE_APPROVE, e));
    tell_ready(0);
    tell_exit(0, 1, 0);
    say_text(PLANNER_FINISH, "done");
    SILENT("session.finished");
    tell_state(0, 1, "x", "1");
    SILENT("session.finished"); /* the variables are being saved */
    tell(0, (struct sandbox_event){ .kind = SANDBOX_SAVED, .run = 1, .ptr = "x", .len = 1 });
    turns();
    BEFORE("> farewell 0", "session.finished");
}

/* So does one of this machine; it lives on, unless nobody will look into it. */
static void test_a_local_one_says_its_last_word(void **state)
{
    (void)state;
    for (int unattended = 0; unattended < 2; unattended++) {
        if (unattended)
            assert_int_equal(desk_setup(NULL), 0);
        d.cfg.unattended = unattended;
        desk_begin();
        propose("1", "", "");
        GOOD(decide(DECIDE_APPROVE, e));
        tell_ready(0);
        tell_exit(0, 1, 0);
        say_text(PLANNER_FINISH, "done");
        SILENT("session.finished");
        tell_state(0, 1, "x", "1");
        if (unattended) {
            LOGGED("> kill 0 killed");
            SILENT("session.finished");
            tell_closed(0);
            BEFORE("sandbox.closed", "session.finished");
        }
        BEFORE("state.changed", "session.finished");
        if (!unattended)
            SILENT("> kill 0");
        assert_int_equal(round_dismiss_sandbox(d.r), !unattended);
        if (!unattended)
            assert_int_equal(desk_teardown(NULL), 0);
    }
}

/* ---- a session goes on ---- */

static int take_past(struct planner *p, const struct planner_past *past, struct err *e)
{
    (void)p;
    switch (past->kind) {
    case PAST_WORDS:
    case PAST_SAID:
        note("past %d %s", (int)past->kind, past->text);
        break;
    case PAST_PROPOSAL:
        note("past proposal %s %s", past->proposal->call_id, past->proposal->code);
        break;
    case PAST_OBSERVATION:
        note("past observation %u %s", past->observation->run,
             run_end_name(past->observation->end));
        break;
    case PAST_PLAN:
        note("past plan %zu %s", past->step_count, past->steps[0].title);
        break;
    case PAST_END:
        note("past end");
        break;
    }
    return answer("past", e);
}

static void facts_of_before(void)
{
    fact("task.given", 0, "{'text':'count','author':'person'}");
    fact("run.proposed", 1,
         "{'rev':1,'step':'','attempt':1,'language':'python','code':'1','purpose':'','author':"
         "'planner','call_id':'c-1'}");
    fact("run.reviewed", 1, "{'findings':[]}");
    fact("gate.opened", 1,
         "{'rev':1,'capsule':'"
         "1111111111111111111111111111111111111111111111111111111111111111',"
         "'contract_digest':'d','sandbox':'b'}");
    fact("gate.decided", 1,
         "{'decision':'deny','by':'person','capsule':'"
         "1111111111111111111111111111111111111111111111111111111111111111',"
         "'seen_lines':1,'waited_ms':1}");
    fact("error", 0, "{'code':'net','message':'no answer','hint':''}");
    fact("planner.message", 0, "{'text':'again','author':'planner'}");
    fact("plan.updated", 0, "{'steps':[{'id':'1','title':'all','status':'active'}]}");
    fact("run.proposed", 2,
         "{'rev':1,'step':'','attempt':1,'language':'python','code':'own','purpose':'','author':"
         "'person'}");
    fact("run.proposed", 3,
         "{'rev':1,'step':'','attempt':1,'language':'python','code':'3','purpose':'','author':"
         "'planner','call_id':'c-3'}");
}

static void test_its_past_is_told_in_order(void **state)
{
    (void)state;
    d.planner.resume = take_past;
    facts_of_before();
    desk_begin();
    clear();
    GOOD(round_resume_state(d.r, e));
    assert_non_null(strstr(buf_str(&d.log),
                           "past 0 count\npast proposal c-1 1\npast observation 1 denied\n"
                           "past 1 again\npast proposal c-3 3\npast plan 1 all\npast end\n"));
    SILENT("own");       /* the person's code is none of its business */
    SILENT("no answer"); /* nor is this */
}

static void test_it_starts_without_a_memory(void **state)
{
    (void)state;
    d.planner.resume = take_past;
    d.refuse = "past";
    facts_of_before();
    desk_begin();
    GOOD(round_resume_state(d.r, e));
    TIMES(1, "\npast "); /* not asked again after it said no */
    LOGGED("planner played starts without a memory of this session: no past today");
    LOGGED("say again what it needs to know");
}

static void test_nothing_to_remember(void **state)
{
    (void)state;
    d.planner.resume = take_past;
    desk_begin();
    GOOD(round_resume_state(d.r, e));
    SILENT("past ");
}

/* ---- beginnings that fail ---- */

static void test_a_round_that_can_not_begin(void **state)
{
    (void)state;
    d.refuse = "planner";
    BAD(round_new(&d.r, &d.cfg, e), ERR_NET, "no planner today");
    assert_null(d.r);
    d.refuse = NULL;
    d.contract.strict = true;
    d.enforcement.field[FIELD_NETWORK].how = NOT_ENFORCEABLE;
    BAD(round_new(&d.r, &d.cfg, e), ERR_DENIED, "network");
    assert_null(d.r);
    round_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_words_reach_it_once),
        CASE(test_what_streams_is_for_the_eye_only),
        CASE(test_a_secret_is_hidden_in_words),
        CASE(test_its_errors_are_told),
        CASE(test_an_interrupt_lets_in_what_waits),
        CASE(test_its_model),
        CASE(test_a_denial_is_told_in_the_persons_words),
        CASE(test_three_attempts_and_no_more),
        CASE(test_long_output_is_clipped),
        CASE(test_a_proposal_without_a_handle),
        CASE(test_how_it_ends),
        CASE(test_a_remote_one_says_its_last_word),
        CASE(test_a_local_one_says_its_last_word),
        CASE(test_its_past_is_told_in_order),
        CASE(test_it_starts_without_a_memory),
        CASE(test_nothing_to_remember),
        CASE(test_a_round_that_can_not_begin),
    };
    return cmocka_run_group_tests_name("round_planner", tests, NULL, desk_end);
}
