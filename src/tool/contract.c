/* contract.c - the contract's canonical text, digest and JSON, and comparing two of them. */
#include "tool/contract_rule.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CANONICAL_MAX ((size_t)1 << 18)

static int64_t int_value(const struct contract *c, const struct key_rule *r)
{
    int64_t n;
    memcpy(&n, (const char *)c + r->offset, sizeof n);
    return n;
}

void contract_init(struct contract *c)
{
    *c = (struct contract){ .lifecycle = LIFECYCLE_SESSION, .network = NETWORK_DENY };
    c->python = xstrdup("/usr/bin/python3");
    c->strict = true;
    for (size_t i = 0; i < CONTRACT_KEY_COUNT; i++) {
        if (contract_rules[i].kind == KEY_INTEGER)
            *contract_int_field(c, &contract_rules[i]) = contract_rules[i].dflt;
    }
}

void contract_release(struct contract *c)
{
    if (c == NULL)
        return;
    contract_drop_lists(c);
    free(c->python);
    c->python = NULL;
}

void contract_copy(struct contract *dst, const struct contract *src)
{
    *dst = *src;
    dst->python = src->python != NULL ? xstrdup(src->python) : NULL;
    for (size_t i = 0; i < src->host_count; i++)
        dst->hosts[i] = xstrdup(src->hosts[i]);
    for (size_t i = 0; i < src->mount_count; i++)
        dst->mounts[i].path = xstrdup(src->mounts[i].path);
    for (size_t i = 0; i < src->env_count; i++)
        dst->env[i] = xstrdup(src->env[i]);
}

/* ---- canonical text and digest ---- */

/* `,` and `%` in a path would make the list ambiguous. */
static void add_path(struct buf *out, const char *path)
{
    for (; *path != '\0'; path++) {
        if (*path == ',' || *path == '%')
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)*path);
        else
            buf_add_char(out, *path);
    }
}

static void add_list(struct buf *out, char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        buf_add_str(out, list[i]);
    }
}

static void add_network(const struct contract *c, struct buf *out)
{
    static const char *const words[] = { "deny", "allow:", "open" };
    buf_add_str(out, words[c->network]);
    if (c->network == NETWORK_ALLOW)
        add_list(out, c->hosts, c->host_count);
}

void contract_rule_value(const struct contract *c, const struct key_rule *r, struct buf *out)
{
    switch (r->kind) {
    case KEY_LIFECYCLE:
        buf_add_str(out, c->lifecycle == LIFECYCLE_RUN ? "run" : "session");
        break;
    case KEY_INTEGER:
        buf_addf(out, "%" PRId64, int_value(c, r));
        break;
    case KEY_NETWORK:
        add_network(c, out);
        break;
    case KEY_MOUNT:
        for (size_t i = 0; i < c->mount_count; i++) {
            buf_add_str(out, i > 0 ? "," : "");
            add_path(out, c->mounts[i].path);
            buf_add_str(out, c->mounts[i].writable ? ":rw" : ":ro");
        }
        break;
    case KEY_PYTHON:
        buf_add_str(out, c->python);
        break;
    case KEY_ENV:
        add_list(out, c->env, c->env_count);
        break;
    case KEY_BUDGET:
        buf_addf(out, "%" PRId64, c->budget_nanousd);
        break;
    case KEY_STRICT:
        buf_add_str(out, c->strict ? "yes" : "no");
        break;
    }
}

void contract_canonical(const struct contract *c, struct buf *out)
{
    /* In byte order. Money is named by its unit here, which does not change the order. */
    static const char *const sorted[] = { "budget_usd", "concurrency", "cpu",       "disk_mib",
                                          "env",        "files.mount", "lifecycle", "memory_mib",
                                          "network",    "output_mib",  "pids",      "python",
                                          "strict",     "timeout_s",   "ttl_s" };
    _Static_assert(ARRAY_LEN(sorted) == CONTRACT_KEY_COUNT, "all keys are present");
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        const struct key_rule *r = contract_rule_find(sorted[i], strlen(sorted[i]));
        INVARIANT(r != NULL);
        buf_addf(out, "%s=", r->kind == KEY_BUDGET ? "budget_nanousd" : sorted[i]);
        contract_rule_value(c, r, out);
        buf_add_char(out, '\n');
    }
    if (c->introspection[0] != '\0')
        buf_addf(out, "introspection=%s\n", c->introspection);
}

void contract_note_introspection(struct contract *c, const struct sandbox_ops *ops)
{
    uint8_t digest[SHA256_LEN];
    size_t len = 0;
    _Static_assert(sizeof c->introspection == SHA256_HEX_LEN + 1, "room for one digest");
    c->introspection[0] = '\0';
    if (ops->introspection == NULL)
        return;
    const char *text = ops->introspection(&len);
    sha256_once(text, len, digest);
    hex_encode(digest, sizeof digest, c->introspection);
}

void contract_digest(const struct contract *c, uint8_t out[SHA256_LEN])
{
    struct buf text = BUF_INIT(CANONICAL_MAX);
    contract_canonical(c, &text);
    INVARIANT(text.len > 0 && text.ptr[text.len - 1] == '\n');
    sha256_once(text.ptr, text.len, out);
    buf_release(&text);
}

