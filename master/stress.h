/* stress - what happens when all places of a network service are taken (STRESS_README).
 *
 * It is logged, and for a while processes are started with stress=yes, so that they keep clients waiting for less
 * long. Those that run finish what they have and go. */
#ifndef MASTER_STRESS_H
#define MASTER_STRESS_H

#include "master/supervise.h"

/* To be called when a process has said that it is full. */
void stress_consider(struct supervised *service);
bool stress_is_on(const struct supervised *service);

#endif
