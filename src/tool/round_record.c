/* round_record.c - what a sandbox says, as events: redacted, coalesced, judged. */
#include "tool/round_int.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

#define OUTPUT_CHUNK ((size_t)64 << 10) /* one run.output event */

/* ---- output ---- */

void round_streams_reset(struct round *r, int which)
{
    for (int i = 0; i < 3; i++) {
        struct round_stream *s = &r->streams[which][i];
        redact_stream_release(&s->filter);
        redact_stream_init(&s->filter);
        buf_reset(&s->pending);
        tripwire_stream_init(&s->watch);
    }
}

static const struct state_output *recorded(const struct round *r, uint32_t run, int stream)
{
    const struct state_run *sr = state_run_at(r->cfg.state, run);
    return sr != NULL ? &sr->out[stream] : &r->cfg.state->background[stream];
}

static int append_chunk(struct round *r, uint32_t run, int stream, const char *p, size_t len)
{
    struct event ev = {
        .run = run,
        .type = EVENT_RUN_OUTPUT,
        .stream = (unsigned)stream,
        .offset = recorded(r, run, stream)->bytes,
        .bytes = p,
        .len = len,
    };
    int rc = round_record_raw(r, &ev);
    if (rc == 0)
        round_watch_output(r, run, stream, p, len);
    return rc;
}

/* The run whose output is in streams[1]: a dry run's, or the session's. */
static uint32_t run_on(const struct round *r)
{
    const struct state_run *twin = state_run_at(r->cfg.state, r->twin.run);
    return twin != NULL && twin->status == RUN_RUNNING ? twin->number : r->cfg.state->running;
}

/* Append what is pending until at most `keep` bytes are left. */
static void flush_stream(struct round *r, int which, int stream, size_t keep)
{
    struct round_stream *s = &r->streams[which][stream];
    uint32_t run = which == 0 ? 0 : run_on(r);
    size_t done = 0;
    while (s->pending.len - done > keep) {
        size_t n = s->pending.len - done < OUTPUT_CHUNK ? s->pending.len - done : OUTPUT_CHUNK;
        if (append_chunk(r, run, stream, s->pending.ptr + done, n) < 0)
            break;
        done += n;
    }
    buf_drop_front(&s->pending, done);
}

void round_flush_output(struct round *r)
{
    for (int which = 0; which < 2; which++) {
        for (int stream = STREAM_STDOUT; stream <= STREAM_STDERR; stream++)
            flush_stream(r, which, stream, 0);
    }
}

/* Long enough runs of bytes go straight from the sandbox's buffer into the record. */
static void pass_through(struct round *r, uint32_t run, int stream, const char *p, size_t len)
{
    while (len > 0) {
        size_t n = len < OUTPUT_CHUNK ? len : OUTPUT_CHUNK;
        if (append_chunk(r, run, stream, p, n) < 0)
            return;
        p += n;
        len -= n;
    }
}

void round_record_output(struct round *r, uint32_t run, enum sandbox_stream stream, const char *p,
                         size_t len)
{
    int which = run == 0 ? 0 : 1;
    struct round_stream *s = &r->streams[which][stream];
    if (r->broken)
        return;
    bool plain = r->cfg.redact == NULL || redact_is_empty(r->cfg.redact);
    if (plain && s->pending.len == 0 && len >= OUTPUT_CHUNK / 2) {
        pass_through(r, run, (int)stream, p, len);
        return;
    }
    while (len > 0) {
        size_t n = len < OUTPUT_CHUNK ? len : OUTPUT_CHUNK;
        if (plain)
            INVARIANT(buf_add(&s->pending, p, n) == 0);
        else
            INVARIANT(redact_stream_feed(r->cfg.redact, &s->filter, p, n, &s->pending) >= 0);
        flush_stream(r, which, (int)stream, OUTPUT_CHUNK - 1);
        p += n;
        len -= n;
    }
    loop_arm_us(r->cfg.loop, r->flush_timer, OUTPUT_HOLD_US);
}

void round_end_output(struct round *r, uint32_t run)
{
    int which = run == 0 ? 0 : 1;
    for (int stream = STREAM_STDOUT; stream <= STREAM_STDERR; stream++) {
        struct round_stream *s = &r->streams[which][stream];
        if (r->cfg.redact != NULL && !redact_is_empty(r->cfg.redact))
            INVARIANT(redact_stream_end(r->cfg.redact, &s->filter, &s->pending) >= 0);
        flush_stream(r, which, stream, 0);
        round_watch_output_end(r, run, stream);
    }
}

