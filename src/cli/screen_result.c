/* screen_result.c - results and texts that leave the screen: saved files, copied lines, decoded
 * pictures. */
#include "cli/screen_int.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

/* ---- saving ---- */

static const char *ending_of(const char *mime)
{
    static const char *const endings[][2] = {
        { "image/png", "png" },    { "image/jpeg", "jpg" }, { "image/svg+xml", "svg" },
        { "text/html", "html" },   { "text/plain", "txt" }, { "application/json", "json" },
        { "text/markdown", "md" }, { "text/latex", "tex" },
    };
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        if (strcmp(endings[i][0], mime) == 0)
            return endings[i][1];
    }
    return "bin";
}

static int read_result(struct screen *s, uint32_t run, const struct state_result *res,
                       struct buf *out, struct err *e)
{
    if (res->artifact != NULL && res->artifact[0] != '\0')
        return store_read_artifact(screen_store(s), run, res->artifact, out, e);
    return buf_add_str(out, res->text != NULL ? res->text : "");
}

/* The chosen result, or the first that is more than text. */
static const struct state_result *chosen(const struct screen *s, const struct state_run *sr)
{
    if (s->vm.show_result && s->vm.result < sr->result_count)
        return &sr->results[s->vm.result];
    for (size_t i = 0; i < sr->result_count; i++) {
        if (sr->results[i].artifact != NULL)
            return &sr->results[i];
    }
    return sr->result_count > 0 ? &sr->results[0] : NULL;
}

static void open_outside(struct screen *s, const char *path)
{
    struct err e = ERR_INIT;
    char *opener = NULL;
    if (s->film != NULL) /* a replay starts no program */
        return;
    if (getenv("DISPLAY") == NULL && getenv("WAYLAND_DISPLAY") == NULL)
        return;
    if (proc_resolve("xdg-open", &opener, &e) < 0)
        return;
    char **env = proc_helper_env();
    const char *argv[] = { opener, path, NULL };
    struct proc_spec spec = {
        .path = opener, .argv = argv, .envp = (const char *const *)env, .new_session = true
    };
    struct proc *p = NULL;
    if (proc_spawn(s->app->launcher, &spec, &p, &e) == 0)
        proc_free(p);
    proc_free_words(env);
    free(opener);
}

/* Names from inside are never paths here: the file gets a name of ours. [SBX-6] */
static char *fresh_path(struct screen *s, uint32_t run, const char *mime, struct err *e)
{
    char id[ID_LEN + 1];
    char *dir = path_join(s->app->paths.data_dir, "saved");
    id_new(id);
    char *path = path_make_private_dir(dir, e) < 0
                     ? NULL
                     : xasprintf("%s/run-%u-%.8s.%s", dir, run, id + ID_LEN - 8, ending_of(mime));
    free(dir);
    return path;
}

void screen_save_result(struct screen *s, const char *path)
{
    struct err e = ERR_INIT;
    const struct state_run *sr = view_run(screen_state(s), &s->vm);
    const struct state_result *res = sr != NULL ? chosen(s, sr) : NULL;
    struct buf data = BUF_INIT((size_t)64 << 20);
    if (res == NULL) {
        screen_toast(s, TONE_INFO, "this run has no result to save");
        return;
    }
    char *to = path[0] != '\0' ? xstrdup(path) : fresh_path(s, sr->number, res->mime, &e);
    if (to == NULL || read_result(s, sr->number, res, &data, &e) < 0 ||
        path_write_file(to, buf_str(&data), data.len, &e) < 0) {
        screen_fail(s, &e);
    } else {
        screen_toast(s, TONE_INFO, "saved %zu bytes: %s", data.len, to);
        open_outside(s, to);
    }
    free(to);
    buf_release(&data);
}

/* ---- copying ---- */

/* A program that takes text on stdin; the terminal's own clipboard sequences are never used.
 * [SAN-1] */
static int copy_through(struct screen *s, const char *const *argv, const struct buf *text,
                        struct err *e)
{
    char *path = NULL;
    int pipe_fds[2], status = 0;
    if (proc_resolve(argv[0], &path, e) < 0)
        return -1;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
        free(path);
        return err_sys(e, ERR_IO, "pipe");
    }
    char **env = proc_helper_env();
    struct proc *p = NULL;
    struct proc_spec spec = {
        .path = path,
        .argv = argv,
        .envp = (const char *const *)env,
        .fds = { { .ours = pipe_fds[0], .child = 0 } },
        .fd_count = 1,
        .new_session = true,
    };
    int rc = proc_spawn(s->app->launcher, &spec, &p, e);
    close(pipe_fds[0]);
    if (rc == 0)
        rc = write_all_fd(pipe_fds[1],
                          buf_str(&(struct buf){ text->ptr, text->len, text->cap, text->max }),
                          text->len);
    close(pipe_fds[1]);
    if (rc == 0)
        rc = proc_wait(p, 1000, &status, e);
    proc_free(p);
    proc_free_words(env);
    free(path);
    return rc == 0 && status == 0 ? 0 : -1;
}

void screen_copy(struct screen *s)
{
    static const char *const tmux[] = { "tmux", "load-buffer", "-", NULL };
    static const char *const wayland[] = { "wl-copy", NULL };
    static const char *const x11[] = { "xclip", "-selection", "clipboard", NULL };
    struct {
        const char *var;
        const char *const *argv;
    } ways[] = { { "WAYLAND_DISPLAY", wayland }, { "DISPLAY", x11 }, { "TMUX", tmux } };
    struct err e = ERR_INIT;
    struct buf text = BUF_INIT((size_t)8 << 20);
    if (view_copy(screen_state(s), &s->vm, s->grid.w, s->grid.h, s->vm.focus, &text) < 0 ||
        text.len == 0) {
        screen_toast(s, TONE_INFO, "nothing to copy here");
        buf_release(&text);
        return;
    }
    s->vm.select.pane = PANE_PROMPT;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        if (s->film == NULL && getenv(ways[i].var) != NULL &&
            copy_through(s, ways[i].argv, &text, &e) == 0) {
            screen_toast(s, TONE_INFO, "copied %zu bytes with %s", text.len, ways[i].argv[0]);
            buf_release(&text);
            return;
        }
    }
    char *path = path_join(s->app->paths.state_dir, "copied");
    if (path_write_file(path, text.ptr, text.len, &e) < 0)
        screen_fail(s, &e);
    else
        screen_toast(s, TONE_INFO, "%s: %zu bytes are in %s",
                     s->film != NULL ? "a replay starts no program" : "no clipboard program",
                     text.len, path);
    free(path);
    buf_release(&text);
}
