#include "mail/tls/key_files.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/task/task.h"

struct key_pair {
    const char *algorithm;
    size_t certificate, key; /* numbers in files */
};

struct key_files {
    struct private_files *files;
    size_t *chain;
    size_t chain_count;
    char *chain_names;
    struct key_pair pairs[KEY_FILE_PAIRS];
    size_t pair_count;
    struct tls_credentials *current;
    char *digest; /* of what current was made from, to see whether it is the same again */
    bool reading; /* by some task */
    struct task_condition read;
};

static struct key_files *new_keys(struct private_files *files)
{
    struct key_files *keys = memory_new(sizeof *keys);

    keys->files = files;
    task_condition_init(&keys->read);
    return keys;
}

struct key_files *key_files_new_chain(const char *list, struct private_files *files)
{
    struct key_files *keys = new_keys(files);
    char *copy = memory_copy_string(list), *cursor = copy, *path;

    keys->chain_names = memory_copy_string(list);
    while ((path = string_next_word(&cursor, " \t\r\n,")) != NULL) {
        keys->chain = memory_resize(keys->chain, (keys->chain_count + 1) * sizeof *keys->chain);
        keys->chain[keys->chain_count++] = private_files_add(files, path);
    }
    free(copy);
    return keys;
}

static bool is_named(const char *path)
{
    return *path != '\0' && strcmp(path, "none") != 0;
}

struct key_files *key_files_new(const struct key_file_names *names, struct private_files *files)
{
    struct key_files *keys = is_named(names->chain_files) ? key_files_new_chain(names->chain_files, files) : new_keys(files);
    bool ignored = false;

    for (size_t i = 0; i < KEY_FILE_PAIRS; i++) {
        if (names->pairs[i].certificate == NULL || !is_named(names->pairs[i].certificate))
            continue;
        ignored = keys->chain_count > 0;
        if (!ignored)
            keys->pairs[keys->pair_count++] =
                (struct key_pair){.algorithm = names->pairs[i].algorithm,
                                  .certificate = private_files_add(files, names->pairs[i].certificate),
                                  .key = private_files_add(files, names->pairs[i].key)};
    }
    if (ignored)
        log_warning(NULL,
                    "Both %s_tls_chain_files and one or more of the legacy  %s_tls_cert_file, %s_tls_eccert_file or "
                    "%s_tls_dcert_file are non-empty; the legacy  parameters will be ignored",
                    names->side, names->side, names->side, names->side);
    return keys;
}

void key_files_free(struct key_files *keys)
{
    if (keys == NULL)
        return;
    tls_credentials_free(keys->current);
    free(keys->chain);
    free(keys->chain_names);
    free(keys->digest);
    free(keys);
}

bool key_files_named(const struct key_files *keys)
{
    return keys->chain_count > 0 || keys->pair_count > 0;
}

/* ---- reading ---- */

static bool any_changed(struct key_files *keys)
{
    bool changed = false;

    for (size_t i = 0; i < keys->chain_count; i++)
        changed = private_files_changed(keys->files, keys->chain[i]) || changed;
    for (size_t i = 0; i < keys->pair_count; i++)
        changed = private_files_changed(keys->files, keys->pairs[i].certificate) ||
                  private_files_changed(keys->files, keys->pairs[i].key) || changed;
    return changed;
}

/* All that was read, one after another. */
struct reading {
    struct text all;
    struct tls_credentials *credentials;
};

static bool read_file(struct key_files *keys, size_t number, struct text *content, struct reading *reading)
{
    struct error error;

    if (!private_files_read(keys->files, number, content, &error)) {
        log_warning(NULL, "error opening chain file: %s", error.text);
        return false;
    }
    text_append_bytes(&reading->all, text_string(content), content->length);
    return true;
}

static bool read_chain(struct key_files *keys, struct reading *reading)
{
    struct text content = {0};
    struct error error;
    bool good = true;

    for (size_t i = 0; good && i < keys->chain_count; i++)
        good = read_file(keys, keys->chain[i], &content, reading);
    text_wipe(&content);
    if (good && !tls_credentials_add_chain(reading->credentials, text_string(&reading->all), reading->all.length,
                                           keys->chain_names, &error)) {
        log_warning(NULL, "error loading private keys and certificates from: %s: %s", keys->chain_names, error.text);
        good = false;
    }
    return good;
}

static bool read_pair(struct key_files *keys, const struct key_pair *pair, struct reading *reading)
{
    const char *certificate_path = private_files_path(keys->files, pair->certificate);
    const char *key_path = private_files_path(keys->files, pair->key);
    struct text certificates = {0}, key = {0};
    struct error error;
    bool good = read_file(keys, pair->certificate, &certificates, reading) && read_file(keys, pair->key, &key, reading);

    if (good && !tls_credentials_add_pair(reading->credentials, &certificates, certificate_path, &key, key_path, &error)) {
        log_warning(NULL, "cannot get %s certificate and private key from \"%s\" and \"%s\": %s", pair->algorithm,
                    certificate_path, key_path, error.text);
        good = false;
    }
    text_wipe(&certificates);
    text_wipe(&key);
    return good;
}

static bool read_all(struct key_files *keys, struct reading *reading)
{
    if (keys->chain_count > 0)
        return read_chain(keys, reading);
    for (size_t i = 0; i < keys->pair_count; i++)
        if (!read_pair(keys, &keys->pairs[i], reading))
            return false;
    return true;
}

/* A file that was touched, or another one in its directory, is no news. */
static bool is_new(struct key_files *keys, const struct reading *reading)
{
    struct text digest = {0};

    tls_fingerprint("sha256", text_string(&reading->all), reading->all.length, &digest);
    if (keys->digest != NULL && strcmp(keys->digest, text_string(&digest)) == 0) {
        text_free(&digest);
        return false;
    }
    free(keys->digest);
    keys->digest = text_take(&digest);
    return true;
}

static void refresh(struct key_files *keys)
{
    struct reading reading = {.credentials = tls_credentials_new()};
    bool first = keys->current == NULL;

    if (!read_all(keys, &reading)) {
        log_warning(NULL, first ? "no usable private keys and certificates until the files are in order"
                                : "the private keys and certificates read before stay in use");
    } else if (is_new(keys, &reading)) {
        if (!first)
            log_info(NULL, "private keys and certificates have changed -- using the new ones");
        tls_credentials_free(keys->current);
        keys->current = tls_credentials_share(reading.credentials);
    }
    tls_credentials_free(reading.credentials);
    text_wipe(&reading.all);
}

struct tls_credentials *key_files_current(struct key_files *keys)
{
    while (keys->reading && task_condition_wait(&keys->read, deadline_never()) == WAIT_READY)
        ;
    if (!keys->reading && key_files_named(keys) && any_changed(keys)) {
        keys->reading = true;
        refresh(keys);
        keys->reading = false;
        if (task_current() != NULL)
            task_condition_wake_all(&keys->read);
    }
    return keys->current;
}
