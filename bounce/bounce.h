/* bounce - the services bounce, defer and trace: they keep the log of what became of a message's recipients, and
 * turn it into notifications (RFC 3464). */
#ifndef BOUNCE_BOUNCE_H
#define BOUNCE_BOUNCE_H

#include <stdbool.h>

#include "mail/bounce_template/bounce_template.h"
#include "mail/ipc/ipc.h"
#include "mail/queue/queue.h"
#include "mail/service/service.h"

struct bounce_config {
#define PARAMETER PARAMETER_MEMBER
#include "bounce/bounce.def"
#undef PARAMETER
};

struct bouncer {
    struct service_environment *environment;
    const struct mail_config *mail;
    const struct bounce_config *config;
    const struct queue_layout *layout;
    const char *log_queue; /* QUEUE_BOUNCE, QUEUE_DEFER or QUEUE_TRACE: by the service's name */
    struct submission_pool *cleanup;
    struct template *templates[TEMPLATE_KINDS];
};

/* ---- log.c ---- */
/* Adds one recipient's fate. What goes to the bounce log is durable before this returns. */
bool bounce_log_append(struct bouncer *bouncer, const struct bounce_append *entry, struct error *error);

/* All entries that the notification is about. Text belongs to the arena. False: there is no log. */
struct bounce_entries {
    struct bounce_append *items;
    size_t count;
};
bool bounce_log_read(struct bouncer *bouncer, const char *queue_id, enum bounce_kind kind, struct arena *arena,
                     struct bounce_entries *entries);
void bounce_log_forget(struct bouncer *bouncer, const char *queue_id);

/* ---- notify.c ---- */
/* Sends what is to be sent. False: it could not be queued, and the log stays. */
bool bounce_notify(struct bouncer *bouncer, const struct bounce_flush *flush, struct arena *arena,
                   struct error *error);

#endif
