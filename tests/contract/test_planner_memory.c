/* test_planner_memory.c - planners that ask a model: a saved session goes on, words wait for the
 * next call, the person sees what the model sees. The servers check the order of calls and results.
 */
#include "contract/planner_box.h"

/* Before it was told anything. */
static struct planner *begin_silent(const char *scenario)
{
    struct err e = ERR_INIT;
    struct planner *p = NULL;
    forget();
    start_server(scenario, "");
    assert_int_equal(loop_new(&lp, &e), 0);
    net = net_new(lp);
    struct planner_config cfg = config();
    if (dialect->ops->open(&p, &cfg, &e) < 0)
        fail_msg("%s", e.msg);
    return p;
}

static const struct planner_observation went_well = { .run = 1,
                                                      .call_id = "run-1",
                                                      .step = "1",
                                                      .attempt = 1,
                                                      .end = END_EXIT,
                                                      .has_code = true,
                                                      .verdict = "verified",
                                                      .reason = "",
                                                      .checks = "",
                                                      .out = "41\n",
                                                      .out_len = 3,
                                                      .err_out = "",
                                                      .results = "" };

static void recall(struct planner *p, enum planner_past_kind kind, const char *text)
{
    struct err e = ERR_INIT;
    const struct planner_proposal proposal = { .language = "python",
                                               .code = "print(41)\n",
                                               .code_len = 10,
                                               .purpose = "find it",
                                               .step = "1",
                                               .expect = "exit 0\nstdout contains 42",
                                               .call_id = text };
    const struct planner_step step = { .id = "1", .title = "Compute", .expect = "" };
    struct planner_past past = { .kind = kind,
                                 .text = text,
                                 .proposal = kind == PAST_PROPOSAL ? &proposal : NULL,
                                 .observation = kind == PAST_OBSERVATION ? &went_well : NULL,
                                 .steps = &step,
                                 .step_count = kind == PAST_PLAN };
    heard.inside = true;
    if (p->ops->resume(p, &past, &e) < 0)
        fail_msg("%s", e.msg);
    heard.inside = false;
}

struct seen {
    unsigned count, unsent, counted;
    struct buf roles, text;
};

static void see(void *arg, const struct planner_context_item *item)
{
    struct seen *s = arg;
    s->count++;
    s->unsent += item->unsent;
    s->counted += item->counted;
    assert_true(item->tokens > 0);
    (void)buf_addf(&s->roles, "%s ", item->role);
    (void)buf_add(&s->text, item->text, item->text_len);
}

static struct planner_context_sum look(struct planner *p, struct seen *s)
{
    struct planner_context_sum sum;
    *s = (struct seen){ .count = 0 };
    buf_init(&s->roles, 4096);
    buf_init(&s->text, (size_t)1 << 20);
    p->ops->context(p, &sum, see, s);
    return sum;
}

static void forget_seen(struct seen *s)
{
    buf_release(&s->roles);
    buf_release(&s->text);
}

/* The server checks the order of calls and results. */
static void a_saved_session_goes_on_at_its_gate(void **state)
{
    (void)state;
    struct seen seen;
    struct planner *p = begin_silent("proposal");
    recall(p, PAST_WORDS, "Compute six times seven.");
    recall(p, PAST_SAID, "I will.");
    recall(p, PAST_PROPOSAL, "run-1");
    recall(p, PAST_OBSERVATION, "");
    recall(p, PAST_PROPOSAL, "toolu_open");
    recall(p, PAST_WORDS, "And be quick.");
    recall(p, PAST_PLAN, "");
    recall(p, PAST_END, "");
    assert_int_equal(p->ops->queued(p), 1);
    struct planner_context_sum sum = look(p, &seen);
    assert_string_equal(buf_str(&seen.roles),
                        "instructions tools user assistant result assistant user ");
    assert_int_equal(seen.unsent, 3); /* the words, the result, what waits */
    assert_non_null(strstr(buf_str(&seen.text), " print(41)\n"));
    assert_non_null(strstr(buf_str(&seen.text), "I changed the plan. It is now:\n1. Compute"));
    assert_true(sum.last_input == -1);
    assert_string_equal(sum.model, dialect->model);
    forget_seen(&seen);

    snprintf(heard.call_id, sizeof heard.call_id, "toolu_open");
    observe(p, false, "42\n");
    go_through(p, false);
    assert_int_equal(heard.errors, 0);
    assert_int_equal(heard.finishes, 1);
    assert_int_equal(p->ops->queued(p), 0);
    sum = look(p, &seen);
    assert_int_equal(sum.last_input, 1000);
    assert_int_equal(sum.last_output, 50);
    assert_int_equal(seen.counted, 2); /* the answers of the two calls */
    forget_seen(&seen);
    end(p);
}

static void a_saved_session_waits_for_the_person(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct planner *p = begin_silent("proposal");
    recall(p, PAST_WORDS, "Compute six times seven.");
    recall(p, PAST_PROPOSAL, "run-1");
    recall(p, PAST_OBSERVATION, "");
    recall(p, PAST_END, "");
    until_over();
    assert_int_equal(heard.waits, 1); /* nobody pays for a call before somebody speaks */
    assert_int_equal(heard.usages, 0);
    assert_int_equal(p->ops->message(p, "go on", &e), 0);
    go_through(p, false);
    assert_int_equal(heard.errors, 0);
    assert_int_equal(heard.finishes, 1);
    end(p);
}

static void what_waits_goes_with_the_next_call(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    const struct planner_step step = { .id = "1", .title = "Another", .expect = "" };
    struct planner *p = begin("stall", ""); /* no answer for a long time */
    struct seen seen;
    while (heard.thought.len == 0)
        assert_int_equal(loop_turn(lp, 100, &e), 0);
    assert_int_equal(p->ops->message(p, "one", &e), 0);
    assert_int_equal(p->ops->message(p, "two", &e), 0);
    assert_int_equal(p->ops->plan_edited(p, &step, 1, &e), 0);
    assert_int_equal(p->ops->plan_edited(p, &step, 1, &e), 0);
    assert_int_equal(p->ops->set_model(p, "claude-opus-5", &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    p->ops->cancel(p);
    assert_int_equal(p->ops->queued(p), 2);
    assert_int_equal(p->ops->message(p, "", &e), 0); /* go on with what waits */
    buf_reset(&heard.thought);
    while (heard.thought.len == 0)
        assert_int_equal(loop_turn(lp, 100, &e), 0);
    assert_int_equal(p->ops->queued(p), 0);
    (void)look(p, &seen);
    assert_non_null(strstr(buf_str(&seen.text),
                           "one\n\ntwo\n\nI changed the plan. It is now:\n1. Another (pending)\n"));
    assert_int_equal(seen.unsent, 0);
    forget_seen(&seen);
    p->ops->cancel(p);
    if (dialect == &claude)
        assert_int_equal(p->ops->set_model(p, "claude-haiku-4-5@low", &e), -1);
    assert_int_equal(p->ops->set_model(p, "claude-opus-5@max", &e), 0);
    struct planner_context_sum sum = look(p, &seen);
    assert_string_equal(sum.effort, "max");
    forget_seen(&seen);
    end(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saved_session_goes_on_at_its_gate),
        cmocka_unit_test(a_saved_session_waits_for_the_person),
        cmocka_unit_test(what_waits_goes_with_the_next_call),
    };
    with.key = KEY;
    int failed = cmocka_run_group_tests(tests, use_claude, NULL);
    return failed + cmocka_run_group_tests(tests, use_chat, NULL);
}
