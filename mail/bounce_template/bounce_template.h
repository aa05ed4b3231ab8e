/* bounce_template - the words of notifications: built in, or from bounce_template_file (bounce(8)).
 *
 * The file has `NAME_template = <<WORD`, lines up to WORD, for failure, delay, success and verify. A template is a few
 * headers, and the text behind them. What is wrong with one template is logged, and the built-in one stays. */
#ifndef MAIL_BOUNCE_TEMPLATE_BOUNCE_TEMPLATE_H
#define MAIL_BOUNCE_TEMPLATE_BOUNCE_TEMPLATE_H

#include "mail/config/mail_config.h"
#include "util/base/text.h"

enum template_kind { TEMPLATE_FAILURE, TEMPLATE_DELAY, TEMPLATE_SUCCESS, TEMPLATE_VERIFY, TEMPLATE_KINDS };

struct template {
    const char *name;    /* "failure" */
    char *origin;        /* where the text comes from: the file, or "built-in" */
    char *charset;
    char *from;
    char *subject;
    char *postmaster_subject; /* NULL: nothing of this kind goes to the postmaster */
    char *body;               /* not yet expanded; lines end with LF */
};

/* The built-in ones, then those of the file in their place. False, with all of them built in: the file cannot be read,
 * or is no such file ("PATH, line N: what is wrong"). An empty path is no file. */
bool templates_load(const char *path, struct template *templates[TEMPLATE_KINDS], struct error *error);
void templates_free(struct template *templates[TEMPLATE_KINDS]);

/* The template as a file would have it. */
void template_write(const struct template *template, struct text *result);

/* The body with its $names: parameters of main.cf, and delay_warning_time_hours and its like. False: there is an
 * undefined name or bad syntax ("PATH: ..."); nothing has been appended. */
bool template_expand(const struct template *template, const struct config *config, const struct mail_config *mail,
                     struct text *result, struct error *error);

/* bounce's way: what cannot be expanded is logged and stays as it is. */
void template_expand_anyway(const struct template *template, const struct config *config,
                            const struct mail_config *mail, struct text *result);

#endif
