/* e2b_report.c - cells of ours: the code that asks a context for variables, files and paths, and
 * what it tells. Their text is share/cells/python.py; a person can read it. */
#include <stdlib.h>
#include <string.h>

#include "base/share.h"
#include "providers/sandboxes/e2b_int.h"

#define REPORT_MIME "application/vnd.airlock.report+json"
#define REPORT_MAX  ((size_t)16 << 20)
#define VARS_MAX    4000
#define FILES_MAX   1000
#define CELL        "__import__('sys').modules['_airlock_cells']."

void e2b_part_release(struct e2b_part *p)
{
    free(p->target);
    free(p->body);
    *p = (struct e2b_part){ .body = NULL };
}

/* ---- writing */

static void take_body(struct e2b_part *out, struct buf *b)
{
    out->len = b->len;
    out->body = buf_detach(b);
}

int e2b_cell_code(const struct e2b_context *c, const char *code, size_t len, struct e2b_part *out)
{
    struct buf b = BUF_INIT(8 * E2B_CODE_MAX + 4096);
    struct json_w w;
    json_w_init(&w, &b);
    json_w_object(&w, NULL);
    json_w_strn(&w, "code", code, len);
    json_w_str(&w, "context_id", c->id);
    json_w_close_object(&w);
    int rc = json_w_end(&w);
    if (rc == 0)
        take_body(out, &b);
    buf_release(&b);
    return rc;
}

/* A JSON string of printable ASCII, the same for Python: its escapes are a part of Python's. */
static void add_literal(struct buf *b, const char *s, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    (void)buf_add_char(b, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '"' || c == '\\')
            (void)buf_add_char(b, '\\');
        if (c == '\n') {
            (void)buf_add_str(b, "\\n");
        } else if (c < 0x20) {
            const char u[] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
            (void)buf_add(b, u, sizeof u);
        } else {
            (void)buf_add_char(b, (char)c);
        }
    }
    (void)buf_add_char(b, '"');
}

static void add_share(struct buf *b, const char *name)
{
    const struct share_file *f = share_find(name);
    INVARIANT(f != NULL);
    add_literal(b, f->ptr, f->len);
}

static void finish_cell(const struct e2b_context *c, struct buf *code, struct e2b_part *out)
{
    int rc = e2b_cell_code(c, buf_str(code), code->len, out);
    INVARIANT(rc == 0);
    buf_release(code);
}

const char *e2b_introspection(size_t *len)
{
    static const char *const names[] = { "cells/python.py", "kernels/python/vars.py",
                                         "kernels/python/complete.py" };
    static struct buf text;
    if (text.len == 0) {
        buf_init(&text, E2B_CODE_MAX);
        (void)buf_add_str(&text,
                          "# Loaded once into the python context, before the first run. After each "
                          "run, of any language, and after a pause: " CELL
                          "report([paths an expectation asks for]); "
                          "before one with arguments, input, files or another directory: begin(…); "
                          "for Tab, :put and :get: names(…), place(…).\n");
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            const struct share_file *f = share_find(names[i]);
            INVARIANT(f != NULL);
            (void)buf_addf(&text, "\n# ==== %s\n\n", names[i]);
            (void)buf_add(&text, f->ptr, f->len);
        }
    }
    *len = text.len;
    return text.ptr;
}

void e2b_cell_setup(const struct e2b_context *c, bool again, struct e2b_part *out)
{
    struct buf code = BUF_INIT(E2B_CODE_MAX);
    (void)buf_add_str(&code, "exec(compile(");
    add_share(&code, "cells/python.py");
    (void)buf_add_str(&code, ", '<airlock>', 'exec', dont_inherit=True), {'VARS': ");
    add_share(&code, "kernels/python/vars.py");
    (void)buf_add_str(&code, ", 'COMPLETE': ");
    add_share(&code, "kernels/python/complete.py");
    (void)buf_addf(&code, ", 'AGAIN': %s})", again ? "True" : "False");
    finish_cell(c, &code, out);
}

/* The cell's arguments are one JSON array, in a string of its own. */
static void write_call(const struct e2b_context *c, const char *name, struct buf *args,
                       struct e2b_part *out)
{
    struct buf code = BUF_INIT(4 * E2B_CODE_MAX);
    (void)buf_addf(&code, CELL "%s(*__import__('json').loads(", name);
    add_literal(&code, buf_str(args), args->len);
    (void)buf_add_str(&code, "))");
    buf_release(args);
    finish_cell(c, &code, out);
}

