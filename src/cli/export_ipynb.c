/* export_ipynb.c - a session as a Jupyter notebook (nbformat 4.5).
 *
 * Code that ran is a code cell with its outputs; code that was denied, or never ran, is a raw cell,
 * so that "run all" does not run it. Unless `raw`, results are only of kinds that a viewer does not
 * execute or load things for; what is left out is named in the cell's metadata.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/export_doc.h"
#include "cli/export_mdtext.h"

#define CELL_MAX ((size_t)96 << 20)

struct notebook {
    struct export *x;
    struct outfile *out;
    struct buf text; /* prose of the cell at hand */
    size_t cells;
    const char *language;
};

static void put(struct notebook *nb, const char *s)
{
    outfile_add_str(nb->out, s);
}

/* A JSON string without its quotes: cleaned text goes out in pieces. */
static void put_piece(struct notebook *nb, const char *p, size_t len)
{
    struct buf one = BUF_INIT(CELL_MAX);
    struct json_w w;
    json_w_init(&w, &one);
    json_w_strn(&w, NULL, p, len);
    if (json_w_end(&w) == 0)
        outfile_add(nb->out, one.ptr + 1, one.len - 2);
    buf_release(&one);
}

static void put_string(struct notebook *nb, const char *s)
{
    put(nb, "\"");
    put_piece(nb, s, strlen(s));
    put(nb, "\"");
}

static void put_cleaned(struct notebook *nb, const char *p, size_t len, enum text_mode mode)
{
    struct buf clean = BUF_INIT(CELL_MAX);
    export_clean(nb->x, &clean, p, len, mode);
    put(nb, "\"");
    put_piece(nb, buf_str(&clean), clean.len);
    put(nb, "\"");
    buf_release(&clean);
}

static void begin_cell(struct notebook *nb, const char *type)
{
    outfile_addf(nb->out, "%s\n{\"cell_type\":\"%s\",\"id\":\"cell-%zu\"", nb->cells > 0 ? "," : "",
                 type, nb->cells + 1);
    nb->cells++;
}

/* The prose that was put together becomes a cell. */
static void prose_cell(struct notebook *nb)
{
    while (nb->text.len > 0 && nb->text.ptr[nb->text.len - 1] == '\n')
        buf_truncate(&nb->text, nb->text.len - 1);
    if (nb->text.len == 0)
        return;
    begin_cell(nb, "markdown");
    put(nb, ",\"metadata\":{},\"source\":\"");
    put_piece(nb, nb->text.ptr, nb->text.len);
    put(nb, "\"}");
    buf_reset(&nb->text);
}

/* ---- outputs ---- */

struct outputs {
    struct notebook *nb;
    const struct state_run *r;
    size_t count;
};

static void begin_output(struct outputs *o, const char *type)
{
    outfile_addf(o->nb->out, "%s\n {\"output_type\":\"%s\"", o->count++ > 0 ? "," : "", type);
}

static int stream_line(void *arg, const char *line, size_t len, bool had_lf)
{
    struct notebook *nb = arg;
    buf_reset(&nb->text);
    export_clean_line(nb->x, &nb->text, line, len, TEXT_OUTPUT, had_lf);
    put_piece(nb, buf_str(&nb->text), nb->text.len);
    put(nb, had_lf ? "\\n" : "");
    return outfile_failed(nb->out);
}

static int stream_gap(void *arg, uint64_t bytes)
{
    struct notebook *nb = arg;
    outfile_addf(nb->out, "[… %" PRIu64 " bytes are not shown here]\\n", bytes);
    return 0;
}

static void put_stream(struct outputs *o, unsigned stream)
{
    struct export_lines lines = { stream_line, stream_gap, o->nb };
    if (o->r->out[stream].bytes == 0)
        return;
    begin_output(o, "stream");
    outfile_addf(o->nb->out, ",\"name\":\"%s\",\"text\":\"",
                 stream == STREAM_STDERR ? "stderr" : "stdout");
    export_stream(o->nb->x, o->r->number, stream, &lines);
    buf_reset(&o->nb->text);
    if (o->r->out[stream].dropped > 0)
        outfile_addf(o->nb->out, "[truncated +%" PRIu64 " bytes]\\n", o->r->out[stream].dropped);
    put(o->nb, "\"}");
}

static bool is_mime(const char *s)
{
    size_t len = strlen(s);
    return len >= 3 && len <= 100 && strchr(s, '/') != NULL &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-/_") == len;
}

