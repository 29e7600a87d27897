/* test_replay.c - the clock over recorded events: gaps, the cap, finding moments and marks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "sessions/replay.h"

#define S INT64_C(1000000)

static void gaps_are_played_up_to_the_cap(void **state)
{
    (void)state;
    static const struct {
        int64_t wall, boot, at; /* of each event; playing time that belongs to it */
    } events[] = {
        { 1000 * S, 50 * S, 0 },
        { 1001 * S, 51 * S, 1 * S },
        { 4601 * S, 3651 * S, 3 * S },         /* an hour at a gate: cut to two seconds */
        { 3000 * S, 3652 * S, 4 * S },         /* the wall clock was set back */
        { 9000 * S, 3652 * S + 5, 4 * S + 5 }, /* … and forward */
        { 9001 * S, 2 * S, 5 * S + 5 },        /* another boot */
        { 8000 * S, 1 * S, 5 * S + 5 },        /* both went back */
    };
    struct replay r;
    replay_init(&r, 2 * S);
    assert_int_equal(replay_seq_at(&r, 0), 0);
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        replay_add(&r, events[i].wall, events[i].boot);
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        assert_int_equal(replay_time_of(&r, i + 1), events[i].at);
    assert_int_equal(r.total_us, 5 * S + 5);
    assert_int_equal(replay_time_of(&r, 0), 0);
    assert_int_equal(replay_time_of(&r, 99), r.total_us);
    assert_int_equal(replay_seq_at(&r, -1), 1);
    assert_int_equal(replay_seq_at(&r, 0), 1);
    assert_int_equal(replay_seq_at(&r, 3 * S - 1), 2);
    assert_int_equal(replay_seq_at(&r, 3 * S), 3);
    assert_int_equal(replay_seq_at(&r, 100 * S), 7);
    replay_set_idle(&r, 0);
    assert_int_equal(replay_time_of(&r, 3), 3601 * S);
    replay_release(&r);
}

static void hostile_times_do_not_overflow(void **state)
{
    (void)state;
    static const int64_t odd[] = { INT64_MIN, INT64_MAX, 0, INT64_MAX, INT64_MIN, -1, 1 };
    struct replay r;
    replay_init(&r, 0);
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        int64_t before = r.total_us;
        replay_add(&r, odd[i], odd[(i + 1) % ARRAY_LEN(odd)]);
        assert_true(r.total_us >= before && r.total_us - before <= UINT32_MAX);
    }
    replay_release(&r);
}

/* Over block borders, time → event and back are inverse. */
static void moments_of_a_long_record_are_found(void **state)
{
    (void)state;
    enum { N = 5000 };
    struct replay r;
    int64_t at = 7;
    uint32_t x = 1;
    replay_init(&r, 1000);
    for (int i = 0; i < N; i++) {
        x = x * 1103515245u + 12345u;
        at += 1 + (int64_t)(x >> 16) % 1500;
        replay_add(&r, at, at);
    }
    for (int round = 0; round < 2; round++) {
        int64_t last = -1;
        for (uint64_t seq = 1; seq <= N; seq += 7) {
            int64_t us = replay_time_of(&r, seq);
            assert_true(us > last);
            assert_int_equal(replay_seq_at(&r, us), seq);
            last = us;
        }
        replay_set_idle(&r, 0);
    }
    replay_release(&r);
}

static void marks_are_found_both_ways(void **state)
{
    (void)state;
    struct replay r;
    replay_init(&r, 0);
    for (int i = 1; i <= 10; i++) {
        replay_add(&r, i, i);
        if (i % 3 == 0)
            replay_mark(&r, REPLAY_RUN, (uint32_t)i / 3, 0);
        if (i == 6)
            replay_mark(&r, REPLAY_DIFFERENCE, 2, 1);
    }
    const unsigned runs = 1u << REPLAY_RUN, differences = 1u << REPLAY_DIFFERENCE;
    assert_int_equal(replay_find(&r, runs, 0, 1)->run, 1);
    assert_int_equal(replay_find(&r, runs, 3, 1)->seq, 6);
    assert_null(replay_find(&r, runs, 9, 1));
    assert_int_equal(replay_find(&r, runs, 9, -1)->seq, 6);
    assert_int_equal(replay_find(&r, runs, 10, -1)->seq, 9);
    assert_null(replay_find(&r, runs, 3, -1));
    assert_int_equal(replay_find(&r, differences, 0, 1)->base, 1);
    assert_int_equal(replay_find(&r, runs | differences, 6, 1)->seq, 9);
    assert_null(replay_find(&r, 1u << REPLAY_HIGH, 0, 1));
    assert_string_equal(replay_kind_name(REPLAY_FAILURE), "failure");
    replay_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_are_played_up_to_the_cap),
        cmocka_unit_test(hostile_times_do_not_overflow),
        cmocka_unit_test(moments_of_a_long_record_are_found),
        cmocka_unit_test(marks_are_found_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
