#include "util/table/expression.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/answer_template.h"
#include "util/table/rules.h"
#include "util/task/offload.h"
#include "util/task/task.h"

struct expression_table {
    struct rules rules; /* first: a rules pointer is a pointer to the table */
    const struct expression_engine *engine;
};

struct expression {
    const struct expression_engine *engine;
    void *compiled;
    size_t groups; /* groups that the answer wants: the highest number in it */
    char *answer;
};

/* A pattern as the line has it: !/pattern/flags, taken apart in place. */
struct parsed {
    char *pattern;
    int flags;
    bool negative;
    char *rest; /* behind the flags, white space skipped */
};

static const struct expression_engine *engine_of(const struct rules *rules)
{
    return ((const struct expression_table *)(const void *)rules)->engine;
}

static void free_expression(void *pattern)
{
    struct expression *expression = pattern;

    if (expression->compiled != NULL)
        expression->engine->free(expression->compiled);
    free(expression->answer);
    free(expression);
}

/* ---- reading a line ---- */

static bool parse_flags(const struct rules *rules, int line, char *text, struct parsed *parsed)
{
    const struct expression_engine *engine = engine_of(rules);

    parsed->flags = engine->default_flags;
    for (; *text != '\0' && !ascii_is_space(*text); text++) {
        int flag = engine->flag(*text);

        if (flag == 0) {
            rules_warn(rules, line, "unknown regexp option \"%c\": skipping this rule", *text);
            return false;
        }
        if (flag < 0)
            rules_warn(rules, line, "ignoring obsolete regexp option \"%c\"", *text);
        else
            parsed->flags ^= flag;
    }
    parsed->rest = string_trim(text);
    return true;
}

static bool parse_pattern(const struct rules *rules, int line, char *text, struct parsed *parsed)
{
    char delimiter, *end;

    for (parsed->negative = false; *text == '!' || ascii_is_space(*text); text++)
        if (*text == '!')
            parsed->negative = !parsed->negative;
    if (*text == '\0') {
        rules_warn(rules, line, "no regexp: skipping this rule");
        return false;
    }
    delimiter = *text++;
    for (end = text; *end != '\0' && *end != delimiter; end++)
        if (*end == '\\' && end[1] != '\0')
            end++;
    if (*end == '\0') {
        rules_warn(rules, line, "no closing regexp delimiter \"%c\": %s", delimiter,
                   engine_of(rules)->ending_ignored);
        return false;
    }
    *end = '\0';
    parsed->pattern = text;
    return parse_flags(rules, line, end + 1, parsed);
}

static bool check_name(const struct rules *rules, int line, const struct answer_piece *piece, bool negative,
                       size_t *highest)
{
    long number = answer_piece_number(piece);

    if (number < 0)
        rules_warn(rules, line, "non-numeric replacement index \"%.*s\"", (int)piece->length, piece->text);
    else if (number < 1)
        rules_warn(rules, line, "%s replacement index \"%ld\"", engine_of(rules)->bad_index, number);
    else if (!negative && (size_t)number > *highest)
        *highest = (size_t)number;
    return number >= 1;
}

/* Finds the highest number. False: the answer is malformed, and that is logged. */
static bool check_answer(const struct rules *rules, int line, const struct parsed *parsed, size_t *highest)
{
    const char *cursor = parsed->rest;
    struct answer_piece piece;
    bool good = true, names = false;

    *highest = 0;
    while ((piece = answer_next_piece(&cursor)).kind != PIECE_END) {
        if (piece.kind == PIECE_NAME)
            good = check_name(rules, line, &piece, parsed->negative, highest) && good;
        else if (piece.kind != PIECE_LITERAL)
            log_warning(NULL, "%s: \"%s\"",
                        piece.kind == PIECE_EMPTY ? "empty macro name" : "truncated macro reference", parsed->rest);
        good = good && (piece.kind == PIECE_NAME || piece.kind == PIECE_LITERAL);
        names = names || piece.kind == PIECE_NAME;
    }
    if (!good)
        rules_warn(rules, line, "bad replacement syntax: skipping this rule");
    else if (names && parsed->negative)
        rules_warn(rules, line, "$number found in negative match replacement text: skipping this rule");
    return good && !(names && parsed->negative);
}

static void add_expression(struct rules *rules, enum rule_kind kind, int line, const struct parsed *parsed,
                           size_t highest)
{
    const struct expression_engine *engine = engine_of(rules);
    struct expression *expression = memory_new(sizeof *expression);
    struct error error;
    size_t groups = 0;

    expression->engine = engine;
    expression->answer = memory_copy_string(parsed->rest);
    expression->groups = highest;
    expression->compiled = engine->compile(parsed->pattern, parsed->flags, highest > 0, &groups, &error);
    if (expression->compiled == NULL)
        rules_warn(rules, line, "%s", error.text);
    else if (highest > groups || highest >= EXPRESSION_GROUPS)
        rules_warn(rules, line, "out of range replacement index \"%zu\": skipping this rule", highest);
    else {
        rules_add(rules, (struct rule){kind, parsed->negative, line, 0, expression});
        return;
    }
    free_expression(expression);
}

