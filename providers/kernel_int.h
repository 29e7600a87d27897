/* kernel_int.h - what the files of the kernel share: kernel.c (the stream), kernel_setup.c (the
 * first messages), kernel_ask.c (what it is asked), kernel_said.c (what the guest says),
 * kernel_done.c (how a run ended), kernel_vars.c (variables and files compared), kernel_codec.c
 * (bodies). */
#ifndef AIRLOCK_PROVIDERS_KERNEL_INT_H
#define AIRLOCK_PROVIDERS_KERNEL_INT_H

#include "base/json.h"
#include "base/sha256.h"
#include "providers/guest/proto.h"
#include "providers/kernel.h"

enum kernel_phase { KERNEL_GREETING, KERNEL_UP, KERNEL_DEAD };
enum kernel_op { KERNEL_IDLE, KERNEL_EXEC, KERNEL_RESTORE, KERNEL_LOAD };
enum kernel_language { KERNEL_PYTHON, KERNEL_JAVASCRIPT, KERNEL_BASH, KERNEL_LANGUAGES };

#define KERNEL_VARS_MAX    4000 /* of one report */
#define KERNEL_FILES_MAX   2000
#define KERNEL_COMPLETIONS 32
#define KERNEL_OUT_MAX     ((size_t)512 << 20)
#define KERNEL_GET_MAX     ((size_t)1 << 30)
#define KERNEL_OVERDUE_US  8000000 /* over a run's time: grace, kill and resume are done by then */

/* In front of a saved namespace: the run it is the state after. */
#define KERNEL_SAVED_HEAD     "AIRLOCK-SAVED 1 %010u\n"
#define KERNEL_SAVED_HEAD_LEN 27

struct kernel_var {
    char *name, *type, *shape, *preview, *digest;
    int64_t bytes;
    bool opaque; /* equal digests prove nothing */
};
struct kernel_vars { /* sorted by name once complete */
    struct kernel_var *v;
    size_t count, cap;
};

/* A report that is coming in: the files at once, the variables when they are read. */
struct kernel_report {
    uint32_t run;
    int language; /* -1 none */
    bool have_files, have_vars, vars_unknown, lost;
    struct kernel_vars vars;
    struct sandbox_changed_file *files;
    size_t file_count;
    struct kernel_report *next;
};

struct kernel_checkpoint {
    uint32_t run;
    bool have_vars;
    struct kernel_vars vars;
    struct kernel_checkpoint *next; /* younger */
};

struct kernel_changed { /* a file changed by a run, while a checkpoint before it lives */
    uint32_t run;
    char *path;
};

struct kernel_run {
    uint32_t id;
    int language;
    size_t exists_count;
    bool waiting; /* for frozen copies to be dropped; the body is not on its way */
    bool begun, check, dropping;
    int64_t timeout_ms, overdue_us;
    int64_t oom, pids; /* counters at the start; -1 unknown */
    uint64_t bytes[2], dropped[2], result_bytes;
    struct buf body;
    char *mime; /* of a result that comes in parts */
    bool result_main, result_bad;
    struct buf result;
};

struct kernel_file {
    bool get;
    uint64_t token;
    char *path;
    size_t max;
    struct buf body; /* the whole message of a put */
    struct kernel_file *next;
};

struct kernel {
    struct kernel_config cfg;
    /* copies of what the config points to */
    int64_t timeout_ms;
    uint64_t output_max;
    int64_t memory_max;
    bool checkpoints;
    char *start, *python;

    enum kernel_phase phase;
    struct kernel_hello hello;

    struct buf out; /* queued to the guest; out_at of it is sent */
    size_t out_at;
    bool gone; /* the stream takes nothing any more */

    size_t magic_at; /* of GUEST_MAGIC seen */
    unsigned char head[FRAME_HEAD];
    size_t head_len, payload_left;
    struct buf payload; /* control */

    bool paused;
    uint64_t unacknowledged; /* bytes of output and bulk we have not given credit for */
    uint64_t background_bytes;

    enum kernel_op op;
    struct kernel_run run;
    uint32_t restore_run;
    int64_t op_overdue_us;

    bool saving;
    struct buf saved;
    struct sha256 *saved_sha; /* of what came of it so far */
    struct kernel_file *files, **files_end;
    struct buf bulk; /* of a get */
    uint64_t next_token;
    struct {
        uint64_t token; /* theirs */
        uint64_t id;    /* ours, 0 free */
    } completions[KERNEL_COMPLETIONS];

    struct kernel_vars last[KERNEL_LANGUAGES];
    struct kernel_report *reports;
    struct kernel_checkpoint *checkpoint_list; /* oldest first */
    size_t checkpoint_count;
    struct kernel_changed *changed;
    size_t changed_count;
};

/* kernel.c */
void kernel_break(struct kernel *k, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
void kernel_emit(struct kernel *k, const struct sandbox_event *ev);
void kernel_flush(struct kernel *k);
void kernel_give_credit(struct kernel *k);
void kernel_send_about(struct kernel *k, const char *t, uint32_t run); /* {"t":t,"run":run} */
/* Begin a message; then members; then kernel_send_body closes it, with one or two byte strings. */
void kernel_begin_json(struct json_w *w, struct buf *json, const char *t);
void kernel_send_body(struct kernel *k, struct buf *json, struct json_w *w, const char *a,
                      size_t a_len, const char *b, size_t b_len, struct buf *out);
int kernel_language(const char *name); /* -1 */
void kernel_rearm(struct kernel *k);
int64_t kernel_counter(const struct kernel *k, int64_t (*fn)(void *)); /* -1 unknown */

/* kernel_setup.c: queued when the kernel is made, sent once the guest has said hello */
void kernel_queue_setup(struct kernel *k, const struct kernel_config *cfg);
void kernel_queue_start(struct kernel *k); /* the interpreter of k->start */

/* kernel_ask.c */
void kernel_go_on(struct kernel *k);    /* after a drop: drop another one, or send what waited */
void kernel_run_over(struct kernel *k); /* the run is about to have its FINISHED */
void kernel_next_file(struct kernel *k);

/* kernel_said.c: one control message */
void kernel_said(struct kernel *k, const char *ptr, size_t len);

/* kernel_done.c */
void kernel_finish(struct kernel *k, struct sandbox_finished *f); /* emits the one FINISHED */
int kernel_said_done(struct kernel *k, const struct json *m, struct err *e);

/* kernel_codec.c */
void kernel_frame(struct buf *out, unsigned kind, const void *p, size_t len);

/* kernel_vars.c */
void kernel_vars_release(struct kernel_vars *v);
struct kernel_report *kernel_report(struct kernel *k, uint32_t run, bool make);
int kernel_report_vars(struct kernel *k, struct kernel_report *r, const struct json *of,
                       struct err *e);
int kernel_report_files(struct kernel *k, struct kernel_report *r, const struct json *files,
                        struct err *e);
void kernel_report_maybe_tell(struct kernel *k, struct kernel_report *r);
void kernel_report_free(struct kernel_report *r);
struct kernel_checkpoint *kernel_checkpoint(struct kernel *k, uint32_t run);
void kernel_checkpoint_add(struct kernel *k, uint32_t run);
void kernel_checkpoint_remove(struct kernel *k, uint32_t run);
/* Names of language `lang` as "name" or "language:name"; the caller frees items and array. */
char **kernel_names(const struct kernel_vars *v, const char *prefix, char **list, size_t *count);
char **kernel_changed_since(const struct kernel *k, uint32_t run, char **list, size_t *count);
void kernel_vars_take(struct kernel *k, int language, const struct kernel_vars *from); /* copied */

#endif
