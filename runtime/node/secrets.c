#include "node/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dist/peers.h"
#include "io/loop.h"
#include "node/tls.h"

struct pair {
    size_t secret_size;
    size_t accepted_size;
    uint8_t bytes[]; /* the secret, then the accepted one */
};

struct tr_node_secrets {
    struct pair *current; /* before the loop runs, or on it */
    struct pair *next;    /* under state_mutex: on its way to the loop; NULL = nothing */
    bool two;             /* under state_mutex, like changes: what peers were given last */
    uint64_t changes;
};

const char *tr_node_secrets_wrong(troupe_bytes secret, troupe_bytes accepted)
{
    if (secret.size > 0 && secret.size < TR_SECRET_SIZE_MIN) {
        return "the cluster secret has fewer than 32 bytes";
    }
    if (accepted.size > 0 && accepted.size < TR_SECRET_SIZE_MIN) {
        return "the accepted secret has fewer than 32 bytes";
    }
    if (accepted.size > 0 && secret.size == 0) {
        return "an accepted secret, and none to use";
    }
    return NULL;
}

static struct pair *pair_create(troupe_bytes secret, troupe_bytes accepted)
{
    struct pair *pair = malloc(sizeof(*pair) + secret.size + accepted.size);

    if (pair == NULL) {
        return NULL;
    }
    pair->secret_size = secret.size;
    pair->accepted_size = accepted.size;
    memcpy(pair->bytes, secret.data, secret.size);
    if (accepted.size > 0) {
        memcpy(pair->bytes + secret.size, accepted.data, accepted.size);
    }
    return pair;
}

static void pair_destroy(struct pair *pair)
{
    if (pair != NULL) {
        explicit_bzero(pair, sizeof(*pair) + pair->secret_size + pair->accepted_size);
        free(pair);
    }
}

troupe_status tr_node_secrets_start(struct troupe_node *node, const troupe_config *config)
{
    if (config->secret.size == 0) {
        return TROUPE_OK;
    }
    node->secrets = calloc(1, sizeof(*node->secrets));
    if (node->secrets == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    node->secrets->current = pair_create(config->secret, config->secret_accepted);
    if (node->secrets->current == NULL) {
        tr_node_secrets_fini(node);
        return TROUPE_E_NO_MEMORY;
    }
    node->secrets->two = config->secret_accepted.size > 0;
    return TROUPE_OK;
}

void tr_node_secrets_fini(struct troupe_node *node)
{
    if (node->secrets != NULL) {
        pair_destroy(node->secrets->current);
        pair_destroy(node->secrets->next);
        free(node->secrets);
        node->secrets = NULL;
    }
}

/* Has peers use what the node has. */
static troupe_status secrets_give(struct troupe_node *node, struct tr_peers *peers)
{
    const struct pair *pair = node->secrets == NULL ? NULL : node->secrets->current;

    if (pair == NULL) {
        return TROUPE_OK;
    }
    return tr_peers_set_secrets(
        peers, (struct tr_slice){pair->bytes, pair->secret_size},
        (struct tr_slice){pair->bytes + pair->secret_size, pair->accepted_size});
}

troupe_status tr_node_proofs_give(struct troupe_node *node, struct tr_peers *peers)
{
    const troupe_status status = secrets_give(node, peers);

    return status == TROUPE_OK ? tr_node_tls_give(node, peers) : status;
}

/* ---- others while it runs ---- */

/* Puts what is on its way, if anything, in the place of what there was; gives that. */
static struct pair *exchange(struct troupe_node *node, struct pair **slot, struct pair *fresh)
{
    struct pair *old = NULL;

    tr_mutex_lock(&node->state_mutex);
    old = *slot;
    *slot = fresh;
    tr_mutex_unlock(&node->state_mutex);
    return old;
}

static void set_on_loop(void *context)
{
    struct troupe_node *node = context;
    struct pair *fresh = exchange(node, &node->secrets->next, NULL);
    struct pair *old = node->secrets->current;

    if (fresh == NULL) {
        return; /* one call has taken what two had brought */
    }
    node->secrets->current = fresh;
    if (node->peers != NULL && secrets_give(node, node->peers) != TROUPE_OK) {
        node->secrets->current = old;
        pair_destroy(fresh);
        tr_node_log(node, TROUPE_LOG_ERROR,
                    "out of memory: the cluster secrets from before stay in use");
        return;
    }
    pair_destroy(old);
    tr_mutex_lock(&node->state_mutex);
    node->secrets->two = fresh->accepted_size > 0;
    node->secrets->changes++;
    tr_mutex_unlock(&node->state_mutex);
}

bool tr_node_secrets_state(struct troupe_node *node, bool *two, uint64_t *changes)
{
    if (node->secrets == NULL) {
        return false;
    }
    tr_mutex_lock(&node->state_mutex);
    *two = node->secrets->two;
    *changes = node->secrets->changes;
    tr_mutex_unlock(&node->state_mutex);
    return true;
}

/* Takes back what the loop will not be told of, unless another call has replaced it. */
static void withdraw(struct troupe_node *node, struct pair *pair)
{
    bool is_there = false;

    tr_mutex_lock(&node->state_mutex);
    is_there = node->secrets->next == pair;
    node->secrets->next = is_there ? NULL : node->secrets->next;
    tr_mutex_unlock(&node->state_mutex);
    if (is_there) {
        pair_destroy(pair);
    }
}

troupe_status troupe_node_set_secrets(troupe_node *node, troupe_bytes secret, troupe_bytes accepted,
                                      char *error, size_t error_size)
{
    const char *wrong = tr_node_secrets_wrong(secret, accepted);
    struct pair *pair = NULL;
    char unread[1];
    troupe_status status = TROUPE_OK;

    if (error == NULL || error_size == 0) {
        error = unread;
        error_size = sizeof(unread);
    }
    if (wrong == NULL && (node->secrets == NULL || node->loop == NULL || secret.size == 0)) {
        wrong = "a node begins and ends to have a cluster secret by a restart only";
    }
    if (wrong != NULL) {
        (void)snprintf(error, error_size, "%s", wrong);
        return TROUPE_E_INVALID;
    }
    pair = pair_create(secret, accepted);
    status = pair == NULL ? TROUPE_E_NO_MEMORY : TROUPE_OK;
    if (status == TROUPE_OK) {
        pair_destroy(exchange(node, &node->secrets->next, pair));
        status = tr_loop_post(node->loop, set_on_loop, node);
        if (status != TROUPE_OK) {
            withdraw(node, pair);
        }
    }
    if (status != TROUPE_OK) {
        (void)snprintf(error, error_size, "%s", troupe_status_text(status));
    }
    return status;
}
