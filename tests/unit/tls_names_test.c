/* Protocol lists, cipher grades, names, TLSA records and credentials: what is read before there is a connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "tests/unit/certificates.h"
#include "util/net/tls.h"

static struct tls_protocols parsed(const char *list)
{
    struct tls_protocols protocols;
    struct error error;

    assert_true(tls_protocols_parse(list, &protocols, &error));
    return protocols;
}

static void assert_refused(const char *list)
{
    struct tls_protocols protocols;
    struct error error = {""};

    assert_false(tls_protocols_parse(list, &protocols, &error));
    assert_non_null(strstr(error.text, "TLSv1.2"));
}

static void bounds(void **state)
{
    struct tls_protocols from_12 = parsed(">=TLSv1.2"), one = parsed(">=TLSv1.2, <=TLSv1.2");

    (void)state;
    assert_false(tls_protocols_allow(from_12, 0x0302));
    assert_true(tls_protocols_allow(from_12, 0x0303));
    assert_true(tls_protocols_allow(from_12, 0x0304));
    assert_true(tls_protocols_allow(one, 0x0303));
    assert_false(tls_protocols_allow(one, 0x0304));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(parsed((const char *[]){">=303", ">=0303", ">=0x303", ">=0x0303"}[i]).least, 0x0303);
    assert_true(tls_protocols_allow(parsed(""), 0x0301));
}

static void exclusions_and_inclusions(void **state)
{
    struct tls_protocols without = parsed("!SSLv2, !SSLv3:!tlsv1.1"), only = parsed("TLSv1.2 TLSv1.3");

    (void)state;
    assert_false(tls_protocols_allow(without, 0x0300));
    assert_true(tls_protocols_allow(without, 0x0301));
    assert_false(tls_protocols_allow(without, 0x0302));
    assert_true(tls_protocols_allow(only, 0x0303));
    assert_false(tls_protocols_allow(only, 0x0301));
    assert_false(tls_protocols_allow(tls_protocols_both(parsed(">=TLSv1.1"), parsed("<=TLSv1.2")), 0x0304));
    assert_false(tls_protocols_allow(tls_protocols_both(parsed(">=TLSv1.1"), parsed("!TLSv1.2")), 0x0303));
    assert_true(tls_protocols_allow(tls_protocols_both(parsed(">=TLSv1.1"), parsed("!TLSv1.2")), 0x0304));
}

static void bad_lists(void **state)
{
    (void)state;
    assert_refused("TLSv1.4");
    assert_refused(">=");
    assert_refused(">= TLSv1.2");
    assert_refused("!");
    assert_refused(">=0x10000");
    assert_refused(">=-1");
    assert_refused("!303");
}

static void cipher_lists(void **state)
{
    const struct tls_cipher_grades grades = {.high = "HIGH", .medium = "HIGH:MEDIUM", .low = "LOW", .export = "EXPORT",
                                             .null = "eNULL"};
    const char *const exclusions[] = {"aNULL, MD5:RC4", "", "kEDH+aRSA", NULL}, *const none[] = {NULL};
    struct text list = {0};
    struct error error;

    (void)state;
    assert_true(tls_cipher_list(&grades, "Medium", exclusions, &list, &error));
    assert_string_equal(list.data, "HIGH:MEDIUM:!aNULL:!MD5:!RC4:!kEDH+aRSA");
    assert_true(tls_cipher_list(&grades, "high", none, &list, &error));
    assert_string_equal(list.data, "HIGH");
    assert_false(tls_cipher_list(&grades, "best", none, &list, &error));
    assert_non_null(strstr(error.text, "medium"));
    text_free(&list);
}

static void names_match(void **state)
{
    (void)state;
    assert_true(tls_match_name("Mail.Example.com", "mail.example.COM", false));
    assert_false(tls_match_name("mail.example.com", "example.com", false));
    assert_true(tls_match_name("*.example.com", "mail.example.com", false));
    assert_false(tls_match_name("*.example.com", "example.com", true));
    assert_false(tls_match_name("*.example.com", "a.b.example.com", false));
    assert_true(tls_match_name("*.example.com", "a.b.example.com", true));
    assert_false(tls_match_name("*.com", "example.com", true));
    assert_false(tls_match_name("*", "com", true));
    assert_false(tls_match_name("m*.example.com", "mail.example.com", true));
    assert_true(tls_match_name("mail.example.com", ".example.com", false));
    assert_true(tls_match_name("*.example.com", ".example.com", false));
    assert_false(tls_match_name("example.com", ".example.com", false));
    assert_false(tls_match_name("mail.badexample.com", ".example.com", false));
    assert_false(tls_match_name("", "", false));
    assert_false(tls_match_name(".example.com", ".example.com", false));
}

static void usable_records(void **state)
{
    const unsigned char bytes[64] = {0};
    const struct {
        struct tls_tlsa record;
        bool usable;
    } cases[] = {
        {{3, 1, 1, bytes, 32}, true},  {{2, 0, 2, bytes, 64}, true},   {{3, 1, 0, bytes, 10}, true},
        {{1, 1, 1, bytes, 32}, false}, {{0, 1, 1, bytes, 32}, false},  {{3, 2, 1, bytes, 32}, false},
        {{3, 1, 3, bytes, 32}, false}, {{3, 1, 1, bytes, 31}, false},  {{3, 1, 1, bytes, 0}, false},
        {{3, 1, 0, bytes, 0}, false},  {{255, 1, 1, bytes, 32}, false}, {{3, 1, 2, bytes, 32}, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(tls_tlsa_usable(&cases[i].record), cases[i].usable);
}

/* ---- credentials ---- */

struct keys {
    struct made rsa, ec;
    struct text text;
    struct tls_credentials *credentials;
};

