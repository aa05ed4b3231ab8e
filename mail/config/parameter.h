/* parameter - one main.cf parameter is one PARAMETER line in a .def file; everything else comes from there.
 *
 *     PARAMETER(type, name, default, least, most, "what it means")
 *
 * The same list, included with different meanings of PARAMETER, makes the members of a const struct, the table
 * that fills it, `postconf -d`, the manual page and the check for unknown names. The types:
 *
 *     string    text, after $expansion                    const char *
 *     tables, patterns, networks, restrictions
 *               the same; `postfix check` looks into it   const char *
 *     raw       text, not expanded                         const char *
 *     boolean   yes or no                                  bool
 *     count     an integer                                 long
 *     time      an integer with s, m, h, d or w            duration (default unit: s; see `unit` below)
 *     size      an integer, as count (bytes)               long
 *
 * The default is main.cf text and may contain $name, ${stress?{10}:{300}} and the like. least and most bound
 * numbers (for time: durations, `1s, 1000d`); most = 0 means no bound. For string, least = 1 means that the
 * value may not be empty; otherwise both are 0.
 *
 * A folder's config header:
 *
 *     struct smtpd_config {
 *     #define PARAMETER PARAMETER_MEMBER
 *     #include "smtpd/smtpd.def"
 *     #undef PARAMETER
 *     };
 *
 * and one of its sources:
 *
 *     static const struct parameter parameters[] = {
 *     #define PARAMETER(...) PARAMETER_ROW(struct smtpd_config, __VA_ARGS__)
 *     #include "smtpd/smtpd.def"
 *     #undef PARAMETER
 *     };
 *     const struct parameter_set smtpd_parameters = PARAMETER_SET(parameters, struct smtpd_config);
 */
#ifndef MAIL_CONFIG_PARAMETER_H
#define MAIL_CONFIG_PARAMETER_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/clock.h"

enum parameter_type {
    PARAMETER_string,
    PARAMETER_tables,       /* type:name ... (util/table/table.h) */
    PARAMETER_patterns,     /* names, type:name, /file, !pattern (mail/address/match_list.h) */
    PARAMETER_networks,     /* the same, with addresses */
    PARAMETER_restrictions, /* what smtpd asks (mail/restriction/restriction.h) */
    PARAMETER_raw,
    PARAMETER_boolean,
    PARAMETER_count,
    PARAMETER_time,
    PARAMETER_size,
};

typedef const char *parameter_member_string;
typedef const char *parameter_member_tables;
typedef const char *parameter_member_patterns;
typedef const char *parameter_member_networks;
typedef const char *parameter_member_restrictions;
typedef const char *parameter_member_raw;
typedef bool parameter_member_boolean;
typedef long parameter_member_count;
typedef duration parameter_member_time;
typedef long parameter_member_size;

struct parameter {
    const char *name;
    enum parameter_type type;
    const char *default_value;
    const char *least, *most; /* as written in the .def file */
    const char *meaning;
    size_t offset; /* in the folder's config struct */
};

struct parameter_set {
    const struct parameter *parameters;
    size_t count;
    size_t size; /* of the config struct */
};

#define PARAMETER_MEMBER(type, name, default_value, least, most, meaning) parameter_member_##type name;
#define PARAMETER_ROW(structure, type, name, default_value, least, most, meaning)                                     \
    {#name, PARAMETER_##type, default_value, #least, #most, meaning, offsetof(structure, name)},
#define PARAMETER_SET(rows, structure)                                                                                \
    {                                                                                                                 \
        rows, sizeof(rows) / sizeof *(rows), sizeof(structure)                                                        \
    }

#endif
