/* import.c - the reader behind its walls, and what is done with what it says. */
#include "cli/import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/jail.h"
#include "cli/import_frame.h"
#include "sessions/bundle.h"
#include "sessions/sidecar.h"
#include "tool/state.h"

#define CHILD_MEMORY ((size_t)256 << 20) /* IMP-1; a line of 32 MiB takes about 150 of them */
#define CHILD_CPU_S  30
#define READ_PIECE   ((size_t)64 << 10)

/* ---- in the child ---- */

static int say(const struct frame *f, const char *name, const char *body, const char *blob)
{
    return write_all_fd(1, f, sizeof *f) < 0 || write_all_fd(1, name, f->name_len) < 0 ||
                   write_all_fd(1, body, f->body_len) < 0 || write_all_fd(1, blob, f->blob_len) < 0
               ? -1
               : 0;
}

static int say_event(void *arg, const struct bundle_item *item, struct err *e)
{
    const struct event *ev = &item->ev;
    bool output = ev->type == EVENT_RUN_OUTPUT;
    struct frame f = { .kind = item->erased ? FRAME_ERASED : FRAME_EVENT,
                       .run = ev->run,
                       .stream = ev->stream,
                       .name_len = (uint32_t)strlen(ev->type_name),
                       .line = item->line,
                       .offset = ev->offset,
                       .body_len = output ? ev->len : ev->json_len,
                       .blob_len = item->blob_len,
                       .at_us = ev->at_us,
                       .has_blob = item->blob != NULL };
    (void)arg;
    if (say(&f, ev->type_name, output ? ev->bytes : ev->json, item->blob) < 0)
        return err_set(e, ERR_IO, "the reader was left alone");
    return 0;
}

static int read_all(struct bundle_reader *r, struct err *e)
{
    static char piece[READ_PIECE];
    for (;;) {
        ssize_t n = read(0, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, ERR_IO, "reading the bundle");
        if (n == 0)
            return bundle_end(r, e);
        if (bundle_feed(r, piece, (size_t)n, e) < 0)
            return -1;
    }
}

static int child_main(void *arg)
{
    struct bundle_reader *r = arg;
    struct err e = ERR_INIT;
    if (read_all(r, &e) < 0) {
        struct frame f = { .kind = FRAME_FAILED,
                           .code = (int32_t)e.code,
                           .body_len = strnlen(e.msg, sizeof e.msg) };
        (void)!say(&f, "", e.msg, "");
        return 1;
    }
    struct frame f = { .kind = FRAME_END, .body_len = strlen(r->session) };
    return say(&f, "", r->session, "") < 0 ? 1 : 0;
}

/* ---- in the parent ---- */

struct import {
    struct imported *out;
    struct store *store;
    struct state state;
    struct json *body;
    struct buf text, blob;
    char name[EVENT_NAME_MAX + 1];
    int64_t first_at_us, boot_us;
    bool ended;
};

/* 1 when all was read, 0 at the end of the file before the first byte. */
static int read_exact(int fd, void *p, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = read(fd, (char *)p + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 && done == 0 ? 0 : -1;
        done += (size_t)n;
    }
    return 1;
}

static int read_part(int fd, struct buf *b, uint64_t len)
{
    buf_reset(b);
    char *room = len <= b->max ? buf_reserve(b, (size_t)len) : NULL;
    if (room == NULL || (len > 0 && read_exact(fd, room, (size_t)len) != 1))
        return -1;
    buf_grew(b, (size_t)len);
    return 0;
}

/* The child has met the stranger's bytes: nothing it says is taken on trust. */
static int read_frame(struct import *im, int fd, struct frame *f)
{
    int got = read_exact(fd, f, sizeof *f);
    if (got != 1)
        return got;
    if (f->kind < FRAME_EVENT || f->kind > FRAME_FAILED || f->name_len >= sizeof im->name ||
        (f->name_len > 0 && read_exact(fd, im->name, f->name_len) != 1) ||
        read_part(fd, &im->text, f->body_len) < 0 || read_part(fd, &im->blob, f->blob_len) < 0)
        return -1;
    im->name[f->name_len] = '\0';
    return 1;
}

