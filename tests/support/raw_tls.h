/* tests/support/raw_tls.h - an end of a TLS connection that does what ours would never do.
 *
 * Straight from OpenSSL, on blocking sockets, so that a test can show a certificate that our own
 * code refuses to load, or none, and speak an older version.
 */
#ifndef TESTS_SUPPORT_RAW_TLS_H
#define TESTS_SUPPORT_RAW_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/certificates.h"
#include "sync/thread.h"

struct raw_options {
    const struct certificate *own; /* NULL = no certificate */
    bool tls12;                    /* TLS 1.2 at most */
    const char *first;             /* bytes said before everything else; NULL = none */
};

struct raw_outcome {
    bool reached;     /* there was a connection */
    bool agreed;      /* our end believes that the handshake is done */
    bool closed;      /* the other end has ended it */
    size_t heard;     /* bytes within TLS */
    uint64_t took_ms; /* from the connection to its end */
};

/* Connects to 127.0.0.1, shakes hands, and listens until the other end closes. */
struct raw_outcome raw_dial(uint16_t port, const struct raw_options *options);

/* Accepts one connection and does the same, on a thread. */
struct raw_server {
    struct raw_options options;
    struct raw_outcome outcome;
    uint16_t port;
    int listener;
    struct tr_thread thread;
};
void raw_serve(struct raw_server *server, const struct raw_options *options);

/* Waits until that connection has ended. */
struct raw_outcome raw_served(struct raw_server *server);

/* A plain socket, connected to 127.0.0.1. */
int raw_connect(uint16_t port);

#endif
