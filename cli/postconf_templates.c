/* postconf -t and -b: the templates of notifications, as they are and as people will read them. */
#include <stdio.h>

#include "cli/postconf.h"
#include "mail/bounce_template/bounce_template.h"
#include "util/base/log.h"

static void load(const struct postconf *postconf, char *const *arguments, struct template *templates[TEMPLATE_KINDS])
{
    const char *path = *arguments != NULL ? *arguments : config_get(postconf->config, "bounce_template_file");
    struct error error;

    if (!templates_load(path != NULL ? path : "", templates, &error))
        die("%s", error.text);
}

static void print_separated(size_t kind, struct text *result)
{
    printf("%s%s", kind > 0 ? "\n" : "", text_string(result));
    text_free(result);
}

void postconf_show_templates(const struct postconf *postconf, char *const *arguments)
{
    struct template *templates[TEMPLATE_KINDS];

    load(postconf, arguments, templates);
    for (size_t kind = 0; kind < TEMPLATE_KINDS; kind++) {
        struct text result = {0};

        template_write(templates[kind], &result);
        print_separated(kind, &result);
    }
    templates_free(templates);
}

void postconf_preview_templates(const struct postconf *postconf, char *const *arguments)
{
    struct template *templates[TEMPLATE_KINDS];
    struct mail_config mail;
    struct error error;

    if (!config_fill(postconf->config, &mail_parameters, &mail, &error))
        die("%s", error.text);
    load(postconf, arguments, templates);
    for (size_t kind = 0; kind < TEMPLATE_KINDS; kind++) {
        struct text result = {0};

        text_append_format(&result, "expanded_%s_text = <<EOF\n", templates[kind]->name);
        if (!template_expand(templates[kind], postconf->config, &mail, &result, &error))
            die("%s", error.text);
        text_append(&result, "EOF\n");
        print_separated(kind, &result);
    }
    templates_free(templates);
}
