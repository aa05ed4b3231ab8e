/* What main.cf and certificates say about TLS: a protocol list, a cipher grade with exclusions, a presented and a wanted name,
 * a TLSA record, a base64 value, and PEM text. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mail/tls/server_names.h"
#include "tests/fuzz/fuzz.h"
#include "util/net/tls.h"

static void read_protocols(const char *list)
{
    struct tls_protocols protocols;
    struct error error;

    if (tls_protocols_parse(list, &protocols, &error))
        tls_protocols_allow(tls_protocols_both(protocols, protocols), 0x0303);
}

static void read_ciphers(const char *grade)
{
    const struct tls_cipher_grades grades = {.high = "HIGH", .medium = "MEDIUM", .low = "LOW", .export = "EXP", .null = "NULL"};
    const char *const exclusions[] = {grade, NULL};
    struct text list = {0};
    struct error error;

    tls_cipher_list(&grades, "high", exclusions, &list, &error);
    tls_cipher_list(&grades, grade, exclusions, &list, &error);
    text_free(&list);
}

/* What a name matches, it matches in any case; and nothing that is no name is one. */
static void compare_names(char *presented, char *wanted)
{
    bool matched = tls_match_name(presented, wanted, false);

    assert(!matched || tls_match_name(presented, wanted, true));
    ascii_lower_string(presented);
    ascii_lower_string(wanted);
    assert(tls_match_name(presented, wanted, false) == matched);
    if (server_name_valid(wanted))
        assert(strlen(wanted) <= 253 && strchr(wanted, ' ') == NULL);
}

static void read_pem(const char *pem)
{
    struct tls_credentials *credentials = tls_credentials_new();
    struct text text = {0};
    struct error error;

    text_append(&text, pem);
    if (!tls_credentials_add_chain(credentials, pem, strlen(pem), "input", &error))
        assert(tls_credentials_empty(credentials));
    tls_credentials_add_pair(credentials, &text, "input", &text, "input", &error);
    text_free(&text);
    tls_credentials_free(credentials);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    char *protocols = fuzz_line(&input), *ciphers = fuzz_line(&input), *presented = fuzz_line(&input);
    char *wanted = fuzz_line(&input), *record = fuzz_line(&input), *pem = fuzz_rest(&input);
    struct tls_tlsa tlsa = {(uint8_t)record[0], record[0] != '\0' ? (uint8_t)record[1] : 0, 1,
                            (const unsigned char *)record, strlen(record)};

    read_protocols(protocols);
    read_ciphers(ciphers);
    compare_names(presented, wanted);
    tls_tlsa_usable(&tlsa);
    read_pem(pem);
    free(protocols);
    free(ciphers);
    free(presented);
    free(wanted);
    free(record);
    free(pem);
    return 0;
}
