#include "mail/message/date.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

const char *mail_date(int64_t seconds, char buffer[MAIL_DATE_SIZE])
{
    /* strftime's names follow the locale; mail's do not. */
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t when = (time_t)seconds;
    struct tm local;
    char zone[16] = "";
    long offset;

    if (localtime_r(&when, &local) == NULL)
        local = (struct tm){.tm_mday = 1, .tm_year = 70, .tm_wday = 4};
    offset = local.tm_gmtoff / 60;
    strftime(zone, sizeof zone, " (%Z)", &local);
    snprintf(buffer, MAIL_DATE_SIZE, "%s, %02d %s %d %02d:%02d:%02d %c%02ld%02ld%s", days[local.tm_wday],
             local.tm_mday, months[local.tm_mon], local.tm_year + 1900, local.tm_hour, local.tm_min, local.tm_sec,
             offset < 0 ? '-' : '+', labs(offset) / 60, labs(offset) % 60, zone);
    return buffer;
}
