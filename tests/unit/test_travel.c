/* test_travel.c - branches within a session: which run went on from which, what can be gone back to
 * and at what price, and which saved namespaces are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tool/retain.h"
#include "tool/travel.h"

static uint64_t seq;
static struct err last;

static int feed(struct state *st, const char *type, uint32_t run, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static int feed(struct state *st, const char *type, uint32_t run, const char *fmt, ...)
{
    char json[4096];
    struct json *body = NULL;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(json, sizeof json, fmt, ap);
    va_end(ap);
    for (char *p = json; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    seq++;
    struct event ev = { .seq = seq, .at_us = (int64_t)seq, .run = run, .json = json };
    ev.type = event_type_find(type);
    ev.json_len = strlen(json);
    err_clear(&last);
    if (event_parse(&ev, &body, &last) < 0)
        fail_msg("the test's own event: %s", last.msg);
    int rc = state_apply(st, &ev, NULL, &last);
    json_free(body);
    return rc;
}
#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s", last.msg);                                                              \
    } while (0)

static void begin(struct state *st)
{
    seq = 0;
    state_init(st);
    OK(feed(st, "session.created", 0,
            "{'planner':'human','model':'','sandbox':'local','contract':{},'contract_digest':'d',"
            "'version':'0'}"));
    OK(feed(st, "sandbox.ready", 0, "{'kind':'local','label':'l','id':'x'}"));
}

/* A whole run that leaves `vars` behind (JSON items). */
static void run(struct state *st, uint32_t n, const char *vars)
{
    char hex[65];
    snprintf(hex, sizeof hex, "%064u", n);
    OK(feed(st, "run.proposed", n,
            "{'rev':1,'step':'','attempt':0,'language':'python','code':'x','purpose':'',"
            "'author':'person'}"));
    OK(feed(st, "run.reviewed", n, "{'findings':[]}"));
    OK(feed(st, "gate.opened", n,
            "{'rev':1,'capsule':'%s','contract_digest':'d','sandbox':'local'}", hex));
    OK(feed(st, "gate.decided", n,
            "{'decision':'approve','by':'person','capsule':'%s','seen_lines':1,'waited_ms':1}",
            hex));
    OK(feed(st, "run.started", n, "{'sandbox_id':'x','capsule':'%s'}", hex));
    OK(feed(st, "run.finished", n,
            "{'end':'exit','code':0,'wall_ms':1,'stdout_bytes':0,'stderr_bytes':0}"));
    OK(feed(st, "run.verdict", n, "{'verdict':'unverified','checks':[]}"));
    OK(feed(st, "checkpoint.made", n, "{'kind':'fork','lost':[]}"));
    OK(feed(st, "state.changed", n, "{'vars':[%s],'files':[]}", vars));
}

static void saved(struct state *st, uint32_t n, const char *digest, long long size,
                  const char *lost)
{
    OK(feed(st, "checkpoint.made", n,
            "{'kind':'saved','digest':'%s','size':%lld,'kept':[],'lost':[%s]}", digest, size,
            lost));
}

#define VAR(name, change)                                                                          \
    "{'name':'" name "','type':'int','preview':'1','digest':'d','change':'" change "'}"

static void each_run_knows_what_it_went_on_from(void **state)
{
    (void)state;
    struct state st;
    begin(&st);
    run(&st, 1, VAR("x", "new"));
    run(&st, 2, VAR("x", "changed"));
    run(&st, 3, VAR("x", "same"));
    OK(feed(&st, "state.restored", 0, "{'from_run':1,'how':'fork','kept':['x'],'lost':[]}"));
    run(&st, 4, VAR("x", "changed"));
    static const uint32_t parents[] = { 0, 1, 2, 1 };
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(st.runs[i]->parent_run, parents[i]);
    assert_true(state_leads_to(&st, 1, 4));
    assert_true(state_leads_to(&st, 4, 4));
    assert_false(state_leads_to(&st, 3, 4));
    assert_false(state_is_tip(&st, st.runs[0]));
    assert_true(state_is_tip(&st, st.runs[2]));
    assert_true(state_is_tip(&st, st.runs[3]));
    /* an interpreter that was lost leads nowhere */
    OK(feed(&st, "sandbox.closed", 0, "{'kind':'local','label':'l'}"));
    OK(feed(&st, "state.restored", 0, "{'from_run':0,'how':'none','kept':[],'lost':['x']}"));
    run(&st, 5, "");
    assert_int_equal(st.runs[4]->parent_run, 0);
    state_release(&st);
}

