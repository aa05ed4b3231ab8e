/* postconf -e, -# and -X: changing main.cf. Comments and the order of what stays are kept. */
#include <stdlib.h>
#include <string.h>

#include "cli/postconf.h"
#include "util/base/log.h"
#include "util/base/map.h"
#include "util/base/memory.h"

struct change {
    char *value; /* for EDIT_SET */
    bool done;
};

struct main_edit {
    enum postconf_edit edit;
    struct map *changes; /* name -> struct change */
    struct text result;
};

static void free_change(void *change)
{
    free(((struct change *)change)->value);
    free(change);
}

static void add_change(struct main_edit *edit, char *name, const char *value)
{
    struct change *change = memory_new(sizeof *change), *before;

    change->value = memory_copy_string(value);
    before = map_set(edit->changes, name, change);
    if (before == NULL)
        return;
    log_warning(NULL, "ignoring earlier request: '%s = %s'", name, before->value);
    free_change(before);
}

static void add_request(struct main_edit *edit, const char *request)
{
    char *copy = memory_copy_string(request), *name = copy, *value = copy;

    if (edit->edit == EDIT_SET) {
        postconf_split_request(copy, &name, &value);
    } else {
        if (strchr(copy, '\n') != NULL)
            die("-e, -X, or -# accepts no multi-line input");
        if (*copy == '#')
            die("-e, -X, or -# accepts no comment input");
        if (strchr(copy, '=') != NULL)
            die("-X or -# requires names without value");
        name = string_trim(copy);
    }
    add_change(edit, name, edit->edit == EDIT_SET ? value : "");
    free(copy);
}

/* The change that the logical line starting here asks for, or NULL. */
static struct change *find_change(const struct main_edit *edit, const char *line, const char *path)
{
    char *name = memory_copy_bytes(line, strcspn(line, " \t="));
    struct change *change = map_get(edit->changes, name);

    if (change != NULL && change->done)
        log_warning(NULL, "%s: multiple entries for \"%s\"", path, name);
    if (change != NULL)
        change->done = true;
    free(name);
    return change;
}

static void append_setting(struct main_edit *edit, const char *name, size_t length, const char *value)
{
    text_append_format(&edit->result, "%.*s = %s\n", (int)length, name, value);
}

static void edit_lines(struct main_edit *edit, const struct postconf_file *file)
{
    const char *cursor = text_string(&file->content);
    const struct change *change = NULL; /* what holds for the logical line at hand */
    struct text line = {0};

    while (postconf_file_line(&cursor, &line)) {
        const char *text = text_string(&line);
        bool comment = postconf_line_is_comment(text), starts = !comment && !ascii_is_space(*text);

        if (starts)
            change = find_change(edit, text, file->path);
        if (comment || change == NULL)
            text_append_format(&edit->result, "%s\n", text);
        else if (edit->edit == EDIT_COMMENT)
            text_append_format(&edit->result, "#%s\n", text);
        else if (edit->edit == EDIT_SET && starts)
            append_setting(edit, text, strcspn(text, " \t="), change->value);
    }
    text_free(&line);
}

/* What main.cf did not have yet comes at its end, in the order asked for. */
static void append_new(struct main_edit *edit, char *const *requests)
{
    for (; edit->edit == EDIT_SET && *requests != NULL; requests++) {
        size_t blanks = strspn(*requests, " \t"), length = strcspn(*requests + blanks, " \t=");
        char *name = memory_copy_bytes(*requests + blanks, length);
        struct change *change = map_get(edit->changes, name);

        if (!change->done)
            append_setting(edit, name, length, change->value);
        change->done = true;
        free(name);
    }
}

void postconf_edit_main_cf(const char *directory, enum postconf_edit edit, char *const *requests)
{
    struct main_edit state = {.edit = edit, .changes = map_new()};
    struct postconf_file file;

    for (size_t i = 0; requests[i] != NULL; i++)
        add_request(&state, requests[i]);
    postconf_file_open(&file, directory, "main.cf");
    edit_lines(&state, &file);
    append_new(&state, requests);
    postconf_file_replace(&file, &state.result);
    map_free_with(state.changes, free_change);
    text_free(&state.result);
}
