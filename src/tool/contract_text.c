/* contract_text.c - the contract as a text that a person can read, keep in a file and give back. */
#include "tool/contract_rule.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX ((size_t)64 << 10)

static void print_money(int64_t nano, struct buf *out)
{
    char text[48];
    (void)snprintf(text, sizeof text, "%" PRId64 ".%09" PRId64, nano / NANO_PER_USD,
                   nano % NANO_PER_USD);
    size_t n = strlen(text);
    while (n > 1 && text[n - 1] == '0')
        n--;
    (void)buf_add(out, text, n - (text[n - 1] == '.'));
}

static void each_mount(const struct contract *c, const char *key,
                       void (*fn)(void *arg, const char *key, const char *value), void *arg)
{
    for (size_t i = 0; i < c->mount_count; i++) {
        char *value = xasprintf("%s:%s", c->mounts[i].path, c->mounts[i].writable ? "rw" : "ro");
        fn(arg, key, value);
        free(value);
    }
    if (c->mount_count == 0)
        fn(arg, key, "");
}

void contract_each_setting(const struct contract *c,
                           void (*fn)(void *arg, const char *key, const char *value), void *arg)
{
    struct buf value = BUF_INIT(VALUE_MAX);
    for (size_t i = 0; i < CONTRACT_KEY_COUNT; i++) {
        const struct key_rule *r = &contract_rules[i];
        buf_reset(&value);
        if (r->kind == KEY_MOUNT) {
            each_mount(c, r->words.key, fn, arg);
            continue;
        }
        if (r->kind == KEY_BUDGET)
            print_money(c->budget_nanousd, &value);
        else
            contract_rule_value(c, r, &value);
        fn(arg, r->words.key, buf_str(&value));
    }
    buf_release(&value);
}

/* ---- what becomes of each ---- */

static const struct {
    const char *key, *words;
} ours[] = {
    { "concurrency", "kept by Airlock: rerun --jobs at a time" },
    { "python", "the program that is started for python" },
    { "budget_usd", "kept by Airlock, before each costly call" },
    { "strict", "network, files and times must be enforced" },
};

enum contract_field contract_field_of_key(const char *key)
{
    if (strcmp(key, "files.mount") == 0)
        return FIELD_FILES;
    for (int f = 0; f < FIELD_COUNT; f++) {
        if (strcmp(contract_field_name((enum contract_field)f), key) == 0)
            return (enum contract_field)f;
    }
    return FIELD_COUNT;
}

bool contract_is_key(const char *word)
{
    return contract_rule_find(word, strlen(word)) != NULL;
}

const char *contract_kept_by_us(const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        if (strcmp(ours[i].key, key) == 0)
            return ours[i].words;
    }
    return "";
}

struct printing {
    const struct contract_enforcement *en;
    struct buf *out;
};

static void print_setting(void *arg, const char *key, const char *value)
{
    struct printing *p = arg;
    enum contract_field f = contract_field_of_key(key);
    size_t at = p->out->len;
    (void)buf_addf(p->out, "%-11s = %s", key, value);
    for (size_t used = p->out->len - at; used < 30; used++)
        (void)buf_add_char(p->out, ' ');
    if (f == FIELD_COUNT)
        (void)buf_addf(p->out, "  # %s\n", contract_kept_by_us(key));
    else
        (void)buf_addf(p->out, "  # %s%s%s\n", enforcement_name(p->en->field[f].how),
                       p->en->field[f].why[0] != '\0' ? ": " : "", p->en->field[f].why);
}

void contract_print(const struct contract *c, const struct contract_enforcement *en,
                    struct buf *out)
{
    struct printing p = { .en = en, .out = out };
    contract_each_setting(c, print_setting, &p);
}

/* ---- reading it back ---- */

/* A comment begins at the start or behind a blank, so that a path may hold a '#'. */
static size_t without_comment(const char *line, size_t len)
{
    size_t n = 0;
    while (n < len && !(line[n] == '#' && (n == 0 || line[n - 1] == ' ' || line[n - 1] == '\t')))
        n++;
    return n;
}

static bool is_blank(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\r';
}

static int set_line(struct contract *c, const char *line, size_t len, struct err *e)
{
    len = without_comment(line, len);
    for (; len > 0 && is_blank(line[len - 1]); len--) {
    }
    for (; len > 0 && is_blank(line[0]); len--)
        line++;
    if (len == 0)
        return 0;
    const char *eq = memchr(line, '=', len);
    size_t key = eq != NULL ? (size_t)(eq - line) : len, value = eq != NULL ? key + 1 : len;
    while (key > 0 && is_blank(line[key - 1]))
        key--;
    while (value < len && is_blank(line[value]))
        value++;
    char *word = xasprintf("%.*s%s%.*s", (int)key, line, eq != NULL ? "=" : "", (int)(len - value),
                           line + value);
    int rc = contract_set(c, word, e);
    free(word);
    return rc;
}

int contract_set_text(struct contract *c, const char *text, size_t len, struct err *e)
{
    struct contract fresh;
    size_t number = 1;
    int rc = 0;
    if (memchr(text, '\0', len) != NULL)
        return err_set(e, ERR_USAGE, "a contract is a text without NUL bytes");
    contract_copy(&fresh, c);
    for (size_t at = 0; rc == 0 && at < len; number++) {
        const char *nl = memchr(text + at, '\n', len - at);
        size_t n = nl != NULL ? (size_t)(nl - (text + at)) : len - at;
        rc = set_line(&fresh, text + at, n, e);
        at += n + 1;
    }
    if (rc < 0) {
        contract_release(&fresh);
        return err_wrap(e, "line %zu", number - 1);
    }
    contract_release(c);
    *c = fresh;
    return 0;
}
