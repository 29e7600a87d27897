/* probe_net.c - listeners on this host that must hear nothing, and a world that must not answer. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tool/probe_int.h"

#define RUN_US    INT64_C(120000000)
#define ADDRESSES 8

enum { LISTEN_TCP, LISTEN_UDP, LISTEN_UNIX, LISTEN_ABSTRACT, LISTENERS };

struct net {
    struct probe *p;
    int fd[LISTENERS];
    int port[2]; /* tcp, udp */
    char path[64];
    char word[64];
};

int probe_listen_inet(bool stream, int *port)
{
    int type = stream ? SOCK_STREAM : SOCK_DGRAM;
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY) };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 ||
                    (type == SOCK_STREAM && listen(fd, 16) < 0) ||
                    getsockname(fd, (struct sockaddr *)&a, &len) < 0)) {
        close(fd);
        fd = -1;
    }
    *port = ntohs(a.sin_port);
    return fd;
}

int probe_listen_unix(const char *path, bool abstract)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    size_t n = strlen(path);
    memcpy(a.sun_path + abstract, path, n);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, 16) < 0)) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0 && !abstract)
        (void)!chmod(path, 0777); /* whoever the inside is here, permissions are not the wall */
    return fd;
}

static void open_all(struct net *n)
{
    snprintf(n->path, sizeof n->path, "/tmp/airlock-probe-%s", n->p->nonce);
    snprintf(n->word, sizeof n->word, "airlock-probe-%s", n->p->nonce);
    n->fd[LISTEN_TCP] = probe_listen_inet(true, &n->port[0]);
    n->fd[LISTEN_UDP] = probe_listen_inet(false, &n->port[1]);
    n->fd[LISTEN_UNIX] = probe_listen_unix(n->path, false);
    n->fd[LISTEN_ABSTRACT] = probe_listen_unix(n->word, true);
}

static void close_all(struct net *n)
{
    for (int i = 0; i < LISTENERS; i++) {
        if (n->fd[i] >= 0)
            close(n->fd[i]);
    }
    unlink(n->path);
}

static void add_target(struct json_w *w, const char *kind, const char *host, int port)
{
    json_w_object(w, NULL);
    json_w_str(w, "kind", kind);
    json_w_str(w, "host", host);
    json_w_int(w, "port", port);
    json_w_close_object(w);
}

static void add_path(struct json_w *w, const char *kind, const char *path)
{
    json_w_object(w, NULL);
    json_w_str(w, "kind", kind);
    json_w_str(w, "path", path);
    json_w_close_object(w);
}

/* The addresses this host has beside loopback. */
static void add_own(struct json_w *w, int port)
{
    struct ifaddrs *list = NULL;
    size_t count = 0;
    if (getifaddrs(&list) < 0)
        return;
    for (const struct ifaddrs *i = list; i != NULL && count < ADDRESSES; i = i->ifa_next) {
        char text[INET_ADDRSTRLEN];
        if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET ||
            (i->ifa_flags & IFF_LOOPBACK) != 0)
            continue;
        struct sockaddr_in a;
        memcpy(&a, i->ifa_addr, sizeof a);
        if (inet_ntop(AF_INET, &a.sin_addr, text, sizeof text) != NULL) {
            add_target(w, "tcp", text, port);
            count++;
        }
    }
    freeifaddrs(list);
}

static void write_question(const struct net *n, struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_str(&w, "nonce", n->p->nonce);
    json_w_array(&w, "targets");
    if (n->fd[LISTEN_TCP] >= 0) {
        add_target(&w, "tcp", "127.0.0.1", n->port[0]);
        add_own(&w, n->port[0]);
    }
    if (n->fd[LISTEN_UDP] >= 0)
        add_target(&w, "udp", "127.0.0.1", n->port[1]);
    if (n->fd[LISTEN_UNIX] >= 0)
        add_path(&w, "unix", n->path);
    if (n->fd[LISTEN_ABSTRACT] >= 0)
        add_path(&w, "abstract", n->word);
    add_target(&w, "tcp", "169.254.169.254", 80);
    add_target(&w, "tcp", "192.0.2.1", 80);
    json_w_close_array(&w);
    json_w_close_object(&w);
    (void)!json_w_end(&w);
}

