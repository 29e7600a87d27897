/* net_private.h - private to net.c, net_origin.c and net_answer.c. */
#ifndef AIRLOCK_BASE_NET_PRIVATE_H
#define AIRLOCK_BASE_NET_PRIVATE_H

#include "base/net.h"

#define NET_SECRETS_MAX 4

struct net_origin {
    unsigned refs;
    char *text; /* scheme://host[:port], or unix:PATH */
    char *base; /* what a URL begins with: scheme://host[:port]/prefix */
    char *host; /* as in the URL: lower case, IPv6 in brackets */
    unsigned port;
    bool tls;
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
};

enum net_line { NET_LINE_MORE, NET_LINE_COMPLETE, NET_LINE_BAD, NET_LINE_TOO_LARGE };

void net_response_init(struct net_response *r);
void net_response_release(struct net_response *r);
/* One line with its line end. COMPLETE once: the head is whole. */
enum net_line net_response_add_line(struct net_response *r, const char *line, size_t len);
/* How the body is coded; OTHER: in a way we refuse (also as transfer coding, and gzip twice). */
enum net_encoding { NET_ENCODING_IDENTITY, NET_ENCODING_GZIP, NET_ENCODING_OTHER };
enum net_encoding net_response_encoding(const struct net_response *r);
/* status, request_id and retry_after_ms of *out. */
void net_response_describe(const struct net_response *r, struct net_result *out);

#endif
