/* seams.c - see seams.h. */
#include "gate/seams.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

struct world world;
enum broken broken;

#define WRAP(f) __wrap_##f
#define REAL(f) __real_##f

/* ---- clock ---- */
int64_t WRAP(clock_boot_us)(void);
int64_t WRAP(clock_mono_us)(void);
int64_t WRAP(clock_wall_us)(void);
int64_t WRAP(clock_cpu_us)(void);
int64_t WRAP(clock_boot_us)(void)
{
    return world.now_us;
}
int64_t WRAP(clock_mono_us)(void)
{
    return world.now_us;
}
int64_t WRAP(clock_wall_us)(void)
{
    return SCENE_BEGIN_US + world.now_us;
}
int64_t WRAP(clock_cpu_us)(void)
{
    return 0;
}

/* ---- loop ---- */
#define SOURCES_MAX 64
struct loop {
    struct loop_source {
        enum { FREE, TTY, TIMER, IDLE } kind;
        loop_fd_fn on_fd;
        loop_timer_fn fn;
        void *arg;
        int64_t due_us;
        bool woken;
    } sources[SOURCES_MAX];
    loop_signal_fn on_signal;
    void *signal_arg;
};
static struct loop the_loop;

int WRAP(loop_new)(struct loop **out, struct err *e);
int WRAP(loop_add_fd)(struct loop *lp, int fd, unsigned events, enum loop_priority pri,
                      loop_fd_fn fn, void *arg, struct loop_source **out, struct err *e);
struct loop_source *WRAP(loop_add_timer)(struct loop *lp, loop_timer_fn fn, void *arg);
struct loop_source *WRAP(loop_add_idle)(struct loop *lp, loop_timer_fn fn, void *arg);
void WRAP(loop_arm_us)(struct loop *lp, struct loop_source *s, int64_t delay_us);
void WRAP(loop_wake_idle)(struct loop *lp, struct loop_source *s);
void WRAP(loop_remove)(struct loop *lp, struct loop_source *s);
int WRAP(loop_watch_signals)(struct loop *lp, const sigset_t *set, loop_signal_fn fn, void *arg,
                             struct err *e);
int WRAP(loop_turn)(struct loop *lp, int timeout_ms, struct err *e);

int WRAP(loop_new)(struct loop **out, struct err *e)
{
    (void)e;
    memset(&the_loop, 0, sizeof the_loop);
    *out = &the_loop;
    return 0;
}

static struct loop_source *take_source(void)
{
    for (size_t i = 0; i < SOURCES_MAX; i++) {
        if (the_loop.sources[i].kind == FREE)
            return &the_loop.sources[i];
    }
    abort();
}

int WRAP(loop_add_fd)(struct loop *lp, int fd, unsigned events, enum loop_priority pri,
                      loop_fd_fn fn, void *arg, struct loop_source **out, struct err *e)
{
    struct loop_source *s = take_source();
    INVARIANT(lp == &the_loop && fd == STDIN_FILENO && pri == LOOP_FIRST && events == LOOP_READ);
    (void)e;
    *s = (struct loop_source){ .kind = TTY, .on_fd = fn, .arg = arg };
    world.screen = arg;
    *out = s;
    return 0;
}

struct loop_source *WRAP(loop_add_timer)(struct loop *lp, loop_timer_fn fn, void *arg)
{
    struct loop_source *s = take_source();
    (void)lp;
    *s = (struct loop_source){ .kind = TIMER, .fn = fn, .arg = arg, .due_us = -1 };
    return s;
}

struct loop_source *WRAP(loop_add_idle)(struct loop *lp, loop_timer_fn fn, void *arg)
{
    struct loop_source *s = take_source();
    (void)lp;
    *s = (struct loop_source){ .kind = IDLE, .fn = fn, .arg = arg };
    return s;
}

void WRAP(loop_arm_us)(struct loop *lp, struct loop_source *s, int64_t delay_us)
{
    (void)lp;
    s->due_us = delay_us < 0 ? -1 : world.now_us + delay_us;
}

void WRAP(loop_wake_idle)(struct loop *lp, struct loop_source *s)
{
    (void)lp;
    s->woken = true;
}

