/* postconf: a service of master.cf as text. */
#include <stdlib.h>
#include <string.h>

#include "cli/postconf.h"
#include "mail/config/used.h"
#include "util/base/memory.h"

enum { COLUMN_COUNT = 7 };

static void append_argument(const char *argument, struct text *result)
{
    bool braced = *argument == '\0' || strpbrk(argument, " \t\r\n") != NULL;

    text_append_format(result, braced ? "{%s}" : "%s", argument);
}

/* "-o name=value", without blanks around its =, and with -x expanded. */
static void append_override(const struct postconf *postconf, const char *assignment, struct text *result)
{
    char *copy = memory_copy_string(assignment), *equals = strchr(copy, '=');
    struct text joined = {0}, value = {0};

    text_append(result, "-o ");
    if (equals == NULL) {
        append_argument(copy, result);
    } else {
        *equals = '\0';
        postconf_value(postconf, string_trim(copy), string_trim(equals + 1), &value);
        text_append_format(&joined, "%s=%s", string_trim(copy), text_string(&value));
        append_argument(text_string(&joined), result);
    }
    text_free(&joined);
    text_free(&value);
    free(copy);
}

static void append_columns(const struct master_service *service, struct text *result)
{
    static const size_t positions[COLUMN_COUNT] = {11, 17, 25, 33, 41, 49, 57}; /* of the column after it */
    size_t before = result->length;

    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        text_append_format(result, "%s ", service->columns[i]);
        while (result->length - before < positions[i])
            text_append_char(result, ' ');
    }
}

static bool is_override(char *const *arguments)
{
    return string_equal(arguments[0], "-o") && arguments[1] != NULL;
}

/* ---- in one line ---- */

static void append_line(const struct postconf *postconf, char *const *arguments, struct text *result)
{
    append_argument(*arguments++, result);
    for (; *arguments != NULL && **arguments == '-'; arguments++) {
        text_append_char(result, ' ');
        if (is_override(arguments))
            append_override(postconf, *++arguments, result);
        else
            append_argument(*arguments, result);
    }
    for (; *arguments != NULL; arguments++) {
        text_append_char(result, ' ');
        append_argument(*arguments, result);
    }
}

/* ---- folded: "-o name=value" has a line of its own; of other words as many as fit stand together ---- */

struct folding {
    struct text words; /* of the line at hand */
    struct text *result;
};

static void end_line(struct folding *folding)
{
    if (folding->words.length == 0)
        return;
    if (folding->result->length > 0)
        text_append(folding->result, "\n    ");
    postconf_fold(text_string(&folding->words), POSTCONF_SERVICE_LINE, folding->result);
    text_clear(&folding->words);
}

static void add_word(struct folding *folding, const char *argument)
{
    if (folding->words.length > 0 && folding->words.data[folding->words.length - 1] != ' ')
        text_append_char(&folding->words, ' ');
    append_argument(argument, &folding->words);
}

static void append_folded(const struct postconf *postconf, char *const *arguments, struct folding *folding)
{
    add_word(folding, *arguments++);
    for (; *arguments != NULL && **arguments == '-'; arguments++) {
        if (!is_override(arguments)) {
            add_word(folding, *arguments);
            continue;
        }
        end_line(folding);
        text_append(folding->result, "\n    ");
        append_override(postconf, *++arguments, folding->result);
    }
    for (; *arguments != NULL; arguments++)
        add_word(folding, *arguments);
    end_line(folding);
    text_free(&folding->words);
}

/* ---- */

struct postconf postconf_of_service(const struct postconf *postconf, const struct master_service *service)
{
    struct postconf own = *postconf;
    size_t position = 1;
    const char *assignment;
    struct error malformed; /* is shown as it is */

    own.config = postconf->expand ? config_copy(postconf->config) : NULL;
    while (own.config != NULL && (assignment = master_arguments_next_override(service->arguments, &position)) != NULL)
        (void)config_override(own.config, assignment, &malformed);
    return own;
}

/* What stands in result already counts as the line's beginning. */
void postconf_format_command(const struct postconf *postconf, const struct master_service *service,
                             struct text *result)
{
    struct folding folding = {.result = result};
    struct postconf own = postconf_of_service(postconf, service);

    if (!postconf->fold) {
        append_line(&own, service->arguments, result);
    } else {
        text_append(&folding.words, text_string(result));
        text_clear(result);
        append_folded(&own, service->arguments, &folding);
    }
    config_free(own.config);
}

void postconf_format_service(const struct postconf *postconf, const struct master_service *service,
                             struct text *result)
{
    append_columns(service, result);
    postconf_format_command(postconf, service, result);
}
