/* e2b_ours.c - the sandbox `e2b:TEMPLATE,kernel=ours`: a machine of E2B's with our own guest and
 * kernels in it, so that there are checkpoints, saved variables and separate streams. */
#include <stdio.h>
#include <string.h>

#include "providers/guest/proto.h"
#include "providers/registry.h"
#include "providers/sandboxes/e2b_int.h"
#include "providers/sandboxes/e2b_wall.h"
#include "providers/walled.h"

/* The contract's default is where Debian has it; a template may have it elsewhere. */
static const char *python_of(const struct contract *c)
{
    const char *dflt = walled_default_contract()->python;
    return c->python != NULL && strcmp(c->python, dflt) != 0 ? c->python : E2B_WALL_PYTHON;
}

/* The walls are the machine's own: what the guest sees inside is no proof of them. */
static const struct walled_kind kind = {
    .ops = &sandbox_e2b_ours,
    .wall = &wall_e2b,
    .python = python_of,
    .own_allow_list = true,
};

static void say(struct field_enforcement *f, enum enforcement how, const char *why)
{
    f->how = how;
    snprintf(f->why, sizeof f->why, "%s", why);
}

static void ours_enforcement(const struct contract *c, struct contract_enforcement *out)
{
    e2b_enforcement(c, out);
    say(&out->field[FIELD_TIMEOUT], ENFORCED, "by our guest in the sandbox, and by Airlock");
    say(&out->field[FIELD_MEMORY], APPROXIMATED, "watched by our guest in the sandbox");
    say(&out->field[FIELD_PIDS], NOT_ENFORCEABLE, "a limit that code with root there can lift");
    say(&out->field[FIELD_ENV], ENFORCED, "");
}

static const char *ours_interpreter(const struct contract *c, const char *language)
{
    if (strcmp(language, "python") == 0)
        return python_of(c);
    if (strcmp(language, "javascript") == 0)
        return E2B_WALL_NODE;
    return strcmp(language, "bash") == 0 ? "/usr/bin/bash" : NULL;
}

static int ours_open(struct sandbox **out, const struct sandbox_config *cfg, struct err *e)
{
    return walled_open(&kind, NULL, out, cfg, e);
}

static struct sandbox *machine(const struct sandbox *s)
{
    return e2b_wall_machine(walled_wall((struct sandbox *)(uintptr_t)s));
}

static bool ours_farewell(struct sandbox *s)
{
    return sandbox_e2b.farewell(machine(s));
}

static int64_t ours_cost(const struct sandbox *s, int64_t ms)
{
    return sandbox_e2b.cost(machine(s), ms);
}

static int ours_available(const struct sandbox_host *h, struct err *e)
{
    return sandbox_e2b.available(h, e);
}

static int ours_origin(const struct sandbox_host *h, char *room, size_t size, struct err *e)
{
    return sandbox_e2b.origin(h, room, size, e);
}

const struct sandbox_ops sandbox_e2b_ours = {
    .name = "e2b",
    .title = "E2B: a small machine of its own in the cloud, with Airlock's kernels",
    .isolation = "virtual machine (Firecracker), in E2B's cloud; our kernel",
    .held_by = "E2B's machine and firewall hold it; Airlock's own guest runs these bytes there",
    .caps = SANDBOX_IS_STATEFUL | SANDBOX_CAN_CHECKPOINT | SANDBOX_CAN_SAVE | SANDBOX_CAN_FILES |
            SANDBOX_CAN_NET_DENY | SANDBOX_CAN_NET_ALLOWLIST | SANDBOX_CAN_COMPLETE |
            SANDBOX_IS_REMOTE,
    .languages = "python,javascript,bash",
    .available = ours_available,
    .origin = ours_origin,
    .enforcement = ours_enforcement,
    .interpreter = ours_interpreter,
    .open = ours_open,
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
    .farewell = ours_farewell,
    .cost = ours_cost,
    .fleet = &e2b_fleet,
    .close = walled_close,
};
