/* walled.c - a sandbox made of a wall and the guest protocol: deaths, deadlines, one FINISHED per
 * exec, CLOSED last. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/share.h"
#include "providers/guest/proto.h"
#include "providers/kernel.h"
#include "providers/walled_int.h"

#define SECOND_US        INT64_C(1000000)
#define BACKSTOP_US      (2 * SECOND_US)  /* the guest's own timer is that much earlier */
#define FIRST_USE_US     (10 * SECOND_US) /* starting an interpreter is not the code's time */
#define RETIRE_US        (SECOND_US / 2)  /* lifecycle=run: how long STATE may take */
#define KERNEL_FILES_MAX 20

/* ---- events to the owner ---- */

/* READY of an adopted one is due before anything else it says. */
static void flush_ready(struct walled *w)
{
    if (!w->say_ready)
        return;
    w->say_ready = false;
    struct sandbox_event ev = {
        .kind = SANDBOX_READY, .id = w->id, .cold_start_us = w->cold_start_us, .warm = w->adopted
    };
    core_tell(&w->core, &ev);
}

static void forward(struct walled *w, const struct sandbox_event *ev)
{
    flush_ready(w);
    core_tell(&w->core, ev);
}

static void flush_refused(struct walled *w)
{
    if (w->core.refused.run != 0)
        flush_ready(w);
    core_tell_refusal(&w->core);
}

/* ---- ends ---- */

void walled_end_with(struct walled *w, enum run_end as, const char *what, const char *message)
{
    if (w->gone || !core_end(&w->core, as, what, NULL))
        return;
    if (message != NULL)
        err_set(&w->core.why, ERR_LIMIT, "%s", message);
    w->kind->wall->kill(w->wall);
}

static void on_backstop(void *arg)
{
    struct walled *w = arg;
    if (w->run != 0)
        walled_end_with(w, END_TIMEOUT, "",
                        "the time was up and the guest did not end the run by itself");
    else /* lifecycle=run, after its run */
        walled_end_with(w, END_KILLED, "", NULL);
}

static void on_ttl(void *arg)
{
    walled_end_with(arg, END_LIMIT, "ttl", "the sandbox reached its ttl_s and was destroyed");
}

void walled_arm_backstop(struct walled *w)
{
    int64_t delay = w->timeout_s * SECOND_US + BACKSTOP_US + (w->first_use ? FIRST_USE_US : 0);
    loop_arm_us(w->core.loop, w->backstop, delay);
}

/* The sandbox is dead: what ran ends now, then the owner hears it, and nothing after CLOSED. */
static void on_gone(struct walled *w, const struct wall_event *ev)
{
    bool was_running = w->run != 0, by_owner = w->core.ending && w->core.end_what == NULL;
    w->gone = true;
    loop_arm_us(w->core.loop, w->backstop, -1);
    loop_arm_us(w->core.loop, w->ttl, -1);
    loop_arm_us(w->core.loop, w->tick, -1);
    if (w->core.why.code == ERR_NONE)
        w->core.why = *ev->err;
    flush_refused(w);
    enum run_end as = w->core.ending ? w->core.end_as : w->ready ? END_LOST : END_SANDBOX;
    kernel_lost(w->kernel, as, w->core.why.msg);
    bool failed = !by_owner && w->core.why.code != ERR_NONE && (!was_running || !w->ready);
    flush_ready(w);
    core_tell_over(&w->core, w->id, failed, ev->confirmed);
    if (w->pool != NULL) { /* died while it waited: nobody else frees it */
        w->pool->warm = NULL;
        w->pool = NULL;
        w->core.closed = true;
    }
}

/* ---- the wall ---- */

static void log_guest(struct walled *w, const struct wall_event *ev)
{
    int len = ev->len < 400 ? (int)ev->len : 400;
    log_msg(LOG_WARN, w->kind->wall->name, "%s says: %.*s", w->id, len, ev->ptr);
}

static void on_net(struct walled *w, const struct wall_event *ev)
{
    struct sandbox_event told = { .kind = SANDBOX_NET,
                                  .id = w->id,
                                  .run = w->run != 0 ? w->run : w->last_run,
                                  .background = w->run == 0,
                                  .net = ev->net,
                                  .on_record = ev->on_record };
    forward(w, &told);
}

