/* managed_box.h - the sandbox claude-managed against a server in this process (fake_net.h): what it
 * says by a script, what it was asked for, what the sandbox told. */
#ifndef AIRLOCK_TESTS_MANAGED_BOX_H
#define AIRLOCK_TESTS_MANAGED_BOX_H

#include "providers/sandboxes/claude_managed_int.h"
#include "unit/fake_box.h"

#define TOOLSET_ONLY                                                                               \
    "\"tools\":[{\"type\":\"agent_toolset_20260401\",\"default_config\":{\"enabled\":false},"      \
    "\"configs\":[{\"name\":\"bash\",\"enabled\":true,\"permission_policy\":{\"type\":"            \
    "\"always_ask\"}}]}]"
#define TOOLSET TOOLSET_ONLY ",\"mcp_servers\":[],\"skills\":[]"
#define AGENT   "{\"id\":\"agent_1\",\"version\":1," TOOLSET "}"
#define ENVIRONMENT                                                                                \
    "{\"id\":\"env_1\",\"config\":{\"type\":\"cloud\",\"networking\":{\"type\":\"limited\","       \
    "\"allowed_hosts\":[],\"allow_package_managers\":false,\"allow_mcp_servers\":false}}}"

/* Events of a script: $C the command, $T the timeout as a member, $R what the runner printed, $B a
 * result of other code, $I the id of the last call. */
#define CALL                                                                                       \
    "{\"type\":\"agent.tool_use\",\"id\":\"$I\",\"name\":\"bash\",\"input\":{\"command\":\"$C\"$"  \
    "T},"                                                                                          \
    "\"evaluated_permission\":\"ask\"}"
#define WAITS                                                                                      \
    "{\"type\":\"session.status_idle\",\"stop_reason\":{\"type\":\"requires_action\","             \
    "\"event_ids\":[\"$I\"]}}"
#define RUNS "{\"type\":\"session.status_running\"}"
#define RESULT                                                                                     \
    "{\"type\":\"agent.tool_result\",\"tool_use_id\":\"$I\",\"is_error\":false,\"content\":["      \
    "{\"type\":\"text\",\"text\":\"$R\"}]}"
#define ENDS          "{\"type\":\"session.status_idle\",\"stop_reason\":{\"type\":\"end_turn\"}}"
#define STOPS(reason) "{\"type\":\"session.status_idle\",\"stop_reason\":{\"type\":\"" reason "\"}}"
#define USED                                                                                       \
    "{\"type\":\"span.model_request_end\",\"model_usage\":{\"input_tokens\":900,"                  \
    "\"output_tokens\":60,\"cache_read_input_tokens\":100,\"cache_creation_input_tokens\":-4}}"
#define CONFIRMS   "{\"type\":\"user.tool_confirmation\",\"tool_use_id\":\"$I\",\"result\":\"allow\"}"

#define SCRIPT_MAX 12
static const char *const good_turn[] = { RUNS, CALL, USED, WAITS, NULL };
static const char *const good_end[] = { CONFIRMS, RUNS, RESULT, USED, ENDS, NULL };
static const char *const nothing[] = { NULL };

static struct {
    const char *const *turn, *const *end, *const *denied, *const *stopped;
    const char *agent, *environment, *session; /* instead of the honest ones */
    int64_t exit_code;
    bool late, unstarted;
    unsigned made, sessions, files, calls, told;
    unsigned allowed, refused, interrupted;
    bool alive, agent_there, environment_there;
    struct fake_call *stream;
    struct buf history; /* JSON events with "," between */
    size_t pages;       /* of the history, of two events each; 0: one page */
    char *command;
    int64_t timeout_ms;
    struct buf posted; /* bodies of the events that came */
} server;

static struct {
    unsigned ready, failed, finished, closed, outputs, usages, states;
    bool confirmed, state_lost;
    enum run_end end;
    int code;
    int64_t cost;
    struct err why;
    char message[1024], error_value[512];
} told;

/* ---- what the server says */

static void escape(struct buf *out, const char *text)
{
    struct buf quoted = BUF_INIT((size_t)4 << 20);
    struct json_w w;
    json_w_init(&w, &quoted);
    json_w_array(&w, NULL);
    json_w_str(&w, NULL, text);
    json_w_close_array(&w);
    assert_int_equal(json_w_end(&w), 0);
    assert_int_equal(buf_add(out, quoted.ptr + 2, quoted.len - 4), 0);
    buf_release(&quoted);
}

