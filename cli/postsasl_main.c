/* postsasl - makes what the tables of smtpd_sasl_type = table hold, and tries passwords on them (postsasl(1)). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

#include "mail/config/mail_config.h"
#include "mail/sasl/password.h"
#include "mail/sasl/plain.h"
#include "mail/sasl/saslprep.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/table.h"

struct request {
    const char *directory;
    const char *method;
    unsigned long cost;
    bool try;
    const char *user; /* NULL: none named */
    struct text prepared; /* what it is */
};

static const char usage[] =
    "usage: postsasl [-c config_dir] [-m method] [-i iterations] [user]\n       postsasl [-c config_dir] -t user";

/* ---- the password ---- */

/* One line, without its end. */
static void read_line(struct text *line)
{
    char byte;

    while (line->length <= PASSWORD_LIMIT && read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
        text_append_char(line, byte);
    if (line->length > PASSWORD_LIMIT)
        die("a password of more than %d bytes", PASSWORD_LIMIT);
    if (line->length == 0)
        die("an empty password");
    if (strlen(line->data) != line->length)
        die("a password with a NUL in it");
}

static void ask(const char *question, struct text *answer)
{
    struct termios before, quiet;

    if (tcgetattr(STDIN_FILENO, &before) != 0)
        die("terminal: %s", strerror(errno));
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    fprintf(stderr, "%s", question);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    read_line(answer);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
}

static void read_password(bool twice, struct text *password)
{
    struct text again = {0};

    text_reserve(password, PASSWORD_LIMIT + 1);
    if (!isatty(STDIN_FILENO)) {
        read_line(password);
        return;
    }
    ask("Password: ", password);
    if (!twice)
        return;
    text_reserve(&again, PASSWORD_LIMIT + 1);
    ask("The same again: ", &again);
    if (strcmp(password->data, again.data) != 0)
        die("these are two different passwords");
    text_wipe(&again);
}

/* ---- entries ---- */

static int make_entry(const struct request *request)
{
    struct text typed = {0}, password = {0}, entry = {0};
    unsigned long iterations = request->cost != 0 ? request->cost : SCRAM_ITERATIONS;
    struct error error;

    read_password(true, &typed);
    saslprep(typed.data, &password);
    text_wipe(&typed);
    if (strcmp(request->method, "scram") != 0) {
        if (!password_crypt(request->method, request->cost, password.data, &entry, &error))
            die("%s", error.text);
    } else if (iterations < SCRAM_ITERATIONS_LEAST || iterations > SCRAM_ITERATIONS_LIMIT) {
        die("%lu iterations: at least %d and at most %d make sense", iterations, SCRAM_ITERATIONS_LEAST,
            SCRAM_ITERATIONS_LIMIT);
    } else {
        password_scram(password.data, (unsigned)iterations, &entry);
    }
    text_wipe(&password);
    printf("%s%s%s\n", request->user != NULL ? request->user : "", request->user != NULL ? "\t" : "", entry.data);
    text_free(&entry);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* ---- trying ---- */

/* As smtpd looks for it. */
static void find_entry(const struct config *config, const char *user, struct password_entry *entry)
{
    const char *path = config_get(config, "smtpd_sasl_path"), *domain = config_get(config, "smtpd_sasl_local_domain");
    struct text key = {0}, value = {0};
    struct table_list *tables;
    struct error error;

    if (strcmp(config_get(config, "smtpd_sasl_type"), "table") != 0)
        die("smtpd_sasl_type is not table");
    tables = table_list_open(path, &error);
    if (tables == NULL)
        die("smtpd_sasl_path: %s", error.text);
    text_append(&key, user);
    if (*domain != '\0' && strchr(user, '@') == NULL)
        text_append_format(&key, "@%s", domain);
    switch (table_list_lookup(tables, text_string(&key), &value, &error)) {
    case TABLE_ERROR: die("%s", error.text);
    case TABLE_NOT_FOUND: die("%s: no such user in %s", text_string(&key), path);
    case TABLE_FOUND: break;
    }
    if (!password_entry_parse(text_string(&value), entry))
        die("%s: what %s has is neither a crypt(3) string nor a SCRAM-SHA-256 verifier", text_string(&key),
            table_list_last(tables));
    text_wipe(&value);
    text_free(&key);
    table_list_close(tables);
}

static int try_password(const struct request *request)
{
    struct config *config = mail_config_load_or_die(request->directory);
    struct password_entry entry;
    struct text password = {0};
    bool good;

    find_entry(config, request->user, &entry);
    read_password(false, &password);
    good = password_check(&entry, password.data);
    text_wipe(&password);
    puts(good ? "That is the password." : "That is not the password.");
    if (good && !entry.has_scram)
        puts("The entry is for PLAIN and LOGIN only: SCRAM-SHA-256 needs one that was made with -m scram.");
    password_entry_clear(&entry);
    config_free(config);
    return good ? 0 : 1;
}

/* ---- the command ---- */

static void read_arguments(int argc, char **argv, struct request *request)
{
    int option;
    char *end;

    while ((option = getopt(argc, argv, "c:i:m:tv")) != -1) {
        switch (option) {
        case 'c': request->directory = optarg; break;
        case 'm': request->method = optarg; break;
        case 't': request->try = true; break;
        case 'v': log_set_verbosity(log_verbosity() + 1); break;
        case 'i':
            request->cost = strtoul(optarg, &end, 10);
            if (*end != '\0' || request->cost == 0)
                die("-i %s: a number is needed", optarg);
            break;
        default: die("%s", usage);
        }
    }
    if (argv[optind] != NULL) {
        if (!saslprep(argv[optind], &request->prepared))
            die("%s: it has to be UTF-8, and has characters that no user's name may have", argv[optind]);
        request->user = text_string(&request->prepared);
    }
    if ((request->user == NULL && request->try) || (request->user != NULL && argv[optind + 1] != NULL))
        die("%s", usage);
    if (request->user != NULL && (!sasl_username_valid(request->user) || strpbrk(request->user, " \t") != NULL))
        die("%s: a user's name has no blanks and no control characters", request->user);
}

int main(int argc, char **argv)
{
    struct request request = {.method = "scram"};
    const struct log_settings log = {.tag = "postsasl", .target = LOG_TARGET_STDERR};

    log_open(&log);
    prctl(PR_SET_DUMPABLE, 0);
    read_arguments(argc, argv, &request);
    return request.try ? try_password(&request) : make_entry(&request);
}
