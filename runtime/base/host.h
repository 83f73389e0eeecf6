/* base/host.h - where a node can be dialled: a host with a port, or the path of a unix socket.
 *
 *     "10.0.0.7", 7700      "fd00::5", 7700      "node.example", 7700      "unix:/run/troupe/n1", 0
 *
 * Both kinds stand in the same two values wherever an address is kept, so the configuration, the
 * row of a node and the peers need no third one. No host of the network has a colon and a slash.
 *
 * Threads: any. Memory: results are lent from the argument, or static.
 */
#ifndef TR_BASE_HOST_H
#define TR_BASE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TR_UNIX_PREFIX "unix:"

enum {
    TR_UNIX_PATH_SIZE_MAX = 107,  /* sun_path of Linux, without its end */
    TR_LISTEN_HOST_SIZE_MAX = 112 /* the prefix and such a path; longer than any number */
};

/* The path of a unix socket behind the prefix, good or not; NULL for a host of the network. */
const char *tr_host_unix_path(const char *host);

/* NULL when a unix socket may lie at the path: absolute, of at most TR_UNIX_PATH_SIZE_MAX bytes of
 * UTF-8 without control characters, naming something in a directory. Else what it should be, in
 * words. */
const char *tr_unix_path_fault(const char *path);

/* Whether both together are an address that can be dialled. */
bool tr_address_is_good(const char *host, uint16_t port);

/* Writes "host:port", "[ipv6]:port" or "unix:/path", cut to size. */
void tr_address_print(const char *host, uint16_t port, char *text, size_t size);

#endif
