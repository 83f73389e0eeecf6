/* names/lease.h - when a node's own lease ends, and when to renew it: arithmetic only.
 *
 *     reg_lease_init(&lease, ttl) -> sent(now) -> renewed() ... due(now)? -> sent(now) -> renewed()
 * ...
 *
 * The deadline counts from before the renewal was sent: whatever the database decided came later,
 * so the node stops trusting its lease before the database does. Two clocks: the loop's, which
 * others compare with, stands still while the machine is suspended; the boot-time clock does not.
 * Their difference, when it grows, moves the deadline nearer.
 *
 * Threads: the owner's. Memory: the caller's; nothing is allocated.
 */
#ifndef REG_NAMES_LEASE_H
#define REG_NAMES_LEASE_H

#include <stdbool.h>
#include <stdint.h>

/* One reading of both clocks, taken together. */
struct reg_clock {
    int64_t loop_ns;
    int64_t boot_ns;
};

enum reg_lease_state {
    REG_LEASE_NONE, /* never granted, or given up */
    REG_LEASE_HELD,
};

struct reg_lease {
    int64_t ttl_ns;
    enum reg_lease_state state;
    bool under_way;           /* a renewal was sent and has no answer */
    struct reg_clock sent;    /* of the renewal under way */
    struct reg_clock granted; /* when the renewal that gave the present lease was sent */
    int64_t next_ns;          /* on the loop's clock: when to renew */
};

void reg_lease_init(struct reg_lease *lease, int64_t ttl_ns);

/* A renewal is being sent now. */
void reg_lease_sent(struct reg_lease *lease, struct reg_clock now);

/* The database granted the renewal that was sent last. */
void reg_lease_renewed(struct reg_lease *lease);

/* The renewal failed without an answer, for instance because the connection broke: try again soon.
 */
void reg_lease_failed(struct reg_lease *lease, int64_t now_ns);

/* The node id is dead. */
void reg_lease_lost(struct reg_lease *lease);

/* True when it is time to renew. */
bool reg_lease_due(const struct reg_lease *lease, int64_t now_ns);

/* Answers the deadline on the loop's clock; 0 when no lease was ever granted. */
int64_t reg_lease_deadline(const struct reg_lease *lease, struct reg_clock now);

/* True from the first grant on, once the deadline has passed. */
bool reg_lease_expired(const struct reg_lease *lease, struct reg_clock now);

#endif
