/* wall.h - a place that is not this host's file system or network, and one byte stream to the guest
 * inside it. [architecture §3]
 *
 * A wall knows nothing of code, runs or variables: it creates itself with the guest and the kernels
 * in it, carries bytes both ways, counts what its limits did, and can be killed with proof.
 * `walled` puts the kernel protocol on top and is the `struct sandbox` people see. One vtable per
 * kind: local (bubblewrap), later docker, firecracker, daytona, modal.
 *
 * Calls return at once. Everything that comes back arrives through the sink, from the loop, never
 * from inside a call. WALL_GONE is always the last event and comes exactly once, unless close() was
 * called before. No guest byte runs before the contract's limits are on.
 */
#ifndef AIRLOCK_PROVIDERS_WALL_H
#define AIRLOCK_PROVIDERS_WALL_H

#include <sys/types.h>
#include "base/buf.h"
#include "providers/contract.h"

struct loop;
struct launcher;
struct net;
struct proxy_note;
struct wall;

/* A file that is put inside, read-only, before anything runs. `path` is absolute there. */
struct wall_file {
    const char *path;
    uint32_t mode; /* 0555 for the guest, 0444 for kernels */
    const void *ptr;
    size_t len;
};

enum wall_event_kind {
    WALL_UP,    /* the limits are on and the guest was let go: `id` names the place for a person */
    WALL_BYTES, /* ptr/len from the guest */
    WALL_ROOM,  /* after a short write: there is room again */
    WALL_LOG,   /* ptr/len: what the guest or the engine wrote to stderr */
    WALL_NET,   /* net, *on_record: what went out or tried to, under network=allow */
    WALL_GONE,  /* dead. err: why (code ERR_NONE after kill()); confirmed: it was proved that no
                   process of it is left */
};

struct wall_event {
    enum wall_event_kind kind;
    const char *id;
    const char *ptr;
    size_t len;
    bool confirmed;
    const struct err *err;
    const struct proxy_note *net; /* providers/proxy.h */
    bool *on_record;              /* of an attempt: set when it was recorded, else it is refused */
};

/* All pointers are lent for the call. */
typedef void (*wall_sink)(void *arg, const struct wall_event *ev);

struct wall_config {
    struct loop *loop;
    struct launcher *launcher;
    struct net *net; /* of remote ones, as are the settings (sandbox.h) */
    const char *(*setting)(void *arg, const char *name);
    void *setting_arg;
    const struct contract *contract; /* borrowed for create(); copy what is needed later */
    const char *image;               /* NULL: the default */
    const char *label;
    const struct wall_file *files; /* file_count; borrowed for create() */
    size_t file_count;
    const char *guest; /* path inside of what is run, without arguments: stream on 0 and 1, log
                          on 2 */
    wall_sink sink;
    void *arg;
};

/* Limits on the whole place that the wall sets itself; where one is missing the guest does its best
 * from inside (rlimits, a watch) and the contract says "approximated". */
enum wall_limit { WALL_LIMITS_MEMORY = 1u << 0, WALL_LIMITS_PIDS = 1u << 1 };

/* What the limits did so far. */
enum wall_counter {
    WALL_OOM_KILLS,    /* processes killed for memory */
    WALL_PIDS_REFUSED, /* forks refused */
    WALL_MEMORY_BYTES, /* in use now */
    WALL_COUNTERS
};

struct wall_ops {
    const char *name;
    int (*create)(struct wall **out, const struct wall_config *cfg, struct err *e);
    unsigned (*limits)(const struct wall *w); /* enum wall_limit; holds from create() on */
    /* Bytes taken (copied or sent); fewer than `len`: full, WALL_ROOM follows. -1: the stream is
     * gone, WALL_GONE follows. Before WALL_UP nothing is taken. */
    ssize_t (*write)(struct wall *w, const void *ptr, size_t len);
    /* As last known, -1 unknown; asks nobody remote. */
    int64_t (*counter)(const struct wall *w, enum wall_counter which);
    /* Destroy everything inside; WALL_GONE follows, and says whether that was proved. Idempotent.
     */
    void (*kill)(struct wall *w);
    /* Free, with no further events; what still lives is killed, and waited for briefly. Not from
     * inside the sink. NULL is fine. */
    void (*close)(struct wall *w);
};

struct wall {
    const struct wall_ops *ops;
}; /* first member of every implementation */

#endif
