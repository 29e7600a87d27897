/* test_birth.c - what a new sandbox must prove before code of a session runs in it [SBX-3]: a whole
 * round, on every sandbox that is there and on a double without walls. */
#include "box.h"

#include "open_double.h"
#include "tool/contract.h"
#include "tool/round.h"

#define LOG_MAX 64

struct trial {
    struct state st;
    struct round *r;
    struct review_rules *rules;
    uint64_t seq;
    enum event_type types[LOG_MAX]; /* of what was recorded, in order */
    size_t count;
    bool asked;
    char out[4096], message[512], probed[65536];
    enum run_end end;
    char dir[32];
};

/* ---- the port: a record in memory ---- */

static int append(void *arg, struct event *ev, struct err *e)
{
    struct trial *t = arg;
    (void)e;
    ev->seq = ++t->seq;
    ev->at_us = ev->boot_us = (int64_t)t->seq;
    return 0;
}

static int append_artifact(void *arg, struct event *ev, const char *mime, const char *name,
                           const void *p, size_t len, struct err *e)
{
    (void)mime, (void)name, (void)p, (void)len;
    return append(arg, ev, e);
}

static int append_checkpoint(void *arg, struct event *ev, const char *kind, const char *ref,
                             const void *p, size_t len, struct err *e)
{
    (void)kind, (void)ref, (void)p, (void)len;
    return append(arg, ev, e);
}

static void applied(void *arg, const struct event *ev)
{
    struct trial *t = arg;
    if (t->count < LOG_MAX)
        t->types[t->count++] = ev->type;
    if (ev->type == EVENT_SANDBOX_PROBED)
        snprintf(t->probed, sizeof t->probed, "%.*s", (int)ev->json_len, ev->json);
    if (ev->type == EVENT_RUN_FINISHED)
        box_copy(t->message, sizeof t->message, json_get_str(ev->body, "message", ""));
    if (ev->type == EVENT_RUN_OUTPUT && ev->stream == STREAM_STDOUT)
        snprintf(t->out + strlen(t->out), sizeof t->out - strlen(t->out), "%.*s", (int)ev->len,
                 ev->bytes);
}

static void ask(void *arg, uint32_t run, const char *why)
{
    struct trial *t = arg;
    (void)run, (void)why;
    t->asked = true;
}

static void streaming(void *arg, const struct planner_event *ev)
{
    (void)arg, (void)ev;
}

static void failed(void *arg, const struct err *e)
{
    (void)arg;
    fail_msg("the record broke: %s", e->msg);
}

/* ---- a session ---- */

static void feed_created(struct trial *t, const struct contract *c, const struct sandbox_ops *ops)
{
    struct event_builder b;
    struct err e = ERR_INIT;
    event_begin(&b, EVENT_SESSION_CREATED, 0);
    json_w_str(&b.w, "planner", "human");
    json_w_str(&b.w, "model", "");
    json_w_str(&b.w, "sandbox", ops->name);
    contract_to_json(c, &b.w, "contract");
    json_w_str(&b.w, "contract_digest", "");
    json_w_str(&b.w, "version", "test");
    assert_int_equal(event_end(&b, &e), 0);
    assert_int_equal(append(t, &b.ev, &e), 0);
    assert_int_equal(state_apply(&t->st, &b.ev, NULL, &e), 0);
    event_release(&b);
}

