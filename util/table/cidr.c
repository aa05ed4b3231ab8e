/* cidr:/path, cidr:{ {pattern answer}, ... } - blocks of network addresses (cidr_table(5)). */
#include <stdlib.h>
#include <string.h>

#include "util/base/memory.h"
#include "util/net/address.h"
#include "util/table/rules.h"

struct cidr_pattern {
    struct net_cidr block;
    char *answer;
};

static void free_pattern(void *pattern)
{
    free(((struct cidr_pattern *)pattern)->answer);
    free(pattern);
}

static struct cidr_pattern *pattern_new(const struct rules *rules, int line, const char *network, const char *answer)
{
    struct cidr_pattern pattern, *result;
    struct error error;

    if (*network == '\0') {
        rules_warn(rules, line, "no address pattern: skipping this rule");
        return NULL;
    }
    if (!net_cidr_parse(network, &pattern.block, &error)) {
        if (string_starts(error.text, "bad network"))
            error_set(&error, "bad address pattern: \"%s\"", network);
        rules_warn(rules, line, "%s: skipping this rule", error.text);
        return NULL;
    }
    pattern.answer = answer != NULL ? rules_keep_answer(rules, line, answer) : NULL;
    if (answer != NULL && pattern.answer == NULL)
        return NULL;
    result = memory_new(sizeof *result);
    *result = pattern;
    return result;
}

static char *skip_negation(char *text, bool *negative)
{
    for (*negative = false; *text == '!' || ascii_is_space(*text); text++)
        if (*text == '!')
            *negative = !*negative;
    return text;
}

static void add_endif(struct rules *rules, const char *rest, int line)
{
    if (*rest != '\0')
        rules_warn(rules, line, "garbage after ENDIF: skipping this rule");
    else if (rules_open_ifs(rules) == 0)
        rules_warn(rules, line, "ENDIF without IF: skipping this rule");
    else
        rules_add(rules, (struct rule){.kind = RULE_ENDIF, .line = line});
}

static void add_if(struct rules *rules, char *rest, int line)
{
    struct rule rule = {.kind = RULE_IF, .line = line};

    rule.pattern = pattern_new(rules, line, skip_negation(rest, &rule.negative), NULL);
    if (rule.pattern != NULL)
        rules_add(rules, rule);
}

static void add_answer(struct rules *rules, char *text, int line)
{
    struct rule rule = {.kind = RULE_ANSWER, .line = line};
    char *network = skip_negation(text, &rule.negative), *answer = network + strcspn(network, " \t\r\n");

    if (*answer != '\0')
        *answer++ = '\0';
    answer = string_trim(answer);
    rule.pattern = pattern_new(rules, line, network, answer);
    if (rule.pattern == NULL)
        return;
    if (*answer != '\0') {
        rules_add(rules, rule);
        return;
    }
    rules_warn(rules, line, "no lookup result: skipping this rule");
    free_pattern(rule.pattern);
}

static void add_line(struct rules *rules, char *text, int line)
{
    char *rest;

    if ((rest = rule_statement(text, "endif")) != NULL)
        add_endif(rules, rest, line);
    else if ((rest = rule_statement(text, "if")) != NULL)
        add_if(rules, rest, line);
    else
        add_answer(rules, text, line);
}

void *cidr_open(const struct table_source *source, struct error *error)
{
    struct rules *rules = memory_new(sizeof *rules);

    if (rules_load(rules, source, add_line, error))
        return rules;
    cidr_close(rules);
    return NULL;
}

void cidr_close(void *state)
{
    rules_free(state, free_pattern);
    free(state);
}

bool cidr_changed(const void *state)
{
    return file_mark_changed(&((const struct rules *)state)->source);
}

/* An address of the other family is neither inside a block nor outside of it. */
static bool matches(void *context, const struct rule *rule, const char *key)
{
    const struct net_cidr *block = &((const struct cidr_pattern *)rule->pattern)->block;

    (void)key;
    return block->family == net_address_family(context) && net_cidr_match(block, context) != rule->negative;
}

/* What is no bare address matches no block, and no !block either. */
enum table_result cidr_lookup(void *state, const char *key, struct text *result, struct error *error)
{
    struct net_address address;
    const struct rule *rule;

    (void)error;
    if (key[strspn(key, "0123456789abcdefABCDEF:.")] != '\0' || !net_address_parse(key, &address))
        return TABLE_NOT_FOUND;
    address = net_address_unmapped(&address);
    rule = rules_find(state, key, matches, &address);
    if (rule == NULL)
        return TABLE_NOT_FOUND;
    text_append(result, ((const struct cidr_pattern *)rule->pattern)->answer);
    return TABLE_FOUND;
}
