/* kernel_said.c - what the guest says, decoded strictly and turned into events. */
#include "providers/kernel_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sha256.h"

#define RESULT_OVERHEAD 1024
#define STRINGS_MAX     5000

/* ---- hello */

static int read_hello(struct kernel_hello *h, const struct json *m, struct err *e)
{
    const char *cap, *kernel, *boot;
    int64_t proto;
    if (json_need_int(m, "hello", "proto", GUEST_PROTO, GUEST_PROTO, &proto, e) < 0 ||
        json_need_int(m, "hello", "pid", 1, INT32_MAX, &h->pid, e) < 0 ||
        json_need_int(m, "hello", "uid", 0, UINT32_MAX, &h->uid, e) < 0 ||
        json_need_str(m, "hello", "cap_eff", &cap, e) < 0 ||
        json_need_int(m, "hello", "no_new_privs", -1, 1, &h->no_new_privs, e) < 0 ||
        json_need_int(m, "hello", "seccomp", -1, 2, &h->seccomp, e) < 0 ||
        json_need_str(m, "hello", "kernel", &kernel, e) < 0 ||
        json_need_str(m, "hello", "boot_id", &boot, e) < 0)
        return -1;
    h->cap_eff = strtoull(cap, NULL, 16);
    h->core_pattern_writable = json_get_bool(m, "core_pattern", true);
    snprintf(h->kernel, sizeof h->kernel, "%s", kernel);
    snprintf(h->boot_id, sizeof h->boot_id, "%s", boot);
    const struct json *dirs = json_get(m, "writable");
    if (dirs == NULL || json_kind(dirs) != JSON_ARRAY)
        return err_set(e, ERR_FORMAT, "hello.writable: missing");
    for (const struct json *d = json_first(dirs); d != NULL; d = json_next(d)) {
        size_t len = strlen(h->writable);
        snprintf(h->writable + len, sizeof h->writable - len, "%s%s", len > 0 ? " " : "",
                 json_str(d, "?"));
    }
    return 0;
}

/* The first requirement that does not hold, NULL when all do. */
static const char *unmet(const struct kernel_hello *h, unsigned require)
{
    if ((require & KERNEL_REQUIRE_NOT_ROOT) != 0 && h->uid == 0)
        return "it runs as root inside";
    if ((require & KERNEL_REQUIRE_NO_CAPS) != 0 && h->cap_eff != 0)
        return "it has capabilities";
    if ((require & KERNEL_REQUIRE_NO_NEW_PRIVS) != 0 && h->no_new_privs != 1)
        return "no_new_privs is not set";
    if ((require & KERNEL_REQUIRE_SECCOMP) != 0 && h->seccomp != 2)
        return "no seccomp filter is on";
    if ((require & KERNEL_REQUIRE_NO_CORE_PATTERN) != 0 && h->core_pattern_writable)
        return "it could write core_pattern, which is code on the host";
    if ((require & KERNEL_REQUIRE_READ_ONLY) != 0 && h->writable[0] != '\0')
        return "it could write to system directories";
    return NULL;
}

static void said_hello(struct kernel *k, const struct json *m)
{
    struct err e;
    struct kernel_hello h = { 0 };
    if (strcmp(json_get_str(m, "t", ""), "hello") != 0 || read_hello(&h, m, &e) < 0) {
        kernel_break(k, ERR_FORMAT, "the guest's hello is wrong");
        return;
    }
    k->hello = h;
    const char *why = unmet(&h, k->cfg.require);
    if (why != NULL) {
        kernel_break(k, ERR_INTEGRITY, "the sandbox failed its self-check: %s%s%s", why,
                     h.writable[0] != '\0' ? ": " : "", h.writable);
        return;
    }
    k->phase = KERNEL_UP;
    kernel_flush(k);
    kernel_emit(k, &(struct sandbox_event){ .kind = SANDBOX_READY });
}

/* ---- results */

static void drop_result(struct kernel *k)
{
    buf_release(&k->run.result);
    buf_init(&k->run.result, RESULT_MAX);
    free(k->run.mime);
    k->run.mime = NULL;
    k->run.result_bad = false;
}

/* All results of a run together keep to the output cap, too. */
static void tell_result(struct kernel *k)
{
    k->run.result_bytes += k->run.result.len + RESULT_OVERHEAD;
    if (!k->run.result_bad && k->run.result_bytes <= k->output_max)
        kernel_emit(k, &(struct sandbox_event){ .kind = SANDBOX_RESULT,
                                                .run = k->run.id,
                                                .mime = k->run.mime,
                                                .ptr = buf_str(&k->run.result),
                                                .len = k->run.result.len,
                                                .main = k->run.result_main });
    drop_result(k);
}

