/* test_diff.c - the diff makes B of A, is minimal where it says so, and marks words. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/diff.h"
#include "base/path.h"

static size_t line_len(const char *p, size_t len)
{
    const char *lf = memchr(p, '\n', len);
    return lf != NULL ? (size_t)(lf - p) + 1 : len;
}

static void diff(struct diff *d, const char *a, size_t a_len, const char *b, size_t b_len)
{
    struct err e = ERR_INIT;
    if (diff_lines(d, a, a_len, b, b_len, &e) < 0)
        fail_msg("%s", e.msg);
}

/* Walks the runs over both texts: they must be adjacent and in order, SAME lines equal, and all
 * lines of both accounted for. That is: B comes from A by them. */
static void check_applies(const struct diff *d, const char *a, size_t a_len, const char *b,
                          size_t b_len)
{
    size_t at_a = 0, at_b = 0, i = 0, j = 0, added = 0, deleted = 0;
    for (size_t r = 0; r < d->count; r++) {
        const struct diff_run *run = &d->runs[r];
        assert_int_equal(run->a, i);
        assert_int_equal(run->b, j);
        assert_true(run->count > 0);
        assert_true(r == 0 || run->op != run[-1].op);
        assert_false(r > 0 && run->op == DIFF_DEL && run[-1].op == DIFF_ADD);
        for (size_t k = 0; k < run->count; k++) {
            size_t in_a = run->op != DIFF_ADD ? line_len(a + at_a, a_len - at_a) : 0;
            size_t in_b = run->op != DIFF_DEL ? line_len(b + at_b, b_len - at_b) : 0;
            assert_true(in_a != 0 || in_b != 0);
            if (run->op == DIFF_SAME) {
                assert_int_equal(in_a, in_b);
                assert_memory_equal(a + at_a, b + at_b, in_a);
            }
            at_a += in_a;
            at_b += in_b;
        }
        i += run->op != DIFF_ADD ? run->count : 0;
        j += run->op != DIFF_DEL ? run->count : 0;
        deleted += run->op == DIFF_DEL ? run->count : 0;
        added += run->op == DIFF_ADD ? run->count : 0;
    }
    assert_int_equal(at_a, a_len);
    assert_int_equal(at_b, b_len);
    assert_int_equal(d->a_lines, i);
    assert_int_equal(d->b_lines, j);
    assert_int_equal(d->added, added);
    assert_int_equal(d->deleted, deleted);
}

static void test_examples(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b, *want; /* op letter and count for each run */
    } cases[] = {
        { "", "", "" },
        { "a\n", "a\n", "=1" },
        { "a", "a", "=1" },
        { "a", "a\n", "-1+1" },
        { "", "a", "+1" },
        { "a\nb\n", "", "-2" },
        { "\n\n\n", "\n\n", "=2-1" },
        { "a\nb\nc\n", "a\nx\nc\n", "=1-1+1=1" },
        { "a\nb\nc\n", "b\nc\nd\n", "-1=2+1" },
        { "a\nb\nc", "a\nb\nc\n", "=2-1+1" },
        { "x\na\nb\n", "y\na\nb\n", "-1+1=2" },
        { "ab\n", "b\n", "-1+1" },
        { "b\n", "ab\n", "-1+1" },
        { "1\n2\n3\n4\n", "2\n1\n4\n3\n", NULL },
        { "a\r\n", "a\n", "-1+1" },
        { "a\n\xff\n", "a\n\xfe\n", "=1-1+1" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct diff d;
        struct buf got = BUF_INIT(1000);
        diff(&d, cases[i].a, strlen(cases[i].a), cases[i].b, strlen(cases[i].b));
        check_applies(&d, cases[i].a, strlen(cases[i].a), cases[i].b, strlen(cases[i].b));
        assert_false(d.capped);
        for (size_t r = 0; r < d.count; r++)
            buf_addf(&got, "%c%zu", "=-+"[d.runs[r].op], d.runs[r].count);
        if (cases[i].want != NULL)
            assert_string_equal(buf_str(&got), cases[i].want);
        buf_release(&got);
        diff_release(&d);
        diff_release(&d);
    }
    diff_release(NULL);
}

