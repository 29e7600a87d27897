/* cmd_replay.c - `airlock replay ID`: a recorded session again, from its record alone. The process
 * gives up processes, sockets and everything else a reader does not need before it reads the first
 * event. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/confine.h"
#include "cli/commands.h"
#include "cli/frame.h"
#include "cli/player.h"
#include "cli/saved.h"
#include "cli/screen.h"
#include "ui/image.h"
#include "ui/plain.h"
#include "ui/term.h"

/* ---- one way out: lines, events or frames ---- */

struct printer {
    struct player *player;
    struct text_stream streams[3];
    struct frames frames;
    struct output_source source;
    struct buf out;
    enum { PRINT_EVENTS, PRINT_PLAIN, PRINT_FRAMES } what;
    bool failed; /* nobody reads any more */
};

static void flush(struct printer *p)
{
    if (!p->failed && app_print(buf_str(&p->out), p->out.len) < 0)
        p->failed = true;
    buf_reset(&p->out);
}

static void put_rows(const char *attached, struct buf *rows)
{
    static const char between[] = { STATE_ROW_END, '\0' };
    for (const char *at = attached; *at != '\0';) {
        size_t n = strcspn(at, between);
        char *row = xstrndup(at, n);
        plain_gate_row(rows, row);
        free(row);
        at += n + (at[n] != '\0');
    }
}

/* As the live line mode shows it, when it was a person who was asked. */
static void put_gate(struct printer *p, const struct state *st)
{
    struct past_decision d;
    struct contract c;
    struct contract_enforcement en;
    struct err ignored = ERR_INIT;
    if (player_decision(p->player, &d) && strcmp(d.by, "person") != 0)
        return;
    struct buf rows = BUF_INIT((size_t)8 << 20);
    put_rows(st->gate.attached, &rows);
    if (past_gate_contract(st, &c, &en, &ignored) == 0)
        plain_gate(st, state_run_at(st, st->gate.run), &c, &en, &rows, "", &p->out);
    buf_release(&rows);
    contract_release(&c);
}

static void on_event(void *arg, const struct event *ev)
{
    struct printer *p = arg;
    const struct state *st = player_state(p->player);
    if (p->what == PRINT_EVENTS) {
        (void)event_print_jsonl(ev, player_id(p->player), &p->out);
    } else if (p->what == PRINT_FRAMES) {
        frames_add(&p->frames, st, &p->source);
    } else {
        plain_event(st, ev, p->streams, &p->out);
        if (ev->type == EVENT_GATE_OPENED && st->gate.open)
            put_gate(p, st);
    }
    if (p->out.len > ((size_t)1 << 16))
        flush(p);
}

/* ---- time ---- */

