/* The message on its way into a file, and the rights with which it goes there. In worker threads. */
#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "mail/mailbox/internal.h"
#include "mail/queue/message_file.h"

enum { PIECE = 65536 };

/* ---- rights ---- */

bool mailbox_forget_groups(struct error *error)
{
    if (geteuid() != 0 || setgroups(0, NULL) == 0)
        return true;
    return error_set(error, "setgroups: %s", strerror(errno));
}

bool mailbox_take_rights(struct mailbox_work *work)
{
    if (geteuid() != 0)
        return true;
    setfsgid(work->mailbox->gid);
    setfsuid(work->mailbox->uid);
    /* Neither call says whether it worked, but asking for the impossible tells what holds. */
    if ((uid_t)setfsuid((uid_t)-1) == work->mailbox->uid && (gid_t)setfsgid((gid_t)-1) == work->mailbox->gid)
        return true;
    mailbox_give_rights_back();
    return mailbox_fail(work, EPERM, "cannot take the rights of user %ld", (long)work->mailbox->uid);
}

void mailbox_give_rights_back(void)
{
    if (geteuid() != 0)
        return;
    setfsuid(geteuid());
    setfsgid(getegid());
}

bool mailbox_fail(struct mailbox_work *work, int error, const char *format, ...)
{
    va_list arguments;

    work->status = MAILBOX_FAILED;
    work->error = error;
    va_start(arguments, format);
    vsnprintf(work->reason.text, sizeof work->reason.text, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- copying ---- */

struct copy {
    struct mailbox_work *work;
    int fd;
    int64_t size; /* of the file, with what waits in out */
    bool mbox;
    struct text out;
};

static bool write_out(struct copy *copy)
{
    const char *at = text_string(&copy->out);
    size_t left = copy->out.length;
    int64_t limit = copy->work->mailbox->size_limit;

    if (limit > 0 && copy->size > limit)
        return mailbox_fail(copy->work, EFBIG, "error writing message: %s", strerror(EFBIG));
    while (left > 0) {
        ssize_t done = write(copy->fd, at, left);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return mailbox_fail(copy->work, errno, "error writing message: %s", strerror(errno));
        at += done;
        left -= (size_t)done;
    }
    text_clear(&copy->out);
    return true;
}

static bool put(struct copy *copy, const char *bytes, size_t length)
{
    text_append_bytes(&copy->out, bytes, length);
    copy->size += (int64_t)length;
    return copy->out.length < PIECE || write_out(copy);
}

static bool put_string(struct copy *copy, const char *string)
{
    return put(copy, string, strlen(string));
}

/* Lines that look like the start of a message get a ">" where messages start with such lines. */
static bool put_content(struct copy *copy)
{
    struct content_reader *reader = content_reader_new(copy->work->message, copy->work->data_offset);
    bool line_ends = true, line_starts = true, damaged = false, ok = true;
    const char *bytes;
    size_t length;

    while (ok && content_reader_next(reader, &bytes, &length, &line_ends, &damaged)) {
        if (copy->mbox && line_starts && length >= 5 && memcmp(bytes, "From ", 5) == 0)
            ok = put(copy, ">", 1);
        ok = ok && put(copy, bytes, length) && (!line_ends || put(copy, "\n", 1));
        line_starts = line_ends;
    }
    content_reader_free(reader);
    if (ok && damaged)
        return mailbox_fail(copy->work, 0, "the message in the queue is damaged");
    return ok && (line_starts || put(copy, "\n", 1));
}

bool mailbox_copy(struct mailbox_work *work, int fd, int64_t size, bool mbox)
{
    struct copy copy = {.work = work, .fd = fd, .size = size, .mbox = mbox};
    bool ok = (!mbox || put_string(&copy, work->from_line)) && put_string(&copy, work->headers) &&
              put_content(&copy) && (!mbox || put(&copy, "\n", 1)) && write_out(&copy);

    text_free(&copy.out);
    if (ok && fsync(fd) != 0)
        ok = mailbox_fail(work, errno, "error writing message: %s", strerror(errno));
    return ok;
}
