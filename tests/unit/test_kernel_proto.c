/* test_kernel_proto.c - our side of the guest protocol, against bytes instead of a guest: bodies
 * that survive, conversations cut anywhere, and guests that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "unit/kernel_guest.h"

/* ---- random numbers: the same in every run */

static uint64_t seed = 88172645463325252u;

static uint64_t roll(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return n == 0 ? 0 : seed % n;
}

static char *random_bytes_of(size_t len, bool text)
{
    char *p = xcalloc(1, len + 1);
    for (size_t i = 0; i < len; i++)
        p[i] = (char)(text ? 1 + roll(255) : roll(256));
    return p;
}

/* ---- bodies */

#define FEW 4

struct made { /* owns what a request points to */
    struct sandbox_run rq;
    char *argv[FEW], *exists[FEW];
    struct sandbox_file files[FEW];
};

static void make_request(struct made *m)
{
    size_t code = roll(5) == 0 ? roll(CODE_MAX + 1) : roll(2000);
    m->rq = (struct sandbox_run){ .run = (uint32_t)(1 + roll(UINT32_MAX)),
                                  .language = random_bytes_of(roll(20), true),
                                  .interpreter = random_bytes_of(roll(300), true),
                                  .code = random_bytes_of(code, false),
                                  .code_len = code,
                                  .cwd = random_bytes_of(roll(100), true),
                                  .input_len = roll(3000),
                                  .check_code_len = roll(500),
                                  .argv_count = roll(FEW + 1),
                                  .exists_count = roll(FEW + 1),
                                  .file_count = roll(FEW + 1) };
    m->rq.input = random_bytes_of(m->rq.input_len, false);
    m->rq.check_code = random_bytes_of(m->rq.check_code_len, false);
    for (size_t i = 0; i < FEW; i++) {
        m->argv[i] = random_bytes_of(roll(50), true);
        m->exists[i] = random_bytes_of(roll(50), true);
        m->files[i] = (struct sandbox_file){ .name = random_bytes_of(roll(60), true),
                                             .mode = (uint32_t)roll(01000),
                                             .len = roll(8) == 0 ? roll(3 << 20) : roll(200) };
        m->files[i].ptr = random_bytes_of(m->files[i].len, false);
    }
    m->rq.argv = (const char *const *)m->argv;
    m->rq.exists = (const char *const *)m->exists;
    m->rq.files = m->files;
}

static void free_request(struct made *m)
{
    free((char *)(uintptr_t)m->rq.language);
    free((char *)(uintptr_t)m->rq.interpreter);
    free((char *)(uintptr_t)m->rq.code);
    free((char *)(uintptr_t)m->rq.cwd);
    free((char *)(uintptr_t)m->rq.input);
    free((char *)(uintptr_t)m->rq.check_code);
    for (size_t i = 0; i < FEW; i++) {
        free(m->argv[i]);
        free(m->exists[i]);
        free(m->files[i].name);
        free(m->files[i].ptr);
    }
}

static void same_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    assert_int_equal(a_len, b_len);
    assert_true(a_len == 0 || memcmp(a, b, a_len) == 0);
}

static void same_request(const struct sandbox_run *a, const struct sandbox_run *b)
{
    assert_int_equal(a->run, b->run);
    assert_string_equal(a->language, b->language);
    assert_string_equal(a->interpreter, b->interpreter);
    assert_string_equal(a->cwd, b->cwd);
    same_bytes(a->code, a->code_len, b->code, b->code_len);
    same_bytes(a->input, a->input_len, b->input, b->input_len);
    same_bytes(a->check_code, a->check_code_len, b->check_code, b->check_code_len);
    assert_int_equal(a->argv_count, b->argv_count);
    for (size_t i = 0; i < a->argv_count; i++)
        assert_string_equal(a->argv[i], b->argv[i]);
    assert_int_equal(a->exists_count, b->exists_count);
    for (size_t i = 0; i < a->exists_count; i++)
        assert_string_equal(a->exists[i], b->exists[i]);
    assert_int_equal(a->file_count, b->file_count);
    for (size_t i = 0; i < a->file_count; i++) {
        assert_string_equal(a->files[i].name, b->files[i].name);
        assert_int_equal(a->files[i].mode, b->files[i].mode);
        same_bytes(a->files[i].ptr, a->files[i].len, b->files[i].ptr, b->files[i].len);
    }
}

static void test_bodies_survive(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        struct made m;
        struct buf body = BUF_INIT(KERNEL_BODY_MAX);
        struct kernel_request back;
        struct err e;
        make_request(&m);
        assert_int_equal(kernel_encode_exec(&m.rq, 1234 + i, i % 2 == 0, &body, &e), 0);
        assert_int_equal(kernel_decode_exec(&back, body.ptr, body.len, &e), 0);
        same_request(&m.rq, &back.run);
        assert_int_equal(back.timeout_ms, 1234 + i);
        assert_int_equal(back.checkpoint, i % 2 == 0);
        kernel_request_release(&back);
        buf_release(&body);
        free_request(&m);
    }
}

