/* config.c - the configuration file: one table of keys, read with inih, rewritten line by line. */
#include "cli/config.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/line_regex.h"
#include "base/path.h"
#include "cli/options.h"
#include "tool/contract.h"

#define CONFIG_MAX   ((size_t)64 << 10)
#define LINE_MAX_INI 199 /* inih cuts longer lines */

enum key_kind { KEY_WORD, KEY_CHOICE, KEY_NUMBER, KEY_SETTING /* of a planner; may be empty */ };

#define SETTING(i) KEY_SETTING, offsetof(struct config, settings[i])

/* `dflt` and `takes` are also what help shows. */
static const struct key {
    const char *key, *takes, *help, *dflt;
    enum key_kind kind;
    size_t offset;
    int64_t min, max;
} keys[] = {
    { "planner", "NAME[:MODEL]", "who plans", "human", KEY_WORD, offsetof(struct config, planner),
      0, 0 },
    { "sandbox", "NAME[:IMAGE]", "where code runs", "local", KEY_WORD,
      offsetof(struct config, sandbox), 0, 0 },
    { "theme", "default|light|mono|high-contrast", "colours", "default", KEY_WORD,
      offsetof(struct config, theme), 0, 0 },
    { "language", "python|javascript|bash", "of code without a prefix", "python", KEY_WORD,
      offsetof(struct config, language), 0, 0 },
    { "mouse", "yes|no", "clicks focus, the wheel scrolls; never decides", "yes", KEY_CHOICE,
      offsetof(struct config, mouse), 0, 0 },
    { "gate.own", "typed|ask", "own typed code runs at once, or is asked about", "typed",
      KEY_CHOICE, offsetof(struct config, gate_own_typed), 0, 0 },
    { "gate.confirm", "high|hex", "hex: always ask for the capsule's digits", "high", KEY_CHOICE,
      offsetof(struct config, gate_confirm_hex), 0, 0 },
    { "gate.arm_ms", "250-10000", "silence before the gate takes a decision", "500", KEY_NUMBER,
      offsetof(struct config, gate_arm_ms), 250, 10000 },
    { "gate.expire_min", "1-1440", "an open gate denies by itself after this", "10", KEY_NUMBER,
      offsetof(struct config, gate_expire_min), 1, 1440 },
    { "sessions.trash_days", "0-3650", "deleted sessions can be had back that long; 0: for ever",
      "30", KEY_NUMBER, offsetof(struct config, trash_days), 0, 3650 },
    { "anthropic.model", "MODEL[@EFFORT]", "who plans with -p anthropic", "", SETTING(0), 0, 0 },
    { "anthropic.base_url", "URL", "where; ANTHROPIC_BASE_URL wins", "", SETTING(1), 0, 0 },
    { "anthropic.prices", "FILE", "prices over those built in; mode 0600", "", SETTING(11), 0, 0 },
    { "openai.model", "MODEL[@EFFORT]", "who plans with -p openai", "", SETTING(2), 0, 0 },
    { "openai.base_url", "URL", "where; OPENAI_BASE_URL wins", "", SETTING(3), 0, 0 },
    { "openai.prices", "FILE", "prices, as in share/prices/openai.json; mode 0600", "", SETTING(12),
      0, 0 },
    { "claude.model", "MODEL", "works Claude's code execution for -s claude-messages", "",
      SETTING(13), 0, 0 },
    { "anthropic.key_command", "COMMAND", "prints the key; wins over ANTHROPIC_API_KEY", "",
      SETTING(14), 0, 0 },
    { "openai.key_command", "COMMAND", "prints the key; wins over OPENAI_API_KEY", "", SETTING(15),
      0, 0 },
    { "e2b.key_command", "COMMAND", "prints the key; wins over E2B_API_KEY", "", SETTING(16), 0,
      0 },
    { "planner.effort", "none|minimal|low|medium|high|xhigh|max", "how hard a model thinks", "",
      SETTING(4), 0, 0 },
    { "planner.max_tokens", "256-1000000", "longest answer of a model", "", SETTING(5), 256,
      1000000 },
    { "planner.tries", "1-5", "times a busy server is asked", "", SETTING(6), 1, 5 },
    { "planner.first_ms", "50-600000", "wait for the first byte of an answer", "", SETTING(7), 50,
      600000 },
    { "planner.idle_ms", "50-600000", "wait for the next byte", "", SETTING(8), 50, 600000 },
    { "planner.total_ms", "50-7200000", "wait for the whole answer", "", SETTING(9), 50, 7200000 },
    { "planner.context_bytes", "4096-16777216", "a longer conversation is shortened", "",
      SETTING(10), 4096, 16777216 },
};

