#include "mail/config/expand.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/memory.h"
#include "util/net/ascii_name.h"

struct expansion {
    const struct expand_names *names;
    struct text *result;
    struct error *error;
    int depth;
};

struct span {
    const char *start, *end;
};

static bool expand_span(struct expansion *expansion, struct span span);

static bool is_name_char(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '_';
}


static void skip_space(struct span *rest)
{
    while (rest->start < rest->end && ascii_is_space(*rest->start))
        rest->start++;
}

/* Where the brace or parenthesis that opens at span.start closes; NULL: nowhere. */
static const char *find_close(struct span span)
{
    char open = *span.start, close = open == '{' ? '}' : ')';
    int nesting = 0;

    for (const char *c = span.start; c < span.end; c++) {
        if (*c == open)
            nesting++;
        if (*c == close && --nesting == 0)
            return c;
    }
    return NULL;
}

/* Takes "{text}" off the start of rest. */
static bool take_braced(struct span *rest, struct span *inside, struct error *error)
{
    const char *close;

    skip_space(rest);
    if (rest->start == rest->end || *rest->start != '{' || (close = find_close(*rest)) == NULL)
        return error_set(error, "\"{expression}\" expected at: \"%.*s\"", (int)(rest->end - rest->start), rest->start);
    *inside = (struct span){rest->start + 1, close};
    rest->start = close + 1;
    return true;
}

static bool expand_into(struct expansion *expansion, struct span span, struct text *result)
{
    struct text *saved = expansion->result;
    bool ok;

    expansion->result = result;
    ok = expand_span(expansion, span);
    expansion->result = saved;
    text_append(result, "");
    return ok;
}

/* ---- comparisons ---- */

enum comparison { LESS = 1, EQUAL = 2, MORE = 4 };

static const struct {
    const char *text;
    unsigned accepts; /* the orders for which the comparison holds */
} operators[] = {{"==", EQUAL}, {"!=", LESS | MORE}, {"<=", LESS | EQUAL}, {">=", MORE | EQUAL}, {"<", LESS}, {">", MORE}};

static bool take_operator(struct span *rest, unsigned *accepts, bool *by_level, struct error *error)
{
    skip_space(rest);
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        size_t length = strlen(operators[i].text);

        if ((size_t)(rest->end - rest->start) < length || strncmp(rest->start, operators[i].text, length) != 0)
            continue;
        rest->start += length;
        *accepts = operators[i].accepts;
        *by_level = rest->end - rest->start >= 5 && strncmp(rest->start, "level", 5) == 0;
        if (*by_level)
            rest->start += 5;
        return true;
    }
    return error_set(error, "\"==\" or \"!=\" or \"<\" or \"<=\" or \">=\" or \">\" expected at: \"%.*s\"",
                     (int)(rest->end - rest->start), rest->start);
}

static int order_of(long difference)
{
    return difference < 0 ? -1 : difference > 0;
}

/* Numbers of any length, as text. */
static int compare_numbers(const char *a, const char *b)
{
    a += strspn(a, "0");
    b += strspn(b, "0");
    if (strlen(a) != strlen(b))
        return order_of((long)strlen(a) - (long)strlen(b));
    return order_of(strcmp(a, b));
}

static bool parse_level(const char *text, long parts[3], struct error *error)
{
    const char *c = text;

    for (int i = 0; i < 3; i++) {
        char *end;

        parts[i] = 0;
        if (!ascii_is_digit(*c) || strspn(c, "0123456789") > 6)
            return error_set(error, "malformed compatibility level syntax: \"%s\"", text);
        parts[i] = strtol(c, &end, 10);
        c = end;
        if (*c != '.')
            break;
        c++;
    }
    if (*c != '\0')
        return error_set(error, "malformed compatibility level syntax: \"%s\"", text);
    return true;
}

bool expand_compare_levels(const char *a, const char *b, int *order, struct error *error)
{
    long left[3] = {0}, right[3] = {0};

    if (!parse_level(a, left, error) || !parse_level(b, right, error))
        return false;
    *order = 0;
    for (int i = 0; i < 3 && *order == 0; i++)
        *order = order_of(left[i] - right[i]);
    return true;
}

static bool compare(const char *left, const char *right, bool by_level, int *order, struct error *error)
{
    if (by_level)
        return expand_compare_levels(left, right, order, error);
    if (string_all_digits(left) && string_all_digits(right))
        *order = compare_numbers(left, right);
    else
        *order = order_of(strcmp(left, right));
    return true;
}

