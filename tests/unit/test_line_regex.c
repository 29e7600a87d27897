/* test_line_regex.c - the matcher against tables, against the C library, and against patterns made
 * to hang it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <regex.h>
#include <cmocka.h>
#include "base/line_regex.h"

#define NO_LIMIT INT64_C(3600000000)

static enum line_regex_result find(const char *pattern, const char *text, size_t len)
{
    struct line_regex *re = NULL;
    struct err e = ERR_INIT;
    if (line_regex_new(&re, pattern, &e) < 0)
        fail_msg("%s: %s", pattern, e.msg);
    enum line_regex_result r = line_regex_find(re, text, len, NO_LIMIT);
    line_regex_free(re);
    return r;
}

static void patterns_match_what_they_say(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *yes, *no; /* NULL: nothing to show */
    } rows[] = {
        { "", "", NULL },
        { "abc", "xxabcxx", "ab\nc" },
        { "(){2}$", "", NULL },
        { "^abc$", "x\nabc\ny", "xabc" },
        { "a.c", "abc", "a\nc" },
        { "a.c", "a\303\274c", "a\303\274\303\274c" },
        { "a.c", "a\377c", "a\377\377c" },
        { "a\303\274+b", "a\303\274\303\274b", "ab" },
        { "[a-c]x", "bx", "dx" },
        { "[^a-c]x", "dx", "ax" },
        { "[^a]", "\377", "a" },
        { "[]x]y", "]y", "ay" },
        { "[^]x]y", "ay", "]y" },
        { "[a-]b", "-b", "bb" },
        { "[[:digit:][:upper:]]{2}", "A7", "a7" },
        { "[\\d.]+$", "3.14", "3,x" },
        { "[^\\s]", "x", " " },
        { "[\\D]", "x", "7" },
        { "[\\]]", "]", "\\" },
        { "[\303\240-\303\277]", "\303\251", "e" },
        { "^\\d+\\s\\w+$", "12 ab_1", "12  ab" },
        { "\\D\\W\\S", "a-b", "1-b" },
        { "\\bcat\\b", "a cat.", "concat" },
        { "\\Bcat", "concat", "a cat" },
        { "\\.\\*\\(\\[", ".*([", "x*([" },
        { "a\\tb", "a\tb", "atb" },
        { "(ab)+c", "ababc", "ac" },
        { "(?:ab|cd)e", "cde", "abd" },
        { "a|b|", "zzz", NULL },
        { "^(a|b|cd)$", "cd", "c" },
        { "^a{3}$", "aaa", "aaaa" },
        { "^a{2,}$", "aaaa", "a" },
        { "^a{,2}$", "", "aaa" },
        { "^a{2,3}$", "aaa", "aaaa" },
        { "^(a{2}){2}$", "aaaa", "aaa" },
        { "^a{0}b$", "b", "ab" },
        { "^(ab?){1,2}$", "aba", "abb" },
        { "a{x", "a{x", "ax" },
        { "a{,}", "a{,}", "a" },
        { "{", "{", "}" },
        { "^.*?x.+?$", "axb", "ax" },
        { "^(a*)*$", "aaa", "b" },
        { "^()*$", "", "x" },
        { "$", "abc", NULL },
        { "^$", "a\n\nb", "a\nb\n" },
        { "x$|^y", "ax\nb", "xa\nay" },
        { "a^b|ab$", "cab", "abc" },
        { "status=(2|3)[0-9][0-9]", "GET status=304", "status=404" },
        { "total: [0-9]+\\.[0-9]{2}", "total: 1234.50", "total: 12.5" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].yes != NULL &&
            find(rows[i].pattern, rows[i].yes, strlen(rows[i].yes)) != LINE_REGEX_YES)
            fail_msg("`%s` should match `%s`", rows[i].pattern, rows[i].yes);
        if (rows[i].no != NULL &&
            find(rows[i].pattern, rows[i].no, strlen(rows[i].no)) != LINE_REGEX_NO)
            fail_msg("`%s` should not match `%s`", rows[i].pattern, rows[i].no);
    }
    assert_int_equal(find("a.b", "a\0b", 3), LINE_REGEX_YES);
    assert_int_equal(find("^$", NULL, 0), LINE_REGEX_YES);
    assert_int_equal(find("^$", "\n", 1), LINE_REGEX_YES);
}

