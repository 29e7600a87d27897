/* screen.c - the screen's life: opening, drawing, timers, leaving. */
#include "cli/screen_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/screen_replay.h"

/* ---- drawing ---- */

const struct state *screen_state(const struct screen *s)
{
    if (s->film != NULL)
        return film_state(s->film);
    return s->session != NULL ? session_state(s->session) : &s->empty;
}

struct round *screen_round(const struct screen *s)
{
    return s->session != NULL ? session_round(s->session) : NULL;
}

struct store *screen_store(const struct screen *s)
{
    if (s->film != NULL)
        return film_store(s->film);
    return s->session != NULL ? session_store(s->session) : NULL;
}

void screen_changed(struct screen *s)
{
    if (s->dirty == DIRTY_ALL)
        return;
    s->dirty = DIRTY_ALL;
    int64_t wait = s->drawn_us + FRAME_US - clock_boot_us();
    loop_arm_us(s->app->loop, s->frame_timer, wait > 0 ? wait : 0);
}

/* Each piece at once, as long as drawing them takes no more than a 32nd of the time. */
void screen_changed_by_stream(struct screen *s)
{
    int64_t rest = s->draw_cost_us * 32, wait = rest < FRAME_US ? rest : FRAME_US;
    wait += s->drawn_us - clock_boot_us();
    s->dirty = DIRTY_ALL;
    loop_arm_us(s->app->loop, s->frame_timer, wait > 0 ? wait : 0);
}

void screen_changed_by_key(struct screen *s)
{
    s->dirty = DIRTY_ALL;
    loop_wake_idle(s->app->loop, s->frame_idle);
}

void screen_changed_by_typing(struct screen *s)
{
    if (s->dirty == DIRTY_NOTHING)
        s->dirty = DIRTY_PROMPT;
    loop_wake_idle(s->app->loop, s->frame_idle);
}

/* Something on the screen counts seconds. */
static bool has_clock(const struct screen *s)
{
    const struct state *st = screen_state(s);
    if (s->film != NULL)
        return false; /* its clock stands at the event */
    return st->running != 0 || st->gate.open || st->lease.active || st->phase == PHASE_PLANNING ||
           st->sandbox_ends_boot_us != 0 || st->sbx == SBX_WAITING;
}

static void draw(struct screen *s)
{
    if (s->dirty == DIRTY_NOTHING || s->term == NULL)
        return;
    bool typed = s->dirty == DIRTY_PROMPT;
    s->dirty = DIRTY_NOTHING;
    loop_arm_us(s->app->loop, s->frame_timer, -1);
    screen_fill_prompt(s);
    if (typed && view_draw_typed(screen_state(s), &s->vm, &s->grid, &s->info)) {
        term_draw_from(s->term, &s->grid, &s->theme, s->info.layout.prompt.y, s->info.cursor_x,
                       s->info.cursor_y);
        s->drawn_us = clock_boot_us();
        return;
    }
    screen_fill_model(s);
    s->vm.now_us = clock_wall_us();
    s->vm.gate.boot_us = clock_boot_us();
    int64_t began_us = clock_cpu_us();
    if (s->film != NULL)
        film_fill(s->film);
    view_draw(screen_state(s), &s->vm, &s->grid, &s->info);
    bool shown = term_draw(s->term, &s->grid, &s->theme, s->info.cursor_x, s->info.cursor_y);
    s->drawn_us = clock_boot_us();
    s->draw_cost_us = clock_cpu_us() - began_us;
    screen_gate_painted(s, shown);
    loop_arm_us(s->app->loop, s->second_timer, has_clock(s) ? 1000000 : -1);
}

static void on_frame(void *arg)
{
    draw(arg);
}

static void on_second(void *arg)
{
    screen_changed(arg);
}

/* ---- toasts ---- */

void screen_toast_over(void *arg)
{
    struct screen *s = arg;
    s->vm.toast.text = NULL;
    screen_changed(s);
}

void screen_toast(struct screen *s, enum view_tone tone, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_reset(&s->toast);
    if (redact_global() == NULL || redact_text(redact_global(), text, strlen(text), &s->toast) < 0)
        (void)buf_add_str(&s->toast, text);
    s->vm.toast = (struct view_message){ .text = buf_str(&s->toast), .tone = tone };
    loop_arm_us(s->app->loop, s->toast_timer, TOAST_US);
    screen_changed(s);
}

