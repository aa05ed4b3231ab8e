/* tls_report - tells tlsrpt(8) how attempts to use TLS ended (RFC 8460). No mail ever waits for that: what cannot be told is lost,
 * and one warning says so. */
#ifndef SMTP_TLS_REPORT_H
#define SMTP_TLS_REPORT_H

#include "smtp/session.h"
#include "smtp/tls_policy.h"

struct smtp_reporter;

/* `told` is called when the last result that was on its way has been told, or is lost. NULL: smtp_tlsrpt_enable is off. */
typedef void smtp_reporter_told_fn(void *context);
struct smtp_reporter *smtp_reporter_new(const struct smtp_client *client, smtp_reporter_told_fn *told, void *context);
bool smtp_reporter_busy(const struct smtp_reporter *reporter); /* NULL is not */

/* Who would get the report on a next hop's item: a domain whose MX hosts are asked. NULL: nobody. */
const char *smtp_tls_report_domain(const struct smtp_client *client, const char *item, struct arena *arena);

/* Keeps with the session how its attempt ended; reason: in words, "" none. */
void smtp_tls_note(struct smtp_session *session, enum tls_failure failure, const char *reason);
/* The same for a handshake that came to its end. good: the policy lets mail go to this server. */
void smtp_tls_note_peer(struct smtp_session *session, const struct smtp_tls_policy *policy, const struct tls_peer *peer, bool good);

/* Tells what was kept, if anything was, of a session that has just been opened, or could not be. */
void smtp_tls_report_session(const struct smtp_session *session, const struct smtp_purpose *purpose);
/* A host that was not talked to because of its policy; nothing when that was for another reason. */
void smtp_tls_report_host(const struct smtp_client *client, const struct smtp_purpose *purpose, const struct smtp_host *host,
                          const struct smtp_trouble *trouble);

/* ---- for tls_report.c and its tests ---- */

/* What RFC 8460 section 4.3 calls it, when a server is not who it should be. */
enum tls_failure smtp_tls_failure(const struct smtp_tls_policy *policy, const struct tls_peer *peer);

#endif
