/* net.c - requests over libcurl, which is loaded when the first one is made.
 *
 * libcurl's callbacks only check, count and append; users are called back after the engine has
 * returned, from one idle callback per turn (so after the keyboard). libcurl brings 33 shared
 * objects and 6 of 7 ms of process start: hence dlopen, and nothing here before net_send.
 */
#include "base/net_private.h"

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/clock.h"
#include "base/gunzip.h"

#define LIBRARY         "libcurl.so.4"
#define WAIT_MAX_MS     60000 /* never -1 while transfers exist */
#define QUEUE_MAX       (256 * 1024)
#define BODY_MAX        (64 * INT64_C(1048576)) /* NET-4 */
#define GUNZIP_STEP     (32 * 1024)
#define BOMB_FLOOR      (1024 * 1024)
#define BOMB_RATIO      100
#define LOW_SPEED_BYTES 16L
#define LOW_SPEED_S     60L
#define HEADERS_MAX     64
#define DFLT_CONNECT_MS 10000
#define DFLT_FIRST_MS   60000
#define DFLT_IDLE_MS    90000
#define USER_AGENT      "airlock/" AIRLOCK_VERSION

#ifndef AIRLOCK_VERSION
#define AIRLOCK_VERSION "dev"
#endif

/* ---- the library */

#define LIBRARY_FUNCTIONS(X)                                                                       \
    X(global_init)                                                                                 \
    X(easy_init)                                                                                   \
    X(easy_setopt)                                                                                 \
    X(easy_getinfo)                                                                                \
    X(easy_pause)                                                                                  \
    X(easy_strerror)                                                                               \
    X(easy_cleanup)                                                                                \
    X(multi_init)                                                                                  \
    X(multi_add_handle)                                                                            \
    X(multi_remove_handle)                                                                         \
    X(multi_perform)                                                                               \
    X(multi_poll)                                                                                  \
    X(multi_info_read)                                                                             \
    X(multi_cleanup)                                                                               \
    X(url)                                                                                         \
    X(url_set)                                                                                     \
    X(url_get)                                                                                     \
    X(url_cleanup)                                                                                 \
    X(free)

static struct {
    bool loaded;
#define DECLARE(name) __typeof__(curl_##name) *name;
    LIBRARY_FUNCTIONS(DECLARE)
#undef DECLARE
} lib;

static bool load_functions(void *handle)
{
#define LOAD(name) ((lib.name = (__typeof__(lib.name))dlsym(handle, "curl_" #name)) != NULL) &&
    return LIBRARY_FUNCTIONS(LOAD) true;
#undef LOAD
}

/* Stays loaded for good: unloading a library with threads and atexit handlers is asking for it. */
static int load_library(struct err *e)
{
    if (lib.loaded)
        return 0;
    unsetenv("SSLKEYLOGFILE"); /* SEC-5: it would write session keys there */
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL || !load_functions(handle))
        return err_set(e, ERR_MISSING,
                       "network access needs libcurl (%s): install the package libcurl4", LIBRARY);
    if (lib.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(e, ERR_MISSING, "libcurl does not start");
    /* NOSIGNAL makes libcurl leave SIGPIPE to us, and TLS may write to a closed socket. */
    struct sigaction old;
    if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
    lib.loaded = true;
    return 0;
}

/* ---- calls */

struct net {
    struct loop *loop;
    CURLM *multi; /* NULL until the first request */
    struct loop_source *pump;
    struct net_call *calls;
    unsigned active; /* handles in `multi` */
    char *proxy;
    bool in_engine; /* inside a libcurl function that may call back */
    bool pumping;   /* calls are freed only at the end of the pump */
};

struct net_call {
    struct net *net;
    struct net_call *prev, *next;
    CURL *easy;
    bool in_multi;
    struct net_origin *origin;
    struct curl_slist *headers; /* an array; libcurl borrows it */
    char *header_text;
    char *url, *method;
    char engine_words[CURL_ERROR_SIZE];

    char *body; /* copied; sent once */
    size_t body_len, body_at;
    net_read_fn on_read;
    bool upload_waits;

