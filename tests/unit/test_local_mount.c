/* test_local_mount.c - what of this machine a mount may show: a directory that can't be searched
 * for sockets to its end is refused, as is what is private by another name. */
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/path.h"
#include "providers/sandboxes/local_mount.h"

/* ---- file systems of their own kind; found by the linker before the C library's ---- */

static enum { PLAIN, NO_TYPES, VANISHES, BREAKS, ENDLESS, UNREADABLE } kind;
static unsigned entries;

/* Only for the directory of these tests: names as they are told. */
struct dirent *readdir(DIR *dir)
{
    static struct dirent one;
    static const char *const names[] = { ".", "..", "file", "socket" };
    unsigned n = entries++;
    (void)dir;
    if (kind == BREAKS && n == 3) {
        errno = EIO;
        return NULL;
    }
    if (kind == ENDLESS) {
        snprintf(one.d_name, sizeof one.d_name, "f%u", n);
        one.d_type = DT_REG;
        return n < 10000000 ? &one : NULL;
    }
    if (n >= 4)
        return NULL;
    snprintf(one.d_name, sizeof one.d_name, "%s",
             kind == VANISHES && n == 2 ? "no longer there" : names[n]);
    one.d_type = kind == NO_TYPES || kind == VANISHES ? DT_UNKNOWN : n == 3 ? DT_SOCK : DT_REG;
    if (kind == BREAKS)
        one.d_type = DT_REG;
    return &one;
}

int openat(int at, const char *name, int flags, ...)
{
    if (kind == UNREADABLE && strcmp(name, ".") == 0) {
        errno = EACCES;
        return -1;
    }
    return (int)syscall(SYS_openat, at, name, flags, 0600);
}

static char dir[64];

static void make_world(bool with_socket)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    snprintf(dir, sizeof dir, "/tmp/airlock-mount-XXXXXX");
    assert_non_null(mkdtemp(dir));
    char *file = path_join(dir, "file"), *other = path_join(dir, "socket");
    for (int i = 0; i < (with_socket ? 1 : 2); i++) {
        int fd = open(i == 0 ? file : other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    if (with_socket) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        snprintf(at.sun_path, sizeof at.sun_path, "%s", other);
        assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
        close(fd);
    }
    free(file);
    free(other);
}

static void remove_world(void)
{
    char *file = path_join(dir, "file"), *other = path_join(dir, "socket");
    unlink(file);
    unlink(other);
    assert_int_equal(rmdir(dir), 0);
    free(file);
    free(other);
}

static void what_can_not_be_searched_is_refused(void **state)
{
    static const struct {
        int kind;
        bool socket;
        const char *says; /* NULL: it may be mounted */
    } rows[] = {
        { PLAIN, true, "there is a socket in it" },
        { NO_TYPES, true, "there is a socket in it" },
        { NO_TYPES, false, NULL },
        { VANISHES, false, "there is a socket in it" }, /* nobody knows what it was */
        { BREAKS, false, "can't be seen" },
        { ENDLESS, false, "can't be seen" },
        { UNREADABLE, false, "can't be seen" },
    };
    static const struct local_private nobody;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = ERR_INIT;
        int fd = -1;
        make_world(rows[i].socket);
        kind = rows[i].kind;
        entries = 0;
        int rc = local_mount_open(dir, &nobody, &fd, &e);
        kind = PLAIN;
        if ((rc == 0) != (rows[i].says == NULL) ||
            (rc < 0 && (e.code != ERR_DENIED || strstr(e.msg, rows[i].says) == NULL)))
            fail_msg("row %zu: %d: %s", i, rc, e.msg);
        if (rc == 0)
            close(fd);
        remove_world();
    }
}

static void what_is_private_by_another_name(void **state)
{
    static const char *const names[] = { "/proc/self/root", "/proc/self/cwd/" };
    struct err e = ERR_INIT;
    char *link = NULL;
    int fd = -1;
    (void)state;
    make_world(false);
    link = xasprintf("%s-home", dir);
    assert_int_equal(symlink(dir, link), 0);
    struct local_private own = { .home = link };
    assert_int_equal(local_mount_open(dir, &own, &fd, &e), -1); /* the home itself */
    assert_non_null(strstr(e.msg, "by another name"));
    unlink(link);
    free(link);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(local_mount_open(names[i], &own, &fd, &e), -1);
    remove_world();
}

static void words_of_paths(void **state)
{
    static char large[5000] = "/";
    static const struct {
        const char *path, *home, *own;
        const char *says; /* NULL: fine */
    } rows[] = {
        { "/data", "/home/u", NULL, NULL },
        { "/home/u/data", "/home/u", NULL, NULL },
        { "/home/u/data", "/home/u/", NULL, NULL },
        { "/home/u", "/home/u/", NULL, "whole home directory" },
        { "/home/u", "/home/u", NULL, "whole home directory" },
        { "/home/u/.x", "/home/u", NULL, "dot files" },
        { "/home/u/.x", "/home/u/", NULL, "dot files" },
        { "/home/us/.x", "/home/u", NULL, NULL },
        { "/data/.x", "/", NULL, NULL }, /* no home to speak of */
        { "/data/.x", "relative", NULL, NULL },
        { "/data/.ssh", NULL, NULL, "keys or passwords" },
        { "/data/x.ssh", NULL, NULL, NULL },
        { "/data/.sshx", NULL, NULL, NULL },
        { "/data/.ssh.d/.ssh/x", NULL, NULL, "keys or passwords" },
        { "/srv/own/x", NULL, "/srv/own/", "Airlock's own files" },
        { "/srv", NULL, "/srv/own", "Airlock's own files" },
        { "/srv/owner", NULL, "/srv/own", NULL },
        { "/", NULL, NULL, "whole machine" },
        { "/tmp", NULL, NULL, "other programs' files" },
        { "/var/tmp", NULL, NULL, "other programs' files" },
        { "/home", NULL, NULL, "other people's files" },
        { "/var", NULL, NULL, "other people's files" },
        { "/root", NULL, NULL, "other people's files" },
        { "/data/\x7f", NULL, NULL, "give the full path" },
        { large, NULL, NULL, "give the full path" },
    };
    (void)state;
    memset(large + 1, 'a', sizeof large - 2);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct local_private own = { .home = rows[i].home, .dirs = { NULL, rows[i].own } };
        struct err e = ERR_INIT;
        int rc = local_mount_check_path(rows[i].path, &own, &e);
        if ((rc == 0) != (rows[i].says == NULL) ||
            (rc < 0 && strlen(rows[i].path) < 100 && strstr(e.msg, rows[i].says) == NULL))
            fail_msg("row %zu: %d: %s", i, rc, e.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_not_be_searched_is_refused),
        cmocka_unit_test(what_is_private_by_another_name),
        cmocka_unit_test(words_of_paths),
    };
    return cmocka_run_group_tests_name("local mount", tests, NULL, NULL);
}
