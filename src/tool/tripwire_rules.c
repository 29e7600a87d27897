/* tripwire_rules.c - the rules of share/review/output.rules: read, the canary's added, the examples
 * checked. */
#include "tool/tripwire_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/sha256.h"
#include "base/share.h"
#include "tool/rule_text.h"

#define STRING_MAX     200u /* bytes of a string: well inside the window */
#define EXAMPLE_BYTES  ((size_t)16 << 10)
#define CANARY_MIN     16
#define CANARY_MAX     64
#define PATTERNS_MAX   400
#define CANARY_ENC_MAX 256

struct reader {
    struct tripwire *t;
    unsigned line;
    bool has_pattern, has_match, has_no;
    struct err *e;
};

static int fail(const struct reader *rd, const char *what)
{
    const struct tripwire *t = rd->t;
    return err_set(rd->e, ERR_FORMAT, "output.rules:%u%s%s: %s", rd->line,
                   t->rule_count > 0 ? ", rule " : "",
                   t->rule_count > 0 ? t->rules[t->rule_count - 1].id : "", what);
}

/* ---- memory ---- */

char *tripwire_own(struct tripwire *t, char *p)
{
    if (t->owned_count == t->owned_cap) {
        t->owned_cap = t->owned_cap > 0 ? t->owned_cap * 2 : 256;
        t->owned = xreallocarray(t->owned, t->owned_cap, sizeof *t->owned);
    }
    t->owned[t->owned_count++] = p;
    return p;
}

void tripwire_free(struct tripwire *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->owned_count; i++)
        free(t->owned[i]);
    free(t->owned);
    free(t->entries);
    free(t->anchors);
    free(t->patterns);
    free(t->examples);
    free(t);
}

static struct wire_rule *rule_now(const struct reader *rd)
{
    return &rd->t->rules[rd->t->rule_count - 1];
}

/* ---- lines ---- */

static struct wire_pattern *add_pattern(struct reader *rd)
{
    struct tripwire *t = rd->t;
    if (t->pattern_count == t->pattern_cap) {
        t->pattern_cap = t->pattern_cap > 0 ? t->pattern_cap * 2 : 64;
        t->patterns = xreallocarray(t->patterns, t->pattern_cap, sizeof *t->patterns);
    }
    struct wire_pattern *pat = &t->patterns[t->pattern_count++];
    *pat = (struct wire_pattern){ .rule = (uint16_t)(t->rule_count - 1) };
    rd->has_pattern = true;
    return pat;
}

/* `a|b|c` */
static int take_alts(struct reader *rd, char *text, const char **alts, size_t *count)
{
    while (text != NULL) {
        char *bar = strchr(text, '|');
        if (bar != NULL)
            *bar = '\0';
        if (*text == '\0' || *count == WIRE_ALTS_MAX)
            return fail(rd, "an empty word, or more than 16 in one place");
        for (char *c = text; *c != '\0'; c++)
            *c = wire_lower(*c);
        alts[(*count)++] = text;
        text = bar != NULL ? bar + 1 : NULL;
    }
    return 0;
}

static char *next_word(char **rest)
{
    char *p = *rest + strspn(*rest, " \t");
    if (*p == '\0')
        return NULL;
    char *end = p + strcspn(p, " \t");
    *rest = *end != '\0' ? end + 1 : end;
    *end = '\0';
    return p;
}

static int take_words(struct reader *rd, char *rest)
{
    struct wire_pattern *pat = add_pattern(rd);
    unsigned gap = 0;
    for (char *w = next_word(&rest); w != NULL; w = next_word(&rest)) {
        if (w[0] == '~') {
            gap = w[1] >= '1' && w[1] <= '9' ? (unsigned)(w[1] - '0') : 0;
            if (gap == 0 || w[2] != '\0' || pat->part_count == 0)
                return fail(rd, "~1 to ~9 stand between two words");
            continue;
        }
        if (pat->part_count == WIRE_PARTS_MAX)
            return fail(rd, "too many words");
        struct wire_part *part = &pat->parts[pat->part_count++];
        part->gap = gap;
        gap = 0;
        if (take_alts(rd, w, part->alts, &part->alt_count) < 0)
            return -1;
    }
    if (pat->part_count == 0 || gap != 0)
        return fail(rd, "words WORD…");
    if (!tripwire_choose_anchor(rd->t, (uint16_t)(rd->t->pattern_count - 1)))
        return fail(rd, "no stretch of it has 11 known bytes");
    return 0;
}

