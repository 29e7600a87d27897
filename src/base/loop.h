/* loop.h - one thread, one loop: an epoll set holding tty, signalfd, timerfds, pipes and pidfds.
 *
 * `epoll_wait` alone until a transfer exists; net.c hooks in with loop_set_transfer_hook, after
 * which the epoll descriptor is the one extra descriptor of curl_multi_poll. Work per turn is
 * bounded: higher priority sources first (LOOP_FIRST: the tty and signals), then the rest. At idle
 * it does not wake at all.
 *
 * Handlers may add and remove any source, their own included; a removed one is never called again.
 */
#ifndef AIRLOCK_BASE_LOOP_H
#define AIRLOCK_BASE_LOOP_H

#include <signal.h>
#include "buf.h"

struct loop;
struct loop_source; /* opaque; freed by loop_remove */

enum loop_priority { LOOP_FIRST, LOOP_NORMAL };
#define LOOP_READ  1u
#define LOOP_WRITE 2u
#define LOOP_HUP   4u /* always reported */

typedef void (*loop_fd_fn)(void *arg, int fd, unsigned events);
typedef void (*loop_timer_fn)(void *arg);
typedef void (*loop_signal_fn)(void *arg, int signo);

int loop_new(struct loop **out, struct err *e) MUST_CHECK;
void loop_free(struct loop *lp);

/* Watch `fd` (borrowed, non-blocking). ERR_IO on epoll's EPERM (plain files): read those directly.
 */
int loop_add_fd(struct loop *lp, int fd, unsigned events, enum loop_priority pri, loop_fd_fn fn,
                void *arg, struct loop_source **out, struct err *e) MUST_CHECK;
/* 0 pauses it: not even a hang-up is reported then. LOOP_HUP alone waits for that. */
void loop_change_fd(struct loop *lp, struct loop_source *s, unsigned events);

/* A one-shot timer, created disarmed; loop_arm_us(…, delay) (re)arms it, 0 fires next turn, <0
 * disarms. Timers run on CLOCK_BOOTTIME in a heap behind one timerfd. */
struct loop_source *loop_add_timer(struct loop *lp, loop_timer_fn fn, void *arg);
void loop_arm_us(struct loop *lp, struct loop_source *s, int64_t delay_us);

/* Call once after the current turn's events ("later", coalesced per source while pending). */
struct loop_source *loop_add_idle(struct loop *lp, loop_timer_fn fn, void *arg);
void loop_wake_idle(struct loop *lp, struct loop_source *s);

/* Block `signals` and deliver them here through one signalfd. Once, until loop_forget_signals. */
int loop_watch_signals(struct loop *lp, const sigset_t *signals, loop_signal_fn fn, void *arg,
                       struct err *e) MUST_CHECK;
/* Not any more, so that somebody else may watch them; they stay blocked until then. */
void loop_forget_signals(struct loop *lp);

/* Before the descriptor is closed, else it is a bug and aborts. NULL is fine. */
void loop_remove(struct loop *lp, struct loop_source *s);

/* One turn: wait ≤ timeout_ms (-1: until something happens), dispatch. */
int loop_turn(struct loop *lp, int timeout_ms, struct err *e) MUST_CHECK;
/* Until loop_stop (at once when that was called before). */
int loop_run(struct loop *lp, struct err *e) MUST_CHECK;
void loop_stop(struct loop *lp);

/* For net.c: while `active` transfers exist, wait(arg, epoll_fd, timeout_ms) replaces epoll_wait's
 * sleep. It may call loop_wake_idle. -1: ERR_NET from loop_turn. */
typedef int (*loop_wait_fn)(void *arg, int epoll_fd, int timeout_ms);
void loop_set_transfer_hook(struct loop *lp, loop_wait_fn wait, void *arg); /* NULL to unset */

#endif
