/* view_misc.c - words and numbers for people, search in bytes, lists. */
#include "ui/view_int.h"

#include <stdio.h>
#include <string.h>

static bool has_upper(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] >= 'A' && s[i] <= 'Z')
            return true;
    return false;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

size_t view_find(const char *hay, size_t len, const char *needle, size_t needle_len)
{
    if (needle_len == 0 || needle_len > len)
        return SIZE_MAX;
    if (has_upper(needle, needle_len)) {
        const char *p = memmem(hay, len, needle, needle_len);
        return p ? (size_t)(p - hay) : SIZE_MAX;
    }
    char up = needle[0] >= 'a' && needle[0] <= 'z' ? (char)(needle[0] - 32) : needle[0];
    const char *end = hay + len - needle_len + 1, *lo = NULL, *hi = NULL;
    for (const char *p = hay; p < end;) {
        /* the next of either case; both are remembered so that neither is looked for twice */
        if (!lo || lo < p)
            lo = memchr(p, needle[0], (size_t)(end - p));
        if (!hi || hi < p)
            hi = up != needle[0] ? memchr(p, up, (size_t)(end - p)) : NULL;
        if (!lo && !hi)
            return SIZE_MAX;
        p = !hi || (lo && lo < hi) ? lo : hi;
        size_t i = 1;
        while (i < needle_len && lower(p[i]) == needle[i])
            i++;
        if (i == needle_len)
            return (size_t)(p - hay);
        if (!lo)
            lo = end;
        if (!hi)
            hi = end;
        p++;
    }
    return SIZE_MAX;
}

void view_bytes(uint64_t n, char *out, size_t size)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
    unsigned u = 0;
    uint64_t whole = n, rest = 0;
    while (whole >= 1000 && u + 1 < ARRAY_LEN(units)) {
        rest = whole % 1000;
        whole /= 1000;
        u++;
    }
    if (u > 0 && whole < 10)
        snprintf(out, size, "%llu.%llu %s", (unsigned long long)whole,
                 (unsigned long long)rest / 100, units[u]);
    else
        snprintf(out, size, "%llu %s", (unsigned long long)whole, units[u]);
}

void view_money(int64_t nanousd, char *out, size_t size)
{
    bool minus = nanousd < 0;
    uint64_t n = minus ? (uint64_t)0 - (uint64_t)nanousd : (uint64_t)nanousd;
    uint64_t dollars = n / 1000000000, rest = n % 1000000000;
    const char *sign = minus ? "-" : "";
    if (n == 0)
        snprintf(out, size, "$0");
    else if (dollars > 0)
        snprintf(out, size, "%s$%llu.%02llu", sign, (unsigned long long)dollars,
                 (unsigned long long)rest / 10000000);
    else if (rest >= 1000000)
        snprintf(out, size, "%s$0.%03llu", sign, (unsigned long long)rest / 1000000);
    else
        snprintf(out, size, "%s$0.%06llu", sign, (unsigned long long)rest / 1000);
}

void view_clock(int64_t us, char *out, size_t size)
{
    int64_t s = us > 0 ? us / 1000000 : 0;
    if (s >= 3600)
        snprintf(out, size, "%lld:%02lld:%02lld", (long long)s / 3600, (long long)s / 60 % 60,
                 (long long)s % 60);
    else
        snprintf(out, size, "%02lld:%02lld", (long long)s / 60, (long long)s % 60);
}

void view_span(int64_t ms, char *out, size_t size)
{
    if (ms < 1000)
        snprintf(out, size, "%lld ms", (long long)ms);
    else if (ms < 10000)
        snprintf(out, size, "%lld.%02lld s", (long long)ms / 1000, (long long)ms % 1000 / 10);
    else if (ms < 120000)
        snprintf(out, size, "%lld s", (long long)ms / 1000);
    else if (ms < 7200000)
        snprintf(out, size, "%lld min", (long long)ms / 60000);
    else if (ms < 172800000)
        snprintf(out, size, "%lld h", (long long)ms / 3600000);
    else
        snprintf(out, size, "%lld d", (long long)ms / 86400000);
}

