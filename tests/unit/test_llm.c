/* test_llm.c - what a planner that asks a model is made of, without a network: the stream parser on
 * recorded streams cut everywhere, the preview, the conversation's bounds, prices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "providers/planners/anthropic_stream.h"
#include "providers/planners/llm_talk.h"
#include "providers/planners/llm_tool.h"

/* ---- recorded streams */

static char *read_file(const char *name, size_t *len)
{
    char path[256];
    snprintf(path, sizeof path, "tests/servers/llm/claude/%s.sse", name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("%s: run from the root of the tree", path);
    char *p = xcalloc(1, 1 << 20);
    *len = fread(p, 1, (1 << 20) - 1, f);
    fclose(f);
    return p;
}

struct reading {
    struct answer answer;
    struct err e;
    struct buf code;
};

static void on_piece(void *arg, enum planner_event_kind kind, const char *language,
                     const char *text, size_t len)
{
    struct reading *r = arg;
    (void)language;
    if (kind == PLANNER_CODE_DELTA)
        assert_int_equal(buf_add(&r->code, text, len), 0);
}

static void on_event(void *arg, const struct sse_event *ev)
{
    struct reading *r = arg;
    if (r->e.code == ERR_NONE)
        (void)!anthropic_event(&r->answer, ev, &r->e);
}

/* In chunks of `step`. */
static void read_stream(struct reading *r, const char *p, size_t len, size_t step)
{
    struct sse s;
    struct err e = ERR_INIT;
    memset(r, 0, sizeof *r);
    r->code.max = 1 << 20;
    answer_init(&r->answer, on_piece, r);
    sse_init(&s, SSE_EVENT_MAX, on_event, r);
    for (size_t at = 0; at < len; at += step)
        assert_int_equal(sse_feed(&s, p + at, len - at < step ? len - at : step, &e), 0);
    sse_release(&s);
}

static void forget(struct reading *r)
{
    answer_release(&r->answer);
    buf_release(&r->code);
}

static size_t calls(const struct answer *a)
{
    size_t n = 0;
    for (size_t i = 0; i < a->count; i++)
        n += a->blocks[i]->kind == BLOCK_CALL;
    return n;
}

static void recorded_streams_are_read_the_same_in_any_pieces(void **state)
{
    static const struct {
        const char *name, *stop;
        bool ended, refused;
        size_t calls;
    } cases[] = {
        { "client-tool-use", "tool_use", true, false, 1 },
        { "client-tool-parallel", "tool_use", true, false, 2 },
        { "max-tokens-mid-tool", "max_tokens", true, false, 1 },
        { "mixed-server-deferred", "tool_use", true, false, 1 },
        { "pause-turn", "pause_turn", true, false, 0 },
        { "refusal", "refusal", true, false, 0 },
        { "server-bash", "end_turn", true, false, 0 },
        { "unknown-additions", NULL, true, false, 0 },
        { "error-mid-stream", "", false, true, 0 },
        { "truncated-connection", "", false, false, 0 },
    };
    static const size_t steps[] = { 1, 2, 3, 7, 37, 1 << 20 };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t len;
        char *p = read_file(cases[i].name, &len);
        struct buf first = BUF_INIT(1 << 20);
        for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
            struct reading r;
            struct buf wire = BUF_INIT(1 << 20), plain = BUF_INIT(1 << 20);
            read_stream(&r, p, len, steps[k]);
            if (r.e.code != ERR_NONE || r.answer.ended != cases[i].ended ||
                r.answer.refused != cases[i].refused)
                fail_msg("%s: %s, ended %d", cases[i].name, r.e.msg, r.answer.ended);
            if (cases[i].stop != NULL)
                assert_string_equal(r.answer.stop, cases[i].stop);
            if (cases[i].stop != NULL && !cases[i].refused)
                assert_int_equal(calls(&r.answer), cases[i].calls);
            assert_int_equal(anthropic_echo(&r.answer, &wire, &plain), 0);
            if (k == 0)
                assert_int_equal(buf_add(&first, wire.ptr, wire.len), 0);
            assert_string_equal(buf_str(&wire), buf_str(&first));
            buf_release(&wire);
            buf_release(&plain);
            forget(&r);
        }
        buf_release(&first);
        free(p);
    }
}

