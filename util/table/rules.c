#include "util/table/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/lines.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/names.h"

void rules_warn(const struct rules *rules, int line, const char *format, ...)
{
    struct text message = {0};
    va_list arguments;

    va_start(arguments, format);
    text_append_format_list(&message, format, arguments);
    va_end(arguments);
    log_warning(NULL, "%s map %s, line %d: %s", rules->type, rules->name, line, text_string(&message));
    text_free(&message);
}

char *rules_keep_answer(const struct rules *rules, int line, const char *answer)
{
    const struct table_source source = {rules->type, rules->name, rules->files};
    struct text kept = {0};
    struct error error;

    if (table_source_value(&source, answer, &kept, &error))
        return text_take(&kept);
    rules_warn(rules, line, "%s: skipping this rule", error.text);
    return NULL;
}

void rules_add(struct rules *rules, struct rule rule)
{
    rules->rules = memory_resize(rules->rules, (rules->count + 1) * sizeof *rules->rules);
    rules->rules[rules->count++] = rule;
}

size_t rules_open_ifs(const struct rules *rules)
{
    size_t open = 0;

    for (size_t i = 0; i < rules->count; i++) {
        if (rules->rules[i].kind == RULE_IF)
            open++;
        if (rules->rules[i].kind == RULE_ENDIF)
            open--;
    }
    return open;
}

/* The index behind the ENDIF that belongs to the IF; an IF without one reaches to the end. */
static size_t find_end(const struct rules *rules, size_t index)
{
    size_t depth = 0;

    for (size_t i = index; i < rules->count; i++) {
        if (rules->rules[i].kind == RULE_IF)
            depth++;
        if (rules->rules[i].kind == RULE_ENDIF && --depth == 0)
            return i + 1;
    }
    rules_warn(rules, rules->rules[index].line, "IF has no matching ENDIF");
    return rules->count;
}

static bool add_lines(struct rules *rules, struct line_reader *reader, rule_line_fn *add_line, struct error *error)
{
    char *text;

    while ((text = line_reader_next(reader)) != NULL)
        add_line(rules, text, line_reader_number(reader));
    if (line_reader_failed(reader, error))
        return false;
    for (size_t i = 0; i < rules->count; i++)
        if (rules->rules[i].kind == RULE_IF)
            rules->rules[i].after = find_end(rules, i);
    return true;
}

static bool load_file(struct rules *rules, rule_line_fn *add_line, struct error *error)
{
    struct line_reader *reader = line_reader_open(rules->name, error);
    bool good;

    if (reader == NULL)
        return error_set(error, "open %s: %s", rules->name, strerror(errno));
    rules->source.path = memory_copy_string(rules->name);
    good = fstat(fileno(line_reader_file(reader)), &rules->source.status) == 0;
    if (!good)
        error_set(error, "fstat %s: %s", rules->name, strerror(errno));
    good = good && add_lines(rules, reader, add_line, error);
    line_reader_close(reader);
    return good;
}

/* One rule a line, as the file would have them. */
static bool join_inline(char *text, struct text *lines, struct error *error)
{
    char *rest, *word;

    if (!braces_open(text, &rest, error))
        return false;
    while ((word = table_names_next(&rest)) != NULL) {
        if (*word != '{')
            return error_set(error, "no '{' at start of text in \"%s\"", word);
        if (!braces_open(word, &word, error))
            return false;
        text_append_format(lines, "%s\n", word);
    }
    return true;
}

static bool load_inline(struct rules *rules, rule_line_fn *add_line, struct error *error)
{
    char *copy = memory_copy_string(rules->name);
    struct text lines = {0};
    bool good = join_inline(copy, &lines, error);
    FILE *file = good && lines.length > 0 ? fmemopen(lines.data, lines.length, "r") : NULL;

    if (file != NULL) {
        struct line_reader *reader = line_reader_new(file, rules->name);

        good = add_lines(rules, reader, add_line, error);
        line_reader_close(reader);
        fclose(file);
    }
    text_free(&lines);
    free(copy);
    return good || error_prefix(error, "%s map: ", rules->type);
}

bool rules_load(struct rules *rules, const struct table_source *source, rule_line_fn *add_line, struct error *error)
{
    rules->type = source->type;
    rules->name = memory_copy_string(source->name);
    rules->files = source->files;
    return *rules->name == '{' ? load_inline(rules, add_line, error) : load_file(rules, add_line, error);
}

void rules_free(struct rules *rules, void (*free_pattern)(void *))
{
    for (size_t i = 0; i < rules->count; i++)
        if (rules->rules[i].pattern != NULL)
            free_pattern(rules->rules[i].pattern);
    free(rules->rules);
    free(rules->name);
    free(rules->source.path);
}

const struct rule *rules_find(const struct rules *rules, const char *key, rule_match_fn *match, void *context)
{
    for (size_t i = 0; i < rules->count;) {
        const struct rule *rule = &rules->rules[i++];
        bool applies;

        if (rule->kind == RULE_ENDIF)
            continue;
        applies = match(context, rule, key);
        if (applies && rule->kind == RULE_ANSWER)
            return rule;
        if (!applies && rule->kind == RULE_IF)
            i = rule->after;
    }
    return NULL;
}

char *rule_statement(char *text, const char *word)
{
    size_t length = strlen(word);

    if (!string_starts_ignore_case(text, word) || ascii_is_alpha(text[length]) || ascii_is_digit(text[length]))
        return NULL;
    text += length;
    while (ascii_is_space(*text))
        text++;
    return text;
}
