/* screen_replay.c - playing, stopping, going about, and keeping back what was decided. */
#include "cli/screen_replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/bar_ticks.h"
#include "cli/pastgate.h"
#include "sessions/compare.h"
#include "sessions/mask.h"
#include "ui/plain.h"

#define READ_US          8000   /* of the record, in one turn */
#define PLAY_US          4000   /* of events, in one turn */
#define BAR_US           250000 /* the bar moves at least this often while playing */
#define LEAP_US          10000000
#define SPEED_MIN        1 /* quarters */
#define SPEED_MAX        256
#define COMPARE_MAX_RUNS 2000 /* looked at for the next difference, in one go */

struct film {
    struct screen *s;
    struct player *player;
    struct screen_watch how;
    struct loop_source *timer;
    bool ready, playing, hides, revealed;
    int64_t quarters;         /* speed */
    int64_t pos_us, since_us; /* playing time, and when (monotonic) it was that */
    struct past_gate gate;
    struct past_decision decision;
    bool has_decision;
    uint64_t looked_at; /* event for which the decision was looked up */
    char speed[32], reading[64];
    struct bar_ticks ticks;
    struct view_tick shown[BAR_TICKS_MAX];
};

static int64_t now_us(void)
{
    return clock_mono_us();
}

/* ---- what the views are told ---- */

const struct state *film_state(const struct film *f)
{
    return player_state(f->player);
}

struct store *film_store(const struct film *f)
{
    return player_store(f->player);
}

static void look_up_decision(struct film *f)
{
    uint64_t seq = player_seq(f->player);
    if (f->looked_at == seq)
        return;
    f->looked_at = seq;
    f->has_decision = player_decision(f->player, &f->decision);
}

static void speed_text(struct film *f)
{
    if (f->quarters % 4 == 0)
        snprintf(f->speed, sizeof f->speed, "%lldx", (long long)(f->quarters / 4));
    else
        snprintf(f->speed, sizeof f->speed, "%s",
                 f->quarters == 1   ? "0.25x"
                 : f->quarters == 2 ? "0.5x"
                                    : "0.75x");
}

void film_fill(struct film *f)
{
    struct view_model *vm = &f->s->vm;
    const struct state *st = film_state(f);
    const struct replay *clock = player_clock(f->player);
    struct view_replay *r = &vm->replay;
    *r = (struct view_replay){ .on = true, .speed = f->speed, .hides = f->hides };
    speed_text(f);
    vm->now_us = st->last_at_us;
    if (!f->ready) {
        snprintf(f->reading, sizeof f->reading, "reading the record, %d %%",
                 player_percent(f->player));
        r->reading = f->reading;
        return;
    }
    past_gate_fill(&f->gate, st, &vm->gate);
    r->tick_count =
        bar_ticks_show(&f->ticks, clock, f->hides ? player_seq(f->player) : UINT64_MAX, f->shown);
    look_up_decision(f);
    r->playing = f->playing;
    r->pos_us = f->pos_us;
    r->total_us = clock->total_us;
    r->seq = player_seq(f->player);
    r->last = player_last(f->player);
    r->ticks = f->shown;
    r->decision =
        st->gate.open && f->has_decision && (!f->hides || f->revealed) ? f->decision.text : NULL;
}

/* ---- after the state moved ---- */

static void moved(struct film *f)
{
    struct screen *s = f->s;
    if (s->vm.focus == PANE_GATE && !film_state(f)->gate.open)
        s->vm.focus = PANE_CODE;
    screen_changed(s);
}

/* A jump: what was looked at belongs to another moment. */
static void moved_far(struct film *f)
{
    struct view_model *vm = &f->s->vm;
    f->revealed = false;
    vm->run = vm->base = 0;
    vm->show_result = false;
    vm->diff_code = vm->diff_output = VIEW_DIFF_AUTO;
    vm->select.pane = PANE_PROMPT;
    for (int p = 0; p < PANE_COUNT; p++)
        vm->scroll[p] = (struct view_scroll){ .selected = -1 };
    vm->scroll[PANE_OUT].follow = vm->scroll[PANE_ERR].follow = true;
    vm->scroll[PANE_NOTES].follow = true;
    moved(f);
}

