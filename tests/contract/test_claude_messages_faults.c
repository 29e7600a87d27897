/* test_claude_messages_faults.c - a model that does something else, and a server that misbehaves:
 * nothing but the approved program's own result passes; and random programs through the recording
 * server, decoded there by other code. All of it in both forms: a command, and a cell for the
 * interpreter that stays. */
#include "contract/box.h"

#define CODE "print('hello')"
#define ANY  (-1)

static void say(const char *line)
{
    assert_string_equal(box_remote_say(line), "{}\n");
}

static void trick(const char *fields)
{
    char line[512];
    snprintf(line, sizeof line, "{%s}", fields);
    say(line);
}

static bool stays(void)
{
    return (box_world.ops->caps & SANDBOX_IS_STATEFUL) != 0;
}

/* Commands and cells are decoded and answered, not executed. */
static struct box *open_reciting(void)
{
    say("{\"ask\": \"forget\"}");
    say("{\"recite\": true}");
    return box_open_default();
}

static struct json *stats(void)
{
    struct json *o = NULL;
    const char *line = box_remote_say("{\"ask\": \"stats\"}");
    assert_int_equal(json_parse(&o, line, strlen(line), NULL), 0);
    return o;
}

static void run_well(struct box *b)
{
    box_run(b, CODE);
    assert_exit(b, 0);
}

/* ---- one run meets one of them */

static const struct deviation {
    const char *trick;
    int end;
    const char *words; /* of the message */
} deviations[] = {
    /* the model does something else */
    { "\"do\": \"alter\"", END_INTEGRITY, "different from byte" },
    { "\"do\": \"shorten\"", END_INTEGRITY, "different from byte" },
    { "\"do\": \"extra\"", END_INTEGRITY, "something else" },
    { "\"do\": \"twice\"", END_INTEGRITY, "second call" },
    { "\"do\": \"second\"", END_INTEGRITY, "second call" },
    { "\"do\": \"other-tool\"", END_INTEGRITY, "another tool" },
    { "\"do\": \"client-tool\"", END_INTEGRITY, "another tool" },
    { "\"do\": \"editor\"", END_INTEGRITY, "another tool: text_editor" },
    { "\"do\": \"caller\"", END_INTEGRITY, "not its own" },
    { "\"do\": \"max-tokens\"", END_INTEGRITY, "no whole object" },
    { "\"do\": \"words\"", END_PROVIDER, "did not run it" },
    { "\"do\": \"refusal\"", END_PROVIDER, "refuses" },
    { "\"do\": \"pause\", \"times\": 9, \"rounds\": 9", END_UNKNOWN, "paused too often" },
    /* the container says something else */
    { "\"do\": \"wrong-hash\"", END_INTEGRITY, "other code" },
    { "\"do\": \"other-token\"", END_INTEGRITY, "not of this run" },
    { "\"do\": \"no-proof\"", END_INTEGRITY, "did not come back whole" },
    { "\"do\": \"garbage\"", END_INTEGRITY, "did not come back whole" },
    { "\"do\": \"encrypted\"", END_INTEGRITY, "another kind" },
    { "\"do\": \"other-result\"", END_INTEGRITY, "not asked for" },
    { "\"do\": \"two-results\"", END_INTEGRITY, "two results" },
    { "\"do\": \"unknown-block\"", END_INTEGRITY, "nobody asked for" },
    /* the tool fails */
    { "\"do\": \"error-result\", \"code\": \"unavailable\"", END_PROVIDER, "(unavailable)" },
    { "\"do\": \"error-result\", \"code\": \"too_many_requests\"", END_PROVIDER, "too often" },
    { "\"do\": \"error-result\", \"code\": \"invalid_tool_input\"", END_PROVIDER, "did not take" },
    { "\"do\": \"error-result\", \"code\": \"execution_time_exceeded\"", END_TIMEOUT, "too long" },
    { "\"do\": \"error-result\", \"code\": \"output_file_too_large\"", END_LIMIT, "too large" },
    { "\"do\": \"error-result\", \"code\": \"container_expired\"", END_LOST, "expired" },
    { "\"do\": \"error-result\", \"code\": \"brand_new\"", END_PROVIDER, "(brand_new)" },
    /* the stream ends early */
    { "\"do\": \"error-event\", \"after\": 0", END_PROVIDER, "gave up before" },
    { "\"do\": \"error-event\", \"after\": 1", END_PROVIDER, "overloaded_error" },
    { "\"do\": \"error-event\", \"after\": 2", END_UNKNOWN, "overloaded_error" },
    { "\"do\": \"error-event\", \"after\": \"end\"", END_UNKNOWN, "not known" },
    { "\"do\": \"truncate\", \"after\": 0", END_UNKNOWN, "not known" },
    { "\"do\": \"truncate\", \"after\": 2", END_UNKNOWN, "not known" },
    { "\"do\": \"truncate\", \"after\": \"end\"", END_UNKNOWN, "not known" },
    /* the server does not take it */
    /* … not even without the container, which it may have meant */
    { "\"do\": \"status\", \"status\": 400, \"body\": \"{}\", \"times\": 2", END_PROVIDER,
      "not executed" },
    { "\"do\": \"status\", \"status\": 401", END_PROVIDER, "ANTHROPIC_API_KEY" },
    { "\"do\": \"status\", \"status\": 402", END_PROVIDER, "not executed" },
    { "\"do\": \"status\", \"status\": 404, \"times\": 2", END_PROVIDER, "not executed" },
    { "\"do\": \"status\", \"status\": 413, \"body\": \"<html>\"", END_PROVIDER, "not executed" },
    { "\"do\": \"status\", \"status\": 204", END_UNKNOWN, "not known" },
    { "\"do\": \"status\", \"status\": 500", END_UNKNOWN, "not known" },
    { "\"do\": \"status\", \"status\": 504", END_UNKNOWN, "not known" },
    { "\"do\": \"status\", \"status\": 307, \"headers\": {\"Location\": \"http://127.0.0.1:1/\"}",
      END_UNKNOWN, "not known" },
    { "\"do\": \"status\", \"status\": 429, \"times\": 9, \"headers\": {\"retry-after\": \"0\"}",
      END_PROVIDER, "429" },
    { "\"do\": \"reset\"", END_UNKNOWN, "not known" },
};

