/* kernel_box.h - a real guest in a real, minimal bubblewrap box, driven over a socketpair through
 * providers/kernel.h alone. Records what comes back; waits for states, never for durations. */
#ifndef AIRLOCK_TESTS_KERNEL_BOX_H
#define AIRLOCK_TESTS_KERNEL_BOX_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/share.h"
#include "providers/guest/proto.h"
#include "providers/kernel.h"

#define PATIENCE_US 60000000 /* a state that does not come by then never will */
#define ARGS_CAP    256

struct seen_var {
    char name[64], type[64], shape[32], preview[404], digest[64];
    enum var_change change;
    int64_t bytes;
};

/* What one run was. */
struct seen {
    uint32_t run;
    int finished, states; /* how many came: must be 1 */
    struct sandbox_finished end;
    char what[32], limits[64], error_name[128], error_value[4096], traceback[16384], check[512],
        message[512];
    bool exists[8];
    struct buf out, err;
    size_t results;
    struct {
        char mime[64];
        bool main;
        size_t len;
        char text[4096];
    } result[16];
    size_t vars_count;
    struct seen_var vars[64];
    char files[2048]; /* "new:a,changed:b," */
};

struct box {
    pid_t pid;
    int fd;
    struct kernel *k;
    bool ready, broken, write_gone;
    struct err why;
    int64_t tick_at_us; /* 0 none */
    struct seen seen;
    struct buf background;
    int checkpoints, lost_checkpoints, restored, saved, file_done, completed;
    uint32_t last_checkpoint, restored_run;
    struct buf kept, lost, names, blob, file; /* lists joined by LF */
    struct err restored_err, saved_err, file_err;
    char digest[65];
    int64_t oom, pids, memory; /* what the hooks answer */
    bool hold;                 /* read nothing from the guest */
    size_t fed;
    unsigned require;
    bool once, no_checkpoints, watch, refuse;
    int64_t timeout_s, output_mib, memory_mib, nproc;
    const char *start;
};

static inline int64_t box_oom(void *arg)
{
    return ((struct box *)arg)->oom;
}

static inline int64_t box_pids(void *arg)
{
    return ((struct box *)arg)->pids;
}

static inline int64_t box_memory(void *arg)
{
    return ((struct box *)arg)->memory;
}

static inline ssize_t box_write(void *arg, const char *ptr, size_t len)
{
    struct box *b = arg;
    ssize_t n = send(b->fd, ptr, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    b->write_gone = true;
    return -1;
}

static inline void box_arm(void *arg, int64_t delay_us)
{
    struct box *b = arg;
    b->tick_at_us = delay_us < 0 ? 0 : clock_boot_us() + delay_us;
}

static inline void box_broken(void *arg, const struct err *e)
{
    struct box *b = arg;
    assert_false(b->broken); /* once */
    b->broken = true;
    b->why = *e;
}

static inline int box_check(void *arg, const struct sandbox_run *rq, struct err *e)
{
    struct box *b = arg;
    (void)rq;
    return b->refuse ? err_set(e, ERR_INTEGRITY, "not what was approved") : 0;
}

static inline void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from != NULL ? from : "");
}

static inline void see_finished(struct seen *s, const struct sandbox_finished *f)
{
    s->finished++;
    s->end = *f;
    copy_text(s->what, sizeof s->what, f->what);
    copy_text(s->limits, sizeof s->limits, f->limits_hit);
    copy_text(s->error_name, sizeof s->error_name, f->error_name);
    copy_text(s->error_value, sizeof s->error_value, f->error_value);
    copy_text(s->traceback, sizeof s->traceback, f->error_traceback);
    copy_text(s->check, sizeof s->check, f->check_text);
    copy_text(s->message, sizeof s->message, f->message);
    for (size_t i = 0; i < f->exists_count && i < 8 && f->exists != NULL; i++)
        s->exists[i] = f->exists[i];
}

