/* qmgr - the active queue in memory: messages, transports, destinations, and what is still to be delivered.
 *
 *     message ──< entry >── destination ──> transport
 *
 * A message's recipients are resolved to destinations (a transport and a next hop) and cut into entries of as many
 * recipients as one delivery takes. A destination holds its entries in order of arrival; a transport goes round the
 * destinations that are ready. The files are the truth: what is in memory can be forgotten at any moment. */
#ifndef QMGR_QMGR_H
#define QMGR_QMGR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mail/queue/message_file.h"
#include "mail/queue/queue.h"
#include "mail/resolve/resolve_client.h"
#include "mail/service/service.h"
#include "util/base/arena.h"
#include "util/base/list.h"
#include "util/base/map.h"
#include "util/task/loop.h"
#include "util/task/task.h"

struct qmgr_config {
#define PARAMETER PARAMETER_MEMBER
#include "qmgr/qmgr.def"
#undef PARAMETER
};

struct agents;      /* agent.h */
struct suspensions; /* suspension.h */
struct spares;      /* spares.h */
struct master_cf;
struct match_list;

struct manager {
    struct service_environment *environment;
    const struct mail_config *mail;
    const struct qmgr_config *config;
    const struct master_cf *master_cf;
    const struct queue_layout *layout;
    struct resolve_client *resolve;
    struct match_list *defer_transports;
    struct suspensions *suspensions;
    struct spares *spares;
    struct map *transports; /* by name */
    struct map *messages;   /* by queue ID: those in the active queue */
    size_t active;          /* messages, those being loaded too */
    size_t recipients;      /* in memory */
    uint64_t messages_taken;
    struct task_condition room; /* a message has left the active queue */
    struct scan *incoming, *deferred; /* scan.h */
    struct list lingering;            /* messages that are delivered from the incoming queue; linger.h */
    struct task_condition lingers;    /* there is one again */
};

/* ---- transports and destinations ---- */

enum feedback_kind { FEEDBACK_CONSTANT, FEEDBACK_BY_CONCURRENCY, FEEDBACK_BY_SQUARE_ROOT };

struct feedback {
    double value;
    enum feedback_kind kind;
};

struct transport {
    struct manager *manager;
    const char *name;
    struct agents *agents;
    struct map *destinations; /* by name */
    struct list ready;        /* destinations with work and leave to do it */
    struct deadline paused;   /* by transport_rate_delay */
    struct deadline dead;     /* broke, or cannot be reached */
    const char *dead_reason;
    struct loop_timer *timer; /* when a pause ends */
    double credit;            /* deliveries that small messages may take before their turn */
    /* Parameters, this transport's or the default ones. */
    long concurrency_limit, recipient_limit, failed_cohort_limit;
    long slot_cost, slot_loan, slot_discount, minimum_slots;
    duration destination_rate_delay, rate_delay;
    struct feedback positive, negative;
};

struct destination {
    struct link link; /* in transport->ready */
    bool is_ready;
    struct transport *transport;
    char *name; /* the next hop; the recipient, where a delivery takes only one */
    struct list small, large; /* entries to do, each in order of arrival */
    long entries; /* to do, and being done: a destination without any can be forgotten */
    long busy;
    double window;   /* deliveries at once that it is given */
    double success;  /* positive feedback not yet turned into a place */
    double failure;  /* the same for negative feedback */
    double failed_cohorts;
    struct deadline failed; /* until then a failure is remembered, though nothing is to be done */
    struct deadline dead, paused;
    char *dead_dsn, *dead_reason;
};

/* ---- messages ---- */

struct entry {
    struct link link; /* in destination->small or large */
    struct message *message;
    struct destination *destination;
    const char *nexthop; /* the destination's name, but where each recipient is a destination of its own */
    uint64_t order;
    bool large;
    size_t count;
    struct message_recipient **recipients;
    const char *defer_dsn, *defer_reason; /* when it is not to be tried */
};

struct message {
    struct manager *manager;
    struct arena *arena;
    const char *id;
    const char *queue;     /* where its file is: QUEUE_ACTIVE, or QUEUE_INCOMING */
    struct link lingering; /* in manager->lingering */
    struct message_envelope envelope;
    int64_t active_time; /* microseconds since 1970 */
    uint64_t order;
    mode_t mode;          /* of the file: what postsuper and postqueue asked for */
    ino_t inode;          /* 0: not known */
    off_t file_size;
    long trace_flags;     /* enum trace_flag */
    bool fresh;           /* cleanup has just told of it: there was no delivery before, and there are no logs */
    bool recorded;        /* there may be a bounce or trace log */
    int64_t last_offset;  /* of the last recipient in memory */
    bool more_recipients; /* than are in memory */
    bool insist;          /* tried even if its destinations are suspended */
    bool asked;           /* tried even by defer_transports */
    size_t in_memory;     /* recipients */
    size_t pending;       /* entries, and one while entries are being made */
    size_t deferred;      /* recipients to be tried again */
    struct log_context log;
};

#endif
