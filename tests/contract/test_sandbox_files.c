/* test_sandbox_files.c - how files get in and out of every sandbox, and what a hostile one can't
 * make of it: links, pipes, devices, names. Mounts of the host, where there are any. */
#include <errno.h>
#include <fcntl.h>

#include "contract/box.h"

#define MIB (1u << 20)

static void put(struct box *b, const char *name, const char *ptr, size_t len)
{
    char *copy = xstrdup(name), *bytes = xmemdup(ptr, len);
    struct sandbox_file f = { .name = copy, .mode = 0640, .ptr = bytes, .len = len };
    struct err e = ERR_INIT;
    int before = b->file_done;
    b->file_err.code = ERR_NONE;
    if (box_call(b, box_world.ops->put(b->s, &f, &e)) < 0)
        b->file_err = e;
    else
        box_wait(b, file_done, before + 1);
    free(copy);
    free(bytes);
}

static void get(struct box *b, const char *path, size_t max)
{
    struct err e = ERR_INIT;
    int before = b->file_done;
    b->file_err.code = ERR_NONE;
    buf_reset(&b->file);
    if (box_call(b, box_world.ops->get(b->s, path, max, &e)) < 0)
        b->file_err = e;
    else
        box_wait(b, file_done, before + 1);
}

static void assert_got(const struct box *b, const char *wanted)
{
    if (b->file_err.code != ERR_NONE)
        fail_msg("%s", b->file_err.msg);
    assert_int_equal(b->file.len, strlen(wanted));
    assert_memory_equal(b->file.ptr, wanted, strlen(wanted));
}

static void assert_refused(const struct box *b, const char *what)
{
    if (b->file_err.code == ERR_NONE)
        fail_msg("%s was let through: %zu bytes", what, b->file.len);
    assert_int_equal(b->file.len, 0);
}

static void file_goes_in(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_FILES);
    struct box *b = box_open_default();
    (void)state;
    put(b, "in/deep/data.bin", "a\0b\xff", 4);
    assert_int_equal(b->file_err.code, ERR_NONE);
    box_run(b, "import os\np = '/workspace/in/deep/data.bin'\n"
               "print(open(p, 'rb').read(), oct(os.stat(p).st_mode & 0o777))");
    assert_exit(b, 0);
    assert_out(b, "b'a\\x00b\\xff' 0o640\n");
    put(b, "in/deep/data.bin", "new", 3); /* overwrites */
    box_run(b, "print(open(p).read())");
    assert_out(b, "new\n");
    box_free(b);
}

static void file_comes_out(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_FILES);
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import os\nos.makedirs('out')\nopen('out/r.txt', 'w').write('result')\n"
               "open('empty', 'w').close()");
    get(b, "out/r.txt", MIB);
    assert_got(b, "result");
    get(b, "empty", MIB);
    assert_got(b, "");
    get(b, "absent", MIB);
    assert_refused(b, "an absent file");
    get(b, "out", MIB);
    assert_refused(b, "a directory");
    box_free(b);
}

static void big_file_goes_in_and_out(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_FILES);
    struct box *b = box_open_default();
    size_t len = 24 * MIB;
    char *bytes = xmalloc(len);
    (void)state;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    put(b, "big", bytes, len);
    assert_int_equal(b->file_err.code, ERR_NONE);
    get(b, "big", len);
    assert_int_equal(b->file_err.code, ERR_NONE);
    assert_int_equal(b->file.len, len);
    assert_memory_equal(b->file.ptr, bytes, len);
    get(b, "big", len - 1);
    assert_refused(b, "more than asked for");
    free(bytes);
    box_free(b);
}

static void sparse_file_is_measured_before_it_comes(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_FILES);
    struct contract c = box_contract();
    c.disk_mib = 8192;
    struct box *b = box_open(&c);
    (void)state;
    box_run(b, "f = open('sparse', 'wb'); f.truncate(4 << 30); f.close()");
    get(b, "sparse", MIB);
    assert_refused(b, "4 GiB of nothing");
    box_free(b);
}

static void names_stay_inside(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_FILES);
    struct box *b = box_open_default();
    static const char *const names[] = {
        "../etc/passwd", "a/../../etc/passwd", "/etc/passwd", "..", "", "/", "a/..", "."
    };
    (void)state;
    box_run(b, "import os\nos.makedirs('a', exist_ok=True)");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        put(b, names[i], "x", 1);
        assert_refused(b, names[i]);
        get(b, names[i], MIB);
        assert_refused(b, names[i]);
    }
    box_free(b);
}

