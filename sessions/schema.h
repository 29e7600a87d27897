/* schema.h - the tables of a session file, and how older ones become newer ones. Internal to
 * sessions/. [architecture §5]
 *
 * `session` holds the id (chain_0 binds it), so that a file can be renamed or mailed. Rows of
 * `repl_var` and `sandbox` are derived from event bodies; those of `artifact` and `checkpoint` are
 * named in the body of their event with a SHA-256. So the chain covers every table.
 */
#ifndef AIRLOCK_SESSIONS_SCHEMA_H
#define AIRLOCK_SESSIONS_SCHEMA_H

#include "sessions/event.h"
#include "sessions/sql.h"

#define SCHEMA_APPLICATION_ID 0x41524c4b /* "ARLK" */

/* An empty database becomes a session file of the current version. */
int schema_create(struct sql *db, const char *id, struct err *e) MUST_CHECK;
/* Is it ours? ERR_FORMAT: empty, another program's, damaged, or newer than this program. */
int schema_check(struct sql *db, int64_t *version, struct err *e) MUST_CHECK;
/* Bring it from `version` to the current one, each step in a transaction of its own. */
int schema_upgrade(struct sql *db, int64_t version, struct err *e) MUST_CHECK;
/* Are tables, indices and triggers word for word what `version` has? ERR_FORMAT names the first
 * that differs. */
int schema_compare(struct sql *db, int64_t version, struct err *e) MUST_CHECK;

/* The rows that follow from an event's body, in a session file or in a scratch database. */
struct derive {
    struct sql_stmt *add_var, *put_sandbox;
};
int derive_open(struct derive *d, struct sql *db, struct err *e) MUST_CHECK;
void derive_close(struct derive *d);
int derive_rows(struct derive *d, const struct event *ev, struct err *e) MUST_CHECK;
bool event_has_rows(enum event_type t); /* is derive_rows needed? */

#endif
