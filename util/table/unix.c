/* unix:passwd.byname, unix:group.byname - the accounts of this machine, as lines of passwd(5) and group(5). */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/memory.h"
#include "util/table/internal.h"
#include "util/task/offload.h"
#include "util/task/task.h"

/* The longest entry taken: a group may have very many members. */
enum { FIRST_ROOM = 4096, MOST_ROOM = 16 * 1024 * 1024 };

struct unix_query {
    const char *key;
    struct text *result;
    size_t room;
    int failure; /* errno */
    bool found;
};

static void ask_passwd(struct unix_query *query, char *room)
{
    struct passwd entry, *found = NULL;

    query->failure = getpwnam_r(query->key, &entry, room, query->room, &found);
    query->found = found != NULL;
    if (query->found)
        text_append_format(query->result, "%s:%s:%lu:%lu:%s:%s:%s", entry.pw_name, entry.pw_passwd,
                           (unsigned long)entry.pw_uid, (unsigned long)entry.pw_gid, entry.pw_gecos, entry.pw_dir,
                           entry.pw_shell);
}

static void ask_group(struct unix_query *query, char *room)
{
    struct group entry, *found = NULL;

    query->failure = getgrnam_r(query->key, &entry, room, query->room, &found);
    query->found = found != NULL;
    if (!query->found)
        return;
    text_append_format(query->result, "%s:%s:%lu:", entry.gr_name, entry.gr_passwd, (unsigned long)entry.gr_gid);
    for (size_t i = 0; entry.gr_mem[i] != NULL; i++)
        text_append_format(query->result, "%s%s", i > 0 ? "," : "", entry.gr_mem[i]);
}

/* The databases answer ERANGE until there is room for the entry. */
static void ask(struct unix_query *query, void (*ask_database)(struct unix_query *, char *))
{
    for (query->room = FIRST_ROOM; query->room <= MOST_ROOM; query->room *= 2) {
        char *room = memory_new(query->room);

        ask_database(query, room);
        free(room);
        if (query->failure != ERANGE)
            return;
    }
}

static void ask_for_passwd(void *argument)
{
    ask(argument, ask_passwd);
}

static void ask_for_group(void *argument)
{
    ask(argument, ask_group);
}

struct unix_table {
    offload_fn *ask;
};

void *unix_open(const struct table_source *source, struct error *error)
{
    struct unix_table *table;
    bool is_passwd = string_equal(source->name, "passwd.byname");

    if (!is_passwd && !string_equal(source->name, "group.byname")) {
        error_set(error, "unknown table: %s:%s", source->type, source->name);
        return NULL;
    }
    table = memory_new(sizeof *table);
    table->ask = is_passwd ? ask_for_passwd : ask_for_group;
    return table;
}

enum table_result unix_lookup(void *state, const char *key, struct text *result, struct error *error)
{
    const struct unix_table *table = state;
    struct unix_query query = {.key = key, .result = result};

    if (task_current() != NULL)
        offload_run(table->ask, &query);
    else
        table->ask(&query);
    if (query.found)
        return TABLE_FOUND;
    /* What the C library says of a name that is simply not there differs by source (getpwnam(3)). */
    if (query.failure == 0 || query.failure == ENOENT || query.failure == ESRCH || query.failure == EBADF ||
        query.failure == EPERM)
        return TABLE_NOT_FOUND;
    error_set(error, "%s", strerror(query.failure));
    return TABLE_ERROR;
}

void unix_close(void *state)
{
    free(state);
}
