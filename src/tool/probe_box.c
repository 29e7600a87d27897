/* probe_box.c - one sandbox driven to an answer: the loop is turned until the state waited for
 * comes, or patience ends. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/share.h"
#include "tool/probe_int.h"

#define OUTPUT_MAX    (1u << 20)
#define OPEN_US       INT64_C(120000000) /* a cloud may take its time */
#define CLOSE_US      INT64_C(30000000)
#define TURN_MS       20
#define CHECKPOINT_US INT64_C(10000000)
#define HOPELESS_US   INT64_C(10000000) /* from the kill of a run to its end */

static void finished(struct probe_box *b, const struct sandbox_finished *f)
{
    b->finished = true;
    b->end = f->end;
    b->state_lost = f->state_lost;
    b->resumed_from = f->resumed_from;
    b->took_us = clock_boot_us() - b->took_us;
    snprintf(b->error_name, sizeof b->error_name, "%s", f->error_name);
    snprintf(b->message, sizeof b->message, "%s", f->message);
}

static void on_event(void *arg, struct sandbox *s, const struct sandbox_event *ev)
{
    struct probe_box *b = arg;
    (void)s;
    switch (ev->kind) {
    case SANDBOX_READY:
        b->ready = true;
        break;
    case SANDBOX_FAILED:
        snprintf(b->message, sizeof b->message, "%.255s", ev->err->msg);
        break;
    case SANDBOX_OUTPUT:
        if (ev->run == b->run) /* beyond the cap it is not evidence any more */
            (void)!buf_add(ev->stream == STREAM_STDERR ? &b->err : &b->out, ev->ptr, ev->len);
        break;
    case SANDBOX_FINISHED:
        finished(b, ev->finished);
        break;
    case SANDBOX_CHECKPOINT:
        b->checkpoint = ev->run;
        break;
    case SANDBOX_RESTORED:
        b->restored = true;
        b->refused = ev->err != NULL;
        break;
    case SANDBOX_CLOSED:
        b->closed = true;
        b->confirmed = ev->confirmed;
        break;
    default:
        break;
    }
}

/* There is no capsule here: the code is the program's own, and nobody was asked. */
static int check_body(void *arg, const struct sandbox_run *decoded, struct err *e)
{
    (void)arg, (void)decoded, (void)e;
    return 0;
}

static bool turn(struct probe_box *b)
{
    return loop_turn(b->p->cfg->loop, TURN_MS, &b->p->broken) == 0;
}

static bool until(struct probe_box *b, const bool *state, int64_t patience_us)
{
    int64_t end = clock_boot_us() + patience_us;
    while (!*state && !b->closed && clock_boot_us() < end && turn(b)) {
    }
    return *state;
}

void probe_wait(struct probe *p, int64_t us)
{
    int64_t end = clock_boot_us() + us;
    while (clock_boot_us() < end && loop_turn(p->cfg->loop, TURN_MS, &p->broken) == 0) {
    }
}

int probe_box_begin(struct probe_box *b, struct probe *p, const struct contract *c)
{
    struct err e = ERR_INIT;
    char label[64];
    *b = (struct probe_box){ .p = p, .contract = *c };
    buf_init(&b->out, OUTPUT_MAX);
    buf_init(&b->err, OUTPUT_MAX);
    b->contract.env_count = 0;
    snprintf(label, sizeof label, "probe-%s", p->nonce);
    struct sandbox_config sc = {
        .loop = p->cfg->loop,
        .launcher = p->cfg->launcher,
        .net = p->cfg->net,
        .setting = p->cfg->setting,
        .setting_arg = p->cfg->setting_arg,
        .contract = &b->contract,
        .image = p->cfg->image,
        .label = label,
        .sink = on_event,
        .check_body = check_body,
        .arg = b,
    };
    if (p->cfg->sandbox->open(&b->s, &sc, &e) == 0)
        return 0;
    b->s = NULL;
    probe_add(p, PROBE_UNPROVED, "create a sandbox", "", "%s", e.msg);
    return -1;
}

