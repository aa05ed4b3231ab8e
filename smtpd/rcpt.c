/* RCPT: RFC 5321 section 4.1.1.3. The first recipient that is accepted begins a queue file. */
#include "mail/submit/submission.h"
#include "smtpd/auth.h"
#include "smtpd/client.h"
#include "smtpd/command.h"
#include "smtpd/envelope.h"
#include "smtpd/limits.h"
#include "smtpd/reply.h"
#include "smtpd/restriction.h"
#include "smtpd/xclient.h"

static bool read_recipient(struct smtp_session *session, const char *arguments)
{
    struct transaction *transaction = session->transaction;
    const char *path = envelope_path(arguments, "TO"), *rest;
    struct text address = {0};
    bool good = false;

    transaction->recipient = (struct recipient){.dsn_orig_rcpt = ""};
    if (path == NULL) {
        smtpd_reply(session, "501 5.5.4 Syntax: RCPT TO:<address>");
    } else if (!envelope_read_recipient(session, path, &address, &rest)) {
        smtpd_reply(session, "501 5.1.3 Bad recipient address syntax");
    } else {
        transaction->recipient.address = arena_copy(transaction->arena, text_string(&address));
        good = envelope_take_rcpt_parameters(session, rest);
    }
    text_free(&address);
    return good;
}

/* smtpd_recipient_limit; beyond the overshoot each is an error. */
static bool within_limit(struct smtp_session *session)
{
    const struct smtpd_config *config = session->smtpd->config;
    struct transaction *transaction = session->transaction;

    if (transaction->recipient_count < (size_t)config->smtpd_recipient_limit)
        return true;
    smtpd_reply(session, "452 4.5.3 Error: too many recipients");
    if (transaction->overshoot++ < (size_t)config->smtpd_recipient_overshoot_limit) {
        session->errors--;
        session->failed = false;
    }
    return false;
}

static bool judge_destination(struct judge *judge, const struct smtpd_config *config)
{
    bool relay_first = config->smtpd_relay_before_recipient_restrictions;

    return judge_list(judge, relay_first ? RELAY_RESTRICTIONS : RECIPIENT_RESTRICTIONS) &&
           judge_list(judge, relay_first ? RECIPIENT_RESTRICTIONS : RELAY_RESTRICTIONS);
}

static bool recipient_accepted(struct smtp_session *session)
{
    const struct smtpd_config *config = session->smtpd->config;
    struct arena *arena = arena_new();
    struct judge judge;
    bool accepted = true;

    client_wait(session);
    judge_begin(&judge, session, arena, "RCPT");
    if (!session->smtpd->relay_guarded) {
        judge_reject(&judge, 451, "4.3.5", "Server configuration error");
        accepted = false;
    }
    if (accepted && config->smtpd_delay_reject)
        accepted = judge_list(&judge, CLIENT_RESTRICTIONS) && judge_list(&judge, HELO_RESTRICTIONS) &&
                   judge_list(&judge, SENDER_RESTRICTIONS) && judge_unlisted_sender(&judge);
    accepted = accepted && judge_destination(&judge, config) && judge_unlisted_recipient(&judge) && judge_end(&judge);
    if (!accepted)
        smtpd_reply(session, "%s", judge.reply);
    arena_free(arena);
    return accepted;
}

static void add_attribute(struct arena *arena, struct ipc_strings *attributes, const char *name, const char *value)
{
    attributes->items[attributes->count++] = arena_join(arena, name, value);
}

static const char *or_unknown(const char *value)
{
    return value != NULL ? value : "unknown";
}

enum { CLIENT_ATTRIBUTES = 19 };

/* What is logged of the client: XFORWARD's where there is one. */
static void describe_origin(struct smtp_session *session, struct arena *arena, struct ipc_strings *attributes)
{
    const struct client *client = &session->client;
    const struct forwarded_client self = {.name = client->name.name,
                                          .address = client->address_text,
                                          .port = client->port,
                                          .protocol = session->protocol,
                                          .helo = session->helo};
    const struct forwarded_client *origin = xforward_names_client(session) ? session->forwarded : &self;

    if (session->forwarded != NULL && session->forwarded->ident != NULL)
        add_attribute(arena, attributes, "log_ident=", session->forwarded->ident);
    add_attribute(arena, attributes, "log_client_name=", or_unknown(origin->name));
    add_attribute(arena, attributes, "log_client_address=", or_unknown(origin->address));
    add_attribute(arena, attributes, "log_client_port=", or_unknown(origin->port));
    add_attribute(arena, attributes, "log_message_origin=",
                  origin == &self ? client->identity : xforward_origin(session, arena));
    if (origin->helo != NULL)
        add_attribute(arena, attributes, "log_helo_name=", origin->helo);
    if (origin->protocol != NULL)
        add_attribute(arena, attributes, "log_protocol_name=", origin->protocol);
}

