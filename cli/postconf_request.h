/* postconf_request - what postconf's command line asks for. */
#ifndef CLI_POSTCONF_REQUEST_H
#define CLI_POSTCONF_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

enum { POSTCONF_OVERRIDE_LIMIT = 100 };

struct postconf_request {
    const char *given_directory; /* -c; NULL: none */
    bool letters[128];           /* which option letters are given, or meant */
    const char *overrides[POSTCONF_OVERRIDE_LIMIT]; /* -o */
    size_t override_count;
    const char *tls_mode; /* -T */
    int classes;          /* -C: enum postconf_class */
    char *const *arguments; /* NULL ends */
};

/* Dies of options that nobody knows or that exclude one another. */
void postconf_request_parse(struct postconf_request *request, int argc, char **argv);

#endif
