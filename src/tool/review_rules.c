/* review_rules.c - the rules as they are written in share/review/: reading and looking up. The
 * format is described at the top of share/review/any.rules. */
#include "tool/review_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/share.h"

#define RULES_MAX 2000u

static const struct {
    const char *file, *name;
    enum lex_lang lang;
} files[] = {
    { "review/any.rules", "any", LEX_LANG_NONE },
    { "review/python.rules", "python", LEX_LANG_PYTHON },
    { "review/shell.rules", "shell", LEX_LANG_SHELL },
    { "review/javascript.rules", "javascript", LEX_LANG_JAVASCRIPT },
};

struct reader {
    struct review_rules *r;
    const char *file;
    enum lex_lang lang;
    unsigned line;
    struct review_rule *rule; /* being read, or NULL */
    bool has_match, has_no, has_matcher;
    struct err *e;
};

/* ---- owned memory ---- */

static void own(struct review_rules *r, void *p)
{
    if (r->owned_count == r->owned_cap) {
        r->owned_cap = r->owned_cap > 0 ? r->owned_cap * 2 : 256;
        r->owned = xreallocarray(r->owned, r->owned_cap, sizeof(*r->owned));
    }
    r->owned[r->owned_count++] = p;
}

void review_rules_free(struct review_rules *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->owned_count; i++)
        free(r->owned[i]);
    for (size_t i = 0; i < r->text_count; i++)
        free(r->texts[i]);
    free(r->owned);
    free(r->rules);
    free(r->entries);
    free(r->buckets);
    free(r->examples);
    free(r->shapes);
    free(r->by_first);
    free(r);
}

/* ---- reading ---- */

static int fail(struct reader *rd, const char *what)
{
    return err_set(rd->e, ERR_FORMAT, "review rules %s:%u%s%s: %s", rd->file, rd->line,
                   rd->rule != NULL ? ", rule " : "", rd->rule != NULL ? rd->rule->id : "", what);
}

static uint16_t rule_index(const struct reader *rd)
{
    return rd->rule != NULL ? (uint16_t)(rd->rule - rd->r->rules) : 0;
}

static void add_entry(struct reader *rd, enum match_kind kind, const char *key, const char *glob)
{
    struct review_rules *r = rd->r;
    if (r->entry_count == r->entry_cap) {
        r->entry_cap = r->entry_cap > 0 ? r->entry_cap * 2 : 1024;
        r->entries = xreallocarray(r->entries, r->entry_cap, sizeof(*r->entries));
    }
    uint32_t h = rules_key_hash(rd->lang, key, strlen(key));
    uint32_t *bucket = &r->buckets[h % RULES_BUCKETS];
    r->entries[r->entry_count++] = (struct rule_entry){
        .key = key,
        .key_len = (uint32_t)strlen(key),
        .glob = glob,
        .hash = h,
        .next = *bucket,
        .kind = (uint8_t)kind,
        .lang = (uint8_t)rd->lang,
        .rule = rule_index(rd),
    };
    *bucket = (uint32_t)r->entry_count;
}