int probe_box_open(struct probe_box *b, struct probe *p, const struct contract *c)
{
    if (probe_box_begin(b, p, c) < 0)
        return -1;
    if (until(b, &b->ready, OPEN_US))
        return 0;
    probe_add(p, PROBE_UNPROVED, "create a sandbox", "", "%s",
              b->message[0] != '\0' ? b->message : "it did not come up in time");
    probe_box_close(b);
    return -1;
}

int probe_box_start(struct probe_box *b, const char *code, const char *input)
{
    struct err e = ERR_INIT;
    const char *python = b->p->cfg->sandbox->interpreter(&b->contract, "python");
    struct sandbox_run rq = {
        .run = ++b->run,
        .language = "python",
        .interpreter = python,
        .code = code,
        .code_len = strlen(code),
        .cwd = "/workspace",
        .input = input,
        .input_len = strlen(input),
        .check_code = "",
    };
    buf_reset(&b->out);
    buf_reset(&b->err);
    b->finished = b->state_lost = false;
    b->message[0] = b->error_name[0] = '\0';
    b->took_us = clock_boot_us();
    if (b->closed || python == NULL || b->s->ops->exec(b->s, &rq, &e) < 0) {
        snprintf(b->message, sizeof b->message, "%.255s",
                 b->closed        ? "the sandbox is gone"
                 : python == NULL ? "no python is offered"
                                  : e.msg);
        return -1;
    }
    return 0;
}

bool probe_box_said(struct probe_box *b, const char *word, int64_t patience_us)
{
    int64_t end = clock_boot_us() + patience_us;
    while (strstr(buf_str(&b->out), word) == NULL) {
        if (b->finished || b->closed || clock_boot_us() >= end || !turn(b))
            return strstr(buf_str(&b->out), word) != NULL;
    }
    return true;
}

int probe_box_finish(struct probe_box *b, int64_t patience_us)
{
    if (until(b, &b->finished, patience_us))
        return 0;
    if (b->message[0] == '\0')
        snprintf(b->message, sizeof b->message, "no end in %lld ms", (long long)patience_us / 1000);
    if (!b->closed)
        b->s->ops->kill(b->s, END_KILLED);
    until(b, &b->closed, HOPELESS_US);
    return -1;
}

int probe_box_run(struct probe_box *b, const char *code, const char *input, int64_t patience_us)
{
    return probe_box_start(b, code, input) < 0 ? -1 : probe_box_finish(b, patience_us);
}

bool probe_box_settle(struct probe_box *b)
{
    int64_t end = clock_boot_us() + CHECKPOINT_US;
    while (b->checkpoint != b->run && !b->closed && clock_boot_us() < end && turn(b)) {
    }
    return b->checkpoint == b->run;
}

bool probe_box_restore(struct probe_box *b, uint32_t run)
{
    struct err e = ERR_INIT;
    b->restored = b->refused = false;
    if ((b->s->ops->caps & SANDBOX_CAN_CHECKPOINT) == 0 || b->s->ops->restore(b->s, run, &e) < 0)
        return false;
    return until(b, &b->restored, CLOSE_US) && !b->refused;
}

bool probe_box_kill(struct probe_box *b)
{
    b->s->ops->kill(b->s, END_KILLED);
    return until(b, &b->closed, CLOSE_US) && b->confirmed;
}

void probe_box_close(struct probe_box *b)
{
    if (b->s != NULL) {
        probe_box_kill(b);
        b->s->ops->close(b->s);
    }
    b->s = NULL;
    buf_release(&b->out);
    buf_release(&b->err);
}

const char *probe_script(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "probes/%.40s.py", name);
    const struct share_file *f = share_find(path);
    INVARIANT(f != NULL);
    return f->ptr; /* every file that is compiled in has a NUL behind it */
}

struct json *probe_answer(struct probe_box *b, const char *what)
{
    struct json *root = NULL;
    struct err e = ERR_INIT;
    const char *start = strchr(buf_str(&b->out), '{');
    if (start != NULL && json_parse(&root, start, strlen(start), &e) == 0 &&
        json_kind(root) == JSON_OBJECT)
        return root;
    json_free(root);
    probe_add(b->p, PROBE_UNPROVED, what, b->error_name[0] != '\0' ? b->error_name : b->message,
              "the probe inside gave no answer");
    return NULL;
}
