/* tests/support/memory_transport.h - loops, timers and connections in memory, for tests of what
 * lies above runtime/io: no sockets, no threads, and time that passes when nobody has anything to
 * do.
 *
 *     memory_begin(seed);
 *     memory_place(0);  tr_loop_create(&one) ... tr_peers_listen at memory_host(0):MEMORY_PORT
 *     memory_place(1);  tr_loop_create(&two) ...
 *     while (!done && memory_step()) {}
 *     memory_end();
 *
 * It is what the simulator plays nodes with: tests/sim/sim_loop.c, sim_net.c and sim_dial.c stand
 * in for runtime/io at link time, so a program has either them or libuv. Here they run without the
 * simulator's world: nothing breaks by itself, but chance decides who turns next and in which
 * pieces bytes arrive. One seed, one order.
 *
 * Threads: one. Memory: one world at a time, static; each loop is destroyed by its owner before
 * memory_end.
 */
#ifndef TESTS_SUPPORT_MEMORY_TRANSPORT_H
#define TESTS_SUPPORT_MEMORY_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

enum { MEMORY_PLACES = 7, MEMORY_PORT = 4370 };

/* Begins a world in which all loops that are made lie at one of MEMORY_PLACES places. */
void memory_begin(uint64_t seed);

/* Every loop has been destroyed, or the test fails. No-op without a world. */
void memory_end(void);

/* Whether a world has begun and not ended. */
bool memory_is_on(void);

/* The place of the next loop, at which no other is. */
void memory_place(uint32_t place);

/* The address of a place: a loopback one. */
const char *memory_host(uint32_t place);

/* One turn of one loop; when none has anything to do, time passes up to the next timer or arrival.
 * False when there is none. */
bool memory_step(void);

/* A place stands still, as a process that was stopped does, or goes on. */
void memory_pause(uint32_t place, bool paused);

/* The way from one place to another lets nothing through, or does again: then it all arrives. */
void memory_cut(uint32_t from, uint32_t to, bool cut);

uint64_t memory_now_ms(void);

#endif
