/* test_loop.c - the event loop: order, removal during dispatch, timers, idles, signals, the hook.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/loop.h"

#define LOG_MAX 64

/* What was called, in order, as letters. */
struct trace {
    char calls[LOG_MAX];
    size_t len;
};

struct watched {
    struct loop *lp;
    struct trace *trace;
    char name;
    struct loop_source *self;
    struct loop_source *remove; /* what the handler removes */
    struct loop_source *arm;    /* timer the handler arms with 0, or idle it wakes */
    unsigned events;
};

static void record(struct watched *w)
{
    assert_true(w->trace->len + 1 < LOG_MAX);
    w->trace->calls[w->trace->len++] = w->name;
    if (w->remove != NULL) {
        loop_remove(w->lp, w->remove);
        w->remove = NULL;
    }
}

static void on_fd(void *arg, int fd, unsigned events)
{
    struct watched *w = arg;
    (void)fd;
    w->events = events;
    record(w);
}

static void on_timer(void *arg)
{
    struct watched *w = arg;
    record(w);
    if (w->arm != NULL)
        loop_arm_us(w->lp, w->arm, 0);
}

static void on_idle(void *arg)
{
    struct watched *w = arg;
    record(w);
    if (w->arm != NULL)
        loop_wake_idle(w->lp, w->arm);
}

static struct loop *new_loop(void)
{
    struct loop *lp;
    assert_int_equal(0, loop_new(&lp, NULL));
    return lp;
}

static void turn(struct loop *lp, int timeout_ms)
{
    struct err e = ERR_INIT;
    if (loop_turn(lp, timeout_ms, &e) < 0)
        fail_msg("%s", e.msg);
}

/* A pipe whose read end is readable. */
static void ready_pipe(int p[2])
{
    assert_int_equal(0, pipe2(p, O_NONBLOCK | O_CLOEXEC));
    assert_int_equal(1, write(p[1], "x", 1));
}

static void close_pipe(int p[2])
{
    close(p[0]);
    close(p[1]);
}

static void add(struct watched *w, int fd, unsigned events, enum loop_priority pri)
{
    assert_int_equal(0, loop_add_fd(w->lp, fd, events, pri, on_fd, w, &w->self, NULL));
}

static void test_first_goes_before_normal(void **state)
{
    (void)state;
    struct loop *lp = new_loop();
    struct trace t = { 0 };
    int p[4][2];
    struct watched w[4];
    for (int i = 0; i < 4; i++) {
        ready_pipe(p[i]);
        w[i] = (struct watched){ .lp = lp, .trace = &t, .name = i < 2 ? 'n' : 'F' };
        add(&w[i], p[i][0], LOOP_READ, i < 2 ? LOOP_NORMAL : LOOP_FIRST);
    }
    struct watched tm = { .lp = lp, .trace = &t, .name = 't' };
    loop_arm_us(lp, loop_add_timer(lp, on_timer, &tm), 0);
    struct watched idle = { .lp = lp, .trace = &t, .name = 'i' };
    loop_wake_idle(lp, loop_add_idle(lp, on_idle, &idle));
    turn(lp, -1);
    assert_string_equal("FFtnni", t.calls);
    loop_free(lp);
    for (int i = 0; i < 4; i++)
        close_pipe(p[i]);
}

static void test_handlers_may_remove_any_source(void **state)
{
    (void)state;
    struct loop *lp = new_loop();
    struct trace t = { 0 };
    int p[2][2];
    struct watched w[2];
    for (int i = 0; i < 2; i++) {
        ready_pipe(p[i]);
        w[i] = (struct watched){ .lp = lp, .trace = &t, .name = (char)('a' + i) };
        add(&w[i], p[i][0], LOOP_READ, LOOP_NORMAL);
    }
    /* Each removes the other: whichever is first, the other is never called. */
    w[0].remove = w[1].self;
    w[1].remove = w[0].self;
    turn(lp, -1);
    assert_int_equal(1, t.len);
    /* The one left removes itself. */
    struct watched *left = &w[t.calls[0] - 'a'];
    left->remove = left->self;
    turn(lp, -1);
    turn(lp, 0);
    assert_int_equal(2, t.len);
    loop_free(lp);
    close_pipe(p[0]);
    close_pipe(p[1]);
}

