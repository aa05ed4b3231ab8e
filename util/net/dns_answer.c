/* Reads replies of name servers, which anyone may have written: everything is bounded by the reply's own length. */
#include <ares.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "util/base/text.h"
#include "util/net/dns.h"

enum {
    HEADER_SIZE = 12,
    RECORD_FIXED_SIZE = 10, /* type, class, TTL, length */
    CLASS_IN = 1,
    ALIAS_LIMIT = 16,
    RECORD_LIMIT = 100, /* of one answer; as with Postfix since 3.9 the rest is passed over */
    FLAG_RESPONSE = 0x80, FLAG_TRUNCATED = 0x02, /* of the header's third byte */
    RCODES = 0x0f, RCODE_NONE = 0, RCODE_NAME_ERROR = 3, /* of the fourth */
};

struct reader {
    const unsigned char *reply;
    size_t length;
    size_t at;
    struct arena *arena;
};

static uint16_t read_u16(const unsigned char *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint32_t read_u32(const unsigned char *bytes)
{
    return (uint32_t)read_u16(bytes) << 16 | read_u16(bytes + 2);
}

/* The name at an offset; *used is how many bytes it takes there. NULL: damaged. */
static const char *read_name(const struct reader *reader, size_t offset, size_t *used)
{
    char *expanded;
    const char *name;
    long taken;

    if (offset >= reader->length)
        return NULL;
    if (ares_expand_name(reader->reply + offset, reader->reply, (int)reader->length, &expanded, &taken) != ARES_SUCCESS)
        return NULL;
    name = strlen(expanded) <= NET_HOST_LIMIT ? arena_copy(reader->arena, expanded) : NULL;
    ares_free_string(expanded);
    *used = (size_t)taken;
    return name;
}

/* A name within a record's data, which it must fill up to the end. */
static bool read_data_name(const struct reader *reader, struct dns_record *record, size_t skipped)
{
    size_t offset = (size_t)(record->data - reader->reply) + skipped, used;

    if (record->length <= skipped)
        return false;
    record->name = read_name(reader, offset, &used);
    return record->name != NULL && used == record->length - skipped;
}

/* The strings of a TXT record, joined. What is not printable becomes '?': such texts go to logs and replies. */
static bool read_strings(const struct reader *reader, struct dns_record *record)
{
    char *joined = arena_alloc(reader->arena, record->length + 1), *end = joined;

    for (size_t at = 0; at < record->length;) {
        size_t piece = record->data[at++];

        if (piece > record->length - at)
            return false;
        memcpy(end, record->data + at, piece);
        for (char *c = end; c < end + piece; c++)
            if (*c == '\0')
                *c = '?';
        end += piece;
        at += piece;
    }
    record->name = string_printable(joined, true);
    return true;
}

static bool read_data(const struct reader *reader, struct dns_record *record)
{
    switch (record->type) {
    case DNS_A:
    case DNS_AAAA:
        if (record->length != (record->type == DNS_A ? 4 : 16))
            return false;
        record->address = net_address_from_bytes(record->type == DNS_A ? AF_INET : AF_INET6, record->data);
        return true;
    case DNS_MX:
        if (record->length < 3)
            return false;
        record->preference = read_u16(record->data);
        return read_data_name(reader, record, 2);
    case DNS_SRV:
        if (record->length < 7)
            return false;
        record->preference = read_u16(record->data);
        record->weight = read_u16(record->data + 2);
        record->port = read_u16(record->data + 4);
        return read_data_name(reader, record, 6);
    case DNS_CNAME:
    case DNS_NS:
    case DNS_PTR:
        return read_data_name(reader, record, 0);
    case DNS_TXT:
        return read_strings(reader, record);
    default:
        return true;
    }
}

/* The frame around a record: owner, type, class, TTL, and where the data is. */
static bool read_record(struct reader *reader, struct dns_record *record, uint16_t *class)
{
    size_t used;
    const unsigned char *fixed;

    *record = (struct dns_record){.owner = read_name(reader, reader->at, &used)};
    if (record->owner == NULL || reader->length - reader->at < used + RECORD_FIXED_SIZE)
        return false;
    fixed = reader->reply + reader->at + used;
    record->type = (enum dns_type)read_u16(fixed);
    *class = read_u16(fixed + 2);
    record->ttl = read_u32(fixed + 4);
    if (record->ttl > INT32_MAX) /* RFC 2181 section 8 */
        record->ttl = 0;
    record->length = read_u16(fixed + 8);
    record->data = fixed + RECORD_FIXED_SIZE;
    reader->at += used + RECORD_FIXED_SIZE;
    if (record->length > reader->length - reader->at)
        return false;
    reader->at += record->length;
    return true;
}

static bool skip_questions(struct reader *reader, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t used;

        if (read_name(reader, reader->at, &used) == NULL || reader->length - reader->at < used + 4)
            return false;
        reader->at += used + 4;
    }
    return true;
}

/* Host names that a name server made up out of other bytes never get further than this. */
static bool target_valid(const struct dns_record *record)
{
    struct net_address literal;

    switch (record->type) {
    case DNS_MX: /* an address in place of a name is wrong, and common enough to be let through */
        return *record->name == '\0' || net_hostname_valid(record->name) || net_address_parse(record->name, &literal);
    case DNS_SRV:
        return *record->name == '\0' || net_hostname_valid(record->name);
    case DNS_NS:
    case DNS_PTR:
        return net_hostname_valid(record->name);
    default:
        return true;
    }
}

