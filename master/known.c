#include "master/known.h"

#include <stddef.h>

#include "util/base/text.h"

static const char *const needless[] = {
    "flush",    /* the queue manager knows what waits for whom */
    "proxymap", /* processes are few: each opens its tables once */
    "scache",   /* a process of smtp keeps its own connections */
    "tlsproxy", /* TLS is part of every stream */
    "verify",   /* as flush */
};

bool known_as_needless(const char *program)
{
    for (size_t i = 0; i < sizeof needless / sizeof *needless; i++)
        if (string_equal(program, needless[i]))
            return true;
    return false;
}
