/* test_sidecar.c - lock, anchors and reserve of a session where files are damaged or replaced, and
 * calls fail half way. */
#include "session_fixture.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <utime.h>

#include "sessions/sidecar.h"

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup_in_memory, fixture_teardown)

/* ---- calls that go wrong: these stand before the C library's ---- */

static struct {
    const char *replace; /* this file is made anew while it is being locked, once */
    int no_lock;         /* flock fails so, and not since somebody has it */
    int no_open;         /* open without writing fails so */
    bool half, no_cut;   /* write is short; ftruncate fails */
} wrong;

int flock(int fd, int how)
{
    if (wrong.no_lock != 0) {
        errno = wrong.no_lock;
        return -1;
    }
    if (wrong.replace != NULL && (how & LOCK_EX) != 0) {
        unlink(wrong.replace);
        close(open(wrong.replace, O_WRONLY | O_CREAT, 0600));
        wrong.replace = NULL;
    }
    return (int)syscall(SYS_flock, fd, how);
}

int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE
                      ? (mode_t)va_arg(ap, unsigned)
                      : 0;
    va_end(ap);
    if (wrong.no_open != 0 && (flags & O_ACCMODE) == O_RDONLY) {
        errno = wrong.no_open;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

ssize_t write(int fd, const void *p, size_t n)
{
    return syscall(SYS_write, fd, p, wrong.half ? n / 2 : n);
}

int ftruncate(int fd, off_t size)
{
    if (wrong.no_cut) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_ftruncate, fd, size);
}

static char *beside(const char *name)
{
    return xasprintf("%s/%s", fx.dir, name);
}

static void put(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
}

/* ---- the lock ---- */

static void who_has_it_is_said_if_it_is_known(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "4711\n", "session x is open in process 4711" },
        { "4711", "session x is open in process 4711" },
        { "", "session x is open in another process" },
        { "\n", "session x is open in another process" },
        { "47a\n", "session x is open in another process" },
        { "\033[2J", "session x is open in another process" },
    };
    char *path = beside("x.lock");
    int back = open(".", O_RDONLY | O_DIRECTORY), got = -1;
    put(path, "", 0);
    int fd = open(path, O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        put(path, cases[i][0], strlen(cases[i][0]));
        assert_err(lock_take(path, &got, &e), ERR_BUSY);
        assert_string_equal(e.msg, cases[i][1]);
    }
    struct err e = ERR_INIT;
    assert_int_equal(chdir(fx.dir), 0);
    assert_err(lock_take("x.lock", &got, &e), ERR_BUSY); /* without its folder */
    assert_string_equal(e.msg, "session x is open in another process");
    assert_true(lock_is_held("x.lock"));
    assert_int_equal(fchdir(back), 0);
    assert_int_equal(got, -1);
    close(back);
    close(fd);
    assert_false(lock_is_held(path));
    free(path);
}

/* Its holder removed the file between our opening and our locking it: that lock is worth nothing.
 */
static void a_replaced_file_is_locked_again(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct stat ours, named;
    char *path = beside("x.lock");
    int fd = -1;
    wrong.replace = path;
    assert_ok(lock_take(path, &fd, &e));
    assert_null(wrong.replace);
    assert_int_equal(fstat(fd, &ours), 0);
    assert_int_equal(stat(path, &named), 0);
    assert_int_equal(ours.st_ino, named.st_ino);
    assert_true(lock_is_held(path));
    lock_drop(path, fd);
    assert_int_equal(access(path, F_OK), -1);
    free(path);
}

static void no_lock_is_no_answer(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    char *path = beside("x.lock");
    int fd = -1;
    put(path, "", 0);
    wrong.no_lock = ENOLCK;
    int rc = lock_take(path, &fd, &e);
    wrong.no_lock = 0;
    assert_int_equal(rc, -1);
    assert_int_equal(e.code, ERR_IO);
    assert_non_null(strstr(e.msg, "lock "));
    free(path);
}

/* What can't be told counts as held: whoever asks wants to remove something. */
static void doubt_counts_as_held(void **state)
{
    (void)state;
    static const struct {
        int no_lock, no_open;
        bool held;
    } cases[] = {
        { 0, 0, false },     { ENOLCK, 0, true }, { EINTR, 0, true },   { EIO, 0, true },
        { 0, EACCES, true }, { 0, EMFILE, true }, { 0, ENFILE, true },  { 0, EIO, true },
        { 0, ELOOP, true },  { 0, ENOMEM, true }, { 0, ENOENT, false }, /* there is no lock */
    };
    struct utimbuf then = { 1000000000, 1000000000 };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *lock = beside("x.lock"), *unborn = beside("x.new"),
             *copy = beside("x.db.copy-123456");
        put(lock, "", 0);
        put(unborn, "x", 1);
        put(copy, "x", 1);
        assert_int_equal(utime(copy, &then), 0);
        wrong.no_lock = cases[i].no_lock;
        wrong.no_open = cases[i].no_open;
        bool held = lock_is_held(lock);
        sidecar_remove_stray(fx.dir, "x.db.copy-123456");
        sidecar_remove_leftovers(fx.dir, "x");
        wrong.no_lock = wrong.no_open = 0;
        if (held != cases[i].held || (access(unborn, F_OK) == 0) != held ||
            (access(lock, F_OK) == 0) != held || (access(copy, F_OK) == 0) != held)
            fail_msg("case %zu: held %d", i, held);
        free(lock);
        free(unborn);
        free(copy);
    }
}

