/* guest.h - the guest: the small static program inside every wall. One thread, one poll loop.
 *
 * It starts interpreters, relays between them and us (proto.h), and is the one that times, kills
 * and resumes them. It holds nothing secret and trusts neither side with its memory: everything
 * that comes in has a ceiling. Without memory or with a broken stream it says why on its log and
 * ends; as pid 1 of its namespace it takes everything else with it.
 *
 * main.c      set-up, self-check, the loop
 * stream.c    frames to and from us
 * dispatch.c  messages from us and their bodies
 * run.c       one execution, from its request to its `done`
 * limits.c    its time, its memory, interrupts
 * interp.c    interpreter processes and their lines
 * frozen.c    checkpoints: frozen, woken, given away
 * save.c      a namespace on its way out
 * channel.c   sockets between the guest and its interpreters
 * files.c     put, get, exists
 * scan.c      what a run changed in /workspace
 * procs.c     /proc: sweep, memory, self-check
 * text.c      bytes and JSON
 */
#ifndef AIRLOCK_GUEST_H
#define AIRLOCK_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <sys/types.h>

#include "proto.h"

/* ---- text.c: growable bytes, and JSON as slices of the text it came in */

struct bytes {
    char *p;
    size_t n, cap;
};
struct str {
    const char *p; /* NULL: absent */
    size_t n;
};

void guest_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void guest_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

