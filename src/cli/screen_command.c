/* screen_command.c - what is typed behind a colon and is no mere looking: the table of verbs. */
#include "cli/screen_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/manage.h"
#include "cli/screen_replay.h"
#include "tool/contract.h"

#define PUT_MAX ((size_t)64 << 20)

/* ---- starting sessions ---- */

static void start_runbook(struct screen *s, const char *model, struct err *e)
{
    if (screen_start_session(s, "runbook", model, e) == 0 &&
        round_task(screen_round(s), model, "person", e) == 0)
        return;
    screen_fail(s, e);
}

static void do_tour(struct screen *s, const char *args, struct err *e)
{
    (void)args;
    start_runbook(s, "@tour", e);
}

static void do_runbook(struct screen *s, const char *args, struct err *e)
{
    if (args[0] == '\0')
        screen_toast(s, TONE_INFO, "runbook takes a file, or @tour, @clean-csv, @service-log");
    else
        start_runbook(s, args, e);
}

static void do_new(struct screen *s, const char *args, struct err *e)
{
    char planner[64];
    const char *word = s->app->opt.planner != NULL ? s->app->opt.planner : s->app->config.planner;
    const char *model = app_split_name(word, planner, sizeof planner);
    if (screen_start_session(s, planner, model, e) < 0 ||
        (args[0] != '\0' && round_task(screen_round(s), args, "person", e) < 0))
        screen_fail(s, e);
}

static void do_resume(struct screen *s, const char *args, struct err *e)
{
    char *id = NULL, *path = NULL;
    if (app_need_index(s->app, e) < 0 || index_refresh(s->app->index, e) < 0 ||
        index_resolve(s->app->index, args[0] != '\0' ? args : "last", &id, &path, e) < 0)
        screen_fail(s, e);
    else if (s->session != NULL && strcmp(screen_state(s)->session, id) == 0)
        screen_toast(s, TONE_INFO, "that is this session");
    else if (screen_open_session(s, path, e) < 0) {
        screen_fail(s, e);
        screen_list_sessions(s, NULL);
    }
    free(id);
    free(path);
}

/* ---- naming ---- */

/* It is seen at once: in the status line, and in the list when that is what is shown. */
static bool append_event(struct screen *s, struct event_builder *b, struct err *e)
{
    if (round_append_event(screen_round(s), b, e) < 0) {
        screen_fail(s, e);
        return false;
    }
    screen_list_told(s);
    return true;
}

static void do_rename(struct screen *s, const char *args, struct err *e)
{
    struct event_builder b;
    if (manage_check_name(args, e) < 0) {
        screen_fail(s, e);
        return;
    }
    event_begin(&b, EVENT_SESSION_RENAMED, 0);
    json_w_strn(&b.w, "name", args, strlen(args));
    (void)append_event(s, &b, e);
}

static int put_tags(struct event_builder *b, const char *words, struct err *e)
{
    int rc = 0;
    event_begin(b, EVENT_SESSION_TAGGED, 0);
    json_w_array(&b->w, "tags");
    for (const char *p = words; *p != '\0' && rc == 0;) {
        size_t n = strcspn(p, " ");
        rc = manage_check_tag(p, n, e);
        json_w_strn(&b->w, NULL, p, n);
        p += n + strspn(p + n, " ");
    }
    json_w_close_array(&b->w);
    return rc;
}

static void do_tag(struct screen *s, const char *args, struct err *e)
{
    struct event_builder b;
    if (put_tags(&b, args, e) < 0) {
        event_release(&b);
        screen_fail(s, e);
    } else if (append_event(s, &b, e)) {
        const char *tags = screen_state(s)->tags;
        screen_toast(s, TONE_INFO, "%s%s", tags[0] != '\0' ? "tags: " : "no tags any more", tags);
    }
}

static void do_note(struct screen *s, const char *args, struct err *e)
{
    if (args[0] == '\0')
        screen_toast(s, TONE_INFO, "note takes TEXT");
    else if (round_note(screen_round(s), args, "person", e) < 0)
        screen_fail(s, e);
}

/* ---- the gate by words: denying, never approving ---- */

static void do_deny(struct screen *s, const char *args, struct err *e)
{
    (void)e;
    if (!s->gate.open)
        screen_toast(s, TONE_INFO, "no gate is open");
    screen_gate_deny(s, args);
}