/* The word of a two-way choice that means true. */
static const char *true_word(const struct key *k)
{
    if (strcmp(k->key, "mouse") == 0)
        return "yes";
    return strcmp(k->key, "gate.own") == 0 ? "typed" : "hex";
}

static int read_number(const char *value, int64_t min, int64_t max, int64_t *out)
{
    char *end;
    long long n = strtoll(value, &end, 10);
    if (end == value || *end != '\0' || n < min || n > max)
        return -1;
    *out = n;
    return 0;
}

/* Is `value` one of the words of "a|b|c"? */
static bool is_choice(const char *takes, const char *value)
{
    size_t len = strlen(value);
    for (const char *s = takes; *s != '\0';) {
        size_t n = strcspn(s, "|");
        if (n == len && memcmp(s, value, n) == 0)
            return true;
        s += n + (s[n] == '|');
    }
    return false;
}

static bool fits_setting(const struct key *k, const char *value)
{
    int64_t n;
    if (k->max > 0 && value[0] != '\0')
        return read_number(value, k->min, k->max, &n) == 0;
    return value[0] == '\0' || strchr(k->takes, '|') == NULL || is_choice(k->takes, value);
}

static int set_key(struct config *c, const struct key *k, const char *value, struct err *e)
{
    void *at = (char *)c + k->offset;
    switch (k->kind) {
    case KEY_WORD:
        if (value[0] == '\0' || (strchr(k->takes, '|') != NULL && !is_choice(k->takes, value)))
            break;
        free(*(char **)at);
        *(char **)at = xstrdup(value);
        return 0;
    case KEY_SETTING:
        if (!fits_setting(k, value))
            break;
        free(*(char **)at);
        *(char **)at = xstrdup(value);
        return 0;
    case KEY_CHOICE:
        if (!is_choice(k->takes, value))
            break;
        *(bool *)at = strcmp(value, true_word(k)) == 0;
        return 0;
    case KEY_NUMBER:
        if (read_number(value, k->min, k->max, at) == 0)
            return 0;
        break;
    }
    return err_set(e, ERR_USAGE, "%s = '%.60s': it takes %s", k->key, value, k->takes);
}

static const struct key *find_key(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i].key, name) == 0)
            return &keys[i];
    }
    return NULL;
}

static int unknown_key(const char *name, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (word_distance(name, keys[i].key) <= 2)
            return err_set(e, ERR_USAGE, "unknown key '%.60s' (did you mean '%s'?)", name,
                           keys[i].key);
    }
    return err_set(e, ERR_USAGE, "unknown key '%.60s'; `airlock config list` shows all", name);
}

/* Of a name that stands there twice the last one counts. */
static int add_mask(struct config *c, const char *name, const char *pattern, struct err *e)
{
    struct line_regex *probe = NULL;
    size_t len = strlen(name), i = 0;
    struct err why = ERR_INIT;
    if (line_regex_new(&probe, pattern, &why) < 0)
        return err_set(e, ERR_USAGE, "masks.%.40s: %s", name, why.msg);
    line_regex_free(probe);
    while (i < c->mask_count && (strncmp(c->masks[i], name, len) != 0 || c->masks[i][len] != '='))
        i++;
    if (i == c->mask_count) {
        c->masks = xreallocarray(c->masks, ++c->mask_count, sizeof *c->masks);
        c->masks[i] = NULL;
    }
    free(c->masks[i]);
    c->masks[i] = xasprintf("%s=%s", name, pattern);
    return 0;
}