    struct net_deadlines deadlines;
    struct loop_source *timer;
    int64_t started_us, last_us; /* last_us: the last byte in either direction */

    struct net_response response;
    bool gzip, keep_body, head_told;
    int64_t body_max;
    uint64_t wire, received; /* of the body: gzip bytes decoded, bytes handed on */
    struct buf queue;        /* as they came, not yet handed on */
    struct buf kept;         /* the body, when it is for `done` */
    struct gunzip *gunzip;   /* NULL: identity */
    bool unflushed;          /* it may hold output although `queue` is empty */

    net_head_fn on_head;
    net_data_fn on_data;
    net_done_fn on_done;
    void *arg;

    bool paused;        /* by the user */
    bool engine_paused; /* libcurl holds bytes back for us */
    bool finished;      /* the engine is done with it, and said `code` */
    CURLcode code;
    bool dead;   /* no callback any more, to be freed */
    bool failed; /* why the engine was made to stop, if it was us */
    enum net_end fail_end;
    char fail_text[160];
};

static void call_fail(struct net_call *c, enum net_end end, const char *text)
{
    if (c->failed)
        return;
    c->failed = true;
    c->fail_end = end;
    snprintf(c->fail_text, sizeof c->fail_text, "%s", text);
}

static int ms_or(int ms, int dflt)
{
    return ms == 0 ? dflt : ms;
}

static int64_t deadline_of(const struct net_call *c)
{
    const struct net_deadlines *d = &c->deadlines;
    int64_t due = INT64_MAX;
    int phase_ms = c->response.bytes == 0 ? ms_or(d->first_byte_ms, DFLT_FIRST_MS)
                                          : ms_or(d->idle_ms, DFLT_IDLE_MS);
    if (phase_ms > 0 && !c->paused && !c->engine_paused && !c->upload_waits)
        due = c->last_us + phase_ms * INT64_C(1000);
    if (d->total_ms > 0 && c->started_us + d->total_ms * INT64_C(1000) < due)
        due = c->started_us + d->total_ms * INT64_C(1000);
    return due;
}

static void watch_deadline(struct net_call *c)
{
    int64_t due = deadline_of(c), now = clock_boot_us();
    loop_arm_us(c->net->loop, c->timer, due == INT64_MAX ? -1 : due > now ? due - now : 0);
}

/* ---- libcurl calls us: check, count, append */

static size_t on_body(char *ptr, size_t one, size_t len, void *arg)
{
    struct net_call *c = arg;
    (void)one;
    if (c->failed)
        return 0;
    if (c->queue.len > 0 && c->queue.len + len > QUEUE_MAX) {
        c->engine_paused = true;
        return CURL_WRITEFUNC_PAUSE; /* the same bytes come again */
    }
    int rc = buf_add(&c->queue, ptr, len);
    INVARIANT(rc == 0);
    c->last_us = clock_boot_us();
    return len;
}

/* Scheme and host only: the rest of a Location may hold anything. */
static void fail_redirect(struct net_call *c)
{
    const char *to = net_header(&c->response, "location");
    char *scheme = NULL, *host = NULL;
    CURLU *u = lib.url();
    if (to != NULL && u != NULL && lib.url_set(u, CURLUPART_URL, to, 0) == CURLUE_OK &&
        lib.url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        lib.url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        char text[sizeof c->fail_text];
        snprintf(text, sizeof text, "it redirects to %s://%.100s, and redirects are not followed",
                 scheme, host);
        call_fail(c, NET_REDIRECT, text);
    }
    call_fail(c, NET_REDIRECT, "it redirects, and redirects are not followed");
    lib.free(scheme);
    lib.free(host);
    lib.url_cleanup(u);
}

static void on_head_complete(struct net_call *c)
{
    enum net_encoding coding = net_response_encoding(&c->response);
    if (c->response.status / 100 == 3)
        fail_redirect(c);
    else if (coding == NET_ENCODING_OTHER || (coding == NET_ENCODING_GZIP && !c->gzip))
        call_fail(c, NET_PROTOCOL, "its answer has an encoding we did not offer");
    else if (coding == NET_ENCODING_GZIP && gunzip_new(&c->gunzip, NULL) < 0)
        call_fail(c, NET_PROTOCOL, "its answer is gzip, and there is no zlib here");
}

