/* daemon/admin_server.h - the administration protocol on a unix socket.
 *
 * One thread per connection, so that a request which blocks does not hold up others; at most
 * ADMIN_CONNECTIONS_MAX connections. While all of them are taken, ADMIN_BRIEF_MAX more are served
 * for one request each that waits for no actor (is_brief), so that whoever asks whether the node is
 * well has an answer even then. Further ones are told so and closed. Whoever connects must be the
 * same user as the node, or root; the kernel says who it is.
 *
 * The owner's poll loop drives accepting and tidying up:
 *
 *     admin_server_start(...);
 *     poll({server.listener, server.ended_read}) -> admin_server_accept / admin_server_reap
 *     admin_server_stop(&server, timeout_ms);
 *
 * Threads: all functions from one thread. Memory: fixed, in the caller's struct.
 */
#ifndef DAEMON_ADMIN_SERVER_H
#define DAEMON_ADMIN_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/log.h"
#include "daemon/problem.h"
#include "sync/thread.h"

#define ADMIN_CONNECTIONS_MAX 64
#define ADMIN_BRIEF_MAX 8 /* beyond them, for brief requests */
#define ADMIN_SLOTS_MAX (ADMIN_CONNECTIONS_MAX + ADMIN_BRIEF_MAX)
#define ADMIN_IDLE_MS (10 * 60 * 1000) /* a connection without a request is closed */
#define ADMIN_BRIEF_MS 2000            /* until the request of a brief one is there */
#define ADMIN_MESSAGE_MS 10000         /* one request, or reply, has to pass in so long */
#define ADMIN_REST_MS 50               /* until the next try, when descriptors have run out */
#define ADMIN_REST_LOG_MS 10000        /* between lines of the log about that */
#define ADMIN_REQUEST_MS 30000u        /* the longest a request may take */

/* Answers one request. Gives *reply to the server, who frees it by release. Any thread. */
struct admin_handler {
    void *context;
    bool (*handle)(void *context, const char *request, char **reply);
    bool (*is_brief)(const char *request); /* it waits for no actor; NULL: none is */
    void (*release)(char *reply);
};

struct admin_server;

struct admin_connection {
    struct admin_server *server;
    struct tr_thread thread;
    int socket; /* -1: the slot is free; closed by the loop after the thread has ended */
    bool brief; /* for one brief request */
};

struct admin_server {
    int listener;   /* -1: not running */
    int ended_read; /* readable when a connection's thread has ended */
    int ended_write;
    char path[108];
    struct admin_handler handler;
    struct log *log;
    struct admin_connection connections[ADMIN_SLOTS_MAX];
    unsigned connections_count;
    unsigned rests; /* for want of descriptors, since the log had it last */
};

/* Listens at path, which replaces a socket that nobody answers on. Answers 0 or an exit status. */
int admin_server_start(struct admin_server *server, const char *path, mode_t mode,
                       const struct admin_handler *handler, struct log *log,
                       struct problem *problem);

/* The listener is readable: takes one connection. */
void admin_server_accept(struct admin_server *server);
/* ended_read is readable: frees the slots of connections that have ended. */
void admin_server_reap(struct admin_server *server);

/* Removes the socket, lets running requests end for at most timeout_ms. Answers false when some
 * still run: then the handler's context must stay alive until the process ends. */
bool admin_server_stop(struct admin_server *server, int timeout_ms);

#endif
