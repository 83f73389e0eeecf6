/* bench/troupe/bench.h - what the benchmark programs share: measuring, reporting, failing.
 *
 *     static void run(troupe_node *node, uint64_t count, bool report) { ... measure_rate(...) ... }
 *     int main(int argc, char **argv) { return bench_main(argc, argv, run); }
 *
 * A program prints one figure a line, "name value unit", as the programs in bench/erlang do. It
 * ends with 5 when a call failed or a count is wrong. Only the public API of Troupe is used.
 * Threads: everything here may be called from any thread.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "measure.h"
#include "troupe/troupe.h"

/* How long a benchmark may take before it counts as hung. */
#define BENCH_TIMEOUT_MS 100000u

/* An actor that starts others gives way after so many, by a message to itself. */
#define BENCH_BATCH 1000u

/* The message of nearly every benchmark: one number. */
typedef struct number {
    int64_t value;
} number;
TROUPE_TYPE(number, "bench.number", TROUPE_FIELD(number, value, 1));

/* Whom to talk to and how often; answered with a tally when it is done. */
typedef struct start {
    troupe_pid peer;
    uint64_t count;
} start;
TROUPE_TYPE(start, "bench.start", TROUPE_FIELD(start, peer, 1), TROUPE_FIELD(start, count, 2));

/* What an actor answers when it is asked or has done its work: what it has handled. */
typedef struct tally {
    uint64_t count;
    uint64_t bytes; /* of payloads */
} tally;
TROUPE_TYPE(tally, "bench.tally", TROUPE_FIELD(tally, count, 1), TROUPE_FIELD(tally, bytes, 2));

/* Go on with the next batch: from an actor to itself. */
TROUPE_TYPE_EMPTY(more, "bench.more");

/* Asks what an actor has handled; answered with a tally. */
TROUPE_TYPE_EMPTY(get_count, "bench.get_count");

/* Ends the program, with 5 and a line that says what, unless status is TROUPE_OK. */
void bench_must(troupe_status status, const char *what);

/* Spawns an actor, or ends the program. */
troupe_pid bench_spawn(troupe_node *node, const troupe_behavior *behavior,
                       const troupe_spawn_options *options);

/* Calls, blocks, and gives the tally that came as the answer, or its count; or ends the program. */
tally bench_ask_tally(troupe_node *node, troupe_pid to, const troupe_type *type,
                      const void *message);
uint64_t bench_ask(troupe_node *node, troupe_pid to, const troupe_type *type, const void *message);

/* Asks an actor to end, and waits for it. */
void bench_end(troupe_node *node, troupe_pid pid);

/* Waits until so many actors are alive on the node; ends the program after 20 s. */
void bench_wait_actors(troupe_node *node, uint64_t actors);

/* One benchmark of one node: does its work count times and, when report is set, prints figures. */
typedef void (*bench_run_fn)(troupe_node *node, uint64_t count, bool report);

/* main of a program `NAME WORKERS COUNT`: warm-up of a tenth, then the measured run, in one local
 * node. */
int bench_main(int argc, char **argv, bench_run_fn run);

/* The same without a warm-up, for what must be touched for the first time. */
int bench_main_cold(int argc, char **argv, bench_run_fn run);

/* Passes the node's warnings and errors to standard error, so that a failed run explains itself. */
void bench_log(void *context, int32_t level, const char *node, const char *text);

#endif
