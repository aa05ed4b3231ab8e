#include "mail/address/address.h"

#include <string.h>

#include "mail/address/address_token.h"
#include "util/net/address.h"

static bool is_control(char c)
{
    return (unsigned char)c < 32 || c == 127;
}

static bool has_control(const char *text)
{
    while (*text != '\0')
        if (is_control(*text++))
            return true;
    return false;
}

static bool literal_valid(const char *domain)
{
    struct net_address address;
    size_t length = strlen(domain);
    char inner[NET_ADDRESS_SIZE];
    bool ipv6;

    if (length < 3 || domain[length - 1] != ']' || length - 2 >= sizeof inner)
        return false;
    memcpy(inner, domain + 1, length - 2);
    inner[length - 2] = '\0';
    ipv6 = string_starts_ignore_case(inner, "IPv6:");
    return *inner != '[' && net_address_parse(inner, &address) &&
           net_address_family(&address) == (ipv6 ? AF_INET6 : AF_INET);
}

/* Letters beyond ASCII are judged as letters: a label's length in A-label form is for the resolver to find. */
static bool domain_valid(const char *domain, bool allow_utf8)
{
    char name[NET_HOST_LIMIT + 1];
    size_t length = strlen(domain);

    if (*domain == '[')
        return literal_valid(domain);
    if (length > 1 && domain[length - 1] == '.')
        length--;
    if (length > NET_HOST_LIMIT || !string_valid_utf8(domain, length))
        return false;
    for (size_t i = 0; i < length; i++) {
        if ((domain[i] & 0x80) != 0 && !allow_utf8)
            return false;
        name[i] = (domain[i] & 0x80) != 0 ? 'x' : domain[i];
    }
    name[length] = '\0';
    return net_hostname_valid(name);
}

/* An address that may lack its local part or, behind a domain that is right, end with one more @. */
static bool loosely_valid(const char *internal, bool allow_utf8)
{
    const char *domain = address_domain(internal);
    struct text shorter = {0};
    bool valid;

    if (*internal == '\0' || *internal == '-' || has_control(internal) ||
        (allow_utf8 && !string_valid_utf8(internal, strlen(internal))))
        return false;
    if (domain == NULL)
        return true;
    if (*domain != '\0')
        return domain_valid(domain, allow_utf8);
    text_append_bytes(&shorter, internal, (size_t)(domain - 1 - internal));
    domain = address_domain(text_string(&shorter));
    valid = domain != NULL && domain_valid(domain, allow_utf8);
    text_free(&shorter);
    return valid;
}

bool address_valid(const char *internal, bool allow_utf8)
{
    const char *domain = address_domain(internal);

    return loosely_valid(internal, allow_utf8) &&
           (domain == NULL || (*domain != '\0' && domain > internal + 1));
}

const char *address_domain(const char *internal)
{
    const char *at = strrchr(internal, '@');

    return at != NULL ? at + 1 : NULL;
}

/* ---- paths ---- */

/* Finds the path in the argument and copies what is between its brackets. */
static bool extract_path(const char *argument, bool strict, struct text *path, const char **rest)
{
    struct address_token token;
    const char *cursor = argument;
    bool bracketed = *argument == '<', open = bracketed;

    if (strict && !bracketed)
        return false;
    while (*cursor != '\0' && (open || *cursor == '>' || !ascii_is_space(*cursor))) {
        address_token_next(&cursor, &token);
        if (address_token_is(&token, '>'))
            open = false;
        else if (bracketed && !open)
            return false;
        else if (!address_token_is(&token, '<'))
            text_append_bytes(path, token.text, token.length);
        /* A closing bracket in "[..." is the path's all the same. */
        if (token.kind == ADDRESS_TOKEN_LITERAL && !token.closed && open && string_ends(text_string(path), ">")) {
            text_truncate(path, path->length - 1);
            open = false;
        }
    }
    *rest = cursor + strspn(cursor, " \t");
    return !open;
}

