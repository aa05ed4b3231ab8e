/* main.cf and master.cf, parted by a line of "---". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mail/config/config.h"
#include "mail/config/master_cf.h"
#include "mail/config/mail_config.h"
#include "tests/fuzz/fuzz.h"
#include "util/base/memory.h"

static const char separator[] = "---\n";

static void write_file(const char *directory, const char *name, const char *bytes, size_t length)
{
    char *path = memory_format("%s/%s", directory, name);
    FILE *file = fopen(path, "w");

    if (file == NULL || fwrite(bytes, 1, length, file) != length || fclose(file) != 0)
        abort();
    free(path);
}

static void remove_file(const char *directory, const char *name)
{
    char *path = memory_format("%s/%s", directory, name);

    unlink(path);
    free(path);
}

static void hear_main_cf(void *context, const char *file, int line, const char *complaint)
{
    (void)context, (void)file, (void)line, (void)complaint;
}

static void hear_master_cf(void *context, const char *complaint)
{
    (void)context, (void)complaint;
}

static void get(void *context, const char *name, const char *value)
{
    (void)value;
    config_get(context, name);
}

static void read_all(const char *directory)
{
    struct error error;
    struct config *config = config_load(directory, &error);

    if (config == NULL)
        return;
    config_check(config, hear_main_cf, NULL);
    config_each_setting(config, get, config);
    master_cf_check(config, hear_master_cf, NULL);
    master_cf_free(master_cf_load(config, &error));
    config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char directory[] = "/dev/shm/fuzz-XXXXXX";
    struct fuzz_input input = fuzz_input(data, size);
    const char *middle = size > 0 ? memmem(data, size, separator, strlen(separator)) : NULL;
    size_t length = middle != NULL ? (size_t)(middle - input.bytes) : input.length;

    if (mkdtemp(directory) == NULL)
        abort();
    write_file(directory, "main.cf", input.bytes, length);
    if (middle != NULL)
        length += strlen(separator);
    write_file(directory, "master.cf", input.bytes + length, input.length - length);
    read_all(directory);
    remove_file(directory, "main.cf");
    remove_file(directory, "master.cf");
    rmdir(directory);
    return 0;
}
