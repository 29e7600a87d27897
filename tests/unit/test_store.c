/* test_store.c - the session file in ordinary use: append, group, read back, fold, reopen, verify.
 */
#include "session_fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/wait.h>

#include "base/clock.h"

/* ---- making and opening ---- */

static void assert_mode(const char *path, mode_t mode)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

static bool exists(const char *suffix)
{
    char *path = xasprintf("%s/" ID "%s", fx.dir, suffix);
    bool is = access(path, F_OK) == 0;
    free(path);
    return is;
}

static void test_create(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    char *dir = xasprintf("%s/data/sessions", fx.dir);
    struct store *s, *t;
    assert_ok(store_create(&s, dir, ID, &e));
    assert_mode(dir, 0700);
    assert_mode(store_path(s), 0600);
    assert_string_equal(store_id(s), ID);
    assert_int_equal(store_last_seq(s), 0);
    assert_true(store_is_live(s));
    assert_err(store_create(&t, dir, ID, &e), ERR_BUSY);
    assert_null(t);
    assert_ok(append_json(s, EVENT_SESSION_CREATED, 0, CREATED_JSON, &e));
    char *wal = xasprintf("%s-wal", store_path(s));
    assert_mode(wal, 0600);
    store_close(s);
    assert_int_equal(access(wal, F_OK), -1); /* one plain file is left */
    assert_err(store_create(&t, dir, ID, &e), ERR_BUSY);
    free(wal);
    free(dir);
}

static void test_create_refuses(void **state)
{
    (void)state;
    static const char *const ids[] = { "", "../x", "a/b", ".x", "a b", "a.b", "\xc3\xa9" };
    struct err e = ERR_INIT;
    struct store *s;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        assert_err(store_create(&s, fx.dir, ids[i], &e), ERR_FORMAT);
    char longest[66];
    memset(longest, 'a', 65);
    longest[65] = '\0';
    assert_err(store_create(&s, fx.dir, longest, &e), ERR_FORMAT);
    assert_err(store_create(&s, "/dev/null/x", ID, &e), ERR_IO);
    assert_null(s);
}

static void test_open_refuses(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s;
    assert_err(store_open(&s, fx.path, &e), ERR_MISSING);
    assert_err(store_open_read(&s, fx.path, &e), ERR_MISSING);
    assert_err(store_open_read(&s, fx.dir, &e), ERR_FORMAT);
    assert_null(s);
    assert_false(exists(".lock"));
}

static void test_two_writers(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create(), *t;
    char who[32];
    snprintf(who, sizeof who, "in process %d", (int)getpid());
    assert_err(store_open(&t, fx.path, &e), ERR_BUSY);
    assert_non_null(strstr(e.msg, who));
    assert_non_null(strstr(e.msg, ID));
    pid_t pid = fork();
    if (pid == 0)
        _exit(store_open(&t, fx.path, &e) == -1 && e.code == ERR_BUSY ? 0 : 1);
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    store_close(s);
    s = fixture_open(true);
    store_close(s);
    assert_false(exists(".lock"));
}

/* ---- append and fold ---- */

struct seen {
    uint64_t count, last;
    struct buf text;
    uint64_t stop_at;
};

static int see(void *arg, const struct event *ev)
{
    struct seen *n = arg;
    assert_int_equal(ev->seq, n->count == 0 ? ev->seq : n->last + 1);
    n->count++;
    n->last = ev->seq;
    return event_print_jsonl(ev, "s", &n->text) < 0 || ev->seq == n->stop_at;
}

#define SEEN_INIT                                                                                  \
    {                                                                                              \
        .text = BUF_INIT(64 << 20)                                                                 \
    }

static int add_seq(void *arg, const struct event *ev)
{
    return buf_addf(arg, "%" PRIu64 " ", ev->seq);
}

