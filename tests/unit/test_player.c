/* test_player.c - a session wound back and forth: every way to a moment leads to the same state and
 * the same picture. */
#include "session_fixture.h"

#include "base/sha256.h"
#include "cli/frame.h"
#include "cli/player.h"
#include "cli/session.h"

static void append(struct store *s, enum event_type type, uint32_t run, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static void append(struct store *s, enum event_type type, uint32_t run, const char *fmt, ...)
{
    static int64_t at = 1700000000000000;
    char json[4096];
    struct err e = ERR_INIT;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(json, sizeof json, fmt, ap);
    va_end(ap);
    for (char *p = json; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    at += 250000;
    struct event ev = {
        .at_us = at, .boot_us = at, .type = type, .run = run, .json = json, .json_len = (size_t)n
    };
    assert_ok(store_append(s, &ev, &e));
}

static void append_bytes(struct store *s, uint32_t run, unsigned stream, const char *p, size_t len)
{
    struct err e = ERR_INIT;
    struct event ev = { .at_us = 1,
                        .boot_us = 1,
                        .type = EVENT_RUN_OUTPUT,
                        .run = run,
                        .stream = stream,
                        .offset = STORE_OFFSET_NEXT,
                        .bytes = p,
                        .len = len };
    assert_ok(store_append(s, &ev, &e));
}

static void add_run(struct store *s, uint32_t n)
{
    char cap[65];
    snprintf(cap, sizeof cap, "%064x", n);
    append(s, EVENT_RUN_PROPOSED, n,
           "{'rev':1,'step':'%u','attempt':%u,'language':'python','code':'x = %u\\nprint(x)',"
           "'purpose':'count','author':'planner'}",
           (n + 2) / 3, (n - 1) % 3 + 1, n);
    append(s, EVENT_RUN_REVIEWED, n,
           n % 5 == 0 ? "{'findings':[{'line':1,'severity':'HIGH','rule':'r','text':'deletes'}]}"
                      : "{'findings':[]}");
    append(
        s, EVENT_GATE_OPENED, n,
        "{'rev':1,'capsule':'%s','contract_digest':'00','sandbox':'local','walls':[{'field':'cpu',"
        "'how':'approximated','why':'rlimits'}],'attached':['file a.csv','env HOME']}",
        cap);
    if (n % 7 == 0) {
        append(s, EVENT_GATE_DECIDED, n,
               "{'decision':'deny','by':'person','capsule':'%s','reason':'no','seen_lines':2,"
               "'waited_ms':4100}",
               cap);
        return;
    }
    append(s, EVENT_GATE_DECIDED, n,
           "{'decision':'approve','by':'person','capsule':'%s','seen_lines':2,'waited_ms':900}",
           cap);
    append(s, EVENT_RUN_STARTED, n, "{'sandbox_id':'b','capsule':'%s'}", cap);
    char line[120];
    for (int i = 0; i < 12; i++) {
        int len = snprintf(line, sizeof line, "run %u says line %d\n", n, i);
        append_bytes(s, n, 1 + (unsigned)i % 2, line, (size_t)len);
    }
    append(s, EVENT_RUN_FINISHED, n,
           "{'end':'exit','code':%d,'wall_ms':5,'stdout_bytes':1,'stderr_bytes':1}", n % 3 == 1);
    append(s, EVENT_RUN_VERDICT, n,
           "{'verdict':'%s','checks':[{'kind':'exit','text':'exit 0','ok':true,'got':''}]}",
           n % 3 == 1 ? "refuted" : "verified");
    append(s, EVENT_STATE_CHANGED, n,
           "{'vars':[{'name':'x','type':'int','preview':'%u','digest':'%u','change':'changed'}],'"
           "files':[]}",
           n, n);
}

/* One run writes more than a tail holds. */
static void add_flood(struct store *s, uint32_t n)
{
    static char big[48 << 10];
    char cap[65];
    snprintf(cap, sizeof cap, "%064x", n);
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = i % 61 == 60 ? '\n' : (char)('a' + i % 23);
    append(s, EVENT_RUN_PROPOSED, n,
           "{'rev':1,'step':'','attempt':1,'language':'python','code':'flood','purpose':'','author'"
           ":'person'}");
    append(s, EVENT_RUN_REVIEWED, n, "{'findings':[]}");
    append(s, EVENT_GATE_OPENED, n,
           "{'rev':1,'capsule':'%s','contract_digest':'00','sandbox':'local'}", cap);
    append(s, EVENT_GATE_DECIDED, n,
           "{'decision':'approve','by':'typed','capsule':'%s','seen_lines':0,'waited_ms':0}", cap);
    append(s, EVENT_RUN_STARTED, n, "{'sandbox_id':'b','capsule':'%s'}", cap);
    for (int i = 0; i < 12; i++)
        append_bytes(s, n, 1, big, sizeof big);
    append(s, EVENT_RUN_FINISHED, n,
           "{'end':'exit','code':0,'wall_ms':5,'stdout_bytes':1,'stderr_bytes':1}");
}

enum { RUNS = 120 };

static void record(unsigned messages)
{
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    append(s, EVENT_SESSION_CREATED, 0, CREATED_JSON);
    append(s, EVENT_TASK_GIVEN, 0, TASK_JSON);
    append(s, EVENT_PLAN_UPDATED, 0, "{'steps':[{'id':'1','title':'count','status':'active'}]}");
    for (uint32_t n = 1; n <= RUNS; n++) {
        for (unsigned i = 0; i < messages; i++)
            append(s, EVENT_PLANNER_MESSAGE, 0, "{'author':'planner','text':'delta %u of %u'}", i,
                   n);
        if (n == RUNS / 2)
            add_flood(s, n);
        else
            add_run(s, n);
    }
    assert_ok(store_flush(s, &e));
    store_close(s);
}

static struct player *open_player(void)
{
    struct err e = ERR_INIT;
    struct player *p;
    assert_ok(player_open(&p, ID, fx.path, REPLAY_IDLE_US, &e));
    assert_true(player_read(p, 0));
    return p;
}

/* What the views read, beside what fits a picture. */
static void put_state(const struct state *st, struct buf *out)
{
    (void)buf_addf(out, "%llu %d %u %u %d %zu %zu %lld\n", (unsigned long long)st->last_seq,
                   st->phase, st->running, st->vars_run, st->gate.open, st->run_count,
                   st->message_count, (long long)st->last_at_us);
    for (size_t i = 0; i < st->message_count; i++)
        (void)buf_addf(out, "%s ", st->messages[i].text);
    for (size_t i = 0; i < st->var_count; i++)
        (void)buf_addf(out, "%s=%s ", st->vars[i].name, st->vars[i].preview);
    for (size_t i = 0; i < st->run_count; i++) {
        const struct state_run *r = st->runs[i];
        (void)buf_addf(out, "%u %d %s %s %zu %d %zu %zu %llu", r->number, r->status, r->decision,
                       r->reason, r->finding_count, r->verdict, r->check_count, r->var_count,
                       (unsigned long long)r->last_seq);
        for (int k = 1; k <= 2; k++)
            (void)buf_addf(out, " %llu/%llu/%zu", (unsigned long long)r->out[k].bytes,
                           (unsigned long long)r->out[k].newlines, r->out[k].mark_count);
        (void)buf_add_char(out, '\n');
    }
}

static void digest_of(struct player *p, struct frames *f, char hex[SHA256_HEX_LEN + 1])
{
    struct output_source source = store_output_source(player_store(p));
    struct buf text = BUF_INIT((size_t)8 << 20);
    uint8_t hash[SHA256_LEN];
    frames_hash(f, player_state(p), &source, hex);
    (void)buf_add_str(&text, hex);
    put_state(player_state(p), &text);
    sha256_once(buf_str(&text), text.len, hash);
    hex_encode(hash, sizeof hash, hex);
    buf_release(&text);
}

static void every_way_to_a_moment_ends_in_the_same_picture(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    record(30);
    struct player *p = open_player();
    struct frames f;
    uint64_t last = player_last(p), step = last / 150;
    assert_true(last > 4096); /* so that there are snapshots */
    char(*want)[SHA256_HEX_LEN + 1] = xcalloc(last / step + 1, sizeof *want);
    assert_ok(frames_open(&f, "/dev/null", 100, 30, &e));
    assert_ok(player_go(p, 0, &e));
    for (uint64_t i = 1; i <= last / step; i++) {
        assert_ok(player_play(p, i * step, 0, NULL, NULL, &e));
        assert_int_equal(player_seq(p), i * step);
        digest_of(p, &f, want[i]);
    }
    uint32_t x = 5;
    for (int n = 0; n < 150; n++) {
        char got[SHA256_HEX_LEN + 1];
        x = x * 1103515245u + 12345u;
        uint64_t i = 1 + (x >> 8) % (last / step);
        if (n % 3 == 0)
            assert_ok(player_go(p, i * step - (x >> 4) % step, &e)); /* from some place near */
        assert_ok(player_go(p, i * step, &e));
        digest_of(p, &f, got);
        if (strcmp(got, want[i]) != 0)
            fail_msg("event %llu looks otherwise", (unsigned long long)(i * step));
    }
    frames_close(&f);
    free(want);
    player_free(p);
}

static void marks_say_where_things_happened(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct past_decision d;
    record(0);
    struct player *p = open_player();
    const struct replay *clock = player_clock(p);
    const struct replay_mark *m = replay_find(clock, 1u << REPLAY_FAILURE, 0, 1);
    assert_int_equal(m->run, 1);
    m = replay_find(clock, 1u << REPLAY_HIGH, 0, 1);
    assert_int_equal(m->run, 5);
    m = replay_find(clock, 1u << REPLAY_DIFFERENCE, 0, 1);
    assert_int_equal(m->run, 2);
    assert_int_equal(m->base, 1);
    assert_int_equal(player_run_seq(p, RUNS + 1), 0);
    assert_ok(player_go(p, player_run_seq(p, 7), &e));
    assert_int_equal(player_state(p)->run_count, 7);
    assert_false(player_decision(p, &d)); /* its gate is not open yet */
    m = replay_find(clock, 1u << REPLAY_GATE, player_seq(p), 1);
    assert_ok(player_go(p, m->seq, &e));
    assert_true(player_state(p)->gate.open);
    assert_true(player_decision(p, &d));
    assert_string_equal(d.text, "denied by person after 4.10 s, 2 lines seen: no");
    assert_int_equal(d.seq, m->seq + 1);
    player_free(p);
}

/* A body that was changed on disk: what is before it is played, and where it ends is said. */
static void a_damaged_record_is_played_as_far_as_it_is_whole(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    record(0);
    FILE *f = fopen(fx.path, "r+b");
    struct buf all = BUF_INIT((size_t)64 << 20);
    char room[65536];
    for (size_t n; (n = fread(room, 1, sizeof room, f)) > 0;)
        assert_int_equal(buf_add(&all, room, n), 0);
    char *at = memmem(all.ptr, all.len, "x = 40\\nprint", 12);
    assert_non_null(at);
    fseek(f, (long)(at - all.ptr), SEEK_SET);
    fputs("x = 41", f);
    fclose(f);
    buf_release(&all);
    struct player *p = open_player();
    assert_int_equal(player_broken(p)->code, ERR_INTEGRITY);
    assert_int_equal(player_state(p)->run_count, 39);
    assert_int_equal(player_seq(p), player_last(p));
    assert_ok(player_go(p, player_last(p) + 10, &e));
    assert_ok(player_go(p, 3, &e));
    assert_int_equal(player_state(p)->run_count, 0);
    player_free(p);
}

static void a_long_record_is_read_in_pieces(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct player *p;
    record(30);
    assert_ok(player_open(&p, ID, fx.path, 0, &e));
    int turns = 0;
    while (!player_read(p, 1)) {
        assert_true(player_percent(p) < 100);
        turns++;
    }
    assert_true(turns > 1);
    assert_int_equal(player_percent(p), 100);
    player_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_way_to_a_moment_ends_in_the_same_picture,
                                        fixture_setup_in_memory, fixture_teardown),
        cmocka_unit_test_setup_teardown(marks_say_where_things_happened, fixture_setup_in_memory,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_damaged_record_is_played_as_far_as_it_is_whole,
                                        fixture_setup_in_memory, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_long_record_is_read_in_pieces, fixture_setup_in_memory,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
