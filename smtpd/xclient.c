#include "smtpd/xclient.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/address/address.h"
#include "smtpd/auth.h"
#include "smtpd/client.h"
#include "smtpd/command.h"
#include "smtpd/reply.h"
#include "util/base/memory.h"

enum { VALUE_LIMIT = 255, PROTOCOL_LIMIT = 64 };

/* ---- what both have in common: NAME=value ... ---- */

/* One attribute's value, NULL: it is not to be had (for now, with `temporary`). False: bad syntax. */
typedef bool attribute_fn(void *target, struct arena *arena, const char *value, bool temporary);

struct attribute {
    const char *name;
    attribute_fn *take;
};

/* The value of one, decoded; what is no xtext is taken as it is. */
static char *decode_value(struct arena *arena, const char *value)
{
    struct text plain = {0};
    bool decoded = xtext_decode(value, &plain) && strlen(text_string(&plain)) == plain.length;
    char *result = string_printable(arena_copy(arena, decoded ? text_string(&plain) : value), false);

    text_free(&plain);
    return result;
}

static const struct attribute *find_attribute(const struct attribute *rows, const char *name)
{
    while (rows->name != NULL && !string_equal_ignore_case(rows->name, name))
        rows++;
    return rows->name != NULL ? rows : NULL;
}

/* False: refused already. */
static bool take_attribute(struct smtp_session *session, const char *verb, const struct attribute *rows, char *word,
                           void *target, struct arena *arena)
{
    char *value = strchr(word, '=');
    const struct attribute *row;
    bool temporary, unavailable;

    if (value == NULL || value == word || value[1] == '\0') {
        smtpd_reply(session, "501 5.5.4 Error: attribute=value expected");
        return false;
    }
    *value++ = '\0';
    if (strlen(value) > VALUE_LIMIT) {
        smtpd_reply(session, "501 5.5.4 Error: attribute value too long");
        return false;
    }
    row = find_attribute(rows, word);
    if (row == NULL) {
        smtpd_reply(session, "501 5.5.4 Bad %s attribute name: %s", verb, word);
        return false;
    }
    value = decode_value(arena, value);
    temporary = string_equal_ignore_case(value, "[TEMPUNAVAIL]");
    unavailable = temporary || string_equal_ignore_case(value, "[UNAVAILABLE]");
    if (row->take(target, arena, unavailable ? NULL : value, temporary))
        return true;
    smtpd_reply(session, "501 5.5.4 Bad %s syntax: %s", row->name, value);
    return false;
}

static bool take_attributes(struct smtp_session *session, const char *verb, const struct attribute *rows,
                            const char *arguments, void *target, struct arena *arena)
{
    char *copy = memory_copy_string(arguments), *cursor = copy, *word;
    bool good = true;

    while (good && (word = string_next_word(&cursor, " \t")) != NULL)
        good = take_attribute(session, verb, rows, word, target, arena);
    free(copy);
    return good;
}

static bool is_authorized(struct smtp_session *session, struct match_list *hosts)
{
    struct error error;

    if (match_list_empty(hosts))
        return false;
    client_wait(session);
    return match_list_client(hosts, session->client.name.name, &session->client.address, &error) == MATCH_YES;
}

static bool in_order(struct smtp_session *session, const char *verb, struct match_list *hosts, const char *arguments)
{
    if (session->transaction != NULL)
        smtpd_reply(session, "503 5.5.1 Error: MAIL transaction in progress");
    else if (*arguments == '\0')
        smtpd_reply(session, "501 5.5.4 Syntax: %s attribute=value...", verb);
    else if (!is_authorized(session, hosts))
        smtpd_reply(session, "550 5.7.0 Error: insufficient authorization");
    else
        return true;
    return false;
}

static bool port_valid(const char *value)
{
    return string_all_digits(value) && strlen(value) <= 5 && strtol(value, NULL, 10) <= 65535;
}

/* "192.0.2.1" or "IPV6:2001:db8::1" */
static bool read_address(const char *value, struct net_address *address)
{
    bool ipv6 = string_starts_ignore_case(value, "IPV6:");

    if (ipv6)
        value += strlen("IPV6:");
    return (strchr(value, ':') != NULL) == ipv6 && *value != '[' && net_address_parse(value, address);
}

/* ---- XCLIENT ---- */

/* What the client will be, and what is said anew. */
struct impersonation {
    struct client client;
    struct net_address server;
    bool named_reverse;
    const char *helo, *protocol, *login;
};

