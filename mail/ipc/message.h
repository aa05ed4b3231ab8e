/* message - every internal message is declared once, in the .def files of this folder.
 *
 *     MESSAGE(resolve_request, 1)
 *         STRING(1, sender)            const char *, never NULL after receiving ("" when absent)
 *         NUMBER(2, flags)             int64_t
 *         STRINGS(3, recipients)       struct ipc_strings
 *     END(resolve_request)
 *
 * From it come struct resolve_request, its number IPC_resolve_request, and the row that encodes and decodes it.
 * Fields travel as tag, length, value; a receiver skips tags it does not know, and takes absent ones as empty or
 * zero, so old and new programs understand one another. Adding a field is one line here, its sender and its
 * receiver. Tags are never reused for something else. */
#ifndef MAIL_IPC_MESSAGE_H
#define MAIL_IPC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/base/arena.h"
#include "util/base/text.h"
#include "util/task/channel.h"

struct ipc_strings {
    const char **items;
    size_t count;
};

enum ipc_field_type { IPC_END, IPC_STRING, IPC_NUMBER, IPC_STRINGS };

struct ipc_field {
    uint16_t tag;
    enum ipc_field_type type;
    size_t offset;
};

struct ipc_message {
    const char *name;
    uint16_t number;
    size_t size; /* of the struct */
    const struct ipc_field *(*fields)(void); /* ends with IPC_END */
};

/* Appends the encoded fields of *value. */
void ipc_encode(struct text *out, const struct ipc_message *message, const void *value);

/* Fills *value; strings are copied into the arena. False: damaged. */
bool ipc_decode(const void *body, size_t length, const struct ipc_message *message, void *value, struct arena *arena);

/* The same value once more, all of it the arena's. */
void *ipc_copy(const struct ipc_message *message, const void *value, struct arena *arena);

/* Within a call. ipc_receive is false when the call ended, timed out or brought another message than expected. */
bool ipc_send(struct call *call, const struct ipc_message *message, const void *value);
bool ipc_send_later(struct call *call, const struct ipc_message *message, const void *value); /* see call_send_later */
bool ipc_send_last(struct call *call, const struct ipc_message *message, const void *value);  /* see call_send_last */
bool ipc_receive(struct call *call, const struct ipc_message *message, void *value, struct arena *arena,
                 struct deadline deadline);

/* A question and its answer, over a pool's shared channel. Tries once more when an idle channel turns out broken. */
bool ipc_ask(struct channel_pool *pool, const struct ipc_message *request, const void *question,
             const struct ipc_message *reply, void *answer, struct arena *arena, struct deadline deadline,
             struct error *error);

#endif
