/* xforward - tells a content filter who the message's client was: Postfix's XFORWARD command, as smtpd understands it. */
#ifndef SMTP_XFORWARD_H
#define SMTP_XFORWARD_H

#include <stdbool.h>

#include "mail/ipc/ipc.h"
#include "util/base/text.h"

/* What is told in two commands: name, address and port of the client; what it said, and how the message is called here. */
enum xforward_part { XFORWARD_CLIENT, XFORWARD_SESSION };

/* The bit of an attribute that a server's EHLO names; 0: nobody knows it. */
int xforward_attribute(const char *name);

/* Appends the command with what is known and `offered` (bits). False: there is nothing to say. */
bool xforward_command(const struct delivery_request *request, int offered, enum xforward_part part, struct text *line);

#endif
