/* e2b_int.h - what the files of the sandbox e2b share; nobody else includes it.
 *
 * e2b.c          the ops table, the time between birth and death, and the end
 * e2b_birth.c    create, and what when its answer is lost
 * e2b_queue.c    no room: asked again
 * e2b_attach.c   one that lived before: connected to, and what it still has
 * e2b_pause.c    paused and woken
 * e2b_snapshot.c snapshots made and deleted
 * e2b_lease.c    how long it may live: kept alive, and the end of that
 * e2b_image.c    what stands behind `e2b:`
 * e2b_call.c     one request with its retries
 * e2b_control.c  bodies and answers of the control plane
 * e2b_prepare.c  the workspace, contexts, our cells in them
 * e2b_run.c      one execution: made ready, its end told
 * e2b_check.c    one execution: read back from what is about to be sent
 * e2b_step.c     one execution: its steps on the wire
 * e2b_judge.c    one execution: how it ended
 * e2b_report.c   the cells of ours (share/cells/python.py) and what they say
 * e2b_envd.c     processes and files
 * e2b_offer.c    what is kept of a contract, and how
 * e2b_wall.c     the machine as a wall, with our guest in it; e2b_ours.c its ops table
 */
#ifndef AIRLOCK_SANDBOXES_E2B_INT_H
#define AIRLOCK_SANDBOXES_E2B_INT_H

#include "base/clock.h"
#include "base/connect.h"
#include "base/json.h"
#include "base/log.h"
#include "base/net.h"
#include "providers/remote_call.h"
#include "providers/sandbox_core.h"
#include "providers/sandboxes/e2b_place.h"
#include "providers/sandboxes/e2b_stream.h"

#define E2B_CONTROL_MS   30000
#define E2B_LABEL_KEY    "airlock" /* metadata: our label */
#define E2B_LEASE_S      300       /* how long a sandbox lives without a word from us */
#define E2B_RENEW_S      100
#define E2B_SLACK_S      30 /* beyond ttl_s: Airlock ends it, E2B only when Airlock can not */
#define E2B_CODE_MAX     ((size_t)1 << 20)
#define E2B_INPUT_MAX    ((size_t)64 << 20)
#define E2B_SECOND_US    INT64_C(1000000)
#define E2B_WORKSPACE    "/workspace"
#define E2B_CONTEXTS     6
#define E2B_START_MS     80000 /* create, connect, pause, snapshot [e2b.md §2] */
#define E2B_SNAPSHOT_MAX 200
#define E2B_GRACE_US     (2 * E2B_SECOND_US) /* what an interrupt is given before the next one */
#define E2B_PATIENCE_S   8                   /* for an interrupted context to answer again */

struct e2b;
struct e2b_errand; /* e2b_envd.c */

/* ---- requests (e2b_call.c) */

enum e2b_plane { E2B_API, E2B_CODE, E2B_ENVD };
enum e2b_again {
    E2B_ONCE,  /* it acts: a second time only when the first one surely did nothing */
    E2B_AGAIN, /* harmless to repeat */
    E2B_NEVER, /* not even then: somebody else decides */
};

/* `r` is lent. Called from the loop, once for each e2b_send. */
typedef void (*e2b_done_fn)(struct e2b *s, const struct net_result *r);

struct e2b_request {
    enum e2b_plane plane;
    const char *method, *target, *content_type; /* content_type NULL: JSON when there is a body */
    const void *body;                           /* copied */
    size_t body_len;
    enum e2b_again again;
    bool as_root; /* envd: as that user of the sandbox */
    struct net_deadlines deadlines;
    int64_t body_max;
    net_data_fn on_data; /* told only of a 200 */
    e2b_done_fn done;
};

struct e2b_call {
    struct e2b *s;
    struct remote_call call;
    struct e2b_request rq; /* target and body are not kept: the call has its own */
};

void e2b_call_init(struct e2b_call *c, struct e2b *s);
void e2b_call_release(struct e2b_call *c);
void e2b_send(struct e2b_call *c, const struct e2b_request *rq);
void e2b_call_drop(struct e2b_call *c); /* without a word; the connection closes now */
/* Why not, in words. */
enum err_code e2b_why(struct e2b_call *c, const struct net_result *r, const char *doing,
                      struct e2b_refusal *refusal, struct err *e);

/* ---- one execution */

enum e2b_step {
    STEP_NONE,
    STEP_CONTEXT, /* a language used for the first time */
    STEP_FILES,   /* the input is one of them */
    STEP_BEGIN,   /* arguments, directory, input, permissions */
    STEP_CODE,
    STEP_FREE,    /* after its connection was closed: does the context answer again? */
    STEP_RESTART, /* it does not */
    STEP_CHECK,
    STEP_REPORT, /* before FINISHED when paths are asked for, else after it */
};

