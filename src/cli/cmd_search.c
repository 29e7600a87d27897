/* cmd_search.c - `airlock search TEXT`: in tasks, plans, code, errors and output of all sessions.
 *
 * One session file at a time is folded, nothing of it is kept; output is scanned in pieces with
 * memmem. Memory does not grow with what is searched. [RES-1]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/app.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "ui/text.h"

#define TEXT_MAX_BYTES 1000              /* of the text that is looked for */
#define HITS_MAX       10000             /* then the search ends, and says so */
#define HITS_OF_STREAM 20                /* per stream of a run, unless -a */
#define CARRY_MAX      ((size_t)8 << 10) /* of a line that goes on in the next piece */
#define SHOWN          160               /* bytes of a hit's line */

struct searcher {
    struct app *app;
    const char *text;
    size_t text_len;
    char **ids; /* of the sessions, newest first */
    size_t id_count, id_cap;
    size_t hits, unreadable;
    bool stopped, out_failed;
    struct buf out;
    /* of the session being read */
    const char *id;
    struct tail {
        uint32_t run;
        uint64_t line, next; /* number of the line that `carry` begins; offset expected */
        size_t hits;
        struct buf carry; /* the end of the last piece, from its last line on */
        bool line_told;
    } tails[3];
};

/* ---- a hit ---- */

static void flush_out(struct searcher *s)
{
    s->out_failed |= write_all_fd(STDOUT_FILENO, buf_str(&s->out), s->out.len) < 0;
    s->stopped |= s->out_failed;
    buf_reset(&s->out);
}

/* The part of the line around the hit. */
static void cut_line(const char **line, size_t *len, size_t at, bool *cut_front, bool *cut_back)
{
    size_t from = *len > SHOWN && at > SHOWN / 4 ? at - SHOWN / 4 : 0;
    size_t n = *len - from < SHOWN ? *len - from : SHOWN;
    while (from > 0 && ((unsigned char)(*line)[from] & 0xc0) == 0x80)
        from--, n++;
    while (from + n < *len && ((unsigned char)(*line)[from + n] & 0xc0) == 0x80 && n < SHOWN + 4)
        n++;
    *cut_front = from > 0;
    *cut_back = from + n < *len;
    *line += from;
    *len = n;
}

static void tell(struct searcher *s, uint32_t run, const char *where, uint64_t number,
                 const char *line, size_t len, size_t at)
{
    bool front, back;
    cut_line(&line, &len, at, &front, &back);
    if (s->app->opt.json) {
        struct json_w w;
        json_w_init(&w, &s->out);
        json_w_object(&w, NULL);
        json_w_str(&w, "session", s->id);
        if (run != 0)
            json_w_int(&w, "run", run);
        json_w_str(&w, "where", where);
        json_w_int(&w, "line", (int64_t)number);
        json_w_strn(&w, "text", line, len);
        json_w_close_object(&w);
        (void)!json_w_end(&w);
    } else {
        (void)buf_add_str(&s->out, s->id);
        if (run != 0)
            (void)buf_addf(&s->out, ":%u", run);
        (void)buf_addf(&s->out, " %s:%llu: %s", where, (unsigned long long)number,
                       front ? "…" : "");
        (void)text_clean(&s->out, line, len, TEXT_CODE, false, false);
        (void)buf_add_str(&s->out, back ? "…" : "");
    }
    (void)buf_add_char(&s->out, '\n');
    s->stopped |= ++s->hits >= HITS_MAX;
    flush_out(s);
}

/* ---- texts of events ---- */

/* Each line that holds the text, once. */
static void search_text(struct searcher *s, uint32_t run, const char *where, const char *p,
                        size_t len)
{
    const char *counted = p, *end = p + len;
    uint64_t number = 1;
    for (const char *at = p; !s->stopped && at < end;) {
        const char *hit = memmem(at, (size_t)(end - at), s->text, s->text_len);
        if (hit == NULL)
            return;
        for (const char *lf; (lf = memchr(counted, '\n', (size_t)(hit - counted))) != NULL;
             counted = lf + 1)
            number++;
        const char *stop = memchr(hit, '\n', (size_t)(end - hit));
        if (stop == NULL)
            stop = end;
        tell(s, run, where, number, counted, (size_t)(stop - counted), (size_t)(hit - counted));
        at = stop;
    }
}

