/* One HTTPS request: what is never asked for. What servers do is in tests/system/test_mta_sts.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "tests/unit/in_task.h"
#include "util/web/http.h"

struct asked {
    struct http_request request;
    struct http_answer answer;
    struct error error;
    bool answered;
};

static void ask(void *context)
{
    struct asked *asked = context;

    asked->answered = http_fetch(&asked->request, &asked->answer, &asked->error);
    text_free(&asked->answer.body);
    loop_stop();
}

static struct asked fetch(const char *url)
{
    struct asked asked = {.request = {.url = url, .user_agent = "test", .ca_file = "", .ca_path = "", .time_limit = 5 * SECONDS,
                                      .size_limit = 100}};

    run_in_task(ask, &asked);
    return asked;
}

static void https_alone(void **state)
{
    static const char *const others[] = {"http://127.0.0.1:1/", "file:///etc/passwd", "ftp://127.0.0.1:1/", "smtp://127.0.0.1:1/",
                                         "https://user:password@127.0.0.1:1/", "", "https://", "//127.0.0.1:1/"};

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct asked asked = fetch(others[i]);

        assert_false(asked.answered);
        assert_false(asked.answer.untrusted);
        assert_true(*asked.error.text != '\0');
        if (strstr(asked.error.text, "onnect") != NULL)
            fail_msg("%s", asked.error.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(https_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
