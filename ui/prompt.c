/* prompt.c - readline without a terminal of its own. */
#include "ui/prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <readline/history.h>
#include <readline/readline.h>

#define HISTORY_LINES 2000
#define QUEUE_MAX     ((size_t)2 << 20)

static struct {
    struct buf queue; /* bytes for readline */
    size_t at;
    prompt_enter enter;
    void *arg;
    char *history_path;
    FILE *sink;
    struct buf shown; /* before the key */
    bool other;       /* than that was given */
    bool typed, open;
} prompt;

static int next_byte(FILE *stream)
{
    (void)stream;
    if (prompt.at >= prompt.queue.len)
        return EOF;
    return (unsigned char)prompt.queue.ptr[prompt.at++];
}

static int has_byte(void)
{
    return prompt.at < prompt.queue.len;
}

static void draw_nothing(void)
{
}

/* What Enter gives must be what was shown: after ^R on an edited line of the history readline gives
 * the line as it was before. Such a line is not taken, the one shown stays. */
static void on_line(char *line)
{
    bool typed = prompt.typed;
    if (line == NULL)
        return;
    prompt.typed = true;
    prompt.other = strcmp(line, buf_str(&prompt.shown)) != 0;
    if (!prompt.other)
        prompt.enter(prompt.arg, line, typed);
    free(line);
}

static int no_completion(int count, int key)
{
    (void)count;
    (void)key;
    return 0;
}

/* What ^X leads to are macros and programs; and a search (^R) that is fed from outside crashes in
 * readline 8.2 when the first key of a sequence comes. ESC ends a search, ^X does not. [APR-8] */
static void drop_prefix_x(void)
{
    KEYMAP_ENTRY *x = &rl_get_keymap()['X' & 0x1f];
    x->type = ISFUNC;
    x->function = NULL;
}

/* Not while a line is edited: the place in the history would be another entry's. */
static void trim_history(void)
{
    stifle_history(HISTORY_LINES);
    unstifle_history();
}

void prompt_open(const char *history_path, prompt_enter fn, void *arg)
{
    prompt.enter = fn;
    prompt.arg = arg;
    prompt.typed = prompt.open = true;
    prompt.history_path = history_path != NULL ? xstrdup(history_path) : NULL;
    prompt.sink = fopen("/dev/null", "r+");
    buf_init(&prompt.queue, QUEUE_MAX);
    buf_init(&prompt.shown, SIZE_MAX / 2);
    rl_readline_name = "airlock";
    rl_instream = prompt.sink;
    rl_outstream = prompt.sink;
    rl_catch_signals = rl_catch_sigwinch = rl_change_environment = 0;
    rl_prep_term_function = NULL;
    rl_deprep_term_function = NULL;
    rl_getc_function = next_byte;
    rl_input_available_hook = has_byte;
    rl_redisplay_function = draw_nothing;
    rl_variable_bind("bell-style", "none");
    rl_variable_bind("enable-bracketed-paste", "off");
    rl_variable_bind("input-meta", "on");
    rl_variable_bind("output-meta", "on");
    rl_variable_bind("convert-meta", "off");
    rl_callback_handler_install("", on_line);
    rl_bind_key('\t', no_completion);
    drop_prefix_x();
    if (prompt.history_path != NULL)
        read_history(prompt.history_path);
    trim_history();
    using_history(); /* from its end, also for the first line */
}

void prompt_close(void)
{
    if (!prompt.open)
        return;
    rl_callback_handler_remove();
    trim_history();
    if (prompt.history_path != NULL)
        write_history(prompt.history_path);
    clear_history();
    free(prompt.history_path);
    prompt.history_path = NULL;
    buf_release(&prompt.queue);
    buf_release(&prompt.shown);
    if (prompt.sink != NULL)
        fclose(prompt.sink);
    prompt.sink = NULL;
    prompt.open = false;
}

/* The end of a search puts the cursor where it was in a line that is longer than what it gives. */
static void keep_cursor(void)
{
    if (rl_point > rl_end)
        rl_point = rl_end;
}

/* No undo: readline 8.2 hands the undo list of a line on to entries of the history and frees it
 * twice, after ^P and Enter for one. A list that is always empty can't be freed twice. */
static void run_queue(void)
{
    while (prompt.at < prompt.queue.len) {
        rl_callback_read_char();
        rl_free_undo_list();
        keep_cursor();
    }
    buf_reset(&prompt.queue);
    prompt.at = 0;
}

void prompt_feed(const char *bytes, size_t len, bool fast)
{
    size_t before = (size_t)rl_end;
    buf_reset(&prompt.shown);
    bool control = len > 0 && ((unsigned char)bytes[0] < 0x20 || bytes[0] == 0x7f);
    if (buf_add(&prompt.shown, rl_line_buffer, before) < 0 ||
        buf_add(&prompt.queue, bytes, len) < 0)
        return;
    run_queue();
    if (prompt.other) {
        prompt.other = false;
        prompt_set(buf_str(&prompt.shown));
        return;
    }
    size_t after = (size_t)rl_end;
    /* A key that put in more than itself was a recall, a yank or a macro. */
    if (after > before && (fast || control || after - before > len))
        prompt.typed = false;
    if (control && after > 0 && after <= before && bytes[0] != 0x7f && bytes[0] != '\b' &&
        bytes[0] != '\r')
        prompt.typed = prompt.typed && bytes[0] != '\033' && bytes[0] != 0x10 && bytes[0] != 0x0e &&
                       bytes[0] != 0x12;
    if (after == 0)
        prompt.typed = true;
}

/* A search (^R) or half a sequence was about the line as it is; Enter would bring that back. */
static void end_search(void)
{
    rl_callback_sigcleanup();
    keep_cursor();
}

void prompt_paste(const char *text, size_t len)
{
    struct buf clean = BUF_INIT(QUEUE_MAX);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\r' && i + 1 < len && text[i + 1] == '\n')
            continue;
        if (c == '\n' || c == '\r' || c == '\t')
            (void)buf_add_char(&clean, ' ');
        else if (c >= 0x20 && c != 0x7f)
            (void)buf_add_char(&clean, (char)c);
    }
    if (clean.len > 0) {
        end_search();
        rl_insert_text(buf_str(&clean));
        rl_free_undo_list();
        prompt.typed = false;
    }
    buf_release(&clean);
}

void prompt_complete(const char *text, size_t len)
{
    char *copy = xmemdup(text, len);
    end_search();
    rl_insert_text(copy);
    rl_free_undo_list();
    free(copy);
}

const char *prompt_line(size_t *len, size_t *cursor)
{
    if (len != NULL)
        *len = (size_t)rl_end;
    if (cursor != NULL)
        *cursor = (size_t)rl_point;
    return rl_line_buffer != NULL ? rl_line_buffer : "";
}

void prompt_set(const char *text)
{
    end_search();
    rl_replace_line(text, 1);
    rl_point = rl_end;
    prompt.typed = text[0] == '\0';
}

void prompt_clear(void)
{
    prompt_set("");
}

void prompt_remember(const char *line)
{
    HIST_ENTRY *last = history_length > 0 ? history_get(history_base + history_length - 1) : NULL;
    if (line[0] != '\0' && (last == NULL || strcmp(last->line, line) != 0))
        add_history(line);
}

const char *prompt_library_version(void)
{
    return rl_library_version;
}
