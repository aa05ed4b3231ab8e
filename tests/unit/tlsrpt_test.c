/* TLS reports (RFC 8460): adding up, days, limits, the report's JSON, domains' records, when reports leave, their mail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "smtp/tls_report.h"
#include "tlsrpt/message.h"
#include "tlsrpt/record.h"
#include "tlsrpt/sender.h"
#include "util/base/memory.h"
#include "util/net/tls.h"
#include "util/web/gzip.h"

#define DAY INT64_C(86400)
#define NOON (20000 * DAY + DAY / 2)

static char directory[] = "/tmp/tlsrpt_test.XXXXXX";
static const struct tlsrpt_reporter reporter = {"Example \"Inc.\"", "tls@example.com"};

static void remove_file(const char *name)
{
    char *path = memory_format("%s/%s", directory, name);

    unlink(path);
    free(path);
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int fresh(void **state)
{
    (void)state;
    remove_file("tlsrpt.lmdb");
    remove_file("tlsrpt.lmdb-lock");
    return 0;
}

static int remove_directory(void **state)
{
    fresh(state);
    return rmdir(directory);
}

static struct tlsrpt_counts *open_counts(int64_t domains, int64_t failures)
{
    const struct tlsrpt_limits limits = {.period = DAY, .domains = domains, .failures = failures};
    struct error error = {{0}};
    struct tlsrpt_counts *counts = tlsrpt_counts_open(directory, &limits, &error);

    if (counts == NULL)
        fail_msg("%s", error.text);
    return counts;
}

/* How many of them were over a limit. */
static size_t add(struct tlsrpt_counts *counts, const char *domain, enum tls_failure failure, const char *host, int64_t now)
{
    struct arena *arena = arena_new();
    struct tlsrpt_result plain = {.domain = domain, .failure = failure, .receiving_host = host};
    const struct tlsrpt_result *result = ipc_copy(&ipc_tlsrpt_result, &plain, arena);
    struct error error = {{0}};
    size_t uncounted;

    if (!tlsrpt_counts_add(counts, &result, 1, now, &uncounted, &error))
        fail_msg("%s", error.text);
    arena_free(arena);
    return uncounted;
}

/* ---- what is there ---- */

struct listing {
    struct text text;
    struct tlsrpt_counts *forget_in; /* NULL: look only */
    struct tlsrpt_counts *counts;
};

static bool list_one(void *context, const struct tlsrpt_domain *domain)
{
    struct listing *listing = context;
    struct tlsrpt_sums sums;
    struct text json = {0};
    struct error error;

    assert_true(tlsrpt_report_append(listing->counts, domain, &reporter, &json, &sums, &error));
    text_append_format(&listing->text, "%lld-%lld %s %lld/%lld/%lld\n", (long long)domain->start, (long long)domain->end,
                       domain->domain, (long long)sums.successes, (long long)sums.failures, (long long)sums.unlisted);
    if (listing->forget_in != NULL)
        assert_true(tlsrpt_counts_forget(listing->forget_in, domain, &error));
    text_free(&json);
    return true;
}

static void expect(struct tlsrpt_counts *counts, bool forget, const char *wanted)
{
    struct listing listing = {.counts = counts, .forget_in = forget ? counts : NULL};
    struct error error;

    assert_true(tlsrpt_counts_each(counts, list_one, &listing, &error));
    assert_string_equal(text_string(&listing.text), wanted);
    text_free(&listing.text);
}

static bool take_report(void *context, const struct tlsrpt_domain *domain)
{
    struct listing *listing = context;
    struct tlsrpt_domain fixed = *domain;
    struct tlsrpt_sums sums;
    struct error error;

    fixed.id = "ID";
    return tlsrpt_report_append(listing->counts, &fixed, &reporter, &listing->text, &sums, &error);
}

static void expect_report(struct tlsrpt_counts *counts, const char *wanted)
{
    struct listing listing = {.counts = counts};
    struct error error;

    assert_true(tlsrpt_counts_each(counts, take_report, &listing, &error));
    assert_string_equal(text_string(&listing.text), wanted);
    text_free(&listing.text);
}

/* ---- counting ---- */

