#include "mail/sasl/saslprep.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/usprep.h>
#include <unicode/ustring.h>

#include "util/base/library.h"
#include "util/base/memory.h"

/* ICU puts its version behind the names of its functions, by macros. */
#define TEXT_OF(expanded) #expanded
#define NAME_OF(function) TEXT_OF(function)
#define FIND(function, member) library_find(library, NAME_OF(function), &icu->member, sizeof icu->member)

struct icu {
    __typeof__(&u_strFromUTF8) from_utf8;
    __typeof__(&u_strToUTF8) to_utf8;
    __typeof__(&usprep_openByType) open;
    __typeof__(&usprep_prepare) prepare;
    __typeof__(&usprep_close) close;
};

static bool load(struct icu *icu)
{
    void *library = library_open("libicuuc.so." U_ICU_VERSION_SHORT);

    return library != NULL && FIND(u_strFromUTF8, from_utf8) && FIND(u_strToUTF8, to_utf8) &&
           FIND(usprep_openByType, open) && FIND(usprep_prepare, prepare) && FIND(usprep_close, close);
}

bool saslprep_load(void)
{
    struct icu icu;

    return load(&icu);
}

/* UTF-16 on its way; a character may become many. */
struct wide {
    UChar *units;
    int32_t length, room;
};

static struct wide wide_new(size_t room)
{
    return (struct wide){memory_new((room + 1) * sizeof(UChar)), 0, (int32_t)room};
}

static void wide_free(struct wide *wide)
{
    explicit_bzero(wide->units, (size_t)wide->room * sizeof(UChar));
    free(wide->units);
}

/* Characters that Unicode had not in RFC 3454's time go through: people type them. */
static bool prepare(const struct icu *icu, const struct wide *in, struct wide *out)
{
    UErrorCode status = U_ZERO_ERROR;
    UStringPrepProfile *profile = icu->open(USPREP_RFC4013_SASLPREP, &status);

    if (U_SUCCESS(status))
        out->length = icu->prepare(profile, in->units, in->length, out->units, out->room, USPREP_ALLOW_UNASSIGNED, NULL,
                                   &status);
    if (profile != NULL)
        icu->close(profile);
    return U_SUCCESS(status);
}

static bool write_utf8(const struct icu *icu, const struct wide *wide, struct text *out)
{
    size_t room = (size_t)wide->length * 3;
    UErrorCode status = U_ZERO_ERROR;
    int32_t length = 0;

    text_reserve(out, room);
    icu->to_utf8(out->data, (int32_t)room + 1, &length, wide->units, wide->length, &status);
    out->length = U_SUCCESS(status) ? (size_t)length : 0;
    out->data[out->length] = '\0';
    return U_SUCCESS(status);
}

static bool prepare_text(const char *text, size_t length, struct text *prepared)
{
    enum { GROWTH = 18 }; /* NFKC's largest: U+FDFA */
    struct wide in = wide_new(length), out = wide_new(length * GROWTH);
    UErrorCode status = U_ZERO_ERROR;
    struct icu icu;
    bool good = load(&icu);

    if (good)
        icu.from_utf8(in.units, in.room, &in.length, text, (int32_t)length, &status);
    good = good && U_SUCCESS(status) && prepare(&icu, &in, &out) && write_utf8(&icu, &out, prepared);
    wide_free(&in);
    wide_free(&out);
    return good;
}

bool saslprep(const char *text, struct text *prepared)
{
    enum { LIMIT = 4096 }; /* no name and no password is longer */
    size_t length = strlen(text);
    bool good = !string_has_high_bytes(text);

    text_clear(prepared);
    if (!good && length <= LIMIT)
        good = prepare_text(text, length, prepared);
    if (good && prepared->length > 0)
        return true;
    text_clear(prepared);
    text_append(prepared, text);
    return good;
}
