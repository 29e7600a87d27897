/* local_wall_int.h - private to local_wall.c, local_birth.c and local_death.c: one bubblewrap. */
#ifndef AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_WALL_INT_H
#define AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_WALL_INT_H

#include "base/loop.h"
#include "base/proc.h"
#include "providers/proxy.h"
#include "providers/sandboxes/local_cgroup.h"
#include "providers/sandboxes/local_wall.h"

#define LOCAL_LOG_TAIL 4096
#define LOCAL_START_US 10000000 /* bwrap needs 7 ms */

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
    struct proxy *proxy; /* network=allow; else NULL */
    bool outer_dead, child_dead;
    pid_t child;
    int child_pidfd, pidns_fd; /* -1 until known */
    uint64_t pidns;
    int stream, log, status, block;
    struct cgroup *group;
    bool scoped;                 /* systemd makes the group; adopted when bwrap runs */
    int64_t last[WALL_COUNTERS]; /* read just before the group goes */
    struct loop_source *on_stream, *on_log, *on_status, *on_outer, *on_child, *timer;
    bool write_blocked;
    int tries;
    struct buf document;           /* the first line of the status descriptor */
    char log_tail[LOCAL_LOG_TAIL]; /* the end of what was said on stderr */
    size_t log_len;
    struct err why;
    char id[32];
};

/* ---- local_wall.c: descriptors and events */
void local_emit(struct local_wall *w, const struct wall_event *ev);
void local_close_fd(struct local_wall *w, int *fd, struct loop_source **source);
ssize_t local_read_some(int fd, char *into, size_t size);
void local_drain_log(struct local_wall *w);
void local_drain_stream(struct local_wall *w);

/* ---- local_birth.c: from the first status document to the guest's first instruction */
bool local_take_status(struct local_wall *w); /* one read; false: nothing more now */
void local_drain_status(struct local_wall *w);

/* ---- local_death.c: killing, and the proof of it */
void local_strike(struct local_wall *w);     /* whatever can be killed now */
void local_begin_kill(struct local_wall *w); /* idempotent; retried until it is dead */
void local_fail(struct local_wall *w, const struct err *why);
void local_kill_and_wait(struct local_wall *w); /* the same without the loop; bounded */
int64_t local_read_counter(const struct local_wall *w, enum wall_counter which);
void local_on_child_end(void *arg, int fd, unsigned events);
void local_on_outer_end(void *arg, int fd, unsigned events);
void local_on_timer(void *arg);

#endif
