/* template - the words of notifications: built in, or from bounce_template_file (bounce(5)). */
#ifndef BOUNCE_TEMPLATE_H
#define BOUNCE_TEMPLATE_H

#include "mail/config/mail_config.h"
#include "util/base/text.h"

enum template_kind { TEMPLATE_FAILURE, TEMPLATE_DELAY, TEMPLATE_SUCCESS, TEMPLATE_VERIFY, TEMPLATE_KINDS };

struct template {
    char *charset;
    char *from;
    char *subject;
    char *postmaster_subject;
    char *body; /* not yet expanded; lines end with LF */
};

/* The built-in ones, then those of the file in their place. A file that cannot be used is a warning. */
void templates_load(const char *path, struct template *templates[TEMPLATE_KINDS]);

/* The body with its $names. */
void template_expand(const struct template *template, const struct config *config, const struct mail_config *mail,
                     struct text *result);

#endif
