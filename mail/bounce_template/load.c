#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/bounce_template/internal.h"
#include "util/base/log.h"
#include "util/base/memory.h"

static const char *const names[TEMPLATE_KINDS] = {"failure", "delay", "success", "verify"};

/* ---- one template ---- */

static void template_free(struct template *template)
{
    if (template == NULL)
        return;
    free(template->origin);
    free(template->charset);
    free(template->from);
    free(template->subject);
    free(template->postmaster_subject);
    free(template->body);
    free(template);
}

static struct template *template_copy(const struct template *template, const char *origin)
{
    struct template *copy = memory_new(sizeof *copy);

    copy->name = template->name;
    copy->origin = memory_copy_string(origin);
    copy->charset = memory_copy_string(template->charset);
    copy->from = memory_copy_string(template->from);
    copy->subject = memory_copy_string(template->subject);
    if (template->postmaster_subject != NULL)
        copy->postmaster_subject = memory_copy_string(template->postmaster_subject);
    copy->body = memory_copy_string("");
    return copy;
}

/* How long the label before the colon is; 0: the line is no header. */
static size_t label_length(const char *line)
{
    size_t length = 0;

    while (ascii_is_alpha(line[length]) || ascii_is_digit(line[length]) || line[length] == '-' || line[length] == '_')
        length++;
    return line[length] == ':' ? length : 0;
}

/* Where the value of such a header is kept; NULL: there is no such header. */
static char **find_header(struct template *template, const char *label)
{
    const struct {
        const char *name;
        char **value;
    } headers[] = {
        {"charset", &template->charset},
        {"from", &template->from},
        {"subject", &template->subject},
        {"postmaster-subject", &template->postmaster_subject},
    };

    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (string_equal_ignore_case(label, headers[i].name))
            return headers[i].value;
    return NULL;
}

/* "Label: value", in place. */
static bool set_header(struct template *template, char *line, struct error *error)
{
    char *colon = strchr(line, ':'), *value = colon + 1 + strspn(colon + 1, " \t"), **kept;

    *colon = '\0';
    kept = find_header(template, line);
    if (kept == NULL)
        return error_set(error, "unknown \"%s\" header label in %s template", line, template->name);
    if (*kept == NULL)
        return error_set(error, "inapplicable \"%s\" header label in %s template", line, template->name);
    if (*value == '\0')
        return error_set(error, "empty \"%s\" header value in %s template", line, template->name);
    if (string_has_high_bytes(value))
        return error_set(error, "non-ASCII \"%s\" header value in %s template", line, template->name);
    free(*kept);
    *kept = memory_copy_string(value);
    return true;
}

/* Headers; an empty line or none; the text. What is not given stays as it was. */
static bool parse_template(struct template *template, const char *text, struct error *error)
{
    bool good = true;

    text += strspn(text, " \t\r\n");
    while (good && label_length(text) > 0) {
        size_t length = strcspn(text, "\n");
        char *line = memory_copy_bytes(text, length);

        text += length + (text[length] == '\n');
        good = set_header(template, line, error);
        free(line);
    }
    if (!good)
        return false;
    if (*text == '\n')
        text++;
    if (*text == '\0')
        return error_set(error, "missing message text in %s template", template->name);
    if (string_has_high_bytes(text) && string_equal_ignore_case(template->charset, "us-ascii"))
        return error_set(error, "8-bit message text in %s template, but its charset is us-ascii", template->name);
    free(template->body);
    template->body = memory_copy_string(text);
    return true;
}

static void replace_template(struct template **template, const char *path, const char *text)
{
    struct template *changed = template_copy(*template, path);
    struct error error;

    if (parse_template(changed, text, &error)) {
        template_free(*template);
        *template = changed;
        return;
    }
    log_warning(NULL, "%s: %s -- ignoring this template", path, error.text);
    template_free(changed);
}

/* ---- the file ---- */

struct template_file {
    FILE *file;
    const char *path;
    char *line; /* getline's */
    size_t size;
    int number;
};

/* The next line without its end, or NULL. */
static char *next_line(struct template_file *file)
{
    ssize_t length = getline(&file->line, &file->size, file->file);

    if (length < 0)
        return NULL;
    file->number++;
    if (length > 0 && file->line[length - 1] == '\n')
        file->line[length - 1] = '\0';
    return file->line;
}

static void read_here_document(struct template_file *file, const char *end_word, struct text *document)
{
    const char *line;

    while ((line = next_line(file)) != NULL) {
        if (string_equal(line, end_word))
            return;
        text_append_format(document, "%s\n", line);
    }
    log_warning(NULL, "%s, line %d: missing \"%s\" end marker", file->path, file->number, end_word);
}

