/* fuzz_event.c - a body that is accepted prints as exactly one line of JSON, with each key once.
 *
 * Input: one byte for the type (0: a type from the future), then the body; of run.output the bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "sessions/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const struct event *ev)
{
    struct buf line = BUF_INIT(EVENT_BODY_MAX * 2);
    struct json *record = NULL;
    INVARIANT(event_print_jsonl(ev, "s", &line) == 0);
    INVARIANT(memchr(line.ptr, '\n', line.len) == line.ptr + line.len - 1);
    INVARIANT(json_parse(&record, line.ptr, line.len, NULL) == 0); /* a key twice is refused */
    INVARIANT(json_get_int(record, "seq", -1) == (int64_t)ev->seq);
    INVARIANT(strcmp(json_get_str(record, "type", ""), ev->type_name) == 0);
    json_free(record);
    buf_release(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = ERR_INIT;
    struct json *body = NULL;
    if (size == 0)
        return 0;
    struct event ev = { .seq = 7, .at_us = 1, .type = data[0] % EVENT_TYPE_COUNT };
    ev.type_name = ev.type == EVENT_UNKNOWN ? "future.thing" : event_type_name(ev.type);
    char *copy = xmemdup(data + 1, size - 1);
    if (ev.type == EVENT_RUN_OUTPUT) {
        ev.stream = 1 + (size & 1);
        ev.bytes = copy;
        ev.len = size - 1;
    } else {
        ev.json = copy;
        ev.json_len = size - 1;
    }
    if (event_parse(&ev, &body, &e) == 0)
        check_line(&ev);
    else
        INVARIANT(e.code == ERR_FORMAT || e.code == ERR_LIMIT);
    json_free(body);
    free(copy);
    return 0;
}