void WRAP(loop_remove)(struct loop *lp, struct loop_source *s)
{
    (void)lp;
    if (s != NULL)
        memset(s, 0, sizeof *s);
}

int WRAP(loop_watch_signals)(struct loop *lp, const sigset_t *set, loop_signal_fn fn, void *arg,
                             struct err *e)
{
    (void)set;
    (void)e;
    lp->on_signal = fn;
    lp->signal_arg = arg;
    return 0;
}

int WRAP(loop_turn)(struct loop *lp, int timeout_ms, struct err *e)
{
    (void)lp;
    (void)timeout_ms;
    (void)e;
    if (!next_step())
        screen_leave(world.screen, 0);
    return 0;
}

int64_t world_timer_due(void)
{
    int64_t due = -1;
    for (size_t i = 0; i < SOURCES_MAX; i++) {
        const struct loop_source *s = &the_loop.sources[i];
        if (s->kind == TIMER && s->due_us >= 0 && (due < 0 || s->due_us < due))
            due = s->due_us;
    }
    return due;
}

static void turn_tty(void)
{
    for (size_t i = 0; i < SOURCES_MAX; i++) {
        struct loop_source *s = &the_loop.sources[i];
        if (s->kind == TTY && (world.waiting_len > 0 || world.at_eof))
            s->on_fd(s->arg, STDIN_FILENO, LOOP_READ);
    }
}

static void turn_signals(void)
{
    static const int known[] = { SIGWINCH, SIGCONT, SIGHUP, SIGTERM };
    unsigned now = world.signals;
    world.signals = 0;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        struct gate before = world.screen->gate;
        if (now & (1u << known[i]))
            the_loop.on_signal(the_loop.signal_arg, known[i]);
        if (broken == BREAK_SIGNALS && world.screen->gate.open) {
            world.screen->gate.painted = before.painted;
            world.screen->gate.quiet_since_us = before.quiet_since_us;
            world.screen->gate.armed = before.armed;
        }
    }
}

void world_turn(bool signals_first)
{
    if (signals_first)
        turn_signals();
    turn_tty();
    if (!signals_first)
        turn_signals();
    for (size_t i = 0; i < SOURCES_MAX; i++) {
        struct loop_source *s = &the_loop.sources[i];
        if (s->kind == TIMER && s->due_us >= 0 && s->due_us <= world.now_us) {
            s->due_us = -1;
            s->fn(s->arg);
        }
    }
    for (size_t i = 0; i < SOURCES_MAX; i++) {
        struct loop_source *s = &the_loop.sources[i];
        if (s->kind == IDLE && s->woken) {
            s->woken = false;
            s->fn(s->arg);
        }
    }
}

/* ---- terminal ---- */
struct term {
    bool suspended, all_new;
    int w, h;
};
static struct term the_term;

ssize_t WRAP(read)(int fd, void *p, size_t len);
ssize_t REAL(read)(int fd, void *p, size_t len);
int WRAP(raise)(int signo);
int WRAP(term_open)(struct term **out, const struct term_options *opt, const char **note,
                    struct err *e);
void WRAP(term_close)(struct term *t);
int WRAP(term_colors)(const struct term *t);
bool WRAP(term_is_utf8)(const struct term *t);
void WRAP(term_size)(const struct term *t, int *w, int *h);
bool WRAP(term_resized)(struct term *t);
bool WRAP(term_draw)(struct term *t, const struct grid *g, const struct theme *theme, int x, int y);
bool WRAP(term_draw_from)(struct term *t, const struct grid *g, const struct theme *theme, int from,
                          int x, int y);
void WRAP(term_redraw)(struct term *t);
void WRAP(term_suspend)(struct term *t);
void WRAP(term_resume)(struct term *t);
void WRAP(term_flush_input)(struct term *t);
bool WRAP(term_input_waits)(const struct term *t);

ssize_t WRAP(read)(int fd, void *p, size_t len)
{
    if (fd != STDIN_FILENO)
        return REAL(read)(fd, p, len);
    size_t n = world.waiting_len < len ? world.waiting_len : len;
    memcpy(p, world.waiting, n);
    memmove(world.waiting, world.waiting + n, world.waiting_len - n);
    world.waiting_len -= n;
    return (ssize_t)n;
}

