#include "util/net/ascii_name.h"

#include <stdint.h>
#include <string.h>

enum { LABEL_LIMIT = 63 };

/* RFC 3492 section 5. */
enum { BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, FIRST_BIAS = 72, FIRST_CODE = 128 };

/* ---- code points ---- */

/* The text is valid. */
static uint32_t next_code_point(const unsigned char **cursor)
{
    const unsigned char *c = *cursor;
    int more = *c >= 0xf0 ? 3 : *c >= 0xe0 ? 2 : *c >= 0xc0 ? 1 : 0;
    uint32_t code = more == 0 ? *c : *c & (0x3fU >> more);

    for (c++; more > 0; more--)
        code = code << 6 | (*c++ & 0x3f);
    *cursor = c;
    return code;
}

/* How many there are; -1: more than a label may have. */
static int code_points(const char *label, size_t length, uint32_t points[LABEL_LIMIT])
{
    const unsigned char *cursor = (const unsigned char *)label, *end = cursor + length;
    int count = 0;

    while (cursor < end) {
        if (count == LABEL_LIMIT)
            return -1;
        points[count++] = next_code_point(&cursor);
    }
    return count;
}

/* ---- RFC 3492 section 6 ---- */

static uint32_t adapt(uint32_t delta, uint32_t count, bool first)
{
    uint32_t k = 0;

    delta = first ? delta / DAMP : delta / 2;
    for (delta += delta / count; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
        delta /= BASE - T_MIN;
    return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static void append_number(uint32_t number, uint32_t bias, struct text *out)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";

    for (uint32_t k = BASE;; k += BASE) {
        uint32_t t = k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;

        if (number < t)
            break;
        text_append_char(out, digits[t + (number - t) % (BASE - t)]);
        number = (number - t) / (BASE - t);
    }
    text_append_char(out, digits[number]);
}

static uint32_t least_from(const uint32_t *points, int count, uint32_t code)
{
    uint32_t least = UINT32_MAX;

    for (int i = 0; i < count; i++)
        if (points[i] >= code && points[i] < least)
            least = points[i];
    return least;
}

static void append_punycode(const uint32_t *points, int count, struct text *out)
{
    uint32_t code = FIRST_CODE, delta = 0, bias = FIRST_BIAS, basic = 0, handled;

    for (int i = 0; i < count; i++)
        if (points[i] < FIRST_CODE) {
            text_append_char(out, (char)points[i]);
            basic++;
        }
    if (basic > 0)
        text_append_char(out, '-');
    for (handled = basic; handled < (uint32_t)count; code++, delta++) {
        uint32_t next = least_from(points, count, code);

        delta += (next - code) * (handled + 1);
        code = next;
        for (int i = 0; i < count; i++) {
            if (points[i] < code)
                delta++;
            if (points[i] != code)
                continue;
            append_number(delta, bias, out);
            bias = adapt(delta, handled + 1, handled == basic);
            delta = 0;
            handled++;
        }
    }
}

/* ---- names ---- */

static bool append_label(const char *label, size_t length, struct text *out)
{
    uint32_t points[LABEL_LIMIT];
    size_t start = out->length;
    bool ascii = true;
    int count;

    for (size_t i = 0; i < length; i++)
        ascii = ascii && (label[i] & 0x80) == 0;
    if (ascii) {
        text_append_bytes(out, label, length);
        return true;
    }
    count = code_points(label, length, points);
    if (count < 0)
        return false;
    text_append(out, "xn--");
    append_punycode(points, count, out);
    return out->length - start <= LABEL_LIMIT;
}

bool net_name_to_ascii(const char *name, struct text *out)
{
    if (!string_valid_utf8(name, strlen(name)))
        return false;
    while (true) {
        size_t length = strcspn(name, ".");

        if (!append_label(name, length, out))
            return false;
        if (name[length] == '\0')
            return true;
        text_append_char(out, '.');
        name += length + 1;
    }
}
