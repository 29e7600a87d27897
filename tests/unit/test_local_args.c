/* test_local_args.c - the local sandbox's pure parts: argument list, mount rules, reasons, groups.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/path.h"
#include "providers/walled.h"
#include "providers/sandboxes/local_args.h"
#include "providers/sandboxes/local_cgroup.h"
#include "providers/sandboxes/local_mount.h"
#include "providers/sandboxes/local_probe.h"
#include "providers/sandboxes/local_scope.h"

/* ---- the list ---- */

struct list {
    struct buf bytes;
    const char *word[512];
    size_t count;
};

static void build(struct list *l, const struct local_args *a)
{
    struct err e = ERR_INIT;
    memset(l, 0, sizeof *l);
    buf_init(&l->bytes, LOCAL_ARGS_MAX);
    if (local_args_build(&l->bytes, a, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(l->bytes.ptr[l->bytes.len - 1], '\0');
    for (size_t at = 0; at < l->bytes.len; at += strlen(l->bytes.ptr + at) + 1) {
        assert_true(l->count < 512);
        l->word[l->count++] = l->bytes.ptr + at;
    }
}

/* Position of these words in a row; -1 when they are not there. */
static int find(const struct list *l, const char *a, const char *b, const char *c)
{
    for (size_t i = 0; i < l->count; i++) {
        if (strcmp(l->word[i], a) != 0)
            continue;
        if (b != NULL && (i + 1 >= l->count || strcmp(l->word[i + 1], b) != 0))
            continue;
        if (c != NULL && (i + 2 >= l->count || strcmp(l->word[i + 2], c) != 0))
            continue;
        return (int)i;
    }
    return -1;
}

static const struct local_machine merged = {
    .dir = { LOCAL_DIR_LINK, LOCAL_DIR_LINK, LOCAL_DIR_LINK, LOCAL_DIR_NONE, LOCAL_DIR_LINK },
    .proc_hidden = { true, true, false, true },
};

static struct local_args plain(const struct contract *c)
{
    static const struct local_data data[] = { { 9, 0555, "/sbx/guest" } };
    return (struct local_args){ .contract = c,
                                .machine = &merged,
                                .data = data,
                                .data_count = 1,
                                .seccomp_fd = 4,
                                .status_fd = 5,
                                .block_fd = 6 };
}

static void strict_list_names_every_wall(void **state)
{
    static const char *const single[] = { "--unshare-user",   "--unshare-ipc", "--unshare-pid",
                                          "--unshare-net",    "--unshare-uts", "--unshare-cgroup",
                                          "--disable-userns", "--as-pid-1",    "--die-with-parent",
                                          "--new-session",    "--clearenv" };
    struct local_args a = plain(walled_default_contract());
    struct list l;
    (void)state;
    build(&l, &a);
    for (size_t i = 0; i < ARRAY_LEN(single); i++)
        if (find(&l, single[i], NULL, NULL) < 0)
            fail_msg("%s is missing", single[i]);
    assert_true(find(&l, "--cap-drop", "ALL", NULL) >= 0);
    assert_true(find(&l, "--uid", "1000", NULL) >= 0);
    assert_true(find(&l, "--ro-bind", "/usr", "/usr") >= 0);
    assert_true(find(&l, "--ro-bind", "/proc/sys", "/proc/sys") >
                find(&l, "--proc", "/proc", NULL));
    assert_true(find(&l, "--seccomp", "4", NULL) >= 0);
    assert_true(find(&l, "--json-status-fd", "5", NULL) >= 0);
    assert_true(find(&l, "--block-fd", "6", NULL) >= 0);
    assert_true(find(&l, "--unshare-all", NULL, NULL) < 0);
    assert_true(find(&l, "--bind", NULL, NULL) < 0);
    size_t variables = 0; /* PATH, HOME, LANG: nothing of ours */
    for (size_t i = 0; i < l.count; i++)
        variables += strcmp(l.word[i], "--setenv") == 0;
    assert_int_equal(variables, 3);
    buf_release(&l.bytes);
}

static void root_is_closed_after_everything_else(void **state)
{
    static const struct local_mount_arg mounts[] = { { 20, NULL, "/srv/data", false },
                                                     { -1, "/run/airlock/m/0", "/srv/out", true } };
    struct local_args a = plain(walled_default_contract());
    struct list l;
    (void)state;
    a.mounts = mounts;
    a.mount_count = 2;
    build(&l, &a);
    int closed = find(&l, "--remount-ro", "/", NULL);
    assert_true(closed > find(&l, "--remount-ro", "/dev", NULL));
    assert_true(closed > find(&l, "--ro-bind-fd", "20", "/srv/data"));
    assert_true(find(&l, "--ro-bind-fd", "20", "/srv/data") >= 0);
    assert_true(closed > find(&l, "--bind", "/run/airlock/m/0", "/srv/out"));
    assert_true(find(&l, "--bind", "/run/airlock/m/0", "/srv/out") >= 0);
    for (int i = closed + 2; i < (int)l.count; i++) {
        assert_null(strstr(l.word[i], "bind"));
        assert_null(strstr(l.word[i], "tmpfs"));
    }
    buf_release(&l.bytes);
}

static void tmpfs_have_sizes(void **state)
{
    struct contract c = *walled_default_contract();
    struct local_args a = plain(&c);
    struct list l;
    (void)state;
    c.disk_mib = 3;
    build(&l, &a);
    int at = find(&l, "--tmpfs", "/workspace", NULL);
    assert_true(at >= 4);
    assert_string_equal(l.word[at - 4], "--size");
    assert_string_equal(l.word[at - 3], "3145728");
    static const char *const small[] = { "/tmp", "/dev/shm" };
    for (size_t i = 0; i < 2; i++) {
        at = find(&l, "--tmpfs", small[i], NULL);
        assert_true(at >= 4);
        assert_string_equal(l.word[at - 3], "67108864");
        assert_string_equal(l.word[at - 1], "1777");
    }
    size_t tmpfs = 0; /* and no tmpfs without one */
    for (size_t i = 0; i < l.count; i++)
        tmpfs += strcmp(l.word[i], "--tmpfs") == 0;
    assert_int_equal(tmpfs, 3);
    buf_release(&l.bytes);
}

static void data_files_carry_their_mode(void **state)
{
    struct local_args a = plain(walled_default_contract());
    struct list l;
    (void)state;
    build(&l, &a);
    int at = find(&l, "--ro-bind-data", "9", "/sbx/guest");
    assert_true(at >= 2);
    assert_string_equal(l.word[at - 2], "--perms");
    assert_string_equal(l.word[at - 1], "0555");
    buf_release(&l.bytes);
}

static void open_network_brings_the_resolver(void **state)
{
    struct contract c = *walled_default_contract();
    struct local_args a = plain(&c);
    struct list l;
    (void)state;
    build(&l, &a);
    assert_true(find(&l, "--ro-bind-try", "/etc/resolv.conf", NULL) < 0);
    buf_release(&l.bytes);
    c.network = NETWORK_ALLOW; /* whatever happens above: not the host's network */
    build(&l, &a);
    assert_true(find(&l, "--unshare-net", NULL, NULL) >= 0);
    buf_release(&l.bytes);
    c.network = NETWORK_OPEN;
    build(&l, &a);
    assert_true(find(&l, "--unshare-net", NULL, NULL) < 0);
    assert_true(find(&l, "--ro-bind-try", "/etc/resolv.conf", NULL) >= 0);
    buf_release(&l.bytes);
}

static void unmerged_system_directories_are_bound(void **state)
{
    struct local_machine old = merged;
    struct local_args a = plain(walled_default_contract());
    struct list l;
    (void)state;
    old.dir[0] = LOCAL_DIR_REAL;
    a.machine = &old;
    build(&l, &a);
    assert_true(find(&l, "--ro-bind", "/bin", "/bin") >= 0);
    assert_true(find(&l, "--symlink", "usr/sbin", "/sbin") >= 0);
    assert_true(find(&l, "--symlink", "usr/bin", "/bin") < 0);
    buf_release(&l.bytes);
}

static void hides_host_facts_that_exist(void **state)
{
    struct local_args a = plain(walled_default_contract());
    struct list l;
    (void)state;
    build(&l, &a);
    assert_true(find(&l, "--ro-bind", "/dev/null", "/proc/cmdline") >= 0);
    assert_true(find(&l, "--ro-bind", "/dev/null", "/proc/keys") >= 0);
    assert_true(find(&l, "--ro-bind", "/dev/null", "/proc/kallsyms") < 0); /* not on that machine */
    buf_release(&l.bytes);
}

static void full_list_is_an_error(void **state)
{
    struct local_args a = plain(walled_default_contract());
    struct err e = ERR_INIT;
    (void)state;
    for (size_t max = 1; max < 900; max += 111) {
        struct buf small = BUF_INIT(max);
        assert_int_equal(local_args_build(&small, &a, &e), -1);
        assert_int_equal(e.code, ERR_LIMIT);
        buf_release(&small);
    }
}

/* ---- mounts ---- */

static void mount_rules(void **state)
{
    static const struct local_private own = {
        .home = "/home/ann",
        .dirs = { "/home/ann/.config/airlock/config.ini", "/srv/airlock-data",
                  "/home/ann/.local/state/airlock", "/run/user/1000/airlock" }
    };
    static const struct {
        const char *path;
        bool ok;
    } cases[] = {
        { "/home/ann/project", true },
        { "/home/ann/project/.venv", true },
        { "/home/ann/a.b/c", true },
        { "/srv/data", true },
        { "/srv/airlock-database", true },
        { "/data", true },
        { "/tmp/job", true },
        { "/opt/model.bin", true },
        { "/home/annie", true }, /* another name with the same beginning */
        { "/home/ann/.sshx/a", false },
        { "/home/other/.sshfs/a", true },
        { "/", false },
        { "/home", false },
        { "/home/ann", false },
        { "/home/ann/.ssh", false },
        { "/home/ann/.ssh/id", false },
        { "/home/ann/.cache", false },
        { "/home/other/.ssh", false },
        { "/srv/app/.aws/credentials", false },
        { "/home/ann/.config", false },
        { "/srv", false }, /* shows /srv/airlock-data */
        { "/srv/airlock-data", false },
        { "/srv/airlock-data/sessions", false },
        { "/proc", false },
        { "/proc/self", false },
        { "/sys", false },
        { "/sys/fs/cgroup", false },
        { "/dev", false },
        { "/dev/sda", false },
        { "/run", false },
        { "/run/user/1000", false },
        { "/var/run/docker.sock", false },
        { "/etc", false },
        { "/etc/shadow", false },
        { "/usr", false },
        { "/usr/local", false },
        { "/boot", false },
        { "/tmp", false },
        { "/var", false },
        { "/workspace", false },
        { "/workspace/x", false },
        { "/sbx", false },
        { "relative", false },
        { "", false },
        { "/data/../etc", false },
        { "/data/..", false },
        { "/data/.", false },
        { "/data/./x", false },
        { "/data//x", false },
        { "//data", false },
        { "/data/", false },
        { "/data/a\nb", false },
        { "/data/...", true },
        { "/data/..a", true },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        int rc = local_mount_check_path(cases[i].path, &own, &e);
        if ((rc == 0) != cases[i].ok)
            fail_msg("%s: %s", cases[i].path, rc == 0 ? "was let through" : e.msg);
        if (rc < 0)
            assert_int_equal(e.code, ERR_DENIED);
    }
}

static char *make_dir(void)
{
    const char *tmp = getenv("TMPDIR");
    char *dir = xasprintf("%s/airlock-local-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    char *real = realpath(dir, NULL);
    free(dir);
    assert_non_null(real);
    return real;
}

static void expect_open(const char *dir, const char *name, enum err_code wanted)
{
    static const struct local_private nothing;
    struct err e = ERR_INIT;
    char *path = path_join(dir, name);
    int fd = -1;
    int rc = local_mount_open(path, &nothing, &fd, &e);
    if (wanted == ERR_NONE) {
        if (rc < 0)
            fail_msg("%s: %s", path, e.msg);
        assert_true(fd >= 0);
        close(fd);
    } else {
        assert_int_equal(rc, -1);
        if (e.code != wanted)
            fail_msg("%s: %s", path, e.msg);
    }
    free(path);
}

static void make_socket(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(strlen(path) < sizeof at.sun_path);
    memcpy(at.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    close(fd);
}

static void mounts_are_opened_without_links(void **state)
{
    char *dir = make_dir();
    char path[512], other[512];
    (void)state;
    static const char *const dirs[] = { "plain", "busy" };
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, dirs[i]);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    snprintf(path, sizeof path, "%s/plain/file", dir);
    assert_int_equal(path_write_file(path, "x", 1, NULL), 0);
    snprintf(path, sizeof path, "%s/link", dir);
    assert_int_equal(symlink("plain", path), 0);
    snprintf(other, sizeof other, "%s/fifo", dir);
    assert_int_equal(mkfifo(other, 0600), 0);
    snprintf(other, sizeof other, "%s/busy/socket", dir);
    make_socket(other);
    expect_open(dir, "plain", ERR_NONE);
    expect_open(dir, "plain/file", ERR_NONE);
    expect_open(dir, "link", ERR_DENIED);
    expect_open(dir, "link/file", ERR_DENIED);
    expect_open(dir, "fifo", ERR_DENIED);
    expect_open(dir, "busy/socket", ERR_DENIED);
    expect_open(dir, "busy", ERR_DENIED); /* a socket in it */
    expect_open(dir, "absent", ERR_MISSING);
    static const char *const gone[] = { "busy/socket", "fifo", "link", "plain/file" };
    for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, gone[i]);
        unlink(path);
    }
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, dirs[i]);
        rmdir(path);
    }
    rmdir(dir);
    free(dir);
}

