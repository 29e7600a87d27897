/* cmd_stats.c - `airlock stats`: decisions of all sessions, or of those a query names, and which of
 * them a policy file would change. Reads only, executes nothing; one session file at a time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/app.h"
#include "cli/commands.h"
#include "sessions/store.h"
#include "tool/stats.h"
#include "ui/text.h"

#define SHOWN    15 /* rows of a table on a terminal; --all and --json give every one */
#define ANY_WAIT (-2)

struct counting {
    struct app *app;
    struct stats stats;
    struct policy *policy;
    char **ids;
    size_t id_count, id_cap;
    size_t foreign, unreadable, changes;
    bool damaged; /* a session was not read to its end, since its record is not whole */
    bool out_failed;
    struct buf out;
};

static void flush_out(struct counting *c)
{
    c->out_failed |= app_print(buf_str(&c->out), c->out.len) < 0;
    buf_reset(&c->out);
}

static void put_clean(struct counting *c, const char *text)
{
    (void)text_clean(&c->out, text, strcspn(text, "\n"), TEXT_PROSE, false, false);
}

/* ---- reading ---- */

/* What was decided elsewhere is not counted. */
static int take_id(void *arg, const struct index_entry *x)
{
    struct counting *c = arg;
    if (x->foreign) {
        c->foreign++;
        return 0;
    }
    if (c->id_count == c->id_cap)
        c->ids = xreallocarray(c->ids, c->id_cap = c->id_cap * 2 + 64, sizeof *c->ids);
    c->ids[c->id_count++] = xstrdup(x->id);
    return 0;
}

static int on_event(void *arg, const struct event *ev)
{
    stats_event(arg, ev);
    return 0;
}

static void count_session(struct counting *c, const char *id)
{
    char *name = xasprintf("%s.db", id), *path = path_join(c->app->paths.sessions_dir, name);
    struct store *store = NULL;
    struct err e = ERR_INIT;
    stats_begin(&c->stats, id);
    if (store_open_read(&store, path, &e) < 0 ||
        store_each_of(store, STATS_TYPES, 1, 0, on_event, &c->stats, &e) < 0) {
        c->unreadable++;
        c->damaged |= e.code == ERR_INTEGRITY;
        if (!c->app->opt.quiet)
            fprintf(stderr, "airlock: session %s was not read to its end: %s\n", id, e.msg);
    }
    stats_end(&c->stats);
    store_close(store);
    free(path);
    free(name);
}

/* ---- policy replay ---- */

static void put_change_json(struct counting *c, const struct stats_change *x)
{
    struct json_w w;
    json_w_init(&w, &c->out);
    json_w_object(&w, NULL);
    json_w_str(&w, "session", x->session);
    json_w_int(&w, "run", x->run);
    json_w_str(&w, "was", x->was);
    json_w_str(&w, "by", x->by);
    if (x->reason[0] != '\0')
        json_w_strn(&w, "reason", x->reason, strlen(x->reason));
    json_w_str(&w, "would", x->would_run ? "approve" : "ask");
    json_w_str(&w, "contract_digest", x->contract_digest);
    json_w_str(&w, "code_key", x->code_key);
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    (void)buf_add_char(&c->out, '\n');
}

static void on_change(void *arg, const struct stats_change *x)
{
    struct counting *c = arg;
    c->changes++;
    if (c->app->opt.json) {
        put_change_json(c, x);
    } else {
        (void)buf_addf(&c->out, "%s:%u  ", x->session, x->run);
        put_clean(c, x->was);
        (void)buf_add_str(&c->out, " by ");
        put_clean(c, x->by);
        if (x->reason[0] != '\0') {
            (void)buf_add_str(&c->out, " (");
            put_clean(c, x->reason);
            (void)buf_add_char(&c->out, ')');
        }
        (void)buf_addf(&c->out, "  %s  %s\n", "→",
                       x->would_run ? "would run unasked" : "would be asked about");
    }
    flush_out(c);
}

static void put_policy_end(struct counting *c)
{
    const struct stats *s = &c->stats;
    if (c->app->opt.json || c->app->opt.quiet)
        return;
    (void)buf_addf(&c->out, "%zu of %llu decisions would be other ones", c->changes,
                   (unsigned long long)s->judged);
    if (s->no_key > 0)
        (void)buf_addf(&c->out, "; %llu were recorded without a code key",
                       (unsigned long long)s->no_key);
    (void)buf_add_char(&c->out, '\n');
    flush_out(c);
}

