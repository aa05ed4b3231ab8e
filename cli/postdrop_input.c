#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/postdrop.h"
#include "util/base/log.h"
#include "util/base/memory.h"

enum { LENGTH_BITS_LIMIT = 28, INPUT_SIZE = 16 * 1024 };
enum { NO_BYTE = -1, NO_BYTE_INTERRUPTED = -2 };

struct drop_input {
    int signal_fd;
    size_t length_limit, start, end;
    bool interrupted;
    char buffer[INPUT_SIZE];
};

struct drop_input *drop_input_new(size_t length_limit)
{
    struct drop_input *input = memory_new(sizeof *input);
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGQUIT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    input->length_limit = length_limit;
    input->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (input->signal_fd < 0)
        die("signalfd: %s", strerror(errno));
    return input;
}

void drop_input_free(struct drop_input *input)
{
    close(input->signal_fd);
    free(input);
}

static bool fill(struct drop_input *input)
{
    struct pollfd wanted[] = {{.fd = input->signal_fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    ssize_t got = -1;

    do {
        if (poll(wanted, 2, -1) < 0 && errno != EINTR)
            return false;
        input->interrupted = (wanted[0].revents & POLLIN) != 0;
        if (input->interrupted)
            return false;
        if (wanted[1].revents != 0)
            got = read(STDIN_FILENO, input->buffer, sizeof input->buffer);
    } while (got < 0 && (wanted[1].revents == 0 || errno == EINTR || errno == EAGAIN));
    input->start = 0;
    input->end = got > 0 ? (size_t)got : 0;
    return got > 0;
}

static int next_byte(struct drop_input *input)
{
    if (input->start == input->end && !fill(input))
        return input->interrupted ? NO_BYTE_INTERRUPTED : NO_BYTE;
    return (unsigned char)input->buffer[input->start++];
}

static enum drop_input_status damaged(struct drop_input *input, struct error *error, const char *what, int type)
{
    if (input->interrupted)
        return DROP_INPUT_INTERRUPTED;
    error_set(error, "stdin: %s, record type %d", what, type);
    return DROP_INPUT_DAMAGED;
}

static enum drop_input_status read_data(struct drop_input *input, struct drop_record *record, size_t length,
                                        struct error *error)
{
    text_clear(&record->data);
    text_reserve(&record->data, length);
    while (record->data.length < length) {
        size_t wanted = length - record->data.length, there;

        if (input->start == input->end && !fill(input)) {
            if (input->interrupted)
                return DROP_INPUT_INTERRUPTED;
            error_set(error, "stdin: unexpected EOF in data, record type %d length %zu", record->type, length);
            return DROP_INPUT_DAMAGED;
        }
        there = input->end - input->start;
        text_append_bytes(&record->data, input->buffer + input->start, there < wanted ? there : wanted);
        input->start += there < wanted ? there : wanted;
    }
    return DROP_INPUT_RECORD;
}

enum drop_input_status drop_input_next(struct drop_input *input, struct drop_record *record, struct error *error)
{
    int byte = next_byte(input);
    size_t length = 0;

    if (byte < 0)
        return byte == NO_BYTE ? DROP_INPUT_END : DROP_INPUT_INTERRUPTED;
    record->type = byte;
    for (int shift = 0;; shift += 7) {
        if (shift >= LENGTH_BITS_LIMIT)
            return damaged(input, error, "too many length bits", record->type);
        byte = next_byte(input);
        if (byte < 0)
            return damaged(input, error, "unexpected EOF reading length", record->type);
        length |= (size_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            break;
    }
    if (length > input->length_limit) {
        error_set(error, "stdin: illegal length %zu, record type %d", length, record->type);
        return DROP_INPUT_DAMAGED;
    }
    return read_data(input, record, length, error);
}
