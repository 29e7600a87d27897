/* test_planner_faults.c - planners that ask a model, against servers that misbehave, by name.
 * Whatever they do: no proposal but from a whole answer, no hang, no key where it does not belong.
 */
#include "contract/planner_box.h"

/* ---- servers that misbehave */

struct fault {
    const char *scenario, *arg, *words; /* words of the error; NULL: any end but a proposal */
};

static const struct fault of_claude[] = {
    { "short", "", "before the answer did" },
    { "no_stop_event", "", "before the answer did" },
    { "status", "400", "400" },
    { "status", "401", "ANTHROPIC_API_KEY" },
    { "status", "403", "403" },
    { "status", "404", "model" },
    { "status", "500", "500" },
    { "status", "529", "529" },
    { "html", "", "413" },
    { "redirect", "", NULL },
    { "malformed", "", "makes no sense" },
    { "latin1", "", "makes no sense" },
    { "no_http", "", NULL },
    { "hang", "", NULL },
    { "stall", "", NULL },
    { "endless_line", "", NULL },
    { "endless_code", "", NULL },
    { "bomb", "", NULL },
    { "error_event", "", "gave up" },
    { "error_event", "overloaded_error", "gave up" },
    { "max_tokens", "", "max_tokens" },
    { "refusal", "", "cyber" },
    { "stop", "end_turn", NULL },
    { "stop", "stop_sequence", NULL },
    { "stop", "compaction", NULL },
    { "stop", "TOOL_USE", NULL },
    { "context", "", "longer than the model can read" },
    { "pause_turn", "", "pauses" },
    { "empty", "", NULL },
    { "after_end", "", "makes no sense" },
    { "no_reason", "", "makes no sense" },
    { "two_reasons", "", "makes no sense" },
    { "open_block", "", "makes no sense" },
    { "no_start", "", "makes no sense" },
    { "twice", "", "makes no sense" },
    { "same_id", "", "makes no sense" },
    { "bad_call", "", NULL },
    { "plans_only", "", "nothing that could run" },
    { "closes", "", NULL },
    { "no_body", "", "500" },
    { "html_200", "", "before the answer did" },
    { "bad_gzip", "", NULL },
    { "in_one", "", "before the answer did" },
    { "lost_delta", "", "makes no sense" },
    { "wrong_delta", "", "makes no sense" },
    { "no_id", "", "makes no sense" },
    { "no_block", "", "makes no sense" },
};

static const struct fault of_chat[] = {
    { "short", "", "before the answer did" },
    { "no_stop_event", "", "makes no sense" },
    { "cut_before_done", "", "before the answer did" },
    { "status", "400", "400" },
    { "status", "401", "OPENAI_API_KEY" },
    { "status", "403", "403" },
    { "status", "404", "ends in /v1" },
    { "status", "405", "ends in /v1" },
    { "status", "429", "429" },
    { "status", "500", "500" },
    { "status", "503", "503" },
    { "html", "", "413" },
    { "html_200", "", "before the answer did" },
    { "no_body", "", "500" },
    { "redirect", "", NULL },
    { "malformed", "", "makes no sense" },
    { "latin1", "", "makes no sense" },
    { "no_http", "", NULL },
    { "closes", "", NULL },
    { "hang", "", NULL },
    { "stall", "", NULL },
    { "endless_line", "", NULL },
    { "endless_code", "", NULL },
    { "endless_calls", "", "makes no sense" },
    { "bomb", "", NULL },
    { "bad_gzip", "", NULL },
    { "error_event", "", "gave up" },
    { "error_event", "server_error", "gave up" },
    { "error_code", "", "Provider disconnected" },
    { "error_words", "", "unexpectedly stopped" },
    { "error_object", "", "engine died" },
    { "error_field", "", "before the answer did" },
    { "max_tokens", "", "length" },
    { "length_whole", "", "length" },
    { "length_in_one", "", "length" },
    { "refusal", "", "cyber" },
    { "reason", "content_filter", "refused" },
    { "reason", "function_call", NULL },
    { "reason", "TOOL_CALLS", NULL },
    { "reason", "insufficient_system_resource", "gave up" },
    { "reason", "error", "gave up" },
    { "context", "", "longer than the model can read" },
    { "context_llamacpp", "", "longer than the model can read" },
    { "empty", "", NULL },
    { "after_end", "", "makes no sense" },
    { "after_reason", "", "makes no sense" },
    { "two_reasons", "", "makes no sense" },
    { "no_call", "", NULL },
    { "no_name", "", "makes no sense" },
    { "lost_fragment", "", "makes no sense" },
    { "bad_index", "", "makes no sense" },
    { "long_id", "", "makes no sense" },
    { "long_name", "", "makes no sense" },
    { "calls_no_array", "", "makes no sense" },
    { "choices_no_array", "", "makes no sense" },
    { "array_arguments", "", "makes no sense" },
    { "object_then_text", "", "makes no sense" },
    { "half_in_one", "", "makes no sense" },
    { "cut_in_one", "", "before the answer did" },
    { "no_reason_in_one", "", "before the answer did" },
    { "vast_in_one", "", NULL },
    { "refuses_all", "", "400" },
    { "bad_call", "", NULL },
    { "plans_only", "", "nothing that could run" },
};

static void no_fault_becomes_a_proposal(void **state)
{
    const struct fault *faults = dialect == &claude ? of_claude : of_chat;
    size_t count = dialect == &claude ? ARRAY_LEN(of_claude) : ARRAY_LEN(of_chat);
    (void)state;
    with.tries = "1";
    for (size_t i = 0; i < count; i++) {
        const struct fault *f = &faults[i];
        struct planner *p = begin(f->scenario, f->arg);
        until_over();
        if (heard.proposals != 0 || heard.evil != 0)
            fail_msg("%s %s: a proposal", f->scenario, f->arg);
        if (f->words != NULL && strstr(buf_str(&heard.error), f->words) == NULL)
            fail_msg("%s %s: '%s'", f->scenario, f->arg, buf_str(&heard.error));
        end(p);
    }
    with.tries = NULL;
}

/* Cut after every ninth byte (each byte: test_llm, without the network). */
static void a_cut_is_never_a_proposal(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    with.tries = "1";
    struct planner *p = begin("cut_each", "9");
    for (unsigned i = 0; i < 150; i++) {
        until_over();
        assert_int_equal(heard.proposals, 0);
        assert_int_equal(heard.finishes, 0);
        assert_int_equal(p->ops->message(p, "again", &e), 0);
    }
    end(p);
    with.tries = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_fault_becomes_a_proposal),
        cmocka_unit_test(a_cut_is_never_a_proposal),
    };
    if (load_secrets() < 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, use_claude, NULL);
    failed += cmocka_run_group_tests(tests, use_chat, NULL);
    redact_free(secrets);
    return failed;
}