static int set_named(struct config *c, const char *name, const char *value, struct err *e)
{
    if (strncmp(name, "contract.", 9) == 0) {
        struct contract probe;
        char *kv = xasprintf("%s=%s", name + 9, value);
        contract_init(&probe);
        int rc = contract_set(&probe, kv, e);
        contract_release(&probe);
        if (rc < 0) {
            free(kv);
            return -1;
        }
        c->contract = xreallocarray(c->contract, c->contract_count + 1, sizeof *c->contract);
        c->contract[c->contract_count++] = kv;
        return 0;
    }
    if (strncmp(name, "masks.", 6) == 0)
        return add_mask(c, name + 6, value, e);
    const struct key *k = find_key(name);
    return k != NULL ? set_key(c, k, value, e) : unknown_key(name, e);
}

static void set_defaults(struct config *c)
{
    struct err e = ERR_INIT;
    *c = (struct config){ .planner = NULL };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        INVARIANT(set_key(c, &keys[i], keys[i].dflt, &e) == 0);
}

struct reading {
    struct config *c;
    struct err *e;
};

static int on_pair(void *arg, const char *section, const char *name, const char *value)
{
    struct reading *r = arg;
    char full[256];
    snprintf(full, sizeof full, "%s%s%s", section, section[0] != '\0' ? "." : "", name);
    return set_named(r->c, full, value, r->e) == 0;
}

static int check_lines(const char *path, const char *text, size_t len, struct err *e)
{
    size_t line = 1, start = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && text[i] == '\0')
            return err_set(e, ERR_FORMAT, "%s:%zu: a NUL byte", path, line);
        if (i < len && text[i] != '\n')
            continue;
        if (i - start >= LINE_MAX_INI)
            return err_set(e, ERR_LIMIT, "%s:%zu: the line is longer than %d bytes", path, line,
                           LINE_MAX_INI);
        line++;
        start = i + 1;
    }
    return 0;
}

static int read_text(struct config *c, const char *path, struct buf *text, struct err *e)
{
    struct err why = ERR_INIT;
    struct reading r = { .c = c, .e = &why };
    if (check_lines(path, buf_str(text), text->len, e) < 0)
        return -1;
    int line = ini_parse_string(buf_str(text), on_pair, &r);
    if (line == 0)
        return 0;
    return err_set(e, ERR_USAGE, "%s:%d: %s", path, line,
                   why.msg[0] != '\0' ? why.msg : "not `key = value` or `[section]`");
}

int config_load(struct config *c, const char *path, struct err *e)
{
    struct buf text = BUF_INIT(CONFIG_MAX);
    set_defaults(c);
    int rc = path_read_private(path, &text, e);
    if (rc < 0 && e->code == ERR_MISSING) {
        err_clear(e);
        buf_release(&text);
        return 0;
    }
    if (rc == 0)
        rc = read_text(c, path, &text, e);
    buf_release(&text);
    return rc;
}

void config_release(struct config *c)
{
    free(c->planner);
    free(c->sandbox);
    free(c->theme);
    free(c->language);
    for (size_t i = 0; i < CONFIG_SETTINGS; i++)
        free(c->settings[i]);
    for (size_t i = 0; i < c->contract_count; i++)
        free(c->contract[i]);
    free(c->contract);
    for (size_t i = 0; i < c->mask_count; i++)
        free(c->masks[i]);
    free(c->masks);
    *c = (struct config){ .planner = NULL };
}

const struct config_key *config_keys(size_t *count)
{
    static struct config_key out[ARRAY_LEN(keys)];
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        out[i] = (struct config_key){
            .key = keys[i].key, .takes = keys[i].takes, .help = keys[i].help, .dflt = keys[i].dflt
        };
    *count = ARRAY_LEN(keys);
    return out;
}

