/* dist/packer.h - large messages of a node compressed before they are sent, by whatever thread
 * sends them, and unpacked where they arrive.
 *
 * A packed message is a packet of its own kind around another one (docs/protocol.md).
 *
 * Threads: said with each function.
 * Memory: contexts are kept for reuse, at most as many as threads have packed at one time.
 */
#ifndef TR_DIST_PACKER_H
#define TR_DIST_PACKER_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "dist/peers.h"
#include "troupe/status.h"

enum { TR_PACKET_ZSTD = 73 };

struct tr_packer;

TROUPE_MUST_USE troupe_status tr_packer_create(struct tr_packer **out);
/* Takes it; NULL is allowed. Nobody packs any more. */
void tr_packer_destroy(struct tr_packer *packer);

/* Any thread. What tr_peers_send does with one packet, compressed if the node unpacks that and it
 * becomes smaller. packer NULL: never. */
TROUPE_MUST_USE troupe_status tr_packer_send(struct tr_packer *packer, struct tr_peers *peers,
                                             const struct tr_peers_target *target,
                                             const uint8_t *bytes, size_t size);

/* Loop thread. Gives the packet that was packed, to be freed; the statuses of tr_compress_get, and
 * TROUPE_E_PROTOCOL for a packed one in a packed one, or without a packer. */
TROUPE_MUST_USE troupe_status tr_packer_unpack(struct tr_packer *packer, const uint8_t *bytes,
                                               size_t size, struct tr_slice *whole);

/* Any thread. How many were packed, and the bytes that were not sent because of it. packer may be
 * NULL. */
void tr_packer_counts(const struct tr_packer *packer, uint64_t *messages, uint64_t *saved);

#endif
