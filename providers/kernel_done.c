/* kernel_done.c - how a run ended: what the guest says of it, weighed with the wall's own counters.
 */
#include "providers/kernel_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNAL_KILL  9
#define SIGNAL_FSIZE 25

void kernel_finish(struct kernel *k, struct sandbox_finished *f)
{
    static const char none[] = "";
    f->what = f->what != NULL ? f->what : none;
    f->limits_hit = f->limits_hit != NULL ? f->limits_hit : none;
    f->error_name = f->error_name != NULL ? f->error_name : none;
    f->error_value = f->error_value != NULL ? f->error_value : none;
    f->error_traceback = f->error_traceback != NULL ? f->error_traceback : none;
    f->check_text = f->check_text != NULL ? f->check_text : none;
    f->message = f->message != NULL ? f->message : none;
    f->stdout_bytes = k->run.bytes[0];
    f->stderr_bytes = k->run.bytes[1];
    f->stdout_dropped = k->run.dropped[0];
    f->stderr_dropped = k->run.dropped[1];
    uint32_t run = k->run.id;
    kernel_run_over(k); /* so that the sink may start the next one */
    kernel_emit(k, &(struct sandbox_event){ .kind = SANDBOX_FINISHED, .run = run, .finished = f });
}

static int read_end(const char *word, enum run_end *out)
{
    static const struct {
        const char *word;
        enum run_end end;
    } words[] = { { "exit", END_EXIT },       { "signal", END_SIGNAL },
                  { "timeout", END_TIMEOUT }, { "interrupted", END_INTERRUPTED },
                  { "oom", END_OOM },         { "limit", END_LIMIT },
                  { "sandbox", END_SANDBOX } };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(word, words[i].word) == 0) {
            *out = words[i].end;
            return 0;
        }
    }
    return -1;
}

/* A limit named by the interpreter or the guest: one of these words, or none. */
static const char *limit_word(const char *word)
{
    static const char *const words[] = { "disk", "file size", "pids" };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(word, words[i]) == 0)
            return words[i];
    }
    return "";
}

static void add_word(char *list, size_t size, const char *word)
{
    size_t len = strlen(list);
    snprintf(list + len, size - len, "%s%s", len > 0 ? "," : "", word);
}

/* Counters of the wall and words of the interpreter decide between an exit and a limit. */
static void weigh_limits(struct kernel *k, struct sandbox_finished *f, const struct json *m,
                         char *hit, size_t hit_size)
{
    int64_t oom = kernel_counter(k, k->cfg.oom_count), pids = kernel_counter(k, k->cfg.pids_count);
    bool oom_rose = k->run.oom >= 0 && oom > k->run.oom;
    bool pids_rose = k->run.pids >= 0 && pids > k->run.pids;
    bool failed = f->end == END_EXIT && f->code != 0;
    const char *word = limit_word(json_get_str(json_get(m, "of"), "limit", ""));
    bool killed = f->end == END_SIGNAL && f->code == SIGNAL_KILL;
    /* A shell tells a killed child by its own status. */
    killed = killed || (failed && k->run.language == KERNEL_BASH && f->code == 128 + SIGNAL_KILL);
    if (killed && oom_rose) {
        f->end = END_OOM;
        f->has_code = false;
    } else if ((f->end == END_SIGNAL && f->code == SIGNAL_FSIZE) ||
               (failed && f->code == 128 + SIGNAL_FSIZE)) {
        f->end = END_LIMIT;
        f->what = "file size";
    } else if (failed && word[0] != '\0') {
        f->end = END_LIMIT;
        f->what = word;
    } else if (failed && pids_rose && k->run.language == KERNEL_BASH) {
        f->end = END_LIMIT;
        f->what = "pids";
    }
    if (f->end == END_EXIT && oom_rose)
        add_word(hit, hit_size, "memory");
    if (pids_rose && f->end != END_LIMIT)
        add_word(hit, hit_size, "pids");
    if (k->run.result_bytes > k->output_max)
        add_word(hit, hit_size, "results");
    if (json_get_bool(m, "disk_full", false) && f->end != END_LIMIT)
        add_word(hit, hit_size, "disk");
    f->limits_hit = hit;
}

static void read_error(struct sandbox_finished *f, const struct json *error)
{
    f->error_name = json_get_str(error, "name", "");
    f->error_value = json_get_str(error, "value", "");
    f->error_traceback = json_get_str(error, "traceback", "");
}

/* The check of a python run is in what the interpreter said, of another one in "check". */
static void read_check(const struct kernel *k, struct sandbox_finished *f, const struct json *m)
{
    const struct json *from = json_get(m, "check"), *check;
    check = json_get(from != NULL ? from : json_get(m, "of"), "check");
    if (!k->run.check)
        return;
    f->check_ran = check != NULL && json_kind(check) == JSON_OBJECT;
    f->check_ok = f->check_ran && json_get_bool(check, "ok", false);
    f->check_text = f->check_ran ? json_get_str(check, "text", "") : "the check did not run";
}

