/* Mechanisms against the vectors of their RFCs, and what tables hold in place of passwords. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "mail/sasl/password.h"
#include "mail/sasl/plain.h"
#include "mail/sasl/saslprep.h"
#include "mail/sasl/sasl_client.h"
#include "mail/sasl/scram.h"
#include "util/net/crypto.h"

/* ---- PLAIN ---- */

static bool parse(const char *bytes, size_t length, struct plain_message *parts)
{
    static struct text message; /* kept: the parts point into it */

    text_clear(&message);
    text_append_bytes(&message, bytes, length);
    return plain_parse(&message, parts);
}

static void test_plain(void **state)
{
    struct plain_message parts;
    struct text message = {0};

    (void)state;
    /* RFC 4616 section 4 */
    assert_true(parse("\0tim\0tanstaaftanstaaf", 21, &parts));
    assert_string_equal(parts.authorization, "");
    assert_string_equal(parts.username, "tim");
    assert_string_equal(parts.password, "tanstaaftanstaaf");
    assert_true(parse("Ursel\0Kurt\0xipj3plmq", 20, &parts));
    assert_string_equal(parts.authorization, "Ursel");
    assert_false(parse("\0\0", 2, &parts));
    assert_false(parse("\0a\0", 3, &parts));
    assert_false(parse("", 0, &parts));
    assert_false(parse("\0", 1, &parts));
    assert_false(parse("a\0b", 3, &parts));
    assert_false(parse("a\0b\0c\0", 6, &parts));
    assert_false(parse("a\0b\0c\0d", 7, &parts));
    plain_print("", "tim", "x", &message);
    assert_int_equal(message.length, 6);
    assert_memory_equal(message.data, "\0tim\0x", 6);
    text_free(&message);
}

static void assert_prepared(const char *text, const char *expected)
{
    struct text prepared = {0};

    assert_int_equal(saslprep(text, &prepared), expected != NULL);
    assert_string_equal(text_string(&prepared), expected != NULL ? expected : text);
    text_free(&prepared);
}

/* RFC 4013 section 3, and what people type. */
static void test_saslprep(void **state)
{
    (void)state;
    assert_true(saslprep_load());
    assert_prepared("I\u00adX", "IX");
    assert_prepared("user", "user");
    assert_prepared("USER", "USER");
    assert_prepared("\u00aa", "a");
    assert_prepared("\u2168", "IX");
    assert_prepared("\u06271", NULL);
    assert_prepared("x\a", "x\a"); /* ASCII is left to others */
    assert_prepared("\u00e9\a", NULL);
    assert_prepared("e\u0301", "\u00e9");
    assert_prepared("a\u00a0b\u3000c", "a b c");
    assert_prepared("\U0001f511", "\U0001f511");
    assert_prepared("", "");
    assert_prepared("a\xff", NULL);
    assert_prepared("\u00ad", "\u00ad"); /* nothing would be left */
}

static void test_prepared_passwords(void **state)
{
    static const char composed[] = "p\u00e4ss", decomposed[] = "pa\u0308ss";
    struct password_entry entry;
    struct text text = {0};
    struct error error;

    (void)state;
    password_scram(decomposed, 4096, &text);
    assert_true(password_entry_parse(text_string(&text), &entry));
    assert_true(password_check(&entry, composed));
    assert_true(password_check(&entry, decomposed));
    assert_false(password_check(&entry, "pass"));
    password_entry_clear(&entry);
    text_clear(&text);
    assert_true(password_crypt("sha256", 1000, composed, &text, &error));
    assert_true(password_entry_parse(text_string(&text), &entry));
    assert_true(password_check(&entry, decomposed));
    assert_false(password_check(&entry, "pass"));
    password_entry_clear(&entry);
    text_free(&text);
}

static void test_usernames(void **state)
{
    char longest[257];

    (void)state;
    memset(longest, 'x', 256);
    longest[256] = '\0';
    assert_true(sasl_username_valid("joe"));
    assert_true(sasl_username_valid("j\xc3\xb6 e@example.com"));
    assert_true(sasl_username_valid(longest + 1));
    assert_false(sasl_username_valid(longest));
    assert_false(sasl_username_valid(""));
    assert_false(sasl_username_valid("a\nb"));
    assert_false(sasl_username_valid("a\x7f"));
    assert_false(sasl_username_valid("a\xff"));
}

/* ---- SCRAM: RFC 7677 section 3 ---- */

static const char client_first[] = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
static const char server_first[] =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
static const char client_final[] = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                   "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
static const char server_final[] = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
/* As PostgreSQL would keep it. */
static const char verifier_text[] = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
                                    ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

