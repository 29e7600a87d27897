/* tripwire.h - text in what a program wrote that is addressed to the model that will read it:
 * instructions, roles and special tokens of chat formats, tool calls, the session's canary coming
 * back. [threats.md A1, A2; issue "injection tripwire"]
 *
 * It informs and never decides. A hit tells a stream and an offset; who reads it makes an event of
 * it, a finding at the next gate, a mark in the pane. The rules are data
 * (share/review/output.rules, compiled in; the format is described there); each carries examples
 * that must match and examples that must not, all of them checked when the rules are loaded.
 *
 * Built for floods: every pattern holds a stretch of TRIPWIRE_ANCHOR_MIN known bytes, so one look
 * at six bytes out of six finds each of them. Only there the pattern is compared, and only within
 * TRIPWIRE_BACK bytes before and TRIPWIRE_AHEAD bytes behind: time is linear, memory fixed, and
 * hits do not depend on how the bytes were cut into pieces.
 */
#ifndef AIRLOCK_TOOL_TRIPWIRE_H
#define AIRLOCK_TOOL_TRIPWIRE_H

#include "base/buf.h"
#include "tool/state.h" /* enum finding_severity */

#define TRIPWIRE_ANCHOR_MIN  11
#define TRIPWIRE_BACK        256
#define TRIPWIRE_AHEAD       256
#define TRIPWIRE_CARRY       (2 * TRIPWIRE_BACK + TRIPWIRE_AHEAD)
#define TRIPWIRE_EXCERPT_MAX 120
#define TRIPWIRE_HITS_MAX    16 /* of a stream; then one last hit, "tripwire.many", and no more */
#define TRIPWIRE_RULE_MAX    4  /* of one rule in a stream */
#define TRIPWIRE_RULES_MAX   64

struct tripwire; /* immutable */

struct tripwire_hit {
    uint64_t offset;     /* of its first byte in the stream */
    const char *rule;    /* "tripwire.override"; lent by the rules */
    const char *text;    /* what it does, in a few words; lent */
    const char *excerpt; /* what stands there: one line of printable ASCII; lent for the call */
    enum finding_severity severity;
};
typedef void (*tripwire_fn)(void *arg, const struct tripwire_hit *hit);

/* The compiled-in rules. `canary` (NULL or 16–64 letters and digits) is looked for as it is, in hex
 * and in base64: rule "tripwire.canary". ERR_FORMAT names the line that is wrong, or the example
 * that does not hold. */
int tripwire_new(struct tripwire **out, const char *canary, struct err *e) MUST_CHECK;
/* Rules from a text instead. */
int tripwire_new_text(struct tripwire **out, const char *canary, const char *text, size_t len,
                      struct err *e) MUST_CHECK;
void tripwire_free(struct tripwire *t);
size_t tripwire_rule_count(const struct tripwire *t);
size_t tripwire_example_count(const struct tripwire *t);

/* One stream: plain data, nothing to release. */
struct tripwire_stream {
    uint64_t at;      /* bytes so far, with the line end that is thought before the first */
    uint64_t decided; /* what begins before it was judged */
    size_t carry_len;
    unsigned hits;
    bool over; /* enough hits: nothing more is looked at */
    uint8_t of_rule[TRIPWIRE_RULES_MAX];
    uint64_t last_of_rule[TRIPWIRE_RULES_MAX]; /* where its last hit was */
    char carry[TRIPWIRE_CARRY + 8];            /* eight are read where six are looked at */
};
void tripwire_stream_init(struct tripwire_stream *s);
/* `fn` is called for each hit that is certain by now, in the order of their offsets: up to
 * TRIPWIRE_AHEAD bytes are held back until more comes, or the end. */
void tripwire_feed(const struct tripwire *t, struct tripwire_stream *s, const char *p, size_t len,
                   tripwire_fn fn, void *arg);
void tripwire_end(const struct tripwire *t, struct tripwire_stream *s, tripwire_fn fn, void *arg);
/* A whole text. */
void tripwire_scan(const struct tripwire *t, const char *p, size_t len, tripwire_fn fn, void *arg);

#endif
