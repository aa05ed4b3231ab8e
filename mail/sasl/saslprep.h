/* saslprep - the one form of a name or password that both sides of a login compute with: RFC 4013. "é" typed as one
 * character is the same as an e with an accent behind it, a blank of any kind is a blank, a soft hyphen is nothing.
 *
 * ICU is loaded when a text needs it: with what it takes along it is 2 MiB of each process, and most names and passwords
 * are ASCII. */
#ifndef MAIL_SASL_SASLPREP_H
#define MAIL_SASL_SASLPREP_H

#include <stdbool.h>

#include "util/base/text.h"

/* Replaces what prepared holds; wipe it when it is a password. ASCII stays as it is. False: the text is no UTF-8, or has
 * characters that are not allowed, or ICU is not there; prepared holds it unchanged then. */
bool saslprep(const char *text, struct text *prepared);

/* Loads ICU now, for a process that could not do so later. False: it is not there. */
bool saslprep_load(void);

#endif