/* Reads one token of a path; *joined says that the address cannot go on with another word. */
static bool take_token(const struct address_token *token, bool strict, bool *joined, struct text *internal)
{
    bool route = *text_string(internal) == '@';

    if (token->kind == ADDRESS_TOKEN_BLANK || token->kind == ADDRESS_TOKEN_COMMENT)
        return !(strict && token->kind == ADDRESS_TOKEN_COMMENT);
    if (address_token_is_word(token)) {
        if (*joined || (token->kind == ADDRESS_TOKEN_LITERAL && !string_ends(text_string(internal), "@")))
            return false;
        *joined = true;
        if (token->kind == ADDRESS_TOKEN_QUOTED && !token->closed)
            return false;
        address_token_value(token, internal);
        return true;
    }
    *joined = false;
    if (route && address_token_is(token, ':'))
        text_clear(internal);
    else if (strchr(".@:", *token->text) != NULL || (route && *token->text == ','))
        text_append_char(internal, *token->text);
    else
        return false;
    return true;
}

static bool read_path(const char *path, bool strict, struct text *internal)
{
    struct address_token token;
    bool joined = false;

    while (address_token_next(&path, &token))
        if (!take_token(&token, strict, &joined, internal))
            return false;
    return true;
}

bool address_parse_path(const char *argument, bool strict, bool allow_utf8, struct text *internal, const char **rest)
{
    struct text path = {0};
    const char *address;
    bool good;

    text_clear(internal);
    argument += strspn(argument, " \t");
    good = *argument != '\0' && extract_path(argument, strict, &path, rest) &&
           read_path(text_string(&path), strict, internal);
    text_free(&path);
    address = text_string(internal);
    if (!good || *address == '\0')
        return good;
    return loosely_valid(address, allow_utf8) && !(strict && *address == '@');
}

/* ---- quoting ---- */

/* RFC 5321 section 4.1.2, Dot-string; letters beyond ASCII are RFC 6531's. */
static bool is_dot_string(const char *local, size_t length)
{
    bool dot = true;

    for (size_t i = 0; i < length; i++) {
        bool this_dot = local[i] == '.';

        if ((this_dot && dot) || is_control(local[i]) || strchr("()<>@,;:\\\"[] ", local[i]) != NULL)
            return false;
        dot = this_dot;
    }
    return !dot;
}

void address_append_quoted(const char *internal, struct text *external)
{
    const char *domain = address_domain(internal);
    size_t local = domain != NULL ? (size_t)(domain - 1 - internal) : strlen(internal);

    if (is_dot_string(internal, local) || *internal == '\0') {
        text_append(external, internal);
        return;
    }
    text_append_char(external, '"');
    for (size_t i = 0; i < local; i++) {
        if (internal[i] == '"' || internal[i] == '\\' || internal[i] == '\r')
            text_append_char(external, '\\');
        text_append_char(external, internal[i]);
    }
    text_append_char(external, '"');
    text_append(external, internal + local);
}

void address_quote(const char *internal, struct text *external)
{
    text_clear(external);
    address_append_quoted(internal, external);
}

void address_unquote(const char *external, struct text *internal)
{
    struct address_token token;

    text_clear(internal);
    while (address_token_next(&external, &token))
        if (token.kind == ADDRESS_TOKEN_COMMENT)
            text_append_bytes(internal, token.text, token.length);
        else
            address_token_value(&token, internal);
}

/* ---- xtext ---- */

void xtext_append(const char *plain, struct text *encoded)
{
    for (; *plain != '\0'; plain++)
        if (*plain > 32 && *plain < 127 && *plain != '+' && *plain != '=')
            text_append_char(encoded, *plain);
        else
            text_append_format(encoded, "+%02X", (unsigned char)*plain);
}

void xtext_encode(const char *plain, struct text *encoded)
{
    text_clear(encoded);
    xtext_append(plain, encoded);
}

static int hex_digit(char c)
{
    return ascii_is_digit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool xtext_decode(const char *encoded, struct text *plain)
{
    text_clear(plain);
    for (; *encoded != '\0'; encoded++) {
        int high, low;

        if (*encoded != '+') {
            if (*encoded == '=' || *encoded == ' ' || is_control(*encoded))
                return false;
            text_append_char(plain, *encoded);
            continue;
        }
        high = hex_digit(encoded[1]);
        low = high >= 0 ? hex_digit(encoded[2]) : -1;
        /* Nothing that is stored or sent on may hold a NUL. */
        if (low < 0 || high * 16 + low == 0)
            return false;
        text_append_char(plain, (char)(high * 16 + low));
        encoded += 2;
    }
    return true;
}
