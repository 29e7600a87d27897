/* test_e2b_wall.c - a machine of E2B's as a wall: what its daemon says of the guest, and what goes
 * in to it; each way it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "providers/sandboxes/e2b_wall.h"
#include "unit/e2b_machine.h"

static struct {
    unsigned up, rooms, gone;
    struct buf bytes, log;
    bool confirmed;
    struct err why;
} seen;

static struct wall *wall;

static void on_wall(void *arg, const struct wall_event *ev)
{
    (void)arg;
    assert_int_equal(seen.gone, 0); /* GONE is the last */
    switch (ev->kind) {
    case WALL_UP:
        seen.up++;
        assert_string_equal(ev->id, "i1");
        break;
    case WALL_BYTES:
        assert_int_equal(buf_add(&seen.bytes, ev->ptr, ev->len), 0);
        break;
    case WALL_LOG:
        assert_int_equal(buf_add(&seen.log, ev->ptr, ev->len), 0);
        break;
    case WALL_ROOM:
        seen.rooms++;
        break;
    case WALL_GONE:
        seen.gone++;
        seen.confirmed = ev->confirmed;
        seen.why = *ev->err;
        break;
    default:
        fail_msg("event %d", ev->kind);
    }
}

static struct wall_config wall_config(void)
{
    static const struct wall_file guest = { .path = "/g", .mode = 0555, .ptr = "elf", .len = 3 };
    return (struct wall_config){ .loop = lp,
                                 .net = net,
                                 .setting = setting,
                                 .contract = &terms,
                                 .image = "base",
                                 .label = LABEL,
                                 .files = &guest,
                                 .file_count = 1,
                                 .sink = on_wall };
}

static void raise_wall(void)
{
    struct err e = ERR_INIT;
    struct wall_config cfg;
    set_up();
    memset(&seen, 0, sizeof seen);
    buf_init(&seen.bytes, (size_t)4 << 20);
    buf_init(&seen.log, (size_t)1 << 20);
    server.frames[0] = server.last = NULL;
    cfg = wall_config();
    if (wall_e2b.create(&wall, &cfg, &e) < 0)
        fail_msg("%s", e.msg);
}

static void raze_wall(void)
{
    wall_e2b.close(wall);
    wall = NULL;
    buf_release(&seen.bytes);
    buf_release(&seen.log);
    tear_down();
    assert_false(server.alive);
}

static void await_gone(void)
{
    box_await(&seen.gone, 1, NULL);
}

static void frame(const char *json, bool end)
{
    struct buf out = BUF_INIT((size_t)2 << 20);
    add_frame(&out, json, end);
    fake_data(server.stream, out.ptr, out.len);
    buf_release(&out);
}

#define OUT(text) "{\"event\":{\"data\":{\"stdout\":\"" text "\"}}}"
#define ERR(text) "{\"event\":{\"data\":{\"stderr\":\"" text "\"}}}"
#define END(text) "{\"event\":{\"end\":{\"exited\":true,\"status\":\"" text "\"}}}"

static void the_guest_is_put_there_started_and_heard(void **state)
{
    (void)state;
    raise_wall();
    await_stream();
    assert_non_null(strstr(server.shell, "mkdir -p"));
    assert_int_equal(wall->ops->write(wall, "early", 5), 0); /* not up yet */
    frame(STARTS, false);
    frame(OUT("aGVsbG8="), false);
    frame(ERR("d2Fybg=="), false);
    frame("{\"event\":{\"data\":{\"stdout\":\"IQ==\",\"stderr\":\"PyE=\"}}}", false);
    frame("{\"event\":{\"keepalive\":{}}}", false);
    assert_int_equal(seen.up, 1);
    assert_string_equal(buf_str(&seen.bytes), "hello!");
    assert_string_equal(buf_str(&seen.log), "warn?!");
    assert_int_equal(wall->ops->limits(wall), 0);
    assert_int_equal(wall->ops->counter(wall, WALL_OOM_KILLS), -1);
    wall->ops->kill(wall);
    wall->ops->kill(wall);
    await_gone();
    assert_true(seen.confirmed);
    assert_int_equal(seen.why.code, ERR_NONE);
    assert_int_equal(wall->ops->write(wall, "late", 4), -1);
    raze_wall();
    wall_e2b.close(NULL);
}

