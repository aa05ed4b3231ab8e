/* postdrop - writes a message from standard input into the maildrop queue (postdrop(1)).
 *
 * It is set-gid, and whoever calls it is not trusted: neither descriptors, environment, signals and limits, nor a byte
 * of the input. A file that is not complete is removed, whatever happens. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli/postdrop.h"
#include "util/base/clock.h"
#include "util/base/log.h"
#include "util/base/memory.h"

enum { FLUSH_SIZE = 64 * 1024 };

/* ---- what the caller left us with ---- */

static void clean_descriptors(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(1);
    close_range(3, ~0U, 0);
}

static void clean_process(void)
{
    static const struct itimerval none;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, usual = {.sa_handler = SIG_DFL};
    sigset_t nothing;

    clean_descriptors();
    umask(077);
    setitimer(ITIMER_REAL, &none, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* writing says EFBIG then, and the file goes */
    sigaction(SIGCHLD, &usual, NULL);
    sigemptyset(&nothing);
    sigprocmask(SIG_SETMASK, &nothing, NULL);
}

/* ---- the file ---- */

static void give_up(struct drop *drop)
{
    unlink(drop->path);
    close(drop->fd);
}

static void note_failure(struct drop *drop, int reason)
{
    if (drop->status != DROP_OK)
        return;
    log_warning(NULL, "uid=%ld: %s", (long)getuid(), strerror(reason));
    drop->status = reason == EFBIG ? DROP_TOO_BIG : DROP_FAILED;
}

static void flush(struct drop *drop)
{
    const char *bytes = text_string(&drop->pending);
    size_t left = drop->pending.length;

    while (drop->status == DROP_OK && left > 0) {
        ssize_t written = write(drop->fd, bytes, left);

        if (written < 0 && errno != EINTR)
            note_failure(drop, errno);
        else if (written > 0) {
            bytes += written;
            left -= (size_t)written;
        }
    }
    text_clear(&drop->pending);
}

static void put(struct drop *drop, int type, const char *data, size_t length)
{
    int64_t limit = drop->command->mail.message_size_limit;
    size_t before = drop->pending.length;

    record_append(&drop->pending, type, data, length);
    drop->size += (int64_t)(drop->pending.length - before);
    if (limit > 0 && drop->size > limit)
        note_failure(drop, EFBIG);
    if (drop->pending.length >= FLUSH_SIZE)
        flush(drop);
}

static void begin_file(struct drop *drop, char path[QUEUE_PATH_SIZE], char id[QUEUE_ID_SIZE])
{
    struct timespec now;
    struct error error;
    char arrival[64];

    drop->fd = queue_file_create(drop->command->layout, QUEUE_MAILDROP, drop->command->mail.enable_long_queue_ids, id,
                                 &now, &error);
    if (drop->fd < 0)
        die("uid=%ld: %s", (long)getuid(), error.text);
    drop->path = queue_path(drop->command->layout, QUEUE_MAILDROP, id, path);
    snprintf(arrival, sizeof arrival, "%lld %ld", (long long)now.tv_sec, now.tv_nsec / 1000);
    put(drop, RECORD_TIME, arrival, strlen(arrival));
}

/* The directory itself may not be read by those who may write to it: then its entry is durable as soon as the file
 * system says so, which those with a journal do together with the file. */
static void sync_directory(void)
{
    int fd = open(QUEUE_MAILDROP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static void commit(struct drop *drop)
{
    flush(drop);
    if (drop->status == DROP_OK && (fchmod(drop->fd, MAILDROP_MODE_READY) < 0 || fsync(drop->fd) < 0))
        note_failure(drop, errno);
    if (drop->status != DROP_OK) {
        give_up(drop);
        return;
    }
    sync_directory();
    close(drop->fd);
}

/* queue_minfree is for mail from this host, too. */
static void check_room(struct drop *drop)
{
    int64_t wanted = drop->command->mail.queue_minfree;
    struct statvfs file_system;

    if (wanted <= 0 || fstatvfs(drop->fd, &file_system) < 0 ||
        (int64_t)(file_system.f_bavail * file_system.f_frsize) > wanted)
        return;
    log_warning(NULL, "uid=%ld: not enough free space in the mail queue: less than queue_minfree = %lld",
                (long)getuid(), (long long)wanted);
    drop->status = DROP_FAILED;
}

/* ---- the conversation with whoever called ---- */

static void say(const struct text *attributes)
{
    ssize_t written = write(STDOUT_FILENO, attributes->data, attributes->length);

    (void)written; /* the message does not depend on anyone hearing of it */
}

static void append_attribute(struct text *out, const char *name, const char *value)
{
    text_append_bytes(out, name, strlen(name) + 1);
    text_append_bytes(out, value, strlen(value) + 1);
}

static void say_hello(const char *id)
{
    struct text out = {0};

    append_attribute(&out, "protocol", "postdrop_protocol");
    append_attribute(&out, "queue_id", id);
    text_append_char(&out, '\0');
    say(&out);
    text_free(&out);
}

static void say_status(const struct drop *drop)
{
    struct text out = {0};
    char number[16];

    snprintf(number, sizeof number, "%d", drop->status);
    append_attribute(&out, "status", number);
    append_attribute(&out, "reason", drop->reason.text);
    text_append_char(&out, '\0');
    say(&out);
    text_free(&out);
}

/* ---- the message ---- */

static void judge_record(struct drop *drop, struct maildrop_check *check, const struct drop_record *record)
{
    struct error error = {.text = ""};

    switch (maildrop_check_record(check, record->type, text_string(&record->data), record->data.length, &error)) {
    case MAILDROP_SKIP: log_warning(NULL, "uid=%ld: %s", (long)getuid(), error.text); return;
    case MAILDROP_REFUSED:
        if (!string_starts(error.text, "unexpected ")) {
            drop->status = DROP_BAD;
            drop->reason = error;
            return;
        }
        give_up(drop);
        die("uid=%ld: %s", (long)getuid(), error.text);
    default: break;
    }
    if (record->type == RECORD_SENDER &&
        !drop_sender_allowed(&drop->command->mail, text_string(&record->data), &drop->reason))
        drop->status = DROP_NOT_PERMITTED;
    else
        put(drop, record->type, text_string(&record->data), record->data.length);
}

/* False: whoever called gave it up between two records. */
static bool take_message(struct drop *drop, struct drop_input *input)
{
    struct maildrop_check check = {0};
    struct drop_record record = {0};
    struct error error;

    while (drop->status == DROP_OK && check.segment != MAILDROP_COMPLETE) {
        enum drop_input_status status = drop_input_next(input, &record, &error);

        if (status == DROP_INPUT_RECORD) {
            judge_record(drop, &check, &record);
            continue;
        }
        give_up(drop);
        if (status == DROP_INPUT_INTERRUPTED)
            exit(1);
        if (status == DROP_INPUT_END)
            return false;
        log_warning(NULL, "%s", error.text);
        die("uid=%ld: malformed input", (long)getuid());
    }
    text_free(&record.data);
    return true;
}

static void wake_pickup(const struct queue_command *command)
{
    char *path = memory_format("public/%s", command->mail.pickup_service_name);

    if (!queue_command_trigger(path, "W") && errno == ENOENT)
        log_warning(NULL, "unable to look up %s: %s", path, strerror(errno));
    free(path);
}

static int drop_message(struct queue_command *command)
{
    struct drop drop = {.command = command};
    struct drop_input *input = drop_input_new((size_t)command->mail.line_length_limit);
    char path[QUEUE_PATH_SIZE], id[QUEUE_ID_SIZE];
    bool came;

    begin_file(&drop, path, id);
    if (fchmod(drop.fd, MAILDROP_MODE_WRITING) < 0)
        note_failure(&drop, errno);
    say_hello(id);
    check_room(&drop);
    came = take_message(&drop, input);
    drop_input_free(input);
    if (came)
        commit(&drop);
    text_free(&drop.pending);
    if (!came)
        return 0;
    if (drop.status == DROP_OK)
        wake_pickup(command);
    say_status(&drop);
    return drop.status == DROP_NOT_PERMITTED ? DROP_BAD : (int)drop.status;
}

int main(int argc, char **argv)
{
    struct queue_command command;
    const char *directory = NULL;
    int option, verbosity = 0, status;

    clean_process();
    queue_command_start(&command, (char[]){"postdrop"}, argv);
    while ((option = getopt(argc, argv, "c:rv")) > 0) {
        switch (option) {
        case 'c': directory = optarg; break;
        case 'r': break;
        case 'v': verbosity += getuid() == 0; break;
        default: die("usage: postdrop [-c config_dir] [-v]");
        }
    }
    log_set_verbosity(verbosity);
    queue_command_configure(&command, directory);
    queue_command_check_user(&command, "authorized_submit_users", "submit mail");
    queue_command_enter_queue(&command);
    status = drop_message(&command);
    queue_command_end(&command);
    return status;
}
