/* postmap -q and -s. */
#include <stdint.h>
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

static void decode(const char *table, const char *key, struct text *value)
{
    struct text contents = {0};
    struct error error;

    if (!postmap_decode_files(text_string(value), &contents, &error))
        die("table %s: key %s: malformed BASE64 value, and no names of files: %s", table, key, error.text);
    text_wipe(value);
    *value = contents;
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
    if (answer == TABLE_FOUND && postmap->files)
        decode(name, key, result);
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

/* ---- keys from standard input ---- */

struct postmap_tables {
    char *const *names;
    struct table **tables; /* as many as names; NULL: not open yet */
};

struct postmap_tables *postmap_tables_new(char *const *names)
{
    struct postmap_tables *tables = memory_new(sizeof *tables);
    size_t count = 0;

    while (names[count] != NULL)
        count++;
    tables->names = names;
    tables->tables = memory_new(count * sizeof(struct table *));
    return tables;
}

void postmap_tables_free(struct postmap_tables *tables)
{
    for (size_t i = 0; tables->names[i] != NULL; i++)
        table_close(tables->tables[i]);
    free(tables->tables);
    free(tables);
}

bool postmap_query_print(const struct postmap *postmap, struct postmap_tables *tables, const char *key)
{
    struct text result = {0};
    bool found = false;

    for (size_t i = 0; !found && tables->names[i] != NULL; i++) {
        if (tables->tables[i] == NULL)
            tables->tables[i] = open_table(postmap, tables->names[i]);
        found = ask(postmap, tables->tables[i], key, &result);
    }
    if (found)
        printf("%s\t%s\n", key, text_string(&result));
    text_free(&result);
    return found;
}

bool postmap_query_stdin(const struct postmap *postmap, char *const *names)
{
    struct postmap_tables *tables = postmap_tables_new(names);
    size_t size = 0;
    char *line = NULL;
    bool found = false;

    while (getline(&line, &size, stdin) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        found = postmap_query_print(postmap, tables, line) || found;
    }
    free(line);
    postmap_tables_free(tables);
    return found;
}

static void print_entry(void *context, const char *key, const char *value)
{
    const struct postmap *postmap = context;
    struct text text = {0};

    text_append(&text, value);
    if (postmap->files)
        decode("listed", key, &text);
    printf("%s\t%s\n", key, text_string(&text));
    text_wipe(&text);
}

void postmap_list(const struct postmap *postmap, const char *name)
{
    struct table *table = open_table(postmap, name);
    struct error error;

    if (!table_walk(table, print_entry, (void *)(uintptr_t)postmap, &error))
        die("%s", error.text);
    table_close(table);
}
