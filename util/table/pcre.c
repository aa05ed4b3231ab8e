/* pcre:/path, pcre:{ {rule}, ... } - Perl compatible expressions (pcre_table(5)).
 *
 * No just-in-time compiler: its stack is the task's, which is small. The interpreter keeps its frames on the heap
 * since PCRE2 10.41, and before that only a first 20 KiB on the stack. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "util/base/memory.h"
#include "util/table/expression.h"

struct pcre {
    pcre2_code *code;
    uint32_t groups; /* of parentheses */
};

static int pcre_flag(char letter)
{
    switch (letter) {
    case 'i':
        return PCRE2_CASELESS;
    case 'm':
        return PCRE2_MULTILINE;
    case 's':
        return PCRE2_DOTALL;
    case 'x':
        return PCRE2_EXTENDED;
    case 'E':
        return PCRE2_DOLLAR_ENDONLY;
    case 'U':
        return PCRE2_UNGREEDY;
    case 'A':
        return (int)0x40000000; /* stands for PCRE2_ANCHORED, which is no int */
    case 'X':
        return -1;
    default:
        return 0;
    }
}

static uint32_t pcre_options(int flags)
{
    uint32_t options = (uint32_t)flags & ~UINT32_C(0x40000000);

    return ((uint32_t)flags & UINT32_C(0x40000000)) != 0 ? options | PCRE2_ANCHORED : options;
}

static void pcre_free(void *compiled)
{
    struct pcre *pcre = compiled;

    pcre2_code_free(pcre->code);
    free(pcre);
}

static void *pcre_compile(const char *pattern, int flags, bool captures, size_t *groups, struct error *error)
{
    int reason;
    size_t offset;
    uint32_t count = 0;
    struct pcre *pcre;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, pcre_options(flags), &reason,
                                     &offset, NULL);

    (void)captures;
    if (code == NULL) {
        char words[256];

        pcre2_get_error_message(reason, (PCRE2_UCHAR *)words, sizeof words);
        error_set(error, "error in regex at offset %zu: %s", offset, words);
        return NULL;
    }
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &count);
    *groups = count;
    pcre = memory_new(sizeof *pcre);
    pcre->code = code;
    pcre->groups = count;
    return pcre;
}

static void copy_groups(pcre2_match_data *data, size_t matched, struct expression_group *groups)
{
    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(data);

    memset(groups, 0, EXPRESSION_GROUPS * sizeof *groups);
    for (size_t i = 0; i < matched && i < EXPRESSION_GROUPS; i++)
        if (offsets[2 * i] != PCRE2_UNSET && offsets[2 * i] <= offsets[2 * i + 1])
            groups[i] = (struct expression_group){offsets[2 * i], offsets[2 * i + 1]};
}

/* The match data is not kept with the pattern, since worker threads may match it at the same time. */
static bool pcre_match(const void *compiled, const char *key, struct expression_group *groups, struct error *failure)
{
    const struct pcre *pcre = compiled;
    pcre2_match_data *data = pcre2_match_data_create(groups != NULL ? pcre->groups + 1 : 1, NULL);
    int status = PCRE2_ERROR_NOMEMORY;

    if (data != NULL)
        status = pcre2_match(pcre->code, (PCRE2_SPTR)key, strlen(key), 0, 0, data, NULL);
    if (status > 0 && groups != NULL)
        copy_groups(data, (size_t)status, groups);
    if (status < 0 && status != PCRE2_ERROR_NOMATCH) {
        char words[256];

        pcre2_get_error_message(status, (PCRE2_UCHAR *)words, sizeof words);
        error_set(failure, "%s", words);
    }
    pcre2_match_data_free(data);
    return status >= 0;
}

const struct expression_engine pcre_engine = {
    .type = "pcre",
    .default_flags = PCRE2_CASELESS | PCRE2_DOTALL,
    .ending_ignored = "ignoring this rule",
    .bad_index = "out of range",
    .flag = pcre_flag,
    .compile = pcre_compile,
    .free = pcre_free,
    .match = pcre_match,
};

void *pcre_open(const struct table_source *source, struct error *error)
{
    return expression_open(&pcre_engine, source, error);
}

enum table_result pcre_lookup(void *state, const char *key, struct text *result, struct error *error)
{
    return expression_lookup(state, key, result, error);
}

void pcre_close(void *state)
{
    expression_close(state);
}
