/* Users in lookup tables: what they hold says password.h. PLAIN (RFC 4616), LOGIN and SCRAM-SHA-256 (RFC 7677).
 *
 * A login that fails does not tell whether the user exists: neither by words, nor by what is computed (for a user who
 * does not exist as for those who do), nor by time (no failure is answered early), nor by SCRAM's salt (made up, but
 * always the same). */
#include <stdlib.h>
#include <string.h>

#include "mail/sasl/password.h"
#include "mail/sasl/saslprep.h"
#include "mail/sasl/plain.h"
#include "mail/sasl/sasl_server.h"
#include "mail/sasl/secret.h"
#include "util/base/base64.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/table.h"
#include "util/task/offload.h"
#include "util/task/task.h"

/* No failure is answered earlier than this after the login began to be judged. */
#define FAILURE_FLOOR (250 * MILLISECONDS)

/* Passwords that are checked at once: the threads serve others too. */
enum { CHECKS_AT_ONCE = 4 };

struct user_table {
    const struct sasl_server_settings *settings;
    struct table_list *tables;
    unsigned char salt_secret[SECRET_SIZE];
    struct password_entry usual; /* as the last user's that was found: what is computed for those who do not exist */
    struct task_semaphore checks;
};

enum login_state {
    AWAIT_PLAIN,
    AWAIT_USERNAME,
    AWAIT_PASSWORD,
    AWAIT_SCRAM_FIRST,
    AWAIT_SCRAM_FINAL,
    AWAIT_SCRAM_END, /* the client's empty answer to the server's proof */
};

struct login {
    enum login_state state;
    struct scram_server *scram;
    bool known; /* SCRAM: the user has a verifier */
};

/* ---- users ---- */

static bool acts_as_itself(const char *name, const char *authorization)
{
    struct text prepared = {0};
    bool same = *authorization == '\0' || (saslprep(authorization, &prepared) && string_equal(text_string(&prepared), name));

    text_free(&prepared);
    return same;
}

/* The name, prepared and with its domain. False: it cannot be anybody's. */
static bool take_username(const struct user_table *table, struct sasl_exchange *exchange, const char *name,
                          const char *authorization)
{
    const char *domain = table->settings->local_domain;
    bool prepared = saslprep(name, &exchange->username);

    name = text_string(&exchange->username);
    if (!prepared || !sasl_username_valid(name) || !acts_as_itself(name, authorization))
        return false;
    if (*domain != '\0' && strchr(name, '@') == NULL)
        text_append_format(&exchange->username, "@%s", domain);
    return true;
}

static enum table_result find_entry(struct user_table *table, const char *username, struct password_entry *entry)
{
    struct text value = {0};
    struct error error;
    enum table_result found = table_list_lookup(table->tables, username, &value, &error);

    if (found == TABLE_FOUND && !password_entry_parse(text_string(&value), entry)) {
        log_warning(NULL, "%s: the entry of user %s is neither a crypt(3) string nor a SCRAM-SHA-256 verifier",
                    table_list_last(table->tables), username);
        password_entry_clear(entry);
        found = TABLE_NOT_FOUND;
    }
    text_wipe(&value);
    return found;
}

static enum sasl_result fail(struct sasl_exchange *exchange, int64_t began)
{
    int64_t wait = began + FAILURE_FLOOR - clock_monotonic();

    if (wait > 0)
        task_sleep(wait);
    return sasl_answer(exchange, SASL_FAILED, "");
}

static enum sasl_result table_failed(struct sasl_exchange *exchange)
{
    return sasl_answer(exchange, SASL_TEMPORARY, "the user table cannot be read");
}

/* ---- passwords ---- */

struct check {
    const struct password_entry *entry;
    const char *password;
    bool good;
};

static void run_check(void *argument)
{
    struct check *check = argument;

    check->good = password_check(check->entry, check->password);
}

static bool check_password(struct user_table *table, const struct password_entry *entry, const char *password)
{
    struct check check = {entry, password, false};

    if (task_semaphore_take(&table->checks, deadline_never()) != WAIT_READY)
        return false;
    offload_run(run_check, &check);
    task_semaphore_give(&table->checks);
    return check.good;
}

static void remember_usual(struct user_table *table, const struct password_entry *entry)
{
    struct password_entry copy = *entry;

    copy.crypted = entry->crypted != NULL ? memory_copy_string(entry->crypted) : NULL;
    password_entry_clear(&table->usual);
    table->usual = copy;
}