static void on_event(void *arg, const struct event *ev)
{
    struct film *f = arg;
    screen_follow_event(f->s, ev);
    if (ev->type == EVENT_GATE_DECIDED)
        screen_toast(f->s, TONE_INFO, "run %u: %s by %s", ev->run,
                     plain_decided_word(json_get_str(ev->body, "decision", "?")),
                     json_get_str(ev->body, "by", "?"));
    if (ev->type == EVENT_GATE_OPENED)
        f->revealed = false;
}

/* The record changed under us: what can be shown stays, nothing moves any more. */
static void give_up(struct film *f, const struct err *e)
{
    f->playing = false;
    loop_arm_us(f->s->app->loop, f->timer, -1);
    screen_fail(f->s, e);
}

static void stop(struct film *f)
{
    f->playing = false;
    loop_arm_us(f->s->app->loop, f->timer, -1);
    screen_changed(f->s);
}

/* ---- playing ---- */

/* Playing stops before a decision that is kept back. */
static uint64_t play_limit(const struct film *f)
{
    const struct replay *clock = player_clock(f->player);
    const struct replay_mark *m =
        f->hides ? replay_find(clock, 1u << REPLAY_GATE, player_seq(f->player), 1) : NULL;
    return m != NULL ? m->seq : player_last(f->player);
}

static void arm_next(struct film *f)
{
    const struct replay *clock = player_clock(f->player);
    int64_t next = replay_time_of(clock, player_seq(f->player) + 1) - f->pos_us;
    int64_t wait = next > 0 ? next * 4 / f->quarters : 0;
    wait = wait < FRAME_US ? FRAME_US : wait > BAR_US ? BAR_US : wait;
    loop_arm_us(f->s->app->loop, f->timer, wait);
}

static void play_on(struct film *f)
{
    const struct replay *clock = player_clock(f->player);
    struct err e = ERR_INIT;
    int64_t now = now_us(), at = f->pos_us + (now - f->since_us) * f->quarters / 4;
    uint64_t limit = play_limit(f), to = replay_seq_at(clock, at);
    to = to < limit ? to : limit;
    if (to > player_seq(f->player) && player_play(f->player, to, PLAY_US, on_event, f, &e) < 0) {
        give_up(f, &e);
        return;
    }
    bool behind = player_seq(f->player) < to, over = player_seq(f->player) >= limit;
    f->pos_us = behind || over ? replay_time_of(clock, player_seq(f->player)) : at;
    f->since_us = now;
    if (over)
        stop(f);
    else if (behind)
        loop_arm_us(f->s->app->loop, f->timer, 0);
    else
        arm_next(f);
    moved(f);
}

static void play(struct film *f)
{
    if (player_seq(f->player) >= player_last(f->player)) {
        screen_toast(f->s, TONE_INFO, "this is the end; [ or ( goes back");
        return;
    }
    f->playing = true;
    f->since_us = now_us();
    /* Out of a kept back gate at once: its time to the decision was spent looking. */
    if (film_state(f)->gate.open && f->hides)
        f->pos_us = replay_time_of(player_clock(f->player), player_seq(f->player) + 1);
    arm_next(f);
    screen_changed(f->s);
}

/* ---- going about ---- */

static void go(struct film *f, uint64_t seq)
{
    struct err e = ERR_INIT;
    bool step = seq == player_seq(f->player) + 1;
    int rc = step ? player_play(f->player, seq, 0, on_event, f, &e) : player_go(f->player, seq, &e);
    if (rc < 0) {
        give_up(f, &e);
        return;
    }
    if (!step)
        screen_toast_over(f->s); /* it was of another moment */
    f->pos_us = replay_time_of(player_clock(f->player), player_seq(f->player));
    f->since_us = now_us();
    if (step)
        moved(f);
    else
        moved_far(f);
    if (f->playing)
        arm_next(f);
}

