#include "virtual/virtual.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mail/address/address_lookup.h"
#include "mail/mailbox/mailbox.h"
#include "util/base/memory.h"

static const struct parameter parameters[] = {
#define PARAMETER(...) PARAMETER_ROW(struct virtual_config, __VA_ARGS__)
#include "virtual/virtual.def"
#undef PARAMETER
};
const struct parameter_set virtual_parameters = PARAMETER_SET(parameters, struct virtual_config);

struct virtual_agent *virtual_agent_new(const struct mail_config *mail, const struct virtual_config *config,
                                        struct error *error)
{
    struct virtual_agent *agent = memory_new(sizeof *agent);

    agent->mail = mail;
    agent->config = config;
    if (config->virtual_mailbox_limit > 0 && (mail->message_size_limit == 0 ||
                                              config->virtual_mailbox_limit < mail->message_size_limit)) {
        error_set(error, "virtual_mailbox_limit is smaller than message_size_limit");
        return NULL;
    }
    if (!mailbox_locks_parse(config->virtual_mailbox_lock, &agent->locks, error) ||
        (agent->mailboxes = table_list_open(mail->virtual_mailbox_maps, error)) == NULL ||
        (agent->uids = table_list_open(config->virtual_uid_maps, error)) == NULL ||
        (agent->gids = table_list_open(config->virtual_gid_maps, error)) == NULL)
        return NULL;
    return agent;
}

/* ---- tables ---- */

static void set_result(struct delivery_result *result, const char *dsn, const char *reason)
{
    result->dsn = dsn;
    result->reason = reason;
}

static enum table_result ask(const struct virtual_agent *agent, struct table_list *tables, const char *address,
                             struct text *value)
{
    struct error error;
    enum table_result found = address_lookup(tables, address, LOOKUP_ADDRESS | LOOKUP_AT_DOMAIN,
                                             agent->mail->recipient_delimiter, value, NULL, &error);

    if (found == TABLE_ERROR)
        log_warning(NULL, "%s", error.text);
    return found;
}

/* A user or group ID, which only root can take: others deliver as themselves. */
static bool ask_id(const struct virtual_agent *agent, struct table_list *tables, const char *address, const char *what,
                   long least, unsigned *id)
{
    struct text value = {0};
    enum table_result found;
    long number = 0;
    char *end;

    if (geteuid() != 0) {
        *id = 0;
        return true;
    }
    found = ask(agent, tables, address, &value);
    if (found == TABLE_FOUND) {
        errno = 0;
        number = strtol(text_string(&value), &end, 10);
        if (!string_all_digits(text_string(&value)) || errno != 0 || number < least || number >= (long)UINT32_MAX) {
            log_warning(NULL, "recipient %s: bad %s %s in virtual_%s_maps", address, what, text_string(&value), what);
            found = TABLE_ERROR;
        }
    } else if (found == TABLE_NOT_FOUND) {
        log_warning(NULL, "recipient %s: not found in virtual_%s_maps", address, what);
    }
    text_free(&value);
    *id = (unsigned)number;
    return found == TABLE_FOUND;
}

/* ---- delivering ---- */

static const char *mailbox_path(const struct virtual_agent *agent, const char *name, struct arena *arena)
{
    const char *base = agent->config->virtual_mailbox_base;

    return *base != '\0' ? arena_format(arena, "%s/%s", base, name) : arena_copy(arena, name);
}

static void deliver_to(const struct virtual_agent *agent, struct delivery *delivery, size_t index, const char *path,
                       const char *address, struct delivery_result *result)
{
    struct mailbox mailbox = {
        .path = path,
        .size_limit = agent->config->virtual_mailbox_limit,
        .locks = agent->locks,
        .strict_ownership = agent->mail->strict_mailbox_ownership,
    };
    unsigned uid, gid;

    if (!ask_id(agent, agent->uids, address, "uid", agent->config->virtual_minimum_uid, &uid) ||
        !ask_id(agent, agent->gids, address, "gid", 1, &gid)) {
        set_result(result, "4.3.5", "mail system configuration error");
        return;
    }
    mailbox.uid = uid;
    mailbox.gid = gid;
    if (string_ends(path, "/"))
        mailbox_deliver_maildir(delivery, index, &mailbox, result);
    else
        mailbox_deliver_file(delivery, index, &mailbox, result);
}

void virtual_deliver(const struct virtual_agent *agent, struct delivery *delivery, size_t index,
                     struct delivery_result *result)
{
    char *address = arena_copy(delivery->arena, delivery->recipients[index].address);
    struct text name = {0};
    enum table_result found;

    ascii_lower_string(address);
    found = ask(agent, agent->mailboxes, address, &name);
    if (found == TABLE_NOT_FOUND)
        set_result(result, "5.1.1", arena_format(delivery->arena, "unknown user: \"%s\"", address));
    else if (found == TABLE_ERROR)
        set_result(result, "4.3.5", "mail system configuration error");
    else if ((delivery->request.flags & DELIVERY_PROBE) != 0)
        set_result(result, "2.0.0", "delivers to mailbox");
    else
        deliver_to(agent, delivery, index, mailbox_path(agent, text_string(&name), delivery->arena), address, result);
    text_free(&name);
}
