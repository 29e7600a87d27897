/* frozen.c - checkpoints: frozen copies of the python interpreter, woken in place of the live one.
 *
 * The live process forks twice after a run; the copy becomes our child and waits on a channel of
 * its own. Its pid is the one the kernel attests on the channel, never one it says. [architecture
 * §6]
 */
#include "guest.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FROZEN_MAX (KEEP_MAX + 4)
#define REPORT_US  5000000 /* for a copy to report its variables */
#define WAKE_US    5000000

static struct frozen {
    uint32_t run;
    pid_t pid;
    int channel;
    bool keep, reported, announced;
    struct bytes line;
    int64_t until_us;
} frozen[FROZEN_MAX];
static size_t frozen_count;

static struct {
    bool on, asked; /* asked: by a restore message, not after a death */
    uint32_t run;
    int ctl;
    int64_t until_us;
} wake = { .ctl = -1 };

static bool resuming; /* the live one died; the newest copy takes its place once it has come */

static struct interp *python(void)
{
    return &interps[LANG_PYTHON];
}

/* {"t":t,"run":id[,key:text]} */
static void say(const char *t, uint32_t id, const char *key, const char *text)
{
    struct bytes m = { 0 };
    bytes_addf(&m, "{\"t\":\"%s\",\"run\":%u", t, id);
    if (key != NULL) {
        bytes_addf(&m, ",\"%s\":", key);
        bytes_add_json(&m, text, strlen(text));
    }
    bytes_add(&m, "}", 1);
    stream_control(&m);
    bytes_free(&m);
}

void state_unknown(uint32_t id)
{
    struct bytes m = { 0 };
    bytes_addf(&m, "{\"t\":\"state\",\"run\":%u,\"of\":{\"unknown\":1,\"more\":0}}", id);
    stream_control(&m);
    bytes_free(&m);
}

/* ---- the list, oldest first */

static void forget(size_t i, const char *why)
{
    struct frozen *f = &frozen[i];
    if (!f->reported)
        state_unknown(f->run);
    if (f->pid > 1)
        kill(f->pid, SIGKILL);
    close(f->channel); /* a copy whose pid we do not know ends by this */
    if (f->announced)
        say("dropped", f->run, "why", why);
    bytes_free(&f->line);
    memmove(f, f + 1, (frozen_count - i - 1) * sizeof *f);
    frozen_count--;
}

void frozen_drop(uint32_t id, const char *why)
{
    for (size_t i = 0; i < frozen_count; i++) {
        if (id == 0 || frozen[i].run == id) {
            forget(i, why);
            return;
        }
    }
    if (strcmp(why, "asked") == 0)
        say("dropped", id, "why", "not there");
}

void frozen_drop_after(uint32_t id)
{
    for (size_t i = frozen_count; i-- > 0;) {
        if (id == 0 || frozen[i].run > id)
            forget(i, "later");
    }
}

bool frozen_is_pid(pid_t pid)
{
    for (size_t i = 0; i < frozen_count; i++) {
        if (frozen[i].pid == pid)
            return true;
    }
    return save_is_pid(pid);
}

int frozen_newest(uint32_t *id)
{
    const struct frozen *f = frozen_count > 0 ? &frozen[frozen_count - 1] : NULL;
    if (f == NULL || !f->keep || !f->announced)
        return -1;
    *id = f->run;
    return f->channel;
}

bool frozen_any(void)
{
    for (size_t i = 0; i < frozen_count; i++) {
        if (frozen[i].keep)
            return true;
    }
    return false;
}

void frozen_make(struct interp *in, uint32_t id, bool keep)
{
    struct bytes m = { 0 };
    int sv[2];
    while (frozen_count > 0 && frozen_count >= (size_t)setup.keep + 1)
        forget(0, "oldest");
    if (!channel_make(sv)) {
        state_unknown(id);
        return;
    }
    bytes_addf(&m, "{\"t\":\"checkpoint\",\"run\":%u,\"keep\":%d}\n", id, keep);
    interp_send(in, &m, sv[1]);
    close(sv[1]);
    bytes_free(&m);
    frozen[frozen_count++] = (struct frozen){ .run = id,
                                              .channel = sv[0],
                                              .keep = keep && setup.keep > 0,
                                              .until_us = now_us() + REPORT_US };
}

