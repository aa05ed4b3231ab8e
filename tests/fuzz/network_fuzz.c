/* Addresses, blocks of them, and HOST:PORT: the first line is an address, the second a block, the third an endpoint, the
 * rest a list of patterns. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mail/address/match_list.h"
#include "tests/fuzz/fuzz.h"
#include "util/base/text.h"
#include "util/net/address.h"

static void print_and_back(const struct net_address *address)
{
    char printed[NET_ADDRESS_SIZE];
    struct net_address again;

    net_address_print(address, printed);
    assert(net_address_parse(printed, &again) && net_address_equal(address, &again));
}

static void print_block_and_back(const struct net_cidr *block)
{
    char printed[NET_ADDRESS_SIZE];
    struct net_cidr again;
    struct error error;

    net_cidr_print(block, printed);
    assert(net_cidr_parse(printed, &again, &error));
    assert(again.bits == block->bits && memcmp(again.bytes, block->bytes, sizeof again.bytes) == 0);
}

/* Patterns that name files are left to others. */
static bool names_a_file(const char *patterns)
{
    for (const char *slash = strchr(patterns, '/'); slash != NULL; slash = strchr(slash + 1, '/'))
        if (slash == patterns || (!ascii_is_digit(slash[-1]) && slash[-1] != ']'))
            return true;
    return false;
}

static void match(const char *patterns, const char *name, const struct net_address *address)
{
    struct error error;
    struct match_list *list =
        names_a_file(patterns) ? NULL : match_list_new(patterns, MATCH_ADDRESSES | MATCH_SUBDOMAINS, &error);

    if (list == NULL)
        return;
    match_list_domain(list, name, &error);
    if (address != NULL)
        match_list_client(list, name, address, &error);
    match_list_free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    char *name = fuzz_line(&input), *block_text = fuzz_line(&input), *endpoint_text = fuzz_line(&input);
    char *patterns = fuzz_rest(&input);
    struct net_address address;
    struct net_cidr block;
    struct net_endpoint endpoint;
    struct error error;
    bool is_address = net_address_parse(name, &address);

    if (is_address)
        print_and_back(&address);
    if (net_cidr_parse(block_text, &block, &error)) {
        print_block_and_back(&block);
        if (is_address)
            net_cidr_match(&block, &address);
    }
    if (net_endpoint_parse(endpoint_text, "25", &endpoint, &error))
        assert(strlen(endpoint.host) <= NET_HOST_LIMIT);
    net_hostname_valid(name);
    match(patterns, name, is_address ? &address : NULL);
    free(name);
    free(block_text);
    free(endpoint_text);
    free(patterns);
    return 0;
}
