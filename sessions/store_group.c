/* store_group.c - commits: several events in one, and the failure that ends them all. */
#include <string.h>

#include "base/clock.h"
#include "sessions/sidecar.h"
#include "sessions/store_int.h"

/* The first failure ends the store: what the disk did with the pages is unknown, a second try on
 * the same descriptor could succeed without them. [AUD-4] */
int store_fail(struct store *s, struct err *e)
{
    s->failure = *e;
    if (s->failure.code == ERR_FORMAT)
        s->failure.code = ERR_IO;
    err_wrap(&s->failure, "session %s can't be written any more", s->id);
    s->failed = true;
    s->group_open = false;
    s->last_seq = s->durable_seq;
    memcpy(s->head, s->durable_head, sizeof s->head);
    memset(s->ends, 0, sizeof s->ends);
    for (unsigned i = 0; i < STMT_COUNT; i++)
        sql_reset(s->stmts[i]);
    sql_roll_back(s->db);
    *e = s->failure;
    return -1;
}

int store_begin(struct store *s, struct err *e)
{
    if (s->group_open)
        return 0;
    struct sql_stmt *st = store_stmt(s, STMT_BEGIN, e);
    if (st == NULL || sql_run(st, e) < 0)
        return -1;
    s->group_open = true;
    s->group_events = 0;
    s->group_bytes = 0;
    s->group_due_us = clock_boot_us() + STORE_GROUP_US;
    return 0;
}

int store_commit(struct store *s, bool anchor, struct err *e)
{
    struct err why = ERR_INIT;
    struct sql_stmt *st = store_stmt(s, STMT_COMMIT, &why);
    if (st == NULL || sql_run(st, &why) < 0) {
        store_fail(s, &why);
        return err_set(e, why.code, "%s", why.msg);
    }
    s->group_open = false;
    s->durable_seq = s->last_seq;
    memcpy(s->durable_head, s->head, sizeof s->head);
    if (anchor) {
        anchor_write(s->head_fd, s->durable_seq, s->durable_head);
        s->anchored_seq = s->durable_seq;
    }
    return 0;
}

int store_flush(struct store *s, struct err *e)
{
    if (s->failed)
        return err_set(e, s->failure.code, "%s", s->failure.msg);
    return s->group_open ? store_commit(s, false, e) : 0;
}

int64_t store_flush_due_us(const struct store *s)
{
    return s->group_open ? s->group_due_us : 0;
}

uint64_t store_durable_seq(const struct store *s)
{
    return s->writable ? s->durable_seq : store_last_seq(s);
}

bool store_failed(const struct store *s, struct err *why)
{
    if (s->failed && why != NULL)
        *why = s->failure;
    return s->failed;
}