/* A request made ready before anything leaves, so that it can be read back and compared. */
struct e2b_part {
    char *target; /* of a file */
    char *body;
    size_t len;
};

/* A context of the code interpreter. */
struct e2b_context {
    char language[16];
    char id[E2B_ID_MAX];
    bool ready; /* it may be used; in python: our cells are in it */
    int pid;    /* of its kernel, 0 unknown */
};

struct e2b_run {
    struct sandbox_run rq; /* a copy of our own */
    enum e2b_step step;
    struct e2b_context *context; /* NULL: a process of envd (bash) */
    struct e2b_part *files;
    size_t part_count, next_part;
    struct e2b_part begin, code, check;
    int64_t started_us;
    enum run_end stopping; /* asked to end: END_INTERRUPTED or END_TIMEOUT */
    bool stop_asked;
    unsigned urged; /* how often the step timer pushed */
    bool told;      /* FINISHED was sent */
    struct sandbox_finished f;
    char message[640], limit[16];
    struct buf error_name, error_value, error_traceback, check_text;
    bool *exists;
    int pid;            /* of the process, bash */
    bool process_ended; /* its end was told */
    bool process_signalled;
    int process_code;
    char process_status[64];
    struct err process_failed;
};

enum e2b_phase {
    E2B_CREATING,
    E2B_QUEUED,     /* the plan allows no more at once */
    E2B_SEEKING,    /* the answer to the create was lost: is there one with our label? */
    E2B_CONNECTING, /* to one that lived before */
    E2B_PREPARING,
    E2B_READY,
    E2B_PAUSING,
    E2B_PAUSED,
    E2B_KILLING,
    E2B_GONE,
};

struct e2b {
    struct sandbox_core core;
    struct net *net;
    struct e2b_place place;
    struct net_origin *api, *code, *envd;
    struct contract contract; /* strings copied; without mounts */
    char *env_values[CONTRACT_ENV_MAX];
    char *template, *label;
    char id[E2B_ID_MAX], version[24];
    char domain[E2B_DOMAIN_MAX + 1], envd_token[520], traffic_token[520];
    enum e2b_phase phase;
    bool v1;              /* the server knows only the first version of create */
    bool orphan_possible; /* a create whose outcome nobody knows */
    int idle_ms;          /* of a stream with keepalives [30 s] */
    int seek_ms;          /* between two looks for what a lost create may have made [1 s] */
    int64_t created_us, cold_start_us, wait_until_us;
    unsigned seeks;
    int queue_ms; /* how long a place is waited for [10 min] */
    int64_t queued_us;
    unsigned asked;            /* so often while queued */
    bool attaching;            /* open() was to connect: when it is gone, it is not replaced */
    bool lived;                /* its interpreter may have variables */
    bool fresh;                /* … but a new one had to be started */
    unsigned looks;            /* after the outcome of a pause */
    int64_t cpus, memory_mib;  /* -1 unknown */
    int64_t since_us, used_us; /* it runs since; so long it ran before that */
    int64_t ends_us;           /* when it is ended, as last told */
    int64_t (*allowance)(void *arg);
    unsigned snapshots;              /* kept of a session; 0: none are made */
    char snapshot[E2B_SNAPSHOT_MAX]; /* it starts from that one */
    uint32_t freezing;               /* a snapshot of that run is being made */
    uint32_t dropping;               /* … or deleted */

    struct e2b_call life;  /* create, seek, connect, pause, snapshot, kill */
    struct e2b_call work;  /* preparing, then the run's steps */
    struct e2b_call side;  /* renewing, nudging, asking for its size */
    struct e2b_call file;  /* put, get, complete */
    struct e2b_call trash; /* deleting a snapshot */
    struct e2b_stream stream;
    struct connect frames; /* of a process */
    struct err frames_err;
    struct e2b_context contexts[E2B_CONTEXTS]; /* [0] is python */
    size_t context_count;
    char wanted[16]; /* language of the context being made */
    void (*then)(struct e2b *s, const struct err *e);
    struct buf report; /* what our last cell told, JSON */
    bool begun_odd;    /* arguments or input of an earlier run are still set */
    char *cwd;         /* of the python context */
    /* Of a machine that is somebody's wall: called once it is made, instead of e2b_prepare(). */
    void (*made)(struct e2b *s);
    void *owner;
    uint64_t kept; /* output of the run, both streams */
    bool paused;   /* output is held back */

    struct e2b_run *run, *queued;
    struct e2b_errand *errand; /* put, get or complete under way */
    struct loop_source *deadline, *step_timer, *ttl, *renew;
};