static int append(struct import *im, const struct frame *f, struct event *ev, struct err *e)
{
    if (f->kind == FRAME_ERASED)
        return store_append_erased(im->store, ev, e);
    if (!f->has_blob)
        return store_append(im->store, ev, e);
    /* Both are in the body already; the store compares size and hash. */
    char *mime = xstrdup(json_get_str(ev->body, "mime", ""));
    char *name = xstrdup(json_get_str(ev->body, "artifact", ""));
    int rc = store_append_artifact(im->store, ev, mime, name, buf_str(&im->blob), im->blob.len, e);
    free(mime);
    free(name);
    return rc;
}

/* Only differences of the other machine's clock mean something here. */
static void set_times(struct import *im, struct event *ev)
{
    if (im->boot_us == 0)
        im->first_at_us = ev->at_us;
    int64_t since = ev->at_us - im->first_at_us + 1;
    im->boot_us = since > im->boot_us ? since : im->boot_us + (im->boot_us == 0);
    ev->boot_us = im->boot_us;
}

static int take_event(struct import *im, const struct frame *f, struct err *e)
{
    struct event ev = {
        .type = event_type_find(im->name), .type_name = im->name, .run = f->run, .at_us = f->at_us
    };
    json_free(im->body);
    im->body = NULL;
    if (im->name[0] == '\0')
        return err_set(e, ERR_FORMAT, "an event without a name");
    set_times(im, &ev);
    if (f->kind == FRAME_EVENT && ev.type == EVENT_RUN_OUTPUT) {
        ev.stream = f->stream;
        ev.offset = f->offset;
        ev.bytes = buf_str(&im->text);
        ev.len = im->text.len;
    } else if (f->kind == FRAME_EVENT) {
        ev.json = buf_str(&im->text);
        ev.json_len = im->text.len;
        if (event_parse(&ev, &im->body, e) < 0)
            return -1;
    }
    ev.seq = im->state.last_seq + 1;
    if (state_apply(&im->state, &ev, NULL, e) < 0 || append(im, f, &ev, e) < 0)
        return -1;
    im->out->events = ev.seq;
    return 0;
}

static int take_end(struct import *im, struct err *e)
{
    if (!im->state.foreign || !store_id_is_valid(im->text.ptr, im->text.len))
        return err_set(e, ERR_FORMAT, "the bundle was not read to its end");
    snprintf(im->out->from, sizeof im->out->from, "%s", buf_str(&im->text));
    im->ended = true;
    return 0;
}

static int take_frames(struct import *im, int fd, struct err *e)
{
    struct frame f;
    int got;
    while ((got = read_frame(im, fd, &f)) == 1) {
        if (im->ended)
            return err_set(e, ERR_FORMAT, "the bundle goes on behind its end");
        if (f.kind == FRAME_FAILED)
            return err_set(e,
                           f.code == ERR_LIMIT || f.code == ERR_INTEGRITY || f.code == ERR_IO
                               ? (enum err_code)f.code
                               : ERR_FORMAT,
                           "%.500s", buf_str(&im->text));
        if (f.kind == FRAME_END ? take_end(im, e) < 0 : take_event(im, &f, e) < 0)
            return f.kind == FRAME_END ? -1 : err_wrap(e, "line %" PRIu64, f.line);
    }
    return got < 0 ? err_set(e, ERR_FORMAT, "the bundle's reader said something senseless") : 0;
}

static int explain(int status, struct err *e)
{
    if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))
        return err_set(e, ERR_LIMIT, "the bundle took more than %d s to read", CHILD_CPU_S);
    if (WIFSIGNALED(status))
        return err_set(e, ERR_LIMIT,
                       "the bundle's reader was stopped (signal %d; it may use %zu MiB)",
                       WTERMSIG(status), CHILD_MEMORY >> 20);
    if (WEXITSTATUS(status) == JAIL_NO_WALL)
        return err_set(e, ERR_IO, "the bundle's reader could not be walled in");
    return err_set(e, ERR_FORMAT, "the bundle's reader ended early");
}