static int make_keys(void **state)
{
    static struct keys keys;

    keys = (struct keys){.rsa = make_certificate("RSA", "rsa.example", NULL, false, NULL),
                         .ec = make_certificate("EC", "ec.example", NULL, false, NULL),
                         .credentials = tls_credentials_new()};
    *state = &keys;
    return 0;
}

static int free_keys(void **state)
{
    struct keys *keys = *state;

    free_made(&keys->rsa);
    free_made(&keys->ec);
    text_free(&keys->text);
    tls_credentials_free(keys->credentials);
    return 0;
}

static void assert_bad_chain(struct keys *keys, const char *complaint)
{
    struct error error;

    assert_false(tls_credentials_add_chain(keys->credentials, text_string(&keys->text), keys->text.length, "here", &error));
    assert_non_null(strstr(error.text, complaint));
    assert_non_null(strstr(error.text, "here"));
    assert_null(strstr(error.text, "BEGIN"));
    assert_true(tls_credentials_empty(keys->credentials));
}

static void two_algorithms_in_a_chain(void **state)
{
    struct keys *keys = *state;
    struct error error;

    append_key(&keys->text, &keys->rsa);
    append_certificate(&keys->text, &keys->rsa);
    append_certificate(&keys->text, &keys->ec); /* as if it were an issuer */
    text_append(&keys->text, "some words between\n");
    append_key(&keys->text, &keys->ec);
    append_certificate(&keys->text, &keys->ec);
    assert_true(tls_credentials_add_chain(keys->credentials, keys->text.data, keys->text.length, "here", &error));
    assert_false(tls_credentials_empty(keys->credentials));
}

static void certificate_first(void **state)
{
    struct keys *keys = *state;

    append_certificate(&keys->text, &keys->rsa);
    append_key(&keys->text, &keys->rsa);
    assert_bad_chain(keys, "before it");
}

static void key_of_another(void **state)
{
    struct keys *keys = *state;

    append_key(&keys->text, &keys->rsa);
    append_certificate(&keys->text, &keys->rsa);
    append_key(&keys->text, &keys->ec);
    append_certificate(&keys->text, &keys->rsa);
    assert_bad_chain(keys, "does not match");
}

static void key_alone(void **state)
{
    struct keys *keys = *state;

    append_key(&keys->text, &keys->rsa);
    assert_bad_chain(keys, "no certificate follows");
    append_key(&keys->text, &keys->ec);
    append_certificate(&keys->text, &keys->ec);
    assert_bad_chain(keys, "no certificate follows");
}

static void cut_anywhere(void **state)
{
    struct keys *keys = *state;
    size_t whole;

    append_key(&keys->text, &keys->ec);
    append_certificate(&keys->text, &keys->ec);
    whole = keys->text.length - 2; /* the last line's end may be missing */
    for (size_t length = 0; length < whole; length++) {
        struct error error;

        assert_false(tls_credentials_add_chain(keys->credentials, keys->text.data, length, "cut", &error));
        assert_true(tls_credentials_empty(keys->credentials));
    }
}

static void key_with_a_passphrase(void **state)
{
    struct keys *keys = *state;
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PKCS8PrivateKey(bio, keys->ec.key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL);
    append_pem(&keys->text, bio);
    append_certificate(&keys->text, &keys->ec);
    assert_bad_chain(keys, "passphrase");
}

static void pairs(void **state)
{
    struct keys *keys = *state;
    struct text certificate = {0};
    struct error error;

    append_key(&keys->text, &keys->ec);
    append_certificate(&certificate, &keys->rsa);
    assert_false(tls_credentials_add_pair(keys->credentials, &certificate, "cert", &keys->text, "key", &error));
    assert_non_null(strstr(error.text, "does not match"));
    assert_false(tls_credentials_add_pair(keys->credentials, &keys->text, "cert", &keys->text, "key", &error));
    assert_string_equal(error.text, "no certificate in cert");
    assert_false(tls_credentials_add_pair(keys->credentials, &certificate, "cert", &certificate, "key", &error));
    assert_string_equal(error.text, "no private key in key");
    text_clear(&certificate);
    append_certificate(&certificate, &keys->ec);
    assert_true(tls_credentials_add_pair(keys->credentials, &certificate, "cert", &keys->text, "key", &error));
    text_free(&certificate);
}

static void fingerprints(void **state)
{
    struct text text = {0};

    (void)state;
    assert_true(tls_fingerprint("sha1", "abc", 3, &text));
    assert_string_equal(text.data, "A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D");
    assert_false(tls_fingerprint("sha77", "abc", 3, &text));
    assert_true(tls_digest_exists("sha256"));
    assert_false(tls_digest_exists(""));
    text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds),
        cmocka_unit_test(exclusions_and_inclusions),
        cmocka_unit_test(bad_lists),
        cmocka_unit_test(cipher_lists),
        cmocka_unit_test(names_match),
        cmocka_unit_test(usable_records),
        cmocka_unit_test_setup_teardown(two_algorithms_in_a_chain, make_keys, free_keys),
        cmocka_unit_test_setup_teardown(certificate_first, make_keys, free_keys),
        cmocka_unit_test_setup_teardown(key_of_another, make_keys, free_keys),
        cmocka_unit_test_setup_teardown(key_alone, make_keys, free_keys),
        cmocka_unit_test_setup_teardown(cut_anywhere, make_keys, free_keys),
        cmocka_unit_test_setup_teardown(key_with_a_passphrase, make_keys, free_keys),
        cmocka_unit_test_setup_teardown(pairs, make_keys, free_keys),
        cmocka_unit_test(fingerprints),
    };

    return cmocka_run_group_tests_name("TLS before the connection", tests, NULL, NULL);
}
