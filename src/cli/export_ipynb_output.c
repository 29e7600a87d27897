/* export_ipynb_output.c - what a run said, as the outputs of a code cell: streams, results in
 * several forms, the error. Unless `raw`, only forms that a viewer does not execute or load things
 * for. */
#include <inttypes.h>
#include <string.h>

#include "cli/export_ipynb.h"

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
    nb_put_piece(nb, buf_str(&nb->text), nb->text.len);
    nb_put(nb, had_lf ? "\\n" : "");
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
    nb_put(o->nb, "\"}");
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
        nb_put_cleaned(nb, buf_str(b), b->len, TEXT_OUTPUT);
    json_free(o);
    buf_release(&text);
}

static void put_base64(struct notebook *nb, const struct buf *b)
{
    struct buf text = BUF_INIT(CELL_MAX);
    nb_put(nb, "\"");
    if (base64_encode(&text, b->ptr, b->len) == 0)
        outfile_add(nb->out, buf_str(&text), text.len);
    nb_put(nb, "\"");
    buf_release(&text);
}

static void put_data(struct notebook *nb, const char *mime, struct buf *b)
{
    bool text = strncmp(mime, "text/", 5) == 0 || strcmp(mime, "image/svg+xml") == 0 ||
                strcmp(mime, "application/javascript") == 0;
    if (is_json(mime))
        put_json(nb, b);
    else if (text)
        nb_put_cleaned(nb, buf_str(b), b->len, TEXT_OUTPUT);
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
        nb_put(nb, first ? "" : ",");
        nb_put_string(nb, res->mime);
        nb_put(nb, ":");
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
    nb_put(nb, ",\"data\":{");
    for (size_t i = 0; i < n; i++) {
        struct err why = ERR_INIT;
        if (put_member(o, &o->r->results[at + i], first, &why))
            first = false;
        else
            (void)buf_addf(&left, "%s%s", left.len > 0 ? "; " : "", why.msg);
    }
    if (first) { /* nothing else is shown for it */
        nb_put(nb, "\"text/plain\":\"[left out: ");
        export_clean(nb->x, &nb->text, buf_str(&left), left.len, TEXT_PROSE);
        nb_put_piece(nb, buf_str(&nb->text), nb->text.len);
        nb_put(nb, "]\"");
        buf_reset(&nb->text);
    }
    nb_put(nb, "},\"metadata\":{");
    if (left.len > 0) {
        nb_put(nb, "\"airlock\":{\"left_out\":");
        nb_put_cleaned(nb, left.ptr, left.len, TEXT_PROSE);
        nb_put(nb, "}");
    }
    nb_put(nb, "}}");
    buf_release(&left);
}

static void put_error(struct outputs *o)
{
    const struct state_run *r = o->r;
    struct notebook *nb = o->nb;
    if (r->error_name == NULL || r->error_name[0] == '\0')
        return;
    begin_output(o, "error");
    nb_put(nb, ",\"ename\":");
    nb_put_cleaned(nb, r->error_name, strlen(r->error_name), TEXT_PROSE);
    nb_put(nb, ",\"evalue\":");
    nb_put_cleaned(nb, r->error_value, strlen(r->error_value), TEXT_PROSE);
    nb_put(nb, ",\"traceback\":[");
    const char *s = r->error_traceback != NULL ? r->error_traceback : "";
    for (bool first = true; *s != '\0'; first = false) {
        size_t n = strcspn(s, "\n");
        nb_put(nb, first ? "" : ",");
        nb_put_cleaned(nb, s, n, TEXT_OUTPUT);
        s += n + (s[n] == '\n');
    }
    nb_put(nb, "]}");
}

void nb_put_outputs(struct notebook *nb, const struct state_run *r)
{
    struct outputs o = { .nb = nb, .r = r };
    put_stream(&o, STREAM_STDOUT);
    put_stream(&o, STREAM_STDERR);
    for (size_t i = 0; i < r->result_count;) {
        size_t n = bundle_length(r, i);
        put_bundle(&o, i, n);
        i += n;
    }
    put_error(&o);
}