static inline void see_state(struct seen *s, const struct sandbox_event *ev)
{
    static const char *const words[] = { "new", "changed", "same", "gone", "unknown" };
    s->states++;
    s->vars_count = 0;
    s->files[0] = '\0';
    for (size_t i = 0; i < ev->var_count && i < 64; i++) {
        struct seen_var *v = &s->vars[s->vars_count++];
        copy_text(v->name, sizeof v->name, ev->vars[i].name);
        copy_text(v->type, sizeof v->type, ev->vars[i].type);
        copy_text(v->shape, sizeof v->shape, ev->vars[i].shape);
        copy_text(v->preview, sizeof v->preview, ev->vars[i].preview);
        copy_text(v->digest, sizeof v->digest, ev->vars[i].digest);
        v->change = ev->vars[i].change;
        v->bytes = ev->vars[i].bytes;
    }
    for (size_t i = 0; i < ev->file_count; i++) {
        size_t len = strlen(s->files);
        snprintf(s->files + len, sizeof s->files - len, "%s:%s,", words[ev->files[i].change],
                 ev->files[i].path);
    }
}

static inline void see_result(struct seen *s, const struct sandbox_event *ev)
{
    if (s->results == 16)
        return;
    copy_text(s->result[s->results].mime, 64, ev->mime);
    s->result[s->results].main = ev->main;
    s->result[s->results].len = ev->len;
    size_t n = ev->len < 4095 ? ev->len : 4095;
    memcpy(s->result[s->results].text, ev->ptr, n);
    s->result[s->results].text[n] = '\0';
    s->results++;
}

static inline void join(struct buf *b, const char *const *list, size_t count)
{
    buf_reset(b);
    for (size_t i = 0; i < count; i++) {
        buf_add_str(b, list[i]);
        buf_add_char(b, '\n');
    }
}

static inline void take_err(struct err *to, const struct err *from)
{
    *to = (struct err)ERR_INIT;
    if (from != NULL)
        *to = *from;
}

static inline void box_sink(void *arg, const struct sandbox_event *ev)
{
    struct box *b = arg;
    struct seen *s = &b->seen;
    switch (ev->kind) {
    case SANDBOX_READY:
        b->ready = true;
        break;
    case SANDBOX_OUTPUT:
        assert_true(ev->run == 0 || ev->run == s->run);
        buf_add(ev->run == 0                  ? &b->background
                : ev->stream == STREAM_STDOUT ? &s->out
                                              : &s->err,
                ev->ptr, ev->len);
        break;
    case SANDBOX_RESULT:
        assert_int_equal(ev->run, s->run);
        see_result(s, ev);
        break;
    case SANDBOX_FINISHED:
        assert_int_equal(ev->run, s->run);
        assert_int_equal(s->finished, 0); /* exactly one */
        see_finished(s, ev->finished);
        break;
    case SANDBOX_STATE:
        if (ev->run == s->run)
            see_state(s, ev);
        break;
    case SANDBOX_CHECKPOINT:
        assert_string_equal(ev->checkpoint_kind, "fork");
        b->checkpoints++;
        b->last_checkpoint = ev->run;
        break;
    case SANDBOX_CHECKPOINT_LOST:
        b->lost_checkpoints++;
        break;
    case SANDBOX_RESTORED:
        b->restored++;
        b->restored_run = ev->run;
        take_err(&b->restored_err, ev->err);
        join(&b->kept, ev->kept, ev->kept_count);
        join(&b->lost, ev->lost, ev->lost_count);
        break;
    case SANDBOX_SAVED:
        b->saved++;
        take_err(&b->saved_err, ev->err);
        join(&b->kept, ev->kept, ev->kept_count);
        join(&b->lost, ev->lost, ev->lost_count);
        buf_reset(&b->blob);
        buf_add(&b->blob, ev->ptr, ev->len);
        copy_text(b->digest, sizeof b->digest, ev->digest);
        break;
    case SANDBOX_FILE_DONE:
        b->file_done++;
        take_err(&b->file_err, ev->err);
        buf_reset(&b->file);
        buf_add(&b->file, ev->ptr, ev->len);
        break;
    case SANDBOX_COMPLETION:
        b->completed++;
        join(&b->names, ev->kept, ev->kept_count);
        break;
    default:
        fail_msg("the kernel sent event %d", (int)ev->kind);
    }
}

/* ---- the process */

struct args {
    const char *v[ARGS_CAP];
    size_t n;
    char numbers[32][16];
    size_t number;
};

