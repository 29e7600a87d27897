/* test_e2b_pause.c - the sandbox e2b paused, woken, frozen into snapshots, and what when that ends
 * otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/e2b_machine.h"

/* ---- pauses */

static void a_pause_that_ends_otherwise(void **state)
{
    static const struct {
        struct fake_fault fault;
        const char *look;
        int end; /* 0 it runs on, 1 it is paused, 2 it is gone */
        const char *says;
    } rows[] = {
        { { .end = NET_ANSWERED, .status = 400 }, NULL, 0, "pausing the sandbox" },
        { { .end = NET_ANSWERED, .status = 409 }, LOOK("paused", LABEL), 1, "" },
        { { .served = true }, NULL, 1, "" },
        { { .end = NET_TIMEOUT, .left = true },
          LOOK("running", LABEL),
          0,
          "was not done; it runs on" },
        { { .end = NET_ANSWERED, .status = 500 }, "{", 0, "pausing the sandbox" },
    };
    struct err e = ERR_INIT;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_up();
        open_box();
        await(&told.ready, 1);
        turns(4);
        server.look = rows[i].look;
        fake.fault = rows[i].fault;
        fake.fault.on = "POST /sandboxes/i1/pause";
        fake.fault.times = 1;
        assert_int_equal(box->ops->pause(box, &e), 0);
        assert_int_equal(box->ops->pause(box, &e), -1); /* one at a time */
        assert_int_equal(box->ops->wake(box, &e), -1);
        await(&told.paused, 1);
        assert_int_equal(told.awake, rows[i].end == 0);
        if (strstr(told.pausing.msg, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, told.pausing.msg);
        if (rows[i].end == 0) {
            start_code("python", "x");
            await(&told.finished, 1);
            assert_int_equal(told.end, END_EXIT);
        }
        tear_down();
    }
    set_up(); /* gone meanwhile */
    open_box();
    await(&told.ready, 1);
    turns(4);
    server.alive = false;
    assert_int_equal(box->ops->pause(box, &e), 0);
    await(&told.closed, 1);
    assert_int_equal(told.failed, 1);
    tear_down();
}

static void killed_while_it_is_paused(void **state)
{
    enum { ASKED, REFUSED, GONE, BETWEEN_LOOKS, WAYS };
    struct err e = ERR_INIT;
    (void)state;
    for (int how = ASKED; how < WAYS; how++) {
        set_up();
        open_box();
        await(&told.ready, 1);
        turns(4);
        server.hold = "POST /sandboxes/i1/pause";
        assert_int_equal(box->ops->pause(box, &e), 0);
        await_held();
        server.hold = NULL;
        if (how == BETWEEN_LOOKS) {
            server.look = LOOK("running", LABEL);
            fake_reply(server.held, 409, NULL, "");
            for (unsigned i = 0; i < 20 && strcmp(fake.last, "GET /sandboxes/i1") != 0; i++)
                turns(1);
            turns(2);
        }
        box->ops->kill(box, END_KILLED);
        turns(2);
        if (how == ASKED)
            serve(server.held);
        else if (how == REFUSED)
            fake_reply(server.held, 400, NULL, "");
        else if (how == GONE) {
            server.alive = false;
            fake_reply(server.held, 404, NULL, "");
        }
        await(&told.closed, 1);
        assert_true(told.confirmed);
        assert_false(server.alive);
        assert_int_equal(told.paused, 0);
        tear_down();
    }
}

static void killed_between_two_tries(void **state)
{
    (void)state;
    set_up();
    fake.fault =
        (struct fake_fault){ .on = "POST /v2/sandboxes", .times = 3, .end = NET_UNREACHABLE };
    open_box();
    turns(1); /* once it failed; the next try is a moment away */
    box->ops->kill(box, END_KILLED);
    await(&told.closed, 1);
    assert_true(told.confirmed);
    assert_int_equal(server.creations, 0);
    tear_down();
}

/* ---- snapshots */