/* Of the equally short diffs the one that a person would draw. */
static void test_reads_well(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        enum diff_op op;
        size_t at, count;
    } cases[] = {
        { "/**\n * bar\n */\nbar();\n", "/**\n * foo\n */\nfoo();\n/**\n * bar\n */\nbar();\n",
          DIFF_ADD, 0, 4 },
        { "x\n\n/**\n * bar\n", "x\n\n/**\n * foo\n */\n/**\n * bar\n", DIFF_ADD, 2, 3 },
        { "a {\n  x\n}\n\nc {\n  x\n}\n", "a {\n  x\n}\n\nb {\n  x\n}\n\nc {\n  x\n}\n", DIFF_ADD,
          4, 4 },
        { "a {\n  x\n}\n\nb {\n  x\n}\n\nc {\n  x\n}\n", "a {\n  x\n}\n\nc {\n  x\n}\n", DIFF_DEL,
          4, 4 },
        { "if x:\n\tfoo()\nbar()\n", "if x:\n\tfoo()\nif y:\n\tfoo()\nbar()\n", DIFF_ADD, 2, 2 },
        { "a\n  b\nc\n", "a\n  b\n\n  b\nc\n", DIFF_ADD, 2, 2 },
        { "1\n1\n1\n", "1\n1\n1\n1\n", DIFF_ADD, 3, 1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct diff d;
        const struct diff_run *run = NULL;
        diff(&d, cases[i].a, strlen(cases[i].a), cases[i].b, strlen(cases[i].b));
        check_applies(&d, cases[i].a, strlen(cases[i].a), cases[i].b, strlen(cases[i].b));
        for (size_t r = 0; r < d.count; r++)
            run = d.runs[r].op == cases[i].op ? &d.runs[r] : run;
        assert_non_null(run);
        if ((run->op == DIFF_ADD ? run->b : run->a) != cases[i].at || run->count != cases[i].count)
            fail_msg("case %zu: %zu lines at %zu", i, run->count,
                     run->op == DIFF_ADD ? run->b : run->a);
        diff_release(&d);
    }
}

static void test_nul_bytes(void **state)
{
    (void)state;
    struct diff d;
    diff(&d, "a\0b\nc\n", 6, "a\0x\nc\n", 6);
    check_applies(&d, "a\0b\nc\n", 6, "a\0x\nc\n", 6);
    assert_int_equal(d.added, 1);
    diff_release(&d);
}

static void test_too_large(void **state)
{
    (void)state;
    struct diff d;
    struct err e = ERR_INIT;
    assert_int_equal(diff_lines(&d, "a", (size_t)1 << 32, "b", 1, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
}

/* Lines in common at best, by the plain quadratic table. */
static size_t best_common(const char *a, size_t n, const char *b, size_t m)
{
    size_t t[40][40] = { { 0 } };
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < m; j++) {
            size_t best = t[i][j + 1] > t[i + 1][j] ? t[i][j + 1] : t[i + 1][j];
            t[i + 1][j + 1] = a[i] == b[j] ? t[i][j] + 1 : best;
        }
    }
    return t[n][m];
}

/* n lines of one letter each; `letters` also without the LF. */
static size_t random_lines(char *text, char *letters, unsigned *seed, size_t max, int kinds)
{
    size_t n = (size_t)rand_r(seed) % (max + 1);
    for (size_t i = 0; i < n; i++) {
        letters[i] = (char)('a' + rand_r(seed) % kinds);
        text[2 * i] = letters[i];
        text[2 * i + 1] = '\n';
    }
    return n;
}

