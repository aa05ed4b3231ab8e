/* plain - the message of the PLAIN mechanism: RFC 4616. */
#ifndef MAIL_SASL_PLAIN_H
#define MAIL_SASL_PLAIN_H

#include <stdbool.h>

#include "util/base/text.h"

struct plain_message {
    const char *authorization; /* whom to act as; "": whom it logs in */
    const char *username, *password;
};

/* Points into message. False: it has not the form [NAME] NUL NAME NUL PASSWORD. */
bool plain_parse(const struct text *message, struct plain_message *parts);
void plain_print(const char *authorization, const char *username, const char *password, struct text *message);

/* A user's name that can be looked up and logged: not empty, not too long, UTF-8 without control characters. */
bool sasl_username_valid(const char *username);

#endif
