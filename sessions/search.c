/* search.c - the texts of the index, then the output of each session that has any. */
#include "sessions/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sessions/index_int.h"
#include "sessions/store.h"

#define TITLES_MAX ((size_t)64 << 10)
#define STREAMS    2
#define CARRY_MAX  ((size_t)SEARCH_TEXT_MAX + 512)

/* One stream of one run, as far as it was read. */
struct stream {
    uint32_t run;
    uint64_t next, line; /* offset expected; number of the line that the carry lies in */
    size_t hits;
    bool told;        /* the line that goes on was told already */
    struct buf carry; /* the end of what was read */
};

struct search {
    struct index *ix;
    char *dir, *text;
    size_t text_len, per_stream;
    search_fn fn;
    void *arg;
    struct index_query filter;
    bool stopped;
    struct sql_stmt *texts; /* NULL before and after */
    struct buf titles;      /* of the plan of titles_of that were told, each with its NUL */
    char titles_of[ID_LEN + 1];
    bool texts_done;
    char **ids; /* with output, newest first */
    bool *has;
    size_t id_count, id_cap, at;
    struct store *store; /* of ids[at] */
    bool walking;
    struct stream streams[STREAMS];
    struct search_progress progress;
};

const char *search_place_name(enum search_place p)
{
    static const char *const names[] = { "task",   "plan",  "planner", "note",  "code",
                                         "result", "error", "stdout",  "stderr" };
    return names[p];
}

/* ---- finding ---- */

static const char *find(const struct search *s, const char *p, const char *end)
{
    return end > p ? memmem(p, (size_t)(end - p), s->text, s->text_len) : NULL;
}

/* Line ends in a stretch, eight bytes at a time: exact, and several GB/s. */
static uint64_t count_lines(const char *p, size_t len)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f), lf = UINT64_C(0x0a0a0a0a0a0a0a0a);
    uint64_t n = 0;
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t w;
        memcpy(&w, p + i, 8);
        w ^= lf; /* a zero byte where a line ends */
        n += (uint64_t)__builtin_popcountll(~(((w & low) + low) | w | low));
    }
    for (; i < len; i++)
        n += p[i] == '\n';
    return n;
}

static void tell(struct search *s, const struct search_hit *hit)
{
    struct search_hit h = *hit;
    size_t from = h.at > SEARCH_LINE_MAX / 2 ? h.at - SEARCH_LINE_MAX / 2 : 0;
    h.text += from;
    h.at -= from;
    h.len = h.len - from < SEARCH_LINE_MAX ? h.len - from : SEARCH_LINE_MAX;
    s->stopped |= s->fn(s->arg, &h) != 0;
}

/* ---- texts ---- */

