/* box.h - drives one sandbox for the contract tests: opens it, records every event, waits for
 * states (never for durations), and says what is missing when it gives up.
 *
 * Also the frame of every contract test program: each case runs against every sandbox of the
 * registry that is there, and, started as root, all again as an ordinary user.
 */
#ifndef AIRLOCK_TESTS_CONTRACT_BOX_H
#define AIRLOCK_TESTS_CONTRACT_BOX_H

#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/net.h"
#include "base/loop.h"
#include "base/proc.h"
#include "providers/proxy.h"
#include "providers/registry.h"
#include "providers/walled.h"
#include "contract/box_remote.h"

#define BOX_WAIT_US   INT64_C(40000000) /* only how long a hopeless wait takes */
#define BOX_BYTES_MAX (160u << 20)
#define BOX_TEXT      512

struct box_var {
    char name[64], type[64], preview[401];
    enum var_change change;
};

struct box {
    struct box *next; /* of all that are open */
    struct sandbox *s;
    struct contract c; /* strings borrowed */
    bool in_call;      /* an event now would be an event from inside a call */

    /* the run under way or done last */
    uint32_t run;
    struct buf out, err, background;
    size_t output_events;
    int finished; /* how many, ever */
    struct sandbox_finished f;
    char what[BOX_TEXT], limits_hit[BOX_TEXT], error_name[BOX_TEXT], error_value[BOX_TEXT];
    char error_traceback[4096], check_text[BOX_TEXT], message[BOX_TEXT];
    bool exists[16];
    char result_mime[64];
    struct buf result;
    int results;
    bool state;
    struct box_var vars[64];
    size_t var_count;
    char files[64][BOX_TEXT]; /* "new path" */
    size_t file_count;

    /* the rest */
    int ready, failed, closed;
    bool warm, confirmed;
    char id[128];
    struct err failure;
    int checkpoints, restored, saved, file_done, completed;
    uint32_t last_checkpoint, restored_run;
    struct err restored_err, saved_err, file_err;
    char kept[2048], lost[2048], names[4096]; /* space-separated */
    struct buf blob, file;
    int usages;
    int64_t input_tokens, output_tokens;
    int checked; /* calls of check_body */
    bool refuse; /* what it answers */

    /* a remote one's life */
    const char *attach, *snapshot, *image, *label; /* of the config */
    int64_t allowance;                             /* -1 none */
    bool again;
    int queued, paused, snapshots, leases;
    struct err paused_err, snapshot_err;
    char snapshot_id[256];
    int64_t ends_ms;
    char checked_code[BOX_TEXT];
    char net[8192]; /* what it reached for, a line each */
    bool no_record; /* of attempts */
    int net_closed;
};

/* One group of tests: these are the same for all its cases. */
struct box_world {
    const struct sandbox_ops *ops;
    const char *image; /* the word of a variant; NULL: the default */
    struct loop *loop;
    struct launcher *launcher;
    struct net *net;
    char missing[1024]; /* not "": why nothing can be tested here */
};
static struct box_world box_world;
static struct box *box_all;

static inline struct contract box_contract(void)
{
    return *walled_default_contract();
}

/* ---- recording ---- */

static inline void box_copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from != NULL ? from : "(null)");
}

static inline void box_join(char *to, size_t size, const char *const *items, size_t count)
{
    size_t len = 0;
    to[0] = '\0';
    for (size_t i = 0; i < count && len < size; i++)
        len += (size_t)snprintf(to + len, size - len, "%s ", items[i]);
}

static inline void box_on_finished(struct box *b, const struct sandbox_event *ev)
{
    const struct sandbox_finished *f = ev->finished;
    assert_int_equal(ev->run, b->run);
    b->finished++;
    b->f = *f;
    box_copy(b->what, sizeof b->what, f->what);
    box_copy(b->limits_hit, sizeof b->limits_hit, f->limits_hit);
    box_copy(b->error_name, sizeof b->error_name, f->error_name);
    box_copy(b->error_value, sizeof b->error_value, f->error_value);
    box_copy(b->error_traceback, sizeof b->error_traceback, f->error_traceback);
    box_copy(b->check_text, sizeof b->check_text, f->check_text);
    box_copy(b->message, sizeof b->message, f->message);
    for (size_t i = 0; f->exists != NULL && i < f->exists_count && i < 16; i++)
        b->exists[i] = f->exists[i];
}

