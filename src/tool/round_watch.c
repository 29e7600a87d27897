/* round_watch.c - what a model may be talked into: text in output that is addressed to it becomes
 * flags, and the next gate is told of them, of strings that came out of output, and of the canary.
 */
#include "tool/round_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* Of a stream, its beginning is looked at, and in the end what is held of its end: a model is shown
 * OBSERVE_CLIP_BYTES of each. */
#define WATCH_BYTES ((uint64_t)64 << 20)
#define NOTES_MAX   64

struct watch {
    struct round *r;
    uint32_t run;
    const char *stream, *name;
    const struct state_output *held; /* a stream's: lines are counted in its tail */
    const char *text;                /* else: they are counted here */
};

/* ---- life ---- */

/* Told to the model, never recorded: 120 random bits. */
void round_watch_open(struct round *r)
{
    static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789a";
    uint8_t raw[CANARY_SIZE - 1];
    random_bytes(raw, sizeof raw);
    for (size_t i = 0; i < sizeof raw; i++)
        r->canary[i] = letters[raw[i] & 31];
    r->canary[sizeof raw] = '\0';
}

void round_watch_release(struct round *r)
{
    tripwire_free(r->tripwire);
    origin_free(r->origin);
    explicit_bzero(r->canary, sizeof r->canary);
}

static const struct tripwire *need_tripwire(struct round *r)
{
    struct err e = ERR_INIT;
    if (r->tripwire == NULL && tripwire_new(&r->tripwire, r->canary, &e) < 0)
        round_break(r, &e); /* compiled in and tested: a bug, and nothing is approved on a bug */
    return r->tripwire;
}

/* Could text in its results make this planner do something? */
static bool is_steerable(const struct round *r)
{
    return (r->cfg.planner->caps & (PLANNER_PERSON | PLANNER_FIXED)) == 0;
}

/* ---- flags ---- */

static uint64_t lines_between(const char *p, size_t len)
{
    uint64_t n = 0;
    for (const char *nl; len > 0 && (nl = memchr(p, '\n', len)) != NULL; n++) {
        len -= (size_t)(nl + 1 - p);
        p = nl + 1;
    }
    return n;
}

/* 1-based. The tail holds more than what is judged late, so counting back from its end is enough.
 */
static uint64_t line_of(const struct watch *w, uint64_t offset)
{
    const struct state_output *o = w->held;
    if (o == NULL)
        return lines_between(w->text, (size_t)offset) + 1;
    if (offset < o->tail_offset || offset > o->bytes)
        return 0;
    const char *p = o->tail.ptr + (offset - o->tail_offset);
    return o->newlines - lines_between(p, (size_t)(o->bytes - offset)) + 1;
}

static void record_flag(void *arg, const struct tripwire_hit *hit)
{
    const struct watch *w = arg;
    struct round *r = w->r;
    struct event_builder b;
    char why[200];
    bool of_stream = w->held != NULL;
    uint64_t line = line_of(w, hit->offset);
    event_begin(&b, EVENT_RUN_FLAGGED, w->run);
    json_w_str(&b.w, "stream", w->stream);
    if (w->name[0] != '\0')
        json_w_strn(&b.w, "name", w->name, strlen(w->name));
    if (line > 0)
        json_w_int(&b.w, "line", (int64_t)line);
    if (of_stream)
        json_w_int(&b.w, "offset", (int64_t)hit->offset);
    json_w_str(&b.w, "severity", severity_name(hit->severity));
    json_w_str(&b.w, "rule", hit->rule);
    json_w_str(&b.w, "text", hit->text);
    json_w_str(&b.w, "excerpt", hit->excerpt);
    if (round_record(r, &b) < 0 || hit->severity < SEVERITY_HIGH || !is_steerable(r))
        return;
    /* Who granted the lease did not know of it. */
    snprintf(why, sizeof why, "run %u %s line %u: %s", w->run, w->stream, (unsigned)line,
             hit->text);
    round_end_lease(r, why);
}

static const struct state_output *output_of(const struct round *r, uint32_t run, int stream)
{
    const struct state_run *sr = state_run_at(r->cfg.state, run);
    return sr != NULL ? &sr->out[stream] : NULL;
}

