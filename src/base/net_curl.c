/* net_curl.c - the engine of net: libcurl, which is loaded when the first request is made.
 *
 * It brings 33 shared objects and 6 of 7 ms of process start: hence dlopen. Its callbacks only
 * check, count and append; users are called back by net.c, after it has returned.
 */
#include "base/net_private.h"

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LIBRARY         "libcurl.so.4"
#define WAIT_MAX_MS     60000 /* never -1 while transfers exist */
#define LOW_SPEED_BYTES 16L
#define LOW_SPEED_S     60L
#define USER_AGENT      "airlock/" AIRLOCK_VERSION

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
    X(free)                                                                                        \
    X(version)

static struct {
    bool loaded;
#define DECLARE(name) __typeof__(curl_##name) *(name);
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

const char *net_library_version(void)
{
    struct err e = ERR_INIT;
    return load_library(&e) == 0 ? lib.version() : "";
}

/* ---- libcurl calls us: check, count, append */

_Static_assert(sizeof((struct net_call *)0)->engine_words >= CURL_ERROR_SIZE, "libcurl's words");

static size_t on_body(char *ptr, size_t one, size_t len, void *arg)
{
    struct net_call *c = arg;
    (void)one;
    if (c->failed)
        return 0;
    if (!net_body_has_room(&c->body, len)) {
        c->engine_paused = true;
        return CURL_WRITEFUNC_PAUSE; /* the same bytes come again */
    }
    net_body_add(&c->body, ptr, len);
    net_call_touch(c);
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
        net_call_fail(c, NET_REDIRECT, text);
    }
    net_call_fail(c, NET_REDIRECT, "it redirects, and redirects are not followed");
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
        net_call_fail(c, NET_PROTOCOL, "its answer has an encoding we did not offer");
    else if (coding == NET_ENCODING_GZIP && net_body_expect_gzip(&c->body) < 0)
        net_call_fail(c, NET_PROTOCOL, "its answer is gzip, and there is no zlib here");
}

static size_t on_header(char *ptr, size_t one, size_t len, void *arg)
{
    struct net_call *c = arg;
    (void)one;
    if (c->failed)
        return 0;
    enum net_line line = net_response_add_line(&c->response, ptr, len);
    net_call_touch(c);
    switch (line) {
    case NET_LINE_MORE:
        break;
    case NET_LINE_BAD:
        net_call_fail(c, NET_PROTOCOL, "its answer is not proper HTTP");
        break;
    case NET_LINE_TOO_LARGE:
        net_call_fail(c, NET_TOO_LARGE, "the head of its answer passes 64 KiB");
        break;
    case NET_LINE_COMPLETE:
        on_head_complete(c);
        break;
    }
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
        net_call_fail(c, NET_UPLOAD, "what was to be sent could not be read");
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
    net_call_touch(c);
    if (c->on_read != NULL)
        return read_from_user(c, to, size);
    size_t n = c->upload_len - c->upload_at;
    if (n > size)
        n = size;
    memcpy(to, c->upload + c->upload_at, n);
    c->upload_at += n;
    return n;
}

/* ---- building a request */

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

#define SET(option, value) (rc |= (int)lib.easy_setopt(c->transfer, (option), (value)))

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
    int connect_ms = net_ms_or(c->deadlines.connect_ms, NET_CONNECT_MS);
    SET(CURLOPT_HTTP_VERSION,
        rq->http1 || !c->origin->tls ? (long)CURL_HTTP_VERSION_1_1 : (long)CURL_HTTP_VERSION_2TLS);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    /* libcurl's own default is five minutes, and 0 means that. */
    SET(CURLOPT_CONNECTTIMEOUT_MS, connect_ms > 0 ? (long)connect_ms : 86400000L);
    if (!c->deadlines.may_be_slow) {
        /* The silence before an answer has a deadline of its own. */
        long first_s = net_ms_or(c->deadlines.first_byte_ms, NET_FIRST_BYTE_MS) / 1000L + 1;
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
    (void)lib.easy_setopt(c->transfer, CURLOPT_QUICK_EXIT, 1L);
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
        curl_off_t len =
            rq->on_read != NULL ? (curl_off_t)rq->upload_len : (curl_off_t)c->upload_len;
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
    net_lines_build(&c->lines, rq);
    struct curl_slist *list = xcalloc(c->lines.count, sizeof *list);
    for (size_t i = 0; i < c->lines.count; i++) {
        list[i].data = c->lines.lines[i];
        list[i].next = i + 1 < c->lines.count ? &list[i + 1] : NULL;
    }
    c->headers = list;
    SET(CURLOPT_URL, c->url);
    SET(CURLOPT_HTTPHEADER, list);
    return rc | set_security(c) | set_transfer(c, rq) | set_body(c, rq);
}