static void test_minimal(void **state)
{
    (void)state;
    unsigned seed = 5;
    for (int round = 0; round < 40000; round++) {
        char a[80], b[80], la[40], lb[40];
        int kinds = 1 + round % 12;
        size_t n = random_lines(a, la, &seed, 5 + (size_t)round % 34, kinds);
        size_t m = random_lines(b, lb, &seed, 5 + (size_t)round % 34, kinds);
        struct diff d;
        diff(&d, a, 2 * n, b, 2 * m);
        check_applies(&d, a, 2 * n, b, 2 * m);
        assert_false(d.capped);
        assert_int_equal(d.deleted, n - best_common(la, n, lb, m));
        diff_release(&d);
    }
}

/* Texts with edits, sometimes without a last LF, sometimes long enough for resync and caps. */
static void mutate(struct buf *to, const char *from, size_t len, unsigned *seed, unsigned one_in,
                   int kinds)
{
    for (size_t at = 0; at < len;) {
        size_t n = line_len(from + at, len - at);
        unsigned what = (unsigned)rand_r(seed) % one_in;
        if (what != 0 && what != 1)
            buf_add(to, from + at, n);
        if (what <= 2 && what >= 1)
            buf_addf(to, "line %d\n", rand_r(seed) % kinds);
        at += n;
    }
    if (to->len > 0 && rand_r(seed) % 3 == 0)
        buf_truncate(to, to->len - 1);
}

static void test_long_texts(void **state)
{
    (void)state;
    static const struct {
        int lines, kinds;
        unsigned one_in;
    } cases[] = { { 300, 20, 5 },         { 3000, 1 << 30, 20 }, { 6000, 3, 4 },
                  { 20000, 1 << 30, 50 }, { 20000, 300, 10 },    { 30000, 2, 3 },
                  { 9000, 5, 100 },       { 4000, 4000, 3 } };
    unsigned seed = 6;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf a = BUF_INIT(8 << 20), b = BUF_INIT(8 << 20);
        struct diff d;
        for (int k = 0; k < cases[i].lines; k++)
            buf_addf(&a, "line %d\n", rand_r(&seed) % cases[i].kinds);
        mutate(&b, a.ptr, a.len, &seed, cases[i].one_in, cases[i].kinds);
        diff(&d, a.ptr, a.len, b.ptr, b.len);
        check_applies(&d, a.ptr, a.len, b.ptr, b.len);
        diff_release(&d);
        buf_release(&a);
        buf_release(&b);
    }
}

/* Two long texts of two kinds of line in random order: no exact answer in bounded time. */
static void test_capped(void **state)
{
    (void)state;
    unsigned seed = 7;
    struct buf a = BUF_INIT(8 << 20), b = BUF_INIT(8 << 20);
    struct diff d;
    for (int i = 0; i < 60000; i++) {
        buf_addf(&a, "%d\n", rand_r(&seed) % 50);
        buf_addf(&b, "%d\n", rand_r(&seed) % 50);
    }
    diff(&d, a.ptr, a.len, b.ptr, b.len);
    check_applies(&d, a.ptr, a.len, b.ptr, b.len);
    assert_true(d.capped);
    assert_true(d.deleted < 60000); /* and still not given up as wholly changed */
    diff_release(&d);
    buf_release(&a);
    buf_release(&b);
}

/* ---- against git ---- */

static char dir[200];

static int make_dir(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/airlock-diff-XXXXXX", tmp != NULL ? tmp : "/tmp");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *f)
{
    (void)st, (void)kind, (void)f;
    return remove(path);
}

static int remove_dir(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* "added<TAB>deleted<TAB>..." of `git diff --numstat --minimal`; false when there is no git. */
static bool git_numstat(const struct buf *a, const struct buf *b, size_t *added, size_t *deleted)
{
    struct err e = ERR_INIT;
    char *a_path = path_join(dir, "a"), *b_path = path_join(dir, "b");
    assert_int_equal(path_write_file(a_path, a->ptr, a->len, &e), 0);
    assert_int_equal(path_write_file(b_path, b->ptr, b->len, &e), 0);
    int fds[2], status;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], 1);
        execlp("git", "git", "diff", "--no-index", "--numstat", "--minimal", "--", a_path, b_path,
               (char *)NULL);
        _exit(errno == ENOENT ? 99 : 98);
    }
    close(fds[1]);
    struct buf out = BUF_INIT(1000);
    assert_int_equal(path_read_fd(fds[0], &out, &e), 0);
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    bool there = WIFEXITED(status) && WEXITSTATUS(status) != 99;
    char *end = NULL;
    *added = there ? strtoul(buf_str(&out), &end, 10) : 0;
    *deleted = there && end != NULL ? strtoul(end, NULL, 10) : 0;
    buf_release(&out);
    free(a_path);
    free(b_path);
    return there;
}