static void a_snapshot_has_memory_and_files(void **state)
{
    (void)state;
    struct state st;
    struct travel t;
    struct buf words = BUF_INIT((size_t)64 << 10);
    begin(&st);
    run(&st, 1, VAR("x", "new"));
    OK(feed(&st, "checkpoint.made", 1, "{'kind':'snapshot','snapshot':'t/a-1:default'}"));
    run(&st, 2, VAR("x", "changed"));
    OK(feed(&st, "sandbox.paused", 0, "{'kind':'e2b','label':'l','id':'x','sandbox_ms':5}"));
    assert_int_equal(st.sbx, SBX_PAUSED);
    assert_false(st.vars_lost);
    travel_plan(&t, &st, 2);
    assert_int_equal(t.how, TRAVEL_HERE);
    OK(feed(&st, "sandbox.closed", 0, "{'kind':'e2b','label':'l'}"));
    travel_plan(&t, &st, 1);
    assert_int_equal(t.how, TRAVEL_SNAPSHOT);
    travel_print(&t, &st, &words);
    assert_non_null(strstr(buf_str(&words), "+ x"));
    assert_non_null(strstr(buf_str(&words), "provider's snapshot"));
    travel_plan(&t, &st, 2); /* the nearest before it, and what that leaves out */
    assert_int_equal(t.how, TRAVEL_SNAPSHOT);
    assert_int_equal(t.from, 1);
    buf_reset(&words);
    travel_print(&t, &st, &words);
    assert_non_null(strstr(buf_str(&words), "- x (its value after run 2)"));
    travel_plan_fork(&t, &st, 1);
    assert_int_equal(t.how, TRAVEL_SNAPSHOT);
    saved(&st, 2, "abcd", 4, ""); /* a nearer namespace is nearer */
    travel_plan(&t, &st, 2);
    assert_int_equal(t.how, TRAVEL_SAVED);
    OK(feed(&st, "checkpoint.lost", 1, "{'kind':'snapshot','why':'deleted'}"));
    travel_plan(&t, &st, 1);
    assert_int_equal(t.how, TRAVEL_NOT);
    buf_release(&words);
    state_release(&st);
}

static void the_sandbox_as_the_record_has_it(void **state)
{
    (void)state;
    struct state st;
    begin(&st);
    OK(feed(&st, "sandbox.creating", 0, "{'kind':'e2b','label':'s-7'}"));
    assert_string_equal(st.sandbox_id, ""); /* not that of the one before */
    assert_string_equal(st.sandbox_label, "s-7");
    assert_int_equal(st.sandbox_seq, 7);
    OK(feed(&st, "sandbox.waiting", 0, "{'kind':'e2b','label':'s-7','why':'full','wait_ms':9}"));
    assert_int_equal(st.sbx, SBX_WAITING);
    OK(feed(&st, "sandbox.ready", 0,
            "{'kind':'e2b','label':'s-7','id':'i1','ends_ms':60000,'again':true}"));
    assert_int_equal(st.sandbox_ends_boot_us, 60000000);
    OK(feed(&st, "sandbox.lease", 0, "{'kind':'e2b','label':'s-7','ends_ms':1000}"));
    assert_int_equal(st.sandbox_ends_boot_us, 1000000);
    assert_int_equal(st.sbx, SBX_READY);
    OK(feed(&st, "sandbox.lease", 0, "{'kind':'e2b','label':'s-7','ends_ms':-5}"));
    assert_int_equal(st.sandbox_ends_boot_us, 0);
    OK(feed(&st, "sandbox.creating", 0, "{'kind':'e2b','label':'s-2','id':'i1'}"));
    assert_string_equal(st.sandbox_id, "i1"); /* connected to again */
    assert_int_equal(st.sandbox_seq, 7);      /* numbers are never given twice */
    OK(feed(&st, "sandbox.orphaned", 0, "{'kind':'e2b','label':'s-2'}"));
    assert_int_equal(st.sbx, SBX_LOST);
    state_release(&st);
}

