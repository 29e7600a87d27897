/* test_gate.c - every key in every state of the gate, arming, coverage, questions, leases; and
 * random key runs against an oracle of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tool/gate.h"

#define HEX "7f3a91c2000000000000000000000000000000000000000000000000000000aa"
#define SEC 1000000

static int64_t clock_us;

static void open_gate(struct gate *g, bool high, size_t rows)
{
    memset(g, 0, sizeof *g);
    clock_us = 5 * SEC;
    gate_open(g, 3, 1, HEX, high, rows, clock_us);
}

/* Focused, painted with the first `seen` rows, armed. */
static void arm(struct gate *g, bool high, size_t rows, size_t seen)
{
    open_gate(g, high, rows);
    gate_focus(g, true, clock_us);
    gate_painted(g, 0, seen, clock_us);
    clock_us += GATE_ARM_US_DEFAULT;
    gate_tick(g, clock_us);
    assert_true(gate_is_armed(g, clock_us));
}

/* The owner looked just before: no input waited. */
static enum gate_action press(struct gate *g, uint32_t ch)
{
    gate_tick(g, clock_us);
    return gate_key(g, GATE_KEY_CHAR, ch, clock_us);
}

/* ---- every key × every state ---- */

enum gate_state {
    AT_CLOSED,
    AT_UNFOCUSED,
    AT_UNPAINTED,
    AT_ARMING,
    AT_ARMED,
    AT_ARMED_UNSEEN,
    AT_ARMED_HIGH,
    AT_HEX,
    AT_UNREAD,
    AT_OLD,
    AT_COUNT
};

static void bring_to(struct gate *g, enum gate_state st)
{
    switch (st) {
    case AT_CLOSED:
        open_gate(g, false, 3);
        gate_close(g);
        break;
    case AT_UNFOCUSED:
        open_gate(g, false, 3);
        gate_painted(g, 0, 3, clock_us);
        clock_us += 10 * SEC;
        break;
    case AT_UNPAINTED:
        open_gate(g, false, 3);
        gate_focus(g, true, clock_us);
        clock_us += 10 * SEC;
        break;
    case AT_ARMING:
        open_gate(g, false, 3);
        gate_focus(g, true, clock_us);
        gate_painted(g, 0, 3, clock_us);
        clock_us += GATE_ARM_US_DEFAULT - 1;
        break;
    case AT_ARMED:
        arm(g, false, 3, 3);
        break;
    case AT_ARMED_UNSEEN:
        arm(g, false, 3, 2);
        break;
    case AT_ARMED_HIGH:
        arm(g, true, 3, 3);
        break;
    case AT_HEX:
        arm(g, true, 3, 3);
        assert_int_equal(press(g, 'a'), GATE_PROMPTED);
        break;
    case AT_UNREAD:
        arm(g, false, 3, 2);
        assert_int_equal(press(g, 'a'), GATE_PROMPTED);
        break;
    case AT_OLD:
        arm(g, false, 3, 3);
        clock_us += GATE_EXPIRE_US_DEFAULT;
        break;
    case AT_COUNT:
        break;
    }
}

/* What an armed gate without a question makes of a key, apart from `a` and `r`. */
static enum gate_action plain_meaning(enum gate_key_kind kind, uint32_t ch)
{
    static const struct {
        char ch;
        enum gate_action action;
    } chars[] = { { 'e', GATE_EDIT },   { 'E', GATE_EXPECT }, { 'd', GATE_DENY },
                  { 'l', GATE_LEASE },  { 'x', GATE_STOP },   { 'w', GATE_WHY },
                  { ' ', GATE_SCROLL }, { 'g', GATE_SCROLL }, { 'G', GATE_SCROLL } };
    if (kind == GATE_KEY_ESC || kind == GATE_KEY_TAB)
        return GATE_LEAVE;
    if (kind == GATE_KEY_CTRL_C)
        return GATE_DENY_SILENT;
    if (kind == GATE_KEY_OTHER)
        return GATE_DISCARDED;
    if (kind == GATE_KEY_ENTER || kind == GATE_KEY_BACKSPACE)
        return GATE_NOTHING;
    if (kind != GATE_KEY_CHAR)
        return GATE_SCROLL;
    for (size_t i = 0; i < ARRAY_LEN(chars); i++) {
        if (ch == (unsigned char)chars[i].ch)
            return chars[i].action;
    }
    return GATE_NOTHING;
}

