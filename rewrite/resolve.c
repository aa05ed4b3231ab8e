#include "rewrite/resolve.h"

#include <stdlib.h>
#include <string.h>

#include "mail/address/address.h"
#include "mail/address/address_lookup.h"
#include "mail/address/canonical_form.h"
#include "mail/address/match_list.h"
#include "rewrite/routes.h"
#include "util/base/memory.h"
#include "util/net/address.h"

enum { ROUTE_DEPTH_LIMIT = 100 }; /* local domains stripped from one address */

enum table_kind {
    RELAYHOST_BY_SENDER,
    DEFAULT_TRANSPORT_BY_SENDER,
    TRANSPORT,
    RELOCATED,
    TABLE_KINDS,
};

struct resolver {
    const struct mail_config *mail;
    const struct rewrite_config *config;
    struct match_list *local_domains, *alias_domains, *mailbox_domains, *relay_domains;
    struct table_list *tables[TABLE_KINDS];
    struct net_interface *interfaces; /* addresses that are ours, proxies' too */
    size_t interface_count;
    bool transport_parents_match;
};

/* One question on its way to an answer. */
struct question {
    struct resolver *resolver;
    struct arena *arena;
    const char *sender;
    const char *address; /* as it is after routes were followed */
    struct resolve_reply *reply;
};

/* ---- answers that are no route ---- */

static void set_error(struct question *question, int flag, const char *text)
{
    question->reply->transport = question->resolver->mail->error_service_name;
    question->reply->nexthop = text;
    question->reply->flags |= flag;
}

static void set_failed(struct question *question, const char *what, const struct error *error)
{
    log_warning(NULL, "%s: %s", what, error->text);
    set_error(question, RESOLVE_FAILED, "4.3.0 Address resolution problem: a table cannot be read");
}

/* False also when the list failed: then the answer is set. */
static bool in_list(struct question *question, struct match_list *list, const char *domain, const char *what)
{
    struct error error;
    enum match_result result = match_list_domain(list, domain, &error);

    if (result == MATCH_ERROR)
        set_failed(question, what, &error);
    return result == MATCH_YES;
}

static bool failed(const struct question *question)
{
    return (question->reply->flags & RESOLVE_FAILED) != 0;
}

/* ---- is the domain this host? ---- */

static bool is_own_address(const struct resolver *resolver, const char *literal)
{
    struct net_address address;

    if (!net_address_parse(literal, &address))
        return false;
    for (size_t i = 0; i < resolver->interface_count; i++)
        if (net_address_equal(&resolver->interfaces[i].address, &address))
            return true;
    return false;
}

static bool is_local_domain(struct question *question, const char *domain)
{
    if (*domain == '[')
        return is_own_address(question->resolver, domain);
    return in_list(question, question->resolver->local_domains, domain, "mydestination");
}

/* A local part that names another destination once the local domain is gone: user%domain, host!user, or, when
 * resolve_dequoted_address allows to look into it, user@domain. */
static bool has_route(const struct mail_config *mail, const char *local)
{
    return (mail->swap_bangpath && strchr(local, '!') != NULL && *local != '!') ||
           (mail->allow_percent_hack && strchr(local, '%') != NULL) ||
           (mail->resolve_dequoted_address && strchr(local, '@') != NULL);
}

/* Strips local domains as long as what remains names another one. True: the address is local. */
static bool follow_routes(struct question *question)
{
    const struct mail_config *mail = question->resolver->mail;
    struct text next = {0};
    bool local = false;

    for (int depth = 0; depth < ROUTE_DEPTH_LIMIT; depth++) {
        const char *domain = address_domain(question->address);
        char *user;

        if (domain == NULL || (*domain == '\0' && question->resolver->config->resolve_null_domain)) {
            local = true;
            break;
        }
        local = is_local_domain(question, domain);
        if (!local)
            break;
        user = arena_copy_bytes(question->arena, question->address, (size_t)(domain - 1 - question->address));
        if (*user == '\0' || !has_route(mail, user))
            break;
        address_canonical_form_local(mail, user, &next);
        question->address = arena_copy(question->arena, text_string(&next));
    }
    text_free(&next);
    return local;
}