static void search_field(struct searcher *s, const struct event *ev, const char *key,
                         const char *where)
{
    const char *text = json_get_str(ev->body, key, NULL);
    if (text != NULL)
        search_text(s, ev->run, where, text, strlen(text));
}

static void search_plan(struct searcher *s, const struct event *ev)
{
    const struct json *steps = json_get(ev->body, "steps");
    if (steps == NULL)
        return;
    for (const struct json *m = json_first(steps); m != NULL; m = json_next(m)) {
        const char *title = json_get_str(m, "title", "");
        search_text(s, 0, "plan", title, strlen(title));
    }
}

static void search_error(struct searcher *s, const struct event *ev)
{
    const struct json *x = json_get(ev->body, "error");
    static const char *const keys[] = { "name", "value", "traceback" };
    search_field(s, ev, "message", "error");
    for (size_t i = 0; x != NULL && i < ARRAY_LEN(keys); i++) {
        const char *text = json_get_str(x, keys[i], "");
        search_text(s, ev->run, "error", text, strlen(text));
    }
}

/* ---- output: chunks of a stream as one text ---- */

static void start_tail(struct tail *t, uint32_t run)
{
    t->run = run;
    t->line = 1;
    t->next = 0;
    t->hits = 0;
    t->line_told = false;
    buf_reset(&t->carry);
}

/* What may go on in the next piece: the last line, or of a very long one its end. */
static void keep_tail(struct searcher *s, struct tail *t, const char *p, size_t len)
{
    const char *lf = len > 0 ? memrchr(p, '\n', len) : NULL;
    size_t from = lf != NULL ? (size_t)(lf - p) + 1 : 0;
    for (const char *q = p; (q = memchr(q, '\n', (size_t)(p + from - q))) != NULL; q++)
        t->line++;
    if (lf != NULL)
        t->line_told = memmem(p + from, len - from, s->text, s->text_len) != NULL;
    if (len - from > CARRY_MAX)
        from = len - CARRY_MAX / 2; /* more than the text that is looked for is long */
    buf_reset(&t->carry);
    (void)buf_add(&t->carry, p + from, len - from);
}

/* A flood of hits in one output must not hide the others. */
static void tell_more(struct searcher *s, uint32_t run, const char *where)
{
    if (s->app->opt.json)
        (void)buf_addf(&s->out, "{\"session\":\"%s\",\"run\":%u,\"where\":\"%s\",\"more\":true}\n",
                       s->id, run, where);
    else
        (void)buf_addf(&s->out, "%s:%u %s: more is not searched (--all)\n", s->id, run, where);
    flush_out(s);
}

static void search_piece(struct searcher *s, struct tail *t, const char *where, const char *p,
                         size_t len)
{
    const char *counted = p, *end = p + len;
    uint64_t number = t->line;
    bool told = t->line_told; /* the line that the carry began was told already */
    size_t max = s->app->opt.all ? SIZE_MAX : HITS_OF_STREAM;
    for (const char *at = p; !s->stopped && t->hits < max && at < end;) {
        const char *hit = memmem(at, (size_t)(end - at), s->text, s->text_len);
        if (hit == NULL)
            break;
        for (const char *lf; (lf = memchr(counted, '\n', (size_t)(hit - counted))) != NULL;
             counted = lf + 1) {
            number++;
            told = false;
        }
        const char *stop = memchr(hit, '\n', (size_t)(end - hit));
        if (stop == NULL)
            stop = end;
        if (!told) {
            t->hits++;
            tell(s, t->run, where, number, counted, (size_t)(stop - counted),
                 (size_t)(hit - counted));
            if (t->hits == max)
                tell_more(s, t->run, where);
        }
        if (stop == end)
            t->line_told = true;
        at = stop;
    }
}

static void search_output(struct searcher *s, const struct event *ev)
{
    if (ev->stream > 2 || ev->bytes == NULL)
        return;
    struct tail *t = &s->tails[ev->stream];
    const char *where = ev->stream == 2 ? "stderr" : "stdout";
    if (t->run != ev->run || ev->offset != t->next)
        start_tail(t, ev->run);
    t->next = ev->offset + ev->len;
    if (buf_add(&t->carry, ev->bytes, ev->len) < 0)
        return;
    search_piece(s, t, where, t->carry.ptr, t->carry.len);
    struct buf whole = t->carry;
    buf_init(&t->carry, whole.max);
    keep_tail(s, t, whole.ptr, whole.len);
    buf_release(&whole);
}

/* ---- sessions ---- */

