/* contract_set.c - the contract's key table, and reading the value of one key. */
#include "tool/contract_rule.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "providers/allow.h"

#define PATH_BYTES_MAX 4096
#define ENV_NAME_MAX   128

#define INT_KEY(field, min, max, dflt, takes, shown, help)                                         \
    {                                                                                              \
        KEY_INTEGER, offsetof(struct contract, field), (min), (max), (dflt),                       \
        {                                                                                          \
#field, takes, shown, help                                                             \
        }                                                                                          \
    }
#define OTHER_KEY(kind, key, takes, shown, help)                                                   \
    {                                                                                              \
        (kind), 0, 0, 0, 0,                                                                        \
        {                                                                                          \
            key, takes, shown, help                                                                \
        }                                                                                          \
    }

const struct key_rule contract_rules[CONTRACT_KEY_COUNT] = {
    OTHER_KEY(KEY_LIFECYCLE, "lifecycle", "session|run", "session",
              "keep one sandbox for the session or make one per run"),
    INT_KEY(ttl_s, 1, 86400, 3600, "1-86400", "3600", "seconds a sandbox may live"),
    INT_KEY(concurrency, 1, 64, 1, "1-64", "1", "sandboxes at the same time"),
    OTHER_KEY(KEY_NETWORK, "network", "deny|open|allow:HOST[:PORT][,HOST...]", "deny",
              "what the code may connect to"),
    OTHER_KEY(KEY_MOUNT, "files.mount", "PATH[:ro|rw]", "",
              "a directory of this machine seen inside (repeatable)"),
    OTHER_KEY(KEY_PYTHON, "python", "PATH", "/usr/bin/python3", "the Python interpreter inside"),
    INT_KEY(timeout_s, 1, 86400, 30, "1-86400", "30", "seconds one run may take"),
    INT_KEY(cpu, 1, 64, 1, "1-64", "1", "processor cores"),
    INT_KEY(memory_mib, 64, 65536, 1024, "64-65536", "1024",
            "memory, files and checkpoints included"),
    INT_KEY(pids, 8, 4096, 128, "8-4096", "128", "processes and threads"),
    INT_KEY(disk_mib, 1, 65536, 256, "1-65536", "256", "size of /workspace"),
    INT_KEY(output_mib, 1, 4096, 64, "1-4096", "64", "output of one run that is kept"),
    OTHER_KEY(KEY_ENV, "env", "NAME[,NAME...]", "",
              "environment variables that are handed in (repeatable)"),
    OTHER_KEY(KEY_BUDGET, "budget_usd", "0-100000", "0",
              "money the session may cost; 0 is no budget"),
    OTHER_KEY(KEY_STRICT, "strict", "yes|no", "yes",
              "refuse a sandbox that can't enforce network, mounts, timeout or ttl"),
};

const struct contract_key *contract_keys(size_t *count)
{
    static struct contract_key words[CONTRACT_KEY_COUNT];
    for (size_t i = 0; i < CONTRACT_KEY_COUNT; i++)
        words[i] = contract_rules[i].words;
    *count = CONTRACT_KEY_COUNT;
    return words;
}

const struct key_rule *contract_rule_find(const char *key, size_t len)
{
    for (size_t i = 0; i < CONTRACT_KEY_COUNT; i++) {
        const char *name = contract_rules[i].words.key;
        if (strlen(name) == len && memcmp(name, key, len) == 0)
            return &contract_rules[i];
    }
    return NULL;
}

int64_t *contract_int_field(struct contract *c, const struct key_rule *r)
{
    return (int64_t *)(void *)((char *)c + r->offset);
}

static void drop_hosts(struct contract *c)
{
    while (c->host_count > 0)
        free(c->hosts[--c->host_count]);
}

static void drop_mounts(struct contract *c)
{
    while (c->mount_count > 0)
        free(c->mounts[--c->mount_count].path);
}

static void drop_env(struct contract *c)
{
    while (c->env_count > 0)
        free(c->env[--c->env_count]);
}

void contract_drop_lists(struct contract *c)
{
    drop_hosts(c);
    drop_mounts(c);
    drop_env(c);
}

/* ---- reading one value ---- */

static int bad_value(const struct key_rule *r, const char *value, struct err *e)
{
    return err_set(e, ERR_USAGE, "%s=%.80s: takes %s", r->words.key, value, r->words.takes);
}

static int set_integer(struct contract *c, const struct key_rule *r, const char *value,
                       struct err *e)
{
    int64_t n = 0;
    size_t len = strlen(value);
    if (len == 0 || len > 10 || strspn(value, "0123456789") != len)
        return bad_value(r, value, e);
    for (size_t i = 0; i < len; i++)
        n = n * 10 + (value[i] - '0');
    if (n < r->min || n > r->max)
        return bad_value(r, value, e);
    *contract_int_field(c, r) = n;
    return 0;
}