/* ---- redacted strings in events ---- */

static void write_redacted(struct round *r, struct json_w *w, const char *key, const char *p,
                           size_t len)
{
    if (r->cfg.redact == NULL || redact_is_idle(r->cfg.redact)) {
        json_w_strn(w, key, p, len);
        return;
    }
    struct buf clean = BUF_INIT(EVENT_BODY_MAX);
    if (redact_text(r->cfg.redact, p, len, &clean) < 0)
        json_w_str(w, key, "");
    else
        json_w_strn(w, key, buf_str(&clean), clean.len);
    buf_release(&clean);
}

static void write_redacted_str(struct round *r, struct json_w *w, const char *key, const char *s)
{
    write_redacted(r, w, key, s != NULL ? s : "", s != NULL ? strlen(s) : 0);
}

/* ---- results ---- */

static bool is_text(const struct sandbox_event *ev)
{
    return ev->len <= ARTIFACT_TEXT_MAX && utf8_is_valid(ev->ptr, ev->len) &&
           memchr(ev->ptr, '\0', ev->len) == NULL;
}

void round_record_result(struct round *r, uint32_t run, const struct sandbox_event *ev)
{
    struct event_builder b;
    round_flush_output(r);
    event_begin(&b, EVENT_RUN_RESULT, run);
    json_w_str(&b.w, "mime", ev->mime);
    json_w_bool(&b.w, "main", ev->main);
    json_w_int(&b.w, "bytes", (int64_t)ev->len);
    if (is_text(ev)) {
        write_redacted(r, &b.w, "text", ev->ptr, ev->len);
        if (round_record(r, &b) == 0)
            round_watch_text(r, run, "result", ev->mime, ev->ptr, ev->len);
        return;
    }
    /* A picture is not text to filter, but a secret in it is still not recorded. */
    size_t at;
    if (r->cfg.redact != NULL && redact_find(r->cfg.redact, ev->ptr, ev->len, &at) != NULL) {
        json_w_str(&b.w, "text", "[secret: result not recorded]");
        round_record(r, &b);
        return;
    }
    char name[64];
    uint8_t hash[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    sha256_once(ev->ptr, ev->len, hash);
    hex_encode(hash, sizeof hash, hex);
    snprintf(name, sizeof name, "result-%u-%u", run, ++r->artifact_seq);
    json_w_str(&b.w, "artifact", name);
    json_w_str(&b.w, "sha256", hex);
    round_record_artifact(r, &b, ev->mime, name, ev->ptr, ev->len);
}

/* ---- the end of a run ---- */

static void write_words(struct json_w *w, const char *key, const char *words)
{
    json_w_array(w, key);
    for (const char *s = words; s != NULL && *s != '\0';) {
        size_t n = strcspn(s, ",");
        json_w_strn(w, NULL, s, n);
        s += n + (s[n] == ',');
    }
    json_w_close_array(w);
}

/* "No module named 'x.y'": Debian's packages are what `import` sees; say how to get at others. */
static void write_module_hint(struct json_w *w, const struct sandbox_finished *f)
{
    static const struct {
        const char *module, *package;
    } known[] = {
        { "numpy", "python3-numpy" },
        { "pandas", "python3-pandas" },
        { "matplotlib", "python3-matplotlib" },
        { "scipy", "python3-scipy" },
        { "requests", "python3-requests" },
        { "yaml", "python3-yaml" },
        { "PIL", "python3-pil" },
        { "bs4", "python3-bs4" },
        { "lxml", "python3-lxml" },
        { "sklearn", "python3-sklearn" },
        { "dateutil", "python3-dateutil" },
        { "cloudpickle", "python3-cloudpickle" },
    };
    const char *quote = strchr(f->error_value, '\'');
    if (strcmp(f->error_name, "ModuleNotFoundError") != 0 || quote == NULL)
        return;
    size_t n = strcspn(quote + 1, "'.");
    char package[64] = "";
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strlen(known[i].module) == n && memcmp(known[i].module, quote + 1, n) == 0)
            snprintf(package, sizeof package, "apt-get install %s, or ", known[i].package);
    }
    char hint[256];
    snprintf(hint, sizeof hint,
             "import sees Debian's packages only: %s-c files.mount=DIR/venv:ro -c "
             "python=DIR/venv/bin/python",
             package);
    json_w_str(w, "message", hint);
}

