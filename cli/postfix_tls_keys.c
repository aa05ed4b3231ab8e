/* postfix tls: making keys and certificates, and putting them to use. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/postconf.h"
#include "cli/postfix_tls.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/net/tls_credentials.h"
#include "util/net/tls_generate.h"
#include "util/task/private_files.h"

static const struct tls_algorithm algorithms[] = {
    {"rsa", "smtpd_tls_cert_file", "smtpd_tls_key_file", ""},
    {"ecdsa", "smtpd_tls_eccert_file", "smtpd_tls_eckey_file", "ec"},
};

const struct tls_algorithm *tls_algorithm_at(size_t index)
{
    return index < sizeof algorithms / sizeof *algorithms ? &algorithms[index] : NULL;
}

const struct tls_algorithm *tls_algorithm_find(const char *name)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
        if (string_equal_ignore_case(algorithms[i].name, name))
            return &algorithms[i];
    return NULL;
}

/* ---- files ---- */

char *tls_file_path(const struct postfix_command *command, const char *name)
{
    return *name == '/' ? memory_copy_string(name) : memory_format("%s/%s", command->directory, name);
}

void tls_file_read(const char *path, struct text *content)
{
    struct private_files *files = private_files_new();
    struct error error;

    if (!private_files_read(files, private_files_add(files, path), content, &error))
        die("open %s", error.text);
    private_files_free(files);
}

static void write_new(const char *path, int mode, const struct text *content, const char *what)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

    if (fd < 0 && errno == EEXIST)
        die("New %s file already exists: %s", what, path);
    if (fd < 0 || write(fd, content->data, content->length) != (ssize_t)content->length || fsync(fd) != 0 || close(fd) != 0)
        die("write %s: %s", path, strerror(errno));
}

/* ---- what is deployed ---- */

/* The file that a parameter names; NULL: none. */
static char *deployed(const struct postfix_command *command, const char *parameter)
{
    const char *value = config_get(command->config, parameter);

    if (value == NULL || *value == '\0' || string_equal(value, "none"))
        return NULL;
    return tls_file_path(command, value);
}

/* An algorithm's name stands for its deployed key. NULL: there is none. */
static char *key_file(const struct postfix_command *command, const char *name)
{
    const struct tls_algorithm *algorithm = tls_algorithm_find(name);

    return algorithm != NULL ? deployed(command, algorithm->key_parameter) : tls_file_path(command, name);
}

static void deploy(const struct postfix_command *command, const char *certificate_path, const char *key_path)
{
    struct tls_credentials *credentials = tls_credentials_new();
    const struct tls_algorithm *algorithm;
    struct text certificate = {0}, key = {0};
    char *requests[3] = {NULL, NULL, NULL};
    const char *name;
    struct error error;

    if (*config_get(command->config, "smtpd_tls_chain_files") != '\0')
        die("smtpd_tls_chain_files is set, and the parameters that this command changes do not count then: put key and "
            "certificates into one of its files");
    tls_file_read(key_path, &key);
    name = tls_key_algorithm(&key, key_path, &error);
    if (name == NULL)
        die("%s", error.text);
    algorithm = tls_algorithm_find(name);
    if (algorithm == NULL)
        die("Unsupported public key algorithm: %s", name);
    tls_file_read(certificate_path, &certificate);
    if (!tls_credentials_add_pair(credentials, &certificate, certificate_path, &key, key_path, &error))
        die("%s", error.text);
    text_wipe(&key);
    text_free(&certificate);
    tls_credentials_free(credentials);
    requests[0] = memory_format("%s=%s", algorithm->certificate_parameter, certificate_path);
    requests[1] = memory_format("%s=%s", algorithm->key_parameter, key_path);
    postconf_edit_main_cf(command->directory, EDIT_SET, requests);
    free(requests[0]);
    free(requests[1]);
    log_info(NULL, "New TLS private key and certificate deployed.");
}

