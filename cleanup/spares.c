/* Queue files to write over, as the queue manager names them (mail/queue/spare.h). */
#include "cleanup/cleanup.h"
#include "mail/queue/spare.h"

long spares_wanted(const struct cleanup *cleanup)
{
    return SPARES_KEPT - (long)cleanup->spare_count;
}

void spares_add(struct cleanup *cleanup, uint64_t inode)
{
    if (cleanup->spare_count < SPARES_KEPT)
        cleanup->spares[cleanup->spare_count++] = (ino_t)inode;
}

bool spares_take(struct cleanup *cleanup, struct spare *spare)
{
    while (cleanup->spare_count > 0)
        if (spare_take(cleanup->spares[--cleanup->spare_count], spare))
            return true;
    return false;
}
