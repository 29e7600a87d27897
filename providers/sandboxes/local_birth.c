/* local_birth.c - takes hold of one bubblewrap's sandbox, puts its limits on, and lets it go.
 * [local-sandboxes §1.3] */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "providers/sandboxes/local_proof.h"
#include "providers/sandboxes/local_scope.h"
#include "providers/sandboxes/local_wall_int.h"

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
    /* Its end is watched before anything can fail: it is killed then, and must be seen to die. */
    if (loop_add_fd(w->loop, pidfd, LOOP_READ, LOOP_NORMAL, local_on_child_end, w, &w->on_child,
                    e) < 0 ||
        launcher_guard_pidfd(w->launcher, pidfd, e) < 0)
        return -1;
    if (proof_hold_pidns(w->launcher, w->child, &w->pidns_fd, &inode, e) < 0)
        return err_wrap(e, "local sandbox: its pid namespace");
    if (inode != w->pidns)
        return err_set(e, ERR_IO, "local sandbox: its pid namespace is not the one it told");
    return 0;
}

static int let_go(struct local_wall *w, struct err *e)
{
    if (w->scoped ? local_scope_adopt(&w->group, w->child, e) < 0
                  : w->group != NULL && cgroup_add(w->group, w->child, e) < 0)
        return -1;
    ssize_t n = send(w->block, "g", 1, MSG_NOSIGNAL);
    if (n != 1)
        return err_sys(e, ERR_IO, "local sandbox: can't let it go");
    local_close_fd(w, &w->block, NULL);
    w->phase = PHASE_UP;
    loop_arm_us(w->loop, w->timer, -1);
    struct wall_event ev = { .kind = WALL_UP, .id = w->id };
    local_emit(w, &ev);
    return 0;
}

static void use_document(struct local_wall *w)
{
    struct err e = ERR_INIT;
    int rc = read_document(w, &e);
    if (rc == 0)
        rc = grasp_child(w, &e);
    if (w->phase == PHASE_KILLING) { /* killed before it was up: it never ran a byte of ours */
        local_strike(w);
        return;
    }
    if (rc == 0)
        rc = let_go(w, &e);
    if (rc < 0)
        local_fail(w, &e);
}

/* One read. false: nothing more now. */
bool local_take_status(struct local_wall *w)
{
    char chunk[1024];
    ssize_t n = w->status >= 0 ? local_read_some(w->status, chunk, sizeof chunk) : 0;
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            local_close_fd(w, &w->status, &w->on_status);
        return false;
    }
    if (w->child != 0)
        return true; /* the second document repeats what the pidfds say */
    if (buf_add(&w->document, chunk, (size_t)n) < 0) {
        struct err e = ERR_INIT;
        err_set(&e, ERR_FORMAT, "local sandbox: bubblewrap's status is too long");
        local_fail(w, &e);
    } else if (memchr(chunk, '\n', (size_t)n) != NULL) {
        use_document(w);
    }
    return true;
}

void local_drain_status(struct local_wall *w)
{
    while (local_take_status(w))
        ;
}