static void test_append_and_fold(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    int64_t before = clock_wall_us();
    assert_ok(append_json(s, EVENT_SESSION_CREATED, 0, CREATED_JSON, &e));
    struct event ev = { .type = EVENT_NOTE, .json = NOTE_JSON, .json_len = strlen(NOTE_JSON) };
    assert_ok(store_append(s, &ev, &e));
    assert_int_equal(ev.seq, 2);
    assert_in_range(ev.at_us, before, clock_wall_us());
    assert_in_range(ev.boot_us, 1, clock_boot_us());
    assert_string_equal(ev.type_name, "note");
    ev = (struct event){ .type_name = "future.thing",
                         .at_us = 5,
                         .boot_us = 6,
                         .run = 9,
                         .json = "{\"a\":1}",
                         .json_len = 7 };
    assert_ok(store_append(s, &ev, &e));
    assert_int_equal(ev.at_us, 5);
    assert_ok(append_output(s, 9, 1, "a\0b", 3, &e));
    struct seen n = SEEN_INIT;
    assert_ok(store_each(s, 0, 0, see, &n, &e)); /* with an open group */
    assert_int_equal(n.count, 4);
    assert_non_null(strstr(buf_str(&n.text), "\"run\":9,\"type\":\"future.thing\",\"a\":1}\n"));
    store_close(s);

    s = fixture_open(false);
    struct seen m = SEEN_INIT;
    assert_ok(store_each(s, 0, 0, see, &m, &e));
    assert_string_equal(buf_str(&m.text), buf_str(&n.text));
    buf_reset(&m.text);
    m.count = 0;
    assert_ok(store_each(s, 2, 3, see, &m, &e));
    assert_int_equal(m.count, 2);
    m.count = 0;
    m.stop_at = 2;
    assert_ok(store_each(s, 0, 0, see, &m, &e));
    assert_int_equal(m.last, 2);
    m.count = 0;
    assert_ok(store_each(s, 5, 0, see, &m, &e));
    assert_ok(store_each(s, 3, 2, see, &m, &e));
    assert_int_equal(m.count, 0);
    assert_false(store_is_live(s));
    store_close(s);
    buf_release(&n.text);
    buf_release(&m.text);
}

static void test_fold_of_some_types(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    assert_ok(append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e));
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    assert_ok(append_output(s, 1, 1, "x", 1, &e));
    assert_ok(append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e));
    struct event ev = { .type_name = "future.thing", .json = "{}", .json_len = 2 };
    assert_ok(store_append(s, &ev, &e));
    static const struct {
        uint64_t types;
        const char *want;
    } cases[] = {
        { UINT64_C(1) << EVENT_NOTE, "1 4 " },
        { UINT64_C(1) << EVENT_UNKNOWN, "5 " },
        { UINT64_C(1) << EVENT_RUN_OUTPUT | UINT64_C(1) << EVENT_TASK_GIVEN, "2 3 " },
        { 0, "" },
        { UINT64_MAX, "1 2 3 4 5 " },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = BUF_INIT(100);
        assert_ok(store_each_of(s, cases[i].types, 0, 0, add_seq, &out, &e));
        assert_string_equal(buf_str(&out), cases[i].want);
        buf_release(&out);
    }
    store_close(s);
}

static void test_chain_at(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct verify_report rep;
    uint8_t start[SHA256_LEN], want[SHA256_LEN], got[SHA256_LEN];
    struct store *s = fixture_create();
    sha256_once("airlock.session.1\0" ID, sizeof "airlock.session.1\0" ID - 1, want);
    assert_ok(store_chain_at(s, 0, start, &e));
    assert_memory_equal(start, want, sizeof want);
    assert_err(store_chain_at(s, 1, got, &e), ERR_MISSING);
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    assert_ok(store_chain_at(s, 1, got, &e));
    assert_ok(store_verify(s, &rep, &e));
    assert_memory_equal(got, rep.head, sizeof got);
    store_close(s);
}

/* More than one piece of the fold. */
static void test_long_fold(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    for (int i = 0; i < 3000; i++)
        assert_ok(append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e));
    struct seen n = SEEN_INIT;
    assert_ok(store_each(s, 0, 0, see, &n, &e));
    assert_int_equal(n.count, 3000);
    n.count = 0;
    assert_ok(store_each(s, 1000, 2100, see, &n, &e));
    assert_int_equal(n.count, 1101);
    buf_release(&n.text);
    store_close(s);
}

