/* fuzz_prompt.c - the prompt line under any keys: its cursor stays in the line, what is shown is
 * what Enter gives, and nothing pasted, recalled or put in by a macro counts as typed.
 *
 * Input: pairs of bytes, what and which key or text.
 */
#include <stdio.h>
#include <string.h>

#include "ui/prompt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* readline 8.2 loses the 12 bytes of a ^V that waits for its key when rl_callback_sigcleanup() ends
 * it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:_rl_callback_data_alloc\n";
}

static struct {
    char shown[4096];
    bool pasted; /* something in the line was no key press */
    size_t lines;
} now;

static void on_enter(void *arg, const char *line, bool typed)
{
    (void)arg;
    now.lines++;
    INVARIANT(strcmp(line, now.shown) == 0);
    INVARIANT(!typed || !now.pasted);
    prompt_remember(line);
}

static void look(void)
{
    size_t len, cursor;
    const char *line = prompt_line(&len, &cursor);
    INVARIANT(strlen(line) == len && cursor <= len);
    if (len == 0)
        now.pasted = false;
    snprintf(now.shown, sizeof now.shown, "%s", line);
}

static void feed(const char *key, bool fast)
{
    size_t len = strlen(key);
    if (fast && (unsigned char)key[0] >= 0x20 && key[0] != 0x7f)
        now.pasted = true;
    prompt_feed(key, len, fast);
    look();
}

static void step(uint8_t what, uint8_t how)
{
    static const char *const keys[] = { "\033[A", "\033[B", "\033[C", "\033[D", "\033[H", "\033[F",
                                        "\x7f",   "\x01",   "\x05",   "\x0b",   "\x15",   "\x17",
                                        "\x19",   "\x1f",   "\x14",   "\x10",   "\x0e",   "\x12",
                                        "\033b",  "\033f",  "\033d",  "\033y",  "\033.",  "\033u",
                                        "\033r",  "\x16",   "\r",     "\r",     "\r",     "\n",
                                        "\033<",  "\033>",  "\x07",   "\x18(",  "\x18)",  "\030e" };
    char text[3] = { (char)(' ' + how % 95), 'x', '\0' };
    switch (what % 8) {
    case 0:
    case 1:
    case 2:
        text[1] = '\0';
        feed(text, what & 8);
        break;
    case 3:
    case 4:
        feed(keys[how % ARRAY_LEN(keys)], false);
        break;
    case 5:
        now.pasted = true;
        prompt_paste(text, 2);
        break;
    case 6:
        prompt_set(how & 1 ? text : "");
        now.pasted = how & 1;
        break;
    default:
        prompt_complete(text, 1);
    }
    look();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_open; /* readline's state is one of the process */
    if (!is_open)
        prompt_open(NULL, on_enter, NULL);
    is_open = true;
    prompt_clear();
    now.pasted = false;
    look();
    for (size_t i = 0; i + 1 < size; i += 2)
        step(data[i], data[i + 1]);
    return 0;
}
