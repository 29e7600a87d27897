/* test_runbook.c - reading runbooks and their data, and following them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/loop.h"
#include "base/path.h"
#include "base/share.h"
#include "providers/planners/runbook_parse.h"
#include "providers/registry.h"

/* ---- reading ---- */

static const char whole[] = "# A title ##\n"
                            "\n"
                            "First words\n"
                            "of the task.\n"
                            "\n"
                            "Second paragraph.\n"
                            "- data: `data/in.csv`\n"
                            "\n"
                            "<!-- a comment\n"
                            "## not a step\n"
                            "-->\n"
                            "## Load C#\n"
                            "Why we\n"
                            "load.\n"
                            "\n"
                            "- a point\n"
                            "- another\n"
                            "\n"
                            "    ```not a fence```\n"
                            "\n"
                            "```python title=\"x\"\n"
                            "if a:\n"
                            "    b = '# no heading'\n"
                            "\n"
                            "~~~\n"
                            "```\n"
                            "- expect: exit 0\n"
                            "* EXPECT: `stdout contains a`\n"
                            "When that fails:\n"
                            "\n"
                            "  ~~~~ sh\n"
                            "  ls\n"
                            "   pwd\n"
                            "~~~\n"
                            "  ~~~~\n"
                            "## Done\n"
                            "```js\n"
                            "1\n"
                            "```\n";

static void a_runbook_is_read(void **state)
{
    (void)state;
    struct runbook rb;
    struct err e = ERR_INIT;
    if (runbook_parse(&rb, "x.md", whole, strlen(whole), &e) < 0)
        fail_msg("%s", e.msg);
    assert_string_equal(rb.title, "A title");
    assert_string_equal(rb.task, "First words of the task.\n\nSecond paragraph.");
    assert_int_equal(rb.data_count, 1);
    assert_string_equal(rb.data[0].path, "data/in.csv");
    assert_int_equal(rb.data[0].line, 7);
    assert_int_equal(rb.step_count, 2);
    const struct runbook_step *s = &rb.steps[0];
    assert_string_equal(s->id, "1");
    assert_string_equal(s->title, "Load C#");
    assert_int_equal(s->line, 12);
    assert_string_equal(s->expect, "exit 0\nstdout contains a");
    assert_int_equal(s->block_count, 2);
    assert_string_equal(s->blocks[0].language, "python");
    assert_string_equal(s->blocks[0].code, "if a:\n    b = '# no heading'\n\n~~~\n");
    assert_int_equal(s->blocks[0].code_len, strlen(s->blocks[0].code));
    assert_string_equal(s->blocks[0].purpose,
                        "Why we load.\n\n- a point\n- another\n\n```not a fence```");
    assert_int_equal(s->blocks[0].line, 21);
    assert_string_equal(s->blocks[1].language, "bash");
    assert_string_equal(s->blocks[1].code, "ls\n pwd\n~~~\n");
    assert_string_equal(s->blocks[1].purpose, "When that fails:");
    assert_string_equal(rb.steps[1].blocks[0].language, "javascript");
    assert_string_equal(rb.steps[1].blocks[0].purpose, "Done");
    assert_string_equal(rb.steps[1].expect, "");
    runbook_release(&rb);
    runbook_release(&rb);
}

static void line_ends_and_marks_do_not_matter(void **state)
{
    (void)state;
    static const char text[] = "\357\273\277# T\r\n\r\n## S\r\n```py\r\na\r\n\r\nb\r\n```\r\n"
                               "- expect: exit 0\r\n";
    struct runbook rb;
    struct err e = ERR_INIT;
    if (runbook_parse(&rb, "x.md", text, strlen(text), &e) < 0)
        fail_msg("%s", e.msg);
    assert_string_equal(rb.title, "T");
    assert_string_equal(rb.steps[0].blocks[0].code, "a\n\nb\n");
    assert_string_equal(rb.steps[0].expect, "exit 0");
    runbook_release(&rb);
}