static size_t on_header(char *ptr, size_t one, size_t len, void *arg)
{
    struct net_call *c = arg;
    (void)one;
    if (c->failed)
        return 0;
    bool first = c->response.bytes == 0;
    c->last_us = clock_boot_us();
    switch (net_response_add_line(&c->response, ptr, len)) {
    case NET_LINE_MORE:
        break;
    case NET_LINE_BAD:
        call_fail(c, NET_PROTOCOL, "its answer is not proper HTTP");
        break;
    case NET_LINE_TOO_LARGE:
        call_fail(c, NET_TOO_LARGE, "the head of its answer passes 64 KiB");
        break;
    case NET_LINE_COMPLETE:
        on_head_complete(c);
        break;
    }
    if (first)
        watch_deadline(c); /* from here on it is `idle`, which may be the shorter one */
    return c->failed ? 0 : len;
}

static size_t read_from_user(struct net_call *c, char *to, size_t size)
{
    ptrdiff_t n = c->on_read(c->arg, to, size);
    if (n == NET_READ_LATER) {
        c->upload_waits = true;
        return CURL_READFUNC_PAUSE;
    }
    INVARIANT(n <= (ptrdiff_t)size);
    if (n < 0) {
        call_fail(c, NET_UPLOAD, "what was to be sent could not be read");
        return CURL_READFUNC_ABORT;
    }
    return (size_t)n;
}

/* There is no way to rewind on purpose: libcurl repeats a request by itself when a kept connection
 * turns out dead, and a request that starts an execution must leave at most once. [NET-5] */
static size_t on_upload(char *to, size_t one, size_t len, void *arg)
{
    struct net_call *c = arg;
    size_t size = one * len;
    c->last_us = clock_boot_us();
    if (c->on_read != NULL)
        return read_from_user(c, to, size);
    size_t n = c->body_len - c->body_at;
    if (n > size)
        n = size;
    memcpy(to, c->body + c->body_at, n);
    c->body_at += n;
    return n;
}

/* ---- building a request */

static int check_request(const struct net_request *rq, struct err *e)
{
    const char *where = rq->origin->text;
    static const char *const ours[] = { "host",
                                        "content-length",
                                        "transfer-encoding",
                                        "connection",
                                        "accept-encoding",
                                        "expect",
                                        "upgrade",
                                        "te",
                                        "trailer",
                                        "cookie",
                                        "proxy-authorization" };
    if (!http_is_token(rq->method))
        return err_set(e, ERR_USAGE, "%s: the method is no word", where);
    if (!http_is_target(rq->target))
        return err_set(e, ERR_USAGE, "%s: the path of the request is not proper", where);
    if (rq->header_count > HEADERS_MAX)
        return err_set(e, ERR_USAGE, "%s: too many headers", where);
    for (size_t i = 0; i < rq->header_count; i++) {
        const struct net_header *h = &rq->headers[i];
        if (!http_is_token(h->name) || !http_is_field_value(h->value, strlen(h->value)))
            return err_set(e, ERR_USAGE, "%s: header %zu holds what a header can't", where, i + 1);
        bool taken = false;
        for (size_t k = 0; k < ARRAY_LEN(ours); k++)
            taken = taken || strcasecmp(ours[k], h->name) == 0;
        for (size_t k = 0; k < rq->origin->secret_count; k++) {
            const struct net_secret *s = &rq->origin->secrets[k];
            taken = taken || (strlen(h->name) == s->name_len &&
                              strncasecmp(h->name, s->line, s->name_len) == 0);
        }
        if (taken)
            return err_set(e, ERR_USAGE, "%s: the header %s is not the caller's", where, h->name);
    }
    return 0;
}

