/* kernel.h - our side of the guest protocol (guest/proto.h): one byte stream in, sandbox events
 * out.
 *
 * Does no input or output of its own, so the same code serves a socketpair, a Docker stream and
 * vsock. A wall starts the guest, makes a kernel, feeds it what the stream delivers, writes what it
 * is given, and hands the events through. Everything the guest says is decoded strictly: it may
 * have been taken over by the code it runs. [architecture §3, §6; NET-7]
 *
 * Guarantees
 *   - exactly one SANDBOX_FINISHED for each kernel_exec() that returned 0, then (when known) one
 *     SANDBOX_STATE for it;
 *   - no event from inside a call other than kernel_feed, kernel_tick, kernel_writable and
 *     kernel_lost;
 *   - after `broken` or kernel_lost nothing but kernel_free has an effect.
 *
 * The wall places the guest and the kernels inside (GUEST_PATH, GUEST_DIR in guest/proto.h) by
 * ro-bind-data from guest_image and share_list(), and runs GUEST_PATH without arguments.
 */
#ifndef AIRLOCK_PROVIDERS_KERNEL_H
#define AIRLOCK_PROVIDERS_KERNEL_H

#include <sys/types.h>

#include "providers/sandbox.h"

extern const char guest_image[], guest_image_end[]; /* the static program, from the Makefile */

struct kernel;

/* What the guest found out about its own walls before any code ran. */
struct kernel_hello {
    int64_t pid, uid;
    uint64_t cap_eff;
    int64_t no_new_privs, seccomp; /* as in /proc/self/status; -1 not shown there */
    bool core_pattern_writable;    /* /proc/sys/kernel/core_pattern opened for writing: host root */
    char writable[128]; /* those of / /usr /etc /dev it could write to, space-separated */
    char kernel[128], boot_id[64]; /* uname -r; "" unknown. Equal boot_id = shared kernel */
};

/* What must be true of it; else `broken` with the reason, and nothing is ever run. */
enum kernel_require {
    KERNEL_REQUIRE_NO_CAPS = 1u << 0,
    KERNEL_REQUIRE_NO_NEW_PRIVS = 1u << 1,
    KERNEL_REQUIRE_SECCOMP = 1u << 2,
    KERNEL_REQUIRE_READ_ONLY = 1u << 3, /* no write to / /usr /etc /dev */
    KERNEL_REQUIRE_NO_CORE_PATTERN = 1u << 4,
    KERNEL_REQUIRE_NOT_ROOT = 1u << 5,
    KERNEL_REQUIRE_ALL = (1u << 6) - 1,
};

struct kernel_config {
    const struct contract *contract; /* read in kernel_new only: lifecycle, timeout_s, cpu,
                                        memory_mib, pids, disk_mib, output_mib, env, python */
    const char *const *env_values;   /* of contract->env, same order; NULL items = unset */
    unsigned require;                /* enum kernel_require */
    const char *start;               /* language to start at once ("python"); NULL: on first use */
    int64_t nproc;       /* RLIMIT_NPROC of the interpreters; 0: not set (a pids cgroup counts) */
    bool watch_memory;   /* no memory cgroup: let the guest watch memory_mib, approximately */
    bool no_checkpoints; /* no frozen copies, e.g. in a twin. Implied by lifecycle=run */

    void *arg; /* first argument of all below */

    /* Send: bytes accepted (fewer than len: blocked, call kernel_writable() when there is room),
     * -1: the stream is gone (kernel_lost will follow from the wall). */
    ssize_t (*write)(void *arg, const char *ptr, size_t len);
    /* Events: READY (hello passed; id, cold_start_us and warm are the wall's to fill in), OUTPUT,
     * RESULT, FINISHED, STATE, CHECKPOINT, CHECKPOINT_LOST, SAVED, RESTORED, FILE_DONE, COMPLETION.
     * All pointers are lent for the call. RESTORED, SAVED, FILE_DONE carry err when they failed. */
    void (*sink)(void *arg, const struct sandbox_event *ev);
    /* The guest broke the protocol, failed its self-check or does not answer: kill the sandbox. A
     * run in flight has had its FINISHED. Called once, last. */
    void (*broken)(void *arg, const struct err *e);
    /* APR-3, with check_arg: see sandbox.h. NULL: no check (tests). */
    sandbox_check_body check_body;
    void *check_arg;
    /* Call kernel_tick() after delay_us (< 0: never mind). */
    void (*arm)(void *arg, int64_t delay_us);

