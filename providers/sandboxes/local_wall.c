/* local_wall.c - drives one bubblewrap from its first status document to the proof of its death.
 *
 * The kill rule: once its pid is known, pid 1 of the sandbox is what we kill, by pidfd; the
 * kernel then ends everything in its pid namespace. Killing the outer bwrap alone leaves the
 * sandbox running (40 of 40 tries), so that is done only when pid 1 is dead or was never seen, and
 * then its children go first.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "providers/sandboxes/local_proof.h"
#include "providers/sandboxes/local_start.h"
#include "providers/sandboxes/local_wall.h"

#define READ_CHUNK      (256u << 10) /* per turn: what a turn does is bounded */
#define LOG_TAIL        4096
#define START_US        10000000 /* bwrap needs 7 ms */
#define KILL_RETRY_US   250000
#define KILL_PATIENCE   40 /* retries, then the death is reported as not confirmed */
#define REMOVE_RETRY_US 2000
#define REMOVE_PATIENCE 500
#define CLOSE_WAIT_US   2000000

enum phase {
    PHASE_STARTING, /* bwrap works; nothing of ours runs */
    PHASE_UP,       /* the guest was let go */
    PHASE_KILLING,
    PHASE_REMOVING, /* everything is dead; the control group is not gone yet */
    PHASE_GONE,
};

struct local_wall {
    struct wall base;
    struct loop *loop;
    struct launcher *launcher;
    wall_sink sink; /* NULL once closed */
    void *arg;
    enum phase phase;
    bool killed; /* kill() was called: the end is no failure */
    struct proc *outer;
    bool outer_dead, child_dead;
    pid_t child;
    int child_pidfd, pidns_fd; /* -1 until known */
    uint64_t pidns;
    int stream, log, status, block;
    struct cgroup *group;
    struct wall_counters last; /* read just before the group goes */
    struct loop_source *on_stream, *on_log, *on_status, *on_outer, *on_child, *timer;
    bool write_blocked;
    int tries;
    struct buf document;     /* the first line of the status descriptor */
    char log_tail[LOG_TAIL]; /* the end of what was said on stderr */
    size_t log_len;
    struct err why;
    char id[32];
};

static void advance(struct local_wall *w);

static void emit(struct local_wall *w, const struct wall_event *ev)
{
    if (w->sink != NULL)
        w->sink(w->arg, ev);
}