static void test_scram_client(void **state)
{
    struct scram_client *client = scram_client_new("user", "pencil", false, NULL, "rOprNGfwEbeRWgbNEkqO");
    struct text message = {0};
    struct error error;

    (void)state;
    scram_client_first(client, &message);
    assert_string_equal(message.data, client_first);
    text_clear(&message);
    assert_true(scram_client_final(client, server_first, strlen(server_first), &message, &error));
    assert_string_equal(message.data, client_final);
    assert_true(scram_client_verify(client, server_final, strlen(server_final), &error));
    assert_false(scram_client_verify(client, server_final, strlen(server_final) - 1, &error));
    assert_false(scram_client_verify(client, "e=other-error", 13, &error));
    text_free(&message);
    scram_client_free(client);
}

static void test_scram_server(void **state)
{
    struct scram_server *server = scram_server_new(false, NULL);
    struct scram_verifier verifier;
    struct text message = {0};

    (void)state;
    assert_true(scram_verifier_parse(verifier_text, &verifier));
    assert_true(scram_server_first(server, client_first, strlen(client_first)));
    assert_string_equal(scram_server_username(server), "user");
    assert_string_equal(scram_server_authorization(server), "");
    scram_server_challenge(server, &verifier, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", &message);
    assert_string_equal(message.data, server_first);
    text_clear(&message);
    assert_true(scram_server_final(server, client_final, strlen(client_final), &message));
    assert_string_equal(message.data, server_final);
    text_free(&message);
    scram_server_free(server);
}

static void test_scram_verifier(void **state)
{
    static const char *const damaged[] = {
        "", "SCRAM-SHA-256$", "SCRAM-SHA-256$4096", "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==",
        "SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$4096:$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d:wfPL", "SCRAM-SHA-1$4096:AAAA$AAAA:AAAA",
        "SCRAM-SHA-256$-1:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d:wfPL", "SCRAM-SHA-256$999999999:AAAA$AAAA:AAAA"};
    struct scram_verifier verifier, made;
    struct text printed = {0};

    (void)state;
    assert_true(scram_verifier_parse(verifier_text, &verifier));
    scram_verifier_print(&verifier, &printed);
    assert_string_equal(printed.data, verifier_text);
    text_free(&printed);
    scram_verifier_make("pencil", verifier.salt, verifier.salt_length, 4096, &made);
    scram_verifier_print(&made, &printed);
    assert_string_equal(printed.data, verifier_text);
    text_free(&printed);
    assert_true(scram_verifier_check(&verifier, "pencil"));
    assert_false(scram_verifier_check(&verifier, "Pencil"));
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++)
        assert_false(scram_verifier_parse(damaged[i], &verifier));
}

/* RFC 5802 section 6: a client that could bind says so. */
static bool takes(const struct sasl_binding *binding, bool plus, const char *message)
{
    struct scram_server *server = scram_server_new(plus, binding);
    bool taken = scram_server_first(server, message, strlen(message));

    scram_server_free(server);
    return taken;
}

static void test_scram_binding(void **state)
{
    static const struct sasl_binding exporter = {"tls-exporter", "0123456789abcdef", 16};

    (void)state;
    assert_true(takes(NULL, false, "n,,n=a,r=b"));
    assert_true(takes(NULL, false, "y,,n=a,r=b"));
    assert_true(takes(&exporter, false, "n,,n=a,r=b"));
    assert_false(takes(&exporter, false, "y,,n=a,r=b")); /* somebody took -PLUS out of the offer */
    assert_false(takes(&exporter, false, "p=tls-exporter,,n=a,r=b"));
    assert_true(takes(&exporter, true, "p=tls-exporter,,n=a,r=b"));
    assert_false(takes(&exporter, true, "p=tls-unique,,n=a,r=b"));
    assert_false(takes(&exporter, true, "n,,n=a,r=b"));
    assert_true(takes(NULL, false, "n,a=some=2Cbody=3D,n=a,r=b"));
    assert_false(takes(NULL, false, "n,a=some=2cbody,n=a,r=b"));
}

