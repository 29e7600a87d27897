/* store_links.c - are all events there, each linked to the one before? Without their bodies. */
#include "sessions/store_int.h"

#include <inttypes.h>
#include <string.h>

#define PIECE 1024 /* rows: a reader never keeps the writer from recycling its WAL for long */

static int damaged(uint64_t seq, const char *what, struct err *e)
{
    return err_set(e, ERR_INTEGRITY, "event %" PRIu64 ": %s", seq, what);
}

/* Rows from…to, the first of which follows the chain `prev`; *seq is the last that does. */
static int links_piece(struct store *s, uint64_t *seq, uint64_t to, uint8_t prev[SHA256_LEN],
                       struct err *e)
{
    struct event_row row;
    uint8_t want[SHA256_LEN];
    int got;
    struct sql_stmt *st = store_stmt(s, STMT_EACH_EVENT, e);
    if (st == NULL)
        return -1;
    sql_bind_int(st, 1, (int64_t)*seq + 1);
    sql_bind_int(st, 2, (int64_t)to);
    while ((got = sql_step(st, e)) == 1) {
        if (store_read_row(st, &row) < 0)
            got = damaged(*seq + 1, "the record is damaged", e);
        else if (row.ev.seq != *seq + 1)
            got = damaged(*seq + 1, "missing", e);
        if (got < 0)
            break;
        chain_next(s->sha, prev, &row.ev, row.payload_hash, want);
        if (memcmp(want, row.chain, SHA256_LEN) != 0) {
            got = damaged(*seq + 1, "the chain breaks here", e);
            break;
        }
        memcpy(prev, want, SHA256_LEN);
        *seq = row.ev.seq;
    }
    sql_reset(st);
    return got == 0 && *seq < to ? damaged(*seq + 1, "missing", e) : got;
}

int store_check_links(struct store *s, uint64_t *whole_to, struct err *e)
{
    uint8_t prev[SHA256_LEN];
    uint64_t last = store_last_seq(s);
    *whole_to = 0;
    chain_start(s->sha, s->id, prev);
    while (*whole_to < last) {
        uint64_t end = last - *whole_to < PIECE ? last : *whole_to + PIECE;
        if (links_piece(s, whole_to, end, prev, e) < 0) {
            if (e->code == ERR_FORMAT)
                e->code = ERR_INTEGRITY; /* a page that is torn */
            return err_wrap(e, "session %s", s->id);
        }
    }
    return 0;
}
