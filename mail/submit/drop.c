#include "mail/submit/drop.h"

#include <stdlib.h>
#include <string.h>

#include "mail/queue/record.h"
#include "mail/submit/postdrop.h"
#include "util/base/memory.h"
#include "util/base/text.h"

struct drop {
    struct postdrop *postdrop;
    struct text line; /* what is there of one that has not ended; less than a piece */
    size_t piece;
    bool in_content;
};

struct drop *drop_open(const struct mail_config *mail, const struct cleanup_open *open, struct error *error)
{
    struct postdrop *postdrop = postdrop_start(mail, 0, error);
    struct drop *drop;

    if (postdrop == NULL)
        return NULL;
    drop = memory_new(sizeof *drop);
    drop->postdrop = postdrop;
    drop->piece = (size_t)mail->line_length_limit;
    if (*open->dsn_envid != '\0')
        postdrop_put_attribute(postdrop, "envelope_id", open->dsn_envid);
    postdrop_put_number(postdrop, "ret_flags", (int)open->dsn_ret);
    postdrop_put_number(postdrop, "sendopts", (int)open->sendopts);
    postdrop_put_string(postdrop, RECORD_SENDER, open->sender);
    if (*open->encoding != '\0')
        postdrop_put_attribute(postdrop, "encoding", open->encoding);
    return drop;
}

const char *drop_queue_id(const struct drop *drop)
{
    return postdrop_queue_id(drop->postdrop);
}

void drop_recipient(struct drop *drop, const struct cleanup_recipient *recipient)
{
    postdrop_put_number(drop->postdrop, "notify_flags", (int)recipient->dsn_notify);
    if (*recipient->dsn_orig_rcpt != '\0')
        postdrop_put_attribute(drop->postdrop, "dsn_orig_rcpt", recipient->dsn_orig_rcpt);
    postdrop_put_string(drop->postdrop, RECORD_RECIPIENT, recipient->address);
}

/* ---- the content ---- */

static void begin_content(struct drop *drop)
{
    if (!drop->in_content)
        postdrop_put_string(drop->postdrop, RECORD_MESSAGE, "");
    drop->in_content = true;
}

static void put_line(struct drop *drop, bool ends)
{
    postdrop_put_line(drop->postdrop, text_string(&drop->line), drop->line.length, ends);
    text_clear(&drop->line);
}

void drop_content(struct drop *drop, const char *bytes, size_t length)
{
    begin_content(drop);
    while (length > 0) {
        const char *end = memchr(bytes, '\n', length);
        size_t count = end != NULL ? (size_t)(end - bytes) : length;

        text_append_bytes(&drop->line, bytes, count);
        if (end != NULL)
            put_line(drop, true);
        else if (drop->line.length > drop->piece)
            put_line(drop, false);
        count += end != NULL;
        bytes += count;
        length -= count;
    }
}

/* ---- the end ---- */

static void free_drop(struct drop *drop)
{
    text_free(&drop->line);
    free(drop);
}

static const struct cleanup_status failed = {.code = 451, .dsn = "4.3.0", .reason = "Error: queue file write error"};

void drop_end(struct drop *drop, struct arena *arena, struct cleanup_status *status)
{
    struct postdrop *postdrop = drop->postdrop;
    struct error error;

    begin_content(drop);
    if (drop->line.length > 0)
        put_line(drop, true);
    postdrop_put_string(postdrop, RECORD_EXTRACTED, "");
    postdrop_put_string(postdrop, RECORD_END, "");
    switch (postdrop_finish(postdrop, &error)) {
    case POSTDROP_OK: *status = (struct cleanup_status){.code = 250, .dsn = "2.0.0", .reason = ""}; break;
    case POSTDROP_TOO_BIG:
        *status = (struct cleanup_status){.code = 552, .dsn = "5.3.4", .reason = "Error: message file too big"};
        break;
    case POSTDROP_REFUSED:
        *status = (struct cleanup_status){.code = 550, .dsn = "5.7.1",
                                          .reason = arena_format(arena, "Error: %s", error.text)};
        break;
    default: *status = failed;
    }
    free_drop(drop);
}

void drop_abandon(struct drop *drop)
{
    postdrop_abandon(drop->postdrop);
    free_drop(drop);
}
