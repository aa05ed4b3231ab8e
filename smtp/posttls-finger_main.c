/* posttls-finger - shows how a server does TLS, as the SMTP client would see it (posttls-finger(1)). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "smtp/finger.h"
#include "smtp/tls.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/task/loop.h"
#include "util/task/task.h"

static const char usage[] = "usage: posttls-finger [-cCfSvw] [-a family] [-t conn_tmout] [-T cmd_tmout] [-L logopts] \\\n"
                            "\t[-h host_lookup] [-l level] [-d mdalg] [-g grade] [-p protocols] \\\n"
                            "\t[-A tafile] [-F CAfile.pem] [-P CApath/] [-s servername] \\\n"
                            "\t[ [-H chainfiles] | [-k certfile [-K keyfile]] ] [-M insecure_mx_policy] \\\n"
                            "\t[-m count] [-r delay] [-o name=value] destination [match ...]";

struct request {
    struct finger finger;
    struct config *main_cf;
    struct mail_config mail;
    struct smtp_config config;
    struct smtp_tls *tls;
    bool lmtp;
    /* The options; what is NULL was not named. */
    const char *family, *ca_file, *ca_path, *digest, *grade, *lookup, *certificate, *key, *level, *insecure_mx, *protocols,
        *server_name;
    struct text anchors, chains, match; /* several add up */
    bool wrapped, force_lookup;
    long connect_seconds, command_seconds, pause_seconds;
};

/* ---- words ---- */

static void append_item(struct text *list, const char *item)
{
    text_append_format(list, "%s%s", list->length > 0 ? "," : "", item);
}

static long number(int option, const char *value)
{
    char *end;
    long result = strtol(value, &end, 10);

    if (end == value || *end != '\0' || result < 1 || result > 86400)
        die("bad '-%c' option value: %s: it is a number from 1 to 86400", option, value);
    return result;
}

/* The value, which has to be one of the words. */
static const char *one_of(int option, const char *value, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++)
        if (string_equal(value, words[i]))
            return value;
    die("bad '-%c' option value: %s", option, value);
}

static const struct {
    const char *name;
    int log;   /* of enum finger_log */
    int level; /* smtp_tls_loglevel */
} log_words[] = {
    {"0", 0, 0},
    {"none", 0, 0},
    {"1", FINGER_SUMMARY, 0},
    {"routine", FINGER_SUMMARY, 0},
    {"summary", FINGER_SUMMARY, 0},
    {"2", FINGER_SUMMARY | FINGER_PEER | FINGER_SESSIONS, TLS_LOG_STEPS},
    {"debug", FINGER_SUMMARY | FINGER_PEER | FINGER_SESSIONS, TLS_LOG_STEPS},
    {"3", FINGER_SUMMARY | FINGER_PEER | FINGER_SESSIONS, TLS_LOG_DUMP_HANDSHAKE},
    {"ssl-expert", FINGER_SUMMARY | FINGER_PEER | FINGER_SESSIONS, TLS_LOG_DUMP_HANDSHAKE},
    {"4", FINGER_SUMMARY | FINGER_PEER | FINGER_SESSIONS, TLS_LOG_DUMP_ALL},
    {"ssl-developer", FINGER_SUMMARY | FINGER_PEER | FINGER_SESSIONS, TLS_LOG_DUMP_ALL},
    {"ssl-debug", 0, TLS_LOG_STEPS},
    {"ssl-handshake-packet-dump", 0, TLS_LOG_DUMP_HANDSHAKE},
    {"ssl-session-packet-dump", 0, TLS_LOG_DUMP_ALL},
    {"untrusted", 0, 0}, /* it is told in any case */
    {"peercert", FINGER_PEER, 0},
    {"certmatch", FINGER_PEER, 0},
    {"cache", FINGER_SESSIONS, 0},
    {"verbose", FINGER_PEER | FINGER_SESSIONS, 0},
};