static void close_fd(struct local_wall *w, int *fd, struct loop_source **source)
{
    if (source != NULL) {
        loop_remove(w->loop, *source);
        *source = NULL;
    }
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- killing ---- */

static void strike(struct local_wall *w)
{
    if (w->child_pidfd >= 0 && !w->child_dead)
        (void)proof_pidfd_kill(w->child_pidfd);
    cgroup_kill(w->group);
    if (w->outer_dead)
        return;
    if (w->child_dead)
        (void)proc_kill(w->outer, SIGKILL); /* normally gone by itself */
    else if (w->child_pidfd < 0 && w->tries > 0) {
        /* It never told us its child: that one goes first. The launcher inherits orphans. */
        proof_kill_children(proc_pid(w->outer));
        (void)proc_kill(w->outer, SIGKILL);
    }
}

/* The first strike waits for the status document while bwrap is starting: see the kill rule. */
static void begin_kill(struct local_wall *w)
{
    if (w->phase >= PHASE_KILLING)
        return;
    w->phase = PHASE_KILLING;
    w->tries = 0;
    strike(w);
    loop_arm_us(w->loop, w->timer, KILL_RETRY_US);
}

static void fail(struct local_wall *w, const struct err *why)
{
    if (w->why.code == ERR_NONE && !w->killed)
        w->why = *why;
    begin_kill(w);
}

/* ---- the end ---- */

static void report_gone(struct local_wall *w, bool confirmed)
{
    loop_arm_us(w->loop, w->timer, -1);
    w->phase = PHASE_GONE;
    if (w->killed)
        err_clear(&w->why);
    struct wall_event ev = {
        .kind = WALL_GONE, .id = w->id, .confirmed = confirmed, .err = &w->why
    };
    emit(w, &ev);
}

/* pid 1's pidfd becomes readable only after the kernel has ended and reaped its whole namespace;
 * the scan and the empty control group are the independent second and third witness. */
static void remove_group(struct local_wall *w)
{
    bool group_gone = cgroup_remove(w->group);
    if (!group_gone && ++w->tries < REMOVE_PATIENCE) {
        loop_arm_us(w->loop, w->timer, REMOVE_RETRY_US);
        return;
    }
    int survivors = w->pidns_fd >= 0 ? proof_count_pidns(w->pidns) : 0;
    if (survivors != 0)
        log_msg(LOG_ERROR, "local", "%s: %d processes left in its pid namespace", w->id, survivors);
    report_gone(w, group_gone && survivors == 0);
}

/* Nobody can write any more, so what is buffered is all there is. */
static void drain_log(struct local_wall *w);
static void drain_stream(struct local_wall *w);

static void say_why(struct local_wall *w)
{
    if (w->killed || w->why.code != ERR_NONE)
        return;
    if (w->child_pidfd < 0)
        local_explain(w->log_tail, &w->why);
    else if (w->log_len > 0)
        err_set(&w->why, ERR_IO, "the sandbox ended by itself: %s", w->log_tail);
    else
        err_set(&w->why, ERR_IO, "the sandbox ended by itself");
}

static void read_counters(const struct local_wall *w, struct wall_counters *out)
{
    out->oom_kills = cgroup_oom_kills(w->group);
    out->pids_refused = cgroup_pids_refused(w->group);
    out->memory_bytes = cgroup_memory_bytes(w->group);
}

static void finish(struct local_wall *w)
{
    drain_log(w);
    drain_stream(w);
    say_why(w);
    read_counters(w, &w->last);
    w->phase = PHASE_REMOVING;
    w->tries = 0;
    remove_group(w);
}

/* Called after each change. */
static void advance(struct local_wall *w)
{
    if (w->phase >= PHASE_REMOVING)
        return;
    bool child_gone = w->child_dead || (w->child_pidfd < 0 && w->outer_dead);
    if (child_gone && w->outer_dead)
        finish(w);
    else if (child_gone || w->outer_dead)
        begin_kill(w); /* one of the two died: the other must follow */
}

static void on_timer(void *arg)
{
    struct local_wall *w = arg;
    struct err e = ERR_INIT;
    switch (w->phase) {
    case PHASE_STARTING:
        err_set(&e, ERR_IO, "local sandbox: bubblewrap did not start within %d s: %s",
                START_US / 1000000, w->log_tail);
        fail(w, &e);
        break;
    case PHASE_KILLING:
        if (++w->tries > KILL_PATIENCE) {
            report_gone(w, false);
            break;
        }
        strike(w);
        loop_arm_us(w->loop, w->timer, KILL_RETRY_US);
        break;
    case PHASE_REMOVING:
        remove_group(w);
        break;
    case PHASE_UP:
    case PHASE_GONE:
        break;
    }
}

static void on_child_end(void *arg, int fd, unsigned events)
{
    struct local_wall *w = arg;
    (void)fd, (void)events;
    loop_remove(w->loop, w->on_child);
    w->on_child = NULL;
    w->child_dead = true;
    advance(w);
}

static void drain_status(struct local_wall *w);

static void on_outer_end(void *arg, int fd, unsigned events)
{
    struct local_wall *w = arg;
    int status;
    (void)fd, (void)events;
    if (!proc_wait_nohang(w->outer, &status))
        return;
    loop_remove(w->loop, w->on_outer);
    w->on_outer = NULL;
    w->outer_dead = true;
    drain_status(w); /* it may have told us its child with its last breath */
    advance(w);
}

/* ---- what comes out ---- */

static ssize_t read_some(int fd, char *into, size_t size)
{
    ssize_t n;
    do
        n = read(fd, into, size);
    while (n < 0 && errno == EINTR);
    return n;
}

static void keep_log_tail(struct local_wall *w, const char *ptr, size_t len)
{
    size_t room = sizeof w->log_tail - 1;
    if (len > room) {
        ptr += len - room;
        len = room;
    }
    if (w->log_len + len > room) {
        size_t drop = w->log_len + len - room;
        memmove(w->log_tail, w->log_tail + drop, w->log_len - drop);
        w->log_len -= drop;
    }
    memcpy(w->log_tail + w->log_len, ptr, len);
    w->log_len += len;
    w->log_tail[w->log_len] = '\0';
}

/* One read. false: nothing more now. */
static bool take_log(struct local_wall *w)
{
    char chunk[4096];
    ssize_t n = w->log >= 0 ? read_some(w->log, chunk, sizeof chunk) : 0;
    if (n > 0) {
        struct wall_event ev = { .kind = WALL_LOG, .ptr = chunk, .len = (size_t)n };
        keep_log_tail(w, chunk, (size_t)n);
        emit(w, &ev);
        return true;
    }
    if (n == 0 || errno != EAGAIN)
        close_fd(w, &w->log, &w->on_log);
    return false;
}

static bool take_stream(struct local_wall *w)
{
    static char chunk[READ_CHUNK];
    ssize_t n = w->stream >= 0 ? read_some(w->stream, chunk, sizeof chunk) : 0;
    if (n > 0) {
        struct wall_event ev = { .kind = WALL_BYTES, .ptr = chunk, .len = (size_t)n };
        emit(w, &ev);
        return true;
    }
    /* The guest hung up: it is ending, or its code closed the stream. Either way it is over. */
    if (n == 0 || errno != EAGAIN) {
        close_fd(w, &w->stream, &w->on_stream);
        if (w->phase == PHASE_UP)
            begin_kill(w);
    }
    return false;
}

static void drain_log(struct local_wall *w)
{
    while (take_log(w))
        ;
}

static void drain_stream(struct local_wall *w)
{
    while (w->sink != NULL && take_stream(w))
        ;
}

static void on_log(void *arg, int fd, unsigned events)
{
    (void)fd, (void)events;
    (void)take_log(arg);
}

static void watch_stream(struct local_wall *w)
{
    loop_change_fd(w->loop, w->on_stream, LOOP_READ | (w->write_blocked ? LOOP_WRITE : 0));
}

static void on_stream(void *arg, int fd, unsigned events)
{
    struct local_wall *w = arg;
    (void)fd;
    if ((events & LOOP_WRITE) != 0 && w->write_blocked) {
        struct wall_event ev = { .kind = WALL_ROOM };
        w->write_blocked = false;
        watch_stream(w);
        emit(w, &ev);
    }
    if (w->stream >= 0 && (events & (LOOP_READ | LOOP_HUP)) != 0)
        (void)take_stream(w);
}

/* ---- the first status document: limits on, then the guest may go ---- */

static int read_document(struct local_wall *w, struct err *e)
{
    struct json *doc;
    const char *end = memchr(w->document.ptr, '\n', w->document.len);
    if (json_parse(&doc, w->document.ptr, (size_t)(end - w->document.ptr), e) < 0)
        return err_wrap(e, "local sandbox: bubblewrap's status");
    int64_t pid = 0, pidns = 0;
    int rc = json_need_int(doc, "status", "child-pid", 2, INT32_MAX, &pid, e);
    if (rc == 0)
        rc = json_need_int(doc, "status", "pid-namespace", 1, INT64_MAX, &pidns, e);
    json_free(doc);
    if (rc < 0)
        return err_wrap(e, "local sandbox: bubblewrap");
    w->child = (pid_t)pid;
    w->pidns = (uint64_t)pidns;
    return 0;
}

/* From here on there is a handle on the sandbox that can't come to mean another process. */
static int grasp_child(struct local_wall *w, struct err *e)
{
    int pidfd = proof_pidfd_open(w->child);
    if (pidfd < 0)
        return err_sys(e, ERR_IO, "local sandbox: process %ld", (long)w->child);
    pid_t parent = proof_parent(w->child); /* the launcher inherits it when bwrap dies first */
    if (parent != proc_pid(w->outer) && parent != launcher_pid(w->launcher)) {
        close(pidfd);
        return err_set(e, ERR_IO, "local sandbox: process %ld is not bubblewrap's child",
                       (long)w->child);
    }
    w->child_pidfd = pidfd;
    snprintf(w->id, sizeof w->id, "local-%ld", (long)w->child);
    uint64_t inode = 0;
    w->pidns_fd = proof_hold_pidns(w->child, &inode);
    if (w->pidns_fd < 0 || inode != w->pidns)
        return err_set(e, ERR_IO, "local sandbox: its pid namespace can't be seen");
    if (launcher_guard_pidfd(w->launcher, pidfd, e) < 0)
        return -1;
    return loop_add_fd(w->loop, pidfd, LOOP_READ, LOOP_NORMAL, on_child_end, w, &w->on_child, e);
}

static int let_go(struct local_wall *w, struct err *e)
{
    if (w->group != NULL && cgroup_add(w->group, w->child, e) < 0)
        return -1;
    ssize_t n = write(w->block, "g", 1);
    if (n != 1)
        return err_sys(e, ERR_IO, "local sandbox: can't let it go");
    close_fd(w, &w->block, NULL);
    w->phase = PHASE_UP;
    loop_arm_us(w->loop, w->timer, -1);
    struct wall_event ev = { .kind = WALL_UP, .id = w->id };
    emit(w, &ev);
    return 0;
}

static void use_document(struct local_wall *w)
{
    struct err e = ERR_INIT;
    int rc = read_document(w, &e);
    if (rc == 0)
        rc = grasp_child(w, &e);
    if (w->phase == PHASE_KILLING) { /* killed before it was up: it never ran a byte of ours */
        strike(w);
        return;
    }
    if (rc == 0)
        rc = let_go(w, &e);
    if (rc < 0)
        fail(w, &e);
}

/* One read. false: nothing more now. */
static bool take_status(struct local_wall *w)
{
    char chunk[1024];
    ssize_t n = w->status >= 0 ? read_some(w->status, chunk, sizeof chunk) : 0;
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            close_fd(w, &w->status, &w->on_status);
        return false;
    }
    if (w->child != 0)
        return true; /* the second document repeats what the pidfds say */
    if (buf_add(&w->document, chunk, (size_t)n) < 0) {
        struct err e = ERR_INIT;
        err_set(&e, ERR_FORMAT, "local sandbox: bubblewrap's status is too long");
        fail(w, &e);
    } else if (memchr(chunk, '\n', (size_t)n) != NULL) {
        use_document(w);
    }
    return true;
}

