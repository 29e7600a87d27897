/* screen_doctor.c - the page behind the five lights: what a sandbox was asked before its use, and
 * what came of it; on request all probes at length, in a process of their own. */
#include "cli/screen_int.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"
#include "providers/sandbox.h"
#include "tool/probe.h"

#define LINE_MAX_BYTES ((size_t)1 << 20)

/* `airlock doctor` at work, and the page that shows it. */
struct probing {
    struct screen *s;
    struct session *session; /* its record takes the reports, if it is still the one shown */
    struct proc *proc;
    struct loop_source *source;
    int fd;
    unsigned count[3]; /* passed, failed, unproved */
    struct buf line;
};

/* ---- the page ---- */

static enum view_tone tone_of(const char *result)
{
    return strcmp(result, "PASS") == 0   ? TONE_GOOD
           : strcmp(result, "FAIL") == 0 ? TONE_BAD
                                         : TONE_WAIT;
}

/* "inside" is whatever the sandbox answered: cleaned where it is drawn. */
static void add_row(struct screen *s, const char *what, const char *inside, const char *host,
                    const char *result)
{
    struct buf line = BUF_INIT(64 << 10);
    bool pass = strcmp(result, "PASS") == 0;
    (void)buf_addf(&line, "%-8s   %s%s%s%s%s", pass ? "" : result, what,
                   inside[0] != '\0' ? ": " : "", inside, host[0] != '\0' ? " | " : "", host);
    screen_page_add(s, pass ? TONE_PLAIN : tone_of(result), buf_str(&line), line.len, false);
    buf_release(&line);
}

/* Why one did not pass is said by its rows. */
static void add_probe(struct screen *s, const char *name, const char *result, const char *question)
{
    char *line = xasprintf("%-8s %s%s%s", result, name, question[0] != '\0' ? ": " : "", question);
    screen_page_add(s, tone_of(result), line, strlen(line), false);
    free(line);
}

/* One row of state.evidence, cut into its cells; the rest is "". */
static size_t cut(const char *row, char *room, size_t size, const char *cells[5])
{
    size_t n = strcspn(row, "\x1e"), at = 0, count = 0;
    snprintf(room, size, "%.*s", (int)n, row);
    for (size_t i = 0; i < 5; i++)
        cells[i] = "";
    while (count < 5) {
        cells[count++] = room + at;
        at += strcspn(room + at, "\x1f");
        if (room[at] == '\0')
            break;
        room[at++] = '\0';
    }
    return n + (row[n] == STATE_ROW_END);
}

static void add_evidence(struct screen *s, const struct state *st)
{
    char room[2048];
    const char *c[5];
    for (const char *p = st->evidence; *p != '\0';) {
        p += cut(p, room, sizeof room, c);
        if (strcmp(c[0], "probe") == 0)
            add_probe(s, c[1], c[2], "");
        else
            add_row(s, c[1], c[2], c[3], c[4]);
    }
}

void screen_doctor(struct screen *s, const char *args, struct err *e)
{
    const struct state *st = screen_state(s);
    char title[96];
    (void)args, (void)e;
    bool live = s->film == NULL && s->session != NULL;
    snprintf(title, sizeof title, "Isolation of %.60s", st->sandbox);
    screen_page_begin(s, PAGE_PROBES, 0, title,
                      live ? "Enter tries everything at length, q back" : "q back");
    if (st->evidence[0] == '\0')
        screen_page_add_text(s, st->sbx == SBX_NONE ? "No sandbox was made yet: each proves its "
                                                      "walls before the first code runs in it."
                                                    : "Nothing was tried in this sandbox.");
    add_evidence(s, st);
    s->vm.page.goes = live;
    screen_page_show(s);
}

/* ---- all of them, at length ---- */

static void stop(struct screen *s)
{
    struct probing *p = s->probing;
    s->probing = NULL;
    if (p == NULL)
        return;
    loop_remove(s->app->loop, p->source);
    close(p->fd);
    (void)!proc_kill(p->proc, SIGTERM);
    proc_free(p->proc);
    buf_release(&p->line);
    free(p);
}

void screen_doctor_stop(struct screen *s)
{
    stop(s);
}

static bool is_shown(const struct screen *s)
{
    return s->vm.screen == SCREEN_PAGE && s->page.kind == PAGE_PROBES;
}

static void copy_rows(struct json_w *w, const struct json *rows)
{
    static const char *const cells[] = { "what", "inside", "host", "result" };
    json_w_array(w, "rows");
    for (const struct json *row = json_first(rows); row != NULL; row = json_next(row)) {
        json_w_object(w, NULL);
        for (size_t i = 0; i < ARRAY_LEN(cells); i++) {
            const char *text = json_get_str(row, cells[i], "");
            json_w_strn(w, cells[i], text, strlen(text));
        }
        json_w_close_object(w);
    }
    json_w_close_array(w);
}

static void record(struct probing *p, const struct json *o)
{
    struct event_builder b;
    struct err e = ERR_INIT;
    const char *why = json_get_str(o, "why", "");
    if (p->s->session != p->session || screen_state(p->s)->finished)
        return;
    event_begin(&b, EVENT_SANDBOX_PROBED, 0);
    json_w_str(&b.w, "kind", screen_state(p->s)->sandbox);
    json_w_str(&b.w, "label", "");
    json_w_str(&b.w, "by", "doctor");
    json_w_int(&b.w, "took_ms", json_get_int(o, "took_ms", 0));
    json_w_array(&b.w, "probes");
    json_w_object(&b.w, NULL);
    json_w_str(&b.w, "name", json_get_str(o, "probe", ""));
    json_w_str(&b.w, "result", json_get_str(o, "result", "UNPROVED"));
    json_w_strn(&b.w, "why", why, strlen(why));
    copy_rows(&b.w, json_get(o, "rows"));
    json_w_close_object(&b.w);
    json_w_close_array(&b.w);
    if (round_append_event(screen_round(p->s), &b, &e) < 0)
        screen_fail(p->s, &e);
}

