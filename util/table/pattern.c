#include "util/table/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/memory.h"
#include "util/base/text.h"
#include "util/table/expression.h"

struct pattern {
    char *words;    /* as they were given */
    void *compiled; /* NULL: the words themselves */
};

/* words is "/expression/flags". */
static void *compile(const char *words, const char *end, struct error *error)
{
    char *expression = memory_copy_bytes(words + 1, (size_t)(end - words - 1));
    int flags = pcre_engine.default_flags;
    size_t groups;
    void *compiled = NULL;

    for (const char *letter = end + 1; *letter != '\0'; letter++) {
        int flag = pcre_engine.flag(*letter);

        if (flag == 0) {
            error_set(error, "%s: unknown flag \"%c\"", words, *letter);
            free(expression);
            return NULL;
        }
        flags ^= flag > 0 ? flag : 0;
    }
    compiled = pcre_engine.compile(expression, flags, false, &groups, error);
    if (compiled == NULL)
        error_prefix(error, "%s: ", words);
    free(expression);
    return compiled;
}

struct pattern *pattern_new(const char *words, struct error *error)
{
    const char *end = strrchr(words, '/');
    struct pattern *pattern;
    void *compiled = NULL;

    if (*words == '/' && end == words) {
        error_set(error, "%s: no closing / of the expression", words);
        return NULL;
    }
    if (*words == '/' && (compiled = compile(words, end, error)) == NULL)
        return NULL;
    pattern = memory_new(sizeof *pattern);
    pattern->words = memory_copy_string(words);
    pattern->compiled = compiled;
    return pattern;
}

void pattern_free(struct pattern *pattern)
{
    if (pattern == NULL)
        return;
    if (pattern->compiled != NULL)
        pcre_engine.free(pattern->compiled);
    free(pattern->words);
    free(pattern);
}

bool pattern_matches(const struct pattern *pattern, const char *string, struct error *failure)
{
    struct error reason = {""};
    bool matches;

    if (pattern->compiled == NULL)
        return string_equal_ignore_case(pattern->words, string);
    matches = pcre_engine.match(pattern->compiled, string, NULL, &reason);
    if (*reason.text != '\0')
        error_set(failure, "%s: %s", pattern->words, reason.text);
    return matches;
}
