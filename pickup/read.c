#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mail/queue/maildrop.h"
#include "pickup/pickup.h"
#include "util/base/memory.h"

/* What belongs to the next recipient. */
struct reading {
    struct dropped *dropped;
    size_t room;
    int64_t notify;
    const char *dsn_orig_rcpt;
};

/* ---- the file ---- */

static enum dropped_state damaged(struct dropped *dropped)
{
    close(dropped->fd);
    dropped->fd = -1;
    return DROPPED_DAMAGED;
}

/* Others can make files here only through postdrop; what is no file of its making is not touched, let alone read. */
static enum dropped_state open_file(struct dropped *dropped, struct stat *file, struct error *error)
{
    *error->text = '\0';
    if (lstat(dropped->path, file) < 0)
        return DROPPED_NOT_YET;
    if (!S_ISREG(file->st_mode)) {
        error_set(error, "%s: uid %ld: not a regular file", dropped->path, (long)file->st_uid);
        return DROPPED_NOT_YET;
    }
    if ((file->st_mode & S_IXUSR) == 0)
        return DROPPED_NOT_YET;
    dropped->fd = open(dropped->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (dropped->fd < 0) {
        if (errno != ENOENT)
            error_set(error, "%s: %s", dropped->path, strerror(errno));
        return DROPPED_NOT_YET;
    }
    if (fstat(dropped->fd, file) == 0 && S_ISREG(file->st_mode) && file->st_nlink == 1)
        return DROPPED_GOOD;
    if (file->st_nlink > 1)
        error_set(error, "%s: uid %ld: file has %ld links", dropped->path, (long)file->st_uid, (long)file->st_nlink);
    close(dropped->fd);
    dropped->fd = -1;
    return DROPPED_NOT_YET;
}

/* ---- the envelope ---- */

static int64_t number_of(const char *value)
{
    return strtoll(value, NULL, 10);
}

static void add_attribute(struct cleanup_open *open, struct arena *arena, const char *attribute)
{
    const char **items = arena_alloc(arena, (open->attributes.count + 1) * sizeof *items);

    if (open->attributes.count > 0)
        memcpy(items, open->attributes.items, open->attributes.count * sizeof *items);
    items[open->attributes.count++] = attribute;
    open->attributes.items = items;
}

static void take_attribute(struct reading *reading, const char *data)
{
    struct dropped *dropped = reading->dropped;
    struct arena *arena = dropped->arena;
    const char *value = strchr(data, '=') + 1;

    if (string_starts(data, "rewrite_context="))
        dropped->open.rewrite_context = arena_copy(arena, value);
    else if (string_starts(data, "encoding="))
        dropped->open.encoding = arena_copy(arena, value);
    else if (string_starts(data, "envelope_id="))
        dropped->open.dsn_envid = arena_copy(arena, value);
    else if (string_starts(data, "ret_flags="))
        dropped->open.dsn_ret = number_of(value) & (DSN_RET_FULL | DSN_RET_HDRS);
    else if (string_starts(data, "sendopts="))
        dropped->open.sendopts = number_of(value) & (SENDOPT_SMTPUTF8 | SENDOPT_REQUIRETLS);
    else if (string_starts(data, "notify_flags="))
        reading->notify = number_of(value) & 15;
    else if (string_starts(data, "dsn_orig_rcpt="))
        reading->dsn_orig_rcpt = arena_copy(arena, value);
    else if (string_starts(data, "trace_flags="))
        add_attribute(&dropped->open, arena, arena_copy(arena, data));
}

static void take_recipient(struct reading *reading, const char *address)
{
    struct dropped *dropped = reading->dropped;

    if (dropped->recipient_count == reading->room) {
        reading->room = reading->room * 2 + 16;
        dropped->recipients = memory_resize(dropped->recipients, reading->room * sizeof *dropped->recipients);
    }
    dropped->recipients[dropped->recipient_count++] = (struct cleanup_recipient){
        .address = arena_copy(dropped->arena, address),
        .original = "",
        .dsn_orig_rcpt = reading->dsn_orig_rcpt,
        .dsn_notify = reading->notify,
    };
    reading->notify = 0;
    reading->dsn_orig_rcpt = "";
}

static void take_verp(struct dropped *dropped, const struct record *record)
{
    dropped->open.verp = record->length == 2 && record->data[0] > 0 && record->data[1] > 0
                             ? record->data[0] << 8 | record->data[1]
                             : 1;
}

static void take_record(struct reading *reading, const struct record *record)
{
    struct dropped *dropped = reading->dropped;

    switch (record->type) {
    case RECORD_SENDER: dropped->open.sender = arena_copy(dropped->arena, record->data); break;
    case RECORD_FULL_NAME: dropped->open.full_name = arena_copy(dropped->arena, record->data); break;
    case RECORD_VERP: take_verp(dropped, record); break;
    case RECORD_ATTRIBUTE: take_attribute(reading, record->data); break;
    case RECORD_RECIPIENT: take_recipient(reading, record->data); break;
    default: break;
    }
}

/* The first record is postdrop's own: when it was called. */
static bool take_time(struct dropped *dropped, const struct record *record, const struct stat *file)
{
    char *end;
    long long seconds = strtoll(record->data, &end, 10), now = clock_wall() / SECONDS;
    long long micro = strtoll(end, NULL, 10);

    if (record->type != RECORD_TIME)
        return false;
    if (seconds <= 0 || seconds > now || micro < 0 || micro >= 1000000) {
        seconds = (long long)file->st_mtime;
        micro = 0;
    }
    dropped->open.arrival_time = seconds * SECONDS + micro;
    return true;
}

static bool read_records(struct reading *reading, struct record_reader *reader, const struct stat *file,
                         struct error *error)
{
    struct dropped *dropped = reading->dropped;
    struct maildrop_check check = {0};
    struct record record;
    bool first = true;

