/* screen_program.c - commands of this very program on our terminal, each a process of its own: it
 * may give up what this one needs (a replay), and the session that is open goes on meanwhile. */
#include "cli/screen_list.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/commands.h"

/* `airlock WORD -- ARG…` with our settings; *code is the exit code, as a shell gives it. */
static int run_ourselves(struct screen *s, const char *word, const char *const *args, size_t count,
                         int *code, struct err *e)
{
    const struct app *app = s->app;
    const char *const head[] = { "/proc/self/exe",    word,       "--data",
                                 app->paths.data_dir, "--config", app->paths.config_file };
    const size_t without = access(app->paths.config_file, F_OK) == 0 ? 0 : 2; /* the defaults */
    const char **argv = xcalloc(ARRAY_LEN(head) + count + 5, sizeof *argv);
    size_t n = ARRAY_LEN(head) - without;
    int status = 0;
    memcpy(argv, head, n * sizeof *head);
    if (app->opt.theme != NULL) {
        argv[n++] = "--theme";
        argv[n++] = app->opt.theme;
    }
    if (app->opt.no_color)
        argv[n++] = "--no-color";
    argv[n++] = "--";
    memcpy(argv + n, args, count * sizeof *args);
    int rc = screen_run_program(s, argv, &status, e);
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNALLED + WTERMSIG(status);
    free(argv);
    return rc;
}

/* ---- watching a session again ---- */

static const char *replayed_id(const struct screen *s, const char *word)
{
    if (word[0] != '\0')
        return word;
    if (s->vm.screen == SCREEN_START && s->recent_count > 0)
        return list_selected(s)->id;
    return s->session != NULL ? session_state(s->session)->session : "last";
}

int screen_replay_session(struct screen *s, const char *word, struct err *e)
{
    char *id = xstrdup(replayed_id(s, word));
    const char *const args[] = { id };
    int code, rc = run_ourselves(s, "replay", args, 1, &code, e);
    if (rc == 0 && code != EXIT_OK && code != EXIT_INTEGRITY) /* that one was said on the screen */
        rc = err_set(e, ERR_MISSING, "no replay of %.80s (airlock replay ended with %d)", id, code);
    free(id);
    return rc;
}

/* ---- two runs, two sessions ---- */

static void compare(struct screen *s, const char *a, const char *b)
{
    struct err e = ERR_INIT;
    const char *const args[] = { a, b };
    int code;
    if (run_ourselves(s, "diff", args, 2, &code, &e) < 0)
        screen_fail(s, &e);
    else if (code != EXIT_OK && code != EXIT_WORK_FAILED /* they differ */ &&
             code != EXIT_INTERRUPTED)
        screen_toast(s, TONE_BAD, "%s and %s could not be compared: airlock diff %s %s says why", a,
                     b, a, b);
}

void screen_differences(struct screen *s, const char *args, struct err *e)
{
    (void)e;
    const struct state_run *a, *b;
    const char *id = screen_state(s)->session;
    if (!screen_choose_pair(s, args, &a, &b))
        return;
    char *left = xasprintf("%s:%u", id, a->number), *right = xasprintf("%s:%u", id, b->number);
    compare(s, left, right);
    free(left);
    free(right);
}

void list_compare_marked(struct screen *s)
{
    const struct view_session *row = list_selected(s);
    const char *a = s->mark_count > 0 ? s->marks[0] : NULL, *b = NULL;
    if (s->mark_count == 2)
        b = s->marks[1];
    else if (s->mark_count == 1 && row != NULL)
        b = row->id;
    if (a == NULL || b == NULL || strcmp(a, b) == 0) {
        screen_toast(s, TONE_INFO, "mark two sessions with Space, then D compares them");
        return;
    }
    char *left = xstrdup(a), *right = xstrdup(b);
    compare(s, left, right);
    free(left);
    free(right);
    list_fill(s, 0, true);
}

/* ---- running it again ---- */

void list_rerun_some(struct screen *s)
{
    static const char *const said[] = { "all identical", "something differs", NULL, NULL,
                                        "something was denied" };
    struct err e = ERR_INIT;
    const struct view_session *row = list_selected(s);
    char *one = row != NULL ? xstrdup(row->id) : NULL;
    const char *const *ids =
        s->mark_count > 0 ? (const char *const *)s->marks : (const char *const *)&one;
    size_t count = s->mark_count > 0 ? s->mark_count : one != NULL;
    int code;
    if (count > 0 && run_ourselves(s, "rerun", ids, count, &code, &e) < 0)
        screen_fail(s, &e);
    else if (count > 0)
        screen_toast(s, code == EXIT_OK ? TONE_GOOD : TONE_WAIT,
                     "rerun: %s; the new sessions stand here",
                     code >= 0 && (size_t)code < ARRAY_LEN(said) && said[code] != NULL
                         ? said[code]
                         : "not all could run");
    free(one);
    list_fill(s, 0, true);
}
