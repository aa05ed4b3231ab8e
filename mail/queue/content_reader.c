#include <stdlib.h>

#include "mail/queue/message_file.h"
#include "util/base/memory.h"

struct content_reader {
    struct record_reader *records;
};

struct content_reader *content_reader_new(int fd, int64_t data_offset)
{
    struct content_reader *reader = memory_new(sizeof *reader);

    reader->records = record_reader_new(fd, (off_t)data_offset);
    return reader;
}

void content_reader_free(struct content_reader *reader)
{
    if (reader == NULL)
        return;
    record_reader_free(reader->records);
    free(reader);
}

bool content_reader_next(struct content_reader *reader, const char **bytes, size_t *length, bool *line_ends,
                         bool *damaged)
{
    struct record record;

    *damaged = false;
    while (record_read_logical(reader->records, &record) == RECORD_OK) {
        if (record.type == RECORD_LINE || record.type == RECORD_LINE_PART) {
            *bytes = record.data;
            *length = record.length;
            *line_ends = record.type == RECORD_LINE;
            return true;
        }
        if (record.type == RECORD_EXTRACTED)
            return false;
        if (record.type != RECORD_POINTER && record.type != RECORD_PADDING && record.type != RECORD_KILLED)
            break;
    }
    *damaged = true;
    return false;
}

const char *content_reader_buffered(struct content_reader *reader, size_t *length)
{
    return record_reader_buffered(reader->records, length);
}

void content_reader_consume(struct content_reader *reader, size_t length)
{
    record_reader_consume(reader->records, length);
}
