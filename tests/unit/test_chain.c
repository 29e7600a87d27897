/* test_chain.c - the byte layouts of the hash chain, against vectors computed by another program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "sessions/chain.h"

/* Made with Python's hashlib and struct:
 *   c0 = H("airlock.session.1\0" + id)
 *   p  = H("airlock.payload.1\0" + salt + body)
 *   c  = H("airlock.event.1\0" + prev + pack(">QQQIH", seq, at, boot, run, len(type)) + type + p)
 */
#define SESSION "01jd0000000000000000000000"
#define C0      "4fbce428854a26207c57333d6f209c1e25214239dfe0c9e638f8931190bce372"

struct vector {
    const char *what;
    struct event ev;
    uint8_t salt[CHAIN_SALT_LEN];
    const char *payload_hash, *chain;
};

#define JSON_BODY(s) .json = (s), .json_len = sizeof(s) - 1

static const struct vector vectors[] = {
    { "a JSON body",
      { .seq = 1,
        .at_us = 1795341600123456,
        .boot_us = 77,
        .type = EVENT_TASK_GIVEN,
        .type_name = "task.given",
        JSON_BODY("{\"text\":\"count the words\",\"author\":\"person\"}") },
      { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
      "b61c8d21a7837f839f877d39ca90744c563e002e92b4ab86ff34a5902a8a7c3a",
      "ed41b007a29bd03abdb5d5ae6a111e6c2042d89148c8fe8844682f8baa11e3f9" },
    { "an output body with NUL, and the ends of two ranges",
      { .seq = 2,
        .at_us = 1795341600123999,
        .boot_us = INT64_MAX,
        .run = 0xfffffffe,
        .type = EVENT_RUN_OUTPUT,
        .type_name = "run.output",
        .stream = 1,
        .offset = 65536,
        .bytes = "a\0\377\n",
        .len = 4 },
      { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
      "0e3aeefae9bea924c6758065120e108b6a559c5bdce9cd8559ef05c70612b832",
      "6b93c13b2a52ffdd493d5705aa70500fe12deac272bea42792144cb573457807" },
    { "an unknown type, before 1970",
      { .seq = 3,
        .at_us = -1,
        .run = 3,
        .type = EVENT_UNKNOWN,
        .type_name = "future.thing",
        JSON_BODY("{}") },
      { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 },
      "2aaa0f46bdd6e6dbb18eef75d268a72881882176d140be4188c516300c8984bc",
      "f8db0d6d0a4b85390c77dd69bc5b783578be2a4cf89f3d8831b97e2ed839bfe9" },
};

static void assert_hash(const uint8_t hash[SHA256_LEN], const char *hex)
{
    char got[SHA256_HEX_LEN + 1];
    hex_encode(hash, SHA256_LEN, got);
    assert_string_equal(got, hex);
}

static void test_vectors(void **state)
{
    (void)state;
    struct sha256 *h = sha256_new();
    uint8_t head[SHA256_LEN], payload[SHA256_LEN];
    chain_start(h, SESSION, head);
    assert_hash(head, C0);
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        const struct vector *v = &vectors[i];
        chain_hash_body(h, v->salt, &v->ev, payload);
        assert_hash(payload, v->payload_hash);
        chain_next(h, head, &v->ev, payload, head);
        assert_hash(head, v->chain);
    }
    sha256_free(h);
}

/* The longest name fits; every field of the record counts. */
static void test_every_field_counts(void **state)
{
    (void)state;
    char name[EVENT_NAME_MAX + 1];
    memset(name, 'x', EVENT_NAME_MAX);
    name[EVENT_NAME_MAX] = '\0';
    const struct event base = { .seq = 1, .type_name = name };
    struct event changed[5] = { base, base, base, base, base };
    changed[0].seq = 2;
    changed[1].at_us = 1;
    changed[2].boot_us = 1;
    changed[3].run = 1;
    changed[4].type_name = name + 1;
    uint8_t prev[SHA256_LEN] = { 1 }, hash[SHA256_LEN] = { 2 };
    uint8_t want[SHA256_LEN], got[SHA256_LEN];
    struct sha256 *h = sha256_new();
    chain_next(h, prev, &base, hash, want);
    for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
        chain_next(h, prev, &changed[i], hash, got);
        assert_memory_not_equal(got, want, SHA256_LEN);
    }
    hash[31] ^= 1;
    chain_next(h, prev, &base, hash, got);
    assert_memory_not_equal(got, want, SHA256_LEN);
    sha256_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_every_field_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
