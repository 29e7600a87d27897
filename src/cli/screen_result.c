/* screen_result.c - results and texts that leave the screen: saved files, copied lines, decoded
 * pictures. */
#include "cli/screen_int.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/outfile.h"

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

/* The chosen result, or the first that is more than plain text. NULL: there are none. */
static const struct state_result *chosen(const struct screen *s, const struct state_run *sr)
{
    if (s->vm.show_result && s->vm.result < sr->result_count)
        return &sr->results[s->vm.result];
    for (size_t i = 0; i < sr->result_count; i++) {
        if (strcmp(sr->results[i].mime, "text/plain") != 0)
            return &sr->results[i];
    }
    return sr->result_count > 0 ? &sr->results[0] : NULL;
}

/* ---- opening: a program of the person's is started, so the key asks first */

/* Its path, the caller frees; NULL: none can be started from here. */
static char *find_viewer(const struct screen *s)
{
    char *viewer = NULL;
    bool seen = getenv("DISPLAY") != NULL || getenv("WAYLAND_DISPLAY") != NULL;
    if (s->film != NULL || !seen) /* a replay starts no program */
        return NULL;
    return proc_resolve("xdg-open", &viewer, NULL) < 0 ? NULL : viewer;
}

/* What a viewer may take for a program of its own. */
static bool is_active(const char *mime)
{
    static const char *const kinds[] = { "text/html", "image/svg+xml", "application/javascript",
                                         "application/pdf" };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i], mime) == 0)
            return true;
    return false;
}

static void open_outside(struct screen *s, const char *viewer, const char *path)
{
    struct err e = ERR_INIT;
    char **env = proc_helper_env();
    const char *argv[] = { viewer, path, NULL };
    struct proc_spec spec = {
        .path = viewer, .argv = argv, .envp = (const char *const *)env, .new_session = true
    };
    struct proc *p = NULL;
    if (proc_spawn(s->app->launcher, &spec, &p, &e) < 0) {
        screen_fail(s, &e);
    } else {
        proc_free(p);
        screen_toast(s, TONE_INFO, "opened %s", path);
    }
    proc_free_words(env);
}

static void ask_to_open(struct screen *s, const struct state_result *res, size_t len)
{
    char *viewer = find_viewer(s);
    s->saved.asked_us = clock_mono_us();
    if (viewer == NULL)
        screen_toast(s, TONE_INFO, "saved %zu bytes: %s", len, s->saved.path);
    else if (is_active(res->mime))
        screen_toast(
            s, TONE_WAIT,
            "saved %zu bytes: %s; o again opens it with xdg-open, where it can run scripts", len,
            s->saved.path);
    else
        screen_toast(s, TONE_INFO, "saved %zu bytes: %s; o again opens it with xdg-open", len,
                     s->saved.path);
    free(viewer);
}

/* The same key while the question stands is the yes. */
static bool open_saved(struct screen *s, const struct state_run *sr, const struct state_result *res)
{
    if (s->saved.path == NULL || s->saved.run != sr->number ||
        s->saved.result != (size_t)(res - sr->results) ||
        clock_mono_us() - s->saved.asked_us > TOAST_US)
        return false;
    char *viewer = find_viewer(s);
    if (viewer != NULL)
        open_outside(s, viewer, s->saved.path);
    free(viewer);
    return viewer != NULL;
}

void screen_saved_release(struct screen *s)
{
    free(s->saved.path);
    s->saved.path = NULL;
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

/* Whatever stands there is written over, as the person said. */
static int write_result(struct screen *s, const char *path, const struct buf *data, struct err *e)
{
    struct outfile f;
    if (outfile_open_by(&f, s->app->launcher, path, true, e) < 0)
        return -1;
    outfile_add(&f, data->ptr, data->len);
    return outfile_commit(&f, e);
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
    if (path[0] == '\0' && open_saved(s, sr, res))
        return;
    char *to = path[0] != '\0' ? xstrdup(path) : fresh_path(s, sr->number, res->mime, &e);
    if (to == NULL || read_result(s, sr->number, res, &data, &e) < 0 ||
        write_result(s, to, &data, &e) < 0) {
        screen_fail(s, &e);
        free(to);
    } else {
        screen_saved_release(s);
        s->saved.run = sr->number;
        s->saved.result = (size_t)(res - sr->results);
        s->saved.path = to;
        ask_to_open(s, res, data.len);
    }
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