static void private_directory_by_another_name(void **state)
{
    char *dir = make_dir();
    char *link = xasprintf("%s-link", dir);
    struct err e = ERR_INIT;
    int fd;
    (void)state;
    assert_int_equal(symlink(dir, link), 0);
    struct local_private own = { .dirs = { link } }; /* our own path has a link in it */
    assert_int_equal(local_mount_open(dir, &own, &fd, &e), -1);
    assert_int_equal(e.code, ERR_DENIED);
    unlink(link);
    rmdir(dir);
    free(link);
    free(dir);
}

/* ---- reasons ---- */

static void reasons_have_remedies(void **state)
{
    static const struct {
        const char *said;
        struct local_facts facts;
        const char *wanted;
    } cases[] = {
        { "bwrap: No permissions to create a new namespace, likely because the kernel does not "
          "allow non-privileged user namespaces.\n",
          { 0, -1, -1, false },
          "max_user_namespaces" },
        { "bwrap: Creating new namespace failed: Operation not permitted\n",
          { 1000, 0, -1, false },
          "unprivileged_userns_clone=1" },
        { "bwrap: setting up uid map: Permission denied\n", { 1000, 1, 1, false }, "AppArmor" },
        { "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted\n",
          { 1000, -1, 1, false },
          "AppArmor" },
        { "bwrap: Can't mount proc on /newroot/proc: Operation not permitted\n",
          { 1000, -1, -1, true },
          "container" },
        { "bwrap: Creating new namespace failed: Operation not permitted\n",
          { 1000, -1, -1, false },
          "unshare -U" },
        { "bwrap: Unknown option --disable-userns\n", { 1000, -1, -1, false }, "too old" },
        { "bwrap: execvp /sbx/guest: No such file or directory\nmore\n",
          { 1000, -1, -1, false },
          "execvp /sbx/guest" },
        { "", { 1000, -1, -1, false }, "without a word" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        assert_int_equal(local_explain_facts(cases[i].said, &cases[i].facts, &e), -1);
        assert_int_equal(e.code, ERR_MISSING);
        if (strstr(e.msg, cases[i].wanted) == NULL)
            fail_msg("case %zu: %s", i, e.msg);
        assert_null(strchr(e.msg, '\n'));
    }
}

/* ---- a scope of systemd ---- */

static bool has_word(const char *const *argv, const char *word)
{
    for (; *argv != NULL; argv++)
        if (strcmp(*argv, word) == 0)
            return true;
    return false;
}

static void scope_carries_the_limits(void **state)
{
    static const char *const command[] = {
        "/usr/bin/bwrap", "--args", "3", "--", "/sbx/guest", NULL
    };
    struct contract c = *walled_default_contract();
    struct local_scope s;
    (void)state;
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    unsetenv("DBUS_SESSION_BUS_ADDRESS");
    c.memory_mib = 128;
    c.pids = 50;
    c.cpu = 2;
    local_scope_init(&s, &c, command);
    assert_true(has_word(s.argv, "--user"));
    assert_true(has_word(s.argv, "--scope"));
    assert_true(has_word(s.argv, "MemoryMax=134217728"));
    assert_true(has_word(s.argv, "MemorySwapMax=0"));
    assert_true(has_word(s.argv, "TasksMax=51"));
    assert_true(has_word(s.argv, "CPUQuota=200%"));
    assert_true(has_word(s.argv, "OOMPolicy=continue"));
    size_t n = 0;
    while (s.argv[n] != NULL)
        n++;
    for (size_t i = 0; i < 5; i++) /* the command comes last, behind a "--" */
        assert_string_equal(s.argv[n - 5 + i], command[i]);
    assert_string_equal(s.argv[n - 6], "--");
    assert_string_equal(s.env[0], "XDG_RUNTIME_DIR=/run/user/7");
    assert_null(s.env[1]);
    local_scope_release(&s);
    assert_int_equal(local_scope_limits(NULL), 0); /* nothing was tried */
}

/* ---- control groups, on a tree of plain files ---- */

static void put(const char *dir, const char *name, const char *text)
{
    char *path = path_join(dir, name);
    assert_int_equal(path_write_file(path, text, strlen(text), NULL), 0);
    free(path);
}

static char *sub(const char *dir, const char *name)
{
    char *path = path_join(dir, name);
    assert_int_equal(mkdir(path, 0755), 0);
    return path;
}

static void remove_tree(const char *dir)
{
    char *command[] = { "rm", "-rf", "--", (char *)(uintptr_t)dir, NULL };
    pid_t pid = fork();
    if (pid == 0) {
        execv("/bin/rm", command);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void v1_place_is_found_per_controller(void **state)
{
    char *root = make_dir();
    struct cgroup_place place;
    (void)state;
    char *memory = sub(root, "memory"), *pids = sub(root, "pids"), *cpu = sub(root, "cpu,cpuacct");
    char *mine = sub(memory, "mine"), *unified = sub(root, "unified");
    cgroup_find(&place, root,
                "9:name=systemd:/\n8:pids:/\n4:memory:/mine\n2:cpu,cpuacct:/hidden/away\n0::/\n");
    assert_int_equal(place.version, 1);
    assert_string_equal(place.dir[CGROUP_MEMORY], mine);
    assert_string_equal(place.dir[CGROUP_PIDS], pids);
    assert_string_equal(place.dir[CGROUP_CPU], cpu); /* the path is another namespace's: the top */
    assert_string_equal(place.unified, unified);

    /* Plain directories have no limit files: it fails, and leaves nothing behind. */
    struct cgroup *group = NULL;
    struct cgroup_limits limits = { 1 << 20, 8, 1 };
    struct err e = ERR_INIT;
    assert_int_equal(cgroup_new(&group, &place, "airlock-1-1", &limits, &e), -1);
    assert_null(group);
    char *left = path_join(mine, "airlock-1-1");
    assert_int_equal(access(left, F_OK), -1);
    free(left);

    /* Sweeping takes what a dead program left, and nothing else. */
    char *stale = sub(pids, "airlock-4194999-3"), *other = sub(pids, "somebody-else");
    char name[64];
    snprintf(name, sizeof name, "airlock-%ld-1", (long)getpid());
    char *live = sub(pids, name);
    cgroup_sweep(&place);
    assert_int_equal(access(stale, F_OK), -1);
    assert_int_equal(access(other, F_OK), 0);
    assert_int_equal(access(live, F_OK), 0);

    cgroup_place_release(&place);
    char *all[] = { memory, pids, cpu, mine, unified, stale, other, live };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        free(all[i]);
    remove_tree(root);
    free(root);
}

static void v2_place_is_the_nearest_that_passes_on(void **state)
{
    char *root = make_dir();
    struct cgroup_place place;
    (void)state;
    put(root, "cgroup.controllers", "cpu memory pids\n");
    put(root, "cgroup.subtree_control", "cpu memory pids\n");
    char *user = sub(root, "user.slice"), *app = sub(user, "app.slice"),
         *mine = sub(app, "x.scope");
    put(user, "cgroup.subtree_control", "memory pids\n");
    put(app, "cgroup.subtree_control", "cpuset memory_recursiveprot\n");
    put(mine, "cgroup.subtree_control", "\n");
    cgroup_find(&place, root, "0::/user.slice/app.slice/x.scope\n");
    assert_int_equal(place.version, 2);
    assert_string_equal(place.dir[CGROUP_MEMORY], user);
    assert_string_equal(place.dir[CGROUP_PIDS], user);
    assert_null(place.dir[CGROUP_CPU]); /* not passed on there */
    cgroup_place_release(&place);

    put(root, "cgroup.subtree_control", "cpu\n");
    put(user, "cgroup.subtree_control", "\n");
    cgroup_find(&place, root, "0::/user.slice/app.slice/x.scope\n");
    assert_int_equal(place.version, 0);
    cgroup_place_release(&place);
    free(user);
    free(app);
    free(mine);
    remove_tree(root);
    free(root);
}

static void nowhere_is_no_error(void **state)
{
    struct cgroup_place place;
    struct cgroup *group;
    struct err e = ERR_INIT;
    struct cgroup_limits limits = { 1 << 20, 8, 1 };
    (void)state;
    cgroup_find(&place, "/nonexistent", "");
    assert_int_equal(place.version, 0);
    assert_int_equal(cgroup_new(&group, &place, "x", &limits, &e), -1);
    assert_int_equal(e.code, ERR_MISSING);
    cgroup_place_release(&place);
    assert_int_equal(cgroup_oom_kills(NULL), -1);
    assert_int_equal(cgroup_pids_refused(NULL), -1);
    assert_int_equal(cgroup_has(NULL), 0);
    assert_true(cgroup_remove(NULL));
    cgroup_kill(NULL);
    cgroup_free(NULL);
}

static void adopted_group_counts(void **state)
{
    char *root = make_dir();
    struct cgroup *group;
    struct err e = ERR_INIT;
    (void)state;
    char *scope = sub(root, "run-1.scope");
    put(scope, "cgroup.procs", "12\n");
    put(scope, "memory.max", "1048576\n");
    put(scope, "pids.max", "128\n");
    put(scope, "cpu.max", "max 100000\n");
    put(scope, "memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 0\n");
    put(scope, "pids.events", "max 5\n");
    put(scope, "memory.current", "4096\n");
    assert_int_equal(cgroup_adopt(&group, root, "/run-1.scope", &e), 0);
    assert_int_equal(cgroup_has(group), (1 << CGROUP_MEMORY) | (1 << CGROUP_PIDS));
    assert_int_equal(cgroup_oom_kills(group), 3);
    assert_int_equal(cgroup_pids_refused(group), 5);
    assert_int_equal(cgroup_memory_bytes(group), 4096);
    assert_true(cgroup_remove(group)); /* not ours: stays */
    assert_int_equal(access(scope, F_OK), 0);
    cgroup_free(group);
    assert_int_equal(cgroup_adopt(&group, root, "/absent.scope", &e), -1);
    free(scope);
    remove_tree(root);
    free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict_list_names_every_wall),
        cmocka_unit_test(root_is_closed_after_everything_else),
        cmocka_unit_test(tmpfs_have_sizes),
        cmocka_unit_test(data_files_carry_their_mode),
        cmocka_unit_test(open_network_brings_the_resolver),
        cmocka_unit_test(unmerged_system_directories_are_bound),
        cmocka_unit_test(hides_host_facts_that_exist),
        cmocka_unit_test(full_list_is_an_error),
        cmocka_unit_test(mount_rules),
        cmocka_unit_test(mounts_are_opened_without_links),
        cmocka_unit_test(private_directory_by_another_name),
        cmocka_unit_test(reasons_have_remedies),
        cmocka_unit_test(scope_carries_the_limits),
        cmocka_unit_test(v1_place_is_found_per_controller),
        cmocka_unit_test(v2_place_is_the_nearest_that_passes_on),
        cmocka_unit_test(nowhere_is_no_error),
        cmocka_unit_test(adopted_group_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
