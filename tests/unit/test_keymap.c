/* test_keymap.c - the one table: no key means two things in a place, and all documents have it all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "ui/keymap.h"

static const unsigned places[] = { KEYMAP_IN_PROMPT, KEYMAP_IN_PANE, KEYMAP_IN_LIST,
                                   KEYMAP_IN_GATE,   KEYMAP_IN_HELP, KEYMAP_IN_START };

static void test_no_key_twice(void **state)
{
    size_t n;
    const struct keymap_entry *t = keymap_table(&n);
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(places); p++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = i + 1; j < n; j++) {
                if (!(t[i].where & (places[p] | KEYMAP_EVERYWHERE)) ||
                    !(t[j].where & (places[p] | KEYMAP_EVERYWHERE)) ||
                    ((t[i].where | t[j].where) & KEYMAP_ONLY_SHOWN))
                    continue;
                for (size_t a = 0; a < KEYMAP_KEYS_MAX && t[i].keys[a]; a++)
                    for (size_t b = 0; b < KEYMAP_KEYS_MAX && t[j].keys[b]; b++)
                        if (t[i].keys[a] == t[j].keys[b])
                            fail_msg("%s: %s and %s", keymap_key_name(t[i].keys[a]), t[i].name,
                                     t[j].name);
            }
}

/* In the prompt every printable key is text. [interface.md] */
static void test_typing_is_undisturbed(void **state)
{
    (void)state;
    for (uint32_t k = 0x20; k < 0x7f; k++)
        assert_null(keymap_find_key(KEYMAP_IN_PROMPT, k));
    assert_null(keymap_find_key(KEYMAP_IN_PROMPT, KEYMAP_ENTER));
    assert_null(keymap_find_key(KEYMAP_IN_PROMPT, KEYMAP_TAB));
    assert_int_equal(keymap_find_key(KEYMAP_IN_PROMPT, KEYMAP_CTRL('G'))->id, CMD_FOCUS_GATE);
    assert_int_equal(keymap_find_key(KEYMAP_IN_PROMPT, KEYMAP_ESC)->id, CMD_LEAVE_PROMPT);
}

/* The gate: Enter, y, n, digits and ^D decide nothing there. */
static void test_gate_keys(void **state)
{
    static const uint32_t harmless[] = { KEYMAP_ENTER,     'y',         'n', '0', '1', '9', 'q',
                                         KEYMAP_CTRL('D'), KEYMAP_SPACE };
    (void)state;
    assert_int_equal(keymap_find_key(KEYMAP_IN_GATE, 'a')->id, CMD_APPROVE);
    for (size_t i = 0; i < ARRAY_LEN(harmless); i++) {
        const struct keymap_entry *e = keymap_find_key(KEYMAP_IN_GATE, harmless[i]);
        if (e)
            assert_false(e->id >= CMD_APPROVE && e->id <= CMD_STOP);
    }
    assert_null(keymap_find_word("approve", 7)); /* nothing that is typed approves */
}

static void test_words(void **state)
{
    const char *names[64];
    (void)state;
    assert_int_equal(keymap_find_word("quit", 4)->id, CMD_QUIT);
    assert_int_equal(keymap_find_word("q", 1)->id, CMD_QUIT);
    assert_int_equal(keymap_find_word("lease", 5)->id, CMD_LEASE);
    assert_null(keymap_find_word("", 0));
    assert_null(keymap_find_word("re", 2)); /* several */
    assert_null(keymap_find_word("nothing", 7));
    assert_string_equal(keymap_suggest("qiut"), "quit");
    assert_string_equal(keymap_suggest("sesions"), "sessions");
    assert_null(keymap_suggest("xxxxxxxxx"));
    assert_null(keymap_suggest("a-very-long-word-that-is-longer-than-any"));
    size_t n = keymap_complete("re", names, 64);
    assert_true(n >= 4);
    for (size_t i = 0; i < n; i++)
        assert_memory_equal(names[i], "re", 2);
    assert_int_equal(keymap_complete("", names, 3), 3);
}

