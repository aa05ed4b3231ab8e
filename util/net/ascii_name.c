#include "util/net/ascii_name.h"

#include <dlfcn.h>
#include <idn2.h>
#include <string.h>

/* The library's functions. It stays loaded: a second dlopen costs next to nothing. */
struct library {
    __typeof__(&idn2_to_ascii_8z) convert;
    __typeof__(&idn2_free) free;
};

/* ISO C knows no way from an object pointer to a function pointer; POSIX says that this one works. */
static bool find(void *library, const char *name, void *function, size_t size)
{
    void *symbol = dlsym(library, name);

    memcpy(function, &symbol, size);
    return symbol != NULL;
}

static bool load(struct library *functions)
{
    void *library = dlopen("libidn2.so.0", RTLD_NOW | RTLD_NODELETE);

    return library != NULL && find(library, "idn2_to_ascii_8z", &functions->convert, sizeof functions->convert) &&
           find(library, "idn2_free", &functions->free, sizeof functions->free);
}

bool net_name_to_ascii(const char *name, struct text *out)
{
    struct library functions;
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