static void say(struct run_words *w, enum symbol glyph, enum style_role role, const char *text)
{
    w->glyph = glyph;
    w->role = role;
    snprintf(w->text, sizeof w->text, "%s", text);
}

static void exit_words(const struct state_run *r, struct run_words *w)
{
    if (r->verdict == VERDICT_VERIFIED) {
        say(w, SYM_OK, ROLE_GOOD, "verified");
    } else if (r->has_exit_code && r->exit_code != 0) {
        say(w, SYM_FAIL, ROLE_BAD, "");
        snprintf(w->text, sizeof w->text, "exit %d%s%s", r->exit_code, r->error_name[0] ? " " : "",
                 r->error_name);
    } else if (r->verdict == VERDICT_REFUTED) {
        say(w, SYM_FAIL, ROLE_BAD, "refuted");
    } else {
        say(w, SYM_OPEN, ROLE_TEXT, "exit 0, unverified"); /* never green: nobody checked */
    }
}

static void end_words(const struct state_run *r, struct run_words *w)
{
    say(w, SYM_FAIL, ROLE_BAD, run_end_name(r->end));
    switch (r->end) {
    case END_EXIT:
        exit_words(r, w);
        break;
    case END_SIGNAL:
        snprintf(w->text, sizeof w->text, "killed by signal %d", r->exit_code);
        break;
    case END_TIMEOUT:
        snprintf(w->text, sizeof w->text, "timed out");
        break;
    case END_OOM:
        snprintf(w->text, sizeof w->text, "out of memory");
        break;
    case END_LIMIT:
        snprintf(w->text, sizeof w->text, "limit: %s", r->end_what[0] ? r->end_what : "reached");
        break;
    case END_LOST:
        snprintf(w->text, sizeof w->text, "interpreter lost");
        break;
    case END_SANDBOX:
        snprintf(w->text, sizeof w->text, "sandbox failed");
        break;
    case END_PROVIDER:
        snprintf(w->text, sizeof w->text, "provider failed");
        break;
    case END_UNKNOWN:
        say(w, SYM_OPEN, ROLE_WAIT, "outcome unknown");
        break;
    case END_INTERRUPTED:
    case END_KILLED:
    case END_INTEGRITY:
    case END_DENIED:
        break;
    }
}

void view_run_words(const struct state_run *r, struct run_words *w)
{
    switch (r->status) {
    case RUN_PROPOSED:
        say(w, SYM_PENDING, ROLE_TEXT, "proposed");
        return;
    case RUN_REVIEWED:
        say(w, SYM_PENDING, ROLE_TEXT, "reviewed");
        return;
    case RUN_AT_GATE:
        say(w, SYM_WAIT, ROLE_WAIT, "waiting for you");
        return;
    case RUN_APPROVED:
        say(w, SYM_NOW, ROLE_INFO, "approved");
        return;
    case RUN_RUNNING:
        if (r->cut_off)
            say(w, SYM_FAIL, ROLE_BAD, "cut off: record stopped");
        else
            say(w, SYM_NOW, ROLE_INFO, "running");
        return;
    case RUN_DENIED:
        say(w, SYM_DENIED, ROLE_BAD, "denied");
        return;
    case RUN_STOPPED:
        say(w, SYM_DENIED, ROLE_BAD, "stopped");
        return;
    case RUN_FINISHED:
        end_words(r, w);
        return;
    }
    say(w, SYM_PENDING, ROLE_TEXT, "");
}

size_t view_list_first(size_t count, size_t rows, uint64_t top, int64_t selected)
{
    size_t first = top < count ? (size_t)top : count ? count - 1 : 0;
    if (rows == 0 || count <= rows)
        return 0;
    if (selected >= 0 && (uint64_t)selected < first)
        first = (size_t)selected;
    if (selected >= 0 && (uint64_t)selected >= first + rows)
        first = (size_t)selected - rows + 1;
    return first > count - rows ? count - rows : first;
}