const char *config_setting(const struct config *c, const char *name)
{
    const struct key *k = find_key(name);
    if (k == NULL || k->kind != KEY_SETTING)
        return NULL;
    const char *v = *(char *const *)((const char *)c + k->offset);
    return v[0] != '\0' ? v : NULL;
}

/* The values of "contract.KEY" or "masks.NAME" as they stand in the file, a line each. */
static int get_named(const char *name, const char *key, char *const *pairs, size_t count,
                     struct buf *out, struct err *e)
{
    size_t len = strlen(key), found = 0;
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(pairs[i], key, len) == 0 && pairs[i][len] == '=')
            rc |= buf_addf(out, "%s%s", found++ > 0 ? "\n" : "", pairs[i] + len + 1);
    }
    return found > 0 ? rc : err_set(e, ERR_USAGE, "%.60s is not set in the configuration", name);
}

int config_get(const struct config *c, const char *name, struct buf *out, struct err *e)
{
    const struct key *k = find_key(name);
    if (strncmp(name, "contract.", 9) == 0)
        return get_named(name, name + 9, c->contract, c->contract_count, out, e);
    if (strncmp(name, "masks.", 6) == 0)
        return get_named(name, name + 6, c->masks, c->mask_count, out, e);
    if (k == NULL)
        return unknown_key(name, e);
    const void *at = (const char *)c + k->offset;
    if (k->kind == KEY_WORD || k->kind == KEY_SETTING)
        return buf_add_str(out, *(char *const *)at);
    if (k->kind == KEY_NUMBER)
        return buf_addf(out, "%lld", (long long)*(const int64_t *)at);
    if (*(const bool *)at)
        return buf_add_str(out, true_word(k));
    size_t first = strcspn(k->takes, "|");
    bool first_is_true = strncmp(k->takes, true_word(k), first) == 0;
    return first_is_true ? buf_add_str(out, k->takes + first + 1) : buf_add(out, k->takes, first);
}

/* ---- rewriting ---- */

/* The section and key that a line sets, as "section.key"; false for others. Keeps track of
 * `section`. */
static bool line_key(const char *line, size_t len, char *section, size_t section_size, char *key,
                     size_t key_size)
{
    size_t at = 0;
    while (at < len && (line[at] == ' ' || line[at] == '\t'))
        at++;
    if (at < len && line[at] == '[') {
        const char *end = memchr(line + at, ']', len - at);
        if (end != NULL)
            snprintf(section, section_size, "%.*s", (int)(end - line - (ptrdiff_t)at - 1),
                     line + at + 1);
        return false;
    }
    size_t n = 0; /* up to the first `=` or `:`, as inih reads it */
    while (at + n < len && line[at + n] != '=' && line[at + n] != ':')
        n++;
    if (at + n == len || line[at] == ';' || line[at] == '#')
        return false;
    while (n > 0 && (line[at + n - 1] == ' ' || line[at + n - 1] == '\t'))
        n--;
    snprintf(key, key_size, "%s%s%.*s", section, section[0] != '\0' ? "." : "", (int)n, line + at);
    return true;
}

/* Does a line of `text` set it? */
static bool is_set_in(const struct buf *text, const char *name)
{
    char section[64] = "", key[256];
    for (size_t at = 0; at < text->len;) {
        size_t n = strcspn(text->ptr + at, "\n");
        if (line_key(text->ptr + at, n, section, sizeof section, key, sizeof key) &&
            strcmp(key, name) == 0)
            return true;
        at += n + 1;
    }
    return false;
}

/* The first line that sets it is replaced, further ones are dropped: the last would hold. Mounts
 * and variables of a contract add up, so they stay. */
