#include "mail/ipc/message.h"

#include <assert.h>
#include <endian.h>
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

enum {
    FIELD_HEADER = 6, /* u16 tag, u32 length, little endian */
    USUAL_SIZE = 1000, /* of what is sent: the client of a message takes the most */
};

static void append_field(struct text *out, uint16_t tag, const void *bytes, size_t length)
{
    uint16_t little_tag = htole16(tag);
    uint32_t little_length = htole32((uint32_t)length);

    text_append_bytes(out, &little_tag, sizeof little_tag);
    text_append_bytes(out, &little_length, sizeof little_length);
    text_append_bytes(out, bytes, length);
}

void ipc_encode(struct text *out, const struct ipc_message *message, const void *value)
{
    for (const struct ipc_field *field = message->fields(); field->type != IPC_END; field++) {
        const void *member = (const char *)value + field->offset;

        if (field->type == IPC_STRING) {
            const char *string = *(const char *const *)member;

            if (string != NULL && *string != '\0')
                append_field(out, field->tag, string, strlen(string));
        } else if (field->type == IPC_NUMBER) {
            uint64_t number = htole64((uint64_t)*(const int64_t *)member);

            if (number != 0)
                append_field(out, field->tag, &number, sizeof number);
        } else {
            const struct ipc_strings *strings = member;

            for (size_t i = 0; i < strings->count; i++)
                append_field(out, field->tag, strings->items[i], strlen(strings->items[i]));
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
        uint64_t number;

        if (length != sizeof number)
            return false;
        memcpy(&number, bytes, sizeof number);
        *(int64_t *)member = (int64_t)le64toh(number);
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

/* Fields mostly come in the order of their rows: the one that came before is where to look first. */
static const struct ipc_field *find_field(const struct ipc_field *fields, const struct ipc_field *before, uint16_t tag)
{
    while (before->type != IPC_END && before->tag != tag)
        before++;
    if (before->type != IPC_END)
        return before;
    while (fields->type != IPC_END && fields->tag != tag)
        fields++;
    return fields;
}

bool ipc_decode(const void *body, size_t length, const struct ipc_message *message, void *value, struct arena *arena)
{
    const unsigned char *at = body, *end = at + length;
    const struct ipc_field *fields = message->fields(), *before = fields;

    memset(value, 0, message->size);
    for (const struct ipc_field *field = fields; field->type != IPC_END; field++)
        if (field->type == IPC_STRING)
            *(const char **)(void *)((char *)value + field->offset) = "";
    while (at < end) {
        const struct ipc_field *field;
        uint16_t tag;
        uint32_t size;

        if (end - at < FIELD_HEADER)
            return false;
        memcpy(&tag, at, sizeof tag);
        memcpy(&size, at + sizeof tag, sizeof size);
        size = le32toh(size);
        at += FIELD_HEADER;
        if (size > (size_t)(end - at))
            return false;
        field = find_field(fields, before, le16toh(tag));
        if (field->type != IPC_END) {
            if (!store_field(field, value, at, size, arena))
                return false;
            before = field;
        }
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

    text_reserve(&body, USUAL_SIZE);
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
