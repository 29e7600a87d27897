/* test_local_available.c - a machine that can't make a local sandbox says why and what to do, and
 * never runs anything instead. Each case is a child process in a world of its own. */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/loop.h"
#include "base/path.h"
#include "base/proc.h"
#include "providers/registry.h"
#include "providers/walled.h"

static char dir[] = "/tmp/airlock-available-XXXXXX";

/* ---- in the child ---- */

static int report;
#define TELL(...)                                                                                  \
    do {                                                                                           \
        dprintf(report, __VA_ARGS__);                                                              \
        dprintf(report, "\n");                                                                     \
    } while (0)

struct seen {
    int ready, failed, closed;
    struct err why;
};

static void watch(void *arg, struct sandbox *s, const struct sandbox_event *ev)
{
    struct seen *seen = arg;
    (void)s;
    seen->ready += ev->kind == SANDBOX_READY;
    seen->closed += ev->kind == SANDBOX_CLOSED;
    if (ev->kind == SANDBOX_FAILED) {
        seen->failed++;
        seen->why = *ev->err;
    }
}

/* What available() says, and what becomes of an open() all the same. */
static void tell_all(void)
{
    struct launcher *l;
    struct loop *loop;
    struct err e = ERR_INIT;
    struct sandbox *s;
    struct seen seen = { 0 };
    if (launcher_start(&l, &e) < 0 || loop_new(&loop, &e) < 0) {
        TELL("setup: %s", e.msg);
        return;
    }
    err_clear(&e);
    const struct sandbox_host h = { .launcher = l };
    int rc = sandbox_local.available(&h, &e);
    TELL("available %d %s: %s", rc, err_code_name(e.code), e.msg);
    struct sandbox_config cfg = { .loop = loop,
                                  .launcher = l,
                                  .contract = walled_default_contract(),
                                  .sink = watch,
                                  .arg = &seen };
    rc = sandbox_local.open(&s, &cfg, &e);
    if (rc < 0) {
        TELL("open refused: %s", e.msg);
    } else {
        for (int i = 0; seen.closed == 0 && seen.ready == 0 && i < 100; i++)
            if (loop_turn(loop, 100, &e) < 0)
                break;
        TELL("ready %d failed %d closed %d: %s", seen.ready, seen.failed, seen.closed,
             seen.why.msg);
        sandbox_local.close(s);
    }
    loop_free(loop);
    launcher_stop(l);
}

static void in_a_child(void (*prepare)(void), char *said, size_t size)
{
    int ends[2], status;
    size_t len = 0;
    ssize_t n;
    fflush(NULL);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        report = ends[1];
        fcntl(report, F_SETFD, FD_CLOEXEC);
        prepare();
        tell_all();
        exit(0); /* with the leak check of a sanitised build */
    }
    close(ends[1]);
    while (len + 1 < size && (n = read(ends[0], said + len, size - 1 - len)) > 0)
        len += (size_t)n;
    said[len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- worlds ---- */

static void empty_path(void)
{
    setenv("PATH", dir, 1);
}

static void without_bubblewrap(void **state)
{
    char said[4096];
    (void)state;
    in_a_child(empty_path, said, sizeof said);
    assert_non_null(strstr(said, "available -1 missing"));
    assert_non_null(strstr(said, "apt-get install bubblewrap"));
    assert_non_null(strstr(said, "open refused"));
}

static void script_named_bwrap(const char *text, mode_t mode)
{
    char *path = path_join(dir, "bwrap");
    if (path_write_file(path, text, strlen(text), NULL) < 0 || chmod(path, mode) < 0 ||
        chmod(dir, 0755) < 0)
        abort();
    free(path);
    setenv("PATH", dir, 1);
}

static void forget_script(void)
{
    char *path = path_join(dir, "bwrap");
    unlink(path);
    free(path);
}

static void setuid_one(void)
{
    script_named_bwrap("#!/bin/sh\nexit 0\n", 04755);
}

static void with_setuid_bubblewrap(void **state)
{
    char said[4096];
    (void)state;
    in_a_child(setuid_one, said, sizeof said);
    forget_script();
    assert_non_null(strstr(said, "available -1 denied"));
    assert_non_null(strstr(said, "chmod u-s"));
    assert_non_null(strstr(said, "open refused"));
}

static void old_one(void)
{
    script_named_bwrap("#!/bin/sh\necho 'bubblewrap 0.4.1'\n", 0755);
}

static void with_old_bubblewrap(void **state)
{
    char said[4096];
    (void)state;
    in_a_child(old_one, said, sizeof said);
    forget_script();
    assert_non_null(strstr(said, "available -1 missing"));
    assert_non_null(strstr(said, "0.8.0 is needed"));
}

static void strange_one(void)
{
    script_named_bwrap("#!/bin/sh\necho 'I am something else'; exit 0\n", 0755);
}

static void with_a_strange_bubblewrap(void **state)
{
    char said[4096];
    (void)state;
    in_a_child(strange_one, said, sizeof said);
    forget_script();
    assert_non_null(strstr(said, "available -1"));
    assert_non_null(strstr(said, "ready 0 failed 1 closed 1")); /* no status: nothing was run */
}

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* A user namespace in which no further one can be made: max_user_namespaces is per namespace. */
static void no_more_namespaces(void)
{
    char map[64];
    uid_t uid = getuid();
    gid_t gid = getgid();
    if (unshare(CLONE_NEWUSER) < 0) {
        TELL("no user namespace for the test itself");
        return;
    }
    if (!write_text("/proc/sys/user/max_user_namespaces", "0"))
        TELL("no setting for the test itself");
    snprintf(map, sizeof map, "1000 %u 1", (unsigned)uid);
    (void)write_text("/proc/self/setgroups", "deny");
    if (!write_text("/proc/self/uid_map", map))
        TELL("no uid map for the test itself");
    snprintf(map, sizeof map, "1000 %u 1", (unsigned)gid);
    (void)write_text("/proc/self/gid_map", map);
}

static void without_user_namespaces(void **state)
{
    char said[4096];
    (void)state;
    in_a_child(no_more_namespaces, said, sizeof said);
    if (strstr(said, "for the test itself") != NULL) {
        fprintf(stderr, "SKIP: %s", said);
        skip();
    }
    assert_non_null(strstr(said, "available -1 missing"));
    assert_non_null(strstr(said, "max_user_namespaces"));
    assert_non_null(strstr(said, "ready 0 failed 1 closed 1"));
    if (strstr(strstr(said, "ready 0"), "max_user_namespaces") == NULL)
        fail_msg("%s", said);
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_bubblewrap),      cmocka_unit_test(with_setuid_bubblewrap),
        cmocka_unit_test(with_old_bubblewrap),     cmocka_unit_test(with_a_strange_bubblewrap),
        cmocka_unit_test(without_user_namespaces),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
