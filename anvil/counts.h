/* counts - what clients do, each for itself, in so much time.
 *
 * Time runs in windows of `unit` for each client: the first event begins one, and all rates begin anew with the first event
 * after it. A client with connections stays; another one is forgotten when its window is over. */
#ifndef ANVIL_COUNTS_H
#define ANVIL_COUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "mail/ipc/ipc.h"
#include "util/base/clock.h"

struct anvil_counts;
struct anvil_client;

/* limit: clients that are counted at a time. */
struct anvil_counts *anvil_counts_new(duration unit, size_t limit);
void anvil_counts_free(struct anvil_counts *counts);

/* ident: "smtp:192.0.2.1". Counts a connection, until anvil_disconnect. NULL: there are too many clients to count. All times
 * are microseconds on the monotonic clock. */
struct anvil_client *anvil_connect(struct anvil_counts *counts, const char *ident, int64_t now);
void anvil_disconnect(struct anvil_counts *counts, struct anvil_client *client, int64_t now);

/* Counts an event of a client that is connected; returns how many of its kind there have been in this window. */
int64_t anvil_note(struct anvil_counts *counts, struct anvil_client *client, enum anvil_kind kind, int64_t now);
int64_t anvil_rate(struct anvil_counts *counts, struct anvil_client *client, enum anvil_kind kind, int64_t now);
int64_t anvil_connections(const struct anvil_client *client);

size_t anvil_counts_clients(const struct anvil_counts *counts);
void anvil_counts_sweep(struct anvil_counts *counts, int64_t now); /* forgets who may be forgotten */

/* The greatest that there was since the last report, and whose, in Postfix's words to the log. */
void anvil_counts_report(struct anvil_counts *counts);

#endif
