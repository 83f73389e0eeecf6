#include "io/uv_status.h"

#include <uv.h>

struct word {
    int result;
    troupe_status status;
};

static const struct word words[] = {
    {UV_EOF, TROUPE_E_CLOSED},
    {UV_ECANCELED, TROUPE_E_CLOSED},
    {UV_ENOMEM, TROUPE_E_NO_MEMORY},
    {UV_ENOBUFS, TROUPE_E_NO_MEMORY},
    {UV_EAGAIN, TROUPE_E_AGAIN},
    {UV_EADDRINUSE, TROUPE_E_EXISTS},
    {UV_EADDRNOTAVAIL, TROUPE_E_INVALID},
    {UV_EINVAL, TROUPE_E_INVALID},
    {UV_EAFNOSUPPORT, TROUPE_E_INVALID},
    {UV_ENAMETOOLONG, TROUPE_E_INVALID},
    {UV_EACCES, TROUPE_E_DENIED},
    {UV_EPERM, TROUPE_E_DENIED},
    {UV_EMFILE, TROUPE_E_LIMIT},
    {UV_ENFILE, TROUPE_E_LIMIT},
    {UV_ENOENT, TROUPE_E_NOT_FOUND},
    {UV_ETIMEDOUT, TROUPE_E_TIMEOUT},
    {UV_ECONNREFUSED, TROUPE_E_NOCONNECTION},
    {UV_ECONNRESET, TROUPE_E_NOCONNECTION},
    {UV_ECONNABORTED, TROUPE_E_NOCONNECTION},
    {UV_ENOTCONN, TROUPE_E_NOCONNECTION},
    {UV_EPIPE, TROUPE_E_NOCONNECTION},
    {UV_EHOSTUNREACH, TROUPE_E_NOCONNECTION},
    {UV_ENETUNREACH, TROUPE_E_NOCONNECTION},
    {UV_ENETDOWN, TROUPE_E_NOCONNECTION},
    {UV_EAI_NONAME, TROUPE_E_NOT_FOUND},
    {UV_EAI_NODATA, TROUPE_E_NOT_FOUND},
    {UV_EAI_AGAIN, TROUPE_E_NOCONNECTION},
    {UV_EAI_MEMORY, TROUPE_E_NO_MEMORY},
};

troupe_status tr_uv_status(int result)
{
    if (result >= 0) {
        return TROUPE_OK;
    }
    for (size_t index = 0; index < sizeof(words) / sizeof(words[0]); index++) {
        if (words[index].result == result) {
            return words[index].status;
        }
    }
    return TROUPE_E_SYSTEM;
}