/* ---- the engine */

int net_engine_open(struct net *n, struct err *e)
{
    if (load_library(e) < 0)
        return -1;
    if (n->engine == NULL)
        n->engine = lib.multi_init();
    return n->engine != NULL ? 0 : err_set(e, ERR_MISSING, "libcurl does not start");
}

void net_engine_close(struct net *n)
{
    if (n->engine != NULL)
        lib.multi_cleanup(n->engine);
    n->engine = NULL;
}

int net_engine_start(struct net_call *c, const struct net_request *rq, struct err *e)
{
    c->transfer = lib.easy_init();
    if (c->transfer == NULL || configure(c, rq) != 0)
        return err_set(e, ERR_MISSING,
                       "libcurl refuses a setting we need: 7.85 or newer it must be");
    if (lib.multi_add_handle(c->net->engine, c->transfer) != CURLM_OK)
        return err_set(e, ERR_NET, "libcurl refuses the request");
    c->in_engine = true;
    c->net->active++;
    return 0;
}

void net_engine_stop(struct net_call *c)
{
    if (!c->in_engine)
        return;
    c->in_engine = false;
    c->net->active--;
    lib.multi_remove_handle(c->net->engine, c->transfer);
}

void net_engine_release(struct net_call *c)
{
    net_engine_stop(c);
    if (c->transfer != NULL)
        lib.easy_cleanup(c->transfer);
    net_lines_release(&c->lines);
    free(c->headers);
}

void net_engine_go_on(struct net_call *c)
{
    int held = (c->engine_paused ? CURLPAUSE_RECV : 0) | (c->upload_waits ? CURLPAUSE_SEND : 0);
    c->net->in_engine = true;
    lib.easy_pause(c->transfer, held);
    c->net->in_engine = false;
}

void net_engine_perform(struct net *n)
{
    int count;
    if (n->active == 0)
        return;
    n->in_engine = true;
    lib.multi_perform(n->engine, &count);
    n->in_engine = false;
    for (CURLMsg *m; (m = lib.multi_info_read(n->engine, &count)) != NULL;) {
        struct net_call *c = NULL;
        CURLcode code = m->data.result; /* *m does not outlive the handle's removal */
        if (m->msg != CURLMSG_DONE)
            continue;
        lib.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
        net_call_finish(c, (int)code);
    }
}

int net_engine_wait(struct net *n, int epoll_fd, int timeout_ms)
{
    struct curl_waitfd ours = { .fd = epoll_fd, .events = CURL_WAIT_POLLIN };
    if (timeout_ms < 0 || timeout_ms > WAIT_MAX_MS)
        timeout_ms = WAIT_MAX_MS;
    return lib.multi_poll(n->engine, &ours, 1, timeout_ms, NULL) == CURLM_OK ? 0 : -1;
}

bool net_engine_has_left(const struct net_call *c)
{
    long sent = 0;
    lib.easy_getinfo(c->transfer, CURLINFO_REQUEST_SIZE, &sent);
    return sent > 0 || c->upload_at > 0;
}

enum net_end net_engine_end(const struct net_call *c)
{
    bool left = net_engine_has_left(c);
    switch ((CURLcode)c->code) {
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
const char *net_engine_text(struct net_call *c)
{
    if (c->engine_words[0] == '\0')
        return lib.easy_strerror((CURLcode)c->code);
    for (char *s = c->engine_words; *s != '\0'; s++)
        if (*s < 0x20 || *s > 0x7e)
            *s = '?';
    return c->engine_words;
}