/* For those who do not exist the same is computed, to no avail. */
static enum sasl_result judge_password(struct user_table *table, struct sasl_exchange *exchange, bool valid,
                                       const char *password)
{
    int64_t began = clock_monotonic();
    struct password_entry entry = {0}, stand_in;
    enum table_result found = TABLE_NOT_FOUND;
    bool good;

    if (valid)
        found = find_entry(table, text_string(&exchange->username), &entry);
    if (found == TABLE_ERROR)
        return table_failed(exchange);
    if (found == TABLE_FOUND)
        remember_usual(table, &entry);
    stand_in = table->usual;
    if (stand_in.crypted != NULL)
        stand_in.crypted = memory_copy_string(stand_in.crypted); /* while this task waits another may take its place */
    good = check_password(table, found == TABLE_FOUND ? &entry : &stand_in, password) && found == TABLE_FOUND;
    password_entry_clear(&stand_in);
    password_entry_clear(&entry);
    return good ? SASL_OK : fail(exchange, began);
}

static enum sasl_result take_plain(struct user_table *table, struct sasl_exchange *exchange,
                                   const struct text *message)
{
    struct plain_message parts;

    if (!plain_parse(message, &parts))
        return fail(exchange, clock_monotonic());
    return judge_password(table, exchange, take_username(table, exchange, parts.username, parts.authorization),
                          parts.password);
}

/* ---- SCRAM ---- */

/* What a user who does not exist would have. */
static void make_up_verifier(const struct user_table *table, const char *username, struct scram_verifier *verifier)
{
    unsigned char salt[CRYPTO_SHA256_SIZE];

    *verifier = (struct scram_verifier){.iterations = SCRAM_ITERATIONS, .salt_length = SCRAM_SALT_SIZE};
    crypto_hmac_sha256(table->salt_secret, SECRET_SIZE, username, strlen(username), salt);
    memcpy(verifier->salt, salt, SCRAM_SALT_SIZE);
    crypto_random(verifier->stored_key, SCRAM_KEY_SIZE);
    crypto_random(verifier->server_key, SCRAM_KEY_SIZE);
}

static enum sasl_result reply_text(struct sasl_exchange *exchange, struct text *plain)
{
    text_clear(&exchange->reply);
    base64_encode(plain->data, plain->length, &exchange->reply);
    text_free(plain);
    return SASL_CONTINUE;
}

static enum sasl_result take_scram_first(struct user_table *table, struct sasl_exchange *exchange,
                                         const struct text *message)
{
    struct login *login = exchange->state;
    struct password_entry entry = {0};
    enum table_result found = TABLE_NOT_FOUND;
    struct scram_verifier made_up;
    struct text challenge = {0};

    if (!scram_server_first(login->scram, text_string(message), message->length))
        return fail(exchange, clock_monotonic());
    if (take_username(table, exchange, scram_server_username(login->scram), scram_server_authorization(login->scram)))
        found = find_entry(table, text_string(&exchange->username), &entry);
    if (found == TABLE_ERROR)
        return table_failed(exchange);
    login->known = found == TABLE_FOUND && entry.has_scram;
    make_up_verifier(table, text_string(&exchange->username), &made_up);
    scram_server_challenge(login->scram, login->known ? &entry.scram : &made_up, NULL, &challenge);
    password_entry_clear(&entry);
    login->state = AWAIT_SCRAM_FINAL;
    return reply_text(exchange, &challenge);
}

static enum sasl_result take_scram_final(struct sasl_exchange *exchange, const struct text *message)
{
    struct login *login = exchange->state;
    int64_t began = clock_monotonic();
    struct text answer = {0};

    if (!scram_server_final(login->scram, text_string(message), message->length, &answer) || !login->known) {
        text_free(&answer);
        return fail(exchange, began);
    }
    login->state = AWAIT_SCRAM_END;
    return reply_text(exchange, &answer);
}

/* ---- the conversation ---- */

static enum sasl_result ask(struct sasl_exchange *exchange, enum login_state next, const char *question)
{
    struct text plain = {0};

    ((struct login *)exchange->state)->state = next;
    text_append(&plain, question);
    return reply_text(exchange, &plain);
}