static inline void box_on_state(struct box *b, const struct sandbox_event *ev)
{
    b->state = true;
    b->var_count = 0;
    for (size_t i = 0; i < ev->var_count && b->var_count < 64; i++) {
        struct box_var *v = &b->vars[b->var_count++];
        box_copy(v->name, sizeof v->name, ev->vars[i].name);
        box_copy(v->type, sizeof v->type, ev->vars[i].type);
        box_copy(v->preview, sizeof v->preview, ev->vars[i].preview);
        v->change = ev->vars[i].change;
    }
    b->file_count = 0;
    for (size_t i = 0; i < ev->file_count && b->file_count < 64; i++)
        snprintf(b->files[b->file_count++], BOX_TEXT, "%s %s", var_change_name(ev->files[i].change),
                 ev->files[i].path);
}

static inline void box_on_output(struct box *b, const struct sandbox_event *ev)
{
    struct buf *to = ev->run == 0                  ? &b->background
                     : ev->stream == STREAM_STDOUT ? &b->out
                                                   : &b->err;
    assert_true(ev->run == 0 || ev->run == b->run);
    assert_true(ev->stream == STREAM_STDOUT || ev->stream == STREAM_STDERR);
    assert_int_equal(buf_add(to, ev->ptr, ev->len), 0);
    b->output_events++;
}

/* "allowed CONNECT host:port\n", "closed host:port\n", one after the other. */
static inline void box_on_net(struct box *b, const struct sandbox_event *ev)
{
    const struct proxy_note *n = ev->net;
    size_t at = strlen(b->net);
    if (n->kind == PROXY_ASKED)
        snprintf(b->net + at, sizeof b->net - at, "%s %s %s:%u %s\n",
                 proxy_verdict_name(n->verdict), n->method, n->host, n->port, n->why);
    else
        snprintf(b->net + at, sizeof b->net - at, "closed %s:%u %llu/%llu %s\n", n->host, n->port,
                 (unsigned long long)n->sent, (unsigned long long)n->received, n->why);
    b->net_closed += n->kind == PROXY_CLOSED;
    *ev->on_record = !b->no_record;
}