int WRAP(raise)(int signo)
{
    INVARIANT(signo == SIGTSTP);
    told_stop();
    return 0;
}

int WRAP(term_open)(struct term **out, const struct term_options *opt, const char **note,
                    struct err *e)
{
    (void)opt;
    (void)e;
    *note = NULL;
    the_term = (struct term){ .w = world.w, .h = world.h };
    *out = &the_term;
    return 0;
}

void WRAP(term_close)(struct term *t)
{
    (void)t;
}

int WRAP(term_colors)(const struct term *t)
{
    (void)t;
    return 256;
}

bool WRAP(term_is_utf8)(const struct term *t)
{
    (void)t;
    return true;
}

void WRAP(term_size)(const struct term *t, int *w, int *h)
{
    *w = t->w;
    *h = t->h;
}

bool WRAP(term_resized)(struct term *t)
{
    bool other = t->w != world.w || t->h != world.h;
    t->w = world.w;
    t->h = world.h;
    return other;
}

bool WRAP(term_draw)(struct term *t, const struct grid *g, const struct theme *theme, int x, int y)
{
    (void)theme;
    (void)x;
    (void)y;
    if (t->suspended || g->w != t->w || g->h != t->h)
        return false;
    told_frame(g);
    return true;
}

bool WRAP(term_draw_from)(struct term *t, const struct grid *g, const struct theme *theme, int from,
                          int x, int y)
{
    (void)from;
    return WRAP(term_draw)(t, g, theme, x, y);
}

void WRAP(term_redraw)(struct term *t)
{
    t->all_new = true;
}

void WRAP(term_suspend)(struct term *t)
{
    t->suspended = true;
}

void WRAP(term_resume)(struct term *t)
{
    t->suspended = false;
    (void)WRAP(term_resized)(t); /* as the real one does */
}

void WRAP(term_flush_input)(struct term *t)
{
    (void)t;
    world.waiting_len = 0;
    told_flush();
}

bool WRAP(term_input_waits)(const struct term *t)
{
    (void)t;
    return world.waiting_len > 0 || world.at_eof;
}

/* ---- the session and its round ---- */
int WRAP(session_create)(struct session **out, struct app *app, const struct session_spec *spec,
                         const struct session_listener *l, struct err *e);
void WRAP(session_close)(struct session *s);
struct round *WRAP(session_round)(struct session *s);
struct state *WRAP(session_state)(struct session *s);
struct store *WRAP(session_store)(struct session *s);
struct output_source WRAP(session_output)(struct session *s);
int WRAP(round_decide)(struct round *r, const struct round_decide *d, struct err *e);
int WRAP(round_edit)(struct round *r, const char *code, size_t len, const char *expect,
                     struct err *e);
const struct capsule *WRAP(round_gate_capsule)(const struct round *r);
const struct contract *WRAP(round_contract)(const struct round *r);
const struct contract_enforcement *WRAP(round_enforcement)(const struct round *r);
bool WRAP(round_is_quiet)(const struct round *r);
bool WRAP(round_only_saving)(const struct round *r);
bool WRAP(round_model)(const struct round *r, struct planner_context_sum *out);
unsigned WRAP(round_queued)(const struct round *r);
void WRAP(round_interrupt)(struct round *r);
void WRAP(round_kill_sandbox)(struct round *r);
void WRAP(round_end_lease)(struct round *r, const char *why);
const char *WRAP(round_no_dry_run)(const struct round *r);
const char *WRAP(round_no_lease)(const struct round *r, char *room, size_t size);
int WRAP(round_grant_lease)(struct round *r, const struct round_lease *l, struct err *e);
int WRAP(round_task)(struct round *r, const char *text, const char *author, struct err *e);
int WRAP(round_note)(struct round *r, const char *text, const char *author, struct err *e);
int WRAP(round_own_code)(struct round *r, const struct round_own *own, struct err *e);
int WRAP(round_complete)(struct round *r, const char *language, const char *text, size_t cursor,
                         uint64_t token, struct err *e);
const struct sandbox_ops *WRAP(sandbox_find)(const char *name);
const struct sandbox_ops *WRAP(sandbox_choose)(const char *name, const char *image, struct err *e);

static char a_session, a_round; /* their addresses: nobody looks inside */

