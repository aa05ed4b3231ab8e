#include "smtp/tls_status.h"

#include "util/base/text.h"

const char *smtp_tls_status_level(const struct smtp_tls_policy *nexthop, const struct smtp_tls_policy *host,
                                  struct arena *arena)
{
    const char *level = smtp_tls_level_name(host->level);

    return host->level < nexthop->level ? arena_format(arena, "%s:%s", smtp_tls_level_name(nexthop->level), level) : level;
}

const char *smtp_tls_status(const char *level, const struct smtp_session *session, struct arena *arena)
{
    if (string_equal(level, smtp_tls_level_name(SMTP_TLS_NONE)))
        return level;
    if (session == NULL)
        return arena_format(arena, "%s?", level);
    return session->tls != NULL ? level : arena_format(arena, "%s:none", level);
}
