/* test_contract.c - keys, ranges, canonical text, digest and comparison of contracts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tool/contract.h"

/* Computed by a program of its own in another language, from architecture §3. */
#define DIGEST_DEFAULT "8d3a5d05c80bd54635cc59a9fa279fafec8fcbb529427854af2e87e9c18ba42e"
#define DIGEST_FULL    "48859691749bccf9e3ba35a5c6ecb42702f31ccd51d271d807492e76d2f76ddf"

static const char default_text[] = "budget_nanousd=0\nconcurrency=1\ncpu=1\ndisk_mib=256\nenv=\n"
                                   "files.mount=\nlifecycle=session\nmemory_mib=1024\n"
                                   "network=deny\noutput_mib=64\npids=128\n"
                                   "python=/usr/bin/python3\nstrict=yes\ntimeout_s=30\n"
                                   "ttl_s=3600\n";
/* Given out of order and with repeats, so that sorting shows. */
static const char *const full_settings[] = { "budget_usd=1.25",
                                             "env=BETA",
                                             "env=ALPHA,BETA",
                                             "files.mount=/srv/x",
                                             "files.mount=/data/a,b:ro",
                                             "files.mount=/srv/x:rw",
                                             "lifecycle=run",
                                             "network=allow:Example.COM,*.pypi.org,example.com",
                                             "python=/srv/x/bin/python",
                                             "strict=no",
                                             "timeout_s=120",
                                             "ttl_s=86400" };

static void make_full(struct contract *c)
{
    struct err e = ERR_INIT;
    contract_init(c);
    for (size_t i = 0; i < ARRAY_LEN(full_settings); i++)
        assert_int_equal(contract_set(c, full_settings[i], &e), 0);
}

static void digest_hex(const struct contract *c, char hex[SHA256_HEX_LEN + 1])
{
    uint8_t d[SHA256_LEN];
    contract_digest(c, d);
    hex_encode(d, sizeof d, hex);
}

static void canonical_text_and_digest_are_golden(void **state)
{
    (void)state;
    struct contract c;
    struct buf text = BUF_INIT(65536);
    char hex[SHA256_HEX_LEN + 1];
    contract_init(&c);
    contract_canonical(&c, &text);
    assert_string_equal(buf_str(&text), default_text);
    digest_hex(&c, hex);
    assert_string_equal(hex, DIGEST_DEFAULT);
    contract_release(&c);
    make_full(&c);
    digest_hex(&c, hex);
    assert_string_equal(hex, DIGEST_FULL);
    contract_release(&c);
    buf_release(&text);
}

static const char own_cell[] = "print(1)\n";

static const char *give_cell(size_t *len)
{
    *len = sizeof own_cell - 1;
    return own_cell;
}

/* What a sandbox runs beside the approved code is a part of what was agreed on. */
static void own_code_is_in_the_digest(void **state)
{
    static const struct sandbox_ops with = { .name = "x", .introspection = give_cell },
                                    without = { .name = "y" };
    struct contract c, back;
    struct buf text = BUF_INIT(65536), json = BUF_INIT(65536);
    struct json_w w;
    struct json *o = NULL;
    struct err e = ERR_INIT;
    char hex[SHA256_HEX_LEN + 1], again[SHA256_HEX_LEN + 1];
    const char *field = NULL;
    (void)state;
    contract_init(&c);
    contract_note_introspection(&c, &with);
    assert_string_equal(c.introspection,
                        "cc42155088fca5730758db72b2a5bca33112a941dfaa2d43098ec422ce4ea213");
    contract_canonical(&c, &text);
    assert_non_null(strstr(buf_str(&text), "ttl_s=3600\nintrospection="));
    digest_hex(&c, hex);
    assert_string_not_equal(hex, DIGEST_DEFAULT);
    json_w_init(&w, &json);
    json_w_object(&w, NULL);
    contract_to_json(&c, &w, "contract");
    json_w_close_object(&w);
    assert_int_equal(json_w_end(&w), 0);
    assert_int_equal(json_parse(&o, json.ptr, json.len, &e), 0);
    assert_int_equal(contract_from_json(&back, json_get(o, "contract"), &e), 0);
    digest_hex(&back, again);
    assert_string_equal(hex, again);
    contract_note_introspection(&back, &without);
    digest_hex(&back, again);
    assert_string_equal(again, DIGEST_DEFAULT);
    assert_true(contract_is_wider(&c, &back, &field));
    assert_string_equal(field, "introspection");
    assert_false(contract_is_wider(&back, &c, &field));
    json_free(o);
    contract_release(&c);
    contract_release(&back);
    buf_release(&text);
    buf_release(&json);
}

