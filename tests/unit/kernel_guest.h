/* kernel_guest.h - a kernel with a guest made of bytes: what was written to it, what it told, one
 * line each, and a clock that goes as the test says. */
#ifndef AIRLOCK_TESTS_KERNEL_GUEST_H
#define AIRLOCK_TESTS_KERNEL_GUEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "providers/guest/proto.h"
#include "providers/kernel.h"
#include "unit/fake_clock.h"

static inline struct sandbox_run small_request(uint32_t run, const char *code)
{
    static const char *const argv[] = { "p", "q" };
    return (struct sandbox_run){ .run = run,
                                 .language = "python",
                                 .interpreter = "/usr/bin/python3",
                                 .code = code,
                                 .code_len = strlen(code),
                                 .argv = argv,
                                 .argv_count = 2,
                                 .cwd = "/workspace",
                                 .input = "",
                                 .check_code = "" };
}

/* One bit off, one byte less, one more: never the same request, never a crash. */
/* ---- a kernel with a guest made of bytes */

struct fake {
    struct kernel *k;
    struct buf sent;  /* what the kernel wrote */
    struct buf trace; /* one line for each event */
    size_t accept;    /* bytes a write takes before it blocks */
    bool gone;
    int broken, finished, ready;
    struct err why;
    int64_t armed, oom, pids, memory;
    int (*check)(struct fake *f, const struct sandbox_run *rq);
    uint32_t exec_in_sink; /* start this run from within FINISHED */
};

static inline ssize_t fake_write(void *arg, const char *p, size_t len)
{
    struct fake *f = arg;
    if (f->gone)
        return -1;
    size_t n = len < f->accept ? len : f->accept;
    f->accept -= n;
    buf_add(&f->sent, p, n);
    return (ssize_t)n;
}

static inline void trace_names(struct fake *f, const char *what, const char *const *list, size_t n)
{
    buf_addf(&f->trace, " %s", what);
    for (size_t i = 0; i < n; i++)
        buf_addf(&f->trace, "[%s]", list[i]);
}

static inline void fake_sink(void *arg, const struct sandbox_event *ev)
{
    static const char *const kinds[] = { "READY",    "FAILED",   "OUTPUT",     "RESULT",
                                         "FINISHED", "STATE",    "CHECKPOINT", "CHECKPOINT_LOST",
                                         "SAVED",    "RESTORED", "FILE_DONE",  "COMPLETION",
                                         "CLOSED" };
    static const char *const changes[] = { "new", "changed", "same", "gone", "unknown" };
    struct fake *f = arg;
    const struct sandbox_finished *x = ev->finished;
    /* Output may come in any number of pieces: joined here. */
    if (ev->kind == SANDBOX_OUTPUT) {
        buf_addf(&f->trace, "<%u.%d:%.*s>", ev->run, (int)ev->stream, (int)ev->len, ev->ptr);
        return;
    }
    buf_addf(&f->trace, "\n%s run=%u", kinds[ev->kind], ev->run);
    f->ready += ev->kind == SANDBOX_READY;
    if (ev->kind == SANDBOX_RESULT)
        buf_addf(&f->trace, " %s main=%d %.*s", ev->mime, ev->main, (int)ev->len, ev->ptr);
    if (x != NULL) {
        f->finished++;
        buf_addf(&f->trace,
                 " end=%d code=%d/%d what=%s hit=%s err=%s:%s out=%llu+%llu err=%llu check=%d%d "
                 "lost=%d from=%u %s",
                 x->end, x->has_code, x->code, x->what, x->limits_hit, x->error_name,
                 x->error_value, (unsigned long long)x->stdout_bytes,
                 (unsigned long long)x->stdout_dropped, (unsigned long long)x->stderr_bytes,
                 x->check_ran, x->check_ok, x->state_lost, x->resumed_from, x->message);
    }
    for (size_t i = 0; i < ev->var_count; i++)
        buf_addf(&f->trace, " %s=%s:%s", ev->vars[i].name, ev->vars[i].preview,
                 changes[ev->vars[i].change]);
    for (size_t i = 0; i < ev->file_count; i++)
        buf_addf(&f->trace, " file:%s:%s", ev->files[i].path, changes[ev->files[i].change]);
    if (ev->kept_count + ev->lost_count > 0) {
        trace_names(f, "kept", ev->kept, ev->kept_count);
        trace_names(f, "lost", ev->lost, ev->lost_count);
    }
    if (ev->err != NULL)
        buf_addf(&f->trace, " err(%d)", ev->err->code);
    if (ev->kind == SANDBOX_FINISHED && f->exec_in_sink != 0) {
        struct sandbox_run rq = small_request(f->exec_in_sink, "next");
        struct err e;
        f->exec_in_sink = 0;
        assert_int_equal(kernel_exec(f->k, &rq, &e), 0);
    }
}

