/* screen_session.c - the session on the screen. */
#include "cli/screen_int.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/branch.h"
#include "cli/commands.h"
#include "tool/contract.h"

/* ---- listening ---- */

static void forget_stream(struct screen *s)
{
    buf_reset(&s->code_stream);
    buf_reset(&s->prose_stream);
    redact_stream_release(&s->code_filter);
    redact_stream_release(&s->prose_filter);
    redact_stream_init(&s->code_filter);
    redact_stream_init(&s->prose_filter);
    s->vm.stream = (struct view_stream){ .language = NULL };
}

void screen_follow_event(struct screen *s, const struct event *ev)
{
    switch (ev->type) {
    case EVENT_RUN_PROPOSED:
        forget_stream(s);
        s->vm.run = 0;
        s->vm.show_result = false;
        break;
    case EVENT_PLANNER_MESSAGE:
        forget_stream(s);
        break;
    case EVENT_GATE_DECIDED:
        if (strcmp(json_get_str(ev->body, "decision", ""), "deny") == 0)
            screen_toast(s, TONE_INFO, "run %u denied%s%s", ev->run,
                         json_get_str(ev->body, "reason", "")[0] != '\0' ? ": " : "",
                         json_get_str(ev->body, "reason", ""));
        break;
    case EVENT_RUN_STARTED:
        s->interrupts = 0;
        s->vm.scroll[PANE_OUT].follow = s->vm.scroll[PANE_ERR].follow = true;
        break;
    case EVENT_ERROR:
        screen_toast(s, TONE_BAD, "%s%s%s", json_get_str(ev->body, "message", ""),
                     json_get_str(ev->body, "hint", "")[0] != '\0' ? ": " : "",
                     json_get_str(ev->body, "hint", ""));
        break;
    case EVENT_SANDBOX_READY: /* one that ends by itself: elsewhere, and it costs */
        if (ev->run == 0 && json_get(ev->body, "ends_ms") != NULL)
            screen_toast(s, TONE_INFO, "sandbox %s is %s after %.1f s",
                         json_get_str(ev->body, "kind", ""),
                         json_get_bool(ev->body, "again", false) ? "there again" : "ready",
                         (double)json_get_int(ev->body, "cold_start_ms", 0) / 1000);
        break;
    case EVENT_SANDBOX_WAITING:
        screen_toast(s, TONE_WAIT, "%s; ^C gives up", json_get_str(ev->body, "why", ""));
        break;
    case EVENT_SANDBOX_PAUSED:
        screen_toast(s, TONE_INFO, "paused: it costs nothing; the next run or :wake wakes it");
        break;
    case EVENT_STATE_RESTORED:
        screen_toast(s, TONE_INFO, "state restored: %zu kept, %zu lost (pane 7)",
                     json_len(json_get(ev->body, "kept")), json_len(json_get(ev->body, "lost")));
        break;
    default:
        break;
    }
}

static void on_applied(void *arg, const struct event *ev)
{
    struct screen *s = arg;
    if (s->session == NULL)
        return; /* session.created: the session is not ours yet */
    screen_follow_event(s, ev);
    screen_gate_sync(s);
    if (ev->type != EVENT_RUN_OUTPUT)
        screen_context_sync(s);
    screen_changed(s);
}

static void on_ask(void *arg, uint32_t run, const char *why)
{
    (void)run;
    screen_gate_open(arg, why);
}

/* Also what is only looked at: a server that sends our key back does not get it on the screen.
 * [SEC-4] */
static void show_stream(struct screen *s, struct redact_stream *filter,
                        const struct planner_event *ev, struct buf *out)
{
    if (s->app->redact == NULL)
        (void)buf_add(out, ev->text, ev->text_len);
    else
        (void)redact_stream_feed(s->app->redact, filter, ev->text, ev->text_len, out);
}

static void on_streaming(void *arg, const struct planner_event *ev)
{
    struct screen *s = arg;
    if (ev->kind == PLANNER_CODE_DELTA) {
        snprintf(s->stream_language, sizeof s->stream_language, "%s",
                 ev->language != NULL ? ev->language : "");
        show_stream(s, &s->code_filter, ev, &s->code_stream);
    } else if (ev->kind == PLANNER_DELTA) {
        show_stream(s, &s->prose_filter, ev, &s->prose_stream);
    }
    s->vm.stream = (struct view_stream){
        .language = s->stream_language,
        .code = s->code_stream.len > 0 ? buf_str(&s->code_stream) : NULL,
        .code_len = s->code_stream.len,
        .prose = s->prose_stream.len > 0 ? buf_str(&s->prose_stream) : NULL,
        .prose_len = s->prose_stream.len,
    };
    screen_changed_by_stream(s);
}

