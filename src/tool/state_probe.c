/* state_probe.c - what a sandbox proved of its walls, as lights and as the evidence behind them. */
#include "tool/state_int.h"

#include <string.h>

#define EVIDENCE_MAX ((size_t)256 << 10)
#define PROBES_MAX   16

/* A cell can't break the row it stands in: what separates is never text. */
static void add_cell(struct buf *out, const char *text, char end)
{
    for (; *text != '\0'; text++) {
        if (*text != STATE_ROW_END && *text != STATE_CELL_END)
            (void)buf_add_char(out, *text);
    }
    (void)buf_add_char(out, end);
}

static void add_row(struct buf *out, const struct json *row)
{
    static const char *const cells[] = { "what", "inside", "host", "result" };
    add_cell(out, "row", STATE_CELL_END);
    for (size_t i = 0; i < ARRAY_LEN(cells); i++)
        add_cell(out, body_str(row, cells[i]),
                 i + 1 < ARRAY_LEN(cells) ? STATE_CELL_END : STATE_ROW_END);
}

static char light_of(const char *result)
{
    return strcmp(result, "PASS") == 0 ? '+' : strcmp(result, "FAIL") == 0 ? '-' : '?';
}

/* What the doctor tried was tried in other sandboxes of the kind: it can only settle what is open
 * here, or take away trust. */
static void merge(struct state *st, const char *name, char light)
{
    static const char *const names[] = { "filesystem", "network", "process", "timeout", "state" };
    if (st->lights[0] == '\0')
        string_set(&st->lights, "?????");
    for (size_t i = 0; i < ARRAY_LEN(names) && st->lights[i] != '\0'; i++) {
        if (strcmp(names[i], name) == 0 && (light == '-' || st->lights[i] == '?'))
            st->lights[i] = light;
    }
}

int state_on_probed(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    const struct json *list = json_get(ev->body, "probes");
    struct buf text = BUF_INIT(EVIDENCE_MAX);
    char lights[PROBES_MAX + 1] = "";
    size_t count = 0;
    bool doctor = strcmp(body_str(ev->body, "by"), "doctor") == 0;
    if (ev->run != 0) /* a twin's: it is gone with its dry run */
        return 0;
    if (json_len(list) > PROBES_MAX)
        return contradiction(ev, e, "%zu probes, at most %d", json_len(list), PROBES_MAX);
    if (doctor)
        (void)buf_add_str(&text, st->evidence);
    for (const struct json *p = json_first(list); p != NULL && count < PROBES_MAX;
         p = json_next(p)) {
        lights[count++] = light_of(body_str(p, "result"));
        if (doctor)
            merge(st, body_str(p, "name"), lights[count - 1]);
        add_cell(&text, "probe", STATE_CELL_END);
        add_cell(&text, body_str(p, "name"), STATE_CELL_END);
        add_cell(&text, body_str(p, "result"), STATE_CELL_END);
        add_cell(&text, body_str(p, "why"), STATE_ROW_END);
        const struct json *rows = json_get(p, "rows");
        for (const struct json *row = json_first(rows); row != NULL; row = json_next(row))
            add_row(&text, row);
    }
    if (!doctor)
        string_set(&st->lights, lights);
    string_set(&st->evidence, buf_str(&text));
    buf_release(&text);
    return 0;
}