int WRAP(session_create)(struct session **out, struct app *app, const struct session_spec *spec,
                         const struct session_listener *l, struct err *e)
{
    (void)app;
    (void)spec;
    (void)l;
    (void)e;
    *out = (struct session *)(void *)&a_session;
    return 0;
}

void WRAP(session_close)(struct session *s)
{
    (void)s;
}

struct round *WRAP(session_round)(struct session *s)
{
    (void)s;
    return (struct round *)(void *)&a_round;
}

struct state *WRAP(session_state)(struct session *s)
{
    (void)s;
    return &world.scene->st;
}

struct store *WRAP(session_store)(struct session *s)
{
    (void)s;
    return NULL;
}

struct output_source WRAP(session_output)(struct session *s)
{
    (void)s;
    return (struct output_source){ 0 };
}

int WRAP(round_decide)(struct round *r, const struct round_decide *d, struct err *e)
{
    struct round_decide other = *d;
    (void)r;
    (void)e;
    if (broken == BREAK_CAPSULE)
        other.capsule = SCENE_CAPSULE_1;
    return told_decide(&other);
}

int WRAP(round_edit)(struct round *r, const char *code, size_t len, const char *expect,
                     struct err *e)
{
    (void)r;
    (void)code;
    (void)len;
    (void)expect;
    (void)e;
    told_edit();
    return 0;
}

const struct capsule *WRAP(round_gate_capsule)(const struct round *r)
{
    (void)r;
    return world.capsule;
}

const struct contract *WRAP(round_contract)(const struct round *r)
{
    (void)r;
    return &world.contract;
}

const struct contract_enforcement *WRAP(round_enforcement)(const struct round *r)
{
    static const struct contract_enforcement none;
    (void)r;
    return &none;
}

bool WRAP(round_is_quiet)(const struct round *r)
{
    (void)r;
    return true;
}

bool WRAP(round_only_saving)(const struct round *r)
{
    (void)r;
    return true;
}

bool WRAP(round_model)(const struct round *r, struct planner_context_sum *out)
{
    (void)r;
    (void)out;
    return false;
}

unsigned WRAP(round_queued)(const struct round *r)
{
    (void)r;
    return 0;
}

void WRAP(round_interrupt)(struct round *r)
{
    (void)r;
}

void WRAP(round_kill_sandbox)(struct round *r)
{
    (void)r;
}

void WRAP(round_end_lease)(struct round *r, const char *why)
{
    (void)r;
    (void)why;
}

const char *WRAP(round_no_dry_run)(const struct round *r)
{
    (void)r;
    return NULL;
}

const char *WRAP(round_no_lease)(const struct round *r, char *room, size_t size)
{
    (void)r;
    (void)room;
    (void)size;
    return NULL;
}

int WRAP(round_grant_lease)(struct round *r, const struct round_lease *l, struct err *e)
{
    (void)r;
    (void)l;
    return err_set(e, ERR_USAGE, "no lease in the harness");
}

int WRAP(round_task)(struct round *r, const char *text, const char *author, struct err *e)
{
    (void)r;
    (void)text;
    (void)author;
    (void)e;
    return 0;
}

int WRAP(round_note)(struct round *r, const char *text, const char *author, struct err *e)
{
    return WRAP(round_task)(r, text, author, e);
}

int WRAP(round_own_code)(struct round *r, const struct round_own *own, struct err *e)
{
    (void)own;
    return WRAP(round_task)(r, "", "", e);
}

int WRAP(round_complete)(struct round *r, const char *language, const char *text, size_t cursor,
                         uint64_t token, struct err *e)
{
    (void)language;
    (void)cursor;
    (void)token;
    return WRAP(round_task)(r, text, "", e);
}

const struct sandbox_ops *WRAP(sandbox_find)(const char *name)
{
    static const struct sandbox_ops ops = { .name = "local", .isolation = "of the harness" };
    (void)name;
    return &ops;
}

const struct sandbox_ops *WRAP(sandbox_choose)(const char *name, const char *image, struct err *e)
{
    (void)image, (void)e;
    return WRAP(sandbox_find)(name);
}

