/* What the sources of mail/mailbox share with one another, and nobody else sees. */
#ifndef MAIL_MAILBOX_INTERNAL_H
#define MAIL_MAILBOX_INTERNAL_H

#include "mail/mailbox/mailbox.h"
#include "util/base/text.h"

enum mailbox_status { MAILBOX_DELIVERED, MAILBOX_BUSY, MAILBOX_FAILED };

/* One delivery as the worker thread sees it. */
struct mailbox_work {
    const struct mailbox *mailbox;
    int message;           /* the queue file */
    off_t data_offset;
    const char *headers;   /* put before the message */
    const char *from_line; /* and before them in a file: "From sender  date" */
    const char *unique;    /* no other delivery of this process has it now */
    duration stale_lock_time;
    /* What became of it: */
    enum mailbox_status status;
    int error;             /* errno, 0: something else */
    bool not_owner;        /* the file belongs to somebody else */
    struct error reason;
};

/* Both for offload_run: with a struct mailbox_work. */
void mailbox_file_work(void *work);
void mailbox_maildir_work(void *work);

/* The owner's rights to files, for this thread. */
bool mailbox_take_rights(struct mailbox_work *work);
void mailbox_give_rights_back(void);

/* Writes the headers and the content to fd, which has `size` bytes so far, and syncs it. `mbox`: with the From_ line
 * before, "From " quoted in the text, and an empty line at the end. */
bool mailbox_copy(struct mailbox_work *work, int fd, int64_t size, bool mbox);

/* Sets status, error and reason. Always false. */
bool mailbox_fail(struct mailbox_work *work, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
