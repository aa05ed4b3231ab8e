/* virtual - what the delivery agent for virtual mailboxes knows. */
#ifndef VIRTUAL_VIRTUAL_H
#define VIRTUAL_VIRTUAL_H

#include "mail/config/mail_config.h"
#include "mail/delivery/delivery.h"
#include "util/table/table.h"

struct virtual_config {
#define PARAMETER PARAMETER_MEMBER
#include "virtual/virtual.def"
#undef PARAMETER
};

extern const struct parameter_set virtual_parameters;

/* The process; hangs on service_environment.state. */
struct virtual_agent {
    const struct mail_config *mail;
    const struct virtual_config *config;
    struct table_list *mailboxes, *uids, *gids;
    int locks; /* enum mailbox_lock */
};

/* NULL: see error. */
struct virtual_agent *virtual_agent_new(const struct mail_config *mail, const struct virtual_config *config,
                                        struct error *error);

/* Finds the mailbox of a recipient and delivers. Does not settle: *result says how it went. */
void virtual_deliver(const struct virtual_agent *agent, struct delivery *delivery, size_t index,
                     struct delivery_result *result);

#endif
