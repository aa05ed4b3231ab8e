/* regexp:/path, regexp:{ {rule}, ... } - POSIX expressions as the C library has them (regexp_table(5)). */
#include <regex.h>
#include <stdlib.h>

#include "util/base/memory.h"
#include "util/table/expression.h"

/* The C library has these three as REG_ICASE, REG_NEWLINE and REG_EXTENDED. */
static int regexp_flag(char letter)
{
    switch (letter) {
    case 'i':
        return REG_ICASE;
    case 'm':
        return REG_NEWLINE;
    case 'x':
        return REG_EXTENDED;
    default:
        return 0;
    }
}

static void regexp_free(void *compiled)
{
    regfree(compiled);
    free(compiled);
}

/* What an answer does not need is not recorded: REG_NOSUB is a good deal faster. */
static void *regexp_compile(const char *pattern, int flags, bool captures, size_t *groups, struct error *error)
{
    regex_t *compiled = memory_new(sizeof *compiled);
    int reason = regcomp(compiled, pattern, flags | (captures ? 0 : REG_NOSUB));

    if (reason == 0) {
        *groups = compiled->re_nsub;
        return compiled;
    }
    regerror(reason, compiled, error->text, sizeof error->text);
    free(compiled);
    return NULL;
}

static void copy_groups(const regmatch_t *matches, struct expression_group *groups)
{
    for (size_t i = 0; i < EXPRESSION_GROUPS; i++) {
        groups[i] = (struct expression_group){0, 0};
        if (matches[i].rm_so >= 0)
            groups[i] = (struct expression_group){(size_t)matches[i].rm_so, (size_t)matches[i].rm_eo};
    }
}

static bool regexp_match(const void *compiled, const char *key, struct expression_group *groups,
                         struct error *failure)
{
    regmatch_t matches[EXPRESSION_GROUPS];
    int status = regexec(compiled, key, groups != NULL ? EXPRESSION_GROUPS : 0, matches, 0);

    if (status == 0 && groups != NULL)
        copy_groups(matches, groups);
    if (status != 0 && status != REG_NOMATCH)
        regerror(status, compiled, failure->text, sizeof failure->text);
    return status == 0;
}

static const struct expression_engine engine = {
    .type = "regexp",
    .default_flags = REG_ICASE | REG_EXTENDED,
    .ending_ignored = "skipping this rule",
    .bad_index = "out-of-range",
    .flag = regexp_flag,
    .compile = regexp_compile,
    .free = regexp_free,
    .match = regexp_match,
};

void *regexp_open(const struct table_source *source, struct error *error)
{
    return expression_open(&engine, source, error);
}

enum table_result regexp_lookup(void *state, const char *key, struct text *result, struct error *error)
{
    return expression_lookup(state, key, result, error);
}

void regexp_close(void *state)
{
    expression_close(state);
}
