#include "daemon/admin_io.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until the socket is ready for events. OK, TIMEOUT or SYSTEM. */
static troupe_status wait_ready(int socket, short events, int64_t deadline_ms)
{
    for (;;) {
        const int64_t left = deadline_ms - now_ms();
        struct pollfd entry = {.fd = socket, .events = events};
        int ready = 0;

        if (left <= 0) {
            return TROUPE_E_TIMEOUT;
        }
        ready = poll(&entry, 1, left > INT32_MAX ? INT32_MAX : (int)left);
        if (ready > 0) {
            return TROUPE_OK;
        }
        if (ready < 0 && errno != EINTR) {
            return TROUPE_E_SYSTEM;
        }
    }
}

/* Reads exactly size bytes. CLOSED: the end came before the first, PROTOCOL: before the last. */
static troupe_status read_exact(int socket, uint8_t *bytes, size_t size, int64_t deadline_ms)
{
    size_t done = 0;

    while (done < size) {
        troupe_status status = wait_ready(socket, POLLIN, deadline_ms);
        ssize_t got = 0;

        if (status != TROUPE_OK) {
            return status;
        }
        got = recv(socket, bytes + done, size - done, MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (got <= 0) {
            return done == 0 ? TROUPE_E_CLOSED : TROUPE_E_PROTOCOL;
        }
        done += (size_t)got;
    }
    return TROUPE_OK;
}

/* Reads the length. Its first byte may take idle_ms, the others message_ms. */
static troupe_status read_size(int socket, int idle_ms, int message_ms, uint32_t *size)
{
    uint8_t header[4];
    troupe_status status = read_exact(socket, header, 1, now_ms() + idle_ms);

    if (status != TROUPE_OK) {
        return status;
    }
    status = read_exact(socket, header + 1, 3, now_ms() + message_ms);
    if (status != TROUPE_OK) {
        return status == TROUPE_E_CLOSED ? TROUPE_E_PROTOCOL : status;
    }
    *size = (uint32_t)header[0] << 24 | (uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 |
            (uint32_t)header[3];
    return *size == 0 || *size > ADMIN_SIZE_MAX ? TROUPE_E_LIMIT : TROUPE_OK;
}

troupe_status admin_io_read(int socket, int idle_ms, int message_ms, char **json)
{
    uint32_t size = 0;
    char *text = NULL;
    troupe_status status = read_size(socket, idle_ms, message_ms, &size);

    if (status != TROUPE_OK) {
        return status;
    }
    text = malloc((size_t)size + 1);
    if (text == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    status = read_exact(socket, (uint8_t *)text, size, now_ms() + message_ms);
    if (status == TROUPE_E_CLOSED || (status == TROUPE_OK && memchr(text, '\0', size) != NULL)) {
        status = TROUPE_E_PROTOCOL;
    }
    if (status != TROUPE_OK) {
        free(text);
        return status;
    }
    text[size] = '\0';
    *json = text;
    return TROUPE_OK;
}

static troupe_status write_exact(int socket, const uint8_t *bytes, size_t size, int64_t deadline_ms)
{
    while (size > 0) {
        troupe_status status = wait_ready(socket, POLLOUT, deadline_ms);
        ssize_t put = 0;

        if (status != TROUPE_OK) {
            return status;
        }
        put = send(socket, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (put <= 0) {
            return TROUPE_E_CLOSED;
        }
        bytes += put;
        size -= (size_t)put;
    }
    return TROUPE_OK;
}

troupe_status admin_io_write(int socket, const char *json, int message_ms)
{
    const size_t size = strlen(json);
    const int64_t deadline_ms = now_ms() + message_ms;
    uint8_t header[4] = {(uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                         (uint8_t)size};
    troupe_status status = TROUPE_OK;

    if (size == 0 || size > ADMIN_SIZE_MAX) {
        return TROUPE_E_LIMIT;
    }
    status = write_exact(socket, header, sizeof(header), deadline_ms);
    if (status == TROUPE_OK) {
        status = write_exact(socket, (const uint8_t *)json, size, deadline_ms);
    }
    return status;
}

troupe_status admin_io_connect(const char *path, int *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t size = strlen(path);
    int file = -1;

    if (size == 0 || size >= sizeof(address.sun_path)) {
        return TROUPE_E_INVALID;
    }
    memcpy(address.sun_path, path, size + 1);
    file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file < 0) {
        return TROUPE_E_SYSTEM;
    }
    /* A node that is stopped accepts nobody: once its queue is full, connecting would block. */
    (void)setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){.tv_sec = 1},
                     sizeof(struct timeval));
    if (connect(file, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        const int error = errno;

        (void)close(file);
        errno = error;
        return TROUPE_E_SYSTEM;
    }
    *out = file;
    return TROUPE_OK;
}