/* Connections and datagrams that arrived, whoever sent them. */
static int heard(const struct net *n)
{
    int count = 0;
    char byte[64];
    for (int i = 0; i < LISTENERS; i++) {
        int fd;
        while (i != LISTEN_UDP && n->fd[i] >= 0 && (fd = accept(n->fd[i], NULL, NULL)) >= 0) {
            close(fd);
            count++;
        }
    }
    while (n->fd[LISTEN_UDP] >= 0 && recv(n->fd[LISTEN_UDP], byte, sizeof byte, 0) >= 0)
        count++;
    return count;
}

static bool is_reached(const char *what, const char *got)
{
    bool udp = strncmp(what, "UDP", 3) == 0; /* its own loopback takes one: our listener decides */
    return strcmp(got, "connected") == 0 || strncmp(got, "resolved", 8) == 0 ||
           (strcmp(got, "sent") == 0 && !udp);
}

static void judge(struct net *n, struct probe_box *b)
{
    struct probe *p = n->p;
    struct json *answer = probe_answer(b, "reach for the network");
    if (answer == NULL)
        return;
    const struct json *rows = json_get(answer, "rows");
    for (const struct json *row = json_first(rows); row != NULL; row = json_next(row)) {
        const char *what = json_get_str(row, "what", "?"), *got = json_get_str(row, "got", "?");
        probe_add(p, is_reached(what, got) ? PROBE_FAIL : PROBE_PASS, what, got, "%s", "");
    }
    int count = heard(n);
    probe_add(p, count == 0 ? PROBE_PASS : PROBE_FAIL, "this host's listeners", "", "heard %d",
              count);
    struct stat ours;
    int64_t theirs = json_get_int(answer, "namespace", 0);
    bool remote = (p->cfg->sandbox->caps & SANDBOX_IS_REMOTE) != 0;
    bool known = theirs != 0 && stat("/proc/self/ns/net", &ours) == 0;
    bool apart = remote || (known && (int64_t)ours.st_ino != theirs);
    char inside[48], host[48] = "not known";
    snprintf(inside, sizeof inside, "inode %lld", (long long)theirs);
    if (remote)
        snprintf(host, sizeof host, "a machine elsewhere");
    else if (known)
        snprintf(host, sizeof host, "inode %lld", (long long)ours.st_ino);
    probe_add(p,
              apart   ? PROBE_PASS
              : known ? PROBE_FAIL
                      : PROBE_UNPROVED,
              "network namespace", inside, "%s", host);
    json_free(answer);
}

void probe_network(struct probe *p)
{
    struct net n = { .p = p };
    struct probe_box b;
    struct buf question = BUF_INIT(64 << 10);
    bool listed = p->cfg->contract->network == NETWORK_ALLOW &&
                  (p->cfg->sandbox->caps & SANDBOX_IS_REMOTE) == 0;
    /* What a list allows goes by a proxy outside: past it there is no more of a way than without.
     */
    if (p->cfg->contract->network != NETWORK_DENY && !listed) {
        probe_add(p, PROBE_UNPROVED, "reach for the network", "",
                  "the contract allows a network (-c network=deny to try)");
        return;
    }
    open_all(&n);
    write_question(&n, &question);
    if (probe_box_open(&b, p, p->cfg->contract) == 0) {
        if (probe_box_run(&b, probe_script("network"), buf_str(&question), RUN_US) == 0)
            judge(&n, &b);
        else
            probe_add(p, PROBE_UNPROVED, "reach for the network", b.message, "the run did not end");
        probe_box_close(&b);
    }
    close_all(&n);
    buf_release(&question);
}