static void values_in_range_are_taken(void **state)
{
    (void)state;
    static const char *const good[] = { "ttl_s=1",
                                        "ttl_s=86400",
                                        "concurrency=64",
                                        "cpu=64",
                                        "memory_mib=64",
                                        "memory_mib=65536",
                                        "pids=8",
                                        "pids=4096",
                                        "disk_mib=1",
                                        "output_mib=4096",
                                        "timeout_s=86400",
                                        "network=open",
                                        "network=deny",
                                        "network=allow:a",
                                        "network=allow:10.0.0.1",
                                        "env=",
                                        "env=_X9",
                                        "files.mount=",
                                        "files.mount=/a:b",
                                        "files.mount=/a/..b/c.:rw",
                                        "python=/x/y",
                                        "strict=yes",
                                        "budget_usd=100000",
                                        "budget_usd=0.000000001",
                                        "lifecycle=session" };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct contract c;
        struct err e = ERR_INIT;
        contract_init(&c);
        if (contract_set(&c, good[i], &e) < 0)
            fail_msg("%s: %s", good[i], e.msg);
        contract_release(&c);
    }
}

static void values_out_of_range_change_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *setting, *says;
    } bad[] = {
        { "ttl_s=0", "1-86400" },
        { "ttl_s=86401", "ttl_s=86401: takes 1-86400" },
        { "ttl_s=", "1-86400" },
        { "ttl_s=-1", "1-86400" },
        { "ttl_s=1.5", "1-86400" },
        { "ttl_s= 5", "1-86400" },
        { "ttl_s=99999999999999999999", "1-86400" },
        { "concurrency=0", "1-64" },
        { "cpu=65", "1-64" },
        { "memory_mib=63", "64-65536" },
        { "pids=7", "8-4096" },
        { "pids=4097", "8-4096" },
        { "disk_mib=0", "1-65536" },
        { "output_mib=4097", "1-4096" },
        { "timeout_s=0x10", "1-86400" },
        { "lifecycle=forever", "session|run" },
        { "network=", "deny|open|allow" },
        { "network=allow:", "allow" },
        { "network=allow:a,,b", "allow" },
        { "network=allow:a b", "allow" },
        { "network=allow:.a", "allow" },
        { "network=allow:a..b", "allow" },
        { "network=allow:*.", "allow" },
        { "network=allow:a:0", "allow" },
        { "network=allow:a:65536", "allow" },
        { "network=allow:a:80:80", "allow" },
        { "network=allow:127.1", "allow" },
        { "network=allow:*.127.0.0.1", "allow" },
        { "network=allow:::1", "allow" },
        { "network=allow:http://a", "allow" },
        { "files.mount=relative", "absolute" },
        { "files.mount=/", "absolute" },
        { "files.mount=/a/../b", "absolute" },
        { "files.mount=/a/./b", "absolute" },
        { "files.mount=/a//b", "absolute" },
        { "files.mount=/a/", "absolute" },
        { "files.mount=/a\nb", "absolute" },
        { "files.mount=:rw", "absolute" },
        { "python=python3", "absolute" },
        { "python=", "absolute" },
        { "env=1A", "NAME" },
        { "env=A=B", "NAME" },
        { "env=A,", "NAME" },
        { "env=A-B", "NAME" },
        { "budget_usd=-1", "0-100000" },
        { "budget_usd=100000.000000001", "0-100000" },
        { "budget_usd=0.0000000001", "0-100000" },
        { "budget_usd=1.", "0-100000" },
        { "budget_usd=1e3", "0-100000" },
        { "budget_usd=", "0-100000" },
        { "strict=maybe", "yes|no" },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct contract c;
        struct err e = ERR_INIT;
        char hex[SHA256_HEX_LEN + 1];
        make_full(&c);
        assert_int_equal(contract_set(&c, bad[i].setting, &e), -1);
        assert_int_equal(e.code, ERR_USAGE);
        if (strstr(e.msg, bad[i].says) == NULL)
            fail_msg("%s said: %s", bad[i].setting, e.msg);
        digest_hex(&c, hex);
        assert_string_equal(hex, DIGEST_FULL);
        contract_release(&c);
    }
}