static inline void box_sink(void *arg, struct sandbox *s, const struct sandbox_event *ev)
{
    struct box *b = arg;
    assert_false(b->in_call);
    assert_ptr_equal(s, b->s);
    assert_int_equal(b->closed, 0); /* CLOSED is always the last event */
    switch (ev->kind) {
    case SANDBOX_READY:
        b->ready++;
        b->warm = ev->warm;
        b->again = ev->again;
        b->ends_ms = ev->ms;
        box_copy(b->id, sizeof b->id, ev->id);
        break;
    case SANDBOX_FAILED:
        b->failed++;
        b->failure = *ev->err;
        break;
    case SANDBOX_OUTPUT:
        box_on_output(b, ev);
        break;
    case SANDBOX_RESULT:
        b->results++;
        box_copy(b->result_mime, sizeof b->result_mime, ev->mime);
        buf_reset(&b->result);
        assert_int_equal(buf_add(&b->result, ev->ptr, ev->len), 0);
        break;
    case SANDBOX_FINISHED:
        box_on_finished(b, ev);
        break;
    case SANDBOX_STATE:
        box_on_state(b, ev);
        break;
    case SANDBOX_CHECKPOINT:
        b->checkpoints++;
        b->last_checkpoint = ev->run;
        break;
    case SANDBOX_CHECKPOINT_LOST:
        break;
    case SANDBOX_SAVED:
        b->saved++;
        err_clear(&b->saved_err);
        if (ev->err != NULL)
            b->saved_err = *ev->err;
        buf_reset(&b->blob);
        if (ev->len > 0)
            assert_int_equal(buf_add(&b->blob, ev->ptr, ev->len), 0);
        box_join(b->kept, sizeof b->kept, ev->kept, ev->kept_count);
        box_join(b->lost, sizeof b->lost, ev->lost, ev->lost_count);
        break;
    case SANDBOX_RESTORED:
        b->restored++;
        b->restored_run = ev->run;
        err_clear(&b->restored_err);
        if (ev->err != NULL)
            b->restored_err = *ev->err;
        box_join(b->kept, sizeof b->kept, ev->kept, ev->kept_count);
        box_join(b->lost, sizeof b->lost, ev->lost, ev->lost_count);
        break;
    case SANDBOX_FILE_DONE:
        b->file_done++;
        err_clear(&b->file_err);
        if (ev->err != NULL)
            b->file_err = *ev->err;
        buf_reset(&b->file);
        if (ev->len > 0)
            assert_int_equal(buf_add(&b->file, ev->ptr, ev->len), 0);
        break;
    case SANDBOX_COMPLETION:
        b->completed++;
        box_join(b->names, sizeof b->names, ev->kept, ev->kept_count);
        break;
    case SANDBOX_NET:
        box_on_net(b, ev);
        break;
    case SANDBOX_QUEUED:
        assert_true(ev->ms > 0 && ev->err != NULL);
        b->queued++;
        break;
    case SANDBOX_PAUSED:
        b->paused++;
        err_clear(&b->paused_err);
        if (ev->err != NULL)
            b->paused_err = *ev->err;
        break;
    case SANDBOX_SNAPSHOT:
        b->snapshots++;
        err_clear(&b->snapshot_err);
        if (ev->err != NULL)
            b->snapshot_err = *ev->err;
        box_copy(b->snapshot_id, sizeof b->snapshot_id, ev->id != NULL ? ev->id : "");
        break;
    case SANDBOX_LEASE:
        b->leases++;
        b->ends_ms = ev->ms;
        break;
    case SANDBOX_CLOSED:
        b->closed++;
        b->confirmed = ev->confirmed;
        break;
    case SANDBOX_USAGE:
        b->usages++;
        b->input_tokens += ev->usage->input_tokens;
        b->output_tokens += ev->usage->output_tokens;
        break;
    }
}

static inline int box_check(void *arg, const struct sandbox_run *decoded, struct err *e)
{
    struct box *b = arg;
    b->checked++;
    box_copy(b->checked_code, sizeof b->checked_code, decoded->code);
    return b->refuse ? err_set(e, ERR_INTEGRITY, "refused by the test") : 0;
}

/* ---- driving ---- */

static inline struct box *box_new(void)
{
    struct box *b = xcalloc(1, sizeof *b);
    struct buf *all[] = { &b->out, &b->err, &b->background, &b->result, &b->blob, &b->file };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_init(all[i], BOX_BYTES_MAX);
    b->allowance = -1;
    b->next = box_all;
    box_all = b;
    return b;
}

static inline void box_free(struct box *b)
{
    if (b == NULL)
        return;
    for (struct box **at = &box_all; *at != NULL; at = &(*at)->next) {
        if (*at == b) {
            *at = b->next;
            break;
        }
    }
    if (b->s != NULL) {
        b->in_call = true;
        box_world.ops->close(b->s);
    }
    struct buf *all[] = { &b->out, &b->err, &b->background, &b->result, &b->blob, &b->file };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_release(all[i]);
    free(b);
}

/* After a case that failed half-way: its sandboxes must not disturb the next. */
static inline int box_sweep(void **state)
{
    (void)state;
    while (box_all != NULL)
        box_free(box_all);
    return 0;
}
#define BOX_TEST(f) cmocka_unit_test_teardown(f, box_sweep)

static inline int64_t box_allowance(void *arg)
{
    const struct box *b = arg;
    return b->allowance;
}

static inline int box_open_with(struct box *b, const struct contract *c, const char *const *env,
                                bool allow_warm, struct err *e)
{
    struct sandbox_config cfg = { .loop = box_world.loop,
                                  .launcher = box_world.launcher,
                                  .net = box_world.net,
                                  .setting = box_setting,
                                  .contract = c,
                                  .image = b->image != NULL ? b->image : box_world.image,
                                  .label = b->label != NULL ? b->label : "contract-test",
                                  .attach = b->attach,
                                  .snapshot = b->snapshot,
                                  .allowance = box_allowance,
                                  .env_values = env,
                                  .allow_warm = allow_warm,
                                  .sink = box_sink,
                                  .check_body = box_check,
                                  .arg = b };
    b->c = *c;
    b->in_call = true;
    int rc = box_world.ops->open(&b->s, &cfg, e);
    b->in_call = false;
    return rc;
}

