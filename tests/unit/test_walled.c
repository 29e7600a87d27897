/* test_walled.c - a sandbox on a wall that is played by the test: deaths, lies, short writes. What
 * a real wall does on its worst day, without waiting for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/loop.h"
#include "providers/guest/proto.h"
#include "providers/kernel.h"
#include "providers/walled.h"

/* ---- the wall ---- */

struct play {
    struct wall base;
    wall_sink sink;
    void *arg;
    struct buf sent;  /* what the guest would have got */
    size_t take;      /* bytes it takes at a time; 0: all */
    bool stream_gone; /* writes fail */
    int kills;
    int64_t oom;
    unsigned limits;
    size_t file_count;
    bool saw_guest;
};
static struct play *play; /* the one made last */

static const struct wall_ops wall_play;
static bool create_fails;

static int play_create(struct wall **out, const struct wall_config *cfg, struct err *e)
{
    if (create_fails)
        return err_set(e, ERR_MISSING, "no wall today");
    play = xcalloc(1, sizeof *play);
    play->base.ops = &wall_play;
    play->sink = cfg->sink;
    play->arg = cfg->arg;
    play->limits = WALL_LIMITS_MEMORY | WALL_LIMITS_PIDS;
    play->file_count = cfg->file_count;
    for (size_t i = 0; i < cfg->file_count; i++)
        play->saw_guest |= strcmp(cfg->files[i].path, cfg->guest) == 0 && cfg->files[i].len > 0;
    buf_init(&play->sent, 8u << 20);
    *out = &play->base;
    return 0;
}

static unsigned play_limits(const struct wall *w)
{
    return ((const struct play *)w)->limits;
}

static ssize_t play_write(struct wall *w, const void *ptr, size_t len)
{
    struct play *p = (struct play *)w;
    size_t n = p->take != 0 && len > p->take ? p->take : len;
    if (p->stream_gone)
        return -1;
    assert_int_equal(buf_add(&p->sent, ptr, n), 0);
    return (ssize_t)n;
}

static int64_t play_counter(const struct wall *w, enum wall_counter which)
{
    return which == WALL_OOM_KILLS ? ((const struct play *)w)->oom : 0;
}

static void play_kill(struct wall *w)
{
    ((struct play *)w)->kills++;
}

static void play_close(struct wall *w)
{
    struct play *p = (struct play *)w;
    if (p == NULL)
        return;
    buf_release(&p->sent);
    if (play == p)
        play = NULL;
    free(p);
}

static const struct wall_ops wall_play = {
    .name = "play",
    .create = play_create,
    .limits = play_limits,
    .write = play_write,
    .counter = play_counter,
    .kill = play_kill,
    .close = play_close,
};

static const struct sandbox_ops sandbox_play = { .name = "play", .close = walled_close };
static const struct walled_kind kind = { .ops = &sandbox_play,
                                         .wall = &wall_play,
                                         .require = KERNEL_REQUIRE_ALL };

/* ---- what the wall tells ---- */

static void tell(const struct wall_event *ev)
{
    play->sink(play->arg, ev);
}

static void up(void)
{
    tell(&(struct wall_event){ .kind = WALL_UP, .id = "play-1" });
}

static void bytes(const void *ptr, size_t len)
{
    tell(&(struct wall_event){ .kind = WALL_BYTES, .ptr = ptr, .len = len });
}

static void room(void)
{
    tell(&(struct wall_event){ .kind = WALL_ROOM });
}

static void gone(bool confirmed, const char *why)
{
    struct err e = ERR_INIT;
    if (why != NULL)
        err_set(&e, ERR_IO, "%s", why);
    tell(&(struct wall_event){
        .kind = WALL_GONE, .id = "play-1", .confirmed = confirmed, .err = &e });
}

static void frame(unsigned kind_, unsigned stream, const char *ptr, size_t len)
{
    char head[FRAME_HEAD] = { (char)kind_,       (char)stream,     0,        0, (char)(len >> 24),
                              (char)(len >> 16), (char)(len >> 8), (char)len };
    bytes(head, sizeof head);
    bytes(ptr, len);
}