static enum gate_action expected(enum gate_state st, enum gate_key_kind kind, uint32_t ch)
{
    bool asks = kind == GATE_KEY_CHAR && (ch == 'a' || ch == 'r');
    switch (st) {
    case AT_CLOSED:
    case AT_UNFOCUSED:
        return GATE_NOTHING;
    case AT_UNPAINTED:
    case AT_ARMING:
        return GATE_DISCARDED;
    case AT_OLD:
        return GATE_EXPIRED;
    case AT_ARMED:
        if (asks)
            return ch == 'a' ? GATE_APPROVE : GATE_DRY_RUN;
        return plain_meaning(kind, ch);
    case AT_ARMED_UNSEEN:
    case AT_ARMED_HIGH:
        return asks ? GATE_PROMPTED : plain_meaning(kind, ch);
    case AT_HEX:
    case AT_UNREAD:
        if (kind == GATE_KEY_CTRL_C)
            return GATE_DENY_SILENT;
        if (kind == GATE_KEY_CHAR && ch == (st == AT_HEX ? '7' : 'u'))
            return GATE_PROMPTED;
        return GATE_CANCELLED;
    case AT_COUNT:
        break;
    }
    return GATE_NOTHING;
}

static void every_key_in_every_state(void **state)
{
    (void)state;
    size_t cases = 0;
    for (int st = 0; st < AT_COUNT; st++) {
        for (int kind = GATE_KEY_CHAR; kind <= GATE_KEY_OTHER; kind++) {
            uint32_t chars = kind == GATE_KEY_CHAR ? 0x2100 : 1;
            for (uint32_t ch = 0; ch < chars; ch++) {
                struct gate g;
                bring_to(&g, (enum gate_state)st);
                enum gate_action got = gate_key(&g, (enum gate_key_kind)kind, ch, clock_us);
                if (got != expected((enum gate_state)st, (enum gate_key_kind)kind, ch))
                    fail_msg("state %d, key %d/%x: %d", st, kind, ch, got);
                gate_close(&g);
                cases++;
            }
        }
    }
    assert_true(cases > 80000);
}

/* ---- arming ---- */

static void arming_needs_focus_paint_and_silence(void **state)
{
    (void)state;
    struct gate g;
    open_gate(&g, false, 2);
    assert_int_equal(gate_arms_at_us(&g), -1);
    gate_painted(&g, 0, 2, clock_us);
    assert_int_equal(gate_arms_at_us(&g), -1);
    gate_focus(&g, true, clock_us);
    assert_int_equal(gate_arms_at_us(&g), -1); /* painted, but not as the focused one */
    gate_painted(&g, 0, 2, clock_us);
    assert_int_equal(gate_arms_at_us(&g), clock_us + 500000);
    clock_us += 499999;
    assert_int_equal(press(&g, 'a'), GATE_DISCARDED);
    clock_us += 499999;
    assert_int_equal(press(&g, 'a'), GATE_DISCARDED);
    gate_painted(&g, 0, 2, clock_us); /* a later frame does not start the wait again */
    clock_us += 500000;
    assert_int_equal(press(&g, 'a'), GATE_APPROVE);
    gate_close(&g);
}

