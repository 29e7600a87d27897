/* test_local_scope.c - limits by the user's own systemd: used only where a trial got them. Each
 * case in a process of its own (the outcome is remembered), with a systemd-run that is played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>
#include "base/path.h"
#include "providers/sandboxes/local_scope.h"

static char dir[] = "/tmp/airlock-scope-XXXXXX";

/* ---- an ordinary user on a machine with control groups v2; found before the C library's ---- */

static bool played, is_root, is_v1;

uid_t geteuid(void)
{
    return played ? (is_root ? 0 : 1000) : (uid_t)syscall(SYS_geteuid);
}

int access(const char *path, int mode)
{
    if (played && strcmp(path, CGROUP_ROOT "/cgroup.controllers") == 0) {
        errno = ENOENT;
        return is_v1 ? -1 : 0;
    }
    return (int)syscall(SYS_faccessat, AT_FDCWD, path, mode);
}

static void put(const char *name, const char *text, mode_t mode)
{
    struct err e = ERR_INIT;
    char *path = path_join(dir, name);
    if (path_write_file(path, text, strlen(text), &e) < 0 || chmod(path, mode) < 0)
        fail_msg("%s", e.msg);
    free(path);
}

struct world {
    const char *runtime; /* NULL: the directory; "": none */
    bool no_bus, no_systemd_run, root, v1;
    const char *script;
    unsigned limits;
};

#define MEMORY  (1u << CGROUP_MEMORY)
#define PIDS    (1u << CGROUP_PIDS)
#define CPU     (1u << CGROUP_CPU)
#define SAYS(t) "printf '" t "'"

static unsigned limits_in(const struct world *w)
{
    struct launcher *l;
    struct err e = ERR_INIT;
    played = true;
    is_root = w->root;
    is_v1 = w->v1;
    setenv("PATH", dir, 1);
    setenv("XDG_RUNTIME_DIR", w->runtime != NULL ? w->runtime : dir, 1);
    setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=x", 1);
    if (w->runtime != NULL && w->runtime[0] == '\0')
        unsetenv("XDG_RUNTIME_DIR");
    played = false; /* the launcher is not part of the play */
    if (launcher_start(&l, &e) < 0)
        return 98;
    played = true;
    unsigned before = local_scope_limits(NULL); /* nothing is known yet */
    unsigned limits = local_scope_limits(l), again = local_scope_limits(l);
    launcher_stop(l);
    return before != 0 || again != limits ? 99 : limits;
}

static void a_scope_counts_when_its_limits_are_there(void **state)
{
    static const struct world rows[] = {
        { .script = SAYS("kept\\n67108864\\n17\\n100000 100000\\n"),
          .limits = MEMORY | PIDS | CPU },
        { .script = SAYS("kept\\n67108864\\n17\\nmax 100000\\n"), .limits = MEMORY | PIDS },
        { .script = SAYS("kept\\n67108864\\n17\\n"), .limits = MEMORY | PIDS },
        { .script = SAYS("67108864\\n17\\n100000 100000\\n"),
          .limits = 0 }, /* a descriptor is lost */
        { .script = SAYS("kept\\nmax\\n17\\n100000 100000\\n"), .limits = 0 },
        { .script = SAYS("kept\\n67108864\\nmax\\n"), .limits = 0 },
        { .script = "exit 1", .limits = 0 },
        { .script = "head -c 1000 /dev/zero", .limits = 0 },
        { .script = SAYS("kept\\n67108864\\n17\\n"), .no_bus = true },
        { .script = SAYS("kept\\n67108864\\n17\\n"), .no_systemd_run = true },
        { .script = SAYS("kept\\n67108864\\n17\\n"), .runtime = "" },
        { .script = SAYS("kept\\n67108864\\n17\\n"), .runtime = "relative" },
        { .script = SAYS("kept\\n67108864\\n17\\n"), .root = true },
        { .script = SAYS("kept\\n67108864\\n17\\n"), .v1 = true },
    };
    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chmod(dir, 0755), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *bus = path_join(dir, "bus"), *run = path_join(dir, "systemd-run");
        char *text = xasprintf("#!/bin/sh\nPATH=/usr/bin:/bin\n%s\n", rows[i].script);
        int status;
        if (!rows[i].no_bus)
            put("bus", "", 0600);
        if (!rows[i].no_systemd_run)
            put("systemd-run", text, 0755);
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0)
            exit((int)limits_in(&rows[i]));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != (int)rows[i].limits)
            fail_msg("row %zu: status %x, not %u", i, (unsigned)status, rows[i].limits);
        unlink(bus);
        unlink(run);
        free(bus);
        free(run);
        free(text);
    }
    assert_int_equal(rmdir(dir), 0);
}

static void a_command_under_its_limits(void **state)
{
    static const char *const command[] = { "/usr/bin/bwrap", "--args", "3", NULL };
    struct contract c = { .memory_mib = 100, .pids = 7, .cpu = 3 };
    struct local_scope s;
    char said[1024] = "";
    (void)state;
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    setenv("DBUS_SESSION_BUS_ADDRESS", "unix:x", 1);
    local_scope_init(&s, &c, command);
    for (size_t i = 0; s.argv[i] != NULL; i++)
        snprintf(said + strlen(said), sizeof said - strlen(said), "%s ", s.argv[i]);
    assert_non_null(strstr(said, "-p MemoryMax=104857600 -p MemorySwapMax=0 "));
    assert_non_null(strstr(said, "-p TasksMax=8 -p CPUQuota=300% -- /usr/bin/bwrap --args 3 "));
    assert_string_equal(s.env[0], "XDG_RUNTIME_DIR=/run/user/7");
    assert_string_equal(s.env[1], "DBUS_SESSION_BUS_ADDRESS=unix:x");
    assert_null(s.env[2]);
    local_scope_release(&s);
    unsetenv("XDG_RUNTIME_DIR");
    local_scope_init(&s, &c, command);
    assert_string_equal(s.env[0], "DBUS_SESSION_BUS_ADDRESS=unix:x");
    assert_null(s.env[1]);
    local_scope_release(&s);
    unsetenv("DBUS_SESSION_BUS_ADDRESS");
    local_scope_init(&s, &c, command);
    assert_null(s.env[0]);
    local_scope_release(&s);
}

static void nobody_has_a_group(void **state)
{
    struct err e = ERR_INIT;
    struct cgroup *g = NULL;
    (void)state;
    assert_int_equal(local_scope_adopt(&g, 0x7ffffff0, &e), -1);
    assert_non_null(strstr(e.msg, "local sandbox: its control group"));
    assert_null(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scope_counts_when_its_limits_are_there),
        cmocka_unit_test(a_command_under_its_limits),
        cmocka_unit_test(nobody_has_a_group),
    };
    return cmocka_run_group_tests_name("local scope", tests, NULL, NULL);
}
