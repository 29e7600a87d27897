/* export.c - the walk behind every format, without secrets. */
#include "cli/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/session.h"

#define BLOT         '*'
#define CAST_COLUMNS 120
#define CAST_ROWS    36

static const struct export_format formats[] = {
    { "md", "md", "Markdown, to be read anywhere", true, true, export_md },
    { "html", "html", "one page: to be read, and watched again", true, false, export_html },
    { "ipynb", "ipynb", "a Jupyter notebook", true, false, export_ipynb },
    { "jsonl", "jsonl", "every event; `airlock import` reads it", false, false, export_jsonl },
    { "cast", "cast", "the screen, for asciinema", false, false, export_cast },
};

const struct export_format *export_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    }
    return NULL;
}

const struct export_format *export_find_ending(const char *path)
{
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < ARRAY_LEN(formats); i++) {
        if (strcmp(formats[i].ending, dot + 1) == 0)
            return &formats[i];
    }
    return NULL;
}

const char *export_names(void)
{
    static char names[64];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i > 0 ? ", " : "",
                              formats[i].name);
    return names;
}

bool export_wants(const struct export *x, uint32_t run)
{
    return run == 0 || (run >= x->first && run <= x->last);
}

/* ---- secrets ---- */

/* The bytes of a stream with every secret blotted out, also one that goes across borders. Lengths
 * and offsets stay what they were. */
static ssize_t read_blotted(struct export *x, uint32_t run, unsigned stream, uint64_t offset,
                            char *dst, size_t len, struct err *e)
{
    if (redact_is_idle(x->redact))
        return store_read_output(x->store, run, stream, offset, dst, len, e);
    size_t reach = redact_reach(x->redact);
    size_t before = offset < reach ? (size_t)offset : reach;
    char *wide = xmalloc(before + len + reach);
    ssize_t n =
        store_read_output(x->store, run, stream, offset - before, wide, before + len + reach, e);
    if (n >= 0 && n <= (ssize_t)before) { /* there is a gap in front of it, or nothing */
        before = 0;
        n = store_read_output(x->store, run, stream, offset, wide, len + reach, e);
    }
    if (n >= 0) {
        redact_blot(x->redact, wide, (size_t)n, BLOT);
        n -= (ssize_t)before;
        n = n > (ssize_t)len ? (ssize_t)len : n;
        memcpy(dst, wide + before, (size_t)n);
    }
    explicit_bzero(wide, before + len + reach);
    free(wide);
    return n;
}

static ssize_t read_source(void *arg, uint32_t run, unsigned stream, uint64_t offset, char *dst,
                           size_t len)
{
    struct err ignored = ERR_INIT;
    return read_blotted(arg, run, stream, offset, dst, len, &ignored);
}

struct output_source export_source(struct export *x)
{
    return (struct output_source){ .read = read_source, .arg = x };
}

struct walk {
    struct export *x;
    store_event_fn fn;
    void *arg;
    struct err *e;
    bool failed;
};

static int give_output(struct walk *w, struct event ev)
{
    struct export *x = w->x;
    buf_reset(&x->blotted);
    char *room = buf_reserve(&x->blotted, ev.len);
    if (room == NULL ||
        read_blotted(x, ev.run, ev.stream, ev.offset, room, ev.len, w->e) != (ssize_t)ev.len) {
        w->failed = true;
        return 1;
    }
    ev.bytes = room;
    return w->fn(w->arg, &ev);
}

static int give_json(struct walk *w, struct event ev)
{
    struct buf clean = BUF_INIT(EVENT_BODY_MAX);
    struct json *body = NULL;
    int rc = 1;
    if (redact_text(w->x->redact, ev.json, ev.json_len, &clean) < 0) {
        err_set(w->e, ERR_LIMIT, "event %" PRIu64 ": too large without its secrets", ev.seq);
        w->failed = true;
    } else {
        ev.json = buf_str(&clean);
        ev.json_len = clean.len;
        w->failed = event_parse(&ev, &body, w->e) < 0;
        rc = w->failed ? 1 : w->fn(w->arg, &ev);
    }
    json_free(body);
    buf_release(&clean);
    return rc;
}

static int give(void *arg, const struct event *ev)
{
    struct walk *w = arg;
    if (redact_is_idle(w->x->redact))
        return w->fn(w->arg, ev);
    if (ev->bytes != NULL)
        return give_output(w, *ev);
    if (ev->json != NULL && redact_touches(w->x->redact, ev->json, ev->json_len))
        return give_json(w, *ev);
    return w->fn(w->arg, ev);
}

static int walk(struct export *x, uint64_t to, store_event_fn fn, void *arg, struct err *e)
{
    struct walk w = { .x = x, .fn = fn, .arg = arg, .e = e };
    int rc = store_each(x->store, 1, to, give, &w, e);
    return w.failed ? -1 : rc;
}

