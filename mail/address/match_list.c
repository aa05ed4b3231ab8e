#include "mail/address/match_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/memory.h"
#include "util/base/text.h"
#include "util/table/table.h"

enum { FILE_DEPTH_LIMIT = 10 };

static const char separators[] = ", \t\r\n";

enum pattern_kind { PATTERN_NAME, PATTERN_BLOCK, PATTERN_TABLE, PATTERN_BROKEN };

struct pattern {
    enum pattern_kind kind;
    bool negative;
    char *name; /* lower case; of a broken one: what is wrong with it */
    struct net_cidr block;
    struct table *table;
};

struct match_list {
    int flags;
    struct pattern *patterns;
    size_t count;
};

/* What is asked of the patterns; parts that do not apply are NULL. */
struct subject {
    const char *text;   /* lower case: matched exactly */
    const char *domain; /* lower case: matched as a domain */
    const struct net_address *address;
};

static bool add_patterns(struct match_list *list, const char *text, bool negative, int depth, struct error *error);

static bool add_file(struct match_list *list, const char *path, bool negative, int depth, struct error *error)
{
    struct error reason;
    FILE *file = depth < FILE_DEPTH_LIMIT ? fopen(path, "re") : NULL;
    char *line = NULL;
    size_t room = 0;
    int number = 0;
    bool good = true;

    if (file == NULL)
        return error_set(error, "open file %s: %s", path,
                         depth < FILE_DEPTH_LIMIT ? strerror(errno) : "files include one another too deeply");
    while (good && getline(&line, &room, file) >= 0) {
        number++;
        if (*string_trim(line) != '#')
            good = add_patterns(list, string_trim(line), negative, depth + 1, &reason);
    }
    free(line);
    fclose(file);
    return good || error_set(error, "%s: line %d: %s", path, number, reason.text);
}

static struct pattern *add_pattern(struct match_list *list, enum pattern_kind kind, bool negative)
{
    list->patterns = memory_resize(list->patterns, (list->count + 1) * sizeof *list->patterns);
    list->patterns[list->count] = (struct pattern){.kind = kind, .negative = negative};
    return &list->patterns[list->count++];
}

static bool add_table(struct match_list *list, const char *word, bool negative, struct error *error)
{
    struct table *table = table_open(word, error);

    if (table == NULL)
        return false;
    add_pattern(list, PATTERN_TABLE, negative)->table = table;
    return true;
}

static bool looks_like_address(const char *word)
{
    bool like = ascii_is_digit(*word) || *word == '[' || (strchr(word, '/') != NULL && strchr(word, ':') == NULL);

    return like && !net_hostname_valid(word);
}

static bool add_word(struct match_list *list, char *word, bool negative, int depth, struct error *error)
{
    struct net_cidr block;
    struct error reason;
    bool is_block = (list->flags & MATCH_ADDRESSES) && net_cidr_parse(word, &block, &reason);

    if (*word == '/')
        return add_file(list, word, negative, depth, error);
    if (is_block) {
        add_pattern(list, PATTERN_BLOCK, negative)->block = block;
        return true;
    }
    if ((list->flags & MATCH_ADDRESSES) && looks_like_address(word) && strchr(word, '{') == NULL)
        return error_set(error, "%s", reason.text);
    if (strchr(word, ':') != NULL && *word != '[')
        return add_table(list, word, negative, error);
    ascii_lower_string(word);
    add_pattern(list, PATTERN_NAME, negative)->name = memory_copy_string(word);
    return true;
}

static bool add_patterns(struct match_list *list, const char *text, bool negative, int depth, struct error *error)
{
    char *copy = memory_copy_string(text), *cursor = copy, *word;
    struct error reason;
    bool good = true;

    while (good && (word = string_next_word_grouped(&cursor, separators)) != NULL) {
        bool inverted = negative;

        for (; *word == '!'; word++)
            inverted = !inverted;
        if (*word == '\0')
            good = error_set(error, "no pattern after '!' in \"%s\"", text);
        else if (!add_word(list, word, inverted, depth, &reason))
            add_pattern(list, PATTERN_BROKEN, inverted)->name = memory_copy_string(reason.text);
    }
    free(copy);
    return good;
}

struct match_list *match_list_new(const char *patterns, int flags, struct error *error)
{
    struct match_list *list = memory_new(sizeof *list);

    list->flags = flags;
    if (add_patterns(list, patterns, false, 0, error))
        return list;
    match_list_free(list);
    return NULL;
}

void match_list_free(struct match_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++) {
        free(list->patterns[i].name);
        if (list->patterns[i].table != NULL)
            table_close(list->patterns[i].table);
    }
    free(list->patterns);
    free(list);
}

void match_list_each_mistake(const struct match_list *list, match_list_mistake_fn *mistake, void *context)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->patterns[i].kind == PATTERN_BROKEN)
            mistake(context, list->patterns[i].name);
}

