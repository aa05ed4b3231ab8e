/* postsuper - maintains the queue (postsuper(1)). */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/queue_operation.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

/* An operation on one message, or on those that standard input names. */
struct wish {
    enum queue_operation_kind kind;
    const char *id;
};

struct request {
    const char *directory;
    int repair;
    struct wish *wishes; /* in the order of the command line */
    size_t count;
    bool asked[OPERATION_KINDS], all[OPERATION_KINDS];
    struct queue_operation_scope scope;
    struct queue_selection *selection; /* the scope's */
};

static const struct option long_options[] = {QUEUE_SELECTION_OPTIONS, {0}};

static void usage(void)
{
    die("usage: postsuper [-c config_dir] [-d queue_id (delete)] [-e queue_id (expire)] [-f queue_id (expire and/or "
        "un-hold)] [-h queue_id (hold)] [-H queue_id (un-hold)] [-p (purge temporary files)] [-r queue_id (requeue)] "
        "[-s (structure fix)] [-S (redundant structure fix)][-v (verbose)] [queue...]");
}

/* ---- who ---- */

/* Files are touched with the rights of their owner, so that nothing in the queue can lead elsewhere. */
static void become_owner(const struct mail_config *mail)
{
    const struct passwd *owner = getpwnam(mail->mail_owner);

    if (owner == NULL)
        die("mail_owner: unknown user %s", mail->mail_owner);
    if (geteuid() == owner->pw_uid)
        return;
    if (geteuid() != 0)
        die("use of this command is reserved for the superuser");
    if (setgroups(1, &owner->pw_gid) < 0 || setgid(owner->pw_gid) < 0 || setuid(owner->pw_uid) < 0)
        die("become user %s: %s", mail->mail_owner, strerror(errno));
}

/* ---- options ---- */

static void wish_for(struct request *request, enum queue_operation_kind kind, const char *id)
{
    request->asked[kind] = true;
    if (string_equal(id, "ALL")) {
        request->all[kind] = true;
        return;
    }
    request->wishes = memory_resize(request->wishes, (request->count + 1) * sizeof *request->wishes);
    request->wishes[request->count++] = (struct wish){kind, id};
}

static void take_option(struct request *request, int option)
{
    switch (option) {
    case 'c': request->directory = optarg; break;
    case 'd': wish_for(request, OPERATION_DELETE, optarg); break;
    case 'e': wish_for(request, OPERATION_EXPIRE, optarg); break;
    case 'f': wish_for(request, OPERATION_EXPIRE_RELEASE, optarg); break;
    case 'h': wish_for(request, OPERATION_HOLD, optarg); break;
    case 'H': wish_for(request, OPERATION_RELEASE, optarg); break;
    case 'r': wish_for(request, OPERATION_REQUEUE, optarg); break;
    case 'p': request->repair |= REPAIR_PURGE; break;
    case 's': request->repair |= REPAIR_STRUCTURE; break;
    case 'S': request->repair |= REPAIR_STRUCTURE | REPAIR_LONG_NAMES; break;
    case 'v': log_set_verbosity(log_verbosity() + 1); break;
    default:
        if (!queue_selection_take(request->selection, option, optarg))
            usage();
    }
}

static void take_queues(struct request *request, char **names)
{
    if (*names == NULL)
        return;
    for (char **name = names; *name != NULL; name++)
        if (!queue_operation_knows(*name))
            die("invalid directory name: %s", *name);
    request->scope.queues = (const char *const *)names;
}

/* ---- work ---- */

static void run_stdin(struct queue_command *command, enum queue_operation_kind kind, const struct queue_operation_scope *scope,
                      struct queue_operation_counts *counts)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;

    while ((length = getline(&line, &room, stdin)) >= 0) {
        if (length > 0 && line[length - 1] == '\n')
            line[length - 1] = '\0';
        queue_operation_one(command, kind, line, scope, counts); /* there, ALL is a name like others */
    }
    free(line);
}

