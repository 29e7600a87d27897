/* sandbox.h - the sandbox layer: where code runs that is not this process or this host's file
 * system.
 *
 * One `const struct sandbox_ops` per kind, one array in registry.c. Calls return at once;
 * everything that comes back arrives through the sink of the config, from the loop, never from
 * inside the call itself. For each exec there is exactly one SANDBOX_FINISHED, whatever happens.
 * Differences are capability flags, never a test on a name. There is no fallback to the host.
 * [architecture §3]
 */
#ifndef AIRLOCK_PROVIDERS_SANDBOX_H
#define AIRLOCK_PROVIDERS_SANDBOX_H

#include "base/buf.h"
#include "providers/contract.h"

struct loop;
struct launcher;
struct proxy_note;
struct sandbox;

enum sandbox_caps {
    SANDBOX_IS_STATEFUL = 1u << 0,    /* variables survive from run to run */
    SANDBOX_CAN_CHECKPOINT = 1u << 1, /* restore(run) works while the sandbox lives */
    SANDBOX_CAN_SAVE = 1u << 2,       /* save/load of the namespace across sandboxes */
    SANDBOX_CAN_PAUSE = 1u << 3,
    SANDBOX_CAN_SNAPSHOT = 1u << 4,
    SANDBOX_CAN_FILES = 1u << 5, /* put/get */
    SANDBOX_CAN_NET_DENY = 1u << 6,
    SANDBOX_CAN_NET_ALLOWLIST = 1u << 7,
    SANDBOX_CAN_COMPLETE = 1u << 8,     /* completion of REPL names */
    SANDBOX_HAS_NATIVE_GATE = 1u << 9,  /* the provider holds the call until we confirm it */
    SANDBOX_IS_CHECKED_ONLY = 1u << 10, /* "checked, not gated": must be said on the gate */
    SANDBOX_IS_REMOTE = 1u << 11,       /* costs money or outlives us: intent row, label, reaper */
    SANDBOX_CAN_WARM = 1u << 12,        /* prewarm() is worth calling */
    SANDBOX_CAN_TWIN = 1u << 13,        /* a throw-away twin for a dry run can be made cheaply */
    SANDBOX_IS_TEXT_ONLY = 1u << 14,    /* the interpreter's output comes through its own protocol:
                                           bytes that are no UTF-8 are replaced, what comes after
                                           the end of a run is lost, code must be UTF-8 */
    SANDBOX_SHELL_FORGETS = 1u << 15,   /* each run of bash is a shell of its own */
    SANDBOX_NO_PROBES = 1u << 16,       /* code can't be run without a model being asked, so nothing
                                           is tried in a new one: its isolation stays unproved */
    SANDBOX_TELLS_AT_END = 1u << 17,    /* output comes in one piece when the run is over, and only
                                           its first tens of KiB; what is more is counted */
    SANDBOX_TAKES_LITTLE = 1u << 18,    /* code and input of some KiB at most */
};

enum sandbox_stream { STREAM_STDOUT = 1, STREAM_STDERR = 2 };

/* How a run ended. The words are those of `run.finished`.end in interface.md. */
enum run_end {
    END_EXIT,
    END_SIGNAL,
    END_TIMEOUT,
    END_INTERRUPTED,
    END_KILLED,
    END_OOM,
    END_LIMIT,
    END_LOST,
    END_SANDBOX,
    END_PROVIDER,
    END_UNKNOWN,
    END_INTEGRITY,
    END_DENIED
};
const char *run_end_name(enum run_end end); /* registry.c */

struct sandbox_file {
    char *name; /* relative to /workspace, no "..", no leading "/" */
    uint32_t mode;
    char *ptr;
    size_t len;
};

/* The number of the program's own questions to a new sandbox (tool/birth.h): no checkpoint follows
 * them, what they do is no use of a sandbox that is for one run, and their state is nobody's. */
#define SANDBOX_PROBE_RUN UINT32_MAX

