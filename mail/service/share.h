/* share - how the sessions of a service (maxproc in master.cf) are divided among processes: master starts so many
 * processes and tells each its limit, and the queue manager opens so many channels. */
#ifndef MAIL_SERVICE_SHARE_H
#define MAIL_SERVICE_SHARE_H

#include "mail/config/master_cf.h"

/* With one session to a process, maxproc is a number of processes, as Postfix has it (LONG_MAX: any number).
 * Otherwise as many processes as hold maxproc sessions, and no more than can run side by side. */
long service_process_limit(const struct master_service *service, long sessions_per_process);

/* The sessions of process number `slot`, from 0, of `processes`; 0: any number. */
long service_session_limit(const struct master_service *service, long sessions_per_process, long processes, long slot);

#endif