/* Takes "{a} == {b}" off the start of rest. */
static bool take_comparison(struct expansion *expansion, struct span *rest, bool *holds)
{
    struct span left_span, right_span;
    struct text left = {0}, right = {0};
    unsigned accepts = 0;
    bool by_level = false, ok;
    int order = 0;

    ok = take_braced(rest, &left_span, expansion->error) &&
         take_operator(rest, &accepts, &by_level, expansion->error) &&
         take_braced(rest, &right_span, expansion->error) && expand_into(expansion, left_span, &left) &&
         expand_into(expansion, right_span, &right) &&
         compare(text_string(&left), text_string(&right), by_level, &order, expansion->error);
    *holds = (accepts & (order < 0 ? LESS : order > 0 ? MORE : EQUAL)) != 0;
    text_free(&left);
    text_free(&right);
    return ok;
}

/* ---- ${...} ---- */

struct branches {
    struct span if_true, if_false;
    bool has_true, has_false;
};

/* "{text}" and nothing behind it, or any text. */
static bool take_last_branch(struct span rest, struct span *branch, struct error *error)
{
    struct span look = rest;

    skip_space(&look);
    if (look.start == look.end || *look.start != '{') {
        *branch = rest;
        return true;
    }
    if (!take_braced(&look, branch, error))
        return false;
    skip_space(&look);
    if (look.start < look.end)
        return error_set(error, "unexpected input at: \"%.*s\"", (int)(look.end - look.start), look.start);
    return true;
}

static bool take_true_branch(struct span rest, struct branches *branches, struct error *error)
{
    struct span look = rest;

    branches->has_true = true;
    branches->if_true = rest;
    skip_space(&look);
    if (look.start == look.end || *look.start != '{')
        return true;
    if (!take_braced(&look, &branches->if_true, error))
        return false;
    skip_space(&look);
    if (look.start == look.end)
        return true;
    if (*look.start != ':')
        return error_set(error, "\":\" expected at: \"%.*s\"", (int)(look.end - look.start), look.start);
    look.start++;
    branches->has_false = true;
    return take_last_branch(look, &branches->if_false, error);
}

/* What stands behind the name or comparison. */
static bool take_branches(struct span rest, struct branches *branches, struct error *error)
{
    *branches = (struct branches){0};
    skip_space(&rest);
    if (rest.start == rest.end)
        return true;
    if (*rest.start == '?')
        return take_true_branch((struct span){rest.start + 1, rest.end}, branches, error);
    if (*rest.start == ':') {
        branches->has_false = true;
        return take_last_branch((struct span){rest.start + 1, rest.end}, &branches->if_false, error);
    }
    return error_set(error, "attribute name syntax error at: \"%.*s\"", (int)(rest.end - rest.start), rest.start);
}

static bool choose_branch(struct expansion *expansion, const struct branches *branches, bool holds)
{
    if (holds && branches->has_true)
        return expand_span(expansion, branches->if_true);
    if (!holds && branches->has_false)
        return expand_span(expansion, branches->if_false);
    return true;
}

static bool expand_condition(struct expansion *expansion, struct span rest)
{
    struct branches branches;
    bool holds;

    if (!take_comparison(expansion, &rest, &holds) || !take_branches(rest, &branches, expansion->error))
        return false;
    if (!branches.has_true && !branches.has_false && holds)
        text_append(expansion->result, "true");
    return choose_branch(expansion, &branches, holds);
}

static bool expand_named(struct expansion *expansion, const char *name, const struct branches *branches)
{
    const struct expand_names *names = expansion->names;

    if (branches->has_true || branches->has_false)
        return choose_branch(expansion, branches, names->is_set(names->context, name));
    return names->value(names->context, name, expansion->depth, expansion->result, expansion->error);
}

static bool expand_name(struct expansion *expansion, struct span name, const struct branches *branches)
{
    char *copy;
    bool ok;

    if (name.start == name.end)
        return error_set(expansion->error, "empty macro name");
    copy = memory_copy_bytes(name.start, (size_t)(name.end - name.start)); /* stacks are small, nesting may be deep */
    ok = expand_named(expansion, copy, branches);
    free(copy);
    return ok;
}

/* domain_to_ascii{text}: its inside has been found. */
static bool expand_ascii_domain(struct expansion *expansion, struct span rest)
{
    struct span inside;
    struct text domain = {0};
    bool ok = take_braced(&rest, &inside, expansion->error) && expand_into(expansion, inside, &domain);

    skip_space(&rest);
    if (ok && rest.start < rest.end)
        ok = error_set(expansion->error, "unexpected input at: \"%.*s\"", (int)(rest.end - rest.start), rest.start);
    if (ok && !net_name_to_ascii(text_string(&domain), expansion->result))
        ok = error_set(expansion->error, "\"%s\" is no domain name: it has to be UTF-8, with labels of up to 63 letters",
                       text_string(&domain));
    text_free(&domain);
    return ok;
}