static void unknown_keys_name_the_nearest(void **state)
{
    (void)state;
    static const struct {
        const char *setting, *nearest;
    } rows[] = {
        { "timeout=5", "timeout_s=" },
        { "memory=64", "memory_mib=" },
        { "netwokr=deny", "network=" },
        { "TTL_S=5", "ttl_s=" },
        { "mount=/a", "files.mount=" },
        { "pid=9", "pids=" },
        { "budget=1", "budget_usd=" },
        { "stric=no", "strict=" },
        { "=5", "`airlock contract` shows all" },
        { "nope=1", "`airlock contract` shows all" },
        { "conncurency", "concurrency=" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct contract c;
        struct err e = ERR_INIT;
        contract_init(&c);
        assert_int_equal(contract_set(&c, rows[i].setting, &e), -1);
        assert_int_equal(e.code, ERR_USAGE);
        if (strstr(e.msg, "is not known") == NULL || strstr(e.msg, rows[i].nearest) == NULL)
            fail_msg("%s said: %s", rows[i].setting, e.msg);
        contract_release(&c);
    }
}

static void a_key_without_value_is_told(void **state)
{
    (void)state;
    struct contract c;
    struct err e = ERR_INIT;
    contract_init(&c);
    assert_int_equal(contract_set(&c, "cpu", &e), -1);
    assert_non_null(strstr(e.msg, "cpu=1-64"));
    contract_release(&c);
}

static void lists_are_bounded(void **state)
{
    (void)state;
    struct contract c;
    struct err e = ERR_INIT;
    char item[64];
    contract_init(&c);
    for (int i = 0; i < CONTRACT_ENV_MAX; i++) {
        snprintf(item, sizeof item, "env=V%d", i);
        assert_int_equal(contract_set(&c, item, &e), 0);
    }
    assert_int_equal(contract_set(&c, "env=ONE_MORE", &e), -1);
    assert_int_equal(contract_set(&c, "env=V3", &e), 0);
    assert_int_equal(c.env_count, CONTRACT_ENV_MAX);
    for (int i = 0; i < CONTRACT_MOUNTS_MAX; i++) {
        snprintf(item, sizeof item, "files.mount=/m%d", i);
        assert_int_equal(contract_set(&c, item, &e), 0);
    }
    assert_int_equal(contract_set(&c, "files.mount=/one/more", &e), -1);
    assert_int_equal(c.mount_count, CONTRACT_MOUNTS_MAX);
    assert_int_equal(contract_set(&c, "env=", &e), 0);
    assert_int_equal(contract_set(&c, "files.mount=", &e), 0);
    assert_int_equal(c.env_count + c.mount_count, 0);
    contract_release(&c);
}

static int parse_contract(struct contract *out, const char *json, size_t len, struct err *e)
{
    struct json *root = NULL;
    assert_int_equal(json_parse(&root, json, len, e), 0);
    int rc = contract_from_json(out, json_get(root, "contract"), e);
    json_free(root);
    return rc;
}

static void json_round_trips(void **state)
{
    (void)state;
    for (int full = 0; full < 2; full++) {
        struct contract a, b;
        struct buf out = BUF_INIT(65536);
        struct json_w w;
        struct err e = ERR_INIT;
        char one[SHA256_HEX_LEN + 1], two[SHA256_HEX_LEN + 1];
        if (full)
            make_full(&a);
        else
            contract_init(&a);
        json_w_init(&w, &out);
        json_w_object(&w, NULL);
        contract_to_json(&a, &w, "contract");
        json_w_close_object(&w);
        assert_int_equal(json_w_end(&w), 0);
        if (parse_contract(&b, out.ptr, out.len, &e) < 0)
            fail_msg("%s", e.msg);
        digest_hex(&a, one);
        digest_hex(&b, two);
        assert_string_equal(one, two);
        contract_release(&a);
        contract_release(&b);
        buf_release(&out);
    }
}

#define KEY_64  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_BAD "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define JSON_OK                                                                                    \
    "\"lifecycle\":\"session\",\"ttl_s\":3600,\"concurrency\":1,\"network\":\"deny\","             \
    "\"files.mount\":[],\"python\":\"/usr/bin/python3\",\"timeout_s\":30,\"cpu\":1,"               \
    "\"memory_mib\":1024,\"pids\":128,\"disk_mib\":256,\"output_mib\":64,\"env\":[],"

static void json_that_is_off_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"contract\":7}",
        "{\"contract\":{}}",
        "{\"contract\":{" JSON_OK "\"budget_nanousd\":0}}",
        "{\"contract\":{" JSON_OK "\"budget_nanousd\":0,\"strict\":\"yes\"}}",
        "{\"contract\":{" JSON_OK "\"budget_nanousd\":-1,\"strict\":true}}",
        "{\"contract\":{" JSON_OK "\"budget_nanousd\":0,\"strict\":true,\"more\":1}}",
        "{\"contract\":{" JSON_OK "\"budget_nanousd\":0,\"stricter\":true}}",
    };
    struct contract c;
    struct err e = ERR_INIT;
    const char good[] = "{\"contract\":{" JSON_OK "\"budget_nanousd\":0,\"strict\":true}}";
    assert_int_equal(parse_contract(&c, good, strlen(good), &e), 0);
    contract_release(&c);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(parse_contract(&c, bad[i], strlen(bad[i]), &e), -1);
        assert_int_equal(e.code, ERR_FORMAT);
        assert_non_null(strstr(e.msg, "contract"));
    }
}