static int said_result(struct kernel *k, const struct json *m, struct err *e)
{
    const struct json *of = json_get(m, "of");
    const char *mime, *data;
    if (k->op != KERNEL_EXEC || !k->run.begun || json_get_int(m, "run", 0) != k->run.id)
        return err_set(e, ERR_FORMAT, "a result of no run");
    if (json_need_str(of, "result", "mime", &mime, e) < 0 ||
        json_need_str(of, "result", "data", &data, e) < 0)
        return -1;
    if (k->run.mime == NULL) {
        k->run.mime = xstrndup(mime, 128);
        k->run.result_main = json_get_bool(of, "main", false);
    }
    struct err why;
    if (!k->run.result_bad && base64_decode(&k->run.result, data, strlen(data), &why) < 0)
        k->run.result_bad = true; /* code that meddles with its own results loses them */
    if (json_get_int(of, "more", 0) == 0)
        tell_result(k);
    return 0;
}

/* ---- state */

static int said_files(struct kernel *k, const struct json *m, struct err *e)
{
    struct kernel_report *r = kernel_report(k, (uint32_t)json_get_int(m, "run", 0), false);
    if (r == NULL || r->have_files)
        return err_set(e, ERR_FORMAT, "files of no run");
    if (kernel_report_files(k, r, json_get(m, "files"), e) < 0)
        return -1;
    kernel_report_maybe_tell(k, r);
    return 0;
}

static int said_state(struct kernel *k, const struct json *m, struct err *e)
{
    const struct json *of = json_get(m, "of");
    struct kernel_report *r = kernel_report(k, (uint32_t)json_get_int(m, "run", 0), false);
    if (r == NULL || r->have_vars)
        return err_set(e, ERR_FORMAT, "variables of no run");
    if (json_get_int(of, "unknown", 0) != 0)
        r->vars_unknown = !r->lost || r->vars_unknown;
    else if (kernel_report_vars(k, r, of, e) < 0)
        return -1;
    r->have_vars = json_get_int(of, "more", 0) == 0;
    kernel_report_maybe_tell(k, r);
    return 0;
}

/* ---- checkpoints, save, restore */

static int said_checkpoint(struct kernel *k, const struct json *m, struct err *e)
{
    uint32_t run = (uint32_t)json_get_int(m, "run", 0);
    if (run == 0 || kernel_checkpoint(k, run) != NULL || k->checkpoint_count > KEEP_MAX + 4)
        return err_set(e, ERR_FORMAT, "a checkpoint that can't be");
    kernel_checkpoint_add(k, run);
    kernel_emit(k, &(struct sandbox_event){
                       .kind = SANDBOX_CHECKPOINT, .run = run, .checkpoint_kind = "fork" });
    kernel_go_on(k);
    return 0;
}

static int said_dropped(struct kernel *k, const struct json *m, struct err *e)
{
    (void)e;
    uint32_t run = (uint32_t)json_get_int(m, "run", 0);
    bool asked = strcmp(json_get_str(m, "why", ""), "asked") == 0 ||
                 strcmp(json_get_str(m, "why", ""), "not there") == 0;
    if (kernel_checkpoint(k, run) != NULL) {
        kernel_checkpoint_remove(k, run);
        kernel_emit(k, &(struct sandbox_event){ .kind = SANDBOX_CHECKPOINT_LOST, .run = run });
    }
    if (asked)
        k->run.dropping = false;
    kernel_go_on(k);
    return 0;
}

static char **json_strings(const struct json *array, const char *prefix, char **list, size_t *count)
{
    for (const struct json *s = json_first(array); s != NULL && *count < STRINGS_MAX;
         s = json_next(s)) {
        list = xreallocarray(list, *count + 1, sizeof *list);
        list[(*count)++] = xasprintf("%s%.400s", prefix, json_str(s, "?"));
    }
    return list;
}

static void free_list(char **list, size_t count)
{
    for (size_t i = 0; list != NULL && i < count; i++)
        free(list[i]);
    free(list);
}

static char **other_languages(const struct kernel *k, char **list, size_t *count)
{
    list = kernel_names(&k->last[KERNEL_JAVASCRIPT], "javascript:", list, count);
    return kernel_names(&k->last[KERNEL_BASH], "bash:", list, count);
}

static void tell_names(struct kernel *k, struct sandbox_event *ev, char **kept, size_t kept_count,
                       char **lost, size_t lost_count)
{
    ev->kept = (const char *const *)kept;
    ev->kept_count = kept_count;
    ev->lost = (const char *const *)lost;
    ev->lost_count = lost_count;
    kernel_emit(k, ev);
    free_list(kept, kept_count);
    free_list(lost, lost_count);
}