/* The live process only speaks of a copy that could not be made. It tells its variables itself
 * then. */
void frozen_forked(struct str line)
{
    struct bytes why = { 0 };
    uint32_t id = (uint32_t)json_int(line, "run", 0);
    if (!json_text(json_get(line, "error"), &why))
        return;
    guest_log("guest: no checkpoint after run %u: %s", id, why.p);
    for (size_t i = 0; i < frozen_count; i++) {
        if (frozen[i].run == id && frozen[i].pid == 0) {
            frozen[i].reported = true;
            python()->vars_run = id;
            python()->vars_until_us = now_us() + REPORT_US;
            forget(i, why.p);
            break;
        }
    }
    bytes_free(&why);
}

/* ---- what a copy says */

static void copy_line(struct frozen *f, struct str line)
{
    struct bytes m = { 0 };
    if (f->reported || !json_is(line, "t", "state") || line.n > FRAME_MAX - 256 ||
        !json_is_object(line))
        return;
    bytes_addf(&m, "{\"t\":\"state\",\"run\":%u,\"language\":\"python\",\"of\":", f->run);
    bytes_add(&m, line.p, line.n);
    bytes_add(&m, "}", 1);
    stream_control(&m);
    bytes_free(&m);
    f->reported = json_int(line, "more", 0) == 0;
}

static void copy_came(struct frozen *f)
{
    if (f->announced || !f->keep)
        return;
    f->announced = true;
    say("checkpoint", f->run, NULL, NULL);
    size_t kept = 0;
    for (size_t i = 0; i < frozen_count; i++)
        kept += frozen[i].announced;
    if (kept > (size_t)setup.keep)
        forget(0, "oldest");
}

/* false: it is gone from the list. */
static bool copy_read(size_t i)
{
    struct frozen *f = &frozen[i];
    char *at = bytes_room(&f->line, 64u << 10);
    ssize_t n = channel_recv(f->channel, at, 64u << 10, &f->pid);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0) {
        forget(i, "killed");
        return false;
    }
    f->line.n += (size_t)n;
    uint32_t id = f->run;
    copy_came(f);
    for (i = 0; i < frozen_count && frozen[i].run != id; i++) {
    }
    if (i == frozen_count)
        return false;
    f = &frozen[i];
    size_t done = 0;
    char *end;
    while ((end = memchr(f->line.p + done, '\n', f->line.n - done)) != NULL) {
        copy_line(f, (struct str){ f->line.p + done, (size_t)(end - f->line.p) - done });
        done = (size_t)(end - f->line.p) + 1;
    }
    bytes_drop(&f->line, done);
    if (f->line.n > FRAME_MAX || (f->reported && !f->keep)) {
        forget(i, "done");
        return false;
    }
    return true;
}

void frozen_died(pid_t pid)
{
    for (size_t i = 0; i < frozen_count; i++) {
        if (frozen[i].pid == pid) {
            while (i < frozen_count && frozen[i].pid == pid && copy_read(i)) {
            }
            return;
        }
    }
}

/* ---- waking */

static bool frozen_resume(uint32_t id)
{
    struct interp *in = python();
    size_t i = frozen_count;
    while (i-- > 0) {
        if (frozen[i].announced && (id == 0 || frozen[i].run == id))
            break;
    }
    int sv[2];
    if (i >= frozen_count || wake.on || !channel_make(sv))
        return false;
    int fds[] = { in->out[1], in->err[1], sv[1], in->code, in->input, in->args };
    bool sent =
        channel_send(frozen[i].channel, "{\"t\":\"wake\"}\n", fds, sizeof fds / sizeof *fds);
    close(sv[1]);
    if (!sent) {
        close(sv[0]);
        forget(i, "killed");
        return false;
    }
    wake.on = true;
    wake.asked = false;
    wake.run = frozen[i].run;
    wake.ctl = sv[0];
    wake.until_us = now_us() + WAKE_US;
    in->busy = true;
    return true;
}

