/* dist/client.h - one request to a node, from a program that is no node: what the command line
 * uses.
 *
 *     tr_client_call(&(struct tr_client_config){.host = "127.0.0.1", .port = 4370, ...}, request,
 * size, &response, &response_size)
 *
 * It connects, proves who it is and makes the node prove who it is, asks, waits
 * for the answer and closes. It takes no node id and leaves nothing behind.
 *
 * Threads: any; the caller's thread blocks up to the deadline.
 */
#ifndef TR_DIST_CLIENT_H
#define TR_DIST_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "troupe/status.h"

struct tr_tls_context;

struct tr_client_config {
    const char *host; /* numeric or a name */
    uint16_t port;
    const uint8_t *secret;
    size_t secret_size;               /* 0 without TLS = plain: loopback only */
    const struct tr_tls_context *tls; /* lent; NULL = no TLS */
    const char *node_name; /* with TLS, the node whose certificate is expected; NULL = any node */
    uint32_t timeout_ms;   /* for all of it; at least 1 */
    char *why;             /* filled in words when TLS was refused, else ""; may be NULL */
    size_t why_size;
};

/* Gives *response from malloc, *response_size bytes and a zero byte behind them.
 *   TROUPE_E_NOCONNECTION  nobody listens there, or the connection broke before the request was
 * sent TROUPE_E_NOT_FOUND     no such host TROUPE_E_AUTH          the secrets differ
 *   TROUPE_E_DENIED        plain, and not loopback
 *   TROUPE_E_TIMEOUT       no connection within the deadline
 *   TROUPE_E_UNKNOWN       the request was sent, and the answer did not come: it may have been done
 *   TROUPE_E_LIMIT         the request is too large, or the node has too many clients
 *   TROUPE_E_PROTOCOL, TROUPE_E_NO_MEMORY, TROUPE_E_SYSTEM, TROUPE_E_CLOSED (the node is stopping)
 */
TROUPE_MUST_USE troupe_status tr_client_call(const struct tr_client_config *config,
                                             const uint8_t *request, size_t size,
                                             uint8_t **response, size_t *response_size);

#endif
