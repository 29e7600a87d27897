/* test_capsule.c - golden records, refusals, sealing, and that any change of a request is seen. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "tool/capsule.h"

/* Lengths, record hashes and code keys were computed by a program of its own in another language,
 * from architecture §4. */
struct golden {
    size_t len;
    const char *hash, *key;
};
static const struct golden golden[3] = {
    { 370, "9dec839c7ba9ac69bec9773c38e413d4ab9e2ce0c4c907b0e8db5b3e96141b6f",
      "50d94ad93f0b8d4de076f3e888316d479bf7aa924dfd0fa8f0c8ecf30c6b5ed9" },
    { 752, "3c838baa29a03957090dda761c645628e7ef504abc9e6a05a13b212c5b189882",
      "769b4e1028a99f5caf3821fe9794d65f4b75856d09ed967cd2b25a41d4fcb0bf" },
    { 1049001, "ab051073c8f51e9240196e8b9e707add17d7becfa37e0b1cb53a001a424956a0",
      "bd8dcdcf7b06f41027b98732ec93c435064ebac8682409f6e9f32c74a253e4d4" },
};
#define SESSION "01j000000000000000000000aa"

static void unhex(const char *hex, uint8_t out[SHA256_LEN])
{
    assert_int_equal(hex_decode(hex, SHA256_HEX_LEN, out), 0);
}

static struct capsule *make(const struct capsule_spec *spec)
{
    struct capsule *c = NULL;
    struct err e = ERR_INIT;
    if (capsule_new(&c, spec, &e) < 0)
        fail_msg("%s", e.msg);
    return c;
}

static void small_spec(struct capsule_spec *s, struct sandbox_run *rq)
{
    *rq = (struct sandbox_run){ .run = 1,
                                .language = "python",
                                .interpreter = "/usr/bin/python3",
                                .code = "print(6*7)\n",
                                .code_len = 11,
                                .cwd = "/workspace" };
    *s = (struct capsule_spec){
        .session = SESSION, .run = 1, .rev = 1, .sandbox = "local", .origin = "", .rq = rq
    };
    unhex("8d3a5d05c80bd54635cc59a9fa279fafec8fcbb529427854af2e87e9c18ba42e", s->contract_digest);
}

/* Every field used, lists out of order. The parts live as long as the program. */
static void rich_spec(struct capsule_spec *s, struct sandbox_run *rq)
{
    static char all_bytes[256], name_b[] = "b/two.bin", name_a[] = "a.csv", csv[] = "x,y\n1,2\n";
    static struct sandbox_file files[2];
    static const char *const argv[] = { "main.sh", "", "-x" };
    static const struct capsule_env env[] = { { "ZED", "26" }, { "GONE", NULL }, { "ALPHA", "" } };
    static const char *const exists[] = { "out.txt", "deep/er" };
    static const char code[] = "echo \"gr\303\274\303\237e\" > out.txt\nexit 3";
    for (size_t i = 0; i < sizeof all_bytes; i++)
        all_bytes[i] = (char)i;
    files[0] = (struct sandbox_file){ name_b, 0600, all_bytes, sizeof all_bytes };
    files[1] = (struct sandbox_file){ name_a, 0644, csv, sizeof csv - 1 };
    *rq = (struct sandbox_run){ .run = 7,
                                .language = "bash",
                                .interpreter = "/bin/bash",
                                .code = code,
                                .code_len = sizeof code - 1,
                                .argv = argv,
                                .argv_count = 3,
                                .cwd = "/workspace/sub",
                                .input = "line one\n\0\377tail",
                                .input_len = 15,
                                .files = files,
                                .file_count = 2,
                                .check_code = "assert True\n",
                                .check_code_len = 12,
                                .exists = exists,
                                .exists_count = 2 };
    *s = (struct capsule_spec){ .session = SESSION,
                                .run = 7,
                                .rev = 3,
                                .sandbox = "e2b",
                                .origin = "https://api.e2b.dev",
                                .rq = rq,
                                .env = env,
                                .env_count = 3 };
    for (size_t i = 0; i < sizeof s->nonce; i++)
        s->nonce[i] = (uint8_t)i;
    unhex("48859691749bccf9e3ba35a5c6ecb42702f31ccd51d271d807492e76d2f76ddf", s->contract_digest);
    sha256_once("parent", 6, s->parent_state);
}

