#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/sendmail.h"
#include "mail/address/address_list.h"
#include "mail/message/header.h"
#include "util/base/log.h"

enum line_endings { ENDINGS_ALWAYS, ENDINGS_STRICT, ENDINGS_NEVER };

struct content {
    const struct sendmail_request *request;
    struct postdrop *postdrop;
    enum line_endings endings;
    bool first_line, strip;     /* a carriage return before a line end */
    bool in_header, any_field;
    struct text field;          /* the header field at hand, when recipients are extracted */
    size_t field_limit;
    struct text extracted, resent; /* addresses, each ended by NUL */
    bool any_resent;
};

static void note_address(void *context, const char *address)
{
    text_append_bytes(context, address, strlen(address) + 1);
}

/* ---- recipients in the header ---- */

static void end_field(struct content *content)
{
    const struct header_info *info;
    size_t name;

    if (content->field.length > 0 && header_line(text_string(&content->field), content->field.length, &name)) {
        info = header_find(content->field.data, name);
        content->any_resent = content->any_resent || (info->kind & HEADER_RESENT) != 0;
        if ((info->kind & HEADER_EXTRACT) != 0)
            address_list_each(strchr(content->field.data, ':') + 1, note_address,
                              (info->kind & HEADER_RESENT) != 0 ? &content->resent : &content->extracted);
    }
    text_clear(&content->field);
}

/* A UUCP or mailbox From_ line before the header is no part of the message. */
static bool is_envelope_line(const struct content *content, const char *line)
{
    return !content->any_field && (string_starts(line, "From ") || string_starts(line, ">From "));
}

/* False: the line is dropped. */
static bool header_goes_on(struct content *content, const char *line, size_t length)
{
    size_t name;
    bool continues = (*line == ' ' || *line == '\t') && content->any_field;

    if (is_envelope_line(content, line))
        return false;
    if (!continues)
        end_field(content);
    if (!continues && !header_line(line, length, &name)) {
        content->in_header = false;
        return true;
    }
    content->any_field = true;
    if (content->request->extract && content->field.length + length < content->field_limit) {
        if (content->field.length > 0)
            text_append_char(&content->field, '\n');
        text_append_bytes(&content->field, line, length);
    }
    return true;
}

/* ---- lines ---- */

static void choose_endings(struct content *content, const char *line, size_t length)
{
    content->strip = content->endings == ENDINGS_ALWAYS ||
                     (content->endings == ENDINGS_STRICT && length > 0 && line[length - 1] == '\r');
    content->first_line = false;
}

/* False: this was the end of the message. */
static bool take_line(struct content *content, char *line, size_t length)
{
    bool ends = length > 0 && line[length - 1] == '\n';

    if (ends)
        length--;
    if (content->first_line)
        choose_endings(content, line, length);
    if (ends && content->strip && length > 0 && line[length - 1] == '\r')
        length--;
    line[length] = '\0';
    if (!content->request->dots_are_text && length == 1 && *line == '.')
        return false;
    if (!content->in_header || header_goes_on(content, line, length))
        postdrop_put_line(content->postdrop, line, length, ends);
    return true;
}

static enum line_endings endings_of(const struct mail_config *mail)
{
    if (string_equal_ignore_case(mail->sendmail_fix_line_endings, "always"))
        return ENDINGS_ALWAYS;
    if (string_equal_ignore_case(mail->sendmail_fix_line_endings, "strict"))
        return ENDINGS_STRICT;
    if (string_equal_ignore_case(mail->sendmail_fix_line_endings, "never"))
        return ENDINGS_NEVER;
    die("sendmail_fix_line_endings: bad value: %s", mail->sendmail_fix_line_endings);
}

void sendmail_copy_content(const struct sendmail_request *request, const struct mail_config *mail,
                           struct postdrop *postdrop, struct text *extracted)
{
    struct content content = {
        .request = request,
        .postdrop = postdrop,
        .field_limit = (size_t)mail->header_size_limit,
        .endings = endings_of(mail),
        .first_line = true,
        .in_header = true,
    };
    char *line = NULL;
    size_t room = 0;
    ssize_t length;

    while ((length = getline(&line, &room, stdin)) > 0)
        if (!take_line(&content, line, (size_t)length))
            break;
    if (ferror(stdin))
        die("error reading the message from standard input");
    end_field(&content);
    *extracted = content.any_resent ? content.resent : content.extracted;
    text_free(content.any_resent ? &content.extracted : &content.resent);
    text_free(&content.field);
    free(line);
}