static void plans(void **state)
{
    (void)state;
    struct state st;
    struct travel t;
    struct buf text = BUF_INIT(10000);
    begin(&st);
    run(&st, 1, VAR("x", "new"));
    saved(&st, 1, "aa", 100, "");
    run(&st, 2, VAR("f", "new") "," VAR("x", "changed"));
    run(&st, 3, VAR("f", "same") "," VAR("x", "same") "," VAR("z", "new"));
    saved(&st, 3, "cc", 100, "'f (TypeError: no)'");
    travel_plan(&t, &st, 3);
    assert_int_equal(t.how, TRAVEL_HERE);
    travel_plan(&t, &st, 2);
    assert_int_equal(t.how, TRAVEL_FROZEN);
    travel_plan(&t, &st, 9);
    assert_int_equal(t.how, TRAVEL_NOT);
    /* without the copies: the nearest saved one on the way back */
    OK(feed(&st, "sandbox.closed", 0, "{'kind':'local','label':'l'}"));
    travel_plan(&t, &st, 2);
    assert_int_equal(t.how, TRAVEL_SAVED);
    assert_int_equal(t.from, 1);
    travel_print(&t, &st, &text);
    assert_non_null(strstr(buf_str(&text), "\n- f (its value after run 2)\n"));
    assert_non_null(strstr(buf_str(&text), "\n- x (its value after run 2)\n"));
    assert_non_null(strstr(buf_str(&text), "nearest before it is run 1"));
    travel_plan(&t, &st, 3);
    buf_reset(&text);
    travel_print(&t, &st, &text);
    assert_non_null(strstr(buf_str(&text), "\n- f (TypeError: no)\n"));
    assert_non_null(strstr(buf_str(&text), "\n+ x  int  1\n"));
    assert_null(strstr(buf_str(&text), "\n+ f"));
    OK(feed(&st, "checkpoint.lost", 1, "{'kind':'saved','lost':[],'why':'old'}"));
    travel_plan(&t, &st, 2);
    assert_int_equal(t.how, TRAVEL_NOT);
    buf_release(&text);
    state_release(&st);
}

static void a_branch_begins_with_what_its_parent_had(void **state)
{
    (void)state;
    struct state st;
    begin(&st);
    OK(feed(&st, "checkpoint.made", 0,
            "{'kind':'saved','digest':'aa','size':9,'kept':['x'],'lost':['f (why)'],"
            "'language':'python','vars':[" VAR("x", "same") "," VAR("f", "same") "]}"));
    assert_int_equal(st.var_count, 2);
    assert_true(st.vars_lost);
    assert_ptr_equal(state_saved_near(&st, 0), st.origin);
    OK(feed(&st, "state.restored", 0,
            "{'from_run':0,'how':'saved','kept':['x'],'lost':['f (why)']}"));
    assert_int_equal(st.var_count, 1);
    assert_string_equal(st.vars[0].name, "x");
    assert_false(st.vars_lost);
    run(&st, 1, VAR("x", "same") "," VAR("y", "new"));
    assert_int_equal(st.runs[0]->parent_run, 0);
    assert_int_equal(st.vars[0].since_run, 0); /* from before the branch */
    assert_ptr_equal(state_saved_near(&st, 1), st.origin);
    /* a second beginning is no past fact */
    assert_int_equal(feed(&st, "checkpoint.made", 0, "{'kind':'saved','digest':'bb','size':9}"),
                     -1);
    state_release(&st);
}

