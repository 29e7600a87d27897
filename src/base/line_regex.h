/* line_regex.h - does any line of a text match a regular expression? Ours, since both come from
 * planners and sandboxes: the C library's matcher took 2 GB and minutes for one 16 kB line and a
 * pattern made for it. Here a match takes at most (program × text) steps and memory that depends on
 * the pattern only.
 *
 * POSIX extended expressions (. [] [^] [:alpha:] () | * + ? {m,n} ^ $) and what people also write:
 * (?:…), \d \w \s \D \W \S, \b \B, \t, a backslash before punctuation (inside brackets too), and
 * `?` after a repetition, which means nothing here. Characters are code points; a byte that is no
 * UTF-8 is one character that only . and [^…] match. No back-references, no flags.
 */
#ifndef AIRLOCK_BASE_LINE_REGEX_H
#define AIRLOCK_BASE_LINE_REGEX_H

#include "base/buf.h"

#define LINE_REGEX_PATTERN_MAX ((size_t)1000) /* bytes */
#define LINE_REGEX_SIZE_MAX    ((size_t)4000) /* instructions, repetitions written out */

struct line_regex;

/* ERR_FORMAT: what is wrong and at which byte of the pattern, or that it is too large. */
int line_regex_new(struct line_regex **out, const char *pattern, struct err *e) MUST_CHECK;
void line_regex_free(struct line_regex *re);

enum line_regex_result { LINE_REGEX_NO, LINE_REGEX_YES, LINE_REGEX_TOO_SLOW };
/* TOO_SLOW: `budget_us` of CLOCK_MONOTONIC went by without a match. An empty text has one, empty
 * line; behind a final newline there is none. */
enum line_regex_result line_regex_find(const struct line_regex *re, const char *text, size_t len,
                                       int64_t budget_us);

/* Where: memory for one expression, used again from line to line. */
struct line_regex_scan;
struct line_regex_scan *line_regex_scan_new(const struct line_regex *re); /* `re` borrowed */
void line_regex_scan_free(struct line_regex_scan *s);
/* The first match in a line (no LF) that begins at `from` or behind it and is not empty, the
 * longest of those that begin there. *steps bounds the work and is counted down: at 0 there is no
 * match. */
bool line_regex_span(struct line_regex_scan *s, const char *line, size_t len, size_t from,
                     size_t *steps, size_t *start, size_t *match_len);

#endif
