/* internal - what the parts of bounce_template share. */
#ifndef MAIL_BOUNCE_TEMPLATE_INTERNAL_H
#define MAIL_BOUNCE_TEMPLATE_INTERNAL_H

#include "mail/bounce_template/bounce_template.h"

extern const char *const bounce_template_built_in[TEMPLATE_KINDS];

#endif
