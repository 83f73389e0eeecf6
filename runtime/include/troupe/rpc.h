/* troupe/rpc.h - what another node knows, asked from here.
 *
 *     static int on_actors(troupe_self *self, void *state, const troupe_result *result)
 *     {
 *         const troupe_answer *answer = troupe_result_as(result, &troupe_answer_type);
 *         ... answer->json: {"actors": [...], "total": 3, "ok": true} ...
 *     }
 *     ...
 *     status = troupe_ask_node(self, "n2", "{\"op\":\"actors\"}", 0, on_actors, 0);
 *
 * Requests and replies are those of the administration protocol (docs/admin.md), of which these
 * operations may be asked, since they only look: ping, info, health, actors, actor, tree, whereis,
 * groups, group, behaviors, types, members. What acts has functions of its own, whose rights
 * troupe.policy gives: troupe_spawn_on, troupe_exit, troupe_call. Erlang: erpc:call/4, for a list
 * of functions that harm nobody.
 *
 * How it may end, the same from everywhere:
 *     TROUPE_OK              the node has answered; "ok" in its JSON says whether it could
 *     TROUPE_E_NOT_FOUND     there is no such node
 *     TROUPE_E_NOCONNECTION  it cannot be reached, or was lost before it answered
 *     TROUPE_E_TIMEOUT       no answer in time
 *     TROUPE_E_DENIED        the operation does more than look
 *     TROUPE_E_INVALID       no JSON object, no such operation, an argument is missing or wrong
 *     TROUPE_E_LIMIT         the request has 64 KiB or more
 *     TROUPE_E_BUSY          16 requests of other nodes are under way there; try later
 *     TROUPE_E_CLOSED        this node stops
 *     TROUPE_E_NO_MEMORY
 *
 * Threads: said below.
 */
#ifndef TROUPE_RPC_H
#define TROUPE_RPC_H

#include "troupe/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

struct troupe_node;

/* What a node answers. */
typedef struct troupe_answer {
    const char *json;
} troupe_answer;
TROUPE_API extern const troupe_type troupe_answer_type; /* "troupe.answer" */

/* Asks a node: by its name, by its node id in decimal digits if nobody has such a name, or, with
 * NULL or "", the actor's own. then gets result->value of troupe_answer_type, or how it failed,
 * with result->reason.text in words if it was refused. timeout_ms 0 is the node's default; no node
 * takes longer than 30 seconds. Fails at once with TROUPE_E_INVALID (no request, no then, no
 * UTF-8; its own node is one of troupe/test.h), TROUPE_E_LIMIT, TROUPE_E_NOT_FOUND,
 * TROUPE_E_NO_MEMORY, and of the own node TROUPE_E_BUSY, as troupe_blocking does. Actor only. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_ask_node(troupe_self *self, const char *name,
                                                         const char *request, uint32_t timeout_ms,
                                                         troupe_then then, uint64_t tag);

/* The same from any thread but an actor's. Blocks. With TROUPE_OK *json is the answer, to be given
 * to troupe_json_free; else NULL. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_ask(struct troupe_node *node, const char *name,
                                                         const char *request, uint32_t timeout_ms,
                                                         char **json);

#ifdef __cplusplus
}
#endif

#endif
