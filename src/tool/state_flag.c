/* state_flag.c - flags of the tripwire: text in what a run wrote that is addressed to the model. */
#include "tool/state_int.h"

#include <stdio.h>
#include <stdlib.h>

#define FLAG_TEXT_MAX 300 /* bytes of each string that are kept */

void state_flags_free(struct state_run *r)
{
    for (size_t i = 0; i < r->flag_count; i++) {
        free(r->flags[i].stream);
        free(r->flags[i].name);
        free(r->flags[i].rule);
        free(r->flags[i].text);
        free(r->flags[i].excerpt);
    }
    free(r->flags);
    r->flags = NULL;
    r->flag_count = 0;
}

struct state_flag *state_flags_copy(const struct state_run *r)
{
    struct state_flag *to = r->flags != NULL ? xcalloc(STATE_FLAGS_MAX, sizeof *to) : NULL;
    for (size_t i = 0; to != NULL && i < r->flag_count; i++) {
        to[i] = r->flags[i];
        to[i].stream = xstrdup(r->flags[i].stream);
        to[i].name = xstrdup(r->flags[i].name);
        to[i].rule = xstrdup(r->flags[i].rule);
        to[i].text = xstrdup(r->flags[i].text);
        to[i].excerpt = xstrdup(r->flags[i].excerpt);
    }
    return to;
}

void state_flag_where(const struct state_flag *f, uint32_t run, char *out, size_t size)
{
    char head[24] = "";
    if (run != 0)
        snprintf(head, sizeof head, "run %u ", run);
    if (f->line != 0 && f->name[0] == '\0')
        snprintf(out, size, "%s%s line %u", head, f->stream, f->line);
    else
        snprintf(out, size, "%s%s%s%.60s", head, f->stream, f->name[0] != '\0' ? " " : "", f->name);
}

static char *take(const struct json *body, const char *key)
{
    return xstrndup(body_str(body, key), FLAG_TEXT_MAX);
}

int state_on_flagged(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    struct state_run *r = ev->run != 0 ? state_need_run(st, ev, e) : NULL;
    int64_t line = json_get_int(ev->body, "line", 0), offset = json_get_int(ev->body, "offset", 0);
    if (ev->run == 0)
        return 0; /* of no run: the planner's words, which are shown as they are */
    if (r == NULL)
        return -1;
    st->flagged_run = r->number;
    if (r->flag_count == STATE_FLAGS_MAX)
        return 0;
    if (r->flags == NULL)
        r->flags = xcalloc(STATE_FLAGS_MAX, sizeof *r->flags);
    r->flags[r->flag_count++] = (struct state_flag){
        .stream = take(ev->body, "stream"),
        .name = take(ev->body, "name"),
        .line = line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0,
        .offset = offset > 0 ? (uint64_t)offset : 0,
        .severity = state_read_severity(body_str(ev->body, "severity")),
        .rule = take(ev->body, "rule"),
        .text = take(ev->body, "text"),
        .excerpt = take(ev->body, "excerpt"),
    };
    return 0;
}
