/* server_names - tls_server_sni_maps: which keys and certificates a server shows to a client that asks for a name.
 *
 * A table's value names chain files, or holds their contents in base64, as postmap -F makes it. Files that a table names
 * when the process starts are kept up to date like those of main.cf (key_files.h); a pattern table's files, which
 * cannot be listed, have to be readable for the process itself. */
#ifndef MAIL_TLS_SERVER_NAMES_H
#define MAIL_TLS_SERVER_NAMES_H

#include "util/net/tls_credentials.h"
#include "util/table/table.h"
#include "util/task/private_files.h"

struct server_names;

/* Opens the tables, and adds the files that they name to `files`; while privileged. */
struct server_names *server_names_open(const char *tables, struct private_files *files, struct error *error);
void server_names_close(struct server_names *names); /* NULL is fine */
bool server_names_empty(const struct server_names *names); /* no tables at all */

/* A host name as it may stand in a server_name extension. */
bool server_name_valid(const char *name);

/* Asks for the name, then for its parents with a dot before them: a.example.com, .example.com, .com. Borrowed until the
 * next call. TABLE_ERROR: the log says why. */
enum table_result server_names_find(struct server_names *names, const char *name, struct tls_credentials **credentials);

#endif
