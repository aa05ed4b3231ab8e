#include <string.h>
#include <sys/mman.h>

#include "tlsmgr/tlsmgr.h"
#include "util/base/log.h"

enum { PAGE = 4096 };

struct ticket_key_ring {
    duration lifetime;
    size_t count;
    struct tls_ticket_key keys[TLS_TICKET_KEYS];
};

_Static_assert(sizeof(struct ticket_key_ring) <= PAGE, "one page, which can be locked");

struct ticket_key_ring *ticket_key_ring_new(duration lifetime)
{
    struct ticket_key_ring *ring = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (ring == MAP_FAILED)
        die("no memory for ticket keys");
    mlock(ring, PAGE);
    madvise(ring, PAGE, MADV_DONTDUMP);
    ring->lifetime = lifetime;
    return ring;
}

void ticket_key_ring_free(struct ticket_key_ring *ring)
{
    explicit_bzero(ring, PAGE);
    munmap(ring, PAGE);
}

const struct tls_ticket_key *ticket_key_ring_current(struct ticket_key_ring *ring, size_t *count)
{
    int64_t now = clock_wall();

    while (ring->count > 0 && ring->keys[ring->count - 1].decrypt_until <= now)
        explicit_bzero(&ring->keys[--ring->count], sizeof *ring->keys);
    if (ring->count == 0 || ring->keys[0].encrypt_until <= now) {
        if (ring->count == TLS_TICKET_KEYS)
            ring->count--;
        memmove(ring->keys + 1, ring->keys, ring->count * sizeof *ring->keys);
        tls_ticket_key_make(&ring->keys[0], ring->lifetime / 2, ring->lifetime);
        ring->count++;
    }
    *count = ring->count;
    return ring->keys;
}