static void on_wall(void *arg, const struct wall_event *ev)
{
    struct walled *w = arg;
    core_enter(&w->core);
    switch (ev->kind) {
    case WALL_UP:
        snprintf(w->id, sizeof w->id, "%s", ev->id);
        kernel_writable(w->kernel);
        break;
    case WALL_BYTES:
        kernel_feed(w->kernel, ev->ptr, ev->len);
        break;
    case WALL_ROOM:
        kernel_writable(w->kernel);
        break;
    case WALL_LOG:
        log_guest(w, ev);
        break;
    case WALL_NET:
        on_net(w, ev);
        break;
    case WALL_GONE:
        on_gone(w, ev);
        break;
    }
    core_leave(&w->core);
}

/* ---- the kernel ---- */

static ssize_t kernel_write(void *arg, const char *ptr, size_t len)
{
    struct walled *w = arg;
    return w->kind->wall->write(w->wall, ptr, len);
}

static void kernel_arm(void *arg, int64_t delay_us)
{
    struct walled *w = arg;
    loop_arm_us(w->core.loop, w->tick, delay_us);
}

static void on_tick(void *arg)
{
    struct walled *w = arg;
    core_enter(&w->core);
    if (!w->gone)
        kernel_tick(w->kernel);
    core_leave(&w->core);
}

/* The guest can't be trusted or talked to any more. */
static void kernel_broken(void *arg, const struct err *e)
{
    struct walled *w = arg;
    log_msg(LOG_ERROR, w->kind->wall->name, "%s: %s", w->id, e->msg);
    if (!w->core.ending)
        w->core.why = *e;
    walled_end_with(w, END_LOST, "", NULL);
}

static int kernel_check(void *arg, const struct sandbox_run *decoded, struct err *e)
{
    struct walled *w = arg;
    return w->core.check_body != NULL ? w->core.check_body(w->core.arg, decoded, e) : 0;
}

static int64_t counter(const struct walled *w, enum wall_counter which)
{
    return w->wall != NULL ? w->kind->wall->counter(w->wall, which) : -1;
}

static int64_t kernel_oom(void *arg)
{
    return counter(arg, WALL_OOM_KILLS);
}

static int64_t kernel_pids(void *arg)
{
    return counter(arg, WALL_PIDS_REFUSED);
}

static int64_t kernel_memory(void *arg)
{
    return counter(arg, WALL_MEMORY_BYTES);
}

static void on_ready(struct walled *w)
{
    w->ready = true;
    w->cold_start_us = clock_boot_us() - w->created_us;
    w->say_ready = w->pool == NULL;
    flush_ready(w);
    if (w->pool == NULL)
        loop_arm_us(w->core.loop, w->ttl, w->ttl_s * SECOND_US);
    if (w->run != 0)
        walled_arm_backstop(w);
}

static void on_finished(struct walled *w, const struct sandbox_event *ev)
{
    struct sandbox_event told = *ev;
    struct sandbox_finished f = *ev->finished;
    if (w->core.ending && w->core.end_what != NULL && f.end == w->core.end_as &&
        w->core.end_what[0] != '\0')
        f.what = w->core.end_what;
    told.finished = &f;
    w->run = 0;
    loop_arm_us(w->core.loop, w->backstop, w->once && w->used && !w->gone ? RETIRE_US : -1);
    forward(w, &told);
}

static void on_kernel(void *arg, const struct sandbox_event *ev)
{
    struct walled *w = arg;
    switch (ev->kind) {
    case SANDBOX_READY:
        on_ready(w);
        break;
    case SANDBOX_FINISHED:
        on_finished(w, ev);
        break;
    case SANDBOX_STATE:
        forward(w, ev);
        if (w->once && w->used && w->run == 0)
            loop_arm_us(w->core.loop, w->backstop, 0);
        break;
    default:
        forward(w, ev);
        break;
    }
}

/* ---- making and freeing ---- */

static int create_wall(struct walled *w, const struct sandbox_config *cfg, struct err *e)
{
    struct wall_file files[KERNEL_FILES_MAX + 1];
    char *paths[KERNEL_FILES_MAX];
    size_t count = 0, share_count = 0;
    files[count++] =
        (struct wall_file){ .path = GUEST_PATH,
                            .mode = 0555,
                            .ptr = guest_image,
                            .len = (uintptr_t)guest_image_end - (uintptr_t)guest_image };
    const struct share_file *share = share_list(&share_count);
    for (size_t i = 0; i < share_count; i++) {
        if (strncmp(share[i].name, "kernels/", 8) != 0)
            continue;
        INVARIANT(count <= KERNEL_FILES_MAX);
        paths[count - 1] = xasprintf("%s/%s", GUEST_DIR, share[i].name);
        files[count] = (struct wall_file){
            .path = paths[count - 1], .mode = 0444, .ptr = share[i].ptr, .len = share[i].len
        };
        count++;
    }
    struct wall_config wall = { .loop = cfg->loop,
                                .launcher = cfg->launcher,
                                .net = cfg->net,
                                .setting = cfg->setting,
                                .setting_arg = cfg->setting_arg,
                                .contract = cfg->contract,
                                .image = cfg->image,
                                .label = cfg->label,
                                .files = files,
                                .file_count = count,
                                .guest = GUEST_PATH,
                                .sink = on_wall,
                                .arg = w };
    int rc = w->kind->wall->create(&w->wall, &wall, e);
    for (size_t i = 0; i + 1 < count; i++)
        free(paths[i]);
    return rc;
}

