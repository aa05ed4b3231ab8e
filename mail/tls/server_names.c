#include "mail/tls/server_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/tls/key_files.h"
#include "util/base/base64.h"
#include "util/base/log.h"
#include "util/base/map.h"
#include "util/base/memory.h"

/* Values that were made into credentials are remembered; when there are more than that, all are forgotten. */
enum { REMEMBERED = 1000 };

struct server_names {
    struct table_list *tables;
    struct private_files *files;
    struct map *listed;   /* values that stood in tables at the start, with their key_files */
    struct map *contents; /* other values, with their credentials, by digest */
};

bool server_name_valid(const char *name)
{
    size_t length = strlen(name), label = 0;

    if (length == 0 || length > 253)
        return false;
    for (size_t i = 0; i < length; i++) {
        bool hyphen_at_edge = name[i] == '-' && (label == 0 || name[i + 1] == '.' || name[i + 1] == '\0');

        if (name[i] == '.' ? label == 0 || i + 1 == length
                           : (!ascii_is_alpha(name[i]) && !ascii_is_digit(name[i]) && name[i] != '-' && name[i] != '_') ||
                                 hyphen_at_edge)
            return false;
        label = name[i] == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return true;
}

/* ---- the tables, at the start ---- */

/* PEM in base64 begins like that. */
static bool is_contents(const char *value)
{
    return strchr(value, '/') != value && base64_valid(value);
}

static void list_value(void *context, const char *key, const char *value)
{
    struct server_names *names = context;

    (void)key;
    if (!is_contents(value) && map_get(names->listed, value) == NULL)
        map_set(names->listed, value, key_files_new_chain(value, names->files));
}

struct server_names *server_names_open(const char *tables, struct private_files *files, struct error *error)
{
    struct server_names *names = memory_new(sizeof *names);
    struct error not_listed;

    names->files = files;
    names->listed = map_new();
    names->contents = map_new();
    names->tables = table_list_open(tables, error);
    if (names->tables == NULL) {
        server_names_close(names);
        error_prefix(error, "tls_server_sni_maps: ");
        return NULL;
    }
    for (size_t i = 0; i < table_list_count(names->tables); i++)
        table_walk(table_list_at(names->tables, i), list_value, names, &not_listed);
    return names;
}

static void free_keys(void *keys)
{
    key_files_free(keys);
}

static void free_credentials(void *credentials)
{
    tls_credentials_free(credentials);
}

void server_names_close(struct server_names *names)
{
    if (names == NULL)
        return;
    table_list_close(names->tables);
    map_free_with(names->listed, free_keys);
    map_free_with(names->contents, free_credentials);
    free(names);
}

bool server_names_empty(const struct server_names *names)
{
    return table_list_empty(names->tables);
}

/* ---- values ---- */

static struct tls_credentials *remember(struct server_names *names, const char *digest, struct tls_credentials *made)
{
    if (map_count(names->contents) >= REMEMBERED) {
        map_free_with(names->contents, free_credentials);
        names->contents = map_new();
    }
    map_set(names->contents, digest, made);
    return made;
}

static struct tls_credentials *from_pem(struct server_names *names, const struct text *pem, const char *digest,
                                        const char *name)
{
    struct tls_credentials *made = tls_credentials_new();
    char *where = memory_format("%s: key %s", table_list_last(names->tables), name);
    struct error error;

    if (!tls_credentials_add_chain(made, text_string(pem), pem->length, where, &error)) {
        log_warning(NULL, "tls_server_sni_maps: %s", error.text);
        tls_credentials_free(made);
        made = NULL;
    }
    free(where);
    return made != NULL ? remember(names, digest, made) : NULL;
}

static struct tls_credentials *from_contents(struct server_names *names, const char *value, const char *name)
{
    struct text digest = {0}, pem = {0};
    struct tls_credentials *known;

    tls_fingerprint("sha256", value, strlen(value), &digest);
    known = map_get(names->contents, text_string(&digest));
    if (known == NULL && base64_decode(value, &pem))
        known = from_pem(names, &pem, text_string(&digest), name);
    text_wipe(&pem);
    text_free(&digest);
    return known;
}

/* Files that nobody named at the start: read each time, by the process as it is now. */
static bool append_files(const char *list, struct text *pem)
{
    char *copy = memory_copy_string(list), *cursor = copy, *path;
    bool good = true;

    while (good && (path = string_next_word(&cursor, " \t\r\n,")) != NULL) {
        struct private_files *one = private_files_new();
        struct text content = {0};
        struct error error;

        good = private_files_read(one, private_files_add(one, path), &content, &error);
        if (good)
            text_append_bytes(pem, text_string(&content), content.length);
        else
            log_warning(NULL, "tls_server_sni_maps: error opening chain file: %s", error.text);
        text_wipe(&content);
        private_files_free(one);
    }
    free(copy);
    return good;
}

static struct tls_credentials *from_files(struct server_names *names, const char *value, const char *name)
{
    struct key_files *listed = map_get(names->listed, value);
    struct tls_credentials *made = NULL;
    struct text pem = {0}, digest = {0};

    if (listed != NULL)
        return key_files_current(listed);
    if (append_files(value, &pem)) {
        tls_fingerprint("sha256", text_string(&pem), pem.length, &digest);
        made = map_get(names->contents, text_string(&digest));
        if (made == NULL)
            made = from_pem(names, &pem, text_string(&digest), name);
    }
    text_wipe(&pem);
    text_free(&digest);
    return made;
}

/* ---- names ---- */

static enum table_result look_up(struct server_names *names, const char *name, struct text *value)
{
    struct error error;
    enum table_result found = table_list_lookup(names->tables, name, value, &error);

    for (const char *dot = strchr(name, '.'); found == TABLE_NOT_FOUND && dot != NULL; dot = strchr(dot + 1, '.'))
        found = table_list_lookup(names->tables, dot, value, &error);
    return found;
}

enum table_result server_names_find(struct server_names *names, const char *name, struct tls_credentials **credentials)
{
    struct text value = {0};
    enum table_result found = look_up(names, name, &value);

    *credentials = NULL;
    if (found == TABLE_FOUND) {
        *credentials = is_contents(value.data) ? from_contents(names, value.data, name)
                                               : from_files(names, value.data, name);
        if (*credentials == NULL)
            found = TABLE_ERROR;
    }
    text_wipe(&value);
    if (found == TABLE_ERROR)
        log_warning(NULL, "tls_server_sni_maps: %s map lookup problem", name);
    return found;
}
