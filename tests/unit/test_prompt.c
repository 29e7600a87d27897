/* test_prompt.c - the line at the prompt: what Enter gives, and whether it counts as typed. [APR-8]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/buf.h"
#include "ui/prompt.h"

static char given[256];
static bool was_typed;
static int entered;

static void on_enter(void *arg, const char *line, bool typed)
{
    (void)arg;
    snprintf(given, sizeof given, "%s", line);
    was_typed = typed;
    entered++;
}

enum step_kind { END, KEYS, KEY, BURST, PASTE, COMPLETE, SET, CLEAR };
struct step {
    enum step_kind kind;
    const char *bytes;
};

static void take(const struct step *k)
{
    switch (k->kind) {
    case KEYS: /* one press for each byte */
        for (const char *p = k->bytes; *p; p++)
            prompt_feed(p, 1, false);
        break;
    case KEY: /* one press of several bytes */
        prompt_feed(k->bytes, strlen(k->bytes), false);
        break;
    case BURST:
        prompt_feed(k->bytes, strlen(k->bytes), true);
        break;
    case PASTE:
        prompt_paste(k->bytes, strlen(k->bytes));
        break;
    case COMPLETE:
        prompt_complete(k->bytes, strlen(k->bytes));
        break;
    case SET:
        prompt_set(k->bytes);
        break;
    case CLEAR:
        prompt_clear();
        break;
    case END:
        break;
    }
}

static void test_what_counts_as_typed(void **state)
{
    static const struct {
        struct step steps[6];
        const char *line;
        bool typed;
    } cases[] = {
        { { { KEYS, "abc" } }, "abc", true },
        { { { KEYS, "ab" }, { KEY, "\xc3\xa4" }, { KEY, "\xe5\x8c\x97" } },
          "ab\xc3\xa4\xe5\x8c\x97",
          true },
        { { { KEYS, "abx" }, { KEYS, "\x7f" }, { KEYS, "c" } }, "abc", true },
        { { { KEYS, "bc" }, { KEYS, "\x01" }, { KEYS, "a" } }, "abc", true },
        { { { KEYS, "!print(al" }, { COMPLETE, "pha" }, { KEYS, ")" } }, "!print(alpha)", true },
        { { { KEYS, "a" }, { BURST, "b" }, { KEYS, "c" } }, "abc", false },
        { { { BURST, "abc" } }, "abc", false },
        { { { PASTE, "abc" } }, "abc", false },
        { { { PASTE, "abc" }, { KEYS, "d" } }, "abcd", false },
        { { { PASTE, "" }, { KEYS, "ab" } }, "ab", true }, /* nothing was pasted */
        { { { PASTE, "a\tb\r\nc\rd\ne\x1b[31m\x7f" } }, "a b c d e[31m", false },
        { { { SET, "abc" } }, "abc", false },
        { { { SET, "abc" }, { KEYS, "d" } }, "abcd", false },
        { { { SET, "" }, { KEYS, "ab" } }, "ab", true },
        { { { PASTE, "abc" }, { CLEAR, "" }, { KEYS, "de" } }, "de", true },
        { { { PASTE, "abc" }, { KEYS, "\x15" }, { KEYS, "de" } }, "de", true }, /* ^U: all gone */
        { { { KEYS, "abc" }, { KEYS, "\x15" }, { KEYS, "\x19" } }, "abc", false }, /* a yank */
        { { { KEYS, "\x10" } }, "from the history", false },
        { { { KEYS, "x" }, { KEYS, "\x10" } }, "from the history", false },
        { { { KEYS, "abc" }, { KEY, "\x1b[D" }, { KEYS, "X" } },
          "abXc",
          false }, /* it could be a recall */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        prompt_open(NULL, on_enter, NULL);
        prompt_remember("from the history");
        prompt_feed("\r", 1, false); /* it is there from the next line on */
        int before = entered;
        for (const struct step *k = cases[i].steps; k->kind != END; k++)
            take(k);
        prompt_feed("\r", 1, false);
        if (entered != before + 1)
            fail_msg("case %zu: Enter gave nothing", i);
        if (strcmp(given, cases[i].line) != 0 || was_typed != cases[i].typed)
            fail_msg("case %zu: \"%s\" %s", i, given, was_typed ? "typed" : "not typed");
        /* the next line begins anew */
        prompt_feed("z", 1, false);
        prompt_feed("\r", 1, false);
        assert_string_equal(given, "z");
        assert_true(was_typed);
        prompt_close();
    }
}

/* A paste never submits, and never ends what stands there. */
static void test_a_paste_stays_at_the_prompt(void **state)
{
    size_t len, cursor;
    (void)state;
    prompt_open(NULL, on_enter, NULL);
    int before = entered;
    prompt_feed("ac", 2, true);
    prompt_feed("\x1b[D", 3, false);
    prompt_paste("one\ntwo\n", 8);
    assert_string_equal(prompt_line(&len, &cursor), "aone two c");
    assert_int_equal(len, 10);
    assert_int_equal(cursor, 9);
    assert_int_equal(entered, before);
    prompt_clear();
    assert_string_equal(prompt_line(NULL, NULL), "");
    prompt_close();
}

static void test_the_history_is_a_file(void **state)
{
    char path[] = "/tmp/airlock-prompt-XXXXXX";
    int fd = mkstemp(path);
    char text[128] = "";
    (void)state;
    assert_true(fd >= 0);
    close(fd);
    prompt_open(path, on_enter, NULL);
    prompt_remember("first");
    prompt_remember("second");
    prompt_remember("second"); /* once is enough */
    prompt_remember("");
    prompt_close();
    prompt_close(); /* closed is closed */
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, sizeof text - 1, f) > 0);
    fclose(f);
    assert_string_equal(text, "first\nsecond\n");
    prompt_open(path, on_enter, NULL);
    prompt_feed("\x10", 1, false);
    prompt_feed("\x10", 1, false);
    assert_string_equal(prompt_line(NULL, NULL), "first");
    prompt_close();
    unlink(path);
    prompt_open("/nonexistent/history", on_enter, NULL); /* that is no history */
    prompt_feed("\x10", 1, false);
    assert_string_equal(prompt_line(NULL, NULL), "");
    prompt_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_counts_as_typed),
        cmocka_unit_test(test_a_paste_stays_at_the_prompt),
        cmocka_unit_test(test_the_history_is_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