/* libcurl does not copy the list, so the lines with secrets stay in their own pages. */
static void build_headers(struct net_call *c, const struct net_request *rq)
{
    struct buf text = BUF_INIT(SIZE_MAX / 2);
    size_t offsets[HEADERS_MAX + 2], n = 0;
    for (; n < rq->header_count; n++) {
        const struct net_header *h = &rq->headers[n];
        offsets[n] = text.len;
        /* "Name;" is libcurl's way to say a header without value. */
        if (h->value[0] == '\0')
            (void)buf_addf(&text, "%s;", h->name);
        else
            (void)buf_addf(&text, "%s: %s", h->name, h->value);
        (void)buf_add_char(&text, '\0');
    }
    offsets[n++] = text.len;
    (void)buf_add(&text, "Expect:", sizeof "Expect:"); /* no pause before large bodies */
    if (rq->gzip) {
        offsets[n++] = text.len;
        (void)buf_add(&text, "Accept-Encoding: gzip", sizeof "Accept-Encoding: gzip");
    }
    c->header_text = buf_detach(&text);
    size_t total = n + c->origin->secret_count;
    c->headers = xcalloc(total, sizeof *c->headers);
    for (size_t i = 0; i < total; i++) {
        c->headers[i].data = i < n ? c->header_text + offsets[i] : c->origin->secrets[i - n].line;
        c->headers[i].next = i + 1 < total ? &c->headers[i + 1] : NULL;
    }
}

/* The one place where secrets meet a URL: what libcurl will connect to is the origin they belong
 * to, as libcurl itself reads it. [NET-2] */
static void assert_origin(const struct net_call *c)
{
    char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL;
    char want[16];
    CURLU *u = lib.url();
    INVARIANT(u != NULL && lib.url_set(u, CURLUPART_URL, c->url, 0) == CURLUE_OK);
    INVARIANT(lib.url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK);
    INVARIANT(lib.url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK);
    INVARIANT(lib.url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK);
    INVARIANT(lib.url_get(u, CURLUPART_USER, &user, 0) == CURLUE_NO_USER);
    snprintf(want, sizeof want, "%u", c->origin->port);
    INVARIANT(strcmp(scheme, c->origin->tls ? "https" : "http") == 0);
    INVARIANT(strcasecmp(host, c->origin->host) == 0 && strcmp(port, want) == 0);
    lib.free(scheme);
    lib.free(host);
    lib.free(port);
    lib.url_cleanup(u);
}

#define SET(option, value) (rc |= (int)lib.easy_setopt(c->easy, (option), (value)))

static int set_security(struct net_call *c)
{
    int rc = 0;
    SET(CURLOPT_PROTOCOLS_STR, c->origin->tls ? "https" : "http");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    if (c->origin->ca_file != NULL)
        SET(CURLOPT_CAINFO, c->origin->ca_file);
    if (c->origin->unix_path != NULL)
        SET(CURLOPT_UNIX_SOCKET_PATH, c->origin->unix_path);
    /* "" is what keeps libcurl from reading the environment. */
    bool proxied = c->net->proxy != NULL && c->origin->tls;
    SET(CURLOPT_PROXY, proxied ? c->net->proxy : "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    return rc;
}

static int set_transfer(struct net_call *c, const struct net_request *rq)
{
    int rc = 0;
    int connect_ms = ms_or(c->deadlines.connect_ms, DFLT_CONNECT_MS);
    SET(CURLOPT_HTTP_VERSION,
        rq->http1 || !c->origin->tls ? (long)CURL_HTTP_VERSION_1_1 : (long)CURL_HTTP_VERSION_2TLS);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    /* libcurl's own default is five minutes, and 0 means that. */
    SET(CURLOPT_CONNECTTIMEOUT_MS, connect_ms > 0 ? (long)connect_ms : 86400000L);
    if (!c->deadlines.may_be_slow) {
        /* The silence before an answer has a deadline of its own. */
        long first_s = ms_or(c->deadlines.first_byte_ms, DFLT_FIRST_MS) / 1000L + 1;
        SET(CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES);
        SET(CURLOPT_LOW_SPEED_TIME, first_s > LOW_SPEED_S ? first_s : LOW_SPEED_S);
    }
    SET(CURLOPT_USERAGENT, USER_AGENT);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, c);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, c);
    SET(CURLOPT_ERRORBUFFER, c->engine_words);
    SET(CURLOPT_PRIVATE, c);
    /* Dropping a call must not wait for its name look-up. Newer than our oldest libcurl, so its
     * absence is no error. */
    (void)lib.easy_setopt(c->easy, CURLOPT_QUICK_EXIT, 1L);
    return rc;
}

