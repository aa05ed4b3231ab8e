/* known - programs that master.cf files name and that this system has no need of: what they do is done inside
 * other services. Such a line is accepted in silence, and opens no socket. */
#ifndef MASTER_KNOWN_H
#define MASTER_KNOWN_H

#include <stdbool.h>

bool known_as_needless(const char *program);

#endif