static bool log_in(const struct sasl_binding *theirs, const struct sasl_binding *ours)
{
    struct scram_client *client = scram_client_new("us,=er", "pencil", true, theirs, NULL);
    struct scram_server *server = scram_server_new(true, ours);
    struct text first = {0}, challenge = {0}, final = {0}, answer = {0};
    struct scram_verifier verifier;
    struct error error;
    bool good;

    scram_verifier_make("pencil", "salt", 4, 4096, &verifier);
    scram_client_first(client, &first);
    assert_true(scram_server_first(server, first.data, first.length));
    assert_string_equal(scram_server_username(server), "us,=er");
    scram_server_challenge(server, &verifier, NULL, &challenge);
    assert_true(scram_client_final(client, challenge.data, challenge.length, &final, &error));
    good = scram_server_final(server, final.data, final.length, &answer);
    assert_true(!good || scram_client_verify(client, answer.data, answer.length, &error));
    text_free(&first);
    text_free(&challenge);
    text_free(&final);
    text_free(&answer);
    scram_client_free(client);
    scram_server_free(server);
    return good;
}

static void test_scram_plus(void **state)
{
    static const struct sasl_binding one = {"tls-exporter", "0123456789abcdef", 16},
                                     other = {"tls-exporter", "0123456789abcdeX", 16};

    (void)state;
    assert_true(log_in(&one, &one));
    assert_false(log_in(&one, &other)); /* somebody sits between */
}

static void test_scram_client_and_hostile_servers(void **state)
{
    static const char *const challenges[] = {
        "", "r=", "r=abc", "r=noncemore", "r=nonce,s=c2FsdA==,i=4096", "r=other,s=c2FsdA==,i=4096",
        "r=noncemore,s=,i=4096", "r=noncemore,s=@@,i=4096", "r=noncemore,s=c2FsdA==,i=0", "r=noncemore,s=c2FsdA==,i=1",
        "r=noncemore,s=c2FsdA==,i=999999999", "r=noncemore,s=c2FsdA==,i=-4096", "r=noncemore,s=c2FsdA==",
        "m=x,r=noncemore,s=c2FsdA==,i=4096", "e=unknown-user", "s=c2FsdA==,r=noncemore,i=4096"};

    (void)state;
    for (size_t i = 0; i < sizeof challenges / sizeof *challenges; i++) {
        struct scram_client *client = scram_client_new("user", "pencil", false, NULL, "nonce");
        struct text message = {0};
        struct error error;

        scram_client_first(client, &message);
        text_clear(&message);
        assert_false(scram_client_final(client, challenges[i], strlen(challenges[i]), &message, &error));
        text_free(&message);
        scram_client_free(client);
    }
}

/* ---- CRAM-MD5: RFC 2195 section 2; the tokens: RFC 7628 section 4.1, Google's XOAUTH2 ---- */

static struct text answer_to(const char *mechanism, const char *username, const char *password, const char *challenge)
{
    const struct sasl_client_settings settings = {
        .username = username, .password = password, .host = "server.example.com", .port = 587};
    struct sasl_client *client = sasl_client_new(sasl_client_mechanism(mechanism), &settings);
    struct text question = {0}, answer = {0};
    struct error error;
    bool good;

    if (challenge == NULL) {
        good = sasl_client_initial(client, &answer);
    } else {
        text_append(&question, challenge);
        good = !sasl_client_initial(client, &answer) && sasl_client_respond(client, &question, &answer, &error);
    }
    assert_true(good);
    assert_true(sasl_client_finish(client, &error));
    text_free(&question);
    sasl_client_free(client);
    return answer;
}

static void test_client_messages(void **state)
{
    struct text answer = answer_to("CRAM-MD5", "tim", "tanstaaftanstaaf", "<1896.697170952@postoffice.reston.mci.net>");

    (void)state;
    assert_string_equal(answer.data, "tim b913a602c7eda7a495b4e6e7334d3890");
    text_free(&answer);
    answer = answer_to("oauthbearer", "user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==", NULL);
    assert_string_equal(answer.data, "n,a=user@example.com,\1host=server.example.com\1port=587\1"
                                     "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1");
    text_free(&answer);
    answer = answer_to("XOAUTH2", "someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg", NULL);
    assert_string_equal(answer.data,
                        "user=someuser@example.com\1auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\1\1");
    text_free(&answer);
    answer = answer_to("LOGIN", "joe", "x", "Username:");
    assert_string_equal(answer.data, "joe");
    text_free(&answer);
    assert_null(sasl_client_mechanism("GSSAPI"));
}

static void test_better(void **state)
{
    static const char *const order[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "CRAM-MD5", "PLAIN",
                                        "LOGIN",              "OAUTHBEARER",   "XOAUTH2"};

    (void)state;
    for (size_t i = 0; i + 1 < sizeof order / sizeof *order; i++)
        assert_true(sasl_client_better(sasl_client_mechanism(order[i]), sasl_client_mechanism(order[i + 1]), false));
    assert_true(sasl_client_better(sasl_client_mechanism("XOAUTH2"), sasl_client_mechanism("PLAIN"), true));
    assert_false(sasl_client_better(sasl_client_mechanism("PLAIN"), sasl_client_mechanism("XOAUTH2"), true));
}