static bool wants_length(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
           strcmp(method, "PATCH") == 0;
}

/* As an upload whatever the method: only that way the body comes from on_upload. */
static int set_body(struct net_call *c, const struct net_request *rq)
{
    int rc = 0;
    bool has_body = rq->body != NULL || rq->on_read != NULL;
    if (has_body || wants_length(rq->method)) {
        curl_off_t len = rq->on_read != NULL ? (curl_off_t)rq->upload_len : (curl_off_t)c->body_len;
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE, len);
        SET(CURLOPT_READFUNCTION, on_upload);
        SET(CURLOPT_READDATA, c);
    } else if (strcmp(rq->method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
    }
    /* Nothing to rewind, so nothing would stop a repetition: no connection that may be dead. */
    if (!has_body && strcmp(rq->method, "GET") != 0 && strcmp(rq->method, "HEAD") != 0)
        SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_CUSTOMREQUEST, c->method);
    return rc;
}

/* The single send function: every byte that leaves, and every secret, passes here. */
static int configure(struct net_call *c, const struct net_request *rq)
{
    int rc = 0;
    assert_origin(c);
    build_headers(c, rq);
    SET(CURLOPT_URL, c->url);
    SET(CURLOPT_HTTPHEADER, c->headers);
    return rc | set_security(c) | set_transfer(c, rq) | set_body(c, rq);
}

/* ---- a call's life */

static void leave_engine(struct net_call *c)
{
    struct net *n = c->net;
    if (!c->in_multi)
        return;
    c->in_multi = false;
    lib.multi_remove_handle(n->multi, c->easy);
    if (--n->active == 0)
        loop_set_transfer_hook(n->loop, NULL, NULL);
}

static void call_free(struct net_call *c)
{
    struct net *n = c->net;
    leave_engine(c);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        n->calls = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    if (c->easy != NULL)
        lib.easy_cleanup(c->easy);
    loop_remove(n->loop, c->timer);
    net_response_release(&c->response);
    buf_release(&c->queue);
    buf_release(&c->kept);
    gunzip_free(c->gunzip);
    net_origin_free(c->origin);
    free(c->headers);
    free(c->header_text);
    free(c->url);
    free(c->method);
    free(c->body);
    free(c);
}

static enum err_code code_of(enum net_end end)
{
    switch (end) {
    case NET_PROTOCOL:
        return ERR_FORMAT;
    case NET_TOO_LARGE:
        return ERR_LIMIT;
    case NET_UPLOAD:
        return ERR_IO;
    case NET_CANCELLED:
        return ERR_CANCELLED;
    case NET_ANSWERED:
    case NET_UNREACHABLE:
    case NET_TIMEOUT:
    case NET_CUT:
    case NET_REDIRECT:
        break;
    }
    return ERR_NET;
}

static bool has_left(struct net_call *c)
{
    long sent = 0;
    lib.easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &sent);
    return sent > 0 || c->body_at > 0;
}

static enum net_end end_of(struct net_call *c, CURLcode code, bool left)
{
    switch (code) {
    case CURLE_OK:
        return c->response.complete ? NET_ANSWERED : NET_CUT; /* a head cut short is fine to it */
    case CURLE_OPERATION_TIMEDOUT:
        return left ? NET_TIMEOUT : NET_UNREACHABLE;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
        return NET_PROTOCOL;
    case CURLE_OUT_OF_MEMORY: /* what it says to a line beyond its own ceiling */
        return c->response.complete ? NET_CUT : NET_TOO_LARGE;
    default:
        return left ? NET_CUT : NET_UNREACHABLE;
    }
}