/* ---- text ---- */

static void put_time(struct buf *out, int64_t ms)
{
    char text[32] = "-";
    if (ms >= 0)
        clock_duration(ms * 1000, text, sizeof text);
    (void)buf_addf(out, "%10s", text);
}

static void put_tally(struct buf *out, const struct stats_tally *t)
{
    uint64_t other = t->refused + t->edited + t->dry_run + t->stopped;
    (void)buf_addf(out, "%7llu %9llu %8llu %7llu %8llu", (unsigned long long)stats_tally_sum(t),
                   (unsigned long long)t->approved, (unsigned long long)t->unasked,
                   (unsigned long long)t->denied, (unsigned long long)other);
}

static void put_head(struct counting *c, const char *title, const char *more)
{
    (void)buf_addf(&c->out, "\n%-30s%7s %9s %8s %7s %8s%s\n", title, "gates", "approved", "unasked",
                   "denied", "other", more);
}

static void put_key(struct counting *c, const char *key, size_t width)
{
    size_t used = 0;
    struct buf clean = BUF_INIT(4096);
    (void)text_clean(&clean, key, strlen(key), TEXT_PROSE, false, false);
    size_t n = text_fit(buf_str(&clean), clean.len, width, TEXT_PROSE, &used);
    (void)buf_add(&c->out, buf_str(&clean), n);
    (void)buf_addf(&c->out, "%*s", (int)(width - used), "");
    buf_release(&clean);
}

static void put_severities(struct counting *c)
{
    struct stats *s = &c->stats;
    put_head(c, "by the worst finding", "    median       p90");
    for (int k = SEVERITY_HIGH; k >= -1; k--) {
        if (stats_tally_sum(&s->by_severity[k + 1]) == 0)
            continue;
        (void)buf_addf(&c->out, "  %-28s",
                       k < 0 ? "none" : severity_name((enum finding_severity)k));
        put_tally(&c->out, &s->by_severity[k + 1]);
        put_time(&c->out, stats_wait_percentile(s, k, 50));
        put_time(&c->out, stats_wait_percentile(s, k, 90));
        (void)buf_add_char(&c->out, '\n');
    }
}

static size_t rows_shown(const struct counting *c, const struct stats_table *t)
{
    return c->app->opt.all || t->count < SHOWN ? t->count : SHOWN;
}

static void put_more(struct counting *c, const struct stats_table *t)
{
    uint64_t more = t->count - rows_shown(c, t);
    if (more > 0)
        (void)buf_addf(&c->out, "  … %llu more (--all)\n", (unsigned long long)more);
    if (t->left_out > 0)
        (void)buf_addf(&c->out, "  %llu were beyond the %d that are kept apart\n",
                       (unsigned long long)t->left_out, STATS_ROWS_MAX);
}

/* A long key gets a line of its own. */
static void put_decisions(struct counting *c, const char *title, struct stats_table *t)
{
    stats_table_sort(t);
    if (t->count == 0)
        return;
    put_head(c, title, "");
    for (size_t i = 0; i < rows_shown(c, t); i++) {
        const struct stats_row *row = &t->rows[i];
        (void)buf_add_str(&c->out, "  ");
        if (strlen(row->key) > 27) {
            put_clean(c, row->key);
            (void)buf_addf(&c->out, "\n%30s", "");
        } else {
            put_key(c, row->key, 28);
        }
        put_tally(&c->out, &row->tally);
        (void)buf_add_char(&c->out, '\n');
    }
    put_more(c, t);
}

static void put_reasons(struct counting *c)
{
    struct stats_table *t = &c->stats.reasons;
    stats_table_sort(t);
    if (t->count == 0)
        return;
    (void)buf_add_str(&c->out, "\ndenials by reason\n");
    for (size_t i = 0; i < rows_shown(c, t); i++) {
        (void)buf_addf(&c->out, "  %5llu  ", (unsigned long long)t->rows[i].count);
        put_clean(c, t->rows[i].key);
        (void)buf_add_char(&c->out, '\n');
    }
    put_more(c, t);
}