/* The runner's line about the program in `command`, or in the upload. */
static struct buf last_payload = BUF_INIT((size_t)4 << 20);

static void print_result(struct buf *out, bool other_code)
{
    struct claude_decoded d;
    struct err e = ERR_INIT;
    uint8_t hash[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    if (claude_program_read(&d, buf_str(&last_payload), last_payload.len, &e) < 0) {
        (void)buf_add_str(out, "sha256sum: no such file"); /* it was never uploaded */
        claude_decoded_release(&d);
        return;
    }
    sha256_once(d.rq.code, d.rq.code_len, hash);
    hex_encode(hash, sizeof hash, hex);
    if (server.unstarted) {
        (void)buf_addf(out, "AIRLOCK-RESULT {\"token\":\"%s\",\"failed\":\"bm8=\"}", d.terms.token);
    } else {
        (void)buf_addf(out,
                       "AIRLOCK-RESULT {\"code\":%lld,\"late\":%s,\"us\":5,\"sha256\":\"%s\","
                       "\"root\":\"\",\"out\":\"NDIK\",\"out_bytes\":3,\"err\":\"\","
                       "\"err_bytes\":0,\"error\":[],\"value\":\"\",\"check\":null,\"exists\":[],"
                       "\"files\":[[\"YQ==\",\"new\",3]],\"token\":\"%s\"}",
                       (long long)server.exit_code, server.late ? "true" : "false",
                       other_code ? "00" : hex, d.terms.token);
    }
    claude_decoded_release(&d);
}

static void expand(struct buf *out, const char *event)
{
    for (const char *p = event; *p != '\0'; p++) {
        struct buf text = BUF_INIT((size_t)4 << 20);
        char what = *p == '$' ? *++p : '\0';
        if (what == 'C')
            escape(out, server.command);
        else if (what == 'I')
            (void)buf_addf(out, "sevt_%u", server.calls);
        else if (what == 'T' && server.timeout_ms > 0)
            (void)buf_addf(out, ",\"timeout_ms\":%lld", (long long)server.timeout_ms);
        else if (what == 'R' || what == 'B')
            print_result(&text, what == 'B');
        else if (what == '\0')
            (void)buf_add_char(out, *p);
        if (text.len > 0)
            escape(out, buf_str(&text));
        buf_release(&text);
    }
}

static void tell_event(const char *event)
{
    struct buf one = BUF_INIT((size_t)4 << 20), line = BUF_INIT((size_t)4 << 20);
    if (strstr(event, "\"agent.tool_use\"") != NULL && strstr(event, "$I") != NULL)
        server.calls++;
    expand(&one, event);
    /* Each event has a name of its own, calls theirs. */
    if (one.len > 0 && one.ptr[0] == '{' && strstr(event, "\"id\":") == NULL) {
        char id[48];
        int n = snprintf(id, sizeof id, "{\"id\":\"evt_%u\",", server.told++);
        (void)buf_add(&line, id, (size_t)n);
        (void)buf_add(&line, one.ptr + 1, one.len - 1);
        buf_reset(&one);
        (void)buf_add(&one, line.ptr, line.len);
        buf_reset(&line);
    }
    if (server.history.len > 0)
        (void)buf_add_char(&server.history, '\n');
    (void)buf_add(&server.history, one.ptr, one.len);
    (void)buf_addf(&line, "event: x\ndata: %s\n\n", buf_str(&one));
    if (server.stream != NULL && !server.stream->gone)
        fake_data(server.stream, line.ptr, line.len);
    buf_release(&one);
    buf_release(&line);
}

static void tell_all(const char *const *script)
{
    for (size_t i = 0; script != NULL && script[i] != NULL; i++)
        tell_event(script[i]);
}

/* ---- what it is asked for */

static void take_program(void)
{
    struct claude_command c;
    struct err e = ERR_INIT;
    if (claude_command_read(&c, server.command, strlen(server.command), &e) == 0 &&
        c.payload != NULL) {
        buf_reset(&last_payload);
        (void)buf_add(&last_payload, c.payload, c.payload_len);
    }
}

static void take_event(const struct json *ev)
{
    const char *type = json_get_str(ev, "type", "");
    if (strcmp(type, "user.message") == 0) {
        const char *words = json_get_str(json_at(json_get(ev, "content"), 0), "text", "");
        const char *at = strstr(words, "`timeout_ms` is ");
        free(server.command);
        server.command = xstrdup(json_get_str(json_at(json_get(ev, "content"), 1), "text", ""));
        server.timeout_ms = at != NULL ? strtoll(at + 16, NULL, 10) : 0;
        take_program();
        tell_all(server.turn);
    } else if (strcmp(type, "user.interrupt") == 0) {
        server.interrupted++;
        tell_all(server.stopped);
    } else if (strcmp(json_get_str(ev, "result", ""), "allow") == 0) {
        server.allowed++;
        tell_all(server.end);
    } else {
        server.refused++;
        tell_all(server.denied);
    }
}

static void post_events(struct fake_call *c)
{
    struct json *o = NULL;
    struct err e = ERR_INIT;
    if (json_parse(&o, c->body, c->body_len, &e) < 0)
        fail_msg("%s", e.msg);
    (void)buf_addf(&server.posted, "%s\n", c->body);
    fake_reply(c, 200, NULL, "{\"data\":[]}");
    for (const struct json *ev = json_first(json_get(o, "events")); ev != NULL; ev = json_next(ev))
        take_event(ev);
    json_free(o);
}

static void post_file(struct fake_call *c)
{
    char id[48];
    const char *body = strstr(c->body, "\r\n\r\n");
    assert_non_null(body);
    if (strstr(c->body, "airlock-run.json") != NULL) {
        buf_reset(&last_payload);
        const char *end = strstr(body + 4, "\r\n--airlock-");
        assert_non_null(end);
        (void)buf_add(&last_payload, body + 4, (size_t)(end - body - 4));
    }
    server.files++;
    snprintf(id, sizeof id, "{\"id\":\"file_%u\"}", ++server.made);
    fake_reply(c, 200, NULL, id);
}

static void show_session(struct buf *out)
{
    if (server.session != NULL)
        (void)buf_add_str(out, server.session);
    else
        (void)buf_addf(out,
                       "{\"id\":\"sesn_%u\",\"status\":\"idle\",\"agent\":%s,"
                       "\"environment_id\":\"env_1\",\"metadata\":{\"airlock\":\"" LABEL "\"}}",
                       server.sessions, AGENT);
}

static void page_of_history(struct fake_call *c)
{
    struct buf out = BUF_INIT((size_t)4 << 20);
    const char *page = strstr(c->target, "page=");
    size_t from = page != NULL ? strtoul(page + 5, NULL, 10) : 0, at = 0, n = 0;
    (void)buf_add_str(&out, "{\"data\":[");
    for (const char *p = buf_str(&server.history); *p != '\0'; at++) {
        size_t len = strcspn(p, "\n");
        if (at >= from && (server.pages == 0 || n < 2)) {
            (void)buf_addf(&out, "%s%.*s", n > 0 ? "," : "", (int)len, p);
            n++;
        }
        p += len + (p[len] == '\n');
    }
    (void)buf_addf(&out, "],\"next_page\":");
    if (server.pages > 0 && from + n < at)
        (void)buf_addf(&out, "\"%zu\"}", from + n);
    else
        (void)buf_add_str(&out, "null}");
    fake_reply(c, 200, NULL, buf_str(&out));
    buf_release(&out);
}

static void serve_sessions(struct fake_call *c)
{
    struct buf out = BUF_INIT((size_t)1 << 20);
    bool get = strcmp(c->base.method, "GET") == 0,
         one = strncmp(c->target, "/v1/sessions/", 13) == 0;
    if (strcmp(c->base.method, "DELETE") == 0) {
        bool was = server.alive;
        server.alive = false;
        fake_reply(c, was ? 200 : 404, NULL, "{}");
    } else if (!get && !one) {
        server.sessions++;
        server.alive = true;
        buf_reset(&server.history);
        show_session(&out);
        fake_reply(c, 200, NULL, buf_str(&out));
    } else if (get && strstr(c->target, "/events/stream") != NULL) {
        server.stream = c;
        fake_head(c, 200, NULL);
    } else if (get && strstr(c->target, "/events") != NULL) {
        page_of_history(c);
    } else if (get && one) {
        show_session(&out);
        fake_reply(c, 200, NULL, buf_str(&out));
    } else if (get) {
        (void)buf_add_str(&out, "{\"data\":[");
        if (server.alive)
            show_session(&out);
        (void)buf_add_str(&out, "],\"next_page\":null}");
        fake_reply(c, 200, NULL, buf_str(&out));
    } else {
        post_events(c);
    }
    buf_release(&out);
}

static inline void serve(struct fake_call *c)
{
    const char *t = c->target;
    bool post = strcmp(c->base.method, "POST") == 0;
    if (strncmp(t, "/v1/sessions", 12) == 0) {
        serve_sessions(c);
    } else if (strcmp(t, "/v1/agents") == 0) {
        server.agent_there = true;
        fake_reply(c, 200, NULL, server.agent != NULL ? server.agent : AGENT);
    } else if (strcmp(t, "/v1/environments") == 0) {
        server.environment_there = true;
        fake_reply(c, 200, NULL, server.environment != NULL ? server.environment : ENVIRONMENT);
    } else if (strcmp(t, "/v1/files") == 0) {
        post_file(c);
    } else if (post && strcmp(t, "/v1/agents/agent_1/archive") == 0) {
        server.agent_there = false;
        fake_reply(c, 200, NULL, "{}");
    } else if (strcmp(t, "/v1/environments/env_1") == 0) {
        server.environment_there = false;
        fake_reply(c, 200, NULL, "{}");
    } else {
        fake_reply(c, 200, NULL, "{}");
    }
}

/* ---- what the sandbox tells */

static inline void on_sandbox(void *arg, struct sandbox *s, const struct sandbox_event *ev)
{
    (void)arg, (void)s;
    assert_int_equal(told.closed, 0); /* CLOSED is the last */
    switch (ev->kind) {
    case SANDBOX_READY:
        told.ready++;
        break;
    case SANDBOX_FAILED:
        told.failed++;
        told.why = *ev->err;
        break;
    case SANDBOX_OUTPUT:
        told.outputs++;
        break;
    case SANDBOX_USAGE:
        told.usages++;
        told.cost = ev->usage->cost_nanousd;
        break;
    case SANDBOX_STATE:
        told.states++;
        break;
    case SANDBOX_FINISHED:
        told.finished++;
        told.end = ev->finished->end;
        told.code = ev->finished->code;
        told.state_lost = ev->finished->state_lost;
        snprintf(told.message, sizeof told.message, "%s", ev->finished->message);
        snprintf(told.error_value, sizeof told.error_value, "%s", ev->finished->error_value);
        break;
    case SANDBOX_CLOSED:
        told.closed++;
        told.confirmed = ev->confirmed;
        break;
    default:
        fail_msg("event %d", ev->kind);
    }
}

static inline const char *setting(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, "ANTHROPIC_BASE_URL") == 0)
        return "http://127.0.0.1:9";
    return strcmp(name, "ANTHROPIC_API_KEY") == 0 ? "test-key-0123456789" : NULL;
}

