/* index_fold.c - a session in one line: a light fold over its event log. */
#include "sessions/index_int.h"

#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "sessions/store.h"

#define TEXT_MAX  1024

#define BIT(type) (UINT64_C(1) << (type))
#define WANTED                                                                                     \
    (BIT(EVENT_SESSION_CREATED) | BIT(EVENT_SESSION_RENAMED) | BIT(EVENT_SESSION_TAGGED) |         \
     BIT(EVENT_SESSION_TRASHED) | BIT(EVENT_SESSION_RESUMED) | BIT(EVENT_SESSION_FINISHED) |       \
     BIT(EVENT_TASK_GIVEN) | BIT(EVENT_RUN_PROPOSED) | BIT(EVENT_GATE_DECIDED) |                   \
     BIT(EVENT_RUN_FINISHED) | BIT(EVENT_RUN_VERDICT) | BIT(EVENT_USAGE) | BIT(EVENT_ERROR) |      \
     BIT(EVENT_RUN_REVIEWED) | BIT(EVENT_GATE_OPENED) | BIT(EVENT_PLANNER_MESSAGE) |               \
     BIT(EVENT_NOTE) | BIT(EVENT_PLAN_UPDATED) | BIT(EVENT_RUN_RESULT))

void summary_init(struct summary *m)
{
    struct buf *texts[] = { &m->name,    &m->task, &m->outcome, &m->planner,
                            &m->sandbox, &m->tags, &m->problem, &m->parent };
    memset(m, 0, sizeof *m);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        buf_init(texts[i], TEXT_MAX);
}

void summary_release(struct summary *m)
{
    struct buf *texts[] = { &m->name,    &m->task, &m->outcome, &m->planner,
                            &m->sandbox, &m->tags, &m->problem, &m->parent };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        buf_release(texts[i]);
}

/* As much of `s` as fits, in whole characters. */
static void add_text(struct buf *b, const char *s)
{
    size_t len = strlen(s), room = b->max - b->len;
    if (len > room)
        len = utf8_valid_prefix(s, room);
    if (buf_add(b, s, len) < 0)
        return;
}

static void set_text(struct buf *b, const char *s)
{
    buf_reset(b);
    add_text(b, s);
}

static void set_tags(struct summary *m, const struct json *tags)
{
    buf_reset(&m->tags);
    for (const struct json *t = json_first(tags); t != NULL; t = json_next(t)) {
        if (m->tags.len != 0)
            add_text(&m->tags, " ");
        add_text(&m->tags, json_str(t, ""));
    }
}

static void count_failed(struct summary *m, uint32_t run)
{
    if (m->failed_run == run)
        return;
    m->failed++;
    m->failed_run = run;
}

static void count_high(struct summary *m, const struct json *findings)
{
    if (findings == NULL)
        return;
    for (const struct json *f = json_first(findings); f != NULL; f = json_next(f))
        m->high += strcasecmp(json_get_str(f, "severity", ""), "high") == 0;
}

static bool succeeded(const struct json *body)
{
    return strcmp(json_get_str(body, "end", ""), "exit") == 0 && json_get_int(body, "code", 0) == 0;
}

static void note_created(struct summary *m, const struct event *ev)
{
    m->created_us = ev->at_us;
    set_text(&m->planner, json_get_str(ev->body, "planner", ""));
    set_text(&m->sandbox, json_get_str(ev->body, "sandbox", ""));
    set_text(&m->name, json_get_str(ev->body, "name", ""));
    set_text(&m->parent, json_get_str(ev->body, "parent", ""));
    m->foreign = m->foreign || json_get_bool(ev->body, "foreign", false);
}

static void note_resumed(struct summary *m, const struct event *ev)
{
    buf_reset(&m->outcome);
    m->waiting = false;
    if (json_get(ev->body, "planner") != NULL)
        set_text(&m->planner, json_get_str(ev->body, "planner", ""));
    if (json_get(ev->body, "sandbox") != NULL)
        set_text(&m->sandbox, json_get_str(ev->body, "sandbox", ""));
}

/* ---- what can be searched ---- */

static void tell(struct summary *m, const struct event *ev, enum search_place where, const char *s)
{
    struct index_text t = {
        .seq = ev->seq, .run = ev->run, .where = where, .p = s, .len = s != NULL ? strlen(s) : 0
    };
    if (s != NULL && m->text != NULL)
        m->text(m->arg, &t);
}

static void tell_field(struct summary *m, const struct event *ev, enum search_place where,
                       const char *key)
{
    tell(m, ev, where, json_get_str(ev->body, key, NULL));
}

static void tell_plan(struct summary *m, const struct event *ev)
{
    const struct json *steps = json_get(ev->body, "steps");
    for (const struct json *x = steps != NULL ? json_first(steps) : NULL; x != NULL;
         x = json_next(x))
        tell(m, ev, SEARCH_PLAN, json_get_str(x, "title", NULL));
}

static void tell_error(struct summary *m, const struct event *ev)
{
    static const char *const keys[] = { "name", "value", "traceback" };
    const struct json *x = json_get(ev->body, "error");
    tell_field(m, ev, SEARCH_ERROR, "message");
    for (size_t i = 0; x != NULL && i < ARRAY_LEN(keys); i++)
        tell(m, ev, SEARCH_ERROR, json_get_str(x, keys[i], NULL));
}

