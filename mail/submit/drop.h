/* drop - submission's other way: to the maildrop queue. What submission.h says of each function holds here. */
#ifndef MAIL_SUBMIT_DROP_H
#define MAIL_SUBMIT_DROP_H

#include "mail/submit/submission.h"

struct drop;

struct drop *drop_open(const struct mail_config *mail, const struct cleanup_open *open, struct error *error);
const char *drop_queue_id(const struct drop *drop);
void drop_recipient(struct drop *drop, const struct cleanup_recipient *recipient);
void drop_content(struct drop *drop, const char *bytes, size_t length);
void drop_end(struct drop *drop, struct arena *arena, struct cleanup_status *status); /* nothing can be asked for */
void drop_abandon(struct drop *drop);

#endif
