#include <openssl/err.h>
#include <string.h>

#include "util/net/tls_internal.h"

bool tls_error_take(struct error *error, const char *what)
{
    const char *file, *function, *data;
    char words[256];
    int line, flags;
    unsigned long code = ERR_get_error_all(&file, &line, &function, &data, &flags);

    if (code == 0)
        return error_set(error, "%s", what);
    ERR_error_string_n(code, words, sizeof words);
    error_set(error, "%s:%s:%d:%s%s", words, file, line, (flags & ERR_TXT_STRING) != 0 ? data : "",
              (flags & ERR_TXT_STRING) != 0 && *data != '\0' ? ":" : "");
    ERR_clear_error();
    return false;
}