static void tell_texts(struct summary *m, const struct event *ev)
{
    switch (ev->type) {
    case EVENT_TASK_GIVEN:
        tell_field(m, ev, SEARCH_TASK, "text");
        break;
    case EVENT_PLANNER_MESSAGE:
        tell_field(m, ev, SEARCH_PLANNER, "text");
        break;
    case EVENT_NOTE:
        tell_field(m, ev, SEARCH_NOTE, "text");
        break;
    case EVENT_PLAN_UPDATED:
        tell_plan(m, ev);
        break;
    case EVENT_RUN_PROPOSED:
        tell_field(m, ev, SEARCH_CODE, "code");
        break;
    case EVENT_RUN_RESULT:
        tell_field(m, ev, SEARCH_RESULT, "text");
        break;
    case EVENT_RUN_FINISHED:
    case EVENT_ERROR:
        tell_error(m, ev);
        break;
    default:
        break;
    }
}

/* ---- the line in the list ---- */

static int note_event(void *arg, const struct event *ev)
{
    struct summary *m = arg;
    const struct json *body = ev->body;
    if (body != NULL) /* it may have been erased */
        tell_texts(m, ev);
    switch (ev->type) {
    case EVENT_SESSION_CREATED:
        note_created(m, ev);
        break;
    case EVENT_SESSION_RENAMED:
        set_text(&m->name, json_get_str(body, "name", ""));
        break;
    case EVENT_SESSION_TAGGED:
        set_tags(m, json_get(body, "tags"));
        break;
    case EVENT_SESSION_TRASHED:
        m->trashed = !json_get_bool(body, "restored", false);
        m->trashed_us = m->trashed ? ev->at_us : 0;
        break;
    case EVENT_SESSION_RESUMED:
        note_resumed(m, ev);
        break;
    case EVENT_SESSION_FINISHED:
        set_text(&m->outcome, json_get_str(body, "outcome", ""));
        m->waiting = false;
        break;
    case EVENT_ERROR: /* the last word of a record that could not be written any more */
        if (json_get_bool(body, "stopped", false))
            set_text(&m->outcome, json_get_str(body, "message", ""));
        break;
    case EVENT_TASK_GIVEN:
        buf_reset(&m->outcome);
        if (m->task.len == 0)
            set_text(&m->task, json_get_str(body, "text", ""));
        break;
    case EVENT_RUN_PROPOSED:
        if (ev->run > m->runs)
            m->runs = ev->run;
        break;
    case EVENT_GATE_DECIDED:
        m->denied += strcmp(json_get_str(body, "decision", ""), "deny") == 0;
        m->waiting = false;
        break;
    case EVENT_GATE_OPENED:
        m->waiting = true;
        break;
    case EVENT_RUN_REVIEWED:
        count_high(m, json_get(body, "findings"));
        break;
    case EVENT_RUN_FINISHED:
        if (!succeeded(body))
            count_failed(m, ev->run);
        break;
    case EVENT_RUN_VERDICT:
        if (strcmp(json_get_str(body, "verdict", ""), "refuted") == 0)
            count_failed(m, ev->run);
        break;
    case EVENT_USAGE:
        m->cost_nanousd += json_get_int(body, "cost_nanousd", 0);
        break;
    default:
        break;
    }
    return 0;
}

static int note_time(void *arg, const struct event *ev)
{
    struct summary *m = arg;
    m->last_us = ev->at_us;
    if (m->created_us == 0)
        m->created_us = ev->at_us;
    return 0;
}

static int note_sandbox(void *arg, const struct store_sandbox *row)
{
    struct summary *m = arg;
    m->open_sandboxes += strcmp(row->state, "closed") != 0 && strcmp(row->state, "paused") != 0;
    return 0;
}

/* Was the log only continued since we read it? */
static bool continues(struct summary *m, struct store *s)
{
    uint8_t head[SHA256_LEN];
    struct err ignored = ERR_INIT;
    return m->last_seq > 0 && (uint64_t)m->last_seq <= store_last_seq(s) && m->problem.len == 0 &&
           store_chain_at(s, (uint64_t)m->last_seq, head, &ignored) == 0 &&
           memcmp(head, m->head, sizeof head) == 0;
}

static void start_anew(struct summary *m)
{
    const struct summary was = *m;
    summary_release(m);
    summary_init(m);
    m->text = was.text;
    m->restart = was.restart;
    m->arg = was.arg;
    if (m->restart != NULL)
        m->restart(m->arg);
}

static int fold_new(struct summary *m, struct store *s, struct err *e)
{
    uint64_t last = store_last_seq(s);
    if (!continues(m, s))
        start_anew(m);
    m->has_output = store_has_output(s);
    m->open_sandboxes = 0;
    if (store_each_sandbox(s, note_sandbox, m, e) < 0 || last == 0)
        return last == 0 ? 0 : -1;
    if (store_each_of(s, WANTED, (uint64_t)m->last_seq + 1, last, note_event, m, e) < 0 ||
        store_each(s, last, last, note_time, m, e) < 0 || store_chain_at(s, last, m->head, e) < 0)
        return -1;
    if (m->foreign) /* what it names is not ours to close [IMP-1] */
        m->open_sandboxes = 0;
    m->last_seq = (int64_t)last;
    return 0;
}

bool summary_update(struct summary *m, const char *path)
{
    struct err e = ERR_INIT;
    struct store *s = NULL;
    int rc = store_open_read(&s, path, &e);
    if (rc == 0)
        rc = fold_new(m, s, &e);
    buf_reset(&m->problem);
    if (rc < 0)
        set_text(&m->problem, e.msg);
    store_close(s);
    return rc == 0;
}
