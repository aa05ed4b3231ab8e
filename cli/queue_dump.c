#include "cli/queue_dump.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mail/message/header.h"
#include "mail/queue/record.h"
#include "util/base/log.h"
#include "util/base/text.h"

enum segment { SEGMENT_ENVELOPE, SEGMENT_HEADER, SEGMENT_BODY, SEGMENT_EXTRACTED };

struct dump {
    const char *name;
    int flags;
    enum segment segment;
    bool within_line; /* the record before was a piece of a line */
    bool started;
};

static bool envelope_shown(const struct dump *dump)
{
    return (dump->flags & DUMP_ENVELOPE) != 0;
}

static void print_prefix(const struct dump *dump, const struct record *record)
{
    if (dump->flags & DUMP_OFFSET)
        printf("%9lld ", (long long)record->offset);
    if (dump->flags & DUMP_TYPE)
        printf("%3d ", record->type);
}

static void print_data(const struct record *record)
{
    fwrite(record->data, 1, record->length, stdout);
    putchar('\n');
}

static void print_mark(const struct dump *dump, const struct record *record, const char *what)
{
    if (!envelope_shown(dump))
        return;
    print_prefix(dump, record);
    printf("*** %s %s ***\n", what, dump->name);
}

static void print_time(const char *name, const char *value)
{
    time_t when = (time_t)strtoll(value, NULL, 10);
    struct tm local;
    char stamp[64] = "?";

    if (localtime_r(&when, &local) != NULL)
        strftime(stamp, sizeof stamp, "%a %b %e %H:%M:%S %Y", &local);
    printf("%s: %s\n", name, stamp);
}

/* ---- envelope ---- */

static void print_attribute(const struct dump *dump, const struct record *record)
{
    static const char create_time[] = "create_time=";

    if (memchr(record->data, '=', record->length) == NULL)
        log_warning(NULL, "%s: malformed attribute: missing '=' after attribute name: %s", dump->name, record->data);
    else if (string_starts(record->data, create_time))
        print_time("create_time", record->data + strlen(create_time));
    else
        printf("named_attribute: %s\n", record->data);
}

static void print_envelope_record(const struct dump *dump, const struct record *record)
{
    const char *name = record_type_name(record->type);

    if (!envelope_shown(dump))
        return;
    if ((record->type == RECORD_PADDING || record->type == RECORD_POINTER) && !(dump->flags & DUMP_VERBOSE))
        return;
    print_prefix(dump, record);
    if (record->type == RECORD_TIME || record->type == RECORD_WARN_TIME) {
        print_time(name, record->data);
    } else if (record->type == RECORD_ATTRIBUTE) {
        print_attribute(dump, record);
    } else {
        printf("%s: ", name != NULL ? name : "unknown_record_type");
        print_data(record);
    }
}

/* ---- content ---- */

static bool is_header_line(const struct record *record)
{
    size_t name;

    return (record->length > 0 && (*record->data == ' ' || *record->data == '\t')) ||
           header_line(record->data, record->length, &name);
}

static void print_content_record(struct dump *dump, const struct record *record)
{
    bool text = record->type == RECORD_LINE || record->type == RECORD_LINE_PART;
    bool bare = !(dump->flags & (DUMP_OFFSET | DUMP_VERBOSE));

    if (!text && !(dump->flags & DUMP_VERBOSE))
        return;
    if (text && dump->segment == SEGMENT_HEADER && !dump->within_line && !is_header_line(record))
        dump->segment = SEGMENT_BODY;
    dump->within_line = text ? record->type == RECORD_LINE_PART : dump->within_line;
    if (!(dump->flags & (dump->segment == SEGMENT_HEADER ? DUMP_HEADER : DUMP_BODY)))
        return;
    print_prefix(dump, record);
    if (dump->flags & DUMP_VERBOSE)
        printf("%s: ", record->type == RECORD_LINE        ? "regular_text"
                       : record->type == RECORD_LINE_PART ? "unterminated_text"
                                                          : record_type_name(record->type));
    if (bare && record->type == RECORD_LINE_PART)
        fwrite(record->data, 1, record->length, stdout);
    else
        print_data(record);
}

/* ---- all of it ---- */

static bool in_content(const struct dump *dump)
{
    return dump->segment == SEGMENT_HEADER || dump->segment == SEGMENT_BODY;
}

static void print_record(struct dump *dump, const struct record *record)
{
    switch (record->type) {
    case RECORD_MESSAGE:
        print_mark(dump, record, "MESSAGE CONTENTS");
        dump->segment = SEGMENT_HEADER;
        break;
    case RECORD_EXTRACTED:
        if (!in_content(dump))
            log_warning(NULL, "%s: out-of-order extracted segment marker", dump->name);
        print_mark(dump, record, "HEADER EXTRACTED");
        dump->segment = SEGMENT_EXTRACTED;
        break;
    case RECORD_END: print_mark(dump, record, "MESSAGE FILE END"); break;
    default:
        if (in_content(dump) || record->type == RECORD_LINE)
            print_content_record(dump, record);
        else
            print_envelope_record(dump, record);
    }
}

/* What a file starts with when it is one of ours. */
static bool plausible_start(const struct record *record)
{
    static const char types[] = {RECORD_SIZE,   RECORD_TIME,      RECORD_CREATE_TIME, RECORD_FULL_NAME,
                                 RECORD_SENDER, RECORD_ATTRIBUTE, RECORD_MESSAGE};

    return memchr(types, record->type, sizeof types) != NULL;
}

static void fail_reading(const char *name, enum record_status status)
{
    if (status == RECORD_FAILED)
        die("read %s: %s", name, strerror(errno));
    log_warning(NULL, "%s: unexpected end or damaged record", name);
    fflush(stdout);
    die("record read error");
}

void queue_dump(int fd, const char *name, int flags, off_t start)
{
    struct record_reader *reader = record_reader_new(fd, start);
    struct dump dump = {.name = name, .flags = flags};
    struct record record;
    enum record_status status;
    bool going_on = true;

    while (going_on) {
        status = flags & DUMP_RAW ? record_read(reader, &record) : record_read_logical(reader, &record);
        if (!dump.started && start == 0 &&
            (status == RECORD_DAMAGED || (status == RECORD_OK && !plausible_start(&record)))) {
            log_warning(NULL, "%s: input is not a valid queue file", name);
            break;
        }
        if (status == RECORD_END_OF_FILE)
            break;
        if (status != RECORD_OK)
            fail_reading(name, status);
        if (!dump.started && start == 0 && envelope_shown(&dump))
            printf("*** ENVELOPE RECORDS %s ***\n", name);
        dump.started = true;
        print_record(&dump, &record);
        going_on = record.type != RECORD_END || (flags & DUMP_RAW);
    }
    record_reader_free(reader);
}
