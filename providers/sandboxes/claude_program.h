/* claude_program.h - an approved run as one bash command for Claude's containers, the way back from
 * that command to the run, and what the container prints about it.
 *
 * A run becomes a payload: one line of JSON, every byte from outside in base64. In the container
 * share/cells/claude.py (the runner) executes it and prints one line that holds what came of it and
 * the SHA-256 of the code it ran. The command is either whole in itself, or the runner (and the
 * payload too) lie there as files, whose SHA-256 the command checks first. [claude.md §6.4, §9,
 * APR-3, APR-4]
 */
#ifndef AIRLOCK_SANDBOXES_CLAUDE_PROGRAM_H
#define AIRLOCK_SANDBOXES_CLAUDE_PROGRAM_H

#include "base/json.h"
#include "base/sha256.h"
#include "providers/sandbox.h"

#define CLAUDE_LITERAL_MAX ((size_t)8 << 10)  /* bytes that a command may carry by itself */
#define CLAUDE_MOUNTED_MAX ((size_t)24 << 20) /* bytes that a file may carry */
#define CLAUDE_TOKEN_LEN   32
#define CLAUDE_OUT_MAX     40960 /* of stdout, from its beginning, comes back; more is counted */
#define CLAUDE_ERR_MAX     12288
#define CLAUDE_EXISTS_MAX  64

/* What the payload holds beside the run. */
struct claude_terms {
    char token[CLAUDE_TOKEN_LEN + 1]; /* hex, fresh for each run: its result names it */
    int64_t timeout_s;                /* kept by the runner */
};
void claude_terms_init(struct claude_terms *t, int64_t timeout_s);

/* ---- the way there */

/* What of the run has to travel: code, check, input, files, arguments. */
size_t claude_program_bytes(const struct sandbox_run *rq);
/* ERR_LIMIT above CLAUDE_MOUNTED_MAX, ERR_USAGE: a language or path that has no place there.
 * Appends to `payload`. */
int claude_program_write(const struct sandbox_run *rq, const struct claude_terms *t,
                         struct buf *payload, struct err *e) MUST_CHECK;
/* The runner, for a file. Lent, forever. */
const struct share_file *claude_runner(void);

/* Append the command. With `runner` NULL the runner stands in it; else it is the runner's path.
 * With `path` NULL the payload stands in it; else that is its path (only with `runner`). Paths are
 * ours: letters, digits, "/", ".", "-", "_". -1: the buf is full. */
int claude_command_write(const char *payload, size_t len, const char *runner, const char *path,
                         struct buf *command) MUST_CHECK;

/* ---- the way back, by other code than the way there: for check_body */

struct claude_decoded {
    struct sandbox_run rq; /* lent until release */
    struct claude_terms terms;
    struct json *root;
    struct buf bytes; /* all that was base64, each with a NUL behind it */
    const char **argv, **exists;
    struct sandbox_file *files;
};
/* ERR_INTEGRITY: it is no payload of ours. Release in any case. */
int claude_program_read(struct claude_decoded *out, const char *payload, size_t len,
                        struct err *e) MUST_CHECK;
void claude_decoded_release(struct claude_decoded *d);

/* What a command is made of; lent from it. */
struct claude_command {
    const char *payload; /* NULL: it lies at `path` */
    size_t payload_len;
    char runner[128], path[128];          /* "" none */
    char runner_hash[SHA256_HEX_LEN + 1]; /* what the command demands of the files; "" none */
    char payload_hash[SHA256_HEX_LEN + 1];
};
/* ERR_INTEGRITY: it is not exactly such a command (the runner's text included). */
int claude_command_read(struct claude_command *out, const char *command, size_t len,
                        struct err *e) MUST_CHECK;

/* ---- what came of it */

struct claude_result {
    bool failed; /* the runner could not start it: why is in `err` */
    int code;    /* exit status; below 0: minus the signal */
    bool late;   /* the runner ended it after timeout_s */
    int64_t wall_us;
    struct buf out, err;
    uint64_t out_bytes, err_bytes; /* as produced */
    struct buf error[3];           /* name, value, traceback of python; empty: none */
    struct buf value;              /* of a last expression, python; empty: none */
    bool check_ran;
    struct buf check_text; /* empty: it passed */
    struct buf root;       /* where the workspace is there */
    bool exists[CLAUDE_EXISTS_MAX];
    struct buf paths; /* of changed files, each with a NUL behind it */
    struct {
        size_t path_at;
        enum var_change change;
        int64_t bytes;
    } files[100];
    size_t file_count;
};
void claude_result_init(struct claude_result *r);
void claude_result_release(struct claude_result *r);
/* The runner's line out of all that the command printed. ERR_FORMAT: there is none, or not whole;
 * ERR_INTEGRITY: it is of another run, or of other code than `rq`'s. */
int claude_result_read(struct claude_result *r, const char *text, size_t len,
                       const struct sandbox_run *rq, const char *token, struct err *e) MUST_CHECK;

#endif