/* Each field missing, of each other kind, or beyond its range: refused, and named. */
static void every_field_is_needed_as_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *key, *good;
        const char *bad[6];
    } fields[] = {
        { "lifecycle", "\"session\"", { "\"ever\"", "7", "null", "[]", "\"\"" } },
        { "ttl_s", "3600", { "0", "86401", "\"3600\"", "1.5", "null" } },
        { "concurrency", "1", { "0", "65", "true" } },
        { "network", "\"deny\"", { "\"all\"", "[\"deny\"]", "false", "\"allow:\"" } },
        { "files.mount", "[]", { "\"/a\"", "{}", "[7]", "[\"\"]", "[\"relative\"]", "[null]" } },
        { "python", "\"/usr/bin/python3\"", { "\"python\"", "3", "\"\"" } },
        { "timeout_s", "30", { "-1", "1e300", "{}" } },
        { "cpu", "1", { "0", "65" } },
        { "memory_mib", "1024", { "63", "65537" } },
        { "pids", "128", { "7", "4097" } },
        { "disk_mib", "256", { "0", "65537" } },
        { "output_mib", "64", { "0", "4097" } },
        { "env", "[]", { "\"A\"", "[\"a b\"]", "[\"A\",7]", "null" } },
        { "budget_nanousd", "0", { "-1", "\"0\"", "9007199254740991" } },
        { "strict", "true", { "\"yes\"", "1", "null" } },
        { "introspection", "\"" KEY_64 "\"", { "\"\"", "\"abc\"", "\"" KEY_BAD "\"", "7" } },
    };
    size_t tried = 0;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        for (size_t k = 0; k <= ARRAY_LEN(fields[i].bad); k++) {
            struct buf json = BUF_INIT(4096);
            struct contract c;
            struct err e = ERR_INIT;
            const char *value = k > 0 ? fields[i].bad[k - 1] : "\"left out\"";
            if (value == NULL)
                continue;
            assert_int_equal(buf_add_str(&json, "{\"contract\":{"), 0);
            for (size_t f = 0; f < ARRAY_LEN(fields); f++)
                assert_int_equal(buf_addf(&json, "%s\"%s\":%s", f > 0 ? "," : "",
                                          f == i && k == 0 ? "other" : fields[f].key,
                                          f == i ? value : fields[f].good),
                                 0);
            assert_int_equal(buf_add_str(&json, "}}"), 0);
            if (parse_contract(&c, json.ptr, json.len, &e) == 0)
                fail_msg("%s: %s was taken", fields[i].key, value);
            assert_int_equal(e.code, ERR_FORMAT);
            tried++;
            buf_release(&json);
        }
    }
    assert_int_equal(tried, 69);
}