static int take_string(struct reader *rd, const char *rest)
{
    struct buf text = BUF_INIT(STRING_MAX);
    example_decode(rest, &text);
    if (text.len < TRIPWIRE_ANCHOR_MIN) {
        buf_release(&text);
        return fail(rd, "a string has at least 11 bytes");
    }
    for (size_t i = 0; i < text.len; i++)
        text.ptr[i] = wire_lower(text.ptr[i]);
    (void)add_pattern(rd);
    size_t len = text.len;
    tripwire_add_anchor(rd->t,
                        (struct wire_anchor){ .text = tripwire_own(rd->t, buf_detach(&text)),
                                              .len = len,
                                              .pattern = (uint16_t)(rd->t->pattern_count - 1) });
    return 0;
}

static int take_near(struct reader *rd, char *rest)
{
    struct wire_rule *rule = rule_now(rd);
    if (rule->near_count == WIRE_NEAR_MAX)
        return fail(rd, "too many `near` lines");
    struct wire_near *near = &rule->near[rule->near_count++];
    if (take_alts(rd, rest, near->alts, &near->alt_count) < 0)
        return -1;
    for (size_t i = 0; i < near->alt_count; i++) {
        struct buf text = BUF_INIT(STRING_MAX);
        example_decode(near->alts[i], &text);
        near->alts[i] = tripwire_own(rd->t, buf_detach(&text));
    }
    return 0;
}

static int take_severity(struct reader *rd, const char *word)
{
    static const char *const names[] = { "info", "low", "medium", "high" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(word, names[i]) == 0) {
            rule_now(rd)->severity = (int)i;
            return 0;
        }
    }
    return fail(rd, "a severity is high, medium, low or info");
}

static int take_example(struct reader *rd, bool match, const char *text)
{
    struct tripwire *t = rd->t;
    if (t->example_count == t->example_cap) {
        t->example_cap = t->example_cap > 0 ? t->example_cap * 2 : 128;
        t->examples = xreallocarray(t->examples, t->example_cap, sizeof *t->examples);
    }
    t->examples[t->example_count++] =
        (struct wire_example){ (uint16_t)(t->rule_count - 1), match, text, rd->line };
    rd->has_match = rd->has_match || match;
    rd->has_no = rd->has_no || !match;
    return *text != '\0' ? 0 : fail(rd, "an empty example");
}

static int take_check(struct reader *rd, const char *word)
{
    if (strcmp(word, "tags") != 0)
        return fail(rd, "the one check is `tags`");
    rd->t->tags_rule = (int)rd->t->rule_count - 1;
    rd->has_pattern = true;
    tripwire_add_tags(rd->t);
    return 0;
}

static int finish_rule(struct reader *rd)
{
    if (rd->t->rule_count == 0)
        return 0;
    const struct wire_rule *rule = rule_now(rd);
    if (rule->text == NULL || rule->severity < 0 || !rd->has_pattern)
        return fail(rd, "text, severity and something to match are needed");
    if (!rd->has_match || !rd->has_no)
        return fail(rd, "it needs a `match` and a `no` example");
    return 0;
}

static int start_rule(struct reader *rd, const char *id)
{
    struct tripwire *t = rd->t;
    if (finish_rule(rd) < 0)
        return -1;
    if (t->rule_count == TRIPWIRE_RULES_MAX - 1)
        return fail(rd, "too many rules"); /* one place is the canary's */
    if (strncmp(id, "tripwire.", 9) != 0 || strcspn(id, " \t") != strlen(id))
        return fail(rd, "rule tripwire.NAME");
    for (size_t i = 0; i < t->rule_count; i++) {
        if (strcmp(t->rules[i].id, id) == 0)
            return fail(rd, "this id was used before");
    }
    t->rules[t->rule_count++] = (struct wire_rule){ .id = id, .severity = -1, .line = rd->line };
    rd->has_pattern = rd->has_match = rd->has_no = false;
    return 0;
}

static int read_line(struct reader *rd, char *line)
{
    line += strspn(line, " \t");
    if (*line == '\0' || *line == '#')
        return 0;
    char *rest = line;
    const char *key = next_word(&rest);
    INVARIANT(key != NULL); /* the line is not blank */
    rest += strspn(rest, " \t");
    if (strcmp(key, "rule") == 0)
        return start_rule(rd, rest);
    if (rd->t->rule_count == 0)
        return fail(rd, "no rule was begun");
    if (rd->t->pattern_count == PATTERNS_MAX)
        return fail(rd, "too many patterns");
    if (strcmp(key, "text") == 0)
        rule_now(rd)->text = rest;
    else if (strcmp(key, "severity") == 0)
        return take_severity(rd, rest);
    else if (strcmp(key, "words") == 0)
        return take_words(rd, rest);
    else if (strcmp(key, "string") == 0)
        return take_string(rd, rest);
    else if (strcmp(key, "near") == 0)
        return take_near(rd, rest);
    else if (strcmp(key, "check") == 0)
        return take_check(rd, rest);
    else if (strcmp(key, "match") == 0 || strcmp(key, "no") == 0)
        return take_example(rd, key[0] == 'm', rest);
    else
        return fail(rd, "unknown word at the start of the line");
    return 0;
}

