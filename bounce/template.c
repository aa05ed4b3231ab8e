#include "bounce/template.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/config/expand.h"
#include "util/base/log.h"
#include "util/base/memory.h"

static const char *const names[TEMPLATE_KINDS] = {"failure_template", "delay_template", "success_template",
                                                  "verify_template"};

/* In the form in which a file has them. */
static const char *const built_in[TEMPLATE_KINDS] = {
    "Charset: us-ascii\n"
    "From: Mail Delivery System <MAILER-DAEMON>\n"
    "Subject: Undelivered Mail Returned to Sender\n"
    "Postmaster-Subject: Postmaster Copy: Undelivered Mail\n"
    "\n"
    "This is the mail system at host $myhostname.\n"
    "\n"
    "Your message could not be delivered to the recipients below.\n"
    "The message is attached, and no further attempts will be made.\n"
    "\n"
    "If you need help, write to postmaster and include this report;\n"
    "your own message need not be part of it.\n"
    "\n"
    "                   The mail system\n",

    "Charset: us-ascii\n"
    "From: Mail Delivery System <MAILER-DAEMON>\n"
    "Subject: Delayed Mail (still being retried)\n"
    "Postmaster-Subject: Postmaster Warning: Delayed Mail\n"
    "\n"
    "This is the mail system at host $myhostname.\n"
    "\n"
    "THIS IS A WARNING ONLY. YOU DO NOT NEED TO SEND YOUR MESSAGE AGAIN.\n"
    "\n"
    "Your message could not be delivered for more than $delay_warning_time_hours hour(s).\n"
    "It will be tried until it is $maximal_queue_lifetime_days day(s) old.\n"
    "\n"
    "If you need help, write to postmaster and include this report;\n"
    "your own message need not be part of it.\n"
    "\n"
    "                   The mail system\n",

    "Charset: us-ascii\n"
    "From: Mail Delivery System <MAILER-DAEMON>\n"
    "Subject: Successful Mail Delivery Report\n"
    "\n"
    "This is the mail system at host $myhostname.\n"
    "\n"
    "Your message was delivered to the destinations below. Where a mailbox\n"
    "is among them you will hear no more; other systems may still report.\n"
    "\n"
    "                   The mail system\n",

    "Charset: us-ascii\n"
    "From: Mail Delivery System <MAILER-DAEMON>\n"
    "Subject: Mail Delivery Status Report\n"
    "\n"
    "This is the mail system at host $myhostname.\n"
    "\n"
    "Enclosed is the mail delivery report that you requested.\n"
    "\n"
    "                   The mail system\n",
};

/* ---- reading ---- */

static void set_header(struct template *template, const char *line)
{
    const struct {
        const char *name;
        char **value;
    } headers[] = {
        {"charset:", &template->charset},
        {"from:", &template->from},
        {"subject:", &template->subject},
        {"postmaster-subject:", &template->postmaster_subject},
    };

    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        size_t length = strlen(headers[i].name);

        if (!string_starts_ignore_case(line, headers[i].name))
            continue;
        free(*headers[i].value);
        *headers[i].value = memory_copy_string(line + length + strspn(line + length, " \t"));
        return;
    }
    log_warning(NULL, "bounce template: unknown header \"%s\": ignored", line);
}

/* Headers, an empty line, the body. What is not given stays as it was. */
static void parse_template(struct template *template, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        char *line = memory_copy_bytes(text, length);

        text += length + (text[length] == '\n');
        if (length == 0) {
            free(line);
            break;
        }
        set_header(template, line);
        free(line);
    }
    free(template->body);
    template->body = memory_copy_string(text);
}

/* "failure_template = <<EOF": which one, and the word that ends it. -1: something else. */
static int parse_opening(char *line, char **end_word)
{
    char *mark = strstr(line, "<<"), *equals = strchr(line, '=');

    if (mark == NULL || equals == NULL || equals > mark)
        return -1;
    *equals = '\0';
    *end_word = string_trim(mark + 2);
    for (int kind = 0; kind < TEMPLATE_KINDS; kind++)
        if (strcmp(string_trim(line), names[kind]) == 0 && **end_word != '\0')
            return kind;
    return -1;
}

