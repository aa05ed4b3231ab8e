/* Logs of bounced and deferred recipients: what was read can be written, and read again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mail/address/address.h"
#include "mail/queue/delivery_log.h"
#include "tests/fuzz/fuzz.h"

/* The writer masks what is not printable, so that the second reading and the third are what must agree. */
static void write_and_read(const struct bounce_append *entry, struct arena *arena, struct bounce_append *again)
{
    struct text block = {0};
    struct delivery_log log;

    delivery_log_append(&block, entry);
    log.at = arena_copy_bytes(arena, block.data, block.length);
    log.end = log.at + block.length;
    if (!delivery_log_next(&log, arena, again))
        abort();
    text_free(&block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    char *text = fuzz_rest(&input);
    struct delivery_log log = {text, text + size};
    struct arena *arena = arena_new();
    struct bounce_append entry, second, third;

    while (delivery_log_next(&log, arena, &entry)) {
        if (*entry.recipient == '\0') /* nobody writes such a one */
            continue;
        write_and_read(&entry, arena, &second);
        write_and_read(&second, arena, &third);
        assert(strcmp(second.reason, third.reason) == 0);
        assert(!address_valid(second.recipient, true) || strcmp(second.recipient, third.recipient) == 0);
    }
    arena_free(arena);
    free(text);
    return 0;
}
