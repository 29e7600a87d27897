/* stats.c - the fold: each decision is counted under what was found at its gate. */
#include "tool/stats.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define SLOTS     8192u /* more than twice the rows */
#define GATE_MAX  256   /* findings of one gate that are counted apart */
#define ANY_WAIT  (-2)
#define HEX_BYTES (SHA256_HEX_LEN + 1)

struct gate_finding {
    char rule[STATS_KEY_MAX + 1], text[STATS_KEY_MAX + 1];
    int severity;
};

/* Of the session being folded. */
struct stats_session {
    const char *id;
    size_t sandbox; /* row + 1; 0 none */
    uint32_t reviewed, decided;
    struct gate_finding *found;
    size_t found_count;
    int worst;
    uint32_t gate_run, gate_rev;
    int64_t ready_us, last_us; /* the sandbox lives since; 0: none does */
    char code_key[HEX_BYTES], contract[HEX_BYTES];
};

void stats_init(struct stats *s)
{
    *s = (struct stats){ .sessions = 0 };
    s->now = xcalloc(1, sizeof *s->now);
    s->now->found = xcalloc(GATE_MAX, sizeof *s->now->found);
}

static void table_release(struct stats_table *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->rows[i].key);
    free(t->rows);
    free(t->slots);
    *t = (struct stats_table){ 0 };
}

void stats_release(struct stats *s)
{
    if (s == NULL || s->now == NULL)
        return;
    table_release(&s->rules);
    table_release(&s->findings);
    table_release(&s->reasons);
    table_release(&s->sandboxes);
    free(s->waits);
    free(s->now->found);
    free(s->now);
    *s = (struct stats){ .sessions = 0 };
}

uint64_t stats_tally_sum(const struct stats_tally *t)
{
    return t->approved + t->unasked + t->denied + t->refused + t->edited + t->dry_run + t->stopped;
}

/* ---- tables ---- */

static void cut(const char *text, char out[STATS_KEY_MAX + 1])
{
    size_t n = strcspn(text, "\n");
    if (n > STATS_KEY_MAX)
        n = utf8_valid_prefix(text, STATS_KEY_MAX);
    memcpy(out, text, n);
    out[n] = '\0';
}

/* NULL when the table is full: counted as left out. */
static struct stats_row *row_of(struct stats_table *t, const char *key)
{
    uint32_t h = 2166136261u;
    for (const char *c = key; *c != '\0'; c++)
        h = (h ^ (unsigned char)*c) * 16777619u;
    if (t->slots == NULL)
        t->slots = xcalloc(SLOTS, sizeof *t->slots);
    size_t at = h % SLOTS;
    for (; t->slots[at] != 0; at = (at + 1) % SLOTS) {
        if (strcmp(t->rows[t->slots[at] - 1].key, key) == 0)
            return &t->rows[t->slots[at] - 1];
    }
    if (t->count == STATS_ROWS_MAX) {
        t->left_out++;
        return NULL;
    }
    if (t->count == t->cap) {
        t->cap = t->cap > 0 ? t->cap * 2 : 64;
        t->rows = xreallocarray(t->rows, t->cap, sizeof *t->rows);
    }
    t->rows[t->count] = (struct stats_row){ .key = xstrdup(key), .severity = -1 };
    t->slots[at] = (uint32_t)++t->count;
    return &t->rows[t->count - 1];
}

static int by_use(const void *a, const void *b)
{
    const struct stats_row *x = a, *y = b;
    uint64_t nx = stats_tally_sum(&x->tally) + x->count, ny = stats_tally_sum(&y->tally) + y->count;
    if (nx != ny)
        return nx > ny ? -1 : 1;
    return strcmp(x->key, y->key);
}

void stats_table_sort(struct stats_table *t)
{
    if (t->count > 1)
        qsort(t->rows, t->count, sizeof *t->rows, by_use);
    free(t->slots); /* they name places that have changed */
    t->slots = NULL;
}

/* ---- one session ---- */

void stats_begin(struct stats *s, const char *id)
{
    struct gate_finding *found = s->now->found;
    *s->now = (struct stats_session){ .id = id, .found = found, .worst = -1 };
    s->sessions++;
}

static struct stats_row *sandbox_row(struct stats *s)
{
    return s->now->sandbox != 0 ? &s->sandboxes.rows[s->now->sandbox - 1] : NULL;
}

static void add_up(int64_t *sum, int64_t n)
{
    if (n > 0 && __builtin_add_overflow(*sum, n, sum))
        *sum = INT64_MAX;
}

/* Dry runs have sandboxes of their own, which carry the run's number. */
static void on_ready(struct stats *s, const struct event *ev)
{
    if (ev->run == 0)
        s->now->ready_us = ev->at_us;
}

static void end_sandbox(struct stats *s, int64_t at_us, int64_t known_ms)
{
    struct stats_row *row = sandbox_row(s);
    if (row != NULL && known_ms > 0)
        add_up(&row->alive_ms, known_ms);
    else if (row != NULL && s->now->ready_us != 0)
        add_up(&row->alive_ms, (at_us - s->now->ready_us) / 1000);
    s->now->ready_us = 0;
}