static void test_hmac(void **state)
{
    /* RFC 4231 section 4.3, RFC 6070's kind for SHA-256 (RFC 7914 section 11) */
    static const unsigned char expected[] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
                                             0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
                                             0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    static const unsigned char derived[] = {0x55, 0xac, 0x04, 0x6e, 0x56, 0xe3, 0x08, 0x9f, 0xec, 0x16, 0x91,
                                            0xc2, 0x25, 0x44, 0xb6, 0x05, 0xf9, 0x41, 0x85, 0x21, 0x6d, 0xde,
                                            0x04, 0x65, 0xe6, 0x8b, 0x9d, 0x57, 0xc2, 0x0d, 0xac, 0xbc};
    unsigned char digest[CRYPTO_SHA256_SIZE];

    (void)state;
    crypto_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, digest);
    assert_memory_equal(digest, expected, sizeof digest);
    crypto_pbkdf2_sha256("passwd", 6, "salt", 4, 1, digest);
    assert_memory_equal(digest, derived, sizeof digest);
    assert_true(crypto_equal(digest, derived, sizeof digest));
    assert_false(crypto_equal(digest, expected, sizeof digest));
}

/* ---- entries ---- */

static bool matches(const char *entry_text, const char *password)
{
    struct password_entry entry;
    bool good = password_entry_parse(entry_text, &entry) && password_check(&entry, password);

    password_entry_clear(&entry);
    return good;
}

static void test_entries(void **state)
{
    struct text both = {0}, made = {0};
    struct error error;

    (void)state;
    assert_true(matches(verifier_text, "pencil"));
    assert_false(matches(verifier_text, "pencils"));
    assert_false(matches("secret", "secret"));
    assert_false(matches("", ""));
    assert_false(matches("*", "*"));
    assert_false(matches("$6$", ""));
    assert_false(matches("$9$unknown$unknown", "x"));
    assert_false(matches("{PLAIN}secret", "secret"));
    assert_true(password_crypt("sha512", 0, "secret", &made, &error));
    assert_true(matches(made.data, "secret"));
    assert_false(matches(made.data, "secre"));
    assert_false(matches(made.data, ""));
    text_append_format(&both, "{SHA512-CRYPT}%s  %s", made.data, verifier_text);
    assert_true(matches(both.data, "secret"));
    assert_false(matches(both.data, "pencil")); /* the crypt(3) string is what passwords are checked by */
    text_append_format(&both, " %s", made.data);
    assert_false(matches(both.data, "secret"));
    text_free(&made);
    password_scram("secret", 4096, &made);
    assert_true(matches(made.data, "secret"));
    text_free(&made);
    assert_false(password_crypt("rot13", 0, "secret", &made, &error));
    text_free(&both);
}

static void test_options(void **state)
{
    struct sasl_options options;
    struct error error;

    (void)state;
    assert_true(sasl_options_parse("noplaintext, NoAnonymous\tmutual_auth", &options, &error));
    assert_false(sasl_options_permit(&options, SASL_PLAINTEXT | SASL_MUTUAL_AUTH));
    assert_false(sasl_options_permit(&options, 0));
    assert_true(sasl_options_permit(&options, SASL_MUTUAL_AUTH | SASL_DICTIONARY));
    assert_true(sasl_options_parse("", &options, &error));
    assert_true(sasl_options_permit(&options, SASL_PLAINTEXT | SASL_ANONYMOUS));
    assert_false(sasl_options_parse("noplaintext noplain", &options, &error));
    assert_true(sasl_mechanism_valid("SCRAM-SHA-256-PLUS"));
    assert_false(sasl_mechanism_valid(""));
    assert_false(sasl_mechanism_valid("A B"));
    assert_false(sasl_mechanism_valid("ABCDEFGHIJKLMNOPQRSTU"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_saslprep),
        cmocka_unit_test(test_prepared_passwords),
        cmocka_unit_test(test_usernames),
        cmocka_unit_test(test_scram_client),
        cmocka_unit_test(test_scram_server),
        cmocka_unit_test(test_scram_verifier),
        cmocka_unit_test(test_scram_binding),
        cmocka_unit_test(test_scram_plus),
        cmocka_unit_test(test_scram_client_and_hostile_servers),
        cmocka_unit_test(test_client_messages),
        cmocka_unit_test(test_better),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