static void links_are_not_followed_out(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_FILES);
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import os\n"
               "os.symlink('/etc/passwd', 'file')\nos.symlink('/etc', 'dir')\n"
               "os.symlink('/proc/self/environ', 'magic')\nos.symlink('/proc/1/root/etc', 'root')\n"
               "os.symlink('/tmp/target', 'newfile')");
    static const char *const out[] = { "file", "dir/passwd", "magic", "root/passwd" };
    for (size_t i = 0; i < ARRAY_LEN(out); i++) {
        get(b, out[i], MIB);
        assert_refused(b, out[i]);
    }
    put(b, "dir/x", "x", 1);
    assert_refused(b, "a put through a link");
    put(b, "newfile", "x", 1); /* either refused, or it replaced the link itself */
    box_run(b, "print(os.path.exists('/tmp/target'))");
    assert_out(b, "False\n");
    box_free(b);
}

static void traps_do_not_hang(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_FILES);
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import os, socket\nos.mkfifo('fifo')\n"
               "s = socket.socket(socket.AF_UNIX); s.bind('sock')\n"
               "os.symlink('/dev/zero', 'zero')\nos.symlink('/dev/null', 'null')");
    static const char *const traps[] = { "fifo", "sock", "zero", "null" };
    for (size_t i = 0; i < ARRAY_LEN(traps); i++) {
        get(b, traps[i], MIB);
        assert_refused(b, traps[i]);
    }
    put(b, "fifo", "x", 1); /* must answer, whatever it does */
    box_run(b, "print('alive')");
    assert_out(b, "alive\n");
    box_free(b);
}

static void full_disk_is_told(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_FILES);
    BOX_NEEDS_KEPT(FIELD_DISK);
    struct contract c = box_contract();
    c.disk_mib = 2;
    struct box *b = box_open(&c);
    char *bytes = xcalloc(1, 4 * MIB);
    (void)state;
    put(b, "too-big", bytes, 4 * MIB);
    assert_refused(b, "4 MiB on a disk of 2");
    box_run(b, "import os\nif os.path.exists('too-big'): os.remove('too-big')");
    put(b, "fits", "x", 1);
    assert_int_equal(b->file_err.code, ERR_NONE);
    free(bytes);
    box_free(b);
}

/* ---- mounts of the host ---- */

struct host_dir {
    char path[128];
};

/* A directory of our own outside /tmp's deny list, with a file in it. */
static struct host_dir host_dir_new(mode_t mode)
{
    struct host_dir d;
    char *real = realpath(box_home, NULL);
    assert_non_null(real);
    snprintf(d.path, sizeof d.path, "%s/shared-XXXXXX", real);
    free(real);
    assert_non_null(mkdtemp(d.path));
    char *file = xasprintf("%s/data.txt", d.path);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, mode & 0666);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "from the host", 13), 13);
    close(fd);
    free(file);
    assert_int_equal(chmod(d.path, mode), 0);
    return d;
}

static void host_dir_free(struct host_dir *d)
{
    static const char *const names[] = { "data.txt", "made.txt" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *file = xasprintf("%s/%s", d->path, names[i]);
        unlink(file);
        free(file);
    }
    assert_int_equal(rmdir(d->path), 0);
}

static bool can_mount(void)
{
    struct contract c = box_contract();
    struct contract_enforcement how;
    char path[] = "/srv/x";
    c.mounts[0].path = path;
    c.mount_count = 1;
    box_world.ops->enforcement(&c, &how);
    return how.field[FIELD_FILES].how == ENFORCED;
}