void stats_end(struct stats *s)
{
    /* It died with the program: the record's end is the best that is known. */
    end_sandbox(s, s->now->last_us, 0);
    s->now->id = NULL;
}

static void on_sandbox(struct stats *s, const struct event *ev)
{
    char key[STATS_KEY_MAX + 1];
    const char *name = json_get_str(ev->body, "sandbox", NULL);
    if (name == NULL)
        return;
    cut(name, key);
    struct stats_row *row = row_of(&s->sandboxes, key);
    size_t at = row != NULL ? (size_t)(row - s->sandboxes.rows) + 1 : 0;
    if (row != NULL && at != s->now->sandbox)
        row->count++;
    s->now->sandbox = at;
}

static void on_reviewed(struct stats *s, const struct event *ev)
{
    struct stats_session *n = s->now;
    const struct json *list = json_get(ev->body, "findings");
    n->reviewed = ev->run;
    n->found_count = 0;
    n->worst = -1;
    if (json_kind(list) != JSON_ARRAY)
        return;
    for (const struct json *m = json_first(list); m != NULL; m = json_next(m)) {
        const char *word = json_get_str(m, "severity", "");
        int severity = SEVERITY_HIGH; /* an unknown word must not look harmless */
        for (int k = SEVERITY_INFO; k < SEVERITY_HIGH; k++) {
            if (strcmp(word, severity_name((enum finding_severity)k)) == 0)
                severity = k;
        }
        n->worst = severity > n->worst ? severity : n->worst;
        if (n->found_count == GATE_MAX)
            continue;
        struct gate_finding *f = &n->found[n->found_count++];
        f->severity = severity;
        cut(json_get_str(m, "rule", ""), f->rule);
        cut(json_get_str(m, "text", ""), f->text);
    }
}

static void take_hex(char out[HEX_BYTES], const struct json *body, const char *key)
{
    const char *s = json_get_str(body, key, "");
    memset(out, 0, HEX_BYTES);
    if (strlen(s) == SHA256_HEX_LEN)
        memcpy(out, s, SHA256_HEX_LEN);
}

static void on_opened(struct stats *s, const struct event *ev)
{
    struct stats_session *n = s->now;
    n->gate_run = ev->run;
    n->gate_rev = (uint32_t)json_get_int(ev->body, "rev", 1);
    take_hex(n->code_key, ev->body, "code_key");
    take_hex(n->contract, ev->body, "contract_digest");
}

/* ---- decisions ---- */

static void count_in(struct stats_tally *t, const char *decision, bool person)
{
    if (strcmp(decision, "approve") == 0)
        *(person ? &t->approved : &t->unasked) += 1;
    else if (strcmp(decision, "deny") == 0)
        *(person ? &t->denied : &t->refused) += 1;
    else if (strcmp(decision, "edit") == 0)
        t->edited++;
    else if (strcmp(decision, "dry-run") == 0)
        t->dry_run++;
    else if (strcmp(decision, "stop") == 0)
        t->stopped++;
}

static void count_row(struct stats_table *t, const char *key, int severity, const char *decision,
                      bool person)
{
    struct stats_row *row = row_of(t, key);
    if (row == NULL)
        return;
    count_in(&row->tally, decision, person);
    row->severity = severity > row->severity ? severity : row->severity;
}

/* A rule that found three things at one gate was there once. */
static bool is_first(const struct stats_session *n, size_t i, bool whole)
{
    for (size_t k = 0; k < i; k++) {
        if (strcmp(n->found[k].rule, n->found[i].rule) == 0 &&
            (!whole || strcmp(n->found[k].text, n->found[i].text) == 0))
            return false;
    }
    return true;
}

static void count_findings(struct stats *s, const char *decision, bool person)
{
    const struct stats_session *n = s->now;
    for (size_t i = 0; i < n->found_count; i++) {
        const struct gate_finding *f = &n->found[i];
        char whole[STATS_KEY_MAX + 1];
        struct buf key = BUF_INIT(2 * STATS_KEY_MAX + 8);
        if (is_first(n, i, false))
            count_row(&s->rules, f->rule, f->severity, decision, person);
        if (is_first(n, i, true)) {
            (void)buf_addf(&key, "%s: %s", f->rule, f->text);
            cut(buf_str(&key), whole);
            count_row(&s->findings, whole, f->severity, decision, person);
        }
        buf_release(&key);
    }
}

static void count_wait(struct stats *s, int64_t ms)
{
    if (s->wait_count == STATS_WAITS_MAX) {
        s->waits_left_out++;
        return;
    }
    if (s->wait_count == s->wait_cap) {
        s->wait_cap = s->wait_cap > 0 ? s->wait_cap * 2 : 1024;
        s->waits = xreallocarray(s->waits, s->wait_cap, sizeof *s->waits);
    }
    s->waits[s->wait_count++] = (struct stats_wait){ ms, (int8_t)s->now->worst };
}

/* The order of the round: typing and leases come before the policy, which decides on code as it was
 * proposed, once. */
