/* routes - the tables that say transport and next hop: transport_maps and the sender dependent ones. */
#ifndef REWRITE_ROUTES_H
#define REWRITE_ROUTES_H

#include "mail/config/mail_config.h"
#include "util/base/arena.h"
#include "util/table/table.h"

/* Either may be empty. Text belongs to the arena. */
struct route {
    const char *transport;
    const char *nexthop;
};

/* Splits "transport:nexthop"; without a colon it is all transport. */
struct route route_parse(const char *text, struct arena *arena);

/* transport(5): user+extension@domain, user@domain, domain, .parent (or parent, when subdomains is set), *. */
enum table_result route_by_address(struct table_list *tables, const char *address, bool parents_match,
                                   const char *delimiters, struct arena *arena, const char **value,
                                   struct error *error);

/* user@domain, then @domain. */
enum table_result route_by_sender(struct table_list *tables, const char *sender, const char *delimiters,
                                  struct arena *arena, const char **value, struct error *error);

#endif
