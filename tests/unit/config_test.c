/* main.cf: reading, overriding, typed values, the check, and the .def lists as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mail/config/catalog.h"
#include "mail/config/mail_config.h"
#include "util/base/log.h"
#include "util/base/memory.h"

static char *write_file(const char *directory, const char *name, const char *content)
{
    char *path = memory_format("%s/%s", directory, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(content, file);
    fclose(file);
    return path;
}

static void quiet(enum log_level level, const char *line)
{
    (void)level;
    (void)line;
}

/* Loads main.cf (and master.cf unless NULL) from a directory that is gone afterwards. */
static struct config *load(const char *main_cf, const char *master_cf, struct error *error)
{
    char directory[] = "/tmp/config_test.XXXXXX", *main_path, *master_path = NULL;
    struct config *config;

    assert_non_null(mkdtemp(directory));
    main_path = write_file(directory, "main.cf", main_cf);
    if (master_cf != NULL)
        master_path = write_file(directory, "master.cf", master_cf);
    config = config_load(directory, error);
    unlink(main_path);
    if (master_path != NULL)
        unlink(master_path);
    rmdir(directory);
    free(main_path);
    free(master_path);
    return config;
}

static void computed_defaults_do_not_go_in_circles(void **state)
{
    static const char *const orders[][2] = {{"myhostname", "mydomain"}, {"mydomain", "myhostname"}};
    struct error error;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct config *config = load("myhostname = mail.$mydomain\n", NULL, &error);

        config_get(config, orders[i][0]);
        config_get(config, orders[i][1]);
        assert_string_equal(config_get(config, "mydomain"), "localdomain");
        assert_string_equal(config_get(config, "myhostname"), "mail.localdomain");
        config_free(config);
    }
}

static void reads_logical_lines(void **state)
{
    struct error error;
    struct config *config = load("# comment\n\nrelay_domains = a\n  # in between\n\n  b\nmyorigin=x  \n"
                                 "myorigin = y\nlast = $$1 = 2",
                                 NULL, &error);

    (void)state;
    assert_non_null(config);
    assert_string_equal(config_get_raw(config, "relay_domains"), "a  b");
    assert_int_equal(config_line(config, "relay_domains"), 3);
    assert_string_equal(config_get(config, "myorigin"), "y");
    assert_int_equal(config_line(config, "myorigin"), 8);
    assert_string_equal(config_get(config, "last"), "$1 = 2");
    assert_null(config_get(config, "nobody_knows_this"));
    assert_null(config_get_raw(config, "mydestination"));
    config_free(config);
}

static void bad_lines_name_their_place(void **state)
{
    struct error error;

    (void)state;
    assert_null(load("mydomain = x\n\nnoequals", NULL, &error));
    assert_non_null(strstr(error.text, "main.cf, line 3: missing '=' after attribute name: \"noequals\""));
    assert_null(load("= x", NULL, &error));
    assert_non_null(strstr(error.text, "line 1: missing attribute name"));
    assert_null(load("a b = c", NULL, &error));
    assert_non_null(strstr(error.text, "missing '='"));
}

static void overrides_win(void **state)
{
    struct error error;
    struct config *config = load("myorigin = $mydomain\nmydomain = a", NULL, &error);
    const char *before = config_get(config, "myorigin");

    (void)state;
    assert_string_equal(before, "a");
    assert_true(config_override(config, "{ mydomain = b c }", &error));
    assert_string_equal(config_get(config, "myorigin"), "b c");
    assert_string_equal(before, "a"); /* what was handed out stays */
    assert_true(config_override(config, "mydomain=", &error));
    assert_string_equal(config_get(config, "myorigin"), "");
    assert_false(config_override(config, "mydomain", &error));
    config_free(config);
}

static void times(void **state)
{
    duration length;

    (void)state;
    assert_true(config_parse_time("5", 's', &length) && length == 5 * SECONDS);
    assert_true(config_parse_time("5", 'd', &length) && length == 5 * 86400 * SECONDS);
    assert_true(config_parse_time("2m", 'd', &length) && length == 120 * SECONDS);
    assert_true(config_parse_time("1w", 's', &length) && length == 7 * 86400 * SECONDS);
    assert_false(config_parse_time("", 's', &length));
    assert_false(config_parse_time("3x", 's', &length));
    assert_false(config_parse_time("3ss", 's', &length));
    assert_false(config_parse_time("-3s", 's', &length));
    assert_false(config_parse_time("99999999999999999w", 's', &length));
}