/* What an execution consists of: exactly the capsule's fields 7–15, as bytes. */
struct sandbox_run {
    uint32_t run;
    const char *language;    /* "python", "javascript", "bash" */
    const char *interpreter; /* "/usr/bin/python3" … */
    const char *code;
    size_t code_len;
    const char *const *argv; /* argv_count items; python's sys.argv, bash's $0 $1 … */
    size_t argv_count;
    const char *cwd;   /* "/workspace" */
    const char *input; /* stdin; empty = immediate EOF */
    size_t input_len;
    const struct sandbox_file *files; /* put there before the code */
    size_t file_count;
    const char *check_code; /* python that raises when wrong; "" = none. Runs after the code, same
                               interpreter */
    size_t check_code_len;
    const char *const
        *exists; /* paths whose existence is asked for after the run (`file PATH exists`) */
    size_t exists_count;
};

enum var_change { CHANGE_NEW, CHANGE_CHANGED, CHANGE_SAME, CHANGE_GONE, CHANGE_UNKNOWN };
const char *var_change_name(enum var_change c);

struct sandbox_var {
    const char *name, *type, *shape, *preview,
        *digest;   /* shape/digest may be "" ; preview is UTF-8 ≤ 400 bytes */
    int64_t bytes; /* -1 unknown */
    enum var_change change;
};
struct sandbox_changed_file {
    const char *path; /* relative to /workspace, as bytes made UTF-8 */
    enum var_change change;
    int64_t bytes;
};

enum sandbox_event_kind {
    SANDBOX_READY,      /* id, cold_start_us, warm */
    SANDBOX_FAILED,     /* err: create failed, or the sandbox died while no run was on. Followed by
                           CLOSED */
    SANDBOX_OUTPUT,     /* run (0 = background), stream, ptr/len */
    SANDBOX_RESULT,     /* run, mime, ptr/len (decoded bytes), main */
    SANDBOX_FINISHED,   /* run, finished */
    SANDBOX_STATE,      /* run, vars, files; after FINISHED when known */
    SANDBOX_CHECKPOINT, /* run, checkpoint_kind "fork" */
    SANDBOX_CHECKPOINT_LOST, /* run */
    SANDBOX_SAVED,     /* run, ptr/len = the saved namespace (opaque), digest (hex; equal namespaces
                          have equal ones), names kept[]/lost[] */
    SANDBOX_RESTORED,  /* run = from_run, kept[], lost[] */
    SANDBOX_FILE_DONE, /* path, ptr/len for get; err when it failed */
    SANDBOX_COMPLETION, /* token, kept[] = candidates */
    SANDBOX_USAGE,      /* usage: what was used up since the last one */
    SANDBOX_NET,    /* run (the last one when none is on), net, on_record: under network=allow, an
                       attempt to reach a host, or the end of a connection */
    SANDBOX_QUEUED, /* no room for another one at the moment (err: why): it is asked for again, for
                       at most `ms`; READY or FAILED follows. kill() gives up */
    SANDBOX_PAUSED, /* it keeps its memory and costs nothing until wake(); err: it runs on, or
                       (confirmed) stays paused, since it could not be woken */
    SANDBOX_SNAPSHOT, /* run, id: what a later sandbox can start from; err: there is none. id and
                         err: it could not be deleted; neither: it is deleted */
    SANDBOX_LEASE,    /* ms: it ends in so long, unless something changes that again */
    SANDBOX_CLOSED,   /* confirmed = no process is left; always the last event */
};

struct sandbox_finished {
    enum run_end end;
    const char *what; /* END_LIMIT: "pids", "disk", "file size", "output", "protocol" …; else "" */
    const char *limits_hit; /* "pids,disk": seen and handled by the code; "" none */
    bool has_code;
    int code; /* exit status, or the signal number for END_SIGNAL */
    const char *error_name, *error_value, *error_traceback; /* "" when none */
    int64_t wall_us;
    uint64_t stdout_bytes, stderr_bytes;     /* as produced, dropped ones included */
    uint64_t stdout_dropped, stderr_dropped; /* beyond output_mib */
    bool check_ran, check_ok;
    const char *check_text; /* why the check failed */
    const bool *exists;     /* one per sandbox_run.exists; NULL when the run never got there */
    size_t exists_count;
    bool state_lost; /* the interpreter died: variables are gone unless a checkpoint was resumed */
    uint32_t resumed_from; /* run whose checkpoint was resumed by itself after a crash; 0 none */
    const char *message;   /* one line for a person: what and what to do; "" */
};