int tls_deploy_server_cert(struct postfix_command *command)
{
    char **arguments = command->words, *certificate, *key;

    if (arguments[0] == NULL || arguments[1] == NULL || arguments[2] != NULL)
        die("usage: postfix tls deploy-server-cert certfile keyfile");
    certificate = tls_file_path(command, arguments[0]);
    key = tls_file_path(command, arguments[1]);
    deploy(command, certificate, key);
    log_info(NULL, "Run the command:");
    log_info(NULL, "  # postfix reload");
    log_info(NULL, "if you want the new settings to take effect immediately.");
    log_info(NULL, "(If you have DANE TLSA RRs, update them as soon as possible to match");
    log_info(NULL, "the newly deployed keys).");
    free(certificate);
    free(key);
    return 0;
}

/* ---- new ones ---- */

struct new_pair {
    char *key, *certificate; /* paths */
};

/* "key-20270131-115900.pem" in the configuration directory, by UTC. */
static char *new_path(const struct postfix_command *command, const char *prefix, const char *kind)
{
    time_t now = time(NULL);
    char stamp[32];
    struct tm parts;

    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", gmtime_r(&now, &parts));
    return memory_format("%s/%s%s-%s.pem", command->directory, prefix, kind, stamp);
}

/* Without hosts: myhostname. */
static struct new_pair make_pair(const struct postfix_command *command, const struct tls_algorithm *algorithm,
                                 struct text *key, char *const *hosts)
{
    const char *const own[] = {command->mail.myhostname, NULL};
    struct new_pair made = {new_path(command, algorithm->prefix, "key"), new_path(command, algorithm->prefix, "cert")};
    struct text certificate = {0};
    struct error error;

    if (!tls_generate_certificate(key, *hosts != NULL ? (const char *const *)hosts : own, &certificate, &error))
        die("%s", error.text);
    write_new(made.key, 0600, key, "private key");
    write_new(made.certificate, 0644, &certificate, "certificate");
    text_wipe(key);
    text_free(&certificate);
    return made;
}

static const struct tls_algorithm *known_algorithm(const char *name)
{
    const struct tls_algorithm *algorithm = tls_algorithm_find(name);

    if (algorithm == NULL)
        die("Unsupported public key algorithm: %s", name);
    return algorithm;
}

static struct new_pair make_key_and_pair(const struct postfix_command *command, const char *algorithm, const char *size,
                                         char *const *hosts)
{
    const struct tls_algorithm *known = known_algorithm(algorithm);
    struct text key = {0};
    struct error error;

    if (!tls_generate_key(known->name, size, &key, &error))
        die("%s", error.text);
    return make_pair(command, known, &key, hosts);
}

static void say_records(const struct new_pair *made)
{
    log_info(NULL, "To generate a CSR run:");
    log_info(NULL, "  # postfix tls output-server-csr -k %s [<hostname> ...]", made->key);
    log_info(NULL, "Save the signed certificate chain in %s, and deploy as above.", made->certificate);
    log_info(NULL, "To generate TLSA records run:");
    log_info(NULL, "  # postfix tls output-server-tlsa [-h <hostname>] %s", made->key);
    log_info(NULL, "(deploy after updating the DNS and waiting for stale RRs to expire).");
}

static void say_new(const struct new_pair *made, const char *what)
{
    log_info(NULL, "%s created. To deploy run:", what);
    log_info(NULL, "  # postfix tls deploy-server-cert %s %s", made->certificate, made->key);
    say_records(made);
}

static void free_pair(struct new_pair *made)
{
    free(made->key);
    free(made->certificate);
}

/* [-a algorithm] [-b bits] [hostname...]: the rest is returned. */
static char *const *take_options(struct postfix_command *command, const char **algorithm, const char **size,
                                 const char *name)
{
    char **arguments = command->words;

    for (; *arguments != NULL && **arguments == '-' && arguments[1] != NULL; arguments += 2) {
        if (string_equal(*arguments, "-a"))
            *algorithm = arguments[1];
        else if (string_equal(*arguments, "-b"))
            *size = arguments[1];
        else
            break;
    }
    if (*arguments != NULL && **arguments == '-')
        die("usage: postfix tls %s [-a algorithm] [-b bits] [hostname...]", name);
    return arguments;
}

