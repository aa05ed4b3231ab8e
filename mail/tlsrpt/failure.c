#include "mail/tlsrpt/failure.h"

static const char *const words[] = {
    [TLS_FAILURE_NONE] = "validation-failure",
    [TLS_FAILURE_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
    [TLS_FAILURE_CERTIFICATE_HOST_MISMATCH] = "certificate-host-mismatch",
    [TLS_FAILURE_CERTIFICATE_EXPIRED] = "certificate-expired",
    [TLS_FAILURE_CERTIFICATE_NOT_TRUSTED] = "certificate-not-trusted",
    [TLS_FAILURE_VALIDATION] = "validation-failure",
    [TLS_FAILURE_TLSA_INVALID] = "tlsa-invalid",
    [TLS_FAILURE_DNSSEC_INVALID] = "dnssec-invalid",
    [TLS_FAILURE_DANE_REQUIRED] = "dane-required",
    [TLS_FAILURE_STS_POLICY_FETCH] = "sts-policy-fetch-error",
    [TLS_FAILURE_STS_POLICY_INVALID] = "sts-policy-invalid",
    [TLS_FAILURE_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
};

const char *tlsrpt_failure_word(int64_t failure)
{
    return words[failure >= 0 && (size_t)failure < sizeof words / sizeof *words ? failure : TLS_FAILURE_NONE];
}