static void go_to_time(struct film *f, int64_t us)
{
    const struct replay *clock = player_clock(f->player);
    us = us < 0 ? 0 : us > clock->total_us ? clock->total_us : us;
    go(f, replay_seq_at(clock, us));
    f->pos_us = us;
}

static void go_to_mark(struct film *f, enum replay_kind kind, int dir)
{
    const struct replay_mark *m =
        replay_find(player_clock(f->player), 1u << kind, player_seq(f->player), dir);
    if (m != NULL)
        go(f, m->seq);
    else
        screen_toast(f->s, TONE_INFO, "no %s %s this moment", replay_kind_name(kind),
                     dir > 0 ? "after" : "before");
}

/* Do the outputs of two runs differ, when the masks of the screen are laid over them? */
static bool outputs_differ(struct film *f, const struct replay_mark *m)
{
    const struct compare_how how = { .masks = f->s->masks };
    bool differs = false;
    for (unsigned stream = STREAM_STDOUT; !differs && stream <= STREAM_STDERR; stream++) {
        struct compare_stream a = { film_store(f), m->base, stream },
                              b = { film_store(f), m->run, stream };
        struct compare_source from = compare_stream_source(&a), to = compare_stream_source(&b);
        struct compare c;
        struct err e = ERR_INIT;
        int rc = compare_sources(&c, &from, &to, &how, &e);
        differs = rc < 0 || c.verdict == COMPARE_DIFFERS;
        compare_release(&c);
    }
    return differs;
}

static void go_to_difference(struct film *f, int dir)
{
    const struct replay *clock = player_clock(f->player);
    const struct replay_mark *m = NULL;
    uint64_t seq = player_seq(f->player);
    for (int n = 0; n < COMPARE_MAX_RUNS; n++) {
        m = replay_find(clock, 1u << REPLAY_DIFFERENCE, seq, dir);
        if (m == NULL || outputs_differ(f, m))
            break;
        seq = m->seq;
    }
    if (m == NULL) {
        screen_toast(f->s, TONE_INFO, "no run %s this moment differs from its attempt before",
                     dir > 0 ? "after" : "before");
        return;
    }
    go(f, m->seq);
    f->s->vm.diff_output = VIEW_DIFF_ON;
    screen_toast(f->s, TONE_INFO, "run %u has other output than run %u", m->run, m->base);
}

/* "50%", "1:30", "#120", "run 3" */
static void seek(struct film *f, const char *words)
{
    const struct replay *clock = player_clock(f->player);
    const char *run = strncmp(words, "run ", 4) == 0 ? words + 4 : NULL;
    char *end;
    unsigned long long n = strtoull(words + (words[0] == '#'), &end, 10);
    char *second_end = end;
    long second = *end == ':' ? strtol(end + 1, &second_end, 10) : 0;
    if (run != NULL) {
        n = strtoull(run, &end, 10);
        uint64_t seq = *end == '\0' && n <= UINT32_MAX ? player_run_seq(f->player, (uint32_t)n) : 0;
        if (seq == 0)
            screen_toast(f->s, TONE_INFO, "there is no run %s", run);
        else
            go(f, seq);
    } else if (words[0] == '#' && *end == '\0' && end != words + 1) {
        go(f, n);
    } else if (end != words && strcmp(end, "%") == 0 && n <= 100) {
        go_to_time(f, clock->total_us * (int64_t)n / 100);
    } else if (end != words && second_end > end + 1 && *second_end == '\0' && second >= 0 &&
               second < 60 && n < 100000) {
        go_to_time(f, ((int64_t)n * 60 + second) * 1000000);
    } else {
        screen_toast(f->s, TONE_INFO, "seek takes 50%%, 1:30, #EVENT or run N");
    }
}

