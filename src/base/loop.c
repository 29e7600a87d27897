/* loop.c - the event loop: epoll, one timerfd behind a heap, one signalfd, idle callbacks. */
#include "base/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "base/clock.h"

#define EVENTS_PER_TURN  64
#define SIGNALS_PER_READ 16
#define NOT_IN_HEAP      SIZE_MAX

enum source_kind { SOURCE_FD, SOURCE_TIMER, SOURCE_IDLE };

struct loop_source {
    enum source_kind kind;
    bool removed;                    /* never called again; freed when no turn is running */
    struct loop_source *prev, *next; /* all live sources, or (next only) the removed ones */
    void *arg;
    union {
        struct {
            int fd;
            enum loop_priority pri;
            unsigned events; /* 0: paused, not in the epoll set */
            loop_fd_fn fn;
        } io;
        struct {
            int64_t due_us;
            uint64_t order; /* equal deadlines fire in the order they were armed */
            size_t at;      /* index in the heap */
            loop_timer_fn fn;
        } timer;
        struct {
            bool pending;
            uint64_t round; /* of idle_fire, when it was woken */
            struct loop_source *next;
            loop_timer_fn fn;
        } idle;
    } u;
};

struct loop {
    int epoll_fd, timer_fd, signal_fd;
    struct loop_source *live, *removed;
    struct loop_source **heap;
    size_t heap_len, heap_cap;
    uint64_t armed_count;
    int64_t armed_us; /* what timer_fd is set to; 0: disarmed */
    struct loop_source *idle_first, *idle_last;
    uint64_t idle_round;
    loop_signal_fn on_signal;
    void *signal_arg;
    loop_wait_fn wait;
    void *wait_arg;
    int64_t now_us;
    unsigned depth; /* turns on the stack */
    bool stop;
};

/* ---- sources */

static struct loop_source *source_new(struct loop *lp, enum source_kind kind, void *arg)
{
    struct loop_source *s = xcalloc(1, sizeof *s);
    s->kind = kind;
    s->arg = arg;
    s->next = lp->live;
    if (lp->live != NULL)
        lp->live->prev = s;
    lp->live = s;
    return s;
}

static void source_unlink(struct loop *lp, struct loop_source *s)
{
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        lp->live = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
    s->prev = s->next = NULL;
}

static void free_removed(struct loop *lp)
{
    while (lp->removed != NULL) {
        struct loop_source *s = lp->removed;
        lp->removed = s->next;
        free(s);
    }
}

/* ---- the timer heap: smallest (due, order) at index 0 */

static bool heap_before(const struct loop_source *a, const struct loop_source *b)
{
    if (a->u.timer.due_us != b->u.timer.due_us)
        return a->u.timer.due_us < b->u.timer.due_us;
    return a->u.timer.order < b->u.timer.order;
}

static void heap_place(struct loop *lp, struct loop_source *s, size_t at)
{
    lp->heap[at] = s;
    s->u.timer.at = at;
}

static void heap_rise(struct loop *lp, struct loop_source *s, size_t at)
{
    while (at > 0 && heap_before(s, lp->heap[(at - 1) / 2])) {
        heap_place(lp, lp->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    heap_place(lp, s, at);
}

static void heap_sink(struct loop *lp, struct loop_source *s, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= lp->heap_len)
            break;
        if (child + 1 < lp->heap_len && heap_before(lp->heap[child + 1], lp->heap[child]))
            child++;
        if (!heap_before(lp->heap[child], s))
            break;
        heap_place(lp, lp->heap[child], at);
        at = child;
    }
    heap_place(lp, s, at);
}

static void heap_insert(struct loop *lp, struct loop_source *s)
{
    if (lp->heap_len == lp->heap_cap) {
        lp->heap_cap = lp->heap_cap != 0 ? lp->heap_cap * 2 : 16;
        lp->heap = xreallocarray(lp->heap, lp->heap_cap, sizeof(void *));
    }
    heap_rise(lp, s, lp->heap_len++);
}