static void test_append_refuses(void **state)
{
    (void)state;
    static char big[STORE_CHUNK_MAX + 1];
    static const struct {
        struct event ev;
        enum err_code want;
    } cases[] = {
        { { .type = EVENT_TASK_GIVEN, .json = "{}", .json_len = 2 }, ERR_FORMAT },
        { { .type = EVENT_TASK_GIVEN, .json = "{", .json_len = 1 }, ERR_FORMAT },
        { { .type = EVENT_TASK_GIVEN }, ERR_LIMIT },
        { { .type = EVENT_NOTE, .json = "{}", .json_len = EVENT_BODY_MAX + 1 }, ERR_LIMIT },
        { { .type_name = "", .json = "{}", .json_len = 2 }, ERR_FORMAT },
        { { .type_name = "note", .json = "{}", .json_len = 2 }, ERR_FORMAT },
        { { .type_name = "a-name-of-more-than-sixty-four-bytes-which-no-newer-program-would-make",
            .json = "{}",
            .json_len = 2 },
          ERR_FORMAT },
        { { .type = EVENT_RUN_OUTPUT, .stream = 0, .bytes = "a", .len = 1 }, ERR_FORMAT },
        { { .type = EVENT_RUN_OUTPUT, .stream = 3, .bytes = "a", .len = 1 }, ERR_FORMAT },
        { { .type = EVENT_RUN_OUTPUT, .stream = 1 }, ERR_FORMAT },
        { { .type = EVENT_RUN_OUTPUT, .stream = 1, .bytes = "a", .len = 1, .offset = 1 },
          ERR_FORMAT },
        { { .type = EVENT_RUN_OUTPUT, .stream = 1, .bytes = big, .len = sizeof big }, ERR_LIMIT },
    };
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct event ev = cases[i].ev;
        if (store_append(s, &ev, &e) != -1 || e.code != cases[i].want)
            fail_msg("case %zu: %s", i, e.msg);
        assert_int_equal(ev.seq, 0);
    }
    /* None of it ended the store. */
    assert_false(store_failed(s, NULL));
    assert_ok(append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e));
    assert_int_equal(store_last_seq(s), 1);
    store_close(s);
}

/* ---- groups ---- */

static void test_groups(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    assert_int_equal(store_flush_due_us(s), 0);
    int64_t before = clock_boot_us();
    assert_ok(append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e));
    int64_t due = store_flush_due_us(s);
    if (due != 0) { /* the machine may have slept for 50 ms just here */
        assert_in_range(due, before + STORE_GROUP_US, clock_boot_us() + STORE_GROUP_US);
        assert_int_equal(store_durable_seq(s), 0);
    }
    assert_ok(store_flush(s, &e));
    assert_int_equal(store_durable_seq(s), 1);
    assert_int_equal(store_flush_due_us(s), 0);
    assert_ok(store_flush(s, &e));

    /* what acts is on disk at once, and takes what came before along */
    assert_ok(append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e));
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    assert_int_equal(store_durable_seq(s), 3);
    assert_int_equal(store_flush_due_us(s), 0);

    for (int i = 0; i < STORE_GROUP_EVENTS; i++)
        assert_ok(append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e));
    assert_true(store_durable_seq(s) >= 4); /* a full group does not stay open */
    assert_ok(store_flush(s, &e));
    assert_int_equal(store_durable_seq(s), 3 + STORE_GROUP_EVENTS);

    static char chunk[STORE_CHUNK_MAX];
    uint64_t bytes = 0;
    while (bytes < STORE_GROUP_BYTES) {
        assert_ok(append_output(s, 1, 1, chunk, sizeof chunk, &e));
        bytes += sizeof chunk;
    }
    assert_int_equal(store_durable_seq(s), store_last_seq(s));
    store_close(s);
}

static void test_reader_sees_commits_only(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    struct store *r = fixture_open(false);
    assert_true(store_is_live(r));
    assert_int_equal(store_last_seq(r), 1);
    assert_ok(append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e));
    uint64_t durable = store_durable_seq(s);
    assert_int_equal(store_last_seq(r), durable);
    assert_ok(store_flush(s, &e));
    assert_int_equal(store_last_seq(r), 2);
    struct seen n = SEEN_INIT;
    assert_ok(store_each(r, 0, 0, see, &n, &e));
    assert_int_equal(n.count, 2);
    struct verify_report rep;
    assert_ok(store_verify(r, &rep, &e));
    assert_int_equal(rep.result, VERIFY_WHOLE);
    store_close(s);
    /* the writer is gone, and the file is no longer in WAL mode: the reader goes on */
    assert_false(store_is_live(r));
    assert_int_equal(store_last_seq(r), 2);
    s = fixture_open(true);
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    assert_int_equal(store_last_seq(r), 3);
    store_close(r);
    store_close(s);
    buf_release(&n.text);
}

