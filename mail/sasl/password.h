/* password - what tables hold in place of passwords: one crypt(3) string, one SCRAM verifier, or both with a blank
 * between them. */
#ifndef MAIL_SASL_PASSWORD_H
#define MAIL_SASL_PASSWORD_H

#include "mail/sasl/scram.h"
#include "util/base/error.h"

enum { PASSWORD_LIMIT = 511 }; /* bytes: crypt(3) takes no more */

struct password_entry {
    char *crypted; /* "$y$..."; NULL: none */
    bool has_scram;
    struct scram_verifier scram;
};

/* "{CRYPT}" and its like may stand before a crypt(3) string, as Dovecot's files have it. False: text is no entry, and
 * in particular no password. Either way password_entry_clear gives the memory back. */
bool password_entry_parse(const char *text, struct password_entry *entry);
void password_entry_clear(struct password_entry *entry);
/* Slow on purpose (tens of milliseconds): in a service by offload_run. */
bool password_check(const struct password_entry *entry, const char *password);

/* Makes entries. The method is crypt(3)'s: "yescrypt", "sha512", "argon2id" and what else this system's libcrypt has;
 * cost 0 is its default. False: it cannot, see error. */
bool password_crypt(const char *method, unsigned long cost, const char *password, struct text *entry,
                    struct error *error);
void password_scram(const char *password, unsigned iterations, struct text *entry);

#endif
