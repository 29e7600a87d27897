/* proc_wire.h - private to proc.c, launcher.c and spawn.c: what travels between us and the
 * launcher. Both ends are one program, so structs go as they are; still, lengths are checked.
 *
 *   us → launcher   struct wire_spawn + strings (path, cwd, argv…, envp…, each with its NUL)
 *                                + descriptors (the child's, then the mounts)
 *                   struct wire_guard + one pidfd
 *   launcher → us   struct wire_answer: STARTED (+ pidfd, or the step that failed), then ENDED
 */
#ifndef AIRLOCK_BASE_PROC_WIRE_H
#define AIRLOCK_BASE_PROC_WIRE_H

#include <sys/types.h>
#include "base/proc.h"

#define WIRE_MESSAGE_MAX  (256 * 1024)
#define WIRE_CHILD_FDS    (PROC_FDS_MAX + 3) /* foreground_tty adds our 0–2 */
#define WIRE_FDS_MAX      (WIRE_CHILD_FDS + PROC_MOUNTS_MAX)
#define WIRE_CHILD_FD_TOP 255  /* highest number a descriptor may have in the child */
#define WIRE_EXEC_MS      2000 /* the launcher's patience with one exec; ours is longer */

enum wire_kind { WIRE_SPAWN = 1, WIRE_GUARD, WIRE_STARTED, WIRE_ENDED };

enum wire_flag {
    WIRE_NEW_SESSION = 1,
    WIRE_FOREGROUND = 2,
    WIRE_DROP_ROOT = 4,
    WIRE_KILL_ON_DEATH = 8,
};

struct wire_spawn {
    uint32_t kind, id;
    uint32_t flags;
    uint32_t fd_count, mount_count, argc, envc;
    uint64_t nofile;
    uintptr_t
        inside; /* the function, 0: the path. The launcher is a fork: one address space layout */
    int32_t child_fd[WIRE_CHILD_FDS];
};

struct wire_guard {
    uint32_t kind, id;
};

/* Where a start failed; spawn_step_name() says it in words. */
enum spawn_step {
    SPAWN_OK,
    SPAWN_REQUEST,
    SPAWN_FORK,
    SPAWN_DESCRIPTORS,
    SPAWN_SESSION,
    SPAWN_MOUNTS,
    SPAWN_LIMITS,
    SPAWN_DROP_ROOT,
    SPAWN_DEATH_SIGNAL,
    SPAWN_CWD,
    SPAWN_EXEC,
};

struct wire_answer {
    uint32_t kind, id;
    int32_t pid;    /* STARTED: 0 when it failed */
    int32_t status; /* ENDED: as of waitpid(2) */
    int32_t step;   /* STARTED: enum spawn_step */
    int32_t error;  /* STARTED: errno at that step */
};

/* One message of head + body, with descriptors (borrowed). -1: errno. Never raises SIGPIPE. */
int wire_send(int sock, const void *head, size_t head_len, const void *body, size_t body_len,
              const int *fds, size_t fd_count, bool wait);
/* One message, with its descriptors (close-on-exec, now ours); without any when we have no room for
 * all of them. Returns its length, 0 at the end, -1: errno (EAGAIN without `wait`; EMSGSIZE when it
 * was longer than `size`). */
ssize_t wire_recv(int sock, void *ptr, size_t size, int fds[WIRE_FDS_MAX], size_t *fd_count,
                  bool wait);

/* launcher.c: what the forked launcher does for the rest of its life. */
void launcher_main(int sock, pid_t client) NORETURN;

/* spawn.c: start one program. All borrowed; descriptors stay open here. */
struct spawn_plan {
    const char *path, *cwd;
    char **argv, **envp;
    uintptr_t inside;
    const int *fds;          /* here … */
    const int32_t *child_fd; /* … and there */
    size_t fd_count;
    const int *mounts;
    size_t mount_count;
    unsigned flags;
    uint64_t nofile;
};

/* 0 and the pid, once exec succeeded; else an errno and the step. The child is then gone. */
int spawn_start(const struct spawn_plan *plan, pid_t *pid, enum spawn_step *step);
const char *spawn_step_name(enum spawn_step step);
/* The uid (and gid) children drop to when the launcher is root. */
uid_t spawn_drop_uid(pid_t launcher);

#endif
