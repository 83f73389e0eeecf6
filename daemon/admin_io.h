/* daemon/admin_io.h - one request or reply of the administration protocol on a unix socket.
 *
 * On the wire (docs/admin.md): four bytes of length, big-endian, then so many bytes of JSON, 1 byte
 * to 1 MiB. Any number of requests follow each other on one connection.
 * Threads: one per socket and direction. Memory: what is read is given to the caller, who frees it.
 */
#ifndef DAEMON_ADMIN_IO_H
#define DAEMON_ADMIN_IO_H

#include <stddef.h>

#include "troupe/status.h"

#define ADMIN_SIZE_MAX (1024u * 1024u)

/* Waits at most idle_ms for the first byte and then at most message_ms for the rest. Gives *json,
 * ended with NUL, to be freed.
 *   TROUPE_E_CLOSED    the other end closed between two messages
 *   TROUPE_E_TIMEOUT   nothing, or not all of it, came in time
 *   TROUPE_E_LIMIT     the length is 0 or above ADMIN_SIZE_MAX; nothing after it can be trusted
 *   TROUPE_E_PROTOCOL  the other end closed in the middle, or the text holds a NUL
 *   TROUPE_E_SYSTEM, TROUPE_E_NO_MEMORY */
TROUPE_MUST_USE troupe_status admin_io_read(int socket, int idle_ms, int message_ms, char **json);

/* Writes one message of at most ADMIN_SIZE_MAX bytes. TROUPE_E_LIMIT, TROUPE_E_TIMEOUT,
 * TROUPE_E_CLOSED. */
TROUPE_MUST_USE troupe_status admin_io_write(int socket, const char *json, int message_ms);

/* Connects to the socket at path. Gives *socket. TROUPE_E_INVALID (path too long), TROUPE_E_SYSTEM
 * with errno set. */
TROUPE_MUST_USE troupe_status admin_io_connect(const char *path, int *socket);

#endif
