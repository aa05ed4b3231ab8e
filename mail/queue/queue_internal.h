/* What the sources of mail/queue share. */
#ifndef MAIL_QUEUE_QUEUE_INTERNAL_H
#define MAIL_QUEUE_QUEUE_INTERNAL_H

#include "mail/queue/queue.h"

/* The text whose first characters name an ID's subdirectories: so that long IDs spread as short ones do. */
void queue_id_hash_text(const char *id, char hash[QUEUE_ID_SIZE]);

#endif