/* Destroy it: what runs ends `as`. `what` NULL: the owner asked. `why` NULL: no failure. */
void e2b_end_with(struct e2b *s, enum run_end as, const char *what, const struct err *why);

/* It is gone, or was never there: the run's end, then CLOSED. */
void e2b_gone(struct e2b *s, bool confirmed);
void e2b_kill_now(struct e2b *s);

/* A machine without an interpreter of E2B's in it: `made` is called from the loop (in debug mode
 * from within) and does what has to be done in there; e2b_alive() then keeps it. Only FAILED and
 * CLOSED come through the sink of `cfg`. */
int e2b_open_machine(struct e2b **out, const struct sandbox_config *cfg,
                     void (*made)(struct e2b *s), void *owner, struct err *e) MUST_CHECK;
/* It is of use from now on: it is renewed until it ends. */
void e2b_alive(struct e2b *s);

/* ---- e2b_birth.c */
void e2b_create(struct e2b *s);
/* It is not there and was not made, or nobody knows (orphan_possible). */
void e2b_not_born(struct e2b *s, const struct err *e);

/* ---- e2b_queue.c */
/* As many as the plan allows are running: `again` is tried until there is room. */
void e2b_queue(struct e2b *s, const struct err *why);
void e2b_queue_ask(struct e2b *s); /* its time has come */

/* ---- e2b_attach.c */
void e2b_attach(struct e2b *s);  /* open() was given an id, or a label alone */
void e2b_connect(struct e2b *s); /* to s->id */
/* The sandbox itself is there: look what its interpreter still has, then READY and RESTORED. */
void e2b_find_again(struct e2b *s);
/* Its size is asked for, and known once a look at it is answered. */
void e2b_ask_size(struct e2b *s);

/* ---- e2b_pause.c */
int e2b_pause(struct sandbox *base, struct err *e);
void e2b_not_woken(struct e2b *s, const struct err *e); /* it stays paused */
int e2b_wake(struct sandbox *base, struct err *e);
void e2b_pause_look(struct e2b *s);             /* was it done? */
int e2b_pause_it(struct e2b *s, struct err *e); /* for a reason of our own */

/* ---- e2b_snapshot.c */
int e2b_snapshot(struct sandbox *base, uint32_t run, unsigned *keep, struct err *e);
int e2b_drop_snapshot(struct sandbox *base, uint32_t run, const char *id, struct err *e);

/* ---- e2b_lease.c */
void e2b_lease_begin(struct e2b *s); /* it is ready */
void e2b_lease_end(struct e2b *s);   /* it is paused */
void e2b_on_renew(void *arg);
void e2b_on_ttl(void *arg);
int64_t e2b_ends_in_ms(const struct e2b *s);
/* The answer to the create was lost. It may have been made: it has our label. Never a second
 * create. */
void e2b_seek(struct e2b *s);

/* ---- e2b_control.c */
int64_t e2b_lease_s(const struct e2b *s);
int e2b_write_create(const struct e2b *s, struct buf *out);
/* Id, tokens and domain out of the answer to create or connect. */
int e2b_take_sandbox(struct e2b *s, const char *body, size_t len, struct err *e) MUST_CHECK;
/* All sandboxes, or those with our `label`; from page `next` on. */
void e2b_write_list_target(const char *label, const char *next, struct buf *out);
/* Ids of a listing whose label is exactly `label`, at most `max`; -1 when it is no listing. */
int e2b_read_listing(const char *body, size_t len, const char *label, char (*ids)[E2B_ID_MAX],
                     size_t max, struct err *e);
void e2b_target(struct buf *out, const char *id, const char *action);

/* ---- e2b_price.c, e2b_fleet.c */
/* At the published rate; cpus or memory ≤ 0: the default size. -1 unknown. */
int64_t e2b_nanousd(int64_t cpus, int64_t memory_mib, int64_t seconds);
extern const struct fleet_ops e2b_fleet;

/* ---- e2b_farewell.c */
/* Kill without a word to anybody, on a loop of its own, for `ms` at most: the sandbox `id`, or (id
 * "", a create is under way) whatever has `label`. Is it known that nothing is left? */
bool e2b_farewell(const struct net_origin *api, const char *id, const char *label, int ms);

/* ---- e2b_control.c, too */
int e2b_write_network(const struct e2b *s, struct buf *out);
/* Is it a snapshot's id that may stand in a path? */
bool e2b_is_snapshot(const char *id);

/* ---- e2b_prepare.c: what is done before the first code, and contexts */
void e2b_prepare(struct e2b *s);
/* Where its interpreter and its daemon are, with its tokens. */
int e2b_reach(struct e2b *s, struct err *e) MUST_CHECK;
/* It can run code: READY. */
void e2b_is_ready(struct e2b *s);
/* The context of `language`, made if there is none; `then` from the loop. */
void e2b_need_context(struct e2b *s, const char *language,
                      void (*then)(struct e2b *s, const struct err *e));
