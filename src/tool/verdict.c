/* verdict.c - judging a finished run by what was expected of it. */
#include "tool/verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/utf8.h"
#include "base/line_regex.h"

#define WINDOW    ((size_t)256 << 10)
#define GOT_BYTES 100

/* What a check is judged by, and the words for what was found instead. */
struct trial {
    const struct sandbox_finished *f;
    const struct state_run *run;
    const struct output_source *src;
    size_t paths_seen; /* `file … exists` are answered in their order */
    char got[256];
};

static bool got(struct trial *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

static bool got(struct trial *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->got, sizeof t->got, fmt, ap);
    va_end(ap);
    return false;
}

/* ---- reading stdout ---- */

static const struct state_output *out_of(const struct trial *t)
{
    return &t->run->out[STREAM_STDOUT];
}

static ssize_t read_some(const struct trial *t, uint64_t at, char *dst, size_t len)
{
    const struct state_output *o = out_of(t);
    if (at >= o->bytes)
        return 0;
    if (at >= o->tail_offset) {
        size_t skip = (size_t)(at - o->tail_offset);
        size_t n = o->tail.len - skip < len ? o->tail.len - skip : len;
        memcpy(dst, o->tail.ptr + skip, n);
        return (ssize_t)n;
    }
    if (t->src == NULL || t->src->read == NULL)
        return -1;
    size_t want = o->tail_offset - at < len ? (size_t)(o->tail_offset - at) : len;
    return t->src->read(t->src->arg, t->run->number, STREAM_STDOUT, at, dst, want);
}

/* Exactly `len` bytes from `at`. */
static bool read_all(const struct trial *t, uint64_t at, char *dst, size_t len)
{
    while (len > 0) {
        ssize_t n = read_some(t, at, dst, len);
        if (n <= 0 || (size_t)n > len)
            return false;
        at += (uint64_t)n;
        dst += n;
        len -= (size_t)n;
    }
    return true;
}

static bool unreadable(struct trial *t)
{
    return got(t, "not decided: stdout can't be read back");
}

/* The beginning of stdout, made fit for one line. */
static void quote_start(const struct trial *t, char *dst, size_t size)
{
    char raw[GOT_BYTES];
    uint64_t bytes = out_of(t)->bytes;
    size_t n = bytes < sizeof raw ? (size_t)bytes : sizeof raw, o = 0;
    if (!read_all(t, 0, raw, n))
        n = 0;
    for (size_t i = 0; i < n && o + 8 < size;) {
        uint32_t cp = 0;
        unsigned w = utf8_decode(raw + i, n - i, &cp);
        if (w == 0 && n - i < 4 && n < bytes)
            break; /* cut in the middle of a character */
        if (raw[i] == '\n') {
            dst[o++] = '\\';
            dst[o++] = 'n';
        } else if (w == 0 || cp < 0x20 || cp == 0x7f) {
            dst[o++] = '?';
        } else {
            memcpy(dst + o, raw + i, w);
            o += w;
        }
        i += w != 0 ? w : 1;
    }
    snprintf(dst + o, size - o, "%s", n < bytes ? "…" : "");
}

static bool got_stdout(struct trial *t)
{
    char start[GOT_BYTES * 2 + 16];
    quote_start(t, start, sizeof start);
    if (out_of(t)->bytes == 0)
        return got(t, "stdout is empty");
    return got(t, "%s", start);
}

/* ---- the checks ---- */

/* As `exec` reports it: 128+N for a signal, 124 for a timeout; -1 when there is none. */
static int status_of(const struct sandbox_finished *f)
{
    if (f->end == END_EXIT && f->has_code)
        return f->code;
    if (f->end == END_SIGNAL && f->has_code)
        return 128 + f->code;
    return f->end == END_TIMEOUT ? 124 : -1;
}

static bool check_exit(struct trial *t, int64_t wanted)
{
    int status = status_of(t->f);
    if (t->f->end == END_EXIT && t->f->has_code)
        got(t, "exit %d", t->f->code);
    else if (t->f->end == END_EXIT)
        got(t, "it ended, with a status that is not known");
    else if (t->f->end == END_SIGNAL)
        got(t, "signal %d", t->f->code);
    else
        got(t, "%s%s%s", run_end_name(t->f->end), t->f->what[0] != '\0' ? " " : "", t->f->what);
    return status >= 0 && status == wanted;
}

static bool cut_at_the_cap(struct trial *t)
{
    return got(t, "not decided: stdout was cut at output_mib");
}