static void results_add_up_by_day_and_domain(void **state)
{
    struct tlsrpt_counts *counts = open_counts(100, 100);

    (void)state;
    add(counts, "b.example", TLS_FAILURE_NONE, "", NOON);
    add(counts, "A.Example", TLS_FAILURE_NONE, "", NOON);
    add(counts, "a.example", TLS_FAILURE_STARTTLS_NOT_SUPPORTED, "mx", NOON);
    add(counts, "a.example", TLS_FAILURE_STARTTLS_NOT_SUPPORTED, "mx", 20001 * DAY - 1);
    add(counts, "a.example", TLS_FAILURE_NONE, "", 20001 * DAY);
    tlsrpt_counts_close(counts);
    counts = open_counts(100, 100);
    expect(counts, false, "1728000000-1728086400 a.example 1/2/0\n1728000000-1728086400 b.example 1/0/0\n"
                          "1728086400-1728172800 a.example 1/0/0\n");
    expect(counts, true, "1728000000-1728086400 a.example 1/2/0\n1728000000-1728086400 b.example 1/0/0\n"
                         "1728086400-1728172800 a.example 1/0/0\n");
    expect(counts, false, "");
    add(counts, "a.example", TLS_FAILURE_NONE, "", NOON);
    expect(counts, false, "1728000000-1728086400 a.example 1/0/0\n");
    tlsrpt_counts_close(counts);
}

static void domains_whose_names_begin_alike_are_apart(void **state)
{
    struct tlsrpt_counts *counts = open_counts(100, 100);
    struct tlsrpt_domain first = {.start = 20000 * DAY, .domain = "a.example"};
    struct error error;

    (void)state;
    add(counts, "a.example", TLS_FAILURE_VALIDATION, "x", NOON);
    add(counts, "a.example.com", TLS_FAILURE_VALIDATION, "x", NOON);
    add(counts, "a.example-x", TLS_FAILURE_VALIDATION, "x", NOON);
    assert_true(tlsrpt_counts_forget(counts, &first, &error));
    expect(counts, false, "1728000000-1728086400 a.example-x 0/1/0\n1728000000-1728086400 a.example.com 0/1/0\n");
    tlsrpt_counts_close(counts);
}

static void limits_hold(void **state)
{
    struct tlsrpt_counts *counts = open_counts(2, 3);
    char host[16];

    (void)state;
    for (int i = 0; i < 5; i++) {
        snprintf(host, sizeof host, "mx%d", i);
        assert_int_equal(add(counts, "a.example", TLS_FAILURE_VALIDATION, host, NOON), 0);
        assert_int_equal(add(counts, "a.example", TLS_FAILURE_VALIDATION, host, NOON), 0);
    }
    assert_int_equal(add(counts, "b.example", TLS_FAILURE_NONE, "", NOON), 0);
    assert_int_equal(add(counts, "c.example", TLS_FAILURE_NONE, "", NOON), 1);
    assert_int_equal(add(counts, "b.example", TLS_FAILURE_NONE, "", NOON), 0);
    assert_int_equal(add(counts, "c.example", TLS_FAILURE_NONE, "", NOON + DAY), 0);
    expect(counts, false, "1728000000-1728086400 a.example 0/10/4\n1728000000-1728086400 b.example 2/0/0\n"
                          "1728086400-1728172800 c.example 1/0/0\n");
    tlsrpt_counts_close(counts);
}

static void names_that_are_none_are_not_counted(void **state)
{
    static const char *const names[] = {"", "a/b", "a b", "a\nb", "\xc3\xa4.example", "a%2fb"};
    struct tlsrpt_counts *counts = open_counts(100, 100);
    char long_name[300];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(add(counts, names[i], TLS_FAILURE_NONE, "", NOON), 1);
    memset(long_name, 'a', sizeof long_name);
    long_name[254] = '\0';
    assert_int_equal(add(counts, long_name, TLS_FAILURE_NONE, "", NOON), 1);
    long_name[253] = '\0';
    assert_int_equal(add(counts, long_name, TLS_FAILURE_VALIDATION, "x", NOON), 0);
    tlsrpt_counts_close(counts);
}

/* ---- the report ---- */

static void add_sts(struct tlsrpt_counts *counts, enum tls_failure failure)
{
    const char *lines[] = {"version: STSv1", "mode: testing"}, *patterns[] = {"*.mail.example"};
    struct tlsrpt_result plain = {.domain = "example.com",
                                  .policy_type = TLS_POLICY_STS,
                                  .policy_lines = {lines, 2},
                                  .mx_patterns = {patterns, 1},
                                  .failure = failure,
                                  .sending_address = "2001:db8::1",
                                  .receiving_host = "mx1.mail.example",
                                  .receiving_address = "203.0.113.56",
                                  .receiving_helo = "he\"lo\n\xff",
                                  .reason = "certificate has expired",
                                  .additional = "https://help.example/"};
    struct arena *arena = arena_new();
    const struct tlsrpt_result *result = ipc_copy(&ipc_tlsrpt_result, &plain, arena);
    struct error error;
    size_t uncounted;

    assert_true(tlsrpt_counts_add(counts, &result, 1, NOON, &uncounted, &error));
    arena_free(arena);
}

