/* net_origin.c - where requests may go, and the secrets that go there and nowhere else. [NET-2] */
#include "base/net_private.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

#define HOST_MAX   253
#define LABEL_MAX  63
#define PREFIX_MAX 1024
#define SECRET_MIN 8
#define SECRET_MAX 512

/* ---- hosts */

static bool is_label_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* "127.1" and "0x7f000001" mean addresses to resolvers: a name must not look like one. */
static bool ends_in_number(const char *host)
{
    const char *dot = strrchr(host, '.');
    const char *last = dot != NULL ? dot + 1 : host;
    if (last[0] == '0' && last[1] == 'x')
        return true;
    return last[strspn(last, "0123456789")] == '\0';
}

static bool is_host_name(const char *host)
{
    size_t label = 0;
    if (strlen(host) > HOST_MAX || ends_in_number(host))
        return false;
    for (const char *s = host; *s != '\0'; s++) {
        label = *s == '.' ? 0 : label + 1;
        if ((*s == '.' && (s == host || s[-1] == '.')) || (*s != '.' && !is_label_char(*s)) ||
            label > LABEL_MAX)
            return false;
    }
    return label > 0;
}

/* Takes a lower-case host to its one spelling. NULL: not a host. */
static char *normal_host(const char *host, bool *loopback)
{
    struct in6_addr six;
    struct in_addr four;
    char text[INET6_ADDRSTRLEN];
    *loopback = strcmp(host, "localhost") == 0;
    if (inet_pton(AF_INET, host, &four) == 1) {
        *loopback = (ntohl(four.s_addr) >> 24) == 127;
        return xstrdup(host);
    }
    if (inet_pton(AF_INET6, host, &six) == 1) {
        *loopback = IN6_IS_ADDR_LOOPBACK(&six);
        return xasprintf("[%s]", inet_ntop(AF_INET6, &six, text, sizeof text));
    }
    return is_host_name(host) ? xstrdup(host) : NULL;
}

/* ---- URLs */

struct parts {
    bool tls;
    char host[HOST_MAX + 3];
    unsigned port;
    const char *prefix;
};

static const char *skip_scheme(const char *url, bool *tls)
{
    *tls = strncasecmp(url, "https://", 8) == 0;
    if (*tls)
        return url + 8;
    return strncasecmp(url, "http://", 7) == 0 ? url + 7 : NULL;
}

/* "host", "host:port", "[v6]", "[v6]:port" up to `end`. */
static int split_authority(const char *s, const char *end, struct parts *p)
{
    size_t len;
    if (*s == '[') {
        const char *close = memchr(s, ']', (size_t)(end - s));
        if (close == NULL)
            return -1;
        len = (size_t)(close - ++s);
    } else {
        const char *colon = memchr(s, ':', (size_t)(end - s));
        len = (size_t)((colon != NULL ? colon : end) - s);
    }
    bool bracket = s[-1] == '[';
    if (len == 0 || len >= sizeof p->host || bracket != (memchr(s, ':', len) != NULL))
        return -1;
    for (size_t i = 0; i < len; i++)
        p->host[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] + 32) : s[i];
    p->host[len] = '\0';
    s += len + bracket;
    if (s == end)
        return 0;
    if (*s++ != ':' || s == end || end - s > 5)
        return -1;
    for (p->port = 0; s < end; s++) {
        if (*s < '0' || *s > '9')
            return -1;
        p->port = p->port * 10 + (unsigned)(*s - '0');
    }
    return p->port >= 1 && p->port <= 65535 ? 0 : -1;
}

static int parse_url(const char *url, struct parts *p, struct err *e)
{
    const char *at = skip_scheme(url, &p->tls);
    p->prefix = "";
    if (at == NULL)
        return err_set(e, ERR_USAGE, "the address must begin with https://");
    if (strpbrk(at, "@?#\\") != NULL)
        return err_set(e, ERR_USAGE, "the address may not hold a user, a query or a fragment");
    const char *end = at + strcspn(at, "/");
    p->port = p->tls ? 443 : 80;
    if (split_authority(at, end, p) < 0)
        return err_set(e, ERR_USAGE, "the address has no proper host and port");
    p->prefix = end;
    if (*end != '\0' && (strlen(end) > PREFIX_MAX || !http_is_target(end)))
        return err_set(e, ERR_USAGE, "the path of the address holds what a path can't hold");
    return 0;
}

static char *origin_text(const struct parts *p, const char *host)
{
    if (p->port == (p->tls ? 443u : 80u))
        return xasprintf("http%s://%s", p->tls ? "s" : "", host);
    return xasprintf("http%s://%s:%u", p->tls ? "s" : "", host, p->port);
}

