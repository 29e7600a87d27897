/* test_claude_messages.c - what a model did with the one call it was told to make: recorded streams
 * cut everywhere, and every way to do something else, none of which may pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "providers/sandboxes/claude_messages_judge.h"

/* ---- streams */

static char *read_file(const char *folder, const char *name, size_t *len)
{
    char path[256];
    snprintf(path, sizeof path, "tests/servers/%s/%s.sse", folder, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("%s: run from the root of the tree", path);
    char *p = xcalloc(1, 1 << 20);
    *len = fread(p, 1, (1 << 20) - 1, f);
    fclose(f);
    return p;
}

static void read_split(struct judge *j, const struct judge_wanted *want, const char *p, size_t len,
                       size_t at)
{
    judge_init(j, want);
    if (judge_feed(j, p, at) == 0)
        (void)!judge_feed(j, p + at, len - at);
}

/* What has to be the same however the stream was cut. */
static void summary(struct judge *j, bool whole, struct buf *out)
{
    buf_reset(out);
    (void)buf_addf(out, "%d %d%d%d %s|%s|%lld|%s|%s|%s|%s|%zu %s|%s|%s", whole, j->called,
                   j->call_ok, j->answered, j->call_id, j->error_code, (long long)j->return_code,
                   buf_str(&j->out), buf_str(&j->err), j->deviation.msg, j->answer.stop,
                   j->file_count, j->file_count > 0 ? j->files[0] : "", j->answer.container,
                   buf_str(&j->words));
}

static const char bash_command[] =
    "python /tmp/a.py && cp out.png \"$OUTPUT_DIR/\" && ls \"$OUTPUT_DIR\"";
static const struct judge_wanted bash_wanted = { "bash_code_execution", "command", bash_command,
                                                 sizeof bash_command - 1 };
static const char repl_code[] = "x = 41\nprint(x+1)\n";
static const struct judge_wanted repl_wanted = { "code_execution", "code", repl_code,
                                                 sizeof repl_code - 1 };
static const char make[] = "make -j8";
static const struct judge_wanted make_wanted = { "bash_code_execution", "command", make,
                                                 sizeof make - 1 };

static void test_recorded_streams_cut_everywhere(void **state)
{
    static const struct {
        const char *folder, *name;
        const struct judge_wanted *want;
        const char *result;
    } cases[] = {
        { "llm/claude", "server-bash", &bash_wanted,
          "1 111 srvtoolu_01B3C4D5||0|mean 5.5\nout.png\n|||end_turn|1 "
          "file_011CNha8iCJcU1wXNR6q4V8w|"
          "container_011CPR5CNjB747bTd36fQLFk|I'll run it in the container.The mean is 5.5." },
        { "claude-messages/samples", "server-repl-20260120", &repl_wanted,
          "1 111 srvtoolu_01R||0|42\n|||end_turn|0 |container_011CPR5CNjB747bTd36fQLFk|42." },
        { "llm/claude", "pause-turn", &make_wanted,
          "1 110 srvtoolu_01Z||0||||pause_turn|0 |container_011CPR5CNjB747bTd36fQLFk|Working." },
        { "llm/claude", "server-bash", &make_wanted, NULL },
        { "claude-messages/samples", "server-bash-error", &make_wanted, NULL },
        { "claude-messages/samples", "server-text-editor", &bash_wanted, NULL },
        { "claude-messages/samples", "ptc-pause", &repl_wanted, NULL },
        { "claude-messages/samples", "ptc-resume", &repl_wanted, NULL },
        { "llm/claude", "client-tool-use", &bash_wanted, NULL },
        { "llm/claude", "client-tool-parallel", &bash_wanted, NULL },
        { "llm/claude", "mixed-server-deferred", &bash_wanted, NULL },
        { "llm/claude", "unknown-additions", &bash_wanted, NULL },
        { "llm/claude", "max-tokens-mid-tool", &bash_wanted, NULL },
        { "llm/claude", "error-mid-stream", &bash_wanted, NULL },
        { "llm/claude", "truncated-connection", &bash_wanted, NULL },
        { "llm/claude", "refusal", &bash_wanted, NULL },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t len;
        char *p = read_file(cases[i].folder, cases[i].name, &len);
        struct buf first = BUF_INIT(1 << 20), now = BUF_INIT(1 << 20);
        for (size_t at = 0; at <= len; at++) {
            struct judge j;
            read_split(&j, cases[i].want, p, len, at);
            bool whole = judge_end_round(&j);
            summary(&j, whole, at == 0 ? &first : &now);
            if (cases[i].result == NULL && whole && j.answered && j.error_code[0] == '\0')
                fail_msg("%s passed", cases[i].name);
            judge_release(&j);
            if (at > 0)
                assert_string_equal(buf_str(&first), buf_str(&now));
        }
        if (cases[i].result != NULL)
            assert_string_equal(buf_str(&first), cases[i].result);
        buf_release(&first);
        buf_release(&now);
        free(p);
    }
}

/* Every prefix of a whole answer is no whole answer. */
static void test_no_prefix_is_whole(void **state)
{
    size_t len;
    char *p = read_file("llm/claude", "server-bash", &len);
    (void)state;
    for (size_t at = 0; at + 1 < len; at++) {
        struct judge j;
        judge_init(&j, &bash_wanted);
        assert_int_equal(judge_feed(&j, p, at), 0);
        if (judge_end_round(&j))
            fail_msg("whole after %zu of %zu bytes", at, len);
        judge_release(&j);
    }
    free(p);
}

/* ---- streams made here */

#define START                                                                                      \
    "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":100,"              \
    "\"output_tokens\":1},\"container\":null}}\n\n"
#define BLOCK(i, block)                                                                            \
    "data: {\"type\":\"content_block_start\",\"index\":" #i ",\"content_block\":" block "}\n\n"
#define DELTA(i, json)                                                                             \
    "data: {\"type\":\"content_block_delta\",\"index\":" #i                                        \
    ",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"" json "\"}}\n\n"
#define STOP(i) "data: {\"type\":\"content_block_stop\",\"index\":" #i "}\n\n"
#define CALL_AS(i, id, name, json)                                                                 \
    BLOCK(i, "{\"type\":\"server_tool_use\",\"id\":\"" id "\",\"name\":\"" name                    \
             "\",\"input\":{},\"caller\":{\"type\":\"direct\"}}")                                  \
    DELTA(i, json) STOP(i)
#define CALL(i, id, json) CALL_AS(i, id, "bash_code_execution", json)
#define RUN               CALL(0, "s1", "{\\\"command\\\":\\\"make -j8\\\"}")
#define RESULT(i, id, content)                                                                     \
    BLOCK(i, "{\"type\":\"bash_code_execution_tool_result\",\"tool_use_id\":\"" id                 \
             "\",\"content\":" content "}")                                                        \
    STOP(i)
#define OUTPUT                                                                                     \
    "{\"type\":\"bash_code_execution_result\",\"stdout\":\"ok\\n\",\"stderr\":\"\","               \
    "\"return_code\":0,\"content\":[]}"
#define ANSWERED RESULT(1, "s1", OUTPUT)
#define END_AS(stop)                                                                               \
    "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"" stop                         \
    "\"},\"usage\":{\"output_tokens\":50}}\n\ndata: {\"type\":\"message_stop\"}\n\n"
#define END END_AS("end_turn")

static void read_text(struct judge *j, const char *text)
{
    judge_init(j, &make_wanted);
    (void)!judge_feed(j, text, strlen(text));
}

static void test_what_was_asked_for_passes(void **state)
{
    static const char *const fine[] = {
        START RUN ANSWERED END,
        START CALL(0, "s1", " { \\\"command\\\" : \\\"\\\\u006dake -j8\\\" } ") ANSWERED END,
        START BLOCK(7, "{\"type\":\"text\",\"text\":\"\"}") STOP(7) RUN ANSWERED
        "data: {\"type\":\"ping\"}\n\ndata: {\"type\":\"brand_new\"}\n\n" END,
        START BLOCK(7, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"x\"}") STOP(7)
            RUN ANSWERED END_AS("max_tokens"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
        struct judge j;
        read_text(&j, fine[i]);
        if (!judge_end_round(&j) || !j.answered)
            fail_msg("%zu: %s %s", i, j.bad.msg, j.deviation.msg);
        assert_string_equal(buf_str(&j.out), "ok\n");
        assert_int_equal(j.usage.input, 100);
        assert_int_equal(j.usage.output, 50);
        judge_release(&j);
    }
}

static void test_anything_else_is_a_deviation(void **state)
{
    static const struct {
        const char *stream, *how;
    } cases[] = {
        { START CALL(0, "s1", "{\\\"command\\\":\\\"make -j9\\\"}") ANSWERED END,
          "from byte 8 on" },
        { START CALL(0, "s1", "{\\\"command\\\":\\\"make -j8 \\\"}") ANSWERED END,
          "from byte 9 on" },
        { START CALL(0, "s1", "{\\\"command\\\":\\\"make -j\\\"}") ANSWERED END, "from byte 8 on" },
        { START CALL(0, "s1", "{\\\"Command\\\":\\\"make -j8\\\"}") ANSWERED END,
          "something else" },
        { START CALL(0, "s1", "{\\\"command\\\":\\\"make -j8\\\",\\\"restart\\\":true}")
              ANSWERED END,
          "something else" },
        { START CALL(0, "s1", "{\\\"command\\\":\\\"evil\\\",\\\"command\\\":\\\"make -j8\\\"}")
              ANSWERED END,
          "no whole object" },
        { START CALL(0, "s1", "{\\\"command\\\":\\\"make -j8\\\\u0000evil\\\"}") ANSWERED END,
          "no whole object" },
        { START CALL(0, "s1", "{\\\"command\\\":[\\\"make -j8\\\"]}") ANSWERED END,
          "something else" },
        { START CALL(0, "s1", "[\\\"make -j8\\\"]") ANSWERED END, "no whole object" },
        { START CALL(0, "s1", "{\\\"command\\\":\\\"make -j8\\\"") ANSWERED END,
          "no whole object" },
        { START CALL(0, "s1", "") ANSWERED END, "no whole object" },
        { START BLOCK(
              0, "{\"type\":\"server_tool_use\",\"id\":\"s1\",\"name\":\"bash_code_execution\","
                 "\"input\":{\"command\":\"make -j8\"}}") STOP(0) ANSWERED END,
          "can't be compared" },
        { START BLOCK(
              0, "{\"type\":\"server_tool_use\",\"id\":\"s1\",\"name\":\"bash_code_execution\","
                 "\"input\":{},\"caller\":{\"type\":\"code_execution_20260120\"}}")
              DELTA(0, "{\\\"command\\\":\\\"make -j8\\\"}") STOP(0) ANSWERED END,
          "not its own" },
        { START CALL_AS(0, "s1", "text_editor_code_execution", "{\\\"command\\\":\\\"make -j8\\\"}")
              END,
          "another tool: text_editor" },
        { START CALL_AS(0, "s1", "code_execution", "{\\\"code\\\":\\\"make -j8\\\"}") END,
          "another tool: code_execution" },
        { START BLOCK(0, "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"bash_code_execution\","
                         "\"input\":{}}") STOP(0) END_AS("tool_use"),
          "another tool" },
        { START RUN CALL(2, "s2", "{\\\"command\\\":\\\"make -j8\\\"}") ANSWERED END,
          "second call" },
        { START RUN ANSWERED CALL(2, "s2", "{\\\"command\\\":\\\"rm\\\"}") END, "second call" },
        { START RUN ANSWERED CALL_AS(2, "s2", "web_fetch", "{}") END, "second call" },
        { START RUN ANSWERED RESULT(2, "s1", OUTPUT) END, "two results" },
        { START RUN RESULT(1, "s2", OUTPUT) END, "not asked for" },
        { START RESULT(1, "s1", OUTPUT) RUN END, "not asked for" },
        { START RUN RESULT(1, "s1", "{\"type\":\"encrypted_code_execution_result\"}") END,
          "another kind: encrypted" },
        { START RUN RESULT(1, "s1", "{\"type\":\"text_editor_code_execution_view_result\"}") END,
          "another kind" },
        { START RUN RESULT(1, "s1", "null") END, "another kind" },
        { START RUN BLOCK(1, "{\"type\":\"code_execution_tool_result\",\"tool_use_id\":\"s1\","
                             "\"content\":" OUTPUT "}") STOP(1) END,
          "nobody asked for: code_execution_tool_result" },
        { START RUN ANSWERED BLOCK(2, "{\"type\":\"container_upload\",\"file_id\":\"f\"}") STOP(2)
              END,
          "nobody asked for: container_upload" },
        { START RUN ANSWERED BLOCK(2, "{\"type\":\"brand_new\"}") STOP(2) END, "nobody asked for" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct judge j;
        read_text(&j, cases[i].stream);
        if (judge_end_round(&j) || j.deviation.code != ERR_INTEGRITY ||
            strstr(j.deviation.msg, cases[i].how) == NULL)
            fail_msg("%zu: '%s' '%s'", i, j.deviation.msg, j.bad.msg);
        assert_true(j.seen.len > 0);
        assert_int_equal(judge_feed(&j, "x", 1), -1);
        judge_release(&j);
    }
}

#define CELL CALL_AS(0, "s1", "code_execution", "{\\\"code\\\":\\\"x = 41\\\\nprint(x+1)\\\\n\\\"}")
#define CELL_RESULT(type, content)                                                                 \
    BLOCK(1, "{\"type\":\"" type "\",\"tool_use_id\":\"s1\",\"content\":" content "}") STOP(1)
#define CELL_OUTPUT                                                                                \
    "{\"type\":\"code_execution_result\",\"stdout\":\"42\",\"stderr\":\"\",\"return_code\":0,"     \
    "\"content\":[]}"

static void test_a_cell_is_judged_alike(void **state)
{
    static const struct {
        const char *stream, *how; /* NULL: fine */
    } cases[] = {
        { START CELL CELL_RESULT("code_execution_tool_result", CELL_OUTPUT) END, NULL },
        { START CALL_AS(0, "s1", "code_execution",
                        "{\\\"code\\\":\\\"x = 42\\\\nprint(x+1)\\\\n\\\"}") END,
          "another code, different from byte 6 on" },
        { START CALL_AS(0, "s1", "code_execution",
                        "{\\\"command\\\":\\\"x = 41\\\\nprint(x+1)\\\\n\\\"}") END,
          "something else" },
        { START CALL_AS(0, "s1", "bash_code_execution",
                        "{\\\"code\\\":\\\"x = 41\\\\nprint(x+1)\\\\n\\\"}") END,
          "another tool: bash_code_execution" },
        { START CELL CELL_RESULT("bash_code_execution_tool_result", OUTPUT) END,
          "nobody asked for: bash_code_execution_tool_result" },
        { START CELL CELL_RESULT("code_execution_tool_result", OUTPUT) END,
          "another kind: bash_code_execution_result" },
        { START CELL CELL_RESULT("code_execution_tool_result",
                                 "{\"type\":\"encrypted_code_execution_result\"}") END,
          "another kind: encrypted" },
        { START CELL CELL_RESULT("code_execution_tool_result", CELL_OUTPUT)
              CALL_AS(2, "s2", "bash_code_execution", "{}") END,
          "second call" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct judge j;
        judge_init(&j, &repl_wanted);
        (void)!judge_feed(&j, cases[i].stream, strlen(cases[i].stream));
        bool whole = judge_end_round(&j);
        if (cases[i].how == NULL ? !whole || !j.answered
                                 : whole || strstr(j.deviation.msg, cases[i].how) == NULL)
            fail_msg("%zu: '%s' '%s'", i, j.deviation.msg, j.bad.msg);
        judge_release(&j);
    }
}

/* No deviation, and no answer either. */
static void test_what_is_no_answer_is_none(void **state)
{
    static const char *const cases[] = {
        START RUN ANSWERED,
        START RUN ANSWERED
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n",
        START RUN ANSWERED
        "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n" END,
        START RUN ANSWERED "data: {nonsense\n\n" END,
        START RUN ANSWERED END RUN,
        START START RUN ANSWERED END,
        RUN ANSWERED END,
        START RUN BLOCK(1, "{\"type\":\"text\",\"text\":\"\"}") END,
        START RUN RUN ANSWERED END,
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct judge j;
        read_text(&j, cases[i]);
        if (judge_end_round(&j))
            fail_msg("%zu passed", i);
        judge_release(&j);
    }
}

static void test_an_answer_in_two_rounds(void **state)
{
    struct judge j;
    struct json *o = NULL;
    struct buf all = BUF_INIT(1 << 20);
    (void)state;
    read_text(&j, START BLOCK(7, "{\"type\":\"text\",\"text\":\"go\"}") STOP(7)
                      RUN END_AS("pause_turn"));
    assert_true(judge_end_round(&j));
    assert_int_equal(j.answer.why, WHY_PAUSE);
    assert_int_equal(judge_next_round(&j), 0);
    assert_int_equal(buf_addf(&all, "[%s]", buf_str(&j.echo)), 0);
    assert_int_equal(json_parse(&o, all.ptr, all.len, NULL), 0);
    assert_int_equal(json_len(o), 2);
    const struct json *call = json_at(o, 1);
    assert_string_equal(json_get_str(call, "type", ""), "server_tool_use");
    assert_string_equal(json_get_str(json_get(call, "input"), "command", ""), make);
    json_free(o);
    buf_release(&all);
    static const char second[] = START BLOCK(
        0,
        "{\"type\":\"bash_code_execution_tool_result\",\"tool_use_id\":\"s1\",\"content\":" OUTPUT
        "}") STOP(0) END;
    assert_int_equal(judge_feed(&j, second, sizeof second - 1), 0);
    assert_true(judge_end_round(&j) && j.answered);
    assert_int_equal(j.usage.input, 200);
    assert_int_equal(judge_next_round(&j), 0);
    /* What one round did counts in the next. */
    static const char third[] = START CALL(0, "s9", "{\\\"command\\\":\\\"make -j8\\\"}") END;
    assert_int_equal(judge_feed(&j, third, sizeof third - 1), -1);
    assert_non_null(strstr(j.deviation.msg, "second call"));
    judge_release(&j);
}

static void test_an_error_is_told_by_its_code(void **state)
{
    struct judge j;
    (void)state;
    read_text(&j, START RUN RESULT(1, "s1",
                                   "{\"type\":\"bash_code_execution_tool_result_error\",\"error_"
                                   "code\":\"too_many_requests\"}") END);
    assert_true(judge_end_round(&j) && j.answered);
    assert_string_equal(j.error_code, "too_many_requests");
    judge_release(&j);
}

static void test_an_endless_input_is_not_kept(void **state)
{
    struct judge j;
    struct buf piece = BUF_INIT(1 << 20);
    (void)state;
    judge_init(&j, &make_wanted);
    static const char head[] = START BLOCK(0, "{\"type\":\"server_tool_use\",\"id\":\"s1\","
                                              "\"name\":\"bash_code_execution\",\"input\":{}}");
    assert_int_equal(judge_feed(&j, head, sizeof head - 1), 0);
    (void)buf_add_str(&piece, "data: "
                              "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
                              "\"input_json_delta\",\"partial_json\":\"");
    for (int i = 0; i < 1000; i++)
        (void)buf_add_char(&piece, 'x');
    (void)buf_add_str(&piece, "\"}}\n\n");
    int rounds = 0;
    while (judge_feed(&j, piece.ptr, piece.len) == 0)
        assert_true(++rounds < 10);
    assert_non_null(strstr(j.deviation.msg, "longer than"));
    buf_release(&piece);
    judge_release(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_streams_cut_everywhere),
        cmocka_unit_test(test_no_prefix_is_whole),
        cmocka_unit_test(test_what_was_asked_for_passes),
        cmocka_unit_test(test_anything_else_is_a_deviation),
        cmocka_unit_test(test_a_cell_is_judged_alike),
        cmocka_unit_test(test_what_is_no_answer_is_none),
        cmocka_unit_test(test_an_answer_in_two_rounds),
        cmocka_unit_test(test_an_error_is_told_by_its_code),
        cmocka_unit_test(test_an_endless_input_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
