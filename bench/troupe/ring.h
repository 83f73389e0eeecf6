/* bench/troupe/ring.h - actors in a ring pass one token on.
 *
 * Threads: main only.
 */
#ifndef BENCH_RING_H
#define BENCH_RING_H

#include "bench.h"

/* main of a ring of so many actors: the token makes COUNT hops. Prints hops/s as figure. */
int ring_main(int argc, char **argv, const char *figure, uint64_t actors);

#endif
