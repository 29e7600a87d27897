/* review.c - one run of the review: collect findings, give them lines, sort, keep the worst. */
#include "tool/review_impl.h"

#include <stdlib.h>
#include <string.h>

#define RAW_MAX      20000u            /* findings noted at all; HIGH ones up to twice that */
#define NESTED_BYTES ((size_t)4 << 20) /* code in literals, in total */
#define DETAIL_MAX   64u

/* ---- collecting ---- */

static struct review_job *outermost(struct review_job *j)
{
    while (j->outer != NULL)
        j = j->outer;
    return j;
}

/* Printable ASCII in quotes, cut short; NULL when there is nothing to show. */
static char *clean_detail(const char *p, size_t n)
{
    char out[DETAIL_MAX + 4];
    size_t i = 0;
    if (p == NULL || n == 0)
        return NULL;
    for (; i < n && i < DETAIL_MAX; i++) {
        unsigned char c = (unsigned char)p[i];
        out[i] = c >= ' ' && c < 0x7f ? p[i] : c == (unsigned char)REVIEW_HOLE ? '*' : '?';
    }
    if (i < n) {
        for (unsigned dots = 0; dots < 3; dots++)
            out[i++] = '.';
    }
    return xstrndup(out, i);
}

/* [*start, *start + *len) of `j` in the outermost code. */
static void to_outermost(const struct review_job *j, size_t *start, size_t *len)
{
    for (; j->outer != NULL; j = j->outer) {
        if (j->exact) {
            *start += j->outer_start;
        } else {
            *start = j->outer_start;
            *len = j->outer_len;
        }
    }
}

void job_add(struct review_job *j, const struct review_rule *rule, enum path_class cls,
             size_t start, size_t len, const char *detail, size_t detail_len)
{
    struct review_job *top = outermost(j);
    int severity = rule->severity[cls];
    if (severity == SEVERITY_MEDIUM && strcmp(rule->category, "network") == 0 &&
        !(j->ctx != NULL && j->ctx->network_open))
        severity = SEVERITY_LOW;
    if (severity < 0)
        return;
    if (top->raw_count >= RAW_MAX * (severity == SEVERITY_HIGH ? 2 : 1)) {
        top->overflow = true;
        return;
    }
    start = start < j->len ? start : j->len;
    len = len < j->len - start ? len : j->len - start;
    to_outermost(j, &start, &len);
    if (top->raw_count == top->raw_cap) {
        top->raw_cap = top->raw_cap > 0 ? top->raw_cap * 2 : 32;
        top->raw = xreallocarray(top->raw, top->raw_cap, sizeof(*top->raw));
    }
    top->raw[top->raw_count++] = (struct review_raw){
        .start = (uint32_t)start,
        .len = (uint32_t)len,
        .rule = rule,
        .severity = severity,
        .cls = (uint8_t)cls,
        .detail = clean_detail(detail, detail_len),
    };
}

void job_check(struct review_job *j, const char *check, size_t start, size_t len)
{
    const struct review_rule *rule = rules_check(j->rules, j->lang, check);
    if (rule != NULL)
        job_add(j, rule, PATH_UNKNOWN, start, len, NULL, 0);
}

static void run_walk(struct review_job *j)
{
    if (j->lang == LEX_LANG_SHELL)
        review_shell(j);
    else if (j->lang != LEX_LANG_NONE)
        review_names(j);
}

void job_nested(struct review_job *j, enum lex_lang lang, const char *code, size_t code_len,
                size_t start, size_t len, bool exact)
{
    struct review_job *top = outermost(j);
    if (code_len == 0)
        return;
    if (j->nest >= REVIEW_NEST_MAX || top->nested_bytes + code_len > NESTED_BYTES) {
        job_check(j, "nested-too-deep", start, len);
        return;
    }
    top->nested_bytes += code_len;
    struct review_job in = {
        .rules = j->rules,
        .lang = lang,
        .code = code,
        .len = code_len,
        .ctx = j->ctx,
        .outer = j,
        .outer_start = start,
        .outer_len = len,
        .exact = exact,
        .nest = j->nest + 1,
    };
    memcpy(in.cwd, j->cwd, sizeof(in.cwd));
    run_walk(&in);
}