/* Where an interpreter stays, it is taken for gone, and nothing is run. */
static bool may_be_gone(const struct deviation *d)
{
    return stays() && (strstr(d->trick, " 400") != NULL || strstr(d->trick, " 404") != NULL);
}

static void deviations_are_named(void **state)
{
    BOX_NEEDS();
    struct box *b = open_reciting();
    (void)state;
    run_well(b);
    for (size_t i = 0; i < ARRAY_LEN(deviations); i++) {
        const struct deviation *d = &deviations[i];
        const char *words = may_be_gone(d) ? "nothing was executed" : d->words;
        int end = may_be_gone(d) ? END_LOST : d->end;
        trick(d->trick);
        box_run(b, CODE);
        if ((int)b->f.end != end || b->f.has_code || strstr(b->message, words) == NULL)
            fail_msg("%s: end %s, message \"%s\"", d->trick, run_end_name(b->f.end), b->message);
        assert_int_equal(b->out.len + b->err.len, 0);
        assert_int_equal(b->results, 0);
        if (d->end == END_INTEGRITY)
            assert_true(b->error_traceback[0] != '\0' && b->f.state_lost);
        say("{\"ask\": \"forget\"}");
        struct sandbox_run next = box_request(b, "python", CODE);
        const char *line = box_world.ops->starts_over(b->s, &next);
        assert_true(line != NULL || d->end != END_INTEGRITY); /* the gate says what is gone */
        run_well(b); /* … and harmed nothing but itself */
        assert_null(box_world.ops->starts_over(b->s, &next));
        struct json *o = stats();
        const struct json *bodies = json_get(o, "bodies");
        if (d->end == END_INTEGRITY) /* never the same container again */
            assert_null(strstr(json_str(json_at(bodies, 0), ""), "\"container\""));
        json_free(o);
    }
    box_free(b);
}

/* Where nothing began, nothing is lost; where something else may run, all is. */
static void deviations_at_the_first_run(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_IS_STATEFUL);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(deviations); i++) {
        const struct deviation *d = &deviations[i];
        if (may_be_gone(d))
            continue;
        struct box *b = open_reciting();
        trick(d->trick);
        box_run(b, CODE);
        if ((int)b->f.end != d->end || strstr(b->message, d->words) == NULL)
            fail_msg("%s: end %s, message \"%s\"", d->trick, run_end_name(b->f.end), b->message);
        say("{\"ask\": \"forget\"}");
        run_well(b);
        box_free(b);
    }
}