static void units_follow_the_default(void **state)
{
    struct config *config = config_new_empty("/nowhere");
    struct error error;

    (void)state;
    assert_true(config_override(config, "maximal_queue_lifetime=2", &error));
    assert_true(config_override(config, "max_idle=2", &error));
    assert_true(config_get_time(config, "maximal_queue_lifetime", 0) == 2 * 86400 * SECONDS);
    assert_true(config_get_time(config, "max_idle", 0) == 2 * SECONDS);
    config_free(config);
}

struct sample_config {
    const char *string;
    const char *raw;
    bool boolean;
    long count;
    duration time;
};

static const struct parameter sample_rows[] = {
    PARAMETER_ROW(struct sample_config, string, string, "$mydomain", 1, 0, "")
    PARAMETER_ROW(struct sample_config, raw, raw, "$user", 0, 0, "")
    PARAMETER_ROW(struct sample_config, boolean, boolean, "no", 0, 0, "")
    PARAMETER_ROW(struct sample_config, count, count, "${stress?{1}:{20}}", 1, 100, "")
    PARAMETER_ROW(struct sample_config, time, time, "${stress?{10}:{300}}s", 1s, 1d, "")
};
static const struct parameter_set sample_set = PARAMETER_SET(sample_rows, struct sample_config);

static void fills_structs(void **state)
{
    struct error error;
    struct config *config = load("mydomain = d\nboolean = YES\nraw = a $b", NULL, &error);
    struct sample_config sample;

    (void)state;
    assert_true(config_fill(config, &sample_set, &sample, &error));
    assert_string_equal(sample.string, "d");
    assert_true(sample.boolean);
    assert_int_equal(sample.count, 20);
    assert_true(sample.time == 300 * SECONDS);
    config_free(config);
}

static void refuses(const char *main_cf, const char *expected)
{
    struct error error;
    struct config *config = load(main_cf, NULL, &error);
    struct sample_config sample;

    assert_false(config_fill(config, &sample_set, &sample, &error));
    if (strstr(error.text, expected) == NULL)
        fail_msg("%s, not %s", error.text, expected);
    config_free(config);
}

static void bad_values_name_their_place(void **state)
{
    (void)state;
    refuses("\ncount = 3x", "main.cf: line 2: bad numerical value: count = 3x");
    refuses("count = 0", "line 1: invalid count parameter value 0 < 1");
    refuses("count = 101", "> 100");
    refuses("count =", "bad numerical value");
    refuses("time = 3x00s", "line 1: bad time value: time = 3x00s");
    refuses("time = 2d", "invalid time parameter value 2d > 1d");
    refuses("boolean = maybe", "bad boolean value: boolean = maybe");
    refuses("string =", "line 1: bad value: string is empty");
    refuses("string = ${x", "line 1: string: truncated macro reference");
}

static void everything_has_a_good_default(void **state)
{
    struct config *config = config_new_empty("/nowhere");
    struct mail_config mail;
    struct error error;

    (void)state;
    if (!config_fill(config, &mail_parameters, &mail, &error))
        fail_msg("%s", error.text);
    assert_string_equal(mail.queue_directory, "/var/spool/postfix");
    assert_string_equal(mail.config_directory, "/nowhere");
    assert_string_equal(mail.syslog_name, "postfix");
    assert_int_equal(mail.message_size_limit, 10240000);
    for (size_t i = 0; i < catalog_count(); i++)
        assert_non_null(config_get(config, catalog_at(i)->name));
    config_free(config);
}

static void host_names_complete_each_other(void **state)
{
    struct config *config = config_new_empty("/nowhere");
    struct error error;

    (void)state;
    assert_non_null(strchr(config_get(config, "myhostname"), '.'));
    assert_true(config_override(config, "myhostname=mx.test.example", &error));
    assert_string_equal(config_get(config, "mydomain"), "test.example");
    assert_string_equal(config_get(config, "mydestination"), "mx.test.example, localhost.test.example, localhost");
    config_free(config);
}

