/* cmd_rerun.c - `airlock rerun ID`: the approved code of a session once more, in a new session of
 * its own, each run compared with the record. [architecture §7] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/headless.h"
#include "cli/runparts.h"
#include "cli/saved.h"
#include "sessions/mask.h"

#define FILES_MAX      1000
#define FILES_BYTE_MAX ((size_t)256 << 20) /* of one run */

enum outcome { SAME, SAME_MASKED, DIFFERENT, NOT_RUN, OUTCOMES };

struct rerun {
    struct app *app;
    struct saved old;
    struct headless h;
    unsigned masks;
    uint32_t first, last;
    size_t counts[OUTCOMES];
    bool denied, missing, integrity;
};

/* ---- what the record says was given to a run ---- */

struct given {
    struct store *store;
    uint32_t run;
    char **argv;
    size_t argv_count;
    struct buf input;
    struct sandbox_file *files;
    size_t file_count, file_bytes;
    struct err *e;
    bool failed;
};

static void given_release(struct given *g)
{
    for (size_t i = 0; i < g->argv_count; i++)
        free(g->argv[i]);
    for (size_t i = 0; i < g->file_count; i++) {
        free(g->files[i].name);
        free(g->files[i].ptr);
    }
    free(g->argv);
    free(g->files);
    buf_release(&g->input);
}

/* The last proposal of the run (an edit makes a new one) counts. */
static int take_proposal(struct given *g, const struct json *body)
{
    const struct json *argv = json_get(body, "argv");
    const char *text = json_get_str(body, "stdin", NULL),
               *coded = json_get_str(body, "stdin_base64", NULL);
    for (size_t i = 0; i < g->argv_count; i++)
        free(g->argv[i]);
    g->argv_count = 0;
    if (argv != NULL) {
        g->argv = xreallocarray(g->argv, json_len(argv) + 1, sizeof *g->argv);
        for (const struct json *m = json_first(argv); m != NULL; m = json_next(m))
            g->argv[g->argv_count++] = xstrdup(json_str(m, ""));
    }
    buf_reset(&g->input);
    if (text != NULL)
        return buf_add_str(&g->input, text) < 0 ? err_set(g->e, ERR_LIMIT, "its input") : 0;
    return coded != NULL ? base64_decode(&g->input, coded, strlen(coded), g->e) : 0;
}

