/* table - lookup tables: TYPE:NAME, asked for a key, answering with text.
 *
 * One file a type (lmdb.c, cidr.c, ...) and one row in registry.c. Tables may be used from tasks; a type whose
 * lookup can block runs it through task/offload. A table never ends the process: a lookup that cannot be
 * answered says so, and mail is kept. */
#ifndef UTIL_TABLE_TABLE_H
#define UTIL_TABLE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/error.h"
#include "util/base/text.h"

enum table_result { TABLE_FOUND, TABLE_NOT_FOUND, TABLE_ERROR };

struct table; /* an open table */

/* Opens "type:name" (hash: and btree: open an LMDB file). Owned by the caller. NULL only when the text has not that
 * form. A table that cannot be opened (a missing file, an unknown type, bad syntax) is logged as an error and opens
 * all the same: its lookups answer TABLE_ERROR, and it is tried again now and then. */
struct table *table_open(const char *type_and_name, struct error *error);
/* For commands, which have someone to tell: NULL also when the table cannot be opened; logs no error. */
struct table *table_open_strictly(const char *type_and_name, struct error *error);
/* The same, of a table whose values are files: lookups answer with what the files held when the table was made or
 * opened, NULs and all. In an indexed file (postmap -F) they are in base64; other types name the files. A value that
 * is no base64 is logged and answers TABLE_ERROR. table_walk shows base64. */
struct table *table_open_files(const char *type_and_name, struct error *error);
void table_close(struct table *table);
const char *table_name(const struct table *table); /* "lmdb:/etc/postfix/transport" */

/* Puts the answer into result (cleared first). Keys are folded to lower case as each type does it. With TABLE_ERROR
 * the reason has been logged, and error is "TYPE:NAME: table lookup problem". */
enum table_result table_lookup(struct table *table, const char *key, struct text *result, struct error *error);

/* postmap -f: keys are not folded. */
void table_set_exact(struct table *table, bool exact);

/* Keys and values of indexed files end with a NUL that is part of them, or do not: NIS's way, and some programs'. */
enum table_form {
    TABLE_FORM_ANY,      /* found and deleted either way, with NULs if both are there; stored with them */
    TABLE_FORM_WITH_NUL, /* postmap -N */
    TABLE_FORM_BARE,     /* postmap -n */
};
void table_set_form(struct table *table, enum table_form form);

/* Pattern tables (regexp, pcre, cidr) and socketmap are asked with the whole key only: no parent domains, no @domain. */
bool table_is_pattern(const struct table *table);

/* The file behind the table has changed since it was opened, and lookups do not see that: the process should be
 * replaced (or reopen the table). Indexed files are reopened by their own lookups wherever the sandbox lets them. */
bool table_changed(const struct table *table);
/* The name of a table of this process that is open and has changed; NULL: none. */
const char *table_first_changed(void);

/* A list of tables as main.cf writes them, "lmdb:/a, inline:{x=y} pcre:/b", asked one after another. An
 * empty answer is a mistake in the table: it is logged and counts as TABLE_ERROR. */
struct table_list;

struct table_list *table_list_open(const char *names, struct error *error);
void table_list_close(struct table_list *list); /* NULL is fine */
bool table_list_empty(const struct table_list *list);
enum table_result table_list_lookup(struct table_list *list, const char *key, struct text *result,
                                    struct error *error);
/* The name of the table that answered (or failed) last on this list. */
const char *table_list_last(const struct table_list *list);
/* The same walk by hand, for callers that ask several keys of one table before the next. */
enum table_result table_list_lookup_at(struct table_list *list, size_t index, const char *key, struct text *result,
                                       struct error *error);
size_t table_list_count(const struct table_list *list);
struct table *table_list_at(const struct table_list *list, size_t index);

/* Is it of a type that postmap makes (from the text file behind the colon)? */
bool table_is_indexed(const char *type_and_name);

/* postmap: makes or changes the indexed file behind type:name. Keys are stored as given. The new file takes the
 * old one's place at commit, complete and on disk; with its mode and owner, or, a first time, as umask says. */
enum table_write_mode {
    TABLE_REPLACE,
    TABLE_UPDATE,
    TABLE_UPDATE_EXISTING, /* fails where there is no table */
};
enum table_duplicate { TABLE_DUPLICATE_WARN, TABLE_DUPLICATE_IGNORE, TABLE_DUPLICATE_REPLACE };
struct table_writer;

struct table_writer *table_writer_open(const char *type_and_name, enum table_write_mode mode, struct error *error);
void table_writer_set_form(struct table_writer *writer, enum table_form form);
bool table_writer_put(struct table_writer *writer, const char *key, const char *value,
                      enum table_duplicate duplicates, bool *was_duplicate, struct error *error);
bool table_writer_delete(struct table_writer *writer, const char *key, bool *existed, struct error *error);
bool table_writer_commit(struct table_writer *writer, struct error *error); /* frees the writer */
void table_writer_abandon(struct table_writer *writer);

/* Walks all entries of a table that can be walked (postmap -s). */
typedef void table_entry_fn(void *context, const char *key, const char *value);
bool table_walk(struct table *table, table_entry_fn *entry, void *context, struct error *error);

/* All types, for postconf -m; NULL ends. */
const char *const *table_types(void);

#endif
