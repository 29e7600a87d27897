/* fuzz_kernel.c - a guest that says anything: any cut of its stream gives the same events, each run
 * ends exactly once with the bytes that were told, and after `broken` there is silence.
 *
 * Input: one byte for the cut and what is asked, then frames `kind, stream, length` (a byte each)
 * and that many bytes; a length of 255 announces more than comes. Kind 0 is raw bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "providers/guest/proto.h"
#include "providers/kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char hello[] =
    "{\"t\":\"hello\",\"proto\":1,\"pid\":1,\"uid\":1000,\"cap_eff\":\"0000000000000000\","
    "\"no_new_privs\":1,\"seccomp\":2,\"core_pattern\":false,\"writable\":[],\"kernel\":\"6.1.0\","
    "\"boot_id\":\"b\"}";

struct side {
    struct buf trace;
    unsigned finished, broken;
    uint64_t bytes[3]; /* of the run, by stream */
    bool lost;
};

static ssize_t on_write(void *arg, const char *p, size_t len)
{
    (void)arg;
    (void)p;
    return (ssize_t)len;
}

static void trace_text(struct side *s, const char *p, size_t len)
{
    (void)buf_addf(&s->trace, " %zu:", len);
    (void)buf_add(&s->trace, p, len);
}

static void on_finished(struct side *s, const struct sandbox_event *ev)
{
    const struct sandbox_finished *x = ev->finished;
    s->finished++;
    INVARIANT(x != NULL && ev->run == 1);
    INVARIANT(x->stdout_bytes == s->bytes[1] && x->stderr_bytes == s->bytes[2]);
    (void)buf_addf(&s->trace, " end=%d code=%d what=%s from=%u", (int)x->end, x->code, x->what,
                   x->resumed_from);
}

static void on_event(void *arg, const struct sandbox_event *ev)
{
    struct side *s = arg;
    INVARIANT(s->broken == 0 || s->lost || ev->kind == SANDBOX_FINISHED);
    if (ev->kind == SANDBOX_OUTPUT) {
        /* In any number of pieces; the bytes of both are compared at the end of a run. */
        INVARIANT(ev->stream == STREAM_STDOUT || ev->stream == STREAM_STDERR);
        if (ev->run != 0)
            s->bytes[ev->stream] += ev->len;
        return;
    }
    (void)buf_addf(&s->trace, "\n%d run=%u", (int)ev->kind, ev->run);
    for (size_t i = 0; i < ev->var_count; i++)
        trace_text(s, ev->vars[i].name, strlen(ev->vars[i].name));
    for (size_t i = 0; i < ev->file_count; i++)
        trace_text(s, ev->files[i].path, strlen(ev->files[i].path));
    if (ev->kind == SANDBOX_RESULT)
        trace_text(s, ev->ptr, ev->len);
    if (ev->kind == SANDBOX_FINISHED)
        on_finished(s, ev);
}

static void on_broken(void *arg, const struct err *e)
{
    struct side *s = arg;
    s->broken++;
    INVARIANT(s->broken == 1 && e->msg[0] != '\0');
}

static void on_arm(void *arg, int64_t delay_us)
{
    (void)arg;
    (void)delay_us;
}

static struct kernel *start(struct side *s, unsigned ask)
{
    static struct contract c = { .timeout_s = 30,
                                 .cpu = 2,
                                 .memory_mib = 1024,
                                 .pids = 128,
                                 .disk_mib = 256,
                                 .output_mib = 1,
                                 .python = (char *)(uintptr_t) "/usr/bin/python3" };
    struct kernel_config cfg = { .contract = &c,
                                 .require = KERNEL_REQUIRE_ALL,
                                 .arg = s,
                                 .write = on_write,
                                 .sink = on_event,
                                 .broken = on_broken,
                                 .arm = on_arm };
    struct sandbox_run rq = { .run = 1,
                              .language = "python",
                              .interpreter = "/usr/bin/python3",
                              .code = "x",
                              .code_len = 1,
                              .cwd = "/workspace",
                              .input = "",
                              .check_code = "" };
    struct err e = ERR_INIT;
    *s = (struct side){ .broken = 0 };
    buf_init(&s->trace, (size_t)64 << 20);
    struct kernel *k = kernel_new(&cfg);
    INVARIANT(kernel_exec(k, &rq, &e) == 0);
    if (ask & 1)
        INVARIANT(kernel_save(k, &e) == 0);
    if (ask & 2)
        INVARIANT(kernel_get(k, "f", 100, &e) == 0);
    if (ask & 4)
        INVARIANT(kernel_complete(k, "python", "x.", 2, 7, &e) == 0);
    return k;
}

static void add_frame(struct buf *b, unsigned kind, unsigned stream, size_t told, const char *p,
                      size_t len)
{
    const char head[FRAME_HEAD] = {
        (char)kind,         (char)stream,      0,         0, (char)(told >> 24),
        (char)(told >> 16), (char)(told >> 8), (char)told
    };
    (void)buf_add(b, head, sizeof head);
    (void)buf_add(b, p, len);
}

/* The guest's stream: a greeting as it should be, unless `rude`. */
static void make_stream(struct buf *b, bool rude, const uint8_t *p, size_t len)
{
    if (!rude) {
        (void)buf_add(b, GUEST_MAGIC, GUEST_MAGIC_LEN);
        add_frame(b, FRAME_CONTROL, 0, strlen(hello), hello, strlen(hello));
    }
    for (size_t i = 0; i + 3 <= len;) {
        unsigned kind = p[i] % 6, stream = p[i + 1];
        size_t told = p[i + 2], n = told < len - i - 3 ? told : len - i - 3;
        const char *body = (const char *)p + i + 3;
        i += 3 + n;
        if (kind == 0)
            (void)buf_add(b, body, n);
        else
            add_frame(b, kind, stream, told == 255 ? 100000 : n, body, n);
    }
}

static void finish(struct kernel *k, struct side *s)
{
    s->lost = true;
    kernel_lost(k, END_LOST, "gone");
    INVARIANT(s->finished == 1);
    kernel_feed(k, "x", 1);
    kernel_tick(k);
    INVARIANT(s->finished == 1 && s->broken <= 1);
    kernel_free(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf stream = BUF_INIT(1 << 20);
    struct side whole, cut;
    if (size < 1)
        return 0;
    size_t piece = 1 + data[0] % 32;
    make_stream(&stream, data[0] >= 224, data + 1, size - 1);
    struct kernel *a = start(&whole, data[0] >> 5), *b = start(&cut, data[0] >> 5);
    kernel_feed(a, buf_str(&stream), stream.len);
    for (size_t at = 0; at < stream.len; at += piece)
        kernel_feed(b, buf_str(&stream) + at, stream.len - at < piece ? stream.len - at : piece);
    INVARIANT(whole.broken == cut.broken);
    INVARIANT(whole.bytes[1] == cut.bytes[1] && whole.bytes[2] == cut.bytes[2]);
    finish(a, &whole);
    finish(b, &cut);
    INVARIANT(whole.trace.len == cut.trace.len &&
              memcmp(buf_str(&whole.trace), buf_str(&cut.trace), whole.trace.len) == 0);
    buf_release(&whole.trace);
    buf_release(&cut.trace);
    buf_release(&stream);
    return 0;
}
