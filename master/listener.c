#include "master/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "master/inet_names.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

enum { BACKLOG = 4096 }; /* the kernel lowers it to net.core.somaxconn */

void listener_table_init(struct listener_table *table)
{
    table->by_key = map_new();
}

/* ---- opening ---- */

static int close_failed(int fd)
{
    int saved = errno;

    close(fd);
    errno = saved;
    return -1;
}

static int open_inet(const struct net_address *address, int shares_port)
{
    int family = net_address_family(address), on = 1, off = 0;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shares_port, sizeof shares_port) != 0 ||
        (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        bind(fd, (const struct sockaddr *)&address->storage, address->length) != 0 || listen(fd, BACKLOG) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &off, sizeof off) != 0)
        return close_failed(fd);
    return fd;
}

/* The mode comes from umask, not from chmod: the directory belongs to mail_owner, who could put a symbolic link in
 * place of what was just made. */
static int open_unix(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask;
    bool bound;

    if (fd < 0)
        return -1;
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return close_failed(fd);
    }
    strcpy(address.sun_path, path);
    unlink(path);
    mask = umask(0111);
    bound = bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    umask(mask);
    if (!bound || (type == SOCK_STREAM && listen(fd, BACKLOG) != 0))
        return close_failed(fd);
    return fd;
}

/* Open for writing as well, or every writer that closes would be an end of file. */
static int open_fifo(const char *path)
{
    mode_t mask;
    int made;

    unlink(path);
    mask = umask(0);
    made = mkfifo(path, 0622);
    umask(mask);
    return made != 0 ? -1 : open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
}

static int open_path(const char *path, enum service_type type)
{
    if (type == SERVICE_FIFO)
        return open_fifo(path);
    return open_unix(path, type == SERVICE_UNIX_DGRAM ? SOCK_DGRAM : SOCK_STREAM);
}

/* ---- the table ---- */

void listener_table_begin(struct listener_table *table)
{
    size_t position = 0;
    const char *key;
    void *value;

    while (map_next(table->by_key, &position, &key, &value)) {
        struct listener *listener = value;

        listener->is_new = listener->wanted = listener->yields = false;
    }
}

static void add_to_list(struct listener_list *list, struct listener *listener)
{
    listener->wanted = true;
    list->items = memory_resize(list->items, (list->count + 1) * sizeof(struct listener *));
    list->items[list->count++] = listener;
}

static ino_t inode_of(const char *path)
{
    struct stat status;

    return path != NULL && lstat(path, &status) == 0 ? status.st_ino : 0;
}

static void add_new(struct listener_table *table, struct listener_list *list, const char *key, const char *path,
                    int fd)
{
    struct listener *listener = memory_new(sizeof *listener);

    listener->key = memory_copy_string(key);
    listener->path = path != NULL ? memory_copy_string(path) : NULL;
    listener->inode = inode_of(path);
    listener->fd = fd;
    listener->is_new = true;
    map_set(table->by_key, key, listener);
    add_to_list(list, listener);
}

static bool is_open(struct listener_table *table, struct listener_list *list, const char *key)
{
    struct listener *listener = map_get(table->by_key, key);

    if (listener == NULL || listener->yields)
        return false;
    add_to_list(list, listener);
    return true;
}

static bool open_file_listener(struct listener_table *table, const struct settings *settings,
                               const struct master_service *service, struct listener_list *list, struct error *error)
{
    char *path = memory_format("%s/%s", service->is_private ? "private" : "public", service->name);
    char *key = memory_format("%s/%s", service_type_name(service->type), path);
    bool ok = is_open(table, list, key);
    int fd;

    if (!ok) {
        fd = open_path(path, service->type);
        ok = fd >= 0;
        if (!ok)
            error_set(error, "cannot open %s/%s: %s", settings->mail.queue_directory, path, strerror(errno));
        else if (settings->owned && lchown(path, settings->owner, settings->owner_group) != 0)
            log_warning(NULL, "chown %s: %s", path, strerror(errno));
        if (ok)
            add_new(table, list, key, path, fd);
    }
    free(path);
    free(key);
    return ok;
}

/* Without IPv6 in the kernel, "all" protocols are what is left. */
static bool may_be_left_out(const struct settings *settings, const struct net_address *address)
{
    return (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) && net_address_family(address) == AF_INET6 &&
           strstr(settings->mail.inet_protocols, "all") != NULL;
}

