/* test_path.c - directories by the XDG rules, and files opened with care. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/path.h"

static char dir[200];

static char *at(const char *name) /* one at a time */
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int make_dir(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/airlock-path-XXXXXX", tmp != NULL ? tmp : "/tmp");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *f)
{
    (void)st, (void)kind, (void)f;
    return remove(path);
}

static int remove_dir(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *name, const char *text, mode_t mode)
{
    int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write_all_fd(fd, text, strlen(text)), 0);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static const char *const names[] = {
    "HOME",           "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR",
    "AIRLOCK_CONFIG", "AIRLOCK_DATA_DIR"
};

static void set_env(const char *const values[])
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (values[i] != NULL)
            setenv(names[i], values[i], 1);
        else
            unsetenv(names[i]);
    }
}

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *env[7];
        const char *data, *config;
        const char *want[5]; /* config_file data_dir sessions_dir state_dir runtime_dir */
    } cases[] = {
        { { "/h" },
          NULL,
          NULL,
          { "/h/.config/airlock/config.ini", "/h/.local/share/airlock",
            "/h/.local/share/airlock/sessions", "/h/.local/state/airlock",
            "/h/.local/state/airlock/run" } },
        { { "/h", "/c", "/d", "/s", "/r" },
          NULL,
          NULL,
          { "/c/airlock/config.ini", "/d/airlock", "/d/airlock/sessions", "/s/airlock",
            "/r/airlock" } },
        { { "/h", "c", "./d", "", "r" }, /* relative or empty: ignored */
          NULL,
          NULL,
          { "/h/.config/airlock/config.ini", "/h/.local/share/airlock",
            "/h/.local/share/airlock/sessions", "/h/.local/state/airlock",
            "/h/.local/state/airlock/run" } },
        { { "/h", NULL, NULL, NULL, NULL, "/x.ini", "/dd" },
          NULL,
          NULL,
          { "/x.ini", "/dd", "/dd/sessions", "/h/.local/state/airlock",
            "/h/.local/state/airlock/run" } },
        { { "/h", NULL, NULL, NULL, NULL, "/x.ini", "/dd" },
          "/opt/d",
          "/opt/c.ini",
          { "/opt/c.ini", "/opt/d", "/opt/d/sessions", "/h/.local/state/airlock",
            "/h/.local/state/airlock/run" } },
        { { NULL, "/c", "/d", "/s", "/r" },
          NULL,
          NULL,
          { "/c/airlock/config.ini", "/d/airlock", "/d/airlock/sessions", "/s/airlock",
            "/r/airlock" } },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct paths p;
        struct err e = ERR_INIT;
        set_env(cases[i].env);
        assert_int_equal(paths_init(&p, cases[i].data, cases[i].config, &e), 0);
        assert_string_equal(p.config_file, cases[i].want[0]);
        assert_string_equal(p.data_dir, cases[i].want[1]);
        assert_string_equal(p.sessions_dir, cases[i].want[2]);
        assert_string_equal(p.state_dir, cases[i].want[3]);
        assert_string_equal(p.runtime_dir, cases[i].want[4]);
        paths_release(&p);
        paths_release(&p);
    }
    paths_release(NULL);
}

static void test_paths_without_home(void **state)
{
    (void)state;
    static const char *const homes[] = { NULL, "", "relative" };
    for (size_t i = 0; i < ARRAY_LEN(homes); i++) {
        struct paths p;
        struct err e = ERR_INIT;
        set_env((const char *const[7]){ homes[i] });
        assert_int_equal(paths_init(&p, NULL, NULL, &e), -1);
        assert_int_equal(e.code, ERR_MISSING);
        assert_non_null(strstr(e.msg, "HOME"));
    }
}

static void test_relative_option(void **state)
{
    (void)state;
    struct paths p;
    struct err e = ERR_INIT;
    char cwd[4096], want[5000];
    set_env((const char *const[7]){ "/h" });
    assert_non_null(getcwd(cwd, sizeof cwd));
    snprintf(want, sizeof want, "%s/some/dir", cwd);
    assert_int_equal(paths_init(&p, "some/dir", NULL, &e), 0);
    assert_string_equal(p.data_dir, want);
    paths_release(&p);
}

