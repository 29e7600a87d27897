/* export_mdtext.h - foreign text inside Markdown: escaped in a line of ours, or in a fence longer
 * than any run of backquotes in it. Nothing of it is markup, link or picture. */
#ifndef AIRLOCK_CLI_EXPORT_MDTEXT_H
#define AIRLOCK_CLI_EXPORT_MDTEXT_H

#include "cli/export.h"

/* Longest run of backquotes so far; `now` is the one that may go on. */
struct md_ticks {
    size_t now, longest;
};
void md_count_ticks(struct md_ticks *t, const char *p, size_t len);
/* The line that opens or closes a fence around what was counted. */
void md_fence(struct buf *out, const struct md_ticks *t, const char *language);

/* On one line, cut where it is very long. */
void md_inline(const struct export *x, struct buf *out, const char *s);
void md_block(const struct export *x, struct buf *out, const char *language, const char *text,
              size_t len, enum text_mode mode);
/* A language's name as the word behind a fence: "text" when it is none. */
const char *md_language(const char *name);

/* "- **HIGH** line 3, rule: text" for each finding. */
void md_findings(const struct export *x, struct buf *out, const struct state_run *r);
/* "approved by the person … · capsule `…` · reason", on one line. */
void md_decision(const struct export *x, struct buf *out, const struct state_run *r);
/* Rows of a table: what is known of the whole session. */
void md_head(const struct export *x, struct buf *out);
void md_plan(const struct export *x, struct buf *out);
void md_checks(const struct export *x, struct buf *out, const struct state_run *r);

#endif
