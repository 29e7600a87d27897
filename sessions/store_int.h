/* store_int.h - what the files of the store share; nobody else includes it. */
#ifndef AIRLOCK_SESSIONS_STORE_INT_H
#define AIRLOCK_SESSIONS_STORE_INT_H

#include "sessions/chain.h"
#include "sessions/schema.h"
#include "sessions/store.h"

/* Statements, prepared on first use. The texts stand in store.c. */
enum store_stmt {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_ADD_EVENT,
    STMT_ADD_PAYLOAD,
    STMT_ADD_OUTPUT,
    STMT_ADD_ARTIFACT,
    STMT_ADD_CHECKPOINT,
    STMT_LAST_SEQ,
    STMT_EACH_EVENT,
    STMT_EACH_PAYLOAD,
    STMT_EACH_OUTPUT,
    STMT_READ_OUTPUT,
    STMT_OUTPUT_END,
    STMT_WALK_OUTPUT,
    STMT_HAS_OUTPUT,
    STMT_COUNT
};

/* Where a stream ends, as far as this handle has appended to it. */
struct stream_end {
    uint32_t run;
    unsigned stream; /* 0: unused */
    uint64_t bytes;
};
#define STREAM_ENDS 4

struct store {
    char *path, *lock_path, *head_path, *dir, *id;
    struct sql *db;
    struct sql_stmt *stmts[STMT_COUNT];
    struct derive derive;
    struct sha256 *sha;
    bool writable, failed, said_last, bulk;
    struct err failure;
    int lock_fd, head_fd, reserve_fd; /* -1: none */

    /* the end of the log, and what of it is on disk */
    uint64_t last_seq, durable_seq, anchored_seq;
    uint8_t head[SHA256_LEN], durable_head[SHA256_LEN];

    /* the open group */
    bool group_open;
    unsigned group_events;
    size_t group_bytes;
    int64_t group_due_us;

    struct stream_end ends[STREAM_ENDS];
    unsigned next_end;

    /* a body the store had to parse or complete, lent to the caller's event */
    struct buf body_text;
    struct json *body;
};

/* NULL and *e when it can't be prepared (damaged or foreign file). */
struct sql_stmt *store_stmt(struct store *s, enum store_stmt which, struct err *e);

/* The first failure ends the store. *e gets the message with the session's name; always -1. */
int store_fail(struct store *s, struct err *e);
int store_begin(struct store *s, struct err *e); /* open a group unless one is; no store_fail */
int store_commit(struct store *s, bool anchor, struct err *e); /* ends the store when it fails */
/* Close the database and open it again, for store_append_last. */
int store_reopen(struct store *s, struct err *e);
void store_give_reserve(struct store *s);

/* Read one row of STMT_EACH_EVENT (without its body). -1 when a column has a size it can't have. */
#define STORE_EVENT_COLUMNS "seq, at_us, boot_us, type, run, salt, payload_hash, chain"
struct event_row {
    struct event ev; /* type_name lent by `name` */
    char name[EVENT_NAME_MAX + 1];
    uint8_t salt[CHAIN_SALT_LEN], payload_hash[SHA256_LEN], chain[SHA256_LEN];
};
int store_read_row(struct sql_stmt *st, struct event_row *row);
bool store_body_matches(struct store *s, const struct event_row *row);

/* Events seq from…to and their bodies: three walks by seq in step. The event walk is stepped first
 * and so pins one snapshot for all three. */
struct bodies {
    struct sql_stmt *event, *payload, *output;
    uint64_t payload_seq, output_seq; /* of the row each stands on; UINT64_MAX at the end */
};
int bodies_start(struct bodies *b, struct store *s, uint64_t from, uint64_t to, struct err *e);
void bodies_stop(struct bodies *b);
/* Lend `ev` its stored body; an erased one stays NULL. ERR_INTEGRITY. */
int bodies_attach(struct bodies *b, struct event *ev, struct err *e);
/* ERR_INTEGRITY when the table it does not belong to has a body for `ev` too. */
int bodies_check_other(struct bodies *b, const struct event *ev, struct err *e);

#endif
