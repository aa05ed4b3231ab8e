/* postalias - makes, changes and queries alias databases (postalias(1), aliases(5)). */
#include <time.h>

#include "cli/postmap.h"
#include "mail/address/alias_entry.h"
#include "util/base/log.h"

static bool split(char *line, const char *path, int number, struct text *key, struct text *value)
{
    switch (alias_entry_parse(line, key, value)) {
    case ALIAS_ENTRY_NO_PAIR:
        log_warning(NULL, "%s, line %d: need name:value pair", path, number);
        return false;
    case ALIAS_ENTRY_NOT_LOCAL:
        log_warning(NULL, "%s, line %d: name must be local", path, number);
        return false;
    case ALIAS_ENTRY_GOOD:
        break;
    }
    return true;
}

/* Sendmail takes a database without the first entry for unfinished; NIS wants the others, without NULs. */
static void sign(const struct postmap *postmap, const char *table, struct table_writer *writer)
{
    struct text now = {0};

    postmap_put(postmap, table, writer, "@", "@");
    table_writer_set_form(writer, TABLE_FORM_BARE);
    text_append_format(&now, "%ld", (long)time(NULL));
    postmap_put(postmap, table, writer, "YP_LAST_MODIFIED", text_string(&now));
    postmap_put(postmap, table, writer, "YP_MASTER_NAME", config_get(postmap->config, "myhostname"));
    text_free(&now);
}

int main(int argc, char **argv)
{
    static const struct postmap_kind kind = {
        .name = "postalias",
        .options = "+c:d:fijnNopq:rsuvw",
        .usage = "usage: postalias [-Nfijnoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file...",
        .separator = ":\t",
        .split = split,
        .sign = sign,
    };

    return postmap_command(&kind, argc, argv);
}
