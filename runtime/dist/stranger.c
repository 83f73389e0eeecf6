#include "dist/stranger.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/host.h"
#include "base/map.h"

/* Bytes of an address before its port, or before the process of a user of this host. The path of a
 * unix socket has neither. */
static size_t host_size(const char *address)
{
    const char *path = tr_host_unix_path(address);
    const char *last = path != NULL && path[0] == '/' ? NULL : strrchr(address, ':');

    return last == NULL ? strlen(address) : (size_t)(last - address);
}

/* Answers false when the host is no IPv6 address. */
static bool read_ipv6(const char *host, size_t size, struct in6_addr *six)
{
    char text[INET6_ADDRSTRLEN];

    if (size >= sizeof(text) || memchr(host, ':', size) == NULL) {
        return false;
    }
    memcpy(text, host, size);
    text[size] = '\0';
    return inet_pton(AF_INET6, text, six) == 1;
}

struct tr_stranger tr_stranger_of(const char *address)
{
    struct tr_stranger stranger = {.text = address, .size = host_size(address)};
    struct in6_addr six;

    if (!read_ipv6(address, stranger.size, &six)) {
        return stranger;
    }
    if (IN6_IS_ADDR_V4MAPPED(&six)) {
        /* As uv_ip_name writes it: the IPv4 address stands behind the last colon. */
        while (memchr(stranger.text, ':', stranger.size) != NULL) {
            stranger.text++;
            stranger.size--;
        }
        return stranger;
    }
    stranger.text = NULL;
    memcpy(stranger.net, &six, sizeof(stranger.net));
    return stranger;
}

bool tr_stranger_equal(const struct tr_stranger *one, const struct tr_stranger *other)
{
    if (one->text == NULL || other->text == NULL) {
        return one->text == other->text && memcmp(one->net, other->net, sizeof(one->net)) == 0;
    }
    return one->size == other->size && memcmp(one->text, other->text, one->size) == 0;
}

uint64_t tr_stranger_hash(const struct tr_stranger *stranger)
{
    return stranger->text == NULL ? tr_hash_bytes(stranger->net, sizeof(stranger->net))
                                  : tr_hash_bytes(stranger->text, stranger->size);
}

void tr_stranger_print(const struct tr_stranger *stranger, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    struct in6_addr six = {0};

    if (stranger->text != NULL) {
        (void)snprintf(text, size, "%.*s", (int)stranger->size, stranger->text);
        return;
    }
    memcpy(&six, stranger->net, sizeof(stranger->net));
    (void)inet_ntop(AF_INET6, &six, host, sizeof(host));
    (void)snprintf(text, size, "%s/64", host);
}
