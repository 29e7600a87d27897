/* fuzz_state.c - any log folds without a crash; what is refused changes nothing a view could show,
 * and nothing runs that was not approved.
 *
 * Input: records `type, run, length` (a byte each) and that many bytes of body. The body is JSON;
 * of run.output the first byte is the stream, the rest the bytes. A letter a to d alone stands for
 * a common body, so that a fuzzer finds its way.
 */
#include <string.h>

#include "tool/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CAPSULE "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PROPOSED(rev, author, more)                                                                \
    "{\"rev\":" rev ",\"step\":\"1\",\"attempt\":1,\"language\":\"python\",\"code\":\"x\","        \
    "\"purpose\":\"\",\"author\":\"" author "\"" more "}"
#define OPENED(rev)                                                                                \
    "{\"rev\":" rev ",\"capsule\":\"" CAPSULE "\",\"contract_digest\":\"\",\"sandbox\":\"\"}"
#define DECIDED(decision, by)                                                                      \
    "{\"decision\":\"" decision "\",\"by\":\"" by "\",\"capsule\":\"" CAPSULE                      \
    "\",\"seen_lines\":1,\"waited_ms\":1}"
#define VARS "{\"vars\":[{\"name\":\"v\",\"change\":\"new\"}],\"files\":[]}"

static const struct {
    enum event_type type;
    const char *bodies[4];
} common[] = {
    { EVENT_RUN_PROPOSED,
      { PROPOSED("0", "planner", ""), PROPOSED("1", "person", ""),
        PROPOSED("0", "planner", ",\"twin_of\":1"), PROPOSED("2", "person", "") } },
    { EVENT_RUN_REVIEWED,
      { "{\"findings\":[]}", "{\"findings\":[{\"line\":1,\"severity\":\"HIGH\"}]}",
        "{\"findings\":[]}", "{\"findings\":[]}" } },
    { EVENT_GATE_OPENED, { OPENED("0"), OPENED("1"), OPENED("2"), OPENED("0") } },
    { EVENT_GATE_DECIDED,
      { DECIDED("approve", "person"), DECIDED("dry-run", "person"), DECIDED("edit", "person"),
        DECIDED("approve", "lease") } },
    { EVENT_RUN_STARTED,
      { "{\"sandbox_id\":\"\",\"capsule\":\"" CAPSULE "\"}",
        "{\"sandbox_id\":\"\",\"capsule\":\"\"}", "{}", "{}" } },
    { EVENT_RUN_FINISHED,
      { "{\"end\":\"exit\",\"code\":0,\"wall_ms\":1,\"stdout_bytes\":0,\"stderr_bytes\":0}",
        "{\"end\":\"sandbox\",\"wall_ms\":1,\"stdout_bytes\":0,\"stderr_bytes\":0}",
        "{\"end\":\"oom\",\"wall_ms\":1,\"stdout_bytes\":0,\"stderr_bytes\":0,\"resumed_from\":1}",
        "{}" } },
    { EVENT_RUN_VERDICT,
      { "{\"verdict\":\"verified\",\"checks\":[]}", "{\"verdict\":\"refuted\",\"checks\":[]}", "{}",
        "{}" } },
    { EVENT_LEASE_GRANTED,
      { "{\"runs\":2,\"approximated\":[]}", "{\"minutes\":2,\"approximated\":[]}", "{}", "{}" } },
    { EVENT_STATE_CHANGED, { VARS, "{\"vars\":[],\"files\":[]}", VARS, VARS } },
    { EVENT_STATE_RESTORED,
      { "{\"from_run\":1,\"kept\":[],\"lost\":[\"v\"]}", "{\"from_run\":0,\"kept\":[],\"lost\":[]}",
        "{\"from_run\":2,\"kept\":[],\"lost\":[]}", "{}" } },
};

static const char *common_body(enum event_type type, char letter)
{
    for (size_t i = 0; i < ARRAY_LEN(common); i++) {
        if (common[i].type == type)
            return common[i].bodies[letter - 'a'];
    }
    return "{}";
}