static int said_saved(struct kernel *k, const struct json *m, struct err *e)
{
    const struct json *of = json_get(m, "of");
    const char *error = json_get_str(m, "error", NULL);
    char head[64], digest[SHA256_HEX_LEN + 1];
    uint8_t sum[SHA256_LEN];
    struct err why;
    int64_t size, run;
    if (!k->saving)
        return err_set(e, ERR_FORMAT, "saved without being asked");
    if (json_need_int(m, "saved", "size", 0, SAVED_MAX, &size, e) < 0 ||
        json_need_int(m, "saved", "run", 0, UINT32_MAX, &run, e) < 0)
        return -1;
    if ((size_t)size != k->saved.len - KERNEL_SAVED_HEAD_LEN)
        return err_set(e, ERR_FORMAT, "saved: not the number of bytes that came");
    k->saving = false;
    struct sandbox_event ev = { .kind = SANDBOX_SAVED, .run = (uint32_t)run };
    if (error != NULL) {
        err_set(&why, ERR_IO, "the variables could not be saved: %s", error);
        ev.err = &why;
        kernel_emit(k, &ev);
        buf_reset(&k->saved);
        return 0;
    }
    snprintf(head, sizeof head, KERNEL_SAVED_HEAD, (uint32_t)run);
    memcpy(k->saved.ptr, head, KERNEL_SAVED_HEAD_LEN);
    sha256_end(k->saved_sha, sum);
    hex_encode(sum, sizeof sum, digest);
    ev.ptr = k->saved.ptr;
    ev.len = k->saved.len;
    ev.digest = digest;
    size_t kept_count = 0, lost_count = 0;
    char **kept = json_strings(json_get(of, "kept"), "", NULL, &kept_count);
    char **lost = json_strings(json_get(of, "lost"), "", NULL, &lost_count);
    lost = other_languages(k, lost, &lost_count);
    struct buf blob = k->saved; /* the sink may save again */
    buf_init(&k->saved, blob.max);
    ev.blob = &blob;
    tell_names(k, &ev, kept, kept_count, lost, lost_count);
    buf_release(&blob);
    return 0;
}

static void restored_checkpoint(struct kernel *k, uint32_t run, const struct json *of)
{
    const struct kernel_checkpoint *c = kernel_checkpoint(k, run);
    size_t kept_count = 0, lost_count = 0;
    char **kept = c != NULL ? kernel_names(&c->vars, "", NULL, &kept_count) : NULL;
    char **lost = json_strings(json_get(of, "lost"), "", NULL, &lost_count);
    lost = kernel_changed_since(k, run, lost, &lost_count);
    if (c != NULL)
        kernel_vars_take(k, KERNEL_PYTHON, &c->vars);
    struct sandbox_event ev = { .kind = SANDBOX_RESTORED, .run = run };
    tell_names(k, &ev, kept, kept_count, lost, lost_count);
}

static int said_restored(struct kernel *k, const struct json *m, struct err *e)
{
    const struct json *of = json_get(m, "of");
    const char *error = json_get_str(m, "error", json_get_str(of, "error", NULL));
    uint32_t run = (uint32_t)json_get_int(m, "run", 0);
    struct err why;
    enum kernel_op op = k->op;
    /* After a death between runs it comes unasked. */
    bool unasked = op == KERNEL_IDLE || op == KERNEL_EXEC;
    if (unasked && (kernel_checkpoint(k, run) == NULL || json_get_int(m, "asked", 0) != 0))
        return err_set(e, ERR_FORMAT, "restored without being asked");
    if (unasked) {
        restored_checkpoint(k, run, of);
        return 0;
    }
    k->op = KERNEL_IDLE;
    kernel_rearm(k);
    struct sandbox_event ev = { .kind = SANDBOX_RESTORED, .run = k->restore_run };
    if (error != NULL) {
        err_set(&why, ERR_MISSING, "the state could not be restored: %s", error);
        ev.err = &why;
        kernel_emit(k, &ev);
    } else if (op == KERNEL_RESTORE) {
        restored_checkpoint(k, run, of);
    } else {
        size_t kept_count = 0, lost_count = 0;
        char **kept = json_strings(json_get(of, "kept"), "", NULL, &kept_count);
        char **lost = json_strings(json_get(of, "lost"), "", NULL, &lost_count);
        tell_names(k, &ev, kept, kept_count, lost, lost_count);
    }
    return 0;
}

/* An interpreter died while nothing ran, and no checkpoint could take its place. */
static int said_died(struct kernel *k, const struct json *m, struct err *e)
{
    int language = kernel_language(json_get_str(m, "language", ""));
    if (language < 0)
        return err_set(e, ERR_FORMAT, "died: no such language");
    if (language == KERNEL_PYTHON && k->checkpoint_list != NULL)
        return 0; /* `restored` follows */
    size_t lost_count = 0;
    char **lost = kernel_names(&k->last[language], "", NULL, &lost_count);
    struct sandbox_event ev = { .kind = SANDBOX_RESTORED };
    kernel_vars_release(&k->last[language]);
    tell_names(k, &ev, NULL, 0, lost, lost_count);
    return 0;
}

