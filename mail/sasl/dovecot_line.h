/* dovecot_line - the lines of Dovecot's authentication protocol, version 1: words between TABs, in which \001 escapes
 * what cannot stand there. */
#ifndef MAIL_SASL_DOVECOT_LINE_H
#define MAIL_SASL_DOVECOT_LINE_H

#include "mail/sasl/sasl_server.h"

enum { DOVECOT_WORD_LIMIT = 32 };

struct dovecot_line {
    size_t count; /* at least 1 */
    char *words[DOVECOT_WORD_LIMIT];
};

/* Takes the line apart, in place. Words beyond the limit are dropped; what follows a NUL is too. */
void dovecot_line_split(char *line, struct dovecot_line *out);
/* The value of NAME=VALUE behind the first `from` words, "" for a bare NAME, NULL when it is not there. */
const char *dovecot_line_field(const struct dovecot_line *line, size_t from, const char *name);
/* A request's number as the second word. False: there is none. */
bool dovecot_line_id(const struct dovecot_line *line, unsigned *id);
/* "MECH <tab> NAME <tab> property...": false for one that is not for us (private), or makes no sense. The name points
 * into the line. */
bool dovecot_line_mechanism(const struct dovecot_line *line, struct sasl_offer *offer);

/* Appends <tab> NAME=VALUE, escaped. */
void dovecot_line_append(struct text *line, const char *name, const char *value);

#endif
