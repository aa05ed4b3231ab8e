#include "util/base/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *bytes, size_t length, struct text *encoded)
{
    const unsigned char *at = bytes;

    text_append(encoded, "");
    for (; length > 0; at += 3) {
        size_t count = length < 3 ? length : 3;
        uint32_t group = (uint32_t)at[0] << 16 | (count > 1 ? (uint32_t)at[1] << 8 : 0) | (count > 2 ? at[2] : 0);

        for (size_t i = 0; i < 4; i++)
            text_append_char(encoded, i <= count ? alphabet[group >> (18 - 6 * i) & 63] : '=');
        length -= count;
    }
}

/* Four characters; returns how many bytes they are, 0: they are wrong. `last`: padding may stand here. */
static size_t decode_group(const char *characters, bool last, unsigned char bytes[3])
{
    size_t padding = characters[3] != '=' ? 0 : characters[2] != '=' ? 1 : 2;
    uint32_t group = 0;

    if (padding > 0 && !last)
        return 0;
    for (size_t i = 0; i < 4; i++) {
        const char *found = i < 4 - padding ? strchr(alphabet, characters[i]) : alphabet;

        if (found == NULL)
            return 0;
        group = group << 6 | (uint32_t)(found - alphabet);
    }
    bytes[0] = (unsigned char)(group >> 16);
    bytes[1] = (unsigned char)(group >> 8 & 255);
    bytes[2] = (unsigned char)(group & 255);
    for (size_t i = 3 - padding; i < 3; i++)
        if (bytes[i] != 0) /* bits that no encoder sets */
            return 0;
    return 3 - padding;
}

bool base64_decode(const char *encoded, struct text *bytes)
{
    size_t length = strlen(encoded), before = bytes->length;

    text_append(bytes, "");
    for (size_t i = 0; i + 4 <= length; i += 4) {
        unsigned char group[3];
        size_t count = decode_group(encoded + i, i + 4 == length, group);

        if (count == 0)
            length = 1; /* wrong, as any length that is no multiple of four */
        else
            text_append_bytes(bytes, group, count);
    }
    if (length % 4 != 0)
        text_truncate(bytes, before);
    return length % 4 == 0;
}