static bool is_json(const char *mime)
{
    size_t len = strlen(mime);
    return strcmp(mime, "application/json") == 0 ||
           (len > 5 && strcmp(mime + len - 5, "+json") == 0);
}

/* Kinds that a viewer shows without executing or loading anything. */
static bool is_passive(const char *mime, const struct buf *b)
{
    static const struct {
        const char *mime, *magic;
        size_t len;
    } pictures[] = {
        { "image/png", "\x89PNG\r\n\x1a\n", 8 },
        { "image/jpeg", "\xff\xd8\xff", 3 },
        { "image/gif", "GIF8", 4 },
    };
    for (size_t i = 0; i < ARRAY_LEN(pictures); i++) {
        if (strcmp(mime, pictures[i].mime) == 0)
            return b->len > pictures[i].len &&
                   memcmp(b->ptr, pictures[i].magic, pictures[i].len) == 0;
    }
    return strcmp(mime, "text/plain") == 0 || strcmp(mime, "application/json") == 0;
}

static void put_json(struct notebook *nb, struct buf *b)
{
    struct json *o = NULL;
    struct err ignored = ERR_INIT;
    struct buf text = BUF_INIT(CELL_MAX);
    if (json_parse(&o, buf_str(b), b->len, &ignored) == 0 && json_print(o, &text) == 0)
        outfile_add(nb->out, text.ptr, text.len);
    else
        put_cleaned(nb, buf_str(b), b->len, TEXT_OUTPUT);
    json_free(o);
    buf_release(&text);
}

static void put_base64(struct notebook *nb, const struct buf *b)
{
    struct buf text = BUF_INIT(CELL_MAX);
    put(nb, "\"");
    if (base64_encode(&text, b->ptr, b->len) == 0)
        outfile_add(nb->out, buf_str(&text), text.len);
    put(nb, "\"");
    buf_release(&text);
}

static void put_data(struct notebook *nb, const char *mime, struct buf *b)
{
    bool text = strncmp(mime, "text/", 5) == 0 || strcmp(mime, "image/svg+xml") == 0 ||
                strcmp(mime, "application/javascript") == 0;
    if (is_json(mime))
        put_json(nb, b);
    else if (text)
        put_cleaned(nb, buf_str(b), b->len, TEXT_OUTPUT);
    else
        put_base64(nb, b);
}

/* How many of the results from `at` on are one value in several forms: its text comes first. */
static size_t bundle_length(const struct state_run *r, size_t at)
{
    size_t n = 1;
    while (at + n < r->result_count && r->results[at + n].main == r->results[at].main &&
           strcmp(r->results[at + n].mime, "text/plain") != 0) {
        for (size_t i = 0; i < n; i++) {
            if (strcmp(r->results[at + i].mime, r->results[at + n].mime) == 0)
                return n;
        }
        n++;
    }
    return n;
}

/* One member of the bundle; false: it was left out, for the reason in `why`. */
static bool put_member(struct outputs *o, const struct state_result *res, bool first,
                       struct err *why)
{
    struct notebook *nb = o->nb;
    struct buf b = BUF_INIT(STORE_BLOB_MAX);
    int rc = export_result(nb->x, o->r, res, &b, why);
    if (rc == 0 && (!is_mime(res->mime) || (!nb->x->raw && !is_passive(res->mime, &b))))
        rc = err_set(why, ERR_DENIED, "%.80s", res->mime);
    if (rc == 0) {
        put(nb, first ? "" : ",");
        put_string(nb, res->mime);
        put(nb, ":");
        put_data(nb, res->mime, &b);
    }
    buf_release(&b);
    return rc == 0;
}

static void put_bundle(struct outputs *o, size_t at, size_t n)
{
    struct notebook *nb = o->nb;
    bool main = o->r->results[at].main && at + n == o->r->result_count, first = true;
    struct buf left = BUF_INIT(64 << 10);
    begin_output(o, main ? "execute_result" : "display_data");
    if (main)
        outfile_addf(nb->out, ",\"execution_count\":%u", o->r->number);
    put(nb, ",\"data\":{");
    for (size_t i = 0; i < n; i++) {
        struct err why = ERR_INIT;
        if (put_member(o, &o->r->results[at + i], first, &why))
            first = false;
        else
            (void)buf_addf(&left, "%s%s", left.len > 0 ? "; " : "", why.msg);
    }
    if (first) { /* nothing else is shown for it */
        put(nb, "\"text/plain\":\"[left out: ");
        export_clean(nb->x, &nb->text, buf_str(&left), left.len, TEXT_PROSE);
        put_piece(nb, buf_str(&nb->text), nb->text.len);
        put(nb, "]\"");
        buf_reset(&nb->text);
    }
    put(nb, "},\"metadata\":{");
    if (left.len > 0) {
        put(nb, "\"airlock\":{\"left_out\":");
        put_cleaned(nb, left.ptr, left.len, TEXT_PROSE);
        put(nb, "}");
    }
    put(nb, "}}");
    buf_release(&left);
}

