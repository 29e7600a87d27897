/* export_html.c - a session as one page that asks nobody for anything: readable without scripts,
 * watched again with them.
 *
 * No byte from outside is ever markup or script: texts are escaped, pictures of four known kinds
 * are data URIs, everything else (SVG and HTML too) is shown as its source. What the script works
 * on is numbers and places in the page. Above that the page forbids itself, by the hashes of its
 * own one script and style sheet, to run or load anything else.
 */
#include "cli/export_html.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/share.h"
#include "cli/export_doc.h"

#define TEXT_MAX ((size_t)64 << 20)

struct page {
    struct export *x;
    struct outfile *out;
    struct html_rows rows;
};

static void put(struct page *p, const char *s)
{
    outfile_add_str(p->out, s);
}

/* ---- head ---- */

static void put_hash(struct page *p, const struct share_file *f)
{
    uint8_t sha[SHA256_LEN];
    struct buf b = BUF_INIT(256);
    sha256_once(f->ptr, f->len, sha);
    (void)base64_encode(&b, sha, sizeof sha);
    outfile_addf(p->out, "'sha256-%s'", buf_str(&b));
    buf_release(&b);
}

/* `plain`: in <title> there are no elements. */
static void put_title(struct page *p, bool plain)
{
    const struct state *st = &p->x->final;
    const char *title = st->name[0] != '\0' ? st->name : st->task;
    struct buf clean = BUF_INIT(TEXT_MAX);
    char *line = xstrndup(title, strcspn(title, "\n"));
    export_clean(p->x, &clean, line, strlen(line), TEXT_PROSE);
    if (line[0] == '\0')
        put(p, "Airlock session");
    else if (plain)
        html_escape(p->out, buf_str(&clean), clean.len);
    else
        html_str(p->x, line);
    free(line);
    buf_release(&clean);
}

