#include "node/tls.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dist/peers.h"
#include "io/loop.h"
#include "io/timer.h"
#include "wire/tls_context.h"

enum { DAY_SECONDS = 86400 };

struct tr_node_tls {
    struct tr_tls_context *context; /* owned; under state_mutex once the loop runs */
    struct tr_timer *timer;         /* loop thread */
};

int64_t tr_node_tls_days_left(int64_t expires)
{
    /* Certificates are made for the calendar's time, so this is the one place that asks for it. */
    const int64_t left = expires - (int64_t)time(NULL);

    return left >= 0 ? left / DAY_SECONDS : -1 - (-left - 1) / DAY_SECONDS;
}

int64_t tr_node_tls_expires(struct troupe_node *node)
{
    int64_t expires = 0;

    if (node->tls != NULL) {
        tr_mutex_lock(&node->state_mutex);
        expires = tr_tls_context_expires(node->tls->context);
        tr_mutex_unlock(&node->state_mutex);
    }
    return expires;
}

static void warn_if_old(struct troupe_node *node)
{
    const int64_t expires = tr_node_tls_expires(node);
    const int64_t days = tr_node_tls_days_left(expires);

    if (expires == 0 || days >= TR_TLS_EXPIRY_WARNING_DAYS) {
        return;
    }
    if (days < 0) {
        tr_node_log(node, TROUPE_LOG_ERROR,
                    "the TLS certificate has expired: no new connection will be accepted");
    } else {
        tr_node_log(node, TROUPE_LOG_WARNING, "the TLS certificate expires in %" PRId64 " days",
                    days);
    }
}

/* Reads the files and looks whether they are the node's of that name. */
static troupe_status load(const char *node, const struct tr_tls_files *files,
                          struct tr_tls_context **out, char *error, size_t error_size)
{
    struct tr_tls_context *context = NULL;
    const struct tr_tls_name *name = NULL;
    const troupe_status status = tr_tls_context_load(files, &context, error, error_size);

    if (status != TROUPE_OK) {
        return status;
    }
    name = tr_tls_context_name(context);
    if (name->role != TR_TLS_NODE || strcmp(name->name, node) != 0) {
        (void)snprintf(error, error_size, "%s: it is the certificate of %s %s, and this is node %s",
                       files->certificate, name->role == TR_TLS_NODE ? "node" : "client",
                       name->name, node);
        tr_tls_context_destroy(context);
        return TROUPE_E_INVALID;
    }
    *out = context;
    return TROUPE_OK;
}

troupe_status tr_node_tls_start(struct troupe_node *node, const troupe_config *config, char *error,
                                size_t error_size)
{
    const struct tr_tls_files files = {config->tls_cert, config->tls_key, config->tls_ca};

    troupe_status status = TROUPE_OK;

    if (files.certificate == NULL) {
        return TROUPE_OK;
    }
    node->tls = calloc(1, sizeof(*node->tls));
    if (node->tls == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    status = load(node->name, &files, &node->tls->context, error, error_size);
    if (status != TROUPE_OK) {
        tr_node_tls_fini(node);
    }
    return status;
}

void tr_node_tls_fini(struct troupe_node *node)
{
    if (node->tls != NULL) {
        tr_tls_context_destroy(node->tls->context);
        free(node->tls);
        node->tls = NULL;
    }
}

troupe_status tr_node_tls_give(struct troupe_node *node, struct tr_peers *peers)
{
    struct tr_tls_context *own = NULL;
    troupe_status status = TROUPE_OK;

    if (node->tls == NULL) {
        return TROUPE_OK;
    }
    tr_mutex_lock(&node->state_mutex);
    status = tr_tls_context_copy(node->tls->context, &own);
    tr_mutex_unlock(&node->state_mutex);
    if (status == TROUPE_OK) {
        tr_peers_set_tls(peers, own);
    }
    return status;
}

troupe_status troupe_tls_check(const char *name, const char *tls_cert, const char *tls_key,
                               const char *tls_ca, int64_t *expires, char *error, size_t error_size)
{
    const struct tr_tls_files files = {tls_cert, tls_key, tls_ca};
    struct tr_tls_context *context = NULL;
    char unread[1];
    troupe_status status = TROUPE_OK;

    if (error == NULL || error_size == 0) {
        error = unread;
        error_size = sizeof(unread);
    }
    if (name == NULL || tls_cert == NULL || tls_key == NULL || tls_ca == NULL) {
        (void)snprintf(error, error_size, "a name, a certificate, its key and authorities");
        return TROUPE_E_INVALID;
    }
    status = load(name, &files, &context, error, error_size);
    if (status != TROUPE_OK) {
        return status;
    }
    if (expires != NULL) {
        *expires = tr_tls_context_expires(context);
    }
    tr_tls_context_destroy(context);
    return TROUPE_OK;
}

/* ---- reading it again ---- */

static void give_on_loop(void *context)
{
    struct troupe_node *node = context;

    if (node->peers != NULL && tr_node_tls_give(node, node->peers) != TROUPE_OK) {
        tr_node_log(node, TROUPE_LOG_ERROR,
                    "out of memory: the TLS certificate from before stays in use");
        return;
    }
    warn_if_old(node);
}

troupe_status troupe_node_reload_tls(troupe_node *node, const char *tls_cert, const char *tls_key,
                                     const char *tls_ca, char *error, size_t error_size)
{
    const struct tr_tls_files files = {tls_cert, tls_key, tls_ca};
    struct tr_tls_context *fresh = NULL;
    struct tr_tls_context *old = NULL;
    char unread[1];
    troupe_status status = TROUPE_OK;

    if (error == NULL || error_size == 0) {
        error = unread;
        error_size = sizeof(unread);
    }
    if (tls_cert == NULL || tls_key == NULL || tls_ca == NULL || node->tls == NULL) {
        (void)snprintf(error, error_size, "a node begins and ends to use TLS by a restart only");
        return TROUPE_E_INVALID;
    }
    status = load(node->name, &files, &fresh, error, error_size);
    if (status != TROUPE_OK) {
        return status;
    }
    tr_mutex_lock(&node->state_mutex);
    old = node->tls->context;
    node->tls->context = fresh;
    tr_mutex_unlock(&node->state_mutex);
    tr_tls_context_destroy(old);
    status = tr_loop_post(node->loop, give_on_loop, node);
    if (status != TROUPE_OK) {
        (void)snprintf(error, error_size, "%s", troupe_status_text(status));
    }
    return status;
}

/* ---- growing old ---- */

static void on_day(void *context)
{
    warn_if_old(context);
}

void tr_node_tls_watch(struct troupe_node *node)
{
    warn_if_old(node);
    /* Without memory nobody is warned again before the next start or reload. */
    if (node->tls != NULL &&
        tr_timer_create(node->loop, on_day, node, &node->tls->timer) == TROUPE_OK) {
        tr_timer_start(node->tls->timer, DAY_SECONDS * 1000ull * TR_NS_PER_MS,
                       DAY_SECONDS * 1000ull * TR_NS_PER_MS);
    }
}

void tr_node_tls_unwatch(struct troupe_node *node)
{
    if (node->tls != NULL) {
        tr_timer_close(node->tls->timer);
        node->tls->timer = NULL;
    }
}