/* ---- one sandbox */

static inline struct sandbox_config config(void)
{
    return (struct sandbox_config){ .loop = lp,
                                    .net = net,
                                    .setting = setting,
                                    .contract = &terms,
                                    .label = LABEL,
                                    .sink = on_sandbox,
                                    .check_body = on_body };
}

/* Until *count is at least `want`. */
static inline void await(const unsigned *count, unsigned want)
{
    box_await(count, want, NULL);
}

static inline void set_up(void)
{
    memset(&server, 0, sizeof server);
    memset(&told, 0, sizeof told);
    buf_init(&server.history, (size_t)4 << 20);
    buf_init(&server.posted, (size_t)4 << 20);
    server.turn = good_turn;
    server.end = good_end;
    static const char *const ends[] = { ENDS, NULL };
    server.stopped = ends;
    terms = (struct contract){ .lifecycle = LIFECYCLE_SESSION, .ttl_s = 86400, .timeout_s = 30 };
    box_set_up(serve);
}

static inline void open_box(void)
{
    struct err e = ERR_INIT;
    struct sandbox_config cfg = config();
    if (sandbox_claude_managed.open(&box, &cfg, &e) < 0)
        fail_msg("%s", e.msg);
}

static inline void start_code(const char *code)
{
    struct err e = ERR_INIT;
    struct sandbox_run rq = { .run = told.finished + 1,
                              .language = "python",
                              .interpreter = "python3",
                              .code = code,
                              .code_len = strlen(code),
                              .cwd = "/workspace",
                              .check_code = "" };
    if (box->ops->exec(box, &rq, &e) < 0)
        fail_msg("%s", e.msg);
}

static inline void tear_down(void)
{
    box_tear_down();
    buf_release(&server.history);
    buf_release(&server.posted);
    buf_release(&last_payload);
    free(server.command);
    server.command = NULL;
}

#endif
