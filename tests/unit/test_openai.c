/* test_openai.c - the assembler of chat completions, without a network: streams in the shapes of
 * several servers, cut everywhere, and what goes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "providers/planners/llm_tool.h"
#include "providers/planners/openai_stream.h"

static const char code[] = "x = \"\xC3\xA9\xF0\x9F\x98\x80\\t\"\nprint(6*7)\n";

static char *read_file(const char *name, size_t *len)
{
    char path[256];
    snprintf(path, sizeof path, "tests/servers/llm/openai/%s.sse", name);
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
        (void)!openai_event(&r->answer, ev, &r->e);
}

/* In chunks of `step`. */
static void read_stream(struct reading *r, const char *p, size_t len, size_t step)
{
    struct sse s;
    struct err e = ERR_INIT;
    memset(r, 0, sizeof *r);
    r->code.max = 1 << 20;
    answer_init(&r->answer, on_piece, r);
    r->answer.serial = 7;
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

static size_t count(const struct answer *a, enum block_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < a->count; i++)
        n += a->blocks[i]->kind == kind;
    return n;
}

struct sample {
    const char *name, *stop;
    enum answer_why why;
    bool ended, may_end, refused;
    size_t calls;
    int64_t input, cached, output;
};

static const struct sample samples[] = {
    { "openai", "tool_calls", WHY_CALLS, true, true, false, 1, 300, 512, 64 },
    { "openai-parallel", "tool_calls", WHY_CALLS, true, true, false, 2, 0, 0, 0 },
    { "ollama", "tool_calls", WHY_CALLS, true, true, false, 1, 655, 0, 141 },
    { "llamacpp", "tool_calls", WHY_CALLS, true, true, false, 1, 700, 0, 90 },
    { "no-done", "tool_calls", WHY_CALLS, false, true, false, 1, 0, 0, 0 },
    { "gateway-length", "length", WHY_CUT, true, true, false, 1, 0, 0, 0 },
    { "gateway-error", "", WHY_OTHER, false, false, true, 1, 0, 0, 0 },
};

static void check(const struct sample *s, const struct reading *r)
{
    const struct answer *a = &r->answer;
    if (r->e.code != ERR_NONE || a->ended != s->ended || a->may_end != s->may_end ||
        a->refused != s->refused)
        fail_msg("%s: '%s', ended %d %d", s->name, r->e.msg, a->ended, a->may_end);
    assert_string_equal(a->stop, s->stop);
    assert_int_equal(a->why, s->why);
    assert_int_equal(count(a, BLOCK_CALL), s->calls);
    assert_int_equal(a->usage.input, s->input);
    assert_int_equal(a->usage.cache_read, s->cached);
    assert_int_equal(a->usage.output, s->output);
    if (a->why == WHY_CALLS)
        assert_string_equal(buf_str((struct buf *)(uintptr_t)&r->code), code);
}

