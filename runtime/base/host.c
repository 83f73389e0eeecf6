#include "base/host.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

const char *tr_host_unix_path(const char *host)
{
    const size_t size = sizeof(TR_UNIX_PREFIX) - 1;

    return strncmp(host, TR_UNIX_PREFIX, size) == 0 ? host + size : NULL;
}

const char *tr_unix_path_fault(const char *path)
{
    const size_t size = strlen(path);

    if (path[0] != '/') {
        return "the path of a unix socket begins with /";
    }
    if (size > TR_UNIX_PATH_SIZE_MAX) {
        return "the path of a unix socket has at most 107 bytes";
    }
    if (path[size - 1] == '/') {
        return "the path of a unix socket names a file, not a directory";
    }
    return tr_utf8_is_line(path, size)
               ? NULL
               : "the path of a unix socket is UTF-8 without control characters";
}

bool tr_address_is_good(const char *host, uint16_t port)
{
    const char *path = tr_host_unix_path(host);

    return path != NULL ? port == 0 && tr_unix_path_fault(path) == NULL
                        : host[0] != '\0' && port != 0;
}

void tr_address_print(const char *host, uint16_t port, char *text, size_t size)
{
    if (tr_host_unix_path(host) != NULL) {
        (void)snprintf(text, size, "%s", host);
    } else {
        const bool brackets = strchr(host, ':') != NULL;

        (void)snprintf(text, size, "%s%s%s:%u", brackets ? "[" : "", host, brackets ? "]" : "",
                       (unsigned)port);
    }
}
