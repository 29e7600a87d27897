/* walled_pool.c - opening a sandbox, and the one that is kept warm. [architecture §3] */
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "providers/walled_int.h"

#define REFILL_US 1000000 /* after an adoption: not while the first run wants the processors */

const struct contract *walled_default_contract(void)
{
    static char python[] = "/usr/bin/python3";
    static const struct contract strict = {
        .lifecycle = LIFECYCLE_SESSION,
        .ttl_s = 3600,
        .concurrency = 1,
        .network = NETWORK_DENY,
        .python = python,
        .timeout_s = 30,
        .cpu = 1,
        .memory_mib = 1024,
        .pids = 128,
        .disk_mib = 256,
        .output_mib = 64,
    };
    return &strict;
}

/* In everything the wall and the guest were told. ttl_s is ours to keep; money and concurrency
 * are the caller's. */
static bool is_default(const struct contract *c)
{
    const struct contract *d = walled_default_contract();
    return c->lifecycle == d->lifecycle && c->network == d->network && c->mount_count == 0 &&
           c->env_count == 0 && c->timeout_s == d->timeout_s && c->cpu == d->cpu &&
           c->memory_mib == d->memory_mib && c->pids == d->pids && c->disk_mib == d->disk_mib &&
           c->output_mib == d->output_mib &&
           (c->python == NULL || strcmp(c->python, d->python) == 0);
}

static void on_refill(void *arg)
{
    struct walled_pool *pool = arg;
    walled_prewarm(pool->kind, pool, pool->loop, pool->launcher);
}

static struct walled *adopt(const struct walled_kind *kind, struct walled_pool *pool,
                            const struct sandbox_config *cfg)
{
    if (pool == NULL || pool->warm == NULL || !cfg->allow_warm || cfg->image != NULL)
        return NULL;
    struct walled *w = (struct walled *)pool->warm;
    if (w->kind != kind || w->core.loop != cfg->loop || w->launcher != cfg->launcher ||
        !is_default(cfg->contract))
        return NULL;
    pool->warm = NULL;
    walled_take_over(w, cfg);
    walled_adopted(w);
    if (pool->refill != NULL)
        loop_arm_us(pool->loop, pool->refill, REFILL_US);
    return w;
}

int walled_open(const struct walled_kind *kind, struct walled_pool *pool, struct sandbox **out,
                const struct sandbox_config *cfg, struct err *e)
{
    struct walled *w = adopt(kind, pool, cfg);
    if (w == NULL) {
        if (walled_create(kind, cfg, &w, e) < 0)
            return -1;
        walled_take_over(w, cfg);
    }
    *out = &w->core.base;
    return 0;
}

void walled_prewarm(const struct walled_kind *kind, struct walled_pool *pool, struct loop *loop,
                    struct launcher *l)
{
    struct sandbox_config cfg = { .loop = loop,
                                  .launcher = l,
                                  .contract = walled_default_contract() };
    struct err e = ERR_INIT;
    struct walled *w;
    if (pool->warm != NULL)
        return;
    if (walled_create(kind, &cfg, &w, &e) < 0) {
        log_msg(LOG_WARN, kind->ops->name, "no warm sandbox: %s", e.msg);
        return;
    }
    w->pool = pool;
    pool->warm = &w->core.base;
    if (pool->refill == NULL) {
        pool->kind = kind;
        pool->loop = loop;
        pool->launcher = l;
        pool->refill = loop_add_timer(loop, on_refill, pool);
    }
}

void walled_prewarm_drop(struct walled_pool *pool)
{
    if (pool->refill != NULL)
        loop_remove(pool->loop, pool->refill);
    pool->refill = NULL;
    if (pool->warm != NULL) {
        struct walled *w = (struct walled *)pool->warm;
        pool->warm = NULL;
        w->pool = NULL;
        walled_close(&w->core.base);
    }
}

bool walled_is_warm(const struct walled_pool *pool)
{
    return pool->warm != NULL && ((const struct walled *)pool->warm)->ready;
}
