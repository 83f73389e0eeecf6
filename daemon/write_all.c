#include "daemon/write_all.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

bool write_all(int file, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    while (size > 0) {
        const ssize_t put = write(file, at, size);

        if (put < 0 && errno != EINTR) {
            return false;
        }
        if (put > 0) {
            at += put;
            size -= (size_t)put;
        }
    }
    return true;
}