/* A closed session is one file, and reading it leaves nothing behind. */
static void test_reading_makes_no_files(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    store_close(s);
    s = fixture_open(false);
    assert_int_equal(store_last_seq(s), 1);
    store_close(s);
    assert_false(exists(".db-wal"));
    assert_false(exists(".db-shm"));
    assert_false(exists(".db-journal"));
    assert_false(exists(".lock"));
    assert_true(exists(".head"));
}

/* ---- output ---- */

static void test_output(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    static const size_t sizes[] = { 1, 65536, 17, 4096, 65535, 2 };
    size_t total = 0;
    char *all = xmalloc(200000);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        for (size_t j = 0; j < sizes[i]; j++)
            all[total + j] = (char)(i * 31 + j * 7);
        assert_ok(append_output(s, 4, 1, all + total, sizes[i], &e));
        assert_ok(append_output(s, 4, 2, "err", 3, &e));
        assert_ok(append_output(s, 5, 1, "other", 5, &e));
        assert_ok(append_output(s, 0, 1, "background", 10, &e));
        total += sizes[i];
        assert_int_equal(store_output_bytes(s, 4, 1), total);
    }
    char *got = xmalloc(total + 10);
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(store_read_output(s, 4, 1, 0, got, total + 10, &e), total);
        assert_memory_equal(got, all, total);
        for (size_t at = 0; at < total; at += 12347) {
            size_t want = total - at < 70000 ? total - at : 70000;
            assert_int_equal(store_read_output(s, 4, 1, at, got, 70000, &e), want);
            assert_memory_equal(got, all + at, want);
        }
        assert_int_equal(store_read_output(s, 4, 1, total, got, 10, &e), 0);
        assert_int_equal(store_read_output(s, 4, 1, total + 99, got, 10, &e), 0);
        assert_int_equal(store_read_output(s, 4, 1, UINT64_MAX, got, 10, &e), 0);
        assert_int_equal(store_read_output(s, 4, 1, 5, got, 0, &e), 0);
        assert_int_equal(store_read_output(s, 7, 1, 0, got, 10, &e), 0);
        assert_int_equal(store_read_output(s, 4, 2, 0, got, 100, &e), 3 * ARRAY_LEN(sizes));
        assert_int_equal(store_output_bytes(s, 0, 1), 10 * ARRAY_LEN(sizes));
        assert_int_equal(store_output_bytes(s, 9, 1), 0);
        if (pass == 0) {
            store_close(s);
            s = fixture_open(true);
        }
    }
    assert_ok(append_output(s, 4, 1, "more", 4, &e)); /* finds the end by itself */
    assert_int_equal(store_output_bytes(s, 4, 1), total + 4);
    store_close(s);
    free(all);
    free(got);
}

/* ---- blobs ---- */

static void test_artifacts(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    static const char body[] = "{\"mime\":\"image/png\",\"main\":true}";
    struct event ev = {
        .type = EVENT_RUN_RESULT, .run = 2, .json = body, .json_len = sizeof body - 1
    };
    assert_ok(store_append_artifact(s, &ev, "image/png", "plot.png", "\x89PNG", 4, &e));
    assert_string_equal(json_get_str(ev.body, "artifact", ""), "plot.png");
    assert_int_equal(json_get_int(ev.body, "bytes", -1), 4);
    assert_int_equal(strlen(json_get_str(ev.body, "sha256", "")), SHA256_HEX_LEN);
    assert_true(json_get_bool(ev.body, "main", false));
    ev = (struct event){
        .type = EVENT_RUN_RESULT, .run = 2, .json = body, .json_len = sizeof body - 1
    };
    assert_ok(store_append_artifact(s, &ev, "image/png", "empty", "", 0, &e));
    ev = (struct event){ .type_name = "future.thing", .run = 3, .json = "{ }", .json_len = 3 };
    assert_ok(store_append_artifact(s, &ev, "text/plain", "x", "y", 1, &e));
    /* the body says it all already, and is kept as it is */
    struct buf full = BUF_INIT(1000);
    assert_int_equal(buf_add(&full, ev.json, ev.json_len), 0);
    ev = (struct event){
        .type_name = "future.thing", .run = 3, .json = full.ptr, .json_len = full.len
    };
    assert_ok(store_append_artifact(s, &ev, "text/plain", "x", "y", 1, &e));
    assert_string_equal(ev.json, full.ptr);
    buf_release(&full);
    ev = (struct event){ .type_name = "future.thing", .json = "{\"bytes\":2}", .json_len = 11 };
    assert_err(store_append_artifact(s, &ev, "text/plain", "x", "y", 1, &e), ERR_FORMAT);
    /* the body contradicts the blob */
    ev = (struct event){
        .type = EVENT_RUN_RESULT, .run = 2, .json = body, .json_len = sizeof body - 1
    };
    assert_err(store_append_artifact(s, &ev, "image/gif", "x", "y", 1, &e), ERR_FORMAT);
    ev = (struct event){
        .type = EVENT_RUN_RESULT, .run = 2, .json = body, .json_len = sizeof body - 1
    };
    assert_err(store_append_artifact(s, &ev, "image/png", "x", "y", STORE_BLOB_MAX + 1, &e),
               ERR_LIMIT);

    struct buf out = BUF_INIT(4);
    assert_ok(store_read_artifact(s, 2, "plot.png", &out, &e));
    assert_int_equal(out.len, 4);
    assert_memory_equal(out.ptr, "\x89PNG", 4);
    assert_err(store_read_artifact(s, 3, "x", &out, &e), ERR_LIMIT);
    assert_err(store_read_artifact(s, 3, "plot.png", &out, &e), ERR_MISSING);
    buf_release(&out);
    struct verify_report rep;
    assert_ok(store_verify(s, &rep, &e));
    assert_string_equal(rep.reason, "");
    assert_int_equal(rep.result, VERIFY_WHOLE);
    store_close(s);
}

