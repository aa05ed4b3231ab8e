/* postmap -h and -b: the keys are the headers or the body lines of a message on standard input; with -m also those
 * of its parts, as header_checks and body_checks see them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/postmap.h"
#include "mail/message/mime_parts.h"

struct message_reader {
    const struct postmap *postmap;
    struct postmap_tables *tables;
    struct mime_parts *parts;
    struct text header; /* the field at hand with its folds, lines ended inside by LF */
    bool found;
};

static void ask(struct message_reader *reader, bool wanted, const char *key)
{
    if (wanted)
        reader->found = postmap_query_print(reader->postmap, reader->tables, key) || reader->found;
}

static void end_field(struct message_reader *reader)
{
    ask(reader, reader->postmap->headers && reader->header.length > 0, text_string(&reader->header));
    text_clear(&reader->header);
}

static void take_line(struct message_reader *reader, const char *line)
{
    struct mime_line where = mime_parts_line(reader->parts, line, strlen(line));

    if (where.kind == MIME_FOLD && reader->header.length > 0) {
        text_append_format(&reader->header, "\n%s", line);
        return;
    }
    end_field(reader);
    if (where.kind == MIME_FIELD) {
        text_append(&reader->header, line);
        return;
    }
    /* A message's header that lost its empty line gets it back. */
    if (where.kind != MIME_BLANK && where.header_ended && where.level == MIME_PRIMARY)
        ask(reader, reader->postmap->bodies, "");
    ask(reader, reader->postmap->bodies, line);
}

bool postmap_query_message(const struct postmap *postmap, const struct mime_limits *limits, char *const *names)
{
    struct message_reader reader = {postmap, postmap_tables_new(names), mime_parts_new(limits), {0}, false};
    size_t size = 0;
    char *line = NULL;

    while (getline(&line, &size, stdin) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        take_line(&reader, line);
    }
    end_field(&reader);
    text_free(&reader.header);
    free(line);
    mime_parts_free(reader.parts);
    postmap_tables_free(reader.tables);
    return reader.found;
}
