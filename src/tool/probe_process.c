/* probe_process.c - a process with a name, looked for from both sides. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "tool/probe_int.h"

#define RUN_US  INT64_C(60000000)
#define SEEN    8
#define LOOKS   20
#define LOOK_US 20000

void probe_boot_id(char *out, size_t size)
{
    struct buf b = BUF_INIT(256);
    struct err e = ERR_INIT;
    out[0] = '\0';
    if (path_read_file("/proc/sys/kernel/random/boot_id", &b, &e) == 0)
        snprintf(out, size, "%.*s", (int)strcspn(buf_str(&b), "\n"), buf_str(&b));
    buf_release(&b);
}

static void pass_if(struct probe *p, bool ok, const char *what, const char *inside,
                    const char *host)
{
    probe_add(p, ok ? PROBE_PASS : PROBE_FAIL, what, inside, "%s", host);
}

/* The kernel is this one: then the walls are namespaces, and each has to be there. */
static void judge_local(struct probe *p, const struct json *answer, const struct probe_process *q)
{
    char text[64];
    snprintf(text, sizeof text, "pid %lld", (long long)json_get_int(answer, "pid", 0));
    char host[64];
    snprintf(host, sizeof host, "pid %lld", (long long)q->pid);
    pass_if(p, q->nested_pids, "process ids of its own", text, host);
    pass_if(p, q->no_new_privs, "no new privileges", "", q->no_new_privs ? "set" : "not set");
    pass_if(p, !q->has_caps, "capabilities", "", q->has_caps ? "some" : "none");
    pass_if(p, q->seccomp, "system call filter", "", q->seccomp ? "on" : "off");
    snprintf(text, sizeof text, "uid %lld", (long long)json_get_int(answer, "uid", -1));
    snprintf(host, sizeof host, "uid %u%s", q->uid, q->other_user ? ", user namespace apart" : "");
    pass_if(p, q->uid != 0 && (q->other_user || q->uid != getuid()), "user", text, host);
    if (q->net_known)
        pass_if(p, q->other_net, "network namespace", "", q->other_net ? "apart" : "the host's");
}

static void judge_inside(struct probe *p, const struct json *answer)
{
    static const char signal_words[] = "signal a process of the host",
                      see_words[] = "see this process";
    const char *signal = json_get_str(answer, "signal", NULL),
               *sees = json_get_str(answer, "sees", NULL);
    if (signal != NULL)
        pass_if(p, strcmp(signal, "there") != 0, signal_words, signal, "");
    else
        probe_add(p, PROBE_UNPROVED, signal_words, "", "not tried");
    if (sees != NULL)
        pass_if(p, sees[0] == '\0', see_words, sees[0] != '\0' ? "seen" : "not seen", "");
    else
        probe_add(p, PROBE_UNPROVED, see_words, "", "not tried");
}

/* A process that has just begun has no arguments for a moment. */
static size_t look(struct probe *p, struct probe_process *seen)
{
    char name[48];
    size_t count = 0;
    snprintf(name, sizeof name, "probe-%s", p->nonce);
    for (int i = 0; i < LOOKS && (count = probe_find_processes(name, seen, SEEN)) == 0; i++)
        probe_wait(p, LOOK_US);
    return count;
}

static void judge(struct probe *p, struct probe_box *b)
{
    char ours[64];
    struct probe_process seen[SEEN];
    struct json *answer = probe_answer(b, "show itself");
    if (answer == NULL)
        return;
    probe_boot_id(ours, sizeof ours);
    const char *theirs = json_get_str(answer, "boot_id", "");
    size_t count = look(p, seen);
    bool other_kernel = theirs[0] != '\0' && strlen(theirs) == 36 && strcmp(theirs, ours) != 0;
    judge_inside(p, answer);
    if (count == 1 && !other_kernel)
        judge_local(p, answer, &seen[0]);
    else if (count == 0 && other_kernel)
        probe_add(p, PROBE_PASS, "kernel", json_get_str(answer, "kernel", "?"),
                  "another one: no such process here");
    else
        probe_add(p, count > 0 && other_kernel ? PROBE_FAIL : PROBE_UNPROVED, "its process", theirs,
                  "%zu such processes here, boot %s", count, ours);
    json_free(answer);
}

/* As they stand in /proc, with blanks between them. */
static void our_arguments(struct buf *out)
{
    struct err e = ERR_INIT;
    (void)!path_read_file("/proc/self/cmdline", out, &e);
    for (size_t i = 0; i < out->len; i++) {
        if (out->ptr[i] == '\0')
            out->ptr[i] = ' ';
    }
}

void probe_processes(struct probe *p)
{
    struct probe_box b;
    struct buf question = BUF_INIT(64 << 10);
    struct json_w w;
    struct buf arguments = BUF_INIT(16 << 10);
    our_arguments(&arguments);
    json_w_init(&w, &question);
    json_w_object(&w, NULL);
    json_w_str(&w, "nonce", p->nonce);
    json_w_int(&w, "host_pid", getpid());
    json_w_strn(&w, "host_arguments", buf_str(&arguments), arguments.len);
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    if (probe_box_open(&b, p, p->cfg->contract) == 0) {
        if (probe_box_start(&b, probe_script("process"), buf_str(&question)) == 0 &&
            probe_box_said(&b, "\"ready\": true", RUN_US))
            judge(p, &b);
        else
            probe_add(p, PROBE_UNPROVED, "show itself", b.message, "it did not begin");
        probe_box_close(&b);
    }
    buf_release(&arguments);
    buf_release(&question);
}