static inline void arg(struct args *a, const char *s)
{
    assert_true(a->n + 1 < ARGS_CAP);
    a->v[a->n++] = s;
}

/* A file of ours inside, by descriptor: never by path. */
static inline void arg_data(struct args *a, const char *perms, const void *p, size_t len,
                            const char *at)
{
    int fd = memfd_create("file", 0);
    assert_true(fd >= 0);
    for (size_t off = 0; off < len;) {
        ssize_t n = write(fd, (const char *)p + off, len - off);
        assert_true(n > 0);
        off += (size_t)n;
    }
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    snprintf(a->numbers[a->number], 16, "%d", fd);
    arg(a, "--perms");
    arg(a, perms);
    arg(a, "--ro-bind-data");
    arg(a, a->numbers[a->number++]);
    arg(a, at);
}

static inline void add_wall(struct args *a)
{
    static const char *const wall[] = { "--unshare-user",
                                        "--unshare-ipc",
                                        "--unshare-pid",
                                        "--unshare-net",
                                        "--unshare-uts",
                                        "--disable-userns",
                                        "--die-with-parent",
                                        "--new-session",
                                        "--as-pid-1",
                                        "--clearenv",
                                        "--hostname",
                                        "sandbox",
                                        "--uid",
                                        "1000",
                                        "--gid",
                                        "1000",
                                        "--cap-drop",
                                        "ALL",
                                        "--ro-bind",
                                        "/usr",
                                        "/usr",
                                        "--symlink",
                                        "usr/bin",
                                        "/bin",
                                        "--symlink",
                                        "usr/lib",
                                        "/lib",
                                        "--symlink",
                                        "usr/lib64",
                                        "/lib64",
                                        "--symlink",
                                        "usr/sbin",
                                        "/sbin",
                                        "--proc",
                                        "/proc",
                                        "--ro-bind",
                                        "/proc/sys",
                                        "/proc/sys",
                                        "--dev",
                                        "/dev",
                                        "--size",
                                        "67108864",
                                        "--perms",
                                        "1777",
                                        "--tmpfs",
                                        "/dev/shm",
                                        "--size",
                                        "67108864",
                                        "--perms",
                                        "1777",
                                        "--tmpfs",
                                        "/tmp",
                                        "--size",
                                        "100663296",
                                        "--tmpfs",
                                        "/workspace",
                                        "--dir",
                                        "/etc",
                                        "--ro-bind-try",
                                        "/etc/alternatives",
                                        "/etc/alternatives",
                                        "--ro-bind-try",
                                        "/etc/matplotlibrc",
                                        "/etc/matplotlibrc" };
    for (size_t i = 0; i < ARRAY_LEN(wall); i++)
        arg(a, wall[i]);
}

static inline void become_guest(struct args *a, int stream)
{
    if (getuid() == 0) {
        uid_t uid = 61184 + (uid_t)(getpid() % 4096);
        if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 ||
            setresuid(uid, uid, uid) != 0)
            _exit(126);
    }
    dup2(stream, 0);
    dup2(stream, 1);
    close(stream);
    execv("/usr/bin/bwrap", (char *const *)(uintptr_t)a->v);
    _exit(127);
}

static inline pid_t spawn_guest(int stream)
{
    static char paths[32][128];
    struct args a = { .n = 0 };
    size_t count;
    const struct share_file *files = share_list(&count);
    arg(&a, "/usr/bin/bwrap");
    add_wall(&a);
    arg_data(&a, "0555", guest_image, (size_t)(guest_image_end - guest_image), GUEST_PATH);
    for (size_t i = 0; i < count && a.number < 32; i++) {
        if (strncmp(files[i].name, "kernels/", 8) != 0)
            continue;
        snprintf(paths[a.number], 128, "%s/%s", GUEST_DIR, files[i].name);
        arg_data(&a, "0444", files[i].ptr, files[i].len, paths[a.number]);
    }
    arg(&a, "--remount-ro");
    arg(&a, "/dev");
    arg(&a, "--remount-ro");
    arg(&a, "/");
    arg(&a, "--chdir");
    arg(&a, "/workspace");
    arg(&a, GUEST_PATH);
    pid_t pid = fork();
    if (pid == 0)
        become_guest(&a, stream);
    for (size_t i = 0; i < a.number; i++)
        close((int)strtol(a.numbers[i], NULL, 10));
    assert_true(pid > 0);
    return pid;
}