static void check_golden(const struct capsule_spec *spec, const struct golden *g)
{
    struct capsule *c = make(spec);
    size_t len;
    char key[SHA256_HEX_LEN + 1], brief[10];
    capsule_record(c, &len);
    hex_encode(capsule_code_key(c), SHA256_LEN, key);
    assert_int_equal(len, g->len);
    assert_string_equal(capsule_hex(c), g->hash);
    assert_string_equal(key, g->key);
    snprintf(brief, sizeof brief, "%.4s-%.4s", g->hash, g->hash + 4);
    assert_string_equal(capsule_short(c), brief);
    capsule_free(c);
}

static void three_capsules_are_golden(void **state)
{
    (void)state;
    struct capsule_spec s;
    struct sandbox_run rq;
    small_spec(&s, &rq);
    check_golden(&s, &golden[0]);
    rich_spec(&s, &rq);
    check_golden(&s, &golden[1]);

    static char name[] = "empty";
    struct sandbox_file file = { name, 0, NULL, 0 };
    const char *argv[] = { "a" };
    char *code = xmalloc(CODE_MAX);
    memset(code, '\n', CODE_MAX);
    rq = (struct sandbox_run){ .language = "javascript",
                               .interpreter = "/usr/bin/node",
                               .code = code,
                               .code_len = CODE_MAX,
                               .argv = argv,
                               .argv_count = 1,
                               .cwd = "/",
                               .files = &file,
                               .file_count = 1,
                               .check_code = "x",
                               .check_code_len = 1 };
    s = (struct capsule_spec){ .session = "s",
                               .run = UINT32_MAX,
                               .rev = 2,
                               .sandbox = "docker",
                               .origin = "unix:///run/docker.sock",
                               .rq = &rq };
    memset(s.nonce, 0xff, sizeof s.nonce);
    memset(s.parent_state, 1, sizeof s.parent_state);
    check_golden(&s, &golden[2]);
    free(code);
}

static void the_request_comes_out_of_the_record(void **state)
{
    (void)state;
    struct capsule_spec s;
    struct sandbox_run rq;
    struct err e = ERR_INIT;
    size_t len, record_len;
    rich_spec(&s, &rq);
    struct capsule *c = make(&s);
    const struct sandbox_run *r = capsule_request(c);
    const char *record = (const char *)capsule_record(c, &record_len);
    const char *code = capsule_code(c, &len);
    assert_true(code > record && code + len < record + record_len);
    assert_ptr_equal(r->code, code);
    assert_int_equal(len, rq.code_len);
    assert_memory_equal(code, rq.code, len);
    assert_int_equal(r->run, 7);
    assert_string_equal(r->language, "bash");
    assert_string_equal(r->interpreter, "/bin/bash");
    assert_string_equal(r->cwd, "/workspace/sub");
    assert_string_equal(r->argv[0], "main.sh");
    assert_string_equal(r->argv[1], "");
    assert_string_equal(r->argv[2], "-x");
    assert_memory_equal(r->input, rq.input, rq.input_len);
    assert_string_equal(r->files[0].name, "a.csv");
    assert_int_equal(r->files[0].mode, 0644);
    assert_string_equal(r->files[1].name, "b/two.bin");
    assert_memory_equal(r->files[1].ptr, rq.files[0].ptr, 256);
    assert_string_equal(r->exists[1], "deep/er");
    assert_memory_equal(r->check_code, "assert True\n", 12);
    assert_int_equal(capsule_check_request(c, r, &e), 0);
    assert_int_equal(capsule_check_request(c, &rq, &e), 0); /* files in another order */
    capsule_free(c);
}

static void nobody_can_write_the_record(void **state)
{
    (void)state;
    struct capsule_spec s;
    struct sandbox_run rq;
    small_spec(&s, &rq);
    struct capsule *c = make(&s);
    size_t len;
    char *record = (char *)(uintptr_t)capsule_record(c, &len);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL); /* cmocka catches it */
        record[40] ^= 1;
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    capsule_free(c);
}

/* ---- APR-4 ---- */

static int try_code(const char *code, size_t len, struct err *e)
{
    struct capsule_spec s;
    struct sandbox_run rq;
    struct capsule *c = NULL;
    small_spec(&s, &rq);
    rq.code = code;
    rq.code_len = len;
    int rc = capsule_new(&c, &s, e);
    capsule_free(c);
    return rc;
}

