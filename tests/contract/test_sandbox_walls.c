/* test_sandbox_walls.c - what code inside must not be able to see, reach, or change. The
 * negative side of the contract, tried from inside by the same path as any code. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "contract/box.h"

/* ---- what it is ---- */

static void has_no_powers(void **state)
{
    BOX_NEEDS_LOCAL();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "for line in open('/proc/self/status'):\n"
               "    if line.startswith(('Cap', 'NoNewPrivs', 'Seccomp:')): print(line.split()[1])\n"
               "import os\nprint(os.getuid() != 0, os.geteuid() != 0)");
    assert_exit(b, 0);
    static const char none[] = "0000000000000000\n";
    const char *at = buf_str(&b->out);
    for (int i = 0; i < 5; i++, at += strlen(none))
        assert_int_equal(strncmp(at, none, strlen(none)), 0);
    assert_string_equal(at, "1\n2\nTrue True\n");
    box_free(b);
}

static void namespaces_are_its_own(void **state)
{
    BOX_NEEDS_LOCAL();
    static const char *const names[] = { "user", "pid", "net", "mnt", "ipc", "uts", "cgroup" };
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import os\n"
               "for n in 'user pid net mnt ipc uts cgroup'.split():\n"
               "    print(os.readlink('/proc/self/ns/' + n))");
    assert_exit(b, 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[64], ours[64] = "";
        snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
        assert_true(readlink(path, ours, sizeof ours - 1) > 0);
        if (strstr(buf_str(&b->out), ours) != NULL)
            fail_msg("it shares our namespace %s", ours);
    }
    box_free(b);
}

static void sees_only_its_own_processes(void **state)
{
    BOX_NEEDS_LOCAL();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import os\npids = sorted(int(p) for p in os.listdir('/proc') if p.isdigit())\n"
               "print(pids[0], len(pids) < 12)\n"
               "print(open('/proc/1/cmdline').read().replace('\\0', ' ').strip())");
    assert_exit(b, 0);
    assert_int_equal(strncmp(buf_str(&b->out), "1 True\n", 7), 0);
    assert_null(strstr(buf_str(&b->out), "--ro-bind")); /* no argument list to read */
    box_free(b);
}

static void cannot_make_namespaces(void **state)
{
    BOX_NEEDS_LOCAL();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import ctypes, errno\nlibc = ctypes.CDLL(None, use_errno=True)\n"
               "for flag in 0x10000000, 0x00020000, 0x40000000, 0x20000000:\n"
               "    print(libc.unshare(flag), errno.errorcode[ctypes.get_errno()])\n"
               "print(libc.ptrace(0, 0, 0, 0), errno.errorcode[ctypes.get_errno()])");
    assert_exit(b, 0);
    assert_out(b, "-1 EPERM\n-1 EPERM\n-1 EPERM\n-1 EPERM\n-1 EPERM\n");
    box_free(b);
}

static void has_no_terminal(void **state)
{
    BOX_NEEDS_LOCAL();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import os, sys, errno, fcntl, termios\n"
               "try: open('/dev/tty'); print('a terminal')\n"
               "except OSError as e: print(errno.errorcode[e.errno])\n"
               "print(any(os.isatty(fd) for fd in range(3)))\n"
               "m, s = os.openpty()\n"
               "try: fcntl.ioctl(s, termios.TIOCSTI, b'x'); print('typed')\n"
               "except OSError as e: print(errno.errorcode[e.errno])");
    assert_exit(b, 0);
    assert_out(b, "ENXIO\nFalse\nEPERM\n");
    box_free(b);
}

static void inherits_no_descriptor(void **state)
{
    BOX_NEEDS_LOCAL();
    int canary = open("/proc/self/status", O_RDONLY); /* not close-on-exec, on purpose */
    int high = fcntl(canary, F_DUPFD, 200);
    struct box *b = box_open_default();
    (void)state;
    box_run(
        b, "import os\n"
           "for p in ('self', '1'):\n"
           "    try: names = os.listdir(f'/proc/{p}/fd')\n"
           "    except OSError: continue\n"
           "    for n in names:\n"
           "        try: t = os.readlink(f'/proc/{p}/fd/{n}')\n"
           "        except OSError: continue\n"
           "        ok = t.startswith(('pipe:', 'socket:', 'anon_inode:', '/memfd:', '/dev/null',\n"
           "                           f'/proc/', '/dev/pts'))\n"
           "        if not ok: print(p, n, t)\n"
           "print('looked')");
    assert_exit(b, 0);
    assert_out(b, "looked\n");
    close(canary);
    close(high);
    box_free(b);
}

