#include "mail/sasl/password.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mail/sasl/saslprep.h"
#include "util/base/memory.h"

/* "{SHA512-CRYPT}$6$..." */
static const char *skip_scheme(const char *word)
{
    static const char last[] = "CRYPT";
    const size_t length = sizeof last - 1;
    const char *end = *word == '{' ? strchr(word, '}') : NULL;

    return end != NULL && (size_t)(end - word) > length && memcmp(end - length, last, length) == 0 ? end + 1 : word;
}

static bool take_word(struct password_entry *entry, const char *word)
{
    if (!entry->has_scram && scram_verifier_parse(word, &entry->scram)) {
        entry->has_scram = true;
        return true;
    }
    word = skip_scheme(word);
    /* The old two-letter salts are left out: a word without a dollar may well be somebody's password. */
    if (entry->crypted != NULL || *word != '$' || strlen(word) < 8)
        return false;
    entry->crypted = memory_copy_string(word);
    return true;
}

bool password_entry_parse(const char *text, struct password_entry *entry)
{
    char *copy = memory_copy_string(text), *cursor = copy, *word;
    bool good = true;

    *entry = (struct password_entry){0};
    while (good && (word = string_next_word(&cursor, " \t")) != NULL)
        good = take_word(entry, word);
    explicit_bzero(copy, strlen(text));
    free(copy);
    return good && (entry->crypted != NULL || entry->has_scram);
}

void password_entry_clear(struct password_entry *entry)
{
    if (entry->crypted != NULL)
        explicit_bzero(entry->crypted, strlen(entry->crypted));
    free(entry->crypted);
    explicit_bzero(entry, sizeof *entry);
}

static void forget(struct crypt_data *data)
{
    explicit_bzero(data, sizeof *data);
    free(data);
}

/* An entry that this system's libcrypt does not know never matches: it answers with a word that no hash begins with. */
static bool crypt_matches(const char *crypted, const char *password)
{
    struct crypt_data *data = memory_new(sizeof *data);
    const char *made = crypt_r(password, crypted, data);
    size_t length = strlen(crypted);
    bool same = made != NULL && *made != '*' && strlen(made) == length && crypto_equal(made, crypted, length);

    forget(data);
    return same;
}

/* As it was typed, and as it is prepared (RFC 4616 section 3): whoever made the string may have done either. */
static bool crypt_matches_prepared(const char *crypted, const char *password)
{
    struct text prepared = {0};
    bool other = saslprep(password, &prepared) && strcmp(text_string(&prepared), password) != 0;
    bool same = crypt_matches(crypted, password) || (other && crypt_matches(crypted, text_string(&prepared)));

    text_wipe(&prepared);
    return same;
}

bool password_check(const struct password_entry *entry, const char *password)
{
    if (*password == '\0' || strlen(password) > PASSWORD_LIMIT)
        return false;
    if (entry->crypted != NULL)
        return crypt_matches_prepared(entry->crypted, password);
    return scram_verifier_check(&entry->scram, password);
}

static const struct {
    const char *name, *prefix;
} methods[] = {
    {"yescrypt", "$y$"},    {"gost-yescrypt", "$gy$"}, {"scrypt", "$7$"},     {"bcrypt", "$2b$"},
    {"sha512", "$6$"},      {"sha256", "$5$"},         {"argon2id", "$argon2id$"}, {"argon2i", "$argon2i$"},
};

static const char *find_prefix(const char *method)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(methods[i].name, method) == 0)
            return methods[i].prefix;
    return NULL;
}

bool password_crypt(const char *method, unsigned long cost, const char *password, struct text *entry,
                    struct error *error)
{
    const char *prefix = find_prefix(method), *made = NULL;
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *data;

    if (prefix == NULL)
        return error_set(error, "%s: no such method: yescrypt, gost-yescrypt, scrypt, bcrypt, sha512, sha256, "
                                "argon2id, argon2i or scram", method);
    if (crypt_gensalt_rn(prefix, cost, NULL, 0, setting, sizeof setting) == NULL)
        return error_set(error, "%s: %s", method,
                         errno == EINVAL ? "this system's libcrypt does not have it, or not at that cost"
                                         : strerror(errno));
    data = memory_new(sizeof *data);
    made = crypt_r(password, setting, data);
    if (made != NULL && *made != '*')
        text_append(entry, made);
    else
        error_set(error, "%s: crypt: %s", method, strerror(errno));
    forget(data);
    return entry->length > 0;
}

void password_scram(const char *password, unsigned iterations, struct text *entry)
{
    unsigned char salt[SCRAM_SALT_SIZE];
    struct scram_verifier verifier;

    crypto_random(salt, sizeof salt);
    scram_verifier_make(password, salt, sizeof salt, iterations, &verifier);
    scram_verifier_print(&verifier, entry);
    explicit_bzero(&verifier, sizeof verifier);
}