static int count_artifact(void *arg, const struct store_artifact *a)
{
    struct buf *out = arg;
    return buf_addf(out, "%" PRIu64 " %u %s %s %" PRIu64 "\n", a->seq, a->run, a->mime, a->name,
                    a->bytes);
}

static void test_list_artifacts(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    for (uint32_t run = 1; run <= 2; run++) {
        struct event ev = { .type_name = "x", .run = run, .json = "{}", .json_len = 2 };
        assert_ok(store_append_artifact(s, &ev, "text/plain", run == 1 ? "a" : "b", "yy", run, &e));
    }
    struct buf out = BUF_INIT(1000);
    assert_ok(store_each_artifact(s, 0, count_artifact, &out, &e));
    assert_string_equal(buf_str(&out), "1 1 text/plain a 1\n2 2 text/plain b 2\n");
    buf_reset(&out);
    assert_ok(store_each_artifact(s, 2, count_artifact, &out, &e));
    assert_string_equal(buf_str(&out), "2 2 text/plain b 2\n");
    buf_release(&out);
    store_close(s);
}

static void add_checkpoint(struct store *s, uint32_t run, bool part, const char *ref,
                           const char *bytes)
{
    struct err e = ERR_INIT;
    const char *json = part ? "{\"kind\":\"saved.part\",\"part\":1}" : "{\"kind\":\"saved\"}";
    struct event ev = { .type = part ? EVENT_CHECKPOINT_PART : EVENT_CHECKPOINT_MADE,
                        .run = run,
                        .json = json,
                        .json_len = strlen(json) };
    assert_ok(store_append_checkpoint(s, &ev, part ? "saved.part" : "saved", ref, bytes,
                                      strlen(bytes), "{}", &e));
    assert_string_equal(json_get_str(ev.body, "ref", "?"), ref);
}

static void expect_checkpoint(struct store *s, const char *ref, const char *bytes)
{
    struct err e = ERR_INIT;
    struct buf out = BUF_INIT(100);
    if (bytes == NULL) {
        assert_err(store_read_checkpoint(s, ref, &out, &e), ERR_MISSING);
    } else {
        assert_ok(store_read_checkpoint(s, ref, &out, &e));
        assert_string_equal(buf_str(&out), bytes);
    }
    buf_release(&out);
}

