/* postfix_commands - what the commands of postfix(1) share. Each returns the exit status. */
#ifndef CLI_POSTFIX_COMMANDS_H
#define CLI_POSTFIX_COMMANDS_H

#include <stdbool.h>
#include <sys/types.h>

#include "mail/config/mail_config.h"

struct postfix_command {
    const char *directory; /* of the configuration, absolute */
    struct config *config;
    struct mail_config mail;
    char **words; /* behind the command; NULL ends */
};

int postfix_start(struct postfix_command *command);
int postfix_start_fg(struct postfix_command *command);
int postfix_stop(struct postfix_command *command);
int postfix_abort(struct postfix_command *command);
int postfix_flush(struct postfix_command *command);
int postfix_reload(struct postfix_command *command);
int postfix_status(struct postfix_command *command);
int postfix_check(struct postfix_command *command);
int postfix_set_permissions(struct postfix_command *command);
int postfix_upgrade_configuration(struct postfix_command *command);
int postfix_logrotate(struct postfix_command *command);
int postfix_tls(struct postfix_command *command);
int postfix_tlsrpt(struct postfix_command *command);

/* ---- postfix_control.c ---- */
/* Puts the settings that stand behind the command ("name=value") into main.cf; the exit status. */
int postfix_settings_write(struct postfix_command *command);

/* ---- postfix_check.c ---- */
/* Logs what is wrong with the configuration; false when the system could not start with it, or, with strictly, when
 * something in it would keep mail from being taken or delivered. */
bool postfix_configuration_works(struct postfix_command *command, bool strictly);

/* ---- postfix_values.c ---- */
enum postfix_severity { POSTFIX_WARNING, POSTFIX_MISTAKE /* mail will wait or be refused */ };
typedef void postfix_complaint_fn(void *context, enum postfix_severity severity, const char *complaint);
void postfix_check_values(const struct config *config, postfix_complaint_fn *complain, void *context);

/* ---- postfix_layout.c: the directories of queue_directory, and data_directory ---- */
/* Makes what is missing. False, and logged, when that cannot be. */
bool postfix_layout_create(struct postfix_command *command);
/* Warns of wrong owners and permissions. */
void postfix_layout_check(struct postfix_command *command);
bool postfix_layout_repair(struct postfix_command *command);

/* ---- postfix_processes.c ---- */
/* The running master, or 0. */
pid_t postfix_master_pid(const struct postfix_command *command);
/* Whether any process of the instance runs; and a signal to all of them, master excepted. */
bool postfix_services_left(const struct postfix_command *command);
void postfix_services_signal(const struct postfix_command *command, int number);
/* Runs a program and waits; its exit status, or 1. */
int postfix_run_program(const char *path, char *const *arguments);

#endif
