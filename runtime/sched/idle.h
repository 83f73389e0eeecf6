/* sched/idle.h - workers that have nothing to run: who waits for input and output, and who looks
 * after those that are busy.
 */
#ifndef TR_SCHED_IDLE_H
#define TR_SCHED_IDLE_H

#include "sched/sched.h"

/* From now on workers wait there; copies the port. Once, any thread. */
void tr_sched_set_io(struct tr_sched *sched, const struct tr_io_port *io);

/* The workers that do something, as a mask. Any thread. */
uint64_t tr_sched_busy(const struct tr_sched *sched);

/* With a port, to be called every while as long as workers are busy: when one of them has been in
 * one handler since the last call, another one that sleeps takes over what it leaves undone. One
 * thread. */
void tr_sched_look_after(struct tr_sched *sched);

#endif
