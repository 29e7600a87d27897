/* net_private.h - what the parts of net share: net.c (libcurl), net_origin.c, net_request.c,
 * net_answer.c, net_body.c. */
#ifndef AIRLOCK_BASE_NET_PRIVATE_H
#define AIRLOCK_BASE_NET_PRIVATE_H

#include "base/net.h"

#define NET_SECRETS_MAX 16

struct net_origin {
    unsigned refs;
    char *text; /* scheme://host[:port], or unix:PATH */
    char *base; /* what a URL begins with: scheme://host[:port]/prefix */
    char *host; /* as in the URL: lower case, IPv6 in brackets */
    unsigned port;
    bool tls, local;
    char *unix_path; /* NULL: TCP */
    char *ca_file;   /* NULL: the system's */
    struct net_secret {
        char *line; /* "Name: value" in memory of its own */
        size_t name_len, mapped;
    } secrets[NET_SECRETS_MAX];
    size_t secret_count;
};

/* Count one user more. The const is given up on purpose: requests name an origin without changing
 * it. */
struct net_origin *net_origin_ref(const struct net_origin *o);

/* The head of an answer as it arrives, line by line. */
struct net_response {
    struct buf lines; /* "Name: value\0" … of the final head, without 1xx ones and trailers */
    size_t bytes;     /* of every head and trailer line */
    int status;
    bool complete;
    bool in_head; /* a status line was read */
    bool http1;
};

enum net_line { NET_LINE_MORE, NET_LINE_COMPLETE, NET_LINE_BAD, NET_LINE_TOO_LARGE };

void net_response_init(struct net_response *r);
void net_response_release(struct net_response *r);
/* One line with its line end. COMPLETE once: the head is whole. */
enum net_line net_response_add_line(struct net_response *r, const char *line, size_t len);
/* How the body is coded; OTHER: in a way we refuse (also as transfer coding, and gzip twice). */
enum net_encoding { NET_ENCODING_IDENTITY, NET_ENCODING_GZIP, NET_ENCODING_OTHER };
enum net_encoding net_response_encoding(const struct net_response *r);
/* Does the head say where the body ends (a length, chunks, HTTP/2, no body at all)? */
bool net_response_is_framed(const struct net_response *r, bool to_head);
/* status, request_id and retry_after_ms of *out. */
void net_response_describe(const struct net_response *r, struct net_result *out);

/* ---- net_request.c */

/* ERR_USAGE when the request is not one we would send. */
int net_request_check(const struct net_request *rq, struct err *e) MUST_CHECK;

/* Its header lines as libcurl takes them, the origin's secrets behind the others: those stay in
 * pages of their own, so the origin must outlive this. */
struct net_lines {
    char *text; /* of the lines that are no secret */
    char **lines;
    size_t count;
};
void net_lines_build(struct net_lines *l, const struct net_request *rq);
void net_lines_release(struct net_lines *l);

/* ---- net_body.c: from the wire to the user, decoded, counted and held back */

struct net_body {
    net_data_fn fn; /* NULL: the body is kept */
    void *arg;
    uint64_t max, received; /* received: decoded and handed on */
    uint64_t unpacked;      /* gzip bytes that became `received` */
    struct buf queue;       /* as they came, not yet handed on */
    struct buf kept;
    struct gunzip *gunzip; /* NULL: identity */
    bool unflushed;        /* gunzip may hold output although `queue` is empty */
    bool stopped;          /* hand nothing on: paused, cancelled, dropped, failed */
};

#define NET_QUEUE_MAX (256 * 1024)
#define NET_PIECE_MAX (16 * 1024) /* largest piece added at a time */

void net_body_init(struct net_body *b, int64_t max, net_data_fn fn, void *arg);
void net_body_release(struct net_body *b);
/* 0; -1 without zlib. */
int net_body_expect_gzip(struct net_body *b);
bool net_body_has_room(const struct net_body *b, size_t len);
void net_body_add(struct net_body *b, const char *p, size_t len);
bool net_body_is_empty(const struct net_body *b);
/* At most some NET_QUEUE_MAX of output; call again until it is empty. -1 with the reason. */
struct net_failure {
    enum net_end end;
    const char *text; /* static */
};
int net_body_hand_on(struct net_body *b, struct net_failure *f) MUST_CHECK;
/* At the end of the answer: a gzip stream without its own end is an answer cut short. */
bool net_body_is_cut(const struct net_body *b);

/* ---- one request under way */

struct net {
    struct loop *loop;
    void *engine; /* a CURLM; NULL until the first request */
    struct loop_source *pump;
    struct net_call *calls;
    unsigned active; /* calls in the engine */
    char *proxy;
    bool in_engine; /* inside a libcurl function that may call back */
    bool pumping;   /* calls are freed only at the end of the pump */
};

struct net_call {
    struct net *net;
    struct net_call *prev, *next;
    void *transfer; /* a CURL */
    bool in_engine;
    struct net_origin *origin;
    struct net_lines lines;
    void *headers; /* an array of struct curl_slist over `lines`; libcurl copies neither */
    char *url, *method;
    char engine_words[256]; /* CURL_ERROR_SIZE */

    char *upload; /* copied; sent once */
    size_t upload_len, upload_at;
    net_read_fn on_read;
    bool upload_waits;

    struct net_deadlines deadlines;
    struct loop_source *timer;
    int64_t started_us, last_us; /* last_us: the last byte in either direction */

    struct net_response response;
    struct net_body body;
    bool gzip, to_head, answering, head_told;

    net_head_fn on_head;
    net_done_fn on_done;
    void *arg;

    bool paused;        /* by the user */
    bool engine_paused; /* libcurl holds bytes back for us */
    bool finished;      /* the engine is done with it, and said `code` */
    int code;           /* a CURLcode */
    bool dead;          /* no callback any more, to be freed */
    bool failed;        /* why the engine was made to stop, if it was us */
    enum net_end fail_end;
    char fail_text[160];
};

/* net.c: why the engine is made to stop. The first reason stands. */
void net_call_fail(struct net_call *c, enum net_end end, const char *text);
/* net.c: the engine is done with it, or must be. */
void net_call_finish(struct net_call *c, int code);
/* net.c: bytes went or came. */
void net_call_touch(struct net_call *c);

#define NET_CONNECT_MS    10000
#define NET_FIRST_BYTE_MS 60000
#define NET_IDLE_MS       90000

static inline int net_ms_or(int ms, int dflt)
{
    return ms == 0 ? dflt : ms;
}

/* ---- net_curl.c: the engine, and the only file that knows libcurl */

/* Load the library and make the engine, once. */
int net_engine_open(struct net *n, struct err *e) MUST_CHECK;
void net_engine_close(struct net *n);
/* Put a call in. Its secrets are attached here and nowhere else. */
int net_engine_start(struct net_call *c, const struct net_request *rq, struct err *e) MUST_CHECK;
void net_engine_stop(struct net_call *c);    /* its connection is closed */
void net_engine_release(struct net_call *c); /* stop and free what start made */
/* Let both directions go on, but for those the call says are held. */
void net_engine_go_on(struct net_call *c);
/* Read, write, call back; calls that ended go to net_call_finish. */
void net_engine_perform(struct net *n);
/* Sleep until a transfer or epoll_fd is ready. -1: it can't go on. */
int net_engine_wait(struct net *n, int epoll_fd, int timeout_ms);
/* Of a finished call: may some of the request have arrived, what does its code mean, in words. */
bool net_engine_has_left(const struct net_call *c);
enum net_end net_engine_end(const struct net_call *c);
const char *net_engine_text(struct net_call *c);

#endif