/* ---- doors of the screen that lead elsewhere: files, other programs, other sessions ---- */
void WRAP(screen_command)(struct screen *s, const char *line);
void WRAP(screen_list_sessions)(struct screen *s, const char *query);
void WRAP(screen_find)(struct screen *s, const char *words);
void WRAP(screen_save_result)(struct screen *s, const char *path);
void WRAP(screen_copy)(struct screen *s);
void WRAP(screen_write_code)(struct screen *s, const char *language);
void WRAP(screen_tab)(struct screen *s);
void WRAP(screen_step_key)(struct screen *s, enum keymap_command cmd);
int WRAP(screen_edit_text)(struct screen *s, const char *name, const char *text, size_t len,
                           struct buf *out, struct err *e);

void WRAP(screen_command)(struct screen *s, const char *line)
{
    (void)s;
    (void)line;
}

void WRAP(screen_list_sessions)(struct screen *s, const char *query)
{
    (void)s;
    (void)query;
}

void WRAP(screen_find)(struct screen *s, const char *words)
{
    (void)s;
    (void)words;
}

void WRAP(screen_save_result)(struct screen *s, const char *path)
{
    (void)s;
    (void)path;
}

void WRAP(screen_copy)(struct screen *s)
{
    (void)s;
}

void WRAP(screen_write_code)(struct screen *s, const char *language)
{
    (void)language;
    (void)s;
}

void WRAP(screen_tab)(struct screen *s)
{
    (void)s;
}

void WRAP(screen_step_key)(struct screen *s, enum keymap_command cmd)
{
    (void)s;
    (void)cmd;
}

int WRAP(screen_edit_text)(struct screen *s, const char *name, const char *text, size_t len,
                           struct buf *out, struct err *e)
{
    (void)s;
    (void)name;
    return buf_add(out, text, len) < 0 ? err_set(e, ERR_LIMIT, "too long") : 0;
}

/* ---- faults on purpose ---- */
void WRAP(gate_painted)(struct gate *g, size_t first, size_t count, int64_t now_us);
void REAL(gate_painted)(struct gate *g, size_t first, size_t count, int64_t now_us);
enum gate_action WRAP(gate_key)(struct gate *g, enum gate_key_kind kind, uint32_t ch, int64_t us);
enum gate_action REAL(gate_key)(struct gate *g, enum gate_key_kind kind, uint32_t ch, int64_t us);
void WRAP(key_feed)(struct key_decoder *d, const char *p, size_t len, int64_t now_us, key_sink fn,
                    void *arg);
void REAL(key_feed)(struct key_decoder *d, const char *p, size_t len, int64_t now_us, key_sink fn,
                    void *arg);

void WRAP(gate_painted)(struct gate *g, size_t first, size_t count, int64_t now_us)
{
    if (broken == BREAK_COVERAGE) {
        first = 0;
        count = g->line_count;
    }
    REAL(gate_painted)(g, first, count, now_us);
}

enum gate_action WRAP(gate_key)(struct gate *g, enum gate_key_kind kind, uint32_t ch, int64_t us)
{
    bool high = g->high, always = g->confirm_hex_always;
    if (broken == BREAK_ARMING && g->focused) {
        g->armed = true;
    }
    if (broken == BREAK_HEX)
        g->high = g->confirm_hex_always = false;
    enum gate_action a = REAL(gate_key)(g, kind, ch, us);
    g->high = high;
    g->confirm_hex_always = always;
    return a;
}

void WRAP(key_feed)(struct key_decoder *d, const char *p, size_t len, int64_t now_us, key_sink fn,
                    void *arg)
{
    if (broken != BREAK_BURST) {
        REAL(key_feed)(d, p, len, now_us, fn, arg);
        return;
    }
    for (size_t i = 0; i < len; i++) {
        d->in_paste = false;
        REAL(key_feed)(d, p + i, 1, now_us + (int64_t)i * 2 * KEY_BURST_US, fn, arg);
    }
}

/* ---- a life ---- */
static struct scene the_scene;

void world_begin(void)
{
    int64_t now = world.now_us;
    memset(&world, 0, sizeof world);
    world.now_us = now;
    world.scene = &the_scene;
    scene_begin(&the_scene);
    contract_init(&world.contract);
}

void world_end(void)
{
    contract_release(&world.contract);
    scene_end(&the_scene);
}
