/* cleanup - receives every message, completes it, and writes it to the incoming queue. */
#include "cleanup/cleanup.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/memory.h"

static const struct parameter parameters[] = {
#define PARAMETER(...) PARAMETER_ROW(struct cleanup_config, __VA_ARGS__)
#include "cleanup/cleanup.def"
#undef PARAMETER
};
const struct parameter_set cleanup_parameters = PARAMETER_SET(parameters, struct cleanup_config);

enum { QMGR_IDLE_CHANNELS = 1 };

/* ---- start ---- */

static int parse_classes(const char *value)
{
    static const struct {
        const char *name;
        int class;
    } classes[] = {
        {"envelope_sender", CLASS_ENVELOPE_SENDER},
        {"envelope_recipient", CLASS_ENVELOPE_RECIPIENT},
        {"header_sender", CLASS_HEADER_SENDER},
        {"header_recipient", CLASS_HEADER_RECIPIENT},
    };
    char *copy = memory_copy_string(value), *cursor = copy, *word;
    int result = 0;

    while ((word = string_next_word(&cursor, ", \t\r\n")) != NULL)
        for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
            if (string_equal_ignore_case(word, classes[i].name))
                result |= classes[i].class;
    free(copy);
    return result;
}

static bool has_word(const char *list, const char *wanted)
{
    char *copy = memory_copy_string(list), *cursor = copy, *word;
    bool found = false;

    while (!found && (word = string_next_word(&cursor, ", \t\r\n")) != NULL)
        found = string_equal_ignore_case(word, wanted);
    free(copy);
    return found;
}

static const char **split_words(const char *list)
{
    char *copy = memory_copy_string(list), *cursor = copy, *word;
    const char **words = memory_new((strlen(list) / 2 + 2) * sizeof *words);
    size_t count = 0;

    while ((word = string_next_word(&cursor, ", \t\r\n")) != NULL)
        words[count++] = memory_copy_string(word);
    free(copy);
    return words;
}

static bool open_tables(struct cleanup *cleanup, struct error *error)
{
    const struct mail_config *mail = cleanup->mail;
    const struct cleanup_config *config = cleanup->config;
    const struct {
        const char *names;
        struct table_list **tables;
    } lists[] = {
        {mail->sender_canonical_maps, &cleanup->sender_canonical.tables},
        {mail->recipient_canonical_maps, &cleanup->recipient_canonical.tables},
        {mail->canonical_maps, &cleanup->canonical.tables},
        {mail->virtual_alias_maps, &cleanup->virtual_alias},
        {config->sender_bcc_maps, &cleanup->sender_bcc},
        {config->recipient_bcc_maps, &cleanup->recipient_bcc},
        {config->header_checks, &cleanup->header_checks},
        {config->mime_header_checks, &cleanup->mime_header_checks},
        {config->nested_header_checks, &cleanup->nested_header_checks},
        {config->body_checks, &cleanup->body_checks},
    };

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if ((*lists[i].tables = table_list_open(lists[i].names, error)) == NULL)
            return false;
    cleanup->our_domains = match_list_new(mail->mydestination, 0, error);
    cleanup->masquerade_exceptions = match_list_new(config->masquerade_exceptions, 0, error);
    return cleanup->our_domains != NULL && cleanup->masquerade_exceptions != NULL;
}

static bool cleanup_start(struct service_environment *environment, struct error *error)
{
    struct cleanup *cleanup = memory_new(sizeof *cleanup);

    cleanup->mail = environment->mail;
    cleanup->config = environment->parameters;
    cleanup->layout = environment->layout;
    cleanup->sender_canonical.classes = parse_classes(cleanup->config->sender_canonical_classes);
    cleanup->recipient_canonical.classes = parse_classes(cleanup->config->recipient_canonical_classes);
    cleanup->canonical.classes = parse_classes(cleanup->config->canonical_classes);
    cleanup->masquerade_classes = parse_classes(cleanup->config->masquerade_classes);
    cleanup->propagate_canonical = has_word(cleanup->mail->propagate_unmatched_extensions, "canonical");
    cleanup->propagate_virtual = has_word(cleanup->mail->propagate_unmatched_extensions, "virtual");
    cleanup->drop_headers = split_words(cleanup->config->message_drop_headers);
    cleanup->directories = map_new();
    list_init(&cleanup->commits);
    environment->state = cleanup;
    return open_tables(cleanup, error);
}