static enum sasl_result take_message(struct user_table *table, struct sasl_exchange *exchange,
                                     const struct text *message)
{
    struct login *login = exchange->state;
    bool whole = message->length == strlen(text_string(message)); /* no NUL in it */

    switch (login->state) {
    case AWAIT_PLAIN: return take_plain(table, exchange, message);
    case AWAIT_USERNAME:
        login->known = whole && take_username(table, exchange, text_string(message), "");
        return ask(exchange, AWAIT_PASSWORD, "Password:");
    case AWAIT_PASSWORD: return judge_password(table, exchange, login->known && whole, text_string(message));
    case AWAIT_SCRAM_FIRST: return take_scram_first(table, exchange, message);
    case AWAIT_SCRAM_FINAL: return take_scram_final(exchange, message);
    case AWAIT_SCRAM_END: break;
    }
    return message->length == 0 ? SASL_OK : fail(exchange, clock_monotonic());
}

static enum sasl_result table_step(void *backend, struct sasl_exchange *exchange, const char *response)
{
    struct text message = {0};
    enum sasl_result result;

    if (exchange->state == NULL || !base64_decode(response, &message))
        return sasl_answer(exchange, SASL_FAILED, "");
    result = take_message(backend, exchange, &message);
    text_wipe(&message);
    return result;
}

static enum sasl_result table_start(void *backend, struct sasl_exchange *exchange, const char *mechanism,
                                    const char *initial)
{
    struct login *login = exchange->state = memory_new(sizeof *login);
    bool plus = strcmp(mechanism, "SCRAM-SHA-256-PLUS") == 0;

    if (strcmp(mechanism, "PLAIN") == 0) {
        login->state = AWAIT_PLAIN;
    } else if (strcmp(mechanism, "LOGIN") == 0) {
        login->state = AWAIT_USERNAME;
    } else if (plus || strcmp(mechanism, "SCRAM-SHA-256") == 0) {
        login->state = AWAIT_SCRAM_FIRST;
        login->scram = scram_server_new(plus, exchange->peer->binding);
    } else {
        return sasl_answer(exchange, SASL_FAILED, "Invalid authentication mechanism");
    }
    if (initial != NULL)
        return table_step(backend, exchange, initial);
    return ask(exchange, login->state, login->state == AWAIT_USERNAME ? "Username:" : "");
}

static void table_end(void *backend, struct sasl_exchange *exchange)
{
    struct login *login = exchange->state;

    (void)backend;
    if (login != NULL)
        scram_server_free(login->scram);
    free(login);
    exchange->state = NULL;
}

/* ---- the backend ---- */

static const struct sasl_offer *table_offers(void *backend, size_t *count, struct error *error)
{
    static const struct sasl_offer offers[] = {
        {"PLAIN", SASL_PLAINTEXT},
        {"LOGIN", SASL_PLAINTEXT},
        {"SCRAM-SHA-256", SASL_MUTUAL_AUTH},
        {"SCRAM-SHA-256-PLUS", SASL_MUTUAL_AUTH},
    };

    (void)backend, (void)error;
    *count = sizeof offers / sizeof *offers;
    return offers;
}

static void *table_open_users(const struct sasl_server_settings *settings, struct error *error)
{
    static const unsigned char salt[SCRAM_SALT_SIZE];
    struct table_list *tables;
    struct user_table *table;
    struct error trouble;

    if (strchr(settings->path, ':') == NULL) {
        error_set(error, "%s: a lookup table is needed, type:name", settings->path);
        return NULL;
    }
    tables = table_list_open(settings->path, error);
    if (tables == NULL)
        return NULL;
    table = memory_new(sizeof *table);
    table->settings = settings;
    table->tables = tables;
    table->usual.has_scram = true;
    scram_verifier_make("", salt, sizeof salt, SCRAM_ITERATIONS, &table->usual.scram);
    task_semaphore_init(&table->checks, CHECKS_AT_ONCE);
    if (!saslprep_load()) /* now, since the root directory may change */
        log_warning(NULL, "ICU cannot be loaded: logins beyond ASCII will fail");
    if (!secret_get(settings->data_directory, "sasl_salt_secret", table->salt_secret, &trouble))
        log_warning(NULL, "%s: SCRAM may tell which users exist", trouble.text);
    return table;
}

static void table_close_users(void *backend)
{
    struct user_table *table = backend;

    table_list_close(table->tables);
    password_entry_clear(&table->usual);
    free(table);
}

const struct sasl_server_type sasl_table = {
    .name = "table",
    .open = table_open_users,
    .close = table_close_users,
    .offers = table_offers,
    .start = table_start,
    .step = table_step,
    .end = table_end,
};
