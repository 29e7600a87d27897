/* screen_compare.c - two runs side by side: candidates for the same step, branches, attempts. The
 * person goes on from one of them; the other stays as a branch. */
#include "cli/screen_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/difftext.h"
#include "cli/runparts.h"
#include "cli/tree.h"
#include "sessions/mask.h"
#include "tool/travel.h"

/* The last other run that began with the same variables; NULL none. */
static const struct state_run *sibling(const struct state *st, const struct state_run *r)
{
    for (size_t i = st->run_count; i-- > 0;) {
        const struct state_run *o = st->runs[i];
        if (o != r && o->twin_of == 0 && o->started_at_us != 0 && r->started_at_us != 0 &&
            o->parent_run == r->parent_run)
            return o;
    }
    return NULL;
}

bool screen_choose_pair(struct screen *s, const char *args, const struct state_run **a,
                        const struct state_run **b)
{
    const struct state *st = screen_state(s);
    const struct state_run *shown = view_run(st, &s->vm);
    char *end = NULL;
    unsigned long first = strtoul(args, &end, 10), second = strtoul(end, NULL, 10);
    if (args[0] == '\0' && shown != NULL) {
        *a = sibling(st, shown) != NULL ? sibling(st, shown) : view_base(st, &s->vm);
        *b = shown;
        if (*a != NULL && (*a)->number > (*b)->number) {
            *b = *a;
            *a = shown;
        }
    } else {
        *a = state_run_at(st, (uint32_t)first);
        *b = second != 0 ? state_run_at(st, (uint32_t)second) : shown;
    }
    if (*a != NULL && *b != NULL && *a != *b)
        return true;
    screen_toast(s, TONE_INFO, "there are no two runs to compare: name them, such as 1 2");
    return false;
}

static void add_head(struct screen *s, const struct state_run *a, const struct state_run *b)
{
    char left[96], right[96], line[400];
    int half = s->grid.w > 8 ? (s->grid.w - 4) / 2 : 8;
    tree_outcome(a, left, sizeof left);
    tree_outcome(b, right, sizeof right);
    char *one = xasprintf("1: run %u  %s  after %u", a->number, left, a->parent_run);
    snprintf(line, sizeof line, "%-*.*s 2: run %u  %s  after %u", half, half, one, b->number, right,
             b->parent_run);
    screen_page_add(s, TONE_INFO, line, strlen(line), true);
    free(one);
}

static enum view_tone tone_of(const char *line, size_t n)
{
    return n > 0 && (line[0] == '-' || line[0] == '+') ? TONE_BAD : TONE_PLAIN;
}

static void add_part(struct screen *s, enum run_part part, struct compare *c)
{
    struct buf head = BUF_INIT(1024), text = BUF_INIT((size_t)16 << 20);
    struct difftext d = { .side_by_side = true,
                          .width = s->grid.w > 24 ? (size_t)s->grid.w - 4 : 20,
                          .ascii = s->grid.ascii };
    (void)buf_addf(&head, "%s: ", run_part_name(part));
    if (c->verdict == COMPARE_DIFFERS)
        (void)buf_addf(&head, "differs at line %zu", c->line);
    else
        (void)buf_add_str(&head, "identical");
    if (c->verdict == COMPARE_MASKED) {
        (void)buf_add_str(&head, " after masks (");
        mask_print(c->masks, &head);
        (void)buf_add_char(&head, ')');
    }
    screen_page_add(s, TONE_PLAIN, "", 0, false);
    screen_page_add(s, c->verdict == COMPARE_DIFFERS ? TONE_WAIT : TONE_PLAIN, buf_str(&head),
                    head.len, true);
    if (c->verdict == COMPARE_DIFFERS)
        difftext_print(&d, c, &text);
    for (const char *p = buf_str(&text); *p != '\0';) {
        size_t n = strcspn(p, "\n");
        screen_page_add(s, tone_of(p, n), p, n, true);
        p += n + (p[n] == '\n');
    }
    buf_release(&head);
    buf_release(&text);
}

void screen_compare(struct screen *s, const char *args, struct err *e)
{
    const struct state_run *a, *b;
    char title[80];
    if (!screen_choose_pair(s, args, &a, &b))
        return;
    struct run_ref left = { session_store(s->session), a },
                   right = { session_store(s->session), b };
    const struct compare_how how = { .masks = s->masks };
    snprintf(title, sizeof title, "Run %u and run %u", a->number, b->number);
    screen_page_begin(s, PAGE_COMPARE, a->number, title, "1 2 go on from it, q back");
    s->page.other = b->number;
    s->vm.page.two = true;
    add_head(s, a, b);
    for (unsigned part = 0; part < PART_COUNT; part++) {
        struct compare c;
        int rc = run_compare(&c, (enum run_part)part, &left, &right, &how, e);
        if (rc == 0)
            add_part(s, (enum run_part)part, &c);
        else
            screen_page_add_text(s, e->msg);
        compare_release(&c);
    }
    screen_page_show(s);
}

/* The planner hears of it, and the record says who chose. */
void screen_picked(struct screen *s, uint32_t run, uint32_t other)
{
    struct err e = ERR_INIT;
    char *text = xasprintf("picked run %u over run %u, which stays as a branch", run, other);
    if (round_note(screen_round(s), text, "person", &e) < 0)
        screen_fail(s, &e);
    free(text);
}

void screen_pick(struct screen *s, bool right)
{
    struct travel t;
    struct err e = ERR_INIT;
    uint32_t run = right ? s->page.other : s->page.run, other = right ? s->page.run : s->page.other;
    if (s->vm.screen != SCREEN_PAGE || s->page.kind != PAGE_COMPARE)
        return;
    travel_plan(&t, screen_state(s), run);
    if (t.how == TRAVEL_HERE) {
        screen_page_close(s);
        screen_picked(s, run, other);
        screen_toast(s, TONE_INFO, "run %u: the variables are there already", run);
        return;
    }
    char *word = xasprintf("%u", run);
    screen_travel(s, word, &e);
    s->page.other = other;
    free(word);
}
