/* processes - the processes of one service: how many count, which share of its sessions is free, what they are told. */
#ifndef MASTER_PROCESSES_H
#define MASTER_PROCESSES_H

#include "mail/service/protocol.h"
#include "master/supervise.h"

/* How many count for the service's limit, and the lowest share that none of them has. */
long processes_running(const struct supervised *service);
long processes_free_slot(const struct supervised *service);
/* Any process in a state, or NULL. */
struct process *processes_find(const struct supervised *service, enum process_state state);

void process_say(struct process *process, enum master_says what);
/* Tells all to finish. */
void processes_drain(struct supervised *service);

/* At reload: all are told to finish, or, for the log's service, will be when a successor is ready; then relieve
 * tells them. */
void processes_replace(struct supervised *service, const struct master_service *entry);
void processes_relieve(struct supervised *service);

#endif
