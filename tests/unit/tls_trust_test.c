/* Who is trusted: clients and servers, by chain, name, fingerprint, TLSA record and anchor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/tls_pair.h"

static void client_certificates(void **state)
{
    struct both *both = *state;
    const struct {
        const struct made *shown;
        enum tls_trust trust;
    } cases[] = {{&both->client, TLS_TRUSTED}, {&both->other, TLS_UNTRUSTED}, {NULL, TLS_ANONYMOUS}};

    both->server.handshake.ask = TLS_ASK;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tls_context_free(both->client_side.context);
        both->client_side.context = context_of(both, false, cases[i].shown);
        assert_met(both);
        assert_int_equal(both->server.peer.trust, cases[i].trust);
        assert_int_equal(both->server.peer.certificate, cases[i].shown != NULL);
        assert_true(both->server.peer.asked);
    }
    both->server.handshake.ask = TLS_REQUIRE;
    meet(both);
    assert_int_equal(both->server.result, TLS_FAILED);
}

static void match(struct both *both, const struct tls_match *wanted, enum tls_trust trust, const char *matched)
{
    both->client_side.handshake.match = wanted;
    assert_met(both);
    assert_int_equal(both->client_side.peer.trust, trust);
    if (matched != NULL)
        assert_string_equal(both->client_side.peer.matched, matched);
}

static void by_name(void **state)
{
    const char *const good[] = {"no.example", "MAIL.example.com", NULL}, *const wild[] = {"a.wild.example.com", NULL};
    const char *const common[] = {"cn.example", NULL}, *const below[] = {".example.com", NULL};
    struct both *both = *state;

    match(both, &(struct tls_match){.by = TLS_MATCH_TRUST}, TLS_TRUSTED, "");
    match(both, &(struct tls_match){.by = TLS_MATCH_NAMES, .names = good}, TLS_VERIFIED, "mail.example.com");
    match(both, &(struct tls_match){.by = TLS_MATCH_NAMES, .names = wild}, TLS_VERIFIED, "*.wild.example.com");
    match(both, &(struct tls_match){.by = TLS_MATCH_NAMES, .names = below}, TLS_VERIFIED, "mail.example.com");
    match(both, &(struct tls_match){.by = TLS_MATCH_NAMES, .names = common}, TLS_UNTRUSTED, ""); /* it has DNS names */
    assert_string_equal(both->client_side.peer.verify_error, "hostname mismatch");
    tls_context_free(both->server.context);
    both->server.context = context_of(both, true, &both->client); /* this one has none */
    match(both, &(struct tls_match){.by = TLS_MATCH_NAMES, .names = (const char *const[]){"client.example", NULL}},
          TLS_VERIFIED, "client.example");
    tls_context_free(both->server.context);
    both->server.context = context_of(both, true, &both->other);
    match(both, &(struct tls_match){.by = TLS_MATCH_NAMES, .names = (const char *const[]){"other.example", NULL}},
          TLS_UNTRUSTED, "");
    assert_string_equal(both->client_side.peer.verify_error, "self-signed certificate");
}

static void by_fingerprint(void **state)
{
    struct both *both = *state;
    const char *fingerprints[] = {"AB:CD", NULL, NULL};
    const struct tls_match wanted = {.by = TLS_MATCH_FINGERPRINT, .fingerprints = fingerprints};
    char *certificate, *key;

    match(both, &wanted, TLS_UNTRUSTED, "");
    certificate = memory_copy_string(both->client_side.peer.certificate_fingerprint);
    key = memory_copy_string(both->client_side.peer.key_fingerprint);
    ascii_lower_string(key);
    fingerprints[1] = certificate;
    match(both, &wanted, TLS_VERIFIED, certificate);
    fingerprints[1] = key;
    match(both, &wanted, TLS_VERIFIED, NULL);
    free(certificate);
    free(key);
}

