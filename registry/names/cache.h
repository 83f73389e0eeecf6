/* names/cache.h - who holds which name, as far as this node has heard.
 *
 *     put(name, pid, epoch) after a look-up -> get(name) by senders -> drop(name, epoch) when
 * refused
 *
 * The cache may be wrong and says so by epochs: an older epoch never replaces a newer one. It is
 * bounded; the entry that came first makes room. The database is asked on a miss.
 *
 * Threads: any, at any time; senders of all workers come here, so it is split into parts with a
 * lock each. Memory: freed by destroy.
 */
#ifndef REG_NAMES_CACHE_H
#define REG_NAMES_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "troupe/pid.h"
#include "troupe/status.h"

/* 256 Ki names of some 150 bytes each: 40 MiB at the most. */
enum { REG_CACHE_COUNT_MAX = 256 * 1024 };

struct reg_cache;

/* seed keeps the places of names unpredictable. TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status reg_cache_create(size_t count_max, uint64_t seed,
                                               struct reg_cache **out);
void reg_cache_destroy(struct reg_cache *cache);

/* Gives what is known; false when nothing is. */
bool reg_cache_get(struct reg_cache *cache, const char *name, troupe_pid *pid, uint64_t *epoch);

/* Notes a holder, unless a newer one is known. Without memory the name stays unknown. */
void reg_cache_put(struct reg_cache *cache, const char *name, troupe_pid pid, uint64_t epoch);

/* Forgets the name, unless what is known is newer than epoch. */
void reg_cache_drop(struct reg_cache *cache, const char *name, uint64_t epoch);

/* Forgets every name of a node; answers how many there were. */
size_t reg_cache_drop_node(struct reg_cache *cache, uint64_t node_id);

/* Forgets everything. */
void reg_cache_clear(struct reg_cache *cache);

size_t reg_cache_count(struct reg_cache *cache);

#endif
