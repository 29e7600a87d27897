/* llm_talk.c - a list of what was said; the oldest gives way first. */
#include "providers/planners/llm_talk.h"

#include <stdlib.h>
#include <string.h>

#define FOLDED_MAX  ((size_t)16 << 10)
#define NEWEST_KEPT 2 /* answers, with their results */

void llm_talk_init(struct llm_talk *t)
{
    *t = (struct llm_talk){ .count = 0 };
    buf_init(&t->plan, (size_t)256 << 10);
    buf_init(&t->folded, FOLDED_MAX);
}

static void item_release(struct llm_item *it)
{
    buf_release(&it->text);
    buf_release(&it->plain);
    free(it->call_id);
}

void llm_talk_release(struct llm_talk *t)
{
    for (size_t i = 0; i < t->count; i++)
        item_release(&t->items[i]);
    free(t->items);
    buf_release(&t->plan);
    buf_release(&t->folded);
    *t = (struct llm_talk){ .count = 0 };
}

/* A new item at `at`; the others move up. */
static struct llm_item *insert(struct llm_talk *t, size_t at, enum llm_item_kind kind)
{
    if (t->count == t->cap) {
        t->cap = t->cap > 0 ? t->cap * 2 : 16;
        t->items = xreallocarray(t->items, t->cap, sizeof *t->items);
    }
    memmove(&t->items[at + 1], &t->items[at], (t->count - at) * sizeof *t->items);
    t->count++;
    struct llm_item *it = &t->items[at];
    *it = (struct llm_item){ .kind = kind };
    buf_init(&it->text, LLM_ITEM_MAX);
    buf_init(&it->plain, LLM_ITEM_MAX);
    return it;
}

/* Text beyond the bound of an item is cut, and said to be. */
static void fill(struct llm_item *it, struct buf *b, const char *p, size_t len)
{
    if (len > LLM_ITEM_MAX) {
        len = LLM_ITEM_MAX;
        it->shortened = true;
    }
    (void)buf_add(b, p, len);
}

void llm_talk_add_words(struct llm_talk *t, const char *text)
{
    struct llm_item *it = insert(t, t->count, LLM_WORDS);
    fill(it, &it->text, text, strlen(text));
}

struct llm_item *llm_talk_add_answer(struct llm_talk *t, const struct buf *wire,
                                     const struct buf *plain)
{
    struct llm_item *it = insert(t, t->count, LLM_ANSWER);
    fill(it, &it->text, wire->ptr, wire->len);
    fill(it, &it->plain, plain->ptr, plain->len);
    return it;
}

void llm_talk_add_result(struct llm_talk *t, const char *call_id, const char *text,
                         const char *line, bool is_error)
{
    struct llm_item *it = insert(t, t->count, LLM_RESULT);
    fill(it, &it->text, text, strlen(text));
    fill(it, &it->plain, line, strlen(line));
    it->call_id = xstrdup(call_id);
    it->is_error = is_error;
}

void llm_talk_set_plan(struct llm_talk *t, const char *text)
{
    buf_reset(&t->plan);
    (void)buf_add_str(&t->plan, text);
}

const struct buf *llm_item_sent(const struct llm_item *it)
{
    return it->kind == LLM_ANSWER && it->stale ? &it->plain : &it->text;
}

size_t llm_talk_bytes(const struct llm_talk *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->count; i++)
        n += llm_item_sent(&t->items[i])->len;
    return n;
}

void llm_talk_make_stale(struct llm_talk *t)
{
    for (size_t i = 0; i < t->count; i++)
        t->items[i].stale = t->items[i].kind == LLM_ANSWER;
}

/* Where the newest answers begin, which are left alone. */
static size_t settled(const struct llm_talk *t)
{
    size_t seen = 0;
    for (size_t i = t->count; i-- > 0;) {
        if (t->items[i].kind == LLM_ANSWER && ++seen == NEWEST_KEPT)
            return i;
    }
    return 0;
}

static void shorten_results(struct llm_talk *t, size_t goal)
{
    size_t end = settled(t), bytes = llm_talk_bytes(t);
    for (size_t i = 0; i < end && bytes > goal; i++) {
        struct llm_item *it = &t->items[i];
        if (it->kind != LLM_RESULT || it->text.len <= it->plain.len)
            continue;
        bytes -= it->text.len - it->plain.len;
        buf_reset(&it->text);
        (void)buf_add(&it->text, it->plain.ptr, it->plain.len);
        it->shortened = true;
    }
}

static void remove_items(struct llm_talk *t, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        item_release(&t->items[i]);
    memmove(&t->items[from], &t->items[to], (t->count - to) * sizeof *t->items);
    t->count -= to - from;
}

/* A line for what was folded; the oldest lines give way, half of them at a time. */
static void note_folded(struct llm_talk *t, const char *line, size_t max)
{
    if (t->folded.len + strlen(line) + 3 > max) {
        const char *half = buf_str(&t->folded) + t->folded.len / 2, *end = strchr(half, '\n');
        size_t drop = end != NULL ? (size_t)(end + 1 - t->folded.ptr) : t->folded.len;
        buf_drop_front(&t->folded, drop);
    }
    if (strlen(line) + 3 <= max)
        (void)buf_addf(&t->folded, "- %s\n", line);
}

/* The oldest answer that is not among the newest goes, and its results become a line each. */
static bool fold_oldest(struct llm_talk *t, size_t lines_max)
{
    size_t end = settled(t), from = 0;
    while (from < end && t->items[from].kind != LLM_ANSWER)
        from++;
    if (from == end)
        return false;
    size_t to = from + 1;
    for (; to < t->count && t->items[to].kind == LLM_RESULT; to++)
        note_folded(t, buf_str(&t->items[to].plain), lines_max);
    remove_items(t, from, to);
    return true;
}

static void write_digest(struct llm_talk *t)
{
    if (t->count < 2 || t->items[1].kind != LLM_DIGEST)
        insert(t, t->count > 0 ? 1 : 0, LLM_DIGEST);
    struct llm_item *it = &t->items[t->count > 1 ? 1 : 0];
    buf_reset(&it->text);
    it->shortened = true;
    (void)buf_addf(&it->text, "Earlier exchanges were left out for room. Their runs:\n%s",
                   buf_str(&t->folded));
    if (t->plan.len > 0)
        (void)buf_addf(&it->text, "The plan as it is now:\n%s", buf_str(&t->plan));
}

bool llm_talk_fit(struct llm_talk *t, size_t max)
{
    if (llm_talk_bytes(t) <= max)
        return false;
    shorten_results(t, max / 2);
    bool folded = false;
    size_t lines_max = max / 8 < FOLDED_MAX ? max / 8 : FOLDED_MAX;
    while (llm_talk_bytes(t) > max / 2 && fold_oldest(t, lines_max))
        folded = true;
    if (folded)
        write_digest(t);
    llm_talk_make_stale(t);
    return true;
}
