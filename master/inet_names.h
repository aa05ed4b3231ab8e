/* inet_names - the network addresses that an inet service's first column means: "smtp", "192.0.2.1:25",
 * "[2001:db8::1]:submission", "localhost:2525". */
#ifndef MASTER_INET_NAMES_H
#define MASTER_INET_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "master/settings.h"
#include "util/base/error.h"
#include "util/net/address.h"

struct inet_addresses {
    struct net_address *items; /* freed by the caller */
    size_t count;
};

/* A port alone stands for all of inet_interfaces; the protocols are inet_protocols'. */
bool inet_names_resolve(const struct settings *settings, const char *name, struct inet_addresses *addresses,
                        struct error *error);

#endif
