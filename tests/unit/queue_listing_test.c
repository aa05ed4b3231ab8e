/* What a listing tells: every message once, in any number, with the recipients and reasons that logs know and those that
 * they do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mail/queue/delivery_log.h"
#include "mail/queue/message_writer.h"
#include "mail/queue/queue_listing.h"
#include "mail/queue/queue_sweep.h"
#include "util/base/map.h"

enum { MANY = 1500 };

static char directory[] = "/tmp/queue_listing_test.XXXXXX";
static struct mail_config mail = {.hash_queue_names = "deferred", .hash_queue_depth = 1};

static int set_up(void **state)
{
    static const char *const queues[] = {"maildrop", "incoming", "active", "deferred", "hold", "bounce", "defer"};

    if (mkdtemp(directory) == NULL || chdir(directory) != 0)
        return -1;
    for (size_t i = 0; i < sizeof queues / sizeof *queues; i++)
        mkdir(queues[i], 0700);
    *state = queue_layout_new(&mail);
    return 0;
}

static int tear_down(void **state)
{
    char command[sizeof directory + 10];

    queue_layout_free(*state);
    snprintf(command, sizeof command, "rm -r %s", directory);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

/* A message to count recipients, r0@y and so on. */
static void make_message(const struct queue_layout *layout, const char *queue, size_t count, char id[QUEUE_ID_SIZE])
{
    struct timespec when;
    struct error error;
    int fd = queue_file_create(layout, queue, false, id, &when, &error);
    struct message_writer *writer = message_writer_new(fd, 100);

    assert_true(fd >= 0);
    message_writer_time(writer, 1795558883 * SECONDS);
    message_writer_attribute(writer, "log_client_address", "192.0.2.1");
    message_writer_record(writer, RECORD_SENDER, "a b@x");
    for (size_t i = 0; i < count; i++) {
        char address[32];

        snprintf(address, sizeof address, "r%zu@y", i);
        message_writer_recipient(writer, &(struct message_recipient){address, "orig@y", "", 0, 0});
    }
    message_writer_start_content(writer);
    message_writer_text(writer, "text", 4, true);
    message_writer_end_content(writer);
    assert_true(message_writer_finish(writer, 0, 0));
    message_writer_free(writer);
    fchmod(fd, QUEUE_MODE_READY);
    close(fd);
}

static void log_recipient(const char *log, const char *id, const char *recipient, const char *reason)
{
    const struct bounce_append entry = {.recipient = recipient, .original = "", .reason = reason};
    struct text block = {0};
    char path[QUEUE_PATH_SIZE];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", log, id);
    file = fopen(path, "a");
    assert_non_null(file);
    delivery_log_append(&block, &entry);
    assert_int_equal(fwrite(block.data, 1, block.length, file), block.length);
    fclose(file);
    text_free(&block);
}

static void no_log(void **state)
{
    struct queue_lister *lister = queue_lister_new(*state);
    struct arena *arena = arena_new();
    char id[QUEUE_ID_SIZE];
    const struct listed_message *message;

    make_message(*state, "incoming", 2, id);
    message = queue_lister_read(lister, "incoming", id, arena);
    assert_non_null(message);
    assert_string_equal(message->queue_name, "incoming");
    assert_string_equal(message->queue_id, id);
    assert_string_equal(message->sender, "\"a b\"@x");
    assert_string_equal(message->client_address, "192.0.2.1");
    assert_int_equal(message->arrival_time, 1795558883);
    assert_int_equal(message->size, 6);
    assert_int_equal(message->recipient_count, 2);
    assert_string_equal(message->recipients[1].address, "r1@y");
    assert_string_equal(message->recipients[1].original, "orig@y");
    assert_string_equal(message->recipients[1].reason, "");
    assert_null(queue_lister_read(lister, "hold", id, arena));
    queue_remove(*state, "incoming", id);
    arena_free(arena);
    queue_lister_free(lister);
}

/* Few are looked for one by one, many in a map. */
static void logged_and_not(void **state)
{
    static const size_t counts[] = {3, 40};

    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct queue_lister *lister;
        struct arena *arena = arena_new();
        char id[QUEUE_ID_SIZE], address[32];
        const struct listed_message *message;

        make_message(*state, "hold", counts[c], id);
        log_recipient("bounce", id, "gone@y", "unknown user");
        for (size_t i = 0; i < counts[c] - 1; i++) {
            snprintf(address, sizeof address, "r%zu@y", i);
            log_recipient("defer", id, address, "try later");
        }
        lister = queue_lister_new(*state);
        message = queue_lister_read(lister, "hold", id, arena);
        assert_int_equal(message->recipient_count, counts[c] + 1);
        assert_string_equal(message->recipients[0].address, "gone@y");
        assert_string_equal(message->recipients[0].log_class, "bounce");
        assert_string_equal(message->recipients[1].reason, "try later");
        assert_string_equal(message->recipients[1].log_class, "defer");
        assert_string_equal(message->recipients[counts[c]].address, counts[c] == 3 ? "r2@y" : "r39@y");
        assert_string_equal(message->recipients[counts[c]].reason, "");
        queue_remove(*state, "hold", id);
        queue_remove(*state, "bounce", id);
        queue_remove(*state, "defer", id);
        queue_lister_free(lister);
        arena_free(arena);
    }
}