static void put_top(struct page *p, const struct share_file *css, const struct share_file *js)
{
    put(p,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:;"
        " style-src ");
    put_hash(p, css);
    put(p, "; script-src ");
    put_hash(p, js);
    put(p, "; base-uri 'none'; form-action 'none'\">\n"
           "<meta name=\"referrer\" content=\"no-referrer\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    put_title(p, true);
    put(p, "</title>\n<style>");
    outfile_add(p->out, css->ptr, css->len);
    put(p, "</style>\n</head>\n<body>\n");
}

static void pair(struct page *p, const char *label, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    outfile_addf(p->out, "<dt>%s</dt><dd>", label);
    html_str(p->x, value);
    put(p, "</dd>\n");
}

static void put_plan(struct page *p, const struct state *st)
{
    put(p, "<h2>Plan</h2>\n<ol class=\"plan\">\n");
    for (size_t i = 0; i < st->step_count; i++) {
        const char *status = step_status_name(st->steps[i].status);
        outfile_addf(p->out, "<li class=\"%s\">", status);
        html_str(p->x, st->steps[i].title);
        outfile_addf(p->out, " <b>%s</b></li>\n", status);
    }
    put(p, "</ol>\n");
}

static void put_head(struct page *p)
{
    const struct state *st = &p->x->final;
    char at[CLOCK_ISO_LEN], cost[64];
    clock_iso(st->created_at_us, at);
    export_money(st->cost_nanousd, cost, sizeof cost);
    put(p, "<header>\n<h1>");
    put_title(p, false);
    put(p, "</h1>\n<dl>\n");
    pair(p, "session", store_id(p->x->store));
    pair(p, "foreign, made as", st->foreign ? st->foreign_from : "");
    pair(p, "created", at);
    pair(p, "planner", st->planner);
    pair(p, "model", st->model);
    pair(p, "sandbox", st->sandbox);
    pair(p, "contract", st->contract_digest);
    pair(p, "outcome", st->outcome);
    pair(p, "answer", st->answer);
    pair(p, "cost", cost);
    put(p, "</dl>\n");
    if (st->step_count > 0)
        put_plan(p, st);
    put(p, "<p><button id=\"play\" type=\"button\" hidden>Watch it again</button></p>\n</header>\n"
           "<main>\n");
}

/* ---- blocks ---- */

static void begin(struct page *p, const struct event *ev, bool first)
{
    if (ev->run == 0)
        outfile_addf(p->out, "<section id=\"e%" PRIu64 "\">\n", ev->seq);
    else
        outfile_addf(p->out, "<section class=\"run%s\" id=\"e%" PRIu64 "\">\n",
                     first ? " first" : "", ev->seq);
}

static void end(struct page *p)
{
    put(p, "</section>\n");
}

static void put_prose(struct page *p, const char *text)
{
    put(p, "<pre class=\"prose\">\n");
    html_text(p->x, text, strlen(text), TEXT_PROSE);
    put(p, "</pre>\n");
}

static void on_words(void *arg, const struct event *ev, const char *author, const char *text)
{
    struct page *p = arg;
    begin(p, ev, false);
    put(p, "<h2>");
    html_str(p->x, ev->type == EVENT_TASK_GIVEN ? "task" : author);
    put(p, "</h2>\n");
    put_prose(p, text);
    end(p);
}

/* Earlier plans are there for the script; a reader has the last one at the top. */
static void on_plan(void *arg, const struct state *st, const struct event *ev)
{
    struct page *p = arg;
    outfile_addf(p->out, "<div id=\"e%" PRIu64 "\" hidden>\n", ev->seq);
    put_plan(p, st);
    put(p, "</div>\n");
}

static void on_proposed(void *arg, const struct state_run *r, const struct event *ev)
{
    struct page *p = arg;
    struct buf title = BUF_INIT(4096);
    doc_run_title(r, &title);
    begin(p, ev, true);
    put(p, "<h2>");
    html_str(p->x, buf_str(&title));
    put(p, "</h2>\n<p class=\"soft\">proposed by ");
    html_str(p->x, r->author);
    put(p, "</p>\n");
    if (r->purpose[0] != '\0')
        put_prose(p, r->purpose);
    html_code(p->x, r->language, r->code, r->code_len);
    if (r->expect[0] != '\0') {
        put(p, "<h3>expected</h3>\n");
        put_prose(p, r->expect);
    }
    end(p);
    buf_release(&title);
}

static void on_reviewed(void *arg, const struct state_run *r, const struct event *ev)
{
    struct page *p = arg;
    if (r->finding_count == 0)
        return;
    begin(p, ev, false);
    put(p, "<h3>findings</h3>\n<ul>\n");
    for (size_t i = 0; i < r->finding_count; i++) {
        const struct state_finding *f = &r->findings[i];
        const char *severity = severity_name(f->severity);
        outfile_addf(p->out, "<li><span class=\"%s\">%s</span> ", severity, severity);
        if (f->line != 0) /* else it is about all of it */
            outfile_addf(p->out, "line %u, ", f->line);
        html_str(p->x, f->rule);
        put(p, ": ");
        html_str(p->x, f->text);
        put(p, "</li>\n");
    }
    put(p, "</ul>\n");
    end(p);
}

/* For the script: what waited for the person. The decision says the rest to a reader. */
static void on_gate(void *arg, const struct state *st, const struct state_run *r,
                    const struct event *ev)
{
    struct page *p = arg;
    outfile_addf(p->out,
                 "<div id=\"e%" PRIu64 "\" hidden><p class=\"wait\">waits at the gate: ", ev->seq);
    html_str(p->x, st->gate.sandbox);
    put(p, ", capsule <code>");
    html_str(p->x, r->capsule);
    put(p, "</code></p></div>\n");
}

static void on_decided(void *arg, const struct state_run *r, const struct event *ev)
{
    struct page *p = arg;
    struct buf words = BUF_INIT(4096);
    bool no = strcmp(r->decision, "deny") == 0 || strcmp(r->decision, "stop") == 0;
    doc_decision(r, &words);
    begin(p, ev, false);
    outfile_addf(p->out, "<p><strong class=\"%s\">", no ? "bad" : "info");
    html_str(p->x, buf_str(&words));
    put(p, "</strong> · capsule <code>");
    html_str(p->x, r->capsule);
    put(p, "</code></p>\n");
    if (r->reason[0] != '\0')
        put_prose(p, r->reason);
    end(p);
    buf_release(&words);
}

/* ---- ends ---- */

static void put_end(struct page *p, const struct state_run *r)
{
    bool good = r->end == END_EXIT && r->has_exit_code && r->exit_code == 0;
    char took[32];
    clock_duration(r->wall_ms * 1000, took, sizeof took);
    outfile_addf(p->out, "<p>ended: <strong%s>", good ? "" : " class=\"bad\"");
    html_str(p->x, export_outcome_word(r));
    put(p, "</strong>");
    if (r->end_what != NULL && r->end_what[0] != '\0') {
        put(p, ", ");
        html_str(p->x, r->end_what);
    }
    outfile_addf(p->out, " (%s)</p>\n", took);
    if (r->message != NULL && r->message[0] != '\0')
        put_prose(p, r->message);
}

static void on_ran(void *arg, const struct state_run *r, const struct event *ev)
{
    struct page *p = arg;
    if (ev != NULL)
        begin(p, ev, false);
    else
        put(p, "<section class=\"run\">\n");
    html_stream(p->x, r->number, &r->out[STREAM_STDOUT], STREAM_STDOUT);
    html_stream(p->x, r->number, &r->out[STREAM_STDERR], STREAM_STDERR);
    for (size_t i = 0; i < r->result_count; i++)
        html_result(p->x, r, i);
    if (r->error_traceback != NULL && r->error_traceback[0] != '\0') {
        put(p, "<h3>error</h3>\n<pre class=\"err\">\n");
        html_text(p->x, r->error_traceback, strlen(r->error_traceback), TEXT_OUTPUT);
        put(p, "</pre>\n");
    }
    if (ev != NULL)
        put_end(p, r);
    else
        outfile_addf(p->out, "<p class=\"wait\">the record ends before run %u did</p>\n",
                     r->number);
    end(p);
}

static void on_verdict(void *arg, const struct state_run *r, const struct event *ev)
{
    static const char *const colors[] = { "", "good", "bad", "" };
    struct page *p = arg;
    begin(p, ev, false);
    outfile_addf(p->out, "<p>verdict: <strong class=\"%s\">%s</strong></p>\n", colors[r->verdict],
                 run_verdict_name(r->verdict));
    put(p, r->check_count > 0 ? "<ul>\n" : "");
    for (size_t i = 0; i < r->check_count; i++) {
        const struct state_check *c = &r->checks[i];
        put(p, c->ok ? "<li><span class=\"good\">ok</span> "
                     : "<li><span class=\"bad\">FAILED</span> ");
        html_str(p->x, c->text);
        if (!c->ok && c->got != NULL && c->got[0] != '\0') {
            put(p, ", got ");
            html_str(p->x, c->got);
        }
        put(p, "</li>\n");
    }
    put(p, r->check_count > 0 ? "</ul>\n" : "");
    end(p);
}

static void on_changed(void *arg, const struct state_run *r, const struct event *ev)
{
    struct page *p = arg;
    struct buf lines = BUF_INIT(TEXT_MAX);
    for (size_t i = 0; i < r->var_count; i++) {
        if (doc_var(&r->vars[i], &lines))
            (void)buf_add_char(&lines, '\n');
    }
    for (size_t i = 0; i < r->file_count; i++) {
        if (doc_file(&r->files[i], &lines))
            (void)buf_add_char(&lines, '\n');
    }
    if (lines.len > 0) {
        begin(p, ev, false);
        put(p, "<details><summary>state after the run</summary>\n<pre>\n");
        html_text(p->x, lines.ptr, lines.len, TEXT_PROSE);
        put(p, "</pre>\n</details>\n");
        end(p);
    }
    buf_release(&lines);
}

static void on_other(void *arg, const struct event *ev, const char *text)
{
    struct page *p = arg;
    begin(p, ev, false);
    put(p, "<p class=\"soft\">");
    html_str(p->x, text);
    put(p, "</p>\n");
    end(p);
}

static void on_event(void *arg, const struct state *st, const struct event *ev)
{
    struct page *p = arg;
    html_rows_add(&p->rows, st, ev);
}

/* ---- tail ---- */

static void put_background(struct page *p)
{
    const struct state_output *o = p->x->final.background;
    if (o[STREAM_STDOUT].bytes + o[STREAM_STDERR].bytes == 0)
        return;
    put(p, "<section>\n<h2>background output</h2>\n");
    html_stream(p->x, 0, &o[STREAM_STDOUT], STREAM_STDOUT);
    html_stream(p->x, 0, &o[STREAM_STDERR], STREAM_STDERR);
    end(p);
}

static void put_bottom(struct page *p, const struct share_file *js)
{
    static const char *const panes[][2] = { { "plan", "plan" },  { "code", "code" },
                                            { "gate", "gate" },  { "words", "messages" },
                                            { "out", "stdout" }, { "err", "stderr" } };
    if (p->x->broken.code != ERR_NONE) {
        outfile_addf(p->out,
                     "<section><p class=\"bad\">The record is whole only up to event %" PRIu64 ": ",
                     p->x->final.last_seq);
        html_str(p->x, p->x->broken.msg);
        put(p, "</p></section>\n");
    }
    put(p, "</main>\n<div id=\"stage\" role=\"region\" aria-label=\"the session again\" hidden>\n");
    for (size_t i = 0; i < ARRAY_LEN(panes); i++) {
        bool out = strcmp(panes[i][0], "out") == 0;
        const char *tag = out || strcmp(panes[i][0], "err") == 0 ? "pre" : "div";
        outfile_addf(p->out, "<div><h2>%s</h2><%s id=\"p-%s\"></%s>%s</div>\n", panes[i][1], tag,
                     panes[i][0], tag, out ? "<div id=\"p-pictures\"></div>" : "");
    }
    put(p, "<div id=\"bar\"><button id=\"toggle\" type=\"button\" title=\"Space\">Play</button>\n"
           "<button id=\"back\" type=\"button\" title=\"left arrow\">Back</button>\n"
           "<button id=\"forth\" type=\"button\" title=\"right arrow\">Step</button>\n"
           "<input id=\"seek\" type=\"range\" min=\"0\" value=\"0\" aria-label=\"event\">\n"
           "<span id=\"at\"></span>\n<small>n p run · g gate · + - speed</small>\n"
           "<button id=\"close\" type=\"button\" title=\"Esc\">Close</button></div>\n</div>\n");
    put(p, "<script>");
    outfile_add(p->out, js->ptr, js->len);
    put(p, "</script>\n</body>\n</html>\n");
}

int export_html(struct export *x, struct err *e)
{
    static const struct doc_ops ops = { .words = on_words,
                                        .plan = on_plan,
                                        .proposed = on_proposed,
                                        .reviewed = on_reviewed,
                                        .gate = on_gate,
                                        .decided = on_decided,
                                        .ran = on_ran,
                                        .verdict = on_verdict,
                                        .changed = on_changed,
                                        .other = on_other,
                                        .event = on_event };
    const struct share_file *css = share_find("export/page.css");
    const struct share_file *js = share_find("export/page.js");
    INVARIANT(css != NULL && js != NULL);
    struct page p = { .x = x, .out = x->out };
    html_rows_init(&p.rows, x);
    put_top(&p, css, js);
    put_head(&p);
    int rc = doc_walk(x, &ops, &p, e);
    html_rows_end(&p.rows);
    put_background(&p);
    put_bottom(&p, js);
    return rc;
}
