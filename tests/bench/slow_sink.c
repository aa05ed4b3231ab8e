/* slow_sink PORT MILLISECONDS - an SMTP server on loopback that waits before each answer, for any number of sessions.
 *
 * It offers PIPELINING, as most do; answers to commands that came together leave together. Prints now and then how many
 * messages it has taken. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 1024, INPUT = 16384, EVENTS = 256, ANSWER = 2048 };

struct session {
    int fd;
    bool in_content;
    unsigned matched; /* how much of CR LF . CR LF has just been seen */
    char line[LINE];
    size_t length;
};

/* All wait equally long: what was asked first is answered first. */
struct answer {
    struct answer *next;
    int64_t due; /* milliseconds */
    struct session *session;
    size_t length;
    char text[ANSWER];
};

static struct answer *first, **last = &first;
static int64_t pause_length;
static long taken;

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static struct answer *answer_new(struct session *session)
{
    struct answer *answer = calloc(1, sizeof *answer);

    if (answer == NULL)
        exit(1);
    answer->session = session;
    return answer;
}

static void say(struct answer *answer, const char *text)
{
    size_t length = strlen(text);

    if (answer->length + length <= ANSWER) {
        memcpy(answer->text + answer->length, text, length);
        answer->length += length;
    }
}

static void queue(struct answer *answer)
{
    answer->due = now() + pause_length;
    *last = answer;
    last = &answer->next;
}

static void take_line(struct session *session, struct answer *answer)
{
    if (strncasecmp(session->line, "EHLO", 4) == 0) {
        say(answer, "250-slow.example\r\n250 PIPELINING\r\n");
    } else if (strncasecmp(session->line, "DATA", 4) == 0) {
        say(answer, "354 go on\r\n");
        session->in_content = true;
        session->matched = 2;
    } else {
        say(answer, strncasecmp(session->line, "QUIT", 4) == 0 ? "221 bye\r\n" : "250 fine\r\n");
    }
    session->length = 0;
}

static void take_byte(struct session *session, char byte, struct answer *answer)
{
    static const char end[] = "\r\n.\r\n";

    if (session->in_content) {
        session->matched = byte == end[session->matched] ? session->matched + 1 : byte == '\r' ? 1 : 0;
        if (session->matched == 5) {
            session->in_content = false;
            taken++;
            say(answer, "250 taken\r\n");
        }
    } else if (byte == '\n') {
        take_line(session, answer);
    } else if (session->length < LINE - 1) {
        session->line[session->length++] = byte;
    }
}

/* False: the client has gone. An answer on its way to it would be lost; there is none, since clients wait. */
static bool take_input(struct session *session)
{
    char input[INPUT];
    ssize_t got = read(session->fd, input, sizeof input);
    struct answer *answer;

    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    answer = answer_new(session);
    for (ssize_t i = 0; i < got; i++)
        take_byte(session, input[i], answer);
    if (answer->length > 0)
        queue(answer);
    else
        free(answer);
    return true;
}

static void send_due(void)
{
    int64_t time = now();

    while (first != NULL && first->due <= time) {
        struct answer *answer = first;

        first = answer->next;
        if (first == NULL)
            last = &first;
        if (answer->session->fd >= 0)
            (void)!write(answer->session->fd, answer->text, answer->length);
        free(answer);
    }
}

static void accept_all(int listener, int poll)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct session *session = calloc(1, sizeof *session);
        struct answer *greeting;

        if (session == NULL)
            exit(1);
        session->fd = fd;
        greeting = answer_new(session);
        say(greeting, "220 slow.example ESMTP\r\n");
        queue(greeting);
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = session});
    }
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0) {
        perror("slow_sink");
        exit(1);
    }
    return fd;
}

static int wait_length(void)
{
    int64_t left = first != NULL ? first->due - now() : 50;

    return left < 0 ? 0 : left > 50 ? 50 : (int)left;
}

static void report(void)
{
    static long reported = -1;

    if (taken == reported)
        return;
    printf("%ld\n", reported = taken);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    int listener, poll = epoll_create1(EPOLL_CLOEXEC);

    if (argc != 3) {
        fprintf(stderr, "usage: slow_sink PORT MILLISECONDS\n");
        return 2;
    }
    listener = listen_on(atoi(argv[1]));
    pause_length = atoi(argv[2]);
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN});
    for (;;) {
        int count = epoll_wait(poll, events, EVENTS, wait_length());

        for (int i = 0; i < count; i++) {
            struct session *session = events[i].data.ptr;

            if (session == NULL) {
                accept_all(listener, poll);
            } else if (!take_input(session)) {
                close(session->fd); /* the session itself may still be named by an answer: it stays */
                session->fd = -1;
            }
        }
        send_due();
        report();
    }
}