static void test_bodies_damaged(void **state)
{
    (void)state;
    struct sandbox_run rq = small_request(7, "print('x')");
    struct buf body = BUF_INIT(KERNEL_BODY_MAX);
    struct kernel_request back;
    struct err e;
    assert_int_equal(kernel_encode_exec(&rq, 1000, true, &body, &e), 0);
    for (size_t len = 0; len < body.len; len++)
        assert_int_equal(kernel_decode_exec(&back, body.ptr, len, &e), -1);
    assert_int_equal(buf_add_char(&body, '\0'), 0);
    assert_int_equal(kernel_decode_exec(&back, body.ptr, body.len, &e), -1);
    buf_truncate(&body, body.len - 1);
    for (size_t bit = 0; bit < body.len * 8; bit++) {
        body.ptr[bit / 8] ^= (char)(1 << bit % 8);
        if (kernel_decode_exec(&back, body.ptr, body.len, &e) == 0) {
            const struct sandbox_run *b = &back.run;
            bool same = b->run == rq.run && strcmp(b->language, rq.language) == 0 &&
                        strcmp(b->interpreter, rq.interpreter) == 0 && b->code_len == rq.code_len &&
                        memcmp(b->code, rq.code, rq.code_len) == 0 && strcmp(b->cwd, rq.cwd) == 0 &&
                        b->argv_count == 2 && strcmp(b->argv[0], "p") == 0 &&
                        strcmp(b->argv[1], "q") == 0 && back.timeout_ms == 1000 && back.checkpoint;
            assert_false(same);
            kernel_request_release(&back);
        }
        body.ptr[bit / 8] ^= (char)(1 << bit % 8);
    }
    buf_release(&body);
}