static struct watch watch_stream(struct round *r, uint32_t run, int stream)
{
    return (struct watch){ .r = r,
                           .run = run,
                           .stream = stream == STREAM_STDERR ? "stderr" : "stdout",
                           .name = "",
                           .held = output_of(r, run, stream) };
}

/* Output of run 0 is told to nobody. */
void round_watch_output(struct round *r, uint32_t run, int stream, const char *p, size_t len)
{
    struct tripwire_stream *s = &r->streams[1][stream].watch;
    const struct tripwire *t = run != 0 ? need_tripwire(r) : NULL;
    struct watch w = watch_stream(r, run, stream);
    if (t != NULL && s->at <= WATCH_BYTES && w.held != NULL)
        tripwire_feed(t, s, p, len, record_flag, &w);
}

void round_watch_output_end(struct round *r, uint32_t run, int stream)
{
    struct tripwire_stream *s = &r->streams[1][stream].watch;
    struct watch w = watch_stream(r, run, stream);
    if (run == 0 || r->tripwire == NULL || w.held == NULL || r->broken)
        return;
    bool skipped = s->at <= w.held->bytes && !s->over;
    tripwire_end(r->tripwire, s, record_flag, &w);
    if (!skipped)
        return;
    /* A stream of its own, which begins where the tail does. */
    const struct state_output *o = w.held;
    tripwire_stream_init(s);
    s->at = s->decided = o->tail_offset + 1;
    tripwire_feed(r->tripwire, s, o->tail.ptr, o->tail.len, record_flag, &w);
    tripwire_end(r->tripwire, s, record_flag, &w);
}

static void watch_only_canary(void *arg, const struct tripwire_hit *hit)
{
    if (strcmp(hit->rule, "tripwire.canary") == 0)
        record_flag(arg, hit);
}

void round_watch_text(struct round *r, uint32_t run, const char *stream, const char *name,
                      const char *p, size_t len)
{
    const struct tripwire *t = r->broken || len < TRIPWIRE_ANCHOR_MIN ? NULL : need_tripwire(r);
    struct buf clean = BUF_INIT(EVENT_BODY_MAX), clean_name = BUF_INIT(EVENT_BODY_MAX);
    if (t == NULL)
        return;
    /* An excerpt is recorded: what it is taken from is filtered first. */
    if (r->cfg.redact != NULL && !redact_is_idle(r->cfg.redact)) {
        (void)redact_text(r->cfg.redact, p, len, &clean);
        (void)redact_text(r->cfg.redact, name, strlen(name), &clean_name);
        p = buf_str(&clean);
        len = clean.len;
        name = buf_str(&clean_name);
    }
    struct watch w = { .r = r, .run = run, .stream = stream, .name = name, .text = p };
    /* The planner's own words may speak of instructions, but never hold the canary. */
    tripwire_scan(t, p, len, run != 0 ? record_flag : watch_only_canary, &w);
    buf_release(&clean);
    buf_release(&clean_name);
}

/* Only what the planner is shown, and no names out of the sandbox: this is said in our words. */
void round_watch_flags(const struct state_run *sr, struct buf *out)
{
    static const char *const shown[] = { "stdout", "stderr", "result", "error" };
    for (size_t i = 0; i < sr->flag_count; i++) {
        const struct state_flag *f = &sr->flags[i];
        const struct state_flag *before = i > 0 ? f - 1 : NULL;
        bool again =
            before != NULL && before->line == f->line && strcmp(before->stream, f->stream) == 0;
        for (size_t k = 0; k < ARRAY_LEN(shown) && !again; k++) {
            if (strcmp(f->stream, shown[k]) == 0)
                (void)buf_addf(out, "%s%s line %u", out->len > 0 ? ", " : "", shown[k], f->line);
        }
    }
}

/* ---- what was said and shown ---- */

static void add_clipped(struct round *r, const struct state_run *sr, int stream, uint64_t from,
                        uint64_t to, uint64_t line)
{
    const struct output_source *src = &r->cfg.port.output;
    struct buf text = BUF_INIT(2 * OBSERVE_CLIP_BYTES);
    char chunk[4096];
    while (from < to) {
        size_t want = to - from < sizeof chunk ? (size_t)(to - from) : sizeof chunk;
        ssize_t n = src->read(src->arg, sr->number, (unsigned)stream, from, chunk, want);
        if (n <= 0 || buf_add(&text, chunk, (size_t)n) < 0)
            break;
        from += (uint64_t)n;
    }
    if (line == 0) /* that of its end is known */
        line = sr->out[stream].newlines - lines_between(text.ptr, text.len) + 1;
    origin_add(r->origin, ORIGIN_OUTPUT, sr->number, stream == STREAM_STDERR ? "stderr" : "stdout",
               line, buf_str(&text), text.len);
    buf_release(&text);
}