static void test_checkpoints(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    bool more = false;
    add_checkpoint(s, 1, false, "one", "s1");
    add_checkpoint(s, 2, true, "two", "a");
    add_checkpoint(s, 2, true, "two", "b");
    expect_checkpoint(s, "two", NULL); /* not ended yet */
    add_checkpoint(s, 2, false, "two", "c");
    add_checkpoint(s, 3, true, "three", "never ended");
    expect_checkpoint(s, "one", "s1");
    expect_checkpoint(s, "two", "abc");
    expect_checkpoint(s, "three", NULL);
    expect_checkpoint(s, "four", NULL);
    assert_ok(store_drop_loose_parts(s, &e));
    expect_checkpoint(s, "two", "abc");
    add_checkpoint(s, 3, false, "three", "d");
    expect_checkpoint(s, "three", "d");
    /* the row that ends it goes first: what is left is no checkpoint */
    assert_ok(store_drop_checkpoint(s, "two", 2, &more, &e));
    assert_true(more);
    expect_checkpoint(s, "two", NULL);
    assert_ok(store_drop_checkpoint(s, "two", 2, &more, &e));
    assert_false(more);
    assert_ok(store_drop_checkpoint(s, "none", 2, &more, &e));
    assert_false(more);
    expect_checkpoint(s, "one", "s1");
    struct verify_report rep;
    assert_ok(store_verify(s, &rep, &e));
    assert_int_equal(rep.result, VERIFY_WHOLE);
    assert_int_equal(rep.erased, 0);
    store_close(s);
}

/* ---- derived rows ---- */

static int list_var(void *arg, const struct store_var *v)
{
    return buf_addf(arg, "%s|%s|%s|%" PRId64 "|%s|%s|%s\n", v->name, v->type, v->shape, v->bytes,
                    v->preview, v->digest, v->change);
}

static int list_sandbox(void *arg, const struct store_sandbox *row)
{
    return buf_addf(arg, "%s %s %s %s %" PRId64 " %" PRIu64 "\n", row->label, row->id, row->kind,
                    row->state, row->created_us, row->seq);
}

static void test_derived(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    assert_ok(append_json(
        s, EVENT_STATE_CHANGED, 1,
        "{\"vars\":[{\"name\":\"x\",\"type\":\"int\",\"bytes\":28,\"preview\":\"1\","
        "\"digest\":\"d\",\"change\":\"new\"},{\"name\":\"x\",\"type\":7,\"junk\":[]},3],"
        "\"files\":[]}",
        &e));
    assert_ok(append_json(s, EVENT_STATE_CHANGED, 1,
                          "{\"vars\":[{\"name\":\"y\",\"shape\":\"(2, 3)\"}],\"files\":[]}", &e));
    struct buf out = BUF_INIT(1000);
    assert_ok(store_each_var(s, 1, list_var, &out, &e));
    assert_string_equal(buf_str(&out), "y||(2, 3)|-1|||\n");
    buf_reset(&out);
    struct event ev = { .type = EVENT_SANDBOX_CREATING,
                        .at_us = 77,
                        .json = "{\"kind\":\"e2b\",\"label\":\"L1\"}",
                        .json_len = 27 };
    assert_ok(store_append(s, &ev, &e));
    assert_ok(append_json(s, EVENT_SANDBOX_READY, 0,
                          "{\"kind\":\"e2b\",\"label\":\"L1\",\"id\":\"i9\"}", &e));
    assert_ok(append_json(s, EVENT_SANDBOX_READY, 0,
                          "{\"kind\":\"local\",\"label\":\"L2\",\"id\":\"p\",\"warm\":true}", &e));
    assert_ok(append_json(s, EVENT_SANDBOX_ORPHANED, 0, "{\"kind\":\"e2b\",\"label\":\"L1\"}", &e));
    assert_ok(store_each_sandbox(s, list_sandbox, &out, &e));
    buf_truncate(&out, 0);
    assert_ok(store_each_sandbox(s, list_sandbox, &out, &e));
    assert_non_null(strstr(buf_str(&out), "L1 i9 e2b orphaned 77 6\n"));
    assert_non_null(strstr(buf_str(&out), "L2 p local ready "));
    struct verify_report rep;
    assert_ok(store_verify(s, &rep, &e));
    assert_string_equal(rep.reason, "");
    assert_int_equal(rep.result, VERIFY_WHOLE);
    buf_release(&out);
    store_close(s);
}

/* ---- verify, erase ---- */

static void test_verify_whole(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct verify_report rep;
    struct store *s = fixture_create();
    assert_ok(store_verify(s, &rep, &e));
    assert_int_equal(rep.result, VERIFY_WHOLE);
    assert_int_equal(rep.events, 0);
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    assert_ok(append_output(s, 1, 1, "abc", 3, &e));
    assert_ok(store_verify(s, &rep, &e));
    assert_int_equal(rep.events, 2);
    assert_int_equal(rep.anchored, 1);
    store_close(s);
    s = fixture_open(false);
    assert_ok(store_verify(s, &rep, &e));
    assert_int_equal(rep.result, VERIFY_WHOLE);
    assert_int_equal(rep.anchored, 2); /* closing anchors the end */
    store_close(s);
}

