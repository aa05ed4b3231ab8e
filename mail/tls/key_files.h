/* key_files - the private keys and certificates that main.cf names, kept up to date.
 *
 * They are read while privileged, and again when one of their files has changed: the next handshake uses the new ones.
 * Files that do not go together (yet) change nothing: what was read before stays in use, with a warning. */
#ifndef MAIL_TLS_KEY_FILES_H
#define MAIL_TLS_KEY_FILES_H

#include "util/net/tls_credentials.h"
#include "util/task/private_files.h"

enum { KEY_FILE_PAIRS = 3 };

struct key_file_names {
    const char *side;        /* "smtpd": what the parameters' names begin with */
    const char *chain_files; /* SIDE_tls_chain_files; when there are any, the pairs do not count */
    struct {
        const char *algorithm; /* "RSA" */
        const char *certificate, *key;
    } pairs[KEY_FILE_PAIRS];
};

struct key_files;

/* Takes the names, adds the paths to files (borrowed), and logs what does not fit together. Never NULL. The files are
 * first read by key_files_current. */
struct key_files *key_files_new(const struct key_file_names *names, struct private_files *files);
/* One list of chain files, as SNI tables name them. */
struct key_files *key_files_new_chain(const char *list, struct private_files *files);
void key_files_free(struct key_files *keys); /* NULL is fine */

/* Does main.cf name any? */
bool key_files_named(const struct key_files *keys);
/* What there is now; borrowed until the next call. NULL: nothing usable, the log says why. May wait within a task. */
struct tls_credentials *key_files_current(struct key_files *keys);

#endif