static void test_as_git(void **state)
{
    (void)state;
    static const struct {
        int lines, kinds;
        unsigned one_in;
    } cases[] = { { 50, 10, 4 },  { 800, 1 << 30, 30 },    { 1500, 100, 10 },
                  { 1800, 3, 3 }, { 20000, 1 << 30, 100 }, { 30000, 1 << 30, 5 } };
    unsigned seed = 8;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf a = BUF_INIT(8 << 20), b = BUF_INIT(8 << 20);
        struct diff d;
        size_t added, deleted;
        for (int k = 0; k < cases[i].lines; k++)
            buf_addf(&a, "line %d\n", rand_r(&seed) % cases[i].kinds);
        mutate(&b, a.ptr, a.len, &seed, cases[i].one_in, cases[i].kinds);
        bool there = git_numstat(&a, &b, &added, &deleted);
        if (there) {
            diff(&d, a.ptr, a.len, b.ptr, b.len);
            assert_int_equal(d.added, added);
            assert_int_equal(d.deleted, deleted);
            diff_release(&d);
        }
        buf_release(&a);
        buf_release(&b);
        if (!there) {
            print_message("SKIPPED LOUDLY: no git to compare with\n");
            skip();
        }
    }
}

/* Real texts: files of this tree that resemble each other more or less. What is found is right, and
 * hardly longer than what git finds. */
static void test_corpus(void **state)
{
    static const char *const pairs[][2] = {
        { "providers/planners/anthropic.c", "providers/planners/openai.c" },
        { "providers/planners/anthropic_stream.c", "providers/planners/openai_stream.c" },
        { "src/tool/lex_python.c", "src/tool/lex_javascript.c" },
        { "src/tool/state_run.c", "src/tool/state_output.c" },
        { "ui/view_output.c", "ui/view_lines.c" },
        { "src/base/diff.c", "src/base/seqdiff.c" },
        { "tests/golden/screens/help-120x36.txt", "tests/golden/screens/help-80x24.txt" },
        { "tests/golden/screens/help-120x36.txt", "tests/golden/screens/help-200x60.txt" },
        { "share/man/airlock.1", "README.md" },
    };
    (void)state;
    size_t compared = 0;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct buf a = BUF_INIT(8 << 20), b = BUF_INIT(8 << 20);
        struct err e = ERR_INIT;
        struct diff d;
        size_t added, deleted;
        if (path_read_file(pairs[i][0], &a, &e) < 0 || path_read_file(pairs[i][1], &b, &e) < 0)
            fail_msg("%s: %s", pairs[i][0], e.msg);
        diff(&d, a.ptr, a.len, b.ptr, b.len);
        check_applies(&d, a.ptr, a.len, b.ptr, b.len);
        if (git_numstat(&a, &b, &added, &deleted)) {
            compared++;
            if ((d.added + d.deleted) * 100 > (added + deleted) * 105)
                fail_msg("%s: %zu lines, git has %zu", pairs[i][0], d.added + d.deleted,
                         added + deleted);
        }
        diff_release(&d);
        buf_release(&a);
        buf_release(&b);
    }
    if (compared == 0) {
        print_message("SKIPPED LOUDLY: no git to compare with\n");
        skip();
    }
}

/* ---- words ---- */