static const char *const harmless[] = {
    "\"do\": \"pause\"",
    "\"do\": \"pause\", \"times\": 3, \"rounds\": 3",
    "\"do\": \"no-container\"",
    "\"do\": \"split\", \"step\": 7",
    "\"do\": \"status\", \"status\": 429, \"headers\": {\"retry-after\": \"0\"}",
    "\"do\": \"status\", \"status\": 529, \"headers\": {\"retry-after\": \"0\"}",
};

static void harmless_ones_are_passed(void **state)
{
    BOX_NEEDS();
    struct box *b = open_reciting();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(harmless); i++) {
        trick(harmless[i]);
        box_run(b, CODE);
        if (b->f.end != END_EXIT || b->f.code != 0)
            fail_msg("%s: end %s, message \"%s\"", harmless[i], run_end_name(b->f.end), b->message);
        struct json *o = stats();
        assert_int_equal(json_len(json_get(o, "commands")), 1); /* once, whatever happened */
        json_free(o);
        say("{\"ask\": \"forget\"}");
    }
    assert_int_equal(b->usages, (int)ARRAY_LEN(harmless));
    box_free(b);
}

/* No cut of the stream is taken for its end. */
static void cut_everywhere(void **state)
{
    BOX_NEEDS();
    struct box *b = open_reciting();
    int ended = 0;
    (void)state;
    for (int at = 0; ended == 0; at += at < 2000 ? 61 : 997) {
        char fields[64];
        snprintf(fields, sizeof fields, "\"do\": \"cut\", \"at\": %d", at);
        trick(fields);
        box_run(b, CODE);
        say("{\"ask\": \"forget\"}");
        if (b->f.end == END_EXIT && at > 10000)
            ended++; /* the cut lies behind the last event */
        else
            assert_end(b, END_UNKNOWN);
    }
    box_free(b);
}

/* ---- containers */

static const char *container_of(const struct json *bodies, size_t i, char room[64])
{
    struct json *o = NULL;
    const char *text = json_str(json_at(bodies, i), "");
    assert_int_equal(json_parse(&o, text, strlen(text), NULL), 0);
    snprintf(room, 64, "%s", json_get_str(o, "container", ""));
    json_free(o);
    return room;
}

static void a_container_is_kept_for_the_session_and_no_longer(void **state)
{
    BOX_NEEDS_NOT(SANDBOX_IS_STATEFUL); /* test_claude_messages_state.c */
    struct box *b = open_reciting();
    char first[64], second[64], third[64], fourth[64];
    (void)state;
    say("{\"ask\": \"forget\"}");
    run_well(b);
    run_well(b);
    say("{\"ask\": \"expire\"}");
    box_run(b, CODE);
    assert_exit(b, 0);
    assert_non_null(strstr(b->message, "expired"));
    struct json *o = stats();
    const struct json *bodies = json_get(o, "bodies");
    assert_int_equal(json_len(bodies), 4);
    assert_string_equal(container_of(bodies, 0, first), "");
    assert_true(container_of(bodies, 1, second)[0] != '\0');
    assert_string_equal(container_of(bodies, 2, third), second);
    assert_string_equal(container_of(bodies, 3, fourth), "");
    json_free(o);
    box_free(b);
}

static void run_lifecycle_means_a_fresh_container(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    c.lifecycle = LIFECYCLE_RUN;
    say("{\"ask\": \"forget\"}");
    say("{\"recite\": true}");
    struct box *b = box_open(&c);
    (void)state;
    run_well(b);
    box_wait(b, closed, 1);
    assert_true(b->confirmed);
    box_free(b);
}

/* ---- ended from here */

static void what_is_on_its_way_can_only_be_cut(void **state)
{
    BOX_NEEDS();
    struct box *b = open_reciting();
    (void)state;
    trick("\"do\": \"hang\", \"times\": 2");
    struct sandbox_run rq = box_request(b, "python", CODE);
    box_start(b, &rq);
    box_turns(3);
    box_interrupt(b);
    box_wait(b, finished, 1);
    assert_end(b, END_INTERRUPTED);
    assert_non_null(strstr(b->message, "may go on"));
    rq = box_request(b, "python", CODE);
    box_start(b, &rq);
    box_turns(3);
    box_kill(b, END_KILLED);
    box_wait(b, closed, 1);
    assert_end(b, END_KILLED);
    assert_false(b->confirmed); /* nobody knows what becomes of it */
    box_free(b);
}

