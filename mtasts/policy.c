#include "mtasts/policy.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/text.h"

enum { FIELD_NAME_LIMIT = 32, LABEL_LIMIT = 63, DOMAIN_LIMIT = 253, MAX_AGE_DIGITS = 10 };
static const int64_t longest_age = 31557600; /* RFC 8461 section 3.2: about a year */

static bool is_alphanumeric(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* sts-ext-name, as in records and policies. */
static bool is_field_name(const char *name, size_t length)
{
    if (length == 0 || length > FIELD_NAME_LIMIT || !is_alphanumeric(*name))
        return false;
    for (size_t i = 1; i < length; i++)
        if (!is_alphanumeric(name[i]) && strchr("_-.", name[i]) == NULL)
            return false;
    return true;
}

/* ---- the record ---- */

static const char version_field[] = "v=STSv1";

bool sts_record_is_ours(const char *record)
{
    const char *rest = record + strlen(version_field);

    if (!string_starts(record, version_field))
        return false;
    while (is_blank(*rest))
        rest++;
    return *rest == ';';
}

static bool take_id(const char *value, size_t length, char id[STS_ID_LIMIT + 1])
{
    if (length == 0 || length > STS_ID_LIMIT)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_alphanumeric(value[i]))
            return false;
    memcpy(id, value, length);
    id[length] = '\0';
    return true;
}

/* sts-ext-value: printable, without blanks, "=" and ";". */
static bool is_extension_value(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (value[i] <= ' ' || value[i] > '~' || value[i] == '=')
            return false;
    return length > 0;
}

/* One field between semicolons, without blanks around it. The first id counts. */
static bool take_record_field(const char *field, size_t length, char id[STS_ID_LIMIT + 1])
{
    const char *equals = memchr(field, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - field) : 0;
    const char *value = field + name_length + 1;
    size_t value_length = equals != NULL ? length - name_length - 1 : 0;

    if (equals == NULL || !is_field_name(field, name_length))
        return false;
    if (name_length == 2 && memcmp(field, "id", 2) == 0)
        return *id != '\0' || take_id(value, value_length, id);
    return is_extension_value(value, value_length);
}

bool sts_record_parse(const char *record, char id[STS_ID_LIMIT + 1])
{
    const char *at = record + strlen(version_field);

    *id = '\0';
    if (!sts_record_is_ours(record))
        return false;
    while (*at != '\0') { /* at blanks and a semicolon */
        size_t length;

        at += strspn(at, " \t");
        if (*at != ';')
            return false;
        at++;
        at += strspn(at, " \t");
        if (*at == '\0')
            break;
        length = strcspn(at, "; \t");
        if (!take_record_field(at, length, id))
            return false;
        at += length;
    }
    return *id != '\0';
}

/* ---- domains ---- */