/* Of sandboxes that a model works: its tokens. What the sandbox itself costs is told by cost(). */
struct sandbox_usage {
    const char *source; /* "claude-messages claude-haiku-5-5" */
    int64_t input_tokens, output_tokens, cache_read_tokens;
    int64_t cost_nanousd; /* -1 unknown */
};

struct sandbox_event {
    enum sandbox_event_kind kind;
    uint32_t run;
    uint64_t token;
    const char *id;
    int64_t cold_start_us;
    bool warm, main, confirmed;
    bool again; /* READY: it lived before (attach, snapshot, wake): RESTORED follows with what its
                   interpreter still has */
    int64_t ms;
    enum sandbox_stream stream;
    const char *mime, *path, *digest, *checkpoint_kind;
    const char *ptr;
    size_t len;
    struct buf
        *blob; /* SAVED: what ptr lies in, or NULL; who keeps it takes it and leaves it empty */
    const struct sandbox_finished *finished;
    const struct sandbox_usage *usage;
    const struct sandbox_var *vars;
    size_t var_count;
    const struct sandbox_changed_file *files;
    size_t file_count;
    const char *const *kept;
    size_t kept_count;
    const char *const *lost;
    size_t lost_count;
    const struct err *err;
    const struct proxy_note *net; /* providers/proxy.h */
    bool *on_record; /* NET, of an attempt: set it once it is on disk; else nothing goes out */
    bool background; /* NET: no run was on */
};

/* One that says nothing but how: all texts empty, nothing known. `message` is lent. */
struct sandbox_finished sandbox_finished_bare(enum run_end end, const char *message);

/* All pointers are lent for the call. */
typedef void (*sandbox_sink)(void *arg, struct sandbox *s, const struct sandbox_event *ev);

/* Called right before the first byte of an execution leaves, with the request decoded again from
 * the adapter's own final body: -1 stops it (the run then ends END_INTEGRITY, nothing sent).
 * [APR-3] */
typedef int (*sandbox_check_body)(void *arg, const struct sandbox_run *decoded, struct err *e);

struct net;
struct fleet_ops;
typedef const char *(*sandbox_setting_fn)(void *arg, const char *name);
/* What a kind needs to say whether it could be used. */
struct sandbox_host {
    struct launcher *launcher;
    sandbox_setting_fn
        setting; /* keys and addresses by the vendors' own names; NULL when not set */
    void *setting_arg;
};

struct sandbox_config {
    struct loop *loop;
    struct launcher *launcher;
    struct net *net;            /* of remote ones; NULL: none */
    sandbox_setting_fn setting; /* as in sandbox_host; may be NULL */
    void *setting_arg;
    const struct contract *contract; /* copied */
    const char *image;               /* template, image, rootfs; NULL = default */
    const char *label;               /* random instance id + seq, sent as metadata [SBX-9] */
    const char *const *env_values;   /* values of contract->env, same order; NULL = unset */
    bool allow_warm; /* may adopt the prewarmed one when the contract equals the default */
    /* Not a new one, where it can: the one with this id, living or paused ("": whichever has
     * `label`), or one that starts from this snapshot. Both NULL: a new one. */
    const char *attach, *snapshot;
    /* Billionths of a dollar it may still cost, its own life so far not counted; -1 no limit. NULL:
     * no limit. `arg` is the one below. */
    int64_t (*allowance)(void *arg);
    sandbox_sink sink;
    sandbox_check_body check_body;
    void *arg;
};

struct sandbox_ops;
/* Words behind a comma of the image that choose another table ("kernel=ours"), or, with `ops` NULL
 * and a "=" at the end, options that the table reads by itself ("snapshots="). */
struct sandbox_variant {
    const char *word; /* NULL: the last one */
    const struct sandbox_ops *ops;
};

struct sandbox_ops {
    const char *name;      /* "local", as in `-s` */
    const char *title;     /* one line for `providers` */
    const char *isolation; /* "process (namespaces + seccomp)" */
    const char *held_by;   /* said at the gate: who sees to it that only this runs, and only so. One
                              line for a tired person, at most 68 columns; NULL nobody says */
    unsigned caps;
    const char *languages; /* "python,javascript,bash" */