static bool is_function(struct span name, struct span rest)
{
    static const char function[] = "domain_to_ascii";

    return (size_t)(name.end - name.start) == strlen(function) && memcmp(name.start, function, strlen(function)) == 0 &&
           rest.start < rest.end && *rest.start == '{';
}

/* The inside of ${...} or $(...). */
static bool expand_reference(struct expansion *expansion, struct span inside)
{
    struct branches branches;
    struct span name;

    skip_space(&inside);
    if (inside.start < inside.end && *inside.start == '{')
        return expand_condition(expansion, inside);
    name = (struct span){inside.start, inside.start};
    while (name.end < inside.end && is_name_char(*name.end))
        name.end++;
    if (is_function(name, (struct span){name.end, inside.end}))
        return expand_ascii_domain(expansion, (struct span){name.end, inside.end});
    return take_branches((struct span){name.end, inside.end}, &branches, expansion->error) &&
           expand_name(expansion, name, &branches);
}

/* `$` stands at dollar; *next becomes what follows the reference. */
static bool expand_dollar(struct expansion *expansion, struct span dollar, const char **next)
{
    static const struct branches none = {0};
    struct span name = {dollar.start + 1, dollar.start + 1};

    if (name.start < dollar.end && (*name.start == '{' || *name.start == '(')) {
        const char *close = find_close((struct span){name.start, dollar.end});

        if (close == NULL)
            return error_set(expansion->error, "truncated macro reference: \"%.*s\"",
                             (int)(dollar.end - dollar.start), dollar.start);
        *next = close + 1;
        return expand_reference(expansion, (struct span){name.start + 1, close});
    }
    while (name.end < dollar.end && is_name_char(*name.end))
        name.end++;
    if (name.end == name.start)
        return error_set(expansion->error, "empty macro name: \"%.*s\"", (int)(dollar.end - dollar.start), dollar.start);
    *next = name.end;
    return expand_name(expansion, name, &none);
}

static bool expand_pieces(struct expansion *expansion, struct span span)
{
    while (span.start < span.end) {
        const char *dollar = memchr(span.start, '$', (size_t)(span.end - span.start));

        if (dollar == NULL)
            dollar = span.end;
        text_append_bytes(expansion->result, span.start, (size_t)(dollar - span.start));
        if (expansion->result->length > EXPAND_RESULT_LIMIT)
            return error_set(expansion->error, "the expanded value is longer than %d bytes", EXPAND_RESULT_LIMIT);
        if (dollar == span.end)
            return true;
        if (dollar + 1 < span.end && dollar[1] == '$') {
            text_append_char(expansion->result, '$');
            span.start = dollar + 2;
        } else if (!expand_dollar(expansion, (struct span){dollar, span.end}, &span.start)) {
            return false;
        }
    }
    return true;
}

static bool expand_span(struct expansion *expansion, struct span span)
{
    bool ok;

    if (++expansion->depth > EXPAND_DEPTH_LIMIT)
        return error_set(expansion->error, "$names refer to one another in a loop, or are nested too deep");
    ok = expand_pieces(expansion, span);
    expansion->depth--;
    return ok;
}

bool expand_text(const struct expand_names *names, const char *value, int depth, struct text *result,
                 struct error *error)
{
    struct expansion expansion = {names, result, error, depth};

    return expand_span(&expansion, (struct span){value, value + strlen(value)});
}

/* ---- which names a value refers to ---- */

/* No need to understand conditions: a name follows $, ${ or $(. */
void expand_each_name(const char *value, expand_name_fn *name, void *context)
{
    const char *c = value;

    while ((c = strchr(c, '$')) != NULL) {
        struct span found = {c + 1, NULL};
        char *copy;

        if (*found.start == '$') {
            c += 2;
            continue;
        }
        found.start += *found.start == '{' || *found.start == '(';
        while (ascii_is_space(*found.start))
            found.start++;
        for (found.end = found.start; is_name_char(*found.end);)
            found.end++;
        c = found.end;
        if (found.end == found.start || is_function(found, (struct span){c, c + strlen(c)}))
            continue;
        copy = memory_copy_bytes(found.start, (size_t)(found.end - found.start));
        name(context, copy);
        free(copy);
    }
}