/* `a.b.c`, `a.b.*`, `a.b.exec*`; the first name becomes a root. */
static void add_name(struct reader *rd, enum match_kind kind, char *word)
{
    if (kind == MATCH_CALL || kind == MATCH_USE || kind == MATCH_VALUE || kind == MATCH_DECODED ||
        kind == MATCH_FETCHED) {
        size_t n = strcspn(word, ".([");
        if (rules_find(rd->r, rd->lang, MATCH_ROOT, word, n, NULL) == NULL) {
            char *root = xstrndup(word, n);
            own(rd->r, root);
            add_entry(rd, MATCH_ROOT, root, NULL);
        }
    }
    char *dot = strrchr(word, '.');
    bool bare = kind == MATCH_ENV || kind == MATCH_PERSIST;
    if (strchr(word, '*') != NULL && dot != NULL && !bare) {
        *dot = '\0';
        add_entry(rd, kind, word, dot + 1);
    } else {
        add_entry(rd, kind, bare ? "" : word, bare ? word : NULL);
    }
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

static void take_words(struct reader *rd, char *rest, struct rule_words *out)
{
    size_t cap = 4;
    out->words = xcalloc(cap, sizeof(*out->words));
    out->count = 0;
    for (char *w = next_word(&rest); w != NULL; w = next_word(&rest)) {
        if (out->count == cap) {
            cap *= 2;
            out->words = xreallocarray(out->words, cap, sizeof(*out->words));
        }
        out->words[out->count++] = w;
    }
    own(rd->r, out->words);
}

static int take_names(struct reader *rd, enum match_kind kind, char *rest)
{
    size_t n = 0;
    for (char *w = next_word(&rest); w != NULL; w = next_word(&rest), n++)
        add_name(rd, kind, w);
    rd->has_matcher = true;
    return n > 0 ? 0 : fail(rd, "no names");
}

static int parse_severity(const char *word)
{
    static const char *const names[] = { "info", "low", "medium", "high" };
    for (size_t i = 0; word != NULL && i < ARRAY_LEN(names); i++) {
        if (strcmp(word, names[i]) == 0)
            return (int)i;
    }
    return word != NULL && strcmp(word, "none") == 0 ? -1 : -2;
}

static int take_severity(struct reader *rd, int cls, char *rest)
{
    int s = parse_severity(next_word(&rest));
    if (s < -1 || next_word(&rest) != NULL)
        return fail(rd, "a severity is high, medium, low, info or none");
    struct review_rule *rule = rd->rule;
    if (cls >= 0) {
        rule->severity[cls] = s;
        rule->has_class = true;
        return 0;
    }
    for (size_t i = 0; i < PATH_CLASSES; i++)
        rule->severity[i] = s;
    return 0;
}

/* `0`, `1|mode`, `any`, `last`, `rest`, `-o`, `of=` */
static void parse_arg(char *word, int *arg, const char **kw)
{
    char *bar = strchr(word, '|');
    if (bar != NULL) {
        *bar = '\0';
        *kw = bar + 1;
    }
    if (word[0] >= '0' && word[0] <= '9')
        *arg = word[0] - '0';
    else if (strcmp(word, "any") == 0)
        *arg = -1;
    else if (strcmp(word, "last") == 0)
        *arg = ARG_LAST;
    else if (strcmp(word, "rest") == 0)
        *arg = ARG_REST;
    else if (strcmp(word, "end") == 0)
        *arg = ARG_END;
    else {
        *arg = ARG_NONE;
        *kw = word;
    }
}

static int take_arg(struct reader *rd, struct rule_arg *out, char *rest, bool wants_lang)
{
    char *word = next_word(&rest);
    if (word == NULL)
        return fail(rd, "which argument?");
    out->used = true;
    parse_arg(word, &out->arg, &out->kw);
    if (!wants_lang)
        return 0;
    out->lang = lex_language(next_word(&rest));
    return out->lang != LEX_LANG_NONE ? 0 : fail(rd, "code in which language?");
}

static int take_cond(struct reader *rd, bool negate, char *rest)
{
    static const char *const names[] = { "writes", "true",    "literal", "text", "dynamic",
                                         "built",  "decoded", "fetched", "huge", "present",
                                         "stream", "is",      "has" };
    struct review_rule *rule = rd->rule;
    if (rule->cond_count == RULE_CONDS_MAX)
        return fail(rd, "too many conditions");
    struct rule_cond c = { .negate = negate, .arg = ARG_NONE };
    char *arg = next_word(&rest), *what = next_word(&rest);
    if (what == NULL)
        return fail(rd, "when ARGUMENT CLASS");
    parse_arg(arg, &c.arg, &c.kw);
    size_t i = 0;
    while (i < ARRAY_LEN(names) && strcmp(names[i], what) != 0)
        i++;
    if (i == ARRAY_LEN(names))
        return fail(rd, "unknown class of argument");
    c.what = (enum cond_class)i;
    struct rule_words words;
    take_words(rd, rest, &words);
    c.words = words.words;
    c.word_count = words.count;
    rule->conds[rule->cond_count++] = c;
    return 0;
}

static void add_shape(struct reader *rd, bool is_shape, char *text)
{
    struct review_rules *r = rd->r;
    if (r->shape_count == r->shape_cap) {
        r->shape_cap = r->shape_cap > 0 ? r->shape_cap * 2 : 64;
        r->shapes = xreallocarray(r->shapes, r->shape_cap, sizeof(*r->shapes));
    }
    r->shapes[r->shape_count++] =
        (struct rule_shape){ rule_index(rd), (uint8_t)rd->lang, is_shape, text, strlen(text) };
    rd->has_matcher = true;
}

static int take_example(struct reader *rd, bool match, int severity, char *rest)
{
    struct review_rules *r = rd->r;
    if (*rest == '\0')
        return fail(rd, "an empty example");
    if (r->example_count == r->example_cap) {
        r->example_cap = r->example_cap > 0 ? r->example_cap * 2 : 256;
        r->examples = xreallocarray(r->examples, r->example_cap, sizeof(*r->examples));
    }
    r->examples[r->example_count++] =
        (struct rule_example){ rule_index(rd), severity, match, rest, rd->line };
    if (match)
        rd->has_match = true;
    else
        rd->has_no = true;
    return 0;
}

static int finish_rule(struct reader *rd)
{
    struct review_rule *rule = rd->rule;
    if (rule == NULL)
        return 0;
    if (rule->category == NULL || rule->text == NULL || rule->severity[0] == -2)
        return fail(rd, "category, text and severity are needed");
    if (!rd->has_matcher)
        return fail(rd, "it matches nothing");
    bool known = rule->example_lang == NULL || lex_language(rule->example_lang) != LEX_LANG_NONE;
    if (!rd->has_match || (!rd->has_no && known))
        return fail(rd, "it needs a `match` and a `no` example");
    rd->rule = NULL;
    return 0;
}

static int start_rule(struct reader *rd, char *rest)
{
    struct review_rules *r = rd->r;
    if (finish_rule(rd) < 0)
        return -1;
    char *id = next_word(&rest);
    if (id == NULL || next_word(&rest) != NULL)
        return fail(rd, "rule ID");
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->rules[i].id, id) == 0)
            return fail(rd, "this id was used before");
    }
    if (r->count == RULES_MAX)
        return fail(rd, "too many rules");
    if (r->count == r->cap) {
        r->cap = r->cap > 0 ? r->cap * 2 : 256;
        r->rules = xreallocarray(r->rules, r->cap, sizeof(*r->rules));
    }
    rd->rule = &r->rules[r->count++];
    *rd->rule = (struct review_rule){ .id = id, .lang = rd->lang, .line = rd->line };
    for (size_t i = 0; i < PATH_CLASSES; i++)
        rd->rule->severity[i] = -2; /* not said yet */
    rd->has_match = rd->has_no = rd->has_matcher = false;
    return 0;
}