/* ---- files and completion */

static int said_file(struct kernel *k, const struct json *m, struct err *e)
{
    struct kernel_file *f = k->files;
    const char *error = json_get_str(m, "error", NULL);
    struct err why;
    int64_t size;
    if (f == NULL || f->body.len != 0 || (uint64_t)json_get_int(m, "token", 0) != f->token)
        return err_set(e, ERR_FORMAT, "a file nobody asked for");
    if (json_need_int(m, "file", "size", 0, INT64_C(1) << 40, &size, e) < 0)
        return -1;
    if (f->get && error == NULL && (size_t)size != k->bulk.len)
        return err_set(e, ERR_FORMAT, "file: not the number of bytes that came");
    k->files = f->next;
    if (k->files == NULL)
        k->files_end = &k->files;
    struct sandbox_event ev = { .kind = SANDBOX_FILE_DONE, .path = f->path, .token = f->token };
    if (error != NULL) {
        err_set(&why, ERR_IO, "%s: %s", f->path, error);
        ev.err = &why;
    } else if (f->get) {
        ev.ptr = buf_str(&k->bulk);
        ev.len = k->bulk.len;
    }
    kernel_emit(k, &ev);
    buf_release(&k->bulk);
    buf_release(&f->body);
    free(f->path);
    free(f);
    kernel_next_file(k);
    return 0;
}

static int said_completion(struct kernel *k, const struct json *m, struct err *e)
{
    const struct json *of = json_get(m, "of");
    uint64_t id = (uint64_t)json_get_int(of, "token", json_get_int(m, "token", 0));
    size_t i = 0, count = 0;
    while (i < KERNEL_COMPLETIONS && (k->completions[i].id != id || id == 0))
        i++;
    if (i == KERNEL_COMPLETIONS)
        return err_set(e, ERR_FORMAT, "a completion nobody asked for");
    k->completions[i].id = 0;
    char **names = json_strings(json_get(of, "names"), "", NULL, &count);
    struct sandbox_event ev = { .kind = SANDBOX_COMPLETION, .token = k->completions[i].token };
    tell_names(k, &ev, names, count, NULL, 0);
    return 0;
}

static int said_begin(struct kernel *k, const struct json *m, struct err *e)
{
    if (k->op != KERNEL_EXEC || k->run.begun || k->run.waiting ||
        json_get_int(m, "run", 0) != k->run.id)
        return err_set(e, ERR_FORMAT, "the beginning of no run");
    k->run.begun = true;
    k->run.overdue_us = clock_boot_us() + k->run.timeout_ms * 1000 + KERNEL_OVERDUE_US;
    kernel_rearm(k);
    return 0;
}

static int said_started(struct kernel *k, const struct json *m, struct err *e)
{
    (void)k;
    if (kernel_language(json_get_str(m, "language", "")) < 0)
        return err_set(e, ERR_FORMAT, "started: no such language");
    return 0; /* a failed start ahead of time is told by the run that needs it */
}

void kernel_said(struct kernel *k, const char *ptr, size_t len)
{
    static const struct {
        const char *t;
        int (*said)(struct kernel *k, const struct json *m, struct err *e);
    } words[] = { { "begin", said_begin },
                  { "result", said_result },
                  { "done", kernel_said_done },
                  { "files", said_files },
                  { "state", said_state },
                  { "checkpoint", said_checkpoint },
                  { "dropped", said_dropped },
                  { "restored", said_restored },
                  { "saved", said_saved },
                  { "file", said_file },
                  { "completion", said_completion },
                  { "started", said_started },
                  { "died", said_died } };
    struct json *m;
    struct err e = ERR_INIT;
    if (json_parse(&m, ptr, len, &e) < 0) {
        kernel_break(k, ERR_FORMAT, "the guest's message is no JSON: %s", e.msg);
        return;
    }
    if (k->phase == KERNEL_GREETING) {
        said_hello(k, m);
        json_free(m);
        return;
    }
    const char *t = json_get_str(m, "t", "");
    int rc = -1;
    size_t i = 0;
    while (i < ARRAY_LEN(words) && strcmp(words[i].t, t) != 0)
        i++;
    if (i < ARRAY_LEN(words))
        rc = words[i].said(k, m, &e);
    else
        err_set(&e, ERR_FORMAT, "a message nobody knows");
    json_free(m);
    if (rc < 0)
        kernel_break(k, ERR_FORMAT, "the guest broke the protocol: %s", e.msg);
}
