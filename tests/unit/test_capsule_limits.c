/* test_capsule_limits.c - a capsule at its limits and on a system that refuses: never half a
 * record, always a reason; and the rows that the gate makes of one. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#include "tool/capsule.h"
#include "tool/capsule_parts.h"
#include "tool/gate_rows.h"

/* ---- a system that refuses: these stand before the C library's ---- */

static enum { NOTHING, MEMFD, WRITE, SEAL, MAP } refuse;

int memfd_create(const char *name, unsigned flags)
{
    if (refuse == MEMFD) {
        errno = EMFILE;
        return -1;
    }
    return (int)syscall(SYS_memfd_create, name, flags);
}

ssize_t write(int fd, const void *p, size_t len)
{
    if (refuse == WRITE) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_write, fd, p, len);
}

int fcntl(int fd, int what, ...)
{
    va_list ap;
    va_start(ap, what);
    long arg = va_arg(ap, long);
    va_end(ap);
    if (refuse == SEAL && what == F_ADD_SEALS) {
        errno = EPERM;
        return -1;
    }
    return (int)syscall(SYS_fcntl, fd, what, arg);
}

void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    if (refuse == MAP && fd >= 0) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, len, prot, flags, fd, offset);
}

/* ---- requests ---- */

static void small_spec(struct capsule_spec *s, struct sandbox_run *rq)
{
    *rq = (struct sandbox_run){ .run = 1,
                                .language = "python",
                                .interpreter = "/usr/bin/python3",
                                .code = "print(6*7)\n",
                                .code_len = 11,
                                .cwd = "/workspace" };
    *s = (struct capsule_spec){ .session = "s", .run = 1, .rev = 1, .sandbox = "local", .rq = rq };
}

static void refused(const struct capsule_spec *s, enum err_code code, const char *words)
{
    struct capsule *c = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(capsule_new(&c, s, &e), -1);
    assert_null(c);
    assert_int_equal(e.code, code);
    assert_non_null(strstr(e.msg, words));
}

static void a_system_that_refuses_gives_no_capsule(void **state)
{
    (void)state;
    static const char *const words[] = { "", "memfd_create", "writing", "sealing", "mapping" };
    struct capsule_spec s;
    struct sandbox_run rq;
    struct capsule *c = NULL;
    struct err e = ERR_INIT;
    small_spec(&s, &rq);
    for (int what = MEMFD; what <= MAP; what++) {
        refuse = what;
        int rc = capsule_new(&c, &s, &e);
        refuse = NOTHING;
        assert_int_equal(rc, -1);
        assert_null(c);
        assert_int_equal(e.code, ERR_IO);
        assert_non_null(strstr(e.msg, words[what]));
    }
    assert_int_equal(capsule_new(&c, &s, &e), 0);
    capsule_free(c);
    capsule_free(NULL);
}

static void lists_have_a_length(void **state)
{
    (void)state;
    struct capsule_spec s;
    struct sandbox_run rq;
    small_spec(&s, &rq);
    s.env_count = CAPSULE_ITEMS_MAX + 1;
    refused(&s, ERR_LIMIT, "environment or files");
    small_spec(&s, &rq);
    rq.file_count = CAPSULE_ITEMS_MAX + 1;
    refused(&s, ERR_LIMIT, "environment or files");
    small_spec(&s, &rq);
    rq.argv_count = CAPSULE_ITEMS_MAX + 1;
    refused(&s, ERR_LIMIT, "argv or checks");
    small_spec(&s, &rq);
    rq.exists_count = CAPSULE_ITEMS_MAX + 1;
    refused(&s, ERR_LIMIT, "argv or checks");
    small_spec(&s, &rq);
    rq.check_code_len = CODE_MAX + 1;
    refused(&s, ERR_LIMIT, "check code or stdin");
    small_spec(&s, &rq);
    rq.input_len = CODE_MAX * 8 + 1;
    refused(&s, ERR_LIMIT, "check code or stdin");
    small_spec(&s, &rq);
    rq.code_len = 0;
    refused(&s, ERR_FORMAT, "empty");
    rq.code = NULL;
    rq.code_len = 1;
    refused(&s, ERR_FORMAT, "empty");
}