/* In the order in which Postfix has them in its files. */
static void describe_client(struct smtp_session *session, struct arena *arena, struct ipc_strings *attributes)
{
    const struct client *client = &session->client;
    char server[NET_ADDRESS_SIZE];

    attributes->items = arena_alloc(arena, CLIENT_ATTRIBUTES * sizeof *attributes->items);
    if (session->sasl_method != NULL) {
        add_attribute(arena, attributes, "sasl_method=", session->sasl_method);
        add_attribute(arena, attributes, "sasl_username=", session->sasl_username);
    }
    if (session->transaction->sasl_sender != NULL)
        add_attribute(arena, attributes, "sasl_sender=", session->transaction->sasl_sender);
    describe_origin(session, arena, attributes);
    add_attribute(arena, attributes, "client_name=", client->name.name);
    add_attribute(arena, attributes, "reverse_client_name=", client->name.reverse_name);
    add_attribute(arena, attributes, "client_address=", client->address_text);
    add_attribute(arena, attributes, "client_port=", client->port);
    add_attribute(arena, attributes, "server_address=", net_address_print(&session->server, server));
    add_attribute(arena, attributes, "server_port=", arena_format(arena, "%u", net_address_port(&session->server)));
    if (session->helo != NULL)
        add_attribute(arena, attributes, "helo_name=", session->helo);
    add_attribute(arena, attributes, "protocol_name=", session->protocol);
    add_attribute(arena, attributes, "client_address_type=",
                  net_address_family(&client->address) == AF_INET6 ? "6" : "4");
}

static struct submission *begin_submission(struct smtp_session *session, struct error *error)
{
    const struct transaction *transaction = session->transaction;
    struct cleanup_open open = {.flags = session->smtpd->cleanup_flags,
                                .sender = transaction->sender,
                                .arrival_time = clock_wall(),
                                .encoding = transaction->encoding,
                                .sendopts = transaction->sendopts,
                                .dsn_envid = transaction->dsn_envid,
                                .dsn_ret = transaction->dsn_ret,
                                .rewrite_context = xforward_local(session, session->local_rewrite) ? "local" : "remote",
                                .filter = session->smtpd->config->content_filter,
                                .client = session->client.identity,
                                .helo = session->helo != NULL ? session->helo : "",
                                .protocol = session->protocol,
                                .queue = "incoming"};

    if (session->smtpd->unchecked)
        return submission_open_drop(session->smtpd->mail, &open, error);
    describe_client(session, transaction->arena, &open.attributes);
    return submission_open(session->smtpd->cleanup, session->smtpd->mail, &open, error);
}

static void log_client(struct smtp_session *session)
{
    struct text more = {0};

    auth_append_log(session, ", ", &more);
    xforward_append_log(session, &more);
    log_info(&session->log, "client=%s%s", session->client.identity, text_string(&more));
    text_free(&more);
}

/* The queue file is begun with the first recipient; its ID identifies the session from then on. */
static bool open_submission(struct smtp_session *session)
{
    struct transaction *transaction = session->transaction;
    struct error error;

    if (transaction->submission != NULL)
        return true;
    transaction->submission = begin_submission(session, &error);
    if (transaction->submission == NULL) {
        log_warning(NULL, "%s", error.text);
        smtpd_reply(session, "451 4.3.0 Error: queue file write error");
        return false;
    }
    transaction->first_recipient = transaction->recipient.address;
    session->log.identity = arena_copy(transaction->arena, submission_queue_id(transaction->submission));
    log_client(session);
    return true;
}

static void submit_recipient(struct transaction *transaction)
{
    const struct cleanup_recipient recipient = {.address = transaction->recipient.address,
                                                .original = "",
                                                .dsn_orig_rcpt = transaction->recipient.dsn_orig_rcpt,
                                                .dsn_notify = transaction->recipient.dsn_notify};

    submission_recipient(transaction->submission, &recipient);
    transaction->recipient_count++;
}

void smtpd_rcpt(struct smtp_session *session, const char *arguments)
{
    struct transaction *transaction = session->transaction;

    if (transaction == NULL) {
        smtpd_reply(session, "503 5.5.1 Error: need MAIL command");
    } else if (transaction->content_begun) {
        smtpd_reply(session, "503 5.5.1 Error: RCPT after BDAT");
    } else if (limits_allow(session, ANVIL_RECIPIENT) && read_recipient(session, arguments) && within_limit(session) && recipient_accepted(session) &&
               open_submission(session)) {
        submit_recipient(transaction);
        smtpd_reply(session, "250 2.1.5 Ok");
    }
    if (session->transaction != NULL)
        session->transaction->recipient.address = NULL;
}