static void check_marks(const char *a, size_t a_len, const char *b, size_t b_len,
                        const char *want_a, const char *want_b)
{
    const struct {
        const char *p;
        size_t len;
        const char *want;
    } sides[] = { { a, a_len, want_a }, { b, b_len, want_b } };
    struct diff_marks m;
    struct buf rest[2] = { BUF_INIT(1 << 20), BUF_INIT(1 << 20) };
    diff_words(&m, a, a_len, b, b_len);
    for (int s = 0; s < 2; s++) {
        const struct diff_span *spans = s ? m.b : m.a;
        struct buf marked = BUF_INIT(1 << 20);
        size_t at = 0;
        for (size_t i = 0; i < (s ? m.b_count : m.a_count); i++) {
            assert_true(spans[i].len > 0 && (i == 0 || spans[i].start > at));
            assert_true(spans[i].start >= at && spans[i].start + spans[i].len <= sides[s].len);
            buf_add(&rest[s], sides[s].p + at, spans[i].start - at);
            buf_addf(&marked, "[%.*s]", (int)spans[i].len, sides[s].p + spans[i].start);
            at = spans[i].start + spans[i].len;
        }
        buf_add(&rest[s], sides[s].p + at, sides[s].len - at);
        if (sides[s].want != NULL)
            assert_string_equal(buf_str(&marked), sides[s].want);
        buf_release(&marked);
    }
    assert_int_equal(rest[0].len, rest[1].len); /* what is not marked is the same */
    assert_string_equal(buf_str(&rest[0]), buf_str(&rest[1]));
    buf_release(&rest[0]);
    buf_release(&rest[1]);
    diff_marks_release(&m);
    diff_marks_release(&m);
}

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b, *want_a, *want_b;
    } cases[] = {
        { "", "", "", "" },
        { "same line", "same line", "", "" },
        { "", "new", "", "[new]" },
        { "x = foo(1, 2)", "x = bar(1, 3)", "[foo][2]", "[bar][3]" },
        { "count_a", "count_b", "[count_a]", "[count_b]" },
        { "a  b", "a b", "[  ]", "[ ]" },
        { "gr\xc3\xbc\xc3\x9f ok", "gr\xc3\xbc\xc3\xa4 ok", "[gr\xc3\xbc\xc3\x9f]",
          "[gr\xc3\xbc\xc3\xa4]" },
        { "f(x)", "f(x, y)", "", "[, y]" },
        { "alpha", "beta", "[alpha]", "[beta]" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_marks(cases[i].a, strlen(cases[i].a), cases[i].b, strlen(cases[i].b), cases[i].want_a,
                    cases[i].want_b);
    diff_marks_release(NULL);
}

static void test_random_words(void **state)
{
    (void)state;
    unsigned seed = 9;
    for (int round = 0; round < 20000; round++) {
        char text[2][60];
        size_t len[2];
        for (int s = 0; s < 2; s++) {
            len[s] = (size_t)rand_r(&seed) % sizeof text[s];
            for (size_t i = 0; i < len[s]; i++)
                text[s][i] = "ab ,\t\xc3("[rand_r(&seed) % 7];
        }
        check_marks(text[0], len[0], text[1], len[1], NULL, NULL);
    }
}

static void test_long_line(void **state)
{
    (void)state;
    unsigned seed = 10;
    struct buf a = BUF_INIT(1 << 20), b = BUF_INIT(1 << 20);
    while (a.len < 200000)
        buf_addf(&a, "%d,", rand_r(&seed) % 100);
    while (b.len < 200000)
        buf_addf(&b, "%d;", rand_r(&seed) % 100);
    check_marks(a.ptr, a.len, b.ptr, b.len, NULL, NULL);
    buf_release(&a);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),     cmocka_unit_test(test_reads_well),
        cmocka_unit_test(test_nul_bytes),    cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_minimal),      cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_capped),       cmocka_unit_test(test_as_git),
        cmocka_unit_test(test_corpus),       cmocka_unit_test(test_words),
        cmocka_unit_test(test_random_words), cmocka_unit_test(test_long_line),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