static void put_sandboxes(struct counting *c)
{
    struct stats_table *t = &c->stats.sandboxes;
    stats_table_sort(t);
    if (t->count == 0)
        return;
    (void)buf_addf(&c->out, "\n%-20s%9s %7s %10s %10s %14s\n", "by sandbox", "sessions", "runs",
                   "running", "alive", "cost");
    for (size_t i = 0; i < rows_shown(c, t); i++) {
        const struct stats_row *row = &t->rows[i];
        (void)buf_add_str(&c->out, "  ");
        put_key(c, row->key, 18);
        (void)buf_addf(&c->out, "%9llu %7llu ", (unsigned long long)row->count,
                       (unsigned long long)row->runs);
        put_time(&c->out, row->wall_ms);
        (void)buf_add_char(&c->out, ' ');
        put_time(&c->out, row->alive_ms);
        (void)buf_addf(&c->out, "  $%lld.%06lld\n", (long long)(row->cost_nanousd / 1000000000),
                       (long long)(row->cost_nanousd / 1000 % 1000000));
    }
    put_more(c, t);
}

static void put_text(struct counting *c)
{
    struct stats *s = &c->stats;
    const struct stats_tally *t = &s->all;
    (void)buf_addf(&c->out, "sessions    %llu", (unsigned long long)s->sessions);
    if (c->foreign > 0)
        (void)buf_addf(&c->out, " (and %zu foreign, not counted)", c->foreign);
    (void)buf_addf(&c->out, "\nruns        %llu, %llu flags of the tripwire\n",
                   (unsigned long long)s->runs, (unsigned long long)s->flags);
    (void)buf_addf(&c->out,
                   "decisions   %llu: %llu approved, %llu denied, %llu edited, %llu dry runs, %llu "
                   "stopped by a person\n",
                   (unsigned long long)stats_tally_sum(t), (unsigned long long)t->approved,
                   (unsigned long long)t->denied, (unsigned long long)t->edited,
                   (unsigned long long)t->dry_run, (unsigned long long)t->stopped);
    (void)buf_addf(&c->out,
                   "            %llu approved unasked (%llu lease, %llu typed, %llu policy), %llu "
                   "refused without a person\n",
                   (unsigned long long)t->unasked, (unsigned long long)s->by_lease,
                   (unsigned long long)s->by_typed, (unsigned long long)s->by_policy,
                   (unsigned long long)t->refused);
    (void)buf_add_str(&c->out, "at the gate ");
    if (s->wait_count == 0) {
        (void)buf_add_str(&c->out, "nobody waited\n");
    } else {
        char mid[32], most[32];
        clock_duration(stats_wait_percentile(s, ANY_WAIT, 50) * 1000, mid, sizeof mid);
        clock_duration(stats_wait_percentile(s, ANY_WAIT, 90) * 1000, most, sizeof most);
        (void)buf_addf(&c->out, "median %s, 9 of 10 within %s (%zu decisions of a person)\n", mid,
                       most, s->wait_count);
    }
    put_severities(c);
    put_decisions(c, "by rule", &s->rules);
    put_decisions(c, "by finding", &s->findings);
    put_reasons(c);
    put_sandboxes(c);
    flush_out(c);
}

/* ---- JSON: one object a line, `stat` says what it is ---- */

static void begin_json(struct counting *c, struct json_w *w, const char *stat)
{
    json_w_init(w, &c->out);
    json_w_object(w, NULL);
    json_w_str(w, "stat", stat);
}

static void end_json(struct counting *c, struct json_w *w)
{
    json_w_close_object(w);
    (void)!json_w_end(w);
    (void)buf_add_char(&c->out, '\n');
    flush_out(c);
}

static void json_tally(struct json_w *w, const struct stats_tally *t)
{
    json_w_int(w, "gates", (int64_t)stats_tally_sum(t));
    json_w_int(w, "approved", (int64_t)t->approved);
    json_w_int(w, "unasked", (int64_t)t->unasked);
    json_w_int(w, "denied", (int64_t)t->denied);
    json_w_int(w, "refused", (int64_t)t->refused);
    json_w_int(w, "edited", (int64_t)t->edited);
    json_w_int(w, "dry_run", (int64_t)t->dry_run);
    json_w_int(w, "stopped", (int64_t)t->stopped);
}

static void json_waits(struct json_w *w, struct stats *s, int severity)
{
    json_w_int(w, "decided_by_person", (int64_t)stats_wait_count(s, severity));
    if (stats_wait_count(s, severity) == 0)
        return;
    json_w_int(w, "wait_median_ms", stats_wait_percentile(s, severity, 50));
    json_w_int(w, "wait_p90_ms", stats_wait_percentile(s, severity, 90));
}

