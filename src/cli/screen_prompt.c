/* screen_prompt.c - what a line at the prompt becomes: a task, a message, own code, a command,
 * words for the gate. */
#include "cli/screen_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/screen_replay.h"
#include "providers/expectation.h"
#include "tool/capsule.h"

/* ---- other uses of the line ---- */

void screen_use_prompt(struct screen *s, enum prompt_use use, const char *text)
{
    if (s->use == USE_MAIN) {
        free(s->draft);
        s->draft = xstrdup(prompt_line(NULL, NULL));
    }
    s->use = use;
    prompt_set(text);
    s->vm.help_asks = use == USE_SEARCH && s->vm.screen == SCREEN_HELP;
    if (use == USE_SEARCH && !s->vm.help_asks)
        s->vm.search.pane =
            s->vm.screen == SCREEN_START || s->vm.focus == PANE_PROMPT ? PANE_OUT : s->vm.focus;
    else if (use == USE_SEARCH)
        s->vm.search.pane = s->vm.focus; /* where one goes on after it */
    screen_focus(s, PANE_PROMPT);
}

void screen_prompt_done(struct screen *s)
{
    enum prompt_use was = s->use;
    s->use = USE_MAIN;
    prompt_set(s->draft != NULL ? s->draft : "");
    free(s->draft);
    s->draft = NULL;
    s->vm.gate.deny_text = NULL;
    s->vm.help_asks = false;
    if (was == USE_SEARCH)
        screen_focus(s, s->vm.search.pane);
    else if (was == USE_FILTER || was == USE_RENAME || was == USE_TAG || was == USE_FIND)
        screen_focus(s, PANE_TIMELINE);
    else if (was >= USE_STEP_ADD)
        screen_focus(s, PANE_PLAN);
    else if (was != USE_MAIN && s->gate.open)
        screen_gate_focus(s, true);
    screen_changed(s);
}

static const char *label_of(struct screen *s)
{
    static const char *const names[][2] = { { "python", "py" },
                                            { "javascript", "js" },
                                            { "bash", "sh" } };
    switch (s->use) {
    case USE_SEARCH:
        return "/";
    case USE_DENY:
        return "deny because: ";
    case USE_EXPECT:
        return "expect ( ; between): ";
    case USE_LEASE:
        return "lease: ";
    case USE_FILTER:
        return "filter: ";
    case USE_FIND:
        return "find: ";
    case USE_RENAME:
        return "name: ";
    case USE_TAG:
        return "tags: ";
    case USE_STEP_ADD:
    case USE_STEP_EDIT:
    case USE_STEP_MARK:
        return screen_step_label(s);
    case USE_MAIN:
        break;
    }
    if (s->block.len > 0) {
        const char *short_name = s->block_language;
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            short_name = strcmp(names[i][0], s->block_language) == 0 ? names[i][1] : short_name;
        snprintf(s->label, sizeof s->label, "%s… ", short_name);
        return s->label;
    }
    return "> ";
}

void screen_fill_prompt(struct screen *s)
{
    struct view_prompt *p = &s->vm.prompt;
    bool fresh = s->session == NULL || screen_state(s)->task[0] == '\0';
    p->label = label_of(s);
    p->text = prompt_line(&p->len, &p->cursor);
    p->above = s->block.len > 0 ? buf_str(&s->block) : NULL;
    p->placeholder = s->film != NULL                          ? ":seek, :idle-cap, :help, …"
                     : s->use != USE_MAIN || s->block.len > 0 ? ""
                     : fresh ? "a task, !code of your own, :tour for a tour, :help"
                             : "a message, !code of your own, :help";
    p->candidates = (const char *const *)s->candidates;
    p->candidate_count = s->candidate_count;
    p->candidate_chosen = SIZE_MAX;
    if (s->use == USE_DENY) {
        s->vm.gate.deny_text = p->text;
        s->vm.gate.deny_cursor = p->cursor;
    }
}

/* ---- own code ---- */

static int ensure_session(struct screen *s, struct err *e)
{
    char planner[64];
    if (s->session != NULL && !screen_state(s)->finished)
        return 0;
    const char *word = s->app->opt.planner != NULL ? s->app->opt.planner : s->app->config.planner;
    const char *model = app_split_name(word, planner, sizeof planner);
    /* After a finished runbook the person goes on alone. */
    if (s->session != NULL && !app_planner_asks_model(planner))
        return screen_start_session(s, "human", NULL, e);
    return screen_start_session(s, planner, model, e);
}