static bool check_contains(struct trial *t, const char *needle)
{
    const struct state_output *o = out_of(t);
    size_t len = strlen(needle), held = 0;
    char *window = xmalloc(WINDOW + len);
    bool found = false, broken = false;
    for (uint64_t at = 0; at < o->bytes && !found && !broken;) {
        size_t n = o->bytes - at < WINDOW ? (size_t)(o->bytes - at) : WINDOW;
        broken = !read_all(t, at, window + held, n);
        if (broken)
            break;
        found = memmem(window, held + n, needle, len) != NULL;
        size_t keep = held + n < len - 1 ? held + n : len - 1;
        memmove(window, window + held + n - keep, keep);
        held = keep;
        at += n;
    }
    free(window);
    if (broken)
        return unreadable(t);
    if (!found && o->dropped > 0)
        return cut_at_the_cap(t);
    if (!found)
        got_stdout(t);
    return found;
}

static bool check_equals(struct trial *t, const char *wanted)
{
    const struct state_output *o = out_of(t);
    size_t len = strlen(wanted);
    if (o->dropped > 0)
        return cut_at_the_cap(t);
    if (o->bytes < len || o->bytes > len + 1)
        return got_stdout(t);
    char *all = xmalloc(len + 2);
    bool readable = read_all(t, 0, all, (size_t)o->bytes);
    bool same = readable && memcmp(all, wanted, len) == 0 && (o->bytes == len || all[len] == '\n');
    free(all);
    if (!readable)
        return unreadable(t);
    return same || got_stdout(t);
}

/* The first JUDGE_MAX bytes at most; NULL when they can't be read. Caller frees. */
static char *load_stdout(struct trial *t, size_t *len)
{
    *len = out_of(t)->bytes < JUDGE_MAX ? (size_t)out_of(t)->bytes : JUDGE_MAX;
    char *all = xmalloc(*len + 1);
    all[*len] = '\0';
    if (read_all(t, 0, all, *len))
        return all;
    free(all);
    unreadable(t);
    return NULL;
}

static bool was_cut(const struct trial *t)
{
    return out_of(t)->dropped > 0 || out_of(t)->bytes > JUDGE_MAX;
}

static bool check_matches(struct trial *t, const char *pattern)
{
    struct line_regex *re = NULL;
    struct err e = ERR_INIT;
    size_t len;
    if (line_regex_new(&re, pattern, &e) < 0)
        return got(t, "%.200s", e.msg);
    char *all = load_stdout(t, &len);
    enum line_regex_result r =
        all != NULL ? line_regex_find(re, all, len, JUDGE_REGEX_US) : LINE_REGEX_NO;
    line_regex_free(re);
    free(all);
    if (all == NULL || r == LINE_REGEX_YES)
        return r == LINE_REGEX_YES;
    if (r == LINE_REGEX_TOO_SLOW)
        return got(t, "not decided: matching takes too long");
    if (was_cut(t))
        return got(t, "not decided: no match in the first %zu MiB", JUDGE_MAX >> 20);
    return got_stdout(t);
}

static bool is_number(const char *s, size_t len, bool whole)
{
    const char *end = s + len;
    s += s < end && (*s == '-' || *s == '+');
    size_t digits = 0;
    for (; s < end && *s >= '0' && *s <= '9'; s++)
        digits++;
    if (!whole && s < end && *s == '.') {
        for (s++; s < end && *s >= '0' && *s <= '9'; s++)
            digits++;
    }
    if (!whole && digits > 0 && s < end && (*s == 'e' || *s == 'E')) {
        s += 1 + (s + 1 < end && (s[1] == '-' || s[1] == '+'));
        digits = 0;
        for (; s < end && *s >= '0' && *s <= '9'; s++)
            digits++;
    }
    return digits > 0 && s == end;
}

static bool is_json(struct trial *t, const char *p, size_t len)
{
    struct json *root = NULL;
    struct err e = ERR_INIT;
    if (json_parse(&root, p, len, &e) < 0)
        return got(t, "%.200s", e.msg);
    json_free(root);
    return true;
}

static bool check_is(struct trial *t, const char *what)
{
    size_t len, start = 0;
    if (was_cut(t))
        return got(t, "not decided: stdout has more than %zu MiB", JUDGE_MAX >> 20);
    char *all = load_stdout(t, &len);
    if (all == NULL)
        return false;
    bool ok;
    if (strcmp(what, "json") == 0) {
        ok = is_json(t, all, len);
    } else {
        while (len > 0 && strchr(" \t\r\n", all[len - 1]) != NULL && all[len - 1] != '\0')
            len--;
        while (start < len && strchr(" \t\r\n", all[start]) != NULL && all[start] != '\0')
            start++;
        ok = is_number(all + start, len - start, strcmp(what, "integer") == 0);
        if (!ok)
            got_stdout(t);
    }
    free(all);
    return ok;
}

