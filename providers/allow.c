/* allow.c - reads and matches the items of an allow list; tells public addresses from others. */
#include "providers/allow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define PORT_DIGITS_MAX 5

/* ---- hosts ---- */

/* What C libraries take for an IPv4 address in any of its old spellings must never pass for a
 * name. */
static bool looks_numeric(const char *name)
{
    const char *dot = strrchr(name, '.');
    const char *last = dot != NULL ? dot + 1 : name;
    size_t len = strlen(last);
    if (strspn(last, "0123456789") == len)
        return true;
    return last[0] == '0' && last[1] == 'x' && strspn(last + 2, "0123456789abcdef") == len - 2;
}

static bool is_name(const char *name)
{
    size_t len = strlen(name), label = 0;
    for (size_t i = 0; i < len; i++) {
        char ch = name[i];
        bool word = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-' || ch == '_';
        if (ch == '.' && label == 0)
            return false;
        if (!word && ch != '.')
            return false;
        label = ch == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return len > 0 && label > 0;
}

static bool read_v4(struct allow_host *out)
{
    struct in_addr a;
    if (inet_aton(out->name, &a) == 0)
        return false;
    out->is_address = true;
    return inet_ntop(AF_INET, &a, out->name, sizeof out->name) != NULL;
}

static bool read_v6(struct allow_host *out)
{
    struct in6_addr a;
    if (inet_pton(AF_INET6, out->name, &a) != 1)
        return false;
    out->is_address = true;
    if (IN6_IS_ADDR_V4MAPPED(&a))
        return inet_ntop(AF_INET, a.s6_addr + 12, out->name, sizeof out->name) != NULL;
    return inet_ntop(AF_INET6, &a, out->name, sizeof out->name) != NULL;
}

bool allow_host_read(struct allow_host *out, const char *p, size_t len)
{
    *out = (struct allow_host){ .is_address = false };
    if (len > 1 && p[len - 1] == '.')
        len--;
    if (len == 0 || len > ALLOW_HOST_MAX || memchr(p, '\0', len) != NULL)
        return false;
    for (size_t i = 0; i < len; i++)
        out->name[i] = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] - 'A' + 'a') : p[i];
    if (memchr(p, ':', len) != NULL)
        return read_v6(out);
    if (!is_name(out->name))
        return false;
    return looks_numeric(out->name) ? read_v4(out) : true;
}

static bool read_port(uint16_t *out, const char *p, size_t len)
{
    unsigned n = 0;
    if (len == 0 || len > PORT_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        n = n * 10 + (unsigned)(p[i] - '0');
    }
    if (n == 0 || n > UINT16_MAX)
        return false;
    *out = (uint16_t)n;
    return true;
}

bool allow_target_read(struct allow_host *host, uint16_t *port, const char *p, size_t len)
{
    const char *end = p + len, *colon;
    if (len > 0 && p[0] == '[') {
        const char *close = memchr(p, ']', len);
        if (close == NULL || !allow_host_read(host, p + 1, (size_t)(close - p) - 1) ||
            memchr(p, ':', (size_t)(close - p)) == NULL)
            return false;
        colon = close + 1;
        if (colon < end && *colon != ':')
            return false;
    } else {
        colon = memchr(p, ':', len);
        if (colon == NULL)
            colon = end;
        if (!allow_host_read(host, p, (size_t)(colon - p)))
            return false;
    }
    return colon == end || read_port(port, colon + 1, (size_t)(end - colon) - 1);
}

/* ---- rules ---- */

bool allow_rule_read(struct allow_rule *out, const char *item)
{
    size_t skip = strncmp(item, "*.", 2) == 0 ? 2 : 0;
    *out = (struct allow_rule){ .kind = skip != 0 ? ALLOW_BELOW : ALLOW_EXACT };
    if (!allow_target_read(&out->host, &out->port, item + skip, strlen(item + skip)))
        return false;
    return skip == 0 || !out->host.is_address;
}

bool allow_item_normalise(char *item)
{
    struct allow_rule r;
    char text[ALLOW_ITEM_MAX + 8], port[8] = "";
    if (strlen(item) > ALLOW_ITEM_MAX || !allow_rule_read(&r, item))
        return false;
    bool v6 = strchr(r.host.name, ':') != NULL;
    if (r.port != 0)
        snprintf(port, sizeof port, ":%u", r.port);
    snprintf(text, sizeof text, "%s%s%s%s%s", r.kind == ALLOW_BELOW ? "*." : "", v6 ? "[" : "",
             r.host.name, v6 ? "]" : "", port);
    /* 127.1 would grow: who means an address writes it whole. */
    if (strlen(text) > strlen(item))
        return false;
    memcpy(item, text, strlen(text) + 1);
    return true;
}