/* A program that stood still reads keys late: they are as old as their press. */
static void a_key_read_late_is_not_fresh(void **state)
{
    (void)state;
    struct gate g;
    open_gate(&g, false, 2);
    gate_focus(&g, true, clock_us);
    gate_painted(&g, 0, 2, clock_us);
    clock_us += 2 * SEC;
    assert_int_equal(gate_key(&g, GATE_KEY_CHAR, 'a', clock_us), GATE_DISCARDED);
    clock_us += 2 * SEC;
    gate_tick(&g, clock_us);
    assert_int_equal(gate_key(&g, GATE_KEY_CHAR, 'a', clock_us), GATE_APPROVE);
    gate_close(&g);
}

static void a_covered_gate_must_be_painted_again(void **state)
{
    (void)state;
    struct gate g;
    arm(&g, true, 2, 2);
    assert_int_equal(press(&g, 'a'), GATE_PROMPTED);
    gate_covered(&g, clock_us);
    assert_int_equal(g.prompt, GATE_PROMPT_NONE);
    clock_us += 2 * SEC;
    assert_int_equal(press(&g, 'a'), GATE_DISCARDED);
    gate_painted(&g, 0, 0, clock_us);
    clock_us += GATE_ARM_US_DEFAULT;
    assert_int_equal(press(&g, 'a'), GATE_PROMPTED); /* what was seen stays seen */
    assert_int_equal(g.prompt, GATE_PROMPT_HEX);
    gate_close(&g);
}

static void a_closed_gate_is_nothing(void **state)
{
    (void)state;
    struct gate g = { .run = 0 };
    gate_focus(&g, true, clock_us);
    gate_painted(&g, 0, 1, clock_us);
    gate_tick(&g, clock_us);
    assert_false(g.focused || g.painted || g.armed);
    assert_int_equal(gate_arms_at_us(&g), -1);
    assert_false(gate_all_seen(&g) || gate_has_expired(&g, INT64_MAX));
    arm(&g, false, 2, 2);
    assert_int_equal(gate_key(&g, (enum gate_key_kind)99, 'a', clock_us), GATE_NOTHING);
    assert_false(gate_is_armed(&g, clock_us + GATE_EXPIRE_US_DEFAULT)); /* too late */
    gate_close(&g);
}

static void armed_stays_armed_until_disturbed(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct gate g;
        arm(&g, false, 2, 2);
        assert_int_equal(gate_key(&g, GATE_KEY_DOWN, 0, clock_us), GATE_SCROLL);
        assert_int_equal(press(&g, 'w'), GATE_WHY);
        if (how == 0) {
            gate_disturb(&g, clock_us);
        } else if (how == 1) {
            gate_focus(&g, false, clock_us);
            gate_focus(&g, true, clock_us);
            gate_painted(&g, 0, 0, clock_us);
        } else {
            assert_int_equal(gate_key(&g, GATE_KEY_OTHER, 0, clock_us), GATE_DISCARDED);
        }
        assert_int_equal(press(&g, 'a'), GATE_DISCARDED);
        clock_us += 500000;
        assert_int_equal(press(&g, 'a'), GATE_APPROVE);
        gate_close(&g);
    }
}

static void settings_have_a_floor_and_stay(void **state)
{
    (void)state;
    struct gate g = { .arm_us = 1, .expire_us = 3 * SEC, .confirm_hex_always = true };
    gate_open(&g, 1, 1, HEX, false, 1, 0);
    gate_focus(&g, true, 0);
    gate_painted(&g, 0, 1, 0);
    assert_int_equal(gate_arms_at_us(&g), GATE_ARM_US_MIN);
    clock_us = SEC;
    assert_int_equal(press(&g, 'a'), GATE_PROMPTED);
    assert_int_equal(press(&g, '7'), GATE_PROMPTED);
    assert_int_equal(press(&g, 'f'), GATE_APPROVE);
    gate_open(&g, 1, 2, HEX, false, 1, SEC); /* opening again forgets what was seen */
    assert_false(gate_all_seen(&g));
    assert_true(g.confirm_hex_always);
    assert_false(gate_has_expired(&g, 4 * SEC - 1));
    assert_true(gate_has_expired(&g, 4 * SEC));
    gate_close(&g);
}

