/* ascii_name - a domain name of any script as DNS has it: labels beyond ASCII become xn--... (RFC 5890, RFC 3492). */
#ifndef UTIL_NET_ASCII_NAME_H
#define UTIL_NET_ASCII_NAME_H

#include <stdbool.h>

#include "util/base/text.h"

/* Appends the name. What is ASCII stays as it is; the rest is taken as it stands, in UTF-8: it should be in lower case and
 * composed (NFC) already, as people write it. False: it is no UTF-8, or a label is longer than DNS takes. */
bool net_name_to_ascii(const char *name, struct text *out);

#endif
