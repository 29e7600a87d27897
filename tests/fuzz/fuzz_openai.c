/* fuzz_openai.c - the assembler of chat completions: whatever the stream, and wherever it is split,
 * a call that could act is whole and has an id of its own, and what goes back is JSON.
 *
 * Input: a byte that says how it is split, then the stream; or, when the byte is 0, one body. */
#include <stdlib.h>
#include <string.h>
#include "providers/planners/llm_tool.h"
#include "providers/planners/openai_stream.h"

#define CHECK(cond) ((cond) ? (void)0 : abort())

struct reading {
    struct answer answer;
    struct err e;
};

static void on_event(void *arg, const struct sse_event *ev)
{
    struct reading *r = arg;
    if (r->e.code == ERR_NONE)
        (void)!openai_event(&r->answer, ev, &r->e);
}

static void read_all(struct reading *r, const char *p, size_t len, size_t step)
{
    struct sse s;
    *r = (struct reading){ .e = ERR_INIT };
    answer_init(&r->answer, NULL, NULL);
    sse_init(&s, SSE_EVENT_MAX, on_event, r);
    for (size_t at = 0; at < len; at += step) {
        if (sse_feed(&s, p + at, len - at < step ? len - at : step, NULL) < 0)
            break;
    }
    sse_release(&s);
}

static void check_echo(const struct answer *a, struct buf *wire)
{
    struct buf plain = BUF_INIT(64 << 20);
    struct json *o = NULL;
    struct err e = ERR_INIT;
    if (openai_echo(a, wire, &plain) == 0 && wire->len > 0) {
        CHECK(json_parse(&o, wire->ptr, wire->len, &e) == 0 || e.code == ERR_LIMIT);
        json_free(o);
        CHECK(json_parse(&o, plain.ptr, plain.len, &e) == 0 || e.code == ERR_LIMIT);
        json_free(o);
    }
    buf_release(&plain);
}

static void check_calls(const struct answer *a)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct answer_block *b = a->blocks[i];
        struct llm_action act;
        if (b->kind != BLOCK_CALL)
            continue;
        CHECK(b->id[0] != '\0' && b->name[0] != '\0' && b->whole);
        for (size_t k = 0; k < i; k++)
            CHECK(a->blocks[k]->kind != BLOCK_CALL || strcmp(a->blocks[k]->id, b->id) != 0);
        (void)!llm_action_read(&act, b->name, b->text.ptr, b->text.len, NULL);
        llm_action_release(&act);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct reading r, again;
    struct buf wire = BUF_INIT(64 << 20), other = BUF_INIT(64 << 20);
    if (len == 0)
        return 0;
    if (p[0] == 0) {
        struct buf body = BUF_INIT(len + 1);
        (void)buf_add(&body, p + 1, len - 1);
        struct sse_event ev = {
            .type = "message", .data = buf_str(&body), .data_len = len - 1, .id = ""
        };
        r = (struct reading){ .e = ERR_INIT };
        answer_init(&r.answer, NULL, NULL);
        on_event(&r, &ev);
        check_echo(&r.answer, &wire);
        buf_release(&body);
    } else {
        read_all(&r, (const char *)p + 1, len - 1, len);
        read_all(&again, (const char *)p + 1, len - 1, p[0]);
        check_echo(&r.answer, &wire);
        check_echo(&again.answer, &other);
        CHECK(r.answer.ended == again.answer.ended && r.answer.may_end == again.answer.may_end);
        CHECK(wire.len == other.len &&
              (wire.len == 0 || memcmp(wire.ptr, other.ptr, wire.len) == 0));
        answer_release(&again.answer);
    }
    if ((r.answer.ended || r.answer.may_end) && r.e.code == ERR_NONE)
        check_calls(&r.answer);
    answer_release(&r.answer);
    buf_release(&wire);
    buf_release(&other);
    return 0;
}