/* Turn the loop until *counter reaches `at_least`. */
#define box_wait(b, counter, at_least)                                                             \
    do {                                                                                           \
        int64_t box_until = clock_mono_us() + BOX_WAIT_US;                                         \
        struct err box_e = ERR_INIT;                                                               \
        while ((b)->counter < (at_least)) {                                                        \
            if (clock_mono_us() > box_until)                                                       \
                fail_msg("waited in vain for " #counter " >= " #at_least ": ready %d finished %d " \
                         "failed %d (%s) closed %d, stdout %zu bytes, stderr: %.300s",             \
                         (b)->ready, (b)->finished, (b)->failed, (b)->failure.msg, (b)->closed,    \
                         (b)->out.len, buf_str(&(b)->err));                                        \
            assert_int_equal(loop_turn(box_world.loop, 200, &box_e), 0);                           \
        }                                                                                          \
    } while (0)

static inline void box_turns(int count) /* let pending things happen; proves nothing by itself */
{
    struct err e = ERR_INIT;
    for (int i = 0; i < count; i++)
        assert_int_equal(loop_turn(box_world.loop, 20, &e), 0);
}

static inline struct box *box_open(const struct contract *c)
{
    struct box *b = box_new();
    struct err e = ERR_INIT;
    if (box_open_with(b, c, NULL, false, &e) < 0)
        fail_msg("open: %s", e.msg);
    while (b->ready == 0 && b->failed == 0)
        assert_int_equal(loop_turn(box_world.loop, 1000, &e), 0);
    if (b->failed != 0)
        fail_msg("create: %s", b->failure.msg);
    return b;
}

static inline struct box *box_open_default(void)
{
    struct contract c = box_contract();
    return box_open(&c);
}

static inline struct sandbox_run box_request(struct box *b, const char *language, const char *code)
{
    return (struct sandbox_run){ .run = b->run + 1,
                                 .language = language,
                                 .interpreter = box_world.ops->interpreter(&b->c, language),
                                 .code = code,
                                 .code_len = strlen(code),
                                 .cwd = "/workspace",
                                 .input = "",
                                 .check_code = "" };
}

static inline int box_try_exec(struct box *b, const struct sandbox_run *rq, struct err *e)
{
    uint32_t before = b->run;
    buf_reset(&b->out);
    buf_reset(&b->err);
    b->results = 0;
    b->state = false;
    b->run = rq->run;
    b->in_call = true;
    int rc = box_world.ops->exec(b->s, rq, e);
    b->in_call = false;
    if (rc < 0)
        b->run = before;
    return rc;
}

static inline void box_start(struct box *b, const struct sandbox_run *rq)
{
    struct err e = ERR_INIT;
    if (box_try_exec(b, rq, &e) < 0)
        fail_msg("exec: %s", e.msg);
}

static inline void box_exec(struct box *b, const struct sandbox_run *rq)
{
    int before = b->finished;
    box_start(b, rq);
    box_wait(b, finished, before + 1);
}

static inline void box_run_in(struct box *b, const char *language, const char *code)
{
    struct sandbox_run rq = box_request(b, language, code);
    box_exec(b, &rq);
}

static inline void box_run(struct box *b, const char *code)
{
    box_run_in(b, "python", code);
}

/* Run, and wait for the report of variables and files too. */
static inline void box_run_state(struct box *b, const char *code)
{
    box_run(b, code);
    box_wait(b, state, true);
}

static inline void box_interrupt(struct box *b)
{
    b->in_call = true;
    box_world.ops->interrupt(b->s);
    b->in_call = false;
}

static inline void box_kill(struct box *b, enum run_end as)
{
    b->in_call = true;
    box_world.ops->kill(b->s, as);
    b->in_call = false;
}

/* A sandbox operation that returns int, without events from inside. */
#define box_call(b, call) ((b)->in_call = true, box_rc = (call), (b)->in_call = false, box_rc)
static int box_rc __attribute__((unused));

