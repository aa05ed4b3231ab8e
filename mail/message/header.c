#include "mail/message/header.h"

#include <string.h>

#define SENDERS HEADER_SENDER_ADDRESSES
#define RECIPIENTS HEADER_RECIPIENT_ADDRESSES

static const struct header_info known[] = {
    {"Apparently-To", HEADER_NONE, RECIPIENTS},
    {"Bcc", HEADER_BCC, RECIPIENTS | HEADER_EXTRACT | HEADER_DROP},
    {"Cc", HEADER_CC, RECIPIENTS | HEADER_EXTRACT},
    {"Content-Length", HEADER_CONTENT_LENGTH, HEADER_DROP},
    {"Content-Transfer-Encoding", HEADER_CONTENT_TRANSFER_ENCODING, HEADER_OTHER},
    {"Content-Type", HEADER_CONTENT_TYPE, HEADER_OTHER},
    {"Date", HEADER_DATE, HEADER_OTHER},
    {"Delivered-To", HEADER_DELIVERED_TO, HEADER_OTHER},
    {"Disposition-Notification-To", HEADER_NONE, SENDERS},
    {"Errors-To", HEADER_NONE, SENDERS},
    {"From", HEADER_FROM, SENDERS},
    {"Mail-Followup-To", HEADER_NONE, SENDERS},
    {"Message-Id", HEADER_MESSAGE_ID, HEADER_OTHER},
    {"Received", HEADER_RECEIVED, HEADER_OTHER},
    {"Reply-To", HEADER_NONE, SENDERS},
    {"Require-TLS-ESMTP", HEADER_REQUIRE_TLS_ESMTP, HEADER_OTHER},
    {"Resent-Bcc", HEADER_RESENT_BCC, RECIPIENTS | HEADER_RESENT | HEADER_EXTRACT | HEADER_DROP},
    {"Resent-Cc", HEADER_RESENT_CC, RECIPIENTS | HEADER_RESENT | HEADER_EXTRACT},
    {"Resent-Date", HEADER_RESENT_DATE, HEADER_RESENT},
    {"Resent-From", HEADER_RESENT_FROM, SENDERS | HEADER_RESENT},
    {"Resent-Message-Id", HEADER_RESENT_MESSAGE_ID, HEADER_RESENT},
    {"Resent-Reply-To", HEADER_NONE, SENDERS | HEADER_RESENT},
    {"Resent-Sender", HEADER_NONE, SENDERS | HEADER_RESENT},
    {"Resent-To", HEADER_RESENT_TO, RECIPIENTS | HEADER_RESENT | HEADER_EXTRACT},
    {"Return-Path", HEADER_RETURN_PATH, SENDERS | HEADER_DROP},
    {"Return-Receipt-To", HEADER_NONE, SENDERS},
    {"Sender", HEADER_NONE, SENDERS},
    {"TLS-Required", HEADER_TLS_REQUIRED, HEADER_OTHER},
    {"To", HEADER_TO, RECIPIENTS | HEADER_EXTRACT},
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
    static const struct header_info unknown = {"", HEADER_NONE, HEADER_OTHER};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == length && strncasecmp(known[i].name, name, length) == 0)
            return &known[i];
    return &unknown;
}