/* ---- classes ---- */

/* Of these the next hop is what the sender is told. */
static bool tells_sender(const struct question *question, const char *transport)
{
    return string_equal(transport, question->resolver->mail->error_service_name) || string_equal(transport, "retry");
}

/* Applies "transport:nexthop"; what is empty there stays. */
static void apply_route(struct question *question, const char *value)
{
    struct route route = route_parse(value, question->arena);

    if (*route.transport != '\0')
        question->reply->transport = route.transport;
    if (*route.nexthop != '\0' || tells_sender(question, route.transport))
        question->reply->nexthop = route.nexthop;
}

/* A sender's own value, or fallback. */
static const char *by_sender(struct question *question, enum table_kind kind, const char *empty_key,
                             const char *fallback, const char *what)
{
    struct resolver *resolver = question->resolver;
    const char *sender = *question->sender != '\0' ? question->sender : empty_key;
    const char *value;
    struct error error;

    switch (route_by_sender(resolver->tables[kind], sender, resolver->mail->recipient_delimiter, question->arena,
                            &value, &error)) {
    case TABLE_FOUND: return string_equal_ignore_case(value, "DUNNO") ? fallback : value;
    case TABLE_ERROR: set_failed(question, what, &error); return fallback;
    default: return fallback;
    }
}

/* The domain itself, unless a relay host takes its mail. */
static const char *relay_or_domain(struct question *question, const char *domain)
{
    const struct resolver *resolver = question->resolver;
    const char *relayhost =
        by_sender(question, RELAYHOST_BY_SENDER, resolver->config->empty_address_relayhost_maps_lookup_key,
                  resolver->mail->relayhost, "sender_dependent_relayhost_maps");

    return *relayhost != '\0' ? relayhost : domain;
}

static void resolve_local(struct question *question)
{
    question->reply->flags |= RESOLVE_LOCAL;
    question->reply->nexthop = question->resolver->mail->myhostname;
    apply_route(question, question->resolver->mail->local_transport);
}

static const char *unknown_in(struct question *question, const char *table)
{
    return question->resolver->config->show_user_unknown_table_name
               ? arena_format(question->arena, "5.1.1 User unknown in %s", table)
               : "5.1.1 User unknown";
}

static void resolve_default(struct question *question, const char *domain)
{
    const struct resolver *resolver = question->resolver;
    const char *key = resolver->config->empty_address_default_transport_maps_lookup_key;

    question->reply->flags |= RESOLVE_DEFAULT;
    question->reply->nexthop = relay_or_domain(question, domain);
    apply_route(question, by_sender(question, DEFAULT_TRANSPORT_BY_SENDER, key, resolver->mail->default_transport,
                                    "sender_dependent_default_transport_maps"));
}

static void resolve_remote(struct question *question, const char *domain)
{
    const struct resolver *resolver = question->resolver;

    if (in_list(question, resolver->alias_domains, domain, "virtual_alias_domains")) {
        set_error(question, RESOLVE_VIRTUAL_ALIAS, unknown_in(question, "virtual alias table"));
    } else if (in_list(question, resolver->mailbox_domains, domain, "virtual_mailbox_domains")) {
        question->reply->flags |= RESOLVE_VIRTUAL_MAILBOX;
        question->reply->nexthop = domain;
        apply_route(question, resolver->mail->virtual_transport);
    } else if (in_list(question, resolver->relay_domains, domain, "relay_domains")) {
        question->reply->flags |= RESOLVE_RELAY;
        question->reply->nexthop = relay_or_domain(question, domain);
        apply_route(question, resolver->mail->relay_transport);
    } else if (!failed(question)) {
        resolve_default(question, domain);
    }
}

/* ---- tables that overrule the class ---- */

