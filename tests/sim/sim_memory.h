/* sim/sim_memory.h - how many blocks of memory there are; the program is linked with --wrap. */
#ifndef SIM_SIM_MEMORY_H
#define SIM_SIM_MEMORY_H

#include <stdint.h>

int64_t memory_blocks(void);

#endif
