/* Paths of MAIL and RCPT; an address that is quoted and unquoted is what it was, whatever its local part. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mail/address/address.h"
#include "tests/fuzz/fuzz.h"
#include "util/base/memory.h"

static void quote_and_back(const char *internal)
{
    struct text external = {0}, again = {0};

    address_quote(internal, &external);
    address_unquote(text_string(&external), &again);
    assert(strcmp(text_string(&again), internal) == 0);
    text_free(&external);
    text_free(&again);
}

static void encode_and_back(const char *plain)
{
    struct text encoded = {0}, again = {0};

    xtext_encode(plain, &encoded);
    assert(xtext_decode(text_string(&encoded), &again) && strcmp(text_string(&again), plain) == 0);
    text_clear(&again);
    xtext_decode(plain, &again);
    text_free(&encoded);
    text_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    unsigned choice = fuzz_byte(&input);
    char *argument = fuzz_rest(&input), *local;
    struct text internal = {0};
    const char *rest;

    if (address_parse_path(argument, (choice & 1) != 0, (choice & 2) != 0, &internal, &rest)) {
        assert(rest >= argument && rest <= argument + strlen(argument));
        quote_and_back(text_string(&internal));
        address_valid(text_string(&internal), (choice & 2) != 0);
    }
    local = memory_format("%s@x.test", argument);
    quote_and_back(local);
    encode_and_back(argument);
    text_free(&internal);
    free(local);
    free(argument);
    return 0;
}
