/* postconf - what the parts of postconf(1) share. */
#ifndef CLI_POSTCONF_H
#define CLI_POSTCONF_H

#include <stdbool.h>

#include "mail/config/config.h"
#include "mail/config/master_cf.h"
#include "util/base/text.h"

/* Whose idea a name is: ours, a service's (its name and one of our suffixes), or the administrator's. */
enum postconf_class { CLASS_BUILTIN = 1, CLASS_SERVICE = 2, CLASS_USER = 4, CLASS_ALL = 7 };

struct postconf {
    const char *directory;
    struct config *config;       /* main.cf and -o, or, for -d, nothing: defaults */
    struct master_cf *master_cf; /* NULL: there is none */
    int classes;
    bool only_set; /* -n */
    bool hide_names, hide_values, fold, expand, json;
};

/* ---- postconf_text.c ---- */
/* Runs of white space become one blank. */
void postconf_squeeze(const char *value, struct text *result);
/* Appends the value, expanded for -x. */
void postconf_value(const struct postconf *postconf, const char *name, const char *value, struct text *result);
/* "name = value", as -h, -H, -f, -j and -x want it. */
void postconf_print(const struct postconf *postconf, const char *name, const char *value);
/* Breaks lines longer than limit, where there are blanks; lines after the first are indented. */
enum { POSTCONF_LINE = 80, POSTCONF_SERVICE_LINE = 79 };
void postconf_fold(const char *line, size_t limit, struct text *result);

/* ---- postconf_main_cf.c ---- */
void postconf_show_all(const struct postconf *postconf);
void postconf_show_named(const struct postconf *postconf, char *const *names);

/* ---- postconf_warnings.c ---- */
void postconf_warn_undefined(const struct postconf *postconf); /* before what is printed */
void postconf_warn_unused(const struct postconf *postconf, bool main_cf_too); /* after it */
/* Calls back for each -o of a service, with its name and value. */
void postconf_each_override(const struct master_service *service, config_setting_fn *setting, void *context);

/* ---- postconf_deprecated.c ---- */
void postconf_warn_deprecated(const struct postconf *postconf);

/* ---- postconf_templates.c: -t and -b; the first argument is a file in place of bounce_template_file ---- */
void postconf_show_templates(const struct postconf *postconf, char *const *arguments);
void postconf_preview_templates(const struct postconf *postconf, char *const *arguments);

/* ---- postconf_services.c: -M, -F and -P ---- */
void postconf_show_services(const struct postconf *postconf, char *const *requests);
void postconf_show_fields(const struct postconf *postconf, char *const *requests);
void postconf_show_overrides(const struct postconf *postconf, char *const *requests);

/* ---- postconf_service_text.c ---- */
/* What -x expands a service's values with: main.cf, and the service's own -o settings before it. The configuration is
 * the caller's to free; NULL without -x. */
struct postconf postconf_of_service(const struct postconf *postconf, const struct master_service *service);
/* A service as -M, and its command as -F prints it, with -f and -x; what result holds is the line's beginning. */
void postconf_format_service(const struct postconf *postconf, const struct master_service *service,
                             struct text *result);
void postconf_format_command(const struct postconf *postconf, const struct master_service *service,
                             struct text *result);

/* ---- postconf_file.c ---- */
/* A file that is being changed: nobody else changes it until it is closed, and it changes as a whole. */
struct postconf_file {
    char *path;
    int fd; /* of the old file, locked */
    struct text content;
};

void postconf_file_open(struct postconf_file *file, const char *directory, const char *name);
/* The next line of *cursor without its end; false at the end of the content. The line is a copy in line. */
bool postconf_file_line(const char **cursor, struct text *line);
bool postconf_line_is_comment(const char *line); /* or blank */
void postconf_file_replace(struct postconf_file *file, const struct text *content); /* closes it too */

/* "name=value" as edits take it, in place; dies of what is no such thing. */
void postconf_split_request(char *request, char **name, char **value);

/* ---- postconf_edit.c: each request changes main.cf or master.cf, all or nothing ---- */
enum postconf_edit { EDIT_SET, EDIT_COMMENT, EDIT_REMOVE };

void postconf_edit_main_cf(const char *directory, enum postconf_edit edit, char *const *requests);

/* ---- postconf_edit_services.c ---- */
void postconf_edit_services(const struct postconf *postconf, enum postconf_edit edit, char *const *requests);
void postconf_edit_fields(const struct postconf *postconf, char *const *requests);
void postconf_edit_overrides(const struct postconf *postconf, enum postconf_edit edit, char *const *requests);

#endif
