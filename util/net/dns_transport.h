/* dns_transport - questions to name servers and raw replies, through c-ares and the loop. Part of dns. */
#ifndef UTIL_NET_DNS_TRANSPORT_H
#define UTIL_NET_DNS_TRANSPORT_H

#include <stddef.h>

#include "util/base/error.h"
#include "util/net/dns.h"

struct dns_transport;

/* Called once a question, on the loop's stack or before dns_transport_ask returns. reply is NULL unless DNS_OK,
 * which means no more than that some reply came. */
typedef void dns_reply_fn(void *context, enum dns_status status, const unsigned char *reply, size_t length);

struct dns_transport *dns_transport_new(const char *servers, struct error *error);
void dns_transport_ask(struct dns_transport *transport, const char *name, enum dns_type type, dns_reply_fn *reply,
                       void *context);
/* Open questions end with DNS_TRY_AGAIN. */
void dns_transport_free(struct dns_transport *transport);
/* Takes no more questions; frees itself once the open ones are answered. */
void dns_transport_retire(struct dns_transport *transport);

#endif
