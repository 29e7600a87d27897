/* round_fixture.h - the life of a played round, and what its sandbox, its planner and its person
 * say. */
#ifndef AIRLOCK_TESTS_ROUND_FIXTURE_H
#define AIRLOCK_TESTS_ROUND_FIXTURE_H

#include "round_play.h"

/* ---- life ---- */

static inline void turns(void)
{
    struct err e = ERR_INIT;
    for (int i = 0; i < 8; i++)
        assert_int_equal(loop_turn(d.loop, 0, &e), 0);
}

/* A fact of the session so far, before there is a round: JSON with ' for ". */
static inline void fact(const char *type, uint32_t run, const char *json)
{
    struct err e = ERR_INIT;
    struct json *body = NULL;
    char *text = xstrdup(json);
    for (char *p = text; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    struct event ev = { .seq = d.st.last_seq + 1,
                        .at_us = 1000000 * (int64_t)(d.st.last_seq + 1),
                        .type = event_type_find(type),
                        .run = run,
                        .json = text,
                        .json_len = strlen(text) };
    assert_true(d.past_count < ARRAY_LEN(d.past));
    d.past[d.past_count] = ev;
    d.facts[d.past_count++] = text;
    if (event_parse(&ev, &body, &e) < 0 || state_apply(&d.st, &ev, NULL, &e) < 0)
        fail_msg("%s: %s", type, e.msg);
    json_free(body);
}

static inline int desk_setup(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    d = (struct desk){ .snapshots_kept = 2, .proved_gone = true };
    buf_init(&d.log, (size_t)4 << 20);
    if (loop_new(&d.loop, &e) < 0 || (desk_rules == NULL && review_load(&desk_rules, &e) < 0))
        return -1;
    contract_init(&d.contract);
    d.redact = redact_new();
    d.sandbox = (struct sandbox_ops){
        .name = "box",
        .isolation = "played",
        .languages = "python",
        .caps = SANDBOX_NO_PROBES | SANDBOX_IS_STATEFUL,
        .enforcement = box_enforcement,
        .interpreter = box_interpreter,
        .open = box_open,
        .exec = box_exec,
        .interrupt = box_interrupt,
        .kill = box_kill,
        .restore = box_restore,
        .save = box_save,
        .load = box_load,
        .put = box_put,
        .get = box_get,
        .complete = box_complete,
        .pause = box_pause,
        .wake = box_wake,
        .snapshot = box_snapshot,
        .drop_snapshot = box_drop_snapshot,
        .close = box_close,
    };
    d.planner = (struct planner_ops){
        .name = "played",
        .open = plan_open,
        .task = plan_task,
        .message = plan_message,
        .observe = plan_observe,
        .plan_edited = plan_edited,
        .cancel = plan_cancel,
        .close = plan_close,
    };
    d.cfg = (struct round_config){
        .loop = d.loop,
        .state = &d.st,
        .planner = &d.planner,
        .sandbox = &d.sandbox,
        .contract = &d.contract,
        .rules = desk_rules,
        .redact = d.redact,
        .port = { desk_append,
                  desk_artifact,
                  desk_checkpoint,
                  desk_read,
                  desk_each,
                  desk_each_event,
                  desk_drop,
                  { desk_output, NULL },
                  desk_applied,
                  desk_ask,
                  desk_streaming,
                  desk_completion,
                  desk_failed,
                  NULL },
    };
    state_init(&d.st);
    state_set_session(&d.st, "01jd0000000000000000000000");
    fact("session.created", 0,
         "{'planner':'played','model':'','sandbox':'box','contract':{},'contract_digest':'00',"
         "'version':'0.1.0'}");
    return 0;
}

static inline int desk_teardown(void **state)
{
    (void)state;
    round_free(d.r);
    for (size_t i = 0; i < d.box_count; i++)
        assert_null(d.box[i]);
    state_release(&d.st);
    contract_release(&d.contract);
    redact_free(d.redact);
    for (size_t i = 0; i < d.past_count; i++)
        free(d.facts[i]);
    for (size_t i = 0; i < d.blob_count; i++) {
        free(d.blobs[i].ref);
        buf_release(&d.blobs[i].bytes);
    }
    buf_release(&d.log);
    loop_free(d.loop);
    return 0;
}

static inline int desk_end(void **state)
{
    (void)state;
    review_rules_free(desk_rules);
    return 0;
}

static inline void desk_begin(void)
{
    GOOD(round_new(&d.r, &d.cfg, e));
}

/* ---- what is said ---- */

static struct err reason;

static inline const struct err *because(enum err_code code, const char *words)
{
    err_clear(&reason);
    err_set(&reason, code, "%s", words);
    return &reason;
}

static inline void tell(size_t box, struct sandbox_event ev)
{
    assert_true(box < d.box_count && d.box[box] != NULL);
    d.box[box]->sink(d.box[box]->arg, &d.box[box]->base, &ev);
    turns();
}

static inline void tell_ready(size_t box)
{
    tell(box, (struct sandbox_event){ .kind = SANDBOX_READY, .id = "box-id" });
}

static inline void tell_closed(size_t box)
{
    tell(box, (struct sandbox_event){ .kind = SANDBOX_CLOSED, .confirmed = true });
}

static inline void tell_exit(size_t box, uint32_t run, int code)
{
    struct sandbox_finished f = sandbox_finished_bare(END_EXIT, "");
    f.has_code = true;
    f.code = code;
    tell(box, (struct sandbox_event){ .kind = SANDBOX_FINISHED, .run = run, .finished = &f });
}

/* One variable, or none ("" as its name). */
static inline void tell_state(size_t box, uint32_t run, const char *name, const char *value)
{
    struct sandbox_var v = { .name = name,
                             .type = "int",
                             .preview = value,
                             .digest = value,
                             .bytes = 28,
                             .change = CHANGE_NEW };
    tell(box, (struct sandbox_event){
                  .kind = SANDBOX_STATE, .run = run, .vars = &v, .var_count = name[0] != '\0' });
}

static inline void say(struct planner_event ev)
{
    d.say(d.say_to, &d.played, &ev);
    turns();
}

static inline void propose(const char *code, const char *step, const char *expect)
{
    struct planner_proposal p = { .language = "python",
                                  .code = code,
                                  .code_len = strlen(code),
                                  .purpose = "why",
                                  .step = step,
                                  .expect = expect,
                                  .call_id = "call-1" };
    say((struct planner_event){ .kind = PLANNER_PROPOSAL, .proposal = &p });
}

static inline int own_code(const char *code, struct err *e)
{
    struct round_own own = { .language = "python", .code = code, .code_len = strlen(code) };
    int rc = round_own_code(d.r, &own, e);
    turns();
    return rc;
}

static inline int decide(enum round_decision what, struct err *e)
{
    struct round_decide x = {
        .decision = what, .by = "person", .capsule = d.st.gate.capsule, .reason = ""
    };
    int rc = round_decide(d.r, &x, e);
    turns();
    return rc;
}

/* The person's code, proposed and approved; the sandbox of that number runs it now. */
static inline void start_code(size_t box, const char *code)
{
    bool fresh = box >= d.box_count;
    GOOD(own_code(code, e));
    assert_true(d.st.gate.open);
    GOOD(decide(DECIDE_APPROVE, e));
    if (fresh)
        tell_ready(box);
    assert_int_equal(d.st.running, d.st.run_count);
}

static inline enum run_status status_of(uint32_t run)
{
    const struct state_run *sr = state_run_at(&d.st, run);
    assert_non_null(sr);
    return sr->status;
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, desk_setup, desk_teardown)

#endif
