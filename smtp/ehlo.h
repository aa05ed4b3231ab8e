/* ehlo - what a server offers in its EHLO reply: one row a keyword (RFC 5321 section 4.1.1.1). */
#ifndef SMTP_EHLO_H
#define SMTP_EHLO_H

#include <stdbool.h>
#include <stdint.h>

enum ehlo_feature {
    EHLO_PIPELINING = 1, /* RFC 2920 */
    EHLO_SIZE = 2,       /* RFC 1870 */
    EHLO_8BITMIME = 4,   /* RFC 6152 */
    EHLO_SMTPUTF8 = 8,   /* RFC 6531 */
    EHLO_DSN = 16,       /* RFC 3461 */
    EHLO_STARTTLS = 32,  /* RFC 3207 */
    EHLO_ENHANCED_CODES = 64,
    EHLO_CHUNKING = 128,
    EHLO_AUTH = 256,     /* RFC 4954 */
    EHLO_REQUIRETLS = 512, /* RFC 8689 */
    EHLO_XFORWARD = 1024,
};

enum { MECHANISMS_SIZE = 512 };

struct ehlo_offer {
    int features;
    char mechanisms[MECHANISMS_SIZE]; /* of AUTH, a blank between two; what does not fit is left out */
    int64_t size_limit; /* 0: none given */
    int xforward;       /* attributes: xforward.h */
};

/* Reads a reply's text, lines with their codes; features in `discard` are not believed. */
void ehlo_parse(const char *text, int discard, struct ehlo_offer *offer);

/* smtp_discard_ehlo_keywords as features; words that nobody knows discard nothing. */
int ehlo_discard_parse(const char *keywords);

#endif
