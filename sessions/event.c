/* event.c - the table of event types and their fields; building, checking and printing events. */
#include "sessions/event.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"

/* ---- the table ---- */

enum kind { ANY, STR, INT, BOOL, ARR, OBJ };

struct field {
    const char *name;
    enum kind kind;
    bool required;
    const char *words; /* the values a string may take, blank-separated; NULL: any */
};

struct type {
    const char *name;
    size_t name_len;
    bool durable;
    const struct field *fields; /* ends with a NULL name */
};

/* clang-format off */
#define NEED(name, kind)        { name, kind, true, NULL }
#define MAY(name, kind)         { name, kind, false, NULL }
#define WORD(name, words)       { name, STR, true, words }
#define MAY_WORD(name, words)   { name, STR, false, words }
#define FIELDS(...)             (const struct field[]){ __VA_ARGS__, { NULL, ANY, false, NULL } }
#define TYPE(name, durable, ...) { name, sizeof(name) - 1, durable, FIELDS(__VA_ARGS__) }
#define DURABLE true
#define GROUPED false

#define AUTHORS  "person planner program"
#define SANDBOX  NEED("kind", STR), NEED("label", STR)

static const struct type types[EVENT_TYPE_COUNT] = {
    [EVENT_UNKNOWN] = TYPE("unknown", GROUPED, { NULL, ANY, false, NULL }),

    [EVENT_SESSION_CREATED] = TYPE("session.created", DURABLE,
        NEED("planner", STR), NEED("model", STR), NEED("sandbox", STR), NEED("contract", OBJ),
        NEED("contract_digest", STR), NEED("version", STR), MAY("parent", STR), MAY("parent_seq", INT), MAY("parent_chain", STR), MAY("name", STR),
        MAY("language", STR), MAY("foreign", BOOL), MAY("origin", OBJ)),
    [EVENT_SESSION_RENAMED] = TYPE("session.renamed", DURABLE, NEED("name", STR)),
    [EVENT_SESSION_TAGGED] = TYPE("session.tagged", DURABLE, NEED("tags", ARR)),
    [EVENT_SESSION_TRASHED] = TYPE("session.trashed", DURABLE, MAY("restored", BOOL)),
    [EVENT_SESSION_RESUMED] = TYPE("session.resumed", DURABLE,
        NEED("version", STR), MAY("planner", STR), MAY("model", STR), MAY("sandbox", STR)),
    [EVENT_SESSION_FINISHED] = TYPE("session.finished", DURABLE,
        NEED("outcome", STR), MAY("answer", STR), NEED("runs", INT), NEED("denied", INT),
        NEED("cost_nanousd", INT)),

    [EVENT_TASK_GIVEN] = TYPE("task.given", DURABLE, NEED("text", STR), WORD("author", AUTHORS)),
    [EVENT_PLANNER_MESSAGE] = TYPE("planner.message", GROUPED,
        NEED("text", STR), WORD("author", AUTHORS)),
    [EVENT_PLANNER_WAITING] = TYPE("planner.waiting", GROUPED, { NULL, ANY, false, NULL }),
    [EVENT_MODEL_CHANGED] = TYPE("model.changed", GROUPED, NEED("model", STR)),
    [EVENT_NOTE] = TYPE("note", GROUPED, NEED("text", STR), WORD("author", AUTHORS)),
    [EVENT_PLAN_UPDATED] = TYPE("plan.updated", GROUPED,
        NEED("steps", ARR), MAY_WORD("author", AUTHORS)),

    [EVENT_RUN_PROPOSED] = TYPE("run.proposed", GROUPED,
        NEED("rev", INT), MAY("twin_of", INT), NEED("step", STR), NEED("attempt", INT),
        NEED("language", STR), NEED("code", STR), NEED("purpose", STR), MAY("expect", ANY),
        NEED("author", STR), MAY("call_id", STR)),
    [EVENT_RUN_REVIEWED] = TYPE("run.reviewed", GROUPED, NEED("findings", ARR)),
    [EVENT_GATE_OPENED] = TYPE("gate.opened", DURABLE,
        NEED("rev", INT), NEED("capsule", STR), NEED("contract_digest", STR),
        NEED("sandbox", STR), MAY("isolation", STR), MAY("held_by", STR), MAY("checked_only", BOOL), MAY("code_key", STR), MAY("walls", ARR),
        MAY("attached", ARR)),
    [EVENT_GATE_DECIDED] = TYPE("gate.decided", DURABLE,
        WORD("decision", "approve deny edit dry-run stop"),
        WORD("by", "person typed lease policy"), NEED("capsule", STR), MAY("reason", STR),
        NEED("seen_lines", INT), NEED("waited_ms", INT), MAY("reviewed", STR),
        MAY("unseen_lines", INT), MAY("policy", STR)),
    [EVENT_LEASE_GRANTED] = TYPE("lease.granted", DURABLE,
        MAY("runs", INT), MAY("minutes", INT), MAY("step", STR), NEED("approximated", ARR)),
    [EVENT_LEASE_ENDED] = TYPE("lease.ended", DURABLE, NEED("why", STR)),

    [EVENT_RUN_STARTED] = TYPE("run.started", DURABLE,
        NEED("sandbox_id", STR), NEED("capsule", STR)),
    [EVENT_RUN_OUTPUT] = TYPE("run.output", GROUPED,
        MAY_WORD("stream", "stdout stderr"), MAY("offset", INT), MAY("text", STR),
        MAY("base64", STR)),
    [EVENT_RUN_RESULT] = TYPE("run.result", GROUPED,
        NEED("mime", STR), NEED("main", BOOL), MAY("text", STR), MAY("base64", STR),
        MAY("artifact", STR), MAY("bytes", INT), MAY("sha256", STR)),
    [EVENT_RUN_FINISHED] = TYPE("run.finished", DURABLE,
        WORD("end", "exit signal timeout interrupted killed oom limit lost sandbox provider "
                    "unknown integrity denied"),
        MAY("what", STR), MAY("limits_hit", ARR), MAY("code", INT), MAY("error", OBJ),
        NEED("wall_ms", INT), NEED("stdout_bytes", INT), NEED("stderr_bytes", INT)),
    [EVENT_RUN_VERDICT] = TYPE("run.verdict", DURABLE,
        WORD("verdict", "verified refuted unverified"), NEED("checks", ARR)),

    [EVENT_STATE_CHANGED] = TYPE("state.changed", GROUPED, NEED("vars", ARR), NEED("files", ARR)),
    [EVENT_CHECKPOINT_PART] = TYPE("checkpoint.part", GROUPED,
        NEED("kind", STR), NEED("part", INT), MAY("ref", STR), MAY("bytes", INT),
        MAY("sha256", STR), MAY("meta_sha256", STR)),
    [EVENT_CHECKPOINT_MADE] = TYPE("checkpoint.made", GROUPED,
        NEED("kind", STR), MAY("digest", STR), MAY("size", INT), MAY("parts", INT),
        MAY("kept", ARR), MAY("lost", ARR), MAY("vars", ARR), MAY("language", STR),
        MAY("snapshot", STR),
        MAY("ref", STR), MAY("bytes", INT), MAY("sha256", STR), MAY("meta_sha256", STR)),
    [EVENT_CHECKPOINT_LOST] = TYPE("checkpoint.lost", GROUPED,
        NEED("kind", STR), MAY("lost", ARR), MAY("why", STR)),
    [EVENT_STATE_RESTORED] = TYPE("state.restored", GROUPED,
        NEED("from_run", INT), NEED("kept", ARR), NEED("lost", ARR),
        MAY_WORD("how", "fork saved none attached snapshot")),

    [EVENT_SANDBOX_CREATING] = TYPE("sandbox.creating", DURABLE, SANDBOX, MAY("id", STR)),
    [EVENT_SANDBOX_READY] = TYPE("sandbox.ready", DURABLE,
        SANDBOX, NEED("id", STR), MAY("cold_start_ms", INT), MAY("warm", BOOL), MAY("again", BOOL),
        MAY("ends_ms", INT)),
    [EVENT_SANDBOX_PROBED] = TYPE("sandbox.probed", DURABLE,
        SANDBOX, NEED("probes", ARR), MAY("took_ms", INT), MAY_WORD("by", "birth doctor")),
    [EVENT_SANDBOX_CLOSED] = TYPE("sandbox.closed", DURABLE, SANDBOX, MAY("id", STR)),
    [EVENT_SANDBOX_ORPHANED] = TYPE("sandbox.orphaned", DURABLE, SANDBOX, MAY("id", STR)),
    [EVENT_SANDBOX_PAUSED] = TYPE("sandbox.paused", DURABLE,
        SANDBOX, NEED("id", STR), MAY("sandbox_ms", INT), MAY("by", STR)),
    [EVENT_SANDBOX_WAITING] = TYPE("sandbox.waiting", DURABLE,
        SANDBOX, NEED("why", STR), MAY("wait_ms", INT)),
    [EVENT_SANDBOX_LEASE] = TYPE("sandbox.lease", DURABLE, SANDBOX, NEED("ends_ms", INT)),

    [EVENT_USAGE] = TYPE("usage", GROUPED,
        NEED("source", STR), MAY("input_tokens", INT), MAY("output_tokens", INT),
        MAY("cache_read_tokens", INT), MAY("cache_write_tokens", INT), MAY("sandbox_ms", INT),
        MAY("cost_nanousd", INT)),
    [EVENT_ERROR] = TYPE("error", GROUPED,
        NEED("code", STR), NEED("message", STR), NEED("hint", STR), MAY("stopped", BOOL),
        MAY("retry_ms", INT)),
    [EVENT_FILE_PUT] = TYPE("file.put", GROUPED,
        NEED("path", STR), NEED("bytes", INT), MAY("sha256", STR)),
    [EVENT_FILE_GOT] = TYPE("file.got", GROUPED,
        NEED("path", STR), NEED("bytes", INT), MAY("sha256", STR)),
    [EVENT_RUN_FLAGGED] = TYPE("run.flagged", GROUPED,
        WORD("stream", "stdout stderr result error variable file message"), MAY("name", STR),
        MAY("line", INT), MAY("offset", INT), NEED("severity", STR), NEED("rule", STR),
        NEED("text", STR), MAY("excerpt", STR)),
    [EVENT_NETWORK_ASKED] = TYPE("network.asked", DURABLE,
        NEED("attempt", INT), WORD("verdict", "allowed refused failed"), NEED("method", STR),
        NEED("host", STR), MAY("port", INT), MAY("why", STR), MAY("background", BOOL)),
    [EVENT_NETWORK_CLOSED] = TYPE("network.closed", GROUPED,
        NEED("attempt", INT), NEED("host", STR), MAY("port", INT), MAY("address", STR),
        NEED("sent_bytes", INT), NEED("received_bytes", INT), NEED("wall_ms", INT),
        MAY("why", STR), MAY("background", BOOL)),
};
/* clang-format on */