static void test_timer_and_idle_remove_themselves_and_others(void **state)
{
    (void)state;
    struct loop *lp = new_loop();
    struct trace t = { 0 };
    struct watched a = { .lp = lp, .trace = &t, .name = 'a' };
    struct watched b = { .lp = lp, .trace = &t, .name = 'b' };
    struct watched i = { .lp = lp, .trace = &t, .name = 'i' };
    struct watched j = { .lp = lp, .trace = &t, .name = 'j' };
    struct watched k = { .lp = lp, .trace = &t, .name = 'k' };
    a.self = loop_add_timer(lp, on_timer, &a);
    b.self = loop_add_timer(lp, on_timer, &b);
    a.remove = b.self;
    loop_arm_us(lp, a.self, 0);
    loop_arm_us(lp, b.self, 0);
    i.self = loop_add_idle(lp, on_idle, &i);
    j.self = loop_add_idle(lp, on_idle, &j);
    k.self = loop_add_idle(lp, on_idle, &k);
    i.remove = k.self; /* the last in the list */
    j.remove = j.self;
    loop_wake_idle(lp, i.self);
    loop_wake_idle(lp, i.self); /* coalesced */
    loop_wake_idle(lp, j.self);
    loop_wake_idle(lp, k.self);
    turn(lp, 0);
    assert_string_equal("aij", t.calls);
    turn(lp, 0);
    assert_string_equal("aij", t.calls);
    loop_free(lp);
}

static void test_idle_woken_by_an_idle_waits_a_turn(void **state)
{
    (void)state;
    struct loop *lp = new_loop();
    struct trace t = { 0 };
    struct watched a = { .lp = lp, .trace = &t, .name = 'a' };
    a.self = a.arm = loop_add_idle(lp, on_idle, &a);
    loop_wake_idle(lp, a.self);
    turn(lp, -1);
    assert_string_equal("a", t.calls);
    turn(lp, -1); /* pending: must not sleep */
    assert_string_equal("aa", t.calls);
    loop_free(lp);
}

