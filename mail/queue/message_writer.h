/* message_writer - writes one queue file from front to back, in the order Postfix does.
 *
 * Envelope first, then message_writer_start_content, lines, message_writer_end_content, what was found in the content,
 * message_writer_finish. Records are collected in memory and written 64 KiB at a time; a small message is
 * one system call. No pointer or padding records are left for later edits, as Postfix leaves none when no Milter is
 * configured. A write that failed is remembered: everything after it does nothing, finish tells. */
#ifndef MAIL_QUEUE_MESSAGE_WRITER_H
#define MAIL_QUEUE_MESSAGE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mail/queue/message_file.h"

struct message_writer;

/* Lines longer than line_limit (line_length_limit) are stored in pieces. The descriptor stays the caller's. */
struct message_writer *message_writer_new(int fd, size_t line_limit);
void message_writer_free(struct message_writer *writer);

void message_writer_record(struct message_writer *writer, int type, const char *string);
void message_writer_attribute(struct message_writer *writer, const char *name, const char *value);
void message_writer_time(struct message_writer *writer, int64_t microseconds); /* T: the arrival */
void message_writer_warn_time(struct message_writer *writer, int64_t seconds);
void message_writer_recipient(struct message_writer *writer, const struct message_recipient *recipient);

void message_writer_start_content(struct message_writer *writer);
/* A part of a line, or its rest when line_ends. */
void message_writer_text(struct message_writer *writer, const char *bytes, size_t length, bool line_ends);
/* Text as it comes, cut anywhere, with LF line ends. */
void message_writer_lines(struct message_writer *writer, const char *bytes, size_t length);
/* Ends a line that has no end yet, then the content. */
void message_writer_end_content(struct message_writer *writer);

/* Bytes of content so far, as the size record will count them. */
int64_t message_writer_content_size(const struct message_writer *writer);
/* Bytes of the file so far. */
int64_t message_writer_length(const struct message_writer *writer);
int message_writer_error(const struct message_writer *writer); /* errno of the write that failed, 0: none */

/* Writes the end and the size record. False: errno. The file is complete then, but neither durable nor ready. */
bool message_writer_finish(struct message_writer *writer, int64_t qmgr_flags, int64_t sendopts);

#endif