static void code_that_cannot_be_carried_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        size_t len;
        const char *says;
    } rows[] = {
        { "", 0, "code: is empty" },
        { "ab\0c", 4, "NUL at byte 2 (line 1, byte 3 of it)" },
        { "x\ny\n\377", 5, "invalid UTF-8 at byte 4 (line 3, byte 1 of it)" },
        { "\300\200", 2, "invalid UTF-8 at byte 0" },
        { "ok\355\240\200", 5, "invalid UTF-8 at byte 2" },
        { "ok\342\202", 4, "invalid UTF-8 at byte 2" },
        { "\0\377", 2, "NUL at byte 0" },
        { "\377\0", 2, "invalid UTF-8 at byte 0" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = ERR_INIT;
        assert_int_equal(try_code(rows[i].code, rows[i].len, &e), -1);
        assert_int_equal(e.code, ERR_FORMAT);
        if (strstr(e.msg, rows[i].says) == NULL)
            fail_msg("row %zu said: %s", i, e.msg);
    }
}

static void a_mebibyte_is_the_limit(void **state)
{
    (void)state;
    char *code = xmalloc(CODE_MAX + 1);
    struct err e = ERR_INIT;
    memset(code, 'x', CODE_MAX + 1);
    assert_int_equal(try_code(code, CODE_MAX, &e), 0);
    assert_int_equal(try_code(code, CODE_MAX + 1, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.msg, "put data in a file"));
    free(code);
}

static void other_fields_are_looked_at_too(void **state)
{
    (void)state;
    static char bad_name[] = "a\377", dotdot[] = "../a", inner[] = "a/../b", absolute[] = "/a",
                slash[] = "a/", dot[] = "./a", empty[] = "", twice[] = "x";
    static char *const names[] = { bad_name, dotdot, inner, absolute, slash, dot, empty };
    static const char *const bad_argv[] = { "ok", "\302" };
    struct capsule_spec s;
    struct sandbox_run rq;
    struct capsule *c = NULL;
    struct err e = ERR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct sandbox_file f = { names[i], 0644, NULL, 0 };
        small_spec(&s, &rq);
        rq.files = &f;
        rq.file_count = 1;
        assert_int_equal(capsule_new(&c, &s, &e), -1);
        assert_int_equal(e.code, ERR_FORMAT);
    }
    struct sandbox_file two[2] = { { twice, 0, NULL, 0 }, { twice, 0, NULL, 0 } };
    small_spec(&s, &rq);
    rq.files = two;
    rq.file_count = 2;
    assert_int_equal(capsule_new(&c, &s, &e), -1);
    assert_non_null(strstr(e.msg, "twice"));
    two[1].name = dot + 2; /* "a" */
    two[1].mode = 010000;
    assert_int_equal(capsule_new(&c, &s, &e), -1);
    small_spec(&s, &rq);
    rq.argv = bad_argv;
    rq.argv_count = 2;
    assert_int_equal(capsule_new(&c, &s, &e), -1);
    assert_non_null(strstr(e.msg, "argv"));
    small_spec(&s, &rq);
    rq.check_code = "a\0b";
    rq.check_code_len = 3;
    assert_int_equal(capsule_new(&c, &s, &e), -1);
    assert_non_null(strstr(e.msg, "check code: NUL at byte 1"));
    small_spec(&s, &rq);
    rq.language = "";
    assert_int_equal(capsule_new(&c, &s, &e), -1);
    static const struct capsule_env env[][2] = { { { "A", "1" }, { "A", "2" } },
                                                 { { "A=B", "1" }, { "C", "" } },
                                                 { { "", "1" }, { "C", "" } } };
    for (size_t i = 0; i < ARRAY_LEN(env); i++) {
        small_spec(&s, &rq);
        s.env = env[i];
        s.env_count = 2;
        assert_int_equal(capsule_new(&c, &s, &e), -1);
        assert_int_equal(e.code, ERR_FORMAT);
    }
    assert_null(c);
}

/* ---- APR-3 ---- */

static unsigned long seed = 20261122;
static size_t pick(size_t below)
{
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    return (size_t)(seed >> 33) % below;
}

static char *mutate(const char *p, size_t len)
{
    char *copy = xmemdup(p, len);
    copy[pick(len)] ^= (char)(1u << pick(8));
    return copy;
}

static void expect_integrity(const struct capsule *c, const struct sandbox_run *d, const char *what)
{
    struct err e = ERR_INIT;
    if (capsule_check_request(c, d, &e) == 0)
        fail_msg("a change of %s went unseen", what);
    assert_int_equal(e.code, ERR_INTEGRITY);
    assert_non_null(strstr(e.msg, what));
}