static void on_completion(void *arg, uint64_t token, const char *const *names, size_t count)
{
    screen_take_completion(arg, token, names, count);
}

static void on_failed(void *arg, const struct err *e)
{
    struct screen *s = arg;
    s->failed = *e;
    screen_toast(s, TONE_BAD, "%s: nothing more can run in this session; what was recorded is safe",
                 e->msg);
}

static struct session_listener listener(struct screen *s)
{
    return (struct session_listener){
        .applied = on_applied,
        .ask = on_ask,
        .streaming = on_streaming,
        .completion = on_completion,
        .failed = on_failed,
        .arg = s,
    };
}

/* ---- opening and closing ---- */

static void show_session(struct screen *s)
{
    view_model_init(&s->vm);
    s->vm.screen = SCREEN_SESSION;
    s->vm.focus = PANE_PROMPT;
    s->vm.source = session_output(s->session);
    s->vm.budget_nanousd = round_contract(session_round(s->session))->budget_nanousd;
    screen_changed(s);
}

/* view_model_init forgets what the screen lent; keep that. */
static void reset_model(struct screen *s)
{
    struct view_cache *cache = s->vm.cache;
    int colors = s->vm.colors;
    struct view_message toast = s->vm.toast;
    show_session(s);
    s->vm.cache = cache;
    s->vm.colors = colors;
    s->vm.toast = toast;
    s->vm.images = screen_images(s);
}

static int grant_asked_lease(struct screen *s, struct err *e)
{
    struct round_lease l = { 0 };
    if (s->app->opt.lease == NULL)
        return 0;
    if (options_parse_lease(s->app->opt.lease, &l.runs, &l.minutes, e) < 0)
        return -1;
    return round_grant_lease(screen_round(s), &l, e);
}

int screen_start_session(struct screen *s, const char *planner, const char *model, struct err *e)
{
    char sandbox[64];
    const char *word = s->app->opt.sandbox != NULL ? s->app->opt.sandbox : s->app->config.sandbox;
    struct session_listener l = listener(s);
    struct session_spec spec = {
        .planner = planner,
        .model = model,
        .image = app_split_name(word, sandbox, sizeof sandbox),
        .contract = &s->app->contract,
        .typed_runs = s->app->config.gate_own_typed,
        .allow_warm = true,
    };
    struct session *fresh = NULL;
    spec.sandbox = sandbox;
    if (session_create(&fresh, s->app, &spec, &l, e) < 0)
        return -1;
    screen_close_session(s);
    s->session = fresh;
    reset_model(s);
    return grant_asked_lease(s, e);
}

int screen_branch(struct screen *s, uint32_t run, struct err *e)
{
    struct session_listener l = listener(s);
    struct session *fresh = NULL;
    struct store *store = session_store(s->session);
    struct branch b;
    if (store_flush(store, e) < 0 || branch_describe(&b, store, screen_state(s), run, e) < 0 ||
        session_fork(&fresh, s->app, &b, &l, e) < 0)
        return -1;
    screen_close_session(s);
    s->session = fresh;
    reset_model(s);
    screen_toast(s, TONE_INFO, "%s: a branch of %s", session_state(fresh)->session,
                 session_state(fresh)->parent);
    return 0;
}

int screen_open_session(struct screen *s, const char *path, struct err *e)
{
    struct session_listener l = listener(s);
    struct session *fresh = NULL;
    screen_close_session(s);
    if (session_resume(&fresh, s->app, path, &l, e) < 0)
        return -1;
    s->session = fresh;
    reset_model(s);
    /* What waited at a gate when it stopped waits there again, as a new capsule. */
    return 0;
}

void screen_close_session(struct screen *s)
{
    if (s->session == NULL)
        return;
    screen_page_close(s);
    screen_gate_deny(s, "the session was left");
    struct session *old = s->session;
    s->session = NULL;
    gate_close(&s->gate);
    s->vm.gate = (struct view_gate){ .gate = NULL };
    s->vm.source = (struct output_source){ .read = NULL };
    screen_pictures_release(s);
    screen_saved_release(s);
    screen_context_release(s);
    screen_drop_models(s);
    forget_stream(s);
    session_close(old);
}