static void heap_delete(struct loop *lp, struct loop_source *s)
{
    size_t at = s->u.timer.at;
    if (at == NOT_IN_HEAP)
        return;
    s->u.timer.at = NOT_IN_HEAP;
    struct loop_source *last = lp->heap[--lp->heap_len];
    if (last == s)
        return;
    heap_sink(lp, last, at);
    if (last->u.timer.at == at)
        heap_rise(lp, last, at);
}

struct loop_source *loop_add_timer(struct loop *lp, loop_timer_fn fn, void *arg)
{
    struct loop_source *s = source_new(lp, SOURCE_TIMER, arg);
    s->u.timer.fn = fn;
    s->u.timer.at = NOT_IN_HEAP;
    return s;
}

void loop_arm_us(struct loop *lp, struct loop_source *s, int64_t delay_us)
{
    INVARIANT(s->kind == SOURCE_TIMER);
    heap_delete(lp, s);
    if (s->removed || delay_us < 0)
        return;
    int64_t now = clock_boot_us(), due;
    if (__builtin_add_overflow(now, delay_us, &due) || due > INT64_MAX / 1000)
        due = INT64_MAX / 1000; /* what a struct timespec can always hold */
    /* Armed from a handler, it belongs to a later turn, however short the delay. */
    if (lp->depth > 0 && due <= lp->now_us)
        due = lp->now_us + 1;
    s->u.timer.due_us = due;
    s->u.timer.order = lp->armed_count++;
    heap_insert(lp, s);
}

/* Bring timer_fd in line with the heap, with a system call only when they differ. Setting it also
 * clears an expiry, so it need never be read. */
