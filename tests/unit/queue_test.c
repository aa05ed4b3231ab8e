/* Queue files and IDs: what is written is read back; what is damaged is found out, wherever the damage is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mail/queue/delivery_log.h"
#include "mail/queue/message_writer.h"
#include "mail/queue/queue.h"
#include "mail/queue/record.h"

static int temporary_file(void)
{
    char name[] = "/tmp/queue_test.XXXXXX";
    int fd = mkstemp(name);

    assert_true(fd >= 0);
    unlink(name);
    return fd;
}

static void write_sample(int fd)
{
    struct message_writer *writer = message_writer_new(fd, 10);

    message_writer_time(writer, INT64_C(1795558883305818));
    message_writer_attribute(writer, "rewrite_context", "local");
    message_writer_attribute(writer, "envelope_id", "abc+d");
    message_writer_attribute(writer, "ret_flags", "2");
    message_writer_record(writer, RECORD_SENDER, "s@x.test");
    message_writer_attribute(writer, "encoding", "8bit");
    message_writer_recipient(writer, &(struct message_recipient){"a b@y", "orig@y", "rfc822;foo@bar", 10, 0});
    message_writer_recipient(writer, &(struct message_recipient){"r2@y", "r2@y", "", 0, 0});
    message_writer_warn_time(writer, 1795558999);
    message_writer_start_content(writer);
    message_writer_text(writer, "a: b", 4, true);
    message_writer_text(writer, "0123456789012", 13, false);
    message_writer_text(writer, "3456789012345", 13, true);
    message_writer_text(writer, "", 0, true);
    message_writer_text(writer, "no end", 6, false);
    message_writer_end_content(writer);
    message_writer_attribute(writer, "late", "1");
    message_writer_recipient(writer, &(struct message_recipient){"bcc@y", "", "", 0, 0});
    assert_true(message_writer_finish(writer, 0, 1));
    message_writer_free(writer);
}

static void envelope_comes_back(void **state)
{
    int fd = temporary_file();
    struct arena *arena = arena_new();
    struct message_envelope envelope;
    struct error error;
    bool damaged;

    (void)state;
    write_sample(fd);
    assert_true(message_envelope_read(fd, arena, &envelope, &damaged, &error));
    assert_int_equal(envelope.arrival_time, INT64_C(1795558883305818));
    assert_string_equal(envelope.sender, "s@x.test");
    assert_string_equal(envelope.encoding, "8bit");
    assert_string_equal(envelope.dsn_envid, "abc+d");
    assert_int_equal(envelope.dsn_ret, 2);
    assert_int_equal(envelope.warn_time, 1795558999);
    assert_int_equal(envelope.sizes.recipients, 3);
    assert_int_equal(envelope.sizes.sendopts, 1);
    assert_int_equal(envelope.recipients_left, 3);
    assert_int_equal(envelope.attributes.count, 2);
    assert_string_equal(message_attribute(&envelope.attributes, "rewrite_context"), "local");
    assert_string_equal(message_attribute(&envelope.attributes, "late"), "1");
    assert_string_equal(message_attribute(&envelope.attributes, "rewrite"), "");
    assert_true(message_file_set_warn_time(fd, envelope.warn_offset, 0));
    assert_false(message_file_set_warn_time(fd, envelope.warn_offset + 1, 0));
    assert_true(message_envelope_read(fd, arena, &envelope, &damaged, &error));
    assert_int_equal(envelope.warn_time, 0);
    arena_free(arena);
    close(fd);
}

static void recipients_come_back(void **state)
{
    int fd = temporary_file();
    struct arena *arena = arena_new();
    struct message_envelope envelope;
    struct message_recipient first, second, third, none;
    struct recipient_reader *reader;
    struct error error;
    bool damaged;

    (void)state;
    write_sample(fd);
    assert_true(message_envelope_read(fd, arena, &envelope, &damaged, &error));
    reader = recipient_reader_new(fd, &envelope);
    assert_true(recipient_reader_next(reader, arena, &first));
    assert_true(recipient_reader_next(reader, arena, &second));
    assert_true(recipient_reader_next(reader, arena, &third));
    assert_false(recipient_reader_next(reader, arena, &none));
    recipient_reader_free(reader);
    assert_string_equal(first.address, "a b@y");
    assert_string_equal(first.original, "orig@y");
    assert_string_equal(first.dsn_orig_rcpt, "rfc822;foo@bar");
    assert_int_equal(first.dsn_notify, 10);
    assert_string_equal(second.original, "r2@y");
    assert_string_equal(second.dsn_orig_rcpt, "");
    assert_string_equal(third.address, "bcc@y");

    assert_true(message_file_mark_done(fd, first.offset));
    assert_true(message_file_mark_done(fd, first.offset));
    assert_false(message_file_mark_done(fd, first.offset + 1));
    assert_false(message_file_mark_done(fd, 100000));
    reader = recipient_reader_new(fd, &envelope);
    assert_true(recipient_reader_next(reader, arena, &first));
    assert_string_equal(first.address, "r2@y");
    assert_int_equal(first.dsn_notify, 0);
    recipient_reader_free(reader);
    arena_free(arena);
    close(fd);
}

static void content_comes_back(void **state)
{
    int fd = temporary_file();
    struct arena *arena = arena_new();
    struct message_envelope envelope;
    struct content_reader *reader;
    struct text text = {0};
    struct error error;
    const char *bytes;
    size_t length;
    bool ends, damaged;

    (void)state;
    write_sample(fd);
    assert_true(message_envelope_read(fd, arena, &envelope, &damaged, &error));
    reader = content_reader_new(fd, envelope.sizes.data_offset);
    while (content_reader_next(reader, &bytes, &length, &ends, &damaged)) {
        assert_true(length <= 10);
        text_append_bytes(&text, bytes, length);
        text_append(&text, ends ? "\n" : "|");
    }
    assert_false(damaged);
    assert_string_equal(text_string(&text), "a: b\n0123456789|0123456789|012345\n\nno end\n");
    content_reader_free(reader);
    text_free(&text);
    arena_free(arena);
    close(fd);
}

/* As they stand in the file, however long an attribute is. */
static void bytes_of_a_file(void **state)
{
    static const char head[] =
        "C_              6             118               1               0               6               1"
        "T\x11" "1795558883 305818" "M\0" "N\4text" "X\0" "A\xab\2" "name=";
    static const char tail[] = "R\3r@yE\0";
    int fd = temporary_file();
    struct message_writer *writer = message_writer_new(fd, 100);
    char value[295] = "", got[1000];
    ssize_t length;

    (void)state;
    memset(value, 'v', sizeof value - 1);
    message_writer_time(writer, INT64_C(1795558883305818));
    message_writer_start_content(writer);
    message_writer_text(writer, "text", 4, true);
    message_writer_end_content(writer);
    message_writer_attribute(writer, "name", value);
    message_writer_recipient(writer, &(struct message_recipient){"r@y", "", "", 0, 0});
    assert_true(message_writer_finish(writer, 0, 1));
    message_writer_free(writer);
    length = pread(fd, got, sizeof got, 0);
    assert_int_equal(length, sizeof head - 1 + sizeof value - 1 + sizeof tail - 1);
    assert_memory_equal(got, head, sizeof head - 1);
    assert_memory_equal(got + sizeof head - 1, value, sizeof value - 1);
    assert_memory_equal(got + sizeof head - 1 + sizeof value - 1, tail, sizeof tail - 1);
    close(fd);
}