static void test_bodies_too_large(void **state)
{
    (void)state;
    struct err e;
    struct buf body = BUF_INIT(KERNEL_BODY_MAX);
    struct sandbox_run rq = small_request(1, "");
    char *big = xcalloc(1, CODE_MAX + 1);
    rq.code = big;
    rq.code_len = CODE_MAX + 1;
    assert_int_equal(kernel_encode_exec(&rq, 1, false, &body, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    rq.code_len = 0;
    rq.input = big;
    rq.input_len = INPUT_MAX + 1; /* not looked at */
    assert_int_equal(kernel_encode_exec(&rq, 1, false, &body, &e), -1);
    rq.input_len = 0;
    struct sandbox_file f = { .name = big, .ptr = big, .len = (size_t)BODY_MAX + 1 };
    rq.files = &f;
    rq.file_count = 1;
    assert_int_equal(kernel_encode_exec(&rq, 1, false, &body, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    rq.file_count = EXEC_FILES_MAX + 1;
    assert_int_equal(kernel_encode_exec(&rq, 1, false, &body, &e), -1);
    rq.file_count = 0;
    rq.run = 0;
    assert_int_equal(kernel_encode_exec(&rq, 1, false, &body, &e), -1);
    assert_int_equal(body.len, 0); /* a failure adds nothing */
    buf_release(&body);
    free(big);
}

/* ---- the conversation */

/* Everything once; the events must not depend on where the bytes are cut. */
static void add_conversation(struct buf *b)
{
    buf_add(b, GUEST_MAGIC, GUEST_MAGIC_LEN);
    add_says(b, hello);
    add_says(b, "{\"t\":\"started\",\"language\":\"python\",\"pid\":4}");
    add_frame(b, FRAME_OUTPUT, 0x11, "early", 5);
    add_says(b, "{\"t\":\"begin\",\"run\":3}");
    add_frame(b, FRAME_OUTPUT, 1, "out1\n", 5);
    add_frame(b, FRAME_OUTPUT, 2, "", 0);
    add_frame(b, FRAME_OUTPUT, 2, "err\n", 4);
    add_frame(b, FRAME_OUTPUT, 0x12, "other", 5);
    add_says(b, "{\"t\":\"result\",\"run\":3,\"of\":{\"mime\":\"text/"
                "plain\",\"main\":true,\"more\":1,\"data\":\"NDI=\"}}");
    add_says(b, "{\"t\":\"result\",\"run\":3,\"of\":{\"mime\":\"text/"
                "plain\",\"main\":true,\"more\":0,\"data\":\"LjU=\"}}");
    add_says(b, "{\"t\":\"done\",\"run\":3,\"end\":\"exit\",\"code\":1,\"wall_us\":99,\"out\":5,"
                "\"err\":4,\"lost\":false,"
                "\"resumed\":0,\"exists\":[],\"of\":{\"error\":{\"name\":\"E\",\"value\":\"v\","
                "\"traceback\":\"t\"}}}");
    add_says(b, "{\"t\":\"files\",\"run\":3,\"files\":[{\"change\":\"new\",\"bytes\":4,\"path\":"
                "\"a\"}],\"truncated\":false}");
    add_says(b, "{\"t\":\"checkpoint\",\"run\":3}");
    add_says(b, "{\"t\":\"state\",\"run\":3,\"of\":{\"more\":1,\"vars\":[{\"name\":\"y\",\"type\":"
                "\"int\",\"shape\":\"\",\"bytes\":28,"
                "\"preview\":\"2\",\"digest\":\"d2\",\"opaque\":0}]}}");
    add_says(b, "{\"t\":\"state\",\"run\":3,\"of\":{\"more\":0,\"vars\":[{\"name\":\"x\",\"type\":"
                "\"int\",\"shape\":\"\",\"bytes\":28,"
                "\"preview\":\"1\",\"digest\":\"d1\",\"opaque\":0}]}}");
    add_says(b, "{\"t\":\"dropped\",\"run\":3,\"why\":\"killed\"}");
}

static const char expected[] =
    "\nREADY run=0<0.1:early><3.1:out1\n><3.2:err\n><0.2:other>\nRESULT run=3 text/plain main=1 "
    "42.5"
    "\nFINISHED run=3 end=0 code=1/1 what= hit= err=E:v out=5+0 err=4 check=00 lost=0 from=0 "
    "\nCHECKPOINT run=3\nSTATE run=3 x=1:new y=2:new file:a:new\nCHECKPOINT_LOST run=3";

static void test_conversation(void **state)
{
    (void)state;
    struct buf all = BUF_INIT(1 << 20);
    add_conversation(&all);
    for (size_t step = 1; step <= all.len; step = step < 40 ? step + 1 : step * 2) {
        struct fake f;
        struct err e;
        open_fake(&f);
        struct sandbox_run rq = small_request(3, "code");
        assert_int_equal(kernel_exec(f.k, &rq, &e), 0); /* before READY: queued */
        assert_int_equal(f.sent.len, 0);
        for (size_t at = 0; at < all.len; at += step)
            kernel_feed(f.k, all.ptr + at, all.len - at < step ? all.len - at : step);
        assert_int_equal(f.broken, 0);
        if (step >= all.len) /* output in one piece */
            assert_string_equal(buf_str(&f.trace), expected);
        assert_int_equal(f.finished, 1);
        assert_true(traced(&f, "\nSTATE run=3 x=1:new y=2:new file:a:new\nCHECKPOINT_LOST run=3"));
        close_fake(&f);
    }
    buf_release(&all);
}

static void test_setup(void **state)
{
    (void)state;
    struct fake f;
    struct json *m;
    struct err e;
    open_fake(&f);
    greet(&f);
    size_t len = (size_t)(unsigned char)f.sent.ptr[6] << 8 | (unsigned char)f.sent.ptr[7];
    assert_int_equal(f.sent.len, FRAME_HEAD + len);
    assert_int_equal(json_parse(&m, f.sent.ptr + FRAME_HEAD, len, &e), 0);
    assert_string_equal(json_get_str(m, "t", ""), "setup");
    assert_int_equal(json_get_int(m, "nproc", 0), 128);
    assert_int_equal(json_get_int(m, "fsize", 0), 256 << 20);
    assert_int_equal(json_get_int(m, "keep", 0), 8);
    assert_string_equal(json_get_str(m, "python", ""), "/venv/bin/python");
    bool token = false, threads = false, unset = false;
    for (const struct json *p = json_first(json_get(m, "env")); p != NULL; p = json_next(p)) {
        const char *name = json_str(json_at(p, 0), ""), *value = json_str(json_at(p, 1), "");
        token = token || (strcmp(name, "TOKEN") == 0 && strcmp(value, "v\"1") == 0);
        threads = threads || (strcmp(name, "OMP_NUM_THREADS") == 0 && strcmp(value, "2") == 0);
        unset = unset || strcmp(name, "UNSET") == 0;
    }
    assert_true(token && threads && !unset);
    json_free(m);
    close_fake(&f);
}

static void test_self_check(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        { "\"uid\":1000", "\"uid\":0", "runs as root" },
        { "\"cap_eff\":\"0000000000000000\"", "\"cap_eff\":\"0000000000200000\"", "capabilities" },
        { "\"no_new_privs\":1", "\"no_new_privs\":0", "no_new_privs" },
        { "\"seccomp\":2", "\"seccomp\":0", "no seccomp filter" },
        { "\"core_pattern\":false", "\"core_pattern\":true", "core_pattern" },
        { "\"writable\":[]", "\"writable\":[\"/usr\"]", "system directories: /usr" },
        { "\"proto\":1", "\"proto\":2", "hello is wrong" },
        { "\"pid\":1,", "", "hello is wrong" },
        { "\"t\":\"hello\"", "\"t\":\"begin\"", "hello is wrong" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake f;
        char json[512];
        const char *at = strstr(hello, cases[i].from);
        assert_non_null(at);
        snprintf(json, sizeof json, "%.*s%s%s", (int)(at - hello), hello, cases[i].to,
                 at + strlen(cases[i].from));
        open_fake(&f);
        kernel_feed(f.k, GUEST_MAGIC, GUEST_MAGIC_LEN);
        says(&f, json);
        assert_int_equal(f.ready, 0);
        assert_int_equal(f.broken, 1);
        assert_non_null(strstr(f.why.msg, cases[i].says));
        assert_int_equal(f.sent.len, 0); /* not a byte was said to it */
        close_fake(&f);
    }
}

static void test_not_the_guest(void **state)
{
    (void)state;
    static const char *const greetings[] = { "x", "AIRLOCK2\n", "AIRLOCK1 ", "bwrap: execvp" };
    for (size_t i = 0; i < ARRAY_LEN(greetings); i++) {
        struct fake f;
        open_fake(&f);
        kernel_feed(f.k, greetings[i], strlen(greetings[i]));
        assert_int_equal(f.broken, 1);
        assert_string_equal(f.why.msg, "what was started is not the guest");
        close_fake(&f);
    }
}

/* ---- lies: while run 5 is on, after run 4 */

static void test_lies(void **state)
{
    (void)state;
    static const char *const lies[] = {
        "nonsense",
        "[]",
        "{\"t\":\"unheard\"}",
        "{\"t\":\"hello\"}",
        "{\"t\":\"begin\",\"run\":5}",
        "{\"t\":\"begin\",\"run\":6}",
        DONE(4, ""),
        DONE(6, ""),
        DONE(5, ",\"out\":0"), /* a key twice */
        "{\"t\":\"done\",\"run\":5,\"end\":\"exit\",\"wall_us\":5,\"out\":0,\"err\":0,\"resumed\":"
        "0}",
        "{\"t\":\"done\",\"run\":5,\"end\":\"exit\",\"code\":300,\"wall_us\":5,\"out\":0,\"err\":0,"
        "\"resumed\":0}",
        "{\"t\":\"done\",\"run\":5,\"end\":\"exit\",\"code\":0,\"wall_us\":-5,\"out\":0,\"err\":0,"
        "\"resumed\":0}",
        "{\"t\":\"done\",\"run\":5,\"end\":\"verified\",\"code\":0,\"wall_us\":5,\"out\":0,\"err\":"
        "0,\"resumed\":0}",
        "{\"t\":\"done\",\"run\":5,\"end\":\"exit\",\"code\":0,\"wall_us\":5,\"out\":7,\"err\":0,"
        "\"resumed\":0}",
        "{\"t\":\"done\",\"run\":5,\"end\":\"exit\",\"code\":0,\"wall_us\":5,\"out\":\"0\",\"err\":"
        "0,\"resumed\":0}",
        "{\"t\":\"done\",\"run\":5,\"end\":\"signal\",\"wall_us\":5,\"out\":0,\"err\":0,"
        "\"resumed\":0}",
        "{\"t\":\"done\",\"run\":5,\"end\":\"signal\",\"signal\":99,\"wall_us\":5,\"out\":0,"
        "\"err\":0,\"resumed\":0}",
        DONE(5, ",\"exists\":[true]"),
        "{\"t\":\"result\",\"run\":4,\"of\":{\"mime\":\"a\",\"data\":\"\"}}",
        "{\"t\":\"result\",\"run\":5,\"of\":{\"mime\":\"a\"}}",
        "{\"t\":\"result\",\"run\":5}",
        "{\"t\":\"files\",\"run\":4,\"files\":[]}",
        "{\"t\":\"files\",\"run\":9,\"files\":[]}",
        "{\"t\":\"state\",\"run\":5,\"of\":{\"vars\":[]}}",
        "{\"t\":\"checkpoint\",\"run\":0}",
        "{\"t\":\"restored\",\"run\":77}",
        "{\"t\":\"restored\",\"run\":4,\"asked\":1}",
        "{\"t\":\"saved\",\"run\":4,\"size\":0}",
        "{\"t\":\"file\",\"token\":1,\"size\":0}",
        "{\"t\":\"completion\",\"token\":1,\"of\":{\"names\":[]}}",
        "{\"t\":\"died\",\"language\":\"cobol\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        struct fake f;
        open_fake(&f);
        greet(&f);
        begin(&f, 4);
        says(&f, DONE(4, ""));
        says(&f, "{\"t\":\"files\",\"run\":4,\"files\":[]}");
        says(&f, "{\"t\":\"state\",\"run\":4,\"of\":{\"more\":0,\"vars\":[]}}");
        begin(&f, 5);
        says(&f, lies[i]);
        if (f.broken != 1 || f.finished != 2 || !traced(&f, "run=5 end=6 code=0/0 what=protocol"))
            fail_msg("believed: %s\n%s", lies[i], buf_str(&f.trace));
        says(&f, DONE(5, "")); /* and nothing is heard any more */
        kernel_tick(f.k);
        kernel_lost(f.k, END_LOST, "");
        assert_int_equal(f.finished, 2);
        assert_int_equal(f.broken, 1);
        close_fake(&f);
    }
}

static void test_bad_frames(void **state)
{
    (void)state;
    static const unsigned char heads[][FRAME_HEAD] = {
        { 0, 0, 0, 0, 0, 0, 0, 1 },
        { 5, 0, 0, 0, 0, 0, 0, 1 },
        { 1, 1, 0, 0, 0, 0, 0, 1 },
        { 2, 0, 0, 0, 0, 0, 0, 1 },
        { 2, 3, 0, 0, 0, 0, 0, 1 },
        { 2, 0x21, 0, 0, 0, 0, 0, 1 },
        { 2, 1, 0, 0, 0, 0, 0, 1 },
        { 3, 0, 0, 0, 0, 0, 0, 1 },
        { 3, 1, 0, 0, 0, 0, 0, 1 },
        { 3, 2, 0, 0, 0, 0, 0, 1 },
        { 4, 0, 0, 0, 0, 0, 0, 4 },
        { 1, 0, 1, 0, 0, 0, 0, 1 },
        { 1, 0, 0, 1, 0, 0, 0, 1 },
        { 1, 0, 0, 0, 0, 16, 0, 1 },
        { 0x11, 0x11, 0, 0, 0xff, 0xff, 0xff, 0xff },
    };
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct fake f;
        open_fake(&f);
        greet(&f);
        kernel_feed(f.k, (const char *)heads[i], FRAME_HEAD); /* its run output: no run is on */
        if (f.broken != 1)
            fail_msg("frame %zu was let through", i);
        assert_int_equal(f.finished, 0);
        close_fake(&f);
    }
}

/* ---- sending */

static void test_writes_blocked(void **state)
{
    (void)state;
    struct fake whole, bits;
    struct err e;
    struct sandbox_run rq = small_request(1, "some code");
    open_fake(&whole);
    greet(&whole);
    assert_int_equal(kernel_exec(whole.k, &rq, &e), 0);
    open_fake(&bits);
    bits.accept = 0;
    greet(&bits);
    assert_int_equal(kernel_exec(bits.k, &rq, &e), 0);
    assert_int_equal(bits.sent.len, 0);
    while (kernel_wants_write(bits.k)) {
        bits.accept = 3;
        kernel_writable(bits.k);
    }
    same_bytes(bits.sent.ptr, bits.sent.len, whole.sent.ptr, whole.sent.len);
    whole.gone = true; /* a stream that is gone is told by the wall, not here */
    kernel_interrupt(whole.k);
    assert_false(kernel_wants_write(whole.k));
    assert_int_equal(whole.broken, 0);
    kernel_lost(whole.k, END_KILLED, "stopped");
    assert_true(traced(&whole, "FINISHED run=1 end=4"));
    close_fake(&whole);
    close_fake(&bits);
}

/* Frames of kind FRAME_CREDIT in what was sent, and their sum. */
static uint64_t credit(const struct fake *f, size_t *count)
{
    uint64_t sum = 0;
    *count = 0;
    for (size_t at = 0; at + FRAME_HEAD <= f->sent.len;) {
        const unsigned char *h = (const unsigned char *)f->sent.ptr + at;
        size_t len = (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | (size_t)h[7];
        if (h[0] == FRAME_CREDIT) {
            (*count)++;
            sum += (uint64_t)h[8] << 24 | (uint64_t)h[9] << 16 | (uint64_t)h[10] << 8 |
                   (uint64_t)h[11];
        }
        at += FRAME_HEAD + len;
    }
    return sum;
}

static void test_credit(void **state)
{
    (void)state;
    struct fake f;
    size_t n;
    struct buf b = BUF_INIT(8 << 20);
    char *part = random_bytes_of(200000, true);
    open_fake(&f);
    greet(&f);
    begin(&f, 1);
    add_frame(&b, FRAME_OUTPUT, 1, part, 200000);
    kernel_feed(f.k, b.ptr, b.len);
    assert_int_equal(credit(&f, &n), 0); /* small sums are not worth a message */
    for (int i = 0; i < 9; i++)
        kernel_feed(f.k, b.ptr, b.len);
    assert_int_equal(credit(&f, &n), 1800000);
    assert_int_equal(n, 3);
    kernel_pause_output(f.k, true);
    for (int i = 0; i < 15; i++)
        kernel_feed(f.k, b.ptr, b.len);
    assert_int_equal(credit(&f, &n), 1800000);
    assert_int_equal(f.broken, 0);
    kernel_pause_output(f.k, false);
    assert_int_equal(credit(&f, &n), 5000000);
    kernel_pause_output(f.k, true);
    for (int i = 0; i < 30; i++) /* past what it was given */
        kernel_feed(f.k, b.ptr, b.len);
    assert_int_equal(f.broken, 1);
    assert_non_null(strstr(f.why.msg, "credit"));
    assert_int_equal(f.finished, 1);
    close_fake(&f);
    buf_release(&b);
    free(part);
}

static void test_cap(void **state)
{
    (void)state;
    struct fake f;
    char *part = random_bytes_of(600000, true);
    struct buf b = BUF_INIT(1 << 20);
    open_fake(&f); /* output_mib = 1 */
    greet(&f);
    begin(&f, 1);
    add_frame(&b, FRAME_OUTPUT, 1, part, 600000);
    kernel_feed(f.k, b.ptr, b.len);
    kernel_feed(f.k, b.ptr, b.len);
    b.ptr[1] = 2; /* stderr */
    kernel_feed(f.k, b.ptr, b.len);
    says(&f, "{\"t\":\"done\",\"run\":1,\"end\":\"exit\",\"code\":0,\"wall_us\":5,\"out\":1200000,"
             "\"err\":600000,\"lost\":false,"
             "\"resumed\":0}");
    assert_true(traced(&f, "out=1200000+151424 err=600000"));
    close_fake(&f);
    buf_release(&b);
    free(part);
}

static int check_code(struct fake *f, const struct sandbox_run *rq)
{
    (void)f;
    return strcmp(rq->code, "code") == 0 && rq->argv_count == 2 &&
                   strcmp(rq->cwd, "/workspace") == 0
               ? 0
               : -1;
}

static void test_check_body(void **state)
{
    (void)state;
    struct fake f;
    struct err e;
    open_fake(&f);
    greet(&f);
    f.check = check_code;
    size_t before = f.sent.len;
    struct sandbox_run rq = small_request(1, "other");
    assert_int_equal(kernel_exec(f.k, &rq, &e), -1);
    assert_int_equal(e.code, ERR_INTEGRITY);
    assert_int_equal(f.sent.len, before);
    assert_int_equal(kernel_running(f.k), 0);
    begin(&f, 2);
    assert_int_equal(kernel_running(f.k), 2);
    close_fake(&f);
}

/* ---- limits and counters */

static void test_ends(void **state)
{
    (void)state;
    static const struct {
        const char *done; /* members behind the common ones */
        int64_t oom, pids;
        const char *trace;
    } cases[] = {
        { "\"end\":\"exit\",\"code\":0", 0, 0, "end=0 code=1/0 what= hit= " },
        { "\"end\":\"exit\",\"code\":0", 1, 2, "end=0 code=1/0 what= hit=memory,pids " },
        { "\"end\":\"exit\",\"code\":1,\"disk_full\":true", 0, 0,
          "end=0 code=1/1 what= hit=disk " },
        { "\"end\":\"exit\",\"code\":1,\"of\":{\"limit\":\"disk\"}", 0, 0,
          "end=6 code=1/1 what=disk hit= " },
        { "\"end\":\"exit\",\"code\":0,\"of\":{\"limit\":\"disk\"}", 0, 0,
          "end=0 code=1/0 what= hit= " },
        { "\"end\":\"exit\",\"code\":1,\"of\":{\"limit\":\"the moon\"}", 0, 0,
          "end=0 code=1/1 what= hit= " },
        { "\"end\":\"exit\",\"code\":153", 0, 0, "end=6 code=1/153 what=file size hit= " },
        { "\"end\":\"signal\",\"signal\":25", 0, 0, "end=6 code=1/25 what=file size hit= " },
        { "\"end\":\"signal\",\"signal\":9", 0, 0, "end=1 code=1/9 what= hit= " },
        { "\"end\":\"signal\",\"signal\":9", 1, 0, "end=5 code=0/9 what= hit= " },
        { "\"end\":\"signal\",\"signal\":11", 1, 0, "end=1 code=1/11 what= hit= " },
        { "\"end\":\"timeout\"", 0, 0, "end=2 code=0/-1 what= hit= " },
        { "\"end\":\"interrupted\",\"code\":1", 0, 0, "end=3 code=0/1 what= hit= " },
        { "\"end\":\"oom\"", 0, 0, "end=5 code=0/-1 what= hit= " },
        { "\"end\":\"sandbox\",\"message\":\"no such thing\"", 0, 0,
          "lost=0 from=0 no such thing" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake f;
        char json[512];
        open_fake(&f);
        greet(&f);
        begin(&f, 1);
        f.oom = cases[i].oom;
        f.pids = cases[i].pids;
        snprintf(json, sizeof json,
                 "{\"t\":\"done\",\"run\":1,\"wall_us\":5,\"out\":0,\"err\":0,\"lost\":false,"
                 "\"resumed\":0,%s}",
                 cases[i].done);
        says(&f, json);
        if (!traced(&f, cases[i].trace))
            fail_msg("%s\n%s", cases[i].done, buf_str(&f.trace));
        close_fake(&f);
    }
}

static void test_next_run_from_the_sink(void **state)
{
    (void)state;
    struct fake f;
    open_fake(&f);
    greet(&f);
    begin(&f, 1);
    f.exec_in_sink = 2;
    says(&f, DONE(1, ""));
    assert_int_equal(kernel_running(f.k), 2);
    says(&f, "{\"t\":\"begin\",\"run\":2}");
    says(&f, "{\"t\":\"files\",\"run\":1,\"files\":[]}"); /* of the run before */
    says(&f, "{\"t\":\"state\",\"run\":1,\"of\":{\"more\":0,\"vars\":[]}}");
    says(&f, DONE(2, ""));
    assert_int_equal(f.finished, 2);
    assert_int_equal(f.broken, 0);
    assert_true(traced(&f, "STATE run=1"));
    close_fake(&f);
}

/* ---- checkpoints */

static void finish(struct fake *f, uint32_t run, const char *vars)
{
    char json[1024];
    begin(f, run);
    snprintf(json, sizeof json,
             "{\"t\":\"done\",\"run\":%u,\"end\":\"exit\",\"code\":0,\"wall_us\":5,\"out\":0,"
             "\"err\":0,\"lost\":false,\"resumed\":0}",
             run);
    says(f, json);
    snprintf(json, sizeof json,
             "{\"t\":\"files\",\"run\":%u,\"files\":[{\"change\":\"new\",\"bytes\":1,\"path\":\"f%"
             "u\"}]}",
             run, run);
    says(f, json);
    snprintf(json, sizeof json, "{\"t\":\"checkpoint\",\"run\":%u}", run);
    says(f, json);
    snprintf(json, sizeof json, "{\"t\":\"state\",\"run\":%u,\"of\":{\"more\":0,\"vars\":[%s]}}",
             run, vars);
    says(f, json);
}

#define VAR(name, digest, opaque)                                                                  \
    "{\"name\":\"" name                                                                            \
    "\",\"type\":\"t\",\"shape\":\"\",\"bytes\":1,\"preview\":\"p\",\"digest\":\"" digest          \
    "\",\"opaque\":" opaque "}"

static void test_variables_compared(void **state)
{
    (void)state;
    struct fake f;
    struct err e;
    open_fake(&f);
    greet(&f);
    finish(&f, 1,
           VAR("a", "1", "0") "," VAR("b", "1", "0") "," VAR("c", "1", "1") "," VAR("d", "", "1"));
    assert_true(traced(&f, "STATE run=1 a=p:new b=p:new c=p:new d=p:new file:f1:new"));
    finish(&f, 2,
           VAR("d", "", "1") "," VAR("c", "1", "1") "," VAR("a", "2", "0") "," VAR(
               "e", "1", "0") "," VAR("e", "2", "0"));
    assert_true(
        traced(&f, "STATE run=2 a=p:changed b=:gone c=p:unknown d=p:unknown e=p:new file:f2:new"));
    assert_int_equal(kernel_restore(f.k, 1, &e), 0);
    says(&f, "{\"t\":\"restored\",\"run\":1,\"asked\":1,\"of\":{\"lost\":[\"thread x\"]}}");
    assert_true(traced(&f, "RESTORED run=1 kept[a][b][c][d] lost[thread x][file f2]"));
    says(&f, "{\"t\":\"dropped\",\"run\":2,\"why\":\"later\"}");
    finish(&f, 3, VAR("a", "1", "0") "," VAR("b", "1", "0"));
    assert_true(traced(&f, "STATE run=3 a=p:same b=p:same c=:gone d=:gone"));
    assert_int_equal(f.broken, 0);
    close_fake(&f);
}

static void test_lost_and_resumed(void **state)
{
    (void)state;
    struct fake f;
    open_fake(&f);
    greet(&f);
    finish(&f, 1, VAR("a", "1", "0"));
    finish(&f, 2, VAR("a", "2", "0"));
    begin(&f, 3);
    says(&f, "{\"t\":\"done\",\"run\":3,\"end\":\"signal\",\"signal\":11,\"wall_us\":5,\"out\":0,"
             "\"err\":0,\"lost\":false,\"resumed\":1}");
    says(&f, "{\"t\":\"files\",\"run\":3,\"files\":[]}");
    says(&f, "{\"t\":\"state\",\"run\":3,\"of\":{\"unknown\":1,\"more\":0}}");
    assert_true(traced(&f, "FINISHED run=3 end=1 code=1/11 what= hit= err=: out=0+0 err=0 check=00 "
                           "lost=0 from=1 the interpreter was "
                           "lost: the variables are those after run 1"));
    assert_true(traced(&f, "STATE run=3 a=p:changed")); /* against run 2, which was the last one */
    begin(&f, 4);
    says(&f, "{\"t\":\"done\",\"run\":4,\"end\":\"exit\",\"code\":3,\"wall_us\":5,\"out\":0,"
             "\"err\":0,\"lost\":true,\"resumed\":0}");
    says(&f, "{\"t\":\"files\",\"run\":4,\"files\":[]}");
    says(&f, "{\"t\":\"state\",\"run\":4,\"of\":{\"unknown\":1,\"more\":0}}");
    assert_true(traced(&f, "STATE run=4 a=:gone"));
    close_fake(&f);
}

static size_t control_frames(const struct fake *f, const char *needle)
{
    size_t n = 0;
    for (size_t at = 0; at + strlen(needle) <= f->sent.len; at++)
        n += memcmp(f->sent.ptr + at, needle, strlen(needle)) == 0;
    return n;
}

static void test_memory_first(void **state)
{
    (void)state;
    struct fake f;
    struct err e;
    open_fake(&f);
    greet(&f);
    finish(&f, 1, VAR("a", "1", "0"));
    finish(&f, 2, VAR("a", "1", "0"));
    f.memory = (int64_t)513 << 20; /* of 1024 MiB */
    struct sandbox_run rq = small_request(3, "code");
    assert_int_equal(kernel_exec(f.k, &rq, &e), 0);
    assert_int_equal(control_frames(&f, "\"t\":\"exec\",\"run\":3"), 0);
    assert_int_equal(control_frames(&f, "\"t\":\"drop\",\"run\":1"), 1);
    says(&f, "{\"t\":\"dropped\",\"run\":1,\"why\":\"asked\"}");
    assert_int_equal(control_frames(&f, "\"t\":\"drop\",\"run\":2"), 1);
    f.memory = (int64_t)100 << 20;
    f.check = check_code;
    says(&f, "{\"t\":\"dropped\",\"run\":2,\"why\":\"asked\"}");
    assert_int_equal(control_frames(&f, "\"t\":\"exec\",\"run\":3"), 1);
    assert_true(traced(&f, "CHECKPOINT_LOST run=1\nCHECKPOINT_LOST run=2"));
    says(&f, "{\"t\":\"begin\",\"run\":3}");
    says(&f, DONE(3, ""));
    /* A body that is refused after the wait has a FINISHED of its own. */
    says(&f, "{\"t\":\"checkpoint\",\"run\":3}");
    f.memory = (int64_t)600 << 20;
    rq = small_request(4, "not it");
    assert_int_equal(kernel_exec(f.k, &rq, &e), 0);
    f.memory = 0;
    says(&f, "{\"t\":\"dropped\",\"run\":3,\"why\":\"asked\"}");
    assert_true(traced(&f, "FINISHED run=4 end=11"));
    assert_int_equal(control_frames(&f, "\"t\":\"exec\",\"run\":4"), 0);
    assert_int_equal(f.broken, 0);
    close_fake(&f);
}

static void test_waiting_things_fail(void **state)
{
    (void)state;
    struct fake f;
    struct err e;
    struct sandbox_file file = { (char *)(uintptr_t) "n", 0644, (char *)(uintptr_t) "x", 1 };
    open_fake(&f);
    greet(&f);
    finish(&f, 1, "");
    assert_int_equal(kernel_save(f.k, &e), 0);
    assert_int_equal(kernel_put(f.k, &file, &e), 0);
    assert_int_equal(kernel_get(f.k, "a", 10, &e), 0);
    assert_int_equal(kernel_restore(f.k, 1, &e), 0);
    kernel_lost(f.k, END_LOST, "cut");
    assert_true(traced(&f, "SAVED run=0 err(2)\nRESTORED run=1 err(2)\nFILE_DONE run=0 "
                           "err(2)\nFILE_DONE run=0 err(2)"));
    assert_int_equal(f.broken, 0);
    assert_int_equal(kernel_save(f.k, &e), -1);
    close_fake(&f);
}

static void test_oom_when_lost(void **state)
{
    (void)state;
    struct fake f;
    open_fake(&f);
    greet(&f);
    begin(&f, 1);
    f.oom = 1;
    kernel_lost(f.k, END_LOST, "");
    assert_true(traced(&f, "FINISHED run=1 end=5"));
    assert_int_equal(f.finished, 1);
    close_fake(&f);
}

/* ---- noise: a conversation with bytes changed; no crash, and never two ends of one run */

static void test_noise(void **state)
{
    (void)state;
    struct buf all = BUF_INIT(1 << 20);
    add_conversation(&all);
    for (int i = 0; i < 20000; i++) {
        struct fake f;
        struct err e;
        char *copy = xmemdup(all.ptr, all.len);
        size_t len = all.len;
        for (uint64_t n = 1 + roll(3); n > 0; n--) {
            size_t at = GUEST_MAGIC_LEN + roll(len - GUEST_MAGIC_LEN);
            if (roll(3) == 0)
                memmove(copy + at, copy + at + 1, len - at - 1), len--;
            else
                copy[at] = (char)roll(256);
        }
        open_fake(&f);
        struct sandbox_run rq = small_request(3, "code");
        assert_int_equal(kernel_exec(f.k, &rq, &e), 0);
        kernel_feed(f.k, copy, len);
        kernel_lost(f.k, END_LOST, "");
        assert_int_equal(f.finished, 1);
        assert_true(f.broken <= 1);
        close_fake(&f);
        free(copy);
    }
    buf_release(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies_survive),
        cmocka_unit_test(test_bodies_damaged),
        cmocka_unit_test(test_bodies_too_large),
        cmocka_unit_test(test_conversation),
        cmocka_unit_test(test_setup),
        cmocka_unit_test(test_self_check),
        cmocka_unit_test(test_not_the_guest),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_bad_frames),
        cmocka_unit_test(test_writes_blocked),
        cmocka_unit_test(test_credit),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_check_body),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_next_run_from_the_sink),
        cmocka_unit_test(test_variables_compared),
        cmocka_unit_test(test_lost_and_resumed),
        cmocka_unit_test(test_memory_first),
        cmocka_unit_test(test_waiting_things_fail),
        cmocka_unit_test(test_oom_when_lost),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
