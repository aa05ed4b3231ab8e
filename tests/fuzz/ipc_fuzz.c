/* Internal messages: what was decoded can be encoded, and decoded again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mail/ipc/ipc.h"
#include "tests/fuzz/fuzz.h"
#include "util/base/memory.h"

static const struct ipc_message *const messages[] = {
#define MESSAGE(name, number) &ipc_##name,
#define STRING(tag, field)
#define NUMBER(tag, field)
#define STRINGS(tag, field)
#define END(name)
#include "mail/ipc/ipc.def"
#undef MESSAGE
#undef STRING
#undef NUMBER
#undef STRINGS
#undef END
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    const struct ipc_message *message = messages[fuzz_byte(&input) % (sizeof messages / sizeof *messages)];
    struct arena *arena = arena_new();
    void *value = memory_new(message->size);
    struct text first = {0}, second = {0};

    if (ipc_decode(input.bytes, input.length, message, value, arena)) {
        ipc_encode(&first, message, value);
        assert(ipc_decode(text_string(&first), first.length, message, value, arena));
        ipc_encode(&second, message, value);
        assert(first.length == second.length && memcmp(text_string(&first), text_string(&second), first.length) == 0);
    }
    text_free(&first);
    text_free(&second);
    free(value);
    arena_free(arena);
    return 0;
}