static int rewrite(const struct buf *old, const char *name, const char *value, struct buf *out)
{
    char section[64] = "", key[256];
    const char *dot = strchr(name, '.'), *last = dot != NULL ? dot + 1 : name;
    bool done = false,
         adds_up = strcmp(name, "contract.files.mount") == 0 || strcmp(name, "contract.env") == 0;
    int bad = 0;
    if (dot == NULL && !is_set_in(old, name)) {
        /* Keys without a section come before the first one. */
        bad |= buf_addf(out, "%s = %s\n", last, value);
        done = true;
    }
    for (size_t at = 0; at < old->len;) {
        size_t n = strcspn(old->ptr + at, "\n");
        bool sets = line_key(old->ptr + at, n, section, sizeof section, key, sizeof key) &&
                    strcmp(key, name) == 0;
        if (sets && !done) {
            bad |= buf_addf(out, "%s = %s\n", last, value);
            done = true;
        } else if (!sets || adds_up) {
            bad |= buf_add(out, old->ptr + at, n);
            bad |= buf_add_char(out, '\n');
        }
        at += n + 1;
    }
    if (!done)
        bad |= buf_addf(out, "[%.*s]\n%s = %s\n", (int)(dot - name), name, last, value);
    return bad;
}

static bool is_one_of(const char *word, char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words[i], word) == 0)
            return true;
    }
    return false;
}

/* Does `is` hold of `name` what `want` does, in which nothing else was set? */
static bool holds(const struct config *is, const struct config *want, const char *name)
{
    struct err none = ERR_INIT;
    struct buf a = BUF_INIT(4096), b = BUF_INIT(4096);
    if (want->mask_count > 0)
        return is_one_of(want->masks[0], is->masks, is->mask_count);
    if (want->contract_count > 0)
        return is_one_of(want->contract[0], is->contract, is->contract_count);
    bool same = config_get(is, name, &a, &none) == 0 && config_get(want, name, &b, &none) == 0 &&
                strcmp(buf_str(&a), buf_str(&b)) == 0;
    buf_release(&a);
    buf_release(&b);
    return same;
}

/* What inih would read otherwise (a comment in the value, a line that continues another) is not
 * written. */
static int check_rewritten(const char *path, struct buf *text, const struct config *want,
                           const char *name, struct err *e)
{
    struct config is;
    set_defaults(&is);
    int rc = read_text(&is, path, text, e);
    if (rc == 0 && !holds(&is, want, name))
        rc = err_set(e, ERR_USAGE, "%s: in %s it would not be read back as it is: edit the file",
                     name, path);
    config_release(&is);
    return rc;
}

static int make_dir_of(const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return 0;
    char *dir = xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
    int rc = path_make_private_dir(dir, e);
    free(dir);
    return rc;
}

int config_set(const char *path, const char *name, const char *value, struct err *e)
{
    struct config want;
    struct buf old = BUF_INIT(CONFIG_MAX), new = BUF_INIT(CONFIG_MAX);
    set_defaults(&want);
    int rc = set_named(&want, name, value, e);
    if (rc == 0 &&
        (strpbrk(value, "\r\n") != NULL || strlen(name) + strlen(value) + 4 >= LINE_MAX_INI))
        rc = err_set(e, ERR_USAGE, "%s: the value does not fit one line", name);
    if (rc == 0 && path_read_private(path, &old, e) < 0) {
        rc = e->code == ERR_MISSING ? 0 : -1;
        err_clear(rc == 0 ? e : NULL);
    }
    if (rc == 0 && rewrite(&old, name, value, &new) != 0)
        rc = err_set(e, ERR_LIMIT, "%s would be larger than %zu bytes", path, CONFIG_MAX);
    if (rc == 0)
        rc = check_rewritten(path, &new, &want, name, e);
    if (rc == 0)
        rc = make_dir_of(path, e);
    if (rc == 0)
        rc = path_write_file(path, new.ptr, new.len, e);
    config_release(&want);
    buf_release(&old);
    buf_release(&new);
    return rc;
}
