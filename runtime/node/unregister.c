/* Giving names up. */
#include <stdlib.h>
#include <string.h>

#include "base/bugs.h"
#include "io/loop.h"
#include "node/names.h"
#include "node/node.h"

struct tr_farewell {
    struct troupe_node *node;
    struct tr_loop_post *post; /* until it is said */
    uint64_t epoch;
    uint64_t actor_id; /* who is answered; 0: nobody */
    uint64_t ref;
    char name[];
};

static void unregister_on_loop(void *context);

/* What a caller could not wait for is done behind it: nobody else can give that name up. */
static void on_unregistered(void *context, const struct tr_name_result *result)
{
    struct tr_farewell *u = context;
    const bool again =
        u->actor_id != 0 && result->status == TROUPE_E_REGISTRY && !TR_BUG(NAME_KEPT);

    if (u->actor_id != 0) {
        tr_names_answer(u->node, u->actor_id, u->ref, result->status, (troupe_pid){0},
                        result->text);
    }
    u->actor_id = 0;
    if (again) {
        unregister_on_loop(u);
    } else {
        free(u);
    }
}

/* Without a caller it takes as long as the database does. */
static void unregister_on_loop(void *context)
{
    struct tr_farewell *u = context;
    const struct tr_registry_port *port = &u->node->registry->port;

    if (u->node->leaving || (u->actor_id == 0 && u->node->fenced)) {
        free(u); /* The names go with the node's id. */
        return;
    }
    const int64_t deadline_ns =
        u->actor_id == 0 && !TR_BUG(NAME_LEFT_BEHIND)
            ? INT64_MAX
            : tr_node_loop_deadline(u->node, u->node->config.call_timeout_ms);

    port->unregister(port->context, u->name, u->epoch, deadline_ns, on_unregistered, u);
}

struct tr_farewell *tr_farewell_create(struct troupe_node *node, const char *name)
{
    const size_t size = strlen(name) + 1;
    struct tr_farewell *u = malloc(sizeof(*u) + size);
    struct tr_loop_post *post = tr_loop_post_create();

    if (u == NULL || post == NULL) {
        tr_loop_post_destroy(post);
        free(u);
        return NULL;
    }
    *u = (struct tr_farewell){.node = node, .post = post};
    memcpy(u->name, name, size);
    return u;
}

void tr_farewell_destroy(struct tr_farewell *farewell)
{
    if (farewell != NULL) {
        tr_loop_post_destroy(farewell->post);
        free(farewell);
    }
}

troupe_status tr_farewell_say(struct tr_farewell *farewell, uint64_t epoch, uint64_t actor_id,
                              uint64_t ref)
{
    struct tr_loop_post *post = farewell->post;

    farewell->post = NULL;
    farewell->epoch = epoch;
    farewell->actor_id = actor_id;
    farewell->ref = ref;
    const troupe_status status =
        tr_loop_post_paid(farewell->node->loop, post, unregister_on_loop, farewell);

    if (status != TROUPE_OK) {
        free(farewell);
    }
    return status;
}
