/* birth_judge.c - what came of the attempts, and what the host saw of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "tool/birth_int.h"

#define GOT_MAX 256

/* What stands behind "what\t" in the answer; false when it is not there. */
static bool got(const struct birth *b, const char *what, char out[GOT_MAX])
{
    size_t n = strlen(what);
    out[0] = '\0';
    for (const char *p = b->out.len > 0 ? b->out.ptr : ""; *p != '\0';) {
        size_t len = strcspn(p, "\n");
        if (len > n && p[n] == '\t' && memcmp(p, what, n) == 0) {
            snprintf(out, GOT_MAX, "%.*s", (int)(len - n - 1), p + n + 1);
            return true;
        }
        p += len + (p[len] == '\n');
    }
    return false;
}

static bool is_local(const struct birth *b)
{
    return (b->s->ops->caps & SANDBOX_IS_REMOTE) == 0;
}

/* ---- files */

/* It was asked for, and the inside says nothing of it. */
static void not_tried(struct birth *b, enum birth_light light, const char *words)
{
    probe_add(&b->probes[light], PROBE_UNPROVED, words, "", "not tried");
}

static void judge_canary(struct birth *b, const char *what, const char *words)
{
    char said[GOT_MAX];
    struct probe *p = &b->probes[LIGHT_FILES];
    if (b->canary == NULL)
        return;
    if (!got(b, what, said)) {
        not_tried(b, LIGHT_FILES, words);
        return;
    }
    bool leaked = strstr(said, b->secret) != NULL, read = strncmp(said, "read", 4) == 0;
    probe_add(p,
              leaked ? PROBE_FAIL
              : read ? PROBE_UNPROVED
                     : PROBE_PASS,
              words, leaked ? "read the canary" : said, "%s", leaked ? "its secret came out" : "");
}

static void judge_made(struct birth *b, const char *dir)
{
    char what[GOT_MAX], said[GOT_MAX], name[64];
    struct stat st;
    snprintf(what, sizeof what, "create in %.200s", dir);
    if (!got(b, what, said)) {
        not_tried(b, LIGHT_FILES, what);
        return;
    }
    snprintf(name, sizeof name, "sbx-%s", b->nonce);
    char *path = path_join(dir, name);
    bool there = lstat(path, &st) == 0;
    if (there)
        unlink(path);
    probe_add(&b->probes[LIGHT_FILES], there ? PROBE_FAIL : PROBE_PASS, what, said, "%s",
              there ? "the file is on this host" : "not on this host");
    free(path);
}

static void judge_files(struct birth *b)
{
    judge_canary(b, "canary", "read a file of this user");
    judge_canary(b, "canary by root", "read it by /proc/1/root");
    judge_canary(b, "canary by link", "read it by a link");
    if (!is_local(b)) /* this host could not see what was made */
        return;
    judge_made(b, "/");
    judge_made(b, "/usr");
    judge_made(b, "/etc");
    if (birth_asks_beside_canary(b)) {
        char *slash = strrchr(b->canary, '/');
        *slash = '\0';
        judge_made(b, b->canary);
        *slash = '/';
    }
}

/* ---- network */

/* Datagrams carry our word; connections may be anybody's. */
static int heard(const struct birth *b, int *connections)
{
    int count = 0, fd;
    *connections = 0;
    char bytes[64];
    for (int i = 0; i < BIRTH_LISTENERS; i++) {
        while (i != BIRTH_DATAGRAM && b->fd[i] >= 0 && (fd = accept(b->fd[i], NULL, NULL)) >= 0) {
            close(fd);
            (*connections)++;
        }
    }
    ssize_t n;
    while (b->fd[BIRTH_DATAGRAM] >= 0 &&
           (n = recv(b->fd[BIRTH_DATAGRAM], bytes, sizeof bytes, 0)) >= 0)
        count += (size_t)n == strlen(b->nonce) && memcmp(bytes, b->nonce, (size_t)n) == 0;
    return count;
}

/* Elsewhere a proxy may take a connection and lead it nowhere: only an answer proves a way out. */
static enum probe_outcome reached(const struct birth *b, const char *said)
{
    if (strcmp(said, "answered") == 0)
        return PROBE_FAIL;
    if (strcmp(said, "connected") == 0)
        return is_local(b) ? PROBE_FAIL : PROBE_UNPROVED;
    return PROBE_PASS;
}

static void judge_network(struct birth *b)
{
    static const struct {
        const char *what, *words;
    } targets[] = {
        { "listener", "TCP to this host" },     { "datagram", "UDP to this host" },
        { "abstract", "abstract socket" },      { "metadata", "TCP 169.254.169.254 port 80" },
        { "nowhere", "TCP 192.0.2.1 port 80" }, { "world", "TCP 1.1.1.1 port 443" },
        { "names", "name server 8.8.8.8" },
    };
    char said[GOT_MAX];
    struct probe *p = &b->probes[LIGHT_NETWORK];
    if (!birth_is_cut_off(b)) {
        probe_add(p, PROBE_UNPROVED, "reach for the network", "", "the contract allows a network");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        if (got(b, targets[i].what, said))
            probe_add(p, reached(b, said), targets[i].words, said, "%s", "");
        else
            not_tried(b, LIGHT_NETWORK, targets[i].words);
    }
    /* A connection that the inside did not have is somebody else's, who tries ports. */
    int connections, count = heard(b, &connections);
    bool theirs = count > 0 || (got(b, "listener", said) && strcmp(said, "connected") == 0) ||
                  (got(b, "abstract", said) && strcmp(said, "connected") == 0);
    count += connections;
    probe_add(p,
              count == 0 ? PROBE_PASS
              : theirs   ? PROBE_FAIL
                         : PROBE_UNPROVED,
              "this host's listeners", "", "heard %d", count);
}

