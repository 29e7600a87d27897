/* path.h - the program's directories, and opening files with care. [SEC-2, SEC-7]
 *
 * Directories are made 0700 and must be ours; files are 0600. Nothing is ever read from a project
 * directory.
 */
#ifndef AIRLOCK_BASE_PATH_H
#define AIRLOCK_BASE_PATH_H

#include "buf.h"

struct paths {
    char *config_file;  /* $AIRLOCK_CONFIG or $XDG_CONFIG_HOME/airlock/config.ini */
    char *data_dir;     /* $AIRLOCK_DATA_DIR or $XDG_DATA_HOME/airlock */
    char *sessions_dir; /* <data_dir>/sessions */
    char *state_dir;    /* $XDG_STATE_HOME/airlock: log, history */
    char *runtime_dir;  /* $XDG_RUNTIME_DIR/airlock, or state_dir/run where that is unset */
};

/* Work the paths out (nothing is created). `data` and `config` override when not NULL. A relative
 * XDG_* value is ignored, as the XDG specification says. ERR_MISSING without HOME. */
int paths_init(struct paths *p, const char *data, const char *config, struct err *e) MUST_CHECK;
void paths_release(struct paths *p);

/* mkdir -p with 0700; the last component must be a directory, ours, and not writable by others. */
int path_make_private_dir(const char *dir, struct err *e) MUST_CHECK;

/* Read a private file whole: opened O_NOFOLLOW|O_CLOEXEC|O_NONBLOCK, regular, owner = euid, no
 * group/other bits, one link, ≤ out->max. ERR_MISSING when absent, ERR_DENIED with the fix ("chmod
 * 600 …"). */
int path_read_private(const char *path, struct buf *out, struct err *e) MUST_CHECK;

/* Read any file the person named (no owner rules), ≤ out->max: ERR_LIMIT beyond. "-" is not
 * special. */
int path_read_file(const char *path, struct buf *out, struct err *e) MUST_CHECK;
int path_read_fd(int fd, struct buf *out, struct err *e) MUST_CHECK;

/* Write a file whole through a temporary in the same directory, fsync, rename. Mode 0600. */
int path_write_file(const char *path, const void *p, size_t len, struct err *e) MUST_CHECK;
int write_all_fd(int fd, const void *p, size_t len); /* 0 or -1 (errno) */

/* Is it a relative name that stays below whatever it is put behind? None of its parts is empty, `.`
 * or
 * `..`, so it has no `/` at either end. Links are another matter. */
bool path_stays_below(const char *name);

/* "dir" + "/" + "name", caller frees. */
char *path_join(const char *dir, const char *name);

#endif