static void do_stop(struct screen *s, const char *args, struct err *e)
{
    struct round_decide d = {
        .decision = DECIDE_STOP, .by = "person", .capsule = s->gate.capsule_hex, .reason = args
    };
    if (!s->gate.open)
        screen_toast(s, TONE_INFO, "no gate is open; ^C interrupts");
    else if (round_decide(screen_round(s), &d, e) < 0)
        screen_fail(s, e);
}

static void do_lease(struct screen *s, const char *args, struct err *e)
{
    struct round_lease l = { 0 };
    if (options_parse_lease(args, &l.runs, &l.minutes, e) < 0 ||
        round_grant_lease(screen_round(s), &l, e) < 0)
        screen_fail(s, e);
}

static void do_end_lease(struct screen *s, const char *args, struct err *e)
{
    (void)args;
    (void)e;
    if (!screen_state(s)->lease.active)
        screen_toast(s, TONE_INFO, "no lease is on");
    round_end_lease(screen_round(s), "ended by the person");
}

static void do_expect(struct screen *s, const char *args, struct err *e)
{
    if (!s->gate.open)
        screen_toast(s, TONE_INFO, "no gate is open");
    else if (round_edit(screen_round(s), NULL, 0, args, e) < 0)
        screen_fail(s, e);
}

/* ---- the sandbox ---- */

static void do_kill(struct screen *s, const char *args, struct err *e)
{
    (void)args;
    (void)e;
    enum sandbox_status sbx = screen_state(s)->sbx;
    round_kill_sandbox(screen_round(s));
    if (sbx == SBX_NONE || sbx == SBX_CLOSED || sbx == SBX_LOST)
        screen_toast(s, TONE_INFO, "no sandbox is there: the next run makes one");
    else
        screen_toast(s, TONE_WAIT, "destroying the sandbox");
}

static void do_pause(struct screen *s, const char *args, struct err *e)
{
    (void)args;
    if (round_pause(screen_round(s), e) < 0)
        screen_fail(s, e);
    else
        screen_toast(s, TONE_WAIT, "pausing the sandbox");
}

static void do_wake(struct screen *s, const char *args, struct err *e)
{
    (void)args;
    if (round_wake(screen_round(s), e) < 0)
        screen_fail(s, e);
}

/* "A B" → A and B; B may be missing. Both are lent from `room`. */
static void two_words(const char *args, char *room, size_t size, const char **a, const char **b)
{
    snprintf(room, size, "%s", args);
    char *space = strchr(room, ' ');
    if (space != NULL)
        *space++ = '\0';
    *a = room;
    *b = space != NULL ? space + strspn(space, " ") : "";
}

static void do_put(struct screen *s, const char *args, struct err *e)
{
    char room[4096];
    const char *from, *to;
    struct buf data = BUF_INIT(PUT_MAX);
    two_words(args, room, sizeof room, &from, &to);
    const char *base = strrchr(from, '/') != NULL ? strrchr(from, '/') + 1 : from;
    struct sandbox_file f = { .name = (char *)(uintptr_t)(to[0] != '\0' ? to : base),
                              .mode = 0644 };
    if (from[0] == '\0')
        screen_toast(s, TONE_INFO, "put takes FILE [NAME]");
    else if (path_read_file(from, &data, e) < 0)
        screen_fail(s, e);
    else {
        f.ptr = (char *)(uintptr_t)buf_str(&data);
        f.len = data.len;
        if (round_put(screen_round(s), &f, e) < 0)
            screen_fail(s, e);
        else
            screen_toast(s, TONE_INFO, "put %zu bytes as %s", data.len, f.name);
    }
    buf_release(&data);
}

static void do_get(struct screen *s, const char *args, struct err *e)
{
    if (args[0] == '\0')
        screen_toast(s, TONE_INFO, "get takes NAME; the file is kept in the session, o saves it");
    else if (round_get(screen_round(s), args, PUT_MAX, e) < 0)
        screen_fail(s, e);
}

/* What runs beside the approved code, byte for byte as its digest in the contract was made. */
static void do_cell(struct screen *s, const char *args, struct err *e)
{
    const struct state *st = screen_state(s);
    const struct sandbox_ops *ops = sandbox_choose(st->sandbox, st->image, e);
    struct contract c = { .introspection = "" };
    size_t len;
    (void)args;
    if (ops == NULL || ops->introspection == NULL) {
        screen_toast(s, TONE_INFO, "this sandbox runs nothing beside the code that is approved");
        return;
    }
    const char *text = ops->introspection(&len);
    contract_note_introspection(&c, ops);
    bool same = strstr(st->contract_json, c.introspection) != NULL;
    char line[160];
    snprintf(line, sizeof line, "sha256 %s%s", c.introspection,
             same ? "" : ": not that of this session, which was made by another program");
    screen_page_begin(s, PAGE_CELL, 0, "Airlock's own cell", "q back");
    screen_page_add(s, same ? TONE_INFO : TONE_BAD, line, strlen(line), false);
    screen_page_add_text(s, text);
    screen_page_show(s);
}

