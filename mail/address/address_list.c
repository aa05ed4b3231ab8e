#include "mail/address/address_list.h"

#include <string.h>

#include "mail/address/address.h"
#include "mail/address/address_token.h"

/* A walk over a body. What has been read and not put out yet starts at `pending`. */
struct walk {
    const char *pending;
    const char *cursor;
    size_t tokens_left;
    address_rewrite_fn *rewrite;
    void *context;
    struct text *result;
    bool changed;
};

/* One address while its tokens are read: from its first to behind its last. */
struct spec {
    const char *start, *end;
    bool joined; /* ended with a word: another word would be another address */
    struct text value;
    struct text comments; /* found inside */
};

static void put_verbatim(struct walk *walk, const char *end)
{
    text_append_bytes(walk->result, walk->pending, (size_t)(end - walk->pending));
    walk->pending = end;
}

/* Puts out what stands before the address, then the address as the caller wants it. */
static void put_spec(struct walk *walk, struct spec *spec)
{
    struct text rewritten = {0}, external = {0};

    if (spec->start == NULL)
        return;
    put_verbatim(walk, spec->start);
    walk->rewrite(walk->context, text_string(&spec->value), &rewritten);
    if (string_equal(text_string(&rewritten), text_string(&spec->value))) {
        put_verbatim(walk, spec->end);
    } else {
        address_quote(text_string(&rewritten), &external);
        text_append(walk->result, text_string(&external));
        text_append(walk->result, text_string(&spec->comments));
        walk->pending = spec->end;
        walk->changed = true;
    }
    text_free(&rewritten);
    text_free(&external);
    text_free(&spec->value);
    text_free(&spec->comments);
    *spec = (struct spec){0};
}

static void forget_spec(struct spec *spec)
{
    text_free(&spec->value);
    text_free(&spec->comments);
    *spec = (struct spec){0};
}

static bool next_token(struct walk *walk, struct address_token *token)
{
    return walk->tokens_left > 0 && address_token_next(&walk->cursor, token) && walk->tokens_left-- > 0;
}

/* Adds a token to the address. Comments and blanks belong to it only when more of it follows. */
static void extend_spec(struct spec *spec, const struct address_token *token, struct text *held_comments)
{
    if (token->kind == ADDRESS_TOKEN_COMMENT && spec->start != NULL) {
        text_append_char(held_comments, ' ');
        text_append_bytes(held_comments, token->text, token->length);
    }
    if (token->kind == ADDRESS_TOKEN_COMMENT || token->kind == ADDRESS_TOKEN_BLANK)
        return;
    if (spec->start == NULL)
        spec->start = token->text;
    else
        text_append(&spec->comments, text_string(held_comments));
    text_clear(held_comments);
    spec->end = token->text + token->length;
    spec->joined = address_token_is_word(token);
    address_token_value(token, &spec->value);
}

/* "@a,@b:" in front of the address is a route: it is not part of what is rewritten. */
static bool ends_route(const struct spec *spec, const struct address_token *token)
{
    return address_token_is(token, ':') && string_starts(text_string(&spec->value), "@");
}

/* Reads from behind < to >. */
static void walk_angle(struct walk *walk)
{
    struct spec spec = {0};
    struct text held = {0};
    struct address_token token;

    while (next_token(walk, &token) && !address_token_is(&token, '>')) {
        extend_spec(&spec, &token, &held);
        if (ends_route(&spec, &token))
            forget_spec(&spec);
    }
    put_spec(walk, &spec);
    text_free(&held);
}

/* A name, an address or several, up to what separates them. */
static void walk_token(struct walk *walk, struct spec *spec, struct text *held, const struct address_token *token)
{
    if (address_token_is(token, '<')) {
        forget_spec(spec);
        walk_angle(walk);
    } else if (address_token_is(token, ',') || address_token_is(token, ';')) {
        put_spec(walk, spec);
    } else if (address_token_is(token, ':') || address_token_is(token, '>')) {
        forget_spec(spec);
    } else {
        /* Two words side by side, without brackets behind them, are two addresses. */
        if (spec->joined && address_token_is_word(token)) {
            const char *end = spec->end;

            put_spec(walk, spec);
            if (walk->pending == end && walk->changed)
                text_append_char(walk->result, ',');
        }
        extend_spec(spec, token, held);
    }
}

/* Is what comes next, up to the next separator, the name in front of <address> or of a group? */
static bool is_name(const struct walk *walk)
{
    const char *cursor = walk->cursor;
    struct address_token token;

    while (address_token_next(&cursor, &token)) {
        if (address_token_is(&token, '<') || address_token_is(&token, ':'))
            return true;
        if (address_token_is(&token, ',') || address_token_is(&token, ';') || address_token_is(&token, '@'))
            return false;
    }
    return false;
}

static void skip_name(struct walk *walk)
{
    struct address_token token;
    const char *before = walk->cursor;

    while (next_token(walk, &token) && !address_token_is(&token, '<') && !address_token_is(&token, ':'))
        before = walk->cursor;
    if (walk->tokens_left > 0)
        walk->cursor = before;
}

bool address_list_rewrite(const char *body, size_t token_limit, address_rewrite_fn *rewrite, void *context,
                          struct text *result)
{
    struct walk walk = {.pending = body, .cursor = body, .tokens_left = token_limit, .rewrite = rewrite,
                        .context = context, .result = result};
    struct spec spec = {0};
    struct text held = {0};
    struct address_token token;
    bool start = true;

    text_clear(result);
    for (;;) {
        if (start && is_name(&walk))
            skip_name(&walk);
        if (!next_token(&walk, &token))
            break;
        start = address_token_is(&token, ',') || address_token_is(&token, ';') || address_token_is(&token, ':') ||
                address_token_is(&token, '<');
        walk_token(&walk, &spec, &held, &token);
    }
    if (*walk.cursor == '\0')
        put_spec(&walk, &spec);
    forget_spec(&spec);
    put_verbatim(&walk, walk.pending + strlen(walk.pending));
    text_free(&held);
    return walk.changed;
}

/* ---- without change ---- */

struct finding {
    address_found_fn *found;
    void *context;
};

static void find_address(void *context, const char *address, struct text *result)
{
    const struct finding *finding = context;

    finding->found(finding->context, address);
    text_append(result, address);
}

void address_list_each(const char *body, address_found_fn *found, void *context)
{
    struct finding finding = {found, context};
    struct text copy = {0};

    address_list_rewrite(body, strlen(body) + 1, find_address, &finding, &copy);
    text_free(&copy);
}