/* Our cells into contexts[0], which is empty: its kernel was started again. */
void e2b_set_up(struct e2b *s, void (*then)(struct e2b *s, const struct err *e));
struct e2b_context *e2b_find_context(struct e2b *s, const char *language);

/* ---- e2b_run.c, e2b_step.c */
struct e2b_run *e2b_run_copy(const struct sandbox_run *rq);
void e2b_run_free(struct e2b_run *r);
void e2b_run_next(struct e2b *s); /* what is queued begins, when it can */
void e2b_run_stop(struct e2b *s, enum run_end as);
/* The sandbox is gone: what runs ends so. */
void e2b_run_lost(struct e2b *s, enum run_end as, const char *what, const char *message);
void e2b_run_files(struct e2b *s);
void e2b_run_report(struct e2b *s);
void e2b_on_deadline(void *arg);
void e2b_on_step_timer(void *arg); /* e2b_prepare.c */
void e2b_run_urge(struct e2b *s);  /* an interrupt was not obeyed: the next stronger one */
void e2b_stream_told(struct e2b *s, struct e2b_stream_told *out);
/* ---- e2b_judge.c: end, exit status, message and error of s->run, once its request is over */
void e2b_judge_code(struct e2b *s, const struct net_result *r);    /* run by the interpreter */
void e2b_judge_process(struct e2b *s, const struct net_result *r); /* by the daemon */

/* ---- e2b_check.c */
/* The request of our own, as it stands in the parts made ready, for check_body. */
int e2b_check_parts(struct e2b *s, struct e2b_run *r, struct err *e) MUST_CHECK;

/* ---- e2b_report.c: cells of ours */
void e2b_part_release(struct e2b_part *p);
int e2b_cell_code(const struct e2b_context *c, const char *code, size_t len, struct e2b_part *out);
/* `again`: there may be variables of the person's already. */
void e2b_cell_setup(const struct e2b_context *c, bool again, struct e2b_part *out);
int e2b_cell_begin(const struct e2b_context *c, const struct sandbox_run *rq, const char *input,
                   struct e2b_part *out);
void e2b_cell_report(const struct e2b_context *c, const struct sandbox_run *rq,
                     struct e2b_part *out);
/* One of the smaller cells: `flag` < 0 leaves it out. */
void e2b_cell_ask(const struct e2b_context *c, const char *name, const char *text, size_t len,
                  int flag, struct e2b_part *out);
/* All that runs there beside a person's code, as one text. */
const char *e2b_introspection(size_t *len);
/* Send a cell of ours; its answer is kept whole. */
void e2b_send_cell(struct e2b_call *c, const struct e2b_part *cell, int total_ms, e2b_done_fn done);
/* The whole answer to a cell of ours: what it told goes to `report`. */
int e2b_read_cell(const struct net_result *r, struct buf *report, enum e2b_trouble *trouble,
                  struct err *e) MUST_CHECK;
int e2b_take_hello(struct e2b_context *c, const struct buf *report, struct err *e) MUST_CHECK;
void e2b_take_exists(const struct buf *report, bool *exists, size_t count);
void e2b_tell_state(struct e2b *s, const struct buf *report, uint32_t run);
void e2b_tell_restored(struct e2b *s, const struct buf *report);

/* ---- e2b_envd.c: processes and files */
int e2b_write_process(const struct sandbox_run *rq, const char *input, struct buf *out);
void e2b_start_process(struct e2b_call *c, const void *frame, size_t len, bool as_root,
                       net_data_fn on_data, e2b_done_fn done);
/* A shell command of ours, as root, whose outcome only `done` may want to know. */
void e2b_shell(struct e2b_call *c, const char *command, e2b_done_fn done);
/* Exit status of a process whose whole answer this is; -1: it did not come to one. */
int e2b_shell_status(const struct net_result *r);
void e2b_upload_target(const char *path, struct buf *out);
void e2b_on_frame(void *arg, const char *json, size_t len, bool end);
int e2b_put(struct sandbox *base, const struct sandbox_file *f, struct err *e);
int e2b_get(struct sandbox *base, const char *path, size_t max, struct err *e);
int e2b_complete(struct sandbox *base, const char *language, const char *text, size_t cursor,
                 uint64_t token, struct err *e);
void e2b_errand_drop(struct e2b *s);
bool e2b_is_inside(const char *path); /* of the workspace: relative, nothing that leads out */

/* ---- e2b_offer.c */
void e2b_enforcement(const struct contract *c, struct contract_enforcement *out);
const char *e2b_interpreter(const struct contract *c, const char *language);

#endif