static void transports_fall_back(void **state)
{
    struct config *config = config_new_empty("/nowhere");
    struct error error;
    static const char suffix[] = "_destination_concurrency_limit", fallback[] = "default_destination_concurrency_limit";

    (void)state;
    assert_string_equal(config_get_transport(config, "slow", suffix, fallback), "20");
    assert_string_equal(config_get_transport(config, "local", suffix, fallback), "2");
    assert_true(config_override(config, "slow_destination_concurrency_limit=7", &error));
    assert_string_equal(config_get_transport(config, "slow", suffix, fallback), "7");
    config_free(config);
}

static void collect(void *context, const char *file, int line, const char *complaint)
{
    (void)file;
    text_append_format(context, "%d %s\n", line, complaint);
}

static void the_check_knows_what_is_used(void **state)
{
    static const char main_cf[] = "foo = $bar\n"
                                  "bar = 1\n"
                                  "smtpd_restriction_classes = class1, class2\n"
                                  "class1 = reject\n"
                                  "slow_destination_concurrency_limit = 3\n"
                                  "slow2_destination_concurrency_limit = 3\n"
                                  "virtual_alias_maps = ldap:directory\n"
                                  "directory_server_host = x\n"
                                  "other_server_host = x\n"
                                  "max_idle = 3x\n"
                                  "from_master = 1\n"
                                  "mx_time_limit = 3600\n"
                                  "smtpd_tls_security_level = may\n";
    struct text complaints = {0};
    char directory[] = "/tmp/config_test.XXXXXX", *main_path, *master_path;
    struct config *config;
    struct error error;

    (void)state;
    assert_non_null(mkdtemp(directory));
    main_path = write_file(directory, "main.cf", main_cf);
    master_path = write_file(directory, "master.cf", "slow unix - - n - - smtp\n -o x=$from_master\n"
                                                     "mx unix - n n - - pipe argv=x\n");
    config = config_load(directory, &error);
    assert_non_null(config);
    config_check(config, collect, &complaints);
    assert_string_equal(text_string(&complaints),
                        "1 unused parameter: foo=$bar\n"
                        "6 unused parameter: slow2_destination_concurrency_limit=3\n"
                        "9 unused parameter: other_server_host=x\n"
                        "10 bad time value: max_idle = 3x; an integer is wanted, with s, m, h, d or w behind it\n");
    config_free(config);
    text_free(&complaints);
    unlink(main_path);
    unlink(master_path);
    rmdir(directory);
    free(main_path);
    free(master_path);
}

/* Every PARAMETER line of every .def file, also those that share a name. */
static const struct parameter all_rows[] = {
#define PARAMETER(type, name, default_value, least, most, meaning)                                                    \
    {#name, PARAMETER_##type, default_value, #least, #most, meaning, 0},
#define PARAMETER_RESERVED(name, default_value)
#define PARAMETER_RESERVED_RAW(name, default_value)
#include "parameters.h"
};

static void rows_of_one_name_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof all_rows / sizeof *all_rows; i++) {
        const struct parameter *first = catalog_find(all_rows[i].name);

        assert_non_null(first);
        if (!string_equal(first->default_value, all_rows[i].default_value) || first->type != all_rows[i].type)
            fail_msg("%s has two different declarations", first->name);
    }
}

/* Defaults of the right type, bounds that the default keeps. */
static void rows_accept_their_defaults(void **state)
{
    struct config *config = config_new_empty("/nowhere");
    char *target = memory_new(sizeof(struct mail_config) + 64);
    struct error error;

    (void)state;
    for (size_t i = 0; i < sizeof all_rows / sizeof *all_rows; i++) {
        struct parameter_set one = {&all_rows[i], 1, 64};

        if (!config_fill(config, &one, target, &error))
            fail_msg("%s", error.text);
    }
    free(target);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_logical_lines),
        cmocka_unit_test(bad_lines_name_their_place),
        cmocka_unit_test(overrides_win),
        cmocka_unit_test(times),
        cmocka_unit_test(units_follow_the_default),
        cmocka_unit_test(fills_structs),
        cmocka_unit_test(bad_values_name_their_place),
        cmocka_unit_test(everything_has_a_good_default),
        cmocka_unit_test(host_names_complete_each_other),
        cmocka_unit_test(computed_defaults_do_not_go_in_circles),
        cmocka_unit_test(transports_fall_back),
        cmocka_unit_test(the_check_knows_what_is_used),
        cmocka_unit_test(rows_of_one_name_agree),
        cmocka_unit_test(rows_accept_their_defaults),
    };

    log_set_sink(quiet);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
