/* local_args.h - the bubblewrap argument list of one sandbox, as a pure function. [SBX-4,
 * local-sandboxes §1.2]
 *
 * The list goes to bwrap NUL-separated through `--args FD`: a command line could be read from
 * inside in /proc/1/cmdline, host paths and values included.
 */
#ifndef AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_ARGS_H
#define AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_ARGS_H

#include "base/buf.h"
#include "providers/contract.h"

#define LOCAL_ARGS_MAX  (256u << 10)
#define LOCAL_SMALL_MIB 64 /* /tmp and /dev/shm */

/* How a system directory of the host looks: a link into /usr (merged) or a directory. */
enum local_dir_kind { LOCAL_DIR_NONE, LOCAL_DIR_LINK, LOCAL_DIR_REAL };
#define LOCAL_SYSTEM_DIRS 6
extern const char *const local_system_dirs[LOCAL_SYSTEM_DIRS]; /* "bin" "sbin" "lib" … */
#define LOCAL_PROC_HIDDEN 4
extern const char *const local_proc_hidden[LOCAL_PROC_HIDDEN]; /* host facts in /proc */

/* What the machine is like, looked up once: keeps the builder pure. */
struct local_machine {
    enum local_dir_kind dir[LOCAL_SYSTEM_DIRS];
    bool proc_hidden[LOCAL_PROC_HIDDEN]; /* exists, so must be covered */
};
void local_machine_look(struct local_machine *m);

struct local_data { /* a file given by descriptor */
    int fd;
    uint32_t mode;
    const char *path; /* inside */
};

struct local_mount_arg {
    int fd;           /* O_PATH, ordinary user; -1: use `from` */
    const char *from; /* root: where the launcher put it */
    const char *to;
    bool writable;
};

struct local_args {
    const struct contract *contract;
    const struct local_machine *machine;
    const struct local_data *data;
    size_t data_count;
    const struct local_mount_arg *mounts;
    size_t mount_count;
    int seccomp_fd, status_fd, block_fd; /* numbers in bwrap's process */
};

/* Append the list. ERR_LIMIT past out->max. */
int local_args_build(struct buf *out, const struct local_args *a, struct err *e) MUST_CHECK;

#endif