static void run_own(struct screen *s, const char *language, const char *code, size_t len,
                    bool typed)
{
    struct err e = ERR_INIT;
    struct round_own own = { .language = language, .code = code, .code_len = len, .typed = typed };
    if (ensure_session(s, &e) < 0 || round_own_code(screen_round(s), &own, &e) < 0)
        screen_fail(s, &e);
}

void screen_write_code(struct screen *s, const char *language)
{
    struct err e = ERR_INIT;
    const char *ending = strcmp(language, "python") == 0 ? "py"
                         : strcmp(language, "bash") == 0 ? "sh"
                                                         : "js";
    char name[32];
    struct buf text = BUF_INIT(CODE_MAX + 1);
    snprintf(name, sizeof name, "own.%s", ending);
    if (screen_edit_text(s, name, "", 0, &text, &e) < 0)
        screen_fail(s, &e);
    else if (text.len > 0)
        run_own(s, language, text.ptr, text.len, false);
    buf_release(&text);
}

static bool add_block_line(struct screen *s, const char *line, bool typed)
{
    if (s->block.len == 0)
        s->block_typed = true;
    s->block_typed = s->block_typed && typed;
    bool fits = buf_addf(&s->block, "%s\n", line) == 0;
    if (!fits)
        screen_toast(s, TONE_BAD, "code is at most 1 MiB: put data in a file and :put it");
    return fits;
}

static void run_block(struct screen *s)
{
    struct buf code = s->block;
    buf_init(&s->block, code.max);
    run_own(s, s->block_language, buf_str(&code), code.len, s->block_typed);
    buf_release(&code);
}

static void own_line(struct screen *s, const char *language, const char *code, bool typed)
{
    if (code[0] == '\0') {
        screen_write_code(s, language);
        return;
    }
    size_t len = strlen(code);
    if (!own_code_is_unfinished(language, code, len)) {
        run_own(s, language, code, len, typed);
        return;
    }
    snprintf(s->block_language, sizeof s->block_language, "%s", language);
    (void)add_block_line(s, code, typed);
}

/* A line of an unfinished block: an empty one ends it. */
static void block_line(struct screen *s, const char *line, bool typed)
{
    if (line[strspn(line, " \t")] == '\0' &&
        (s->block_typed ||
         !own_code_is_unfinished(s->block_language, s->block.ptr, s->block.len))) {
        run_block(s);
        return;
    }
    (void)add_block_line(s, line, typed);
    /* A one-line bracket that is closed now needs no empty line; a Python block does. */
    bool indented = line[0] == ' ' || line[0] == '\t' || strcmp(s->block_language, "python") == 0;
    const char *first = buf_str(&s->block);
    bool suite = memchr(first, ':', strcspn(first, "\n")) != NULL;
    if (!(indented && suite) &&
        !own_code_is_unfinished(s->block_language, s->block.ptr, s->block.len))
        run_block(s);
}

/* A pasted text of several lines is code when it follows a `!` or goes on a block: its lines are
 * kept, and an empty line sends it, after a look. Else it is words, and its line ends are blanks.
 * It never sends itself. [TTY-7] */
void screen_paste(struct screen *s, const char *text, size_t len)
{
    const char *language = s->block_language, *code;
    struct buf whole = BUF_INIT((size_t)2 << 20);
    (void)buf_add_str(&whole, prompt_line(NULL, NULL));
    bool fresh = s->block.len == 0;
    bool is_code = !fresh || own_code_parse(whole.len > 0 ? buf_str(&whole) : text, s->language,
                                            &language, &code);
    if (s->use != USE_MAIN || !is_code || memchr(text, '\n', len) == NULL) {
        prompt_paste(text, len);
        buf_release(&whole);
        return;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\r' || i + 1 >= len || text[i + 1] != '\n')
            (void)buf_add_char(&whole, text[i] == '\r' ? '\n' : text[i]);
    }
    code = buf_str(&whole);
    if (fresh) {
        (void)own_code_parse(buf_str(&whole), s->language, &language, &code);
        snprintf(s->block_language, sizeof s->block_language, "%s", language);
    }
    prompt_clear();
    /* The last line stays at the prompt. */
    const char *last = strrchr(code, '\n');
    char *head = last != NULL ? xstrndup(code, (size_t)(last - code)) : xstrdup("");
    if (add_block_line(s, head, false)) {
        if (last != NULL && last[1] != '\0')
            prompt_paste(last + 1, strlen(last + 1));
        screen_toast(s, TONE_INFO, "pasted code: an empty line sends it to the gate");
    }
    free(head);
    buf_release(&whole);
}