static void a_snapshot_that_ends_otherwise(void **state)
{
    static const struct {
        const char *made;
        struct fake_fault fault;
        const char *id, *says;
    } rows[] = {
        { NULL, { .times = 0 }, "t/airlock-s1-1-1:default", "" },
        { NULL, { .times = 1, .served = true }, "t/airlock-s1-1-1:default", "" },
        { "{\"snapshotID\":\"../x\"}", { .times = 0 }, "t/airlock-s1-1-1:default", "" },
        { NULL, { .times = 1, .end = NET_ANSWERED, .status = 400 }, "", "making a snapshot" },
        { NULL, { .times = 1, .end = NET_ANSWERED, .status = 404 }, "", "the sandbox is gone" },
    };
    struct err e = ERR_INIT;
    unsigned keep = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_up();
        open_box();
        start_code("python", "x");
        await(&told.states, 1);
        turns(4);
        server.snapshot = rows[i].made;
        fake.fault = rows[i].fault;
        fake.fault.on = "POST /sandboxes/i1/snapshots";
        assert_int_equal(box->ops->snapshot(box, 1, &keep, &e), 0);
        assert_int_equal(keep, 2);
        assert_int_equal(box->ops->snapshot(box, 1, &keep, &e), -1);
        assert_int_equal(e.code, ERR_BUSY);
        assert_int_equal(box->ops->pause(box, &e), -1);
        start_code("python", "y"); /* waits for it */
        await(&told.snapshots, 1);
        if (strcmp(told.snapshot, rows[i].id) != 0 || strstr(told.snap.msg, rows[i].says) == NULL)
            fail_msg("row %zu: '%s': %s", i, told.snapshot, told.snap.msg);
        await(&told.finished, 2);
        assert_int_equal(told.end, END_EXIT);
        tear_down();
    }
}

static void a_snapshot_is_deleted(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    for (int status = 204; status <= 500; status = status == 204 ? 404 : status + 96) {
        set_up();
        open_box();
        await(&told.ready, 1);
        fake.fault = fake_answered("DELETE /templates/", status, 100);
        assert_int_equal(box->ops->drop_snapshot(box, 1, "../x", &e), -1);
        assert_int_equal(e.code, ERR_FORMAT);
        assert_int_equal(box->ops->drop_snapshot(box, 1, "t/a:b", &e), 0);
        assert_int_equal(box->ops->drop_snapshot(box, 2, "t/a:b", &e), -1);
        assert_int_equal(e.code, ERR_BUSY);
        await(&told.snapshots, 1);
        assert_int_equal(told.snap.code != ERR_NONE, status == 500);
        tear_down();
    }
}

static void killed_while_a_snapshot_is_made(void **state)
{
    struct err e = ERR_INIT;
    unsigned keep;
    (void)state;
    set_up();
    open_box();
    await(&told.ready, 1);
    turns(4);
    server.hold = "POST /sandboxes/i1/snapshots";
    assert_int_equal(box->ops->snapshot(box, 1, &keep, &e), 0);
    await_held();
    box->ops->kill(box, END_KILLED);
    turns(3);
    assert_true(server.alive); /* it must first be known what was made */
    server.hold = NULL;
    serve(server.held);
    await(&told.closed, 1);
    assert_true(told.confirmed);
    assert_false(server.alive);
    tear_down();
}

static void names_of_snapshots(void **state)
{
    static const char *const good[] = { "a", "team/airlock-s-1:default", "x_y.z" };
    static const char *const bad[] = { "", ".a", "/a", "a/../b", "A", "a b", "a%2f" };
    static char large[E2B_SNAPSHOT_MAX + 1];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(e2b_is_snapshot(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(e2b_is_snapshot(bad[i]));
    memset(large, 'a', sizeof large - 1);
    assert_false(e2b_is_snapshot(large));
    large[sizeof large - 2] = '\0';
    assert_true(e2b_is_snapshot(large));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_that_ends_otherwise),
        cmocka_unit_test(killed_while_it_is_paused),
        cmocka_unit_test(killed_between_two_tries),
        cmocka_unit_test(a_snapshot_that_ends_otherwise),
        cmocka_unit_test(a_snapshot_is_deleted),
        cmocka_unit_test(killed_while_a_snapshot_is_made),
        cmocka_unit_test(names_of_snapshots),
    };
    return cmocka_run_group_tests_name("e2b pause", tests, NULL, NULL);
}