static void a_stream_cut_at_any_byte_never_ends(void **state)
{
    size_t len;
    (void)state;
    char *p = read_file("client-tool-use", &len);
    struct reading r;
    size_t whole = 0;
    for (size_t cut = 0; cut <= len; cut++) {
        read_stream(&r, p, cut, 1 << 20);
        assert_int_equal(r.e.code, ERR_NONE);
        if (r.answer.ended)
            whole++;
        else
            assert_true(cut < len);
        forget(&r);
    }
    assert_true(whole <= 2); /* the whole of it, with or without the last line end */
    free(p);
}

static void what_streamed_is_the_code_of_the_call(void **state)
{
    size_t len;
    (void)state;
    char *p = read_file("client-tool-use", &len);
    struct reading r;
    struct llm_action act;
    struct err e = ERR_INIT;
    read_stream(&r, p, len, 1);
    for (size_t i = 0; i < r.answer.count; i++) {
        const struct answer_block *b = r.answer.blocks[i];
        struct json *input = NULL;
        if (b->kind != BLOCK_CALL)
            continue;
        assert_int_equal(json_parse(&input, b->text.ptr, b->text.len, &e), 0);
        assert_string_equal(buf_str(&r.code), json_get_str(input, "code", ""));
        json_free(input);
        (void)!llm_action_read(&act, b->name, b->text.ptr, b->text.len, &e);
        llm_action_release(&act);
    }
    forget(&r);
    free(p);
}

/* ---- the echo */

#define EV(json) "event: x\ndata: " json "\n\n"

static void blocks_go_back_as_they_came(void **state)
{
    static const char stream[] = EV("{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_"
                                    "tokens\":5}}}")
        EV("{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\","
           "\"thinking\":\"\",\"signature\":\"\"}}")
            EV("{\"type\":\"content_block_delta\",\"index\":"
               "0,\"delta\":{\"type\":\"thinking_delta\","
               "\"thinking\":\"a \\\"b\\\"\"}}") EV("{\"type\":\"content_block_delta\",\"index\":0,"
                                                    "\"delta\":{\"type\":\"signature_delta\","
                                                    "\"signature\":\"old\"}}")
                EV("{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{"
                   "\"type\":\"signature_delta\","
                   "\"signature\":\"RU5E==\"}}") EV("{\"type\":\"content_block_stop\",\"index\":0}")
                    EV("{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":"
                       "\"redacted_thinking\",\"data\":\"xyz\"}}")
                        EV("{\"type\":\"content_block_stop\",\"index\":1}") EV(
                            "{\"type\":\"content_block_start\",\"index\":2,\"content_block\":{"
                            "\"type\":\"text\","
                            "\"text\":\"\"}}") EV("{\"type\":\"content_block_stop\",\"index\":2}")
                            EV("{\"type\":\"content_block_start\",\"index\":3,\"content_block\":{"
                               "\"type\":\"tool_use\","
                               "\"id\":\"t1\",\"name\":\"finish\",\"input\":{}}}")
                                EV("{\"type\":\"content_block_delta\",\"index\":3,\"delta\":{"
                                   "\"type\":\"input_json_delta\","
                                   "\"partial_json\":\"{ \\\"answer\\\" : \\\"x\\\" }\"}}")
                                    EV("{\"type\":\"content_block_stop\",\"index\":3}")
                                        EV("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
                                           "\"tool_use\"},\"usage\":{"
                                           "\"output_tokens\":9}}")
                                            EV("{\"type\":\"message_delta\",\"delta\":{\"stop_"
                                               "reason\":\"tool_use\"},\"usage\":{"
                                               "\"output_tokens\":12,\"input_tokens\":null}}")
                                                EV("{\"type\":\"message_stop\"}");
    struct reading r;
    struct buf wire = BUF_INIT(1 << 20), plain = BUF_INIT(1 << 20);
    (void)state;
    read_stream(&r, stream, strlen(stream), 1);
    assert_int_equal(r.e.code, ERR_NONE);
    assert_true(r.answer.ended);
    assert_int_equal(r.answer.usage.input, 5);
    assert_int_equal(r.answer.usage.output, 12); /* cumulative */
    assert_int_equal(anthropic_echo(&r.answer, &wire, &plain), 0);
    static const char call[] =
        "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"finish\",\"input\":{ "
        "\"answer\" : \"x\" }}";
    assert_string_equal(buf_str(&plain), call);
    assert_non_null(strstr(buf_str(&wire), "{\"type\":\"thinking\",\"thinking\":\"a \\\"b\\\"\","
                                           "\"signature\":\"RU5E==\"},{\"type\":"
                                           "\"redacted_thinking\",\"data\":\"xyz\"},"));
    assert_non_null(strstr(buf_str(&wire), call));
    buf_release(&wire);
    buf_release(&plain);
    forget(&r);
}