/* ---- speed, cap, hiding ---- */

static void set_speed(struct film *f, bool faster)
{
    int64_t to = faster ? f->quarters * 2 : f->quarters / 2;
    int64_t now = now_us();
    if (f->playing)
        f->pos_us += (now - f->since_us) * f->quarters / 4;
    f->since_us = now;
    f->quarters = to < SPEED_MIN ? SPEED_MIN : to > SPEED_MAX ? SPEED_MAX : to;
    if (f->playing)
        arm_next(f);
}

static void set_idle(struct film *f, const char *words)
{
    char *end;
    double x = strtod(words, &end);
    if (end == words || *end != '\0' || !(x >= 0 && x <= 3600)) {
        screen_toast(f->s, TONE_INFO, "idle-cap takes seconds, 0 to 3600");
        return;
    }
    replay_set_idle(player_clock(f->player), (int64_t)(x * 1e6));
    f->ticks.made = false;
    f->pos_us = replay_time_of(player_clock(f->player), player_seq(f->player));
    f->since_us = now_us();
}

static void hide(struct film *f)
{
    f->hides = !f->hides;
    f->revealed = false;
    screen_toast(f->s, TONE_INFO,
                 f->hides ? "stops at each gate; what was decided is shown on Enter"
                          : "what was decided is shown with its gate");
}

static void reveal(struct film *f)
{
    if (!film_state(f)->gate.open)
        screen_toast(f->s, TONE_INFO, "no gate is open at this moment");
    else if (!f->has_decision)
        screen_toast(f->s, TONE_INFO, "the record ends before a decision");
    f->revealed = true;
}

/* ---- reading, life ---- */

static void say_where_it_stops(struct film *f)
{
    const struct err *e = player_broken(f->player);
    if (e->code != ERR_NONE)
        screen_toast(f->s, TONE_BAD, "the record is whole only up to event %llu: %s",
                     (unsigned long long)player_last(f->player), e->msg);
    else if (store_is_live(film_store(f)))
        screen_toast(f->s, TONE_INFO, "the session is live: this is it as of event %llu",
                     (unsigned long long)player_last(f->player));
}

/* To the moment the run was proposed, or to the first event. */
static void first_moment(struct film *f)
{
    uint32_t run = f->how.run != NULL ? saved_find_run(film_state(f), f->how.run) : 0;
    uint64_t seq = run != 0 ? player_run_seq(f->player, run) : 1;
    if (f->how.run != NULL && run == 0)
        screen_toast(f->s, TONE_INFO, "there is no run %.40s: from the beginning", f->how.run);
    go(f, seq > 0 ? seq : 1);
}

static void on_timer(void *arg)
{
    struct film *f = arg;
    if (f->ready) {
        play_on(f);
        return;
    }
    if (!player_read(f->player, READ_US)) {
        loop_arm_us(f->s->app->loop, f->timer, 0);
        screen_changed(f->s);
        return;
    }
    f->ready = true;
    first_moment(f);
    say_where_it_stops(f);
    if (player_last(f->player) > 1)
        play(f);
}

struct film *film_new(struct screen *s, struct player *p, const struct screen_watch *how)
{
    struct film *f = xcalloc(1, sizeof *f);
    f->s = s;
    f->player = p;
    f->how = *how;
    f->hides = how->hides;
    f->quarters = how->quarters;
    f->timer = loop_add_timer(s->app->loop, on_timer, f);
    past_gate_init(&f->gate);
    return f;
}

void film_begin(struct film *f)
{
    struct view_model *vm = &f->s->vm;
    vm->screen = SCREEN_SESSION;
    vm->focus = PANE_CODE;
    vm->source = store_output_source(film_store(f));
    on_timer(f); /* most records are read before the first paint */
}

void film_free(struct film *f)
{
    if (f == NULL)
        return;
    loop_remove(f->s->app->loop, f->timer);
    past_gate_release(&f->gate);
    free(f);
}

