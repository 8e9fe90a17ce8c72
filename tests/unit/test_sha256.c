#include "support/fixture.h"

#include <string.h>

#include "base/sha256.h"

/* Examples of FIPS 180-2, appendix B, and of NIST's byte-oriented vectors. */
static void sha256__agrees_with_the_published_vectors(void **state UNUSED)
{
    static const struct {
        const char *text;
        const char *want;
    } k_rows[] = {
        {"",
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc",
         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(k_rows); i++) {
        uint8_t digest[SHA256_BYTES];
        char hex[SHA256_HEX_CAP];
        sha256_of(k_rows[i].text, strlen(k_rows[i].text), digest);
        sha256_hex(digest, hex);
        assert_string_equal(hex, k_rows[i].want);
    }
}

static void sha256__hashes_a_million_letters(void **state UNUSED)
{
    char text[1000];
    memset(text, 'a', sizeof text);
    struct sha256 s;
    sha256_init(&s);
    for (unsigned i = 0; i < 1000; i++) {
        sha256_add(&s, text, sizeof text);
    }
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_CAP];
    sha256_end(&s, digest);
    sha256_hex(digest, hex);
    assert_string_equal(
        hex,
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Every length around a block's end, cut in two at every place. */
static void sha256__does_not_depend_on_how_input_is_cut(void **state UNUSED)
{
    uint8_t bytes[130];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    for (size_t len = 0; len <= sizeof bytes; len++) {
        uint8_t whole[SHA256_BYTES];
        sha256_of(bytes, len, whole);
        for (size_t cut = 0; cut <= len; cut++) {
            struct sha256 s;
            uint8_t digest[SHA256_BYTES];
            sha256_init(&s);
            sha256_add(&s, bytes, cut);
            sha256_add(&s, bytes + cut, len - cut);
            sha256_end(&s, digest);
            assert_memory_equal(digest, whole, sizeof whole);
        }
    }
}

/* The vectors above went through the processor's instructions if it has them;
 * the plain code must agree. */
static void sha256__plain_code_gives_the_same_digest(void **state UNUSED)
{
    uint8_t bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * i >> 3);
    }
    for (size_t len = 0; len <= sizeof bytes; len += 37) {
        uint8_t want[SHA256_BYTES];
        uint8_t digest[SHA256_BYTES];
        sha256_of(bytes, len, want);
        struct sha256 s;
        sha256_init(&s);
        s.is_plain = true;
        sha256_add(&s, bytes, len);
        sha256_end(&s, digest);
        assert_memory_equal(digest, want, sizeof want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256__agrees_with_the_published_vectors),
        cmocka_unit_test(sha256__hashes_a_million_letters),
        cmocka_unit_test(sha256__plain_code_gives_the_same_digest),
        cmocka_unit_test(sha256__does_not_depend_on_how_input_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