static bool take_name(void *target, struct arena *arena, const char *value, bool temporary)
{
    struct impersonation *new = target;
    struct dns_client_name *name = &new->client.name;

    (void)arena;
    if (value != NULL && !net_hostname_valid(value))
        return false;
    name->name = value != NULL ? value : "unknown";
    name->status = value != NULL ? DNS_OK : temporary ? DNS_TRY_AGAIN : DNS_NOT_FOUND;
    name->mismatch = false;
    if (!new->named_reverse) {
        name->reverse_name = name->name;
        name->reverse_status = name->status;
    }
    return true;
}

static bool take_reverse_name(void *target, struct arena *arena, const char *value, bool temporary)
{
    struct impersonation *new = target;

    (void)arena;
    if (value != NULL && !net_hostname_valid(value))
        return false;
    new->named_reverse = true;
    new->client.name.reverse_name = value != NULL ? value : "unknown";
    new->client.name.reverse_status = value != NULL ? DNS_OK : temporary ? DNS_TRY_AGAIN : DNS_NOT_FOUND;
    return true;
}

static bool take_address(void *target, struct arena *arena, const char *value, bool temporary)
{
    struct client *client = &((struct impersonation *)target)->client;

    (void)arena, (void)temporary;
    client->address = (struct net_address){0};
    if (value != NULL && !read_address(value, &client->address))
        return false;
    net_address_print(&client->address, client->address_text);
    return true;
}

static bool take_port(void *target, struct arena *arena, const char *value, bool temporary)
{
    struct client *client = &((struct impersonation *)target)->client;

    (void)arena, (void)temporary;
    if (value != NULL && !port_valid(value))
        return false;
    snprintf(client->port, sizeof client->port, "%s", value != NULL ? value : "unknown");
    return true;
}

static bool take_protocol(void *target, struct arena *arena, const char *value, bool temporary)
{
    struct impersonation *new = target;

    (void)arena, (void)temporary;
    if (value == NULL || (!string_equal_ignore_case(value, "SMTP") && !string_equal_ignore_case(value, "ESMTP")))
        return false;
    new->protocol = string_equal_ignore_case(value, "SMTP") ? "SMTP" : "ESMTP";
    return true;
}

static bool take_helo(void *target, struct arena *arena, const char *value, bool temporary)
{
    (void)arena, (void)temporary;
    ((struct impersonation *)target)->helo = value;
    return true;
}

static bool take_login(void *target, struct arena *arena, const char *value, bool temporary)
{
    (void)arena, (void)temporary;
    ((struct impersonation *)target)->login = value;
    return true;
}

static bool take_server_address(void *target, struct arena *arena, const char *value, bool temporary)
{
    struct net_address *server = &((struct impersonation *)target)->server;
    uint16_t port = net_address_port(server);

    (void)arena, (void)temporary;
    if (value == NULL)
        return true;
    if (!read_address(value, server))
        return false;
    net_address_set_port(server, port);
    return true;
}

static bool take_server_port(void *target, struct arena *arena, const char *value, bool temporary)
{
    (void)arena, (void)temporary;
    if (value != NULL && !port_valid(value))
        return false;
    if (value != NULL)
        net_address_set_port(&((struct impersonation *)target)->server, (uint16_t)strtol(value, NULL, 10));
    return true;
}

static const struct attribute xclient_attributes[] = {
    {"NAME", take_name},   {"ADDR", take_address},
    {"PROTO", take_protocol}, {"HELO", take_helo},
    {"REVERSE_NAME", take_reverse_name}, {"PORT", take_port},
    {"LOGIN", take_login}, {"DESTADDR", take_server_address},
    {"DESTPORT", take_server_port}, {NULL, NULL},
};

/* The session begins anew, with another client. */
static void impersonate(struct smtp_session *session, const struct impersonation *new)
{
    session_end_transaction(session);
    auth_forget(session);
    session->client = new->client;
    task_condition_init(&session->client.looked_up);
    client_identify(session);
    session->server = new->server;
    session->helo = new->helo;
    session->protocol = new->protocol != NULL ? new->protocol : "SMTP";
    session->extended = false;
    if (new->login != NULL) {
        session->sasl_method = "XCLIENT";
        session->sasl_username = new->login;
    }
    session_greet(session);
}

void smtpd_xclient(struct smtp_session *session, const char *arguments)
{
    struct impersonation new = {0};

    if (!in_order(session, "XCLIENT", session->smtpd->xclient_hosts, arguments))
        return;
    new.client = session->client;
    new.server = session->server;
    if (take_attributes(session, "XCLIENT", xclient_attributes, arguments, &new, session->arena))
        impersonate(session, &new);
}

static void announce(const char *verb, const struct attribute *rows, struct text *lines)
{
    text_append(lines, verb);
    for (; rows->name != NULL; rows++)
        text_append_format(lines, " %s", rows->name);
    text_append_char(lines, '\n');
}