/* ---- anchors ---- */

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void lines_that_are_none_are_left_out(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "00000000000000000007 " HEX "\n", /* the good one */
        "00000000000000000000 " HEX "\n", /* no event has that number */
        "18446744073709551615 " HEX "\n", /* the largest: good, too */
        "18446744073709551616 " HEX "\n",
        "99999999999999999999 " HEX "\n",
        "0000000000000000000: " HEX "\n",
        "0000000000000000000/ " HEX "\n",
        "00000000000000000007." HEX "\n",
        "00000000000000000007 " HEX " ",
        "00000000000000000007 x0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n",
    };
    struct err e = ERR_INIT;
    struct anchors a;
    char *path = beside("x.head");
    struct buf text = BUF_INIT(10000);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        assert_int_equal(strlen(lines[i]), 86);
        assert_int_equal(buf_add_str(&text, lines[i]), 0);
    }
    assert_int_equal(buf_add_str(&text, "0000000000"), 0); /* torn */
    put(path, text.ptr, text.len);
    assert_ok(anchors_read(&a, path, &e));
    assert_int_equal(a.count, 2);
    assert_int_equal(a.list[0].seq, 7);
    assert_true(a.list[1].seq == UINT64_MAX);
    assert_int_equal(a.list[0].head[1], 0x11);
    anchors_release(&a);
    char *none = beside("y.head"), *below = beside("x.head/y.head");
    assert_ok(anchors_read(&a, none, &e));
    assert_int_equal(a.count, 0);
    assert_err(anchors_read(&a, below, &e), ERR_IO); /* "none" is not what that says */
    buf_release(&text);
    free(none);
    free(below);
    free(path);
}

/* A full disk takes half a line: it is taken back, or cut off when the file is opened again. */
static void half_a_line_shifts_nothing(void **state)
{
    (void)state;
    static const uint8_t head[SHA256_LEN] = { 1 };
    for (int no_cut = 0; no_cut < 2; no_cut++) {
        struct err e = ERR_INIT;
        struct anchors a;
        char *path = beside(no_cut ? "b.head" : "a.head");
        int fd = -1;
        assert_ok(anchor_open(path, &fd, &e));
        anchor_write(fd, 1, head);
        wrong.half = true;
        wrong.no_cut = no_cut;
        anchor_write(fd, 2, head);
        wrong.half = wrong.no_cut = false;
        assert_int_equal(lseek(fd, 0, SEEK_END), no_cut ? 86 + 43 : 86);
        close(fd);
        assert_ok(anchor_open(path, &fd, &e));
        anchor_write(fd, 3, head);
        close(fd);
        assert_ok(anchors_read(&a, path, &e));
        assert_int_equal(a.count, 2);
        assert_int_equal(a.list[1].seq, 3);
        anchors_release(&a);
        free(path);
    }
}

/* ---- the reserve, and strays ---- */

static void no_place_for_a_reserve_is_told(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    char *dir = beside("nowhere");
    int fd = -1;
    assert_err(reserve_take(dir, &fd, &e), ERR_IO);
    assert_non_null(strstr(e.msg, "reserve disk space in "));
    assert_int_equal(fd, -1);
    free(dir);
}

static void only_old_copies_are_strays(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool old, goes;
    } cases[] = {
        { "a.db.pack-123456", true, true },   { "a.db.unpack-123456", true, true },
        { "a.db.check-123456", true, true },  { "a.db.copy-123456", true, true },
        { "a.db.pack-654321", false, false }, { "a.db", true, false },
        { "a.db.gz", true, false },           { "a.db.other-123456", true, false },
        { "b.db.copy-123456", true, false }, /* its session is being worked on */
    };
    struct err e = ERR_INIT;
    char *lock = beside("b.lock");
    int fd = -1;
    assert_ok(lock_take(lock, &fd, &e));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *path = beside(cases[i].name);
        struct utimbuf then = { 1000000000, 1000000000 };
        put(path, "x", 1);
        if (cases[i].old)
            assert_int_equal(utime(path, &then), 0);
        sidecar_remove_stray(fx.dir, cases[i].name);
        if ((access(path, F_OK) < 0) != cases[i].goes)
            fail_msg("%s", cases[i].name);
        free(path);
    }
    sidecar_remove_stray(fx.dir, "c.db.copy-123456"); /* gone meanwhile */
    lock_drop(lock, fd);
    free(lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(who_has_it_is_said_if_it_is_known),
        T(a_replaced_file_is_locked_again),
        T(no_lock_is_no_answer),
        T(doubt_counts_as_held),
        T(lines_that_are_none_are_left_out),
        T(half_a_line_shifts_nothing),
        T(no_place_for_a_reserve_is_told),
        T(only_old_copies_are_strays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
