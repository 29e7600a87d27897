/* outfile.h - a file that is there whole or not at all, written piece by piece. [SEC-7]
 *
 * The bytes go to a temporary file in the same directory, which takes the name when all is written.
 * A failure to write is remembered and told by outfile_commit(), so that the pieces in between need
 * no checks. Standard output, pipes and devices are written as they are.
 */
#ifndef AIRLOCK_BASE_OUTFILE_H
#define AIRLOCK_BASE_OUTFILE_H

#include "buf.h"

struct launcher;
struct errand;

struct outfile {
    char *path, *temp;     /* NULL: nothing to rename */
    struct errand *holder; /* has the temporary file and will rename it; NULL: we do */
    int fd;
    bool force;
    struct buf held;
    uint64_t bytes; /* so far, those held included */
    int failed;     /* errno of the first failure; 0 none */
};

/* `path` (copied) NULL or "-": standard output. ERR_BUSY when it exists and not `force`; ERR_IO. */
int outfile_open(struct outfile *f, const char *path, bool force, struct err *e) MUST_CHECK;
/* The same for a path that a person named to a process that may not write there (confine_writes):
 * a child of the launcher makes the file, hands its descriptor over and puts it in place. Standard
 * output is no file here. `l` NULL: this process does it. */
int outfile_open_by(struct outfile *f, struct launcher *l, const char *path, bool force,
                    struct err *e) MUST_CHECK;
void outfile_add(struct outfile *f, const void *p, size_t len);
void outfile_add_str(struct outfile *f, const char *s);
void outfile_addf(struct outfile *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Did a write fail? Then what comes can be saved the trouble. */
bool outfile_failed(const struct outfile *f);
/* Ends it either way. ERR_IO, ERR_BUSY (somebody else made the file meanwhile). */
int outfile_commit(struct outfile *f, struct err *e) MUST_CHECK;
void outfile_abandon(struct outfile *f); /* no file is left; NULL-safe after commit */

#endif