#define NEEDS_MOUNTS()                                                                             \
    do {                                                                                           \
        BOX_NEEDS();                                                                               \
        if (!can_mount()) {                                                                        \
            fprintf(stderr, "SKIP: %s mounts nothing\n", box_world.ops->name);                     \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

static void read_only_mount(void **state)
{
    NEEDS_MOUNTS();
    struct host_dir d = host_dir_new(0700); /* as root: another uid could not walk here */
    struct contract c = box_contract();
    c.mounts[0] = (struct contract_mount){ .path = d.path, .writable = false };
    c.mount_count = 1;
    struct box *b = box_open(&c);
    (void)state;
    char *code = xasprintf("import os, errno\np = '%s'\nprint(open(p + '/data.txt').read())\n"
                           "for f in 'data.txt', 'made.txt':\n"
                           "    try: open(p + '/' + f, 'w'); print('written')\n"
                           "    except OSError as e: print(errno.errorcode[e.errno])\n"
                           "print(os.path.exists(os.path.dirname(p) + '/.'))",
                           d.path);
    box_run(b, code);
    assert_exit(b, 0);
    assert_out(b, "from the host\nEROFS\nEROFS\nTrue\n");
    free(code);
    box_free(b);
    host_dir_free(&d);
}

static void writable_mount(void **state)
{
    NEEDS_MOUNTS();
    struct host_dir d = host_dir_new(0700);
    struct contract c = box_contract();
    c.mounts[0] = (struct contract_mount){ .path = d.path, .writable = true };
    c.mount_count = 1;
    struct box *b = box_new();
    struct err e = ERR_INIT;
    (void)state;
    if (box_open_with(b, &c, NULL, false, &e) < 0) {
        /* Only as root on a file system without idmapped mounts; the words must help then. */
        assert_int_equal(geteuid(), 0);
        assert_int_equal(e.code, ERR_DENIED);
        assert_non_null(strstr(e.msg, ":put"));
        fprintf(stderr, "SKIP: no idmapped mounts here: %s\n", e.msg);
        box_free(b);
        host_dir_free(&d);
        skip();
    }
    char *code = xasprintf("open('%s/made.txt', 'w').write('from inside')", d.path);
    box_run(b, code);
    assert_exit(b, 0);
    char *made = xasprintf("%s/made.txt", d.path), text[32] = "";
    struct stat st;
    assert_int_equal(stat(made, &st), 0);
    assert_int_equal(st.st_uid, geteuid()); /* the person's own file, not a stranger's */
    int fd = open(made, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, text, sizeof text), 11);
    assert_string_equal(text, "from inside");
    close(fd);
    free(made);
    free(code);
    box_free(b);
    host_dir_free(&d);
}

static void mounted_directory_leaks_no_descriptor(void **state)
{
    NEEDS_MOUNTS();
    struct host_dir d = host_dir_new(0755);
    struct contract c = box_contract();
    c.mounts[0] = (struct contract_mount){ .path = d.path, .writable = false };
    c.mount_count = 1;
    struct box *b = box_open(&c);
    (void)state;
    box_run(b,
            "import os\n"
            "for p in 'self', '1':\n"
            "    try: names = os.listdir(f'/proc/{p}/fd')\n"
            "    except OSError: continue\n"
            "    for n in names:\n"
            "        try: t = os.readlink(f'/proc/{p}/fd/{n}')\n"
            "        except OSError: continue\n"
            "        if t.startswith('/') and not t.startswith(('/proc', '/dev/null', '/memfd')):\n"
            "            print(p, n, t)");
    assert_exit(b, 0);
    assert_out(b, "");
    box_free(b);
    host_dir_free(&d);
}

static void one_file_can_be_mounted(void **state)
{
    NEEDS_MOUNTS();
    struct host_dir d = host_dir_new(0755);
    char *file = xasprintf("%s/data.txt", d.path);
    struct contract c = box_contract();
    c.mounts[0] = (struct contract_mount){ .path = file, .writable = false };
    c.mount_count = 1;
    struct box *b = box_open(&c);
    (void)state;
    char *code = xasprintf("import os\nprint(open('%s').read(), os.listdir('%s'))", file, d.path);
    box_run(b, code);
    assert_exit(b, 0);
    assert_out(b, "from the host ['data.txt']\n");
    free(code);
    box_free(b);
    free(file);
    host_dir_free(&d);
}

static void private_places_are_not_mounted(void **state)
{
    NEEDS_MOUNTS();
    char *home = realpath(box_home, NULL);
    char *ssh = xasprintf("%s/.ssh", home);
    char root[] = "/", proc[] = "/proc", etc[] = "/etc", run[] = "/run";
    char *const paths[] = { home, ssh, root, proc, etc, run };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct contract c = box_contract();
        struct box *b = box_new();
        struct err e = ERR_INIT;
        c.mounts[0] = (struct contract_mount){ .path = paths[i], .writable = false };
        c.mount_count = 1;
        if (box_open_with(b, &c, NULL, true, &e) == 0)
            fail_msg("%s was mounted", paths[i]);
        assert_int_equal(e.code, ERR_DENIED);
        box_free(b);
    }
    free(ssh);
    free(home);
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(file_goes_in),
    BOX_TEST(file_comes_out),
    BOX_TEST(big_file_goes_in_and_out),
    BOX_TEST(sparse_file_is_measured_before_it_comes),
    BOX_TEST(names_stay_inside),
    BOX_TEST(links_are_not_followed_out),
    BOX_TEST(traps_do_not_hang),
    BOX_TEST(full_disk_is_told),
    BOX_TEST(read_only_mount),
    BOX_TEST(writable_mount),
    BOX_TEST(mounted_directory_leaks_no_descriptor),
    BOX_TEST(one_file_can_be_mounted),
    BOX_TEST(private_places_are_not_mounted),
};

BOX_GROUP(tests)