/* libcurl's words may quote the server: printable ASCII is all that passes. */
static const char *engine_text(struct net_call *c, CURLcode code)
{
    if (c->engine_words[0] == '\0')
        return lib.easy_strerror(code);
    for (char *s = c->engine_words; *s != '\0'; s++)
        if (*s < 0x20 || *s > 0x7e)
            *s = '?';
    return c->engine_words;
}

/* The engine is done with it, or must be. What is queued is still handed on, then comes `done`. */
static void call_finish(struct net_call *c, CURLcode code)
{
    if (c->finished)
        return;
    leave_engine(c);
    c->finished = true;
    c->code = code;
    loop_arm_us(c->net->loop, c->timer, -1);
    loop_wake_idle(c->net->loop, c->net->pump);
}

static void on_deadline(void *arg)
{
    struct net_call *c = arg;
    int64_t now = clock_boot_us();
    if (c->finished)
        return;
    if (now < deadline_of(c)) {
        watch_deadline(c); /* bytes came meanwhile */
        return;
    }
    bool total =
        c->deadlines.total_ms > 0 && now >= c->started_us + c->deadlines.total_ms * INT64_C(1000);
    call_fail(c, NET_TIMEOUT,
              total                    ? "the time for this request is over"
              : c->response.bytes == 0 ? "no answer came in time"
                                       : "it fell silent in the middle of its answer");
    call_finish(c, CURLE_OK);
}

/* ---- the pump: once per turn, behind everything else */

static bool is_bomb(const struct net_call *c)
{
    return c->received > BOMB_FLOOR && c->received / BOMB_RATIO > c->wire;
}

/* Decoded bytes on their way out. */
static void take(struct net_call *c, const char *p, size_t len)
{
    if (len == 0)
        return;
    c->received += len;
    if (c->received > (uint64_t)c->body_max)
        call_fail(c, NET_TOO_LARGE, "the answer is larger than we accept");
    else if (is_bomb(c))
        call_fail(c, NET_TOO_LARGE, "the answer is a compression bomb");
    else if (c->keep_body)
        (void)buf_add(&c->kept, p, len); /* its ceiling is body_max */
    else
        c->on_data(c->arg, p, len);
}

/* At most QUEUE_MAX of output a turn; a callback may pause, cancel or drop between the pieces. */
static void take_gzip(struct net_call *c)
{
    char out[GUNZIP_STEP];
    size_t at = 0, used, made = sizeof out, total = 0;
    while (!c->dead && !c->failed && !c->paused && total < QUEUE_MAX &&
           (at < c->queue.len || made == sizeof out)) {
        if (gunzip_step(c->gunzip, c->queue.ptr + at, c->queue.len - at, &used, out, sizeof out,
                        &made) < 0) {
            call_fail(c, NET_PROTOCOL, "its answer is not the gzip it claims to be");
            break;
        }
        at += used;
        c->wire += used;
        total += made;
        c->unflushed = made == sizeof out;
        take(c, out, made);
    }
    buf_drop_front(&c->queue, at);
    if (c->queue.len > 0 || c->unflushed)
        loop_wake_idle(c->net->loop, c->net->pump);
}

static bool has_queued(const struct net_call *c)
{
    return c->queue.len > 0 || c->unflushed;
}

static void hand_on(struct net_call *c)
{
    if (!c->head_told && c->response.complete && !c->failed && !c->paused) {
        c->head_told = true;
        if (c->on_head != NULL)
            c->on_head(c->arg, &c->response);
    }
    if (c->failed || c->paused || c->dead || !has_queued(c))
        return;
    if (c->gunzip != NULL) {
        take_gzip(c);
    } else {
        c->wire += c->queue.len;
        take(c, c->queue.ptr, c->queue.len);
        buf_reset(&c->queue);
    }
}

