/* test_local_cgroup.c - control groups v1 and v2 in a directory that behaves like the kernel's: a
 * new directory has its files at once, and goes with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/path.h"
#include "providers/sandboxes/local_cgroup.h"

/* ---- a file system that behaves like the kernel's; found by the linker before the C library's
 * ---- */

static char root[64];
static const char *const kernel_files[] = { "memory.max",
                                            "memory.swap.max",
                                            "memory.oom.group",
                                            "pids.max",
                                            "cpu.max",
                                            "cgroup.procs",
                                            "cgroup.kill",
                                            "memory.events",
                                            "pids.events",
                                            "memory.current",
                                            "cpu.cfs_quota_us",
                                            "cpu.cfs_period_us",
                                            "memory.limit_in_bytes",
                                            "memory.memsw.limit_in_bytes",
                                            "memory.usage_in_bytes",
                                            "memory.oom_control" };
static struct {
    bool no_mkdir;
    bool busy;                 /* a group that has members does not go */
    const char *missing;       /* a file that is not there */
    const char *preset, *text; /* one that is there, and can be written over only */
} kernel;

static void put(const char *dir, const char *name, const char *text)
{
    char *path = path_join(dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    free(path);
}

int mkdir(const char *path, mode_t mode)
{
    bool group = strncmp(path, root, strlen(root)) == 0 && strstr(path, "/airlock-") != NULL;
    if (group && kernel.no_mkdir) {
        errno = EACCES;
        return -1;
    }
    int rc = (int)syscall(SYS_mkdir, path, mode);
    for (size_t i = 0; group && rc == 0 && i < ARRAY_LEN(kernel_files); i++) {
        bool preset = kernel.preset != NULL && strcmp(kernel_files[i], kernel.preset) == 0;
        if (kernel.missing == NULL || strcmp(kernel_files[i], kernel.missing) != 0)
            put(path, kernel_files[i], preset ? kernel.text : "");
    }
    return rc;
}

static void empty(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *de; d != NULL && (de = readdir(d)) != NULL;)
        (void)syscall(SYS_unlinkat, fd, de->d_name, 0);
    if (d != NULL)
        closedir(d);
}

int unlinkat(int at, const char *name, int flags)
{
    if ((flags & AT_REMOVEDIR) != 0)
        empty(at, name);
    return (int)syscall(SYS_unlinkat, at, name, flags);
}

int rmdir(const char *path)
{
    if (kernel.busy) {
        errno = EBUSY;
        return -1;
    }
    if (strstr(path, "/airlock-") != NULL)
        empty(AT_FDCWD, path);
    return (int)syscall(SYS_rmdir, path);
}

/* ---- one world */

static void make_dirs(const char *below)
{
    char *path = xasprintf("%s/%s", root, below);
    for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        (void)syscall(SYS_mkdir, path, 0755);
        *at = '/';
    }
    (void)syscall(SYS_mkdir, path, 0755);
    free(path);
}

static void set_up(void)
{
    memset(&kernel, 0, sizeof kernel);
    snprintf(root, sizeof root, "/tmp/cgroup-test-XXXXXX");
    assert_non_null(mkdtemp(root));
}

static void remove_tree(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *de; d != NULL && (de = readdir(d)) != NULL;) {
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            continue;
        if (syscall(SYS_unlinkat, fd, de->d_name, 0) < 0)
            remove_tree(fd, de->d_name);
    }
    if (d != NULL)
        closedir(d);
    (void)syscall(SYS_unlinkat, at, name, AT_REMOVEDIR);
}

static void tear_down(void)
{
    remove_tree(AT_FDCWD, root);
}