static void describe(const struct kernel *k, struct sandbox_finished *f, const char *said,
                     char *text, size_t size)
{
    const char *what = f->end == END_TIMEOUT ? "stopped at its time limit; " : "";
    if (f->end == END_SANDBOX || (f->end == END_LIMIT && said[0] != '\0'))
        snprintf(text, size, "%s", said);
    else if (f->resumed_from != 0)
        snprintf(text, size, "%sthe interpreter was lost: the variables are those after run %u",
                 what, f->resumed_from);
    else if (f->state_lost && k->run.language == KERNEL_PYTHON)
        snprintf(text, size, "%sthe interpreter was lost, and its variables with it", what);
    else if (f->state_lost)
        snprintf(text, size,
                 "%sthe interpreter was lost, its state with it (only python has checkpoints)",
                 what);
    f->message = text;
}

static int read_done(struct kernel *k, struct sandbox_finished *f, const struct json *m,
                     bool *exists, struct err *e)
{
    const char *end;
    int64_t out, err, code = json_get_int(m, "code", -1), signal = json_get_int(m, "signal", -1);
    int64_t resumed;
    if (json_need_str(m, "done", "end", &end, e) < 0 ||
        json_need_int(m, "done", "wall_us", 0, INT64_C(1) << 50, &f->wall_us, e) < 0 ||
        json_need_int(m, "done", "out", 0, INT64_C(1) << 52, &out, e) < 0 ||
        json_need_int(m, "done", "err", 0, INT64_C(1) << 52, &err, e) < 0 ||
        json_need_int(m, "done", "resumed", 0, UINT32_MAX, &resumed, e) < 0)
        return -1;
    if (read_end(end, &f->end) < 0)
        return err_set(e, ERR_FORMAT, "done.end: no such word");
    if ((uint64_t)out != k->run.bytes[0] || (uint64_t)err != k->run.bytes[1])
        return err_set(e, ERR_FORMAT, "done: not the number of bytes that came");
    if (code > 255 || signal > 64 ||
        (f->end == END_SIGNAL) != (signal > 0 && f->end == END_SIGNAL) ||
        (f->end == END_EXIT && code < 0))
        return err_set(e, ERR_FORMAT, "done: an exit status that can't be");
    f->state_lost = json_get_bool(m, "lost", false);
    f->resumed_from = (uint32_t)resumed;
    f->code = (int)(f->end == END_SIGNAL ? signal : code);
    f->has_code = f->end == END_SIGNAL || (f->end == END_EXIT && code >= 0);
    if (f->end == END_LIMIT)
        f->what = limit_word(json_get_str(m, "what", ""));
    const struct json *list = json_get(m, "exists");
    if (list != NULL && json_len(list) != k->run.exists_count)
        return err_set(e, ERR_FORMAT, "done.exists: not as many as asked for");
    size_t i = 0;
    for (const struct json *x = json_first(list); x != NULL; x = json_next(x))
        exists[i++] = json_bool(x, false);
    f->exists = list != NULL ? exists : NULL;
    f->exists_count = list != NULL ? i : 0;
    return 0;
}

/* A checkpoint took the place of the dead: what it knew is what is there now. */
static void note_loss(struct kernel *k, uint32_t run, int language,
                      const struct sandbox_finished *f)
{
    struct kernel_report *r = kernel_report(k, run, true);
    r->language = language;
    if (f->resumed_from == 0 && !f->state_lost)
        return;
    const struct kernel_checkpoint *c =
        f->resumed_from != 0 ? kernel_checkpoint(k, f->resumed_from) : NULL;
    r->lost = true; /* the guest's `unknown` is answered from here */
    if (c != NULL && c->have_vars && language >= 0) {
        struct kernel_vars was = k->last[language];
        k->last[language] = (struct kernel_vars){ 0 };
        kernel_vars_take(k, language, &c->vars);
        r->vars = k->last[language];
        k->last[language] = was;
    } else if (c != NULL) {
        r->vars_unknown = true;
    }
}

int kernel_said_done(struct kernel *k, const struct json *m, struct err *e)
{
    struct sandbox_finished f = { 0 };
    char hit[64] = "", text[400] = "";
    if (k->op != KERNEL_EXEC || k->run.waiting || json_get_int(m, "run", 0) != k->run.id)
        return err_set(e, ERR_FORMAT, "the end of no run");
    bool *exists = xcalloc(k->run.exists_count + 1, sizeof *exists);
    int rc = read_done(k, &f, m, exists, e);
    if (rc == 0 && !k->run.begun && f.end != END_SANDBOX && f.end != END_LIMIT &&
        f.end != END_INTERRUPTED && f.end != END_TIMEOUT)
        rc = err_set(e, ERR_FORMAT, "a run ended that had not begun");
    if (rc == 0) {
        read_error(&f, json_get(json_get(m, "of"), "error"));
        read_check(k, &f, m);
        weigh_limits(k, &f, m, hit, sizeof hit);
        describe(k, &f, json_get_str(m, "message", ""), text, sizeof text);
        note_loss(k, k->run.id, k->run.language, &f);
        kernel_finish(k, &f);
    }
    free(exists);
    return rc;
}