/* The value behind the =, or the lines up to WORD behind <<WORD. */
static bool read_value(struct template_file *file, char *value, struct text *document, struct error *error)
{
    char *word = string_trim(value), *end_word;

    if (!string_starts(word, "<<")) {
        text_append_format(document, "%s%s", word, *word == '\0' ? "" : "\n");
        return true;
    }
    word = string_trim(word + 2);
    if (*word == '\0')
        return error_set(error, "%s, line %d: missing end marker after <<", file->path, file->number);
    for (const char *at = word; *at != '\0'; at++)
        if (!ascii_is_alpha(*at) && !ascii_is_digit(*at) && strchr("-_.", *at) == NULL)
            return error_set(error, "%s, line %d: malformed end marker after <<", file->path, file->number);
    end_word = memory_copy_string(word);
    read_here_document(file, end_word, document);
    free(end_word);
    return true;
}

static void take_template(struct template_file *file, const char *name, const char *text,
                          struct template *templates[TEMPLATE_KINDS])
{
    for (size_t kind = 0; kind < TEMPLATE_KINDS; kind++) {
        size_t length = strlen(names[kind]);

        if (string_starts(name, names[kind]) && string_equal(name + length, "_template")) {
            replace_template(&templates[kind], file->path, text);
            return;
        }
    }
    log_warning(NULL, "%s, line %d: unknown template name: %s -- ignoring this template", file->path, file->number,
                name);
}

static bool read_setting(struct template_file *file, char *line, struct template *templates[TEMPLATE_KINDS],
                         struct error *error)
{
    char *equals = strchr(line, '='), *name;
    struct text document = {0};
    bool good;

    if (equals == NULL)
        return error_set(error, "%s, line %d: missing '=' after attribute name: \"%s\"", file->path, file->number,
                         line);
    *equals = '\0';
    name = memory_copy_string(string_trim(line));
    good = read_value(file, equals + 1, &document, error);
    if (good)
        take_template(file, name, text_string(&document), templates);
    text_free(&document);
    free(name);
    return good;
}

static bool read_settings(struct template_file *file, struct template *templates[TEMPLATE_KINDS], struct error *error)
{
    char *line;

    while ((line = next_line(file)) != NULL) {
        line = string_trim(line);
        if (*line != '\0' && *line != '#' && !read_setting(file, line, templates, error))
            return false;
    }
    return !ferror(file->file) || error_set(error, "read %s: %s", file->path, strerror(errno));
}

static bool read_file(const char *path, struct template *templates[TEMPLATE_KINDS], struct error *error)
{
    struct template_file file = {.file = fopen(path, "re"), .path = path};
    bool good;

    if (file.file == NULL)
        return error_set(error, "open %s: %s", path, strerror(errno));
    good = read_settings(&file, templates, error);
    fclose(file.file);
    free(file.line);
    return good;
}

/* ---- all of them ---- */

static void take_built_in(struct template *templates[TEMPLATE_KINDS])
{
    static const struct template nothing = {.charset = "", .from = "", .subject = ""};

    for (size_t kind = 0; kind < TEMPLATE_KINDS; kind++) {
        struct error error;

        templates[kind] = template_copy(&nothing, "built-in");
        templates[kind]->name = names[kind];
        if (kind == TEMPLATE_FAILURE || kind == TEMPLATE_DELAY)
            templates[kind]->postmaster_subject = memory_copy_string("");
        parse_template(templates[kind], bounce_template_built_in[kind], &error);
    }
}

bool templates_load(const char *path, struct template *templates[TEMPLATE_KINDS], struct error *error)
{
    take_built_in(templates);
    if (*path == '\0' || read_file(path, templates, error))
        return true;
    templates_free(templates);
    take_built_in(templates);
    return false;
}

void templates_free(struct template *templates[TEMPLATE_KINDS])
{
    for (size_t kind = 0; kind < TEMPLATE_KINDS; kind++)
        template_free(templates[kind]);
}

void template_write(const struct template *template, struct text *result)
{
    text_append_format(result, "%s_template = <<EOF\nCharset: %s\nFrom: %s\nSubject: %s\n", template->name,
                       template->charset, template->from, template->subject);
    if (template->postmaster_subject != NULL)
        text_append_format(result, "Postmaster-Subject: %s\n", template->postmaster_subject);
    text_append_format(result, "\n%sEOF\n", template->body);
}
