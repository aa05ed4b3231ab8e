/* delivery - what every delivery agent does around the delivery itself.
 *
 * The queue manager calls with a delivery_request; delivery_begin opens and locks the queue file; the agent settles
 * each recipient exactly once: delivered, deferred or bounced. Settling logs the line that pflogsumm reads, marks the
 * recipient done in the queue file (delivered, or bounced and in the bounce log), or adds it to the defer log.
 * delivery_end answers the queue manager. What cannot be recorded stays deferred: nothing is lost.
 *
 *     static void error_call(struct service_environment *environment, struct call *call)
 *     {
 *         struct delivery *delivery = delivery_begin(environment, call);
 *
 *         if (delivery == NULL)
 *             return;
 *         for (size_t i = 0; i < delivery->recipient_count; i++)
 *             delivery_fail(delivery, i, &(struct delivery_result){.dsn = "5.0.0", .reason = ...});
 *         delivery_end(delivery);
 *     } */
#ifndef MAIL_DELIVERY_DELIVERY_H
#define MAIL_DELIVERY_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mail/ipc/ipc.h"
#include "mail/queue/message_file.h"
#include "mail/service/service.h"
#include "util/base/arena.h"

/* Times for the delays=a/b/c/d and delay fields; wall clock in microseconds, 0: not reached. */
struct delivery_times {
    int64_t begun;      /* the agent took it up: set by delivery_begin */
    int64_t connected;  /* connection and greeting done: the agent sets it */
    int64_t settled;
};

struct delivery {
    struct service_environment *environment;
    struct call *call;
    struct arena *arena;
    struct delivery_request request;
    struct message_recipient *recipients; /* in the order of the request */
    size_t recipient_count;
    bool *settled;          /* by recipient */
    size_t deferred;        /* so far */
    int fd;                 /* the queue file, open for reading and writing, shared lock held */
    struct delivery_times times;
    struct log_context log; /* the queue ID */
    struct delivery_reply reply; /* status, dsn, reason of the destination: delivery_site_failed sets it */
};

/* How one recipient fared. */
struct delivery_result {
    const char *relay;     /* "host[addr]:port", "local", "none"; NULL: none */
    int connection_uses;   /* conn_use=, when more than 1 */
    const char *tls;       /* tls=, "may:none"; NULL: not logged */
    const char *dsn;       /* "4.4.1" */
    const char *reason;    /* in parentheses in the log */
    const char *diagnostic_type; /* "smtp", "x-unix"; NULL: none */
    const char *diagnostic;      /* the remote answer */
    const char *remote_mta;      /* host name for Remote-MTA; NULL: none */
    bool relayed;                /* sent: to a peer that will not report success itself (no DSN) */
    bool peer_reports;           /* sent: to a peer that took over the DSN duty: no trace entry */
};

/* NULL: the request was damaged or the file is not there; the queue manager has been answered. The request is
 * received from the call. */
struct delivery *delivery_begin(struct service_environment *environment, struct call *call);

/* Each settles recipient `index`, which must not be settled yet. delivery_sent also adds to the trace log ("relayed"
 * or "delivered", by `relayed`) when DELIVERY_RECORD is asked for or the recipient's NOTIFY says SUCCESS.
 * delivery_fail bounces, or defers when soft_bounce says so or the bounce service cannot be reached. A recipient with
 * NOTIFY=NEVER fails without a bounce entry. When mail is too old is the queue manager's to decide, after the answer. */
void delivery_sent(struct delivery *delivery, size_t index, const struct delivery_result *result);
void delivery_defer(struct delivery *delivery, size_t index, const struct delivery_result *result);
void delivery_fail(struct delivery *delivery, size_t index, const struct delivery_result *result);
/* By the first digit of result->dsn: 2, 4 or 5. */
void delivery_settle(struct delivery *delivery, size_t index, const struct delivery_result *result);

/* The destination (or the agent) cannot be worked with now; the queue manager slows down. */
void delivery_site_failed(struct delivery *delivery, enum delivery_status status, const char *dsn, const char *reason);

/* Defers what was not settled (a bug, or cancellation), answers, and frees. */
void delivery_end(struct delivery *delivery);

/* ---- for who settles without an agent: the queue manager bounces or defers mail for which there is none ---- */

/* Logs `QID: to=<...>, ... status=... (reason)`. */
void delivery_log_line(const char *queue_id, const struct message_recipient *recipient, int64_t arrival_time,
                       int64_t active_time, const struct delivery_times *times, const struct delivery_result *result,
                       const char *status, const struct mail_config *mail);
/* Adds to the log of service "bounce", "defer" or "trace". False: it could not be recorded. */
bool delivery_record(const char *service, const char *queue_id, int64_t arrival_time,
                     const struct message_recipient *recipient, const char *action,
                     const struct delivery_result *result, struct arena *arena, struct error *error);
/* Has the service send its notification (bounce_kind) for the message, and forget its log. */
bool delivery_flush(const char *service, const struct bounce_flush *flush, struct arena *arena, struct error *error);

/* "0.01", "1.2", "15": two digits, at most `digits` behind the point. */
void delivery_delay_print(duration delay, long digits, struct text *out);

#endif
