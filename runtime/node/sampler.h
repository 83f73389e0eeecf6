/* node/sampler.h - what a node writes of its actors into the database, for people to read: those
 * with the most messages, those whose oldest message is the oldest, and how many there are of each
 * behavior.
 *
 *     status = tr_sampler_create(node, &node->sampler);      it goes on by itself
 *     tr_sampler_destroy(node->sampler);                     once the registry has stopped
 *
 * It looks once a second at most, a slice of the actors at a time and never for more than a small
 * share of a processor, from outside: no actor is disturbed. Nothing is written while no message
 * waits and the counts have not changed, nor when the registry has anything else to do.
 *
 * Threads: the loop's.
 * Memory: freed by destroy.
 */
#ifndef TR_NODE_SAMPLER_H
#define TR_NODE_SAMPLER_H

#include "node/node.h"

struct tr_sampler;

TROUPE_MUST_USE troupe_status tr_sampler_create(struct troupe_node *node, struct tr_sampler **out);
/* sampler may be NULL. */
void tr_sampler_destroy(struct tr_sampler *sampler);

#endif