/* The same head and tail that the planner was shown. */
static void add_output(struct round *r, const struct state_run *sr, int stream)
{
    uint64_t total = sr->out[stream].bytes;
    if (total <= 2 * OBSERVE_CLIP_BYTES) {
        add_clipped(r, sr, stream, 0, total, 1);
        return;
    }
    add_clipped(r, sr, stream, 0, OBSERVE_CLIP_BYTES, 1);
    add_clipped(r, sr, stream, total - OBSERVE_CLIP_BYTES, total, 0);
}

static void add_run(struct round *r, const struct state_run *sr)
{
    enum origin_kind writer = sr->own ? ORIGIN_PERSON : ORIGIN_PLANNER;
    origin_add(r->origin, writer, sr->number, "code", 1, sr->code, sr->code_len);
    if (sr->own || sr->twin_of != 0 || sr->status != RUN_FINISHED)
        return; /* the planner is not told of these */
    add_output(r, sr, STREAM_STDOUT);
    add_output(r, sr, STREAM_STDERR);
    origin_add(r->origin, ORIGIN_OUTPUT, sr->number, "error", 1, sr->error_traceback,
               strlen(sr->error_traceback));
    for (size_t i = 0; i < sr->result_count; i++) {
        if (sr->results[i].text != NULL)
            origin_add(r->origin, ORIGIN_OUTPUT, sr->number, "result", 1, sr->results[i].text,
                       strlen(sr->results[i].text));
    }
}

static void add_messages(struct round *r, uint64_t before_seq)
{
    const struct state *st = r->cfg.state;
    for (; r->origin_message < st->message_count; r->origin_message++) {
        const struct state_message *m = &st->messages[r->origin_message];
        if (m->seq >= before_seq)
            return;
        if (strcmp(m->author, "error") != 0)
            origin_add(r->origin,
                       strcmp(m->author, "planner") == 0 ? ORIGIN_PLANNER : ORIGIN_PERSON, 0,
                       "message", 1, m->text, strlen(m->text));
    }
}

/* Everything before `run`. */
static void catch_up(struct round *r, uint32_t run)
{
    const struct state *st = r->cfg.state;
    if (r->origin == NULL)
        r->origin = origin_new();
    while (r->origin_run + 1 < run) {
        const struct state_run *sr = state_run_at(st, ++r->origin_run);
        add_messages(r, sr->first_seq);
        add_run(r, sr);
    }
    add_messages(r, UINT64_MAX);
}

/* ---- notes for the gate ---- */

static void add_note(struct round_notes *n, struct review_finding f)
{
    if (n->count == NOTES_MAX) {
        free(f.text);
        return;
    }
    if (n->list == NULL)
        n->list = xcalloc(NOTES_MAX, sizeof *n->list);
    n->list[n->count++] = f;
}

void round_notes_release(struct round_notes *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->list[i].text);
    free(n->list);
    *n = (struct round_notes){ 0 };
}

static void note_flags(struct round_notes *n, const struct state_run *sr,
                       enum finding_severity most)
{
    for (size_t i = 0; i < sr->flag_count; i++) {
        const struct state_flag *f = &sr->flags[i];
        char where[120];
        state_flag_where(f, sr->number, where, sizeof where);
        add_note(n, (struct review_finding){
                        .severity = f->severity < most ? f->severity : most,
                        .rule = f->rule,
                        .text = xasprintf("%s %s: %.100s", where, f->text, f->excerpt) });
    }
}

/* Flags of what ran since the person last approved something, and of that. */
static void note_runs(struct round *r, uint32_t run, struct round_notes *out)
{
    enum finding_severity most = is_steerable(r) ? SEVERITY_HIGH : SEVERITY_LOW;
    for (uint32_t k = run; k-- > 1;) {
        const struct state_run *sr = state_run_at(r->cfg.state, k);
        if (sr->own || sr->twin_of != 0)
            continue;
        note_flags(out, sr, most);
        if (strcmp(sr->decision, "approve") == 0 && strcmp(sr->by, "person") == 0)
            return;
    }
}