static void test_timer_order(void **state)
{
    (void)state;
    struct loop *lp = new_loop();
    struct trace t = { 0 };
    const int64_t delays[] = { 3600000000, 0, 0, -1, 20000, 0 };
    struct watched w[ARRAY_LEN(delays)];
    for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
        w[i] = (struct watched){ .lp = lp, .trace = &t, .name = (char)('0' + i) };
        w[i].self = loop_add_timer(lp, on_timer, &w[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(delays); i++)
        loop_arm_us(lp, w[i].self, delays[i]);
    while (t.len < 4)
        turn(lp, -1);
    assert_string_equal("1254", t.calls); /* equal ones in the order they were armed */
    loop_free(lp);
}

static void test_timer_rearm_and_disarm(void **state)
{
    (void)state;
    struct loop *lp = new_loop();
    struct trace t = { 0 };
    struct watched a = { .lp = lp, .trace = &t, .name = 'a' };
    struct watched b = { .lp = lp, .trace = &t, .name = 'b' };
    a.self = loop_add_timer(lp, on_timer, &a);
    b.self = loop_add_timer(lp, on_timer, &b);
    loop_arm_us(lp, a.self, 0);
    loop_arm_us(lp, a.self, -1);
    loop_arm_us(lp, b.self, INT64_MAX);
    turn(lp, 0);
    assert_int_equal(0, t.len);
    loop_arm_us(lp, b.self, 1);
    turn(lp, -1);
    assert_string_equal("b", t.calls);
    loop_free(lp);
}

/* A timer that arms itself with 0 must not keep the turn from ending. */
static void test_timer_armed_by_itself_waits_a_turn(void **state)
{
    (void)state;
    struct loop *lp = new_loop();
    struct trace t = { 0 };
    struct watched a = { .lp = lp, .trace = &t, .name = 'a' };
    a.self = a.arm = loop_add_timer(lp, on_timer, &a);
    loop_arm_us(lp, a.self, 0);
    turn(lp, -1);
    assert_string_equal("a", t.calls);
    while (t.len < 3)
        turn(lp, -1);
    loop_free(lp);
}

struct heap_timer {
    struct loop_source *s;
    int64_t earliest, latest; /* its deadline lies between: the clock runs while we arm */
    int64_t *before;          /* earliest of the one that fired last */
    size_t *fired;
};

static void on_heap_timer(void *arg)
{
    struct heap_timer *h = arg;
    assert_true(h->latest >= *h->before);
    *h->before = h->earliest;
    ++*h->fired;
}

static void arm(struct loop *lp, struct heap_timer *h, int64_t delay_us)
{
    h->earliest = clock_boot_us() + delay_us;
    loop_arm_us(lp, h->s, delay_us);
    h->latest = clock_boot_us() + delay_us;
}

/* Many timers, a third removed and the rest armed anew: they fire in the order of their deadlines.
 */
static void test_timer_heap_at_random(void **state)
{
    (void)state;
    enum { COUNT = 600 };
    static struct heap_timer h[COUNT];
    struct loop *lp = new_loop();
    int64_t before = 0;
    size_t fired = 0;
    unsigned seed = 7;
    for (int i = 0; i < COUNT; i++) {
        h[i] = (struct heap_timer){ .before = &before, .fired = &fired };
        h[i].s = loop_add_timer(lp, on_heap_timer, &h[i]);
        arm(lp, &h[i], 1000000 + rand_r(&seed) % 1000);
    }
    for (int i = 0; i < COUNT; i += 3)
        loop_remove(lp, h[i].s);
    for (int i = 0; i < COUNT; i++)
        if (i % 3 != 0)
            arm(lp, &h[i], rand_r(&seed) % 30000);
    while (fired < COUNT - COUNT / 3)
        turn(lp, -1);
    loop_free(lp);
}

static void test_hup_and_pause(void **state)
{
    (void)state;
    struct loop *lp = new_loop();
    struct trace t = { 0 };
    int p[2];
    ready_pipe(p);
    struct watched w = { .lp = lp, .trace = &t, .name = 'r' };
    add(&w, p[0], LOOP_READ, LOOP_NORMAL);
    loop_change_fd(lp, w.self, 0);
    close(p[1]);
    turn(lp, 0);
    assert_int_equal(0, t.len); /* paused: neither bytes nor the hang-up */
    loop_change_fd(lp, w.self, LOOP_HUP);
    turn(lp, -1);
    assert_int_equal(LOOP_HUP, w.events);
    loop_change_fd(lp, w.self, LOOP_READ);
    turn(lp, -1);
    assert_int_equal(LOOP_READ | LOOP_HUP, w.events);
    loop_remove(lp, w.self);
    close(p[0]);
    loop_free(lp);
}

/* A second handler pauses the first one in the same turn: the stale event is not delivered. */
static void on_pause_other(void *arg, int fd, unsigned events)
{
    struct watched *w = arg;
    (void)fd;
    (void)events;
    loop_change_fd(w->lp, w->remove, 0);
    w->trace->calls[w->trace->len++] = w->name;
}

static void test_pause_drops_the_pending_event(void **state)
{
    (void)state;
    struct loop *lp = new_loop();
    struct trace t = { 0 };
    int p[2], q[2];
    ready_pipe(p);
    ready_pipe(q);
    struct watched victim = { .lp = lp, .trace = &t, .name = 'v' };
    struct watched first = { .lp = lp, .trace = &t, .name = 'p' };
    add(&victim, p[0], LOOP_READ, LOOP_NORMAL);
    first.remove = victim.self;
    assert_int_equal(
        0, loop_add_fd(lp, q[0], LOOP_READ, LOOP_FIRST, on_pause_other, &first, &first.self, NULL));
    turn(lp, -1);
    assert_string_equal("p", t.calls);
    loop_free(lp);
    close_pipe(p);
    close_pipe(q);
}

static void test_write_interest(void **state)
{
    (void)state;
    struct loop *lp = new_loop();
    struct trace t = { 0 };
    int s[2];
    assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s));
    struct watched w = { .lp = lp, .trace = &t, .name = 'w' };
    add(&w, s[0], LOOP_READ | LOOP_WRITE, LOOP_NORMAL);
    turn(lp, -1);
    assert_int_equal(LOOP_WRITE, w.events);
    assert_int_equal(1, write(s[1], "x", 1));
    turn(lp, -1);
    assert_int_equal(LOOP_READ | LOOP_WRITE, w.events);
    loop_free(lp);
    close_pipe(s);
}

