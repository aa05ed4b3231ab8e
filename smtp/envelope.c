#include "smtp/envelope.h"

#include <string.h>

#include "mail/address/address.h"
#include "smtp/content.h"

static bool is_ascii(const char *string)
{
    for (; *string != '\0'; string++)
        if ((*string & 0x80) != 0)
            return false;
    return true;
}

/* Does the message need SMTPUTF8, or did its sender only say that he knows it (RFC 6531 section 3.4)? */
static bool needs_utf8(const struct delivery *delivery)
{
    if ((delivery->request.sendopts & SENDOPT_SMTPUTF8) == 0)
        return false;
    if (!is_ascii(delivery->request.sender))
        return true;
    for (size_t i = 0; i < delivery->recipient_count; i++)
        if (!delivery->settled[i] && !is_ascii(delivery->recipients[i].address))
            return true;
    return content_has_utf8_headers(delivery->fd, (off_t)delivery->request.data_offset);
}

bool envelope_prepare(const struct smtp_session *session, const struct delivery *delivery, struct envelope *envelope)
{
    const struct ehlo_offer *offer = &session->offer;
    long long size = (long long)delivery->request.data_size;
    bool eight_bit = strcmp(delivery->request.encoding, "8bit") == 0;

    *envelope = (struct envelope){.session = session, .delivery = delivery};
    if (offer->size_limit > 0 && size > offer->size_limit) {
        envelope->refused_dsn = "5.3.4";
        envelope->refused_reason =
            arena_format(delivery->arena, "message size %lld exceeds size limit %lld of server %s", size,
                         (long long)offer->size_limit, session->peer);
        return false;
    }
    if ((offer->features & EHLO_SMTPUTF8) != 0) {
        envelope->utf8 = (delivery->request.sendopts & SENDOPT_SMTPUTF8) != 0;
    } else if (needs_utf8(delivery)) {
        envelope->refused_dsn = "5.6.7";
        envelope->refused_reason = arena_format(
            delivery->arena, "SMTPUTF8 is required, but was not offered by host %s", session->peer);
        return false;
    }
    envelope->eight_bit = eight_bit && (offer->features & EHLO_8BITMIME) != 0;
    envelope->downgrade =
        eight_bit && !envelope->eight_bit && !session->client->config->disable_mime_output_conversion;
    return true;
}

/* What is in an address may come from anywhere; a line end in it would be a command of its own. */
static void append_path(const struct envelope *envelope, const char *address, struct text *line)
{
    size_t start;

    text_append_char(line, '<');
    start = line->length;
    if (envelope->session->client->config->quote_rfc821_envelope)
        address_append_quoted(address, line);
    else
        text_append(line, address);
    for (size_t i = start; i < line->length; i++)
        if (line->data[i] == '\r' || line->data[i] == '\n')
            line->data[i] = '?';
    text_append_char(line, '>');
}

void envelope_mail(const struct envelope *envelope, struct text *line)
{
    const struct delivery_request *request = &envelope->delivery->request;
    int features = envelope->session->offer.features;

    text_append(line, "MAIL FROM:");
    append_path(envelope, request->sender, line);
    if ((features & EHLO_SIZE) != 0) {
        text_append(line, " SIZE=");
        text_append_number(line, request->data_size);
    }
    if (envelope->eight_bit)
        text_append(line, " BODY=8BITMIME");
    if (envelope->utf8)
        text_append(line, " SMTPUTF8");
    if (envelope->requiretls)
        text_append(line, " REQUIRETLS");
    if (envelope->session->logged_in && envelope->session->client->config->send_dummy_mail_auth)
        text_append(line, " AUTH=<>");
    if ((features & EHLO_DSN) == 0)
        return;
    if (request->dsn_ret == DSN_RET_FULL || request->dsn_ret == DSN_RET_HDRS)
        text_append(line, request->dsn_ret == DSN_RET_FULL ? " RET=FULL" : " RET=HDRS");
    if (*request->dsn_envid != '\0') {
        text_append(line, " ENVID=");
        xtext_append(request->dsn_envid, line);
    }
}

static void append_notify(int notify, struct text *line)
{
    const struct {
        int flag;
        const char *name;
    } names[] = {
        {DSN_NOTIFY_NEVER, "NEVER"},
        {DSN_NOTIFY_SUCCESS, "SUCCESS"},
        {DSN_NOTIFY_FAILURE, "FAILURE"},
        {DSN_NOTIFY_DELAY, "DELAY"},
    };
    const char *before = " NOTIFY=";

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if ((notify & names[i].flag) != 0) {
            text_append(line, before);
            text_append(line, names[i].name);
            before = ",";
        }
}

void envelope_rcpt(const struct envelope *envelope, const struct message_recipient *recipient, struct text *line)
{
    const char *original = strchr(recipient->dsn_orig_rcpt, ';');

    text_append(line, "RCPT TO:");
    append_path(envelope, recipient->address, line);
    if ((envelope->session->offer.features & EHLO_DSN) == 0)
        return;
    append_notify(recipient->dsn_notify, line);
    if (original != NULL) { /* "rfc822;user@example": only what follows the type is xtext (RFC 3461 section 4.2) */
        text_append(line, " ORCPT=");
        text_append_bytes(line, recipient->dsn_orig_rcpt, (size_t)(original + 1 - recipient->dsn_orig_rcpt));
        xtext_append(original + 1, line);
    }
}