/* ---- processes */

static void expect_value(struct birth *b, const char *what, const char *words, const char *want)
{
    char said[GOT_MAX];
    if (!got(b, what, said)) {
        not_tried(b, LIGHT_PROCESS, words);
        return;
    }
    bool same = strspn(want, "0") == strlen(want)
                    ? said[0] != '\0' && strspn(said, "0") == strlen(said)
                    : strcmp(said, want) == 0;
    probe_add(&b->probes[LIGHT_PROCESS], same ? PROBE_PASS : PROBE_FAIL, words, said, "%s", "");
}

static bool is_apart(const struct birth *b, const char *kind, char said[GOT_MAX],
                     unsigned long long *ours)
{
    char what[32], path[48];
    struct stat st;
    snprintf(what, sizeof what, "namespace %s", kind);
    snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
    *ours = stat(path, &st) == 0 ? (unsigned long long)st.st_ino : 0;
    return got(b, what, said) && *ours != 0 && strtoull(said, NULL, 10) != 0 &&
           strtoull(said, NULL, 10) != *ours;
}

static void expect_apart(struct birth *b, const char *kind, bool needed)
{
    char said[GOT_MAX], words[48];
    unsigned long long ours;
    bool apart = is_apart(b, kind, said, &ours);
    snprintf(words, sizeof words, "%s namespace", kind);
    if (needed || apart)
        probe_add(&b->probes[LIGHT_PROCESS],
                  apart             ? PROBE_PASS
                  : said[0] != '\0' ? PROBE_FAIL
                                    : PROBE_UNPROVED,
                  words, said, "ours is %llu", ours);
}

static void judge_user(struct birth *b)
{
    char uid[GOT_MAX], said[GOT_MAX];
    unsigned long long ours;
    bool apart = is_apart(b, "user", said, &ours), known = got(b, "uid", uid);
    bool is_number = uid[0] != '\0' && strspn(uid, "0123456789") == strlen(uid);
    bool other = is_number && strcmp(uid, "0") != 0 && strtoul(uid, NULL, 10) != getuid();
    probe_add(&b->probes[LIGHT_PROCESS],
              !known           ? PROBE_UNPROVED
              : apart || other ? PROBE_PASS
                               : PROBE_FAIL,
              "user", uid, "%s", apart ? "a user namespace apart" : "this host's users");
}

static void judge_shared_kernel(struct birth *b)
{
    char said[GOT_MAX];
    expect_apart(b, "pid", true);
    expect_apart(b, "mnt", true);
    expect_apart(b, "net", birth_is_cut_off(b));
    judge_user(b);
    expect_value(b, "CapEff", "capabilities", "0");
    expect_value(b, "NoNewPrivs", "no new privileges", "1");
    expect_value(b, "Seccomp", "system call filter", "2");
    if (got(b, "signal", said))
        probe_add(&b->probes[LIGHT_PROCESS], strcmp(said, "ESRCH") == 0 ? PROBE_PASS : PROBE_FAIL,
                  "signal this process", said, "%s", "");
}

static void judge_processes(struct birth *b)
{
    char theirs[GOT_MAX], kernel[GOT_MAX], ours[64];
    struct probe *p = &b->probes[LIGHT_PROCESS];
    probe_boot_id(ours, sizeof ours);
    bool known = got(b, "boot", theirs) && strncmp(theirs, "read: ", 6) == 0 &&
                 strlen(theirs) == 6 + strlen(ours);
    bool same = known && strcmp(theirs + 6, ours) == 0;
    (void)got(b, "kernel", kernel);
    if (known && !same)
        probe_add(p, PROBE_PASS, "kernel", kernel, "another one than this host's");
    else if (is_local(b))
        judge_shared_kernel(b);
    else
        probe_add(p, PROBE_UNPROVED, "kernel", kernel,
                  same ? "this very host's" : "whose it is, is not known");
}

/* ---- all of it */

void birth_judge(struct birth *b)
{
    char end[GOT_MAX], ended[GOT_MAX] = "";
    (void)got(b, "ended", ended);
    if (!got(b, "end", end) || strcmp(end, b->nonce) != 0) {
        for (int i = LIGHT_FILES; i <= LIGHT_PROCESS; i++)
            probe_add(&b->probes[i], PROBE_UNPROVED, "the probe inside", ended,
                      "did not come to its end");
    }
    judge_files(b);
    judge_network(b);
    judge_processes(b);
    if (!is_local(b))
        return;
    if (!got(b, "workspace", end))
        not_tried(b, LIGHT_STATE, "what was there before");
    else
        probe_add(&b->probes[LIGHT_STATE], strcmp(end, "0") == 0 ? PROBE_PASS : PROBE_FAIL,
                  "what was there before", end, "files in /workspace");
}

void birth_judge_kept(struct birth *b, bool ran)
{
    bool there = ran && strncmp(buf_str(&b->out), b->nonce, strlen(b->nonce)) == 0;
    probe_add(&b->probes[LIGHT_STATE],
              !ran    ? PROBE_UNPROVED
              : there ? PROBE_PASS
                      : PROBE_FAIL,
              "a value in the next request", there ? "there" : "not there", "promised");
}
