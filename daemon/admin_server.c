#include "daemon/admin_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "daemon/admin_io.h"
#include "troupe/actor.h"

#define REFUSAL(status, text) "{\"ok\":false,\"status\":\"" status "\",\"error\":\"" text "\"}"

/* ---- one connection: its own thread ---- */

/* Tells why the connection ends; it is closed whatever comes of that. */
static void refuse(int socket, const char *reply)
{
    if (admin_io_write(socket, reply, 1000) != TROUPE_OK) {
        return;
    }
    (void)shutdown(socket, SHUT_WR);
}

static bool is_brief(const struct admin_handler *handler, const char *request)
{
    return handler->is_brief != NULL && handler->is_brief(request);
}

/* Has the request answered. Answers whether the connection goes on. */
static bool answer(struct admin_connection *connection, const char *request)
{
    const struct admin_handler *handler = &connection->server->handler;
    char *reply = NULL;
    troupe_status status = TROUPE_OK;

    if (!handler->handle(handler->context, request, &reply)) {
        return false;
    }
    status = admin_io_write(connection->socket, reply, ADMIN_MESSAGE_MS);
    if (status == TROUPE_E_LIMIT) {
        status = admin_io_write(connection->socket,
                                REFUSAL("TROUPE_E_LIMIT", "the reply is above 1 MiB; ask for less"),
                                ADMIN_MESSAGE_MS);
    }
    handler->release(reply);
    return status == TROUPE_OK && !connection->brief;
}

static bool serve_one(struct admin_connection *connection)
{
    const int idle_ms = connection->brief ? ADMIN_BRIEF_MS : ADMIN_IDLE_MS;
    char *request = NULL;
    troupe_status status = admin_io_read(connection->socket, idle_ms, ADMIN_MESSAGE_MS, &request);
    bool go_on = false;

    if (status == TROUPE_E_LIMIT) {
        refuse(connection->socket, REFUSAL("TROUPE_E_LIMIT", "a request has 1 byte to 1 MiB"));
    } else if (status == TROUPE_E_PROTOCOL) {
        refuse(connection->socket, REFUSAL("TROUPE_E_PROTOCOL", "the request is not whole"));
    }
    if (status != TROUPE_OK) {
        return false;
    }
    if (connection->brief && !is_brief(&connection->server->handler, request)) {
        refuse(connection->socket, REFUSAL("TROUPE_E_BUSY", "too many connections"));
    } else {
        go_on = answer(connection, request);
    }
    free(request);
    return go_on;
}

static void connection_main(void *context)
{
    struct admin_connection *connection = context;
    struct admin_server *server = connection->server;
    const unsigned char slot = (unsigned char)(connection - server->connections);

    while (serve_one(connection)) {
    }
    (void)shutdown(connection->socket, SHUT_RDWR);
    /* The pipe holds more bytes than there are slots, so this cannot block. */
    while (write(server->ended_write, &slot, 1) < 0 && errno == EINTR) {
    }
}

/* ---- the loop's side ---- */

static int start_problem(struct problem *problem, const char *path, const char *why)
{
    const int status =
        problem_set(problem, PROBLEM_ADDRESS, "the admin socket \"%s\" cannot be used", path);

    problem_detail(problem, "%s", why);
    return status;
}

/* Removes a socket that a dead process left. Answers false when something else is there. */
static bool clear_path(const char *path)
{
    struct stat status;
    int probe = -1;

    if (lstat(path, &status) != 0) {
        return errno == ENOENT;
    }
    if (!S_ISSOCK(status.st_mode)) {
        errno = EEXIST;
        return false;
    }
    if (admin_io_connect(path, &probe) == TROUPE_OK) {
        (void)close(probe);
        errno = EADDRINUSE;
        return false;
    }
    return unlink(path) == 0;
}

/* Binds with a mask, so that the socket is never more open than mode, not even for a moment. */
static int listen_at(const char *path, mode_t mode)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const mode_t mask = umask(0777);
    bool bound = false;

    memcpy(address.sun_path, path, strlen(path) + 1);
    bound = file >= 0 && bind(file, (const struct sockaddr *)&address, sizeof(address)) == 0;
    (void)umask(mask);
    if (bound && chmod(path, mode) == 0 && listen(file, ADMIN_SLOTS_MAX) == 0) {
        return file;
    }
    if (file >= 0) {
        const int error = errno;

        (void)close(file);
        errno = error;
    }
    return -1;
}

int admin_server_start(struct admin_server *server, const char *path, mode_t mode,
                       const struct admin_handler *handler, struct log *log,
                       struct problem *problem)
{
    int ends[2] = {-1, -1};