static void describe(struct net_call *c, struct net_result *r)
{
    *r = (struct net_result){ .retry_after_ms = -1, .received = c->received };
    r->left = has_left(c);
    r->end = c->failed ? c->fail_end : end_of(c, c->code, r->left);
    if (r->end == NET_ANSWERED && c->gunzip != NULL && c->wire > 0 && !gunzip_is_whole(c->gunzip)) {
        call_fail(c, NET_CUT, "the answer was cut short: its gzip has no end");
        r->end = NET_CUT;
    }
    if (c->response.complete) {
        net_response_describe(&c->response, r);
        r->response = &c->response;
        r->truncated = r->end != NET_ANSWERED;
    }
    if (c->keep_body) {
        r->body = buf_str(&c->kept);
        r->body_len = c->kept.len;
    }
    if (r->end != NET_ANSWERED)
        err_set(&r->err, code_of(r->end), "%s: %s%.200s", c->origin->text,
                c->failed                   ? ""
                : r->end == NET_CUT         ? "the answer was cut short: "
                : r->end == NET_UNREACHABLE ? "cannot connect: "
                                            : "",
                c->failed ? c->fail_text : engine_text(c, c->code));
}

static void tell_end(struct net_call *c)
{
    struct net_result r;
    describe(c, &r);
    c->dead = true; /* before the call: nothing it does may lead here again */
    c->on_done(c->arg, &r);
}

static void let_flow(struct net_call *c)
{
    if (!c->engine_paused || c->paused || c->finished || has_queued(c))
        return;
    c->engine_paused = false;
    c->last_us = clock_boot_us();
    c->net->in_engine = true;
    lib.easy_pause(c->easy, c->upload_waits ? CURLPAUSE_SEND : CURLPAUSE_CONT);
    c->net->in_engine = false;
    watch_deadline(c);
    if (c->queue.len > 0)
        loop_wake_idle(c->net->loop, c->net->pump);
}

static void reap_finished(struct net *n)
{
    CURLMsg *m;
    int left;
    while ((m = lib.multi_info_read(n->multi, &left)) != NULL) {
        struct net_call *c = NULL;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        lib.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
        call_finish(c, code);
    }
}

static void pump(void *arg)
{
    struct net *n = arg;
    int running;
    n->in_engine = true;
    if (n->active > 0)
        lib.multi_perform(n->multi, &running);
    n->in_engine = false;
    n->pumping = true;
    reap_finished(n);
    for (struct net_call *c = n->calls; c != NULL; c = c->next) {
        if (!c->dead)
            hand_on(c);
        if (!c->dead && c->failed)
            call_finish(c, CURLE_OK);
        if (!c->dead)
            let_flow(c);
        if (!c->dead && c->finished && (c->failed || !(c->paused || has_queued(c))))
            tell_end(c);
    }
    n->pumping = false;
    for (struct net_call *c = n->calls, *next; c != NULL; c = next) {
        next = c->next;
        if (c->dead)
            call_free(c);
    }
}

static int wait_for_transfers(void *arg, int epoll_fd, int timeout_ms)
{
    struct net *n = arg;
    struct curl_waitfd ours = { .fd = epoll_fd, .events = CURL_WAIT_POLLIN };
    if (timeout_ms < 0 || timeout_ms > WAIT_MAX_MS)
        timeout_ms = WAIT_MAX_MS;
    if (lib.multi_poll(n->multi, &ours, 1, timeout_ms, NULL) != CURLM_OK)
        return -1;
    loop_wake_idle(n->loop, n->pump);
    return 0;
}

/* ---- public */

struct net *net_new(struct loop *lp)
{
    struct net *n = xcalloc(1, sizeof *n);
    n->loop = lp;
    n->pump = loop_add_idle(lp, pump, n);
    return n;
}

void net_free(struct net *n)
{
    if (n == NULL)
        return;
    INVARIANT(!n->pumping);
    while (n->calls != NULL)
        call_free(n->calls);
    if (n->multi != NULL)
        lib.multi_cleanup(n->multi);
    loop_remove(n->loop, n->pump);
    free(n->proxy);
    free(n);
}

void net_set_proxy(struct net *n, const char *proxy)
{
    free(n->proxy);
    n->proxy = proxy != NULL ? xstrdup(proxy) : NULL;
}

