#include "smtp/session.h"

#include "smtp/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "smtp/auth.h"
#include "smtp/tls_report.h"
#include "util/base/log.h"
#include "util/base/memory.h"

enum { SMTP_PORT = 25 };

/* ---- the conversation ---- */

bool smtp_session_receive(struct smtp_session *session, duration limit)
{
    enum stream_status status;

    stream_set_timeout(session->stream, INT64_MAX);
    stream_set_deadline(session->stream, deadline_in(limit));
    status = stream_flush(session->stream);
    if (status == STREAM_OK)
        status = smtp_reply_read(session->stream, &session->reply);
    stream_set_deadline(session->stream, deadline_never());
    if (status != STREAM_OK)
        session->dead = true;
    else if (session->reply.damaged)
        log_warning(NULL, "non-ESMTP response from %s: %.100s", session->relay, text_string(&session->reply.text));
    return status == STREAM_OK;
}

void smtp_session_hurry(struct smtp_session *session)
{
    size_t unread;
    int yes = 1;

    stream_buffered(session->stream, &unread);
    if (unread == 0 && net_address_family(&session->address) != AF_UNIX)
        setsockopt(stream_fd(session->stream), IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof yes);
}

void smtp_session_set_trouble(const struct smtp_session *session, const char *dsn, const char *diagnostic,
                              struct arena *arena, struct smtp_trouble *trouble)
{
    trouble->dsn = arena_copy(arena, dsn);
    trouble->relay = arena_copy(arena, session->relay);
    trouble->diagnostic = diagnostic != NULL ? arena_copy(arena, diagnostic) : NULL;
    trouble->remote_mta = diagnostic != NULL ? arena_copy(arena, session->host) : NULL;
}

void smtp_session_lost(struct smtp_session *session, const char *doing, struct arena *arena,
                       struct smtp_trouble *trouble)
{
    session->dead = true;
    switch (stream_status(session->stream)) {
    case STREAM_TIMEOUT:
        error_set(&trouble->reason, "conversation with %s timed out while %s", session->peer, doing);
        break;
    case STREAM_CANCELLED:
        error_set(&trouble->reason, "conversation with %s was given up while %s", session->peer, doing);
        break;
    case STREAM_OK:
        error_set(&trouble->reason, "endless reply from %s while %s", session->peer, doing);
        break;
    default: error_set(&trouble->reason, "lost connection with %s while %s", session->peer, doing);
    }
    smtp_session_set_trouble(session, "4.4.2", NULL, arena, trouble);
}

/* ---- the beginning ---- */

/* A server that says 5xx at once may mean all mail or just this moment: the next host is asked, and mail waits. */
static bool refuse(struct smtp_session *session, bool soften, struct arena *arena, struct smtp_trouble *trouble)
{
    const char *said = smtp_reply_line(&session->reply, arena);

    error_set(&trouble->reason, "host %s refused to talk to me: %s", session->peer, said);
    if (soften || session->reply.code < 400)
        session->reply.dsn[0] = '4';
    smtp_session_set_trouble(session, session->reply.dsn, said, arena, trouble);
    return false;
}

static bool take_greeting(struct smtp_session *session, struct arena *arena, struct smtp_trouble *trouble)
{
    if (!smtp_session_receive(session, session->client->config->helo_timeout)) {
        smtp_session_lost(session, "receiving the initial server greeting", arena, trouble);
        return false;
    }
    if (session->reply.code / 100 == 2)
        return true;
    return refuse(session, session->client->config->skip_5xx_greeting, arena, trouble);
}

static bool wants_ehlo(const struct smtp_session *session)
{
    const struct smtp_config *config = session->client->config;

    if (config->smtp_never_send_ehlo)
        return false;
    return config->smtp_always_send_ehlo || strstr(text_string(&session->reply.text), "ESMTP") != NULL;
}

/* False: the connection is gone. */
static bool say_hello(struct smtp_session *session, const char *verb, struct arena *arena,
                      struct smtp_trouble *trouble)
{
    char doing[40];