static int take_flags(struct reader *rd, char *rest)
{
    if (rd->rule->flag_count == RULE_FLAGS_MAX)
        return fail(rd, "too many `flag` lines");
    take_words(rd, rest, &rd->rule->flags[rd->rule->flag_count++]);
    return 0;
}

/* Lines that list names. */
static int name_kind(const char *key)
{
    static const struct {
        const char *key;
        enum match_kind kind;
    } kinds[] = {
        { "call", MATCH_CALL },       { "use", MATCH_USE },         { "method", MATCH_METHOD },
        { "attr", MATCH_ATTR },       { "import", MATCH_IMPORT },   { "command", MATCH_COMMAND },
        { "check", MATCH_CHECK },     { "env", MATCH_ENV },         { "decoded", MATCH_DECODED },
        { "fetched", MATCH_FETCHED }, { "prefix", MATCH_PREFIX },   { "persist", MATCH_PERSIST },
        { "root", MATCH_ROOT },       { "value", MATCH_VALUE },     { "imported", MATCH_IMPORTED },
        { "looks", MATCH_LOOKS },     { "operand", MATCH_OPERAND },
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].key, key) == 0)
            return (int)kinds[i].kind;
    }
    return -1;
}

static int read_rule_line(struct reader *rd, const char *key, char *rest)
{
    struct review_rule *rule = rd->rule;
    if (strcmp(key, "category") == 0)
        rule->category = rest;
    else if (strcmp(key, "text") == 0)
        rule->text = rest;
    else if (strcmp(key, "as") == 0)
        rule->example_lang = rest;
    else if (strcmp(key, "severity") == 0)
        return take_severity(rd, -1, rest);
    else if (strcmp(key, "inside") == 0)
        return take_severity(rd, PATH_INSIDE, rest);
    else if (strcmp(key, "outside") == 0)
        return take_severity(rd, PATH_OUTSIDE, rest);
    else if (strcmp(key, "mount") == 0)
        return take_severity(rd, PATH_MOUNT, rest);
    else if (strcmp(key, "path") == 0)
        return take_arg(rd, &rule->path, rest, false);
    else if (strcmp(key, "code") == 0)
        return take_arg(rd, &rule->code, rest, true);
    else if (strcmp(key, "when") == 0 || strcmp(key, "unless") == 0)
        return take_cond(rd, key[0] == 'u', rest);
    else if (strcmp(key, "flag") == 0)
        return take_flags(rd, rest);
    else if (strcmp(key, "noflag") == 0)
        take_words(rd, rest, &rule->no_flags);
    else if (strcmp(key, "arg") == 0)
        take_words(rd, rest, &rule->args);
    else if (strcmp(key, "piped") == 0)
        rule->piped = true;
    else if (strcmp(key, "string") == 0 || strcmp(key, "shape") == 0)
        add_shape(rd, key[1] == 'h', rest);
    else if (strcmp(key, "match") == 0 || strcmp(key, "no") == 0)
        return take_example(rd, key[0] == 'm', -1, rest);
    else if (parse_severity(key) >= 0)
        return take_example(rd, true, parse_severity(key), rest);
    else
        return fail(rd, "unknown word at the start of the line");
    return 0;
}