static void resume_newest(void)
{
    while (resuming && !wake.on) {
        struct frozen *f = frozen_count > 0 ? &frozen[frozen_count - 1] : NULL;
        if (f != NULL && f->keep && !f->announced)
            return; /* it was forked a moment ago */
        if (f != NULL && !f->keep) {
            forget(frozen_count - 1, "done");
        } else if (f == NULL) {
            resuming = false;
            run_resumed(0);
        } else if (frozen_resume(0)) {
            resuming = false;
        }
    }
}

void frozen_take_over(void)
{
    resuming = true;
    resume_newest();
}

void restore_asked(uint32_t id)
{
    if (run.state == RUN_NONE && frozen_resume(id))
        wake.asked = true;
    else
        say("restored", id, "error", "no checkpoint of this run is left");
}

static void wake_failed(void)
{
    uint32_t id = wake.run;
    close(wake.ctl);
    wake.on = false;
    wake.ctl = -1;
    python()->busy = false;
    frozen_drop(id, "does not wake");
    if (wake.asked)
        say("restored", id, "error", "the checkpoint does not wake");
    else
        frozen_take_over();
}

static void wake_done(pid_t pid, struct str line)
{
    struct interp *in = python();
    struct bytes m = { 0 };
    if (in->pid > 1) {
        kill(in->pid, SIGKILL);
        close(in->ctl);
    }
    in->pid = pid;
    in->ctl = wake.ctl;
    in->ready = true;
    in->busy = false;
    in->line.n = 0;
    in->vars_run = 0;
    wake.on = false;
    wake.ctl = -1;
    frozen_drop_after(wake.run);
    if (run.state == RUN_RESUMING) {
        run_resumed(wake.run);
        return;
    }
    bytes_addf(&m, "{\"t\":\"restored\",\"run\":%u,\"asked\":%d,\"of\":", wake.run, wake.asked);
    bytes_add(&m, line.p, line.n);
    bytes_add(&m, "}", 1);
    stream_control(&m);
    bytes_free(&m);
}

static void wake_read(void)
{
    char line[4096];
    pid_t pid = 0;
    ssize_t n = channel_recv(wake.ctl, line, sizeof line, &pid);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    struct str said = { line, n > 0 ? (size_t)n - 1 : 0 };
    if (n > 1 && pid > 1 && line[n - 1] == '\n' && json_is_object(said) &&
        json_is(said, "t", "ready"))
        wake_done(pid, said);
    else
        wake_failed();
}

/* ---- in the loop */

size_t frozen_poll(struct pollfd *fds, size_t max)
{
    size_t n = 0;
    bool reporting = false; /* reports come in the order of the runs */
    for (size_t i = 0; i < frozen_count && n + 2 < max; i++) {
        bool listen = frozen[i].reported || !reporting;
        reporting = reporting || !frozen[i].reported;
        if (listen)
            fds[n++] = (struct pollfd){ .fd = frozen[i].channel, .events = POLLIN };
    }
    if (wake.on)
        fds[n++] = (struct pollfd){ .fd = wake.ctl, .events = POLLIN };
    if (save_fd() >= 0 && stream_room() > 0)
        fds[n++] = (struct pollfd){ .fd = save_fd(), .events = POLLIN };
    return n;
}

void frozen_ready(const struct pollfd *fds, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        if (fds[k].revents == 0)
            continue;
        if (wake.on && fds[k].fd == wake.ctl) {
            wake_read();
        } else if (fds[k].fd == save_fd()) {
            save_read();
        } else {
            for (size_t i = 0; i < frozen_count; i++) {
                if (frozen[i].channel == fds[k].fd) {
                    copy_read(i);
                    break;
                }
            }
        }
    }
    resume_newest();
}

int64_t frozen_deadline_us(void)
{
    int64_t at = wake.on ? wake.until_us : 0, saving = save_deadline_us();
    if (saving != 0 && (at == 0 || saving < at))
        at = saving;
    for (size_t i = 0; i < frozen_count; i++) {
        if (!frozen[i].reported && (at == 0 || frozen[i].until_us < at))
            at = frozen[i].until_us;
    }
    return at;
}

void frozen_tick(int64_t now)
{
    if (wake.on && now >= wake.until_us)
        wake_failed();
    save_tick(now);
    for (size_t i = frozen_count; i-- > 0;) {
        if (i < frozen_count && !frozen[i].reported && now >= frozen[i].until_us)
            forget(i, "no answer");
    }
    resume_newest();
}
