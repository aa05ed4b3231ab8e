/* tls= and what stands in it for REQUIRETLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "smtp/requiretls.h"
#include "smtp/tls_status.h"
#include "util/net/tls.h"

static void levels(void **state)
{
    struct smtp_tls_policy may = {.level = SMTP_TLS_MAY}, secure = {.level = SMTP_TLS_SECURE};
    struct arena *arena = arena_new();

    (void)state;
    assert_string_equal(smtp_tls_status_level(&may, &may, arena), "may");
    assert_string_equal(smtp_tls_status_level(&secure, &may, arena), "secure:may");
    assert_string_equal(smtp_tls_status_level(&may, &secure, arena), "secure");
    arena_free(arena);
}

static void sessions(void **state)
{
    struct tls_peer peer = {.trust = TLS_UNTRUSTED};
    struct smtp_session clear = {.tls = NULL}, encrypted = {.tls = &peer};
    struct arena *arena = arena_new();

    (void)state;
    assert_string_equal(smtp_tls_status("may", NULL, arena), "may?");
    assert_string_equal(smtp_tls_status("may", &clear, arena), "may:none");
    assert_string_equal(smtp_tls_status("may", &encrypted, arena), "may");
    assert_string_equal(smtp_tls_status("none", NULL, arena), "none");
    assert_string_equal(smtp_tls_status("none", &clear, arena), "none");
    arena_free(arena);
}

static void requiretls(void **state)
{
    struct tls_peer peer = {.trust = TLS_VERIFIED};
    struct smtp_session session = {.offer.features = EHLO_REQUIRETLS};

    (void)state;
    assert_string_equal(smtp_requiretls_status(NULL), "requiretls?");
    assert_string_equal(smtp_requiretls_status(&session), "requiretls:none"); /* offered in the clear: not believed */
    session.tls = &peer;
    session.security = SESSION_ENCRYPTED;
    assert_string_equal(smtp_requiretls_status(&session), "requiretls:nocertmatch");
    assert_string_equal(smtp_requiretls_session_lack(REQUIRETLS_ENFORCED, &session), "nocertmatch");
    assert_null(smtp_requiretls_session_lack(REQUIRETLS_ENCRYPTED, &session));
    session.security = SESSION_VERIFIED;
    assert_string_equal(smtp_requiretls_status(&session), "requiretls");
    assert_null(smtp_requiretls_session_lack(REQUIRETLS_ENFORCED, &session));
    session.offer.features = 0;
    assert_string_equal(smtp_requiretls_session_lack(REQUIRETLS_ENFORCED, &session), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(levels), cmocka_unit_test(sessions), cmocka_unit_test(requiretls)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