static void each_word_must_be_there(void **state)
{
    (void)state;
    static const char *const none[] = { "a", "" };
    struct capsule_spec s;
    struct sandbox_run rq;
    small_spec(&s, &rq);
    s.session = "";
    refused(&s, ERR_FORMAT, "session");
    small_spec(&s, &rq);
    s.sandbox = NULL;
    refused(&s, ERR_FORMAT, "sandbox");
    small_spec(&s, &rq);
    rq.language = "";
    refused(&s, ERR_FORMAT, "language");
    small_spec(&s, &rq);
    rq.interpreter = NULL;
    refused(&s, ERR_FORMAT, "interpreter");
    small_spec(&s, &rq);
    rq.exists = none;
    rq.exists_count = 2;
    refused(&s, ERR_FORMAT, "path of a check");
    small_spec(&s, &rq);
    rq.cwd = NULL;
    refused(&s, ERR_FORMAT, "cwd: is empty");
    small_spec(&s, &rq);
    s.sandbox = "\377";
    refused(&s, ERR_FORMAT, "sandbox: invalid UTF-8 at byte 0");
    small_spec(&s, &rq);
    s.origin = "https://\377";
    refused(&s, ERR_FORMAT, "endpoint: invalid UTF-8 at byte 8");
}

/* Together more than a record may hold: told, whichever list is the one too many. */
static void a_record_has_a_size(void **state)
{
    (void)state;
    struct capsule_spec s;
    struct sandbox_run rq;
    size_t len = CAPSULE_BYTES_MAX;
    char *long_word = xmalloc(len + 1);
    memset(long_word, 'a', len);
    long_word[len] = '\0';
    const char *argv[] = { long_word };
    struct capsule_env env[] = { { long_word, "1" } };
    small_spec(&s, &rq);
    rq.argv = argv;
    rq.argv_count = 1;
    refused(&s, ERR_LIMIT, "too large");
    small_spec(&s, &rq);
    s.env = env;
    s.env_count = 1;
    refused(&s, ERR_LIMIT, "too large");
    small_spec(&s, &rq);
    rq.cwd = long_word;
    refused(&s, ERR_LIMIT, "too large");
    small_spec(&s, &rq);
    struct capsule *c = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(capsule_new(&c, &s, &e), 0);
    rq.argv = argv;
    rq.argv_count = 1;
    assert_int_equal(capsule_check_request(c, &rq, &e), -1);
    assert_int_equal(e.code, ERR_INTEGRITY);
    rq.argv_count = CAPSULE_ITEMS_MAX + 1;
    assert_int_equal(capsule_check_request(c, &rq, &e), -1);
    rq.argv_count = 0;
    rq.file_count = CAPSULE_ITEMS_MAX + 1;
    assert_int_equal(capsule_check_request(c, &rq, &e), -1);
    struct sandbox_file file = { long_word, 0, NULL, 0 };
    rq.files = &file;
    rq.file_count = 1;
    assert_int_equal(capsule_check_request(c, &rq, &e), -1);
    assert_non_null(strstr(e.msg, "the size differs"));
    rq.file_count = 0;
    rq.cwd = long_word;
    assert_int_equal(capsule_check_request(c, &rq, &e), -1);
    capsule_free(c);
    free(long_word);
}

static void files_stay_inside_and_have_a_size(void **state)
{
    (void)state;
    static const char *const bad[] = { "..", "a/..", "a/./b", "/etc", "a//b", "", ".", "a/../b" };
    static const char *const good[] = { "..a", ".a", "a..", "...", "a/.b", ".b/..c", "ab", "xy/z" };
    struct capsule_spec s;
    struct sandbox_run rq;
    struct sandbox_file f = { .mode = 0644, .ptr = "", .len = 0 };
    struct err e = ERR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        small_spec(&s, &rq);
        f.name = (char *)(uintptr_t)bad[i];
        rq.files = &f;
        rq.file_count = 1;
        refused(&s, ERR_FORMAT, "file");
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct capsule *c = NULL;
        f.name = (char *)(uintptr_t)good[i];
        assert_int_equal(capsule_new(&c, &s, &e), 0);
        capsule_free(c);
    }
    char name[4098];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    f.name = name;
    refused(&s, ERR_FORMAT, "not a path inside");
    f.name = (char *)(uintptr_t) "f";
    f.len = CAPSULE_FILES_MAX + 1; /* not looked at */
    refused(&s, ERR_LIMIT, "MiB together");
}

