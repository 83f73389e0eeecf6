/* dist/ticket.h - what lets a message come back: a mark that only this node can make.
 *
 * A message to a name goes to the node that the cache names. When its holder is gone it comes back,
 * to be looked up again, and is then sent on in the name of our own actor. So that no peer can
 * invent such a message, each one carries a ticket (its deadline and a number) and a proof: a keyed
 * hash over everything that the peer is to leave alone, and over the peer's node id. Nothing is
 * kept of what was sent; a ticket that came back is remembered until its deadline, so that it comes
 * back once.
 *
 *     out: tr_ticket_put(&key, node_id, tr_ticket_make(deadline_ns, number), bytes, size)
 *     in:  tr_ticket_is_ours(&key, node_id, bytes, size) -> tr_ticket_spend(&spent, ...)
 *
 * Threads: any; the owner of a struct tr_tickets_spent takes care of it.
 */
#ifndef TR_DIST_TICKET_H
#define TR_DIST_TICKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "base/siphash.h"
#include "troupe/status.h"

/* A deadline of this node's clock and a number that tells apart what is otherwise the same. */
uint64_t tr_ticket_make(int64_t deadline_ns, uint32_t number);
int64_t tr_ticket_deadline_ns(uint64_t ticket);

/* Writes ticket and proof into an encoded message to a name (dist/codec.h). */
void tr_ticket_put(const struct tr_siphash_key *key, uint64_t node_id, uint64_t ticket,
                   uint8_t *bytes, size_t size);

/* Whether this is, in all that matters, a message that was sent to that node with tr_ticket_put. */
bool tr_ticket_is_ours(const struct tr_siphash_key *key, uint64_t node_id, const uint8_t *bytes,
                       size_t size);

/* Proofs of tickets of one peer that came back. */
struct tr_tickets_spent {
    struct tr_map proofs; /* proof -> deadline in milliseconds, as a pointer */
};

void tr_tickets_spent_fini(struct tr_tickets_spent *spent);

/* Notes that a ticket came back. TROUPE_E_EXISTS: it has before. TROUPE_E_LIMIT: too many have that
 * are not past yet. TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_ticket_spend(struct tr_tickets_spent *spent, uint64_t proof,
                                              int64_t deadline_ns, int64_t now_ns);

#endif