/* ---- coverage and questions ---- */

static void every_row_must_have_been_on_screen(void **state)
{
    (void)state;
    struct gate g;
    arm(&g, false, 100, 40);
    gate_painted(&g, 60, 40, clock_us);
    assert_false(gate_all_seen(&g));
    gate_painted(&g, 41, 19, clock_us);
    assert_false(gate_all_seen(&g)); /* row 40 is missing */
    gate_painted(&g, 40, 1, clock_us);
    gate_painted(&g, 90, SIZE_MAX, clock_us); /* beyond the end does no harm */
    gate_painted(&g, SIZE_MAX, SIZE_MAX, clock_us);
    assert_true(gate_all_seen(&g));
    assert_int_equal(g.seen_count, 100);
    assert_int_equal(press(&g, 'a'), GATE_APPROVE);
    assert_false(g.read_waived);
    gate_close(&g);
}

static enum gate_action type(struct gate *g, const char *word)
{
    enum gate_action last = GATE_NOTHING;
    for (; *word != '\0'; word++)
        last = press(g, (unsigned char)*word);
    return last;
}

static void questions_come_in_order_and_a_slip_cancels(void **state)
{
    (void)state;
    struct gate g;
    arm(&g, true, 10, 9);
    assert_int_equal(press(&g, 'a'), GATE_PROMPTED);
    assert_int_equal(g.prompt, GATE_PROMPT_UNREAD);
    assert_int_equal(type(&g, "unrea"), GATE_PROMPTED);
    assert_int_equal(type(&g, "d"), GATE_PROMPTED);
    assert_int_equal(g.prompt, GATE_PROMPT_HEX);
    assert_int_equal(type(&g, "7"), GATE_PROMPTED);
    assert_int_equal(type(&g, "f"), GATE_APPROVE);
    assert_true(g.read_waived);
    gate_close(&g);

    arm(&g, true, 10, 9);
    assert_int_equal(type(&g, "aunread7"), GATE_PROMPTED);
    assert_int_equal(type(&g, "e"), GATE_CANCELLED);
    assert_int_equal(g.prompt, GATE_PROMPT_NONE);
    assert_false(g.read_waived); /* the word counts once */
    assert_int_equal(press(&g, 'a'), GATE_PROMPTED);
    assert_int_equal(g.prompt, GATE_PROMPT_UNREAD);
    gate_disturb(&g, clock_us); /* a resize drops the question */
    assert_int_equal(g.prompt, GATE_PROMPT_NONE);
    gate_close(&g);

    arm(&g, true, 10, 10);
    assert_int_equal(type(&g, "r7f"), GATE_DRY_RUN);
    assert_int_equal(type(&g, "a7f"), GATE_APPROVE);
    gate_close(&g);

    /* Where there is no dry run nothing is asked before that is said. */
    arm(&g, true, 10, 10);
    g.no_dry_run = true;
    assert_int_equal(press(&g, 'r'), GATE_NO_DRY_RUN);
    assert_int_equal(g.prompt, GATE_PROMPT_NONE);
    assert_int_equal(type(&g, "a7f"), GATE_APPROVE);
    gate_close(&g);

    arm(&g, true, 10, 10);
    assert_int_equal(press(&g, 'a'), GATE_PROMPTED);
    assert_int_equal(gate_key(&g, GATE_KEY_OTHER, 0, clock_us), GATE_CANCELLED);
    assert_int_equal(type(&g, "7f"), GATE_DISCARDED);
    gate_close(&g);
}