static void add_answer(struct rules *rules, char *text, int line)
{
    struct parsed parsed;
    size_t highest;

    if (!parse_pattern(rules, line, text, &parsed))
        return;
    if (*parsed.rest == '\0')
        rules_warn(rules, line, "no replacement text: using empty string");
    parsed.rest = rules_keep_answer(rules, line, parsed.rest);
    if (parsed.rest != NULL && check_answer(rules, line, &parsed, &highest))
        add_expression(rules, RULE_ANSWER, line, &parsed, highest);
    free(parsed.rest);
}

static void add_if(struct rules *rules, char *text, int line)
{
    struct parsed parsed;

    if (!parse_pattern(rules, line, text, &parsed))
        return;
    if (*parsed.rest != '\0') {
        rules_warn(rules, line, "ignoring extra text after IF statement: \"%s\"", parsed.rest);
        rules_warn(rules, line, "do not prepend whitespace to statements between IF and ENDIF");
    }
    add_expression(rules, RULE_IF, line, &parsed, 0);
}

static void add_endif(struct rules *rules, const char *rest, int line)
{
    if (*rest != '\0')
        rules_warn(rules, line, "ignoring extra text after ENDIF");
    if (rules_open_ifs(rules) == 0)
        rules_warn(rules, line, "ignoring ENDIF without matching IF");
    else
        rules_add(rules, (struct rule){.kind = RULE_ENDIF, .line = line});
}

static void add_line(struct rules *rules, char *text, int line)
{
    char *rest;

    if ((rest = rule_statement(text, "endif")) != NULL)
        add_endif(rules, rest, line);
    else if ((rest = rule_statement(text, "if")) != NULL)
        add_if(rules, rest, line);
    else if (ascii_is_alpha(*text) || ascii_is_digit(*text))
        rules_warn(rules, line, "ignoring unrecognized request");
    else
        add_answer(rules, text, line);
}

void *expression_open(const struct expression_engine *engine, const struct table_source *source,
                      struct error *error)
{
    struct expression_table *table = memory_new(sizeof *table);

    table->engine = engine;
    if (rules_load(&table->rules, source, add_line, error))
        return table;
    expression_close(table);
    return NULL;
}

void expression_close(void *state)
{
    struct expression_table *table = state;

    rules_free(&table->rules, free_expression);
    free(table);
}

bool expression_changed(const void *state)
{
    return file_mark_changed(&((const struct expression_table *)state)->rules.source);
}

/* ---- lookups ---- */

/* A key this long (bytes) is matched in a worker thread: what a stranger writes into a long header must not hold up
 * the process's other sessions, nor need more stack than a task has. */
enum { LONG_KEY = 2000 };

struct lookup {
    const struct rules *rules;
    const char *key;
    const struct rule *found;
    const struct rule *failed; /* the last rule that an engine gave up on */
    struct error failure;
    struct expression_group groups[EXPRESSION_GROUPS];
};

/* Worker threads do not log: why an engine gave up is kept for later. */
static bool matches(void *context, const struct rule *rule, const char *key)
{
    struct lookup *lookup = context;
    const struct expression *expression = rule->pattern;
    struct expression_group *groups = expression->groups > 0 ? lookup->groups : NULL;
    struct error failure = {{0}};
    bool matched = expression->engine->match(expression->compiled, key, groups, &failure);

    if (failure.text[0] != '\0') {
        lookup->failed = rule;
        lookup->failure = failure;
    }
    return matched != rule->negative;
}

static void find(void *argument)
{
    struct lookup *lookup = argument;

    lookup->found = rules_find(lookup->rules, lookup->key, matches, lookup);
}

static void append_answer(const struct expression *expression, const struct expression_group *groups, const char *key,
                          struct text *result)
{
    const char *cursor = expression->answer;
    struct answer_piece piece;

    while ((piece = answer_next_piece(&cursor)).kind != PIECE_END) {
        const struct expression_group *group = NULL;

        if (piece.kind == PIECE_NAME)
            group = &groups[answer_piece_number(&piece)];
        if (group != NULL)
            text_append_bytes(result, key + group->start, group->end - group->start);
        else
            text_append_bytes(result, piece.text, piece.length);
    }
}

enum table_result expression_lookup(void *state, const char *key, struct text *result, struct error *error)
{
    struct expression_table *table = state;
    struct lookup lookup = {.rules = &table->rules, .key = key};

    (void)error;
    if (task_current() != NULL && strlen(key) > LONG_KEY)
        offload_run(find, &lookup);
    else
        find(&lookup);
    if (lookup.failed != NULL)
        rules_warn(&table->rules, lookup.failed->line, "%s", lookup.failure.text);
    if (lookup.found == NULL)
        return TABLE_NOT_FOUND;
    append_answer(lookup.found->pattern, lookup.groups, key, result);
    return TABLE_FOUND;
}
