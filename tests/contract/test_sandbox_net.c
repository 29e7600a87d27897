/* test_sandbox_net.c - the allow list of the local sandbox: what gets out, what does not, and that
 * each attempt is on record first. The servers are on loopback, allowed by their very address. */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "contract/box.h"

#define NEEDS_LIST()                                                                               \
    do {                                                                                           \
        BOX_NEEDS_LOCAL();                                                                         \
        if ((box_world.ops->caps & SANDBOX_CAN_NET_ALLOWLIST) == 0)                                \
            skip();                                                                                \
    } while (0)

/* ---- a server outside: says back what it was told; "HOLD" keeps the connection ---- */

struct server {
    pid_t pid;
    int port;
    char item[64], pair[2][64];
    struct contract c;
};

static void answer_one(int fd)
{
    char in[4096];
    ssize_t n = recv(fd, in, sizeof in, 0);
    if (n > 0 && memcmp(in, "HOLD", 4) == 0) {
        (void)send(fd, "held", 4, MSG_NOSIGNAL);
        (void)recv(fd, in, sizeof in, 0);
    } else if (n > 0) {
        (void)send(fd, "HTTP/1.0 200 OK\r\n\r\ngot ", 23, MSG_NOSIGNAL);
        (void)send(fd, in, (size_t)n, MSG_NOSIGNAL);
    }
    close(fd);
}

static void serve(int fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        answer_one(accept(fd, NULL, NULL));
}

static struct server *server_new(void)
{
    struct server *s = xcalloc(1, sizeof *s);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    s->port = ntohs(at.sin_port);
    s->pid = fork();
    if (s->pid == 0)
        serve(fd);
    close(fd);
    s->c = box_contract();
    s->c.network = NETWORK_ALLOW;
    snprintf(s->pair[0], sizeof s->pair[0], "127.0.0.1:%d", s->port);
    snprintf(s->pair[1], sizeof s->pair[1], "localhost:%d", s->port);
    s->c.hosts[0] = s->pair[0];
    s->c.hosts[1] = s->pair[1];
    s->c.host_count = 2;
    return s;
}

static void server_free(struct server *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    free(s);
}

/* In the sandbox: `ask(bytes)` says something to the proxy and returns all it says back. */
static const char ask_code[] = "import socket\n"
                               "def ask(data, then=b''):\n"
                               "    s = socket.create_connection(('127.0.0.1', 3128), 5)\n"
                               "    s.sendall(data)\n"
                               "    got = b''\n"
                               "    if then:\n"
                               "        while b'\\r\\n\\r\\n' not in got:\n"
                               "            got += s.recv(4096)\n"
                               "        s.sendall(then)\n"
                               "    while True:\n"
                               "        more = s.recv(4096)\n"
                               "        if not more: return got.decode()\n"
                               "        got += more\n";

static struct box *open_with(const struct server *s)
{
    struct box *b = box_open(&s->c);
    box_run(b, ask_code);
    assert_exit(b, 0);
    return b;
}

static void run_with_port(struct box *b, const struct server *s, const char *code)
{
    char *text = xasprintf("P = %d\n%s", s->port, code);
    box_run(b, text);
    assert_exit(b, 0);
    free(text);
}

#define assert_told(b, wanted)                                                                     \
    do {                                                                                           \
        char told[512];                                                                            \
        snprintf(told, sizeof told, wanted, s->port);                                              \
        if (strstr((b)->net, told) == NULL)                                                        \
            fail_msg("\"%s\" is not among what was told:\n%s", told, (b)->net);                    \
    } while (0)

/* ---- cases ---- */

static void a_tunnel_reaches_what_is_allowed(void **state)
{
    NEEDS_LIST();
    struct server *s = server_new();
    struct box *b = open_with(s);
    (void)state;
    run_with_port(b, s, "print(ask(b'CONNECT 127.0.0.1:%d HTTP/1.1\\r\\n\\r\\n' % P, b'hello'))");
    assert_out(b, "HTTP/1.1 200 Connection established\r\n\r\n"
                  "HTTP/1.0 200 OK\r\n\r\ngot hello\n");
    assert_told(b, "allowed CONNECT 127.0.0.1:%d \n");
    box_wait(b, net_closed, 1);
    assert_told(b, "closed 127.0.0.1:%d 5/28 \n");
    box_free(b);
    server_free(s);
}

