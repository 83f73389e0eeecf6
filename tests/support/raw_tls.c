#include "support/raw_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

enum { WAIT_SECONDS = 20 };

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static void use_own(SSL_CTX *context, const struct certificate *own)
{
    BIO *certificate = BIO_new_mem_buf(own->certificate.bytes, (int)own->certificate.size);
    BIO *key = BIO_new_mem_buf(own->key.bytes, (int)own->key.size);
    X509 *read = PEM_read_bio_X509(certificate, NULL, NULL, NULL);
    EVP_PKEY *read_key = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);

    assert_int_equal(SSL_CTX_use_certificate(context, read), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, read_key), 1);
    X509_free(read);
    EVP_PKEY_free(read_key);
    BIO_free(certificate);
    BIO_free(key);
}

/* One that asks for the other's certificate and takes any. */
static SSL_CTX *context_of(const struct raw_options *options)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());

    assert_non_null(context);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    if (options->tls12) {
        assert_int_equal(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION), 1);
    }
    if (options->own != NULL) {
        use_own(context, options->own);
    }
    return context;
}

static void bound(int fd)
{
    const struct timeval wait = {.tv_sec = WAIT_SECONDS};

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
}

/* Waits for the end of the stream below, whatever TLS says of it. */
static bool until_closed(int fd)
{
    char bytes[4096];
    ssize_t got = 1;

    while (got > 0) {
        got = recv(fd, bytes, sizeof(bytes), 0);
    }
    return got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

static void converse(int fd, bool dialer, const struct raw_options *options,
                     struct raw_outcome *outcome)
{
    SSL_CTX *context = context_of(options);
    SSL *ssl = SSL_new(context);
    const uint64_t begun = now_ms();
    char bytes[1024];
    int got = 1;

    outcome->reached = true;
    bound(fd);
    if (options->first != NULL) {
        (void)send(fd, options->first, strlen(options->first), MSG_NOSIGNAL);
    }
    (void)SSL_set_fd(ssl, fd);
    outcome->agreed = (dialer ? SSL_connect(ssl) : SSL_accept(ssl)) == 1;
    while (outcome->agreed && got > 0) {
        got = SSL_read(ssl, bytes, sizeof(bytes));
        outcome->heard += got > 0 ? (size_t)got : 0;
    }
    outcome->closed = until_closed(fd);
    outcome->took_ms = now_ms() - begun;
    SSL_free(ssl);
    SSL_CTX_free(context);
    ERR_clear_error();
    (void)close(fd);
}

int raw_connect(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

struct raw_outcome raw_dial(uint16_t port, const struct raw_options *options)
{
    struct raw_outcome outcome = {.reached = false};

    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to the socket by itself here */
    converse(raw_connect(port), true, options, &outcome);
    return outcome;
}

static void serve(void *context)
{
    struct raw_server *server = context;
    const int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

    (void)close(server->listener);
    if (fd >= 0) {
        converse(fd, false, &server->options, &server->outcome);
    }
}

void raw_serve(struct raw_server *server, const struct raw_options *options)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);

    (void)signal(SIGPIPE, SIG_IGN);
    *server = (struct raw_server){.options = *options};
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->listener >= 0);
    bound(server->listener);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(server->listener, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(tr_thread_start(&server->thread, "raw", serve, server), TROUPE_OK);
}

struct raw_outcome raw_served(struct raw_server *server)
{
    tr_thread_join(&server->thread);
    return server->outcome;
}
