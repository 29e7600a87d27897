/* bundle.c - the lines of a bundle, out and in. */
#include "sessions/bundle.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "sessions/store.h"

/* ---- writing ---- */

int bundle_print_begin(struct buf *out, const char *session, bool redacted)
{
    struct json_w w;
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_str(&w, "type", "bundle.begin");
    json_w_int(&w, "format", BUNDLE_FORMAT);
    json_w_str(&w, "session", session);
    json_w_str(&w, "version", AIRLOCK_VERSION);
    json_w_bool(&w, "redacted", redacted);
    json_w_close_object(&w);
    return json_w_end(&w) < 0 ? -1 : buf_add_char(out, '\n');
}

int bundle_print_end(struct buf *out, uint64_t events, const uint8_t sha256[SHA256_LEN])
{
    struct json_w w;
    char hex[SHA256_HEX_LEN + 1];
    hex_encode(sha256, SHA256_LEN, hex);
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_str(&w, "type", "bundle.end");
    json_w_int(&w, "events", (int64_t)events);
    json_w_str(&w, "sha256", hex);
    json_w_close_object(&w);
    return json_w_end(&w) < 0 ? -1 : buf_add_char(out, '\n');
}

/* Members put in front of the record's closing brace. */
static int add_blob(struct buf *out, const void *blob, size_t len)
{
    buf_truncate(out, out->len - 2); /* "}\n" */
    if (len > BUNDLE_BLOB_MAX)
        return buf_add_str(out, ",\"left_out\":true}\n");
    if (buf_add_str(out, ",\"base64\":\"") < 0 || base64_encode(out, blob, len) < 0)
        return -1;
    return buf_add_str(out, "\"}\n");
}

int bundle_print_event(struct buf *out, const struct event *ev, const char *session,
                       const void *blob, size_t blob_len)
{
    size_t start = out->len;
    int rc = event_print_jsonl(ev, session, out);
    if (rc == 0 && blob != NULL)
        rc = add_blob(out, blob, blob_len);
    if (rc < 0)
        buf_truncate(out, start);
    return rc;
}

/* ---- reading ---- */

static void on_line(void *arg, const char *line, size_t len);

void bundle_reader_init(struct bundle_reader *r, bundle_fn fn, void *arg)
{
    *r = (struct bundle_reader){
        .fn = fn, .arg = arg, .text = BUF_INIT(EVENT_BODY_MAX), .bytes = BUF_INIT(BUNDLE_BLOB_MAX)
    };
    ndjson_init(&r->lines, NDJSON_LINE_MAX, on_line, r);
    r->sha = sha256_new();
    sha256_begin(r->sha);
}

void bundle_reader_release(struct bundle_reader *r)
{
    ndjson_release(&r->lines);
    sha256_free(r->sha);
    buf_release(&r->text);
    buf_release(&r->bytes);
}

static int read_begin(struct bundle_reader *r, const struct json *o, struct err *e)
{
    const char *id;
    int64_t format;
    if (r->begun)
        return err_set(e, ERR_FORMAT, "a second bundle begins here");
    if (json_need_int(o, "bundle.begin", "format", 1, INT64_MAX, &format, e) < 0 ||
        json_need_str(o, "bundle.begin", "session", &id, e) < 0)
        return -1;
    if (format != BUNDLE_FORMAT)
        return err_set(e, ERR_FORMAT, "a bundle of format %" PRId64 "; this program reads %d",
                       format, BUNDLE_FORMAT);
    if (!store_id_is_valid(id, strlen(id)))
        return err_set(e, ERR_FORMAT, "that is no id of a session");
    memcpy(r->session, id, strlen(id) + 1);
    r->begun = true;
    return 0;
}