static int timers_program(struct loop *lp, struct err *e)
{
    int64_t due = lp->heap_len > 0 ? lp->heap[0]->u.timer.due_us : 0;
    if (due == lp->armed_us)
        return 0;
    struct itimerspec when = { 0 };
    when.it_value.tv_sec = (time_t)(due / 1000000);
    when.it_value.tv_nsec = (long)(due % 1000000) * 1000;
    if (timerfd_settime(lp->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
        return err_sys(e, ERR_IO, "cannot set the loop's timer");
    lp->armed_us = due;
    return 0;
}

static void timers_fire(struct loop *lp)
{
    while (lp->heap_len > 0 && lp->heap[0]->u.timer.due_us <= lp->now_us) {
        struct loop_source *s = lp->heap[0];
        heap_delete(lp, s);
        s->u.timer.fn(s->arg);
    }
}

/* ---- descriptors */

static uint32_t epoll_mask(unsigned events)
{
    return (events & LOOP_READ ? EPOLLIN : 0u) | (events & LOOP_WRITE ? EPOLLOUT : 0u);
}

static unsigned events_of(uint32_t mask)
{
    return (mask & EPOLLIN ? LOOP_READ : 0u) | (mask & EPOLLOUT ? LOOP_WRITE : 0u) |
           (mask & (EPOLLHUP | EPOLLERR) ? LOOP_HUP : 0u);
}

int loop_add_fd(struct loop *lp, int fd, unsigned events, enum loop_priority pri, loop_fd_fn fn,
                void *arg, struct loop_source **out, struct err *e)
{
    struct loop_source *s = source_new(lp, SOURCE_FD, arg);
    s->u.io.fd = fd;
    s->u.io.pri = pri;
    s->u.io.fn = fn;
    struct epoll_event ev = { .events = epoll_mask(events), .data.ptr = s };
    if (events != 0) {
        if (epoll_ctl(lp->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
            int saved = errno;
            source_unlink(lp, s);
            free(s);
            errno = saved;
            return err_sys(e, ERR_IO, "cannot watch descriptor %d", fd);
        }
        s->u.io.events = events;
    }
    *out = s;
    return 0;
}

/* epoll reports a hang-up even with an empty mask, so a paused descriptor has to leave the set:
 * else a peer that closed meanwhile would keep us awake. */
void loop_change_fd(struct loop *lp, struct loop_source *s, unsigned events)
{
    INVARIANT(s->kind == SOURCE_FD);
    if (s->removed || events == s->u.io.events)
        return;
    struct epoll_event ev = { .events = epoll_mask(events), .data.ptr = s };
    int op = events == 0 ? EPOLL_CTL_DEL : s->u.io.events != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    int rc = epoll_ctl(lp->epoll_fd, op, s->u.io.fd, &ev);
    INVARIANT(rc == 0); /* the descriptor was closed before its source was removed */
    s->u.io.events = events;
}

/* ---- idle callbacks */

struct loop_source *loop_add_idle(struct loop *lp, loop_timer_fn fn, void *arg)
{
    struct loop_source *s = source_new(lp, SOURCE_IDLE, arg);
    s->u.idle.fn = fn;
    return s;
}

void loop_wake_idle(struct loop *lp, struct loop_source *s)
{
    INVARIANT(s->kind == SOURCE_IDLE);
    if (s->removed || s->u.idle.pending)
        return;
    s->u.idle.pending = true;
    s->u.idle.round = lp->idle_round;
    s->u.idle.next = NULL;
    if (lp->idle_last != NULL)
        lp->idle_last->u.idle.next = s;
    else
        lp->idle_first = s;
    lp->idle_last = s;
}

static void idle_cancel(struct loop *lp, struct loop_source *s)
{
    if (!s->u.idle.pending)
        return;
    s->u.idle.pending = false;
    struct loop_source **link = &lp->idle_first, *before = NULL;
    while (*link != s) {
        before = *link;
        link = &before->u.idle.next;
    }
    *link = s->u.idle.next;
    if (lp->idle_last == s)
        lp->idle_last = before;
}

/* Those woken by now, in that order; one woken meanwhile has its turn in the next one. */
static void idle_fire(struct loop *lp)
{
    lp->idle_round++;
    while (lp->idle_first != NULL && lp->idle_first->u.idle.round != lp->idle_round) {
        struct loop_source *s = lp->idle_first;
        idle_cancel(lp, s);
        s->u.idle.fn(s->arg);
    }
}

/* ---- signals */

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void on_signal_fd(struct loop *lp)
{
    struct signalfd_siginfo got[SIGNALS_PER_READ];
    ssize_t n = read(lp->signal_fd, got, sizeof got);
    for (ssize_t i = 0; i * (ssize_t)sizeof got[0] < n; i++)
        lp->on_signal(lp->signal_arg, (int)got[i].ssi_signo);
}

int loop_watch_signals(struct loop *lp, const sigset_t *signals, loop_signal_fn fn, void *arg,
                       struct err *e)
{
    INVARIANT(lp->signal_fd < 0);
    if (sigprocmask(SIG_BLOCK, signals, NULL) < 0)
        return err_sys(e, ERR_IO, "cannot block signals");
    int fd = signalfd(-1, signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return err_sys(e, ERR_IO, "cannot make a signal descriptor");
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &lp->signal_fd };
    if (epoll_ctl(lp->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        err_sys(e, ERR_IO, "cannot watch signals");
        close(fd);
        return -1;
    }
    lp->signal_fd = fd;
    lp->on_signal = fn;
    lp->signal_arg = arg;
    return 0;
}

void loop_forget_signals(struct loop *lp)
{
    close_fd(lp->signal_fd);
    lp->signal_fd = -1;
}

/* ---- life and turns */

int loop_new(struct loop **out, struct err *e)
{
    struct loop *lp = xcalloc(1, sizeof *lp);
    lp->signal_fd = -1;
    lp->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    lp->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL }; /* its only use is to wake */
    if (lp->epoll_fd < 0 || lp->timer_fd < 0 ||
        epoll_ctl(lp->epoll_fd, EPOLL_CTL_ADD, lp->timer_fd, &ev) < 0) {
        err_sys(e, ERR_IO, "cannot set up the event loop");
        loop_free(lp);
        return -1;
    }
    lp->now_us = clock_boot_us();
    *out = lp;
    return 0;
}

void loop_free(struct loop *lp)
{
    if (lp == NULL)
        return;
    INVARIANT(lp->depth == 0);
    while (lp->live != NULL) {
        struct loop_source *s = lp->live;
        lp->live = s->next;
        free(s);
    }
    free_removed(lp);
    close_fd(lp->epoll_fd);
    close_fd(lp->timer_fd);
    close_fd(lp->signal_fd);
    free(lp->heap);
    free(lp);
}

void loop_remove(struct loop *lp, struct loop_source *s)
{
    if (s == NULL)
        return;
    INVARIANT(!s->removed);
    switch (s->kind) {
    case SOURCE_FD:
        loop_change_fd(lp, s, 0);
        break;
    case SOURCE_TIMER:
        heap_delete(lp, s);
        break;
    case SOURCE_IDLE:
        idle_cancel(lp, s);
        break;
    }
    s->removed = true;
    source_unlink(lp, s);
    s->next = lp->removed;
    lp->removed = s;
    if (lp->depth == 0)
        free_removed(lp);
}

static bool is_source(const struct loop *lp, const struct epoll_event *ev)
{
    return ev->data.ptr != NULL && ev->data.ptr != &lp->signal_fd;
}

static void dispatch(struct loop *lp, const struct epoll_event *evs, int n, enum loop_priority pri)
{
    for (int i = 0; i < n; i++) {
        if (evs[i].data.ptr == &lp->signal_fd && pri == LOOP_FIRST)
            on_signal_fd(lp);
        if (!is_source(lp, &evs[i]))
            continue;
        struct loop_source *s = evs[i].data.ptr;
        if (s->removed || s->u.io.pri != pri)
            continue;
        /* A handler of this turn may have paused it or changed what it waits for. */
        unsigned wanted = s->u.io.events != 0 ? s->u.io.events | LOOP_HUP : 0;
        unsigned events = events_of(evs[i].events) & wanted;
        if (events != 0)
            s->u.io.fn(s->arg, s->u.io.fd, events);
    }
}

/* The number of ready events; an interrupted sleep is a turn without any. */
static int wait_events(struct loop *lp, struct epoll_event *evs, int timeout_ms, struct err *e)
{
    if (lp->wait != NULL) {
        if (lp->wait(lp->wait_arg, lp->epoll_fd, timeout_ms) < 0)
            return err_set(e, ERR_NET, "the transfer engine stopped");
        timeout_ms = 0;
    }
    int n = epoll_wait(lp->epoll_fd, evs, EVENTS_PER_TURN, timeout_ms);
    if (n < 0 && errno == EINTR)
        return 0;
    if (n < 0)
        return err_sys(e, ERR_IO, "cannot wait for events");
    return n;
}

int loop_turn(struct loop *lp, int timeout_ms, struct err *e)
{
    struct epoll_event evs[EVENTS_PER_TURN] = { 0 };
    if (timers_program(lp, e) < 0)
        return -1;
    int n = wait_events(lp, evs, lp->idle_first != NULL ? 0 : timeout_ms, e);
    if (n < 0)
        return -1;
    lp->now_us = clock_boot_us();
    lp->depth++;
    dispatch(lp, evs, n, LOOP_FIRST);
    timers_fire(lp);
    dispatch(lp, evs, n, LOOP_NORMAL);
    idle_fire(lp);
    if (--lp->depth == 0)
        free_removed(lp);
    return 0;
}

int loop_run(struct loop *lp, struct err *e)
{
    int rc = 0;
    while (rc == 0 && !lp->stop)
        rc = loop_turn(lp, -1, e);
    lp->stop = false;
    return rc;
}

void loop_stop(struct loop *lp)
{
    lp->stop = true;
}

void loop_set_transfer_hook(struct loop *lp, loop_wait_fn wait, void *arg)
{
    lp->wait = wait;
    lp->wait_arg = arg;
}
