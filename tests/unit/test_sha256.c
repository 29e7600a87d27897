/* test_sha256.c - known answers (FIPS 180-4 examples), pieces, hex, random bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/sha256.h"

static const struct {
    const char *text, *hex;
} known[] = {
    { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static void check(const uint8_t digest[SHA256_LEN], const char *hex)
{
    char got[SHA256_HEX_LEN + 1];
    hex_encode(digest, SHA256_LEN, got);
    assert_string_equal(got, hex);
}

static void test_known(void **state)
{
    (void)state;
    struct sha256 *h = sha256_new();
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        uint8_t out[SHA256_LEN];
        sha256_once(known[i].text, strlen(known[i].text), out);
        check(out, known[i].hex);
        sha256_begin(h);
        for (const char *p = known[i].text; *p != '\0'; p++)
            sha256_add(h, p, 1);
        sha256_end(h, out);
        check(out, known[i].hex);
    }
    sha256_begin(h);
    for (int i = 0; i < 1000; i++) {
        char a[1000];
        memset(a, 'a', sizeof a);
        sha256_add(h, a, sizeof a);
    }
    uint8_t out[SHA256_LEN];
    sha256_end(h, out);
    check(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    sha256_free(h);
    sha256_free(NULL);
}

static void test_integers(void **state)
{
    (void)state;
    uint8_t whole[SHA256_LEN], pieces[SHA256_LEN];
    struct sha256 *h = sha256_new();
    sha256_once("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e", 14, whole);
    sha256_begin(h);
    sha256_add(h, "not this", 8);
    sha256_begin(h); /* starts over */
    sha256_add_u16be(h, 0x0102);
    sha256_add_u32be(h, 0x03040506);
    sha256_add_u64be(h, UINT64_C(0x0708090a0b0c0d0e));
    sha256_add(h, NULL, 0);
    sha256_end(h, pieces);
    assert_memory_equal(whole, pieces, SHA256_LEN);
    sha256_free(h);
}

/* Two contexts and the one-shot function do not disturb each other. */
static void test_interleaved(void **state)
{
    (void)state;
    struct sha256 *a = sha256_new(), *b = sha256_new();
    uint8_t out[SHA256_LEN];
    sha256_begin(a);
    sha256_begin(b);
    sha256_add(a, "a", 1);
    sha256_once("zzz", 3, out);
    sha256_add(b, "zz", 2);
    sha256_add(a, "bc", 2);
    sha256_end(a, out);
    check(out, known[1].hex);
    sha256_free(a);
    sha256_free(b);
}

static void test_hex(void **state)
{
    (void)state;
    uint8_t raw[256], back[256];
    char text[513];
    for (int i = 0; i < 256; i++)
        raw[i] = (uint8_t)i;
    hex_encode(raw, 256, text);
    assert_int_equal(strlen(text), 512);
    assert_memory_equal(text + 2 * 0xa9, "a9", 2);
    assert_int_equal(hex_decode(text, 512, back), 0);
    assert_memory_equal(raw, back, 256);
    assert_int_equal(hex_decode("", 0, back), 0);
    static const char *const bad[] = { "a", "abc", "AB", "0g", "g0", " 0", "0x", "a:" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(hex_decode(bad[i], strlen(bad[i]), back), -1);
}

static void test_random(void **state)
{
    (void)state;
    uint8_t a[1000] = { 0 }, b[1000] = { 0 };
    random_bytes(a, sizeof a);
    random_bytes(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    int zeros = 0; /* 1000 bytes give 4 zeros; 40 would be a miracle */
    for (size_t i = 0; i < sizeof a; i++)
        zeros += a[i] == 0;
    assert_true(zeros < 40);
    random_bytes(a, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),       cmocka_unit_test(test_integers),
        cmocka_unit_test(test_interleaved), cmocka_unit_test(test_hex),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
