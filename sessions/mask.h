/* mask.h - noise masks: what differs between two runs of the same code without meaning anything.
 *
 * A mask replaces what it finds in a line by its name in angle brackets ("12:30:01" → "<time>").
 * Line by line, from left to right, in time linear in the line, the same answer for the same bytes.
 * Only output is ever masked, never code; who compares through masks says so. [architecture §7]
 */
#ifndef AIRLOCK_SESSIONS_MASK_H
#define AIRLOCK_SESSIONS_MASK_H

#include "base/buf.h"

enum mask_kind {
    MASK_PROGRESS, /* what a CR overwrote, bars of = # and blocks, "45%|██…" to the line's end */
    MASK_UUID,     /* 8-4-4-4-12 hex digits */
    MASK_ADDRESS,  /* 0x and 6–16 hex digits */
    MASK_TMP,      /* /tmp/NAME, /var/tmp/NAME, /dev/shm/NAME, /var/folders/NAME: up to the name */
    MASK_DATE,     /* 2026-11-22, 2026/11/22, Nov 22, 22 Nov 2026, with a weekday before it */
    MASK_TIME,     /* 12:30, 12:30:01.5Z, 1763792419.25 (seconds since 1970 with a fraction) */
    MASK_PID,      /* the number behind pid, tid, process, thread; name[123]: */
    MASK_PORT,     /* the number behind port, localhost:, 127.0.0.1:, ://host: */
    MASK_DURATION, /* 3 ms, 0.25s, 1m3.5s, 2 minutes */
    MASK_ANSI,     /* colours and other ESC [ sequences: taken away, so the others see plain text */
    MASK_COUNT
};
/* Behind the built-in ones, up to MASK_OWN_MAX of the person's. A set may hold bits of masks that
 * do not exist: they find nothing and are not named. */
#define MASK_OWN_MAX 16
#define MASK_NONE    0u
#define MASK_ALL     ((1u << (MASK_COUNT + MASK_OWN_MAX)) - 1)

unsigned mask_count(void);            /* of those that exist: bits 0 to mask_count() - 1 */
const char *mask_name(unsigned kind); /* "time"; lent for the life of the process */

/* A mask of the person's own, for this process: what `pattern` (base/line_regex.h, leftmost and
 * longest) finds becomes <name>. ERR_USAGE (name, too many, defined already), ERR_FORMAT (pattern).
 */
int mask_define(const char *name, const char *pattern, struct err *e) MUST_CHECK;
void mask_forget_own(void); /* for the end, and for tests */

/* "time,pid", "all" or "none" → set of bits (1 << kind); "-time" and "+pid" in front change the set
 * that *set holds. ERR_USAGE names the word and the choice. */
int mask_parse(const char *list, unsigned *set, struct err *e) MUST_CHECK;
/* "progress, time"; "none". */
void mask_print(unsigned set, struct buf *out);

/* Append the masked form of one line (no LF). Returns the set of masks that found something; `out`
 * full leaves the rest of the line away and is -1. */
int mask_line(unsigned set, const char *line, size_t len, struct buf *out);
/* The same for many lines; LFs are kept, so line n stays line n. */
int mask_lines(unsigned set, const char *p, size_t len, struct buf *out);

#endif
