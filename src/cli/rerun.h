/* rerun.h - one recorded session run again: its approved code, run after run, in a new session,
 * each compared with the record. [architecture §7]
 *
 * It knows no terminal and no loop: who owns the new session (a command, the screen) calls
 * rerun_step whenever that session is quiet.
 */
#ifndef AIRLOCK_CLI_RERUN_H
#define AIRLOCK_CLI_RERUN_H

#include "cli/runparts.h"
#include "cli/saved.h"
#include "tool/contract.h"

enum rerun_outcome { RERUN_IDENTICAL, RERUN_MASKED, RERUN_DIFFERS, RERUN_NOT_RUN, RERUN_OUTCOMES };

struct rerun_verdict {
    enum rerun_outcome outcome;
    enum run_part part; /* DIFFERS: where, and at which line of the record */
    size_t line;
    unsigned masks; /* MASKED: those that were needed */
    bool cut;       /* what lies beyond COMPARE_MAX was not compared */
    char why[512];  /* NOT_RUN */
};

struct rerun;
/* After each run: `was` of the record, `is` of the new session (NULL: it never came to one). */
typedef void (*rerun_told_fn)(void *arg, const struct rerun *r, const struct state_run *was,
                              const struct state_run *is, const struct rerun_verdict *v);

struct rerun_wish {
    const char *sandbox;    /* NAME[:IMAGE]; NULL: the recorded one */
    const char *const *set; /* "key=value" over the recorded contract */
    size_t set_count;
    const char *runs; /* "A-B"; NULL all */
    unsigned masks;
};

struct rerun {
    struct saved old;
    struct contract contract;
    char sandbox[64];
    char *image; /* NULL none */
    unsigned masks;
    uint32_t first, last;
    size_t chosen; /* runs to do */
    size_t counts[RERUN_OUTCOMES];
    bool denied, missing, integrity; /* why some could not run */
    rerun_told_fn told;
    void *told_arg;
    /* under way */
    size_t at;                   /* runs of the record looked at */
    const struct state_run *was; /* NULL none */
    uint32_t is;
    uint64_t from; /* files put since this event belong to the next run */
};

/* `word` = ID. ERR_USAGE also when nothing is chosen; ERR_INTEGRITY and the like when the record is
 * not whole: then nothing is run. Release *out with rerun_close also on failure. */
int rerun_open(struct rerun *out, struct app *app, const char *word, const struct rerun_wish *wish,
               struct err *e) MUST_CHECK;
void rerun_close(struct rerun *r);

/* The session to make for it: planner human, contract and sandbox as wished. Lent. */
struct session_spec rerun_spec(const struct rerun *r);
/* The task that stands in its record. */
int rerun_begin(const struct rerun *r, struct session *s, struct err *e) MUST_CHECK;
/* The session is quiet: judge what ran, propose the next. 1 something is under way, 0 all is done,
 * -1 the new session can't go on. */
int rerun_step(struct rerun *r, struct session *s, struct err *e) MUST_CHECK;

/* "identical after masks (time)", for people; cleaned. */
void rerun_put_verdict(const struct rerun_verdict *v, struct buf *out);
/* The fields verdict, masked, what, line, cut, reason. */
void rerun_put_json(const struct rerun_verdict *v, struct json_w *w);

/* ---- rerun_given.c: what the record says was given to a run ---- */
struct rerun_given {
    struct store *store;
    uint32_t run;
    char **argv;
    size_t argv_count;
    struct buf input;
    struct sandbox_file *files;
    size_t file_count, file_bytes;
    struct err *e;
    bool failed;
};
/* Files that the person put between the runs (from event `from` on) come with the next one. Release
 * also on failure. ERR_MISSING when something was erased or overwritten. */
int rerun_collect(struct rerun_given *out, struct store *store, const struct state_run *sr,
                  uint64_t from, struct err *e) MUST_CHECK;
void rerun_given_release(struct rerun_given *g);

#endif
