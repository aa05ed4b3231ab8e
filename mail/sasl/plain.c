#include "mail/sasl/plain.h"

#include <string.h>

enum { USERNAME_LIMIT = 255 };

bool plain_parse(const struct text *message, struct plain_message *parts)
{
    const char *end = message->data + message->length;

    if (message->length == 0)
        return false;
    parts->authorization = message->data;
    parts->username = parts->authorization + strlen(parts->authorization) + 1;
    if (parts->username >= end)
        return false;
    parts->password = parts->username + strlen(parts->username) + 1;
    return parts->password < end && parts->password + strlen(parts->password) == end;
}

void plain_print(const char *authorization, const char *username, const char *password, struct text *message)
{
    text_append(message, authorization);
    text_append_char(message, '\0');
    text_append(message, username);
    text_append_char(message, '\0');
    text_append(message, password);
}

bool sasl_username_valid(const char *username)
{
    size_t length = strlen(username);

    for (size_t i = 0; i < length; i++)
        if ((unsigned char)username[i] < ' ' || username[i] == 127)
            return false;
    return length > 0 && length <= USERNAME_LIMIT && string_valid_utf8(username, length);
}
