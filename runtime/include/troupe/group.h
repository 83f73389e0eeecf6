/* troupe/group.h - groups of actors, and messages to all of a group.
 *
 *     troupe_join(self, "chat/room 1");
 *     troupe_broadcast(self, "chat/room 1", &said_type, &(said){.words = "hello"}, NULL);
 *
 * A group is there as long as it has a member; its name is as valid as that of an actor. An actor
 * may be in many groups, and leaves all of them when it ends, before its links and monitors hear of
 * it. Joins are counted: who joined twice is a member until it has left twice. Yet it is one
 * member: it is listed once and gets one copy.
 *
 * Members may be on any node. Each node knows its own members at once and those of others as soon
 * as these have told it, each in its order; docs/semantics.md says what that promises. Erlang: pg.
 */
#ifndef TROUPE_GROUP_H
#define TROUPE_GROUP_H

#include "troupe/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

struct troupe_node;

/* What troupe_monitor_group yields. */
typedef struct troupe_group_message {
    const char *group;
    troupe_pid member;
    bool joined; /* false: left, or ended */
} troupe_group_message;
TROUPE_API extern const troupe_type troupe_group_type; /* "troupe.group" */

/* Makes this actor a member, or counts one more join. group has 1 to 255 bytes of UTF-8 without
 * control characters. TROUPE_E_INVALID, TROUPE_E_NO_MEMORY, TROUPE_E_LIMIT (more than 1,000 groups
 * of one actor). Actor only. Erlang: pg:join. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_join(troupe_self *self, const char *group);

/* Takes back one join. TROUPE_E_NOT_FOUND when this actor is no member, and nothing has changed.
 * Actor only. Erlang: pg:leave. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_leave(troupe_self *self, const char *group);

/* Writes up to capacity members to pids, each once and in no order, and how many there are to
 * *count, which may be more. A group that nobody has joined has none. pids may be NULL with
 * capacity 0. TROUPE_E_INVALID, TROUPE_E_NO_MEMORY. Actor only. Erlang: pg:get_members. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_members(troupe_self *self, const char *group,
                                                        troupe_pid *pids, size_t capacity,
                                                        size_t *count);

/* The same of members on this node alone. Actor only. Erlang: pg:get_local_members. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_local_members(troupe_self *self, const char *group,
                                                              troupe_pid *pids, size_t capacity,
                                                              size_t *count);

/* Sends one copy of message to each member, this actor too if it is one. What this actor sends to a
 * member before or after keeps its order with it. To another node it travels once, and is handed
 * out there to the members that there are then. *count (may be NULL) gets how many took it in: one
 * whose mailbox has no room does not get it; those of another node count when it was sent there.
 * TROUPE_E_INVALID, TROUPE_E_NO_MEMORY (some may have it), TROUPE_E_LIMIT (too large). Actor only.
 */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_broadcast(troupe_self *self, const char *group,
                                                          const troupe_type *type,
                                                          const void *message, size_t *count);

/* The same to the members on this node alone: no other node hears of it. Actor only. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_local_broadcast(troupe_self *self,
                                                                const char *group,
                                                                const troupe_type *type,
                                                                const void *message, size_t *count);

/* From now on tells this actor by troupe_group_message who joins and leaves: first, as joined, of
 * each present member, then of each change, in the order of the changes and without a gap. Or stops
 * telling; what is in the mailbox already stays there. On twice is on. These messages are not
 * counted against the mailbox's bound. TROUPE_E_INVALID, TROUPE_E_NO_MEMORY, TROUPE_E_LIMIT. Actor
 * only. Erlang: pg:monitor. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_monitor_group(troupe_self *self, const char *group,
                                                              bool on);

/* troupe_members, troupe_local_members, troupe_broadcast and troupe_local_broadcast from any thread
 * but an actor's. Do not block. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_members(struct troupe_node *node,
                                                             const char *group, troupe_pid *pids,
                                                             size_t capacity, size_t *count);
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_local_members(struct troupe_node *node,
                                                                   const char *group,
                                                                   troupe_pid *pids,
                                                                   size_t capacity, size_t *count);
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_broadcast(struct troupe_node *node,
                                                               const char *group,
                                                               const troupe_type *type,
                                                               const void *message, size_t *count);
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_local_broadcast(struct troupe_node *node,
                                                                     const char *group,
                                                                     const troupe_type *type,
                                                                     const void *message,
                                                                     size_t *count);

#ifdef __cplusplus
}
#endif

#endif