static void test_plain_file_is_refused(void **state)
{
    (void)state;
    struct loop *lp = new_loop();
    struct err e = ERR_INIT;
    struct loop_source *s = NULL;
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(-1, loop_add_fd(lp, fileno(f), LOOP_READ, LOOP_NORMAL, on_fd, NULL, &s, &e));
    assert_int_equal(ERR_IO, e.code);
    assert_int_equal(EPERM, e.sys);
    assert_null(s);
    fclose(f);
    loop_free(lp);
}

struct signals {
    struct loop *lp;
    int got[8];
    size_t count;
};

static void on_signal(void *arg, int signo)
{
    struct signals *s = arg;
    s->got[s->count++] = signo;
    if (signo == SIGUSR2)
        loop_stop(s->lp);
}

static void test_signals(void **state)
{
    (void)state;
    struct loop *lp = new_loop();
    struct signals s = { .lp = lp };
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    assert_int_equal(0, loop_watch_signals(lp, &set, on_signal, &s, NULL));
    raise(SIGUSR1);
    turn(lp, -1);
    assert_int_equal(1, s.count);
    assert_int_equal(SIGUSR1, s.got[0]);
    raise(SIGUSR2);
    assert_int_equal(0, loop_run(lp, NULL));
    assert_int_equal(2, s.count);
    loop_stop(lp); /* before the run: it ends at once */
    assert_int_equal(0, loop_run(lp, NULL));
    loop_free(lp);
}

/* One watches, and then another: what comes in between is the other's. */
static void test_signals_of_another(void **state)
{
    (void)state;
    struct loop *lp = new_loop();
    struct signals first = { .lp = lp }, second = { .lp = lp };
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    loop_forget_signals(lp); /* of nobody */
    assert_int_equal(0, loop_watch_signals(lp, &set, on_signal, &first, NULL));
    loop_forget_signals(lp);
    raise(SIGUSR1);
    turn(lp, 0);
    assert_int_equal(0, first.count);
    assert_int_equal(0, loop_watch_signals(lp, &set, on_signal, &second, NULL));
    turn(lp, -1);
    assert_int_equal(0, first.count);
    assert_int_equal(1, second.count);
    loop_free(lp);
}

static void on_alarm(int signo)
{
    (void)signo;
}

/* A signal outside the set interrupts the sleep: a turn without events, no error. */
static void test_interrupted_sleep(void **state)
{
    (void)state;
    struct loop *lp = new_loop();
    struct sigaction old, sa = { .sa_handler = on_alarm };
    sigaction(SIGALRM, &sa, &old);
    struct itimerval it = { .it_interval.tv_usec = 20000, .it_value.tv_usec = 20000 };
    setitimer(ITIMER_REAL, &it, NULL);
    turn(lp, -1);
    it = (struct itimerval){ 0 };
    setitimer(ITIMER_REAL, &it, NULL);
    sigaction(SIGALRM, &old, NULL);
    loop_free(lp);
}