static int read_line(struct reader *rd, char *line)
{
    line += strspn(line, " \t");
    if (*line == '\0' || *line == '#')
        return 0;
    char *rest = line;
    char *key = next_word(&rest);
    INVARIANT(key != NULL); /* the line is not blank */
    rest += strspn(rest, " \t");
    if (strcmp(key, "rule") == 0)
        return start_rule(rd, rest);
    int kind = name_kind(key);
    bool list = kind == MATCH_DECODED || kind == MATCH_FETCHED || kind == MATCH_PREFIX ||
                kind == MATCH_PERSIST || kind == MATCH_ROOT || kind == MATCH_IMPORTED ||
                kind == MATCH_LOOKS || kind == MATCH_OPERAND;
    if (kind >= 0 && (list || rd->rule != NULL))
        return take_names(rd, (enum match_kind)kind, rest);
    if (rd->rule == NULL)
        return fail(rd, "no rule was begun");
    return read_rule_line(rd, key, rest);
}

static int read_text(struct review_rules *r, const char *file, enum lex_lang lang, const char *text,
                     size_t len, struct err *e)
{
    struct reader rd = { .r = r, .file = file, .lang = lang, .e = e };
    char *p = xstrndup(text, len);
    r->texts[r->text_count++] = p;
    while (p != NULL) {
        char *end = strchr(p, '\n');
        if (end != NULL)
            *end = '\0';
        rd.line++;
        if (read_line(&rd, p) < 0)
            return -1;
        p = end != NULL ? end + 1 : NULL;
    }
    return finish_rule(&rd);
}

static struct review_rules *rules_new(void)
{
    struct review_rules *r = xcalloc(1, sizeof(*r));
    r->buckets = xcalloc(RULES_BUCKETS, sizeof(*r->buckets));
    return r;
}

int review_load(struct review_rules **out, struct err *e)
{
    struct review_rules *r = rules_new();
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        const struct share_file *f = share_find(files[i].file);
        if (f == NULL) {
            review_rules_free(r);
            return err_set(e, ERR_MISSING, "review rules %s are not compiled in", files[i].file);
        }
        if (read_text(r, files[i].file, files[i].lang, f->ptr, f->len, e) < 0) {
            review_rules_free(r);
            return -1;
        }
    }
    rules_index_shapes(r);
    *out = r;
    return 0;
}

int review_load_text(struct review_rules **out, const char *name, const char *text, size_t len,
                     struct err *e)
{
    size_t i = 0;
    while (i < ARRAY_LEN(files) && strcmp(files[i].name, name) != 0)
        i++;
    if (i == ARRAY_LEN(files))
        return err_set(e, ERR_USAGE, "no rules for the language %s", name);
    struct review_rules *r = rules_new();
    if (read_text(r, name, files[i].lang, text, len, e) < 0) {
        review_rules_free(r);
        return -1;
    }
    rules_index_shapes(r);
    *out = r;
    return 0;
}

size_t review_rule_count(const struct review_rules *r)
{
    return r->count;
}

bool review_rule_at(const struct review_rules *r, size_t index, const char **id,
                    const char **category, const char **text)
{
    if (index >= r->count)
        return false;
    *id = r->rules[index].id;
    *category = r->rules[index].category;
    *text = r->rules[index].text;
    return true;
}