static void drain_status(struct local_wall *w)
{
    while (take_status(w))
        ;
}

static void on_status(void *arg, int fd, unsigned events)
{
    (void)fd, (void)events;
    (void)take_status(arg);
}

/* ---- the vtable ---- */

static int watch_all(struct local_wall *w, struct err *e)
{
    w->timer = loop_add_timer(w->loop, on_timer, w);
    loop_arm_us(w->loop, w->timer, START_US);
    if (loop_add_fd(w->loop, w->stream, LOOP_READ, LOOP_NORMAL, on_stream, w, &w->on_stream, e) <
            0 ||
        loop_add_fd(w->loop, w->log, LOOP_READ, LOOP_NORMAL, on_log, w, &w->on_log, e) < 0 ||
        loop_add_fd(w->loop, w->status, LOOP_READ, LOOP_NORMAL, on_status, w, &w->on_status, e) < 0)
        return -1;
    return loop_add_fd(w->loop, proc_pidfd(w->outer), LOOP_READ, LOOP_NORMAL, on_outer_end, w,
                       &w->on_outer, e);
}

static void local_close(struct wall *base);

static int local_create(struct wall **out, const struct wall_config *cfg, struct err *e)
{
    struct local_start s;
    if (cfg->contract->network == NETWORK_ALLOW)
        return err_set(e, ERR_MISSING,
                       "local sandbox: a list of allowed hosts is not offered; use network=deny or "
                       "network=open");
    if (local_start(&s, cfg, e) < 0)
        return -1;
    struct local_wall *w = xcalloc(1, sizeof *w);
    w->base.ops = &wall_local;
    w->loop = cfg->loop;
    w->launcher = cfg->launcher;
    w->sink = cfg->sink;
    w->arg = cfg->arg;
    w->outer = s.outer;
    w->stream = s.stream;
    w->log = s.log;
    w->status = s.status;
    w->block = s.block;
    w->group = s.group;
    w->child_pidfd = w->pidns_fd = -1;
    buf_init(&w->document, 4096);
    snprintf(w->id, sizeof w->id, "local");
    if (watch_all(w, e) < 0) {
        local_close(&w->base);
        return -1;
    }
    *out = &w->base;
    return 0;
}

