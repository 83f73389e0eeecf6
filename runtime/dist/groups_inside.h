/* dist/groups_inside.h - what groups.c and group_peers.c share; nobody else includes it.
 *
 * Threads: everything under the mutex of the groups.
 */
#ifndef TR_DIST_GROUPS_INSIDE_H
#define TR_DIST_GROUPS_INSIDE_H

#include "base/map.h"
#include "dist/groups.h"
#include "sync/thread.h"

struct group;

struct tr_group_seat {
    struct tr_group_seat *next; /* of the same actor */
    struct group *group;
    troupe_pid pid;
    uint32_t joins;        /* 0: no member */
    uint32_t member_index; /* in group->members */
    uint32_t watcher_index;
    bool watches;
    bool remote; /* of an actor of another node */
};

struct seat_array {
    struct tr_group_seat **seats;
    uint32_t count;
    uint32_t capacity;
};

struct group {
    struct group *next; /* of the same hash */
    struct seat_array members;
    struct seat_array watchers;
    struct tr_group_list *list; /* of the members as they are; NULL: to be made */
    char name[];
};

struct tr_groups {
    struct tr_groups_port port;
    struct tr_mutex mutex; /* over everything below, and all seats */
    struct tr_map groups;  /* hash of name -> struct group list */
    struct tr_map peers;   /* node id -> struct group_peer */
};

/* Another node that has a session with this one. */
struct group_peer {
    uint64_t node_id;
    uint32_t session;     /* of which it is told; 0: nothing was told yet */
    uint32_t seats;       /* of its actors here */
    struct tr_map actors; /* actor id -> struct group_guest */
};

/* An actor of another node that is in some group. */
struct group_guest {
    uint64_t id;
    struct tr_group_seat *seats;
};

/* ---- groups.c ---- */

/* Where and as what somebody sits. */
struct group_place {
    struct tr_group_seat **seats;
    troupe_pid pid;
    const char *name;
    bool remote;
};

troupe_status groups_join(struct tr_groups *groups, const struct group_place *place,
                          uint32_t *joins);
troupe_status groups_leave(struct tr_groups *groups, struct tr_group_seat **seats,
                           const char *name);
void groups_leave_all(struct tr_groups *groups, struct tr_group_seat **seats);

/* ---- group_peers.c ---- */

void groups_tell_peers(struct tr_groups *groups, const char *group, uint64_t actor_id, bool joined);
void groups_peers_fini(struct tr_groups *groups);

#endif
