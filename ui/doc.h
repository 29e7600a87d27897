/* doc.h - a text as rows to scroll through: lines, lines of a comparison, counted blanks and folds.
 * Used by the code pane and by compared outputs. Private to the views.
 *
 * A place in it is kept by its owner as (top, row): the byte offset of a line of the new text, and
 * wrapped rows from there, deleted lines before it included. So a place survives turning the
 * comparison on and off, and another width.
 */
#ifndef AIRLOCK_UI_DOC_H
#define AIRLOCK_UI_DOC_H

#include "base/buf.h"
#include "ui/text.h"

enum doc_kind {
    DOC_SAME,
    DOC_ADD,
    DOC_DEL,
    DOC_BLANKS, /* `count` empty lines in one row [APR-7] */
    DOC_FOLD,   /* `count` lines that did not change in one row */
    DOC_EXTRA,  /* a row behind the text: attachments at the gate */
};

struct doc_entry {
    enum doc_kind kind;
    bool lf, blank;       /* blank: only blanks, among more than DOC_BLANKS_MAX such lines */
    uint32_t line, count; /* 1-based, in its own text */
    const char *p;
    size_t len;
    size_t anchor; /* offset in the new text: its own, or of what follows a deleted line */
    uint32_t pair; /* 1 + entry of the line it replaces or is replaced by; 0 none */
};

#define DOC_BLANKS_MAX 8
#define DOC_CONTEXT    2 /* lines kept around a change when folding */

struct doc {
    char *text, *base; /* copies */
    size_t len, base_len;
    enum text_mode mode;
    bool compared, capped;
    size_t added, deleted;
    struct doc_entry *entries;
    size_t count, cap;
};

/* `base` NULL: no comparison. `fold`: unchanged stretches become one row each. */
void doc_build(struct doc *d, const char *text, size_t len, const char *base, size_t base_len,
               enum text_mode mode, bool fold);
void doc_add_extra(struct doc *d, const char *text); /* borrowed */
void doc_drop_extras(struct doc *d);
void doc_release(struct doc *d);

struct doc_at {
    size_t entry, row;
};
struct doc_at doc_locate(const struct doc *d, uint64_t top, uint32_t row, size_t width);
void doc_place(const struct doc *d, struct doc_at at, size_t width, uint64_t *top, uint32_t *row);
/* Move by `rows` (negative: back), stopping at the ends. */
struct doc_at doc_move(const struct doc *d, struct doc_at at, long rows, size_t width);
/* Where to stand so that the last row is the last of `height`. */
struct doc_at doc_bottom(const struct doc *d, size_t height, size_t width);
int doc_compare(struct doc_at a, struct doc_at b);

#endif