static bool host_matches(const struct allow_rule *r, const struct allow_host *host)
{
    size_t have = strlen(host->name), want = strlen(r->host.name);
    if (r->host.is_address != host->is_address)
        return false;
    if (r->kind == ALLOW_EXACT)
        return strcmp(host->name, r->host.name) == 0;
    return have > want + 1 && host->name[have - want - 1] == '.' &&
           strcmp(host->name + have - want, r->host.name) == 0;
}

const struct allow_rule *allow_find(const struct allow_rule *rules, size_t count,
                                    const struct allow_host *host, uint16_t port)
{
    for (size_t i = 0; i < count; i++) {
        bool port_fits = rules[i].port != 0 ? rules[i].port == port : port == 80 || port == 443;
        if (port_fits && host_matches(&rules[i], host))
            return &rules[i];
    }
    return NULL;
}

/* ---- addresses ---- */

struct range {
    uint8_t prefix[16];
    unsigned bits;
    const char *kind;
};

static const struct range v4_ranges[] = {
    { { 168, 63, 129, 16 }, 32, "cloud metadata" },
    { { 100, 100, 100, 200 }, 32, "cloud metadata" },
    { { 169, 254, 169, 254 }, 32, "cloud metadata" },
    { { 0 }, 8, "this network" },
    { { 10 }, 8, "private" },
    { { 100, 64 }, 10, "shared, private" },
    { { 127 }, 8, "loopback" },
    { { 169, 254 }, 16, "link-local" },
    { { 172, 16 }, 12, "private" },
    { { 192, 0, 0 }, 24, "reserved" },
    { { 192, 0, 2 }, 24, "documentation" },
    { { 192, 88, 99 }, 24, "a relay" },
    { { 192, 168 }, 16, "private" },
    { { 198, 18 }, 15, "reserved" },
    { { 198, 51, 100 }, 24, "documentation" },
    { { 203, 0, 113 }, 24, "documentation" },
    { { 224 }, 4, "multicast" },
    { { 240 }, 4, "reserved" },
};

static const struct range v6_ranges[] = {
    { { 0xfd, 0, 0x0e, 0xc2 }, 32, "cloud metadata" },
    { { 0 }, 128, "this host" },
    { { [15] = 1 }, 128, "loopback" },
    { { 0, 0x64, 0xff, 0x9b, 0, 1 }, 48, "private" },
    { { 1 }, 64, "discard-only" },
    { { 0x20, 0x01, 0, 0 }, 23, "reserved" },
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32, "documentation" },
    { { 0x20, 0x02 }, 16, "a relay" },
    { { 0x3f, 0xff }, 20, "documentation" },
    { { 0xfc }, 7, "private" },
    { { 0xfe, 0x80 }, 10, "link-local" },
    { { 0xfe, 0xc0 }, 10, "private" },
    { { 0xff }, 8, "multicast" },
};

static bool in_range(const uint8_t *a, const struct range *r)
{
    size_t whole = r->bits / 8;
    unsigned rest = r->bits % 8;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return memcmp(a, r->prefix, whole) == 0 &&
           (rest == 0 || ((a[whole] ^ r->prefix[whole]) & mask) == 0);
}

static const char *find_range(const uint8_t *a, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (in_range(a, &ranges[i]))
            return ranges[i].kind;
    return NULL;
}

static const char *kind_of_v4(const uint8_t *a)
{
    return find_range(a, v4_ranges, sizeof v4_ranges / sizeof *v4_ranges);
}

/* Those that stand for an IPv4 address: mapped, compatible, translated. */
static const uint8_t *v4_in_v6(const uint8_t *a)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    static const uint8_t compatible[12] = { 0 };
    static const uint8_t translated[12] = { 0, 0x64, 0xff, 0x9b };
    bool stands = memcmp(a, mapped, 12) == 0 || memcmp(a, compatible, 12) == 0 ||
                  memcmp(a, translated, 12) == 0;
    return stands ? a + 12 : NULL;
}

static const char *kind_of_v6(const uint8_t *a)
{
    const char *kind = find_range(a, v6_ranges, sizeof v6_ranges / sizeof *v6_ranges);
    if (kind != NULL)
        return kind;
    const uint8_t *v4 = v4_in_v6(a);
    return v4 != NULL ? kind_of_v4(v4) : NULL;
}

const char *allow_address_kind(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        return kind_of_v4((const uint8_t *)&in.sin_addr);
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        return kind_of_v6(in6.sin6_addr.s6_addr);
    }
    return "of an unknown family";
}

const uint8_t *allow_address_v4(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET)
        return (const uint8_t *)sa + offsetof(struct sockaddr_in, sin_addr);
    if (sa->sa_family == AF_INET6)
        return v4_in_v6((const uint8_t *)sa + offsetof(struct sockaddr_in6, sin6_addr));
    return NULL;
}
