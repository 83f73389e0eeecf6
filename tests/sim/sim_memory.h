/* sim/sim_memory.h - the memory of the world: how many blocks there are, and that the runtime gets
 * none; the program is linked with --wrap.
 *
 * What the world itself asks for is counted too, and never refused: its sources are compiled with
 * other names for malloc and its kin (CMakeLists.txt).
 */
#ifndef SIM_SIM_MEMORY_H
#define SIM_SIM_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

int64_t memory_blocks(void);

/* From here on one in so many allocations of the runtime fails, by the world's chance; 0: none.
 * Answers what it was before. */
uint32_t memory_refuse(uint32_t one_in);

/* Whether one has failed since memory_refuse. */
bool memory_was_refused(void);

/* Goes on as before memory_refuse(0), which the world has said for something of its own. */
void memory_go_on(uint32_t one_in, bool was_refused);

#endif
