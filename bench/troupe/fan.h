/* bench/troupe/fan.h - many actors tied to one, which then ends.
 *
 * Threads: main only.
 */
#ifndef BENCH_FAN_H
#define BENCH_FAN_H

#include "bench.h"

enum fan_kind { FAN_LINKS, FAN_MONITORS };

/* main of `links` and `monitors`: COUNT actors link themselves to one, or monitor it; then that one
 * ends. Prints figure, the milliseconds until all have ended, or have had their DOWN. */
int fan_main(int argc, char **argv, const char *figure, enum fan_kind kind);

#endif