static void trial_begin(struct trial *t, const struct sandbox_ops *ops, const struct contract *c)
{
    struct err e = ERR_INIT;
    *t = (struct trial){ .seq = 0 };
    snprintf(t->dir, sizeof t->dir, "/tmp/birth-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    state_init(&t->st);
    state_set_session(&t->st, "01test");
    assert_int_equal(review_load(&t->rules, &e), 0);
    feed_created(t, c, ops);
    struct round_config rc = { .loop = box_world.loop,
                               .launcher = box_world.launcher,
                               .net = box_world.net,
                               .setting = box_setting,
                               .state = &t->st,
                               .planner = planner_find("human"),
                               .sandbox = ops,
                               .contract = c,
                               .rules = t->rules,
                               .default_language = "python",
                               .private_dir = t->dir,
                               .port = { .append = append,
                                         .append_artifact = append_artifact,
                                         .append_checkpoint = append_checkpoint,
                                         .applied = applied,
                                         .ask = ask,
                                         .streaming = streaming,
                                         .failed = failed,
                                         .arg = t } };
    if (round_new(&t->r, &rc, &e) < 0)
        fail_msg("%s", e.msg);
}

static void trial_end(struct trial *t)
{
    struct err e = ERR_INIT;
    round_kill_sandbox(t->r);
    while (t->st.sbx == SBX_CREATING || t->st.sbx == SBX_READY)
        assert_int_equal(loop_turn(box_world.loop, 1000, &e), 0);
    round_free(t->r);
    state_release(&t->st);
    review_rules_free(t->rules);
    assert_int_equal(rmdir(t->dir), 0); /* the canary is away */
}

/* Propose, approve, and wait for the end. */
static void trial_run(struct trial *t, const char *code)
{
    struct err e = ERR_INIT;
    struct round_own own = { .language = "python", .code = code, .code_len = strlen(code) };
    t->asked = false;
    t->out[0] = '\0';
    assert_int_equal(round_own_code(t->r, &own, &e), 0);
    while (!t->asked)
        assert_int_equal(loop_turn(box_world.loop, 1000, &e), 0);
    struct round_decide d = {
        .decision = DECIDE_APPROVE, .by = "person", .capsule = t->st.gate.capsule, .reason = ""
    };
    if (round_decide(t->r, &d, &e) < 0)
        fail_msg("%s", e.msg);
    const struct state_run *sr = state_last_run(&t->st);
    while (sr->status != RUN_FINISHED)
        assert_int_equal(loop_turn(box_world.loop, 1000, &e), 0);
    t->end = sr->end;
}

static size_t place_of(const struct trial *t, enum event_type type)
{
    size_t i = 0;
    while (i < t->count && t->types[i] != type)
        i++;
    return i;
}

/* ---- walls that hold ---- */

static const char traces[] =
    "import sys, os\n"
    "print(hasattr(sys, 'airlock_birth'), [n for n in globals() if 'asked' in n or 'nonce' in n],\n"
    "      [n for n in os.listdir('/tmp') if n.startswith('sbx-')], os.getppid() > 0)\n";

static void proved_before_the_first_code(void **state)
{
    (void)state;
    BOX_NEEDS_LOCAL();
    struct trial t;
    struct contract c = box_contract();
    trial_begin(&t, box_world.ops, &c);
    trial_run(&t, traces);
    if (strcmp(t.st.lights, "+++?+") != 0)
        fail_msg("%s %s", t.st.lights, t.probed);
    assert_true(place_of(&t, EVENT_SANDBOX_READY) < place_of(&t, EVENT_SANDBOX_PROBED));
    assert_true(place_of(&t, EVENT_SANDBOX_PROBED) < place_of(&t, EVENT_RUN_STARTED));
    assert_int_equal(t.end, END_EXIT);
    assert_string_equal(t.out, "False [] [] True\n"); /* nothing of it is left inside */
    size_t before = t.count;
    trial_run(&t, "print(1)");
    for (size_t i = before; i < t.count; i++)
        assert_int_not_equal(t.types[i], EVENT_SANDBOX_PROBED); /* once in a sandbox's life */
    trial_end(&t);
}

static void a_first_run_that_dies_goes_back_to_nothing(void **state)
{
    (void)state;
    BOX_NEEDS_LOCAL();
    struct trial t;
    struct contract c = box_contract();
    trial_begin(&t, box_world.ops, &c);
    trial_run(&t, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)");
    assert_int_equal(t.end, END_SIGNAL);
    assert_true(state_last_run(&t.st)->state_lost); /* not "resumed" from what the probes left */
    trial_end(&t);
}

static void one_run_a_sandbox_is_not_used_up(void **state)
{
    (void)state;
    BOX_NEEDS_LOCAL();
    struct trial t;
    struct contract c = box_contract();
    c.lifecycle = LIFECYCLE_RUN;
    trial_begin(&t, box_world.ops, &c);
    trial_run(&t, "print('ran')");
    assert_string_equal(t.out, "ran\n");
    if (strcmp(t.st.lights, "+++??") != 0)
        fail_msg("%s %s", t.st.lights, t.probed);
    trial_end(&t);
}

static void an_open_network_is_unproved(void **state)
{
    (void)state;
    BOX_NEEDS_LOCAL();
    struct trial t;
    struct contract c = box_contract();
    c.network = NETWORK_OPEN;
    trial_begin(&t, box_world.ops, &c);
    trial_run(&t, "print('ran')");
    assert_string_equal(t.out, "ran\n");
    if (strcmp(t.st.lights, "+?+?+") != 0)
        fail_msg("%s %s", t.st.lights, t.probed);
    trial_end(&t);
}

static const struct CMUnitTest holds[] = {
    cmocka_unit_test(proved_before_the_first_code),
    cmocka_unit_test(a_first_run_that_dies_goes_back_to_nothing),
    cmocka_unit_test(one_run_a_sandbox_is_not_used_up),
    cmocka_unit_test(an_open_network_is_unproved),
};

/* ---- and walls that do not ---- */

static void without_walls_nothing_runs(void **state)
{
    (void)state;
    struct trial t;
    char code[128], path[64];
    struct contract c = box_contract();
    trial_begin(&t, &open_double_ops, &c);
    snprintf(path, sizeof path, "/tmp/birth-ran-%d", (int)getpid());
    snprintf(code, sizeof code, "open('%s', 'w')", path);
    trial_run(&t, code);
    assert_int_equal(t.end, END_SANDBOX);
    assert_non_null(strstr(t.message, "failed its filesystem probe and was destroyed"));
    assert_int_equal(access(path, F_OK), -1);
    if (strncmp(t.st.lights, "---?", 4) != 0)
        fail_msg("%s %s", t.st.lights, t.probed);
    assert_int_equal(place_of(&t, EVENT_RUN_STARTED), t.count); /* never */
    while (t.st.sbx != SBX_CLOSED)
        assert_int_equal(loop_turn(box_world.loop, 1000, &(struct err)ERR_INIT), 0);
    trial_end(&t);
}

static void the_next_try_fails_again(void **state)
{
    (void)state;
    struct trial t;
    struct contract c = box_contract();
    trial_begin(&t, &open_double_ops, &c);
    trial_run(&t, "1");
    trial_run(&t, "2");
    assert_int_equal(t.end, END_SANDBOX);
    assert_int_equal(place_of(&t, EVENT_RUN_STARTED), t.count);
    trial_end(&t);
}

static const struct CMUnitTest controls[] = {
    cmocka_unit_test(without_walls_nothing_runs),
    cmocka_unit_test(the_next_try_fails_again),
};

static int run_suite(const char *name)
{
    return cmocka_run_group_tests_name(name, holds, box_group_setup, box_group_teardown);
}

static int run_controls(void)
{
    size_t count;
    box_world.ops = sandbox_list(&count)[0];
    if (chdir("/tmp") < 0)
        return 1;
    return cmocka_run_group_tests_name("no walls", controls, box_group_setup, box_group_teardown);
}

int main(void)
{
    int failed_count = box_main(run_suite);
    return failed_count + run_controls() == 0 ? 0 : 1;
}