/* Keys of the record around the body: a body that has one, in whatever case, would print a JSON
 * object that our own parser refuses. */
static const char *const reserved[] = { "seq", "at", "session", "run", "type" };

const char *event_type_name(enum event_type t)
{
    return (unsigned)t < EVENT_TYPE_COUNT ? types[t].name : types[EVENT_UNKNOWN].name;
}

enum event_type event_type_find(const char *name)
{
    size_t len = strlen(name);
    for (unsigned t = EVENT_UNKNOWN + 1; t < EVENT_TYPE_COUNT; t++) {
        if (types[t].name_len == len && memcmp(types[t].name, name, len) == 0)
            return (enum event_type)t;
    }
    return EVENT_UNKNOWN;
}

bool event_is_durable(enum event_type t)
{
    return (unsigned)t < EVENT_TYPE_COUNT && types[t].durable;
}

/* ---- checking ---- */

static bool kind_matches(enum kind want, const struct json *v)
{
    switch (want) {
    case ANY:
        return true;
    case STR:
        return json_kind(v) == JSON_STRING;
    case INT: /* an integer has one value whatever the default */
        return json_kind(v) == JSON_NUMBER && json_int(v, 0) == json_int(v, 1);
    case BOOL:
        return json_kind(v) == JSON_BOOL;
    case ARR:
        return json_kind(v) == JSON_ARRAY;
    case OBJ:
        return json_kind(v) == JSON_OBJECT;
    }
    return false;
}