static void create_kernel(struct walled *w, const struct sandbox_config *cfg)
{
    unsigned has = w->kind->wall->limits(w->wall);
    struct contract c = *cfg->contract; /* borrowed; the wall may have an interpreter of its own */
    if (w->kind->python != NULL)
        c.python = (char *)(uintptr_t)w->kind->python(cfg->contract);
    if (w->kind->own_allow_list && c.network == NETWORK_ALLOW)
        c.network = NETWORK_OPEN;
    struct kernel_config kernel = {
        .contract = &c,
        .env_values = cfg->env_values,
        .require = w->kind->require,
        .start = "python",
        .nproc = (has & WALL_LIMITS_PIDS) != 0 ? 0 : cfg->contract->pids,
        .watch_memory = (has & WALL_LIMITS_MEMORY) == 0,
        .arg = w,
        .write = kernel_write,
        .sink = on_kernel,
        .broken = kernel_broken,
        .check_body = kernel_check,
        .check_arg = w,
        .arm = kernel_arm,
        .oom_count = kernel_oom,
        .pids_count = kernel_pids,
        .memory_used = kernel_memory,
    };
    w->kernel = kernel_new(&kernel);
}

static void walled_free(struct walled *w)
{
    if (w == NULL)
        return;
    w->core.sink = NULL;
    if (w->wall != NULL)
        w->kind->wall->close(w->wall);
    kernel_free(w->kernel);
    loop_remove(w->core.loop, w->tick);
    loop_remove(w->core.loop, w->backstop);
    loop_remove(w->core.loop, w->ttl);
    loop_remove(w->core.loop, w->core.later);
    free(w);
}

static void on_later(void *arg)
{
    struct walled *w = arg;
    if (w->core.closed) {
        walled_free(w);
        return;
    }
    core_enter(&w->core);
    flush_ready(w);
    flush_refused(w);
    core_leave(&w->core);
}

int walled_create(const struct walled_kind *kind, const struct sandbox_config *cfg,
                  struct walled **out, struct err *e)
{
    struct walled *w = xcalloc(1, sizeof *w);
    core_init(&w->core, kind->ops, cfg->loop, on_later);
    w->kind = kind;
    w->launcher = cfg->launcher;
    w->created_us = clock_boot_us();
    w->timeout_s = cfg->contract->timeout_s;
    w->ttl_s = cfg->contract->ttl_s;
    w->once = cfg->contract->lifecycle == LIFECYCLE_RUN;
    snprintf(w->id, sizeof w->id, "%s", kind->ops->name);
    w->tick = loop_add_timer(w->core.loop, on_tick, w);
    w->backstop = loop_add_timer(w->core.loop, on_backstop, w);
    w->ttl = loop_add_timer(w->core.loop, on_ttl, w);
    if (create_wall(w, cfg, e) < 0) {
        walled_free(w);
        return -1;
    }
    create_kernel(w, cfg);
    *out = w;
    return 0;
}

void walled_take_over(struct walled *w, const struct sandbox_config *cfg)
{
    core_listen(&w->core, cfg);
    w->ttl_s = cfg->contract->ttl_s;
}

void walled_adopted(struct walled *w)
{
    w->pool = NULL;
    w->adopted = true;
    if (!w->ready)
        return;
    w->say_ready = true;
    loop_arm_us(w->core.loop, w->ttl, w->ttl_s * SECOND_US);
    loop_wake_idle(w->core.loop, w->core.later);
}

struct wall *walled_wall(struct sandbox *s)
{
    return ((struct walled *)s)->wall;
}

void walled_close(struct sandbox *s)
{
    struct walled *w = (struct walled *)s;
    if (w == NULL || w->core.closed)
        return;
    if (core_close(&w->core))
        walled_free(w);
    else if (!w->gone)
        w->kind->wall->kill(w->wall);
}