static int read_end(struct bundle_reader *r, const struct json *o, struct err *e)
{
    uint8_t sha[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    const char *want;
    int64_t events;
    if (json_need_int(o, "bundle.end", "events", 1, INT64_MAX, &events, e) < 0 ||
        json_need_str(o, "bundle.end", "sha256", &want, e) < 0)
        return -1;
    if ((uint64_t)events != r->seq)
        return err_set(e, ERR_FORMAT, "%" PRId64 " events are announced, %" PRIu64 " are here",
                       events, r->seq);
    sha256_end(r->sha, sha);
    hex_encode(sha, sizeof sha, hex);
    if (strcmp(hex, want) != 0)
        return err_set(e, ERR_INTEGRITY, "the lines do not match the bundle's hash");
    r->ended = true;
    return 0;
}

static bool is_type_name(const char *s)
{
    size_t len = strlen(s);
    return len >= 1 && len <= EVENT_NAME_MAX &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static int read_head(const struct bundle_reader *r, const struct json *o, struct event *ev,
                     struct err *e)
{
    const char *session, *at;
    int64_t seq, run = 0;
    if (json_need_int(o, ev->type_name, "seq", 1, INT64_MAX, &seq, e) < 0 ||
        json_need_str(o, ev->type_name, "session", &session, e) < 0 ||
        json_need_str(o, ev->type_name, "at", &at, e) < 0 ||
        (json_get(o, "run") != NULL &&
         json_need_int(o, ev->type_name, "run", 0, UINT32_MAX, &run, e) < 0))
        return -1;
    if ((uint64_t)seq != r->seq + 1)
        return err_set(e, ERR_FORMAT, "event %" PRId64 " stands where %" PRIu64 " must", seq,
                       r->seq + 1);
    if (strcmp(session, r->session) != 0)
        return err_set(e, ERR_FORMAT, "the event belongs to another session");
    if (clock_parse_iso(at, &ev->at_us) < 0)
        return err_set(e, ERR_FORMAT, "%s.at: no time of the form 2026-11-22T10:00:00.123456Z",
                       ev->type_name);
    ev->seq = (uint64_t)seq;
    ev->run = (uint32_t)run;
    return 0;
}

/* "text" as it is, or "base64" decoded. */
static int read_bytes(struct bundle_reader *r, const struct json *o, const char *type,
                      struct err *e)
{
    const char *s = json_get_str(o, "text", NULL);
    buf_reset(&r->bytes);
    if (s != NULL)
        return buf_add_str(&r->bytes, s) < 0 ? err_set(e, ERR_LIMIT, "%s: too long", type) : 0;
    if (json_need_str(o, type, "base64", &s, e) < 0)
        return -1;
    if (strlen(s) / 4 * 3 > BUNDLE_BLOB_MAX + 3)
        return err_set(e, ERR_LIMIT, "%s.base64: more than %zu bytes", type, BUNDLE_BLOB_MAX);
    return base64_decode(&r->bytes, s, strlen(s), e) < 0 ? err_wrap(e, "%s.base64", type) : 0;
}

static int read_output(struct bundle_reader *r, const struct json *o, struct event *ev,
                       struct err *e)
{
    const char *stream;
    int64_t offset;
    if (json_need_str(o, "run.output", "stream", &stream, e) < 0 ||
        json_need_int(o, "run.output", "offset", 0, INT64_MAX, &offset, e) < 0 ||
        read_bytes(r, o, "run.output", e) < 0)
        return -1;
    bool is_err = strcmp(stream, "stderr") == 0;
    if (!is_err && strcmp(stream, "stdout") != 0)
        return err_set(e, ERR_FORMAT, "run.output.stream: stdout or stderr");
    if (r->bytes.len == 0 || r->bytes.len > STORE_CHUNK_MAX)
        return err_set(e, ERR_LIMIT, "run.output: %zu bytes, not 1 to %zu", r->bytes.len,
                       STORE_CHUNK_MAX);
    ev->stream = is_err ? 2 : 1;
    ev->offset = (uint64_t)offset;
    ev->bytes = r->bytes.ptr;
    ev->len = r->bytes.len;
    return 0;
}

static bool is_of_record(const char *key, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (strcmp(key, *names) == 0)
            return true;
    }
    return false;
}

/* The body's text again: what stands around it in the line is left out. */
static int read_body(struct bundle_reader *r, const struct json *o, struct event *ev, bool has_blob,
                     struct err *e)
{
    static const char *const around[] = { "seq", "at", "session", "run", "type", NULL };
    static const char *const ours[] = { "foreign", "origin", NULL };
    static const char *const blob[] = { "base64", NULL };
    bool created = ev->type == EVENT_SESSION_CREATED;
    struct json_w w;
    buf_reset(&r->text);
    json_w_init(&w, &r->text);
    json_w_object(&w, NULL);
    for (const struct json *m = json_first(o); m != NULL; m = json_next(m)) {
        const char *key = json_key(m);
        if (!is_of_record(key, around) && !(created && is_of_record(key, ours)) &&
            !(has_blob && is_of_record(key, blob)))
            json_w_value(&w, key, m);
    }
    if (created) {
        json_w_bool(&w, "foreign", true);
        json_w_object(&w, "origin");
        json_w_str(&w, "session", r->session);
        json_w_close_object(&w);
    }
    json_w_close_object(&w);
    if (json_w_end(&w) < 0)
        return err_set(e, ERR_LIMIT, "%s: the body is too large", ev->type_name);
    ev->json = buf_str(&r->text);
    ev->json_len = r->text.len;
    return 0;
}

/* An event without its own member "base64", but with an artifact, holds the artifact there. */
static int read_what(struct bundle_reader *r, const struct json *o, struct bundle_item *item,
                     struct err *e)
{
    struct event *ev = &item->ev;
    if (json_get_bool(o, "erased", false)) {
        item->erased = true;
        return ev->type != EVENT_SESSION_CREATED
                   ? 0
                   : err_set(e, ERR_FORMAT, "session.created was erased: that can't be imported");
    }
    if (ev->type == EVENT_RUN_OUTPUT)
        return read_output(r, o, ev, e);
    bool has_blob = ev->type == EVENT_RUN_RESULT && json_get(o, "artifact") != NULL &&
                    json_get(o, "base64") != NULL;
    if (has_blob && read_bytes(r, o, "run.result", e) < 0)
        return -1;
    item->blob = has_blob ? buf_str(&r->bytes) : NULL;
    item->blob_len = has_blob ? r->bytes.len : 0;
    return read_body(r, o, ev, has_blob, e);
}

static int read_event(struct bundle_reader *r, const struct json *o, const char *type,
                      struct err *e)
{
    struct bundle_item item = { .line = r->line };
    if (!is_type_name(type))
        return err_set(e, ERR_FORMAT, "\"type\" is no name of an event");
    item.ev.type = event_type_find(type);
    item.ev.type_name = type;
    if (read_head(r, o, &item.ev, e) < 0)
        return -1;
    if ((item.ev.type == EVENT_SESSION_CREATED) != (item.ev.seq == 1))
        return err_set(e, ERR_FORMAT, "session.created is the first event, and only that");
    if (read_what(r, o, &item, e) < 0 || r->fn(r->arg, &item, e) != 0)
        return -1;
    r->seq++;
    return 0;
}

/* Whatever else it is, another program's or a session file itself. */
static int no_bundle(struct err *e)
{
    return err_set(
        e, ERR_FORMAT,
        "no Airlock bundle: it begins with bundle.begin (airlock export ID --format jsonl"
        " makes one)");
}

static int read_line(struct bundle_reader *r, const char *line, size_t len, struct err *e)
{
    struct json *o = NULL;
    const char *type = "";
    if (r->ended)
        return err_set(e, ERR_FORMAT, "something stands behind bundle.end");
    if (json_parse(&o, line, len, e) < 0)
        return r->begun ? -1 : no_bundle(e);
    int rc = json_need_str(o, "record", "type", &type, e);
    if (rc == 0 && strcmp(type, "bundle.begin") == 0)
        rc = read_begin(r, o, e);
    else if (rc == 0 && !r->begun)
        rc = no_bundle(e);
    else if (rc == 0 && strcmp(type, "bundle.end") == 0)
        rc = read_end(r, o, e);
    else if (rc == 0)
        rc = read_event(r, o, type, e);
    json_free(o);
    if (rc == 0 && !r->ended) {
        sha256_add(r->sha, line, len);
        sha256_add(r->sha, "\n", 1);
    }
    return rc;
}

static void on_line(void *arg, const char *line, size_t len)
{
    struct bundle_reader *r = arg;
    r->line++;
    if (r->failed.code == ERR_NONE && read_line(r, line, len, &r->failed) < 0)
        err_wrap(&r->failed, "line %" PRIu64, r->line);
}

static int outcome(const struct bundle_reader *r, int rc, struct err *e)
{
    if (r->failed.code != ERR_NONE)
        return err_set(e, r->failed.code, "%s", r->failed.msg);
    return rc < 0 ? err_wrap(e, "line %" PRIu64, r->line + 1) : 0;
}

int bundle_feed(struct bundle_reader *r, const char *p, size_t len, struct err *e)
{
    return outcome(r, ndjson_feed(&r->lines, p, len, e), e);
}

int bundle_end(struct bundle_reader *r, struct err *e)
{
    if (outcome(r, ndjson_end(&r->lines, e), e) < 0)
        return -1;
    if (!r->begun)
        return err_set(e, ERR_FORMAT, "the file is empty: no Airlock bundle");
    if (!r->ended)
        return err_set(e, ERR_FORMAT,
                       "line %" PRIu64 ": the bundle is cut short here (no bundle.end)", r->line);
    return 0;
}
