/* cost.c - adding up usage and the lives of sandboxes. */
#include "tool/cost.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define OPEN_MAX 64 /* sandboxes of one session at a time; more are counted as unclosed */

struct cost_sandbox {
    char *label, *kind;
    int64_t at_us, boot_us;
};

static const char *const names[] = { "model", "session", "sandbox", "day" };

int cost_by_parse(const char *word, enum cost_by *out)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], word) == 0) {
            *out = (enum cost_by)i;
            return 0;
        }
    }
    return -1;
}

const char *cost_by_name(enum cost_by by)
{
    return (size_t)by < ARRAY_LEN(names) ? names[by] : "";
}

void cost_init(struct cost *c, enum cost_by by)
{
    *c = (struct cost){ .by = by };
    c->open = xcalloc(OPEN_MAX, sizeof *c->open);
}

static void drop_open(struct cost *c, size_t at)
{
    size_t last = --c->open_count;
    free(c->open[at].label);
    free(c->open[at].kind);
    if (at != last)
        c->open[at] = c->open[last];
    c->open[last] = (struct cost_sandbox){ .label = NULL };
}

void cost_release(struct cost *c)
{
    while (c->open_count > 0)
        drop_open(c, 0);
    for (size_t i = 0; i < c->count; i++)
        free(c->rows[i].key);
    free(c->rows);
    free(c->open);
    free(c->session);
    *c = (struct cost){ .count = 0 };
}

/* ---- sums ---- */

static void add_up(int64_t *sum, int64_t n)
{
    if (n > 0 && __builtin_add_overflow(*sum, n, sum))
        *sum = INT64_MAX;
}

static void add_sum(struct cost_sum *to, const struct cost_sum *s)
{
    add_up(&to->calls, s->calls);
    add_up(&to->unpriced, s->unpriced);
    add_up(&to->input_tokens, s->input_tokens);
    add_up(&to->cache_read_tokens, s->cache_read_tokens);
    add_up(&to->cache_write_tokens, s->cache_write_tokens);
    add_up(&to->output_tokens, s->output_tokens);
    add_up(&to->cost_nanousd, s->cost_nanousd);
    add_up(&to->sandbox_ms, s->sandbox_ms);
    add_up(&to->unclosed, s->unclosed);
}

static struct cost_row *row(struct cost *c, const char *key)
{
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->rows[i].key, key) == 0)
            return &c->rows[i];
    }
    if (c->count == c->cap) {
        c->cap = c->cap > 0 ? c->cap * 2 : 16;
        c->rows = xreallocarray(c->rows, c->cap, sizeof *c->rows);
    }
    c->rows[c->count] = (struct cost_row){ .key = xstrdup(key) };
    return &c->rows[c->count++];
}

/* `model` and `kind`: what it is the cost of; NULL where it has none. */
static void add(struct cost *c, const char *model, const char *kind, int64_t at_us,
                const struct cost_sum *s)
{
    char day[CLOCK_ISO_LEN];
    const char *key = NULL;
    clock_iso(at_us, day);
    day[10] = '\0';
    if (c->by == COST_BY_SESSION)
        key = c->session;
    else if (c->by == COST_BY_DAY)
        key = day;
    else
        key = c->by == COST_BY_MODEL ? model : kind;
    if (key != NULL)
        add_sum(&row(c, key)->sum, s);
    add_sum(&c->total, s);
}

/* ---- events ---- */

static void add_usage(struct cost *c, const struct event *ev)
{
    const char *source = json_get_str(ev->body, "source", "");
    bool model =
        json_get(ev->body, "input_tokens") != NULL || json_get(ev->body, "output_tokens") != NULL;
    int64_t cost = json_get_int(ev->body, "cost_nanousd", -1);
    bool priced = cost >= 0;
    struct cost_sum s = {
        .calls = model,
        .unpriced = model && !priced,
        .input_tokens = json_get_int(ev->body, "input_tokens", 0),
        .cache_read_tokens = json_get_int(ev->body, "cache_read_tokens", 0),
        .cache_write_tokens = json_get_int(ev->body, "cache_write_tokens", 0),
        .output_tokens = json_get_int(ev->body, "output_tokens", 0),
        .cost_nanousd = priced ? cost : 0,
    };
    if (model && c->call != NULL)
        c->call(c->arg, ev, source, &s);
    add(c, model ? source : NULL, model ? NULL : source, ev->at_us, &s);
}

/* After a restart of the machine the boot clock began anew. */
static int64_t lived_ms(const struct cost_sandbox *x, int64_t at_us, int64_t boot_us)
{
    int64_t us = boot_us > x->boot_us ? boot_us - x->boot_us : at_us - x->at_us;
    return us > 0 ? us / 1000 : 0;
}

static void add_ready(struct cost *c, const struct event *ev)
{
    const char *kind = json_get_str(ev->body, "kind", "");
    if (c->open_count == OPEN_MAX) {
        add(c, NULL, kind, ev->at_us, &(struct cost_sum){ .unclosed = 1 });
        return;
    }
    c->open[c->open_count++] =
        (struct cost_sandbox){ .label = xstrdup(json_get_str(ev->body, "label", "")),
                               .kind = xstrdup(kind),
                               .at_us = ev->at_us,
                               .boot_us = ev->boot_us };
}

static void add_closed(struct cost *c, const struct event *ev)
{
    const char *label = json_get_str(ev->body, "label", "");
    for (size_t i = 0; i < c->open_count; i++) {
        struct cost_sandbox *x = &c->open[i];
        if (strcmp(x->label, label) != 0)
            continue;
        add(c, NULL, x->kind, x->at_us,
            &(struct cost_sum){ .sandbox_ms = lived_ms(x, ev->at_us, ev->boot_us) });
        drop_open(c, i);
        return;
    }
}

void cost_begin(struct cost *c, const char *session)
{
    free(c->session);
    c->session = xstrdup(session);
}

void cost_add(struct cost *c, const struct event *ev)
{
    if (ev->type == EVENT_SESSION_RESUMED)
        cost_end(c); /* what the program before it left behind died with it */
    c->last_at_us = ev->at_us;
    c->last_boot_us = ev->boot_us;
    if (ev->body == NULL)
        return; /* erased */
    if (ev->type == EVENT_USAGE)
        add_usage(c, ev);
    else if (ev->type == EVENT_SANDBOX_READY)
        add_ready(c, ev);
    else if (ev->type == EVENT_SANDBOX_CLOSED || ev->type == EVENT_SANDBOX_PAUSED)
        add_closed(c, ev);
}

void cost_end(struct cost *c)
{
    while (c->open_count > 0) {
        const struct cost_sandbox *x = &c->open[0];
        bool ended = c->ends_with_us != NULL && c->ends_with_us(x->kind);
        struct cost_sum s = { .sandbox_ms = lived_ms(x, c->last_at_us, c->last_boot_us),
                              .unclosed = !ended };
        add(c, NULL, x->kind, x->at_us, &s);
        drop_open(c, 0);
    }
}