/* Dollars with at most nine decimals, exactly: money is never a double. */
static int set_budget(struct contract *c, const struct key_rule *r, const char *value,
                      struct err *e)
{
    size_t whole = strspn(value, "0123456789");
    int64_t nano = 0;
    if (whole == 0 || whole > 6)
        return bad_value(r, value, e);
    for (size_t i = 0; i < whole; i++)
        nano = nano * 10 + (value[i] - '0');
    const char *rest = value + whole;
    size_t decimals = 0;
    if (*rest == '.') {
        decimals = strspn(++rest, "0123456789");
        if (decimals == 0 || decimals > 9)
            return bad_value(r, value, e);
    }
    if (rest[decimals] != '\0')
        return bad_value(r, value, e);
    for (size_t i = 0; i < 9; i++)
        nano = nano * 10 + (i < decimals ? rest[i] - '0' : 0);
    if (nano > BUDGET_USD_MAX * NANO_PER_USD)
        return bad_value(r, value, e);
    c->budget_nanousd = nano;
    return 0;
}

/* Put a copy of `item` into a list that is sorted by bytes; what is there already stays once. */
static bool list_add(char **list, size_t *count, size_t max, const char *item)
{
    size_t at = 0;
    while (at < *count && strcmp(list[at], item) < 0)
        at++;
    if (at < *count && strcmp(list[at], item) == 0)
        return true;
    if (*count == max)
        return false;
    memmove(list + at + 1, list + at, (*count - at) * sizeof *list);
    list[at] = xstrdup(item);
    (*count)++;
    return true;
}

static bool env_name_is_valid(char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > ENV_NAME_MAX || (name[0] >= '0' && name[0] <= '9'))
        return false;
    for (size_t i = 0; i < len; i++) {
        char ch = name[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
              ch == '_'))
            return false;
    }
    return true;
}

/* Add every item of `A,B,C`; all or none. */
static int add_items(char **list, size_t *count, size_t max, const char *items,
                     bool (*valid)(char *), const struct key_rule *r, struct err *e)
{
    char *copy = xstrdup(items);
    char *scratch[CONTRACT_HOSTS_MAX] = { NULL };
    size_t n = 0;
    int rc = 0;
    _Static_assert(CONTRACT_ENV_MAX <= CONTRACT_HOSTS_MAX, "scratch holds either list");
    for (size_t i = 0; i < *count; i++)
        scratch[n++] = xstrdup(list[i]);
    for (char *at = copy, *end; rc == 0 && at != NULL; at = end) {
        end = strchr(at, ',');
        if (end != NULL)
            *end++ = '\0';
        if (!valid(at))
            rc = bad_value(r, items, e);
        else if (!list_add(scratch, &n, max, at))
            rc = err_set(e, ERR_USAGE, "%s: at most %zu items", r->words.key, max);
    }
    char **drop = rc == 0 ? list : scratch;
    for (size_t i = 0; i < (rc == 0 ? *count : n); i++)
        free(drop[i]);
    if (rc == 0) {
        memcpy(list, scratch, n * sizeof *list);
        *count = n;
    }
    free(copy);
    return rc;
}

static int set_network(struct contract *c, const struct key_rule *r, const char *value,
                       struct err *e)
{
    if (strncmp(value, "allow:", 6) == 0) {
        /* The list replaces the one before: `network` is one value, whatever is in it. */
        char *hosts[CONTRACT_HOSTS_MAX] = { NULL };
        size_t count = 0;
        if (add_items(hosts, &count, CONTRACT_HOSTS_MAX, value + 6, allow_item_normalise, r, e) < 0)
            return -1;
        drop_hosts(c);
        memcpy(c->hosts, hosts, count * sizeof *hosts);
        c->host_count = count;
        c->network = NETWORK_ALLOW;
        return 0;
    }
    bool deny = strcmp(value, "deny") == 0;
    if (!deny && strcmp(value, "open") != 0)
        return bad_value(r, value, e);
    drop_hosts(c);
    c->network = deny ? NETWORK_DENY : NETWORK_OPEN;
    return 0;
}

/* Absolute, spelled in one way only, nothing a terminal or a config line could trip over. */
static bool path_is_plain(const char *path, size_t len)
{
    if (len < 2 || len > PATH_BYTES_MAX || path[0] != '/' || path[len - 1] == '/')
        return false;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f)
            return false;
        if (path[i] != '/')
            continue;
        const char *part = path + i + 1;
        size_t part_len = strcspn(part, "/");
        if (part_len > len - i - 1)
            part_len = len - i - 1;
        if (part_len == 0 || (part_len == 1 && part[0] == '.') ||
            (part_len == 2 && part[0] == '.' && part[1] == '.'))
            return false;
    }
    return true;
}