void round_record_finished(struct round *r, uint32_t run, const struct sandbox_finished *f)
{
    struct event_builder b;
    event_begin(&b, EVENT_RUN_FINISHED, run);
    b.ev.more = run != r->twin.run; /* its verdict; a twin is judged later */
    json_w_str(&b.w, "end", run_end_name(f->end));
    if (f->what[0] != '\0')
        json_w_str(&b.w, "what", f->what);
    write_words(&b.w, "limits_hit", f->limits_hit);
    if (f->has_code)
        json_w_int(&b.w, "code", f->code);
    if (f->error_name[0] != '\0') {
        json_w_object(&b.w, "error");
        write_redacted_str(r, &b.w, "name", f->error_name);
        write_redacted_str(r, &b.w, "value", f->error_value);
        write_redacted_str(r, &b.w, "traceback", f->error_traceback);
        json_w_close_object(&b.w);
    }
    json_w_int(&b.w, "wall_ms", f->wall_us / 1000);
    json_w_int(&b.w, "stdout_bytes", (int64_t)f->stdout_bytes);
    json_w_int(&b.w, "stderr_bytes", (int64_t)f->stderr_bytes);
    if (f->stdout_dropped > 0)
        json_w_int(&b.w, "stdout_dropped", (int64_t)f->stdout_dropped);
    if (f->stderr_dropped > 0)
        json_w_int(&b.w, "stderr_dropped", (int64_t)f->stderr_dropped);
    if (f->state_lost)
        json_w_bool(&b.w, "state_lost", true);
    if (f->resumed_from != 0)
        json_w_int(&b.w, "resumed_from", f->resumed_from);
    if (f->message[0] != '\0')
        write_redacted_str(r, &b.w, "message", f->message);
    else
        write_module_hint(&b.w, f);
    round_record(r, &b);
    round_watch_text(r, run, "error", "", f->error_traceback, strlen(f->error_traceback));
    round_watch_text(r, run, "error", "", f->error_value, strlen(f->error_value));
}

void round_judge(struct round *r, uint32_t run, const struct sandbox_finished *f,
                 struct judged *out)
{
    const struct state_run *sr = state_run_at(r->cfg.state, run);
    struct expectation x = { 0 };
    struct err e = ERR_INIT;
    /* It was parsed before it was recorded; should it not parse now, nothing is verified. */
    if (expectation_parse(&x, sr->expect, strlen(sr->expect), &e) < 0)
        x = (struct expectation){ 0 };
    verdict_judge(out, &x, f, sr, &r->cfg.port.output);
    expectation_release(&x);
}

void round_record_judged(struct round *r, uint32_t run, struct judged *j)
{
    struct event_builder b;
    event_begin(&b, EVENT_RUN_VERDICT, run);
    json_w_str(&b.w, "verdict", run_verdict_name(j->verdict));
    json_w_array(&b.w, "checks");
    for (size_t i = 0; i < j->count; i++) {
        json_w_object(&b.w, NULL);
        json_w_str(&b.w, "kind", j->checks[i].kind);
        write_redacted_str(r, &b.w, "text", j->checks[i].text);
        json_w_bool(&b.w, "ok", j->checks[i].ok);
        write_redacted_str(r, &b.w, "got", j->checks[i].got);
        json_w_close_object(&b.w);
    }
    json_w_close_array(&b.w);
    judged_release(j);
    round_record(r, &b);
}

void round_record_verdict(struct round *r, uint32_t run, const struct sandbox_finished *f)
{
    struct judged j;
    if (r->broken)
        return;
    round_judge(r, run, f, &j);
    round_record_judged(r, run, &j);
}

/* ---- state ---- */

/* An interpreter into which a namespace was loaded takes every name for new: it is compared with
 * what was to come back. A class made again has another identity, which says nothing. */