static inline struct box *box_new(void)
{
    struct box *b = xcalloc(1, sizeof *b);
    b->oom = b->pids = b->memory = -1;
    b->timeout_s = 30;
    b->output_mib = 64;
    b->memory_mib = 1024;
    b->require = KERNEL_REQUIRE_ALL & ~(unsigned)KERNEL_REQUIRE_SECCOMP; /* no filter in here */
    buf_init(&b->seen.out, (size_t)3 << 30);
    buf_init(&b->seen.err, 64 << 20);
    buf_init(&b->background, 256 << 20);
    buf_init(&b->kept, 1 << 20);
    buf_init(&b->lost, 1 << 20);
    buf_init(&b->names, 1 << 20);
    buf_init(&b->blob, 128 << 20);
    buf_init(&b->file, 128 << 20);
    return b;
}

static inline void box_open(struct box *b)
{
    static char *env_names[] = { (char *)(uintptr_t) "GREETING" };
    static const char *const env_values[] = { "hello \xc3\xa4\"\\" };
    struct contract c = { .lifecycle = b->once ? LIFECYCLE_RUN : LIFECYCLE_SESSION,
                          .timeout_s = b->timeout_s,
                          .cpu = 1,
                          .memory_mib = b->memory_mib,
                          .pids = 128,
                          .disk_mib = 64,
                          .output_mib = b->output_mib,
                          .python = (char *)(uintptr_t) "/usr/bin/python3",
                          .env_count = 1 };
    int sv[2];
    c.env[0] = env_names[0];
    struct kernel_config cfg = { .contract = &c,
                                 .env_values = env_values,
                                 .require = b->require,
                                 .start = b->start,
                                 .nproc = b->nproc,
                                 .watch_memory = b->watch,
                                 .no_checkpoints = b->no_checkpoints,
                                 .arg = b,
                                 .write = box_write,
                                 .sink = box_sink,
                                 .broken = box_broken,
                                 .check_body = box_check,
                                 .check_arg = b,
                                 .arm = box_arm,
                                 .oom_count = box_oom,
                                 .pids_count = box_pids,
                                 .memory_used = box_memory };
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
    b->fd = sv[0];
    b->pid = spawn_guest(sv[1]);
    close(sv[1]);
    b->k = kernel_new(&cfg);
}

static inline void box_close(struct box *b)
{
    if (b == NULL)
        return;
    kernel_free(b->k);
    close(b->fd); /* the guest ends with its stream, and everything with it */
    waitpid(b->pid, NULL, 0);
    buf_release(&b->seen.out);
    buf_release(&b->seen.err);
    buf_release(&b->background);
    buf_release(&b->kept);
    buf_release(&b->lost);
    buf_release(&b->names);
    buf_release(&b->blob);
    buf_release(&b->file);
    free(b);
}