/* ---- the rows of the gate ---- */

static void add_row(void *arg, const char *text)
{
    (void)buf_addf(arg, "%s\n", text);
}

static void what_is_not_code_has_rows(void **state)
{
    (void)state;
    static const char *const argv[] = { "-v", "" };
    struct sandbox_file f = { (char *)(uintptr_t) "in.csv", 0644, "x,y\n", 4 };
    struct capsule_spec s;
    struct sandbox_run rq;
    struct contract k;
    struct capsule *c = NULL;
    struct err e = ERR_INIT;
    struct buf rows = BUF_INIT(1 << 16);
    contract_init(&k);
    small_spec(&s, &rq);
    assert_int_equal(capsule_new(&c, &s, &e), 0);
    gate_each_row(c, &k, add_row, &rows);
    assert_int_equal(rows.len, 0);
    capsule_free(c);
    c = NULL;
    rq.files = &f;
    rq.file_count = 1;
    rq.argv = argv;
    rq.argv_count = 2;
    rq.input = "typed";
    rq.input_len = 5;
    rq.check_code = "assert x";
    rq.check_code_len = 8;
    assert_int_equal(contract_set(&k, "env=AIRLOCK_TEST_SET,AIRLOCK_TEST_UNSET", &e), 0);
    assert_int_equal(contract_set(&k, "files.mount=/srv/in:ro", &e), 0);
    assert_int_equal(contract_set(&k, "files.mount=/srv/out:rw", &e), 0);
    setenv("AIRLOCK_TEST_SET", "1", 1);
    unsetenv("AIRLOCK_TEST_UNSET");
    assert_int_equal(capsule_new(&c, &s, &e), 0);
    gate_each_row(c, &k, add_row, &rows);
    const char *text = buf_str(&rows), *hash = strstr(text, "4 bytes ");
    assert_non_null(hash);
    assert_true(strncmp(text, "file in.csv 0644 4 bytes ", 25) == 0);
    assert_string_equal(strchr(text, '\n'), "\nargv -v\nargv \nstdin typed\n"
                                            "env AIRLOCK_TEST_SET\n"
                                            "env AIRLOCK_TEST_UNSET (not set)\n"
                                            "mount /srv/in read-only\nmount /srv/out read-write\n"
                                            "check assert x\n");
    capsule_free(c);
    contract_release(&k);
    buf_release(&rows);
}

/* Nothing is left away in silence: what a row has no room for has a hash in it. */
static void what_is_cut_is_named_by_its_hash(void **state)
{
    (void)state;
    char *arg = xcalloc(5001, 1);
    memset(arg, 'x', 5000);
    const char *argv[] = { arg };
    struct capsule_spec s;
    struct sandbox_run rq;
    struct contract k;
    struct capsule *c = NULL;
    struct err e = ERR_INIT;
    struct buf rows = BUF_INIT(1 << 16), first = BUF_INIT(1 << 16);
    contract_init(&k);
    small_spec(&s, &rq);
    rq.argv = argv;
    rq.argv_count = 1;
    rq.input = "a\0b";
    rq.input_len = 3;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(capsule_new(&c, &s, &e), 0);
        buf_reset(&rows);
        gate_each_row(c, &k, add_row, &rows);
        assert_non_null(
            strstr(buf_str(&rows), " … 3500 of 5000 bytes are not shown, sha256 of all "));
        assert_non_null(
            strstr(buf_str(&rows), "stdin a … 2 of 3 bytes are not shown, sha256 of all "));
        assert_true(i == 0 || strcmp(buf_str(&rows), buf_str(&first)) != 0);
        assert_int_equal(buf_add_str(&first, buf_str(&rows)), 0);
        capsule_free(c);
        c = NULL;
        arg[4999] = 'y'; /* far behind what is shown */
    }
    contract_release(&k);
    buf_release(&rows);
    buf_release(&first);
    free(arg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_system_that_refuses_gives_no_capsule),
        cmocka_unit_test(lists_have_a_length),
        cmocka_unit_test(what_is_cut_is_named_by_its_hash),
        cmocka_unit_test(each_word_must_be_there),
        cmocka_unit_test(a_record_has_a_size),
        cmocka_unit_test(files_stay_inside_and_have_a_size),
        cmocka_unit_test(what_is_not_code_has_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