static bool cleanup_ready(struct service_environment *environment, struct error *error)
{
    struct cleanup *cleanup = environment->state;

    (void)error;
    cleanup->tickets = tickets_new();
    cleanup->qmgr = channel_pool_new(IPC_SOCKET_QMGR, IPC_PROTOCOL_QMGR, QMGR_IDLE_CHANNELS);
    return true;
}

/* ---- one message ---- */

static void tell_status(struct call *call, const struct cleanup_message *message)
{
    struct cleanup_status status = {.code = 250, .dsn = "2.0.0", .reason = ""};

    if (message->verdict.code != 0)
        status = (struct cleanup_status){.code = message->verdict.code, .dsn = message->verdict.dsn,
                                         .reason = message->verdict.reason};
    if (message->ticket_wanted)
        status.ticket = tickets_issue(message->cleanup);
    ipc_send_last(call, &ipc_cleanup_status, &status);
}

/* Who came with a ticket knows the ID. */
static bool tell_queue_id(struct call *call, const struct cleanup_message *message)
{
    const struct cleanup_queue_id answer = {.queue_id = message->id};

    return message->open.ticket != 0 || ipc_send(call, &ipc_cleanup_queue_id, &answer);
}

static bool take_route(struct cleanup_message *message, const struct frame *frame)
{
    struct cleanup_route route;

    if (!ipc_decode(frame->body, frame->length, &ipc_cleanup_route, &route, message->arena))
        return false;
    if (*route.filter != '\0')
        message->filter = route.filter;
    if (*route.redirect != '\0')
        message->redirect = route.redirect;
    return true;
}

/* Takes what is in a frame. False: it does not belong there. */
static bool take_frame(struct cleanup_message *message, const struct frame *frame)
{
    struct cleanup_recipient recipient;

    if (frame->message == IPC_CLEANUP_CONTENT) {
        content_take(message, frame->body, frame->length);
        return true;
    }
    if (frame->message == IPC_cleanup_route)
        return take_route(message, frame);
    if (frame->message != IPC_cleanup_recipient || message->content.place != CONTENT_NONE ||
        !ipc_decode(frame->body, frame->length, &ipc_cleanup_recipient, &recipient, message->arena))
        return false;
    recipients_add(message, &recipient);
    return true;
}

/* Reads up to the end of the message. False: the other side gave up, or made no sense. */
static bool take_message(struct call *call, struct cleanup_message *message)
{
    struct cleanup_end end;
    struct frame frame;

    while (call_receive(call, &frame, deadline_in(message->cleanup->mail->ipc_timeout)) == CALL_OK) {
        if (frame.message == IPC_cleanup_end) {
            if (!ipc_decode(frame.body, frame.length, &ipc_cleanup_end, &end, message->arena))
                return false;
            message->ticket_wanted = end.ticket_wanted != 0;
            message_end(message, &end);
            return true;
        }
        if (!take_frame(message, &frame)) {
            log_warning(&message->log, "unexpected or damaged request %u from a client of this service", frame.message);
            return false;
        }
    }
    return false;
}

static void cleanup_call(struct service_environment *environment, struct call *call)
{
    struct cleanup *cleanup = environment->state;
    struct cleanup_message message = {.cleanup = cleanup, .arena = arena_new(), .scratch = arena_new(), .fd = -1};

    if (ipc_receive(call, &ipc_cleanup_open, &message.open, message.arena, deadline_in(cleanup->mail->ipc_timeout))) {
        if ((message.open.flags & CLEANUP_INTERNAL) == 0)
            commit_keep_flow(cleanup);
        if (!message_begin(&message)) {
            tell_status(call, &message);
        } else if (!tell_queue_id(call, &message) || !take_message(call, &message)) {
            log_info(&message.log, "removed (canceled)");
            message_abandon(&message);
        } else {
            /* The message is ours now, whether or not the sender learns of it. */
            tell_status(call, &message);
            message_close(&message);
            commit_tell_qmgr(&message);
        }
    }
    message_free(&message);
}

static void cleanup_drain(struct service_environment *environment)
{
    struct cleanup *cleanup = environment->state;

    tickets_drop(cleanup->tickets);
}

static const struct service cleanup_service = {
    .name = "cleanup",
    .parameters = &cleanup_parameters,
    .start = cleanup_start,
    .ready = cleanup_ready,
    .call = cleanup_call,
    .drain = cleanup_drain,
    .protocol = IPC_PROTOCOL_CLEANUP,
};

int main(int argc, char **argv)
{
    return service_main(&cleanup_service, argc, argv);
}