void screen_fail(struct screen *s, const struct err *e)
{
    screen_toast(s, TONE_BAD, "%s", e->msg);
}

static void on_gate_timer(void *arg)
{
    screen_gate_timer(arg);
}

static void on_settled(void *arg)
{
    screen_gate_settled(arg);
}

/* ---- life ---- */

void screen_leave(struct screen *s, int code)
{
    s->leaving = true;
    s->exit_code = code;
}

void screen_set_theme(struct screen *s, const char *name)
{
    struct err e = ERR_INIT;
    struct theme t;
    if (theme_load(&t, name, term_colors(s->term), &e) < 0) {
        screen_fail(s, &e);
        return;
    }
    s->theme = t;
    term_redraw(s->term);
    screen_changed(s);
}

static void on_prewarm(void *arg)
{
    struct screen *s = arg;
    if (s->session == NULL && s->vm.screen == SCREEN_START &&
        s->vm.scroll[PANE_TIMELINE].selected <= 0)
        screen_list_refresh(s);
    const struct sandbox_ops *ops = app_sandbox(s->app, NULL, NULL);
    if (ops != NULL && ops->prewarm != NULL && (ops->caps & SANDBOX_CAN_WARM))
        ops->prewarm(s->app->loop, s->app->launcher);
}

static void init_buffers(struct screen *s)
{
    struct buf *const small[] = { &s->toast,           &s->question,      &s->search,
                                  &s->planner_status,  &s->contract_text, &s->state_text,
                                  &s->attachment_text, &s->why_text };
    for (size_t i = 0; i < ARRAY_LEN(small); i++)
        buf_init(small[i], (size_t)1 << 20);
    buf_init(&s->code_stream, (size_t)2 << 20);
    buf_init(&s->prose_stream, (size_t)2 << 20);
    redact_stream_init(&s->code_filter);
    redact_stream_init(&s->prose_filter);
    buf_init(&s->block, (size_t)2 << 20);
    buf_init(&s->mask_names, 256);
    buf_init(&s->preview, (size_t)256 << 10);
}

static int screen_open(struct screen *s, const char **note, struct err *e)
{
    struct loop *lp = s->app->loop;
    char *history = path_join(s->app->paths.state_dir, "history");
    struct err none = ERR_INIT;
    state_init(&s->empty);
    view_model_init(&s->vm);
    s->vm.cache = view_cache_new();
    s->vm.images = screen_images(s);
    init_buffers(s);
    snprintf(s->language, sizeof s->language, "%s", s->app->config.language);
    s->gate.arm_us = s->app->config.gate_arm_ms * 1000;
    s->gate.expire_us = s->app->config.gate_expire_min * 60000000;
    s->gate.confirm_hex_always = s->app->config.gate_confirm_hex;
    s->frame_timer = loop_add_timer(lp, on_frame, s);
    s->frame_idle = loop_add_idle(lp, on_frame, s);
    s->second_timer = loop_add_timer(lp, on_second, s);
    s->gate_timer = loop_add_timer(lp, on_gate_timer, s);
    s->settle_timer = loop_add_timer(lp, on_settled, s);
    s->toast_timer = loop_add_timer(lp, screen_toast_over, s);
    s->prewarm_timer = loop_add_timer(lp, on_prewarm, s);
    /* A replay leaves no trace of what was typed in it. */
    bool keeps = s->film == NULL && path_make_private_dir(s->app->paths.state_dir, &none) == 0;
    prompt_open(keeps ? history : NULL, screen_on_line, s);
    free(history);
    return screen_terminal_open(s, note, e);
}

