/* screen_complete.c - Tab at the prompt: commands, models, and names the interpreter knows. */
#include "cli/screen_int.h"

#include <stdlib.h>
#include <string.h>

void screen_drop_candidates(struct screen *s)
{
    for (size_t i = 0; i < s->candidate_count; i++)
        free(s->candidates[i]);
    free(s->candidates);
    s->candidates = NULL;
    s->candidate_count = 0;
    s->completion_token++;
}

static void offer(struct screen *s, const char *const *names, size_t count)
{
    s->candidates = xcalloc(count, sizeof *s->candidates);
    for (size_t i = 0; i < count; i++)
        s->candidates[i] = xstrdup(names[i]);
    s->candidate_count = count;
}

/* Put in what all candidates agree on beyond what stands there; show them when that is nothing. */
static void complete_word(struct screen *s, size_t start, const char *const *names, size_t count)
{
    size_t len, cursor;
    const char *line = prompt_line(&len, &cursor);
    size_t have = cursor - start, common = count > 0 ? strlen(names[0]) : 0;
    for (size_t i = 1; i < count; i++) {
        size_t n = 0;
        while (n < common && names[i][n] == names[0][n])
            n++;
        common = n;
    }
    if (count == 0 || common < have || strncmp(line + start, names[0], have) != 0)
        return;
    if (common > have)
        prompt_complete(names[0] + have, common - have);
    if (count > 1)
        offer(s, names, count);
    screen_changed(s);
}

void screen_tab(struct screen *s)
{
    struct err e = ERR_INIT;
    size_t len, cursor;
    const char *line = prompt_line(&len, &cursor), *language = s->block_language, *code;
    screen_drop_candidates(s);
    if (s->use != USE_MAIN)
        return;
    if (line[0] == ':' && memchr(line, ' ', cursor) == NULL) {
        const char *names[CMD_COUNT] = { NULL };
        char *prefix = xstrndup(line + 1, cursor - 1);
        complete_word(s, 1, names, keymap_complete(prefix, names, ARRAY_LEN(names)));
        free(prefix);
        return;
    }
    if (strncmp(line, ":model ", 7) == 0 && cursor >= 7) {
        const char **names = xreallocarray(NULL, s->model_count + 1, sizeof *names);
        size_t count = 0;
        for (size_t i = 0; i < s->model_count; i++) {
            if (strncmp(s->models[i], line + 7, cursor - 7) == 0)
                names[count++] = s->models[i];
        }
        complete_word(s, 7, names, count);
        free(names);
        return;
    }
    if (screen_round(s) == NULL ||
        (s->block.len == 0 && !own_code_parse(line, s->language, &language, &code)))
        return;
    s->completion_start = s->block.len > 0 ? 0 : (size_t)(code - line);
    if (cursor < s->completion_start)
        return;
    if (round_complete(screen_round(s), language, line + s->completion_start,
                       cursor - s->completion_start, ++s->completion_token, &e) < 0)
        screen_toast(s, TONE_INFO, "%s", e.msg);
}

/* Names come whole ("obj.attr"); the word they replace ends at the cursor. */
void screen_take_completion(struct screen *s, uint64_t token, const char *const *names,
                            size_t count)
{
    size_t len, cursor;
    const char *line = prompt_line(&len, &cursor);
    if (token != s->completion_token || count == 0)
        return;
    size_t start = cursor;
    while (start > s->completion_start &&
           (line[start - 1] == '_' || line[start - 1] == '.' ||
            (unsigned char)line[start - 1] >= 0x80 ||
            (line[start - 1] >= '0' && line[start - 1] <= '9') ||
            ((line[start - 1] | 0x20) >= 'a' && (line[start - 1] | 0x20) <= 'z')))
        start--;
    complete_word(s, start, names, count);
}
