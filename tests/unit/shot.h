/* shot.h - a view drawn as text, for tests that look for words on the screen. */
#ifndef AIRLOCK_TESTS_UNIT_SHOT_H
#define AIRLOCK_TESTS_UNIT_SHOT_H

#include "golden/scene.h"
#include "ui/view_int.h"

struct shot {
    struct buf text;
    struct view_info info;
};

/* What stands on a screen of that size; the styles follow the rows (grid_dump). */
static inline const char *shot_take(struct shot *t, struct scene *s, int w, int h)
{
    struct grid g;
    grid_init(&g, w, h);
    view_draw(&s->st, &s->vm, &g, &t->info);
    t->text.max = 4 << 20;
    buf_reset(&t->text);
    grid_dump(&g, &t->text);
    grid_release(&g);
    return buf_str(&t->text);
}

static inline void shot_must(const char *text, const char *word, bool is_there)
{
    if ((strstr(text, word) != NULL) == is_there)
        return;
    fputs(text, stderr); /* fail_msg() cuts it */
    fail_msg("%s: \"%s\"", is_there ? "not there" : "there", word);
}

/* Draws; whatever is on it. */
static inline void shot_draw(struct scene *s, int w, int h)
{
    struct shot t = { 0 };
    (void)shot_take(&t, s, w, h);
    buf_release(&t.text);
}

/* Draws, and `word` is on it, or not. */
static inline void shot_has(struct scene *s, int w, int h, const char *word, bool is_there)
{
    struct shot t = { 0 };
    shot_must(shot_take(&t, s, w, h), word, is_there);
    buf_release(&t.text);
}

#endif
