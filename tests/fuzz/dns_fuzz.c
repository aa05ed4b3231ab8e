/* What name servers answer. */
#include "tests/fuzz/fuzz.h"
#include "util/net/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = {DNS_A,   DNS_NS,   DNS_CNAME, DNS_SOA, DNS_PTR,
                                          DNS_MX, DNS_TXT,  DNS_AAAA,  DNS_SRV, DNS_TLSA};
    struct fuzz_input input = fuzz_input(data, size);
    enum dns_type type = types[fuzz_byte(&input) % (sizeof types / sizeof *types)];
    struct arena *arena = arena_new();
    struct dns_answer answer = {0};

    dns_answer_parse((const unsigned char *)input.bytes, input.length, "x.test", type, arena, &answer);
    arena_free(arena);
    return 0;
}