/* What bounced after the lister was made is seen too. */
static void bounced_meanwhile(void **state)
{
    struct queue_lister *lister = queue_lister_new(*state);
    struct arena *arena = arena_new();
    char id[QUEUE_ID_SIZE];
    const struct listed_message *message;

    make_message(*state, "deferred", 1, id);
    log_recipient("bounce", id, "gone@y", "unknown user");
    message = queue_lister_read(lister, "deferred", id, arena);
    assert_int_equal(message->recipient_count, 2);
    assert_string_equal(message->recipients[0].reason, "unknown user");
    queue_remove(*state, "deferred", id);
    queue_remove(*state, "bounce", id);
    arena_free(arena);
    queue_lister_free(lister);
}

static void senseless_files(void **state)
{
    struct queue_lister *lister = queue_lister_new(*state);
    struct arena *arena = arena_new();
    char id[QUEUE_ID_SIZE], path[QUEUE_PATH_SIZE];

    make_message(*state, "incoming", 1, id);
    queue_path(*state, "incoming", id, path);
    chmod(path, QUEUE_MODE_WRITING);
    assert_null(queue_lister_read(lister, "incoming", id, arena));
    chmod(path, QUEUE_MODE_READY);
    assert_int_equal(truncate(path, 150), 0);
    assert_null(queue_lister_read(lister, "incoming", id, arena));
    unlink(path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_null(queue_lister_read(lister, "incoming", id, arena));
    unlink(path);
    assert_int_equal(mkfifo(path, 0700), 0);
    assert_null(queue_lister_read(lister, "incoming", id, arena));
    unlink(path);
    arena_free(arena);
    queue_lister_free(lister);
}

/* ---- many ---- */

struct tally {
    struct map *seen;
    size_t messages, recipients, limit;
};

static bool tally_message(void *context, const struct listed_message *message)
{
    struct tally *tally = context;

    assert_null(map_set(tally->seen, message->queue_id, tally));
    tally->messages++;
    tally->recipients += message->recipient_count;
    return tally->messages < tally->limit;
}

static void every_message_once(void **state)
{
    struct tally tally = {.seen = map_new(), .limit = MANY + 1};
    const struct queue_listing listing = {tally_message, &tally};
    char id[QUEUE_ID_SIZE];

    for (size_t i = 0; i < MANY; i++)
        make_message(*state, i % 5 == 0 ? "active" : "deferred", i % 4, id);
    /* These are more than what is in memory at a time. */
    for (size_t i = 0; i < 200; i++)
        log_recipient("defer", id, "r@y", "a reason that is told for each of very many recipients");
    assert_true(queue_listing_walk(*state, &listing));
    assert_int_equal(tally.messages, MANY);
    assert_int_equal(map_count(tally.seen), MANY);
    assert_int_equal(tally.recipients, MANY / 4 * (0 + 1 + 2 + 3) + 200);
    map_free(tally.seen);
}

static void ended_early(void **state)
{
    struct tally tally = {.seen = map_new(), .limit = 100};
    const struct queue_listing listing = {tally_message, &tally};

    assert_false(queue_listing_walk(*state, &listing));
    assert_int_equal(tally.messages, 100);
    map_free(tally.seen);
}

/* Each looked at once and taken once, however much memory each takes. */
static const void *look_large(const void *context, const char *queue, const char *id, struct arena *arena)
{
    char *large = arena_alloc(arena, 200 * 1000);

    (void)context;
    (void)queue;
    strcpy(large, id);
    return large;
}

static bool take_large(void *context, const char *queue, const char *id, const void *found)
{
    (void)queue;
    assert_string_equal(found, id);
    ++*(size_t *)context;
    return true;
}

static void large_results(void **state)
{
    size_t count = 0;
    struct queue_sweep sweep = {.look = look_large, .take = take_large, .context = &count};

    (void)state;
    assert_true(queue_sweep_run(&sweep, "deferred"));
    assert_int_equal(count, MANY - MANY / 5);
    assert_true(queue_sweep_run(&sweep, "nowhere"));
    assert_int_equal(count, MANY - MANY / 5);
    sweep.alone = true;
    assert_true(queue_sweep_run(&sweep, "deferred"));
    assert_int_equal(count, 2 * (MANY - MANY / 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_log),          cmocka_unit_test(logged_and_not), cmocka_unit_test(bounced_meanwhile),
        cmocka_unit_test(senseless_files), cmocka_unit_test(every_message_once),
        cmocka_unit_test(ended_early),     cmocka_unit_test(large_results),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
