/* cmd_search.c - `airlock search TEXT [FILTER…]`: hits of sessions/search.h as lines or JSON. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/app.h"
#include "cli/commands.h"
#include "sessions/search.h"
#include "ui/text.h"

#define HITS_MAX       10000 /* then the search ends, and says so */
#define HITS_OF_STREAM 20    /* per stream of a run, unless -a */
#define SHOWN          160   /* bytes of a hit's line */
#define STEP           ((size_t)64 << 20)

struct searcher {
    struct app *app;
    size_t hits;
    bool out_failed, damaged;
    struct buf out;
};

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* The part of the line around the hit. */
static void cut_line(struct search_hit *h, bool *cut_front, bool *cut_back)
{
    size_t from = h->len > SHOWN && h->at > SHOWN / 4 ? h->at - SHOWN / 4 : 0;
    size_t n = h->len - from < SHOWN ? h->len - from : SHOWN;
    /* A character is not cut in two; of bytes that are none there may be any number. */
    for (int i = 0; i < 3 && from > 0 && is_continuation(h->text[from]); i++)
        from--, n++;
    for (int i = 0; i < 3 && from + n < h->len && is_continuation(h->text[from + n]); i++)
        n++;
    *cut_front = from > 0;
    *cut_back = from + n < h->len;
    h->text += from;
    h->len = n;
}

static void put_json(const struct search_hit *h, struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_str(&w, "session", h->session);
    if (h->run != 0)
        json_w_int(&w, "run", h->run);
    json_w_str(&w, "where", search_place_name(h->where));
    if (h->more) {
        json_w_bool(&w, "more", true);
    } else {
        json_w_int(&w, "line", (int64_t)h->line);
        json_w_strn(&w, "text", h->text, h->len);
    }
    json_w_close_object(&w);
    (void)!json_w_end(&w);
}

static void put_text(const struct search_hit *h, bool front, bool back, struct buf *out)
{
    (void)buf_add_str(out, h->session);
    if (h->run != 0)
        (void)buf_addf(out, ":%u", h->run);
    if (h->more) {
        (void)buf_addf(out, " %s: more is not searched (--all)", search_place_name(h->where));
        return;
    }
    (void)buf_addf(out, " %s:%llu: %s", search_place_name(h->where), (unsigned long long)h->line,
                   front ? "…" : "");
    (void)text_clean(out, h->text, h->len, TEXT_CODE, false, false);
    (void)buf_add_str(out, back ? "…" : "");
}

static int on_hit(void *arg, const struct search_hit *hit)
{
    struct searcher *s = arg;
    struct search_hit h = *hit;
    bool front = false, back = false;
    cut_line(&h, &front, &back);
    if (s->app->opt.json)
        put_json(&h, &s->out);
    else
        put_text(&h, front, back, &s->out);
    (void)buf_add_char(&s->out, '\n');
    s->out_failed = app_print(buf_str(&s->out), s->out.len) < 0;
    buf_reset(&s->out);
    s->hits += !h.more;
    return s->out_failed || s->hits >= HITS_MAX;
}

static int say_end(struct searcher *s, const struct search_progress *p, struct err *e)
{
    if (s->out_failed)
        return app_print_failed(e);
    s->damaged = p->damaged;
    if (s->app->opt.quiet)
        return 0;
    if (p->unreadable == 1)
        fprintf(stderr, "airlock: session %s was not read to its end\n", p->last);
    else if (p->unreadable > 1)
        fprintf(stderr, "airlock: %zu sessions were not read to their end, such as %s\n",
                p->unreadable, p->last);
    if (s->hits >= HITS_MAX)
        fprintf(stderr, "airlock: stopped after %d hits\n", HITS_MAX);
    return 0;
}

static int search(struct searcher *s, const struct search_spec *spec, struct err *e)
{
    struct app *app = s->app;
    struct search *search = NULL;
    struct search_progress p;
    int more;
    if (app_need_index(app, e) < 0 || index_refresh(app->index, e) < 0 ||
        search_new(&search, app->index, app->paths.sessions_dir, spec, on_hit, s, e) < 0)
        return -1;
    while ((more = search_step(search, STEP, e)) == 1)
        ;
    search_told(search, &p);
    search_free(search);
    return more < 0 ? -1 : say_end(s, &p, e);
}

/* What stands behind TEXT are filters; a text of several words is quoted. */
static int take_filters(const struct app *app, struct buf *out, struct err *e)
{
    struct index_query q;
    for (int i = 1; i < app->opt.arg_count; i++)
        (void)buf_addf(out, "%s ", app->opt.args[i]);
    if (index_query_parse(&q, buf_str(out), 0, e) < 0)
        return -1;
    if (q.word_count > 0)
        return err_set(e, ERR_USAGE,
                       "'%.60s' is no filter: a text of several words stands in quotes",
                       q.words[0]);
    return 0;
}

int cmd_search(struct app *app)
{
    struct err e = ERR_INIT;
    struct searcher s = { .app = app, .out = BUF_INIT((size_t)1 << 20) };
    struct buf filter = BUF_INIT(4096);
    struct search_spec spec = { .text = app->opt.arg_count > 0 ? app->opt.args[0] : "",
                                .per_stream = app->opt.all ? 0 : HITS_OF_STREAM };
    int rc = take_filters(app, &filter, &e);
    spec.filter = buf_str(&filter);
    if (rc == 0)
        rc = search(&s, &spec, &e);
    buf_release(&s.out);
    buf_release(&filter);
    if (rc < 0)
        return app_fail(&e);
    if (s.damaged)
        return EXIT_INTEGRITY;
    return s.hits > 0 ? EXIT_OK : EXIT_WORK_FAILED;
}
