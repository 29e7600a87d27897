/* local_wall.c - the bubblewrap wall: its descriptors in the loop, and the vtable. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "providers/sandboxes/local_start.h"
#include "providers/sandboxes/local_wall_int.h"

#define READ_CHUNK (256u << 10) /* per turn: what a turn does is bounded */

void local_emit(struct local_wall *w, const struct wall_event *ev)
{
    if (w->sink != NULL)
        w->sink(w->arg, ev);
}

void local_close_fd(struct local_wall *w, int *fd, struct loop_source **source)
{
    if (source != NULL) {
        loop_remove(w->loop, *source);
        *source = NULL;
    }
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- what comes out ---- */

ssize_t local_read_some(int fd, char *into, size_t size)
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
    ssize_t n = w->log >= 0 ? local_read_some(w->log, chunk, sizeof chunk) : 0;
    if (n > 0) {
        struct wall_event ev = { .kind = WALL_LOG, .ptr = chunk, .len = (size_t)n };
        keep_log_tail(w, chunk, (size_t)n);
        local_emit(w, &ev);
        return true;
    }
    if (n == 0 || errno != EAGAIN)
        local_close_fd(w, &w->log, &w->on_log);
    return false;
}

static bool take_stream(struct local_wall *w)
{
    static char chunk[READ_CHUNK];
    ssize_t n = w->stream >= 0 ? local_read_some(w->stream, chunk, sizeof chunk) : 0;
    if (n > 0) {
        struct wall_event ev = { .kind = WALL_BYTES, .ptr = chunk, .len = (size_t)n };
        local_emit(w, &ev);
        return true;
    }
    /* The guest hung up: it is ending, or its code closed the stream. Either way it is over. */
    if (n == 0 || errno != EAGAIN) {
        local_close_fd(w, &w->stream, &w->on_stream);
        if (w->phase == PHASE_UP)
            local_begin_kill(w);
    }
    return false;
}

void local_drain_log(struct local_wall *w)
{
    while (take_log(w))
        ;
}

void local_drain_stream(struct local_wall *w)
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
        local_emit(w, &ev);
    }
    if (w->stream >= 0 && (events & (LOOP_READ | LOOP_HUP)) != 0)
        (void)take_stream(w);
}

static void on_status(void *arg, int fd, unsigned events)
{
    (void)fd, (void)events;
    (void)local_take_status(arg);
}

/* ---- the vtable ---- */

static int watch_all(struct local_wall *w, struct err *e)
{
    w->timer = loop_add_timer(w->loop, local_on_timer, w);
    loop_arm_us(w->loop, w->timer, LOCAL_START_US);
    if (loop_add_fd(w->loop, w->stream, LOOP_READ, LOOP_NORMAL, on_stream, w, &w->on_stream, e) <
            0 ||
        loop_add_fd(w->loop, w->log, LOOP_READ, LOOP_NORMAL, on_log, w, &w->on_log, e) < 0 ||
        loop_add_fd(w->loop, w->status, LOOP_READ, LOOP_NORMAL, on_status, w, &w->on_status, e) < 0)
        return -1;
    return loop_add_fd(w->loop, proc_pidfd(w->outer), LOOP_READ, LOOP_NORMAL, local_on_outer_end, w,
                       &w->on_outer, e);
}

static void local_close(struct wall *base);

static bool on_net(void *arg, const struct proxy_note *note)
{
    struct local_wall *w = arg;
    bool on_record = false;
    struct wall_event ev = { .kind = WALL_NET, .id = w->id, .net = note, .on_record = &on_record };
    local_emit(w, &ev);
    return on_record;
}

/* The proxy first: what bubblewrap starts finds its descriptor. */
static int start_all(struct local_wall *w, const struct wall_config *cfg, struct local_start *s,
                     struct err *e)
{
    struct proxy_config net = { .loop = cfg->loop,
                                .launcher = cfg->launcher,
                                .hosts = cfg->contract->hosts,
                                .host_count = cfg->contract->host_count,
                                .sink = on_net,
                                .arg = w };
    int guest_net = -1;
    if (cfg->contract->network == NETWORK_ALLOW &&
        proxy_start(&w->proxy, &net, &guest_net, e) < 0) {
        err_wrap(e, "local sandbox");
        return -1;
    }
    int rc = local_start(s, cfg, guest_net, e);
    if (guest_net >= 0)
        close(guest_net);
    return rc;
}

static int local_create(struct wall **out, const struct wall_config *cfg, struct err *e)
{
    struct local_start s;
    struct local_wall *w = xcalloc(1, sizeof *w);
    w->base.ops = &wall_local;
    w->loop = cfg->loop;
    w->launcher = cfg->launcher;
    w->sink = cfg->sink;
    w->arg = cfg->arg;
    if (start_all(w, cfg, &s, e) < 0) {
        proxy_free(w->proxy);
        free(w);
        return -1;
    }
    w->outer = s.outer;
    w->stream = s.stream;
    w->log = s.log;
    w->status = s.status;
    w->block = s.block;
    w->group = s.group;
    w->scoped = s.scoped;
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
    if (w->scoped) /* adopted later, or it is not let go */
        return WALL_LIMITS_MEMORY | WALL_LIMITS_PIDS;
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

static int64_t local_counter(const struct wall *base, enum wall_counter which)
{
    const struct local_wall *w = (const struct local_wall *)base;
    return w->phase < PHASE_REMOVING ? local_read_counter(w, which) : w->last[which];
}

static void local_kill(struct wall *base)
{
    struct local_wall *w = (struct local_wall *)base;
    w->killed = true;
    local_begin_kill(w);
}

static void local_close(struct wall *base)
{
    struct local_wall *w = (struct local_wall *)base;
    if (w == NULL)
        return;
    w->sink = NULL;
    w->killed = true;
    if (w->phase != PHASE_GONE)
        local_kill_and_wait(w);
    loop_remove(w->loop, w->timer);
    loop_remove(w->loop, w->on_outer);
    local_close_fd(w, &w->stream, &w->on_stream);
    local_close_fd(w, &w->log, &w->on_log);
    local_close_fd(w, &w->status, &w->on_status);
    local_close_fd(w, &w->child_pidfd, &w->on_child);
    local_close_fd(w, &w->pidns_fd, NULL);
    local_close_fd(w, &w->block, NULL);
    proxy_free(w->proxy);
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
    .counter = local_counter,
    .kill = local_kill,
    .close = local_close,
};
