/* node/address.h - what others are told to dial.
 *
 *     tr_address_check(config, error, size)
 *     tr_address_init(node, config->advertise_host)      at the start
 *     tr_address_on_reached                              an event of the registry, before each join
 *
 * Threads: check any; init before the loop runs; the event on the loop.
 * Memory: the answer is the node's, good until the next event.
 */
#ifndef TR_NODE_ADDRESS_H
#define TR_NODE_ADDRESS_H

#include "node/node.h"

/* Whether the addresses of a configuration can be; else why not, in words. */
bool tr_address_check(const troupe_config *config, char *error, size_t error_size);

/* advertised: as in the configuration. */
void tr_address_init(struct troupe_node *node, const char *advertised);

/* The registry was reached from this local address ("": by a unix socket); answers what to
 * advertise. */
const char *tr_address_on_reached(void *context, const char *local_host);

#endif