/* transport(5): a transport without a next hop means the recipient's domain; an empty result changes nothing. */
static void overrule_transport(struct question *question, const char *domain)
{
    struct resolver *resolver = question->resolver;
    struct resolve_reply *reply = question->reply;
    struct route route;
    struct error error;
    const char *value;

    switch (route_by_address(resolver->tables[TRANSPORT], question->address, resolver->transport_parents_match,
                             resolver->mail->recipient_delimiter, question->arena, &value, &error)) {
    case TABLE_ERROR: set_failed(question, "transport_maps", &error); return;
    case TABLE_NOT_FOUND: return;
    default: break;
    }
    route = route_parse(value, question->arena);
    if (*route.transport != '\0') {
        reply->transport = route.transport;
        reply->nexthop = *route.nexthop != '\0' || tells_sender(question, route.transport) ? route.nexthop : domain;
    } else if (*route.nexthop != '\0') {
        reply->nexthop = route.nexthop;
    }
}

static void overrule_relocated(struct question *question)
{
    struct resolver *resolver = question->resolver;
    struct text found = {0};
    struct error error;
    int keys = LOOKUP_ADDRESS | LOOKUP_AT_DOMAIN;
    enum table_result result;

    if ((question->reply->flags & RESOLVE_LOCAL) != 0)
        keys |= LOOKUP_BARE_USER;
    result = address_lookup(resolver->tables[RELOCATED], question->address, keys,
                            resolver->mail->recipient_delimiter, &found, NULL, &error);
    if (result == TABLE_ERROR)
        set_failed(question, "relocated_maps", &error);
    else if (result == TABLE_FOUND)
        set_error(question, 0, arena_format(question->arena, "%s%s",
                                            resolver->config->relocated_prefix_enable ? "5.1.6 User has moved to " : "",
                                            text_string(&found)));
    text_free(&found);
}

/* ---- the whole ---- */

/* Host names, [addresses] and, when resolve_numeric_domain is on, bare addresses are domains. */
static bool accept_domain(struct question *question, const char *domain)
{
    struct net_address address;
    size_t length = strlen(domain);

    if (*domain == '[')
        return domain[length - 1] == ']' && net_address_parse(domain, &address);
    if (net_address_parse(domain, &address)) {
        if (!question->resolver->config->resolve_numeric_domain)
            return false;
        question->address = arena_format(question->arena, "%.*s[%s]", (int)(domain - question->address),
                                         question->address, domain);
        return true;
    }
    for (const char *c = domain; *c != '\0'; c++)
        if ((*c & 0x80) != 0) /* an internationalized name: judged when it is looked up */
            return string_valid_utf8(domain, length);
    return net_hostname_valid(domain);
}

static void resolve_by_class(struct question *question, bool local)
{
    const char *domain = address_domain(question->address);

    if (local)
        resolve_local(question);
    else
        resolve_remote(question, domain);
    if (!failed(question) && (question->reply->flags & RESOLVE_VIRTUAL_ALIAS) == 0)
        overrule_transport(question, domain != NULL ? domain : question->resolver->mail->myhostname);
    if (!failed(question))
        overrule_relocated(question);
}

void resolver_resolve(struct resolver *resolver, const struct resolve_request *request, struct arena *arena,
                      struct resolve_reply *reply)
{
    struct question question = {.resolver = resolver, .arena = arena, .sender = request->sender, .reply = reply};
    const char *given = *request->address != '\0' ? request->address : resolver->mail->empty_address_recipient;
    struct text form = {0};
    const char *domain;
    bool local;

    *reply = (struct resolve_reply){.transport = "", .nexthop = "", .recipient = given};
    address_canonical_form_local(resolver->mail, given, &form);
    question.address = arena_copy(arena, text_string(&form));
    text_free(&form);
    local = follow_routes(&question);
    reply->recipient = question.address;
    domain = address_domain(question.address);
    if (failed(&question))
        return;
    if (!local && !accept_domain(&question, domain)) {
        set_error(&question, RESOLVE_ERROR, "5.1.3 bad address syntax");
        return;
    }
    reply->recipient = question.address;
    if (!local && has_route(resolver->mail, arena_copy_bytes(arena, question.address,
                                                            (size_t)(address_domain(question.address) - 1 -
                                                                     question.address))))
        reply->flags |= RESOLVE_ROUTED;
    resolve_by_class(&question, local);
}

