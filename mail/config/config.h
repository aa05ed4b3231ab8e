/* config - main.cf: read once, then const.
 *
 * The language is postconf(5)'s: name = value, continuation by leading white space, # comments, $name, $(name),
 * ${name}, ${name?text}, ${name:text}, ${name?{a}:{b}}, ${{a} == {b} ? {c} : {d}} with == != < <= >= > and the
 * <level operators, $$, to any depth. Every message about the file names file and line. */
#ifndef MAIL_CONFIG_CONFIG_H
#define MAIL_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "mail/config/parameter.h"
#include "util/base/error.h"
#include "util/base/text.h"

struct config;

/* Where the configuration lives: the -c argument if given, else MAIL_CONFIG, else the built-in /etc/postfix. */
const char *config_directory_choose(const char *option_c);

/* Reads DIRECTORY/main.cf. The result is owned by the caller; strings obtained from it live as long as it does.
 * config_new_empty has no file: defaults and overrides only. */
struct config *config_load(const char *directory, struct error *error);
struct config *config_new_empty(const char *directory);
struct config *config_copy(const struct config *config); /* with the overrides of the original so far */
void config_free(struct config *config);

const char *config_directory(const struct config *config);

/* `-o name=value` and `-o { name = value }`, as master.cf and commands have them. */
bool config_override(struct config *config, const char *assignment, struct error *error);

/* The value of any name: from overrides, main.cf, or the default in any .def list; $expanded. NULL: nobody knows
 * the name, or its expansion fails (a loop), which is logged. Text is computed once and cached in config. */
const char *config_get(const struct config *config, const char *name);
bool config_get_boolean(const struct config *config, const char *name, bool fallback);
long config_get_count(const struct config *config, const char *name, long fallback);
duration config_get_time(const struct config *config, const char *name, duration fallback);

/* TRANSPORT_SUFFIX if main.cf or an override sets it, else the value of `fallback` (default_SUFFIX and so on):
 * config_get_transport(c, "slow", "_destination_concurrency_limit", "default_destination_concurrency_limit"). */
const char *config_get_transport(const struct config *config, const char *transport, const char *suffix,
                                 const char *fallback);

/* The text as the file has it, before expansion; NULL when main.cf and overrides do not set it. */
const char *config_get_raw(const struct config *config, const char *name);
/* The same, or the text of the default; NULL: nobody knows the name. */
const char *config_unexpanded(const struct config *config, const char *name);
/* Every name that main.cf (in its order) or an override sets. */
typedef void config_setting_fn(void *context, const char *name, const char *value);
void config_each_setting(const struct config *config, config_setting_fn *setting, void *context);
/* Where main.cf sets the name: its line, or 0. */
int config_line(const struct config *config, const char *name);

/* Expands $names in any text, by the same rules. The result is appended. */
bool config_expand(const struct config *config, const char *value, struct text *result, struct error *error);

/* Fills a folder's config struct. Text members point into config. False names the first mistake; the members without
 * one are filled all the same (the others are 0 and NULL). The error says file, line, value and
 * what would be right ("/etc/postfix/main.cf: line 12: bad numerical value: smtpd_timeout = 3x00s ..."). */
bool config_fill(const struct config *config, const struct parameter_set *set, void *target, struct error *error);

/* One value by itself. `unit` is what a bare number counts ('s' unless the parameter says otherwise). */
bool config_parse_time(const char *value, char unit, duration *result);

/* Whether the value that is set for the name, or its default, expands and is of its type. */
bool config_value_works(const struct config *config, const char *name, struct error *error);

/* Every line of main.cf that no program understands, and every value that its type refuses: one callback each. */
typedef void config_complaint_fn(void *context, const char *file, int line, const char *complaint);
void config_check(const struct config *config, config_complaint_fn *complain, void *context);

/* Leaves of this process's environment what import_environment says; every service and command does so first. */
void config_clean_environment(const struct config *config);

#endif