/* Those that are named, then all. */
static void fulfil(struct queue_command *command, const struct request *request, struct queue_operation_counts *counts)
{
    for (size_t i = 0; i < request->count; i++) {
        const struct wish *wish = &request->wishes[i];

        if (string_equal(wish->id, "-"))
            run_stdin(command, wish->kind, &request->scope, counts);
        else
            queue_operation_one(command, wish->kind, wish->id, &request->scope, counts);
    }
    for (size_t kind = 0; kind < OPERATION_KINDS; kind++)
        if (request->all[kind])
            queue_operation_all(command, (enum queue_operation_kind)kind, &request->scope, counts);
}

/* A dry run is nothing that the log should know of. */
static void report(const struct request *request, bool asked, const char *what, size_t count)
{
    if (asked && queue_selection_is_dry(request->selection))
        printf("Dry run. %s: %zu message%s\n", what, count, count == 1 ? "" : "s");
    else if (asked)
        log_info(NULL, "%s: %zu message%s", what, count, count == 1 ? "" : "s");
}

static void report_all(const struct request *request, const struct queue_operation_counts *counts)
{
    const bool *asked = request->asked;

    report(request, asked[OPERATION_REQUEUE], "Requeued", counts->requeued);
    report(request, asked[OPERATION_DELETE], "Deleted", counts->deleted);
    report(request, asked[OPERATION_EXPIRE] || asked[OPERATION_EXPIRE_RELEASE], "Force-expired", counts->expired);
    report(request, asked[OPERATION_HOLD], "Placed on hold", counts->held);
    report(request, asked[OPERATION_RELEASE] || asked[OPERATION_EXPIRE_RELEASE], "Released from hold",
           counts->released);
    report(request, counts->renamed > 0, "Renamed to match inode number", counts->renamed);
    if (counts->renamed > 0)
        log_warning(NULL, "QUEUE FILE NAMES WERE CHANGED TO MATCH INODE NUMBERS");
    if (counts->failed > 0)
        log_warning(NULL, "OPERATION INCOMPLETE -- RERUN COMMAND WHEN WHAT FAILED IS MENDED");
}

/* Nobody needs to be there to hear it: mail that waits is found in the end. */
static void tell_services(const struct mail_config *mail, const struct queue_operation_counts *counts)
{
    char *qmgr = memory_format("public/%s", mail->queue_service_name);
    char *pickup = memory_format("public/%s", mail->pickup_service_name);

    if (counts->requeued > 0)
        queue_command_trigger(pickup, "W");
    if (counts->released > 0 || counts->expired > 0)
        queue_command_trigger(qmgr, "D");
    free(qmgr);
    free(pickup);
}

int main(int argc, char **argv)
{
    struct queue_command command;
    struct request request = {.selection = queue_selection_new()};
    struct queue_operation_counts counts = {0};
    struct queue_lister *lister;
    bool asked = false;
    int option;

    queue_command_start(&command, "postsuper", argv);
    request.scope.selection = request.selection;
    while ((option = getopt_long(argc, argv, "c:d:e:f:h:H:pr:sSv", long_options, NULL)) > 0)
        take_option(&request, option);
    take_queues(&request, argv + optind);
    queue_command_configure(&command, request.directory);
    become_owner(&command.mail);
    queue_command_enter_queue(&command);
    for (size_t i = 0; i < OPERATION_KINDS; i++)
        asked = asked || request.asked[i];
    if (request.repair != 0 && queue_selection_is_dry(request.selection))
        usage();
    if (!asked && (!queue_selection_is_empty(request.selection) || queue_selection_is_dry(request.selection)))
        usage();
    if (!asked && request.repair == 0)
        request.repair = REPAIR_PURGE | REPAIR_STRUCTURE;
    queue_repair(&command, request.repair, request.scope.queues, &counts);
    request.scope.lister = lister = queue_lister_new(command.layout);
    fulfil(&command, &request, &counts);
    report_all(&request, &counts);
    if (!queue_selection_is_dry(request.selection))
        tell_services(&command.mail, &counts);
    free(request.wishes);
    queue_lister_free(lister);
    queue_selection_free(request.selection);
    queue_command_end(&command);
    return counts.failed > 0 ? 1 : 0;
}