/* ---- words ---- */

static void say(struct screen *s, const char *text)
{
    struct err e = ERR_INIT;
    if (ensure_session(s, &e) < 0) {
        screen_fail(s, &e);
        return;
    }
    const struct state *st = screen_state(s);
    bool first = st->task[0] == '\0';
    bool at_work = st->phase != PHASE_IDLE && s->vm.planner_model != NULL;
    int rc = first ? round_task(screen_round(s), text, "person", &e)
                   : round_note(screen_round(s), text, "person", &e);
    if (rc < 0)
        screen_fail(s, &e);
    else if (at_work && !first)
        screen_toast(s, TONE_INFO, "queued for the model's next call%s",
                     st->phase == PHASE_PLANNING ? "; ^C interrupts it for that now" : "");
}

static void search_for(struct screen *s, const char *text)
{
    enum view_pane pane = s->vm.search.pane;
    buf_reset(&s->search);
    (void)buf_add_str(&s->search, text);
    screen_prompt_done(s);
    s->vm.search = (struct view_search){ .text = buf_str(&s->search), .pane = pane };
    if (text[0] != '\0')
        screen_search(s, 1);
}

static void deny_with(struct screen *s, const char *text)
{
    char *words = xstrdup(text);
    s->use = USE_MAIN;
    screen_prompt_done(s);
    screen_gate_deny(s, words);
    free(words);
}

static void set_expectation(struct screen *s, const char *text)
{
    struct err e = ERR_INIT;
    struct buf lines = BUF_INIT(EXPECT_MAX);
    (void)expectation_from_line(&lines, text); /* what is left out is seen at the gate */
    screen_prompt_done(s);
    if (s->gate.open && round_edit(screen_round(s), NULL, 0, buf_str(&lines), &e) < 0)
        screen_fail(s, &e);
    buf_release(&lines);
}

static void grant(struct screen *s, const char *text)
{
    struct err e = ERR_INIT;
    struct round_lease l = { 0 };
    int rc = options_parse_lease(text, &l.runs, &l.minutes, &e);
    screen_prompt_done(s);
    if (rc == 0)
        rc = round_grant_lease(screen_round(s), &l, &e);
    if (rc < 0)
        screen_fail(s, &e);
}

/* In a replay only commands can be typed; the panes have the focus again. */
static void replay_line(struct screen *s, const char *line)
{
    screen_focus(s, s->film_focus);
    if (line[0] == ':')
        screen_command(s, line + 1);
    else if (line[strspn(line, " \t")] != '\0')
        film_refuse(s);
}

void screen_on_line(void *arg, const char *line, bool typed)
{
    struct screen *s = arg;
    const char *language, *code;
    char *copy = xstrdup(line); /* readline's buffer goes away while we work */
    screen_drop_candidates(s);
    switch (s->use) {
    case USE_SEARCH:
        search_for(s, copy);
        break;
    case USE_DENY:
        deny_with(s, copy);
        break;
    case USE_EXPECT:
        set_expectation(s, copy);
        break;
    case USE_LEASE:
        grant(s, copy);
        break;
    case USE_FILTER:
    case USE_RENAME:
    case USE_TAG:
        screen_list_line(s, copy);
        break;
    case USE_FIND:
        screen_prompt_done(s);
        if (copy[0] != '\0')
            screen_find(s, copy);
        break;
    case USE_STEP_ADD:
    case USE_STEP_EDIT:
    case USE_STEP_MARK:
        screen_step_line(s, copy);
        break;
    case USE_MAIN:
        if (s->film != NULL) {
            replay_line(s, copy);
            break;
        }
        if (s->app->redact == NULL ||
            redact_find(s->app->redact, copy, strlen(copy), &(size_t){ 0 }) == NULL)
            prompt_remember(copy);
        if (s->block.len > 0)
            block_line(s, copy, typed);
        else if (copy[strspn(copy, " \t")] == '\0')
            break;
        else if (copy[0] == ':')
            screen_command(s, copy + 1);
        else if (own_code_parse(copy, s->language, &language, &code))
            own_line(s, language, code, typed);
        else
            say(s, copy);
        break;
    }
    free(copy);
    screen_changed_by_key(s);
}