int tls_new_server_key(struct postfix_command *command)
{
    const char *algorithm = "rsa", *size = NULL;
    char *const *hosts = take_options(command, &algorithm, &size, "new-server-key");
    struct new_pair made = make_key_and_pair(command, algorithm, size, hosts);

    say_new(&made, "New private key and self-signed certificate");
    free_pair(&made);
    return 0;
}

/* As above, with the key that is in use, if there is one. */
int tls_new_server_cert(struct postfix_command *command)
{
    const char *algorithm = "rsa", *size = NULL;
    char *const *hosts = take_options(command, &algorithm, &size, "new-server-cert");
    char *present = deployed(command, known_algorithm(algorithm)->key_parameter);
    struct text key = {0};
    struct new_pair made;

    if (present == NULL)
        return tls_new_server_key(command);
    tls_file_read(present, &key);
    made = make_pair(command, known_algorithm(algorithm), &key, hosts);
    say_new(&made, "New self-signed certificate");
    free_pair(&made);
    free(present);
    return 0;
}

void tls_enable_new_key(struct postfix_command *command, const char *algorithm, const char *size, char *const *hosts)
{
    struct new_pair made = make_key_and_pair(command, algorithm, size, hosts);

    deploy(command, made.certificate, made.key);
    free_pair(&made);
}

/* ---- for others ---- */

int tls_output_server_csr(struct postfix_command *command)
{
    const char *const own[] = {command->mail.myhostname, NULL};
    char **arguments = command->words, *path;
    const char *name = "rsa";
    struct text key = {0}, request = {0};
    struct error error;

    if (*arguments != NULL && string_equal(*arguments, "-k") && arguments[1] != NULL) {
        name = arguments[1];
        arguments += 2;
    }
    if (*arguments != NULL && **arguments == '-')
        die("usage: postfix tls output-server-csr [-k keyfile] [hostname...]");
    path = key_file(command, name);
    if (path == NULL)
        die("No usable keyfile specified or configured");
    tls_file_read(path, &key);
    if (tls_key_algorithm(&key, path, &error) == NULL ||
        !tls_generate_request(&key, *arguments != NULL ? (const char *const *)arguments : own, &request, &error))
        die("%s", error.text);
    fputs(request.data, stdout);
    text_wipe(&key);
    text_free(&request);
    free(path);
    return 0;
}

static bool print_record(const struct postfix_command *command, const char *name, const char *host)
{
    char *path = key_file(command, name);
    struct text key = {0}, data = {0};
    struct error error;

    if (path == NULL)
        return false;
    tls_file_read(path, &key);
    if (!tls_generate_tlsa(&key, path, &data, &error))
        die("%s", error.text);
    printf("; %s\n_25._tcp.%s. IN TLSA 3 1 1 %s\n", path, host, data.data);
    text_wipe(&key);
    text_free(&data);
    free(path);
    return true;
}

int tls_output_server_tlsa(struct postfix_command *command)
{
    const char *host = command->mail.myhostname;
    char **arguments = command->words;
    bool any = false;

    if (*arguments != NULL && string_equal(*arguments, "-h") && arguments[1] != NULL) {
        host = arguments[1];
        arguments += 2;
    }
    if (*arguments != NULL && **arguments == '-')
        die("usage: postfix tls output-server-tlsa [-h hostname] [keyfile...]");
    for (size_t i = 0; *arguments == NULL && tls_algorithm_at(i) != NULL; i++)
        any = print_record(command, tls_algorithm_at(i)->name, host) || any;
    for (; *arguments != NULL; arguments++)
        any = print_record(command, *arguments, host) || any;
    if (!any)
        die("No usable keyfiles specified or configured");
    return 0;
}
