/* Requests of clients over TCP: each runs on a thread of its own, since it may wait for an actor.
 */
#include <stdlib.h>
#include <string.h>

#include "dist/peers.h"
#include "io/loop.h"
#include "node/admin.h"

enum { UNDER_WAY_MAX = 32 };

struct client_request {
    struct troupe_node *node;
    struct tr_thread thread;
    uint64_t client;
    uint64_t request;
    char *reply;
    char text[];
};

static void finish(struct client_request *r)
{
    struct troupe_node *node = r->node;

    tr_mutex_lock(&node->state_mutex);
    node->clients--;
    tr_cond_broadcast(&node->state_changed);
    tr_mutex_unlock(&node->state_mutex);
    troupe_json_free(r->reply);
    free(r);
}

/* Back on the loop. */
static void reply(void *context)
{
    struct client_request *r = context;

    tr_thread_join(&r->thread);
    if (r->node->peers != NULL && r->reply != NULL) {
        tr_peers_client_reply(r->node->peers, r->client, r->request, (const uint8_t *)r->reply,
                              strlen(r->reply));
    }
    finish(r);
}

static void run(void *context)
{
    struct client_request *r = context;

    if (tr_admin_client(r->node, r->text, TR_ADMIN_TIMEOUT_MS, &r->reply) != TROUPE_OK) {
        r->reply = NULL;
    }
    if (tr_loop_post(r->node->loop, reply, r) != TROUPE_OK) {
        /* The loop has ended before its clients: cannot be, the node drains them first. */
        finish(r);
    }
}

static void answer_busy(struct troupe_node *node, uint64_t client, uint64_t request)
{
    static const char text[] = "{\"ok\":false,\"status\":\"TROUPE_E_BUSY\",\"error\":\"too many "
                               "requests at a time\"}";

    tr_peers_client_reply(node->peers, client, request, (const uint8_t *)text, sizeof(text) - 1);
}

void tr_clients_request(struct troupe_node *node, uint64_t client, uint64_t request,
                        const uint8_t *bytes, size_t size)
{
    struct client_request *r = NULL;

    tr_mutex_lock(&node->state_mutex);
    const bool room = node->clients < UNDER_WAY_MAX && node->state == TR_NODE_UP;

    node->clients += room ? 1 : 0;
    tr_mutex_unlock(&node->state_mutex);
    r = room ? calloc(1, sizeof(*r) + size + 1) : NULL;
    if (r == NULL) {
        answer_busy(node, client, request);
        if (room) {
            tr_mutex_lock(&node->state_mutex);
            node->clients--;
            tr_mutex_unlock(&node->state_mutex);
        }
        return;
    }
    r->node = node;
    r->client = client;
    r->request = request;
    memcpy(r->text, bytes, size);
    if (tr_thread_start(&r->thread, "troupe-client", run, r) != TROUPE_OK) {
        answer_busy(node, client, request);
        finish(r);
    }
}

void tr_clients_drain(struct troupe_node *node)
{
    tr_mutex_lock(&node->state_mutex);
    while (node->clients > 0) {
        tr_cond_wait(&node->state_changed, &node->state_mutex);
    }
    tr_mutex_unlock(&node->state_mutex);
}