/* Long content passes the writer's buffer. */
static void large_content(void **state)
{
    int fd = temporary_file();
    struct arena *arena = arena_new();
    struct message_writer *writer = message_writer_new(fd, 2048);
    struct message_envelope envelope;
    struct content_reader *reader;
    struct error error;
    const char *bytes;
    size_t length, lines = 0;
    bool ends, damaged;

    (void)state;
    message_writer_start_content(writer);
    for (int i = 0; i < 20000; i++)
        message_writer_text(writer, "0123456789012345678901234567890123456789012345678901234567890123456789", 70, true);
    message_writer_end_content(writer);
    assert_true(message_writer_finish(writer, 0, 0));
    message_writer_free(writer);
    assert_true(message_envelope_read(fd, arena, &envelope, &damaged, &error));
    assert_int_equal(envelope.sizes.message_size, 20000 * 72);
    reader = content_reader_new(fd, envelope.sizes.data_offset);
    while (content_reader_next(reader, &bytes, &length, &ends, &damaged))
        lines += length == 70 && ends;
    assert_int_equal(lines, 20000);
    assert_false(damaged);
    content_reader_free(reader);
    arena_free(arena);
    close(fd);
}

/* Reads all that can be read; returns whether the file was taken for whole. */
static bool read_all(int fd)
{
    struct arena *arena = arena_new();
    struct message_envelope envelope;
    struct message_recipient recipient;
    struct error error;
    const char *bytes;
    size_t length;
    bool ends, damaged, whole;

    whole = message_envelope_read(fd, arena, &envelope, &damaged, &error);
    if (whole) {
        struct recipient_reader *recipients = recipient_reader_new(fd, &envelope);
        struct content_reader *content = content_reader_new(fd, envelope.sizes.data_offset);

        while (recipient_reader_next(recipients, arena, &recipient))
            ;
        while (content_reader_next(content, &bytes, &length, &ends, &damaged))
            ;
        recipient_reader_free(recipients);
        content_reader_free(content);
    } else {
        assert_true(damaged);
    }
    arena_free(arena);
    return whole;
}

