/* secret - random bytes that an instance keeps for good, in a file of its data directory. */
#ifndef MAIL_SASL_SECRET_H
#define MAIL_SASL_SECRET_H

#include <stdbool.h>

#include "util/base/error.h"

enum { SECRET_SIZE = 32 };

/* Reads DIRECTORY/NAME, makes it when it is not there (mode 0600, the directory's owner). False: see error; the secret
 * is random all the same, for this process alone. */
bool secret_get(const char *directory, const char *name, unsigned char secret[SECRET_SIZE], struct error *error);

#endif
