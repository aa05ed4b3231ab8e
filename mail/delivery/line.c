/* The line that pflogsumm reads, one for each recipient. */
#include "mail/address/address.h"
#include "mail/delivery/delivery.h"

enum {
    DIGITS_LIMIT = 6, /* of microseconds */
    LINE_GUESS = 220, /* what most lines fit into */
};

/* So many digits behind the point, without those zeros that say nothing. */
static void append_fraction(struct text *out, int64_t fraction, int width)
{
    char digits[DIGITS_LIMIT];

    for (int i = width; i > 0; fraction /= 10)
        digits[--i] = (char)('0' + fraction % 10);
    while (width > 1 && digits[width - 1] == '0')
        width--;
    text_append_char(out, '.');
    text_append_bytes(out, digits, (size_t)width);
}

void delivery_delay_print(duration delay, long digits, struct text *out)
{
    int64_t unit = MICROSECONDS; /* of the last digit that is printed */
    int width = DIGITS_LIMIT;

    if (delay < 0)
        delay = 0;
    for (; width > digits; width--)
        unit *= 10;
    /* Two digits are worth printing, but all of those before the point. */
    while (width > 0 && delay >= unit * 100) {
        unit *= 10;
        width--;
    }
    delay = (delay + unit / 2) / unit * unit;
    text_append_number(out, delay / SECONDS);
    if (delay % SECONDS > 0)
        append_fraction(out, delay % SECONDS / unit, width);
}

static void append_address(struct text *line, const char *address, const struct mail_config *mail)
{
    text_append_char(line, '<');
    if (string_equal(mail->info_log_address_format, "external"))
        address_append_quoted(address, line);
    else
        text_append(line, address);
    text_append_char(line, '>');
}

static void append_delays(struct text *line, int64_t arrival_time, int64_t active_time,
                          const struct delivery_times *times, long digits)
{
    int64_t connected = times->connected != 0 ? times->connected : times->begun;
    const int64_t points[] = {arrival_time, active_time, times->begun, connected, times->settled};

    text_append(line, ", delay=");
    delivery_delay_print(times->settled - arrival_time, digits, line);
    text_append(line, ", delays=");
    for (size_t i = 1; i < sizeof points / sizeof *points; i++) {
        if (i > 1)
            text_append_char(line, '/');
        delivery_delay_print(points[i] - points[i - 1], digits, line);
    }
}

void delivery_log_line(const char *queue_id, const struct message_recipient *recipient, int64_t arrival_time,
                       int64_t active_time, const struct delivery_times *times, const struct delivery_result *result,
                       const char *status, const struct mail_config *mail)
{
    struct log_context log = {queue_id};
    struct text line = {0};

    text_reserve(&line, LINE_GUESS);
    text_append(&line, "to=");
    append_address(&line, recipient->address, mail);
    if (*recipient->original != '\0' && !string_equal_ignore_case(recipient->original, recipient->address)) {
        text_append(&line, ", orig_to=");
        append_address(&line, recipient->original, mail);
    }
    text_append(&line, ", relay=");
    text_append(&line, result->relay != NULL ? result->relay : "none");
    if (result->connection_uses > 1) {
        text_append(&line, ", conn_use=");
        text_append_number(&line, result->connection_uses);
    }
    append_delays(&line, arrival_time, active_time, times, mail->delay_logging_resolution_limit);
    if (result->tls != NULL) {
        text_append(&line, ", tls=");
        text_append(&line, result->tls);
    }
    log_info(&log, "%s, dsn=%s, status=%s (%s)", text_string(&line), result->dsn, status, result->reason);
    text_free(&line);
}
