#include "io/resolve.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <uv.h>

#include "base/check.h"
#include "io/loop_uv.h"
#include "io/uv_status.h"

struct tr_resolve {
    uv_getaddrinfo_t uv;
    tr_resolve_fn fn; /* NULL once cancelled */
    void *context;
};

static size_t list_addresses(const struct addrinfo *found, struct tr_address *addresses)
{
    size_t count = 0;

    for (; found != NULL && count < TR_ADDRESSES_MAX; found = found->ai_next) {
        if (getnameinfo(found->ai_addr, found->ai_addrlen, addresses[count].text,
                        TR_ADDRESS_TEXT_SIZE, NULL, 0, NI_NUMERICHOST) == 0) {
            count++;
        }
    }
    return count;
}

static void on_found(uv_getaddrinfo_t *uv, int result, struct addrinfo *found)
{
    struct tr_resolve *resolve = uv->data;
    struct tr_address addresses[TR_ADDRESSES_MAX];
    const size_t count = result < 0 ? 0 : list_addresses(found, addresses);

    if (resolve->fn != NULL) {
        const troupe_status status = result < 0 ? tr_uv_status(result) : TROUPE_E_NOT_FOUND;

        resolve->fn(resolve->context, count > 0 ? TROUPE_OK : status, addresses, count);
    }
    uv_freeaddrinfo(found);
    free(resolve);
}

troupe_status tr_resolve_start(struct tr_loop *loop, const char *host, tr_resolve_fn fn,
                               void *context, struct tr_resolve **out)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct tr_resolve *resolve = calloc(1, sizeof(*resolve));
    int result = 0;

    TR_CHECK(fn != NULL);
    if (resolve == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    resolve->fn = fn;
    resolve->context = context;
    resolve->uv.data = resolve;
    result = uv_getaddrinfo(tr_loop_uv(loop), &resolve->uv, on_found, host, NULL, &hints);
    if (result != 0) {
        free(resolve);
        return tr_uv_status(result);
    }
    *out = resolve;
    return TROUPE_OK;
}

void tr_resolve_cancel(struct tr_resolve *resolve)
{
    if (resolve != NULL) {
        resolve->fn = NULL;
        (void)uv_cancel((uv_req_t *)&resolve->uv);
    }
}