static inline void fake_broken(void *arg, const struct err *e)
{
    struct fake *f = arg;
    f->broken++;
    f->why = *e;
}

static inline void fake_arm(void *arg, int64_t delay_us)
{
    ((struct fake *)arg)->armed = delay_us;
}

static inline int64_t fake_oom(void *arg)
{
    return ((struct fake *)arg)->oom;
}

static inline int64_t fake_pids(void *arg)
{
    return ((struct fake *)arg)->pids;
}

static inline int64_t fake_memory(void *arg)
{
    return ((struct fake *)arg)->memory;
}

static inline int fake_check(void *arg, const struct sandbox_run *rq, struct err *e)
{
    struct fake *f = arg;
    if (f->check == NULL || f->check(f, rq) == 0)
        return 0;
    return err_set(e, ERR_INTEGRITY, "refused");
}

static const char hello[] =
    "{\"t\":\"hello\",\"proto\":1,\"pid\":1,\"uid\":1000,\"cap_eff\":\"0000000000000000\",\"no_new_"
    "privs\":1,\"seccomp\":2,"
    "\"core_pattern\":false,\"writable\":[],\"kernel\":\"6.1.0\",\"boot_id\":\"b\"}";

static inline void open_fake(struct fake *f)
{
    static char *names[] = { (char *)(uintptr_t) "TOKEN", (char *)(uintptr_t) "UNSET" };
    static const char *const values[] = { "v\"1", NULL };
    struct contract c = { .timeout_s = 30,
                          .cpu = 2,
                          .memory_mib = 1024,
                          .pids = 128,
                          .disk_mib = 256,
                          .output_mib = 1,
                          .python = (char *)(uintptr_t) "/venv/bin/python",
                          .env_count = 2 };
    c.env[0] = names[0];
    c.env[1] = names[1];
    struct kernel_config cfg = { .contract = &c,
                                 .env_values = values,
                                 .require = KERNEL_REQUIRE_ALL,
                                 .nproc = 128,
                                 .arg = f,
                                 .write = fake_write,
                                 .sink = fake_sink,
                                 .broken = fake_broken,
                                 .check_body = fake_check,
                                 .check_arg = f,
                                 .arm = fake_arm,
                                 .oom_count = fake_oom,
                                 .pids_count = fake_pids,
                                 .memory_used = fake_memory };
    memset(f, 0, sizeof *f);
    f->accept = SIZE_MAX;
    buf_init(&f->sent, 64 << 20);
    buf_init(&f->trace, 64 << 20);
    f->k = kernel_new(&cfg);
}

static inline void close_fake(struct fake *f)
{
    kernel_free(f->k);
    buf_release(&f->sent);
    buf_release(&f->trace);
}

static inline void add_frame(struct buf *b, unsigned kind, unsigned id, const char *p, size_t len)
{
    const char head[FRAME_HEAD] = {
        (char)kind,        (char)id,         0,        0, (char)(len >> 24),
        (char)(len >> 16), (char)(len >> 8), (char)len
    };
    buf_add(b, head, sizeof head);
    buf_add(b, p, len);
}

static inline void add_says(struct buf *b, const char *json)
{
    add_frame(b, FRAME_CONTROL, 0, json, strlen(json));
}

static inline void says(struct fake *f, const char *json)
{
    struct buf b = BUF_INIT(4 << 20);
    add_says(&b, json);
    kernel_feed(f->k, b.ptr, b.len);
    buf_release(&b);
}

static inline void greet(struct fake *f)
{
    kernel_feed(f->k, GUEST_MAGIC, GUEST_MAGIC_LEN);
    says(f, hello);
    assert_int_equal(f->ready, 1);
}

static inline void begin(struct fake *f, uint32_t run)
{
    struct sandbox_run rq = small_request(run, "code");
    struct err e;
    char json[64];
    assert_int_equal(kernel_exec(f->k, &rq, &e), 0);
    snprintf(json, sizeof json, "{\"t\":\"begin\",\"run\":%u}", run);
    says(f, json);
}

static inline bool traced(struct fake *f, const char *needle)
{
    return strstr(buf_str(&f->trace), needle) != NULL;
}

#define DONE(run, more)                                                                            \
    "{\"t\":\"done\",\"run\":" #run                                                                \
    ",\"end\":\"exit\",\"code\":0,\"wall_us\":5,\"out\":0,\"err\":0,\"lost\":false,"               \
    "\"resumed\":0" more "}"

#endif