/* ---- JSON, as session.created records it ---- */

static void write_member(const struct contract *c, const struct key_rule *r, struct json_w *w)
{
    struct buf text = BUF_INIT(CANONICAL_MAX);
    switch (r->kind) {
    case KEY_INTEGER:
        json_w_int(w, r->words.key, int_value(c, r));
        break;
    case KEY_BUDGET:
        json_w_int(w, "budget_nanousd", c->budget_nanousd);
        break;
    case KEY_STRICT:
        json_w_bool(w, "strict", c->strict);
        break;
    case KEY_MOUNT:
        json_w_array(w, r->words.key);
        for (size_t i = 0; i < c->mount_count; i++) {
            buf_reset(&text);
            buf_addf(&text, "%s:%s", c->mounts[i].path, c->mounts[i].writable ? "rw" : "ro");
            json_w_str(w, NULL, buf_str(&text));
        }
        json_w_close_array(w);
        break;
    case KEY_ENV:
        json_w_array(w, r->words.key);
        for (size_t i = 0; i < c->env_count; i++)
            json_w_str(w, NULL, c->env[i]);
        json_w_close_array(w);
        break;
    case KEY_LIFECYCLE:
    case KEY_NETWORK:
    case KEY_PYTHON:
        contract_rule_value(c, r, &text);
        json_w_str(w, r->words.key, buf_str(&text));
        break;
    }
    buf_release(&text);
}

void contract_to_json(const struct contract *c, struct json_w *w, const char *key)
{
    json_w_object(w, key);
    for (size_t i = 0; i < CONTRACT_KEY_COUNT; i++)
        write_member(c, &contract_rules[i], w);
    if (c->introspection[0] != '\0')
        json_w_str(w, "introspection", c->introspection);
    json_w_close_object(w);
}

static int read_items(struct contract *c, const struct key_rule *r, const struct json *v,
                      struct err *e)
{
    if (json_kind(v) != JSON_ARRAY)
        return err_set(e, ERR_FORMAT, "contract.%s: not an array", r->words.key);
    for (const struct json *m = json_first(v); m != NULL; m = json_next(m)) {
        const char *item = json_str(m, "");
        if (*item == '\0')
            return err_set(e, ERR_FORMAT, "contract.%s: an item is not a string", r->words.key);
        if (contract_set_value(c, r, item, e) < 0)
            return -1;
    }
    return 0;
}

static int read_member(struct contract *c, const struct key_rule *r, const struct json *o,
                       struct err *e)
{
    const char *name = r->kind == KEY_BUDGET ? "budget_nanousd" : r->words.key;
    const struct json *v = json_get(o, name);
    const char *s;
    if (v == NULL)
        return err_set(e, ERR_FORMAT, "contract.%s: missing", name);
    switch (r->kind) {
    case KEY_INTEGER:
        return json_need_int(o, "contract", name, r->min, r->max, contract_int_field(c, r), e);
    case KEY_BUDGET:
        return json_need_int(o, "contract", name, 0, BUDGET_USD_MAX * NANO_PER_USD,
                             &c->budget_nanousd, e);
    case KEY_STRICT:
        if (json_kind(v) != JSON_BOOL)
            return err_set(e, ERR_FORMAT, "contract.strict: not true or false");
        c->strict = json_bool(v, true);
        return 0;
    case KEY_MOUNT:
    case KEY_ENV:
        return read_items(c, r, v, e);
    case KEY_LIFECYCLE:
    case KEY_NETWORK:
    case KEY_PYTHON:
        break;
    }
    if (json_need_str(o, "contract", name, &s, e) < 0)
        return -1;
    return contract_set_value(c, r, s, e);
}

/* Only where there is one: older records have none. */
static int read_introspection(struct contract *c, const struct json *v, struct err *e)
{
    const char *hex = json_str(v, "");
    if (v == NULL)
        return 0;
    if (strlen(hex) != SHA256_HEX_LEN || strspn(hex, "0123456789abcdef") != SHA256_HEX_LEN)
        return err_set(e, ERR_FORMAT, "contract.introspection: not a digest");
    memcpy(c->introspection, hex, SHA256_HEX_LEN + 1);
    return 0;
}

int contract_from_json(struct contract *c, const struct json *o, struct err *e)
{
    struct contract fresh;
    const struct json *introspection = json_get(o, "introspection");
    size_t expected = CONTRACT_KEY_COUNT + (introspection != NULL);
    if (json_kind(o) != JSON_OBJECT)
        return err_set(e, ERR_FORMAT, "contract: not an object");
    if (json_len(o) != expected)
        return err_set(e, ERR_FORMAT, "contract: %zu fields, expected exactly %zu", json_len(o),
                       expected);
    contract_init(&fresh);
    if (read_introspection(&fresh, introspection, e) < 0) {
        contract_release(&fresh);
        return -1;
    }
    for (size_t i = 0; i < CONTRACT_KEY_COUNT; i++) {
        if (read_member(&fresh, &contract_rules[i], o, e) < 0) {
            if (e != NULL)
                e->code = ERR_FORMAT;
            contract_release(&fresh);
            return -1;
        }
    }
    *c = fresh;
    return 0;
}

