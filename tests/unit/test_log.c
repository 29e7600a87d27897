/* test_log.c - one JSON object a line, no secrets, rotation, silence when off. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/redact.h"

static char dir[200], path[250], old_path[260];

static int make_dir(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/airlock-log-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/log", dir);
    snprintf(old_path, sizeof old_path, "%s.1", path);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    unlink(old_path);
    return rmdir(dir);
}

static int fresh(void **state)
{
    (void)state;
    log_close();
    unlink(path);
    unlink(old_path);
    return 0;
}

static void open_at(enum log_level up_to)
{
    struct err e = ERR_INIT;
    if (log_open(path, up_to, &e) < 0)
        fail_msg("%s", e.msg);
}

static void read_log(const char *from, struct buf *b)
{
    struct err e = ERR_INIT;
    if (path_read_private(from, b, &e) < 0)
        fail_msg("%s", e.msg);
}

static struct json *only_line(struct buf *b)
{
    struct json *v = NULL;
    struct err e = ERR_INIT;
    read_log(path, b);
    assert_ptr_equal(strchr(b->ptr, '\n'), b->ptr + b->len - 1);
    if (json_parse(&v, b->ptr, b->len, &e) < 0)
        fail_msg("%s: %s", e.msg, b->ptr);
    return v;
}

static void test_off(void **state)
{
    (void)state;
    log_msg(LOG_ERROR, "test", "nobody listens");
    log_close();
    assert_int_equal(access(path, F_OK), -1);
}

static void test_line(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(10000);
    open_at(LOG_INFO);
    log_msg(LOG_DEBUG, "test", "too fine");
    errno = EBADF;
    log_msg(LOG_WARN, "test", "n=%d \"q\"\n\x1b[31m \xff", 5);
    assert_int_equal(errno, EBADF);
    struct json *v = only_line(&b);
    assert_int_equal(json_len(v), 4);
    assert_int_equal(strlen(json_get_str(v, "at", "")), 27);
    assert_string_equal(json_get_str(v, "level", ""), "warn");
    assert_string_equal(json_get_str(v, "module", ""), "test");
    assert_string_equal(json_get_str(v, "msg", ""), "n=5 \"q\"\n\x1b[31m \xef\xbf\xbd");
    assert_null(memchr(b.ptr, 0x1b, b.len));
    json_free(v);
    buf_release(&b);
}

static void test_appends(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(10000);
    for (int i = 0; i < 3; i++) {
        open_at(LOG_ERROR);
        log_msg(LOG_ERROR, "test", "x");
        log_close();
    }
    read_log(path, &b);
    int lines = 0;
    for (size_t i = 0; i < b.len; i++)
        lines += b.ptr[i] == '\n';
    assert_int_equal(lines, 3);
    buf_release(&b);
}

static void test_redacted(void **state)
{
    (void)state;
    struct redact *r = redact_new();
    struct err e = ERR_INIT;
    static char long_text[4200];
    assert_int_equal(redact_add(r, "KEY", "sk-12345\"678", 12, &e), 0);
    redact_set_global(r);
    /* once whole, once across the place where a long message is cut */
    memset(long_text, '.', 4090);
    memcpy(long_text + 4090, "sk-12345\"678", 13);
    /* and so often that the cut of the raw text falls into one, while what is left is short */
    static char many[1 + 128 * 512 + 1], secret[512];
    memset(secret, 's', sizeof secret);
    memcpy(secret, "sk-", 3);
    assert_int_equal(redact_add(r, "BIG", secret, sizeof secret, &e), 0);
    many[0] = '-';
    for (size_t i = 0; i < 128; i++)
        memcpy(many + 1 + i * sizeof secret, secret, sizeof secret);
    static const char *const texts[] = { "key sk-12345\"678.", long_text, many };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct buf b = BUF_INIT(20000);
        fresh(NULL);
        open_at(LOG_DEBUG);
        log_msg(LOG_DEBUG, "test", "%s", texts[i]);
        struct json *v = only_line(&b);
        assert_null(strstr(json_get_str(v, "msg", "sk-"), "sk-"));
        assert_non_null(strstr(json_get_str(v, "msg", ""), "[secre"));
        json_free(v);
        buf_release(&b);
    }
    redact_set_global(NULL);
    redact_free(r);
}

static void test_long_message(void **state)
{
    (void)state;
    static char big[200000];
    struct buf b = BUF_INIT(40000);
    memset(big, '\x01', sizeof big - 1); /* six bytes each in JSON */
    open_at(LOG_DEBUG);
    log_msg(LOG_DEBUG, "test", "%s", big);
    struct json *v = only_line(&b);
    assert_int_equal(strlen(json_get_str(v, "msg", "")), 4096);
    json_free(v);
    buf_release(&b);
}

static void test_rotation(void **state)
{
    (void)state;
    struct stat st;
    open_at(LOG_DEBUG);
    assert_int_equal(truncate(path, 4 << 20), 0);
    log_msg(LOG_INFO, "test", "first of the new file");
    assert_int_equal(stat(old_path, &st), 0);
    assert_int_equal(st.st_size, 4 << 20);
    struct buf b = BUF_INIT(10000);
    struct json *v = only_line(&b);
    assert_string_equal(json_get_str(v, "msg", ""), "first of the new file");
    json_free(v);
    buf_reset(&b);

    /* as if another process had rotated our file away while it was full */
    assert_int_equal(rename(path, old_path), 0);
    assert_int_equal(truncate(old_path, 5 << 20), 0);
    log_msg(LOG_INFO, "test", "after the other");
    v = only_line(&b);
    assert_string_equal(json_get_str(v, "msg", ""), "after the other");
    assert_int_equal(stat(old_path, &st), 0);
    assert_int_equal(st.st_size, 5 << 20);
    json_free(v);
    buf_release(&b);
}

static void test_private(void **state)
{
    (void)state;
    struct stat st;
    struct err e = ERR_INIT;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0644), 0);
    close(fd);
    open_at(LOG_INFO);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    log_close();
    assert_int_equal(rename(path, old_path), 0);
    assert_int_equal(symlink(old_path, path), 0);
    assert_int_equal(log_open(path, LOG_INFO, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    assert_int_equal(log_open(dir, LOG_INFO, &e), -1);
    assert_int_equal(log_open("/dev/null", LOG_INFO, &e), -1);
    assert_int_equal(e.code, ERR_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_off, fresh, fresh),
        cmocka_unit_test_setup_teardown(test_line, fresh, fresh),
        cmocka_unit_test_setup_teardown(test_appends, fresh, fresh),
        cmocka_unit_test_setup_teardown(test_redacted, fresh, fresh),
        cmocka_unit_test_setup_teardown(test_long_message, fresh, fresh),
        cmocka_unit_test_setup_teardown(test_rotation, fresh, fresh),
        cmocka_unit_test_setup_teardown(test_private, fresh, fresh),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
