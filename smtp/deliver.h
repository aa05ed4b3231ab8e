/* deliver - one message to one next hop: which servers are asked in which order, and what the outcome is. */
#ifndef SMTP_DELIVER_H
#define SMTP_DELIVER_H

#include "mail/delivery/delivery.h"
#include "smtp/config.h"

/* Settles every recipient. */
void smtp_deliver(const struct smtp_client *client, struct delivery *delivery);

#endif