static void sleep_us(int64_t us)
{
    struct timespec left = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };
    while (us > 0 && nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

/* At the recorded pace, `quarters` quarters as fast. */
static int play_timed(struct printer *p, int64_t quarters, struct err *e)
{
    const struct replay *clock = player_clock(p->player);
    int rc = 0;
    for (uint64_t seq = player_seq(p->player) + 1; rc == 0 && !p->failed; seq++) {
        int64_t gap = replay_time_of(clock, seq) - replay_time_of(clock, seq - 1);
        if (seq > player_last(p->player))
            break;
        if (gap > 0)
            flush(p);
        sleep_us(gap * 4 / quarters);
        rc = player_play(p->player, seq, 0, on_event, p, e);
    }
    return rc;
}

static int play(struct printer *p, const char *speed, int64_t quarters, struct err *e)
{
    int rc = speed != NULL ? play_timed(p, quarters, e)
                           : player_play(p->player, player_last(p->player), 0, on_event, p, e);
    flush(p);
    if (rc == 0 && p->failed)
        rc = app_print_failed(e);
    if (rc == 0 && p->frames.failed.code != ERR_NONE) {
        *e = p->frames.failed;
        rc = -1;
    }
    return rc;
}

static int print_all(struct app *app, struct player *player, int64_t quarters, struct err *e)
{
    int w = 80, h = 24, rc = 0;
    struct printer p = { .player = player, .frames = { .fd = -1 } };
    p.source = store_output_source(player_store(player));
    p.what = app->opt.frames != NULL ? PRINT_FRAMES : app->opt.json ? PRINT_EVENTS : PRINT_PLAIN;
    buf_init(&p.out, (size_t)128 << 20);
    for (int i = 0; i < 3; i++)
        text_stream_init(&p.streams[i], TEXT_OUTPUT, false);
    if (app->opt.size != NULL)
        rc = frames_parse_size(app->opt.size, &w, &h, e);
    if (rc == 0 && p.what == PRINT_FRAMES)
        rc = frames_open(&p.frames, app->opt.frames, w, h, e);
    if (rc == 0)
        rc = play(&p, app->opt.speed, quarters, e);
    for (int i = 0; i < 3; i++)
        text_stream_release(&p.streams[i]);
    frames_close(&p.frames);
    buf_release(&p.out);
    return rc;
}

/* ---- what was asked for ---- */

/* "0.25" … "64" → quarters. */
static int parse_speed(const char *text, int64_t *quarters, struct err *e)
{
    char *end;
    double x = strtod(text, &end);
    if (*end != '\0' || end == text || !(x >= 0.25 && x <= 64))
        return err_set(e, ERR_USAGE, "--speed %.20s: it is 0.25 to 64", text);
    *quarters = (int64_t)(x * 4 + 0.5);
    return 0;
}

static int parse_idle(const char *text, int64_t *us, struct err *e)
{
    char *end;
    double x = strtod(text, &end);
    if (*end != '\0' || end == text || !(x >= 0 && x <= 3600))
        return err_set(e, ERR_USAGE, "--idle-cap %.20s: it is seconds, 0 to 3600", text);
    *us = (int64_t)(x * 1e6);
    return 0;
}

/* To the moment before the run was proposed; the state is at the end, so it knows the runs. */
static int go_to_start(struct player *p, const char *run, struct err *e)
{
    uint32_t number = run != NULL ? saved_find_run(player_state(p), run) : 0;
    if (run != NULL && number == 0)
        return err_set(e, ERR_USAGE, "session %s has no run '%.40s' (it has %zu)", player_id(p),
                       run, player_state(p)->run_count);
    uint64_t seq = number != 0 ? player_run_seq(p, number) : 0;
    return player_go(p, seq > 0 ? seq - 1 : 0, e);
}

/* Lines, events or frames instead of a screen? */
static bool prints(const struct app *app)
{
    const char *why;
    return app->opt.plain || app->opt.json || app->opt.frames != NULL || term_is_hopeless(&why);
}

static int count_picture(void *arg, const struct store_artifact *a)
{
    size_t *pictures = arg;
    *pictures += *pictures < IMAGE_POOL_MAX && image_is_shown(a->mime);
    return 0;
}

/* Who decodes the pictures must be there before processes are given up. How many there are is asked
 * of the store; no event is read for it, and no byte of theirs. */
static int make_decoders(struct player *p, struct err *e)
{
    size_t pictures = 0;
    if (store_each_artifact(player_store(p), 0, count_picture, &pictures, e) < 0)
        return -1;
    return image_pool_make(pictures, e);
}

static int replay(struct app *app, struct player *p, const char *run, int *code, struct err *e)
{
    int64_t quarters = 4;
    if (app->opt.speed != NULL && parse_speed(app->opt.speed, &quarters, e) < 0)
        return -1;
    if (!prints(app) && make_decoders(p, e) < 0)
        return -1;
    if (app->opt.frames == NULL) /* that file is opened later, wherever it is to lie */
        app_confine_replay(app);
    if (confine_to_reading(e) < 0)
        return -1;
    if (!prints(app)) {
        struct screen_watch how = { .run = app->opt.from != NULL ? app->opt.from : run,
                                    .quarters = quarters,
                                    .hides = app->opt.hide_decisions };
        *code = screen_watch(app, p, &how);
        return 0;
    }
    player_read(p, 0);
    if (go_to_start(p, app->opt.from != NULL ? app->opt.from : run, e) < 0)
        return -1;
    return print_all(app, p, quarters, e);
}

int cmd_replay(struct app *app)
{
    struct err e = ERR_INIT;
    struct player *p = NULL;
    char *id = NULL, *path = NULL;
    const char *run;
    int64_t idle_us = REPLAY_IDLE_US;
    int rc = 0, code = EXIT_OK;
    if (app->opt.arg_count != 1)
        rc = err_set(&e, ERR_USAGE, "replay takes ID or ID:RUN, such as last");
    if (rc == 0 && app->opt.idle_cap != NULL)
        rc = parse_idle(app->opt.idle_cap, &idle_us, &e);
    if (rc == 0)
        rc = saved_resolve(app, app->opt.args[0], &id, &path, &run, &e);
    if (rc == 0)
        rc = player_open(&p, id, path, idle_us, &e);
    if (rc == 0)
        rc = replay(app, p, run, &code, &e);
    if (rc == 0 && player_broken(p)->code != ERR_NONE) {
        e = *player_broken(p);
        rc = err_wrap(&e, "the record is whole only up to event %llu",
                      (unsigned long long)player_last(p));
    }
    player_free(p);
    free(id);
    free(path);
    return rc < 0 ? app_fail(&e) : code;
}
