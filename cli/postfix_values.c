/* What the values of parameters refer to: lookup tables, files, addresses, restrictions; each mistake with its file and
 * line. Types and numbers have been looked at before (config_check, master_cf_check). */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/postfix_commands.h"
#include "mail/address/match_list.h"
#include "mail/config/catalog.h"
#include "mail/config/master_cf.h"
#include "mail/config/used.h"
#include "mail/restriction/restriction.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/names.h"
#include "util/table/table.h"

enum { CLASS_DEPTH_LIMIT = 30 };

static const char separators[] = ", \t\r\n";

struct values {
    const struct config *config;          /* main.cf, and what the service at hand sets itself */
    const struct master_service *service; /* NULL: main.cf is at hand */
    const char *name;                     /* the parameter */
    postfix_complaint_fn *complain;
    void *context;
};

static void say(const struct values *values, enum postfix_severity severity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Where it is written: a class of restrictions has a line of its own. */
static void say(const struct values *values, enum postfix_severity severity, const char *format, ...)
{
    int line = config_line(values->config, values->name);
    struct text complaint = {0};
    va_list arguments;

    text_append_format(&complaint, "%s/", config_directory(values->config));
    if (line > 0)
        text_append_format(&complaint, "main.cf: line %d: ", line);
    else if (values->service == NULL)
        text_append(&complaint, "main.cf: ");
    else
        text_append_format(&complaint, "master.cf: line %d: service %s: ", values->service->line,
                           values->service->name);
    text_append_format(&complaint, "%s: ", values->name);
    va_start(arguments, format);
    text_append_format_list(&complaint, format, arguments);
    va_end(arguments);
    values->complain(values->context, severity, text_string(&complaint));
    text_free(&complaint);
}

/* ---- tables ---- */

static const char *without_proxy(const char *table)
{
    while (string_starts(table, "proxy:"))
        table += strlen("proxy:");
    return table;
}

/* The text is there and only the index is missing: somebody forgot a command, and mail waits until it is run. */
static bool wants_making(const char *table)
{
    const char *colon = strchr(table, ':');

    return colon != NULL && table_is_indexed(table) && access(colon + 1, R_OK) == 0;
}

static void check_table(const struct values *values, const char *name)
{
    struct error error;
    struct table *table = table_open_strictly(name, &error);

    if (table == NULL && wants_making(without_proxy(name)))
        say(values, POSTFIX_WARNING, "%s; make it with \"%s %s\"", error.text,
            string_starts(values->name, "alias_") ? "postalias" : "postmap", without_proxy(name));
    else if (table == NULL)
        say(values, POSTFIX_MISTAKE, "%s", error.text);
    table_close(table);
}

static void check_tables(const struct values *values, const char *text)
{
    char *copy = memory_copy_string(text), *cursor = copy, *word;

    while ((word = table_names_next(&cursor)) != NULL)
        check_table(values, word);
    free(copy);
}

/* ---- lists of names and addresses ---- */

static void hear_pattern(void *context, const char *mistake)
{
    say(context, POSTFIX_MISTAKE, "%s", mistake);
}

static bool is_table(const char *word, int flags)
{
    struct net_cidr block;
    struct error error;

    word += strspn(word, "!");
    return strchr(word, ':') != NULL && *word != '[' && *word != '/' &&
           !((flags & MATCH_ADDRESSES) && net_cidr_parse(word, &block, &error));
}

/* Tables are looked at by themselves; the list shows what is wrong with the other patterns. */
static void check_patterns(const struct values *values, const char *text, int flags)
{
    char *copy = memory_copy_string(text), *cursor = copy, *word;
    struct text others = {0};
    struct match_list *list;
    struct error error;

    while ((word = string_next_word_grouped(&cursor, separators)) != NULL) {
        if (is_table(word, flags))
            check_table(values, word + strspn(word, "!"));
        else
            text_append_format(&others, "%s ", word);
    }
    list = match_list_new(text_string(&others), flags, &error);
    if (list == NULL)
        say(values, POSTFIX_MISTAKE, "%s", error.text);
    else
        match_list_each_mistake(list, hear_pattern, (void *)values);
    match_list_free(list);
    text_free(&others);
    free(copy);
}

/* ---- restrictions ---- */

static bool looks_like_argument(const char *word)
{
    return strpbrk(word, ":.=/") != NULL;
}

static void check_restrictions(const struct values *values, const char *text, int depth);

static void check_class(const struct values *values, const char *name, int depth)
{
    struct values class = *values;
    const char *text = config_get(values->config, name);

    if (text == NULL) {
        say(values, POSTFIX_MISTAKE, "restriction class %s is not defined", name);
        return;
    }
    if (depth > CLASS_DEPTH_LIMIT) {
        say(values, POSTFIX_MISTAKE, "restriction class %s contains itself", name);
        return;
    }
    class.name = name;
    check_restrictions(&class, text, depth + 1);
}

/* False: nobody knows the word. */
static bool check_restriction(const struct values *values, const struct restriction_word *word, int depth)
{
    const char *classes = config_get(values->config, "smtpd_restriction_classes");

    if (word->known != NULL && word->known->argument == ARGUMENT_TABLE)
        check_tables(values, word->argument);
    if (word->known != NULL)
        return true;
    if (classes != NULL && restriction_is_class(classes, word->name)) {
        check_class(values, word->name, depth);
        return true;
    }
    say(values, POSTFIX_MISTAKE, "unknown restriction \"%s\"", word->name);
    return false;
}

static void check_restrictions(const struct values *values, const char *text, int depth)
{
    char *copy = memory_copy_string(text), *cursor = copy;
    struct restriction_word word;
    enum restriction_next next;
    struct error error;

    while ((next = restriction_next(&cursor, "check_recipient_access", &word, &error)) == RESTRICTION_WORD) {
        if (check_restriction(values, &word, depth))
            continue;
        /* What an unknown one is given would only be another mistake. */
        cursor += cursor != NULL ? strspn(cursor, separators) : 0;
        if (cursor != NULL && looks_like_argument(cursor) && strcspn(cursor, ":.=/") < strcspn(cursor, separators))
            string_next_word_grouped(&cursor, separators);
    }
    if (next == RESTRICTION_BAD)
        say(values, POSTFIX_MISTAKE, "%s", error.text);
    free(copy);
}

static bool guards_relay(const struct config *config, const char *text, int depth)
{
    const char *classes = config_get(config, "smtpd_restriction_classes");
    char *copy = memory_copy_string(text != NULL ? text : ""), *cursor = copy;
    struct restriction_word word;
    struct error error;
    bool guarded = false;

    while (!guarded && restriction_next(&cursor, "check_recipient_access", &word, &error) == RESTRICTION_WORD) {
        guarded = word.known != NULL && word.known->guards_relay;
        if (word.known == NULL && classes != NULL && depth < CLASS_DEPTH_LIMIT &&
            restriction_is_class(classes, word.name))
            guarded = guards_relay(config, config_get(config, word.name), depth + 1);
    }
    free(copy);
    return guarded;
}

static const char relay[] = "smtpd_relay_restrictions", recipient[] = "smtpd_recipient_restrictions";

static bool is_override(const struct config *config, const char *name)
{
    return config_get_raw(config, name) != NULL && config_line(config, name) == 0;
}

static void check_relay_guard(struct values *values)
{
    bool at_recipient = is_override(values->config, recipient);

    if (guards_relay(values->config, config_get(values->config, relay), 0) ||
        guards_relay(values->config, config_get(values->config, recipient), 0))
        return;
    values->name = at_recipient ? recipient : relay;
    say(values, POSTFIX_MISTAKE,
        "here or in %s, specify at least one working instance of: reject_unauth_destination, "
        "defer_unauth_destination, reject, defer or defer_if_permit", at_recipient ? relay : recipient);
}

/* ---- parameters ---- */

static void check_value(struct values *values, const char *name)
{
    const struct parameter *parameter = catalog_find(name);
    const char *value = parameter != NULL ? config_get(values->config, name) : NULL;

    values->name = name;
    if (value == NULL || parameter->least == NULL)
        return;
    switch (parameter->type) {
    case PARAMETER_tables: check_tables(values, value); break;
    case PARAMETER_patterns: check_patterns(values, value, 0); break;
    case PARAMETER_networks: check_patterns(values, value, MATCH_ADDRESSES); break;
    case PARAMETER_restrictions: check_restrictions(values, value, 0); break;
    default: break;
    }
}

static void check_setting(void *context, const char *name, const char *value)
{
    (void)value;
    check_value(context, name);
}

/* ---- master.cf ---- */

static char *override_name(const char *assignment)
{
    assignment += strspn(assignment, " \t");
    return memory_copy_bytes(assignment, strcspn(assignment, " \t="));
}

static void check_override(struct values *values, const struct config_names *names, const char *name)
{
    struct error error;

    values->name = name;
    if (catalog_find(name) == NULL && !config_names_have(names, name))
        say(values, POSTFIX_WARNING, "unused parameter");
    else if (!config_value_works(values->config, name, &error))
        say(values, POSTFIX_MISTAKE, "%s", error.text);
    else
        check_value(values, name);
}

/* What a service sets itself holds for it alone; it is looked at together with all the rest. */
static void check_service(struct values *values, const struct config *main_cf, const struct config_names *names,
                          const struct master_service *service)
{
    struct config *config = config_copy(main_cf);
    const char *assignment;
    struct error ignored; /* master_cf_check has said it */

    for (size_t i = 1; (assignment = master_arguments_next_override(service->arguments, &i)) != NULL;)
        config_override(config, assignment, &ignored);
    values->config = config;
    values->service = service;
    for (size_t i = 1; (assignment = master_arguments_next_override(service->arguments, &i)) != NULL;) {
        char *name = override_name(assignment);

        check_override(values, names, name);
        free(name);
    }
    if (string_equal(service->arguments[0], "smtpd") && (is_override(config, relay) || is_override(config, recipient)))
        check_relay_guard(values);
    config_free(config);
}

void postfix_check_values(const struct config *config, postfix_complaint_fn *complain, void *context)
{
    struct values values = {.config = config, .complain = complain, .context = context};
    struct error ignored;
    struct master_cf *master_cf = master_cf_load(config, &ignored); /* its own mistakes are another check's */
    struct config_names *names = config_names_new(config, master_cf);

    config_each_setting(config, check_setting, &values);
    check_relay_guard(&values);
    for (size_t i = 0; master_cf != NULL && i < master_cf->count; i++)
        check_service(&values, config, names, &master_cf->services[i]);
    config_names_free(names);
    master_cf_free(master_cf);
}
