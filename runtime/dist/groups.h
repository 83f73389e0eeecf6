/* dist/groups.h - which actors are in which groups, and who watches the groups.
 *
 * An actor has one seat for each group that it has joined or watches; its seats are a list that
 * begins in the actor. Each node tells every other first of all its members, then of each change,
 * in one order and under the lock: so the copy that the other keeps is the same, somewhat later.
 *
 *     join(groups, &seats, pid, "room");  list = tr_groups_list(groups, "room");
 *     ... list->pids ...  tr_groups_list_drop(groups, list);  leave_all(groups, &seats)
 *     session up -> tr_groups_peer_up;  its packets -> tr_groups_heard;  lost ->
 * tr_groups_peer_lost
 *
 * Threads: any; one lock. A list of seats may be changed by its owner only. What the port's
 * functions call must not come back here.
 * Memory: groups and seats from malloc; a group without seats is gone. Lists are counted, and the
 * same one is given until the group changes.
 */
#ifndef TR_DIST_GROUPS_H
#define TR_DIST_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "troupe/pid.h"
#include "troupe/status.h"

struct tr_groups;
struct tr_group_seat;

struct tr_groups_port {
    void *context;
    /* A first join or a last leave of an actor of this node. */
    void (*changed)(void *context, const char *group, troupe_pid member, bool joined);
    /* Sends a packet within a session of another node, in the order of the calls. What cannot be
     * sent ends the session. */
    void (*send)(void *context, uint64_t node_id, uint32_t session, const uint8_t *bytes,
                 size_t size);
    /* The same for one that watches the group. */
    void (*tell)(void *context, troupe_pid watcher, const char *group, troupe_pid member,
                 bool joined);
};

/* The members of a group at one moment. */
struct tr_group_list {
    uint32_t holders; /* under the lock */
    uint32_t count;
    uint32_t local;    /* so many of them, the first ones, are actors of this node */
    troupe_pid pids[]; /* the others stand node by node */
};

/* What people are told of a group, or of an actor's seat in it. */
struct tr_group_counts {
    uint32_t members;
    uint32_t local; /* so many of them are actors of this node */
    uint32_t watchers;
};
typedef void (*tr_groups_visit)(void *context, const char *group,
                                const struct tr_group_counts *counts);
typedef void (*tr_seats_visit)(void *context, const char *group, uint32_t joins, bool watches);

TROUPE_MUST_USE troupe_status tr_groups_create(const struct tr_groups_port *port,
                                               struct tr_groups **out);
/* All seats have been left. NULL is fine. */
void tr_groups_destroy(struct tr_groups *groups);

/* Fail with NO_MEMORY or LIMIT; nothing has changed then. */
TROUPE_MUST_USE troupe_status tr_groups_join(struct tr_groups *groups, struct tr_group_seat **seats,
                                             troupe_pid pid, const char *name);
TROUPE_MUST_USE troupe_status tr_groups_watch(struct tr_groups *groups,
                                              struct tr_group_seat **seats, troupe_pid pid,
                                              const char *name);
/* NOT_FOUND. */
TROUPE_MUST_USE troupe_status tr_groups_leave(struct tr_groups *groups,
                                              struct tr_group_seat **seats, const char *name);
void tr_groups_unwatch(struct tr_groups *groups, struct tr_group_seat **seats, const char *name);
/* Gives up all of an actor's seats. */
void tr_groups_leave_all(struct tr_groups *groups, struct tr_group_seat **seats);

/* Gives the members, to be dropped; NULL in *out when there are none. NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_groups_list(struct tr_groups *groups, const char *name,
                                             struct tr_group_list **out);
void tr_groups_list_drop(struct tr_groups *groups, struct tr_group_list *list);

/* A session with another node has begun: it is told of all members of this node, from now on of
 * each change. NO_MEMORY: it is told of nothing. Loop thread, as the next two. */
TROUPE_MUST_USE troupe_status tr_groups_peer_up(struct tr_groups *groups, uint64_t node_id,
                                                uint32_t session);
/* Takes in what it tells of its own members. PROTOCOL, LIMIT, NO_MEMORY: the copy is not whole, the
 * session has to end. */
TROUPE_MUST_USE troupe_status tr_groups_heard(struct tr_groups *groups, uint64_t node_id,
                                              const uint8_t *bytes, size_t size);
/* The session is lost: all members of that node have left. */
void tr_groups_peer_lost(struct tr_groups *groups, uint64_t node_id);

/* Calls visit for each group that has members, and for each seat; under the lock. */
void tr_groups_each(struct tr_groups *groups, tr_groups_visit visit, void *context);
void tr_groups_each_seat(struct tr_groups *groups, const struct tr_group_seat *seats,
                         tr_seats_visit visit, void *context);

#endif