static void test_erase(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct verify_report rep;
    struct store *s = fixture_create();
    assert_ok(
        append_json(s, EVENT_NOTE, 0, "{\"text\":\"my-secret-word\",\"author\":\"person\"}", &e));
    assert_ok(append_output(s, 1, 1, "secret-output", 13, &e));
    assert_ok(append_json(s, EVENT_STATE_CHANGED, 1,
                          "{\"vars\":[{\"name\":\"secret-var\"}],\"files\":[]}", &e));
    struct event ev = { .type_name = "x", .run = 1, .json = "{}", .json_len = 2 };
    assert_ok(store_append_artifact(s, &ev, "text/plain", "n", "secret-blob", 11, &e));
    for (uint64_t seq = 1; seq <= 4; seq++)
        assert_ok(store_erase(s, seq, &e));
    assert_err(store_erase(s, 1, &e), ERR_MISSING);
    assert_err(store_erase(s, 99, &e), ERR_MISSING);
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    assert_ok(store_verify(s, &rep, &e));
    assert_string_equal(rep.reason, "");
    assert_int_equal(rep.result, VERIFY_WHOLE);
    assert_int_equal(rep.erased, 4);
    struct seen n = SEEN_INIT;
    assert_ok(store_each(s, 0, 0, see, &n, &e));
    assert_non_null(strstr(buf_str(&n.text), "\"type\":\"note\",\"erased\":true}"));
    buf_release(&n.text);
    store_close(s);
    /* not a trace of it in any file */
    static const char *const suffixes[] = { ".db", ".db-wal", ".head" };
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char *path = xasprintf("%s/" ID "%s", fx.dir, suffixes[i]);
        FILE *f = fopen(path, "rb");
        char *all = xmalloc(1 << 20);
        size_t len = f != NULL ? fread(all, 1, 1 << 20, f) : 0;
        assert_null(memmem(all, len, "secret", 6));
        if (f != NULL)
            fclose(f);
        free(all);
        free(path);
    }
}

/* The reaper's table outlives the bodies it was made from. */
static void test_erase_sandbox_event(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct verify_report rep;
    struct buf out = BUF_INIT(1000);
    struct store *s = fixture_create();
    assert_ok(append_json(s, EVENT_SANDBOX_CREATING, 0, "{\"kind\":\"e2b\",\"label\":\"L1\"}", &e));
    assert_ok(store_erase(s, 1, &e));
    assert_ok(store_each_sandbox(s, list_sandbox, &out, &e));
    assert_non_null(strstr(buf_str(&out), "L1  e2b creating"));
    assert_ok(store_verify(s, &rep, &e));
    assert_int_equal(rep.result, VERIFY_WHOLE);
    assert_int_equal(rep.erased, 1);
    store_close(s);
    buf_release(&out);
}

static void test_copy_under_another_name(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct verify_report rep;
    struct store *s = fixture_create();
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    store_close(s);
    char *copy = xasprintf("%s/copy.db", fx.dir);
    assert_int_equal(rename(fx.path, copy), 0);
    assert_ok(store_open_read(&s, copy, &e));
    assert_string_equal(store_id(s), ID);
    assert_ok(store_verify(s, &rep, &e));
    assert_int_equal(rep.result, VERIFY_WHOLE);
    assert_int_equal(rep.anchored, 0);
    store_close(s);
    assert_err(store_open(&s, copy, &e), ERR_FORMAT);
    assert_non_null(strstr(e.msg, "copy of session " ID));
    free(copy);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_create),
        T(test_create_refuses),
        T(test_open_refuses),
        T(test_two_writers),
        T(test_append_and_fold),
        T(test_long_fold),
        T(test_fold_of_some_types),
        T(test_chain_at),
        T(test_append_refuses),
        T(test_groups),
        T(test_reader_sees_commits_only),
        T(test_reading_makes_no_files),
        T(test_output),
        T(test_artifacts),
        T(test_list_artifacts),
        T(test_checkpoints),
        T(test_derived),
        T(test_verify_whole),
        T(test_erase),
        T(test_erase_sandbox_event),
        T(test_copy_under_another_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