static void a_model_that_never_answers_is_a_timeout(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    c.timeout_s = 1;
    say("{\"ask\": \"forget\"}");
    struct box *b = box_open(&c);
    (void)state;
    trick("\"do\": \"hang\"");
    box_run(b, CODE); /* box_setting: the model is given a second more */
    assert_end(b, END_TIMEOUT);
    run_well(b);
    box_free(b);
}

static void a_body_that_is_refused_does_not_leave(void **state)
{
    BOX_NEEDS();
    struct box *b = open_reciting();
    (void)state;
    say("{\"ask\": \"forget\"}");
    b->refuse = true;
    box_run(b, CODE);
    assert_end(b, END_INTEGRITY);
    struct json *o = stats();
    assert_int_equal(json_len(json_get(o, "commands")), 0);
    json_free(o);
    b->refuse = false;
    run_well(b);
    assert_string_equal(b->checked_code, CODE);
    box_free(b);
}

/* ---- files */

static void files_come_out_and_are_deleted_there(void **state)
{
    BOX_NEEDS();
    struct box *b = open_reciting();
    (void)state;
    say("{\"recite\": false}");
    say("{\"ask\": \"expire\"}");
    box_run(
        b,
        "import os\nn = open(os.environ['OUTPUT_DIR'] + '/a.bin', 'wb').write(bytes(range(256)))");
    assert_exit(b, 0);
    assert_int_equal(b->results, 1);
    assert_int_equal(b->result.len, 256);
    for (int i = 0; i < 256; i++)
        assert_int_equal((unsigned char)b->result.ptr[i], i);
    struct json *o = stats();
    assert_int_equal(json_len(json_get(o, "files")), 0);
    json_free(o);
    trick("\"on\": \"GET /v1/files/ID/content\", \"do\": \"status\", \"status\": 404");
    box_run(b, "import os\nn = open(os.environ['OUTPUT_DIR'] + '/a.bin', 'wb').write(b'x')");
    assert_exit(b, 0); /* the run is what it was; what is missing is said */
    assert_non_null(strstr(b->message, "1 file it left could not be brought out"));
    box_free(b);
}

/* ---- random programs */

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void send_random(struct box *b, struct buf *want)
{
    char code[2048];
    size_t len = next_random() % (sizeof code - 1);
    for (size_t i = 0; i < len; i++)
        code[i] = (char)(next_random() >> 24);
    struct sandbox_run rq = box_request(b, next_random() % 2 ? "python" : "bash", "");
    code[len] = '\0';
    rq.code = code;
    rq.code_len = len;
    box_exec(b, &rq);
    assert_exit(b, 0);
    buf_reset(want);
    assert_int_equal(base64_encode(want, code, len), 0);
}

/* What was decoded there by other code is what was approved here. AIRLOCK_RANDOM=10000 for more. */
static void random_programs_arrive_as_they_are(void **state)
{
    BOX_NEEDS();
    const char *more = getenv("AIRLOCK_RANDOM");
    long count = more != NULL ? strtol(more, NULL, 10) : 200;
    struct box *b = open_reciting();
    struct buf want = BUF_INIT(1 << 16);
    (void)state;
    for (long i = 0; i < count; i++) {
        say("{\"ask\": \"forget\"}");
        send_random(b, &want);
        struct json *o = stats();
        const struct json *codes = json_get(o, "codes");
        assert_int_equal(json_len(codes), 1);
        assert_string_equal(json_str(json_at(codes, 0), "-"), buf_str(&want));
        json_free(o);
    }
    buf_release(&want);
    box_free(b);
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(deviations_are_named),
    BOX_TEST(deviations_at_the_first_run),
    BOX_TEST(harmless_ones_are_passed),
    BOX_TEST(cut_everywhere),
    BOX_TEST(a_container_is_kept_for_the_session_and_no_longer),
    BOX_TEST(run_lifecycle_means_a_fresh_container),
    BOX_TEST(what_is_on_its_way_can_only_be_cut),
    BOX_TEST(a_model_that_never_answers_is_a_timeout),
    BOX_TEST(a_body_that_is_refused_does_not_leave),
    BOX_TEST(files_come_out_and_are_deleted_there),
    BOX_TEST(random_programs_arrive_as_they_are),
};

static int run_suite(const char *name)
{
    return strcmp(box_world.ops->name, "claude-messages") == 0
               ? cmocka_run_group_tests_name(name, tests, box_group_setup, box_group_teardown)
               : 0;
}

int main(void)
{
    return box_main(run_suite);
}
