/* What other sides of a login say: Dovecot's lines, clients' PLAIN and SCRAM messages, servers' SCRAM challenges, and
 * what tables hold. The first byte says which. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mail/sasl/dovecot_line.h"
#include "mail/sasl/password.h"
#include "mail/sasl/plain.h"
#include "mail/sasl/sasl_client.h"
#include "mail/sasl/scram.h"
#include "tests/fuzz/fuzz.h"
#include "util/base/base64.h"

static void run_dovecot(struct fuzz_input *input)
{
    while (input->length > 0) {
        char *text = fuzz_line(input);
        struct dovecot_line line;
        struct sasl_offer offer;
        struct text again = {0};
        unsigned id;

        dovecot_line_split(text, &line);
        assert(line.count >= 1 && line.count <= DOVECOT_WORD_LIMIT);
        if (dovecot_line_mechanism(&line, &offer))
            assert(sasl_mechanism_valid(offer.name));
        if (dovecot_line_id(&line, &id))
            assert(id <= 999999999);
        dovecot_line_field(&line, 2, "user");
        dovecot_line_append(&again, "x", line.words[line.count - 1]);
        assert(strchr(again.data, '\n') == NULL && strchr(again.data + 1, '\t') == NULL);
        text_free(&again);
        free(text);
    }
}

static void run_plain(struct fuzz_input *input)
{
    struct text message = {0};
    struct plain_message parts;

    text_append_bytes(&message, input->bytes, input->length);
    if (plain_parse(&message, &parts)) {
        assert(strlen(parts.authorization) + strlen(parts.username) + strlen(parts.password) + 2 == message.length);
        sasl_username_valid(parts.username);
    }
    text_free(&message);
}

/* client-first on one line, client-final on the next. */
static void run_scram_server(struct fuzz_input *input)
{
    static const struct sasl_binding binding = {"tls-exporter", "0123456789abcdef", 16};
    unsigned kind = fuzz_byte(input);
    struct scram_server *server = scram_server_new((kind & 1) != 0, (kind & 2) != 0 ? &binding : NULL);
    char *first = fuzz_line(input), *final = fuzz_rest(input);
    struct scram_verifier verifier = {.iterations = 4096, .salt_length = 4};
    struct text message = {0};

    if (scram_server_first(server, first, strlen(first))) {
        scram_server_challenge(server, &verifier, "SERVER", &message);
        text_clear(&message);
        assert(!scram_server_final(server, final, strlen(final), &message));
    }
    text_free(&message);
    free(first);
    free(final);
    scram_server_free(server);
}

static void run_client(struct fuzz_input *input)
{
    static const char *const names[] = {"SCRAM-SHA-256", "LOGIN", "CRAM-MD5", "PLAIN", "XOAUTH2", "OAUTHBEARER"};
    const struct sasl_client_settings settings = {.username = "user", .password = "pencil", .host = "h", .port = 25};
    struct sasl_client *client =
        sasl_client_new(sasl_client_mechanism(names[fuzz_byte(input) % 6]), &settings);
    struct text message = {0}, challenge = {0};
    struct error error;

    sasl_client_initial(client, &message);
    for (int i = 0; i < 4; i++) {
        char *line = fuzz_line(input);

        text_clear(&challenge);
        text_append(&challenge, line);
        free(line);
        text_clear(&message);
        if (!sasl_client_respond(client, &challenge, &message, &error))
            break;
    }
    sasl_client_finish(client, &error);
    text_free(&challenge);
    text_free(&message);
    sasl_client_free(client);
}

static void run_entry(struct fuzz_input *input)
{
    char *text = fuzz_rest(input);
    struct password_entry entry;
    struct text printed = {0}, bytes = {0};

    if (password_entry_parse(text, &entry) && entry.has_scram) {
        struct scram_verifier again;

        scram_verifier_print(&entry.scram, &printed);
        assert(scram_verifier_parse(printed.data, &again));
    }
    password_entry_clear(&entry);
    if (base64_decode(text, &bytes)) {
        text_clear(&printed);
        base64_encode(text_string(&bytes), bytes.length, &printed);
        assert(strcmp(text_string(&printed), text) == 0);
    }
    text_free(&bytes);
    text_free(&printed);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);

    switch (fuzz_byte(&input)) {
    case 'd': run_dovecot(&input); break;
    case 'p': run_plain(&input); break;
    case 's': run_scram_server(&input); break;
    case 'c': run_client(&input); break;
    default: run_entry(&input);
    }
    return 0;
}