    /* The wall's counters, or NULL; each may answer -1 = unknown. Read at the start and end of a
     * run. */
    int64_t (*oom_count)(void *arg);   /* memory.events oom_kill */
    int64_t (*pids_count)(void *arg);  /* pids.events max */
    int64_t (*memory_used)(void *arg); /* bytes: frozen copies are dropped while > half */
};

/* `cfg` is copied (strings it points to as well). Never fails. */
struct kernel *kernel_new(const struct kernel_config *cfg);
void kernel_free(struct kernel *k);

/* ---- the stream */
void kernel_feed(struct kernel *k, const char *ptr, size_t len);
void kernel_writable(struct kernel *k);
bool kernel_wants_write(const struct kernel *k); /* something is queued: watch for room */
void kernel_tick(struct kernel *k);
/* The stream ended or the wall was destroyed: a run in flight ends `as` (END_LOST becomes END_OOM
 * when the counter rose), waiting saves, restores and files fail. No `broken` call. */
void kernel_lost(struct kernel *k, enum run_end as, const char *message);

const struct kernel_hello *kernel_hello(const struct kernel *k); /* NULL before READY */
uint32_t kernel_running(const struct kernel *k);                 /* the run in flight, 0 none */

/* ---- commands. Before READY they are queued. exec, restore and load exclude each other
 * (ERR_BUSY); a save goes on beside anything, one at a time. ERR_LIMIT over a ceiling of
 * guest/proto.h, ERR_NET when the sandbox is gone, ERR_INTEGRITY when check_body refused (nothing
 * was sent, no FINISHED follows; but if the run had to wait for frozen copies to be dropped,
 * FINISHED END_INTEGRITY). */

/* The capsule's cwd holds when the interpreter is new or the request's cwd differs from the one
 * before; else a `cd` of an earlier run is state like a variable. */
int kernel_exec(struct kernel *k, const struct sandbox_run *rq, struct err *e);
void kernel_interrupt(struct kernel *k); /* idempotent; a second one after 1 s kills the live
                                            interpreter (state from the last checkpoint) */
void kernel_pause_output(struct kernel *k, bool on); /* at most CREDIT_WINDOW more bytes come */
int kernel_restore(struct kernel *k, uint32_t run, struct err *e); /* ERR_MISSING: no checkpoint */
/* SAVED: `ptr` begins with a line that names the run; pickles follow. Only kernel_load reads it,
 * and only inside a sandbox are they loaded. `lost` names what was not kept, and why. */
int kernel_save(struct kernel *k, struct err *e);
int kernel_load(struct kernel *k, const char *ptr, size_t len, struct err *e); /* RESTORED */
/* Below /workspace, never through a link; parent directories are made. Queued, done in order. */
int kernel_put(struct kernel *k, const struct sandbox_file *f, struct err *e);
int kernel_get(struct kernel *k, const char *path, size_t max, struct err *e);
/* `cursor` in bytes. COMPLETION comes with nothing while the interpreter is busy or not started. */
int kernel_complete(struct kernel *k, const char *language, const char *text, size_t cursor,
                    uint64_t token, struct err *e);

/* ---- the body of an execution, as it goes over the stream [APR-3] */

/* Append the frames of `rq` to `out` (max >= KERNEL_BODY_MAX). */
int kernel_encode_exec(const struct sandbox_run *rq, int64_t timeout_ms, bool checkpoint,
                       struct buf *out, struct err *e) MUST_CHECK;
#define KERNEL_BODY_MAX ((size_t)50 << 20)

/* The same bytes decoded again, independently of `rq`: strings are NUL-terminated copies. Only
 * bytes exactly as kernel_encode_exec writes them are accepted (ERR_FORMAT). */
struct kernel_request {
    struct sandbox_run run; /* lent from this struct */
    int64_t timeout_ms;
    bool checkpoint;
    void *own; /* private */
};
int kernel_decode_exec(struct kernel_request *out, const char *ptr, size_t len,
                       struct err *e) MUST_CHECK;
void kernel_request_release(struct kernel_request *rq);

#endif