/* A record for a certificate or its key. */
static struct tls_tlsa record_of(const struct made *made, uint8_t usage, uint8_t selector, uint8_t type,
                                 unsigned char digest[EVP_MAX_MD_SIZE])
{
    unsigned char *bytes = NULL;
    int length = selector == 0 ? i2d_X509(made->certificate, &bytes) : i2d_PUBKEY(made->key, &bytes);
    unsigned size;

    EVP_Digest(bytes, (size_t)length, digest, &size, type == 1 ? EVP_sha256() : EVP_sha512(), NULL);
    OPENSSL_free(bytes);
    return (struct tls_tlsa){usage, selector, type, digest, size};
}

static void by_dane(void **state)
{
    struct both *both = *state;
    const char *const names[] = {"mail.example.com", NULL}, *const others[] = {"x.example", NULL};
    unsigned char digest[EVP_MAX_MD_SIZE], digest_2[EVP_MAX_MD_SIZE];
    struct tls_credentials *with_issuer;
    struct tls_tlsa records[2];
    struct tls_match wanted = {.by = TLS_MATCH_DANE, .tlsa = records, .tlsa_count = 1, .names = others};

    both->client_side.handshake.server_name = "mail.example.com";
    records[0] = record_of(&both->leaf, 3, 1, 1, digest);
    match(both, &wanted, TLS_VERIFIED, "TLSA"); /* usage 3 looks at no name */
    assert_true(string_starts(both->client_side.peer.proof, "Matched DANE EE certificate at depth 0: 3 1 1 "));
    records[0] = record_of(&both->leaf, 3, 0, 2, digest);
    match(both, &wanted, TLS_VERIFIED, "TLSA");
    records[0] = record_of(&both->other, 3, 1, 1, digest);
    match(both, &wanted, TLS_UNTRUSTED, "");
    /* The server sends its own certificate only: an anchor that is known by its digest alone cannot be found. */
    records[0] = record_of(&both->ca, 2, 0, 1, digest);
    match(both, &wanted, TLS_UNTRUSTED, "");
    with_issuer = credentials_of(&both->leaf, &both->ca);
    tls_context_set_credentials(both->server.context, with_issuer);
    tls_credentials_free(with_issuer);
    match(both, &wanted, TLS_UNTRUSTED, "");
    assert_string_equal(both->client_side.peer.verify_error, "hostname mismatch");
    wanted.names = names;
    match(both, &wanted, TLS_VERIFIED, "mail.example.com");
    assert_string_equal(both->client_side.peer.matched_name, "mail.example.com");
    assert_true(string_starts(both->client_side.peer.proof, "Matched DANE TA certificate at depth 1: 2 0 1 "));
    records[1] = record_of(&both->leaf, 3, 1, 1, digest_2);
    wanted.tlsa_count = 2;
    match(both, &wanted, TLS_VERIFIED, "TLSA");
    wanted.tlsa_count = 0;
    meet(both);
    assert_int_equal(both->client_side.result, TLS_FAILED);
    assert_string_equal(both->client_side.error.text, "no usable TLSA records");
}

static void by_anchor(void **state)
{
    struct both *both = *state;
    const char *const names[] = {"mail.example.com", NULL};
    struct text key = {0}, wrong = {0};
    const char *anchors[] = {NULL, NULL};
    const struct tls_match wanted = {.by = TLS_MATCH_NAMES, .names = names, .anchors = anchors};

    append_public_key(&key, &both->ca);
    append_certificate(&wrong, &both->other);
    anchors[0] = both->ca_pem.data;
    match(both, &wanted, TLS_VERIFIED, "mail.example.com");
    anchors[0] = key.data;
    match(both, &wanted, TLS_VERIFIED, "mail.example.com");
    anchors[0] = wrong.data; /* the CAs that are trusted elsewhere do not count now */
    match(both, &wanted, TLS_UNTRUSTED, "");
    anchors[0] = "nothing";
    meet(both);
    assert_int_equal(both->client_side.result, TLS_FAILED);
    text_free(&key);
    text_free(&wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(client_certificates, begin, end),
        cmocka_unit_test_setup_teardown(by_name, begin, end),
        cmocka_unit_test_setup_teardown(by_fingerprint, begin, end),
        cmocka_unit_test_setup_teardown(by_dane, begin, end),
        cmocka_unit_test_setup_teardown(by_anchor, begin, end),
    };

    return cmocka_run_group_tests_name("TLS: trust", tests, NULL, NULL);
}
