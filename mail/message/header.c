#include "mail/message/header.h"

#include <string.h>

#define SENDERS HEADER_SENDER_ADDRESSES
#define RECIPIENTS HEADER_RECIPIENT_ADDRESSES

#define NAME(name) name, sizeof(name) - 1

static const struct header_info known[] = {
    {NAME("Apparently-To"), HEADER_NONE, RECIPIENTS},
    {NAME("Bcc"), HEADER_BCC, RECIPIENTS | HEADER_EXTRACT | HEADER_DROP},
    {NAME("Cc"), HEADER_CC, RECIPIENTS | HEADER_EXTRACT},
    {NAME("Content-Length"), HEADER_CONTENT_LENGTH, HEADER_DROP},
    {NAME("Content-Transfer-Encoding"), HEADER_CONTENT_TRANSFER_ENCODING, HEADER_OTHER},
    {NAME("Content-Type"), HEADER_CONTENT_TYPE, HEADER_OTHER},
    {NAME("Date"), HEADER_DATE, HEADER_OTHER},
    {NAME("Delivered-To"), HEADER_DELIVERED_TO, HEADER_OTHER},
    {NAME("Disposition-Notification-To"), HEADER_NONE, SENDERS},
    {NAME("Errors-To"), HEADER_NONE, SENDERS},
    {NAME("From"), HEADER_FROM, SENDERS},
    {NAME("Mail-Followup-To"), HEADER_NONE, SENDERS},
    {NAME("Message-Id"), HEADER_MESSAGE_ID, HEADER_OTHER},
    {NAME("Received"), HEADER_RECEIVED, HEADER_OTHER},
    {NAME("Reply-To"), HEADER_NONE, SENDERS},
    {NAME("Require-TLS-ESMTP"), HEADER_REQUIRE_TLS_ESMTP, HEADER_OTHER},
    {NAME("Resent-Bcc"), HEADER_RESENT_BCC, RECIPIENTS | HEADER_RESENT | HEADER_EXTRACT | HEADER_DROP},
    {NAME("Resent-Cc"), HEADER_RESENT_CC, RECIPIENTS | HEADER_RESENT | HEADER_EXTRACT},
    {NAME("Resent-Date"), HEADER_RESENT_DATE, HEADER_RESENT},
    {NAME("Resent-From"), HEADER_RESENT_FROM, SENDERS | HEADER_RESENT},
    {NAME("Resent-Message-Id"), HEADER_RESENT_MESSAGE_ID, HEADER_RESENT},
    {NAME("Resent-Reply-To"), HEADER_NONE, SENDERS | HEADER_RESENT},
    {NAME("Resent-Sender"), HEADER_NONE, SENDERS | HEADER_RESENT},
    {NAME("Resent-To"), HEADER_RESENT_TO, RECIPIENTS | HEADER_RESENT | HEADER_EXTRACT},
    {NAME("Return-Path"), HEADER_RETURN_PATH, SENDERS | HEADER_DROP},
    {NAME("Return-Receipt-To"), HEADER_NONE, SENDERS},
    {NAME("Sender"), HEADER_NONE, SENDERS},
    {NAME("TLS-Required"), HEADER_TLS_REQUIRED, HEADER_OTHER},
    {NAME("To"), HEADER_TO, RECIPIENTS | HEADER_EXTRACT},
};

bool header_line(const char *line, size_t length, size_t *name_length)
{
    size_t name = 0, colon;

    while (name < length && line[name] > 32 && line[name] < 127 && line[name] != ':')
        name++;
    for (colon = name; colon < length && (line[colon] == ' ' || line[colon] == '\t');)
        colon++;
    *name_length = name;
    return name > 0 && colon < length && line[colon] == ':';
}

const struct header_info *header_find(const char *name, size_t length)
{
    static const struct header_info unknown = {NAME(""), HEADER_NONE, HEADER_OTHER};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].length == length && strncasecmp(known[i].name, name, length) == 0)
            return &known[i];
    return &unknown;
}