static void test_key_names(void **state)
{
    char names[64];
    (void)state;
    assert_string_equal(keymap_key_name(KEYMAP_CTRL('G')), "^G");
    assert_string_equal(keymap_key_name(KEYMAP_F1), "F1");
    assert_string_equal(keymap_key_name(KEYMAP_F12), "F12");
    assert_string_equal(keymap_key_name(KEYMAP_ALT | 'x'), "M-x");
    assert_string_equal(keymap_key_name(0xe4), "\u00e4");
    keymap_key_names(keymap_entry(CMD_PANE), names, sizeof names);
    assert_string_equal(names, "1-8");
    keymap_key_names(keymap_entry(CMD_UP), names, sizeof names);
    assert_string_equal(names, "Up k");
    keymap_key_names(keymap_entry(CMD_UP), names, 4);
    assert_true(strlen(names) < 4);
    for (uint32_t k = '1'; k <= '8'; k++)
        assert_int_equal(keymap_find_key(KEYMAP_IN_PANE, k)->id, CMD_PANE);
    assert_null(keymap_find_key(KEYMAP_IN_PANE, '9'));
}

/* Whatever can be done is in the help and in the man page. */
static void test_documents(void **state)
{
    struct buf help = BUF_INIT(1 << 18), man = BUF_INIT(1 << 18);
    size_t n;
    const struct keymap_entry *t = keymap_table(&n);
    (void)state;
    assert_int_equal(keymap_print_help(0, &help), 0);
    assert_int_equal(keymap_print_man(&man), 0);
    for (size_t i = 0; i < n; i++) {
        char word[80];
        assert_non_null(t[i].help);
        assert_true(t[i].help[0] != '\0');
        const char *words[] = { t[i].name, t[i].args, t[i].hint, t[i].help, t[i].man };
        for (size_t k = 0; k < ARRAY_LEN(words); k++)
            for (const char *p = words[k]; *p; p++)
                assert_in_range(*p, 0x20, 0x7e); /* printed on any terminal */
        bool key = t[i].keys[0] != 0, typed = t[i].where & KEYMAP_AS_COMMAND;
        assert_true(key || typed);
        if (typed) {
            snprintf(word, sizeof word, ":%s %s", t[i].name, t[i].args);
            assert_true(strlen(word) < 28); /* two blanks stay between it and its help */
            snprintf(word, sizeof word, ":%s", t[i].name);
            assert_non_null(strstr(buf_str(&help), word));
            assert_non_null(strstr(buf_str(&man), word));
            const struct keymap_entry *e = keymap_find_word(t[i].name, strlen(t[i].name));
            assert_non_null(e);
            assert_int_equal(e->id, t[i].id);
        }
        if (!strstr(buf_str(&help), t[i].help))
            fail_msg("the help lacks: %s", t[i].help);
    }
    for (size_t i = 0; i < help.len;) { /* fits 80 columns */
        size_t len = strcspn(help.ptr + i, "\n");
        assert_true(len <= 100);
        i += len + 1;
    }
    /* mdoc: lines that begin with a dot are macros we know */
    for (size_t i = 0; i < man.len;) {
        size_t len = strcspn(man.ptr + i, "\n");
        if (man.ptr[i] == '.')
            assert_true(
                strncmp(man.ptr + i, ".Sh ", 4) == 0 || strncmp(man.ptr + i, ".Ss ", 4) == 0 ||
                strncmp(man.ptr + i, ".It ", 4) == 0 || strncmp(man.ptr + i, ".Bl ", 4) == 0 ||
                strncmp(man.ptr + i, ".El", 3) == 0 || strncmp(man.ptr + i, ".Pp", 3) == 0);
        i += len + 1;
    }
    buf_release(&help);
    buf_release(&man);
    buf_init(&help, 100);
    assert_int_equal(keymap_print_help(0, &help), -1); /* a full buf is told */
    buf_release(&help);
}

static void test_hints(void **state)
{
    struct keymap_hint hints[64];
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(places); p++) {
        size_t n = keymap_hints(places[p], hints, ARRAY_LEN(hints));
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++)
            assert_true(hints[i].key[0] && hints[i].word[0]);
    }
    assert_int_equal(keymap_hints(KEYMAP_IN_PANE, hints, 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_key_twice), cmocka_unit_test(test_typing_is_undisturbed),
        cmocka_unit_test(test_gate_keys),    cmocka_unit_test(test_words),
        cmocka_unit_test(test_key_names),    cmocka_unit_test(test_documents),
        cmocka_unit_test(test_hints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
