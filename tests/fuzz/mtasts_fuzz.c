/* What a domain publishes for MTA-STS: the record is the first line, the policy is the rest. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mtasts/policy.h"
#include "tests/fuzz/fuzz.h"

static void read_record(const char *record)
{
    char id[STS_ID_LIMIT + 1];

    if (!sts_record_parse(record, id))
        return;
    assert(sts_record_is_ours(record));
    assert(*id != '\0' && strlen(id) <= STS_ID_LIMIT);
}

/* What is taken is what it should be, and its own lines are taken the same way. */
static void read_policy(const char *text, size_t length, struct arena *arena)
{
    struct sts_policy policy, again;
    struct text lines = {0};
    struct error error;

    if (!sts_policy_parse(text, length, arena, &policy, &error))
        return;
    assert(policy.max_age >= 0 && policy.max_age <= 31557600);
    assert(policy.mode == MTASTS_NONE || policy.mx.count > 0);
    for (size_t i = 0; i < policy.mx.count; i++)
        assert(sts_domain_valid(policy.mx.items[i] + (*policy.mx.items[i] == '*' ? 2 : 0)));
    for (size_t i = 0; i < policy.lines.count; i++)
        text_append_format(&lines, "%s\r\n", policy.lines.items[i]);
    if (lines.length <= STS_POLICY_LIMIT) {
        assert(sts_policy_parse(text_string(&lines), lines.length, arena, &again, &error));
        assert(again.mode == policy.mode && again.max_age == policy.max_age && again.mx.count == policy.mx.count);
    }
    text_free(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    struct arena *arena = arena_new();
    char *record = fuzz_line(&input);

    read_record(record);
    read_policy(input.bytes, input.length, arena);
    free(record);
    arena_free(arena);
    return 0;
}
