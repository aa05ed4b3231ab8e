#include "cli/postconf_master_text.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/memory.h"

static bool starts_entry(const char *line)
{
    return !postconf_line_is_comment(line) && !ascii_is_space(*line);
}

static struct master_entry *add_entry(struct master_text *text, const char *name, size_t name_length, const char *type,
                                      size_t type_length, int line)
{
    struct master_entry *entry;

    text->entries = memory_resize(text->entries, (text->count + 1) * sizeof *text->entries);
    entry = &text->entries[text->count++];
    *entry = (struct master_entry){.name = memory_copy_bytes(name, name_length),
                                   .type = memory_copy_bytes(type, type_length),
                                   .line = line};
    return entry;
}

void master_text_open(struct master_text *text, const char *directory)
{
    const char *cursor;
    struct text line = {0};

    *text = (struct master_text){0};
    postconf_file_open(&text->file, directory, "master.cf");
    cursor = text_string(&text->file.content);
    for (int number = 1; postconf_file_line(&cursor, &line); number++) {
        const char *name = text_string(&line);
        size_t length = strcspn(name, " \t"), gap = strspn(name + length, " \t");

        if (starts_entry(name))
            add_entry(text, name, length, name + length + gap, strcspn(name + length + gap, " \t"), number);
    }
    text_free(&line);
}

struct master_entry *master_text_next(struct master_text *text, const char *name, const char *type, size_t *position)
{
    while (*position < text->count) {
        struct master_entry *entry = &text->entries[(*position)++];

        if ((string_equal(name, "*") || string_equal(name, entry->name)) &&
            (string_equal(type, "*") || string_equal(type, entry->type)))
            return entry;
    }
    return NULL;
}

void master_entry_change(struct master_entry *entry, enum postconf_edit edit, const char *text)
{
    free(entry->text);
    entry->changed = true;
    entry->edit = edit;
    entry->text = text != NULL ? memory_copy_string(text) : NULL;
}

void master_text_add(struct master_text *text, const char *name, const char *type, const char *lines)
{
    master_entry_change(add_entry(text, name, strlen(name), type, strlen(type), 0), EDIT_SET, lines);
}

/* ---- writing ---- */

static void append_line(const struct master_entry *entry, const char *line, int number, struct text *result)
{
    if (entry == NULL || !entry->changed || postconf_line_is_comment(line))
        text_append_format(result, "%s\n", line);
    else if (entry->edit == EDIT_COMMENT)
        text_append_format(result, "#%s\n", line);
    else if (entry->edit == EDIT_SET && number == entry->line)
        text_append_format(result, "%s\n", entry->text);
}

static void append_new(const struct master_text *text, struct text *result)
{
    for (size_t i = 0; i < text->count; i++)
        if (text->entries[i].line == 0 && text->entries[i].edit == EDIT_SET)
            text_append_format(result, "%s\n", text->entries[i].text);
}

static void free_entries(struct master_text *text)
{
    for (size_t i = 0; i < text->count; i++) {
        free(text->entries[i].name);
        free(text->entries[i].type);
        free(text->entries[i].text);
    }
    free(text->entries);
}

void master_text_write(struct master_text *text)
{
    const char *cursor = text_string(&text->file.content);
    const struct master_entry *entry = NULL;
    struct text line = {0}, result = {0};
    size_t next = 0;

    for (int number = 1; postconf_file_line(&cursor, &line); number++) {
        if (next < text->count && text->entries[next].line == number)
            entry = &text->entries[next++];
        append_line(entry, text_string(&line), number, &result);
    }
    append_new(text, &result);
    postconf_file_replace(&text->file, &result);
    free_entries(text);
    text_free(&line);
    text_free(&result);
}