static void no_question_outlives_its_moment(void **state)
{
    (void)state;
    struct gate g;
    arm(&g, false, 10, 9);
    assert_int_equal(type(&g, "aunread"), GATE_APPROVE);
    assert_true(g.read_waived); /* for the record, until … */
    assert_int_equal(press(&g, 'a'), GATE_PROMPTED);
    assert_false(g.read_waived);
    gate_focus(&g, true, clock_us); /* it is: nothing changes */
    assert_true(gate_is_armed(&g, clock_us));
    assert_int_equal(g.prompt, GATE_PROMPT_UNREAD);
    gate_focus(&g, false, clock_us);
    assert_int_equal(g.prompt, GATE_PROMPT_NONE);
    gate_close(&g);

    arm(&g, true, 3, 3);
    assert_int_equal(press(&g, 'a'), GATE_PROMPTED);
    gate_open(&g, 4, 1, HEX, true, 3, clock_us);
    assert_int_equal(g.prompt, GATE_PROMPT_NONE);
    gate_close(&g);

    arm(&g, true, 3, 3);
    assert_int_equal(press(&g, 'a'), GATE_PROMPTED);
    clock_us += GATE_EXPIRE_US_DEFAULT;
    assert_int_equal(press(&g, '7'), GATE_EXPIRED);
    assert_int_equal(g.prompt, GATE_PROMPT_NONE);
    gate_close(&g);
}

static void scrolling_reaches_every_row(void **state)
{
    (void)state;
    struct gate g;
    open_gate(&g, false, 95);
    size_t top = 0;
    for (int i = 0; i < 20; i++) {
        gate_painted(&g, top, 10, clock_us);
        top = gate_scroll(&g, GATE_KEY_CHAR, ' ', top, 10);
    }
    assert_int_equal(top, 85);
    assert_true(gate_all_seen(&g));
    assert_int_equal(gate_scroll(&g, GATE_KEY_DOWN, 0, 85, 10), 85);
    assert_int_equal(gate_scroll(&g, GATE_KEY_UP, 0, 85, 10), 84);
    assert_int_equal(gate_scroll(&g, GATE_KEY_UP, 0, 0, 10), 0);
    assert_int_equal(gate_scroll(&g, GATE_KEY_PGUP, 0, 5, 10), 0);
    assert_int_equal(gate_scroll(&g, GATE_KEY_CHAR, 'g', 50, 10), 0);
    assert_int_equal(gate_scroll(&g, GATE_KEY_CHAR, 'G', 0, 10), 85);
    assert_int_equal(gate_scroll(&g, GATE_KEY_HOME, 0, 50, 10), 0);
    assert_int_equal(gate_scroll(&g, GATE_KEY_END, 0, 0, 200), 0);
    assert_int_equal(gate_scroll(&g, GATE_KEY_PGDN, 0, 3, 0), 4);
    assert_int_equal(gate_scroll(&g, GATE_KEY_PGDN, 0, 3, 1), 4);
    assert_int_equal(gate_scroll(&g, GATE_KEY_PGUP, 0, 50, 10), 41);
    assert_int_equal(gate_scroll(&g, GATE_KEY_ENTER, 0, 50, 10), 50);
    assert_int_equal(gate_scroll(&g, GATE_KEY_CHAR, 'x', 50, 10), 50);
    gate_close(&g);
}

/* ---- random runs ---- */