static void put_error(struct outputs *o)
{
    const struct state_run *r = o->r;
    struct notebook *nb = o->nb;
    if (r->error_name == NULL || r->error_name[0] == '\0')
        return;
    begin_output(o, "error");
    put(nb, ",\"ename\":");
    put_cleaned(nb, r->error_name, strlen(r->error_name), TEXT_PROSE);
    put(nb, ",\"evalue\":");
    put_cleaned(nb, r->error_value, strlen(r->error_value), TEXT_PROSE);
    put(nb, ",\"traceback\":[");
    const char *s = r->error_traceback != NULL ? r->error_traceback : "";
    for (bool first = true; *s != '\0'; first = false) {
        size_t n = strcspn(s, "\n");
        put(nb, first ? "" : ",");
        put_cleaned(nb, s, n, TEXT_OUTPUT);
        s += n + (s[n] == '\n');
    }
    put(nb, "]}");
}

/* ---- cells ---- */

static void put_fact(struct notebook *nb, const char *key, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    outfile_addf(nb->out, ",\"%s\":", key);
    put_cleaned(nb, value, strlen(value), TEXT_PROSE);
}

static void put_facts(struct notebook *nb, const struct state_run *now)
{
    /* The verdict is known at the end only. */
    const struct state_run *r = state_run_at(&nb->x->final, now->number);
    r = r != NULL ? r : now;
    outfile_addf(nb->out, ",\"metadata\":{\"airlock\":{\"run\":%u", r->number);
    put_fact(nb, "capsule", r->capsule);
    put_fact(nb, "language", r->language);
    put_fact(nb, "decision", r->decision);
    put_fact(nb, "by", r->by);
    put_fact(nb, "end", export_outcome_word(r));
    put_fact(nb, "verdict", r->verdict != VERDICT_NONE ? run_verdict_name(r->verdict) : "");
    if (r->twin_of != 0)
        outfile_addf(nb->out, ",\"twin_of\":%u", r->twin_of);
    put(nb, "}}");
}

/* Code in another language than the notebook's says so the way its kernel understands. */
static void put_source(struct notebook *nb, const struct state_run *r, bool runs)
{
    struct buf clean = BUF_INIT(CELL_MAX);
    bool other = strcmp(r->language, nb->language) != 0 && strcmp(nb->language, "python") == 0;
    put(nb, ",\"source\":\"");
    if (runs && other)
        put(nb, strcmp(r->language, "javascript") == 0 ? "%%script node\\n" : "%%bash\\n");
    export_clean(nb->x, &clean, r->code, r->code_len, TEXT_CODE);
    put_piece(nb, buf_str(&clean), clean.len);
    put(nb, "\"");
    buf_release(&clean);
}

static void say_proposal(struct notebook *nb, const struct state_run *r)
{
    struct buf title = BUF_INIT(4096);
    doc_run_title(r, &title);
    (void)buf_add_str(&nb->text, "### ");
    md_inline(nb->x, &nb->text, buf_str(&title));
    (void)buf_add_str(&nb->text, "\n\n");
    if (r->purpose[0] != '\0') {
        md_inline(nb->x, &nb->text, r->purpose);
        (void)buf_add_str(&nb->text, "\n\n");
    }
    md_findings(nb->x, &nb->text, r);
    if (r->decision[0] != '\0')
        md_decision(nb->x, &nb->text, r);
    prose_cell(nb);
    buf_release(&title);
}

static void code_cell(struct notebook *nb, const struct state_run *r)
{
    struct outputs o = { .nb = nb, .r = r };
    begin_cell(nb, "code");
    put_facts(nb, r);
    outfile_addf(nb->out, ",\"execution_count\":%u", r->number);
    put_source(nb, r, true);
    put(nb, ",\"outputs\":[");
    put_stream(&o, STREAM_STDOUT);
    put_stream(&o, STREAM_STDERR);
    for (size_t i = 0; i < r->result_count;) {
        size_t n = bundle_length(r, i);
        put_bundle(&o, i, n);
        i += n;
    }
    put_error(&o);
    put(nb, "]}");
}

