#include "util/net/ascii_name.h"

#include <idn2.h>

#include "util/base/library.h"

struct functions {
    __typeof__(&idn2_to_ascii_8z) convert;
    __typeof__(&idn2_free) free;
};

static bool load(struct functions *functions)
{
    void *library = library_open("libidn2.so.0");

    return library != NULL &&
           library_find(library, "idn2_to_ascii_8z", &functions->convert, sizeof functions->convert) &&
           library_find(library, "idn2_free", &functions->free, sizeof functions->free);
}

void net_name_prepare(void)
{
    struct functions functions;

    load(&functions);
}

bool net_name_to_ascii(const char *name, struct text *out)
{
    struct functions functions;
    char *ascii = NULL;

    if (!string_has_high_bytes(name)) {
        text_append(out, name);
        return true;
    }
    if (!load(&functions) || functions.convert(name, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return false;
    text_append(out, ascii);
    functions.free(ascii);
    return true;
}

const char *net_name_ascii(const char *name, struct arena *arena)
{
    struct text ascii = {0};
    const char *copy;

    if (!string_has_high_bytes(name))
        return name;
    copy = net_name_to_ascii(name, &ascii) ? arena_copy(arena, text_string(&ascii)) : name;
    text_free(&ascii);
    return copy;
}