static const char *kind_name(enum kind k)
{
    static const char *const names[] = {
        "any", "string", "integer", "true/false", "list", "object"
    };
    return names[k];
}

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = words; *p != '\0' && len != 0;) {
        size_t n = strcspn(p, " ");
        if (n == len && memcmp(p, word, n) == 0)
            return true;
        p += n + (p[n] == ' ');
    }
    return false;
}

static int check_fields(enum event_type t, const struct json *body, struct err *e)
{
    for (const struct field *f = types[t].fields; f->name != NULL; f++) {
        const struct json *v = json_get(body, f->name);
        if (v == NULL && f->required)
            return err_set(e, ERR_FORMAT, "%s: \"%s\" is missing", types[t].name, f->name);
        if (v != NULL && !kind_matches(f->kind, v))
            return err_set(e, ERR_FORMAT, "%s: \"%s\" is not of kind %s", types[t].name, f->name,
                           kind_name(f->kind));
    }
    return 0;
}

/* Only where we write: a newer program may have added words. */
static int check_words(enum event_type t, const struct json *body, struct err *e)
{
    for (const struct field *f = types[t].fields; f->name != NULL; f++) {
        const char *word = f->words != NULL ? json_get_str(body, f->name, NULL) : NULL;
        if (word != NULL && !has_word(f->words, word))
            return err_set(e, ERR_FORMAT, "%s: \"%s\" can't be \"%.40s\"", types[t].name, f->name,
                           word);
    }
    return 0;
}