static void json_table(struct counting *c, const char *stat, const char *key, struct stats_table *t)
{
    stats_table_sort(t);
    for (size_t i = 0; i < t->count; i++) {
        const struct stats_row *row = &t->rows[i];
        struct json_w w;
        begin_json(c, &w, stat);
        json_w_strn(&w, key, row->key, strlen(row->key));
        if (row->severity >= 0) {
            json_w_str(&w, "severity", severity_name((enum finding_severity)row->severity));
            json_tally(&w, &row->tally);
        } else if (strcmp(stat, "reason") == 0) {
            json_w_int(&w, "count", (int64_t)row->count);
        } else {
            json_w_int(&w, "sessions", (int64_t)row->count);
            json_w_int(&w, "runs", (int64_t)row->runs);
            json_w_int(&w, "wall_ms", row->wall_ms);
            json_w_int(&w, "sandbox_ms", row->alive_ms);
            json_w_int(&w, "cost_nanousd", row->cost_nanousd);
        }
        end_json(c, &w);
    }
}

static void put_json(struct counting *c)
{
    struct stats *s = &c->stats;
    struct json_w w;
    begin_json(c, &w, "all");
    json_w_int(&w, "sessions", (int64_t)s->sessions);
    json_w_int(&w, "foreign", (int64_t)c->foreign);
    json_w_int(&w, "unreadable", (int64_t)c->unreadable);
    json_w_int(&w, "runs", (int64_t)s->runs);
    json_w_int(&w, "flags", (int64_t)s->flags);
    json_tally(&w, &s->all);
    json_w_int(&w, "by_lease", (int64_t)s->by_lease);
    json_w_int(&w, "by_typed", (int64_t)s->by_typed);
    json_w_int(&w, "by_policy", (int64_t)s->by_policy);
    json_waits(&w, s, ANY_WAIT);
    end_json(c, &w);
    for (int k = SEVERITY_HIGH; k >= -1; k--) {
        begin_json(c, &w, "severity");
        json_w_str(&w, "worst", k < 0 ? "none" : severity_name((enum finding_severity)k));
        json_tally(&w, &s->by_severity[k + 1]);
        json_waits(&w, s, k);
        end_json(c, &w);
    }
    json_table(c, "rule", "rule", &s->rules);
    json_table(c, "finding", "finding", &s->findings);
    json_table(c, "reason", "reason", &s->reasons);
    json_table(c, "sandbox", "sandbox", &s->sandboxes);
}

/* ---- the command ---- */

static int count(struct counting *c, const char *query, struct err *e)
{
    struct app *app = c->app;
    if (app->opt.policy != NULL && policy_load(&c->policy, app->opt.policy, e) < 0)
        return -1;
    c->stats.policy = c->policy;
    c->stats.changed = on_change;
    c->stats.arg = c;
    if (app_need_index(app, e) < 0 || index_refresh(app->index, e) < 0 ||
        index_list(app->index, query, INDEX_KEPT, 0, take_id, c, e) < 0)
        return -1;
    for (size_t i = 0; i < c->id_count && !c->out_failed; i++)
        count_session(c, c->ids[i]);
    return 0;
}

static char *joined(struct app *app)
{
    struct buf out = BUF_INIT(4096);
    for (int i = 0; i < app->opt.arg_count; i++)
        (void)buf_addf(&out, "%s%s", i > 0 ? " " : "", app->opt.args[i]);
    return buf_detach(&out);
}

int cmd_stats(struct app *app)
{
    struct err e = ERR_INIT;
    struct counting c = { .app = app, .out = BUF_INIT((size_t)4 << 20) };
    char *query = joined(app);
    stats_init(&c.stats);
    int rc = count(&c, query, &e);
    if (rc == 0 && app->opt.policy != NULL)
        put_policy_end(&c);
    else if (rc == 0 && app->opt.json)
        put_json(&c);
    else if (rc == 0)
        put_text(&c);
    if (rc == 0 && c.out_failed)
        rc = app_print_failed(&e);
    for (size_t i = 0; i < c.id_count; i++)
        free(c.ids[i]);
    free(c.ids);
    free(query);
    stats_release(&c.stats);
    policy_free(c.policy);
    buf_release(&c.out);
    if (rc < 0)
        return app_fail(&e);
    if (c.damaged)
        return EXIT_INTEGRITY;
    return c.changes > 0 ? EXIT_WORK_FAILED : EXIT_OK;
}
