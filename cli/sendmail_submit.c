#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/sendmail.h"
#include "mail/address/address_list.h"
#include "mail/ipc/ipc.h"
#include "mail/queue/record.h"
#include "util/base/log.h"
#include "util/base/memory.h"

/* A message on its way. */
struct outgoing {
    const struct sendmail_request *request;
    const struct mail_config *mail;
    char *sender, *full_name;
    struct postdrop *postdrop;
};

/* ---- who sends ---- */

static void note_address(void *context, const char *address)
{
    text_append_bytes(context, address, strlen(address) + 1);
}

/* "Some One <a@b>" is a@b; a list is its first address, and a warning. */
static char *sender_of(const char *option)
{
    struct text found = {0};
    char *sender;

    address_list_each(option, note_address, &found);
    if (found.length > 0 && strlen(found.data) + 1 < found.length)
        log_warning(NULL, "-f option specified malformed sender: %s", option);
    sender = memory_copy_string(found.length > 0 ? found.data : "");
    text_free(&found);
    return sender;
}

static const struct passwd *user_or_die(void)
{
    const struct passwd *user = getpwuid(getuid());

    if (user == NULL)
        die("unable to find your login name (uid %ld) in the password file", (long)getuid());
    return user;
}

static char *login_name(void)
{
    return memory_copy_string(user_or_die()->pw_name);
}

/* What stands before the first comma of the gecos field; & is the login name. */
static char *gecos_name(void)
{
    const struct passwd *user = getpwuid(getuid());
    struct text name = {0};

    if (user == NULL)
        return memory_copy_string("");
    for (const char *c = user->pw_gecos; *c != '\0' && strchr(",;%", *c) == NULL; c++) {
        if (*c == '&') {
            size_t start = name.length;

            text_append(&name, user->pw_name);
            if (name.data[start] >= 'a' && name.data[start] <= 'z')
                name.data[start] = (char)(name.data[start] - 'a' + 'A');
        } else {
            text_append_char(&name, *c);
        }
    }
    return name.length > 0 ? text_take(&name) : memory_copy_string("");
}

static char *full_name_of(const struct sendmail_request *request)
{
    return request->full_name != NULL ? memory_copy_string(request->full_name) : gecos_name();
}

/* ---- the envelope ---- */

static void check_verp(const struct outgoing *outgoing, const char *delimiters)
{
    for (const char *c = delimiters; *c != '\0'; c++)
        if (strchr(outgoing->mail->verp_delimiter_filter, *c) == NULL)
            die("-V requires two characters from %s", outgoing->mail->verp_delimiter_filter);
}

static void put_head(struct outgoing *outgoing)
{
    const struct sendmail_request *request = outgoing->request;

    if (request->envelope_id != NULL)
        postdrop_put_attribute(outgoing->postdrop, "envelope_id", request->envelope_id);
    postdrop_put_number(outgoing->postdrop, "ret_flags", request->ret);
    postdrop_put_attribute(outgoing->postdrop, "rewrite_context", request->relayed ? "remote" : "local");
    postdrop_put_number(outgoing->postdrop, "sendopts", request->sendopts);
    postdrop_put_string(outgoing->postdrop, RECORD_FULL_NAME, outgoing->full_name);
    postdrop_put_string(outgoing->postdrop, RECORD_SENDER, outgoing->sender);
    if (request->encoding != NULL)
        postdrop_put_attribute(outgoing->postdrop, "encoding", request->encoding);
    postdrop_put_number(outgoing->postdrop, "trace_flags", request->trace);
    if (request->verp != NULL)
        postdrop_put_string(outgoing->postdrop, RECORD_VERP,
                   *request->verp != '\0' ? request->verp : outgoing->mail->default_verp_delimiters);
}

static void put_recipients(struct outgoing *outgoing, const struct text *addresses)
{
    for (size_t at = 0; at < addresses->length; at += strlen(addresses->data + at) + 1) {
        postdrop_put_number(outgoing->postdrop, "notify_flags", outgoing->request->notify);
        postdrop_put_string(outgoing->postdrop, RECORD_RECIPIENT, addresses->data + at);
    }
}

/* Each argument may be a list; one without any address is the empty address. */
static void recipients_of(const struct sendmail_request *request, struct text *addresses)
{
    for (char *const *argument = request->recipients; *argument != NULL; argument++) {
        size_t before = addresses->length;

        if (string_starts(*argument, ":include:")) /* no group without a name */
            note_address(addresses, *argument);
        else
            address_list_each(*argument, note_address, addresses);
        if (addresses->length == before)
            note_address(addresses, "");
    }
}

/* ---- the content of -bv ---- */

static void put_probe(struct outgoing *outgoing, const struct text *recipients)
{
    char *from = memory_format("From: %s", outgoing->sender);

    postdrop_put_string(outgoing->postdrop, RECORD_LINE, from);
    postdrop_put_string(outgoing->postdrop, RECORD_LINE, "Subject: probe");
    postdrop_put_string(outgoing->postdrop, RECORD_LINE_PART, "To:");
    for (size_t at = 0; at < recipients->length; at += strlen(recipients->data + at) + 1) {
        bool last = at + strlen(recipients->data + at) + 1 == recipients->length;
        char *line = memory_format("%c%s%s", at == 0 ? '\t' : ' ', recipients->data + at, last ? "" : ",");

        postdrop_put_string(outgoing->postdrop, last ? RECORD_LINE : RECORD_LINE_PART, line);
        free(line);
    }
    free(from);
}

static void finish(struct postdrop *postdrop, const char *who)
{
    struct error error;

    switch (postdrop_finish(postdrop, &error)) {
    case POSTDROP_OK: return;
    case POSTDROP_TOO_BIG: die("%s: message file too big", who);
    default: die("%s: %s", who, error.text);
    }
}

void sendmail_submit(const struct sendmail_request *request, const struct mail_config *mail)
{
    struct outgoing outgoing = {.request = request, .mail = mail};
    struct text recipients = {0}, extracted = {0};
    struct error error;
    char *who;

    outgoing.sender = request->sender != NULL ? sender_of(request->sender) : login_name();
    outgoing.full_name = full_name_of(request);
    who = memory_format("%s(%ld)", outgoing.sender, (long)getuid());
    recipients_of(request, &recipients);
    if (recipients.length == 0 && !request->extract)
        die("%s: Recipient addresses must be specified on the command line or via the -t option", who);
    if (request->verp != NULL)
        check_verp(&outgoing, request->verp);
    outgoing.postdrop = postdrop_start(mail, request->verbosity - 1, &error);
    if (outgoing.postdrop == NULL)
        die("%s: %s", who, error.text);
    put_head(&outgoing);
    put_recipients(&outgoing, &recipients);
    postdrop_put_string(outgoing.postdrop, RECORD_MESSAGE, "");
    if ((request->trace & TRACE_VERIFY) != 0)
        put_probe(&outgoing, &recipients);
    else
        sendmail_copy_content(request, mail, outgoing.postdrop, &extracted);
    postdrop_put_string(outgoing.postdrop, RECORD_EXTRACTED, "");
    put_recipients(&outgoing, &extracted);
    if (recipients.length + extracted.length == 0)
        die("%s: No recipient addresses found in message header", who);
    postdrop_put_string(outgoing.postdrop, RECORD_END, "");
    finish(outgoing.postdrop, who);
    if (request->trace != 0)
        printf("Mail Delivery Status Report will be mailed to <%s>.\n", outgoing.sender);
    text_free(&recipients);
    text_free(&extracted);
    free(outgoing.sender);
    free(outgoing.full_name);
    free(who);
}
