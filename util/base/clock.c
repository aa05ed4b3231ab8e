#include "util/base/clock.h"

#include <time.h>

static int64_t clock_read(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * SECONDS + now.tv_nsec / 1000;
}

int64_t clock_monotonic(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

int64_t clock_wall(void)
{
    return clock_read(CLOCK_REALTIME);
}

struct deadline deadline_in(duration length)
{
    int64_t now = clock_monotonic();

    return (struct deadline){length > INT64_MAX - now ? INT64_MAX : now + length};
}

struct deadline deadline_never(void)
{
    return (struct deadline){INT64_MAX};
}

struct deadline deadline_earlier(struct deadline a, struct deadline b)
{
    return a.at < b.at ? a : b;
}

bool deadline_passed(struct deadline deadline)
{
    return deadline.at != INT64_MAX && clock_monotonic() >= deadline.at;
}

duration deadline_remaining(struct deadline deadline)
{
    int64_t now;

    if (deadline.at == INT64_MAX)
        return INT64_MAX;
    now = clock_monotonic();
    return deadline.at > now ? deadline.at - now : 0;
}
