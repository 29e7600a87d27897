/* difftext.h - a comparison as text for people and as JSON: equal parts folded, every byte of the
 * differing lines visible and harmless. */
#ifndef AIRLOCK_CLI_DIFFTEXT_H
#define AIRLOCK_CLI_DIFFTEXT_H

#include "base/json.h"
#include "sessions/compare.h"

struct difftext {
    bool words, side_by_side, color, ascii;
    size_t width;                  /* of side by side, in columns */
    int (*flush)(struct buf *out); /* called when `out` has grown large; non-zero ends it */
};

/* The hunks of a comparison that DIFFERS. */
void difftext_print(const struct difftext *d, const struct compare *c, struct buf *out);
/* The same into an open array of objects: {op, line, text}; at most DIFFTEXT_JSON_MAX, then one
 * with op "more". */
#define DIFFTEXT_JSON_MAX 2000
void difftext_json(const struct compare *c, struct json_w *w);

#endif