/* The file as it was put: of a name that was put twice the store has the newest only. */
static bool is_as_put(const struct buf *data, const char *sha256)
{
    uint8_t hash[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    sha256_once(data->ptr, data->len, hash);
    hex_encode(hash, sizeof hash, hex);
    return strcmp(hex, sha256) == 0;
}

static int take_file(struct given *g, uint32_t run, const struct json *body)
{
    const char *path = json_get_str(body, "path", "");
    struct buf data = BUF_INIT(STORE_BLOB_MAX);
    size_t at = 0;
    if (store_read_artifact(g->store, run, path, &data, g->e) < 0) {
        buf_release(&data);
        return err_wrap(g->e, "file %.100s", path);
    }
    (void)buf_str(&data);
    if (!is_as_put(&data, json_get_str(body, "sha256", ""))) {
        buf_release(&data);
        return err_set(g->e, ERR_MISSING, "file %.100s was put again later: its old bytes are gone",
                       path);
    }
    while (at < g->file_count && strcmp(g->files[at].name, path) != 0)
        at++;
    g->file_bytes += data.len;
    if (at == FILES_MAX || g->file_bytes > FILES_BYTE_MAX) {
        buf_release(&data);
        return err_set(g->e, ERR_LIMIT, "more than %d files or %zu bytes of them", FILES_MAX,
                       FILES_BYTE_MAX);
    }
    if (at == g->file_count) {
        g->files = xreallocarray(g->files, ++g->file_count, sizeof *g->files);
        g->files[at] = (struct sandbox_file){ .name = xstrdup(path), .mode = 0644 };
    }
    free(g->files[at].ptr);
    g->files[at].len = data.len;
    g->files[at].ptr = buf_detach(&data);
    return 0;
}

static int take_event(void *arg, const struct event *ev)
{
    struct given *g = arg;
    int rc = 0;
    if (ev->body == NULL) {
        g->failed |= ev->run == g->run;
        if (ev->run == g->run)
            err_set(g->e, ERR_MISSING, "its record was erased");
        return g->failed;
    }
    if (ev->type == EVENT_RUN_PROPOSED && ev->run == g->run)
        rc = take_proposal(g, ev->body);
    else if (ev->type == EVENT_FILE_PUT && (ev->run == g->run || ev->run == 0))
        rc = take_file(g, ev->run, ev->body);
    g->failed = rc < 0;
    return g->failed;
}

/* Files that the person put between the runs come with the next one. */
static int collect(struct given *g, struct store *store, const struct state_run *sr, uint64_t from,
                   struct err *e)
{
    const uint64_t types = 1ull << EVENT_RUN_PROPOSED | 1ull << EVENT_FILE_PUT;
    *g = (struct given){ .store = store, .run = sr->number, .e = e };
    buf_init(&g->input, EVENT_BODY_MAX);
    uint64_t to = sr->decided_seq != 0 ? sr->decided_seq : sr->last_seq;
    int rc = store_each_of(store, types, from, to, take_event, g, e);
    return rc < 0 || g->failed ? -1 : 0;
}

/* ---- verdicts ---- */

struct verdict {
    enum outcome outcome;
    enum run_part part;
    size_t line;
    unsigned masks;
    bool cut;
    char why[512];
};

static int judge(struct rerun *r, const struct state_run *was, const struct state_run *is,
                 struct verdict *v, struct err *e)
{
    static const enum run_part parts[] = { PART_END, PART_STDOUT, PART_STDERR, PART_RESULT };
    struct run_ref a = { r->old.store, was }, b = { session_store(r->h.session), is };
    *v = (struct verdict){ .outcome = SAME };
    for (size_t i = 0; i < ARRAY_LEN(parts) && v->outcome != DIFFERENT; i++) {
        struct compare c;
        int rc = run_compare(&c, parts[i], &a, &b, r->masks, e);
        if (rc == 0 && c.verdict == COMPARE_DIFFERS)
            *v = (struct verdict){
                .outcome = DIFFERENT, .part = parts[i], .line = c.line, .cut = c.cut
            };
        else if (rc == 0 && c.verdict == COMPARE_MASKED) {
            v->outcome = SAME_MASKED;
            v->masks |= c.masks;
        }
        compare_release(&c);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* It did not come to a run of the same kind: why. */
static bool could_not_run(struct rerun *r, const struct state_run *is, struct verdict *v)
{
    const char *why = NULL;
    *v = (struct verdict){ .outcome = NOT_RUN };
    if (is == NULL || is->status != RUN_FINISHED) {
        bool denied = is != NULL && (is->status == RUN_DENIED || is->status == RUN_STOPPED);
        why =
            denied ? (is->reason[0] != '\0' ? is->reason : "denied at the gate") : "it never began";
        r->denied |= denied;
        r->missing |= !denied;
    } else if (is->end == END_SANDBOX || is->end == END_PROVIDER || is->end == END_LOST) {
        why = is->message[0] != '\0' ? is->message : run_end_name(is->end);
        r->missing = true;
    } else if (is->end == END_INTEGRITY) {
        why = "its capsule did not match";
        r->integrity = true;
    }
    if (why != NULL)
        snprintf(v->why, sizeof v->why, "%s", why);
    return why != NULL;
}

static void put_masks(unsigned set, struct json_w *w)
{
    json_w_array(w, "masked");
    for (unsigned k = 0; k < MASK_COUNT; k++) {
        if (set & (1u << k))
            json_w_str(w, NULL, mask_name((enum mask_kind)k));
    }
    json_w_close_array(w);
}

static const char *const outcome_names[OUTCOMES] = { "identical", "masked", "differs",
                                                     "could-not-run" };

static void put_json(const struct rerun *r, const struct state_run *was, const struct state_run *is,
                     const struct verdict *v, struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_str(&w, "session", r->old.id);
    json_w_int(&w, "run", was->number);
    json_w_str(&w, "rerun_session", session_state(r->h.session)->session);
    if (is != NULL)
        json_w_int(&w, "rerun_run", is->number);
    json_w_str(&w, "verdict", outcome_names[v->outcome]);
    put_masks(v->masks, &w);
    if (v->outcome == DIFFERENT) {
        json_w_str(&w, "what", run_part_name(v->part));
        json_w_int(&w, "line", (int64_t)v->line);
        json_w_bool(&w, "cut", v->cut);
    }
    if (v->outcome == NOT_RUN)
        json_w_strn(&w, "reason", v->why, strlen(v->why));
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    (void)buf_add_char(out, '\n');
}

static void put_text(const struct state_run *was, const struct state_run *is,
                     const struct verdict *v, struct buf *out)
{
    (void)buf_addf(out, "run %-4u rerun ", was->number);
    (void)(is != NULL ? buf_addf(out, "%-4u ", is->number) : buf_add_str(out, "-    "));
    if (v->outcome == SAME)
        (void)buf_add_str(out, "identical");
    else if (v->outcome == SAME_MASKED) {
        (void)buf_add_str(out, "identical after masks (");
        mask_print(v->masks, out);
        (void)buf_add_char(out, ')');
    } else if (v->outcome == DIFFERENT) {
        (void)buf_addf(out, "differs at line %zu of %s", v->line, run_part_name(v->part));
    } else {
        (void)buf_add_str(out, "could not run: ");
        (void)text_clean(out, v->why, strcspn(v->why, "\n"), TEXT_PROSE, false, false);
    }
    if (v->cut)
        (void)buf_addf(out, " (beyond %zu MiB not compared)", COMPARE_MAX >> 20);
    (void)buf_add_char(out, '\n');
}

static int tell(struct rerun *r, const struct state_run *was, const struct state_run *is,
                const struct verdict *v, struct err *e)
{
    struct buf out = BUF_INIT(64 << 10);
    r->counts[v->outcome]++;
    if (r->app->opt.json)
        put_json(r, was, is, v, &out);
    else
        put_text(was, is, v, &out);
    int rc = write_all_fd(STDOUT_FILENO, buf_str(&out), out.len);
    buf_release(&out);
    return rc < 0 ? err_set(e, ERR_IO, "standard output can't be written") : 0;
}

/* ---- running ---- */

static bool is_chosen(const struct rerun *r, const struct state_run *sr)
{
    return sr->twin_of == 0 && sr->status == RUN_FINISHED && strcmp(sr->decision, "approve") == 0 &&
           sr->number >= r->first && sr->number <= r->last;
}

static int run_again(struct rerun *r, const struct state_run *was, uint64_t from, struct err *e)
{
    struct given g;
    struct verdict v = { .outcome = NOT_RUN };
    struct state *st = session_state(r->h.session);
    size_t before = st->run_count;
    int rc = collect(&g, r->old.store, was, from, e);
    if (rc == 0) {
        struct round_own own = {
            .language = was->language,
            .code = was->code,
            .code_len = was->code_len,
            .expect = was->expect,
            .purpose = was->purpose,
            .argv = (const char *const *)g.argv,
            .argv_count = g.argv_count,
            .input = buf_str(&g.input),
            .input_len = g.input.len,
            .files = g.files,
            .file_count = g.file_count,
        };
        rc = round_own_code(session_round(r->h.session), &own, e);
    }
    given_release(&g);
    if (rc < 0) { /* this one can't run; the others may */
        r->missing = true;
        snprintf(v.why, sizeof v.why, "%s", e->msg);
        err_clear(e);
        return tell(r, was, NULL, &v, e);
    }
    if (headless_run(&r->h, e) < 0)
        return -1;
    const struct state_run *is = state_run_at(st, (uint32_t)before + 1);
    if (!could_not_run(r, is, &v) && judge(r, was, is, &v, e) < 0)
        return -1;
    return tell(r, was, is, &v, e);
}

static int run_all(struct rerun *r, struct err *e)
{
    uint64_t from = 1;
    for (size_t i = 0; i < r->old.state.run_count && !r->h.interrupted; i++) {
        const struct state_run *was = r->old.state.runs[i];
        if (r->h.broken.code != ERR_NONE) {
            *e = r->h.broken;
            return -1;
        }
        if (!is_chosen(r, was))
            continue;
        if (run_again(r, was, from, e) < 0)
            return -1;
        from = was->decided_seq + 1;
    }
    return 0;
}

static int check_some(const struct rerun *r, struct err *e)
{
    for (size_t i = 0; i < r->old.state.run_count; i++) {
        if (is_chosen(r, r->old.state.runs[i]))
            return 0;
    }
    return err_set(e, ERR_USAGE, "session %s has no approved run there", r->old.id);
}

/* ---- the command ---- */

static int parse_runs(const char *word, uint32_t *first, uint32_t *last, struct err *e)
{
    char *end;
    *first = 1;
    *last = UINT32_MAX;
    if (word == NULL)
        return 0;
    unsigned long a = strtoul(word, &end, 10), b = a;
    if (*end == '-')
        b = end[1] != '\0' ? strtoul(end + 1, &end, 10) : (end++, UINT32_MAX);
    if (*end != '\0' || word[0] < '0' || word[0] > '9' || a < 1 || b < a || b > UINT32_MAX)
        return err_set(e, ERR_USAGE, "--runs '%.40s': it is N, A-B or A-", word);
    *first = (uint32_t)a;
    *last = (uint32_t)b;
    return 0;
}

/* The sandbox and contract of the record, unless the command line says otherwise. */
static int take_contract(struct rerun *r, struct err *e)
{
    struct app *app = r->app;
    const struct state *st = &r->old.state;
    struct json *o = NULL;
    if (app->opt.on != NULL)
        app->opt.sandbox = app->opt.on;
    else if (app->opt.sandbox == NULL)
        app->opt.sandbox = st->sandbox;
    if (json_parse(&o, st->contract_json, strlen(st->contract_json), e) < 0)
        return err_wrap(e, "the contract of session %s", r->old.id);
    struct contract recorded;
    int rc = contract_from_json(&recorded, o, e);
    json_free(o);
    if (rc == 0) {
        contract_release(&app->contract);
        app->contract = recorded;
    }
    for (size_t i = 0; rc == 0 && i < app->opt.contract_count; i++)
        rc = contract_set(&app->contract, app->opt.contract[i], e);
    return rc;
}

static int start(struct rerun *r, struct err *e)
{
    char *title = xasprintf("rerun %s", r->old.id);
    bool json = r->app->opt.json;
    r->h.person = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !json;
    r->h.print = r->h.person ? PRINT_LINES : PRINT_NOTHING;
    r->h.parent = r->old.id;
    int rc = headless_start(&r->h, r->app, "human", NULL, e);
    if (rc == 0)
        rc = round_task(session_round(r->h.session), title, "program", e);
    if (rc == 0)
        rc = headless_lease(&r->h, e);
    free(title);
    return rc;
}

static int end(struct rerun *r)
{
    const size_t *n = r->counts;
    if (!r->app->opt.json && !r->app->opt.quiet)
        printf("%s: %zu identical, %zu after masks, %zu different, %zu could not run\n",
               session_state(r->h.session)->session, n[SAME], n[SAME_MASKED], n[DIFFERENT],
               n[NOT_RUN]);
    fflush(stdout);
    if (r->h.interrupted)
        return EXIT_INTERRUPTED;
    if (r->integrity)
        return EXIT_INTEGRITY;
    if (r->missing)
        return EXIT_MISSING;
    if (r->denied)
        return EXIT_WAS_DENIED;
    return n[DIFFERENT] > 0 ? EXIT_WORK_FAILED : EXIT_OK;
}

int cmd_rerun(struct app *app)
{
    struct err e = ERR_INIT;
    struct rerun r = { .app = app, .masks = MASK_ALL };
    int rc = 0, status;
    if (app->opt.arg_count != 1)
        rc = err_set(&e, ERR_USAGE, "rerun takes ID, such as last");
    if (rc == 0)
        rc = parse_runs(app->opt.runs, &r.first, &r.last, &e);
    if (rc == 0 && app->opt.mask != NULL)
        rc = mask_parse(app->opt.mask, &r.masks, &e);
    if (rc == 0)
        rc = saved_open(&r.old, app, app->opt.args[0], &e);
    if (rc < 0)
        return app_fail(&e);
    if (r.old.broken.code != ERR_NONE) {
        e = r.old.broken;
        rc = err_wrap(&e, "session %s is not whole: nothing is run", r.old.id);
    }
    if (rc == 0)
        rc = check_some(&r, &e);
    if (rc == 0)
        rc = take_contract(&r, &e);
    if (rc == 0)
        rc = start(&r, &e);
    if (rc == 0)
        rc = run_all(&r, &e);
    status = rc == 0 ? end(&r) : app_fail(&e);
    headless_end(&r.h, status == EXIT_OK            ? "done"
                       : status == EXIT_INTERRUPTED ? "interrupted"
                                                    : "failed");
    saved_close(&r.old);
    return status;
}