/* ---- what is expected ---- */

#define assert_end(b, wanted)                                                                      \
    do {                                                                                           \
        if ((b)->f.end != (wanted))                                                                \
            fail_msg(                                                                              \
                "end %s, not %s; what \"%s\", code %d, message \"%s\", %s: %s, stderr: %.400s",    \
                run_end_name((b)->f.end), run_end_name(wanted), (b)->what, (b)->f.code,            \
                (b)->message, (b)->error_name, (b)->error_value, buf_str(&(b)->err));              \
    } while (0)

#define assert_exit(b, wanted)                                                                     \
    do {                                                                                           \
        assert_end(b, END_EXIT);                                                                   \
        if (!(b)->f.has_code || (b)->f.code != (wanted))                                           \
            fail_msg("exit %d, not %d; %s: %s, stderr: %.400s", (b)->f.code, wanted,               \
                     (b)->error_name, (b)->error_value, buf_str(&(b)->err));                       \
    } while (0)

#define assert_out(b, wanted)                                                                      \
    do {                                                                                           \
        assert_string_equal(buf_str(&(b)->out), wanted);                                           \
        assert_int_equal((b)->out.len, strlen(wanted));                                            \
    } while (0)

static inline const struct box_var *box_var(const struct box *b, const char *name)
{
    for (size_t i = 0; i < b->var_count; i++)
        if (strcmp(b->vars[i].name, name) == 0)
            return &b->vars[i];
    return NULL;
}

static inline bool box_has_file(const struct box *b, const char *change_and_path)
{
    for (size_t i = 0; i < b->file_count; i++)
        if (strcmp(b->files[i], change_and_path) == 0)
            return true;
    return false;
}

/* At the start of every case. */
#define BOX_NEEDS()                                                                                \
    do {                                                                                           \
        if (box_world.missing[0] != '\0') {                                                        \
            fprintf(stderr, "SKIP: %s\n", box_world.missing);                                      \
            skip();                                                                                \
        }                                                                                          \
    } while (0)
