#include "mail/ipc/message.h"

#include <assert.h>
#include <string.h>

#include "mail/ipc/ipc.h"

/* The field rows sit in a function each, where a typedef can name the struct that they are offsets into. */
#define MESSAGE(name, number)                                                                                         \
    static const struct ipc_field *name##_fields(void)                                                                \
    {                                                                                                                 \
        typedef struct name current;                                                                                  \
        static const struct ipc_field rows[] = {
#define STRING(tag, field) {tag, IPC_STRING, offsetof(current, field)},
#define NUMBER(tag, field) {tag, IPC_NUMBER, offsetof(current, field)},
#define STRINGS(tag, field) {tag, IPC_STRINGS, offsetof(current, field)},
#define END(name)                                                                                                     \
    {0, IPC_END, 0}                                                                                                   \
    }                                                                                                                 \
    ;                                                                                                                 \
    return rows;                                                                                                      \
    }                                                                                                                 \
    const struct ipc_message ipc_##name = {#name, IPC_##name, sizeof(struct name), name##_fields};
#include "mail/ipc/ipc.def"

enum { FIELD_HEADER = 6 }; /* u16 tag, u32 length, little endian */

static void append_number(struct text *out, uint64_t value, int bytes)
{
    unsigned char encoded[8];

    for (int i = 0; i < bytes; i++, value >>= 8)
        encoded[i] = (unsigned char)value;
    text_append_bytes(out, encoded, (size_t)bytes);
}

static uint64_t get_number(const unsigned char *bytes, size_t count)
{
    uint64_t value = 0;

    while (count-- > 0)
        value = value << 8 | bytes[count];
    return value;
}

static void append_string(struct text *out, uint16_t tag, const char *string)
{
    size_t length = strlen(string);

    append_number(out, tag, 2);
    append_number(out, length, 4);
    text_append_bytes(out, string, length);
}

void ipc_encode(struct text *out, const struct ipc_message *message, const void *value)
{
    for (const struct ipc_field *field = message->fields(); field->type != IPC_END; field++) {
        const void *member = (const char *)value + field->offset;

        if (field->type == IPC_STRING) {
            const char *string = *(const char *const *)member;

            if (string != NULL && *string != '\0')
                append_string(out, field->tag, string);
        } else if (field->type == IPC_NUMBER) {
            int64_t number = *(const int64_t *)member;

            if (number == 0)
                continue;
            append_number(out, field->tag, 2);
            append_number(out, sizeof number, 4);
            append_number(out, (uint64_t)number, sizeof number);
        } else {
            const struct ipc_strings *strings = member;

            for (size_t i = 0; i < strings->count; i++)
                append_string(out, field->tag, strings->items[i]);
        }
    }
}

static void add_to_strings(struct ipc_strings *strings, const char *item, struct arena *arena)
{
    /* Grows when the count is a power of two; the arena keeps the outgrown arrays until it is dropped. */
    if ((strings->count & (strings->count - 1)) == 0) {
        const char **more = arena_alloc(arena, (strings->count > 0 ? strings->count * 2 : 1) * sizeof *more);

        if (strings->count > 0)
            memcpy(more, strings->items, strings->count * sizeof *more);
        strings->items = more;
    }
    strings->items[strings->count++] = item;
}

static bool store_field(const struct ipc_field *field, void *value, const unsigned char *bytes, size_t length,
                        struct arena *arena)
{
    void *member = (char *)value + field->offset;

    if (field->type == IPC_NUMBER) {
        if (length != sizeof(int64_t))
            return false;
        *(int64_t *)member = (int64_t)get_number(bytes, length);
        return true;
    }
    if (memchr(bytes, '\0', length) != NULL)
        return false;
    if (field->type == IPC_STRING)
        *(const char **)member = arena_copy_bytes(arena, (const char *)bytes, length);
    else
        add_to_strings(member, arena_copy_bytes(arena, (const char *)bytes, length), arena);
    return true;
}

bool ipc_decode(const void *body, size_t length, const struct ipc_message *message, void *value, struct arena *arena)
{
    const unsigned char *at = body, *end = at + length;
    const struct ipc_field *fields = message->fields();

    memset(value, 0, message->size);
    for (const struct ipc_field *field = fields; field->type != IPC_END; field++)
        if (field->type == IPC_STRING)
            *(const char **)(void *)((char *)value + field->offset) = "";
    while (at < end) {
        const struct ipc_field *field = fields;
        uint16_t tag;
        size_t size;

        if (end - at < FIELD_HEADER)
            return false;
        tag = (uint16_t)get_number(at, 2);
        size = get_number(at + 2, 4);
        at += FIELD_HEADER;
        if (size > (size_t)(end - at))
            return false;
        while (field->type != IPC_END && field->tag != tag)
            field++;
        if (field->type != IPC_END && !store_field(field, value, at, size, arena))
            return false;
        at += size;
    }
    return true;
}

void *ipc_copy(const struct ipc_message *message, const void *value, struct arena *arena)
{
    struct text encoded = {0};
    void *copy = arena_alloc(arena, message->size);
    bool good;

    ipc_encode(&encoded, message, value);
    good = ipc_decode(text_string(&encoded), encoded.length, message, copy, arena);
    assert(good);
    text_free(&encoded);
    return copy;
}

typedef bool call_send_fn(struct call *call, uint16_t message, const void *body, size_t length);

static bool send_by(call_send_fn *send, struct call *call, const struct ipc_message *message, const void *value)
{
    struct text body = {0};
    bool sent;

    ipc_encode(&body, message, value);
    sent = send(call, message->number, text_string(&body), body.length);
    text_free(&body);
    return sent;
}

bool ipc_send(struct call *call, const struct ipc_message *message, const void *value)
{
    return send_by(call_send, call, message, value);
}

bool ipc_send_later(struct call *call, const struct ipc_message *message, const void *value)
{
    return send_by(call_send_later, call, message, value);
}

bool ipc_send_last(struct call *call, const struct ipc_message *message, const void *value)
{
    return send_by(call_send_last, call, message, value);
}

bool ipc_receive(struct call *call, const struct ipc_message *message, void *value, struct arena *arena,
                 struct deadline deadline)
{
    struct frame frame;

    return call_receive(call, &frame, deadline) == CALL_OK && frame.message == message->number &&
           ipc_decode(frame.body, frame.length, message, value, arena);
}

bool ipc_ask(struct channel_pool *pool, const struct ipc_message *request, const void *question,
             const struct ipc_message *reply, void *answer, struct arena *arena, struct deadline deadline,
             struct error *error)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        struct channel *channel = channel_pool_shared(pool, deadline, error);
        struct call *call;
        bool answered;

        if (channel == NULL)
            return false;
        call = call_open(channel);
        answered = ipc_send_last(call, request, question) && ipc_receive(call, reply, answer, arena, deadline);
        call_close(call);
        if (answered)
            return true;
        if (task_cancelled() || deadline_passed(deadline))
            break;
    }
    return error_set(error, "no answer to %s", request->name);
}
