/* postmulti - runs commands for several instances, and makes, changes and removes instances (postmulti(1)). */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/postmulti.h"
#include "util/base/log.h"
#include "util/base/memory.h"

static void usage(void)
{
    die("Usage:postmulti -l [-jv] [-a] [-g group] [-i instance] | postmulti -p [-v] [-a] [-g group] [-i instance] "
        "command... | postmulti -x [-v] [-a] [-i name] [-g group] command... | postmulti -e action [-v] [-a] [-i name] "
        "[-g group] [-I name] [-G group] [param=value ...]");
}

static void set_mode(struct postmulti *postmulti, enum postmulti_mode mode)
{
    if (postmulti->mode != POSTMULTI_NONE)
        die("Specify exactly one of '-e', '-l', '-p', '-x'");
    postmulti->mode = mode;
}

static void read_options(struct postmulti *postmulti, int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "+ae:g:i:jlpRvxG:I:")) > 0) {
        switch (option) {
        case 'a': postmulti->all = true; break;
        case 'e':
            set_mode(postmulti, POSTMULTI_EDIT);
            postmulti->action = optarg;
            break;
        case 'g': postmulti->group = optarg; break;
        case 'i': postmulti->name = optarg; break;
        case 'j': postmulti->json = true; break;
        case 'l': set_mode(postmulti, POSTMULTI_LIST); break;
        case 'p': set_mode(postmulti, POSTMULTI_POSTFIX); break;
        case 'R': postmulti->reverse = true; break;
        case 'v': postmulti->verbosity++; break;
        case 'x': set_mode(postmulti, POSTMULTI_COMMAND); break;
        case 'G': postmulti->new_group = optarg; break;
        case 'I': postmulti->new_name = optarg; break;
        default: usage();
        }
    }
    postmulti->words = argv + optind;
}

static void check_sense(const struct postmulti *postmulti)
{
    bool runs = postmulti->mode == POSTMULTI_POSTFIX || postmulti->mode == POSTMULTI_COMMAND;

    if (postmulti->mode == POSTMULTI_NONE)
        die("Specify exactly one of '-e', '-l', '-p', '-x'");
    if (postmulti->reverse && (postmulti->mode == POSTMULTI_POSTFIX || postmulti->mode == POSTMULTI_EDIT))
        die("The '-p' and '-e' options preclude the use of '-R'");
    if (postmulti->mode != POSTMULTI_EDIT && (postmulti->new_name != NULL || postmulti->new_group != NULL))
        die("Cannot assign instance name or group without '-e assign'");
    if (runs && *postmulti->words == NULL)
        die("Command required with '-p' or '-x' option");
    if (postmulti->json && postmulti->mode != POSTMULTI_LIST)
        die("The '-j' option requires '-l'");
    if (postmulti->mode == POSTMULTI_LIST && *postmulti->words != NULL)
        die("Command not allowed with '-l'");
}

/* The first instance knows the others, and only the usual one can be the first. */
static void load(struct postmulti *postmulti)
{
    const char *chosen = getenv("MAIL_CONFIG");
    char *asked = chosen != NULL ? memory_copy_string(chosen) : NULL;
    const char *usual;
    struct error error;

    unsetenv("MAIL_CONFIG");
    usual = config_directory_choose(NULL);
    if (asked != NULL && !string_equal(asked, usual))
        die("Non-default configuration directory: MAIL_CONFIG=%s", asked);
    free(asked);
    postmulti->config = config_load(usual, &error);
    if (postmulti->config == NULL || !config_fill(postmulti->config, &mail_parameters, &postmulti->mail, &error))
        die("%s", error.text);
    instances_load(postmulti);
}

int main(int argc, char **argv)
{
    static const struct log_settings to_stderr = {.tag = "postmulti", .target = LOG_TARGET_STDERR};
    struct postmulti postmulti = {.mode = POSTMULTI_NONE};

    argv[0] = (char[]){"postmulti"};
    log_open(&to_stderr);
    read_options(&postmulti, argc, argv);
    log_set_verbosity(postmulti.verbosity);
    check_sense(&postmulti);
    load(&postmulti);
    mail_config_open_tool_log(&postmulti.mail, "postmulti");
    switch (postmulti.mode) {
    case POSTMULTI_LIST: return postmulti_list(&postmulti);
    case POSTMULTI_POSTFIX: return postmulti_run_postfix(&postmulti);
    case POSTMULTI_COMMAND: return postmulti_run_command(&postmulti);
    default: postmulti_edit(&postmulti); return 0;
    }
}
