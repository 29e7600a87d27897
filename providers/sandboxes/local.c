/* local.c - the sandbox `local`: bubblewrap on this machine, with the guest behind it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "providers/kernel.h"
#include "providers/registry.h"
#include "providers/walled.h"
#include "providers/sandboxes/local.h"
#include "providers/sandboxes/local_probe.h"
#include "providers/sandboxes/local_start.h"
#include "providers/sandboxes/local_wall.h"

static const struct walled_kind kind = {
    .ops = &sandbox_local,
    .wall = &wall_local,
    .require = KERNEL_REQUIRE_ALL,
};

/* Of the process, not of a session: whoever opens the next sandbox may have it. */
static struct walled_pool pool;

static void say(struct field_enforcement *f, enum enforcement how, const char *why)
{
    f->how = how;
    snprintf(f->why, sizeof f->why, "%s", why);
}

static void local_enforcement(const struct contract *c, struct contract_enforcement *out)
{
    memset(out, 0, sizeof *out); /* ENFORCED, no word */
    if (c->network == NETWORK_ALLOW)
        say(&out->field[FIELD_NETWORK], ENFORCED,
            "by a proxy outside; what an allowed host passes on is not seen");
    if (c->network == NETWORK_OPEN)
        say(&out->field[FIELD_NETWORK], ENFORCED, "this machine's network, loopback included");
    if (!local_limits_by_group(CGROUP_MEMORY))
        say(&out->field[FIELD_MEMORY], APPROXIMATED, "watched by the guest: no control group here");
    if (!local_limits_by_group(CGROUP_PIDS))
        say(&out->field[FIELD_PIDS], APPROXIMATED, "RLIMIT_NPROC: no control group here");
    if (!local_limits_by_group(CGROUP_CPU))
        say(&out->field[FIELD_CPU], APPROXIMATED,
            "thread counts of libraries only: no control group here");
}

static const char *local_interpreter(const struct contract *c, const char *language)
{
    if (strcmp(language, "python") == 0)
        return c->python != NULL ? c->python : "/usr/bin/python3";
    if (strcmp(language, "javascript") == 0)
        return access("/usr/bin/node", X_OK) == 0 ? "/usr/bin/node" : NULL;
    if (strcmp(language, "bash") == 0)
        return "/usr/bin/bash";
    return NULL;
}

static int is_available(const struct sandbox_host *h, struct err *e)
{
    return local_available(h->launcher, e);
}

static int local_open(struct sandbox **out, const struct sandbox_config *cfg, struct err *e)
{
    return walled_open(&kind, &pool, out, cfg, e);
}

static void local_prewarm(struct loop *loop, struct launcher *l)
{
    walled_prewarm(&kind, &pool, loop, l);
}

static void local_prewarm_drop(void)
{
    walled_prewarm_drop(&pool);
}

const struct sandbox_ops sandbox_local = {
    .name = "local",
    .title = "this machine, behind bubblewrap: namespaces, system call filter, limits",
    .isolation = "process (namespaces + seccomp)",
    .held_by = "this machine's kernel holds it to the contract",
    .caps = SANDBOX_IS_STATEFUL | SANDBOX_CAN_CHECKPOINT | SANDBOX_CAN_SAVE | SANDBOX_CAN_FILES |
            SANDBOX_CAN_NET_DENY | SANDBOX_CAN_NET_ALLOWLIST | SANDBOX_CAN_COMPLETE |
            SANDBOX_CAN_WARM | SANDBOX_CAN_TWIN,
    .languages = "python,javascript,bash",
    .available = is_available,
    .enforcement = local_enforcement,
    .interpreter = local_interpreter,
    .open = local_open,
    .exec = walled_exec,
    .interrupt = walled_interrupt,
    .kill = walled_kill,
    .pause_output = walled_pause_output,
    .restore = walled_restore,
    .save = walled_save,
    .load = walled_load,
    .put = walled_put,
    .get = walled_get,
    .complete = walled_complete,
    .close = walled_close,
    .prewarm = local_prewarm,
    .prewarm_drop = local_prewarm_drop,
};
