/* restriction - lists of restrictions as main.cf has them: smtpd_recipient_restrictions and their like.
 *
 * smtpd reads them with this and puts a function behind each; `postfix check` reads them and looks for mistakes. */
#ifndef MAIL_RESTRICTION_RESTRICTION_H
#define MAIL_RESTRICTION_RESTRICTION_H

#include <stdbool.h>

#include "util/base/error.h"

enum restriction_argument {
    ARGUMENT_NONE,
    ARGUMENT_WORD,
    ARGUMENT_TABLE,
    ARGUMENT_CERTIFICATE_TABLE, /* a table, or { type:table, search_order = ... } */
};

/* One row of restriction.def. */
struct restriction_name {
    const char *name;
    enum restriction_argument argument;
    bool guards_relay; /* strangers cannot relay past it */
};

const struct restriction_name *restriction_name_find(const char *name); /* NULL: there is no such restriction */

/* One restriction of a list. */
struct restriction_word {
    const char *name;                     /* as written, or the restriction that a bare type:table stands for */
    const struct restriction_name *known; /* NULL: it is no restriction, a class perhaps */
    const char *argument;                 /* NULL: it has none */
};

enum restriction_next { RESTRICTION_END, RESTRICTION_WORD, RESTRICTION_BAD };

/* Takes the next one off *cursor, in place. bare_table: what a bare type:table stands for. RESTRICTION_BAD: its argument
 * is missing; error says so. */
enum restriction_next restriction_next(char **cursor, const char *bare_table, struct restriction_word *word,
                                       struct error *error);

/* Is name one of the names in classes, the value of smtpd_restriction_classes? */
bool restriction_is_class(const char *classes, const char *name);

#endif