/* Drop as the round does, until all may stay; the runs that are left, as a string. */
static void settle(struct state *st, char *left, size_t size)
{
    uint32_t n;
    for (int i = 0; (n = retain_choose(st)) != 0 && i < 1000; i++)
        OK(feed(st, "checkpoint.lost", n, "{'kind':'saved','lost':[]}"));
    size_t at = 0;
    left[0] = '\0';
    for (size_t i = 0; i < st->run_count; i++) {
        if (st->runs[i]->saved.there)
            at += (size_t)snprintf(left + at, size - at, "%zu ", i + 1);
    }
}

static void a_file_stays_bounded(void **state)
{
    (void)state;
    struct state st;
    char left[256], digest[16];
    begin(&st);
    for (uint32_t n = 1; n <= 12; n++) {
        run(&st, n, "");
        snprintf(digest, sizeof digest, "%02u", n);
        saved(&st, n, digest, 1000, "");
        if (n == 3)
            OK(feed(&st, "state.restored", 0, "{'from_run':1,'kept':[],'lost':[]}"));
    }
    settle(&st, left, sizeof left);
    /* the newest eight, and 3, where a branch ended */
    assert_string_equal(left, "3 5 6 7 8 9 10 11 12 ");
    /* big ones: as many as fit */
    for (uint32_t n = 13; n <= 17; n++) {
        run(&st, n, "");
        snprintf(digest, sizeof digest, "%02u", n);
        saved(&st, n, digest, 60 << 20, "");
    }
    settle(&st, left, sizeof left);
    assert_string_equal(left, "3 9 10 11 12 14 15 16 17 ");
    /* what the REPL stands on never goes */
    OK(feed(&st, "state.restored", 0, "{'from_run':10,'kept':[],'lost':[]}"));
    for (uint32_t n = 18; n <= 30; n++) { /* runs that were not the REPL's: no state.changed */
        run(&st, n, "");
        OK(feed(&st, "state.restored", 0, "{'from_run':10,'kept':[],'lost':[]}"));
        snprintf(digest, sizeof digest, "%02u", n);
        saved(&st, n, digest, 40 << 20, "");
    }
    settle(&st, left, sizeof left);
    assert_non_null(strstr(left, "10 "));
    assert_non_null(strstr(left, "30 "));
    /* the same bytes count once */
    for (uint32_t n = 31; n <= 38; n++) {
        run(&st, n, "");
        saved(&st, n, "same", 60 << 20, "");
    }
    settle(&st, left, sizeof left);
    assert_non_null(strstr(left, "31 32 33 34 35 36 37 38 "));
    state_release(&st);
}

static void expect_words(const struct travel *t, const struct state *st, const char *words)
{
    struct buf out = BUF_INIT((size_t)64 << 10);
    travel_print(t, st, &out);
    if (strstr(buf_str(&out), words) == NULL)
        fail_msg("not there: %s\n%s", words, buf_str(&out));
    buf_release(&out);
}

static void where_there_is_no_going_back_to(void **state)
{
    (void)state;
    struct state st;
    struct travel t;
    begin(&st);
    run(&st, 1, VAR("x", "new"));
    OK(feed(&st, "run.proposed", 2,
            "{'rev':1,'step':'','attempt':0,'language':'python','code':'x','purpose':'',"
            "'author':'person'}"));
    travel_plan(&t, &st, 2);
    expect_words(&t, &st, "Run 2: it never ran: there are no variables after it\n");
    travel_plan_fork(&t, &st, 2);
    expect_words(&t, &st, "Run 2: it never ran");
    travel_plan(&t, &st, 7);
    expect_words(&t, &st, "Run 7: there is no such run\n");
    travel_plan_fork(&t, &st, 7);
    assert_int_equal(t.how, TRAVEL_NOT);
    travel_plan(&t, &st, 1);
    expect_words(&t, &st, "Run 1: the variables are those after run 1 already\n");
    travel_plan_fork(&t, &st, 1);
    expect_words(&t, &st, "Run 1: no variables are saved of it");
    /* a dry run leaves nothing */
    OK(feed(&st, "run.reviewed", 2, "{'findings':[]}"));
    OK(feed(&st, "gate.opened", 2,
            "{'rev':1,'capsule':'%064u','contract_digest':'d','sandbox':'local'}", 2));
    OK(feed(&st, "gate.decided", 2,
            "{'decision':'dry-run','by':'person','capsule':'%064u','seen_lines':1,'waited_ms':1}",
            2));
    OK(feed(&st, "run.proposed", 3,
            "{'rev':1,'twin_of':2,'step':'','attempt':0,'language':'python','code':'x',"
            "'purpose':'','author':'person'}"));
    travel_plan(&t, &st, 3);
    expect_words(&t, &st, "choose the run it was made for");
    state_release(&st);
}

