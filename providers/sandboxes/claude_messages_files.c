/* claude_messages_files.c - what a run left in $OUTPUT_DIR, brought out through the Files API and
 * deleted there: such files never expire by themselves, and the whole workspace sees them.
 * [claude.md §6.4] */
#include <stdio.h>
#include <string.h>

#include "providers/sandboxes/claude_messages_int.h"

static void bring(struct claude_messages *s);

static void ask(struct claude_messages *s, const char *method, const char *what, int64_t max,
                claude_done_fn done)
{
    struct buf target = BUF_INIT(1024);
    (void)buf_addf(&target, "/v1/files/%s%s", s->run->judge.files[s->run->next_file], what);
    const struct claude_request rq = { .method = method,
                                       .target = buf_str(&target),
                                       .again = CLAUDE_AGAIN,
                                       .deadlines = { .total_ms = 60000 },
                                       .body_max = max,
                                       .done = done,
                                       .arg = s };
    claude_send(&s->call, &rq);
    buf_release(&target);
}

static bool is_mime(const char *m)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789.+-/";
    const char *slash = strchr(m, '/');
    return slash != NULL && slash != m && slash[1] != '\0' && strchr(slash + 1, '/') == NULL &&
           strspn(m, plain) == strlen(m) && strlen(m) < 100;
}

static void next(struct claude_messages *s)
{
    s->run->next_file++;
    bring(s);
}

static void on_deleted(void *arg, const struct net_result *r)
{
    struct claude_messages *s = arg;
    struct err e = ERR_INIT;
    core_enter(&s->core);
    if (!remote_succeeded(r)) {
        (void)claude_why(&s->call, r, "deleting a file of the run at Anthropic", &e);
        log_msg(LOG_WARN, MESSAGES_NAME, "%s: %s", s->run->judge.files[s->run->next_file], e.msg);
    }
    next(s);
    core_leave(&s->core);
}

static void on_content(void *arg, const struct net_result *r)
{
    struct claude_messages *s = arg;
    struct messages_run *run = s->run;
    core_enter(&s->core);
    if (remote_succeeded(r) && (int64_t)r->body_len == run->file_bytes) {
        struct sandbox_event ev = { .kind = SANDBOX_RESULT,
                                    .run = run->number,
                                    .mime = run->file_mime,
                                    .ptr = r->body,
                                    .len = r->body_len };
        core_tell(&s->core, &ev);
    } else {
        run->files_lost++;
    }
    if (!s->core.closed && !s->core.ending)
        ask(s, "DELETE", "", 1 << 20, on_deleted);
    core_leave(&s->core);
}

static void on_facts(void *arg, const struct net_result *r)
{
    struct claude_messages *s = arg;
    struct messages_run *run = s->run;
    struct json *o = NULL;
    core_enter(&s->core);
    int64_t bytes = -1;
    if (remote_succeeded(r) && json_parse(&o, r->body, r->body_len, NULL) == 0) {
        const char *mime = json_get_str(o, "mime_type", "");
        bytes = json_get_int(o, "size_bytes", -1);
        snprintf(run->file_mime, sizeof run->file_mime, "%s",
                 is_mime(mime) ? mime : "application/octet-stream");
    }
    json_free(o);
    run->file_bytes = bytes;
    if (bytes >= 0 && bytes <= MESSAGES_FILE_MAX) {
        ask(s, "GET", "/content", MESSAGES_FILE_MAX, on_content);
    } else {
        run->files_lost++;
        if (bytes >= 0)
            ask(s, "DELETE", "", 1 << 20, on_deleted);
        else
            next(s);
    }
    core_leave(&s->core);
}

static void say_lost(struct messages_run *r)
{
    size_t lost = r->files_lost + r->judge.files_more, said = strlen(r->message);
    if (lost > 0)
        snprintf(r->message + said, sizeof r->message - said,
                 "%s%zu file%s it left could not be brought out (at most %d, %d MiB each)",
                 said > 0 ? "; " : "", lost, lost == 1 ? "" : "s", JUDGE_FILES_MAX,
                 (int)(MESSAGES_FILE_MAX >> 20));
}

static void bring(struct claude_messages *s)
{
    struct messages_run *r = s->run;
    if (s->core.closed || s->core.ending)
        return;
    if (r->has_result && r->next_file < r->judge.file_count) {
        ask(s, "GET", "", 1 << 20, on_facts);
        return;
    }
    if (r->has_result)
        say_lost(r);
    messages_run_finish(s);
}

void messages_bring_files(struct claude_messages *s)
{
    /* The code is through: what is left has deadlines of its own. */
    loop_arm_us(s->core.loop, s->deadline, -1);
    bring(s);
}
