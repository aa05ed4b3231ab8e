/* queue_dump - prints a queue file record by record: postcat. */
#ifndef CLI_QUEUE_DUMP_H
#define CLI_QUEUE_DUMP_H

#include <stdbool.h>
#include <sys/types.h>

enum queue_dump_flag {
    DUMP_ENVELOPE = 1,
    DUMP_HEADER = 2,
    DUMP_BODY = 4,
    DUMP_OFFSET = 8,   /* of each record */
    DUMP_TYPE = 16,    /* as a decimal number */
    DUMP_RAW = 32,     /* in file order: pointers are shown, not followed */
    DUMP_VERBOSE = 64, /* names of content records; padding and pointers too */
};

/* Exits when a record cannot be read. name is how the file is called in what is printed. */
void queue_dump(int fd, const char *name, int flags, off_t start);

#endif
