#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/queue/queue.h"
#include "util/base/text.h"

/* No vowels, so that no ID spells a word. The letter z separates the inode, which is written without it. */
static const char digits[] = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

enum { TIME_BASE = 52, INODE_BASE = 51, SECONDS_WIDTH = 6, MICROSECONDS_WIDTH = 4, SHORT_TIME_WIDTH = 5, LEAST_LENGTH = 6 };

static void append_number(char *out, uint64_t value, unsigned base, int width)
{
    char reversed[64];
    int count = 0;

    for (; value > 0 || count < width; value /= base)
        reversed[count++] = digits[value % base];
    out += strlen(out);
    while (count > 0)
        *out++ = reversed[--count];
    *out = '\0';
}

static bool read_number(const char *text, size_t length, unsigned base, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < length; i++) {
        const char *digit = text[i] != '\0' ? strchr(digits, text[i]) : NULL;

        if (digit == NULL || (unsigned)(digit - digits) >= base)
            return false;
        if (__builtin_mul_overflow(*value, base, value) ||
            __builtin_add_overflow(*value, (uint64_t)(digit - digits), value))
            return false;
    }
    return length > 0;
}

/* The parts of a long ID. */
static bool read_long(const char *id, uint64_t *microseconds, uint64_t *inode)
{
    const char *separator = strrchr(id, 'z');
    uint64_t seconds;
    size_t length = separator != NULL ? (size_t)(separator - id) : 0;

    return length >= SECONDS_WIDTH + MICROSECONDS_WIDTH &&
           read_number(id, length - MICROSECONDS_WIDTH, TIME_BASE, &seconds) &&
           read_number(separator - MICROSECONDS_WIDTH, MICROSECONDS_WIDTH, TIME_BASE, microseconds) &&
           read_number(separator + 1, strlen(separator + 1), INODE_BASE, inode);
}

bool queue_id_is_long(const char *id)
{
    uint64_t microseconds, inode;

    return strlen(id) < QUEUE_ID_SIZE && read_long(id, &microseconds, &inode);
}

bool queue_id_valid(const char *id)
{
    size_t length = strlen(id);

    return length >= LEAST_LENGTH && length < QUEUE_ID_SIZE &&
           (strspn(id, "0123456789ABCDEF") == length || queue_id_is_long(id));
}

void queue_id_make(bool long_form, const struct timespec *when, ino_t inode, char id[QUEUE_ID_SIZE])
{
    uint64_t microseconds = (uint64_t)when->tv_nsec / 1000;

    *id = '\0';
    if (long_form) {
        append_number(id, (uint64_t)when->tv_sec, TIME_BASE, SECONDS_WIDTH);
        append_number(id, microseconds, TIME_BASE, MICROSECONDS_WIDTH);
        strcat(id, "z");
        append_number(id, inode, INODE_BASE, 1);
    } else {
        snprintf(id, QUEUE_ID_SIZE, "%05X%lX", (unsigned)microseconds, (unsigned long)inode);
    }
}

bool queue_id_matches(const char *id, ino_t inode)
{
    uint64_t microseconds, number;
    char *end;

    if (!queue_id_valid(id))
        return false;
    if (read_long(id, &microseconds, &number))
        return number == inode;
    number = strtoull(id + SHORT_TIME_WIDTH, &end, 16);
    return *end == '\0' && number == inode;
}

void queue_id_hash(const char *id, char hash[QUEUE_ID_SIZE])
{
    uint64_t microseconds, inode;

    if (queue_id_is_long(id) && read_long(id, &microseconds, &inode))
        snprintf(hash, QUEUE_ID_SIZE, "%05X", (unsigned)microseconds);
    else
        snprintf(hash, QUEUE_ID_SIZE, "%s", id);
}
