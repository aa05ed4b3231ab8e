#include "util/web/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "util/task/offload.h"

enum { HEAD_LIMIT = 64 * 1024 }; /* bytes of all header lines, of interim answers too */

struct exchange {
    const struct http_request *request;
    struct http_answer *answer;
    size_t head_length;
    bool head_too_long, body_too_long;
    char trouble[CURL_ERROR_SIZE]; /* libcurl's words, when it has some */
    CURLcode result;
};

/* ---- what libcurl calls, in the worker thread ---- */

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    struct text *body = &exchange->answer->body;
    size_t length = size * count;

    if (length > exchange->request->size_limit - body->length) {
        exchange->body_too_long = true;
        return CURL_WRITEFUNC_ERROR;
    }
    text_append_bytes(body, bytes, length);
    return length;
}

static size_t take_head(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    size_t length = size * count;

    (void)bytes;
    exchange->head_length += length;
    exchange->head_too_long = exchange->head_length > HEAD_LIMIT;
    return exchange->head_too_long ? 0 : length;
}

/* ---- the request ---- */

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void start_library(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* An option that this libcurl does not know would be a protection that is not there: it counts as a failure. */
#define SET(option, value)                                                                                            \
    do {                                                                                                              \
        if (result == CURLE_OK)                                                                                       \
            result = curl_easy_setopt(handle, (option), (value));                                                     \
    } while (0)

static CURLcode set_limits(CURL *handle, const struct http_request *request)
{
    CURLcode result = CURLE_OK;

    SET(CURLOPT_PROTOCOLS_STR, "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)(request->time_limit / MILLISECONDS));
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(request->time_limit / MILLISECONDS));
    return result;
}

static CURLcode set_trust(CURL *handle, const struct http_request *request)
{
    CURLcode result = CURLE_OK;

    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    if (*request->ca_file == '\0' && *request->ca_path == '\0')
        return result;
    /* Whoever names one means only that one: libcurl's own choice for the other goes. */
    SET(CURLOPT_CAINFO, *request->ca_file != '\0' ? request->ca_file : NULL);
    SET(CURLOPT_CAPATH, *request->ca_path != '\0' ? request->ca_path : NULL);
    return result;
}

static CURLcode set_exchange(CURL *handle, struct exchange *exchange)
{
    CURLcode result = CURLE_OK;

    SET(CURLOPT_URL, exchange->request->url);
    SET(CURLOPT_USERAGENT, exchange->request->user_agent);
    SET(CURLOPT_ERRORBUFFER, exchange->trouble);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, exchange);
    SET(CURLOPT_HEADERFUNCTION, take_head);
    SET(CURLOPT_HEADERDATA, exchange);
    return result;
}

static CURLcode set_body(CURL *handle, const struct http_request *request, struct curl_slist **headers)
{
    char line[200];
    CURLcode result = CURLE_OK;

    if (request->content_type == NULL)
        return result;
    snprintf(line, sizeof line, "Content-Type: %s", request->content_type);
    *headers = curl_slist_append(*headers, line);
    *headers = curl_slist_append(*headers, "Expect:"); /* no wait for "100 Continue" */
    SET(CURLOPT_HTTPHEADER, *headers);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
    SET(CURLOPT_POSTFIELDS, request->body != NULL ? request->body : "");
    return result;
}

static CURLcode set_place(CURL *handle, const struct http_request *request, struct curl_slist **places)
{
    CURLcode result = CURLE_OK;

    if (request->resolve == NULL)
        return result;
    *places = curl_slist_append(NULL, request->resolve);
    SET(CURLOPT_RESOLVE, *places);
    return result;
}

/* "Text/Plain; charset=utf-8" is "text/plain". One that does not fit is none that anybody asks for. */
static void read_content_type(CURL *handle, struct http_answer *answer)
{
    const char *type = NULL;
    size_t length;

    if (curl_easy_getinfo(handle, CURLINFO_CONTENT_TYPE, &type) != CURLE_OK || type == NULL)
        return;
    length = strcspn(type, "; \t");
    if (length >= sizeof answer->content_type)
        return;
    memcpy(answer->content_type, type, length);
    answer->content_type[length] = '\0';
    ascii_lower_string(answer->content_type);
}

static void run(void *context)
{
    struct exchange *exchange = context;
    struct curl_slist *headers = NULL, *places = NULL;
    CURL *handle;

    pthread_once(&library_once, start_library);
    handle = curl_easy_init();
    exchange->result = handle == NULL ? CURLE_FAILED_INIT : set_limits(handle, exchange->request);
    if (exchange->result == CURLE_OK)
        exchange->result = set_trust(handle, exchange->request);
    if (exchange->result == CURLE_OK)
        exchange->result = set_exchange(handle, exchange);
    if (exchange->result == CURLE_OK)
        exchange->result = set_body(handle, exchange->request, &headers);
    if (exchange->result == CURLE_OK)
        exchange->result = set_place(handle, exchange->request, &places);
    if (exchange->result == CURLE_OK)
        exchange->result = curl_easy_perform(handle);
    if (exchange->result == CURLE_OK) {
        curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &exchange->answer->status);
        read_content_type(handle, exchange->answer);
    }
    curl_easy_cleanup(handle);
    curl_slist_free_all(headers);
    curl_slist_free_all(places);
}

bool http_fetch(const struct http_request *request, struct http_answer *answer, struct error *error)
{
    struct exchange exchange = {.request = request, .answer = answer};

    memset(answer, 0, sizeof *answer);
    offload_run(run, &exchange);
    answer->untrusted = exchange.result == CURLE_PEER_FAILED_VERIFICATION;
    answer->not_asked = exchange.result == CURLE_SSL_CACERT_BADFILE || exchange.result == CURLE_OUT_OF_MEMORY ||
                        exchange.result == CURLE_FAILED_INIT || exchange.result == CURLE_UNKNOWN_OPTION;
    if (exchange.result == CURLE_OK)
        return true;
    if (exchange.body_too_long)
        return error_set(error, "%s: the answer is longer than %zu bytes", request->url, request->size_limit);
    if (exchange.head_too_long)
        return error_set(error, "%s: the answer's header is longer than %d bytes", request->url, HEAD_LIMIT);
    return error_set(error, "%s: %s", request->url,
                     *exchange.trouble != '\0' ? exchange.trouble : curl_easy_strerror(exchange.result));
}
