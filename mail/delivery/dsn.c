#include "mail/delivery/dsn.h"

#include <string.h>

#include "util/base/text.h"

size_t dsn_length(const char *text)
{
    size_t at = 1;

    if (*text != '2' && *text != '4' && *text != '5')
        return 0;
    for (int part = 0; part < 2; part++) {
        size_t digits = 0;

        if (text[at++] != '.')
            return 0;
        while (ascii_is_digit(text[at])) {
            at++;
            digits++;
        }
        if (digits < 1 || digits > 3)
            return 0;
    }
    return text[at] == '\0' || ascii_is_space(text[at]) ? at : 0;
}

const char *dsn_split(const char *text, const char *fallback, char dsn[DSN_SIZE])
{
    size_t length = dsn_length(text);
    bool fits = length > 0 && *text == *fallback;
    size_t taken = fits ? length : strnlen(fallback, DSN_SIZE - 1);

    memcpy(dsn, fits ? text : fallback, taken);
    dsn[taken] = '\0';
    for (text += length; ascii_is_space(*text); text++)
        ;
    return text;
}