static void read_log_word(struct request *request, long *level, const char *word, const char *list)
{
    for (size_t i = 0; i < sizeof log_words / sizeof *log_words; i++)
        if (string_equal_ignore_case(word, log_words[i].name)) {
            request->finger.log |= log_words[i].log;
            if (log_words[i].level > *level)
                *level = log_words[i].level;
            return;
        }
    log_warning(NULL, "unknown -L option value \"%s\" in \"%s\"", word, list);
}

static void read_log_options(struct request *request, long *level, const char *list)
{
    char *copy = memory_copy_string(list), *cursor = copy, *word;

    request->finger.log = 0;
    *level = 0;
    while ((word = string_next_word(&cursor, ", \t")) != NULL)
        read_log_word(request, level, word, list);
    free(copy);
}

/* ---- options ---- */

static void take_override(struct request *request, const char *assignment)
{
    struct error error;

    if (!config_override(request->main_cf, assignment, &error))
        die("%s", error.text);
}

static void take_option(struct request *request, int option, long *log_level)
{
    switch (option) {
    case 'a': request->family = one_of(option, optarg, (const char *const[]){"any", "ipv4", "ipv6", NULL}); break;
    case 'A': append_item(&request->anchors, optarg); break;
    case 'c': request->finger.silent = true; break;
    case 'C': request->finger.chain = true; break;
    case 'd': request->digest = optarg; break;
    case 'f': request->force_lookup = true; break;
    case 'F': request->ca_file = optarg; break;
    case 'g': request->grade = optarg; break;
    case 'h': request->lookup = optarg; break;
    case 'H': append_item(&request->chains, optarg); break;
    case 'k': request->certificate = optarg; break;
    case 'K': request->key = optarg; break;
    case 'l': request->level = optarg; break;
    case 'L': read_log_options(request, log_level, optarg); break;
    case 'm': request->finger.reconnects = number(option, optarg); break;
    case 'M': request->insecure_mx = one_of(option, optarg, (const char *const[]){"may", "encrypt", "dane", NULL}); break;
    case 'o': take_override(request, optarg); break;
    case 'p': request->protocols = optarg; break;
    case 'P': request->ca_path = optarg; break;
    case 'r': request->pause_seconds = number(option, optarg); break;
    case 's': request->server_name = optarg; break;
    case 'S': request->lmtp = true; break;
    case 't': request->connect_seconds = number(option, optarg); break;
    case 'T': request->command_seconds = number(option, optarg); break;
    case 'v': log_set_verbosity(log_verbosity() + 1); break;
    case 'w': request->wrapped = true; break;
    case 'X': die("there is no tlsproxy(8) here: -X is of no use");
    default: fprintf(stderr, "%s\n", usage); exit(1);
    }
}

static void read_options(struct request *request, int argc, char **argv, long *log_level)
{
    int option;

    while ((option = getopt(argc, argv, "+a:A:cCd:fF:g:h:H:k:K:l:L:m:M:o:p:P:r:s:St:T:vwX")) != -1)
        take_option(request, option, log_level);
    if (optind == argc) {
        fprintf(stderr, "%s\n", usage);
        exit(1);
    }
    if (request->chains.length > 0 && (request->certificate != NULL || request->key != NULL))
        die("-H goes with neither -k nor -K");
    request->finger.destination = argv[optind++];
    for (; optind < argc; optind++)
        append_item(&request->match, argv[optind]);
}

/* ---- what the SMTP client is told ---- */

static const char *or_else(const char *value, const char *otherwise)
{
    return value != NULL ? value : otherwise;
}