void xclient_announce(struct smtp_session *session, struct text *lines)
{
    if (is_authorized(session, session->smtpd->xclient_hosts))
        announce("XCLIENT", xclient_attributes, lines);
}

/* ---- XFORWARD ---- */

static bool forward_name(void *target, struct arena *arena, const char *value, bool temporary)
{
    (void)arena, (void)temporary;
    ((struct forwarded_client *)target)->name = value;
    return value == NULL || net_hostname_valid(value);
}

static bool forward_address(void *target, struct arena *arena, const char *value, bool temporary)
{
    struct forwarded_client *forwarded = target;
    char text[NET_ADDRESS_SIZE];
    struct net_address address;

    (void)temporary;
    forwarded->address = NULL;
    if (value == NULL)
        return true;
    if (!read_address(value, &address))
        return false;
    forwarded->address = arena_copy(arena, net_address_print(&address, text));
    return true;
}

static bool forward_port(void *target, struct arena *arena, const char *value, bool temporary)
{
    (void)arena, (void)temporary;
    ((struct forwarded_client *)target)->port = value;
    return value == NULL || port_valid(value);
}

static bool forward_protocol(void *target, struct arena *arena, const char *value, bool temporary)
{
    (void)arena, (void)temporary;
    ((struct forwarded_client *)target)->protocol = value;
    return value == NULL || strlen(value) <= PROTOCOL_LIMIT;
}

static bool forward_helo(void *target, struct arena *arena, const char *value, bool temporary)
{
    (void)arena, (void)temporary;
    ((struct forwarded_client *)target)->helo = value;
    return true;
}

static bool forward_ident(void *target, struct arena *arena, const char *value, bool temporary)
{
    (void)arena, (void)temporary;
    ((struct forwarded_client *)target)->ident = value;
    return true;
}

static bool forward_source(void *target, struct arena *arena, const char *value, bool temporary)
{
    (void)arena, (void)temporary;
    ((struct forwarded_client *)target)->source = value;
    return value == NULL || string_equal_ignore_case(value, "LOCAL") || string_equal_ignore_case(value, "REMOTE");
}

static const struct attribute xforward_attributes[] = {
    {"NAME", forward_name},     {"ADDR", forward_address}, {"PROTO", forward_protocol}, {"HELO", forward_helo},
    {"SOURCE", forward_source}, {"PORT", forward_port},    {"IDENT", forward_ident},    {NULL, NULL},
};

void smtpd_xforward(struct smtp_session *session, const char *arguments)
{
    struct forwarded_client new = {0}, *kept = session->forwarded;
    struct arena *arena;

    if (!in_order(session, "XFORWARD", session->smtpd->xforward_hosts, arguments))
        return;
    arena = kept != NULL ? kept->arena : arena_new();
    if (kept != NULL)
        new = *kept;
    if (take_attributes(session, "XFORWARD", xforward_attributes, arguments, &new, arena)) {
        if (kept == NULL)
            kept = session->forwarded = arena_alloc(arena, sizeof *kept);
        *kept = new;
        kept->arena = arena;
        smtpd_reply(session, "250 2.0.0 Ok");
    } else if (kept == NULL) {
        arena_free(arena);
    }
}

void xforward_announce(struct smtp_session *session, struct text *lines)
{
    if (is_authorized(session, session->smtpd->xforward_hosts))
        announce("XFORWARD", xforward_attributes, lines);
}

void xforward_forget(struct smtp_session *session)
{
    if (session->forwarded != NULL)
        arena_free(session->forwarded->arena);
    session->forwarded = NULL;
}

bool xforward_names_client(const struct smtp_session *session)
{
    const struct forwarded_client *forwarded = session->forwarded;

    return forwarded != NULL && (forwarded->name != NULL || forwarded->address != NULL);
}

const char *xforward_origin(const struct smtp_session *session, struct arena *arena)
{
    const struct forwarded_client *forwarded = session->forwarded;

    return arena_format(arena, "%s[%s]", forwarded->name != NULL ? forwarded->name : "unknown",
                        forwarded->address != NULL ? forwarded->address : "unknown");
}

bool xforward_local(const struct smtp_session *session, bool otherwise)
{
    const struct forwarded_client *forwarded = session->forwarded;

    return forwarded != NULL && forwarded->source != NULL ? string_equal_ignore_case(forwarded->source, "LOCAL")
                                                          : otherwise;
}

void xforward_append_log(const struct smtp_session *session, struct text *line)
{
    if (session->forwarded != NULL && session->forwarded->ident != NULL)
        text_append_format(line, ", orig_queue_id=%s", session->forwarded->ident);
    if (xforward_names_client(session))
        text_append_format(line, ", orig_client=%s", xforward_origin(session, session->forwarded->arena));
}
