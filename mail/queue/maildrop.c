#include "mail/queue/maildrop.h"

#include <string.h>

#include "util/base/text.h"

static const char *const allowed[] = {
    [MAILDROP_ENVELOPE] = "MFSRVAin",
    [MAILDROP_CONTENT] = "XLN",
    [MAILDROP_EXTRACTED] = "EAR",
    [MAILDROP_COMPLETE] = "",
};

static bool is_number(const char *value)
{
    return string_all_digits(value) && strlen(value) < 10;
}

static bool is_encoding(const char *value)
{
    return string_equal(value, "7bit") || string_equal(value, "8bit");
}

static bool is_context(const char *value)
{
    return string_equal(value, "local") || string_equal(value, "remote");
}

static bool is_text(const char *value)
{
    for (; *value != '\0'; value++)
        if (*value >= 0 && (*value < ' ' || *value == 127))
            return false;
    return true;
}

static const struct {
    const char *name;
    bool (*valid)(const char *value);
} attributes[] = {
    {"rewrite_context", is_context}, {"encoding", is_encoding},   {"trace_flags", is_number}, {"ret_flags", is_number},
    {"notify_flags", is_number},     {"envelope_id", is_text}, {"dsn_orig_rcpt", is_text}, {"sendopts", is_number},
};

static enum maildrop_verdict check_attribute(const char *data, struct error *error)
{
    const char *equals = strchr(data, '=');

    if (equals == NULL) {
        error_set(error, "ignoring malformed record: missing '=' after attribute name: %.200s", data);
        return MAILDROP_SKIP;
    }
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        if (strlen(attributes[i].name) == (size_t)(equals - data) && string_starts(data, attributes[i].name) &&
            attributes[i].valid(equals + 1))
            return MAILDROP_KEEP;
    error_set(error, "ignoring attribute record: %.200s", data);
    return MAILDROP_SKIP;
}

static const char *record_role(int type)
{
    switch (type) {
    case RECORD_SENDER: return "FROM";
    case RECORD_RECIPIENT: return "TO";
    case RECORD_FULL_NAME: return "FULLNAME";
    default: return "envelope";
    }
}

static enum maildrop_verdict refuse(struct error *error, const char *text)
{
    error_set(error, "%s", text);
    return MAILDROP_REFUSED;
}

/* A sender without recipients, or the other way round, is a message that nobody can answer for. */
static enum maildrop_verdict step(struct maildrop_check *check, int type, struct error *error)
{
    switch (type) {
    case RECORD_SENDER: check->has_sender = true; break;
    case RECORD_RECIPIENT: check->has_recipient = true; break;
    case RECORD_MESSAGE:
        if (!check->has_sender)
            return refuse(error, "no envelope sender");
        check->segment = MAILDROP_CONTENT;
        break;
    case RECORD_EXTRACTED: check->segment = MAILDROP_EXTRACTED; break;
    case RECORD_END:
        if (!check->has_recipient)
            return refuse(error, "no recipients specified");
        check->segment = MAILDROP_COMPLETE;
        break;
    default: break;
    }
    return MAILDROP_KEEP;
}

enum maildrop_verdict maildrop_check_record(struct maildrop_check *check, int type, const char *data, size_t length,
                                            struct error *error)
{
    if (type == '\0' || strchr(allowed[check->segment], type) == NULL) {
        error_set(error, "unexpected record type: %d", type);
        return MAILDROP_REFUSED;
    }
    if (check->segment != MAILDROP_CONTENT && memchr(data, '\0', length) != NULL) {
        error_set(error, "NUL in %s record", record_role(type));
        return MAILDROP_REFUSED;
    }
    if (type == RECORD_ATTRIBUTE)
        return check_attribute(data, error);
    return step(check, type, error);
}