static void a_report_has_all_its_parts(void **state)
{
    struct tlsrpt_counts *counts = open_counts(100, 100);

    (void)state;
    add_sts(counts, TLS_FAILURE_CERTIFICATE_EXPIRED);
    add_sts(counts, TLS_FAILURE_CERTIFICATE_EXPIRED);
    add_sts(counts, TLS_FAILURE_NONE);
    expect_report(counts,
                  "{\"organization-name\": \"Example \\\"Inc.\\\"\", \"date-range\": {\"start-datetime\": \"2024-10-04T00:00:00Z\", "
                  "\"end-datetime\": \"2024-10-04T23:59:59Z\"}, \"contact-info\": \"tls@example.com\", \"report-id\": \"ID\", "
                  "\"policies\": [{\"policy\": {\"policy-type\": \"sts\", \"policy-string\": [\"version: STSv1\", \"mode: testing\"], "
                  "\"policy-domain\": \"example.com\", \"mx-host\": [\"*.mail.example\"]}, "
                  "\"summary\": {\"total-successful-session-count\": 1, \"total-failure-session-count\": 2}, "
                  "\"failure-details\": [{\"result-type\": \"certificate-expired\", \"sending-mta-ip\": \"2001:db8::1\", "
                  "\"receiving-mx-hostname\": \"mx1.mail.example\", \"receiving-mx-helo\": \"he\\\"lo\\n?\", "
                  "\"receiving-ip\": \"203.0.113.56\", \"failed-session-count\": 2, "
                  "\"additional-information\": \"https://help.example/\", \"failure-reason-code\": \"certificate has expired\"}]}]}");
    tlsrpt_counts_close(counts);
}

static void policies_of_a_domain_are_apart(void **state)
{
    struct tlsrpt_counts *counts = open_counts(100, 100);
    struct listing listing = {.counts = counts};
    struct error error;

    (void)state;
    add_sts(counts, TLS_FAILURE_NONE);
    add(counts, "example.com", TLS_FAILURE_NONE, "", NOON);
    assert_true(tlsrpt_counts_each(counts, take_report, &listing, &error));
    assert_non_null(strstr(text_string(&listing.text), "{\"policy-type\": \"no-policy-found\", \"policy-domain\": \"example.com\"}"));
    assert_non_null(strstr(text_string(&listing.text), "{\"policy-type\": \"sts\","));
    expect(counts, false, "1728000000-1728086400 example.com 2/0/0\n");
    text_free(&listing.text);
    tlsrpt_counts_close(counts);
}

/* ---- what smtp calls it ---- */

static void each_reason_has_its_name(void **state)
{
    static const struct {
        enum tls_verify_reason reason;
        enum tls_failure failure;
    } cases[] = {
        {TLS_REASON_DATES, TLS_FAILURE_CERTIFICATE_EXPIRED},
        {TLS_REASON_NAME, TLS_FAILURE_CERTIFICATE_HOST_MISMATCH},
        {TLS_REASON_SELF_SIGNED, TLS_FAILURE_CERTIFICATE_NOT_TRUSTED},
        {TLS_REASON_UNTRUSTED_ISSUER, TLS_FAILURE_CERTIFICATE_NOT_TRUSTED},
        {TLS_REASON_OTHER, TLS_FAILURE_VALIDATION},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct tls_peer peer = {.verify_reason = cases[i].reason};

        assert_int_equal(smtp_tls_failure(&(struct smtp_tls_policy){.level = SMTP_TLS_SECURE}, &peer), cases[i].failure);
        assert_int_equal(smtp_tls_failure(&(struct smtp_tls_policy){.level = SMTP_TLS_FINGERPRINT}, &peer),
                         TLS_FAILURE_VALIDATION);
    }
}

/* ---- records ---- */

/* The destinations: addresses of mailto:, URIs of https:. */
static void expect_record(const char *text, const char *wanted)
{
    struct arena *arena = arena_new();
    struct text found = {0};
    struct record record;

    if (record_parse(text, arena, &record))
        for (size_t i = 0; i < record.count; i++)
            text_append_format(&found, "%s ", record.destinations[i].address != NULL ? record.destinations[i].address
                                                                                     : record.destinations[i].uri);
    assert_string_equal(text_string(&found), wanted);
    text_free(&found);
    arena_free(arena);
}

