/* node/admin.h - what the operations of the administration protocol share. docs/admin.md describes
 * it.
 *
 * An operation reads its request and fills a reply; the first error wins.
 *
 * Threads: any but an actor's; operations block until they are done.
 */
#ifndef TR_NODE_ADMIN_H
#define TR_NODE_ADMIN_H

#include <cjson/cJSON.h>

#include "node/node.h"

struct tr_admin {
    struct troupe_node *node;
    const cJSON *request;
    cJSON *reply; /* an object; "ok" is added at the end */
    uint32_t timeout_ms;
    bool client;       /* it came over the network: the policy says what it may do */
    bool looks;        /* what changes something is refused */
    size_t items_size; /* of what tr_admin_add_item has added, in bytes */
    troupe_status status;
    char error[512];
    char detail[256];
};

/* Notes an error, unless there is one already; answers false. */
bool tr_admin_fail(struct tr_admin *admin, troupe_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether who asks may do this (bits of enum tr_may); notes an error when not. */
bool tr_admin_may(struct tr_admin *admin, uint32_t verbs);

/* What troupe_node_admin does, for a client over the network. */
troupe_status tr_admin_client(troupe_node *node, const char *request, uint32_t timeout_ms,
                              char **reply);

/* What troupe_node_admin does, for those who may only look. TROUPE_E_DENIED (an operation that does
 * more) and TROUPE_E_INVALID: why gets one sentence, cut to why_size bytes with its NUL, and *reply
 * is NULL. */
TROUPE_MUST_USE troupe_status tr_admin_look(troupe_node *node, const char *request,
                                            uint32_t timeout_ms, char **reply, char *why,
                                            size_t why_size);

/* A text of the request; NULL when it is missing, which is an error when required. */
const char *tr_admin_text(struct tr_admin *admin, const char *key, bool required);
/* A whole number of the request, or otherwise. */
uint64_t tr_admin_number(const struct tr_admin *admin, const char *key, uint64_t otherwise);

/* Adds to the reply. */
void tr_admin_add_text(cJSON *object, const char *key, const char *value);
void tr_admin_add_id(cJSON *object, const char *key, uint64_t value); /* as a string */
void tr_admin_add_pid(cJSON *object, const char *key, troupe_pid pid);
/* Takes JSON text from troupe_to_json. */
void tr_admin_add_json(cJSON *object, const char *key, char *json);

/* Adds an object to a list of the reply and takes it. Answers false when the reply is full: then
 * "truncated" is said, and the object is not in it. */
bool tr_admin_add_item(struct tr_admin *admin, cJSON *list, cJSON *item);

/* Gives the pid of "to", a name or a pid, of an actor of this node. */
bool tr_admin_local(struct tr_admin *admin, troupe_pid *pid);

/* Reads the value under key as a type; gives *value (troupe_value_free). Missing: an empty object.
 */
bool tr_admin_value(struct tr_admin *admin, const char *key, const troupe_type *type, void **value);

/* Gives the pid that holds a name. */
bool tr_admin_holder(struct tr_admin *admin, const char *name, troupe_pid *pid);

/* The operations. */
void tr_admin_ping(struct tr_admin *admin);
void tr_admin_info(struct tr_admin *admin);
void tr_admin_health(struct tr_admin *admin);
void tr_admin_drain(struct tr_admin *admin);
void tr_admin_undrain(struct tr_admin *admin);
void tr_admin_metadata(struct tr_admin *admin);
void tr_admin_call(struct tr_admin *admin);
void tr_admin_send(struct tr_admin *admin);
void tr_admin_spawn(struct tr_admin *admin);
void tr_admin_exit(struct tr_admin *admin);
void tr_admin_actors(struct tr_admin *admin);
void tr_admin_actor(struct tr_admin *admin);
void tr_admin_behaviors(struct tr_admin *admin);
void tr_admin_types(struct tr_admin *admin);
void tr_admin_members(struct tr_admin *admin);
void tr_admin_tree(struct tr_admin *admin);
void tr_admin_trace(struct tr_admin *admin);
void tr_admin_groups(struct tr_admin *admin);
void tr_admin_group(struct tr_admin *admin);
void tr_admin_whereis(struct tr_admin *admin);

#endif
