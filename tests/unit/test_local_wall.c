/* test_local_wall.c - the wall of the local sandbox around a bubblewrap that does other than it
 * should: each of its ends is told with its reason, and nothing of it is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/loop.h"
#include "base/path.h"
#include "providers/sandboxes/local_wall_int.h"
#include "providers/walled.h"
#include "unit/fake_clock.h"

static char dir[] = "/tmp/airlock-bwrap-XXXXXX";
static struct launcher *launcher;
static struct loop *lp;
static struct wall *wall;

static struct {
    unsigned up, gone;
    bool confirmed;
    struct err why;
} seen;

static void on_wall(void *arg, const struct wall_event *ev)
{
    (void)arg;
    assert_int_equal(seen.gone, 0); /* GONE is the last */
    seen.up += ev->kind == WALL_UP;
    if (ev->kind == WALL_GONE) {
        seen.gone++;
        seen.confirmed = ev->confirmed;
        seen.why = *ev->err;
    }
}

/* What "bwrap" does; its status goes to descriptor 5. */
static void play(const char *script)
{
    struct err e = ERR_INIT;
    char *path = path_join(dir, "bwrap");
    char *text = xasprintf("#!/bin/sh\nPATH=/usr/bin:/bin\n%s\n", script);
    if (path_write_file(path, text, strlen(text), &e) < 0 || chmod(path, 0755) < 0)
        fail_msg("%s", e.msg);
    free(path);
    free(text);
    struct wall_config cfg = { .loop = lp,
                               .launcher = launcher,
                               .contract = walled_default_contract(),
                               .guest = "/nothing",
                               .label = "t",
                               .sink = on_wall };
    memset(&seen, 0, sizeof seen);
    if (wall_local.create(&wall, &cfg, &e) < 0)
        fail_msg("%s", e.msg);
}

static struct local_wall *inner(void)
{
    return (struct local_wall *)wall;
}

static void turn(void)
{
    struct err e = ERR_INIT;
    assert_int_equal(loop_turn(lp, 5, &e), 0);
}

/* Once it is being killed its timers go by a clock of ours: nobody waits for the next strike. */
static void await_gone(int64_t each_turn_us)
{
    for (int i = 0; seen.gone == 0; i++) {
        if (i == 4000)
            fail_msg("hangs in phase %d", inner()->phase);
        turn();
        if (inner()->phase == PHASE_KILLING)
            fake_ahead_us += each_turn_us;
    }
}

static void end(void)
{
    wall->ops->close(wall);
    wall = NULL;
}

static int make_world(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    if (mkdtemp(dir) == NULL || chmod(dir, 0755) < 0)
        return -1;
    setenv("PATH", dir, 1);
    return launcher_start(&launcher, &e) < 0 || loop_new(&lp, &e) < 0 ? -1 : 0;
}

static int remove_world(void **state)
{
    (void)state;
    char *path = path_join(dir, "bwrap");
    unlink(path);
    free(path);
    loop_free(lp);
    launcher_stop(launcher);
    return rmdir(dir);
}

#define SLEEPS "exec sleep 100"

