/* export.h - a recorded session as a document for people or other programs.
 *
 * Every format is written from the same walk over the events, a second one behind the fold that
 * gives the head of the document; nothing is built up in memory but the state. What is given to
 * the formats is free of known secrets already, unless `raw`. [SEC-4, SAN-4]
 */
#ifndef AIRLOCK_CLI_EXPORT_H
#define AIRLOCK_CLI_EXPORT_H

#include "base/outfile.h"
#include "base/redact.h"
#include "sessions/store.h"
#include "tool/state.h"
#include "ui/text.h"

/* What is shown of one stream of one run: its beginning and its end. JSONL has all. */
#define EXPORT_HEAD_MAX ((uint64_t)3 << 20)
#define EXPORT_TAIL_MAX ((uint64_t)1 << 20)

struct export
{
    struct store *store;
    const struct redact *redact; /* NULL with raw */
    bool raw;
    uint32_t first, last;      /* the runs that are wanted */
    const char *artifacts_dir; /* NULL: none are written beside */
    int columns, rows;         /* of a cast */
    struct state final;        /* all of it, folded */
    struct err broken;         /* the record is whole only so far; ERR_NONE: it is */
    struct outfile *out;
    struct buf blotted; /* of an event's output */
};

struct export_format {
    const char *name, *ending, *what;
    bool filters, writes_beside; /* --runs; --artifacts */
    int (*write)(struct export *x, struct err *e);
};
/* In the order of the help; NULL-terminated names. By name, or by the ending of a file name. */
const struct export_format *export_find(const char *name);
const struct export_format *export_find_ending(const char *path);
const char *export_names(void); /* "md, html, …" */

struct export_options {
    const struct export_format *format;
    const char *path;          /* NULL: standard output */
    struct launcher *launcher; /* who makes the file; NULL: this process */
    bool raw, force, artifacts;
    uint32_t first, last; /* 1…UINT32_MAX: all */
    int columns, rows;    /* 0: the default */
};
/* The session `store` (borrowed, read-only) as a file. ERR_BUSY (the file exists), ERR_USAGE,
 * ERR_IO. *whole_to is 0, or the last event of a record that is broken behind it: why is in
 * *broken. */
int export_session(struct store *store, const struct redact *redact,
                   const struct export_options *opt, struct err *broken, struct err *e) MUST_CHECK;

/* ---- for the formats ---- */

/* Every event that is whole, in order. */
int export_each(struct export *x, store_event_fn fn, void *arg, struct err *e) MUST_CHECK;
bool export_wants(const struct export *x, uint32_t run);

/* Outputs for views. */
struct output_source export_source(struct export *x);

/* One stream of a run in lines (without their LF; at most 64 KiB each), what is too much left out.
 * The callbacks return non-zero to stop. */
struct export_lines {
    int (*line)(void *arg, const char *line, size_t len, bool had_lf);
    int (*gap)(void *arg, uint64_t bytes); /* so many are not shown here */
    void *arg;
};
void export_stream(struct export *x, uint32_t run, unsigned stream, const struct export_lines *l);

/* A result's bytes: its text, or its artifact. ERR_MISSING (erased, left out), ERR_DENIED (a secret
 * is in it), ERR_LIMIT. */
int export_result(struct export *x, const struct state_run *r, const struct state_result *res,
                  struct buf *out, struct err *e) MUST_CHECK;

/* Cleaned text (or, with raw, just text). Code keeps its tabs and blanks: what was ordinary comes
 * out as it went in. */
void export_clean(const struct export *x, struct buf *out, const char *p, size_t len,
                  enum text_mode mode);
/* One line of it. */
void export_clean_line(const struct export *x, struct buf *out, const char *line, size_t len,
                       enum text_mode mode, bool had_lf);

/* Words every format uses. */
void export_money(int64_t nanousd, char *out, size_t size);
const char *export_ending_of(const char *mime);             /* "png"; "bin" */
const char *export_outcome_word(const struct state_run *r); /* "exit 0", "denied", "timeout" … */

int export_md(struct export *x, struct err *e);
int export_html(struct export *x, struct err *e);
int export_ipynb(struct export *x, struct err *e);
int export_jsonl(struct export *x, struct err *e);
int export_cast(struct export *x, struct err *e);

#endif
