/* mailbox - puts one message into a mailbox file (mbox) or a maildir, with the rights of its owner.
 *
 * The whole of it runs in a worker thread (util/task/offload.h), which takes the owner's rights to files for that time:
 * tasks of the same process never run with them. A process that is not root delivers with the rights it has. */
#ifndef MAIL_MAILBOX_MAILBOX_H
#define MAIL_MAILBOX_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mail/config/mail_config.h"
#include "mail/delivery/delivery.h"
#include "util/base/error.h"

/* The words of mailbox_delivery_lock and virtual_mailbox_lock. */
enum mailbox_lock { MAILBOX_LOCK_FCNTL = 1, MAILBOX_LOCK_FLOCK = 2, MAILBOX_LOCK_DOTLOCK = 4 };

/* False: a word is none of fcntl, flock, dotlock. */
bool mailbox_locks_parse(const char *words, int *locks, struct error *error);

struct mailbox {
    const char *path;      /* of the file, or of the maildir, with a slash at the end */
    uid_t uid;             /* the owner; both are of no effect unless root */
    gid_t gid;
    int64_t size_limit;    /* bytes, of the file afterwards, or of the maildir's new file; 0: none */
    int locks;             /* enum mailbox_lock, for a file */
    bool strict_ownership; /* a file must belong to the owner */
};

/* Delivers for recipient `index` without settling it: *result gets dsn and reason (in the delivery's arena), also in
 * the good case. Return-Path, X-Original-To and Delivered-To are put before the message. From within a task. */
void mailbox_deliver_file(struct delivery *delivery, size_t index, const struct mailbox *mailbox,
                          struct delivery_result *result);
void mailbox_deliver_maildir(struct delivery *delivery, size_t index, const struct mailbox *mailbox,
                             struct delivery_result *result);

/* A process that will deliver as others must not keep the groups of root. Before the first delivery. */
bool mailbox_forget_groups(struct error *error);

#endif