static int add_mount(struct contract *c, const struct key_rule *r, const char *value, struct err *e)
{
    size_t len = strlen(value);
    bool writable = len > 3 && strcmp(value + len - 3, ":rw") == 0;
    if (writable || (len > 3 && strcmp(value + len - 3, ":ro") == 0))
        len -= 3;
    if (!path_is_plain(value, len))
        return err_set(e, ERR_USAGE,
                       "%s=%.80s: takes PATH[:ro|rw], an absolute path without . or .. in it",
                       r->words.key, value);
    char *path = xmemdup(value, len);
    size_t at = 0;
    while (at < c->mount_count && strcmp(c->mounts[at].path, path) < 0)
        at++;
    if (at < c->mount_count && strcmp(c->mounts[at].path, path) == 0) {
        c->mounts[at].writable = writable;
        free(path);
        return 0;
    }
    if (c->mount_count == CONTRACT_MOUNTS_MAX) {
        free(path);
        return err_set(e, ERR_USAGE, "%s: at most %d mounts", r->words.key, CONTRACT_MOUNTS_MAX);
    }
    memmove(c->mounts + at + 1, c->mounts + at, (c->mount_count - at) * sizeof *c->mounts);
    c->mounts[at] = (struct contract_mount){ path, writable };
    c->mount_count++;
    return 0;
}

static int set_choice(const struct key_rule *r, const char *value, const char *zero,
                      const char *one, int *out, struct err *e)
{
    if (strcmp(value, zero) != 0 && strcmp(value, one) != 0)
        return bad_value(r, value, e);
    *out = strcmp(value, one) == 0;
    return 0;
}

int contract_set_value(struct contract *c, const struct key_rule *r, const char *value,
                       struct err *e)
{
    int choice = 0;
    /* The record is JSON: what it can't hold exactly would come back as another contract. */
    if (!utf8_is_valid(value, strlen(value)))
        return err_set(e, ERR_USAGE, "contract key %s: the value is not valid UTF-8; rename it",
                       r->words.key);
    switch (r->kind) {
    case KEY_LIFECYCLE:
        if (set_choice(r, value, "session", "run", &choice, e) < 0)
            return -1;
        c->lifecycle = choice ? LIFECYCLE_RUN : LIFECYCLE_SESSION;
        return 0;
    case KEY_STRICT:
        if (set_choice(r, value, "no", "yes", &choice, e) < 0)
            return -1;
        c->strict = choice;
        return 0;
    case KEY_INTEGER:
        return set_integer(c, r, value, e);
    case KEY_BUDGET:
        return set_budget(c, r, value, e);
    case KEY_NETWORK:
        return set_network(c, r, value, e);
    case KEY_MOUNT:
        if (*value == '\0') {
            drop_mounts(c);
            return 0;
        }
        return add_mount(c, r, value, e);
    case KEY_ENV:
        if (*value == '\0') {
            drop_env(c);
            return 0;
        }
        return add_items(c->env, &c->env_count, CONTRACT_ENV_MAX, value, env_name_is_valid, r, e);
    case KEY_PYTHON:
        if (!path_is_plain(value, strlen(value)))
            return err_set(e, ERR_USAGE, "python=%.80s: takes an absolute path", value);
        free(c->python);
        c->python = xstrdup(value);
        return 0;
    }
    return bad_value(r, value, e);
}

/* ---- finding the key ---- */

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Capitals count as small letters. */
static size_t edit_distance(const char *a, size_t a_len, const char *b)
{
    size_t row[33];
    size_t b_len = strlen(b);
    if (a_len > 32 || b_len > 32)
        return 33;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];
            row[j] = smallest(above + 1, row[j - 1] + 1,
                              diagonal + (tolower((unsigned char)a[i - 1]) != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

/* NULL: none is near. */
static const struct key_rule *nearest_rule(const char *word, size_t len)
{
    const struct key_rule *best = contract_rules;
    size_t best_distance = SIZE_MAX;
    for (size_t i = 0; i < CONTRACT_KEY_COUNT; i++) {
        const char *key = contract_rules[i].words.key;
        size_t d = edit_distance(word, len, key);
        /* "timeout" means timeout_s and "mount" files.mount, whatever the distance says. */
        if (len >= 3 && memmem(key, strlen(key), word, len) != NULL)
            d = 0;
        if (d < best_distance) {
            best_distance = d;
            best = &contract_rules[i];
        }
    }
    return best_distance * 2 <= len + 1 ? best : NULL;
}

int contract_set(struct contract *c, const char *key_value, struct err *e)
{
    const char *eq = strchr(key_value, '=');
    size_t len = eq != NULL ? (size_t)(eq - key_value) : strlen(key_value);
    const struct key_rule *r = contract_rule_find(key_value, len);
    if (r == NULL) {
        r = nearest_rule(key_value, len);
        return err_set(
            e, ERR_USAGE, "contract key %.*s is not known; %s%s%s%s", len < 40 ? (int)len : 40,
            key_value, r != NULL ? "the nearest is " : "`airlock contract` shows all",
            r != NULL ? r->words.key : "", r != NULL ? "=" : "", r != NULL ? r->words.takes : "");
    }
    if (eq == NULL)
        return err_set(e, ERR_USAGE, "contract key %s needs a value: %s=%s", r->words.key,
                       r->words.key, r->words.takes);
    return contract_set_value(c, r, eq + 1, e);
}