static void what_it_tells_is_not_believed(void **state)
{
    static const struct {
        const char *script, *says;
    } rows[] = {
        { "echo '{' >&5; " SLEEPS, "bubblewrap's status" },
        { "echo '{}' >&5; " SLEEPS, "child-pid" },
        { "echo '{\"child-pid\":1,\"pid-namespace\":5}' >&5; " SLEEPS, "child-pid" },
        { "echo '{\"child-pid\":77}' >&5; " SLEEPS, "pid-namespace" },
        /* somebody else's process */
        { "echo \"{\\\"child-pid\\\":$PPID,\\\"pid-namespace\\\":5}\" >&5; " SLEEPS,
          "is not bubblewrap's child" },
        /* nobody's */
        { "true & p=$!; wait $p; echo \"{\\\"child-pid\\\":$p,\\\"pid-namespace\\\":5}\" "
          ">&5; " SLEEPS,
          "local sandbox: process " },
        /* its own, but in no namespace of that name */
        { "sleep 100 & echo \"{\\\"child-pid\\\":$!,\\\"pid-namespace\\\":5}\" >&5; wait",
          "its pid namespace is not the one it told" },
        { "head -c 100000 /dev/zero | tr '\\0' x >&5; " SLEEPS, "status is too long" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        play(rows[i].script);
        assert_int_equal(wall->ops->write(wall, "x", 1), 0); /* nothing is taken before it is up */
        await_gone(10000);
        if (strstr(seen.why.msg, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, seen.why.msg);
        assert_int_equal(seen.up, 0);
        if (!seen.confirmed)
            fail_msg("row %zu: not confirmed", i);
        assert_int_equal(wall->ops->write(wall, "x", 1), -1);
        end();
    }
}

static void it_ends_before_it_told_anything(void **state)
{
    static const struct {
        const char *script, *says;
    } rows[] = {
        { "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1", "Permission denied" },
        { "exit 3", "" },
        /* what it leaves in its session is found and ended */
        { "sleep 100 & exit 0", "" },
        { "head -c 9000 /dev/zero | tr '\\0' x >&2; echo >&2; exit 1", "xxx" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        play(rows[i].script);
        await_gone(10000);
        if (seen.why.code == ERR_NONE || strstr(seen.why.msg, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, seen.why.msg);
        assert_true(seen.confirmed);
        end();
    }
}

static void it_never_tells_anything(void **state)
{
    enum { WAIT, KILL, CLOSE, WAYS };
    (void)state;
    for (int how = WAIT; how < WAYS; how++) {
        play("sleep 100 & wait");
        for (int i = 0; i < 5; i++)
            turn();
        assert_int_equal(seen.gone, 0);
        if (how == WAIT)
            fake_ahead_us += LOCAL_START_US;
        else if (how == KILL)
            wall->ops->kill(wall);
        if (how != CLOSE)
            await_gone(10000);
        if (how == WAIT)
            assert_non_null(strstr(seen.why.msg, "bubblewrap did not start within 10 s"));
        if (how == KILL)
            assert_int_equal(seen.why.code, ERR_NONE);
        if (how != CLOSE)
            assert_true(seen.confirmed);
        end();
    }
    wall_local.close(NULL);
}

/* Let go, as a bubblewrap that makes no namespace would have it: what it ends with is still seen,
 * and that something is left in "its" namespace is told. */
static void it_goes_by_itself(void **state)
{
#define UP                                                                                         \
    "sleep 100 & p=$!; n=$(stat -L -c %i /proc/self/ns/pid); "                                     \
    "echo \"{\\\"child-pid\\\":$p,\\\"pid-namespace\\\":$n}\" >&5; "
    static const struct {
        const char *script, *says;
    } rows[] = {
        { UP "echo 'went wrong' >&2; kill $p; wait; exit 1", "ended by itself: went wrong" },
        { UP "kill $p; wait; exit 0", "ended by itself" },
        { UP "exit 0", "ended by itself" }, /* bwrap alone */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        play(rows[i].script);
        await_gone(10000);
        if (strstr(seen.why.msg, rows[i].says) == NULL && seen.up == 1)
            fail_msg("row %zu: %s", i, seen.why.msg);
        if (seen.up == 1)
            assert_false(seen.confirmed);
        end();
    }
    for (int closed = 0; closed < 2; closed++) {
        play(UP "wait");
        for (int i = 0; i < 4000 && seen.up == 0; i++)
            turn();
        assert_int_equal(seen.up, 1);
        if (!closed) {
            wall->ops->kill(wall);
            wall->ops->kill(wall);
            await_gone(10000);
            assert_int_equal(seen.why.code, ERR_NONE);
        }
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_tells_is_not_believed),
        cmocka_unit_test(it_ends_before_it_told_anything),
        cmocka_unit_test(it_never_tells_anything),
        cmocka_unit_test(it_goes_by_itself),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("local wall", tests, make_world, remove_world);
}
