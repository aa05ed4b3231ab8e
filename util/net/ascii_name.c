#include "util/net/ascii_name.h"

#include <idn2.h>

bool net_name_to_ascii(const char *name, struct text *out)
{
    char *ascii = NULL;

    if (!string_has_high_bytes(name)) {
        text_append(out, name);
        return true;
    }
    if (idn2_to_ascii_8z(name, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return false;
    text_append(out, ascii);
    idn2_free(ascii);
    return true;
}
