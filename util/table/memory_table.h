/* memory_table - what inline: and texthash: are once they are read: a map of texts. */
#ifndef UTIL_TABLE_MEMORY_TABLE_H
#define UTIL_TABLE_MEMORY_TABLE_H

#include "util/base/map.h"
#include "util/table/internal.h"

struct memory_table {
    struct map *texts; /* owned keys and values */
    struct file_mark source;
};

struct memory_table *memory_table_new(void);
void memory_table_free(struct memory_table *table);
void memory_table_put(struct memory_table *table, const char *key, const char *value); /* replaces; folds the key */
bool memory_table_has(const struct memory_table *table, const char *key);              /* folded */
enum table_result memory_table_lookup(const struct memory_table *table, const char *key, struct text *result);

#endif
