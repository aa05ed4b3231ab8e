/* postmap -q and -s. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/postmap.h"
#include "util/base/log.h"
#include "util/base/memory.h"

static struct table *open_table(const struct postmap *postmap, const char *name)
{
    struct error error;
    struct table *table = table_open_strictly(name, &error);

    if (table == NULL)
        die("%s", error.text);
    table_set_exact(table, postmap->exact);
    return table;
}

static bool acceptable(const struct postmap *postmap, const char *name, const char *key)
{
    char *copy;

    if (!postmap->check_utf8 || string_valid_utf8(key, strlen(key)))
        return true;
    copy = memory_copy_string(key);
    log_warning(NULL, "%s: non-UTF-8 key \"%s\": malformed UTF-8 or invalid codepoint", name,
                string_printable(copy, false));
    free(copy);
    return false;
}

static bool ask(const struct postmap *postmap, struct table *table, const char *key, struct text *result)
{
    const char *name = table_name(table);
    struct error error;
    enum table_result answer;

    if (!acceptable(postmap, name, key))
        return false;
    answer = table_lookup(table, key, result, &error);
    if (answer == TABLE_ERROR)
        die("table %s: query error", name);
    if (answer == TABLE_FOUND && result->length == 0) {
        log_warning(NULL, "table %s: key %s: empty string result is not allowed", name, key);
        log_warning(NULL, "table %s should return NO RESULT in case of NOT FOUND", name);
    }
    return answer == TABLE_FOUND;
}

bool postmap_query(const struct postmap *postmap, const char *name, const char *key)
{
    struct table *table = open_table(postmap, name);
    struct text result = {0};
    bool found = ask(postmap, table, key, &result);

    if (found)
        printf("%s\n", text_string(&result));
    text_free(&result);
    table_close(table);
    return found;
}

/* The tables in turn, opened when they are first needed. */
static bool ask_all(const struct postmap *postmap, char *const *names, struct table **tables, const char *key,
                    struct text *result)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        if (tables[i] == NULL)
            tables[i] = open_table(postmap, names[i]);
        if (ask(postmap, tables[i], key, result))
            return true;
    }
    return false;
}

bool postmap_query_stdin(const struct postmap *postmap, char *const *names)
{
    size_t count = 0, size = 0;
    struct table **tables;
    struct text result = {0};
    char *line = NULL;
    bool found = false;

    while (names[count] != NULL)
        count++;
    tables = memory_new(count * sizeof(struct table *));
    while (getline(&line, &size, stdin) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        if (!ask_all(postmap, names, tables, line, &result))
            continue;
        printf("%s\t%s\n", line, text_string(&result));
        found = true;
    }
    for (size_t i = 0; i < count; i++)
        table_close(tables[i]);
    free(tables);
    free(line);
    text_free(&result);
    return found;
}

static void print_entry(void *context, const char *key, const char *value)
{
    (void)context;
    printf("%s\t%s\n", key, value);
}

void postmap_list(const struct postmap *postmap, const char *name)
{
    struct table *table = open_table(postmap, name);
    struct error error;

    if (!table_walk(table, print_entry, NULL, &error))
        die("%s", error.text);
    table_close(table);
}