#define STEP "## s\n```py\nx\n```\n"

static void mistakes_are_told_with_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "", "f.md:0: no steps" },
        { "# t\n\nwords\n", "f.md:3: no steps" },
        { "# t\n## s\n```py\nx\n", "f.md:3: the code block is not closed" },
        { "# t\n## s\n```py\nx\n``\n", "f.md:3: the code block is not closed" },
        { "# t\n## s\n````py\nx\n```\n", "f.md:3: the code block is not closed" },
        { "# t\n## s\n```\nx\n```\n", "f.md:3: a code block without a language" },
        { "# t\n## s\n```ruby\nx\n```\n", "f.md:3: language `ruby` is not known" },
        { "# t\n```py\nx\n```\n", "f.md:2: code before the first step" },
        { "# t\n## s\n```py\n\n \t\n```\n", "f.md:3: the code block is empty" },
        { "# t\n## s\n```py\n```\n", "f.md:3: the code block is empty" },
        { "# t\n## s\nwords\n## u\n", "f.md:2: step `s` has no code block" },
        { STEP "## u\nwords", "f.md:5: step `u` has no code block" },
        { STEP "```py\nx\n```\n```py\nx\n```\n```py\nx\n```\n",
          "f.md:11: more than 3 code blocks" },
        { STEP "- expect: exit zero\n", "f.md:5: `exit zero`: exit takes 0 to 255" },
        { STEP "- expect: stdot is json\n", "f.md:5: `stdot is json` is no check" },
        { STEP "- expect:\n", "f.md:5: an expectation without a check" },
        { STEP "- expect: stdout contains a\n  and b\n", "f.md:6: an expectation or data item" },
        { "- expect: exit 0\n" STEP, "f.md:1: a check before the first step" },
        { STEP "- data: a\n", "f.md:5: data is named before the first step" },
        { "- data:\n" STEP, "f.md:1: data without a path" },
        { "# t\n# u\n" STEP, "f.md:2: a second title" },
        { STEP "# t\n", "f.md:5: the title stands after" },
        { "#\n" STEP, "f.md:1: a heading without words" },
        { "# t\n\377\n" STEP, "f.md:2: invalid UTF-8 at byte 1" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct runbook rb = { .title = NULL };
        struct err e = ERR_INIT;
        assert_int_equal(runbook_parse(&rb, "f.md", rows[i].text, strlen(rows[i].text), &e), -1);
        assert_int_equal(e.code, ERR_FORMAT);
        if (strncmp(e.msg, rows[i].says, strlen(rows[i].says)) != 0)
            fail_msg("row %zu said: %s", i, e.msg);
        assert_null(rb.title);
    }
    struct runbook rb;
    struct err e = ERR_INIT;
    assert_int_equal(runbook_parse(&rb, "f.md", "# t\n\0\n", 6, &e), -1);
    assert_non_null(strstr(e.msg, "f.md:2: a NUL byte"));
    char *big = xcalloc(1, RUNBOOK_BYTES_MAX + 1);
    assert_int_equal(runbook_parse(&rb, "f.md", big, RUNBOOK_BYTES_MAX + 1, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    free(big);
}

/* ---- data files ---- */

static char dir[256];

static const char *in_dir(const char *name)
{
    static char path[2][512];
    static unsigned turn;
    turn ^= 1;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static void put(const char *name, const char *text)
{
    struct err e = ERR_INIT;
    if (path_write_file(in_dir(name), text, strlen(text), &e) < 0)
        fail_msg("%s", e.msg);
}

static int make_dir(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/airlock-runbook-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL || mkdir(in_dir("data"), 0700) < 0)
        return -1;
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    static const char *const names[] = { "data/in.csv", "data/link", "linked", "in.csv", "r.md" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unlink(in_dir(names[i]));
    rmdir(in_dir("data/sub"));
    return rmdir(in_dir("data")) < 0 || rmdir(dir) < 0 ? -1 : 0;
}

static void load_fails(const char *data, enum err_code code, const char *says)
{
    char text[512];
    struct runbook rb = { .title = NULL };
    struct err e = ERR_INIT;
    snprintf(text, sizeof text, "# t\n- data: %s\n" STEP, data);
    put("r.md", text);
    assert_int_equal(runbook_load(&rb, in_dir("r.md"), &e), -1);
    if (e.code != code || strstr(e.msg, says) == NULL || strstr(e.msg, ": data ") == NULL)
        fail_msg("`%s` said: %s", data, e.msg);
}

static void data_files_come_along(void **state)
{
    (void)state;
    struct runbook rb;
    struct err e = ERR_INIT;
    put("r.md", "# t\n- data: data/in.csv\n" STEP);
    put("data/in.csv", "a,b\n");
    if (runbook_load(&rb, in_dir("r.md"), &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(rb.file_count, 1);
    assert_string_equal(rb.files[0].name, "in.csv");
    assert_int_equal(rb.files[0].mode, 0644);
    assert_int_equal(rb.files[0].len, 4);
    assert_memory_equal(rb.files[0].ptr, "a,b\n", 4);
    runbook_release(&rb);
}

static void data_stays_below_the_runbook(void **state)
{
    (void)state;
    put("data/in.csv", "a");
    put("in.csv", "b");
    assert_int_equal(symlink("in.csv", in_dir("data/link")), 0);
    assert_int_equal(symlink("data", in_dir("linked")), 0);
    assert_int_equal(mkdir(in_dir("data/sub"), 0700), 0);
    load_fails("/etc/hostname", ERR_DENIED, "below the runbook");
    load_fails("../x", ERR_DENIED, "below the runbook");
    load_fails("data/../in.csv", ERR_DENIED, "below the runbook");
    load_fails("./in.csv", ERR_DENIED, "below the runbook");
    load_fails("data//in.csv", ERR_DENIED, "below the runbook");
    load_fails("data/link", ERR_DENIED, "symbolic link");
    load_fails("linked/in.csv", ERR_DENIED, "symbolic link");
    load_fails("data/sub", ERR_DENIED, "no regular file");
    load_fails("data/none", ERR_MISSING, "No such file");
    load_fails("in.csv\n- data: data/in.csv", ERR_FORMAT, "another data file");
}

/* Named by its bare name, from its own directory. */
static void a_runbook_next_to_where_one_stands(void **state)
{
    struct runbook rb;
    struct err e = ERR_INIT;
    char was[512];
    (void)state;
    put("r.md", "# t\n- data: in.csv\n" STEP);
    put("in.csv", "abc");
    assert_non_null(getcwd(was, sizeof was));
    assert_int_equal(chdir(dir), 0);
    int rc = runbook_load(&rb, "r.md", &e);
    assert_int_equal(chdir(was), 0);
    if (rc < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(rb.file_count, 1);
    assert_memory_equal(rb.files[0].ptr, "abc", 3);
    runbook_release(&rb);
    assert_int_equal(truncate(in_dir("in.csv"), (off_t)RUNBOOK_DATA_MAX + 1), 0);
    load_fails("in.csv", ERR_LIMIT, ": data in.csv");
    load_fails("in.csv/x", ERR_DENIED, "symbolic link");
    load_fails(".hidden/..x", ERR_MISSING, "No such file");
    load_fails("a/.", ERR_DENIED, "below the runbook");
    assert_int_equal(truncate(in_dir("in.csv"), 0), 0);
    struct planner_config cfg = { .model = "/none.md" };
    struct planner *p = NULL;
    assert_int_equal(planner_runbook.open(&p, &cfg, &e), -1);
    assert_int_equal(e.code, ERR_MISSING);
    planner_runbook.close(NULL);
    assert_int_equal(runbook_load(&rb, "", &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
}

static void what_is_not_there_is_said(void **state)
{
    (void)state;
    struct runbook rb;
    struct err e = ERR_INIT;
    assert_int_equal(runbook_load(&rb, in_dir("none.md"), &e), -1);
    assert_int_equal(e.code, ERR_MISSING);
    assert_int_equal(runbook_load(&rb, NULL, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    assert_int_equal(runbook_load(&rb, "@nope", &e), -1);
    assert_int_equal(e.code, ERR_MISSING);
    assert_non_null(strstr(e.msg, "@clean-csv, @service-log, @tour"));
    assert_int_equal(runbook_load(&rb, "@../kernels/x", &e), -1);
    struct planner_config nope = { .model = "@nope" }, tour = { .model = "@tour" };
    assert_int_equal(planner_runbook.available(&nope, &e), -1);
    assert_int_equal(planner_runbook.available(&tour, &e), 0);
}

static void what_ships_is_well_formed(void **state)
{
    (void)state;
    static const char *const models[] = { "@tour", "@clean-csv", "@service-log" };
    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        struct runbook rb;
        struct err e = ERR_INIT;
        if (runbook_load(&rb, models[i], &e) < 0)
            fail_msg("%s", e.msg);
        assert_true(rb.step_count >= 4 && rb.task[0] != '\0');
        assert_int_equal(rb.file_count, rb.data_count);
        for (size_t k = 0; k < rb.step_count; k++)
            assert_true(rb.steps[k].expect[0] != '\0');
        runbook_release(&rb);
    }
}

/* ---- following ---- */

static struct {
    char said[4096]; /* what came through the sink, in short */
    char call_id[32];
    bool inside;
} heard;

static void note(const char *fmt, ...) PRINTF_LIKE(1, 2);

static void note(const char *fmt, ...)
{
    size_t len = strlen(heard.said);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(heard.said + len, sizeof heard.said - len, fmt, ap);
    va_end(ap);
}

static void on_event(void *arg, struct planner *p, const struct planner_event *ev)
{
    (void)arg;
    (void)p;
    assert_false(heard.inside);
    switch (ev->kind) {
    case PLANNER_PLAN:
        note("plan");
        for (size_t i = 0; i < ev->step_count; i++)
            note(" %s", step_status_name(ev->steps[i].status));
        note("\n");
        break;
    case PLANNER_PROPOSAL:
        note("%s %s %zu files: %.*s", ev->proposal->step, ev->proposal->language,
             ev->proposal->file_count, (int)ev->proposal->code_len, ev->proposal->code);
        snprintf(heard.call_id, sizeof heard.call_id, "%s", ev->proposal->call_id);
        break;
    case PLANNER_FINISH:
        note("finish %s\n", ev->text);
        break;
    case PLANNER_MESSAGE:
        note("message\n");
        break;
    case PLANNER_WAITING:
        note("waiting\n");
        break;
    default:
        note("? %d\n", ev->kind);
    }
}

struct desk {
    struct loop *loop;
    struct planner *p;
};

static void begin(struct desk *d, const char *text)
{
    struct err e = ERR_INIT;
    put("r.md", text);
    memset(&heard, 0, sizeof heard);
    assert_int_equal(loop_new(&d->loop, &e), 0);
    struct planner_config cfg = { .loop = d->loop, .model = in_dir("r.md"), .sink = on_event };
    if (planner_runbook.open(&d->p, &cfg, &e) < 0)
        fail_msg("%s", e.msg);
}

static void end(struct desk *d)
{
    d->p->ops->close(d->p);
    loop_free(d->loop);
}

/* One turn; what was said in it must be this. */
static void expect_said(struct desk *d, const char *said)
{
    struct err e = ERR_INIT;
    heard.inside = false;
    assert_int_equal(loop_turn(d->loop, 0, &e), 0);
    assert_string_equal(heard.said, said);
    heard.said[0] = '\0';
    heard.inside = true;
}

enum outcome { WENT_WELL, FAILED, STEP_OVER, WAS_DENIED, LOST_SANDBOX };

static void observe(struct desk *d, enum outcome how)
{
    struct err e = ERR_INIT;
    struct planner_observation o = { .call_id = heard.call_id,
                                     .denied = how == WAS_DENIED,
                                     .spent =
                                         how == FAILED || how == STEP_OVER || how == LOST_SANDBOX,
                                     .step_over = how == STEP_OVER,
                                     .end = how == LOST_SANDBOX ? END_LOST : END_EXIT };
    heard.inside = true;
    if (d->p->ops->observe(d->p, &o, &e) < 0)
        fail_msg("%s", e.msg);
}

static void task(struct desk *d)
{
    struct err e = ERR_INIT;
    heard.inside = true;
    assert_int_equal(d->p->ops->task(d->p, "go", &e), 0);
}

#define BLOCK(code) "```py\n" code "\n```\n"

static void steps_follow_each_other(void **state)
{
    (void)state;
    struct desk d;
    begin(&d, "# T\n## a\n" BLOCK("a1") BLOCK("a2") "## b\n" BLOCK("b1"));
    task(&d);
    expect_said(&d, "plan active pending\n1 python 0 files: a1\n");
    expect_said(&d, "");
    observe(&d, WENT_WELL);
    expect_said(&d, "plan done active\n2 python 0 files: b1\n");
    observe(&d, WENT_WELL);
    expect_said(&d, "plan done done\nfinish T: 2 of 2 steps done.\n");
    end(&d);
}

static void a_failed_attempt_brings_the_next_block(void **state)
{
    (void)state;
    struct desk d;
    begin(&d, "# T\n## a\n" BLOCK("a1") BLOCK("a2") BLOCK("a3") "## b\n" BLOCK("b1"));
    task(&d);
    expect_said(&d, "plan active pending\n1 python 0 files: a1\n");
    observe(&d, FAILED);
    expect_said(&d, "1 python 0 files: a2\n");
    observe(&d, FAILED);
    expect_said(&d, "1 python 0 files: a3\n");
    observe(&d, FAILED);
    expect_said(&d, "plan failed active\n2 python 0 files: b1\n");
    observe(&d, FAILED);
    expect_said(&d, "plan failed failed\nfinish T: 0 of 2 steps done. Failed: a (1), b (2).\n");
    end(&d);
}

static void a_denied_block_ends_its_step_only(void **state)
{
    (void)state;
    struct desk d;
    begin(&d, "# T\n## a\n" BLOCK("a1") BLOCK("a2") "## b\n" BLOCK("b1") BLOCK("b2"));
    task(&d);
    expect_said(&d, "plan active pending\n1 python 0 files: a1\n");
    observe(&d, WAS_DENIED);
    expect_said(&d, "plan denied active\n2 python 0 files: b1\n");
    observe(&d, STEP_OVER); /* three attempts were spent: b2 is not offered */
    expect_said(&d, "plan denied failed\n"
                    "finish T: 0 of 2 steps done. Failed: b (2). Denied: a (1).\n");
    end(&d);
}

static void data_is_offered_until_it_is_there(void **state)
{
    (void)state;
    struct desk d;
    put("data/in.csv", "x");
    begin(&d, "# T\n- data: data/in.csv\n## a\n" BLOCK("a1") "## b\n" BLOCK("b1") BLOCK("b2")
                  BLOCK("b3"));
    task(&d);
    expect_said(&d, "plan active pending\n1 python 1 files: a1\n");
    observe(&d, WAS_DENIED);
    expect_said(&d, "plan denied active\n2 python 1 files: b1\n");
    observe(&d, LOST_SANDBOX);
    expect_said(&d, "2 python 1 files: b2\n");
    observe(&d, FAILED);
    expect_said(&d, "2 python 0 files: b3\n");
    end(&d);
}

/* A plan of the first, active step and two more: "2b" is step 2, titled b. */
static int edit(struct desk *d, const char *one, const char *two, enum step_status status,
                const char *three)
{
    struct err e = ERR_INIT;
    const char *const words[] = { one, two, three };
    char ids[3][2];
    struct planner_step steps[3];
    size_t count = 0;
    for (; count < 3 && words[count] != NULL; count++) {
        snprintf(ids[count], sizeof ids[count], "%.1s", words[count]);
        steps[count] = (struct planner_step){ .id = ids[count],
                                              .title = words[count] + 1,
                                              .expect = "",
                                              .status = count == 0   ? STEP_ACTIVE
                                                        : count == 1 ? status
                                                                     : STEP_PENDING };
    }
    return d->p->ops->plan_edited(d->p, steps, count, &e);
}

static void words_and_skips_of_the_person(void **state)
{
    (void)state;
    struct desk d;
    struct err e = ERR_INIT;
    begin(&d, "# T\n## a\n" BLOCK("a1") "## b\n" BLOCK("b1") "## c\n" BLOCK("c1"));
    task(&d);
    assert_int_equal(d.p->ops->task(d.p, "again", &e), -1);
    expect_said(&d, "plan active pending pending\n1 python 0 files: a1\n");
    assert_int_equal(d.p->ops->message(d.p, "hello", &e), 0);
    expect_said(&d, "message\nwaiting\n");
    assert_int_equal(d.p->ops->message(d.p, "hello", &e), 0);
    expect_said(&d, "waiting\n");
    assert_int_equal(edit(&d, "1a", "2b", STEP_SKIPPED, "3c"), 0);
    assert_int_equal(edit(&d, "1a", "2b", STEP_PENDING, "3c"), 0);
    assert_int_equal(edit(&d, "1a", "2b", STEP_SKIPPED, "3c"), 0);
    assert_int_equal(edit(&d, "2b", "1a", STEP_ACTIVE, "3c"), -1); /* their order is the file's */
    assert_int_equal(edit(&d, "1a", "2x", STEP_SKIPPED, "3c"), -1);
    assert_int_equal(edit(&d, "1a", "2b", STEP_FAILED, "3c"), -1);
    assert_int_equal(edit(&d, "1a", "2b", STEP_SKIPPED, NULL), -1);
    observe(&d, WENT_WELL);
    expect_said(&d, "plan done skipped active\n3 python 0 files: c1\n");
    observe(&d, WENT_WELL);
    expect_said(&d, "plan done skipped done\nfinish T: 2 of 3 steps done. Skipped: b (2).\n");
    assert_int_equal(d.p->ops->message(d.p, "still there?", &e), 0);
    expect_said(&d, "waiting\n");
    end(&d);
}

/* ---- a saved session goes on ---- */

static void recall(struct desk *d, enum planner_past_kind kind, const char *step,
                   const char *call_id, bool spent)
{
    struct err e = ERR_INIT;
    struct planner_proposal p = { .step = step, .call_id = call_id, .code = "x", .code_len = 1 };
    struct planner_observation o = { .step = step, .call_id = call_id, .spent = spent };
    struct planner_past past = { .kind = kind,
                                 .proposal = kind == PAST_PROPOSAL ? &p : NULL,
                                 .observation = kind == PAST_OBSERVATION ? &o : NULL };
    assert_int_equal(d->p->ops->resume(d->p, &past, &e), 0);
}

static const char three[] =
    "# T\n## a\n" BLOCK("a1") "## b\n" BLOCK("b1") BLOCK("b2") "## c\n" BLOCK("c1");

static void it_goes_on_with_the_next_attempt(void **state)
{
    (void)state;
    struct desk d;
    begin(&d, three);
    recall(&d, PAST_WORDS, "", "", false);
    recall(&d, PAST_PROPOSAL, "1", "s1.1", false);
    recall(&d, PAST_OBSERVATION, "1", "s1.1", false);
    recall(&d, PAST_PROPOSAL, "2", "s2.1", false);
    recall(&d, PAST_OBSERVATION, "2", "s2.1", true);
    recall(&d, PAST_END, "", "", false);
    expect_said(&d, "plan done active pending\n2 python 0 files: b2\n");
    observe(&d, FAILED);
    expect_said(&d, "plan done failed active\n3 python 0 files: c1\n");
    end(&d);
}

static void it_waits_for_what_was_at_the_gate(void **state)
{
    (void)state;
    struct desk d;
    begin(&d, three);
    recall(&d, PAST_PROPOSAL, "1", "run-1", false); /* recorded before call ids were */
    recall(&d, PAST_END, "", "", false);
    expect_said(&d, "");
    snprintf(heard.call_id, sizeof heard.call_id, "run-1");
    observe(&d, WAS_DENIED);
    expect_said(&d, "plan denied active pending\n2 python 0 files: b1\n");
    end(&d);
}

static void skipped_and_finished_stay_so(void **state)
{
    (void)state;
    struct desk d;
    struct err e = ERR_INIT;
    const struct planner_step steps[] = { { .id = "1", .status = STEP_DONE },
                                          { .id = "2", .status = STEP_SKIPPED },
                                          { .id = "9", .status = STEP_SKIPPED },
                                          { .id = "3", .status = STEP_PENDING } };
    struct planner_past plan = { .kind = PAST_PLAN, .steps = steps, .step_count = 4 };
    begin(&d, three);
    assert_int_equal(d.p->ops->resume(d.p, &plan, &e), 0);
    recall(&d, PAST_END, "", "", false);
    expect_said(&d, "plan done skipped active\n3 python 0 files: c1\n");
    end(&d);
    begin(&d, three);
    recall(&d, PAST_PROPOSAL, "3", "s3.1", false);
    recall(&d, PAST_OBSERVATION, "3", "s3.1", false);
    plan.step_count = 3;
    assert_int_equal(d.p->ops->resume(d.p, &plan, &e), 0);
    recall(&d, PAST_END, "", "", false);
    expect_said(&d, "");
    end(&d);
    begin(&d, three); /* nothing was begun: the task is still to come */
    recall(&d, PAST_END, "", "", false);
    expect_said(&d, "");
    task(&d);
    expect_said(&d, "plan active pending pending\n1 python 0 files: a1\n");
    end(&d);
}

static void strange_observations_and_stopping(void **state)
{
    (void)state;
    struct desk d;
    struct err e = ERR_INIT;
    struct planner_observation o = { .call_id = "s1.2" };
    begin(&d, "# T\n## a\n" BLOCK("a1") "## b\n" BLOCK("b1"));
    assert_int_equal(d.p->ops->observe(d.p, &o, &e), -1); /* nothing was proposed */
    task(&d);
    expect_said(&d, "plan active pending\n1 python 0 files: a1\n");
    assert_int_equal(d.p->ops->observe(d.p, &o, &e), -1);
    o.call_id = "s1.1";
    assert_int_equal(d.p->ops->observe(d.p, &o, &e), 0);
    assert_int_equal(d.p->ops->observe(d.p, &o, &e), -1); /* once */
    d.p->ops->cancel(d.p);
    d.p->ops->cancel(d.p);
    expect_said(&d, "");
    end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_runbook_is_read),
        cmocka_unit_test(line_ends_and_marks_do_not_matter),
        cmocka_unit_test(mistakes_are_told_with_file_and_line),
        cmocka_unit_test_setup_teardown(data_files_come_along, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(data_stays_below_the_runbook, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_runbook_next_to_where_one_stands, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_said, make_dir, remove_dir),
        cmocka_unit_test(what_ships_is_well_formed),
        cmocka_unit_test_setup_teardown(steps_follow_each_other, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_failed_attempt_brings_the_next_block, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_denied_block_ends_its_step_only, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(data_is_offered_until_it_is_there, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(words_and_skips_of_the_person, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(it_goes_on_with_the_next_attempt, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(it_waits_for_what_was_at_the_gate, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(skipped_and_finished_stay_so, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(strange_observations_and_stopping, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
