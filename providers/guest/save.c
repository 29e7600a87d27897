/* save.c - a namespace on its way to us: a process beside the interpreter pickles it onto a socket,
 * in chunks (u32be length, bytes), a zero, then JSON that names what was kept and what was lost. */
#include "guest.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SAVE_US  30000000
#define TAIL_MAX (512u << 10)

static struct {
    bool on;
    uint32_t run;
    int fd;
    pid_t pid;
    size_t chunk, total;
    bool tail;
    struct bytes rest;
    int64_t until_us;
} save = { .fd = -1 };

static void save_end(const char *error, struct str of)
{
    struct bytes m = { 0 };
    bytes_addf(&m, "{\"t\":\"saved\",\"run\":%u,\"size\":%zu", save.run, save.total);
    if (error != NULL) {
        bytes_addf(&m, ",\"error\":");
        bytes_add_json(&m, error, strlen(error));
    } else {
        bytes_addf(&m, ",\"of\":");
        bytes_add(&m, of.p, of.n);
    }
    bytes_add(&m, "}", 1);
    stream_control(&m);
    bytes_free(&m);
    if (save.pid > 1)
        kill(save.pid, SIGKILL);
    if (save.fd >= 0)
        close(save.fd);
    bytes_free(&save.rest);
    save.on = false;
    save.fd = -1;
}

void save_begin(void)
{
    struct bytes m = { 0 };
    struct interp *in = &interps[LANG_PYTHON];
    int sv[2];
    if (save.on)
        save_end("given up for a newer one", (struct str){ 0 });
    memset(&save, 0, sizeof save);
    save.fd = -1;
    uint32_t id = 0;
    int copy = frozen_newest(&id);
    if (copy < 0 && (in->pid == 0 || !in->ready)) {
        save_end(NULL, (struct str){ "{\"kept\":[],\"lost\":[]}", 21 });
        return;
    }
    if (!channel_make(sv)) {
        save_end("no descriptors", (struct str){ 0 });
        return;
    }
    save.run = copy >= 0 ? id : run.id;
    save.fd = sv[0];
    save.on = true;
    save.until_us = now_us() + SAVE_US;
    if (copy >= 0) {
        if (!channel_send(copy, "{\"t\":\"save\"}\n", &sv[1], 1))
            save_end("the checkpoint is gone", (struct str){ 0 });
    } else {
        bytes_addf(&m, "{\"t\":\"save\"}\n");
        interp_send(in, &m, sv[1]);
        bytes_free(&m);
    }
    close(sv[1]);
}

static void save_tail(void)
{
    char *at = bytes_room(&save.rest, 64u << 10);
    ssize_t n = channel_recv(save.fd, at, 64u << 10, &save.pid);
    if (n > 0)
        save.rest.n += (size_t)n;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    struct str json = { save.rest.p, save.rest.n };
    if (save.rest.n > TAIL_MAX)
        save_end("the list of names is too long", json);
    else if (n <= 0 && json_is_object(json))
        save_end(NULL, json);
    else if (n <= 0)
        save_end("pickling was cut short", json);
}

void save_read(void)
{
    if (save.tail) {
        save_tail();
        return;
    }
    if (save.chunk == 0) {
        char head[4];
        ssize_t n = channel_recv(save.fd, head, 4 - save.rest.n, &save.pid);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            save_end("pickling ended early (out of memory?)", (struct str){ 0 });
            return;
        }
        if (n > 0)
            bytes_add(&save.rest, head, (size_t)n);
        if (save.rest.n < 4)
            return;
        const unsigned char *c = (const unsigned char *)save.rest.p;
        save.chunk = (size_t)c[0] << 24 | (size_t)c[1] << 16 | (size_t)c[2] << 8 | (size_t)c[3];
        save.rest.n = 0;
        save.tail = save.chunk == 0;
        if (save.total + save.chunk > SAVED_MAX)
            save_end("more than can be saved", (struct str){ 0 });
        return;
    }
    size_t max = stream_room() < save.chunk ? stream_room() : save.chunk;
    ssize_t n = max > 0 ? stream_relay(FRAME_BULK, BULK_SAVED, save.fd, max) : 0;
    if (n > 0) {
        save.chunk -= (size_t)n;
        save.total += (size_t)n;
    }
}

bool save_is_pid(pid_t pid)
{
    return save.on && save.pid == pid;
}

int save_fd(void)
{
    return save.on ? save.fd : -1;
}

int64_t save_deadline_us(void)
{
    return save.on ? save.until_us : 0;
}

void save_tick(int64_t now)
{
    if (save.on && now >= save.until_us)
        save_end("pickling took too long", (struct str){ 0 });
}
