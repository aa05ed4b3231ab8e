/* postconf - shows and changes the configuration (postconf(1)). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/postconf.h"
#include "cli/postconf_request.h"
#include "mail/sasl/sasl_server.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/net/tls_library.h"
#include "util/table/table.h"

/* ---- what needs no configuration ---- */

static void print_lines(const char *const *lines)
{
    for (; *lines != NULL; lines++)
        puts(*lines);
}

static void print_tls(const char *mode)
{
    const char *name;

    if (string_equal(mode, "compile-version"))
        puts(tls_library_compiled());
    else if (string_equal(mode, "run-version"))
        puts(tls_library_running());
    else if (string_equal(mode, "public-key-algorithms"))
        for (unsigned i = 0; (name = tls_library_key_kind(i)) != NULL; i++)
            puts(name);
    else
        die("unknown 'postconf -T' mode: %s; specify compile-version, run-version or public-key-algorithms", mode);
}

static bool print_facts(const struct postconf_request *request)
{
    static const char *const client_sasl[] = {"cyrus", NULL};
    static const char *const locks[] = {"flock", "fcntl", "dotlock", NULL};

    if (request->letters['l'])
        print_lines(locks);
    if (request->letters['m'])
        print_lines(table_types());
    if (request->letters['a'])
        print_lines(sasl_server_types());
    if (request->letters['A'])
        print_lines(client_sasl);
    if (request->letters['T'])
        print_tls(request->tls_mode);
    return request->letters['l'] || request->letters['m'] || request->letters['a'] || request->letters['A'] ||
           request->letters['T'];
}

/* ---- configuration ---- */

static void apply_override(struct config *config, const char *assignment)
{
    struct error error;

    if (config_override(config, assignment, &error))
        return;
    die("invalid parameter override: %s: %s attribute name", assignment,
        strchr(assignment, '=') != NULL && strstr(error.text, "missing attribute") != NULL ? "missing"
                                                                                           : "missing '=' after");
}

static bool directory_is_given(const struct postconf_request *request)
{
    return request->given_directory != NULL || getenv("MAIL_CONFIG") != NULL;
}

static struct config *open_main_cf(const struct postconf_request *request, const char *directory)
{
    struct error error;
    struct config *config = config_load(directory, &error);
    char *assignment = memory_format("config_directory=%s", directory);

    if (config == NULL)
        die("%s", error.text);
    if (directory_is_given(request))
        apply_override(config, assignment);
    for (size_t i = 0; i < request->override_count; i++)
        apply_override(config, request->overrides[i]);
    free(assignment);
    return config;
}

static struct master_cf *open_master_cf(const struct config *config)
{
    struct error error;
    struct master_cf *master_cf = master_cf_load(config, &error);

    if (master_cf == NULL && !string_starts(error.text, "open "))
        die("%s", error.text);
    if (master_cf == NULL)
        log_warning(NULL, "%s", error.text);
    return master_cf;
}

/* -d: as if main.cf were empty and in its usual place. */
static void use_defaults(struct postconf *postconf)
{
    config_free(postconf->config);
    postconf->config = config_new_empty("/etc/postfix");
}

static void open_configuration(struct postconf *postconf, const struct postconf_request *request)
{
    postconf->directory = config_directory_choose(request->given_directory);
    postconf->classes = request->classes;
    postconf->only_set = request->letters['n'];
    postconf->hide_names = request->letters['h'];
    postconf->hide_values = request->letters['H'];
    postconf->fold = request->letters['f'];
    postconf->expand = request->letters['x'];
    postconf->json = request->letters['j'];
    postconf->config = request->letters['d'] ? config_new_empty(postconf->directory)
                                             : open_main_cf(request, postconf->directory);
    postconf->master_cf = open_master_cf(postconf->config);
    if (request->letters['d'])
        use_defaults(postconf);
}

static void close_configuration(struct postconf *postconf)
{
    master_cf_free(postconf->master_cf);
    config_free(postconf->config);
}

/* ---- work ---- */

static void edit(struct postconf *postconf, const struct postconf_request *request, enum postconf_edit kind)
{
    char *const *arguments = request->arguments;
    const char *directory = config_directory_choose(request->given_directory);

    if (*arguments == NULL && kind == EDIT_SET)
        die("-e requires name=value argument");
    if (*arguments == NULL)
        die("missing service argument");
    postconf->directory = directory;
    if (request->letters['M']) { /* also of a file that could not be read as it is */
        postconf_edit_services(postconf, kind, arguments);
        return;
    }
    if (!request->letters['F'] && !request->letters['P']) {
        postconf_edit_main_cf(directory, kind, arguments);
        return;
    }
    open_configuration(postconf, request);
    if (request->letters['P'])
        postconf_edit_overrides(postconf, kind, arguments);
    else
        postconf_edit_fields(postconf, arguments);
    close_configuration(postconf);
}

static void show_templates(struct postconf *postconf, const struct postconf_request *request)
{
    open_configuration(postconf, request);
    if (request->letters['b'])
        postconf_preview_templates(postconf, request->arguments);
    else
        postconf_show_templates(postconf, request->arguments);
    if (fflush(stdout) != 0)
        die("write output: %s", strerror(errno));
    close_configuration(postconf);
}

static void show(struct postconf *postconf, const struct postconf_request *request)
{
    char *const *arguments = request->arguments;
    bool of_master = request->letters['M'] || request->letters['F'] || request->letters['P'];

    open_configuration(postconf, request);
    if (of_master && postconf->master_cf == NULL)
        exit(1); /* it has been said why */
    if (!request->letters['d'])
        postconf_warn_undefined(postconf);
    if (request->letters['M'])
        postconf_show_services(postconf, arguments);
    else if (request->letters['F'])
        postconf_show_fields(postconf, arguments);
    else if (request->letters['P'])
        postconf_show_overrides(postconf, arguments);
    else if (*arguments != NULL)
        postconf_show_named(postconf, arguments);
    else
        postconf_show_all(postconf);
    if (fflush(stdout) != 0)
        die("write output: %s", strerror(errno));
    if (!request->letters['d'])
        postconf_warn_unused(postconf, !of_master);
    if (!request->letters['d'] && !request->letters['q'])
        postconf_warn_deprecated(postconf);
    close_configuration(postconf);
}

int main(int argc, char **argv)
{
    const struct log_settings to_stderr = {.tag = argv[0], .target = LOG_TARGET_STDERR};
    struct postconf_request request;
    struct postconf postconf = {0};

    log_open(&to_stderr);
    postconf_request_parse(&request, argc, argv);
    if (print_facts(&request))
        return 0;
    if (request.letters['b'] || request.letters['t'])
        show_templates(&postconf, &request);
    else if (request.letters['e'])
        edit(&postconf, &request, EDIT_SET);
    else if (request.letters['X'])
        edit(&postconf, &request, EDIT_REMOVE);
    else if (request.letters['#'])
        edit(&postconf, &request, EDIT_COMMENT);
    else
        show(&postconf, &request);
    return 0;
}
