/* ascii_name - a domain name of any script as DNS has it: labels beyond ASCII become xn--... (IDNA 2008, RFC 5891, with the
 * mapping of UTS 46: "Bücher" is "bücher").
 *
 * libidn2 is loaded when a name needs it: it would cost every short command a fifth of its time. A service whose root
 * directory changes and that may need it prepares for it before. */
#ifndef UTIL_NET_ASCII_NAME_H
#define UTIL_NET_ASCII_NAME_H

#include <stdbool.h>

#include "util/base/arena.h"
#include "util/base/text.h"

/* Appends the name. What is ASCII stays as it is. False: it is no UTF-8, has characters that no name may have, or a label is longer
 * than DNS takes; or libidn2 is not there. */
bool net_name_to_ascii(const char *name, struct text *out);

/* The same as the arena's, or the name as it is where it has no such form: nobody will know it then. */
const char *net_name_ascii(const char *name, struct arena *arena);

/* Loads libidn2 now, if it is there. */
void net_name_prepare(void);

#endif
