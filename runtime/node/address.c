/* Which address others are told to dial: the one that the configuration names, or one that the node
 * finds by itself, anew at each join, since a host that was away may come back with another. */
#include "node/address.h"

#include <stdio.h>
#include <string.h>

#include "io/local_address.h"
#include "io/stream.h"

enum { ADVERTISE_HOST_SIZE_MAX = 255, MODE_BITS = 0666 };

static bool is_auto(const char *advertised)
{
    return advertised == NULL || strcmp(advertised, "auto") == 0;
}

static bool check_path(const char *path, char *error, size_t error_size)
{
    const char *fault = tr_unix_path_fault(path);

    if (fault != NULL) {
        (void)snprintf(error, error_size, "%.300s (%zu bytes): %s", path, strlen(path), fault);
    }
    return fault == NULL;
}

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

/* A unix socket may lie elsewhere for others, who see the file system of this node from outside of
 * its container; it cannot turn into a host. */
static bool check_advertised(const char *host, bool is_unix, char *error, size_t error_size)
{
    const char *path = tr_host_unix_path(host);

    if (strlen(host) > ADVERTISE_HOST_SIZE_MAX) {
        (void)snprintf(error, error_size, "a host to advertise has at most 255 bytes");
        return false;
    }
    if (is_unix != (path != NULL)) {
        (void)snprintf(error, error_size, "a node that listens at a %s cannot advertise %s",
                       is_unix ? "unix socket" : "host", host);
        return false;
    }
    return path == NULL || check_path(path, error, error_size);
}

bool tr_address_check(const troupe_config *config, char *error, size_t error_size)
{
    const char *advertised = config->advertise_host;
    const char *path = config->listen_host == NULL ? NULL : tr_host_unix_path(config->listen_host);

    if (path != NULL && !check_path(path, error, error_size)) {
        return false;
    }
    if (path != NULL && config->listen_port != 0) {
        (void)snprintf(error, error_size, "a unix socket has no port");
        return false;
    }
    if (config->listen_host == NULL || strlen(config->listen_host) > TR_LISTEN_HOST_SIZE_MAX) {
        (void)snprintf(error, error_size, "listen_host has at most %d bytes",
                       TR_LISTEN_HOST_SIZE_MAX);
        return false;
    }
    if ((config->listen_mode & ~(uint32_t)MODE_BITS) != 0) {
        (void)snprintf(error, error_size, "listen_mode is a mode of at most 0666");
        return false;
    }
    return is_auto(advertised) || check_advertised(advertised, path != NULL, error, error_size);
}

void tr_address_init(struct troupe_node *node, const char *advertised)
{
    const bool asked = is_auto(advertised);

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