static void the_price_is_said(void **state)
{
    (void)state;
    struct state st;
    struct travel t;
    begin(&st);
    run(&st, 1,
        "{'name':'x','type':'str','shape':'2','preview':'a\\nb','digest':'d','change':'new'}," VAR(
            "f", "new") "," VAR("old", "gone"));
    saved(&st, 1, "d1", 5, "'f (an open file)'");
    run(&st, 2, VAR("x", "changed") "," VAR("f", "same"));
    OK(feed(&st, "state.changed", 2,
            "{'vars':[" VAR("x", "changed") "," VAR(
                "f", "same") "],'files':["
                             "{'path':'a.txt','change':'new','bytes':1},"
                             "{'path':'b.txt','change':'changed','bytes':1}]}"));
    /* by the frozen copy: files stay as they are, and what is left behind is not saved */
    travel_plan(&t, &st, 1);
    assert_int_equal(t.how, TRAVEL_FROZEN);
    expect_words(&t, &st, "+ x  str 2  a b\n");
    expect_words(&t, &st, "- file a.txt (stays as run 2 left it)\n");
    expect_words(&t, &st, "- file b.txt (stays as run 2 left it)\n");
    expect_words(&t, &st, "The variables after run 2 are NOT saved");
    saved(&st, 2, "d2", 5, "");
    expect_words(&t, &st, "The variables after run 2 are saved (0 could not be)");
    OK(feed(&st, "checkpoint.made", 2, "{'kind':'snapshot','snapshot':'s'}"));
    expect_words(&t, &st, "There is a snapshot of run 2");
    OK(feed(&st, "checkpoint.lost", 2, "{'kind':'snapshot'}"));
    OK(feed(&st, "checkpoint.lost", 2, "{'kind':'saved'}"));
    /* by what was saved before it: what changed since is lost, as are files that were made */
    OK(feed(&st, "sandbox.closed", 0, "{'kind':'local','label':'l'}"));
    travel_plan(&t, &st, 2);
    assert_int_equal(t.how, TRAVEL_SAVED);
    assert_int_equal(t.from, 1);
    expect_words(&t, &st, "Run 2 itself was not saved: the nearest before it is run 1.\n");
    expect_words(&t, &st, "\nComes back:\n  nothing\n");
    expect_words(&t, &st, "- f (an open file)\n- x (its value after run 2)\n");
    expect_words(&t, &st, "- file a.txt\n");
    expect_words(&t, &st, "- processes, open files and connections");
    /* a list that is not held any more */
    OK(feed(&st, "state.changed", 2, "{'vars':[],'files':[]}"));
    expect_words(&t, &st, "its list is not in memory");
    state_release(&st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_run_knows_what_it_went_on_from),
        cmocka_unit_test(a_snapshot_has_memory_and_files),
        cmocka_unit_test(the_sandbox_as_the_record_has_it),
        cmocka_unit_test(plans),
        cmocka_unit_test(a_branch_begins_with_what_its_parent_had),
        cmocka_unit_test(a_file_stays_bounded),
        cmocka_unit_test(where_there_is_no_going_back_to),
        cmocka_unit_test(the_price_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
