/* Queue files as whoever damaged them left them. */
#include <unistd.h>

#include "mail/queue/message_file.h"
#include "tests/fuzz/fuzz.h"

static void read_recipients(int fd, const struct message_envelope *envelope, struct arena *arena)
{
    struct recipient_reader *reader = recipient_reader_new(fd, envelope);
    struct message_recipient recipient;

    while (recipient_reader_next(reader, arena, &recipient))
        ;
    recipient_reader_free(reader);
}

static void read_content(int fd, const struct message_envelope *envelope)
{
    struct content_reader *reader = content_reader_new(fd, envelope->sizes.data_offset);
    const char *bytes;
    size_t length;
    bool line_ends, damaged;

    while (content_reader_next(reader, &bytes, &length, &line_ends, &damaged))
        ;
    content_reader_free(reader);
}

static void read_records(int fd)
{
    struct record_reader *reader = record_reader_new(fd, 0);
    struct record record;

    while (record_read(reader, &record) == RECORD_OK)
        ;
    record_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    struct arena *arena = arena_new();
    struct message_envelope envelope;
    struct error error;
    int fd = fuzz_file(&input);
    bool damaged;

    read_records(fd);
    if (message_envelope_read(fd, arena, &envelope, &damaged, &error)) {
        message_attribute(&envelope.attributes, "log_client_name");
        read_recipients(fd, &envelope, arena);
        read_content(fd, &envelope);
    }
    close(fd);
    arena_free(arena);
    return 0;
}