    stream_print(session->stream, "%s %s\r\n", verb, session->client->config->helo_name);
    if (smtp_session_receive(session, session->client->config->helo_timeout))
        return true;
    snprintf(doing, sizeof doing, "performing the %s handshake", verb);
    smtp_session_lost(session, doing, arena, trouble);
    return false;
}

/* Whether the server calls itself by our name on the port where we receive mail. */
static bool is_myself(const struct smtp_session *session)
{
    const char *name = text_string(&session->reply.text), *myhostname = session->client->mail->myhostname;
    size_t length = strlen(myhostname);

    if (net_address_port(&session->address) != SMTP_PORT || strlen(name) < 4)
        return false;
    name += 4;
    return string_starts_ignore_case(name, myhostname) &&
           (name[length] == '\0' || ascii_is_space(name[length]));
}

static void note_name(struct smtp_session *session)
{
    const char *text = text_string(&session->reply.text);

    if (strlen(text) > 4)
        session->helo = arena_copy_bytes(session->arena, text + 4, strcspn(text + 4, " \t\r\n"));
}

/* RFC 2033 section 4.1. There is no older greeting to fall back on. */
static bool shake_lmtp_hands(struct smtp_session *session, struct arena *arena, struct smtp_trouble *trouble)
{
    if (!say_hello(session, "LHLO", arena, trouble))
        return false;
    if (session->reply.code / 100 != 2)
        return refuse(session, false, arena, trouble);
    ehlo_parse(text_string(&session->reply.text), session->client->discard, &session->offer);
    return true;
}

static bool shake_smtp_hands(struct smtp_session *session, const char *domain, struct arena *arena,
                             struct smtp_trouble *trouble)
{
    bool extended = wants_ehlo(session) || session->tls != NULL;

    if (extended) {
        if (!say_hello(session, "EHLO", arena, trouble))
            return false;
        extended = session->reply.code / 100 == 2;
        if (session->reply.code / 100 == 4)
            return refuse(session, false, arena, trouble);
    }
    if (!extended) {
        if (!say_hello(session, "HELO", arena, trouble))
            return false;
        if (session->reply.code / 100 != 2)
            return refuse(session, false, arena, trouble);
    }
    note_name(session);
    if (is_myself(session)) {
        log_warning(NULL, "host %s replied to HELO/EHLO with my own hostname %s", session->relay,
                    session->client->mail->myhostname);
        error_set(&trouble->reason, "mail for %s loops back to myself", domain);
        smtp_session_set_trouble(session, "5.4.6", NULL, arena, trouble);
        return false;
    }
    if (extended)
        ehlo_parse(text_string(&session->reply.text), session->client->discard, &session->offer);
    return true;
}

static bool say_who_we_are(struct smtp_session *session, const char *domain, struct arena *arena,
                           struct smtp_trouble *trouble)
{
    session->offer = (struct ehlo_offer){0}; /* what was offered before TLS counts no more: RFC 3207 section 4.2 */
    return session->client->lmtp ? shake_lmtp_hands(session, arena, trouble)
                                 : shake_smtp_hands(session, domain, arena, trouble);
}

/* CVE-2009-3555: somebody said commands to the server before our handshake, as if they were ours, and it answers them. */
static bool answers_in_turn(struct smtp_session *session, struct arena *arena, struct smtp_trouble *trouble)
{
    if (!session->client->config->tls_block_early_mail_reply || !stream_has_input(session->stream))
        return true;
    error_set(&trouble->reason, "unexpected server message from %s: smtp_tls_block_early_mail_reply", session->peer);
    smtp_session_set_trouble(session, "4.7.0", NULL, arena, trouble);
    session->dead = true;
    return false;
}

static bool shake_hands(struct smtp_session *session, const struct smtp_purpose *purpose, struct arena *arena,
                        struct smtp_trouble *trouble)
{
    const struct smtp_tls_policy *policy = purpose->policy;
    bool wrapped = session->client->config->tls_wrappermode, begun;

