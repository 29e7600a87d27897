/* fleet.h - what an account has running at a provider of remote sandboxes: listed and ended without
 * opening one. For the reaper: what outlived its session costs money. [SBX-9]
 *
 * One request at a time, from the loop; `done` comes exactly once and last, from the loop, unless
 * the call was dropped.
 */
#ifndef AIRLOCK_PROVIDERS_FLEET_H
#define AIRLOCK_PROVIDERS_FLEET_H

#include "providers/sandbox.h"

/* All lent for the call. */
struct fleet_item {
    const char *id;
    const char *label;    /* ours: "<session>-<number>[-<run>]"; "" it is not Airlock's */
    const char *state;    /* "running", "paused", "snapshot" */
    const char *image;    /* template, image */
    const char *started;  /* RFC 3339; "" unknown */
    const char *ends;     /* when it ends by itself, RFC 3339; "" never or unknown */
    int64_t cpus;         /* -1 unknown */
    int64_t memory_mib;   /* -1 unknown */
    int64_t nanousd_hour; /* at the published rate; 0 while paused, -1 unknown or unpublished */
};

typedef void (*fleet_item_fn)(void *arg, const struct fleet_item *item);
/* A line of the provider's own words, as they came; lent. */
typedef void (*fleet_line_fn)(void *arg, const char *text, size_t len);
/* `e` is NULL when all went well. */
typedef void (*fleet_done_fn)(void *arg, const struct err *e);

struct fleet_call;
struct fleet_config {
    struct loop *loop; /* the one of `net`, for who must wait; NULL: nobody waits */
    struct net *net;
    sandbox_setting_fn setting;
    void *setting_arg;
};

struct fleet_ops {
    /* Everything the account has, page by page: sandboxes, then snapshots. */
    int (*list)(struct fleet_call **out, const struct fleet_config *cfg, fleet_item_fn item,
                fleet_done_fn done, void *arg, struct err *e);
    /* End one, or delete a snapshot; that it was gone already is fine. */
    int (*kill)(struct fleet_call **out, const struct fleet_config *cfg, const char *id,
                fleet_done_fn done, void *arg, struct err *e);
    /* NULL where there is none: let one cost nothing and keep its memory; that it is paused already
     * is fine. */
    int (*pause)(struct fleet_call **out, const struct fleet_config *cfg, const char *id,
                 fleet_done_fn done, void *arg, struct err *e);
    /* NULL where there is none: what it uses now, then what the provider logged of it, oldest
     * first. */
    int (*look)(struct fleet_call **out, const struct fleet_config *cfg, const char *id,
                fleet_line_fn line, fleet_done_fn done, void *arg, struct err *e);
    void (*drop)(struct fleet_call *c); /* NULL is fine; a call whose `done` came is gone */
};

#endif
