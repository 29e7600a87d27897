/* show_vars.c - the part of `airlock show` about variables and files: after a run what changed, and
 * over a session when one of them did. */
#include <inttypes.h>
#include <string.h>

#include "cli/show_vars.h"
#include "cli/varhistory.h"
#include "ui/text.h"

static void put_clean(struct buf *out, struct buf *line)
{
    (void)text_clean(out, buf_str(line), line->len, TEXT_PROSE, false, false);
    (void)buf_add_char(out, '\n');
    buf_reset(line);
}

static void put_var(const struct state_var *v, struct buf *line)
{
    (void)buf_addf(line, "  var  %-8s %s %s%s%s", var_change_name(v->change), v->name, v->type,
                   v->shape[0] != '\0' ? " " : "", v->shape);
    if (v->bytes >= 0)
        (void)buf_addf(line, "  %" PRId64 " B", v->bytes);
    if (v->digest[0] != '\0')
        (void)buf_addf(line, "  #%.8s%s", v->digest,
                       v->digest[strlen(v->digest) - 1] == '~' ? "~" : "");
    if (v->change == CHANGE_SAME && v->since_run != 0)
        (void)buf_addf(line, "  since run %u", v->since_run);
    (void)buf_add_str(line, v->preview[0] != '\0' ? "  " : "");
    for (const char *p = v->preview; *p != '\0'; p++)
        (void)buf_add_char(line, *p == '\n' ? ' ' : *p);
}

void show_vars(const struct state *st, const struct state_run *sr, struct buf *out)
{
    struct buf line = BUF_INIT(64 << 10);
    if (sr->parent_run != 0)
        (void)buf_addf(out, "  began with the variables after run %u\n", sr->parent_run);
    else if (st->origin != NULL && sr->started_at_us != 0)
        (void)buf_add_str(out, "  began with the variables of the parent session\n");
    for (size_t i = 0; i < sr->var_count; i++) {
        put_var(&sr->vars[i], &line);
        put_clean(out, &line);
    }
    for (size_t i = 0; i < sr->file_count; i++) {
        const struct state_file *f = &sr->files[i];
        (void)buf_addf(&line, "  file %-8s %s", var_change_name(f->change), f->path);
        if (f->bytes >= 0)
            (void)buf_addf(&line, "  %" PRId64 " B", f->bytes);
        put_clean(out, &line);
    }
    if (sr->snapshot[0] != '\0') {
        (void)buf_addf(&line, "  a snapshot of memory and files after it: %s", sr->snapshot);
        put_clean(out, &line);
    }
    if (sr->saved.there)
        (void)buf_addf(out, "  the variables after it are saved: %" PRId64 " B\n", sr->saved.bytes);
    for (size_t i = 0; sr->saved.there && i < sr->saved.lost_count; i++) {
        (void)buf_addf(&line, "  not saved: %s", sr->saved.lost[i]);
        put_clean(out, &line);
    }
    buf_release(&line);
}

struct history {
    struct buf *out;
    bool json, any;
    uint32_t last;
    const char *name;
};

static void put_json(const struct history *h, const struct var_moment *m)
{
    struct json_w w;
    json_w_init(&w, h->out);
    json_w_object(&w, NULL);
    json_w_strn(&w, "name", h->name, strlen(h->name));
    json_w_int(&w, "run", m->run);
    json_w_str(&w, "change", var_change_name(m->change));
    json_w_strn(&w, "type", m->type, strlen(m->type));
    json_w_strn(&w, "shape", m->shape, strlen(m->shape));
    json_w_int(&w, "bytes", m->bytes);
    json_w_str(&w, "digest", m->digest);
    json_w_strn(&w, "preview", m->preview, strlen(m->preview));
    json_w_bool(&w, "this_branch", m->led_here);
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    (void)buf_add_char(h->out, '\n');
}

static int put_moment(void *arg, const struct var_moment *m)
{
    struct history *h = arg;
    struct buf line = BUF_INIT(64 << 10);
    h->any = true;
    if (m->led_here)
        h->last = m->run;
    if (h->json) {
        put_json(h, m);
    } else {
        var_moment_print(m, &line);
        put_clean(h->out, &line);
    }
    buf_release(&line);
    return 0;
}

int show_var_history(struct store *store, const struct state *st, const char *name, bool json,
                     struct buf *out, struct err *e)
{
    bool file = strncmp(name, "file ", 5) == 0;
    struct history h = { .out = out, .json = json, .name = file ? name + 5 : name };
    char title[160];
    struct buf line = BUF_INIT(1024);
    if (var_history(store, st, h.name, file, put_moment, &h, e) < 0)
        return -1;
    if (!h.any)
        return err_set(e, ERR_MISSING,
                       "no run of session %s made, changed or lost %.60s (a file: --var \"file "
                       "PATH\")",
                       st->session, name);
    var_history_title(st, h.name, h.last, title, sizeof title);
    (void)buf_add_str(&line, title);
    if (!json)
        put_clean(out, &line);
    buf_release(&line);
    return 0;
}
