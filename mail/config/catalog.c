#include "mail/config/catalog.h"

#include <pthread.h>
#include <string.h>

#include "util/base/map.h"
#include "util/base/text.h"

static const struct parameter rows[] = {
#define PARAMETER(type, name, default_value, least, most, meaning)                                                    \
    {#name, PARAMETER_##type, default_value, #least, #most, meaning, 0},
#define PARAMETER_RESERVED(name, default_value) {#name, PARAMETER_string, default_value, NULL, NULL, NULL, 0},
#define PARAMETER_RESERVED_RAW(name, default_value) {#name, PARAMETER_raw, default_value, NULL, NULL, NULL, 0},
#include "parameters.h"
#undef PARAMETER
#undef PARAMETER_RESERVED
#undef PARAMETER_RESERVED_RAW
};

enum { ROW_COUNT = sizeof rows / sizeof *rows };

/* Made once from rows, then const: a name that stands in several files once, reserved names last in rank. */
static struct {
    pthread_once_t once;
    struct map *by_name;
    const struct parameter *unique[ROW_COUNT];
    size_t count;
} catalog = {.once = PTHREAD_ONCE_INIT};

static void catalog_build(void)
{
    catalog.by_name = map_new();
    for (int reserved = 0; reserved <= 1; reserved++)
        for (size_t i = 0; i < ROW_COUNT; i++) {
            if ((rows[i].least == NULL) != (reserved == 1) || map_get(catalog.by_name, rows[i].name) != NULL)
                continue;
            map_set(catalog.by_name, rows[i].name, (void *)&rows[i]);
            catalog.unique[catalog.count++] = &rows[i];
        }
}

size_t catalog_count(void)
{
    pthread_once(&catalog.once, catalog_build);
    return catalog.count;
}

const struct parameter *catalog_at(size_t index)
{
    return index < catalog_count() ? catalog.unique[index] : NULL;
}

const struct parameter *catalog_find(const char *name)
{
    pthread_once(&catalog.once, catalog_build);
    return map_get(catalog.by_name, name);
}

char catalog_time_unit(const struct parameter *parameter)
{
    const char *text = parameter == NULL ? "" : parameter->default_value;
    size_t length = strlen(text);

    if (text[0] == '$' && strspn(text + 1, "abcdefghijklmnopqrstuvwxyz0123456789_") == length - 1)
        return catalog_time_unit(catalog_find(text + 1)); /* another parameter's value: its unit too */
    if (length < 2 || strchr("smhdw", text[length - 1]) == NULL)
        return 's';
    return ascii_is_digit(text[length - 2]) || text[length - 2] == '}' ? text[length - 1] : 's';
}

const char *catalog_transport_fallback(const char *name, size_t *stem_length)
{
    static const char *const fallbacks[] = {
        "default_delivery_slot_cost",
        "default_delivery_slot_discount",
        "default_delivery_slot_loan",
        "default_delivery_status_filter",
        "default_destination_concurrency_failed_cohort_limit",
        "default_destination_concurrency_limit",
        "default_destination_concurrency_negative_feedback",
        "default_destination_concurrency_positive_feedback",
        "default_destination_rate_delay",
        "default_destination_recipient_limit",
        "default_extra_recipient_limit",
        "default_minimum_delivery_slots",
        "default_recipient_limit",
        "default_recipient_refill_delay",
        "default_recipient_refill_limit",
        "default_transport_rate_delay",
        "initial_destination_concurrency",
    };

    for (size_t i = 0; i < sizeof fallbacks / sizeof *fallbacks; i++) {
        const char *suffix = string_starts(fallbacks[i], "default_") ? fallbacks[i] + strlen("default") : NULL;

        if (suffix == NULL)
            suffix = "_initial_destination_concurrency";
        if (!string_ends(name, suffix) || strlen(name) == strlen(suffix))
            continue;
        *stem_length = strlen(name) - strlen(suffix);
        return fallbacks[i];
    }
    return NULL;
}