/* ---- setting up ---- */

static bool open_list(struct match_list **list, const char *patterns, int flags, const char *what,
                      struct error *error)
{
    *list = match_list_new(patterns, flags, error);
    return *list != NULL || error_prefix(error, "%s: ", what);
}

static bool open_lists(struct resolver *resolver, struct error *error)
{
    const struct mail_config *mail = resolver->mail;
    const char *parents = mail->parent_domain_matches_subdomains;

    return open_list(&resolver->local_domains, mail->mydestination, match_parent_flag(parents, "mydestination"),
                     "mydestination", error) &&
           open_list(&resolver->alias_domains, mail->virtual_alias_domains,
                     match_parent_flag(parents, "virtual_alias_domains"), "virtual_alias_domains", error) &&
           open_list(&resolver->mailbox_domains, mail->virtual_mailbox_domains,
                     match_parent_flag(parents, "virtual_mailbox_domains"), "virtual_mailbox_domains", error) &&
           open_list(&resolver->relay_domains, mail->relay_domains, match_parent_flag(parents, "relay_domains"),
                     "relay_domains", error);
}

static bool open_tables(struct resolver *resolver, struct error *error)
{
    const char *const names[TABLE_KINDS] = {
        [RELAYHOST_BY_SENDER] = resolver->config->sender_dependent_relayhost_maps,
        [DEFAULT_TRANSPORT_BY_SENDER] = resolver->config->sender_dependent_default_transport_maps,
        [TRANSPORT] = resolver->mail->transport_maps,
        [RELOCATED] = resolver->mail->relocated_maps,
    };

    for (size_t i = 0; i < TABLE_KINDS; i++) {
        resolver->tables[i] = table_list_open(names[i], error);
        if (resolver->tables[i] == NULL)
            return false;
    }
    return true;
}

static void add_address(struct resolver *resolver, const char *text)
{
    struct net_interface own = {.bits = 0};

    if (!net_address_parse(text, &own.address))
        return; /* a name: mail for its address comes by that name */
    resolver->interfaces =
        memory_resize(resolver->interfaces, (resolver->interface_count + 1) * sizeof *resolver->interfaces);
    resolver->interfaces[resolver->interface_count++] = own;
}

/* inet_interfaces and proxy_interfaces by number; "all" is what the system has. */
static bool find_interfaces(struct resolver *resolver, struct error *error)
{
    const struct mail_config *mail = resolver->mail;
    bool all = strcmp(mail->inet_interfaces, "all") == 0;
    char *listed, *cursor, *word;

    if (all && (resolver->interfaces = net_interfaces_list(&resolver->interface_count, error)) == NULL)
        return false;
    listed = memory_format("%s %s", all ? "" : mail->inet_interfaces, mail->proxy_interfaces);
    for (cursor = listed; (word = string_next_word(&cursor, " \t\r\n,")) != NULL;) {
        bool loopback = strcmp(word, "loopback-only") == 0 || strcmp(word, "localhost") == 0;

        add_address(resolver, loopback ? "127.0.0.1" : word);
        if (loopback)
            add_address(resolver, "::1");
    }
    free(listed);
    return true;
}

struct resolver *resolver_new(const struct service_environment *environment, struct error *error)
{
    struct resolver *resolver = memory_new(sizeof *resolver);

    resolver->mail = environment->mail;
    resolver->config = environment->parameters;
    resolver->transport_parents_match =
        match_parent_flag(resolver->mail->parent_domain_matches_subdomains, "transport_maps") != 0;
    if (open_lists(resolver, error) && open_tables(resolver, error) && find_interfaces(resolver, error))
        return resolver;
    free(resolver); /* the process ends: what is open goes with it */
    return NULL;
}