static void replay_policy(struct stats *s, const struct event *ev, const char *decision,
                          const char *by)
{
    const struct stats_session *n = s->now;
    uint8_t contract[SHA256_LEN], key[SHA256_LEN];
    bool fresh = n->gate_rev == 1 && n->decided != ev->run;
    bool approve = strcmp(decision, "approve") == 0,
         by_policy = approve && strcmp(by, "policy") == 0;
    if (s->policy == NULL || !fresh || n->gate_run != ev->run ||
        (approve && (strcmp(by, "lease") == 0 || strcmp(by, "typed") == 0)))
        return;
    if (hex_decode(n->code_key, strlen(n->code_key), key) < 0 || n->code_key[0] == '\0' ||
        hex_decode(n->contract, strlen(n->contract), contract) < 0 || n->contract[0] == '\0') {
        s->no_key++;
        return;
    }
    s->judged++;
    bool allows = policy_allows(s->policy, contract, key);
    if (allows == by_policy)
        return;
    struct stats_change c = {
        .session = n->id,
        .run = ev->run,
        .was = decision,
        .by = by,
        .reason = json_get_str(ev->body, "reason", ""),
        .would_run = allows,
        .code_key = n->code_key,
        .contract_digest = n->contract,
    };
    s->changed(s->arg, &c);
}

static void on_decided(struct stats *s, const struct event *ev)
{
    struct stats_session *n = s->now;
    const char *decision = json_get_str(ev->body, "decision", ""),
               *by = json_get_str(ev->body, "by", ""),
               *reason = json_get_str(ev->body, "reason", "");
    bool person = strcmp(by, "person") == 0;
    if (n->reviewed != ev->run) { /* its review is gone */
        n->found_count = 0;
        n->worst = -1;
    }
    count_in(&s->all, decision, person);
    count_in(&s->by_severity[n->worst + 1], decision, person);
    count_findings(s, decision, person);
    if (strcmp(decision, "approve") == 0) {
        s->by_lease += strcmp(by, "lease") == 0;
        s->by_typed += strcmp(by, "typed") == 0;
        s->by_policy += strcmp(by, "policy") == 0;
    }
    if (person)
        count_wait(s, json_get_int(ev->body, "waited_ms", 0));
    if (strcmp(decision, "deny") == 0) {
        char key[STATS_KEY_MAX + 1];
        cut(reason[0] != '\0' ? reason : "(no reason given)", key);
        struct stats_row *row = row_of(&s->reasons, key);
        if (row != NULL)
            row->count++;
    }
    replay_policy(s, ev, decision, by);
    n->decided = ev->run;
}

void stats_event(struct stats *s, const struct event *ev)
{
    struct stats_row *row = sandbox_row(s);
    if (ev->type == EVENT_SESSION_RESUMED) /* what the program before it left behind died with it */
        end_sandbox(s, s->now->last_us, 0);
    s->now->last_us = ev->at_us;
    if (ev->body == NULL)
        return; /* erased */
    switch (ev->type) {
    case EVENT_SESSION_CREATED:
    case EVENT_SESSION_RESUMED:
        on_sandbox(s, ev);
        break;
    case EVENT_RUN_REVIEWED:
        on_reviewed(s, ev);
        break;
    case EVENT_GATE_OPENED:
        on_opened(s, ev);
        break;
    case EVENT_GATE_DECIDED:
        on_decided(s, ev);
        break;
    case EVENT_RUN_FINISHED:
        s->runs++;
        if (row != NULL) {
            row->runs++;
            add_up(&row->wall_ms, json_get_int(ev->body, "wall_ms", 0));
        }
        break;
    case EVENT_RUN_FLAGGED:
        s->flags++;
        break;
    case EVENT_SANDBOX_READY:
        on_ready(s, ev);
        break;
    case EVENT_SANDBOX_CLOSED:
    case EVENT_SANDBOX_PAUSED: /* it lives on, but at no cost */
        if (ev->run == 0)
            end_sandbox(s, ev->at_us, json_get_int(ev->body, "sandbox_ms", 0));
        break;
    case EVENT_USAGE:
        if (row != NULL)
            add_up(&row->cost_nanousd, json_get_int(ev->body, "cost_nanousd", 0));
        break;
    default:
        break;
    }
}

/* ---- waits ---- */

static int by_ms(const void *a, const void *b)
{
    const struct stats_wait *x = a, *y = b;
    return x->ms < y->ms ? -1 : x->ms > y->ms;
}

uint64_t stats_wait_count(const struct stats *s, int severity)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s->wait_count; i++)
        n += severity == ANY_WAIT || s->waits[i].severity == severity;
    return n;
}

int64_t stats_wait_percentile(struct stats *s, int severity, unsigned p)
{
    uint64_t count = stats_wait_count(s, severity), rank = (count * p + 99) / 100, n = 0;
    if (count == 0)
        return -1;
    qsort(s->waits, s->wait_count, sizeof *s->waits, by_ms);
    for (size_t i = 0; i < s->wait_count; i++) {
        n += severity == ANY_WAIT || s->waits[i].severity == severity;
        if (n == rank)
            return s->waits[i].ms;
    }
    return -1;
}
