/* export_mdtext.c - what Markdown documents and the prose cells of notebooks are made of. */
#include "cli/export_mdtext.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/export_doc.h"

#define TEXT_MAX   ((size_t)64 << 20)
#define INLINE_MAX 2000 /* bytes of foreign text in a line of ours */

/* ---- escaping ---- */

void md_inline(const struct export *x, struct buf *out, const char *s)
{
    struct buf clean = BUF_INIT(TEXT_MAX);
    size_t len = strlen(s), n = len < INLINE_MAX ? len : INLINE_MAX;
    while (n < len && n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
        n--;
    export_clean(x, &clean, s, n, TEXT_PROSE);
    if (n < len)
        (void)buf_add_str(&clean, "…");
    for (size_t i = 0; i < clean.len; i++) {
        char c = clean.ptr[i];
        /* An address does not become a link by itself either. */
        if ((c != '\0' && strchr("\\`*_[]<>#!|~$&@", c) != NULL) ||
            (c == ':' && clean.ptr[i + 1] == '/'))
            (void)buf_add_char(out, '\\');
        (void)buf_add_char(out, c == '\n' || c == '\r' ? ' ' : c);
    }
    buf_release(&clean);
}

void md_count_ticks(struct md_ticks *t, const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        t->now = p[i] == '`' ? t->now + 1 : 0;
        t->longest = t->now > t->longest ? t->now : t->longest;
    }
}

void md_fence(struct buf *out, const struct md_ticks *t, const char *language)
{
    size_t n = t->longest < 3 ? 3 : t->longest + 1;
    while (n-- > 0)
        (void)buf_add_char(out, '`');
    (void)buf_addf(out, "%.32s\n", language);
}

void md_block(const struct export *x, struct buf *out, const char *language, const char *text,
              size_t len, enum text_mode mode)
{
    struct md_ticks t = { 0 };
    struct buf clean = BUF_INIT(TEXT_MAX);
    export_clean(x, &clean, text, len, mode);
    md_count_ticks(&t, buf_str(&clean), clean.len);
    md_fence(out, &t, language);
    (void)buf_add(out, buf_str(&clean), clean.len);
    if (clean.len > 0 && clean.ptr[clean.len - 1] != '\n')
        (void)buf_add_char(out, '\n');
    md_fence(out, &t, "");
    (void)buf_add_char(out, '\n');
    buf_release(&clean);
}

const char *md_language(const char *name)
{
    return strspn(name, "abcdefghijklmnopqrstuvwxyz") == strlen(name) && name[0] != '\0' ? name
                                                                                         : "text";
}

/* ---- parts ---- */

void md_findings(const struct export *x, struct buf *out, const struct state_run *r)
{
    for (size_t i = 0; i < r->finding_count; i++) {
        const struct state_finding *f = &r->findings[i];
        (void)buf_addf(out, "- **%s** ", severity_name(f->severity));
        if (f->line != 0) /* else it is about all of it */
            (void)buf_addf(out, "line %u, ", f->line);
        md_inline(x, out, f->rule);
        (void)buf_add_str(out, ": ");
        md_inline(x, out, f->text);
        (void)buf_add_char(out, '\n');
    }
    if (r->finding_count > 0)
        (void)buf_add_char(out, '\n');
}

void md_decision(const struct export *x, struct buf *out, const struct state_run *r)
{
    struct buf words = BUF_INIT(4096);
    doc_decision(r, &words);
    (void)buf_addf(out, "**Run %u: ", r->number);
    md_inline(x, out, buf_str(&words));
    (void)buf_add_str(out, "** · capsule `");
    (void)buf_add(out, r->capsule, strspn(r->capsule, "0123456789abcdef"));
    (void)buf_add_char(out, '`');
    if (r->reason[0] != '\0') {
        (void)buf_add_str(out, " · ");
        md_inline(x, out, r->reason);
    }
    (void)buf_add_str(out, "\n\n");
    buf_release(&words);
}

void md_checks(const struct export *x, struct buf *out, const struct state_run *r)
{
    (void)buf_addf(out, "Verdict of run %u: **%s**\n\n", r->number, run_verdict_name(r->verdict));
    for (size_t i = 0; i < r->check_count; i++) {
        const struct state_check *c = &r->checks[i];
        (void)buf_add_str(out, c->ok ? "- ok: " : "- FAILED: ");
        md_inline(x, out, c->text);
        if (!c->ok && c->got != NULL && c->got[0] != '\0') {
            (void)buf_add_str(out, ", got ");
            md_inline(x, out, c->got);
        }
        (void)buf_add_char(out, '\n');
    }
    if (r->check_count > 0)
        (void)buf_add_char(out, '\n');
}

static void row(const struct export *x, struct buf *out, const char *label, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    (void)buf_addf(out, "| %s | ", label);
    md_inline(x, out, value);
    (void)buf_add_str(out, " |\n");
}

static void put_title(const struct export *x, struct buf *out)
{
    const struct state *st = &x->final;
    const char *title = st->name[0] != '\0' ? st->name : st->task;
    char *line = xstrndup(title, strcspn(title, "\n"));
    (void)buf_add_str(out, "# ");
    md_inline(x, out, line[0] != '\0' ? line : "Airlock session");
    (void)buf_add_str(out, "\n\n");
    free(line);
}

void md_head(const struct export *x, struct buf *out)
{
    const struct state *st = &x->final;
    char at[CLOCK_ISO_LEN], cost[64];
    clock_iso(st->created_at_us, at);
    export_money(st->cost_nanousd, cost, sizeof cost);
    put_title(x, out);
    (void)buf_add_str(out, "| | |\n| --- | --- |\n");
    row(x, out, "session", store_id(x->store));
    row(x, out, "foreign, made as", st->foreign ? st->foreign_from : "");
    row(x, out, "created", at);
    row(x, out, "planner", st->planner);
    row(x, out, "model", st->model);
    row(x, out, "sandbox", st->sandbox);
    row(x, out, "contract", st->contract_digest);
    row(x, out, "outcome", st->outcome);
    row(x, out, "answer", st->answer);
    row(x, out, "cost", cost);
    (void)buf_add_char(out, '\n');
}

void md_plan(const struct export *x, struct buf *out)
{
    const struct state *st = &x->final;
    if (st->step_count == 0)
        return;
    (void)buf_add_str(out, "## Plan\n\n");
    for (size_t i = 0; i < st->step_count; i++) {
        (void)buf_addf(out, "%zu. (%s) ", i + 1, step_status_name(st->steps[i].status));
        md_inline(x, out, st->steps[i].title);
        (void)buf_add_char(out, '\n');
    }
    (void)buf_add_char(out, '\n');
}
