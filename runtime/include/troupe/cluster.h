/* troupe/cluster.h - who is in the cluster, as this node knows it.
 *
 *     const troupe_cluster *cluster = NULL;
 *     if (troupe_node_cluster(node, &cluster) == TROUPE_OK) {
 *         for (size_t i = 0; i < troupe_cluster_count(cluster); i++) {
 *             const troupe_member *member = troupe_cluster_member(cluster, i);
 *             if (troupe_member_has_role(member, "worker")) ...
 *         }
 *         troupe_cluster_drop(node, cluster);
 *     }
 *
 * A node without a registry is a cluster of one.
 *
 * Threads: any, actors too (troupe_self_node gives the node). Nothing here blocks, but the waits.
 */
#ifndef TROUPE_CLUSTER_H
#define TROUPE_CLUSTER_H

#include "troupe/node.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One node. Texts are lent as long as the cluster is. */
typedef struct troupe_member {
    uint64_t node;    /* node id: a new one for each start */
    const char *name; /* node name */
    /* As configured: "a,b", each once, without blanks; "key=value,...". "" when there are none. */
    const char *roles;
    const char *metadata;
    int64_t since_ms; /* when it joined: milliseconds since 1970 on the database's clock */
    bool self;        /* the node that was asked */
    bool connected;   /* it can be reached now; always true of oneself */
    bool draining;    /* about to leave: nothing should be placed there */
} troupe_member;

/* The members at one moment, by node id: whom the registry counts as up, connected or not. */
typedef struct troupe_cluster troupe_cluster;

/* Gives the members; the same list until something changes, so that asking is cheap. To be dropped.
 * TROUPE_E_NO_MEMORY. Erlang: nodes() and more. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_cluster(troupe_node *node,
                                                             const troupe_cluster **cluster);
TROUPE_API void troupe_cluster_drop(troupe_node *node, const troupe_cluster *cluster);

TROUPE_API size_t troupe_cluster_count(const troupe_cluster *cluster);
/* Lends a member; NULL when there are not so many. */
TROUPE_API const troupe_member *troupe_cluster_member(const troupe_cluster *cluster, size_t index);

TROUPE_API bool troupe_member_has_role(const troupe_member *member, const char *role);
/* Writes the value of a key, cut to size bytes with its NUL; false, and nothing written, when the
 * member has no such key. */
TROUPE_API bool troupe_member_get(const troupe_member *member, const char *key, char *value,
                                  size_t size);

/* Replaces this node's metadata, "key=value,...", as in its configuration (NULL or "": none). The
 * own list of members has it at once. Its row, and the lists of others, have it as soon as the
 * registry can be told, and after a rejoin too; of several changes others may hear the last only.
 * TROUPE_E_INVALID: error (may be NULL) says what is wrong, and nothing has changed. Any thread,
 * actors too. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_set_metadata(troupe_node *node,
                                                                  const char *metadata, char *error,
                                                                  size_t error_size);
/* The same for one key, and the others stay: another value, or none (NULL). */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_put_metadata(troupe_node *node,
                                                                  const char *key,
                                                                  const char *value, char *error,
                                                                  size_t error_size);

/* What to wait for: all of it together. Fill with zeroes, then set what is wanted. */
typedef struct troupe_cluster_need {
    uint32_t struct_size; /* set by the caller to sizeof(troupe_cluster_need) */
    uint32_t nodes_min;   /* so many nodes, this one included */
    const char *names;    /* comma list: each of these nodes; NULL or "": none in particular */
    const char *roles;    /* comma list: each of these roles by one node, "worker:3" by three; a
                             node that has several counts for each; NULL or "": none */
    uint32_t timeout_ms;  /* 0: 30,000 */
} troupe_cluster_need;

/* Blocks until it is so. Counted are nodes that are connected and do not drain, and this one. A
 * node that goes during the wait does not count any more. TROUPE_E_TIMEOUT, at once on a node
 * without a registry, which nobody will join; then missing (may be NULL) says what was missing, cut
 * to missing_size bytes with its NUL. TROUPE_E_INVALID: a list is not one. TROUPE_E_CLOSED: the
 * node stops. Not from an actor. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_wait_cluster_for(
    troupe_node *node, const troupe_cluster_need *need, char *missing, size_t missing_size);

/* Tells this actor once, by a troupe_node_message with up false, when the session with the node of
 * that name is lost; at once (node 0) when there is none now. What it has linked or monitored there
 * has told before. Asked n times, it is told n times. Off takes one back: TROUPE_E_NOT_FOUND when
 * there is none, the message may be in the mailbox then. Of its own node nobody is told.
 * TROUPE_E_INVALID, TROUPE_E_NO_MEMORY, TROUPE_E_LIMIT (10,000 of one actor). Actor only. All
 * nodes, and those that come: troupe_monitor_node. Erlang: monitor_node/2. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_monitor_node_name(troupe_self *self,
                                                                  const char *name, bool on);

/* Asks whether an actor of this or another node has not ended; then gets TROUPE_OK (it lives, or
 * did when its node was asked), TROUPE_E_NOPROC, TROUPE_E_NOCONNECTION (not known),
 * TROUPE_E_TIMEOUT. The actor itself is not disturbed. timeout_ms 0 is the node's default. Fails at
 * once with TROUPE_E_INVALID, TROUPE_E_NO_MEMORY. Actor only. Erlang: is_process_alive/1, of any
 * node. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_is_alive(troupe_self *self, troupe_pid pid,
                                                         uint32_t timeout_ms, troupe_then then,
                                                         uint64_t tag);
/* The same from any thread but an actor's; answers the status. Blocks. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_is_alive(troupe_node *node, troupe_pid pid,
                                                              uint32_t timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