static void records_as_they_should_be(void **state)
{
    (void)state;
    expect_record("v=TLSRPTv1;rua=mailto:a@b.example", "a@b.example ");
    expect_record("v=TLSRPTv1; rua=mailto:a@b.example;", "a@b.example ");
    expect_record("v=TLSRPTv1 ;\trua=mailto:a@b.example , https://c.example/v1?x=1 ; ext.x_1-y=z ;", "a@b.example https://c.example/v1?x=1 ");
    expect_record("v=TLSRPTv1; rua=MAILTO:a%2Bb@c.example", "a+b@c.example ");
    expect_record("v=TLSRPTv1; rua=ftp://x.example/,mailto:a@b.example", "a@b.example ");
    expect_record("v=TLSRPTv1; rua=mailto:a@b.example?subject=x", "a@b.example ");
    expect_record("v=TLSRPTv1; rua=mailto:a%2Cb@c.example", "");
    assert_true(record_is_meant("v=TLSRPTv1;"));
    assert_true(record_is_meant("v=TLSRPTv1 ; x"));
    assert_false(record_is_meant("v=TLSRPTv1"));
    assert_false(record_is_meant("v=TLSRPTv10; rua=mailto:a@b.example"));
    assert_false(record_is_meant("V=TLSRPTv1; rua=mailto:a@b.example"));
    assert_false(record_is_meant(" v=TLSRPTv1;"));
}

