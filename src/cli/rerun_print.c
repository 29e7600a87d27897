/* rerun_print.c - verdicts as lines, as a table and as JSON. */
#include "cli/rerun_print.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ui/text.h"

static void put(struct rerun_print *p, struct buf *out)
{
    if (p->shown) {
        static const char clear[] = "\r\033[K";
        (void)!write_all_fd(STDERR_FILENO, clear, sizeof clear - 1);
        p->shown = false;
    }
    p->failed |= app_print(buf_str(out), out->len) < 0;
    buf_release(out);
}

/* ---- one run ---- */

static void run_json(const struct rerun *r, const char *again, const struct state_run *was,
                     const struct state_run *is, const struct rerun_verdict *v, struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_str(&w, "session", r->old.id);
    json_w_int(&w, "run", was->number);
    json_w_str(&w, "rerun_session", again);
    if (is != NULL)
        json_w_int(&w, "rerun_run", is->number);
    rerun_put_json(v, &w);
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    (void)buf_add_char(out, '\n');
}

void rerun_print_run(struct rerun_print *p, const struct rerun *r, const char *again,
                     const struct state_run *was, const struct state_run *is,
                     const struct rerun_verdict *v)
{
    struct buf out = BUF_INIT(64 << 10);
    if (p->json) {
        run_json(r, again, was, is, v, &out);
        put(p, &out);
        return;
    }
    if (p->many)
        (void)buf_addf(&out, "%s ", r->old.id);
    (void)buf_addf(&out, "run %-4u rerun ", was->number);
    (void)(is != NULL ? buf_addf(&out, "%-4u ", is->number) : buf_add_str(&out, "-    "));
    rerun_put_verdict(v, &out);
    (void)buf_add_char(&out, '\n');
    put(p, &out);
}

/* ---- all of them ---- */

struct sum {
    size_t done, working, failed, runs, chosen, counts[RERUN_OUTCOMES];
};

static struct sum sum_up(const struct rerun_row *rows, size_t count)
{
    struct sum s = { 0 };
    for (size_t i = 0; i < count; i++) {
        s.done += rows[i].ended_us != 0;
        s.working += rows[i].began_us != 0 && rows[i].ended_us == 0;
        s.failed += rows[i].why[0] != '\0';
        s.chosen += rows[i].chosen;
        for (size_t k = 0; k < RERUN_OUTCOMES; k++) {
            s.counts[k] += rows[i].counts[k];
            s.runs += rows[i].counts[k];
        }
    }
    return s;
}

void rerun_print_progress(struct rerun_print *p, const struct rerun_row *rows, size_t count)
{
    char line[160];
    struct sum s = sum_up(rows, count);
    if (!p->progress)
        return;
    int n = snprintf(line, sizeof line,
                     "\r\033[K%zu of %zu sessions, %zu at work, %zu runs, %zu different, %zu could "
                     "not run",
                     s.done, count, s.working, s.runs, s.counts[RERUN_DIFFERS],
                     s.counts[RERUN_NOT_RUN]);
    if (n > 0)
        (void)!write_all_fd(STDERR_FILENO, line, (size_t)n);
    p->shown = true;
}

static void put_sum(const size_t *n, struct buf *out)
{
    (void)buf_addf(out, "%zu identical, %zu after masks, %zu different, %zu could not run",
                   n[RERUN_IDENTICAL], n[RERUN_MASKED], n[RERUN_DIFFERS], n[RERUN_NOT_RUN]);
}

static void put_row(const struct rerun_row *row, struct buf *out)
{
    char took[32] = "";
    if (row->ended_us > row->began_us)
        clock_duration(row->ended_us - row->began_us, took, sizeof took);
    (void)buf_addf(out, "%-26.64s %-26s %9zu %7zu %9zu %7zu %8s", row->id[0] ? row->id : row->word,
                   row->again[0] ? row->again : "-", row->counts[RERUN_IDENTICAL],
                   row->counts[RERUN_MASKED], row->counts[RERUN_DIFFERS],
                   row->counts[RERUN_NOT_RUN], took);
    if (row->why[0] != '\0') {
        (void)buf_add_str(out, "  ");
        (void)text_clean(out, row->why, strcspn(row->why, "\n"), TEXT_PROSE, false, false);
    }
    (void)buf_add_char(out, '\n');
}

static void put_table(const struct rerun_row *rows, size_t count, struct buf *out)
{
    struct sum s = sum_up(rows, count);
    (void)buf_addf(out, "\n%-26s %-26s %9s %7s %9s %7s %8s\n", "session", "rerun", "identical",
                   "masked", "different", "not run", "time");
    for (size_t i = 0; i < count; i++)
        put_row(&rows[i], out);
    (void)buf_addf(out, "%zu sessions: ", count);
    put_sum(s.counts, out);
    if (s.failed > 0)
        (void)buf_addf(out, "; %zu not done to their end", s.failed);
    (void)buf_add_char(out, '\n');
}

static void json_counts(const size_t *n, struct json_w *w)
{
    json_w_int(w, "identical", (int64_t)n[RERUN_IDENTICAL]);
    json_w_int(w, "masked", (int64_t)n[RERUN_MASKED]);
    json_w_int(w, "differs", (int64_t)n[RERUN_DIFFERS]);
    json_w_int(w, "could_not_run", (int64_t)n[RERUN_NOT_RUN]);
}

static void json_row(const struct rerun_row *row, struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_str(&w, "summary", "session");
    json_w_str(&w, "session", row->id[0] ? row->id : row->word);
    if (row->again[0] != '\0')
        json_w_str(&w, "rerun_session", row->again);
    json_counts(row->counts, &w);
    json_w_int(&w, "wall_ms", (row->ended_us - row->began_us) / 1000);
    if (row->why[0] != '\0')
        json_w_strn(&w, "reason", row->why, strlen(row->why));
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    (void)buf_add_char(out, '\n');
}

static void json_sum(const struct rerun_row *rows, size_t count, struct buf *out)
{
    struct sum s = sum_up(rows, count);
    struct json_w w;
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_str(&w, "summary", "all");
    json_w_int(&w, "sessions", (int64_t)count);
    json_counts(s.counts, &w);
    json_w_int(&w, "not_done", (int64_t)s.failed);
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    (void)buf_add_char(out, '\n');
}

void rerun_print_end(struct rerun_print *p, const struct rerun_row *rows, size_t count)
{
    struct buf out = BUF_INIT((size_t)16 << 20);
    if (p->json && p->many) {
        for (size_t i = 0; i < count; i++)
            json_row(&rows[i], &out);
        json_sum(rows, count, &out);
    } else if (!p->json && !p->quiet && p->many) {
        put_table(rows, count, &out);
    } else if (!p->json && !p->quiet && rows[0].again[0] != '\0') {
        (void)buf_addf(&out, "%s: ", rows[0].again);
        put_sum(rows[0].counts, &out);
        (void)buf_add_char(&out, '\n');
    }
    put(p, &out);
}