static void say(const char *json)
{
    frame(FRAME_CONTROL, 0, json, strlen(json));
}

#define HELLO(caps)                                                                                \
    "{\"t\":\"hello\",\"proto\":1,\"pid\":1,\"uid\":1000,\"cap_eff\":\"" caps                      \
    "\",\"no_new_privs\":1,\"seccomp\":2,\"core_pattern\":false,\"writable\":[],"                  \
    "\"kernel\":\"6.1\",\"boot_id\":\"x\"}"

static void hello(void)
{
    up();
    bytes(GUEST_MAGIC, GUEST_MAGIC_LEN);
    say(HELLO("0000000000000000"));
}

/* ---- who listens ---- */

struct owner {
    char log[2048]; /* "READY play-1; FINISHED 1 lost; CLOSED yes; " */
    int check_calls;
    bool refuse;
    enum sandbox_event_kind close_at; /* close from inside this event, when closes is set */
    bool closes, closed;
};
static struct loop *loop;

static void note(struct owner *o, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void note(struct owner *o, const char *fmt, ...)
{
    size_t len = strlen(o->log);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(o->log + len, sizeof o->log - len, fmt, ap);
    va_end(ap);
}

static void on_event(void *arg, struct sandbox *s, const struct sandbox_event *ev)
{
    struct owner *o = arg;
    assert_false(o->closed);
    switch (ev->kind) {
    case SANDBOX_READY:
        note(o, "READY %s%s; ", ev->id, ev->warm ? " warm" : "");
        break;
    case SANDBOX_FAILED:
        note(o, "FAILED %s; ", ev->err->msg);
        break;
    case SANDBOX_OUTPUT:
        note(o, "OUTPUT %.*s; ", (int)ev->len, ev->ptr);
        break;
    case SANDBOX_FINISHED:
        note(o, "FINISHED %u %s%s%s; ", (unsigned)ev->run, run_end_name(ev->finished->end),
             ev->finished->what[0] != '\0' ? " " : "", ev->finished->what);
        break;
    case SANDBOX_CLOSED:
        note(o, "CLOSED %s; ", ev->confirmed ? "yes" : "no");
        break;
    default:
        break;
    }
    if (o->closes && ev->kind == o->close_at) {
        o->closed = true;
        walled_close(s);
    }
}

static int on_check(void *arg, const struct sandbox_run *decoded, struct err *e)
{
    struct owner *o = arg;
    o->check_calls++;
    assert_string_equal(decoded->code, "print(1)");
    return o->refuse ? err_set(e, ERR_INTEGRITY, "not these bytes") : 0;
}

static int try_open(struct owner *o, struct walled_pool *pool, const struct contract *c,
                    struct sandbox **s, struct err *e)
{
    struct sandbox_config cfg = { .loop = loop,
                                  .contract = c,
                                  .allow_warm = true,
                                  .sink = on_event,
                                  .check_body = on_check,
                                  .arg = o };
    return walled_open(&kind, pool, s, &cfg, e);
}

static struct sandbox *open_one(struct owner *o)
{
    struct sandbox *s = NULL;
    struct err e = ERR_INIT;
    memset(o, 0, sizeof *o);
    assert_int_equal(try_open(o, NULL, walled_default_contract(), &s, &e), 0);
    assert_string_equal(o->log, ""); /* nothing from inside the call */
    return s;
}

static int exec_one(struct sandbox *s, uint32_t run, struct err *e)
{
    struct sandbox_run rq = { .run = run,
                              .language = "python",
                              .interpreter = "/usr/bin/python3",
                              .code = "print(1)",
                              .code_len = 8,
                              .cwd = "/workspace",
                              .input = "",
                              .check_code = "" };
    return walled_exec(s, &rq, e);
}

static void turns(int n)
{
    struct err e = ERR_INIT;
    for (int i = 0; i < n; i++)
        assert_int_equal(loop_turn(loop, 1, &e), 0);
}

#define assert_log(o, wanted) assert_string_equal((o)->log, wanted)

/* ---- cases ---- */

static void a_run_from_hello_to_done(void **state)
{
    struct owner o;
    struct sandbox *s = open_one(&o);
    struct err e = ERR_INIT;
    (void)state;
    assert_true(play->saw_guest);
    hello();
    assert_int_equal(exec_one(s, 7, &e), 0);
    assert_int_equal(o.check_calls, 1);
    assert_non_null(memmem(play->sent.ptr, play->sent.len, "print(1)", 8));
    say("{\"t\":\"begin\",\"run\":7}");
    frame(FRAME_OUTPUT, STREAM_STDOUT, "1", 1);
    say("{\"t\":\"done\",\"run\":7,\"end\":\"exit\",\"code\":0,\"signal\":0,\"what\":\"\","
        "\"limits\":\"\",\"wall_us\":5,\"out\":1,\"err\":0,\"cwd\":\"/workspace\",\"lost\":false,"
        "\"resumed\":0,\"message\":\"\"}");
    assert_log(&o, "READY play-1; OUTPUT 1; FINISHED 7 exit; ");
    walled_close(s);
}

static void garbage_is_no_guest(void **state)
{
    struct owner o;
    struct sandbox *s = open_one(&o);
    (void)state;
    up();
    bytes("HTTP/1.1 400 Bad Request\r\n", 26);
    assert_int_equal(play->kills, 1);
    gone(true, NULL);
    assert_non_null(strstr(o.log, "FAILED "));
    assert_non_null(strstr(o.log, "; CLOSED yes; "));
    assert_null(strstr(o.log, "READY"));
    walled_close(s);
}

static void failed_self_check_runs_nothing(void **state)
{
    struct owner o;
    struct sandbox *s = open_one(&o);
    struct err e = ERR_INIT;
    (void)state;
    assert_int_equal(exec_one(s, 1, &e), 0); /* queued */
    up();
    bytes(GUEST_MAGIC, GUEST_MAGIC_LEN);
    say(HELLO("000001ffffffffff"));
    assert_int_equal(play->kills, 1);
    assert_true(play->sent.len == 0 ||
                memmem(play->sent.ptr, play->sent.len, "print(1)", 8) == NULL);
    gone(true, NULL);
    assert_null(strstr(o.log, "READY"));
    assert_non_null(strstr(o.log, "FINISHED 1 "));
    assert_non_null(strstr(o.log, "capabilities; CLOSED yes; "));
    walled_close(s);
}

static void create_that_fails_is_an_error(void **state)
{
    struct owner o = { 0 };
    struct sandbox *s = NULL;
    struct err e = ERR_INIT;
    (void)state;
    create_fails = true;
    assert_int_equal(try_open(&o, NULL, walled_default_contract(), &s, &e), -1);
    create_fails = false;
    assert_null(s);
    assert_string_equal(e.msg, "no wall today");
    assert_log(&o, "");
}

static void death_before_ready(void **state)
{
    struct owner o;
    struct sandbox *s = open_one(&o);
    struct err e = ERR_INIT;
    (void)state;
    assert_int_equal(exec_one(s, 3, &e), 0);
    gone(true, "no namespaces here");
    assert_log(&o, "FINISHED 3 sandbox; FAILED no namespaces here; CLOSED yes; ");
    assert_int_equal(exec_one(s, 4, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    walled_close(s);
}

static void death_during_a_run_is_lost(void **state)
{
    struct owner o;
    struct sandbox *s = open_one(&o);
    struct err e = ERR_INIT;
    (void)state;
    hello();
    assert_int_equal(exec_one(s, 1, &e), 0);
    gone(true, "it ended by itself");
    assert_log(&o, "READY play-1; FINISHED 1 lost; CLOSED yes; ");
    walled_close(s);
}

static void death_with_a_risen_counter_is_oom(void **state)
{
    struct owner o;
    struct sandbox *s = open_one(&o);
    struct err e = ERR_INIT;
    (void)state;
    hello();
    assert_int_equal(exec_one(s, 1, &e), 0);
    play->oom = 1;
    gone(true, "it ended by itself");
    assert_log(&o, "READY play-1; FINISHED 1 oom; CLOSED yes; ");
    walled_close(s);
}

static void death_while_idle_is_a_failure(void **state)
{
    struct owner o;
    struct sandbox *s = open_one(&o);
    (void)state;
    hello();
    gone(true, "somebody killed it");
    assert_log(&o, "READY play-1; FAILED somebody killed it; CLOSED yes; ");
    walled_close(s);
}

static void unconfirmed_death_is_said(void **state)
{
    struct owner o;
    struct sandbox *s = open_one(&o);
    struct err e = ERR_INIT;
    (void)state;
    hello();
    assert_int_equal(exec_one(s, 1, &e), 0);
    walled_kill(s, END_KILLED);
    walled_kill(s, END_OOM);
    assert_int_equal(play->kills, 1);
    assert_log(&o, "READY play-1; "); /* nothing until it is known */
    gone(false, NULL);
    assert_log(&o, "READY play-1; FINISHED 1 killed; CLOSED no; ");
    walled_close(s);
}

static void refused_body_never_leaves(void **state)
{
    struct owner o;
    struct sandbox *s = open_one(&o);
    struct err e = ERR_INIT;
    (void)state;
    hello();
    size_t before = play->sent.len;
    o.refuse = true;
    assert_int_equal(exec_one(s, 5, &e), 0);
    assert_log(&o, "READY play-1; "); /* not from inside the call */
    assert_int_equal(exec_one(s, 6, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    turns(2);
    assert_log(&o, "READY play-1; FINISHED 5 integrity; ");
    assert_int_equal(play->sent.len, before);
    o.refuse = false;
    assert_int_equal(exec_one(s, 6, &e), 0);
    assert_true(play->sent.len > before);
    walled_close(s);
}

static void refused_run_ends_before_closed(void **state)
{
    struct owner o;
    struct sandbox *s = open_one(&o);
    struct err e = ERR_INIT;
    (void)state;
    hello();
    o.refuse = true;
    assert_int_equal(exec_one(s, 5, &e), 0);
    gone(true, "just then");
    assert_log(&o, "READY play-1; FINISHED 5 integrity; FAILED just then; CLOSED yes; ");
    turns(2);
    assert_log(&o, "READY play-1; FINISHED 5 integrity; FAILED just then; CLOSED yes; ");
    walled_close(s);
}

static void nothing_is_taken_after_a_lie(void **state)
{
    struct owner o;
    struct sandbox *s = open_one(&o);
    struct err e = ERR_INIT;
    (void)state;
    hello();
    say("{\"t\":\"done\",\"run\":9}"); /* of no run */
    assert_int_equal(play->kills, 1);
    assert_int_equal(exec_one(s, 1, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    say("{\"t\":\"more lies\"}");
    gone(true, NULL);
    assert_non_null(strstr(o.log, "READY play-1; FAILED "));
    assert_non_null(strstr(o.log, "; CLOSED yes; "));
    assert_null(strstr(o.log, "FINISHED"));
    walled_close(s);
}

static void short_writes_lose_nothing(void **state)
{
    struct owner o;
    struct buf whole = BUF_INIT(8u << 20);
    struct err e = ERR_INIT;
    (void)state;
    struct sandbox *s = open_one(&o);
    hello();
    assert_int_equal(exec_one(s, 1, &e), 0);
    assert_int_equal(buf_add(&whole, play->sent.ptr, play->sent.len), 0);
    walled_close(s);
    s = open_one(&o); /* the same again, seven bytes at a time */
    play->take = 7;
    hello();
    assert_int_equal(exec_one(s, 1, &e), 0);
    for (size_t before = 0; before != play->sent.len;) {
        before = play->sent.len;
        room();
    }
    assert_int_equal(play->sent.len, whole.len);
    assert_memory_equal(play->sent.ptr, whole.ptr, whole.len);
    walled_close(s);
    buf_release(&whole);
}

static void lost_stream_waits_for_the_wall(void **state)
{
    struct owner o;
    struct sandbox *s = open_one(&o);
    struct err e = ERR_INIT;
    (void)state;
    hello();
    play->stream_gone = true;
    assert_int_equal(exec_one(s, 1, &e), 0);
    assert_log(&o, "READY play-1; ");
    gone(true, "the stream was cut");
    assert_log(&o, "READY play-1; FINISHED 1 lost; CLOSED yes; ");
    walled_close(s);
}

static void silent_guest_is_ended_from_outside(void **state)
{
    struct contract c = *walled_default_contract();
    struct owner o = { 0 };
    struct sandbox *s = NULL;
    struct err e = ERR_INIT;
    (void)state;
    c.timeout_s = 1;
    assert_int_equal(try_open(&o, NULL, &c, &s, &e), 0);
    hello();
    for (uint32_t run = 1; run <= 2; run++) { /* the first one also waits for the interpreter */
        assert_int_equal(exec_one(s, run, &e), 0);
        if (run == 2)
            break;
        say("{\"t\":\"begin\",\"run\":1}");
        say("{\"t\":\"done\",\"run\":1,\"end\":\"exit\",\"code\":0,\"signal\":0,\"what\":\"\","
            "\"limits\":\"\",\"wall_us\":5,\"out\":0,\"err\":0,\"cwd\":\"/workspace\","
            "\"lost\":false,\"resumed\":0,\"message\":\"\"}");
    }
    for (int i = 0; play->kills == 0 && i < 30000; i++)
        turns(1);
    assert_int_equal(play->kills, 1);
    gone(true, NULL);
    assert_log(&o, "READY play-1; FINISHED 1 exit; FINISHED 2 timeout; CLOSED yes; ");
    walled_close(s);
}

static void closing_inside_any_event(void **state)
{
    static const enum sandbox_event_kind kinds[] = { SANDBOX_READY, SANDBOX_OUTPUT,
                                                     SANDBOX_FINISHED, SANDBOX_FAILED,
                                                     SANDBOX_CLOSED };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct owner o;
        struct sandbox *s = open_one(&o);
        struct err e = ERR_INIT;
        o.closes = true;
        o.close_at = kinds[i];
        hello();
        if (!o.closed && kinds[i] != SANDBOX_FAILED && exec_one(s, 1, &e) == 0) {
            say("{\"t\":\"begin\",\"run\":1}");
            frame(FRAME_OUTPUT, STREAM_STDOUT, "x", 1);
        }
        if (!o.closed)
            gone(true, "the end");
        assert_true(o.closed);
        turns(2); /* freed from the loop; the sanitizer watches */
        assert_null(play);
    }
}

static void warm_one_is_silent_until_adopted(void **state)
{
    struct walled_pool pool = { 0 };
    struct contract c = *walled_default_contract();
    struct owner o = { 0 };
    struct sandbox *s = NULL;
    struct err e = ERR_INIT;
    (void)state;
    walled_prewarm(&kind, &pool, loop, NULL);
    walled_prewarm(&kind, &pool, loop, NULL); /* one is enough */
    struct play *first = play;
    assert_false(walled_is_warm(&pool));
    hello();
    assert_true(walled_is_warm(&pool));
    assert_int_equal(try_open(&o, &pool, &c, &s, &e), 0);
    assert_ptr_equal(play, first); /* no new wall */
    assert_log(&o, "");
    turns(2);
    assert_log(&o, "READY play-1 warm; ");
    walled_close(s);
    walled_prewarm_drop(&pool);
}

static void warm_one_does_not_fit_another_contract(void **state)
{
    struct walled_pool pool = { 0 };
    struct contract c = *walled_default_contract();
    char name[] = "LANG", python[] = "/opt/python";
    (void)state;
    for (int field = 0; field < 9; field++) {
        struct owner o = { 0 };
        struct sandbox *s = NULL;
        struct err e = ERR_INIT;
        walled_prewarm(&kind, &pool, loop, NULL);
        struct play *warm = play;
        hello();
        c = *walled_default_contract();
        switch (field) {
        case 0:
            c.network = NETWORK_OPEN;
            break;
        case 1:
            c.timeout_s = 31;
            break;
        case 2:
            c.memory_mib = 512;
            break;
        case 3:
            c.pids = 64;
            break;
        case 4:
            c.disk_mib = 1;
            break;
        case 5:
            c.output_mib = 1;
            break;
        case 6:
            c.lifecycle = LIFECYCLE_RUN;
            break;
        case 7:
            c.env[0] = name;
            c.env_count = 1;
            break;
        default:
            c.python = python;
            break;
        }
        assert_int_equal(try_open(&o, &pool, &c, &s, &e), 0);
        assert_ptr_not_equal(play, warm);
        walled_close(s);
        walled_prewarm_drop(&pool);
    }
}

static void warm_one_that_dies_is_forgotten(void **state)
{
    struct walled_pool pool = { 0 };
    struct owner o = { 0 };
    struct sandbox *s = NULL;
    struct err e = ERR_INIT;
    (void)state;
    walled_prewarm(&kind, &pool, loop, NULL);
    hello();
    gone(true, "killed while it waited");
    assert_false(walled_is_warm(&pool));
    turns(2);
    assert_null(play); /* freed */
    assert_int_equal(try_open(&o, &pool, walled_default_contract(), &s, &e), 0);
    hello();
    assert_log(&o, "READY play-1; ");
    walled_close(s);
    walled_prewarm_drop(&pool);
}

static void one_run_and_no_more(void **state)
{
    struct contract c = *walled_default_contract();
    struct owner o = { 0 };
    struct sandbox *s = NULL;
    struct err e = ERR_INIT;
    (void)state;
    c.lifecycle = LIFECYCLE_RUN;
    assert_int_equal(try_open(&o, NULL, &c, &s, &e), 0);
    hello();
    assert_int_equal(exec_one(s, 1, &e), 0);
    say("{\"t\":\"begin\",\"run\":1}");
    say("{\"t\":\"done\",\"run\":1,\"end\":\"exit\",\"code\":0,\"signal\":0,\"what\":\"\","
        "\"limits\":\"\",\"wall_us\":5,\"out\":0,\"err\":0,\"cwd\":\"/workspace\",\"lost\":false,"
        "\"resumed\":0,\"message\":\"\"}");
    assert_int_equal(exec_one(s, 2, &e), -1);
    for (int i = 0; play->kills == 0 && i < 30000; i++)
        turns(1);
    assert_int_equal(play->kills, 1);
    gone(true, NULL);
    assert_log(&o, "READY play-1; FINISHED 1 exit; CLOSED yes; ");
    walled_close(s);
}

static int setup(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    return loop_new(&loop, &e);
}

static int teardown(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_from_hello_to_done),
        cmocka_unit_test(garbage_is_no_guest),
        cmocka_unit_test(failed_self_check_runs_nothing),
        cmocka_unit_test(create_that_fails_is_an_error),
        cmocka_unit_test(death_before_ready),
        cmocka_unit_test(death_during_a_run_is_lost),
        cmocka_unit_test(death_with_a_risen_counter_is_oom),
        cmocka_unit_test(death_while_idle_is_a_failure),
        cmocka_unit_test(unconfirmed_death_is_said),
        cmocka_unit_test(refused_body_never_leaves),
        cmocka_unit_test(refused_run_ends_before_closed),
        cmocka_unit_test(nothing_is_taken_after_a_lie),
        cmocka_unit_test(short_writes_lose_nothing),
        cmocka_unit_test(lost_stream_waits_for_the_wall),
        cmocka_unit_test(silent_guest_is_ended_from_outside),
        cmocka_unit_test(closing_inside_any_event),
        cmocka_unit_test(warm_one_is_silent_until_adopted),
        cmocka_unit_test(warm_one_does_not_fit_another_contract),
        cmocka_unit_test(warm_one_that_dies_is_forgotten),
        cmocka_unit_test(one_run_and_no_more),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