static void a_plain_request_is_passed_on_alone(void **state)
{
    NEEDS_LIST();
    struct server *s = server_new();
    struct box *b = open_with(s);
    (void)state;
    run_with_port(b, s,
                  "print(ask(b'GET http://127.0.0.1:%d/x?y HTTP/1.1\\r\\nHost: elsewhere\\r\\n"
                  "Proxy-Authorization: Basic eA==\\r\\nConnection: keep-alive, X\\r\\nA: b\\r\\n"
                  "\\r\\n' % P))");
    char *wanted =
        xasprintf("HTTP/1.0 200 OK\r\n\r\ngot GET /x?y HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                  "Connection: close\r\nA: b\r\n\r\n\n",
                  s->port);
    assert_out(b, wanted);
    assert_told(b, "allowed HTTP 127.0.0.1:%d \n");
    free(wanted);
    box_free(b);
    server_free(s);
}

static void everything_else_is_refused(void **state)
{
    static const struct {
        const char *request, *status, *told;
    } cases[] = {
        { "CONNECT example.com:443 HTTP/1.1", "403", "refused CONNECT example.com:443 not on the" },
        { "CONNECT 127.0.0.1:1 HTTP/1.1", "403", "refused CONNECT 127.0.0.1:1 not on the" },
        { "CONNECT 0x7f.1:1 HTTP/1.1", "403", "refused CONNECT 127.0.0.1:1 not on the" },
        { "CONNECT 169.254.169.254:80 HTTP/1.1", "403", "refused CONNECT 169.254.169.254:80 not" },
        { "CONNECT [::1]:80 HTTP/1.1", "403", "refused CONNECT ::1:80 not on the" },
        { "GET http://example.com/ HTTP/1.1", "403", "refused HTTP example.com:80 not on the" },
        { "GET / HTTP/1.1", "400", "refused  :0 a proxy takes" },
        { "GET ftp://127.0.0.1/ HTTP/1.1", "400", "refused  :0 a proxy takes" },
        { "CONNECT 127.0.0.1 HTTP/1.1", "400", "refused  :0 CONNECT takes HOST:PORT" },
        { "CONNECT a\\x00b:443 HTTP/1.1", "400", "refused  :0 not an HTTP request" },
        { "CONNECT ex\\xe4mple:443 HTTP/1.1", "400", "refused  :0 CONNECT takes HOST:PORT" },
        { "\\x16\\x03\\x01", "400", "refused  :0 not an HTTP request" },
    };
    NEEDS_LIST();
    struct server *s = server_new();
    struct box *b = open_with(s);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        b->net[0] = '\0';
        char *code =
            xasprintf("print(ask(b'%s\\r\\nHost: x\\r\\n\\r\\n').split()[1])", cases[i].request);
        box_run(b, code);
        assert_exit(b, 0);
        buf_truncate(&b->out, 3);
        assert_string_equal(buf_str(&b->out), cases[i].status);
        if (strstr(b->net, cases[i].told) == NULL)
            fail_msg("%s: told %s", cases[i].request, b->net);
        free(code);
    }
    box_free(b);
    server_free(s);
}

/* Whoever owns a name that is allowed must not choose a machine of this network. */
static void a_name_never_leads_inside(void **state)
{
    NEEDS_LIST();
    struct server *s = server_new();
    struct box *b = open_with(s);
    (void)state;
    run_with_port(b, s, "print(ask(b'CONNECT LocalHost.:%d HTTP/1.1\\r\\n\\r\\n' % P))");
    assert_non_null(strstr(buf_str(&b->out), "HTTP/1.1 403 Forbidden"));
    assert_non_null(strstr(buf_str(&b->out), "the name leads to "));
    assert_told(b, "refused CONNECT localhost:%d the name leads to ");
    box_free(b);
    server_free(s);
}

static void what_is_not_on_record_does_not_happen(void **state)
{
    NEEDS_LIST();
    struct server *s = server_new();
    struct box *b = open_with(s);
    (void)state;
    b->no_record = true;
    run_with_port(b, s, "print(ask(b'CONNECT 127.0.0.1:%d HTTP/1.1\\r\\n\\r\\n' % P).split()[1])");
    assert_out(b, "503\n");
    box_free(b);
    server_free(s);
}

static void there_is_no_other_way_out(void **state)
{
    NEEDS_LIST();
    struct server *s = server_new();
    struct box *b = open_with(s);
    (void)state;
    run_with_port(b, s,
                  "for where in ('127.0.0.1', P), ('8.8.8.8', 53), ('192.0.2.1', 80):\n"
                  "    try: socket.create_connection(where, 2); print('connected')\n"
                  "    except OSError: print('no')\n"
                  "try: socket.getaddrinfo('example.com', 80); print('resolved')\n"
                  "except OSError: print('no names')\n"
                  "print([l.split(':')[0].strip() for l in open('/proc/net/dev')"
                  " if ':' in l])");
    assert_out(b, "no\nno\nno\nno names\n['lo']\n");
    assert_string_equal(b->net, "");
    box_free(b);
    server_free(s);
}

