/* walled_commands.c - the calls of sandbox_ops on a sandbox of walled.c. */
#include <stdio.h>
#include <string.h>

#include "base/loop.h"
#include "providers/kernel.h"
#include "providers/walled_int.h"

static int check_alive(const struct walled *w, struct err *e)
{
    if (w->gone || w->core.ending)
        return err_set(e, ERR_CANCELLED, "sandbox %s is gone", w->id);
    return 0;
}

static bool uses_first_time(struct walled *w, const char *language)
{
    char word[32];
    snprintf(word, sizeof word, ",%s,", language);
    if (strstr(w->languages, word) != NULL)
        return false;
    size_t used = strlen(w->languages);
    if (used + strlen(word) < sizeof w->languages)
        memcpy(w->languages + used, word, strlen(word) + 1);
    return true;
}

int walled_exec(struct sandbox *s, const struct sandbox_run *rq, struct err *e)
{
    struct walled *w = (struct walled *)s;
    struct err why = ERR_INIT;
    if (check_alive(w, e) < 0)
        return -1;
    if (w->run != 0 || w->core.refused.run != 0)
        return err_set(e, ERR_BUSY, "sandbox %s: run %u is still on", w->id,
                       (unsigned)(w->run != 0 ? w->run : w->core.refused.run));
    if (w->once && w->used)
        return err_set(e, ERR_DENIED, "sandbox %s is for one run (lifecycle=run)", w->id);
    if (kernel_exec(w->kernel, rq, &why) < 0) {
        if (why.code == ERR_INTEGRITY) { /* nothing was sent; the run ends, as a run */
            w->core.refused = (struct sandbox_refusal){ rq->run, why };
            loop_wake_idle(w->core.loop, w->core.later);
            return 0;
        }
        if (e != NULL)
            *e = why;
        return -1;
    }
    w->used = w->used || rq->run != SANDBOX_PROBE_RUN;
    w->run = w->last_run = rq->run;
    w->first_use = uses_first_time(w, rq->language);
    if (w->ready)
        walled_arm_backstop(w);
    return 0;
}

void walled_interrupt(struct sandbox *s)
{
    struct walled *w = (struct walled *)s;
    if (!w->gone)
        kernel_interrupt(w->kernel);
}

void walled_kill(struct sandbox *s, enum run_end as)
{
    walled_end_with((struct walled *)s, as, NULL, NULL);
}

void walled_pause_output(struct sandbox *s, bool on)
{
    struct walled *w = (struct walled *)s;
    if (!w->gone)
        kernel_pause_output(w->kernel, on);
}

int walled_restore(struct sandbox *s, uint32_t run, struct err *e)
{
    struct walled *w = (struct walled *)s;
    return check_alive(w, e) < 0 ? -1 : kernel_restore(w->kernel, run, e);
}

int walled_save(struct sandbox *s, struct err *e)
{
    struct walled *w = (struct walled *)s;
    return check_alive(w, e) < 0 ? -1 : kernel_save(w->kernel, e);
}

int walled_load(struct sandbox *s, const char *ptr, size_t len, struct err *e)
{
    struct walled *w = (struct walled *)s;
    return check_alive(w, e) < 0 ? -1 : kernel_load(w->kernel, ptr, len, e);
}

int walled_put(struct sandbox *s, const struct sandbox_file *f, struct err *e)
{
    struct walled *w = (struct walled *)s;
    return check_alive(w, e) < 0 ? -1 : kernel_put(w->kernel, f, e);
}

int walled_get(struct sandbox *s, const char *path, size_t max, struct err *e)
{
    struct walled *w = (struct walled *)s;
    return check_alive(w, e) < 0 ? -1 : kernel_get(w->kernel, path, max, e);
}

int walled_complete(struct sandbox *s, const char *language, const char *text, size_t cursor,
                    uint64_t token, struct err *e)
{
    struct walled *w = (struct walled *)s;
    return check_alive(w, e) < 0 ? -1
                                 : kernel_complete(w->kernel, language, text, cursor, token, e);
}