static void hostile_records(void **state)
{
    static const char *const bad[] = {
        "", "v=TLSRPTv1", "v=TLSRPTv1;", "v=TLSRPTv1; ;", "v=TLSRPTv1; rua", "v=TLSRPTv1; rua=", "v=TLSRPTv1; rua =mailto:a@b.example",
        "v=TLSRPTv1; RUA=mailto:a@b.example", "v=TLSRPTv1;; rua=mailto:a@b.example",
        "v=TLSRPTv1; rua=mailto:a@b.example; rua=mailto:c@d.example", "v=TLSRPTv1; =x; rua=mailto:a@b.example",
        "v=TLSRPTv1; -x=y; rua=mailto:a@b.example", "v=TLSRPTv1; x=; rua=mailto:a@b.example",
        "v=TLSRPTv1; x=a b; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:", "v=TLSRPTv1; rua=mailto:a",
        "v=TLSRPTv1; rua=mailto:a@", "v=TLSRPTv1; rua=mailto:@b.example", "v=TLSRPTv1; rua=mailto:a@b.example%0d%0aBcc:c@d.example",
        "v=TLSRPTv1; rua=mailto:a@b.example%00", "v=TLSRPTv1; rua=mailto:a%4", "v=TLSRPTv1; rua=mailto:a%zz@b.example",
        "v=TLSRPTv1; rua=mailto:a@b.example\r\nX: y", "v=TLSRPTv1; rua=mailto:<a@b.example>", "v=TLSRPTv1; rua=mailto:%3Ca@b.example%3E", "v=TLSRPTv1; rua=mailto:a@b.example> SIZE=1",
        "v=TLSRPTv1; rua=mailto:a b@c.example", "v=TLSRPTv1; rua=mailto:\xc3\xa4@b.example", "v=TLSRPTv1; rua=https://",
        "v=TLSRPTv1; rua=https:///x", "v=TLSRPTv1; rua=https://:443/", "v=TLSRPTv1; rua=https://u:p@c.example/",
        "v=TLSRPTv1; rua=https://c.example/a b", "v=TLSRPTv1; rua=https://c.example/#x", "v=TLSRPTv1; rua=http://c.example/",
        "v=TLSRPTv1; rua=https://c.example/\x01", "v=TLSRPTv1; rua=file:///etc/passwd", "v=TLSRPTv1; rua=,,,",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_record(bad[i], "");
}

static void long_records(void **state)
{
    struct text text = {0}, wanted = {0};

    (void)state;
    text_append(&text, "v=TLSRPTv1; rua=https://a.example/");
    for (int i = 0; i < 1000; i++)
        text_append_char(&text, 'x');
    expect_record(text_string(&text), "");
    text_clear(&text);
    text_append(&text, "v=TLSRPTv1; rua=mailto:a0@b.example");
    for (int i = 1; i < 100; i++)
        text_append_format(&text, ",mailto:a%d@b.example", i);
    for (int i = 0; i < RECORD_DESTINATIONS; i++)
        text_append_format(&wanted, "a%d@b.example ", i);
    expect_record(text_string(&text), text_string(&wanted));
    text_free(&text);
    text_free(&wanted);
}

/* ---- when ---- */

static void reports_leave_at_times_that_their_ids_draw(void **state)
{
    struct tlsrpt_domain domain = {.end = 1000, .id = "00000000ffffffffffffffffffffffff"};

    (void)state;
    assert_int_equal(sender_due(&domain, 14400), 1000);
    domain.id = "80000000ffffffffffffffffffffffff";
    assert_int_equal(sender_due(&domain, 14400), 1000 + 7200);
    domain.id = "ffffffff00000000ffffffffffffffff";
    assert_in_range(sender_due(&domain, 14400), 1000 + 14398, 1000 + 14400);
    assert_int_equal(sender_due(&domain, 0), 1000);
    domain.next_try = 99999;
    assert_int_equal(sender_due(&domain, 0), 99999);
    domain.id = "";
    domain.next_try = 0;
    assert_int_equal(sender_due(&domain, 14400), 1000);
}

static void tries_come_further_and_further_apart(void **state)
{
    (void)state;
    assert_int_equal(sender_retry_delay(1, 300), 300);
    assert_int_equal(sender_retry_delay(2, 300), 600);
    assert_int_equal(sender_retry_delay(6, 300), 9600);
    assert_int_equal(sender_retry_delay(7, 300), 14400);
    assert_int_equal(sender_retry_delay(1000000, 300), 14400);
    assert_int_equal(sender_retry_delay(3, 86400), 86400);
}

/* ---- mail ---- */

static void a_report_as_mail(void **state)
{
    const struct mail_config mail = {.myhostname = "mail.sender.example", .mail_name = "Postern"};
    const struct tlsrpt_config config = {.tlsrpt_from_address = "tls reports@sender.example"};
    struct service_environment environment = {.mail = &mail};
    const struct tlsrpt tlsrpt = {.environment = &environment, .config = &config, .submitter = "sender.example"};
    const struct tlsrpt_domain domain = {.start = 20000 * DAY, .end = 20001 * DAY, .domain = "example.com", .id = "abcd"};
    const struct report_message message = {.domain = &domain, .to = "r@example.com", .gzip = "0123456789", .length = 10};
    struct text out = {0};

    (void)state;
    report_message_append(&tlsrpt, &message, "QUEUEID", NOON, &out);
    assert_non_null(strstr(text_string(&out), "\nFrom: \"tls reports\"@sender.example\nTo: r@example.com\n"));
    assert_non_null(strstr(text_string(&out), "\nSubject: Report Domain: example.com\n Submitter: sender.example\n"
                                              " Report-ID: <abcd@sender.example>\n"));
    assert_non_null(strstr(text_string(&out), "\nTLS-Report-Domain: example.com\nTLS-Report-Submitter: sender.example\n"
                                              "TLS-Required: no\n"));
    assert_non_null(strstr(text_string(&out), "filename=\"sender.example!example.com!1728000000!1728086399.json.gz\"\n\n"
                                              "MDEyMzQ1Njc4OQ==\n\n--abcd--\n"));
    text_free(&out);
}

static void gzip_makes_what_gunzip_reads(void **state)
{
    struct text packed = {0}, plain = {0};

    (void)state;
    for (int i = 0; i < 10000; i++)
        text_append(&plain, "the same again ");
    gzip_append(plain.data, plain.length, &packed);
    assert_in_range(packed.length, 20, 2000);
    assert_memory_equal(packed.data, "\x1f\x8b\x08", 3);
    text_clear(&packed);
    gzip_append("", 0, &packed);
    assert_memory_equal(packed.data, "\x1f\x8b\x08", 3);
    text_free(&packed);
    text_free(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(results_add_up_by_day_and_domain, fresh),
        cmocka_unit_test_setup(domains_whose_names_begin_alike_are_apart, fresh),
        cmocka_unit_test_setup(limits_hold, fresh),
        cmocka_unit_test_setup(names_that_are_none_are_not_counted, fresh),
        cmocka_unit_test_setup(a_report_has_all_its_parts, fresh),
        cmocka_unit_test_setup(policies_of_a_domain_are_apart, fresh),
        cmocka_unit_test(each_reason_has_its_name),
        cmocka_unit_test(records_as_they_should_be),
        cmocka_unit_test(hostile_records),
        cmocka_unit_test(long_records),
        cmocka_unit_test(reports_leave_at_times_that_their_ids_draw),
        cmocka_unit_test(tries_come_further_and_further_apart),
        cmocka_unit_test(a_report_as_mail),
        cmocka_unit_test(gzip_makes_what_gunzip_reads),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