static bool is_label(const char *label, size_t length)
{
    if (length == 0 || length > LABEL_LIMIT || label[0] == '-' || label[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_alphanumeric(label[i]) && label[i] != '-')
            return false;
    return true;
}

bool sts_domain_valid(const char *domain)
{
    const char *at = domain;
    size_t labels = 0;

    if (strlen(domain) > DOMAIN_LIMIT)
        return false;
    for (;; labels++) {
        size_t length = strcspn(at, ".");

        if (!is_label(at, length))
            return false;
        at += length;
        if (*at == '\0')
            return labels > 0;
        at++;
    }
}

/* ---- the policy ---- */

struct reading {
    struct arena *arena;
    struct sts_policy *policy;
    bool has_version, has_mode, has_age;
    struct error *error;
};

static bool take_version(struct reading *reading, const char *value)
{
    reading->has_version = true;
    return string_equal(value, "STSv1") || error_set(reading->error, "version \"%.32s\" is not STSv1", value);
}

static bool take_mode(struct reading *reading, const char *value)
{
    static const char *const modes[] = {[MTASTS_NONE] = "none", [MTASTS_TESTING] = "testing", [MTASTS_ENFORCE] = "enforce"};

    reading->has_mode = true;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (string_equal(value, modes[i])) {
            reading->policy->mode = (enum mtasts_mode)i;
            return true;
        }
    return error_set(reading->error, "mode \"%.32s\" is not enforce, testing or none", value);
}

static bool take_age(struct reading *reading, const char *value)
{
    reading->has_age = true;
    if (!string_all_digits(value) || strlen(value) > MAX_AGE_DIGITS)
        return error_set(reading->error, "max_age \"%.32s\" is not 1 to %d digits", value, MAX_AGE_DIGITS);
    reading->policy->max_age = strtoll(value, NULL, 10);
    if (reading->policy->max_age > longest_age)
        reading->policy->max_age = longest_age;
    return true;
}

static bool take_mx(struct reading *reading, const char *value)
{
    const char *domain = string_starts(value, "*.") ? value + 2 : value;
    char *copy = arena_copy(reading->arena, value);

    if (!sts_domain_valid(domain))
        return error_set(reading->error, "mx \"%.100s\" is no host name, nor *. and a domain", value);
    ascii_lower_string(copy);
    reading->policy->mx.items[reading->policy->mx.count++] = copy;
    return true;
}

/* The value of a field, between the blanks around it. */
static char *value_of(const char *text, struct arena *arena)
{
    char *value = arena_copy(arena, text + strspn(text, " \t"));
    size_t length = strlen(value);

    while (length > 0 && is_blank(value[length - 1]))
        value[--length] = '\0';
    return value;
}

/* Bytes beyond ASCII may only be UTF-8, which the caller has seen to. */
static bool is_value(const char *value)
{
    if (*value == '\0')
        return false;
    for (; *value != '\0'; value++)
        if ((unsigned char)*value < ' ' || *value == 127)
            return false;
    return true;
}

static bool take_field(struct reading *reading, const char *line)
{
    const char *colon = strchr(line, ':'), *value;

    if (colon == NULL || !is_field_name(line, (size_t)(colon - line)))
        return error_set(reading->error, "\"%.60s\" is not a name, a colon and a value", line);
    value = value_of(colon + 1, reading->arena);
    if (!is_value(value))
        return error_set(reading->error, "\"%.60s\" has no value, or one with control characters", line);
    if (string_starts(line, "version:"))
        return reading->has_version || take_version(reading, value);
    if (string_starts(line, "mode:"))
        return reading->has_mode || take_mode(reading, value);
    if (string_starts(line, "max_age:"))
        return reading->has_age || take_age(reading, value);
    return !string_starts(line, "mx:") || take_mx(reading, value);
}

static bool is_complete(const struct reading *reading)
{
    if (!reading->has_version)
        return error_set(reading->error, "no version");
    if (!reading->has_mode)
        return error_set(reading->error, "no mode");
    if (!reading->has_age)
        return error_set(reading->error, "no max_age");
    return reading->policy->mode == MTASTS_NONE || reading->policy->mx.count > 0 || error_set(reading->error, "no mx");
}

/* Lines end with LF or CRLF; the last one may end with the text. Those with blanks alone are passed over. */
static size_t split(char *text, const char **lines)
{
    size_t count = 0;

    while (*text != '\0') {
        char *end = strchr(text, '\n'), *next = text + strlen(text);

        if (end != NULL) {
            next = end + 1;
            *end = '\0';
            if (end > text && end[-1] == '\r')
                end[-1] = '\0';
        }
        if (text[strspn(text, " \t")] != '\0')
            lines[count++] = text;
        text = next;
    }
    return count;
}

static size_t count_lines(const char *text)
{
    size_t count = 1;

    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

bool sts_policy_parse(const char *text, size_t length, struct arena *arena, struct sts_policy *policy, struct error *error)
{
    struct reading reading = {.arena = arena, .policy = policy, .error = error};
    char *copy;

    *policy = (struct sts_policy){0};
    if (length > STS_POLICY_LIMIT)
        return error_set(error, "longer than %d bytes", STS_POLICY_LIMIT);
    if (memchr(text, '\0', length) != NULL || !string_valid_utf8(text, length))
        return error_set(error, "not UTF-8 text");
    copy = arena_copy_bytes(arena, text, length);
    policy->lines.items = arena_alloc(arena, (count_lines(copy) + 1) * sizeof *policy->lines.items);
    policy->mx.items = arena_alloc(arena, (count_lines(copy) + 1) * sizeof *policy->mx.items);
    policy->lines.count = split(copy, policy->lines.items);
    for (size_t i = 0; i < policy->lines.count; i++)
        if (!take_field(&reading, policy->lines.items[i]))
            return false;
    return is_complete(&reading);
}