/* ---- files of the host ---- */

static void canaries_are_not_seen(void **state)
{
    BOX_NEEDS_LOCAL();
    char home[128], tmp[] = "/tmp/airlock-canary-XXXXXX", secret[] = "canary-5c1b";
    (void)state;
    snprintf(home, sizeof home, "%s/canary", box_home);
    int fd = open(home, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, secret, strlen(secret)), (ssize_t)strlen(secret));
    close(fd);
    fd = mkstemp(tmp);
    assert_int_equal(write(fd, secret, strlen(secret)), (ssize_t)strlen(secret));
    fchmod(fd, 0644);
    close(fd);
    struct box *b = box_open_default();
    char *code =
        xasprintf("import os, glob\n"
                  "paths = ['%s', '%s', '/etc/shadow', '/etc/hostname', '/root', '/home', '/var', "
                  "'/run', '/sys']\n"
                  "roots = ['', '/proc/1/root', '/proc/self/root', '/proc/1/cwd/..', "
                  "'/workspace/..', '/proc/1/root/..']\n"
                  "for p in paths:\n"
                  "    for r in roots:\n"
                  "        try: print('seen', r + p, os.listdir(r + p) if os.path.isdir(r + p) "
                  "else open(r + p).read())\n"
                  "        except OSError: pass\n"
                  "print('canary' in ' '.join(os.environ.values()), sorted(os.listdir('/')))",
                  home, tmp);
    box_run(b, code);
    assert_exit(b, 0);
    assert_null(strstr(buf_str(&b->out), "seen"));
    assert_null(strstr(buf_str(&b->out), secret));
    assert_null(strstr(buf_str(&b->out), "home"));
    assert_int_equal(strncmp(buf_str(&b->out), "False", 5), 0);
    free(code);
    box_free(b);
    unlink(home);
    unlink(tmp);
}

static void nothing_is_written_outside(void **state)
{
    BOX_NEEDS_LOCAL();
    struct box *b = box_open_default();
    char nonce[64];
    static const char *const dirs[] = { "/",        "/tmp",     "/usr",     "/etc", "/dev",
                                        "/dev/shm", "/usr/lib", "/var/tmp", "/root" };
    (void)state;
    snprintf(nonce, sizeof nonce, "sbx-%ld-%lld", (long)getpid(), (long long)clock_boot_us());
    char *code =
        xasprintf("import errno\n"
                  "for d in '/ /usr /etc /dev /usr/lib /sbx /proc/sys/kernel'.split():\n"
                  "    try: open(f'{d}/%s', 'w').close(); print('wrote', d)\n"
                  "    except OSError as e: pass\n"
                  "for d in '/tmp', '/dev/shm', '/workspace': open(f'{d}/%s', 'w').close()\n"
                  "print('tried')",
                  nonce, nonce);
    box_run(b, code);
    assert_exit(b, 0);
    assert_out(b, "tried\n");
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        char *path = xasprintf("%s/%s", dirs[i], nonce);
        if (access(path, F_OK) == 0)
            fail_msg("%s is on the host", path);
        free(path);
    }
    free(code);
    box_free(b);
}

static void kernel_settings_are_out_of_reach(void **state)
{
    BOX_NEEDS_LOCAL();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import errno\n"
               "for p in ('/proc/sys/kernel/core_pattern', '/proc/sys/kernel/hostname',\n"
               "          '/proc/sys/vm/overcommit_memory', '/proc/sysrq-trigger',\n"
               "          '/proc/1/oom_score_adj_no', '/proc/sys/net/ipv4/ip_forward'):\n"
               "    try: open(p, 'w'); print('opened', p)\n"
               "    except OSError: pass\n"
               "for p in '/proc/cmdline', '/proc/config.gz', '/proc/kallsyms', '/proc/keys', "
               "'/proc/kcore':\n"
               "    try:\n"
               "        if open(p, 'rb').read(1): print('read', p)\n"
               "    except OSError: pass\n"
               "print('tried')");
    assert_exit(b, 0);
    assert_out(b, "tried\n");
    box_free(b);
}

static void programs_gain_nothing(void **state)
{
    BOX_NEEDS_LOCAL();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import os, shutil, stat\n"
               "shutil.copy('/usr/bin/true', 'mine')\n"
               "os.chmod('mine', 0o4755)\n"
               "nosuid = []\n"
               "for line in open('/proc/mounts'):\n"
               "    where, options = line.split()[1], line.split()[3].split(',')\n"
               "    if 'nosuid' not in options: print('suid works on', where)\n"
               "print(os.system('mount -t tmpfs none /tmp 2>/dev/null') != 0)");
    assert_exit(b, 0);
    assert_out(b, "True\n");
    box_free(b);
}