/* Whether sockets that nobody has wanted so far let others have their port, while `yield` says so. */
static bool set_yielding(struct listener_table *table, uint16_t port, int yield)
{
    char *end = memory_format(":%u", port);
    size_t position = 0;
    const char *key;
    void *value;
    bool any = false;

    while (map_next(table->by_key, &position, &key, &value)) {
        struct listener *listener = value;

        if (listener->path != NULL || listener->wanted || !string_ends(key, end))
            continue;
        any = true;
        listener->yields = setsockopt(listener->fd, SOL_SOCKET, SO_REUSEPORT, &yield, sizeof yield) == 0;
    }
    free(end);
    return any;
}

/* 127.0.0.1:25 and 0.0.0.0:25 exclude each other: a reload that puts one in the other's place opens the new one beside
 * the old one, which goes when all is well, and cannot be wanted any more. */
static int open_inet_beside(struct listener_table *table, const char *key, const struct net_address *address)
{
    uint16_t port = net_address_port(address);
    int fd = open_inet(address, 0), saved;

    if (fd >= 0 || errno != EADDRINUSE || map_get(table->by_key, key) != NULL || !set_yielding(table, port, 1))
        return fd;
    fd = open_inet(address, 1);
    saved = errno;
    set_yielding(table, port, 0);
    errno = saved;
    return fd;
}

static bool open_inet_listener(struct listener_table *table, const struct settings *settings,
                               const struct net_address *address, struct listener_list *list, struct error *error)
{
    char printed[NET_ADDRESS_SIZE];
    char *key = memory_format("inet/%s:%u", net_address_print(address, printed), net_address_port(address));
    bool ok = is_open(table, list, key);
    int fd;

    if (!ok) {
        fd = open_inet_beside(table, key, address);
        ok = fd >= 0 || may_be_left_out(settings, address);
        if (fd >= 0)
            add_new(table, list, key, NULL, fd);
        else if (!ok)
            error_set(error, "bind %s port %u: %s", printed, net_address_port(address), strerror(errno));
    }
    free(key);
    return ok;
}

static bool open_inet_listeners(struct listener_table *table, const struct settings *settings,
                                const struct master_service *service, struct listener_list *list,
                                struct error *error)
{
    struct inet_addresses addresses;
    bool ok = inet_names_resolve(settings, service->name, &addresses, error);

    for (size_t i = 0; ok && i < addresses.count; i++)
        ok = open_inet_listener(table, settings, &addresses.items[i], list, error);
    if (ok || addresses.count > 0)
        free(addresses.items);
    return ok;
}

bool listener_table_open(struct listener_table *table, const struct settings *settings,
                         const struct master_service *service, struct listener_list *list, struct error *error)
{
    bool ok = service->type == SERVICE_INET ? open_inet_listeners(table, settings, service, list, error)
                                            : open_file_listener(table, settings, service, list, error);

    return ok || error_prefix(error, "%s: line %d: ", settings->services->path, service->line);
}

/* ---- closing ---- */

/* What stands at its path may be another listener's by now: unix became fifo in master.cf. */
static void close_listener(struct listener *listener)
{
    if (listener->path != NULL && inode_of(listener->path) == listener->inode)
        unlink(listener->path);
    close(listener->fd);
    free(listener->path);
    free(listener->key);
    free(listener);
}

enum selection { ALL, NEW_ONES, UNWANTED };

static bool selected(const struct listener *listener, enum selection selection)
{
    return selection == ALL || (selection == NEW_ONES ? listener->is_new : !listener->wanted);
}

static void close_selected(struct listener_table *table, enum selection selection)
{
    struct map *left = map_new();
    size_t position = 0;
    const char *key;
    void *value;

    while (map_next(table->by_key, &position, &key, &value))
        if (!selected(value, selection))
            map_set(left, key, value);
        else
            close_listener(value);
    map_free(table->by_key);
    table->by_key = left;
}

void listener_table_keep(struct listener_table *table)
{
    close_selected(table, UNWANTED);
}

void listener_table_abandon(struct listener_table *table)
{
    close_selected(table, NEW_ONES);
}

void listener_table_close(struct listener_table *table)
{
    close_selected(table, ALL);
    map_free(table->by_key);
    table->by_key = NULL;
}
