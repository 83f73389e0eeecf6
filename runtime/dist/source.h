/* dist/source.h - in whose name a peer may speak.
 *
 * Threads: any; nothing here keeps state.
 */
#ifndef TR_DIST_SOURCE_H
#define TR_DIST_SOURCE_H

#include <stdint.h>

#include "core/message.h"

/* Why a signal says more than its node may say; NULL when it does not. A node speaks for its own
 * actors. Only a message that comes back names the actor that sent it, ours; and who answers a call
 * for another tells the callee who the caller is. */
const char *tr_wrong_with_source(uint64_t own_id, uint64_t node_id,
                                 const struct tr_message *message);

#endif