/* The answer section: records of the type asked for, and aliases. False: damaged. */
static bool read_answers(struct reader *reader, size_t count, enum dns_type type, struct dns_answer *all)
{
    size_t room = reader->length / (RECORD_FIXED_SIZE + 1);

    if (count > room)
        count = room;
    all->records = arena_alloc(reader->arena, (count + 1) * sizeof *all->records);
    for (size_t i = 0; i < count; i++) {
        struct dns_record *record = &all->records[all->count];
        uint16_t class;

        if (!read_record(reader, record, &class))
            return false;
        if (class != CLASS_IN || (record->type != type && record->type != DNS_CNAME))
            continue;
        if (!read_data(reader, record))
            return false;
        all->count++;
    }
    return true;
}

/* How long a "no" may be remembered (RFC 2308 section 5). */
static uint32_t read_negative_ttl(struct reader *reader, size_t count)
{
    struct dns_record record;
    uint16_t class;

    for (size_t i = 0; i < count && read_record(reader, &record, &class); i++) {
        uint32_t minimum;

        if (record.type != DNS_SOA || record.length < 22)
            continue;
        minimum = read_u32(record.data + record.length - 4);
        return minimum < record.ttl ? minimum : record.ttl;
    }
    return 0;
}

static const struct dns_record *find_alias(const struct dns_answer *all, const char *owner)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->records[i].type == DNS_CNAME && string_equal_ignore_case(all->records[i].owner, owner))
            return &all->records[i];
    return NULL;
}

/* Follows the aliases from name; NULL when they go round in circles. */
static const char *follow_aliases(const struct dns_answer *all, const char *name, struct dns_answer *answer)
{
    for (int i = 0; i < ALIAS_LIMIT; i++) {
        const struct dns_record *alias = find_alias(all, name);

        if (alias == NULL)
            return name;
        name = answer->last_alias = alias->name;
        if (alias->ttl < answer->ttl)
            answer->ttl = alias->ttl;
    }
    return NULL;
}

static enum dns_status choose_answers(const struct dns_answer *all, const char *name, enum dns_type type,
                                      struct arena *arena, struct dns_answer *answer)
{
    bool malformed = false;

    answer->ttl = UINT32_MAX;
    answer->canonical = type == DNS_CNAME ? name : follow_aliases(all, name, answer);
    if (answer->canonical == NULL)
        return DNS_INVALID;
    answer->records = arena_alloc(arena, (all->count + 1) * sizeof *answer->records);
    for (size_t i = 0; i < all->count && answer->count < RECORD_LIMIT; i++) {
        const struct dns_record *record = &all->records[i];

        if (record->type != type || !string_equal_ignore_case(record->owner, answer->canonical))
            continue;
        if (!target_valid(record)) {
            malformed = true;
            continue;
        }
        answer->records[answer->count++] = *record;
        if (record->ttl < answer->ttl)
            answer->ttl = record->ttl;
    }
    if (answer->count == 0) /* a domain whose servers have impossible names has servers: its own address is not one */
        return malformed ? DNS_INVALID : DNS_NO_DATA;
    if (type == DNS_MX && answer->count == 1 && *answer->records[0].name == '\0')
        return DNS_NULL_MX;
    return DNS_OK;
}

/* Null MX together with real ones is against RFC 7505 section 3; the real ones count. */
static void drop_empty_exchangers(struct dns_answer *answer)
{
    size_t kept = 0;

    for (size_t i = 0; i < answer->count; i++)
        if (answer->records[i].type != DNS_MX || *answer->records[i].name != '\0')
            answer->records[kept++] = answer->records[i];
    answer->count = kept;
}

/* Whether it says at all what there is: a server that cannot or will not answer says that with other codes. */
static bool is_answer(const unsigned char *reply)
{
    int code = reply[3] & RCODES;

    return (reply[2] & FLAG_TRUNCATED) == 0 && (code == RCODE_NONE || code == RCODE_NAME_ERROR);
}

enum dns_status dns_answer_parse(const unsigned char *reply, size_t length, const char *name, enum dns_type type,
                                 struct arena *arena, struct dns_answer *answer)
{
    struct reader reader = {.reply = reply, .length = length, .at = HEADER_SIZE, .arena = arena};
    struct dns_answer all = {0};
    enum dns_status status;

    *answer = (struct dns_answer){0};
    if (length < HEADER_SIZE || length > UINT16_MAX || !(reply[2] & FLAG_RESPONSE))
        return DNS_INVALID;
    if (!is_answer(reply))
        return DNS_TRY_AGAIN;
    if (!skip_questions(&reader, read_u16(reply + 4)) || !read_answers(&reader, read_u16(reply + 6), type, &all))
        return DNS_INVALID;
    answer->authentic = reply[3] & 0x20;
    status = choose_answers(&all, name, type, arena, answer);
    if (status == DNS_OK)
        drop_empty_exchangers(answer);
    if (status == DNS_NO_DATA) {
        uint32_t negative = read_negative_ttl(&reader, read_u16(reply + 8));

        answer->ttl = negative < answer->ttl ? negative : answer->ttl;
        if ((reply[3] & RCODES) == RCODE_NAME_ERROR)
            return DNS_NOT_FOUND;
    }
    return status;
}