/* ---- comparing ---- */

static bool list_has(char *const *list, size_t count, const char *item)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i], item) == 0)
            return true;
    }
    return false;
}

static bool network_is_wider(const struct contract *a, const struct contract *b)
{
    if (a->network == NETWORK_DENY || b->network == NETWORK_OPEN)
        return false;
    if (a->network != b->network)
        return true;
    for (size_t i = 0; i < a->host_count; i++) {
        if (!list_has(b->hosts, b->host_count, a->hosts[i]))
            return true;
    }
    return false;
}

static bool mounts_are_wider(const struct contract *a, const struct contract *b)
{
    for (size_t i = 0; i < a->mount_count; i++) {
        bool covered = false;
        for (size_t j = 0; j < b->mount_count; j++) {
            if (strcmp(a->mounts[i].path, b->mounts[j].path) == 0)
                covered = b->mounts[j].writable || !a->mounts[i].writable;
        }
        if (!covered)
            return true;
    }
    return false;
}

static bool env_is_wider(const struct contract *a, const struct contract *b)
{
    for (size_t i = 0; i < a->env_count; i++) {
        if (!list_has(b->env, b->env_count, a->env[i]))
            return true;
    }
    return false;
}

static bool key_is_wider(const struct contract *a, const struct contract *b,
                         const struct key_rule *r)
{
    switch (r->kind) {
    case KEY_LIFECYCLE:
        return a->lifecycle == LIFECYCLE_SESSION && b->lifecycle == LIFECYCLE_RUN;
    case KEY_INTEGER:
        return int_value(a, r) > int_value(b, r);
    case KEY_NETWORK:
        return network_is_wider(a, b);
    case KEY_MOUNT:
        return mounts_are_wider(a, b);
    case KEY_PYTHON:
        return strcmp(a->python, b->python) != 0; /* another program: not the same promise */
    case KEY_ENV:
        return env_is_wider(a, b);
    case KEY_BUDGET:
        return b->budget_nanousd != 0 &&
               (a->budget_nanousd == 0 || a->budget_nanousd > b->budget_nanousd);
    case KEY_STRICT:
        return !a->strict && b->strict;
    }
    return true;
}

bool contract_is_wider(const struct contract *a, const struct contract *b, const char **field)
{
    if (strcmp(a->introspection, b->introspection) != 0 && a->introspection[0] != '\0') {
        if (field != NULL)
            *field = "introspection";
        return true;
    }
    for (size_t i = 0; i < CONTRACT_KEY_COUNT; i++) {
        if (key_is_wider(a, b, &contract_rules[i])) {
            if (field != NULL)
                *field = contract_rules[i].words.key;
            return true;
        }
    }
    return false;
}

/* ---- what a sandbox keeps of it ---- */

const char *contract_field_name(enum contract_field f)
{
    static const char *const names[FIELD_COUNT] = { "lifecycle",  "ttl_s",     "network",
                                                    "files",      "timeout_s", "cpu",
                                                    "memory_mib", "pids",      "disk_mib",
                                                    "output_mib", "env" };
    return (size_t)f < FIELD_COUNT ? names[f] : "unknown";
}

const char *enforcement_name(enum enforcement how)
{
    switch (how) {
    case ENFORCED:
        return "enforced";
    case APPROXIMATED:
        return "approximated";
    case NOT_ENFORCEABLE:
        return "not enforceable";
    }
    return "unknown";
}

int contract_check_strict(const struct contract *c, const struct contract_enforcement *en,
                          struct err *e)
{
    static const enum contract_field needed[] = { FIELD_NETWORK, FIELD_FILES, FIELD_TIMEOUT,
                                                  FIELD_TTL };
    for (size_t i = 0; c->strict && i < ARRAY_LEN(needed); i++) {
        const struct field_enforcement *f = &en->field[needed[i]];
        if (f->how != NOT_ENFORCEABLE)
            continue;
        return err_set(e, ERR_DENIED,
                       "this sandbox can't enforce %s%s%s; use another one, or -c strict=no to "
                       "accept it",
                       contract_field_name(needed[i]), f->why[0] != '\0' ? ": " : "", f->why);
    }
    return 0;
}

void contract_field_value(const struct contract *c, enum contract_field f, struct buf *out)
{
    static const char *const key_of[FIELD_COUNT] = { "lifecycle",   "ttl_s",     "network",
                                                     "files.mount", "timeout_s", "cpu",
                                                     "memory_mib",  "pids",      "disk_mib",
                                                     "output_mib",  "env" };
    if ((size_t)f >= FIELD_COUNT)
        return;
    if ((f == FIELD_FILES && c->mount_count == 0) || (f == FIELD_ENV && c->env_count == 0))
        buf_add_str(out, "none");
    else
        contract_rule_value(c, contract_rule_find(key_of[f], strlen(key_of[f])), out);
}