int export_each(struct export *x, store_event_fn fn, void *arg, struct err *e)
{
    return x->final.last_seq == 0 ? 0 : walk(x, x->final.last_seq, fn, arg, e);
}

/* ---- the fold ---- */

struct fold {
    struct state *state;
    struct err why;
};

static int fold_event(void *arg, const struct event *ev)
{
    struct fold *f = arg;
    if (state_apply(f->state, ev, NULL, &f->why) == 0)
        return 0;
    err_wrap(&f->why, "event %" PRIu64, ev->seq);
    return 1;
}

/* As far as the record is whole: damage behind that is told, not fatal. */
static int fold(struct export *x, struct err *e)
{
    struct fold f = { .state = &x->final };
    uint64_t to = 0;
    state_init(&x->final);
    state_set_session(&x->final, store_id(x->store));
    bool linked = store_check_links(x->store, &to, &x->broken) == 0;
    struct err why = ERR_INIT;
    if ((linked || to > 0) && walk(x, to, fold_event, &f, &why) < 0)
        x->broken = why;
    if (f.why.code != ERR_NONE)
        x->broken = f.why;
    if (x->broken.code == ERR_NONE)
        return 0;
    if (x->final.last_seq != 0)
        return 0;
    *e = x->broken;
    return err_wrap(e, "session %s", store_id(x->store));
}

/* ---- streams ---- */

struct splitter {
    const struct export_lines *l;
    struct buf held;
    bool stopped;
};

static void split_give(struct splitter *s, const char *p, size_t len, bool had_lf)
{
    if (!s->stopped && s->l->line(s->l->arg, p, len, had_lf) != 0)
        s->stopped = true;
}

static void split_feed(struct splitter *s, const char *p, size_t len)
{
    while (len > 0) {
        size_t room = TEXT_PIECE_MAX - s->held.len, n = len < room ? len : room;
        const char *nl = memchr(p, '\n', n);
        size_t take = nl != NULL ? (size_t)(nl - p) : n;
        bool whole = nl != NULL || s->held.len + take == TEXT_PIECE_MAX;
        if (whole && s->held.len == 0)
            split_give(s, p, take, nl != NULL);
        else
            (void)buf_add(&s->held, p, take);
        if (whole && s->held.len > 0) {
            split_give(s, s->held.ptr, s->held.len, nl != NULL);
            buf_reset(&s->held);
        }
        take += nl != NULL;
        p += take;
        len -= take;
    }
}

static void split_end(struct splitter *s)
{
    if (s->held.len > 0)
        split_give(s, s->held.ptr, s->held.len, false);
    buf_reset(&s->held);
}

static void split_range(struct export *x, uint32_t run, unsigned stream, uint64_t from, uint64_t to,
                        struct splitter *s)
{
    struct err ignored = ERR_INIT;
    char *piece = xmalloc(TEXT_PIECE_MAX);
    while (from < to && !s->stopped) {
        uint64_t next;
        size_t want = to - from < TEXT_PIECE_MAX ? (size_t)(to - from) : TEXT_PIECE_MAX;
        ssize_t n = read_blotted(x, run, stream, from, piece, want, &ignored);
        if (n > 0) {
            split_feed(s, piece, (size_t)n);
            from += (uint64_t)n;
        } else if (n < 0 || !store_find_output(x->store, run, stream, from, &next) ||
                   next <= from || next >= to) {
            break;
        } else {
            split_end(s);
            s->stopped = s->l->gap(s->l->arg, next - from) != 0;
            from = next;
        }
    }
    free(piece);
    split_end(s);
}

void export_stream(struct export *x, uint32_t run, unsigned stream, const struct export_lines *l)
{
    struct splitter s = { .l = l, .held = BUF_INIT(TEXT_PIECE_MAX) };
    uint64_t bytes = store_output_bytes(x->store, run, stream);
    if (bytes <= EXPORT_HEAD_MAX + EXPORT_TAIL_MAX) {
        split_range(x, run, stream, 0, bytes, &s);
    } else {
        split_range(x, run, stream, 0, EXPORT_HEAD_MAX, &s);
        if (!s.stopped)
            s.stopped = l->gap(l->arg, bytes - EXPORT_HEAD_MAX - EXPORT_TAIL_MAX) != 0;
        split_range(x, run, stream, bytes - EXPORT_TAIL_MAX, bytes, &s);
    }
    buf_release(&s.held);
}

