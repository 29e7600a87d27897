/* birth.c - a new sandbox is asked what it can reach: two requests, and the end of it. */
#include "tool/birth.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/sha256.h"
#include "tool/birth_int.h"

#define OUTPUT_MAX ((size_t)64 << 10)
#define PATIENCE_US                                                                                \
    INT64_C(30000000)   /* a cloud may take its time; then it is not usable at all                 \
                         */
#define PID_UNIQUE 1000 /* a lower one may well be one of the sandbox's own processes */

static const char kept[] = "exec(\"import sys\\nv = getattr(sys, 'airlock_birth', 'gone')\\n"
                           "vars(sys).pop('airlock_birth', None)\\nprint(v)\", {})\n";

static bool is_local(const struct birth *b)
{
    return (b->s->ops->caps & SANDBOX_IS_REMOTE) == 0;
}

/* What a list allows in a sandbox of this machine goes by a proxy outside: past it there is no more
 * of a way than without. */
bool birth_is_cut_off(const struct birth *b)
{
    enum contract_network network = b->cfg.contract->network;
    return network == NETWORK_DENY || (network == NETWORK_ALLOW && is_local(b));
}

/* ---- what the host puts up */

static void random_word(char out[PROBE_NONCE])
{
    uint8_t random[(PROBE_NONCE - 1) / 2];
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, out);
}

static void plant_canary(struct birth *b)
{
    char name[64];
    struct err e = ERR_INIT;
    const char *dir = b->cfg.private_dir;
    if (dir == NULL || dir[0] != '/' || strchr(dir, '\n') != NULL ||
        path_make_private_dir(dir, &e) < 0)
        return;
    snprintf(name, sizeof name, "canary-%s", b->nonce);
    char *path = path_join(dir, name);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 && write_all_fd(fd, b->secret, strlen(b->secret)) == 0)
        b->canary = path;
    else
        free(path);
    if (fd >= 0)
        close(fd);
}

static void listen_all(struct birth *b)
{
    char word[64];
    snprintf(word, sizeof word, "airlock-birth-%s", b->nonce);
    b->fd[BIRTH_STREAM] = probe_listen_inet(true, &b->port[BIRTH_STREAM]);
    b->fd[BIRTH_DATAGRAM] = probe_listen_inet(false, &b->port[BIRTH_DATAGRAM]);
    b->fd[BIRTH_ABSTRACT] = probe_listen_unix(word, true);
}

static void take_down(struct birth *b)
{
    if (b->canary != NULL)
        unlink(b->canary);
    free(b->canary);
    b->canary = NULL;
    for (int i = 0; i < BIRTH_LISTENERS; i++) {
        if (b->fd[i] >= 0)
            close(b->fd[i]);
        b->fd[i] = -1;
    }
}

/* ---- the requests */

/* As a literal of python, in ASCII or the script's own UTF-8. */
static void add_literal(struct buf *out, const char *s)
{
    (void)buf_add_char(out, '"');
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\')
            (void)buf_add_char(out, '\\');
        if (*s == '\n')
            (void)buf_add_str(out, "\\n");
        else
            (void)buf_add_char(out, *s);
    }
    (void)buf_add_char(out, '"');
}

bool birth_asks_beside_canary(const struct birth *b)
{
    return is_local(b) && b->canary != NULL && strchr(b->canary, ':') == NULL;
}

static char *write_question(const struct birth *b)
{
    struct buf asked = BUF_INIT(16 << 10), code = BUF_INIT(128 << 10);
    long pid = is_local(b) && getpid() >= PID_UNIQUE ? (long)getpid() : 0;
    (void)buf_addf(&asked, "%s\n%s\n%ld\n%d\n%d\nairlock-birth-%s\n%s\n", b->nonce,
                   b->canary != NULL ? b->canary : "", pid, b->port[BIRTH_STREAM],
                   b->port[BIRTH_DATAGRAM], b->nonce, birth_is_cut_off(b) ? "deny" : "other");
    if (is_local(b)) /* elsewhere this host could not see what was made */
        (void)buf_add_str(&asked, "/:/usr:/etc");
    if (birth_asks_beside_canary(b))
        (void)buf_addf(&asked, ":%.*s", (int)(strrchr(b->canary, '/') - b->canary), b->canary);
    (void)buf_add_str(&code, "exec(");
    add_literal(&code, probe_script("birth"));
    (void)buf_add_str(&code, ", {'asked': ");
    add_literal(&code, buf_str(&asked));
    (void)buf_add_str(&code, "})\n");
    buf_release(&asked);
    return buf_detach(&code);
}

static int ask(struct birth *b, char *code, struct err *e)
{
    const char *python = b->s->ops->interpreter(b->cfg.contract, "python");
    free(b->code);
    b->code = code;
    buf_reset(&b->out);
    if (python == NULL)
        return err_set(e, ERR_USAGE, "no python is offered");
    struct sandbox_run rq = {
        .run = SANDBOX_PROBE_RUN,
        .language = "python",
        .interpreter = python,
        .code = b->code,
        .code_len = strlen(b->code),
        .cwd = "/workspace",
        .input = "",
        .check_code = "",
    };
    return b->s->ops->exec(b->s, &rq, e);
}