static struct net_call *call_new(struct net *n, const struct net_request *rq)
{
    struct net_call *c = xcalloc(1, sizeof *c);
    c->net = n;
    c->origin = net_origin_ref(rq->origin);
    c->url = xasprintf("%s%s", c->origin->base, rq->target);
    c->method = xstrdup(rq->method);
    if (rq->body != NULL) {
        c->body = xmemdup(rq->body, rq->body_len);
        c->body_len = rq->body_len;
    }
    c->on_read = rq->on_read;
    c->deadlines = rq->deadlines;
    c->gzip = rq->gzip;
    c->body_max = rq->body_max > 0 ? rq->body_max : BODY_MAX;
    c->keep_body = rq->on_data == NULL;
    buf_init(&c->queue, QUEUE_MAX + CURL_MAX_READ_SIZE);
    buf_init(&c->kept, (size_t)c->body_max);
    net_response_init(&c->response);
    c->on_head = rq->on_head;
    c->on_data = rq->on_data;
    c->on_done = rq->on_done;
    c->arg = rq->arg;
    c->timer = loop_add_timer(n->loop, on_deadline, c);
    c->started_us = c->last_us = clock_boot_us();
    c->next = n->calls;
    if (n->calls != NULL)
        n->calls->prev = c;
    n->calls = c;
    return c;
}

static int start(struct net_call *c, const struct net_request *rq, struct err *e)
{
    struct net *n = c->net;
    if (n->multi == NULL)
        n->multi = lib.multi_init();
    c->easy = lib.easy_init();
    if (n->multi == NULL || c->easy == NULL || configure(c, rq) != 0)
        return err_set(e, ERR_MISSING,
                       "libcurl refuses a setting we need: 7.85 or newer it must be");
    if (lib.multi_add_handle(n->multi, c->easy) != CURLM_OK)
        return err_set(e, ERR_NET, "libcurl refuses the request");
    c->in_multi = true;
    if (n->active++ == 0)
        loop_set_transfer_hook(n->loop, wait_for_transfers, n);
    return 0;
}

int net_send(struct net *n, const struct net_request *rq, struct net_call **out, struct err *e)
{
    INVARIANT(!n->in_engine && rq->on_done != NULL && (rq->body == NULL || rq->on_read == NULL));
    if (check_request(rq, e) < 0 || load_library(e) < 0)
        return -1;
    struct net_call *c = call_new(n, rq);
    if (start(c, rq, e) < 0) {
        call_free(c);
        return -1;
    }
    watch_deadline(c);
    loop_wake_idle(n->loop, n->pump);
    *out = c;
    return 0;
}

void net_pause(struct net_call *c)
{
    c->paused = true;
}

void net_resume(struct net_call *c)
{
    if (!c->paused)
        return;
    c->paused = false;
    c->last_us = clock_boot_us();
    if (!c->finished)
        watch_deadline(c);
    loop_wake_idle(c->net->loop, c->net->pump);
}

void net_continue_upload(struct net_call *c)
{
    if (!c->upload_waits || c->finished)
        return;
    INVARIANT(!c->net->in_engine);
    c->upload_waits = false;
    c->last_us = clock_boot_us();
    c->net->in_engine = true;
    lib.easy_pause(c->easy, c->engine_paused ? CURLPAUSE_RECV : CURLPAUSE_CONT);
    c->net->in_engine = false;
    watch_deadline(c);
    loop_wake_idle(c->net->loop, c->net->pump);
}

void net_cancel(struct net_call *c)
{
    INVARIANT(!c->net->in_engine);
    if (c->dead)
        return;
    c->paused = c->failed = false; /* whatever ended it before, nobody has been told yet */
    call_fail(c, NET_CANCELLED, "cancelled");
    call_finish(c, CURLE_OK);
    loop_wake_idle(c->net->loop, c->net->pump);
}

void net_drop(struct net_call *c)
{
    if (c == NULL)
        return;
    INVARIANT(!c->net->in_engine);
    if (c->net->pumping) {
        c->dead = true;
        leave_engine(c);
        return;
    }
    call_free(c);
}