static void raw_cell(struct notebook *nb, const struct state_run *r)
{
    begin_cell(nb, "raw");
    put_facts(nb, r);
    put_source(nb, r, false);
    put(nb, "}");
}

static void on_ran(void *arg, const struct state_run *r, const struct event *ev)
{
    struct notebook *nb = arg;
    (void)ev;
    say_proposal(nb, r);
    if (r->started_at_us != 0)
        code_cell(nb, r);
    else
        raw_cell(nb, r);
}

static void on_decided(void *arg, const struct state_run *r, const struct event *ev)
{
    struct notebook *nb = arg;
    (void)ev;
    if (r->status != RUN_DENIED && r->status != RUN_STOPPED)
        return;
    say_proposal(nb, r);
    raw_cell(nb, r);
}

static void on_verdict(void *arg, const struct state_run *r, const struct event *ev)
{
    struct notebook *nb = arg;
    (void)ev;
    if (r->verdict == VERDICT_UNVERIFIED)
        return;
    md_checks(nb->x, &nb->text, r);
    prose_cell(nb);
}

static void on_words(void *arg, const struct event *ev, const char *author, const char *text)
{
    struct notebook *nb = arg;
    (void)buf_add_str(&nb->text, "**");
    md_inline(nb->x, &nb->text, ev->type == EVENT_TASK_GIVEN ? "task" : author);
    (void)buf_add_str(&nb->text, "**\n\n");
    md_block(nb->x, &nb->text, "text", text, strlen(text), TEXT_PROSE);
    prose_cell(nb);
}

/* ---- the whole ---- */

static const struct {
    const char *language, *kernel, *shown;
} kernels[] = { { "python", "python3", "Python 3" },
                { "javascript", "javascript", "JavaScript" },
                { "bash", "bash", "Bash" } };

/* The language most runs are in. */
static size_t choose_kernel(const struct state *st)
{
    size_t counts[ARRAY_LEN(kernels)] = { 0 }, best = 0;
    for (size_t i = 0; i < st->run_count; i++) {
        for (size_t k = 0; k < ARRAY_LEN(kernels); k++)
            counts[k] += strcmp(st->runs[i]->language, kernels[k].language) == 0;
    }
    for (size_t k = 1; k < ARRAY_LEN(kernels); k++)
        best = counts[k] > counts[best] ? k : best;
    return best;
}

static void put_end(struct notebook *nb, size_t k)
{
    const struct export *x = nb->x;
    outfile_addf(
        nb->out,
        "\n],\n\"metadata\":{\"kernelspec\":{\"name\":\"%s\",\"display_name\":\"%s\","
        "\"language\":\"%s\"},\"language_info\":{\"name\":\"%s\"},\"airlock\":{\"session\":",
        kernels[k].kernel, kernels[k].shown, kernels[k].language, kernels[k].language);
    put_string(nb, store_id(x->store));
    put_fact(nb, "contract_digest", x->final.contract_digest);
    put_fact(nb, "sandbox", x->final.sandbox);
    put_fact(nb, "planner", x->final.planner);
    put_fact(nb, "outcome", x->final.outcome);
    if (x->final.foreign)
        put(nb, ",\"foreign\":true");
    if (x->broken.code != ERR_NONE)
        outfile_addf(nb->out, ",\"whole_to\":%" PRIu64, x->final.last_seq);
    put(nb, "}},\n\"nbformat\":4,\"nbformat_minor\":5}\n");
}

int export_ipynb(struct export *x, struct err *e)
{
    static const struct doc_ops ops = {
        .words = on_words, .decided = on_decided, .ran = on_ran, .verdict = on_verdict
    };
    size_t k = choose_kernel(&x->final);
    struct notebook nb = {
        .x = x, .out = x->out, .text = BUF_INIT(CELL_MAX), .language = kernels[k].language
    };
    put(&nb, "{\"cells\":[");
    md_head(x, &nb.text);
    md_plan(x, &nb.text);
    (void)buf_add_str(&nb.text, "The code below ran in a sandbox. Run from here it runs on this"
                                " machine, outside of any.");
    prose_cell(&nb);
    int rc = doc_walk(x, &ops, &nb, e);
    put_end(&nb, k);
    buf_release(&nb.text);
    return rc;
}
