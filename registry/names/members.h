/* names/members.h - the live members as this node knows them, and how far it has read the events.
 *
 *     reg_members_up(..) / reg_members_down(..) per event, in epoch order;
 *     after a gap: mark_begin -> keep(node) per row of the database -> next_unmarked until NULL
 *
 * Nodes are ordered by node id, so that every node finds the same rank for itself.
 *
 * Threads: the owner's. Memory: the table copies names and hosts; what it lends is good until the
 * next change.
 */
#ifndef REG_NAMES_MEMBERS_H
#define REG_NAMES_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dist/names.h"
#include "troupe/status.h"

enum { REG_MEMBERS_MAX = 4096 }; /* twenty times what the design aims at */

struct reg_member {
    uint64_t node_id;
    char *name;
    char *host;
    uint16_t port;
    bool marked;
    bool untold; /* whoever is to hear of it had no memory for it */
};

struct reg_members {
    struct reg_member *rows; /* by node id */
    size_t count;
    size_t capacity;
    uint64_t cursor; /* the epoch of the last event applied */
};

void reg_members_init(struct reg_members *members);
void reg_members_fini(struct reg_members *members);

/* Adds a member. OK as well for one that is there and untold. TROUPE_E_EXISTS when it is there
 * already, TROUPE_E_LIMIT, TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status reg_members_up(struct reg_members *members,
                                             const struct tr_member *member);

/* Takes a member out and gives its row, whose strings the caller frees with reg_member_fini; false
 * when there is none. */
bool reg_members_down(struct reg_members *members, uint64_t node_id, struct reg_member *out);

/* Notes whether a member has been told of. */
void reg_members_told(struct reg_members *members, uint64_t node_id, bool told);

void reg_member_fini(struct reg_member *member);

const struct reg_member *reg_members_find(const struct reg_members *members, uint64_t node_id);

/* How many members have a smaller node id. */
size_t reg_members_rank(const struct reg_members *members, uint64_t node_id);

/* A full read begins: nobody is confirmed yet. */
void reg_members_mark_begin(struct reg_members *members);

/* The database has this one; false when the table has not. */
bool reg_members_keep(struct reg_members *members, uint64_t node_id);

/* The full read is over: answers a member that the database did not confirm, NULL when none is
 * left. The caller takes it out. */
const struct reg_member *reg_members_unmarked(const struct reg_members *members);

#endif