static int on_event(void *arg, const struct event *ev)
{
    struct searcher *s = arg;
    if (ev->type == EVENT_RUN_OUTPUT)
        search_output(s, ev);
    else if (ev->body == NULL)
        return 0;
    else if (ev->type == EVENT_TASK_GIVEN)
        search_field(s, ev, "text", "task");
    else if (ev->type == EVENT_PLANNER_MESSAGE || ev->type == EVENT_NOTE)
        search_field(s, ev, "text", ev->type == EVENT_NOTE ? "note" : "planner");
    else if (ev->type == EVENT_PLAN_UPDATED)
        search_plan(s, ev);
    else if (ev->type == EVENT_RUN_PROPOSED)
        search_field(s, ev, "code", "code");
    else if (ev->type == EVENT_RUN_RESULT)
        search_field(s, ev, "text", "result");
    else if (ev->type == EVENT_RUN_FINISHED || ev->type == EVENT_ERROR)
        search_error(s, ev);
    return s->stopped;
}

static void search_session(struct searcher *s, const char *id)
{
    const uint64_t types =
        1ull << EVENT_TASK_GIVEN | 1ull << EVENT_PLANNER_MESSAGE | 1ull << EVENT_NOTE |
        1ull << EVENT_PLAN_UPDATED | 1ull << EVENT_RUN_PROPOSED | 1ull << EVENT_RUN_RESULT |
        1ull << EVENT_RUN_FINISHED | 1ull << EVENT_ERROR | 1ull << EVENT_RUN_OUTPUT;
    char *name = xasprintf("%s.db", id), *path = path_join(s->app->paths.sessions_dir, name);
    struct store *store = NULL;
    struct err e = ERR_INIT;
    s->id = id;
    for (unsigned i = 0; i < 3; i++)
        start_tail(&s->tails[i], 0);
    if (store_open_read(&store, path, &e) < 0 ||
        store_each_of(store, types, 1, 0, on_event, s, &e) < 0) {
        s->unreadable++;
        if (!s->app->opt.quiet)
            fprintf(stderr, "airlock: session %s was not read to its end\n", id);
    }
    store_close(store);
    free(path);
    free(name);
}

static int take_id(void *arg, const struct index_entry *x)
{
    struct searcher *s = arg;
    if (s->id_count == s->id_cap)
        s->ids = xreallocarray(s->ids, s->id_cap = s->id_cap * 2 + 64, sizeof *s->ids);
    s->ids[s->id_count++] = xstrdup(x->id);
    return 0;
}

static int search(struct searcher *s, struct err *e)
{
    struct app *app = s->app;
    if (app_need_index(app, e) < 0 || index_refresh(app->index, e) < 0 ||
        index_list(app->index, NULL, INDEX_KEPT, 0, take_id, s, e) < 0)
        return -1;
    for (size_t i = 0; i < s->id_count && !s->stopped; i++)
        search_session(s, s->ids[i]);
    if (s->out_failed)
        return err_set(e, ERR_IO, "standard output can't be written");
    if (s->stopped && !app->opt.quiet)
        fprintf(stderr, "airlock: stopped after %d hits\n", HITS_MAX);
    return 0;
}

int cmd_search(struct app *app)
{
    struct err e = ERR_INIT;
    struct searcher s = { .app = app, .out = BUF_INIT((size_t)1 << 20) };
    int rc = 0;
    s.text = app->opt.arg_count == 1 ? app->opt.args[0] : "";
    s.text_len = strlen(s.text);
    for (unsigned i = 0; i < 3; i++)
        buf_init(&s.tails[i].carry, STORE_CHUNK_MAX + CARRY_MAX + TEXT_MAX_BYTES);
    if (s.text_len == 0 || s.text_len > TEXT_MAX_BYTES || strchr(s.text, '\n') != NULL)
        rc = err_set(&e, ERR_USAGE, "search takes one TEXT of 1 to %d bytes, without line ends",
                     TEXT_MAX_BYTES);
    if (rc == 0)
        rc = search(&s, &e);
    for (unsigned i = 0; i < 3; i++)
        buf_release(&s.tails[i].carry);
    for (size_t i = 0; i < s.id_count; i++)
        free(s.ids[i]);
    free(s.ids);
    buf_release(&s.out);
    if (rc < 0)
        return app_fail(&e);
    return s.hits > 0 ? EXIT_OK : EXIT_WORK_FAILED;
}
