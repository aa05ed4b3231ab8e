/* Tables made of tables: proxy:TYPE:NAME (here a plain TYPE:NAME, since services of this system hold tables open in
 * few processes), pipemap:{...}, unionmap:{...}, and randmap:{...}. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "util/base/memory.h"
#include "util/table/internal.h"
#include "util/table/names.h"

struct composite {
    char *names; /* what words point into */
    char **words;
    struct table **tables; /* NULL for randmap */
    size_t count;
    bool owns_words; /* they are no longer those in names */
};

static void composite_close(struct composite *composite)
{
    for (size_t i = 0; composite->owns_words && i < composite->count; i++)
        free(composite->words[i]);
    for (size_t i = 0; composite->tables != NULL && i < composite->count; i++)
        table_close(composite->tables[i]);
    free(composite->tables);
    free(composite->words);
    free(composite->names);
    free(composite);
}

static bool split_words(struct composite *composite)
{
    struct error ignored;
    char *rest, *word;

    if (*composite->names != '{' || !braces_open(composite->names, &rest, &ignored))
        return false;
    while ((word = table_names_next(&rest)) != NULL) {
        if (*word == '{' && !braces_open(word, &word, &ignored))
            return false;
        composite->words = memory_resize(composite->words, (composite->count + 1) * sizeof *composite->words);
        composite->words[composite->count++] = word;
    }
    return composite->count > 0;
}

static struct composite *composite_open(const struct table_source *source, const char *wanted, struct error *error)
{
    struct composite *composite = memory_new(sizeof *composite);

    composite->names = memory_copy_string(source->name);
    if (split_words(composite))
        return composite;
    error_set(error, "bad syntax: \"%s:%s\"; need \"%s:{%s...}\"", source->type, source->name, source->type,
              wanted);
    composite_close(composite);
    return NULL;
}

static void *tables_open(const struct table_source *source, struct error *error)
{
    struct composite *composite = composite_open(source, "type:name", error);

    if (composite == NULL)
        return NULL;
    composite->tables = memory_new(composite->count * sizeof *composite->tables);
    for (size_t i = 0; i < composite->count; i++) {
        composite->tables[i] = table_open_part(source, composite->words[i], error);
        if (composite->tables[i] == NULL) {
            composite_close(composite);
            return NULL;
        }
    }
    return composite;
}

/* ---- pipemap: each answer is the next table's key ---- */

void *pipemap_open(const struct table_source *source, struct error *error)
{
    return tables_open(source, error);
}

enum table_result pipemap_lookup(void *state, const char *key, struct text *result, struct error *error)
{
    const struct composite *composite = state;
    char *question = memory_copy_string(key);
    enum table_result answer = TABLE_FOUND;

    for (size_t i = 0; answer == TABLE_FOUND && i < composite->count; i++) {
        answer = table_lookup(composite->tables[i], question, result, error);
        free(question);
        question = memory_copy_string(text_string(result));
    }
    free(question);
    return answer;
}

void pipemap_close(void *state)
{
    composite_close(state);
}

/* ---- unionmap: all answers, joined by commas ---- */

void *unionmap_open(const struct table_source *source, struct error *error)
{
    return tables_open(source, error);
}

enum table_result unionmap_lookup(void *state, const char *key, struct text *result, struct error *error)
{
    const struct composite *composite = state;
    struct text one = {0};
    enum table_result answer = TABLE_NOT_FOUND;

    for (size_t i = 0; answer != TABLE_ERROR && i < composite->count; i++) {
        enum table_result next = table_lookup(composite->tables[i], key, &one, error);

        if (next == TABLE_FOUND)
            text_append_format(result, "%s%s", answer == TABLE_FOUND ? "," : "", text_string(&one));
        if (next != TABLE_NOT_FOUND)
            answer = next;
    }
    text_free(&one);
    return answer;
}

void unionmap_close(void *state)
{
    composite_close(state);
}

/* ---- randmap: one of its words, by chance ---- */

void *randmap_open(const struct table_source *source, struct error *error)
{
    struct composite *composite = composite_open(source, "value", error);
    bool good = true;

    if (composite == NULL)
        return NULL;
    for (size_t i = 0; i < composite->count; i++) {
        struct text kept = {0};

        good = good && table_source_value(source, composite->words[i], &kept, error);
        composite->words[i] = text_take(&kept);
    }
    composite->owns_words = true;
    if (good)
        return composite;
    composite_close(composite);
    return NULL;
}

enum table_result randmap_lookup(void *state, const char *key, struct text *result, struct error *error)
{
    const struct composite *composite = state;
    unsigned chance = 0;

    (void)key;
    (void)error;
    (void)!getrandom(&chance, sizeof chance, GRND_NONBLOCK);
    text_append(result, composite->words[chance % composite->count]);
    return TABLE_FOUND;
}

void randmap_close(void *state)
{
    composite_close(state);
}

/* ---- proxy ---- */

void *proxy_open(const struct table_source *source, struct error *error)
{
    return table_open_part(source, source->name, error);
}

enum table_result proxy_lookup(void *state, const char *key, struct text *result, struct error *error)
{
    return table_lookup(state, key, result, error);
}

void proxy_close(void *state)
{
    table_close(state);
}