    while (check.segment != MAILDROP_COMPLETE) {
        enum maildrop_segment segment = check.segment;
        enum maildrop_verdict verdict;

        if (record_read(reader, &record) != RECORD_OK)
            return error_set(error, "uid=%ld: the file is cut off or damaged", (long)dropped->owner);
        if (first) {
            first = false;
            if (take_time(dropped, &record, file))
                continue;
            dropped->open.arrival_time = (int64_t)file->st_mtime * SECONDS;
        }
        verdict = maildrop_check_record(&check, record.type, record.data, record.length, error);
        if (verdict == MAILDROP_REFUSED)
            return error_prefix(error, "uid=%ld: ", (long)dropped->owner);
        if (verdict == MAILDROP_KEEP && segment != MAILDROP_CONTENT)
            take_record(reading, &record);
        if (record.type == RECORD_MESSAGE && segment == MAILDROP_ENVELOPE)
            dropped->content = record.offset + 2;
    }
    return true;
}

enum dropped_state dropped_read(struct pickup *pickup, const char *id, struct dropped *dropped, struct error *error)
{
    struct arena *arena = dropped->arena;
    struct reading reading = {.dropped = dropped, .dsn_orig_rcpt = ""};
    char path[QUEUE_PATH_SIZE];
    struct record_reader *reader;
    struct stat file;
    enum dropped_state state;
    bool good;

    dropped->fd = -1;
    dropped->path = arena_copy(arena, queue_path(pickup->layout, QUEUE_MAILDROP, id, path));
    dropped->open = (struct cleanup_open){
        .flags = pickup->cleanup_flags, .sender = "", .encoding = "", .dsn_envid = "", .rewrite_context = "local",
        .filter = "", .redirect = "", .client = "", .helo = "", .protocol = "", .full_name = "",
        .queue = QUEUE_INCOMING,
    };
    state = open_file(dropped, &file, error);
    if (state != DROPPED_GOOD)
        return state;
    dropped->owner = file.st_uid;
    reader = record_reader_new(dropped->fd, 0);
    good = read_records(&reading, reader, &file, error);
    record_reader_free(reader);
    if (good)
        return DROPPED_GOOD;
    error_prefix(error, "%s: ", dropped->path);
    return damaged(dropped);
}