/* Below the root, as text; lent. */
static const char *text_of(const char *dir, const char *name)
{
    static char text[256];
    char *path = path_join(dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
    free(path);
    return n >= 0 ? text : "(none)";
}

static bool exists(const char *below)
{
    char *path = xasprintf("%s/%s", root, below);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

/* ---- where groups can be made */

static void expect_place(const struct cgroup_place *p, int version, const char *const want[3],
                         size_t row)
{
    if (p->version != version)
        fail_msg("row %zu: version %d", row, p->version);
    for (int i = 0; i < CGROUP_PARTS; i++) {
        char *full = want[i] != NULL ? xasprintf("%s%s", root, want[i]) : NULL;
        if ((full == NULL) != (p->dir[i] == NULL) || (full != NULL && strcmp(full, p->dir[i]) != 0))
            fail_msg("row %zu: part %d at %s", row, i, p->dir[i] != NULL ? p->dir[i] : "none");
        free(full);
    }
}

static void places_of_v2(void **state)
{
    static const struct {
        const char *self, *at_root, *at_slice; /* what these pass on */
        bool no_mkdir;
        int version;
        const char *want[3];
    } rows[] = {
        { "0::/a/b\n", "", "cpu memory pids\n", false, 2, { "/a", "/a", "/a" } },
        { "0::/a/b", "", "memory pids", false, 2, { "/a", "/a", NULL } },
        { "0::/a/b", "", "cpuset memory pids io", false, 2, { "/a", "/a", NULL } },
        { "0::/a/b", "cpu memory pids", "memory", false, 2, { "", "", "" } },
        { "0::/a/b", "cpu memory pids", "pids cpu", false, 2, { "", "", "" } },
        { "0::/a/b", "", "cpu", false, 0, { NULL } },
        { "0::/a/b", "", "memory pids", true, 0, { NULL } },
        { "0::/hidden/by/a/container", "memory pids", "", false, 2, { "", "", NULL } },
        { "0::/", "memory pids", "", false, 2, { "", "", NULL } },
        { "1:name=systemd:/x\nodd\n2:odd\n0::/a/b\n",
          "",
          "memory pids",
          false,
          2,
          { "/a", "/a", NULL } },
        { "1:memory:/a\n", "memory pids", "", false, 0, { NULL } },
        { "", "memory pids", "", false, 0, { NULL } },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cgroup_place p;
        set_up();
        make_dirs("a/b");
        char *slice = path_join(root, "a");
        put(root, "cgroup.controllers", "cpu memory pids\n");
        put(root, "cgroup.subtree_control", rows[i].at_root);
        put(slice, "cgroup.subtree_control", rows[i].at_slice);
        kernel.no_mkdir = rows[i].no_mkdir;
        cgroup_find(&p, root, rows[i].self);
        expect_place(&p, rows[i].version, rows[i].want, i);
        assert_null(p.unified);
        cgroup_place_release(&p);
        cgroup_place_release(&p);
        free(slice);
        tear_down();
    }
    cgroup_place_release(NULL);
}

static void places_of_v1(void **state)
{
    static const struct {
        const char *self;
        int version;
        const char *want[3];
        bool unified;
    } rows[] = {
        { "4:memory:/a\n5:pids:/a\n6:cpu,cpuacct:/a\n0::/a\n",
          1,
          { "/memory/a", "/pids/a", "/cpu,cpuacct/a" },
          true },
        { "4:memory:/else\n5:pids:/\n", 1, { "/memory", "/pids", NULL }, false },
        { "6:cpuset:/a\n5:pids:/a\n0::/a\n", 1, { NULL, "/pids/a", NULL }, true },
        { "4:memory\nodd\n", 0, { NULL }, false },
        { "0::/a\n", 0, { NULL }, false },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cgroup_place p;
        set_up();
        make_dirs("memory/a");
        make_dirs("pids/a");
        make_dirs("cpu,cpuacct/a");
        make_dirs("unified/a");
        cgroup_find(&p, root, rows[i].self);
        expect_place(&p, rows[i].version, rows[i].want, i);
        assert_int_equal(p.unified != NULL, rows[i].unified);
        cgroup_place_release(&p);
        tear_down();
    }
}

/* ---- one group */

static const struct cgroup_limits limits = { .memory_bytes = 67108864, .pids = 16, .cpus = 2 };

static void place_v2(struct cgroup_place *p, bool cpu)
{
    set_up();
    put(root, "cgroup.controllers", "");
    put(root, "cgroup.subtree_control", cpu ? "cpu memory pids" : "memory pids");
    cgroup_find(p, root, "0::/");
    assert_int_equal(p->version, 2);
}

static void place_v1(struct cgroup_place *p)
{
    set_up();
    make_dirs("memory");
    make_dirs("pids");
    make_dirs("cpu");
    make_dirs("unified");
    cgroup_find(p, root, "1:memory:/\n2:pids:/\n3:cpu:/\n0::/\n");
    assert_int_equal(p->version, 1);
}

static void a_group_of_v2(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    for (int cpu = 0; cpu < 2; cpu++) {
        struct cgroup_place p;
        struct cgroup *g;
        place_v2(&p, cpu);
        if (cgroup_new(&g, &p, "airlock-1-1", &limits, &e) < 0)
            fail_msg("%s", e.msg);
        char *dir = path_join(root, "airlock-1-1");
        assert_int_equal(cgroup_has(g), cpu ? 7 : 3);
        assert_string_equal(text_of(dir, "memory.max"), "67108864");
        assert_string_equal(text_of(dir, "memory.swap.max"), "0");
        assert_string_equal(text_of(dir, "memory.oom.group"), "0");
        assert_string_equal(text_of(dir, "pids.max"), "16");
        assert_string_equal(text_of(dir, "cpu.max"), cpu ? "200000 100000" : "");
        assert_int_equal(cgroup_add(g, 4321, &e), 0);
        assert_string_equal(text_of(dir, "cgroup.procs"), "4321");
        assert_int_equal(cgroup_oom_kills(g), -1); /* nothing to read */
        put(dir, "memory.events", "low 1\noom 2\noom_kill 3\noom_group_kill 4\n");
        put(dir, "pids.events", "max 5\n");
        put(dir, "memory.current", "4096\n");
        assert_int_equal(cgroup_oom_kills(g), 3);
        assert_int_equal(cgroup_pids_refused(g), 5);
        assert_int_equal(cgroup_memory_bytes(g), 4096);
        put(dir, "memory.events", "oom_kil 3\noom_kill_disable 1");
        assert_int_equal(cgroup_oom_kills(g), -1);
        cgroup_kill(g);
        assert_string_equal(text_of(dir, "cgroup.kill"), "1");
        kernel.busy = true;
        assert_false(cgroup_remove(g));
        kernel.busy = false;
        assert_true(cgroup_remove(g));
        assert_true(cgroup_remove(g)); /* gone is gone */
        assert_false(exists("airlock-1-1"));
        cgroup_free(g);
        free(dir);
        cgroup_place_release(&p);
        tear_down();
    }
}

static void a_group_of_v1(void **state)
{
    struct err e = ERR_INIT;
    struct cgroup_place p;
    struct cgroup *g;
    (void)state;
    place_v1(&p);
    if (cgroup_new(&g, &p, "airlock-1-1", &limits, &e) < 0)
        fail_msg("%s", e.msg);
    char *memory = xasprintf("%s/memory/airlock-1-1", root);
    char *pids = xasprintf("%s/pids/airlock-1-1", root);
    char *cpu = xasprintf("%s/cpu/airlock-1-1", root);
    char *unified = xasprintf("%s/unified/airlock-1-1", root);
    assert_int_equal(cgroup_has(g), 7);
    assert_string_equal(text_of(memory, "memory.limit_in_bytes"), "67108864");
    assert_string_equal(text_of(memory, "memory.memsw.limit_in_bytes"), "67108864");
    assert_string_equal(text_of(pids, "pids.max"), "16");
    assert_string_equal(text_of(cpu, "cpu.cfs_period_us"), "100000");
    assert_string_equal(text_of(cpu, "cpu.cfs_quota_us"), "200000");
    assert_int_equal(cgroup_add(g, 77, &e), 0);
    assert_string_equal(text_of(cpu, "cgroup.procs"), "77");
    assert_string_equal(text_of(unified, "cgroup.procs"), "77");
    put(memory, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    put(memory, "memory.usage_in_bytes", "12288\n");
    assert_int_equal(cgroup_oom_kills(g), 2);
    assert_int_equal(cgroup_memory_bytes(g), 12288);
    cgroup_kill(g);
    assert_string_equal(text_of(unified, "cgroup.kill"), "1");
    assert_true(cgroup_remove(g));
    assert_false(exists("memory/airlock-1-1") || exists("pids/airlock-1-1") ||
                 exists("cpu/airlock-1-1") || exists("unified/airlock-1-1"));
    cgroup_free(g);
    free(memory);
    free(pids);
    free(cpu);
    free(unified);
    cgroup_place_release(&p);
    tear_down();
}

/* A limit that is not really there is none: the sandbox must not start as if. */
static void limits_that_do_not_hold_are_no_group(void **state)
{
    static const struct {
        bool v1;
        const char *missing, *preset, *text;
        const char *says;
    } rows[] = {
        { false, "memory.max", NULL, NULL, "its limit can't be set" },
        { false, "pids.max", NULL, NULL, "its limit can't be set" },
        { false, "cpu.max", NULL, NULL, "its limit can't be set" },
        { false, NULL, "memory.max", "99999999999999999", "its limit can't be set" },
        { false, NULL, "pids.max", "0099", "its limit can't be set" }, /* 1699 */
        { true, "memory.limit_in_bytes", NULL, NULL, "its limit can't be set" },
        { true, "cpu.cfs_period_us", NULL, NULL, "its limit can't be set" },
        { true, "cpu.cfs_quota_us", NULL, NULL, "its limit can't be set" },
        { true, NULL, "pids.max", "9999999", "its limit can't be set" },
    };
    struct err e = ERR_INIT;
    struct cgroup *g = NULL;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cgroup_place p;
        if (rows[i].v1)
            place_v1(&p);
        else
            place_v2(&p, true);
        kernel.missing = rows[i].missing;
        kernel.preset = rows[i].preset;
        kernel.text = rows[i].text;
        if (cgroup_new(&g, &p, "airlock-1-1", &limits, &e) == 0)
            fail_msg("row %zu: a group", i);
        assert_non_null(strstr(e.msg, rows[i].says));
        assert_null(g);
        assert_false(exists("airlock-1-1") || exists("memory/airlock-1-1") ||
                     exists("cpu/airlock-1-1") || exists("unified/airlock-1-1"));
        cgroup_place_release(&p);
        tear_down();
    }
}

static void no_place_no_directory_no_member(void **state)
{
    struct err e = ERR_INIT;
    struct cgroup_place p = { .version = 0 };
    struct cgroup *g;
    (void)state;
    assert_int_equal(cgroup_new(&g, &p, "x", &limits, &e), -1);
    assert_int_equal(e.code, ERR_MISSING);
    place_v2(&p, true);
    kernel.no_mkdir = true;
    assert_int_equal(cgroup_new(&g, &p, "airlock-1-1", &limits, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    kernel.no_mkdir = false;
    kernel.missing = "cgroup.procs";
    assert_int_equal(cgroup_new(&g, &p, "airlock-1-1", &limits, &e), 0);
    assert_int_equal(cgroup_add(g, 1, &e), -1);
    assert_non_null(strstr(e.msg, "can't take process 1 in"));
    assert_true(cgroup_remove(g));
    cgroup_free(g);
    cgroup_place_release(&p);
    tear_down();
    cgroup_free(NULL);
    cgroup_kill(NULL);
    assert_true(cgroup_remove(NULL));
    assert_int_equal(cgroup_has(NULL), 0);
    assert_int_equal(cgroup_oom_kills(NULL), -1);
    assert_int_equal(cgroup_pids_refused(NULL), -1);
    assert_int_equal(cgroup_memory_bytes(NULL), -1);
}

/* ---- somebody else's */

static void a_group_of_systemds(void **state)
{
    struct err e = ERR_INIT;
    struct cgroup *g = NULL;
    (void)state;
    set_up();
    make_dirs("s.scope");
    char *dir = path_join(root, "s.scope");
    assert_int_equal(cgroup_adopt(&g, root, "/none.scope", &e), -1);
    assert_int_equal(e.code, ERR_IO);
    put(dir, "cgroup.procs", "1\n");
    put(dir, "memory.max", "67108864\n");
    put(dir, "pids.max", "17\n");
    put(dir, "cpu.max", "max 100000\n");
    put(dir, "cgroup.kill", "");
    put(dir, "memory.events", "oom_kill 1\n");
    assert_int_equal(cgroup_adopt(&g, root, "/s.scope", &e), 0);
    assert_int_equal(cgroup_has(g), 3);
    assert_int_equal(cgroup_oom_kills(g), 1);
    cgroup_kill(g);
    assert_string_equal(text_of(dir, "cgroup.kill"), "1");
    assert_true(cgroup_remove(g)); /* not ours */
    assert_true(exists("s.scope"));
    cgroup_free(g);
    free(dir);
    tear_down();
}

/* A pid that nobody has. */
static long dead_pid(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return pid;
}

static void groups_of_the_dead_are_swept(void **state)
{
    struct err e = ERR_INIT;
    struct cgroup_place p;
    struct cgroup *g;
    long dead = dead_pid();
    char names[8][64];
    (void)state;
    place_v1(&p);
    const char *const patterns[] = { "airlock-%ld-1", "airlock-%ld-x", "airlock-probe-%ld",
                                     "airlock-%ldx",  "other-%ld-1",   "airlock-0%ld" };
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(names[i], sizeof names[i], patterns[i], dead);
#pragma GCC diagnostic pop
        char *below = xasprintf("memory/%s", names[i]);
        make_dirs(below);
        free(below);
    }
    char mine[64], first[64];
    snprintf(mine, sizeof mine, "memory/airlock-%ld-9", (long)getpid());
    snprintf(first, sizeof first, "memory/airlock-%ld-9", 1L);
    make_dirs(mine);
    make_dirs(first);
    cgroup_sweep(&p);
    char *below = xasprintf("memory/%s", names[0]);
    assert_false(exists(below));
    free(below);
    for (size_t i = 2; i < 5; i++) {
        below = xasprintf("memory/%s", names[i]);
        if (!exists(below))
            fail_msg("%s is gone", below);
        free(below);
    }
    assert_true(exists(mine) && exists(first));
    /* Before the first group: the trials of the dead too, and what has this very pid. */
    assert_int_equal(cgroup_new(&g, &p, "airlock-1-1", &limits, &e), 0);
    below = xasprintf("memory/%s", names[2]);
    assert_false(exists(below) || exists(mine));
    free(below);
    for (size_t i = 3; i < 5; i++) {
        below = xasprintf("memory/%s", names[i]);
        assert_true(exists(below));
        free(below);
    }
    assert_true(exists(first));
    assert_true(cgroup_remove(g));
    cgroup_free(g);
    cgroup_place_release(&p);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_of_v2),
        cmocka_unit_test(places_of_v1),
        cmocka_unit_test(groups_of_the_dead_are_swept),
        cmocka_unit_test(a_group_of_v2),
        cmocka_unit_test(a_group_of_v1),
        cmocka_unit_test(limits_that_do_not_hold_are_no_group),
        cmocka_unit_test(no_place_no_directory_no_member),
        cmocka_unit_test(a_group_of_systemds),
    };
    return cmocka_run_group_tests_name("control groups", tests, NULL, NULL);
}