int export_result(struct export *x, const struct state_run *r, const struct state_result *res,
                  struct buf *out, struct err *e)
{
    if (res->artifact == NULL || res->artifact[0] == '\0')
        return buf_add_str(out, res->text != NULL ? res->text : "") < 0
                   ? err_set(e, ERR_LIMIT, "it is too large")
                   : 0;
    if (store_read_artifact(x->store, r->number, res->artifact, out, e) < 0)
        return -1;
    const char *name = redact_find(x->redact, buf_str(out), out->len, NULL);
    return name == NULL ? 0 : err_set(e, ERR_DENIED, "it holds the secret %s", name);
}

/* ---- text ---- */

static bool is_plain(const char *line, size_t len)
{
    size_t i = 0;
    while (i < len && (unsigned char)(line[i] - 0x20) < 0x5f)
        i++;
    return i == len;
}

void export_clean_line(const struct export *x, struct buf *out, const char *line, size_t len,
                       enum text_mode mode, bool had_lf)
{
    struct text_iter it;
    struct text_glyph g;
    if (x->raw || is_plain(line, len)) {
        (void)buf_add(out, line, len);
        return;
    }
    text_begin(&it, line, len, mode, had_lf);
    while (text_next(&it, &g)) {
        if (g.mark != MARK_BLANK) {
            for (uint8_t i = 0; i < g.count; i++)
                (void)text_add_cp(out, g.cp[i]);
        } else if (g.end > g.start && line[g.start] != '\r') {
            (void)buf_add(out, line + g.start, g.end - g.start); /* a tab, many blanks */
        }
    }
}

void export_clean(const struct export *x, struct buf *out, const char *p, size_t len,
                  enum text_mode mode)
{
    while (len > 0) {
        const char *nl = memchr(p, '\n', len);
        size_t n = nl != NULL ? (size_t)(nl - p) : len;
        export_clean_line(x, out, p, n, mode, nl != NULL);
        if (nl != NULL)
            (void)buf_add_char(out, '\n');
        n += nl != NULL;
        p += n;
        len -= n;
    }
}

void export_money(int64_t nanousd, char *out, size_t size)
{
    snprintf(out, size, "$%" PRId64 ".%06" PRId64, nanousd / 1000000000, nanousd / 1000 % 1000000);
}

const char *export_ending_of(const char *mime)
{
    static const char *const endings[][2] = {
        { "image/png", "png" },   { "image/jpeg", "jpg" },        { "image/gif", "gif" },
        { "image/webp", "webp" }, { "image/svg+xml", "svg" },     { "text/html", "html" },
        { "text/plain", "txt" },  { "application/json", "json" }, { "text/markdown", "md" },
        { "text/latex", "tex" },  { "text/csv", "csv" },          { "application/pdf", "pdf" },
    };
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        if (strcmp(endings[i][0], mime) == 0)
            return endings[i][1];
    }
    return "bin";
}

const char *export_outcome_word(const struct state_run *r)
{
    static char word[64];
    if (r->status == RUN_DENIED)
        return "denied";
    if (r->status == RUN_STOPPED)
        return "stopped";
    if (r->status != RUN_FINISHED)
        return "not run";
    if (!r->has_exit_code)
        return run_end_name(r->end);
    snprintf(word, sizeof word, "%s %d", run_end_name(r->end), r->exit_code);
    return word;
}

/* ---- the file ---- */

static int write_format(struct export *x, const struct export_options *opt, struct err *e)
{
    if (opt->launcher != NULL && opt->path != NULL
            ? outfile_open_by(x->out, opt->launcher, opt->path, opt->force, e) < 0
            : outfile_open(x->out, opt->path, opt->force, e) < 0)
        return -1;
    int rc = opt->format->write(x, e);
    if (rc == 0)
        return outfile_commit(x->out, e);
    outfile_abandon(x->out);
    return -1;
}

int export_session(struct store *store, const struct redact *redact,
                   const struct export_options *opt, struct err *broken, struct err *e)
{
    char *beside = NULL;
    struct outfile out;
    struct export x = { .store = store,
                        .out = &out,
                        .redact = opt->raw ? NULL : redact,
                        .raw = opt->raw,
                        .first = opt->first,
                        .last = opt->last,
                        .columns = opt->columns != 0 ? opt->columns : CAST_COLUMNS,
                        .rows = opt->rows != 0 ? opt->rows : CAST_ROWS,
                        .blotted = BUF_INIT(STORE_CHUNK_MAX) };
    if (opt->artifacts)
        beside = xasprintf("%s.files", opt->path);
    x.artifacts_dir = beside;
    int rc = fold(&x, e);
    if (rc == 0)
        rc = write_format(&x, opt, e);
    *broken = x.broken;
    if (rc == 0 && broken->code != ERR_NONE)
        err_wrap(broken, "the record is whole only up to event %" PRIu64, x.final.last_seq);
    state_release(&x.final);
    buf_release(&x.blotted);
    free(beside);
    return rc;
}
