/* sessions.h - session files to list and to open, made through the store. */
#ifndef AIRLOCK_TESTS_BENCH_SESSIONS_H
#define AIRLOCK_TESTS_BENCH_SESSIONS_H

#include "bench.h"
#include "sessions/index.h"
#include "sessions/store.h"
#include "tool/contract.h"

#define SESSIONS 10000

static struct err e;

static void check(int rc)
{
    if (rc < 0)
        bench_die(e.msg);
}

static void add_event(struct store *s, enum event_type type, const char *json)
{
    struct event ev = { .type = type, .json = json, .json_len = strlen(json) };
    check(store_append(s, &ev, &e));
}

static void add_created(struct store *s)
{
    struct event_builder b;
    struct contract c;
    uint8_t digest[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    contract_init(&c);
    contract_digest(&c, digest);
    hex_encode(digest, sizeof digest, hex);
    event_begin(&b, EVENT_SESSION_CREATED, 0);
    json_w_str(&b.w, "planner", "human");
    json_w_str(&b.w, "model", "");
    json_w_str(&b.w, "sandbox", "local");
    json_w_str(&b.w, "image", "");
    contract_to_json(&c, &b.w, "contract");
    json_w_str(&b.w, "contract_digest", hex);
    json_w_str(&b.w, "version", AIRLOCK_VERSION);
    check(event_end(&b, &e));
    check(store_append(s, &b.ev, &e));
    event_release(&b);
    contract_release(&c);
}

/* session.created, a task, and messages up to `events`. */
static void make_session(const char *dir, const char *id, int events)
{
    struct store *s;
    check(store_create(&s, dir, id, &e));
    add_created(s);
    add_event(s, EVENT_TASK_GIVEN, "{\"text\":\"find the cause in a log\",\"author\":\"person\"}");
    for (int i = 2; i < events; i++)
        add_event(s, EVENT_PLANNER_MESSAGE,
                  "{\"text\":\"what a planner says in one delta\",\"author\":\"planner\"}");
    check(store_flush(s, &e));
    store_close(s);
}

static int count_entry(void *arg, const struct index_entry *entry)
{
    (void)entry;
    ++*(int *)arg;
    return 0;
}

BENCH_UNUSED static void list_once(const char *data, bool refresh)
{
    struct index *ix;
    int n = 0;
    check(index_open(&ix, data, &e));
    if (refresh)
        check(index_refresh(ix, &e));
    check(index_list(ix, NULL, INDEX_KEPT, 50, count_entry, &n, &e));
    index_close(ix);
    if (n != 50)
        bench_die("the list is short");
}

/* 10 000 names of one session in <data>/sessions: what is measured is the looking, not the disk
 * they would fill. Seconds that the first listing took. */
BENCH_UNUSED static double fill_sessions(const char *data)
{
    char sessions[300], first[400], path[400];
    snprintf(sessions, sizeof sessions, "%.280s/sessions", data);
    make_session(sessions, "s00000", 20);
    snprintf(first, sizeof first, "%s/s00000.db", sessions);
    for (int i = 1; i < SESSIONS; i++) {
        snprintf(path, sizeof path, "%s/s%05d.db", sessions, i);
        if (link(first, path) < 0)
            bench_die(path);
    }
    nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL); /* old enough to be trusted */
    double start = bench_now();
    list_once(data, true);
    double took = bench_now() - start;
    nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
    list_once(data, true);
    return took;
}

#endif