static void search_text(struct search *s, struct search_hit *hit, const char *p, size_t len)
{
    const char *counted = p, *end = p + len;
    hit->line = 1;
    for (const char *at = p; !s->stopped;) {
        const char *found = find(s, at, end);
        if (found == NULL)
            return;
        for (const char *lf; (lf = memchr(counted, '\n', (size_t)(found - counted))) != NULL;
             counted = lf + 1)
            hit->line++;
        const char *stop = memchr(found, '\n', (size_t)(end - found));
        at = stop != NULL ? stop : end;
        hit->text = counted;
        hit->len = (size_t)(at - counted);
        hit->at = (size_t)(found - counted);
        tell(s, hit);
    }
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Of the sessions that the filter lets through. */
static bool is_wanted(const struct search *s, char *const *sorted, const char *id)
{
    return bsearch(&id, sorted, s->id_count, sizeof *sorted, compare_ids) != NULL;
}

/* A plan is written down whole each time a step of it moves: each title is told once. */
static bool is_told(struct search *s, const struct search_hit *hit, const char *body, size_t len)
{
    if (hit->where != SEARCH_PLAN)
        return false;
    if (strcmp(s->titles_of, hit->session) != 0)
        buf_reset(&s->titles);
    snprintf(s->titles_of, sizeof s->titles_of, "%s", hit->session);
    for (const char *at = buf_str(&s->titles), *end = at + s->titles.len; at < end;
         at += strlen(at) + 1) {
        if (strcmp(at, body) == 0)
            return true;
    }
    (void)buf_add(&s->titles, body, len + 1); /* full: some are told again */
    return false;
}

static int step_texts(struct search *s, size_t budget, struct err *e)
{
    size_t done = 0, len = 0;
    int got = 1;
    char **sorted = xreallocarray(NULL, s->id_count + 1, sizeof *sorted);
    if (s->id_count > 0)
        memcpy(sorted, s->ids, s->id_count * sizeof *sorted);
    qsort(sorted, s->id_count, sizeof *sorted, compare_ids);
    while (!s->stopped && done < budget && (got = sql_step(s->texts, e)) == 1) {
        const char *id = sql_text(s->texts, 0, NULL), *body = sql_text(s->texts, 3, &len);
        struct search_hit hit = { .session = id,
                                  .run = (uint32_t)sql_int(s->texts, 1),
                                  .where = (enum search_place)sql_int(s->texts, 2) };
        done += len + 64;
        if (find(s, body, body + len) != NULL && is_wanted(s, sorted, id) &&
            !is_told(s, &hit, body, len))
            search_text(s, &hit, body, len);
    }
    free(sorted);
    s->texts_done = got == 0;
    return got < 0 ? -1 : 0;
}

/* ---- output ---- */

static void start_stream(struct stream *st, uint32_t run)
{
    st->run = run;
    st->line = 1;
    st->next = 0;
    st->hits = 0;
    st->told = false;
    buf_reset(&st->carry);
}

static bool is_full(const struct search *s, const struct stream *st)
{
    return s->per_stream != 0 && st->hits >= s->per_stream;
}

static void tell_line(struct search *s, struct stream *st, struct search_hit *hit)
{
    st->hits++;
    tell(s, hit);
    if (is_full(s, st)) { /* a flood of hits in one output must not hide the others */
        struct search_hit more = { .session = hit->session,
                                   .run = hit->run,
                                   .where = hit->where,
                                   .line = hit->line,
                                   .text = "",
                                   .more = true };
        tell(s, &more);
    }
}

/* A line that began in an earlier chunk: what is left of that, then `p` up to its end. */
static void tell_joined(struct search *s, struct stream *st, struct search_hit *hit, size_t found,
                        const char *p, size_t len)
{
    struct buf line = BUF_INIT(2 * SEARCH_LINE_MAX + CARRY_MAX);
    const char *all = buf_str(&st->carry), *lf = memrchr(all, '\n', st->carry.len);
    size_t from = lf != NULL ? (size_t)(lf - all) + 1 : 0;
    (void)buf_add(&line, all + from, st->carry.len - from);
    (void)buf_add(&line, p, len < SEARCH_LINE_MAX ? len : SEARCH_LINE_MAX);
    hit->line = st->line;
    hit->text = buf_str(&line);
    hit->len = line.len;
    hit->at = found - from;
    st->told = true;
    tell_line(s, st, hit);
    buf_release(&line);
}

/* The text may lie across the border of two chunks; it holds no line end, so it then lies in the
 * line that goes on. */
static void search_border(struct search *s, struct stream *st, struct search_hit *hit,
                          const char *p, size_t len)
{
    char room[2 * SEARCH_TEXT_MAX];
    size_t want = s->text_len - 1, back = want < st->carry.len ? want : st->carry.len,
           ahead = want < len ? want : len;
    if (back == 0 || st->told)
        return;
    memcpy(room, st->carry.ptr + st->carry.len - back, back);
    memcpy(room + back, p, ahead);
    const char *found = find(s, room, room + back + ahead);
    if (found != NULL) {
        const char *lf = memchr(p, '\n', len);
        tell_joined(s, st, hit, st->carry.len - back + (size_t)(found - room), p,
                    lf != NULL ? (size_t)(lf - p) : len);
    }
}

static void search_chunk(struct search *s, struct stream *st, struct search_hit *hit, const char *p,
                         size_t len)
{
    const char *counted = p, *end = p + len;
    for (const char *at = p; !s->stopped && !is_full(s, st);) {
        const char *found = find(s, at, end);
        if (found == NULL)
            break;
        const char *lf = memrchr(counted, '\n', (size_t)(found - counted));
        if (lf != NULL) {
            st->line += count_lines(counted, (size_t)(lf + 1 - counted));
            st->told = false;
            counted = lf + 1;
        }
        const char *stop = memchr(found, '\n', (size_t)(end - found));
        at = stop != NULL ? stop : end;
        if (st->told)
            continue;
        if (counted == p && (size_t)(found - p) < SEARCH_LINE_MAX / 2) {
            tell_joined(s, st, hit, st->carry.len + (size_t)(found - p), p, (size_t)(at - p));
            continue;
        }
        hit->line = st->line;
        hit->text = counted;
        hit->len = (size_t)(at - counted);
        hit->at = (size_t)(found - counted);
        st->told = true;
        tell_line(s, st, hit);
    }
    uint64_t lines = count_lines(counted, (size_t)(end - counted));
    st->line += lines;
    st->told = st->told && lines == 0;
}

/* What may go on in the next chunk: enough for the text, and to show what its line began with. */
static void keep_end(struct stream *st, const char *p, size_t len)
{
    size_t n = len < CARRY_MAX ? len : CARRY_MAX;
    if (st->carry.len + n > CARRY_MAX)
        buf_drop_front(&st->carry, st->carry.len + n - CARRY_MAX);
    (void)buf_add(&st->carry, p + len - n, n);
}

static void search_output(struct search *s, const struct store_chunk *c)
{
    if (c->stream < 1 || c->stream > STREAMS || c->len == 0)
        return;
    struct stream *st = &s->streams[c->stream - 1];
    if (st->run != c->run || st->next != c->offset)
        start_stream(st, c->run);
    st->next = c->offset + c->len;
    if (is_full(s, st))
        return;
    struct search_hit hit = { .session = s->ids[s->at],
                              .run = c->run,
                              .where = c->stream == 2 ? SEARCH_STDERR : SEARCH_STDOUT };
    search_border(s, st, &hit, c->bytes, c->len);
    search_chunk(s, st, &hit, c->bytes, c->len);
    keep_end(st, c->bytes, c->len);
}

/* `why` NULL: it was read to its end. */
static void leave_session(struct search *s, const struct err *why)
{
    if (why != NULL) {
        s->progress.damaged |= why->code == ERR_INTEGRITY;
        s->progress.unreadable++;
        snprintf(s->progress.last, sizeof s->progress.last, "%s", s->ids[s->at]);
    }
    store_close(s->store);
    s->store = NULL;
    s->walking = false;
    s->progress.done++;
    s->at++;
}

static int open_session(struct search *s, struct err *e)
{
    char *path = xasprintf("%s/%s.db", s->dir, s->ids[s->at]);
    int rc = store_open_read(&s->store, path, e);
    free(path);
    for (size_t i = 0; i < STREAMS; i++)
        start_stream(&s->streams[i], 0);
    return rc;
}

static void step_output(struct search *s, size_t budget)
{
    struct err why = ERR_INIT;
    for (size_t done = 0; done < budget && s->at < s->id_count && !s->stopped;) {
        struct store_chunk c;
        if (s->store == NULL && !s->has[s->at]) {
            s->at++;
            continue;
        }
        done += 4096;
        if (s->store == NULL && open_session(s, &why) < 0) {
            leave_session(s, &why);
            continue;
        }
        int got = store_walk_output(s->store, &s->walking, &c, &why);
        if (got != 1) {
            leave_session(s, got == 0 ? NULL : &why);
            continue;
        }
        search_output(s, &c);
        s->progress.bytes += c.len;
        done += c.len;
    }
}

/* ---- life ---- */

static int take_id(void *arg, const struct index_entry *x)
{
    struct search *s = arg;
    if (s->id_count == s->id_cap) {
        s->id_cap = s->id_cap * 2 + 64;
        s->ids = xreallocarray(s->ids, s->id_cap, sizeof *s->ids);
        s->has = xreallocarray(s->has, s->id_cap, sizeof *s->has);
    }
    s->has[s->id_count] = x->has_output || x->problem[0] != '\0' || x->live;
    s->progress.sessions += s->has[s->id_count];
    s->ids[s->id_count++] = xstrdup(x->id);
    return 0;
}

static int check_spec(const struct search_spec *spec, struct err *e)
{
    size_t len = strlen(spec->text);
    if (len == 0 || len > SEARCH_TEXT_MAX || strchr(spec->text, '\n') != NULL)
        return err_set(e, ERR_USAGE, "search takes one TEXT of 1 to %d bytes, without line ends",
                       SEARCH_TEXT_MAX);
    return 0;
}

int search_new(struct search **out, struct index *ix, const char *sessions_dir,
               const struct search_spec *spec, search_fn fn, void *arg, struct err *e)
{
    if (check_spec(spec, e) < 0)
        return -1;
    struct search *s = xcalloc(1, sizeof *s);
    s->ix = ix;
    s->dir = xstrdup(sessions_dir);
    buf_init(&s->titles, TITLES_MAX);
    s->text = xstrdup(spec->text);
    s->text_len = strlen(spec->text);
    s->per_stream = spec->per_stream;
    s->fn = fn;
    s->arg = arg;
    for (size_t i = 0; i < STREAMS; i++)
        buf_init(&s->streams[i].carry, CARRY_MAX);
    if (index_list(ix, spec->filter, INDEX_KEPT, 0, take_id, s, e) < 0 ||
        sql_prepare(ix->db, &s->texts,
                    "SELECT id, run, place, body FROM text ORDER BY id DESC, seq, nth", e) < 0) {
        search_free(s);
        return -1;
    }
    *out = s;
    return 0;
}

int search_step(struct search *s, size_t budget, struct err *e)
{
    if (!s->texts_done && step_texts(s, budget, e) < 0)
        return -1;
    if (s->texts_done && s->texts != NULL) {
        sql_finalize(s->texts);
        s->texts = NULL;
    } else if (s->texts_done) {
        step_output(s, budget);
    }
    return !s->stopped && (!s->texts_done || s->texts != NULL || s->at < s->id_count);
}

void search_free(struct search *s)
{
    if (s == NULL)
        return;
    sql_finalize(s->texts);
    store_close(s->store);
    for (size_t i = 0; i < s->id_count; i++)
        free(s->ids[i]);
    for (size_t i = 0; i < STREAMS; i++)
        buf_release(&s->streams[i].carry);
    free(s->ids);
    free(s->has);
    free(s->dir);
    free(s->text);
    buf_release(&s->titles);
    free(s);
}

void search_told(const struct search *s, struct search_progress *out)
{
    *out = s->progress;
}
