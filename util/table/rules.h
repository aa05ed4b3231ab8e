/* rules - tables that are lists of patterns, tried in order: cidr, regexp, pcre.
 *
 * What they share: a source that is a file or `{ {rule}, {rule} }`, rules that apply only between IF and ENDIF, and
 * warnings that name the source and the line. What a pattern is, its owner knows. */
#ifndef UTIL_TABLE_RULES_H
#define UTIL_TABLE_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "util/table/internal.h"

enum rule_kind { RULE_ANSWER, RULE_IF, RULE_ENDIF };

struct rule {
    enum rule_kind kind;
    bool negative; /* !pattern */
    int line;
    size_t after;  /* of an IF: the index behind its ENDIF */
    void *pattern; /* NULL for ENDIF */
};

struct rules {
    const char *type; /* "cidr" */
    char *name;       /* the file, or the rules themselves */
    bool files;       /* answers are names of files */
    struct rule *rules;
    size_t count;
    struct file_mark source;
};

/* Called for each logical line; adds a rule with rules_add or warns. */
typedef void rule_line_fn(struct rules *rules, char *text, int line);
/* Does the rule apply to key, its negation counted? */
typedef bool rule_match_fn(void *context, const struct rule *rule, const char *key);

/* Reads all lines. False: the source cannot be read. */
bool rules_load(struct rules *rules, const struct table_source *source, rule_line_fn *add_line, struct error *error);
/* The rules' patterns are freed by free_pattern. */
void rules_free(struct rules *rules, void (*free_pattern)(void *));

/* What is kept of an answer (the caller frees). NULL: its files cannot be read, and a warning has said so. */
char *rules_keep_answer(const struct rules *rules, int line, const char *answer);
void rules_add(struct rules *rules, struct rule rule);
void rules_warn(const struct rules *rules, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* How many IFs are still open. */
size_t rules_open_ifs(const struct rules *rules);

/* The first RULE_ANSWER that applies to key; NULL: none. */
const struct rule *rules_find(const struct rules *rules, const char *key, rule_match_fn *match, void *context);

/* Is the line the statement `word` (if, endif)? Then the text behind it, with white space skipped, else NULL. */
char *rule_statement(char *text, const char *word);

#endif
