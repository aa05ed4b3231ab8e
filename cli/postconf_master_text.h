/* postconf_master_text - master.cf as lines, some of which are about to change. Comments, and services that do not
 * change, stay as they are and where they are. */
#ifndef CLI_POSTCONF_MASTER_TEXT_H
#define CLI_POSTCONF_MASTER_TEXT_H

#include "cli/postconf.h"

struct master_entry {
    char *name, *type; /* by which it is found */
    int line;          /* where it starts; 0: it is new */
    bool changed;
    enum postconf_edit edit; /* what becomes of it then */
    char *text;              /* for EDIT_SET: its new lines, without the last line's end */
};

struct master_text {
    struct postconf_file file;
    struct master_entry *entries;
    size_t count;
};

/* Reads and locks DIRECTORY/master.cf, or dies. */
void master_text_open(struct master_text *text, const char *directory);
/* Writes all changes at once, and ends. */
void master_text_write(struct master_text *text);

/* The next entry that fits, behind *position (0 at first); "*" is any name or type. NULL: there is none. */
struct master_entry *master_text_next(struct master_text *text, const char *name, const char *type, size_t *position);
void master_entry_change(struct master_entry *entry, enum postconf_edit edit, const char *text);
/* A service that comes behind all others. */
void master_text_add(struct master_text *text, const char *name, const char *type, const char *lines);

#endif
