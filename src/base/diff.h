/* diff.h - line diff and in-line word marks; ours, since comparing attempts and outputs is what
 * Airlock is for. Hash lines, trim equal ends, intern, greedy resync on lines unique to both,
 * linear-space Myers with a cost cap in the gaps; a gap that costs more is cut at the best place
 * found, or counts as wholly changed, and `capped` says so (seqdiff.h). Groups of added or deleted
 * lines stand where they read best. Time is bounded: about a second at worst for a million lines.
 * [performance §1.12]
 */
#ifndef AIRLOCK_BASE_DIFF_H
#define AIRLOCK_BASE_DIFF_H

#include "buf.h"

enum diff_op { DIFF_SAME, DIFF_DEL, DIFF_ADD };

/* `count` lines from a (SAME, DEL) starting at `a` and from b (SAME, ADD) starting at `b`, 0-based.
 */
struct diff_run {
    enum diff_op op;
    size_t a, b, count;
};

struct diff {
    struct diff_run *runs;
    size_t count, cap;
    size_t a_lines, b_lines, added, deleted;
    bool capped; /* a gap was too costly to align exactly */
};

/* Lines end at LF; the last may lack it ("a" and "a\n" differ). ERR_LIMIT above 4 GiB or 2^31
 * lines. */
int diff_lines(struct diff *out, const char *a, size_t a_len, const char *b, size_t b_len,
               struct err *e) MUST_CHECK;
void diff_release(struct diff *d);

/* Byte spans of `a` and `b` (one line each) that differ, by words and punctuation. */
struct diff_span {
    size_t start, len;
};
struct diff_marks {
    struct diff_span *a, *b;
    size_t a_count, b_count;
};
void diff_words(struct diff_marks *out, const char *a, size_t a_len, const char *b, size_t b_len);
void diff_marks_release(struct diff_marks *m);

#endif