    if (wrapped && !smtp_tls_secure(session, policy, true, &begun, arena, trouble))
        return false;
    if (!take_greeting(session, arena, trouble) || !say_who_we_are(session, purpose->nexthop, arena, trouble))
        return false;
    if (wrapped)
        return true;
    if (!smtp_tls_secure(session, policy, false, &begun, arena, trouble))
        return false;
    return !begun ||
           (say_who_we_are(session, purpose->nexthop, arena, trouble) && answers_in_turn(session, arena, trouble));
}

/* ---- connecting ---- */

static int connect_from(const struct smtp_client *client, const struct net_address *to, struct deadline deadline)
{
    const struct net_address *from = net_address_family(to) == AF_INET6 ? &client->bind_ipv6 : &client->bind_ipv4;
    char address[NET_ADDRESS_SIZE];
    int fd;

    if (smtp_address_path(to) != NULL)
        return stream_connect_unix(smtp_address_path(to), deadline);
    if (from->length == 0)
        return stream_connect((const struct sockaddr *)&to->storage, to->length, NULL, 0, deadline);
    fd = stream_connect((const struct sockaddr *)&to->storage, to->length, (const struct sockaddr *)&from->storage,
                        from->length, deadline);
    if (fd >= 0 || errno != EADDRNOTAVAIL)
        return fd;
    log_warning(NULL, "cannot connect from address %s", net_address_print(from, address));
    if (client->config->bind_address_enforce)
        return -1;
    return stream_connect((const struct sockaddr *)&to->storage, to->length, NULL, 0, deadline);
}

static struct smtp_session *session_new(const struct smtp_client *client, const struct smtp_host *host, int fd)
{
    struct smtp_session *session = memory_new(sizeof *session);
    int yes = 1;

    /* Commands and content are written in whole pieces: nothing is gained by holding back the last one. */
    if (smtp_address_path(&host->address) == NULL)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    session->client = client;
    session->stream = stream_new(fd);
    session->arena = arena_new();
    session->address = host->address;
    session->host = arena_copy(session->arena, host->name);
    session->helo = "";
    session->peer = smtp_host_peer(host, session->arena);
    session->relay = smtp_host_relay(host, session->arena);
    session->started = clock_monotonic();
    return session;
}

struct smtp_session *smtp_session_connect(const struct smtp_client *client, const struct smtp_host *host,
                                          struct arena *arena, struct smtp_trouble *trouble)
{
    duration limit = client->config->connect_timeout;
    int fd = connect_from(client, &host->address, limit > 0 ? deadline_in(limit) : deadline_never());
    int reason = errno;

    *trouble = (struct smtp_trouble){0};
    if (fd >= 0)
        return session_new(client, host, fd);
    error_set(&trouble->reason, "connect to %s: %s", smtp_host_relay(host, arena), strerror(reason));
    trouble->dsn = "4.4.1";
    return NULL;
}

struct smtp_session *smtp_session_open(const struct smtp_client *client, const struct smtp_host *host,
                                       const struct smtp_purpose *purpose, struct arena *arena,
                                       struct smtp_trouble *trouble, bool *handshake_failed)
{
    struct smtp_session *session = smtp_session_connect(client, host, arena, trouble);
    bool open;

    *handshake_failed = false;
    if (session == NULL)
        return NULL;
    session->tls_identity = arena_copy(session->arena, purpose->policy->identity);
    session->owner = arena_copy(session->arena, purpose->owner);
    open = shake_hands(session, purpose, arena, trouble);
    smtp_tls_report_session(session, purpose);
    if (open && smtp_log_in(session, purpose->nexthop, purpose->sender, arena, trouble))
        return session;
    *handshake_failed = session->tls_failed;
    smtp_session_close(session);
    return NULL;
}

/* ---- the end ---- */

void smtp_session_close(struct smtp_session *session)
{
    const struct smtp_config *config = session->client->config;

    if (!session->dead) {
        stream_set_timeout(session->stream, config->quit_timeout);
        stream_print(session->stream, "QUIT\r\n");
        if (stream_flush(session->stream) == STREAM_OK && !config->skip_quit_response)
            smtp_session_receive(session, config->quit_timeout);
    }
    stream_free(session->stream);
    smtp_reply_free(&session->reply);
    text_free(&session->command);
    arena_free(session->arena);
    free(session);
}