static void test_make_dir(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct stat st;
    mode_t old = umask(0);
    assert_int_equal(path_make_private_dir(at("a/b/c//"), &e), 0);
    umask(old);
    static const char *const made[] = { "a", "a/b", "a/b/c" };
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        assert_int_equal(stat(at(made[i]), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
    }
    assert_int_equal(path_make_private_dir(at("a/b/c"), &e), 0); /* again */

    assert_int_equal(chmod(at("a/b/c"), 0755), 0); /* readable is fine, writable is not */
    assert_int_equal(path_make_private_dir(at("a/b/c"), &e), 0);
    assert_int_equal(chmod(at("a/b/c"), 0770), 0);
    assert_int_equal(path_make_private_dir(at("a/b/c"), &e), -1);
    assert_int_equal(e.code, ERR_DENIED);
    assert_non_null(strstr(e.msg, "chmod go-w"));

    put("file", "x", 0600);
    assert_int_equal(path_make_private_dir(at("file"), &e), -1);
    assert_int_equal(e.code, ERR_DENIED);
    assert_int_equal(path_make_private_dir(at("file/below"), &e), -1);
    assert_int_equal(e.code, ERR_IO);
    assert_int_equal(symlink("a", at("link")), 0);
    assert_int_equal(path_make_private_dir(at("link"), &e), -1);
    assert_int_equal(e.code, ERR_DENIED);
    assert_int_equal(path_make_private_dir("", &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
}

static void expect_denied(const char *name, size_t max, enum err_code code, const char *why)
{
    struct buf b = BUF_INIT(max);
    struct err e = ERR_INIT;
    assert_int_equal(path_read_private(at(name), &b, &e), -1);
    if (e.code != code || strstr(e.msg, why) == NULL)
        fail_msg("%s: %d %s", name, (int)e.code, e.msg);
    assert_int_equal(b.len, 0);
    buf_release(&b);
}

static void test_read_private(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(6);
    struct err e = ERR_INIT;
    put("key", "secret", 0600);
    assert_int_equal(path_read_private(at("key"), &b, &e), 0);
    assert_string_equal(b.ptr, "secret");
    buf_release(&b);
    expect_denied("key", 5, ERR_LIMIT, "larger than 5 bytes");
    expect_denied("absent", 100, ERR_MISSING, "opening");
    expect_denied("absent/key", 100, ERR_MISSING, "opening the directory");
    put("open", "secret", 0640);
    expect_denied("open", 100, ERR_DENIED, "chmod 600");
    assert_int_equal(symlink("key", at("soft")), 0);
    expect_denied("soft", 100, ERR_DENIED, "symbolic link");
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    expect_denied("pipe", 100, ERR_DENIED, "not a plain file");
    assert_int_equal(mkdir(at("dir"), 0700), 0);
    expect_denied("dir", 100, ERR_DENIED, "not a plain file");
    char other[300];
    snprintf(other, sizeof other, "%s", at("twin"));
    assert_int_equal(link(at("key"), other), 0);
    expect_denied("key", 100, ERR_DENIED, "2 hard links");
    assert_int_equal(mkdir(at("shared"), 0700), 0);
    put("shared/key", "secret", 0600);
    assert_int_equal(chmod(at("shared"), 0777), 0);
    expect_denied("shared/key", 100, ERR_DENIED, "others may write to the directory");
    assert_int_equal(chmod(at("shared"), 01777), 0);
    struct buf ok = BUF_INIT(100);
    assert_int_equal(path_read_private(at("shared/key"), &ok, &e), 0);
    buf_release(&ok);
}

static void test_foreign_owner(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("SKIPPED LOUDLY: only root can give a file away\n");
        skip();
    }
    put("theirs", "secret", 0600);
    assert_int_equal(chown(at("theirs"), 12345, 12345), 0);
    expect_denied("theirs", 100, ERR_DENIED, "another user (uid 12345)");
    struct err e = ERR_INIT;
    assert_int_equal(mkdir(at("their-dir"), 0700), 0);
    put("their-dir/key", "secret", 0600);
    assert_int_equal(chown(at("their-dir"), 12345, 12345), 0);
    assert_int_equal(path_make_private_dir(at("their-dir"), &e), -1);
    assert_int_equal(e.code, ERR_DENIED);
    expect_denied("their-dir/key", 100, ERR_DENIED, "belongs to another user (uid 12345)");
}

static void test_read_file(void **state)
{
    (void)state;
    static char big[200001];
    memset(big, 'x', sizeof big - 1);
    put("big", big, 0644);
    for (int more = -1; more <= 1; more++) {
        struct buf b = BUF_INIT(4 + sizeof big - 1 + (size_t)more);
        struct err e = ERR_INIT;
        buf_add_str(&b, "head");
        int rc = path_read_file(at("big"), &b, &e);
        assert_int_equal(rc, more < 0 ? -1 : 0);
        assert_int_equal(b.len, more < 0 ? 4 : 4 + sizeof big - 1);
        assert_int_equal(e.code, more < 0 ? ERR_LIMIT : ERR_NONE);
        buf_release(&b);
    }
    struct buf b = BUF_INIT(10);
    struct err e = ERR_INIT;
    assert_int_equal(path_read_file(at("absent"), &b, &e), -1);
    assert_int_equal(e.code, ERR_MISSING);
    assert_int_equal(path_read_file(dir, &b, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    assert_int_equal(path_read_file("/dev/zero", &b, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(path_read_file("/dev/null", &b, &e), 0);
    assert_int_equal(b.len, 0);
    buf_release(&b);
}

/* A pipe that is not blocking, filled and drained by a child in small pieces. */
static void test_pipe(void **state)
{
    (void)state;
    int fds[2], status;
    static char big[300000];
    memset(big, 'p', sizeof big);
    assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        _exit(write_all_fd(fds[1], big, sizeof big) == 0 ? 0 : 1);
    }
    close(fds[1]);
    struct buf b = BUF_INIT(sizeof big);
    struct err e = ERR_INIT;
    assert_int_equal(path_read_fd(fds[0], &b, &e), 0);
    assert_int_equal(b.len, sizeof big);
    assert_memory_equal(b.ptr, big, sizeof big);
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    buf_release(&b);
}

static void test_write_file(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct stat st;
    struct buf b = BUF_INIT(100);
    put("old", "old text that is longer", 0644);
    assert_int_equal(path_write_file(at("old"), "new", 3, &e), 0);
    assert_int_equal(path_read_private(at("old"), &b, &e), 0); /* so: 0600, ours, one link */
    assert_string_equal(b.ptr, "new");
    buf_reset(&b);
    assert_int_equal(path_write_file(at("empty"), NULL, 0, &e), 0);
    assert_int_equal(path_read_private(at("empty"), &b, &e), 0);
    assert_int_equal(b.len, 0);

    put("target", "kept", 0600); /* a link is replaced, not written through */
    assert_int_equal(symlink("target", at("alias")), 0);
    assert_int_equal(path_write_file(at("alias"), "mine", 4, &e), 0);
    assert_int_equal(lstat(at("alias"), &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(path_read_private(at("target"), &b, &e), 0);
    assert_string_equal(b.ptr, "kept");

    assert_int_equal(path_write_file(at("nowhere/x"), "a", 1, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    assert_int_equal(mkdir(at("isdir"), 0700), 0);
    assert_int_equal(path_write_file(at("isdir"), "a", 1, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    buf_release(&b);
}

static int count;
static int count_temp(const char *path, const struct stat *st, int kind, struct FTW *f)
{
    (void)st, (void)kind, (void)f;
    count += strstr(path, "isdir.") != NULL || strstr(path, "old.") != NULL;
    return 0;
}

static void test_no_temporary_stays(void **state)
{
    (void)state;
    assert_int_equal(nftw(dir, count_temp, 8, FTW_PHYS), 0);
    assert_int_equal(count, 0);
}

static void test_relative_name(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct buf b = BUF_INIT(10);
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(here >= 0);
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(path_write_file("plain", "x", 1, &e), 0);
    assert_int_equal(path_read_private("plain", &b, &e), 0);
    assert_int_equal(fchdir(here), 0);
    close(here);
    assert_string_equal(b.ptr, "x");
    buf_release(&b);
}

static void test_stays_below(void **state)
{
    static const char *const good[] = { "a", "a/b", "...", "a/.b", "..a/b..", "a b/\xc3\xa9" };
    static const char *const bad[] = { "",  "/",  "/a",   "a/",   "a//b",
                                       ".", "..", "../a", "a/..", "a/./b" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(path_stays_below(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(path_stays_below(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),           cmocka_unit_test(test_paths_without_home),
        cmocka_unit_test(test_relative_option), cmocka_unit_test(test_make_dir),
        cmocka_unit_test(test_read_private),    cmocka_unit_test(test_foreign_owner),
        cmocka_unit_test(test_read_file),       cmocka_unit_test(test_pipe),
        cmocka_unit_test(test_write_file),      cmocka_unit_test(test_no_temporary_stays),
        cmocka_unit_test(test_relative_name),   cmocka_unit_test(test_stays_below),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
