/* http - one HTTPS request, for policies and reports: RFC 8461 section 3.3, RFC 8460 section 3.
 *
 * libcurl runs in a worker thread (util/task/offload.h); the task waits. Only https is spoken (TLS 1.2 or better, HTTP/1.1), no
 * redirect is followed (a 3xx is an answer like any other), no cookie, proxy or netrc of the environment is used, and the
 * server's certificate is always judged. A cancelled task waits on, for time_limit at most. */
#ifndef UTIL_WEB_HTTP_H
#define UTIL_WEB_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/clock.h"
#include "util/base/error.h"
#include "util/base/text.h"

struct http_request {
    const char *url;          /* "https://mta-sts.example.com/.well-known/mta-sts.txt" */
    const char *content_type; /* of body; NULL: there is no body, and the request is a GET; else a POST */
    const void *body;
    size_t body_length;
    const char *user_agent;   /* "Postern" */
    const char *ca_file, *ca_path; /* whom to trust; both "" : the system's */
    const char *resolve;      /* "host:port:address,address": where the url's host is; NULL: the system knows */
    duration time_limit;      /* for all of it */
    size_t size_limit;        /* of the answer's body, bytes; a longer one is an error */
};

struct http_answer {
    long status;           /* 200 */
    char content_type[80]; /* without parameters, lower case; "" none */
    struct text body;      /* owned: text_free; whatever http_fetch returns */
    bool untrusted;        /* no answer, because the server's certificate was not good for the host */
    bool not_asked;        /* no answer, because something of this host's is wrong: the CA file, memory */
};

/* In a task. *answer is filled anew. False: there is no answer; see error. An answer with any status is true. */
bool http_fetch(const struct http_request *request, struct http_answer *answer, struct error *error);

#endif
