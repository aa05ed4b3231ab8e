/* postconf: how values look. */
#include <stdio.h>
#include <string.h>

#include "cli/postconf.h"
#include "mail/config/catalog.h"
#include "util/base/json.h"
#include "util/base/log.h"

void postconf_squeeze(const char *value, struct text *result)
{
    size_t before = result->length;

    for (; *value != '\0'; value++) {
        if (!ascii_is_space(*value))
            text_append_char(result, *value);
        else if (result->length > before && result->data[result->length - 1] != ' ')
            text_append_char(result, ' ');
    }
}

void postconf_fold(const char *line, size_t limit, struct text *result)
{
    size_t column = 0;

    while (*line != '\0') {
        size_t length = strcspn(line, " "), blanks = strspn(line + length, " ");
        bool fits = column == 0 || column + 1 + length <= limit;

        if (column > 0)
            text_append(result, fits ? " " : "\n    ");
        column = fits ? column + (column > 0) + length : 4 + length;
        text_append_bytes(result, line, length);
        line += length;
        /* The blanks that line up columns stay. */
        for (; blanks > 1; blanks--, line++, column++)
            text_append_char(result, ' ');
        line += blanks;
    }
}

static void expand(const struct postconf *postconf, const char *name, const char *value, struct text *result)
{
    struct error error;

    if (!config_expand(postconf->config, value, result, &error))
        log_warning(NULL, "%s: %s", name, error.text);
}

void postconf_value(const struct postconf *postconf, const char *name, const char *value, struct text *result)
{
    const struct parameter *parameter = catalog_find(name);

    /* A raw value's $names are some program's own. */
    if (postconf->expand && (parameter == NULL || parameter->type != PARAMETER_raw))
        expand(postconf, name, value, result);
    else
        text_append(result, value);
}

static void squeeze_and_trim(const char *value, struct text *result)
{
    postconf_squeeze(value, result);
    while (result->length > 0 && result->data[result->length - 1] == ' ')
        text_truncate(result, result->length - 1);
}

static void print_json(const char *name, const char *value)
{
    struct text line = {0}, squeezed = {0};

    squeeze_and_trim(value, &squeezed);
    text_append_char(&line, '{');
    json_append_member(&line, name, text_string(&squeezed));
    text_append_char(&line, '}');
    puts(text_string(&line));
    text_free(&line);
    text_free(&squeezed);
}

void postconf_print(const struct postconf *postconf, const char *name, const char *value)
{
    struct text expanded = {0}, line = {0}, folded = {0};

    postconf_value(postconf, name, value, &expanded);
    if (postconf->json) {
        print_json(name, text_string(&expanded));
        text_free(&expanded);
        return;
    }
    if (!postconf->hide_names)
        text_append(&line, name);
    if (!postconf->hide_names && !postconf->hide_values)
        text_append(&line, " = ");
    if (!postconf->hide_values)
        postconf_squeeze(text_string(&expanded), &line);
    while (line.length > 0 && line.data[line.length - 1] == ' ')
        text_truncate(&line, line.length - 1);
    if (postconf->fold)
        postconf_fold(text_string(&line), POSTCONF_LINE, &folded);
    puts(text_string(postconf->fold ? &folded : &line));
    text_free(&expanded);
    text_free(&line);
    text_free(&folded);
}