static void bad_patterns_are_told_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *says;
    } rows[] = {
        { "a(b", "a ( that is not closed at byte 3" },
        { "a)b", "a ) that closes nothing at byte 1" },
        { "[a", "a [ that is not closed" },
        { "[", "a [ that is not closed" },
        { "[[:nope:]]", "no such class" },
        { "[z-a]", "ends before it begins" },
        { "*a", "nothing to repeat at byte 0" },
        { "a|*", "nothing to repeat" },
        { "(+)", "nothing to repeat" },
        { "a\\", "a backslash at the end" },
        { "(a)\\1", "back-references" },
        { "\\z", "an escape that is not offered" },
        { "(?i)a", "only (?: is offered" },
        { "(?=a)", "only (?: is offered" },
        { "a{3,2}", "can't be" },
        { "a{1001}", "can't be" },
        { "a{99999999999}", "can't be" },
        { "(a{100}){100}", "too large" },
        { "((((a{9}){9}){9}){9}){9}", "too large" },
        { "a\377", "invalid UTF-8" },
    };
    struct line_regex *re = NULL;
    struct err e = ERR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(line_regex_new(&re, rows[i].pattern, &e), -1);
        assert_int_equal(e.code, ERR_FORMAT);
        if (strstr(e.msg, rows[i].says) == NULL)
            fail_msg("`%s` said: %s", rows[i].pattern, e.msg);
    }
    char deep[LINE_REGEX_PATTERN_MAX + 2];
    memset(deep, '(', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    assert_int_equal(line_regex_new(&re, deep, &e), -1);
    deep[500] = '\0';
    assert_int_equal(line_regex_new(&re, deep, &e), -1);
    memset(deep, '|', 500);
    assert_int_equal(line_regex_new(&re, deep, &e), -1);
    assert_null(re);
}

/* ---- against the C library, on what both offer ---- */

static uint64_t seed = 5;
static size_t pick(size_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(seed >> 33) % below;
}

static void random_pattern(struct buf *b, int depth)
{
    static const char *const atoms[] = { "a",    "b",     "c",           ".",  "[ab]",
                                         "[^a]", "[a-c]", "[[:alpha:]]", "\\." };
    static const char *const repeats[] = { "*", "+", "?", "{2}", "{1,2}", "{0,2}", "{2,}" };
    size_t parts = 1 + pick(3);
    for (size_t i = 0; i < parts; i++) {
        if (i > 0 && pick(4) == 0)
            buf_add_str(b, "|");
        if (depth > 0 && pick(3) == 0) {
            buf_add_str(b, "(");
            random_pattern(b, depth - 1);
            buf_add_str(b, ")");
        } else {
            buf_add_str(b, atoms[pick(ARRAY_LEN(atoms))]);
        }
        if (pick(3) == 0)
            buf_add_str(b, repeats[pick(ARRAY_LEN(repeats))]);
    }
}

static void agrees_with_the_c_library(void **state)
{
    (void)state;
    struct buf pattern = BUF_INIT(4096);
    size_t yes = 0, no = 0;
    for (int round = 0; round < 20000; round++) {
        regex_t theirs;
        struct line_regex *ours = NULL;
        struct err e = ERR_INIT;
        buf_reset(&pattern);
        if (pick(4) == 0)
            buf_add_str(&pattern, "^");
        random_pattern(&pattern, 3);
        if (pick(4) == 0)
            buf_add_str(&pattern, "$");
        if (regcomp(&theirs, pattern.ptr, REG_EXTENDED | REG_NOSUB) != 0)
            continue;
        if (line_regex_new(&ours, pattern.ptr, &e) < 0)
            fail_msg("%s: %s", pattern.ptr, e.msg);
        for (int k = 0; k < 8; k++) {
            char text[12];
            size_t len = pick(sizeof text);
            for (size_t i = 0; i < len; i++)
                text[i] = "abcd."[pick(5)];
            text[len] = '\0';
            bool want = regexec(&theirs, text, 0, NULL, 0) == 0;
            enum line_regex_result r = line_regex_find(ours, text, len, NO_LIMIT);
            if ((r == LINE_REGEX_YES) != want)
                fail_msg("`%s` on `%s`: the C library says %d", pattern.ptr, text, want);
            *(want ? &yes : &no) += 1;
        }
        line_regex_free(ours);
        regfree(&theirs);
    }
    assert_true(yes > 10000 && no > 10000);
    buf_release(&pattern);
}

/* ---- hostile ---- */

static void bad_patterns_end_within_their_budget(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "(a|b)*a(a|b){20}$",        "(a+)+$c",          "(a*)*(b*)*$c",
        "((a?){50}){20}b{9}$",      "[ab]*a[ab]{400}$", "(x+x+)+y",
        "(.*)(.*)(.*)(.*)(.*)[^ab]"
    };
    const size_t len = (size_t)8 << 20;
    char *text = xmalloc(len);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + pick(2)); /* one line */
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        struct line_regex *re = NULL;
        struct err e = ERR_INIT;
        assert_int_equal(line_regex_new(&re, patterns[i], &e), 0);
        (void)line_regex_find(re, text, len, 50000); /* it ends; any answer will do */
        line_regex_free(re);
    }
    struct line_regex *re = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(line_regex_new(&re, "[ab]*a[ab]{400}c", &e), 0);
    assert_int_equal(line_regex_find(re, text, len, 0), LINE_REGEX_TOO_SLOW);
    line_regex_free(re);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_what_they_say),
        cmocka_unit_test(bad_patterns_are_told_with_their_place),
        cmocka_unit_test(agrees_with_the_c_library),
        cmocka_unit_test(bad_patterns_end_within_their_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