/* ---- looking, with words ---- */

static void do_language(struct screen *s, const char *args, struct err *e)
{
    const struct sandbox_ops *ops = app_sandbox(s->app, NULL, e);
    if (ops == NULL)
        screen_fail(s, e);
    else if (args[0] == '\0' || ops->interpreter(&s->app->contract, args) == NULL)
        screen_toast(s, TONE_INFO, "language takes one of %s; now it is %s", ops->languages,
                     s->language);
    else
        snprintf(s->language, sizeof s->language, "%s", args);
}

static void do_theme(struct screen *s, const char *args, struct err *e)
{
    (void)e;
    screen_set_theme(s, args);
}

static void do_editor(struct screen *s, const char *args, struct err *e)
{
    (void)args;
    (void)e;
    screen_write_code(s, s->language);
}

static void do_search(struct screen *s, const char *args, struct err *e)
{
    (void)e;
    s->vm.search.pane = PANE_OUT;
    s->use = USE_SEARCH;
    screen_on_line(s, args, false);
}

/* The run that is named; 0 none. False: it was told why not. */
static bool take_base(struct screen *s, const char *word, const char *args, uint32_t *run)
{
    char *end;
    unsigned long number = strtoul(args, &end, 10);
    if (*end != '\0') {
        screen_toast(s, TONE_INFO, "%s takes the number of a run, or nothing: the attempt before",
                     word);
        return false;
    }
    if (number > UINT32_MAX ||
        (number != 0 && state_run_at(screen_state(s), (uint32_t)number) == NULL)) {
        screen_toast(s, TONE_INFO, "there is no run %s", args);
        return false;
    }
    *run = (uint32_t)number;
    return true;
}

static void do_base(struct screen *s, const char *args, struct err *e)
{
    (void)e;
    if (take_base(s, "base", args, &s->vm.base))
        s->vm.diff_code = s->vm.diff_output = VIEW_DIFF_ON;
}

void screen_say_diff(struct screen *s)
{
    const struct state *st = screen_state(s);
    if (s->vm.diff_code != VIEW_DIFF_OFF && view_base(st, &s->vm) == NULL &&
        view_output_base(st, &s->vm) == NULL)
        screen_toast(s, TONE_INFO, "no attempt before it to compare with: name a run, :diff 1");
}

static void do_diff(struct screen *s, const char *args, struct err *e)
{
    uint32_t run;
    (void)e;
    if (!take_base(s, "diff", args, &run))
        return;
    view_toggle_diffs(screen_state(s), &s->vm, args[0] != '\0' ? run : s->vm.base);
    screen_say_diff(s);
}

static void do_pane(struct screen *s, const char *args, struct err *e)
{
    (void)e;
    if (args[0] >= '1' && args[0] <= '8' && args[1] == '\0')
        screen_focus(s, (enum view_pane)(args[0] - '0'));
    else
        screen_toast(s, TONE_INFO, "pane takes 1 to 8");
}

static void do_goto(struct screen *s, const char *args, struct err *e)
{
    char *end;
    unsigned long line = strtoul(args, &end, 10);
    (void)e;
    if (end == args || *end != '\0' || line == 0) {
        screen_toast(s, TONE_INFO, "goto takes the number of a line of the code");
        return;
    }
    view_move(screen_state(s), &s->vm, s->grid.w, s->grid.h, PANE_CODE, MOVE_TOP, 1);
    if (line > 1)
        view_move(screen_state(s), &s->vm, s->grid.w, s->grid.h, PANE_CODE, MOVE_DOWN,
                  (int)(line > 1000000 ? 1000000 : line) - 1);
    screen_focus(s, PANE_CODE);
}

static void do_replay(struct screen *s, const char *args, struct err *e)
{
    if (screen_replay_session(s, args, e) < 0)
        screen_fail(s, e);
}