static void screen_close(struct screen *s)
{
    struct loop *lp = s->app->loop;
    struct loop_source *const sources[] = { s->frame_timer,  s->frame_idle,   s->gate_timer,
                                            s->settle_timer, s->second_timer, s->toast_timer,
                                            s->prewarm_timer };
    screen_close_session(s);
    film_free(s->film);
    s->film = NULL;
    const struct sandbox_ops *ops = app_sandbox(s->app, NULL, NULL);
    if (ops != NULL && ops->prewarm_drop != NULL)
        ops->prewarm_drop();
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        loop_remove(lp, sources[i]);
    prompt_close();
    screen_terminal_close(s);
    screen_gate_release(s);
    screen_pictures_release(s);
    screen_saved_release(s);
    screen_list_release(s);
    screen_find_release(s);
    screen_doctor_stop(s);
    screen_page_release(s);
    screen_drop_candidates(s);
    view_cache_free(s->vm.cache);
    state_release(&s->empty);
    grid_release(&s->grid);
    struct buf *const all[] = { &s->toast,           &s->question,      &s->search,
                                &s->planner_status,  &s->contract_text, &s->state_text,
                                &s->attachment_text, &s->why_text,      &s->code_stream,
                                &s->prose_stream,    &s->block,         &s->mask_names };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_release(all[i]);
    free(s->draft);
    free(s->step_id);
    screen_drop_models(s);
    redact_stream_release(&s->code_filter);
    redact_stream_release(&s->prose_filter);
    free(s->query);
}

/* After the decision to leave: the last variables and the saved namespace are waited for, briefly.
 */
static bool may_go(struct screen *s)
{
    struct round *r = screen_round(s);
    if (!s->leaving)
        return false;
    if (r == NULL || s->failed.code != ERR_NONE || round_is_quiet(r) || !round_only_saving(r))
        return true;
    round_save_now(r);
    if (s->leave_by_us == 0)
        s->leave_by_us = clock_boot_us() + QUIT_WAIT_US;
    return clock_boot_us() >= s->leave_by_us;
}

static int begin(struct screen *s, const char *task, const char *resume, const char *list,
                 struct err *e)
{
    char planner[64];
    const char *word = s->app->opt.planner != NULL ? s->app->opt.planner : s->app->config.planner;
    const char *model = app_split_name(word, planner, sizeof planner);
    if (resume != NULL)
        return screen_open_session(s, resume, e);
    if (list != NULL) {
        s->vm.focus = PANE_TIMELINE;
        screen_list_sessions(s, list);
        return 0;
    }
    if (task == NULL && s->app->opt.planner == NULL) {
        screen_list_known(s); /* the files are looked at after the first paint */
        return 0;
    }
    if (screen_start_session(s, planner, model, e) < 0)
        return -1;
    if (task == NULL && model != NULL && !app_planner_asks_model(planner))
        task = model;
    return task != NULL ? round_task(screen_round(s), task, "person", e) : 0;
}

/* From the first paint to the last. */
static int turn_until_left(struct screen *s, const char *note, struct err *e)
{
    int rc = 0;
    if (note != NULL)
        screen_toast(s, TONE_INFO, "%s", note);
    s->dirty = DIRTY_ALL;
    draw(s);
    if (s->film == NULL)
        loop_arm_us(s->app->loop, s->prewarm_timer, PREWARM_US);
    while (rc == 0 && !may_go(s))
        rc = loop_turn(s->app->loop, s->leaving ? 50 : -1, e);
    return rc;
}

static int run(struct app *app, const char *task, const char *resume, const char *list)
{
    struct err e = ERR_INIT;
    struct screen *s = xcalloc(1, sizeof *s);
    const char *note = NULL;
    s->app = app;
    int rc = app_need_loop(app, &e);
    if (rc == 0)
        rc = screen_open(s, &note, &e);
    if (rc == 0)
        rc = begin(s, task, resume, list, &e);
    if (rc == 0)
        rc = turn_until_left(s, note, &e);
    int code = s->exit_code;
    screen_close(s);
    free(s);
    return rc < 0 ? app_fail(&e) : code;
}

int screen_watch(struct app *app, struct player *p, const struct screen_watch *how)
{
    struct err e = ERR_INIT;
    struct screen *s = xcalloc(1, sizeof *s);
    const char *note = NULL;
    s->app = app;
    int rc = app_need_loop(app, &e);
    if (rc == 0) {
        s->film = film_new(s, p, how);
        rc = screen_open(s, &note, &e);
    }
    if (rc == 0) {
        film_begin(s->film);
        rc = turn_until_left(s, note, &e);
    }
    int code = s->exit_code;
    screen_close(s);
    free(s);
    return rc < 0 ? app_fail(&e) : code;
}

int screen_run(struct app *app, const char *task, const char *resume)
{
    return run(app, task, resume, NULL);
}

int screen_run_list(struct app *app, const char *query)
{
    return run(app, NULL, NULL, query);
}
