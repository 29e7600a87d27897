/* proc.h - starting programs, through the launcher. [architecture §8, SEC-3, SEC-7]
 *
 * `main` forks the launcher first (before threads, curl, SQLite, reading any key). Everything that
 * is not us (bwrap, the editor, a key command, an opener, outside agents) is started by it on
 * request over one SOCK_SEQPACKET pair; descriptors go there, pidfds come back by SCM_RIGHTS.
 * Waiting is by pidfd, the exit status comes by message. It dies with us and then SIGKILLs the
 * children it was told to kill (sandbox pid 1). No shell, no PATH search at exec time, no inherited
 * environment or descriptors.
 */
#ifndef AIRLOCK_BASE_PROC_H
#define AIRLOCK_BASE_PROC_H

#include <sys/types.h>
#include "loop.h"

struct launcher; /* client side */

/* Fork the launcher. Call first thing in main. */
int launcher_start(struct launcher **out, struct err *e) MUST_CHECK;
void launcher_stop(struct launcher *l);
pid_t launcher_pid(const struct launcher *l);
bool launcher_is_gone(const struct launcher *l); /* it died under us, and we noticed */

#define PROC_FDS_MAX    48
#define PROC_MOUNTS_MAX 16
struct proc_fd {
    int ours;  /* descriptor in this process, borrowed (a copy travels) */
    int child; /* number it has in the child */
};

struct proc_spec {
    const char *path; /* absolute */
    /* Instead of a program: a function of ours, run in the launcher's child (a copy of this program
     * as it was before any key was read) with these arguments and descriptors and no environment;
     * its value is the exit status. `path` then only names it in messages. */
    int (*inside)(int argc, char **argv);
    const char *const *argv; /* NULL-terminated */
    const char *const *envp; /* NULL-terminated; built from nothing */
    const char *cwd;         /* NULL: "/" */
    struct proc_fd fds[PROC_FDS_MAX];
    size_t fd_count;     /* 0–2 not named become /dev/null; all others are closed (close_range) */
    bool new_session;    /* setsid */
    bool foreground_tty; /* the editor: keep our controlling terminal */
    bool drop_root; /* as root: setgroups(0), uid/gid 61184 + launcher pid % 4096; refuse if still 0
                     */
    bool kill_on_death; /* launcher SIGKILLs it when we die */
    uint64_t nofile;    /* 0: unchanged */
    /* Root only: detached mounts (open_tree(OPEN_TREE_CLONE), borrowed) which the child, before it
     * drops root and in a private mount namespace of its own, moves to PROC_MOUNT_DIR "/0", "/1"
     * … (a tmpfs that only that namespace sees; directories, or empty files for file mounts). The
     * dropped uid could not walk there by the original path. ERR_IO when a step fails: the program
     * is not started then. */
    int mounts[PROC_MOUNTS_MAX];
    size_t mount_count;
};
#define PROC_MOUNT_DIR "/run/airlock/m"

struct proc; /* one child */

/* Runs in the loop's turn; the answer is waited for (< 2 ms). ERR_MISSING (no such program),
 * ERR_IO. */
int proc_spawn(struct launcher *l, const struct proc_spec *spec, struct proc **out,
               struct err *e) MUST_CHECK;
pid_t proc_pid(const struct proc *p);
int proc_pidfd(const struct proc *p);     /* readable at exit; lent */
int proc_kill(struct proc *p, int signo); /* through the pidfd */

/* Non-blocking: true once it ended, with status as of waitpid(2). */
bool proc_wait_nohang(struct proc *p, int *status);
int proc_wait(struct proc *p, int timeout_ms, int *status,
              struct err *e) MUST_CHECK; /* ERR_LIMIT on timeout */
void proc_free(struct proc *p);          /* does not kill */

/* Register another process the launcher must SIGKILL when we die (sandbox pid 1), by pidfd. */
int launcher_guard_pidfd(struct launcher *l, int pidfd, struct err *e) MUST_CHECK;

/* Short turns at the processor for this process, not for its children: when a key or an answer
 * wakes it, it goes before what computes there, the supervised code above all. Linux 6.12 or newer;
 * without effect elsewhere. */
void proc_take_short_turns(void);

/* First word of a helper command resolved once against PATH → absolute path (caller frees), or
 * ERR_MISSING. */
int proc_resolve(const char *word, char **out, struct err *e) MUST_CHECK;
/* Split on blanks with quotes, no shell. NULL-terminated, one allocation block; free with
 * proc_free_words. */
int proc_split_words(const char *command, char ***out, struct err *e) MUST_CHECK;
void proc_free_words(char **words);
/* Environment for host helpers: the names of SEC-3 only. Caller frees with proc_free_words. */
char **proc_helper_env(void);

/* uid/gid the launcher drops to when root (else our own). */
uid_t launcher_sandbox_uid(const struct launcher *l);

#endif
