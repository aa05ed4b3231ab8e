/* master_cf - master.cf: which services there are (master(5)). */
#ifndef MAIL_CONFIG_MASTER_CF_H
#define MAIL_CONFIG_MASTER_CF_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/clock.h"
#include "util/base/error.h"

struct config;

enum service_type { SERVICE_INET, SERVICE_UNIX, SERVICE_FIFO, SERVICE_PASS, SERVICE_UNIX_DGRAM };

struct master_service {
    char *name;               /* first column: "smtp", "127.0.0.1:2525", "cleanup" */
    enum service_type type;
    bool is_private;          /* defaults y */
    bool unprivileged;        /* defaults y: runs as mail_owner */
    bool chroot;              /* defaults n (compatibility_level >= 1) */
    duration wakeup;          /* 0: never */
    bool wakeup_if_used;      /* `?` */
    int process_limit;        /* 0: no limit; default: default_process_limit */
    char **arguments;         /* arguments[0] is the program; { braces } already removed; NULL ends */
    int line;                 /* where it stands in master.cf */
    bool replaced;            /* by a later line of the same name and type, which counts */
    char *columns[7];         /* the text of the first seven columns, as postconf -M prints them */
};

struct master_cf {
    char *path;
    struct master_service *services;
    size_t count;
};

/* Reads DIRECTORY/master.cf; $names in arguments after -o are left for the service. False names file, line, what
 * is wrong and what would be right. */
struct master_cf *master_cf_load(const struct config *config, struct error *error);
void master_cf_free(struct master_cf *master_cf);

/* Every mistake in the file, one callback each; false when it cannot be read. */
typedef void master_cf_complaint_fn(void *context, const char *complaint); /* file and line included */
bool master_cf_check(const struct config *config, master_cf_complaint_fn *complain, void *context);

const char *service_type_name(enum service_type type);

#endif
