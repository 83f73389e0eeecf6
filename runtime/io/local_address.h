/* io/local_address.h - the addresses by which others may reach this host.
 *
 *     tr_socket_local_host(fd, text)        the end of a connection that is ours
 *     tr_local_host_first(true, text)       of the first interface that is no loopback
 *
 * Threads: any. They read the kernel's tables and do not block.
 * Memory: the caller's.
 */
#ifndef TR_IO_LOCAL_ADDRESS_H
#define TR_IO_LOCAL_ADDRESS_H

#include <stdbool.h>

#include "io/resolve.h"

/* The local address of a connected socket, in digits, an IPv4 one always as such. False for a unix
 * socket, and when there is none. */
bool tr_socket_local_host(int fd, char text[TR_ADDRESS_TEXT_SIZE]);

/* The address of the first interface that is up and no loopback: IPv4 before IPv6, of which only
 * those count that are good beyond their link. False when there is none. */
bool tr_local_host_first(bool with_ipv6, char text[TR_ADDRESS_TEXT_SIZE]);

/* True for the addresses that stand for all of this host's: 0.0.0.0 and ::. */
bool tr_host_is_any(const char *host);

/* True for an address in digits that is an IPv6 one. */
bool tr_host_is_ipv6(const char *host);

#endif
