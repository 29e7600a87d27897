/* claude_program.h - an approved run as one bash command, or one cell of python, for Claude's
 * containers, the way back from that text to the run, and what the container prints about it.
 *
 * A run becomes a payload: one line of JSON, every byte from outside in base64. In the container
 * the runner (share/cells/claude/) executes it and prints one line that holds what came of it and
 * the SHA-256 of the code it ran. As a command the runner starts a fresh interpreter; the command
 * is either whole in itself, or the runner (and the payload too) lie there as files, whose SHA-256
 * the command checks first. As a cell it executes the code in the interpreter that keeps its
 * variables, after a line with the hash of the bytes that follow. [claude.md §6.4, §9, APR-3,
 * APR-4]
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
#define CLAUDE_VARS_MAX    200 /* told after a cell; more are counted */

enum claude_form {
    CLAUDE_SHELL, /* a command for bash: any language, nothing stays but files */
    CLAUDE_CELL,  /* a cell for the interpreter of the container: python, variables stay */
    CLAUDE_FORMS
};

/* What the payload holds beside the run. */
struct claude_terms {
    char token[CLAUDE_TOKEN_LEN + 1]; /* hex, fresh for each run: its result names it */
    int64_t timeout_s;                /* kept by the runner */
    enum claude_form form;
    /* CLAUDE_CELL: the token of the first run of the interpreter that is meant. A cell that finds
     * another one executes nothing. "": whichever is there; its variables begin with this run. */
    char life[CLAUDE_TOKEN_LEN + 1];
};
/* CLAUDE_SHELL. */
void claude_terms_init(struct claude_terms *t, int64_t timeout_s);

/* ---- the way there */

/* What of the run has to travel: code, check, input, files, arguments. */
size_t claude_program_bytes(const struct sandbox_run *rq);
/* ERR_LIMIT above CLAUDE_MOUNTED_MAX, ERR_USAGE: a language or path that has no place there.
 * Appends to `payload`. */
int claude_program_write(const struct sandbox_run *rq, const struct claude_terms *t,
                         struct buf *payload, struct err *e) MUST_CHECK;
/* The runner of a form, whole; of CLAUDE_SHELL for a file, too. Lent, forever. */
const struct share_file *claude_runner(enum claude_form form);

/* Append the command. With `runner` NULL the runner stands in it; else it is the runner's path.
 * With `path` NULL the payload stands in it; else that is its path (only with `runner`). Paths are
 * ours: letters, digits, "/", ".", "-", "_". -1: the buf is full. */
int claude_command_write(const char *payload, size_t len, const char *runner, const char *path,
                         struct buf *command) MUST_CHECK;
/* Append the cell. -1: the buf is full. */
int claude_cell_write(const char *payload, size_t len, struct buf *cell) MUST_CHECK;

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

/* What a command or a cell is made of; lent from it. */
struct claude_command {
    enum claude_form form;
    const char *payload; /* NULL: it lies at `path` */
    size_t payload_len;
    char runner[128], path[128];          /* "" none */
    char runner_hash[SHA256_HEX_LEN + 1]; /* what the command demands of the files; "" none */
    char payload_hash[SHA256_HEX_LEN + 1];
};
/* ERR_INTEGRITY: it is not exactly such a command or cell (the runner's text included). */
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

    /* of a cell */
    bool lost;           /* it found another interpreter than it was made for: nothing was run */
    bool died;           /* … the interpreter had to be ended */
    struct buf var_text; /* each text with a NUL behind it */
    struct claude_var {
        size_t name_at, type_at, shape_at, preview_at;
        int64_t bytes;
        enum var_change change;
        char digest[17]; /* "" not known */
    } vars[CLAUDE_VARS_MAX];
    size_t var_count;
    int64_t vars_more; /* not told */
};
void claude_result_init(struct claude_result *r);
void claude_result_release(struct claude_result *r);
/* The runner's line out of all that the command printed. ERR_FORMAT: there is none, or not whole;
 * ERR_INTEGRITY: it is of another run, or of other code than `rq`'s. */
int claude_result_read(struct claude_result *r, const char *text, size_t len,
                       const struct sandbox_run *rq, const char *token, struct err *e) MUST_CHECK;
/* Is there the line that a cell prints right before it executes `rq`'s code? */
bool claude_result_began(const char *text, size_t len, const struct sandbox_run *rq,
                         const char *token);

#endif
