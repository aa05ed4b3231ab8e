#include <stdlib.h>
#include <string.h>

#include "mail/queue/message_file.h"
#include "util/base/memory.h"

struct recipient_reader {
    struct record_reader *records;
    off_t extracted_offset;
    bool ended;
};

struct recipient_reader *recipient_reader_new(int fd, const struct message_envelope *envelope)
{
    struct recipient_reader *reader = memory_new(sizeof *reader);

    reader->records = record_reader_new(fd, (off_t)envelope->recipients_offset);
    reader->extracted_offset = (off_t)envelope->extracted_offset;
    return reader;
}

void recipient_reader_free(struct recipient_reader *reader)
{
    if (reader == NULL)
        return;
    record_reader_free(reader->records);
    free(reader);
}

/* What stands before a recipient's record is about that recipient only. */
static void take_about_next(const struct record *record, struct arena *arena, struct message_recipient *recipient)
{
    static const char orig_rcpt[] = "dsn_orig_rcpt=", notify[] = "notify_flags=";

    if (record->type == RECORD_ORIGINAL)
        recipient->original = arena_copy(arena, record->data);
    else if (record->type == RECORD_DSN_ORCPT)
        recipient->dsn_orig_rcpt = arena_copy(arena, record->data);
    else if (record->type == RECORD_DSN_NOTIFY)
        recipient->dsn_notify = atoi(record->data);
    else if (record->type == RECORD_ATTRIBUTE && string_starts(record->data, orig_rcpt))
        recipient->dsn_orig_rcpt = arena_copy(arena, record->data + strlen(orig_rcpt));
    else if (record->type == RECORD_ATTRIBUTE && string_starts(record->data, notify))
        recipient->dsn_notify = atoi(record->data + strlen(notify));
}

bool recipient_reader_next(struct recipient_reader *reader, struct arena *arena, struct message_recipient *recipient)
{
    static const struct message_recipient nothing = {.address = "", .original = "", .dsn_orig_rcpt = ""};
    struct record record;

    *recipient = nothing;
    while (!reader->ended && record_read_logical(reader->records, &record) == RECORD_OK) {
        if (record.type == RECORD_RECIPIENT) {
            recipient->address = arena_copy(arena, record.data);
            recipient->offset = record.offset;
            return true;
        }
        if (record.type == RECORD_DONE || record.type == RECORD_CANCELLED)
            *recipient = nothing;
        else if (record.type == RECORD_MESSAGE)
            record_reader_seek(reader->records, reader->extracted_offset);
        else if (record.type == RECORD_END)
            reader->ended = true;
        else
            take_about_next(&record, arena, recipient);
    }
    reader->ended = true;
    return false;
}