enum { NEEDS_SESSION = 1 };
static const struct verb {
    enum keymap_command id;
    int needs;
    void (*fn)(struct screen *s, const char *args, struct err *e);
} verbs[] = {
    { CMD_REPLAY, 0, do_replay },
    { CMD_TOUR, 0, do_tour },
    { CMD_RUNBOOK, 0, do_runbook },
    { CMD_NEW, 0, do_new },
    { CMD_RESUME, 0, do_resume },
    { CMD_RENAME, NEEDS_SESSION, do_rename },
    { CMD_TAG, NEEDS_SESSION, do_tag },
    { CMD_EXPORT, NEEDS_SESSION, screen_export },
    { CMD_NOTE, NEEDS_SESSION, do_note },
    { CMD_CONTEXT, NEEDS_SESSION, screen_show_context },
    { CMD_MODEL, NEEDS_SESSION, screen_model },
    { CMD_EFFORT, NEEDS_SESSION, screen_effort },
    { CMD_STEP, NEEDS_SESSION, screen_step },
    { CMD_DENY, NEEDS_SESSION, do_deny },
    { CMD_STOP, NEEDS_SESSION, do_stop },
    { CMD_LEASE, NEEDS_SESSION, do_lease },
    { CMD_LEASE_END, NEEDS_SESSION, do_end_lease },
    { CMD_EXPECT, NEEDS_SESSION, do_expect },
    { CMD_KILL, NEEDS_SESSION, do_kill },
    { CMD_RESTART, NEEDS_SESSION, do_kill },
    { CMD_PAUSE, NEEDS_SESSION, do_pause },
    { CMD_WAKE, NEEDS_SESSION, do_wake },
    { CMD_RESTORE, NEEDS_SESSION, screen_travel },
    { CMD_FORK, NEEDS_SESSION, screen_fork },
    { CMD_CHANGES, NEEDS_SESSION, screen_changes },
    { CMD_COMPARE, NEEDS_SESSION, screen_compare },
    { CMD_DIFFERENCES, NEEDS_SESSION, screen_differences },
    { CMD_TREE, NEEDS_SESSION, screen_tree },
    { CMD_PUT, NEEDS_SESSION, do_put },
    { CMD_GET, NEEDS_SESSION, do_get },
    { CMD_CELL, NEEDS_SESSION, do_cell },
    { CMD_CONTRACT, 0, screen_contract },
    { CMD_DOCTOR, NEEDS_SESSION, screen_doctor },
    { CMD_LANGUAGE, 0, do_language },
    { CMD_THEME, 0, do_theme },
    { CMD_EDITOR, 0, do_editor },
    { CMD_SEARCH, NEEDS_SESSION, do_search },
    { CMD_BASE, NEEDS_SESSION, do_base },
    { CMD_DIFF, NEEDS_SESSION, do_diff },
    { CMD_MASKS, 0, screen_set_masks },
    { CMD_PANE, NEEDS_SESSION, do_pane },
    { CMD_GOTO, NEEDS_SESSION, do_goto },
};

static const struct verb *find_verb(enum keymap_command id)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (verbs[i].id == id)
            return &verbs[i];
    }
    return NULL;
}

void screen_command(struct screen *s, const char *line)
{
    struct err e = ERR_INIT;
    size_t n = strcspn(line, " ");
    char *args = xstrdup(line + n + strspn(line + n, " "));
    const struct keymap_entry *k = keymap_find_word(line, n);
    const struct verb *v = k != NULL ? find_verb(k->id) : NULL;
    if (n == 0) {
        free(args);
        return;
    }
    screen_toast_over(s); /* what is still there was said to another command */
    for (size_t len = strlen(args); len > 0 && args[len - 1] == ' '; len--)
        args[len - 1] = '\0';
    if (k == NULL) {
        char *word = xstrndup(line, n);
        const char *near = keymap_suggest(word);
        if (near != NULL)
            screen_toast(s, TONE_INFO, "no command :%s; did you mean :%s?", word, near);
        else
            screen_toast(s, TONE_INFO, "no command :%s; :help shows all", word);
        free(word);
    } else if (v == NULL) {
        screen_do(s, k->id, args, 0);
    } else if (s->film != NULL && film_do(s->film, k->id, args)) {
        ; /* done or refused */
    } else if (v->needs == NEEDS_SESSION && s->session == NULL && s->film == NULL) {
        screen_toast(s, TONE_INFO, ":%s needs a session: type a task, !code or :tour first",
                     k->name);
    } else {
        v->fn(s, args, &e);
    }
    free(args);
    screen_changed(s);
}