static void each_way_it_ends(void **state)
{
    static const struct {
        const char *frames[3], *last;
        enum net_end end;
        const char *says;
    } rows[] = {
        { { "{\"event\":{\"start\":{\"pid\":0}}}" }, NULL, 0, "named process 0" },
        { { "{\"event\":{\"start\":{\"pid\":99999999999}}}" },
          NULL,
          0,
          "named process 99999999999" },
        { { STARTS, STARTS }, NULL, 0, "named process 9" },
        { { "{" }, NULL, 0, "the stream of the guest" },
        { { STARTS, OUT("!") }, NULL, 0, "the stream of the guest" },
        { { STARTS, ERR("!") }, NULL, 0, "the stream of the guest" },
        { { STARTS },
          "{\"error\":{\"code\":\"internal\",\"message\":\"m\"}}",
          0,
          "the stream of the guest: internal: m" },
        { { STARTS, END("exit status 3") }, "{}", NET_ANSWERED, "the guest ended (exit status 3)" },
        { { STARTS, ERR("b29wcwo="), END("signal: killed") },
          "{}",
          NET_ANSWERED,
          "the guest ended (signal: killed): oops" },
        { { STARTS, END("exit status 0") }, NULL, NET_CUT, "the guest ended (exit status 0)" },
        { { STARTS }, NULL, NET_ANSWERED, "was cut, so what it still did is not known" },
        { { STARTS }, NULL, NET_CUT, "the stream of the guest" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        raise_wall();
        await_stream();
        for (size_t k = 0; k < 3 && rows[i].frames[k] != NULL; k++)
            frame(rows[i].frames[k], false);
        if (rows[i].last != NULL)
            frame(rows[i].last, true);
        fake_end(server.stream, rows[i].end, true);
        await_gone();
        if (strstr(seen.why.msg, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, seen.why.msg);
        assert_true(seen.confirmed);
        raze_wall();
    }
}

/* Of what it wrote to stderr the end is kept for whoever asks why it ended. */
static void its_last_words_are_kept(void **state)
{
    struct buf text = BUF_INIT(1 << 16), line = BUF_INIT(1 << 16);
    (void)state;
    raise_wall();
    await_stream();
    frame(STARTS, false);
    for (int round = 0; round < 3; round++) { /* one larger than the room, then two that are not */
        buf_reset(&text);
        buf_reset(&line);
        for (int i = 0; i < (round == 0 ? 900 : 150); i++)
            (void)buf_add_char(&text, (char)('a' + round));
        assert_int_equal(buf_add_str(&line, "{\"event\":{\"data\":{\"stderr\":\""), 0);
        assert_int_equal(base64_encode(&line, text.ptr, text.len), 0);
        assert_int_equal(buf_add_str(&line, "\"}}}"), 0);
        frame(buf_str(&line), false);
    }
    frame(END("exit status 1"), false);
    frame("{}", true);
    fake_end(server.stream, NET_ANSWERED, true);
    await_gone();
    const char *said = strstr(seen.why.msg, "): ");
    assert_non_null(said);
    assert_int_equal(strspn(said + 3, "a"), 99);
    assert_int_equal(strspn(said + 3 + 99, "b"), 150);
    assert_int_equal(strspn(said + 3 + 249, "c"), 150);
    buf_release(&text);
    buf_release(&line);
    raze_wall();
}

/* ---- to the guest */

static void what_is_written_goes_in_order_and_once(void **state)
{
    enum { PIECE = 512 << 10 };
    static char large[PIECE + 100];
    struct err e = ERR_INIT;
    (void)state;
    raise_wall();
    await_stream();
    frame(STARTS, false);
    server.hold = "POST /process.Process/SendInput";
    assert_int_equal(wall->ops->write(wall, "one", 3), 3);
    await_held();
    assert_non_null(strstr(server.held->body, "\"stdin\":\"b25l\""));
    assert_non_null(strstr(server.held->body, "\"pid\":9"));
    assert_int_equal(wall->ops->write(wall, "two", 3), 3); /* waits for the one under way */
    assert_int_equal(wall->ops->write(wall, large, sizeof large), PIECE - 3);
    assert_int_equal(wall->ops->write(wall, "x", 1), 0); /* full */
    assert_int_equal(seen.rooms, 0);
    struct fake_call *first = server.held;
    server.held = NULL;
    fake_reply(first, 200, NULL, "{}");
    await_held();
    assert_non_null(strstr(server.held->body, "\"stdin\":\"dHdv"));
    assert_int_equal(seen.rooms, 1);
    fake_reply(server.held, 500, NULL, ""); /* never sent twice: it ends */
    server.hold = NULL;
    await_gone();
    assert_non_null(strstr(seen.why.msg, "writing to the guest"));
    assert_int_equal(loop_turn(lp, 0, &e), 0);
    raze_wall();
}

/* ---- before it is up */

static void what_can_not_be_set_up(void **state)
{
    static const struct {
        const char *shell_end;
        struct fake_fault fault;
        const char *says;
    } rows[] = {
        { NULL,
          { .on = "POST /files", .times = 9, .end = NET_ANSWERED, .status = 400 },
          "putting the guest into the sandbox" },
        { NULL,
          { .on = "POST /process.Process/Start", .times = 9, .end = NET_ANSWERED, .status = 400 },
          "making room for the guest" },
        { "{\"event\":{\"end\":{\"exited\":true,\"exitCode\":1}}}",
          { .times = 0 },
          "can't be made in this template" },
        { "{\"event\":{\"end\":{\"exited\":false}}}",
          { .times = 0 },
          "can't be made in this template" },
        { NULL,
          { .on = "POST /v2/sandboxes", .times = 9, .end = NET_ANSWERED, .status = 400 },
          "creating a sandbox" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        raise_wall();
        server.shell_end = rows[i].shell_end;
        fake.fault = rows[i].fault;
        await_gone();
        assert_int_equal(seen.up, 0);
        if (strstr(seen.why.msg, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, seen.why.msg);
        raze_wall();
    }
}

static void what_it_can_not_be(void **state)
{
    static char large[(16 << 20) + 1];
    const struct wall_file guest = { .path = "/g", .ptr = large, .len = sizeof large };
    struct err e = ERR_INIT;
    char path[] = "/srv";
    (void)state;
    set_up();
    struct wall_config cfg = wall_config();
    cfg.files = &guest;
    assert_int_equal(wall_e2b.create(&wall, &cfg, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    cfg = wall_config();
    terms.mount_count = 1;
    terms.mounts[0].path = path;
    assert_int_equal(wall_e2b.create(&wall, &cfg, &e), -1);
    assert_non_null(strstr(e.msg, "can be mounted"));
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_guest_is_put_there_started_and_heard),
        cmocka_unit_test(each_way_it_ends),
        cmocka_unit_test(its_last_words_are_kept),
        cmocka_unit_test(what_is_written_goes_in_order_and_once),
        cmocka_unit_test(what_can_not_be_set_up),
        cmocka_unit_test(what_it_can_not_be),
    };
    return cmocka_run_group_tests_name("e2b wall", tests, NULL, NULL);
}
