/* postmulti - what its sources share: the instances of this host, and what is to be done with them. */
#ifndef CLI_POSTMULTI_H
#define CLI_POSTMULTI_H

#include <stdbool.h>
#include <stddef.h>

#include "mail/config/mail_config.h"
#include "util/base/error.h"

/* An instance; text is owned. */
struct instance {
    char *directory; /* of its configuration */
    char *name, *group; /* "": none */
    char *queue_directory, *data_directory;
    bool enabled, primary;
    bool usable;       /* its main.cf can be read */
    struct error error; /* else why not */
};

struct instances {
    struct instance *items; /* the primary first, then as multi_instance_directories has them */
    size_t count;
};

enum postmulti_mode { POSTMULTI_NONE, POSTMULTI_LIST, POSTMULTI_POSTFIX, POSTMULTI_COMMAND, POSTMULTI_EDIT };

struct postmulti {
    enum postmulti_mode mode;
    const char *action;            /* -e */
    const char *name, *group;      /* -i, -g: which; NULL: all */
    const char *new_name, *new_group; /* -I, -G */
    bool all, reverse, json;
    int verbosity;
    char **words; /* the command, or name=value; NULL ends */
    struct config *config; /* the primary's */
    struct mail_config mail;
    struct instances instances;
};

/* ---- postmulti_instances.c ---- */
void instances_load(struct postmulti *postmulti);
/* By name, directory or "-"; NULL: there is none. */
struct instance *instances_find(const struct instances *instances, const char *name);
bool instance_selected(const struct postmulti *postmulti, const struct instance *instance);
/* Reads main.cf in `directory`. */
void instance_read(struct instance *instance, const char *directory);

/* ---- postmulti_run.c ---- */
int postmulti_list(const struct postmulti *postmulti);
int postmulti_run_postfix(const struct postmulti *postmulti);
int postmulti_run_command(const struct postmulti *postmulti);

/* ---- postmulti_edit.c: -e; each ends the program with a reason, or does what was asked ---- */
void postmulti_edit(struct postmulti *postmulti);

/* ---- postmulti_files.c: what create and destroy make and remove ---- */
/* Where a new instance will be. */
struct instance_place {
    char *config_directory, *queue_directory, *data_directory;
};

/* Writes main.cf and master.cf, makes the directories. */
void instance_create(const struct postmulti *postmulti, const struct instance_place *place);
/* Removes what the mail system made. Refuses when the instance runs or has mail. */
void instance_destroy(const struct instance *instance);
/* Sets name=value (...) in an instance's main.cf. NULL ends. */
void instance_set(const char *directory, char *const *settings);

#endif