/* ---- keys and commands ---- */

static void do_own(struct film *f, enum keymap_command cmd, const char *args)
{
    const struct replay *clock = player_clock(f->player);
    switch (cmd) {
    case CMD_PLAY:
        if (f->playing)
            stop(f);
        else
            play(f);
        break;
    case CMD_NEXT_EVENT:
    case CMD_PREV_EVENT: {
        uint64_t seq = player_seq(f->player);
        stop(f);
        if (cmd == CMD_NEXT_EVENT || seq > 1)
            go(f, cmd == CMD_NEXT_EVENT ? seq + 1 : seq - 1);
        break;
    }
    case CMD_NEXT_RUN:
    case CMD_PREV_RUN:
        go_to_mark(f, REPLAY_RUN, cmd == CMD_NEXT_RUN ? 1 : -1);
        break;
    case CMD_NEXT_GATE:
    case CMD_PREV_GATE:
        go_to_mark(f, REPLAY_GATE, cmd == CMD_NEXT_GATE ? 1 : -1);
        break;
    case CMD_NEXT_FAILURE:
    case CMD_PREV_FAILURE:
        go_to_mark(f, REPLAY_FAILURE, cmd == CMD_NEXT_FAILURE ? 1 : -1);
        break;
    case CMD_NEXT_HIGH:
    case CMD_PREV_HIGH:
        go_to_mark(f, REPLAY_HIGH, cmd == CMD_NEXT_HIGH ? 1 : -1);
        break;
    case CMD_NEXT_DIFFERENCE:
    case CMD_PREV_DIFFERENCE:
        go_to_difference(f, cmd == CMD_NEXT_DIFFERENCE ? 1 : -1);
        break;
    case CMD_FASTER:
    case CMD_SLOWER:
        set_speed(f, cmd == CMD_FASTER);
        break;
    case CMD_REWIND:
        go_to_time(f, f->pos_us - LEAP_US);
        break;
    case CMD_FORWARD:
        go_to_time(f,
                   clock->total_us < f->pos_us + LEAP_US ? clock->total_us : f->pos_us + LEAP_US);
        break;
    case CMD_SEEK:
        seek(f, args);
        break;
    case CMD_IDLE_CAP:
        set_idle(f, args);
        break;
    case CMD_HIDE:
        hide(f);
        break;
    case CMD_REVEAL:
        reveal(f);
        break;
    default:
        screen_leave(f->s, 0);
        break;
    }
}

bool film_do(struct film *f, enum keymap_command cmd, const char *args)
{
    if (film_owns(cmd) && f->ready) {
        do_own(f, cmd, args);
        screen_changed(f->s);
        return true;
    }
    if (cmd == CMD_LEAVE_REPLAY || cmd == CMD_QUIT) {
        screen_leave(f->s, 0);
        return true;
    }
    if (cmd == CMD_FOCUS_GATE && film_state(f)->gate.open) {
        f->s->vm.focus = PANE_GATE;
        return true;
    }
    if (film_owns(cmd))
        screen_toast(f->s, TONE_INFO, "the record is still being read");
    else if (!film_looks(cmd))
        film_refuse(f->s);
    else
        return false;
    return true;
}

bool film_key(struct film *f, const struct key_event *ev)
{
    const struct keymap_entry *k = keymap_find_key(KEYMAP_IN_REPLAY, ev->key);
    if (f->s->vm.screen == SCREEN_HELP || f->s->vm.focus == PANE_PROMPT || k == NULL ||
        !film_owns(k->id))
        return false;
    return film_do(f, k->id, "");
}

bool film_click(struct film *f, int x, int y)
{
    const struct screen *s = f->s;
    int part = view_bar_at(film_state(f), &s->vm, s->grid.w, s->grid.h, x, y);
    if (part < 0 || !f->ready)
        return false;
    go_to_time(f, player_clock(f->player)->total_us * part / VIEW_BAR_PARTS);
    return true;
}