static enum var_change real_change(const struct round *r, uint32_t run, const struct sandbox_var *v)
{
    const struct state *st = r->cfg.state;
    const struct state_run *sr = state_run_at(st, run);
    for (size_t i = 0; v->change == CHANGE_NEW && sr->twin_of == 0 && i < st->var_count; i++) {
        const struct state_var *was = &st->vars[i];
        if (strcmp(was->name, v->name) != 0 || strcmp(was->language, sr->language) != 0)
            continue;
        bool known = v->digest != NULL && v->digest[0] != '\0' && was->digest[0] != '\0';
        bool same = known && strcmp(was->digest, v->digest) == 0;
        if (strcmp(was->type, v->type) != 0)
            return CHANGE_CHANGED;
        return same                                    ? CHANGE_SAME
               : known && strcmp(v->type, "type") != 0 ? CHANGE_CHANGED
                                                       : CHANGE_UNKNOWN;
    }
    return v->change;
}

static void write_var(struct round *r, struct json_w *w, uint32_t run, const struct sandbox_var *v)
{
    json_w_object(w, NULL);
    write_redacted_str(r, w, "name", v->name);
    write_redacted_str(r, w, "type", v->type);
    if (v->shape != NULL && v->shape[0] != '\0')
        json_w_str(w, "shape", v->shape);
    if (v->bytes >= 0)
        json_w_int(w, "bytes", v->bytes);
    write_redacted_str(r, w, "preview", v->preview);
    json_w_str(w, "digest", v->digest != NULL ? v->digest : "");
    json_w_str(w, "change", var_change_name(real_change(r, run, v)));
    json_w_close_object(w);
}

static void watch_state(struct round *r, uint32_t run, const struct sandbox_event *ev)
{
    for (size_t i = 0; i < ev->var_count; i++) {
        const struct sandbox_var *v = &ev->vars[i];
        if (v->change == CHANGE_SAME || v->change == CHANGE_GONE)
            continue;
        round_watch_text(r, run, "variable", v->name, v->name, strlen(v->name));
        round_watch_text(r, run, "variable", v->name, v->preview, strlen(v->preview));
    }
    for (size_t i = 0; i < ev->file_count; i++)
        round_watch_text(r, run, "file", ev->files[i].path, ev->files[i].path,
                         strlen(ev->files[i].path));
}

void round_record_state(struct round *r, uint32_t run, const struct sandbox_event *ev)
{
    struct event_builder b;
    event_begin(&b, EVENT_STATE_CHANGED, run);
    json_w_array(&b.w, "vars");
    for (size_t i = 0; i < ev->var_count; i++)
        write_var(r, &b.w, ev->run, &ev->vars[i]);
    json_w_close_array(&b.w);
    json_w_array(&b.w, "files");
    for (size_t i = 0; i < ev->file_count; i++) {
        json_w_object(&b.w, NULL);
        write_redacted_str(r, &b.w, "path", ev->files[i].path);
        json_w_str(&b.w, "change", var_change_name(ev->files[i].change));
        json_w_int(&b.w, "bytes", ev->files[i].bytes);
        json_w_close_object(&b.w);
    }
    json_w_close_array(&b.w);
    if (round_record(r, &b) == 0)
        watch_state(r, run, ev);
}

void round_write_names(struct round *r, struct json_w *w, const char *key, const char *const *names,
                       size_t count)
{
    json_w_array(w, key);
    for (size_t i = 0; i < count; i++)
        write_redacted_str(r, w, NULL, names[i]);
    json_w_close_array(w);
}

/* ---- the network ---- */

void round_record_net(struct round *r, uint32_t run, const struct sandbox_event *ev)
{
    const struct proxy_note *n = ev->net;
    bool asked = n->kind == PROXY_ASKED;
    struct event_builder b;
    event_begin(&b, asked ? EVENT_NETWORK_ASKED : EVENT_NETWORK_CLOSED, run);
    json_w_int(&b.w, "attempt", n->attempt);
    if (asked) {
        json_w_str(&b.w, "verdict", proxy_verdict_name(n->verdict));
        json_w_str(&b.w, "method", n->method);
    }
    json_w_str(&b.w, "host", n->host);
    if (n->port != 0)
        json_w_int(&b.w, "port", n->port);
    if (!asked) {
        if (n->address[0] != '\0')
            json_w_str(&b.w, "address", n->address);
        json_w_int(&b.w, "sent_bytes", (int64_t)n->sent);
        json_w_int(&b.w, "received_bytes", (int64_t)n->received);
        json_w_int(&b.w, "wall_ms", n->ms);
    }
    if (n->why[0] != '\0')
        json_w_str(&b.w, "why", n->why);
    if (ev->background)
        json_w_bool(&b.w, "background", true);
    *ev->on_record = round_record(r, &b) == 0;
}