static bool line_is_flagged(const struct state *st, const struct origin_mark *m)
{
    const struct state_run *sr = state_run_at(st, m->run);
    for (size_t i = 0; sr != NULL && i < sr->flag_count; i++) {
        if (sr->flags[i].line == m->from_line && strcmp(sr->flags[i].stream, m->what) == 0)
            return true;
    }
    return false;
}

/* The beginning of what was copied, fit to stand in a line. */
static void shorten(const char *p, size_t len, char *out, size_t size)
{
    size_t n = len < size - 4 ? len : utf8_valid_prefix(p, size - 4);
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)p[i] < ' ' || p[i] == 0x7f ? '?' : p[i];
    snprintf(out + n, size - n, "%s", n < len ? "..." : "");
}

/* What the output told the model to write, it writes: that is grave. Else it only informs. */
static void note_origins(struct round *r, const struct state_run *sr, struct round_notes *out)
{
    struct origin_mark marks[ORIGIN_MARKS_MAX];
    catch_up(r, sr->number);
    size_t n = origin_find(r->origin, lex_language(sr->language), sr->code, sr->code_len, marks,
                           ARRAY_LEN(marks));
    for (size_t i = 0; i < n; i++) {
        const struct origin_mark *m = &marks[i];
        bool flagged = is_steerable(r) && line_is_flagged(r->cfg.state, m);
        char shown[64];
        shorten(sr->code + m->start, m->len, shown, sizeof shown);
        add_note(out, (struct review_finding){
                          .line = m->line,
                          .severity = flagged ? SEVERITY_HIGH : SEVERITY_INFO,
                          .rule = flagged ? "origin.flagged" : "origin.output",
                          .text = xasprintf("\"%s\" came from run %u %s line %llu%s", shown, m->run,
                                            m->what, (unsigned long long)m->from_line,
                                            flagged ? ", which speaks to the model" : "") });
    }
}

struct canary_note {
    struct round_notes *out;
    const char *what, *text; /* text: to count lines in; NULL none */
};

static void note_canary(void *arg, const struct tripwire_hit *hit)
{
    const struct canary_note *c = arg;
    if (strcmp(hit->rule, "tripwire.canary") != 0)
        return;
    add_note(
        c->out,
        (struct review_finding){
            .line = c->text != NULL ? (uint32_t)lines_between(c->text, (size_t)hit->offset) + 1 : 0,
            .severity = SEVERITY_HIGH,
            .rule = "tripwire.canary",
            .text = xasprintf("%s %s", c->what, hit->text) });
}

/* What would leave with the proposal: a planner's has no arguments and no input. */
static void note_canaries(struct round *r, const struct state_run *sr, struct round_notes *out)
{
    const struct proposal *p = proposal_of(r, sr->number);
    const struct tripwire *t = need_tripwire(r);
    if (t == NULL)
        return;
    struct canary_note code = { out, "the code", sr->code }, rest = { out, "its purpose", NULL };
    tripwire_scan(t, sr->purpose, strlen(sr->purpose), note_canary, &rest);
    rest.what = "its expectation";
    tripwire_scan(t, sr->expect, strlen(sr->expect), note_canary, &rest);
    for (size_t i = 0; i < p->file_count; i++) {
        rest.what = "a file with it";
        tripwire_scan(t, p->files[i].ptr, p->files[i].len, note_canary, &rest);
    }
    tripwire_scan(t, sr->code, sr->code_len, note_canary, &code);
}

static int by_line(const void *a, const void *b)
{
    const struct review_finding *x = a, *y = b;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->severity != y->severity)
        return x->severity > y->severity ? -1 : 1;
    int c = strcmp(x->rule, y->rule);
    return c != 0 ? c : strcmp(x->text, y->text);
}

void round_watch_notes(struct round *r, uint32_t run, struct round_notes *out)
{
    const struct state_run *sr = state_run_at(r->cfg.state, run);
    if (sr->own || sr->twin_of != 0)
        return;
    note_runs(r, run, out);
    note_canaries(r, sr, out);
    note_origins(r, sr, out);
    if (out->count > 1)
        qsort(out->list, out->count, sizeof *out->list, by_line);
}
