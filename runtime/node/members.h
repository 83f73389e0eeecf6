/* node/members.h - the members that this node knows, itself among them.
 *
 * The registry's and the peers' events change them; everybody else looks at a list that is made
 * once per change (troupe/cluster.h).
 *
 * Threads: changes on the loop's thread; looks from any, under the node's state_mutex, which these
 * functions take. Who waits for the cluster is woken by each change.
 */
#ifndef TR_NODE_MEMBERS_H
#define TR_NODE_MEMBERS_H

#include "node/node.h"
#include "troupe/cluster.h"

/* Checks a configuration's roles and metadata, and writes them without blanks, doubles and empty
 * entries. Answers NULL, or what is wrong. */
const char *tr_roles_read(const char *text, char *out, size_t size);
const char *tr_metadata_read(const char *text, char *out, size_t size);

/* Takes the next entry of a comma list, without the blanks around it and perhaps empty, from *rest;
 * false at the end. */
struct tr_list_entry {
    const char *text;
    size_t size;
};
bool tr_list_next(const char **rest, struct tr_list_entry *entry);

/* NO_MEMORY; nothing has changed then. */
TROUPE_MUST_USE troupe_status tr_members_up(struct troupe_node *node,
                                            const struct tr_member *member);
void tr_members_down(struct troupe_node *node, uint64_t node_id);
/* It can be reached, and has told what it is (node/places.h). */
void tr_members_connected(struct troupe_node *node, uint64_t node_id, bool connected);
/* node_id may be one's own. */
void tr_members_draining(struct troupe_node *node, uint64_t node_id, bool draining);
/* NO_MEMORY; nothing has changed then. Never of this node. */
TROUPE_MUST_USE troupe_status tr_members_metadata(struct troupe_node *node, uint64_t node_id,
                                                  const char *metadata);
/* Writes what the metadata is when the entries of put have replaced those of their keys and the
 * keys of a comma list have been removed. Answers NULL, or what is wrong. */
const char *tr_metadata_change(const char *metadata, const char *put, const char *remove, char *out,
                               size_t size);
/* The metadata of this node. Any thread. */
void tr_node_metadata(struct troupe_node *node, char metadata[static TR_METADATA_SIZE]);
/* Changes it likewise; others then hear of it. Any thread. */
TROUPE_MUST_USE troupe_status tr_node_change_metadata(struct troupe_node *node, const char *put,
                                                      const char *remove, char *error,
                                                      size_t error_size);
/* This node's list is made anew. With the node's state_mutex held. */
void tr_members_changed_locked(struct troupe_node *node);
/* Joined, or joined again. */
void tr_members_self(struct troupe_node *node, int64_t since_ms);
/* Forgets all others. */
void tr_members_clear(struct troupe_node *node);
void tr_members_fini(struct troupe_node *node);

/* The node id of a member by name, 0 when there is none. Any thread. */
uint64_t tr_members_find(struct troupe_node *node, const char *name);
/* Copies the name of a member, "?" when it is not known. Any thread. */
void tr_members_name(struct troupe_node *node, uint64_t node_id,
                     char name[TR_NODE_NAME_SIZE_MAX + 1]);

/* Where something may be placed: members that are connected, do not drain, and have the role (NULL
 * or "": any). Writes up to capacity pointers into cluster, by node id; answers how many there are.
 * Any thread. */
size_t tr_members_placeable(const troupe_cluster *cluster, const char *role,
                            const troupe_member **out, size_t capacity);

#endif
