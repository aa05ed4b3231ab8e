/* postdrop - a message on its way into the maildrop queue: postdrop(1), which is set-gid, at the other end of two pipes.
 *
 * For programs that may not, or cannot, speak to cleanup. Blocks. A message that is not finished leaves nothing behind. */
#ifndef MAIL_SUBMIT_POSTDROP_H
#define MAIL_SUBMIT_POSTDROP_H

#include <stdbool.h>
#include <stddef.h>

#include "mail/config/mail_config.h"
#include "util/base/error.h"

struct postdrop;

enum postdrop_status {
    POSTDROP_OK,
    POSTDROP_TOO_BIG,
    POSTDROP_REFUSED, /* with a reason */
    POSTDROP_FAILED,
};

/* verbosity: how often it gets -v. NULL: it does not run; error says so. */
struct postdrop *postdrop_start(const struct mail_config *mail, int verbosity, struct error *error);
const char *postdrop_queue_id(const struct postdrop *postdrop); /* until pickup gives it another */

void postdrop_put(struct postdrop *postdrop, int type, const char *data, size_t length);
void postdrop_put_string(struct postdrop *postdrop, int type, const char *string);
void postdrop_put_attribute(struct postdrop *postdrop, const char *name, const char *value);
void postdrop_put_number(struct postdrop *postdrop, const char *name, int value); /* 0: nothing is said */
/* Content, in pieces of line_length_limit at most; without ends the line goes on in the next piece. */
void postdrop_put_line(struct postdrop *postdrop, const char *line, size_t length, bool ends);

/* Waits until the message is safe, or refused: then error says why, unless it is too big. Frees. */
enum postdrop_status postdrop_finish(struct postdrop *postdrop, struct error *error);
void postdrop_abandon(struct postdrop *postdrop);

#endif
