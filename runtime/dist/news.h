/* dist/news.h - what a node tells its peers of itself: whether it drains, how many actors it has,
 * the behaviors it knows. Its roles are in its row. One packet; docs/protocol.md lists its bytes.
 *
 * Threads: any; nothing here keeps state.
 */
#ifndef TR_DIST_NEWS_H
#define TR_DIST_NEWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "troupe/status.h"

enum { TR_PACKET_NEWS = 72 };

struct tr_news {
    bool draining;
    bool full;      /* behaviors are there; else they are unchanged */
    bool truncated; /* there are more behaviors than are told */
    uint64_t actors;
    uint32_t behaviors_count;
    const uint8_t *behaviors; /* as they travel; lent, of the packet */
    size_t behaviors_size;
};

/* Writes a packet into a block of its own (malloc). behaviors may be NULL when not full. NULL: out
 * of memory. */
uint8_t *tr_news_encode(const struct tr_news *news, const char *const *behaviors, size_t *size);

/* TROUPE_E_PROTOCOL. */
TROUPE_MUST_USE troupe_status tr_news_decode(const uint8_t *bytes, size_t size,
                                             struct tr_news *out);

/* Steps through the names of the behaviors: start with *at 0. Hashes of the names (tr_hash_text);
 * 0 at the end. */
uint64_t tr_news_behavior(const struct tr_news *news, size_t *at);

#endif
