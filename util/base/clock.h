/* clock - durations, deadlines and the two clocks.
 *
 * A duration is microseconds. A deadline is a point on the monotonic clock, so that setting the wall clock
 * never ends a wait; wall time is only for what people and files see. */
#ifndef UTIL_BASE_CLOCK_H
#define UTIL_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

typedef int64_t duration; /* microseconds */

#define MICROSECONDS INT64_C(1)
#define MILLISECONDS (1000 * MICROSECONDS)
#define SECONDS (1000 * MILLISECONDS)

struct deadline {
    int64_t at; /* microseconds on the monotonic clock; INT64_MAX: never */
};

int64_t clock_monotonic(void); /* microseconds since some fixed point */
int64_t clock_wall(void);      /* microseconds since 1970 */

struct deadline deadline_in(duration length);
struct deadline deadline_never(void);
struct deadline deadline_earlier(struct deadline a, struct deadline b);
bool deadline_passed(struct deadline deadline);
duration deadline_remaining(struct deadline deadline); /* never negative */

#endif