static void streams_are_read_the_same_in_any_pieces(void **state)
{
    static const size_t steps[] = { 1, 2, 3, 7, 37, 1 << 20 };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        size_t len;
        char *p = read_file(samples[i].name, &len);
        struct buf first = BUF_INIT(1 << 20);
        for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
            struct reading r;
            struct buf wire = BUF_INIT(1 << 20), plain = BUF_INIT(1 << 20);
            read_stream(&r, p, len, steps[k]);
            check(&samples[i], &r);
            assert_int_equal(openai_echo(&r.answer, &wire, &plain), 0);
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

/* Not before its reason is there, and never with less than the whole call. */
static void a_stream_cut_at_any_byte_is_whole_or_nothing(void **state)
{
    static const char *const names[] = { "openai", "ollama", "llamacpp" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t len;
        char *p = read_file(names[i], &len);
        size_t reason = (size_t)(strstr(p, "\"finish_reason\":\"tool_calls\"") - p);
        for (size_t cut = 0; cut <= len; cut++) {
            struct reading r;
            read_stream(&r, p, cut, 1 << 20);
            assert_int_equal(r.e.code, ERR_NONE);
            assert_false(r.answer.may_end && cut < reason);
            assert_false(r.answer.ended && cut + 1 < len);
            if (r.answer.may_end)
                assert_string_equal(buf_str(&r.code), code);
            forget(&r);
        }
        free(p);
    }
}

/* ---- what goes back */

#define EV(json)     "data: " json "\n\n"
#define CALL(fields) EV("{\"choices\":[{\"delta\":{\"tool_calls\":[{" fields "}]}}]}")
#define END          EV("{\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}")

static void check_echo(const char *stream, const char *want, const char *want_plain)
{
    struct reading r;
    struct buf wire = BUF_INIT(1 << 20), plain = BUF_INIT(1 << 20);
    read_stream(&r, stream, strlen(stream), 1);
    if (r.e.code != ERR_NONE)
        fail_msg("%s", r.e.msg);
    assert_int_equal(openai_echo(&r.answer, &wire, &plain), 0);
    assert_string_equal(buf_str(&wire), want);
    assert_string_equal(buf_str(&plain), want_plain);
    buf_release(&wire);
    buf_release(&plain);
    forget(&r);
}

static void an_answer_goes_back_as_it_came(void **state)
{
    (void)state;
    check_echo(
        EV("{\"choices\":[{\"delta\":{\"reasoning\":\"hm\"}}]}")
            CALL("\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"finish\","
                 "\"arguments\":\"{ \\\"answer\\\" : 1 }\"}") END,
        "{\"role\":\"assistant\",\"content\":null,\"reasoning\":\"hm\",\"tool_calls\":[{\"id\":"
        "\"a\",\"type\":\"function\",\"function\":{\"name\":\"finish\",\"arguments\":\"{ "
        "\\\"answer\\\" : 1 }\"}}]}",
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":"
        "\"a\",\"type\":\"function\",\"function\":{\"name\":\"finish\",\"arguments\":\"{ "
        "\\\"answer\\\" : 1 }\"}}]}");
    check_echo(EV("{\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}"),
               "{\"role\":\"assistant\",\"content\":\"hi\"}",
               "{\"role\":\"assistant\",\"content\":\"hi\"}");
    /* Thoughts alone are no message. */
    check_echo(EV("{\"choices\":[{\"delta\":{\"reasoning\":\"hm\"},\"finish_reason\":\"stop\"}]}"),
               "", "");
}

/* One bad call must not poison every later request. */
static void what_servers_choke_on_does_not_go_back(void **state)
{
    (void)state;
    check_echo(
        CALL("\"function\":{\"name\":\"ba sh\\n\",\"arguments\":\"{\\\"code\\\":\"}") END,
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"a00007000\",\"type\":"
        "\"function\",\"function\":{\"name\":\"ba_sh_\",\"arguments\":\"{}\"}}]}",
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"a00007000\",\"type\":"
        "\"function\",\"function\":{\"name\":\"ba_sh_\",\"arguments\":\"{}\"}}]}");
}

static void a_call_of_another_name_stays_another(void **state)
{
    static const char stream[] =
        CALL("\"function\":{\"name\":\"execute code\",\"arguments\":\"{}\"}") END;
    struct reading r;
    struct llm_action act;
    struct err e = ERR_INIT;
    (void)state;
    read_stream(&r, stream, strlen(stream), 3);
    const struct answer_block *b = r.answer.blocks[0];
    assert_int_equal(llm_action_read(&act, b->name, b->text.ptr, b->text.len, &e), -1);
    assert_non_null(strstr(e.msg, "there is no tool"));
    llm_action_release(&act);
    forget(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_read_the_same_in_any_pieces),
        cmocka_unit_test(a_stream_cut_at_any_byte_is_whole_or_nothing),
        cmocka_unit_test(an_answer_goes_back_as_it_came),
        cmocka_unit_test(what_servers_choke_on_does_not_go_back),
        cmocka_unit_test(a_call_of_another_name_stays_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