static uint64_t seed = 1;
static uint32_t pick(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

/* An independent account of what must be true when an approval comes out. */
struct oracle {
    bool focused, painted, high, always;
    bool rows[12];
    size_t row_count;
    int64_t quiet_since, opened;
    char keys[16]; /* the fresh, armed character keys in a row */
    size_t key_count;
};

static bool oracle_allows(const struct oracle *o, enum gate_action a)
{
    char need[16] = "", letter = a == GATE_APPROVE ? 'a' : 'r';
    bool all = true;
    for (size_t i = 0; i < o->row_count; i++)
        all = all && o->rows[i];
    snprintf(need, sizeof need, "%c%s%s", letter, all ? "" : "unread",
             o->high || o->always ? "7f" : "");
    size_t n = strlen(need);
    return o->focused && o->painted && clock_us - o->quiet_since >= GATE_ARM_US_DEFAULT &&
           clock_us - o->opened < GATE_EXPIRE_US_DEFAULT && o->key_count >= n &&
           memcmp(o->keys + o->key_count - n, need, n) == 0;
}

static void remember_key(struct oracle *o, enum gate_key_kind kind, uint32_t ch)
{
    bool armed = o->focused && o->painted && clock_us - o->quiet_since >= GATE_ARM_US_DEFAULT;
    if (!armed || kind == GATE_KEY_OTHER) {
        o->quiet_since = o->focused ? clock_us : o->quiet_since;
        o->key_count = 0;
        return;
    }
    if (kind != GATE_KEY_CHAR) {
        o->key_count = 0;
        return;
    }
    if (o->key_count == sizeof o->keys) {
        memmove(o->keys, o->keys + 1, sizeof o->keys - 1);
        o->key_count--;
    }
    o->keys[o->key_count++] = (char)ch;
}

static size_t random_run(size_t steps)
{
    static const char alphabet[] = "aaaarunread7f7fdy \n";
    struct gate g = { .confirm_hex_always = pick(8) == 0 };
    struct oracle o = { .high = pick(2), .row_count = 1 + pick(12), .opened = clock_us };
    size_t approvals = 0;
    o.always = g.confirm_hex_always;
    o.quiet_since = clock_us;
    gate_open(&g, 1, 1, HEX, o.high, o.row_count, clock_us);
    for (size_t i = 0; i < steps; i++) {
        uint32_t what = pick(40);
        clock_us += pick(4) == 0 ? pick(600000) : pick(2000);
        if (pick(3) != 0)
            gate_tick(&g, clock_us);
        if (what == 0) {
            bool on = pick(4) != 0;
            if (on != o.focused) {
                o.focused = on;
                o.painted = false;
                o.quiet_since = clock_us;
                o.key_count = 0;
            }
            gate_focus(&g, on, clock_us);
        } else if (what < 12) {
            uint32_t first = pick(14), count = pick(6);
            for (size_t r = first; r < o.row_count && r < first + count; r++)
                o.rows[r] = true;
            if (o.focused && !o.painted) {
                o.painted = true;
                o.quiet_since = clock_us;
            }
            gate_painted(&g, first, count, clock_us);
        } else if (what == 12) {
            o.quiet_since = clock_us;
            o.key_count = 0;
            gate_disturb(&g, clock_us);
        } else {
            enum gate_key_kind kind =
                pick(12) == 0 ? (enum gate_key_kind)pick(GATE_KEY_OTHER + 1) : GATE_KEY_CHAR;
            uint32_t ch = (unsigned char)alphabet[pick(sizeof alphabet - 1)];
            remember_key(&o, kind, ch);
            enum gate_action a = gate_key(&g, kind, ch, clock_us);
            if (a == GATE_APPROVE || a == GATE_DRY_RUN) {
                if (!oracle_allows(&o, a))
                    fail_msg("action %d without its conditions", a);
                approvals++;
                break;
            }
        }
    }
    gate_close(&g);
    return approvals;
}

/* Random keys rarely spell `unread`, so runs that mean it are mixed in with one slip or none. */
static size_t guided_run(void)
{
    struct gate g;
    char keys[16];
    bool high = pick(2), seen = pick(2);
    arm(&g, high, 5, seen ? 5 : 4);
    snprintf(keys, sizeof keys, "a%s%s", seen ? "" : "unread", high ? "7f" : "");
    size_t n = strlen(keys), slip = pick((uint32_t)n * 2);
    if (slip < n)
        keys[slip] ^= (char)(1 + pick(3));
    bool slipped = slip < n;
    enum gate_action last = GATE_NOTHING;
    for (size_t i = 0; i < n && last != GATE_APPROVE; i++)
        last = press(&g, (unsigned char)keys[i]);
    assert_int_equal(last == GATE_APPROVE, !slipped);
    gate_close(&g);
    return !slipped;
}

static void random_keys_never_approve_without_the_conditions(void **state)
{
    (void)state;
    size_t approvals = 0, guided = 0;
    clock_us = SEC;
    for (int i = 0; i < 100000; i++)
        approvals += random_run(60);
    for (int i = 0; i < 100000; i++)
        guided += guided_run();
    assert_true(approvals > 1000); /* the oracle was asked */
    assert_true(guided > 10000);
}

/* ---- lease ---- */

static void a_lease_covers_only_what_it_may(void **state)
{
    (void)state;
    const struct lease_question good = { .fields_enforced = true,
                                         .network_denied = true,
                                         .budget_ok = true,
                                         .active = true,
                                         .in_step = true,
                                         .runs_left = 1,
                                         .until_boot_us = 100,
                                         .now_boot_us = 99 };
    char room[80];
    struct lease_question q = good;
    assert_null(lease_refusal(&q, room, sizeof room));
    q.runs_left = -1;
    q.until_boot_us = 0;
    q.now_boot_us = INT64_MAX;
    assert_null(lease_refusal(&q, room, sizeof room));
#define REFUSED(assignment, words)                                                                 \
    do {                                                                                           \
        q = good;                                                                                  \
        assignment;                                                                                \
        const char *why = lease_refusal(&q, room, sizeof room);                                    \
        assert_non_null(why);                                                                      \
        assert_non_null(strstr(why, words));                                                       \
    } while (0)
    REFUSED(q.active = false, "no lease");
    REFUSED(q.high_finding = true; q.high_line = 7, "HIGH line 7: not covered by the lease");
    REFUSED(q.runs_left = 0, "no runs left");
    REFUSED(q.now_boot_us = 100, "out of time");
    REFUSED(q.in_step = false, "another step");
    REFUSED(q.network_denied = false, "network");
    REFUSED(q.mounts_rw = true, "read-write");
    REFUSED(q.fields_enforced = false, "enforce");
    REFUSED(q.budget_ok = false, "budget");
#undef REFUSED
}

/* What was read and armed before the machine was suspended belongs to whoever sat there then. */
static void test_a_suspended_machine(void **state)
{
    struct gate g;
    (void)state;
    gate_slept(&(struct gate){ .open = false }, 5 * SEC, clock_us);
    arm(&g, false, 20, 20);
    gate_slept(&g, 0, clock_us);
    assert_true(gate_is_armed(&g, clock_us));
    gate_slept(&g, 5 * SEC, clock_us);
    assert_false(gate_is_armed(&g, clock_us));
    assert_true(gate_all_seen(&g));
    assert_int_equal(press(&g, 'a'), GATE_DISCARDED);
    gate_close(&g);
    arm(&g, false, 20, 20);
    gate_slept(&g, GATE_SLEPT_US_MAX + 1, clock_us);
    assert_false(gate_all_seen(&g));
    gate_painted(&g, 0, 10, clock_us);
    clock_us += GATE_ARM_US_DEFAULT;
    assert_int_equal(press(&g, 'a'), GATE_PROMPTED); /* half of it was not seen since */
    assert_int_equal(g.prompt, GATE_PROMPT_UNREAD);
    gate_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_suspended_machine),
        cmocka_unit_test(every_key_in_every_state),
        cmocka_unit_test(arming_needs_focus_paint_and_silence),
        cmocka_unit_test(a_key_read_late_is_not_fresh),
        cmocka_unit_test(a_covered_gate_must_be_painted_again),
        cmocka_unit_test(a_closed_gate_is_nothing),
        cmocka_unit_test(armed_stays_armed_until_disturbed),
        cmocka_unit_test(settings_have_a_floor_and_stay),
        cmocka_unit_test(every_row_must_have_been_on_screen),
        cmocka_unit_test(questions_come_in_order_and_a_slip_cancels),
        cmocka_unit_test(no_question_outlives_its_moment),
        cmocka_unit_test(scrolling_reaches_every_row),
        cmocka_unit_test(random_keys_never_approve_without_the_conditions),
        cmocka_unit_test(a_lease_covers_only_what_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
