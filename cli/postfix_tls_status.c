/* postfix tls status: what TLS does, for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/postfix_tls.h"
#include "util/base/memory.h"
#include "util/net/tls_credentials.h"
#include "util/net/tls_generate.h"
#include "util/task/private_files.h"

enum { SOON = 14 }; /* days */

static const char *get(const struct postfix_command *command, const char *name)
{
    const char *value = config_get(command->config, name);

    return value != NULL ? value : "";
}

/* False: some file is missing; said. */
static bool read_into(const struct postfix_command *command, const char *name, struct text *content)
{
    char *path = tls_file_path(command, name);
    struct private_files *files = private_files_new();
    struct text one = {0};
    struct error error;
    bool good = private_files_read(files, private_files_add(files, path), &one, &error);

    if (good)
        text_append_bytes(content, text_string(&one), one.length);
    else
        printf("  PROBLEM: %s\n", error.text);
    text_wipe(&one);
    private_files_free(files);
    free(path);
    return good;
}

static bool show_certificate(const struct text *certificates, const char *names)
{
    struct tls_certificate_summary summary;
    struct error error;
    bool good = tls_certificate_read(certificates, names, &summary, &error);

    if (!good) {
        printf("  PROBLEM: %s\n", error.text);
        return false;
    }
    printf("  %s: %s, %s, good until %s (%lld days)\n", names, summary.algorithm, summary.subject, summary.until,
           (long long)summary.days);
    if (summary.days < SOON)
        printf("  PROBLEM: it %s\n", summary.days < 0 ? "has expired" : "expires soon");
    return summary.days >= 0;
}

static bool show_chain(const struct postfix_command *command, const char *list)
{
    struct tls_credentials *credentials = tls_credentials_new();
    char *copy = memory_copy_string(list), *cursor = copy, *name;
    struct text content = {0};
    struct error error;
    bool good = true;

    while (good && (name = string_next_word(&cursor, " \t\r\n,")) != NULL)
        good = read_into(command, name, &content);
    if (good && !tls_credentials_add_chain(credentials, text_string(&content), content.length, list, &error)) {
        printf("  PROBLEM: %s\n", error.text);
        good = false;
    }
    good = good && show_certificate(&content, list);
    text_wipe(&content);
    tls_credentials_free(credentials);
    free(copy);
    return good;
}

static bool show_pair(const struct postfix_command *command, const struct tls_algorithm *algorithm)
{
    const char *certificate = get(command, algorithm->certificate_parameter), *key = get(command, algorithm->key_parameter);
    struct tls_credentials *credentials = tls_credentials_new();
    struct text certificates = {0}, keys = {0};
    struct error error;
    bool good = read_into(command, certificate, &certificates) && read_into(command, key, &keys);

    if (good && !tls_credentials_add_pair(credentials, &certificates, certificate, &keys, key, &error)) {
        printf("  PROBLEM: %s\n", error.text);
        good = false;
    }
    good = good && show_certificate(&certificates, certificate);
    text_wipe(&keys);
    text_free(&certificates);
    tls_credentials_free(credentials);
    return good;
}

static bool show_keys(const struct postfix_command *command, bool needed)
{
    bool good = true, any = *get(command, "smtpd_tls_chain_files") != '\0';

    if (any)
        return show_chain(command, get(command, "smtpd_tls_chain_files"));
    for (size_t i = 0; tls_algorithm_at(i) != NULL; i++) {
        const char *file = get(command, tls_algorithm_at(i)->certificate_parameter);

        if (*file == '\0' || string_equal(file, "none"))
            continue;
        any = true;
        good = show_pair(command, tls_algorithm_at(i)) && good;
    }
    if (!any && needed)
        printf("  PROBLEM: there is no private key: \"postfix tls enable-server\" makes one\n");
    return good && (any || !needed);
}

static const char *server_level(const struct postfix_command *command)
{
    const char *level = get(command, "smtpd_tls_security_level");

    if (*level != '\0')
        return level;
    if (string_equal(get(command, "smtpd_enforce_tls"), "yes"))
        return "encrypt";
    return string_equal(get(command, "smtpd_use_tls"), "yes") ? "may" : "none";
}

int tls_status(struct postfix_command *command)
{
    const char *server = server_level(command), *client = get(command, "smtp_tls_security_level");

    printf("SMTP server: %s\n", server);
    if (!show_keys(command, strcmp(server, "none") != 0))
        return 1;
    printf("SMTP client: %s\n", *client != '\0' ? client : "none");
    return 0;
}