void job_literal(struct review_job *j, const char *text, size_t text_len, size_t start, size_t len)
{
    const struct review_rules *r = j->rules;
    for (size_t i = 0; i < text_len; i++) {
        unsigned char c = (unsigned char)text[i];
        for (uint32_t k = r->by_first[c]; k < r->by_first[c + 1]; k++) {
            const struct rule_shape *s = &r->shapes[r->by_first[257 + k]];
            if (s->is_shape || s->len > text_len - i || memcmp(s->text, text + i, s->len) != 0 ||
                (s->lang != LEX_LANG_NONE && s->lang != j->lang))
                continue;
            job_add(j, &r->rules[s->rule], PATH_UNKNOWN, start, len, text, text_len);
        }
    }
}

void job_env(struct review_job *j, const char *name, size_t name_len, size_t start, size_t len)
{
    static const enum lex_lang any = LEX_LANG_NONE;
    const struct rule_entry *en = NULL;
    while ((en = rules_find(j->rules, any, MATCH_ENV, "", 0, en)) != NULL) {
        if (glob_match(en->glob, name, name_len)) {
            job_add(j, &j->rules->rules[en->rule], PATH_UNKNOWN, start, len, name, name_len);
            return;
        }
    }
}

void job_persist(struct review_job *j, const char *path, size_t path_len, size_t start, size_t len)
{
    const struct rule_entry *en = NULL;
    const struct review_rule *rule = rules_check(j->rules, j->lang, "persistence");
    while (rule != NULL &&
           (en = rules_find(j->rules, LEX_LANG_NONE, MATCH_PERSIST, "", 0, en)) != NULL) {
        if (glob_match(en->glob, path, path_len)) {
            job_add(j, rule, PATH_UNKNOWN, start, len, path, path_len);
            return;
        }
    }
}

/* ---- finishing ---- */