    /* Is it there? 0, or -1 with what is missing and the exact remedy. Quick, no side effect that
     * outlives it. */
    int (*available)(const struct sandbox_host *h, struct err *e);
    /* Where code and data would go: field 5 of the capsule. NULL: this machine. */
    int (*origin)(const struct sandbox_host *h, char *room, size_t size, struct err *e);
    /* What of `c` would be kept, and how. Pure given the machine. */
    void (*enforcement)(const struct contract *c, struct contract_enforcement *out);
    /* "interpreter" of a language under `c` (static or lent from c): capsule field 8. NULL:
     * language not offered. */
    const char *(*interpreter)(const struct contract *c, const char *language);

    /* The code of Airlock's own that runs in the interpreter after each run, whole, for a person to
     * read (static); its digest is in the contract. NULL: there is none. */
    const char *(*introspection)(size_t *len);

    /* Begin creating. READY or FAILED follows. */
    int (*open)(struct sandbox **out, const struct sandbox_config *cfg, struct err *e);
    /* Queue one execution; one at a time. ERR_BUSY while another runs. */
    int (*exec)(struct sandbox *s, const struct sandbox_run *rq, struct err *e);
    void (*interrupt)(
        struct sandbox *s); /* idempotent; the run ends END_INTERRUPTED if the code obeys */
    void (*kill)(struct sandbox *s,
                 enum run_end as); /* destroy; a run in flight ends `as`; CLOSED follows */
    void (*pause_output)(struct sandbox *s, bool on); /* back-pressure */
    int (*restore)(struct sandbox *s, uint32_t run,
                   struct err *e); /* go back to the state after `run` → RESTORED */
    /* Would this run find less than earlier ones left there? The line that says so at the gate
     * (lent until the next call); NULL: no. The function NULL: never. */
    const char *(*starts_over)(struct sandbox *s, const struct sandbox_run *rq);
    int (*save)(struct sandbox *s, struct err *e); /* → SAVED */
    int (*load)(struct sandbox *s, const char *ptr, size_t len,
                struct err *e); /* a SAVED blob → RESTORED */
    int (*put)(struct sandbox *s, const struct sandbox_file *f, struct err *e); /* → FILE_DONE */
    int (*get)(struct sandbox *s, const char *path, size_t max,
               struct err *e); /* → FILE_DONE; never follows a link out */
    int (*complete)(struct sandbox *s, const char *language, const char *text, size_t cursor,
                    uint64_t token, struct err *e);
    /* With SANDBOX_CAN_PAUSE. ERR_BUSY while something runs in it. pause → PAUSED; wake → READY. A
     * paused one is left as it is by close(), not by kill(). */
    int (*pause)(struct sandbox *s, struct err *e);
    int (*wake)(struct sandbox *s, struct err *e);
    /* With SANDBOX_CAN_SNAPSHOT: of the state after `run`, at most *keep of a session → SNAPSHOT.
     * ERR_USAGE when it was not asked for. drop: delete one → SNAPSHOT without an id. */
    int (*snapshot)(struct sandbox *s, uint32_t run, unsigned *keep, struct err *e);
    int (*drop_snapshot)(struct sandbox *s, uint32_t run, const char *id, struct err *e);
    /* Remote ones: kill it, without further events, and wait a few seconds for the proof. Is it
     * known that nothing is left? close() follows. NULL elsewhere. */
    bool (*farewell)(struct sandbox *s);
    /* What `ms` of it cost, in billionths of a dollar; -1 unknown. NULL: nothing. */
    int64_t (*cost)(const struct sandbox *s, int64_t ms);
    const struct sandbox_variant *variants; /* NULL: none; an image is taken as it is */
    const struct fleet_ops *fleet;    /* of remote ones: what else the account has (fleet.h) */
    void (*close)(struct sandbox *s); /* frees; kills what is left without further events */
    /* Keep one default sandbox ready; may be NULL. */
    void (*prewarm)(struct loop *loop, struct launcher *l);
    void (*prewarm_drop)(void);
};

struct sandbox {
    const struct sandbox_ops *ops;
}; /* first member of every implementation */

/* registry.c */
const struct sandbox_ops *sandbox_find(const char *name); /* NULL: unknown */
/* As `-s NAME:IMAGE` says it. ERR_USAGE: no such sandbox, or a word it does not know. */
const struct sandbox_ops *sandbox_choose(const char *name, const char *image, struct err *e);
const struct sandbox_ops *const *sandbox_list(size_t *count);

#endif
