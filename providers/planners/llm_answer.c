/* llm_answer.c - the blocks of an answer and their bounds. */
#include "providers/planners/llm_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "providers/planners/llm_tool.h"

void answer_init(struct answer *a, answer_tell_fn tell, void *arg)
{
    *a = (struct answer){ .tell = tell, .arg = arg };
}

static void block_free(struct answer_block *b)
{
    json_free(b->event);
    free(b->id);
    free(b->name);
    buf_release(&b->text);
    buf_release(&b->signature);
    free(b);
}

void answer_release(struct answer *a)
{
    for (size_t i = 0; i < a->count; i++)
        block_free(a->blocks[i]);
    a->count = 0;
}

void answer_copy_words(char *dst, size_t size, const char *src)
{
    snprintf(dst, size, "%s", src);
    size_t n = strlen(dst);
    while (n > 0 && strlen(src) > n && ((unsigned char)dst[n - 1] & 0x80) != 0)
        dst[--n] = '\0'; /* not in the middle of a character */
    for (char *p = dst; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = ' ';
    }
}

static void answer_tell(struct answer *a, enum planner_event_kind kind, const char *language,
                        const char *p, size_t len)
{
    if (a->tell != NULL)
        a->tell(a->arg, kind, language, p, len);
}

struct answer_block *answer_add_block(struct answer *a, enum block_kind kind, int64_t index,
                                      struct err *e)
{
    if (a->count == ANSWER_BLOCKS_MAX) {
        err_set(e, ERR_LIMIT, "more than %d blocks in an answer", ANSWER_BLOCKS_MAX);
        return NULL;
    }
    struct answer_block *b = xcalloc(1, sizeof *b);
    b->kind = kind;
    b->index = index;
    buf_init(&b->text, ANSWER_BYTES_MAX);
    buf_init(&b->signature, ANSWER_BYTES_MAX);
    llm_preview_init(&b->preview);
    a->blocks[a->count++] = b;
    return b;
}

int answer_keep(struct answer *a, struct buf *b, const char *p, size_t len, struct err *e)
{
    a->bytes += len;
    if (a->bytes > ANSWER_BYTES_MAX || buf_add(b, p, len) < 0)
        return err_set(e, ERR_LIMIT, "the answer is longer than %zu MiB", ANSWER_BYTES_MAX >> 20);
    return 0;
}

void answer_begin_call(struct answer *a, struct answer_block *b)
{
    size_t count;
    const struct llm_tool *tools = llm_tools(&count);
    for (size_t i = 0; i < count; i++)
        b->shows_code |= tools[i].streams && strcmp(tools[i].name, b->name) == 0;
    if (b->shows_code)
        answer_tell(a, PLANNER_CODE_DELTA, "", "", 0);
}

static void show_code(struct answer *a, struct answer_block *b, const char *p, size_t len)
{
    struct buf out = BUF_INIT(SSE_EVENT_MAX * 2);
    (void)llm_preview_feed(&b->preview, p, len, &out);
    if (b->shows_code && out.len > 0)
        answer_tell(a, PLANNER_CODE_DELTA, b->preview.language, out.ptr, out.len);
    buf_release(&out);
}

int answer_add_text(struct answer *a, struct answer_block *b, const char *p, size_t len,
                    struct err *e)
{
    if (answer_keep(a, &b->text, p, len, e) < 0)
        return -1;
    if (b->kind == BLOCK_CALL)
        show_code(a, b, p, len);
    else if (b->kind == BLOCK_TEXT && len > 0)
        answer_tell(a, PLANNER_DELTA, "", p, len);
    else if (b->kind == BLOCK_THINKING && len > 0)
        answer_tell(a, PLANNER_THINKING, "", p, len);
    return 0;
}

void answer_take_count(struct answer *a, const struct json *usage, const char *key, int64_t *out)
{
    int64_t n = json_get_int(usage, key, -1);
    if (n >= 0) {
        *out = n; /* cumulative: never added */
        a->has_usage = true;
    }
}
