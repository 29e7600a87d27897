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
    MASK_COUNT
};
#define MASK_NONE 0u
#define MASK_ALL  ((1u << MASK_COUNT) - 1)

const char *mask_name(enum mask_kind kind); /* "time"; static */

/* "time,pid", "all" or "none" → set of bits (1 << kind). ERR_USAGE names the word and the choice.
 */
int mask_parse(const char *list, unsigned *set, struct err *e) MUST_CHECK;
/* "progress, time"; "none". */
void mask_print(unsigned set, struct buf *out);

/* Append the masked form of one line (no LF). Returns the set of masks that found something; `out`
 * full leaves the rest of the line away and is -1. */
int mask_line(unsigned set, const char *line, size_t len, struct buf *out);
/* The same for many lines; LFs are kept, so line n stays line n. */
int mask_lines(unsigned set, const char *p, size_t len, struct buf *out);

#endif
