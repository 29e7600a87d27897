/* fuzz_contract.c - a contract that was accepted is in range, prints and reads back as the same
 * digest, and is no wider than itself; a setting that was refused changes nothing.
 *
 * Input: lines, each one setting of `-c`; or, from the first that begins with {, JSON as recorded.
 */
#include <stdlib.h>
#include <string.h>

#include "tool/contract.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct contract *a, const struct contract *b)
{
    uint8_t x[SHA256_LEN], y[SHA256_LEN];
    contract_digest(a, x);
    contract_digest(b, y);
    return memcmp(x, y, sizeof x) == 0;
}

static void check_ranges(const struct contract *c)
{
    INVARIANT(c->ttl_s >= 1 && c->ttl_s <= 86400 && c->timeout_s >= 1 && c->timeout_s <= 86400);
    INVARIANT(c->concurrency >= 1 && c->concurrency <= 64 && c->cpu >= 1 && c->cpu <= 64);
    INVARIANT(c->memory_mib >= 64 && c->memory_mib <= 65536 && c->pids >= 8 && c->pids <= 4096);
    INVARIANT(c->disk_mib >= 1 && c->disk_mib <= 65536);
    INVARIANT(c->output_mib >= 1 && c->output_mib <= 4096 && c->budget_nanousd >= 0);
    INVARIANT(c->host_count <= CONTRACT_HOSTS_MAX && c->mount_count <= CONTRACT_MOUNTS_MAX);
    INVARIANT(c->env_count <= CONTRACT_ENV_MAX && c->python != NULL);
    for (size_t i = 1; i < c->env_count; i++)
        INVARIANT(strcmp(c->env[i - 1], c->env[i]) < 0);
    for (size_t i = 1; i < c->host_count; i++)
        INVARIANT(strcmp(c->hosts[i - 1], c->hosts[i]) < 0);
    for (size_t i = 0; i < c->mount_count; i++)
        INVARIANT(c->mounts[i].path[0] == '/');
}

static void check_round_trip(const struct contract *c)
{
    struct buf text = BUF_INIT(1 << 20), canonical = BUF_INIT(1 << 20);
    struct json_w w;
    struct json *root = NULL;
    struct contract back;
    struct err e = ERR_INIT;
    const char *field;
    json_w_init(&w, &text);
    json_w_object(&w, NULL);
    contract_to_json(c, &w, "contract");
    json_w_close_object(&w);
    INVARIANT(json_w_end(&w) == 0);
    INVARIANT(json_parse(&root, text.ptr, text.len, &e) == 0);
    INVARIANT(contract_from_json(&back, json_get(root, "contract"), &e) == 0);
    INVARIANT(same(c, &back));
    INVARIANT(!contract_is_wider(c, &back, &field) && !contract_is_wider(&back, c, &field));
    contract_canonical(c, &canonical);
    INVARIANT(memchr(buf_str(&canonical), '\033', canonical.len) == NULL);
    contract_release(&back);
    json_free(root);
    buf_release(&text);
    buf_release(&canonical);
}

static void set_line(struct contract *c, const char *p, size_t len)
{
    struct contract before;
    struct err e = ERR_INIT;
    char *line = xmemdup(p, len);
    contract_copy(&before, c);
    if (contract_set(c, line, &e) < 0) {
        INVARIANT(e.code == ERR_USAGE && e.msg[0] != '\0');
        INVARIANT(same(c, &before));
    }
    contract_release(&before);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data, *end = p + size;
    struct contract c;
    struct json *root = NULL;
    struct err e = ERR_INIT;
    contract_init(&c);
    while (p < end && *p != '{') {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const char *stop = nl != NULL ? nl : end;
        set_line(&c, p, (size_t)(stop - p));
        p = stop + (nl != NULL);
    }
    if (p < end && json_parse(&root, p, (size_t)(end - p), NULL) == 0) {
        struct contract recorded;
        contract_init(&recorded);
        if (contract_from_json(&recorded, root, &e) == 0) {
            check_ranges(&recorded);
            check_round_trip(&recorded);
        }
        contract_release(&recorded);
        json_free(root);
    }
    check_ranges(&c);
    check_round_trip(&c);
    contract_release(&c);
    return 0;
}