/* ---- network ---- */

struct listener {
    int tcp, unix_fd;
    int port;
    char name[64];
};

static struct listener listen_on_host(void)
{
    struct listener l = { .tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
                          .unix_fd =
                              socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) };
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    assert_int_equal(bind(l.tcp, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(l.tcp, 8), 0);
    assert_int_equal(getsockname(l.tcp, (struct sockaddr *)&at, &len), 0);
    l.port = ntohs(at.sin_port);
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    snprintf(l.name, sizeof l.name, "airlock-%ld-%d", (long)getpid(), l.port);
    memcpy(un.sun_path + 1, l.name, strlen(l.name)); /* abstract */
    len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(l.name));
    assert_int_equal(bind(l.unix_fd, (struct sockaddr *)&un, len), 0);
    assert_int_equal(listen(l.unix_fd, 8), 0);
    return l;
}

static bool was_reached(int fd)
{
    int got = accept(fd, NULL, NULL);
    if (got >= 0)
        close(got);
    return got >= 0;
}

static char *connect_code(const struct listener *l)
{
    return xasprintf("import socket, errno\n"
                     "def attempt(what, family, where):\n"
                     "    s = socket.socket(family)\n"
                     "    s.settimeout(2)\n"
                     "    try: s.connect(where); print(what, 'connected')\n"
                     "    except OSError as e: print(what, 'refused')\n"
                     "attempt('loopback', socket.AF_INET, ('127.0.0.1', %d))\n"
                     "attempt('abstract', socket.AF_UNIX, b'\\0%s')\n",
                     l->port, l->name);
}

static void network_is_denied(void **state)
{
    BOX_NEEDS_LOCAL();
    struct listener l = listen_on_host();
    struct box *b = box_open_default();
    char *code = connect_code(&l);
    (void)state;
    box_run(b, code);
    assert_exit(b, 0);
    assert_out(b, "loopback refused\nabstract refused\n");
    assert_false(was_reached(l.tcp));
    assert_false(was_reached(l.unix_fd));
    box_run(b, "for w in ('192.0.2.1', 80), ('169.254.169.254', 80), ('8.8.8.8', 53):\n"
               "    attempt(w[0], socket.AF_INET, w)\n"
               "try: socket.getaddrinfo('example.com', 80); print('resolved')\n"
               "except OSError: print('no names')\n"
               "for family in 40, 17, 38:\n" /* vsock, packet, alg */
               "    try: socket.socket(family, socket.SOCK_RAW); print('family', family)\n"
               "    except OSError: pass\n"
               "import os\nprint(sorted(os.listdir('/sys/class/net')) if os.path.exists('/sys') "
               "else 'no sys')\n"
               "print([l.split(':')[0].strip() for l in open('/proc/net/dev') if ':' in l])");
    assert_exit(b, 0);
    assert_out(b, "192.0.2.1 refused\n169.254.169.254 refused\n8.8.8.8 refused\nno names\nno sys\n"
                  "['lo']\n");
    free(code);
    box_free(b);
    close(l.tcp);
    close(l.unix_fd);
}

static void open_network_is_open(void **state)
{
    BOX_NEEDS_LOCAL();
    struct listener l = listen_on_host();
    struct contract c = box_contract();
    c.network = NETWORK_OPEN;
    struct box *b = box_open(&c);
    char *code = connect_code(&l);
    (void)state;
    box_run(b, code);
    assert_exit(b, 0);
    assert_non_null(strstr(buf_str(&b->out), "loopback connected"));
    assert_true(was_reached(l.tcp)); /* also the negative control of the case above */
    free(code);
    box_free(b);
    close(l.tcp);
    close(l.unix_fd);
}

static void host_lists_are_enforced_or_refused(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    struct contract_enforcement how;
    char host[] = "example.com";
    (void)state;
    c.network = NETWORK_ALLOW;
    c.hosts[0] = host;
    c.host_count = 1;
    box_world.ops->enforcement(&c, &how);
    if (how.field[FIELD_NETWORK].how == ENFORCED)
        return;
    assert_true(how.field[FIELD_NETWORK].why[0] != '\0');
    if (how.field[FIELD_NETWORK].how == APPROXIMATED)
        return; /* said, and refused under a strict contract */
    struct box *b = box_new();
    struct err e = ERR_INIT;
    assert_int_equal(box_open_with(b, &c, NULL, true, &e), -1); /* never silently open */
    box_free(b);
}

