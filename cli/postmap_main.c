/* postmap - makes, changes and queries lookup tables (postmap(1)). */
#include "cli/postmap.h"
#include "util/table/entry.h"

static bool split(char *line, const char *path, int number, struct text *key, struct text *value)
{
    char *name, *content;

    if (!table_entry_split(line, path, number, "", &name, &content))
        return false;
    text_append(key, name);
    text_append(value, content);
    return true;
}

int main(int argc, char **argv)
{
    static const struct postmap_kind kind = {
        .name = "postmap",
        .options = "+bc:d:fFhijmnNopq:rsuUvw",
        .usage = "usage: postmap [-bfFhijmnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...",
        .separator = "\t",
        .split = split,
    };

    return postmap_command(&kind, argc, argv);
}
