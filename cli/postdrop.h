/* postdrop - what its sources share: the message that is being taken from standard input. */
#ifndef CLI_POSTDROP_H
#define CLI_POSTDROP_H

#include "cli/queue_command.h"
#include "mail/queue/maildrop.h"

/* What the caller of postdrop is told, beside a reason: the numbers are those of Postfix. */
enum drop_status { DROP_OK = 0, DROP_BAD = 1, DROP_FAILED = 2, DROP_TOO_BIG = 4, DROP_NOT_PERMITTED = 512 };

struct drop {
    struct queue_command *command;
    const char *path; /* of its file, below the queue directory */
    int fd;
    struct text pending; /* not written yet */
    int64_t size;        /* bytes of the file, pending ones included */
    enum drop_status status;
    struct error reason; /* "" most often */
};

/* ---- postdrop_input.c: records from standard input ---- */
struct drop_input;

struct drop_record {
    int type;
    struct text data;
};

enum drop_input_status { DROP_INPUT_RECORD, DROP_INPUT_END, DROP_INPUT_DAMAGED, DROP_INPUT_INTERRUPTED };

/* HUP, INT, QUIT and TERM end the input from now on, unless they were ignored already. */
struct drop_input *drop_input_new(size_t length_limit);
/* DAMAGED: error says how. */
enum drop_input_status drop_input_next(struct drop_input *input, struct drop_record *record, struct error *error);
void drop_input_free(struct drop_input *input);

/* ---- postdrop_sender.c: local_login_sender_maps ---- */
/* May the user who runs this send as `sender`? A table that fails: no, and error says why. */
bool drop_sender_allowed(const struct mail_config *mail, const char *sender, struct error *error);

#endif