/* One turn: false when the stream ended. */
static inline bool box_turn(struct box *b)
{
    static char chunk[1 << 18];
    struct pollfd p = { .fd = b->fd, .events = POLLIN };
    int64_t left = b->tick_at_us - clock_boot_us();
    int timeout = b->tick_at_us == 0 ? 1000
                  : left <= 0        ? 0
                  : left > 1000000   ? 1000
                                     : (int)(left / 1000) + 1;
    if (b->hold)
        p.events = 0;
    if (kernel_wants_write(b->k))
        p.events |= POLLOUT;
    poll(&p, 1, timeout);
    if (b->tick_at_us != 0 && clock_boot_us() >= b->tick_at_us) {
        b->tick_at_us = 0;
        kernel_tick(b->k);
    }
    if ((p.revents & POLLOUT) != 0)
        kernel_writable(b->k);
    if ((p.revents & (POLLIN | POLLHUP)) != 0) {
        ssize_t n = recv(b->fd, chunk, sizeof chunk, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        if (n > 0) {
            b->fed += (size_t)n;
            kernel_feed(b->k, chunk, (size_t)n);
        }
    }
    return true;
}

#define BOX_UNTIL(b, cond)                                                                         \
    do {                                                                                           \
        int64_t until_ = clock_boot_us() + PATIENCE_US;                                            \
        while (!(cond)) {                                                                          \
            if (!box_turn(b))                                                                      \
                fail_msg("the guest is gone, waiting for: %s", #cond);                             \
            if ((b)->broken && !(cond))                                                            \
                fail_msg("broken (%s), waiting for: %s", (b)->why.msg, #cond);                     \
            if (clock_boot_us() > until_)                                                          \
                fail_msg("never came: %s", #cond);                                                 \
        }                                                                                          \
    } while (0)

/* ---- runs */

static inline void seen_reset(struct box *b, uint32_t run)
{
    struct buf out = b->seen.out, err = b->seen.err;
    memset(&b->seen, 0, sizeof b->seen);
    b->seen.out = out;
    b->seen.err = err;
    buf_reset(&b->seen.out);
    buf_reset(&b->seen.err);
    b->seen.run = run;
}

static inline const char *interpreter_of(const char *language)
{
    return strcmp(language, "python") == 0 ? "/usr/bin/python3"
           : strcmp(language, "bash") == 0 ? "/usr/bin/bash"
                                           : "/usr/bin/node";
}

static inline struct sandbox_run request(uint32_t run, const char *language, const char *code)
{
    static const char *const argv[] = { "prog" };
    return (struct sandbox_run){ .run = run,
                                 .language = language,
                                 .interpreter = interpreter_of(language),
                                 .code = code,
                                 .code_len = strlen(code),
                                 .argv = argv,
                                 .argv_count = 1,
                                 .cwd = "/workspace",
                                 .input = "",
                                 .check_code = "" };
}

static uint32_t next_run = 1;

static inline void box_send(struct box *b, struct sandbox_run rq)
{
    struct err e = ERR_INIT;
    seen_reset(b, rq.run);
    if (kernel_exec(b->k, &rq, &e) < 0)
        fail_msg("exec: %s", e.msg);
}

static inline struct seen *box_run_request(struct box *b, struct sandbox_run rq)
{
    box_send(b, rq);
    BOX_UNTIL(b, b->seen.finished == 1 && b->seen.states == 1);
    assert_int_equal(kernel_running(b->k), 0);
    return &b->seen;
}

static inline struct seen *box_run(struct box *b, const char *language, const char *code)
{
    return box_run_request(b, request(next_run++, language, code));
}

static inline struct seen *py(struct box *b, const char *code)
{
    return box_run(b, "python", code);
}

/* As py(), and its checkpoint is there. */
static inline uint32_t py_kept(struct box *b, const char *code)
{
    uint32_t run = next_run;
    struct seen *s = py(b, code);
    assert_int_equal(s->end.end, END_EXIT);
    BOX_UNTIL(b, b->last_checkpoint == run);
    return run;
}

static inline const struct seen_var *var(const struct seen *s, const char *name)
{
    for (size_t i = 0; i < s->vars_count; i++) {
        if (strcmp(s->vars[i].name, name) == 0)
            return &s->vars[i];
    }
    return NULL;
}

/* ---- a box for the cases that leave no damage */

#define HAVE_NODE (access("/usr/bin/node", X_OK) == 0)

static struct box *shared;

static inline int open_shared(void **state)
{
    (void)state;
    if (access("/usr/bin/bwrap", X_OK) != 0) {
        print_message("bubblewrap is not installed: NOTHING of the guest is tested\n");
        return -1;
    }
    shared = box_new();
    shared->start = "python";
    box_open(shared);
    BOX_UNTIL(shared, shared->ready);
    return 0;
}

static inline int close_shared(void **state)
{
    (void)state;
    box_close(shared);
    return 0;
}

static inline bool has(struct buf *b, const char *needle)
{
    return strstr(buf_str(b), needle) != NULL;
}

/* The whole program, or with an argument the cases whose names match it. */
#define RUN_CASES(tests, argc, argv)                                                               \
    ((argc) > 1 ? cmocka_set_test_filter((argv)[1]) : (void)0,                                     \
     cmocka_run_group_tests(tests, open_shared, close_shared))

#endif
