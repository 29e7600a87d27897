/* test_options.c - the command line: every option of the table, what goes with what, and slips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/options.h"

/* The words are split at blanks; `_` stands for a blank. Release with free(p->opt.args). */
static int parse(struct parsed *p, const char *line, struct err *e)
{
    static char room[4096], *argv[300];
    int argc = 1;
    snprintf(room, sizeof room, "%s", line);
    argv[0] = room;
    for (char *at = room; *at != '\0';) {
        size_t n = strcspn(at, " ");
        bool more = at[n] == ' ';
        at[n] = '\0';
        argv[argc++] = at;
        for (char *c = at; *c != '\0'; c++)
            *c = *c == '_' ? ' ' : *c;
        at += n + more;
    }
    return options_parse(p, argc, argv, e);
}

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *line, *command, *args; /* the arguments joined by | */
    } cases[] = {
        { "", "", "" },
        { "show last", "show", "last" },
        { "--plain show last", "show", "last" },
        { "show --json last", "show", "last" },
        { "count_the_rows", "", "count the rows" },
        { "compute this", "", "compute|this" },
        { "-- show last", "", "show|last" },
        { "-- --plain", "", "--plain" },
        { "show -- --plain", "show", "--plain" },
        { "exec a.py --json -x", "exec", "a.py|--json|-x" }, /* behind FILE: the code's */
        { "exec --json -", "exec", "-" },
        { "exec -- -odd.py", "exec", "-odd.py" },
        { "run show it", "run", "show|it" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct parsed p;
        struct err e = ERR_INIT;
        struct buf args = BUF_INIT(1000);
        if (parse(&p, cases[i].line, &e) < 0)
            fail_msg("%s: %s", cases[i].line, e.msg);
        assert_string_equal(p.cmd->name, cases[i].command);
        for (int k = 0; k < p.opt.arg_count; k++)
            assert_int_equal(buf_addf(&args, "%s%s", k > 0 ? "|" : "", p.opt.args[k]), 0);
        assert_string_equal(buf_str(&args), cases[i].args);
        buf_release(&args);
        free(p.opt.args);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } cases[] = {
        { "--nosuchthing", "unknown option --nosuchthing; see airlock --help" },
        { "--plian", "unknown option --plian (did you mean --plain?)" },
        { "--jsn", "(did you mean --json?)" },
        { "--from1 2", "(did you mean --from?)" },
        { "--to x", "unknown option --to; see" }, /* not "--by" */
        { "-x", "unknown option -x; see" },
        { "--plain=yes", "--plain takes no value" },
        { "-qx", "unknown option -qx; see" },
        { "-qs", "--sandbox needs NAME[:IMAGE]" },
        { "--data", "--data needs DIR" },
        { "show -s", "--sandbox needs NAME[:IMAGE]" },
        { "sesions",
          "no command 'sesions': did you mean 'sessions'? (airlock -- sesions makes it" },
        { "show --lease runs=1", "--lease does not go with 'show'" },
        { "--force", "--force does not go with 'the screen'" },
        { "verify --policy x", "--policy does not go with 'verify'" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct parsed p;
        struct err e = ERR_INIT;
        assert_int_equal(parse(&p, cases[i].line, &e), -1);
        if (e.code != ERR_USAGE || strstr(e.msg, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].line, e.msg);
        free(p.opt.args);
    }
}

/* Which field an option fills; exactly one for each. */
static const void *const *text_of(const struct options *o, enum option_id id)
{
    const char *const *field[OPT_COUNT] = {
        [OPT_PLANNER] = &o->planner, [OPT_SANDBOX] = &o->sandbox,  [OPT_BUDGET] = &o->budget,
        [OPT_DATA] = &o->data,       [OPT_CONFIG] = &o->config,    [OPT_LEASE] = &o->lease,
        [OPT_POLICY] = &o->policy,   [OPT_EXPECT] = &o->expect,    [OPT_LANGUAGE] = &o->language,
        [OPT_THEME] = &o->theme,     [OPT_WHAT] = &o->what,        [OPT_BY] = &o->by,
        [OPT_MASK] = &o->mask,       [OPT_RUNS] = &o->runs,        [OPT_ON] = &o->on,
        [OPT_JOBS] = &o->jobs,       [OPT_SPEED] = &o->speed,      [OPT_IDLE_CAP] = &o->idle_cap,
        [OPT_FROM] = &o->from,       [OPT_SIZE] = &o->size,        [OPT_FRAMES] = &o->frames,
        [OPT_FORMAT] = &o->format,   [OPT_OUTPUT] = &o->output,    [OPT_VAR] = &o->var,
        [OPT_INTO] = &o->into,       [OPT_CONTRACT] = o->contract,
    };
    return (const void *const *)field[id];
}

static const bool *flag_of(const struct parsed *p, enum option_id id)
{
    const struct options *o = &p->opt;
    const bool *field[OPT_COUNT] = {
        [OPT_PLAIN] = &o->plain,
        [OPT_JSON] = &o->json,
        [OPT_NO_COLOR] = &o->no_color,
        [OPT_QUIET] = &o->quiet,
        [OPT_VERBOSE] = &o->verbose,
        [OPT_VERSION] = &p->want_version,
        [OPT_HELP] = &p->want_help,
        [OPT_ALL] = &o->all,
        [OPT_WHAT_IF] = &o->what_if,
        [OPT_WORD] = &o->word,
        [OPT_RAW] = &o->raw,
        [OPT_SIDE_BY_SIDE] = &o->side_by_side,
        [OPT_FORCE] = &o->force,
        [OPT_HIDE_DECISIONS] = &o->hide_decisions,
        [OPT_ARTIFACTS] = &o->artifacts,
    };
    return field[id];
}

static const struct command *command_with(enum option_id id)
{
    size_t count;
    const struct command *c = command_table(&count);
    for (size_t i = 0; i < count; i++) {
        if ((c[i].options & 1ul << id) != 0)
            return &c[i];
    }
    return &c[0]; /* goes everywhere */
}

static void expect_taken(const struct option_spec *o, const char *line)
{
    struct parsed p;
    struct err e = ERR_INIT;
    if (parse(&p, line, &e) < 0)
        fail_msg("%s: %s", line, e.msg);
    for (enum option_id id = 0; id < OPT_COUNT; id++) {
        const void *const *text = text_of(&p.opt, id);
        const bool *flag = flag_of(&p, id);
        assert_true((text != NULL) != (flag != NULL));
        if (text != NULL && o->id == id)
            assert_string_equal((const char *)*text, "V");
        else if (text != NULL)
            assert_null(*text);
        else
            assert_int_equal(*flag, o->id == id);
    }
    assert_int_equal(p.opt.contract_count, o->id == OPT_CONTRACT);
    free(p.opt.args);
}

/* Every option of the table, in each way to write it, fills its own field and no other. */
static void test_every_option(void **state)
{
    (void)state;
    size_t count;
    const struct option_spec *o = option_table(&count);
    assert_int_equal(count, OPT_COUNT);
    for (size_t i = 0; i < count; i++) {
        const char *command = command_with(o[i].id)->name;
        char line[200];
        const char *const ways[][2] = { { " --", " V" }, { " --", "=V" } };
        for (size_t k = 0; k < (o[i].takes != NULL ? 2 : 1); k++) {
            snprintf(line, sizeof line, "%s%s%s%s", command, ways[k][0] + (command[0] == '\0'),
                     o[i].name, o[i].takes != NULL ? ways[k][1] : "");
            expect_taken(&o[i], line);
        }
        if (o[i].letter == 0)
            continue;
        for (size_t k = 0; k < (o[i].takes != NULL ? 2 : 1); k++) {
            snprintf(line, sizeof line, "%s%s%c%s", command, command[0] != '\0' ? " -" : "-",
                     o[i].letter,
                     o[i].takes == NULL ? ""
                     : k == 0           ? " V"
                                        : "V");
            expect_taken(&o[i], line);
        }
    }
}

static void test_contract_repeats(void **state)
{
    (void)state;
    struct parsed p;
    struct err e = ERR_INIT;
    struct buf line = BUF_INIT(4000);
    for (int i = 0; i < 64; i++)
        assert_int_equal(buf_addf(&line, "%s-c pids=%d", i > 0 ? " " : "", i), 0);
    assert_int_equal(parse(&p, line.ptr, &e), 0);
    assert_int_equal(p.opt.contract_count, 64);
    assert_string_equal(p.opt.contract[63], "pids=63");
    free(p.opt.args);
    assert_int_equal(buf_add_str(&line, " -c pids=64"), 0);
    assert_int_equal(parse(&p, line.ptr, &e), -1);
    assert_non_null(strstr(e.msg, "more than 64 --contract"));
    free(p.opt.args);
    buf_release(&line);
}

static void test_lease(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t runs, minutes; /* 0 0: refused */
    } cases[] = {
        { "runs=1", 1, 0 },
        { "runs=10000,minutes=1440", 10000, 1440 },
        { "minutes=5,runs=7", 7, 5 },
        { "runs=7,", 7, 0 },
        { "", 0, 0 },
        { ",runs=7", 0, 0 },
        { "minutes=5", 0, 0 },
        { "runs=", 0, 0 },
        { "runs=0", 0, 0 },
        { "runs=10001", 0, 0 },
        { "runs=1000000", 0, 0 },
        { "runs=-1", 0, 0 },
        { "runs=1x", 0, 0 },
        { "runs=1/2", 0, 0 },
        { "runs=5,minutes=", 0, 0 },
        { "runs=5,minutes=1441", 0, 0 },
        { "runs=5 minutes=2", 0, 0 },
        { "Runs=5", 0, 0 },
        { "runs5", 0, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t runs, minutes;
        struct err e = ERR_INIT;
        int rc = options_parse_lease(cases[i].text, &runs, &minutes, &e);
        if (rc != (cases[i].runs > 0 ? 0 : -1))
            fail_msg("'%s': %d", cases[i].text, rc);
        if (rc < 0) {
            assert_int_equal(e.code, ERR_USAGE);
            assert_non_null(strstr(e.msg, "runs=N"));
            continue;
        }
        assert_int_equal(runs, cases[i].runs);
        assert_int_equal(minutes, cases[i].minutes);
    }
}

static void test_runs(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t first, last; /* 0 0: refused */
    } cases[] = {
        { NULL, 1, UINT32_MAX },
        { "3", 3, 3 },
        { "2-5", 2, 5 },
        { "5-5", 5, 5 },
        { "4-", 4, UINT32_MAX },
        { "4294967295", UINT32_MAX, UINT32_MAX },
        { "", 0, 0 },
        { "-", 0, 0 },
        { "-3", 0, 0 },
        { "0", 0, 0 },
        { "0-3", 0, 0 },
        { "5-4", 0, 0 },
        { "3x", 0, 0 },
        { "3-x", 0, 0 },
        { "3-5x", 0, 0 },
        { " 3", 0, 0 },
        { "+3", 0, 0 },
        { "3- 5", 0, 0 },
        { "3-+5", 0, 0 },
        { "3--5", 0, 0 },
        { "4294967296", 0, 0 },
        { "1-4294967296", 0, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint32_t first, last;
        struct err e = ERR_INIT;
        int rc = options_parse_runs(cases[i].text, &first, &last, &e);
        if (rc != (cases[i].first > 0 ? 0 : -1))
            fail_msg("'%s': %d", cases[i].text != NULL ? cases[i].text : "(null)", rc);
        if (rc < 0) {
            assert_int_equal(e.code, ERR_USAGE);
            continue;
        }
        assert_int_equal(first, cases[i].first);
        assert_int_equal(last, cases[i].last);
    }
}

static void test_distance(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        unsigned want;
    } cases[] = {
        { "", "", 0 },
        { "show", "show", 0 },
        { "show", "shwo", 1 },
        { "show", "sho", 1 },
        { "sho", "show", 1 },
        { "show", "snow", 1 },
        { "show", "sonw", 2 },
        { "abc", "xyz", 3 },
        { "", "abcdef", 3 },
        { "a2345678901234567890123456789012", "a2345678901234567890123456789012", 0 },
        { "a23456789012345678901234567890123", "a23456789012345678901234567890123",
          3 }, /* too long */
        { "a", "a23456789012345678901234567890123", 3 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(word_distance(cases[i].a, cases[i].b), cases[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_every_option), cmocka_unit_test(test_contract_repeats),
        cmocka_unit_test(test_lease),        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