int net_origin_new(struct net_origin **out, const char *url, struct err *e)
{
    struct parts p;
    bool loopback;
    if (parse_url(url, &p, e) < 0)
        return -1;
    char *host = normal_host(p.host, &loopback);
    if (host == NULL)
        return err_set(e, ERR_USAGE, "the address names no proper host");
    if (!p.tls && !loopback) {
        free(host);
        return err_set(e, ERR_USAGE, "plain http goes to this machine only: use https");
    }
    struct net_origin *o = xcalloc(1, sizeof *o);
    size_t prefix = strlen(p.prefix);
    while (prefix > 0 && p.prefix[prefix - 1] == '/')
        prefix--;
    o->refs = 1;
    o->tls = p.tls;
    o->local = loopback;
    o->port = p.port;
    o->host = host;
    o->text = origin_text(&p, host);
    o->base = xasprintf("%s%.*s", o->text, (int)prefix, p.prefix);
    *out = o;
    return 0;
}

int net_origin_new_unix(struct net_origin **out, const char *socket_path, struct err *e)
{
    if (socket_path[0] != '/' || strlen(socket_path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return err_set(e, ERR_USAGE, "a socket needs an absolute path of at most 107 bytes");
    struct net_origin *o = xcalloc(1, sizeof *o);
    o->refs = 1;
    o->port = 80;
    o->local = true;
    o->host = xstrdup("localhost");
    o->text = xasprintf("unix:%s", socket_path);
    o->base = xstrdup("http://localhost");
    o->unix_path = xstrdup(socket_path);
    *out = o;
    return 0;
}

struct net_origin *net_origin_ref(const struct net_origin *o)
{
    struct net_origin *shared = (struct net_origin *)(uintptr_t)o;
    shared->refs++;
    return shared;
}

void net_origin_free(struct net_origin *o)
{
    if (o == NULL || --o->refs > 0)
        return;
    for (size_t i = 0; i < o->secret_count; i++) {
        explicit_bzero(o->secrets[i].line, o->secrets[i].mapped);
        munmap(o->secrets[i].line, o->secrets[i].mapped);
    }
    free(o->text);
    free(o->base);
    free(o->host);
    free(o->unix_path);
    free(o->ca_file);
    free(o);
}

const char *net_origin_text(const struct net_origin *o)
{
    return o->text;
}

bool net_origin_is_local(const struct net_origin *o)
{
    return o->local;
}

void net_origin_set_ca_file(struct net_origin *o, const char *path)
{
    free(o->ca_file);
    o->ca_file = xstrdup(path);
}

/* ---- secrets */

static bool is_printable(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] < 0x20 || s[i] > 0x7e)
            return false;
    return true;
}

/* Pages of its own: what shares a page with a secret would be wiped or dumped with it. */
static char *secret_pages(size_t len, size_t *mapped)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    *mapped = (len + page - 1) / page * page;
    char *p = mmap(NULL, *mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    INVARIANT(p != MAP_FAILED);
    madvise(p, *mapped, MADV_DONTDUMP);
    mlock(p, *mapped); /* best effort: the limit may be small */
    return p;
}

int net_origin_add_secret(struct net_origin *o, const char *header, const char *prefix,
                          const char *value, size_t len, struct err *e)
{
    INVARIANT(http_is_token(header) && is_printable(prefix, strlen(prefix)));
    if (o->secret_count == NET_SECRETS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d keys for %s", NET_SECRETS_MAX, o->text);
    if (len < SECRET_MIN || len > SECRET_MAX || !is_printable(value, len) ||
        !http_is_field_value(value, len))
        return err_set(e, ERR_FORMAT,
                       "the key for %s is not one: 8 to 512 printable characters, no blank at "
                       "either end",
                       o->text);
    struct net_secret *s = &o->secrets[o->secret_count++];
    size_t name_len = strlen(header), prefix_len = strlen(prefix);
    s->name_len = name_len;
    s->line = secret_pages(name_len + 2 + prefix_len + len + 1, &s->mapped);
    memcpy(s->line, header, name_len);
    memcpy(s->line + name_len, ": ", 2);
    memcpy(s->line + name_len + 2, prefix, prefix_len);
    memcpy(s->line + name_len + 2 + prefix_len, value, len);
    return 0;
}

bool net_origin_has_secret(const struct net_origin *o, const char *header)
{
    size_t len = strlen(header);
    for (size_t i = 0; i < o->secret_count; i++) {
        const struct net_secret *s = &o->secrets[i];
        if (len == s->name_len && strncasecmp(header, s->line, len) == 0)
            return true;
    }
    return false;
}
