#include "mail/config/log_file.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/memory.h"
#include "util/base/text.h"

static bool is_below(const char *path, const char *prefix)
{
    size_t length = strlen(prefix);

    return string_starts(path, prefix) && (path[length] == '\0' || path[length] == '/' || prefix[length - 1] == '/');
}

static bool in_prefixes(const struct mail_config *mail)
{
    char *copy = memory_copy_string(mail->maillog_file_prefixes), *cursor = copy, *prefix;
    bool found = false;

    while (!found && (prefix = string_next_word(&cursor, " \t\r\n,")) != NULL)
        found = is_below(mail->maillog_file, prefix);
    free(copy);
    return found && strstr(mail->maillog_file, "/../") == NULL;
}

static bool parse_mode(const char *text, mode_t *mode)
{
    if (!string_equal(text, "0600") && !string_equal(text, "0640") && !string_equal(text, "0644"))
        return false;
    *mode = (mode_t)strtol(text, NULL, 8);
    return true;
}

bool log_file_allowed(const struct mail_config *mail, mode_t *mode, struct error *error)
{
    if (*mail->maillog_file == '\0')
        return error_set(error, "maillog_file is empty");
    if (!in_prefixes(mail))
        return error_set(error, "maillog_file = %s is in none of maillog_file_prefixes = %s", mail->maillog_file,
                         mail->maillog_file_prefixes);
    if (!parse_mode(mail->maillog_file_permissions, mode))
        return error_set(error, "bad maillog_file_permissions = %s: 0600, 0640 or 0644 is wanted",
                         mail->maillog_file_permissions);
    return true;
}
