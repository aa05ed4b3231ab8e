/* catalog - all parameters of all programs: one row for each name in any .def file. */
#ifndef MAIL_CONFIG_CATALOG_H
#define MAIL_CONFIG_CATALOG_H

#include <stddef.h>

#include "mail/config/parameter.h"

/* In the order of the .def files, a name once. A reserved name (PARAMETER_RESERVED: known, and of no use to any
 * program yet) has least == NULL and no meaning. */
size_t catalog_count(void);
const struct parameter *catalog_at(size_t index);
const struct parameter *catalog_find(const char *name); /* NULL: nobody knows it */

/* The unit that a bare number counts: the one that the default is written in, else seconds. */
char catalog_time_unit(const struct parameter *parameter);

/* Defaults that depend on the machine or the process, such as myhostname, are computed. Appends the unexpanded
 * text, NULL parameter fields aside; false: this is not such a name. */
struct config;
struct text;
bool catalog_compute_default(const struct config *config, const char *name, struct text *result);

/* "TRANSPORT_suffix": the default_suffix parameter that an unset one falls back on, or NULL. *stem_length becomes
 * the length of TRANSPORT. */
const char *catalog_transport_fallback(const char *name, size_t *stem_length);

#endif
