#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bounce/bounce.h"
#include "bounce/report.h"
#include "mail/address/address.h"
#include "mail/queue/message_file.h"
#include "util/base/memory.h"

/* Who gets a notification, and as what it is logged. */
struct addressee {
    const char *sender; /* of its envelope: "" unless it is the postmaster's */
    const char *to;
    bool postmaster;
    const char *what; /* "sender non-delivery notification" */
};

static bool notify_class(const struct bouncer *bouncer, const char *class)
{
    char *words = memory_copy_string(bouncer->mail->notify_classes), *cursor = words, *word;
    bool found = false;

    while ((word = string_next_word(&cursor, " \t\r\n,")) != NULL)
        found = found || string_equal_ignore_case(word, class);
    free(words);
    return found;
}

/* ---- one notification ---- */

static bool send_one(struct report *report, const struct addressee *addressee, struct arena *arena,
                     struct error *error)
{
    struct bouncer *bouncer = report->bouncer;
    const struct cleanup_open open = {.flags = CLEANUP_INTERNAL | CLEANUP_MAP,
                                      .sender = addressee->sender,
                                      .arrival_time = clock_wall(),
                                      .encoding = "8bit",
                                      .sendopts = (report->flush->sendopts & SENDOPT_SMTPUTF8) |
                                                  (report_requires_tls(report) ? SENDOPT_REQUIRETLS : 0),
                                      .rewrite_context = "local",
                                      .queue = QUEUE_INCOMING};
    const struct cleanup_recipient recipient = {.address = addressee->to,
                                                .original = "",
                                                .dsn_orig_rcpt = "",
                                                .dsn_notify = DSN_NOTIFY_NEVER};
    struct submission *submission = submission_open(bouncer->cleanup, bouncer->mail, &open, error);
    const struct log_context log = {report->flush->queue_id};
    struct cleanup_status status;

    if (submission == NULL)
        return false;
    report->queue_id = arena_copy(arena, submission_queue_id(submission));
    report->to = addressee->to;
    report->postmaster = addressee->postmaster;
    log_info(&log, "%s: %s", addressee->what, report->queue_id);
    submission_recipient(submission, &recipient);
    report_write(report, submission);
    submission_end(submission, 0, "", arena, &status);
    return status.code == 250 || error_set(error, "cleanup refused a notification: %s", status.reason);
}

/* ---- who gets one ---- */

static bool is_double_bounce(const struct bouncer *bouncer, const char *sender)
{
    const char *domain = address_domain(sender);
    size_t length = domain != NULL ? (size_t)(domain - 1 - sender) : strlen(sender);

    return length == strlen(bouncer->mail->double_bounce_sender) &&
           strncasecmp(sender, bouncer->mail->double_bounce_sender, length) == 0;
}

struct addressees {
    struct addressee items[2];
    size_t count;
};

static void add(struct addressees *addressees, const char *sender, const char *to, bool postmaster, const char *what)
{
    addressees->items[addressees->count++] = (struct addressee){sender, to, postmaster, what};
}

/* Never to the null sender: what is about a bounce goes to the postmaster, if anywhere. */
static void choose_for_failure(const struct bouncer *bouncer, const struct bounce_flush *flush,
                               struct addressees *addressees)
{
    const char *double_bounce = bouncer->mail->double_bounce_sender;
    const char *what = "postmaster non-delivery notification";

    if (*flush->sender != '\0') {
        add(addressees, "", flush->sender, false, "sender non-delivery notification");
        if (notify_class(bouncer, "bounce"))
            add(addressees, double_bounce, bouncer->mail->bounce_notice_recipient, true, what);
    } else if (notify_class(bouncer, "2bounce")) {
        add(addressees, double_bounce, config_get(bouncer->environment->config, "2bounce_notice_recipient"), true, what);
    }
}

static void choose_for_delay(const struct bouncer *bouncer, const struct bounce_flush *flush,
                             struct addressees *addressees)
{
    if (*flush->sender != '\0')
        add(addressees, "", flush->sender, false, "sender delay notification");
    if (notify_class(bouncer, "delay"))
        add(addressees, bouncer->mail->double_bounce_sender, bouncer->mail->delay_notice_recipient, true,
            "postmaster delay notification");
}

static enum template_kind choose(const struct bouncer *bouncer, const struct bounce_flush *flush,
                                 struct addressees *addressees)
{
    switch ((enum bounce_kind)flush->kind) {
    case BOUNCE_FAILURE: choose_for_failure(bouncer, flush, addressees); return TEMPLATE_FAILURE;
    case BOUNCE_WARNING: choose_for_delay(bouncer, flush, addressees); return TEMPLATE_DELAY;
    default:
        if (*flush->sender != '\0')
            add(addressees, "", flush->sender, false, "sender delivery status notification");
        return flush->kind == BOUNCE_VERIFY ? TEMPLATE_VERIFY : TEMPLATE_SUCCESS;
    }
}

static bool send_all(struct report *report, const struct addressees *addressees, struct arena *arena,
                     struct error *error)
{
    for (size_t i = 0; i < addressees->count; i++)
        if (!send_one(report, &addressees->items[i], arena, error))
            return false;
    return true;
}

/* The message itself goes along, when it can be read. */
static bool send_with_message(struct report *report, const struct addressees *addressees, struct arena *arena,
                              struct error *error)
{
    struct message_envelope envelope;
    struct error reason;
    bool sent, damaged;

    report->fd = queue_file_open(report->bouncer->layout, report->flush->queue_name, report->flush->queue_id,
                                 O_RDONLY | O_CLOEXEC);
    if (report->fd >= 0 && !message_envelope_read(report->fd, arena, &envelope, &damaged, &reason)) {
        close(report->fd);
        report->fd = -1;
    }
    report->envelope = &envelope;
    sent = send_all(report, addressees, arena, error);
    if (report->fd >= 0)
        close(report->fd);
    return sent;
}

bool bounce_notify(struct bouncer *bouncer, const struct bounce_flush *flush, struct arena *arena,
                   struct error *error)
{
    struct addressees addressees = {.count = 0};
    struct bounce_entries entries;
    struct report report = {.bouncer = bouncer, .flush = flush, .entries = &entries};
    const struct log_context log = {flush->queue_id};

    if (flush->kind != BOUNCE_FORGET &&
        bounce_log_read(bouncer, flush->queue_id, (enum bounce_kind)flush->kind, arena, &entries) &&
        entries.count > 0) {
        if (is_double_bounce(bouncer, flush->sender)) {
            log_warning(&log, "undeliverable postmaster notification discarded");
        } else {
            report.template = choose(bouncer, flush, &addressees);
            if (!send_with_message(&report, &addressees, arena, error))
                return false;
        }
    }
    if (flush->kind != BOUNCE_WARNING)
        bounce_log_forget(bouncer, flush->queue_id);
    return true;
}