static unsigned local_limits(const struct wall *base)
{
    const struct local_wall *w = (const struct local_wall *)base;
    unsigned has = cgroup_has(w->group);
    return ((has & (1u << CGROUP_MEMORY)) != 0 ? WALL_LIMITS_MEMORY : 0u) |
           ((has & (1u << CGROUP_PIDS)) != 0 ? WALL_LIMITS_PIDS : 0u);
}

static ssize_t local_write(struct wall *base, const void *ptr, size_t len)
{
    struct local_wall *w = (struct local_wall *)base;
    if (w->phase == PHASE_STARTING)
        return 0;
    if (w->stream < 0 || w->phase > PHASE_UP)
        return -1;
    size_t done = 0;
    while (done < len) {
        ssize_t n = send(w->stream, (const char *)ptr + done, len - done, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return -1;
        if (n < 0) {
            w->write_blocked = true;
            watch_stream(w);
            break;
        }
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static void local_counters(struct wall *base, struct wall_counters *out)
{
    const struct local_wall *w = (const struct local_wall *)base;
    if (w->phase < PHASE_REMOVING)
        read_counters(w, out);
    else
        *out = w->last;
}

static void local_kill(struct wall *base)
{
    struct local_wall *w = (struct local_wall *)base;
    w->killed = true;
    begin_kill(w);
}

static bool wait_readable(int fd, int64_t until_us)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int64_t left = until_us - clock_mono_us();
    return left > 0 && poll(&p, 1, (int)(left / 1000) + 1) > 0;
}

/* The same steps as in the loop, waited for: the program may be about to end. */
static void kill_and_wait(struct local_wall *w)
{
    int64_t until = clock_mono_us() + CLOSE_WAIT_US;
    begin_kill(w);
    while (w->child_pidfd < 0 && w->status >= 0 && wait_readable(w->status, until))
        (void)take_status(w);
    w->tries++; /* from here on without the document, too */
    strike(w);
    if (w->child_pidfd >= 0 && !w->child_dead)
        w->child_dead = wait_readable(w->child_pidfd, until);
    strike(w);
    while (!w->outer_dead && wait_readable(proc_pidfd(w->outer), until)) {
        int status;
        w->outer_dead = proc_wait_nohang(w->outer, &status);
    }
    for (int i = 0; i < REMOVE_PATIENCE && !cgroup_remove(w->group); i++)
        (void)poll(NULL, 0, 2);
}

static void local_close(struct wall *base)
{
    struct local_wall *w = (struct local_wall *)base;
    if (w == NULL)
        return;
    w->sink = NULL;
    w->killed = true;
    if (w->phase != PHASE_GONE)
        kill_and_wait(w);
    loop_remove(w->loop, w->timer);
    loop_remove(w->loop, w->on_outer);
    close_fd(w, &w->stream, &w->on_stream);
    close_fd(w, &w->log, &w->on_log);
    close_fd(w, &w->status, &w->on_status);
    close_fd(w, &w->child_pidfd, &w->on_child);
    close_fd(w, &w->pidns_fd, NULL);
    close_fd(w, &w->block, NULL);
    proc_free(w->outer);
    cgroup_free(w->group);
    buf_release(&w->document);
    free(w);
}

const struct wall_ops wall_local = {
    .name = "local",
    .create = local_create,
    .limits = local_limits,
    .write = local_write,
    .counters = local_counters,
    .kill = local_kill,
    .close = local_close,
};
