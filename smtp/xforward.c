#include "smtp/xforward.h"

#include "mail/address/address.h"
#include "mail/queue/message_file.h"

static const struct {
    const char *name;
    enum xforward_part part;
    const char *attribute; /* in the queue file */
} rows[] = {
    {"NAME", XFORWARD_CLIENT, "log_client_name"},      {"ADDR", XFORWARD_CLIENT, "log_client_address"},
    {"PORT", XFORWARD_CLIENT, "log_client_port"},      {"PROTO", XFORWARD_SESSION, "log_protocol_name"},
    {"HELO", XFORWARD_SESSION, "log_helo_name"},       {"IDENT", XFORWARD_SESSION, "log_ident"},
    {"SOURCE", XFORWARD_SESSION, "rewrite_context"},
};

int xforward_attribute(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (string_equal_ignore_case(name, rows[i].name))
            return 1 << i;
    return 0;
}

/* "": it is not to be said. Mail of this host had no client: there is no more to tell than that. */
static const char *value_of(const struct ipc_strings *attributes, const char *attribute)
{
    const char *value = message_attribute(attributes, attribute);

    if (string_equal(attribute, "rewrite_context"))
        return string_equal(value, "local") ? "LOCAL" : "REMOTE";
    return *message_attribute(attributes, "log_client_address") != '\0' ? value : "";
}

bool xforward_command(const struct delivery_request *request, int offered, enum xforward_part part, struct text *line)
{
    size_t start = line->length;
    struct text encoded = {0};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *value = value_of(&request->attributes, rows[i].attribute);

        if (rows[i].part != part || (offered & 1 << i) == 0 || *value == '\0')
            continue;
        xtext_encode(string_equal(value, "unknown") ? "[UNAVAILABLE]" : value, &encoded);
        text_append_format(line, "%s %s=%s", line->length == start ? "XFORWARD" : "", rows[i].name, text_string(&encoded));
    }
    text_free(&encoded);
    return line->length > start;
}