int e2b_cell_begin(const struct e2b_context *c, const struct sandbox_run *rq, const char *input,
                   struct e2b_part *out)
{
    struct buf args = BUF_INIT(E2B_CODE_MAX);
    struct json_w w;
    json_w_init(&w, &args);
    json_w_array(&w, NULL);
    json_w_array(&w, NULL);
    for (size_t i = 0; i < rq->argv_count; i++)
        json_w_str(&w, NULL, rq->argv[i]);
    json_w_close_array(&w);
    json_w_str(&w, NULL, rq->cwd);
    json_w_str(&w, NULL, input);
    json_w_array(&w, NULL);
    for (size_t i = 0; i < rq->file_count; i++) {
        json_w_array(&w, NULL);
        json_w_str(&w, NULL, rq->files[i].name);
        json_w_int(&w, NULL, rq->files[i].mode & 0777);
        json_w_close_array(&w);
    }
    json_w_close_array(&w);
    json_w_close_array(&w);
    int rc = json_w_end(&w);
    if (rc == 0)
        write_call(c, "begin", &args, out);
    buf_release(&args);
    return rc;
}

void e2b_cell_report(const struct e2b_context *c, const struct sandbox_run *rq,
                     struct e2b_part *out)
{
    struct buf args = BUF_INIT(E2B_CODE_MAX);
    struct json_w w;
    json_w_init(&w, &args);
    json_w_array(&w, NULL);
    json_w_array(&w, NULL);
    for (size_t i = 0; rq != NULL && i < rq->exists_count; i++)
        json_w_str(&w, NULL, rq->exists[i]);
    json_w_close_array(&w);
    json_w_close_array(&w);
    (void)!json_w_end(&w);
    write_call(c, "report", &args, out);
}

void e2b_cell_ask(const struct e2b_context *c, const char *name, const char *text, size_t len,
                  int flag, struct e2b_part *out)
{
    struct buf args = BUF_INIT(E2B_CODE_MAX);
    struct json_w w;
    json_w_init(&w, &args);
    json_w_array(&w, NULL);
    json_w_strn(&w, NULL, text, len);
    if (flag >= 0)
        json_w_bool(&w, NULL, flag != 0);
    json_w_close_array(&w);
    (void)!json_w_end(&w);
    write_call(c, name, &args, out);
}

/* ---- reading */

static void ignore_output(void *arg, enum sandbox_stream stream, const char *p, size_t len)
{
    (void)arg;
    (void)stream;
    (void)p;
    (void)len;
}

static void keep_report(void *arg, const char *mime, const char *p, size_t len, bool main)
{
    struct buf *out = arg;
    (void)main;
    if (strcmp(mime, REPORT_MIME) != 0)
        return;
    buf_reset(out);
    (void)buf_add(out, p, len);
}

void e2b_send_cell(struct e2b_call *c, const struct e2b_part *cell, int total_ms, e2b_done_fn done)
{
    struct e2b_request rq = {
        .plane = E2B_CODE,
        .method = "POST",
        .target = "/execute",
        .body = cell->body,
        .body_len = cell->len,
        .again = E2B_ONCE,
        .deadlines = { .idle_ms = total_ms, .total_ms = total_ms, .may_be_slow = true },
        .body_max = REPORT_MAX,
        .done = done
    };
    e2b_send(c, &rq);
}

int e2b_read_cell(const struct net_result *r, struct buf *report, enum e2b_trouble *trouble,
                  struct err *e)
{
    struct e2b_stream st;
    const struct e2b_stream_told told = { ignore_output, keep_report, report };
    *trouble = E2B_NO_TROUBLE;
    buf_reset(report);
    if (!remote_succeeded(r)) {
        struct e2b_refusal why;
        e2b_refusal_read(&why, r->status, r->body, r->body_len);
        e2b_explain(e, "a cell of Airlock's own", r, &why);
        return -1;
    }
    e2b_stream_init(&st, &told);
    int rc = e2b_stream_feed(&st, r->body, r->body_len, e);
    *trouble = st.trouble;
    if (rc == 0 && !st.ended)
        rc = err_set(e, ERR_NET, "e2b: the answer to a cell of Airlock's own was cut");
    if (rc == 0 && (st.has_error || st.trouble != E2B_NO_TROUBLE))
        rc = err_set(e, ERR_FORMAT, "e2b: a cell of Airlock's own failed: %.60s: %.200s",
                     buf_str(&st.name), buf_str(&st.value));
    e2b_stream_release(&st);
    return rc;
}

