/* wire/tls_inside.h - what the TLS files of this folder share; nobody else includes it.
 *
 * Threads: any, one at a time.
 */
#ifndef TR_WIRE_TLS_INSIDE_H
#define TR_WIRE_TLS_INSIDE_H

#include <openssl/ssl.h>

#include "wire/tls_context.h"

struct tr_tls_context {
    SSL_CTX *ssl;
    struct tr_tls_name name;
    int64_t expires;
};

/* Reads who a certificate is for. NULL, or why it names nobody. */
const char *tls_name_of(X509 *certificate, struct tr_tls_name *name);

/* A time of a certificate, in seconds since 1970. */
int64_t tls_seconds_of(const ASN1_TIME *time);

/* Lends the text of the first error that waits, and forgets them all. */
const char *tls_error_text(void);

/* For reading PEM: without it OpenSSL would ask for a password on the terminal. */
int tls_no_password(char *buffer, int size, int writing, void *context);

#endif