    *server = (struct admin_server){
        .listener = -1, .ended_read = -1, .ended_write = -1, .handler = *handler, .log = log};
    for (int i = 0; i < ADMIN_SLOTS_MAX; i++) {
        server->connections[i] = (struct admin_connection){.server = server, .socket = -1};
    }
    if (strlen(path) >= sizeof(server->path)) {
        return start_problem(problem, path, "the path has more than 107 bytes");
    }
    if (!clear_path(path)) {
        return start_problem(problem, path, strerror(errno));
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return start_problem(problem, path, strerror(errno));
    }
    server->ended_read = ends[0];
    server->ended_write = ends[1];
    (void)snprintf(server->path, sizeof(server->path), "%s", path);
    server->listener = listen_at(path, mode);
    if (server->listener < 0) {
        const int status = start_problem(problem, path, strerror(errno));

        (void)close(ends[0]);
        (void)close(ends[1]);
        server->ended_read = -1;
        server->ended_write = -1;
        return status;
    }
    return 0;
}

/* Whether the process at the other end runs as our user, or as root. */
static bool peer_is_allowed(int socket)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static struct admin_connection *free_slot(struct admin_server *server)
{
    for (int i = 0; i < ADMIN_SLOTS_MAX; i++) {
        if (server->connections[i].socket < 0) {
            server->connections[i].brief = i >= ADMIN_CONNECTIONS_MAX;
            return &server->connections[i];
        }
    }
    return NULL;
}

/* Answers the words for a connection that cannot be served, or NULL when it is. */
static const char *serve(struct admin_server *server, int socket)
{
    struct admin_connection *connection = free_slot(server);

    if (!peer_is_allowed(socket)) {
        log_printf(server->log, TROUPE_LOG_WARNING, "admin socket: refused another user");
        return REFUSAL("TROUPE_E_DENIED", "only the user of the node and root may do this");
    }
    if (connection == NULL) {
        return REFUSAL("TROUPE_E_BUSY", "too many connections");
    }
    connection->socket = socket;
    if (tr_thread_start(&connection->thread, "admin", connection_main, connection) != TROUPE_OK) {
        connection->socket = -1;
        return REFUSAL("TROUPE_E_SYSTEM", "no more threads");
    }
    server->connections_count++;
    return NULL;
}

/* It went away again, or descriptors or buffers ran out. Then it still waits in the socket's queue,
 * which is readable all the time: whoever looks again at once does nothing else any more. */
static void rest_without(struct admin_server *server, int error)
{
    if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM) {
        return;
    }
    if (server->rests == 0) {
        log_printf(server->log, TROUPE_LOG_WARNING,
                   "admin socket: no connection can be accepted: %s", strerror(error));
    }
    server->rests = (server->rests + 1) % (ADMIN_REST_LOG_MS / ADMIN_REST_MS);
    (void)poll(NULL, 0, ADMIN_REST_MS);
}

void admin_server_accept(struct admin_server *server)
{
    const int socket = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
    const char *refusal = NULL;

    if (socket < 0) {
        rest_without(server, errno);
        return;
    }
    refusal = serve(server, socket);
    if (refusal != NULL) {
        refuse(socket, refusal);
        (void)close(socket);
    }
}

void admin_server_reap(struct admin_server *server)
{
    unsigned char slots[ADMIN_SLOTS_MAX];
    const ssize_t count = read(server->ended_read, slots, sizeof(slots));

    for (ssize_t i = 0; i < count; i++) {
        struct admin_connection *connection = &server->connections[slots[i]];

        tr_thread_join(&connection->thread);
        (void)close(connection->socket);
        connection->socket = -1;
        server->connections_count--;
    }
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool admin_server_stop(struct admin_server *server, int timeout_ms)
{
    const int64_t deadline = now_ms() + timeout_ms;

    if (server->listener < 0) {
        return true;
    }
    (void)unlink(server->path);
    (void)close(server->listener);
    server->listener = -1;
    for (int i = 0; i < ADMIN_SLOTS_MAX; i++) {
        if (server->connections[i].socket >= 0) {
            /* No further request is read; the reply of a running one can still be written. */
            (void)shutdown(server->connections[i].socket, SHUT_RD);
        }
    }
    while (server->connections_count > 0) {
        const int64_t left = deadline - now_ms();
        struct pollfd entry = {.fd = server->ended_read, .events = POLLIN};

        if (left <= 0) {
            return false;
        }
        if (poll(&entry, 1, (int)left) > 0) {
            admin_server_reap(server);
        }
    }
    (void)close(server->ended_read);
    (void)close(server->ended_write);
    return true;
}
