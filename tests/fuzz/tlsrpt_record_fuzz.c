/* The records by which domains ask for TLS reports. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mail/address/address.h"
#include "tests/fuzz/fuzz.h"
#include "tlsrpt/record.h"
#include "util/base/text.h"

static void check(const struct record_destination *destination)
{
    for (const char *at = destination->uri; *at != '\0'; at++)
        assert(ascii_is_printable(*at) || *at == '\t');
    if (destination->address != NULL)
        assert(address_valid(destination->address, false));
    else
        assert(string_starts_ignore_case(destination->uri, "https://"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    char *text = fuzz_rest(&input);
    struct arena *arena = arena_new();
    struct record record;

    if (record_parse(text, arena, &record)) {
        assert(record_is_meant(text));
        assert(record.count > 0 && record.count <= RECORD_DESTINATIONS);
        for (size_t i = 0; i < record.count; i++)
            check(&record.destinations[i]);
    }
    arena_free(arena);
    free(text);
    return 0;
}