static void cut_anywhere(void **state)
{
    int fd = temporary_file();
    off_t size;

    (void)state;
    write_sample(fd);
    size = lseek(fd, 0, SEEK_END);
    assert_true(read_all(fd));
    while (size-- > 0) {
        assert_int_equal(ftruncate(fd, size), 0);
        assert_false(read_all(fd));
    }
    close(fd);
}

static void any_byte_changed(void **state)
{
    static const unsigned char values[] = {0, 1, 'R', 'X', 'E', 'p', 'M', 0x7f, 0x80, 0xff};
    int fd = temporary_file();
    off_t size;

    (void)state;
    write_sample(fd);
    size = lseek(fd, 0, SEEK_END);
    for (off_t at = 0; at < size; at++) {
        unsigned char before;

        assert_int_equal(pread(fd, &before, 1, at), 1);
        for (size_t i = 0; i < sizeof values; i++) {
            assert_int_equal(pwrite(fd, &values[i], 1, at), 1);
            read_all(fd);
        }
        assert_int_equal(pwrite(fd, &before, 1, at), 1);
    }
    assert_true(read_all(fd));
    close(fd);
}

static enum record_status last_status(const char *bytes, size_t length)
{
    int fd = temporary_file();
    struct record_reader *reader = record_reader_new(fd, 0);
    struct record record;
    enum record_status status;

    assert_int_equal(write(fd, bytes, length), length);
    do
        status = record_read_logical(reader, &record);
    while (status == RECORD_OK);
    record_reader_free(reader);
    close(fd);
    return status;
}

static void damaged_records(void **state)
{
    (void)state;
    assert_int_equal(last_status("", 0), RECORD_END_OF_FILE);
    assert_int_equal(last_status("N", 1), RECORD_DAMAGED);
    assert_int_equal(last_status("N\0", 2), RECORD_END_OF_FILE);
    assert_int_equal(last_status("N\005abcd", 6), RECORD_DAMAGED);
    assert_int_equal(last_status("N\200\200", 3), RECORD_DAMAGED);
    assert_int_equal(last_status("N\377\377\377\177", 5), RECORD_DAMAGED);
    assert_int_equal(last_status("N\377\377\377\377\377\377\377\377\001", 10), RECORD_DAMAGED);
    assert_int_equal(last_status("N\200\200\100", 4), RECORD_DAMAGED); /* 1 MiB announced, nothing there */
    assert_int_equal(last_status("p\017 0000000000002x", 17), RECORD_DAMAGED);
    assert_int_equal(last_status("p\017             -1", 17), RECORD_DAMAGED);
    assert_int_equal(last_status("p\01799999999999999", 17), RECORD_END_OF_FILE);
    assert_int_equal(last_status("p\017              0", 17), RECORD_END_OF_FILE);
    assert_int_equal(last_status("N\001xp\017              3", 20), RECORD_DAMAGED); /* to itself, for ever */
    assert_int_equal(last_status("N\001xp\01700000000000000", 20), RECORD_END_OF_FILE);
}

