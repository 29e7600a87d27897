/* allow.h - the allow list of a contract: which host and port code may reach, and which addresses
 * no name may lead to. [SBX-1, local-sandboxes §1.6]
 *
 * Items are NAME, *.NAME (what is below it, not itself), an IPv4 address or an [IPv6] address, each
 * with :PORT or without (ports 80 and 443). A name is allowed by how it is spelled; what it
 * resolves to must be public, or it is refused: whoever runs the name's zone must not choose a
 * machine of this network. An address is reached only when the list holds that very address.
 */
#ifndef AIRLOCK_PROVIDERS_ALLOW_H
#define AIRLOCK_PROVIDERS_ALLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

#define ALLOW_HOST_MAX 253
#define ALLOW_ITEM_MAX (ALLOW_HOST_MAX + 8)

/* A host as everybody here spells it: names in lower case without the last dot, addresses in the
 * one form of RFC 5952 (127.1 and 0x7f000001 are 127.0.0.1), IPv6 without brackets. */
struct allow_host {
    char name[ALLOW_HOST_MAX + 1];
    bool is_address;
};

enum allow_kind { ALLOW_EXACT, ALLOW_BELOW };

struct allow_rule {
    enum allow_kind kind;
    struct allow_host host; /* ALLOW_BELOW: without the `*.` */
    uint16_t port;          /* 0: 80 and 443 */
};

/* false: not a host. */
bool allow_host_read(struct allow_host *out, const char *p, size_t len);
/* "HOST:PORT" or "[V6]:PORT"; without a port `port` stays as it was. */
bool allow_target_read(struct allow_host *host, uint16_t *port, const char *p, size_t len);
/* One item of the contract. */
bool allow_rule_read(struct allow_rule *out, const char *item);
/* The same item in its one spelling, in place. false: no item (unchanged). */
bool allow_item_normalise(char *item);

/* The rule that lets `host`:`port` through; NULL: none. */
const struct allow_rule *allow_find(const struct allow_rule *rules, size_t count,
                                    const struct allow_host *host, uint16_t port);

/* What kind of address that is not to be reached by name: "loopback", "private", "link-local",
 * "cloud metadata" … NULL: a public one. */
const char *allow_address_kind(const struct sockaddr *sa);

/* The IPv4 address (4 bytes, in `sa`) that it is, or that it stands for as IPv6: mapped,
 * compatible, translated. NULL: none. */
const uint8_t *allow_address_v4(const struct sockaddr *sa);

#endif