static int check_reserved(const struct json *body, const char *name, struct err *e)
{
    for (const struct json *m = json_first(body); m != NULL; m = json_next(m)) {
        for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
            if (strcasecmp(json_key(m), reserved[i]) == 0)
                return err_set(e, ERR_FORMAT, "%s: a body has no field \"%s\"", name, reserved[i]);
        }
    }
    return 0;
}

int event_parse(struct event *ev, struct json **out, struct err *e)
{
    struct json *body = NULL;
    if (ev->type_name == NULL)
        ev->type_name = event_type_name(ev->type);
    if (ev->type == EVENT_RUN_OUTPUT) {
        *out = NULL;
        return 0;
    }
    if (ev->json_len > EVENT_BODY_MAX)
        return err_set(e, ERR_LIMIT, "%s: the body has more than %zu bytes", ev->type_name,
                       EVENT_BODY_MAX);
    if (json_parse(&body, ev->json, ev->json_len, e) < 0)
        return err_wrap(e, "%s", ev->type_name);
    if (json_kind(body) != JSON_OBJECT) {
        json_free(body);
        return err_set(e, ERR_FORMAT, "%s: the body is no JSON object", ev->type_name);
    }
    if (check_reserved(body, ev->type_name, e) < 0 || check_fields(ev->type, body, e) < 0) {
        json_free(body);
        return -1;
    }
    ev->body = body;
    *out = body;
    return 0;
}

/* ---- building ---- */

void event_begin(struct event_builder *b, enum event_type type, uint32_t run)
{
    INVARIANT(type > EVENT_UNKNOWN && type < EVENT_TYPE_COUNT && type != EVENT_RUN_OUTPUT);
    memset(b, 0, sizeof *b);
    b->ev.type = type;
    b->ev.type_name = types[type].name;
    b->ev.run = run;
    buf_init(&b->buf, EVENT_BODY_MAX);
    json_w_init(&b->w, &b->buf);
    json_w_object(&b->w, NULL);
}

int event_hide_secrets(struct event_builder *b, const struct redact *r, struct err *e)
{
    struct buf clean = BUF_INIT(EVENT_BODY_MAX);
    if (r == NULL || redact_find(r, buf_str(&b->buf), b->buf.len, NULL) == NULL)
        return 0;
    if (redact_text(r, buf_str(&b->buf), b->buf.len, &clean) < 0) {
        buf_release(&clean);
        return err_set(e, ERR_LIMIT, "%s: too long once its secrets are hidden", b->ev.type_name);
    }
    buf_release(&b->buf);
    b->buf = clean; /* the writer goes on in it */
    return 0;
}

int event_end(struct event_builder *b, struct err *e)
{
    struct err why = ERR_INIT;
    json_w_close_object(&b->w);
    if (json_w_end(&b->w) < 0)
        return err_set(e, ERR_LIMIT, "%s: the body has more than %zu bytes", b->ev.type_name,
                       EVENT_BODY_MAX);
    b->ev.json = buf_str(&b->buf);
    b->ev.json_len = b->buf.len;
    json_free(b->parsed);
    b->parsed = NULL;
    if (event_parse(&b->ev, &b->parsed, &why) < 0 ||
        check_words(b->ev.type, b->ev.body, &why) < 0) {
        /* Too deep or too many nodes is the fault of what was put in; the rest is ours. */
        if (why.code != ERR_LIMIT)
            err_bug(__FILE__, __LINE__, why.msg);
        return err_set(e, why.code, "%s", why.msg);
    }
    return 0;
}

