#include "io/local_address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/* Writes an address in digits; one of IPv4 within IPv6 as what it is. */
static bool print_host(const struct sockaddr *address, char text[TR_ADDRESS_TEXT_SIZE])
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address;

        return inet_ntop(AF_INET, &four->sin_addr, text, TR_ADDRESS_TEXT_SIZE) != NULL;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;

        return IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)
                   ? inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], text, TR_ADDRESS_TEXT_SIZE) !=
                         NULL
                   : inet_ntop(AF_INET6, &six->sin6_addr, text, TR_ADDRESS_TEXT_SIZE) != NULL;
    }
    return false;
}

bool tr_socket_local_host(int fd, char text[TR_ADDRESS_TEXT_SIZE])
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);

    return getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
           print_host((const struct sockaddr *)&address, text);
}

/* How well an interface's address serves others: 0 not at all. */
static unsigned worth(const struct ifaddrs *entry, bool with_ipv6)
{
    const struct sockaddr *address = entry->ifa_addr;

    if (address == NULL || (entry->ifa_flags & IFF_UP) == 0 ||
        (entry->ifa_flags & IFF_LOOPBACK) != 0) {
        return 0;
    }
    if (address->sa_family == AF_INET) {
        return 2;
    }
    if (address->sa_family == AF_INET6 && with_ipv6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;

        return IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr) ? 0 : 1;
    }
    return 0;
}

bool tr_local_host_first(bool with_ipv6, char text[TR_ADDRESS_TEXT_SIZE])
{
    struct ifaddrs *all = NULL;
    const struct ifaddrs *best = NULL;
    bool found = false;

    if (getifaddrs(&all) != 0) {
        return false;
    }
    for (const struct ifaddrs *entry = all; entry != NULL; entry = entry->ifa_next) {
        if (worth(entry, with_ipv6) > (best == NULL ? 0 : worth(best, with_ipv6))) {
            best = entry;
        }
    }
    found = best != NULL && print_host(best->ifa_addr, text);
    freeifaddrs(all);
    return found;
}

bool tr_host_is_any(const char *host)
{
    struct in6_addr six;
    struct in_addr four;

    if (inet_pton(AF_INET, host, &four) == 1) {
        return four.s_addr == htonl(INADDR_ANY);
    }
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_UNSPECIFIED(&six);
}

bool tr_host_is_ipv6(const char *host)
{
    struct in6_addr six;

    return inet_pton(AF_INET6, host, &six) == 1;
}