static bool check_stderr(struct trial *t)
{
    uint64_t bytes = t->run->out[STREAM_STDERR].bytes + t->run->out[STREAM_STDERR].dropped;
    return bytes == 0 || got(t, "%" PRIu64 " bytes on stderr", bytes);
}

static bool check_file(struct trial *t)
{
    size_t i = t->paths_seen++;
    if (t->f->exists == NULL || i >= t->f->exists_count)
        return got(t, "not decided: the run never got there");
    return t->f->exists[i] || got(t, "it does not exist");
}

static bool check_within(struct trial *t, int64_t ms)
{
    got(t, "%" PRId64 ".%03d s", t->f->wall_us / 1000000, (int)(t->f->wall_us / 1000 % 1000));
    return t->f->wall_us <= ms * 1000;
}

static bool check_code(struct trial *t)
{
    if (!t->f->check_ran)
        return got(t, "%s",
                   t->f->check_text != NULL && t->f->check_text[0] != '\0'
                       ? t->f->check_text
                       : "the check did not run");
    return t->f->check_ok || got(t, "%s", t->f->check_text != NULL ? t->f->check_text : "");
}

static bool judge_one(struct trial *t, const struct check *c)
{
    switch (c->kind) {
    case CHECK_EXIT:
        return check_exit(t, c->number);
    case CHECK_STDERR_EMPTY:
        return check_stderr(t);
    case CHECK_STDOUT_CONTAINS:
        return check_contains(t, c->arg);
    case CHECK_STDOUT_MATCHES:
        return check_matches(t, c->arg);
    case CHECK_STDOUT_EQUALS:
        return check_equals(t, c->arg);
    case CHECK_STDOUT_IS:
        return check_is(t, c->arg);
    case CHECK_FILE_EXISTS:
        return check_file(t);
    case CHECK_WITHIN:
        return check_within(t, c->number);
    case CHECK_CODE:
        break;
    }
    return check_code(t);
}

/* ---- the verdict ---- */

static const char *kind_name(enum check_kind kind)
{
    static const char *const names[] = {
        [CHECK_EXIT] = "exit",
        [CHECK_STDERR_EMPTY] = "stderr",
        [CHECK_STDOUT_CONTAINS] = "contains",
        [CHECK_STDOUT_MATCHES] = "matches",
        [CHECK_STDOUT_EQUALS] = "equals",
        [CHECK_STDOUT_IS] = "is",
        [CHECK_FILE_EXISTS] = "file",
        [CHECK_WITHIN] = "within",
        [CHECK_CODE] = "code",
    };
    return names[kind];
}

static bool record(struct judged *j, struct trial *t, const struct check *c)
{
    t->got[0] = '\0';
    bool ok = judge_one(t, c);
    j->checks[j->count++] = (struct state_check){ .kind = xstrdup(kind_name(c->kind)),
                                                  .text = xstrdup(c->text),
                                                  .got = xstrdup(t->got),
                                                  .ok = ok };
    return ok;
}

static bool ended_well(const struct sandbox_finished *f)
{
    return f->end == END_EXIT && f->has_code && f->code == 0;
}

void verdict_judge(struct judged *out, const struct expectation *x,
                   const struct sandbox_finished *f, const struct state_run *run,
                   const struct output_source *src)
{
    static char exit_zero[] = "exit 0";
    const struct check meant = { .kind = CHECK_EXIT, .text = exit_zero };
    struct trial t = { .f = f, .run = run, .src = src };
    struct judged j = { .checks = xcalloc(x->count + 1, sizeof *j.checks) };
    bool all = true, exit_asked = false;
    for (size_t i = 0; i < x->count; i++)
        exit_asked |= x->checks[i].kind == CHECK_EXIT;
    if (x->count > 0 && !exit_asked && !ended_well(f))
        all = record(&j, &t, &meant);
    for (size_t i = 0; i < x->count; i++)
        all &= record(&j, &t, &x->checks[i]);
    if (x->count > 0)
        j.verdict = all ? VERDICT_VERIFIED : VERDICT_REFUTED;
    else
        j.verdict = ended_well(f) ? VERDICT_UNVERIFIED : VERDICT_REFUTED;
    *out = j;
}

void judged_release(struct judged *j)
{
    if (j == NULL)
        return;
    for (size_t i = 0; i < j->count; i++) {
        free(j->checks[i].kind);
        free(j->checks[i].text);
        free(j->checks[i].got);
    }
    free(j->checks);
    *j = (struct judged){ .checks = NULL };
}

bool verdict_is_spent(enum run_verdict v, const struct sandbox_finished *f)
{
    return v == VERDICT_REFUTED || (v != VERDICT_VERIFIED && !ended_well(f));
}