static void odd_keys_are_not_echoed(void **state)
{
    static const char stream[] = EV("{\"type\":\"message_start\",\"message\":{}}")
        EV("{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\","
           "\"Text\":\"x\",\"a\\\"b\":1}}")
            EV("{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
               "\"text\":\"hi\"}}");
    struct reading r;
    struct buf wire = BUF_INIT(1 << 20), plain = BUF_INIT(1 << 20);
    (void)state;
    read_stream(&r, stream, strlen(stream), 5);
    assert_int_equal(anthropic_echo(&r.answer, &wire, &plain), 0);
    assert_string_equal(buf_str(&wire), "{\"type\":\"text\",\"text\":\"hi\"}");
    buf_release(&wire);
    buf_release(&plain);
    forget(&r);
}

/* ---- the preview */

static void preview_shows_the_code_wherever_it_is_split(void **state)
{
    static const struct {
        const char *json, *code;
    } cases[] = {
        { "{\"language\":\"python\",\"code\":\"a\\nb\\t\\\"c\\\\\"}", "a\nb\t\"c\\" },
        { "{\"code\":\"\\u00e9\\ud83d\\ude00\\u0041\"}", "\xC3\xA9\xF0\x9F\x98\x80"
                                                         "A" },
        { "{\"code\":\"\xC3\xA9\xF0\x9F\x98\x80\"}", "\xC3\xA9\xF0\x9F\x98\x80" },
        { "{\"expect\":[\"code\",{\"code\":\"no\"}],\"code\":\"yes\"}", "yes" },
        { "{\"purpose\":\"the code\",\"code\":\"x", "x" },
        { "{\"code\":\"\\ud83d!\"}", "\xEF\xBF\xBD!" },
        { "{\"code\":\"\\u00E9\\uD83D\\uDE00\"}", "\xC3\xA9\xF0\x9F\x98\x80" },
        { "{\"code\":\"\\ude00a\"}", "\xEF\xBF\xBD"
                                     "a" },               /* half a pair */
        { "{\"code\":\"\\u12g4b\"}", "\xEF\xBF\xBDg4b" }, /* no four digits */
        { "{\"code\":\"\\q\\/\"}", "\xEF\xBF\xBD/" },     /* no such escape */
        { "{\"code\":\"\xE2\x82\xAC\"}", "\xE2\x82\xAC" },
        { "[\"code\"]", "" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t len = strlen(cases[i].json);
        for (size_t split = 0; split <= len; split++) {
            struct llm_preview v;
            struct buf out = BUF_INIT(1 << 16);
            llm_preview_init(&v);
            (void)llm_preview_feed(&v, cases[i].json, split, &out);
            (void)llm_preview_feed(&v, cases[i].json + split, len - split, &out);
            assert_string_equal(buf_str(&out), cases[i].code);
            buf_release(&out);
        }
    }
}

/* ---- the conversation */

static void add_exchange(struct llm_talk *t, unsigned n, const char *big)
{
    struct buf wire = BUF_INIT(1 << 20), plain = BUF_INIT(1 << 20);
    char id[32], line[64];
    snprintf(id, sizeof id, "call-%u", n);
    snprintf(line, sizeof line, "run %u: exit 0", n);
    assert_int_equal(buf_addf(&wire, "{\"thinking\":%u},{\"call\":%u}", n, n), 0);
    assert_int_equal(buf_addf(&plain, "{\"call\":%u}", n), 0);
    llm_talk_add_answer(t, &wire, &plain);
    llm_talk_add_result(t, id, big, line, false);
    buf_release(&wire);
    buf_release(&plain);
}

static void a_long_conversation_keeps_its_bounds_and_its_task(void **state)
{
    enum { MAX = 20000 };
    struct llm_talk t;
    char big[3001];
    (void)state;
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    llm_talk_init(&t);
    llm_talk_add_words(&t, "the task");
    llm_talk_set_plan(&t, "1. Compute (active)\n");
    bool folded = false;
    for (unsigned n = 0; n < 2000; n++) {
        add_exchange(&t, n, big);
        (void)llm_talk_fit(&t, MAX);
        assert_true(llm_talk_bytes(&t) <= MAX);
        assert_string_equal(buf_str(&t.items[0].text), "the task");
        folded |= t.items[1].kind == LLM_DIGEST;
        /* Each result still follows the answer that asked for it. */
        for (size_t i = 0; i < t.count; i++) {
            if (t.items[i].kind == LLM_RESULT)
                assert_true(t.items[i - 1].kind == LLM_ANSWER);
            if (t.items[i].kind == LLM_ANSWER)
                assert_true(t.items[i + 1].kind == LLM_RESULT);
        }
        assert_string_equal(buf_str(&t.items[t.count - 1].text), big); /* the newest is whole */
    }
    assert_true(folded);
    assert_non_null(strstr(buf_str(&t.items[1].text), "1. Compute (active)"));
    llm_talk_release(&t);
}

static void changing_what_was_said_drops_the_thinking_behind_it(void **state)
{
    struct llm_talk t;
    char big[3001];
    (void)state;
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    llm_talk_init(&t);
    llm_talk_add_words(&t, "the task");
    for (unsigned n = 0; n < 4; n++)
        add_exchange(&t, n, big);
    assert_false(llm_talk_fit(&t, 1 << 20));
    assert_string_equal(llm_item_sent(&t.items[1])->ptr, "{\"thinking\":0},{\"call\":0}");
    assert_true(llm_talk_fit(&t, 10000));
    for (size_t i = 0; i < t.count; i++) {
        if (t.items[i].kind == LLM_ANSWER)
            assert_null(strstr(llm_item_sent(&t.items[i])->ptr, "thinking"));
    }
    llm_talk_release(&t);
}

/* ---- prices */

static void prices_are_of_the_book_or_unknown(void **state)
{
    struct llm_facts f;
    struct llm_usage u = { .input = 1000, .output = 100, .cache_read = 10, .cache_write = 1 };
    (void)state;
    llm_facts_find(&f, "anthropic", "claude-opus-5-5");
    assert_true(f.known);
    assert_int_equal(llm_cost(&f, &u), 1000 * 4000 + 100 * 20000 + 10 * 200 + 5000);
    llm_facts_find(&f, "anthropic", "claude-haiku-4-5-20251001");
    assert_true(f.known);
    assert_int_equal(f.output_tokens, 64000);
    llm_facts_find(&f, "anthropic", "claude-haiku-5-5");
    assert_int_equal(llm_cost(&f, &u), 1000 * 100 + 100 * 500 + 10 * 10 + 125);
    u.input = 100001; /* a long prompt costs more */
    assert_int_equal(llm_cost(&f, &u), 100001 * 500 + 100 * 2500 + 10 * 50 + 625);
    u.input = u.output = u.cache_read = INT64_MAX;
    assert_true(llm_cost(&f, &u) > 0);
    llm_facts_find(&f, "anthropic", "claude-opus-5-55");
    assert_false(f.known);
    assert_int_equal(llm_cost(&f, &u), -1);
    llm_facts_find(&f, "nobody", "claude-opus-5-5");
    assert_false(f.known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_streams_are_read_the_same_in_any_pieces),
        cmocka_unit_test(a_stream_cut_at_any_byte_never_ends),
        cmocka_unit_test(what_streamed_is_the_code_of_the_call),
        cmocka_unit_test(blocks_go_back_as_they_came),
        cmocka_unit_test(odd_keys_are_not_echoed),
        cmocka_unit_test(preview_shows_the_code_wherever_it_is_split),
        cmocka_unit_test(a_long_conversation_keeps_its_bounds_and_its_task),
        cmocka_unit_test(changing_what_was_said_drops_the_thinking_behind_it),
        cmocka_unit_test(prices_are_of_the_book_or_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
