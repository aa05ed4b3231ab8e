/* token - OAuth 2.0 access tokens, from a command that knows how to get a fresh one.
 *
 * The command is run without a shell; its first word is an absolute path. It reads, from standard input,
 *
 *     username=joe@example.com
 *     host=smtp.example.com
 *     secret=what smtp_sasl_password_maps has after the user's name
 *
 * and an empty line, and writes the token on one line; on a second one, if it likes, for how many seconds the token is
 * good. Such a token is kept in memory until then. Neither is ever an argument, a variable or a line of the log. */
#ifndef SMTP_TOKEN_H
#define SMTP_TOKEN_H

#include "util/base/clock.h"
#include "util/base/error.h"
#include "util/base/text.h"

struct token_source;

struct token_request {
    const char *username, *host, *secret;
};

/* environment: export_environment's value, names to pass on and NAME=VALUE. Both are borrowed. NULL: see error. */
struct token_source *token_source_new(const char *command, const char *environment, duration timeout,
                                      struct error *error);

/* From within a task. Who asks for the same while the command runs waits for it. False: see error. */
bool token_get(struct token_source *source, const struct token_request *request, struct text *token,
               struct error *error);
/* The server did not like it: the next one is fresh. */
void token_forget(struct token_source *source, const struct token_request *request);

#endif
