/* bench/troupe/births.h - a parent that starts COUNT actors and sends each of them one message.
 *
 * The last child to handle its message answers the request that started the parent. `create` uses
 * it with children that end, `idle-memory` with children that stay.
 */
#ifndef BENCH_BIRTHS_H
#define BENCH_BIRTHS_H

#include "bench.h"

/* Starts count actors on the node, which end after their message unless stay is set. Answers the
 * nanoseconds until each has handled its message. The parent is gone afterwards. */
int64_t births_run(troupe_node *node, uint64_t count, bool stay);

#endif