#define BOX_NEEDS_CAP(cap)                                                                         \
    do {                                                                                           \
        BOX_NEEDS();                                                                               \
        if ((box_world.ops->caps & (cap)) == 0) {                                                  \
            fprintf(stderr, "SKIP: %s has no " #cap "\n", box_world.ops->name);                    \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

/* Differences are capabilities, never names. */
#define BOX_NEEDS_NOT(cap)                                                                         \
    do {                                                                                           \
        BOX_NEEDS();                                                                               \
        if ((box_world.ops->caps & (cap)) != 0) {                                                  \
            fprintf(stderr, "SKIP: %s: " #cap "\n", box_world.ops->name);                          \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

/* A field of the contract that is kept at all. */
#define BOX_NEEDS_KEPT(wanted)                                                                     \
    do {                                                                                           \
        struct contract box_default = box_contract();                                              \
        BOX_NEEDS_KEPT_OF(&box_default, wanted);                                                   \
    } while (0)
#define BOX_NEEDS_KEPT_OF(box_c, wanted)                                                           \
    do {                                                                                           \
        struct contract_enforcement box_how;                                                       \
        BOX_NEEDS();                                                                               \
        box_world.ops->enforcement(box_c, &box_how);                                               \
        if (box_how.field[wanted].how == NOT_ENFORCEABLE) {                                        \
            fprintf(stderr, "SKIP: %s can't enforce " #wanted "\n", box_world.ops->name);          \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

#define BOX_NEEDS_LOCAL()                                                                          \
    do {                                                                                           \
        BOX_NEEDS();                                                                               \
        if ((box_world.ops->caps & SANDBOX_IS_REMOTE) != 0) {                                      \
            fprintf(stderr, "SKIP: %s runs elsewhere\n", box_world.ops->name);                     \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

/* ---- the frame ---- */

static inline int box_group_setup(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    box_world.missing[0] = '\0';
    if (launcher_start(&box_world.launcher, &e) < 0 || loop_new(&box_world.loop, &e) < 0) {
        fprintf(stderr, "setup: %s\n", e.msg);
        return -1;
    }
    box_world.net = net_new(box_world.loop);
    const char *why =
        (box_world.ops->caps & SANDBOX_IS_REMOTE) != 0 ? box_remote_start(box_world.ops->name) : "";
    const struct sandbox_host host = { .launcher = box_world.launcher, .setting = box_setting };
    if (why[0] != '\0')
        snprintf(box_world.missing, sizeof box_world.missing, "%s: %s", box_world.ops->name, why);
    else if (box_world.ops->available(&host, &e) < 0)
        snprintf(box_world.missing, sizeof box_world.missing, "%s: %s", box_world.ops->name, e.msg);
    return 0;
}

static inline int box_group_teardown(void **state)
{
    (void)state;
    if (box_world.ops->prewarm_drop != NULL)
        box_world.ops->prewarm_drop();
    net_free(box_world.net);
    loop_free(box_world.loop);
    box_remote_stop();
    launcher_stop(box_world.launcher);
    return 0;
}

/* A home of its own, so that nothing of the person's is near. Removed by box_main. */
static char box_home[64] __attribute__((unused));

typedef int (*box_suite)(const char *name);

/* Who we are here makes no difference to what runs elsewhere. */
static inline int box_run_one(box_suite suite, const char *who, bool again,
                              const struct sandbox_ops *ops, const char *image)
{
    const char *only = getenv("BOX_SANDBOX"); /* for whoever works on one of them */
    char name[64], title[128];
    snprintf(name, sizeof name, "%s%s%s", ops->name, image != NULL ? ":" : "",
             image != NULL ? image : "");
    if ((only != NULL && strcmp(only, name) != 0) ||
        (again && (ops->caps & SANDBOX_IS_REMOTE) != 0))
        return 0;
    snprintf(title, sizeof title, "%s as %s", name, who);
    box_world.ops = ops;
    box_world.image = image;
    return suite(title);
}

static inline int box_run_all(box_suite suite, const char *who, bool again)
{
    size_t count;
    int failed = 0;
    const struct sandbox_ops *const *list = sandbox_list(&count);
    for (size_t i = 0; i < count; i++) {
        failed += box_run_one(suite, who, again, list[i], NULL);
        for (const struct sandbox_variant *v = list[i]->variants; v != NULL && v->word != NULL; v++)
            if (v->ops != NULL && v->ops != list[i])
                failed += box_run_one(suite, who, again, v->ops, v->word);
    }
    return failed;
}

static inline void box_become_ordinary(void)
{
    uid_t nobody = 65534;
    if (chown(box_home, nobody, nobody) < 0 || setgroups(0, NULL) < 0 ||
        setresgid(nobody, nobody, nobody) < 0 || setresuid(nobody, nobody, nobody) < 0)
        abort();
}

static inline int box_run_as_user(box_suite suite)
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        box_become_ordinary();
        exit(box_run_all(suite, "ordinary user", true) == 0 ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

/* Should a limit of the sandbox fail, a fork bomb must stop here and not take the machine along.
 * The sandbox's uid inherits this through the launcher. */
static inline void box_limit_processes(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_max > 1000) {
        limit.rlim_cur = limit.rlim_max = 1000;
        (void)setrlimit(RLIMIT_NPROC, &limit);
    }
}

static inline int box_main(box_suite suite)
{
    box_limit_processes();
    box_remote_find();
    const char *tmp = getenv("TMPDIR");
    snprintf(box_home, sizeof box_home, "%s/airlock-box-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(box_home) == NULL || setenv("HOME", box_home, 1) < 0 || chdir(box_home) < 0) {
        perror("mkdtemp");
        return 1;
    }
    int failed = 0;
    if (geteuid() == 0)
        failed += box_run_as_user(suite);
    failed += box_run_all(suite, geteuid() == 0 ? "root" : "ordinary user", false);
    if (rmdir(box_home) < 0)
        perror(box_home);
    return failed == 0 ? 0 : 1;
}

#define BOX_GROUP(tests)                                                                           \
    static int run_suite(const char *name)                                                         \
    {                                                                                              \
        return cmocka_run_group_tests_name(name, tests, box_group_setup, box_group_teardown);      \
    }                                                                                              \
    int main(void)                                                                                 \
    {                                                                                              \
        return box_main(run_suite);                                                                \
    }

#endif
