/* logrotate: the log file is renamed, a new one begun, the old one compressed (MAILLOG_README). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/postfix_commands.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

static char *rotated_name(const struct mail_config *mail)
{
    char suffix[200];
    time_t now = time(NULL);
    struct tm local;

    if (strftime(suffix, sizeof suffix, mail->maillog_file_rotate_suffix, localtime_r(&now, &local)) == 0)
        die("bad maillog_file_rotate_suffix = %s", mail->maillog_file_rotate_suffix);
    return memory_format("%s.%s", mail->maillog_file, suffix);
}

static int compress(const struct mail_config *mail, char *path)
{
    char *shell[] = {(char[]){"sh"}, (char[]){"-c"}, memory_format("exec %s \"$1\"", mail->maillog_file_compressor),
                     (char[]){"sh"}, path, NULL};
    int status = postfix_run_program("/bin/sh", shell);

    if (status != 0)
        log_error(NULL, "%s %s: exit status %d", mail->maillog_file_compressor, path, status);
    free(shell[2]);
    return status == 0 ? 0 : 1;
}

int postfix_logrotate(struct postfix_command *command)
{
    const struct mail_config *mail = &command->mail;
    pid_t master = postfix_master_pid(command);
    char *rotated;

    if (*mail->maillog_file == '\0')
        die("maillog_file is empty: nothing to rotate");
    if (string_starts(mail->maillog_file, "/dev/"))
        die("not rotating '%s'", mail->maillog_file);
    rotated = rotated_name(mail);
    if (rename(mail->maillog_file, rotated) != 0)
        die("rename %s to %s: %s", mail->maillog_file, rotated, strerror(errno));
    if (master != 0)
        kill(master, SIGHUP);
    sleep(1); /* until nobody writes to the old file any more */
    return compress(mail, rotated);
}
