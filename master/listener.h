/* listener - the sockets that clients find a service at.
 *
 * A listener has a key, "inet/192.0.2.1:25" or "unix/private/smtp". The table of all listeners outlives a reload:
 * a socket that the new configuration wants too is kept, with whoever waits in its queue. */
#ifndef MASTER_LISTENER_H
#define MASTER_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "master/settings.h"
#include "util/base/error.h"
#include "util/base/list.h"
#include "util/base/map.h"

struct listener {
    char *key;
    char *path; /* of a socket in the file system, below queue_directory; NULL: a network one */
    ino_t inode;
    int fd;     /* non-blocking, closed on exec */
    bool is_new, wanted, yields; /* while a configuration is being put in place */
};

struct listener_table {
    struct map *by_key;
};

/* The listeners of one service; borrows from the table. */
struct listener_list {
    struct listener **items;
    size_t count;
};

void listener_table_init(struct listener_table *table);

/* Putting a configuration in place: begin, then open for each service, then keep (closes what nobody wanted) or,
 * when something failed, abandon (closes what is new). The working directory is queue_directory. */
void listener_table_begin(struct listener_table *table);
bool listener_table_open(struct listener_table *table, const struct settings *settings,
                         const struct master_service *service, struct listener_list *list, struct error *error);
void listener_table_keep(struct listener_table *table);
void listener_table_abandon(struct listener_table *table);

/* Closes everything and removes what is in the file system. */
void listener_table_close(struct listener_table *table);

#endif