static void any_changed_byte_is_seen(void **state)
{
    (void)state;
    struct capsule_spec s;
    struct sandbox_run rq;
    rich_spec(&s, &rq);
    struct capsule *c = make(&s);
    for (int round = 0; round < 2000; round++) {
        struct sandbox_run d = rq;
        struct sandbox_file files[2] = { rq.files[0], rq.files[1] };
        char *m = NULL;
        const char *what = "";
        switch (round % 5) {
        case 0:
            d.code = m = mutate(rq.code, rq.code_len);
            what = "code";
            break;
        case 1:
            d.input = m = mutate(rq.input, rq.input_len);
            what = "stdin";
            break;
        case 2:
            d.check_code = m = mutate(rq.check_code, rq.check_code_len);
            what = "check code";
            break;
        case 3:
            files[0].ptr = m = mutate(files[0].ptr, files[0].len);
            d.files = files;
            what = "files";
            break;
        default:
            files[1].mode ^= 1u << pick(9);
            d.files = files;
            what = "files";
        }
        expect_integrity(c, &d, what);
        free(m);
    }
    capsule_free(c);
}

static void any_changed_field_is_seen(void **state)
{
    (void)state;
    struct capsule_spec s;
    struct sandbox_run rq, d;
    rich_spec(&s, &rq);
    struct capsule *c = make(&s);
    static const char *const argv_swapped[] = { "main.sh", "-x", "" };
    static const char *const argv_joined[] = { "main.sh-x", "", "" };
    static const char *const other_exists[] = { "out.txt", "deep/es" };
    static char renamed[] = "a.csw";
    struct sandbox_file files[2] = { rq.files[0], rq.files[1] };
    files[1].name = renamed;
#define CHANGED(assignment, what)                                                                  \
    do {                                                                                           \
        d = rq;                                                                                    \
        assignment;                                                                                \
        expect_integrity(c, &d, what);                                                             \
    } while (0)
    CHANGED(d.run = 8, "run");
    CHANGED(d.language = "python", "language");
    CHANGED(d.interpreter = "/bin/sh", "interpreter");
    CHANGED(d.code_len -= 1, "code");
    CHANGED(d.argv = argv_swapped, "argv");
    CHANGED(d.argv = argv_joined, "argv");
    CHANGED(d.argv_count = 2, "argv");
    CHANGED(d.cwd = "/workspace", "cwd");
    CHANGED(d.input_len = 0, "stdin");
    CHANGED(d.files = files, "files");
    CHANGED(d.file_count = 1, "files");
    CHANGED(d.check_code_len = 0, "check code");
    CHANGED(d.code = NULL, "code");
    CHANGED(d.input = NULL, "stdin");
    CHANGED(d.check_code = NULL, "check code");
    CHANGED(d.exists = other_exists, "path to look for");
    CHANGED(d.exists_count = 1, "paths to look for");
    CHANGED(d.file_count = 100000, "a list");
#undef CHANGED
    capsule_free(c);
}

/* Two specs that differ in one thing never have one hash; the code key ignores what it must. */
static void each_field_is_in_the_hash(void **state)
{
    (void)state;
    struct capsule_spec s, base;
    struct sandbox_run rq;
    static const struct capsule_env env[] = { { "ZED", "27" }, { "GONE", NULL }, { "ALPHA", "" } };
    static const struct capsule_env set[] = { { "ZED", "26" }, { "GONE", "" }, { "ALPHA", "" } };
    rich_spec(&base, &rq);
    struct capsule *a = make(&base);
    for (int i = 0; i < 10; i++) {
        s = base;
        if (i == 0)
            s.session = "01j000000000000000000000ab";
        else if (i == 1)
            s.run = 8;
        else if (i == 2)
            s.rev = 4;
        else if (i == 3)
            s.nonce[31] ^= 1;
        else if (i == 4)
            s.sandbox = "e2";
        else if (i == 5)
            s.origin = "https://api.e2b.dew";
        else if (i == 6)
            s.contract_digest[0] ^= 1;
        else if (i == 7)
            s.env = env;
        else if (i == 8)
            s.env = set;
        else
            s.parent_state[0] ^= 1;
        struct capsule *b = make(&s);
        assert_memory_not_equal(capsule_hash(a), capsule_hash(b), SHA256_LEN);
        assert_memory_equal(capsule_code_key(a), capsule_code_key(b), SHA256_LEN);
        capsule_free(b);
    }
    capsule_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_capsules_are_golden),
        cmocka_unit_test(the_request_comes_out_of_the_record),
        cmocka_unit_test(nobody_can_write_the_record),
        cmocka_unit_test(code_that_cannot_be_carried_is_refused),
        cmocka_unit_test(a_mebibyte_is_the_limit),
        cmocka_unit_test(other_fields_are_looked_at_too),
        cmocka_unit_test(any_changed_byte_is_seen),
        cmocka_unit_test(any_changed_field_is_seen),
        cmocka_unit_test(each_field_is_in_the_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
