/* Which address others are told to dial: the one that the configuration names, or one that the node
 * finds by itself, anew at each join, since a host that was away may come back with another. */
#include "node/address.h"

#include <stdio.h>
#include <string.h>

#include "io/local_address.h"
#include "io/stream.h"

/* The address by which the registry was reached is one that other machines know, unless the
 * registry is on this host. */
static bool is_good(const struct troupe_node *node, const char *host)
{
    return host[0] != '\0' && !tr_host_is_loopback(host) &&
           (tr_host_is_ipv6(node->listen_host) || !tr_host_is_ipv6(host));
}

static void set_host(struct troupe_node *node, const char *host)
{
    tr_mutex_lock(&node->state_mutex);
    (void)snprintf(node->advertise_host, sizeof(node->advertise_host), "%s", host);
    tr_mutex_unlock(&node->state_mutex);
}

static void find_host(struct troupe_node *node, const char *local_host)
{
    const bool with_ipv6 = tr_host_is_ipv6(node->listen_host);
    char first[TR_ADDRESS_TEXT_SIZE] = "";
    const char *host = local_host;
    const char *how = "by which the registry is reached";

    if (!is_good(node, host)) {
        host = first;
        how = "of the first interface";
        if (!tr_local_host_first(with_ipv6, first)) {
            host = with_ipv6 ? "::1" : "127.0.0.1";
            how = "as there is no interface but loopback";
        }
    }
    if (strcmp(host, node->advertise_host) != 0) {
        tr_node_log(node, TROUPE_LOG_INFO, "others are told to dial %s, the address %s", host, how);
        set_host(node, host);
    }
}

void tr_address_init(struct troupe_node *node, const char *advertised)
{
    const bool asked = advertised == NULL || strcmp(advertised, "auto") == 0;

    node->finds_address = asked && tr_host_is_any(node->listen_host);
    /* One that is found is not known before the registry was reached. */
    (void)snprintf(node->advertise_host, sizeof(node->advertise_host), "%s",
                   !asked                ? advertised
                   : node->finds_address ? ""
                                         : node->listen_host);
}

const char *tr_address_on_reached(void *context, const char *local_host)
{
    struct troupe_node *node = context;

    if (node->finds_address) {
        find_host(node, local_host);
    }
    return node->advertise_host;
}