int birth_check_body(const struct birth *b, const struct sandbox_run *decoded, struct err *e)
{
    if (b == NULL || b->code == NULL || decoded->code_len != strlen(b->code) ||
        memcmp(decoded->code, b->code, decoded->code_len) != 0 || decoded->argv_count != 0 ||
        decoded->input_len != 0 || decoded->file_count != 0 || decoded->check_code_len != 0)
        return err_set(e, ERR_INTEGRITY, "this is not the probe that was to be sent");
    return 0;
}

/* ---- the end */

static void finish(struct birth *b)
{
    b->over = true;
    loop_arm_us(b->cfg.loop, b->timer, -1);
    take_down(b);
    const char *proved = b->cfg.timeout_proved;
    if (b->reports[LIGHT_TIMEOUT].row_count == 0 && proved != NULL && proved[0] != '\0')
        probe_add(&b->probes[LIGHT_TIMEOUT], PROBE_PASS, "code that does not end", "", "%s",
                  proved);
    else if (b->reports[LIGHT_TIMEOUT].row_count == 0)
        probe_add(&b->probes[LIGHT_TIMEOUT], PROBE_UNPROVED, "code that does not end", "",
                  "not tried at the start: airlock doctor timeout tries it");
    for (int i = 0; i < LIGHT_COUNT; i++) {
        if (b->reports[i].row_count == 0) /* without evidence nothing is proved */
            probe_add(&b->probes[i], PROBE_UNPROVED, b->reports[i].name, "",
                      "nothing could be tried");
        b->reports[i].took_us = clock_boot_us() - b->since_us;
    }
    b->cfg.done(b->cfg.arg, b->reports);
}

/* What does not even answer the probes must not get anything else either. */
static void on_late(void *arg)
{
    struct birth *b = arg;
    probe_add(&b->probes[LIGHT_TIMEOUT], PROBE_FAIL, "the probes' own end", "",
              "no answer within %lld s", (long long)(PATIENCE_US / 1000000));
    finish(b);
}

static void on_finished(struct birth *b, const struct sandbox_finished *f)
{
    struct err e = ERR_INIT;
    bool ran = f->end == END_EXIT && f->error_name[0] == '\0';
    bool goes_on = (b->s->ops->caps & SANDBOX_IS_STATEFUL) != 0 &&
                   b->cfg.contract->lifecycle == LIFECYCLE_SESSION;
    if (b->turn == 0) {
        if (!ran)
            (void)buf_addf(&b->out, "ended\t%s %.100s %.200s\n", run_end_name(f->end),
                           f->error_name, f->error_value);
        birth_judge(b);
        b->turn = 1;
        if (ran && goes_on && ask(b, xstrdup(kept), &e) == 0)
            return;
        if (!goes_on)
            probe_add(&b->probes[LIGHT_STATE], PROBE_UNPROVED, "the next request", "",
                      "each run has a sandbox of its own");
    } else {
        birth_judge_kept(b, ran);
    }
    finish(b);
}

bool birth_take(struct birth *b, const struct sandbox_event *ev)
{
    bool about_run = ev->kind == SANDBOX_OUTPUT || ev->kind == SANDBOX_RESULT ||
                     ev->kind == SANDBOX_FINISHED || ev->kind == SANDBOX_STATE ||
                     ev->kind == SANDBOX_CHECKPOINT || ev->kind == SANDBOX_CHECKPOINT_LOST;
    if (!about_run || ev->run != SANDBOX_PROBE_RUN)
        return false;
    if (b == NULL || b->over)
        return true;
    if (ev->kind == SANDBOX_OUTPUT && ev->stream == STREAM_STDOUT)
        (void)!buf_add(&b->out, ev->ptr, ev->len); /* what is beyond the cap is no evidence */
    if (ev->kind == SANDBOX_FINISHED)
        on_finished(b, ev->finished);
    return true;
}

/* ---- life */

int birth_begin(struct birth **out, struct sandbox *s, const struct birth_config *cfg,
                struct err *e)
{
    static const char *const names[] = { "filesystem", "network", "process", "timeout", "state" };
    struct birth *b = xcalloc(1, sizeof *b);
    b->cfg = *cfg;
    b->s = s;
    b->since_us = clock_boot_us();
    buf_init(&b->out, OUTPUT_MAX);
    b->timer = loop_add_timer(cfg->loop, on_late, b);
    random_word(b->nonce);
    random_word(b->secret);
    for (int i = 0; i < LIGHT_COUNT; i++) {
        b->reports[i] =
            (struct probe_report){ .name = names[i], .question = probe_question(names[i]) };
        b->probes[i] = (struct probe){ .report = &b->reports[i] };
    }
    plant_canary(b);
    listen_all(b);
    *out = b; /* exec asks birth_check_body at once */
    if (ask(b, write_question(b), e) < 0) {
        *out = NULL;
        birth_free(b);
        return -1;
    }
    loop_arm_us(cfg->loop, b->timer, PATIENCE_US);
    return 0;
}

void birth_free(struct birth *b)
{
    if (b == NULL)
        return;
    take_down(b);
    loop_remove(b->cfg.loop, b->timer);
    for (int i = 0; i < LIGHT_COUNT; i++)
        probe_report_release(&b->reports[i]);
    buf_release(&b->out);
    free(b->code);
    free(b);
}