static int read_behind_walls(struct import *im, int fd, struct err *e)
{
    int fds[2], status = 0;
    pid_t pid;
    struct bundle_reader r;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_sys(e, ERR_IO, "pipe for a bundle");
    bundle_reader_init(&r, say_event, NULL);
    struct jail jail = { .in = fd,
                         .out = fds[1],
                         .memory_bytes = CHILD_MEMORY,
                         .cpu_s = CHILD_CPU_S,
                         .main = child_main,
                         .arg = &r };
    int rc = jail_start(&pid, &jail, e);
    bundle_reader_release(&r);
    close(fds[1]);
    if (rc == 0) {
        rc = take_frames(im, fds[0], e);
        if (rc < 0)
            kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        if (rc == 0 && !im->ended)
            rc = explain(status, e);
    }
    close(fds[0]);
    return rc;
}

/* ---- files ---- */

/* What an import that was killed has left: nobody holds its lock. */
static void remove_leftovers(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *de; d != NULL && (de = readdir(d)) != NULL;) {
        char *stem = xasprintf("%s/%.*s", dir, (int)strcspn(de->d_name, "."), de->d_name);
        char *lock = xasprintf("%s.lock", stem), *path = path_join(dir, de->d_name);
        if (de->d_name[0] != '.' && !lock_is_held(lock))
            unlink(path);
        free(stem);
        free(lock);
        free(path);
    }
    if (d != NULL)
        closedir(d);
}

static int move_file(const char *from_dir, const char *to_dir, const char *id, const char *ending,
                     struct err *e)
{
    char *from = xasprintf("%s/%s.%s", from_dir, id, ending);
    char *to = xasprintf("%s/%s.%s", to_dir, id, ending);
    int rc = rename(from, to) < 0 ? err_sys(e, ERR_IO, "putting %s in place", to) : 0;
    free(from);
    free(to);
    return rc;
}

static void remove_file(const char *dir, const char *id, const char *ending)
{
    char *path = xasprintf("%s/%s.%s", dir, id, ending);
    unlink(path);
    free(path);
}

static int fill(struct import *im, const char *dir, int fd, struct err *e)
{
    if (store_create(&im->store, dir, im->out->id, e) < 0)
        return -1;
    store_set_bulk(im->store);
    state_init(&im->state);
    state_set_session(&im->state, im->out->id);
    buf_init(&im->text, EVENT_BODY_MAX);
    buf_init(&im->blob, BUNDLE_BLOB_MAX);
    int rc = read_behind_walls(im, fd, e);
    if (rc == 0)
        rc = store_flush(im->store, e);
    store_close(im->store);
    state_release(&im->state);
    json_free(im->body);
    buf_release(&im->text);
    buf_release(&im->blob);
    return rc;
}

int import_bundle(struct imported *out, const struct paths *paths, int fd, struct err *e)
{
    struct import im = { .out = out };
    char *dir = path_join(paths->data_dir, "importing");
    *out = (struct imported){ .events = 0 };
    id_new(out->id);
    int rc = path_make_private_dir(dir, e);
    if (rc == 0)
        rc = path_make_private_dir(paths->sessions_dir, e);
    if (rc == 0) {
        remove_leftovers(dir);
        rc = fill(&im, dir, fd, e);
        /* The anchors first: a session without them is whole, anchors without one are nothing. */
        if (rc == 0)
            rc = move_file(dir, paths->sessions_dir, out->id, "head", e);
        if (rc == 0 && (rc = move_file(dir, paths->sessions_dir, out->id, "db", e)) < 0)
            remove_file(paths->sessions_dir, out->id, "head");
        remove_file(dir, out->id, "head");
        remove_file(dir, out->id, "db");
        remove_file(dir, out->id, "db-wal");
        rmdir(dir);
    }
    free(dir);
    return rc < 0 ? err_wrap(e, "nothing was imported") : 0;
}
