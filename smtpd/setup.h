/* setup - opens what the sessions of a process share: lists, tables, restrictions, name service. */
#ifndef SMTPD_SETUP_H
#define SMTPD_SETUP_H

#include "mail/service/service.h"

/* Sets environment->state to a struct smtpd. */
bool smtpd_setup(struct service_environment *environment, struct error *error);

#endif