/* A number that moves whenever something does. */
static uint64_t fingerprint(const struct state *st)
{
    uint64_t h = st->last_seq;
#define MIX(value) h = (h ^ (uint64_t)(value)) * 0x100000001b3u
    MIX(st->phase);
    MIX(st->message_count);
    MIX(st->run_count);
    MIX(st->running);
    MIX(st->gate.open);
    MIX(st->gate.run);
    MIX(st->lease.active);
    MIX(st->lease.runs_left);
    MIX(st->var_count);
    MIX(st->step_count);
    MIX(st->denied);
    MIX(st->failed);
    for (size_t i = 0; i < st->run_count; i++) {
        const struct state_run *r = st->runs[i];
        MIX(r->status);
        MIX(r->rev);
        MIX(r->verdict);
        MIX(r->out[1].bytes);
        MIX(r->out[2].bytes);
        MIX(r->finding_count);
        MIX(r->result_count);
        MIX(r->capsule[0]);
        MIX(r->decision[0]);
    }
    return h;
#undef MIX
}

static void check_running(const struct state *st)
{
    const struct state_run *r = state_run_at(st, st->running);
    if (r == NULL || r->erased)
        return;
    INVARIANT(strcmp(r->decision, r->twin_of != 0 ? "dry-run" : "approve") == 0);
    bool high = r->finding_count > 0 && r->worst == SEVERITY_HIGH;
    INVARIANT(!high || strcmp(r->by, "lease") != 0);
    for (size_t s = STREAM_STDOUT; s <= STREAM_STDERR; s++) {
        const struct state_output *o = &r->out[s];
        INVARIANT(o->tail.len <= STATE_TAIL_MAX && o->tail_offset + o->tail.len == o->bytes);
    }
}

static void make_output(const struct state *st, struct event *ev, const char *body, size_t len)
{
    const struct state_run *r = state_run_at(st, ev->run);
    ev->stream = (unsigned char)body[0] % 4;
    ev->bytes = body + 1;
    ev->len = len - 1;
    if (ev->stream < 3)
        ev->offset = (r != NULL ? r->out : st->background)[ev->stream].bytes;
}

static void feed(struct state *st, struct event *ev, const char *body, size_t len, uint64_t *seq)
{
    struct json *root = NULL;
    struct err e = ERR_INIT;
    struct effects fx = { .count = 0 };
    if (ev->type == EVENT_RUN_OUTPUT) {
        if (len == 0)
            return;
        make_output(st, ev, body, len);
    } else if (len > 0) { /* none: an event whose body was erased */
        ev->json = body;
        ev->json_len = len;
        if (event_parse(ev, &root, &e) < 0)
            return;
    }
    uint64_t before = fingerprint(st);
    ev->seq = *seq + 1;
    if (state_apply(st, ev, &fx, &e) < 0) {
        INVARIANT(e.code == ERR_INTEGRITY && fingerprint(st) == before && fx.count == 0);
    } else {
        (*seq)++;
        INVARIANT(fx.count <= EFFECTS_MAX);
        check_running(st);
    }
    json_free(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state st;
    uint64_t seq = 0;
    state_init(&st);
    for (size_t i = 0; i + 3 <= size;) {
        struct event ev = { .type = (enum event_type)(data[i] % EVENT_TYPE_COUNT),
                            .run = data[i + 1] % 8 };
        size_t len = data[i + 2];
        const char *body = (const char *)data + i + 3;
        ev.type_name = event_type_name(ev.type);
        i += 3;
        len = len < size - i ? len : size - i;
        i += len;
        if (len == 1 && body[0] >= 'a' && body[0] <= 'd' && ev.type != EVENT_RUN_OUTPUT) {
            body = common_body(ev.type, body[0]);
            len = strlen(body);
        }
        feed(&st, &ev, body, len, &seq);
    }
    state_release(&st);
    return 0;
}