static void programs_find_it(void **state)
{
    NEEDS_LIST();
    struct server *s = server_new();
    struct box *b = open_with(s);
    (void)state;
    box_run(b, "import os, urllib.request\n"
               "print(sorted(set(os.environ[n] for n in ('HTTP_PROXY', 'https_proxy', 'ALL_PROXY')"
               ")), os.environ['no_proxy'])\n"
               "try: urllib.request.urlopen('https://refused.example/', timeout=5)\n"
               "except OSError as e: print(e)");
    assert_exit(b, 0);
    assert_out(b, "['http://127.0.0.1:3128'] localhost,127.0.0.1,::1\n"
                  "<urlopen error Tunnel connection failed: 403 Forbidden>\n");
    assert_non_null(strstr(b->net, "refused CONNECT refused.example:443 not on the allow list"));
    box_free(b);
    server_free(s);
}

static pid_t parent_of(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *f = fopen(path, "r");
    size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f != NULL)
        fclose(f);
    text[n] = '\0';
    const char *at = strrchr(text, ')');
    return at != NULL ? (pid_t)strtol(at + 4, NULL, 10) : 0;
}

static bool is_proxy(pid_t pid)
{
    char path[64], comm[32] = "";
    snprintf(path, sizeof path, "/proc/%ld/comm", (long)pid);
    FILE *f = fopen(path, "r");
    bool yes =
        f != NULL && fgets(comm, sizeof comm, f) != NULL && strcmp(comm, "airlock-proxy\n") == 0;
    if (f != NULL)
        fclose(f);
    return yes;
}

/* Below our launcher, or below one that is; others of this machine do not count. */
static int count_proxies(void)
{
    DIR *proc = opendir("/proc");
    pid_t launcher = launcher_pid(box_world.launcher);
    int count = 0;
    assert_non_null(proc);
    for (struct dirent *d; (d = readdir(proc)) != NULL;) {
        pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);
        if (pid <= 0 || !is_proxy(pid))
            continue;
        pid_t parent = parent_of(pid);
        count += parent == launcher || (parent > 0 && parent_of(parent) == launcher);
    }
    closedir(proc);
    return count;
}

static void its_end_is_told_and_leaves_nothing(void **state)
{
    NEEDS_LIST();
    int before = count_proxies();
    struct server *s = server_new();
    struct box *b = open_with(s);
    (void)state;
    run_with_port(b, s,
                  "hold = socket.create_connection(('127.0.0.1', 3128), 5)\n"
                  "hold.sendall(b'CONNECT 127.0.0.1:%d HTTP/1.1\\r\\n\\r\\n' % P)\n"
                  "hold.recv(4096); hold.sendall(b'HOLD'); print(hold.recv(4))");
    assert_out(b, "b'held'\n");
    assert_true(count_proxies() >= before + 2); /* the one that accepts, the one that talks */
    box_kill(b, END_KILLED);
    box_wait(b, closed, 1);
    assert_true(b->confirmed);
    assert_told(b, "closed 127.0.0.1:%d 4/4 ");
    box_free(b);
    assert_int_equal(count_proxies(), before);
    server_free(s);
}

static void many_at_once_are_served(void **state)
{
    NEEDS_LIST();
    struct server *s = server_new();
    struct box *b = open_with(s);
    (void)state;
    run_with_port(b, s,
                  "import threading\n"
                  "got = []\n"
                  "def one(): got.append(ask(b'CONNECT 127.0.0.1:%d HTTP/1.1\\r\\n\\r\\n' % P,"
                  " b'x')[-5:])\n"
                  "all = [threading.Thread(target=one) for _ in range(40)]\n"
                  "[t.start() for t in all]; [t.join() for t in all]\n"
                  "print(len(got), set(got))");
    assert_out(b, "40 {'got x'}\n");
    box_free(b);
    server_free(s);
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(a_tunnel_reaches_what_is_allowed),
    BOX_TEST(a_plain_request_is_passed_on_alone),
    BOX_TEST(everything_else_is_refused),
    BOX_TEST(a_name_never_leads_inside),
    BOX_TEST(what_is_not_on_record_does_not_happen),
    BOX_TEST(there_is_no_other_way_out),
    BOX_TEST(programs_find_it),
    BOX_TEST(its_end_is_told_and_leaves_nothing),
    BOX_TEST(many_at_once_are_served),
};

BOX_GROUP(tests)