static void records_of_all_lengths(void **state)
{
    static const size_t lengths[] = {0, 1, 127, 128, 129, 16383, 16384, 16385, 100000, RECORD_DATA_LIMIT};
    int fd = temporary_file();
    struct record_reader *reader = record_reader_new(fd, 0);
    struct text out = {0};
    char *data = malloc(RECORD_DATA_LIMIT);
    struct record record;

    (void)state;
    memset(data, 'x', RECORD_DATA_LIMIT);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        record_append(&out, 'N', data, lengths[i]);
    assert_int_equal(write(fd, out.data, out.length), out.length);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        assert_int_equal(record_read(reader, &record), RECORD_OK);
        assert_int_equal(record.length, lengths[i]);
        assert_int_equal(strlen(record.data), lengths[i]);
    }
    assert_int_equal(record_read(reader, &record), RECORD_END_OF_FILE);
    record_reader_free(reader);
    text_free(&out);
    free(data);
    close(fd);
}

static void identifiers(void **state)
{
    const struct timespec when = {1795558883, 305818999};
    char id[QUEUE_ID_SIZE];

    (void)state;
    queue_id_make(false, &when, 0xA722F0, id);
    assert_string_equal(id, "4AA9AA722F0");
    assert_true(queue_id_valid(id));
    assert_false(queue_id_is_long(id));
    assert_true(queue_id_matches(id, 0xA722F0));
    assert_false(queue_id_matches(id, 0xA722F1));
    queue_id_make(true, &when, 0xA722F0, id);
    assert_true(queue_id_valid(id));
    assert_true(queue_id_is_long(id));
    assert_true(queue_id_matches(id, 0xA722F0));
    assert_false(queue_id_matches(id, 0xA722F1));
    /* An ID that Debian's Postfix made, and the inode of its file. */
    assert_true(queue_id_matches("4jYyBq4Ysmz1bXyK", 10952777));
    assert_false(queue_id_matches("4jYyBq4Ysmz1bXyK", 10952778));
    assert_false(queue_id_valid(""));
    assert_false(queue_id_valid("ABCDE"));
    assert_false(queue_id_valid("../ABCDEF"));
    assert_false(queue_id_valid("ABCDEg"));
    assert_false(queue_id_valid("4gMrHM2cw1z"));
    assert_false(queue_id_valid("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
}

static void paths(void **state)
{
    struct mail_config mail = {.hash_queue_names = "deferred, defer", .hash_queue_depth = 1};
    struct queue_layout *layout = queue_layout_new(&mail);
    char path[QUEUE_PATH_SIZE];

    (void)state;
    assert_string_equal(queue_path(layout, "deferred", "A21EAA8E928", path), "deferred/A/A21EAA8E928");
    assert_string_equal(queue_path(layout, "defer", "4jYyBq4Ysmz1bXyK", path), "defer/9/4jYyBq4Ysmz1bXyK");
    assert_string_equal(queue_path(layout, "active", "A21EAA8E928", path), "active/A21EAA8E928");
    queue_layout_free(layout);
    mail.hash_queue_depth = 16;
    layout = queue_layout_new(&mail);
    assert_string_equal(queue_path(layout, "defer", "ABCDEF", path), "defer/A/B/C/D/E/F/_/_/_/_/_/_/_/_/_/_/ABCDEF");
    queue_layout_free(layout);
}

static void files_in_queues(void **state)
{
    struct mail_config mail = {.hash_queue_names = "deferred", .hash_queue_depth = 2};
    struct queue_layout *layout = queue_layout_new(&mail);
    char directory[] = "/tmp/queue_test.XXXXXX", id[QUEUE_ID_SIZE], path[QUEUE_PATH_SIZE], *command;
    const char *const queues[] = {"incoming", "deferred", NULL};
    struct queue_scan *scan;
    struct timespec when;
    struct error error;
    struct stat found;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    fd = queue_file_create(layout, "incoming", true, id, &when, &error);
    assert_true(fd >= 0);
    assert_true(queue_id_valid(id));
    assert_string_equal(queue_find(layout, id, queues, &found), "incoming");
    assert_int_equal(found.st_mode & 07777, QUEUE_MODE_WRITING);
    assert_true(queue_id_matches(id, found.st_ino));
    assert_int_equal(queue_move(layout, id, "incoming", "deferred"), 0);
    assert_int_equal(queue_move(layout, id, "incoming", "deferred"), -1);
    assert_string_equal(queue_find(layout, id, queues, &found), "deferred");
    scan = queue_scan_open("deferred");
    assert_string_equal(queue_scan_next(scan), id);
    assert_null(queue_scan_next(scan));
    queue_scan_close(scan);
    assert_null(queue_scan_open("nowhere"));
    assert_int_equal(access(queue_path(layout, "deferred", id, path), R_OK), 0);
    assert_int_equal(queue_remove(layout, "deferred", id), 0);
    assert_null(queue_find(layout, id, queues, &found));
    close(fd);
    queue_layout_free(layout);
    assert_true(asprintf(&command, "rm -r %s", directory) > 0);
    assert_int_equal(system(command), 0);
    free(command);
}

static void logs_come_back(void **state)
{
    struct bounce_append entry = {
        .queue_id = "ABC", .recipient = "a b@c", .original = "o@c", .dsn_orig_rcpt = "rfc822;o@c", .dsn_notify = 4,
        .offset = 123, .action = "failed", .dsn = "5.1.1", .reason = "host said:\n550 no", .diag_type = "smtp",
        .diag_text = "550 no", .mta_type = "dns", .mta_name = "mx.c", .relay = "",
    };
    struct text out = {0};
    struct arena *arena = arena_new();
    struct bounce_append got;
    struct delivery_log log;

    (void)state;
    delivery_log_append(&out, &entry);
    entry.recipient = entry.original = "x@y";
    delivery_log_append(&out, &entry);
    assert_non_null(strstr(out.data, "\n<\"a b\"@c>: host said: 550 no\nrecipient=\"a b\"@c\noriginal_recipient=o@c\n"
                                     "offset=123\ndsn_orig_rcpt=rfc822;o@c\nnotify_flags=4\nstatus=5.1.1\n"
                                     "action=failed\ndiag_type=smtp\ndiag_text=550 no\nmta_type=dns\nmta_mname=mx.c\n"
                                     "reason=host said: 550 no\n\n"));
    log = (struct delivery_log){out.data, out.data + out.length};
    assert_true(delivery_log_next(&log, arena, &got));
    assert_string_equal(got.recipient, "a b@c");
    assert_string_equal(got.original, "o@c");
    assert_string_equal(got.reason, "host said: 550 no");
    assert_int_equal(got.offset, 123);
    assert_int_equal(got.dsn_notify, 4);
    assert_true(delivery_log_next(&log, arena, &got));
    assert_string_equal(got.recipient, "x@y");
    assert_string_equal(got.original, "");
    assert_false(delivery_log_next(&log, arena, &got));
    arena_free(arena);
    text_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelope_comes_back), cmocka_unit_test(recipients_come_back),
        cmocka_unit_test(content_comes_back),  cmocka_unit_test(bytes_of_a_file),
        cmocka_unit_test(large_content),
        cmocka_unit_test(cut_anywhere),        cmocka_unit_test(any_byte_changed),
        cmocka_unit_test(damaged_records),     cmocka_unit_test(records_of_all_lengths),
        cmocka_unit_test(identifiers),         cmocka_unit_test(paths),
        cmocka_unit_test(files_in_queues),     cmocka_unit_test(logs_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