static void enforcement_is_said_for_every_field(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    struct contract_enforcement how;
    (void)state;
    memset(&how, 0x7f, sizeof how);
    box_world.ops->enforcement(&c, &how);
    for (int i = 0; i < FIELD_COUNT; i++) {
        assert_in_range(how.field[i].how, ENFORCED, NOT_ENFORCEABLE);
        assert_true(strlen(how.field[i].why) < sizeof how.field[i].why);
        if (how.field[i].how != ENFORCED)
            assert_true(how.field[i].why[0] != '\0');
    }
    assert_int_equal(how.field[FIELD_NETWORK].how, ENFORCED);
    if (box_world.ops->caps & SANDBOX_IS_CHECKED_ONLY)
        return; /* nobody can end what a model started there */
    assert_int_equal(how.field[FIELD_TIMEOUT].how, ENFORCED);
    assert_int_equal(how.field[FIELD_TTL].how, ENFORCED);
}

/* ---- the guest is not the code's ---- */

static void guest_is_out_of_reach(void **state)
{
    BOX_NEEDS_LOCAL();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import os, signal\n"
               "for s in signal.SIGKILL, signal.SIGSTOP, signal.SIGINT, signal.SIGSEGV:\n"
               "    os.kill(1, s)\n"
               "for p in '/proc/1/mem', '/proc/1/environ', '/proc/1/fd/0', '/proc/1/fd/1':\n"
               "    try: open(p, 'r+b' if 'mem' in p else 'rb'); print('opened', p)\n"
               "    except OSError: pass\n"
               "print('tried')");
    assert_exit(b, 0);
    assert_out(b, "tried\n");
    box_run(b, "print('and it lives')");
    assert_out(b, "and it lives\n");
    box_free(b);
}

static void lies_on_the_wire_harm_only_the_liar(void **state)
{
    BOX_NEEDS_LOCAL();
    struct contract c = box_contract();
    c.timeout_s = 2;
    struct box *b = box_open(&c);
    (void)state;
    box_run(b, "import os\n"
               "lies = b'{\"t\":\"done\",\"run\":99,\"end\":\"exit\",\"code\":0}\\n' + "
               "b'\\x01\\0\\0\\0\\xff\\xff\\xff\\xff' + os.urandom(512)\n"
               "for fd in range(3, 300):\n"
               "    try: os.write(fd, lies)\n"
               "    except OSError: pass\n"
               "print('lied', flush=True)");
    assert_int_equal(b->finished, 1); /* exactly one, whatever it is called */
    assert_true(b->f.end == END_EXIT || b->f.end == END_LIMIT || b->f.end == END_LOST ||
                b->f.end == END_SIGNAL || b->f.end == END_SANDBOX || b->f.end == END_TIMEOUT);
    box_kill(b, END_KILLED);
    box_wait(b, closed, 1);
    assert_true(b->confirmed);
    assert_int_equal(b->finished, 1);
    box_free(b);
}

static void closed_descriptors_do_not_hang_it(void **state)
{
    BOX_NEEDS_LOCAL();
    struct contract c = box_contract();
    c.timeout_s = 2;
    struct box *b = box_open(&c);
    (void)state;
    box_run(b, "import os\nos.closerange(0, 200)\nwhile True: pass");
    assert_int_equal(b->finished, 1);
    box_kill(b, END_KILLED);
    box_wait(b, closed, 1);
    assert_true(b->confirmed);
    box_free(b);
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(has_no_powers),
    BOX_TEST(namespaces_are_its_own),
    BOX_TEST(sees_only_its_own_processes),
    BOX_TEST(cannot_make_namespaces),
    BOX_TEST(has_no_terminal),
    BOX_TEST(inherits_no_descriptor),
    BOX_TEST(canaries_are_not_seen),
    BOX_TEST(nothing_is_written_outside),
    BOX_TEST(kernel_settings_are_out_of_reach),
    BOX_TEST(programs_gain_nothing),
    BOX_TEST(network_is_denied),
    BOX_TEST(open_network_is_open),
    BOX_TEST(host_lists_are_enforced_or_refused),
    BOX_TEST(enforcement_is_said_for_every_field),
    BOX_TEST(guest_is_out_of_reach),
    BOX_TEST(lies_on_the_wire_harm_only_the_liar),
    BOX_TEST(closed_descriptors_do_not_hang_it),
};

BOX_GROUP(tests)