static int by_start(const void *a, const void *b)
{
    const struct review_raw *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static int by_line(const void *a, const void *b)
{
    const struct review_raw *x = a, *y = b;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    int c = strcmp(x->rule->id, y->rule->id);
    if (c != 0)
        return c;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    if (x->severity != y->severity)
        return x->severity > y->severity ? -1 : 1;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return strcmp(x->detail != NULL ? x->detail : "", y->detail != NULL ? y->detail : "");
}

static int by_weight(const void *a, const void *b)
{
    const struct review_raw *x = a, *y = b;
    if (x->severity != y->severity)
        return x->severity > y->severity ? -1 : 1;
    return by_line(a, b);
}

static void sort_raw(struct review_job *j, size_t count, int (*by)(const void *, const void *))
{
    if (count > 1)
        qsort(j->raw, count, sizeof(*j->raw), by);
}

static void give_lines(struct review_job *j)
{
    uint32_t line = 1;
    size_t at = 0;
    sort_raw(j, j->raw_count, by_start);
    for (size_t i = 0; i < j->raw_count; i++) {
        struct review_raw *f = &j->raw[i];
        for (const char *nl;
             at < f->start && (nl = memchr(j->code + at, '\n', f->start - at)) != NULL;
             at = (size_t)(nl - j->code) + 1)
            line++;
        f->line = f->len > 0 || f->start > 0 ? line : 0;
    }
}

/* The same rule at the same place is one finding, the gravest. */
static void drop_doubles(struct review_job *j)
{
    size_t n = 0;
    sort_raw(j, j->raw_count, by_line);
    for (size_t i = 0; i < j->raw_count; i++) {
        if (n > 0 && j->raw[n - 1].line == j->raw[i].line && j->raw[n - 1].rule == j->raw[i].rule &&
            j->raw[n - 1].start == j->raw[i].start) {
            free(j->raw[i].detail);
            continue;
        }
        j->raw[n++] = j->raw[i];
    }
    j->raw_count = n;
}

static char *finding_text(const struct review_raw *f)
{
    static const char *const where[PATH_CLASSES] = {
        "",
        "",
        " outside the workspace",
        " in a read-write mount",
    };
    bool known = f->rule->has_class && f->cls != PATH_UNKNOWN;
    return xasprintf("%s%s%s%s", f->rule->text, known ? where[f->cls] : "",
                     f->detail != NULL ? ": " : "", f->detail != NULL ? f->detail : "");
}

static void push_finding(struct review *out, struct review_finding f)
{
    if (out->count == out->cap) {
        out->cap = out->cap > 0 ? out->cap * 2 : 16;
        out->findings = xreallocarray(out->findings, out->cap, sizeof(*out->findings));
    }
    out->findings[out->count++] = f;
}

static void finish(struct review_job *j, struct review *out)
{
    give_lines(j);
    drop_doubles(j);
    size_t keep = j->raw_count;
    if (keep > REVIEW_FINDINGS_MAX || j->overflow) {
        out->truncated = true;
        sort_raw(j, j->raw_count, by_weight);
        keep = keep < REVIEW_FINDINGS_MAX ? keep : REVIEW_FINDINGS_MAX;
        sort_raw(j, keep, by_line);
    }
    for (size_t i = 0; i < keep; i++) {
        const struct review_raw *f = &j->raw[i];
        push_finding(out, (struct review_finding){
                              .line = f->line,
                              .severity = (enum finding_severity)f->severity,
                              .rule = f->rule->id,
                              .text = finding_text(f),
                              .start = f->start,
                              .len = f->len,
                          });
    }
    for (size_t i = 0; i < j->raw_count; i++)
        free(j->raw[i].detail);
    free(j->raw);
    if (!out->truncated)
        return;
    uint32_t line = keep > 0 ? out->findings[keep - 1].line : 0;
    push_finding(out, (struct review_finding){
                          .line = line,
                          .severity = SEVERITY_HIGH,
                          .rule = "review.truncated",
                          .text = xasprintf("more than %d findings; the gravest are listed, read "
                                            "the code itself",
                                            REVIEW_FINDINGS_MAX),
                      });
}

void review_run(const struct review_rules *r, const char *language, const char *code, size_t len,
                const struct review_context *ctx, struct review *out)
{
    struct review_job j = {
        .rules = r,
        .lang = lex_language(language),
        .code = code,
        .len = len < UINT32_MAX ? len : UINT32_MAX,
        .ctx = ctx,
        .cwd = "/workspace",
    };
    *out = (struct review){ 0 };
    review_text(&j);
    if (j.lang == LEX_LANG_NONE)
        job_check(&j, "unknown-language", 0, 0);
    run_walk(&j);
    finish(&j, out);
}

void review_release(struct review *out)
{
    if (out == NULL)
        return;
    for (size_t i = 0; i < out->count; i++)
        free(out->findings[i].text);
    free(out->findings);
    *out = (struct review){ 0 };
}

int review_highest(const struct review *r)
{
    int worst = -1;
    for (size_t i = 0; i < r->count; i++) {
        if ((int)r->findings[i].severity > worst)
            worst = (int)r->findings[i].severity;
    }
    return worst;
}

/* ---- self-test ---- */

static bool found(const struct review *rv, const char *rule, int severity)
{
    for (size_t i = 0; i < rv->count; i++) {
        if (strcmp(rv->findings[i].rule, rule) == 0 &&
            (severity < 0 || (int)rv->findings[i].severity == severity))
            return true;
    }
    return false;
}

int review_self_test(const struct review_rules *r, size_t *examples, struct err *e)
{
    static const char *const mounts[] = { "/mnt/data" };
    static const struct review_context ctx = { mounts, 1, true };
    struct buf code = BUF_INIT((size_t)1 << 16);
    int rc = 0;
    for (size_t i = 0; i < r->example_count && rc == 0; i++) {
        const struct rule_example *x = &r->examples[i];
        const struct review_rule *rule = &r->rules[x->rule];
        struct review rv;
        buf_reset(&code);
        example_decode(x->text, &code);
        const char *lang = rule->example_lang;
        if (lang == NULL)
            lang = lex_language_name(rule->lang != LEX_LANG_NONE ? rule->lang : LEX_LANG_PYTHON);
        review_run(r, lang, buf_str(&code), code.len, &ctx, &rv);
        if (found(&rv, rule->id, x->severity) != x->match)
            rc = err_set(e, ERR_FORMAT, "rule %s, line %u: the example must%s match%s: %s",
                         rule->id, x->line, x->match ? "" : " not",
                         x->severity >= 0 ? " with that severity" : "", x->text);
        review_release(&rv);
    }
    buf_release(&code);
    if (rc == 0 && examples != NULL)
        *examples = r->example_count;
    return rc;
}
