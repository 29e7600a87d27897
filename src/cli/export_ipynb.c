/* export_ipynb.c - a session as a Jupyter notebook (nbformat 4.5).
 *
 * Code that ran is a code cell with its outputs; code that was denied, or never ran, is a raw cell,
 * so that "run all" does not run it. Unless `raw`, results are only of kinds that a viewer does not
 * execute or load things for; what is left out is named in the cell's metadata.
 */
#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/export_doc.h"
#include "cli/export_ipynb.h"
#include "cli/export_mdtext.h"

void nb_put(struct notebook *nb, const char *s)
{
    outfile_add_str(nb->out, s);
}

void nb_put_piece(struct notebook *nb, const char *p, size_t len)
{
    struct buf one = BUF_INIT(CELL_MAX);
    struct json_w w;
    json_w_init(&w, &one);
    json_w_strn(&w, NULL, p, len);
    if (json_w_end(&w) == 0)
        outfile_add(nb->out, one.ptr + 1, one.len - 2);
    buf_release(&one);
}

void nb_put_string(struct notebook *nb, const char *s)
{
    nb_put(nb, "\"");
    nb_put_piece(nb, s, strlen(s));
    nb_put(nb, "\"");
}

void nb_put_cleaned(struct notebook *nb, const char *p, size_t len, enum text_mode mode)
{
    struct buf clean = BUF_INIT(CELL_MAX);
    export_clean(nb->x, &clean, p, len, mode);
    nb_put(nb, "\"");
    nb_put_piece(nb, buf_str(&clean), clean.len);
    nb_put(nb, "\"");
    buf_release(&clean);
}

static void begin_cell(struct notebook *nb, const char *type)
{
    outfile_addf(nb->out, "%s\n{\"cell_type\":\"%s\",\"id\":\"cell-%zu\"", nb->cells > 0 ? "," : "",
                 type, nb->cells + 1);
    nb->cells++;
}

static void put_fact(struct notebook *nb, const char *key, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    outfile_addf(nb->out, ",\"%s\":", key);
    nb_put_cleaned(nb, value, strlen(value), TEXT_PROSE);
}

/* What a program can read of an event that a person reads in a sentence. */
static void put_event(struct notebook *nb, const struct event *ev)
{
    static const char *const words[] = { "path", "sha256", "step", "why" }, *const numbers[] = {
        "bytes", "runs", "minutes", "from_run"
    };
    outfile_addf(nb->out, "\"airlock\":{\"seq\":%" PRIu64, ev->seq);
    put_fact(nb, "event", ev->type_name);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        put_fact(nb, words[i], json_get_str(ev->body, words[i], ""));
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (json_get(ev->body, numbers[i]) != NULL)
            outfile_addf(nb->out, ",\"%s\":%" PRId64, numbers[i],
                         json_get_int(ev->body, numbers[i], 0));
    }
    nb_put(nb, "}");
}

/* The prose that was put together becomes a cell; `ev` NULL: of no event. */
static void prose_cell(struct notebook *nb, const struct event *ev)
{
    while (nb->text.len > 0 && nb->text.ptr[nb->text.len - 1] == '\n')
        buf_truncate(&nb->text, nb->text.len - 1);
    if (nb->text.len == 0)
        return;
    begin_cell(nb, "markdown");
    nb_put(nb, ",\"metadata\":{");
    if (ev != NULL)
        put_event(nb, ev);
    nb_put(nb, "},\"source\":\"");
    nb_put_piece(nb, nb->text.ptr, nb->text.len);
    nb_put(nb, "\"}");
    buf_reset(&nb->text);
}

/* ---- cells ---- */

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
    put_fact(nb, "what", r->end_what); /* the signal, the limit */
    put_fact(nb, "verdict", r->verdict != VERDICT_NONE ? run_verdict_name(r->verdict) : "");
    if (r->twin_of != 0)
        outfile_addf(nb->out, ",\"twin_of\":%u", r->twin_of);
    nb_put(nb, "}}");
}

/* Code in another language than the notebook's says so the way its kernel understands. */
static void put_source(struct notebook *nb, const struct state_run *r, bool runs)
{
    struct buf clean = BUF_INIT(CELL_MAX);
    bool other = strcmp(r->language, nb->language) != 0 && strcmp(nb->language, "python") == 0;
    nb_put(nb, ",\"source\":\"");
    if (runs && other)
        nb_put(nb, strcmp(r->language, "javascript") == 0 ? "%%script node\\n" : "%%bash\\n");
    export_clean(nb->x, &clean, r->code, r->code_len, TEXT_CODE);
    nb_put_piece(nb, buf_str(&clean), clean.len);
    nb_put(nb, "\"");
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
    prose_cell(nb, NULL);
    buf_release(&title);
}

