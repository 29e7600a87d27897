/* test_doctor_host.c - what `airlock doctor` says of machines unlike this one: the files and calls
 * by which it looks at the machine are replaced in this program. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/commands.h"
#include "cli/doctor.h"

/* ---- the machine ---- */

static struct {
    const char *system, *release; /* uname; NULL: the real one */
    const char *max, *clone, *armor, *actions, *status,
        *packages; /* contents; NULL: no such file */
    bool no_userns;
    long long free_mib;
    int dumpable;
    rlim_t core;
} m;

static const char *fake_of(const char *path, bool *fake)
{
    *fake = true;
    if (strcmp(path, "/proc/sys/user/max_user_namespaces") == 0)
        return m.max;
    if (strcmp(path, "/proc/sys/kernel/unprivileged_userns_clone") == 0)
        return m.clone;
    if (strcmp(path, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 0)
        return m.armor;
    if (strcmp(path, "/proc/sys/kernel/seccomp/actions_avail") == 0)
        return m.actions;
    if (strcmp(path, "/proc/self/status") == 0)
        return m.status;
    if (strcmp(path, "/var/lib/dpkg/status") == 0)
        return m.packages;
    *fake = false;
    return NULL;
}

static int fake_file(const char *text)
{
    int fd = (int)syscall(SYS_memfd_create, "fake", 0);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return -1;
    lseek(fd, 0, SEEK_SET);
    return fd;
}

int open(const char *path, int flags, ...)
{
    bool fake;
    const char *text = fake_of(path, &fake);
    va_list ap;
    va_start(ap, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? (mode_t)va_arg(ap, unsigned) : 0;
    va_end(ap);
    if (!fake)
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    errno = ENOENT;
    return text != NULL ? fake_file(text) : -1;
}

int access(const char *path, int how)
{
    if (strcmp(path, "/proc/self/ns/user") == 0)
        return m.no_userns ? -1 : 0;
    return (int)syscall(SYS_access, path, how);
}

int uname(struct utsname *u)
{
    int rc = (int)syscall(SYS_uname, u);
    if (m.system != NULL)
        snprintf(u->sysname, sizeof u->sysname, "%s", m.system);
    if (m.release != NULL)
        snprintf(u->release, sizeof u->release, "%s", m.release);
    return rc;
}

int statvfs(const char *path, struct statvfs *st)
{
    (void)path;
    *st = (struct statvfs){ .f_frsize = 4096, .f_bavail = (fsblkcnt_t)m.free_mib * 256 };
    return m.free_mib < 0 ? -1 : 0;
}

/* These two are called before a sanitizer is there. */
#define EARLY __attribute__((no_sanitize("address"), no_sanitize("undefined")))

EARLY int prctl(int what, ...)
{
    va_list ap;
    unsigned long a[4];
    va_start(ap, what);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(ap, unsigned long);
    va_end(ap);
    return what == PR_GET_DUMPABLE ? m.dumpable
                                   : (int)syscall(SYS_prctl, what, a[0], a[1], a[2], a[3]);
}

EARLY int getrlimit(__rlimit_resource_t what, struct rlimit *out)
{
    if (what != RLIMIT_CORE)
        return (int)syscall(SYS_getrlimit, what, out);
    *out = (struct rlimit){ .rlim_cur = 0, .rlim_max = m.core };
    return 0;
}

/* ---- what is said ---- */

static struct app app;
static char dir[200], said[65536];

static int make_dir(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/airlock-doctor-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL)
        return -1;
    setlocale(LC_ALL, "C.UTF-8");
    umask(077);
    app = (struct app){ .opt.json = true };
    app.paths.config_file = xasprintf("%s/config.ini", dir);
    app.paths.data_dir = xasprintf("%s/data", dir);
    app.paths.sessions_dir = xasprintf("%s/data/sessions", dir);
    app.paths.state_dir = xasprintf("%s/state", dir);
    app.paths.runtime_dir = xasprintf("%s/run", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    const char *const dirs[] = { app.paths.sessions_dir, app.paths.data_dir, app.paths.state_dir,
                                 app.paths.runtime_dir, dir };
    unlink(app.paths.config_file);
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        rc = rmdir(dirs[i]);
    paths_release(&app.paths);
    return rc;
}

static void healthy(void)
{
    memset(&m, 0, sizeof m);
    m.max = "15000\n";
    m.actions = "kill_process kill_thread trap errno user_notif trace log allow\n";
    m.status = "Name:\tairlock\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";
    m.free_mib = 64;
}

/* What `check` prints, into `said`; its value. */
static bool hear(bool (*check)(struct app *))
{
    fflush(stdout);
    int kept = dup(STDOUT_FILENO), fd = (int)syscall(SYS_memfd_create, "said", 0);
    assert_true(kept >= 0 && fd >= 0);
    dup2(fd, STDOUT_FILENO);
    bool ok = check(&app);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    ssize_t n = pread(fd, said, sizeof said - 1, 0);
    close(fd);
    assert_true(n > 0);
    said[n] = '\0';
    return ok;
}

/* The line about `what` holds `words`. */
static void expect(const char *what, const char *words)
{
    char key[100];
    snprintf(key, sizeof key, "\"check\":\"%s\"", what);
    const char *at = strstr(said, key);
    if (at == NULL)
        fail_msg("nothing of %s in %s", what, said);
    char *line = xstrndup(at, strcspn(at, "\n"));
    if (strstr(line, words) == NULL)
        fail_msg("no '%s' in %s", words, line);
    free(line);
}

static void test_a_healthy_kernel(void **state)
{
    (void)state;
    healthy();
    assert_true(hear(doctor_check_kernel));
    expect("userns", "max_user_namespaces 15000\"");
    expect("userns", "\"PASS\"");
    expect("seccomp", "kill_process kill_thread");
    m.clone = "1\n";
    m.armor = "1\n";
    m.max = NULL;
    assert_true(hear(doctor_check_kernel));
    expect("userns",
           "max_user_namespaces not set, unprivileged_userns_clone 1, apparmor_restrict 1");
}

static void test_kernels_that_do_not_do(void **state)
{
    (void)state;
    static const struct {
        const char *what, *system, *release, *max, *clone, *actions;
        bool no_userns;
        const char *detail, *fix;
    } cases[] = {
        { "kernel", "Linux", "5.10.0-9", NULL, NULL, NULL, false, "Linux 5.10.0-9",
          "Linux 5.11 or newer" },
        { "kernel", "FreeBSD", "14.1", NULL, NULL, NULL, false, "FreeBSD 14.1",
          "Linux 5.11 or newer" },
        { "userns", NULL, NULL, "0\n", NULL, NULL, false, "max_user_namespaces 0",
          "sysctl -w user.max_user_namespaces=15000 (as root)" },
        { "userns", NULL, NULL, "9\n", "0\n", NULL, false, "unprivileged_userns_clone 0",
          "sysctl -w kernel.unprivileged_userns_clone=1 (as root)" },
        { "userns", NULL, NULL, NULL, NULL, NULL, true, "max_user_namespaces 15000",
          "a kernel with CONFIG_USER_NS" },
        { "seccomp", NULL, NULL, NULL, NULL, "trap errno allow", false, "not offered",
          "CONFIG_SECCOMP_FILTER" },
        { "seccomp", NULL, NULL, NULL, NULL, "kill_process trap", false, "not offered",
          "CONFIG_SECCOMP_FILTER" },
        { "seccomp", NULL, NULL, NULL, NULL, "", false, "not offered", "CONFIG_SECCOMP_FILTER" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        healthy();
        m.system = cases[i].system;
        m.release = cases[i].release;
        m.max = cases[i].max != NULL ? cases[i].max : m.max;
        m.clone = cases[i].clone;
        m.actions = cases[i].actions != NULL ? cases[i].actions : m.actions;
        m.no_userns = cases[i].no_userns;
        assert_false(hear(doctor_check_kernel));
        expect(cases[i].what, "\"FAIL\"");
        expect(cases[i].what, cases[i].detail);
        expect(cases[i].what, cases[i].fix);
    }
    healthy();
    m.actions = NULL;
    assert_false(hear(doctor_check_kernel));
    expect("seccomp", "not offered");
}

static void test_terminals(void **state)
{
    (void)state;
    static const struct {
        const char *term, *locale, *terminal_says, *locale_says;
    } cases[] = {
        { "xterm", "C.UTF-8", "TERM=xterm\"", "\"UTF-8\"" },
        { "dumb", "C.UTF-8", "TERM=dumb: lines instead of a screen", "\"UTF-8\"" },
        { NULL, "C", "TERM=(unset): lines instead of a screen",
          "other characters are shown as <U+XXXX>" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        healthy();
        if (cases[i].term != NULL)
            setenv("TERM", cases[i].term, 1);
        else
            unsetenv("TERM");
        setlocale(LC_ALL, cases[i].locale);
        assert_true(hear(doctor_check_place)); /* neither is needed */
        expect("terminal", cases[i].terminal_says);
        expect("locale", cases[i].locale_says);
    }
    setlocale(LC_ALL, "C.UTF-8");
}

static void test_directories(void **state)
{
    (void)state;
    healthy();
    assert_true(hear(doctor_check_place));
    expect("config", "(none; the defaults hold)");
    expect("data", "data/sessions, mode 0700");
    expect("space", "64 MiB free for sessions");
    m.free_mib = 63;
    assert_false(hear(doctor_check_place));
    expect("space", "63 MiB free for sessions");
    expect("space", "airlock sessions purge");
    m.free_mib = -1; /* can't be told: the directory's own line says it */
    assert_true(hear(doctor_check_place));
    assert_null(strstr(said, "\"space\""));
    m.free_mib = 1000;

    int fd = open(app.paths.config_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_true(hear(doctor_check_place));
    expect("config", "config.ini, mode 0600");
    assert_int_equal(fchmod(fd, 0640), 0);
    close(fd);
    assert_false(hear(doctor_check_place));
    expect("config", "mode 0640");
    expect("config", "chmod 600 '");
    unlink(app.paths.config_file);

    static const struct {
        const char *what;
        bool needed;
    } places[] = { { "data", true }, { "state", true }, { "runtime", false } };
    const char *const dirs[] = { app.paths.sessions_dir, app.paths.state_dir,
                                 app.paths.runtime_dir };
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        assert_int_equal(chmod(dirs[i], 0777), 0);
        assert_int_equal(hear(doctor_check_place), !places[i].needed);
        expect(places[i].what, "others may write to the directory");
        expect(places[i].what, "chmod 700 '");
        assert_int_equal(chmod(dirs[i], 0700), 0);
    }
}

/* Of bubblewrap the package's number is all there is. */
static void test_packages(void **state)
{
    (void)state;
    static const struct {
        const char *packages;
        bool ok;
        const char *says;
    } cases[] = {
        { "\nPackage: bubblewrap\nStatus: ok\nVersion: 0.8.0-2\n\n", true,
          "0.8.0 (Debian 0.8.0-2)\"" },
        { "\nPackage: bubblewrap\nVersion: 1:0.9.1+x-2\n\n", true, "0.9.1 (Debian 1:0.9.1+x-2)" },
        { "\nPackage: bubblewrap\nVersion: 0.7.9-1\n\nPackage: z\nVersion: 9\n\n", false,
          "no --disable-userns" },
        { "\nPackage: bubblewrap\nVersion: 0.4.0-1\n", false, "CVE-2020-5291" },
        { "\nPackage: bubblewrap\nStatus: half\n\nPackage: z\nVersion: 0.1\n\n", true,
          "\"not known\"" },
        { "\nPackage: bubblewrap-x\nVersion: 0.1\n\n", true, "\"not known\"" },
        { "", true, "\"not known\"" },
        { NULL, true, "\"not known\"" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        healthy();
        m.packages = cases[i].packages;
        (void)hear(doctor_check_libraries); /* of the others this machine has what it has */
        expect("bubblewrap", cases[i].says);
        expect("bubblewrap", cases[i].ok ? "PASS" : "apt-get install --only-upgrade bubblewrap");
    }
}

static void test_own_walls(void **state)
{
    (void)state;
    static const struct {
        const char *status;
        int dumpable;
        rlim_t core;
        mode_t mask;
        bool ok;
        const char *says;
    } cases[] = {
        { "\nNoNewPrivs:\t1\nSeccomp:\t2\n", 0, 0, 077, true,
          "no core files, no ptrace by others, no_new_privs on, system call filter on, umask 077" },
        { "\nNoNewPrivs:\t0\nSeccomp:\t2\n", 0, 0, 077, false, "no_new_privs off" },
        { "\nNoNewPrivs:\t1\nSeccomp:\t0\n", 0, 0, 077, false, "system call filter off" },
        { "\nName:\tx\n", 0, 0, 077, false, "no_new_privs off, system call filter off" },
        { NULL, 0, 0, 077, false, "no_new_privs off, system call filter off" },
        { "\nNoNewPrivs:\t1\nSeccomp:\t2\n", 1, 0, 077, false, "could be dumped or traced" },
        { "\nNoNewPrivs:\t1\nSeccomp:\t2\n", 0, 1, 077, false, "could be dumped or traced" },
        { "\nNoNewPrivs:\t1\nSeccomp:\t2\n", 0, 0, 022, false, "umask 022" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        healthy();
        m.status = cases[i].status;
        m.dumpable = cases[i].dumpable;
        m.core = cases[i].core;
        umask(cases[i].mask);
        assert_int_equal(hear(doctor_check_self), cases[i].ok);
        expect("own walls", cases[i].says);
        expect("own walls", cases[i].ok ? "\"PASS\"" : "outside of a debugger");
    }
    umask(077);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_healthy_kernel), cmocka_unit_test(test_kernels_that_do_not_do),
        cmocka_unit_test(test_terminals),        cmocka_unit_test(test_directories),
        cmocka_unit_test(test_packages),         cmocka_unit_test(test_own_walls),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
