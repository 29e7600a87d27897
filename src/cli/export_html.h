/* export_html.h - what the exported page is made of: foreign text as the text of a page (escaped,
 * cleaned, marks and colours as classes), the outputs of a run, and the numbers its script works
 * on.
 */
#ifndef AIRLOCK_CLI_EXPORT_HTML_H
#define AIRLOCK_CLI_EXPORT_HTML_H

#include "cli/export.h"
#include "ui/highlight.h"

/* Only the five characters that mean something in HTML, in text and in quoted values alike. */
void html_escape(struct outfile *out, const char *p, size_t len);
/* One line, without its LF. `walk` (may be NULL) gives the colours of code; the line begins at
 * `at` of what it walks along. */
void html_line(struct export *x, const char *line, size_t len, enum text_mode mode, bool had_lf,
               struct highlight_walk *walk, size_t at);
/* Lines, with theirs. */
void html_text(struct export *x, const char *p, size_t len, enum text_mode mode);
void html_str(struct export *x, const char *s); /* prose on one line; LFs become blanks */
/* Numbered by the style sheet. */
void html_code(struct export *x, const char *language, const char *code, size_t len);

/* ---- export_html_output.c ---- */

/* <pre id="oRUN-STREAM">, folded when it is long; nothing when there was no output. */
void html_stream(struct export *x, uint32_t run, const struct state_output *o, unsigned stream);
/* A picture as a data URI when it is one of four kinds, else its source or a word about it. */
void html_result(struct export *x, const struct state_run *r, size_t index);

/* ---- export_html_rows.c: [seq, ms, kind, run, …] for each event, in blocks of JSON ---- */

struct html_row {
    uint64_t seq, lines;
    int64_t ms;
    int kind;
    uint32_t run;
    unsigned stream;
};
struct html_rows {
    struct export *x;
    int64_t first_us;
    struct html_row last; /* not written yet; seq 0 none */
    struct buf text;
};
void html_rows_init(struct html_rows *r, struct export *x);
/* May write a block: only between two parts of the page. */
void html_rows_add(struct html_rows *r, const struct state *st, const struct event *ev);
void html_rows_end(struct html_rows *r);

#endif
