/* match_list - lists of patterns as main.cf has them: mynetworks, mydestination, relay_domains and their like.
 *
 * Patterns stand between blanks and commas and are tried in order; the first that matches decides, `!pattern`
 * for "no". /file/name stands for what the file holds (patterns, # comments; a bare address a line is fine),
 * type:table matches when the table knows the name or address, whatever the value. */
#ifndef MAIL_ADDRESS_MATCH_LIST_H
#define MAIL_ADDRESS_MATCH_LIST_H

#include <stdbool.h>

#include "util/base/error.h"
#include "util/net/address.h"

enum match_flag {
    /* 192.0.2.0/24, [2001:db8::]/32 and single addresses are blocks of addresses; other patterns are names. */
    MATCH_ADDRESSES = 1,
    /* "example.com" matches x.example.com too. Without it ".example.com" is what matches x.example.com. */
    MATCH_SUBDOMAINS = 2,
};

enum match_result { MATCH_NO, MATCH_YES, MATCH_ERROR /* a table could not answer, a pattern is wrong: see error */ };

struct match_list;

/* Reads files and opens tables now. A pattern that makes no sense (the file that is not there, the mask that is wrong)
 * ends no program: whoever comes to it gets MATCH_ERROR. NULL: see error (a ! without a pattern). The list is owned by
 * the caller. */
struct match_list *match_list_new(const char *patterns, int flags, struct error *error);
void match_list_free(struct match_list *list); /* NULL is fine */
bool match_list_empty(const struct match_list *list);

/* What is wrong with the patterns that make no sense, one callback each. */
typedef void match_list_mistake_fn(void *context, const char *mistake);
void match_list_each_mistake(const struct match_list *list, match_list_mistake_fn *mistake, void *context);

/* Exactly this text (case folded): user names, words, transports. */
enum match_result match_list_string(struct match_list *list, const char *text, struct error *error);
/* A host or domain name, with domain patterns as the flags say. */
enum match_result match_list_domain(struct match_list *list, const char *name, struct error *error);
enum match_result match_list_address(struct match_list *list, const struct net_address *address, struct error *error);
/* Either of both; pattern by pattern, so that an exclusion holds for the name as well as for the address. */
enum match_result match_list_client(struct match_list *list, const char *name, const struct net_address *address,
                                    struct error *error);

/* Is the parameter one for which parent_domain_matches_subdomains (its value) asks MATCH_SUBDOMAINS? */
int match_parent_flag(const char *parent_domain_matches_subdomains, const char *parameter);

#endif