static void wider_is_seen_in_every_field(void **state)
{
    (void)state;
    static const struct {
        const char *narrow, *wide, *field;
    } rows[] = {
        { "lifecycle=run", "lifecycle=session", "lifecycle" },
        { "ttl_s=10", "ttl_s=11", "ttl_s" },
        { "concurrency=1", "concurrency=2", "concurrency" },
        { "network=deny", "network=allow:a", "network" },
        { "network=allow:a", "network=allow:a,b", "network" },
        { "network=allow:a", "network=open", "network" },
        { "files.mount=/a:ro", "files.mount=/a:rw", "files.mount" },
        { "files.mount=/a:rw", "files.mount=/b:ro", "files.mount" },
        { "files.mount=", "files.mount=/a", "files.mount" },
        { "timeout_s=1", "timeout_s=2", "timeout_s" },
        { "cpu=1", "cpu=2", "cpu" },
        { "memory_mib=64", "memory_mib=65", "memory_mib" },
        { "pids=8", "pids=9", "pids" },
        { "disk_mib=1", "disk_mib=2", "disk_mib" },
        { "output_mib=1", "output_mib=2", "output_mib" },
        { "env=", "env=A", "env" },
        { "env=A", "env=B", "env" },
        { "budget_usd=1", "budget_usd=2", "budget_usd" },
        { "budget_usd=1", "budget_usd=0", "budget_usd" },
        { "strict=yes", "strict=no", "strict" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct contract a, b;
        struct err e = ERR_INIT;
        const char *field = NULL;
        contract_init(&a);
        contract_init(&b);
        assert_int_equal(contract_set(&a, rows[i].narrow, &e), 0);
        assert_int_equal(contract_set(&b, rows[i].wide, &e), 0);
        assert_true(contract_is_wider(&b, &a, &field));
        assert_string_equal(field, rows[i].field);
        assert_false(contract_is_wider(&a, &a, NULL));
        if (strcmp(rows[i].narrow, "files.mount=/a:rw") != 0 &&
            strcmp(rows[i].narrow, "env=A") != 0)
            assert_false(contract_is_wider(&a, &b, NULL));
        contract_release(&a);
        contract_release(&b);
    }
}

static void strict_refuses_what_cannot_be_enforced(void **state)
{
    (void)state;
    struct contract c;
    contract_init(&c);
    for (int f = 0; f < FIELD_COUNT; f++) {
        struct contract_enforcement en = { 0 };
        struct err e = ERR_INIT;
        bool needed =
            f == FIELD_NETWORK || f == FIELD_FILES || f == FIELD_TIMEOUT || f == FIELD_TTL;
        en.field[f].how = NOT_ENFORCEABLE;
        snprintf(en.field[f].why, sizeof en.field[f].why, "because");
        c.strict = true;
        assert_int_equal(contract_check_strict(&c, &en, &e), needed ? -1 : 0);
        if (needed) {
            assert_int_equal(e.code, ERR_DENIED);
            assert_non_null(strstr(e.msg, contract_field_name((enum contract_field)f)));
            assert_non_null(strstr(e.msg, "because"));
        }
        en.field[f].how = APPROXIMATED;
        assert_int_equal(contract_check_strict(&c, &en, &e), 0);
        en.field[f].how = NOT_ENFORCEABLE;
        c.strict = false;
        assert_int_equal(contract_check_strict(&c, &en, &e), 0);
    }
    contract_release(&c);
}

static void copies_are_deep_and_fields_print(void **state)
{
    (void)state;
    static const char *const shown[FIELD_COUNT] = { "run",
                                                    "86400",
                                                    "allow:*.pypi.org,example.com",
                                                    "/data/a%2Cb:ro,/srv/x:rw",
                                                    "120",
                                                    "1",
                                                    "1024",
                                                    "128",
                                                    "256",
                                                    "64",
                                                    "ALPHA,BETA" };
    struct contract a, b;
    struct err e = ERR_INIT;
    struct buf out = BUF_INIT(65536);
    char hex[SHA256_HEX_LEN + 1];
    make_full(&a);
    contract_copy(&b, &a);
    assert_int_equal(contract_set(&a, "env=", &e), 0);
    contract_release(&a);
    digest_hex(&b, hex);
    assert_string_equal(hex, DIGEST_FULL);
    for (int f = 0; f < FIELD_COUNT; f++) {
        buf_reset(&out);
        contract_field_value(&b, (enum contract_field)f, &out);
        assert_string_equal(buf_str(&out), shown[f]);
    }
    contract_release(&b);
    contract_init(&a);
    buf_reset(&out);
    contract_field_value(&a, FIELD_FILES, &out);
    assert_string_equal(buf_str(&out), "none");
    contract_release(&a);
    buf_release(&out);
}

static void the_key_table_is_complete(void **state)
{
    (void)state;
    size_t count;
    const struct contract_key *k = contract_keys(&count);
    struct contract c;
    struct err e = ERR_INIT;
    assert_int_equal(count, 15);
    contract_init(&c);
    for (size_t i = 0; i < count; i++) {
        char setting[128];
        char hex[SHA256_HEX_LEN + 1];
        snprintf(setting, sizeof setting, "%s=%s", k[i].key, k[i].dflt);
        assert_int_equal(contract_set(&c, setting, &e), 0);
        digest_hex(&c, hex);
        assert_string_equal(hex, DIGEST_DEFAULT);
        assert_true(strlen(k[i].takes) > 0 && strlen(k[i].help) > 0);
    }
    contract_release(&c);
}

/* ---- the contract as a text (contract_text.c) ---- */

static struct contract_enforcement some_walls(void)
{
    struct contract_enforcement en = { 0 };
    en.field[FIELD_CPU].how = APPROXIMATED;
    snprintf(en.field[FIELD_CPU].why, sizeof en.field[FIELD_CPU].why, "a # in it = too");
    en.field[FIELD_DISK].how = NOT_ENFORCEABLE;
    return en;
}

static void what_is_printed_is_read_back(void **state)
{
    (void)state;
    struct contract c, again;
    struct buf text = BUF_INIT(65536);
    struct err e = ERR_INIT;
    char hex[2][SHA256_HEX_LEN + 1];
    const struct contract_enforcement en = some_walls();
    make_full(&c);
    assert_int_equal(contract_set(&c, "files.mount=/srv/a#b=c", &e), 0);
    contract_print(&c, &en, &text);
    assert_non_null(strstr(buf_str(&text), "cpu         = 1                 # approximated: a #"));
    assert_non_null(strstr(buf_str(&text), "budget_usd  = 1.25 "));
    assert_non_null(strstr(buf_str(&text), "# not enforceable\n"));
    contract_init(&again);
    assert_int_equal(contract_set_text(&again, buf_str(&text), text.len, &e), 0);
    digest_hex(&c, hex[0]);
    digest_hex(&again, hex[1]);
    assert_string_equal(hex[0], hex[1]);
    contract_release(&c);
    contract_release(&again);
    buf_release(&text);
}

static void a_text_is_taken_whole_or_not_at_all(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said; /* NULL: taken */
    } cases[] = {
        { "", NULL },
        { "# nothing\n\n  \t\r\n", NULL },
        { "cpu=2\npids = 64 # few\r\n", NULL },
        { "cpu = 2\ncpu = 99\n", "line 2: cpu=99: takes 1-64" },
        { "cpu = 2\nnetwork\n", "line 2: contract key network needs a value" },
        { "\n\nnettwork = deny", "line 3: contract key nettwork is not known" },
        { "=3", "line 1: contract key  is not known" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct contract c;
        struct err e = ERR_INIT;
        contract_init(&c);
        int rc = contract_set_text(&c, cases[i].text, strlen(cases[i].text), &e);
        assert_int_equal(rc, cases[i].said != NULL ? -1 : 0);
        if (rc < 0) {
            assert_int_equal(e.code, ERR_USAGE);
            assert_int_equal(c.cpu, 1); /* the good line before it did not count either */
            if (strncmp(e.msg, cases[i].said, strlen(cases[i].said)) != 0)
                fail_msg("%s", e.msg);
        }
        contract_release(&c);
    }
    struct contract c;
    struct err e = ERR_INIT;
    contract_init(&c);
    assert_int_equal(contract_set_text(&c, "cpu=2\0pids=3", 12, &e), -1);
    contract_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_text_and_digest_are_golden),
        cmocka_unit_test(own_code_is_in_the_digest),
        cmocka_unit_test(what_is_printed_is_read_back),
        cmocka_unit_test(a_text_is_taken_whole_or_not_at_all),
        cmocka_unit_test(values_in_range_are_taken),
        cmocka_unit_test(values_out_of_range_change_nothing),
        cmocka_unit_test(unknown_keys_name_the_nearest),
        cmocka_unit_test(a_key_without_value_is_told),
        cmocka_unit_test(lists_are_bounded),
        cmocka_unit_test(json_round_trips),
        cmocka_unit_test(json_that_is_off_is_refused),
        cmocka_unit_test(every_field_is_needed_as_it_is),
        cmocka_unit_test(wider_is_seen_in_every_field),
        cmocka_unit_test(strict_refuses_what_cannot_be_enforced),
        cmocka_unit_test(copies_are_deep_and_fields_print),
        cmocka_unit_test(the_key_table_is_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
