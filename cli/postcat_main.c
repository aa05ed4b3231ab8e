/* postcat - shows queue files (postcat(1)). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/queue_command.h"
#include "cli/queue_dump.h"
#include "util/base/log.h"

struct request {
    const char *directory;
    int flags;
    bool by_id;
    off_t start;
};

static void usage(void)
{
    die("usage: postcat [-b (body text)] [-c config_dir] [-d (decimal record type)] [-e (envelope records)] "
        "[-f (force)] [-h (header text)] [-o (record offset)] [-q (access queue)] [-r (raw file order)] "
        "[-s skip_offset] [-v] [file(s)...]");
}

static off_t parse_offset(const char *text)
{
    char *end;
    long long offset;

    errno = 0;
    offset = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || offset < 0)
        die("bad offset: %s", text);
    return (off_t)offset;
}

static void take_option(struct request *request, int option)
{
    switch (option) {
    case 'b': request->flags |= DUMP_BODY; break;
    case 'c': request->directory = optarg; break;
    case 'd': request->flags |= DUMP_TYPE; break;
    case 'e': request->flags |= DUMP_ENVELOPE; break;
    case 'f': break; /* files are shown whatever their mode */
    case 'h': request->flags |= DUMP_HEADER; break;
    case 'n':
    case 'o': request->flags |= DUMP_OFFSET; break;
    case 'q': request->by_id = true; break;
    case 'r': request->flags |= DUMP_RAW; break;
    case 's': request->start = parse_offset(optarg); break;
    case 'v':
        request->flags |= DUMP_VERBOSE;
        log_set_verbosity(log_verbosity() + 1);
        break;
    default: usage();
    }
}

static void show_file(const char *path, const struct request *request)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        die("open %s: %s", path, strerror(errno));
    queue_dump(fd, path, request->flags, request->start);
    close(fd);
}

/* Records are read where they stand, which a pipe cannot do: its bytes go into memory first. */
static int standard_input(void)
{
    char bytes[64 * 1024];
    ssize_t got;
    int fd;

    if (lseek(STDIN_FILENO, 0, SEEK_CUR) >= 0)
        return STDIN_FILENO;
    fd = memfd_create("stdin", MFD_CLOEXEC);
    if (fd < 0)
        die("memory for standard input: %s", strerror(errno));
    while ((got = read(STDIN_FILENO, bytes, sizeof bytes)) > 0)
        if (write(fd, bytes, (size_t)got) != got)
            die("copy standard input: %s", strerror(errno));
    if (got < 0)
        die("read stdin: %s", strerror(errno));
    return fd;
}

/* The message moves while it is looked for: several tries, queue by queue. */
static void show_id(const struct queue_command *command, const char *id, const struct request *request)
{
    static const char *const queues[] = {QUEUE_MAILDROP, QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED, QUEUE_HOLD,
                                         QUEUE_CORRUPT, NULL};
    char path[QUEUE_PATH_SIZE];
    int fd = -1;

    if (!queue_command_id_plausible(id))
        die("bad mail queue ID: %s", id);
    for (const char *const *queue = queues; fd < 0 && *queue != NULL; queue++) {
        fd = queue_file_open(command->layout, *queue, id, O_RDONLY | O_NONBLOCK);
        if (fd < 0 && errno != ENOENT)
            break;
        queue_path(command->layout, *queue, id, path);
    }
    if (fd < 0)
        die("open queue file %s: %s", id, strerror(errno));
    queue_dump(fd, path, request->flags, request->start);
    close(fd);
}

int main(int argc, char **argv)
{
    struct queue_command command;
    struct request request = {0};
    int option;

    queue_command_start(&command, "postcat", argv);
    while ((option = getopt(argc, argv, "bc:defhnoqrs:v")) > 0)
        take_option(&request, option);
    if ((request.flags & (DUMP_ENVELOPE | DUMP_HEADER | DUMP_BODY)) == 0)
        request.flags |= DUMP_ENVELOPE | DUMP_HEADER | DUMP_BODY;
    queue_command_configure_quietly(&command, request.directory);
    if (request.by_id)
        queue_command_enter_queue(&command);
    if (optind == argc && !request.by_id)
        queue_dump(standard_input(), "stdin", request.flags, request.start);
    for (; optind < argc; optind++)
        if (request.by_id)
            show_id(&command, argv[optind], &request);
        else
            show_file(argv[optind], &request);
    queue_command_end(&command);
    return fflush(stdout) == 0 ? 0 : 1;
}