void event_release(struct event_builder *b)
{
    if (b == NULL)
        return;
    json_free(b->parsed);
    buf_release(&b->buf);
    memset(&b->ev, 0, sizeof b->ev);
    b->parsed = NULL;
}

/* ---- printing ---- */

static void print_output(struct json_w *w, const struct event *ev)
{
    json_w_str(w, "stream", ev->stream == 2 ? "stderr" : "stdout");
    json_w_int(w, "offset", (int64_t)ev->offset);
    if (ev->bytes != NULL)
        json_w_text_or_base64(w, "text", "base64", ev->bytes, ev->len);
    else
        json_w_bool(w, "erased", true);
}

/* The members of a body, without its braces. A body from elsewhere may hold line breaks between
 * them (never inside strings: raw control bytes are refused there); JSONL may not. */
static int print_members(const struct event *ev, struct buf *out)
{
    if (json_len(ev->body) == 0)
        return 0;
    const char *open = memchr(ev->json, '{', ev->json_len);
    const char *close = memrchr(ev->json, '}', ev->json_len);
    INVARIANT(open != NULL && close > open); /* it was parsed */
    (void)buf_add_char(out, ',');            /* where the brace stood */
    size_t at = out->len;
    if (json_add_shown(out, open + 1, (size_t)(close - open) - 1) < 0)
        return -1;
    for (char *p = out->ptr + at; p < out->ptr + out->len; p++) {
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    }
    return 0;
}

static int print_record(const struct event *ev, const char *session, struct buf *out)
{
    struct json_w w;
    char at[CLOCK_ISO_LEN];
    clock_iso(ev->at_us, at);
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_int(&w, "seq", (int64_t)ev->seq);
    json_w_str(&w, "at", at);
    json_w_str(&w, "session", session);
    if (ev->run != 0 || ev->type == EVENT_RUN_OUTPUT)
        json_w_int(&w, "run", ev->run);
    json_w_str(&w, "type", ev->type_name != NULL ? ev->type_name : event_type_name(ev->type));
    if (ev->type == EVENT_RUN_OUTPUT)
        print_output(&w, ev);
    else if (ev->json == NULL)
        json_w_bool(&w, "erased", true);
    json_w_close_object(&w);
    if (json_w_end(&w) < 0)
        return -1;
    if (ev->type != EVENT_RUN_OUTPUT && ev->json != NULL) {
        buf_truncate(out, out->len - 1); /* the brace: the members go before it */
        if (print_members(ev, out) < 0 || buf_add_char(out, '}') < 0)
            return -1;
    }
    return buf_add_char(out, '\n');
}

int event_print_jsonl(const struct event *ev, const char *session, struct buf *out)
{
    size_t start = out->len;
    if (print_record(ev, session, out) == 0)
        return 0;
    buf_truncate(out, start);
    return -1;
}

static int print_field(const struct field *f, bool first, struct buf *out)
{
    if (buf_addf(out, "%s`%s`%s %s", first ? "" : ", ", f->name, f->required ? "" : "?",
                 kind_name(f->kind)) < 0)
        return -1;
    return f->words != NULL ? buf_addf(out, " (%s)", f->words) : 0;
}

int event_print_table(struct buf *out)
{
    if (buf_add_str(out, "| type | commit | fields |\n| --- | --- | --- |\n") < 0)
        return -1;
    for (unsigned t = EVENT_UNKNOWN + 1; t < EVENT_TYPE_COUNT; t++) {
        if (buf_addf(out, "| `%s` | %s | ", types[t].name,
                     types[t].durable ? "durable" : "grouped") < 0)
            return -1;
        for (const struct field *f = types[t].fields; f->name != NULL; f++) {
            if (print_field(f, f == types[t].fields, out) < 0)
                return -1;
        }
        if (buf_add_str(out, " |\n") < 0)
            return -1;
    }
    return 0;
}