static void read_here_document(FILE *file, const char *end_word, struct text *document)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;

    while ((length = getline(&line, &size, file)) > 0) {
        if ((size_t)length == strlen(end_word) + 1 && strncmp(line, end_word, (size_t)length - 1) == 0)
            break;
        text_append_bytes(document, line, (size_t)length);
    }
    free(line);
}

static void read_file(FILE *file, const char *path, struct template *templates[TEMPLATE_KINDS])
{
    char *line = NULL, *end_word;
    size_t size = 0;

    for (int number = 1; getline(&line, &size, file) > 0; number++) {
        struct text document = {0};
        char *trimmed = string_trim(line);
        int kind;

        if (*trimmed == '\0' || *trimmed == '#')
            continue;
        kind = parse_opening(trimmed, &end_word);
        if (kind < 0) {
            log_warning(NULL, "%s: line %d: expected \"NAME_template = <<WORD\", with failure, delay, success or verify "
                              "as NAME", path, number);
            continue;
        }
        read_here_document(file, end_word, &document);
        parse_template(templates[kind], text_string(&document));
        text_free(&document);
    }
    free(line);
}

void templates_load(const char *path, struct template *templates[TEMPLATE_KINDS])
{
    FILE *file;

    for (int kind = 0; kind < TEMPLATE_KINDS; kind++) {
        templates[kind] = memory_new(sizeof *templates[kind]);
        parse_template(templates[kind], built_in[kind]);
        if (templates[kind]->postmaster_subject == NULL)
            templates[kind]->postmaster_subject = memory_copy_string(templates[kind]->subject);
    }
    if (*path == '\0')
        return;
    file = fopen(path, "re");
    if (file == NULL) {
        log_warning(NULL, "bounce_template_file = %s: %s; using the built-in texts", path, strerror(errno));
        return;
    }
    read_file(file, path, templates);
    fclose(file);
}

/* ---- expanding ---- */

struct expansion {
    const struct config *config;
    const struct mail_config *mail;
};

/* delay_warning_time_hours and its like. */
static bool time_in_unit(const struct expansion *expansion, const char *name, long *result)
{
    static const struct {
        const char *suffix;
        duration unit;
    } units[] = {{"_seconds", SECONDS},      {"_minutes", 60 * SECONDS},        {"_hours", 3600 * SECONDS},
                 {"_days", 86400 * SECONDS}, {"_weeks", 7 * 86400 * SECONDS}};
    const struct {
        const char *name;
        duration value;
    } times[] = {{"delay_warning_time", expansion->mail->delay_warning_time},
                 {"maximal_queue_lifetime", expansion->mail->maximal_queue_lifetime}};

    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        size_t length = strlen(times[i].name);

        for (size_t j = 0; j < sizeof units / sizeof *units; j++) {
            if (strncmp(name, times[i].name, length) != 0 || strcmp(name + length, units[j].suffix) != 0)
                continue;
            *result = (long)(times[i].value / units[j].unit);
            return true;
        }
    }
    return false;
}

static bool name_is_set(void *context, const char *name)
{
    const struct expansion *expansion = context;
    const char *value = config_get(expansion->config, name);
    long number;

    return time_in_unit(expansion, name, &number) || (value != NULL && *value != '\0');
}

static bool name_value(void *context, const char *name, int depth, struct text *result, struct error *error)
{
    const struct expansion *expansion = context;
    const char *value;
    long number;

    (void)depth, (void)error;
    if (time_in_unit(expansion, name, &number))
        text_append_format(result, "%ld", number);
    else if ((value = config_get(expansion->config, name)) != NULL)
        text_append(result, value);
    return true;
}

void template_expand(const struct template *template, const struct config *config, const struct mail_config *mail,
                     struct text *result)
{
    struct expansion expansion = {config, mail};
    const struct expand_names expand = {name_is_set, name_value, &expansion};
    struct error error;

    if (!expand_text(&expand, template->body, 0, result, &error)) {
        log_warning(NULL, "bounce template: %s", error.text);
        text_clear(result);
        text_append(result, template->body);
    }
}
