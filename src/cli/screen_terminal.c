/* screen_terminal.c - the screen and its terminal: opened, read, resized, lent to another program,
 * gone. */
#include "cli/screen_int.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"

/* ---- input ---- */

static void arm_esc(struct screen *s)
{
    int64_t due = key_due_us(&s->keys);
    loop_arm_us(s->app->loop, s->esc_timer,
                due < 0                     ? -1
                : due - clock_boot_us() > 0 ? due - clock_boot_us()
                                            : 0);
}

static void hang_up(struct screen *s)
{
    s->hung_up = true;
    loop_remove(s->app->loop, s->tty);
    s->tty = NULL;
    screen_gate_deny(s, "the terminal is gone");
    screen_leave(s, EXIT_OK);
}

static void on_tty(void *arg, int fd, unsigned events)
{
    struct screen *s = arg;
    char bytes[4096];
    ssize_t n = read(fd, bytes, sizeof bytes);
    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        hang_up(s);
        return;
    }
    /* Any byte at all means that the decision under way did not stand alone. */
    s->pending = GATE_NOTHING;
    int64_t now = clock_boot_us();
    if (!gate_is_armed(&s->gate, now)) /* also by what is not a whole key yet */
        gate_disturb(&s->gate, now);
    key_feed(&s->keys, bytes, (size_t)n, now, screen_on_key, s);
    if (key_due_us(&s->keys) >= 0) /* nor did it when the beginning of another key came with it */
        s->pending = GATE_NOTHING;
    s->last_key_us = now;
    if (!s->hung_up)
        arm_esc(s);
}

static void on_esc(void *arg)
{
    struct screen *s = arg;
    key_timeout(&s->keys, clock_boot_us(), screen_on_key, s);
    arm_esc(s);
}

static int watch_tty(struct screen *s, struct err *e)
{
    return loop_add_fd(s->app->loop, STDIN_FILENO, LOOP_READ, LOOP_FIRST, on_tty, s, &s->tty, e);
}

/* ---- signals ---- */

/* The terminal may have noticed before us, when it came back from another program. */
static void resize(struct screen *s)
{
    int w, h;
    (void)term_resized(s->term);
    term_size(s->term, &w, &h);
    if (w == s->grid.w && h == s->grid.h)
        return;
    grid_resize(&s->grid, w, h);
    screen_changed(s);
}

/* What was typed while another program had the terminal was not for us. */
void screen_terminal_is_back(struct screen *s)
{
    term_flush_input(s->term);
    key_flush(&s->keys);
    s->pending = GATE_NOTHING;
    resize(s);
    gate_covered(&s->gate, clock_boot_us());
    screen_changed(s);
}

static void on_signal(void *arg, int signo)
{
    struct screen *s = arg;
    s->pending = GATE_NOTHING; /* on doubt the decision under way is none */
    switch (signo) {
    case SIGWINCH: /* also when it is as it was: what the terminal shows may not be */
        resize(s);
        term_redraw(s->term);
        gate_covered(&s->gate, clock_boot_us());
        screen_changed(s);
        break;
    case SIGCONT:
        term_redraw(s->term);
        screen_terminal_is_back(s);
        break;
    case SIGHUP:
        hang_up(s);
        break;
    case SIGTERM:
        screen_gate_deny(s, "Airlock was told to end");
        screen_leave(s, EXIT_OK);
        break;
    default: /* SIGINT from outside: the key comes as a byte */
        if (screen_round(s) != NULL)
            round_interrupt(screen_round(s));
    }
}

static int watch_signals(struct screen *s, struct err *e)
{
    static const int signals[] = { SIGWINCH, SIGCONT, SIGHUP, SIGTERM, SIGINT };
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaddset(&set, signals[i]);
    return loop_watch_signals(s->app->loop, &set, on_signal, s, e);
}

/* ---- programs on our terminal ---- */

int screen_run_program(struct screen *s, const char *const *argv, int *status, struct err *e)
{
    char **env = proc_helper_env();
    struct proc *p = NULL;
    struct proc_spec spec = {
        .path = argv[0],
        .argv = argv,
        .envp = (const char *const *)env,
        .foreground_tty = true,
    };
    loop_remove(s->app->loop, s->tty);
    s->tty = NULL;
    term_suspend(s->term);
    /* A stop that the program sends its whole job (^Z) is ours too, without what ncurses would do
     * to the terminal then. */
    struct sigaction sa = { .sa_handler = SIG_DFL }, old;
    sigaction(SIGTSTP, &sa, &old);
    int rc = proc_spawn(s->app->launcher, &spec, &p, e);
    while (rc == 0 && !proc_wait_nohang(p, status))
        rc = loop_turn(s->app->loop, 50, e);
    proc_free(p);
    proc_free_words(env);
    sigaction(SIGTSTP, &old, NULL);
    term_resume(s->term);
    screen_terminal_is_back(s);
    return watch_tty(s, e) < 0 ? -1 : rc;
}

/* ---- life ---- */

static int open_terminal(struct screen *s, const char **note, struct err *e)
{
    const struct options *opt = &s->app->opt;
    struct term_options to = { .mouse = s->app->config.mouse, .no_color = opt->no_color };
    int w, h;
    if (term_open(&s->term, &to, note, e) < 0)
        return -1;
    term_size(s->term, &w, &h);
    grid_init(&s->grid, w, h);
    s->grid.ascii = !term_is_utf8(s->term);
    s->vm.colors = term_colors(s->term);
    return theme_load(&s->theme, opt->theme != NULL ? opt->theme : s->app->config.theme,
                      s->vm.colors > 256 ? 256 : s->vm.colors, e);
}

int screen_terminal_open(struct screen *s, const char **note, struct err *e)
{
    key_init(&s->keys);
    s->esc_timer = loop_add_timer(s->app->loop, on_esc, s);
    if (open_terminal(s, note, e) < 0 || watch_signals(s, e) < 0)
        return -1;
    return watch_tty(s, e);
}

void screen_terminal_close(struct screen *s)
{
    loop_remove(s->app->loop, s->tty);
    loop_remove(s->app->loop, s->esc_timer);
    if (s->hung_up && s->term != NULL)
        signal(SIGTTOU, SIG_IGN);
    term_close(s->term);
    key_release(&s->keys);
}