bool match_list_empty(const struct match_list *list)
{
    return list->count == 0;
}

static enum match_result ask_table(struct table *table, const char *key, struct error *error)
{
    struct text value = {0};
    enum table_result result = table_lookup(table, key, &value, error);

    text_free(&value);
    if (result == TABLE_ERROR)
        return MATCH_ERROR;
    return result == TABLE_FOUND ? MATCH_YES : MATCH_NO;
}

/* The name itself, then its parents: with their dot, or without where subdomains belong to the domain. */
static enum match_result ask_table_domain(const struct match_list *list, struct table *table, const char *name,
                                          struct error *error)
{
    enum match_result result = ask_table(table, name, error);
    const char *dot = strchr(name, '.');

    if (table_is_pattern(table))
        return result;
    while (result == MATCH_NO && dot != NULL) {
        const char *next = strchr(dot + 1, '.');

        result = ask_table(table, list->flags & MATCH_SUBDOMAINS ? dot + 1 : dot, error);
        dot = next;
    }
    return result;
}

static enum match_result ask_table_address(struct table *table, const struct net_address *address, struct error *error)
{
    struct net_address plain = net_address_unmapped(address);
    char text[NET_ADDRESS_SIZE];

    return ask_table(table, net_address_print(&plain, text), error);
}

static enum match_result match_table(const struct match_list *list, struct table *table, const struct subject *subject,
                                     struct error *error)
{
    enum match_result result = MATCH_NO;

    if (subject->text != NULL)
        result = ask_table(table, subject->text, error);
    if (result == MATCH_NO && subject->domain != NULL)
        result = ask_table_domain(list, table, subject->domain, error);
    if (result == MATCH_NO && subject->address != NULL)
        result = ask_table_address(table, subject->address, error);
    return result;
}

static bool match_domain(const struct match_list *list, const char *pattern, const char *name)
{
    size_t length = strlen(name), tail = strlen(pattern);

    if (string_equal(pattern, name))
        return true;
    if (tail >= length || !string_ends(name, pattern))
        return false;
    return list->flags & MATCH_SUBDOMAINS ? *pattern != '.' && name[length - tail - 1] == '.' : *pattern == '.';
}

static enum match_result match_pattern(const struct match_list *list, const struct pattern *pattern,
                                       const struct subject *subject, struct error *error)
{
    bool matched = false;

    switch (pattern->kind) {
    case PATTERN_TABLE:
        return match_table(list, pattern->table, subject, error);
    case PATTERN_BROKEN:
        error_set(error, "%s", pattern->name);
        return MATCH_ERROR;
    case PATTERN_BLOCK:
        matched = subject->address != NULL && net_cidr_match(&pattern->block, subject->address);
        break;
    case PATTERN_NAME:
        matched = (subject->text != NULL && string_equal(pattern->name, subject->text)) ||
                  (subject->domain != NULL && match_domain(list, pattern->name, subject->domain));
        break;
    }
    return matched ? MATCH_YES : MATCH_NO;
}

static enum match_result match_any(const struct match_list *list, const struct subject *subject, struct error *error)
{
    for (size_t i = 0; i < list->count; i++) {
        enum match_result result = match_pattern(list, &list->patterns[i], subject, error);

        if (result == MATCH_ERROR)
            return MATCH_ERROR;
        if (result == MATCH_YES)
            return list->patterns[i].negative ? MATCH_NO : MATCH_YES;
    }
    return MATCH_NO;
}

static char *lower_copy(const char *text)
{
    char *copy = memory_copy_string(text);

    ascii_lower_string(copy);
    return copy;
}

enum match_result match_list_string(struct match_list *list, const char *text, struct error *error)
{
    char *lower = lower_copy(text);
    struct subject subject = {.text = lower};
    enum match_result result = match_any(list, &subject, error);

    free(lower);
    return result;
}

enum match_result match_list_domain(struct match_list *list, const char *name, struct error *error)
{
    return match_list_client(list, name, NULL, error);
}

enum match_result match_list_address(struct match_list *list, const struct net_address *address, struct error *error)
{
    return match_list_client(list, NULL, address, error);
}

enum match_result match_list_client(struct match_list *list, const char *name, const struct net_address *address,
                                    struct error *error)
{
    char *lower = name != NULL ? lower_copy(name) : NULL;
    struct subject subject = {.domain = lower, .address = address};
    enum match_result result = match_any(list, &subject, error);

    free(lower);
    return result;
}

int match_parent_flag(const char *parent_domain_matches_subdomains, const char *parameter)
{
    struct error error;
    struct match_list *list = match_list_new(parent_domain_matches_subdomains, 0, &error);
    bool named = list != NULL && match_list_string(list, parameter, &error) == MATCH_YES;

    match_list_free(list);
    return named ? MATCH_SUBDOMAINS : 0;
}
