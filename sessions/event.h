/* event.h - the past facts a session consists of. Live session, replay, resume, export and `--json`
 * are all the same fold over these. [interface.md "Events", architecture §1, §5]
 *
 * An event's body is JSON text (exactly the bytes that are stored and hashed), except `run.output`,
 * whose body is raw bytes with stream and offset. Types this program does not know (written by a
 * newer one) are kept and skipped. The table in event.c says which fields each type has.
 */
#ifndef AIRLOCK_SESSIONS_EVENT_H
#define AIRLOCK_SESSIONS_EVENT_H

#include "base/buf.h"
#include "base/json.h"
#include "base/redact.h"

enum event_type {
    EVENT_UNKNOWN,
    EVENT_SESSION_CREATED,
    EVENT_SESSION_RENAMED,
    EVENT_SESSION_TAGGED,
    EVENT_SESSION_TRASHED,
    EVENT_SESSION_RESUMED,
    EVENT_SESSION_FINISHED,
    EVENT_TASK_GIVEN,
    EVENT_PLANNER_MESSAGE,
    EVENT_PLANNER_WAITING, /* it is the person's turn */
    EVENT_MODEL_CHANGED,
    EVENT_NOTE,
    EVENT_PLAN_UPDATED,
    EVENT_RUN_PROPOSED,
    EVENT_RUN_REVIEWED,
    EVENT_GATE_OPENED,
    EVENT_GATE_DECIDED,
    EVENT_LEASE_GRANTED,
    EVENT_LEASE_ENDED,
    EVENT_RUN_STARTED,
    EVENT_RUN_OUTPUT,
    EVENT_RUN_RESULT,
    EVENT_RUN_FINISHED,
    EVENT_RUN_VERDICT,
    EVENT_STATE_CHANGED,
    EVENT_CHECKPOINT_PART, /* of a blob too long for one event; checkpoint.made ends it */
    EVENT_CHECKPOINT_MADE,
    EVENT_CHECKPOINT_LOST,
    EVENT_STATE_RESTORED,
    EVENT_SANDBOX_CREATING,
    EVENT_SANDBOX_READY,
    EVENT_SANDBOX_PROBED, /* what was tried in it before its first use, and what came of it */
    EVENT_SANDBOX_CLOSED,
    EVENT_SANDBOX_ORPHANED,
    EVENT_SANDBOX_PAUSED,  /* keeps its memory, costs nothing; sandbox.ready again: woken */
    EVENT_SANDBOX_WAITING, /* the provider has no place free */
    EVENT_SANDBOX_LEASE,   /* when it ends has moved */
    EVENT_USAGE,
    EVENT_ERROR,
    EVENT_FILE_PUT,
    EVENT_FILE_GOT,
    EVENT_RUN_FLAGGED,
    EVENT_NETWORK_ASKED, /* network=allow: on disk before anything leaves */
    EVENT_NETWORK_CLOSED,
    EVENT_TYPE_COUNT
};

#define EVENT_BODY_MAX ((size_t)48 << 20)
#define EVENT_NAME_MAX 64 /* bytes in a type's name */

struct event {
    uint64_t seq;           /* 0 until appended */
    int64_t at_us, boot_us; /* 0: the store fills in now */
    uint32_t run;           /* 0: belongs to no run */
    enum event_type type;
    const char
        *type_name; /* NULL: that of `type`. Static, or lent by the store for unknown types */
    /* body of everything but run.output; all three empty when it was erased */
    const char *json;
    size_t json_len;
    const struct json *body; /* parsed `json`, filled by event_parse or the store; lent */
    /* body of run.output; `bytes` is NULL when it was erased */
    unsigned stream; /* 1 stdout, 2 stderr (enum sandbox_stream) */
    uint64_t offset; /* of the first byte in its stream of this run */
    const char *bytes;
    size_t len;
    /* Of a durable event that is to be appended: another one follows in this turn, and nothing acts
     * on this one before. Both are then one commit. */
    bool more;
};

const char *event_type_name(enum event_type t); /* "run.proposed"; "unknown" */
enum event_type event_type_find(const char *name);
/* Must be on disk before anything acts on it: its append is a durable commit of its own. [AUD-3] */
bool event_is_durable(enum event_type t);

/* ---- building: event_begin, json_w_* for the fields, event_end, append. `buf` holds the JSON.
 * Not for run.output: fill in a struct event. ---- */
struct event_builder {
    struct event ev;
    struct buf buf;
    struct json_w w;
    struct json *parsed;
};
void event_begin(struct event_builder *b, enum event_type type, uint32_t run);
/* Hide the secrets of `r` (may be NULL) in all that was written to the body so far, whatever the
 * field; then more may be written. ERR_LIMIT. [SEC-4] */
int event_hide_secrets(struct event_builder *b, const struct redact *r, struct err *e) MUST_CHECK;
/* Close the object, parse it (ev.body) and check the required fields of its type: a missing one is
 * a bug. ERR_LIMIT when larger than EVENT_BODY_MAX. */
int event_end(struct event_builder *b, struct err *e) MUST_CHECK;
void event_release(struct event_builder *b);

/* Parse ev->json into *out and set ev->body; check the fields of its type against the table in
 * event.c. *out is NULL for run.output. ERR_FORMAT. */
int event_parse(struct event *ev, struct json **out, struct err *e) MUST_CHECK;

/* One JSONL record as interface.md shows it:
 * {"seq":…,"at":…,"session":…,"run":…,"type":…, body…}\n; `run` stands there when the event belongs
 * to one. -1 when `out` is full (nothing added). */
int event_print_jsonl(const struct event *ev, const char *session, struct buf *out);

/* The table as Markdown: type, durable or not, fields with kind and words. For the documents. */
int event_print_table(struct buf *out);

#endif
