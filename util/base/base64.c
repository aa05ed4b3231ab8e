#include "util/base/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *bytes, size_t length, struct text *encoded)
{
    const unsigned char *from = bytes;

    text_reserve(encoded, (length + 2) / 3 * 4);
    for (size_t i = 0; i < length; i += 3) {
        size_t count = length - i < 3 ? length - i : 3;
        uint32_t group = (uint32_t)from[i] << 16;

        group |= count > 1 ? (uint32_t)from[i + 1] << 8 : 0;
        group |= count > 2 ? from[i + 2] : 0;
        text_append_char(encoded, alphabet[group >> 18]);
        text_append_char(encoded, alphabet[group >> 12 & 63]);
        text_append_char(encoded, count > 1 ? alphabet[group >> 6 & 63] : '=');
        text_append_char(encoded, count > 2 ? alphabet[group & 63] : '=');
    }
}

static int value_of(char c)
{
    const char *found = c != '\0' ? strchr(alphabet, c) : NULL;

    return found != NULL ? (int)(found - alphabet) : -1;
}

/* One group's bytes into bytes[3]; their number, 0 when it is none. */
static size_t decode_group(const char *group, bool last, unsigned char *bytes)
{
    size_t digits = 4;
    uint32_t bits = 0;

    if (last && group[3] == '=')
        digits = group[2] == '=' ? 2 : 3;
    for (size_t i = 0; i < digits; i++) {
        int value = value_of(group[i]);

        if (value < 0)
            return 0;
        bits |= (uint32_t)value << (18 - 6 * i);
    }
    if ((digits == 2 && (bits & 0xffff) != 0) || (digits == 3 && (bits & 0xff) != 0))
        return 0;
    for (size_t i = 0; i < 3; i++)
        bytes[i] = (unsigned char)(bits >> (16 - 8 * i));
    return digits - 1;
}

bool base64_decode(const char *encoded, struct text *bytes)
{
    size_t length = strlen(encoded), before = bytes->length;

    if (length % 4 != 0)
        return false;
    text_reserve(bytes, length / 4 * 3);
    for (size_t i = 0; i < length; i += 4) {
        unsigned char group[3];
        size_t count = decode_group(encoded + i, i + 4 == length, group);

        if (count == 0) {
            explicit_bzero(bytes->data + before, bytes->length - before);
            text_truncate(bytes, before);
            return false;
        }
        text_append_bytes(bytes, group, count);
    }
    return true;
}

bool base64_valid(const char *encoded)
{
    struct text bytes = {0};
    bool valid = base64_decode(encoded, &bytes);

    text_wipe(&bytes);
    return valid;
}
