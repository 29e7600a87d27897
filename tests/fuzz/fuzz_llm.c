/* fuzz_llm.c - the assembler of a model's answer: whatever the stream, a call that could act was
 * whole, and what is echoed is JSON.
 *
 * Input: the stream. */
#include <stdlib.h>
#include <string.h>
#include "providers/planners/anthropic_stream.h"
#include "providers/planners/llm_tool.h"

#define CHECK(cond) ((cond) ? (void)0 : abort())

struct reading {
    struct answer answer;
    struct err e;
};

static void on_event(void *arg, const struct sse_event *ev)
{
    struct reading *r = arg;
    if (r->e.code == ERR_NONE)
        (void)!anthropic_event(&r->answer, ev, &r->e);
}

static void check_echo(const struct answer *a)
{
    struct buf wire = BUF_INIT(64 << 20), plain = BUF_INIT(64 << 20), all = BUF_INIT(64 << 20);
    struct json *o = NULL;
    if (anthropic_echo(a, &wire, &plain) == 0) {
        CHECK(buf_addf(&all, "[%s]", buf_str(&wire)) == 0);
        struct err e = ERR_INIT;
        CHECK(json_parse(&o, all.ptr, all.len, &e) == 0 || e.code == ERR_LIMIT);
    }
    json_free(o);
    buf_release(&wire);
    buf_release(&plain);
    buf_release(&all);
}

static void check_calls(const struct answer *a)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct answer_block *b = a->blocks[i];
        struct llm_action act;
        if (b->kind != BLOCK_CALL)
            continue;
        CHECK(b->id[0] != '\0' && (b->whole || strcmp(a->stop, "tool_use") != 0));
        (void)!llm_action_read(&act, b->name, b->text.ptr, b->text.len, NULL);
        llm_action_release(&act);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct reading r = { .e = ERR_INIT };
    struct sse s;
    answer_init(&r.answer, NULL, NULL);
    sse_init(&s, SSE_EVENT_MAX, on_event, &r);
    (void)!sse_feed(&s, (const char *)p, len, NULL);
    check_echo(&r.answer);
    if (r.answer.ended && r.e.code == ERR_NONE)
        check_calls(&r.answer);
    answer_release(&r.answer);
    sse_release(&s);
    return 0;
}
