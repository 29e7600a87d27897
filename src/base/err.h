/* err.h - one error value for the whole program.
 *
 * Functions return 0 or -1, put results in out-params only on success, and take `struct err *e`
 * last. Code branches on `code`; people read `msg`: what we tried, on what, why not, what to do.
 * Secrets never go in. A NULL `e` is allowed everywhere.
 */
#ifndef AIRLOCK_BASE_ERR_H
#define AIRLOCK_BASE_ERR_H

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define NORETURN          __attribute__((noreturn))

enum err_code {
    ERR_NONE,
    ERR_IO,        /* disk, permissions, descriptors */
    ERR_NET,       /* unreachable, refused, timed out, cut */
    ERR_FORMAT,    /* bytes from outside that are not what they must be */
    ERR_LIMIT,     /* a stated ceiling was met */
    ERR_DENIED,    /* a person or a policy said no */
    ERR_CANCELLED, /* the person changed their mind */
    ERR_USAGE,     /* the words on the command line or at the prompt are off */
    ERR_MISSING,   /* something needed is not installed, not found, not configured */
    ERR_BUSY,      /* somebody else holds it (the message names whom) */
    ERR_INTEGRITY, /* a hash, chain or capsule does not match */
};

/* No heap, so it works when all else fails. */
struct err {
    enum err_code code;
    int sys; /* errno at the failing call, or 0 */
    char msg[512];
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        ERR_NONE, 0, ""                                                                            \
    }

/* Set code and message. Always -1, so `return err_set(...)` reads well. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set, with ": strerror(errno)" behind the message and errno kept in `sys`. */
int err_sys(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Put context in front of the message already there: "session x: <old>". Always -1. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

void err_clear(struct err *e);

/* The stable word of a code for `error` events and --json ("io", "net", "format" ...). Static. */
const char *err_code_name(enum err_code code);

/* A bug in this program, also in release builds where it guards approval or isolation: runs the
 * hook set with err_set_abort_hook (restores the terminal), writes one line to stderr, aborts. */
void err_bug(const char *file, int line, const char *what) NORETURN;
#define INVARIANT(cond) ((cond) ? (void)0 : err_bug(__FILE__, __LINE__, #cond))

/* Memory has run out: the hook, one line on stderr, and the end of the process with the status that
 * was set (3, something needed is missing). What is on disk is whole at every instruction [AUD-3],
 * the sandboxes end with us, and cleaning up would want memory. Called by xmalloc and its kin. */
void err_no_memory(void) NORETURN;
void err_set_no_memory_status(int status);

/* `fn` must be async-signal-safe. */
void err_set_abort_hook(void (*fn)(void));

#endif
