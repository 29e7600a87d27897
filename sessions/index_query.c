/* index_query.c - what a person looks for in the list of sessions: words and filters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/buf.h"
#include "sessions/index.h"

enum {
    WANT_FAIL = 1,
    WANT_DENIED = 2,
    WANT_HIGH = 4,
    WANT_GATE = 8,
    WANT_LIVE = 16,
    WANT_ARCHIVED = 32
};

static const struct {
    const char *name;
    unsigned flag;
} flags[] = {
    { "~fail", WANT_FAIL }, { "~denied", WANT_DENIED }, { "~high", WANT_HIGH },
    { "~gate", WANT_GATE }, { "~live", WANT_LIVE },     { "~archived", WANT_ARCHIVED },
};

/* "2026-11-22", local midnight. */
static int parse_day(const char *s, int64_t *us)
{
    struct tm tm = { .tm_isdst = -1 };
    const char *end = strptime(s, "%Y-%m-%d", &tm);
    if (end == NULL || *end != '\0')
        return -1;
    *us = (int64_t)mktime(&tm) * 1000000; /* strptime let nothing through that has no time */
    return 0;
}

static int parse_since(const char *s, int64_t now_us, int64_t *us)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
    char *end;
    long n = strtol(s, &end, 10);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (end > s && n >= 0 && n <= 100000 && end[0] == units[i].unit && end[1] == '\0') {
            *us = now_us - n * units[i].seconds * 1000000;
            return 0;
        }
    }
    return parse_day(s, us);
}

static int take_flag(struct index_query *q, const char *word, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (strcmp(flags[i].name, word) == 0) {
            q->flags |= flags[i].flag;
            return 0;
        }
    }
    return err_set(e, ERR_USAGE,
                   "no filter '%.40s': there are ~fail ~gate ~high ~denied ~live ~archived tag: "
                   "sandbox: since:",
                   word);
}

static int take_word(struct index_query *q, const char *word, int64_t now_us, struct err *e)
{
    if (word[0] == '~' && word[1] != '\0')
        return take_flag(q, word, e);
    if (strncmp(word, "tag:", 4) == 0) {
        if (word[4] == '\0')
            return 0; /* while it is typed */
        if (q->tag_count == ARRAY_LEN(q->tags))
            return err_set(e, ERR_USAGE, "more than %zu tags in one query", ARRAY_LEN(q->tags));
        q->tags[q->tag_count++] = word + 4;
    } else if (strncmp(word, "sandbox:", 8) == 0) {
        q->sandbox = word + 8;
    } else if (strncmp(word, "since:", 6) == 0) {
        if (parse_since(word + 6, now_us, &q->since_us) < 0)
            return err_set(e, ERR_USAGE, "'%.40s': since: takes 2026-11-22, or 30m, 2h, 3d, 1w",
                           word);
    } else if (q->word_count == ARRAY_LEN(q->words)) {
        return err_set(e, ERR_USAGE, "more than %d words in one query", INDEX_QUERY_WORDS);
    } else {
        q->words[q->word_count++] = word;
    }
    return 0;
}

int index_query_parse(struct index_query *q, const char *text, int64_t now_us, struct err *e)
{
    memset(q, 0, sizeof *q);
    if (text == NULL)
        return 0;
    /* A condition that is left out would let more through. */
    if ((size_t)snprintf(q->text, sizeof q->text, "%s", text) >= sizeof q->text)
        return err_set(e, ERR_USAGE, "a query of more than %zu bytes", sizeof q->text - 1);
    for (char *p = q->text; *p != '\0';) {
        size_t n = strcspn(p, " \t\n");
        bool more = p[n] != '\0';
        p[n] = '\0';
        if (n > 0 && take_word(q, p, now_us, e) < 0)
            return -1;
        p += n + more;
    }
    return 0;
}

/* `tags` = "a b c" */
static bool has_tag(const char *tags, const char *want)
{
    size_t len = strlen(want);
    for (const char *p = tags; *p != '\0';) {
        size_t n = strcspn(p, " ");
        if (n >= len && strncasecmp(p, want, len) == 0)
            return true;
        p += n + (p[n] == ' ');
    }
    return false;
}

static bool has_flags(unsigned want, const struct index_entry *x)
{
    return (!(want & WANT_FAIL) || x->failed > 0) && (!(want & WANT_DENIED) || x->denied > 0) &&
           (!(want & WANT_HIGH) || x->high > 0) && (!(want & WANT_GATE) || x->waiting) &&
           (!(want & WANT_LIVE) || x->live) && (!(want & WANT_ARCHIVED) || x->archived);
}

bool index_query_matches(const struct index_query *q, const struct index_entry *x)
{
    const char *const texts[] = { x->id, x->name, x->task, x->tags };
    if (!has_flags(q->flags, x) || x->last_us < q->since_us)
        return false;
    if (q->sandbox != NULL && strncasecmp(x->sandbox, q->sandbox, strlen(q->sandbox)) != 0)
        return false;
    for (size_t i = 0; i < q->tag_count; i++) {
        if (!has_tag(x->tags, q->tags[i]))
            return false;
    }
    for (size_t i = 0; i < q->word_count; i++) {
        bool found = false;
        for (size_t k = 0; k < ARRAY_LEN(texts) && !found; k++)
            found = strcasestr(texts[k], q->words[i]) != NULL;
        if (!found)
            return false;
    }
    return true;
}
