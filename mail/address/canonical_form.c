#include "mail/address/canonical_form.h"

#include <string.h>

/* Skips "@one,@two:" in front of an address (RFC 5321 appendix C). */
static const char *skip_source_route(const char *address)
{
    const char *colon = *address == '@' ? strchr(address, ':') : NULL;

    return colon != NULL ? colon + 1 : address;
}

/* host!user as user@host, user%domain as user@domain. */
static void append_with_domain(const struct mail_config *mail, const char *address, struct text *result)
{
    const char *bang = mail->swap_bangpath ? strchr(address, '!') : NULL;
    const char *percent = mail->allow_percent_hack ? strrchr(address, '%') : NULL;

    if (bang != NULL) {
        text_append(result, bang + 1);
        text_append_char(result, '@');
        text_append_bytes(result, address, (size_t)(bang - address));
    } else if (percent != NULL) {
        text_append_bytes(result, address, (size_t)(percent - address));
        text_append_char(result, '@');
        text_append(result, percent + 1);
    } else {
        text_append(result, address);
    }
}

void address_canonical_form(const struct mail_config *mail, const char *domain, const char *dot_domain,
                            const char *address, struct text *result)
{
    const char *at;

    text_clear(result);
    address = skip_source_route(address);
    if (*address == '\0')
        return;
    if (strchr(address, '@') == NULL)
        append_with_domain(mail, address, result);
    else
        text_append(result, address);
    at = strrchr(text_string(result), '@');
    if (at == NULL && domain != NULL && *domain != '\0') {
        text_append_format(result, "@%s", domain);
    } else if (at != NULL && at[1] != '\0' && at[1] != '[' && dot_domain != NULL && strchr(at, '.') == NULL) {
        text_append_format(result, ".%s", dot_domain);
    } else if (at != NULL && at[1] != '\0' && string_ends(at, ".") && !string_ends(at, "..")) {
        text_truncate(result, result->length - 1);
    }
}

void address_canonical_form_local(const struct mail_config *mail, const char *address, struct text *result)
{
    address_canonical_form(mail, mail->append_at_myorigin ? mail->myorigin : NULL,
                           mail->append_dot_mydomain ? mail->mydomain : NULL, address, result);
}