static void show_report(struct screen *s, const struct json *o)
{
    const struct json *rows = json_get(o, "rows");
    add_probe(s, json_get_str(o, "probe", "?"), json_get_str(o, "result", "UNPROVED"),
              json_get_str(o, "question", ""));
    for (const struct json *row = json_first(rows); row != NULL; row = json_next(row))
        add_row(s, json_get_str(row, "what", ""), json_get_str(row, "inside", ""),
                json_get_str(row, "host", ""), json_get_str(row, "result", ""));
    screen_page_show(s);
}

static void take_line(struct probing *p, const char *line, size_t len)
{
    struct json *o = NULL;
    struct err e = ERR_INIT;
    if (json_parse(&o, line, len, &e) < 0)
        return;
    const char *result = json_get_str(o, "result", "");
    if (json_get_str(o, "probe", NULL) != NULL) {
        p->count[strcmp(result, "PASS") == 0 ? 0 : strcmp(result, "FAIL") == 0 ? 1 : 2]++;
        record(p, o);
        if (is_shown(p->s))
            show_report(p->s, o);
    }
    json_free(o);
}

static void on_readable(void *arg, int fd, unsigned events)
{
    struct probing *p = arg;
    struct screen *s = p->s;
    char bytes[16384];
    (void)events;
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n > 0 && buf_add(&p->line, bytes, (size_t)n) == 0) {
        char *nl;
        while ((nl = memchr(p->line.ptr, '\n', p->line.len)) != NULL) {
            size_t len = (size_t)(nl - p->line.ptr);
            take_line(p, p->line.ptr, len);
            buf_drop_front(&p->line, len + 1);
        }
        return;
    }
    screen_toast(s, p->count[1] > 0 ? TONE_BAD : TONE_GOOD,
                 "doctor: %u passed, %u failed, %u unproved", p->count[0], p->count[1],
                 p->count[2]);
    if (is_shown(s))
        screen_page_retitle(s, "Isolation, tried at length");
    stop(s);
    screen_changed(s);
}

static int spawn(struct screen *s, struct probing *p, struct err *e)
{
    static char self[PATH_MAX];
    const char *argv[12 + 16];
    size_t n = 0;
    int out[2];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0)
        return err_sys(e, ERR_IO, "finding this program");
    self[len] = '\0';
    argv[n++] = "airlock";
    argv[n++] = "doctor";
    argv[n++] = "--json";
    argv[n++] = "--sandbox";
    argv[n++] = screen_state(s)->sandbox;
    if (access(s->app->paths.config_file, F_OK) == 0) {
        argv[n++] = "--config";
        argv[n++] = s->app->paths.config_file;
    }
    for (size_t i = 0; probe_name(i) != NULL && n + 1 < ARRAY_LEN(argv); i++)
        argv[n++] = probe_name(i); /* named: then the machine is not looked over again */
    argv[n] = NULL;
    if (pipe2(out, O_CLOEXEC) < 0)
        return err_sys(e, ERR_IO, "pipe");
    char **env = proc_helper_env();
    const struct proc_spec spec = { .path = self,
                                    .argv = argv,
                                    .envp = (const char *const *)env,
                                    .cwd = "/",
                                    .fds = { { .ours = out[1], .child = 1 } },
                                    .fd_count = 1,
                                    .new_session = true,
                                    .kill_on_death = true };
    int rc = proc_spawn(s->app->launcher, &spec, &p->proc, e);
    proc_free_words(env);
    close(out[1]);
    p->fd = out[0];
    if (rc == 0)
        rc =
            loop_add_fd(s->app->loop, p->fd, LOOP_READ, LOOP_NORMAL, on_readable, p, &p->source, e);
    if (rc < 0)
        close(out[0]);
    return rc;
}

void screen_doctor_go(struct screen *s)
{
    struct err e = ERR_INIT;
    const struct state *st = screen_state(s);
    const struct sandbox_ops *ops =
        sandbox_choose(st->sandbox, st->image[0] != '\0' ? st->image : NULL, &e);
    if (s->probing != NULL) {
        screen_toast(s, TONE_INFO, "the probes are at work");
        return;
    }
    if (ops == NULL || (ops->caps & SANDBOX_IS_REMOTE) != 0) {
        screen_toast(s, TONE_INFO, "that costs money there: airlock doctor -s %s",
                     screen_state(s)->sandbox);
        return;
    }
    struct probing *p = xcalloc(1, sizeof *p);
    p->s = s;
    p->session = s->session;
    buf_init(&p->line, LINE_MAX_BYTES);
    if (spawn(s, p, &e) < 0) {
        proc_free(p->proc);
        free(p);
        screen_fail(s, &e);
        return;
    }
    s->probing = p;
    screen_page_begin(s, PAGE_PROBES, 0, "Isolation, all probes at work", "q back");
    screen_page_add_text(s, "Each probe makes sandboxes of its own; this session goes on.");
    screen_page_show(s);
}