static void code_cell(struct notebook *nb, const struct state_run *r)
{
    begin_cell(nb, "code");
    put_facts(nb, r);
    outfile_addf(nb->out, ",\"execution_count\":%u", r->number);
    put_source(nb, r, true);
    nb_put(nb, ",\"outputs\":[");
    nb_put_outputs(nb, r);
    nb_put(nb, "]}");
}

static void raw_cell(struct notebook *nb, const struct state_run *r)
{
    begin_cell(nb, "raw");
    put_facts(nb, r);
    put_source(nb, r, false);
    nb_put(nb, "}");
}

/* An end that the outputs of its cell do not tell. */
static void say_end(struct notebook *nb, const struct state_run *r)
{
    (void)buf_addf(&nb->text, "*Run %u ended: %s", r->number, run_end_name(r->end));
    if (r->end_what[0] != '\0') {
        (void)buf_add_str(&nb->text, " (");
        md_inline(nb->x, &nb->text, r->end_what);
        (void)buf_add_char(&nb->text, ')');
    }
    (void)buf_add_char(&nb->text, '*');
    if (r->message[0] != '\0') {
        (void)buf_add_str(&nb->text, ": ");
        md_inline(nb->x, &nb->text, r->message);
    }
    prose_cell(nb, NULL);
}

static void on_ran(void *arg, const struct state_run *r, const struct event *ev)
{
    struct notebook *nb = arg;
    say_proposal(nb, r);
    if (r->started_at_us != 0)
        code_cell(nb, r);
    else
        raw_cell(nb, r);
    if (ev != NULL && r->end != END_EXIT)
        say_end(nb, r);
}

static void on_changed(void *arg, const struct state_run *r, const struct event *ev)
{
    struct notebook *nb = arg;
    struct buf line = BUF_INIT(64 << 10);
    (void)ev;
    for (size_t i = 0; i < r->file_count; i++) {
        buf_reset(&line);
        if (!doc_file(&r->files[i], &line))
            continue;
        if (nb->text.len == 0)
            (void)buf_addf(&nb->text, "Files after run %u:\n\n", r->number);
        (void)buf_add_str(&nb->text, "- ");
        md_inline(nb->x, &nb->text, buf_str(&line));
        (void)buf_add_char(&nb->text, '\n');
    }
    prose_cell(nb, NULL);
    buf_release(&line);
}

/* Files put and got, leases, what came back, attempts at the network. The life of a sandbox is not
 * the notebook's. */
static void on_other(void *arg, const struct event *ev, const char *text)
{
    struct notebook *nb = arg;
    if (strncmp(ev->type_name, "sandbox.", 8) == 0)
        return;
    (void)buf_add_char(&nb->text, '*');
    md_inline(nb->x, &nb->text, text);
    (void)buf_add_char(&nb->text, '*');
    prose_cell(nb, ev);
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
    prose_cell(nb, NULL);
}

static void on_words(void *arg, const struct event *ev, const char *author, const char *text)
{
    struct notebook *nb = arg;
    (void)buf_add_str(&nb->text, "**");
    md_inline(nb->x, &nb->text, ev->type == EVENT_TASK_GIVEN ? "task" : author);
    (void)buf_add_str(&nb->text, "**\n\n");
    md_block(nb->x, &nb->text, "text", text, strlen(text), TEXT_PROSE);
    prose_cell(nb, NULL);
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
    nb_put_string(nb, store_id(x->store));
    put_fact(nb, "contract_digest", x->final.contract_digest);
    put_fact(nb, "sandbox", x->final.sandbox);
    put_fact(nb, "planner", x->final.planner);
    put_fact(nb, "outcome", x->final.outcome);
    if (x->final.foreign)
        nb_put(nb, ",\"foreign\":true");
    if (x->broken.code != ERR_NONE)
        outfile_addf(nb->out, ",\"whole_to\":%" PRIu64, x->final.last_seq);
    nb_put(nb, "}},\n\"nbformat\":4,\"nbformat_minor\":5}\n");
}

int export_ipynb(struct export *x, struct err *e)
{
    static const struct doc_ops ops = { .words = on_words,
                                        .decided = on_decided,
                                        .ran = on_ran,
                                        .verdict = on_verdict,
                                        .changed = on_changed,
                                        .other = on_other };
    size_t k = choose_kernel(&x->final);
    struct notebook nb = {
        .x = x, .out = x->out, .text = BUF_INIT(CELL_MAX), .language = kernels[k].language
    };
    nb_put(&nb, "{\"cells\":[");
    md_head(x, &nb.text);
    md_plan(x, &nb.text);
    (void)buf_add_str(&nb.text, "The code below ran in a sandbox. Run from here it runs on this"
                                " machine, outside of any.");
    prose_cell(&nb, NULL);
    int rc = doc_walk(x, &ops, &nb, e);
    put_end(&nb, k);
    buf_release(&nb.text);
    return rc;
}