char *bytes_room(struct bytes *b, size_t n); /* at the end; never NULL (guest_die) */
void bytes_add(struct bytes *b, const void *p, size_t n);
void bytes_addf(struct bytes *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void bytes_add_json(struct bytes *b, const char *p, size_t n); /* quoted; bad UTF-8 → U+FFFD */
void bytes_drop(struct bytes *b, size_t n);                    /* from the front */
void bytes_free(struct bytes *b);
size_t utf8_cut(const char *p, size_t n, size_t max); /* ≤ max, not inside a character */

bool json_is_object(struct str s); /* exactly one well-formed object, nothing behind it */
struct str json_get(struct str object, const char *key); /* raw value */
int64_t json_int(struct str object, const char *key, int64_t dflt);
bool json_is(struct str object, const char *key, const char *value); /* plain strings only */
bool json_text(struct str value, struct bytes *out);                 /* decoded string is added */
/* Items of an array: start with *at = NULL; false at the end. */
bool json_each(struct str array, const char **at, struct str *item);

/* ---- main.c */

void reap_zombies(void); /* what nobody waits for; interpreters and copies are dealt with later */

/* ---- stream.c */

void stream_open(int in, int out);
int stream_in_fd(void);
int stream_out_fd(void);
void stream_control(const struct bytes *json); /* queued as one frame */
/* Read ≤ max bytes of fd into one output or bulk frame: bytes read, 0 at EOF or EAGAIN, -1 error.
 */
ssize_t stream_relay(unsigned kind, unsigned id, int fd, size_t max);
size_t stream_room(void);    /* bytes of output or bulk that may be queued now; 0: wait */
bool stream_is_choked(void); /* so much is queued that no more lines should be read */
bool stream_wants_write(void);
void stream_flush(void);
void stream_read(void); /* → dispatch_control, dispatch_bulk */

/* ---- dispatch.c */

void dispatch_control(struct str json);
void dispatch_bulk(const char *p, size_t n);

/* What setup said. */
struct setup {
    bool done, once;
    int64_t nproc, nofile, fsize, watch, keep;
    struct bytes env; /* NAME=VALUE\0… */
    size_t env_count;
    struct bytes python; /* interpreter for checks and loads, NUL-terminated */
};
extern struct setup setup;

/* ---- interp.c */

enum language { LANG_PYTHON, LANG_JAVASCRIPT, LANG_BASH, LANG_COUNT };
extern const char *const language_names[LANG_COUNT];
int language_find(const char *p, size_t n); /* -1 unknown */

struct interp {
    enum language language;
    char path[512];              /* the interpreter */
    pid_t pid;                   /* 0: not running */
    bool ready;                  /* it said so */
    bool busy;                   /* works for a run, a load or a restore */
    int64_t started_us;          /* for the start-up limit */
    int ctl;                     /* socket; -1 */
    int out[2], err[2];          /* pipes; we keep the write ends, so there is never an EOF */
    int code, input, args, vars; /* memfds 5 6 7 8 */
    size_t input_len, args_len;
    struct bytes line; /* an unfinished line from it */
    struct bytes cwd;  /* what the last request asked for */
    uint32_t vars_run; /* variables of this run are awaited on ctl; 0 none */
    int64_t vars_until_us;
    char why[640]; /* it could not be started */
};
extern struct interp interps[LANG_COUNT];

/* Start it unless it runs; false: could not (message in why). */
bool interp_start(struct interp *in, const char *path, char *why, size_t why_size);
void interp_send(struct interp *in, const struct bytes *line, int fd); /* fd -1: none */
bool interp_read(struct interp *in); /* its lines are acted upon; false: nothing came */
void interp_died(struct interp *in, int status);
void interp_kill(struct interp *in, int signo); /* the process and its group */
void interp_fill(int memfd, size_t *have, const void *p, size_t n);
void interp_forget_streams(struct interp *in); /* after death: descriptors of the dead one */

/* ---- run.c */

struct piece {
    size_t at, n;
}; /* in run.store */
enum run_state { RUN_NONE, RUN_STARTING, RUN_ON, RUN_DRAIN, RUN_CHECKING, RUN_RESUMING };
enum run_why { WHY_NONE, WHY_INTERRUPT, WHY_TIMEOUT, WHY_MEMORY };

struct run {
    enum run_state state;
    uint32_t id;
    struct interp *in;
    int64_t timeout_ms;
    bool checkpoint;
    struct bytes store; /* the byte strings of the request, each NUL-terminated */
    struct piece language, interpreter, code, cwd, input, check, *argv, *exists;
    size_t argc, existc;
    bool failed; /* a file could not be put */
    char what[16], message[256];

    int64_t begin_us, deadline_us, kill_us, asked_us;
    enum run_why why;
    bool died, lost, check_asked;
    int status;
    uint32_t resumed;
    size_t left[2]; /* to be read before `done` */
    uint64_t bytes[2];
    struct bytes said, check_said; /* lines of the interpreter */
};
extern struct run run;

void run_request(void); /* run.* is complete: begin */
void run_interp_ready(struct interp *in);
void run_interp_done(struct interp *in, struct str line);
void run_interp_died(struct interp *in, int status);
void run_relay(struct interp *in); /* its pipes are readable */
bool run_wants_pipe(const struct interp *in, int which);
void run_resumed(uint32_t from); /* 0: nothing could be resumed */
void run_abandon(void);          /* its interpreter, which is still starting, is not waited for */
void run_reset(void);

/* ---- limits.c */

void limits_starting(void); /* the interpreter of the run is */
void limits_begin(void);    /* its code begins */
void limits_interrupt(uint32_t id);
void limits_tick(int64_t now_us); /* ends what is over a limit */
int64_t limits_deadline_us(void); /* 0 none */

/* ---- frozen.c */

void frozen_make(struct interp *in, uint32_t id, bool keep);
void frozen_forked(struct str line);            /* the interpreter's answer */
void frozen_take_over(void);                    /* the live one died: → run_resumed */
void frozen_drop(uint32_t id, const char *why); /* 0: the oldest */
void frozen_drop_after(uint32_t id);            /* all younger than id; 0: all */
bool frozen_is_pid(pid_t pid);
bool frozen_any(void);
int frozen_newest(uint32_t *id); /* its channel, -1 none */
void frozen_died(pid_t pid);
size_t frozen_poll(struct pollfd *fds, size_t max);
void frozen_ready(const struct pollfd *fds, size_t n);
void frozen_tick(int64_t now_us);
int64_t frozen_deadline_us(void);
void restore_asked(uint32_t id);
void state_unknown(uint32_t id); /* tell that variables could not be read */

/* ---- save.c */

void save_begin(void);
void save_read(void);
bool save_is_pid(pid_t pid);
int save_fd(void); /* -1: nothing is being saved */
int64_t save_deadline_us(void);
void save_tick(int64_t now_us);

/* ---- channel.c */

bool channel_make(int sv[2]); /* sv[0] is ours: non-blocking, attests pids */
bool channel_send(int to, const char *line, const int *fds, size_t n); /* n <= 8 descriptors */
ssize_t channel_recv(int fd, void *p, size_t n, pid_t *pid);           /* never blocks */

/* ---- files.c, scan.c */

int files_begin_put(const char *name, size_t n, unsigned mode, char *why, size_t why_size);
bool files_write(int fd, const char *p, size_t n);
void files_get(uint64_t token, int64_t max, const char *name, size_t n);
bool files_getting(void);
void files_relay(void);
void files_answer(uint64_t token, const char *path, size_t n, int64_t size, unsigned mode,
                  const char *error);

void scan_forget(void);                                 /* a file was put */
void scan_baseline(void);                               /* before the first run */
void scan_changes(struct bytes *json, bool *truncated); /* [{path,change,bytes},…] since then */

/* ---- procs.c */

void hello_send(void);
void procs_sweep(int64_t born_since_us); /* kill what is neither kept nor older; < 0: all */
int64_t procs_memory(int64_t limit);     /* bytes of all processes, files and segments, exact above
                                            limit */
void procs_drop_segments(void);          /* System V shared memory outlives its makers */
int64_t now_us(void);                    /* CLOCK_BOOTTIME, as /proc's start times */

#endif