int e2b_take_hello(struct e2b_context *c, const struct buf *report, struct err *e)
{
    struct json *o = NULL;
    int64_t pid = 0;
    if (json_parse(&o, report->ptr, report->len, e) < 0 ||
        json_need_int(o, "hello", "pid", 1, INT32_MAX, &pid, e) < 0) {
        json_free(o);
        return err_wrap(e, "e2b: the context is not what it should be");
    }
    json_free(o);
    c->pid = (int)pid;
    c->ready = true;
    return 0;
}

void e2b_take_exists(const struct buf *report, bool *exists, size_t count)
{
    struct json *o = NULL;
    if (report->len == 0 || json_parse(&o, report->ptr, report->len, NULL) < 0)
        return;
    const struct json *list = json_get(o, "exists");
    for (size_t i = 0; i < count && i < json_len(list); i++)
        exists[i] = json_bool(json_at(list, i), false);
    json_free(o);
}

static enum var_change change_of(const struct json *v)
{
    const char *word = json_get_str(v, "change", "");
    for (int c = CHANGE_NEW; c < CHANGE_UNKNOWN; c++)
        if (strcmp(word, var_change_name((enum var_change)c)) == 0)
            return (enum var_change)c;
    return CHANGE_UNKNOWN;
}

static size_t read_vars(const struct json *list, struct sandbox_var *out)
{
    size_t n = 0;
    for (const struct json *v = json_first(list); v != NULL && n < VARS_MAX; v = json_next(v))
        out[n++] = (struct sandbox_var){ .name = json_get_str(v, "name", ""),
                                         .type = json_get_str(v, "type", ""),
                                         .shape = json_get_str(v, "shape", ""),
                                         .preview = json_get_str(v, "preview", ""),
                                         .digest = json_get_str(v, "digest", ""),
                                         .bytes = json_get_int(v, "bytes", -1),
                                         .change = change_of(v) };
    return n;
}

static size_t read_files(const struct json *list, struct sandbox_changed_file *out)
{
    size_t n = 0;
    for (const struct json *f = json_first(list); f != NULL && n < FILES_MAX; f = json_next(f))
        out[n++] = (struct sandbox_changed_file){ .path = json_get_str(f, "path", ""),
                                                  .change = change_of(f),
                                                  .bytes = json_get_int(f, "bytes", -1) };
    return n;
}

void e2b_tell_state(struct e2b *s, const struct buf *report, uint32_t run)
{
    struct json *o = NULL;
    if (report->len == 0 || json_parse(&o, report->ptr, report->len, NULL) < 0)
        o = NULL;
    struct sandbox_var *vars = xcalloc(VARS_MAX, sizeof *vars);
    struct sandbox_changed_file *files = xcalloc(FILES_MAX, sizeof *files);
    struct sandbox_event ev = { .kind = SANDBOX_STATE,
                                .run = run,
                                .vars = vars,
                                .var_count = read_vars(json_get(o, "vars"), vars),
                                .files = files,
                                .file_count = read_files(json_get(o, "files"), files) };
    core_tell(&s->core, &ev);
    free(vars);
    free(files);
    json_free(o);
}

/* What the interpreter of one that lived before still has. */
void e2b_tell_restored(struct e2b *s, const struct buf *report)
{
    struct json *o = NULL;
    if (report->len == 0 || json_parse(&o, report->ptr, report->len, NULL) < 0)
        o = NULL;
    struct sandbox_var *vars = xcalloc(VARS_MAX, sizeof *vars);
    const char **kept = xcalloc(VARS_MAX, sizeof *kept);
    size_t count = read_vars(json_get(o, "vars"), vars), n = 0;
    for (size_t i = 0; i < count; i++)
        if (vars[i].change != CHANGE_GONE)
            kept[n++] = vars[i].name;
    struct sandbox_event ev = {
        .kind = SANDBOX_RESTORED, .vars = vars, .var_count = count, .kept = kept, .kept_count = n
    };
    core_tell(&s->core, &ev);
    free(kept);
    free(vars);
    json_free(o);
}