/* ---- the canary ---- */

static void add_canary_form(struct tripwire *t, const char *p, size_t len)
{
    char *text = xstrndup(p, len);
    for (char *c = text; *c != '\0'; c++)
        *c = wire_lower(*c);
    tripwire_own(t, text);
    tripwire_add_anchor(t, (struct wire_anchor){ .text = text,
                                                 .len = len,
                                                 .pattern = (uint16_t)(t->pattern_count - 1) });
}

/* Base64 of something that holds it: what does not depend on its neighbours, at each alignment. */
static void add_canary_base64(struct tripwire *t, const char *canary)
{
    for (size_t skip = 0; skip < 3; skip++) {
        char padded[CANARY_MAX + 3];
        struct buf out = BUF_INIT(CANARY_ENC_MAX);
        size_t n = strlen(canary);
        snprintf(padded, sizeof padded, "%.*s%s", (int)skip, "xx", canary);
        (void)base64_encode(&out, padded, skip + n);
        size_t from = skip == 0 ? 0 : skip + 1, to = (skip + n) * 8 / 6;
        add_canary_form(t, out.ptr + from, to - from);
        buf_release(&out);
    }
}

static int add_canary(struct reader *rd, const char *canary)
{
    struct tripwire *t = rd->t;
    size_t n = strlen(canary);
    if (n < CANARY_MIN || n > CANARY_MAX)
        return err_set(rd->e, ERR_USAGE, "a canary has %d to %d characters", CANARY_MIN,
                       CANARY_MAX);
    t->rules[t->rule_count++] = (struct wire_rule){
        .id = "tripwire.canary",
        .text = "holds the session's canary: the model's instructions are coming back",
        .severity = SEVERITY_HIGH,
    };
    (void)add_pattern(rd);
    add_canary_form(t, canary, n);
    add_canary_base64(t, canary);
    char hex[2 * CANARY_MAX + 1];
    hex_encode((const uint8_t *)canary, n, hex);
    add_canary_form(t, hex, 2 * n);
    return 0;
}

/* ---- loading ---- */

struct found {
    const char *rule;
    bool found;
};

static void see_hit(void *arg, const struct tripwire_hit *hit)
{
    struct found *f = arg;
    f->found = f->found || strcmp(hit->rule, f->rule) == 0;
}

/* Every example, always: rules that do not do what they say are worse than none. */
static int check_examples(const struct tripwire *t, struct err *e)
{
    struct buf text = BUF_INIT(EXAMPLE_BYTES);
    int rc = 0;
    for (size_t i = 0; i < t->example_count && rc == 0; i++) {
        const struct wire_example *x = &t->examples[i];
        struct found f = { .rule = t->rules[x->rule].id };
        buf_reset(&text);
        example_decode(x->text, &text);
        tripwire_scan(t, buf_str(&text), text.len, see_hit, &f);
        if (f.found != x->match)
            rc = err_set(e, ERR_FORMAT, "output.rules:%u, rule %s: the example must%s match: %s",
                         x->line, f.rule, x->match ? "" : " not", x->text);
    }
    buf_release(&text);
    return rc;
}

static int read_text(struct reader *rd, char *p)
{
    while (p != NULL) {
        char *end = strchr(p, '\n');
        if (end != NULL)
            *end = '\0';
        rd->line++;
        if (read_line(rd, p) < 0)
            return -1;
        p = end != NULL ? end + 1 : NULL;
    }
    return finish_rule(rd);
}

int tripwire_new_text(struct tripwire **out, const char *canary, const char *text, size_t len,
                      struct err *e)
{
    struct tripwire *t = xcalloc(1, sizeof *t);
    struct reader rd = { .t = t, .e = e };
    t->tags_rule = -1;
    int rc = read_text(&rd, tripwire_own(t, xstrndup(text, len)));
    if (rc == 0 && canary != NULL)
        rc = add_canary(&rd, canary);
    if (rc == 0) {
        tripwire_index(t);
        rc = check_examples(t, e);
    }
    if (rc < 0) {
        tripwire_free(t);
        return -1;
    }
    *out = t;
    return 0;
}

int tripwire_new(struct tripwire **out, const char *canary, struct err *e)
{
    const struct share_file *f = share_find("review/output.rules");
    if (f == NULL)
        return err_set(e, ERR_MISSING, "review/output.rules is not compiled in");
    return tripwire_new_text(out, canary, f->ptr, f->len, e);
}

size_t tripwire_rule_count(const struct tripwire *t)
{
    return t->rule_count;
}

size_t tripwire_example_count(const struct tripwire *t)
{
    return t->example_count;
}