struct hook {
    struct loop *lp;
    struct loop_source *idle;
    int calls, timeout_ms, rc;
};

static int on_wait(void *arg, int epoll_fd, int timeout_ms)
{
    struct hook *h = arg;
    h->calls++;
    h->timeout_ms = timeout_ms;
    struct pollfd p = { .fd = epoll_fd, .events = POLLIN };
    poll(&p, 1, timeout_ms);
    loop_wake_idle(h->lp, h->idle);
    return h->rc;
}

static void test_transfer_hook(void **state)
{
    (void)state;
    struct loop *lp = new_loop();
    struct trace t = { 0 };
    struct watched idle = { .lp = lp, .trace = &t, .name = 'i' };
    struct watched w = { .lp = lp, .trace = &t, .name = 'r' };
    struct hook h = { .lp = lp, .idle = loop_add_idle(lp, on_idle, &idle) };
    struct err e = ERR_INIT;
    int p[2];
    ready_pipe(p);
    add(&w, p[0], LOOP_READ, LOOP_NORMAL);
    loop_set_transfer_hook(lp, on_wait, &h);
    turn(lp, 5000);
    assert_int_equal(1, h.calls);
    assert_int_equal(5000, h.timeout_ms);
    assert_string_equal("ri", t.calls); /* the hook's own work comes after ours */
    loop_wake_idle(lp, h.idle);
    turn(lp, -1);
    assert_int_equal(0, h.timeout_ms); /* an idle is pending */
    h.rc = -1;
    assert_int_equal(-1, loop_turn(lp, 0, &e));
    assert_int_equal(ERR_NET, e.code);
    loop_set_transfer_hook(lp, NULL, NULL);
    turn(lp, -1);
    assert_int_equal(3, h.calls);
    loop_free(lp);
    close_pipe(p);
}

static void on_nothing(void *arg)
{
    (void)arg;
}

/* With nothing due, the loop's own descriptor stays silent: no wake-up at idle. */
static void test_silent_at_idle(void **state)
{
    (void)state;
    struct loop *lp = new_loop();
    struct trace t = { 0 };
    struct watched a = { .lp = lp, .trace = &t, .name = 'a' };
    struct hook h = { .lp = lp, .idle = loop_add_idle(lp, on_nothing, NULL) };
    a.self = loop_add_timer(lp, on_timer, &a);
    loop_arm_us(lp, a.self, 500);
    turn(lp, -1);
    assert_string_equal("a", t.calls);
    loop_arm_us(lp, a.self, 500);
    usleep(2000); /* it expired, unseen … */
    loop_arm_us(lp, a.self, -1);
    loop_set_transfer_hook(lp, on_wait, &h);
    turn(lp, 20);
    assert_string_equal("a", t.calls); /* … and was disarmed in time */
    assert_int_equal(20, h.timeout_ms);
    loop_free(lp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_goes_before_normal),
        cmocka_unit_test(test_handlers_may_remove_any_source),
        cmocka_unit_test(test_timer_and_idle_remove_themselves_and_others),
        cmocka_unit_test(test_idle_woken_by_an_idle_waits_a_turn),
        cmocka_unit_test(test_timer_order),
        cmocka_unit_test(test_timer_rearm_and_disarm),
        cmocka_unit_test(test_timer_armed_by_itself_waits_a_turn),
        cmocka_unit_test(test_timer_heap_at_random),
        cmocka_unit_test(test_hup_and_pause),
        cmocka_unit_test(test_pause_drops_the_pending_event),
        cmocka_unit_test(test_write_interest),
        cmocka_unit_test(test_plain_file_is_refused),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_signals_of_another),
        cmocka_unit_test(test_interrupted_sleep),
        cmocka_unit_test(test_transfer_hook),
        cmocka_unit_test(test_silent_at_idle),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