/* Of main.cf, what has an option does not count: the same command shows the same everywhere. */
static void configure_tls(struct request *request)
{
    struct smtp_config *config = &request->config;

    config->tls_policy_maps = config->tls_session_cache_database = "";
    config->tls_CAfile = or_else(request->ca_file, "");
    config->tls_CApath = or_else(request->ca_path, "");
    config->tls_trust_anchor_file = text_string(&request->anchors);
    config->tls_chain_files = text_string(&request->chains);
    config->tls_cert_file = or_else(request->certificate, or_else(request->key, ""));
    config->tls_key_file = or_else(request->key, config->tls_cert_file);
    config->tls_dcert_file = config->tls_dkey_file = config->tls_eccert_file = config->tls_eckey_file = "";
    config->tls_fingerprint_digest = or_else(request->digest, config->tls_fingerprint_digest);
    config->tls_ciphers = config->tls_mandatory_ciphers = or_else(request->grade, "medium");
    config->tls_protocols = config->tls_mandatory_protocols = or_else(request->protocols, ">=TLSv1");
    config->tls_servername = or_else(request->server_name, "");
    config->tls_wrappermode = request->wrapped;
    config->tls_force_insecure_host_tlsa_lookup = request->force_lookup;
    config->smtp_tls_dane_insecure_mx_policy = or_else(request->insecure_mx, "dane");
    config->tls_fingerprint_cert_match = text_string(&request->match);
    config->tls_verify_cert_match = request->match.length > 0 ? text_string(&request->match) : "hostname";
    config->tls_secure_cert_match = request->match.length > 0 ? text_string(&request->match) : "nexthop, dot-nexthop";
}

static void configure(struct request *request, long log_level)
{
    const struct parameter_set *parameters = request->lmtp ? &lmtp_parameters : &smtp_parameters;
    struct smtp_config *config = &request->config;
    struct error error;

    if (!config_fill(request->main_cf, &mail_parameters, &request->mail, &error) ||
        !config_fill(request->main_cf, parameters, config, &error))
        die("%s", error.text);
    config->sasl_auth_enable = false;
    config->connection_cache_destinations = "";
    config->dns_support_level = "dnssec";
    config->host_lookup = or_else(request->lookup, "dns");
    config->address_preference = or_else(request->family, "any");
    config->connect_timeout = request->connect_seconds * SECONDS;
    config->helo_timeout = config->starttls_timeout = request->command_seconds * SECONDS;
    config->tls_loglevel = log_level;
    request->finger.pause = request->pause_seconds * SECONDS;
    configure_tls(request);
}

static void choose_level(struct request *request)
{
    struct finger *finger = &request->finger;

    finger->level = SMTP_TLS_DANE;
    if (request->level != NULL && !smtp_tls_level_by_name(request->level, &finger->level))
        die("Invalid TLS level \"%s\"", request->level);
    if (smtp_tls_level_is_dane(finger->level) && !finger->client->dnssec)
        finger->level = SMTP_TLS_SECURE;
}

static void run(void *argument)
{
    struct request *request = argument;
    struct finger *finger = &request->finger;
    struct error error;

    finger->client = smtp_client_new(request->main_cf, &request->mail, &request->config, request->lmtp, &error);
    if (finger->client == NULL)
        die("%s", error.text);
    finger->client->tls = request->tls;
    finger->client->own_count = 0; /* this host is as good as any other */
    choose_level(request);
    finger_run(finger);
    loop_stop();
}

int main(int argc, char **argv)
{
    static char name[] = "posttls-finger";
    const struct log_settings to_stdout = {.tag = name, .target = LOG_TARGET_STDOUT};
    struct request request = {.finger = {.log = FINGER_SUMMARY | FINGER_PEER, .reconnects = 5},
                              .connect_seconds = 30,
                              .command_seconds = 30};
    struct error error;
    long log_level = 0;

    argv[0] = name;
    log_open(&to_stdout);
    request.main_cf = mail_config_load_or_die(NULL);
    read_options(&request, argc, argv, &log_level);
    configure(&request, log_level);
    request.tls = smtp_tls_new(request.main_cf, &request.config, request.lmtp, &error);
    if (request.tls == NULL)
        die("%s", error.text);
    request.finger.config = &request.config;
    request.finger.arena = arena_new();
    loop_start();
    task_start(run, &request);
    loop_run();
    arena_free(request.finger.arena);
    return 0;
}
