/* queue_command - what postqueue, postsuper and postcat start with: options, configuration, log, the queue directory. */
#ifndef CLI_QUEUE_COMMAND_H
#define CLI_QUEUE_COMMAND_H

#include <stdbool.h>

#include "mail/config/mail_config.h"
#include "mail/queue/queue.h"

struct queue_command {
    const char *name;
    struct config *config;
    struct mail_config mail;
    struct queue_layout *layout;
};

/* Until the configuration is known lines go to stderr. argv[0] becomes the bare name, for getopt's complaints. */
void queue_command_start(struct queue_command *command, char *name, char **argv);

/* Reads the configuration in `directory` (NULL: the usual one) and opens the log; exits when that fails. A set-gid
 * command takes another directory only if main.cf lists it or the super-user asks. */
void queue_command_configure(struct queue_command *command, const char *directory);
/* The same; the log stays stderr. */
void queue_command_configure_quietly(struct queue_command *command, const char *directory);

/* Changes to queue_directory. */
void queue_command_enter_queue(struct queue_command *command);
void queue_command_end(struct queue_command *command);

/* Ends the command unless the user who runs it is on the list that the parameter names ("static:anyone"). */
void queue_command_check_user(const struct queue_command *command, const char *parameter, const char *what);
/* The super-user, the owner of the queue, and authorized_suspend_users. */
bool queue_command_may_suspend(const struct queue_command *command);

/* Connects to a service's socket below the queue directory. -1: errno. */
int queue_command_connect(const char *path);
/* Writes trigger letters to it. False: errno. */
bool queue_command_trigger(const char *path, const char *letters);

/* An ID as a file name at least: letters and digits. */
bool queue_command_id_plausible(const char *id);

#endif
