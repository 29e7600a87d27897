/* session_int.h - what session.c and session_port.c share; nobody else includes it. */
#ifndef AIRLOCK_CLI_SESSION_INT_H
#define AIRLOCK_CLI_SESSION_INT_H

#include "base/clock.h"
#include "cli/session.h"

struct session {
    struct app *app;
    struct store *store;
    struct state state;
    struct round *round;
    struct session_listener listener;
    struct loop_source *flush;
    uint64_t told_seq; /* durable up to here was told */
    char id[ID_LEN + 1];
    char timeout_proved[128]; /* when, in words; "" not */
};

/* ---- session_port.c ---- */
/* What the round of `s` calls; `s` must live as long as it. */
struct round_port session_port(struct session *s);
/* Commit what is open and tell the listener. The caller decides what a failure means. */
int session_flush(struct session *s, struct err *e) MUST_CHECK;
void session_on_flush(void *session); /* a loop_timer_fn: it is due */
/* The state holds `ev` now: tell the frames and the listener. */
void session_tell_applied(struct session *s, const struct event *ev);

#endif
